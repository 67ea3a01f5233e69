#include "gridcompute/certificate/transport.hpp"

#include <algorithm>
#include <cmath>

#include "gridcompute/base/simd.hpp"
#include "gridcompute/certificate/exact_sum.hpp"
#include "gridcompute/certificate/row_minimum.hpp"

namespace gridcompute::certificate {

namespace {

constexpr Index kChunk = 1 << 12;       // jobs
constexpr Index kBlockCosts = 1 << 14;  // costs read at a time: 128 kB of doubles
constexpr double kInf = std::numeric_limits<double>::infinity();

// Jobs at fault, of one kind: how many, and the first.
struct Fault {
  Index count = 0, job = -1;
  void see(Index i) noexcept {
    if (count++ == 0) job = i;
  }
  void join(const Fault& later) noexcept {
    if (count == 0) job = later.job;
    count += later.count;
  }
};

std::string others(const Fault& fault) {
  return fault.count > 1 ? " (and " + std::to_string(fault.count - 1) + " more jobs)" : "";
}

// What one chunk of jobs adds up to.
struct Part {
  ExactSum objective, low, high;
  double magnitude = 0;
  std::vector<Cost> load;
  Fault range, forbidden, must, invalid, beyond, stuck;
  bool fractional = false;  // some cost of leaving a job out is no integer
};

class Check {
 public:
  Check(const TransportProblem& problem, std::span<const std::int32_t> assignment, std::span<const double> prices)
      : problem_(problem), assignment_(assignment), minimum_(prices), n_slots_(problem.cost->n_slots()) {}

  // The assignment's part of the objective and of the loads.
  void primal(Index begin, Index end, Part& part) const {
    part.load.assign(static_cast<std::size_t>(n_slots_), 0);
    for (Index i = begin; i < end; ++i) {
      const Index s = assignment_[static_cast<std::size_t>(i)];
      const double out = problem_.out(i);
      part.fractional |= out < kInf && out != std::nearbyint(out);
      if (s < -1 || s >= n_slots_) {
        part.range.see(i);
      } else if (s < 0) {
        out < kInf ? pay(out, part) : part.must.see(i);
      } else {
        part.load[static_cast<std::size_t>(s)] += problem_.weight(i);
        pay_class(i, s, part);
      }
    }
  }

  // The prices' part of the bound.
  void dual(Index begin, Index end, Part& part) const {
    const Index rows = std::max<Index>(1, kBlockCosts / std::max<Index>(1, n_slots_));
    std::vector<double> reals;
    std::vector<Cost> integers;
    for (Index i = begin; i < end; i += rows) {
      const Rows block{nullptr, i, std::min(rows, end - i)};
      const auto size = static_cast<std::size_t>(block.count * n_slots_);
      if (problem_.cost->real()) {
        reals.resize(size + 1);
        problem_.cost->reals(block, reals.data());
      } else {
        integers.resize(size + 1);
        problem_.cost->integers(block, integers.data());
      }
      for (Index k = 0; k < block.count; ++k) {
        const Index job = i + k;
        const RowMinimum least = problem_.cost->real()
                                     ? minimum_.of(reals.data() + k * n_slots_, problem_.weight(job), problem_.out(job))
                                     : minimum_.of(integers.data() + k * n_slots_, problem_.cost->forbids(),
                                                   problem_.weight(job), problem_.out(job));
        if (least.invalid) part.invalid.see(job);
        if (least.beyond) part.beyond.see(job);
        if (least.invalid || least.beyond) continue;
        if (least.none) {
          part.stuck.see(job);
        } else {
          least.add(part.low, part.high);
        }
      }
    }
  }

 private:
  static void pay(double cost, Part& part) {
    part.objective.add(cost);
    part.magnitude += std::fabs(cost);
  }

  void pay_class(Index i, Index s, Part& part) const {
    if (problem_.cost->real()) {
      const double cost = problem_.cost->real_at(i, s);
      std::isfinite(cost) ? pay(cost, part) : part.forbidden.see(i);
      return;
    }
    const Cost cost = problem_.cost->integer_at(i, s);
    if (cost == kForbidden && problem_.cost->forbids()) return part.forbidden.see(i);
    part.objective.add(static_cast<Wide>(cost), 0);
    part.magnitude += std::fabs(static_cast<double>(cost));
  }

  const TransportProblem& problem_;
  std::span<const std::int32_t> assignment_;
  PricedMinimum minimum_;
  Index n_slots_;
};

void name_faults(const Part& total, const TransportProblem& problem, std::span<const std::int32_t> assignment,
                 std::vector<std::string>& faults) {
  const auto at = [&](Index i) {
    return "assignment[" + std::to_string(i) + "] = " + std::to_string(assignment[static_cast<std::size_t>(i)]);
  };
  if (total.range.count > 0) {
    faults.push_back(at(total.range.job) + ", needed -1 to " + std::to_string(problem.cost->n_slots() - 1) +
                     others(total.range));
  }
  if (total.forbidden.count > 0) {
    faults.push_back(at(total.forbidden.job) + " is forbidden to this job" + others(total.forbidden));
  }
  if (total.must.count > 0) faults.push_back(at(total.must.job) + ", but it must be placed" + others(total.must));
  if (total.invalid.count > 0) {
    faults.push_back("cost: row " + std::to_string(total.invalid.job) + " has a NaN or -inf" + others(total.invalid));
  }
  if (total.beyond.count > 0) {
    faults.push_back("cost: row " + std::to_string(total.beyond.job) + " plus prices is beyond the doubles" +
                     others(total.beyond));
  }
  for (std::size_t s = 0; s < problem.capacity.size(); ++s) {
    if (total.load[s] > problem.capacity[s]) {
      faults.push_back("slot class " + std::to_string(s) + " is given " + std::to_string(total.load[s]) +
                       ", its capacity is " + std::to_string(problem.capacity[s]));
    }
  }
}

Enclosure enclose(ExactSum& low, ExactSum& high) {
  Enclosure out{low.down(), high.up(), low.integer()};
  if (out.integer != high.integer()) out.integer.reset();
  return out;
}

bool usable(std::span<const double> prices, std::vector<std::string>& faults) {
  for (std::size_t s = 0; s < prices.size(); ++s) {
    if (prices[s] >= 0 && prices[s] < kInf) continue;
    faults.push_back("prices[" + std::to_string(s) + "] = " + std::to_string(prices[s]) + ", needed 0 or more");
    return false;
  }
  return true;
}

}  // namespace

TransportReport check_transport(const TransportProblem& problem, std::span<const std::int32_t> assignment,
                                std::span<const double> prices, Pool& pool, Stop& stop) {
  TransportReport report;
  const Index n = problem.cost->n_jobs();
  Cost weight = problem.demand.empty() ? n : 0;
  for (const std::int32_t w : problem.demand) weight += w;
  const bool priced = usable(prices, report.faults);
  const Check check(problem, assignment, prices);
  std::vector<Part> parts(static_cast<std::size_t>(Pool::chunks(n, kChunk)));
  report.complete = pool.for_chunks(
      n, kChunk,
      [&](Index chunk, Index begin, Index end) {
        Part& part = parts[static_cast<std::size_t>(chunk)];
        check.primal(begin, end, part);
        if (priced) check.dual(begin, end, part);
      },
      &stop);
  if (!report.complete) return report;

  Part total;
  total.load.assign(problem.capacity.size(), 0);
  for (Part& part : parts) {
    total.objective.join(part.objective);
    total.low.join(part.low);
    total.high.join(part.high);
    total.magnitude += part.magnitude;
    total.fractional |= part.fractional;
    for (std::size_t s = 0; s < total.load.size(); ++s) total.load[s] += part.load[s];
    total.range.join(part.range), total.forbidden.join(part.forbidden), total.must.join(part.must);
    total.invalid.join(part.invalid), total.beyond.join(part.beyond), total.stuck.join(part.stuck);
  }
  name_faults(total, problem, assignment, report.faults);
  report.load = std::move(total.load);
  report.magnitude = total.magnitude;
  report.integral = !problem.cost->real() && !total.fractional;
  report.objective = enclose(total.objective, total.objective);
  if (!priced || total.invalid.count + total.beyond.count > 0) {
    report.bound = {-kInf, kInf, {}};
  } else if (total.stuck.count > 0) {  // a job with nowhere to go: no plan at all
    report.bound = {kInf, kInf, {}};
  } else {
    for (std::size_t s = 0; s < prices.size(); ++s) {
      const Cost room = std::min(problem.capacity[s], weight);
      total.low.subtract_product(room, prices[s]);
      total.high.subtract_product(room, prices[s]);
    }
    report.bound = enclose(total.low, total.high);
    if (report.integral) {
      if (const auto up = total.low.ceiling()) {
        ExactSum whole;
        whole.add(*up, 0);
        total.low = whole;
        report.bound.low = whole.down();
        report.bound.high = std::max(report.bound.high, whole.up());
        report.bound.integer = *up;
      }
    }
    total.low.negate();
    total.objective.join(total.low);
    report.tight = total.objective.sign() == 0;
  }
  return report;
}

WitnessReport check_witness(const TransportProblem& problem, std::span<const Index> jobs, std::span<const Slot> slots) {
  WitnessReport report;
  const Index n = problem.cost->n_jobs(), n_slots = problem.cost->n_slots();
  std::vector<char> within(static_cast<std::size_t>(n_slots), 0);
  for (const Slot s : slots) {
    if (s < 0 || s >= n_slots || within[static_cast<std::size_t>(s)] != 0) {
      report.faults.push_back("witness: slot class " + std::to_string(s) + " is out of range or named twice");
      return report;
    }
    within[static_cast<std::size_t>(s)] = 1;
    report.available += problem.capacity[static_cast<std::size_t>(s)];
  }
  std::vector<double> reals(static_cast<std::size_t>(n_slots) + 1);
  std::vector<Cost> integers(static_cast<std::size_t>(n_slots) + 1);
  Index before = -1;
  for (const Index job : jobs) {
    if (job <= before || job >= n) {
      report.faults.push_back("witness: jobs must ascend within range, found " + std::to_string(job));
      return report;
    }
    before = job;
    report.needed += problem.weight(job);
    if (problem.out(job) < kInf) {
      report.faults.push_back("witness: job " + std::to_string(job) + " may be left out");
      return report;
    }
    const Rows row{&job, 0, 1};
    problem.cost->real() ? problem.cost->reals(row, reals.data()) : problem.cost->integers(row, integers.data());
    for (Index s = 0; s < n_slots; ++s) {
      const auto k = static_cast<std::size_t>(s);
      const bool closed =
          problem.cost->real() ? !(reals[k] < kInf) : integers[k] == kForbidden && problem.cost->forbids();
      if (closed || within[k] != 0 || problem.capacity[k] < problem.weight(job)) continue;
      report.faults.push_back("witness: job " + std::to_string(job) + " may use slot class " + std::to_string(s) +
                              ", which is not named");
      return report;
    }
  }
  if (report.needed <= report.available)
    report.faults.emplace_back("witness: the classes named have room for the jobs");
  return report;
}

}  // namespace gridcompute::certificate
