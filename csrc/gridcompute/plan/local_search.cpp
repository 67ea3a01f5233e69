#include "gridcompute/plan/local_search.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "gridcompute/base/hash.hpp"

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

// Jobs whose regret a thread computes at a time (jobs).
constexpr Index kRegretChunk = 4096;

std::vector<std::int32_t> Exchanges::regrets(double least, bool placed_only, Pool& pool) {
  pool.for_chunks(state_.oracle().size(), kRegretChunk, [&](Index, Index begin, Index end) {
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

// Cheaper options that an exchange tries for a job (options).
constexpr Index kOptionsTried = 12;

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
  const auto end = cheaper_.begin() + std::min<std::ptrdiff_t>(kOptionsTried, std::ssize(cheaper_));
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

double RuinRecreate::uniform() {  // splitmix64
  random_ += kHashSeed;
  return static_cast<double>(mixed_bits(random_) >> 11) * 0x1p-53;
}

Index RuinRecreate::run(const AnnealingSchedule& schedule) {
  const auto n = static_cast<std::int32_t>(state_.oracle().size());
  random_ = schedule.seed;
  left_out_.clear(), index_in_left_out_.assign(at(n), -1), key_.resize(at(n));
  for (std::int32_t p = 0; p < n; ++p) set_left_out(p, state_.klass(p) < 0);
  removal_round_.assign(at(state_.oracle().classes()), 0), round_ = 0;
  draw_guides();
  remember_best();
  double current = 0.0, best = 0.0;
  Index placed = 0;
  const double first = std::max(schedule.first_temperature, 0.0);
  const double ratio = first > 0.0 ? std::clamp(schedule.last_temperature / first, 0.0, 1.0) : 0.0;
  while (placed < schedule.placements && n > 0) {
    const double done = static_cast<double>(placed) / static_cast<double>(schedule.placements);
    ++round_, change_ = 0.0, changes_.clear(), pool_.clear();
    ruin();
    add_left_out();
    recreate();
    placed += 1 + std::ssize(pool_);  // a round without jobs counts as well, so that a run ends
    if (change_ < -first * std::pow(ratio, done) * std::log(1.0 - uniform())) {
      current += change_;
      for (const PlacementChange& c : changes_) set_left_out(c.position, state_.klass(c.position) < 0);
      if (current < best - tuning_.min_gain * std::abs(change_)) best = current, remember_best();
    } else {
      state_.restore(changes_);
    }
  }
  restore_best();
  return placed;
}

void RuinRecreate::draw_guides() {
  const DualPrices& guide = state_.guide_;
  guides_.resize(at(tuning_.guides));
  for (Index k = 0; k < tuning_.guides; ++k) {
    Guide& g = guides_[at(k)];
    const double weight = static_cast<double>(k + 1) / static_cast<double>(tuning_.guides);
    const auto scaled = [&](std::span<const double> from, std::vector<double>& to) {
      to.assign(from.begin(), from.end());
      for (double& price : to) price *= weight * (1.0 + tuning_.guide_noise * (2.0 * uniform() - 1.0));
    };
    scaled(guide.capacity, g.capacity), scaled(guide.link, g.link), scaled(guide.quota, g.quota);
    g.prices = {g.capacity, guide.energy, g.link, g.quota};
    g.sums = state_.residual().price_sums(g.prices);
  }
  lists_.assign(at(tuning_.guides * state_.oracle().size()), {});
  options_.clear();
}

std::span<const RuinRecreate::GuidedOption> RuinRecreate::sorted_options(Index guide, std::int32_t position) {
  OptionList& list = lists_[at(guide * state_.oracle().size() + position)];
  if (list.end < 0) {
    const PackedJob& j = state_.job(position);
    const Guide& g = guides_[at(guide)];
    double limit = j.value;
    list.begin = std::ssize(options_);
    state_.residual().for_cheaper_options(
        g.prices, g.sums, j, limit,
        [&](double cost, std::int32_t c, std::int32_t t, std::int32_t) { options_.push_back({cost, c, t}); });
    std::stable_sort(options_.begin() + list.begin, options_.end(),
                     [](const GuidedOption& a, const GuidedOption& b) { return a.cost < b.cost; });
    list.end = std::ssize(options_);
  }
  return std::span(options_).subspan(at(list.begin), at(list.end - list.begin));
}

JobOption RuinRecreate::draw_option(const PackedJob& job) {
  JobOption drawn{kInf, -1, -1, 0};
  double limit = job.value;
  state_.for_cheaper_options(job, limit, [&](double cost, std::int32_t c, std::int32_t t, std::int32_t d) {
    const double noisy = cost + tuning_.option_noise * std::abs(cost) * uniform();
    if (noisy < drawn.cost && state_.oracle().allowed(job, c, t)) drawn = {noisy, c, t, d};
  });
  return drawn;
}

void RuinRecreate::ruin() {
  const LagrangianOracle& m = state_.oracle();
  JobOption target{0.0, -1, -1, 0};
  if (!left_out_.empty() && uniform() < 0.5)
    target = draw_option(state_.job(left_out_[at(draw(std::ssize(left_out_)))]));
  if (target.klass < 0) {
    const auto p = static_cast<std::int32_t>(draw(m.size()));
    if (state_.klass(p) < 0) return;
    target = {0.0, state_.klass(p), state_.start(p), m.hours_on(state_.job(p), state_.klass(p))};
  }
  for (Index more = draw(tuning_.ruin_targets);; --more) {
    remove_neighbours(target);
    if (more == 0 || pool_.empty()) return;
    target = draw_option(state_.job(pool_[at(draw(std::ssize(pool_)))]));
    if (target.klass < 0) return;
  }
}

void RuinRecreate::remove_neighbours(const JobOption& target) {
  const auto away = static_cast<std::int32_t>(draw(tuning_.ruin_hours + 1));
  const std::int32_t first = std::max(target.start - away, 0);
  const auto last = std::min(target.start + target.hours + away, static_cast<std::int32_t>(state_.oracle().hours()));
  near_.clear();
  for (const Occupant& o : state_.list_occupants({0.0, target.klass, first, last - first},
                                                 [](std::int32_t, const PackedJob&, std::int32_t) { return true; }))
    near_.push_back(o.position);
  const Index n = std::min(1 + draw(tuning_.ruin_jobs), std::ssize(near_));
  for (Index k = 0; k < n; ++k) {
    std::swap(near_[at(k)], near_[at(k + draw(std::ssize(near_) - k))]);
    remove(near_[at(k)]);
  }
}

void RuinRecreate::remove(std::int32_t position) {
  const PlacementChange before = state_.where(position);
  changes_.push_back(before);
  change_ -= state_.remove(position);
  pool_.push_back(position);
  if (before.klass >= 0) removal_round_[at(before.klass)] = round_;
}

// Adds some jobs that were left out before this round to the pool.
void RuinRecreate::add_left_out() {
  const Index n = std::min(tuning_.ruin_left_out, std::ssize(left_out_));
  for (Index k = 0; k < n; ++k) {
    const Index other = k + draw(std::ssize(left_out_) - k);
    std::swap(left_out_[at(k)], left_out_[at(other)]);
    index_in_left_out_[at(left_out_[at(k)])] = static_cast<std::int32_t>(k);
    index_in_left_out_[at(left_out_[at(other)])] = static_cast<std::int32_t>(other);
    remove(left_out_[at(k)]);
  }
}

void RuinRecreate::recreate() {
  const LagrangianOracle& m = state_.oracle();
  const Index guide = draw(tuning_.guides);
  const Index order = draw(3);
  for (const std::int32_t p : pool_) {
    const PackedJob& j = state_.job(p);
    const double size = std::max(1.0, static_cast<double>(j.gang) * m.shapes_[at(j.shape)].shortest);
    const double weight = order == 0 ? size : order == 1 ? j.value : j.value / size;
    key_[at(p)] = weight * (0.5 + uniform());
  }
  std::sort(pool_.begin(), pool_.end(), [&](std::int32_t a, std::int32_t b) {
    return key_[at(a)] != key_[at(b)] ? key_[at(a)] > key_[at(b)] : a < b;
  });
  for (const std::int32_t p : pool_) {
    const PackedJob& j = state_.job(p);
    const bool was_out = index_in_left_out_[at(p)] >= 0;
    std::int32_t klass = -1, start = -1;
    for (const GuidedOption& option : sorted_options(guide, p)) {
      if (was_out && removal_round_[at(option.klass)] != round_) continue;
      if (!state_.residual().has_capacity(j, option.klass, option.start, m.hours_on(j, option.klass))) continue;
      if (uniform() < tuning_.blink) continue;
      klass = option.klass, start = option.start;
      break;
    }
    change_ += state_.place(p, klass, start);
  }
}

void RuinRecreate::set_left_out(std::int32_t position, bool is_out) {
  std::int32_t& index = index_in_left_out_[at(position)];
  if (is_out == (index >= 0)) return;
  if (is_out) {
    index = static_cast<std::int32_t>(left_out_.size());
    left_out_.push_back(position);
  } else {
    const std::int32_t last = left_out_.back();
    left_out_[at(index)] = last, index_in_left_out_[at(last)] = index;
    left_out_.pop_back();
    index = -1;
  }
}

void RuinRecreate::remember_best() {
  best_.clear();
  for (std::int32_t p = 0; p < static_cast<std::int32_t>(state_.oracle().size()); ++p) best_.push_back(state_.where(p));
}

void RuinRecreate::restore_best() {
  changes_.clear();
  for (const PlacementChange& b : best_)
    if (state_.klass(b.position) != b.klass || state_.start(b.position) != b.start) changes_.push_back(b);
  state_.restore(changes_);
}

}  // namespace gridcompute::plan
