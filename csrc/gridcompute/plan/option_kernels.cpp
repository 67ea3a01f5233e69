#include "gridcompute/plan/option_kernels.hpp"

#include <algorithm>

#include "gridcompute/base/simd_lanes.hpp"

namespace gridcompute::plan {

namespace {

// Finds the cheapest option; the number of lanes is a constant, so that vectors stay in registers.
template <Index kLanes, Index kBytes>
GRIDCOMPUTE_INLINE CheapestOption find_lanes(const OptionSearch& job) {
  using Vector = typename Lanes<double, kBytes>::Signed;
  constexpr Index kWide = kBytes / 8, kVectors = kLanes / kWide;  // doubles of a vector
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
  double least[kVectors];
  for (Index v = 0; v < kVectors; ++v) {
    Vector mask;
    load(job.mask + v * kWide, mask);
    best[v] += mask;
    least[v] = gridcompute::fold(best[v], Least{});
  }
  Index v = 0;
  for (Index other = 1; other < kVectors; ++other)
    if (least[other] < least[v]) v = other;
  if (least[v] == kInf) return {kInf, -1, -1};
  Vector place;
  for (Index s = 0; s < kWide; ++s) place[s] = static_cast<double>(v * kWide + s);
  place = best[v] == least[v] ? place : Vector{} + kInf;
  const auto at = static_cast<std::int32_t>(gridcompute::fold(place, Least{}));
  return {least[v], at, static_cast<std::int32_t>(when[v][at - v * kWide])};
}

template <Index kLanes, Index kBytes>
GRIDCOMPUTE_INLINE void fold_lanes(double* m, const double* ahead, const double* here, const double* hours,
                                   const double* nu, double length, Index starts) {
  using Vector = typename Lanes<double, kBytes>::Signed;
  constexpr Index kWide = kBytes / 8, kVectors = kLanes / kWide;  // doubles of a vector
  Vector extra[kVectors];
  for (Index v = 0; v < kVectors; ++v) {
    load(hours + v * kWide, extra[v]);
    Vector price;
    load(nu + v * kWide, price);
    extra[v] = extra[v] == length ? price * length : Vector{} + kInf;
  }
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

#define GRIDCOMPUTE_LANES(lanes)                                                                                    \
  template <Index kBytes>                                                                                           \
  GRIDCOMPUTE_INLINE CheapestOption find##lanes##_of(const OptionSearch& job) {                                     \
    return find_lanes<lanes, kBytes>(job);                                                                          \
  }                                                                                                                 \
  template <Index kBytes>                                                                                           \
  GRIDCOMPUTE_INLINE void fold##lanes##_of(double* m, const double* ahead, const double* here, const double* hours, \
                                           const double* nu, double length, Index starts) {                         \
    fold_lanes<lanes, kBytes>(m, ahead, here, hours, nu, length, starts);                                           \
  }                                                                                                                 \
  GRIDCOMPUTE_VERSIONS(CheapestOption, find##lanes, (const OptionSearch& job), (job))                               \
  GRIDCOMPUTE_VERSIONS(void, fold##lanes,                                                                           \
                       (double* m, const double* ahead, const double* here, const double* hours, const double* nu,  \
                        double length, Index starts),                                                               \
                       (m, ahead, here, hours, nu, length, starts))
GRIDCOMPUTE_LANES(8)
GRIDCOMPUTE_LANES(16)
GRIDCOMPUTE_LANES(32)
GRIDCOMPUTE_LANES(64)

}  // namespace

CheapestOption find_cheapest(const OptionSearch& job, Index lanes) {
  if (lanes == 8) return find8(job);
  if (lanes == 16) return find16(job);
  return lanes == 32 ? find32(job) : find64(job);
}

void fold_class(double* m, const double* ahead, const double* here, const double* hours, const double* nu,
                double length, Index starts, Index lanes) {
  if (lanes == 8) return fold8(m, ahead, here, hours, nu, length, starts);
  if (lanes == 16) return fold16(m, ahead, here, hours, nu, length, starts);
  return lanes == 32 ? fold32(m, ahead, here, hours, nu, length, starts)
                     : fold64(m, ahead, here, hours, nu, length, starts);
}

}  // namespace gridcompute::plan
