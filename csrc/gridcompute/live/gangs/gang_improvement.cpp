// The search for cheaper classes of the running jobs (gang_solver.hpp, Steps).
#include <algorithm>
#include <cmath>
#include <map>

#include "gridcompute/cost/dense.hpp"
#include "gridcompute/live/gangs/gang_solver.hpp"

namespace gridcompute::live {

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
    if (n < 2 || n * placement_.out() > tuning_.exchange_pairs || moves_.stopped()) continue;
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
