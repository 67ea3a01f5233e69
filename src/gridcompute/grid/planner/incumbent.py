"""The plan that a solve begins with: no job placed, or the placement given, filled up greedily.

A solve may end at any moment, by its time limit or by its caller, before any careful method has a
plan. So the cheapest of a few plans that take almost no time is made first, and the plan that is
returned never costs more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .local_search import fill
from .settings import GREEDY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..plan.columns import Placement
    from ..tables.column import Floats, Int32s
    from .state import Incumbent, PlannerState

__all__ = ["greedy", "initial_plans", "insert_until_stable"]


def initial_plans(state: PlannerState, y: Floats, placement: Placement | None) -> None:
    """Set the best plan of `state` to the cheapest of those that are available at once.

    They are: no job placed; the jobs kept where their table places them; the jobs kept where
    `placement` has them, if it is one of as many jobs; and each of these with all other jobs placed
    greedily, at the prices `y` and at the tariffs.
    """
    for klass, start in _standing(state, placement):
        keep = state.by_size[klass[state.by_size] >= 0]
        offer(state, keep, (klass, start), None)
        for guide in _guides(state, y):
            for order in _orders(state):
                offer(state, keep, (klass, start), guide, order)


def offer(
    state: PlannerState,
    keep: Int32s,
    placed: tuple[Int32s, Int32s],
    guide: Floats | None,
    order: Int32s | None = None,
) -> None:
    """Make the plan that keeps the jobs `keep` the best one of `state`, if it is.

    With a `guide`, prices of the rows, all other jobs of `order` are placed after them.
    """
    room, klass, start = state.settled(None)
    room.place_at(keep, placed[0][keep], placed[1][keep], klass, start)
    if guide is not None:
        assert order is not None
        rest = np.ascontiguousarray(order[klass[order] < 0])
        state.rows.place(room, guide, rest, klass, start)
    found = state.judged(klass, start, room)
    if state.best is None or found.cost < state.best.cost:
        state.best = found


def greedy(state: PlannerState, y: Floats) -> Incumbent:
    """Return the plan of all jobs placed at the prices `y`, large ones first."""
    room, klass, start = state.settled(None)
    state.rows.place(room, y, state.by_size, klass, start)
    return state.judged(klass, start, room)


def insert_until_stable(state: PlannerState) -> None:
    """Fill the best plan of `state` greedily, until no prices and no order make it cheaper.

    A later solve that keeps the plan and fills it up, as `initial_plans` does, then finds the same
    plan.
    """
    if state.few:
        fill_at_margin(state)
    again = True
    while again:
        again = False
        for guide in _guides(state, state.y):
            for order in _orders(state):
                again |= fill(state, guide, order)


def fill_at_margin(state: PlannerState) -> None:
    """Place jobs that are left out at the plan's marginal cost of their power, part by part.

    Where a scope is short of its mandate a kWh from the grid costs several times its tariff: placed
    all at once, at the tariff or at prices of an unfinished solve, jobs would cost more than their
    value, and none would be placed.
    """
    zero = state.rows.prices(np.zeros_like(state.rows.scale))
    orders, part, tried = list(_orders(state)), GREEDY.first, 0
    while part >= GREEDY.least and tried < GREEDY.most:
        gained = False
        for order in orders:
            best, base = state.best, state.problem.energy.base_load_kwh
            assert best is not None
            price = state.rows.block.serve(base + best.room.load).energy_yuan_per_kwh
            guide = state.rows.pack(zero.capacity, price, *zero[2:])
            out = order[(best.klass[order] < 0) & state.reach[order]]
            some = out[: int(np.ceil(part * len(out)))]
            gained |= bool(len(some)) and fill(state, guide, some)
            tried += 1
        if not gained:
            part /= GREEDY.divisor


def _standing(state: PlannerState, placement: Placement | None) -> Iterator[tuple[Int32s, Int32s]]:
    """Yield placements to begin with, each different from those before it."""
    jobs = state.problem.jobs
    nobody = np.full(len(jobs), -1, np.int32)
    found = [(nobody, nobody)]
    given = [(jobs.placed_class, jobs.placed_start)]
    if placement is not None and len(placement.klass) == len(jobs):
        given.append((placement.klass, placement.start))
    for other in given:
        if not any(np.array_equal(other, known) for known in found):
            found.append(other)
    yield from found


def _guides(state: PlannerState, y: Floats) -> Iterator[Floats]:
    """Yield prices to place jobs at; where jobs are many only the given ones."""
    yield y
    if state.few:
        energy = state.problem.energy
        carbon = energy.carbon_yuan_per_t * state.problem.carbon_g_per_kwh / 1e6
        zero = state.rows.prices(np.zeros_like(y))
        yield state.rows.pack(zero.capacity, energy.tariff_yuan_per_kwh + carbon, *zero[2:])


def _orders(state: PlannerState) -> Iterator[Int32s]:
    """Yield orders to place jobs in; where jobs are many only the large ones first."""
    yield state.by_size
    if state.few:
        worth = state.problem.jobs.value_yuan / np.maximum(state.size, 1.0)
        yield np.argsort(-worth, kind="stable").astype(np.int32)
