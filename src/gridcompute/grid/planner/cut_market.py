"""Prices for jobs that may run in pieces: a pass over all options, their cuts included.

The native oracle has whole runs only. `CutMarket` calls it for all other jobs, and finds the
cheapest cut of each interruptible job by `interruption`; the result has the same form as the
oracle's, so that bounds and slopes follow from it in the same way.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..eligibility import filtered, hours_needed
from ..interruption import Cuts, cheapest_cuts
from .dispatch_lp import ROUNDING
from .prices import PriceVector, samples_of
from .settings import MOST_PRICES, MOST_WINDOWS

if TYPE_CHECKING:
    from ... import _core
    from ..plan.columns import Prices
    from ..tables.column import Bools, Floats, Int32s, Int64s
    from ..tables.problem import Problem
    from .budget import Work

#: Reduction of a least price, as a part of the largest sum that is rounded.
SLACK = 1e-12
#: Part of a quota by which an option may exceed it: sums of hours are rounded.
QUOTA_SLACK = 1e-12


class Best(NamedTuple):
    """The cheapest option of each of some jobs at some prices; inf and -1 where it has none."""

    yuan: Floats
    klass: Int32s
    #: Hours in which it runs, (n, n_hours).
    busy: Bools


class Room(NamedTuple):
    """The capacity that placed jobs leave, and the load with theirs."""

    accelerators: Int64s
    data_gb: Floats
    load_kwh: Floats
    quota_h: Floats


class CutMarket:
    """The jobs of a problem of which some are interruptible.

    Parameters
    ----------
    problem : Problem
        In steps, without pinned jobs.
    market : LagrangianOracle
        Of all its jobs, as if none was interruptible.
    work : Work
        Counts the work of cuts.
    """

    def __init__(self, problem: Problem, market: _core.LagrangianOracle, work: Work) -> None:
        self.problem, self._market, self._work, jobs = problem, market, work, problem.jobs
        rows = np.flatnonzero(jobs.interruptible)
        eligible, need = filtered(problem, rows)[0], hours_needed(problem, rows)
        cut = (eligible & _long_enough(problem, rows, need)).any(axis=1)
        #: Rows of the jobs that can be cut, and the classes at which each has an option.
        self.rows: Int64s = rows[cut]
        self.eligible: Bools = eligible[cut]
        self.need: Int32s = need[cut]
        #: Number of jobs that each of them represents.
        self.weight: Int64s = np.ones(len(self.rows), np.int64)
        #: All other jobs.
        self.uncut: Bools = np.ones(len(jobs), bool)
        self.uncut[self.rows] = False
        whole = np.flatnonzero(self.uncut).astype(np.int32)
        self._whole = market.subset(whole, np.ones(len(whole), np.int32))
        gangs = np.unique(problem.jobs.gang)
        kinds = np.searchsorted(gangs, problem.jobs.gang[self.rows], "right") - 1
        self._kind: Int64s = kinds if problem.gang_levels else np.zeros_like(kinds)

    def subset(self, rows: Int32s, weight: Int32s) -> CutMarket:
        """Return the market of some jobs, each of which stands for `weight` jobs."""
        of_job = np.zeros(len(self.problem.jobs), np.int64)
        of_job[rows] = weight
        at = np.flatnonzero(of_job[self.rows] > 0)
        out = object.__new__(CutMarket)
        out.problem, out._market, out._work = self.problem, self._market, self._work
        out.rows, out.eligible, out.need = self.rows[at], self.eligible[at], self.need[at]
        out.weight, out.uncut, out._kind = of_job[out.rows], self.uncut, self._kind[at]
        whole = self.uncut[rows]
        out._whole = self._market.subset(
            np.ascontiguousarray(rows[whole], np.int32),
            np.ascontiguousarray(weight[whole], np.int32),
        )
        return out

    def samples(self, order: Int32s, size: Floats, count: int, most: int) -> list[CutMarket]:
        """Return markets of about `count` jobs, each of which stands for all jobs.

        `order` and `size` are those of the jobs that have an option to run whole.
        """
        rows, jobs = self.rows, self.problem.jobs
        kept = order[self.uncut[order]]
        alike = np.lexsort((jobs.release[rows], jobs.origin[rows], jobs.family[rows]))
        hours = np.where(self.eligible, self.need, np.iinfo(np.int32).max).min(axis=1, initial=1)
        size = size.copy()
        size[rows] = jobs.gang[rows] * np.maximum(hours, 1)
        every = np.concatenate([kept, rows[alike].astype(np.int32)])
        if len(every) <= count:
            return [self]
        return [self.subset(*drawn) for drawn in samples_of(every, size, count, most)]

    @property
    def has_option(self) -> Bools:
        """Return which of the jobs that can be cut have any option."""
        return np.asarray(self.eligible.any(axis=1))

    @property
    def n_active(self) -> int:
        """Return the number of priced jobs that run whole; jobs that are cut are counted apart."""
        return self._whole.n_active

    @property
    def shapes(self) -> int:
        """Return the number of price tables that the other jobs share."""
        return self._whole.shapes

    def price(
        self,
        capacity: Floats,
        energy: Floats,
        corridor: Floats,
        quota: Floats,
        klass: Int32s | None = None,
        start: Int32s | None = None,
        threads: int = 0,
    ) -> dict[str, Any]:
        """Return the results of `LagrangianOracle.price`, with interruptible jobs cut at will.

        `klass` and `start` do not change: they cannot describe a cut (the result of `best` can).
        """
        del klass, start
        found = self._whole.price(capacity, energy, corridor, quota, threads=threads)
        y = PriceVector(capacity, energy, corridor, quota)
        best, jobs = self.best(y), self.problem.jobs
        value = jobs.value_yuan[self.rows]
        on = np.flatnonzero(best.yuan < value)
        found["total"] += float((self.weight * np.minimum(best.yuan, value)).sum())
        found["margin"] += self._margin(y)
        found["placed"] += int(self.weight[on].sum())
        found["left_out"] += float(np.delete(self.weight * value, on).sum())
        job, to, busy, many = self.rows[on], best.klass[on], best.busy[on], self.weight[on]
        gang = many * jobs.gang[job]
        taken, (row, hour) = found["accelerators"], np.nonzero(busy)
        place = (self._kind[on][row] * taken.shape[1] + to[row]) * taken.shape[2] + hour
        taken += np.bincount(place, gang[row], taken.size).reshape(taken.shape).astype(taken.dtype)
        site, first = self.problem.classes.site[to], busy.argmax(axis=1)
        np.add.at(found["data"], (jobs.origin[job], site, first), many * jobs.data_gb[job])
        kinds = self.problem.quotas.linear_rows.model(self.problem.classes.accelerator)[to]
        np.add.at(found["quota"], (jobs.tenant[job], kinds), gang * busy.sum(axis=1))
        return found

    @cached_property
    def _pairs(self) -> _Pairs:
        """Return every job with every class in which it has an option."""
        problem, jobs, rows = self.problem, self.problem.jobs, self.rows
        at, klass = (x.astype(np.int32) for x in np.nonzero(self.eligible))
        job, site = rows[at], problem.classes.site[klass]
        was = jobs.placed_class[job]
        own = problem.corridors.price_yuan_per_gb[jobs.origin[job], site] * jobs.data_gb[job]
        own += np.where((was >= 0) & (was != klass), jobs.migration_yuan[job], 0.0)
        begin = np.concatenate([[0], np.cumsum(self.eligible.sum(axis=1))])
        return _Pairs(at, klass, own, begin)

    @cached_property
    def _windows(self) -> _Windows:
        """Return the windows of the jobs, and where each pair's least price is in a table."""
        problem, jobs, rows = self.problem, self.problem.jobs, self.rows
        hours, n_classes = problem.hours, len(problem.classes)
        most = int(np.minimum(self.need, hours).max(initial=1)) + 1
        grain = 1
        while True:  # wider windows where there are too many of them
            first = jobs.release[rows].astype(np.int64) // grain * grain
            last = np.minimum(-(-jobs.deadline[rows].astype(np.int64) // grain) * grain, hours)
            keys = (self._kind * (hours + 1) + first) * (hours + 1) + last
            unlike, key = np.unique(keys, return_inverse=True)
            if len(unlike) * n_classes * most <= MOST_WINDOWS or grain >= hours:
                break
            grain *= 2
        pairs = self._pairs
        need = np.minimum(self.need[pairs.at, pairs.klass], most - 1)
        cell = (key.reshape(-1)[pairs.at] * n_classes + pairs.klass) * most + need
        first, last = unlike // (hours + 1) % (hours + 1), unlike % (hours + 1)
        return _Windows(unlike // (hours + 1) ** 2, first, last, cell, most)

    def _least(self, y: PriceVector) -> Floats:
        """Return a lower bound on the price of any cut of a job, by pair, yuan.

        It is the sum of the cheapest hours of its window, consecutive or not.
        """
        problem, pairs, windows = self.problem, self._pairs, self._windows
        jobs, classes, most = problem.jobs, problem.classes, windows.most
        unit = y.capacity + problem.kwh_per_accelerator_h * y.energy[classes.site]
        table = np.full((len(windows.first), unit.shape[1], most), np.inf)
        width = windows.last - windows.first
        for length in np.unique(width).tolist():
            of = np.flatnonzero(width == length)
            clock = windows.first[of, None] + np.arange(length)
            prices = np.sort(unit[windows.kind[of, None], :, clock], axis=1)
            # Restarts add hours, which lower the price where an hour has a negative price.
            total = np.minimum.accumulate(prices.cumsum(axis=1)[:, ::-1], axis=1)[:, ::-1]
            n = min(length, most - 1)
            table[of, :, 1 : n + 1] = total[:, :n].transpose(0, 2, 1)
        self._work.tabled(table.size)
        self._work.bounded(len(pairs.at))
        job, dearest = self.rows, float(np.abs(unit).max(initial=0.0))
        gang = jobs.gang[job].astype(np.float64)
        span = (jobs.deadline - jobs.release)[job] * gang
        out = table.ravel()[windows.cell] * gang[pairs.at]
        out += pairs.own
        if y.corridor.any():
            toll, site = y.corridor.min(axis=2), classes.site[pairs.klass]
            out += toll[jobs.origin[job][pairs.at], site] * jobs.data_gb[job][pairs.at]
        if y.quota.any():
            kind = problem.quotas.linear_rows.model(classes.accelerator)[pairs.klass]
            held = y.quota[jobs.tenant[job][pairs.at], kind]
            need = self.need[pairs.at, pairs.klass] * gang[pairs.at]
            out += np.where(held > 0, held * need, held * span[pairs.at])
            dearest += float(np.abs(y.quota).max())
        wire = problem.corridors.price_yuan_per_gb.max() + y.corridor.max(initial=0.0)
        size = span * dearest + jobs.migration_yuan[job] + wire * jobs.data_gb[job]
        out -= (SLACK * size)[pairs.at]
        return np.asarray(out)

    def best(
        self,
        y: PriceVector,
        among: Int64s | None = None,
        room: Room | None = None,
        least: Floats | None = None,
    ) -> Best:
        """Return the cheapest option of each job that can be cut, or of those at `among`.

        The hours are marked for options that cost less than the job's value. `room` is the free
        capacity of accelerators, corridors and quotas; None: all. `least` is the result of
        `least_prices` for `y`.

        Lower bounds on cuts are compared first: classes whose bound exceeds the cost of a known cut
        are skipped.
        """
        problem, jobs, (at, klass, _, begin) = self.problem, self.problem.jobs, self._pairs
        some = np.arange(len(self.rows)) if among is None else among
        n, rows = len(some), self.rows[some]
        out = Best(np.full(n, np.inf), np.full(n, -1, np.int32), np.zeros((n, problem.hours), bool))
        bound = self._least(y) if least is None else least
        if among is None:
            job = at
        else:  # the pairs of these jobs, which follow each other
            count = begin[some + 1] - begin[some]
            pair = np.arange(count.sum()) + np.repeat(begin[some] - count.cumsum() + count, count)
            job, klass, bound = np.repeat(np.arange(n), count), klass[pair], bound[pair]
        if not len(job):
            return out
        free = (None, None) if room is None else (room.accelerators, room.data_gb)
        if room is not None:
            bound = np.where(self._within(room, some[job], klass), bound, np.inf)
        yuan = np.full(len(job), np.inf)
        limit = jobs.value_yuan[rows].copy()
        begins = np.flatnonzero(np.append(True, job[1:] != job[:-1]))
        lowest = np.full(n, np.inf)
        lowest[job[begins]] = np.minimum.reduceat(bound, begins)
        first = np.flatnonzero((bound == lowest[job]) & (bound < limit[job]))
        first = first[np.append(True, job[first][1:] != job[first][:-1])[: len(first)]]
        looked = np.zeros(len(job), bool)
        for pairs in (first, None):
            again = np.flatnonzero(~looked & (bound <= limit[job])) if pairs is None else pairs
            for part in self._parts(again):
                cuts = self.cuts(y, some[job[part]], klass[part], *free)
                yuan[part] = cheapest_cuts(cuts)[0]
            np.minimum.at(limit, job[again], yuan[again])
            looked[again] = True
        known = np.flatnonzero(yuan < np.inf)
        order = known[np.lexsort((known, yuan[known], job[known]))]
        mine = order[np.append(True, job[order][1:] != job[order][:-1])[: len(order)]]
        out.yuan[job[mine]], out.klass[job[mine]] = yuan[mine], klass[mine]
        for part in self._parts(mine[yuan[mine] < jobs.value_yuan[rows[job[mine]]]]):
            cuts = self.cuts(y, some[job[part]], klass[part], *free)
            out.busy[job[part]] = cheapest_cuts(cuts, traced=True)[1]
        return out

    def least_prices(self, y: PriceVector) -> Floats:
        """Return the lower bounds that `best` begins with at prices `y`, for several calls."""
        return self._least(y)

    def _parts(self, pairs: Int64s) -> list[Int64s]:
        """Return pairs in parts, so that their prices by hour fit into memory."""
        size = max(1, MOST_PRICES // self.problem.hours)
        return [pairs[first : first + size] for first in range(0, len(pairs), size)]

    def _within(self, room: Room, at: Int64s, klass: Any) -> Bools:
        """Return which jobs at positions `at` have quota left for the hours of a whole run."""
        problem, job = self.problem, self.rows[at]
        quotas = problem.quotas.linear_rows
        left = quotas.least(room.quota_h) * (1 + QUOTA_SLACK)
        kinds = quotas.model(problem.classes.accelerator)[klass]
        taken = problem.jobs.gang[job].astype(np.int64) * self.need[at, klass]
        return np.asarray(taken <= left[problem.jobs.tenant[job], kinds])

    def cuts(
        self,
        y: PriceVector,
        at: Int64s,
        klass: Any,
        capacity: Int64s | None = None,
        data_gb: Floats | None = None,
    ) -> Cuts:
        """Return the cuts of the jobs at positions `at` in one class each, at prices.

        `capacity` and `data_gb` are the free capacities of classes and corridors; None: all.
        """
        problem, job = self.problem, self.rows[at]
        rent = y.capacity[self._kind[at], klass]
        hourly = hourly_yuan(problem, job, klass, rent, y.energy, y.quota)
        toll = y.corridor[problem.jobs.origin[job], problem.classes.site[klass]]
        capacity = problem.classes.capacity if capacity is None else capacity
        data_gb = problem.corridors.bandwidth_gb if data_gb is None else data_gb
        need = self.need[at, klass]
        found = cuts_of(problem, job, klass, need, hourly, toll, capacity, data_gb)
        self._work.cut(found)
        return found

    def _margin(self, y: PriceVector) -> float:
        """Return the largest rounding error of the sum of the jobs' cheapest prices, yuan."""
        problem, jobs, rows = self.problem, self.problem.jobs, self.rows
        hours, site = problem.hours, problem.classes.site
        power = np.abs(problem.kwh_per_accelerator_h * y.energy[site])
        hourly = (np.abs(y.capacity).max(axis=0) + power).sum(axis=1).max(initial=0.0)
        hourly += hours * np.abs(y.quota).max(initial=0.0)
        wire = problem.corridors.price_yuan_per_gb.max() + np.abs(y.corridor).max(initial=0.0)
        own = jobs.value_yuan + jobs.migration_yuan
        own = own + hours * (jobs.delay_yuan_per_h + jobs.restart_yuan)
        size = own + hourly * jobs.gang + wire * jobs.data_gb
        return float(ROUNDING * (hours + 512) * (self.weight * size[rows]).sum())


class _Pairs(NamedTuple):
    """Jobs at classes, sorted by job."""

    #: Place of each pair's job in the market.
    at: Int32s
    klass: Int32s
    #: Price of data, and of another class than before, yuan.
    own: Floats
    #: Where the pairs of each job begin, and the end of the last.
    begin: Int64s


class _Windows(NamedTuple):
    """Distinct windows of jobs, each for one kind of gang."""

    kind: Int64s
    first: Int64s
    last: Int64s
    #: By pair, where it is in a table by window, class and hours of work up to `most`.
    cell: Int64s
    most: int


def hourly_yuan(
    problem: Problem, job: Int64s, klass: Any, rent: Floats, energy: Floats, quota: Floats
) -> Floats:
    """Return the price of an hour of some jobs in one class each, by hour, yuan.

    Parameters
    ----------
    problem : Problem
    job, klass : int (n,)
    rent : float64 (n, n_hours), yuan per accelerator-hour
        Price of an accelerator of the class, its part of the prices of whole gangs included.
    energy : float64 (n_sites, n_hours), yuan/kWh
    quota : float64 (n_tenants, n_models), yuan per accelerator-hour
        The price that jobs pay: the sum over all queues that an hour counts in.
    """
    jobs, classes = problem.jobs, problem.classes
    kind = problem.quotas.linear_rows.model(classes.accelerator)[klass]
    each = rent + problem.kwh_per_accelerator_h[klass] * energy[classes.site[klass]]
    each += quota[jobs.tenant[job], kind][:, None]
    each *= jobs.gang[job][:, None]
    return np.asarray(each)


def _long_enough(problem: Problem, rows: Int64s, need: Int32s) -> Bools:
    """Return the classes in which jobs can be cut: each has work and hours for two pieces."""
    jobs = problem.jobs
    least, restart = (
        x[rows].astype(np.int64)[:, None] for x in (jobs.least_piece_h, jobs.restart_h)
    )
    work = least + np.maximum(least - restart, 1)
    window = (jobs.deadline - jobs.release)[rows][:, None]
    return np.asarray((need >= work) & (need + restart + 1 <= window))


def _own_prices(problem: Problem, job: Any, klass: Any, need: Any) -> tuple[Floats, Floats]:
    """Return jobs' own costs of beginning in an hour at a class, and of ending before one, yuan.

    Transfer and migration, (n, n_hours); delay, (n, n_hours + 1), below 0 before they can end.
    """
    jobs, clock = problem.jobs, np.arange(problem.hours + 1)
    wire = problem.corridors.price_yuan_per_gb[jobs.origin[job], problem.classes.site[klass]]
    was, then = jobs.placed_class[job], jobs.placed_start[job]
    begin = np.broadcast_to((wire * jobs.data_gb[job])[:, None], (len(job), problem.hours))
    if (was >= 0).any():
        moved = (was >= 0)[:, None] & (
            (was != klass)[:, None] | (then[:, None] != clock[None, : problem.hours])
        )
        begin = begin + np.where(moved, jobs.migration_yuan[job][:, None], 0.0)
    late = clock[None] - (need + jobs.release[job])[:, None]
    return begin, jobs.delay_yuan_per_h[job][:, None] * late


def cuts_of(
    problem: Problem,
    job: Int64s,
    klass: Any,
    need: Int32s,
    hourly: Floats,
    toll: Floats | float,
    capacity: Int64s,
    data_gb: Floats,
) -> Cuts:
    """Return the cuts of some jobs in one class each, closed where capacity is missing.

    Parameters
    ----------
    problem : Problem
    job, klass, need : int (n,)
        Rows of the jobs, a class of each, and the hours it takes there whole.
    hourly : float64 (n, n_hours), yuan
        Price of an hour of the job.
    toll : float64 (n, n_hours), yuan/GB
        Price of the corridor in an hour.
    capacity : int64 (n_classes, n_hours)
        Accelerators that are free.
    data_gb : float64 (n_sites, n_sites, n_hours)
        Data that corridors can still carry.
    """
    jobs, site = problem.jobs, problem.classes.site[klass]
    clock = np.arange(problem.hours)
    begin, finish = _own_prices(problem, job, klass, need)
    data, origin = jobs.data_gb[job][:, None], jobs.origin[job]
    begin = begin + toll * data
    closed = (origin != site)[:, None] & (data > data_gb[origin, site])
    begin[closed] = np.inf
    within = (clock >= jobs.release[job][:, None]) & (clock < jobs.deadline[job][:, None])
    within &= capacity[klass] >= jobs.gang[job][:, None]
    return Cuts(
        np.where(within, hourly, np.inf),
        begin,
        finish,
        need,
        jobs.least_piece_h[job],
        jobs.restart_h[job],
        jobs.restart_yuan[job],
    )


def rent_yuan(prices: Prices, gang: Any, klass: Any) -> Floats:
    """Return the price of an accelerator for some gangs in one class each, by hour, yuan.

    It includes the accelerator's part of the price of whole gangs, where these have one.
    """
    out = prices.capacity[klass].copy()
    for size, beta in prices.gang_rows:
        out += (gang // size / np.maximum(gang, 1))[:, None] * beta[klass]
    return np.asarray(out)
