#include "gridcompute/assignment/route.hpp"

#include "gridcompute/assignment/whole.hpp"

namespace gridcompute::assignment {

namespace {

constexpr Index kUnlimited = std::numeric_limits<Index>::max();

// Chosen on uniform, offset, geometric, product and narrow matrices of 500..5000 rows and several seeds; each may be
// halved or doubled at a loss of about a tenth.
constexpr Index kPatience = 64;         // bids a row in a phase that must succeed
constexpr Index kTrialBids = 40;        // bids a row in a phase of the trial with lists
constexpr double kTrialRereads = 0.75;  // rereads a row in such a phase
constexpr double kRowsFirst = 8;        // whole rows: first epsilon, as a part of the spread
constexpr double kRowsFall = 5;         // and by what epsilon falls
constexpr double kReach = 16;           // lists must reach so many epsilons beyond the row minimum
constexpr double kFinest = 0x1p-30;     // of the spread: where wide costs stop falling
constexpr double kFew = 0.05;           // of the rows free: no auction
constexpr double kTies = 8;             // lists that reach no further: prices cannot tell their columns apart
constexpr double kHardly = 0.005;       // and after row reduction, whose last free rows are the hard ones
constexpr Index kFirstReduction = 5;    // bids a row in row reduction: before the auction
constexpr Index kReduction = 16;        // and before searches

// Each row in order takes a free column of its list at its least reduced cost, if there is one.
template <class V>
void greedy(Matching<V>& state, const Lists<V>& lists) {
  state.clear();
  for (std::int32_t i = 0; i < state.n; ++i) {
    const auto list = lists[i];
    V u = Range<V>::kHopeless;
    for (Index k = 0; k < list.size; ++k)
      u = std::min(u, static_cast<V>(list.cost[k] - state.v[static_cast<std::size_t>(list.col[k])]));
    if (u > lists.bound(i) || u >= Range<V>::kHopeless) continue;
    for (Index k = 0; k < list.size; ++k) {
      const std::int32_t j = list.col[k];
      if (list.cost[k] - state.v[static_cast<std::size_t>(j)] != u) continue;
      if (j == state.m || state.mate_of[static_cast<std::size_t>(j)] != kFree) continue;
      state.match(i, j, list.cost[k]);
      break;
    }
  }
}

// Phases over lists, epsilon falling to `last`. False if bids or rereads show that lists cannot bear it.
template <class V>
bool list_auction(Matching<V>& state, Lists<V>& lists, Rereader<V>& reread, const Source<V>& source, double epsilon,
                  double last, bool trial, Stats& stats, Stop& stop) {
  for (;; epsilon /= source.fall) {
    ++stats.phases;
    epsilon = std::max(last, epsilon);
    Phase<V> phase;
    phase.epsilon = static_cast<V>(epsilon);
    phase.bids = (trial ? kTrialBids : kPatience) * state.n;
    phase.rereads = trial ? static_cast<Index>(kTrialRereads * static_cast<double>(state.n)) : kUnlimited;
    phase.leave = epsilon <= last ? 0 : source.leave;
    if (!auction_phase(state, lists, reread, phase, stats, stop)) return false;
    if (epsilon <= last) return true;
  }
}

// Phases over whole rows, from large epsilons on, until fresh lists reach far beyond epsilon. Returns that epsilon.
template <class V>
double row_auction(Matching<V>& state, Lists<V>& lists, Rereader<V>& reread, const Source<V>& source, double last,
                   Stats& stats, Stop& stop) {
  source.copy();
  double epsilon = std::max(last, static_cast<double>(source.spread) / kRowsFirst);
  for (; epsilon > last && source.width(state.v) < kReach * epsilon; epsilon = std::max(last, epsilon / kRowsFall)) {
    ++stats.phases;
    Phase<V> phase;
    phase.epsilon = static_cast<V>(epsilon);
    phase.whole = true;
    phase.bids = kPatience * state.n;
    if (!auction_phase(state, lists, reread, phase, stats, stop)) break;
  }
  source.relist(state.v);
  return epsilon;
}

// Prices at which searches finish quickly.
template <class V>
void auction(Matching<V>& state, Lists<V>& lists, Rereader<V>& reread, const Source<V>& source, Stats& stats,
             Stop& stop) {
  const double last = std::max(1.0, static_cast<double>(source.spread) * kFinest);
  const bool trial = static_cast<bool>(source.copy);
  const std::vector<V> start = state.v;
  const bool done =
      list_auction(state, lists, reread, source, source.width(state.v) / source.first, last, trial, stats, stop);
  if (!done && trial && !stop.requested()) {
    const double epsilon = row_auction(state, lists, reread, source, last, stats, stop);
    if (!stop.requested()) list_auction(state, lists, reread, source, epsilon, last, false, stats, stop);
  }
  // Without a perfect matching prices fall as long as bids are made: such prices are worth nothing.
  if (*std::min_element(state.v.begin(), state.v.end()) < -Range<V>::kUnit / 2) {
    state.v = start;
    if (source.relist) source.relist(start);
  }
}

}  // namespace

template <class V>
Searched solve_lists(Matching<V>& state, Lists<V>& lists, Rereader<V>& reread, const Source<V>& source, Stats& stats,
                     Stop& stop, std::vector<std::int32_t>& witness) {
  const bool dense = static_cast<bool>(source.copy);
  const auto free_share = [&] { return static_cast<double>(state.free_rows().size()) / static_cast<double>(state.n); };
  // Searches over lists end at once or, where lists do not help, soon enough for whole rows to go on from there.
  const auto finish = [&](bool budget = true) {
    stop.stage("searches", 0.8);
    reduce_rows(state, lists, reread, kReduction * state.n, stats, stop);
    if (stop.requested()) return Searched::stopped;
    const auto search = [&](Index limit) {
      Paths<V> paths(state, lists, reread);
      const Searched found = paths.run(limit, stats, stop);
      if (found == Searched::infeasible) witness = paths.witness();
      return found;
    };
    Searched found = search(dense && budget ? source.pass : kUnlimited);
    if (found == Searched::budget) found = search_whole(state, source.copy(), stats, stop, witness);
    return found == Searched::budget ? search(kUnlimited) : found;
  };
  stop.stage("greedy", 0.3);
  greedy(state, lists);
  if (!source.square || free_share() <= kFew) return finish();
  if (dense && source.width(state.v) < kTies) {
    const Searched found = search_whole(state, source.copy(), stats, stop, witness);
    return found == Searched::budget ? finish(false) : found;
  }
  if (dense) {
    reduce_rows(state, lists, reread, kFirstReduction * state.n, stats, stop);
    if (stop.requested()) return Searched::stopped;
    if (free_share() <= kHardly) return finish();
  }
  stop.stage("auction", 0.4);
  auction(state, lists, reread, source, stats, stop);
  if (stop.requested()) return Searched::stopped;
  greedy(state, lists);
  return finish();
}

template Searched solve_lists(Matching<std::int32_t>&, Lists<std::int32_t>&, Rereader<std::int32_t>&,
                              const Source<std::int32_t>&, Stats&, Stop&, std::vector<std::int32_t>&);
template Searched solve_lists(Matching<std::int64_t>&, Lists<std::int64_t>&, Rereader<std::int64_t>&,
                              const Source<std::int64_t>&, Stats&, Stop&, std::vector<std::int32_t>&);

}  // namespace gridcompute::assignment
