// Under a limit of time or of work: which of the next steps there is time for, and work left. Without one, for all, and
// nothing is measured.
//
// Of work nothing is measured either: a step is taken where the least that it counts is left, so that a limit which is
// enough for the whole solve changes none of it.
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
  // Returns whether there is time for a level of `rows` jobs and then the narrowest pass over all; a matching without
  // that pass has hardly a bound.
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
