"""A problem's jobs and classes as the core's Lagrangian oracle reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ... import _core

if TYPE_CHECKING:
    from ..tables.column import Floats
    from ..tables.problem import Problem

__all__ = ["gangs_each", "market_of", "supply_kwh"]


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
