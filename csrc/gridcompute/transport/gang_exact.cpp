#include "gridcompute/transport/gang_exact.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "gridcompute/transport/gang_units.hpp"

namespace gridcompute::transport {

namespace {

using Set = std::uint32_t;

constexpr Wide kNoCost = static_cast<Wide>(1) << 125;
constexpr int kBits = 110;          // of a cost in the common unit: kMostExact of them stay below 2^114
constexpr double kSlack = 0x1p-40;  // of sums in doubles
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kMostSteps = 1 << 26;  // a tenth of a second

// The jobs' sets, and what each class can hold of them.
class Subsets {
 public:
  // excess: pairs that cost a job so much more than its cheapest one are of no use.
  Subsets(const Problem& problem, std::vector<Index> jobs, double excess = kInf)
      : problem_(problem), jobs_(std::move(jobs)) {
    const std::size_t n = jobs_.size();
    choices_.resize(n);
    for (std::size_t j = 0; j < n; ++j) {
      std::vector<Choice>& c = choices_[j];
      c = choices_of(problem_, jobs_[j]);
      out_cost_.push_back(cost_out(problem_, jobs_[j]));
      if (excess < kInf) drop_dear(j, excess);
      if (c.size() > n) {
        std::stable_sort(c.begin(), c.end(), [](const Choice& a, const Choice& b) { return cheaper(a.cost, b.cost); });
        c.resize(n);
      }
      for (const Choice& choice : c) slots_.push_back(choice.slot);
    }
    std::sort(slots_.begin(), slots_.end());
    slots_.erase(std::unique(slots_.begin(), slots_.end()), slots_.end());
    weight_.assign(std::size_t{1} << n, 0);
    for (Set set = 1; set < weight_.size(); ++set)
      weight_[set] = weight_[set & (set - 1)] + problem_.weight(jobs_[static_cast<std::size_t>(std::countr_zero(set))]);
  }

  [[nodiscard]] Set all() const { return static_cast<Set>(weight_.size() - 1); }
  [[nodiscard]] double steps() const {
    return std::pow(3.0, static_cast<double>(jobs_.size())) * static_cast<double>(slots_.size());
  }

  // Which of all sets can be placed whole?
  [[nodiscard]] std::vector<char> packable() const {
    std::vector<char> can(weight_.size(), 0);
    can[0] = 1;
    for (const Slot s : slots_) {
      const Set open = open_to(s);
      std::vector<char> next(can);
      for_each_fitting(s, open, [&](Set some) {
        for_each_subset(all() & ~some, [&](Set rest) { next[rest | some] |= can[rest]; });
      });
      can.swap(next);
    }
    return can;
  }

  [[nodiscard]] std::optional<ExactPlan> cheapest(Stop& stop) {
    choose_unit();
    std::vector<Wide> least(weight_.size(), kNoCost), sum(weight_.size(), 0);
    least[0] = 0;
    for (Set set = 1; set <= all(); ++set) {
      const Wide last = out_[static_cast<std::size_t>(std::countr_zero(set))], rest = least[set & (set - 1)];
      if (last < kNoCost && rest < kNoCost) least[set] = rest + last;
    }
    std::vector<std::vector<std::uint16_t>> taken(slots_.size());  // by each class, of each set
    for (std::size_t c = 0; c < slots_.size(); ++c) {
      if (stop.poll()) return std::nullopt;
      const Set open = open_to(slots_[c]);
      std::vector<Wide> next(least);
      taken[c].assign(weight_.size(), 0);
      for_each_fitting(slots_[c], open, [&](Set some) {
        sum[some] = sum[some & (some - 1)] + cost_[c][static_cast<std::size_t>(std::countr_zero(some))];
        for_each_subset(all() & ~some, [&](Set rest) {
          if (least[rest] >= kNoCost || least[rest] + sum[some] >= next[rest | some]) return;
          next[rest | some] = least[rest] + sum[some];
          taken[c][rest | some] = static_cast<std::uint16_t>(some);
        });
      });
      least.swap(next);
    }
    ExactPlan plan;
    plan.assignment.assign(jobs_.size(), -1);
    plan.feasible = least[all()] < kNoCost;
    if (!plan.feasible) return plan;
    plan.value = least[all()];
    plan.exponent = unit_.exponent();
    plan.exact = whole_;
    Set left = all();
    for (std::size_t c = slots_.size(); c-- > 0;) {
      const Set some = taken[c][left];
      for (Set set = some; set != 0; set &= set - 1)
        plan.assignment[static_cast<std::size_t>(std::countr_zero(set))] = slots_[c];
      left &= ~some;
    }
    return plan;
  }

 private:
  void drop_dear(std::size_t j, double excess) {
    double least = out_cost_[j] ? value_of(*out_cost_[j]) : kInf;
    for (const Choice& c : choices_[j]) least = std::min(least, value_of(c.cost));
    const auto dear = [&](const Scaled& cost) { return value_of(cost) - least > excess; };
    std::erase_if(choices_[j], [&](const Choice& c) { return dear(c.cost); });
    if (out_cost_[j] && dear(*out_cost_[j])) out_cost_[j].reset();
  }

  // All subsets of `open` that fit, not the empty one; ascending, so that those with one job less came before.
  template <class Visit>
  void for_each_fitting(Slot s, Set open, const Visit& visit) const {
    for (Set some = (0 - open) & open; some != 0; some = (some - open) & open)
      if (weight_[some] <= problem_.capacity[s]) visit(some);
  }

  template <class Visit>
  static void for_each_subset(Set of, const Visit& visit) {
    for (Set some = of;; some = (some - 1) & of) {
      visit(some);
      if (some == 0) return;
    }
  }

  [[nodiscard]] Set open_to(Slot s) const {
    Set open = 0;
    for (std::size_t j = 0; j < jobs_.size(); ++j)
      for (const Choice& c : choices_[j])
        if (c.slot == s) open |= Set{1} << j;
    return open;
  }

  // All costs in one unit.
  void choose_unit() {
    for (std::size_t j = 0; j < jobs_.size(); ++j) {
      for (const Choice& c : choices_[j]) unit_.show(c.cost);
      if (out_cost_[j]) unit_.show(*out_cost_[j]);
    }
    cost_.assign(slots_.size(), std::vector<Wide>(jobs_.size(), 0));
    for (std::size_t j = 0; j < jobs_.size(); ++j) {
      for (const Choice& c : choices_[j]) {
        const auto at = std::lower_bound(slots_.begin(), slots_.end(), c.slot) - slots_.begin();
        cost_[static_cast<std::size_t>(at)][j] = unit_.count(c.cost, whole_);
      }
      out_.push_back(out_cost_[j] ? unit_.count(*out_cost_[j], whole_) : kNoCost);
    }
  }

  const Problem& problem_;
  std::vector<Index> jobs_;
  std::vector<std::vector<Choice>> choices_;     // (jobs)
  std::vector<Slot> slots_;                      // that matter, ascending
  std::vector<Cost> weight_;                     // (sets)
  std::vector<std::vector<Wide>> cost_;          // (classes that matter, jobs), in units
  std::vector<std::optional<Scaled>> out_cost_;  // (jobs)
  std::vector<Wide> out_;                        // (jobs)
  CommonUnit unit_{kBits};
  bool whole_ = true;  // was no cost rounded?
};

// What the jobs of a plan cost above the cheapest place of each.
double excess_of(const Problem& problem, const std::vector<std::int32_t>& assignment) {
  double sum = 0;
  for (std::size_t i = 0; i < assignment.size(); ++i) {
    const auto job = static_cast<Index>(i);
    const std::optional<Scaled> out = cost_out(problem, job);
    double least = out ? value_of(*out) : kInf, here = least;
    for (const Choice& c : choices_of(problem, job)) {
      least = std::min(least, value_of(c.cost));
      if (c.slot == assignment[i]) here = value_of(c.cost);
    }
    sum += here - least;
  }
  return sum;
}

}  // namespace

std::optional<ExactPlan> solve_by_subsets(const Problem& problem, Stop& stop) {
  const Index n = problem.cost->n_jobs();
  if (n > kMostExact) return std::nullopt;
  std::vector<Index> jobs;
  for (Index i = 0; i < n; ++i) jobs.push_back(i);
  double excess = kInf;
  for (;;) {
    Subsets subsets(problem, jobs, excess);
    if (subsets.steps() > kMostSteps) return std::nullopt;
    std::optional<ExactPlan> plan = subsets.cheapest(stop);
    if (!plan || !plan->feasible || plan->exact) return plan;
    // Costs that no better plan has made the unit too coarse: again, without them.
    const double most = excess_of(problem, plan->assignment) * (1 + kSlack);
    if (!(most < excess / 2)) return plan;
    excess = most;
  }
}

std::vector<Index> unpackable(const Problem& problem, std::span<const Index> jobs) {
  const std::vector<char> can = Subsets(problem, {jobs.begin(), jobs.end()}).packable();
  Set least = 0;
  for (Set set = 1; set < can.size(); ++set) {
    if (can[set] == 0 && (least == 0 || std::popcount(set) < std::popcount(least))) least = set;
  }
  std::vector<Index> out;
  for (Set set = least; set != 0; set &= set - 1) out.push_back(jobs[static_cast<std::size_t>(std::countr_zero(set))]);
  return out;
}

}  // namespace gridcompute::transport
