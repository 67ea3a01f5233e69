#include "gridcompute/transport/generalized_assignment/branch_and_bound.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gridcompute::transport {

namespace {

constexpr double kRootShare = 0.25;  // of all steps
constexpr double kFewest = 20;       // evaluations that are worth their time
constexpr double kNear = 0.3;        // of the gap: how near the best plan one is that is polished at length
constexpr int kNode = 25;            // evaluations
constexpr double kPolish = 1 << 15;  // steps of the search from a completed plan
constexpr double kInf = std::numeric_limits<double>::infinity();

}  // namespace

bool BranchAndBound::finished() {
  return steps() >= until_ || static_cast<double>(search_.best_cost()) <= enough_ || stop_.poll();
}

// A bound from which no plan is cheaper than the best: costs are integers, at least in the unit of keys.
double BranchAndBound::cutoff() const {
  const auto best = static_cast<double>(search_.best_cost());
  return best - 1 + 1e-6 * std::max(1.0, std::fabs(best) * 0x1p-20);
}

void BranchAndBound::run(double steps, double target, int rounds) {
  until_ = this->steps() + steps;
  enough_ = target;
  complete_ = false;
  if (!dual_.fits()) return;
  const double before = this->steps();
  (void)dual_.evaluate();
  const double most = steps * kRootShare / (this->steps() - before);
  if (most < kFewest) return;
  explore(static_cast<int>(std::min<double>(rounds, most)), 0);
  complete_ = !finished();
}

// Closes pairs that cost no less than the best plan; false where a job is left without any.
bool BranchAndBound::close_expensive_pairs() {
  const double most = cutoff();
  for (Index i = 0; i < model_.jobs(); ++i) {
    bool any = false;
    for (Slot s = 0; s <= model_.out(); ++s) {
      if (!dual_.open(i, s)) continue;
      if (dual_.marginal(i, s) > most)
        dual_.close(i, s);
      else
        any = true;
    }
    if (!any) return false;
  }
  return true;
}

// A plan from the knapsacks: jobs in one set stay, others go where they still fit and cost least.
void BranchAndBound::complete_plan(double value) {
  std::vector<Slot> at(static_cast<std::size_t>(model_.jobs()), kNone);
  std::vector<Cost> room = model_.capacity;
  const auto put = [&](Index i, Slot s) {
    at[static_cast<std::size_t>(i)] = s;
    if (s < model_.out()) room[s] -= model_.weight[static_cast<std::size_t>(i)];
  };
  for (Slot s = 0; s < model_.classes(); ++s) {
    for (const Index i : dual_.sets()[s]) {
      Slot& now = at[static_cast<std::size_t>(i)];
      if (now != kNone && dual_.marginal(i, now) <= dual_.marginal(i, s)) continue;
      if (now != kNone) room[now] += model_.weight[static_cast<std::size_t>(i)];
      put(i, s);
    }
  }
  std::vector<Index> left;
  for (Index i = 0; i < model_.jobs(); ++i)
    if (at[static_cast<std::size_t>(i)] == kNone) left.push_back(i);
  std::stable_sort(left.begin(), left.end(), [&](Index a, Index b) {
    return model_.weight[static_cast<std::size_t>(a)] > model_.weight[static_cast<std::size_t>(b)];
  });
  for (const Index i : left) {
    Slot best = model_.out();
    double least = dual_.open(i, best) ? dual_.marginal(i, best) : kInf;
    for (Slot s = 0; s < model_.classes(); ++s) {
      if (!dual_.open(i, s) || model_.weight[static_cast<std::size_t>(i)] > room[s]) continue;
      if (const double x = dual_.marginal(i, s); x < least) least = x, best = s;
    }
    put(i, best);
  }
  search_.start_from(std::move(at));
  const auto polish = [&](double most) {
    search_.improve(std::min(most, std::max(0.0, until_ - steps())), enough_, stop_);
  };
  polish(kPolish / 8);
  const double best = static_cast<double>(search_.best_cost());
  if (static_cast<double>(search_.cost()) <= best + kNear * std::max(0.0, best - value)) polish(kPolish);
}

// Each job has one class left.
void BranchAndBound::offer_fixed_plan() {
  std::vector<Slot> at(static_cast<std::size_t>(model_.jobs()), model_.out());
  std::vector<Cost> room = model_.capacity;
  for (Index i = 0; i < model_.jobs(); ++i) {
    for (Slot s = 0; s < model_.classes(); ++s) {
      if (!dual_.open(i, s)) continue;
      at[static_cast<std::size_t>(i)] = s;
      room[s] -= model_.weight[static_cast<std::size_t>(i)];
    }
  }
  if (std::ranges::all_of(room, [](Cost left) { return left >= 0; })) search_.start_from(std::move(at));
}

void BranchAndBound::explore(int rounds, int depth) {
  ++nodes_;
  for (int again = 0;; ++again) {
    const double target = static_cast<double>(search_.best_cost());
    const double value = dual_.ascend(again == 0 ? rounds : kNode, target, cutoff(), stop_);
    if (depth == 0 && again == 0) charges_ = dual_.charges();
    if (value > cutoff()) return;
    dual_.marginals();
    const Wide before = search_.best_cost();
    complete_plan(value);
    if (finished() || value > cutoff() || !close_expensive_pairs()) return;
    if (again > 0 || (before == search_.best_cost() && depth > 0)) break;
  }
  Index job = -1;
  double most = -kInf;
  for (Index i = 0; i < model_.jobs(); ++i) {
    double best = kInf, second = kInf;
    for (Slot s = 0; s <= model_.out(); ++s) {
      if (!dual_.open(i, s)) continue;
      const double x = dual_.marginal(i, s);
      second = std::min(second, std::max(x, best));
      best = std::min(best, x);
    }
    if (second < kInf && second > most) most = second, job = i;
  }
  if (job < 0) return offer_fixed_plan();
  std::vector<std::pair<double, Slot>> order;
  for (Slot s = 0; s <= model_.out(); ++s)
    if (dual_.open(job, s)) order.emplace_back(dual_.marginal(job, s), s);
  std::sort(order.begin(), order.end());
  const KnapsackBound::State here = dual_.state();
  for (const auto& [least, slot] : order) {
    if (least > cutoff()) break;
    for (const auto& other : order)
      if (other.second != slot) dual_.close(job, other.second);
    explore(kNode, depth + 1);
    if (finished()) return;
    dual_.restore(here);
  }
}

}  // namespace gridcompute::transport
