// The residual capacity of the coupling rows, and greedy placement into it: the integral side of the plan.
//
// Invariants (holds()). Free accelerators, data and quota never fall below zero: a gang is placed whole where all its
// hours, its link and its owner's quota rows admit it, or not at all. Every placement can be removed exactly:
// accelerators and quota are integers; data, power and load are sums of doubles that the caller's checker computes
// again.
//
// Steps. place() takes jobs in the order given; each gets its cheapest option, at the given prices, among those
// that still fit, if that is below the job's value. Ties go to the lowest class, then hour.
//
// Complexity. O(options of the jobs placed); hours are checked only for options that would be the best so far.
//
// Source. Greedy completion at dual prices, as in price-and-branch diving; large jobs first, as in first-fit
// decreasing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/plan/lagrangian_oracle.hpp"

namespace gridcompute::plan {

class ResidualCapacity {
 public:
  explicit ResidualCapacity(const LagrangianOracle& oracle);

  // Places jobs by row of the table and returns their number; klass and start (one entry per row) receive the option,
  // -1 if none fits.
  Index place(const DualPrices& prices, std::span<const std::int32_t> rows, std::span<std::int32_t> klass,
              std::span<std::int32_t> start);
  // Removes the jobs of `rows` that klass and start place, and sets these to -1.
  void remove(std::span<const std::int32_t> rows, std::span<std::int32_t> klass, std::span<std::int32_t> start);

  // Places each job at the option given, in the order given, where it fits. Returns the number placed. Without
  // `within_power` they may draw more power than their place has without its store: the caller checks that.
  Index place_at(std::span<const std::int32_t> rows, std::span<const std::int32_t> to_class,
                 std::span<const std::int32_t> to_start, std::span<std::int32_t> klass, std::span<std::int32_t> start,
                 bool within_power = true);

  [[nodiscard]] const std::vector<double>& load() const noexcept { return load_; }
  [[nodiscard]] const LagrangianOracle& oracle() const noexcept { return *oracle_; }
  [[nodiscard]] const std::vector<std::int64_t>& accelerators() const noexcept { return free_; }
  [[nodiscard]] const std::vector<double>& data() const noexcept { return data_; }
  [[nodiscard]] const std::vector<double>& power() const noexcept { return power_; }
  [[nodiscard]] const std::vector<std::int64_t>& quota_used() const noexcept { return quota_used_; }
  [[nodiscard]] bool holds() const;

 private:
  friend class PlacementState;
  friend class Exchanges;
  friend class EjectionChains;
  friend class RuinRecreate;

  // Calls visit(cost, klass, hour, hours) for each option of `job` that costs less than `limit` at these prices,
  // whether it fits or not; visit may lower the limit. sums: running sums of prices by class.
  template <class Visit>
  void for_cheaper_options(const DualPrices& prices, const std::vector<double>& sums, const PackedJob& job,
                           double& limit, const Visit& visit) const;
  [[nodiscard]] std::vector<double> price_sums(const DualPrices& prices) const;
  bool place_job(const DualPrices& prices, const std::vector<double>& sums, std::int32_t row,
                 std::span<std::int32_t> klass, std::span<std::int32_t> start);
  // Adds the load of a job (sign 1), or subtracts it (-1).
  void add_load(const PackedJob& job, Index klass, Index hour, int sign);
  // Returns whether every row of the option has enough capacity left for the job.
  [[nodiscard]] bool has_capacity(const PackedJob& job, Index klass, Index hour, std::int32_t d,
                                  bool within_power = true) const;
  // Returns whether the job's quota rows have room for `d` hours on the class.
  [[nodiscard]] bool within_quota(const PackedJob& job, Index klass, std::int32_t d) const;

  const LagrangianOracle* oracle_;
  std::vector<std::int64_t> free_;        // accelerators: [class][hour]
  std::vector<double> power_;             // left: [place][hour]
  std::vector<double> load_;              // energy of the jobs placed: [place][hour]
  std::vector<double> data_;              // left: [origin][place][hour]
  std::vector<std::int64_t> quota_used_;  // accelerator-hours of the jobs placed: [quota row]
};

template <class Visit>
void ResidualCapacity::for_cheaper_options(const DualPrices& prices, const std::vector<double>& sums,
                                           const PackedJob& job, double& limit, const Visit& visit) const {
  const LagrangianOracle& m = *oracle_;
  const auto at = [](Index i) { return static_cast<std::size_t>(i); };
  const std::int32_t* hours_on = &m.hours_by_class_[m.shapes_[at(job.shape)].row_begin];
  const std::uint64_t mask = m.masks_[at(job.mask)];
  for (Index c = 0; c < m.classes_; ++c) {
    const std::int32_t d = hours_on[c];
    const Index s = m.place_[at(c)];
    if (d == 0 || job.release + d > job.deadline || ((mask >> s) & 1) == 0) continue;
    const double* sum = &sums[at((job.kind * m.classes_ + c) * (m.hours_ + 1))];
    const double nu = m.priced(job.owner) ? prices.quota[m.account(job.owner, c)] : 0.0;
    const double fixed = job.gang * nu * d + job.data * m.transfer_price_[at(job.origin * m.places_ + s)];
    const double* toll = &prices.link[at((job.origin * m.places_ + s) * m.hours_)];
    for (std::int32_t t = job.release; t + d <= job.deadline; ++t) {
      double cost = job.gang * (sum[t + d] - sum[t]) + job.data * toll[t] + fixed + job.delay * (t - job.release);
      if (job.placed_class >= 0 && (job.placed_class != c || job.placed_start != t)) cost += job.migration;
      if (cost < limit) visit(cost, static_cast<std::int32_t>(c), t, d);
    }
  }
}

}  // namespace gridcompute::plan
