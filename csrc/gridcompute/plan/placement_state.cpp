#include "gridcompute/plan/placement_state.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

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

PlacementState::PlacementState(ResidualCapacity& residual, const DualPrices& guide, double weight,
                               std::span<std::int32_t> klass, std::span<std::int32_t> start)
    : residual_(&residual),
      oracle_(&residual.oracle()),
      capacity_(guide.capacity.begin(), guide.capacity.end()),
      energy_(guide.energy.begin(), guide.energy.end()),
      link_(guide.link.begin(), guide.link.end()),
      quota_(guide.quota.begin(), guide.quota.end()),
      guide_{capacity_, energy_, link_, quota_},
      weight_(weight),
      guide_sums_(residual.price_sums(guide_)),
      klass_(klass),
      start_(start) {
  const std::vector<double> no_energy(energy_.size(), 0.0);
  capacity_sums_ = residual.price_sums({capacity_, no_energy, link_, quota_});
  const std::size_t n = at(oracle_->size());
  starts_.resize(at(oracle_->classes() * oracle_->hours()));
  index_in_starts_.assign(n, -1), restored_.assign(n, 0), cached_cost_.assign(n, -1.0);
  for (std::size_t p = 0; p < n; ++p) {
    const std::size_t row = at(oracle_->jobs()[p].id);
    if (klass[row] < 0) continue;
    auto& list = starts_[at(klass[row] * oracle_->hours() + start[row])];
    index_in_starts_[p] = static_cast<std::int32_t>(list.size());
    list.push_back(static_cast<std::int32_t>(p));
  }
}

const PackedJob& PlacementState::job(std::int32_t position) const { return oracle_->jobs()[at(position)]; }
std::int32_t PlacementState::klass(std::int32_t position) const { return klass_[at(job(position).id)]; }
std::int32_t PlacementState::start(std::int32_t position) const { return start_[at(job(position).id)]; }
PlacementChange PlacementState::where(std::int32_t position) const {
  return {position, klass(position), start(position)};
}

double PlacementState::place(std::int32_t position, std::int32_t klass, std::int32_t start) {
  const double cost = real_cost(job(position), klass, start);
  add(position, klass, start);
  return cost;
}

double PlacementState::remove(std::int32_t position) {
  const PlacementChange before = where(position);
  if (before.klass < 0) return job(position).value;
  take_out(position);
  return real_cost(job(position), before.klass, before.start);
}

void PlacementState::add(std::int32_t position, std::int32_t klass, std::int32_t start) {
  const PackedJob& j = job(position);
  if (klass >= 0) {
    residual_->add_load(j, klass, start, 1);
    auto& list = starts_[at(klass * oracle_->hours() + start)];
    index_in_starts_[at(position)] = static_cast<std::int32_t>(list.size());
    list.push_back(position);
  }
  klass_[at(j.id)] = klass, start_[at(j.id)] = klass < 0 ? -1 : start;
  cached_cost_[at(position)] = -1.0;
}

void PlacementState::take_out(std::int32_t position) {
  const PackedJob& j = job(position);
  const std::int32_t klass = klass_[at(j.id)], start = start_[at(j.id)];
  if (klass < 0) return;
  residual_->add_load(j, klass, start, -1);
  auto& list = starts_[at(klass * oracle_->hours() + start)];
  const std::int32_t last = list.back();
  list[at(index_in_starts_[at(position)])] = last, index_in_starts_[at(last)] = index_in_starts_[at(position)];
  list.pop_back();
  index_in_starts_[at(position)] = -1;
  klass_[at(j.id)] = start_[at(j.id)] = -1;
}

void PlacementState::restore(std::span<const PlacementChange> changes) {
  for (const PlacementChange& change : changes) take_out(change.position);
  ++restores_;
  for (const PlacementChange& change : changes) {
    if (restored_[at(change.position)] == restores_) continue;
    restored_[at(change.position)] = restores_;
    add(change.position, change.klass, change.start);
  }
}

void PlacementState::undo() {
  restore(log_);
  log_.clear();
}

JobOption PlacementState::cheapest_available(const PackedJob& j) const {
  JobOption best{j.value, -1, -1, 0};
  for_cheaper_options(j, best.cost, [&](double cost, std::int32_t c, std::int32_t t, std::int32_t d) {
    if (residual_->has_capacity(j, c, t, d)) best = {cost, c, t, d};
  });
  return best;
}

// Returns the cost of `more` load in an hour of a place.
double PlacementState::energy_cost(Index where, double more) const {
  const Index n = curves_.segments;
  const double *end = &curves_.end[at(where * n)], *price = &curves_.price[at(where * n)];
  double load = residual_->load_[at(where)], cost = 0.0;
  Index i = 0;
  while (i + 1 < n && end[i] <= load) ++i;
  for (; i + 1 < n && load + more > end[i]; ++i) {
    cost += (end[i] - load) * price[i];
    more -= end[i] - load, load = end[i];
  }
  return cost + more * price[i];
}

// Returns the change of the real cost if the job is placed there (klass -1: left out).
double PlacementState::real_cost(const PackedJob& j, std::int32_t klass, std::int32_t start) const {
  if (klass < 0) return j.value;
  const LagrangianOracle& m = *oracle_;
  const std::int32_t d = m.hours_on(j, klass);
  const Index s = m.place_[at(klass)];
  const double* sum = &capacity_sums_[at((j.kind * m.classes_ + klass) * (m.hours_ + 1))];
  const double nu = m.priced(j.owner) ? quota_[m.account(j.owner, klass)] : 0.0;
  const Index link = j.origin * m.places_ + s;
  double cost =
      weight_ * (j.gang * (sum[start + d] - sum[start] + nu * d) + j.data * link_[at(link * m.hours_ + start)]);
  cost += j.data * m.transfer_price_[at(link)] + j.delay * (start - j.release);
  if (j.placed_class >= 0 && (j.placed_class != klass || j.placed_start != start)) cost += j.migration;
  for (Index t = start; t < start + d; ++t)
    cost += energy_cost(s * m.hours_ + t, j.gang * m.energy_[at(klass * m.hours_ + t)]);
  return cost;
}

double PlacementState::compute_shortage(const PackedJob& j, const JobOption& target) {
  const LagrangianOracle& m = *oracle_;
  const Index from = target.klass * m.hours_ + target.start;
  const Index power = m.place_[at(target.klass)] * m.hours_ + target.start;
  double sum = 0.0;
  shortage_.assign(at(target.hours), 0.0);
  for (std::int32_t h = 0; h < target.hours; ++h) {
    double free = static_cast<double>(residual_->free_[at(from + h)]);
    const double energy = m.energy_[at(from + h)];
    if (energy > 0.0) free = std::min(free, std::floor(residual_->power_[at(power + h)] / energy));
    sum += shortage_[at(h)] = std::max(0.0, j.gang - free);
  }
  return sum;
}

double PlacementState::reduce_shortage(const Occupant& ejected) {
  for (std::int32_t h = ejected.first; h < ejected.last; ++h)
    shortage_[at(h)] = std::max(0.0, shortage_[at(h)] - ejected.gang);
  return std::accumulate(shortage_.begin(), shortage_.end(), 0.0);
}

double PlacementState::covered_shortage(const Occupant& occupant) const {
  double covered = 0.0;
  for (std::int32_t h = occupant.first; h < occupant.last; ++h) covered += std::min(occupant.gang, shortage_[at(h)]);
  return covered;
}

}  // namespace gridcompute::plan
