#include <algorithm>
#include <string>

#include "common.hpp"
#include "gridcompute/plan/capacity_greedy.hpp"
#include "gridcompute/plan/lagrangian.hpp"
#include "gridcompute/plan/local_search.hpp"

namespace gridcompute::bindings {

namespace {

using options::Exchange;
using options::Market;
using options::Prices;
using options::Room;

template <class T>
std::span<const T> column(const py::dict& table, const char* name) {
  const py::object value = table[name];
  if (!py::isinstance<Array<T>>(value))
    throw py::type_error(std::string(name) + " must be a contiguous array of dtype " +
                         py::str(py::dtype::of<T>()).cast<std::string>());
  return view(value.cast<Array<T>>());
}

options::Jobs jobs_of(const py::dict& t) {
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
          column<double>(t, "migration_yuan")};
}

options::World world_of(const py::dict& t) {
  options::World w;
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
  w.places = t["n_sites"].cast<Index>();
  w.hours = t["n_hours"].cast<Index>();
  return w;
}

// Sizes are what the passes index by; checked here once, where arrays become spans.
void check(const Market& m, const Prices& y) {
  const auto need = [](std::span<const double> found, Index size, const char* name) {
    if (static_cast<Index>(found.size()) != size)
      throw Error(
          ErrorKind::invalid_problem, name, -1,
          std::string(name) + " has " + std::to_string(found.size()) + " entries, needed " + std::to_string(size));
  };
  need(y.capacity, m.classes() * m.hours(), "capacity");
  need(y.energy, m.places() * m.hours(), "energy");
  need(y.link, m.places() * m.places() * m.hours(), "corridor");
  need(y.quota, m.owners(), "quota");
}

Prices prices_of(const Array<double>& capacity, const Array<double>& energy, const Array<double>& link,
                 const Array<double>& quota) {
  return {view(capacity), view(energy), view(link), view(quota)};
}

template <class T>
Array<T> shaped(const std::vector<T>& values, std::initializer_list<Index> shape) {
  Array<T> out(std::vector<py::ssize_t>(shape.begin(), shape.end()));
  std::copy(values.begin(), values.end(), out.mutable_data());
  return out;
}

void check_rows(const Market& m, std::span<const std::int32_t> rows, std::size_t jobs) {
  for (const std::int32_t row : rows)
    if (row < 0 || static_cast<std::size_t>(row) >= jobs || m.position(row) < 0)
      throw Error(ErrorKind::invalid_problem, "rows", row, "row " + std::to_string(row) + " is not in this market");
}

py::dict price(const Market& m, const Array<double>& capacity, const Array<double>& energy, const Array<double>& link,
               const Array<double>& quota, std::optional<Array<std::int32_t>> klass,
               std::optional<Array<std::int32_t>> start, int threads) {
  const Prices y = prices_of(capacity, energy, link, quota);
  check(m, y);
  const std::span<std::int32_t> to_class = klass ? fill(*klass) : std::span<std::int32_t>{};
  const std::span<std::int32_t> to_start = start ? fill(*start) : std::span<std::int32_t>{};
  if (to_class.size() != to_start.size() || (klass && static_cast<Index>(to_class.size()) != m.rows()))
    throw Error(ErrorKind::invalid_problem, "klass", -1, "klass and start must have one entry a job, or be None");
  const int most = threads_for(threads);
  const options::Pass pass = [&] {
    const Unlocked unlocked;
    Pool pool(most);
    return m.price(y, pool, to_class, to_start);
  }();
  py::dict out;
  out["total"] = pass.total;
  out["margin"] = pass.margin;
  out["left_out"] = pass.left_out;
  out["placed"] = pass.placed;
  out["accelerators"] = shaped(pass.use.accelerators, {m.classes(), m.hours()});
  out["data"] = shaped(pass.use.data, {m.places(), m.places(), m.hours()});
  out["quota"] = shaped(pass.use.quota, {m.owners()});
  return out;
}

Index place(Room& room, const Array<double>& capacity, const Array<double>& energy, const Array<double>& link,
            const Array<double>& quota, const Array<std::int32_t>& rows, Array<std::int32_t>& klass,
            Array<std::int32_t>& start) {
  const Prices y = prices_of(capacity, energy, link, quota);
  check(room.market(), y);
  check_rows(room.market(), view(rows), static_cast<std::size_t>(klass.size()));
  const std::span<std::int32_t> to_class = fill(klass), to_start = fill(start);
  const Unlocked unlocked;
  return room.place(y, view(rows), to_class, to_start);
}

// Holds the arrays that the exchange writes to.
struct Exchanges {
  Array<std::int32_t> klass, start;
  Array<double> curves_end, curves_price;
  Exchange exchange;

  Exchanges(Room& room, const Prices& guide, double weight, const Array<std::int32_t>& to_class,
            const Array<std::int32_t>& to_start)
      : klass(to_class),
        start(to_start),
        exchange(room, guide, weight, fill(klass), fill(start)),
        market(&room.market()) {}

  Index run(const Array<std::int32_t>& positions, const Array<double>& end, const Array<double>& price, bool chains) {
    for (const std::int32_t p : view(positions))
      if (p < 0 || p >= market->size())
        throw Error(ErrorKind::invalid_problem, "positions", p,
                    "position " + std::to_string(p) + " is not in this market");
    const Index curves = market->places() * market->hours();
    if (end.size() != price.size() || end.size() == 0 || end.size() % curves != 0)
      throw Error(ErrorKind::invalid_problem, "end", -1, "end and price must be [site][hour][segment]");
    curves_end = end, curves_price = price;  // undo() asks them again
    const options::Curves costs{end.size() / curves, view(end), view(price)};
    const Unlocked unlocked;
    return chains ? exchange.chain(view(positions), costs) : exchange.run(view(positions), costs);
  }

  Array<std::int32_t> survey(double least, int threads, bool placed_only) {
    const int most = threads_for(threads);
    const std::vector<std::int32_t> found = [&] {
      const Unlocked unlocked;
      Pool pool(most);
      return exchange.survey(least, placed_only, pool);
    }();
    return shaped(found, {static_cast<Index>(found.size())});
  }

 private:
  const Market* market;
};

std::unique_ptr<Exchanges> exchanges(Room& room, const Array<double>& capacity, const Array<double>& energy,
                                     const Array<double>& link, const Array<double>& quota, double weight,
                                     const Array<std::int32_t>& klass, const Array<std::int32_t>& start) {
  const Prices guide = prices_of(capacity, energy, link, quota);
  check(room.market(), guide);
  if (static_cast<Index>(klass.size()) != room.market().rows() || klass.size() != start.size())
    throw Error(ErrorKind::invalid_problem, "klass", -1, "klass and start must have one entry a job");
  return std::make_unique<Exchanges>(room, guide, weight, klass, start);
}

}  // namespace

void bind_options(py::module_& m) {
  py::class_<Market>(m, "Market")
      .def(py::init([](const py::dict& world, const py::dict& jobs) {
             const options::World w = world_of(world);
             const options::Jobs j = jobs_of(jobs);
             const Unlocked unlocked;
             return std::make_unique<Market>(w, j);
           }),
           py::arg("world"), py::arg("jobs"))
      .def(
          "part",
          [](const Market& market, const Array<std::int32_t>& rows, const Array<std::int32_t>& weight) {
            check_rows(market, view(rows), static_cast<std::size_t>(market.rows()));
            if (weight.size() != rows.size())
              throw Error(ErrorKind::invalid_problem, "weight", -1, "weight must have one entry a row");
            const Unlocked unlocked;
            return std::make_unique<Market>(market, view(rows), view(weight));
          },
          py::arg("rows").noconvert(), py::arg("weight").noconvert())
      .def("price", &price, py::arg("capacity").noconvert(), py::arg("energy").noconvert(),
           py::arg("corridor").noconvert(), py::arg("quota").noconvert(), py::arg("klass").noconvert() = py::none(),
           py::arg("start").noconvert() = py::none(), py::arg("threads") = 0)
      .def(
          "keep",
          [](Market& market, const Array<std::uint8_t>& live) {
            if (live.size() != market.rows())
              throw Error(ErrorKind::invalid_problem, "live", -1, "live must have one entry a job");
            market.keep(view(live));
          },
          py::arg("live").noconvert())
      .def("sizes",
           [](const Market& market) {
             Array<double> out(market.rows());
             market.sizes(fill(out));
             return out;
           })
      .def(
          "reachable",
          [](const Market& market, int threads) {
            Array<std::uint8_t> out(market.rows());
            const std::span<std::uint8_t> to = fill(out);
            const int most = threads_for(threads);
            const Unlocked unlocked;
            Pool pool(most);
            market.reachable(pool, to);
            return out;
          },
          py::arg("threads") = 0)
      .def("order",
           [](const Market& market) {
             Array<std::int32_t> out(market.size());
             std::span<std::int32_t> to = fill(out);
             std::transform(market.jobs().begin(), market.jobs().end(), to.begin(),
                            [](const options::Job& job) { return job.id; });
             return out;
           })
      .def(
          "positions",
          [](const Market& market, const Array<std::int32_t>& rows) {
            check_rows(market, view(rows), static_cast<std::size_t>(market.rows()));
            Array<std::int32_t> out(rows.size());
            std::span<std::int32_t> to = fill(out);
            std::transform(view(rows).begin(), view(rows).end(), to.begin(),
                           [&](std::int32_t row) { return market.position(row); });
            return out;
          },
          py::arg("rows").noconvert())
      .def_property_readonly("live", &Market::live)
      .def_property_readonly("shapes", &Market::shapes);
  py::class_<Exchanges>(m, "Exchange")
      .def(py::init(&exchanges), py::arg("room"), py::arg("capacity").noconvert(), py::arg("energy").noconvert(),
           py::arg("corridor").noconvert(), py::arg("quota").noconvert(), py::arg("weight"),
           py::arg("klass").noconvert(), py::arg("start").noconvert(), py::keep_alive<1, 2>())
      .def("survey", &Exchanges::survey, py::arg("least"), py::arg("threads") = 0, py::arg("placed_only") = false)
      .def("run", &Exchanges::run, py::arg("positions").noconvert(), py::arg("end").noconvert(),
           py::arg("price").noconvert(), py::arg("chains") = false)
      .def("undo", [](Exchanges& e) { e.exchange.undo(); })
      .def("keep", [](Exchanges& e) { e.exchange.keep(); });
  py::class_<Room>(m, "Room")
      .def(py::init<const Market&>(), py::arg("market"), py::keep_alive<1, 2>())
      .def("place", &place, py::arg("capacity").noconvert(), py::arg("energy").noconvert(),
           py::arg("corridor").noconvert(), py::arg("quota").noconvert(), py::arg("rows").noconvert(),
           py::arg("klass").noconvert(), py::arg("start").noconvert())
      .def(
          "remove",
          [](Room& room, const Array<std::int32_t>& rows, Array<std::int32_t>& klass, Array<std::int32_t>& start) {
            check_rows(room.market(), view(rows), static_cast<std::size_t>(klass.size()));
            room.remove(view(rows), fill(klass), fill(start));
          },
          py::arg("rows").noconvert(), py::arg("klass").noconvert(), py::arg("start").noconvert())
      .def(
          "settle",
          [](Room& room, const Array<std::int32_t>& rows, const Array<std::int32_t>& to_class,
             const Array<std::int32_t>& to_start, Array<std::int32_t>& klass, Array<std::int32_t>& start) {
            check_rows(room.market(), view(rows), static_cast<std::size_t>(klass.size()));
            return room.settle(view(rows), view(to_class), view(to_start), fill(klass), fill(start));
          },
          py::arg("rows").noconvert(), py::arg("to_class").noconvert(), py::arg("to_start").noconvert(),
          py::arg("klass").noconvert(), py::arg("start").noconvert())
      .def_property_readonly("load",
                             [](const Room& r) { return shaped(r.load(), {r.market().places(), r.market().hours()}); })
      .def_property_readonly(
          "accelerators",
          [](const Room& r) { return shaped(r.accelerators(), {r.market().classes(), r.market().hours()}); })
      .def_property_readonly("data",
                             [](const Room& r) {
                               return shaped(r.data(), {r.market().places(), r.market().places(), r.market().hours()});
                             })
      .def_property_readonly("power",
                             [](const Room& r) { return shaped(r.power(), {r.market().places(), r.market().hours()}); })
      .def_property_readonly("quota_used", [](const Room& r) { return shaped(r.quota_used(), {r.market().owners()}); });
}

}  // namespace gridcompute::bindings
