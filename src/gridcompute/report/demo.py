"""The packaged demonstration: one day of jobs over 12 sites x 5 accelerators x 24 hours.

A job takes one accelerator for one hour that it starts and ends in. It pays for energy where and
when it runs, for its runtime, for waiting, and for moving its data; memory, latency and deadline
forbid the rest. Every figure below names its source or is an assumption, made to be of the right
size and to make slots scarce where demand is: an example, not a forecast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..costs import Terms
from ..transport import transport
from . import pictures, tables

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Scenario", "run", "scenario"]

HOURS = 24


class Site(NamedTuple):
    """Where slots are."""

    name: str
    latitude: float
    longitude: float
    pue: float
    tariff_yuan_per_kwh: float  # flat hour
    carbon_g_per_kwh: float
    slot_share: float
    job_share: float


# The ten clusters of China's eight computing hubs, and two in Xinjiang.
# Coordinates: of the named towns, to 0.1 degree. Carbon: Ministry of Ecology and Environment, grid
# emission factors of 2022, province where published, else its region; Chongqing is an assumption.
# PUE: assumption, from the limits of policy (1.25 in the east, 1.2 in the west). Tariffs, shares of
# the slots and shares of the jobs: assumptions.
SITES = (
    Site("Zhangjiakou", 40.8, 114.9, 1.25, 0.55, 678, 0.12, 0.24),
    Site("YRD", 31.0, 120.9, 1.25, 0.68, 562, 0.10, 0.18),
    Site("Wuhu", 31.3, 118.4, 1.25, 0.62, 678, 0.06, 0.10),
    Site("Shaoguan", 24.8, 113.6, 1.25, 0.64, 387, 0.10, 0.22),
    Site("Tianfu", 30.4, 104.1, 1.25, 0.52, 140, 0.06, 0.07),
    Site("Chongqing", 29.6, 106.5, 1.25, 0.60, 540, 0.07, 0.07),
    Site("Guian", 26.4, 106.6, 1.20, 0.45, 387, 0.10, 0.02),
    Site("Horinger", 40.4, 111.8, 1.20, 0.40, 685, 0.13, 0.02),
    Site("Qingyang", 35.7, 107.6, 1.20, 0.42, 586, 0.08, 0.02),
    Site("Zhongwei", 37.5, 105.2, 1.20, 0.40, 586, 0.08, 0.02),
    Site("Hami", 42.8, 93.5, 1.18, 0.33, 586, 0.06, 0.02),
    Site("Karamay", 45.6, 84.9, 1.18, 0.34, 586, 0.04, 0.02),
)


class Accelerator(NamedTuple):
    """What a slot is made of."""

    name: str
    memory_gb: float
    power_kw: float
    slot_share: float


# Ascend 910B: FlagPerf (FlagOpen), base/benchmarks/computation-FP16/ascend, 350 W as printed. A800:
# as NVIDIA's A100 80 GB data sheet. Other memory sizes: vendors' sheets as quoted in the press;
# other powers and all shares: assumptions.
ACCELERATORS = (
    Accelerator("910B", 64, 0.35, 0.34),
    Accelerator("H20", 96, 0.40, 0.20),
    Accelerator("A800", 80, 0.40, 0.20),
    Accelerator("MLU590", 80, 0.35, 0.14),
    Accelerator("K100_AI", 64, 0.35, 0.12),
)
SERVER_KW = 0.2  # host, fans and network of one accelerator; assumption


class Family(NamedTuple):
    """A kind of job."""

    name: str
    share: float
    wait_h: int  # hours it may start late
    memory_gb: float
    data_scale: float
    speed: tuple[float, ...]  # on each accelerator, A800 = 1


# All assumptions. Speeds come from no benchmark: they say that inference likes memory bandwidth
# (H20), training likes arithmetic, and that none is below half of the reference.
FAMILIES = (
    Family("online inference", 0.14, 0, 40, 0.1, (0.85, 1.3, 1.0, 0.7, 0.6)),
    Family("evaluation", 0.42, 6, 24, 1.0, (0.8, 1.0, 1.0, 0.7, 0.6)),
    Family("fine-tuning", 0.17, 12, 64, 1.0, (0.85, 0.6, 1.0, 0.75, 0.6)),
    Family("offline inference", 0.12, 18, 80, 1.0, (0.8, 1.2, 1.0, 0.7, 0.6)),
    Family("rendering", 0.07, 23, 24, 2.0, (0.5, 0.7, 1.0, 0.5, 0.6)),
    Family("scientific", 0.06, 23, 48, 2.0, (0.6, 0.5, 1.0, 0.5, 0.8)),
    Family("pre-training shard", 0.02, 6, 80, 4.0, (0.9, 0.5, 1.0, 0.75, 0.55)),
)

# Network, assumptions: fibre is 1.5 times the great circle, light in it 200 km per ms, gear 0.5 ms.
DETOUR, KM_PER_MS, GEAR_MS = 1.5, 200.0, 0.5
TRANSFER_YUAN_PER_GB, TRANSFER_YUAN_PER_GB_KM = 0.015, 0.02 / 1000
# One-way limits of 5 and 20 ms: the circles of the national computing network (opinions of December
# 2023), taken here as one-way; who has which limit is an assumption.
CIRCLES_MS = (5.0, 20.0, np.inf)
CARBON_YUAN_PER_KG = 0.06  # assumption
CARRIED_OVER = 0.1  # of the patient jobs, from the day before; assumption
PLENTY = 1.12  # slots over jobs; assumption
LIST_YUAN_PER_H = 36.0  # lost by a job left out, for an hour of its work on an A800; assumption


class Scenario(NamedTuple):
    """A problem for `transport`; slot classes are ordered (site, accelerator, hour)."""

    terms: Terms
    capacity: NDArray[np.int64]
    unplaced: NDArray[np.float64]


def name(s: int) -> tuple[str, str, str]:
    """The words for a slot class."""
    rest, hour = divmod(s, HOURS)
    site, accelerator = divmod(rest, len(ACCELERATORS))
    return SITES[site].name, ACCELERATORS[accelerator].name, f"{hour:02d}:00"


def scenario(n_jobs: int, seed: int = 0) -> Scenario:
    """The packaged day, pure in its seed.

    Parameters
    ----------
    n_jobs : int
    seed : int

    Returns
    -------
    Scenario
        Costs in yuan, as four terms: energy, runtime, waiting, data.
    """
    r = np.random.default_rng(seed)
    family = r.choice(len(FAMILIES), n_jobs, p=[f.share for f in FAMILIES])
    origin = r.choice(len(SITES), n_jobs, p=[s.job_share for s in SITES])
    release = r.choice(HOURS, n_jobs, p=_day_shape() / _day_shape().sum())
    patient = np.array([f.wait_h for f in FAMILIES])[family] >= 6
    release[patient & (r.random(n_jobs) < CARRIED_OVER)] = 0
    # The rest is assumption too; at most half an hour on an A800, so within the hour on any.
    work_h = np.clip(r.lognormal(np.log(0.12), 0.8, n_jobs), 0.02, 0.5)
    waiting_yuan_per_h = r.lognormal(0.0, 0.8, n_jobs)
    data_gb = np.clip(r.lognormal(np.log(8.0), 1.5, n_jobs), 1, 800)
    data_gb *= np.array([f.data_scale for f in FAMILIES])[family]
    circle = np.where(family == 0, r.choice(2, n_jobs, p=[0.2, 0.8]), 2)

    energy, runtime = _energy_and_runtime()
    terms = Terms([
        (energy, family, work_h),
        (runtime, family, waiting_yuan_per_h * work_h),
        (_waiting(), family * HOURS + release, waiting_yuan_per_h),
        (_data(), origin * len(CIRCLES_MS) + circle, data_gb),
    ])  # fmt: skip
    return Scenario(terms, _capacity(n_jobs), 1.0 + LIST_YUAN_PER_H * work_h)


def _day_shape() -> NDArray[np.float64]:
    """How busy the people behind the jobs are, by hour: quiet at 3, busiest at 15 (assumption)."""
    return 1 - 0.35 * np.cos(2 * np.pi * (np.arange(HOURS) - 3) / HOURS)


def _by_class(site: NDArray[np.float64], hour_of_site: NDArray[np.float64]) -> NDArray[np.float64]:
    """A factor of each site times one of each (site, hour), over (site, accelerator, hour)."""
    whole = (site[:, None] * hour_of_site)[:, None, :]
    return np.repeat(whole, len(ACCELERATORS), axis=1).reshape(-1)


def _energy_and_runtime() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Yuan for energy, and hours, for each hour of work: tables (family, slot class)."""
    hour = np.arange(HOURS)
    # Shapes of the tariff, assumptions: evening peak and cheap night in the east; in the west cheap
    # solar noon and a peak after sunset.
    east = np.select([hour < 7, (hour >= 16) & (hour < 22)], [0.42, 1.6], 1.0)
    west = np.select([(hour >= 11) & (hour < 17), (hour >= 19) & (hour < 23)], [0.5, 1.5], 1.0)
    price = np.array([
        s.tariff_yuan_per_kwh * (east if s.longitude > 110 else west)
        + s.carbon_g_per_kwh / 1000 * CARBON_YUAN_PER_KG
        for s in SITES
    ])  # fmt: skip
    yuan_per_kwh = _by_class(np.array([s.pue for s in SITES]), price)
    per_class = np.arange(len(SITES) * len(ACCELERATORS) * HOURS) // HOURS % len(ACCELERATORS)
    kw = np.array([a.power_kw + SERVER_KW for a in ACCELERATORS])[per_class]
    fits = np.array([[a.memory_gb >= f.memory_gb for a in ACCELERATORS] for f in FAMILIES])
    hours = np.where(fits, 1 / np.array([f.speed for f in FAMILIES]), np.inf)[:, per_class]
    return hours * (kw * yuan_per_kwh), hours


def _waiting() -> NDArray[np.float64]:
    """Hours waited, inf where too early or too late: (family and release hour, slot class)."""
    start = np.arange(len(SITES) * len(ACCELERATORS) * HOURS) % HOURS
    waited = start[None, :] - np.arange(HOURS)[:, None]
    return np.concatenate([
        np.where((waited >= 0) & (waited <= f.wait_h), waited, np.inf) for f in FAMILIES
    ])  # fmt: skip


def _data() -> NDArray[np.float64]:
    """Yuan per GB moved, inf beyond the latency circle: (origin and circle, slot class)."""
    latitude, longitude = np.radians([[s.latitude, s.longitude] for s in SITES]).T
    cosine = np.sin(latitude)[:, None] * np.sin(latitude) + np.cos(latitude)[:, None] * np.cos(
        latitude
    ) * np.cos(longitude[:, None] - longitude)
    km = 6371.0 * np.arccos(np.clip(cosine, -1, 1)) * DETOUR
    np.fill_diagonal(km, 0.0)
    yuan = np.where(km > 0, TRANSFER_YUAN_PER_GB + TRANSFER_YUAN_PER_GB_KM * km, 0.0)
    delay = km / KM_PER_MS + GEAR_MS
    by_site = np.stack([np.where(delay <= limit, yuan, np.inf) for limit in CIRCLES_MS], axis=1)
    return np.repeat(by_site.reshape(-1, len(SITES)), len(ACCELERATORS) * HOURS, axis=1)


def _capacity(n_jobs: int) -> NDArray[np.int64]:
    """Slots of each class: what the online services of each hour leave free (assumption)."""
    free = 1 - 0.2 * _day_shape()
    share = np.array([
        site.slot_share * accelerator.slot_share * free
        for site in SITES
        for accelerator in ACCELERATORS
    ]).reshape(-1)  # fmt: skip
    ends = np.rint(np.cumsum(share / share.sum()) * PLENTY * n_jobs)
    return np.diff(ends, prepend=0).astype(np.int64)


def run(n_jobs: int, out: Path, *, seed: int = 0, threads: int | None = None) -> bool:
    """Solve the packaged day, print its tables, and write its picture; False if infeasible.

    Parameters
    ----------
    n_jobs : int
    out : Path
        Folder for the picture, made if absent.
    seed : int
    threads : int, optional
    """
    from rich.console import Console

    console = Console()
    day = scenario(n_jobs, seed)
    out.mkdir(parents=True, exist_ok=True)
    m = transport(
        day.terms, day.capacity, unplaced=day.unplaced, seed=seed, threads=threads, progress=True
    )
    if m.status == "infeasible":
        console.print("infeasible:", m.witness)
        return False
    title = f"{n_jobs:,} jobs, {len(day.capacity):,} slot classes, {day.capacity.sum():,} slots"
    console.print(tables.summary(title, m, "yuan"))
    columns = ("site", "accelerator", "hour")
    console.print(tables.scarcest(m, day.capacity, name, columns, "yuan"))
    picture = out / "load_and_price.png"
    sites, hours = [s.name for s in SITES], [f"{h:02d}" for h in range(HOURS)]
    pictures.load_and_price(picture, m, day.capacity, sites, hours, "yuan")
    console.print(f"load and price by site and hour: {picture}")
    return True
