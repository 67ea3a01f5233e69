// Hopcroft-Karp phases: many free rows of a sparse graph at once, for costs of few values, where one search after the
// other would explore the same ties.
//
// Definitions. Row duals u_i, kept here, and column prices v_j; a pair is tight where c_ij - v_j = u_i.
//
// Invariants. u_i + v_j <= c_ij everywhere, matched pairs are tight, free columns keep their price: (M1) to (M4).
//
// Steps. A phase augments along vertex-disjoint paths of tight pairs, by depth-first search that visits each column
// once a phase; phases follow until one finds none. Then shortest paths from all free rows together reach the nearest
// free column, and duals change so that the path to it is tight (the Hungarian method). Few free rows, or few rows
// matched per dual update, are left to single searches.
//
// Complexity. O(arcs) a phase, O(arcs log n) a dual update.
//
// Source. Hopcroft and Karp, SIAM J. Computing 2 (1973) 225; Pothen and Fan, ACM TOMS 16 (1990) 303 (depth-first phases
// with lookahead); the Hungarian method's dual update, from all free rows at once.
#pragma once

#include "gridcompute/assignment/engines/matching.hpp"
#include "gridcompute/assignment/tuning.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

// Returns `complete` where no row is left free, `budget` where single searches should go on. The lists are complete.
template <class V>
SearchStatus hopcroft_karp(Matching<V>& state, const CandidateLists<V>& lists, AssignmentStats& stats, Stop& stop,
                           std::vector<std::int32_t>& witness, const AssignmentTuning& tuning);

}  // namespace gridcompute::assignment
