#include "gridcompute/assignment/route.hpp"

#include <cstdlib>
#include <cstdio>
#include <ctime>

namespace gridcompute::assignment {

namespace {
double env(const char* name, double d) { const char* s = std::getenv(name); return s ? std::atof(s) : d; }
double now() { timespec t; clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); return double(t.tv_sec) + 1e-9 * double(t.tv_nsec); }

constexpr Index kUnlimited = std::numeric_limits<Index>::max();
constexpr Index kPatience = 64;  // bids a row in one phase

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

// Phases over lists from an epsilon that they can bear. False if bids or rereads say that they cannot.
template <class V>
bool list_auction(Matching<V>& state, Lists<V>& lists, Rereader<V>& reread, const Source<V>& source, double epsilon,
                  double last, Index bids, Index rereads, Stats& stats, Stop& stop) {
  static const double theta = env("THETA", 8);
  for (;; epsilon /= theta) {
    ++stats.phases;
    Index b0 = stats.bids, r0 = reread.count; double t0 = now();
    epsilon = std::max(last, epsilon);
    bool ok = auction_phase(state, lists, reread, static_cast<V>(epsilon), false, bids, rereads, stats, stop);
    if (env("DBG", 0)) std::printf("  eps %g lists bids/n %.2f rescans/n %.2f  %.4f\n", epsilon, double(stats.bids - b0) / double(state.n), double(reread.count - r0) / double(state.n), now() - t0);
    if (!ok) return false;
    if (epsilon <= last) return true;
  }
}

// Phases over whole rows, from large epsilons on, until fresh lists reach far beyond epsilon.
template <class V>
double row_auction(Matching<V>& state, Lists<V>& lists, Rereader<V>& reread, const Source<V>& source, double last,
                   Stats& stats, Stop& stop) {
  static const double theta = env("THETA2", 5), first = env("FIRST", 8), lazy = env("LAZY", 16);
  source.copy();
  double epsilon = std::max(last, static_cast<double>(source.spread) / first);
  for (; epsilon > last && source.width(state.v) < lazy * epsilon; epsilon = std::max(last, epsilon / theta)) {
    ++stats.phases;
    Index b0 = stats.bids; double t0 = now();
    const bool ok = auction_phase(state, lists, reread, static_cast<V>(epsilon), true, kPatience * state.n, kUnlimited, stats, stop);
    if (env("DBG", 0)) std::printf("  eps %g rows bids/n %.2f  %.4f\n", epsilon, double(stats.bids - b0) / double(state.n), now() - t0);
    if (!ok) break;
  }
  source.relist(state.v);
  return epsilon;
}

}  // namespace

template <class V>
Searched solve_lists(Matching<V>& state, Lists<V>& lists, Rereader<V>& reread, const Source<V>& source, Stats& stats,
                     Stop& stop, std::vector<std::int32_t>& witness) {
  static const double dbg = env("DBG", 0), route = env("ROUTE", 0);
  double t = now();
  auto say = [&](const char* w) { if (dbg) { double q = now(); std::printf("%s %.4f  free %zu bids %ld arcs %ld searches %ld rescans %ld\n", w, q - t, state.free_rows().size(), long(stats.bids), long(stats.arcs), long(stats.searches), long(reread.count)); t = now(); } };
  greedy(state, lists);
  say("greedy");
  Paths<V> paths(state, lists, reread);
  const auto unmatched = static_cast<Index>(state.free_rows().size());
  const auto finish = [&](Index bids, Index arcs) {
    reduce_rows(state, lists, reread, bids, stats, stop);
    say("reduce");
    const Searched found = stop.requested() ? Searched::stopped : paths.run(arcs, stats, stop);
    say("paths");
    return found;
  };
  Searched found = Searched::budget;
  if (!source.scalable) found = finish(kPatience * state.n, kUnlimited);
  else if (unmatched * 20 <= state.n) found = finish(8 * state.n, source.pass);
  if (found == Searched::budget) {
    const double last = std::max(1.0, static_cast<double>(source.spread) * 0x1p-30);
    if (!list_auction(state, lists, reread, source, source.width(state.v) / env("EPSL", 40), last, 16 * state.n, state.n / 4, stats, stop) && source.copy &&
        !stop.requested()) {
      const double epsilon = row_auction(state, lists, reread, source, last, stats, stop);
      say("rows");
      if (!stop.requested())
        list_auction(state, lists, reread, source, epsilon, last, kPatience * state.n, kUnlimited, stats, stop);
    }
    say("auction");
    if (stop.requested()) return Searched::stopped;
    greedy(state, lists);
    say("greedy");
    found = finish(16 * state.n, kUnlimited);
  }
  if (stop.requested()) return Searched::stopped;
  if (found == Searched::infeasible) witness = paths.witness();
  return found;
}

template Searched solve_lists(Matching<std::int32_t>&, Lists<std::int32_t>&, Rereader<std::int32_t>&,
                              const Source<std::int32_t>&, Stats&, Stop&, std::vector<std::int32_t>&);
template Searched solve_lists(Matching<std::int64_t>&, Lists<std::int64_t>&, Rereader<std::int64_t>&,
                              const Source<std::int64_t>&, Stats&, Stop&, std::vector<std::int32_t>&);

}  // namespace gridcompute::assignment
