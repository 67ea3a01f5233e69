#include "gridcompute/transport/small/small_problem.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "gridcompute/transport/multilevel/stratified_sampling.hpp"
#include "gridcompute/transport/small/in_memory_ssp.hpp"
#include "gridcompute/transport/small/key_matrix.hpp"
#include "gridcompute/transport/small/near_assignment.hpp"

namespace gridcompute::transport {

namespace {

Index padded(Slot columns) { return (columns + kPad - 1) / kPad * kPad; }

enum class Outcome { solved, unreadable, too_narrow, given_up };  // unreadable, too_narrow: for the range of T

// Largest problem that bids from price 0 are tried on first (jobs).
constexpr Index kMemoryUnsampledJobs = 150;
// Excess up to which bids from price 0 suffice (1 / share of units).
constexpr Index kMemoryExcessShare = 3;
// Jobs misplaced at the caller's prices, at most (1 / share of jobs).
constexpr Index kMemoryMisplacedShare = 8;
// Largest problem of CSR rows that is tried from price 0 first (jobs).
constexpr Index kListedFromZeroJobs = 1 << 13;
// Reads a row of bids from price 0 on CSR rows.
constexpr Index kListedFromZeroReads = 5;

template <class T, class Rows>
class SmallProblem {
 public:
  // shift: keys and prices here are the caller's >> shift.
  SmallProblem(AggregatedMatrix<T> merged, const Rows& rows, int shift, const Level& level,
               std::span<const std::int32_t> weights, Stop& stop, Stats& stats, const Tuning& tuning)
      : n_(level.n),
        columns_(static_cast<Slot>(level.capacity.size())),
        class_capacity_(level.capacity),
        shift_(shift),
        stop_(stop),
        stats_(stats),
        tuning_(tuning),
        weights_(weights),
        merged_(std::move(merged)),
        matrix_(rows),
        capacity_(at(merged_.columns), 0) {
    for (Slot s = 0; s < columns_; ++s) capacity_[merged_.column_of[s]] += class_capacity_[s];
  }

  Outcome run(std::span<const Cost> given, std::uint64_t seed, SmallProblemResult& out) {
    AlignedVector<T> prices = padded_prices();
    const std::vector<WeightedRow> all = weighted_rows({});
    if (!given.empty()) {
      ClassGraphSsp<T, Rows> warm(matrix_, all, capacity_, merged_prices(given), stop_, stats_, tuning_);
      if (const auto misplaced = warm.assign_all(); misplaced && prices_suffice(*misplaced)) {
        ++stats_.warm_levels;
        return finish(warm, out);
      }
    }
    if (std::is_same_v<Rows, CsrKeyRows<T>> && n_ <= kListedFromZeroJobs) {
      ClassGraphSsp<T, Rows> cold(matrix_, all, capacity_, prices, stop_, stats_, tuning_);
      if (cold.assign_all() && cold.try_bids(kListedFromZeroReads)) return finish(cold, out);
    }
    if (too_few_to_sample(n_)) {
      ClassGraphSsp<T, Rows> cold(matrix_, all, capacity_, prices, stop_, stats_, tuning_);
      if (!cold.assign_all()) return Outcome::given_up;
      if (cold.bids_leave_few(kMemoryExcessShare)) return finish(cold, out);
    }
    ClassGraphSsp<T, Rows> ssp(matrix_, all, capacity_, prices_of_sample(merged_.rows, seed), stop_, stats_, tuning_);
    return ssp.assign_all() ? finish(ssp, out) : Outcome::given_up;
  }

  // Replaces prices by optimal ones.
  Outcome improve(std::vector<Cost>& prices) {
    if (*std::max_element(prices.begin(), prices.end()) >> shift_ > KeyRange<T>::kPrice) return Outcome::too_narrow;
    const std::vector<WeightedRow> all = weighted_rows({});
    ClassGraphSsp<T, Rows> ssp(matrix_, all, capacity_, merged_prices(prices), stop_, stats_, tuning_);
    if (!ssp.assign_all() || !ssp.run()) return ssp.too_narrow() ? Outcome::too_narrow : Outcome::given_up;
    const AlignedVector<T> best = ssp.prices();
    for (Slot s = 0; s < columns_; ++s) prices[s] = Cost{best[merged_.column_of[s]]} << shift_;
    return Outcome::solved;
  }

 private:
  Outcome finish(ClassGraphSsp<T, Rows>& placed, SmallProblemResult& out) const {
    if (!placed.run()) return placed.too_narrow() ? Outcome::too_narrow : Outcome::given_up;
    write_result(placed, out);
    return Outcome::solved;
  }

  // Returns whether the start prices leave no more units misplaced than those of a sample would.
  [[nodiscard]] bool prices_suffice(Cost misplaced) const {
    double chance = 0;
    for (const Cost u : capacity_) chance += std::sqrt(static_cast<double>(u));
    return kMemoryMisplacedShare * misplaced <= n_ && static_cast<double>(misplaced) <= chance;
  }

  // Returns a price per aggregated column: the least of its columns.
  [[nodiscard]] AlignedVector<T> merged_prices(std::span<const Cost> prices) const {
    AlignedVector<T> out = padded_prices();
    std::fill(out.begin(), out.begin() + merged_.columns, KeyRange<T>::kPrice);
    for (Slot s = 0; s < columns_; ++s) {
      T& p = out[merged_.column_of[s]];
      p = static_cast<T>(std::min<Cost>(p, prices[s] >> shift_));
    }
    return out;
  }

  [[nodiscard]] AlignedVector<T> padded_prices() const {
    AlignedVector<T> prices(at(merged_.stride), KeyRange<T>::kSettled - KeyRange<T>::kForbid);
    std::fill(prices.begin(), prices.begin() + merged_.columns, T{0});
    return prices;
  }

  // Returns optimal prices of a sample for m jobs, found recursively; 0 where m jobs are no more than a sample.
  AlignedVector<T> prices_of_sample(Index m, std::uint64_t seed) {
    if (m < tuning_.memory_sample_jobs_per_class * merged_.columns) return padded_prices();
    m = std::max<Index>(m / tuning_.memory_sample_ratio, merged_.columns);
    const std::vector<WeightedRow> some = weighted_rows(stratified_sample(n_, m, seed));
    const std::vector<Cost> part = scale_capacities(capacity_, m, n_);
    if (too_few_to_sample(m)) {
      ClassGraphSsp<T, Rows> cold(matrix_, some, part, padded_prices(), stop_, stats_, tuning_);
      if (cold.assign_all() && cold.bids_leave_few(kMemoryExcessShare))
        return cold.run() ? cold.prices() : padded_prices();
    }
    AlignedVector<T> prices = prices_of_sample(m, seed);
    ClassGraphSsp<T, Rows> sample(matrix_, some, part, prices, stop_, stats_, tuning_);
    return sample.assign_all() && sample.run() ? sample.prices() : prices;
  }

  [[nodiscard]] bool too_few_to_sample(Index m) const { return m <= kMemoryUnsampledJobs && merged_.row_of.empty(); }

  [[nodiscard]] std::int32_t weight(Index job) const { return weights_.empty() ? 1 : weights_[job]; }

  // Counts the units of each row: of the jobs in `pick`, or of all if it is empty.
  [[nodiscard]] std::vector<WeightedRow> weighted_rows(const std::vector<Index>& pick) const {
    std::vector<WeightedRow> out;
    const Index m = pick.empty() ? n_ : static_cast<Index>(pick.size());
    const auto job = [&](Index k) { return pick.empty() ? k : pick[k]; };
    if (merged_.row_of.empty()) {
      out.reserve(at(m));
      for (Index k = 0; k < m; ++k) out.push_back({static_cast<std::int32_t>(job(k)), weight(job(k))});
      return out;
    }
    std::vector<std::int32_t> units(at(merged_.rows), 0);
    for (Index k = 0; k < m; ++k) units[merged_.row_of[job(k)]] += weight(job(k));
    for (Index r = 0; r < merged_.rows; ++r) {
      if (units[r] > 0) out.push_back({static_cast<std::int32_t>(r), units[r]});
    }
    return out;
  }

  // Holds the sum of one key and one price per job.
  using KeySum = std::conditional_t<std::is_same_v<T, std::int32_t>, Cost, Wide>;

  // Writes the result; jobs of a row and classes of a column are paired in index order.
  void write_result(const ClassGraphSsp<T, Rows>& ssp, SmallProblemResult& out) const {
    out.solved = true;
    const AlignedVector<T> prices = ssp.prices();
    out.prices.resize(class_capacity_.size());
    for (Slot s = 0; s < columns_; ++s) out.prices[s] = Cost{prices[merged_.column_of[s]]} << shift_;
    std::vector<std::vector<std::int32_t>> jobs;
    if (!merged_.row_of.empty()) {
      jobs.resize(at(merged_.rows));
      for (Index k = n_ - 1; k >= 0; --k) jobs[merged_.row_of[k]].push_back(static_cast<std::int32_t>(k));
    }
    out.assignment.resize(at(n_));
    out.load.assign(class_capacity_.size(), 0);
    std::vector<Slot> first(capacity_.size(), kNone), next(class_capacity_.size(), kNone);
    for (Slot s = columns_ - 1; s >= 0; --s) {
      next[s] = first[merged_.column_of[s]];
      first[merged_.column_of[s]] = s;
    }
    for (Slot c = 0; c < merged_.columns; ++c) {
      Slot s = first[c];
      KeySum own = 0, units = 0;
      for (const JobUnits<T>& m : ssp.members()[c]) {
        own += static_cast<KeySum>(m.units) * m.own;
        units += m.units;
        for (std::int32_t u = 0; u < m.units; ++u) {
          while (out.load[s] == class_capacity_[s]) s = next[s];
          std::int32_t job = m.row;
          if (!jobs.empty()) {
            job = jobs[m.row].back();
            jobs[m.row].pop_back();
          }
          out.assignment[job] = s;
          ++out.load[s];
        }
      }
      out.objective += own;
      out.value += own + units * prices[c];
    }
    out.objective *= Wide{1} << shift_;
    out.value *= Wide{1} << shift_;
  }

  Index n_;
  Slot columns_;
  const std::vector<Cost>& class_capacity_;
  int shift_;
  Stop& stop_;
  Stats& stats_;
  const Tuning& tuning_;
  std::span<const std::int32_t> weights_;  // (jobs); empty: 1 each
  AggregatedMatrix<T> merged_;
  Rows matrix_;
  std::vector<Cost> capacity_;
};

// Keys of the largest sample solved in memory where 32 bits do not suffice.
constexpr Index kMemorySampleKeysWide = 1 << 21;

// Reads the keys of the level, aggregates them where that pays, and runs `work`: in 32 bits if these suffice.
template <class Work>
Outcome with_keys_in_memory(const IntegerKeys& keys, const Level& level, bool merging, Stop& stop, CostRangeStats& seen,
                            Stats& stats, const Tuning& tuning, const Work& work) {
  std::vector<std::int32_t> weights;
  for (Index k = 0; keys.problem().demand != nullptr && k < level.n; ++k)
    weights.push_back(keys.problem().demand[level.row(k)]);
  const auto with = [&](auto type) {
    using T = decltype(type);
    const Slot columns = keys.columns();
    const Index stride = padded(columns);
    if (CsrKeys<T> pairs; merging && csr_keys_pay(keys, stride)) {
      if (!pairs.read(keys, stop, seen)) return stop.requested() ? Outcome::given_up : Outcome::unreadable;
      if (!pairs.mostly_copies(tuning)) {
        SmallProblem<T, CsrKeyRows<T>> small(not_aggregated(DefaultInitVector<T>{}, level.n, columns, stride),
                                             pairs.rows(stride), pairs.shift(), level, weights, stop, stats, tuning);
        return work(small);
      }
    }
    KeyMatrix<T> keys_read;
    if (!read_key_matrix(keys, level, stride, keys_read, stop, seen))
      return stop.requested() ? Outcome::given_up : Outcome::unreadable;
    AggregatedMatrix<T> merged =
        merging ? aggregate(std::move(keys_read.keys), level.n, columns, stride, kPad, KeyRange<T>::kForbid, tuning)
                : not_aggregated(std::move(keys_read.keys), level.n, columns, stride);
    const DenseKeyRows<T> matrix{merged.keys.data(), merged.stride};
    SmallProblem<T, DenseKeyRows<T>> small(std::move(merged), matrix, keys_read.shift, level, weights, stop, stats,
                                           tuning);
    return work(small);
  };
  stats.evaluations += level.n * keys.columns();
  const Outcome outcome = with(std::int32_t{});
  if ((outcome != Outcome::unreadable && outcome != Outcome::too_narrow) || !keys.possible(seen) ||
      keys.reach(seen) > static_cast<double>(KeyRange<Cost>::kKey))
    return outcome;
  if (outcome == Outcome::too_narrow) ++stats.int64_fallbacks;
  if (!merging && level.n > kMemorySampleKeysWide / keys.columns()) return Outcome::given_up;
  return with(Cost{});
}

}  // namespace

bool key_matrix_fits(Index n_jobs, Slot columns, const Tuning& tuning) noexcept {
  return n_jobs > 0 && columns > 0 && n_jobs <= std::min(tuning.memory_jobs, tuning.memory_keys / columns);
}

bool small_problem_fits(Index n_jobs, Slot columns, const Tuning& tuning) noexcept {
  return key_matrix_fits(n_jobs, columns, tuning) || near_assignment_fits(n_jobs, columns, tuning);
}

SmallProblemResult solve_small_problem(const IntegerKeys& keys, const Level& level, std::span<const Cost> given,
                                       std::uint64_t seed, Pool& pool, Stop& stop, CostRangeStats& seen, Stats& stats,
                                       const Tuning& tuning) {
  SmallProblemResult out;
  const auto given_up = [&] {
    if (!out.solved && !stop.requested()) ++stats.small_solver_aborts;
  };
  if (near_assignment_fits(level.n, keys.columns(), tuning)) {
    out = solve_near_assignment(keys, level, given, pool, stop, seen, stats, tuning);
    given_up();
  }
  if (out.solved || out.stopped || !key_matrix_fits(level.n, keys.columns(), tuning)) return out;
  (void)with_keys_in_memory(keys, level, true, stop, seen, stats, tuning,
                            [&](auto& small) { return small.run(given, seed, out); });
  given_up();
  return out;
}

// Keys of the largest sample that is solved in memory.
constexpr Index kMemorySampleKeys = 1 << 23;
// Jobs of the largest sample solved in memory; the general method's threads pay beyond.
constexpr Index kMemorySampleJobs = 12'000;

bool sample_fits(Index n_jobs, Slot columns) noexcept {
  return n_jobs > 0 && columns > 0 && n_jobs <= std::min(kMemorySampleJobs, kMemorySampleKeys / columns);
}

bool improve_prices(const IntegerKeys& keys, const Level& level, std::vector<Cost>& prices, Stop& stop,
                    CostRangeStats& seen, Stats& stats, const Tuning& tuning) {
  return with_keys_in_memory(keys, level, false, stop, seen, stats, tuning,
                             [&](auto& small) { return small.improve(prices); }) == Outcome::solved;
}

}  // namespace gridcompute::transport
