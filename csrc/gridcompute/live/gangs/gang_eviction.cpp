#include "gridcompute/live/gangs/gang_eviction.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "gridcompute/cost/dense.hpp"
#include "gridcompute/live/gangs/gang_solver.hpp"

namespace gridcompute::live {

GangMoves::GangMoves(GangPlacement& placement, const GangPrices& prices)
    : placement_(placement), prices_(prices), tuning_(placement.tuning()) {}

// Size, in small worlds, up to which rows are kept while moves are sought.
constexpr Index kKeptRows = 2;

void GangMoves::begin_round(std::span<const Cost> shares, Index most_moved, Stop& stop) {
  shares_.assign(shares.begin(), shares.end());
  shares_.resize(placement_.queues().parent.size(), kForbidden);
  trail_.clear();
  stop_ = &stop;
  steps_ = n_moved_ = n_refused_ = 0;
  most_moved_ = most_moved;
  job_row_.resize(at(placement_.out()));
  for (auto& scratch : scratch_) scratch.resize(at(placement_.out()));
  keep_rows_ = placement_.n_positions() * placement_.out() <= kKeptRows * tuning_.small_world;
  if (keep_rows_) rows_.resize(at(placement_.n_positions() * placement_.out()));
  clear_rows();
}

void GangMoves::clear_rows() {
  if (keep_rows_) known_.assign(at(placement_.n_positions()), 0);
}

const double* GangMoves::row(Job job) {
  if (!keep_rows_) {
    std::vector<double>& scratch = scratch_[next_scratch_];
    next_scratch_ = (next_scratch_ + 1) % 3;
    placement_.read_row(job, scratch.data());
    steps_ += placement_.out();
    return scratch.data();
  }
  double* out = rows_.data() + at(job) * at(placement_.out());
  if (known_[at(job)] == 0) placement_.read_row(job, out), known_[at(job)] = 1, steps_ += placement_.out();
  return out;
}

// ---------------------------------------------------------------- changes

void GangMoves::move(Job job, Slot to) {
  const Slot from = placement_.slot(job), placed = placement_.placement(job).slot;
  trail_.emplace_back(job, from);
  placement_.put(job, to);
  if (placed != placement_.out()) n_moved_ += (to != placed ? 1 : 0) - (from != placed ? 1 : 0);
}

void GangMoves::back_to(std::size_t mark) {
  while (trail_.size() > mark) {
    const auto [job, from] = trail_.back();
    move(job, from);
    trail_.resize(trail_.size() - 2);
  }
}

// ---------------------------------------------------------------- claims

// Returns how much a queue with a job in class s holds above the amount that the claim of another queue leaves to it.
Cost GangMoves::above(std::int32_t queue, Slot s, Claim claim) const {
  if (claim == Claim::must) return placement_.usage(queue);
  Cost most = kForbidden;
  if (placement_.typed() && claim >= Claim::share) {
    const std::int32_t type = placement_.type(s);
    most = placement_.usage_of_type(queue, type) - placement_.guarantee_of_type(queue, type);
  }
  if (claim == Claim::type) return most;
  if (claim == Claim::guarantee)
    return std::min(most, placement_.usage(queue) - placement_.queues().guarantee[at(queue)]);
  return claim == Claim::share ? std::min(most, placement_.usage(queue) - share(queue)) : 0;
}

bool GangMoves::evictable(Job victim, Job job, Claim claim) const {
  if (claim == Claim::none || placement_.fixed(victim) || !std::isfinite(placement_.out_cost(victim))) return false;
  if (claim == Claim::must) return true;
  if (placement_.queue(victim) == placement_.queue(job)) {
    if (claim == Claim::cost) return placement_.priority(victim) == placement_.priority(job);
    return placement_.priority(victim) < placement_.priority(job);
  }
  return claim >= Claim::share && above(placement_.queue(victim), placement_.slot(victim), claim) > 0;
}

bool GangMoves::may_enter(Job job, Slot to) {
  if (!placement_.limits_admit(job, to)) return false;
  if (!placement_.typed() || !placement_.running(job) || to == placement_.out()) return true;
  const Slot here = placement_.slot(job);
  const std::int32_t queue = placement_.queue(job), from = placement_.type(here);
  if (from == placement_.type(to)) return true;
  const Cost owed = placement_.guarantee_of_type(queue, from);
  if (owed <= 0 || placement_.usage_of_type(queue, from) - placement_.demand(job) >= owed) return true;
  return cost(job, to) < cost(job, here);
}

bool GangMoves::owed_type(Job job, Slot s) const {
  const std::int32_t queue = placement_.queue(job), type = placement_.type(s);
  const Cost most = placement_.guarantee_of_type(queue, type);
  const Cost with = placement_.usage_of_type(queue, type) + placement_.demand(job);
  return most > 0 && (with <= most || with - placement_.usage_below(queue, placement_.priority(job), type) <= most);
}

bool GangMoves::owed_any_type(Job job) const {
  for (Slot s = 0; s < placement_.out(); ++s)
    if (owed_type(job, s)) return true;
  return false;
}

// ---------------------------------------------------------------- room

void GangMoves::list_open_classes() {
  open_.clear();
  for (Slot s = 0; s < placement_.out(); ++s)
    if (placement_.left(s) > 0) open_.push_back(s);
}

// Returns the cheapest class other than `except` that has room for the job, out() if none; `vacated` counts as having
// `vacated_slots` more slots.
Slot GangMoves::cheapest_with_room(Job job, Slot except, Slot vacated, Cost vacated_slots) {
  const double* costs = row(job);
  const Cost demand = placement_.demand(job);
  Slot best = placement_.out();
  double least = kInf;
  const auto consider = [&](Slot s, Cost left) {
    if (s != except && left >= demand && costs[s] < least && may_enter(job, s)) least = costs[s], best = s;
  };
  for (const Slot s : open_) consider(s, placement_.left(s) + (s == vacated ? vacated_slots : 0));
  if (vacated != kNone && placement_.left(vacated) <= 0) consider(vacated, placement_.left(vacated) + vacated_slots);
  return best;
}

// Lists the moves and evictions of members of class s that make room for the job.
void GangMoves::collect(Slot s, Job job, Claim claim, Cost need, bool relocate, std::vector<Item>& items) {
  const std::span<const Job> members = placement_.members(s);
  const std::size_t most = at(tuning_.scan), n = std::min(members.size(), most);
  const std::size_t start = members.size() > most ? at(job) * 7919 % members.size() : 0;
  const Slot old = placement_.slot(job);
  const Cost vacated = old == placement_.out() ? 0 : placement_.demand(job);
  list_open_classes();
  const bool anywhere = relocate && (!open_.empty() || vacated > 0);
  steps_ += placement_.out() + static_cast<Index>(n * (anywhere ? open_.size() + 2 : 1));
  for (std::size_t k = 0; k < n; ++k) {
    const Job member = members[(start + k) % members.size()];
    if (member == job || placement_.fixed(member)) continue;
    Item item{member, placement_.out(), placement_.priority(member), placement_.demand(member), kInf};
    if (anywhere) {
      const Slot to = cheapest_with_room(member, s, vacated > 0 ? old : kNone, vacated);
      if (to != placement_.out()) item.to = to, item.cost = row(member)[to] - row(member)[s];
    }
    if (evictable(member, job, claim)) {
      const double leave = placement_.out_cost(member) - row(member)[s];
      if (item.to == placement_.out() || (claim == Claim::cost && leave < item.cost))
        item.to = placement_.out(), item.cost = leave;
    }
    if (std::isfinite(item.cost)) items.push_back(item);
  }
  prune(items, need, job, claim);
}

// Keeps the best items of each demand, as many as a cover can use, and no more victims of another queue than its use
// above its share allows.
void GangMoves::prune(std::vector<Item>& items, Cost need, Job job, Claim claim) const {
  const Slot out = placement_.out();
  const auto better = [out](const Item& a, const Item& b) {
    const bool x = a.to == out, y = b.to == out;
    if (x != y) return y;
    if (x && a.priority != b.priority) return a.priority < b.priority;
    if (a.cost != b.cost) return a.cost < b.cost;
    return a.job < b.job;
  };
  std::sort(items.begin(), items.end(),
            [&](const Item& a, const Item& b) { return a.demand != b.demand ? a.demand < b.demand : better(a, b); });
  std::vector<Cost> taken;
  std::size_t kept = 0;
  for (std::size_t k = 0; k < items.size();) {
    const Cost demand = items[k].demand;
    Cost covered = 0;
    std::size_t n = 0;
    for (; k < items.size() && items[k].demand == demand; ++k) {
      if (covered >= need + demand && n > 1) continue;
      const std::int32_t queue = placement_.queue(items[k].job);
      if (items[k].to == out && claim >= Claim::share && claim != Claim::must && queue != placement_.queue(job)) {
        taken.resize(placement_.queues().parent.size(), 0);
        if (taken[at(queue)] >= above(queue, placement_.slot(items[k].job), claim)) continue;
        taken[at(queue)] += demand;
      }
      covered += demand, ++n;
      items[kept++] = items[k];
    }
  }
  items.resize(kept);
}

// Finds items that free at least `need` slots, those of least cost for a slot first, and drops what is not needed.
GangMoves::Plan GangMoves::cover_greedily(std::vector<Item>& items, Cost need) const {
  Plan plan;
  const Slot out = placement_.out();
  std::sort(items.begin(), items.end(), [&](const Item& a, const Item& b) {
    if ((a.to == out) != (b.to == out)) return b.to == out;
    const double x = a.cost * static_cast<double>(b.demand), y = b.cost * static_cast<double>(a.demand);
    return x != y ? x < y : a.job < b.job;
  });
  Cost freed = 0;
  for (const Item& item : items) {
    if (freed >= need) break;
    plan.items.push_back(item);
    freed += item.demand;
  }
  if (freed < need) return plan;
  for (std::size_t k = plan.items.size(); k-- > 0;) {
    if (freed - plan.items[k].demand < need) continue;
    freed -= plan.items[k].demand;
    plan.items.erase(plan.items.begin() + static_cast<std::ptrdiff_t>(k));
  }
  plan.found = true;
  plan.value = {std::numeric_limits<std::int64_t>::min(), 0, 0.0};
  for (const Item& item : plan.items) {
    plan.value.cost += item.cost;
    if (item.to == out) ++plan.value.victims, plan.value.priority = std::max(plan.value.priority, item.priority);
  }
  return plan;
}

// Slots up to which room is made by dynamic programming, beyond that greedily.
constexpr Index kMostCover = 64;

// Finds the items of least value that free at least `need` slots.
GangMoves::Plan GangMoves::cover(std::vector<Item>& items, Cost need) {
  steps_ += static_cast<Index>(items.size()) * std::min(need + 1, Cost{kMostCover});
  if (need > kMostCover) return cover_greedily(items, need);
  Plan plan;
  const Slot out = placement_.out();
  const std::size_t n = items.size(), width = at(need) + 1;
  const Value nothing{std::numeric_limits<std::int64_t>::min(), 0, 0.0};
  std::vector<Value> best(width, {0, 0, kInf});
  best[0] = nothing;
  std::vector<std::uint8_t> taken(n * width, 0);
  for (std::size_t k = 0; k < n; ++k) {
    const Item& item = items[k];
    const bool victim = item.to == out;
    for (std::size_t r = width; r-- > 1;) {
      const Value& rest = best[r > at(item.demand) ? r - at(item.demand) : 0];
      if (!std::isfinite(rest.cost)) continue;
      const Value with{victim ? std::max(rest.priority, item.priority) : rest.priority, rest.victims + (victim ? 1 : 0),
                       rest.cost + item.cost};
      if (!std::isfinite(best[r].cost) || with < best[r]) best[r] = with, taken[k * width + r] = 1;
    }
  }
  if (!std::isfinite(best[width - 1].cost)) return plan;
  plan.found = true, plan.value = best[width - 1];
  std::size_t r = width - 1;
  for (std::size_t k = n; k-- > 0 && r > 0;) {
    if (taken[k * width + r] == 0) continue;
    plan.items.push_back(items[k]);
    r = r > at(items[k].demand) ? r - at(items[k].demand) : 0;
  }
  return plan;
}

GangMoves::Plan GangMoves::room_for(Job job, Slot s, Claim claim, Cost need) {
  if (stopped_meanwhile()) return {};
  std::vector<Item> items;
  collect(s, job, claim, need, true, items);
  return cover(items, need);
}

// Makes the changes of a plan and then moves the job into class s; false if one of them is not possible any more.
bool GangMoves::apply(const Plan& plan, Slot s, Job job, Claim claim) {
  const Slot old = placement_.slot(job), out = placement_.out();
  steps_ += static_cast<Index>(plan.items.size() + 1) * out;
  if (old != out) move(job, out);
  for (const Item& item : plan.items) {
    if (item.to == out) {
      if (!evictable(item.job, job, claim)) return false;
      move(item.job, out);
      continue;
    }
    list_open_classes();
    const Slot to = cheapest_with_room(item.job, s, kNone, 0);
    if (to == out) return false;
    move(item.job, to);
  }
  if (placement_.left(s) < placement_.demand(job)) return false;
  const bool same_type = old != out && (!placement_.typed() || placement_.type(old) == placement_.type(s));
  if (old == out && !placement_.limits_admit(job, s)) return false;
  if (old != out && !same_type &&
      placement_.left_of_type(placement_.queue(job), placement_.type(s)) < placement_.demand(job))
    return false;
  move(job, s);
  return !too_many();
}

// ---------------------------------------------------------------- insertion

// Returns whether any class has as many slots left, which takes less than to read a job's costs.
bool GangMoves::any_room(Cost demand) {
  steps_ += placement_.out();
  for (Slot s = 0; s < placement_.out(); ++s)
    if (placement_.left(s) >= demand) return true;
  return false;
}

bool GangMoves::insert(Job job, Claim claim) { return insert_where(job, claim, kNone); }

// Places a waiting job as insert() does; type: in classes of this type (kNone: of any).
bool GangMoves::insert_where(Job job, Claim claim, std::int32_t type) {
  const Cost demand = placement_.demand(job);
  const std::int32_t queue = placement_.queue(job);
  if (placement_.left_of_limit(queue) < demand || !any_room(demand)) return false;
  const double* costs = row(job);
  const double* prices = prices_.to_queue(queue);
  const double leave = placement_.out_cost(job);
  const auto w = static_cast<double>(demand);
  Slot best = kNone;
  double least = kInf;
  for (Slot s = 0; s < placement_.out(); ++s) {
    if (placement_.left(s) < demand || !(costs[s] < leave) || !open_to(job, s, claim, type)) continue;
    const double here = costs[s] + w * prices[s];
    if (here < least) least = here, best = s;
  }
  if (best == kNone) return false;
  const std::size_t begin = mark();
  move(job, best);
  if (!too_many()) return true;
  back_to(begin);
  return false;
}

// Returns whether limits and the claim allow a waiting job to enter class s, of this type (kNone: of any).
bool GangMoves::open_to(Job job, Slot s, Claim claim, std::int32_t type) const {
  if (!placement_.typed()) return true;
  if (type != kNone && placement_.type(s) != type) return false;
  return placement_.left_of_type(placement_.queue(job), placement_.type(s)) >= placement_.demand(job) &&
         (claim != Claim::type || owed_type(job, s));
}

// Evicts jobs of the same queue until its limit leaves room for the job: the limit of a type, or that of all types
// (kNone).
bool GangMoves::free_limit(Job job, Claim claim, std::int32_t type) {
  const std::int32_t queue = placement_.queue(job);
  const Cost left = type == kNone ? placement_.left_of_limit(queue) : placement_.left_of_type(queue, type);
  const Cost need = placement_.demand(job) - left;
  if (need <= 0) return true;
  if (stopped_meanwhile()) return false;
  std::vector<Item> items;
  for (Slot s = 0; s < placement_.out(); ++s) {
    if (type != kNone && placement_.type(s) != type) continue;
    steps_ += static_cast<Index>(placement_.members(s).size());
    for (const Job member : placement_.members(s))
      if (placement_.queue(member) == queue && evictable(member, job, claim))
        items.push_back({member, placement_.out(), placement_.priority(member), placement_.demand(member),
                         placement_.out_cost(member) - cost(member, s)});
  }
  prune(items, need, job, claim);
  const Plan plan = cover(items, need);
  for (const Item& item : plan.items) move(item.job, placement_.out());
  return plan.found;
}

// Returns the cost of all changes since the mark.
double GangMoves::total_since(std::size_t begin) {
  double sum = 0;
  std::vector<std::pair<Job, Slot>> first(trail_.begin() + static_cast<std::ptrdiff_t>(begin), trail_.end());
  std::stable_sort(first.begin(), first.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t k = 0; k < first.size(); ++k) {
    if (k > 0 && first[k].first == first[k - 1].first) continue;
    sum += cost(first[k].first, placement_.slot(first[k].first)) - cost(first[k].first, first[k].second);
  }
  return sum;
}

bool GangMoves::insert_by(Job job, Claim claim, double least_gain) {
  const std::size_t begin = mark();
  const auto accept = [&] { return claim != Claim::cost || total_since(begin) < -least_gain; };
  if (placement_.left_of_limit(placement_.queue(job)) < placement_.demand(job)) {
    if (claim == Claim::none || !free_limit(job, claim, kNone)) return back_to(begin), false;
    if (insert(job, claim) && accept()) return true;
    if (placement_.running(job)) return back_to(begin), false;
  }
  if (place_best(job, claim, least_gain, kNone, begin)) return true;
  if (!placement_.typed() || claim == Claim::none) return back_to(begin), false;
  // Types of which the queue has reached a limit: only evictions of its own jobs make room there.
  const std::size_t after_limit = mark();
  std::vector<std::uint8_t> tried(placement_.queues().n_rows() / placement_.queues().size(), 0);
  for (Slot s = 0; s < placement_.out(); ++s) {
    const std::int32_t type = placement_.type(s);
    if (tried[at(type)] != 0 || !(cost(job, s) < placement_.out_cost(job))) continue;
    if (placement_.left_of_type(placement_.queue(job), type) >= placement_.demand(job)) continue;
    tried[at(type)] = 1;
    if (free_limit(job, claim, type)) {
      if (insert_where(job, claim, type) && accept()) return true;
      if (!placement_.running(job) && place_best(job, claim, least_gain, type, begin)) return true;
    }
    back_to(after_limit);
  }
  return back_to(begin), false;
}

// Classes that are tried for a gang, the best first.
constexpr Index kClassesTried = 3;

// Places a waiting job in the class, of this type (kNone: of any), where room for it costs least; begin: the mark
// before the first change that was made for it. Returns whether it was placed; if not, all changes are undone.
bool GangMoves::place_best(Job job, Claim claim, double least_gain, std::int32_t type, std::size_t begin) {
  const Cost demand = placement_.demand(job);
  const double leave = placement_.out_cost(job);
  std::copy_n(row(job), job_row_.size(), job_row_.begin());
  const double* costs = job_row_.data();
  const std::size_t after_limit = mark();
  std::vector<std::pair<Value, Slot>> ways;
  for (Slot s = 0; s < placement_.out(); ++s) {
    if (!(costs[s] < leave) || demand > placement_.capacity(s) || !open_to(job, s, claim, type)) continue;
    const Cost need = demand - placement_.left(s);
    Value value{std::numeric_limits<std::int64_t>::min(), 0, 0.0};
    if (need > 0) {
      const Plan plan = room_for(job, s, claim, need);
      if (!plan.found) continue;
      value = plan.value;
    }
    value.cost += costs[s];
    if (claim == Claim::cost && !(value.cost < leave - least_gain) && after_limit == begin) continue;
    ways.emplace_back(value, s);
  }
  std::stable_sort(ways.begin(), ways.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t k = 0; k < std::min(ways.size(), at(kClassesTried)); ++k) {
    const Slot s = ways[k].second;
    const Cost need = demand - placement_.left(s);
    const Plan plan = need > 0 ? room_for(job, s, claim, need) : Plan{true, {}, {}};
    if (plan.found && apply(plan, s, job, claim) && (claim != Claim::cost || total_since(begin) < -least_gain))
      return true;
    back_to(after_limit);
  }
  return false;
}

bool GangMoves::relocate(Job job, Slot s, double least_gain) {
  if (placement_.fixed(job) || placement_.slot(job) == s || !may_enter(job, s)) return false;
  const double gain = cost(job, placement_.slot(job)) - cost(job, s);
  const Cost need = placement_.demand(job) - placement_.left(s);
  const Plan plan = need > 0 ? room_for(job, s, Claim::none, need) : Plan{true, {}, {}};
  if (!plan.found || !(plan.value.cost < gain - least_gain)) return false;
  const std::size_t begin = mark();
  if (apply(plan, s, job, Claim::none)) {
    double sum = 0;
    for (std::size_t k = begin; k < trail_.size(); ++k) {
      const auto [moved, from] = trail_[k];
      bool first = true;
      for (std::size_t j = begin; j < k; ++j) first = first && trail_[j].first != moved;
      if (first) sum += cost(moved, placement_.slot(moved)) - cost(moved, from);
    }
    if (sum < -least_gain) return true;
  }
  back_to(begin);
  return false;
}

// The search for cheaper classes of the running jobs (gang_solver.hpp, Steps).

void GangSolver::improve(RoundContext& round) {
  for (Index sweep = 0; sweep < tuning_.sweeps && !moves_.stopped(); ++sweep) {
    bool any = move_to_open_classes();
    if (small_world()) any = exchange(round) || any;
    any = eject() || any;
    fill();
    if (!any) return;
  }
}

// Moves jobs into open classes where they cost less.
bool GangSolver::move_to_open_classes() {
  if (!small_world()) return false;
  std::vector<Slot> open;
  Cost most = 0;
  for (Slot s = 0; s < placement_.out(); ++s)
    if (placement_.left(s) > 0) open.push_back(s), most = std::max(most, placement_.left(s));
  if (open.empty()) return false;
  const double gain = least_gain();
  bool any = false;
  std::vector<Job> jobs;
  for (Slot s = 0; s < placement_.out(); ++s)
    for (const Job job : placement_.members(s))
      if (!placement_.fixed(job) && placement_.demand(job) <= most) jobs.push_back(job);
  for (const Job job : jobs) {
    moves_.count(static_cast<Index>(open.size()));
    if (moves_.stopped_meanwhile()) break;
    const double* costs = moves_.row(job);
    Slot best = placement_.slot(job);
    double least = costs[best] - gain;
    for (const Slot s : open)
      if (placement_.left(s) >= placement_.demand(job) && costs[s] < least && moves_.may_enter(job, s))
        least = costs[s], best = s;
    if (best == placement_.slot(job)) continue;
    const std::size_t mark = moves_.mark();
    moves_.move(job, best);
    if (moves_.too_many()) {
      moves_.back_to(mark);
      continue;
    }
    moves_.commit();
    any = true;
  }
  return any;
}

// Pairs of a job of one demand and a class that are matched exactly, at most.
constexpr Index kExchangePairs = Index{1} << 19;

// Matches all jobs of one demand to the slots that they take, exactly, for each demand in turn, largest first.
bool GangSolver::exchange(RoundContext& round) {
  std::map<Cost, std::vector<Job>, std::greater<>> by_demand;
  const Slot last = placement_.ranked() ? placement_.out() - 1 : placement_.out();
  for (Slot s = 0; s <= last; ++s)
    for (const Job job : placement_.members(s))
      if (!placement_.fixed(job)) by_demand[placement_.demand(job)].push_back(job);
  bool any = false;
  for (auto& [demand, jobs] : by_demand) {
    const auto n = static_cast<Index>(jobs.size());
    if (n < 2 || n * placement_.out() > kExchangePairs || moves_.stopped()) continue;
    std::sort(jobs.begin(), jobs.end());
    any = exchange_of(demand, jobs, {}, round) || any;
  }
  return any;
}

// Matches the jobs of one demand in two ways that do not change the number of slots of each type that a queue holds:
// among the classes of each type, and among the jobs of each queue in their present classes.
bool GangSolver::exchange_within(Cost demand, const std::vector<Job>& jobs, RoundContext& round) {
  bool any = false;
  const auto each = [&](bool by_type) {
    std::map<std::int32_t, std::vector<Job>> groups;
    for (const Job job : jobs)
      groups[by_type ? placement_.type(placement_.slot(job)) : placement_.queue(job)].push_back(job);
    for (const auto& [key, own] : groups) {
      const ExchangeScope scope{by_type, by_type ? key : kNone};
      if (own.size() > 1 && !moves_.stopped()) any = exchange_of(demand, own, scope, round) || any;
    }
  };
  each(true);
  each(false);
  return any;
}

// Returns whether changes since the usages were `before` keep the limits of types, and the guarantees of types to jobs
// that moved to make room for others.
bool GangSolver::types_kept(std::size_t mark, const std::vector<Cost>& before) {
  const std::vector<Cost>& usages = placement_.usages();
  for (std::size_t row = placement_.queues().size(); row < usages.size(); ++row)
    if (usages[row] > before[row] && usages[row] > placement_.limit(row)) return false;
  for (std::size_t k = mark; k < moves_.trail().size(); ++k) {
    const auto [job, from] = moves_.trail()[k];
    const Slot to = placement_.slot(job);
    if (from == placement_.out() || to == placement_.out() || placement_.type(from) == placement_.type(to)) continue;
    const std::size_t row = placement_.row_of(placement_.queue(job), placement_.type(from));
    const Cost owed = placement_.guarantee_of_type(placement_.queue(job), placement_.type(from));
    if (usages[row] < before[row] && usages[row] < owed && !(moves_.cost(job, to) < moves_.cost(job, from)))
      return false;
  }
  return true;
}

bool GangSolver::exchange_of(Cost demand, const std::vector<Job>& jobs, ExchangeScope scope, RoundContext& round) {
  const Slot out = placement_.out();
  const auto n = static_cast<Index>(jobs.size());
  moves_.count(n * out);
  std::vector<Cost> capacity(at(out));
  for (Slot s = 0; s < out && scope.free_slots; ++s)
    if (scope.type == kNone || placement_.type(s) == scope.type)
      capacity[at(s)] = std::max<Cost>(placement_.left(s), 0) / demand;
  // Ties go to the present class, so that no job moves without a gain.
  const double tie = pair_.max_abs_cost * 0x1p-40;
  DefaultInitVector<double> costs(at(n * out));
  std::vector<double> leave(at(n));
  double before = 0;
  bool waiting = false;
  for (Index k = 0; k < n; ++k) {
    const Job job = jobs[at(k)];
    const Slot here = placement_.slot(job);
    const double* row = moves_.row(job);
    for (Slot s = 0; s < out; ++s) costs[at(k * out + s)] = row[s] + (s == here ? 0.0 : tie);
    leave[at(k)] = placement_.out_cost(job) + (here == out ? 0.0 : tie);
    waiting = waiting || here == out;
    before += here == out ? placement_.out_cost(job) : row[here];
    if (here != out) ++capacity[at(here)];
  }
  const DenseCost<double> matrix(std::move(costs), n, out);
  const bool optional = !placement_.ranked();
  const transport::Problem problem{&matrix, capacity.data(), nullptr, optional ? leave.data() : nullptr, 1};
  transport::Options options;
  options.direct = true;
  options.seed = round.options.seed;
  options.threads = round.options.threads;
  const transport::Result result = transport::solve(problem, options, round.stop);
  const bool ended = result.status == transport::Status::optimal || result.status == transport::Status::feasible;
  if (!ended || result.assignment.size() != jobs.size()) return false;
  double after = 0;
  for (Index k = 0; k < n; ++k) {
    const Slot to = result.assignment[at(k)];
    after += to < 0 ? placement_.out_cost(jobs[at(k)]) : moves_.row(jobs[at(k)])[to];
  }
  if (!(after < before - least_gain() - tie)) return false;
  const std::size_t mark = moves_.mark();
  const std::vector<Cost> usages = placement_.usages();
  for (const bool leaving : {true, false}) {  // all leave before any enters
    for (Index k = 0; k < n; ++k) {
      const Job job = jobs[at(k)];
      const Slot to = result.assignment[at(k)] < 0 ? out : result.assignment[at(k)];
      if (leaving) {
        if (placement_.slot(job) == to) continue;
        moves_.move(job, out);
      } else if (placement_.slot(job) != to) {
        moves_.move(job, to);
      }
    }
  }
  if (moves_.too_many()) {
    moves_.back_to(mark);
    return false;
  }
  if (placement_.typed() && !types_kept(mark, usages)) {
    moves_.back_to(mark);
    return scope.free_slots && scope.type == kNone && exchange_within(demand, jobs, round);
  }
  moves_.commit();
  return true;
}

// Tries moves that make room by moving other jobs: for the jobs with the largest reduced costs, and for waiting jobs
// whose gain exceeds the price of their slots.
bool GangSolver::eject() {
  struct Try {
    double regret;
    Job job;
  };
  if (!small_world()) return false;
  const double gain = least_gain();
  std::vector<Try> tries;
  for (Slot s = 0; s <= placement_.out(); ++s) {
    if (s == placement_.out() && placement_.ranked()) continue;
    for (const Job job : placement_.members(s)) {
      if (placement_.fixed(job) || !std::isfinite(prices_.least(job))) continue;
      const auto w = static_cast<double>(placement_.demand(job));
      const double here = s == placement_.out()
                              ? placement_.out_cost(job)
                              : moves_.cost(job, s) + w * (prices_.to_queue(placement_.queue(job))[s] +
                                                           prices_.of_queue(placement_.queue(job)));
      const double regret = here - prices_.least(job);
      if (regret > gain) tries.push_back({regret, job});
    }
  }
  std::sort(tries.begin(), tries.end(),
            [](const Try& a, const Try& b) { return a.regret != b.regret ? a.regret > b.regret : a.job < b.job; });
  if (static_cast<Index>(tries.size()) > tuning_.ejections) tries.resize(at(tuning_.ejections));
  bool any = false;
  for (const Try& t : tries) {
    if (moves_.stopped_meanwhile()) break;
    const bool waiting = !placement_.running(t.job);
    const bool done = waiting ? moves_.insert(t.job) || moves_.insert_by(t.job, Claim::cost, gain)
                              : moves_.relocate(t.job, prices_.cheapest(t.job), gain);
    if (!done) continue;
    moves_.commit();
    any = true;
  }
  return any;
}

}  // namespace gridcompute::live
