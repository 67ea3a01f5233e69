// The stateful matcher, with the arrays that its slab lies in.
#include "gridcompute/live/matcher.hpp"

#include "cost.hpp"
#include "stats.hpp"

namespace gridcompute::bindings {

namespace {

using matcher::Answer;
using matcher::Job;
using matcher::Matcher;
using matcher::Slab;
using Jobs = Array<std::int32_t>;
using Reals = Array<double>;

struct LiveMatcher {
  explicit LiveMatcher(Slot n_slots) : core(n_slots) {}
  Matcher core;
  py::object keep;  // what the slab reads in place
};

// A column of one value is that of all jobs.
void check_length(const char* field, const Reals& column, Index n_jobs) {
  if (column.size() == 1 || column.size() == n_jobs) return;
  throw Error(ErrorKind::invalid_problem, field, -1,
              std::string(field) + ": found " + std::to_string(column.size()) + " values, needed 1 or " +
                  std::to_string(n_jobs));
}

Slab slab_of(const Source& source, const Reals& unplaced, const Reals& move, const Jobs& closed) {
  check_length("unplaced", unplaced, source.cost->n_jobs());
  check_length("move_cost", move, source.cost->n_jobs());
  Slab slab{source.cost.get(), unplaced.data(),          unplaced.size() == 1 ? 0 : 1,
            move.data(),       move.size() == 1 ? 0 : 1, {}};
  if (closed.size() > 0)
    slab.closed = std::make_shared<const std::vector<Slot>>(view(closed).begin(), view(closed).end());
  return slab;
}

void set_slab(LiveMatcher& self, py::object source, const Reals& unplaced, const Reals& move, const Jobs& closed,
              double reach) {
  self.core.set_slab(slab_of(source.cast<const Source&>(), unplaced, move, closed), reach);
  self.keep = py::make_tuple(std::move(source), unplaced, move);
}

void set_capacity(LiveMatcher& self, const Jobs& slots, const Array<Cost>& values) {
  for (py::ssize_t k = 0; k < slots.size(); ++k) self.core.set_capacity(slots.data()[k], values.data()[k]);
}

py::dict answer_of(const Answer& a) {
  const auto n = static_cast<py::ssize_t>(a.changes.size());
  Jobs job(n), from(n), to(n);
  const auto jobs = fill(job), froms = fill(from), tos = fill(to);
  for (std::size_t k = 0; k < a.changes.size(); ++k) {
    const matcher::Change& c = a.changes[k];
    jobs[k] = c.job, froms[k] = c.from, tos[k] = c.to;
  }
  py::dict stats = stats_of(a.stats);
  stats["waiting"] = a.waiting;
  stats["rows"] = a.counts.rows;
  stats["searches"] = a.counts.searches;
  stats["steps"] = a.counts.steps;
  stats["augmentations"] = a.counts.augmentations;
  stats["singles"] = a.counts.singles + a.counts.scattered;
  stats["refilled"] = a.counts.refilled;
  stats["relisted"] = a.counts.relisted;
  stats["widened"] = a.counts.widened;
  stats["columns"] = a.counts.columns;
  stats["cold"] = a.cold;
  stats["built"] = a.built;
  stats["why"] = *a.why == 0 ? "warm" : a.why;
  py::dict out;
  out["status"] = name_of(a.status);
  out["objective"] = a.objective;
  out["bound"] = a.bound;
  out["moved"] = a.moved;
  out["over"] = a.over;
  out["exact"] = a.exact;
  out["job"] = job;
  out["from"] = from;
  out["to"] = to;
  out["held"] = a.held;
  out["prices"] = copy_out(std::span<const double>(a.prices));
  out["load"] = copy_out(std::span<const std::int64_t>(a.load));
  out["witness_jobs"] = copy_out(std::span<const std::int64_t>(a.witness_jobs));
  out["witness_slots"] = copy_out(std::span<const std::int32_t>(a.witness_slots));
  out["stats"] = stats;
  return out;
}

py::dict match(LiveMatcher& self, int threads, std::uint64_t seed, Index max_moves, double gap,
               std::optional<double> time_limit, py::object progress) {
  const matcher::Options options{threads_for(threads), seed, max_moves, gap};
  Guard guard(time_limit, std::move(progress));
  return answer_of(guard.run([&](Stop& stop) { return self.core.match(options, stop); }));
}

py::tuple quote(const LiveMatcher& self, const Source& source, const Reals& unplaced) {
  const Reals none(std::vector<py::ssize_t>{1});
  Jobs slots(source.cost->n_jobs());
  Reals costs(source.cost->n_jobs());
  const Slab slab = slab_of(source, unplaced, none, Jobs(0));
  const auto into = fill(slots);
  const auto cost = fill(costs);
  {
    const Unlocked unlocked;
    self.core.quote(slab, into, cost);
  }
  return py::make_tuple(slots, costs);
}

Jobs homes(const LiveMatcher& self, const Jobs& jobs) {
  Jobs out(jobs.size());
  for (py::ssize_t k = 0; k < jobs.size(); ++k) out.mutable_data()[k] = self.core.home(jobs.data()[k]);
  return out;
}

template <class Tell>
Array<bool> each(const Jobs& jobs, Tell&& tell) {
  Array<bool> out(jobs.size());
  for (py::ssize_t k = 0; k < jobs.size(); ++k) out.mutable_data()[k] = tell(jobs.data()[k]);
  return out;
}

Array<bool> pinned(const LiveMatcher& self, const Jobs& jobs) {
  return each(jobs, [&](Job job) { return self.core.world().pinned(job); });
}

Array<bool> live(const LiveMatcher& self, const Jobs& jobs) {
  return each(jobs, [&](Job job) { return job < self.core.world().size() && self.core.world().is_live(job); });
}

Reals prices(const LiveMatcher& self) {
  Reals out(self.core.world().out());
  for (py::ssize_t s = 0; s < out.size(); ++s) out.mutable_data()[s] = self.core.price(static_cast<Slot>(s));
  return out;
}

Array<Cost> capacity(const LiveMatcher& self) {
  Array<Cost> out(self.core.world().out());
  for (py::ssize_t s = 0; s < out.size(); ++s) out.mutable_data()[s] = self.core.capacity(static_cast<Slot>(s));
  return out;
}

// The costs of jobs with homes (-1: none) and pins, one row a job, and what leaving each out costs: a problem of its
// own, that reads nothing but the arrays given.
py::tuple live_problem(py::object source, const Reals& unplaced, const Reals& move, const Jobs& closed,
                       const Jobs& homes, const Array<bool>& pinned) {
  const auto& jobs = source.cast<const Source&>();
  const Slab slab = slab_of(jobs, unplaced, move, closed);
  const auto n = static_cast<Job>(jobs.cost->n_jobs());
  const auto out = static_cast<Slot>(jobs.cost->n_slots());
  if (homes.size() != n || pinned.size() != n)
    throw Error(ErrorKind::internal, "homes", -1, "homes and pins are not those of the jobs");
  std::vector<Job> rows;
  std::vector<matcher::Stay> stay;
  for (Job job = 0; job < n; ++job) {
    const Slot home = homes.data()[job];
    rows.push_back(job);
    stay.push_back({home < 0 || home > out ? out : home, pinned.data()[job]});
  }
  auto cost = std::make_unique<matcher::LiveCost>(slab, rows, std::move(stay), -1.0);
  const std::vector<double> leaving = cost->unplaced();
  return py::make_tuple(Source{std::move(cost), py::make_tuple(std::move(source), unplaced, move)},
                        copy_out(std::span<const double>(leaving)));
}

}  // namespace

void bind_matcher(py::module_& m) {
  const auto list = [](const LiveMatcher& self) {
    const std::vector<Job> jobs = self.core.world().list();
    return copy_out(std::span<const std::int32_t>(jobs));
  };
  py::class_<LiveMatcher>(m, "LiveMatcher", "The state that gridcompute.Matcher keeps in the core.")
      .def(py::init<Slot>(), py::arg("n_slots"))
      .def("set_slab", &set_slab, py::arg("cost"), py::arg("unplaced").noconvert(), py::arg("move").noconvert(),
           py::arg("closed").noconvert(), py::arg("reach"))
      .def(
          "costs_changed", [](LiveMatcher& self, const Jobs& slots) { self.core.costs_changed(view(slots)); },
          py::arg("slots").noconvert())
      .def("set_capacity", &set_capacity, py::arg("slots").noconvert(), py::arg("values").noconvert())
      .def(
          "add", [](LiveMatcher& self, const Jobs& jobs) { self.core.add(view(jobs)); }, py::arg("jobs").noconvert())
      .def(
          "remove", [](LiveMatcher& self, const Jobs& jobs) { self.core.remove(view(jobs)); },
          py::arg("jobs").noconvert())
      .def(
          "update", [](LiveMatcher& self, const Jobs& jobs) { self.core.update(view(jobs)); },
          py::arg("jobs").noconvert())
      .def(
          "pin", [](LiveMatcher& self, const Jobs& jobs, bool on) { self.core.pin(view(jobs), on); },
          py::arg("jobs").noconvert(), py::arg("on"))
      .def(
          "restore",
          [](LiveMatcher& self, const Jobs& jobs, const Jobs& homes, const Reals& prices, double resolution) {
            self.core.restore(view(jobs), view(homes), view(prices), resolution);
          },
          py::arg("jobs").noconvert(), py::arg("homes").noconvert(), py::arg("prices").noconvert(),
          py::arg("resolution"))
      .def("match", &match, py::arg("threads"), py::arg("seed"), py::arg("max_moves"), py::arg("gap"),
           py::arg("time_limit"), py::arg("progress"))
      .def("told", [](LiveMatcher& self) { self.core.told(); })
      .def("quote", &quote, py::arg("cost"), py::arg("unplaced").noconvert())
      .def("list", list)
      .def("homes", &homes, py::arg("jobs").noconvert())
      .def("prices", &prices)
      .def("capacity", &capacity)
      .def(
          "pinned_at",
          [](const LiveMatcher& self, const Jobs& slots) {
            return copy_out(std::span<const std::int32_t>(self.core.pinned_at(view(slots))));
          },
          py::arg("slots").noconvert())
      .def("pinned", &pinned, py::arg("jobs").noconvert())
      .def("live", &live, py::arg("jobs").noconvert())
      .def("holds", [](const LiveMatcher& self) { return self.core.holds(); })
      .def_property_readonly("n_slots", [](const LiveMatcher& self) { return self.core.world().out(); })
      .def_property_readonly("resolution", [](const LiveMatcher& self) { return self.core.world().resolution(); })
      .def("__len__", [](const LiveMatcher& self) { return self.core.world().live(); });
  m.def("live_problem", &live_problem, py::arg("cost"), py::arg("unplaced").noconvert(), py::arg("move").noconvert(),
        py::arg("closed").noconvert(), py::arg("homes").noconvert(), py::arg("pinned").noconvert());
}

}  // namespace gridcompute::bindings
