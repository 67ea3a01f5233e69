#include "gridcompute/live/gangs/gang_placement.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "gridcompute/base/error.hpp"

namespace gridcompute::live {

void GangPlacement::set_columns(const GangColumns& columns) {
  const std::size_t n = at(pair_.state.n_positions());
  const Slot slots = pair_.state.unplaced_class(), before = out();
  const std::size_t more = at(std::max<Slot>(slots - before, 0));
  std::vector<std::vector<Job>> none(more);
  members_.reserve(members_.size() + more);
  load_.reserve(load_.size() + more);
  capacity_.reserve(capacity_.size() + more);
  slot_.reserve(n), position_.reserve(n), counted_.reserve(n), fixed_.reserve(n);
  // From here on nothing throws.
  columns_ = columns;
  if (more > 0) {
    members_.insert(members_.end() - 1, std::make_move_iterator(none.begin()), std::make_move_iterator(none.end()));
    load_.insert(load_.end() - 1, more, 0);
    capacity_.insert(capacity_.end() - 1, more, 0);
    stale_ = true;
    std::replace(slot_.begin(), slot_.end(), before, slots);
  }
  if (slots < before) {  // the last classes, which have no members, were not added after all
    members_.erase(members_.begin() + slots, members_.end() - 1);
    for (auto* list : {&load_, &capacity_}) list->erase(list->begin() + slots, list->end() - 1);
    stale_ = true;
    std::replace(slot_.begin(), slot_.end(), before, slots);
  }
  if (n <= slot_.size()) return;
  slot_.resize(n, out());
  position_.resize(n, kNone);
  counted_.resize(n, 0);
  fixed_.resize(n, 0);
}

void GangPlacement::set_queues(Queues queues) {
  queues_ = std::move(queues);
  usage_.assign(queues_.n_rows(), 0);
  limit_.resize(queues_.n_rows());
  for (std::size_t row = 0; row < limit_.size(); ++row) limit_[row] = queues_.limit_of_row(row);
  levels_.assign(queues_.n_rows(), {});
  stale_ = true;
}

void GangPlacement::set_types(std::span<const std::int32_t> type_of_class) {
  type_.assign(type_of_class.begin(), type_of_class.end());
}

// Counts `by` slots of the job's class for its queue and all above it.
void GangPlacement::charge(Job job, Cost by) noexcept {
  for (std::int32_t q = queue(job); q >= 0; q = queues_.parent[at(q)]) {
    usage_[at(q)] += by;
    if (typed()) usage_[row_of(q, type(slot(job)))] += by;
  }
}

// Counts them among those of its priority. With `by` below 0 it allocates nothing.
void GangPlacement::count_level(Job job, Cost by) {
  if (!queues_.ranked || fixed(job)) return;
  const auto count = [&](std::size_t row) {
    Cost& level = levels_[row][priority(job)];
    level += by;
    if (level == 0) levels_[row].erase(priority(job));
  };
  count(at(queue(job)));
  if (typed()) count(row_of(queue(job), type(slot(job))));
}

void GangPlacement::reserve_members(Slot slot, std::size_t more) {
  std::vector<Job>& list = members_[at(slot)];
  if (list.capacity() - list.size() < more) list.reserve(std::max(2 * list.size(), list.size() + more));
}

// Adds a job to a class for whose members there is memory. If memory is short for the levels, all else is done.
void GangPlacement::insert(Job job, Slot slot) {
  slot_[at(job)] = slot;
  position_[at(job)] = static_cast<std::int32_t>(members_[at(slot)].size());
  members_[at(slot)].push_back(job);
  if (slot == out()) return;
  counted_[at(job)] = columns_.demand[job];
  load_[at(slot)] += counted_[at(job)];
  charge(job, counted_[at(job)]);
  if (!stale_) count_level(job, counted_[at(job)]);
}

void GangPlacement::erase(Job job) noexcept {
  std::vector<Job>& list = members_[at(slot(job))];
  const Job last = list.back();
  list[at(position_[at(job)])] = last;
  position_[at(last)] = position_[at(job)];
  list.pop_back();
  if (!running(job)) return;
  load_[at(slot(job))] -= counted_[at(job)];
  charge(job, -counted_[at(job)]);
  if (!stale_) count_level(job, -counted_[at(job)]);
}

void GangPlacement::add(Job job, Slot slot) {
  reserve_members(slot, 1);
  stale_ = stale_ || slot != out();
  insert(job, slot);
}

void GangPlacement::remove(Job job) noexcept {
  stale_ = stale_ || fixed(job);
  erase(job);
  slot_[at(job)] = out();
  fixed_[at(job)] = 0;
}

void GangPlacement::put(Job job, Slot slot) {
  reserve_members(slot, 1);
  moves_.push_back({job, this->slot(job), position_[at(job)]});
  erase(job);
  insert(job, slot);
}

// Makes the inverse of each move, the last first; the members that a class has lost have left memory for themselves.
void GangPlacement::undo() noexcept {
  stale_ = true;
  for (std::size_t k = moves_.size(); k-- > 0;) {
    const auto [job, from, position] = moves_[k];
    erase(job);
    insert(job, from);
    std::vector<Job>& list = members_[at(from)];
    std::swap(list[at(position)], list.back());
    position_[at(list.back())] = position_[at(job)];
    position_[at(job)] = position;
  }
  moves_.clear();
}

bool GangPlacement::admits(Job job, Slot slot) const { return std::isfinite(pair_.state.cost(job, slot)); }

void GangPlacement::begin_round() {
  stale_ = stale_ || columns_.preemptible.stride != 0 || columns_.preemptible.values[0] == 0;
  if (stale_) recount();
  for (Slot s = 0; s < out(); ++s) capacity_[at(s)] = std::max(pair_.capacity.given(s), pinned_[at(s)]);
}

void GangPlacement::recount() {
  find_fixed();
  std::vector<Cost> fixed_usage(limit_.size(), 0);
  pinned_.assign(load_.size(), 0);
  std::fill(usage_.begin(), usage_.end(), 0);
  for (Slot s = 0; s < out(); ++s) {
    load_[at(s)] = 0;
    for (const Job job : members(s)) {
      counted_[at(job)] = columns_.demand[job];
      load_[at(s)] += counted_[at(job)];
      if (fixed(job)) pinned_[at(s)] += counted_[at(job)];
      charge(job, counted_[at(job)]);
    }
  }
  raise_limits(fixed_usage);
  for (auto& levels : levels_) levels.clear();
  for (Slot s = 0; s < out() && ranked(); ++s)
    for (const Job job : members(s)) count_level(job, counted_[at(job)]);
  stale_ = false;
}

void GangPlacement::find_fixed() {
  for (Slot s = 0; s < out(); ++s) {
    for (const Job job : members(s)) {
      const bool kept = pair_.state.placed_class(job) == s &&
                        (pair_.state.is_pinned(job) || (columns_.preemptible[job] == 0 && admits(job, s)));
      fixed_[at(job)] = kept ? 1 : 0;
    }
  }
  for (const Job job : members(out())) fixed_[at(job)] = 0;
}

// Raises limits to the slots of fixed jobs, which may exceed them after an update. fixed_usage: (rows), all 0.
void GangPlacement::raise_limits(std::vector<Cost>& fixed_usage) noexcept {
  for (Slot s = 0; s < out(); ++s) {
    if (pinned_[at(s)] == 0) continue;
    for (const Job job : members(s)) {
      if (!fixed(job)) continue;
      for (std::int32_t q = queue(job); q >= 0; q = queues_.parent[at(q)]) {
        fixed_usage[at(q)] += counted_[at(job)];
        if (typed()) fixed_usage[row_of(q, type(s))] += counted_[at(job)];
      }
    }
  }
  for (std::size_t row = 0; row < limit_.size(); ++row)
    limit_[row] = std::max(queues_.limit_of_row(row), fixed_usage[row]);
}

Cost GangPlacement::below(std::size_t row, std::int64_t priority) const {
  Cost sum = 0;
  for (const auto& [level, usage] : levels_[row]) {
    if (level >= priority) break;
    sum += usage;
  }
  return sum;
}

Cost GangPlacement::left_of_limit(std::int32_t queue) const noexcept {
  Cost least = kForbidden;
  for (; queue >= 0; queue = queues_.parent[at(queue)]) least = std::min(least, limit_[at(queue)] - usage_[at(queue)]);
  return least;
}

Cost GangPlacement::left_of_type(std::int32_t queue, std::int32_t type) const noexcept {
  Cost least = kForbidden;
  for (; queue >= 0; queue = queues_.parent[at(queue)]) {
    const std::size_t row = row_of(queue, type);
    least = std::min(least, limit_[row] - usage_[row]);
  }
  return least;
}

bool GangPlacement::limits_admit(Job job, Slot to) const noexcept {
  if (to == out()) return true;
  const bool waits = !running(job);
  if (waits && left_of_limit(queue(job)) < demand(job)) return false;
  if (!typed() || (!waits && type(slot(job)) == type(to))) return true;
  return left_of_type(queue(job), type(to)) >= demand(job);
}

void GangPlacement::read_row(Job job, double* row) const {
  const StoreColumns& columns = pair_.state.columns();
  const Index index = job;
  columns.cost->reals(Rows{&index, 0, 1}, row);
  unsigned bad = 0;
  for (Slot s = 0; s < out(); ++s) bad |= row[s] > -kInf ? 0U : 1U;
  if (bad != 0) throw Error(ErrorKind::internal, "cost", job, "a cost is NaN or -inf");
  add_switching_cost(columns, job, placement(job), row);
}

bool GangPlacement::holds() const {
  std::vector<Cost> usage(usage_.size(), 0);
  Index inside = 0;
  for (Slot s = 0; s <= out(); ++s) {
    Cost load = 0;
    for (std::size_t k = 0; k < members(s).size(); ++k) {
      const Job job = members(s)[k];
      if (!is_live(job) || slot(job) != s || position_[at(job)] != static_cast<std::int32_t>(k)) return false;
      ++inside;
      if (s == out()) continue;
      load += counted_[at(job)];
      for (std::int32_t q = queue(job); q >= 0; q = queues_.parent[at(q)]) {
        usage[at(q)] += counted_[at(job)];
        if (typed()) usage[row_of(q, type(s))] += counted_[at(job)];
      }
    }
    if (load != load_[at(s)]) return false;
  }
  return inside == n_live() && (stale_ || usage == usage_);
}

}  // namespace gridcompute::live
