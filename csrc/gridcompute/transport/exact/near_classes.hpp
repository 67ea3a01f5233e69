// The near classes of each job: those within a margin of its cheapest at given prices. Input of cycle_canceling.hpp.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/exact/dyadic_sum.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

// A matching and prices in the unit of cost; a class below 0 means unplaced.
struct PricedMatching {
  const Problem& problem;
  std::span<const std::int32_t> at;
  std::span<const double> prices;
  double margin;  // a class is near if its cost + price exceeds the least by at most this
  const Tuning& tuning;
};

// The near classes of all jobs that have two or more.
struct NearClasses {
  double margin = 0;                  // every other class exceeds the cheapest by more
  std::vector<Index> jobs;            // ascending
  std::vector<std::size_t> begin{0};  // (jobs + 1) in slot and cost
  std::vector<Slot> slot;             // n_slots: unplaced; the job's own class is among them
  std::vector<Dyadic> cost;           // without the price
  std::vector<Dyadic> own;            // (n_jobs) cost of each job in its class; or empty
};

// The near classes of one chunk of jobs; chunks are joined in order.
struct NearClassesChunk {
  std::vector<Index> jobs;
  std::vector<std::size_t> size;
  std::vector<Slot> slot;
  std::vector<Dyadic> cost;

  // Ends the list of a job whose entries start at `before`; drops it if it has fewer than two.
  void close(Index job, std::size_t before);
};
[[nodiscard]] NearClasses join_near_classes(double margin, std::span<NearClassesChunk> parts, std::vector<Dyadic> own);

// Lists the near classes of some jobs from their costs. own: empty, or receives the cost of each job in its class.
void list_near_classes(const PricedMatching& of, std::span<const Index> jobs, NearClassesChunk& part,
                       std::span<Dyadic> own);

// Finds the near classes of all jobs; nullopt after a stop, or where more than `most` pairs are near.
[[nodiscard]] std::optional<NearClasses> find_near_classes(const PricedMatching& of, std::size_t most, Pool& pool,
                                                           Stop& stop);

// Returns a margin that usually suffices after costs have been rounded by at most `rounding`.
[[nodiscard]] double default_margin(double rounding, std::span<const double> prices, const Tuning& tuning);

}  // namespace gridcompute::transport
