"""The packaged scenario: twelve Chinese sites, five accelerators, one day, any number of jobs.

All figures stand in the CSV tables of the folder ``data``, each row with its source or the word
"assumption". What is random (jobs, clouds, wind) comes from the seed; sites grow with the number of jobs,
so that capacity is contested to the same degree at every size.
"""

from __future__ import annotations

import csv
from importlib import resources

import numpy as np

from .columns import Floats, Int32s
from .corridors import Corridors, great_circle_km, one_way_ms
from .energy import Energy
from .jobs import ANYWHERE, Jobs
from .mandate import Mandate, Quotas
from .problem import Problem
from .sites import Classes, Sites

__all__ = ["assumptions", "east_west", "table"]

Rows = list[dict[str, str]]
#: Throughput every job is sure to find somewhere: windows leave room for the work at this speed.
SLOW = 0.7


def table(name: str) -> Rows:
    """The rows of a packaged table, e.g. ``table("sites")``, as text."""
    text = resources.files(__package__).joinpath(f"data/{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def assumptions() -> list[tuple[str, str, str]]:
    """Every row of the packaged tables with its source: (table, row, source).

    Examples
    --------
    >>> next(row for row in assumptions() if row[:2] == ("constants", "certificate"))[2][:20]
    'GEC of 2025 vintage,'
    """
    names = [
        "sites",
        "accelerators",
        "families",
        "corridors",
        "lines",
        "tariffs",
        "arrivals",
        "constants",
    ]
    return [
        (
            name,
            " ".join(list(row.values())[: 2 if name in ("corridors", "tariffs") else 1]),
            row["source"],
        )
        for name in names
        for row in table(name)
    ]


def east_west(n_jobs: int = 20_000, seed: int = 0, hours: int = 24) -> Problem:
    """The east-west scenario: jobs mostly from the east, green power mostly in the west.

    Ten clusters of the eight national hubs, Hami and Karamay; seven of the twelve sites are new and held
    to 80 % green energy, hourly and per site. The Hami-Chongqing line reaches Chongqing as grid supply,
    about half green; the corridor between them is data.

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
    Complexity: O(n_jobs); a million jobs take about a second. Determinism: the same bits for the same
    arguments and numpy version; weather does not depend on `n_jobs`.

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
            raise ValueError(f"{name} is {value}, needed at least {least}")
    fixed = {row["name"]: float(row["value"]) for row in table("constants")}
    for_jobs, for_weather = np.random.default_rng(seed).spawn(2)
    sites = _sites()
    draft = _drawn(n_jobs, hours, fixed, sites, for_jobs)
    total = draft.accelerator_h.sum() / (hours * fixed["utilisation_target"])
    classes = _classes(hours, total)
    draft.cap_gangs(int(classes.capacity.max()) // 2)
    total = draft.accelerator_h.sum() / (hours * fixed["utilisation_target"])
    classes = _classes(hours, total)
    peak_kw = _peak_kw(sites, classes) * (1 + fixed["base_load_share"])
    jobs = draft.jobs(fixed, sites, for_jobs)
    return Problem(
        jobs=jobs,
        sites=sites.replace(connection_kw=fixed["connection"] * peak_kw),
        classes=classes,
        hours=hours,
        energy=_energy(hours, fixed, sites, peak_kw, for_weather),
        corridors=_corridors(hours, sites, float(jobs.data_gb.sum()) / hours),
        quotas=_quotas(fixed, jobs.tenant, draft.accelerator_h),
        mandate=Mandate(share=0.8, scope="site", rule="hourly"),
        name="east-west",
    )


class _Drawn:
    """Jobs half drawn: what the size of the sites depends on."""

    def __init__(self, family: Int32s, gang: Int32s, work_h: Floats, hours_mean: Floats) -> None:
        self.family, self.gang, self.work_h, self.hours_mean = family, gang, work_h, hours_mean
        self.release = self.deadline = np.zeros(len(family), np.int32)

    @property
    def accelerator_h(self) -> Floats:
        """What each job takes of an average class."""
        return self.gang * self.hours_mean

    def cap_gangs(self, most: int) -> None:
        """Halve gangs until half the largest class holds them (only small scenarios need it)."""
        while most >= 1 and (large := self.gang > most).any():
            self.gang = np.where(large, self.gang // 2, self.gang).astype(np.int32)

    def jobs(self, fixed: dict[str, float], sites: Sites, rng: np.random.Generator) -> Jobs:
        """The finished table."""
        n, rows = len(self.family), table("families")
        origin = rng.choice(len(sites), n, p=_shares(table("sites"), "origin_share")).astype(
            np.int32
        )
        large = rng.random(n) < fixed["large_memory_share"]
        memory = np.where(large, 80.0, rng.choice([16.0, 24.0, 32.0, 48.0, 64.0], n))
        data = fixed["data_median"] * np.exp(fixed["data_sigma"] * rng.standard_normal(n))
        home = (sites.region == sites.region[:, None]) @ (
            1 << np.arange(len(sites), dtype=np.int64)
        )
        bound = rng.random(n) < fixed["residency_share"]
        tight = rng.random(n) < _column(rows, "tight_latency_share")[self.family]
        latency = np.where(tight, 5.0, _column(rows, "latency_ms")[self.family])
        weight = 1.0 / np.arange(1, int(fixed["tenants"]) + 1) ** fixed["tenant_zipf"]
        value = _column(rows, "value_yuan_per_accelerator_h")[self.family]
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
            delay_yuan_per_h=_column(rows, "delay_yuan_per_accelerator_h")[self.family] * self.gang,
            tenant=rng.choice(len(weight), n, p=weight / weight.sum()).astype(np.int32),
        )


def _drawn(
    n: int, hours: int, fixed: dict[str, float], sites: Sites, rng: np.random.Generator
) -> _Drawn:
    rows, kinds = table("families"), table("accelerators")
    family = rng.choice(len(rows), n, p=_shares(rows, "share")).astype(np.int32)
    gangs = [[int(g) for g in row["gangs"].split()] for row in rows]
    widest = max(map(len, gangs))
    padded = np.array([(g * widest)[:widest] if widest % len(g) == 0 else g + g[:1] for g in gangs])
    gang = padded[family, rng.integers(0, widest, n)].astype(np.int32)
    work = _column(rows, "median_h")[family]
    work = work * np.exp(_column(rows, "sigma")[family] * rng.standard_normal(n))
    work = np.clip(work, 0.25, np.minimum(_column(rows, "most_h")[family], SLOW * hours))
    speed = np.array([[float(row[kind["name"]]) for kind in kinds] for row in rows])[family]
    mean = np.ceil(work[:, None] / speed) @ _shares(kinds, "share")
    drawn = _Drawn(family, gang, work, mean)
    arrivals = table("arrivals")
    weight = np.array([float(arrivals[h % len(arrivals)]["weight"]) for h in range(hours)])
    longest = np.ceil(work / SLOW)
    release = np.minimum(rng.choice(hours, n, p=weight / weight.sum()), hours - longest)
    drawn.release = np.maximum(release, 0).astype(np.int32)
    slack = np.floor(rng.random(n) * (2 * _column(rows, "slack_h")[family] + 1))
    drawn.deadline = np.minimum(drawn.release + longest + slack, hours).astype(np.int32)
    return drawn


def _sites() -> Sites:
    rows = table("sites")
    regions = sorted({row["region"] for row in rows})
    operators = sorted({row["operator"] for row in rows})
    return Sites(
        name=np.array([row["name"] for row in rows]),
        latitude=_column(rows, "latitude"),
        longitude=_column(rows, "longitude"),
        pue=_column(rows, "pue"),
        new=_column(rows, "new") == 1,
        carbon_g_per_kwh=_column(rows, "carbon_g_per_kwh"),
        region=np.array([regions.index(row["region"]) for row in rows]),
        operator=np.array([operators.index(row["operator"]) for row in rows]),
    )


def _classes(hours: int, accelerators: float) -> Classes:
    """`accelerators` of them in every hour, split over sites and kinds by the packaged shares."""
    rows, kinds, families = table("sites"), table("accelerators"), table("families")
    share = np.outer(_shares(rows, "capacity_share"), _shares(kinds, "share")).reshape(-1)
    count = np.maximum(np.rint(accelerators * share), 1).astype(np.int64)
    kind = np.tile(np.arange(len(kinds), dtype=np.int32), len(rows))
    speed = np.array([[float(row[k["name"]]) for k in kinds] for row in families])
    return Classes(
        site=np.repeat(np.arange(len(rows), dtype=np.int32), len(kinds)),
        accelerator=kind,
        capacity=np.repeat(count[:, None], hours, axis=1),
        memory_gb=_column(kinds, "memory_gb")[kind],
        power_kw=(_column(kinds, "board_kw") * _column(kinds, "utilisation"))[kind],
        overhead_kw=_column(kinds, "overhead_kw")[kind],
        throughput=speed[:, kind],
        accelerator_names=tuple(k["name"] for k in kinds),
        family_names=tuple(row["name"] for row in families),
    )


def _peak_kw(sites: Sites, classes: Classes) -> Floats:
    busy = (
        (classes.power_kw + classes.overhead_kw) * sites.pue[classes.site] * classes.capacity[:, 0]
    )
    return np.bincount(classes.site, busy, len(sites)).astype(np.float64)


def _energy(
    hours: int, fixed: dict[str, float], sites: Sites, peak_kw: Floats, rng: np.random.Generator
) -> Energy:
    rows = table("sites")
    sources = ("pv", "wind", "hydro")
    shape = np.stack([_solar(hours, sites, fixed, rng), _wind(hours, sites, fixed, rng)])
    shape = np.concatenate([shape, np.full_like(shape[:1], fixed["hydro"])])
    size = np.array([_column(rows, s) for s in sources]) * fixed["renewables_factor"] * peak_kw
    curves = {(r["shape"], int(r["hour"])): float(r["factor"]) for r in table("tariffs")}
    curve = np.array([[curves[row["tariff_shape"], h % 24] for h in range(hours)] for row in rows])
    tariff = _column(rows, "tariff_yuan_per_kwh")[:, None] * curve
    battery = _column(rows, "battery_h") * peak_kw
    green = _column(rows, "grid_green_share")
    for line in table("lines"):
        to, part = list(sites.name).index(line["to"]), float(line["share_of_receiving_grid"])
        green[to] += part * (float(line["green_twh"]) / float(line["annual_twh"]) - green[to])
    return Energy(
        source_names=sources,
        direct_kwh=size[:, :, None] * shape,
        direct_yuan_per_kwh=np.full((len(sources), len(rows)), fixed["direct_ppa"]),
        bundled_kwh=np.repeat((_column(rows, "bundled") * peak_kw)[:, None], hours, axis=1),
        bundled_yuan_per_kwh=tariff + fixed["bundled_premium"],
        tariff_yuan_per_kwh=tariff,
        base_load_kwh=fixed["base_load_share"] / (1 + fixed["base_load_share"]) * peak_kw,
        grid_green_share=green,
        battery_kwh=battery,
        battery_kw=battery * fixed["battery_power"],
        charge_efficiency=np.full(len(rows), fixed["charge_efficiency"]),
        discharge_efficiency=np.full(len(rows), fixed["discharge_efficiency"]),
        wear_yuan_per_kwh=np.full(len(rows), fixed["battery_wear"]),
        green_start_kwh=fixed["battery_start"] * battery,
        certificate_yuan_per_kwh=fixed["certificate"],
        carbon_yuan_per_t=fixed["carbon_price"],
    )


def _solar(hours: int, sites: Sites, fixed: dict[str, float], rng: np.random.Generator) -> Floats:
    """Half-sine from six to eighteen of local solar time, under passing clouds."""
    clock = np.arange(hours) % 24 + 0.5
    solar = clock - ((120.0 - sites.longitude) / 15.0)[:, None]
    cloud = rng.uniform(fixed["cloud_low"], 1.0, solar.shape)
    return np.maximum(np.sin(np.pi * (solar - 6.0) / 12.0), 0.0) * cloud


def _wind(hours: int, sites: Sites, fixed: dict[str, float], rng: np.random.Generator) -> Floats:
    """First-order autoregression around the mean, at each site on its own."""
    phi, mean, spread = fixed["wind_phi"], fixed["wind_mean"], fixed["wind_spread"]
    noise = rng.standard_normal((hours + 1, len(sites))) * spread
    level = noise[0]
    out = np.empty((len(sites), hours))
    for h in range(hours):
        level = phi * level + np.sqrt(1 - phi**2) * noise[h + 1]
        out[:, h] = np.clip(mean + level, 0.02, 1.0)
    return out


def _corridors(hours: int, sites: Sites, mean_gb_per_h: float) -> Corridors:
    distance = great_circle_km(sites.latitude, sites.longitude)
    names = list(sites.name)
    out = {k: np.zeros(distance.shape) for k in ("bandwidth", "price", "delay")}
    for row in table("corridors"):
        o, d = row["origin"], row["destination"]
        at = (slice(None), slice(None)) if o == "*" else (names.index(o), names.index(d))
        out["bandwidth"][at] = float(row["capacity_share"]) * mean_gb_per_h
        per_km = float(row["yuan_per_gb_1000km"]) / 1000
        out["price"][at] = (float(row["base_yuan_per_gb"]) + per_km * distance)[at]
        ms = one_way_ms(
            distance, route_factor=float(row["route_factor"]), fixed_ms=float(row["fixed_ms"])
        )
        out["delay"][at] = ms[at]
    return Corridors(
        bandwidth_gb=np.repeat(out["bandwidth"][:, :, None], hours, axis=2),
        price_yuan_per_gb=out["price"],
        delay_ms=out["delay"],
    )


def _quotas(fixed: dict[str, float], tenant: Int32s, accelerator_h: Floats) -> Quotas:
    """The tenants with the largest demand are capped at a share of it."""
    demand = np.bincount(tenant, accelerator_h, int(fixed["tenants"]))
    upper = np.full(len(demand), np.inf)
    largest = np.argsort(-demand, kind="stable")[: int(fixed["capped_tenants"])]
    upper[largest] = fixed["cap"] * demand[largest]
    return Quotas(upper_accelerator_h=upper)


def _column(rows: Rows, name: str) -> Floats:
    return np.array([float(row[name]) for row in rows])


def _shares(rows: Rows, name: str) -> Floats:
    share = _column(rows, name)
    return np.asarray(share / share.sum())
