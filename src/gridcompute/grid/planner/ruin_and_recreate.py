"""Ruin and recreate: removes some jobs of a plan and places them again, at other prices.

Exchanges end where no chain of moves makes a plan cheaper. Where jobs are few, a misplaced gang
then costs some percent, and a dive from nothing takes longer than all rounds of this method: each
round removes the jobs of some sites, of some hours, or at random, places them again at prices near
the best ones in another order, and improves the plan by exchanges and chains at the marginal prices
of power of the plan before, with one exact dispatch at the end. The round is kept if it makes the
plan cheaper, and at first also if it costs slightly more.

Source: Schrimpf, Schneider, Stamm-Wilbrandt and Dueck (2000), "Record breaking optimization results
using the ruin and recreate principle", Journal of Computational Physics 159.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .local_search import curves_about, polished
from .settings import OWN_PART, RUIN

if TYPE_CHECKING:
    from ..tables.column import Bools, Floats, Int32s
    from .state import Incumbent, PlannerState

__all__ = ["RuinAndRecreate", "ruin_and_recreate"]


def ruin_and_recreate(state: PlannerState) -> None:
    """Improve the best plan of `state` by rounds of ruin and recreate, while they pay."""
    rounds, since = RuinAndRecreate(state), 0
    for k in range(RUIN.rounds):
        if state.finished() or since == RUIN.without_gain:
            break
        state.clock.stage("ruin", 0.9 + 0.05 * (k + 1) / RUIN.rounds)
        before = state.best
        rounds.round(k / RUIN.rounds)
        since = since + 1 if state.best is before else 0


class RuinAndRecreate:
    """Rounds of ruin and recreate from the best plan of a state on."""

    def __init__(self, state: PlannerState) -> None:
        assert state.best is not None
        self._state, self._rng = state, np.random.default_rng(0)
        self._go_on_from(state.best)

    def _go_on_from(self, plan: Incumbent) -> None:
        """Take this plan as the one that rounds change."""
        self._current = plan
        self._curves = curves_about(self._state.rows.block, plan.room.load)

    def round(self, done: float) -> None:
        """Make one round; `done` is the part of all rounds that is over.

        Plans that cost hardly more are gone on from at first. A plan that became the best one
        elsewhere is gone on from.
        """
        state, best, rng = self._state, self._state.best, self._rng
        assert best is not None
        if best.cost < self._current.cost:
            self._go_on_from(best)
        state.best = self._current
        found = _round(state, rng, self._curves)
        accepted = RUIN.accepted * (1 - done) * rng.random()
        if is_near(found.cost, self._current.cost, accepted):
            self._go_on_from(found)
        state.best = found if found.cost < best.cost else best


def is_near(cost: float, current: float, part: float) -> bool:
    """Return whether a cost is below another one plus a part of its size. Costs may be negative."""
    return cost < current + part * abs(current)


def _round(
    state: PlannerState, rng: np.random.Generator, curves: tuple[Floats, Floats]
) -> Incumbent:
    """Return another plan: some jobs of the best plan of `state` removed and placed again."""
    best = state.best
    assert best is not None
    room, klass, start = state.settled(_ruined(state, rng))
    order = _jumbled(state, rng)
    out = np.ascontiguousarray(order[(klass[order] < 0) & state.reach[order]])
    state.rows.place(room, _moved(state, rng), out, klass, start)
    return polished(state, room, klass, start, curves)


def _ruined(state: PlannerState, rng: np.random.Generator) -> Bools:
    """Return the jobs to remove: those at some sites, near an hour, or any."""
    best, problem, part = state.best, state.problem, float(rng.choice(RUIN.removed))
    assert best is not None
    n_sites, hours = len(problem.sites), problem.hours
    kind, placed = int(rng.integers(3)), best.klass >= 0
    if kind == 0:
        sites = rng.choice(n_sites, max(1, int(part * n_sites)), replace=False)
        return np.asarray(placed & np.isin(problem.classes.site[best.klass], sites))
    chosen = rng.random(len(placed)) < (part if kind == 1 else RUIN.removed_there)
    if kind == 2:
        width = hours * (1 + RUIN.window_growth * part) / RUIN.window_divisor
        chosen &= np.abs(best.start - int(rng.integers(hours))) <= width
    return np.asarray(placed & chosen)


def _moved(state: PlannerState, rng: np.random.Generator) -> Floats:
    """Return prices near the best ones."""
    rows, y, apart = state.rows, state.y, float(rng.choice(RUIN.price_noise))
    unit = rows.scale + OWN_PART * rows.active * np.abs(y)
    return rows.within(y + apart * unit * rng.standard_normal(len(unit)))


def _jumbled(state: PlannerState, rng: np.random.Generator) -> Int32s:
    """Return all jobs, approximately large ones first."""
    noise = float(rng.choice(RUIN.size_noise)) * rng.standard_normal(len(state.size))
    return np.argsort(-(state.size * np.exp(noise)), kind="stable").astype(np.int32)
