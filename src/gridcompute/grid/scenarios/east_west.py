"""The packaged scenario: the east's jobs, the west's green power, one day, any number of jobs.

What is random (jobs, clouds, wind) comes from the seed; sites grow with the number of jobs, so that
capacity is contested to the same degree at every size. The figures are those of
`gridcompute.grid.scenarios.world`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import InvalidProblemError
from ..tables.jobs import ANYWHERE, Jobs
from ..tables.mandate import Mandate
from ..tables.problem import Problem
from .world import (
    assumptions,
    classes_of,
    column_of,
    constants,
    corridors_of,
    energy_of,
    kinds_and_speeds,
    peak_kw_of,
    quotas_of,
    shares_of,
    sites_of,
    table,
)

if TYPE_CHECKING:
    from ..tables.column import Floats, Int32s
    from ..tables.sites import Sites

__all__ = ["SLOW", "east_west"]

#: Throughput every job is sure to find somewhere: windows leave room for the work at this speed.
SLOW = 0.7
#: Jobs that an int32 can number.
MOST_JOBS = 2**31 - 1


def east_west(n_jobs: int = 20_000, seed: int = 0, hours: int = 24) -> Problem:
    """The east-west scenario: jobs mostly from the east, green power mostly in the west.

    Ten clusters of the eight national hubs, Hami and Karamay; seven of the twelve sites are new and
    held to 80 % green energy, hourly and per site. The Hami-Chongqing line reaches Chongqing as
    grid supply, about half green; the corridor between them is data.

    Parameters
    ----------
    n_jobs : int, >= 1
    seed : int, >= 0
    hours : int, >= 1
        Hour 0 begins at midnight, China Standard Time.

    Returns
    -------
    Problem

    Notes
    -----
    Complexity: O(n_jobs); a million jobs take about a second. Determinism: the same bits for the
    same arguments and numpy version; weather does not depend on `n_jobs`.

    Examples
    --------
    >>> from gridcompute import grid
    >>> grid.east_west(n_jobs=1000, seed=1)
    <Problem 'east-west': 1,000 jobs, 60 classes at 12 sites, 24 hours>
    """
    for name, value, least in (("n_jobs", n_jobs, 1), ("seed", seed, 0), ("hours", hours, 1)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise TypeError(f"{name} must be an int, not {type(value).__name__}")
        if value < least:
            raise InvalidProblemError(f"{name} is {value}, needed at least {least}", name)
    if n_jobs > MOST_JOBS:
        raise InvalidProblemError(f"n_jobs is {n_jobs}, needed at most {MOST_JOBS}", "n_jobs")
    fixed = constants()
    for_jobs, for_weather = np.random.default_rng(seed).spawn(2)
    sites = sites_of()
    draft = _drawn(n_jobs, hours, for_jobs)
    known = kinds_and_speeds()
    total = draft.accelerator_h.sum() / (hours * fixed["utilisation_target"])
    classes = classes_of(hours, total, *known)
    draft.cap_gangs(int(classes.capacity.max()) // 4)
    total = draft.accelerator_h.sum() / (hours * fixed["utilisation_target"])
    classes = classes_of(hours, total, *known)
    peak_kw = peak_kw_of(sites, classes) * (1 + fixed["base_load_share"])
    jobs = draft.jobs(fixed, sites, for_jobs)
    return Problem(
        jobs=jobs,
        sites=sites.replace(connection_kw=fixed["connection"] * peak_kw),
        classes=classes,
        hours=hours,
        energy=energy_of(hours, fixed, sites, peak_kw, for_weather),
        corridors=corridors_of(hours, sites, float(jobs.data_gb.sum()) / hours),
        quotas=quotas_of(fixed, jobs.tenant, draft.accelerator_h),
        mandate=Mandate(share=0.8, scope="site", rule="hourly"),
        name="east-west",
        sources=tuple((f"{table}: {row}", source) for table, row, source in assumptions()),
    )


class _Drawn:
    """Jobs half drawn: what the size of the sites depends on."""

    def __init__(self, family: Int32s, gang: Int32s, work_h: Floats) -> None:
        self.family, self.gang, self.work_h = family, gang, work_h
        self.release = self.deadline = np.zeros(len(family), np.int32)

    @property
    def accelerator_h(self) -> Floats:
        """What each job takes of the reference accelerator."""
        return np.asarray(self.gang * np.ceil(self.work_h), np.float64)

    def cap_gangs(self, most: int) -> None:
        """Halve gangs that are too large for the classes of a small scenario."""
        while most >= 1 and (large := self.gang > most).any():
            self.gang = np.where(large, self.gang // 2, self.gang).astype(np.int32)

    def jobs(self, fixed: dict[str, float], sites: Sites, rng: np.random.Generator) -> Jobs:
        """The finished table."""
        n, rows = len(self.family), table("families")
        origin = rng.choice(len(sites), n, p=shares_of(table("sites"), "origin_share")).astype(
            np.int32
        )
        large = rng.random(n) < fixed["large_memory_share"]
        memory = np.where(large, 80.0, rng.choice([16.0, 24.0, 32.0, 48.0, 64.0], n))
        data = fixed["data_median"] * np.exp(fixed["data_sigma"] * rng.standard_normal(n))
        home = (sites.region == sites.region[:, None]) @ (
            1 << np.arange(len(sites), dtype=np.int64)
        )
        bound = rng.random(n) < fixed["residency_share"]
        tight = rng.random(n) < column_of(rows, "tight_latency_share")[self.family]
        latency = np.where(tight, 5.0, column_of(rows, "latency_ms")[self.family])
        weight = 1.0 / np.arange(1, int(fixed["tenants"]) + 1) ** fixed["tenant_zipf"]
        value = column_of(rows, "value_yuan_per_accelerator_h")[self.family]
        return Jobs(
            gang=self.gang,
            work_h=self.work_h,
            family=self.family,
            memory_gb=memory,
            data_gb=np.clip(data, 1.0, fixed["data_most"]),
            origin=origin,
            release=self.release,
            deadline=self.deadline,
            latency_ms=latency,
            residency=np.where(bound, home[origin], ANYWHERE),
            value_yuan=value * self.gang * self.work_h * np.exp(0.2 * rng.standard_normal(n)),
            delay_yuan_per_h=column_of(rows, "delay_yuan_per_accelerator_h")[self.family]
            * self.gang,
            tenant=rng.choice(len(weight), n, p=weight / weight.sum()).astype(np.int32),
        )


def _drawn(n: int, hours: int, rng: np.random.Generator) -> _Drawn:
    rows = table("families")
    family = rng.choice(len(rows), n, p=shares_of(rows, "share")).astype(np.int32)
    gangs = [[int(g) for g in row["gangs"].split()] for row in rows]
    widest = max(map(len, gangs))
    padded = np.array([(g * widest)[:widest] if widest % len(g) == 0 else g + g[:1] for g in gangs])
    gang = padded[family, rng.integers(0, widest, n)].astype(np.int32)
    work = column_of(rows, "median_h")[family]
    work = work * np.exp(column_of(rows, "sigma")[family] * rng.standard_normal(n))
    work = np.clip(work, 0.25, np.minimum(column_of(rows, "most_h")[family], SLOW * hours))
    drawn = _Drawn(family, gang, work)
    arrivals = table("arrivals")
    weight = np.array([float(arrivals[h % len(arrivals)]["weight"]) for h in range(hours)])
    longest = np.ceil(work / SLOW)
    release = np.minimum(rng.choice(hours, n, p=weight / weight.sum()), hours - longest)
    drawn.release = np.maximum(release, 0).astype(np.int32)
    slack = np.floor(rng.random(n) * (2 * column_of(rows, "slack_h")[family] + 1))
    drawn.deadline = np.minimum(drawn.release + longest + slack, hours).astype(np.int32)
    return drawn
