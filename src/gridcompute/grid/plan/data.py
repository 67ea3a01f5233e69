"""The data of a plan: placement, dispatch, prices, bound, and all that follows from them alone."""

from __future__ import annotations

import dataclasses
import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..._certificate import relative_gap
from ...errors import InvalidProblemError
from ..eligibility import without_option_yuan
from ..planner.dispatch_lp import EnergyBlock
from ..tables.column import Columns, Frozen, FrozenDict, frozen, sealed
from .account import Runs, covers_paid, delay_yuan, green_account, resumed_yuan, runs_of, summed
from .columns import Pieces, Placement
from .costs import allocated_yuan, cost_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ..tables.column import Bools, Floats, Int32s, Int64s
    from ..tables.problem import Problem
    from .columns import Dispatch, Prices


#: "optimal": gap 0 proved; "feasible": the gap asked for, or as far as it goes; "time_limit";
#: "stopped".
STATUSES = ("optimal", "feasible", "time_limit", "stopped")


class Free(NamedTuple):
    """The free capacity of classes and corridors by hour and of quotas (in steps)."""

    accelerators: Int64s
    data_gb: Floats
    #: By tenant and distinguished accelerator, the least that its queues leave, (n, models).
    accelerator_h: Floats
    #: By row of `Quotas.linear_rows`.
    quota_rows_h: Floats


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class PlanData(Frozen):
    """The fields of a `Plan`, and what follows from them alone."""

    problem: Problem
    assignment: Int32s
    start: Int32s
    dispatch: Dispatch
    prices: Prices
    objective_yuan: float
    bound_yuan: float
    without_option_yuan: float = math.nan
    status: str = "feasible"
    stats: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    pieces: Pieces | None = None
    priced_bound_yuan: float = math.nan

    def __post_init__(self) -> None:
        """Check shapes and dtypes; that the plan is right is for `verify` to say."""
        n = len(self.problem.jobs)
        for name in ("assignment", "start"):
            array = getattr(self, name)
            if not isinstance(array, np.ndarray) or array.dtype != np.int32 or array.shape != (n,):
                found = getattr(array, "dtype", type(array).__name__), getattr(array, "shape", None)
                raise TypeError(f"plan.{name} is {found[0]} {found[1]}, needed int32 ({n},)")
            object.__setattr__(self, name, frozen(array))
        object.__setattr__(self, "stats", FrozenDict(self.stats))
        if self.pieces is not None:
            _check_pieces(self)
        if math.isnan(self.without_option_yuan):
            without = without_option_yuan(self.problem.effective)
            object.__setattr__(self, "without_option_yuan", without)
        if math.isnan(self.priced_bound_yuan):
            object.__setattr__(self, "priced_bound_yuan", self.bound_yuan)
        by = self.problem.quotas.upper_by_accelerator_h
        if isinstance(self.prices, Columns):
            if len(self.prices.quota_by_accelerator) == 0 < len(by):
                none = self.prices.replace(quota_by_accelerator=np.zeros(by.shape))
                object.__setattr__(self, "prices", none)
            object.__setattr__(self, "prices", with_sizes(self.problem, self.prices))
        for part in ("dispatch", "prices"):
            _check_shapes(self.problem, part, getattr(self, part))
        if self.status not in STATUSES:
            message = f"plan.status is {self.status!r}, needed one of {STATUSES}"
            raise InvalidProblemError(message, "plan.status")

    def __repr__(self) -> str:
        """A line to recognise it by."""
        n, placed = len(self.assignment), int((self.assignment >= 0).sum())
        jobs = f"{placed:,} of {n:,} jobs placed" if placed < n else f"{n:,} jobs placed"
        cost = f"{short_yuan(self.placed_yuan)} yuan"
        if placed < n:
            cost += f" and {short_yuan(self._unplaced_yuan)} of value left out"
        name = repr(self.problem.name)
        return f"<Plan for {name}: {jobs}, {cost}, gap {self.gap:.3%}, {self.status}>"

    @property
    def placed_yuan(self) -> float:
        """The cost without the values of the jobs left out: `objective_yuan` less those."""
        return self.objective_yuan - self._unplaced_yuan

    @property
    def _unplaced_yuan(self) -> float:
        return float(self.problem.effective.jobs.value_yuan[self.assignment < 0].sum())

    @property
    def gap(self) -> float:
        """(objective - bound) / max(abs(objective), abs(bound)); 0.0 where both are equal.

        The value of the jobs without any option is left out of both.
        """
        without = self.without_option_yuan
        return relative_gap(self.objective_yuan - without, self.bound_yuan - without)

    @property
    def gap_paid(self) -> float:
        """What may lie between this plan and the best one, as a part of `placed_yuan`.

        ``gap`` is a part of the whole cost. The values of the jobs left out belong to it, may be
        most of it, and are not paid. inf where nothing is paid.
        """
        apart = max(self.objective_yuan - self.bound_yuan, 0.0)
        paid = abs(self.placed_yuan)
        return apart / paid if paid else math.inf if apart else 0.0

    @property
    def gap_plan(self) -> float:
        """Largest relative excess of the plan's cost over the best one: `gap`."""
        return self.gap

    @property
    def gap_bound(self) -> float:
        """Least relative distance of the bound by prices below the best plan.

        It is what the bound of a search is above that of the prices: 0 where no search was made. So
        ``gap_plan`` is the plan's part of what lies between the cost and the bound of the prices,
        ``gap_bound`` the bound's. With status "optimal" both are exact; where no search was made
        nobody knows how ``gap_plan`` divides, and all of it is said of the plan.
        """
        without = self.without_option_yuan
        priced = min(self.priced_bound_yuan, self.bound_yuan)
        return relative_gap(self.bound_yuan - without, priced - without)

    @cached_property
    def hours(self) -> Int32s:
        """Hours each job runs (steps, if `Problem.step_h` is not 1), (n_jobs,); 0 = unplaced.

        Of a job in pieces, the hours of all of them.
        """
        out, placed = np.zeros(len(self.assignment), np.int32), np.flatnonzero(self.assignment >= 0)
        runs = self._runs
        out[placed] = summed(runs.hours, runs, len(placed))
        return sealed(out)

    @cached_property
    def end(self) -> Int32s:
        """The hour after each job's last one, (n_jobs,); -1 = unplaced."""
        runs, out = self._runs, np.full(len(self.assignment), -1, np.int32)
        out[runs.job] = runs.start + runs.hours  # the last of a job's runs is the last written
        return sealed(out)

    def busy(self, job: int | str) -> Bools:
        """In which hours a job runs, (n_hours,); in none if it is unplaced.

        Parameters
        ----------
        job : int or str
            Its row in the jobs table, or its id where ids are text.
        """
        job = self._row(job)
        runs, clock = self._runs, np.arange(self.problem.hours)
        first, last = np.searchsorted(runs.job, [job, job + 1])
        out = np.zeros(len(clock), bool)
        for k in range(first, last):
            out |= (clock >= runs.start[k]) & (clock < runs.start[k] + runs.hours[k])
        return out

    def _row(self, job: int | str) -> int:
        """Return the row of a job that a caller names by its row, or by its id where it is text."""
        jobs = self.problem.jobs
        if isinstance(job, str):
            return int(jobs.rows_of(np.array([job]))[0])
        if isinstance(job, bool) or not isinstance(job, (int, np.integer)):
            raise TypeError(f"job must be an int, not {type(job).__name__}")
        if not 0 <= job < len(jobs):
            raise IndexError(f"job is {job}, needed 0 to {len(jobs) - 1}")
        return int(job)

    @cached_property
    def _runs(self) -> Runs:
        return runs_of(self.problem.effective, self.assignment, self.start, self.pieces)

    def runs(self) -> dict[str, NDArray[Any]]:
        """The runs of placed jobs: one entry for each whole run, one for each piece of others.

        Returns
        -------
        dict of arrays
            ``job`` (its row), ``id``, ``piece`` (0, 1, ...), ``klass``, ``site``, ``start``,
            ``hours``, by job and first hour. `evaluate` takes it as a placement.
        """
        runs, classes = self._runs, self.problem.classes
        first = np.searchsorted(runs.at, runs.at)
        columns: dict[str, NDArray[Any]] = {
            "job": runs.job.astype(np.int32),
            "id": self.problem.jobs.ids[runs.job],
            "piece": (np.arange(len(runs.at)) - first).astype(np.int32),
            "klass": runs.klass,
            "site": classes.site[runs.klass],
            "start": runs.start,
            "hours": runs.hours,
        }
        return {name: sealed(values) for name, values in columns.items()}

    @cached_property
    def _table(self) -> dict[str, NDArray[Any]]:
        problem, jobs, prices = self.problem, self.problem.effective.jobs, self.prices
        job = np.flatnonzero(self.assignment >= 0).astype(np.int32)
        klass, start, hours = self.assignment[job], self.start[job], self.hours[job]
        site, origin, gang = problem.classes.site[klass], jobs.origin[job], jobs.gang[job]
        data, runs = jobs.data_gb[job], self._runs

        def over(hourly: Floats) -> Floats:
            """The sum of hourly values over each job's hours at its class."""
            total, end = _running(hourly), runs.start + runs.hours
            found = total[runs.klass, end] - total[runs.klass, runs.start]
            return np.asarray(summed(found, runs, len(job)))

        kwh, yuan, rent = (
            gang * over(hourly)
            for hourly in (
                problem.kwh_per_accelerator_h,
                problem.kwh_per_accelerator_h * prices.energy[problem.classes.site],
                prices.capacity,
            )
        )
        moved = (jobs.placed_class[job] >= 0) & (
            (jobs.placed_class[job] != klass) | (jobs.placed_start[job] != start)
        )
        cost = yuan + data * problem.corridors.price_yuan_per_gb[origin, site]
        cost += delay_yuan(problem.effective, job, klass, start, self.pieces)
        cost += np.where(moved, jobs.migration_yuan[job], 0.0)
        if self.pieces is not None:
            cost += resumed_yuan(problem.effective, job, self.pieces)
        for level, beta in prices.gang_rows:
            rent = rent + (gang // level) * over(beta)
        if len(prices.cover_yuan):
            rent = rent + covers_paid(problem, prices, job, klass, start, start + hours)
        scarce = rent + data * prices.corridor[origin, site, start]
        rows, kinds = problem.quotas.linear_rows, problem.classes.accelerator[klass]
        held = rows.paid(prices.quota_rows)
        scarce += gang * hours * held[jobs.tenant[job], rows.model(kinds)]
        columns: dict[str, NDArray[Any]] = {
            "job": job,
            "klass": klass,
            "site": site,
            "start": start,
            "hours": hours,
        }
        columns |= {"gang": gang, "energy_kwh": kwh, "cost_yuan": cost, "price_yuan": cost + scarce}
        columns["allocated_yuan"] = allocated_yuan(self, kwh)
        columns["id"], columns["tenant"] = self.problem.jobs.ids[job], jobs.tenant[job]
        if problem.jobs.interruptible.any():
            columns["end"] = self.end[job]
            columns["pieces"] = np.bincount(runs.at, minlength=len(job)).astype(np.int32)
        return {name: sealed(values) for name, values in columns.items()}

    def table(self) -> dict[str, NDArray[Any]]:
        """The placed jobs, one entry each.

        Returns
        -------
        dict of arrays
            ``job`` (its row), ``klass``, ``site``, ``start``, ``hours``, ``gang``, ``tenant``:
            int32; ``id``: `Jobs.id`, or the row where jobs have none; ``energy_kwh`` at
            the grid connection. ``cost_yuan``, a marginal charge: data, delay, migration, and
            energy at the price of one more kWh in the site's hours, with what the mandate adds to
            it; ``price_yuan``: with what its capacity, corridor and quota are worth to others.
            ``allocated_yuan``: what the job bears of the cost that the plan has; it sums to
            `objective_yuan` less ``costs["unplaced"]``. Where jobs are interruptible, also ``end``,
            the hour after the last one, and ``pieces``, how many there are (`runs` has them).

        Notes
        -----
        Marginal charges do not sum to the cost: where cheap power serves most of an hour and
        expensive power the last of it, all of it is charged at the higher price.
        """
        return dict(self._table)

    @property
    def costs(self) -> dict[str, float]:
        """The cost of the plan, part by part, yuan; the parts sum to `objective_yuan`.

        Returns
        -------
        dict of float
            ``grid``, ``bundled``, ``direct`` power, ``carbon``, ``storage_wear``, ``stored`` (worth
            of what is left, not above 0), ``exports`` (not above 0), ``curtailment`` (direct power
            paid for or charged, and not taken), ``demand`` (the charge for the highest draw from
            the grid), ``certificates``, ``mandate_shortfall``, ``direct_shortfall`` (missing to the
            direct-connection rule), ``shed`` (load without power), ``load_limits`` (load below a
            site's minimum, or changing faster than it may), ``data``, ``delay``, ``migration``,
            ``restarts`` (of jobs that were interrupted), ``unplaced`` (values of the jobs left out)
            and ``quota_shortfall`` (below tenants' lower quotas).
        """
        return dict(self._costs)

    @cached_property
    def _costs(self) -> dict[str, float]:
        return cost_parts(self)

    @cached_property
    def free(self) -> Free:
        """The capacity that the placed jobs leave free."""
        problem, jobs, t = self.problem, self.problem.effective.jobs, self._table
        change, runs = np.zeros((len(problem.classes), problem.hours + 1), np.int64), self._runs
        np.add.at(change, (runs.klass, runs.start), jobs.gang[runs.job])
        np.add.at(change, (runs.klass, runs.start + runs.hours), -jobs.gang[runs.job])
        sent = problem.corridors.bandwidth_gb.copy()
        data = jobs.data_gb[t["job"]]
        np.subtract.at(sent, (jobs.origin[t["job"]], t["site"], t["start"]), data)
        kinds = problem.classes.accelerator[t["klass"]]
        rows = problem.stepped.quotas.linear_rows
        used = rows.used(jobs.tenant[t["job"]], kinds, t["gang"] * t["hours"])
        left = sealed(rows.upper_h - used)
        return Free(
            accelerators=sealed(
                problem.classes.capacity - change.cumsum(axis=1)[:, : problem.hours]
            ),
            data_gb=sealed(sent),
            accelerator_h=sealed(rows.least(left)),
            quota_rows_h=left,
        )

    @property
    def green(self) -> dict[str, Floats]:
        """The four green numbers by site, never one and never added up.

        Returns
        -------
        dict of float64 (n_sites,)
            ``load_kwh``; ``n1_statutory``, ``n2_hourly``, ``n3_cfe``: shares of load, NaN of a site
            without load; ``n4_tco2``: location-based tonnes; ``green_kwh``, ``certificate_kwh``,
            ``shortfall_kwh``. What they mean stands in `gridcompute.grid.plan.audit`.
        """
        return dict(self._green)

    @cached_property
    def _green(self) -> dict[str, Floats]:
        account = green_account(self.problem, self.dispatch)
        return {name: sealed(values) for name, values in account.items()}

    @cached_property
    def mandate_yuan_per_kwh(self) -> Floats:
        """The cost of a kWh of load by site and hour that the mandate causes.

        A part of `prices.energy`. With lambda the mandate's price that goes with these prices of
        load, or the dispatch's own where that is less (both are steps), a kWh more costs
        ``share * lambda`` in an hour in which the grid serves the last of the load; where green
        power serves it, it brings in ``(1 - share) * lambda``.

        Returns
        -------
        float64 (n_sites, n_hours), yuan/kWh
        """
        rows = self.problem.mandate_rows
        price = EnergyBlock(self.problem.stepped).mandate_at(self.prices.energy)
        price = np.fmin(price, self.prices.mandate[:, 0]) @ rows.member
        on_grid = self.dispatch.grid_kwh > 1e-6 * np.maximum(self.dispatch.load_kwh, 1.0)
        return sealed(price[:, None] * (rows.share - ~on_grid))


def _check_pieces(plan: PlanData) -> None:
    """Raise unless the pieces of a plan are those of jobs placed; drop a table without rows."""
    placement = Placement(klass=plan.assignment, start=plan.start, pieces=plan.pieces)
    object.__setattr__(plan, "pieces", placement.pieces)


def short_yuan(yuan: float) -> str:
    """Return an amount of money for a line of text: whole yuan from a thousand on."""
    return f"{yuan:,.0f}" if abs(yuan) >= 1000 else f"{yuan + 0.0:,.2f}"


def dimensions(problem: Problem) -> dict[str, int]:
    """Return the size of each dimension that a plan's dispatch and prices have."""
    return {
        "source": len(problem.energy.direct_kwh),
        "site": len(problem.sites),
        "destination": len(problem.sites),
        "class": len(problem.classes),
        "hour": problem.hours,
        "tenant": len(problem.quotas),
        "accelerator": len(problem.quotas.upper_by_accelerator_h),
        "level": len(problem.gang_levels),
        "size": len(problem.gang_levels),
        "scope": len(problem.mandate_rows.names),
        "side": 2,
        "capability": 2,
    }


def with_sizes(problem: Problem, prices: Prices) -> Prices:
    """Return prices with the sizes of gangs that have them, 0 for what they do not price."""
    levels = problem.gang_levels
    if len(prices.gang_size) or len(prices.gang) or not levels:
        return prices
    gang = np.zeros((len(levels), *problem.classes.capacity.shape))
    return prices.replace(gang=gang, gang_size=np.array(levels, np.int32))


def _check_shapes(problem: Problem, part: str, table: Columns) -> None:
    sizes = dimensions(problem)
    for name, spec in table.columns().items():
        if spec.dims == ("cover",):
            continue  # as many rows as there are
        found, needed = getattr(table, name).shape, tuple(sizes[d] for d in spec.dims)
        if found != needed:
            raise TypeError(f"plan.{part}.{name} has shape {found}, needed {needed}")


def _running(hourly: Floats) -> Floats:
    """Sums up to each hour, (rows, hours + 1)."""
    return np.concatenate([np.zeros((len(hourly), 1)), hourly.cumsum(axis=1)], axis=1)
