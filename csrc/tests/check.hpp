// The native tests' framework: TEST(name) { CHECK(condition); CHECK_EQ(found, needed); } and a main that runs them.
//
// CONTEXT("seed", seed) names a value for the rest of its scope; a check that fails prints all that are in scope, the
// outermost first. seed(k) is the seed of a test's k-th draw: k itself, or what the command line gave instead.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "gridcompute/base/types.hpp"

namespace gridcompute::testing {

struct Case {
  const char* name;
  std::function<void()> body;
};

inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

inline int& failures() {
  static int count = 0;
  return count;
}

// Allocations until one throws std::bad_alloc; below 0: none does. The operators are in live/gang_failures_test.cpp.
inline std::atomic<long> allocations_left{-1};

// The seed that the command line asks for, if it does: every draw of the tests chosen then uses this one.
inline std::optional<std::uint64_t>& chosen_seed() {
  static std::optional<std::uint64_t> seed;
  return seed;
}

[[nodiscard]] inline std::uint64_t seed(std::uint64_t k) { return chosen_seed().value_or(k); }

struct Register {
  Register(const char* name, std::function<void()> body) { cases().push_back({name, std::move(body)}); }
};

// A value as a message shows it; what cannot be written to a stream is shown by its size in bytes.
template <class T>
[[nodiscard]] std::string shown(const T& value) {
  std::ostringstream out;
  out.precision(17);
  if constexpr (std::same_as<T, bool>) {
    out << (value ? "true" : "false");
  } else if constexpr (std::same_as<T, std::int8_t> || std::same_as<T, std::uint8_t>) {
    out << static_cast<int>(value);
  } else if constexpr (std::same_as<T, Wide>) {
    std::string digits;
    for (Wide rest = value; rest != 0 || digits.empty(); rest /= 10)
      digits += static_cast<char>('0' + static_cast<int>(rest % 10 < 0 ? -(rest % 10) : rest % 10));
    out << (value < 0 ? "-" : "") << std::string(digits.rbegin(), digits.rend());
  } else if constexpr (requires { out << value; }) {
    out << value;
  } else if constexpr (std::is_enum_v<T>) {
    out << static_cast<long long>(value);
  } else if constexpr (requires { value.begin() != value.end(); }) {
    out << '[';
    std::size_t count = 0;
    for (const auto& item : value) {
      if (count++ == 20) break;
      out << (count > 1 ? ", " : "") << shown(item);
    }
    out << (count > 20 ? ", ...]" : "]");
  } else {
    out << '(' << sizeof value << " bytes)";
  }
  return out.str();
}

inline std::vector<std::string>& contexts() {
  thread_local std::vector<std::string> all;
  return all;
}

// The values whose scopes an exception has left since the last scope that was entered or ended without one, the
// innermost first.
inline std::vector<std::string>& left_contexts() {
  static std::vector<std::string> all;
  return all;
}

class Context {
 public:
  template <class T>
  Context(const char* name, const T& value) : exceptions_(std::uncaught_exceptions()) {
    left_contexts().clear();
    contexts().push_back(std::string(name) + " = " + shown(value));
  }
  ~Context() {
    if (std::uncaught_exceptions() > exceptions_)
      left_contexts().push_back(contexts().back());
    else
      left_contexts().clear();
    contexts().pop_back();
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

 private:
  int exceptions_;
};

inline void fail(const char* file, int line, const std::string& what) {
  std::printf("%s:%d: %s\n", file, line, what.c_str());
  for (const std::string& context : contexts()) std::printf("    with %s\n", context.c_str());
  ++failures();
}

// Reports the exception that ended a test, with the values that were in scope where it was thrown.
inline void fail_by_exception(const char* test, const char* what) {
  std::vector<std::string>& left = left_contexts();
  contexts().assign(left.rbegin(), left.rend());
  fail(test, 0, std::string("an exception ended the test: ") + what);
  contexts().clear();
}

template <class Found, class Needed>
void check_equal(const char* file, int line, const char* expression, const Found& found, const Needed& needed) {
  bool equal;
  if constexpr (std::integral<Found> && std::integral<Needed> && !std::same_as<Found, bool> &&
                !std::same_as<Needed, bool> && sizeof(Found) <= 8 && sizeof(Needed) <= 8) {
    equal = std::cmp_equal(found, needed);
  } else {
    equal = found == needed;
  }
  if (!equal)
    fail(file, line, std::string(expression) + " failed: found " + shown(found) + ", needed " + shown(needed));
}

}  // namespace gridcompute::testing

#define TEST(name)                                                                   \
  static void test_##name();                                                         \
  static const ::gridcompute::testing::Register register_##name(#name, test_##name); \
  static void test_##name()

#define GRIDCOMPUTE_JOIN_(a, b) a##b
#define GRIDCOMPUTE_JOIN(a, b) GRIDCOMPUTE_JOIN_(a, b)
#define CONTEXT(name, value) const ::gridcompute::testing::Context GRIDCOMPUTE_JOIN(context_, __LINE__)((name), (value))

#define CHECK(condition)                                                                                \
  do {                                                                                                  \
    if (!(condition)) ::gridcompute::testing::fail(__FILE__, __LINE__, "CHECK(" #condition ") failed"); \
  } while (false)

#define CHECK_EQ(found, needed) \
  ::gridcompute::testing::check_equal(__FILE__, __LINE__, "CHECK_EQ(" #found ", " #needed ")", (found), (needed))

#define CHECK_THROWS(expression, Exception)                                                                   \
  do {                                                                                                        \
    bool thrown_ = false;                                                                                     \
    try {                                                                                                     \
      (void)(expression);                                                                                     \
    } catch (const Exception&) {                                                                              \
      thrown_ = true;                                                                                         \
    }                                                                                                         \
    if (!thrown_) ::gridcompute::testing::fail(__FILE__, __LINE__, #expression " did not throw " #Exception); \
  } while (false)
