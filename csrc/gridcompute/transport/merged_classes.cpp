#include "gridcompute/transport/merged_classes.hpp"

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

#include "gridcompute/base/error.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/small/small_problem.hpp"

namespace gridcompute::transport {

namespace {
Index entries_of(const CostSource& cost) {
  const Index n = cost.n_jobs();
  if (cost.listed(0) < 0) return n * cost.n_slots();
  Index entries = 0;
  for (Index i = 0; i < n; ++i) entries += cost.listed(i);
  return entries;
}

}  // namespace

MergedClasses::MergedClasses(const Problem& problem, const Options& options, Pool& pool, Stop& stop)
    : problem_(problem), merged_(problem), options_(options) {
  const Tuning& tuning = *options.tuning;
  const CostSource& cost = *problem.cost;
  const Index n = cost.n_jobs(), n_slots = cost.n_slots();
  // The small-problem solver merges columns and rows of matrices itself, but not of lists.
  const bool in_memory =
      options.direct && key_matrix_fits(n, static_cast<Slot>(n_slots) + 1, tuning) && cost.listed(0) < 0;
  if (problem.demand != nullptr || n < tuning.merge_jobs || n_slots < 2 || in_memory) return;
  stop.set_closing_time(seconds_of_steps(tuning.closing_steps * static_cast<double>(n), stop));
  if (stop.poll() || stop.left() < seconds_of_steps(tuning.merge_steps * static_cast<double>(entries_of(cost)), stop))
    return;
  const double from = stop.seconds();
  EqualClasses equal;
  try {
    equal = cost.merged(std::max<Index>(1, tuning.merge_distinct_thirds * n_slots / 3), pool, stop, *options.cost);
  } catch (const std::bad_alloc&) {
    return;  // merged() makes no copy then
  }
  seconds_ = stop.seconds() - from;
  if (equal.cost == nullptr) return;
  stop.count(n * n_slots);  // every pair was compared
  cost_ = std::move(equal.cost);
  class_of_.resize(equal.of.size());
  capacity_.assign(at(cost_->n_slots()), 0);
  Slot kept = 0;
  for (Slot s = 0; s < n_slots; ++s) {
    class_of_[s] = equal.of[s] == s ? kept++ : class_of_[equal.of[s]];
    capacity_[class_of_[s]] += std::min(problem.capacity[s], n + 1);  // below 2^62 in all
  }
  merged_.cost = cost_.get();
  merged_.capacity = capacity_.data();
  if (options.prices == nullptr) return;
  prices_.assign(capacity_.size(), std::numeric_limits<double>::infinity());
  for (Slot s = 0; s < n_slots; ++s) prices_[class_of_[s]] = std::min(prices_[class_of_[s]], options.prices[s]);
  options_.prices = prices_.data();
}

void MergedClasses::expand(Result& result) const {
  const auto n_slots = static_cast<Slot>(class_of_.size());
  const std::vector<double> prices = std::exchange(result.prices, std::vector<double>(class_of_.size(), 0.0));
  result.stats.evaluations += problem_.cost->n_jobs() * n_slots;  // every pair was compared
  result.stats.add("merge", seconds_);
  for (Slot s = 0; s < n_slots && !prices.empty(); ++s) result.prices[s] = prices[class_of_[s]];
  std::vector<char> in_witness(capacity_.size(), 0);
  for (const Slot s : result.witness_slots) in_witness[s] = 1;
  result.witness_slots.clear();
  for (Slot s = 0; s < n_slots; ++s)
    if (in_witness[class_of_[s]] != 0) result.witness_slots.push_back(s);
  // Assigns jobs in their order to the lowest copy with a free slot.
  std::vector<Slot> at(capacity_.size(), kNone), next(class_of_.size(), kNone);
  for (Slot s = n_slots - 1; s >= 0; --s) next[s] = std::exchange(at[class_of_[s]], s);
  result.load.assign(class_of_.size(), 0);
  for (std::int32_t& a : result.assignment) {
    if (a < 0) continue;
    Slot& s = at[a];
    while (s != kNone && result.load[s] == problem_.capacity[s]) s = next[s];
    if (s == kNone)
      throw Error(ErrorKind::internal, "", -1, "transport: a merged class has more jobs than its classes have slots");
    a = s;
    ++result.load[s];
  }
}

}  // namespace gridcompute::transport
