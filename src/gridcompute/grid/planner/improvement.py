"""Better plans: a dive or a greedy placement, then rounds of local search while they pay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .diving import dive
from .incumbent import greedy
from .local_search import curves_about, exchange_round, fill, polished
from .settings import CHAIN_ROUNDS, CHAINS, FULL, ROUNDS

if TYPE_CHECKING:
    from ..tables.column import Bools
    from .settings import DiveOptions, LocalSearchOptions
    from .state import PlannerState

__all__ = ["exchanges", "improve", "polish"]


def improve(
    state: PlannerState,
    pace: DiveOptions | None,
    to: float,
    taken: Bools | None = None,
    rounds: int = ROUNDS,
) -> None:
    """Make a placement, and up to `rounds` of exchanges while they pay; keep the cheaper plan.

    The placement is that of a dive, or without a `pace` the greedy one at the best prices, which
    only `SMALL` problems improve by exchanges: there rounds take a tenth of the time of a dive.
    """
    before = state.best
    if pace is None:
        found = greedy(state, state.y)
        state.best = found if before is None or found.cost < before.cost else before
    else:
        left = state.clock.left()
        dive(state, pace, to, taken)
        state.last_dive_s = left - state.clock.left() if state.clock.limited else 0.0
        fill(state)
    if state.small and state.clock.limited:
        polish(state)
    if pace is not None or state.small:
        exchanges(state, range(rounds))
        if state.few and rounds:
            exchanges(state, range(CHAIN_ROUNDS), CHAINS)
    if before is not None and state.best is not None and before.cost <= state.best.cost:
        state.best = before


def polish(state: PlannerState) -> None:
    """Improve the best plan of `state` by exchanges and chains, with one exact dispatch at the end.

    It takes 0.1 s of one processor at 2,000 jobs; a round of exchanges with a dispatch after each
    part takes ten times as long. So a plan is polished before a limit can cut such rounds off.
    """
    best = state.best
    assert best is not None
    if state.clock.status == "stopped" or not len(state.y):
        return
    room, klass, start = state.settled(np.zeros(len(best.klass), bool))
    found = polished(state, room, klass, start, curves_about(state.rows.block, best.room.load))
    if found.cost < best.cost:
        state.best = found


def exchanges(state: PlannerState, rounds: range, effort: LocalSearchOptions = FULL) -> None:
    """Make rounds of exchanges while they pay."""
    for k in rounds:
        if state.finished():
            break
        state.clock.stage("exchange", 0.7 + 0.25 * (k + 1) / ROUNDS)
        if not exchange_round(state, k, effort):
            break
