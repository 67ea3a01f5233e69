#include "gridcompute/transport/generalized_assignment/subset_dp.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "gridcompute/transport/exact/dyadic_sum.hpp"
#include "gridcompute/transport/generalized_assignment/common_unit.hpp"

namespace gridcompute::transport {

namespace {

using Set = std::uint32_t;

constexpr int kSpareBits = 8;  // headroom for sums of 12 costs, the most that subset_jobs allows, and a sign

// Dynamic program over the subsets of some jobs.
class SubsetDp {
 public:
  SubsetDp(const Problem& problem, std::vector<Index> jobs) : problem_(problem), jobs_(std::move(jobs)) {
    const std::size_t n = jobs_.size();
    choices_.resize(n);
    for (std::size_t j = 0; j < n; ++j) {
      std::vector<Choice>& c = choices_[j];
      c = choices_of(problem_, jobs_[j]);
      out_cost_.push_back(unplaced_cost(problem_, jobs_[j]));
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
  // Returns the exponents of all costs.
  [[nodiscard]] ExponentRange window() const {
    ExponentRange out;
    for (std::size_t j = 0; j < jobs_.size(); ++j) {
      for (const Choice& c : choices_[j]) out.add(dyadic(c.cost));
      if (out_cost_[j]) out.add(dyadic(*out_cost_[j]));
    }
    return out;
  }

  // Returns for each set whether its jobs can be assigned without splitting.
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

  // Computes the cheapest plan. K: words of a sum, in units of 2^low.
  template <int K>
  [[nodiscard]] std::optional<ExactPlan> cheapest(int low, Stop& stop) const {
    using Sum = FixedPoint<K>;
    const Costs<K> costs = costs_in<K>(low);
    std::vector<Sum> least(weight_.size()), sum(weight_.size());
    std::vector<char> known(weight_.size(), 0);  // a plan exists for this set
    known[0] = 1;
    for (Set set = 1; set <= all(); ++set) {
      const std::optional<Sum>& last = costs.out[static_cast<std::size_t>(std::countr_zero(set))];
      const Set rest = set & (set - 1);
      known[set] = static_cast<char>(last && known[rest] != 0);
      if (known[set] != 0) (least[set] = least[rest]) += *last;
    }
    std::vector<std::vector<std::uint16_t>> taken(
        slots_.size());  // per class and set: the subset assigned to the class
    for (std::size_t c = 0; c < slots_.size(); ++c) {
      if (stop.poll(static_cast<Index>(weight_.size() * weight_.size()))) return std::nullopt;
      const Set open = open_to(slots_[c]);
      std::vector<Sum> next(least);
      std::vector<char> next_known(known);
      taken[c].assign(weight_.size(), 0);
      for_each_fitting(slots_[c], open, [&](Set some) {
        (sum[some] = sum[some & (some - 1)]) += costs.in[c][static_cast<std::size_t>(std::countr_zero(some))];
        for_each_subset(all() & ~some, [&](Set rest) {
          if (known[rest] == 0) return;
          Sum here = least[rest];
          here += sum[some];
          if (next_known[rest | some] != 0 && !(here < next[rest | some])) return;
          next[rest | some] = here;
          next_known[rest | some] = 1;
          taken[c][rest | some] = static_cast<std::uint16_t>(some);
        });
      });
      least.swap(next);
      known.swap(next_known);
    }
    ExactPlan plan;
    plan.assignment.assign(jobs_.size(), -1);
    plan.feasible = known[all()] != 0;
    if (!plan.feasible) return plan;
    plan.below = least[all()].down(low);
    plan.nearest = least[all()].nearest(low);
    plan.whole = least[all()].ceiling(low);
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
  template <int K>
  struct Costs {
    std::vector<std::vector<FixedPoint<K>>> in;     // (relevant classes, jobs)
    std::vector<std::optional<FixedPoint<K>>> out;  // (jobs)
  };

  static Dyadic dyadic(const ScaledInteger& x) { return {static_cast<std::int64_t>(x.mantissa), x.exponent}; }

  // Visits the non-empty subsets of `open` that fit, ascending, so that subsets with one job less come first.
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

  template <int K>
  [[nodiscard]] Costs<K> costs_in(int low) const {
    Costs<K> out{{slots_.size(), std::vector<FixedPoint<K>>(jobs_.size())},
                 std::vector<std::optional<FixedPoint<K>>>(jobs_.size())};
    for (std::size_t j = 0; j < jobs_.size(); ++j) {
      for (const Choice& c : choices_[j]) {
        const auto at = std::lower_bound(slots_.begin(), slots_.end(), c.slot) - slots_.begin();
        out.in[static_cast<std::size_t>(at)][j].add(dyadic(c.cost), low);
      }
      if (out_cost_[j]) out.out[j].emplace().add(dyadic(*out_cost_[j]), low);
    }
    return out;
  }

  const Problem& problem_;
  std::vector<Index> jobs_;
  std::vector<std::vector<Choice>> choices_;            // (jobs)
  std::vector<Slot> slots_;                             // relevant classes, ascending
  std::vector<Cost> weight_;                            // (sets)
  std::vector<std::optional<ScaledInteger>> out_cost_;  // (jobs)
};

}  // namespace

std::optional<ExactPlan> solve_by_subsets(const Problem& problem, Stop& stop, const WholeJobTuning& tuning) {
  const Index n = problem.cost->n_jobs();
  if (n > tuning.subset_jobs) return std::nullopt;
  std::vector<Index> jobs;
  for (Index i = 0; i < n; ++i) jobs.push_back(i);
  const SubsetDp subsets(problem, std::move(jobs));
  const ExponentRange window = subsets.window();
  const int low = window.lowest(), bits = window.bits() + kSpareBits;
  if (bits < 2 * 64) return subsets.cheapest<2>(low, stop);
  if (bits < 6 * 64) return subsets.cheapest<6>(low, stop);
  return subsets.cheapest<36>(low, stop);
}

std::vector<Index> smallest_unpackable_set(const Problem& problem, std::span<const Index> jobs) {
  const std::vector<char> can = SubsetDp(problem, {jobs.begin(), jobs.end()}).packable();
  Set least = 0;
  for (Set set = 1; set < can.size(); ++set) {
    if (can[set] == 0 && (least == 0 || std::popcount(set) < std::popcount(least))) least = set;
  }
  std::vector<Index> out;
  for (Set set = least; set != 0; set &= set - 1) out.push_back(jobs[static_cast<std::size_t>(std::countr_zero(set))]);
  return out;
}

}  // namespace gridcompute::transport
