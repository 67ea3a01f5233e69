#include "gridcompute/certificate/gangs.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

namespace gridcompute::certificate {

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kMostSums = 1 << 28;   // steps of subset sums,
constexpr double kMostPlans = 1 << 27;  // of plans of a few jobs,
constexpr double kMostCells = 1 << 26;  // and of knapsacks
constexpr Index kFew = 12;
constexpr Index kMostCosts = 1 << 21;  // that are held in memory
constexpr Wide kNone = static_cast<Wide>(1) << 125;

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
  [[nodiscard]] double value() const { return std::ldexp(static_cast<double>(mantissa), exponent); }
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

// The classes that may hold this job, and its costs there.
std::vector<Option> options_of(const TransportProblem& problem, Index job) {
  const Index n_slots = problem.cost->n_slots();
  const auto size = static_cast<std::size_t>(n_slots);
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

// Counts numbers in a common unit, rounding down.
class Counter {
 public:
  explicit Counter(int bits) : bits_(bits) {}
  void include(const Number& x) {
    if (x.mantissa == 0) return;
    top_ = std::max(top_, x.top());
    least_ = std::min(least_, x.exponent);
  }
  [[nodiscard]] int unit() const { return std::max(least_, top_ - bits_); }
  Wide operator()(const Number& x) {
    const int shift = x.exponent - unit();
    if (x.mantissa == 0 || shift >= 0) return x.mantissa == 0 ? 0 : x.mantissa * (static_cast<Wide>(1) << shift);
    ++lost_;  // perhaps
    if (shift <= -126) return x.mantissa < 0 ? -1 : 0;
    const Wide down = x.mantissa >> -shift;
    if (down * (static_cast<Wide>(1) << -shift) == x.mantissa) --lost_;
    return down;
  }
  [[nodiscard]] Wide lost() const { return lost_; }  // units that rounding took, at most

 private:
  int bits_, top_ = -1100, least_ = 0;
  Wide lost_ = 0;
};

GangBound enclosed(Wide value, const Counter& count) {
  GangBound bound;
  bound.low.add(value, count.unit());
  bound.high.add(value + count.lost(), count.unit());
  return bound;
}

// A few jobs, and the classes that matter to them.
struct Few {
  std::vector<Index> jobs, slots;
  std::vector<std::vector<Option>> options;  // (jobs)

  Few(const TransportProblem& problem, std::vector<Index> of) : jobs(std::move(of)) {
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

  [[nodiscard]] double steps() const {
    return std::pow(3.0, static_cast<double>(jobs.size())) * static_cast<double>(slots.size());
  }

  // The least cost of all jobs; kNone where they cannot all be placed or left out. cost: (slots, jobs), out: (jobs),
  // kNone where closed. Class after class takes any set of jobs that fits, one job at a time.
  [[nodiscard]] Wide least(const TransportProblem& problem, const std::vector<std::vector<Wide>>& cost,
                           const std::vector<Wide>& out) const {
    const std::size_t sets = std::size_t{1} << jobs.size();
    std::vector<Wide> done(sets, kNone);  // the least cost of each set in the classes so far
    done[0] = 0;
    for (std::size_t set = 0; set < sets; ++set)
      for (std::size_t j = 0; j < jobs.size(); ++j)
        if ((set >> j & 1) == 0 && done[set] < kNone && out[j] < kNone)
          done[set | std::size_t{1} << j] = std::min(done[set | std::size_t{1} << j], done[set] + out[j]);
    for (std::size_t c = 0; c < slots.size(); ++c) {
      std::vector<Wide> next = done;
      extend(problem, cost[c], problem.capacity[static_cast<std::size_t>(slots[c])], 0, 0, 0, done, next);
      done = std::move(next);
    }
    return done[sets - 1];
  }

 private:
  // All sets of jobs from `first` on that still fit into `room`, with those taken.
  void extend(const TransportProblem& problem, const std::vector<Wide>& cost, Cost room, std::size_t first,
              std::size_t taken, Wide paid, const std::vector<Wide>& done, std::vector<Wide>& next) const {
    for (std::size_t j = first; j < jobs.size(); ++j) {
      const Cost weight = problem.weight(jobs[j]);
      if (cost[j] >= kNone || weight > room) continue;
      const std::size_t set = taken | std::size_t{1} << j, others = (next.size() - 1) & ~set;
      for (std::size_t rest = others;; rest = (rest - 1) & others) {
        if (done[rest] < kNone) next[rest | set] = std::min(next[rest | set], done[rest] + paid + cost[j]);
        if (rest == 0) break;
      }
      extend(problem, cost, room - weight, j + 1, set, paid + cost[j], done, next);
    }
  }
};

}  // namespace

std::vector<Cost> fillable_room(const TransportProblem& problem, std::optional<std::span<const Index>> jobs) {
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
  for (const auto& [weight, n] : count) divisor = std::gcd(divisor, weight);
  if (most == 0 || divisor == 0) return room;
  const auto lower = [&](const auto& to) {
    for (Cost& u : room)
      if (u < all) u = to(u / divisor) * divisor;
  };
  // In units of the divisor: do small demands reach every sum?
  Wide reach = 0;
  for (const auto& [weight, n] : count) {
    if (weight / divisor > reach + 1) break;
    reach += static_cast<Wide>(weight / divisor) * n;
  }
  const Cost size = most / divisor;
  const bool few = static_cast<double>(size) * static_cast<double>(count.size()) <= kMostSums;
  if (reach >= size || !few) return lower([](Cost u) { return u; }), room;
  // used[x]: how many of the demand at hand make the sum x, at least; -1 where it is no sum of those so far.
  std::vector<Cost> used(static_cast<std::size_t>(size) + 1, -1);
  used[0] = 0;
  for (const auto& [weight, n] : count) {
    const auto step = static_cast<std::size_t>(weight / divisor);
    for (std::size_t x = 0; x < used.size(); ++x) {
      if (used[x] >= 0) {
        used[x] = 0;
      } else if (x >= step && used[x - step] >= 0 && used[x - step] < n) {
        used[x] = used[x - step] + 1;
      }
    }
  }
  lower([&](Cost u) {
    while (used[static_cast<std::size_t>(u)] < 0) --u;
    return u;
  });
  return room;
}

namespace {

// What the plan costs above the cheapest option of each job, and these; +inf where a job is nowhere.
double excess_of(const TransportProblem& problem, const Few& few, std::span<const std::int32_t> assignment,
                 std::vector<double>& least) {
  double sum = 0;
  for (std::size_t j = 0; j < few.jobs.size(); ++j) {
    least.push_back(problem.out(few.jobs[j]));
    for (const Option& o : few.options[j]) least[j] = std::min(least[j], o.cost.value());
    const Index at = assignment.empty() ? -2 : assignment[j];
    double here = at == -1 ? problem.out(few.jobs[j]) : kInf;
    for (const Option& o : options_of(problem, few.jobs[j]))
      if (o.slot == at) here = o.cost.value();
    sum += here - least[j];
  }
  return sum < kInf ? sum * (1 + 0x1p-40) : kInf;  // NaN, too
}

}  // namespace

std::optional<GangBound> bound_of_few(const TransportProblem& problem, std::span<const std::int32_t> assignment) {
  const Index n = problem.cost->n_jobs();
  if (n > kFew) return std::nullopt;
  std::vector<Index> jobs(static_cast<std::size_t>(n));
  std::iota(jobs.begin(), jobs.end(), Index{0});
  Few few(problem, std::move(jobs));
  if (few.steps() > kMostPlans) return std::nullopt;
  std::vector<double> least_of;
  const double excess = excess_of(problem, few, assignment, least_of);
  const auto lowered = [&](std::size_t j, Number cost) {
    const double most = std::nextafter(least_of[j] + excess, kInf);
    return most < kInf && cost.value() > most ? Number(most) : cost;
  };
  for (std::size_t j = 0; j < few.jobs.size(); ++j)
    for (Option& o : few.options[j]) o.cost = lowered(j, o.cost);
  Counter count(110);
  for (std::size_t j = 0; j < few.jobs.size(); ++j) {
    for (const Option& o : few.options[j]) count.include(o.cost);
    if (problem.out(few.jobs[j]) < kInf) count.include(lowered(j, Number(problem.out(few.jobs[j]))));
  }
  std::vector<std::vector<Wide>> cost(few.slots.size(), std::vector<Wide>(few.jobs.size(), kNone));
  std::vector<Wide> out;
  for (std::size_t j = 0; j < few.jobs.size(); ++j) {
    for (const Option& o : few.options[j]) {
      const auto at = std::lower_bound(few.slots.begin(), few.slots.end(), o.slot) - few.slots.begin();
      cost[static_cast<std::size_t>(at)][j] = count(o.cost);
    }
    const double left = problem.out(few.jobs[j]);
    out.push_back(left < kInf ? count(lowered(j, Number(left))) : kNone);
  }
  const Wide least = few.least(problem, cost, out);
  if (least >= kNone) return GangBound{false, {}, {}};
  return enclosed(least, count);
}

std::optional<GangBound> bound_of_charges(const TransportProblem& problem, std::span<const double> charges) {
  const Index n = problem.cost->n_jobs(), n_slots = problem.cost->n_slots();
  if (n * (n_slots + 1) > kMostCosts) return std::nullopt;
  Counter count(96);
  Cost divisor = 0, all = 0;
  std::vector<std::vector<Option>> options;
  for (Index i = 0; i < n; ++i) {
    options.push_back(options_of(problem, i));
    for (const Option& o : options.back()) count.include(o.cost);
    if (problem.out(i) < kInf) count.include(Number(problem.out(i)));
    count.include(Number(charges[static_cast<std::size_t>(i)]));
    divisor = std::gcd(divisor, problem.weight(i));
    all += problem.weight(i);
  }
  if (n == 0) divisor = 1;
  Wide value = 0;
  std::vector<std::vector<std::pair<Cost, Wide>>> makes(static_cast<std::size_t>(n_slots));  // weight, profit
  for (Index i = 0; i < n; ++i) {
    const Wide charge = count(Number(charges[static_cast<std::size_t>(i)]));
    value += charge;
    if (problem.out(i) < kInf) value += std::min<Wide>(0, count(Number(problem.out(i))) - charge);
    for (const Option& o : options[static_cast<std::size_t>(i)])
      if (const Wide profit = charge - count(o.cost); profit > 0)
        makes[static_cast<std::size_t>(o.slot)].emplace_back(problem.weight(i) / divisor, profit);
  }
  double cells = 0;
  const auto room = [&](std::size_t s) {
    return static_cast<std::size_t>(std::min(problem.capacity[s], all) / divisor);
  };
  for (std::size_t s = 0; s < makes.size(); ++s)
    cells += static_cast<double>(room(s) + 1) * static_cast<double>(makes[s].size() + 1);
  if (cells > kMostCells) return std::nullopt;
  for (std::size_t s = 0; s < makes.size(); ++s) {
    std::vector<Wide> most(room(s) + 1, 0);  // by room
    for (const auto& [weight, profit] : makes[s])
      for (std::size_t r = most.size(); r-- > static_cast<std::size_t>(weight);)
        most[r] = std::max(most[r], most[r - static_cast<std::size_t>(weight)] + profit);
    value -= most.back();
  }
  return enclosed(value, count);
}

std::optional<bool> can_be_placed(const TransportProblem& problem, std::span<const Index> jobs) {
  if (static_cast<Index>(jobs.size()) > kFew) return std::nullopt;
  const Few few(problem, {jobs.begin(), jobs.end()});
  if (few.steps() > kMostPlans) return std::nullopt;
  std::vector<std::vector<Wide>> cost(few.slots.size(), std::vector<Wide>(jobs.size(), kNone));
  for (std::size_t j = 0; j < jobs.size(); ++j)
    for (const Option& o : few.options[j])
      cost[static_cast<std::size_t>(std::lower_bound(few.slots.begin(), few.slots.end(), o.slot) - few.slots.begin())]
          [j] = 0;
  return few.least(problem, cost, std::vector<Wide>(jobs.size(), kNone)) < kNone;
}

}  // namespace gridcompute::certificate
