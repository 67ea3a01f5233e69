"""Leximin where a unit of one class is worth more to a tenant than of another: small worlds only.

The problem is NP-hard (two tenants, classes of one unit: dividing numbers into two halves), and no
cut proves its answers. So all vectors of shares that can be had are computed, class by class: the
least number of units of the class with which each vector is reached from those before, by the
recurrence of the unbounded knapsack, one tenant at a time.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["MOST_STEPS", "MOST_VECTORS", "bounds_of", "steps_of", "try_all"]

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
