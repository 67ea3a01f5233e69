#include <algorithm>
#include <string>

#include "common.hpp"
#include "gridcompute/plan/lagrangian_oracle.hpp"
#include "gridcompute/plan/local_search.hpp"
#include "gridcompute/plan/placement_state.hpp"
#include "tuning.hpp"

namespace gridcompute::bindings {

namespace {

using plan::DualPrices;
using plan::LagrangianOracle;
using plan::LocalSearch;
using plan::ResidualCapacity;

template <class T>
std::span<const T> column(const py::dict& table, const char* name) {
  const py::object value = table[name];
  if (!readable<T>(value))
    throw py::type_error(std::string(name) + " must be a contiguous array of dtype " +
                         py::str(py::dtype::of<T>()).cast<std::string>());
  return view(value.cast<Array<T>>());
}

plan::JobTable jobs_of(const py::dict& t) {
  return {column<std::int32_t>(t, "gang"),
          column<double>(t, "work_h"),
          column<std::int32_t>(t, "family"),
          column<double>(t, "memory_gb"),
          column<double>(t, "data_gb"),
          column<std::int32_t>(t, "origin"),
          column<std::int32_t>(t, "release"),
          column<std::int32_t>(t, "deadline"),
          column<double>(t, "latency_ms"),
          column<std::int64_t>(t, "residency"),
          column<double>(t, "value_yuan"),
          column<double>(t, "delay_yuan_per_h"),
          column<std::int32_t>(t, "tenant"),
          column<std::int32_t>(t, "placed_class"),
          column<std::int32_t>(t, "placed_start"),
          column<double>(t, "migration_yuan"),
          column<std::int32_t>(t, "kind")};
}

plan::Instance instance_of(const py::dict& t) {
  plan::Instance w;
  w.place = column<std::int32_t>(t, "site");
  w.capacity = column<std::int64_t>(t, "capacity");
  w.memory = column<double>(t, "memory_gb");
  w.throughput = column<double>(t, "throughput");
  w.energy = column<double>(t, "kwh_per_accelerator_h");
  w.power = column<double>(t, "power_kwh");
  w.bandwidth = column<double>(t, "bandwidth_gb");
  w.transfer_price = column<double>(t, "price_yuan_per_gb");
  w.latency = column<double>(t, "latency_ms");
  w.quota = column<double>(t, "quota");
  w.priced = column<std::uint8_t>(t, "priced");
  if (t.contains("quota_rows")) {
    w.models = t["n_models"].cast<Index>();
    w.model = column<std::int32_t>(t, "model");
    w.quota_rows = column<std::int32_t>(t, "quota_rows");
    w.quota_ends = column<std::int32_t>(t, "quota_ends");
  }
  w.places = t["n_sites"].cast<Index>();
  w.hours = t["n_hours"].cast<Index>();
  w.kinds = t["n_kinds"].cast<Index>();
  return w;
}

// Checks, once, the sizes that the oracle indexes by, where arrays become spans.
void check(const LagrangianOracle& m, const DualPrices& y) {
  const auto need = [](std::span<const double> found, Index size, const char* name) {
    if (static_cast<Index>(found.size()) != size)
      throw Error(
          ErrorKind::invalid_problem, name, -1,
          std::string(name) + " has " + std::to_string(found.size()) + " entries, needed " + std::to_string(size));
  };
  need(y.capacity, m.kinds() * m.classes() * m.hours(), "capacity");
  need(y.energy, m.places() * m.hours(), "energy");
  need(y.link, m.places() * m.places() * m.hours(), "corridor");
  need(y.quota, m.owners() * m.models(), "quota");
}

DualPrices prices_of(const Array<double>& capacity, const Array<double>& energy, const Array<double>& link,
                     const Array<double>& quota) {
  return {view(capacity), view(energy), view(link), view(quota)};
}

template <class T>
Array<T> shaped(const std::vector<T>& values, std::initializer_list<Index> shape) {
  Array<T> out(std::vector<py::ssize_t>(shape.begin(), shape.end()));
  std::copy(values.begin(), values.end(), out.mutable_data());
  return out;
}

void check_rows(const LagrangianOracle& m, std::span<const std::int32_t> rows, std::size_t jobs) {
  for (const std::int32_t row : rows)
    if (row < 0 || static_cast<std::size_t>(row) >= jobs || m.position(row) < 0)
      throw Error(ErrorKind::invalid_problem, "rows", row, "row " + std::to_string(row) + " is not in this oracle");
}

py::dict price(const LagrangianOracle& m, const Array<double>& capacity, const Array<double>& energy,
               const Array<double>& link, const Array<double>& quota, std::optional<Array<std::int32_t>> klass,
               std::optional<Array<std::int32_t>> start, int threads) {
  const DualPrices y = prices_of(capacity, energy, link, quota);
  check(m, y);
  const std::span<std::int32_t> to_class = klass ? fill(*klass) : std::span<std::int32_t>{};
  const std::span<std::int32_t> to_start = start ? fill(*start) : std::span<std::int32_t>{};
  if (to_class.size() != to_start.size() || (klass && static_cast<Index>(to_class.size()) != m.rows()))
    throw Error(ErrorKind::invalid_problem, "klass", -1, "klass and start must have one entry a job, or be None");
  const int n_threads = threads_for(threads);
  const plan::OracleResult pass = [&] {
    const Unlocked unlocked;
    Pool pool(n_threads);
    return m.price(y, pool, to_class, to_start);
  }();
  py::dict out;
  out["total"] = pass.total;
  out["margin"] = pass.margin;
  out["left_out"] = pass.left_out;
  out["placed"] = pass.placed;
  out["accelerators"] = shaped(pass.load.accelerators, {m.kinds(), m.classes(), m.hours()});
  out["data"] = shaped(pass.load.data, {m.places(), m.places(), m.hours()});
  out["quota"] = shaped(pass.load.quota, {m.owners(), m.models()});
  return out;
}

Index place_choice(ResidualCapacity& residual, const Array<double>& capacity, const Array<double>& energy,
                   const Array<double>& link, const Array<double>& quota, const Array<std::int32_t>& rows,
                   Array<std::int32_t>& klass, Array<std::int32_t>& start) {
  const DualPrices y = prices_of(capacity, energy, link, quota);
  check(residual.oracle(), y);
  check_rows(residual.oracle(), view(rows), static_cast<std::size_t>(klass.size()));
  const std::span<std::int32_t> to_class = fill(klass), to_start = fill(start);
  const Unlocked unlocked;
  return residual.place(y, view(rows), to_class, to_start);
}

// A local search with the arrays that it writes to.
struct OwningLocalSearch {
  Array<std::int32_t> klass, start;
  Array<double> curves_end, curves_price;
  LocalSearch search;

  OwningLocalSearch(ResidualCapacity& residual, const DualPrices& guide, double weight,
                    const Array<std::int32_t>& to_class, const Array<std::int32_t>& to_start)
      : klass(to_class),
        start(to_start),
        search(residual, guide, weight, fill(klass), fill(start), tunings().plan),
        oracle(&residual.oracle()) {}

  Index run(const Array<std::int32_t>& positions, const Array<double>& end, const Array<double>& price, bool chains) {
    for (const std::int32_t p : view(positions))
      if (p < 0 || p >= oracle->size())
        throw Error(ErrorKind::invalid_problem, "positions", p,
                    "position " + std::to_string(p) + " is not in this oracle");
    const plan::CostCurves costs = curves(end, price);
    const Unlocked unlocked;
    return chains ? search.run_chains(view(positions), costs) : search.run_exchanges(view(positions), costs);
  }

  Index ruin_recreate(const Array<double>& end, const Array<double>& price, const plan::AnnealingSchedule& schedule) {
    const plan::CostCurves costs = curves(end, price);
    const Unlocked unlocked;
    return search.run_ruin_recreate(schedule, costs);
  }

  Array<std::int32_t> regrets(double least, int threads, bool placed_only) {
    const int n_threads = threads_for(threads);
    const std::vector<std::int32_t> found = [&] {
      const Unlocked unlocked;
      Pool pool(n_threads);
      return search.regrets(least, placed_only, pool);
    }();
    return shaped(found, {static_cast<Index>(found.size())});
  }

 private:
  // Keeps the arrays, which undo() reads again.
  plan::CostCurves curves(const Array<double>& end, const Array<double>& price) {
    const Index n = oracle->places() * oracle->hours();
    if (end.size() != price.size() || end.size() == 0 || end.size() % n != 0)
      throw Error(ErrorKind::invalid_problem, "end", -1, "end and price must be [site][hour][segment]");
    curves_end = end, curves_price = price;
    return {end.size() / n, view(end), view(price)};
  }

  const LagrangianOracle* oracle;
};

std::unique_ptr<OwningLocalSearch> local_search(ResidualCapacity& residual, const Array<double>& capacity,
                                                const Array<double>& energy, const Array<double>& link,
                                                const Array<double>& quota, double weight,
                                                const Array<std::int32_t>& klass, const Array<std::int32_t>& start) {
  const DualPrices guide = prices_of(capacity, energy, link, quota);
  check(residual.oracle(), guide);
  if (static_cast<Index>(klass.size()) != residual.oracle().rows() || klass.size() != start.size())
    throw Error(ErrorKind::invalid_problem, "klass", -1, "klass and start must have one entry a job");
  return std::make_unique<OwningLocalSearch>(residual, guide, weight, klass, start);
}

}  // namespace

void bind_plan(py::module_& m) {
  py::class_<LagrangianOracle>(m, "LagrangianOracle")
      .def(py::init([](const py::dict& instance, const py::dict& jobs) {
             const plan::Instance w = instance_of(instance);
             const plan::JobTable j = jobs_of(jobs);
             const Unlocked unlocked;
             return std::make_unique<LagrangianOracle>(w, j);
           }),
           py::arg("instance"), py::arg("jobs"))
      .def(
          "subset",
          [](const LagrangianOracle& oracle, const Array<std::int32_t>& rows, const Array<std::int32_t>& weight) {
            check_rows(oracle, view(rows), static_cast<std::size_t>(oracle.rows()));
            if (weight.size() != rows.size())
              throw Error(ErrorKind::invalid_problem, "weight", -1, "weight must have one entry a row");
            const Unlocked unlocked;
            return std::make_unique<LagrangianOracle>(oracle, view(rows), view(weight));
          },
          py::arg("rows").noconvert(), py::arg("weight").noconvert())
      .def("price", &price, py::arg("capacity").noconvert(), py::arg("energy").noconvert(),
           py::arg("corridor").noconvert(), py::arg("quota").noconvert(), py::arg("klass").noconvert() = py::none(),
           py::arg("start").noconvert() = py::none(), py::arg("threads") = 0)
      .def(
          "set_active",
          [](LagrangianOracle& oracle, const Array<std::uint8_t>& active) {
            if (active.size() != oracle.rows())
              throw Error(ErrorKind::invalid_problem, "active", -1, "active must have one entry a job");
            oracle.set_active(view(active));
          },
          py::arg("active").noconvert())
      .def("min_accelerator_hours",
           [](const LagrangianOracle& oracle) {
             Array<double> out(oracle.rows());
             oracle.min_accelerator_hours(fill(out));
             return out;
           })
      .def(
          "has_option",
          [](const LagrangianOracle& oracle, int threads) {
            Array<std::uint8_t> out(oracle.rows());
            const std::span<std::uint8_t> to = fill(out);
            const int n_threads = threads_for(threads);
            const Unlocked unlocked;
            Pool pool(n_threads);
            oracle.has_option(pool, to);
            return out;
          },
          py::arg("threads") = 0)
      .def("order",
           [](const LagrangianOracle& oracle) {
             Array<std::int32_t> out(oracle.size());
             std::span<std::int32_t> to = fill(out);
             std::transform(oracle.jobs().begin(), oracle.jobs().end(), to.begin(),
                            [](const plan::PackedJob& job) { return job.id; });
             return out;
           })
      .def(
          "positions",
          [](const LagrangianOracle& oracle, const Array<std::int32_t>& rows) {
            check_rows(oracle, view(rows), static_cast<std::size_t>(oracle.rows()));
            Array<std::int32_t> out(rows.size());
            std::span<std::int32_t> to = fill(out);
            std::transform(view(rows).begin(), view(rows).end(), to.begin(),
                           [&](std::int32_t row) { return oracle.position(row); });
            return out;
          },
          py::arg("rows").noconvert())
      .def_property_readonly("n_active", &LagrangianOracle::active)
      .def_property_readonly("shapes", &LagrangianOracle::shapes);
  py::class_<OwningLocalSearch>(m, "LocalSearch")
      .def(py::init(&local_search), py::arg("residual"), py::arg("capacity").noconvert(), py::arg("energy").noconvert(),
           py::arg("corridor").noconvert(), py::arg("quota").noconvert(), py::arg("weight"),
           py::arg("klass").noconvert(), py::arg("start").noconvert(), py::keep_alive<1, 2>())
      .def("regrets", &OwningLocalSearch::regrets, py::arg("least"), py::arg("threads") = 0,
           py::arg("placed_only") = false)
      .def("run", &OwningLocalSearch::run, py::arg("positions").noconvert(), py::arg("end").noconvert(),
           py::arg("price").noconvert(), py::arg("chains") = false)
      .def(
          "ruin_recreate",
          [](OwningLocalSearch& s, const Array<double>& end, const Array<double>& price, std::uint64_t seed,
             Index placements, double first_temperature, double last_temperature) {
            return s.ruin_recreate(end, price, {seed, placements, first_temperature, last_temperature});
          },
          py::arg("end").noconvert(), py::arg("price").noconvert(), py::arg("seed"), py::arg("placements"),
          py::arg("first_temperature"), py::arg("last_temperature"))
      .def("undo", [](OwningLocalSearch& s) { s.search.undo(); })
      .def("commit", [](OwningLocalSearch& s) { s.search.commit(); });
  py::class_<ResidualCapacity>(m, "ResidualCapacity")
      .def(py::init<const LagrangianOracle&>(), py::arg("oracle"), py::keep_alive<1, 2>())
      .def("place", &place_choice, py::arg("capacity").noconvert(), py::arg("energy").noconvert(),
           py::arg("corridor").noconvert(), py::arg("quota").noconvert(), py::arg("rows").noconvert(),
           py::arg("klass").noconvert(), py::arg("start").noconvert())
      .def(
          "remove",
          [](ResidualCapacity& residual, const Array<std::int32_t>& rows, Array<std::int32_t>& klass,
             Array<std::int32_t>& start) {
            check_rows(residual.oracle(), view(rows), static_cast<std::size_t>(klass.size()));
            residual.remove(view(rows), fill(klass), fill(start));
          },
          py::arg("rows").noconvert(), py::arg("klass").noconvert(), py::arg("start").noconvert())
      .def(
          "place_at",
          [](ResidualCapacity& residual, const Array<std::int32_t>& rows, const Array<std::int32_t>& to_class,
             const Array<std::int32_t>& to_start, Array<std::int32_t>& klass, Array<std::int32_t>& start,
             bool within_power) {
            check_rows(residual.oracle(), view(rows), static_cast<std::size_t>(klass.size()));
            return residual.place_at(view(rows), view(to_class), view(to_start), fill(klass), fill(start),
                                     within_power);
          },
          py::arg("rows").noconvert(), py::arg("to_class").noconvert(), py::arg("to_start").noconvert(),
          py::arg("klass").noconvert(), py::arg("start").noconvert(), py::arg("within_power") = true)
      .def_property_readonly(
          "load", [](const ResidualCapacity& r) { return shaped(r.load(), {r.oracle().places(), r.oracle().hours()}); })
      .def_property_readonly("accelerators",
                             [](const ResidualCapacity& r) {
                               return shaped(r.accelerators(), {r.oracle().classes(), r.oracle().hours()});
                             })
      .def_property_readonly("data",
                             [](const ResidualCapacity& r) {
                               return shaped(r.data(), {r.oracle().places(), r.oracle().places(), r.oracle().hours()});
                             })
      .def_property_readonly(
          "power",
          [](const ResidualCapacity& r) { return shaped(r.power(), {r.oracle().places(), r.oracle().hours()}); })
      .def_property_readonly("quota_used",
                             [](const ResidualCapacity& r) { return shaped(r.quota_used(), {r.oracle().quotas()}); });
}

}  // namespace gridcompute::bindings
