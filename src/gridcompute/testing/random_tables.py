"""Random tables of the platform, unusual ones included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import grid

if TYPE_CHECKING:
    from numpy.typing import NDArray


def grid_problem(rng: np.random.Generator) -> grid.Problem:
    """Return a small problem of any shape, drawn from a generator.

    A site or several, an hour or several, with or without jobs, sources, stores, connections,
    quotas from below or above, flat or in a tree, rules of any scope. Its base load alone may be
    too much for what feeds it, and `gridcompute.match` then raises InfeasibleError.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    gridcompute.grid.Problem

    Examples
    --------
    >>> import numpy as np
    >>> grid_problem(np.random.default_rng(2)).hours >= 1
    True
    """
    integers: Any = rng.integers  # tables convert them
    n_sites, n_classes, hours, n_families = (int(rng.integers(1, most)) for most in (5, 7, 11, 4))
    n_jobs, n_tenants, n_sources = (int(rng.integers(0, most)) for most in (40, 3, 3))
    n_tenants += 1

    def some(share: float, *shape: int, high: float = 1.0) -> NDArray[Any]:
        return np.where(rng.random(shape) < share, high * rng.random(shape), 0.0)

    store = some(0.5, n_sites, high=30.0)
    release = integers(0, hours, n_jobs)
    upper = np.where(rng.random(n_tenants) < 0.6, np.inf, 40 * rng.random(n_tenants))
    placed = np.where(rng.random(n_jobs) < 0.7, -1, rng.integers(0, n_classes, n_jobs))
    by_site_hour = (n_sites, hours)
    problem = grid.Problem(
        jobs=grid.Jobs(
            gang=rng.choice([1, 1, 2, 4, 8], n_jobs),
            work_h=rng.choice([0.25, 1.0, 2.0, 3.0], n_jobs),
            family=integers(0, n_families, n_jobs),
            memory_gb=rng.choice([0.0, 40.0, 80.0], n_jobs),
            data_gb=rng.choice([0.0, 1.0, 30.0], n_jobs),
            origin=integers(0, n_sites, n_jobs),
            release=release,
            deadline=np.minimum(hours, release + 1 + integers(0, hours + 1, n_jobs)),
            latency_ms=rng.choice([np.inf, 5.0, 20.0], n_jobs),
            residency=np.where(rng.random(n_jobs) < 0.8, -1, 1 << integers(0, n_sites, n_jobs)),
            value_yuan=rng.choice([0.0, 1.0, 10.0, 100.0], n_jobs),
            delay_yuan_per_h=rng.choice([0.0, 0.1, 1.0], n_jobs),
            tenant=integers(0, n_tenants, n_jobs),
            placed_class=placed,
            placed_start=np.where(placed < 0, -1, integers(0, hours, n_jobs)),
            migration_yuan=rng.random(n_jobs),
        ),
        sites=grid.Sites(
            name=np.array([f"site {s}" for s in range(n_sites)]),
            pue=1 + some(0.8, *by_site_hour),
            new=rng.random(n_sites) < 0.6,
            connection_kw=rng.choice([np.inf, 4.0, 50.0], n_sites),
            carbon_g_per_kwh=800 * rng.random(n_sites),
            region=integers(0, 2, n_sites),
            operator=integers(0, 2, n_sites),
        ),
        classes=grid.Classes(
            site=integers(0, n_sites, n_classes),
            capacity=integers(0, 20, (n_classes, hours)),
            memory_gb=rng.choice([32.0, 64.0, 80.0], n_classes),
            power_kw=rng.random(n_classes),
            throughput=rng.choice([0.0, 0.5, 1.0, 1.5], (n_families, n_classes)),
        ),
        hours=hours,
        energy=grid.Energy(
            direct_kwh=some(0.7, n_sources, *by_site_hour, high=10.0),
            direct_yuan_per_kwh=0.3 * rng.random((n_sources, n_sites)),
            bundled_kwh=some(0.5, *by_site_hour, high=5.0),
            bundled_yuan_per_kwh=0.5 * rng.random(by_site_hour),
            tariff_yuan_per_kwh=rng.random(by_site_hour) - 0.1,
            base_load_kwh=some(0.5, *by_site_hour, high=3.0),
            export_yuan_per_kwh=some(0.3, *by_site_hour, high=0.1),
            battery_kwh=store,
            battery_kw=store * rng.random(n_sites),
            charge_efficiency=0.8 + 0.2 * rng.random(n_sites),
            discharge_efficiency=0.8 + 0.2 * rng.random(n_sites),
            green_start_kwh=0.3 * store * rng.random(n_sites),
            grey_start_kwh=0.3 * store * rng.random(n_sites),
            certificate_yuan_per_kwh=0.005,
            carbon_yuan_per_t=60.0,
            terminal=str(rng.choice(["cyclic", "value"])),
        ),
        corridors=grid.Corridors(
            delay_ms=np.where(np.eye(n_sites, dtype=bool), 0, 30 * rng.random((n_sites, n_sites))),
            bandwidth_gb=rng.choice([0.0, 20.0, 5000.0], (n_sites, n_sites, hours)),
            price_yuan_per_gb=0.05 * rng.random((n_sites, n_sites)),
        ),
        quotas=grid.Quotas(
            upper_accelerator_h=upper,
            lower_accelerator_h=np.minimum(upper, some(0.3, n_tenants, high=20.0)),
            below_yuan_per_accelerator_h=rng.random(n_tenants),
        ),
        mandate=grid.Mandate(
            share=float(rng.choice([0.0, 0.5, 0.8, 1.0])),
            scope=str(rng.choice(["site", "operator", "cluster"])),
            rule=str(rng.choice(["hourly", "volume"])),
            shortfall_yuan_per_kwh=float(rng.choice([0.0, 0.1, 3.0])),
        ),
        direct_rule=grid.DirectRule() if rng.random() < 0.4 else grid.DirectRule(used=0, of_load=0),
    )
    return _with_queues(problem, rng) if rng.random() < 0.4 else problem


def _with_queues(problem: grid.Problem, rng: np.random.Generator) -> grid.Problem:
    """Return the problem with its tenants in a tree, and perhaps accelerators distinguished."""
    quotas, n = problem.quotas, len(problem.quotas)
    parent = [int(rng.integers(-1, m)) if m else -1 for m in range(n)]
    borrowing = np.where(rng.random(n) < 0.7, np.inf, 20 * rng.random(n))
    changes: dict[str, Any] = {"parent": parent, "borrowing_accelerator_h": borrowing}
    classes = problem.classes
    if rng.random() < 0.5:
        upper = np.where(rng.random((2, n)) < 0.5, np.inf, 30 * rng.random((2, n)))
        lower = np.minimum(upper, 10 * rng.random((2, n))) * (rng.random((2, n)) < 0.3)
        changes |= {"upper_by_accelerator_h": upper, "lower_by_accelerator_h": lower}
        kinds: Any = rng.integers(0, 2, len(classes))
        classes = classes.replace(accelerator=kinds, accelerator_names=("A", "B"))
    return problem.replace(quotas=quotas.replace(**changes), classes=classes)
