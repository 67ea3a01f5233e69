// Runs all native tests, or those whose name contains the argument.
#include <cstring>

#include "check.hpp"

int main(int argc, char** argv) {
  using namespace gridcompute::testing;
  int passed = 0, failed = 0;
  for (const Case& test : cases()) {
    if (argc > 1 && std::strstr(test.name, argv[1]) == nullptr) continue;
    const int before = failures();
    test.body();
    const bool good = failures() == before;
    good ? ++passed : ++failed;
    if (!good) std::printf("FAILED %s\n", test.name);
  }
  std::printf("native: %d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}
