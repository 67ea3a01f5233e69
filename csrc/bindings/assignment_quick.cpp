// Linear assignment of small matrices in half a microsecond a call: the function that scipy's users call first,
// without pybind11's dispatch.
#include <cstring>

#include "assignment_input.hpp"
#include "gridcompute/assignment/strategy.hpp"
#include "tuning.hpp"

namespace gridcompute::bindings {

namespace {

using namespace assignment;

// Returns a new vector of int64, without the heap allocation that a pybind11 shape takes.
py::object small_vector(py::ssize_t k) {
  const auto& numpy = py::detail::npy_api::get();
  Py_intptr_t shape = k;
  return py::reinterpret_steal<py::object>(numpy.PyArray_NewFromDescr_(
      numpy.PyArray_Type_, py::dtype::of<std::int64_t>().release().ptr(), 1, &shape, nullptr, nullptr, 0, nullptr));
}

// Returns the values row by row, from any strides.
template <class T>
std::vector<T> gathered(const py::array& a) {
  std::vector<T> out;
  out.reserve(static_cast<std::size_t>(a.size()));
  const auto* base = static_cast<const char*>(a.data());
  for (py::ssize_t i = 0; i < a.shape(0); ++i)
    for (py::ssize_t j = 0; j < a.shape(1); ++j) {
      T value;
      std::memcpy(&value, base + i * a.strides(0) + j * a.strides(1), sizeof value);
      out.push_back(value);
    }
  return out;
}

template <class T>
PyObject* quick_pairs_of(const py::array& a, bool maximize) {
  DenseMatrix<T> view{static_cast<const T*>(a.data()), a.shape(0), a.shape(1)};
  const py::ssize_t k = std::min(view.rows, view.cols);
  const AssignmentTuning& tuning = tunings().assignment;
  const Index most = tuning.inline_entries;
  if (k == 0 || std::max(view.rows, view.cols) > most || view.rows * view.cols > most) return nullptr;
  std::vector<T> copy;
  if (!ready(a, 2)) {
    copy = gathered<T>(a);
    view.data = copy.data();
  }
  const py::object rows = small_vector(k), cols = small_vector(k);
  if (!rows || !cols) return PyErr_Clear(), nullptr;
  const auto data_of = [](const py::object& vector) {
    return reinterpret_cast<std::int64_t*>(py::detail::array_proxy(vector.ptr())->data);
  };
  AssignmentStatus status = AssignmentStatus::optimal;
  if (!solve_inline(view, maximize, data_of(rows), data_of(cols), status, tuning) ||
      status != AssignmentStatus::optimal)
    return nullptr;
  return PyTuple_Pack(2, rows.ptr(), cols.ptr());
}

// Returns the pairs of a small matrix, or None: then `assignment_pairs` solves, or reports the error. Without
// pybind11, whose call takes as long as five rows.
PyObject* quick_pairs(PyObject*, PyObject* const* arguments, Py_ssize_t count) noexcept {
  if (count != 2) {
    PyErr_Format(PyExc_TypeError, "assignment_quick() takes 2 arguments, found %zd", count);
    return nullptr;
  }
  PyObject* out = nullptr;
  try {
    const py::handle object(arguments[0]);
    const int maximize = plain(object) ? PyObject_IsTrue(arguments[1]) : -1;
    if (maximize < 0) {
      PyErr_Clear();
    } else if (const auto a = py::reinterpret_borrow<py::array>(object); a.ndim() == 2) {
      with_type(kind_of(a.dtype()), [&]<class T>(T) { out = quick_pairs_of<T>(a, maximize == 1); });
    }
  } catch (...) {  // assignment_pairs reports it
    out = nullptr;
  }
  if (out != nullptr || PyErr_Occurred() != nullptr) return out;
  return Py_NewRef(Py_None);
}

PyMethodDef quick_method{"assignment_quick", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(&quick_pairs)),
                         METH_FASTCALL, nullptr};

}  // namespace

py::object quick_pairs_function() { return py::reinterpret_steal<py::object>(PyCFunction_New(&quick_method, nullptr)); }

}  // namespace gridcompute::bindings
