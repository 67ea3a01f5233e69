#include "gridcompute/transport/generalized_assignment/integral_model.hpp"

#include <algorithm>
#include <cmath>

namespace gridcompute::transport {

namespace {

constexpr std::size_t kPollEvery = 64;  // rows read between two polls of the stop
constexpr double kSlack = 0x1p-40;      // relative slack for the rounding of sums compared with the gap

// Reads the costs of a job, +inf where forbidden; the last entry is its cost of being unplaced.
class Reader {
 public:
  explicit Reader(const Problem& problem) : problem_(problem), n_slots_(problem.cost->n_slots()) {
    costs_.resize(static_cast<std::size_t>(n_slots_) + 1);
    integers_.resize(problem.cost->real() ? 0 : static_cast<std::size_t>(n_slots_) + 1);
  }

  const std::vector<double>& read(Index job) {
    const Rows row{nullptr, job, 1};
    if (problem_.cost->real()) {
      problem_.cost->reals(row, costs_.data());
    } else {
      problem_.cost->integers(row, integers_.data());
      const bool forbids = problem_.cost->forbids();
      for (Index s = 0; s < n_slots_; ++s) {
        const Cost c = integers_[static_cast<std::size_t>(s)];
        costs_[static_cast<std::size_t>(s)] = forbids && c >= kForbidden ? kInf : static_cast<double>(c);
      }
    }
    costs_.back() = problem_.unplaced == nullptr ? kInf : problem_.unplaced[job * problem_.unplaced_stride];
    return costs_;
  }

 private:
  const Problem& problem_;
  Index n_slots_;
  std::vector<double> costs_;
  std::vector<Cost> integers_;
};

// Closes pairs that no better plan contains; the job's present class stays open. Returns the least open cost.
double close_expensive_pairs(std::vector<double>& costs, std::span<const double> prices, double weight, double gap,
                             std::size_t own) {
  const auto priced = [&](std::size_t s) { return costs[s] + (s < prices.size() ? weight * prices[s] : 0.0); };
  double best = kInf, size = 0, least = kInf;
  for (std::size_t s = 0; s < costs.size(); ++s) best = std::min(best, priced(s));
  for (std::size_t s = 0; s < costs.size(); ++s)
    if (costs[s] < kInf) size = std::max(size, std::fabs(costs[s]));
  for (std::size_t s = 0; s < costs.size(); ++s) {
    if (gap < kInf && s != own && priced(s) - best > gap + kSlack * (std::fabs(best) + std::fabs(gap))) costs[s] = kInf;
    least = std::min(least, costs[s]);
  }
  return least;
}

// Lists the cheapest classes of a row, prices included.
void list_cheapest(const IntegralModel& model, Index i, std::vector<std::pair<double, Slot>>& order, Slot* out) {
  order.clear();
  for (Slot s = 0; s < model.classes(); ++s)
    if (model.row(i)[s] < kForbidden) order.emplace_back(model.guided(i, s), s);
  const std::size_t some = std::min(order.size(), static_cast<std::size_t>(model.n_preferred));
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(some), order.end());
  for (std::size_t k = 0; k < some; ++k) out[k] = order[k].second;
}

}  // namespace

void IntegralModel::list_preferred(const WholeJobTuning& tuning) {
  n_preferred = tuning.preferred_classes;
  preferred.assign(weight.size() * static_cast<std::size_t>(n_preferred), kNone);
  std::vector<std::pair<double, Slot>> order;
  for (std::size_t i = 0; i < weight.size(); ++i)
    list_cheapest(*this, static_cast<Index>(i), order, preferred.data() + i * static_cast<std::size_t>(n_preferred));
}

std::optional<IntegralModel> build_integral_model(const Problem& problem, std::span<const std::int32_t> assignment,
                                                  std::span<const double> prices, std::vector<Index> jobs, double gap,
                                                  Stop& stop, const WholeJobTuning& tuning) {
  IntegralModel model;
  const auto n_slots = static_cast<Slot>(problem.cost->n_slots());
  const auto columns = static_cast<std::size_t>(n_slots) + 1;
  model.job = std::move(jobs);
  const std::size_t n = model.job.size();
  model.capacity.assign(problem.capacity, problem.capacity + n_slots);
  std::vector<char> here(assignment.size(), 0);
  for (const Index j : model.job) here[static_cast<std::size_t>(j)] = 1;
  for (std::size_t j = 0; j < assignment.size(); ++j)
    if (here[j] == 0 && assignment[j] >= 0)
      model.capacity[static_cast<std::size_t>(assignment[j])] -= problem.weight(static_cast<Index>(j));
  Reader reader(problem);
  std::vector<double> gap_above(n * columns);  // cost above the job's cheapest
  double most = 0;
  Cost heaviest = 1;
  for (std::size_t i = 0; i < n; ++i) {
    if (i % kPollEvery == 0 && stop.poll(static_cast<Index>(kPollEvery * columns))) return std::nullopt;
    const Index job = model.job[i];
    std::vector<double> costs = reader.read(job);
    model.required.push_back(costs.back() < kInf ? 0 : 1);
    const std::int32_t now = assignment[static_cast<std::size_t>(job)];
    const double least = close_expensive_pairs(costs, prices, static_cast<double>(problem.weight(job)), gap,
                                               now < 0 ? columns - 1 : static_cast<std::size_t>(now));
    model.least.push_back(least < kInf ? least : 0);
    model.base += model.least.back();
    for (std::size_t s = 0; s < columns; ++s) {
      gap_above[i * columns + s] = costs[s] < kInf ? costs[s] - least : kInf;
      if (costs[s] < kInf) most = std::max(most, costs[s] - least);
    }
    model.weight.push_back(problem.weight(job));
    heaviest = std::max(heaviest, model.weight.back());
  }
  if (most > 0 && most < kInf)
    model.scale = std::exp2(
        std::clamp(std::floor(std::log2(static_cast<double>(IntegralModel::kMostKey) / most)), -1000.0, 1000.0));
  if (!problem.cost->real()) model.scale = std::min(model.scale, 1.0);
  model.key.resize(n * columns);
  for (std::size_t k = 0; k < gap_above.size(); ++k)
    model.key[k] = gap_above[k] < kInf ? static_cast<Cost>(std::nearbyint(std::min(
                                             gap_above[k] * model.scale, static_cast<double>(IntegralModel::kMostKey))))
                                       : kForbidden;
  for (std::size_t i = 0; i < n; ++i) {
    if (model.required[i] == 0) continue;
    const double share = static_cast<double>(model.weight[i]) / static_cast<double>(heaviest);
    model.key[(i + 1) * columns - 1] =
        IntegralModel::kUnassignedPenalty + static_cast<Cost>(IntegralModel::kHeaviestPenalty * share *
                                                              static_cast<double>(IntegralModel::kUnassignedPenalty));
  }
  for (const double p : prices) model.guide.push_back(p * model.scale);
  model.guide.push_back(0);
  model.list_preferred(tuning);
  return stop.poll() ? std::nullopt : std::optional(std::move(model));
}

}  // namespace gridcompute::transport
