"""Checks of money: a plan's cost part by part, and what each job is charged and bears of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .cover_rows import cover_rows
from .derived_tables import (
    by_hour,
    direct_yuan_per_kwh,
    gang_prices,
    kwh_by_class,
    load_limits,
    lost_yuan_per_kwh,
    quota_tree,
)
from .faults import TOLERANCE, Fault, apart
from .mandate_requirements import ruled, scopes
from .placements import load_of, placed_jobs, stretches_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from ..plan.data import PlanData
    from ..tables.column import Bools
    from ..tables.problem import Problem

__all__ = ["charge_faults", "cost_parts", "part_faults"]


def cost_parts(plan: PlanData) -> dict[str, float]:
    """Return the cost of the plan, part by part, from its placements and its dispatch alone."""
    problem, jobs, d = plan.problem, plan.problem.jobs, plan.dispatch
    energy = problem.energy
    job, klass, _, hours = placed_jobs(plan)
    runs = stretches_of(plan)
    wire = problem.corridors.price_yuan_per_gb[jobs.origin[job], problem.classes.site[klass]]
    tree = quota_tree(problem)
    used = tree.used(jobs.tenant[job], klass, jobs.gang[job] * runs.whole_h)
    below = np.maximum(tree.least_h - used, 0)
    direct = d.direct_kwh + d.direct_charge_kwh
    bundled, grid = d.bundled_kwh + d.bundled_charge_kwh, d.grid_kwh + d.grid_charge_kwh
    worn = d.direct_charge_kwh.sum(axis=0) + d.bundled_charge_kwh + d.grid_charge_kwh
    worn = worn + d.green_discharge_kwh + d.grey_discharge_kwh
    grams = by_hour(problem.sites.carbon_g_per_kwh, problem.hours)
    left = (d.green_stored_kwh + d.grey_stored_kwh)[:, -1]
    worth = energy.terminal_yuan_per_kwh if energy.terminal == "value" else 0.0
    short = d.direct_use_short_kwh + d.direct_load_short_kwh
    parts = {
        "grid": energy.tariff_yuan_per_kwh * grid,
        "bundled": energy.bundled_yuan_per_kwh * bundled,
        "direct": direct_yuan_per_kwh(problem) * direct,
        "carbon": energy.carbon_yuan_per_t * grams / 1e6 * grid,
        "storage_wear": energy.wear_yuan_per_kwh * worn.sum(axis=1),
        "stored": -worth * left,
        "exports": -energy.export_yuan_per_kwh * d.exported_kwh.sum(axis=0),
        "curtailment": lost_yuan_per_kwh(problem) * d.curtailed_kwh,
        "demand": energy.demand_yuan_per_kw
        * np.maximum(grid.max(axis=1) - energy.demand_paid_kw, 0.0),
        "certificates": energy.certificate_yuan_per_kwh * d.certificate_kwh,
        "mandate_shortfall": scopes(problem).yuan_per_kwh * d.missing_kwh,
        "direct_shortfall": ruled(problem).yuan_per_kwh * short,
        "shed": energy.shed_yuan_per_kwh * d.shed_kwh,
        "load_limits": _outside_limits_yuan(plan),
        "data": wire * jobs.data_gb[job],
        "delay": jobs.delay_yuan_per_h[job] * (runs.end - hours - jobs.release[job]),
        "migration": np.where(_moved(plan), jobs.migration_yuan[job], 0.0),
        "restarts": jobs.restart_yuan[job] * runs.resumed,
        "unplaced": jobs.value_yuan[plan.assignment < 0],
        "quota_shortfall": below * tree.below_yuan_per_h,
    }
    return {name: float(np.sum(values)) for name, values in parts.items()}


def _outside_limits_yuan(plan: PlanData) -> float:
    """Return the cost of loads outside the limits of their sites, yuan."""
    limits = load_limits(plan.problem)
    if not limits:
        return 0.0
    drawn = load_of(plan) - plan.dispatch.shed_kwh
    price = plan.problem.sites.load_limit_yuan_per_kwh
    return sum(float(price[s]) * limit.outside_kwh(drawn[s]) for s, limit in limits.items())


def _moved(plan: PlanData) -> Bools:
    """Return which placed jobs have changed their option."""
    jobs = plan.problem.jobs
    job, klass, start, _ = placed_jobs(plan)
    other = (jobs.placed_class[job] != klass) | (jobs.placed_start[job] != start)
    return np.asarray((jobs.placed_class[job] >= 0) & other)


def part_faults(shown: Mapping[str, float], parts: Mapping[str, float]) -> Iterator[Fault]:
    """The parts of the cost that the plan shows."""
    whole = sum(abs(yuan) for yuan in parts.values())
    for name in sorted(shown.keys() | parts.keys()):
        found, needed = shown.get(name, np.nan), parts.get(name, np.nan)
        if not abs(found - needed) <= TOLERANCE * max(1.0, whole):
            yield Fault("CostPartMismatch", name, found, needed)
            return


def charge_faults(
    whole: Problem, plan: PlanData, shown: Mapping[str, NDArray[Any]], borne_yuan: float
) -> Iterator[Fault]:
    """Check the marginal charges of placed jobs, and their shares of the total cost.

    `whole` is the problem with its running jobs.
    """
    problem, jobs, prices = plan.problem, plan.problem.jobs, plan.prices
    job, klass, start, hours = placed_jobs(plan)
    runs = stretches_of(plan)
    site, gang = problem.classes.site[klass], jobs.gang[job].astype(np.float64)
    origin, data = jobs.origin[job], jobs.data_gb[job]
    charge = problem.corridors.price_yuan_per_gb[origin, site] * data
    charge = charge + jobs.delay_yuan_per_h[job] * (runs.end - hours - jobs.release[job])
    charge = charge + jobs.restart_yuan[job] * runs.resumed
    charge = charge + np.where(_moved(plan), jobs.migration_yuan[job], 0.0)
    scarce = prices.corridor[origin, site, start] * data
    tree, covers = quota_tree(problem), cover_rows(whole, prices, problem)
    for c in np.unique(klass).tolist():
        on = klass == c
        held = tree.along(tree.prices(prices), c, np.add)[jobs.tenant[job[on]]]
        scarce[on] += held * gang[on] * runs.whole_h[on]
        rows = None if covers is None else covers.of(covers.klass == c)
        if rows is not None and len(rows.yuan):
            uncut = np.flatnonzero(on & ~jobs.interruptible[job])
            sizes, lasts = jobs.gang[job[uncut]], hours[uncut]
            paid, kind = rows.paid(job[uncut], sizes, lasts, problem.hours)
            scarce[uncut] += paid[kind, start[uncut]]
    kwh = kwh_by_class(problem)
    for hour in range(problem.hours):
        on = runs.at[(runs.start <= hour) & (hour < runs.start + runs.hours)]
        at = (klass[on], np.full(len(on), hour))
        price = prices.energy[site[on], at[1]]
        charge[on] += gang[on] * kwh[at] * price
        scarce[on] += gang[on] * prices.capacity[at]
        for size, beta in gang_prices(prices):
            scarce[on] += gang[on] // size * beta[at]
    for name, needed in (("cost_yuan", charge), ("price_yuan", charge + scarce)):
        yield from apart("ChargeMismatch", f"{name} of row", shown[name], needed)
    if len(job):
        borne = np.array([shown["allocated_yuan"].sum()])
        yield from apart("AllocationMismatch", "allocated_yuan", borne, np.array([borne_yuan]))
