// Every tuned number of the cost sources: what it decides, and between which values it makes sense.
//
// Costs are the same bits whatever the values, and columns that are merged are equal in every row; only the time, and
// whether columns are merged at all, may change. Sizes of blocks and of vectors stay beside the loops.
#pragma once

#include "gridcompute/base/tuning.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute {

// X(type, name, default, low, high, unit, what it decides)
// clang-format off
#define GRIDCOMPUTE_COST_TUNING(X) \
  /* Equal columns (equal_columns.cpp) */ \
  X(Index, probe_rows, 64, 1, 1 << 20, "rows", "rows of a matrix, or of each table, whose hashes say which columns may be equal") \
  /* The same of lists (sparse.cpp) */ \
  X(Index, sparse_entries, 16, 1, 1 << 20, "entries a class", "entries of the sample of lists, on average") \
  /* Sketches of terms (terms.cpp) */ \
  X(Index, float_entries, 1 << 24, 0, 1 << 28, "entries", "entries of all tables above which they get no copies in float32")
// clang-format on

GRIDCOMPUTE_DEFINE_TUNING(CostTuning, kDefaultCostTuning, kCostTuningTable, GRIDCOMPUTE_COST_TUNING)

}  // namespace gridcompute
