#include "gridcompute/transport/kernels/row_minima.hpp"

#include <algorithm>
#include <limits>

namespace gridcompute::transport {

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
  scratch.low.resize(static_cast<std::size_t>(kBlock));
  if (matrix_ == nullptr) return compute_wide(begin, count, scratch.low.data(), scratch);
  scratch.narrow.resize(static_cast<std::size_t>(kBlock));
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
  scratch.keys.resize(static_cast<std::size_t>(kBlock * n));
  scratch.screened.resize(static_cast<std::size_t>(kBlock));
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
  std::vector<Wide> parts(static_cast<std::size_t>(Pool::chunks(level.n, kMinimaChunk)), 0);
  context.stop.count(level.n * context.keys.columns());
  const bool whole = context.pool.for_chunks(
      level.n, kMinimaChunk,
      [&](Index chunk, Index begin, Index end) {
        minima.for_each(begin, end, [&](Index k, Cost low) {
          parts[static_cast<std::size_t>(chunk)] +=
              static_cast<Wide>(context.keys.problem().weight(level.row(k))) * low;
        });
      },
      &context.stop);
  if (!whole) return std::nullopt;
  Wide total = 0;
  for (const Wide part : parts) total += part;
  return total;
}

}  // namespace gridcompute::transport
