#include "gridcompute/transport/kernels/float_filter.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::transport {

namespace {

constexpr Index kFilterBlock = 64;  // classes that are excluded together by their common least
constexpr float kFloatInf = std::numeric_limits<float>::infinity();

constexpr double kRoundable = 0x1p50;  // keys up to here are doubles that rounded() converts

constexpr Index kFilterWord = 8;  // bytes tested together

template <Index kBytes>
using Floats = typename Lanes<float, kBytes>::Signed;
template <Index kBytes>
constexpr Index kLanes = Lanes<float, kBytes>::kCount;

// Returns the least of row + up and `low`; writes min(row + down) of each block into `least`.
template <Index kBytes>
GRIDCOMPUTE_INLINE float least_of_blocks_of(const float* row, const float* up, const float* down, Index width,
                                            float low, float* GRIDCOMPUTE_RESTRICT least) {
  Floats<kBytes> key, price, best;
  load(row, key);
  load(up, price);
  best = key + price;
  for (Index b = 0; b < width; b += kFilterBlock) {
    const Index end = std::min(width, b + kFilterBlock);
    Floats<kBytes> here;
    load(row + b, key);
    load(down + b, price);
    here = key + price;
    load(up + b, price);
    price += key;
    best = price < best ? price : best;
    for (Index s = b + kLanes<kBytes>; s < end; s += kLanes<kBytes>) {
      load(row + s, key);
      load(down + s, price);
      price += key;
      here = price < here ? price : here;
      load(up + s, price);
      price += key;
      best = price < best ? price : best;
    }
    *least++ = fold(here, Least{});
  }
  return std::min(low, fold(best, Least{}));
}

// Writes the classes with row + down <= limit into out, ascending, and returns their number. next: min(row + down) of
// the others.
template <Index kBytes>
GRIDCOMPUTE_INLINE Index list_below_of(const float* row, const float* down, Index width, const float* least,
                                       float limit, Slot* out, float& next) {
  Index count = 0;
  float passed = kFloatInf;
  Floats<kBytes> other, key, price;
  for (Index k = 0; k < kLanes<kBytes>; ++k) other[k] = kFloatInf;
  const Floats<kBytes> most = other;
  for (Index b = 0; b < width; b += kFilterBlock, ++least) {
    if (*least > limit) {
      passed = *least < passed ? *least : passed;
      continue;
    }
    const Index size = std::min(width - b, kFilterBlock);
    std::uint8_t keep[kFilterBlock] = {};
    for (Index s = 0; s < size; s += kLanes<kBytes>) {
      load(row + b + s, key);
      load(down + b + s, price);
      key += price;
      price = key <= limit ? most : key;
      other = price < other ? price : other;
      for (Index k = 0; k < kLanes<kBytes>; ++k) keep[s + k] = row[b + s + k] + down[b + s + k] <= limit ? 1 : 0;
    }
    for (Index w = 0; w < size; w += kFilterWord) {
      std::uint64_t eight = 0;
      std::memcpy(&eight, keep + w, kFilterWord);
      if (eight == 0) continue;
      for (Index k = w; k < w + kFilterWord; ++k) {
        out[count] = static_cast<Slot>(b + k);
        count += keep[k];
      }
    }
  }
  next = std::min(passed, fold(other, Least{}));
  return count;
}

GRIDCOMPUTE_VERSIONS(float, least_of_blocks,
                     (const float* row, const float* up, const float* down, Index width, float low,
                      float* GRIDCOMPUTE_RESTRICT least),
                     (row, up, down, width, low, least))
GRIDCOMPUTE_VERSIONS(Index, list_below,
                     (const float* row, const float* down, Index width, const float* least, float limit, Slot* out,
                      float& next),
                     (row, down, width, least, limit, out, next))

// The float32 next to a real, above or below it.
float above(double x) {
  const auto f = static_cast<float>(x);
  return static_cast<double>(f) < x ? std::nextafterf(f, kFloatInf) : f;
}

float below(double x) { return -above(-x); }

}  // namespace

bool FloatFilter::serves(const IntegerKeys& keys, const Tuning& tuning) {
  const CostSource& source = *keys.problem().cost;
  return source.sketches() && keys.perturbation().none() && keys.n_slots() >= tuning.filter_classes;
}

FloatFilter::FloatFilter(const IntegerKeys& keys, const PriceBox& box, const Tuning& tuning)
    : keys_(keys),
      tuning_(tuning),
      n_(keys.n_slots()),
      width_(sketch_width(n_)),
      limit_(std::min(static_cast<double>(keys.limit()), kRoundable)),
      up_(n_),
      down_(n_),
      above_(width_, kFloatInf),
      below_(width_, kFloatInf) {
  constexpr double kOutwards = 0x1p-23;  // two roundings of a float
  for (Index s = 0; s < n_; ++s) {
    up_[s] = box.center[s] + box.up[s];
    down_[s] = box.center[s] - box.down[s];
    const auto up = static_cast<double>(up_[s]), down = static_cast<double>(down_[s]);
    above_[s] = above(up + kOutwards * std::fabs(up));
    below_[s] = below(down - kOutwards * std::fabs(down));
  }
}

bool FloatFilter::screen(Index job, Cost outside, Scratch& scratch, FilteredRow& out) const {
  scratch.row.resize(static_cast<std::size_t>(width_));
  scratch.slot.resize(static_cast<std::size_t>(width_ + 1));
  scratch.least.resize(static_cast<std::size_t>((width_ + kFilterBlock - 1) / kFilterBlock));
  const CostSource& source = *keys_.problem().cost;
  float* row = scratch.row.data();
  const Sketched sketched = source.sketch(job, keys_.scale(job), row);
  const double error = sketched.error + 1;
  if (!(error < static_cast<double>(kCostLimit)) || !(keys_.surely_in_range() || sketched.largest <= limit_))
    return false;
  const float low = least_of_blocks(row, above_.data(), below_.data(), width_, above(static_cast<double>(outside)),
                                    scratch.least.data());
  const double limit = static_cast<double>(low) + 2 * error;
  if (!(limit < static_cast<double>(kForbidden / 4))) return false;
  float next = 0;
  const Index found =
      list_below(row, below_.data(), width_, scratch.least.data(), above(limit), scratch.slot.data(), next);
  if (found > n_ / tuning_.filter_left + 1) return false;
  out.low = outside;
  const double others = std::floor(static_cast<double>(next) - error);
  out.next = others < static_cast<double>(kForbidden / 4) ? static_cast<Cost>(others) : kForbidden;
  const std::span<const Slot> slots(scratch.slot.data(), static_cast<std::size_t>(found));
  scratch.cost.resize(slots.size());
  source.reals_at(job, slots, scratch.cost.data());
  out.slot.clear();
  out.key.resize(slots.size());
  const double scale = keys_.scale(job);
  for (std::size_t k = 0; k < slots.size(); ++k) {
    const double x = scratch.cost[k] * scale;
    out.key[k] = x < static_cast<double>(kCostLimit) ? rounded(x) : kForbidden;
    out.low = std::min(out.low, out.key[k] + up_[slots[k]]);
  }
  for (std::size_t k = 0; k < slots.size(); ++k) {
    const Cost key = out.key[k], cost = key + down_[slots[k]];
    if (cost > out.low) {
      out.next = std::min(out.next, cost);
      continue;
    }
    out.key[out.slot.size()] = key;
    out.slot.push_back(slots[k]);
  }
  out.key.resize(out.slot.size());
  return true;
}

}  // namespace gridcompute::transport
