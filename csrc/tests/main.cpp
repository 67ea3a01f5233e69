// Runs all native tests, or those whose name contains the first argument, with the seed that a second one gives.
#include <algorithm>
#include <charconv>
#include <cstring>
#include <ctime>
#include <exception>
#include <utility>
#include <vector>

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
  std::vector<std::pair<double, const char*>> took;
  for (const Case& test : cases()) {
    if (argc > 1 && std::strstr(test.name, argv[1]) == nullptr) continue;
    const int before = failures();
    left_contexts().clear();
    const std::clock_t start = std::clock();
    try {
      test.body();
    } catch (const std::exception& error) {
      fail_by_exception(test.name, error.what());
    }
    const bool good = failures() == before;
    good ? ++passed : ++failed;
    took.emplace_back(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, test.name);
    if (!good) std::printf("FAILED %s\n", test.name);
  }
  std::sort(took.rbegin(), took.rend());
  for (std::size_t k = 0; k < took.size() && k < 5 && took[k].first >= 1; ++k)
    std::printf("%6.1f CPU s  %s\n", took[k].first, took[k].second);
  std::printf("native: %d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}
