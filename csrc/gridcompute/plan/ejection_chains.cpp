// Chains of exchanges, declared in local_search.hpp.
#include <algorithm>
#include <cmath>
#include <limits>

#include "gridcompute/plan/local_search.hpp"

namespace gridcompute::options {

namespace {
constexpr double kInf = std::numeric_limits<double>::infinity();

std::size_t at(Index i) { return static_cast<std::size_t>(i); }
}  // namespace

Index Exchange::chain(std::span<const std::int32_t> positions, const Curves& curves) {
  curves_ = curves;
  Index done = 0;
  for (const std::int32_t p : positions) done += follow(p) ? 1 : 0;
  return done;
}

bool Exchange::follow(std::int32_t position) {
  const auto smaller = [&](std::int32_t a, std::int32_t b) {
    const auto size = [&](std::int32_t p) {
      return static_cast<std::int64_t>(job(p).gang) * market_->shapes_[at(job(p).shape)].shortest;
    };
    return size(a) != size(b) ? size(a) < size(b) : a > b;
  };
  steps_.clear(), pool_.clear();
  double change = expel(position);
  const double enough = kLeast * std::abs(change);
  for (int k = 0; k < kSteps && !pool_.empty() && std::ssize(pool_) < kWaiting; ++k) {
    const auto next = std::max_element(pool_.begin(), pool_.end(), smaller);
    const std::int32_t p = *next;
    pool_.erase(next);
    change += settle(p);
  }
  for (const Step& step : steps_) expelled_[at(step.position)] = 0;
  if (pool_.empty() && change < -enough) {
    log_.insert(log_.end(), steps_.begin(), steps_.end());
    return true;
  }
  put_back();
  return false;
}

double Exchange::expel(std::int32_t position) {
  const Job& j = job(position);
  steps_.push_back({position, klass_[at(j.id)], start_[at(j.id)]});
  pool_.push_back(position);
  ++expelled_[at(position)];
  return -leave(position);
}

double Exchange::settle(std::int32_t position) {
  const Job& j = job(position);
  const Step& first = steps_.front();
  wanted_.clear();
  double limit = j.value;
  room_->for_options(guide_, guide_sums_, j, limit, [&](double cost, std::int32_t c, std::int32_t t, std::int32_t d) {
    // The job that begins the chain would find its old place free.
    const bool old = steps_.size() == 1 && c == first.klass && t == first.start;
    if (!old && market_->fits(j, c, t)) wanted_.push_back({cost, c, t, d});
  });
  std::sort(wanted_.begin(), wanted_.end(), [](const Option& a, const Option& b) { return a.cost < b.cost; });
  Option to{j.value, -1, -1, 0};
  leaving_.clear();
  for (const Option& option : wanted_) {
    if (option.cost >= to.cost) break;
    const double cost = option.cost + eject(j, option, to.cost - option.cost);
    if (cost < to.cost) to = {cost, option.klass, option.start, option.hours}, std::swap(leaving_, chosen_);
  }
  double change = 0.0;
  for (const std::int32_t p : leaving_) change += expel(p);
  return change + enter(position, to.klass, to.start);
}

double Exchange::eject(const Job& j, const Option& target, double most) {
  const Market& m = *market_;
  const Index wire = j.origin * m.places_ + m.place_[at(target.klass)];
  chosen_.clear();
  if (j.origin != m.place_[at(target.klass)] && j.data > room_->data_[at(wire * m.hours_ + target.start)]) return kInf;
  const std::int64_t size = static_cast<std::int64_t>(j.gang) * target.hours;
  if (static_cast<double>(room_->used_[at(j.owner)] + size) > m.quota_[at(j.owner)]) return kInf;
  double lacks = lacking(j, target), sum = 0.0;
  if (lacks == 0.0) return 0.0;
  occupy(target, [&](std::int32_t p, const Job& other, std::int32_t hours) {
    return static_cast<std::int64_t>(other.gang) * hours <= size && expelled_[at(p)] < kOften;
  });
  while (lacks > 0.0) {
    const Occupant* best = nullptr;
    double least = kInf, dearness = 0.0;
    for (const Occupant& o : occupants_) {
      double covered = 0.0;
      for (std::int32_t h = o.first; h < o.last; ++h) covered += std::min(o.gang, need_[at(h)]);
      if (covered <= 0.0) continue;
      const double cost = ease(o.position) * (1 + expelled_[at(o.position)]) + kMove * o.gang * (o.last - o.first);
      if (cost >= least * covered) continue;
      if (std::find(chosen_.begin(), chosen_.end(), o.position) != chosen_.end()) continue;
      best = &o, least = cost / covered, dearness = cost;
    }
    if (best == nullptr) return kInf;
    sum += dearness;
    if (sum >= most) return kInf;
    chosen_.push_back(best->position);
    lacks = freed(*best);
  }
  return sum;
}

double Exchange::ease(std::int32_t position) {
  double& known = ease_[at(position)];
  if (known >= 0.0) return known;
  const Job& j = job(position);
  const std::int32_t klass = klass_[at(j.id)], start = start_[at(j.id)];
  double now = j.value, other = j.value, limit = kInf;
  room_->for_options(guide_, guide_sums_, j, limit, [&](double cost, std::int32_t c, std::int32_t t, std::int32_t) {
    if (c == klass && t == start) {
      now = cost;
    } else if (cost < other && market_->fits(j, c, t)) {
      other = cost;
    }
  });
  return known = std::max(other - now, 0.0);
}

}  // namespace gridcompute::options
