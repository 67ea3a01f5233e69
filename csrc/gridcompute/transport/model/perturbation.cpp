#include "gridcompute/transport/model/perturbation.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "gridcompute/base/hash.hpp"
#include "gridcompute/base/simd.hpp"

namespace gridcompute::transport {

namespace {

constexpr Cost kMostNarrowKey = Cost{1} << 30;  // largest key in 32 bits (pricing_pass.cpp)
constexpr Cost kRoundedKeys = 16;  // distance in keys below which two keys of reals are the same cost, rounded

GRIDCOMPUTE_CLONES void break_row(Cost* GRIDCOMPUTE_RESTRICT key, const std::uint32_t* factor, Index n, Cost most,
                                  int shift, int up, int drop, std::uint32_t job, std::uint64_t& bits) {
  std::uint64_t all = bits;
  for (Index s = 0; s < n; ++s) {
    const Cost in = key[s];
    Cost k = in < -most ? -most : in;
    k = k > most ? most : k;
    const std::uint64_t shifted = static_cast<std::uint64_t>(k) << shift;
    const std::uint64_t e = std::uint64_t{job * factor[s]} << up >> drop;
    const bool allowed = in < kForbidden;
    all |= allowed ? shifted : 0;
    key[s] = allowed ? static_cast<Cost>(shifted + e) : kForbidden;
  }
  bits = all;
}

GRIDCOMPUTE_CLONES bool break_narrow(const std::int32_t* cost, const std::uint32_t* factor, Index n, std::int32_t most,
                                     int shift, int drop, std::uint32_t job, std::int32_t* GRIDCOMPUTE_RESTRICT out) {
  std::int32_t low = 0, high = 0;
  for (Index s = 0; s < n; ++s) {
    const std::int32_t c = cost[s];
    low = c < low ? c : low;
    high = c > high ? c : high;
    out[s] = static_cast<std::int32_t>((static_cast<std::uint32_t>(c) << shift) + ((job * factor[s]) >> drop));
  }
  return low >= -most && high <= most;
}

Cost remainder(Cost p, Cost unit) {
  const Cost r = p % unit;
  return r < 0 ? r + unit : r;
}

// Returns whether every key is within its rounding of a multiple of the quantum.
bool multiples(std::span<const Cost> keys, double quantum) {
  return std::all_of(keys.begin(), keys.end(), [&](Cost key) {
    const double x = static_cast<double>(key);
    return std::fabs(x - quantum * std::nearbyint(x / quantum)) <= static_cast<double>(kRoundedKeys);
  });
}

Cost power_below(Cost x) { return static_cast<Cost>(std::bit_floor(static_cast<std::uint64_t>(std::max<Cost>(x, 0)))); }

}  // namespace

KeyPerturber::KeyPerturber(const Perturbation& ties, Slot n_slots, Slot columns) : ties_(ties), n_slots_(n_slots) {
  if (ties.none()) return;
  class_.assign(static_cast<std::size_t>(columns), 0);
  if (!ties.active()) return;
  const int bits = std::countr_zero(static_cast<std::uint64_t>(ties.spread));
  up_ = std::max(0, bits - 32);
  drop_ = std::max(0, 32 - bits);
  for (Slot s = 0; s < n_slots; ++s) class_[static_cast<std::size_t>(s)] = odd(-1 - Index{s});
}

std::uint32_t KeyPerturber::odd(Index at) noexcept {
  auto z = (static_cast<std::uint64_t>(at) + 1) * kHashSeed;  // the first step of mixed_bits()
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  return static_cast<std::uint32_t>(z >> 32) | 1U;
}

void KeyPerturber::row(Index job, Cost* keys, Cost most, std::uint64_t& bits) const {
  break_row(keys, class_.data(), n_slots_, most, ties_.shift, up_, drop_, odd(job), bits);
}

bool KeyPerturber::row(Index job, const std::int32_t* costs, std::int32_t* out) const {
  const std::int32_t most = ((std::int32_t{1} << 30) >> ties_.shift) - 1;
  return break_narrow(costs, class_.data(), n_slots_, most, ties_.shift, drop_, odd(job), out);
}

Perturbation choose_perturbation(std::vector<Cost> keys, Cost limit, Slot columns, const PerturbationRequest& wanted,
                                 const Tuning& tuning) {
  const Cost share = Cost{1} << tuning.spread_share_bits;
  std::sort(keys.begin(), keys.end());
  if (keys.empty()) return {};
  Cost largest = std::max({Cost{1}, keys.back(), -keys.front()});
  // Halving the resolution leaves room for e.
  const auto halved = [](Cost spread) {
    return spread / 2 >= kRoundedKeys ? Perturbation{0, spread / 2, 0.5, false} : Perturbation{};
  };
  double scale = 1;
  if (!wanted.shifted) {
    Cost apart = limit;
    std::uint64_t bits = 0;
    double size = 0;
    for (std::size_t k = 0; k < keys.size(); ++k) {
      if (k > 0 && keys[k] - keys[k - 1] > kRoundedKeys) apart = std::min(apart, keys[k] - keys[k - 1]);
      bits |= static_cast<std::uint64_t>(keys[k]);
      size += std::fabs(static_cast<double>(keys[k])) / static_cast<double>(keys.size());
    }
    const auto unit = static_cast<Cost>(bits & (~bits + 1));
    if (unit >= apart / share) {
      return halved(power_below(unit / share));
    }
    if (wanted.error > 0) {
      const Cost spread = power_below(std::min(apart / share, static_cast<Cost>(size * wanted.error)));
      return halved(spread);
    }
    const double quantum = static_cast<double>(largest) / std::nearbyint(static_cast<double>(largest / apart));
    if (!multiples(keys, quantum)) return {};
    scale = 1 / quantum;
    largest = static_cast<Cost>(std::nearbyint(static_cast<double>(largest) * scale));
  }
  const auto at = [&](int bits, Cost most) {
    const Cost unit = share << bits;
    if (largest >= most / unit || unit < columns + 2) return Perturbation{};
    return Perturbation{std::countr_zero(static_cast<std::uint64_t>(unit)), unit / share, scale, !wanted.shifted};
  };
  const Cost narrow = kMostNarrowKey / tuning.perturbed_headroom;
  for (const Cost most : {std::min(narrow, limit), limit / tuning.perturbed_headroom}) {
    for (int bits = tuning.spread_bits_most; bits >= tuning.spread_bits_least; --bits) {
      if (const Perturbation ties = at(bits, most); ties.active()) return ties;
    }
  }
  return {};
}

UnitPrices round_to_units(std::span<const Cost> prices, Cost unit) {
  std::vector<Cost> rest{0};
  for (const Cost p : prices) rest.push_back(remainder(p, unit));
  std::sort(rest.begin(), rest.end());
  Cost cut = rest.front();
  UnitPrices out{{}, cut + unit - rest.back()};
  for (std::size_t k = 1; k < rest.size(); ++k) {
    if (rest[k] - rest[k - 1] > out.gap) out.gap = rest[k] - rest[k - 1], cut = rest[k];
  }
  const auto whole = [&](Cost p) { return p - cut - remainder(p - cut, unit); };
  for (const Cost p : prices) out.prices.push_back(whole(p) - whole(0));
  return out;
}

}  // namespace gridcompute::transport
