#include "gridcompute/transport/rounding.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <numeric>
#include <utility>

namespace gridcompute::transport {

namespace {

constexpr Index kRoundedChunk = 1 << 16;  // jobs

// Stable radix sort by descending weight, one byte at a time.
template <class Weight>
void sort_heaviest_first(std::vector<Index>& jobs, const Weight& weight) {
  constexpr int kBits = 8, kValues = 1 << kBits;  // of a pass of a radix sort
  Cost most = 0;
  for (const Index k : jobs) most = std::max(most, weight(k));
  std::vector<Index> next(jobs.size());
  for (int shift = 0; most >> shift > 0; shift += kBits) {
    const auto light = [&](Index k) { return kValues - 1 - (weight(k) >> shift & (kValues - 1)); };
    std::size_t count[kValues] = {};
    for (const Index k : jobs) ++count[light(k)];
    std::size_t at = 0;
    for (std::size_t& c : count) at += std::exchange(c, at);
    for (const Index k : jobs) next[count[light(k)]++] = k;
    jobs.swap(next);
  }
}

std::vector<Index> all_jobs(Index n) {
  std::vector<Index> jobs(at(n));
  std::iota(jobs.begin(), jobs.end(), Index{0});
  return jobs;
}

// Grants reads of cost rows: all while closing time lasts, after that a fixed number.
class RowReadBudget {
 public:
  RowReadBudget(Stop& stop, Index hurried) : stop_(stop), rows_after_stop_(hurried) {}

  [[nodiscard]] bool next() {
    if (!over_ && count_ % kPollEvery == 0) over_ = stop_.poll() && stop_.closing_time_over();
    return !over_ || count_ < rows_after_stop_ ? ++count_, true : false;
  }

 private:
  static constexpr Index kPollEvery = 64;  // jobs between two polls of the stop

  Stop& stop_;
  Index rows_after_stop_, count_ = 0;
  bool over_ = false;
};

// Classes tried for a job whose costs are not read.
constexpr int kPlacementTries = 8;

class GreedyCompletion {
 public:
  GreedyCompletion(const SolverContext& context, const Level& level, std::span<const Cost> prices, IntegralPlan begun)
      : context_(context),
        level_(level),
        prices_(prices),
        n_(context.keys.n_slots()),
        row_(at(context.keys.columns())),
        out_(std::move(begun)) {}
  GreedyCompletion(const SolverContext& context, const Level& level, std::span<const Cost> prices)
      : GreedyCompletion(
            context, level, prices,
            {std::vector<std::int32_t>(at(level.n), kNone), std::vector<Cost>(at(context.keys.columns()), 0)}) {}

  [[nodiscard]] Cost weight(Index k) const { return context_.keys.problem().weight(level_.row(k)); }

  bool assign_if_fits(Index k, Slot s) {
    const Cost w = weight(k);
    if (s >= static_cast<Slot>(out_.load.size()) || w > level_.capacity[s] - out_.load[s]) return false;
    out_.load[s] += w;
    out_.assignment[at(k)] = s;
    return true;
  }

  // Assigns a job to the class of least cost + price with residual capacity, "unplaced" included where allowed.
  bool assign_cheapest(Index k) {
    const Index job = level_.row(k);
    CostRangeStats seen;
    context_.keys.fill(Rows{&job, 0, 1}, row_.data(), scratch_, seen);
    if (context_.keys.optional()) row_.back() = context_.keys.unplaced(job, seen);
    Slot best = -1;
    Cost least = kForbidden;
    const Cost w = weight(k);
    for (Slot s = 0; s < static_cast<Slot>(row_.size()); ++s) {
      if (row_[s] >= kForbidden || w > level_.capacity[s] - out_.load[s]) continue;
      const Cost v = row_[s] + (prices_.empty() ? 0 : prices_[s]);
      if (v < least) least = v, best = s;
    }
    return best >= 0 && assign_if_fits(k, best);
  }

  // Assigns jobs largest first, ties by index. Jobs whose costs are no longer read go to any class that allows them and
  // has residual capacity, or unplaced.
  void complete(std::vector<Index>& jobs, Stop& stop) {
    if (stop.why() == Stop::Why::interrupted) return;  // the answer is discarded
    if (context_.keys.problem().demand != nullptr) sort_heaviest_first(jobs, [&](Index k) { return weight(k); });
    RowReadBudget budget = row_read_budget(stop);
    for (const Index k : jobs) assign_somewhere(k, budget);
  }

  void complete_all(Stop& stop) {
    if (context_.keys.problem().demand != nullptr) {
      std::vector<Index> jobs = all_jobs(level_.n);
      return complete(jobs, stop);
    }
    if (stop.why() == Stop::Why::interrupted) return;
    read_ = false;
    RowReadBudget budget = row_read_budget(stop);
    for (Index k = 0; k < level_.n; ++k) assign_somewhere(k, budget);
  }

  [[nodiscard]] IntegralPlan take_plan() { return std::move(out_); }

 private:
  [[nodiscard]] RowReadBudget row_read_budget(Stop& stop) const {
    const Index costs = context_.keys.problem().demand != nullptr ? context_.tuning.after_stop_costs_demand
                                                                  : context_.tuning.after_stop_costs;
    return {stop, costs / static_cast<Index>(row_.size() + 1)};
  }

  void assign_somewhere(Index k, RowReadBudget& budget) {
    const bool placed = budget.next()
                            ? assign_cheapest(k)
                            : put_anywhere(k) || (context_.keys.optional() && finite(k) && assign_if_fits(k, n_));
    if (!placed) ++out_.n_unassigned_required;
  }

  // Returns the next class in turn that has capacity left and allows the job; tries a few.
  bool put_anywhere(Index k) {
    if (!read_ && context_.keys.optional()) return false;  // without the costs, leaving the job out is as good
    const CostSource& cost = *context_.keys.problem().cost;
    if (cost.listed(level_.row(k)) >= 0) return assign_listed(k, cost);
    if (cost.forbids() && !cost.singles()) return false;
    const Index ahead = k + context_.tuning.cost_prefetch;
    if (cost.forbids() && n_ > 0 && ahead < level_.n) cost.prefetch(level_.row(ahead), next_class_);
    for (int tries = 0; tries < kPlacementTries && n_ > 0; ++tries) {
      for (Slot step = 0; step < n_ && out_.load[next_class_] >= level_.capacity[next_class_]; ++step)
        next_class_ = (next_class_ + 1) % n_;
      const bool allowed = !cost.forbids() || context_.keys.at(level_.row(k), next_class_) < kForbidden;
      if (allowed && assign_if_fits(k, next_class_)) return true;
      next_class_ = (next_class_ + 1) % n_;
    }
    return false;
  }

  // Assigns a job to the first listed class with residual capacity, starting from a rotating one so that classes fill
  // evenly.
  bool assign_listed(Index k, const CostSource& cost) {
    const Index job = level_.row(k), pairs = cost.listed(job);
    if (const Index ahead = k + context_.tuning.cost_prefetch; ahead < level_.n) {
      const Index next = level_.row(ahead), most = std::max<Index>(1, cost.listed(next));
      cost.prefetch(next, ahead % most * n_ / most);
    }
    for (Index step = 0; step < pairs; ++step) {
      const Slot s = cost.listed_slot(job, (k + step) % pairs);
      if (out_.load[s] >= level_.capacity[s] || (cost.real() && context_.keys.at(job, s) >= kForbidden)) continue;
      if (assign_if_fits(k, s)) return true;
    }
    return false;
  }

  [[nodiscard]] bool finite(Index k) const {
    CostRangeStats seen;
    return context_.keys.unplaced(level_.row(k), seen) < kForbidden;
  }

  const SolverContext& context_;
  const Level& level_;
  std::span<const Cost> prices_;
  bool read_ = true;  // all costs have been read
  Slot n_, next_class_ = 0;
  std::vector<Cost> row_;
  std::vector<double> scratch_;
  IntegralPlan out_;
};

// Distributes the flow of shared groups to their members in index order.
std::vector<std::int32_t> split_shared_groups(const RestrictedProblem& r) {
  std::vector<std::int32_t> out(r.place_of.begin(), r.place_of.end());
  std::vector<Index> at(r.begin.begin(), r.begin.end());
  std::vector<Cost> taken(static_cast<std::size_t>(r.groups()), 0);
  for (std::int32_t& w : out) {
    if (w >= 0) continue;
    const std::int32_t g = ~w;
    const Index end = r.begin[g] + r.size[g];
    while (at[g] < end && taken[g] == r.flow[at[g]]) ++at[g], taken[g] = 0;
    ++taken[g];
    w = at[g] < end ? r.slot[at[g]] : kNone;
  }
  return out;
}

// Returns the class that has all units of a group, or kNone.
Slot class_with_all_units(const RestrictedProblem& r, Index g) {
  for (Index c = r.begin[g]; c < r.begin[g] + r.size[g]; ++c) {
    if (r.flow[c] == r.weight[g]) return r.slot[c];
  }
  return kNone;
}

}  // namespace

IntegralPlan assign_unsplit(const SolverContext& context, const Level& level, const RestrictedProblem& r) {
  IntegralPlan out;
  const auto n = static_cast<Index>(r.place_of.size());
  if (r.shared) out.assignment = split_shared_groups(r);
  out.assignment.resize(at(n));
  const Problem& problem = context.keys.problem();
  std::vector<std::vector<Cost>> loads;
  context.pool.for_parts(loads, n, kRoundedChunk, [&](auto& load, Index begin, Index end) {
    load.assign(at(r.columns), 0);
    for (Index k = begin; k < end; ++k) {
      std::int32_t& s = out.assignment[at(k)];
      if (!r.shared) s = r.place_of[k] >= 0 ? r.place_of[k] : class_with_all_units(r, ~r.place_of[k]);
      if (s >= 0) load[s] += problem.weight(level.row(k));
    }
  });
  out.load.assign(at(r.columns), 0);
  for (const std::vector<Cost>& load : loads) {
    for (Slot s = 0; s < r.columns; ++s) out.load[s] += load[s];
  }
  return out;
}

namespace {

// Assigns split jobs, heaviest first, to the class with the largest residual capacity (even if too small for the job)
// among those with units of it; ties to the lowest class.
void assign_split(const SolverContext& context, const Level& level, const RestrictedProblem& r, IntegralPlan& whole) {
  std::vector<Index> split;
  for (Index k = 0; k < level.n; ++k) {
    if (whole.assignment[at(k)] < 0) split.push_back(k);
  }
  sort_heaviest_first(split, [&](Index k) { return context.keys.problem().weight(level.row(k)); });
  for (const Index k : split) {
    const Index g = ~r.place_of[k];
    Slot& best = whole.assignment[at(k)];
    for (Index c = r.begin[g]; c < r.begin[g] + r.size[g]; ++c) {
      const Slot s = r.slot[c];
      const auto room = [&](Slot t) { return level.capacity[t] - whole.load[t]; };
      if (r.flow[c] > 0 && r.weight[g] <= level.capacity[s] && (best < 0 || room(s) > room(best))) best = s;
    }
    if (best >= 0) whole.load[best] += r.weight[g];
  }
}

// Rounds all jobs by descending demand, each to the class with all its units or else to the cheapest one, before
// smaller jobs fill the classes.
IntegralPlan round_largest_first(const SolverContext& context, const Level& level, const RestrictedProblem& r,
                                 std::span<const Cost> prices, Stop& stop) {
  GreedyCompletion completion(context, level, prices);
  std::vector<Index> order = all_jobs(level.n), left;
  sort_heaviest_first(order, [&](Index k) { return completion.weight(k); });
  for (const Index k : order) {
    const Slot s = r.place_of[k] >= 0 ? r.place_of[k] : class_with_all_units(r, ~r.place_of[k]);
    if (s >= 0 && completion.assign_if_fits(k, s)) continue;
    if (stop.requested() || !completion.assign_cheapest(k)) left.push_back(k);
  }
  completion.complete(left, stop);
  return completion.take_plan();
}

}  // namespace

IntegralPlan round_to_integral(const SolverContext& context, const Level& level, const RestrictedProblem& r,
                               std::span<const Cost> prices, Stop& stop) {
  IntegralPlan whole = assign_unsplit(context, level, r);
  if (!r.shared) assign_split(context, level, r, whole);
  evict_excess(context, level, r, prices, whole);
  std::vector<Index> left;
  for (Index k = 0; k < level.n; ++k) {
    if (whole.assignment[at(k)] < 0) left.push_back(k);
  }
  GreedyCompletion completion(context, level, prices, std::move(whole));
  completion.complete(left, stop);
  whole = completion.take_plan();
  if (whole.n_unassigned_required == 0 || context.keys.problem().demand == nullptr || stop.requested()) return whole;
  IntegralPlan again = round_largest_first(context, level, r, prices, stop);
  if (again.n_unassigned_required < whole.n_unassigned_required) whole = std::move(again);
  whole.rounded_again = true;
  return whole;
}

IntegralPlan complete_greedily(const SolverContext& context, const Level& level, std::span<const Cost> prices,
                               Stop& stop) {
  GreedyCompletion completion(context, level, prices);
  completion.complete_all(stop);
  return completion.take_plan();
}

namespace {

constexpr Index kEvictChunk = 1 << 16;  // jobs
constexpr Cost kAny = std::numeric_limits<Cost>::max();

// A possible move of a job from its class to another, or to none.
struct Move {
  Cost loss;  // per unit of demand
  Cost weight;
  Index job;
  Slot from, to;
};

bool less_loss_per_unit(const Move& a, const Move& b) {
  if (a.loss != b.loss) return a.loss < b.loss;
  return a.job != b.job ? a.job < b.job : a.to < b.to;
}

bool less_total_loss(const Move& a, const Move& b) {
  const Wide left = static_cast<Wide>(a.loss) * a.weight, right = static_cast<Wide>(b.loss) * b.weight;
  if (left != right) return left < right;
  return a.job != b.job ? a.job < b.job : a.to < b.to;
}

// Orders by demand, then loss, then descending index.
bool lighter(const Move& a, const Move& b) {
  if (a.weight != b.weight) return a.weight < b.weight;
  return a.loss != b.loss ? a.loss < b.loss : a.job > b.job;
}

// One job in this many is sampled for the thresholds of loss.
constexpr Index kEvictSampleStep = 16;
// Ratio of sampled losses below a threshold to those expected.
constexpr Cost kEvictSampleFactor = 2;
// Moves that are sorted, those of least loss a unit.
constexpr Index kEvictMoves = 1 << 15;

class Eviction {
 public:
  Eviction(const SolverContext& context, const Level& level, const RestrictedProblem& r, std::span<const Cost> prices,
           IntegralPlan& whole)
      : context_(context), level_(level), r_(r), prices_(prices), whole_(whole), residual_(level.capacity) {
    for (std::size_t s = 0; s < residual_.size(); ++s) residual_[s] -= whole.load[s];
  }

  // Returns whether any class exceeds its capacity.
  [[nodiscard]] bool any_overfull() const {
    return std::any_of(residual_.begin(), residual_.end(), [](Cost room) { return room < 0; });
  }

  void move_to_candidates() {
    std::vector<Move> moves = collect([&](Index k, Slot from, Cost weight, std::vector<Move>& out) {
      if (r_.place_of[k] >= 0) return;
      const Index g = ~r_.place_of[k], end = r_.begin[g] + r_.size[g];
      const Cost here = price(g, from);
      for (Index c = r_.begin[g]; c < end; ++c) {
        const Slot to = r_.slot[c];
        if (residual_[to] >= weight) out.push_back({r_.key[c] + prices_[to] - here, weight, k, from, to});
      }
    });
    if (const Index most = kEvictMoves; static_cast<Index>(moves.size()) > most) {
      std::nth_element(moves.begin(), moves.begin() + most, moves.end(), less_loss_per_unit);
      moves.resize(at(most));
    }
    std::sort(moves.begin(), moves.end(), less_loss_per_unit);
    for (const Move& m : moves) {
      if (residual_[m.from] + m.weight <= 0) apply(m);
    }
    std::sort(moves.begin(), moves.end(), less_total_loss);
    for (const Move& m : moves) apply(m);
  }

  // Unassigns jobs of over-full classes from the last index on.
  void unassign_last_jobs() {
    for (auto k = static_cast<Index>(r_.place_of.size()) - 1; k >= 0; --k) {
      const Slot s = whole_.assignment[at(k)];
      if (s >= 0 && residual_[s] < 0) apply({0, context_.keys.problem().weight(level_.row(k)), k, s, kNone});
    }
  }

  void unassign_cheapest() {
    if (context_.keys.problem().demand == nullptr) return unassign_cheapest_units();
    std::vector<Move> moves = collect([&](Index k, Slot from, Cost weight, std::vector<Move>& out) {
      out.push_back({loss(k), weight, k, from, kNone});
    });
    std::sort(moves.begin(), moves.end(), lighter);
    for (const Move& m : moves) apply(m);
  }

 private:
  // Unassigns the excess of each class, cheapest losses first. A sample of losses bounds which jobs must be sorted.
  void unassign_cheapest_units() {
    const auto n = static_cast<Index>(r_.place_of.size());
    const Index sampled = kEvictSampleStep;
    std::vector<std::vector<Cost>> some(residual_.size());
    for (Index k = 0; k < n; k += sampled) {
      const Slot s = whole_.assignment[at(k)];
      if (s >= 0 && residual_[s] < 0) some[s].push_back(loss(k));
    }
    std::vector<Cost> most(residual_.size(), kAny);
    for (std::size_t s = 0; s < most.size(); ++s) {
      const Cost enough = kEvictSampleFactor * (-residual_[s] / sampled) + sampled;
      if (residual_[s] >= 0 || enough >= static_cast<Cost>(some[s].size())) continue;
      std::nth_element(some[s].begin(), some[s].begin() + enough, some[s].end());
      most[s] = some[s][at(enough)];
    }
    while (any_overfull()) {
      std::vector<std::vector<Move>> of(residual_.size());
      for (const Move& m : collect([&](Index k, Slot from, Cost weight, std::vector<Move>& out) {
             if (const Cost x = loss(k); x <= most[from]) out.push_back({x, weight, k, from, kNone});
           }))
        of[m.from].push_back(m);
      for (std::size_t s = 0; s < of.size(); ++s) {
        most[s] = kAny;  // all jobs if these were too few
        const Cost any_overfull = -residual_[s];
        if (any_overfull <= 0 || static_cast<Cost>(of[s].size()) < any_overfull) continue;
        std::nth_element(of[s].begin(), of[s].begin() + any_overfull - 1, of[s].end(), lighter);
        for (Cost k = 0; k < any_overfull; ++k) apply(of[s][at(k)]);
      }
    }
  }

  // Returns the loss per unit of leaving for the second-best candidate or, of a job with one, a non-candidate.
  [[nodiscard]] Cost loss(Index k) const {
    if (r_.place_of[k] < 0) return margin(~r_.place_of[k]);
    return static_cast<Cost>(std::min(r_.margin[k], static_cast<float>(kForbidden / 2)));
  }

  // Collects what visit() adds for each job of an over-full class, in job order.
  template <class Visit>
  [[nodiscard]] std::vector<Move> collect(const Visit& visit) const {
    const auto n = static_cast<Index>(r_.place_of.size());
    std::vector<std::vector<Move>> parts;
    context_.pool.for_parts(parts, n, kEvictChunk, [&](auto& part, Index begin, Index end) {
      for (Index k = begin; k < end; ++k) {
        const Slot s = whole_.assignment[at(k)];
        if (s >= 0 && residual_[s] < 0) visit(k, s, context_.keys.problem().weight(level_.row(k)), part);
      }
    });
    std::vector<Move> out;
    for (const std::vector<Move>& part : parts) out.insert(out.end(), part.begin(), part.end());
    return out;
  }

  // Makes a move if the job is still there, its class still over-full, and the target has residual capacity.
  void apply(const Move& m) {
    std::int32_t& now = whole_.assignment[at(m.job)];
    if (now != m.from || residual_[m.from] >= 0 || (m.to != kNone && residual_[m.to] < m.weight)) return;
    residual_[m.from] += m.weight, whole_.load[m.from] -= m.weight;
    if (m.to != kNone) residual_[m.to] -= m.weight, whole_.load[m.to] += m.weight;
    now = m.to;
  }

  // Returns key + price of a group in a class.
  [[nodiscard]] Cost price(Index g, Slot s) const {
    Index c = r_.begin[g];
    while (r_.slot[c] != s) ++c;
    return r_.key[c] + prices_[s];
  }

  // Returns the loss per unit of a group that moves to its second-best candidate.
  [[nodiscard]] Cost margin(Index g) const {
    Cost best = kForbidden, second = kForbidden;
    for (Index c = r_.begin[g]; c < r_.begin[g] + r_.size[g]; ++c) {
      const Cost v = r_.key[c] + prices_[r_.slot[c]];
      second = std::min(second, std::max(v, best));
      best = std::min(best, v);
    }
    return second - best;
  }

  const SolverContext& context_;
  const Level& level_;
  const RestrictedProblem& r_;
  std::span<const Cost> prices_;
  IntegralPlan& whole_;
  std::vector<Cost> residual_;  // (columns) residual capacity, negative where a class is over-full
};

}  // namespace

void evict_excess(const SolverContext& context, const Level& level, const RestrictedProblem& r,
                  std::span<const Cost> prices, IntegralPlan& whole) {
  Eviction room(context, level, r, prices, whole);
  if (room.any_overfull() && context.stop.closing_time_over()) room.unassign_last_jobs();
  if (room.any_overfull()) room.move_to_candidates();
  if (room.any_overfull()) room.unassign_cheapest();
}

}  // namespace gridcompute::transport
