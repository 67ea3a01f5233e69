#include "gridcompute/transport/largest.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "gridcompute/base/simd.hpp"
#include "gridcompute/transport/sample.hpp"

namespace gridcompute::transport {

namespace {
constexpr Index kProbe = 4096;         // rows read to choose a resolution
constexpr double kHeadroom = 16;       // how much larger than the largest of them a cost may be before we start over
constexpr Index kWholeKeys = 1 << 22;  // matrices up to this size are read whole for it

// By their bits: as integers sizes grow alike, NaN is above infinity, and the loop is vectorised.
GRIDCOMPUTE_CLONES double largest_finite(const double* row, Index n, bool& invalid) {
  constexpr auto kSize = std::numeric_limits<std::int64_t>::max();
  constexpr auto kInf = std::bit_cast<std::int64_t>(std::numeric_limits<double>::infinity());
  std::int64_t most = 0, bad = 0;
  for (Index s = 0; s < n; ++s) {
    const auto bits = std::bit_cast<std::int64_t>(row[s]), size = bits & kSize, finite = size < kInf ? size : 0;
    most = finite > most ? finite : most;
    bad |= static_cast<std::int64_t>(size > kInf) | static_cast<std::int64_t>(size == kInf && bits < 0);
  }
  invalid = bad != 0;
  return std::bit_cast<double>(most);
}

}  // namespace

Largest largest_cost_seen(const Problem& problem, Pool& pool, Stop& stop, bool all) {
  const CostSource& source = *problem.cost;
  const Index n = source.n_jobs(), s = source.n_slots();
  const std::vector<Index> rows = all || n <= kProbe ? std::vector<Index>{} : strata(n, kProbe, 1);
  const Index count = rows.empty() ? n : kProbe;
  constexpr Index kRows = 64, kKeys = 1 << 18;  // fewer keys than these are looked at before a thread would have begun
  const Index chunk_rows = std::max(kRows, kKeys / std::max<Index>(1, s));
  std::vector<Largest> parts(static_cast<std::size_t>(Pool::chunks(count, chunk_rows)));
  pool.for_chunks(
      count, chunk_rows,
      [&](Index chunk, Index begin, Index end) {
        std::vector<double> row(static_cast<std::size_t>(std::max<Index>(1, s)));
        Largest& part = parts[static_cast<std::size_t>(chunk)];
        for (Index k = begin; k < end; ++k) {
          const Index job = rows.empty() ? k : rows[static_cast<std::size_t>(k)];
          source.reals(Rows{&job, 0, 1}, row.data());
          bool invalid = false;
          double most = largest_finite(row.data(), s, invalid);
          if (invalid && part.invalid < 0) part.invalid = job;
          if (problem.unplaced != nullptr) {
            const double out = std::fabs(problem.unplaced[job * problem.unplaced_stride]);
            if (out < std::numeric_limits<double>::infinity()) most = std::max(most, out);
          }
          part.cost = std::max(part.cost, most / static_cast<double>(problem.weight(job)));
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

double largest_cost_likely(const Problem& problem, Pool& pool, Stop& stop) {
  const Index keys = problem.cost->n_jobs() * problem.cost->n_slots();
  double most = problem.cost->known_bound();
  if (most >= 0 && problem.unplaced != nullptr) {
    const Index n = problem.unplaced_stride == 0 ? std::min<Index>(1, problem.cost->n_jobs()) : problem.cost->n_jobs();
    for (Index i = 0; i < n; ++i) {
      const double out = std::fabs(problem.unplaced[i]);
      if (out < std::numeric_limits<double>::infinity()) most = std::max(most, out);
    }
  }
  if (most < 0) {
    const bool all = keys <= kWholeKeys;
    most = largest_cost_seen(problem, pool, stop, all).cost * (all ? 1.0 : kHeadroom);
  }
  return most;
}

}  // namespace gridcompute::transport
