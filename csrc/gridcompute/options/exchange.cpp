#include "gridcompute/options/exchange.hpp"

#include <algorithm>

namespace gridcompute::options {

namespace {
std::size_t at(Index i) { return static_cast<std::size_t>(i); }
}  // namespace

Exchange::Exchange(Room& room, const Prices& prices, const Curves& curves, std::span<std::int32_t> klass,
                   std::span<std::int32_t> start)
    : room_(&room), prices_(&prices), curves_(curves), sums_(room.sums_of(prices)), klass_(klass), start_(start) {
  const Market& m = room.market();
  begins_.resize(at(m.classes() * m.hours()));
  slot_.assign(klass.size(), -1);
  for (std::size_t row = 0; row < klass.size(); ++row) {
    if (klass[row] < 0) continue;
    auto& list = begins_[at(klass[row] * m.hours() + start[row])];
    slot_[row] = static_cast<std::int32_t>(list.size());
    list.push_back(static_cast<std::int32_t>(row));
  }
}

void Exchange::enter(std::int32_t row, std::int32_t klass, std::int32_t start) {
  room_->take(room_->job(row), klass, start, 1);
  klass_[at(row)] = klass, start_[at(row)] = start;
  auto& list = begins_[at(klass * room_->market().hours() + start)];
  slot_[at(row)] = static_cast<std::int32_t>(list.size());
  list.push_back(row);
}

void Exchange::leave(std::int32_t row) {
  if (klass_[at(row)] < 0) return;
  room_->take(room_->job(row), klass_[at(row)], start_[at(row)], -1);
  auto& list = begins_[at(klass_[at(row)] * room_->market().hours() + start_[at(row)])];
  const std::int32_t last = list.back();
  list[at(slot_[at(row)])] = last, slot_[at(last)] = slot_[at(row)];
  list.pop_back();
  klass_[at(row)] = start_[at(row)] = -1;
}

double Exchange::present(std::int32_t row) const {
  const Job& job = room_->job(row);
  if (klass_[at(row)] < 0) return job.value;
  return room_->cost_of(*prices_, sums_, job, klass_[at(row)], start_[at(row)]);
}

Index Exchange::run(std::span<const std::int32_t> rows) {
  Index done = 0;
  for (const std::int32_t row : rows) done += improve(row) ? 1 : 0;
  return done;
}

bool Exchange::improve(std::int32_t row) {
  const Job& job = room_->job(row);
  const double now = present(row), least = kLeast * std::abs(now);
  wanted_.clear();
  room_->for_options(*prices_, sums_, job, now - least,
                     [&](double cost, std::int32_t c, std::int32_t t) { wanted_.push_back({cost, c, t}); });
  if (wanted_.empty()) return false;
  const auto cheaper = [](const Option& a, const Option& b) { return a.cost < b.cost; };
  const auto end = wanted_.begin() + std::min<std::ptrdiff_t>(kOptions, std::ssize(wanted_));
  std::partial_sort(wanted_.begin(), end, wanted_.end(), cheaper);
  const std::int32_t was = klass_[at(row)], was_start = start_[at(row)];
  leave(row);
  const double real = room_->real_cost(curves_, job, was, was_start), most = real - kLeast * std::abs(real);
  for (auto target = wanted_.begin(); target != end; ++target) {
    if (!room_->open(job, target->klass, target->start, room_->hours_on(job, target->klass))) {
      if (make_room(row, *target, most)) return true;
    } else if (room_->real_cost(curves_, job, target->klass, target->start) < most) {
      enter(row, target->klass, target->start);
      return true;
    }
  }
  if (was >= 0) enter(row, was, was_start);
  return false;
}

bool Exchange::make_room(std::int32_t row, const Option& target, double most) {
  const Market& m = room_->market();
  const Job& job = room_->job(row);
  const std::int32_t d = room_->hours_on(job, target.klass);
  // The hours that lack accelerators, and how many; link and quota must admit the job as they are.
  std::int32_t from = d, to = -1;
  std::int64_t lack = 0;
  for (std::int32_t h = 0; h < d; ++h) {
    const std::int64_t free = room_->accelerators()[at(target.klass * m.hours() + target.start + h)];
    if (free >= job.gang) continue;
    from = std::min(from, h), to = h, lack = std::max(lack, job.gang - free);
  }
  if (to < 0) return false;
  from += target.start, to += target.start;
  int tries = 0;
  for (std::int32_t t = from; t >= 0 && tries < kTries; --t) {
    const auto& list = begins_[at(target.klass * m.hours() + t)];
    const std::size_t size = list.size(), offset = size == 0 ? 0 : (at(row) * 7919) % size;
    for (std::size_t k = 0; k < std::min<std::size_t>(size, kTries) && tries < kTries; ++k) {
      const std::int32_t other = list[(offset + k) % size];
      const Job& mover = room_->job(other);
      if (mover.gang < lack || t + room_->hours_on(mover, target.klass) <= to) continue;
      ++tries;
      leave(other);
      // Real cost of both before, less what may be spent: `row` is counted with `other` in its place.
      const double before = most + room_->real_cost(curves_, mover, target.klass, t);
      if (room_->open(job, target.klass, target.start, d)) {
        const double entered = room_->real_cost(curves_, job, target.klass, target.start);
        enter(row, target.klass, target.start);
        Option best{mover.value, -1, -1};
        room_->for_options(*prices_, sums_, mover, best.cost, [&](double cost, std::int32_t c, std::int32_t start) {
          if (cost < best.cost && room_->open(mover, c, start, room_->hours_on(mover, c))) best = {cost, c, start};
        });
        if (entered + room_->real_cost(curves_, mover, best.klass, best.start) < before) {
          if (best.klass >= 0) enter(other, best.klass, best.start);
          return true;
        }
        leave(row);
      }
      enter(other, target.klass, t);
    }
  }
  return false;
}

}  // namespace gridcompute::options
