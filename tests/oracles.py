"""Slow, readable solvers that tests compare with: exact, in Python numbers, for tiny instances."""

from __future__ import annotations

import math
from collections import deque
from fractions import Fraction
from functools import cache
from typing import Any

Number = int | Fraction | float


def exact(value: Any) -> Number:
    """The number without rounding; infinity stays a float."""
    value = value.item() if hasattr(value, "item") else value
    return value if isinstance(value, int) or math.isinf(value) else Fraction(value)


def transport_brute(cost: Any, capacity: Any, demand: Any = None, unplaced: Any = None) -> Number:
    """The least total cost over all assignments, inf if there is none. Gangs whole."""
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
    """The same for unit demand, by successive shortest paths on the bipartite graph.

    Jobs enter one by one; each time the cheapest alternating path (Bellman and Ford, so negative
    arcs are no matter) from the new job to a class with room moves jobs along.
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
