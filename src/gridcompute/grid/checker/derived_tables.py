"""Tables that the checker derives by itself: quotas, load limits, energy by hour.

The planner has functions of its own for all of this (`Problem.pue`, `Problem.mandate_rows` and
others). Nothing here calls them, so that an error in one of them is found by `verify`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..plan.columns import Prices
    from ..tables.column import Floats, Int64s
    from ..tables.problem import Problem

__all__ = [
    "LoadLimits",
    "QuotaTree",
    "by_hour",
    "by_step",
    "direct_yuan_per_kwh",
    "gang_prices",
    "kwh_by_class",
    "largest_price",
    "load_limits",
    "lost_yuan_per_kwh",
    "most_load_kwh",
    "quota_tree",
]


#: What a kWh missing to the mandate counts as in a bound where none may be missing: any price makes
#: a true bound there.
FORBIDDEN_YUAN_PER_KWH = 1000.0


class LoadLimits(NamedTuple):
    """The limits of one site's load, kWh of a step."""

    least_kwh: Floats
    up_kwh: float
    down_kwh: float
    #: inf = not known.
    before_kwh: float

    def outside_kwh(self, drawn: Floats) -> float:
        """Return the total distance of the loads of a site's steps from these limits."""
        total, last = 0.0, self.before_kwh
        for least, load in zip(self.least_kwh.tolist(), drawn.tolist(), strict=True):
            total += max(least - load, 0.0)
            if last < np.inf:
                total += max(load - last - self.up_kwh, 0.0) + max(last - load - self.down_kwh, 0.0)
            last = load
        return total


class QuotaTree(NamedTuple):
    """Quotas as a table: its first line is over all accelerators, the others for one each.

    The columns are queues. What a tenant's jobs take counts for the tenant and all queues above.
    """

    #: The most that each queue may use, by line, (1 or 1 + n_accelerators, n_tenants).
    most_h: Floats
    least_h: Floats
    below_yuan_per_h: Floats
    #: The queue above each; -1 = none.
    parent: Int64s
    #: The line of each class's accelerator; 0 where accelerators are not distinguished.
    line: Int64s

    def used(self, tenant: Any, klass: Any, amount: Any) -> Floats:
        """Accelerator-hours by line and queue, given those of some jobs on some classes."""
        each, out = np.zeros(self.most_h.shape), np.zeros(self.most_h.shape)
        np.add.at(each[0], tenant, amount)
        one = self.line[klass] > 0
        place = (self.line[klass][one], np.asarray(tenant)[one])
        np.add.at(each, place, np.asarray(amount)[one])
        for queues in self._upwards():
            here = queues >= 0
            for line in range(len(out)):
                np.add.at(out[line], queues[here], each[line, here])
        return out

    def along(self, values: Floats, klass: int, fold: np.ufunc) -> Floats:
        """Return `fold` of the values along each tenant's rows on a class, by tenant."""
        lines = sorted({0, int(self.line[klass])})
        out = np.full(len(self.parent), np.inf if fold is np.minimum else 0.0)
        for at in self._upwards():
            here = at >= 0
            for line in lines:
                out[here] = fold(out[here], values[line, at[here]])
        return np.asarray(out, np.float64)

    def path(self, tenant: int) -> list[int]:
        """The tenant's row and those above it."""
        out = [tenant]
        while self.parent[out[-1]] >= 0:
            out.append(int(self.parent[out[-1]]))
        return out

    def _upwards(self) -> Iterator[Int64s]:
        """Each tenant's own row, then the one above, and so on; -1 beyond the top."""
        at = np.arange(len(self.parent))
        while (at >= 0).any():
            yield at
            at = np.where(at >= 0, self.parent[at], -1)

    def prices(self, prices: Prices) -> Floats:
        """The prices of quotas in this form."""
        return np.concatenate([prices.quota[None], prices.quota_by_accelerator])


def quota_tree(problem: Problem) -> QuotaTree:
    """Read the quotas of a problem."""
    table = problem.quotas
    whole = np.minimum(
        table.upper_accelerator_h, table.lower_accelerator_h + table.borrowing_accelerator_h
    )
    most = np.concatenate([whole[None], table.upper_by_accelerator_h])
    least = np.concatenate([table.lower_accelerator_h[None], table.lower_by_accelerator_h])
    below = np.broadcast_to(table.below_yuan_per_accelerator_h, most.shape)
    line = problem.classes.accelerator.astype(np.int64) + 1
    line = line if len(most) > 1 else np.zeros_like(line)
    return QuotaTree(most, least, np.array(below), table.parent.astype(np.int64), line)


def by_step(problem: Problem) -> Problem:
    """The problem with its step as the unit of time: rates by the hour become rates by the step.

    A job ends by its deadline, and by the end of the last step.
    """
    if (problem.jobs.deadline > problem.hours).any():
        within = np.minimum(problem.jobs.deadline, problem.hours)
        jobs = dataclasses.replace(problem.jobs, deadline=within)
        problem = dataclasses.replace(problem, jobs=jobs)
    if problem.step_h == 1:
        return problem
    part, tables = float(problem.step_h), {}
    # Rates by the hour times the step; lengths in hours over it.
    rates = {
        "jobs": ("delay_yuan_per_h",),
        "classes": ("power_kw", "overhead_kw", "throughput"),
        "sites": (
            "connection_kw",
            "minimum_load_kw",
            "ramp_up_kw",
            "ramp_down_kw",
            "load_before_kw",
        ),
        "energy": ("battery_kw", "export_kw", "demand_paid_kw"),
        "quotas": ("below_yuan_per_accelerator_h",),
    }
    lengths = {
        "energy": ("demand_yuan_per_kw",),
        "quotas": (
            "upper_accelerator_h",
            "lower_accelerator_h",
            "borrowing_accelerator_h",
            "upper_by_accelerator_h",
            "lower_by_accelerator_h",
        ),
    }
    for name in rates:
        table = getattr(problem, name)
        columns = {c: getattr(table, c) * part for c in rates[name]}
        for c in lengths.get(name, ()):
            columns[c] = getattr(table, c) / part
        tables[name] = dataclasses.replace(table, **columns)
    return dataclasses.replace(problem, step_h=1.0, **tables)


def by_hour(values: Floats, hours: int) -> Floats:
    """A column by site, or by site and hour, as (n_sites, n_hours)."""
    return values if values.ndim == 2 else np.tile(values[:, None], (1, hours))


def kwh_by_class(problem: Problem) -> Floats:
    """Energy at the grid connection of one busy accelerator in an hour, (n_classes, n_hours)."""
    classes = problem.classes
    pue = by_hour(problem.sites.pue, problem.hours)
    return np.asarray((classes.power_kw + classes.overhead_kw)[:, None] * pue[classes.site])


def direct_yuan_per_kwh(problem: Problem) -> Floats:
    """Return what a kWh of each direct source costs, by source, site and hour."""
    price, hours = problem.energy.direct_yuan_per_kwh, problem.hours
    return price if price.ndim == 3 else np.repeat(price[:, :, None], hours, axis=2)


def lost_yuan_per_kwh(problem: Problem) -> Floats:
    """Return what a kWh of a direct source costs that is thrown away, by source, site and hour."""
    energy = problem.energy
    price = direct_yuan_per_kwh(problem) * energy.take_or_pay[:, :, None]
    return np.asarray(price + energy.curtailment_yuan_per_kwh[:, :, None])


def load_limits(problem: Problem) -> dict[int, LoadLimits]:
    """Read the limits of load, by the row of the sites that have any."""
    sites, out = problem.sites, {}
    least = by_hour(sites.minimum_load_kw, problem.hours)
    for s in range(len(sites)):
        up, down = float(sites.ramp_up_kw[s]), float(sites.ramp_down_kw[s])
        if least[s].any() or min(up, down) < np.inf:
            out[s] = LoadLimits(least[s], up, down, float(sites.load_before_kw[s]))
    return out


def gang_prices(prices: Prices) -> list[tuple[int, Floats]]:
    """List each size of gangs that has prices of its own, and these by class and hour.

    Powers of two where the prices do not name their sizes.
    """
    sizes = prices.gang_size.tolist() or [2 ** (k + 1) for k in range(len(prices.gang))]
    return list(zip(sizes, prices.gang, strict=True))


def largest_price(problem: Problem) -> float:
    """Return the largest price of a kWh in size, whatever it is of, yuan."""
    energy, mandate = problem.energy, problem.mandate
    columns = [name for name, spec in energy.columns().items() if spec.unit == "yuan/kWh"]
    found = [float(np.abs(getattr(energy, name)).max(initial=0.0)) for name in columns]
    if mandate.shortfall == "forbidden":
        found.append(FORBIDDEN_YUAN_PER_KWH)
    found += [float(problem.sites.load_limit_yuan_per_kwh[s]) for s in load_limits(problem)]
    found += [mandate.shortfall_yuan_per_kwh, problem.direct_rule.shortfall_yuan_per_kwh]
    return max(found)


def most_load_kwh(problem: Problem) -> Floats:
    """Load by site and hour with all accelerators busy that jobs could take, (n_sites, n_hours)."""
    most = problem.energy.base_load_kwh.copy()
    taken = np.minimum(problem.classes.capacity, problem.jobs.gang.astype(np.int64).sum())
    busy = taken * kwh_by_class(problem)
    for c, site in enumerate(problem.classes.site.tolist()):
        most[site] += busy[c]
    return most
