#include "gridcompute/transport/model/integer_keys.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <span>

#include "gridcompute/base/error.hpp"
#include "gridcompute/base/hash.hpp"
#include "gridcompute/base/simd.hpp"
#include "gridcompute/transport/model/job_shards.hpp"
#include "gridcompute/transport/multilevel/stratified_sampling.hpp"

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

// Ratio of the unit of keys to the spread (powers of two).
constexpr int kSpreadShareBits = 2;
// How far keys may exceed a sample's (ratio).
constexpr Cost kPerturbedHeadroom = 16;

Perturbation choose_perturbation(std::vector<Cost> keys, Cost limit, Slot columns, const PerturbationRequest& wanted,
                                 const Tuning& tuning) {
  const Cost share = Cost{1} << kSpreadShareBits;
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
  const Cost narrow = kMostNarrowKey / kPerturbedHeadroom;
  for (const Cost most : {std::min(narrow, limit), limit / kPerturbedHeadroom}) {
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

namespace {

constexpr double kMostReal = 0x1p900;  // prices are doubles
constexpr double kRoundable = 0x1p51;  // kRound + x rounds up to here

// Computes maxima of doubles by their bits: as integers they are ordered by size, NaN is above infinity, and the loop
// vectorises.
GRIDCOMPUTE_CLONES void quantise(const double* in, Index n, double scale, Cost* GRIDCOMPUTE_RESTRICT out,
                                 CostRangeStats& seen) {
  constexpr auto kSize = std::numeric_limits<std::int64_t>::max();
  constexpr auto kInfinite = std::bit_cast<std::int64_t>(std::numeric_limits<double>::infinity());
  auto largest = std::bit_cast<std::int64_t>(seen.largest), off = std::bit_cast<std::int64_t>(seen.off);
  std::int64_t inexact = 0, invalid = 0;
  for (Index s = 0; s < n; ++s) {
    const double x = in[s] * scale, shifted = x + kRound, change = shifted - kRound - x;
    const auto bits = std::bit_cast<std::int64_t>(in[s]), cost = bits & kSize;
    // Of the cost: a resolution too fine may push x out of range.
    const std::int64_t all = -static_cast<std::int64_t>(cost < kInfinite),
                       size = std::bit_cast<std::int64_t>(x) & kSize & all;
    const std::int64_t moved = std::bit_cast<std::int64_t>(change) & kSize & all, most = moved > kInfinite ? 0 : moved;
    inexact |= most | (-static_cast<std::int64_t>(size == 0) & cost & all);  // underflow to 0 leaves no change
    invalid |= static_cast<std::int64_t>(cost > kInfinite) | static_cast<std::int64_t>(cost == kInfinite && bits < 0);
    largest = size > largest ? size : largest;
    off = most > off ? most : off;
    out[s] = cost < kInfinite ? integer_of(shifted) : kForbidden;
  }
  seen.largest = std::bit_cast<double>(largest);
  seen.off = std::bit_cast<double>(off);
  seen.inexact |= inexact != 0;
  seen.invalid = invalid != 0 ? 0 : seen.invalid;
}

// Returns the nearest integer, within the limit whatever x is: a key out of range is never used, but may be read before
// that is known.
Cost clamped(double x, Cost limit) {
  const auto most = static_cast<double>(limit);
  return x >= most ? limit : x <= -most ? -limit : static_cast<Cost>(std::nearbyint(x));
}

double rounded_up(Wide x) {
  const auto near = static_cast<double>(x);
  return static_cast<Wide>(near) < x ? std::nextafter(near, std::numeric_limits<double>::infinity()) : near;
}

// Returns the largest |key| other than `skip`, as a double.
GRIDCOMPUTE_CLONES double largest_integer(const Cost* in, Index n, Cost skip) {
  Cost low = 0, high = 0;
  for (Index k = 0; k < n; ++k) {
    const Cost key = in[k] == skip ? 0 : in[k];
    low = key < low ? key : low;
    high = key > high ? key : high;
  }
  return rounded_up(std::max<Wide>(high, -static_cast<Wide>(low)));
}

}  // namespace

void CostRangeStats::join(const CostRangeStats& other) noexcept {
  largest = std::max(largest, other.largest);
  inexact |= other.inexact;
  bits |= other.bits;
  off = std::max(off, other.off);
  if (other.invalid >= 0 && (invalid < 0 || other.invalid < invalid)) invalid = other.invalid;
}

void require_priceable(double most) {
  if (!(most > kMostReal)) return;
  throw Error(ErrorKind::cost_range, "cost", -1,
              "costs reach " + shown(most) + "; at most 2^900 is allowed, so that prices are doubles");
}

// By exponents and mantissas: a logarithm is rounded, and just below an integer it would be off by a factor of two.
double choose_resolution(double most, Cost limit) {
  constexpr int kExponents = 1000;  // a factor and its reciprocal are doubles
  if (!(most > 0)) return 1.0;
  int room_exponent = 0, cost_exponent = 0;
  const double room = std::frexp(std::min(static_cast<double>(limit), kRoundable / 2), &room_exponent);
  const double cost = std::frexp(std::min(most, std::numeric_limits<double>::max()), &cost_exponent);
  const int exponent = room_exponent - cost_exponent - (cost > room ? 1 : 0);
  return std::ldexp(1.0, std::clamp(exponent, -kExponents, kExponents));
}

IntegerKeys::IntegerKeys(const Problem& problem, double resolution, Perturbation ties)
    : problem_(&problem),
      n_slots_(static_cast<Slot>(problem.cost->n_slots())),
      columns_(n_slots_ + (problem.unplaced != nullptr ? 1 : 0)),
      integral_(!problem.cost->real() && problem.demand == nullptr && resolution == 1.0),
      resolution_(resolution * ties.scale),
      limit_(largest_cost(n_slots_ + 2)),
      perturber_(ties, n_slots_, columns_) {
  if (!integral_) limit_ = std::min<Cost>(limit_, Cost{1} << 50);
  const double most = problem.cost->known_bound();
  surely_in_range_ = most >= 0 && most * resolution_ <= static_cast<double>(limit_);
}

void IntegerKeys::fill(Rows rows, Cost* out, std::vector<double>& scratch, CostRangeStats& seen) const {
  fill_plain(rows, out, scratch, seen);
  if (perturbation().none()) return;
  for (Index k = 0; k < rows.count; ++k)
    perturber_.row(problem_->cost->identity(rows[k]), out + k * n_slots_, most(), seen.bits);
}

void IntegerKeys::fill_plain(Rows rows, Cost* out, std::vector<double>& scratch, CostRangeStats& seen) const {
  const Index n = n_slots_;
  if (integral_) {
    problem_->cost->integers(rows, out);
    const Cost skip = problem_->cost->forbids() ? kForbidden : 0;
    seen.largest = std::max(seen.largest, largest_integer(out, n * rows.count, skip));
    return;
  }
  const double* costs = rows.list == nullptr ? problem_->cost->float64() : nullptr;
  if (costs != nullptr) {
    costs += rows.first * n;
  } else {
    scratch.resize(static_cast<std::size_t>(std::max<Index>(n * rows.count, 1)));
    problem_->cost->reals(rows, scratch.data());
    costs = scratch.data();
  }
  if (problem_->demand == nullptr) {
    CostRangeStats block = seen;
    block.invalid = -1;
    quantise(costs, n * rows.count, resolution_, out, block);
    if (block.invalid >= 0) {  // rare: find the row
      for (Index k = 0; k < rows.count; ++k) {
        for (Index s = 0; s < n; ++s) {
          if (!(costs[k * n + s] > -kInf)) {
            const Index job = problem_->cost->identity(rows[k]);
            if (seen.invalid < 0 || job < seen.invalid) seen.invalid = job;
          }
        }
      }
    }
    block.invalid = seen.invalid;
    seen = block;
    return;
  }
  for (Index k = 0; k < rows.count; ++k) {
    CostRangeStats row;
    quantise(costs + k * n, n, scale(rows[k]), out + k * n, row);
    if (row.invalid >= 0) row.invalid = problem_->cost->identity(rows[k]);
    seen.join(row);
  }
}

void IntegerKeys::fill_listed(Index first, Index count, Index pairs, Slot* slots, Cost* out,
                              std::vector<double>& scratch, CostRangeStats& seen) const {
  if (integral_) {
    problem_->cost->listed_integers(first, count, slots, out);
    seen.largest = std::max(seen.largest, largest_integer(out, pairs, kForbidden));
    return;
  }
  scratch.resize(static_cast<std::size_t>(pairs));
  problem_->cost->listed_reals(first, count, slots, scratch.data());
  CostRangeStats block;
  quantise(scratch.data(), pairs, resolution_, out, block);
  if (block.invalid >= 0) {  // rare: find the row
    const auto bad = std::find_if(scratch.begin(), scratch.begin() + pairs, [](double x) { return !(x > -kInf); });
    Index job = first;
    for (Index end = problem_->cost->listed(job); end <= bad - scratch.begin();) end += problem_->cost->listed(++job);
    block.invalid = job;
  }
  seen.join(block);
}

void IntegerKeys::convert(Index job, const double* costs, Cost* out, CostRangeStats& seen) const {
  quantise(costs, n_slots_, scale(job), out, seen);
}

Cost IntegerKeys::at(Index job, Slot column) const {
  CostRangeStats ignored;
  if (column == n_slots_) return unplaced(job, ignored);
  Cost key = kForbidden;
  if (integral_) {
    key = problem_->cost->integer_at(job, column);
  } else {
    const double cost = problem_->cost->real_at(job, column);
    if (std::fabs(cost) < kInf)
      key = clamped(cost * (resolution_ / static_cast<double>(problem_->weight(job))), limit_);
  }
  if (perturbation().none() || key >= kForbidden) return key;
  return (std::clamp(key, -most(), most()) << perturbation().shift) +
         perturber_.at(problem_->cost->identity(job), column);
}

Cost IntegerKeys::unplaced(Index job, CostRangeStats& seen) const {
  const double cost = problem_->unplaced[job * problem_->unplaced_stride];
  if (!(cost < kInf)) return kForbidden;  // this job must be placed
  const double x = cost * (resolution_ / static_cast<double>(problem_->weight(job)));
  seen.largest = std::max(seen.largest, std::fabs(x));
  const double key = std::nearbyint(x);
  seen.inexact |= key != x || (x == 0 && cost != 0);
  if (std::fabs(x) < kInf) seen.off = std::max(seen.off, std::fabs(key - x));
  const Cost shifted = clamped(x, most()) << perturbation().shift;
  seen.bits |= static_cast<std::uint64_t>(shifted);
  return shifted;
}

GRIDCOMPUTE_CLONES std::uint64_t bits_of(const Cost* keys, Index n) {
  std::uint64_t bits = 0;
  for (Index k = 0; k < n; ++k) bits |= keys[k] < kForbidden ? static_cast<std::uint64_t>(keys[k]) : 0;
  return bits;
}

// The bits shifted out of the upper half are copies of the sign.
GRIDCOMPUTE_CLONES void divide_keys(const Cost* from, Index n, int shift, std::int32_t* GRIDCOMPUTE_RESTRICT to) {
  for (Index k = 0; k < n; ++k) {
    const auto key = static_cast<std::int32_t>(static_cast<std::uint64_t>(from[k]) >> shift);
    to[k] = from[k] < kForbidden ? key : KeyRange<std::int32_t>::kForbid;
  }
}

GRIDCOMPUTE_CLONES void divide_keys(const Cost* from, Index n, int, Cost* GRIDCOMPUTE_RESTRICT to) {
  for (Index k = 0; k < n; ++k) to[k] = from[k] < kForbidden ? from[k] : KeyRange<Cost>::kForbid;
}

namespace {

// Computes the maximum by bits: as integers doubles are ordered by size, NaN is above infinity, and the loop
// vectorises.
GRIDCOMPUTE_CLONES double largest_finite(const double* row, Index n, bool& invalid) {
  constexpr auto kSize = std::numeric_limits<std::int64_t>::max();
  constexpr auto kInfBits = std::bit_cast<std::int64_t>(std::numeric_limits<double>::infinity());
  std::int64_t most = 0, bad = 0;
  for (Index s = 0; s < n; ++s) {
    const auto bits = std::bit_cast<std::int64_t>(row[s]), size = bits & kSize, finite = size < kInfBits ? size : 0;
    most = finite > most ? finite : most;
    bad |= static_cast<std::int64_t>(size > kInfBits) | static_cast<std::int64_t>(size == kInfBits && bits < 0);
  }
  invalid = bad != 0;
  return std::bit_cast<double>(most);
}

// Returns the costs of these rows, or of their listed pairs, one after the other; copied into `some` where necessary.
std::span<const double> costs_of(const CostSource& source, Rows rows, std::vector<double>& some,
                                 std::vector<Slot>& slots) {
  const double* matrix = rows.list == nullptr ? source.float64() : nullptr;
  if (matrix != nullptr)
    return {matrix + rows.first * source.n_slots(), static_cast<std::size_t>(rows.count * source.n_slots())};
  const bool listed = rows.list == nullptr && rows.count > 0 && source.listed(rows.first) >= 0;
  Index n = listed ? 0 : rows.count * source.n_slots();
  for (Index k = 0; listed && k < rows.count; ++k) n += source.listed(rows[k]);
  some.resize(static_cast<std::size_t>(std::max<Index>(1, n)));
  slots.resize(listed ? some.size() : 0);
  if (listed) {
    source.listed_reals(rows.first, rows.count, slots.data(), some.data());
  } else {
    source.reals(rows, some.data());
  }
  return {some.data(), static_cast<std::size_t>(n)};
}

void look(const Problem& problem, Rows rows, std::vector<double>& some, std::vector<Slot>& slots, Largest& part) {
  bool invalid = false;
  const std::span<const double> costs = costs_of(*problem.cost, rows, some, slots);
  double most = largest_finite(costs.data(), std::ssize(costs), invalid);
  const bool weighed = problem.demand != nullptr;
  if (rows.count > 1 && (invalid || weighed)) {
    for (Index k = 0; k < rows.count; ++k) {
      const Index job = rows[k];
      look(problem, {nullptr, job, 1}, some, slots, part);
    }
    return;
  }
  if (invalid && part.invalid < 0) part.invalid = rows[0];
  for (Index k = 0; problem.unplaced != nullptr && k < rows.count; ++k) {
    const double out = std::fabs(problem.unplaced[rows[k] * problem.unplaced_stride]);
    if (out < std::numeric_limits<double>::infinity()) most = std::max(most, out);
  }
  // Covers the rounding of a division, and of the factors of a key.
  constexpr double kRounded = 1 + 0x1p-50;
  part.cost = std::max(part.cost, weighed ? kRounded * (most / static_cast<double>(problem.weight(rows[0]))) : most);
}

}  // namespace

Largest largest_cost_seen(const Problem& problem, Pool& pool, Stop& stop, bool all, const Tuning& tuning) {
  const CostSource& source = *problem.cost;
  const Index n = source.n_jobs(), s = source.n_slots();
  if (problem.shards != nullptr && (all || n <= tuning.probe_rows)) return {problem.shards->largest_cost(), -1};
  std::vector<Index> rows =
      all || n <= tuning.probe_rows ? std::vector<Index>{} : stratified_sample(n, tuning.probe_rows, 1);
  if (problem.shards != nullptr) rows = problem.shards->rows_of(rows);
  const Index count = rows.empty() ? n : tuning.probe_rows;
  constexpr Index kRows = 64, kKeys = 1 << 18;  // a chunk; fewer keys are read before a thread would have started
  const Index chunk_rows = std::max(kRows, kKeys / std::max<Index>(1, s));
  std::vector<Largest> parts;
  stop.count(count * s);
  pool.for_parts(
      parts, count, chunk_rows,
      [&](auto& part, Index begin, Index end) {
        std::vector<double> some;
        std::vector<Slot> slots;
        for (Index k = begin; k < end; k += kRows) {
          const Rows block =
              Rows{rows.empty() ? nullptr : rows.data() + k, rows.empty() ? k : 0, std::min(kRows, end - k)};
          look(problem, block, some, slots, part);
        }
      },
      &stop);
  Largest total;
  for (const Largest& part : parts) {
    total.cost = std::max(total.cost, part.cost);
    if (part.invalid >= 0 && (total.invalid < 0 || part.invalid < total.invalid)) total.invalid = part.invalid;
  }
  return total;
}

double largest_unplaced(const Problem& problem) {
  if (problem.unplaced == nullptr) return 0;
  if (problem.shards != nullptr) return problem.largest_unplaced;
  const Index n = problem.unplaced_stride == 0 ? std::min<Index>(1, problem.cost->n_jobs()) : problem.cost->n_jobs();
  double most = 0;
  for (Index i = 0; i < n; ++i) {
    const double out = std::fabs(problem.unplaced[i]);
    if (out < std::numeric_limits<double>::infinity()) most = std::max(most, out);
  }
  return most;
}

// How far a cost may exceed the sample's before a restart (ratio).
constexpr double kProbeHeadroom = 16;

double largest_cost_likely(const Problem& problem, Pool& pool, Stop& stop, const Tuning& tuning) {
  constexpr double kMost = std::numeric_limits<double>::max();
  if (const double known = problem.cost->known_bound(); known >= 0)
    return std::min(std::max(known, largest_unplaced(problem)), kMost);
  const bool all = problem.cost->n_jobs() * problem.cost->n_slots() <= tuning.probe_all_costs;
  return std::min(largest_cost_seen(problem, pool, stop, all, tuning).cost * (all ? 1.0 : kProbeHeadroom), kMost);
}

}  // namespace gridcompute::transport
