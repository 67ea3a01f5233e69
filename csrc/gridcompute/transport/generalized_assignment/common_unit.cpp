#include "gridcompute/transport/generalized_assignment/common_unit.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace gridcompute::transport {

namespace {

int bits_of(Wide mantissa) {
  int bits = 0;
  for (Wide m = mantissa < 0 ? -mantissa : mantissa; m > 0; m >>= 1) ++bits;
  return bits;
}

}  // namespace

ScaledInteger to_scaled_integer(double finite) {
  int exponent = 0;
  const auto mantissa = static_cast<Cost>(std::ldexp(std::frexp(finite, &exponent), 53));
  if (mantissa == 0) return {};
  const int zeros = std::countr_zero(static_cast<std::uint64_t>(mantissa < 0 ? -mantissa : mantissa));
  return {mantissa >> zeros, exponent - 53 + zeros};
}

double value_of(const ScaledInteger& x) { return std::ldexp(static_cast<double>(x.mantissa), x.exponent); }

bool cheaper(const ScaledInteger& a, const ScaledInteger& b) {
  if (a.exponent == b.exponent) return a.mantissa < b.mantissa;
  return value_of(a) < value_of(b);
}

void CommonUnit::include(const ScaledInteger& x) {
  if (x.mantissa == 0) return;
  top_ = std::max(top_, bits_of(x.mantissa) + x.exponent);
  low_ = std::min(low_, x.exponent);
}

Wide CommonUnit::count(const ScaledInteger& x, bool& whole) const {
  const int shift = x.exponent - exponent();
  if (x.mantissa == 0) return 0;
  if (shift >= 0) return x.mantissa * (static_cast<Wide>(1) << shift);
  if (-shift >= 120) return whole = false, x.mantissa < 0 ? -1 : 0;
  const Wide down = x.mantissa >> -shift;
  whole = whole && down * (static_cast<Wide>(1) << -shift) == x.mantissa;
  return down;
}

double double_below(Wide value, int exponent, bool* exact) {
  double near = static_cast<double>(value);
  if (static_cast<Wide>(near) > value) near = std::nextafter(near, -kInf);
  const double out = std::ldexp(near, exponent);
  // Below the normal doubles ldexp rounds as well.
  const bool kept = std::ldexp(out, -exponent) == near || (out == 0 && near == 0);
  if (exact != nullptr) *exact = kept && static_cast<Wide>(near) == value;
  return kept || std::ldexp(out, -exponent) < near ? out : std::nextafter(out, -kInf);
}

std::vector<Choice> choices_of(const Problem& problem, Index job) {
  const auto n_slots = static_cast<Slot>(problem.cost->n_slots());
  const auto size = static_cast<std::size_t>(n_slots);
  std::vector<Choice> out;
  if (n_slots == 0) return out;
  const Rows row{nullptr, job, 1};
  const auto fits = [&](Slot s) { return problem.weight(job) <= problem.capacity[s]; };
  if (problem.cost->real()) {
    std::vector<double> costs(size);
    problem.cost->reals(row, costs.data());
    for (Slot s = 0; s < n_slots; ++s)
      if (fits(s) && costs[static_cast<std::size_t>(s)] < kInf)
        out.push_back({s, to_scaled_integer(costs[static_cast<std::size_t>(s)])});
    return out;
  }
  std::vector<Cost> costs(size);
  problem.cost->integers(row, costs.data());
  for (Slot s = 0; s < n_slots; ++s)
    if (fits(s) && (costs[static_cast<std::size_t>(s)] < kForbidden || !problem.cost->forbids()))
      out.push_back({s, {costs[static_cast<std::size_t>(s)], 0}});
  return out;
}

std::optional<ScaledInteger> unplaced_cost(const Problem& problem, Index job) {
  if (problem.unplaced == nullptr) return std::nullopt;
  const double cost = problem.unplaced[job * problem.unplaced_stride];
  return cost < kInf ? std::optional(to_scaled_integer(cost)) : std::nullopt;
}

}  // namespace gridcompute::transport
