// The live matcher, with the arrays of its job store.
#include "cost.hpp"
#include "gridcompute/live/matcher.hpp"
#include "gridcompute/live/state.hpp"
#include "stats.hpp"
#include "tuning.hpp"

namespace gridcompute::bindings {

namespace {

using live::Job;
using live::Matcher;
using live::StoreColumns;
using Jobs = Array<std::int32_t>;
using Reals = Array<double>;

struct LiveMatcher {
  explicit LiveMatcher(Slot n_slots) : core(n_slots, tunings().live, tunings().gangs) {}
  Matcher core;
  // The arrays that the matcher reads in place: those at the last commit(), and those given since.
  std::vector<py::object> keep, keep_gangs;
};

// Checks a column's length; a column of one value applies to all jobs.
void check_length(const char* field, const Reals& column, Index n_jobs) {
  if (column.size() == 1 || column.size() == n_jobs) return;
  throw Error(ErrorKind::invalid_problem, field, -1,
              std::string(field) + ": found " + std::to_string(column.size()) + " values, needed 1 or " +
                  std::to_string(n_jobs));
}

StoreColumns columns_of(const Source& source, const Reals& unplaced, const Reals& move, const Jobs& closed) {
  check_length("unplaced", unplaced, source.cost->n_jobs());
  check_length("move_cost", move, source.cost->n_jobs());
  StoreColumns columns{source.cost.get(), unplaced.data(),          unplaced.size() == 1 ? 0 : 1,
                       move.data(),       move.size() == 1 ? 0 : 1, {}};
  if (closed.size() > 0)
    columns.closed = std::make_shared<const std::vector<Slot>>(view(closed).begin(), view(closed).end());
  return columns;
}

void set_columns(LiveMatcher& self, py::object source, const Reals& unplaced, const Reals& move, const Jobs& closed,
                 double max_abs_cost) {
  const StoreColumns columns = columns_of(source.cast<const Source&>(), unplaced, move, closed);
  self.keep.push_back(py::make_tuple(std::move(source), unplaced, move));
  self.core.set_columns(columns, max_abs_cost);
}

void set_capacity(LiveMatcher& self, const Jobs& slots, const Array<Cost>& values) {
  for (py::ssize_t k = 0; k < slots.size(); ++k) self.core.set_capacity(slots.data()[k], values.data()[k]);
}

void commit(LiveMatcher& self) {
  self.core.commit();
  for (std::vector<py::object>* arrays : {&self.keep, &self.keep_gangs})
    if (arrays->size() > 1) arrays->erase(arrays->begin(), arrays->end() - 1);
}

void rollback(LiveMatcher& self) {
  self.core.rollback();
  for (std::vector<py::object>* arrays : {&self.keep, &self.keep_gangs})
    if (arrays->size() > 1) arrays->erase(arrays->begin() + 1, arrays->end());
}

template <class T>
live::GangColumn<T> column_of(const char* field, const Array<T>& column, Index n_jobs) {
  if (column.size() != 1 && column.size() != n_jobs)
    throw Error(ErrorKind::internal, field, -1,
                std::string(field) + ": found " + std::to_string(column.size()) + " values, needed 1 or " +
                    std::to_string(n_jobs));
  return {column.data(), column.size() == 1 ? 0 : 1};
}

live::GangColumns gangs_of(const Array<std::int32_t>& demand, const Array<std::int32_t>& queue,
                           const Array<std::int64_t>& priority, const Array<std::uint8_t>& preemptible, Index n_jobs) {
  return {column_of("demand", demand, n_jobs), column_of("queue", queue, n_jobs),
          column_of("priority", priority, n_jobs), column_of("preemptible", preemptible, n_jobs)};
}

void set_gangs(LiveMatcher& self, const Array<std::int32_t>& demand, const Array<std::int32_t>& queue,
               const Array<std::int64_t>& priority, const Array<std::uint8_t>& preemptible,
               const Array<std::int32_t>& types) {
  const live::GangColumns columns = gangs_of(demand, queue, priority, preemptible, self.core.state().n_positions());
  self.keep_gangs.push_back(py::make_tuple(demand, queue, priority, preemptible));
  self.core.set_gangs(columns, view(types));
}

void set_queues(LiveMatcher& self, const Array<std::int32_t>& parent, const Array<Cost>& limit,
                const Array<Cost>& guarantee, bool ranked, const Array<Cost>& limit_by_type,
                const Array<Cost>& guarantee_by_type) {
  const auto copied = [](const auto& array) {
    const auto all = view(array);
    return std::vector(all.begin(), all.end());
  };
  live::Queues queues{copied(parent), copied(limit),         copied(guarantee),
                      ranked,         copied(limit_by_type), copied(guarantee_by_type)};
  for (std::vector<Cost>* limits : {&queues.limit, &queues.limit_by_type})
    for (Cost& most : *limits) most = std::min(most, kForbidden);
  self.core.set_queues(std::move(queues));
}

// The statistics of a round; docs/how-to/embed-the-matcher.md explains each key.
py::dict stats_of_round(const live::RoundAnswer& a, double work_units) {
  py::dict stats = stats_of(a.stats);
  stats["work_units"] = work_units;
  stats["cold"] = a.cold;
  stats["why"] = *a.reason == 0 ? "warm" : a.reason;
  stats["index_built"] = a.index_built;
  stats["jobs_queued"] = a.jobs_queued;
  stats["moves_deferred"] = a.moves_deferred;
  stats["move_cost"] = a.move_cost;
  stats["slots_added_by_pins"] = a.slots_added_by_pins;
  stats["rows_read"] = a.counts.rows_read;
  stats["costs_read"] = a.counts.column_costs_read + a.counts.class_costs_read;
  stats["path_searches"] = a.counts.path_searches;
  stats["arcs_scanned"] = a.counts.arcs_scanned;
  stats["augmentations"] = a.counts.augmentations;
  stats["classes_repriced"] = a.counts.classes_repriced;
  stats["sources_reindexed"] = a.counts.sources_reindexed;
  stats["targets_widened"] = a.counts.targets_widened;
  stats["pairs_refilled"] = a.counts.pairs_refilled;
  return stats;
}

py::dict answer_of(const live::RoundAnswer& a, double work_units) {
  const auto n = static_cast<py::ssize_t>(a.changes.size());
  Jobs job(n), from(n), to(n);
  Array<std::int8_t> kind(n);
  const auto jobs = fill(job), froms = fill(from), tos = fill(to);
  const auto kinds = fill(kind);
  for (std::size_t k = 0; k < a.changes.size(); ++k) {
    const live::ReportedChange& c = a.changes[k];
    jobs[k] = c.job, froms[k] = c.from, tos[k] = c.to;
    kinds[k] = c.from < 0 ? 1 : c.to < 0 ? 3 : 2;  // PLACE, EVICT, MOVE, as in round_result.py
  }
  py::dict out;
  out["status"] = name_of(a.status);
  out["objective"] = a.objective;
  out["bound"] = a.bound;
  out["exact"] = a.exact;
  out["job"] = job;
  out["from"] = from;
  out["to"] = to;
  out["kind"] = kind;
  out["prices"] = copy_out(std::span<const double>(a.prices));
  out["load"] = copy_out(std::span<const std::int64_t>(a.load));
  out["capacity"] = copy_out(std::span<const std::int64_t>(a.capacity));
  out["held"] = copy_out(std::span<const std::uint8_t>(a.held));
  out["fixed"] = copy_out(std::span<const std::uint8_t>(a.fixed));
  out["limit_prices"] = copy_out(std::span<const double>(a.limit_prices));
  out["witness_jobs"] = copy_out(std::span<const std::int64_t>(a.witness_jobs));
  out["witness_slots"] = copy_out(std::span<const std::int32_t>(a.witness_slots));
  out["stats"] = stats_of_round(a, work_units);
  return out;
}

py::dict match(LiveMatcher& self, int threads, std::uint64_t seed, Index max_moves, double gap,
               std::optional<double> time_limit, std::optional<double> work_limit, py::object progress) {
  const live::MatchOptions options{threads_for(threads), seed, max_moves, gap};
  Guard guard(time_limit, std::move(progress), work_limit);
  const live::RoundAnswer answer = guard.run([&](Stop& stop) { return self.core.match(options, stop); });
  return answer_of(answer, guard.stop().work());
}

py::tuple quote(const LiveMatcher& self, const Source& source, const Reals& unplaced) {
  const Reals none(std::vector<py::ssize_t>{1});
  Jobs slots(source.cost->n_jobs());
  Reals costs(source.cost->n_jobs());
  const StoreColumns columns = columns_of(source, unplaced, none, Jobs(0));
  const auto into = fill(slots);
  const auto cost = fill(costs);
  {
    const Unlocked unlocked;
    self.core.quote(columns, into, cost);
  }
  return py::make_tuple(slots, costs);
}

py::tuple quote_gangs(const LiveMatcher& self, const Source& source, const Reals& unplaced,
                      const Array<std::int32_t>& demand, const Array<std::int32_t>& queue) {
  const Index n = source.cost->n_jobs();
  const Reals none(std::vector<py::ssize_t>{1});
  const Array<std::int64_t> priority(std::vector<py::ssize_t>{1});
  const Array<std::uint8_t> preemptible(std::vector<py::ssize_t>{1});
  Jobs slots(n);
  Reals costs(n);
  const StoreColumns columns = columns_of(source, unplaced, none, Jobs(0));
  const live::GangColumns gangs = gangs_of(demand, queue, priority, preemptible, n);
  const auto into = fill(slots);
  const auto cost = fill(costs);
  {
    const Unlocked unlocked;
    self.core.quote(columns, gangs, into, cost);
  }
  return py::make_tuple(slots, costs);
}

// The placed class of each job, -1: unplaced.
Jobs placements(const LiveMatcher& self, const Jobs& jobs) {
  Jobs out(jobs.size());
  for (py::ssize_t k = 0; k < jobs.size(); ++k) out.mutable_data()[k] = self.core.placed_class(jobs.data()[k]);
  return out;
}

template <class Test>
Array<bool> each(const Jobs& jobs, Test&& test) {
  Array<bool> out(jobs.size());
  for (py::ssize_t k = 0; k < jobs.size(); ++k) out.mutable_data()[k] = test(jobs.data()[k]);
  return out;
}

Array<bool> is_pinned(const LiveMatcher& self, const Jobs& jobs) {
  return each(jobs, [&](Job job) { return self.core.state().is_pinned(job); });
}

Array<bool> is_live(const LiveMatcher& self, const Jobs& jobs) {
  return each(jobs, [&](Job job) { return job < self.core.state().n_positions() && self.core.state().is_live(job); });
}

Reals prices(const LiveMatcher& self) {
  Reals out(self.core.state().unplaced_class());
  for (py::ssize_t s = 0; s < out.size(); ++s) out.mutable_data()[s] = self.core.price(static_cast<Slot>(s));
  return out;
}

Array<Cost> capacity(const LiveMatcher& self) {
  Array<Cost> out(self.core.state().unplaced_class());
  for (py::ssize_t s = 0; s < out.size(); ++s) out.mutable_data()[s] = self.core.capacity(static_cast<Slot>(s));
  return out;
}

// Returns the costs of jobs with these placed classes (-1: unplaced) and pins, one row a job, and the cost of leaving
// each unplaced: the problem of a round as it was posed, which reads nothing but the arrays given.
py::tuple posed_problem(py::object source, const Reals& unplaced, const Reals& move, const Jobs& closed,
                        const Jobs& placed, const Array<bool>& pinned) {
  const auto& jobs = source.cast<const Source&>();
  const StoreColumns columns = columns_of(jobs, unplaced, move, closed);
  const auto n = static_cast<Job>(jobs.cost->n_jobs());
  const auto out = static_cast<Slot>(jobs.cost->n_slots());
  if (placed.size() != n || pinned.size() != n)
    throw Error(ErrorKind::internal, "placed", -1,
                "placed: found " + std::to_string(placed.size()) + " classes and " + std::to_string(pinned.size()) +
                    " pins, needed " + std::to_string(n));
  std::vector<Job> rows;
  std::vector<live::Placement> placements;
  for (Job job = 0; job < n; ++job) {
    const Slot here = placed.data()[job];
    rows.push_back(job);
    placements.push_back({here < 0 || here > out ? out : here, pinned.data()[job]});
  }
  auto cost = std::make_unique<live::PosedCost>(columns, rows, std::move(placements), -1.0);
  const std::vector<double> of_unplaced = cost->unplaced();
  return py::make_tuple(Source{std::move(cost), py::make_tuple(std::move(source), unplaced, move)},
                        copy_out(std::span<const double>(of_unplaced)));
}

// ---------------------------------------------------------------- ids

Jobs positions_of(const live::JobNumbers& self, const Array<std::int64_t>& ids) {
  Jobs out(ids.size());
  self.lookup(view(ids), fill(out));
  return out;
}

Jobs add_ids(live::JobNumbers& self, const Array<std::int64_t>& ids) {
  Jobs out(ids.size());
  self.add(view(ids), fill(out));
  return out;
}

Array<std::int64_t> ids_at(const live::JobNumbers& self, const Jobs& positions) {
  Array<std::int64_t> out(positions.size());
  const auto ids = fill(out);
  const auto at = view(positions);
  for (std::size_t k = 0; k < at.size(); ++k) {
    if (!self.is_given(at[k]))
      throw Error(ErrorKind::internal, "positions", static_cast<Index>(k),
                  "positions: found " + std::to_string(at[k]) + ", which no job has");
    ids[k] = self.id(at[k]);
  }
  return out;
}

void release_ids(live::JobNumbers& self, const Jobs& positions) {
  (void)ids_at(self, positions);  // all of them are given
  self.release(view(positions));
}

void bind_ids(py::module_& m) {
  py::class_<live::JobNumbers>(m, "JobNumbers", "The positions of jobs whose ids are integers.")
      .def(py::init<>())
      .def("lookup", &positions_of, py::arg("ids").noconvert())
      .def("add", &add_ids, py::arg("ids").noconvert())
      .def("release", &release_ids, py::arg("positions").noconvert())
      .def(
          "repeated",
          [](live::JobNumbers& self, const Jobs& positions) {
            (void)ids_at(self, positions);  // all of them are given
            return self.repeated(view(positions));
          },
          py::arg("positions").noconvert())
      .def("ids", &ids_at, py::arg("positions").noconvert())
      .def_property_readonly("size", &live::JobNumbers::size)
      .def("__len__", &live::JobNumbers::count);
}

// ---------------------------------------------------------------- columns

// Returns the least and the largest entry; NaN for both if any is NaN, 0 for both if there is none.
template <class T>
std::pair<T, T> extent(const Array<T>& values) {
  constexpr std::size_t kLanes = 8;  // side by side, for the compiler's vectors
  const auto all = view(values);
  if (all.empty()) return {};
  std::array<T, kLanes> low, high, not_a_number{};
  low.fill(all[0]), high.fill(all[0]);
  const auto take = [&](std::size_t lane, T value) {
    low[lane] = value < low[lane] ? value : low[lane];
    high[lane] = value > high[lane] ? value : high[lane];
    if constexpr (std::is_floating_point_v<T>) not_a_number[lane] = value == value ? not_a_number[lane] : T{1};
  };
  std::size_t k = 0;
  for (; k + kLanes <= all.size(); k += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane) take(lane, all[k + lane]);
  for (; k < all.size(); ++k) take(0, all[k]);
  const bool valid = std::all_of(not_a_number.begin(), not_a_number.end(), [](T x) { return x == T{0}; });
  if (!valid) return {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::quiet_NaN()};
  return {*std::min_element(low.begin(), low.end()), *std::max_element(high.begin(), high.end())};
}

}  // namespace

void bind_live(py::module_& m) {
  bind_ids(m);
  m.def("extent", &extent<double>, py::arg("values").noconvert());
  m.def("extent", &extent<std::int32_t>, py::arg("values").noconvert());
  m.def("extent", &extent<std::int64_t>, py::arg("values").noconvert());
  const auto live_jobs = [](const LiveMatcher& self) {
    const std::vector<Job> jobs = self.core.state().live_jobs();
    return copy_out(std::span<const std::int32_t>(jobs));
  };
  py::class_<LiveMatcher>(m, "LiveMatcher", "The state that gridcompute.Matcher keeps in the core.")
      .def(py::init<Slot>(), py::arg("n_slots"))
      .def("set_columns", &set_columns, py::arg("cost"), py::arg("unplaced").noconvert(), py::arg("move").noconvert(),
           py::arg("closed").noconvert(), py::arg("max_abs_cost"))
      .def(
          "costs_changed", [](LiveMatcher& self, const Jobs& slots) { self.core.costs_changed(view(slots)); },
          py::arg("slots").noconvert())
      .def("set_capacity", &set_capacity, py::arg("slots").noconvert(), py::arg("values").noconvert())
      .def("commit", &commit)
      .def("rollback", &rollback)
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
          "place",
          [](LiveMatcher& self, const Jobs& jobs, const Jobs& slots) { self.core.place(view(jobs), view(slots)); },
          py::arg("jobs").noconvert(), py::arg("slots").noconvert())
      .def(
          "restore",
          [](LiveMatcher& self, const Jobs& jobs, const Jobs& placed, const Reals& prices, double resolution) {
            self.core.restore(view(jobs), view(placed), view(prices), resolution);
          },
          py::arg("jobs").noconvert(), py::arg("placed").noconvert(), py::arg("prices").noconvert(),
          py::arg("resolution"))
      .def("match", &match, py::arg("threads"), py::arg("seed"), py::arg("max_moves"), py::arg("gap"),
           py::arg("time_limit"), py::arg("work_limit"), py::arg("progress"))
      .def("unacknowledged",
           [](const LiveMatcher& self) {
             std::vector<Job> jobs;
             std::vector<Slot> from;
             for (const live::ReportedChange& change : self.core.unacknowledged())
               jobs.push_back(change.job), from.push_back(change.from);
             return py::make_tuple(copy_out(std::span<const Job>(jobs)), copy_out(std::span<const Slot>(from)));
           })
      .def("acknowledge", [](LiveMatcher& self) { self.core.acknowledge(); })
      .def("quote", &quote, py::arg("cost"), py::arg("unplaced").noconvert())
      .def("quote_gangs", &quote_gangs, py::arg("cost"), py::arg("unplaced").noconvert(), py::arg("demand").noconvert(),
           py::arg("queue").noconvert())
      .def("set_gangs", &set_gangs, py::arg("demand").noconvert(), py::arg("queue").noconvert(),
           py::arg("priority").noconvert(), py::arg("preemptible").noconvert(), py::arg("types").noconvert())
      .def("set_queues", &set_queues, py::arg("parent").noconvert(), py::arg("limit").noconvert(),
           py::arg("guarantee").noconvert(), py::arg("ranked"), py::arg("limit_by_type").noconvert(),
           py::arg("guarantee_by_type").noconvert())
      .def(
          "set_shares", [](LiveMatcher& self, const Array<Cost>& shares) { self.core.set_shares(view(shares)); },
          py::arg("shares").noconvert())
      .def("requests",
           [](const LiveMatcher& self) {
             const std::vector<Cost> sums = self.core.gangs()->requests();
             return copy_out(std::span<const Cost>(sums));
           })
      .def("usage",
           [](const LiveMatcher& self) {
             return copy_out(std::span<const Cost>(self.core.gangs()->placement().usages()));
           })
      .def("live_jobs", live_jobs)
      .def("placements", &placements, py::arg("jobs").noconvert())
      .def("prices", &prices)
      .def("capacity", &capacity)
      .def(
          "pinned_at",
          [](const LiveMatcher& self, const Jobs& slots) {
            return copy_out(std::span<const std::int32_t>(self.core.pinned_at(view(slots))));
          },
          py::arg("slots").noconvert())
      .def("is_pinned", &is_pinned, py::arg("jobs").noconvert())
      .def("is_live", &is_live, py::arg("jobs").noconvert())
      .def("holds", [](const LiveMatcher& self) { return self.core.holds(); })
      .def_property_readonly("n_slots", [](const LiveMatcher& self) { return self.core.state().unplaced_class(); })
      .def_property_readonly("resolution", [](const LiveMatcher& self) { return self.core.state().resolution(); })
      .def("__len__", [](const LiveMatcher& self) { return self.core.state().n_live(); });
  m.def("posed_problem", &posed_problem, py::arg("cost"), py::arg("unplaced").noconvert(), py::arg("move").noconvert(),
        py::arg("closed").noconvert(), py::arg("placed").noconvert(), py::arg("pinned").noconvert());
}

}  // namespace gridcompute::bindings
