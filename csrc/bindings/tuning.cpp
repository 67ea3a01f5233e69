// Access to the solvers' tables of tuned numbers, for benches that switch a method off and for tests that force one.
#include "tuning.hpp"

#include <array>
#include <charconv>
#include <string>
#include <utility>

namespace gridcompute::bindings {

namespace {

Tunings in_force;

// Calls use(struct in force, defaults, table) for the solver of this name.
template <class Use>
auto with_solver(const std::string& solver, Use&& use) {
  if (solver == "assignment") return use(in_force.assignment, assignment::kDefaultTuning, assignment::kTuningTable);
  if (solver == "cost") return use(in_force.cost, kDefaultCostTuning, kCostTuningTable);
  if (solver == "flow") return use(in_force.flow, flow::kFlowTuning, flow::kFlowTuningTable);
  if (solver == "gangs") return use(in_force.gangs, live::kDefaultGangTuning, live::kGangTuningTable);
  if (solver == "live") return use(in_force.live, live::kDefaultTuning, live::kTuningTable);
  if (solver == "packing") return use(in_force.packing, packing::kDefaultTuning, packing::kTuningTable);
  if (solver == "plan") return use(in_force.plan, plan::kPlanTuning, plan::kPlanTuningTable);
  if (solver == "transport") return use(in_force.transport, transport::kDefaultTuning, transport::kTuningTable);
  if (solver == "whole_jobs")
    return use(in_force.whole_jobs, transport::kDefaultWholeJobTuning, transport::kWholeJobTuningTable);
  throw Error(ErrorKind::invalid_problem, "solver", -1,
              "solver: found '" + solver +
                  "', needed assignment, cost, flow, gangs, live, packing, plan, transport or whole_jobs");
}

// Puts the defaults in force, with `values` replaced; on an error nothing changes.
void set_tuning(const std::string& solver, const py::dict& values) {
  with_solver(solver, [&](auto& current, const auto& defaults, const auto& table) {
    current = with_values(defaults, table, values, "values", solver);
  });
}

py::list table_of(const std::string& solver) {
  py::list out;
  with_solver(solver, [&](auto&, const auto&, const auto& table) {
    for (const TuningEntry& e : table) {
      py::dict line;
      line["name"] = e.name;
      line["default"] = e.value;
      line["low"] = e.low;
      line["high"] = e.high;
      line["unit"] = e.unit;
      line["decides"] = e.decides;
      out.append(std::move(line));
    }
  });
  return out;
}

}  // namespace

const Tunings& tunings() noexcept { return in_force; }

std::string text_of(double number) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), number).ptr};
}

void bind_tuning(py::module_& m) {
  m.def("tuning_table", &table_of, py::arg("solver"), "The tuned numbers of a solver, each a dict.");
  m.def("set_tuning", &set_tuning, py::arg("solver"), py::arg("values"),
        "For benches and tests: later calls in this process use the defaults with these values in their place.");
}

}  // namespace gridcompute::bindings
