#include "gridcompute/transport/generalized_assignment/neighbourhood_search.hpp"

#include <algorithm>
#include <cmath>

#include "gridcompute/transport/generalized_assignment/branch_and_bound.hpp"

namespace gridcompute::transport {

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

bool NeighbourhoodSearch::improve_part(double steps, double target) {
  std::vector<Slot> classes = search_.related(static_cast<Slot>(std::lround(size_)));
  const std::vector<Slot> at = search_.at();
  std::vector<Index> jobs;
  Index out = 0;
  for (Index i = 0; i < model_.jobs(); ++i) {
    const Slot s = at[static_cast<std::size_t>(i)];
    if (s == model_.out() ? out++ < tuning_.part_unassigned : std::ranges::count(classes, s) > 0) jobs.push_back(i);
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
  size_ = std::max(tuning_.part_classes_least, size_ - tuning_.part_shrink);
  return !small || !branch.charges().empty();
}

void NeighbourhoodSearch::improve(double steps, double target) {
  const double until = steps_ + steps;
  int idle = 0;
  const int patience = tuning_.part_patience * model_.classes();
  search_.start_from(search_.best());
  const double part = std::clamp(steps * tuning_.part_share, tuning_.part_steps_least, tuning_.part_steps_most);
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
