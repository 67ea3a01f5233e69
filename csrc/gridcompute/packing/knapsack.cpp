#include "gridcompute/packing/knapsack.hpp"

#include <algorithm>
#include <array>

namespace gridcompute::packing {

Content best_content(std::span<const std::int32_t> milli, std::span<const std::int64_t> value) {
  std::array<std::int64_t, kDevice + 1> best{};
  std::array<std::int32_t, kDevice + 1> part;
  part.fill(-1);
  for (std::int32_t c = 1; c <= kDevice; ++c) {
    best[static_cast<std::size_t>(c)] = best[static_cast<std::size_t>(c - 1)];
    for (std::size_t k = 0; k < milli.size(); ++k) {
      if (milli[k] > c) continue;
      const std::int64_t with = best[static_cast<std::size_t>(c - milli[k])] + value[k];
      if (with > best[static_cast<std::size_t>(c)])
        best[static_cast<std::size_t>(c)] = with, part[static_cast<std::size_t>(c)] = static_cast<std::int32_t>(k);
    }
  }
  Content out{best[kDevice], std::vector<std::int32_t>(milli.size(), 0)};
  for (std::int32_t c = kDevice; c > 0;) {
    const std::int32_t k = part[static_cast<std::size_t>(c)];
    if (k >= 0) ++out.count[static_cast<std::size_t>(k)];
    c -= k >= 0 ? milli[static_cast<std::size_t>(k)] : 1;
  }
  return out;
}

Content best_content(const Layout& layout, std::span<const std::int64_t> value) {
  Layout priced = layout;
  priced.set_prices({value.begin(), value.end()});
  Content out{priced.room(0), std::vector<std::int32_t>(value.size(), 0)};
  for (State s = 0; priced.room(s) > 0;) {
    for (Index k = 0;; ++k) {
      const State to = priced.next(s, k);
      const std::int32_t p = priced.profile(k);
      if (to == kNoState || priced.room(s) != value[static_cast<std::size_t>(p)] + priced.room(to)) continue;
      ++out.count[static_cast<std::size_t>(p)];
      s = to;
      break;
    }
  }
  return out;
}

}  // namespace gridcompute::packing
