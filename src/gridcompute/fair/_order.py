"""The order in which units are given out, in exact arithmetic, and the first units of it.

The k-th unit of participant i has the key ((k - 1) / weight[i], weight[i], i). Giving units in the
order of keys, each where it still fits, is the greedy algorithm of a polymatroid: it ends at the
integral vector whose sorted values share / weight are lexicographically largest. (Leximin is the
least sum of M**(-share / weight) for a large M, which is separable and convex; a unit that starts
at a lower level lowers it more, and of two that start at one level the one that lifts further.)
Units that are guaranteed come before all others. The last of them may be guaranteed in part only,
where a unit counts for more than one: there it lifts by that part.

Weights are exact fractions (of floats as well), so that levels are compared without rounding.
Arrays are int64 where no product can overflow, of Python ints elsewhere.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["exact_weights", "first_units", "total"]

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
