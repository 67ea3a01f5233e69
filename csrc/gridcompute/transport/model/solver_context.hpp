// The inputs of every step of the general method, except for the level it works on.
#pragma once

#include <span>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/model/integer_keys.hpp"
#include "gridcompute/transport/tuning.hpp"

namespace gridcompute::transport {

struct SolverContext {
  const IntegerKeys& keys;
  Pool& pool;
  Stop& stop;
  bool share = false;                  // jobs with equal candidate lists form one group
  std::span<const Slot> duplicate_of;  // (columns): the lowest class with the same column (duplicates_in_sample.hpp)
  const Tuning& tuning = kDefaultTuning;
};

}  // namespace gridcompute::transport
