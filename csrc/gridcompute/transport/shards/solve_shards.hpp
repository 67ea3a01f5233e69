// Exact transport over shards: the solve of solve.cpp, of jobs that are not in memory.
//
// Steps.  The rows of all samples are gathered; they are solved at the coordinator. One pass over the shards counts the
// jobs with one candidate, and lists the others at the coordinator, where the restricted problem is repaired. Shards
// list more jobs where prices have left the box. Then each shard gets the classes of its listed jobs. Problems that are
// small enough to be solved in memory, or that have no samples, are gathered whole.
//
// Exactness.  Each step is that of a solve in memory (model/job_shards.hpp): the same bits for any number of shards.
#pragma once

#include "gridcompute/transport/shards/coordinator.hpp"

namespace gridcompute::transport {

// Solves; the shards' last question `assign` has the answer. rows: of each shard. Fields of the result that have an
// entry a job are empty.
[[nodiscard]] Result solve_shards(const CostModel& model, std::span<const Index> rows, std::span<const Cost> capacity,
                                  const AskShards& ask, const Options& options, Stop& stop, ShardStats& stats);

}  // namespace gridcompute::transport
