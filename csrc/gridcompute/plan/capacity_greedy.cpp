#include "gridcompute/plan/capacity_greedy.hpp"

#include <algorithm>
#include <limits>

#include "gridcompute/base/error.hpp"

namespace gridcompute::options {

namespace {
std::size_t at(Index i) { return static_cast<std::size_t>(i); }
}  // namespace

Room::Room(const Market& market)
    : market_(&market),
      free_(market.capacity_),
      power_(market.power_),
      load_(market.power_.size(), 0.0),
      used_(market.quota_.size(), 0) {
  data_.resize(at(market.places_ * market.places_ * market.hours_));
  for (Index o = 0; o < market.places_; ++o)
    for (Index s = 0; s < market.places_; ++s)
      for (Index t = 0; t < market.hours_; ++t)
        data_[at((o * market.places_ + s) * market.hours_ + t)] =
            market.bandwidth_[at((o * market.hours_ + t) * market.lanes_ + s)];
}

void Room::take(const Job& job, Index klass, Index hour, int sign) {
  const Market& m = *market_;
  const std::int32_t d = m.hours_on(job, klass);
  const std::int64_t gang = sign * static_cast<std::int64_t>(job.gang);
  const Index s = m.place_[at(klass)];
  for (Index t = hour; t < hour + d; ++t) {
    free_[at(klass * m.hours_ + t)] -= gang;
    const double energy = static_cast<double>(gang) * m.energy_[at(klass * m.hours_ + t)];
    power_[at(s * m.hours_ + t)] -= energy, load_[at(s * m.hours_ + t)] += energy;
  }
  if (job.origin != s) data_[at((job.origin * m.places_ + s) * m.hours_ + hour)] -= sign * job.data;
  used_[at(job.owner)] += gang * d;
}

bool Room::open(const Job& job, Index klass, Index hour, std::int32_t d) const {
  const Market& m = *market_;
  const std::int64_t* held = &free_[at(klass * m.hours_ + hour)];
  for (std::int32_t h = 0; h < d; ++h)
    if (held[h] < job.gang) return false;
  const Index s = m.place_[at(klass)];
  const double *energy = &m.energy_[at(klass * m.hours_ + hour)], *left = &power_[at(s * m.hours_ + hour)];
  for (std::int32_t h = 0; h < d; ++h)
    if (job.gang * energy[h] > left[h]) return false;
  return (job.origin == s || job.data <= data_[at((job.origin * m.places_ + s) * m.hours_ + hour)]) &&
         static_cast<double>(used_[at(job.owner)] + static_cast<std::int64_t>(job.gang) * d) <= m.quota_[at(job.owner)];
}

std::vector<double> Room::sums_of(const Prices& prices) const {
  const Market& m = *market_;
  std::vector<double> sums(at(m.classes_ * (m.hours_ + 1)));
  for (Index c = 0; c < m.classes_; ++c)
    for (Index t = 0; t < m.hours_; ++t)
      sums[at(c * (m.hours_ + 1) + t + 1)] =
          sums[at(c * (m.hours_ + 1) + t)] + prices.capacity[at(c * m.hours_ + t)] +
          m.energy_[at(c * m.hours_ + t)] * prices.energy[at(m.place_[at(c)] * m.hours_ + t)];
  return sums;
}

bool Room::place_one(const Prices& prices, const std::vector<double>& sums, std::int32_t row,
                     std::span<std::int32_t> klass, std::span<std::int32_t> start) {
  const Job& job = market_->jobs_[at(market_->position(row))];
  double best = job.value;
  std::int32_t to = -1, to_start = -1;
  for_options(prices, sums, job, best, [&](double cost, std::int32_t c, std::int32_t t, std::int32_t d) {
    if (open(job, c, t, d)) best = cost, to = c, to_start = t;
  });
  klass[at(row)] = to, start[at(row)] = to_start;
  if (to >= 0) take(job, to, to_start, 1);
  return to >= 0;
}

Index Room::place(const Prices& prices, std::span<const std::int32_t> rows, std::span<std::int32_t> klass,
                  std::span<std::int32_t> start) {
  const std::vector<double> sums = sums_of(prices);
  Index placed = 0;
  for (const std::int32_t row : rows) placed += place_one(prices, sums, row, klass, start) ? 1 : 0;
  return placed;
}

Index Room::settle(std::span<const std::int32_t> rows, std::span<const std::int32_t> to_class,
                   std::span<const std::int32_t> to_start, std::span<std::int32_t> klass,
                   std::span<std::int32_t> start) {
  remove(rows, klass, start);
  Index placed = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Job& job = market_->jobs_[at(market_->position(rows[i]))];
    if (to_class[i] < 0 || !market_->fits(job, to_class[i], to_start[i])) continue;
    if (!open(job, to_class[i], to_start[i], market_->hours_on(job, to_class[i]))) continue;
    take(job, to_class[i], to_start[i], 1);
    klass[at(rows[i])] = to_class[i], start[at(rows[i])] = to_start[i];
    ++placed;
  }
  return placed;
}

void Room::remove(std::span<const std::int32_t> rows, std::span<std::int32_t> klass, std::span<std::int32_t> start) {
  for (const std::int32_t row : rows) {
    if (klass[at(row)] < 0) continue;
    take(market_->jobs_[at(market_->position(row))], klass[at(row)], start[at(row)], -1);
    klass[at(row)] = start[at(row)] = -1;
  }
}

bool Room::holds() const {
  return std::all_of(free_.begin(), free_.end(), [](std::int64_t x) { return x >= 0; }) &&
         std::all_of(data_.begin(), data_.end(), [](double x) { return x >= -1e-6; }) &&
         std::all_of(used_.begin(), used_.end(), [](std::int64_t x) { return x >= 0; });
}

}  // namespace gridcompute::options
