#include "gridcompute/transport/generalized_assignment/integral_model.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>

namespace gridcompute::transport {

namespace {

constexpr std::size_t kPollEvery = 64;  // rows read between two polls of the stop
constexpr double kSlack = 0x1p-40;      // relative slack for the rounding of sums compared with the gap

// Reads the costs of a job, +inf where forbidden; the last entry is its cost of being unplaced.
class Reader {
 public:
  explicit Reader(const Problem& problem) : problem_(problem), n_slots_(problem.cost->n_slots()) {
    costs_.resize(at(n_slots_) + 1);
    integers_.resize(problem.cost->real() ? 0 : at(n_slots_) + 1);
  }

  const std::vector<double>& read(Index job) {
    const Rows row{nullptr, job, 1};
    if (problem_.cost->real()) {
      problem_.cost->reals(row, costs_.data());
    } else {
      problem_.cost->integers(row, integers_.data());
      const bool forbids = problem_.cost->forbids();
      for (Index s = 0; s < n_slots_; ++s) {
        const Cost c = integers_[at(s)];
        costs_[at(s)] = forbids && c >= kForbidden ? kInf : static_cast<double>(c);
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
  const std::size_t some = std::min(order.size(), at(model.n_preferred));
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(some), order.end());
  for (std::size_t k = 0; k < some; ++k) out[k] = order[k].second;
}

}  // namespace

void IntegralModel::list_preferred(const WholeJobTuning& tuning) {
  n_preferred = tuning.preferred_classes;
  preferred.assign(weight.size() * at(n_preferred), kNone);
  std::vector<std::pair<double, Slot>> order;
  for (std::size_t i = 0; i < weight.size(); ++i)
    list_cheapest(*this, static_cast<Index>(i), order, preferred.data() + i * at(n_preferred));
}

std::optional<IntegralModel> build_integral_model(const Problem& problem, std::span<const std::int32_t> assignment,
                                                  std::span<const double> prices, std::vector<Index> jobs, double gap,
                                                  Stop& stop, const WholeJobTuning& tuning) {
  IntegralModel model;
  const auto n_slots = static_cast<Slot>(problem.cost->n_slots());
  const auto columns = at(n_slots) + 1;
  model.job = std::move(jobs);
  const std::size_t n = model.job.size();
  model.capacity.assign(problem.capacity, problem.capacity + n_slots);
  std::vector<char> here(assignment.size(), 0);
  for (const Index j : model.job) here[at(j)] = 1;
  for (std::size_t j = 0; j < assignment.size(); ++j)
    if (here[j] == 0 && assignment[j] >= 0) model.capacity[at(assignment[j])] -= problem.weight(static_cast<Index>(j));
  Reader reader(problem);
  std::vector<double> gap_above(n * columns);  // cost above the job's cheapest
  double most = 0;
  Cost heaviest = 1;
  for (std::size_t i = 0; i < n; ++i) {
    if (i % kPollEvery == 0 && stop.poll(static_cast<Index>(kPollEvery * columns))) return std::nullopt;
    const Index job = model.job[i];
    std::vector<double> costs = reader.read(job);
    model.required.push_back(costs.back() < kInf ? 0 : 1);
    const std::int32_t now = assignment[at(job)];
    const double least = close_expensive_pairs(costs, prices, static_cast<double>(problem.weight(job)), gap,
                                               now < 0 ? columns - 1 : at(now));
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

namespace {

constexpr Cost kSmall =
    1 << 12;  // demands up to this are counted in a table of 32 KB, the first cache; others in a map

struct Demand {
  Cost size, count;
};

// The distinct demands, ascending.
std::vector<Demand> distinct(std::span<const std::int32_t> demand) {
  std::vector<Cost> small(at(kSmall) + 1, 0);
  std::map<Cost, Cost> large;
  for (const std::int32_t w : demand) ++(w <= kSmall ? small[at(w)] : large[w]);
  std::vector<Demand> out;
  for (Cost w = 1; w <= kSmall; ++w)
    if (small[at(w)] > 0) out.push_back({w, small[at(w)]});
  for (const auto& [w, count] : large) out.push_back({w, count});
  return out;
}

// Returns the largest r such that all of 0, 1, ..., r are subset sums, in units of the divisor.
Cost reach(const std::vector<Demand>& demands, Cost divisor) {
  Wide all = 0;
  for (const Demand& d : demands) {
    if (d.size / divisor > all + 1) break;
    all += static_cast<Wide>(d.size / divisor) * d.count;
  }
  return static_cast<Cost>(std::min<Wide>(all, std::numeric_limits<Cost>::max()));
}

// The set of subset sums up to `most`, as bits.
class SubsetSums {
 public:
  explicit SubsetSums(Cost most) : most_(most), bits_(at(most / 64 + 1), 0) { bits_[0] = 1; }

  void add(Cost size) {  // one more demand
    if (size > most_) return;
    const auto words = at(size / 64), bits = at(size % 64);
    for (std::size_t k = bits_.size(); k-- > words;) {
      std::uint64_t moved = bits_[k - words] << bits;
      if (bits > 0 && k > words) moved |= bits_[k - words - 1] >> (64 - bits);
      bits_[k] |= moved;
    }
  }

  [[nodiscard]] Cost largest_until(Cost sum) const {
    while ((bits_[at(sum / 64)] >> (sum % 64) & 1) == 0) --sum;
    return sum;
  }

 private:
  Cost most_;
  std::vector<std::uint64_t> bits_;
};

Cost rounds(const Demand& d, Cost most) {  // parts of the binary splitting of equal demands
  Cost left = std::min(d.count, most / d.size), n = 0;
  for (Cost part = 1; left > 0; left -= std::min(part, left), part *= 2) ++n;
  return n;
}

}  // namespace

// Words of bit sets that find the capacities that demands can fill.
constexpr Wide kFillWords = 1 << 22;

std::vector<Cost> fillable_capacities(std::span<const Cost> capacity, std::span<const std::int32_t> demand) {
  std::vector<Cost> out(capacity.begin(), capacity.end());
  Wide total = 0;
  for (const std::int32_t w : demand) total += w;
  Cost most = 0;
  for (const Cost u : out)
    if (u < total) most = std::max(most, u);
  if (most == 0) return out;
  const std::vector<Demand> demands = distinct(demand);
  Cost divisor = 0;
  for (const Demand& d : demands) divisor = std::gcd(divisor, d.size);
  const auto lower = [&](const auto& largest) {
    for (Cost& u : out)
      if (u < total) u = largest(u);
  };
  if (reach(demands, divisor) >= most / divisor) {
    if (divisor > 1) lower([&](Cost u) { return u / divisor * divisor; });
    return out;
  }
  const Cost size = most / divisor;
  Wide work = 0;
  for (const Demand& d : demands)
    work += static_cast<Wide>(rounds({d.size / divisor, d.count}, size)) * (size / 64 + 1);
  if (work > kFillWords) {
    lower([&](Cost u) { return u / divisor * divisor; });
    return out;
  }
  SubsetSums sums(size);
  for (const Demand& d : demands) {
    Cost left = std::min(d.count, size * divisor / d.size);
    for (Cost part = 1; left > 0; part *= 2) {
      const Cost some = std::min(part, left);
      sums.add(some * (d.size / divisor));
      left -= some;
    }
  }
  lower([&](Cost u) { return sums.largest_until(u / divisor) * divisor; });
  return out;
}

namespace {

// A cost source in which a job may not use a class smaller than its demand.
class FittingCost final : public CostSource {
 public:
  // narrow: classes too small for some job, ascending.
  FittingCost(const Problem& problem, std::vector<Slot> narrow)
      : CostSource(problem.cost->n_jobs(), problem.cost->n_slots()),
        cost_(*problem.cost),
        problem_(problem),
        narrow_(std::move(narrow)) {}

  [[nodiscard]] bool real() const noexcept override { return cost_.real(); }
  void integers(Rows rows, Cost* out) const override {
    cost_.integers(rows, out);
    for (Index k = 0; k < rows.count; ++k) close(rows[k], out + k * n_slots(), kForbidden);
  }
  void reals(Rows rows, double* out) const override {
    cost_.reals(rows, out);
    for (Index k = 0; k < rows.count; ++k) close(rows[k], out + k * n_slots(), kInf);
  }
  [[nodiscard]] bool singles() const noexcept override { return cost_.singles(); }
  [[nodiscard]] Cost integer_at(Index job, Index slot) const override {
    return fits(job, slot) ? cost_.integer_at(job, slot) : kForbidden;
  }
  [[nodiscard]] double real_at(Index job, Index slot) const override {
    return fits(job, slot) ? cost_.real_at(job, slot) : kInf;
  }
  void reals_at(Index job, std::span<const Slot> slots, double* out) const override {
    cost_.reals_at(job, slots, out);
    for (std::size_t k = 0; k < slots.size(); ++k)
      if (!fits(job, slots[k])) out[k] = kInf;
  }
  [[nodiscard]] bool sketches() const noexcept override { return cost_.sketches(); }
  [[nodiscard]] Sketched sketch(Index job, double scale, float* out) const override {
    const Sketched found = cost_.sketch(job, scale, out);
    close(job, out, std::numeric_limits<float>::infinity());
    return found;
  }
  void prefetch(Index job) const noexcept override { cost_.prefetch(job); }
  void prefetch(Index job, Index slot) const noexcept override { cost_.prefetch(job, slot); }
  void column(Rows rows, Index slot, double* out) const override {
    cost_.column(rows, slot, out);
    for (Index k = 0; k < rows.count; ++k)
      if (!fits(rows[k], slot)) out[k] = kInf;
  }
  [[nodiscard]] bool forbids() const noexcept override { return true; }
  [[nodiscard]] Index listed(Index job) const noexcept override { return cost_.listed(job); }
  [[nodiscard]] Slot listed_slot(Index job, Index k) const noexcept override { return cost_.listed_slot(job, k); }
  void listed_integers(Index first, Index count, Slot* slots, Cost* costs) const override {
    cost_.listed_integers(first, count, slots, costs);
    close_listed(first, count, slots, costs, kForbidden);
  }
  void listed_reals(Index first, Index count, Slot* slots, double* costs) const override {
    cost_.listed_reals(first, count, slots, costs);
    close_listed(first, count, slots, costs, kInf);
  }
  [[nodiscard]] bool least(Rows rows, double* out) const override { return cost_.least(rows, out); }
  [[nodiscard]] double known_bound() const noexcept override { return cost_.known_bound(); }

 private:
  [[nodiscard]] bool fits(Index job, Index slot) const { return problem_.weight(job) <= problem_.capacity[slot]; }

  template <class T>
  void close(Index job, T* row, T gap_closed) const {
    const Cost weight = problem_.weight(job);
    for (const Slot s : narrow_) row[s] = problem_.capacity[s] < weight ? gap_closed : row[s];
  }

  template <class T>
  void close_listed(Index first, Index count, const Slot* slots, T* costs, T gap_closed) const {
    Index at = 0;
    for (Index job = first; job < first + count; ++job)
      for (const Index end = at + cost_.listed(job); at < end; ++at)
        if (!fits(job, slots[at])) costs[at] = gap_closed;
  }

  const CostSource& cost_;
  const Problem& problem_;
  std::vector<Slot> narrow_;
};

}  // namespace

FittedProblem::FittedProblem(const Problem& problem) : fitted_(problem) {
  const auto n = at(problem.cost->n_jobs());
  const auto n_slots = at(problem.cost->n_slots());
  const std::span<const std::int32_t> demand(problem.demand, n);
  capacity_ = fillable_capacities({problem.capacity, n_slots}, demand);
  fitted_.capacity = capacity_.data();
  const Cost heaviest = n == 0 ? 0 : *std::max_element(demand.begin(), demand.end());
  std::vector<Slot> narrow;
  for (std::size_t s = 0; s < n_slots; ++s)
    if (capacity_[s] < heaviest) narrow.push_back(static_cast<Slot>(s));
  if (narrow.empty()) return;
  cost_ = std::make_unique<FittingCost>(fitted_, std::move(narrow));
  fitted_.cost = cost_.get();
}

}  // namespace gridcompute::transport
