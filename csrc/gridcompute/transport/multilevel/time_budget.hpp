// Under a time limit: what there is time for. Without one, for everything, and nothing is measured.
//
// What a look at every cost takes with some box, a look at some of the jobs tells. Where it is too much, a box as
// narrow as can be is looked at faster: no lists to tune and repair, but a bound, and a matching near it.
#pragma once

#include "gridcompute/transport/restricted/pricing_pass.hpp"

namespace gridcompute::transport {

class TimeBudget {
 public:
  // The level of all jobs; `closing`: seconds kept for what follows a look.
  TimeBudget(const Level& all, std::uint64_t seed, double closing) : all_(all), seed_(seed), closing_(closing) {}

  // What a level took, and what a look at all takes at its prices.
  void record_level(const SolverContext& context, Index rows, double seconds, const PriceBox& narrowest);
  // For a level of so many rows, and then the narrowest look at all? A matching that was not looked at has hardly a
  // bound.
  [[nodiscard]] bool allows_level(Index rows, const Stop& stop) const;
  // For so many times what a look at all with this box takes?
  [[nodiscard]] bool allows_passes(const SolverContext& context, const PriceBox& box, double times) const;

 private:
  [[nodiscard]] double measure_pass(const SolverContext& context, const PriceBox& box) const;

  const Level& all_;
  std::uint64_t seed_;
  double closing_;
  double level_ = 0, narrowest_ = 0;  // a row, and all of them
};

}  // namespace gridcompute::transport
