#include "gridcompute/transport/model/perturbation.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::transport {

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr int kMostBits = 16, kLeastBits = 6;  // of a spread where keys are shifted
constexpr Cost kQuarter = 4;                   // of a unit is the spread
constexpr Cost kNarrowKeys = Cost{1} << 26;    // of a sample: pricing_pass.cpp takes 2^30 for 32 bits
constexpr Cost kHeadroom = 16;                 // how much larger than those of a sample keys may be
constexpr Cost kNear = 2;                      // keys: a box of radius 1 holds them
constexpr Cost kRounded = 16;                  // keys closer than that are one

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

// Is every key within its rounding of a multiple?
bool multiples(std::span<const Cost> keys, double quantum) {
  return std::all_of(keys.begin(), keys.end(), [&](Cost key) {
    const double x = static_cast<double>(key);
    return std::fabs(x - quantum * std::nearbyint(x / quantum)) <= static_cast<double>(kRounded);
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
  auto z = (static_cast<std::uint64_t>(at) + 1) * 0x9E3779B97F4A7C15ULL;  // splitmix64
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

bool needs_perturbation(const RestrictedProblem& r, std::span<const Slot> duplicate_of, std::span<const Cost> prices,
                        bool first) {
  Index close = 0, members = 0;
  std::vector<Index> counted(duplicate_of.size(), -1);  // the last group that did, by the first of alike classes
  for (Index g = 0; g < r.groups(); ++g) {
    Cost least = std::numeric_limits<Cost>::max();
    for (Index c = r.begin[g]; c < r.begin[g] + r.size[g]; ++c) least = std::min(least, r.key[c] + prices[r.slot[c]]);
    --close;
    for (Index c = r.begin[g]; c < r.begin[g] + r.size[g]; ++c) {
      Index& last = counted[duplicate_of[r.slot[c]]];
      if (last == g || r.key[c] + prices[r.slot[c]] > least + kNear) continue;
      last = g;
      ++close;
    }
    members += r.members[g];
  }
  // A basis of S prices has as many ties of its own.
  close -= r.columns;
  const auto n = static_cast<Index>(r.place_of.size());
  return members <= 2 * r.groups() ? 2 * close > n : !first && close > n;
}

Perturbation choose_perturbation(std::vector<Cost> keys, Cost limit, Slot columns, const PerturbationRequest& wanted) {
  std::sort(keys.begin(), keys.end());
  if (keys.empty()) return {};
  Cost largest = std::max({Cost{1}, keys.back(), -keys.front()});
  // Half the resolution leaves room for what is added.
  const auto halved = [](Cost spread) {
    return spread / 2 >= kRounded ? Perturbation{0, spread / 2, 0.5, false} : Perturbation{};
  };
  double scale = 1;
  if (!wanted.shifted) {
    Cost apart = limit;
    std::uint64_t bits = 0;
    double size = 0;
    for (std::size_t k = 0; k < keys.size(); ++k) {
      if (k > 0 && keys[k] - keys[k - 1] > kRounded) apart = std::min(apart, keys[k] - keys[k - 1]);
      bits |= static_cast<std::uint64_t>(keys[k]);
      size += std::fabs(static_cast<double>(keys[k])) / static_cast<double>(keys.size());
    }
    const auto unit = static_cast<Cost>(bits & (~bits + 1));
    if (unit >= apart / kQuarter) {
      return halved(power_below(unit / kQuarter));
    }
    if (wanted.error > 0) {
      const Cost spread = power_below(std::min(apart / kQuarter, static_cast<Cost>(size * wanted.error)));
      return halved(spread);
    }
    const double quantum = static_cast<double>(largest) / std::nearbyint(static_cast<double>(largest / apart));
    if (!multiples(keys, quantum)) return {};
    scale = 1 / quantum;
    largest = static_cast<Cost>(std::nearbyint(static_cast<double>(largest) * scale));
  }
  const auto at = [&](int bits, Cost most) {
    const Cost unit = kQuarter << bits;
    if (largest >= most / unit || unit < columns + 2) return Perturbation{};
    return Perturbation{std::countr_zero(static_cast<std::uint64_t>(unit)), unit / kQuarter, scale, !wanted.shifted};
  };
  for (const Cost most : {std::min(kNarrowKeys, limit), limit / kHeadroom}) {
    for (int bits = kMostBits; bits >= kLeastBits; --bits) {
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

void remove_perturbation(RestrictedProblem& r, const KeyPerturber& breaker, const std::function<Index(Index)>& job_at,
                         const std::function<Cost(Index)>& weight_of, Pool& pool) {
  constexpr Index kChunk = 1 << 14;
  const auto n = static_cast<Index>(r.place_of.size());
  const Cost most = breaker.perturbation().spread - 1;
  std::vector<Wide> added(static_cast<std::size_t>(Pool::chunks(n, kChunk)), 0);
  pool.for_chunks(n, kChunk, [&](Index chunk, Index begin, Index end) {
    for (Index k = begin; k < end; ++k) {
      const Index job = job_at(k);
      const std::int32_t w = r.place_of[k], g = ~w;
      const Cost first = breaker.at(job, w >= 0 ? w : r.slot[r.begin[g]]);
      added[static_cast<std::size_t>(chunk)] += static_cast<Wide>(weight_of(k)) * first;
      if (w >= 0) {
        const float less = r.margin[k] - static_cast<float>(most - first);
        r.margin[k] = std::nextafterf(std::nextafterf(less, -kInf), -kInf);  // two roundings
        continue;
      }
      for (Index c = r.begin[g]; c < r.begin[g] + r.size[g]; ++c) r.key[c] -= breaker.at(job, r.slot[c]) - first;
      if (r.next[g] < kForbidden) r.next[g] -= most - first;
    }
  });
  for (const Wide e : added) r.base -= e;
}

}  // namespace gridcompute::transport
