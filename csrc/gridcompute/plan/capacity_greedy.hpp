// What is left of the shared rows, and greedy placement into it: the integer side of the matching.
//
// Invariants. Free accelerators, data and quota never fall below zero: a gang is placed whole where all its hours,
// its link and its owner's quota admit it, or not at all. Everything placed can be taken back exactly: what is
// free is kept in integers, except data, which is recomputed by the caller's checker.
//
// Steps. place() takes jobs in the order given; each takes its cheapest option, at the given prices, among those
// that still fit, if that is below the job's value. Ties go to the lowest class, then hour.
//
// Complexity. O(options of the jobs placed), a check of the hours only for options that would be best so far.
//
// Source. The dive of a price-and-branch scheme: large jobs first, as in first-fit decreasing, at dual prices.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/plan/lagrangian.hpp"

namespace gridcompute::options {

class Room {
 public:
  explicit Room(const Market& market);

  // Places jobs by row of the table and returns how many; klass and start (one entry a row) receive the option, -1 for
  // out.
  Index place(const Prices& prices, std::span<const std::int32_t> rows, std::span<std::int32_t> klass,
              std::span<std::int32_t> start);
  // Takes back whatever of `rows` is placed according to klass and start, and marks it out.
  void remove(std::span<const std::int32_t> rows, std::span<std::int32_t> klass, std::span<std::int32_t> start);

  // Places each job at the option asked for, in the order given, where it fits. Returns how many did.
  Index settle(std::span<const std::int32_t> rows, std::span<const std::int32_t> to_class,
               std::span<const std::int32_t> to_start, std::span<std::int32_t> klass, std::span<std::int32_t> start);

  [[nodiscard]] const std::vector<double>& load() const noexcept { return load_; }
  [[nodiscard]] const Market& market() const noexcept { return *market_; }
  [[nodiscard]] const std::vector<std::int64_t>& accelerators() const noexcept { return free_; }
  [[nodiscard]] const std::vector<double>& data() const noexcept { return data_; }
  [[nodiscard]] const std::vector<double>& power() const noexcept { return power_; }
  [[nodiscard]] const std::vector<std::int64_t>& quota_used() const noexcept { return used_; }
  [[nodiscard]] bool holds() const;

 private:
  friend class Exchange;

  // visit(cost, klass, hour, hours) for each option of `job` that costs less than `limit` at these prices, whatever
  // room it needs; limit may be lowered by the visitor. sums: running sums of prices by class.
  template <class Visit>
  void for_options(const Prices& prices, const std::vector<double>& sums, const Job& job, double& limit,
                   const Visit& visit) const;
  [[nodiscard]] std::vector<double> sums_of(const Prices& prices) const;
  // One job of place(), with the running sums of prices by class.
  bool place_one(const Prices& prices, const std::vector<double>& sums, std::int32_t row, std::span<std::int32_t> klass,
                 std::span<std::int32_t> start);
  void take(const Job& job, Index klass, Index hour, int sign);
  // May a gang start there?
  [[nodiscard]] bool open(const Job& job, Index klass, Index hour, std::int32_t d) const;

  const Market* market_;
  std::vector<std::int64_t> free_;  // [class][hour]
  std::vector<double> power_;       // [place][hour]
  std::vector<double> load_;        // [place][hour], of the jobs placed
  std::vector<double> data_;        // [origin][place][hour]
  std::vector<std::int64_t> used_;  // [owner]: accelerator-hours of its placed jobs
};

template <class Visit>
void Room::for_options(const Prices& prices, const std::vector<double>& sums, const Job& job, double& limit,
                       const Visit& visit) const {
  const Market& m = *market_;
  const auto at = [](Index i) { return static_cast<std::size_t>(i); };
  const std::int32_t* hours_on = &m.hours_by_class_[m.shapes_[at(job.shape)].at];
  const std::uint64_t mask = m.masks_[at(job.mask)];
  const double nu = m.priced(job.owner) ? prices.quota[at(job.owner)] : 0.0;
  for (Index c = 0; c < m.classes_; ++c) {
    const std::int32_t d = hours_on[c];
    const Index s = m.place_[at(c)];
    if (d == 0 || job.release + d > job.deadline || ((mask >> s) & 1) == 0) continue;
    const double* sum = &sums[at(c * (m.hours_ + 1))];
    const double fixed = job.gang * nu * d + job.data * m.transfer_price_[at(job.origin * m.places_ + s)];
    const double* toll = &prices.link[at((job.origin * m.places_ + s) * m.hours_)];
    for (std::int32_t t = job.release; t + d <= job.deadline; ++t) {
      double cost = job.gang * (sum[t + d] - sum[t]) + job.data * toll[t] + fixed + job.delay * (t - job.release);
      if (job.placed_class >= 0 && (job.placed_class != c || job.placed_start != t)) cost += job.migration;
      if (cost < limit) visit(cost, static_cast<std::int32_t>(c), t, d);
    }
  }
}

}  // namespace gridcompute::options
