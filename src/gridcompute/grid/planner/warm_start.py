"""A warm match: starts from the prices and the placement of an earlier plan, as far as valid.

Prices that were optimal before a change are the start of a shorter ascent than one from nothing. At
the new prices most jobs keep their options: only jobs that choose another option at some of a few
random prices near the new ones, and jobs that no longer fit, are placed again, in a dive of their
own. The result is evaluated like any plan. Where its gap is too wide, one or two more careful dives
follow, and where jobs are few one for all jobs; the cheaper plan is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .annealing import anneal
from .improvement import exchanges, improve, polish
from .settings import (
    BRIEF_S,
    DIVE_QUICK,
    DIVE_WARM,
    DIVE_WARM_AGAIN,
    DIVE_WARM_LAST,
    DIVE_WARM_WIDE,
    OWN_PART,
    QUICK,
    SAMPLED_ASCENT_HOUR,
    SAMPLED_ASCENT_HOUR_BRIEF,
    SAMPLED_ASCENT_HOUR_FAR,
    SAMPLED_ASCENT_NEAR,
    SAMPLED_ASCENT_WARM,
    SAMPLED_ASCENT_WARM_WIDE,
    WARM_START,
    WIDE,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..plan.columns import Placement
    from ..tables.column import Floats
    from .state import PlannerState

__all__ = ["resume"]


def resume(state: PlannerState, y: Floats, placement: Placement | None) -> tuple[Floats, bool]:
    """Plan from the prices `y` and, if there is one for as many jobs, a placement.

    The best plan of `state` is the part of the placement that is still valid, or better. Plan and
    bound are improved as far as limits allow, with a quick dive for the jobs that would not stay,
    if they are not too many, and more careful ones where that leaves too wide a gap. Returns the
    prices to continue from, and whether there was a placement to plan from.
    """
    state.look(y)
    again = is_compatible(placement, state)
    if again and state.finished():
        return state.y, again
    if again and state.small:
        next_hour(state, y)
        if state.finished():
            return state.y, again
    walk(state, y)
    if not again:
        return state.y, again
    tried = False
    if not state.finished():
        leave = unsettled(state)
        tried = bool(np.count_nonzero(leave) < WARM_START.many * len(leave))
        if tried:
            pace = DIVE_WARM_WIDE if state.gap >= WIDE else DIVE_WARM
            improve(state, pace, 0.6, leave, rounds=0)
            exchanges(state, range(2), QUICK)
    if tried and not state.finished() and state.open_gap() < WARM_START.near_miss * state.gap:
        improve(state, DIVE_WARM_AGAIN, 0.6, unsettled(state), rounds=2)
    if not state.finished():
        improve(state, DIVE_WARM_LAST, 0.6, unsettled(state))
    return state.y, again


def next_hour(state: PlannerState, y: Floats) -> None:
    """Plan from prices and a placement that are an hour old, where jobs are `SMALL`.

    Jobs that start soon stay, since their options were improved in many hours: a new dive for all
    jobs makes a plan that is cheaper in total, because the old plan has no options for the jobs of
    its last hours, but more expensive in the first hours, which are carried out. All later jobs are
    placed by a dive, then the whole plan is improved while there is time. Under a limit exchanges
    come before the dive, which finds no options for the last hours if it is cut off. The dive is
    omitted if too little time is left.
    """
    best, left, bound = state.best, state.clock.left(), state.bound
    how = SAMPLED_ASCENT_HOUR_BRIEF if left < BRIEF_S else SAMPLED_ASCENT_HOUR
    state.look(state.sampled(y, how))
    if state.bound - bound > WARM_START.far_hour * abs(state.bound - state.without_option):
        state.look(state.sampled(state.y, SAMPLED_ASCENT_HOUR_FAR))
    assert best is not None
    if state.finished():
        return
    walked = left - state.clock.left() if state.clock.limited else 0.0
    if state.clock.limited:
        polish(state)  # first: a dive that is cut off leaves the plan as it was before
        if state.finished():
            return
        if state.clock.left() < WARM_START.dive_per_ascent * walked:
            anneal(state)
            return
    later = (best.klass < 0) | (best.start >= WARM_START.kept_steps)
    improve(state, DIVE_QUICK, 0.6, later, rounds=2)
    if state.clock.limited:
        anneal(state)
    elif not state.finished():
        improve(state, DIVE_QUICK, 0.6, rounds=2)


def walk(state: PlannerState, y: Floats) -> None:
    """Ascend from the old prices to new ones."""
    earlier = state.bound
    wide = state.gap >= WIDE and not state.small
    state.look(state.sampled(y, SAMPLED_ASCENT_WARM_WIDE if wide else SAMPLED_ASCENT_WARM))
    if state.bound == earlier:  # the best prices are nearer than this ascent can approach
        state.look(state.sampled(y, SAMPLED_ASCENT_NEAR))
    elif state.bound - earlier > WARM_START.far * abs(state.bound - state.without_option):
        state.look(state.sampled(state.y))


def is_compatible(placement: Placement | None, state: PlannerState) -> bool:
    """Return whether there is a placement of as many jobs."""
    return placement is not None and len(placement.klass) == len(state.in_order)


def unsettled(state: PlannerState) -> NDArray[np.bool_]:
    """Return the jobs that would leave their option at some prices near the present ones."""
    best, rows, rng = state.best, state.rows, np.random.default_rng(0)
    assert best is not None
    unit = rows.scale + OWN_PART * rows.active * np.abs(state.y)
    leave = np.zeros(len(best.klass), bool)
    for k in range(WARM_START.vectors):
        noise = rng.standard_normal(len(unit)) if k else 0.0
        y = rows.within(state.y + WARM_START.distance * unit * noise)
        klass, start = np.empty_like(best.klass), np.empty_like(best.start)
        rows.price(state.market, y, klass, start)
        leave |= (klass != best.klass) | (start != best.start)
    state.passes += WARM_START.vectors
    return leave & state.reach
