"""The packaged world of the scenarios: twelve Chinese sites with their energy, accelerators and
network.

All figures stand in the CSV tables of the folder ``data``, each row with its source or the word
"assumption".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..tables.corridors import GB_PER_GBIT_S_HOUR, Corridors, great_circle_km, one_way_ms
from ..tables.energy import Energy
from ..tables.quotas import Quotas
from ..tables.sites import Classes, Sites

if TYPE_CHECKING:
    from ..tables.column import Floats, Int32s

__all__ = ["Rows", "assumptions", "table"]

Rows = list[dict[str, str]]


def table(name: str) -> Rows:
    """The rows of a packaged table, e.g. ``table("sites")``, as text."""
    import csv
    from importlib import resources

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


def constants() -> dict[str, float]:
    """The packaged constants by name."""
    return {row["name"]: float(row["value"]) for row in table("constants")}


def sites_of() -> Sites:
    rows = table("sites")
    regions = sorted({row["region"] for row in rows})
    operators = sorted({row["operator"] for row in rows})
    return Sites(
        name=np.array([row["name"] for row in rows]),
        latitude=column_of(rows, "latitude"),
        longitude=column_of(rows, "longitude"),
        pue=column_of(rows, "pue"),
        new=column_of(rows, "new") == 1,
        carbon_g_per_kwh=column_of(rows, "carbon_g_per_kwh"),
        region=np.array([regions.index(row["region"]) for row in rows]),
        operator=np.array([operators.index(row["operator"]) for row in rows]),
    )


def kinds_and_speeds() -> tuple[Rows, Floats, tuple[str, ...]]:
    """The packaged accelerators, their speed by job family, and the families' names."""
    kinds, families = table("accelerators"), table("families")
    speed = np.array([[float(row[k["name"]]) for k in kinds] for row in families])
    return kinds, speed, tuple(row["name"] for row in families)


def classes_of(
    hours: int, accelerators: float, kinds: Rows, speed: Floats, families: tuple[str, ...]
) -> Classes:
    """`accelerators` of them in every hour, split over the sites and `kinds` by their shares."""
    rows = table("sites")
    share = np.outer(shares_of(rows, "capacity_share"), shares_of(kinds, "share")).reshape(-1)
    count = np.maximum(np.rint(accelerators * share), 1).astype(np.int64)
    kind = np.tile(np.arange(len(kinds), dtype=np.int32), len(rows))
    return Classes(
        site=np.repeat(np.arange(len(rows), dtype=np.int32), len(kinds)),
        accelerator=kind,
        capacity=np.repeat(count[:, None], hours, axis=1),
        memory_gb=column_of(kinds, "memory_gb")[kind],
        power_kw=(column_of(kinds, "board_kw") * column_of(kinds, "utilisation"))[kind],
        overhead_kw=column_of(kinds, "overhead_kw")[kind],
        throughput=speed[:, kind],
        accelerator_names=tuple(k["name"] for k in kinds),
        family_names=families,
    )


def peak_kw_of(sites: Sites, classes: Classes) -> Floats:
    busy = (
        (classes.power_kw + classes.overhead_kw) * sites.pue[classes.site] * classes.capacity[:, 0]
    )
    return np.bincount(classes.site, busy, len(sites)).astype(np.float64)


def energy_of(
    hours: int, fixed: dict[str, float], sites: Sites, peak_kw: Floats, rng: np.random.Generator
) -> Energy:
    rows = table("sites")
    sources = ("pv", "wind", "hydro")
    shape = np.stack([_solar(hours, sites, fixed, rng), _wind(hours, sites, fixed, rng)])
    shape = np.concatenate([shape, np.full_like(shape[:1], fixed["hydro"])])
    size = np.array([column_of(rows, s) for s in sources]) * fixed["renewables_factor"] * peak_kw
    curves = {(r["shape"], int(r["hour"])): float(r["factor"]) for r in table("tariffs")}
    curve = np.array([[curves[row["tariff_shape"], h % 24] for h in range(hours)] for row in rows])
    tariff = column_of(rows, "tariff_yuan_per_kwh")[:, None] * curve
    battery = column_of(rows, "battery_h") * peak_kw
    green = column_of(rows, "grid_green_share")
    for line in table("lines"):
        to, part = list(sites.name).index(line["to"]), float(line["share_of_receiving_grid"])
        green[to] += part * (float(line["green_twh"]) / float(line["annual_twh"]) - green[to])
    return Energy(
        source_names=sources,
        direct_kwh=size[:, :, None] * shape,
        direct_yuan_per_kwh=np.full((len(sources), len(rows)), fixed["direct_ppa"]),
        bundled_kwh=np.repeat((column_of(rows, "bundled") * peak_kw)[:, None], hours, axis=1),
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


def corridors_of(hours: int, sites: Sites, mean_gb_per_h: float) -> Corridors:
    distance = great_circle_km(sites.latitude, sites.longitude)
    names = list(sites.name)
    out = {k: np.zeros(distance.shape) for k in ("bandwidth", "price", "delay")}
    for row in table("corridors"):
        o, d = row["origin"], row["destination"]
        at = (slice(None), slice(None)) if o == "*" else (names.index(o), names.index(d))
        least = float(row["least_gbit_s"]) * GB_PER_GBIT_S_HOUR
        out["bandwidth"][at] = max(float(row["capacity_share"]) * mean_gb_per_h, least)
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


def quotas_of(fixed: dict[str, float], tenant: Int32s, accelerator_h: Floats) -> Quotas:
    """The tenants with the largest demand are capped at a share of it."""
    demand = np.bincount(tenant, accelerator_h, int(fixed["tenants"]))
    upper = np.full(len(demand), np.inf)
    largest = np.argsort(-demand, kind="stable")[: int(fixed["capped_tenants"])]
    upper[largest] = fixed["cap"] * demand[largest]
    return Quotas(upper_accelerator_h=upper)


def column_of(rows: Rows, name: str) -> Floats:
    return np.array([float(row[name]) for row in rows])


def shares_of(rows: Rows, name: str) -> Floats:
    share = column_of(rows, name)
    return np.asarray(share / share.sum())
