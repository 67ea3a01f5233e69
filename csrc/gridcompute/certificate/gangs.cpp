#include "gridcompute/certificate/gangs.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include "gridcompute/certificate/exact_numbers.hpp"

namespace gridcompute::certificate {

namespace {

// Limits of a check, fixed: what can be proved must not depend on settings. The attainable capacities take at most this
// many steps, the knapsacks at most this many table entries: about a second.
constexpr double kMaxSteps = 1 << 28;
constexpr double kMaxCells = 1 << 26;
// All plans of up to this many jobs are enumerated, in 3^12 steps for each of 12 classes.
constexpr Index kMaxEnumerated = 12;
// The knapsacks hold at most this many costs in memory.
constexpr Index kMaxCosts = 1 << 21;

// A number as mantissa * 2^exponent.
struct Number {
  Wide mantissa = 0;
  int exponent = 0;

  Number() = default;
  explicit Number(Cost x) : mantissa(x) {}
  explicit Number(double x) {
    mantissa = static_cast<Wide>(std::ldexp(std::frexp(x, &exponent), 53));
    exponent -= 53;
    if (mantissa == 0) exponent = 0;
    while (mantissa != 0 && (mantissa & 1) == 0) mantissa >>= 1, ++exponent;
  }
  [[nodiscard]] int top() const {  // |x| < 2^top
    int bits = 0;
    for (Wide m = mantissa < 0 ? -mantissa : mantissa; m > 0; m >>= 1) ++bits;
    return bits + exponent;
  }
};

struct Option {
  Index slot;
  Number cost;
};

// Returns the classes that can hold this job, and its costs there.
std::vector<Option> options_of(const TransportProblem& problem, Index job) {
  const Index n_slots = problem.cost->n_slots();
  const auto size = at(n_slots);
  const Rows row{nullptr, job, 1};
  std::vector<double> reals(size + 1);
  std::vector<Cost> integers(size + 1);
  const bool real = problem.cost->real();
  if (n_slots > 0) real ? problem.cost->reals(row, reals.data()) : problem.cost->integers(row, integers.data());
  std::vector<Option> out;
  for (std::size_t s = 0; s < size; ++s) {
    if (problem.capacity[s] < problem.weight(job)) continue;
    if (real ? !(reals[s] < kInf) : integers[s] == kForbidden && problem.cost->forbids()) continue;
    out.push_back({static_cast<Index>(s), real ? Number(reals[s]) : Number(integers[s])});
  }
  return out;
}

// Converts numbers to integers in a common unit, rounding down.
class UnitConverter {
 public:
  explicit UnitConverter(int bits) : bits_(bits) {}
  void include(const Number& x) {
    if (x.mantissa == 0) return;
    top_ = std::max(top_, x.top());
    least_ = std::min(least_, x.exponent);
  }
  [[nodiscard]] int unit() const { return std::max(least_, top_ - bits_); }
  Wide operator()(const Number& x) {
    const int shift = x.exponent - unit();
    if (x.mantissa == 0 || shift >= 0) return x.mantissa == 0 ? 0 : x.mantissa * (static_cast<Wide>(1) << shift);
    ++lost_;  // taken back below if nothing was lost
    if (shift <= -126) return x.mantissa < 0 ? -1 : 0;
    const Wide down = x.mantissa >> -shift;
    if (down * (static_cast<Wide>(1) << -shift) == x.mantissa) --lost_;
    return down;
  }
  [[nodiscard]] Wide lost() const { return lost_; }  // a bound on what rounding has removed, in units

 private:
  int bits_, top_ = -1100, least_ = 0;
  Wide lost_ = 0;
};

GangBound enclosed(Wide value, const UnitConverter& count) {
  GangBound bound;
  bound.low.add(value, count.unit());
  bound.high.add(value + count.lost(), count.unit());
  return bound;
}

// Costs of the enumerated jobs in classes, (slots, jobs), and unplaced, (jobs); nothing where forbidden.
template <class Sum>
struct Costs {
  std::vector<std::vector<std::optional<Sum>>> in;
  std::vector<std::optional<Sum>> out;
};

// The jobs to enumerate, and the classes that an optimal plan of them may use.
struct Enumeration {
  std::vector<Index> jobs, slots;
  std::vector<std::vector<Option>> options;  // (jobs)

  Enumeration(const TransportProblem& problem, std::vector<Index> of) : jobs(std::move(of)) {
    const auto less = [](const Option& a, const Option& b) {
      if (a.cost.exponent == b.cost.exponent) return a.cost.mantissa < b.cost.mantissa;
      return std::ldexp(static_cast<double>(a.cost.mantissa), a.cost.exponent) <
             std::ldexp(static_cast<double>(b.cost.mantissa), b.cost.exponent);
    };
    for (const Index job : jobs) {
      options.push_back(options_of(problem, job));
      std::stable_sort(options.back().begin(), options.back().end(), less);
      if (options.back().size() > jobs.size()) options.back().resize(jobs.size());
      for (const Option& o : options.back()) slots.push_back(o.slot);
    }
    std::sort(slots.begin(), slots.end());
    slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
  }

  [[nodiscard]] std::size_t position(Index slot) const {
    return at(std::lower_bound(slots.begin(), slots.end(), slot) - slots.begin());
  }
  template <class Sum>
  [[nodiscard]] std::vector<std::vector<std::optional<Sum>>> no_costs() const {
    return {slots.size(), std::vector<std::optional<Sum>>(jobs.size())};
  }

  // Returns the least cost of a plan of all jobs; nothing where there is none. A dynamic program over sets of jobs,
  // class after class, that adds to each set every set of other jobs that fits into the class.
  template <class Sum>
  [[nodiscard]] std::optional<Sum> least(const TransportProblem& problem, const Costs<Sum>& costs) const {
    using Sums = std::vector<std::optional<Sum>>;
    const std::size_t sets = std::size_t{1} << jobs.size();
    Sums done(sets);  // the least cost of each set in the classes so far
    done[0] = Sum{};
    for (std::size_t set = 0; set < sets; ++set)
      for (std::size_t j = 0; j < jobs.size(); ++j)
        if ((set >> j & 1) == 0 && done[set] && costs.out[j])
          lessen(done[set | std::size_t{1} << j], *done[set] + *costs.out[j]);
    for (std::size_t c = 0; c < slots.size(); ++c) {
      Sums next = done;
      extend(problem, costs.in[c], problem.capacity[at(slots[c])], 0, 0, Sum{}, done, next);
      done.swap(next);
    }
    return done[sets - 1];
  }

 private:
  template <class Sum>
  static void lessen(std::optional<Sum>& least, const Sum& sum) {
    if (!least || sum < *least) least = sum;
  }

  // Adds every set of jobs from `first` on that fits into the remaining capacity `room`, together with those taken.
  template <class Sum>
  void extend(const TransportProblem& problem, const std::vector<std::optional<Sum>>& cost, Cost room,
              std::size_t first, std::size_t taken, const Sum& paid, const std::vector<std::optional<Sum>>& done,
              std::vector<std::optional<Sum>>& next) const {
    for (std::size_t j = first; j < jobs.size(); ++j) {
      const Cost weight = problem.weight(jobs[j]);
      if (!cost[j] || weight > room) continue;
      const Sum all = paid + *cost[j];
      const std::size_t set = taken | std::size_t{1} << j, others = (next.size() - 1) & ~set;
      for (std::size_t rest = others;; rest = (rest - 1) & others) {
        if (done[rest]) lessen(next[rest | set], *done[rest] + all);
        if (rest == 0) break;
      }
      extend(problem, cost, room - weight, j + 1, set, all, done, next);
    }
  }
};

// The least cost of a few jobs without rounding, in the unit of the lowest bit of any cost.
template <int K>
GangBound least_by_enumeration(const TransportProblem& problem, const Enumeration& enumeration, int unit) {
  using Sum = ExactInteger<K>;
  const auto in_units = [&](const Number& x) { return Sum(x.mantissa, x.exponent, unit); };
  Costs<Sum> costs{enumeration.no_costs<Sum>(), {}};
  for (std::size_t j = 0; j < enumeration.jobs.size(); ++j) {
    for (const Option& o : enumeration.options[j]) costs.in[enumeration.position(o.slot)][j] = in_units(o.cost);
    const double out = problem.out(enumeration.jobs[j]);
    costs.out.push_back(out < kInf ? std::optional(in_units(Number(out))) : std::nullopt);
  }
  GangBound bound;
  const std::optional<Sum> least = enumeration.least(problem, costs);
  bound.possible = least.has_value();
  if (least) least->add_to(bound.low, unit);
  bound.high = bound.low;
  return bound;
}

}  // namespace

std::vector<Cost> attainable_capacity(const TransportProblem& problem, std::optional<std::span<const Index>> jobs) {
  std::vector<Cost> room(problem.capacity.begin(), problem.capacity.end());
  std::map<Cost, Cost> count;
  Wide all = 0;
  const auto see = [&](Index job) { ++count[problem.weight(job)], all += problem.weight(job); };
  if (jobs) {
    for (const Index job : *jobs) see(job);
  } else {
    for (Index job = 0; job < problem.cost->n_jobs(); ++job) see(job);
  }
  Cost most = 0, divisor = 0;
  for (const Cost u : room)
    if (u < all) most = std::max(most, u);
  if (most == 0 || count.empty()) return room;
  count.erase(count.upper_bound(most), count.end());  // demands that no such class can hold
  Wide total = 0;
  for (const auto& [weight, n] : count) divisor = std::gcd(divisor, weight), total += static_cast<Wide>(weight) * n;
  divisor = std::max<Cost>(divisor, 1);
  // The largest sum to test, in units of the divisor.
  const auto size = static_cast<Cost>(std::min<Wide>(most, total) / divisor);
  const auto lower = [&](const auto& to) {
    for (Cost& u : room)
      if (u < all) u = to(std::min(u / divisor, size)) * divisor;
  };
  // Tests whether small demands attain every sum up to it.
  Wide reach = 0;
  for (const auto& [weight, n] : count) {
    if (weight / divisor > reach + 1) break;
    reach += static_cast<Wide>(weight / divisor) * n;
  }
  const bool quick = static_cast<double>(size) * static_cast<double>(count.size()) <= kMaxSteps;
  if (reach >= size || !quick) return lower([](Cost u) { return u; }), room;
  // used[x]: the least number of jobs of the present demand that attain sum x; -1 where x cannot be attained so far.
  std::vector<Cost> used(at(size) + 1, -1);
  used[0] = 0;
  for (const auto& [weight, n] : count) {
    const auto step = at(weight / divisor);
    for (std::size_t x = 0; x < used.size(); ++x) {
      if (used[x] >= 0) {
        used[x] = 0;
      } else if (x >= step && used[x - step] >= 0 && used[x - step] < n) {
        used[x] = used[x - step] + 1;
      }
    }
  }
  lower([&](Cost u) {
    while (used[at(u)] < 0) --u;
    return u;
  });
  return room;
}

std::optional<GangBound> bound_by_enumeration(const TransportProblem& problem) {
  const Index n = problem.cost->n_jobs();
  if (n > kMaxEnumerated) return std::nullopt;
  std::vector<Index> jobs(at(n));
  std::iota(jobs.begin(), jobs.end(), Index{0});
  const Enumeration enumeration(problem, std::move(jobs));
  int low = std::numeric_limits<int>::max(), high = std::numeric_limits<int>::min();
  const auto see = [&](const Number& x) {
    if (x.mantissa != 0) low = std::min(low, x.exponent), high = std::max(high, x.top());
  };
  for (std::size_t j = 0; j < enumeration.jobs.size(); ++j) {
    for (const Option& o : enumeration.options[j]) see(o.cost);
    if (problem.out(enumeration.jobs[j]) < kInf) see(Number(problem.out(enumeration.jobs[j])));
  }
  constexpr int kSpareBits = 8;  // sums of kMaxEnumerated, and a sign
  const int unit = low <= high ? low : 0, bits = std::max(0, high - unit) + kSpareBits;
  if (bits < 2 * 64) return least_by_enumeration<2>(problem, enumeration, unit);
  if (bits < 6 * 64) return least_by_enumeration<6>(problem, enumeration, unit);
  return least_by_enumeration<36>(problem, enumeration, unit);
}

std::optional<GangBound> bound_by_knapsacks(const TransportProblem& problem, std::span<const double> charges) {
  const Index n = problem.cost->n_jobs(), n_slots = problem.cost->n_slots();
  if (n * (n_slots + 1) > kMaxCosts) return std::nullopt;
  UnitConverter count(96);
  Cost divisor = 0, all = 0;
  std::vector<std::vector<Option>> options;
  for (Index i = 0; i < n; ++i) {
    options.push_back(options_of(problem, i));
    for (const Option& o : options.back()) count.include(o.cost);
    if (problem.out(i) < kInf) count.include(Number(problem.out(i)));
    count.include(Number(charges[at(i)]));
    divisor = std::gcd(divisor, problem.weight(i));
    all += problem.weight(i);
  }
  if (n == 0) divisor = 1;
  Wide value = 0;
  std::vector<std::vector<std::pair<Cost, Wide>>> items(at(n_slots));  // weight, profit
  for (Index i = 0; i < n; ++i) {
    const Wide charge = count(Number(charges[at(i)]));
    value += charge;
    if (problem.out(i) < kInf) value += std::min<Wide>(0, count(Number(problem.out(i))) - charge);
    for (const Option& o : options[at(i)])
      if (const Wide profit = charge - count(o.cost); profit > 0)
        items[at(o.slot)].emplace_back(problem.weight(i) / divisor, profit);
  }
  double cells = 0;
  const auto room = [&](std::size_t s) { return at(std::min(problem.capacity[s], all) / divisor); };
  for (std::size_t s = 0; s < items.size(); ++s)
    cells += static_cast<double>(room(s) + 1) * static_cast<double>(items[s].size() + 1);
  if (cells > kMaxCells) return std::nullopt;
  for (std::size_t s = 0; s < items.size(); ++s) {
    std::vector<Wide> most(room(s) + 1, 0);  // the largest profit by capacity
    for (const auto& [weight, profit] : items[s])
      for (std::size_t r = most.size(); r-- > at(weight);) most[r] = std::max(most[r], most[r - at(weight)] + profit);
    value -= most.back();
  }
  return enclosed(value, count);
}

std::optional<bool> can_be_placed(const TransportProblem& problem, std::span<const Index> jobs) {
  if (static_cast<Index>(jobs.size()) > kMaxEnumerated) return std::nullopt;
  const Enumeration enumeration(problem, {jobs.begin(), jobs.end()});
  using Sum = ExactInteger<1>;  // all costs are 0
  Costs<Sum> costs{enumeration.no_costs<Sum>(), std::vector<std::optional<Sum>>(jobs.size())};
  for (std::size_t j = 0; j < jobs.size(); ++j)
    for (const Option& o : enumeration.options[j]) costs.in[enumeration.position(o.slot)][j] = Sum{};
  return enumeration.least(problem, costs).has_value();
}

}  // namespace gridcompute::certificate
