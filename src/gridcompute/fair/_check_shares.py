"""Check of leximin shares by their cuts; it shares no code with what computes them.

Shares are optimal if they can be allocated, and each participant that could take one more unit is
in a tight set: all that the set can use is used by the set itself, and no unit given within the set
comes after the unit that is wanted. (The unit wanted cannot then replace a later one: the exchange
condition of a polymatroid, for all participants at once.) The level of a participant claims that
all levels up to it together are a set of this kind.

Units are compared by (is it beyond the guarantee?, share / weight before it, by how much it lifts
that, as far as it is guaranteed and in all).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["infeasibilities", "refutations"]

Key = tuple[bool, Fraction, Fraction, Fraction]


Arcs = tuple["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.int64]"]


def _rounds_to(value: float, exact: Fraction | None) -> bool:
    """Return whether a double is the number but for three roundings; None is infinite."""
    if exact is None or exact >= 2**1024:
        return value == math.inf
    return math.isfinite(value) and abs(Fraction(value) - exact) <= exact / 2**50


def infeasibilities(
    rate: NDArray[Any],
    capacity: NDArray[np.int64],
    most: Sequence[int],
    share: NDArray[np.int64],
    arcs: Arcs,
) -> list[str]:
    """Return what is wrong with the allocation, [] if it keeps every rule and gives the shares.

    `rate` (n, n_classes) says what a unit of a class is worth, 0 = not usable; `most` bounds the
    share; `arcs` are participants, classes and units.
    """
    n, n_classes = rate.shape
    try:
        rows, columns, units = arcs
    except ValueError:  # forged
        return [f"arcs: found {len(arcs)} arrays, needed 3"]
    for name, index, size in (("tenant", rows, n), ("class", columns, n_classes)):
        if len(index) and (index.min() < 0 or index.max() >= size):
            return [f"allocation: found a {name} out of range, needed 0 to {size - 1}"]
    if not len(rows) == len(columns) == len(units) or share.shape != (n,):
        return ["allocation: found arrays of different lengths"]
    if len(units) and units.min() < 0:
        return [f"allocation: found {units.min()} units, needed 0 or more"]
    worth = rate[rows, columns]
    if (worth == 0).any():
        k = int((worth == 0).argmax())
        return [f"allocation: tenant {rows[k]} may not use class {columns[k]}"]
    load, gained = [0] * n_classes, [0] * n
    for i, s, u, r in zip(
        rows.tolist(), columns.tolist(), units.tolist(), worth.tolist(), strict=True
    ):
        load[s] += u
        gained[i] += u * int(r)
    for s, used in enumerate(load):
        if used > capacity[s]:
            return [f"allocation: class {s} has {capacity[s]} units, {used} are given"]
    for i, x in enumerate(share.tolist()):
        if x != gained[i]:
            return [f"share[{i}]: found {x}, the allocation gives {gained[i]}"]
        if x > most[i]:
            return [f"share[{i}]: found {x}, needed at most {most[i]}"]
    return []


def refutations(
    rate: NDArray[Any],
    capacity: NDArray[np.int64],
    most: Sequence[int],
    owed: Sequence[int],
    weight: Sequence[float],
    share: NDArray[np.int64],
    arcs: Arcs,
    levels: Sequence[Any],
) -> list[str]:
    """Return what is wrong with the shares, [] if they are proved.

    Beside what `infeasibilities` takes: `owed` is the guarantee, `levels` are those of `Shares`.
    """
    wrong = infeasibilities(rate, capacity, most, share, arcs)
    if wrong:
        return wrong
    n, n_classes = rate.shape
    held = [0] * n
    for i, u in zip(arcs[0].tolist(), arcs[2].tolist(), strict=True):
        held[i] += u
    value = [int(r) for r in rate.max(axis=1, initial=0).tolist()]

    def key(i: int, k: int) -> Key:
        """Return the key of the k-th unit of participant i, from 1."""
        size, start = Fraction(weight[i] or 1), (k - 1) * value[i]
        guaranteed = start < owed[i]
        lifts = min(value[i], owed[i] - start) if guaranteed else value[i]
        return (not guaranteed, start / size, -lifts / size, -value[i] / size)

    proved = np.zeros(n, np.bool_)
    open_ = np.zeros(n_classes, np.bool_)
    room = [int(c) for c in capacity.tolist()]
    inside, last = 0, None
    for j, level in enumerate(levels):
        members = level.tenants
        if len(members) and (members.min() < 0 or members.max() >= n):
            return [f"levels[{j}]: found a tenant out of range"]
        if proved[members].any() or (np.diff(members) <= 0).any():
            return [f"levels[{j}]: found a tenant that is in two levels, or not in order"]
        proved[members] = True
        before = open_.copy()
        open_ |= (rate[members] > 0).any(axis=0)
        wants = []
        for i in members.tolist():
            inside += held[i]
            if held[i]:
                now = key(i, held[i])
                last = now if last is None or now > last else last
            if value[i] and share[i] + value[i] <= most[i]:
                wants.append(i)
        usable = sum(room[s] for s in np.flatnonzero(open_).tolist())
        if wants and usable != inside:
            return [
                f"levels[{j}]: its tenants and those below can use {usable} units and hold "
                f"{inside}, and tenant {wants[0]} wants more"
            ]
        for i in wants:
            if last is not None and key(i, held[i] + 1) < last:
                return [f"levels[{j}]: tenant {i} wants a unit that comes before one given in it"]
        found = (usable == inside, usable, inside)
        if (level.tight, level.capacity, level.used) != found:
            return [f"levels[{j}]: tight, capacity and used are not {found}"]
        if not np.array_equal(level.classes, np.flatnonzero(open_ & ~before)):
            return [f"levels[{j}].classes: they are not those that this level adds"]
        asking = [i for i in members.tolist() if share[i] + max(value[i], 1) <= most[i]]
        least = min(
            (Fraction(int(share[i])) / Fraction(weight[i] or 1) for i in asking), default=None
        )
        if not _rounds_to(level.value, least):
            return [f"levels[{j}].value: found {level.value}, the least share / weight is {least}"]
    if not proved.all():
        return [f"tenant {int((~proved).argmax())} is in no level"]
    return []
