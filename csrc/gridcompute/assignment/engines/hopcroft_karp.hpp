// Many free rows of a sparse graph at once: for costs of few values, where one search after the other would each
// explore the same ties.
//
// Definitions. Row duals u_i, kept here, and column prices v_j; a pair is tight where c_ij - v_j = u_i.
//
// Invariants. u_i + v_j <= c_ij everywhere, matched pairs are tight, free columns keep their price: (M1)-(M4).
//
// Steps. Sweeps over the free rows augment along disjoint paths of tight pairs, by depth-first search that visits each
// column once a sweep, until a sweep finds none. Then shortest paths from all free rows together reach the nearest free
// column, and duals change so that the way there is tight. Few free rows, or few of them helped by a change of duals,
// are left to single searches.
//
// Complexity. O(arcs) a sweep, O(arcs log n) a change of duals.
//
// Source. Hopcroft and Karp, SIAM J. Computing 2 (1973) 225; Pothen and Fan, ACM TOMS 16 (1990) 303 (a sweep); the
// Hungarian method's change of duals, from all free rows at once.
#pragma once

#include "gridcompute/assignment/engines/ssp_lists.hpp"

namespace gridcompute::assignment {

// `complete` where no row is left free, `budget` where single searches should go on. Lists are complete ones.
template <class V>
Searched match_tied(Matching<V>& state, const Lists<V>& lists, Stats& stats, Stop& stop,
                    std::vector<std::int32_t>& witness);

}  // namespace gridcompute::assignment
