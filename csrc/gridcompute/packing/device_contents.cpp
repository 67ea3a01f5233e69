#include "gridcompute/packing/device_contents.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "gridcompute/base/error.hpp"

namespace gridcompute::packing {

namespace {

[[noreturn]] void refuse(Index at, const std::string& what) {
  throw Error(ErrorKind::invalid_problem, "templates", at, "templates[" + std::to_string(at) + "]: " + what);
}

}  // namespace

Layout::Layout(Index n_states, std::vector<State> next, std::vector<std::int32_t> profile,
               std::vector<std::int32_t> used, Index n_profiles)
    : n_profiles_(static_cast<std::int32_t>(n_profiles)), profile_(std::move(profile)), used_(std::move(used)) {
  const auto n = at(n_states), items = profile_.size();
  if (n_states < 1 || n_states >= kMostStates)
    refuse(0, "found " + std::to_string(n_states) + " states, needed 1 to " + std::to_string(kMostStates - 1));
  if (items == 0 || next.size() != n * items || used_.size() != n) refuse(0, "found a table of another size");
  for (std::size_t k = 0; k < items; ++k)
    if (profile_[k] < 0 || profile_[k] >= n_profiles) refuse(static_cast<Index>(k), "found no profile of this number");
  full_ = static_cast<State>(n);
  next_ = std::move(next);
  next_.resize((n + 1) * items, kNoState);
  used_.push_back(kDevice);
  previous_.assign((n + 1) * items, kNoState);
  for (std::size_t s = 0; s < n; ++s) {
    for (std::size_t k = 0; k < items; ++k) {
      const State to = next_[s * items + k];
      if (to == kNoState) continue;
      // Each item increases the part in use, and no state exceeds the device: the automaton has no cycle.
      if (to >= n || used_[to] <= used_[s] || used_[to] > kDevice)
        refuse(static_cast<Index>(s), "found a transition that leads nowhere, or to no fuller state");
      if (previous_[to * items + k] != kNoState) refuse(static_cast<Index>(to), "found two ways to take an item out");
      previous_[to * items + k] = static_cast<State>(s);
    }
  }
  std::vector<std::int64_t> weight(at(n_profiles), 0);
  for (std::size_t k = 0; k < items; ++k)
    for (std::size_t s = 0; s < n; ++s)
      if (next_[s * items + k] != kNoState) weight[at(profile_[k])] = used_[next_[s * items + k]] - used_[s];
  set_prices(weight);
}

void Layout::set_prices(const std::vector<std::int64_t>& price) {
  if (in_milli()) return;
  const std::size_t items = profile_.size(), n = used_.size(), profiles = at(n_profiles_);
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return used_[a] > used_[b]; });
  room_.assign(n, 0);
  choice_.assign(n * profiles, -1);
  for (const std::size_t s : order) {
    for (std::size_t k = 0; k < items; ++k) {
      const State to = next_[s * items + k];
      if (to == kNoState) continue;
      const auto p = at(profile_[k]);
      room_[s] = std::max(room_[s], price[p] + room_[to]);
      std::int32_t& best = choice_[s * profiles + p];
      if (best < 0 || room_[to] > room_[next_[s * items + at(best)]]) best = static_cast<std::int32_t>(k);
    }
  }
}

Content best_content(std::span<const std::int32_t> milli, std::span<const std::int64_t> value) {
  std::array<std::int64_t, kDevice + 1> best{};
  std::array<std::int32_t, kDevice + 1> part;
  part.fill(-1);
  for (std::int32_t c = 1; c <= kDevice; ++c) {
    best[at(c)] = best[at(c - 1)];
    for (std::size_t k = 0; k < milli.size(); ++k) {
      if (milli[k] > c) continue;
      const std::int64_t with = best[at(c - milli[k])] + value[k];
      if (with > best[at(c)]) best[at(c)] = with, part[at(c)] = static_cast<std::int32_t>(k);
    }
  }
  Content out{best[kDevice], std::vector<std::int32_t>(milli.size(), 0)};
  for (std::int32_t c = kDevice; c > 0;) {
    const std::int32_t k = part[at(c)];
    if (k >= 0) ++out.count[at(k)];
    c -= k >= 0 ? milli[at(k)] : 1;
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
      if (to == kNoState || priced.room(s) != value[at(p)] + priced.room(to)) continue;
      ++out.count[at(p)];
      s = to;
      break;
    }
  }
  return out;
}

}  // namespace gridcompute::packing
