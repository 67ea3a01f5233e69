// A level of the multilevel method: the jobs of the full problem or of a sample, with capacities scaled to these.
#pragma once

#include <vector>

#include "gridcompute/cost/source.hpp"

namespace gridcompute::transport {

class JobShards;

struct Level {
  const Index* rows = nullptr;  // (n) positions of the sampled jobs, ascending; null: all jobs
  Index n = 0;
  std::vector<Cost> capacity;   // (columns)
  JobShards* shards = nullptr;  // hold all jobs; n of them are listed here (job_shards.hpp). null: the n jobs are all
  Index unlisted = 0;           // jobs that are not listed

  [[nodiscard]] Index jobs() const noexcept { return n + unlisted; }

  [[nodiscard]] Index row(Index k) const noexcept { return rows != nullptr ? rows[k] : k; }
  [[nodiscard]] Rows block(Index first, Index count) const noexcept {
    return rows != nullptr ? Rows{rows + first, 0, count} : Rows{nullptr, first, count};
  }
};

}  // namespace gridcompute::transport
