#include "gridcompute/cost/source.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "gridcompute/base/error.hpp"

namespace gridcompute {

void CostSource::integers(Rows, Cost*) const {
  throw Error(ErrorKind::internal, "cost", -1, "a real cost source was read as integers");
}

void CostSource::reals(Rows, double*) const {
  throw Error(ErrorKind::internal, "cost", -1, "an integer cost source was read as reals");
}

Cost CostSource::integer_at(Index job, Index slot) const {
  std::vector<Cost> row(at(n_slots_));
  integers(Rows{&job, 0, 1}, row.data());
  return row[at(slot)];
}

double CostSource::real_at(Index job, Index slot) const {
  std::vector<double> row(at(n_slots_));
  reals(Rows{&job, 0, 1}, row.data());
  return row[at(slot)];
}

void CostSource::reals_at(Index job, std::span<const Slot> slots, double* out) const {
  for (std::size_t k = 0; k < slots.size(); ++k) out[k] = real_at(job, slots[k]);
}

Sketched CostSource::sketch(Index, double, float*) const {
  throw Error(ErrorKind::internal, "cost", -1, "a cost source without sketches was asked for one");
}

void CostSource::listed_integers(Index, Index, Slot*, Cost*) const {
  throw Error(ErrorKind::internal, "cost", -1, "a cost source without lists was read by them");
}

void CostSource::listed_reals(Index, Index, Slot*, double*) const {
  throw Error(ErrorKind::internal, "cost", -1, "a cost source without lists was read by them");
}

EqualClasses CostSource::merged(Index, Pool&, Stop&, const CostTuning&) const { return {}; }

void CostSource::column(Rows rows, Index slot, double* out) const {
  constexpr Index kBlock = 16;  // rows of a block: the buffer stays in the first cache
  std::vector<double> block(at(singles() ? 0 : kBlock * n_slots_));
  for (Index from = 0; from < rows.count; from += kBlock) {
    const Index count = std::min(kBlock, rows.count - from);
    if (!singles())
      reals(rows.list != nullptr ? Rows{rows.list + from, 0, count} : Rows{nullptr, rows.first + from, count},
            block.data());
    for (Index k = 0; k < count; ++k)
      out[from + k] = singles() ? real_at(rows[from + k], slot) : block[at(k * n_slots_ + slot)];
  }
}

CostMagnitude measure_magnitude(const CostSource& cost, Pool& pool) {
  constexpr Index kChunk = 256;  // jobs
  constexpr double inf = std::numeric_limits<double>::infinity();
  const Index n = cost.n_jobs(), wide = cost.n_slots();
  std::vector<CostMagnitude> parts;
  pool.for_parts(parts, n, kChunk, [&](auto& part, Index begin, Index end) {
    std::vector<double> row(at(wide));
    for (Index job = begin; job < end; ++job) {
      cost.reals(Rows{nullptr, job, 1}, row.data());
      for (const double c : row) {
        if (std::fabs(c) < inf) part.largest = std::max(part.largest, std::fabs(c));
        if (!(c > -inf) && part.invalid < 0) part.invalid = job;
      }
    }
  });
  CostMagnitude whole;
  for (const CostMagnitude& part : parts) {
    whole.largest = std::max(whole.largest, part.largest);
    if (whole.invalid < 0) whole.invalid = part.invalid;
  }
  return whole;
}

}  // namespace gridcompute
