#include "gridcompute/cost/dense.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "gridcompute/base/simd.hpp"
#include "gridcompute/cost/equal_columns.hpp"

namespace gridcompute {

namespace {

constexpr double kLeast = 0x1p-100, kMost = 0x1p100;  // factors that are floats well within their range
// Roundings: of the cost, the factor, their product, and the price added to it; and one more for this sum itself.
constexpr double kRoundings = 5 * 0x1p-24;
constexpr double kShift = 6755399441055744.0;  // 1.5 * 2^52: for |x| < 2^51 the bits of kShift + x are a sum too
constexpr Cost kShiftable = Cost{1} << 50;

// Writes the scaled row; returns its largest finite |cost|, or a negative number where a cost is NaN, -inf or too large
// to be sketched.
GRIDCOMPUTE_CLONES double scaled(const std::int32_t* row, Index n, double scale, float* GRIDCOMPUTE_RESTRICT out) {
  const auto factor = static_cast<float>(scale);
  std::int32_t low = 0, high = 0;
  for (Index s = 0; s < n; ++s) {
    out[s] = static_cast<float>(row[s]) * factor;
    low = row[s] < low ? row[s] : low;
    high = row[s] > high ? row[s] : high;
  }
  return std::max(-static_cast<double>(low), static_cast<double>(high));
}

GRIDCOMPUTE_CLONES double scaled(const std::int64_t* row, Index n, double scale, float* GRIDCOMPUTE_RESTRICT out) {
  std::int64_t low = 0, high = 0;
  for (Index s = 0; s < n; ++s) {
    const auto bits = std::bit_cast<std::uint64_t>(kShift) + static_cast<std::uint64_t>(row[s]);
    out[s] = static_cast<float>((std::bit_cast<double>(bits) - kShift) * scale);
    low = row[s] < low ? row[s] : low;
    high = row[s] > high ? row[s] : high;
  }
  return low < -kShiftable || high > kShiftable ? -1 : std::max(-static_cast<double>(low), static_cast<double>(high));
}

// Does the same for reals by their bits: |x| as an integer grows with |x|, infinity is above all finite values, and NaN
// above that.
template <class T, class Bits>
GRIDCOMPUTE_INLINE double scaled_real(const T* row, Index n, T factor, float* GRIDCOMPUTE_RESTRICT out) {
  constexpr auto kSize = static_cast<Bits>(static_cast<std::make_unsigned_t<Bits>>(-1) >> 1);  // all but the sign
  constexpr auto kInfBits = std::bit_cast<Bits>(std::numeric_limits<T>::infinity());
  Bits most = 0, bad = 0;
  for (Index s = 0; s < n; ++s) {
    out[s] = static_cast<float>(row[s] * factor);
    const auto bits = std::bit_cast<Bits>(row[s]);
    const Bits size = bits & kSize, finite = size < kInfBits ? size : 0;
    most = finite > most ? finite : most;
    bad |= static_cast<Bits>(size > kInfBits) | static_cast<Bits>(size == kInfBits && bits < 0);
  }
  return bad != 0 ? -1 : static_cast<double>(std::bit_cast<T>(most));
}

GRIDCOMPUTE_CLONES double scaled(const float* row, Index n, double scale, float* GRIDCOMPUTE_RESTRICT out) {
  return scaled_real<float, std::int32_t>(row, n, static_cast<float>(scale), out);
}

GRIDCOMPUTE_CLONES double scaled(const double* row, Index n, double scale, float* GRIDCOMPUTE_RESTRICT out) {
  return scaled_real<double, std::int64_t>(row, n, scale, out);
}

}  // namespace

template <class T>
EqualClasses merged_dense(const T* values, Index n_jobs, Index n_slots, Index most, Pool& pool, Stop& stop,
                          const CostTuning& tuning) {
  EqualColumns columns(n_slots, most, tuning);
  if (!columns.probe(values, n_jobs)) return {};
  columns.group();
  DefaultInitVector<T> out;
  do {
    out.resize(at(n_jobs) * columns.kept().size());
    if (!columns.copy(values, n_jobs, out.data(), pool, stop)) return {};
  } while (columns.split());
  const auto width = static_cast<Index>(columns.kept().size());
  return {columns.of(), std::make_unique<DenseCost<T>>(std::move(out), n_jobs, width)};
}

template EqualClasses merged_dense(const std::int32_t*, Index, Index, Index, Pool&, Stop&, const CostTuning&);
template EqualClasses merged_dense(const std::int64_t*, Index, Index, Index, Pool&, Stop&, const CostTuning&);
template EqualClasses merged_dense(const float*, Index, Index, Index, Pool&, Stop&, const CostTuning&);
template EqualClasses merged_dense(const double*, Index, Index, Index, Pool&, Stop&, const CostTuning&);

template <class T>
Sketched sketch_row(const T* row, Index n, double scale, float* out) {
  if (!(scale >= kLeast && scale <= kMost)) return {kInf, kInf};
  const double most = scaled(row, n, scale, out);
  if (most < 0) return {kInf, kInf};
  std::fill(out + n, out + sketch_width(n), 0.0F);
  return {kRoundings * scale * most + kLeast, scale * most};
}

template Sketched sketch_row(const std::int32_t*, Index, double, float*);
template Sketched sketch_row(const std::int64_t*, Index, double, float*);
template Sketched sketch_row(const float*, Index, double, float*);
template Sketched sketch_row(const double*, Index, double, float*);

}  // namespace gridcompute
