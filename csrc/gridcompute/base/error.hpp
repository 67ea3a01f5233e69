// The one exception type of the core. The bindings map its kind to a Python class (gridcompute.errors).
#pragma once

#include <array>
#include <charconv>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "gridcompute/base/types.hpp"

#ifdef __GLIBCXX__
#include <cxxabi.h>
#endif

namespace gridcompute {

enum class ErrorKind { invalid_problem, cost_range, internal };

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, std::string field, Index index, const std::string& what)
      : std::runtime_error(what), kind_(kind), field_(std::move(field)), index_(index) {}

  [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }
  [[nodiscard]] const std::string& field() const noexcept { return field_; }  // the argument at fault, or ""
  [[nodiscard]] Index index() const noexcept { return index_; }               // position within that argument, or -1

 private:
  ErrorKind kind_;
  std::string field_;
  Index index_;
};

// Formats a double for a message: to_string would write 1e300 with all its 301 digits.
inline std::string shown(double value) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

// Guards against threads that are ended by code they call: pthread_exit and pthread_cancel unwind the stack of
// their thread with a forced exception. No catch (...) may swallow it, no noexcept function let it pass, and arrays on
// this stack may still be in use by the threads of a Pool. Nothing in the core ends threads, but a runtime that is
// leaving does, which a cost function (cost/source.hpp) or a progress hook has called.

// Sleeps until the process ends.
[[noreturn]] inline void sleep_until_exit() noexcept {
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

// Returns call(); a thread that is ended within call() sleeps here until the process ends instead. The frames of call()
// are unwound first: it may have none whose destructors must not run.
template <class Call>
auto stay_alive(Call&& call) {
#ifdef __GLIBCXX__
  try {
    return call();
  } catch (const abi::__forced_unwind&) {
    sleep_until_exit();
  }
#else
  return call();
#endif
}

}  // namespace gridcompute
