// The restricted problem of column generation: for each job only the classes that can be its cheapest while prices stay
// in a box.
//
// Jobs with one candidate are fixed: only their weight is counted in their class. The others are groups: a weight, a
// list of candidate classes with key differences to the first, and the flow, how much of the weight is in each. Jobs
// whose lists are equal may share a group (ties); the flow is divided among its members only at the end, in index
// order.
//
// The box.  For prices around p0 that may fall by down_s or rise by up_s, class s is a candidate of a job iff key_s +
// p0_s - down_s <= min_t(key_t + p0_t + up_t). Of all other classes only next = min(key_s + p0_s - down_s) is stored.
// At prices p, with k = min_s(p_s - p0_s + down_s), a class that is no candidate costs at least next + k: the job's
// dual constraints hold while next + k >= V(p) over its candidates.
//
// Invariants (holds()).  Flows of a group sum to its weight; fixed + flows sum to the total weight; lists ascend.
#pragma once

#include <array>
#include <functional>
#include <memory_resource>
#include <span>
#include <unordered_map>
#include <vector>

#include "gridcompute/base/memory.hpp"
#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/types.hpp"
#include "gridcompute/transport/model/integer_keys.hpp"
#include "gridcompute/transport/model/solver_context.hpp"

namespace gridcompute::transport {

struct RestrictedProblem {
  Slot columns = 0;
  PriceBox box;
  Wide base = 0;  // sum of weight * key of the class (fixed) or first candidate (groups)
  Wide weight_total = 0;
  Index first_infeasible_job = -1;           // position of a job that no class allows and that may not be unplaced
  DefaultInitVector<std::int32_t> place_of;  // (jobs of the level): the class if fixed, else ~group
  DefaultInitVector<float> margin;           // (jobs): of fixed jobs next - (key + p0), rounded down
  std::vector<Cost> fixed;                   // (columns): weight of fixed jobs
  bool shared = false;                       // a group may have several members
  bool wrapped = false;                      // 32 bits did not suffice: costs were read twice

  // Groups. begin and size give each its range of candidates.
  DefaultInitVector<Index> begin, job;  // job: position of the first member
  DefaultInitVector<std::int32_t> size, members;
  DefaultInitVector<Cost> weight, next;  // next: the least over members, less key + p0 of the first candidate

  // Candidates of all groups. Ranges of replaced lists keep flow 0 and stay where they are.
  DefaultInitVector<Slot> slot;
  DefaultInitVector<Cost> key;  // minus the first candidate's
  DefaultInitVector<Cost> flow;
  DefaultInitVector<std::int32_t> group_of;  // group

  [[nodiscard]] Index groups() const noexcept { return static_cast<Index>(size.size()); }
  [[nodiscard]] Cost cheapest(Index group, std::span<const Cost> prices) const noexcept;  // min of key + price
  [[nodiscard]] std::vector<Cost> load() const;
  [[nodiscard]] Wide objective() const;  // in keys, weighted
  // Returns the sum of weight * V over the candidates.
  [[nodiscard]] Wide value(std::span<const Cost> prices, Pool& pool) const;
  // Returns a lower bound of the sum of weight * V over all classes: the box bounds classes that are no candidates.
  [[nodiscard]] Wide lowest_value(std::span<const Cost> prices, const std::function<Cost(Index)>& weight_of,
                                  Pool& pool) const;
  // Moves every unit to its cheapest candidate: units at one stay, ties fill up free capacity, lowest class first.
  void place(std::span<const Cost> prices, std::span<const Cost> capacity, Pool& pool);
  [[nodiscard]] bool placed() const;  // every unit is in some class
  [[nodiscard]] bool holds() const;
};

// The result of a pricing pass for a chunk of rows, and the merge of chunks into one restricted problem: chunks of one
// pass, or of the shards that hold the rows.

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

// Perturbation of a restricted problem: the decision by a sample's ties, and the removal from an optimum (theory:
// model/integer_keys.hpp).

// Returns whether, at a sample's prices, enough classes are within a key or two of each job's cheapest that keys should
// be perturbed. Where jobs share lists these may be few; the first sample (`first`) is too small to decide. Duplicate
// columns (stratified_sampling.hpp) tie for all jobs and count once: perturbing them would only make their lists
// differ.
[[nodiscard]] bool needs_perturbation(const RestrictedProblem& r, std::span<const Slot> duplicate_of,
                                      std::span<const Cost> prices, bool first, const Tuning& tuning = kDefaultTuning);

// Subtracts e from the keys of candidates, of groups of one job each; lowers the bounds on other classes by the largest
// e.
void remove_perturbation(RestrictedProblem& r, const KeyPerturber& breaker, const std::function<Index(Index)>& job_at,
                         const std::function<Cost(Index)>& weight_of, Pool& pool);

}  // namespace gridcompute::transport
