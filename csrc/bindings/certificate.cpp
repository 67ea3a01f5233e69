// The independent check of answers.
#include "certificate.hpp"

#include "gridcompute/base/error.hpp"
#include "gridcompute/certificate/transport.hpp"

namespace gridcompute::bindings {

certificate::TransportProblem certified_problem(const Source& source, const Array<std::int64_t>& capacity,
                                                const std::optional<Array<std::int32_t>>& demand,
                                                const std::optional<Array<double>>& unplaced) {
  certificate::TransportProblem problem{source.cost.get(), view(capacity), {}, {}};
  // An empty array would be read as no array.
  const auto refuse_empty = [&](const auto& array, const char* field) {
    if (array && array->size() == 0 && source.cost->n_jobs() > 0)
      throw Error(ErrorKind::invalid_problem, field, -1,
                  std::string(field) + ": found 0 entries, needed n_jobs = " + std::to_string(source.cost->n_jobs()));
  };
  refuse_empty(demand, "demand");
  refuse_empty(unplaced, "unplaced");
  if (demand) problem.demand = view(*demand);
  if (unplaced) problem.unplaced = view(*unplaced);
  return problem;
}

namespace {

py::object exact_or(const std::optional<Wide>& integer, double value) {
  return integer ? py::object(to_int(*integer)) : py::object(py::float_(value));
}

}  // namespace

py::dict dict_of(const certificate::TransportReport& r) {
  py::dict out;
  out["faults"] = r.faults;
  out["forbidden"] = r.forbidden;
  out["missing"] = r.missing;
  out["overfull"] = r.overfull;
  out["unproved"] = r.unproved;
  out["load"] = copy_out(std::span<const std::int64_t>(r.load));
  out["objective_low"] = exact_or(r.objective.integer, r.objective.low);
  out["objective_high"] = exact_or(r.objective.integer_high, r.objective.high);
  out["bound_low"] = exact_or(r.integral ? r.bound.integer : std::nullopt, r.bound.low);
  out["bound_high"] = exact_or(r.integral ? r.bound.integer_high : std::nullopt, r.bound.high);
  out["magnitude"] = r.magnitude;
  out["integral"] = r.integral;
  out["tight"] = r.tight;
  return out;
}

namespace {

py::dict check_transport(const Source& source, const Array<std::int64_t>& capacity,
                         const std::optional<Array<std::int32_t>>& demand, const std::optional<Array<double>>& unplaced,
                         const Array<std::int32_t>& assignment, const Array<double>& prices, int threads,
                         const std::optional<Array<double>>& charges, const std::optional<Array<double>>& remainders) {
  const int most = threads_for(threads);
  Guard guard(std::nullopt, py::none());
  const auto problem = certified_problem(source, capacity, demand, unplaced);
  const certificate::TransportReport r = guard.run([&](Stop& stop) {
    Pool pool(most);
    return certificate::check_transport(problem, view(assignment), view(prices), pool, stop,
                                        charges ? view(*charges) : std::span<const double>(),
                                        remainders ? view(*remainders) : std::span<const double>());
  });
  return dict_of(r);
}

py::dict check_witness(const Source& source, const Array<std::int64_t>& capacity,
                       const std::optional<Array<std::int32_t>>& demand, const std::optional<Array<double>>& unplaced,
                       const Array<std::int64_t>& jobs, const Array<std::int32_t>& slots) {
  const auto problem = certified_problem(source, capacity, demand, unplaced);
  certificate::WitnessReport r;
  {
    const Unlocked unlocked;
    r = certificate::check_witness(problem, view(jobs), view(slots));
  }
  py::dict out;
  out["faults"] = r.faults;
  out["needed"] = to_int(r.needed);
  out["available"] = to_int(r.available);
  return out;
}

// Returns an enclosure of the sum of the least costs of all jobs, each at the prices and remainders (n_groups, k,
// n_slots) of its group.
py::tuple least_costs(const Source& source, const Array<std::int64_t>& capacity,
                      const std::optional<Array<std::int32_t>>& demand, const std::optional<Array<double>>& unplaced,
                      const Array<double>& prices, const Array<std::int32_t>& group, const Array<double>& remainders,
                      int threads) {
  const int most = threads_for(threads);
  const Index n = source.cost->n_jobs(), n_slots = source.cost->n_slots();
  if (group.size() != n || remainders.ndim() != 3 || remainders.shape(2) != n_slots || prices.size() != n_slots)
    throw Error(ErrorKind::internal, "group", -1, "group: found arrays that do not fit each other");
  Guard guard(std::nullopt, py::none());
  const auto problem = certified_problem(source, capacity, demand, unplaced);
  const std::span<const double> all = view(remainders);
  const auto size = static_cast<std::size_t>(remainders.shape(1) * n_slots);
  std::vector<std::span<const double>> of_group;
  for (std::size_t g = 0; g < static_cast<std::size_t>(remainders.shape(0)); ++g)
    of_group.push_back(all.subspan(g * size, size));
  const std::optional<certificate::Enclosure> sum = guard.run([&](Stop& stop) {
    Pool pool(most);
    return certificate::least_costs(problem, view(group), view(prices), of_group, pool, stop);
  });
  const certificate::Enclosure found = sum.value_or(certificate::Enclosure{});
  return py::make_tuple(found.low, found.high);
}

}  // namespace

void bind_certificate(py::module_& m) {
  m.def("check_transport", &check_transport, py::arg("cost"), py::arg("capacity").noconvert(),
        py::arg("demand").noconvert(), py::arg("unplaced").noconvert(), py::arg("assignment").noconvert(),
        py::arg("prices").noconvert(), py::arg("threads"), py::arg("charges").noconvert() = py::none(),
        py::arg("remainders").noconvert() = py::none());
  m.def("least_costs", &least_costs, py::arg("cost"), py::arg("capacity").noconvert(), py::arg("demand").noconvert(),
        py::arg("unplaced").noconvert(), py::arg("prices").noconvert(), py::arg("group").noconvert(),
        py::arg("remainders").noconvert(), py::arg("threads"));
  m.def("check_witness", &check_witness, py::arg("cost"), py::arg("capacity").noconvert(),
        py::arg("demand").noconvert(), py::arg("unplaced").noconvert(), py::arg("jobs").noconvert(),
        py::arg("slots").noconvert());
}

}  // namespace gridcompute::bindings
