#include <algorithm>
#include <array>
#include <cmath>

#include "certificate.hpp"
#include "gridcompute/base/error.hpp"
#include "stats.hpp"
#include "tuning.hpp"

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

namespace {

using transport::Stats;

struct Count {
  const char* name;
  Index Stats::* count;
};
constexpr Count kCounts[] = {
    {"evaluations", &Stats::evaluations},
    {"levels", &Stats::levels},
    {"warm_levels", &Stats::warm_levels},
    {"rounds", &Stats::rounds},
    {"searches", &Stats::searches},
    {"augmentations", &Stats::augmentations},
    {"candidates", &Stats::candidates},
    {"groups", &Stats::groups},
    {"rows_extended", &Stats::rows_extended},
    {"repeated_passes", &Stats::repeated_passes},
    {"passes_exhausted", &Stats::passes_exhausted},
    {"box_widenings", &Stats::box_widenings},
    {"escape_searches", &Stats::escape_searches},
    {"newton_stalls", &Stats::newton_stalls},
    {"unbalanced_samples", &Stats::unbalanced_samples},
    {"auction_cutoffs", &Stats::auction_cutoffs},
    {"int64_fallbacks", &Stats::int64_fallbacks},
    {"small_solver_aborts", &Stats::small_solver_aborts},
    {"rounding_restarts", &Stats::rounding_restarts},
    {"windows", &Stats::windows},
    {"nodes", &Stats::nodes},
    {"exhausted", &Stats::exhausted},
    {"restarts", &Stats::restarts},
    {"refinements", &Stats::refinements},
    {"perturbed", &Stats::perturbed},
    {"perturbation_repairs", &Stats::perturbation_repairs},
    {"negative_cycles", &Stats::negative_cycles},
};

// Keys, made once: making a str and its hash takes longer than setting an entry.
py::handle key(const char* name) { return PyUnicode_InternFromString(name); }

void set_statistic(const py::dict& out, py::handle key, const py::object& value) {
  if (PyDict_SetItem(out.ptr(), key.ptr(), value.ptr()) != 0) throw py::error_already_set();
}

// Most counts stay 0: copying this is quicker than building a dict.
py::dict zeros() {
  static const py::handle kept = [] {
    py::dict out;
    for (const Count& c : kCounts) out[c.name] = 0;
    return out.release();
  }();
  return py::reinterpret_steal<py::dict>(PyDict_Copy(kept.ptr()));
}

}  // namespace

py::dict stats_of(const Stats& stats) {
  static const auto names = [] {
    std::array<py::handle, std::size(kCounts)> out;
    std::ranges::transform(kCounts, out.begin(), [](const Count& c) { return key(c.name); });
    return out;
  }();
  static const py::handle kSeconds = key("seconds");
  py::dict seconds;
  for (const transport::Stage& s : stats.stages) seconds[s.name] = s.seconds;
  py::dict out = zeros();
  for (std::size_t k = 0; k < names.size(); ++k)
    if (const Index count = stats.*kCounts[k].count; count != 0) set_statistic(out, names[k], py::int_(count));
  set_statistic(out, kSeconds, seconds);
  return out;
}

namespace {

using transport::Problem;
using transport::Result;

py::object number_of(bool integral, Wide exact, double value) {
  return integral && std::isfinite(value) ? py::object(to_int(exact)) : py::object(py::float_(value));
}

// Arrays that the caller may not change.
template <class T>
py::object frozen(const std::vector<T>& values) {
  Array<T> out = copy_out(std::span<const T>(values));
  py::detail::array_proxy(out.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  return out;
}

// Throws if an answer contradicts itself: no caller may receive one that its own certificate refutes.
void refuse_contradiction(const certificate::TransportProblem& problem, const Result& r) {
  const bool complete = r.status == transport::Status::optimal || r.status == transport::Status::feasible;
  const std::string what = certificate::contradiction(problem, {r.assignment, r.load, r.prices, r.objective, complete});
  if (!what.empty()) throw Error(ErrorKind::internal, "", -1, "transport: the answer contradicts itself: " + what);
}

// Returns rows of the same length as one read-only array; None where there are none.
py::object frozen_rows(const std::vector<std::vector<double>>& rows) {
  if (rows.empty()) return py::none();
  py::array_t<double> out({rows.size(), rows.front().size()});
  for (std::size_t k = 0; k < rows.size(); ++k) std::ranges::copy(rows[k], out.mutable_data() + k * rows[k].size());
  py::detail::array_proxy(out.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  return out;
}

// (assignment, load, prices, objective, bound, exact, status, stats, jobs and slots of a witness or None, charges or
// None, remainders or None)
py::tuple solve_transport(const Source& source, const Array<std::int64_t>& capacity,
                          const std::optional<Array<std::int32_t>>& demand,
                          const std::optional<Array<double>>& unplaced, double resolution, double gap,
                          const std::optional<Array<double>>& prices, std::uint64_t seed, int threads,
                          std::optional<double> time_limit, std::optional<double> work_limit, const std::string& method,
                          py::object progress) {
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
  options.threads = threads_for(threads);
  const transport::Tuning tuning = tunings().transport;
  const transport::WholeJobTuning whole_jobs = tunings().whole_jobs;
  options.tuning = &tuning;
  options.whole_jobs = &whole_jobs;
  const CostTuning cost_tuning = tunings().cost;
  options.cost = &cost_tuning;
  Guard guard(time_limit, std::move(progress), work_limit);
  const Result r = guard.run([&](Stop& stop) {
    Result found = transport::solve(problem, options, stop);
    if (stop.why() != Stop::Why::interrupted)
      refuse_contradiction(certified_problem(source, capacity, demand, unplaced), found);
    return found;
  });
  const Index pairs = std::max<Index>(1, problem.cost->n_jobs() * problem.cost->n_slots());
  py::dict stats = stats_of(r.stats);
  static const py::handle kPasses = key("passes"), kResolution = key("resolution"), kWork = key("work_units");
  set_statistic(stats, kWork, py::float_(guard.stop().work()));
  set_statistic(stats, kPasses, py::float_(static_cast<double>(r.stats.evaluations) / static_cast<double>(pairs)));
  set_statistic(stats, kResolution, py::float_(r.resolution));
  py::object witness = py::none();
  if (r.status == transport::Status::infeasible)
    witness = py::make_tuple(frozen(r.witness_jobs), frozen(r.witness_slots));
  return py::make_tuple(frozen(r.assignment), frozen(r.load), frozen(r.prices),
                        number_of(r.integral, r.exact_objective, r.objective),
                        number_of(r.integral, r.exact_bound, r.bound), r.exact, name_of(r.status), stats, witness,
                        r.charges.empty() ? py::object(py::none()) : frozen(r.charges), frozen_rows(r.remainders));
}

// Returns whether these are n counts as the core reads them, none below `least`.
template <class T>
bool are_counts(const py::object& values, Index n, std::int64_t least) {
  if (!readable<T>(values)) return false;
  const auto array = py::reinterpret_borrow<Array<T>>(values);
  if (array.ndim() != 1 || array.size() != n) return false;
  const std::span<const T> all = view(array);
  return std::none_of(all.begin(), all.end(), [&](T x) { return x < least; });
}

}  // namespace

void bind_transport(py::module_& m) {
  m.def("are_counts_64", &are_counts<std::int64_t>, py::arg("values"), py::arg("n"), py::arg("least"));
  m.def("are_counts_32", &are_counts<std::int32_t>, py::arg("values"), py::arg("n"), py::arg("least"));
  m.def("transport", &solve_transport, py::arg("cost"), py::arg("capacity").noconvert(), py::arg("demand").noconvert(),
        py::arg("unplaced").noconvert(), py::arg("resolution"), py::arg("gap"), py::arg("prices").noconvert(),
        py::arg("seed"), py::arg("threads"), py::arg("time_limit"), py::arg("work_limit"), py::arg("method"),
        py::arg("progress"));
}

}  // namespace gridcompute::bindings
