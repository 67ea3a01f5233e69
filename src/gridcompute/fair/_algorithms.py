"""Algorithms of leximin shares: the greedy order, decomposition by cuts, and trying all vectors.

The order in which units are given out, in exact arithmetic, and the first units of it.

The k-th unit of participant i has the key ((k - 1) / weight[i], weight[i], i). Giving units in the
order of keys, each where it still fits, is the greedy algorithm of a polymatroid: it ends at the
integral vector whose sorted values share / weight are lexicographically largest. (Leximin is the
least sum of M**(-share / weight) for a large M, which is separable and convex; a unit that starts
at a lower level lowers it more, and of two that start at one level the one that lifts further.)
Units that are guaranteed come before all others. The last of them may be guaranteed in part only,
where a unit counts for more than one: there it lifts by that part.

Weights are exact fractions (of floats as well), so that levels are compared without rounding.
Arrays are int64 where no product can overflow, of Python ints elsewhere.

Decomposition of leximin by cuts: one max-flow a step, on groups of equal eligibility.

A step has participants with bounds and the classes that are theirs. It gives out as many units as
these classes have, in that order, as if all could use all, and sends the demands to the
classes by a maximum flow. If all are served the step is done: a level. Else those reachable in the
residual graph from unserved ones are a tight set: they use up all they can use. They and their
classes are one step, in which no share exceeds what was tried; the others, with the other classes,
are another, in which no share is below it (Groenevelt's decomposition algorithm for separable
objectives over a polymatroid). Each split takes classes or participants apart, so there are at most
twice as many flows as levels.

Leximin where a unit of one class is worth more to a tenant than of another: small worlds only.

The problem is NP-hard (two tenants, classes of one unit: dividing numbers into two halves), and no
cut proves its answers. So all vectors of shares that can be had are computed, class by class: the
least number of units of the class with which each vector is reached from those before, by the
recurrence of the unbounded knapsack, one tenant at a time.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import InternalError
from ..solvers.flow import INFINITE, min_cost_flow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Groups(NamedTuple):
    """Participants of equal eligibility, and the arcs to classes, by group and class."""

    of: NDArray[np.int64]  # (n,)
    arc_group: NDArray[np.int64]
    arc_class: NDArray[np.int64]
    n_classes: int


class Step(NamedTuple):
    """A level: participants, classes, and the flow on arcs that serves their shares."""

    members: NDArray[np.int64]
    classes: NDArray[np.int64]
    tight: bool
    arcs: NDArray[np.int64]
    flow: NDArray[np.int64]


def decompose(
    groups: Groups,
    capacity: NDArray[np.int64],
    high: NDArray[np.int64],
    owed: NDArray[np.int64],
    weight: list[Fraction],
    last: list[Fraction] | None,
) -> tuple[NDArray[np.int64], list[Step]]:
    """Return the leximin shares, and the levels from the tightest set to the last.

    `owed` units of each are guaranteed, of the last of them the part in `last` (None: all of it).
    """
    n = len(high)
    share = np.zeros(n, np.int64)
    low, high = np.zeros(n, np.int64), high.copy()
    steps: list[Step] = []
    waiting = [(np.arange(n), np.arange(groups.n_classes))]
    while waiting:
        members, classes = waiting.pop()
        if not len(members):
            continue
        budget = int(capacity[classes].sum())
        at = members.tolist()
        tried = first_units(
            budget,
            low[members],
            high[members],
            owed[members],
            [weight[i] for i in at],
            None if last is None else [last[i] for i in at],
        )
        arcs, flow, tight_groups = _serve(groups, capacity, members, classes, tried)
        inside = tight_groups[groups.of[members]]
        if not inside.any():
            share[members] = tried
            tight = int(tried.sum()) == budget
            steps.append(Step(members, classes, tight, arcs, flow))
            continue
        used = np.zeros(groups.n_classes, np.bool_)
        used[groups.arc_class[tight_groups[groups.arc_group]]] = True
        theirs = used[classes]
        high[members[inside]] = tried[inside]
        low[members[~inside]] = tried[~inside]
        waiting.append((members[~inside], classes[~theirs]))
        waiting.append((members[inside], classes[theirs]))
    return share, steps


def _serve(
    groups: Groups,
    capacity: NDArray[np.int64],
    members: NDArray[np.int64],
    classes: NDArray[np.int64],
    demand: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Send demands to classes by a maximum flow: arcs, flow, and the groups of the least cut.

    The cut holds what is reachable from unserved groups, which is one set whatever the flow is; no
    group is in it where all are served.
    """
    n_groups = int(groups.of.max()) + 1
    active, open_ = np.unique(groups.of[members]), np.zeros(groups.n_classes, np.bool_)
    open_[classes] = True
    here = np.zeros(n_groups, np.bool_)
    here[active] = True
    arcs = np.flatnonzero(here[groups.arc_group] & open_[groups.arc_class])
    # Node numbers: the active groups, then the classes, then the sink.
    node = np.zeros(n_groups, np.int64)
    node[active] = np.arange(len(active))
    place = np.zeros(groups.n_classes, np.int64)
    place[classes] = np.arange(len(classes))
    a, b = len(active), len(classes)
    tail, head = node[groups.arc_group[arcs]], place[groups.arc_class[arcs]]
    supply = np.zeros(a + b + 1, np.int64)
    np.add.at(supply, node[groups.of[members]], demand)
    total = int(demand.sum())
    supply[-1] = -total
    ones, zeros = np.ones(a, np.int64), np.zeros(len(arcs) + b, np.int64)
    found = min_cost_flow(
        np.concatenate([tail, a + np.arange(b), np.arange(a)]),
        np.concatenate([a + head, np.full(b, a + b), np.full(a, a + b)]),
        np.concatenate(
            [np.full(len(arcs), INFINITE), capacity[classes], supply[:a]],
        ),
        np.concatenate([zeros, ones]),  # a unit that is not served goes past the classes, at cost 1
        supply,
        # With two costs it is push-relabel: on 400,000 arcs 0.3 s, where network simplex took 3 s.
        method="cost_scaling",
    )
    if found.status != "optimal":
        raise InternalError(f"the maximum flow of a level ended as {found.status}")
    flow = found.flow[: len(arcs)]
    tight = np.zeros(n_groups, np.bool_)
    if found.objective:
        tight[active] = _reachable(tail, head, flow > 0, found.flow[-a:] > 0, b)
    return arcs, flow, tight


def _reachable(
    tail: NDArray[np.int64],
    head: NDArray[np.int64],
    used: NDArray[np.bool_],
    start: NDArray[np.bool_],
    n_classes: int,
) -> NDArray[np.bool_]:
    """Return the groups reachable from `start`: on to any usable class, back along used arcs."""
    groups, classes = start.copy(), np.zeros(n_classes, np.bool_)
    back_tail, back_head = tail[used], head[used]
    while True:
        classes[head[groups[tail]]] = True
        new = back_tail[classes[back_head]]
        if groups[new].all():
            return groups
        groups[new] = True


#: Sums and products below this are computed in int64.
_SAFE = 2**62


def exact_weights(weight: NDArray[Any], rate: NDArray[np.int64]) -> list[Fraction]:
    """Return weight / rate as fractions: the weight where a unit counts as one."""
    return [
        Fraction(w) / r if r > 1 else Fraction(w)
        for w, r in zip(weight.tolist(), rate.tolist(), strict=True)
    ]


def first_units(
    budget: int,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    owed: NDArray[np.int64],
    weight: list[Fraction],
    last: list[Fraction] | None = None,
) -> NDArray[np.int64]:
    """Return how many units each gets of the first `budget` in order, from `low` up to `high`.

    Units up to `owed` (the guarantees) come before all others; `last` says which part of the last
    of them is guaranteed (None: all of it). The sum is `budget`, or that of `high` if it is less;
    the sum of `low` is at most `budget`.
    """
    middle = np.maximum(low, np.minimum(high, owed))
    owing = total(middle)
    if owing > budget:
        return _first(budget, low, middle, weight, owed, last)
    if owing == budget:
        return middle
    return _first(budget, middle, high, weight)


def total(values: NDArray[Any]) -> int:
    """Return the exact sum of integers of any size."""
    if not len(values):
        return 0
    if int(values.max()) < _SAFE // len(values):
        return int(values.sum())
    return sum(values.tolist())


class _Levels:
    """Counts of units below a level p / 2**bits, for participants that have units to choose."""

    def __init__(self, low: NDArray[Any], high: NDArray[Any], weight: list[Fraction]) -> None:
        most = max(w.numerator for w in weight)
        # Levels are multiples of 1 / numerator, so that two different ones differ by 1 over the
        # product of two numerators or more: an interval of 2**-bits, open above, holds one.
        self.bits = 2 * most.bit_length()
        self.top = 1 + max(
            (h * w.denominator << self.bits) // w.numerator
            for h, w in zip(high.tolist(), weight, strict=True)
        )
        divisor = max(w.denominator for w in weight) << self.bits
        small = max(self.top * most, divisor, int(high.max()) * len(low)) < _SAFE
        self.exact = weight
        self.dtype: Any = np.int64 if small else object
        self.low, self.high = low.astype(self.dtype), high.astype(self.dtype)
        self.weight = np.array([w.numerator for w in weight], self.dtype)
        self.divisor = np.array([w.denominator << self.bits for w in weight], self.dtype)

    def below(self, p: int) -> NDArray[Any]:
        """Return how many units of each have a level below p / 2**bits, within its bounds."""
        count = -((-p * self.weight) // self.divisor)
        bounded: NDArray[Any] = np.minimum(np.maximum(count, self.low), self.high)
        return bounded


def _first(
    budget: int,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    weight: list[Fraction],
    owed: NDArray[np.int64] | None = None,
    last: list[Fraction] | None = None,
) -> NDArray[np.int64]:
    """Return the first units, all of them guaranteed or none."""
    if total(high) <= budget:
        return high.copy()
    out = low.copy()
    active = np.flatnonzero(high > low)
    at, room = active.tolist(), budget - total(low)
    chosen = [weight[i] for i in at]
    levels = _Levels(low[active], high[active], chosen)
    inside = room + total(low[active])  # of the active ones, after the choice
    below, above, width = _bracket(levels, inside)
    left = inside - total(below)

    def lift(j: int, k: int) -> Fraction:
        """Return the inverse of how far the unit after the k-th of j lifts its guaranteed part."""
        if last is None or owed is None or k + 1 < owed[at[j]]:
            return chosen[j]
        return chosen[j] / last[at[j]]

    # The units between the two counts, in exact order; where the width is 1 they have one level.
    span = np.flatnonzero(above > below).tolist()
    if width == 1:
        ties = sorted(span, key=lambda j: (lift(j, int(below[j])), chosen[j], j))
        for j in ties[:left]:
            below[j] += 1
    else:
        units = [
            (k / chosen[j], lift(j, k), chosen[j], j)
            for j in span
            for k in range(int(below[j]), int(above[j]))
        ]
        for *_, j in sorted(units)[:left]:
            below[j] += 1
    out[active] = below.astype(np.int64)
    return out


def _bracket(levels: _Levels, inside: int) -> tuple[NDArray[Any], NDArray[Any], int]:
    """Return counts at two levels, at most `inside` in sum and more, and the levels' distance."""
    few = 0 if levels.dtype is np.int64 else 4 * len(levels.low) + 1000
    p, q = 0, levels.top
    below, above = levels.low.copy(), levels.high.copy()
    if levels.dtype is object:
        p, q, below, above = _near(levels, inside, p, q, below, above)
    while q - p > 1 and total(above) - total(below) > few:
        middle = (p + q) // 2
        count = levels.below(middle)
        if total(count) <= inside:
            p, below = middle, count
        else:
            q, above = middle, count
    return below, above, q - p


def _near(
    levels: _Levels, inside: int, p: int, q: int, below: NDArray[Any], above: NDArray[Any]
) -> tuple[int, int, NDArray[Any], NDArray[Any]]:
    """Narrow the bracket by a level found in floats, each end checked exactly."""
    try:
        weight = np.array([float(w) for w in levels.exact])
        low, high = levels.low.astype(np.float64), levels.high.astype(np.float64)
        lowest, highest = 0.0, levels.top / (1 << levels.bits)
    except OverflowError:
        return p, q, below, above
    with np.errstate(over="ignore"):
        for _ in range(64):
            middle = (lowest + highest) / 2
            if np.clip(np.ceil(middle * weight), low, high).sum() <= inside:
                lowest = middle
            else:
                highest = middle
    for margin in (2.0**-46, 2.0**-36, 2.0**-20):
        ends = [Fraction(lowest) * Fraction(1 - margin), Fraction(highest) * Fraction(1 + margin)]
        first = math.floor(ends[0] * (1 << levels.bits))
        last = math.ceil(ends[1] * (1 << levels.bits))
        for end in (first, last):
            if p < end < q:
                count = levels.below(end)
                if total(count) <= inside:
                    p, below = end, count
                else:
                    q, above = end, count
        if p >= first and q <= last:
            break
    return p, q, below, above


#: The most vectors of shares, and the most steps (vectors * tenants * classes), that are tried:
#: some seconds, and a few hundred megabytes.
MOST_VECTORS, MOST_STEPS = 2**22, 2**26

_FAR = np.int32(2**30)  # more units than any class is asked for


def bounds_of(
    rate: NDArray[np.int64], capacity: NDArray[np.int64], most: NDArray[np.int64]
) -> list[int]:
    """Return the most that each can have, in units of the gcd of its rates."""
    out = []
    for row, bound in zip(rate.tolist(), most.tolist(), strict=True):
        unit = math.gcd(*row) or 1
        room = sum(r * c for r, c in zip(row, capacity.tolist(), strict=True))
        out.append(min(bound, room) // unit)
    return out


def steps_of(bounds: Sequence[int], n_classes: int) -> tuple[int, int]:
    """Return how many vectors there are, and how many steps it takes to try them."""
    vectors = math.prod(b + 1 for b in bounds)
    return vectors, vectors * max(1, len(bounds)) * max(1, n_classes)


def try_all(
    rate: NDArray[np.int64],
    capacity: NDArray[np.int64],
    most: NDArray[np.int64],
    owed: NDArray[np.int64],
    weight: NDArray[Any],
) -> NDArray[np.int64]:
    """Return the units of each class that each tenant holds in a leximin allocation.

    Of several with the same sorted shares, the one whose shares are lexicographically largest.
    """
    bounds = bounds_of(rate, capacity, most)
    some = np.flatnonzero(np.array(bounds) > 0)  # an array has few dimensions: leave out the others
    if len(some) < len(bounds):
        units = np.zeros(rate.shape, np.int64)
        units[some] = try_all(rate[some], capacity, most[some], owed[some], weight[some])
        return units
    n, n_classes = rate.shape
    unit = [math.gcd(*row) or 1 for row in rate.tolist()]
    shape = tuple(b + 1 for b in bounds)
    reach = np.zeros(shape, np.bool_)
    reach[(0,) * n] = True
    before = []
    for s in range(n_classes):
        before.append(reach)
        reach = _units(reach, _steps(rate, unit, s))[-1] <= capacity[s]
    vectors = np.argwhere(reach)
    best = vectors[_best(vectors, bounds, unit, owed.tolist(), weight.tolist())]
    units = np.zeros(rate.shape, np.int64)
    at = best.tolist()
    for s in range(n_classes - 1, -1, -1):
        steps = _steps(rate, unit, s)
        least = _units(before[s], steps)
        for i in range(n - 1, -1, -1):
            while steps[i] and least[i + 1][tuple(at)] < least[i][tuple(at)]:
                at[i] -= steps[i]
                units[i, s] += 1
    return units


def _steps(rate: NDArray[np.int64], unit: list[int], s: int) -> list[int]:
    """Return by how much a unit of class s lifts each share, in units of its gcd."""
    return [int(r) // u for r, u in zip(rate[:, s], unit, strict=True)]


def _units(reach: NDArray[np.bool_], steps: list[int]) -> list[NDArray[np.int32]]:
    """Return the least units that lead to each vector, with the first 0, 1, ... tenants in it."""
    out = [np.where(reach, np.int32(0), _FAR)]
    for i, step in enumerate(steps):
        least = np.moveaxis(out[-1].copy(), i, 0)
        if step:
            for x in range(step, len(least)):
                here, other = least[x : x + 1], least[x - step : x - step + 1]
                np.minimum(here, other + np.int32(1), out=here)
        out.append(np.moveaxis(least, 0, i))
    return out


def _best(
    vectors: NDArray[np.int64],
    bounds: list[int],
    unit: list[int],
    owed: list[int],
    weight: list[Any],
) -> int:
    """Return the index of the leximin vector; guaranteed parts are compared first."""
    n = len(bounds)
    left = np.arange(len(vectors))
    for guaranteed in (True, False):
        shares = [[x * u for x in range(b + 1)] for b, u in zip(bounds, unit, strict=True)]
        if guaranteed:
            shares = [[min(x, g) for x in row] for row, g in zip(shares, owed, strict=True)]
        levels = [
            [Fraction(x) / Fraction(w or 1) for x in row]
            for row, w in zip(shares, weight, strict=True)
        ]
        order = {v: k for k, v in enumerate(sorted({v for row in levels for v in row}))}
        table = np.zeros((len(left), n), np.int64)
        for i, row in enumerate(levels):
            table[:, i] = np.array([order[v] for v in row], np.int64)[vectors[left, i]]
        table.sort(axis=1)
        for k in range(table.shape[1]):
            keep = table[:, k] == table[:, k].max()
            left, table = left[keep], table[keep]
    return int(left[-1])  # argwhere is in lexicographical order
