#include "common.hpp"

namespace gridcompute::bindings {

py::int_ to_int(Wide value) {
  if (const auto small = static_cast<std::int64_t>(value); small == value) return py::int_(small);
  const py::int_ high(static_cast<std::int64_t>(value >> 64)), low(static_cast<std::uint64_t>(value));
  return py::int_((high << py::int_(64)) | low);
}

Guard::Guard(std::optional<double> time_limit, py::object progress)
    : progress_(std::move(progress)),
      stop_(time_limit.value_or(std::numeric_limits<double>::infinity()),
            [this](const Progress& p) { return look(p); }) {}

Stop::Why Guard::look(const Progress& progress) {
  const py::gil_scoped_acquire gil;
  try {
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();  // a no-op outside the main thread
    if (progress_.is_none()) return Stop::Why::none;
    return progress_(progress.stage, progress.done).cast<bool>() ? Stop::Why::stopped : Stop::Why::none;
  } catch (...) {
    raised_ = std::current_exception();
    return Stop::Why::interrupted;
  }
}

void Guard::finish() {
  if (raised_) std::rethrow_exception(raised_);
}

const char* status_of(Stop::Why why) { return why == Stop::Why::time_limit ? "time_limit" : "stopped"; }

}  // namespace gridcompute::bindings
