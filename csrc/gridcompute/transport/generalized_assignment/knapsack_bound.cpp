#include "gridcompute/transport/generalized_assignment/knapsack_bound.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

namespace gridcompute::transport {

KnapsackBound::KnapsackBound(const IntegralModel& model, const WholeJobTuning& tuning)
    : model_(model), tuning_(tuning), packed_(model.capacity.size(), 0) {
  const Index n = model.jobs();
  Cost all = 0;
  unit_ = 0;
  for (const Cost w : model.weight) unit_ = std::gcd(unit_, w), all += w;
  unit_ = std::max<Cost>(1, unit_);
  for (const Cost w : model.weight) weight_.push_back(w / unit_);
  for (const Cost u : model.capacity) room_.push_back(std::min(u, all) / unit_);
  open_.resize(pair(n, 0));
  for (Index i = 0; i < n; ++i) {
    double least = model.required[at(i)] != 0 ? kInf : static_cast<double>(model.row(i)[model.out()]);
    open_[pair(i, model.out())] = least < kInf ? 1 : 0;
    for (Slot s = 0; s < model.classes(); ++s) {
      const bool may = model.row(i)[s] < kForbidden && weight_[at(i)] <= room_[s];
      open_[pair(i, s)] = may ? 1 : 0;
      if (may) least = std::min(least, model.guided(i, s));
    }
    charge_.push_back(least < kInf ? least : 0);
  }
  sets_.resize(model.capacity.size());
  direction_.assign(at(n), 0);
}

// Cells of the largest knapsack table of a class: 32 MB.
constexpr double kTableCells = 1 << 22;

bool KnapsackBound::fits() const {
  for (Slot s = 0; s < model_.classes(); ++s) {
    double jobs = 1;
    for (Index i = 0; i < model_.jobs(); ++i) jobs += open_[pair(i, s)];
    if (jobs * static_cast<double>(room_[s] + 1) > kTableCells) return false;
  }
  return true;
}

void KnapsackBound::collect_items(Slot s) {
  item_.clear(), profit_.clear();
  for (Index i = 0; i < model_.jobs(); ++i) {
    const double profit = charge_[at(i)] - static_cast<double>(model_.row(i)[s]);
    if (open_[pair(i, s)] != 0 && profit > 0) item_.push_back(i), profit_.push_back(profit);
  }
}

// Solves the knapsack of class s: returns K_s and stores the set.
double KnapsackBound::solve_knapsack(Slot s) {
  collect_items(s);
  std::vector<Index>& set = sets_[s];
  set.clear();
  const Cost room = room_[s];
  Cost all = 0;
  for (const Index i : item_) all += weight_[at(i)];
  if (all <= room) {
    set = item_;
    return std::accumulate(profit_.begin(), profit_.end(), 0.0);
  }
  const auto width = at(room + 1);
  forward_.resize((item_.size() + 1) * width);
  std::fill_n(forward_.begin(), width, 0.0);
  for (std::size_t k = 0; k < item_.size(); ++k) {
    const auto weight = at(weight_[at(item_[k])]);
    const double* before = forward_.data() + k * width;
    double* after = forward_.data() + (k + 1) * width;
    std::copy_n(before, weight, after);
    for (std::size_t r = weight; r < width; ++r) after[r] = std::max(before[r], before[r - weight] + profit_[k]);
  }
  steps_ += static_cast<double>(item_.size() * width);
  std::size_t r = width - 1;
  for (std::size_t k = item_.size(); k-- > 0;) {
    if (forward_[(k + 1) * width + r] == forward_[k * width + r]) continue;
    set.push_back(item_[k]);
    r -= at(weight_[at(item_[k])]);
  }
  return forward_.back();
}

double KnapsackBound::evaluate() {
  const Index n = model_.jobs();
  chosen_.assign(at(n), 0);
  value_ = 0;
  for (Index i = 0; i < n; ++i) {
    const double charge = charge_[at(i)];
    value_ += charge;
    if (open_[pair(i, model_.out())] == 0) continue;
    const double more = static_cast<double>(model_.row(i)[model_.out()]) - charge;
    if (more < 0) value_ += more, ++chosen_[at(i)];
  }
  for (Slot s = 0; s < model_.classes(); ++s) {
    packed_[s] = solve_knapsack(s);
    value_ -= packed_[s];
    for (const Index i : sets_[s]) ++chosen_[at(i)];
  }
  steps_ += static_cast<double>(n * model_.classes());
  return value_;
}

// Part of the plan's cost by which a step aims above the bound, at least.
constexpr double kLeastRise = 1e-9;
// Step length at which the ascent ends (Polyak steps).
constexpr double kLeastStep = 1e-3;

double KnapsackBound::ascend(int rounds, double plan_cost, double cutoff, Stop& stop) {
  std::vector<double> best = charge_;
  double most = evaluate(), factor = tuning_.first_step;
  std::fill(direction_.begin(), direction_.end(), 0.0);
  int idle = 0;
  double counted = steps_;
  const auto stopped = [&] { return stop.poll(static_cast<Index>(steps_ - std::exchange(counted, steps_))); };
  for (int round = 1; round < rounds && most < cutoff && !stopped(); ++round) {
    double size = 0;
    for (std::size_t i = 0; i < direction_.size(); ++i) {
      direction_[i] = (1 - chosen_[i]) + tuning_.deflection * direction_[i];
      size += direction_[i] * direction_[i];
    }
    if (size == 0) break;
    const double step = factor * std::max(plan_cost - value_, kLeastRise * std::fabs(plan_cost)) / size;
    for (std::size_t i = 0; i < direction_.size(); ++i) charge_[i] += step * direction_[i];
    if (evaluate() > most) {
      most = value_, best = charge_, idle = 0;
    } else if (++idle >= tuning_.step_patience) {
      idle = 0, factor *= tuning_.step_fall;
      charge_ = best;
      std::fill(direction_.begin(), direction_.end(), 0.0);
      evaluate();
      if (factor < kLeastStep) break;
    }
  }
  charge_ = std::move(best);
  return evaluate();
}

// Fills the knapsack tables of class s: best profit by capacity of the first k items, and of the items from k on.
void KnapsackBound::fill_tables(Slot s) {
  collect_items(s);
  const auto width = at(room_[s] + 1), n = item_.size();
  forward_.resize((n + 1) * width), backward_.resize((n + 1) * width);
  std::fill_n(forward_.begin(), width, 0.0);
  std::fill_n(backward_.begin() + static_cast<std::ptrdiff_t>(n * width), width, 0.0);
  const auto add = [&](std::size_t k, const double* before, double* after) {
    const auto weight = at(weight_[at(item_[k])]);
    std::copy_n(before, weight, after);
    for (std::size_t r = weight; r < width; ++r) after[r] = std::max(before[r], before[r - weight] + profit_[k]);
  };
  for (std::size_t k = 0; k < n; ++k) add(k, forward_.data() + k * width, forward_.data() + (k + 1) * width);
  for (std::size_t k = n; k-- > 0;) add(k, backward_.data() + (k + 1) * width, backward_.data() + k * width);
  steps_ += static_cast<double>(3 * n * width);
}

void KnapsackBound::marginals() {
  const Index n = model_.jobs();
  marginal_.assign(open_.size(), kInf);
  std::vector<double> without(at(n), 0);  // cost of forcing a job out of all classes
  for (Slot s = 0; s < model_.classes(); ++s) {
    fill_tables(s);
    const auto width = at(room_[s] + 1);
    const double* whole = forward_.data() + item_.size() * width;
    for (Index i = 0; i < n; ++i) {  // unprofitable jobs: the others get the capacity left
      if (open_[pair(i, s)] == 0) continue;
      const double profit = charge_[at(i)] - static_cast<double>(model_.row(i)[s]);
      if (profit > 0) continue;
      const auto left = width - 1 - at(weight_[at(i)]);
      marginal_[pair(i, s)] = whole[width - 1] - whole[left] - profit;
    }
    for (std::size_t k = 0; k < item_.size(); ++k) {
      const Index i = item_[k];
      const auto weight = at(weight_[at(i)]);
      const double *before = forward_.data() + k * width, *after = backward_.data() + (k + 1) * width;
      double in = 0, out = 0;
      for (std::size_t r = 0; r < width; ++r) out = std::max(out, before[r] + after[width - 1 - r]);
      for (std::size_t r = 0; r + weight < width; ++r) in = std::max(in, before[r] + after[width - 1 - weight - r]);
      const double forced_out = whole[width - 1] - out;
      marginal_[pair(i, s)] = whole[width - 1] - in - profit_[k] - forced_out;
      without[at(i)] += forced_out;
    }
  }
  for (Index i = 0; i < n; ++i) {
    const double charge = charge_[at(i)];
    const bool optional = open_[pair(i, model_.out())] != 0;
    const double out = optional ? static_cast<double>(model_.row(i)[model_.out()]) - charge : kInf;
    const double base = value_ + without[at(i)] - (optional ? std::min(0.0, out) : 0.0);
    for (Slot s = 0; s < model_.classes(); ++s) marginal_[pair(i, s)] += base;
    marginal_[pair(i, model_.out())] = base + out;
  }
}

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
  const auto size = at(n_slots);
  std::vector<Choice> out;
  if (n_slots == 0) return out;
  const Rows row{nullptr, job, 1};
  const auto fits = [&](Slot s) { return problem.weight(job) <= problem.capacity[s]; };
  if (problem.cost->real()) {
    std::vector<double> costs(size);
    problem.cost->reals(row, costs.data());
    for (Slot s = 0; s < n_slots; ++s)
      if (fits(s) && costs[at(s)] < kInf) out.push_back({s, to_scaled_integer(costs[at(s)])});
    return out;
  }
  std::vector<Cost> costs(size);
  problem.cost->integers(row, costs.data());
  for (Slot s = 0; s < n_slots; ++s)
    if (fits(s) && (costs[at(s)] < kForbidden || !problem.cost->forbids())) out.push_back({s, {costs[at(s)], 0}});
  return out;
}

std::optional<ScaledInteger> unplaced_cost(const Problem& problem, Index job) {
  if (problem.unplaced == nullptr) return std::nullopt;
  const double cost = problem.unplaced[job * problem.unplaced_stride];
  return cost < kInf ? std::optional(to_scaled_integer(cost)) : std::nullopt;
}

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
  table.assign(at(room + 1), 0);
  for (const Item& item : items)
    for (auto r = at(room); r >= at(item.weight); --r)
      table[r] = std::max(table[r], table[r - at(item.weight)] + item.profit);
  return table.back();
}

}  // namespace

// Steps of the exact bound by knapsacks: a tenth of a second.
constexpr double kExactBoundSteps = 1 << 25;
// Costs held in memory for the exact bound.
constexpr Index kExactBoundCosts = 1 << 20;

std::optional<ScaledInteger> exact_knapsack_bound(const Problem& problem, std::span<const double> charges) {
  const auto n = static_cast<Index>(charges.size());
  const Index n_slots = problem.cost->n_slots();
  if (n * (n_slots + 1) > kExactBoundCosts) return std::nullopt;
  CommonUnit unit(kBits);
  Cost step = 0, all = 0;
  std::vector<std::vector<Choice>> choices;
  for (Index i = 0; i < n; ++i) {
    choices.push_back(choices_of(problem, i));
    for (const Choice& c : choices.back()) unit.include(c.cost);
    if (const auto out = unplaced_cost(problem, i)) unit.include(*out);
    unit.include(to_scaled_integer(charges[at(i)]));
    step = std::gcd(step, problem.weight(i));
    all += problem.weight(i);
  }
  step = std::max<Cost>(1, step);
  std::vector<std::vector<Item>> items(at(n_slots));
  ScaledInteger bound{0, unit.exponent()};
  bool whole = true;
  for (Index i = 0; i < n; ++i) {
    const Wide charge = unit.count(to_scaled_integer(charges[at(i)]), whole);
    bound.mantissa += charge;
    for (const Choice& c : choices[at(i)]) {
      const Wide profit = charge - unit.count(c.cost, whole);
      if (profit > 0) items[at(c.slot)].push_back({problem.weight(i) / step, profit});
    }
    if (const auto out = unplaced_cost(problem, i))
      bound.mantissa += std::min<Wide>(0, unit.count(*out, whole) - charge);
  }
  double steps = 0;
  const auto room = [&](std::size_t s) { return std::min(problem.capacity[s], all) / step; };
  for (std::size_t s = 0; s < items.size(); ++s)
    steps += static_cast<double>(room(s) + 1) * static_cast<double>(items[s].size());
  if (steps > kExactBoundSteps) return std::nullopt;
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
