// A first look at a row in float32: it tells nearly all classes out, and the few that are left are read exactly.
//
// Within a box (restricted_problem.hpp) class s matters iff key_s + down_s <= low = min(key_t + up_t). The sketch w is
// within e of the keys before rounding, so a class with w_s + down_s > min(w_t + up_t) + 2 (e + 1) does not, whichever
// way the roundings went: prices are rounded outwards by twice what a float32 loses, the 1 is for the rounding of two
// keys. What is kept is therefore exactly what a look at all keys keeps; only `next`, what the others cost at the
// least, may be lower by e + 1.
#pragma once

#include <vector>

#include "gridcompute/base/simd_lanes.hpp"
#include "gridcompute/transport/model/quantised_cost.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"

namespace gridcompute::transport {

// The classes of a row that were kept.
struct FilteredRow {
  Cost low = 0;            // min(key + up)
  Cost next = 0;           // at most min(key + down) over the others; kForbidden without any
  std::vector<Slot> slot;  // ascending
  std::vector<Cost> key;
};

class FloatFilter {
 public:
  // Buffers of one thread.
  struct Scratch {
    AlignedVector<float> row;
    std::vector<float> least;  // of each block of the row
    std::vector<Slot> slot;
    std::vector<double> cost;
  };

  // Can this source's rows be sketched, and is it worth it?
  [[nodiscard]] static bool serves(const QuantisedCost& keys);

  FloatFilter(const QuantisedCost& keys, const PriceBox& box);

  // False if the sketch tells too little of this row: read it all. `outside`: key + up of leaving the job out, or the
  // largest Cost.
  [[nodiscard]] bool screen(Index job, Cost outside, Scratch& scratch, FilteredRow& out) const;

 private:
  const QuantisedCost& keys_;
  Index n_, width_;
  double limit_;                        // of a |key|
  std::vector<Cost> up_, down_;         // (n_slots): added to a key
  AlignedVector<float> above_, below_;  // (width): the same, rounded outwards
};

}  // namespace gridcompute::transport
