// The tuned numbers that calls from Python use: the defaults, unless a bench or a test has set others.
#pragma once

#include "common.hpp"
#include "gridcompute/assignment/tuning.hpp"
#include "gridcompute/flow/tuning.hpp"
#include "gridcompute/live/gangs/gang_tuning.hpp"
#include "gridcompute/live/tuning.hpp"
#include "gridcompute/transport/generalized_assignment/tuning.hpp"
#include "gridcompute/transport/tuning.hpp"

namespace gridcompute::bindings {

struct Tunings {
  assignment::Tuning assignment;
  flow::FlowTuning flow;
  live::Tuning live;
  live::GangTuning gangs;
  transport::Tuning transport;
  transport::WholeJobTuning whole_jobs;
};

// Returns the numbers in force. Read and changed under the interpreter's lock only: whoever releases it copies them
// first.
[[nodiscard]] const Tunings& tunings() noexcept;

}  // namespace gridcompute::bindings
