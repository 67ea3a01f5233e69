#include "common.hpp"

#include <cstdlib>
#include <exception>

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace gridcompute::bindings {

py::int_ to_int(Wide value) {
  if (const auto small = static_cast<std::int64_t>(value); small == value) return py::int_(small);
  const py::int_ high(static_cast<std::int64_t>(value >> 64)), low(static_cast<std::uint64_t>(value));
  return py::int_((high << py::int_(64)) | low);
}

void Unlocked::acquire() noexcept {
  stay_alive([this] { PyEval_RestoreThread(state_); });
}

namespace {

bool is_finalizing() noexcept {
#if PY_VERSION_HEX >= 0x030D0000
  return Py_IsFinalizing() != 0;
#else
  return _Py_IsFinalizing() != 0;
#endif
}

// The thread that leaves Python is almost always this one.
bool is_first_thread() noexcept {
#ifdef __linux__
  return ::syscall(SYS_gettid) == ::getpid();
#else
  return true;
#endif
}

std::terminate_handler handle_terminate = nullptr;

[[noreturn]] void terminate() {
  if (is_finalizing() && !is_first_thread()) sleep_until_exit();
  if (handle_terminate != nullptr) handle_terminate();
  std::abort();
}

}  // namespace

void keep_exit_status() {
  if (const std::terminate_handler before = std::set_terminate(&terminate); before != &terminate)
    handle_terminate = before;
}

PyObject* take_raised() {
#if PY_VERSION_HEX >= 0x030C0000
  return PyErr_GetRaisedException();
#else
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  if (trace != nullptr) PyException_SetTraceback(value, trace);
  Py_XDECREF(type);
  Py_XDECREF(trace);
  return value;
#endif
}

void set_raised(PyObject* value) {
#if PY_VERSION_HEX >= 0x030C0000
  PyErr_SetRaisedException(value);
#else
  PyErr_Restore(Py_NewRef(reinterpret_cast<PyObject*>(Py_TYPE(value))), value, PyException_GetTraceback(value));
#endif
}

namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
// Units of half a step: a limit taken from the step count in stats must not be truncated to one step less.
constexpr double kHalfStep = 0.5 / static_cast<double>(Stop::kStepsPerUnit);

}  // namespace

Guard::Guard(std::optional<double> time_limit, py::object progress, std::optional<double> work_limit)
    : progress_(std::move(progress)),
      stop_(
          time_limit.value_or(kNever), [this](const Progress& p) { return look(p); },
          work_limit.value_or(kNever) + kHalfStep) {}

Stop::Why Guard::look(const Progress& progress) {
  unlocked_->acquire();
  PyObject* const hook = progress_.ptr();
  PyObject* raised = nullptr;
  const int stop = stay_alive([&]() -> int {
    int truth = 0;
    if (PyErr_CheckSignals() != 0) {  // a no-op outside the main thread
      truth = -1;
    } else if (hook != Py_None &&
               stop_.why() != Stop::Why::stopped) {  // a hook that asked for a stop is not asked again
      PyObject* const answer = PyObject_CallFunction(hook, "sd", progress.stage, progress.done);
      truth = answer == nullptr ? -1 : PyObject_IsTrue(answer);
      Py_XDECREF(answer);
    }
    if (truth < 0) raised = take_raised();
    return truth;
  });
  if (raised != nullptr) raised_ = py::reinterpret_steal<py::object>(raised);
  unlocked_->release();
  if (stop < 0) return Stop::Why::interrupted;
  return stop > 0 ? Stop::Why::stopped : Stop::Why::none;
}

namespace {

// Returns a list of bytes, an empty string as None; null where memory is short.
PyObject* list_of(const std::vector<std::string>& questions) {
  PyObject* const list = PyList_New(static_cast<Py_ssize_t>(questions.size()));
  for (std::size_t k = 0; list != nullptr && k < questions.size(); ++k) {
    const std::string& q = questions[k];
    PyObject* const item =
        q.empty() ? Py_NewRef(Py_None) : PyBytes_FromStringAndSize(q.data(), static_cast<Py_ssize_t>(q.size()));
    if (item == nullptr) {
      Py_DECREF(list);
      return nullptr;
    }
    PyList_SET_ITEM(list, static_cast<Py_ssize_t>(k), item);
  }
  return list;
}

// Copies a list of bytes; None is empty. False, with an exception set, where it is none.
bool strings_of(PyObject* list, std::size_t n, std::vector<std::string>& out) {
  if (!PyList_Check(list) || PyList_GET_SIZE(list) != static_cast<Py_ssize_t>(n)) {
    PyErr_SetString(PyExc_TypeError, "shards: the answers are no list of the right length");
    return false;
  }
  for (std::size_t k = 0; k < n; ++k) {
    PyObject* const item = PyList_GET_ITEM(list, static_cast<Py_ssize_t>(k));
    if (item != Py_None && !PyBytes_Check(item)) {
      PyErr_SetString(PyExc_TypeError, "shards: an answer is not bytes");
      return false;
    }
    if (item == Py_None)
      out.emplace_back();
    else
      out.emplace_back(PyBytes_AS_STRING(item), static_cast<std::size_t>(PyBytes_GET_SIZE(item)));
    // Each answer is freed once it is copied: all of them twice would not fit.
    PyList_SET_ITEM(list, static_cast<Py_ssize_t>(k), Py_NewRef(Py_None));
    Py_DECREF(item);
  }
  return true;
}

}  // namespace

std::vector<std::string> Guard::ask(const py::object& function, const std::vector<std::string>& questions) {
  unlocked_->acquire();
  PyObject *const call = function.ptr(), *raised = nullptr;
  std::vector<std::string> answers;
  answers.reserve(questions.size());
  Stop::Why why = Stop::Why::none;
  stay_alive([&] {
    PyObject* const list = list_of(questions);
    PyObject* const found = list == nullptr ? nullptr : PyObject_CallOneArg(call, list);
    Py_XDECREF(list);
    if (found == Py_None) {
      why = Stop::Why::time_limit;
    } else if (found == Py_False) {
      why = Stop::Why::stopped;
    } else if (found == nullptr || !strings_of(found, questions.size(), answers)) {
      raised = take_raised();
      why = Stop::Why::interrupted;
    }
    Py_XDECREF(found);
  });
  if (raised != nullptr) raised_ = py::reinterpret_steal<py::object>(raised);
  unlocked_->release();
  if (why != Stop::Why::none) {
    stop_.end(why);
    answers.clear();
  }
  return answers;
}

void Guard::finish() {
  if (!raised_) return;
  set_raised(raised_.release().ptr());
  throw py::error_already_set();
}

const char* status_of(Stop::Why why) { return why == Stop::Why::time_limit ? "time_limit" : "stopped"; }

}  // namespace gridcompute::bindings
