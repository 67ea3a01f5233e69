"""Small problems solved exactly, or nearly: the best prices by one linear program, then a search.

Where all open options of all jobs are some thousand, HiGHS solves the whole problem as one integer
program, dispatch included. Its relaxation gives the best prices at once, in place of a long ascent,
and its search the best plan with a bound beyond that of prices. For somewhat larger problems it
searches the cheapest options at the prices, which gives a plan and no bound. A search that takes
too many steps is ended; the methods for large problems then improve the plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import InfeasibleError
from .improvement import improve
from .integer_program import IntegerProgram
from .options import count_options, open_options, priced
from .settings import (
    CHEAPEST,
    EASED,
    FINER,
    LEAST_SEARCHED,
    MANY_OPTIONS,
    MOST_CHEAPEST,
    MOST_RELAXED,
    MOST_SEARCHED,
    NEAR,
    RELAXED_PART,
    SEARCH_PART,
    SEARCH_STEPS,
    SEARCH_STEPS_MANY,
    STEPS,
    STEPS_PER_S,
)

if TYPE_CHECKING:
    from ..tables.column import Bools, Floats, Int32s
    from .options import Options
    from .state import PlannerState

__all__ = ["is_same", "is_small", "reduced_costs", "search_cheapest", "solve_exactly"]

#: Part of the cost that counts as 0: about the solver's own tolerance.
SAME = 1e-6


def is_small(state: PlannerState) -> bool:
    """Return whether the whole problem is solved as one program."""
    return state.small and count_options(state.problem) <= MOST_RELAXED


def solve_exactly(state: PlannerState) -> bool:
    """Set prices, bound and plan of `state` by one program for all jobs, as far as time allows.

    Returns whether the prices are optimal.
    """
    assert state.best is not None
    state.clock.stage("program", 0.3)
    clock = state.clock
    free, options = _all_options(state)
    program = _program(state, free, options)
    relaxed = program.relaxed(
        RELAXED_PART * clock.seconds_left(),
        program.iterations_in(clock.steps_left(RELAXED_PART)),
    )
    if relaxed is None:
        return False
    state.look(relaxed.y)
    if state.searched_out(len(options.job)) or len(options.job) > MOST_SEARCHED:
        return True
    many = len(options.job) > MANY_OPTIONS
    if many and not _has_time(state, program):
        return True
    if many:  # a cheaper plan closes more options
        improve(state, None, 0.35)
        if state.finished():
            return True
    # Reduced costs close options only together with the bound of the same prices, `state.y`.
    room = state.best.cost - state.bound
    closed = reduced_costs(state, options, state.y) > room + SAME * abs(state.best.cost)
    before, without = state.best.cost, state.without_option
    proved = _searched(state, program, closed, many=many)
    # The solver's tolerances are parts of the first plan's cost: a much cheaper plan needs finer
    # ones.
    coarse = abs(state.best.cost - without) < FINER * abs(before - without)
    if (
        coarse
        and not many
        and not is_same(state, proved, state.best.cost)
        and not state.clock.over(0.5)
    ):
        program = _program(state, free, options)
        proved = max(proved, _searched(state, program, closed, many=many))
    # No plan that is cheaper than the one before contains a closed option.
    searched = min(proved, before)
    if is_same(state, searched, state.best.cost):
        searched = state.best.cost
    elif many:
        searched -= EASED * abs(state.best.cost)
    state.searched = max(state.searched, searched)
    return True


def is_same(state: PlannerState, yuan: float, cost: float) -> bool:
    """Return whether a bound by search equals a plan's cost, within the solver's tolerance."""
    size = max(1.0, abs(cost), abs(cost - state.without_option))
    return yuan >= cost - SAME * size


def search_cheapest(state: PlannerState) -> bool:
    """Search the options that are cheapest at the best prices, if the problem has not too many.

    The bound of the search holds for these options only, and is not kept. Returns whether it was
    done.
    """
    if count_options(state.problem) > MOST_CHEAPEST:
        return False
    free, options = _all_options(state)
    above = reduced_costs(state, options, state.y)
    kept = _chosen(state, options)
    kept[np.argsort(above, kind="stable")[:CHEAPEST]] = True
    options = options.of(kept)
    program = _program(state, free, options)
    if not _has_time(state, program):
        return False
    _searched(state, program, np.zeros(len(options.job), bool), many=True)
    return True


def _all_options(state: PlannerState) -> tuple[Int32s, Options]:
    """Return the jobs that have options, and all of these."""
    problem = state.problem
    free = np.flatnonzero(state.reach).astype(np.int32)
    capacity, wires = problem.classes.capacity, problem.corridors.bandwidth_gb
    return free, open_options(problem, free, capacity, wires)


def _program(state: PlannerState, free: Int32s, options: Options) -> IntegerProgram:
    """Return the program of all jobs with these options."""
    assert state.best is not None
    scale = abs(state.best.cost - state.without_option)
    return IntegerProgram(state.rows, free, options, state.rows.supply(), scale)


def _has_time(state: PlannerState, program: IntegerProgram) -> bool:
    """Return whether a limit of the solve leaves a search among many options time for a plan."""
    steps = SEARCH_PART * state.clock.left() * STEPS_PER_S
    return steps >= STEPS.questions(LEAST_SEARCHED, program.size)


def _searched(state: PlannerState, program: IntegerProgram, closed: Bools, *, many: bool) -> float:
    """Search a program for a better plan of `state`; return a lower bound over its options.

    Where options are `many` it ends at a small gap, and leaves time for other methods.
    """
    clock, options = state.clock, program.options
    clock.stage("search", 0.9)
    start = _chosen(state, options)
    part, most = (SEARCH_PART, SEARCH_STEPS_MANY) if many else (1.0, SEARCH_STEPS)
    gap = state.search_gap
    found = program.search(
        start,
        closed=closed & ~start,
        gap=max(gap, NEAR) if many else gap,
        iterations=program.iterations_in(min(most, clock.steps_left(part))),
        seconds=part * clock.seconds_left(),
        stop=lambda: clock.over(0.5),
    )
    if found.chosen is not None:
        adopt(state, options, found.chosen)
    return found.bound_yuan + state.without_option


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
    """Return the cost of each option at prices, above the cheapest choice of its job, yuan."""
    problem = state.problem
    cost = priced(problem, options, state.rows.prices(y))
    least = problem.jobs.value_yuan.copy()
    np.minimum.at(least, options.job, cost)
    return np.asarray(cost - least[options.job])


def _chosen(state: PlannerState, options: Options) -> Bools:
    """Return which options the best plan of `state` has chosen."""
    assert state.best is not None
    klass, start = state.best.klass[options.job], state.best.start[options.job]
    return np.asarray((klass == options.klass) & (start == options.start))
