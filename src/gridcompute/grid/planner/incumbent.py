"""The plan a solve begins with: nothing placed, or what stands, filled up greedily.

A solve may end at any moment, by its time limit or by its caller, and careful methods are no
guarantee. So the cheapest of a few plans that cost next to nothing to find is there first, and the
plan that comes back is never dearer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .local_search import fill

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ... import _core
    from ..plan.columns import Placement
    from ..tables.column import Floats, Int32s
    from .match import Solve

__all__ = ["Best", "fill_up", "first_plans", "greedy"]


class Best:
    """The cheapest placement found, with its cost."""

    def __init__(self, klass: Int32s, start: Int32s, cost: float, room: _core.Room) -> None:
        self.klass, self.start, self.cost, self.room = klass, start, cost, room


def first_plans(solve: Solve, y: Floats, placement: Placement | None) -> None:
    """Set the best plan of `solve` to the cheapest of those that are there at once.

    They are: nothing placed; the jobs kept where their table says they were; the jobs kept where
    `placement` has them, if it is one of as many jobs; and each of these with all other jobs placed
    greedily, at the prices `y` and at the tariffs.
    """
    for klass, start in _standing(solve, placement):
        keep = solve.by_size[klass[solve.by_size] >= 0]
        offer(solve, keep, (klass, start), None)
        for guide in _guides(solve, y):
            for order in _orders(solve):
                offer(solve, keep, (klass, start), guide, order)


def offer(
    solve: Solve,
    keep: Int32s,
    placed: tuple[Int32s, Int32s],
    guide: Floats | None,
    order: Int32s | None = None,
) -> None:
    """Make the plan that keeps jobs where they are placed the best one of `solve`, if it is.

    With a `guide`, prices of the rows, all jobs of `order` that do not stay are placed after them.
    """
    room, klass, start = solve.settled(None)
    room.settle(keep, placed[0][keep], placed[1][keep], klass, start)
    if guide is not None:
        assert order is not None
        rest = np.ascontiguousarray(order[klass[order] < 0])
        room.place(*solve.rows.unpack(guide), rest, klass, start)
    found = solve.judged(klass, start, room)
    if solve.best is None or found.cost < solve.best.cost:
        solve.best = found


def greedy(solve: Solve, y: Floats) -> Best:
    """The plan of all jobs placed at the prices `y`, large ones first."""
    room, klass, start = solve.settled(None)
    room.place(*solve.rows.unpack(y), solve.by_size, klass, start)
    return solve.judged(klass, start, room)


def fill_up(solve: Solve) -> None:
    """Fill the best plan of `solve` greedily, until no prices and no order make it cheaper.

    What keeps the plan and fills it up again, as `first_plans` does, then finds the plan itself.
    """
    again = True
    while again:
        again = False
        for guide in _guides(solve, solve.y):
            for order in _orders(solve):
                again |= fill(solve, guide, order)


def _standing(solve: Solve, placement: Placement | None) -> Iterator[tuple[Int32s, Int32s]]:
    """Placements to begin with, each different from those before it."""
    jobs = solve.problem.jobs
    nobody = np.full(len(jobs), -1, np.int32)
    found = [(nobody, nobody)]
    given = [(jobs.placed_class, jobs.placed_start)]
    if placement is not None and len(placement.klass) == len(jobs):
        given.append((placement.klass, placement.start))
    for other in given:
        if not any(np.array_equal(other, known) for known in found):
            found.append(other)
    yield from found


def _guides(solve: Solve, y: Floats) -> Iterator[Floats]:
    """Prices to place jobs at; where jobs are many only those at hand."""
    yield y
    if solve.few:
        energy = solve.problem.energy
        carbon = energy.carbon_yuan_per_t * solve.problem.carbon_g_per_kwh / 1e6
        zero = solve.rows.unpack(np.zeros_like(y))
        yield solve.rows.pack(zero.capacity, energy.tariff_yuan_per_kwh + carbon, *zero[2:])


def _orders(solve: Solve) -> Iterator[Int32s]:
    """Orders to place jobs in; where jobs are many only the large ones first."""
    yield solve.by_size
    if solve.few:
        worth = solve.problem.jobs.value_yuan / np.maximum(solve.size, 1.0)
        yield np.argsort(-worth, kind="stable").astype(np.int32)
