#include "gridcompute/transport/generalized_assignment/exact_knapsack_bound.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "gridcompute/transport/generalized_assignment/common_unit.hpp"

namespace gridcompute::transport {

namespace {

constexpr int kBits = 96;  // width of costs and multipliers: their sums stay below 2^118

struct Item {
  Cost weight;
  Wide profit;
};

Wide packed(const std::vector<Item>& items, Cost room, std::vector<Wide>& table) {
  Cost all = 0;
  Wide sum = 0;
  for (const Item& item : items) all += item.weight, sum += item.profit;
  if (all <= room) return sum;
  table.assign(static_cast<std::size_t>(room + 1), 0);
  for (const Item& item : items)
    for (auto r = static_cast<std::size_t>(room); r >= static_cast<std::size_t>(item.weight); --r)
      table[r] = std::max(table[r], table[r - static_cast<std::size_t>(item.weight)] + item.profit);
  return table.back();
}

}  // namespace

std::optional<ScaledInteger> exact_knapsack_bound(const Problem& problem, std::span<const double> charges,
                                                  const WholeJobTuning& tuning) {
  const auto n = static_cast<Index>(charges.size());
  const Index n_slots = problem.cost->n_slots();
  if (n * (n_slots + 1) > tuning.exact_bound_costs) return std::nullopt;
  CommonUnit unit(kBits);
  Cost step = 0, all = 0;
  std::vector<std::vector<Choice>> choices;
  for (Index i = 0; i < n; ++i) {
    choices.push_back(choices_of(problem, i));
    for (const Choice& c : choices.back()) unit.include(c.cost);
    if (const auto out = unplaced_cost(problem, i)) unit.include(*out);
    unit.include(to_scaled_integer(charges[static_cast<std::size_t>(i)]));
    step = std::gcd(step, problem.weight(i));
    all += problem.weight(i);
  }
  step = std::max<Cost>(1, step);
  std::vector<std::vector<Item>> items(static_cast<std::size_t>(n_slots));
  ScaledInteger bound{0, unit.exponent()};
  bool whole = true;
  for (Index i = 0; i < n; ++i) {
    const Wide charge = unit.count(to_scaled_integer(charges[static_cast<std::size_t>(i)]), whole);
    bound.mantissa += charge;
    for (const Choice& c : choices[static_cast<std::size_t>(i)]) {
      const Wide profit = charge - unit.count(c.cost, whole);
      if (profit > 0) items[static_cast<std::size_t>(c.slot)].push_back({problem.weight(i) / step, profit});
    }
    if (const auto out = unplaced_cost(problem, i))
      bound.mantissa += std::min<Wide>(0, unit.count(*out, whole) - charge);
  }
  double steps = 0;
  const auto room = [&](std::size_t s) { return std::min(problem.capacity[s], all) / step; };
  for (std::size_t s = 0; s < items.size(); ++s)
    steps += static_cast<double>(room(s) + 1) * static_cast<double>(items[s].size());
  if (steps > tuning.exact_bound_steps) return std::nullopt;
  std::vector<Wide> table;
  for (std::size_t s = 0; s < items.size(); ++s) bound.mantissa -= packed(items[s], room(s), table);
  return bound;
}

std::optional<ScaledInteger> exact_cost(const Problem& problem, std::span<const std::int32_t> assignment) {
  std::vector<ScaledInteger> costs;
  CommonUnit unit(kBits);
  for (std::size_t i = 0; i < assignment.size(); ++i) {
    const auto job = static_cast<Index>(i);
    if (assignment[i] < 0) {
      costs.push_back(unplaced_cost(problem, job).value_or(ScaledInteger{}));
    } else if (problem.cost->real()) {
      costs.push_back(to_scaled_integer(problem.cost->real_at(job, assignment[i])));
    } else {
      costs.push_back({problem.cost->integer_at(job, assignment[i]), 0});
    }
    unit.include(costs.back());
  }
  ScaledInteger sum{0, unit.exponent()};
  bool whole = true;
  for (const ScaledInteger& cost : costs) sum.mantissa += unit.count(cost, whole);
  return whole ? std::optional(sum) : std::nullopt;
}

}  // namespace gridcompute::transport
