// What a matcher of gangs knows of its jobs beside their costs, and its queues.
//
// Definitions. A gang takes `demand` slots of one class, whole or not at all. Each job belongs to a queue, and has a
// priority that counts within its queue: the larger comes first. A job that is not preemptible stays in the class that
// it was placed in. Queues form a forest; what a job takes counts against the limit of its queue and of all above it.
// The share of a queue is what it may hold before others get more: the guarantee, and its part of the surplus, as the
// caller divides it before each round.
#pragma once

#include <vector>

#include "gridcompute/live/switching_cost.hpp"

namespace gridcompute::live {

// One value for each position of the job store, or one for all of them (stride 0).
template <class T>
struct GangColumn {
  const T* values = nullptr;
  Index stride = 0;
  [[nodiscard]] T operator[](Job job) const noexcept { return values[job * stride]; }
};

struct GangColumns {
  GangColumn<std::int32_t> demand;       // >= 1
  GangColumn<std::int32_t> queue;        // 0 to n_queues - 1
  GangColumn<std::int64_t> priority;     // any
  GangColumn<std::uint8_t> preemptible;  // 0 or 1
};

struct Queues {
  std::vector<std::int32_t> parent;  // kNone: none
  std::vector<Cost> limit;           // kForbidden: none
  std::vector<Cost> guarantee;       // before anybody's surplus
  bool ranked = false;               // do queues or priorities decide who runs, or costs alone?
};

}  // namespace gridcompute::live
