"""Annealing: neighbouring jobs of a plan are removed and placed again, in the core.

The core (csrc/gridcompute/plan/ruin_recreate.hpp) makes a hundred thousand small rounds of ruin and
recreate a second, under simulated annealing, at curves of the cost of power about the present load.
After each hundred thousand placements an exact dispatch decides whether the plan is kept. A few
rounds come before neighbourhoods are searched (`restricted_master`), and many at the end.

Source: Christiaens and Vanden Berghe (2020), "Slack induction by string removals for vehicle
routing problems", Transportation Science 54.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ... import _core
from .local_search import curves_about
from .settings import ANNEAL

if TYPE_CHECKING:
    from .state import PlannerState

__all__ = ["anneal"]


def anneal(state: PlannerState, rounds: int = ANNEAL.rounds, first: float = ANNEAL.first) -> None:
    """Improve the best plan of `state` by rounds of small ruins, while they pay.

    `first` is the temperature at the beginning of each round, as a part of what the plan costs
    above its bound.
    """
    since = 0
    for k in range(rounds):
        if state.finished() or since == ANNEAL.without_gain:
            break
        state.clock.stage("ruin", 0.9 + 0.05 * (k + 1) / rounds)
        before = state.best
        _round(state, k, first)
        since = since + 1 if state.best is before else 0


def _round(state: PlannerState, seed: int, first: float) -> None:
    """Place some jobs again, most of them often; a cheaper plan is kept.

    They are fewer where a limit of work is met before.
    """
    best, rows = state.best, state.rows
    assert best is not None
    room, klass, start = state.settled(np.zeros(len(best.klass), bool))
    search = _core.LocalSearch(room, *rows.unpack(state.y), 0.0, klass, start)
    above = min(best.cost - state.proved_yuan(), abs(best.cost))
    placed = search.ruin_recreate(
        *curves_about(rows.block, best.room.load),
        seed=seed,
        placements=min(ANNEAL.placements, rows.work.placements_in(state.clock.steps_left())),
        first_temperature=first * above,
        last_temperature=ANNEAL.last * above,
    )
    rows.work.placed(placed)
    found = state.judged(klass, start, room)
    if found.cost < best.cost:
        state.best = found
