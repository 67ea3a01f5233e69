"""The coupling constraints: the rows that all jobs share, their prices, and the jobs' use of them.

Rows of accelerators K, of corridors BW, of quotas U and L, and of energy, by class or site and
hour; their prices are alpha, gamma, nu and pi. At most floor(K / g) gangs of g run on K
accelerators, and a job of k accelerators uses floor(k / g) of these: where jobs are few, such rows
(Chvatal-Gomory rounding) keep the relaxation from using accelerators that whole gangs cannot use.
Their price is `beta`: an accelerator costs jobs of different gangs differently. The bound that
prices prove is in `dual_bound.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from ... import _core
from ..._interrupts import WorkerThreads
from .native_problem import gangs_each
from .settings import TYPICAL_PRICE
from .work import Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..plan.columns import Prices
    from ..tables.column import Floats, Int32s
    from ..tables.problem import Problem
    from .dispatch_lp import EnergyBlock
    from .work import Market

__all__ = ["CouplingConstraints", "PriceVector", "RightHandSide", "RowPrices"]


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
