// The cost arrays that the core reads in place, for the two files that bind linear assignment.
#pragma once

#include <algorithm>

#include "common.hpp"
#include "gridcompute/assignment/problem.hpp"

namespace gridcompute::bindings {

// The element types that the core reads.
enum class Kind { none, int16, int32, int64, float32, float64 };

inline Kind kind_of(const py::dtype& dtype) {
  const char kind = dtype.kind(), order = dtype.byteorder();
  const auto size = dtype.itemsize();
  if (order == '>') return Kind::none;
  if (kind == 'i' && size == 8) return Kind::int64;
  if (kind == 'i' && size == 4) return Kind::int32;
  if (kind == 'f' && size == 8) return Kind::float64;
  if (kind == 'f' && size == 4) return Kind::float32;
  if (kind == 'i' && size == 2) return Kind::int16;
  return Kind::none;
}

// Calls body(T{}) for elements of type T. It is compiled for each type: put code that is the same for all outside it.
template <class Body>
void with_type(Kind kind, const Body& body) {
  if (kind == Kind::int64) return body(std::int64_t{});
  if (kind == Kind::int32) return body(std::int32_t{});
  if (kind == Kind::float64) return body(double{});
  if (kind == Kind::float32) return body(float{});
  if (kind == Kind::int16) return body(std::int16_t{});
}

// Returns whether `object` is a numpy array and no subclass, whose values may mean something else (a masked array's).
inline bool plain(const py::handle& object) {
  return Py_TYPE(object.ptr()) == py::detail::npy_api::get().PyArray_Type_;
}

// Returns whether the core can read the array in place.
inline bool ready(const py::array& a, py::ssize_t ndim) {
  for (py::ssize_t k = std::max<py::ssize_t>(ndim - 2, 0); k < ndim && k < a.ndim(); ++k)
    if (a.shape(k) > assignment::kMaxLines) return false;
  return plain(a) && a.ndim() == ndim && (a.flags() & py::array::c_style) != 0 && aligned(a);
}

// Returns assignment_quick(cost, maximize), a function without pybind11.
[[nodiscard]] py::object quick_pairs_function();

}  // namespace gridcompute::bindings
