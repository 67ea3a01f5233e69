#include "gridcompute/transport/finer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "gridcompute/transport/keys.hpp"
#include "gridcompute/transport/largest.hpp"

namespace gridcompute::transport {

namespace {

constexpr double kFiner = 8;  // what a second solve is worth: a unit so many times finer
constexpr double kInf = std::numeric_limits<double>::infinity();

double lowered(double cost, double most) { return cost < kInf ? std::min(cost, most) : cost; }

Cost lowered(Cost cost, double most) {
  return cost<kForbidden&& static_cast<double>(cost)> most ? static_cast<Cost>(most) : cost;
}

// What a job pays where it is, without the price.
double paid(const Problem& problem, Index job, std::int32_t slot) {
  if (slot < 0) return problem.unplaced[job * problem.unplaced_stride];
  return problem.cost->real() ? problem.cost->real_at(job, slot)
                              : static_cast<double>(problem.cost->integer_at(job, slot));
}

// A source with what is above `most` lowered to it; what is forbidden stays so.
class LoweredCost final : public CostSource {
 public:
  // most: a power of two, 1 or more where costs are integers.
  LoweredCost(const CostSource& cost, double most)
      : CostSource(cost.n_jobs(), cost.n_slots()), cost_(cost), most_(most) {}

  [[nodiscard]] bool real() const noexcept override { return cost_.real(); }
  void integers(Rows rows, Cost* out) const override;
  void reals(Rows rows, double* out) const override;
  [[nodiscard]] bool singles() const noexcept override { return cost_.singles(); }
  [[nodiscard]] Cost integer_at(Index job, Index slot) const override;
  [[nodiscard]] double real_at(Index job, Index slot) const override;
  void reals_at(Index job, std::span<const Slot> slots, double* out) const override;
  void column(Rows rows, Index slot, double* out) const override;
  void fetch(Index job) const noexcept override { cost_.fetch(job); }
  void fetch(Index job, Index slot) const noexcept override { cost_.fetch(job, slot); }
  [[nodiscard]] bool forbids() const noexcept override { return cost_.forbids(); }

 private:
  const CostSource& cost_;
  double most_;
};

// The problem with costs lowered by what an earlier result proves of it.
class Lowered {
 public:
  Lowered(const Problem& problem, double most);
  [[nodiscard]] const Problem& problem() const noexcept { return lowered_; }
  // Does a job pay a cost that was lowered? Then the result is none of the problem as it was.
  [[nodiscard]] bool pays_lowered(const Result& result) const;

 private:
  const Problem& problem_;
  double most_;
  LoweredCost cost_;
  std::vector<double> unplaced_;
  Problem lowered_;
};

void LoweredCost::integers(Rows rows, Cost* out) const {
  cost_.integers(rows, out);
  std::for_each(out, out + rows.count * n_slots(), [&](Cost& c) { c = lowered(c, most_); });
}

void LoweredCost::reals(Rows rows, double* out) const {
  cost_.reals(rows, out);
  std::for_each(out, out + rows.count * n_slots(), [&](double& c) { c = lowered(c, most_); });
}

Cost LoweredCost::integer_at(Index job, Index slot) const { return lowered(cost_.integer_at(job, slot), most_); }

double LoweredCost::real_at(Index job, Index slot) const { return lowered(cost_.real_at(job, slot), most_); }

void LoweredCost::reals_at(Index job, std::span<const Slot> slots, double* out) const {
  cost_.reals_at(job, slots, out);
  std::for_each(out, out + slots.size(), [&](double& c) { c = lowered(c, most_); });
}

void LoweredCost::column(Rows rows, Index slot, double* out) const {
  cost_.column(rows, slot, out);
  std::for_each(out, out + rows.count, [&](double& c) { c = lowered(c, most_); });
}

Lowered::Lowered(const Problem& problem, double most)
    : problem_(problem), most_(most), cost_(*problem.cost, most), lowered_(problem) {
  lowered_.cost = &cost_;
  if (problem.unplaced == nullptr) return;
  const Index n = problem.unplaced_stride == 0 ? 1 : problem.cost->n_jobs();
  for (Index k = 0; k < n; ++k) unplaced_.push_back(lowered(problem.unplaced[k * problem.unplaced_stride], most));
  lowered_.unplaced = unplaced_.data();
  lowered_.unplaced_stride = std::min<Index>(problem.unplaced_stride, 1);
}

bool Lowered::pays_lowered(const Result& result) const {
  for (std::size_t k = 0; k < result.assignment.size(); ++k)
    if (paid(problem_, static_cast<Index>(k), result.assignment[k]) > most_) return true;
  return false;
}

// What no cost need exceed, a power of two; none where the result proves nothing of that kind.
std::optional<double> enough_cost(const Problem& problem, const Result& result) {
  const double gap = result.objective - result.bound;
  if (!(gap < kInf)) return std::nullopt;
  double most = 0;
  for (std::size_t k = 0; k < result.assignment.size(); ++k) {
    const std::int32_t s = result.assignment[k];
    most = std::max(most,
                    paid(problem, static_cast<Index>(k), s) + (s < 0 ? 0 : result.prices[static_cast<std::size_t>(s)]));
  }
  most += 2 * gap;
  if (!(most > 0 && most < std::numeric_limits<double>::max() / 2)) return std::nullopt;
  return std::exp2(std::max(std::ceil(std::log2(most)), problem.cost->real() ? -1000.0 : 0.0));
}

}  // namespace

void solve_finer(const Problem& problem, const Options& options, Pool& pool, Stop& stop, SolveOnce* solve_once,
                 Result& result) {
  const auto limit = static_cast<Cost>(largest_cost(problem.cost->n_slots() + 2));
  while (result.status == Status::feasible && !stop.requested()) {
    const std::optional<double> most = enough_cost(problem, result);
    if (!most) return;
    const Lowered lowered(problem, *most);
    if (choose_resolution(largest_cost_likely(lowered.problem(), pool, stop), limit) < kFiner * result.resolution)
      return;
    Options again = options;
    again.prices = result.prices.data();
    Result next;
    next.stats = result.stats;
    ++next.stats.finer;
    solve_once(lowered.problem(), again, pool, stop, next);
    const bool ended = next.status == Status::optimal || next.status == Status::feasible;
    if (!ended) result.status = next.status;
    if (!ended || lowered.pays_lowered(next)) return;
    result = std::move(next);
  }
}

}  // namespace gridcompute::transport
