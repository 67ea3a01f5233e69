// The result of a pricing pass for a chunk of rows, and the merge of chunks into one restricted problem: chunks of one
// pass, or of the shards that hold the rows.
#pragma once

#include <array>
#include <memory_resource>
#include <unordered_map>
#include <vector>

#include "gridcompute/transport/model/solver_context.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"

namespace gridcompute::transport {

// Rows of a chunk; fixed, so that results do not depend on threads. The chunk decides how long the float32 filter is
// tried, and bounds the classes that the filter excluded: a pass may be divided between chunks only.
inline constexpr Index kPricedRows = 2048;

// Results of some rows; joined in order.
struct PricedChunk {
  static constexpr int kRecentBits = 8;  // 256 entries, 1 KB

  explicit PricedChunk(std::pmr::memory_resource* pages) : memory(pages) { recent.fill(-1); }

  std::pmr::memory_resource* memory;
  std::pmr::vector<Cost> fixed{memory};
  Wide base = 0;
  CostRangeStats seen;
  bool wrapped = false;
  Index first_infeasible_job = -1;  // the first row with no allowed class
  std::pmr::vector<Index> job{memory};
  std::pmr::vector<std::int32_t> size{memory}, members{memory};
  std::pmr::vector<Cost> weight{memory}, next{memory};
  std::pmr::vector<Slot> slot{memory};
  std::pmr::vector<Cost> key{memory};
  std::pmr::unordered_multimap<std::uint64_t, std::int32_t> table{memory};  // list -> group, if shared
  std::array<std::int32_t, 1 << kRecentBits> recent;  // a likely group by the signature of a screened row
};

// Joins chunks in their order into `out`, whose place_of holds each row's class, or ~(group of its chunk). starts: the
// first row of each chunk, and the number of rows. False if stopped.
[[nodiscard]] bool join_chunks(std::vector<PricedChunk>& chunks, std::span<const Index> starts,
                               const SolverContext& context, RestrictedProblem& out, CostRangeStats& seen);

}  // namespace gridcompute::transport
