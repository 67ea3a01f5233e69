#include "common.hpp"

namespace gridcompute::bindings {

// One file a topic; each registers what it binds.
void bind_assignment(py::module_& m);
void bind_calls(py::module_& m);
void bind_certificate(py::module_& m);
void bind_cost(py::module_& m);
void bind_flow(py::module_& m);
void bind_live(py::module_& m);
void bind_shards(py::module_& m);
void bind_transport(py::module_& m);
void bind_plan(py::module_& m);
void bind_packing(py::module_& m);
void bind_tuning(py::module_& m);

namespace {

const char* kind_name(ErrorKind kind) {
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

// Sets the Python exception that gridcompute.errors, which alone knows the classes, makes from an error of the core.
void translate(std::exception_ptr error) {
  try {
    std::rethrow_exception(std::move(error));
  } catch (const Error& e) {
    const char *kind = kind_name(e.kind()), *field = e.field().c_str(), *what = e.what();
    const auto index = static_cast<long long>(e.index());
    stay_alive([&] {
      PyObject* const errors = PyImport_ImportModule("gridcompute.errors");
      PyObject* const made =
          errors == nullptr ? nullptr : PyObject_CallMethod(errors, "from_native", "ssLs", kind, field, index, what);
      if (made != nullptr) PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(made)), made);
      Py_XDECREF(made);
      Py_XDECREF(errors);
    });
  }
}

}  // namespace

PYBIND11_MODULE(_core, m) {
  m.doc() = "The native core of gridcompute. Private: use the functions of gridcompute.";
  py::register_local_exception_translator(&translate);
  keep_exit_status();
  m.def(
      "thread_count", [](int asked) { return thread_count(threads_for(asked)); }, py::arg("asked") = 0,
      "Threads a solve would use: asked, else GRIDCOMPUTE_NUM_THREADS, else affinity and CPU quota.");
  bind_certificate(m);
  bind_assignment(m);
  bind_calls(m);
  bind_cost(m);
  bind_flow(m);
  bind_live(m);
  bind_transport(m);
  bind_shards(m);
  bind_plan(m);
  bind_packing(m);
  bind_tuning(m);
}

}  // namespace gridcompute::bindings
