"""Diving: places all jobs, large ones first, while the prices follow the remaining capacity.

Jobs of each size are placed in parts, with a step of the prices between two parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core
from .sampling import samples_of, with_sample
from .settings import CORRECTED_AT
from .trust_region import TrustRegion

if TYPE_CHECKING:
    from ..tables.column import Bools, Floats, Int32s
    from .settings import DiveOptions
    from .state import PlannerState

__all__ = ["dive"]


class _Dive:
    """A placement under way, and its prices."""

    def __init__(
        self, room: _core.ResidualCapacity, klass: Int32s, start: Int32s, y: Floats
    ) -> None:
        self.room, self.klass, self.start = room, klass, start
        self.y = self.average = y


def dive(state: PlannerState, pace: DiveOptions, to: float, taken: Bools | None = None) -> None:
    """Place all jobs, large ones first; prices move on the remaining capacity in between.

    With `taken`, only those jobs are placed, and all others stay as the best plan has them.
    """
    state.clock.stage("dive", to)
    n = len(state.in_order)
    room, klass, start = state.settled(taken)
    dive = _Dive(room, klass, start, state.y)
    taken = np.ones(n, bool) if taken is None else taken
    step = state.step
    sizes = np.unique(step[taken])[::-1]
    for k, size in enumerate(sizes):
        # Jobs that found no room among their own size try again with every smaller one.
        now = taken & ((step == size) | ((step > size) & (klass < 0) & state.reach))
        done = (k / len(sizes), (k + 1) / len(sizes))
        left = now | (taken & (step < size))
        dive_size(state, dive, now, left, pace, int(size), done)
        stuck = np.flatnonzero(now & (klass < 0)).astype(np.int32)
        if len(stuck) and size >= pace.large:
            make_way(state, stuck, dive)
    state.market.set_active(np.ones(n, np.uint8))
    state.best = state.judged(klass, start, dive.room)


def dive_size(
    state: PlannerState,
    dive: _Dive,
    now: Bools,
    left: Bools,
    pace: DiveOptions,
    size: int,
    done: tuple[float, float],
) -> None:
    """Place the jobs `now` in parts, with a step of the prices between two.

    All of them take part in the steps until they are placed; samples represent the smaller jobs
    that are left. The difference between each sample and all jobs is computed at intervals.
    """
    length = pace.lengths[0] * (pace.lengths[1] / pace.lengths[0]) ** done[0]
    markets = surrogate_jobs(state, now, left, pace)
    missing = markets[0].n_active < left.sum()
    live = np.ones(len(left), np.uint8)
    state.market.set_active(left.astype(np.uint8))
    chosen, rows_ = state.by_size[now[state.by_size]], state.rows
    parts = min(pace.parts_of(size), len(chosen))
    missed = np.zeros((len(markets), len(dive.y)))
    served, k = rows_.serving(dive.y), 0
    heading = TrustRegion() if pace.near else None
    for i in range(parts):
        for j in range(1 if i else pace.settle):
            if state.clock.over(done[0] + i / parts * (done[1] - done[0])):
                break
            if i == 0 and j in CORRECTED_AT and missing:
                found = [rows_.use(market, dive.y) for market in markets]
                miss = rows_.use(state.market, dive.y) - found
                missed += (miss - missed) / (CORRECTED_AT.index(j) + 1)
                state.passes += 1 + len(markets)
            market = markets[k % len(markets)]
            if i:
                market.set_active(live)
            use = rows_.use(market, dive.y) + missed[k % len(markets)]
            supply = rows_.supply(dive.room)
            dive.y = state.ascent.follow(use, dive.y, supply, length, served())
            load = supply.load_kwh + rows_.prices(use).energy
            limits = heading.see(load) if heading is not None else None
            if k % pace.energy_every == 0:
                served = rows_.serving(dive.y, limits)
            dive.average = pace.memory * dive.average + (1 - pace.memory) * dive.y
            k += 1
        part = np.ascontiguousarray(chosen[i::parts])
        rows_.place(dive.room, dive.average, part, dive.klass, dive.start)
        live[part] = 0
    served()


def surrogate_jobs(
    state: PlannerState, now: Any, left: Any, pace: DiveOptions
) -> list[_core.LagrangianOracle]:
    """Return markets of the jobs `now` and of samples that represent the others of `left`."""
    here, later = (state.in_order[of[state.in_order]] for of in (now, left & ~now))
    drawn = samples_of(later, state.size, pace.later, pace.samples)
    return [with_sample(state.market, here, *sample) for sample in drawn]


def make_way(state: PlannerState, stuck: Int32s, dive: _Dive) -> None:
    """Place jobs that found no room, where moving other jobs costs less than that gains."""
    prices = state.rows.unpack(dive.average)
    exchange = _core.LocalSearch(dive.room, *prices, 1.0, dive.klass, dive.start)
    exchange.regrets(np.inf, placed_only=True, threads=state.rows.threads)
    no_end = np.zeros((*prices.energy.shape, 1))
    state.rows.work.searched(len(stuck) + len(dive.klass))
    exchange.run(state.market.positions(stuck), no_end, prices.energy[:, :, None].copy())
    exchange.commit()
