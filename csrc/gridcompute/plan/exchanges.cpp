#include "gridcompute/plan/exchanges.hpp"

#include <algorithm>
#include <cmath>

namespace gridcompute::plan {

Exchanges::Exchanges(PlacementState& state, const PlanTuning& tuning) : state_(state), tuning_(tuning) {
  const std::size_t n = at(state.oracle().size());
  computed_in_.assign(n, -1);
  relocation_cost_.assign(n, 0.0), regret_.assign(n, 0.0);
}

double Exchanges::relocation_cost(std::int32_t position, double& regret) const {
  const LagrangianOracle& m = state_.oracle();
  const PackedJob& j = state_.job(position);
  const std::int32_t klass = state_.klass(position), start = state_.start(position);
  double now = j.value, least = j.value, other = klass < 0 ? kInf : j.value, limit = kInf;
  state_.for_cheaper_options(j, limit, [&](double cost, std::int32_t c, std::int32_t t, std::int32_t d) {
    if (c == klass && t == start) {
      now = cost;
    } else if (cost < other && state_.residual().has_capacity(j, c, t, d)) {
      other = cost;
    }
    if (cost < least && m.allowed(j, c, t)) least = cost;
  });
  regret = now - std::min(least, now);
  return other - now;
}

std::vector<std::int32_t> Exchanges::regrets(double least, bool placed_only, Pool& pool) {
  pool.for_chunks(state_.oracle().size(), tuning_.regret_chunk, [&](Index, Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const auto p = static_cast<std::int32_t>(i);
      if (!placed_only || state_.klass(p) >= 0) relocation_cost_[at(p)] = relocation_cost(p, regret_[at(p)]);
    }
  });
  std::vector<std::int32_t> order;
  for (std::size_t p = 0; p < regret_.size(); ++p)
    if (regret_[p] > least) order.push_back(static_cast<std::int32_t>(p));
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return regret_[at(a)] != regret_[at(b)] ? regret_[at(a)] > regret_[at(b)] : a < b;
  });
  return order;
}

Index Exchanges::run(std::span<const std::int32_t> positions) {
  Index accepted = 0;
  for (const std::int32_t p : positions) accepted += improve(p) ? 1 : 0;
  return accepted;
}

bool Exchanges::improve(std::int32_t position) {
  const PackedJob& j = state_.job(position);
  ++trial_;
  const PlacementChange was = state_.where(position);
  double now = j.value, limit = kInf;
  cheaper_.clear();
  state_.for_cheaper_options(j, limit, [&](double cost, std::int32_t c, std::int32_t t, std::int32_t d) {
    if (c == was.klass && t == was.start) now = cost;
    cheaper_.push_back({cost, c, t, d});
  });
  std::erase_if(cheaper_,
                [&](const JobOption& o) { return !(o.cost < now) || !state_.oracle().allowed(j, o.klass, o.start); });
  const auto end = cheaper_.begin() + std::min<std::ptrdiff_t>(tuning_.options_tried, std::ssize(cheaper_));
  std::partial_sort(cheaper_.begin(), end, cheaper_.end(),
                    [](const JobOption& a, const JobOption& b) { return a.cost < b.cost; });
  const double saved = state_.remove(position), enough = tuning_.min_gain * std::abs(saved);
  for (auto target = cheaper_.begin(); target != end; ++target) {
    evicted_.clear(), changes_.clear();
    if (!choose_evictions(position, *target, now - target->cost)) continue;
    double change = -saved;
    for (const std::int32_t p : evicted_) {
      changes_.push_back(state_.where(p));
      change -= state_.remove(p);
    }
    change += state_.place(position, target->klass, target->start);
    for (const std::int32_t p : evicted_) {
      const JobOption to = state_.cheapest_available(state_.job(p));
      change += state_.place(p, to.klass, to.start);
    }
    if (change < -enough) {
      state_.log({&was, 1});
      state_.log(changes_);
      return true;
    }
    state_.remove(position);
    for (const PlacementChange& c : changes_) state_.remove(c.position);
    for (const PlacementChange& c : changes_) state_.place(c.position, c.klass, c.start);
  }
  state_.place(position, was.klass, was.start);
  return false;
}

// Chooses occupants to evict for `target`, whose relocation costs sum to less than `gain`; false if there are none.
bool Exchanges::choose_evictions(std::int32_t position, const JobOption& target, double gain) {
  const LagrangianOracle& m = state_.oracle();
  const ResidualCapacity& residual = state_.residual();
  const PackedJob& j = state_.job(position);
  const std::int32_t c = target.klass, d = target.hours;
  const Index s = m.place_[at(c)];
  if (j.origin != s && j.data > residual.data_[at((j.origin * m.places_ + s) * m.hours_ + target.start)]) return false;
  double shortage = state_.compute_shortage(j, target);
  const std::span<const std::int32_t> rows = m.quota_rows(j.owner, c);
  excess_.clear();
  for (const std::int32_t row : rows)
    excess_.push_back(static_cast<double>(residual.quota_used_[at(row)] + static_cast<std::int64_t>(j.gang) * d) -
                      m.quota_[at(row)]);
  const auto within_quota = [&] {
    return std::all_of(excess_.begin(), excess_.end(), [](double excess) { return excess <= 0.0; });
  };
  // Calls visit(excess) for each quota row of the job in which the use of the class by `owner` counts as well.
  const auto for_shared_rows = [&](std::int32_t owner, const auto& visit) {
    const std::span<const std::int32_t> others = m.quota_rows(owner, c);
    for (std::size_t k = 0; k < rows.size(); ++k)
      if (owner == j.owner || std::find(others.begin(), others.end(), rows[k]) != others.end()) visit(excess_[k]);
  };
  if (shortage == 0.0 && within_quota()) return true;
  const std::vector<Occupant>& occupants = state_.list_occupants(
      target, [&](std::int32_t p, const PackedJob&, std::int32_t) { return relocation_cost_[at(p)] < gain; });
  double left = gain;
  for (Index tries = 0; tries < tuning_.evictions_tried; ++tries) {
    const Occupant* best = nullptr;
    double least = kInf;
    for (const Occupant& o : occupants) {
      double covered = state_.covered_shortage(o);
      for_shared_rows(o.owner, [&](double excess) {
        if (excess > 0.0) covered += std::min(excess, o.gang * (o.last - o.first));
      });
      const double cost = std::max(relocation_cost_[at(o.position)], 0.0);
      if (covered <= 0.0 || cost >= least * covered) continue;
      if (std::find(evicted_.begin(), evicted_.end(), o.position) != evicted_.end()) continue;
      best = &o, least = cost / covered;
    }
    if (best == nullptr) return false;
    const std::size_t p = at(best->position);
    if (computed_in_[p] != trial_) {
      computed_in_[p] = trial_;
      const double before = relocation_cost_[p];
      relocation_cost_[p] = relocation_cost(best->position, regret_[p]);
      if (relocation_cost_[p] > before) continue;
    }
    if (relocation_cost_[p] >= left) return false;
    left -= relocation_cost_[p];
    evicted_.push_back(best->position);
    const PackedJob& other = state_.job(best->position);
    shortage = state_.reduce_shortage(*best);
    const auto freed = static_cast<double>(static_cast<std::int64_t>(other.gang) * m.hours_on(other, c));
    for_shared_rows(other.owner, [&](double& excess) { excess -= freed; });
    if (shortage == 0.0 && within_quota()) return true;
  }
  return false;
}

}  // namespace gridcompute::plan
