#include "gridcompute/plan/ruin_recreate.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "gridcompute/base/hash.hpp"

namespace gridcompute::plan {

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
