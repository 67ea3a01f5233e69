"""The packaged world of the scenarios: twelve Chinese sites with their energy, accelerators and
network.

All figures stand in one table, ``data/figures.csv``: each with its unit, its kind (sourced, derived
or assumed) and its source.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..tables.mandate import KINDS
from ..tables.names import rule_of
from ..tables.quotas import Quotas
from ..tables.sites import (
    GB_PER_GBIT_S_HOUR,
    Classes,
    Corridors,
    Energy,
    Sites,
    great_circle_km,
    one_way_ms,
)

if TYPE_CHECKING:
    from ..tables.column import Floats, Int32s

__all__ = ["BILLS", "CORRIDORS", "STAGES", "Figure", "Rows", "assumptions", "figures", "table"]

Rows = list[dict[str, str]]

#: The locations of the country's accelerators: as built by mid 2025, or as planned.
STAGES = ("planned", "today")
#: The links of Xinjiang to Chongqing: a network for data, the power line, both or neither.
CORRIDORS = ("both", "data", "power", "none")
#: The energy alone, or all that an operator is billed for.
BILLS = ("energy", "full")
#: Hours of the month whose highest draw the demand charge is for.
MONTH_H = 720


class Figure(NamedTuple):
    """A figure of the packaged scenario.

    Parameters
    ----------
    name : str
        Table, row and column, as in "sites/Hami/battery_h".
    value : str
        As the table has it: a number, some numbers, or a word.
    unit : str
    kind : "sourced", "derived" or "assumed"
    source : str
        Where a sourced figure is printed; from what a derived one follows; why an assumed one is as
        it is, which may be empty.
    """

    name: str
    value: str
    unit: str
    kind: str
    source: str


@cache
def _figures() -> tuple[Figure, ...]:
    import csv
    from importlib import resources

    text = resources.files(__package__).joinpath("data/figures.csv").read_text(encoding="utf-8")
    return tuple(Figure(**row) for row in csv.DictReader(text.splitlines()))


def figures(kind: str | None = None) -> list[Figure]:
    """Every figure of the packaged scenario, with its unit, its kind and its source.

    Parameters
    ----------
    kind : "sourced", "derived" or "assumed", optional
        None = all.

    Returns
    -------
    list of Figure
        Named tuples ``(name, value, unit, kind, source)``, in the order of the table.

    Raises
    ------
    InvalidProblemError
        Another kind.

    Notes
    -----
    What is not in the list is drawn at random by these figures (jobs, clouds, wind) or computed
    from them; the jobs' number and the seed are the caller's.

    Examples
    --------
    >>> from gridcompute import grid
    >>> certificate = next(f for f in grid.figures() if f.name == "constants/certificate/value")
    >>> certificate.value, certificate.unit, certificate.kind, certificate.source[:18]
    ('0.0052', 'yuan/kWh', 'sourced', 'GEC of vintage 202')
    """
    if kind is not None:
        rule_of("kind", kind, KINDS)
    return [figure for figure in _figures() if kind in (None, figure.kind)]


def assumptions() -> list[Figure]:
    """The figures of the packaged scenario that were chosen, since no source was found.

    Returns
    -------
    list of Figure
        ``figures("assumed")``.

    Examples
    --------
    >>> from gridcompute import grid
    >>> "constants/wind_mean/value" in [figure.name for figure in grid.assumptions()]
    True
    """
    return figures("assumed")


@cache
def _tables() -> dict[str, dict[str, dict[str, str]]]:
    out: dict[str, dict[str, dict[str, str]]] = {}
    for figure in _figures():
        name, row, column = figure.name.split("/")
        out.setdefault(name, {}).setdefault(row, {"name": row})[column] = figure.value
    return out


def table(name: str) -> Rows:
    """The rows of a packaged table, e.g. ``table("sites")``, as text."""
    return [dict(row) for row in _tables()[name].values()]


def constants() -> dict[str, float]:
    """The packaged constants by name."""
    return {row["name"]: float(row["value"]) for row in table("constants")}


def said_of_figures() -> tuple[tuple[str, str], ...]:
    """The text of `Problem.sources` for each figure: its name and value, its kind and source."""
    out = []
    for name, value, unit, kind, source in _figures():
        what = f"{name} = {value} {unit}".rstrip()
        out.append((what, f"{kind}: {source}" if source else kind))
    return tuple(out)


def sites_of(hours: int, fixed: dict[str, float], *, bill: str = "energy") -> Sites:
    """The sites, their PUE by the hour: cooling takes most in the afternoon of local solar time.

    By the full bill a site's PUE is its own as measured. Where that is not known, new sites keep to
    their limit, and the others have the country's mean.
    """
    rows = table("sites")
    longitude, new = column_of(rows, "longitude"), column_of(rows, "new") == 1
    clock = np.cos(2 * np.pi * (solar_time(hours, longitude) - 15.0) / 24.0)
    pue = column_of(rows, "pue")
    if bill == "full":
        measured = column_of(rows, "pue_measured", np.nan)
        unknown = np.where(new, pue, fixed["pue_mean"])
        pue = np.where(np.isnan(measured), unknown, measured)
    cooling = pue[:, None] - 1.0
    regions = sorted({row["region"] for row in rows})
    operator = table("operators")[0]["names"].split()
    operators = sorted(set(operator))
    return Sites(
        name=np.array([row["name"] for row in rows]),
        latitude=column_of(rows, "latitude"),
        longitude=longitude,
        pue=1.0 + cooling * (1.0 + fixed["pue_swing"] * clock),
        new=new,
        carbon_g_per_kwh=column_of(rows, "carbon_g_per_kwh"),
        region=np.array([regions.index(row["region"]) for row in rows]),
        operator=np.array([operators.index(name) for name in operator]),
        region_names=tuple(regions),
        operator_names=tuple(operators),
    )


def solar_time(hours: int, longitude: Floats) -> Floats:
    """Local solar time in the middle of each hour of China Standard Time, (n_sites, n_hours)."""
    clock = np.arange(hours) % 24 + 0.5
    return np.asarray(clock - ((120.0 - longitude) / 15.0)[:, None])


def kinds_and_speeds() -> tuple[Rows, Floats, tuple[str, ...]]:
    """The packaged accelerators, their speed by job family, and the families' names."""
    kinds, families = table("accelerators"), table("families")
    speed = np.array([[float(row[k["name"]]) for k in kinds] for row in families])
    return kinds, speed, tuple(row["name"] for row in families)


def classes_of(
    hours: int,
    accelerators: float,
    fixed: dict[str, float],
    kinds: Rows,
    speed: Floats,
    families: tuple[str, ...],
    stage: str = "planned",
) -> Classes:
    """`accelerators` of them in every hour, split over the sites and `kinds` by their shares.

    A site without a target has at every stage what stands there today.
    """
    rows = table("sites")
    size = column_of(rows, f"pflops_{stage}", np.nan)
    size = np.where(np.isnan(size), column_of(rows, "pflops_today"), size)
    share = np.outer(size / size.sum(), shares_of(kinds, "share")).reshape(-1)
    count = np.maximum(np.rint(accelerators * share), 1).astype(np.int64)
    kind = np.tile(np.arange(len(kinds), dtype=np.int32), len(rows))
    return Classes(
        site=np.repeat(np.arange(len(rows), dtype=np.int32), len(kinds)),
        accelerator=kind,
        capacity=np.repeat(count[:, None], hours, axis=1),
        memory_gb=column_of(kinds, "memory_gb")[kind],
        power_kw=(column_of(kinds, "board_kw") * fixed["board_utilisation"])[kind],
        overhead_kw=column_of(kinds, "overhead_kw")[kind],
        throughput=speed[:, kind],
        accelerator_names=tuple(k["name"] for k in kinds),
        family_names=families,
    )


def peak_kw_of(sites: Sites, classes: Classes) -> Floats:
    """Draw of each site with all its accelerators busy, at its mean PUE."""
    pue = sites.pue.reshape(len(sites), -1).mean(axis=1)
    busy = (classes.power_kw + classes.overhead_kw) * pue[classes.site] * classes.capacity[:, 0]
    return np.bincount(classes.site, busy, len(sites)).astype(np.float64)


def energy_of(
    hours: int,
    fixed: dict[str, float],
    sites: Sites,
    peak_kw: Floats,
    rng: np.random.Generator,
    *,
    line: bool = True,
    bill: str = "energy",
) -> Energy:
    """Sun, wind, tariffs, batteries; with or without what the `line` brings to its end.

    The full bill has a demand charge, the line's own price, and wear by a battery's price.
    """
    rows = table("sites")
    sources = ("pv", "wind", "hydro")
    shape = np.stack([_solar(hours, sites, fixed, rng), _wind(hours, sites, fixed, rng)])
    shape = np.concatenate([shape, np.full_like(shape[:1], fixed["hydro"])])
    size = (
        np.array([column_of(rows, s, 0.0) for s in sources]) * fixed["renewables_factor"] * peak_kw
    )
    tariff = _tariffs(hours, fixed)
    battery = column_of(rows, "battery_h", 0.0) * peak_kw
    green = column_of(rows, "grid_green_share")
    bundled = np.repeat((column_of(rows, "bundled") * peak_kw)[:, None], hours, axis=1)
    bundled_yuan = tariff + fixed["bundled_premium"]
    full = bill == "full"
    for row in table("lines") if line else ():
        begin, end = (list(sites.name).index(row[k]) for k in ("from", "to"))
        part, wind = float(row["share_of_receiving_grid"]), float(row["wind_part"])
        green[end] += part * (float(row["green_twh"]) / float(row["annual_twh"]) - green[end])
        sent = wind * shape[1, begin] + (1 - wind) * shape[0, begin]
        over_line = float(row["contract"]) * peak_kw[end] * (1 - float(row["loss"])) * sent
        bundled[end] += over_line
        # One contract for both: a kWh bears the line's price by the part that came over it.
        bundled_yuan[end] += full * float(row["wheeling"]) * over_line / bundled[end]
    wear = fixed["battery_wear_full" if full else "battery_wear"]
    return Energy(
        source_names=sources,
        direct_kwh=size[:, :, None] * shape,
        direct_yuan_per_kwh=np.full((len(sources), len(rows)), fixed["direct_yuan"]),
        bundled_kwh=bundled,
        bundled_yuan_per_kwh=bundled_yuan,
        tariff_yuan_per_kwh=tariff,
        demand_yuan_per_kw=np.full(len(rows), full * fixed["demand_charge"] * hours / MONTH_H),
        base_load_kwh=fixed["base_load_share"] / (1 + fixed["base_load_share"]) * peak_kw,
        grid_green_share=green,
        battery_kwh=battery,
        battery_kw=battery * fixed["battery_power"],
        charge_efficiency=np.full(len(rows), fixed["charge_efficiency"]),
        discharge_efficiency=np.full(len(rows), fixed["discharge_efficiency"]),
        wear_yuan_per_kwh=np.full(len(rows), wear),
        green_start_kwh=fixed["battery_start"] * battery,
        certificate_yuan_per_kwh=fixed["certificate"],
        carbon_yuan_per_t=fixed["carbon_price"],
    )


def _tariffs(hours: int, fixed: dict[str, float]) -> Floats:
    """Price of grid power: each site's flat price by the peak and valley hours of its province."""
    provinces = {row["name"]: row for row in table("tariffs")}
    rows = table("sites")
    factor = np.ones((len(rows), hours))
    for i, row in enumerate(rows):
        of = provinces[row["province"]]
        part = fixed["floating_part"] if of["floats"] == "energy" else 1.0
        day = np.zeros(24)
        for which, change in (
            ("peak", float(of["peak_up"])),
            ("valley", -float(of["valley_down"])),
        ):
            for span in of[f"{which}_hours"].split():
                first, last = map(int, span.split("-"))
                day[first:last] = part * change
        factor[i] += day[np.arange(hours) % 24]
    return column_of(rows, "tariff_yuan_per_kwh")[:, None] * factor


def _solar(hours: int, sites: Sites, fixed: dict[str, float], rng: np.random.Generator) -> Floats:
    """Half-sine from six to eighteen of local solar time, under passing clouds."""
    solar = solar_time(hours, sites.longitude)
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


def corridors_of(
    hours: int,
    fixed: dict[str, float],
    sites: Sites,
    mean_gb_per_h: float,
    *,
    stage: str = "planned",
    corridor: bool = True,
) -> Corridors:
    """The network: between hubs, from and to Xinjiang, and its corridor to Chengdu-Chongqing."""
    distance = great_circle_km(sites.latitude, sites.longitude)
    region = np.array([row["region"] for row in table("sites")])
    far, near = region == "Xinjiang", region == "Chengdu-Chongqing"
    over = np.full(distance.shape, "hubs", object)
    over[far[:, None] != far] = "xinjiang"
    if corridor:
        over[(far[:, None] & near) | (near[:, None] & far)] = "corridor"
    out = {k: np.zeros(distance.shape) for k in ("bandwidth", "price", "delay")}
    for row in table("network"):
        at = over == row["name"]
        least = float(row["least_gbit_s"]) * GB_PER_GBIT_S_HOUR
        out["bandwidth"][at] = max(float(row[f"share_{stage}"]) * mean_gb_per_h, least)
        per_km = fixed["yuan_per_gb_1000km"] / 1000
        out["price"][at] = (float(row["base_yuan_per_gb"]) + per_km * distance)[at]
        ms = one_way_ms(
            distance, route_factor=float(row["route_factor"]), fixed_ms=fixed["fixed_ms"]
        )
        out["delay"][at] = ms[at]
    return Corridors(
        bandwidth_gb=np.repeat(out["bandwidth"][:, :, None], hours, axis=2),
        price_yuan_per_gb=out["price"],
        delay_ms=out["delay"],
    )


def quotas_of(fixed: dict[str, float], tenant: Int32s, accelerator_h: Floats) -> Quotas:
    """The tenants with the largest demand are capped at a share of it.

    `accelerator_h` is what each job takes of the fleet's accelerators in the mean, the unit in
    which a quota counts: hours of the reference are fewer, and a cap in them would bind by that.
    """
    demand = np.bincount(tenant, accelerator_h, int(fixed["tenants"]))
    upper = np.full(len(demand), np.inf)
    largest = np.argsort(-demand, kind="stable")[: int(fixed["capped_tenants"])]
    upper[largest] = fixed["cap"] * demand[largest]
    return Quotas(upper_accelerator_h=upper)


def column_of(rows: Rows, name: str, absent: float | None = None) -> Floats:
    """A column of numbers; `absent` where a row has none."""
    values = [row[name] if absent is None or name in row else absent for row in rows]
    return np.array(values, np.float64)


def shares_of(rows: Rows, name: str) -> Floats:
    share = column_of(rows, name)
    return np.asarray(share / share.sum())
