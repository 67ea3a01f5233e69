// Linear assignment: arrays to views, results to arrays. assignment/strategy.hpp selects the engine, with_type the
// element type.
#include "gridcompute/certificate/assignment.hpp"

#include "assignment_input.hpp"
#include "gridcompute/assignment/batch.hpp"
#include "gridcompute/assignment/solve_dense.hpp"
#include "gridcompute/assignment/solve_sparse.hpp"
#include "gridcompute/assignment/strategy.hpp"
#include "gridcompute/base/parallel.hpp"
#include "tuning.hpp"

namespace gridcompute::bindings {

namespace {

using namespace assignment;

py::object status_object(AssignmentStatus status, Stop::Why why) {
  return py::str(status == AssignmentStatus::infeasible ? "infeasible" : status_of(why));
}

template <class T>
DenseMatrix<T> dense_of(const py::array& a) {
  return {static_cast<const T*>(a.data()), a.shape(0), a.shape(1)};
}

// Returns the pairs, or the name of another status, or None where Python must convert first.
py::object pairs(const py::object& object, bool maximize) {
  if (!plain(object)) return py::none();
  const auto a = py::reinterpret_borrow<py::array>(object);
  const bool empty = a.ndim() == 2 && a.size() == 0;
  const Kind kind = kind_of(a.dtype());
  if (kind == Kind::none || (!empty && !ready(a, 2))) return py::none();
  const py::ssize_t k = std::min(a.shape(0), a.shape(1));
  Array<std::int64_t> row_ind(k), col_ind(k);
  std::int64_t *rows = row_ind.mutable_data(), *cols = col_ind.mutable_data();
  AssignmentStatus status = AssignmentStatus::optimal;
  bool solved = k == 0;
  with_type(kind, [&]<class T>(T) {
    solved = solved || solve_inline(dense_of<T>(a), maximize, rows, cols, status, tunings().assignment);
  });
  Stop::Why why{};
  if (!solved) {
    const int threads = thread_count(threads_for(0));
    const AssignmentTuning tuning = tunings().assignment;
    Guard guard(std::nullopt, py::none());
    status = guard.run([&](Stop& stop) {
      AssignmentStatus found{};
      with_type(kind,
                [&]<class T>(T) { found = solve_pairs(dense_of<T>(a), maximize, threads, stop, rows, cols, tuning); });
      return found;
    });
    why = guard.stop().why();
  }
  if (status == AssignmentStatus::optimal) return py::make_tuple(std::move(row_ind), std::move(col_ind));
  return status_object(status, why);
}

// Returns the pairs of a stack of matrices; if one has no solution, (status, its index).
py::object batch(const py::array& a, bool maximize, int threads) {
  if (!ready(a, 3)) throw py::type_error("costs: needed a contiguous array that the core reads");
  const Kind kind = kind_of(a.dtype());
  if (kind == Kind::none) return py::none();
  const py::ssize_t count = a.shape(0), k = std::min(a.shape(1), a.shape(2));
  Array<std::int64_t> row_ind({count, k}), col_ind({count, k});
  std::int64_t *rows = row_ind.mutable_data(), *cols = col_ind.mutable_data();
  const int most = thread_count(threads_for(threads));
  const AssignmentTuning tuning = tunings().assignment;
  Guard guard(std::nullopt, py::none());
  const BatchStatus found = guard.run([&](Stop& stop) {
    BatchStatus out;
    with_type(kind, [&]<class T>(T) {
      const DenseMatrix<T> first{static_cast<const T*>(a.data()), a.shape(1), a.shape(2)};
      out = solve_batch(first, count, maximize, most, stop, rows, cols, tuning);
    });
    return out;
  });
  if (found.status == AssignmentStatus::optimal) return py::make_tuple(std::move(row_ind), std::move(col_ind));
  return py::make_tuple(status_object(found.status, guard.stop().why()), found.failed);
}

// Returns duals as int64 (n), or (n, 2): the low and the high 64 bits of each.
py::object dual_array(const std::vector<std::int64_t>& narrow, const std::vector<Wide>& wide, bool is_wide) {
  if (!is_wide) return copy_out(std::span<const std::int64_t>(narrow));
  Array<std::int64_t> out({static_cast<py::ssize_t>(wide.size()), py::ssize_t{2}});
  std::int64_t* at = out.mutable_data();
  for (const Wide d : wide) {
    *at++ = static_cast<std::int64_t>(static_cast<std::uint64_t>(d));
    *at++ = static_cast<std::int64_t>(d >> 64);
  }
  return out;
}

std::vector<Wide> wide_duals(const Array<std::int64_t>& pairs) {
  std::vector<Wide> out;
  for (py::ssize_t i = 0; i < pairs.shape(0); ++i)
    out.push_back(Wide{pairs.at(i, 1)} * (Wide{1} << 64) + static_cast<std::uint64_t>(pairs.at(i, 0)));
  return out;
}

py::dict result_dict(const AssignmentResult& r, const Stop& stop) {
  py::dict out, stats;
  out["status"] =
      r.status == AssignmentStatus::optimal ? py::object(py::str("optimal")) : status_object(r.status, stop.why());
  out["col_of"] = copy_out(std::span<const std::int32_t>(r.col_of));
  out["row_dual"] = dual_array(r.row_dual, r.row_wide, r.wide());
  out["col_dual"] = dual_array(r.col_dual, r.col_wide, r.wide());
  out["exponent"] = r.exponent;
  out["witness"] = copy_out(std::span<const std::int32_t>(r.witness));
  stats["bids"] = r.stats.bids;
  stats["searches"] = r.stats.searches;
  stats["rescans"] = r.stats.rescans;
  stats["arcs"] = r.stats.arcs;
  stats["phases"] = r.stats.phases;
  stats["bits"] = r.stats.bits;
  stats["work_units"] = stop.work();
  stats["seconds"] = stop.seconds();
  out["stats"] = stats;
  return out;
}

py::object solve_dense(const py::array& a, bool maximize, int threads, std::optional<double> time_limit,
                       std::optional<double> work_limit, py::object progress) {
  const Kind kind = kind_of(a.dtype());
  if (kind == Kind::none || !ready(a, 2)) return py::none();
  const int most = thread_count(threads_for(threads));
  const AssignmentTuning tuning = tunings().assignment;
  Guard guard(time_limit, std::move(progress), work_limit);
  const AssignmentResult r = guard.run([&](Stop& stop) {
    AssignmentResult out;
    with_type(kind, [&]<class T>(T) { out = solve(dense_of<T>(a), maximize, most, stop, true, tuning); });
    return out;
  });
  return result_dict(r, guard.stop());
}

template <class T>
std::span<const T> costs_in(const py::array& cost) {
  return {static_cast<const T*>(cost.data()), static_cast<std::size_t>(cost.size())};
}

template <class I>
py::object solve_sparse(const Array<I>& start, const Array<I>& col, const py::array& cost, Index rows, Index cols,
                        bool maximize, std::optional<double> time_limit, std::optional<double> work_limit,
                        py::object progress) {
  const Kind kind = kind_of(cost.dtype());
  if (kind == Kind::none || !ready(cost, 1)) return py::none();
  const AssignmentTuning tuning = tunings().assignment;
  Guard guard(time_limit, std::move(progress), work_limit);
  const AssignmentResult r = guard.run([&](Stop& stop) {
    AssignmentResult out;
    with_type(kind, [&]<class T>(T) {
      const CsrMatrix<T, I> a{view(start), view(col), costs_in<T>(cost), rows, cols};
      out = solve(a, maximize, stop, {}, tuning);
    });
    return out;
  });
  return result_dict(r, guard.stop());
}

// Checks pairs and duals. Dense: start and col are empty, cost is 1-D too. Duals: int64 (n), or both of them
// (n, 2) as dual_array returns them.
template <class I>
py::object check(const Array<I>& start, const Array<I>& col, const py::array& cost, Index rows, Index cols,
                 bool maximize, const Array<std::int32_t>& col_of, const Array<std::int64_t>& row_dual,
                 const Array<std::int64_t>& col_dual, int exponent) {
  const Kind kind = kind_of(cost.dtype());
  if (kind == Kind::none) return py::none();
  const bool narrow = row_dual.ndim() == 1 && col_dual.ndim() == 1;
  std::vector<Wide> row_wide, col_wide;
  if (!narrow) row_wide = wide_duals(row_dual), col_wide = wide_duals(col_dual);
  Guard guard(std::nullopt, py::none());
  const auto done = guard.run([&](Stop& stop) {
    certificate::AssignmentCheck out;
    with_type(kind, [&]<class T>(T) {
      const certificate::AssignmentCosts<T, I> a{costs_in<T>(cost), rows, cols, view(start), view(col), maximize};
      const std::span<const Wide> own(row_wide), other(col_wide);
      out = narrow ? certificate::check_assignment(a, view(col_of), view(row_dual), view(col_dual), exponent, stop)
                   : certificate::check_assignment(a, view(col_of), own, other, exponent, stop);
    });
    return out;
  });
  return py::make_tuple(done.feasible, done.duals_feasible, to_int(done.objective), to_int(done.bound), done.total,
                        done.whole);
}

template <class I>
py::object witness(const Array<I>& start, const Array<I>& col, const py::array& cost, Index rows, Index cols,
                   bool maximize, const Array<std::int32_t>& lines) {
  const Kind kind = kind_of(cost.dtype());
  if (kind == Kind::none) return py::none();
  Guard guard(std::nullopt, py::none());
  const auto done = guard.run([&](Stop& stop) {
    certificate::HallCheck out;
    with_type(kind, [&]<class T>(T) {
      const certificate::AssignmentCosts<T, I> a{costs_in<T>(cost), rows, cols, view(start), view(col), maximize};
      out = certificate::check_witness(a, view(lines), stop);
    });
    return out;
  });
  return py::make_tuple(done.violated, done.lines, done.partners);
}

template <class I>
void bind_sparse(py::module_& m) {
  m.def("assignment_sparse", &solve_sparse<I>, py::arg("start").noconvert(), py::arg("col").noconvert(),
        py::arg("cost").noconvert(), py::arg("rows"), py::arg("cols"), py::arg("maximize"), py::arg("time_limit"),
        py::arg("work_limit"), py::arg("progress"));
  m.def("assignment_check", &check<I>, py::arg("start").noconvert(), py::arg("col").noconvert(),
        py::arg("cost").noconvert(), py::arg("rows"), py::arg("cols"), py::arg("maximize"),
        py::arg("col_of").noconvert(), py::arg("row_dual").noconvert(), py::arg("col_dual").noconvert(),
        py::arg("exponent"));
  m.def("assignment_witness", &witness<I>, py::arg("start").noconvert(), py::arg("col").noconvert(),
        py::arg("cost").noconvert(), py::arg("rows"), py::arg("cols"), py::arg("maximize"),
        py::arg("lines").noconvert());
}

}  // namespace

void bind_assignment(py::module_& m) {
  m.def("assignment_pairs", &pairs, py::arg("cost"), py::arg("maximize"));
  m.attr("assignment_quick") = quick_pairs_function();
  m.def("assignment_batch", &batch, py::arg("cost").noconvert(), py::arg("maximize"), py::arg("threads"));
  m.def("assignment_dense", &solve_dense, py::arg("cost").noconvert(), py::arg("maximize"), py::arg("threads"),
        py::arg("time_limit"), py::arg("work_limit"), py::arg("progress"));
  bind_sparse<std::int32_t>(m);
  bind_sparse<std::int64_t>(m);
}

}  // namespace gridcompute::bindings
