"""The packaged scenario: the east's jobs, the west's green power, one day, any number of jobs.

What is random (jobs, clouds, wind) comes from the seed; sites grow with the number of jobs, so that
capacity is contested to the same degree at every size. The figures are those of
`gridcompute.grid.scenarios.packaged_tables`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import InvalidProblemError
from ..tables.jobs import ANYWHERE, Jobs
from ..tables.mandate import Mandate
from ..tables.names import rule_of
from ..tables.problem import Problem
from .packaged_tables import (
    BILLS,
    CORRIDORS,
    STAGES,
    classes_of,
    column_of,
    constants,
    corridors_of,
    energy_of,
    kinds_and_speeds,
    peak_kw_of,
    quotas_of,
    said_of_figures,
    shares_of,
    sites_of,
    table,
)

if TYPE_CHECKING:
    from ..tables.column import Floats, Int32s, Int64s
    from ..tables.sites import Classes, Sites

__all__ = ["SLOW", "east_west"]

#: Throughput every job is sure to find somewhere: windows leave room for the work at this speed.
SLOW = 0.7
#: Least number of gangs that fit into the largest class that a job may use.
PARTS = 4
#: Jobs that an int32 can number.
MOST_JOBS = 2**31 - 1


def east_west(
    n_jobs: int = 20_000,
    seed: int = 0,
    hours: int = 24,
    *,
    stage: str = "planned",
    corridor: str = "both",
    bill: str = "energy",
) -> Problem:
    """The east-west scenario: jobs mostly from the east, green power mostly in the west.

    Ten clusters of the eight national hubs, Hami and Karamay, in spring or autumn; seven of the
    twelve sites are new and held to 80 % green energy, hourly and per site. Tariffs have the peak
    and valley hours of each province, and `figures` tells of every figure where it comes from.

    Parameters
    ----------
    n_jobs : int, >= 1
    seed : int, >= 0
    hours : int, >= 1
        Hour 0 begins at midnight, China Standard Time.
    stage : "planned" or "today"
        Where the accelerators stand: as planned, a sixth of them in Xinjiang, or as built by mid
        2025. They are as many at both stages, and the jobs are the same.
    corridor : "both", "data", "power" or "none"
        What joins Xinjiang to Chongqing. The network for data reaches Chengdu-Chongqing; without
        it Xinjiang has only its thin links to everywhere. The power line from Hami brings green
        power to Chongqing's new site, and changes the mix of its grid.
    bill : "energy" or "full"
        What a site pays for. "full" adds what an operator is billed for besides: a charge for the
        highest draw of the month (a day has its part), the draw of idle accelerators, the price of
        the line from Hami, and batteries that wear by their price and cycles; the PUE is as
        measured, where it was, in place of the limit.

    Returns
    -------
    Problem

    Raises
    ------
    InvalidProblemError, TypeError
        A bad argument, named.

    Notes
    -----
    Complexity: O(n_jobs); a million jobs take about a second. Determinism: the same bits for the
    same arguments and numpy version; weather depends on neither jobs, stage, corridor nor bill.

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
    rule_of("stage", stage, STAGES)
    rule_of("corridor", corridor, CORRIDORS)
    rule_of("bill", bill, BILLS)
    fixed = constants()
    for_jobs, for_weather = np.random.default_rng(seed).spawn(2)
    sites = sites_of(hours, fixed, bill=bill)
    kinds, speed, families = kinds_and_speeds()
    draft = _drawn(n_jobs, hours, speed @ shares_of(kinds, "share"), for_jobs)
    of_fleet = hours * fixed["utilisation_target"]

    def classes(stage: str) -> Classes:
        size = draft.accelerator_h.sum() / of_fleet
        return classes_of(hours, size, fixed, kinds, speed, families, stage)

    # By the smaller room of the two stages, so that the jobs are the same at each.
    room = np.minimum(*(classes(at).capacity[:, 0] for at in STAGES))
    draft.gang = _halved(draft.gang, np.full(n_jobs, int(room.max()) // PARTS))
    jobs = draft.jobs(fixed, sites, classes(stage).replace(capacity=room[:, None]), for_jobs)
    fleet = classes(stage)
    peak_kw = peak_kw_of(sites, fleet) * (1 + fixed["base_load_share"])
    line, wires = corridor in ("both", "power"), corridor in ("both", "data")
    volume = float(jobs.data_gb.sum()) / hours
    variant = [stage] * (stage != "planned") + [f"corridor {corridor}"] * (corridor != "both")
    variant += ["full bill"] * (bill == "full")
    day = Problem(
        jobs=jobs,
        sites=sites.replace(connection_kw=fixed["connection"] * peak_kw),
        classes=fleet,
        hours=hours,
        energy=energy_of(hours, fixed, sites, peak_kw, for_weather, line=line, bill=bill),
        corridors=corridors_of(hours, fixed, sites, volume, stage=stage, corridor=wires),
        quotas=quotas_of(fixed, jobs.tenant, draft.accelerator_h),
        mandate=Mandate(share=fixed["mandate_share"], scope="site", rule="hourly"),
        name=", ".join(["east-west", *variant]),
        sources=said_of_figures(),
    )
    return day.with_idle_power(fixed["idle_kw"]) if bill == "full" else day


class _Drawn:
    """Jobs half drawn: what the size of the sites depends on."""

    def __init__(self, family: Int32s, gang: Int32s, work_h: Floats, speed: Floats) -> None:
        self.family, self.gang, self.work_h, self._speed = family, gang, work_h, speed
        self.release = self.deadline = np.zeros(len(family), np.int32)

    @property
    def accelerator_h(self) -> Floats:
        """The accelerator-hours of each job, at its family's mean speed over the fleet."""
        return np.asarray(self.gang * np.ceil(self.work_h / self._speed[self.family]), np.float64)

    def jobs(
        self, fixed: dict[str, float], sites: Sites, least: Classes, rng: np.random.Generator
    ) -> Jobs:
        """The finished table; no gang is larger than the classes of `least` that it may use."""
        n, rows = len(self.family), table("families")
        origin = rng.choice(len(sites), n, p=shares_of(table("sites"), "origin_share")).astype(
            np.int32
        )
        large = rng.random(n) < fixed["large_memory_share"]
        memory = np.where(large, 80.0, rng.choice([16.0, 24.0, 32.0, 48.0, 64.0], n))
        spread = np.exp(fixed["data_sigma"] * rng.standard_normal(n))
        home = (sites.region == sites.region[:, None]) @ (
            1 << np.arange(len(sites), dtype=np.int64)
        )
        bound = rng.random(n) < fixed["residency_share"]
        tight = rng.random(n) < column_of(rows, "tight_latency_share")[self.family]
        latency = np.where(
            tight, fixed["tight_latency"], column_of(rows, "latency_ms")[self.family]
        )
        region = np.where(bound | np.isfinite(latency), sites.region[origin], -1)
        self.gang = _halved(self.gang, _room(least, sites, self.family, memory, region) // PARTS)
        data = fixed["data_median"] * self.accelerator_h ** fixed["data_power"] * spread
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


def _halved(gang: Int32s, most: Int64s) -> Int32s:
    """Gangs halved until none is above `most`, down to 1."""
    while (large := gang > np.maximum(most, 1)).any():
        gang = np.where(large, gang // 2, gang).astype(np.int32)
    return gang


def _room(
    classes: Classes, sites: Sites, family: Int32s, memory_gb: Floats, region: Int32s
) -> Int64s:
    """Accelerators of the largest class that each job may use, in its region; -1 = anywhere."""
    levels, level = np.unique(memory_gb, return_inverse=True)
    regions = np.arange(-1, int(sites.region.max()) + 1)
    fast = classes.throughput >= SLOW
    held = classes.memory_gb >= levels[:, None]
    near = (sites.region[classes.site] == regions[:, None]) | (regions[:, None] == -1)
    may = fast[:, None, None] & held[:, None] & near
    return np.asarray((may * classes.capacity[:, 0]).max(axis=-1)[family, level, region + 1])


def _drawn(n: int, hours: int, speed: Floats, rng: np.random.Generator) -> _Drawn:
    rows = table("families")
    family = rng.choice(len(rows), n, p=shares_of(rows, "share")).astype(np.int32)
    gangs = [[int(g) for g in row["gangs"].split()] for row in rows]
    widest = max(map(len, gangs))
    padded = np.array([(g * widest)[:widest] if widest % len(g) == 0 else g + g[:1] for g in gangs])
    gang = padded[family, rng.integers(0, widest, n)].astype(np.int32)
    work = column_of(rows, "median_h")[family]
    work = work * np.exp(column_of(rows, "sigma")[family] * rng.standard_normal(n))
    work = np.clip(work, 0.25, np.minimum(column_of(rows, "most_h")[family], SLOW * hours))
    drawn = _Drawn(family, gang, work, speed)
    day = np.array(table("arrivals")[0]["weight"].split(), np.float64)
    weight = day[np.arange(hours) % len(day)]
    longest = np.ceil(work / SLOW)
    release = np.minimum(rng.choice(hours, n, p=weight / weight.sum()), hours - longest)
    drawn.release = np.maximum(release, 0).astype(np.int32)
    slack = np.floor(rng.random(n) * (2 * column_of(rows, "slack_h")[family] + 1))
    drawn.deadline = np.minimum(drawn.release + longest + slack, hours).astype(np.int32)
    return drawn
