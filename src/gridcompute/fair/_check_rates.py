"""Check of leximin shares where rates of a tenant differ; it shares no code with the search.

All vectors of shares that can be had are one large integer, a bit each: giving a unit of a class to
a tenant shifts the bits. None of them may be better than the one that is claimed.
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["better"]


def better(
    rate: Sequence[Sequence[int]],
    capacity: Sequence[int],
    most: Sequence[int],
    owed: Sequence[int],
    weight: Sequence[Any],
    share: Sequence[int],
) -> list[int] | None:
    """Return shares that can be had and are better than `share`, or None if there are none."""
    n = len(rate)
    unit = [gcd(*row) or 1 for row in rate]  # shares are multiples of it
    size = [
        min(m, sum(r * c for r, c in zip(row, capacity, strict=True))) // u + 1
        for m, row, u in zip(most, rate, unit, strict=True)
    ]
    stride, total = [], 1
    for s in size:
        stride.append(total)
        total *= s
    reach = 1
    for s, units in enumerate(capacity):
        moves = []
        for i in range(n):
            step = rate[i][s] // unit[i]
            if 0 < step < size[i]:  # from shares below size - step only, so that no digit carries
                block = (1 << (stride[i] * (size[i] - step))) - 1
                moves.append((_repeat(block, stride[i] * size[i], total), step * stride[i]))
        for _ in range(units if moves else 0):
            wider = reach
            for mask, shift in moves:
                wider |= (reach & mask) << shift
            if wider == reach:
                break
            reach = wider
    bits = np.frombuffer(reach.to_bytes(total // 8 + 1, "little"), np.uint8)
    found = np.flatnonzero(np.unpackbits(bits, bitorder="little"))
    vectors = np.stack([found // t % s for t, s in zip(stride, size, strict=True)], axis=1)
    for i, u in enumerate(unit):
        vectors[:, i] *= u
    return _first_better(vectors, owed, weight, list(share))


def _repeat(block: int, period: int, total: int) -> int:
    """Return the block of bits at every multiple of the period below the total."""
    out, length = block, period
    while length < total:
        out |= out << length
        length *= 2
    return out & ((1 << total) - 1)


def _first_better(
    vectors: NDArray[np.int64],
    owed: Sequence[int],
    weight: Sequence[Any],
    share: list[int],
) -> list[int] | None:
    """Return a vector that is lexicographically larger, sorted, than the share."""
    rows = np.arange(len(vectors))
    for first in (True, False):
        height: list[dict[int, Fraction]] = []
        for i, x in enumerate(share):
            had = [*np.unique(vectors[rows, i]).tolist(), x]
            size = Fraction(weight[i] or 1)
            height.append({y: (min(y, owed[i]) if first else y) / size for y in had})
        claim = sorted(row[x] for x, row in zip(share, height, strict=True))
        values = sorted({v for row in height for v in row.values()})
        place = {v: k for k, v in enumerate(values)}
        columns = []
        for i, row in enumerate(height):
            values_had, index = np.unique(vectors[rows, i], return_inverse=True)
            columns.append(np.array([place[row[x]] for x in values_had.tolist()], np.int64)[index])
        table = np.sort(np.stack(columns, axis=1), axis=1)
        for k, value in enumerate(claim):
            above = table[:, k] > place[value]
            if above.any():
                return [int(x) for x in vectors[rows[int(above.argmax())]]]
            same = table[:, k] == place[value]
            rows, table = rows[same], table[same]
    return None
