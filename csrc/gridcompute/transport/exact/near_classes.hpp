// The classes near each job's cheapest at some prices, with what they cost: what cycle_canceling.hpp looks at.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/exact/fixed_point.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

// A matching to be looked at: the class of each job, below 0 if left out, and prices in the unit of cost.
struct PricedMatching {
  const Problem& problem;
  std::span<const std::int32_t> at;
  std::span<const double> prices;
  double margin;  // how much dearer than the cheapest a near class may be
};

// The classes near each job's cheapest. Jobs with one only are not listed.
struct NearClasses {
  double margin = 0;                  // every class that is not listed is dearer than the cheapest by more
  std::vector<Index> jobs;            // ascending
  std::vector<std::size_t> begin{0};  // (jobs + 1) in slot and cost
  std::vector<Slot> slot;             // n_slots: left out; the job's own class is among them
  std::vector<Dyadic> cost;           // without the price
  std::vector<Dyadic> own;            // (n_jobs) what each job pays where it is; or empty
};

// What one chunk of jobs found; joined in order.
struct NearClassesChunk {
  std::vector<Index> jobs;
  std::vector<std::size_t> size;
  std::vector<Slot> slot;
  std::vector<Dyadic> cost;

  // Lists a job whose entries have been added since `before`, if there are two or more.
  void close(Index job, std::size_t before);
};
[[nodiscard]] NearClasses join_near_classes(double margin, std::span<NearClassesChunk> parts, std::vector<Dyadic> own);

// The near classes of some jobs, by a look at their costs; `own`: nothing, or what they pay is written to it.
void list_near_classes(const PricedMatching& of, std::span<const Index> jobs, NearClassesChunk& part,
                       std::span<Dyadic> own);

// Of all jobs. Nothing after a stop, or where more than `most` pairs are near.
[[nodiscard]] std::optional<NearClasses> find_near_classes(const PricedMatching& of, std::size_t most, Pool& pool,
                                                           Stop& stop);

// A margin that suffices as a rule after rounding of costs by so much.
[[nodiscard]] double default_margin(double rounding, std::span<const double> prices);

}  // namespace gridcompute::transport
