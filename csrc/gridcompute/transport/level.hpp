// One level solved exactly: scan, tune, then repair and verify in turn until nothing is doubtful. Samples and the full
// problem go the same way; a sample may end early, its prices being advice.
#pragma once

#include "gridcompute/transport/scan.hpp"

namespace gridcompute::transport {

struct LevelEnd {
  enum class Kind { optimal, infeasible, stopped, out_of_range } kind = Kind::optimal;
  std::vector<Slot> classes;  // infeasible: jobs in these have nowhere else to go
};

// `prices` in and out. Where it is stopped after its scan, `r` and `prices` are still valid: units at their cheapest
// candidates, prices that bound.
[[nodiscard]] LevelEnd solve_level(const Scan& how, const Level& level, const std::vector<Cost>& radius,
                                   std::uint64_t seed, bool sample, std::vector<Cost>& prices,
                                   std::vector<double>& noise, Restricted& r, Seen& seen, Stats& stats);

}  // namespace gridcompute::transport
