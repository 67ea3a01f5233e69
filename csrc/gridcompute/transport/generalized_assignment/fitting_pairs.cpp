#include "gridcompute/transport/generalized_assignment/fitting_pairs.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>

namespace gridcompute::transport {

namespace {

constexpr Cost kSmall =
    1 << 12;  // demands up to this are counted in a table of 32 KB, the first cache; others in a map

struct Demand {
  Cost size, count;
};

// The distinct demands, ascending.
std::vector<Demand> distinct(std::span<const std::int32_t> demand) {
  std::vector<Cost> small(static_cast<std::size_t>(kSmall) + 1, 0);
  std::map<Cost, Cost> large;
  for (const std::int32_t w : demand) ++(w <= kSmall ? small[static_cast<std::size_t>(w)] : large[w]);
  std::vector<Demand> out;
  for (Cost w = 1; w <= kSmall; ++w)
    if (small[static_cast<std::size_t>(w)] > 0) out.push_back({w, small[static_cast<std::size_t>(w)]});
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
  explicit SubsetSums(Cost most) : most_(most), bits_(static_cast<std::size_t>(most / 64 + 1), 0) { bits_[0] = 1; }

  void add(Cost size) {  // one more demand
    if (size > most_) return;
    const auto words = static_cast<std::size_t>(size / 64), bits = static_cast<std::size_t>(size % 64);
    for (std::size_t k = bits_.size(); k-- > words;) {
      std::uint64_t moved = bits_[k - words] << bits;
      if (bits > 0 && k > words) moved |= bits_[k - words - 1] >> (64 - bits);
      bits_[k] |= moved;
    }
  }

  [[nodiscard]] Cost largest_until(Cost sum) const {
    while ((bits_[static_cast<std::size_t>(sum / 64)] >> (sum % 64) & 1) == 0) --sum;
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

std::vector<Cost> fillable_capacities(std::span<const Cost> capacity, std::span<const std::int32_t> demand,
                                      const WholeJobTuning& tuning) {
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
  if (work > tuning.fill_words) {
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

FittedProblem::FittedProblem(const Problem& problem, const WholeJobTuning& tuning) : fitted_(problem) {
  const auto n = static_cast<std::size_t>(problem.cost->n_jobs());
  const auto n_slots = static_cast<std::size_t>(problem.cost->n_slots());
  const std::span<const std::int32_t> demand(problem.demand, n);
  capacity_ = fillable_capacities({problem.capacity, n_slots}, demand, tuning);
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
