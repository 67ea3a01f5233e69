#include "gridcompute/transport/generalized_assignment/window_dp.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::transport {

namespace {

// Returns the sum of a partial cost and the key of leaving a job unassigned, kForbidden at most: several such keys may
// be kForbidden, and their sum would overflow. Both are at most kForbidden, so this sum does not.
inline Cost plus_unassigned(Cost cost, Cost key) { return std::min(cost + key, kForbidden); }

GRIDCOMPUTE_CLONES void add_to(const Cost* GRIDCOMPUTE_RESTRICT from, Index n, Cost key,
                               Cost* GRIDCOMPUTE_RESTRICT to) {
  for (Index x = 0; x < n; ++x) {
    const Cost sum = from[x] + key;
    to[x] = sum < kForbidden ? sum : kForbidden;
  }
}

GRIDCOMPUTE_CLONES void lower_to(const Cost* GRIDCOMPUTE_RESTRICT from, Index n, Cost key,
                                 Cost* GRIDCOMPUTE_RESTRICT to) {
  for (Index x = 0; x < n; ++x) {
    const Cost sum = from[x] + key;
    to[x] = sum < to[x] ? sum : to[x];
  }
}

// Returns the gcd of the demands, the unit of demands and capacities; capacity beyond the total demand is cut off.
Cost unit_of(const JobWindow& window) {
  Cost unit = 0;
  for (const Cost w : window.weight) unit = std::gcd(unit, w);
  return std::max<Cost>(1, unit);
}

Cost room_in(const JobWindow& window, Slot c, Cost unit, Cost all) {
  return std::min(window.room[static_cast<std::size_t>(c)], all) / unit;
}

Cost sum_of(const std::vector<Cost>& weight) { return std::accumulate(weight.begin(), weight.end(), Cost{0}); }

}  // namespace

double WindowDp::steps_by_loads(const JobWindow& window, const WholeJobTuning& tuning) {
  const Cost unit = unit_of(window), all = sum_of(window.weight);
  double cells = 1;
  for (Slot c = 0; c < window.classes(); ++c) cells *= static_cast<double>(room_in(window, c, unit, all) + 1);
  const auto m = static_cast<double>(window.jobs());
  return cells * (m + 1) > tuning.window_cells ? kInf : cells * m * (window.classes() + 1);
}

double WindowDp::steps_by_subsets(const JobWindow& window, const WholeJobTuning& tuning) {
  if (window.jobs() > tuning.subset_jobs) return kInf;
  return std::pow(3.0, static_cast<double>(window.jobs())) * window.classes();
}

void WindowDp::solve_by_loads(const JobWindow& window, std::uint64_t random, std::vector<Slot>& to) {
  const Cost unit = unit_of(window), all = sum_of(window.weight);
  const Slot k = window.classes();
  const Index m = window.jobs();
  room_.resize(static_cast<std::size_t>(k));
  stride_.resize(static_cast<std::size_t>(k) + 1);
  stride_[0] = 1;
  for (Slot c = 0; c < k; ++c) {
    room_[c] = room_in(window, c, unit, all);
    stride_[c + 1] = stride_[c] * (room_[c] + 1);
  }
  const Index cells = stride_[k];
  layers_.resize(static_cast<std::size_t>((m + 1) * cells));
  std::fill_n(layers_.begin(), cells, Cost{0});
  for (Index j = 0; j < m; ++j) {
    const Cost* before = layers_.data() + j * cells;
    Cost* after = layers_.data() + (j + 1) * cells;
    const Cost* key = window.key.data() + j * (k + 1);
    const Cost weight = window.weight[static_cast<std::size_t>(j)] / unit;
    add_to(before, cells, key[k], after);
    for (Slot c = 0; c < k; ++c) {
      if (key[c] >= kForbidden || weight > room_[c]) continue;
      const Index first = weight * stride_[c], run = stride_[c + 1] - first;
      for (Index x = 0; x < cells; x += stride_[c + 1]) lower_to(before + x, run, key[c], after + x + first);
    }
  }
  to.resize(static_cast<std::size_t>(m));
  Index x = cells - 1;
  for (Index j = m; j-- > 0;) {
    const Cost* before = layers_.data() + j * cells;
    const Cost now = layers_[static_cast<std::size_t>((j + 1) * cells + x)];
    const Cost* key = window.key.data() + j * (k + 1);
    const Cost weight = window.weight[static_cast<std::size_t>(j)] / unit;
    const auto start = static_cast<Slot>(random % static_cast<std::uint64_t>(k + 1));
    random = random * 6364136223846793005u + 1442695040888963407u;
    for (Slot step = 0; step <= k; ++step) {
      const Slot c = (start + step) % (k + 1);
      if (c == k ? plus_unassigned(before[x], key[k]) != now
                 : key[c] >= kForbidden || x / stride_[c] % (room_[c] + 1) < weight ||
                       before[x - weight * stride_[c]] + key[c] != now)
        continue;
      to[static_cast<std::size_t>(j)] = c;
      if (c < k) x -= weight * stride_[c];
      break;
    }
  }
}

void WindowDp::solve_by_subsets_of_jobs(const JobWindow& window, std::vector<Slot>& to) {
  const Slot k = window.classes();
  const Index m = window.jobs();
  const std::uint32_t all = (1u << m) - 1;
  const std::size_t sets = std::size_t{all} + 1;
  const auto key = [&](std::uint32_t j, Slot c) { return window.key[j * static_cast<std::size_t>(k + 1) + c]; };
  layers_.resize(sets * static_cast<std::size_t>(k + 1));
  sum_.resize(sets);
  weight_.assign(sets, 0);
  layers_[0] = sum_[0] = 0;
  for (std::uint32_t set = 1; set <= all; ++set) {
    const auto j = static_cast<std::uint32_t>(std::countr_zero(set));
    weight_[set] = weight_[set & (set - 1)] + window.weight[j];
    layers_[set] = plus_unassigned(layers_[set & (set - 1)], key(j, k));
  }
  const auto open_to = [&](Slot c) {
    std::uint32_t open = 0;
    for (Index j = 0; j < m; ++j)
      if (key(static_cast<std::uint32_t>(j), c) < kForbidden) open |= 1u << j;
    return open;
  };
  for (Slot c = 0; c < k; ++c) {
    const Cost* before = layers_.data() + sets * static_cast<std::size_t>(c);
    Cost* after = layers_.data() + sets * static_cast<std::size_t>(c + 1);
    std::copy_n(before, sets, after);
    const std::uint32_t open = open_to(c);
    for (std::uint32_t some = (0 - open) & open; some != 0; some = (some - open) & open) {
      if (weight_[some] > window.room[c]) continue;
      sum_[some] = sum_[some & (some - 1)] + key(static_cast<std::uint32_t>(std::countr_zero(some)), c);
      const std::uint32_t others = all & ~some;
      for (std::uint32_t rest = others;; rest = (rest - 1) & others) {
        after[rest | some] = std::min(after[rest | some], before[rest] + sum_[some]);
        if (rest == 0) break;
      }
    }
  }
  to.assign(static_cast<std::size_t>(m), k);
  std::uint32_t left = all;
  for (Slot c = k; c-- > 0 && left != 0;) {
    const Cost* before = layers_.data() + sets * static_cast<std::size_t>(c);
    const Cost now = layers_[sets * static_cast<std::size_t>(c + 1) + left];
    if (before[left] == now) continue;
    const std::uint32_t open = open_to(c) & left;
    for (std::uint32_t some = open; some != 0; some = (some - 1) & open) {
      if (weight_[some] > window.room[c]) continue;
      Cost sum = 0;
      for (std::uint32_t set = some; set != 0; set &= set - 1)
        sum += key(static_cast<std::uint32_t>(std::countr_zero(set)), c);
      if (before[left & ~some] + sum != now) continue;
      for (std::uint32_t set = some; set != 0; set &= set - 1) to[static_cast<std::size_t>(std::countr_zero(set))] = c;
      left &= ~some;
      break;
    }
  }
}

}  // namespace gridcompute::transport
