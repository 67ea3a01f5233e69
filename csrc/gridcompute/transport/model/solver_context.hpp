// The inputs of every step of the general method, except for the level it works on.
#pragma once

#include <algorithm>
#include <limits>
#include <span>
#include <tuple>
#include <vector>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/base/types.hpp"
#include "gridcompute/cost/source.hpp"
#include "gridcompute/transport/model/integer_keys.hpp"
#include "gridcompute/transport/tuning.hpp"

namespace gridcompute::transport {

struct SolverContext {
  const IntegerKeys& keys;
  Pool& pool;
  Stop& stop;
  bool share = false;                  // jobs with equal candidate lists form one group
  std::span<const Slot> duplicate_of;  // (columns): the lowest class with the same column (stratified_sampling.hpp)
  const Tuning& tuning = kDefaultTuning;
};

// A level of the multilevel method: the jobs of the full problem or of a sample, with capacities scaled to these.

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

// The box of prices around a center within which a pricing pass is valid (restricted/restricted_problem.hpp).

struct PriceBox {
  std::vector<Cost> center, down, up;  // (columns): how far a price may fall, and rise

  // Returns the largest k such that p_s >= center_s - down_s + k for every class.
  [[nodiscard]] Cost shift(std::span<const Cost> prices) const noexcept {
    Cost least = std::numeric_limits<Cost>::max();
    for (std::size_t s = 0; s < center.size(); ++s) least = std::min(least, prices[s] - center[s] + down[s]);
    return least;
  }
  // Returns whether the box alone proves that every job's cheapest class is among its candidates.
  [[nodiscard]] bool holds(std::span<const Cost> prices) const noexcept {
    Cost most = std::numeric_limits<Cost>::min();
    for (std::size_t s = 0; s < center.size(); ++s) most = std::max(most, prices[s] - center[s] - up[s]);
    return most <= shift(prices);
  }
  static auto parts(auto& box) { return std::tie(box.center, box.down, box.up); }
};

}  // namespace gridcompute::transport
