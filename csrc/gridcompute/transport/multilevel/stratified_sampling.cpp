#include "gridcompute/transport/multilevel/stratified_sampling.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>
#include <span>

#include "gridcompute/base/hash.hpp"
#include "gridcompute/transport/model/objective.hpp"

namespace gridcompute::transport {

namespace {
constexpr Index kPollEvery = 64;  // rows

// Returns the mean number of candidates of a group in a box with `part` of these radii. Estimated from some of the
// groups, in less work than between two polls of a stop.
double mean_candidates(const RestrictedProblem& level, const PriceBox& box, double part, const Tuning& tuning) {
  std::vector<Cost> low = box.center, high = box.center;
  for (std::size_t s = 0; s < low.size(); ++s) {
    low[s] -= static_cast<Cost>(part * static_cast<double>(box.down[s]));
    high[s] += static_cast<Cost>(part * static_cast<double>(box.up[s]));
  }
  const Index step = std::max<Index>(1, level.groups() / tuning.sample_extra_groups);
  Index groups = 0, count = 0;
  for (Index g = 0; g < level.groups(); g += step, ++groups) {
    const Index from = level.begin[g], to = from + level.size[g];
    Cost least = kForbidden;
    for (Index c = from; c < to; ++c) least = std::min(least, level.key[c] + high[level.slot[c]]);
    for (Index c = from; c < to; ++c) count += level.key[c] + low[level.slot[c]] <= least ? 1 : 0;
  }
  return static_cast<double>(count) / static_cast<double>(groups);
}

}  // namespace

// Smallest sample's keys in memory at once (keys).
constexpr Index kSampleKeys = 1 << 26;
// Samples by which growth may exceed sample_growth before there is one more.
constexpr double kSampleStepsSlack = 0.01;
// Jobs of the largest sample, some 50 bytes each where jobs are in shards.
constexpr double kSampleMost = 1 << 26;
// Ratio of all jobs to the smallest sample from which there are samples.
constexpr Index kSampleLeastRatio = 2;

std::vector<Index> sample_sizes(Index n_jobs, Index n_slots, const Tuning& tuning) {
  const Index first = std::max<Index>(
      tuning.sample_jobs, std::min(tuning.sample_jobs_per_class * n_slots, kSampleKeys / std::max<Index>(1, n_slots)));
  if (n_jobs < kSampleLeastRatio * first) return {};
  const double last =
      std::max(static_cast<double>(first), std::min(static_cast<double>(n_jobs) / tuning.sample_last, kSampleMost));
  const double steps = std::max(
      0.0, std::ceil(std::log(last / static_cast<double>(first)) / std::log(tuning.sample_growth) - kSampleStepsSlack));
  std::vector<Index> sizes{first};
  for (double k = 1; k <= steps; ++k) {
    sizes.push_back(
        static_cast<Index>(static_cast<double>(first) * std::pow(last / static_cast<double>(first), k / steps)));
  }
  return sizes;
}

Index extra_sample(const RestrictedProblem& level, const PriceBox& box, Index m, Index n_jobs, const Tuning& tuning) {
  const auto more = static_cast<Index>(static_cast<double>(m) * tuning.sample_extra);
  if (more <= m || more >= n_jobs || level.groups() == 0) return 0;  // a few jobs times 1.1 are as few
  const double now = mean_candidates(level, box, 1, tuning);
  const double then = mean_candidates(level, box, 1 / std::sqrt(tuning.sample_extra), tuning);
  const double cost = static_cast<double>(more) / static_cast<double>(n_jobs) *
                      (static_cast<double>(level.columns) + tuning.sample_candidate * now);
  return tuning.sample_candidate * (now - then) > tuning.sample_extra_gain * cost ? more : 0;
}

std::vector<Index> stratified_sample(Index n, Index m, std::uint64_t seed) {
  std::vector<Index> rows(at(m));
  for (Index k = 0; k < m; ++k) {
    const auto begin = static_cast<Index>(static_cast<Wide>(n) * k / m),
               end = static_cast<Index>(static_cast<Wide>(n) * (k + 1) / m);
    const std::uint64_t z = mixed_bits((seed + static_cast<std::uint64_t>(k) + 1) * kHashSeed);
    rows[at(k)] = begin + static_cast<Index>(z % static_cast<std::uint64_t>(end - begin));
  }
  return rows;
}

std::optional<auction::KeyTable> read_key_table(const IntegerKeys& keys, const Level& level, Stop& stop,
                                                CostRangeStats& seen) {
  const Slot columns = keys.columns();
  auction::KeyTable out{.columns = columns, .rows = 0, .keys = {}, .begin = {}, .slots = {}};
  if (level.n > 0 && keys.problem().cost->listed(0) >= 0) {
    out.begin.push_back(0);
  } else {
    out.keys.reserve(at(level.n * columns));
  }
  std::vector<Cost> row(at(columns));
  std::vector<double> scratch;
  for (Index k = 0; k < level.n; ++k) {
    if (k % kPollEvery == 0 && stop.poll(kPollEvery * columns)) return std::nullopt;
    const Index job = level.row(k);
    keys.fill(Rows{&job, 0, 1}, row.data(), scratch, seen);
    if (keys.optional()) row[columns - 1] = keys.unplaced(job, seen);
    out.add(row);
  }
  return out;
}

// Keys of the sample whose distances set the perturbation.
constexpr Index kTieProbeKeys = 1 << 14;
// Jobs of the sample whose distances set the perturbation, at most.
constexpr Index kTieProbeJobs = 256;

std::vector<Cost> probe_keys(const IntegerKeys& keys, const Level& level) {
  const Index most = std::clamp<Index>(kTieProbeKeys / keys.columns(), 1, kTieProbeJobs);
  const Index jobs = std::min(level.n, most);
  std::vector<Cost> row(at(keys.columns())), some;
  std::vector<double> scratch;
  CostRangeStats ignored;
  for (Index k = 0; k < jobs; ++k) {
    const Index job = level.row(level.n * k / jobs);
    keys.fill(Rows{&job, 0, 1}, row.data(), scratch, ignored);
    if (keys.optional()) row.back() = keys.unplaced(job, ignored);
    std::copy_if(row.begin(), row.end(), std::back_inserter(some), [](Cost key) { return key < kForbidden; });
  }
  return some;
}

std::vector<Cost> scale_capacities(std::span<const Cost> capacity, Wide part, Wide whole) {
  std::vector<Cost> out(capacity.size());
  Wide sum = 0;
  for (std::size_t s = 0; s < capacity.size(); ++s) {
    const Wide before = (sum * part + whole - 1) / whole;
    sum += capacity[s];
    out[s] = static_cast<Cost>((sum * part + whole - 1) / whole - before);
  }
  return out;
}

Level sample_level(const Problem& problem, std::span<const Index> rows, std::span<const Cost> capacity, Wide weight) {
  Level level;
  level.rows = rows.data();
  level.n = static_cast<Index>(rows.size());
  Wide part = 0;
  for (const Index row : rows) part += problem.weight(row);
  level.capacity = scale_capacities(capacity, part, weight);
  return level;
}

namespace {

void add_row(std::span<const Cost> row, std::span<std::uint64_t> hashes) {
  for (std::size_t s = 0; s < hashes.size(); ++s) hashes[s] = hashed(hashes[s], static_cast<std::uint64_t>(row[s]));
}

}  // namespace

std::vector<Slot> find_duplicate_columns(const auction::KeyTable& keys) {
  const auto n = at(keys.columns);
  if (keys.rows == 0) {
    std::vector<Slot> each(n);
    std::iota(each.begin(), each.end(), Slot{0});
    return each;
  }
  std::vector<std::uint64_t> hashes(n, kHashSeed);
  std::vector<Cost> scratch;
  for (Index k = 0; k < keys.rows; ++k) add_row(keys.row(k, scratch), hashes);
  return lowest_equal(hashes);
}

// Mean number of copies of a column from which most are copies.
constexpr Index kDuplicateCopies = 2;

bool mostly_copies(const IntegerKeys& keys, const Tuning& tuning) {
  const Index rows = std::min(keys.n_jobs(), tuning.duplicate_probe_rows), n = keys.n_slots();
  if (rows == 0 || n == 0) return false;
  std::vector<std::uint64_t> hashes(at(n), kHashSeed);
  std::vector<Cost> row(hashes.size());
  std::vector<double> scratch;
  CostRangeStats ignored;
  for (Index k = 0; k < rows; ++k) {
    keys.fill(Rows{nullptr, keys.n_jobs() * k / rows, 1}, row.data(), scratch, ignored);
    add_row(row, hashes);
  }
  return !more_differ(hashes, (n - 1) / kDuplicateCopies);
}

double predict_gap(const SolverContext& context, const Level& level, std::span<const Cost> prices, Index smaller,
                   Index n) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  const auto noise = [](Index a, Index b) { return 1 / static_cast<double>(a) + 1 / static_cast<double>(b); };
  const std::vector<Cost> narrow(prices.size(), 1);
  RestrictedProblem r;
  CostRangeStats ignored;
  if (!pricing_pass(context, level, {{prices.begin(), prices.end()}, narrow, narrow}, r, ignored) ||
      r.first_infeasible_job >= 0)
    return inf;
  r.place(prices, level.capacity, context.pool);
  const IntegralPlan whole = round_to_integral(context, level, r, prices, context.stop);
  if (whole.n_unassigned_required > 0 || context.stop.requested()) return inf;
  Wide objective = 0;
  for (Index k = 0; k < level.n; ++k) {
    const Index job = level.row(k);
    objective += static_cast<Wide>(context.keys.problem().weight(job)) * context.keys.at(job, whole.assignment[at(k)]);
  }
  const Wide bound = r.value(prices, context.pool) - capacity_value(prices, level.capacity);
  const double size = std::max(std::fabs(static_cast<double>(objective)), std::fabs(static_cast<double>(bound))),
               gap = static_cast<double>(objective - bound);
  return size > 0 ? gap / size * std::sqrt(noise(level.n, n) / noise(smaller, level.n)) : inf;
}

}  // namespace gridcompute::transport
