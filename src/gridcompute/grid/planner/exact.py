"""Small problems solved exactly: the best prices by one linear program, the plan by a search.

Where all open options of all jobs are some thousand, HiGHS is given the whole problem as one
integer program, dispatch included. Its relaxation gives the best prices at once, in place of a long
ascent, and its search the best plan with a bound beyond what prices prove, in some tenths of a
second mostly. A search that takes too many steps is ended; then the plan goes on to be improved by
the methods for large problems.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import InfeasibleError
from .integer_program import IntegerProgram
from .options import count_options, open_options, priced
from .settings import MOST_RELAXED, MOST_SEARCHED, POLISHED, RELAXED_PART, SEARCH_STEPS

if TYPE_CHECKING:
    from ..tables.column import Bools, Floats
    from .options import Options
    from .state import PlannerState

__all__ = ["is_small", "reduced_costs", "solve_exactly"]

#: Part of the cost that is as good as nothing: about the solver's own tolerance.
SAME = 1e-6


def is_small(state: PlannerState) -> bool:
    """Is the whole problem one that is written down as a program?"""
    return state.small and count_options(state.problem) <= MOST_RELAXED


def solve_exactly(state: PlannerState) -> bool:
    """Set prices, bound and plan of `state` by one program for all jobs, as far as time allows.

    Returns whether the prices are the best there are.
    """
    assert state.best is not None
    state.clock.stage("program", 0.3)
    rows, problem, clock = state.rows, state.problem, state.clock
    free = np.flatnonzero(state.reach).astype(np.int32)
    classes, wires = problem.classes, problem.corridors
    options = open_options(problem, free, classes.capacity, wires.bandwidth_gb)
    scale = abs(state.best.cost - state.without_option)
    program = IntegerProgram(rows, free, options, rows.supply(), scale)
    relaxed = program.relaxed(
        RELAXED_PART * clock.seconds_left(),
        program.iterations_in(clock.steps_left(RELAXED_PART)),
    )
    if relaxed is None:
        return False
    state.look(relaxed.y)
    if state.finished() or len(options.job) > MOST_SEARCHED:
        return True
    state.clock.stage("search", 0.9)
    # Costs above a bound close options by that bound alone: the one that `state.y` proves.
    room = state.best.cost - state.bound
    closed = reduced_costs(state, options, state.y) > room + SAME * abs(state.best.cost)
    start = _chosen(state, options)
    found = program.search(
        start,
        closed=closed & ~start,
        gap=state.gap if state.gap > POLISHED else 0.0,
        iterations=min(SEARCH_STEPS, program.iterations_in(clock.steps_left())),
        seconds=clock.seconds_left(),
        stop=lambda: clock.over(0.5),
    )
    before = state.best.cost
    if found.chosen is not None:
        adopt(state, options, found.chosen)
    # What was closed is in no plan below the one before.
    searched = min(found.bound_yuan + state.without_option, before)
    if searched >= state.best.cost - SAME * max(1.0, abs(state.best.cost)):
        searched = state.best.cost
    state.searched = max(state.searched, searched)
    return True


def adopt(state: PlannerState, options: Options, chosen: Bools) -> None:
    """Make the plan of the chosen options the best one of `state`, if it is cheaper.

    Jobs that are not among those of the options stay where they are.
    """
    assert state.best is not None
    taken = np.zeros(len(state.in_order), bool)
    taken[options.job] = True
    room, klass, start = state.settled(taken)
    some = options.of(chosen)
    to_class, to_start = (np.zeros_like(klass) for _ in range(2))
    to_class[some.job], to_start[some.job] = some.klass, some.start
    to = to_class[some.job], to_start[some.job]
    room.place_at(some.job, *to, klass, start, within_power=False)  # a store may serve them
    try:
        found = state.judged(klass, start, room)
    except InfeasibleError:  # by less than the solver's tolerance
        return
    if found.cost < state.best.cost:
        state.best = found


def reduced_costs(state: PlannerState, options: Options, y: Floats) -> Floats:
    """What each option costs at prices above the cheapest choice of its job, yuan."""
    problem = state.problem
    cost = priced(problem, options, state.rows.prices(y))
    least = problem.jobs.value_yuan.copy()
    np.minimum.at(least, options.job, cost)
    return np.asarray(cost - least[options.job])


def _chosen(state: PlannerState, options: Options) -> Bools:
    """Which options the best plan of `state` has chosen."""
    assert state.best is not None
    klass, start = state.best.klass[options.job], state.best.start[options.job]
    return np.asarray((klass == options.klass) & (start == options.start))
