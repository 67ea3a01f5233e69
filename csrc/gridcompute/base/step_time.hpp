// How fast this machine is at the moment, for what has to be finished within a time limit.
//
// A step is one read that depends on the one before, from a table that lies in the second cache: what a solver does
// when it delivers an answer is a number of such steps a job, whatever the machine. Measured when asked for, since
// other processes may take part of the machine.
#pragma once

#include "gridcompute/base/stop.hpp"

namespace gridcompute {

// Returns the seconds of a step: the median of three measurements, some fifteen microseconds in all.
[[nodiscard]] double measure_step_seconds();

// Returns the seconds of this many steps; 0 where no deadline asks for them, and nothing is measured.
[[nodiscard]] double seconds_of_steps(double steps, const Stop& stop);

}  // namespace gridcompute
