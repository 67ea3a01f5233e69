#include "gridcompute/options/room.hpp"

#include <algorithm>
#include <limits>

#include "gridcompute/base/error.hpp"

namespace gridcompute::options {

namespace {
std::size_t at(Index i) { return static_cast<std::size_t>(i); }
}  // namespace

Room::Room(const Market& market)
    : market_(&market), free_(market.capacity_), power_(market.power_), quota_(market.quota_) {
  data_.resize(at(market.sites_ * market.sites_ * market.hours_));
  for (Index o = 0; o < market.sites_; ++o)
    for (Index s = 0; s < market.sites_; ++s)
      for (Index t = 0; t < market.hours_; ++t)
        data_[at((o * market.sites_ + s) * market.hours_ + t)] =
            market.bandwidth_[at((o * market.hours_ + t) * market.lanes_ + s)];
}

void Room::take(const Job& job, Index klass, Index hour, int sign) {
  const Market& m = *market_;
  const std::int32_t d = m.hours_on(job, klass);
  const std::int64_t gang = sign * static_cast<std::int64_t>(job.gang);
  const Index s = m.site_[at(klass)];
  for (Index t = hour; t < hour + d; ++t) {
    free_[at(klass * m.hours_ + t)] -= gang;
    power_[at(s * m.hours_ + t)] -= static_cast<double>(gang) * m.kwh_[at(klass * m.hours_ + t)];
  }
  if (job.origin != s) data_[at((job.origin * m.sites_ + s) * m.hours_ + hour)] -= sign * job.data;
  quota_[at(job.tenant)] -= static_cast<double>(gang * d);
}

bool Room::open(const Job& job, Index klass, Index hour, std::int32_t d) const {
  const Market& m = *market_;
  const std::int64_t* held = &free_[at(klass * m.hours_ + hour)];
  for (std::int32_t h = 0; h < d; ++h)
    if (held[h] < job.gang) return false;
  const Index s = m.site_[at(klass)];
  const double *kwh = &m.kwh_[at(klass * m.hours_ + hour)], *left = &power_[at(s * m.hours_ + hour)];
  for (std::int32_t h = 0; h < d; ++h)
    if (job.gang * kwh[h] > left[h]) return false;
  return (job.origin == s || job.data <= data_[at((job.origin * m.sites_ + s) * m.hours_ + hour)]) &&
         static_cast<double>(job.gang) * d <= quota_[at(job.tenant)];
}

Placement Room::place(const Prices& prices, std::span<const std::int32_t> rows, std::span<std::int32_t> klass,
                      std::span<std::int32_t> start) {
  const Market& m = *market_;
  std::vector<double> sums(at(m.classes_ * (m.hours_ + 1)));  // of one accelerator's price, up to each hour
  for (Index c = 0; c < m.classes_; ++c)
    for (Index t = 0; t < m.hours_; ++t)
      sums[at(c * (m.hours_ + 1) + t + 1)] =
          sums[at(c * (m.hours_ + 1) + t)] + prices.capacity[at(c * m.hours_ + t)] +
          m.kwh_[at(c * m.hours_ + t)] * prices.energy[at(m.site_[at(c)] * m.hours_ + t)];
  Placement out;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Job& job = m.jobs_[at(m.position(rows[i]))];
    const Shape& shape = m.shapes_[at(job.shape)];
    const std::int32_t* hours_on = &m.hours_by_class_[shape.at];
    const double nu = m.priced(job.tenant) ? prices.quota[at(job.tenant)] : 0.0;
    double best = job.value, own = 0.0;
    klass[at(rows[i])] = start[at(rows[i])] = -1;
    for (Index c = 0; c < m.classes_; ++c) {
      const std::int32_t d = hours_on[c];
      const Index s = m.site_[at(c)];
      if (d == 0 || job.release + d > job.deadline || ((m.masks_[at(job.mask)] >> s) & 1) == 0) continue;
      const double* sum = &sums[at(c * (m.hours_ + 1))];
      const double carry = job.data * m.transfer_price_[at(job.origin * m.sites_ + s)];
      const double* toll = &prices.corridor[at((job.origin * m.sites_ + s) * m.hours_)];
      for (std::int32_t t = job.release; t + d <= job.deadline; ++t) {
        const bool moved = job.placed_class >= 0 && (job.placed_class != c || job.placed_start != t);
        const double plain = carry + job.delay * (t - job.release) + (moved ? job.migration : 0.0);
        const double cost = job.gang * (sum[t + d] - sum[t] + nu * d) + job.data * toll[t] + plain;
        if (cost < best && open(job, c, t, d)) {
          best = cost, own = plain;
          klass[at(rows[i])] = static_cast<std::int32_t>(c), start[at(rows[i])] = t;
        }
      }
    }
    if (klass[at(rows[i])] < 0) continue;
    take(job, klass[at(rows[i])], start[at(rows[i])], 1);
    ++out.placed;
    out.own += own;
  }
  return out;
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
         std::all_of(quota_.begin(), quota_.end(), [](double x) { return x >= 0; });
}

}  // namespace gridcompute::options
