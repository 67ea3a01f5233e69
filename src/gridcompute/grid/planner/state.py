"""The state of a solve: the native problem, its constraints, the best bound and the incumbent.

The stages of `match` are functions of this state. It raises the bound by dual ascent, and values a
placement by its exact dispatch; the order of the stages is decided elsewhere (match.py).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ... import _core
from ..._certificate import relative_gap
from ..eligibility import places_of
from .cost import least_energy_cost, plan_cost
from .coupling_constraints import CouplingConstraints
from .cut_market import CutMarket
from .dispatch_lp import EnergyBlock
from .dual_ascent import DualAscent
from .dual_bound import evaluate_dual
from .native_problem import market_of
from .sampling import samples_of
from .settings import (
    AMPLE_S_PER_HOUR,
    AMPLE_S_PER_JOB,
    EARLIER,
    FEW,
    FEW_PLACES,
    HASTE,
    MANY_OPTIONS,
    MOST_SAMPLES,
    POLISHED,
    PRICES_PART,
    SAMPLED_ASCENT,
    SMALL,
    Memory,
)

if TYPE_CHECKING:
    from ..tables.column import Bools, Floats, Int32s
    from ..tables.problem import Problem
    from .clock import Clock
    from .cover_rows import CoverProof
    from .settings import SampledAscentOptions

__all__ = ["Incumbent", "PlannerState"]


class Incumbent:
    """The cheapest placement found, with its cost."""

    def __init__(
        self, klass: Int32s, start: Int32s, cost: float, room: _core.ResidualCapacity
    ) -> None:
        self.klass, self.start, self.cost, self.room = klass, start, cost, room


class PlannerState:
    """The state of one solve."""

    def __init__(self, problem: Problem, gap: float, threads: int, clock: Clock) -> None:
        self.problem, self.gap, self.clock = problem, gap, clock
        clock.stage("read", 0.05)
        self.market = market_of(problem)
        #: The oracle of bounds and slopes of all jobs: the market, or one that cuts jobs.
        self.priced: _core.LagrangianOracle | CutMarket = self.market
        self.rows = CouplingConstraints(problem, EnergyBlock(problem), threads)
        work = self.rows.work
        before = clock.steps
        clock.steps = lambda: before() + work.steps
        self.ascent = DualAscent(self.rows)
        self.bound, self.y = -np.inf, np.zeros(0)
        #: Bound proved by a search over all plans, beyond that of prices.
        self.searched = -np.inf
        #: Prices with those of cover rows, where these prove more.
        self.cover: CoverProof | None = None
        self.best: Incumbent | None = None
        self.passes = 0
        #: Seconds that the last dive took, or the restricted master program with its dives.
        self.last_dive_s = 0.0
        self.size = self.market.min_accelerator_hours()
        self.by_size = np.argsort(-self.size, kind="stable").astype(np.int32)
        self.in_order = self.market.order()
        self.reach = self.market.has_option(threads) > 0
        #: Whether there are at most FEW jobs, whose large gangs get more work.
        self.few = len(self.in_order) <= FEW
        self.small = len(self.in_order) <= SMALL
        #: Whether jobs are `SMALL`, and a time limit is too short for the stages without one.
        ample = max(AMPLE_S_PER_JOB * len(self.in_order), AMPLE_S_PER_HOUR * problem.hours)
        self.brief = self.small and clock.left() < ample
        #: Whether the time limit is too short for careful prices.
        self.hasty = clock.left() < HASTE * len(self.in_order)
        self.without_option = float(problem.jobs.value_yuan[~self.reach].sum())
        #: Lower bound of every plan at any prices, by the signs of all costs.
        self.least = self.without_option + least_energy_cost(problem)

    def cut(self) -> CutMarket:
        """Let interruptible jobs run in pieces from now on, and discard earlier bounds."""
        market = self.priced = CutMarket(self.problem, self.market, self.rows.work)
        self.reach = self.reach.copy()
        self.reach[market.rows] = market.has_option
        self.bound, self.searched, self.cover = -np.inf, -np.inf, None
        self.without_option = float(self.problem.jobs.value_yuan[~self.reach].sum())
        self.least = self.without_option + least_energy_cost(self.problem)
        return market

    @cached_property
    def step(self) -> Int32s:
        """Return the step of a dive at which each job is placed: 2 ** step accelerator-hours."""
        step = np.ceil(np.log2(np.maximum(self.size, 1.0))).astype(np.int32)
        if self.few and not self.hasty:  # counting the places of jobs takes a tenth of a second
            step[places_of(self.problem) <= FEW_PLACES] += EARLIER
        return step

    def finished(self) -> bool:
        """Return whether the gap is proved or the solve must end."""
        return self.clock.over(1.0) or self.proved()

    def proved(self) -> bool:
        """Return whether the best plan is proved to be within the gap."""
        return self.open_gap() <= self.gap

    @property
    def search_gap(self) -> float:
        """The gap at which a search may end: 0 where the requested gap means the best plan."""
        return self.gap if self.gap > POLISHED else 0.0

    def searched_out(self, options: int) -> bool:
        """Return whether a search among `options` options gains nothing, or the solve must end.

        Prices may prove the gap asked for without deciding whether a better plan exists. Up to
        `MANY_OPTIONS` options a search decides that in milliseconds.
        """
        few = options <= MANY_OPTIONS
        return self.finished() and (
            bool(self.clock.status) or not few or self.open_gap() <= self.search_gap
        )

    def open_gap(self) -> float:
        """Return the relative gap of the best plan, without jobs that have no option."""
        assert self.best is not None
        without = self.without_option
        return relative_gap(self.best.cost - without, self.proved_yuan() - without)

    def proved_yuan(self) -> float:
        """Return the best lower bound: by prices, by the signs of all costs, or by a search."""
        return max(self.priced_yuan(), self.searched)

    def priced_yuan(self) -> float:
        """Return the lower bound that prices or the signs of all costs prove, without a search."""
        cover = -np.inf if self.cover is None else self.cover.bound
        return max(self.bound, self.least, cover)

    @property
    def cover_proof(self) -> CoverProof | None:
        """The prices with cover rows, if they prove more than `y`."""
        return self.cover if self.cover is not None and self.cover.bound > self.bound else None

    def sampled(
        self, y: Floats, how: SampledAscentOptions = SAMPLED_ASCENT, most: float = PRICES_PART
    ) -> Floats:
        """Return prices from small samples of the jobs, each of which represents all of them.

        They are computed within the part `most` of the time limit.
        """
        self.clock.stage("sample", 0.2)
        drawn = samples_of(self.in_order, self.size, how.sample, MOST_SAMPLES)
        walker = DualAscent(self.rows, Memory(*how.memory), how.own_part)

        def stop(done: float) -> bool:
            return self.clock.over(done) or self.clock.spent(most)

        markets = [self.market.subset(*sample) for sample in drawn]
        until = self.clock.until(most)
        y = walker.walk(markets, self.market, self.rows.supply(), y, how, stop=stop, spent=until)
        self.passes += walker.passes
        return y

    def look(self, y: Floats) -> None:
        """Evaluate `y`, and keep it if it is the first or proves more than all before it."""
        self.passes += 1
        bound = evaluate_dual(self.rows, self.priced, y, self.rows.supply()).bound
        if bound > self.bound or not len(self.y):
            self.bound, self.y = bound, y

    def climb(
        self, y: Floats, steps: int, lengths: tuple[float, float], to: float, most: float = 1.0
    ) -> None:
        """Raise the bound with all jobs, until `most` of the time limit is over."""
        self.clock.stage("bound", to)

        def stop(done: float) -> bool:
            return self.clock.over(done) or self.clock.spent(most)

        ascent = self.ascent
        ascent.climb(self.priced, self.rows.supply(), y, steps, lengths, stop=stop)
        if ascent.bound > self.bound:
            self.bound, self.y = ascent.bound, ascent.best

    def settled(self, taken: Bools | None) -> tuple[_core.ResidualCapacity, Int32s, Int32s]:
        """Return room and placement of the best plan without the jobs `taken`, None for all."""
        room, n = _core.ResidualCapacity(self.market), len(self.in_order)
        klass, start = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
        if taken is not None:
            assert self.best is not None
            on = np.flatnonzero((self.best.klass >= 0) & ~taken).astype(np.int32)
            room.place_at(on, self.best.klass[on], self.best.start[on], klass, start)
        return room, klass, start

    def judged(self, klass: Int32s, start: Int32s, room: _core.ResidualCapacity) -> Incumbent:
        """Return a placement with its exact cost, after its exact dispatch."""
        supplied = self.rows.block.serve(self.problem.energy.base_load_kwh + room.load)
        return Incumbent(
            klass, start, plan_cost(self.problem, klass, start, supplied.dispatch), room
        )
