"""The flow behind a claim: which Wh of which bundle serves which Wh of load.

Problem. Each bundle may serve the load at some positions of a line: positions are sorted by
boundary and time, so that what a bundle may serve is at most two intervals of them (one for
facilities under the rule's interval, one for those that match by the year). The most that may be
claimed is a maximum flow; among the largest, the one that claims bundles of lower rank first costs
least.

Method. Bundles with the same intervals and rank are one group. A complete binary tree stands over
the positions; an interval is the union of at most 2 log n of its nodes, so that n groups and n
positions need n log n arcs in place of n^2. `min_cost_flow` of the core solves it: a unit of a
group costs its rank if it is claimed and more than every rank if it is not. The set of bundles in a
flow is independent in a transversal matroid, so the least cost is reached by a largest flow.

Certificate. Let S be the groups that the residual network reaches from a group with an unclaimed
unit, and T the positions that it reaches. Groups of S can serve positions of T alone, and those are
full: no flow exceeds the energy of the groups outside of S plus the load of T (Hall's condition
with its deficit, Ahuja, Magnanti and Orlin, section 6.6), and this one is as large.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .._extras import extra
from ..errors import InternalError
from ..solvers.flow import min_cost_flow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Int64s = NDArray[np.int64]


class Pieces(NamedTuple):
    """Amounts that go from one numbered thing to another."""

    source: Int64s
    target: Int64s
    wh: Int64s


class Claimed(NamedTuple):
    """A largest flow: its pieces from group to position, and its cut."""

    pieces: Pieces
    groups_in_cut: NDArray[np.bool_]
    positions_in_cut: NDArray[np.bool_]


def northwest(source: Int64s, supply: Int64s, target: Int64s, demand: Int64s) -> Pieces:
    """Split supplies over demands in their order; both have the same sum."""
    have, want = np.cumsum(supply), np.cumsum(demand)
    ends = np.union1d(have, want)
    ends = ends[ends > 0]
    wh = np.diff(ends, prepend=0)
    give, take = np.searchsorted(have, ends), np.searchsorted(want, ends)
    return Pieces(source[give], target[take], wh)


def largest_claim(lo: Int64s, hi: Int64s, rank: Int64s, supply: Int64s, demand: Int64s) -> Claimed:
    """Return a largest flow from groups to positions, of least rank among these.

    Parameters
    ----------
    lo, hi : int64 (n_intervals, n_groups)
        Positions that a group may serve: from `lo` up to `hi`, without it.
    rank : int64 (n_groups,)
    supply : int64 (n_groups,), Wh
    demand : int64 (n_positions,), Wh
    """
    n, groups = len(demand), len(supply)
    if not n or not groups:
        nothing = np.zeros(0, np.int64)
        return Claimed(Pieces(nothing, nothing, nothing), np.zeros(groups, bool), np.zeros(n, bool))
    size = 1 << max(n - 1, 0).bit_length()
    first, node = _cover(lo, hi, size)
    used = np.zeros(2 * size, bool)
    used[node] = True
    for level in range(size.bit_length() - 1):
        inner = np.arange(1 << level, 2 << level)
        inner = inner[used[inner]]
        used[2 * inner] = used[2 * inner + 1] = True
    inner = np.flatnonzero(used[:size])
    leaf = np.flatnonzero(used[size : size + n])
    number = np.full(2 * size, -1)
    number[used] = groups + np.arange(used.sum())
    sink, total = groups + int(used.sum()), int(supply.sum())
    load = np.minimum(demand[leaf], total)
    tail = [np.arange(groups), first, number[inner], number[inner], number[size + leaf]]
    head = [np.full(groups, sink), number[node], number[2 * inner], number[2 * inner + 1]]
    head.append(np.full(len(leaf), sink))
    plenty = np.full(len(inner), total)
    capacity = [supply, supply[first], plenty, plenty, load]
    zero = np.zeros(len(inner), np.int64)
    most = int(rank.max(initial=0)) + 1
    cost = [np.full(groups, most), rank[first], zero, zero, np.zeros(len(leaf), np.int64)]
    produced = np.zeros(sink + 1, np.int64)
    produced[:groups], produced[sink] = supply, -total
    tails, heads = np.concatenate(tail), np.concatenate(head)
    found = min_cost_flow(tails, heads, np.concatenate(capacity), np.concatenate(cost), produced)
    if found.status != "optimal":
        raise InternalError(f"the flow of a claim is {found.status}, which it can not be")
    flow = found.flow
    reached = _reached(tails, heads, flow, groups, sink)
    covers = flow[groups : groups + len(first)]
    pieces = _decomposed(first, node, covers, inner, flow[groups + len(first) :], size)
    served = np.zeros(n, bool)
    served[leaf] = reached[number[size + leaf]]
    return Claimed(pieces, reached[:groups], served)


def _cover(lo: Int64s, hi: Int64s, size: int) -> tuple[Int64s, Int64s]:
    """Return the tree's nodes whose positions make up each group's intervals, with the groups."""
    groups, nodes = [], []
    for begin, end in zip(lo, hi, strict=True):
        left, right = begin + size, np.maximum(end, begin) + size
        who = np.arange(len(begin))
        while len(who):
            open_ = left < right
            left, right, who = left[open_], right[open_], who[open_]
            odd = left % 2 == 1
            groups.append(who[odd])
            nodes.append(left[odd])
            last = right % 2 == 1
            groups.append(who[last])
            nodes.append(right[last] - 1)
            left, right = (left + odd) // 2, (right - last) // 2
    group, node = np.concatenate(groups), np.concatenate(nodes)
    order = np.lexsort((node, group))
    return group[order], node[order]


def _reached(tail: Int64s, head: Int64s, flow: Int64s, groups: int, sink: int) -> NDArray[np.bool_]:
    """Return the nodes that the residual network reaches from groups with an unclaimed unit.

    Arcs into the sink are left out: those of the positions are full where they are reached, as the
    flow is a largest one.
    """
    with extra("grid"):
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import breadth_first_order

    inner = head != sink
    back = inner & (flow > 0)
    begin = np.flatnonzero(flow[:groups] > 0)  # the first arcs are those of unclaimed units
    rows = np.concatenate([tail[inner], head[back], np.full(len(begin), sink)])
    columns = np.concatenate([head[inner], tail[back], begin])
    graph = csr_array((np.ones(len(rows), np.int8), (rows, columns)), (sink + 1, sink + 1))
    order = breadth_first_order(graph, sink, return_predecessors=False)
    found = np.zeros(sink + 1, bool)
    found[order] = True
    return found


def _decomposed(
    group: Int64s, node: Int64s, wh: Int64s, inner: Int64s, flow: Int64s, size: int
) -> Pieces:
    """Return the pieces from group to position of a flow through the tree, level by level."""
    down = np.zeros((2, 2 * size), np.int64)
    down[0, inner], down[1, inner] = flow[: len(inner)], flow[len(inner) : 2 * len(inner)]
    some = wh > 0
    group, node, wh = group[some], node[some], wh[some]
    level = np.frexp(node)[1] - 1
    at = Pieces(group[:0], node[:0], wh[:0])
    for depth in range(size.bit_length()):
        here = level == depth
        more = (group[here], node[here], wh[here])
        at = Pieces(*(np.concatenate(both) for both in zip(at, more, strict=True)))
        order = np.lexsort((at.source, at.target))
        at = Pieces(*(column[order] for column in at))
        if 1 << depth == size:
            break
        parents = np.unique(at.target)
        children = np.stack([2 * parents, 2 * parents + 1], axis=1).ravel()
        taken = np.stack([down[0, parents], down[1, parents]], axis=1).ravel()
        at = northwest(at.source, at.wh, children, taken)
    return Pieces(at.source, at.target - size, at.wh)
