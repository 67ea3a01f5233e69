#include "common.hpp"
#include "gridcompute/base/parallel.hpp"

namespace gridcompute::bindings {

// One file a topic; each registers what it binds.
void bind_assignment(py::module_& m);
void bind_certificate(py::module_& m);
void bind_cost(py::module_& m);
void bind_flow(py::module_& m);
void bind_matcher(py::module_& m);
void bind_transport(py::module_& m);
void bind_options(py::module_& m);

namespace {

const char* name_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid_problem:
      return "invalid_problem";
    case ErrorKind::cost_range:
      return "cost_range";
    case ErrorKind::internal:
      break;
  }
  return "internal";
}

// gridcompute.errors alone knows which class a kind is.
void translate(std::exception_ptr error) {
  try {
    std::rethrow_exception(std::move(error));
  } catch (const Error& e) {
    const py::object made = py::module_::import("gridcompute.errors")
                                .attr("from_native")(name_of(e.kind()), e.field(), e.index(), e.what());
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(made.ptr())), made.ptr());
  }
}

}  // namespace

PYBIND11_MODULE(_core, m) {
  m.doc() = "The native core of gridcompute. Private: use the functions of gridcompute.";
  py::register_local_exception_translator(&translate);
  m.def("thread_count", &thread_count, py::arg("asked") = 0,
        "Threads a solve would use: asked, else GRIDCOMPUTE_NUM_THREADS, else affinity and CPU quota.");
  bind_certificate(m);
  bind_assignment(m);
  bind_cost(m);
  bind_flow(m);
  bind_matcher(m);
  bind_transport(m);
  bind_options(m);
}

}  // namespace gridcompute::bindings
