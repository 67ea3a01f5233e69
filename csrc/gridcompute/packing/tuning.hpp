// Every tuned number of the packer and of its policy "price".
//
// Any value in [low, high] gives placements that fit and refuses only pods that do not fit; the choice of placements,
// and the number of later refusals, depend on them (a native test draws them at random). Numbers that a proof needs
// (largest price, longest future) stay beside it, those of the published rules in published_rules.cpp.
//
// One set for every workload. It was chosen on the published cluster's workloads default, multigpu20, gpushare40,
// gpuspec33 and cpu100 with the arrivals of seeds 42 and 43 alone; seeds 44 and later and other workloads only report
// (benches/packing_table.py).
#pragma once

#include <cstdint>

#include "gridcompute/base/tuning.hpp"

namespace gridcompute::packing {

// X(type, name, default, low, high, unit, what it decides)
// clang-format off
#define GRIDCOMPUTE_PACKING_TUNING(X) \
  /* Fill values (price_policy.hpp) */ \
  X(std::int64_t, lists, 24, 1, 256, "futures", "sampled futures that a fill value is the sum of") \
  X(std::int64_t, sorted_lists, 12, 0, 256, "futures", "sampled futures that are sorted by price") \
  X(std::int64_t, fill_percent, 400, 10, 1000, "percent of a node's devices", "demand of a sampled future") \
  X(std::int64_t, memo_states, 1 << 19, 1, 1 << 24, "states", "states whose values are kept") \
  /* Reservations (reservations.hpp) */ \
  X(std::int64_t, need_percent, 110, 0, 1000, "percent of the need", "devices that are reserved of those expected to be asked for") \
  X(std::int64_t, spread_percent, 200, 0, 1000, "hundredths of a standard deviation", "devices reserved beyond these") \
  X(std::int64_t, charge_percent, 100, 0, 1000, "percent of a slot's price", "what destroying a reserved slot costs") \
  X(std::int64_t, list_percent, 30, 0, 1000, "percent of a slot's price", "what destroying a reserved slot costs lists of models and a single device") \
  X(std::int64_t, groups, 128, 0, 4096, "groups", "groups for which slots are reserved, those of which the mix asks most") \
  /* Prices and moves (price_policy.hpp, packer.hpp) */ \
  X(std::int64_t, bonus_permille, 0, 0, 1000, "thousandths of a slot's price", "bonus while a size of several devices still fits") \
  X(std::int64_t, nodes_tried, 24, 0, 1 << 20, "nodes", "nodes on which moves are tried to make room for a pod") \
  X(std::int64_t, kept_bids, 1 << 22, 0, 1 << 28, "bids", "bids of shapes on nodes that are kept until the node changes")
// clang-format on

GRIDCOMPUTE_DEFINE_TUNING(PackingTuning, kDefaultTuning, kTuningTable, GRIDCOMPUTE_PACKING_TUNING)

}  // namespace gridcompute::packing
