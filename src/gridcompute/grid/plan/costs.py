"""The cost of a plan, part by part, and the share of each placed job; energy in whole Wh.

Load and green power of sites are the tables that `gridcompute.green` reads, in whole Wh.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..._extras import extra
from ..tables.problem import load_limits_yuan
from ..tables.times import time_of
from .account import delay_yuan, green_account, resumed_yuan, runs_of, summed

if TYPE_CHECKING:
    import pyarrow as pa

    from ..tables.column import Floats, Int32s, Int64s
    from ..tables.problem import Problem
    from ..tables.sites import Energy
    from .columns import Dispatch, Pieces

#: Hour 0 of a batch that has no date.
_NO_DATE = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_NO_DATE_NOTE = "the batch has no date: its hour 0 is 1970-01-01T00:00Z"
#: Rounding errors of a dispatch, as a part of a Wh.
_NOISE_WH = 1e-3


def plan_measurements(problem: Problem, dispatch: Dispatch, side: str) -> pa.Table:
    """Return the load of each site and step; `side` "net" is what is drawn from the grid."""
    grid = dispatch.grid_kwh + dispatch.grey_discharge_kwh
    drawn = [dispatch.grid_kwh + dispatch.grid_charge_kwh]
    steps = np.arange(problem.hours)
    if side == "net":
        return measurements(problem, steps, [drawn], side)
    return measurements(problem, steps, [_green(dispatch), [grid]], side)


def _green(dispatch: Dispatch) -> list[Floats]:
    """Return green power used on load by where it comes from."""
    return [*dispatch.direct_kwh, dispatch.bundled_kwh, dispatch.green_discharge_kwh]


def plan_bundles(problem: Problem, dispatch: Dispatch) -> list[dict[str, Any]]:
    """Return the green power of a plan as rows of bundles, and the certificates that it retires."""
    steps = np.arange(problem.hours)
    devices = [(f"direct source {k}", "own") for k in range(len(dispatch.direct_kwh))]
    devices += [("bundled power", "granular"), ("battery", "own")]
    parts = [(devices, _green(dispatch))]
    if problem.counts_exports:
        parts.append(([("exported power", "GEC")], [dispatch.exported_kwh.sum(axis=0)]))
    return bundles(problem, steps, parts, green_account(problem, dispatch)["certificate_kwh"])


def measurements(
    problem: Problem,
    steps: Int64s,
    parts: list[list[Floats]],
    side: str,
    by_site: bool = False,
) -> pa.Table:
    """Return a row for each site and step: the sum of `parts`, each (n_sites, n_steps), in Wh.

    Each list of parts is rounded by itself, as `bundles` rounds it.
    """
    with extra("grid"):
        import pyarrow as pa

    n_sites, n = len(problem.sites), len(steps)
    wh = sum(part for together in parts for part in _whole(together, by_site))
    site = np.repeat(np.arange(n_sites), n)
    start, end = _interval(problem, steps)
    note = None if problem.start is not None else _NO_DATE_NOTE
    rows = len(site)
    hour = np.minimum(steps, problem.hours - 1)
    return pa.table(
        {
            "facility": _names(problem, site),
            "meter": _names(problem, site, " connection"),
            "start": _times(np.tile(start, n_sites)),
            "end": _times(np.tile(end, n_sites)),
            "wh": np.asarray(wh).ravel(),
            "side": pa.repeat(side, rows),
            "quality": pa.repeat("estimated", rows),
            "zone": [f"region {k}" for k in problem.sites.region[site]],
            "operator": [f"operator {k}" for k in problem.sites.operator[site]],
            "grid_clean": problem.energy.grid_green_share[:, hour].ravel(),
            "grid_g_per_kwh": problem.carbon_g_per_kwh[:, hour].ravel(),
            "note": pa.array([note] * rows, pa.string()),
        }
    )


def bundles(
    problem: Problem,
    steps: Int64s,
    parts: list[tuple[list[tuple[str, str]], list[Floats]]],
    bought_kwh: Floats,
    by_site: bool = False,
    first: int = 0,
) -> list[dict[str, Any]]:
    """Return green power by device as bundles of the sites that use it, and certificates bought.

    Parameters
    ----------
    problem : Problem
    steps : int64 (n,)
    parts : list of devices and amounts
        Device and kind of each amount, kWh (n_sites, n); a list's amounts are rounded together.
    bought_kwh : float64 (n_sites,)
        Certificates retired, of the time of all steps together.
    by_site : bool
        Whether a row stays as it is when steps are added, as those of an operator are.
    first : int
        The first of the steps whose green power is returned.
    """
    start, end = _interval(problem, steps)
    out: list[dict[str, Any]] = []
    for devices, kwh in parts:
        for device, wh in zip(devices, _whole(kwh, by_site), strict=True):
            out += [
                _bundle(problem, site, device, int(wh[site, step]), start[step], end[step])
                for step in range(first, len(steps))
                for site in np.flatnonzero(wh[:, step]).tolist()
            ]
    if len(steps):
        device = ("certificates", "GEC")
        for site, wh in enumerate(_whole([np.asarray(bought_kwh)[:, None]])[0][:, 0]):
            if wh:
                out.append(_bundle(problem, site, device, int(wh), start[0], end[-1]))
    return out


def bundle_table(rows: list[dict[str, Any]]) -> pa.Table:
    """Return rows of bundles as the table that `gridcompute.green.claim` reads."""
    with extra("grid"):
        import pyarrow as pa

    kinds = {name: pa.string() for name in ("issuance", "device", "kind", "status", "facility")}
    kinds |= {name: pa.string() for name in ("zone", "operator", "beneficiary", "storage")}
    kinds |= {name: pa.int64() for name in ("id_start", "id_end", "wh")}
    kinds |= {name: pa.timestamp("s", "UTC") for name in ("start", "end")}
    return pa.Table.from_pylist(rows, pa.schema(list(kinds.items())))


def entry_facts(problem: Problem, steps: Int64s, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the interval and bundles that an entry of the ledger says of steps without a gap."""
    start, end = _interval(problem, steps[[0, -1]])
    begin, until = (f"{np.datetime64(int(at), 's')}Z" for at in (start[0], end[-1]))
    used = tuple((row["issuance"], row["id_start"], row["id_end"]) for row in rows)
    return {"intervals": ((begin, until),), "bundles": used}


def _bundle(
    problem: Problem, site: int, source: tuple[str, str], wh: int, start: int, end: int
) -> dict[str, Any]:
    name = str(problem.sites.name[site])
    device, kind = f"{name} {source[0]}", source[1]
    moment = datetime.datetime.fromtimestamp(int(start), datetime.UTC)
    return {
        "issuance": f"{device}-electricity-{moment:%Y-%m-%dT%H:%MZ}",
        "id_start": 0,
        "id_end": wh - 1,
        "device": device,
        "kind": kind,
        "status": "Active",
        "facility": name,
        "zone": f"region {problem.sites.region[site]}",
        "operator": f"operator {problem.sites.operator[site]}",
        "beneficiary": name if kind == "granular" else None,
        "storage": device if source[0] == "battery" else None,
        "start": moment,
        "end": datetime.datetime.fromtimestamp(int(end), datetime.UTC),
        "wh": wh,
    }


def _whole(parts: list[Floats], by_site: bool = False) -> list[Int64s]:
    """Return energy by part, site and step in whole Wh.

    Sums are rounded down and then taken apart, site by site, step by step: the sum of all is less
    than a Wh below that of `parts`, and the sum of any site within a Wh of its own. Where a site's
    sums are rounded by themselves, later steps change nothing before them, and each site is less
    than a Wh below its own sum.
    """
    kwh = np.maximum(np.stack(parts, axis=2), 0.0)
    sums = np.cumsum(kwh.reshape(len(kwh) if by_site else 1, -1) * 1e3, axis=1)
    ends = np.floor(sums + _NOISE_WH).astype(np.int64)
    return [*np.moveaxis(np.diff(ends, prepend=0, axis=1).reshape(kwh.shape), 2, 0)]


def _interval(problem: Problem, steps: Int64s) -> tuple[Int64s, Int64s]:
    """Return begin and end of each step as seconds since 1970 in UTC."""
    origin = problem.start or _NO_DATE
    if origin.tzinfo is None:
        origin = origin.replace(tzinfo=datetime.UTC)

    def seconds(after: int) -> Int64s:
        at = [time_of(origin, int(h) + after, problem.step_h).timestamp() for h in steps]
        return np.array(at, np.float64).astype(np.int64)

    return seconds(0), seconds(1)


def _names(problem: Problem, site: Int64s, more: str = "") -> list[str]:
    return [f"{name}{more}" for name in problem.sites.name[site]]


def _times(seconds: Int64s) -> pa.Array:
    import pyarrow as pa

    return pa.array(seconds).cast(pa.timestamp("s", "UTC"))


#: The parts of a plan's cost in the order shown, each with what it is; below 0 brings money in.
COSTS = {
    "grid": "grid power, used or stored, at the tariff",
    "bundled": "bundled green power, used or stored",
    "direct": "power of direct sources, used or stored",
    "carbon": "location-based CO2 of grid power",
    "storage_wear": "charging and discharging batteries",
    "stored": "worth of what is left in batteries",
    "exports": "direct power sold to the grid",
    "curtailment": "direct power thrown away: paid for all the same, and what curtailing costs",
    "demand": "the demand charge for the highest draw from the grid",
    "certificates": "green certificates retired",
    "mandate_shortfall": "green energy missing to the mandate",
    "direct_shortfall": "direct energy missing to the direct-connection rule",
    "shed": "load that goes without power",
    "load_limits": "load below a site's minimum, or changing faster than it may",
    "data": "data moved between sites",
    "delay": "hours between release and start",
    "migration": "jobs moved from where they were",
    "restarts": "interrupted jobs that go on",
    "unplaced": "values of the jobs left out",
    "quota_shortfall": "accelerator-hours below tenants' lower quotas",
}


class Planned(Protocol):
    """The parts of a plan that its cost follows from."""

    @property
    def problem(self) -> Problem:
        """Its problem."""

    @property
    def assignment(self) -> Int32s:
        """Class of each job, -1 = unplaced."""

    @property
    def start(self) -> Int32s:
        """First hour of each job, -1 = unplaced."""

    @property
    def hours(self) -> Int32s:
        """Hours each job runs."""

    @property
    def pieces(self) -> Pieces | None:
        """The pieces of the jobs that do not run whole."""

    @property
    def dispatch(self) -> Dispatch:
        """The power of each site."""


def cost_parts(plan: Planned) -> dict[str, float]:
    """Return each part of `COSTS`, yuan; their sum is the plan's objective."""
    problem, d = plan.problem.effective, plan.dispatch
    jobs, energy = problem.jobs, plan.problem.stepped.energy
    data, delay, migration, restarts = _own_parts(plan)
    charged = d.direct_charge_kwh.sum(axis=0) + d.bundled_charge_kwh + d.grid_charge_kwh
    worn = charged + d.green_discharge_kwh + d.grey_discharge_kwh
    drawn, left = d.grid_kwh + d.grid_charge_kwh, d.green_stored_kwh + d.grey_stored_kwh
    grams = problem.carbon_g_per_kwh * drawn
    worth = energy.terminal_yuan_per_kwh if energy.terminal == "value" else 0.0
    short = d.direct_use_short_kwh + d.direct_load_short_kwh
    direct = d.direct_kwh + d.direct_charge_kwh
    bundled = d.bundled_kwh + d.bundled_charge_kwh
    parts = {
        "grid": energy.tariff_yuan_per_kwh * drawn,
        "bundled": energy.bundled_yuan_per_kwh * bundled,
        "direct": energy.direct_hourly_yuan_per_kwh * direct,
        "carbon": energy.carbon_yuan_per_t * grams / 1e6,
        "storage_wear": energy.wear_yuan_per_kwh * worn.sum(axis=1),
        "stored": -worth * left[:, -1],
        "exports": -energy.export_yuan_per_kwh * d.exported_kwh.sum(axis=0),
        "curtailment": _wasted(energy) * d.curtailed_kwh,
        "demand": _demand(energy, drawn),
        "certificates": energy.certificate_yuan_per_kwh * d.certificate_kwh,
        "mandate_shortfall": problem.mandate_rows.missing_yuan_per_kwh * d.missing_kwh,
        "direct_shortfall": problem.direct_rows.short_yuan_per_kwh * short,
        "shed": energy.shed_yuan_per_kwh * d.shed_kwh,
        "load_limits": load_limits_yuan(problem, d.load_kwh - d.shed_kwh),
        "data": data,
        "delay": delay,
        "migration": migration,
        "restarts": restarts,
        "unplaced": jobs.value_yuan[plan.assignment < 0],
        "quota_shortfall": problem.quotas.below_yuan(_used_h(plan)),
    }
    return {name: float(np.sum(values)) + 0.0 for name, values in parts.items()}


def _used_h(plan: Planned) -> Floats:
    """Accelerator-hours that placed jobs take of each row of the quotas."""
    problem = plan.problem.effective
    jobs, job = problem.jobs, np.flatnonzero(plan.assignment >= 0)
    kinds = problem.classes.accelerator[plan.assignment[job]]
    taken = jobs.gang[job] * plan.hours[job]
    return problem.quotas.linear_rows.used(jobs.tenant[job], kinds, taken)


def _wasted(energy: Energy) -> Floats:
    """Return the cost of a curtailed kWh, yuan, by source, site and hour (1 if all alike)."""
    paid = np.where(energy.take_or_pay[:, :, None], energy.direct_hourly_yuan_per_kwh, 0.0)
    return np.asarray(paid + energy.curtailment_yuan_per_kwh[:, :, None])


def _demand(energy: Energy, drawn_kwh: Floats) -> Floats:
    """The demand charge by site, yuan."""
    above = np.maximum(drawn_kwh.max(axis=1) - energy.demand_paid_kw, 0.0)
    return np.asarray(energy.demand_yuan_per_kw * above)


def _own_parts(plan: Planned) -> tuple[Floats, Floats, Floats, Floats]:
    """Data, delay, migration and restarts of each placed job, yuan."""
    problem = plan.problem.effective
    jobs = problem.jobs
    job = np.flatnonzero(plan.assignment >= 0)
    klass, start = plan.assignment[job], plan.start[job]
    site = problem.classes.site[klass]
    data = problem.corridors.price_yuan_per_gb[jobs.origin[job], site] * jobs.data_gb[job]
    delay = delay_yuan(problem, job, klass, start, plan.pieces)
    was = jobs.placed_class[job]
    moved = (was >= 0) & ((was != klass) | (jobs.placed_start[job] != start))
    migration = np.where(moved, jobs.migration_yuan[job], 0.0)
    return data, delay, migration, resumed_yuan(problem, job, plan.pieces)


def allocated_yuan(plan: Planned, energy_kwh: Floats) -> Floats:
    """Return what each placed job bears of the plan's cost, yuan.

    All of the cost but the values of the jobs left out is borne. A job pays its own data, delay and
    migration; of its site's power in its hours as much as its part of that hour's load, a battery's
    cost being spread over what it delivers; certificates and shortfalls by load over the sites they
    are of; what is missing to a lower quota over the jobs that count in it. What no job's load
    explains, the base load's power among it, is spread over all jobs of the site, or of the plan,
    by their energy (by their accelerator-hours where none takes any).

    Parameters
    ----------
    energy_kwh : float64 (n_placed,)
        Energy of each placed job.
    """
    problem = plan.problem.effective
    jobs = problem.jobs
    job = np.flatnonzero(plan.assignment >= 0)
    if not len(job):
        return np.zeros(0)
    parts = cost_parts(plan)
    total = sum(yuan for name, yuan in parts.items() if name != "unplaced")
    rate = _hourly_rate(plan)
    klass = plan.assignment[job]
    runs = runs_of(problem, plan.assignment, plan.start, plan.pieces)
    site = problem.classes.site[klass]
    spent = problem.kwh_per_accelerator_h * rate[problem.classes.site]
    running = np.concatenate([np.zeros((len(spent), 1)), spent.cumsum(axis=1)], axis=1)
    end = runs.start + runs.hours
    of_run = running[runs.klass, end] - running[runs.klass, runs.start]
    of_load = jobs.gang[job] * summed(of_run, runs, len(job))
    bears = np.sum(_own_parts(plan), axis=0) + of_load
    # The base load of a site is served for its jobs.
    base = (problem.energy.base_load_kwh * rate).sum(axis=1)
    at_site = np.bincount(site, energy_kwh, len(problem.sites))
    bears += (
        energy_kwh * np.where(at_site > 0, base / np.where(at_site > 0, at_site, 1.0), 0.0)[site]
    )
    size, rows = (jobs.gang[job] * plan.hours[job]).astype(np.float64), problem.quotas.linear_rows
    used = _used_h(plan)
    below = problem.quotas.below_yuan(used) / np.where(used > 0, used, 1.0)
    kinds = rows.model(problem.classes.accelerator)[klass]
    bears += size * rows.paid(below)[jobs.tenant[job], kinds]
    weight = energy_kwh if energy_kwh.sum() > 0 else size
    bears += (total - bears.sum()) * weight / weight.sum()
    return np.asarray(bears)


def _hourly_rate(plan: Planned) -> Floats:
    """Return the share of a kWh of load by site and hour, yuan, (n_sites, n_hours)."""
    problem, d, energy = plan.problem, plan.dispatch, plan.problem.stepped.energy
    load = d.load_kwh
    on_grid = energy.tariff_yuan_per_kwh
    on_grid = on_grid + energy.carbon_yuan_per_t * problem.carbon_g_per_kwh / 1e6
    direct = energy.direct_hourly_yuan_per_kwh
    used = (direct * d.direct_kwh).sum(axis=0) + energy.bundled_yuan_per_kwh * d.bundled_kwh
    used = used + on_grid * d.grid_kwh + energy.shed_yuan_per_kwh * d.shed_kwh
    given = d.green_discharge_kwh + d.grey_discharge_kwh
    charged = d.direct_charge_kwh.sum(axis=0) + d.bundled_charge_kwh + d.grid_charge_kwh
    battery = (direct * d.direct_charge_kwh).sum(axis=0)
    battery = battery + energy.bundled_yuan_per_kwh * d.bundled_charge_kwh
    battery = (battery + on_grid * d.grid_charge_kwh).sum(axis=1)
    battery += energy.wear_yuan_per_kwh * (charged + given).sum(axis=1)
    if energy.terminal == "value":
        left = (d.green_stored_kwh + d.grey_stored_kwh)[:, -1]
        battery -= energy.terminal_yuan_per_kwh * left
    delivered, whole = given.sum(axis=1), load.sum(axis=1)
    used = used + given * (battery / np.where(delivered > 0, delivered, 1.0))[:, None]
    site = np.where(delivered > 0, 0.0, battery)
    site -= (energy.export_yuan_per_kwh * d.exported_kwh.sum(axis=0)).sum(axis=1)
    site += (_wasted(energy) * d.curtailed_kwh).sum(axis=(0, 2))
    site += _demand(energy, d.grid_kwh + d.grid_charge_kwh)
    short = d.direct_use_short_kwh + d.direct_load_short_kwh
    site += problem.direct_rows.short_yuan_per_kwh * short
    site += load_limits_yuan(problem.stepped, load - d.shed_kwh).sum(axis=1)
    rows = problem.mandate_rows
    scope = energy.certificate_yuan_per_kwh * d.certificate_kwh
    scope = scope + rows.missing_yuan_per_kwh * d.missing_kwh
    pooled = rows.member @ whole
    each = (scope / np.where(pooled > 0, pooled, 1.0)) @ rows.member.astype(np.float64)
    each += site / np.where(whole > 0, whole, 1.0)
    return np.where(load > 0, used / np.where(load > 0, load, 1.0) + each[:, None], 0.0)
