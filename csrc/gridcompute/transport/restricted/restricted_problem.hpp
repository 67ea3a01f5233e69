// The restricted problem: per job only the classes that can matter while prices stay in a box.
//
// Jobs with one candidate are fixed: counted in their class, no more. The others are groups: a weight, a list of
// candidate classes with key differences to the first, and how much of the weight lies in each. Jobs whose lists are
// equal may share a group (ties); its members are told apart only at the end, in index order.
//
// The box. Scanned at prices p0 that may fall by down_s or rise by up_s: class s is kept for a job iff key_s + p0_s -
// down_s <= min_t(key_t + p0_t + up_t). Of every class not kept we remember only next = min(key_s + p0_s - down_s). At
// prices p, with k = min_s(p_s - p0_s + down_s), a class not kept costs at least next + k: the job needs no other look
// while next + k >= V(p) over the kept.
//
// Invariants (holds()): flows of a group sum to its weight; fixed + flows sum to the total weight; lists ascend.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "gridcompute/base/default_init.hpp"
#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::transport {

struct PriceBox {
  std::vector<Cost> center, down, up;  // (columns): how far a price may fall or rise

  // The largest shift k such that p_s >= center_s - down_s + k for every class.
  [[nodiscard]] Cost shift(std::span<const Cost> prices) const noexcept;
  // Is every job's answer among its candidates, by the box alone?
  [[nodiscard]] bool holds(std::span<const Cost> prices) const noexcept;
};

struct RestrictedProblem {
  Slot columns = 0;
  PriceBox box;
  Wide base = 0;  // sum of weight * key of each job's class (fixed) or first candidate (groups)
  Wide weight_total = 0;
  Index first_infeasible_job = -1;           // a job of this level with no allowed class at all, and not optional
  DefaultInitVector<std::int32_t> place_of;  // (jobs of this level): class if fixed, else ~group
  DefaultInitVector<float> margin;           // (jobs): next - (key + p0) of the fixed class, rounded down
  std::vector<Cost> fixed;                   // (columns): weight of fixed jobs
  bool shared = false;                       // may a group have more than one member?
  bool wrapped = false;                      // were costs read twice, as 32 bits did not hold their sums?

  // Groups. begin/size give each its candidates.
  DefaultInitVector<Index> begin, job;  // job: the first member, as a position of this level
  DefaultInitVector<std::int32_t> size, members;
  DefaultInitVector<Cost> weight, next;  // next: relative to the first candidate's key + p0, the least over members

  // Candidates of all groups; ranges given up after a rescan keep flow 0 and stay behind.
  DefaultInitVector<Slot> slot;
  DefaultInitVector<Cost> key;  // minus the first candidate's
  DefaultInitVector<Cost> flow;
  DefaultInitVector<std::int32_t> group_of;  // group

  [[nodiscard]] Index groups() const noexcept { return static_cast<Index>(size.size()); }
  [[nodiscard]] Cost cheapest(Index group, std::span<const Cost> prices) const noexcept;  // min of key + price
  [[nodiscard]] std::vector<Cost> load() const;
  [[nodiscard]] Wide objective() const;  // in keys, weighted
  // Sum of weight * V over the candidates.
  [[nodiscard]] Wide value(std::span<const Cost> prices, Pool& pool) const;
  // The same where classes that are no candidates are bounded only by the box.
  [[nodiscard]] Wide lowest_value(std::span<const Cost> prices, const std::function<Cost(Index)>& weight_of,
                                  Pool& pool) const;
  // Every unit to its cheapest candidate: those already at one stay, ties fill up what room is left, lowest class
  // first.
  void place(std::span<const Cost> prices, std::span<const Cost> capacity, Pool& pool);
  [[nodiscard]] bool placed() const;  // do flows sum to the groups' weights?
  [[nodiscard]] bool holds() const;
};

}  // namespace gridcompute::transport
