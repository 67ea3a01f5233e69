"""Checks of fair shares: of leximin by cuts, of leximin with unequal rates, of dominant shares.

None of them shares code with what computes the shares.

Leximin where rates of a tenant differ. All vectors of shares that can be had are one large integer,
a bit each: giving a unit of a class to a tenant shifts the bits. None of them may be better than
the one that is claimed.

Leximin by cuts. Shares are optimal if they can be allocated, and each participant that could take
one more unit is in a tight set: all that the set can use is used by the set itself, and no unit
given within the set comes after the unit that is wanted. (The unit wanted cannot then replace a
later one: the exchange condition of a polymatroid, for all participants at once.) The level of a
participant claims that all levels up to it together are a set of this kind.

Units are compared by (is it beyond the guarantee?, share / weight before it, by how much it lifts
that, as far as it is guaranteed and in all).

Dominant shares by each tenant's limiting resource. Progressive filling gives tasks in one order,
each where it still fits, and no more to a tenant whose task did not fit. Counts of tasks are its
result if they fit together and, for each tenant that requests more, some resource has no room for
its next task after all given tasks that come before it. Proof by the first task in which the two
differ.
"""

from __future__ import annotations

import math
from fractions import Fraction
from math import gcd
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


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


def task_refutations(
    demand: Sequence[Sequence[Fraction]],
    capacity: Sequence[Fraction],
    most: Sequence[int],
    weight: Sequence[float],
    answer: Any,
) -> list[str]:
    """Return what is wrong with the fields of `TaskShares`, [] if they are proved.

    `most` bounds the tasks of each.
    """
    n, n_resources = len(demand), len(capacity)
    for name, size in (("tasks", n), ("share", n), ("dominant", n), ("bottleneck", n)):
        if getattr(answer, name).shape != (size,):
            return [f"{name}: found shape {getattr(answer, name).shape}, needed ({size},)"]
    tasks: list[int] = answer.tasks.tolist()
    bottleneck: list[int] = answer.bottleneck.tolist()
    for i, count in enumerate(tasks):
        if not 0 <= count <= most[i]:
            return [f"tasks[{i}]: found {count}, needed 0 to {most[i]}"]
    totals = [
        sum((d[r] * x for d, x in zip(demand, tasks, strict=True)), Fraction(0))
        for r in range(n_resources)
    ]
    for r, used in enumerate(totals):
        if used > capacity[r]:
            return [f"resource {r} has {capacity[r]}, the tasks use {used}"]
    if answer.used.tolist() != [float(used) for used in totals]:
        return [f"used: found {answer.used}, the tasks use {[float(used) for used in totals]}"]
    level: list[Fraction] = []  # by how much a task raises its tenant's share / weight
    for i in range(n):
        parts = [d / c if c else Fraction(0) for d, c in zip(demand[i], capacity, strict=True)]
        part = max(parts, default=Fraction(0))
        first = parts.index(part) if part else -1
        if (answer.share[i], answer.dominant[i]) != (float(part * tasks[i]), first):
            return [
                f"share[{i}]: found {answer.share[i]} of resource {answer.dominant[i]}, the "
                f"tasks give {float(part * tasks[i])} of {first}"
            ]
        level.append(part / Fraction(weight[i] or 1))

    def before(j: int, height: Fraction, step: Fraction, i: int) -> int:
        """Return how many tasks of j come before a task at that height, with that step, of i."""
        if level[j] == 0:
            return tasks[j]
        whole, rest = divmod(height, level[j])
        # Of tasks at equal height the larger step comes first, then the lower index.
        tie = rest == 0 and (-level[j], j) < (-step, i)
        return min(tasks[j], int(whole) + (1 if rest or tie else 0))

    waiting = [i for i in range(n) if tasks[i] < most[i]]
    lightest: dict[int, Fraction] = {}
    for i in sorted(waiting, key=lambda i: (level[i] * tasks[i], -level[i], i)):
        r = bottleneck[i]
        if not 0 <= r < n_resources or demand[i][r] == 0:
            return [f"bottleneck[{i}]: found {r}, needed a resource that its tasks take"]
        if r in lightest and demand[i][r] >= lightest[r]:
            continue  # no room for a smaller task earlier
        height = level[i] * tasks[i]
        used = sum(
            (demand[j][r] * before(j, height, level[i], i) for j in range(n) if demand[j][r]),
            Fraction(0),
        )
        if used + demand[i][r] <= capacity[r]:
            return [f"tasks[{i}]: found {tasks[i]}, and resource {r} has room for one more"]
        lightest[r] = demand[i][r]
    return []
