#include "gridcompute/options/lanes.hpp"

#include <algorithm>
#include <limits>

#include "gridcompute/base/lanes.hpp"

namespace gridcompute::options {

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr Index kWide = 8;  // lanes in a vector
typedef double Vector __attribute__((vector_size(64)));

// The number of vectors is a constant, so that they stay in registers.
template <Index kVectors>
GRIDCOMPUTE_INLINE Best scan_lanes(const Scan& job) {
  Vector best[kVectors], when[kVectors];
  for (Index v = 0; v < kVectors; ++v) best[v] = Vector{} + kInf, when[v] = Vector{};
  for (std::int32_t t = job.first; t <= job.last; ++t) {
    const Index level = job.lengths_within[job.deadline - t] - 1;
    const double* m = job.table + (level * job.hours + t) * (kVectors * kWide);
    const double* g = job.transfer + t * (kVectors * kWide);
    const double late = job.delay * (t - job.first);
    const Vector hour = Vector{} + static_cast<double>(t);
    for (Index v = 0; v < kVectors; ++v) {
      Vector cost, toll;
      load(m + v * kWide, cost);
      load(g + v * kWide, toll);
      cost = job.gang * cost + job.data * toll + late;
      if (job.bandwidth != nullptr) {
        Vector most;
        load(job.bandwidth + (t * kVectors + v) * kWide, most);
        cost = job.data <= most ? cost : Vector{} + kInf;
      }
      when[v] = cost < best[v] ? hour : when[v];
      best[v] = cost < best[v] ? cost : best[v];
    }
  }
  double mine[kVectors];
  for (Index v = 0; v < kVectors; ++v) {
    Vector mask;
    load(job.mask + v * kWide, mask);
    best[v] += mask;
    mine[v] = gridcompute::fold(best[v], Least{});
  }
  Index v = 0;
  for (Index other = 1; other < kVectors; ++other)
    if (mine[other] < mine[v]) v = other;
  if (mine[v] == kInf) return {kInf, -1, -1};
  Vector place;
  for (Index s = 0; s < kWide; ++s) place[s] = static_cast<double>(v * kWide + s);
  place = best[v] == mine[v] ? place : Vector{} + kInf;
  const auto at = static_cast<std::int32_t>(gridcompute::fold(place, Least{}));
  return {mine[v], at, static_cast<std::int32_t>(when[v][at - v * kWide])};
}

template <Index kVectors>
GRIDCOMPUTE_INLINE void fold_lanes(double* m, const double* ahead, const double* here, const double* hours,
                                   double length, double add, Index starts) {
  Vector extra[kVectors];
  double least = kInf;
  for (Index v = 0; v < kVectors; ++v) {
    load(hours + v * kWide, extra[v]);
    extra[v] = extra[v] == length ? Vector{} : Vector{} + kInf;
    least = std::min(least, gridcompute::fold(extra[v], Least{}));
    extra[v] += add;
  }
  if (least == kInf) return;
  for (Index k = 0; k < starts * kVectors; k += kVectors)
    for (Index v = 0; v < kVectors; ++v) {
      Vector old, from, to;
      load(ahead + (k + v) * kWide, to);
      load(here + (k + v) * kWide, from);
      load(m + (k + v) * kWide, old);
      to = to - from + extra[v];
      old = to < old ? to : old;
      store(old, m + (k + v) * kWide);
    }
}

GRIDCOMPUTE_CLONES Best scan8(const Scan& job) { return scan_lanes<1>(job); }
GRIDCOMPUTE_CLONES Best scan16(const Scan& job) { return scan_lanes<2>(job); }
GRIDCOMPUTE_CLONES Best scan32(const Scan& job) { return scan_lanes<4>(job); }
GRIDCOMPUTE_CLONES Best scan64(const Scan& job) { return scan_lanes<8>(job); }

GRIDCOMPUTE_CLONES void fold8(double* m, const double* ahead, const double* here, const double* hours, double length,
                              double add, Index starts) {
  fold_lanes<1>(m, ahead, here, hours, length, add, starts);
}
GRIDCOMPUTE_CLONES void fold16(double* m, const double* ahead, const double* here, const double* hours, double length,
                               double add, Index starts) {
  fold_lanes<2>(m, ahead, here, hours, length, add, starts);
}
GRIDCOMPUTE_CLONES void fold32(double* m, const double* ahead, const double* here, const double* hours, double length,
                               double add, Index starts) {
  fold_lanes<4>(m, ahead, here, hours, length, add, starts);
}
GRIDCOMPUTE_CLONES void fold64(double* m, const double* ahead, const double* here, const double* hours, double length,
                               double add, Index starts) {
  fold_lanes<8>(m, ahead, here, hours, length, add, starts);
}

}  // namespace

Best scan(const Scan& job, Index lanes) {
  if (lanes == 8) return scan8(job);
  if (lanes == 16) return scan16(job);
  return lanes == 32 ? scan32(job) : scan64(job);
}

void fold(double* m, const double* ahead, const double* here, const double* hours, double length, double add,
          Index starts, Index lanes) {
  if (lanes == 8) return fold8(m, ahead, here, hours, length, add, starts);
  if (lanes == 16) return fold16(m, ahead, here, hours, length, add, starts);
  return lanes == 32 ? fold32(m, ahead, here, hours, length, add, starts)
                     : fold64(m, ahead, here, hours, length, add, starts);
}

}  // namespace gridcompute::options
