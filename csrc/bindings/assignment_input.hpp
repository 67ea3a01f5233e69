// What arrays of costs the core reads in place, for the two files that bind linear assignment.
#pragma once

#include <algorithm>

#include "common.hpp"
#include "gridcompute/assignment/problem.hpp"

namespace gridcompute::bindings {

// Calls body(T{}) for the array's element type; false if the core has no such type.
template <class Body>
bool with_type(const py::dtype& dtype, const Body& body) {
  const char kind = dtype.kind(), order = dtype.byteorder();
  const auto size = dtype.itemsize();
  if (order == '>') return false;
  if (kind == 'i' && size == 8) return body(std::int64_t{}), true;
  if (kind == 'i' && size == 4) return body(std::int32_t{}), true;
  if (kind == 'f' && size == 8) return body(double{}), true;
  if (kind == 'f' && size == 4) return body(float{}), true;
  if (kind == 'i' && size == 2) return body(std::int16_t{}), true;
  if (kind == 'i' && size == 1) return body(std::int8_t{}), true;
  return false;
}

// Returns whether `object` is a numpy array and no subclass, whose values may mean something else (a masked array's).
inline bool plain(const py::handle& object) {
  return Py_TYPE(object.ptr()) == py::detail::npy_api::get().PyArray_Type_;
}

// Returns whether the core can read the array in place.
inline bool ready(const py::array& a, py::ssize_t ndim) {
  for (py::ssize_t k = std::max<py::ssize_t>(ndim - 2, 0); k < ndim && k < a.ndim(); ++k)
    if (a.shape(k) > assignment::kMaxLines) return false;
  return plain(a) && a.ndim() == ndim && (a.flags() & py::array::c_style) != 0 &&
         (a.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
}

// Returns assignment_quick(cost, maximize), a function without pybind11.
[[nodiscard]] py::object quick_pairs_function();

}  // namespace gridcompute::bindings
