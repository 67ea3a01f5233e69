// Transport problems for the native tests, and what must hold of any answer.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "check.hpp"
#include "gridcompute/certificate/transport.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute {

constexpr Cost kNoPlan = std::numeric_limits<Cost>::max();

struct Instance {
  Index n = 0, s = 0;
  std::vector<std::int64_t> cost;
  std::vector<Cost> capacity;
  std::vector<std::int32_t> demand;
  std::vector<double> unplaced;
};

inline transport::Result solve(const Instance& p, const CostSource& cost, int threads, bool direct = false) {
  transport::Problem problem;
  problem.cost = &cost;
  problem.capacity = p.capacity.data();
  if (!p.demand.empty()) problem.demand = p.demand.data();
  if (!p.unplaced.empty()) problem.unplaced = p.unplaced.data(), problem.unplaced_stride = 1;
  transport::Options options;
  options.threads = threads;
  options.direct = direct;
  Stop stop;
  return transport::solve(problem, options, stop);
}

inline certificate::TransportProblem question(const Instance& p, const CostSource& cost) {
  return {&cost, p.capacity, p.demand, p.unplaced};
}

inline std::vector<double> flat(const std::vector<std::vector<double>>& rows) {
  std::vector<double> out;
  for (const std::vector<double>& row : rows) out.insert(out.end(), row.begin(), row.end());
  return out;
}

// What must hold of any result; the certificate is asked as well.
inline void check_result(const Instance& p, const CostSource& cost, const transport::Result& r, Cost least) {
  if (r.status == transport::Status::infeasible) {
    CHECK(least == kNoPlan);
    CHECK(certificate::check_witness(question(p, cost), r.witness_jobs, r.witness_slots).faults.empty());
    return;
  }
  Pool pool(2);
  Stop stop;
  const auto report =
      certificate::check_transport(question(p, cost), r.assignment, r.prices, pool, stop, {}, flat(r.remainders));
  CHECK(report.complete);
  CHECK(report.load == r.load);
  CHECK(report.bound.integer.has_value());
  if (least != kNoPlan) CHECK(*report.bound.integer <= least);
  if (r.status == transport::Status::stopped) return;  // jobs for which no class had room
  CHECK(report.faults.empty());
  CHECK(report.objective.integer == std::optional<Wide>(r.exact_objective));
  CHECK(r.exact_objective >= least);
  if (p.demand.empty()) {
    CHECK(r.status == transport::Status::optimal && r.exact && report.tight);
    CHECK(r.exact_objective == least);
  }
}

}  // namespace gridcompute
