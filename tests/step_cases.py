"""Small days by the hour, and the same in shorter steps."""

import numpy as np

from gridcompute import grid

JOBS = 8


def day(seed):
    """A small day by the hour with everything that is said by the hour: rates, limits, charges."""
    r = np.random.default_rng(seed)
    n, hours, sites = JOBS, 4, 2
    by_hour = (sites, hours)
    work = r.integers(1, 3, n).astype(float)
    release = r.integers(0, 2, n)
    return grid.Problem(
        jobs=grid.Jobs(
            gang=r.choice([1, 2], n),
            work_h=work,
            origin=r.integers(0, sites, n),
            release=release,
            deadline=np.minimum(hours, release + 3),
            value_yuan=work * r.uniform(1.0, 9.0, n),
            delay_yuan_per_h=r.choice([0.0, 0.1], n),
            tenant=r.integers(0, 2, n),
        ),
        sites=grid.Sites(
            name=["a", "b"],
            pue=1 + 0.3 * r.random(by_hour),
            new=[True, False],
            connection_kw=[3.0, 4.0],
            carbon_g_per_kwh=500.0,
        ),
        classes=grid.Classes(
            site=[0, 1, 1],
            capacity=r.integers(2, 6, (3, hours)),
            memory_gb=[80.0] * 3,
            power_kw=[0.4, 0.5, 0.6],
            overhead_kw=[0.1] * 3,
            throughput=[[1.0, 1.0, 2.0]],
        ),
        hours=hours,
        energy=grid.Energy(
            direct_kwh=2.0 * r.random((1, *by_hour)),
            direct_yuan_per_kwh=0.1,
            bundled_kwh=r.random(by_hour),
            bundled_yuan_per_kwh=0.5,
            tariff_yuan_per_kwh=r.uniform(0.3, 0.9, by_hour),
            base_load_kwh=0.3,
            export_yuan_per_kwh=0.05,
            export_kw=0.4,
            demand_yuan_per_kw=0.2,
            demand_paid_kw=1.0,
            battery_kwh=2.0,
            battery_kw=0.5,
            charge_efficiency=0.95,
            discharge_efficiency=0.95,
            green_start_kwh=0.5,
            carbon_yuan_per_t=60.0,
        ),
        corridors=grid.Corridors(
            delay_ms=np.zeros((sites, sites)), bandwidth_gb=np.full((sites, sites, hours), 1e3)
        ),
        quotas=grid.Quotas(
            upper_accelerator_h=[14.0, np.inf],
            lower_accelerator_h=[4.0, 6.0],
            below_yuan_per_accelerator_h=[0.5, 0.5],
        ),
        mandate=grid.Mandate(share=0.6),
    )


def in_steps(problem, parts):
    """The same day with each hour split into equal steps, its energy and data in equal parts."""
    tables = {}
    for name in ("sites", "classes", "energy", "corridors"):
        table, columns = getattr(problem, name), {}
        for column, spec in table.columns().items():
            values = getattr(table, column)
            if "hour" in spec.dims[: values.ndim]:
                values = np.repeat(values, parts, axis=spec.dims.index("hour"))
                columns[column] = values / parts if spec.unit in ("kWh", "GB") else values
        tables[name] = table.replace(**columns)
    jobs = problem.jobs
    return problem.replace(
        **tables,
        jobs=jobs.replace(release=jobs.release * parts, deadline=jobs.deadline * parts),
        hours=problem.hours * parts,
        step_h=1 / parts,
    )


def in_the_hour(problem):
    """The day in which jobs run at one speed and start at their release, or not at all."""
    jobs = problem.jobs
    deadline = jobs.release + np.ceil(jobs.work_h).astype(int)
    classes = problem.classes.replace(throughput=np.ones((1, 3)))
    return problem.replace(jobs=jobs.replace(deadline=deadline), classes=classes)
