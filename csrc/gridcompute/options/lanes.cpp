#include "gridcompute/options/lanes.hpp"

#include <limits>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::options {

namespace {

// The lane count is a constant, so that the compiler unrolls the inner loops into whole vectors.
template <Index kLanes>
GRIDCOMPUTE_INLINE Best scan_lanes(const Scan& job) {
  double best[kLanes], when[kLanes];
  for (Index s = 0; s < kLanes; ++s) best[s] = std::numeric_limits<double>::infinity(), when[s] = 0.0;
  for (std::int32_t t = job.first; t <= job.last; ++t) {
    const Index level = job.lengths_within[job.deadline - t] - 1;
    const double* GRIDCOMPUTE_RESTRICT m = job.table + (level * job.hours + t) * kLanes;
    const double* GRIDCOMPUTE_RESTRICT g = job.transfer + t * kLanes;
    const double late = job.delay * (t - job.first), hour = t;
    if (job.bandwidth == nullptr) {
      for (Index s = 0; s < kLanes; ++s) {
        const double cost = job.gang * m[s] + job.data * g[s] + late;
        when[s] = cost < best[s] ? hour : when[s];
        best[s] = cost < best[s] ? cost : best[s];
      }
    } else {
      const double* GRIDCOMPUTE_RESTRICT most = job.bandwidth + t * kLanes;
      for (Index s = 0; s < kLanes; ++s) {
        const double cost = job.data <= most[s] ? job.gang * m[s] + job.data * g[s] + late : best[s];
        when[s] = cost < best[s] ? hour : when[s];
        best[s] = cost < best[s] ? cost : best[s];
      }
    }
  }
  Best out{std::numeric_limits<double>::infinity(), -1, -1};
  for (Index s = 0; s < kLanes; ++s) best[s] += job.mask[s];
  for (Index s = 0; s < kLanes; ++s)
    if (best[s] < out.cost) out = {best[s], static_cast<std::int32_t>(s), static_cast<std::int32_t>(when[s])};
  return out;
}

template <Index kLanes>
GRIDCOMPUTE_INLINE void fold_lanes(double* GRIDCOMPUTE_RESTRICT m, const double* GRIDCOMPUTE_RESTRICT ahead,
                                   const double* GRIDCOMPUTE_RESTRICT here, const double* GRIDCOMPUTE_RESTRICT add,
                                   Index hours) {
  for (Index t = 0; t < hours; ++t, m += kLanes, ahead += kLanes, here += kLanes)
    for (Index s = 0; s < kLanes; ++s) {
      const double cost = ahead[s] - here[s] + add[s];
      m[s] = cost < m[s] ? cost : m[s];
    }
}

GRIDCOMPUTE_CLONES Best scan8(const Scan& job) { return scan_lanes<8>(job); }
GRIDCOMPUTE_CLONES Best scan16(const Scan& job) { return scan_lanes<16>(job); }
GRIDCOMPUTE_CLONES Best scan32(const Scan& job) { return scan_lanes<32>(job); }
GRIDCOMPUTE_CLONES Best scan64(const Scan& job) { return scan_lanes<64>(job); }

GRIDCOMPUTE_CLONES void fold8(double* m, const double* ahead, const double* here, const double* add, Index hours) {
  fold_lanes<8>(m, ahead, here, add, hours);
}
GRIDCOMPUTE_CLONES void fold16(double* m, const double* ahead, const double* here, const double* add, Index hours) {
  fold_lanes<16>(m, ahead, here, add, hours);
}
GRIDCOMPUTE_CLONES void fold32(double* m, const double* ahead, const double* here, const double* add, Index hours) {
  fold_lanes<32>(m, ahead, here, add, hours);
}
GRIDCOMPUTE_CLONES void fold64(double* m, const double* ahead, const double* here, const double* add, Index hours) {
  fold_lanes<64>(m, ahead, here, add, hours);
}

}  // namespace

Best scan(const Scan& job, Index lanes) {
  if (lanes == 8) return scan8(job);
  if (lanes == 16) return scan16(job);
  return lanes == 32 ? scan32(job) : scan64(job);
}

void fold(double* m, const double* ahead, const double* here, const double* add, Index hours, Index lanes) {
  if (lanes == 8) return fold8(m, ahead, here, add, hours);
  if (lanes == 16) return fold16(m, ahead, here, add, hours);
  return lanes == 32 ? fold32(m, ahead, here, add, hours) : fold64(m, ahead, here, add, hours);
}

}  // namespace gridcompute::options
