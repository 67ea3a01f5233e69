#include "gridcompute/certificate/flow.hpp"

#include "common.hpp"
#include "gridcompute/flow/dimacs.hpp"
#include "gridcompute/flow/preprocess.hpp"
#include "gridcompute/flow/problem.hpp"
#include "tuning.hpp"

namespace gridcompute::bindings {

namespace {

using Ints = Array<std::int64_t>;

const char* status_name(flow::FlowStatus status) {
  switch (status) {
    case flow::FlowStatus::optimal:
      return "optimal";
    case flow::FlowStatus::infeasible:
      return "infeasible";
    case flow::FlowStatus::unbounded:
      return "unbounded";
    case flow::FlowStatus::time_limit:
      return "time_limit";
    case flow::FlowStatus::stopped:
      break;
  }
  return "stopped";
}

flow::FlowMethod method_of(std::string_view name) {
  if (name == "network_simplex") return flow::FlowMethod::network_simplex;
  return name == "cost_scaling" ? flow::FlowMethod::cost_scaling : flow::FlowMethod::automatic;
}

// Kept by an answer: the start of later solves, and statistics, converted at the first use.
struct FlowWarmStart {
  flow::WarmStart state;
  flow::FlowStats stats;
};

py::dict flow_stats(const flow::FlowStats& s) {
  py::dict seconds;
  seconds["build"] = s.seconds_build;
  seconds["start"] = s.seconds_start;
  seconds["solve"] = s.seconds_solve;
  py::dict out;
  out["method"] = s.method;
  out["reason"] = s.reason;
  out["work"] = s.work;
  out["work_units"] = s.work_units;
  const std::string_view start = s.start;
  out["start"] = s.start;
  out["warm"] = start == "basis" || start == "flow";
  out["bits"] = s.bits;
  out["pivots"] = s.pivots;
  out["degenerate_pivots"] = s.degenerate_pivots;
  out["potential_updates"] = s.potential_updates;
  out["priced_blocks"] = s.priced_blocks;
  out["changed_costs"] = s.changed_costs;
  out["changed_capacities"] = s.changed_capacities;
  out["changed_supplies"] = s.changed_supplies;
  out["dual_pivots"] = s.dual_pivots;
  out["bound_flips"] = s.bound_flips;
  out["kept_tree_arcs"] = s.kept_tree_arcs;
  out["dropped_tree_arcs"] = s.dropped_tree_arcs;
  out["phases"] = s.phases;
  out["pushes"] = s.pushes;
  out["relabels"] = s.relabels;
  out["global_updates"] = s.global_updates;
  out["fixed_arcs"] = s.fixed_arcs;
  out["unserved"] = s.unserved;
  out["seconds"] = seconds;
  return out;
}

template <class T>
std::span<const T> view_or_none(const std::optional<Array<T>>& array) {
  return array ? view(*array) : std::span<const T>{};
}

// Moves a vector into a numpy array; a small one is copied, which takes less time than a capsule.
Ints to_array(std::vector<std::int64_t>&& values) {
  constexpr std::size_t kSmall = 4096;
  if (values.size() <= kSmall) return copy_out<std::int64_t>(values);
  auto* kept = new std::vector<std::int64_t>(std::move(values));
  const py::capsule owner(kept, [](void* p) { delete static_cast<std::vector<std::int64_t>*>(p); });
  return Ints(static_cast<py::ssize_t>(kept->size()), kept->data(), owner);
}

Ints read_only(Ints&& array) {
  py::detail::array_proxy(array.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  return std::move(array);
}

// Views a vector that later solves share as a numpy array.
Ints shared_array(const std::shared_ptr<const flow::RawVector<std::int64_t>>& values) {
  using Shared = std::shared_ptr<const flow::RawVector<std::int64_t>>;
  auto* kept = new Shared(values);
  const py::capsule owner(kept, [](void* p) { delete static_cast<Shared*>(p); });
  return read_only(Ints(static_cast<py::ssize_t>(values->size()), values->data(), owner));
}

// Returns whether the arrays can be read in place. If not, Python converts them, or reports the error.
bool arrays_fit(py::handle tail, py::handle head, py::handle capacity, py::handle cost, py::handle supply,
                py::handle lower) {
  const auto plain = [](py::handle array) {
    return Py_TYPE(array.ptr()) == py::detail::npy_api::get().PyArray_Type_ && readable<std::int64_t>(array) &&
           py::detail::array_proxy(array.ptr())->nd == 1;
  };
  if (!plain(tail) || !plain(supply)) return false;
  const auto arcs = [&](py::handle array) {
    return plain(array) &&
           *py::detail::array_proxy(array.ptr())->dimensions == *py::detail::array_proxy(tail.ptr())->dimensions;
  };
  return arcs(head) && arcs(capacity) && arcs(cost) && (lower.is_none() || arcs(lower));
}

flow::MinCostFlow problem_of(const Ints& tail, const Ints& head, const Ints& capacity, const Ints& cost,
                             const Ints& supply, const std::optional<Ints>& lower) {
  flow::MinCostFlow p;
  p.n = static_cast<Index>(supply.size());
  p.tail = view(tail), p.head = view(head), p.capacity = view(capacity), p.cost = view(cost), p.supply = view(supply);
  p.lower = view_or_none(lower);
  return p;
}

certificate::FlowProblem certificate_problem(const flow::MinCostFlow& p) {
  return {p.tail, p.head, p.lower, p.capacity, p.cost, p.supply};
}

py::tuple solve_flow(const Ints& tail, const Ints& head, const Ints& capacity, const Ints& cost, const Ints& supply,
                     const std::optional<Ints>& lower, std::string_view method, const FlowWarmStart* start,
                     std::optional<double> time_limit, std::optional<double> work_limit, py::object progress) {
  const flow::MinCostFlow problem = problem_of(tail, head, capacity, cost, supply, lower);
  const flow::WarmStart* before = start == nullptr ? nullptr : &start->state;
  const flow::FlowTuning tuning = tunings().flow;
  Guard guard(time_limit, std::move(progress), work_limit);
  flow::FlowResult r =
      guard.run([&](Stop& stop) { return flow::solve(problem, method_of(method), before, stop, {}, tuning); });
  const auto if_status = [&](flow::FlowStatus status, std::vector<Index>&& ids) {
    return r.status == status ? py::object(read_only(to_array(std::move(ids)))) : py::none();
  };
  return py::make_tuple(read_only(to_array(std::move(r.potential))), to_int(r.objective), status_name(r.status),
                        if_status(flow::FlowStatus::infeasible, std::move(r.cut)),
                        if_status(flow::FlowStatus::unbounded, std::move(r.cycle)),
                        FlowWarmStart{std::move(r.warm_start), r.stats});
}

// Checks the claim of the status: optimal (flow, potentials), infeasible (cut), unbounded (flow, cycle); and for every
// status the cost of the flow and the supply it leaves unserved.
py::dict check_flow(const Ints& tail, const Ints& head, const Ints& capacity, const Ints& cost, const Ints& supply,
                    const std::optional<Ints>& lower, const std::string& status, const Ints& flow,
                    const Ints& potentials, const Ints& cut, const Ints& cycle) {
  const certificate::FlowProblem p = certificate_problem(problem_of(tail, head, capacity, cost, supply, lower));
  certificate::FlowReport partial, proof;
  {
    const Unlocked unlocked;
    partial = certificate::check_partial(p, view(flow));
    if (status == "optimal") proof = certificate::check_optimal(p, view(flow), view(potentials));
    if (status == "infeasible") proof = certificate::check_cut(p, view(cut));
    if (status == "unbounded") {
      proof = certificate::check_feasible(p, view(flow));
      if (proof.valid) proof = certificate::check_cycle(p, view(cycle));
    }
  }
  py::dict out;
  out["flow"] = partial.reason;
  out["proof"] = proof.reason;
  out["feasible"] = partial.conserves;
  out["objective"] = to_int(partial.objective);
  out["unserved"] = to_int(partial.unserved);
  return out;
}

void feed(flow::DimacsReader& reader, const py::bytes& bytes) {
  const std::string_view view = bytes;
  const Unlocked unlocked;
  reader.feed(view);
}

py::tuple finish(flow::DimacsReader& reader) {
  flow::Dimacs d = [&] {
    const Unlocked unlocked;
    return reader.finish();
  }();
  return py::make_tuple(to_array(std::move(d.tail)), to_array(std::move(d.head)), to_array(std::move(d.capacity)),
                        to_array(std::move(d.cost)), to_array(std::move(d.supply)), to_array(std::move(d.lower)));
}

py::bytes write(const Ints& tail, const Ints& head, const Ints& capacity, const Ints& cost, const Ints& supply,
                const std::optional<Ints>& lower) {
  const flow::MinCostFlow problem = problem_of(tail, head, capacity, cost, supply, lower);
  const std::string text = [&] {
    const Unlocked unlocked;
    flow::check_arrays(problem);
    return flow::write_dimacs(problem);
  }();
  return py::bytes(text);
}

}  // namespace

void bind_flow(py::module_& m) {
  py::class_<FlowWarmStart>(m, "FlowWarmStart")
      .def("flow",
           [](const FlowWarmStart& kept) {
             return shared_array([&] {
               const Unlocked unlocked;
               return kept.state.flow();
             }());
           })
      .def("stats", [](const FlowWarmStart& kept) { return flow_stats(kept.stats); });
  m.def("flow_arrays_fit", &arrays_fit);
  m.def("min_cost_flow", &solve_flow, py::arg("tail").noconvert(), py::arg("head").noconvert(),
        py::arg("capacity").noconvert(), py::arg("cost").noconvert(), py::arg("supply").noconvert(),
        py::arg("lower").noconvert(), py::arg("method"), py::arg("start"), py::arg("time_limit"), py::arg("work_limit"),
        py::arg("progress"));
  m.def("check_flow", &check_flow, py::arg("tail").noconvert(), py::arg("head").noconvert(),
        py::arg("capacity").noconvert(), py::arg("cost").noconvert(), py::arg("supply").noconvert(),
        py::arg("lower").noconvert(), py::arg("status"), py::arg("flow").noconvert(), py::arg("potentials").noconvert(),
        py::arg("cut").noconvert(), py::arg("cycle").noconvert());
  py::class_<flow::DimacsReader>(m, "DimacsReader")
      .def(py::init<std::string>(), py::arg("name"))
      .def("feed", &feed, py::arg("bytes"))
      .def("finish", &finish);
  m.def("write_dimacs", &write, py::arg("tail").noconvert(), py::arg("head").noconvert(),
        py::arg("capacity").noconvert(), py::arg("cost").noconvert(), py::arg("supply").noconvert(),
        py::arg("lower").noconvert());
}

}  // namespace gridcompute::bindings
