// The native tests' whole framework: TEST(name) { CHECK(condition); } and a main that runs them by name.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

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

struct Register {
  Register(const char* name, std::function<void()> body) { cases().push_back({name, std::move(body)}); }
};

}  // namespace gridcompute::testing

#define TEST(name)                                                                   \
  static void test_##name();                                                         \
  static const ::gridcompute::testing::Register register_##name(#name, test_##name); \
  static void test_##name()

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) {                                                         \
      std::printf("%s:%d: CHECK(%s) failed\n", __FILE__, __LINE__, #condition); \
      ++::gridcompute::testing::failures();                                     \
    }                                                                           \
  } while (false)

#define CHECK_THROWS(expression, Exception)                                                     \
  do {                                                                                          \
    bool thrown_ = false;                                                                       \
    try {                                                                                       \
      (void)(expression);                                                                       \
    } catch (const Exception&) {                                                                \
      thrown_ = true;                                                                           \
    }                                                                                           \
    if (!thrown_) {                                                                             \
      std::printf("%s:%d: %s did not throw %s\n", __FILE__, __LINE__, #expression, #Exception); \
      ++::gridcompute::testing::failures();                                                     \
    }                                                                                           \
  } while (false)
