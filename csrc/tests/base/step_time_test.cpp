#include "check.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute {

// Reserves of a time limit are a number of steps. Without a limit nothing is measured, and nothing is set aside.
TEST(step_time_is_measured_under_a_deadline_alone) {
  const double step = measure_step_seconds();
  CHECK(step > 0);
  Stop free;
  CHECK_EQ(seconds_of_steps(1e9, free), 0.0);
  Stop hour(3600);
  CHECK(seconds_of_steps(1000, hour) > 0);
  CHECK_EQ(seconds_of_steps(0, hour), 0.0);
}

}  // namespace gridcompute
