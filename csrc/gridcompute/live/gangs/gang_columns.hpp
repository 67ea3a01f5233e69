// The columns of a matcher's jobs that only gangs have, and its queues.
//
// Definitions. A gang takes `demand` slots of one class, whole or not at all. Each job belongs to a queue, and has a
// priority that counts within its queue: the larger comes first. A job that is not preemptible stays in the class that
// it was placed in. Queues form a forest; the slots of a job count against the limit of its queue and of all queues
// above it. The share of a queue is the number of slots that it may hold before other queues get more: its guarantee,
// and its part of the surplus, which the caller divides before each round. Classes may have types (of accelerators): a
// queue then has a limit and a guarantee of each type as well, beside those of all types together.
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
  std::vector<Cost> guarantee;       // without any surplus
  bool ranked = false;               // queues or priorities decide which jobs run; otherwise costs alone
  // Of each type, those of type t at t * size() to (t + 1) * size() - 1; empty: limits do not depend on types.
  std::vector<Cost> limit_by_type = {}, guarantee_by_type = {};

  [[nodiscard]] std::size_t size() const noexcept { return parent.size(); }
  [[nodiscard]] bool typed() const noexcept { return !limit_by_type.empty(); }
  // Returns a limit by its row: first those of all types together, then those of each type.
  [[nodiscard]] Cost limit_of_row(std::size_t row) const noexcept {
    return row < size() ? limit[row] : limit_by_type[row - size()];
  }
  [[nodiscard]] std::size_t n_rows() const noexcept { return size() + limit_by_type.size(); }
};

}  // namespace gridcompute::live
