// Cost sources as opaque Python objects that keep the arrays they read alive.
#include "cost.hpp"

#include <atomic>

#include "gridcompute/cost/dense.hpp"
#include "gridcompute/cost/source.hpp"
#include "gridcompute/cost/sparse.hpp"
#include "gridcompute/cost/terms.hpp"
#include "tuning.hpp"

namespace gridcompute::bindings {

namespace {

// Returns the array read in place; none if it is not a contiguous matrix of this type.
template <class T>
std::optional<Source> dense(const py::object& cost) {
  if (!readable<T>(cost)) return std::nullopt;
  auto array = py::reinterpret_borrow<Array<T>>(cost);
  if (array.ndim() != 2) return std::nullopt;
  auto source = std::make_unique<DenseCost<T>>(array.data(), array.shape(0), array.shape(1));
  return Source{std::move(source), std::move(array)};
}

std::optional<Source> dense_of_any(const py::object& cost) {
  if (auto source = dense<std::int32_t>(cost)) return source;
  if (auto source = dense<double>(cost)) return source;
  if (auto source = dense<std::int64_t>(cost)) return source;
  return dense<float>(cost);
}

// Returns whether SparseCost can read the rows: within the arrays, with increasing columns in each.
template <class I>
bool rows_increase(const Array<I>& indices, const Array<I>& indptr, Index n_slots) {
  const I *column = indices.data(), *start = indptr.data();
  const int threads = threads_for(0);
  const Index n = indptr.size() - 1;
  if (start[0] != 0 || start[n] != indices.size()) return false;
  const Unlocked unlocked;
  for (Index i = 0; i < n; ++i)
    if (start[i] > start[i + 1]) return false;
  constexpr Index kChunk = 1 << 15;  // rows
  std::atomic<bool> increase = true;
  Pool(threads).for_chunks(n, kChunk, [&](Index, Index begin, Index end) {
    for (Index i = begin; i < end && increase; ++i) {
      I last = -1, wrong = 0;
      for (I e = start[i]; e < start[i + 1]; ++e) {
        wrong |= static_cast<I>(column[e] <= last);
        last = column[e];
      }
      if (wrong != 0 || static_cast<Index>(last) >= n_slots) increase = false;
    }
  });
  return increase;
}

// Returns the arrays read in place; none if they have other types, or rows that do not increase.
template <class T, class I>
std::optional<Source> sparse(const py::object& data, const Array<I>& indices, const Array<I>& indptr, Index n_slots) {
  if (!readable<T>(data)) return std::nullopt;
  auto values = py::reinterpret_borrow<Array<T>>(data);
  if (values.ndim() != 1 || values.size() != indices.size() || !rows_increase(indices, indptr, n_slots))
    return std::nullopt;
  auto source =
      std::make_unique<SparseCost<T, I>>(values.data(), indices.data(), indptr.data(), indptr.size() - 1, n_slots);
  return Source{std::move(source), py::make_tuple(values, indices, indptr)};
}

template <class I>
std::optional<Source> sparse_by(const py::object& data, const py::object& indices, const py::object& indptr,
                                Index n_jobs, Index n_slots) {
  if (!readable<I>(indices) || !readable<I>(indptr)) return std::nullopt;
  const auto columns = py::reinterpret_borrow<Array<I>>(indices), starts = py::reinterpret_borrow<Array<I>>(indptr);
  if (columns.ndim() != 1 || starts.ndim() != 1 || n_jobs < 0 || starts.size() != n_jobs + 1) return std::nullopt;
  if (auto source = sparse<std::int32_t>(data, columns, starts, n_slots)) return source;
  if (auto source = sparse<double>(data, columns, starts, n_slots)) return source;
  if (auto source = sparse<std::int64_t>(data, columns, starts, n_slots)) return source;
  return sparse<float>(data, columns, starts, n_slots);
}

std::optional<Source> sparse_of_any(const py::object& data, const py::object& indices, const py::object& indptr,
                                    Index n_jobs, Index n_slots) {
  if (auto source = sparse_by<std::int32_t>(data, indices, indptr, n_jobs, n_slots)) return source;
  return sparse_by<std::int64_t>(data, indices, indptr, n_jobs, n_slots);
}

using TermArrays = std::tuple<Array<double>, std::optional<Array<std::int32_t>>, std::optional<Array<double>>>;

Source terms(const std::vector<TermArrays>& arrays, Index n_jobs, Index n_slots) {
  std::vector<Term> list;
  for (const auto& [table, key, coef] : arrays) {
    list.push_back({table.data(), table.shape(0), key ? key->data() : nullptr, coef ? coef->data() : nullptr});
  }
  return {std::make_unique<TermsCost>(std::move(list), n_jobs, n_slots, std::vector<DefaultInitVector<double>>{},
                                      nullptr, tunings().cost),
          py::cast(arrays)};
}

Source callback(std::uintptr_t address, std::uintptr_t context, Index n_jobs, Index n_slots, py::object keep) {
  return {std::make_unique<CallbackCost>(reinterpret_cast<FillRows>(address), reinterpret_cast<void*>(context), n_jobs,
                                         n_slots),
          std::move(keep)};
}

// One job's costs as the solver reads them: int64 or float64 (n_slots); a forbidden slot's is kForbidden or +inf.
py::array row(const Source& source, Index job) {
  const Rows one{nullptr, job, 1};
  if (source.cost->real()) {
    Array<double> out(source.cost->n_slots());
    source.cost->reals(one, out.mutable_data());
    return out;
  }
  Array<Cost> out(source.cost->n_slots());
  source.cost->integers(one, out.mutable_data());
  return out;
}

// (largest finite |cost|, first row with NaN or -inf or -1)
py::tuple reach(const Source& source, int threads) {
  const int most = threads_for(threads);
  CostMagnitude found;
  {
    const Unlocked unlocked;
    Pool pool(most);
    found = measure_magnitude(*source.cost, pool);
  }
  return py::make_tuple(found.largest, found.invalid);
}

}  // namespace

void bind_cost(py::module_& m) {
  py::class_<Source>(m, "CostSource", "A cost source of the core, with the arrays it reads.")
      .def_property_readonly(
          "shape", [](const Source& source) { return py::make_tuple(source.cost->n_jobs(), source.cost->n_slots()); })
      .def("row", &row, py::arg("job"))
      .def("reach", &reach, py::arg("threads"));
  m.def("dense_cost", &dense_of_any, py::arg("cost"));
  m.def("sparse_cost", &sparse_of_any, py::arg("data"), py::arg("indices"), py::arg("indptr"), py::arg("n_jobs"),
        py::arg("n_slots"));
  m.def("terms_cost", &terms, py::arg("terms"), py::arg("n_jobs"), py::arg("n_slots"));
  m.def("callback_cost", &callback, py::arg("address"), py::arg("context"), py::arg("n_jobs"), py::arg("n_slots"),
        py::arg("keep"));
}

}  // namespace gridcompute::bindings
