"""The exact cost of a plan: jobs' own costs, unplaced jobs, lower quotas, and the dispatch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..plan.account import delay_yuan, resumed_yuan, runs_of, summed
from ..tables.problem import load_limits_yuan
from .dispatch_lp import ROUNDING, wasted_yuan_per_kwh

if TYPE_CHECKING:
    from ..plan.columns import Dispatch, Pieces
    from ..tables.column import Floats, Int32s
    from ..tables.problem import Problem

__all__ = [
    "dispatch_cost",
    "jobs_cost",
    "least_energy_cost",
    "load_of",
    "missed_cost",
    "own_cost",
    "plan_cost",
    "slack_kwh",
]

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
