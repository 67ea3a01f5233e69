// Calls of an object that exclude each other, and that succeed or change nothing.
#include "common.hpp"

namespace gridcompute::bindings {

namespace {

// How often steps that raise are made again before the next call has to: more often than anyone presses Ctrl-C.
constexpr int kAttempts = 100;

// The lock of an object, and the thread that holds it.
//
// CPython runs signal handlers between bytecodes, and one may raise KeyboardInterrupt there: between the taking of a
// lock in Python and the `try` that frees it, or within the `finally`. Here a call takes the lock, runs, is reverted
// if it has not ended well, and frees the lock within one call of C. An interrupt can only come out of the function
// called, of a step that reverts, or of waiting for the lock. All goes by the C API and plain pointers, as
// stay_alive() needs.
class Calls {
 public:
  // A lock of Python's, because Ctrl-C ends waiting for it; reentrant, so that a hook or a signal handler inside a
  // call gets an error and no deadlock.
  explicit Calls(std::string in_use)
      : in_use_(std::move(in_use)),
        lock_(py::module_::import("threading").attr("RLock")()),
        acquire_(lock_.attr("acquire")),
        release_(lock_.attr("release")) {}

  // Returns function(*args, **kwargs), called under the lock and not within another such call. Whatever is in `undo`
  // at its end is reverted.
  py::object transaction(const py::object& function, const py::list& undo, const py::tuple& args,
                         const py::dict& kwargs) {
    return locked([&, f = function.ptr(), u = undo.ptr(), a = args.ptr(), k = kwargs.ptr()]() -> PyObject* {
      if (busy_) {
        PyErr_SetString(PyExc_RuntimeError, in_use_.c_str());
        return nullptr;
      }
      busy_ = true;
      PyObject* found = reverted(u) ? PyObject_Call(f, a, k) : nullptr;  // what an earlier call could not revert
      PyObject* const raised = found == nullptr ? take_raised() : nullptr;
      if (!reverted(u)) {
        Py_CLEAR(found);
        Py_XDECREF(raised);
      } else if (raised != nullptr) {
        set_raised(raised);
      }
      busy_ = false;
      return found;
    });
  }

  // Returns function(), called under the lock: of this thread also within another call.
  py::object alone(const py::object& function) {
    return locked([f = function.ptr()] { return PyObject_CallNoArgs(f); });
  }

 private:
  template <class Call>
  py::object locked(Call&& call) {
    PyObject *const acquire = acquire_.ptr(), *const release = release_.ptr();
    PyObject* const found = stay_alive([&]() -> PyObject* {
      PyObject* const taken = PyObject_CallNoArgs(acquire);
      if (taken == nullptr) return nullptr;
      Py_DECREF(taken);
      PyObject* const result = call();
      PyObject* const raised = result == nullptr ? take_raised() : nullptr;
      Py_XDECREF(PyObject_CallNoArgs(release));
      if (raised != nullptr) set_raised(raised);
      return result;
    });
    if (found == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::object>(found);
  }

  // Reverts steps, the last first. One that raises is made again, so each may run twice. False, with the exception
  // set, if any raised.
  static bool reverted(PyObject* undo) {
    PyObject* raised = nullptr;
    for (int left = kAttempts; PyList_GET_SIZE(undo) > 0 && left > 0;) {
      const Py_ssize_t last = PyList_GET_SIZE(undo) - 1;
      PyObject* const step = Py_NewRef(PyList_GET_ITEM(undo, last));
      PyObject* const done = PyObject_CallNoArgs(step);
      Py_DECREF(step);
      if (done == nullptr || PyList_SetSlice(undo, last, last + 1, nullptr) != 0) {
        Py_XSETREF(raised, take_raised());
        --left;
      }
      Py_XDECREF(done);
    }
    if (raised != nullptr) set_raised(raised);
    return raised == nullptr;
  }

  const std::string in_use_;  // the message where a call is made within another
  const py::object lock_, acquire_, release_;
  bool busy_ = false;  // is a transaction running? Guarded by the lock
};

}  // namespace

void bind_calls(py::module_& m) {
  py::class_<Calls>(m, "Calls", "The lock of an object whose calls succeed or change nothing.")
      .def(py::init<std::string>(), py::arg("in_use"))
      .def("transaction", &Calls::transaction, py::arg("function"), py::arg("undo"), py::arg("args"), py::arg("kwargs"))
      .def("alone", &Calls::alone, py::arg("function"));
}

}  // namespace gridcompute::bindings
