// Runs all native tests, or those whose name contains the first argument, with the seed that a second one gives.
#include <charconv>
#include <cstring>
#include <exception>

#include "check.hpp"

int main(int argc, char** argv) {
  using namespace gridcompute::testing;
  if (argc > 2) {
    std::uint64_t value = 0;
    const char* end = argv[2] + std::strlen(argv[2]);
    if (const auto [last, error] = std::from_chars(argv[2], end, value); error != std::errc{} || last != end) {
      std::printf("the seed is '%s', needed an integer >= 0\n", argv[2]);
      return 2;
    }
    chosen_seed() = value;
  }
  int passed = 0, failed = 0;
  for (const Case& test : cases()) {
    if (argc > 1 && std::strstr(test.name, argv[1]) == nullptr) continue;
    const int before = failures();
    try {
      test.body();
    } catch (const std::exception& error) {
      fail(test.name, 0, std::string("an exception ended the test: ") + error.what());
    }
    const bool good = failures() == before;
    good ? ++passed : ++failed;
    if (!good) std::printf("FAILED %s\n", test.name);
  }
  std::printf("native: %d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}
