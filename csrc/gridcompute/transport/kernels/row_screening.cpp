#include "gridcompute/transport/kernels/row_screening.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "gridcompute/base/simd.hpp"
#include "gridcompute/transport/model/integer_keys.hpp"

namespace gridcompute::transport {

namespace {

constexpr Cost kInfinite = integer_of(std::numeric_limits<double>::infinity());

template <Index kBytes, class T>
GRIDCOMPUTE_INLINE T least(const T* row, const T* up, Index n, T low) {
  constexpr Index lanes = Lanes<T, kBytes>::kCount;
  if (n < lanes) {
    for (Index s = 0; s < n; ++s) {
      const T v = add(row[s], up[s]);
      low = v < low ? v : low;
    }
    return low;
  }
  typename Lanes<T, kBytes>::Signed v, best;
  sum_at<kBytes>(row, up, best);
  for (Index b = lanes; b + lanes <= n; b += lanes) {
    sum_at<kBytes>(row + b, up + b, v);
    best = v < best ? v : best;
  }
  sum_at<kBytes>(row + n - lanes, up + n - lanes, v);
  best = v < best ? v : best;
  return std::min(low, fold(best, Least{}));
}

template <Index kBytes, class T>
GRIDCOMPUTE_INLINE ScreenedRow<T> kept(const T* row, const T* down, Index n, T low) {
  using Signed = typename Lanes<T, kBytes>::Signed;
  using Unsigned = typename Lanes<T, kBytes>::Unsigned;
  using U = std::make_unsigned_t<T>;
  constexpr Index lanes = Lanes<T, kBytes>::kCount;
  constexpr T top = std::numeric_limits<T>::max();
  T next = top;
  U count_and_sum = 0;
  if (n < lanes) {
    for (Index s = 0; s < n; ++s) {
      const T v = add(row[s], down[s]);
      if (v <= low) {
        count_and_sum += (static_cast<U>(s) << kCountBits<T>)+1;
      } else {
        next = std::min(next, v);
      }
    }
    return {low, next, count_and_sum};
  }
  Unsigned lane;
  for (Index k = 0; k < lanes; ++k) lane[k] = static_cast<U>(k);
  const Unsigned none = lane - lane;
  const Signed limit = (Signed)(none + static_cast<U>(low)), most = (Signed)(none + static_cast<U>(top));
  Signed v, least_other = most;
  Unsigned tag = (lane << kCountBits<T>)+U{1}, sum = none;
  for (Index b = 0; b + lanes <= n; b += lanes) {
    sum_at<kBytes>(row + b, down + b, v);
    sum += (Unsigned)(v <= limit) & tag;
    tag += static_cast<U>(lanes) << kCountBits<T>;
    v = v <= limit ? most : v;
    least_other = v < least_other ? v : least_other;
  }
  // The lanes that were not processed yet are the last n % lanes.
  const auto seen = static_cast<U>(lanes - n % lanes);
  sum_at<kBytes>(row + n - lanes, down + n - lanes, v);
  const Unsigned keep = (Unsigned)(v <= limit) & (Unsigned)(lane >= seen);
  sum += keep & (((lane + static_cast<U>(n - lanes)) << kCountBits<T>)+U{1});
  v = v <= limit ? most : v;
  least_other = v < least_other ? v : least_other;
  return {low, fold(least_other, Least{}), fold(sum, Sum{})};
}

// Lists two or three candidates: the first, the last, and the third by the sum of all.
template <Index kBytes, class T>
GRIDCOMPUTE_INLINE Index list_few(const T* row, const T* down, Index n, const ScreenedRow<T>& seen, Slot* out) {
  using Signed = typename Lanes<T, kBytes>::Signed;
  constexpr Index lanes = Lanes<T, kBytes>::kCount;
  Signed at, v;
  for (Index k = 0; k < lanes; ++k) at[k] = static_cast<T>(k);
  const Signed none = at - at, limit = none + seen.low, beyond = none + std::numeric_limits<T>::max(),
               step = none + T{lanes};
  Signed first = beyond, last = beyond;  // the latter as the length of the row from there on
  Signed rest = none + static_cast<T>(n) - at;
  const auto visit = [&](Index b) GRIDCOMPUTE_FORCED {
    sum_at<kBytes>(row + b, down + b, v);
    const Signed here = v <= limit ? at : beyond, left = v <= limit ? rest : beyond;
    first = here < first ? here : first;
    last = left < last ? left : last;
  };
  for (Index b = 0; b + lanes <= n; b += lanes) {
    visit(b);
    at += step;
    rest -= step;
  }
  for (Index k = 0; k < lanes; ++k) at[k] = static_cast<T>(n - lanes + k), rest[k] = static_cast<T>(lanes - k);
  visit(n - lanes);
  const auto a = static_cast<Slot>(fold(first, Least{})),
             z = static_cast<Slot>(n) - static_cast<Slot>(fold(last, Least{}));
  constexpr auto kClass = (std::uint64_t{1} << kCountBits<T>)-1;  // sums are modulo that
  out[0] = a;
  if (seen.count() == 3)
    out[1] = static_cast<Slot>((static_cast<std::uint64_t>(seen.single_class()) - static_cast<std::uint64_t>(a) -
                                static_cast<std::uint64_t>(z)) &
                               kClass);
  out[seen.count() - 1] = z;
  return seen.count();
}

// Lists candidates. Most classes are none: blocks without any are skipped, in the others each class has a byte, and
// eight are tested at a time.
template <Index kBytes, class T>
GRIDCOMPUTE_INLINE Index list_screened_of(const T* row, const T* down, Index n, const ScreenedRow<T>& seen,
                                          Slot* GRIDCOMPUTE_RESTRICT out) {
  using Signed = typename Lanes<T, kBytes>::Signed;  // kBlock, kWord: bytes tested together
  constexpr Index lanes = Lanes<T, kBytes>::kCount, kBlock = 8 * static_cast<Index>(sizeof(T)), kWord = 8;
  if (n >= lanes && (seen.count() == 2 || seen.count() == 3)) return list_few<kBytes>(row, down, n, seen, out);
  const T low = seen.low;
  Index count = 0;
  if (n < kBlock) {
    for (Index s = 0; s < n; ++s) {
      out[count] = static_cast<Slot>(s);
      count += add(row[s], down[s]) <= low ? 1 : 0;
    }
    return count;
  }
  const auto block = [&](Index b, Index from) {
    Signed x, y;
    sum_at<kBytes>(row + b, down + b, x);
    for (Index k = lanes; k < kBlock; k += lanes) {
      sum_at<kBytes>(row + b + k, down + b + k, y);
      x = x < y ? x : y;
    }
    if (fold(x, Least{}) > low) return;
    std::uint8_t keep[kBlock];
    for (Index k = 0; k < kBlock; ++k) keep[k] = add(row[b + k], down[b + k]) <= low ? 1 : 0;
    for (Index w = 0; w < kBlock; w += kWord) {
      std::uint64_t eight = 0;
      std::memcpy(&eight, keep + w, kWord);
      if (eight == 0) continue;
      for (Index k = std::max(w, from); k < w + kWord; ++k) {
        out[count] = static_cast<Slot>(b + k);
        count += keep[k];
      }
    }
  };
  Index b = 0;
  for (; b + kBlock <= n; b += kBlock) block(b, 0);
  if (b < n) block(n - kBlock, kBlock - (n - b));
  return count;
}

GRIDCOMPUTE_INLINE Cost least_real(const double* GRIDCOMPUTE_RESTRICT cost, double scale,
                                   const Cost* GRIDCOMPUTE_RESTRICT up, Index n, Cost low,
                                   Cost* GRIDCOMPUTE_RESTRICT key) {
  for (Index s = 0; s < n; ++s) {
    Cost k = integer_of(cost[s] * scale + kRound);
    k = k < kInfinite ? k : kForbidden;
    key[s] = k;
    const Cost v = k + up[s];
    low = v < low ? v : low;
  }
  return low;
}

GRIDCOMPUTE_INLINE void extremes(const double* GRIDCOMPUTE_RESTRICT cost, double scale, Index n, KeyExtremes& all) {
  Cost low = all.low, high = all.high, inexact = 0;
  for (Index s = 0; s < n; ++s) {
    const double x = cost[s] * scale, shifted = x + kRound;
    // A pair is forbidden where its cost is +inf, not where the scale takes it there; underflow to 0 is a change as
    // well.
    const Cost allowed = -static_cast<Cost>(cost[s] != kInf), key = integer_of(shifted) & allowed;
    low = key < low ? key : low;
    high = key > high ? key : high;
    inexact |=
        (static_cast<Cost>(shifted - kRound != x) | (static_cast<Cost>(x == 0) & static_cast<Cost>(cost[s] != 0))) &
        allowed;
  }
  all = {low, high, all.inexact || inexact != 0};
}

template <Index kBytes, class T>
GRIDCOMPUTE_INLINE void screen_rows_of(const T* rows, Index count, Index n, const T* up, const T* down,
                                       ScreenedRow<T>* out) {
  for (Index k = 0; k < count; ++k) {
    const T* row = rows + k * n;
    out[k] = kept<kBytes>(row, down, n, least<kBytes>(row, up, n, out[k].low));
  }
}

template <Index kBytes>
GRIDCOMPUTE_INLINE void mark_candidates_of(const Cost* row, const ColumnTests& with, Cost now,
                                           std::span<std::uint8_t> listed) {
  const auto n = static_cast<Index>(listed.size());
  const Cost* near = with.near.data();
  const Cost* bound = with.bound.data();
  std::uint8_t* out = listed.data();
  const Cost low = least<kBytes>(row, with.up.data(), n, kForbidden);
  for (Index s = 0; s < n; ++s) {
    const bool close = row[s] + near[s] <= low, cheaper = row[s] + bound[s] < now, allowed = row[s] < kForbidden;
    out[s] = static_cast<std::uint8_t>(
        out[s] | (static_cast<int>(allowed) & (static_cast<int>(close) | static_cast<int>(cheaper))));
  }
}

template <Index kBytes>
GRIDCOMPUTE_INLINE void screen_real_rows_of(const RealRows& rows, Index count, Index n, const Cost* up,
                                            const Cost* down, ScreenedRow<Cost>* out) {
  for (Index k = 0; k < count; ++k) {
    Cost* key = rows.key + k * n;
    out[k] = kept<kBytes>(key, down, n, least_real(rows.cost + k * n, rows.scale[k], up, n, out[k].low, key));
  }
}

template <Index kBytes>
GRIDCOMPUTE_INLINE KeyExtremes screen_real_rows_checked_of(const RealRows& rows, Index count, Index n, const Cost* up,
                                                           const Cost* down, ScreenedRow<Cost>* out) {
  KeyExtremes all;
  for (Index k = 0; k < count; ++k) {
    Cost* key = rows.key + k * n;
    extremes(rows.cost + k * n, rows.scale[k], n, all);
    out[k] = kept<kBytes>(key, down, n, least_real(rows.cost + k * n, rows.scale[k], up, n, out[k].low, key));
  }
  return all;
}

}  // namespace

GRIDCOMPUTE_VERSIONS(void, screen_rows,
                     (const std::int32_t* rows, Index count, Index n, const std::int32_t* up, const std::int32_t* down,
                      ScreenedRow<std::int32_t>* out),
                     (rows, count, n, up, down, out))
GRIDCOMPUTE_VERSIONS(void, screen_rows,
                     (const Cost* rows, Index count, Index n, const Cost* up, const Cost* down, ScreenedRow<Cost>* out),
                     (rows, count, n, up, down, out))

GRIDCOMPUTE_VERSIONS(Index, list_screened,
                     (const std::int32_t* row, const std::int32_t* down, Index n, const ScreenedRow<std::int32_t>& seen,
                      Slot* out),
                     (row, down, n, seen, out))
GRIDCOMPUTE_VERSIONS(Index, list_screened,
                     (const Cost* row, const Cost* down, Index n, const ScreenedRow<Cost>& seen, Slot* out),
                     (row, down, n, seen, out))

GRIDCOMPUTE_VERSIONS(void, screen_real_rows,
                     (const RealRows& rows, Index count, Index n, const Cost* up, const Cost* down,
                      ScreenedRow<Cost>* out),
                     (rows, count, n, up, down, out))
GRIDCOMPUTE_VERSIONS(KeyExtremes, screen_real_rows_checked,
                     (const RealRows& rows, Index count, Index n, const Cost* up, const Cost* down,
                      ScreenedRow<Cost>* out),
                     (rows, count, n, up, down, out))

GRIDCOMPUTE_VERSIONS(void, mark_candidates,
                     (const Cost* row, const ColumnTests& with, Cost now, std::span<std::uint8_t> listed),
                     (row, with, now, listed))

GRIDCOMPUTE_CLONES bool keys_match(const std::int32_t* row, const Slot* slot, const Cost* above, Index count,
                                   std::int32_t first) {
  Cost unlike = 0;
  for (Index c = 0; c < count; ++c) unlike |= (Cost{row[slot[c]]} - first) ^ above[c];
  return unlike == 0;
}

GRIDCOMPUTE_CLONES bool keys_match(const Cost* row, const Slot* slot, const Cost* above, Index count, Cost first) {
  Cost unlike = 0;
  for (Index c = 0; c < count; ++c) unlike |= (row[slot[c]] - first) ^ above[c];
  return unlike == 0;
}

Index list_marked(std::span<const std::uint8_t> listed, Slot* out) {
  constexpr std::size_t kWord = 8;  // bytes tested together
  Index count = 0;
  for (std::size_t b = 0; b < listed.size(); b += kWord) {
    const std::size_t end = std::min(listed.size(), b + kWord);
    std::uint64_t eight = 0;
    std::memcpy(&eight, listed.data() + b, end - b);
    if (eight == 0) continue;
    for (std::size_t s = b; s < end; ++s) {
      if (listed[s] != 0) out[count++] = static_cast<Slot>(s);
    }
  }
  return count;
}

GRIDCOMPUTE_CLONES Cost least_unlisted(const Cost* row, const Cost* base, std::span<const std::uint8_t> listed) {
  const std::uint8_t* skip = listed.data();
  const auto n = static_cast<Index>(listed.size());
  Cost low = kForbidden;
  for (Index s = 0; s < n; ++s) {
    const Cost out = -static_cast<Cost>(skip[s] != 0 || row[s] >= kForbidden);
    const Cost v = ((row[s] + base[s]) & ~out) | (kForbidden & out);
    low = v < low ? v : low;
  }
  return low;
}

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

FloatFilter::FloatFilter(const IntegerKeys& keys, const PriceBox& box)
    : keys_(keys),
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

// Classes left by the filter above which the row is read whole (1 / share of classes).
constexpr Index kFilterLeft = 8;

bool FloatFilter::screen(Index job, Cost outside, Scratch& scratch, FilteredRow& out) const {
  scratch.row.resize(at(width_));
  scratch.slot.resize(at(width_ + 1));
  scratch.least.resize(at((width_ + kFilterBlock - 1) / kFilterBlock));
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
  if (found > n_ / kFilterLeft + 1) return false;
  out.low = outside;
  const double others = std::floor(static_cast<double>(next) - error);
  out.next = others < static_cast<double>(kForbidden / 4) ? static_cast<Cost>(others) : kForbidden;
  const std::span<const Slot> slots(scratch.slot.data(), at(found));
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

namespace {
constexpr Index kMinimaChunk = 1 << 13;  // jobs
}  // namespace

RowMinima::RowMinima(const SolverContext& context, const Level& level, std::span<const Cost> prices)
    : context_(context), level_(level), prices_(prices) {
  const IntegerKeys& keys = context.keys;
  const Cost unit = Cost{1} << keys.perturbation().shift;
  const auto whole = [&](Cost p) { return p >= 0 && p / unit < kInt32Limit && p % unit == 0; };
  if (keys.int32() == nullptr || keys.perturbation().active() || keys.n_slots() == 0 ||
      keys.n_slots() >= kInt32Classes || !std::all_of(prices.begin(), prices.begin() + keys.n_slots(), whole))
    return;
  matrix_ = keys.int32();
  for (Slot s = 0; s < keys.n_slots(); ++s) units_.push_back(static_cast<std::int32_t>(prices[s] / unit));
}

void RowMinima::compute(Index begin, Index count, Scratch& scratch) const {
  scratch.low.resize(at(kBlock));
  if (matrix_ == nullptr) return compute_wide(begin, count, scratch.low.data(), scratch);
  scratch.narrow.resize(at(kBlock));
  const Index n = context_.keys.n_slots();
  for (Index k = 0; k < count; ++k) scratch.narrow[k].low = std::numeric_limits<std::int32_t>::max();
  if (level_.rows == nullptr) {
    screen_rows(matrix_ + begin * n, count, n, units_.data(), units_.data(), scratch.narrow.data());
  } else {
    for (Index k = 0; k < count; ++k)
      screen_rows(matrix_ + level_.row(begin + k) * n, 1, n, units_.data(), units_.data(), &scratch.narrow[k]);
  }
  CostRangeStats ignored;
  for (Index k = 0; k < count; ++k) {
    const Cost low = scratch.narrow[k].low;
    if (low < -kInt32Limit) {
      compute_wide(begin + k, 1, &scratch.low[k], scratch);
      continue;
    }
    scratch.low[k] = low << context_.keys.perturbation().shift;
    if (context_.keys.optional())
      scratch.low[k] = std::min(scratch.low[k], context_.keys.unplaced(level_.row(begin + k), ignored) + prices_[n]);
  }
}

void RowMinima::compute_wide(Index begin, Index count, Cost* low, Scratch& scratch) const {
  const IntegerKeys& keys = context_.keys;
  const Slot n = keys.n_slots();
  scratch.keys.resize(at(kBlock * n));
  scratch.screened.resize(at(kBlock));
  CostRangeStats ignored;
  keys.fill(level_.block(begin, count), scratch.keys.data(), scratch.costs, ignored);
  for (Index k = 0; k < count; ++k) {
    scratch.screened[k].low = kForbidden;
    if (keys.optional()) scratch.screened[k].low = keys.unplaced(level_.row(begin + k), ignored) + prices_[n];
  }
  screen_rows(scratch.keys.data(), count, n, prices_.data(), prices_.data(), scratch.screened.data());
  for (Index k = 0; k < count; ++k) low[k] = scratch.screened[k].low;
}

std::optional<Wide> dual_value(const SolverContext& context, const Level& level, std::span<const Cost> prices) {
  const RowMinima minima(context, level, prices);
  std::vector<Wide> parts;
  context.stop.count(level.n * context.keys.columns());
  const bool whole = context.pool.for_parts(
      parts, level.n, kMinimaChunk,
      [&](auto& part, Index begin, Index end) {
        minima.for_each(begin, end, [&](Index k, Cost low) {
          part += static_cast<Wide>(context.keys.problem().weight(level.row(k))) * low;
        });
      },
      &context.stop);
  if (!whole) return std::nullopt;
  Wide total = 0;
  for (const Wide part : parts) total += part;
  return total;
}

}  // namespace gridcompute::transport
