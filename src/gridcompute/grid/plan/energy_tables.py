"""Load and green power of sites as the tables that `gridcompute.green` reads, in whole Wh."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._extras import extra
from ..tables.times import time_of
from .account import green_account

if TYPE_CHECKING:
    import pyarrow as pa

    from ..tables.column import Floats, Int64s
    from ..tables.problem import Problem
    from .columns import Dispatch

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
