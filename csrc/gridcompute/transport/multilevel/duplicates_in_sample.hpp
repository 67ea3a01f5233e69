// Duplicate columns: classes whose keys are equal for every job of a sample, found by hashing.
//
// Copies of a class are common (a slot an hour at a constant tariff), and useless as different classes: their jobs
// split between them at any prices. Start prices, tuning and radii treat them as one class; errors there cost time
// only, so a sample may decide. Candidates, repair and pricing keep them apart, and do not rely on it.
#pragma once

#include <vector>

#include "gridcompute/transport/auction/key_table.hpp"
#include "gridcompute/transport/model/integer_keys.hpp"
#include "gridcompute/transport/tuning.hpp"

namespace gridcompute::transport {

// Returns for every class the lowest with an equal column. O(rows * columns).
[[nodiscard]] std::vector<Slot> find_duplicate_columns(const auction::KeyTable& keys);

// Returns whether most columns are copies of others, in a sample of rows.
[[nodiscard]] bool mostly_copies(const IntegerKeys& keys, const Tuning& tuning = kDefaultTuning);

}  // namespace gridcompute::transport
