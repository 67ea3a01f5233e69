// Shared by all binding files: array types that refuse a cast, the stop that serves Ctrl-C and progress, and
// the topics' registration functions. Bindings convert, release the GIL and map status; they do no arithmetic.
#pragma once

#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gridcompute/base/error.hpp"
#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::bindings {

namespace py = pybind11;

// Contiguous, aligned and of exactly this dtype; bind every such argument with .noconvert(), so that a hidden copy is a
// TypeError. Python makes the one explicit conversion. (pybind11 copies what is not aligned even so.)
constexpr int kAligned = py::detail::npy_api::NPY_ARRAY_ALIGNED_;
template <class T>
using Array = py::array_t<T, py::array::c_style | kAligned>;

[[nodiscard]] inline bool aligned(const py::handle& array) {
  return (py::detail::array_proxy(array.ptr())->flags & kAligned) != 0;
}

// Returns whether an object is an array that the core can read in place, by itself or as an Array.
template <class T>
[[nodiscard]] bool readable(const py::handle& object) {
  return Array<T>::check_(object) && aligned(object);
}

template <class T>
[[nodiscard]] std::span<const T> view(const Array<T>& array) {
  return {array.data(), static_cast<std::size_t>(array.size())};
}

template <class T>
[[nodiscard]] std::span<T> fill(Array<T>& array) {
  return {array.mutable_data(), static_cast<std::size_t>(array.size())};
}

template <class T>
[[nodiscard]] Array<T> copy_out(std::span<const T> values) {
  Array<T> out(static_cast<py::ssize_t>(values.size()));
  std::copy(values.begin(), values.end(), out.mutable_data());
  return out;
}

// Totals of the core are 128-bit; Python's int holds them exactly.
[[nodiscard]] py::int_ to_int(Wide value);

// Returns the threads a solve may use: the call's, else GRIDCOMPUTE_NUM_THREADS, else 0 (the machine's).
// Call it with the GIL, under which os.environ is written.
[[nodiscard]] inline int threads_for(int asked) { return asked > 0 ? asked : threads_of_environment(); }

// Releases the GIL for a scope, in place of pybind11's gil_scoped_release, which aborts the process where a daemon
// thread leaves the scope while the interpreter is finalised.
//
// Before 3.14 CPython ends a thread that asks for the GIL of a finalising interpreter by pthread_exit, which unwinds
// its stack: through destructors that touch Python objects without the GIL, and noexcept functions, where it
// terminates. Such a thread sleeps in acquire() until the process has ended instead, as in 3.14. For the same
// reason code that may run Python is called by stay_alive() (base/error.hpp), by way of the C API and plain
// pointers alone.
class Unlocked {
 public:
  Unlocked() noexcept { release(); }
  ~Unlocked() { acquire(); }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

  void acquire() noexcept;
  void release() noexcept { state_ = PyEval_SaveThread(); }

 private:
  PyThreadState* state_ = nullptr;
};

// Keeps std::terminate from ending a process that is already leaving Python, for other modules that release the GIL
// in pybind11's way, such as HiGHS, which the grid planner calls.
void keep_exit_status();

// Takes the exception that is set, as one object with its traceback, and sets it again.
[[nodiscard]] PyObject* take_raised();
void set_raised(PyObject* value);

// Runs a solve without the GIL. Between chunks the solving thread takes it for a moment to look for Ctrl-C and to
// call progress(stage, fraction), which stops the solve by returning True. Their exceptions are raised from finish(),
// after the solver has unwound by itself: no Python exception crosses the core.
class Guard {
 public:
  // work_limit: units, see Stop::kStepsPerUnit.
  Guard(std::optional<double> time_limit, py::object progress, std::optional<double> work_limit = {});
  [[nodiscard]] Stop& stop() noexcept { return stop_; }

  // Calls a Python function with a list of bytes, from within run() and by its thread. Returns its answer, a list of
  // bytes as long; nothing where it raised, which ends the solve, or where it returned None (out of time) or False
  // (stopped).
  [[nodiscard]] std::vector<std::string> ask(const py::object& function, const std::vector<std::string>& questions);

  template <class Solve>
  auto run(Solve&& solve) {
    auto result = [&] {
      Unlocked unlocked;
      unlocked_ = &unlocked;
      return solve(stop_);
    }();
    finish();
    return result;
  }

 private:
  // In the thread that called run().
  Stop::Why look(const Progress& progress);
  void finish();

  py::object progress_, raised_;
  Unlocked* unlocked_ = nullptr;
  Stop stop_;
};

[[nodiscard]] const char* status_of(Stop::Why why);

}  // namespace gridcompute::bindings
