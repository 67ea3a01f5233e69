// The packer of fractional devices, and the knapsack of its pattern LP.
#include <array>
#include <deque>
#include <mutex>
#include <optional>

#include "common.hpp"
#include "gridcompute/packing/knapsack.hpp"
#include "gridcompute/packing/packer.hpp"
#include "tuning.hpp"

namespace gridcompute::bindings {

namespace {

using namespace gridcompute::packing;
using Ids = Array<std::int64_t>;
using Numbers = Array<std::int32_t>;

// One call at a time: calls run without the interpreter's lock.
struct LivePacker {
  LivePacker(Inventory inventory, std::string policy, std::int64_t latest)
      : core(std::move(inventory), std::move(policy), latest) {}

  template <class Call>
  auto run(Call&& call) {
    const Unlocked unlocked;
    const std::lock_guard guard(mutex);
    return std::forward<Call>(call)(core);
  }

  Packer core;
  std::mutex mutex;
};

template <class T>
std::vector<T> copy_in(const Array<T>& array) {
  return {array.data(), array.data() + array.size()};
}

// None: the device is shared in milli. Else (next, profile, used, number of profiles).
Layout layout_of(const py::object& table) {
  if (table.is_none()) return {};
  const auto parts = table.cast<py::tuple>();
  const auto next = parts[0].cast<Array<std::uint16_t>>();
  const auto profile = parts[1].cast<Numbers>(), used = parts[2].cast<Numbers>();
  return {static_cast<Index>(used.size()), copy_in(next), copy_in(profile), copy_in(used), parts[3].cast<Index>()};
}

std::unique_ptr<LivePacker> make(const Ids& cpu, const Ids& memory, const Numbers& gpus, const Numbers& model,
                                 const Numbers& rank, const py::list& layouts, const std::string& policy,
                                 std::int64_t latest) {
  Inventory inventory{copy_in(cpu), copy_in(memory), copy_in(gpus), copy_in(model), copy_in(rank), {}};
  for (const py::handle table : layouts)
    inventory.layouts.push_back(layout_of(py::reinterpret_borrow<py::object>(table)));
  return std::make_unique<LivePacker>(std::move(inventory), policy, latest);
}

void set_mix(LivePacker& self, const Numbers& shapes, const Ids& counts, const Ids& prices, std::uint64_t seed,
             const py::dict& tuning) {
  if (shapes.size() != counts.size() || shapes.size() != prices.size())
    throw Error(ErrorKind::internal, "mix", -1, "columns of the mix of different lengths");
  std::vector<MixEntry> mix;
  for (py::ssize_t k = 0; k < shapes.size(); ++k) mix.push_back({shapes.data()[k], counts.data()[k]});
  const PackingTuning values = with_values(tunings().packing, kTuningTable, tuning, "tuning", "packing");
  self.run([&](Packer& core) { core.set_mix(std::move(mix), copy_in(prices), seed, values); });
}

// A pod: id, shape, node, devices, item, cost, charge, runner-up and its cost.
using Row = std::array<std::int64_t, 9>;

Row row_of(const Pod& p) {
  const Decision& d = p.decision;
  return {p.id,     p.shape,     p.at.node,       static_cast<std::int64_t>(p.at.devices), p.at.item, d.cost,
          d.charge, d.runner_up, d.runner_up_cost};
}

Pod pod_of(const Row& r) {
  const auto small = [&](std::size_t k) { return static_cast<std::int32_t>(r[k]); };
  return {r[0], small(1), {small(2), static_cast<Devices>(r[3]), small(4)}, {r[5], r[6], small(7), r[8]}};
}

Ids rows_out(const std::vector<Row>& rows) {
  Ids out({static_cast<py::ssize_t>(rows.size()), static_cast<py::ssize_t>(std::tuple_size_v<Row>)});
  for (std::size_t k = 0; k < rows.size(); ++k)
    std::copy(rows[k].begin(), rows[k].end(), out.mutable_data() + k * rows[k].size());
  return out;
}

// Returns the rows of those of the pods that are placed.
Ids placed(LivePacker& self, const Ids& asked) {
  std::vector<Row> found;
  const auto ids = view(asked);
  self.run([&](const Packer& core) {
    for (const PodId id : ids)
      if (const Pod* const pod = core.cluster().find(id)) found.push_back(row_of(*pod));
  });
  return rows_out(found);
}

// Returns the arguments of restore().
py::tuple state(LivePacker& self) {
  std::vector<Row> pods;
  std::vector<std::int64_t> counts;
  std::deque<Arrival> latest;
  self.run([&](const Packer& core) {
    for (const Pod* const pod : core.cluster().pods()) pods.push_back(row_of(*pod));
    counts = core.counts(core.arrived()), latest = core.latest();
  });
  Numbers shape(static_cast<py::ssize_t>(latest.size()));
  Array<bool> placed(static_cast<py::ssize_t>(latest.size()));
  for (std::size_t k = 0; k < latest.size(); ++k)
    shape.mutable_data()[k] = latest[k].shape, placed.mutable_data()[k] = latest[k].placed;
  return py::make_tuple(rows_out(pods), copy_out(std::span<const std::int64_t>(counts)), shape, placed);
}

void restore(LivePacker& self, const Ids& pods, const Ids& counts, const Numbers& shapes, const Array<bool>& placed) {
  constexpr py::ssize_t width = std::tuple_size_v<Row>;
  if (pods.ndim() != 2 || pods.shape(1) != width || shapes.size() != placed.size())
    throw Error(ErrorKind::internal, "pods", -1, "columns of pods of other numbers");
  std::vector<Pod> all;
  for (py::ssize_t k = 0; k < pods.shape(0); ++k) {
    Row row;
    std::copy_n(pods.data() + k * width, width, row.begin());
    all.push_back(pod_of(row));
  }
  std::deque<Arrival> latest;
  for (py::ssize_t k = 0; k < shapes.size(); ++k) latest.push_back({shapes.data()[k], placed.data()[k]});
  self.run([&](Packer& core) { core.restore(all, copy_in(counts), std::move(latest)); });
}

// Returns (shape, placed) of a pod that arrived, or None where it is no more kept.
py::object arrival(LivePacker& self, std::int64_t id) {
  const auto found = self.run([&](const Packer& core) -> std::optional<Arrival> {
    const std::int64_t at = id - (core.arrived() - static_cast<PodId>(core.latest().size()));
    if (at < 0 || id >= core.arrived()) return {};
    return core.latest()[static_cast<std::size_t>(at)];
  });
  return found ? py::object(py::make_tuple(found->shape, found->placed)) : py::none();
}

py::tuple place_shapes(LivePacker& self, const Numbers& shapes, int moves) {
  Numbers node(shapes.size());
  Ids devices(shapes.size());
  Array<std::int8_t> refused(shapes.size());
  const auto asked = view(shapes);
  const auto nodes = fill(node);
  const auto masks = fill(devices);
  const auto reasons = fill(refused);
  PodId first = 0;
  std::vector<PodId> moved;
  self.run([&](Packer& core) {
    first = core.arrived();
    Placed placed = core.place(asked, moves);
    moved = std::move(placed.moved);
    for (std::size_t k = 0; k < asked.size(); ++k) {
      const Pod* const pod = core.cluster().find(first + static_cast<PodId>(k));
      const Position at = pod == nullptr ? Position() : pod->at;
      nodes[k] = at.node, masks[k] = static_cast<std::int64_t>(at.devices);
      reasons[k] = static_cast<std::int8_t>(placed.refused[k]);
    }
  });
  return py::make_tuple(first, node, devices, refused, copy_out(std::span<const std::int64_t>(moved)));
}

py::tuple left(LivePacker& self) {
  const auto n = static_cast<py::ssize_t>(self.core.cluster().nodes());  // which never changes
  const auto width = static_cast<py::ssize_t>(self.core.cluster().width());
  Ids cpu(n), memory(n), milli(n);
  Numbers devices(n), each({n, width});
  const auto cpus = fill(cpu), memories = fill(memory), millis = fill(milli);
  const auto free = fill(devices), left = fill(each);
  self.run([&](const Packer& core) {
    const Cluster& c = core.cluster();
    std::fill(left.begin(), left.end(), 0);
    for (NodeId k = 0; k < c.nodes(); ++k) {
      const auto at = static_cast<std::size_t>(k);
      cpus[at] = c.cpu(k), memories[at] = c.memory(k), millis[at] = c.milli(k), free[at] = c.free_devices(k);
      std::size_t d = at * static_cast<std::size_t>(width);
      for (const State state : c.devices(k)) left[d++] = c.layout(k).free_milli(state);
    }
  });
  return py::make_tuple(cpu, memory, milli, devices, each);
}

std::vector<bool> classes_of(const LivePacker& self, const Reservation& group) {
  std::vector<bool> out;
  for (int c = 0; c < self.core.cluster().classes(); ++c) out.push_back(group.classes.has(c));
  return out;
}

py::list reservations(LivePacker& self) {
  const auto groups = self.run([](Packer& core) { return core.reservations(); });
  py::list out;
  for (const Reservation& r : groups)
    out.append(py::make_tuple(r.size, r.cpu, r.memory, classes_of(self, r), r.share, r.price, r.slots, r.need, r.kept));
  return out;
}

py::tuple content(const Numbers& milli, const Ids& value) {
  if (milli.size() != value.size()) throw Error(ErrorKind::internal, "value", -1, "parts and values differ in number");
  const Content best = best_content(view(milli), view(value));
  return py::make_tuple(best.value, copy_out(std::span<const std::int32_t>(best.count)));
}

py::tuple template_content(const py::object& table, const Ids& value) {
  const Content best = best_content(layout_of(table), view(value));
  return py::make_tuple(best.value, copy_out(std::span<const std::int32_t>(best.count)));
}

}  // namespace

void bind_packing(py::module_& m) {
  py::class_<LivePacker>(m, "Packer", "The state that gridcompute.pack.Packer keeps in the core.")
      .def(py::init(&make), py::arg("cpu").noconvert(), py::arg("memory").noconvert(), py::arg("gpus").noconvert(),
           py::arg("model").noconvert(), py::arg("rank").noconvert(), py::arg("layouts"), py::arg("policy"),
           py::arg("latest"))
      .def(
          "add_shape",
          [](LivePacker& self, std::int64_t cpu, std::int64_t memory, std::int32_t gpus, std::int32_t milli,
             std::int32_t profile, std::uint64_t models) {
            return self.run([&](Packer& core) { return core.add_shape({cpu, memory, gpus, milli, profile, models}); });
          },
          py::arg("cpu"), py::arg("memory"), py::arg("gpus"), py::arg("milli"), py::arg("profile"), py::arg("models"))
      .def("set_mix", &set_mix, py::arg("shapes").noconvert(), py::arg("counts").noconvert(),
           py::arg("prices").noconvert(), py::arg("seed"), py::arg("tuning"))
      .def("place", &place_shapes, py::arg("shapes").noconvert(), py::arg("moves"))
      .def(
          "release", [](LivePacker& self, const Ids& pods) { self.run([&](Packer& c) { c.release(view(pods)); }); },
          py::arg("pods").noconvert())
      .def("restore", &restore, py::arg("pods").noconvert(), py::arg("counts").noconvert(),
           py::arg("shapes").noconvert(), py::arg("placed").noconvert())
      .def("state", &state)
      .def("placed", &placed, py::arg("ids").noconvert())
      .def("arrival", &arrival, py::arg("id"))
      .def(
          "counts",
          [](LivePacker& self, std::int64_t n) {
            const auto counts = self.run([&](const Packer& core) { return core.counts(n); });
            return copy_out(std::span<const std::int64_t>(counts));
          },
          py::arg("n"))
      .def("left", &left)
      .def("reservations", &reservations)
      .def(
          "lack",
          [](LivePacker& self, std::int32_t shape) {
            const Lack l = self.run([&](Packer& core) { return core.lack(shape); });
            return py::make_tuple(l.model, l.devices, l.cpu, l.memory, l.fits, l.moves, l.moves_node);
          },
          py::arg("shape"))
      .def(
          "blocked",
          [](LivePacker& self, std::int64_t pod) {
            const auto blocked = self.run([&](const Packer& core) { return core.blocked(pod); });
            py::list out;
            for (const auto& [group, slots] : blocked)
              out.append(py::make_tuple(slots, group.size, group.cpu, classes_of(self, group)));
            return out;
          },
          py::arg("pod"))
      .def("holds", [](LivePacker& self) { return self.run([](Packer& core) { return core.holds(); }); })
      .def_property_readonly("futures",
                             [](LivePacker& self) { return self.run([](const Packer& c) { return c.futures(); }); })
      .def("__len__", [](LivePacker& self) { return self.run([](const Packer& c) { return c.arrived(); }); });
  m.def("packing_content", &content, py::arg("milli").noconvert(), py::arg("value").noconvert());
  m.def("packing_template_content", &template_content, py::arg("table"), py::arg("value").noconvert());
}

}  // namespace gridcompute::bindings
