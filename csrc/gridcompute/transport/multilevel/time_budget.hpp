// Decides, under a limit of time or of work, for which of the next steps there is enough left. Without a limit, for
// all, and nothing is measured.
//
// Under a limit of work nothing is measured either: a step is taken where at least the work that it will count is left,
// so that a limit that suffices for the whole solve changes nothing.
//
// The time of a pass over all costs within some box is extrapolated from a pass over a sample. Where it is too long, a
// pass in the narrowest box is faster: it keeps no lists to tune and repair, but gives a bound, and a matching near it.
#pragma once

#include "gridcompute/transport/restricted/pricing_pass.hpp"

namespace gridcompute::transport {

class TimeBudget {
 public:
  // `all`: the level of all jobs; `closing`: seconds reserved for what follows a pass.
  TimeBudget(const Level& all, Slot columns, std::uint64_t seed, double closing)
      : all_(all), columns_(columns), seed_(seed), closing_(closing) {}

  // Records the time of a level, and measures a pass over all jobs at its prices.
  void record_level(const SolverContext& context, Index rows, double seconds, const PriceBox& narrowest);
  // Returns whether there is time for a level of `rows` jobs and then the narrowest pass over all jobs; without that
  // pass a matching has next to no bound.
  [[nodiscard]] bool allows_level(Index rows, const Stop& stop) const;
  // Returns whether there is time for `times` passes over all jobs within this box.
  [[nodiscard]] bool allows_passes(const SolverContext& context, const PriceBox& box, double times) const;

 private:
  [[nodiscard]] double measure_pass(const SolverContext& context, const PriceBox& box) const;

  const Level& all_;
  Slot columns_;
  std::uint64_t seed_;
  double closing_;
  double level_ = 0, narrowest_ = 0;  // seconds a row of the last level, and of a pass in the narrowest box
};

}  // namespace gridcompute::transport
