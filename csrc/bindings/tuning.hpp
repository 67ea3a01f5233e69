// The tuned numbers used by calls from Python: the defaults, unless a bench or a test has set others.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "common.hpp"
#include "gridcompute/assignment/tuning.hpp"
#include "gridcompute/cost/tuning.hpp"
#include "gridcompute/flow/tuning.hpp"
#include "gridcompute/live/gangs/gang_tuning.hpp"
#include "gridcompute/live/tuning.hpp"
#include "gridcompute/packing/tuning.hpp"
#include "gridcompute/plan/tuning.hpp"
#include "gridcompute/transport/generalized_assignment/tuning.hpp"
#include "gridcompute/transport/tuning.hpp"

namespace gridcompute::bindings {

struct Tunings {
  assignment::AssignmentTuning assignment;
  CostTuning cost;
  flow::FlowTuning flow;
  live::LiveTuning live;
  live::GangTuning gangs;
  packing::PackingTuning packing;
  plan::PlanTuning plan;
  transport::Tuning transport;
  transport::WholeJobTuning whole_jobs;
};

// Returns the numbers in force. Read and changed under the interpreter's lock only: whoever releases it copies them
// first.
[[nodiscard]] const Tunings& tunings() noexcept;

// Returns a number as a person would write it.
[[nodiscard]] std::string text_of(double number);

// Returns `numbers` with those in `values`, a dict by name, replaced. Throws Error, on the argument `field`,
// for a name that is not in the table or a number outside its range. solver: for the message.
template <class Numbers, class Table>
[[nodiscard]] Numbers with_values(Numbers numbers, const Table& table, const py::dict& values, const std::string& field,
                                  const std::string& solver) {
  for (const auto& [key, value] : values) {
    if (!py::isinstance<py::str>(key)) throw py::type_error(field + ": names must be strings");
    const auto name = py::cast<std::string>(key);
    if (PyNumber_Check(value.ptr()) == 0 || py::isinstance<py::bool_>(value))
      throw py::type_error(field + "['" + name + "'] must be a number, not " + Py_TYPE(value.ptr())->tp_name);
    const auto number = py::cast<double>(py::float_(py::reinterpret_borrow<py::object>(value)));
    const auto entry = std::find_if(table.begin(), table.end(), [&](const TuningEntry& e) { return name == e.name; });
    if (entry == table.end())
      throw Error(ErrorKind::invalid_problem, field, -1, field + ": found '" + name + "', no number of " + solver);
    if (!(number >= entry->low && number <= entry->high))
      throw Error(ErrorKind::invalid_problem, field, -1,
                  field + "['" + name + "']: found " + text_of(number) + ", needed " + text_of(entry->low) + " to " +
                      text_of(entry->high));
    if (entry->whole && number != std::floor(number))
      throw Error(ErrorKind::invalid_problem, field, -1,
                  field + "['" + name + "']: found " + text_of(number) + ", needed a whole number");
    if (!set_tuning(numbers, name, number))
      throw Error(ErrorKind::internal, field, -1, "tuning: '" + name + "' is in the table but not in the struct");
  }
  return numbers;
}

}  // namespace gridcompute::bindings
