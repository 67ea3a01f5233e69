"""The state of a solve: the problem, its constraints, the best bound, the incumbent and its cost.

The stages of `match` are functions of this state. It raises the bound by dual ascent, and values a
placement by its exact dispatch: jobs' own costs, unplaced jobs, lower quotas, and energy. The order
of the stages is decided elsewhere (match.py).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core
from ..._certificate import relative_gap
from ..eligibility import places_of
from ..plan.account import delay_yuan, resumed_yuan, runs_of, summed
from ..tables.problem import load_limits_yuan
from .cut_market import CutMarket
from .dispatch_lp import ROUNDING, EnergyBlock, wasted_yuan_per_kwh
from .prices import CouplingConstraints, DualAscent, evaluate_dual, market_of, samples_of
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
    from ..plan.columns import Dispatch, Pieces
    from ..tables.column import Bools, Floats, Int32s
    from ..tables.problem import Problem
    from .budget import Clock
    from .program import CoverProof
    from .settings import SampledAscentOptions

#: Largest error of a sum of energy, kWh and as a part of the energy required.
DUST = 5e-7


def plan_cost(
    problem: Problem,
    klass: Int32s,
    start: Int32s,
    dispatch: Dispatch,
    pieces: Pieces | None = None,
) -> float:
    """Return the total cost of a plan, yuan."""
    return jobs_cost(problem, klass, start, pieces) + dispatch_cost(problem, dispatch)


def jobs_cost(
    problem: Problem, klass: Int32s, start: Int32s, pieces: Pieces | None = None
) -> float:
    """Transfers, delays, migrations, values of jobs left out, and lower quotas missed, yuan."""
    everyone = np.arange(len(klass), dtype=np.int32)
    total = own_cost(problem, everyone, klass, start, pieces)
    if misses_quotas(problem):
        job = np.flatnonzero(klass >= 0)
        runs = runs_of(problem, klass, start, pieces)
        hours = summed(runs.hours, runs, len(job))
        gangs, tenants = problem.jobs.gang[job], problem.jobs.tenant[job]
        kinds = problem.classes.accelerator[klass[job]]
        used = problem.quotas.linear_rows.used(tenants, kinds, gangs * hours)
        total += missed_cost(problem, used)
    return total


def own_cost(
    problem: Problem,
    rows: Int32s,
    klass: Int32s,
    start: Int32s,
    pieces: Pieces | None = None,
) -> float:
    """Transfers, delays, migrations and values left out of some jobs at options `klass, start`.

    `pieces` are those of all jobs.
    """
    jobs, on = problem.jobs, klass >= 0
    job, c, t = rows[on], klass[on], start[on]
    wire = problem.corridors.price_yuan_per_gb[jobs.origin[job], problem.classes.site[c]]
    moved = (jobs.placed_class[job] >= 0) & (
        (jobs.placed_class[job] != c) | (jobs.placed_start[job] != t)
    )
    own = wire * jobs.data_gb[job] + delay_yuan(problem, job, c, t, pieces)
    own += np.where(moved, jobs.migration_yuan[job], 0.0)
    if pieces is not None:
        own += resumed_yuan(problem, job, pieces)
    return float(own.sum() + jobs.value_yuan[rows[~on]].sum())


def misses_quotas(problem: Problem) -> bool:
    """Return whether staying below a lower quota has a cost."""
    return bool((problem.quotas.linear_rows.floor > 0).any())


def missed_cost(problem: Problem, used_h: Any) -> float:
    """Return the cost of lower quotas missed with `used_h` accelerator-hours by row, yuan."""
    return float(problem.quotas.below_yuan(used_h).sum())


def dispatch_cost(problem: Problem, d: Dispatch) -> float:
    """Return the cost of energy, wear, carbon, certificates and shortfalls, less sales, yuan."""
    energy, rows = problem.energy, problem.mandate_rows
    carbon = energy.carbon_yuan_per_t * problem.carbon_g_per_kwh / 1e6
    direct = d.direct_kwh + d.direct_charge_kwh
    charged = d.direct_charge_kwh.sum(axis=0) + d.bundled_charge_kwh + d.grid_charge_kwh
    worn: Floats = (charged + d.green_discharge_kwh + d.grey_discharge_kwh).sum(axis=1)
    total = (energy.direct_hourly_yuan_per_kwh * direct).sum()
    total += (energy.bundled_yuan_per_kwh * (d.bundled_kwh + d.bundled_charge_kwh)).sum()
    total += ((energy.tariff_yuan_per_kwh + carbon) * (d.grid_kwh + d.grid_charge_kwh)).sum()
    total += (energy.wear_yuan_per_kwh * worn).sum()
    total -= (energy.export_yuan_per_kwh * d.exported_kwh.sum(axis=0)).sum()
    total += energy.certificate_yuan_per_kwh * d.certificate_kwh.sum()
    total += (wasted_yuan_per_kwh(energy) * d.curtailed_kwh).sum()
    peak = (d.grid_kwh + d.grid_charge_kwh).max(axis=1)
    above = np.maximum(peak - energy.demand_paid_kw, 0.0)
    total += (energy.demand_yuan_per_kw * above).sum()
    total += rows.missing_yuan_per_kwh * d.missing_kwh.sum()
    short = d.direct_use_short_kwh.sum() + d.direct_load_short_kwh.sum()
    total += problem.direct_rows.short_yuan_per_kwh * short
    total += energy.shed_yuan_per_kwh * d.shed_kwh.sum()
    if problem.sites.limits_load.any():
        total += load_limits_yuan(problem, d.load_kwh - d.shed_kwh).sum()
    if energy.terminal == "value":
        left = (d.green_stored_kwh + d.grey_stored_kwh)[:, -1]
        total -= (energy.terminal_yuan_per_kwh * left).sum()
    return float(total)


def least_energy_cost(problem: Problem) -> float:
    """Return a lower bound on the cost of any dispatch, by the signs of the prices alone, yuan.

    Each kWh that a source, the grid or the store can deliver earns at most its price; wear, carbon
    and shortfalls of rules cost at least 0. The bound is exactly 0 where no price pays, whereas a
    bound by prices of the rows is reduced by the rounding error.
    """
    energy = problem.energy
    sold = np.minimum(energy.direct_hourly_yuan_per_kwh, -energy.export_yuan_per_kwh)
    most_drawn = problem.most_load_kwh + energy.battery_kw[:, None]
    terms = [
        energy.direct_kwh * np.minimum(sold, 0.0),
        energy.bundled_kwh * np.minimum(energy.bundled_yuan_per_kwh, 0.0),
        np.minimum(most_drawn, problem.sites.connection_kw[:, None])
        * np.minimum(energy.tariff_yuan_per_kwh, 0.0),
    ]
    if energy.terminal == "value":
        terms.append(-energy.battery_kwh * energy.terminal_yuan_per_kwh)
    count = sum(term.size for term in terms)
    return float(sum(term.sum() for term in terms) * (1 + ROUNDING * (count + 16)))


def load_of(problem: Problem, klass: Int32s, start: Int32s, pieces: Pieces | None = None) -> Floats:
    """Return the load of base and placed jobs by site and hour, (n_sites, n_hours), kWh."""
    jobs, classes = problem.jobs, problem.classes
    job, c, t, hours, _ = runs_of(problem, klass, start, pieces)
    change = np.zeros((len(classes), problem.hours + 1), np.int64)
    np.add.at(change, (c, t), jobs.gang[job])
    np.add.at(change, (c, t + hours), -jobs.gang[job])
    busy = change.cumsum(axis=1)[:, : problem.hours]
    load = problem.energy.base_load_kwh.copy()
    np.add.at(load, classes.site, busy * problem.kwh_per_accelerator_h)
    return load


def slack_kwh(problem: Problem, load_kwh: Floats) -> Floats:
    """Return the shortfall of each scope that rounding alone may cause, kWh."""
    rows = problem.mandate_rows
    asked = rows.share * (rows.member @ load_kwh.sum(axis=1)) + rows.carried_kwh
    return np.asarray(DUST * np.maximum(1.0, np.abs(asked)))


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
