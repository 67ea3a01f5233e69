// Measures how fast this machine is at the moment, for work that must end within a time limit.
//
// A step is one read that depends on the one before, from a table in the second-level cache: delivering an answer takes
// a solver a fixed number of such steps per job on any machine. Measured when asked for, since other processes may use
// part of the machine.
#pragma once

#include "gridcompute/base/stop.hpp"

namespace gridcompute {

// Returns the seconds of a step: the median of three measurements, some fifteen microseconds in all.
[[nodiscard]] double measure_step_seconds();

// Returns the seconds of this many steps; 0, without measuring, where no deadline depends on them.
[[nodiscard]] double seconds_of_steps(double steps, const Stop& stop);

}  // namespace gridcompute
