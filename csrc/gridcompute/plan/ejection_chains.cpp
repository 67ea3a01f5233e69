#include "gridcompute/plan/ejection_chains.hpp"

#include <algorithm>
#include <cmath>

namespace gridcompute::plan {

EjectionChains::EjectionChains(PlacementState& state, const PlanTuning& tuning) : state_(state), tuning_(tuning) {
  ejections_.assign(at(state.oracle().size()), 0);
}

Index EjectionChains::run(std::span<const std::int32_t> positions) {
  Index accepted = 0;
  for (const std::int32_t p : positions) accepted += run_chain(p) ? 1 : 0;
  return accepted;
}

bool EjectionChains::run_chain(std::int32_t position) {
  const LagrangianOracle& m = state_.oracle();
  const auto smaller = [&](std::int32_t a, std::int32_t b) {
    const auto size = [&](std::int32_t p) {
      return static_cast<std::int64_t>(state_.job(p).gang) * m.shapes_[at(state_.job(p).shape)].shortest;
    };
    return size(a) != size(b) ? size(a) < size(b) : a > b;
  };
  changes_.clear(), pool_.clear();
  double change = eject(position);
  const double enough = tuning_.min_gain * std::abs(change);
  for (Index k = 0; k < tuning_.chain_steps && !pool_.empty() && std::ssize(pool_) < tuning_.chain_pool; ++k) {
    const auto next = std::max_element(pool_.begin(), pool_.end(), smaller);
    const std::int32_t p = *next;
    pool_.erase(next);
    change += place_with_ejections(p);
  }
  for (const PlacementChange& c : changes_) ejections_[at(c.position)] = 0;
  if (pool_.empty() && change < -enough) {
    state_.log(changes_);
    return true;
  }
  state_.restore(changes_);
  return false;
}

double EjectionChains::eject(std::int32_t position) {
  changes_.push_back(state_.where(position));
  pool_.push_back(position);
  ++ejections_[at(position)];
  return -state_.remove(position);
}

double EjectionChains::place_with_ejections(std::int32_t position) {
  const PackedJob& j = state_.job(position);
  const PlacementChange first = changes_.front();
  options_.clear();
  double limit = j.value;
  state_.for_cheaper_options(j, limit, [&](double cost, std::int32_t c, std::int32_t t, std::int32_t d) {
    // The job that starts the chain would find its old option free.
    const bool old = changes_.size() == 1 && c == first.klass && t == first.start;
    if (!old && state_.oracle().allowed(j, c, t)) options_.push_back({cost, c, t, d});
  });
  std::sort(options_.begin(), options_.end(), [](const JobOption& a, const JobOption& b) { return a.cost < b.cost; });
  JobOption to{j.value, -1, -1, 0};
  best_chosen_.clear();
  for (const JobOption& option : options_) {
    if (option.cost >= to.cost) break;
    const double cost = option.cost + choose_ejections(j, option, to.cost - option.cost);
    if (cost < to.cost) to = {cost, option.klass, option.start, option.hours}, std::swap(best_chosen_, chosen_);
  }
  double change = 0.0;
  for (const std::int32_t p : best_chosen_) change += eject(p);
  return change + state_.place(position, to.klass, to.start);
}

double EjectionChains::choose_ejections(const PackedJob& j, const JobOption& target, double most) {
  const LagrangianOracle& m = state_.oracle();
  const ResidualCapacity& residual = state_.residual();
  const Index s = m.place_[at(target.klass)], link = j.origin * m.places_ + s;
  chosen_.clear();
  if (j.origin != s && j.data > residual.data_[at(link * m.hours_ + target.start)]) return kInf;
  const std::int64_t size = static_cast<std::int64_t>(j.gang) * target.hours;
  if (!residual.within_quota(j, target.klass, target.hours)) return kInf;
  double shortage = state_.compute_shortage(j, target), sum = 0.0;
  if (shortage == 0.0) return 0.0;
  const std::vector<Occupant>& occupants =
      state_.list_occupants(target, [&](std::int32_t p, const PackedJob& other, std::int32_t hours) {
        return static_cast<std::int64_t>(other.gang) * hours <= size && ejections_[at(p)] < tuning_.chain_ejections;
      });
  while (shortage > 0.0) {
    const Occupant* best = nullptr;
    double least = kInf, best_cost = 0.0;
    for (const Occupant& o : occupants) {
      const double covered = state_.covered_shortage(o);
      if (covered <= 0.0) continue;
      const double cost = ejection_cost(o.position) * (1 + ejections_[at(o.position)]) +
                          tuning_.move_cost * o.gang * (o.last - o.first);
      if (cost >= least * covered) continue;
      if (std::find(chosen_.begin(), chosen_.end(), o.position) != chosen_.end()) continue;
      best = &o, least = cost / covered, best_cost = cost;
    }
    if (best == nullptr) return kInf;
    sum += best_cost;
    if (sum >= most) return kInf;
    chosen_.push_back(best->position);
    shortage = state_.reduce_shortage(*best);
  }
  return sum;
}

double EjectionChains::ejection_cost(std::int32_t position) {
  double& known = state_.cached_cost(position);
  if (known >= 0.0) return known;
  const PackedJob& j = state_.job(position);
  const std::int32_t klass = state_.klass(position), start = state_.start(position);
  double now = j.value, other = j.value, limit = kInf;
  state_.for_cheaper_options(j, limit, [&](double cost, std::int32_t c, std::int32_t t, std::int32_t) {
    if (c == klass && t == start) {
      now = cost;
    } else if (cost < other && state_.oracle().allowed(j, c, t)) {
      other = cost;
    }
  });
  return known = std::max(other - now, 0.0);
}

}  // namespace gridcompute::plan
