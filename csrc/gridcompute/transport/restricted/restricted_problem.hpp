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

#include <functional>
#include <span>
#include <vector>

#include "gridcompute/base/default_init.hpp"
#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/types.hpp"
#include "gridcompute/transport/model/price_box.hpp"

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

}  // namespace gridcompute::transport
