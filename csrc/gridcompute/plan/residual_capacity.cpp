#include "gridcompute/plan/residual_capacity.hpp"

#include <algorithm>

#include "gridcompute/base/error.hpp"

namespace gridcompute::plan {

ResidualCapacity::ResidualCapacity(const LagrangianOracle& oracle)
    : oracle_(&oracle),
      free_(oracle.capacity_),
      power_(oracle.power_),
      load_(oracle.power_.size(), 0.0),
      quota_used_(oracle.quota_.size(), 0) {
  data_.resize(at(oracle.places_ * oracle.places_ * oracle.hours_));
  for (Index o = 0; o < oracle.places_; ++o)
    for (Index s = 0; s < oracle.places_; ++s)
      for (Index t = 0; t < oracle.hours_; ++t)
        data_[at((o * oracle.places_ + s) * oracle.hours_ + t)] =
            oracle.bandwidth_[at((o * oracle.hours_ + t) * oracle.lanes_ + s)];
}

void ResidualCapacity::add_load(const PackedJob& job, Index klass, Index hour, int sign) {
  const LagrangianOracle& m = *oracle_;
  const std::int32_t d = m.hours_on(job, klass);
  const std::int64_t gang = sign * static_cast<std::int64_t>(job.gang);
  const Index s = m.place_[at(klass)];
  for (Index t = hour; t < hour + d; ++t) {
    free_[at(klass * m.hours_ + t)] -= gang;
    const double energy = static_cast<double>(gang) * m.energy_[at(klass * m.hours_ + t)];
    power_[at(s * m.hours_ + t)] -= energy, load_[at(s * m.hours_ + t)] += energy;
  }
  if (job.origin != s) data_[at((job.origin * m.places_ + s) * m.hours_ + hour)] -= sign * job.data;
  for (const std::int32_t row : m.quota_rows(job.owner, klass)) quota_used_[at(row)] += gang * d;
}

bool ResidualCapacity::has_capacity(const PackedJob& job, Index klass, Index hour, std::int32_t d,
                                    bool within_power) const {
  const LagrangianOracle& m = *oracle_;
  const std::int64_t* free_here = &free_[at(klass * m.hours_ + hour)];
  for (std::int32_t h = 0; h < d; ++h)
    if (free_here[h] < job.gang) return false;
  const Index s = m.place_[at(klass)];
  const double *energy = &m.energy_[at(klass * m.hours_ + hour)], *left = &power_[at(s * m.hours_ + hour)];
  for (std::int32_t h = 0; h < d && within_power; ++h)
    if (job.gang * energy[h] > left[h]) return false;
  return (job.origin == s || job.data <= data_[at((job.origin * m.places_ + s) * m.hours_ + hour)]) &&
         within_quota(job, klass, d);
}

bool ResidualCapacity::within_quota(const PackedJob& job, Index klass, std::int32_t d) const {
  const std::int64_t size = static_cast<std::int64_t>(job.gang) * d;
  for (const std::int32_t row : oracle_->quota_rows(job.owner, klass))
    if (static_cast<double>(quota_used_[at(row)] + size) > oracle_->quota_[at(row)]) return false;
  return true;
}

std::vector<double> ResidualCapacity::price_sums(const DualPrices& prices) const {
  const LagrangianOracle& m = *oracle_;
  std::vector<double> sums(at(m.kinds_ * m.classes_ * (m.hours_ + 1)));
  for (Index kc = 0; kc < m.kinds_ * m.classes_; ++kc)
    for (Index t = 0, c = kc % m.classes_; t < m.hours_; ++t)
      sums[at(kc * (m.hours_ + 1) + t + 1)] =
          sums[at(kc * (m.hours_ + 1) + t)] + prices.capacity[at(kc * m.hours_ + t)] +
          m.energy_[at(c * m.hours_ + t)] * prices.energy[at(m.place_[at(c)] * m.hours_ + t)];
  return sums;
}

bool ResidualCapacity::place_job(const DualPrices& prices, const std::vector<double>& sums, std::int32_t row,
                                 std::span<std::int32_t> klass, std::span<std::int32_t> start) {
  const PackedJob& job = oracle_->jobs_[at(oracle_->position(row))];
  double best = job.value;
  std::int32_t to = -1, to_start = -1;
  for_cheaper_options(prices, sums, job, best, [&](double cost, std::int32_t c, std::int32_t t, std::int32_t d) {
    if (has_capacity(job, c, t, d)) best = cost, to = c, to_start = t;
  });
  klass[at(row)] = to, start[at(row)] = to_start;
  if (to >= 0) add_load(job, to, to_start, 1);
  return to >= 0;
}

Index ResidualCapacity::place(const DualPrices& prices, std::span<const std::int32_t> rows,
                              std::span<std::int32_t> klass, std::span<std::int32_t> start) {
  const std::vector<double> sums = price_sums(prices);
  Index placed = 0;
  for (const std::int32_t row : rows) placed += place_job(prices, sums, row, klass, start) ? 1 : 0;
  return placed;
}

Index ResidualCapacity::place_at(std::span<const std::int32_t> rows, std::span<const std::int32_t> to_class,
                                 std::span<const std::int32_t> to_start, std::span<std::int32_t> klass,
                                 std::span<std::int32_t> start, bool within_power) {
  remove(rows, klass, start);
  Index placed = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const PackedJob& job = oracle_->jobs_[at(oracle_->position(rows[i]))];
    if (to_class[i] < 0 || !oracle_->allowed(job, to_class[i], to_start[i])) continue;
    if (!has_capacity(job, to_class[i], to_start[i], oracle_->hours_on(job, to_class[i]), within_power)) continue;
    add_load(job, to_class[i], to_start[i], 1);
    klass[at(rows[i])] = to_class[i], start[at(rows[i])] = to_start[i];
    ++placed;
  }
  return placed;
}

void ResidualCapacity::remove(std::span<const std::int32_t> rows, std::span<std::int32_t> klass,
                              std::span<std::int32_t> start) {
  for (const std::int32_t row : rows) {
    if (klass[at(row)] < 0) continue;
    add_load(oracle_->jobs_[at(oracle_->position(row))], klass[at(row)], start[at(row)], -1);
    klass[at(row)] = start[at(row)] = -1;
  }
}

bool ResidualCapacity::holds() const {
  return std::all_of(free_.begin(), free_.end(), [](std::int64_t x) { return x >= 0; }) &&
         std::all_of(data_.begin(), data_.end(), [](double x) { return x >= -1e-6; }) &&
         std::all_of(quota_used_.begin(), quota_used_.end(), [](std::int64_t x) { return x >= 0; });
}

}  // namespace gridcompute::plan
