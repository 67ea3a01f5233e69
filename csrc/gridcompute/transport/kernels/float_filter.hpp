// A float32 filter of rows: it excludes nearly all classes, and the few that are left are read exactly.
//
// Within a box (restricted_problem.hpp) class s is a candidate iff key_s + down_s <= low = min_t(key_t + up_t). The
// float32 row w is within e of the keys before rounding, so a class with w_s + down_s > min(w_t + up_t) + 2 (e + 1) is
// no candidate, however values were rounded: prices are rounded outwards by twice the rounding error of a float32, and
// the 1 covers the rounding of two keys. The candidates are therefore exactly those of a pass over all keys; only
// `next`, the least key + down of the others, may be lower by e + 1.
#pragma once

#include <vector>

#include "gridcompute/base/simd_lanes.hpp"
#include "gridcompute/transport/model/integer_keys.hpp"
#include "gridcompute/transport/model/price_box.hpp"
#include "gridcompute/transport/tuning.hpp"

namespace gridcompute::transport {

// The candidates of a row.
struct FilteredRow {
  Cost low = 0;            // min(key + up)
  Cost next = 0;           // at most min(key + down) over the other classes; kForbidden if there are none
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

  // Returns whether the source has float32 rows, long enough for the filter to save time.
  [[nodiscard]] static bool serves(const IntegerKeys& keys, const Tuning& tuning = kDefaultTuning);

  FloatFilter(const IntegerKeys& keys, const PriceBox& box, const Tuning& tuning = kDefaultTuning);

  // Finds the candidates of a job. Returns false where too many classes are left: all keys of the row must be read.
  // `outside`: key + up of the unplaced column, or the largest Cost.
  [[nodiscard]] bool screen(Index job, Cost outside, Scratch& scratch, FilteredRow& out) const;

 private:
  const IntegerKeys& keys_;
  const Tuning& tuning_;
  Index n_, width_;
  double limit_;                        // largest |key| that is exact
  std::vector<Cost> up_, down_;         // (n_slots): added to a key
  AlignedVector<float> above_, below_;  // (width): the same, rounded outwards
};

}  // namespace gridcompute::transport
