"""Slow, readable solvers to compare with: exact, in Python numbers, for tiny instances."""

from __future__ import annotations

import itertools
import math
from collections import deque
from fractions import Fraction
from functools import cache
from typing import Any

Number = int | Fraction | float


def exact(value: Any) -> Number:
    """Return the number without rounding; infinity stays a float."""
    value = value.item() if hasattr(value, "item") else value
    return value if isinstance(value, int) or math.isinf(value) else Fraction(value)


def transport_brute(cost: Any, capacity: Any, demand: Any = None, unplaced: Any = None) -> Number:
    """Return the least total cost over all assignments, inf if there is none; gangs stay whole.

    Parameters
    ----------
    cost, capacity, demand, unplaced : as `gridcompute.transport` takes them
        Up to some six jobs and four classes; `unplaced` an array.

    Returns
    -------
    int, fractions.Fraction or inf
        Exact: floats are taken as the fractions that they are.

    Examples
    --------
    >>> transport_brute([[4, 1], [2, 1], [5, 1]], [2, 1])
    7
    """
    n_jobs, n_slots = len(cost), len(capacity)
    weight = [1] * n_jobs if demand is None else [int(w) for w in demand]
    out = [math.inf] * n_jobs if unplaced is None else [exact(x) for x in unplaced]

    @cache
    def best(job: int, room: tuple[int, ...]) -> Number:
        if job == n_jobs:
            return 0
        least: Number = math.inf
        if not math.isinf(out[job]):
            least = out[job] + best(job + 1, room)
        for s in range(n_slots):
            price = exact(cost[job][s])
            if not math.isinf(price) and room[s] >= weight[job]:
                rest = (*room[:s], room[s] - weight[job], *room[s + 1 :])
                least = min(least, price + best(job + 1, rest))
        return least

    total = sum(weight)
    return best(0, tuple(min(int(u), total) for u in capacity))


def transport_paths(cost: Any, capacity: Any, unplaced: Any = None) -> Number:
    """Return the same for unit demand, by successive shortest paths on the bipartite graph.

    For some dozens of jobs. Jobs enter one by one; each time the cheapest alternating path from the
    new job to a class with room moves jobs along (Bellman and Ford: arcs may be negative).

    Parameters
    ----------
    cost, capacity, unplaced : as in `transport_brute`

    Returns
    -------
    int, fractions.Fraction or inf

    Examples
    --------
    >>> transport_paths([[4, 1], [2, 1], [5, 1]], [2, 1])
    7
    """
    n_jobs, n_slots = len(cost), len(capacity)
    price = [[exact(c) for c in row] for row in cost]
    room = [int(u) for u in capacity]
    if unplaced is not None:  # being left out is one more class, with room for all
        price = [[*row, exact(x)] for row, x in zip(price, unplaced, strict=True)]
        room.append(n_jobs)
        n_slots += 1
    inside: list[list[int]] = [[] for _ in range(n_slots)]
    total: Number = 0
    for job in range(n_jobs):
        length: list[Number] = list(price[job])
        came: list[tuple[int, int] | None] = [None] * n_slots  # (class before, job that moves)
        todo = deque(s for s in range(n_slots) if not math.isinf(length[s]))
        while todo:
            s = todo.popleft()
            for mover in inside[s]:
                for t in range(n_slots):
                    if t == s or math.isinf(price[mover][t]):
                        continue
                    there = length[s] + price[mover][t] - price[mover][s]
                    if there < length[t]:
                        length[t], came[t] = there, (s, mover)
                        if t not in todo:
                            todo.append(t)
        ends = [s for s in range(n_slots) if len(inside[s]) < room[s]]
        end = min(ends, key=lambda s: length[s], default=None)
        if end is None or math.isinf(length[end]):
            return math.inf
        total += length[end]
        while (step := came[end]) is not None:
            before, mover = step
            inside[before].remove(mover)
            inside[end].append(mover)
            end = before
        inside[end].append(job)
    return total


def assignment_brute(cost: Any, maximize: bool = False) -> Number:
    """Return the best total over all assignments of the shorter side, tried one by one.

    Parameters
    ----------
    cost : matrix of up to some six rows or columns; inf (-inf when maximizing) forbids
    maximize : bool

    Returns
    -------
    int, fractions.Fraction, or inf (-inf) if there is none

    Examples
    --------
    >>> assignment_brute([[4, 1, 3], [2, 0, 5], [3, 2, 2]])
    5
    """
    sign = -1 if maximize else 1
    rows = [[sign * exact(c) for c in row] for row in cost]
    if rows and len(rows) > len(rows[0]):
        rows = [list(column) for column in zip(*rows, strict=True)]
    if not rows or not rows[0]:
        return 0
    totals = []
    for columns in itertools.permutations(range(len(rows[0])), len(rows)):
        costs = [row[k] for row, k in zip(rows, columns, strict=True)]
        totals.append(math.inf if any(map(math.isinf, costs)) else sum(costs))
    return sign * min(totals)


def flow_paths(
    tail: Any, head: Any, capacity: Any, cost: Any, supply: Any, lower: Any = None
) -> Number:
    """Return the least cost of a feasible flow by successive shortest paths, inf if there is none.

    Parameters
    ----------
    tail, head, capacity, cost, supply, lower : as `gridcompute.min_cost_flow` takes them
        For graphs of some dozens of arcs with finite capacities.

    Returns
    -------
    int or inf

    Examples
    --------
    >>> flow_paths([0, 0, 1], [1, 2, 2], [3, 2, 9], [1, 4, 1], [4, 0, -4])
    10
    """
    arcs = [[int(x) for x in row] for row in zip(tail, head, capacity, cost, strict=True)]
    least = [0] * len(arcs) if lower is None else [int(x) for x in lower]
    need = [int(b) for b in supply]
    total = 0
    residual: list[list[int]] = []  # from, to, room, cost; k ^ 1 is the reverse of k
    for (t, h, most, price), low in zip(arcs, least, strict=True):
        if low > most:
            return math.inf
        flow = most if price < 0 else low  # with negative arcs full, no residual cost is negative
        need[t] -= flow
        need[h] += flow
        total += flow * price
        residual.append([t, h, most - flow, price])
        residual.append([h, t, flow - low, -price])
    if sum(need):
        return math.inf
    while any(b > 0 for b in need):
        length: list[float] = [0 if b > 0 else math.inf for b in need]
        came: list[int | None] = [None] * len(need)
        changed = True
        while changed:
            changed = False
            for k, (a, b, room, price) in enumerate(residual):
                if room > 0 and length[a] + price < length[b]:
                    length[b], came[b], changed = length[a] + price, k, True
        ends = [v for v, b in enumerate(need) if b < 0 and length[v] < math.inf]
        if not ends:
            return math.inf
        end = min(ends, key=lambda v: length[v])
        path, v = [], end
        while (step := came[v]) is not None:
            path.append(step)
            v = residual[step][0]
        units = min([need[v], -need[end], *(residual[k][2] for k in path)])
        for k in path:
            residual[k][2] -= units
            residual[k ^ 1][2] += units
            total += units * residual[k][3]
        need[v] -= units
        need[end] += units
    return total
