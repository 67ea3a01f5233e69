// Every tuned number of the cost sources: what it decides, and between which values it makes sense.
//
// Costs are the same bits whatever the values, and columns that are merged are equal in every row; only the time, and
// whether columns are merged at all, may change. Sizes of blocks and of vectors stay beside the loops.
//
// Measurements (benches/tuning_flatness.py cost): work that transport counts, or processor time where that is the same,
// at half and at double the default over that at it, on seven instances of 3,000 x 64: equal columns, none, few values,
// columns equal but in one row, terms, and lists.
#pragma once

#include "gridcompute/base/tuning.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute {

// clang-format off
#define GRIDCOMPUTE_COST_TUNING(X)                                                                                     \
  /* Equal columns (equal_columns.cpp) */                                                                              \
  X(Index, probe_rows, 64, 1, 1 << 20, "rows",                                                                         \
    "of a matrix, or of each table, whose hashes say which columns may be equal",                                      \
    "a thousandth of a pass over 100,000 rows; more would only rule out pairs that the pass finds to differ")          \
  X(Index, probe_first_rows, 8, 1, 1 << 20, "rows",                                                                    \
    "of these, after which most matrices are known to have no equal columns",                                          \
    "same work; time: half 1.01, double 1.00")                                                                         \
  /* The same of lists (sparse.cpp) */                                                                                 \
  X(Index, sparse_rows, 64, 1, 1 << 20, "rows", "smallest sample of lists", "same work; time: half 1.02, double 0.99") \
  X(Index, sparse_entries, 16, 1, 1 << 20, "entries a class", "of the sample of lists, on average",                    \
    "same work; time: half 0.98, double 0.96")                                                                         \
  /* Sketches of terms (terms.cpp) */                                                                                  \
  X(Index, float_entries, 1 << 24, 0, 1 << 28, "entries",                                                              \
    "of all tables, above which they get no copies in float32", "a bound on memory: 64 MB")                            \
  X(Index, float_reads, 8, 1, 1 << 20, "costs an entry",                                                               \
    "that must be read for a copy to be made", "same work; time: half 1.00, double 1.01")
// clang-format on

GRIDCOMPUTE_DEFINE_TUNING(CostTuning, kDefaultCostTuning, kCostTuningTable, GRIDCOMPUTE_COST_TUNING)

}  // namespace gridcompute
