"""The exact cost of a plan: jobs' own costs, unplaced jobs, lower quotas, and the dispatch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .options import ROUNDING_H

if TYPE_CHECKING:
    from .columns import Floats, Int32s
    from .plan import Dispatch
    from .problem import Problem

__all__ = ["dispatch_cost", "jobs_cost", "load_of", "plan_cost"]


def plan_cost(problem: Problem, klass: Int32s, start: Int32s, dispatch: Dispatch) -> float:
    """All that a plan costs, yuan."""
    return jobs_cost(problem, klass, start) + dispatch_cost(problem, dispatch)


def jobs_cost(problem: Problem, klass: Int32s, start: Int32s) -> float:
    """Transfers, delays, migrations, values of jobs left out, and lower quotas missed, yuan."""
    jobs, quotas, job = problem.jobs, problem.quotas, np.flatnonzero(klass >= 0)
    c, t = klass[job], start[job]
    wire = problem.corridors.price_yuan_per_gb[jobs.origin[job], problem.classes.site[c]]
    moved = (jobs.placed_class[job] >= 0) & (
        (jobs.placed_class[job] != c) | (jobs.placed_start[job] != t)
    )
    own = wire * jobs.data_gb[job] + jobs.delay_yuan_per_h[job] * (t - jobs.release[job])
    own += np.where(moved, jobs.migration_yuan[job], 0.0)
    total = own.sum() + jobs.value_yuan[klass < 0].sum()
    if ((quotas.lower_accelerator_h > 0) & (quotas.below_yuan_per_accelerator_h > 0)).any():
        hours = hours_taken(problem, job, c)
        used = np.bincount(jobs.tenant[job], jobs.gang[job] * hours, len(quotas))
        below = np.maximum(quotas.lower_accelerator_h - used, 0.0)
        total += (below * quotas.below_yuan_per_accelerator_h).sum()
    return float(total)


def dispatch_cost(problem: Problem, d: Dispatch) -> float:
    """Energy, wear, carbon, certificates and what is missing to the rules, less sales, yuan."""
    energy, rows = problem.energy, problem.mandate_rows
    carbon = energy.carbon_yuan_per_t * problem.carbon_g_per_kwh / 1e6
    direct = (d.direct_kwh + d.direct_charge_kwh).sum(axis=2)
    charged = d.direct_charge_kwh.sum(axis=0) + d.bundled_charge_kwh + d.grid_charge_kwh
    worn: Floats = (charged + d.green_discharge_kwh + d.grey_discharge_kwh).sum(axis=1)
    total = (energy.direct_yuan_per_kwh * direct).sum()
    total += (energy.bundled_yuan_per_kwh * (d.bundled_kwh + d.bundled_charge_kwh)).sum()
    total += ((energy.tariff_yuan_per_kwh + carbon) * (d.grid_kwh + d.grid_charge_kwh)).sum()
    total += (energy.wear_yuan_per_kwh * worn).sum()
    total -= (energy.export_yuan_per_kwh * d.exported_kwh.sum(axis=0)).sum()
    total += energy.certificate_yuan_per_kwh * d.certificate_kwh.sum()
    total += rows.missing_yuan_per_kwh * d.missing_kwh.sum()
    short = d.direct_use_short_kwh.sum() + d.direct_load_short_kwh.sum()
    total += problem.direct_rows.short_yuan_per_kwh * short
    if energy.terminal == "value":
        left = (d.green_stored_kwh + d.grey_stored_kwh)[:, -1]
        total -= (energy.terminal_yuan_per_kwh * left).sum()
    return float(total)


def load_of(problem: Problem, klass: Int32s, start: Int32s) -> Floats:
    """Load of base and placed jobs by site and hour, (n_sites, n_hours), kWh."""
    jobs, classes, job = problem.jobs, problem.classes, np.flatnonzero(klass >= 0)
    c, t = klass[job], start[job]
    hours = hours_taken(problem, job, c)
    change = np.zeros((len(classes), problem.hours + 1), np.int64)
    np.add.at(change, (c, t), jobs.gang[job])
    np.add.at(change, (c, t + hours), -jobs.gang[job])
    busy = change.cumsum(axis=1)[:, : problem.hours]
    load = problem.energy.base_load_kwh.copy()
    np.add.at(load, classes.site, busy * problem.kwh_per_accelerator_h)
    return load


def hours_taken(problem: Problem, job: Any, klass: Int32s) -> Int32s:
    """Hours that jobs occupy their classes."""
    speed = problem.classes.throughput[problem.jobs.family[job], klass]
    hours = np.ceil(problem.jobs.work_h[job] / speed - ROUNDING_H)
    taken: Int32s = np.maximum(hours, 1).astype(np.int32)
    return taken
