#include "gridcompute/plan/local_search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace gridcompute::options {

namespace {
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr Index kChunk = 4096;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }
}  // namespace

Exchange::Exchange(Room& room, const Prices& guide, double weight, std::span<std::int32_t> klass,
                   std::span<std::int32_t> start)
    : room_(&room),
      market_(&room.market()),
      capacity_(guide.capacity.begin(), guide.capacity.end()),
      energy_(guide.energy.begin(), guide.energy.end()),
      link_(guide.link.begin(), guide.link.end()),
      quota_(guide.quota.begin(), guide.quota.end()),
      guide_{capacity_, energy_, link_, quota_},
      weight_(weight),
      guide_sums_(room.sums_of(guide_)),
      klass_(klass),
      start_(start) {
  const std::vector<double> no_energy(energy_.size(), 0.0);
  sums_ = room.sums_of({capacity_, no_energy, link_, quota_});
  const std::size_t n = at(market_->size());
  begins_.resize(at(market_->classes() * market_->hours()));
  slot_.assign(n, -1), seen_.assign(n, -1);
  grip_.assign(n, 0.0), regret_.assign(n, 0.0);
  ease_.assign(n, -1.0), expelled_.assign(n, 0);
  for (std::size_t p = 0; p < n; ++p) {
    const std::size_t row = at(market_->jobs()[p].id);
    if (klass[row] < 0) continue;
    auto& list = begins_[at(klass[row] * market_->hours() + start[row])];
    slot_[p] = static_cast<std::int32_t>(list.size());
    list.push_back(static_cast<std::int32_t>(p));
  }
}

const Job& Exchange::job(std::int32_t position) const { return market_->jobs()[at(position)]; }

double Exchange::enter(std::int32_t position, std::int32_t klass, std::int32_t start) {
  const Job& j = job(position);
  const double cost = real(j, klass, start);
  if (klass >= 0) {
    room_->take(j, klass, start, 1);
    auto& list = begins_[at(klass * market_->hours() + start)];
    slot_[at(position)] = static_cast<std::int32_t>(list.size());
    list.push_back(position);
  }
  klass_[at(j.id)] = klass, start_[at(j.id)] = klass < 0 ? -1 : start;
  ease_[at(position)] = -1.0;
  return cost;
}

double Exchange::leave(std::int32_t position) {
  const Job& j = job(position);
  const std::int32_t klass = klass_[at(j.id)], start = start_[at(j.id)];
  if (klass < 0) return j.value;
  room_->take(j, klass, start, -1);
  auto& list = begins_[at(klass * market_->hours() + start)];
  const std::int32_t last = list.back();
  list[at(slot_[at(position)])] = last, slot_[at(last)] = slot_[at(position)];
  list.pop_back();
  slot_[at(position)] = -1;
  klass_[at(j.id)] = start_[at(j.id)] = -1;
  return real(j, klass, start);
}

double Exchange::load_cost(Index where, double more) const {
  const Index n = curves_.segments;
  const double *end = &curves_.end[at(where * n)], *price = &curves_.price[at(where * n)];
  double load = room_->load_[at(where)], cost = 0.0;
  Index i = 0;
  while (i + 1 < n && end[i] <= load) ++i;
  for (; i + 1 < n && load + more > end[i]; ++i) {
    cost += (end[i] - load) * price[i];
    more -= end[i] - load, load = end[i];
  }
  return cost + more * price[i];
}

double Exchange::real(const Job& j, std::int32_t klass, std::int32_t start) const {
  if (klass < 0) return j.value;
  const Market& m = *market_;
  const std::int32_t d = m.hours_on(j, klass);
  const Index s = m.place_[at(klass)];
  const double* sum = &sums_[at(klass * (m.hours_ + 1))];
  const double nu = m.priced(j.owner) ? quota_[at(j.owner)] : 0.0;
  const Index wire = j.origin * m.places_ + s;
  double cost =
      weight_ * (j.gang * (sum[start + d] - sum[start] + nu * d) + j.data * link_[at(wire * m.hours_ + start)]);
  cost += j.data * m.transfer_price_[at(wire)] + j.delay * (start - j.release);
  if (j.placed_class >= 0 && (j.placed_class != klass || j.placed_start != start)) cost += j.migration;
  for (Index t = start; t < start + d; ++t)
    cost += load_cost(s * m.hours_ + t, j.gang * m.energy_[at(klass * m.hours_ + t)]);
  return cost;
}

double Exchange::grip(std::int32_t position, double& regret) const {
  const Market& m = *market_;
  const Job& j = job(position);
  const std::int32_t klass = klass_[at(j.id)], start = start_[at(j.id)];
  double now = j.value, least = j.value, other = klass < 0 ? kInf : j.value, limit = kInf;
  room_->for_options(guide_, guide_sums_, j, limit, [&](double cost, std::int32_t c, std::int32_t t, std::int32_t d) {
    if (c == klass && t == start) {
      now = cost;
    } else if (cost < other && room_->open(j, c, t, d)) {
      other = cost;
    }
    if (cost < least && m.fits(j, c, t)) least = cost;
  });
  regret = now - std::min(least, now);
  return other - now;
}

std::vector<std::int32_t> Exchange::survey(double least, bool placed_only, Pool& pool) {
  pool.for_chunks(market_->size(), kChunk, [&](Index, Index begin, Index end) {
    for (Index p = begin; p < end; ++p)
      if (!placed_only || slot_[at(p)] >= 0) grip_[at(p)] = grip(static_cast<std::int32_t>(p), regret_[at(p)]);
  });
  std::vector<std::int32_t> order;
  for (std::size_t p = 0; p < regret_.size(); ++p)
    if (regret_[p] > least) order.push_back(static_cast<std::int32_t>(p));
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return regret_[at(a)] != regret_[at(b)] ? regret_[at(a)] > regret_[at(b)] : a < b;
  });
  return order;
}

Index Exchange::run(std::span<const std::int32_t> positions, const Curves& curves) {
  curves_ = curves;
  Index done = 0;
  for (const std::int32_t p : positions) done += improve(p) ? 1 : 0;
  return done;
}

void Exchange::undo() {
  std::swap(steps_, log_);
  put_back();
  log_.clear();
}

void Exchange::put_back() {
  for (const Step& step : steps_) leave(step.position);
  ++trial_;
  for (const Step& step : steps_) {
    if (seen_[at(step.position)] == trial_) continue;
    seen_[at(step.position)] = trial_;  // its first step says where it was
    enter(step.position, step.klass, step.start);
  }
}

Exchange::Option Exchange::cheapest_open(const Job& j) const {
  Option best{j.value, -1, -1, 0};
  room_->for_options(guide_, guide_sums_, j, best.cost,
                     [&](double cost, std::int32_t c, std::int32_t t, std::int32_t d) {
                       if (room_->open(j, c, t, d)) best = {cost, c, t, d};
                     });
  return best;
}

bool Exchange::improve(std::int32_t position) {
  const Job& j = job(position);
  ++trial_;
  const std::int32_t was = klass_[at(j.id)], was_start = start_[at(j.id)];
  double now = j.value, limit = kInf;
  wanted_.clear();
  room_->for_options(guide_, guide_sums_, j, limit, [&](double cost, std::int32_t c, std::int32_t t, std::int32_t d) {
    if (c == was && t == was_start) now = cost;
    wanted_.push_back({cost, c, t, d});
  });
  std::erase_if(wanted_, [&](const Option& o) { return !(o.cost < now) || !market_->fits(j, o.klass, o.start); });
  const auto end = wanted_.begin() + std::min<std::ptrdiff_t>(kOptions, std::ssize(wanted_));
  std::partial_sort(wanted_.begin(), end, wanted_.end(),
                    [](const Option& a, const Option& b) { return a.cost < b.cost; });
  const double saved = leave(position), enough = kLeast * std::abs(saved);
  for (auto target = wanted_.begin(); target != end; ++target) {
    chosen_.clear(), steps_.clear();
    if (!choose(position, *target, now - target->cost)) continue;
    double change = -saved;
    for (const std::int32_t p : chosen_) {
      steps_.push_back({p, klass_[at(job(p).id)], start_[at(job(p).id)]});
      change -= leave(p);
    }
    change += enter(position, target->klass, target->start);
    for (const std::int32_t p : chosen_) {
      const Option to = cheapest_open(job(p));
      change += enter(p, to.klass, to.start);
    }
    if (change < -enough) {
      log_.push_back({position, was, was_start});
      log_.insert(log_.end(), steps_.begin(), steps_.end());
      return true;
    }
    leave(position);
    for (const Step& step : steps_) leave(step.position);
    for (const Step& step : steps_) enter(step.position, step.klass, step.start);
  }
  enter(position, was, was_start);
  return false;
}

double Exchange::lacking(const Job& j, const Option& target) {
  const Market& m = *market_;
  const Index from = target.klass * m.hours_ + target.start;
  const Index power = m.place_[at(target.klass)] * m.hours_ + target.start;
  double sum = 0.0;
  need_.assign(at(target.hours), 0.0);
  for (std::int32_t h = 0; h < target.hours; ++h) {
    double free = static_cast<double>(room_->free_[at(from + h)]);
    const double energy = m.energy_[at(from + h)];
    if (energy > 0.0) free = std::min(free, std::floor(room_->power_[at(power + h)] / energy));
    sum += need_[at(h)] = std::max(0.0, j.gang - free);
  }
  return sum;
}

double Exchange::freed(const Occupant& gone) {
  for (std::int32_t h = gone.first; h < gone.last; ++h) need_[at(h)] = std::max(0.0, need_[at(h)] - gone.gang);
  return std::accumulate(need_.begin(), need_.end(), 0.0);
}

bool Exchange::choose(std::int32_t position, const Option& target, double gain) {
  const Market& m = *market_;
  const Job& j = job(position);
  const std::int32_t c = target.klass, t0 = target.start, d = target.hours;
  const Index s = m.place_[at(c)];
  if (j.origin != s && j.data > room_->data_[at((j.origin * m.places_ + s) * m.hours_ + t0)]) return false;
  double lacks = lacking(j, target);
  double quota =
      static_cast<double>(room_->used_[at(j.owner)] + static_cast<std::int64_t>(j.gang) * d) - m.quota_[at(j.owner)];
  if (lacks == 0.0 && quota <= 0.0) return true;
  occupy(target, [&](std::int32_t p, const Job&, std::int32_t) { return grip_[at(p)] < gain; });
  double left = gain;
  for (int tries = 0; tries < kTries; ++tries) {
    const Occupant* best = nullptr;
    double least = kInf;
    for (const Occupant& o : occupants_) {
      double covered = 0.0;
      for (std::int32_t h = o.first; h < o.last; ++h) covered += std::min(o.gang, need_[at(h)]);
      if (quota > 0.0 && o.owner == j.owner) covered += std::min(quota, o.gang * (o.last - o.first));
      if (covered <= 0.0 || std::max(grip_[at(o.position)], 0.0) >= least * covered) continue;
      if (std::find(chosen_.begin(), chosen_.end(), o.position) != chosen_.end()) continue;
      best = &o, least = std::max(grip_[at(o.position)], 0.0) / covered;
    }
    if (best == nullptr) return false;
    const std::size_t p = at(best->position);
    if (seen_[p] != trial_) {
      seen_[p] = trial_;
      const double before = grip_[p];
      grip_[p] = grip(best->position, regret_[p]);
      if (grip_[p] > before) continue;
    }
    if (grip_[p] >= left) return false;
    left -= grip_[p];
    chosen_.push_back(best->position);
    const Job& other = job(best->position);
    lacks = freed(*best);
    if (other.owner == j.owner)
      quota -= static_cast<double>(static_cast<std::int64_t>(other.gang) * m.hours_on(other, c));
    if (lacks == 0.0 && quota <= 0.0) return true;
  }
  return false;
}

}  // namespace gridcompute::options
