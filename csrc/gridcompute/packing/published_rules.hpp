// The published policies that the packer is compared with, by the rules of their simulator.
//
// Problem. Replay five scheduling policies exactly, score by integer score, so that a difference to the packer's own
// policy is due to the policies and not to the replay.
//
// Definitions. Each policy gives a node with room an integer score; the highest wins, ties go to the lowest rank.
// The fragment of a node is, over the typical pods of the mix and weighted by their share, the free GPU milli that such
// a pod could not use: all of it if the pod needs no GPU, may not use the model, or has too few devices with its milli
// or too little CPU; else what is free on the devices with less than its milli. Memory is ignored.
//   fgd          floor(100 x logistic((fragment before - after) / 1000)); a part of a device tries each device.
//   best_fit     floor(100 x (1 - CPU left / 128000 / 2 - milli left / 8000 / 2)), rescaled to 0..100 over the nodes.
//   dot_product  floor(100 x (1 - (free CPU x cpu / 128000^2 + free milli x demand / 8000^2) / 2)).
//   packing      prefers used devices, then used nodes, then empty nodes.
//   clustering   prefers nodes that hold only pods with as many devices.
// All but fgd put a part of a device on the device with the least milli left, the lowest number on ties.
//
// Source. Weng, Yang, Yu et al., Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient
// Descent, USENIX ATC 2023, and the records of its simulator.
//
// Deviations. Scores are doubles before they are cut to integers, as in the records: sums in another order differ in
// the last bit, which decides a tie in some late placements. Contents of templates count with the milli they use.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "gridcompute/packing/policy.hpp"
#include "gridcompute/packing/tuning.hpp"

namespace gridcompute::packing {

// Returns the policy of that name, or null. `typical`: the shapes over which fgd sums fragments, with their counts.
[[nodiscard]] std::unique_ptr<Policy> published_rule(std::string_view name, const Cluster& cluster,
                                                     std::vector<MixEntry> typical, const PackingTuning& tuning);

}  // namespace gridcompute::packing
