#include "gridcompute/transport/generalized_assignment/knapsack_bound.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

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
  open_.resize(at(n, 0));
  for (Index i = 0; i < n; ++i) {
    double least =
        model.required[static_cast<std::size_t>(i)] != 0 ? kInf : static_cast<double>(model.row(i)[model.out()]);
    open_[at(i, model.out())] = least < kInf ? 1 : 0;
    for (Slot s = 0; s < model.classes(); ++s) {
      const bool may = model.row(i)[s] < kForbidden && weight_[static_cast<std::size_t>(i)] <= room_[s];
      open_[at(i, s)] = may ? 1 : 0;
      if (may) least = std::min(least, model.guided(i, s));
    }
    charge_.push_back(least < kInf ? least : 0);
  }
  sets_.resize(model.capacity.size());
  direction_.assign(static_cast<std::size_t>(n), 0);
}

bool KnapsackBound::fits() const {
  for (Slot s = 0; s < model_.classes(); ++s) {
    double jobs = 1;
    for (Index i = 0; i < model_.jobs(); ++i) jobs += open_[at(i, s)];
    if (jobs * static_cast<double>(room_[s] + 1) > tuning_.table_cells) return false;
  }
  return true;
}

void KnapsackBound::collect_items(Slot s) {
  item_.clear(), profit_.clear();
  for (Index i = 0; i < model_.jobs(); ++i) {
    const double profit = charge_[static_cast<std::size_t>(i)] - static_cast<double>(model_.row(i)[s]);
    if (open_[at(i, s)] != 0 && profit > 0) item_.push_back(i), profit_.push_back(profit);
  }
}

// Solves the knapsack of class s: returns K_s and stores the set.
double KnapsackBound::solve_knapsack(Slot s) {
  collect_items(s);
  std::vector<Index>& set = sets_[s];
  set.clear();
  const Cost room = room_[s];
  Cost all = 0;
  for (const Index i : item_) all += weight_[static_cast<std::size_t>(i)];
  if (all <= room) {
    set = item_;
    return std::accumulate(profit_.begin(), profit_.end(), 0.0);
  }
  const auto width = static_cast<std::size_t>(room + 1);
  forward_.resize((item_.size() + 1) * width);
  std::fill_n(forward_.begin(), width, 0.0);
  for (std::size_t k = 0; k < item_.size(); ++k) {
    const auto weight = static_cast<std::size_t>(weight_[static_cast<std::size_t>(item_[k])]);
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
    r -= static_cast<std::size_t>(weight_[static_cast<std::size_t>(item_[k])]);
  }
  return forward_.back();
}

double KnapsackBound::evaluate() {
  const Index n = model_.jobs();
  chosen_.assign(static_cast<std::size_t>(n), 0);
  value_ = 0;
  for (Index i = 0; i < n; ++i) {
    const double charge = charge_[static_cast<std::size_t>(i)];
    value_ += charge;
    if (open_[at(i, model_.out())] == 0) continue;
    const double more = static_cast<double>(model_.row(i)[model_.out()]) - charge;
    if (more < 0) value_ += more, ++chosen_[static_cast<std::size_t>(i)];
  }
  for (Slot s = 0; s < model_.classes(); ++s) {
    packed_[s] = solve_knapsack(s);
    value_ -= packed_[s];
    for (const Index i : sets_[s]) ++chosen_[static_cast<std::size_t>(i)];
  }
  steps_ += static_cast<double>(n * model_.classes());
  return value_;
}

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
    const double step = factor * std::max(plan_cost - value_, tuning_.least_rise * std::fabs(plan_cost)) / size;
    for (std::size_t i = 0; i < direction_.size(); ++i) charge_[i] += step * direction_[i];
    if (evaluate() > most) {
      most = value_, best = charge_, idle = 0;
    } else if (++idle >= tuning_.step_patience) {
      idle = 0, factor *= tuning_.step_fall;
      charge_ = best;
      std::fill(direction_.begin(), direction_.end(), 0.0);
      evaluate();
      if (factor < tuning_.least_step) break;
    }
  }
  charge_ = std::move(best);
  return evaluate();
}

// Fills the knapsack tables of class s: best profit by capacity of the first k items, and of the items from k on.
void KnapsackBound::fill_tables(Slot s) {
  collect_items(s);
  const auto width = static_cast<std::size_t>(room_[s] + 1), n = item_.size();
  forward_.resize((n + 1) * width), backward_.resize((n + 1) * width);
  std::fill_n(forward_.begin(), width, 0.0);
  std::fill_n(backward_.begin() + static_cast<std::ptrdiff_t>(n * width), width, 0.0);
  const auto add = [&](std::size_t k, const double* before, double* after) {
    const auto weight = static_cast<std::size_t>(weight_[static_cast<std::size_t>(item_[k])]);
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
  std::vector<double> without(static_cast<std::size_t>(n), 0);  // cost of forcing a job out of all classes
  for (Slot s = 0; s < model_.classes(); ++s) {
    fill_tables(s);
    const auto width = static_cast<std::size_t>(room_[s] + 1);
    const double* whole = forward_.data() + item_.size() * width;
    for (Index i = 0; i < n; ++i) {  // unprofitable jobs: the others get the capacity left
      if (open_[at(i, s)] == 0) continue;
      const double profit = charge_[static_cast<std::size_t>(i)] - static_cast<double>(model_.row(i)[s]);
      if (profit > 0) continue;
      const auto left = width - 1 - static_cast<std::size_t>(weight_[static_cast<std::size_t>(i)]);
      marginal_[at(i, s)] = whole[width - 1] - whole[left] - profit;
    }
    for (std::size_t k = 0; k < item_.size(); ++k) {
      const Index i = item_[k];
      const auto weight = static_cast<std::size_t>(weight_[static_cast<std::size_t>(i)]);
      const double *before = forward_.data() + k * width, *after = backward_.data() + (k + 1) * width;
      double in = 0, out = 0;
      for (std::size_t r = 0; r < width; ++r) out = std::max(out, before[r] + after[width - 1 - r]);
      for (std::size_t r = 0; r + weight < width; ++r) in = std::max(in, before[r] + after[width - 1 - weight - r]);
      const double forced_out = whole[width - 1] - out;
      marginal_[at(i, s)] = whole[width - 1] - in - profit_[k] - forced_out;
      without[static_cast<std::size_t>(i)] += forced_out;
    }
  }
  for (Index i = 0; i < n; ++i) {
    const double charge = charge_[static_cast<std::size_t>(i)];
    const bool optional = open_[at(i, model_.out())] != 0;
    const double out = optional ? static_cast<double>(model_.row(i)[model_.out()]) - charge : kInf;
    const double base = value_ + without[static_cast<std::size_t>(i)] - (optional ? std::min(0.0, out) : 0.0);
    for (Slot s = 0; s < model_.classes(); ++s) marginal_[at(i, s)] += base;
    marginal_[at(i, model_.out())] = base + out;
  }
}

}  // namespace gridcompute::transport
