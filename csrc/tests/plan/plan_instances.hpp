// Small random instances of jobs and options, and the slow oracle: the definition in plan/instance.hpp, literally.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <span>
#include <vector>

#include "gridcompute/plan/lagrangian_oracle.hpp"
#include "gridcompute/plan/local_search.hpp"
#include "gridcompute/plan/placement_state.hpp"

namespace gridcompute::plan::testing {

struct PlanCase {
  Index n, places, hours, classes, owners, families = 3, models = 1;
  std::vector<std::int32_t> place;
  std::vector<std::int64_t> capacity;
  std::vector<double> memory, throughput, energy, power, bandwidth, transfer, latency, quota;
  std::vector<std::uint8_t> priced;
  std::vector<std::int32_t> gang, family, origin, release, deadline, owner, placed_class, placed_start;
  std::vector<double> work, needs, data, most_latency, value, delay, migration;
  std::vector<std::int64_t> residency;
  std::vector<double> alpha, pi, gamma, nu;
  std::vector<std::int32_t> model, quota_rows, quota_ends;  // of a tree that tells models apart; otherwise empty

  PlanCase(std::uint64_t seed, Index jobs, Index n_places, Index n_hours, Index n_classes)
      : n(jobs), places(n_places), hours(n_hours), classes(n_classes), owners(3) {
    std::mt19937_64 r(seed);
    const auto below = [&](Index most) { return static_cast<std::int32_t>(r() % static_cast<std::uint64_t>(most)); };
    const auto real = [&](double low, double high) {  // eighths: sums are exact, and ties are frequent
      return low + std::floor((high - low) * 8.0 * static_cast<double>(r() % 1024) / 1024.0) / 8.0;
    };
    const auto fill = [&](std::vector<double>& v, Index size, double low, double high, int holes, double hole) {
      for (Index k = 0; k < size; ++k) v.push_back(holes > 0 && below(holes) == 0 ? hole : real(low, high));
    };
    for (Index c = 0; c < classes; ++c) place.push_back(below(places));
    for (Index k = 0; k < classes * hours; ++k) capacity.push_back(below(8) == 0 ? 0 : below(6) + 2);
    fill(memory, classes, 8, 64, 0, 0);
    fill(throughput, families * classes, 0.5, 3, 6, 0.0);
    fill(energy, classes * hours, 0.25, 2, 0, 0);
    fill(power, places * hours, 4, 20, 2, kInf);
    fill(bandwidth, places * places * hours, 1, 20, 2, kInf);
    fill(transfer, places * places, 0, 2, 0, 0);
    fill(latency, places * places, 1, 20, 0, 0);
    for (Index o = 0; o < places; ++o)  // a site needs no link to itself
      std::fill_n(bandwidth.begin() + (o * places + o) * hours, hours, kInf);
    for (Index o = 0; o < owners; ++o) quota.push_back(o == 0 ? kInf : real(4, 40)), priced.push_back(o != 1);
    for (Index j = 0; j < n; ++j) {
      gang.push_back(below(4) == 0 ? below(8) + 1 : 1), family.push_back(below(families));
      origin.push_back(below(places)), release.push_back(below(hours));
      deadline.push_back(release.back() + 1 + below(hours - release.back()));
      owner.push_back(below(owners));
      const bool was = below(3) == 0;
      placed_class.push_back(was ? below(classes) : -1), placed_start.push_back(was ? below(hours) : -1);
      residency.push_back(below(3) == 0 ? static_cast<std::int64_t>(r() >> 1) : std::int64_t{-1});
    }
    fill(work, n, 0.5, 5, 0, 0), fill(needs, n, 4, 40, 0, 0), fill(data, n, 0, 8, 4, 0);
    fill(most_latency, n, 2, 30, 3, kInf), fill(value, n, 1, 60, 0, 0), fill(delay, n, 0, 2, 0, 0);
    fill(migration, n, 0, 4, 3, 0);
    fill(alpha, classes * hours, 0, 4, 0, 0), fill(pi, places * hours, -1, 4, 0, 0);
    fill(gamma, places * places * hours, 0, 2, 0, 0), fill(nu, owners, -1, 3, 0, 0);
    if (seed % 2 == 0) return;
    // Row 3 is above owners 1 and 2; row 4 is owner 0's on model 1, row 5 that of owners 1 and 2 on model 0.
    models = 2, quota.push_back(real(20, 60)), quota.push_back(real(4, 20)), quota.push_back(real(4, 40));
    for (Index c = 0; c < classes; ++c) model.push_back(below(models));
    quota_rows = {0, 0, 4, 1, 3, 5, 1, 3, 2, 3, 5, 2, 3}, quota_ends = {1, 3, 6, 8, 11, 13};
    nu.clear(), fill(nu, owners * models, -1, 3, 0, 0);
  }

  [[nodiscard]] Instance instance() const {
    Instance w;
    w.places = places, w.hours = hours, w.place = place, w.capacity = capacity, w.memory = memory;
    w.throughput = throughput, w.energy = energy, w.power = power, w.bandwidth = bandwidth;
    w.transfer_price = transfer, w.latency = latency, w.quota = quota, w.priced = priced;
    w.models = models, w.model = model, w.quota_rows = quota_rows, w.quota_ends = quota_ends;
    return w;
  }
  [[nodiscard]] JobTable jobs() const {
    return {gang,         work,      family, needs, data,  origin,       release,      deadline,
            most_latency, residency, value,  delay, owner, placed_class, placed_start, migration};
  }
  [[nodiscard]] DualPrices prices() const { return {alpha, pi, gamma, nu}; }

  [[nodiscard]] std::size_t account(Index j, Index c) const {
    return at(owner[at(j)] * models + (model.empty() ? 0 : model[at(c)]));
  }
  // Returns the quota rows in which job j counts on class c.
  [[nodiscard]] std::vector<std::int32_t> quotas_of(Index j, Index c) const {
    if (quota_ends.empty()) return {owner[at(j)]};
    const std::size_t k = account(j, c), first = k == 0 ? 0 : at(quota_ends[k - 1]);
    return {quota_rows.begin() + static_cast<std::ptrdiff_t>(first), quota_rows.begin() + quota_ends[k]};
  }
  // Returns the hours that job j takes on class c, 0 = never.
  [[nodiscard]] Index length(Index j, Index c) const {
    const double speed = throughput[at(family[at(j)] * classes + c)];
    return speed > 0 ? static_cast<Index>(std::max(1.0, std::ceil(work[at(j)] / speed - kHoursTolerance))) : 0;
  }
  [[nodiscard]] bool allowed(Index j, Index c, Index t) const {
    const Index d = length(j, c), s = place[at(c)], o = origin[at(j)];
    if (d == 0 || needs[at(j)] > memory[at(c)] || ((residency[at(j)] >> s) & 1) == 0) return false;
    if (latency[at(o * places + s)] > most_latency[at(j)] || t < release[at(j)] || t + d > deadline[at(j)])
      return false;
    if (data[at(j)] > bandwidth[at((o * places + s) * hours + t)]) return false;
    for (const std::int32_t row : quotas_of(j, c))
      if (static_cast<double>(gang[at(j)] * d) > quota[at(row)]) return false;
    for (Index h = t; h < t + d; ++h)
      if (capacity[at(c * hours + h)] < gang[at(j)]) return false;
    return true;
  }
  // Returns the cost of an allowed option at the prices.
  [[nodiscard]] double cost(Index j, Index c, Index t) const {
    const Index d = length(j, c), s = place[at(c)], wire = origin[at(j)] * places + s;
    double sum = data[at(j)] * (transfer[at(wire)] + gamma[at(wire * hours + t)]);
    sum += delay[at(j)] * static_cast<double>(t - release[at(j)]);
    if (placed_class[at(j)] >= 0 && (placed_class[at(j)] != c || placed_start[at(j)] != t)) sum += migration[at(j)];
    if (priced[at(owner[at(j)])] != 0) sum += nu[account(j, c)] * static_cast<double>(gang[at(j)] * d);
    for (Index h = t; h < t + d; ++h)
      sum += gang[at(j)] * (alpha[at(c * hours + h)] + energy[at(c * hours + h)] * pi[at(s * hours + h)]);
    return sum;
  }
  // Returns the least cost of its allowed options and its value.
  [[nodiscard]] double least(Index j) const {
    double best = value[at(j)];
    for (Index c = 0; c < classes; ++c)
      for (Index t = 0; t < hours; ++t)
        if (allowed(j, c, t)) best = std::min(best, cost(j, c, t));
    return best;
  }
  // Is this a plan: is every option allowed, and no coupling row exceeded?
  [[nodiscard]] bool fits(std::span<const std::int32_t> klass, std::span<const std::int32_t> start) const {
    std::vector<std::int64_t> free = capacity;
    std::vector<double> left = power, wires = bandwidth, owned = quota;
    for (Index j = 0; j < n; ++j) {
      const Index c = klass[at(j)], t = start[at(j)];
      if (c < 0) continue;
      if (!allowed(j, c, t)) return false;
      const Index d = length(j, c), s = place[at(c)], o = origin[at(j)];
      for (Index h = t; h < t + d; ++h) {
        free[at(c * hours + h)] -= gang[at(j)];
        left[at(s * hours + h)] -= gang[at(j)] * energy[at(c * hours + h)];
      }
      if (o != s) wires[at((o * places + s) * hours + t)] -= data[at(j)];
      for (const std::int32_t row : quotas_of(j, c)) owned[at(row)] -= static_cast<double>(gang[at(j)] * d);
    }
    const auto all = [](const auto& rows) {
      return std::all_of(rows.begin(), rows.end(), [](auto x) { return x >= 0; });
    };
    return all(free) && all(left) && all(wires) && all(owned);
  }
};

// Prices of energy alone to guide a local search, and its cost curves: each unit of energy costs the same.
struct EnergyOnly {
  std::vector<double> none, end, price;
  DualPrices guide;
  CostCurves curves;

  EnergyOnly(const PlanCase& i, double unit)
      : none(std::max(i.alpha.size(), i.gamma.size())),
        end(static_cast<std::size_t>(i.places * i.hours), kInf),
        price(end.size(), unit),
        guide{zeros(i.alpha.size()), i.pi, zeros(i.gamma.size()), zeros(i.nu.size())},
        curves{1, end, price} {}
  EnergyOnly(const EnergyOnly&) = delete;  // guide and curves view its arrays
  EnergyOnly& operator=(const EnergyOnly&) = delete;

 private:
  [[nodiscard]] std::span<const double> zeros(std::size_t size) const { return std::span(none).first(size); }
};

}  // namespace gridcompute::plan::testing
