// From the splittable optimum to whole jobs.
//
// Unit jobs come out whole by themselves. Of gangs, at most one a tight class is split (a vertex has no cycle of split
// jobs); ties may split more. Split gangs are placed whole into the holes, largest first, each at the least cost plus
// price of a class with room; then, where all holes are too small, left out if they may be. The same step completes a
// matching that was stopped half-way.
#pragma once

#include "gridcompute/transport/scan.hpp"

namespace gridcompute::transport {

struct Whole {
  std::vector<std::int32_t> assignment;  // n_slots means unplaced by choice, -1 not placed
  std::vector<Cost> load;                // (columns)
  Index homeless = 0;                    // jobs that had to be placed and could not
};

// The optimum of unit jobs, as it is.
[[nodiscard]] Whole deal_out(const Scan& how, const Restricted& r);

// Every job whose units lie in one class with room for it goes there; the others are placed as above.
[[nodiscard]] Whole make_whole(const Scan& how, const Level& level, const Restricted& r, std::span<const Cost> prices,
                               Stop& stop);

// Nothing was read yet: fill the classes in order where a job is allowed, or leave it out.
[[nodiscard]] Whole make_any(const Scan& how, const Level& level, Stop& stop);

}  // namespace gridcompute::transport
