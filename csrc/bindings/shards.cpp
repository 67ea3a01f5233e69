// Shards: the requests they answer, the solve that sends them, and their part of a check.
#include <algorithm>
#include <utility>

#include "certificate.hpp"
#include "gridcompute/certificate/infeasibility.hpp"
#include "gridcompute/transport/shards/coordinator.hpp"
#include "stats.hpp"
#include "tuning.hpp"

namespace gridcompute::bindings {

namespace {

using transport::ColumnsView;
using transport::CostModel;
using transport::Shard;

using Tables = std::vector<std::tuple<Array<double>, bool, bool>>;  // entries, with keys, with coefficients
// None, the cost of leaving any job unplaced, or "column".
using Unplaced = std::variant<std::monostate, double, std::string>;
using TermColumns = std::vector<std::pair<std::optional<Array<std::int32_t>>, std::optional<Array<double>>>>;
using PlainColumns = std::vector<py::array>;  // of a formula or a matrix, a row of bytes a job
using Columns = std::variant<TermColumns, PlainColumns>;

// A model, with the arrays it reads.
struct Model {
  py::object kept;
  CostModel costs;

  Model(Tables tables, const Unplaced& unplaced) : kept(py::cast(tables)) {
    for (const auto& [entries, keyed, scaled] : tables) {
      costs.n_slots = entries.shape(1);
      costs.tables.push_back({entries.data(), entries.shape(0), keyed, scaled});
    }
    set_unplaced(unplaced);
  }
  Model(py::object keep, CostModel model, const Unplaced& unplaced) : kept(std::move(keep)), costs(std::move(model)) {
    set_unplaced(unplaced);
  }

 private:
  void set_unplaced(const Unplaced& unplaced) {
    if (const double* cost = std::get_if<double>(&unplaced)) {
      costs.unplaced = CostModel::Unplaced::scalar;
      costs.unplaced_cost = *cost;
    } else if (std::holds_alternative<std::string>(unplaced)) {
      costs.unplaced = CostModel::Unplaced::column;
    }
  }
};

// The model of a formula: its address and context, where among the words of this the address of each column stands, and
// its bytes a job. keep: the owners of these addresses.
std::shared_ptr<Model> formula_model(std::uintptr_t address, const Array<std::uint64_t>& words,
                                     std::vector<std::size_t> places, std::vector<std::size_t> widths, Index n_slots,
                                     const Unplaced& unplaced, py::object keep) {
  CostModel model;
  model.n_slots = n_slots;
  model.form = CostModel::Form::formula;
  model.formula = reinterpret_cast<FillRows>(address);
  model.words.assign(words.data(), words.data() + words.size());
  model.places = std::move(places), model.plain = std::move(widths);
  bool fits = model.words.size() >= 2 && model.places.size() == model.plain.size();
  for (const std::size_t at : model.places) fits &= at + 1 < model.words.size();
  if (!fits) throw Error(ErrorKind::internal, "", -1, "shards: the context of a formula lacks a column");
  return std::make_shared<Model>(std::move(keep), std::move(model), unplaced);
}

// The model of a matrix, float64 or else float32.
std::shared_ptr<Model> matrix_model(Index n_slots, bool wide, const Unplaced& unplaced) {
  CostModel model;
  model.n_slots = n_slots;
  model.form = wide ? CostModel::Form::matrix_double : CostModel::Form::matrix_float;
  model.plain.push_back(static_cast<std::size_t>(n_slots) * (wide ? sizeof(double) : sizeof(float)));
  return std::make_shared<Model>(py::none(), std::move(model), unplaced);
}

[[noreturn]] void refuse(const std::string& field, const std::string& what) {
  throw Error(ErrorKind::invalid_problem, field, -1, field + ": " + what);
}

void view_terms(const CostModel& model, const TermColumns& columns, Index n, ColumnsView& out) {
  if (columns.size() != model.tables.size()) refuse("terms", "found other columns than those of the tables");
  const auto take = [&](const auto& array, bool wanted, const char* part, std::size_t term) {
    const std::string field = "terms[" + std::to_string(term) + "]." + part;
    if (array.has_value() != wanted) refuse(field, wanted ? "found none" : "found one, needed none");
    if (wanted && array->size() != n)
      refuse(field, "found " + std::to_string(array->size()) + " rows, needed " + std::to_string(n));
    return wanted ? array->data() : nullptr;
  };
  for (std::size_t t = 0; t < columns.size(); ++t) {
    out.key.push_back(take(columns[t].first, model.tables[t].keyed, "key", t));
    out.coef.push_back(take(columns[t].second, model.tables[t].scaled, "coef", t));
  }
}

void view_plain(const CostModel& model, const PlainColumns& columns, Index n, ColumnsView& out) {
  if (columns.size() != model.plain.size()) refuse("cost", "found other columns than those of the formula");
  for (std::size_t c = 0; c < columns.size(); ++c) {
    const py::array& column = columns[c];
    const bool in_rows = (column.flags() & py::array::c_style) != 0;
    if (!in_rows || column.nbytes() != n * static_cast<py::ssize_t>(model.plain[c]))
      refuse("cost", "found " + std::to_string(column.nbytes()) + " bytes in column " + std::to_string(c) +
                         ", needed rows of " + std::to_string(model.plain[c]));
    out.plain.push_back({static_cast<const char*>(column.data()), model.plain[c]});
  }
}

// Throws unless the columns are those of the model, n entries each.
ColumnsView view_of(const CostModel& model, const Columns& columns, const std::optional<Array<double>>& unplaced,
                    Index n) {
  ColumnsView out;
  out.n = n;
  const auto* terms = std::get_if<TermColumns>(&columns);
  if (model.form == CostModel::Form::terms) {
    view_terms(model, terms != nullptr ? *terms : TermColumns{}, n, out);
  } else {
    const auto* plain = std::get_if<PlainColumns>(&columns);
    view_plain(model, plain != nullptr ? *plain : PlainColumns{}, n, out);
  }
  const bool by_column = model.unplaced == CostModel::Unplaced::column;
  if (by_column != unplaced.has_value() || (by_column && unplaced->size() != n))
    refuse("unplaced", "found another number of rows than " + std::to_string(n));
  if (by_column) out.unplaced = unplaced->data();
  return out;
}

struct PyShard {
  std::shared_ptr<Model> model;
  Shard shard;
  std::string kept;  // the last answer, for a coordinator in this process
};

// Answers a request; None if the columns are needed and none were given. keep: the answer stays here, and a sign is
// returned.
std::optional<py::bytes> answer(PyShard& self, const py::bytes& question, const std::optional<Columns>& columns,
                                const std::optional<Array<double>>& unplaced, int threads, bool keep) {
  const CostModel& model = self.model->costs;
  const int most = threads_for(threads);
  const std::string_view asked(PyBytes_AS_STRING(question.ptr()),
                               static_cast<std::size_t>(PyBytes_GET_SIZE(question.ptr())));
  const transport::Tuning tuning = tunings().transport;
  ColumnsView view;
  if (columns) view = view_of(model, *columns, unplaced, self.shard.size());
  Guard guard(std::nullopt, py::none());
  std::optional<std::string> found = guard.run([&](Stop& stop) -> std::optional<std::string> {
    Pool pool(most);
    if (columns) transport::check_columns(model, view, self.shard.first(), pool);
    return self.shard.answer(asked, columns ? &view : nullptr, pool, stop, tuning);
  });
  if (!found) return std::nullopt;
  if (!keep) return py::bytes(*found);
  self.kept = std::move(*found);
  return py::bytes("kept");
}

// (prices, load, objective, bound, exact, status, stats, jobs and slots of a witness or None, remainders or None)
py::tuple solve_sharded(const std::shared_ptr<Model>& model, const Array<std::int64_t>& rows,
                        const Array<std::int64_t>& capacity, const py::object& ask,
                        const std::optional<Array<double>>& prices, std::uint64_t seed, int threads,
                        std::optional<double> time_limit, py::object progress, const std::vector<PyShard*>& held) {
  const transport::Tuning tuning = tunings().transport;
  transport::Options options;
  options.tuning = &tuning;
  options.direct = true;
  if (prices) options.prices = prices->data();
  options.seed = seed;
  options.threads = threads_for(threads);
  transport::ShardStats traffic;
  Guard guard(time_limit, std::move(progress));
  const transport::Result r = guard.run([&](Stop& stop) {
    const auto ask_all = [&](std::vector<std::string> questions) {
      std::vector<std::string> answers = guard.ask(ask, questions);
      for (std::size_t k = 0; k < std::min(held.size(), answers.size()); ++k)
        if (!held[k]->kept.empty()) answers[k] = std::exchange(held[k]->kept, {});
      return answers;
    };
    return transport::solve_shards(model->costs, view(rows), view(capacity), ask_all, options, stop, traffic);
  });
  Index n_jobs = 0;
  for (const std::int64_t n : view(rows)) n_jobs += n;
  py::dict stats = stats_of(r.stats);
  const Index pairs = std::max<Index>(1, n_jobs * model->costs.n_slots);
  stats["passes"] = static_cast<double>(r.stats.evaluations) / static_cast<double>(pairs);
  stats["resolution"] = r.resolution;
  stats["work_units"] = guard.stop().work();
  stats["questions"] = traffic.questions;
  stats["bytes_to_shards"] = traffic.bytes_sent;
  stats["bytes_from_shards"] = traffic.bytes_received;
  stats["rows_sampled"] = traffic.rows_sampled;
  stats["rows_listed"] = traffic.rows_listed;
  py::object witness = py::none(), remainders = py::none();
  if (r.status == transport::Status::infeasible)
    witness = py::make_tuple(copy_out(std::span<const Index>(r.witness_jobs)),
                             copy_out(std::span<const Slot>(r.witness_slots)));
  if (!r.remainders.empty()) {
    py::array_t<double> all({r.remainders.size(), r.remainders.front().size()});
    for (std::size_t k = 0; k < r.remainders.size(); ++k)
      std::ranges::copy(r.remainders[k], all.mutable_data() + k * r.remainders[k].size());
    remainders = all;
  }
  return py::make_tuple(copy_out(std::span<const double>(r.prices)), copy_out(std::span<const Cost>(r.load)),
                        r.objective, r.bound, r.exact, name_of(r.status), stats, witness, remainders);
}

using certificate::ConfinedJobs;
using certificate::JobFault;
using certificate::TransportSums;

// Passes the problem of a shard's jobs to a check and returns its report, after all checks of columns.
template <class Found, class Check>
std::optional<Found> checked_shard(const Model& model, const ColumnsView& shown, Index first, int threads,
                                   const Check& check) {
  Guard guard(std::nullopt, py::none());
  return guard.run([&](Stop& stop) {
    Pool pool(threads);
    const transport::ColumnExtents extents = transport::check_columns(model.costs, shown, first, pool);
    const auto cost = transport::make_cost(model.costs, shown, {shown.n, extents.coef});
    const std::vector<Cost> capacity(static_cast<std::size_t>(model.costs.n_slots), 0);
    certificate::TransportProblem problem{cost.get(), capacity, {}, {}};
    if (model.costs.unplaced == CostModel::Unplaced::scalar) problem.unplaced = {&model.costs.unplaced_cost, 1};
    // A column of one entry reads as one cost for all, which is the same.
    if (shown.unplaced != nullptr) problem.unplaced = {shown.unplaced, static_cast<std::size_t>(shown.n)};
    return check(problem, pool, stop);
  });
}

// Returns the sums of a shard's jobs, for check_sums.
py::bytes sum_jobs(const std::shared_ptr<Model>& model, const Columns& columns,
                   const std::optional<Array<double>>& unplaced, Index first, const Array<std::int32_t>& assignment,
                   const Array<double>& prices, const std::optional<Array<double>>& remainders, int threads) {
  const int most = threads_for(threads);
  const ColumnsView shown = view_of(model->costs, columns, unplaced, assignment.size());
  const std::span<const double> added = remainders ? view(*remainders) : std::span<const double>();
  const bool priced = certificate::check_prices(view(prices), added, model->costs.n_slots).usable;
  std::optional<TransportSums> sums =
      checked_shard<TransportSums>(*model, shown, first, most, [&](const auto& problem, Pool& pool, Stop& stop) {
        return certificate::sum_jobs(problem, view(assignment), view(prices), added, priced, first, pool, stop);
      });
  MessageWriter out;
  if (sums) out.put(*sums);
  return py::bytes(out.bytes());
}

// Returns the jobs of a shard, of n, that must be placed and fit only in the given classes, for check_confined; job:
// one that is asked about, or -1.
py::bytes count_confined(const std::shared_ptr<Model>& model, const Columns& columns,
                         const std::optional<Array<double>>& unplaced, Index first, Index n,
                         const Array<std::int32_t>& slots, Index job, int threads) {
  const int most = threads_for(threads);
  const ColumnsView shown = view_of(model->costs, columns, unplaced, n);
  std::vector<std::uint8_t> within(static_cast<std::size_t>(model->costs.n_slots), 0);
  for (const Slot s : view(slots)) {
    if (s < 0 || s >= model->costs.n_slots) refuse("slots", "found " + std::to_string(s) + ", which is no class");
    within[static_cast<std::size_t>(s)] = 1;
  }
  const std::optional<ConfinedJobs> found =
      checked_shard<ConfinedJobs>(*model, shown, first, most, [&](const auto& problem, Pool& pool, Stop& stop) {
        return certificate::count_confined(problem, within, first, job, pool, stop);
      });
  MessageWriter out;
  if (found) out.put(*found);
  return py::bytes(out.bytes());
}

// (jobs, was the one asked about among them, the first job with invalid costs or -1), from all shards.
py::tuple check_confined(const std::vector<py::bytes>& parts) {
  ConfinedJobs total;
  for (const py::bytes& bytes : parts) {
    total.join(read_message<ConfinedJobs>(static_cast<std::string_view>(bytes)));
  }
  return py::make_tuple(total.count, total.named, total.invalid.job);
}

// Returns what the sums of all shards, in order, prove; as check_transport of certificate.cpp.
py::dict check_sums(const std::shared_ptr<Model>& model, const std::vector<py::bytes>& parts,
                    const Array<std::int64_t>& capacity, const Array<double>& prices,
                    const std::optional<Array<double>>& remainders) {
  TransportSums total;
  total.load.assign(static_cast<std::size_t>(model->costs.n_slots), 0);
  for (const py::bytes& bytes : parts) {
    auto part = read_message<TransportSums>(static_cast<std::string_view>(bytes));
    require_message(part.load.size() == total.load.size(), "it is about other classes");
    total.join(part);
  }
  const transport::JobColumns no_jobs(model->costs);
  const ColumnsView none = no_jobs.view();
  const auto cost = transport::make_cost(model->costs, none, {0, std::vector<double>(model->costs.tables.size(), 0)});
  const certificate::TransportProblem problem{cost.get(), view(capacity), {}, {}};
  return dict_of(certificate::check_sums(problem, total, view(prices),
                                         remainders ? view(*remainders) : std::span<const double>()));
}

}  // namespace

void bind_shards(py::module_& m) {
  m.attr("SHARD_PROTOCOL") = transport::kShardProtocol;
  py::class_<Model, std::shared_ptr<Model>>(m, "CostModel", "What the costs of all shards of a problem have in common.")
      .def(py::init<Tables, Unplaced>(), py::arg("tables"), py::arg("unplaced"));
  py::class_<PyShard>(
      m, "JobShard", py::buffer_protocol(),
      "A range of the jobs, and what it remembers of the last pricing pass. As a buffer: an answer that "
      "it keeps for a coordinator in this process.")
      .def(py::init([](std::shared_ptr<Model> model, Index first, Index n, Index n_jobs) {
             Shard shard(model->costs, first, n, n_jobs);
             return PyShard{std::move(model), std::move(shard), {}};
           }),
           py::arg("model"), py::arg("first"), py::arg("n"), py::arg("n_jobs"))
      .def("answer", &answer, py::arg("question"), py::arg("columns").noconvert(), py::arg("unplaced").noconvert(),
           py::arg("threads"), py::arg("keep") = false)
      .def_buffer([](PyShard& self) {
        return py::buffer_info(self.kept.data(), 1, py::format_descriptor<std::uint8_t>::format(),
                               static_cast<py::ssize_t>(self.kept.size()), true);
      })
      .def("take_assignment", [](PyShard& self) {
        const std::vector<std::int32_t> found = self.shard.take_assignment();
        return copy_out(std::span<const std::int32_t>(found));
      });
  m.def("formula_model", &formula_model, py::arg("address"), py::arg("words").noconvert(), py::arg("places"),
        py::arg("widths"), py::arg("n_slots"), py::arg("unplaced"), py::arg("keep"));
  m.def("matrix_model", &matrix_model, py::arg("n_slots"), py::arg("wide"), py::arg("unplaced"));
  m.def("transport_shards", &solve_sharded, py::arg("model"), py::arg("rows").noconvert(),
        py::arg("capacity").noconvert(), py::arg("ask"), py::arg("prices").noconvert(), py::arg("seed"),
        py::arg("threads"), py::arg("time_limit"), py::arg("progress"), py::arg("held"));
  m.def("sum_shard", &sum_jobs, py::arg("model"), py::arg("columns").noconvert(), py::arg("unplaced").noconvert(),
        py::arg("first"), py::arg("assignment").noconvert(), py::arg("prices").noconvert(),
        py::arg("remainders").noconvert(), py::arg("threads"));
  m.def("confined_shard", &count_confined, py::arg("model"), py::arg("columns").noconvert(),
        py::arg("unplaced").noconvert(), py::arg("first"), py::arg("n"), py::arg("slots").noconvert(), py::arg("job"),
        py::arg("threads"));
  m.def("check_confined", &check_confined, py::arg("parts"));
  m.def("check_shards", &check_sums, py::arg("model"), py::arg("parts"), py::arg("capacity").noconvert(),
        py::arg("prices").noconvert(), py::arg("remainders").noconvert());
}

}  // namespace gridcompute::bindings
