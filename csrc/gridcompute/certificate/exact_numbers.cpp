#include "gridcompute/certificate/exact_numbers.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::certificate {

namespace {

__extension__ using Unsigned = unsigned __int128;

constexpr std::int64_t kDigitMask = 0xffffffff;                    // digits have 32 bits
constexpr std::int64_t kTermsBeforeCarry = std::int64_t{1} << 30;  // of 33 bits fit 63

}  // namespace

void ExactSum::add(double x) noexcept {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const int biased = static_cast<int>(bits >> 52) & 0x7ff;
  std::uint64_t mantissa = bits & 0xfffffffffffff;
  if (biased != 0) mantissa |= std::uint64_t{1} << 52;
  const int place = (biased != 0 ? biased - 1075 : -1074) + kBias;
  const Unsigned shifted = static_cast<Unsigned>(mantissa) << (place & 31);
  const std::int64_t sign = (bits >> 63) != 0 ? -1 : 1;
  std::int64_t* digit = &digit_[at(place >> 5)];
  digit[0] += sign * static_cast<std::int64_t>(static_cast<std::uint64_t>(shifted) & kDigitMask);
  digit[1] += sign * static_cast<std::int64_t>(static_cast<std::uint64_t>(shifted >> 32) & kDigitMask);
  digit[2] += sign * static_cast<std::int64_t>(static_cast<std::uint64_t>(shifted >> 64));
  if (++terms_ == kTermsBeforeCarry) carry();
}

void ExactSum::add(Wide mantissa, int exponent) noexcept {
  const int place = exponent + kBias;
  const std::int64_t sign = mantissa < 0 ? -1 : 1;
  Unsigned rest = mantissa < 0 ? -static_cast<Unsigned>(mantissa) : static_cast<Unsigned>(mantissa);
  std::int64_t* digit = &digit_[at(place >> 5)];
  // The first digit receives the bits up to its upper end; from there on the mantissa is cut every 32 bits.
  const int room = 32 - (place & 31);
  const std::uint64_t low = static_cast<std::uint64_t>(rest) & ((std::uint64_t{1} << room) - 1);
  *digit += sign * static_cast<std::int64_t>(low << (32 - room));
  for (rest >>= room; rest != 0; rest >>= 32) {
    *++digit += sign * static_cast<std::int64_t>(static_cast<std::uint64_t>(rest) & kDigitMask);
  }
  if (++terms_ == kTermsBeforeCarry) carry();
}

void ExactSum::subtract_product(Cost a, double x) noexcept {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const int biased = static_cast<int>(bits >> 52) & 0x7ff;
  auto mantissa = static_cast<std::int64_t>(bits & 0xfffffffffffff);
  if (biased != 0) mantissa |= std::int64_t{1} << 52;
  const Wide product = static_cast<Wide>(a) * mantissa;  // 63 + 53 bits
  add((bits >> 63) != 0 ? product : -product, biased != 0 ? biased - 1075 : -1074);
}

void ExactSum::join(ExactSum& other) noexcept {
  other.carry();
  carry();
  for (std::size_t k = 0; k < digit_.size(); ++k) digit_[k] += other.digit_[k];
  carry();
}

void ExactSum::carry() noexcept {
  for (std::size_t k = 0; k + 1 < digit_.size(); ++k) {
    digit_[k + 1] += digit_[k] >> 32;  // rounds down: every digit but the last ends up in [0, 2^32)
    digit_[k] &= kDigitMask;
  }
  terms_ = 0;
}

void ExactSum::negate() noexcept {
  carry();
  for (std::int64_t& d : digit_) d = -d;
  carry();
}

bool ExactSum::less(const ExactSum& other) const noexcept {
  ExactSum mine = *this, theirs = other;
  theirs.negate();
  mine.join(theirs);
  return mine.sign() < 0;
}

int ExactSum::sign() noexcept {
  carry();
  if (digit_.back() < 0) return -1;
  for (const std::int64_t d : digit_) {
    if (d != 0) return 1;
  }
  return 0;
}

double ExactSum::toward_zero(bool& rest) noexcept {
  rest = false;
  int top = kDigits - 1;
  while (top >= 0 && digit_[at(top)] == 0) --top;
  if (top < 0) return 0.0;
  // The highest three digits hold the 53 bits.
  Unsigned head = 0;
  for (int k = top; k > top - 3; --k) {
    head = (head << 32) | static_cast<Unsigned>(k >= 0 ? digit_[at(k)] : 0);
  }
  int bits = 0;
  while (bits < 96 && (head >> bits) != 0) ++bits;
  const int drop = bits > 53 ? bits - 53 : 0;
  rest = (head & ((static_cast<Unsigned>(1) << drop) - 1)) != 0;
  for (int k = 0; k <= top - 3 && !rest; ++k) rest = digit_[at(k)] != 0;
  const double value =
      std::ldexp(static_cast<double>(static_cast<std::uint64_t>(head >> drop)), drop + 32 * (top - 2) - kBias);
  if (std::isfinite(value)) return value;
  rest = true;
  return std::numeric_limits<double>::max();
}

double ExactSum::down() noexcept {
  const bool negative = sign() < 0;
  ExactSum size = *this;
  if (negative) size.negate();
  bool rest = false;
  const double value = size.toward_zero(rest);
  constexpr double inf = std::numeric_limits<double>::infinity();
  if (!negative) return value;
  return rest ? std::nextafter(-value, -inf) : -value;
}

double ExactSum::up() noexcept {
  ExactSum other = *this;
  other.negate();
  return 0.0 - other.down();  // and not -0.0
}

bool ExactSum::fraction() const noexcept {
  for (int k = 0; k < kPoint; ++k) {
    if (digit_[at(k)] != 0) return true;
  }
  return false;
}

std::optional<Wide> ExactSum::integer() noexcept {
  carry();
  if (fraction()) return std::nullopt;
  return ceiling();
}

std::optional<Wide> ExactSum::ceiling() noexcept {
  const bool negative = sign() < 0;
  const bool more = fraction();
  // Two's complement: the integer digits are the floor. Four of them have the value, the others repeat the sign.
  Unsigned floor = 0;
  for (int k = kPoint + 3; k >= kPoint; --k) {
    floor = (floor << 32) | static_cast<Unsigned>(digit_[at(k)]);
  }
  for (int k = kPoint + 4; k < kDigits; ++k) {
    const std::int64_t all = negative ? (k + 1 < kDigits ? kDigitMask : -1) : 0;
    if (digit_[at(k)] != all) return std::nullopt;
  }
  const auto value = static_cast<Wide>(floor);
  constexpr Wide most = static_cast<Wide>(1) << 126;
  if (value < -most || value >= most || (value < 0) != negative) return std::nullopt;
  return value + (more ? 1 : 0);
}

namespace {

// Costs and weighted prices below this add up to less than kForbidden.
constexpr Cost kSmall = Cost{1} << 60;
// Prices below this are converted to integers; with a remainder below 2^53 they fit an int64.
constexpr double kMaxIntegerPrice = 0x1p62;
// Integers of this magnitude and above may not be doubles.
constexpr double kExactInteger = 0x1p53;
// Sums and products of two numbers below this do not overflow, nor do their intermediate results.
constexpr double kNoOverflow = 0x1p1020;

// Returns the least c + w p in doubles. invalid: some cost is NaN or -inf.
GRIDCOMPUTE_CLONES double least_sum(const double* costs, const double* prices, double weight, Index n, bool& invalid) {
  constexpr Index kLanes = 8;  // independent minima: compilers make vectors of them
  double least[kLanes];
  std::int64_t bad[kLanes];
  for (Index l = 0; l < kLanes; ++l) least[l] = kInf, bad[l] = 0;
  Index s = 0;
  for (; s + kLanes <= n; s += kLanes) {
    for (Index l = 0; l < kLanes; ++l) {
      const double c = costs[s + l], sum = c + weight * prices[s + l];
      least[l] = sum < least[l] ? sum : least[l];
      bad[l] |= static_cast<std::int64_t>(!(c > -kInf));
    }
  }
  for (; s < n; ++s) {
    const double sum = costs[s] + weight * prices[s];
    least[0] = sum < least[0] ? sum : least[0];
    bad[0] |= static_cast<std::int64_t>(!(costs[s] > -kInf));
  }
  for (Index l = 1; l < kLanes; ++l) least[0] = std::min(least[0], least[l]), bad[0] |= bad[l];
  invalid = bad[0] != 0;
  return least[0];
}

// Returns the least c + w p in doubles of integer costs; where `forbids`, of those other than kForbidden.
GRIDCOMPUTE_CLONES double least_sum(const Cost* costs, const double* prices, double weight, Index n, bool forbids) {
  constexpr Index kLanes = 8;  // as above
  const std::int64_t skip = forbids ? -1 : 0;
  double least[kLanes];
  for (Index l = 0; l < kLanes; ++l) least[l] = kInf;
  const auto sum_of = [&](Index s) GRIDCOMPUTE_FORCED {
    const double sum = static_cast<double>(costs[s]) + weight * prices[s];
    return (skip & -static_cast<std::int64_t>(costs[s] == kForbidden)) != 0 ? kInf : sum;
  };
  Index s = 0;
  for (; s + kLanes <= n; s += kLanes) {
    for (Index l = 0; l < kLanes; ++l) {
      const double sum = sum_of(s + l);
      least[l] = sum < least[l] ? sum : least[l];
    }
  }
  for (; s < n; ++s) least[0] = std::min(least[0], sum_of(s));
  for (Index l = 1; l < kLanes; ++l) least[0] = std::min(least[0], least[l]);
  return least[0];
}

// Returns the least c + w p in int64, and the extremes of the costs other than `skip`.
GRIDCOMPUTE_CLONES Cost least_sum(const Cost* costs, const Cost* prices, Cost weight, Index n, Cost skip, Cost& lowest,
                                  Cost& highest) {
  Cost least = std::numeric_limits<Cost>::max(), low = 0, high = 0;
  for (Index s = 0; s < n; ++s) {
    const Cost c = costs[s];
    const auto sum = static_cast<Cost>(static_cast<std::uint64_t>(c) + static_cast<std::uint64_t>(weight * prices[s]));
    const Cost counted = c == skip ? 0 : c;
    low = counted < low ? counted : low;
    high = counted > high ? counted : high;
    least = sum < least ? sum : least;
  }
  lowest = low, highest = high;
  return least;
}

Pair two_sum(double a, double b) noexcept {
  const double sum = a + b, rounded = sum - a;
  return {sum, (a - (sum - rounded)) + (b - rounded)};
}

// Bounds on c + w p; equal for w = 1 and wherever the last sum is exact.
struct Enclosed {
  Pair low, high;
};

Enclosed priced(double c, double weight, double price) noexcept {
  const double product = weight * price;
  const Pair sum = two_sum(c, product);
  const double error = weight == 1.0 ? 0.0 : std::fma(weight, price, -product);
  const Pair rest = two_sum(sum.low, error);
  const double down = rest.low < 0 ? std::nextafter(rest.high, -kInf) : rest.high;
  const double up = rest.low > 0 ? std::nextafter(rest.high, kInf) : rest.high;
  return {two_sum(sum.high, down), two_sum(sum.high, up)};
}

}  // namespace

void RowMinimum::add(ExactSum& to_low, ExactSum& to_high) const noexcept {
  if (whole) {
    to_low.add(integer, 0);
    to_high.add(integer, 0);
    return;
  }
  to_low.add(low.high), to_low.add(low.low);
  to_high.add(high.high), to_high.add(high.low);
}

PricedMinimum::PricedMinimum(std::span<const double> prices, std::span<const double> remainders)
    : prices_(prices), remainders_(remainders) {
  const auto whole = [](double x, double most) { return x == std::nearbyint(x) && std::fabs(x) < most; };
  for (const double p : prices) {
    highest_price_ = std::max(highest_price_, p);
    integral_ = integral_ && whole(p, kMaxIntegerPrice);
  }
  const std::size_t n = prices.size();
  integral_ = integral_ && remainders.size() <= n;  // several rows might not fit an int64
  for (const double r : remainders) integral_ = integral_ && whole(r, kExactInteger);
  for (std::size_t s = 0; s < n; ++s) {
    double sum = 0;
    for (std::size_t at = s; at < remainders.size(); at += n) sum += std::fabs(remainders[at]);
    largest_remainder_ = std::max(largest_remainder_, sum);
  }
  if (!integral_) return;
  for (std::size_t s = 0; s < n; ++s) {
    auto price = static_cast<Cost>(prices[s]);
    for (std::size_t at = s; at < remainders.size(); at += n) price += static_cast<Cost>(remainders[at]);
    whole_prices_.push_back(price);
    highest_price_ = std::max(highest_price_, static_cast<double>(price));
  }
}

RowMinimum PricedMinimum::of(const double* costs, Cost weight, double out) const {
  bool invalid = false;
  const auto n = static_cast<Index>(prices_.size());
  const double least = least_sum(costs, prices_.data(), static_cast<double>(weight), n, invalid);
  RowMinimum result = enclosed(costs, least, true, weight, out);
  result.invalid = invalid;
  return result;
}

RowMinimum PricedMinimum::of(const Cost* costs, bool forbids, Cost weight, double out) const {
  if (integral_ && !(out < kInf && (out != std::nearbyint(out) || std::fabs(out) > 0x1p60)))
    return whole(costs, forbids, weight, out);
  const auto n = static_cast<Index>(prices_.size());
  const double least = least_sum(costs, prices_.data(), static_cast<double>(weight), n, forbids);
  return enclosed(costs, least, forbids, weight, out);
}

RowMinimum PricedMinimum::whole(const Cost* costs, bool forbids, Cost weight, double out) const {
  const auto n = static_cast<Index>(prices_.size());
  RowMinimum result;
  result.whole = true;
  result.none = true;
  const auto offer = [&](Wide value) {
    if (result.none || value < result.integer) result.integer = value;
    result.none = false;
  };
  if (out < kInf) offer(static_cast<Cost>(out));
  if (n == 0) return result;
  Cost low = 0, high = 0;
  if (static_cast<double>(weight) * highest_price_ < static_cast<double>(kSmall)) {
    const Cost least = least_sum(costs, whole_prices_.data(), weight, n, forbids ? kForbidden : 0, low, high);
    if (low > -kSmall && high < kSmall) {
      if (least < kForbidden) offer(least);
      return result;
    }
  }
  for (Index s = 0; s < n; ++s) {
    if (forbids && costs[s] == kForbidden) continue;
    offer(static_cast<Wide>(costs[s]) + static_cast<Wide>(weight) * whole_prices_[at(s)]);
  }
  return result;
}

namespace {

// Returns whether this class is allowed.
bool allowed(double cost, bool /*forbids*/) noexcept { return cost < kInf; }
bool allowed(Cost cost, bool forbids) noexcept { return !(forbids && cost == kForbidden); }

// Returns whether the conversion to double is exact.
bool exact(double /*cost*/) noexcept { return true; }
bool exact(Cost cost) noexcept { return std::fabs(static_cast<double>(cost)) < kExactInteger; }

}  // namespace

template <class T>
RowMinimum PricedMinimum::enclosed(const T* costs, double least, bool forbids, Cost weight, double out) const {
  RowMinimum result;
  result.none = true;
  const auto offer = [&](const Pair& low, const Pair& high) {
    if (result.none || low < result.low) result.low = low;
    if (result.none || high < result.high) result.high = high;
    result.none = false;
  };
  if (out < kInf) offer({out, 0}, {out, 0});
  // The error of a computed sum is below 2^-53 (2 |c| + 2 w p): a class further above the least is not the minimum.
  const auto w = static_cast<double>(weight);
  const double above = least + (std::fabs(least) + 2 * w * highest_price_) * 0x1p-50 + 3 * w * largest_remainder_;
  const double limit = result.limit = above < kNoOverflow ? above : kInf;
  const bool safe = remainders_.empty() && std::fabs(limit) < kNoOverflow;
  for (std::size_t s = 0; s < prices_.size(); ++s) {
    const auto c = static_cast<double>(costs[s]);
    if (!allowed(costs[s], forbids) || c + w * prices_[s] > limit) continue;
    result.inexact |= !safe || !exact(costs[s]) || !(std::fabs(c) < kNoOverflow);
    if (result.inexact) break;  // exactly() finds the minimum
    const Enclosed sum = priced(c, w, prices_[s]);
    offer(sum.low, sum.high);
  }
  return result;
}

std::optional<ExactSum> PricedMinimum::exactly(const double* costs, Cost weight, double out, double limit) const {
  return exact_minimum(costs, true, weight, out, limit);
}

std::optional<ExactSum> PricedMinimum::exactly(const Cost* costs, bool forbids, Cost weight, double out,
                                               double limit) const {
  return exact_minimum(costs, forbids, weight, out, limit);
}

template <class T>
std::optional<ExactSum> PricedMinimum::exact_minimum(const T* costs, bool forbids, Cost weight, double out,
                                                     double limit) const {
  std::optional<ExactSum> least;
  const auto offer = [&](const ExactSum& sum) {
    if (!least || sum.less(*least)) least = sum;
  };
  if (out < kInf) {
    ExactSum sum;
    sum.add(out);
    offer(sum);
  }
  for (std::size_t s = 0; s < prices_.size(); ++s) {
    if (!allowed(costs[s], forbids)) continue;
    if (static_cast<double>(costs[s]) + static_cast<double>(weight) * prices_[s] > limit) continue;
    ExactSum sum;
    sum.subtract_product(weight, prices_[s]);
    for (std::size_t at = s; at < remainders_.size(); at += prices_.size())
      sum.subtract_product(weight, remainders_[at]);
    sum.negate();
    if constexpr (std::is_same_v<T, double>)
      sum.add(costs[s]);
    else
      sum.add(static_cast<Wide>(costs[s]), 0);
    offer(sum);
  }
  return least;
}

}  // namespace gridcompute::certificate
