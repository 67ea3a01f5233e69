// Every tuned number of the packer and of its policy "price".
//
// Any value in [low, high] gives placements that fit and refuses only pods that do not fit; the choice of placements,
// and the number of later refusals, depend on them (a native test draws them at random). Numbers that a proof needs
// (largest price, longest future) stay beside it, those of the published rules in published_rules.cpp.
//
// One set for every workload. It was chosen on the published cluster's workloads default, multigpu20, gpushare40,
// gpuspec33 and cpu100 with the arrivals of seeds 42 and 43 alone; seeds 44 and later and other workloads only report
// (benches/packing_table.py). Figures are the mean gain over FGD of these ten runs, in points of the cluster at 130 %
// of arrivals; 1.03 with all defaults. Where half and double are named: devices left idle at the end, over those at the
// default, of three of these workloads (benches/tuning_flatness.py packing).
#pragma once

#include <cstdint>

#include "gridcompute/base/tuning.hpp"

namespace gridcompute::packing {

// clang-format off
#define GRIDCOMPUTE_PACKING_TUNING(X)                                                                                  \
  /* Fill values (price_policy.hpp) */                                                                                   \
  X(std::int64_t, lists, 24, 1, 256, "futures",                                                                        \
    "sampled futures that a fill value is the sum of", "at fill_percent 300 (0.94), 64 gained 0.01, and take longer")  \
  X(std::int64_t, sorted_lists, 12, 0, 256, "futures",                                                                 \
    "of these, sorted by price", "at fill_percent 300 all 0.99, none 0.94, a quarter 0.96")                            \
  X(std::int64_t, fill_percent, 400, 10, 1000, "percent of a node's devices",                                          \
    "demand of a sampled future", "150 0.83, 200 0.90, 250 0.97, 500 and 600 1.03 with more time")                     \
  X(std::int64_t, deviceless_pods, 64, 1, 4096, "pods",                                                                \
    "drawn without one that needs a device, after which a future is filled by CPU alone", "half and double the same")  \
  X(std::int64_t, memo_states, 1 << 19, 1, 1 << 24, "states",                                                          \
    "whose values are kept", "a bound on memory: 20 to 100 bytes each; more than any published workload meets")        \
  /* Reservations (reservations.hpp) */                                                                                \
  X(std::int64_t, need_percent, 110, 0, 1000, "percent of the need",                                                   \
    "devices that are reserved of those expected to be asked for", "100 to 130 within 0.01")                           \
  X(std::int64_t, spread_percent, 200, 0, 1000, "hundredths of a standard deviation",                                  \
    "devices reserved beyond these", "100 to 300 within 0.01")                                                         \
  X(std::int64_t, ramp_percent, 100, 1, 1000, "percent of what is kept beyond the need",                               \
    "over which the charge rises from nothing to all of it", "half 1.001, double 0.997 of the idle devices")           \
  X(std::int64_t, charge_percent, 100, 0, 1000, "percent of a slot's price",                                           \
    "what destroying a reserved slot costs", "50 within 0.01")                                                         \
  X(std::int64_t, list_percent, 30, 0, 1000, "percent of a slot's price",                                              \
    "the same for lists of models and a single device", "10 1.06, and more GPUs refused early; 100 1.00")              \
  X(std::int64_t, groups, 128, 0, 4096, "groups",                                                                      \
    "for which slots are reserved, those of which the mix asks most", "a bound on the time of a placement")            \
  /* Prices and moves (price_policy.hpp, packer.hpp) */                                                                \
  X(std::int64_t, bonus_permille, 0, 0, 1000, "thousandths of a slot's price",                                         \
    "bonus while a size of several devices still fits",                                                                \
    "at fill_percent 150, 10 was 0.12 below none: slots are counted already")                                          \
  X(std::int64_t, batch_pods, 64, 1, 1 << 20, "pods",                                                                  \
    "of a larger call that are placed together, in the order of their prices", "50 gain up to 0.05")                   \
  X(std::int64_t, nodes_tried, 24, 0, 1 << 20, "nodes",                                                                \
    "on which moves are tried to make room for a pod",                                                                 \
    "a bound on the time of a call with moves; half and double the same")                                              \
  X(std::int64_t, kept_bids, 1 << 22, 0, 1 << 28, "bids",                                                              \
    "of shapes on nodes that are kept until the node changes", "a bound on memory: 56 bytes each")
// clang-format on

GRIDCOMPUTE_DEFINE_TUNING(PackingTuning, kDefaultTuning, kTuningTable, GRIDCOMPUTE_PACKING_TUNING)

}  // namespace gridcompute::packing
