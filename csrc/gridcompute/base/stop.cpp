#include "gridcompute/base/stop.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

namespace gridcompute {

namespace {

constexpr std::uint32_t kEntries = 1 << 16;  // 256 KB
constexpr int kSteps = 1 << 10;              // some microseconds

// Returns a table whose entries lead through all of it, far apart: a full cycle, for the increment is odd and the
// factor one more than a multiple of 4 (Hull and Dobell 1962).
std::vector<std::uint32_t> cycle() {
  std::vector<std::uint32_t> next(kEntries);
  for (std::uint32_t k = 0; k < kEntries; ++k) next[k] = (k * 48'271u * 4u + k + 12'345u) % kEntries;
  return next;
}

}  // namespace

double measure_step_seconds() {
  using Clock = std::chrono::steady_clock;
  static const std::vector<std::uint32_t> next = cycle();
  std::array<double, 3> seconds{};
  std::uint32_t at = 0;
  for (double& s : seconds) {
    const auto from = Clock::now();
    for (int k = 0; k < kSteps; ++k) at = next[at];
    const volatile std::uint32_t end = at;  // keeps the reads
    (void)end;
    s = std::chrono::duration<double>(Clock::now() - from).count() / kSteps;
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[1];
}

double seconds_of_steps(double steps, const Stop& stop) {
  return stop.left() == std::numeric_limits<double>::infinity() ? 0 : steps * measure_step_seconds();
}

}  // namespace gridcompute
