// Guards against threads that are ended by code they call: pthread_exit and pthread_cancel unwind the stack of
// their thread with a forced exception. No catch (...) may swallow it, no noexcept function let it pass, and arrays on
// this stack may still be in use by the threads of a Pool. Nothing in the core ends threads, but a runtime that is
// leaving does, which a cost function (cost/callback.hpp) or a progress hook has called.
#pragma once

#include <chrono>
#include <thread>

#ifdef __GLIBCXX__
#include <cxxabi.h>
#endif

namespace gridcompute {

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
