"""The rows that all jobs share, their prices, the bound that prices prove, and its ascent.

Rows of accelerators K, of corridors BW, of quotas U and L, and of energy, by class or site and
hour; their prices are alpha, gamma, nu and pi. At most floor(K / g) gangs of g run on K
accelerators, and a job of k accelerators uses floor(k / g) of these: where jobs are few, such rows
(Chvatal-Gomory rounding) keep the relaxation from using accelerators that whole gangs cannot use.
Their price is `beta`: an accelerator costs jobs of different gangs differently.

For any prices y = (alpha, pi, gamma, nu, beta) every plan costs at least

    LB(y) = sum_j V_j(y) - alpha . K - beta_g . floor(K / g) - gamma . BW - nu+ . U - nu- . L
    + E(pi),

V_j the cheapest option of job j at these prices (or its value), E(pi) the energy block's least cost
when each kWh of load earns pi. The supergradient is use less supply of each row. A plan's bound is
proved again in `checker/bound.py`.

Dual ascent finds prices that prove a good bound, by steps along each row's own slope. The step of a
row is its mean recent slope over the root of its mean squared slope, in units of a typical price of
its kind plus a part of its own price: rows of very different sizes move alike, and a row whose
slope keeps changing sign slows down. At intervals the running average of the prices is evaluated as
well, and the best prices are kept: plain subgradients oscillate about the optimum, their average is
near it. Statistics of the slopes are kept from one ascent to the next: its first steps, on a
slightly smaller problem, then have the length that the imbalance needs and not the largest one
allowed.

Many jobs choose alike: at one vector of prices all of them choose the same hours, and at the next
all choose others. So the first prices come from a sampled ascent, in which each step prices one
small sample in turn: the prices move many times for one pass over all jobs, and as far as in as
many passes, and the longer memory of slopes averages the samples' noise. When the prices are nearly
optimal, the difference between each sample and all jobs is computed at intervals and added to its
steps: only the change since then is noise, and the ascent ends several times nearer to the optimum.

Source: the step is that of Kingma and Ba, "Adam" (2015), projected; averaging as in Polyak and
Juditsky (1992); the corrections are those of Johnson and Zhang, "Accelerating stochastic gradient
descent using predictive variance reduction" (2013). Deviations: ascent, geometric step lengths,
steps that grow with the price, the best kept instead of the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from ... import _core
from ..._interrupts import WorkerThreads
from .budget import Work
from .dispatch_lp import ROUNDING
from .settings import (
    MEMORY,
    OWN_PART,
    PRICE_MEMORY,
    SAMPLES_CORRECTED_AT,
    TRUST_REGION,
    TRY_EVERY,
    TYPICAL_PRICE,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..plan.columns import Prices
    from ..tables.column import Floats, Int32s
    from ..tables.problem import Problem
    from .budget import Market
    from .dispatch_lp import EnergyBlock
    from .settings import Memory, SampledAscentOptions


def supply_kwh(problem: Problem) -> Floats:
    """Return the largest load without battery, by site and hour, (n_sites, n_hours)."""
    energy = problem.energy
    direct = energy.direct_kwh.sum(axis=0)
    return np.asarray(direct + energy.bundled_kwh + problem.sites.connection_kw[:, None])


def gangs_each(problem: Problem) -> Floats:
    """Return gangs of each level per accelerator of a job, for each kind of gang."""
    level = np.array(problem.gang_levels, np.int64)
    if not len(level):
        return np.zeros((1, 0))
    gang = np.unique(problem.jobs.gang).astype(np.int64)[:, None]
    return np.asarray((gang // level) / np.maximum(gang, 1), np.float64)


def market_of(problem: Problem) -> _core.LagrangianOracle:
    """Return the Lagrangian oracle of a problem's jobs and classes."""
    classes, corridors, quotas = problem.classes, problem.corridors, problem.quotas.linear_rows
    most = problem.most_load_kwh - problem.energy.base_load_kwh
    power = np.maximum(supply_kwh(problem) - problem.energy.base_load_kwh, 0.0)
    priced = quotas.paid((quotas.limited | (quotas.floor > 0)).astype(np.float64))
    world = {
        "n_sites": len(problem.sites),
        "n_hours": problem.hours,
        "site": classes.site,
        "capacity": classes.capacity,
        "memory_gb": classes.memory_gb,
        "throughput": classes.throughput,
        "kwh_per_accelerator_h": problem.kwh_per_accelerator_h,
        "power_kwh": np.where(most <= power, np.inf, power),
        "bandwidth_gb": corridors.bandwidth_gb,
        "price_yuan_per_gb": corridors.price_yuan_per_gb,
        "latency_ms": problem.delay_ms,
        "quota": quotas.upper_h,
        "priced": (priced > 0).any(axis=1).astype(np.uint8),
        "n_models": quotas.models,
        "model": quotas.model(classes.accelerator),
        "quota_rows": quotas.row,
        "quota_ends": quotas.end,
    }
    jobs = {name: getattr(problem.jobs, name) for name in problem.jobs.columns()}
    gangs = np.unique(problem.jobs.gang) if problem.gang_levels else np.zeros(1, np.int32)
    jobs["kind"] = (np.searchsorted(gangs, problem.jobs.gang, "right") - 1).astype(np.int32)
    world["n_kinds"] = max(len(gangs), 1)
    if not problem.gang_levels:
        jobs["kind"][:] = 0
    return _core.LagrangianOracle(world, jobs)


_Found = TypeVar("_Found")

#: Least unit of a step of the ascent, yuan or kW: with a smaller one prices would barely move.
LEAST_TYPICAL = 1e-9

#: Jobs of less work than this, hours, count as jobs of one hour: the value per hour of a job of
#: 1e-300 hours is no typical price.
SHORT_H = 1e-3


class PriceVector(NamedTuple):
    """The four kinds of prices as jobs pay them, each contiguous float64 in its natural shape."""

    #: Of an accelerator for jobs of each kind of gang, (n_kinds, n_classes, n_hours).
    capacity: Floats
    energy: Floats
    corridor: Floats
    #: Of an accelerator-hour by queue and accelerator, (n_tenants, models).
    quota: Floats


class RowPrices(NamedTuple):
    """The prices of the rows, by the resource that they limit."""

    capacity: Floats
    energy: Floats
    corridor: Floats
    #: By row of `Quotas.linear_rows`.
    quota: Floats
    #: By level, class and hour.
    gang: Floats


class RightHandSide(NamedTuple):
    """The limits of the rows: all of each, or the part that a dive has left."""

    accelerators: Floats
    #: Base load, kWh.
    load_kwh: Floats
    data_gb: Floats
    quota_h: Floats
    quota_low_h: Floats
    #: Whole gangs by level, class and hour.
    gangs: Floats


class CouplingConstraints:
    """The shared rows of a problem, packed into one vector of prices.

    Parameters
    ----------
    problem : Problem
    block : EnergyBlock
    threads : int
        0 = all that the machine has.
    """

    def __init__(self, problem: Problem, block: EnergyBlock, threads: int) -> None:
        """Compute sizes, limits, and the scale of each row's price."""
        self.problem, self.block, self.threads = problem, block, threads
        self.work = Work(problem, block)
        #: One thread for the energy block, which is solved while the jobs are priced.
        alone = _core.thread_count(threads) == 1
        self._beside = None if alone else WorkerThreads(1)
        n_sites, hours = len(problem.sites), problem.hours
        self.quotas = problem.quotas.linear_rows
        self.shapes = (
            problem.classes.capacity.shape,
            (n_sites, hours),
            (n_sites, n_sites, hours),
            self.quotas.upper_h.shape,
            (len(problem.gang_levels), *problem.classes.capacity.shape),
        )
        self._level = np.array(problem.gang_levels, np.int64)[:, None, None]
        #: Gangs of each level that a job takes, for each of its accelerators, (n_kinds, n_levels).
        self._gangs_each = gangs_each(problem)
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        ends = np.cumsum(sizes).tolist()
        at = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        self._kinds = list(zip(at, self.shapes, strict=True))
        self._limited_gb = np.isfinite(problem.corridors.bandwidth_gb)
        self._limited_h, floor = self.quotas.limited, self.quotas.floor
        self.priced = self._limited_h | (floor > 0)
        #: Least and largest price of each row. A quota without an upper limit has no rent. Load has
        #: a price below 0 where its use of own or green power is worth more than that power costs.
        zero = [np.zeros(s) for s in self.shapes]
        self.floor = self.pack(zero[0], np.full(self.shapes[1], -np.inf), zero[2], -floor, zero[4])
        rent = np.where(self._limited_h, np.inf, 0.0)
        most = [np.full(s, np.inf) for s in self.shapes]
        self.ceiling = self.pack(*most[:3], rent, most[4])
        ones = [np.ones(s) for s in self.shapes[:2]]
        broken = (problem.classes.capacity % self._level != 0).astype(float)
        limited = (np.asarray(x, np.float64) for x in (self._limited_gb, self.priced))
        self.active = self.pack(*ones, *limited, broken)
        self.scale = self.active * self._scale()
        self._kwh = problem.kwh_per_accelerator_h

    def close(self) -> None:
        """Wait for a question under way, and end its thread."""
        if self._beside is not None:
            self._beside.close()

    def _scale(self) -> Floats:
        """Return a typical price of each row, the unit of the steps of the ascent."""
        problem, jobs = self.problem, self.problem.jobs
        hours = np.where(jobs.work_h < SHORT_H, 1.0, jobs.work_h)
        power = _typical(np.abs(problem.energy.tariff_yuan_per_kwh), TYPICAL_PRICE.tariff)
        worth = _typical(jobs.value_yuan / (jobs.gang * hours), 1.0)
        wires = problem.corridors.price_yuan_per_gb
        transfer = _typical(wires[wires > 0], TYPICAL_PRICE.transfer)
        watts = _typical(problem.kwh_per_accelerator_h, 1.0)
        typical = (
            power * watts / TYPICAL_PRICE.capacity_divisor,
            power / TYPICAL_PRICE.load_divisor,
            transfer,
            worth / TYPICAL_PRICE.quota_divisor,
        )
        parts = [np.full(s, v) for s, v in zip(self.shapes, typical, strict=False)]
        return self.pack(*parts, np.broadcast_to(typical[0] * self._level, self.shapes[4]))

    def pack(self, *parts: Floats) -> Floats:
        """Return one flat vector."""
        return np.concatenate([np.asarray(part, np.float64).ravel() for part in parts])

    def prices(self, y: Floats) -> RowPrices:
        """Return the five kinds of a flat vector, as views."""
        return RowPrices(*(y[at].reshape(s) for at, s in self._kinds))

    def unpack(self, y: Floats) -> PriceVector:
        """Return the prices that jobs pay at the row prices `y`."""
        alpha, pi, gamma, nu, beta = self.prices(y)
        if not len(beta):
            return PriceVector(alpha[None], pi, gamma, self.quotas.paid(nu))
        each = alpha + np.tensordot(self._gangs_each, beta, axes=1)
        return PriceVector(np.ascontiguousarray(each), pi, gamma, self.quotas.paid(nu))

    def start(self, prices: Prices | None) -> Floats:
        """Return the first vector: given prices, or a part of the tariff for load and else 0."""
        if prices is None:
            tariff = self.problem.energy.tariff_yuan_per_kwh
            zero = [np.zeros(s) for s in self.shapes]
            return self.pack(zero[0], tariff * TYPICAL_PRICE.first_load, *zero[2:])
        beta = np.zeros(self.shapes[4])
        if prices.gang.shape[1:] == beta.shape[1:]:
            known = dict(prices.gang_rows)
            for i, size in enumerate(self.problem.gang_levels):
                beta[i] = known.get(size, 0.0)
        nu, given = np.zeros(self.shapes[3]), prices.quota_rows
        given = given if given.shape == nu.shape else prices.quota
        nu[: len(given)] = given
        y = self.pack(prices.capacity, prices.energy, prices.corridor, nu, beta)
        return self.within(y * self.active)

    def quota_columns(self, nu: Floats) -> dict[str, Floats]:
        """The prices of quotas as columns of `Prices`."""
        n = len(self.problem.quotas)
        return {"quota": nu[:n], "quota_by_accelerator": nu[n:].reshape(-1, n)}

    def within(self, y: Floats) -> Floats:
        """Return the prices nearest to `y` that rows can have."""
        return np.clip(y, self.floor, self.ceiling)

    def supply(self, room: _core.ResidualCapacity | None = None) -> RightHandSide:
        """Return the limits of all rows, or the part of them that `room` has left."""
        problem, quotas = self.problem, self.quotas
        accelerators: Any = problem.classes.capacity if room is None else room.accelerators
        data = problem.corridors.bandwidth_gb if room is None else room.data
        used = np.zeros(len(quotas.upper_h)) if room is None else room.quota_used
        base = problem.energy.base_load_kwh
        load = base if room is None else base + room.load
        return RightHandSide(
            accelerators,
            load,
            np.where(self._limited_gb, data, 0.0),
            np.where(self._limited_h, quotas.upper_h - used, np.inf),
            np.maximum(quotas.lower_h - used, 0.0),
            accelerators // self._level,
        )

    def use(self, market: Market, y: Floats) -> Floats:
        """Return the use of each row by the live jobs of `market` at prices `y`, flat."""
        return self.market_use(self.price(market, y)) * self.active

    def price(
        self,
        market: Market,
        y: Floats,
        klass: Int32s | None = None,
        start: Int32s | None = None,
    ) -> dict[str, Any]:
        """Find the cheapest options of the live jobs of `market` at prices `y`, in arrays if given.

        All passes over jobs are made here, so that they are counted.
        """
        self.work.priced(market)
        return market.price(*self.unpack(y), klass, start, threads=self.threads)

    def place(
        self, room: _core.ResidualCapacity, y: Floats, jobs: Int32s, klass: Int32s, start: Int32s
    ) -> None:
        """Place jobs in their order, each in its cheapest option at prices `y` that still fits."""
        self.work.placed(len(jobs))
        room.place(*self.unpack(y), jobs, klass, start)

    def market_use(self, found: dict[str, Any]) -> Floats:
        """Return the use of rows of a pass as a flat vector; energy in kWh by site and hour."""
        by_kind, load = found["accelerators"], np.zeros(self.shapes[1])
        busy = by_kind.sum(axis=0)
        np.add.at(load, self.problem.classes.site, busy * self._kwh)
        gangs = np.tensordot(self._gangs_each.T, by_kind, axes=1)
        return self.pack(busy, load, found["data"], self.quotas.summed(found["quota"]), gangs)

    def serving(
        self, y: Floats, limits: tuple[Floats, Floats] | None = None
    ) -> Callable[[], Floats]:
        """Begin to compute the most profitable load to serve at prices `y`, beside other work.

        The function returned waits for that load, (n_sites, n_hours), kWh, between `limits` if they
        are given. No other question may be put to the energy block before.
        """
        return self.begin(self.block.served, self.unpack(y).energy, limits)

    def begin(self, ask: Callable[..., _Found], *args: Any) -> Callable[[], _Found]:
        """Begin a question to the energy block; the function returned waits for the answer."""
        self.work.asking()
        if self._beside is not None:
            return self.work.asked(self._beside.begin(ask, *args).result)
        at_once = ask(*args)
        return self.work.asked(lambda: at_once)

    def slope(self, use: Floats, y: Floats, supply: RightHandSide, served_kwh: Floats) -> Floats:
        """Return the jobs' use at prices `y` less the limits, `served_kwh` being that of energy."""
        taken, offered = self.prices(use), supply
        return self.active * self.pack(
            taken.capacity - offered.accelerators,
            taken.energy + offered.load_kwh - served_kwh,
            taken.corridor - offered.data_gb,
            taken.quota - self.held(taken.quota, self.prices(y).quota, offered),
            taken.gang - offered.gangs,
        )

    def held(self, used: Floats, nu: Floats, supply: RightHandSide) -> Floats:
        """Return the limits of quotas: a price is a rent at the upper one, a bonus at the lower."""
        held = np.clip(used, supply.quota_low_h, supply.quota_h)
        held = np.where(nu > 0, supply.quota_h, held)
        return np.where(nu < 0, supply.quota_low_h, held)


def _typical(values: Floats, otherwise: float) -> float:
    """Return the median of values >= 0, of those above 0 if it is 0, or `otherwise` if none is."""
    for found in (values, values[values >= LEAST_TYPICAL]):
        typical = float(np.median(found)) if found.size else 0.0
        if typical >= LEAST_TYPICAL:
            return typical
    return otherwise


class DualEvaluation(NamedTuple):
    """The bound at one price vector, with its supergradient."""

    bound: float
    #: Use less supply by row, flat.
    slope: Floats
    #: Cost of the jobs that are left out at these prices, and the number of those that are not.
    left_out_yuan: float
    placed: int


def evaluate_dual(
    rows: CouplingConstraints, market: Market, y: Floats, supply: RightHandSide
) -> DualEvaluation:
    """Return the bound at `y` for the live jobs of `market`, and its slope."""
    prices = rows.prices(y)
    minimum = rows.begin(rows.block.minimum, prices.energy)
    found = rows.price(market, y)
    energy = minimum()
    held = rows.held(rows.quotas.summed(found["quota"]), prices.quota, supply)
    slope = rows.slope(rows.market_use(found), y, supply, energy.load_kwh)
    rent, size = 0.0, 0.0
    held = np.where(prices.quota == 0, 0.0, held)
    rented = (
        (prices.capacity, supply.accelerators),
        (prices.corridor, supply.data_gb),
        (prices.gang, supply.gangs),
    )
    for price, amount in (*rented, (prices.quota, held)):
        products = price * amount
        rent += float(products.sum())
        size += float(np.abs(products).sum())
    fixed = prices.energy * (supply.load_kwh - rows.problem.energy.base_load_kwh)
    bound = found["total"] - found["margin"] - rent + energy.bound + float(fixed.sum())
    bound -= ROUNDING * (len(y) + 64) * (size + float(np.abs(fixed).sum()))
    return DualEvaluation(bound, slope, found["left_out"], found["placed"])


def with_sample(
    market: _core.LagrangianOracle, here: Int32s, rows: Int32s, weight: Int32s
) -> _core.LagrangianOracle:
    """Return jobs `here` of a market with a sample of others, each representing `weight` jobs."""
    weight = np.concatenate([np.ones(len(here), np.int32), weight])
    return market.subset(np.concatenate([here, rows]), weight)


def samples_of(rows: Int32s, size: Floats, count: int, most: int) -> list[tuple[Int32s, Int32s]]:
    """Return samples of about `count` of `rows`, enough to cover all rows, `most` at most."""
    samples = min(most, -(-len(rows) // count)) or 1
    return systematic_samples(rows, size, count, (np.arange(samples) + 0.5) / samples)


def systematic_samples(
    rows: Int32s, size: Floats, count: int, offsets: Floats
) -> list[tuple[Int32s, Int32s]]:
    """Return a sample for each offset: the jobs drawn, and the number of jobs each represents.

    A job that represents w jobs is drawn with a probability of 1 / w, evenly along `rows` (the
    market's own order of shape, origin and release); w is about inverse to its size, so that large
    ones are always drawn. Samples with other offsets in [0, 1) have other jobs.
    """
    if len(rows) <= count:
        return [(rows, np.ones(len(rows), np.int32))] * len(offsets)
    share = np.maximum(size[rows], 1e-9)
    unit = share.sum() / count
    for _ in range(20):  # jobs with a probability above 1 are drawn; the others share the rest
        sure = share >= unit
        unit = share[~sure].sum() / max(count - sure.sum(), 1)
    weight = np.clip(np.rint(unit / share), 1, len(rows))
    end, weight = np.cumsum(1 / weight), weight.astype(np.int32)
    sure, out = weight == 1, []
    for offset in offsets:
        drawn = sure.copy()
        at = np.arange(1, np.floor(end[-1] + offset) + 1) - offset
        drawn[np.minimum(np.searchsorted(end, at), len(rows) - 1)] = True
        out.append((rows[drawn], weight[drawn]))
    return out


class TrustRegion:
    """The load that a dive approaches, and limits near it.

    Near the best prices a site is indifferent between loads that are far apart, and its most
    profitable load jumps from one to the other, whatever the jobs use. Within limits it shows in
    which hours the present load is too high or too low.
    """

    def __init__(self) -> None:
        """Begin without any load."""
        self._load: Floats | None = None
        self._steps = 0

    def see(self, load_kwh: Floats) -> tuple[Floats, Floats]:
        """Return the limits after the load `load_kwh` at the latest prices, base load included."""
        if self._load is None:
            self._load = load_kwh
        self._load = TRUST_REGION.memory * self._load + (1 - TRUST_REGION.memory) * load_kwh
        if self._steps % TRUST_REGION.every == 0:
            part = TRUST_REGION.part
            self._limits = (1 - part) * self._load, (1 + part) * self._load
        self._steps += 1
        return self._limits


class DualAscent:
    """Steps on the shared rows of one problem, or of what a dive has left of it.

    Parameters
    ----------
    rows : CouplingConstraints
    memory : Memory
    own_part : float
        Part of a row's own price that its step adds to the typical price.
    """

    def __init__(
        self, rows: CouplingConstraints, memory: Memory = MEMORY, own_part: float = OWN_PART
    ) -> None:
        """Begin without statistics of the slopes."""
        self._rows, self._memory, self._own_part = rows, memory, own_part
        self._mean = np.zeros_like(rows.scale)
        self._square = np.zeros_like(rows.scale)
        self._steps = 0
        self.passes = 0
        #: The best bound of the last ascent that evaluated one, and the prices that prove it.
        self.bound, self.best = -np.inf, np.zeros(0)

    def climb(
        self,
        market: Market,
        supply: RightHandSide,
        y: Floats,
        steps: int,
        lengths: tuple[float, float],
        *,
        trial: bool = True,
        stop: Callable[[float], bool] = lambda _done: False,
    ) -> Floats:
        """Ascend from `y` for the live jobs of `market`; return the average price at the end.

        Parameters
        ----------
        market : Market
        supply : RightHandSide
        y : float64 (n_rows,)
        steps : int
        lengths : (float, float)
            First and last step length, in typical prices.
        trial : bool
            Evaluate the average at intervals, and keep the best bound; at least that of `y`.
        stop : callable
            Receives the fraction done before each step but the first; True ends the ascent.
        """
        average = y.copy()
        self.bound, self.best = -np.inf, y
        for k in range(steps):
            if k and stop(k / steps):
                break
            slope = self._look(market, supply, y)
            y = self._moved(y, slope, lengths[0] * (lengths[1] / lengths[0]) ** (k / steps))
            average = PRICE_MEMORY * average + (1 - PRICE_MEMORY) * y
            if trial and (k % TRY_EVERY == TRY_EVERY - 1 or k == steps - 1):
                self._look(market, supply, average)
        return average

    def follow(
        self, use: Floats, y: Floats, supply: RightHandSide, length: float, served_kwh: Floats
    ) -> Floats:
        """Return the prices after a step from `y`, of `length` typical prices at most.

        `use` is the use of rows at `y`, flat, and `served_kwh` the most profitable load there.
        """
        self.passes += 1
        return self._moved(y, self._rows.slope(use, y, supply, served_kwh), length)

    def walk(
        self,
        markets: Sequence[Market],
        whole: Market,
        supply: RightHandSide,
        y: Floats,
        how: SampledAscentOptions,
        stop: Callable[[float], bool] = lambda _done: False,
        spent: Callable[[], float] = lambda: 0.0,
    ) -> Floats:
        """Ascend from `y`, each step with one of `markets` in turn; return the average price.

        Each of the markets represents all jobs, those of `whole`. No bound is evaluated. `spent`
        returns the part of the time that is over: where it exceeds the part of the steps, step
        lengths fall sooner, so that the ascent does not end with long steps.
        """
        rows, average = self._rows, y.copy()
        missed = np.zeros((len(markets), len(y)))
        steps, (first, last) = how.steps, how.lengths
        corrections = [*SAMPLES_CORRECTED_AT, np.inf]
        for k in range(steps):
            if k and stop(k / steps):
                break
            part = max(k / steps, min(spent(), 1.0))
            if k >= int(min(corrections[0], 1.0) * steps) or part > corrections[0]:
                corrections.pop(0)
                missed[:] = [rows.use(market, average) for market in markets]
                missed = rows.use(whole, average) - missed
                self.passes += len(markets) + 1
            if k % how.energy_every == 0:
                served = rows.serving(y)
            length = first * (last / first) ** part
            i = k % len(markets)
            use = rows.use(markets[i], y) + missed[i]
            y = self.follow(use, y, supply, length, served())
            average = PRICE_MEMORY * average + (1 - PRICE_MEMORY) * y
        return average

    def _moved(self, y: Floats, slope: Floats, length: float) -> Floats:
        """Return the prices after a step along the mean slopes."""
        rows, memory = self._rows, self._memory
        rows.work.climbed(len(y))
        self._steps += 1
        self._mean += (1 - memory.slope) * (slope - self._mean)
        self._square += (1 - memory.square) * (slope * slope - self._square)
        mean = self._mean / (1 - memory.slope**self._steps)
        spread = np.sqrt(self._square / (1 - memory.square**self._steps)) + 1e-9
        unit = rows.scale + self._own_part * rows.active * np.abs(y)
        return rows.within(y + length * unit * mean / spread)

    def _look(self, market: Market, supply: RightHandSide, y: Floats) -> Floats:
        found = evaluate_dual(self._rows, market, y, supply)
        self.passes += 1
        if found.bound > self.bound:
            self.bound, self.best = found.bound, y.copy()
        return found.slope
