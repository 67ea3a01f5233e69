#include "gridcompute/transport/kernels/row_minima.hpp"

#include <algorithm>
#include <limits>

namespace gridcompute::transport {

namespace {
constexpr Index kChunk = 1 << 13;  // jobs
}  // namespace

Lows::Lows(const Scan& how, const Level& level, std::span<const Cost> prices)
    : how_(how), level_(level), prices_(prices) {
  const Keys& keys = how.keys;
  const Cost unit = Cost{1} << keys.ties().shift;
  const auto whole = [&](Cost p) { return p >= 0 && p / unit < kNarrow && p % unit == 0; };
  if (keys.int32() == nullptr || keys.ties().broken() || keys.n_slots() == 0 || keys.n_slots() >= kNarrowClasses ||
      !std::all_of(prices.begin(), prices.begin() + keys.n_slots(), whole))
    return;
  matrix_ = keys.int32();
  for (Slot s = 0; s < keys.n_slots(); ++s) units_.push_back(static_cast<std::int32_t>(prices[s] / unit));
}

void Lows::look(Index begin, Index count, Scratch& scratch) const {
  scratch.low.resize(static_cast<std::size_t>(kBlock));
  if (matrix_ == nullptr) return look_wide(begin, count, scratch.low.data(), scratch);
  scratch.narrow.resize(static_cast<std::size_t>(kBlock));
  const Index n = how_.keys.n_slots();
  for (Index k = 0; k < count; ++k) scratch.narrow[k].low = std::numeric_limits<std::int32_t>::max();
  if (level_.rows == nullptr) {
    look_rows(matrix_ + begin * n, count, n, units_.data(), units_.data(), scratch.narrow.data());
  } else {
    for (Index k = 0; k < count; ++k)
      look_rows(matrix_ + level_.row(begin + k) * n, 1, n, units_.data(), units_.data(), &scratch.narrow[k]);
  }
  Seen ignored;
  for (Index k = 0; k < count; ++k) {
    const Cost low = scratch.narrow[k].low;
    if (low < -kNarrow) {
      look_wide(begin + k, 1, &scratch.low[k], scratch);
      continue;
    }
    scratch.low[k] = low << how_.keys.ties().shift;
    if (how_.keys.optional())
      scratch.low[k] = std::min(scratch.low[k], how_.keys.unplaced(level_.row(begin + k), ignored) + prices_[n]);
  }
}

void Lows::look_wide(Index begin, Index count, Cost* low, Scratch& scratch) const {
  const Keys& keys = how_.keys;
  const Slot n = keys.n_slots();
  scratch.keys.resize(static_cast<std::size_t>(kBlock * n));
  scratch.looks.resize(static_cast<std::size_t>(kBlock));
  Seen ignored;
  keys.fill(level_.block(begin, count), scratch.keys.data(), scratch.costs, ignored);
  for (Index k = 0; k < count; ++k) {
    scratch.looks[k].low = kForbidden;
    if (keys.optional()) scratch.looks[k].low = keys.unplaced(level_.row(begin + k), ignored) + prices_[n];
  }
  look_rows(scratch.keys.data(), count, n, prices_.data(), prices_.data(), scratch.looks.data());
  for (Index k = 0; k < count; ++k) low[k] = scratch.looks[k].low;
}

std::optional<Wide> value_of(const Scan& how, const Level& level, std::span<const Cost> prices) {
  const Lows lows(how, level, prices);
  std::vector<Wide> parts(static_cast<std::size_t>(Pool::chunks(level.n, kChunk)), 0);
  const bool whole = how.pool.for_chunks(
      level.n, kChunk,
      [&](Index chunk, Index begin, Index end) {
        Lows::Scratch scratch;
        for (Index b = begin; b < end; b += Lows::kBlock) {
          const Index count = std::min(Lows::kBlock, end - b);
          lows.look(b, count, scratch);
          for (Index k = 0; k < count; ++k)
            parts[static_cast<std::size_t>(chunk)] +=
                static_cast<Wide>(how.keys.problem().weight(level.row(b + k))) * scratch.low[k];
        }
      },
      &how.stop);
  if (!whole) return std::nullopt;
  Wide total = 0;
  for (const Wide part : parts) total += part;
  return total;
}

}  // namespace gridcompute::transport
