#include "gridcompute/transport/generalized_assignment/branch_and_bound.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gridcompute::transport {

bool BranchAndBound::finished() {
  return steps() >= until_ || static_cast<double>(search_.best_cost()) <= target_ || stop_.poll();
}

// Returns the bound from which a subtree has no plan cheaper than the best: plan costs are integers in units of keys.
double BranchAndBound::cutoff() const {
  const auto best = static_cast<double>(search_.best_cost());
  return best - 1 + 1e-6 * std::max(1.0, std::fabs(best) * 0x1p-20);
}

void BranchAndBound::run(double steps, double target, int rounds) {
  until_ = this->steps() + steps;
  target_ = target;
  complete_ = false;
  if (!dual_.fits()) return;
  const double before = this->steps();
  (void)dual_.evaluate();
  const double most = steps * tuning_.root_share / (this->steps() - before);
  if (most < tuning_.fewest_evaluations) return;
  explore(static_cast<int>(std::min<double>(rounds, most)), 0);
  complete_ = !finished();
}

// Closes pairs whose marginal is no less than the cutoff; false if a job has no open pair left.
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

// Distance to the best plan up to which a completed plan is polished (share of the gap).
constexpr double kPolishGap = 0.3;
// Window search from a completed plan (steps).
constexpr double kPolishSteps = 1 << 15;
// Steps of the window search from plans that are not near the best.
constexpr double kPolishStepsFirst = 1 << 12;

// Completes the knapsack solution to a plan: a job in several knapsacks stays in the cheapest, one in none goes to the
// class of least marginal that still holds it.
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
    search_.improve(std::min(most, std::max(0.0, until_ - steps())), target_, stop_);
  };
  polish(kPolishStepsFirst);
  const double best = static_cast<double>(search_.best_cost());
  if (static_cast<double>(search_.cost()) <= best + kPolishGap * std::max(0.0, best - value)) polish(kPolishSteps);
}

// Offers the plan that is left once every job has one open class.
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
    const double value = dual_.ascend(again == 0 ? rounds : tuning_.node_evaluations, target, cutoff(), stop_);
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
    explore(tuning_.node_evaluations, depth + 1);
    if (finished()) return;
    dual_.restore(here);
  }
}

namespace {

// Builds the model of a subproblem: these jobs and classes, capacities less the jobs that stay.
IntegralModel extract_part(const IntegralModel& model, const std::vector<Slot>& at, const std::vector<Slot>& classes,
                           std::vector<Index> jobs, const WholeJobTuning& tuning) {
  IntegralModel part;
  part.base = 0, part.scale = model.scale;
  for (const Slot s : classes) part.capacity.push_back(model.capacity[s]), part.guide.push_back(model.guide[s]);
  part.guide.push_back(0);
  std::vector<Slot> index(static_cast<std::size_t>(model.classes()) + 1, kNone);
  for (std::size_t c = 0; c < classes.size(); ++c) index[classes[c]] = static_cast<Slot>(c);
  std::vector<char> here(at.size(), 0);
  for (const Index i : jobs) here[static_cast<std::size_t>(i)] = 1;
  for (Index i = 0; i < model.jobs(); ++i) {
    const Slot c = index[at[static_cast<std::size_t>(i)]];
    if (c != kNone && here[static_cast<std::size_t>(i)] == 0)
      part.capacity[c] -= model.weight[static_cast<std::size_t>(i)];
  }
  part.job = std::move(jobs);
  for (const Index i : part.job) {
    part.weight.push_back(model.weight[static_cast<std::size_t>(i)]);
    part.required.push_back(model.required[static_cast<std::size_t>(i)]);
    for (const Slot s : classes) part.key.push_back(model.row(i)[s]);
    part.key.push_back(model.row(i)[model.out()]);
  }
  part.list_preferred(tuning);
  return part;
}

}  // namespace

// Unassigned jobs of a subproblem (jobs).
constexpr Index kPartUnassigned = 24;
// Reduction after a subproblem is not solved (classes).
constexpr double kPartShrink = 0.3;

bool NeighbourhoodSearch::improve_part(double steps, double target) {
  std::vector<Slot> classes = search_.related(static_cast<Slot>(std::lround(size_)));
  const std::vector<Slot> at = search_.assignment();
  std::vector<Index> jobs;
  Index out = 0;
  for (Index i = 0; i < model_.jobs(); ++i) {
    const Slot s = at[static_cast<std::size_t>(i)];
    if (s == model_.out() ? out++ < kPartUnassigned : std::ranges::count(classes, s) > 0) jobs.push_back(i);
  }
  steps_ += static_cast<double>(model_.jobs()) * static_cast<double>(classes.size());
  if (jobs.empty()) return true;
  const IntegralModel part = extract_part(model_, at, classes, std::move(jobs), tuning_);
  std::vector<Slot> start;
  for (const Index i : part.job) {
    const auto c = std::ranges::find(classes, at[static_cast<std::size_t>(i)]) - classes.begin();
    start.push_back(static_cast<Slot>(c));
  }
  WindowSearch search(part, std::move(start), ++seed_, tuning_);
  const Wide before = search.best_cost(), rest = search_.cost() - before;
  BranchAndBound branch(part, search, stop_, tuning_);
  branch.run(steps, target - static_cast<double>(rest), tuning_.part_evaluations);
  steps_ += branch.steps();
  nodes_ += branch.nodes();
  if (search.best_cost() < before) {
    std::vector<Slot> better = at;
    for (std::size_t k = 0; k < part.job.size(); ++k) {
      const Slot c = search.best()[k];
      better[static_cast<std::size_t>(part.job[k])] =
          c == part.out() ? model_.out() : classes[static_cast<std::size_t>(c)];
    }
    search_.start_from(std::move(better));
    return true;
  }
  if (branch.complete()) {
    size_ = std::min(size_ + tuning_.part_growth, static_cast<double>(model_.classes()));
    return true;
  }
  const bool small = size_ <= tuning_.part_classes_least;
  size_ = std::max(tuning_.part_classes_least, size_ - kPartShrink);
  return !small || !branch.charges().empty();
}

// Work of one subproblem, within the next two (share of steps).
constexpr double kPartShare = 1.0 / 64;
// Largest work of a subproblem (steps).
constexpr double kPartStepsMost = 1 << 25;
// Subproblems without a gain before a kick (subproblems per class).
constexpr int kPartPatience = 2;

void NeighbourhoodSearch::improve(double steps, double target) {
  const double until = steps_ + steps;
  int idle = 0;
  const int patience = kPartPatience * model_.classes();
  search_.start_from(search_.best());
  const double part = std::clamp(steps * kPartShare, tuning_.part_steps_least, kPartStepsMost);
  size_ = std::min(size_, static_cast<double>(model_.classes()));
  while (steps_<until&& static_cast<double>(search_.best_cost())> target && !stop_.poll()) {
    const Wide before = search_.cost();
    if (!improve_part(std::min(part, until - steps_), target)) return;
    idle = search_.cost() < before ? 0 : idle + 1;
    if (idle < patience) continue;
    idle = 0;
    search_.start_from(search_.best());
    search_.kick();
  }
}

}  // namespace gridcompute::transport
