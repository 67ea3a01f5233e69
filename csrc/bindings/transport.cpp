#include <cmath>

#include "cost.hpp"
#include "stats.hpp"

namespace gridcompute::bindings {

const char* name_of(transport::Status status) {
  switch (status) {
    case transport::Status::optimal:
      return "optimal";
    case transport::Status::feasible:
      return "feasible";
    case transport::Status::infeasible:
      return "infeasible";
    case transport::Status::time_limit:
      return "time_limit";
    case transport::Status::stopped:
      break;
  }
  return "stopped";
}

py::dict stats_of(const transport::Stats& stats) {
  py::dict seconds;
  for (const transport::Stage& s : stats.stages) seconds[s.name] = s.seconds;
  py::dict out;
  out["evaluations"] = stats.evaluations;
  out["levels"] = stats.levels;
  out["given"] = stats.given;
  out["rounds"] = stats.rounds;
  out["searches"] = stats.searches;
  out["augmentations"] = stats.augmentations;
  out["candidates"] = stats.candidates;
  out["groups"] = stats.groups;
  out["rescanned"] = stats.rescanned;
  out["rescans"] = stats.rescans;
  out["capped"] = stats.capped;
  out["widened"] = stats.widened;
  out["ways"] = stats.ways;
  out["odd"] = stats.odd;
  out["stalled"] = stats.stalled;
  out["unsettled"] = stats.unsettled;
  out["cut_short"] = stats.cut_short;
  out["wide"] = stats.wide;
  out["given_up"] = stats.given_up;
  out["deals"] = stats.deals;
  out["restarts"] = stats.restarts;
  out["finer"] = stats.finer;
  out["ties_broken"] = stats.ties_broken;
  out["ties_settled"] = stats.ties_settled;
  out["seconds"] = seconds;
  return out;
}

namespace {

using transport::Problem;
using transport::Result;

py::object number_of(bool integral, Wide exact, double value) {
  return integral && std::isfinite(value) ? py::object(to_int(exact)) : py::object(py::float_(value));
}

py::dict solve(const Source& source, const Array<std::int64_t>& capacity,
               const std::optional<Array<std::int32_t>>& demand, const std::optional<Array<double>>& unplaced,
               double resolution, double gap, const std::optional<Array<double>>& prices, std::uint64_t seed,
               int threads, std::optional<double> time_limit, const std::string& method, py::object progress) {
  Problem problem;
  problem.cost = source.cost.get();
  problem.capacity = capacity.data();
  if (demand) problem.demand = demand->data();
  if (unplaced) problem.unplaced = unplaced->data(), problem.unplaced_stride = unplaced->size() == 1 ? 0 : 1;
  transport::Options options;
  options.resolution = resolution;
  options.gap = gap;
  options.direct = method == "auto";
  options.auction = method == "auction";
  if (prices) options.prices = prices->data();
  options.seed = seed;
  options.threads = threads;
  Guard guard(time_limit, std::move(progress));
  const Result r = guard.run([&](Stop& stop) { return transport::solve(problem, options, stop); });
  py::dict out;
  out["status"] = name_of(r.status);
  out["assignment"] = copy_out(std::span<const std::int32_t>(r.assignment));
  out["load"] = copy_out(std::span<const std::int64_t>(r.load));
  out["prices"] = copy_out(std::span<const double>(r.prices));
  out["objective"] = number_of(r.integral, r.exact_objective, r.objective);
  out["bound"] = number_of(r.integral, r.exact_bound, r.bound);
  out["exact"] = r.exact;
  out["resolution"] = r.resolution;
  out["witness_jobs"] = copy_out(std::span<const std::int64_t>(r.witness_jobs));
  out["witness_slots"] = copy_out(std::span<const std::int32_t>(r.witness_slots));
  out["stats"] = stats_of(r.stats);
  return out;
}

}  // namespace

void bind_transport(py::module_& m) {
  m.def("transport", &solve, py::arg("cost"), py::arg("capacity").noconvert(), py::arg("demand").noconvert(),
        py::arg("unplaced").noconvert(), py::arg("resolution"), py::arg("gap"), py::arg("prices").noconvert(),
        py::arg("seed"), py::arg("threads"), py::arg("time_limit"), py::arg("method"), py::arg("progress"));
}

}  // namespace gridcompute::bindings
