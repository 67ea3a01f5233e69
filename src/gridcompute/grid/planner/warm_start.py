"""A warm match: from the prices and the placement of a plan before, where they are still of use.

Prices that were best before a change are a start for the walk that finds the new ones, shorter than
from nothing. At the new prices most jobs stay where they were: only those that some of a few
vectors of prices about the new ones would send elsewhere, and those that no longer fit, are placed
again, in a dive of their own. What comes out is judged as any plan is. Where its gap is too wide,
one or two more careful dives follow, and where jobs are few one for all; the cheaper plan stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .local_search import QUICK
from .settings import DIVE_WARM, DIVE_WARM_AGAIN, DIVE_WARM_LAST, WALK_NEAR, WALK_WARM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..plan.columns import Placement
    from ..tables.column import Floats
    from .match import Solve

__all__ = ["resume"]

#: Part of the bound that the walk gains where the old prices were so far from the new ones, as
#: after the loss of a site, that a walk as from nothing has to follow.
FAR = 0.02
#: Vectors of prices that a job must stay at, and how far they lie from the first.
VECTORS, APART = 5, 0.02
#: How many times the gap asked for a plan may have after a quick dive for one twice as careful to
#: be tried before the most careful one, which takes twice as long as that.
NEAR_MISS = 2.0
#: From which part of the jobs on a quick dive leaves too much, whatever the change was: where 0.47
#: of them leave (Horinger lost) one twice as careful has to follow; at 0.56 (Zhangjiakou) that
#: misses, too.
MANY = 0.5


def resume(solve: Solve, y: Floats, placement: Placement | None) -> tuple[Floats, bool]:
    """Plan from the prices `y` and, if there is one for as many jobs, a placement.

    The best plan of `solve` is what the placement leaves standing, or better. It and the bound are
    set as far as this gets, with a quick dive for the jobs that would not stay, if they are not too
    many, and more careful ones where that leaves too wide a gap. Returns the prices to go on from,
    and whether there was a placement to plan from.
    """
    solve.look(y)
    again = of_use(placement, solve)
    if again and solve.finished():
        return solve.y, again
    walk(solve, y)
    if not again:
        return solve.y, again
    tried = False
    if not solve.finished():
        leave = unsettled(solve)
        tried = bool(np.count_nonzero(leave) < MANY * len(leave))
        if tried:
            solve.improve(DIVE_WARM, 0.6, leave, rounds=0)
            solve.exchanges(range(2), QUICK)
    if tried and not solve.finished() and solve.open_gap() < NEAR_MISS * solve.gap:
        solve.improve(DIVE_WARM_AGAIN, 0.6, unsettled(solve), rounds=2)
    if not solve.finished():
        solve.improve(DIVE_WARM_LAST, 0.6, unsettled(solve))
    return solve.y, again


def walk(solve: Solve, y: Floats) -> None:
    """Go from the old prices to new ones."""
    earlier = solve.bound
    solve.look(solve.sampled(y, WALK_WARM))
    if solve.bound == earlier:  # the best prices lie nearer than such a walk comes
        solve.look(solve.sampled(y, WALK_NEAR))
    elif solve.bound - earlier > FAR * abs(solve.bound - solve.without_option):
        solve.look(solve.sampled(solve.y))


def of_use(placement: Placement | None, solve: Solve) -> bool:
    """Is there a placement, and is it one of as many jobs?"""
    return placement is not None and len(placement.klass) == len(solve.in_order)


def unsettled(solve: Solve) -> NDArray[np.bool_]:
    """Jobs that would not stay where the best plan has them at prices about the present ones."""
    best, rows, rng = solve.best, solve.rows, np.random.default_rng(0)
    assert best is not None
    unit = rows.scale + 0.1 * rows.active * np.abs(solve.y)
    leave = np.zeros(len(best.klass), bool)
    for k in range(VECTORS):
        noise = rng.standard_normal(len(unit)) if k else 0.0
        y = rows.within(solve.y + APART * unit * noise)
        klass, start = np.empty_like(best.klass), np.empty_like(best.start)
        solve.market.price(*rows.unpack(y), klass, start, threads=rows.threads)
        leave |= (klass != best.klass) | (start != best.start)
    solve.passes += VECTORS
    return leave & solve.reach
