// From the splittable optimum to whole jobs.
//
// Unit jobs come out whole by themselves. Of gangs, at most one a tight class is split (a vertex has no cycle of split
// jobs); ties may split more. Two ways, of which the caller keeps the cheaper. Whole first: jobs that lie whole in one
// class stay, the split ones are placed into the holes, largest first, each where cost plus price is least, or left out
// where that is cheaper or nothing is big enough. Largest first: jobs take their places by size, and those that lose
// theirs to a larger one find smaller holes; of equal jobs those first that would lose most by going elsewhere. The
// same step completes a matching that was stopped half-way.
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
                               bool largest_first, Stop& stop);

// Nothing was read yet: fill the classes in order where a job is allowed, or leave it out.
[[nodiscard]] Whole make_any(const Scan& how, const Level& level, Stop& stop);

}  // namespace gridcompute::transport
