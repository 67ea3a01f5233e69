#include "gridcompute/transport/model/integer_keys.hpp"

#include <algorithm>
#include <cmath>

#include "gridcompute/base/error.hpp"
#include "gridcompute/base/simd.hpp"

namespace gridcompute::transport {

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

}  // namespace gridcompute::transport
