"""A dive by sizes of gangs, each size placed by an integer program at prices.

At the best prices many gangs are indifferent between options that cannot all be had, and placed one
after the other they leave hours that no gang fills. The gangs of one size alone, with all that
smaller jobs would pay for what they take as a price, are a small program of intervals on lanes,
whose relaxation is nearly whole: HiGHS finds its optimum in some tenths of a second. So the largest
size is placed first, the prices follow what is left, and then comes the next size.

Source: price and branch (Barnhart and others, "Branch-and-price", Operations Research 46, 1998):
columns by their reduced cost, then an integer program over these alone; jobs that the relaxation
places whole stay there, as in relaxation induced search.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .dual_ascent import DualAscent
from .integer_program import IntegerProgram
from .options import open_options, priced
from .settings import LEVELS, PRICE_MEMORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ... import _core
    from ..tables.column import Bools, Floats, Int32s
    from .state import PlannerState

__all__ = ["dive_by_levels"]


class _Group(IntegerProgram):
    """Some jobs, at prices for energy and for what later ones would take."""

    def _energy(self) -> None:
        """Leave the dispatch out: energy has a price."""

    def relaxed_options(self, seconds: float, steps: float) -> tuple[Floats, Floats] | None:
        """How much of each option the relaxation takes, and what it costs above that, yuan.

        None where that takes more than is given.
        """
        found = self._solved(seconds, self.iterations_in(steps))
        if found is None:
            return None
        part, above = (np.asarray(x[: self._n]) for x in (found.col_value, found.col_dual))
        return part, above / self._unit


def dive_by_levels(state: PlannerState) -> None:
    """Place all jobs by the sizes of their gangs, and make that the best plan of `state`."""
    n = len(state.in_order)
    room, klass, start = state.settled(None)
    y, todo = state.y, state.reach.copy()
    groups = list(_groups(state))
    for k, (jobs, level, last) in enumerate(groups):
        state.clock.stage("levels", 0.3 + 0.3 * (k + 1) / len(groups))
        if state.clock.over(0.0):
            break
        left = np.flatnonzero(todo).astype(np.int32)
        if len(left) < n:
            y = _followed(state, room, left, y)
        _place(state, room, (jobs, level, last), y, (klass, start))
        todo[jobs] = False
    rest = state.by_size[(klass[state.by_size] < 0) & state.reach[state.by_size]]
    state.rows.place(room, y, np.ascontiguousarray(rest), klass, start)
    state.best = state.judged(klass, start, room)


def _groups(state: PlannerState) -> Iterator[tuple[Int32s, int, bool]]:
    """Jobs that are placed at once: their rows, the least gang, and are they the last of that size?

    Large gangs come first, and of one size large jobs.
    """
    gang, above = state.problem.jobs.gang, np.inf
    for level in (*sorted(state.problem.gang_levels, reverse=True), 1):
        jobs = state.by_size[(state.reach & (gang >= level) & (gang < above))[state.by_size]]
        above = level
        parts = np.array_split(jobs, max(1, len(jobs) // LEVELS.jobs))
        for part in parts:
            if len(part):
                yield np.sort(part), level, part is parts[-1]


def _followed(state: PlannerState, room: _core.ResidualCapacity, left: Int32s, y: Floats) -> Floats:
    """Prices of what is left for the jobs that are left, from those before."""
    rows, ascent, average = state.rows, DualAscent(state.rows), y
    market = state.market.subset(left, np.ones(len(left), np.int32))
    supply, (first, last) = rows.supply(room), LEVELS.lengths
    for k in range(LEVELS.steps):
        if state.clock.over(0.0):
            break
        if k % LEVELS.energy_every == 0:
            served = rows.serving(y)
        length = first * (last / first) ** (k / LEVELS.steps)
        y = ascent.follow(rows.use(market, y), y, supply, length, served())
        average = PRICE_MEMORY * average + (1 - PRICE_MEMORY) * y
    state.passes += ascent.passes
    return average


def _place(
    state: PlannerState,
    room: _core.ResidualCapacity,
    group: tuple[Int32s, int, bool],
    y: Floats,
    placement: tuple[Int32s, Int32s],
) -> None:
    """Place a group of jobs into `room`, as cheaply as HiGHS finds."""
    assert state.best is not None
    jobs, level, last = group
    problem, rows, prices = state.problem, state.rows, state.rows.prices(y)
    wires = problem.corridors.bandwidth_gb
    data = np.where(np.isfinite(wires), room.data, np.inf)
    unused: Any = room.accelerators
    options = open_options(problem, jobs, unused, data)
    cost = priced(problem, options, prices)
    least = problem.jobs.value_yuan.copy()
    np.minimum.at(least, options.job, cost)
    order = np.argsort(cost - least[options.job], kind="stable")
    options = options.of(np.sort(order[: LEVELS.options]))
    if not len(options.job):
        return
    # Rows that none but these jobs contend for are limits here, and need no price.
    free = np.array(problem.gang_levels, np.int64) >= level + (not last)
    prices = prices._replace(gang=np.where(free[:, None, None], 0.0, prices.gang))
    if level == 1 and last:
        prices = prices._replace(capacity=np.zeros_like(prices.capacity))
    options = options._replace(own_yuan=priced(problem, options, prices))
    supply = rows.supply(room)._replace(quota_low_h=np.zeros_like(rows.quotas.lower_h))
    worth = float(problem.jobs.value_yuan[jobs].sum())
    chosen = _searched(state, _Group(rows, jobs, options, supply, worth), worth)
    if chosen is not None:
        some = options.of(chosen)
        room.place_at(some.job, some.klass, some.start, *placement)


def _searched(state: PlannerState, program: _Group, worth: float) -> Bools | None:
    """Choose options, those that the relaxation takes whole among them; None if time runs out."""
    assert state.best is not None
    clock, cost, options = state.clock, abs(state.best.cost), program.options
    part = LEVELS.time_part
    relaxed = program.relaxed_options(part * clock.seconds_left(), clock.steps_left(part))
    if relaxed is None:
        return None
    taken, above = relaxed
    whole = np.zeros(len(state.in_order), bool)
    whole[options.job[taken > LEVELS.whole]] = True
    closed = whole[options.job] & (taken <= LEVELS.whole)
    found = program.search(
        closed=closed | (above > LEVELS.above * cost),
        gap=LEVELS.gap * cost / worth if worth > 0 else LEVELS.gap,
        iterations=min(LEVELS.iterations, program.iterations_in(clock.steps_left(part))),
        seconds=part * clock.seconds_left(),
        stop=lambda: clock.over(0.0),
    )
    return found.chosen
