#include "gridcompute/transport/rounding/integral.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "gridcompute/transport/rounding/evict.hpp"

namespace gridcompute::transport {

namespace {

constexpr Index kChunk = 1 << 16;
constexpr Index kHurriedCosts = 500'000;  // costs read after a stop: a millisecond or two,
constexpr Index kHurriedGangs = 400'000;  // also where they are divided by weights, and far apart in memory
constexpr int kTries = 8;
constexpr Index kAhead = 16;  // jobs whose costs are asked for early

// Stable: a byte of the weights at a time, as many as the heaviest has.
template <class Weight>
void heaviest_first(std::vector<Index>& jobs, const Weight& weight) {
  constexpr int kBits = 8, kValues = 1 << kBits;
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

std::vector<Index> everyone(Index n) {
  std::vector<Index> jobs(static_cast<std::size_t>(n));
  std::iota(jobs.begin(), jobs.end(), Index{0});
  return jobs;
}

// How many more jobs get a look at their costs: after a stop only a few, but all while the time that is left for
// closing lasts.
class Looks {
 public:
  Looks(Stop& stop, Index hurried) : stop_(stop), hurried_(hurried) {}

  [[nodiscard]] bool next() {
    if (!over_ && count_ % kPollEvery == 0) over_ = stop_.poll() && stop_.closing_time_over();
    return !over_ || count_ < hurried_ ? ++count_, true : false;
  }

 private:
  static constexpr Index kPollEvery = 64;

  Stop& stop_;
  Index hurried_, count_ = 0;
  bool over_ = false;
};

class Placer {
 public:
  Placer(const SolverContext& context, const Level& level, std::span<const Cost> prices, Whole begun)
      : context_(context),
        level_(level),
        prices_(prices),
        n_(context.keys.n_slots()),
        row_(static_cast<std::size_t>(context.keys.columns())),
        out_(std::move(begun)) {}
  Placer(const SolverContext& context, const Level& level, std::span<const Cost> prices)
      : Placer(context, level, prices,
               {std::vector<std::int32_t>(static_cast<std::size_t>(level.n), kNone),
                std::vector<Cost>(static_cast<std::size_t>(context.keys.columns()), 0)}) {}

  [[nodiscard]] Cost weight(Index k) const { return context_.keys.problem().weight(level_.row(k)); }

  bool put(Index k, Slot s) {
    const Cost w = weight(k);
    if (s >= static_cast<Slot>(out_.load.size()) || w > level_.capacity[s] - out_.load[s]) return false;
    out_.load[s] += w;
    out_.assignment[static_cast<std::size_t>(k)] = s;
    return true;
  }

  // The cheapest class with room, prices counted; being left out is one of them where it is allowed.
  bool place(Index k) {
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
    return best >= 0 && put(k, best);
  }

  // Largest first; ties by index. Those who get no look at their costs any more go to whatever class with room allows
  // them, or are left out.
  void place_all(std::vector<Index>& jobs, Stop& stop) {
    if (stop.why() == Stop::Why::interrupted) return;  // nobody will see the answer
    if (context_.keys.problem().demand != nullptr) heaviest_first(jobs, [&](Index k) { return weight(k); });
    Looks looks = looks_at(stop);
    for (const Index k : jobs) place_somewhere(k, looks);
  }

  void place_everyone(Stop& stop) {
    if (context_.keys.problem().demand != nullptr) {
      std::vector<Index> jobs = everyone(level_.n);
      return place_all(jobs, stop);
    }
    if (stop.why() == Stop::Why::interrupted) return;
    read_ = false;
    Looks looks = looks_at(stop);
    for (Index k = 0; k < level_.n; ++k) place_somewhere(k, looks);
  }

  [[nodiscard]] Whole take() { return std::move(out_); }

 private:
  [[nodiscard]] Looks looks_at(Stop& stop) const {
    const Index costs = context_.keys.problem().demand != nullptr ? kHurriedGangs : kHurriedCosts;
    return {stop, costs / static_cast<Index>(row_.size() + 1)};
  }

  void place_somewhere(Index k, Looks& looks) {
    const bool placed =
        looks.next() ? place(k) : put_anywhere(k) || (context_.keys.optional() && finite(k) && put(k, n_));
    if (!placed) ++out_.homeless;
  }

  // The next class in turn that has room and allows the job; a few are tried.
  bool put_anywhere(Index k) {
    if (!read_ && context_.keys.optional()) return false;  // nothing is known: leaving it out is as good
    const CostSource& cost = *context_.keys.problem().cost;
    if (cost.listed(level_.row(k)) >= 0) return put_at_listed(k, cost);
    if (cost.forbids() && !cost.singles()) return false;
    if (cost.forbids() && n_ > 0 && k + kAhead < level_.n) cost.prefetch(level_.row(k + kAhead), turn_);
    for (int tries = 0; tries < kTries && n_ > 0; ++tries) {
      for (Slot step = 0; step < n_ && out_.load[turn_] >= level_.capacity[turn_]; ++step) turn_ = (turn_ + 1) % n_;
      const bool allowed = !cost.forbids() || context_.keys.at(level_.row(k), turn_) < kForbidden;
      if (allowed && put(k, turn_)) return true;
      turn_ = (turn_ + 1) % n_;
    }
    return false;
  }

  // The first with room of its own few, from one by turns, so that none is full long before the others.
  bool put_at_listed(Index k, const CostSource& cost) {
    const Index job = level_.row(k), pairs = cost.listed(job);
    if (k + kAhead < level_.n) {
      const Index next = level_.row(k + kAhead), most = std::max<Index>(1, cost.listed(next));
      cost.prefetch(next, (k + kAhead) % most * n_ / most);
    }
    for (Index step = 0; step < pairs; ++step) {
      const Slot s = cost.listed_slot(job, (k + step) % pairs);
      if (out_.load[s] >= level_.capacity[s] || (cost.real() && context_.keys.at(job, s) >= kForbidden)) continue;
      if (put(k, s)) return true;
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
  bool read_ = true;  // have all costs been?
  Slot n_, turn_ = 0;
  std::vector<Cost> row_;
  std::vector<double> scratch_;
  Whole out_;
};

// A shared group's members take its flow in index order.
std::vector<std::int32_t> in_turn(const RestrictedProblem& r) {
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

// The class that has all units of a group, if one has.
Slot all_of(const RestrictedProblem& r, Index g) {
  for (Index c = r.begin[g]; c < r.begin[g] + r.size[g]; ++c) {
    if (r.flow[c] == r.weight[g]) return r.slot[c];
  }
  return kNone;
}

}  // namespace

Whole deal_out(const SolverContext& context, const Level& level, const RestrictedProblem& r) {
  Whole out;
  const auto n = static_cast<Index>(r.place_of.size());
  if (r.shared) out.assignment = in_turn(r);
  out.assignment.resize(static_cast<std::size_t>(n));
  const Problem& problem = context.keys.problem();
  std::vector<std::vector<Cost>> loads(static_cast<std::size_t>(Pool::chunks(n, kChunk)));
  context.pool.for_chunks(n, kChunk, [&](Index chunk, Index begin, Index end) {
    std::vector<Cost>& load = loads[static_cast<std::size_t>(chunk)];
    load.assign(static_cast<std::size_t>(r.columns), 0);
    for (Index k = begin; k < end; ++k) {
      std::int32_t& s = out.assignment[static_cast<std::size_t>(k)];
      if (!r.shared) s = r.place_of[k] >= 0 ? r.place_of[k] : all_of(r, ~r.place_of[k]);
      if (s >= 0) load[s] += problem.weight(level.row(k));
    }
  });
  out.load.assign(static_cast<std::size_t>(r.columns), 0);
  for (const std::vector<Cost>& load : loads) {
    for (Slot s = 0; s < r.columns; ++s) out.load[s] += load[s];
  }
  return out;
}

namespace {

// Split jobs, the heaviest first, each to that of the classes with units of it which has most room left, be it too
// little for the job; ties to the lowest class.
void seat_split(const SolverContext& context, const Level& level, const RestrictedProblem& r, Whole& whole) {
  std::vector<Index> split;
  for (Index k = 0; k < level.n; ++k) {
    if (whole.assignment[static_cast<std::size_t>(k)] < 0) split.push_back(k);
  }
  heaviest_first(split, [&](Index k) { return context.keys.problem().weight(level.row(k)); });
  for (const Index k : split) {
    const Index g = ~r.place_of[k];
    Slot& best = whole.assignment[static_cast<std::size_t>(k)];
    for (Index c = r.begin[g]; c < r.begin[g] + r.size[g]; ++c) {
      const Slot s = r.slot[c];
      const auto room = [&](Slot t) { return level.capacity[t] - whole.load[t]; };
      if (r.flow[c] > 0 && r.weight[g] <= level.capacity[s] && (best < 0 || room(s) > room(best))) best = s;
    }
    if (best >= 0) whole.load[best] += r.weight[g];
  }
}

}  // namespace

namespace {

// All jobs by size, each where all its units lie, or where it is cheapest now, before smaller jobs take the room.
Whole largest_first(const SolverContext& context, const Level& level, const RestrictedProblem& r,
                    std::span<const Cost> prices, Stop& stop) {
  Placer placer(context, level, prices);
  std::vector<Index> order = everyone(level.n), left;
  heaviest_first(order, [&](Index k) { return placer.weight(k); });
  for (const Index k : order) {
    const Slot s = r.place_of[k] >= 0 ? r.place_of[k] : all_of(r, ~r.place_of[k]);
    if (s >= 0 && placer.put(k, s)) continue;
    if (stop.requested() || !placer.place(k)) left.push_back(k);
  }
  placer.place_all(left, stop);
  return placer.take();
}

}  // namespace

Whole make_whole(const SolverContext& context, const Level& level, const RestrictedProblem& r,
                 std::span<const Cost> prices, Stop& stop) {
  Whole whole = deal_out(context, level, r);
  if (!r.shared) seat_split(context, level, r, whole);
  make_room(context, level, r, prices, whole);
  std::vector<Index> left;
  for (Index k = 0; k < level.n; ++k) {
    if (whole.assignment[static_cast<std::size_t>(k)] < 0) left.push_back(k);
  }
  Placer placer(context, level, prices, std::move(whole));
  placer.place_all(left, stop);
  whole = placer.take();
  if (whole.homeless == 0 || context.keys.problem().demand == nullptr || stop.requested()) return whole;
  Whole again = largest_first(context, level, r, prices, stop);
  if (again.homeless < whole.homeless) whole = std::move(again);
  whole.anew = true;
  return whole;
}

Whole make_any(const SolverContext& context, const Level& level, std::span<const Cost> prices, Stop& stop) {
  Placer placer(context, level, prices);
  placer.place_everyone(stop);
  return placer.take();
}

}  // namespace gridcompute::transport
