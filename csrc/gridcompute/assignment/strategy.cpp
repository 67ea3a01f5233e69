#include "gridcompute/assignment/strategy.hpp"

#include "gridcompute/assignment/engines/hopcroft_karp.hpp"
#include "gridcompute/assignment/engines/sparse_auction.hpp"
#include "gridcompute/assignment/engines/ssp_rows.hpp"

namespace gridcompute::assignment {

namespace {

constexpr Index kUnlimited = std::numeric_limits<Index>::max();

// Chosen on uniform, offset, geometric, product and narrow matrices of 500..5000 rows and several seeds; each may be
// halved or doubled at a loss of about a tenth.
constexpr Index kPatience = 64;         // bids a row in a phase that must succeed
constexpr Index kTrialBids = 40;        // bids a row in a phase of the trial with lists
constexpr double kTrialRereads = 0.75;  // rereads a row in such a phase
constexpr double kRereads = 0.25;       // and in one after whole rows
constexpr double kRowsFirst = 8;        // whole rows: first epsilon, as a part of the spread
constexpr double kRowsFall = 5;         // and by what epsilon falls
constexpr double kReach = 16;           // lists must reach so many epsilons beyond the row minimum
constexpr double kFinest = 0x1p-30;     // of the spread: where wide costs stop falling
constexpr double kFew = 0.05;           // of the rows free: no auction
constexpr double kNearly = 0.5;         // where the state holds a matching already: it is kept
constexpr double kHardly = 0.005;       // and after row reduction, whose last free rows are the hard ones
constexpr double kMany = 0.5;           // free after row reduction: whole rows searched would take far too long;
constexpr Index kListShare = 4;         // else searches over lists may take a fourth of what last ones may, and then
constexpr Index kTrialPasses = 45;      // whole rows are searched, for the time of so many passes over them,
constexpr Index kLongPasses = 8;        // or of so many, where the auction on whole rows is as quick:
constexpr Index kMidSize = 1 << 20;     // 32 bits and more entries
constexpr int kRowPhases = 4;           // else so many phases over whole rows are worth a try
constexpr Index kFirstReduction = 5;    // bids a row in row reduction: before the auction
constexpr Index kReduction = 16;        // and before searches

template <class V>
class Route {
 public:
  Route(Matching<V>& state, Lists<V>& lists, Rereader<V>& reread, const Source<V>& source, Stats& stats, Stop& stop,
        std::vector<std::int32_t>& witness)
      : state_(state),
        lists_(lists),
        reread_(reread),
        source_(source),
        stats_(stats),
        stop_(stop),
        witness_(witness),
        dense_(static_cast<bool>(source.copy)),
        last_(std::max(1.0, static_cast<double>(source.spread) * kFinest)) {}

  Searched run() {
    stop_.stage("greedy", 0.3);
    first_ = state_.v;
    if (free_share() <= kNearly) return finish();
    greedy();
    if (!dense_ && source_.spread < kTies) return done_tied(match_tied(state_, lists_, stats_, stop_, witness_));
    if (!source_.square || free_share() <= kFew) return finish();
    if (dense_ && source_.width(state_.v) < kTies) {
      reduce(kFirstReduction);
      return done(whole(), false);
    }
    if (dense_) {
      reduce(kFirstReduction);
      if (stop_.requested()) return Searched::stopped;
      if (free_share() <= kHardly) return finish();
    }
    stop_.stage("auction", 0.4);
    return dense_ ? dense_auction() : sparse_auction();
  }

 private:
  // Each row in order takes a free column of its list at its least reduced cost, if there is one.
  void greedy() {
    state_.clear();
    for (std::int32_t i = 0; i < state_.n; ++i) {
      const auto list = lists_[i];
      V u = Range<V>::kHopeless;
      for (Index k = 0; k < list.size; ++k)
        u = std::min(u, static_cast<V>(list.cost[k] - state_.v[static_cast<std::size_t>(list.col[k])]));
      if (u > lists_.bound(i) || u >= Range<V>::kHopeless) continue;
      for (Index k = 0; k < list.size; ++k) {
        const std::int32_t j = list.col[k];
        if (list.cost[k] - state_.v[static_cast<std::size_t>(j)] != u) continue;
        if (j == state_.m || state_.mate_of[static_cast<std::size_t>(j)] != kFree) continue;
        state_.match(i, j, list.cost[k]);
        break;
      }
    }
  }

  double free_share() const { return static_cast<double>(state_.free_rows().size()) / static_cast<double>(state_.n); }
  Index share(double part) const { return static_cast<Index>(part * static_cast<double>(state_.n)); }
  void reduce(Index bids) { reduce_rows(state_, lists_, reread_, bids * state_.n, stats_, stop_); }

  // Fresh lists at prices v, and the rows' greedy choice and bids at them.
  void restart(const std::vector<V>& v) {
    state_.v = v;
    if (source_.relist) source_.relist(v);
    greedy();
  }

  // Searches over whole rows, for so many passes' time.
  Searched whole(Index passes = kUnlimited) {
    const Index limit = passes == kUnlimited ? kUnlimited : passes * state_.n * state_.m;
    return search_whole(state_, source_.copy(), limit, stats_, stop_, witness_);
  }
  Searched over_lists(Index limit) {
    Paths<V> paths(state_, lists_, reread_);
    const Searched found = paths.run(limit, stats_, stop_);
    if (found == Searched::infeasible) witness_ = paths.witness();
    return found;
  }
  // Searches over lists end at once or, where lists do not help, soon enough for whole rows to go on from there.
  Searched finish(bool budget = true) {
    stop_.stage("searches", 0.8);
    reduce(kReduction);
    if (stop_.requested()) return Searched::stopped;
    Searched found = over_lists(dense_ && budget ? source_.pass : kUnlimited);
    if (found == Searched::budget) found = whole();
    return found == Searched::budget ? over_lists(kUnlimited) : found;
  }
  Searched done_tied(Searched found) { return found == Searched::budget ? over_lists(kUnlimited) : found; }
  // Whole rows stopped at a range: lists go on.
  Searched done(Searched found, bool budget = true) { return found == Searched::budget ? finish(budget) : found; }

  // Phases over lists, epsilon falling to the last. False if bids or rereads show that lists cannot bear it.
  bool list_phases(double epsilon, Index bids, Index rereads) {
    for (;; epsilon /= source_.fall) {
      ++stats_.phases;
      epsilon = std::max(last_, epsilon);
      Phase<V> phase;
      phase.epsilon = static_cast<V>(epsilon);
      phase.bids = bids * state_.n;
      phase.rereads = rereads;
      phase.leave = epsilon <= last_ ? 0 : source_.leave;
      const bool found = dense_ ? auction_phase(state_, lists_, reread_, phase, stats_, stop_)
                                : sparse_auction_phase(state_.v, lists_, phase, stats_, stop_);
      if (!found) return false;
      if (epsilon <= last_) return true;
    }
  }

  // Phases over whole rows, from large epsilons on, until fresh lists reach far beyond epsilon, which it returns; 0 if
  // so many phases do not get there.
  double row_phases(int most) {
    source_.copy();
    double epsilon = std::max(last_, static_cast<double>(source_.spread) / kRowsFirst);
    bool reached = false;
    for (int k = 0; k < most; ++k, epsilon = std::max(last_, epsilon / kRowsFall)) {
      reached = epsilon <= last_ || source_.width(state_.v) >= kReach * epsilon;
      if (reached) break;
      ++stats_.phases;
      Phase<V> phase;
      phase.epsilon = static_cast<V>(epsilon);
      phase.whole = true;
      phase.bids = kPatience * state_.n;
      if (!auction_phase(state_, lists_, reread_, phase, stats_, stop_)) break;
    }
    source_.relist(state_.v);
    return reached || source_.width(state_.v) >= kReach * epsilon ? epsilon : 0;
  }

  // Searches from the first prices: over lists where those are enough, else over whole rows, for the time of some
  // passes.
  Searched search_anew() {
    restart(first_);
    reduce(kReduction);
    if (stop_.requested()) return Searched::stopped;
    const Searched end = over_lists(source_.pass / kListShare);
    if (end != Searched::budget) return end;
    const bool light = sizeof(V) == 8 || state_.n * state_.m <= kMidSize;
    return whole(light ? kTrialPasses : kLongPasses);
  }

  // Without a perfect matching prices fall as long as bids are made: such prices are worth nothing.
  bool prices_ran_away() const { return *std::min_element(state_.v.begin(), state_.v.end()) < -Range<V>::kUnit / 2; }

  Searched sparse_auction() {
    const std::vector<V> start = state_.v;
    list_phases(static_cast<double>(source_.spread) / source_.first, kPatience, kUnlimited);
    if (stop_.requested()) return Searched::stopped;
    if (prices_ran_away()) state_.v = start;
    greedy();
    return finish();
  }

  Searched dense_auction() {
    const std::vector<V> start = state_.v;
    const double free = free_share();
    bool found = list_phases(source_.width(start) / source_.first, kTrialBids, share(kTrialRereads));
    if (stop_.requested()) return Searched::stopped;
    if (!found && free <= kMany) {
      const Searched end = search_anew();
      if (end != Searched::budget) return end;
    }
    if (!found) {
      const bool many = free > kMany;
      const double epsilon = row_phases(many ? std::numeric_limits<int>::max() : kRowPhases);
      if (stop_.requested()) return Searched::stopped;
      found = epsilon > 0 && list_phases(epsilon, kPatience, many ? kUnlimited : share(kRereads));
      if (stop_.requested()) return Searched::stopped;
      if (prices_ran_away()) {
        restart(start);
        return finish();
      }
    }
    greedy();
    if (found) return finish();
    reduce(kReduction);
    if (stop_.requested()) return Searched::stopped;
    return done(whole());
  }

  Matching<V>& state_;
  Lists<V>& lists_;
  Rereader<V>& reread_;
  const Source<V>& source_;
  Stats& stats_;
  Stop& stop_;
  std::vector<std::int32_t>& witness_;
  std::vector<V> first_;  // prices before any bid
  const bool dense_;
  const double last_;  // epsilon
};

}  // namespace

template <class V>
Searched solve_lists(Matching<V>& state, Lists<V>& lists, Rereader<V>& reread, const Source<V>& source, Stats& stats,
                     Stop& stop, std::vector<std::int32_t>& witness) {
  return Route<V>(state, lists, reread, source, stats, stop, witness).run();
}

template Searched solve_lists(Matching<std::int32_t>&, Lists<std::int32_t>&, Rereader<std::int32_t>&,
                              const Source<std::int32_t>&, Stats&, Stop&, std::vector<std::int32_t>&);
template Searched solve_lists(Matching<std::int64_t>&, Lists<std::int64_t>&, Rereader<std::int64_t>&,
                              const Source<std::int64_t>&, Stats&, Stop&, std::vector<std::int32_t>&);

}  // namespace gridcompute::assignment
