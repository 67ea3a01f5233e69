#include "gridcompute/certificate/transport.hpp"

#include <algorithm>
#include <cmath>

#include "gridcompute/base/error.hpp"
#include "gridcompute/base/simd.hpp"
#include "gridcompute/certificate/exact_numbers.hpp"
#include "gridcompute/certificate/gangs.hpp"

namespace gridcompute::certificate {

namespace {

std::string others(const JobFault& fault) {
  return fault.count > 1 ? " (and " + std::to_string(fault.count - 1) + " more jobs)" : "";
}

class Check {
 public:
  Check(const TransportProblem& problem, std::span<const std::int32_t> assignment, std::span<const double> prices,
        std::span<const double> remainders, Index first)
      : problem_(problem),
        assignment_(assignment),
        minimum_(prices, remainders),
        n_slots_(problem.cost->n_slots()),
        first_(first) {
    for (const Cost capacity : problem.capacity) least_capacity_ = std::min(least_capacity_, capacity);
  }

  // Adds the objective and the loads of jobs begin to end.
  void primal(Index begin, Index end, TransportSums& part) const {
    part.load.assign(at(n_slots_), 0);
    for (Index i = begin; i < end; ++i) {
      const Index s = assignment_[at(i)];
      const double out = problem_.out(i);
      part.fractional |= out < kInf && out != std::nearbyint(out);
      if (s < -1 || s >= n_slots_) {
        part.range.add(first_ + i, s);
      } else if (s < 0) {
        out < kInf ? pay(out, part) : part.must.add(first_ + i, s);
      } else {
        part.load[at(s)] += problem_.weight(i);
        pay_class(i, s, part);
      }
    }
  }

  // Adds the bound's row minima of jobs begin to end.
  void dual(Index begin, Index end, TransportSums& part) const {
    const Index rows = std::max<Index>(1, kBlockCosts / std::max<Index>(1, n_slots_));
    std::vector<double> reals;
    std::vector<Cost> integers;
    for (Index i = begin; i < end; i += rows) {
      const Rows block{nullptr, i, std::min(rows, end - i)};
      const auto size = at(block.count * n_slots_);
      if (problem_.cost->real()) {
        reals.resize(size + 1);
        problem_.cost->reals(block, reals.data());
      } else {
        integers.resize(size + 1);
        problem_.cost->integers(block, integers.data());
      }
      for (Index k = 0; k < block.count; ++k) {
        if (problem_.cost->real()) {
          (void)close_small(reals.data() + k * n_slots_, i + k, kInf);
          dual(reals.data() + k * n_slots_, i + k, part);
        } else {
          const bool closed = close_small(integers.data() + k * n_slots_, i + k, kForbidden);
          dual(integers.data() + k * n_slots_, i + k, closed || problem_.cost->forbids(), part);
        }
      }
    }
  }

 private:
  // Forbids classes smaller than the demand, unless the integer that would mark them is the cost of another class.
  template <class T>
  [[nodiscard]] bool close_small(T* costs, Index job, T closed) const {
    const Cost weight = problem_.weight(job);
    if (problem_.demand.empty() || weight <= least_capacity_) return false;
    const auto small = [&](Index s) { return problem_.capacity[at(s)] < weight; };
    for (Index s = 0; s < n_slots_; ++s)
      if (!problem_.cost->forbids() && costs[s] == closed && !small(s)) return false;
    for (Index s = 0; s < n_slots_; ++s)
      if (small(s)) costs[s] = closed;
    return true;
  }

  void dual(const double* costs, Index job, TransportSums& part) const {
    const Cost weight = problem_.weight(job);
    const double out = problem_.out(job);
    const RowMinimum least = minimum_.of(costs, weight, out);
    add(least, first_ + job, part, [&] { return minimum_.exactly(costs, weight, out, least.limit); });
  }

  void dual(const Cost* costs, Index job, bool forbids, TransportSums& part) const {
    const Cost weight = problem_.weight(job);
    const double out = problem_.out(job);
    const RowMinimum least = minimum_.of(costs, forbids, weight, out);
    add(least, first_ + job, part, [&] { return minimum_.exactly(costs, forbids, weight, out, least.limit); });
  }

  // Adds one row's minimum to the bound.
  template <class Exactly>
  static void add(const RowMinimum& least, Index job, TransportSums& part, const Exactly& exactly) {
    if (least.invalid) return part.invalid.add(job, 0);
    if (!least.inexact) return least.none ? part.no_option.add(job, 0) : least.add(part.low, part.high);
    std::optional<ExactSum> sum = exactly();
    if (!sum) return part.no_option.add(job, 0);
    part.low.join(*sum);
    part.high.join(*sum);
  }

  static void pay(double cost, TransportSums& part) {
    part.objective.add(cost);
    part.magnitude += std::fabs(cost);
  }

  void pay_class(Index i, Index s, TransportSums& part) const {
    if (problem_.cost->real()) {
      const double cost = problem_.cost->real_at(i, s);
      std::isfinite(cost) ? pay(cost, part) : part.forbidden.add(first_ + i, s);
      return;
    }
    const Cost cost = problem_.cost->integer_at(i, s);
    if (cost == kForbidden && problem_.cost->forbids()) return part.forbidden.add(first_ + i, s);
    part.objective.add(static_cast<Wide>(cost), 0);
    part.magnitude += std::fabs(static_cast<double>(cost));
  }

  const TransportProblem& problem_;
  std::span<const std::int32_t> assignment_;
  PricedMinimum minimum_;
  Index n_slots_, first_;
  Cost least_capacity_ = std::numeric_limits<Cost>::max();  // of all classes
};

void name_faults(const TransportSums& total, std::span<const Cost> capacity, TransportReport& report) {
  const auto at = [&](const JobFault& fault) {
    return "assignment[" + std::to_string(fault.job) + "]: found " + std::to_string(fault.found);
  };
  if (total.range.count > 0) {
    report.faults.push_back(at(total.range) + ", needed -1 to " + std::to_string(std::ssize(capacity) - 1) +
                            others(total.range));
  }
  if (total.forbidden.count > 0)
    report.forbidden.push_back(at(total.forbidden) + ", which is forbidden to this job" + others(total.forbidden));
  if (total.must.count > 0) report.missing.push_back(at(total.must) + ", but it must be placed" + others(total.must));
  if (total.invalid.count > 0) {
    report.unproved.push_back("cost: row " + std::to_string(total.invalid.job) + " has a NaN or -inf" +
                              others(total.invalid));
  }
  for (std::size_t s = 0; s < capacity.size(); ++s) {
    if (total.load[s] > capacity[s]) {
      report.overfull.push_back("slot class " + std::to_string(s) + " is given " + std::to_string(total.load[s]) +
                                ", its capacity is " + std::to_string(capacity[s]));
    }
  }
}

std::string wrong_size(const char* field, std::size_t found, const char* name, Index needed) {
  return std::string(field) + ": found " + std::to_string(found) + " entries, needed " + name + " = " +
         std::to_string(needed);
}

[[noreturn]] void invalid(const char* field, Index index, const std::string& what) {
  throw Error(ErrorKind::invalid_problem, field, index, what);
}

// Throws if an array of the problem does not fit its costs, or has a value that no problem has.
void check_problem(const TransportProblem& problem) {
  const auto n = at(problem.cost->n_jobs());
  const auto n_slots = at(problem.cost->n_slots());
  if (problem.capacity.size() != n_slots)
    invalid("capacity", -1, wrong_size("capacity", problem.capacity.size(), "n_slots", problem.cost->n_slots()));
  if (!problem.demand.empty() && problem.demand.size() != n)
    invalid("demand", -1, wrong_size("demand", problem.demand.size(), "n_jobs", problem.cost->n_jobs()));
  if (problem.unplaced.size() > 1 && problem.unplaced.size() != n)
    invalid("unplaced", -1, wrong_size("unplaced", problem.unplaced.size(), "1 or n_jobs", problem.cost->n_jobs()));
  const auto first = [](const auto& values, const auto& wrong) {
    return static_cast<Index>(std::find_if(values.begin(), values.end(), wrong) - values.begin());
  };
  const auto refuse = [&](const char* field, const auto& values, const auto& wrong, const char* needed) {
    const Index k = first(values, wrong);
    if (k == static_cast<Index>(values.size())) return;
    const auto value = values[at(k)];
    invalid(field, k, std::string(field) + "[" + std::to_string(k) + "]: found " + std::to_string(value) + needed);
  };
  refuse("capacity", problem.capacity, [](Cost u) { return u < 0; }, ", needed 0 or more");
  refuse("demand", problem.demand, [](std::int32_t w) { return w < 1; }, ", needed 1 or more");
  refuse("unplaced", problem.unplaced, [](double x) { return !(x > -kInf); }, ", needed a number, or inf");
}

Enclosure enclose(ExactSum& low, ExactSum& high) { return {low.down(), high.up(), low.integer(), high.integer()}; }

bool usable(std::span<const double> prices, Index n_slots, std::vector<std::string>& faults) {
  if (static_cast<Index>(prices.size()) != n_slots) {
    faults.push_back(wrong_size("prices", prices.size(), "n_slots", n_slots));
    return false;
  }
  for (std::size_t s = 0; s < prices.size(); ++s) {
    if (prices[s] >= 0 && prices[s] < kInf) continue;
    faults.push_back("prices[" + std::to_string(s) + "]: found " + shown(prices[s]) + ", needed 0 or more, and finite");
    return false;
  }
  return true;
}

// Checks that the remainders fit the prices and no price with its remainders is below 0.
bool usable_remainders(std::span<const double> prices, std::span<const double> remainders,
                       std::vector<std::string>& faults) {
  if (remainders.empty()) return true;
  const std::size_t n = prices.size();
  if (n == 0 || remainders.size() % n != 0) {
    faults.push_back("remainders: found " + std::to_string(remainders.size()) +
                     " entries, needed rows of n_slots = " + std::to_string(n));
    return false;
  }
  for (std::size_t s = 0; s < n; ++s) {
    ExactSum price;
    price.add(prices[s]);
    for (std::size_t at = s; at < remainders.size(); at += n) {
      if (!std::isfinite(remainders[at])) {
        faults.push_back("remainders[" + std::to_string(at / n) + ", " + std::to_string(s) + "]: found " +
                         shown(remainders[at]) + ", needed a finite number");
        return false;
      }
      price.add(remainders[at]);
    }
    if (price.sign() >= 0) continue;
    faults.push_back("prices[" + std::to_string(s) + "]: with remainders it is below 0");
    return false;
  }
  return true;
}

bool usable_charges(std::span<const double> charges, Index n, std::vector<std::string>& faults) {
  if (static_cast<Index>(charges.size()) != n) {
    faults.push_back(wrong_size("charges", charges.size(), "n_jobs", n));
    return false;
  }
  for (std::size_t i = 0; i < charges.size(); ++i) {
    if (std::isfinite(charges[i])) continue;
    faults.push_back("charges[" + std::to_string(i) + "]: found " + shown(charges[i]) + ", needed a finite number");
    return false;
  }
  return true;
}

// Replaces the bound by the other one if that is greater; false if the other proves that there is no plan.
bool take_greater(std::optional<GangBound> other, TransportSums& total) {
  if (!other || !other->possible) return !other;
  ExactSum less = total.low, more = other->low;
  less.negate();
  more.join(less);
  if (more.sign() > 0) total.low = other->low, total.high = other->high;
  return true;
}

}  // namespace

void TransportSums::join(TransportSums& later) {
  objective.join(later.objective);
  low.join(later.low);
  high.join(later.high);
  magnitude += later.magnitude;
  fractional |= later.fractional;
  jobs += later.jobs;
  load.resize(std::max(load.size(), later.load.size()), 0);
  for (std::size_t s = 0; s < later.load.size(); ++s) load[s] += later.load[s];
  range.join(later.range), forbidden.join(later.forbidden), must.join(later.must);
  invalid.join(later.invalid), no_option.join(later.no_option);
}

PricesCheck check_prices(std::span<const double> prices, std::span<const double> remainders, Index n_slots) {
  PricesCheck check;
  check.usable = usable(prices, n_slots, check.faults) && usable_remainders(prices, remainders, check.faults);
  return check;
}

std::optional<TransportSums> sum_jobs(const TransportProblem& problem, std::span<const std::int32_t> assignment,
                                      std::span<const double> prices, std::span<const double> remainders, bool priced,
                                      Index first, Pool& pool, Stop& stop) {
  const Index n = problem.cost->n_jobs();
  const bool assigned = static_cast<Index>(assignment.size()) == n;
  if (!priced) prices = {}, remainders = {};
  const Check check(problem, assignment, prices, remainders, first);
  std::vector<TransportSums> parts;
  const bool complete = pool.for_parts(
      parts, n, kChunkJobs,
      [&](auto& part, Index begin, Index end) {
        if (assigned) check.primal(begin, end, part);
        if (priced) check.dual(begin, end, part);
      },
      &stop);
  if (!complete) return std::nullopt;
  TransportSums total;
  total.load.assign(at(problem.cost->n_slots()), 0);
  for (TransportSums& part : parts) total.join(part);
  total.jobs = n;
  return total;
}

namespace {

// Concludes from the sums of all jobs. problem.cost: of all jobs or of some.
TransportReport conclude(const TransportProblem& problem, TransportSums& total, bool assigned, bool priced, Cost weight,
                         std::span<const double> prices, std::span<const double> charges,
                         std::span<const double> remainders) {
  TransportReport report;
  report.complete = true;
  name_faults(total, problem.capacity, report);
  report.load = std::move(total.load);
  report.magnitude = total.magnitude;
  report.integral = !problem.cost->real() && assigned && !total.fractional;
  if (assigned) report.objective = enclose(total.objective, total.objective);
  if (!priced || total.invalid.count > 0) {
    report.bound = {-kInf, kInf, {}, {}};
    return report;
  }
  if (total.no_option.count > 0) {  // a job without any option: there is no plan
    report.bound = {kInf, kInf, {}, {}};
    return report;
  }
  const bool gangs = !problem.demand.empty();
  const std::vector<Cost> rooms =
      gangs ? attainable_capacity(problem) : std::vector<Cost>(problem.capacity.begin(), problem.capacity.end());
  for (std::size_t s = 0; s < prices.size(); ++s) {
    const Cost room = std::min(rooms[s], weight);
    for (ExactSum* const sum : {&total.low, &total.high}) {
      sum->subtract_product(room, prices[s]);
      for (std::size_t at = s; at < remainders.size(); at += prices.size()) sum->subtract_product(room, remainders[at]);
    }
  }
  bool possible = true;
  if (gangs) possible = take_greater(bound_by_enumeration(problem), total);
  if (gangs && !charges.empty()) possible = take_greater(bound_by_knapsacks(problem, charges), total) && possible;
  if (!possible) {
    report.bound = {kInf, kInf, {}, {}};
    return report;
  }
  if (report.integral) {  // the bound is rounded up
    const auto up = total.low.ceiling(), most = total.high.ceiling();
    report.integral = up && most;
    if (report.integral) {
      total.low = ExactSum{}, total.high = ExactSum{};
      total.low.add(*up, 0), total.high.add(*most, 0);
    }
  }
  report.bound = enclose(total.low, total.high);
  total.low.negate();
  total.objective.join(total.low);
  report.tight = assigned && report.feasible() && total.objective.sign() == 0;
  return report;
}

}  // namespace

TransportReport check_transport(const TransportProblem& problem, std::span<const std::int32_t> assignment,
                                std::span<const double> prices, Pool& pool, Stop& stop, std::span<const double> charges,
                                std::span<const double> remainders) {
  check_problem(problem);
  const Index n = problem.cost->n_jobs();
  Cost weight = problem.demand.empty() ? n : 0;
  for (const std::int32_t w : problem.demand) weight += w;
  std::vector<std::string> faults, unproved;
  const bool assigned = static_cast<Index>(assignment.size()) == n;
  if (!assigned) faults.push_back(wrong_size("assignment", assignment.size(), "n_jobs", n));
  PricesCheck check = check_prices(prices, remainders, problem.cost->n_slots());
  if (!charges.empty() && !usable_charges(charges, n, check.faults)) charges = {};
  std::optional<TransportSums> total = sum_jobs(problem, assignment, prices, remainders, check.usable, 0, pool, stop);
  TransportReport report;
  if (total) report = conclude(problem, *total, assigned, check.usable, weight, prices, charges, remainders);
  report.faults.insert(report.faults.begin(), faults.begin(), faults.end());
  report.unproved.insert(report.unproved.begin(), check.faults.begin(), check.faults.end());
  return report;
}

TransportReport check_sums(const TransportProblem& problem, TransportSums& total, std::span<const double> prices,
                           std::span<const double> remainders) {
  const PricesCheck check = check_prices(prices, remainders, problem.cost->n_slots());
  TransportReport report = conclude(problem, total, true, check.usable, total.jobs, prices, {}, remainders);
  report.unproved.insert(report.unproved.begin(), check.faults.begin(), check.faults.end());
  return report;
}

std::string contradiction(const TransportProblem& problem, const TransportClaim& claim) {
  const auto n = static_cast<std::size_t>(problem.cost->n_jobs());
  const auto n_slots = static_cast<std::size_t>(problem.cost->n_slots());
  if (claim.assignment.size() != n || claim.load.size() != n_slots || claim.prices.size() != n_slots)
    return "an array of the answer has a wrong size";
  std::vector<Cost> load(n_slots + 1, 0);  // the last: of unplaced jobs
  Index missing = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const Index s = claim.assignment[i];
    if (s < -1 || s >= static_cast<Index>(n_slots))
      return "assignment[" + std::to_string(i) + "] is " + std::to_string(s);
    load[s < 0 ? n_slots : static_cast<std::size_t>(s)] += problem.weight(static_cast<Index>(i));
    if (s < 0 && !(problem.out(static_cast<Index>(i)) < kInf)) ++missing;
  }
  for (std::size_t s = 0; s < n_slots; ++s) {
    const bool priced = claim.prices[s] >= 0 && claim.prices[s] < kInf;
    if (load[s] == claim.load[s] && load[s] <= problem.capacity[s] && priced) continue;
    const std::string at = "[" + std::to_string(s) + "] is ";
    if (load[s] != claim.load[s])
      return "load" + at + std::to_string(claim.load[s]) + ", the assignment gives " + std::to_string(load[s]);
    return priced ? "load" + at + std::to_string(load[s]) + ", beyond the capacity"
                  : "prices" + at + shown(claim.prices[s]);
  }
  if (missing > 0 && (claim.complete || claim.objective < kInf))
    return std::to_string(missing) + " jobs that must be placed are not";
  // A sum that no double holds is inf too; a pair whose cost is none was open when it was read before.
  if (!claim.complete || std::isfinite(claim.objective) || !problem.cost->real()) return {};
  std::vector<double> row(n_slots);
  for (std::size_t i = 0; i < n; ++i) {
    const Index s = claim.assignment[i];
    if (s < 0) continue;
    problem.cost->reals(Rows{nullptr, static_cast<Index>(i), 1}, row.data());
    if (const double cost = row[static_cast<std::size_t>(s)]; !std::isfinite(cost))
      return "assignment[" + std::to_string(i) + "] costs " + shown(cost) + "; costs may not change during a call";
  }
  return {};
}

WitnessReport check_witness(const TransportProblem& problem, std::span<const Index> jobs, std::span<const Slot> slots) {
  WitnessReport report;
  check_problem(problem);
  const Index n = problem.cost->n_jobs(), n_slots = problem.cost->n_slots();
  std::vector<char> within(at(n_slots), 0);
  for (const Slot s : slots) {
    if (s < 0 || s >= n_slots || within[at(s)] != 0) {
      report.faults.push_back("witness: slot class " + std::to_string(s) + " is out of range or named twice");
      return report;
    }
    within[at(s)] = 1;
  }
  std::vector<double> reals(at(n_slots) + 1);
  std::vector<Cost> integers(at(n_slots) + 1);
  Index before = -1;
  for (const Index job : jobs) {
    if (job <= before || job >= n) {
      report.faults.push_back("witness: jobs must ascend within range, found " + std::to_string(job));
      return report;
    }
    before = job;
    report.needed += problem.weight(job);
    if (problem.out(job) < kInf) {
      report.faults.push_back("witness: job " + std::to_string(job) + " may be left unplaced");
      return report;
    }
    const Rows row{&job, 0, 1};
    problem.cost->real() ? problem.cost->reals(row, reals.data()) : problem.cost->integers(row, integers.data());
    if (std::any_of(reals.begin(), reals.end(), [](double c) { return !(c > -kInf); })) {
      report.faults.push_back("cost: row " + std::to_string(job) + " has a NaN or -inf");
      return report;
    }
    for (Index s = 0; s < n_slots; ++s) {
      const auto k = at(s);
      const bool closed =
          problem.cost->real() ? !(reals[k] < kInf) : integers[k] == kForbidden && problem.cost->forbids();
      if (closed || within[k] != 0 || problem.capacity[k] < problem.weight(job)) continue;
      report.faults.push_back("witness: job " + std::to_string(job) + " may use slot class " + std::to_string(s) +
                              ", which is not named");
      return report;
    }
  }
  const std::vector<Cost> rooms = problem.demand.empty()
                                      ? std::vector<Cost>(problem.capacity.begin(), problem.capacity.end())
                                      : attainable_capacity(problem, jobs);
  for (const Slot s : slots) report.available += rooms[at(s)];
  if (report.needed > report.available) return report;
  const std::optional<bool> placed = problem.demand.empty() ? true : can_be_placed(problem, jobs);
  if (!placed) {
    report.faults.emplace_back("witness: the classes named have slots for the jobs, which are too many to be tried");
  } else if (*placed) {
    report.faults.emplace_back("witness: the classes named have room for the jobs");
  }
  return report;
}

namespace {

// Reads the costs of some jobs.
class RowsOfCost final : public CostSource {
 public:
  RowsOfCost(const CostSource& all, std::span<const Index> jobs)
      : CostSource(std::ssize(jobs), all.n_slots()), all_(all), jobs_(jobs) {}

  [[nodiscard]] bool real() const noexcept override { return all_.real(); }
  [[nodiscard]] bool forbids() const noexcept override { return all_.forbids(); }
  void integers(Rows rows, Cost* out) const override {
    for (Index k = 0; k < rows.count; ++k) all_.integers(row(rows[k]), out + k * n_slots());
  }
  void reals(Rows rows, double* out) const override {
    for (Index k = 0; k < rows.count; ++k) all_.reals(row(rows[k]), out + k * n_slots());
  }

 private:
  [[nodiscard]] Rows row(Index k) const noexcept { return {&jobs_[at(k)], 0, 1}; }

  const CostSource& all_;
  std::span<const Index> jobs_;
};

}  // namespace

std::optional<Enclosure> least_costs(const TransportProblem& problem, std::span<const std::int32_t> group,
                                     std::span<const double> prices,
                                     std::span<const std::span<const double>> remainders, Pool& pool, Stop& stop) {
  std::vector<std::vector<Index>> members(remainders.size());
  for (std::size_t i = 0; i < group.size(); ++i) {
    const auto g = at(group[i]);
    if (group[i] < 0 || g >= members.size())
      throw Error(ErrorKind::internal, "group", static_cast<Index>(i),
                  "group[" + std::to_string(i) + "]: found " + std::to_string(group[i]) + ", needed less than " +
                      std::to_string(members.size()));
    members[g].push_back(static_cast<Index>(i));
  }
  TransportSums total;
  for (std::size_t g = 0; g < members.size(); ++g) {
    if (members[g].empty()) continue;
    if (!check_prices(prices, remainders[g], problem.cost->n_slots()).usable) return Enclosure{};
    const RowsOfCost cost(*problem.cost, members[g]);
    std::vector<std::int32_t> demand;
    std::vector<double> unplaced;
    for (const Index job : members[g]) {
      demand.push_back(static_cast<std::int32_t>(problem.weight(job)));
      unplaced.push_back(problem.out(job));
    }
    const TransportProblem part{&cost, problem.capacity, demand, unplaced};
    std::optional<TransportSums> sums = sum_jobs(part, {}, prices, remainders[g], true, 0, pool, stop);
    if (!sums) return std::nullopt;
    total.join(*sums);
  }
  if (total.invalid.count > 0) return Enclosure{};
  if (total.no_option.count > 0) return Enclosure{kInf, kInf, {}, {}};
  return Enclosure{total.low.down(), total.high.up(), {}, {}};
}

}  // namespace gridcompute::certificate
