#include "gridcompute/assignment/strategy.hpp"

#include <algorithm>
#include <array>
#include <type_traits>

#include "gridcompute/assignment/batch.hpp"
#include "gridcompute/assignment/engines/auction.hpp"
#include "gridcompute/assignment/engines/hopcroft_karp.hpp"
#include "gridcompute/assignment/engines/jv_in_place.hpp"
#include "gridcompute/assignment/engines/ssp_lists.hpp"
#include "gridcompute/assignment/input/outlying_costs.hpp"
#include "gridcompute/assignment/solve_dense.hpp"

namespace gridcompute::assignment {

namespace {

constexpr Index kUnlimited = std::numeric_limits<Index>::max();

// Checks whether doubles spread over the matrix include fractions.
bool sample_has_fractions(const DenseMatrix<double>& cost, const AssignmentTuning& tuning) {
  std::array<double, 64> sample;  // as many as fraction_costs allows
  const Index count = tuning.fraction_costs;
  for (Index k = 0; k < count; ++k) sample[at(k)] = cost.data[sampled(k, count, cost.rows * cost.cols)];
  return starts_with_fractions(sample.data(), count, tuning);
}

// Rows that may stay free after the bids where integers take longer (1 / share of rows).
constexpr Index kInPlaceFreeSmall = 2;
// Rows that may stay free after the bids where integers do as well (1 / share of rows).
constexpr Index kInPlaceFreeLarge = 20;

// Table A, lines 3 to 5: tries the engines that a sample of rows suggests. `partner`: of the lines of the shorter side.
template <class T>
bool solve_by_precheck(const DenseMatrix<T>& cost, bool maximize, Stop& stop, std::int32_t* partner,
                       AssignmentStatus& status, const AssignmentTuning& tuning) {
  constexpr bool kReal = std::is_floating_point_v<T>;
  const Index size = cost.rows * cost.cols;
  const bool big_m = looks_big_m(cost, maximize, tuning);
  Precheck found;
  bool in_place = false;
  if (!maximize && cost.rows <= cost.cols && cost.cols > kRowLanes &&
      (std::is_same_v<T, double> || std::is_same_v<T, std::int64_t>)) {
    found = precheck(cost, big_m, tuning);
    in_place =
        found.mutual || (found.tied && !found.blocks) || found.scales || found.deep || size <= tuning.in_place_entries;
    if (kReal ? !found.fractions : !found.mutual && (!found.tied || found.blocks)) in_place = false;
  }
  if (big_m) {
    if (in_place && found.mutual &&
        jv_in_place(cost, found, cost.rows / tuning.in_place_free_mutual, stop, partner, tuning))
      return true;
    if (solve_big_m(cost, maximize, stop, partner, status, tuning)) return true;
    in_place = in_place && !found.mutual;
  }
  const bool integers_slow = size <= tuning.in_place_entries || found.deep || found.mutual;
  const Index share = integers_slow ? kInPlaceFreeSmall : kInPlaceFreeLarge;
  return in_place && jv_in_place(cost, found, cost.rows / share, stop, partner, tuning);
}

// Sweeps of row reduction over the free rows.
constexpr int kReductionSweeps = 2;
// Where epsilon stops falling, if that is more than one unit (share of the spread).
constexpr double kLastEpsilon = 0x1p-30;
// Budget of searches over lists from the first prices (1 / share of list_passes).
constexpr Index kRestartShare = 4;
// Entries from which, in 32-bit matrices, the auction on whole rows is not as quick as searches.
constexpr Index kRestartEntries = 1 << 20;

template <class V>
class ListStrategy {
 public:
  ListStrategy(Matching<V>& state, CandidateLists<V>& lists, ListRefresher<V>& refresh, const RowSource<V>& source,
               AssignmentStats& stats, Stop& stop, std::vector<std::int32_t>& witness, const AssignmentTuning& tuning)
      : state_(state),
        lists_(lists),
        refresh_(refresh),
        source_(source),
        stats_(stats),
        stop_(stop),
        witness_(witness),
        t_(tuning),
        dense_(static_cast<bool>(source.copy_rows)),
        last_epsilon_(std::max(1.0, static_cast<double>(source.spread) * kLastEpsilon)) {}

  SearchStatus run() {
    stop_.stage("greedy", 0.3);
    first_prices_ = state_.v;
    if (free_share() <= t_.free_warm) return finish();
    greedy();
    if (source_.priced && free_share() <= t_.free_warm) return finish();
    if (!dense_ && source_.spread < t_.tie_spread) {
      const SearchStatus found = hopcroft_karp(state_, lists_, stats_, stop_, witness_, t_);
      return found == SearchStatus::budget ? search_lists(kUnlimited) : found;
    }
    if (!source_.square || free_share() <= t_.free_greedy || source_.list_reach(state_.v) < t_.tie_spread)
      return finish();
    stop_.stage("auction", 0.4);
    return dense_ ? dense_auction() : sparse_auction();
  }

 private:
  // Matches each row in order to a free column of its list at its least reduced cost, if there is one.
  void greedy() {
    state_.clear();
    for (std::int32_t i = 0; i < state_.n; ++i) {
      const auto list = lists_[i];
      V u = IntRange<V>::kForbiddenReduced;
      for (Index k = 0; k < list.size; ++k) u = std::min(u, static_cast<V>(list.cost[k] - state_.v[at(list.col[k])]));
      if (u > lists_.bound(i) || u >= IntRange<V>::kForbiddenReduced) continue;
      for (Index k = 0; k < list.size; ++k) {
        const std::int32_t j = list.col[k];
        if (list.cost[k] - state_.v[at(j)] != u) continue;
        if (j == state_.m || state_.mate_of[at(j)] != kUnmatched) continue;
        state_.match(i, j, list.cost[k]);
        break;
      }
    }
  }

  double free_share() const { return static_cast<double>(state_.free_rows().size()) / static_cast<double>(state_.n); }
  Index of_rows(double share) const { return static_cast<Index>(share * static_cast<double>(state_.n)); }
  void reduce(Index bids) {
    augmenting_row_reduction(state_, lists_, refresh_, bids * state_.n, kReductionSweeps, stats_, stop_);
  }

  // Starts over: fresh lists at prices v, and the rows' greedy choice at them.
  void restart(const std::vector<V>& v) {
    state_.v = v;
    if (source_.rebuild_lists) source_.rebuild_lists(v);
    greedy();
  }

  // Augments over whole rows, from the present prices and pairs. `limit`: matrix entries read.
  SearchStatus search_rows(Index limit) {
    return ssp_rows(state_, source_.copy_rows(), limit, stats_, stop_, witness_, t_);
  }
  SearchStatus search_lists(Index limit) {
    ListSsp<V> ssp(state_, lists_, refresh_);
    const SearchStatus found = ssp.run(limit, stats_, stop_);
    if (found == SearchStatus::infeasible) witness_ = ssp.witness();
    return found;
  }
  // Row reduction, then searches over lists: they end at once or, where lists do not help, soon enough for searches
  // over whole rows to continue from there.
  SearchStatus finish() {
    stop_.stage("searches", 0.8);
    reduce(t_.reduction_bids);
    if (stop_.requested()) return SearchStatus::stopped;
    SearchStatus found = search_lists(dense_ ? source_.list_budget : kUnlimited);
    if (found == SearchStatus::budget) found = search_rows(kUnlimited);
    return found == SearchStatus::budget ? search_lists(kUnlimited) : found;
  }

  // Runs phases over lists, epsilon falling to the last. False if bids or rereads exceed their budget.
  bool list_phases(double epsilon, Index bids, Index rereads) {
    for (;; epsilon /= source_.epsilon_fall) {
      ++stats_.phases;
      epsilon = std::max(last_epsilon_, epsilon);
      AuctionPhase<V> phase;
      phase.epsilon = static_cast<V>(epsilon);
      phase.bids = bids * state_.n;
      phase.rereads = rereads;
      phase.leave_free = epsilon <= last_epsilon_ ? 0 : source_.leave_free;
      const bool ended = dense_ ? auction_phase(state_, lists_, refresh_, phase, stats_, stop_, t_)
                                : sparse_auction_phase(state_.v, lists_, phase, stats_, stop_, t_);
      if (!ended) return false;
      if (epsilon <= last_epsilon_) return true;
    }
  }

  // Runs phases over whole rows, from a large epsilon on, until fresh lists reach far beyond epsilon; returns that
  // epsilon, or 0 if `most` phases do not get there.
  double row_phases(int most) {
    source_.copy_rows();
    double epsilon = std::max(last_epsilon_, static_cast<double>(source_.spread) / t_.row_epsilon);
    bool reached = false;
    for (int k = 0; k < most; ++k, epsilon = std::max(last_epsilon_, epsilon / t_.row_epsilon_fall)) {
      reached = epsilon <= last_epsilon_ || source_.list_reach(state_.v) >= t_.list_reach * epsilon;
      if (reached) break;
      ++stats_.phases;
      AuctionPhase<V> phase;
      phase.epsilon = static_cast<V>(epsilon);
      phase.whole_rows = true;
      phase.bids = t_.auction_bids * state_.n;
      if (!auction_phase(state_, lists_, refresh_, phase, stats_, stop_, t_)) break;
    }
    source_.rebuild_lists(state_.v);
    return reached || source_.list_reach(state_.v) >= t_.list_reach * epsilon ? epsilon : 0;
  }

  // Searches from the first prices: over lists where those suffice, else over whole rows.
  SearchStatus search_from_first_prices() {
    restart(first_prices_);
    reduce(t_.reduction_bids);
    if (stop_.requested()) return SearchStatus::stopped;
    const SearchStatus found = search_lists(source_.list_budget / kRestartShare);
    if (found != SearchStatus::budget) return found;
    const Index size = state_.n * state_.m;
    const bool auction_slow = sizeof(V) == 8 || size <= kRestartEntries;
    return search_rows((auction_slow ? t_.restart_passes : t_.restart_passes_large) * size);
  }

  // Without a perfect matching prices fall as long as bids are made: such prices are useless.
  bool prices_diverged() const {
    return *std::min_element(state_.v.begin(), state_.v.end()) < -IntRange<V>::kLimit / 2;
  }

  SearchStatus sparse_auction() {
    const std::vector<V> start = state_.v;
    list_phases(static_cast<double>(source_.spread) / source_.epsilon_divisor, t_.auction_bids, kUnlimited);
    if (stop_.requested()) return SearchStatus::stopped;
    if (prices_diverged()) state_.v = start;
    greedy();
    return finish();
  }

  SearchStatus dense_auction() {
    const std::vector<V> start = state_.v;
    const double free = free_share();
    if (!source_.long_auction && free > t_.free_hard) return SearchStatus::budget;
    bool ended =
        list_phases(source_.list_reach(start) / source_.epsilon_divisor, t_.trial_bids, of_rows(t_.trial_rereads));
    if (stop_.requested()) return SearchStatus::stopped;
    if (!ended && !source_.long_auction) return SearchStatus::budget;
    if (!ended && free <= t_.free_hard) {
      const SearchStatus found = search_from_first_prices();
      if (found != SearchStatus::budget) return found;
    }
    if (!ended) {
      const bool hard = free > t_.free_hard;
      const double epsilon = row_phases(hard ? std::numeric_limits<int>::max() : t_.row_phases);
      if (stop_.requested()) return SearchStatus::stopped;
      ended = epsilon > 0 && list_phases(epsilon, t_.auction_bids, hard ? kUnlimited : of_rows(t_.auction_rereads));
      if (stop_.requested()) return SearchStatus::stopped;
      if (prices_diverged()) {
        restart(start);
        return finish();
      }
    }
    greedy();
    if (ended) return finish();
    reduce(t_.reduction_bids);
    if (stop_.requested()) return SearchStatus::stopped;
    const SearchStatus found = search_rows(kUnlimited);
    return found == SearchStatus::budget ? finish() : found;  // at the end of their range lists go on
  }

  Matching<V>& state_;
  CandidateLists<V>& lists_;
  ListRefresher<V>& refresh_;
  const RowSource<V>& source_;
  AssignmentStats& stats_;
  Stop& stop_;
  std::vector<std::int32_t>& witness_;
  const AssignmentTuning& t_;
  std::vector<V> first_prices_;  // before any bid
  const bool dense_;
  const double last_epsilon_;
};

}  // namespace

template <class T>
bool solve_inline(const DenseMatrix<T>& cost, bool maximize, std::int64_t* row_ind, std::int64_t* col_ind,
                  AssignmentStatus& status, const AssignmentTuning& tuning) {
  return cost.rows * cost.cols <= tuning.inline_entries &&
         solve_small(cost, maximize, row_ind, col_ind, status, tuning);
}

template <class T>
AssignmentStatus solve_pairs(const DenseMatrix<T>& cost, bool maximize, int threads, Stop& stop, std::int64_t* row_ind,
                             std::int64_t* col_ind, const AssignmentTuning& tuning) {
  AssignmentStatus status = AssignmentStatus::optimal;
  if (cost.rows == 0 || cost.cols == 0) return status;
  std::vector<std::int32_t> partner(at(std::min(cost.rows, cost.cols)));
  const Index size = cost.rows * cost.cols;
  if constexpr (std::is_same_v<T, double>)
    if (!maximize && size > tuning.inline_entries && size <= tuning.small_entries && cost.rows <= cost.cols &&
        sample_has_fractions(cost, tuning) &&
        jv_in_place(cost, {}, cost.rows / kInPlaceFreeSmall, stop, partner.data(), tuning)) {
      write_pairs(partner.data(), cost.rows, cost.cols, row_ind, col_ind);
      return status;
    }
  if (solve_small(cost, maximize, row_ind, col_ind, status, tuning)) return status;
  if (solve_by_precheck(cost, maximize, stop, partner.data(), status, tuning)) {
    if (status == AssignmentStatus::optimal) write_pairs(partner.data(), cost.rows, cost.cols, row_ind, col_ind);
    return status;
  }
  const AssignmentResult result = solve(cost, maximize, threads, stop, false, tuning);
  if (result.status != AssignmentStatus::optimal) return result.status;
  const Index pairs = std::min(cost.rows, cost.cols);
  Index k = 0;
  for (Index i = 0; i < cost.rows; ++i)
    if (result.col_of[at(i)] >= 0 && k < pairs) row_ind[k] = i, col_ind[k++] = result.col_of[at(i)];
  if (k != pairs) throw_incomplete();
  return AssignmentStatus::optimal;
}

// Budget of searches over whole rows that come first (passes over the matrix).
constexpr Index kRowsFirstPasses = 60;
// Their budget where offsets draw rows to the same few columns (passes over the matrix).
constexpr Index kRowsFirstPassesContested = 2;

DenseStart choose_dense_start(const InputStats& stats, Index rows, Index cols, bool warm,
                              const AssignmentTuning& tuning) {
  const Index size = rows * cols;
  const bool contested = stats.columns_contested, tied = stats.tied && !contested,
             uneven = !contested && (stats.column_means_vary || stats.scales_differ);
  DenseStart start;
  start.reduce_columns = contested;
  start.rows_first = warm || tied || size <= (uneven ? tuning.rows_first_entries_uneven : tuning.rows_first_entries);
  start.start = warm ? SspStart::warm : contested ? SspStart::cold_if_easy : SspStart::cold;
  start.budget = tied ? kUnlimited : contested ? kRowsFirstPassesContested * size : kRowsFirstPasses * size;
  return start;
}

template <class V>
SearchStatus solve_lists(Matching<V>& state, CandidateLists<V>& lists, ListRefresher<V>& refresh,
                         const RowSource<V>& source, AssignmentStats& stats, Stop& stop,
                         std::vector<std::int32_t>& witness, const AssignmentTuning& tuning) {
  return ListStrategy<V>(state, lists, refresh, source, stats, stop, witness, tuning).run();
}

#define GRIDCOMPUTE_STRATEGY(T)                                                                                \
  template bool solve_inline(const DenseMatrix<T>&, bool, std::int64_t*, std::int64_t*, AssignmentStatus&,     \
                             const AssignmentTuning&);                                                         \
  template AssignmentStatus solve_pairs(const DenseMatrix<T>&, bool, int, Stop&, std::int64_t*, std::int64_t*, \
                                        const AssignmentTuning&);
GRIDCOMPUTE_STRATEGY(std::int16_t)
GRIDCOMPUTE_STRATEGY(std::int32_t)
GRIDCOMPUTE_STRATEGY(std::int64_t)
GRIDCOMPUTE_STRATEGY(float)
GRIDCOMPUTE_STRATEGY(double)

#define GRIDCOMPUTE_LIST_STRATEGY(V)                                                                          \
  template SearchStatus solve_lists(Matching<V>&, CandidateLists<V>&, ListRefresher<V>&, const RowSource<V>&, \
                                    AssignmentStats&, Stop&, std::vector<std::int32_t>&, const AssignmentTuning&);
GRIDCOMPUTE_LIST_STRATEGY(std::int32_t)
GRIDCOMPUTE_LIST_STRATEGY(std::int64_t)

}  // namespace gridcompute::assignment
