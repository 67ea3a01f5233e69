#include "gridcompute/transport/model/largest_cost.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <span>

#include "gridcompute/base/simd.hpp"
#include "gridcompute/transport/model/job_shards.hpp"
#include "gridcompute/transport/multilevel/stratified_sampling.hpp"

namespace gridcompute::transport {

namespace {

// Computes the maximum by bits: as integers doubles are ordered by size, NaN is above infinity, and the loop
// vectorises.
GRIDCOMPUTE_CLONES double largest_finite(const double* row, Index n, bool& invalid) {
  constexpr auto kSize = std::numeric_limits<std::int64_t>::max();
  constexpr auto kInfBits = std::bit_cast<std::int64_t>(std::numeric_limits<double>::infinity());
  std::int64_t most = 0, bad = 0;
  for (Index s = 0; s < n; ++s) {
    const auto bits = std::bit_cast<std::int64_t>(row[s]), size = bits & kSize, finite = size < kInfBits ? size : 0;
    most = finite > most ? finite : most;
    bad |= static_cast<std::int64_t>(size > kInfBits) | static_cast<std::int64_t>(size == kInfBits && bits < 0);
  }
  invalid = bad != 0;
  return std::bit_cast<double>(most);
}

// Returns the costs of these rows, or of their listed pairs, one after the other; copied into `some` where necessary.
std::span<const double> costs_of(const CostSource& source, Rows rows, std::vector<double>& some,
                                 std::vector<Slot>& slots) {
  const double* matrix = rows.list == nullptr ? source.float64() : nullptr;
  if (matrix != nullptr)
    return {matrix + rows.first * source.n_slots(), static_cast<std::size_t>(rows.count * source.n_slots())};
  const bool listed = rows.list == nullptr && rows.count > 0 && source.listed(rows.first) >= 0;
  Index n = listed ? 0 : rows.count * source.n_slots();
  for (Index k = 0; listed && k < rows.count; ++k) n += source.listed(rows[k]);
  some.resize(static_cast<std::size_t>(std::max<Index>(1, n)));
  slots.resize(listed ? some.size() : 0);
  if (listed) {
    source.listed_reals(rows.first, rows.count, slots.data(), some.data());
  } else {
    source.reals(rows, some.data());
  }
  return {some.data(), static_cast<std::size_t>(n)};
}

void look(const Problem& problem, Rows rows, std::vector<double>& some, std::vector<Slot>& slots, Largest& part) {
  bool invalid = false;
  const std::span<const double> costs = costs_of(*problem.cost, rows, some, slots);
  double most = largest_finite(costs.data(), std::ssize(costs), invalid);
  const bool weighed = problem.demand != nullptr;
  if (rows.count > 1 && (invalid || weighed)) {
    for (Index k = 0; k < rows.count; ++k) {
      const Index job = rows[k];
      look(problem, {nullptr, job, 1}, some, slots, part);
    }
    return;
  }
  if (invalid && part.invalid < 0) part.invalid = rows[0];
  for (Index k = 0; problem.unplaced != nullptr && k < rows.count; ++k) {
    const double out = std::fabs(problem.unplaced[rows[k] * problem.unplaced_stride]);
    if (out < std::numeric_limits<double>::infinity()) most = std::max(most, out);
  }
  // Covers the rounding of a division, and of the factors of a key.
  constexpr double kRounded = 1 + 0x1p-50;
  part.cost = std::max(part.cost, weighed ? kRounded * (most / static_cast<double>(problem.weight(rows[0]))) : most);
}

}  // namespace

Largest largest_cost_seen(const Problem& problem, Pool& pool, Stop& stop, bool all, const Tuning& tuning) {
  const CostSource& source = *problem.cost;
  const Index n = source.n_jobs(), s = source.n_slots();
  if (problem.shards != nullptr && (all || n <= tuning.probe_rows)) return {problem.shards->largest_cost(), -1};
  std::vector<Index> rows =
      all || n <= tuning.probe_rows ? std::vector<Index>{} : stratified_sample(n, tuning.probe_rows, 1);
  if (problem.shards != nullptr) rows = problem.shards->rows_of(rows);
  const Index count = rows.empty() ? n : tuning.probe_rows;
  constexpr Index kRows = 64, kKeys = 1 << 18;  // a chunk; fewer keys are read before a thread would have started
  const Index chunk_rows = std::max(kRows, kKeys / std::max<Index>(1, s));
  std::vector<Largest> parts(static_cast<std::size_t>(Pool::chunks(count, chunk_rows)));
  stop.count(count * s);
  pool.for_chunks(
      count, chunk_rows,
      [&](Index chunk, Index begin, Index end) {
        Largest& part = parts[static_cast<std::size_t>(chunk)];
        std::vector<double> some;
        std::vector<Slot> slots;
        for (Index k = begin; k < end; k += kRows) {
          const Rows block =
              Rows{rows.empty() ? nullptr : rows.data() + k, rows.empty() ? k : 0, std::min(kRows, end - k)};
          look(problem, block, some, slots, part);
        }
      },
      &stop);
  Largest total;
  for (const Largest& part : parts) {
    total.cost = std::max(total.cost, part.cost);
    if (part.invalid >= 0 && (total.invalid < 0 || part.invalid < total.invalid)) total.invalid = part.invalid;
  }
  return total;
}

double largest_unplaced(const Problem& problem) {
  if (problem.unplaced == nullptr) return 0;
  if (problem.shards != nullptr) return problem.largest_unplaced;
  const Index n = problem.unplaced_stride == 0 ? std::min<Index>(1, problem.cost->n_jobs()) : problem.cost->n_jobs();
  double most = 0;
  for (Index i = 0; i < n; ++i) {
    const double out = std::fabs(problem.unplaced[i]);
    if (out < std::numeric_limits<double>::infinity()) most = std::max(most, out);
  }
  return most;
}

double largest_cost_likely(const Problem& problem, Pool& pool, Stop& stop, const Tuning& tuning) {
  constexpr double kMost = std::numeric_limits<double>::max();
  if (const double known = problem.cost->known_bound(); known >= 0)
    return std::min(std::max(known, largest_unplaced(problem)), kMost);
  const bool all = problem.cost->n_jobs() * problem.cost->n_slots() <= tuning.probe_all_costs;
  return std::min(largest_cost_seen(problem, pool, stop, all, tuning).cost * (all ? 1.0 : tuning.probe_headroom),
                  kMost);
}

}  // namespace gridcompute::transport
