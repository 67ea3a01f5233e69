"""Real jobs on the packaged sites: a day of a published trace, and energy from an hourly zone file.

Three traces are supported, each recognised by its columns: Microsoft Philly (``timestamp, duration,
num_gpus, cluster``), Alibaba PAI as in GAIA (``arrival_time, length, cpus``, hours), and Gavel
(``job_type, total_steps, arrival_time_s, scale_factor, vc``), whose jobs have a measured speed on
three kinds of GPU.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ... import _checks
from ..._checks import number, whole
from ...errors import InvalidProblemError
from ..files.table_files import read_csv
from ..tables.jobs import Jobs
from ..tables.mandate import Mandate
from ..tables.problem import Problem
from ..tables.quotas import Quotas
from .east_west import SLOW
from .packaged_tables import (
    Rows,
    classes_of,
    column_of,
    constants,
    corridors_of,
    energy_of,
    kinds_and_speeds,
    peak_kw_of,
    shares_of,
    sites_of,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ..tables.column import Floats, Int32s
    from ..tables.sites import Energy, Sites

__all__ = ["from_traces"]

#: Columns by which a trace is recognised, and the trace's name.
TRACES = {
    "philly": {"timestamp", "duration", "num_gpus"},
    "gaia": {"arrival_time", "length", "cpus"},
    "gavel": {"job_type", "total_steps", "arrival_time_s", "scale_factor"},
}
#: Hours that a batch may have, and hours from the first arrival to the last that a trace may.
MOST_HOURS, MOST_TRACE_H = 100_000, 1e7
#: Assumed cost of starting an accelerator of a job an hour later.
DELAY_YUAN = 0.02
#: Gavel's GPUs, fastest first; board power and memory of the vendor's sheets, the rest assumption.
GAVEL_KINDS: Rows = [
    {
        "name": "v100",
        "memory_gb": "32",
        "board_kw": "0.30",
        "overhead_kw": "0.2",
        "share": "0.4",
    },
    {
        "name": "p100",
        "memory_gb": "16",
        "board_kw": "0.25",
        "overhead_kw": "0.2",
        "share": "0.35",
    },
    {
        "name": "k80",
        "memory_gb": "12",
        "board_kw": "0.30",
        "overhead_kw": "0.2",
        "share": "0.25",
    },
]


class _Trace(NamedTuple):
    """A trace in the platform's words: hours on the reference accelerator, families, tenants."""

    name: str
    arrival_h: Floats
    work_h: Floats
    gang: Int32s
    family: Int32s
    tenant: Int32s
    kinds: Rows
    speed: Floats
    families: tuple[str, ...]


def from_traces(
    jobs: str | Path,
    *,
    zone: str | Path | None = None,
    prices: str | Path | None = None,
    throughput: str | Path | None = None,
    start_h: float | None = None,
    n_jobs: int | None = None,
    hours: int = 24,
    utilisation: float = 0.9,
    slack_h: int = 4,
    value_yuan_per_accelerator_h: float = 8.0,
    zone_row: int = 0,
    seed: int = 0,
) -> Problem:
    """A batch of real jobs: arrival, duration and GPUs from a trace, energy from hourly zone files.

    Sites, network and green power are those of `east_west`, sized to the jobs; where the data lie
    is drawn.

    Parameters
    ----------
    jobs : path of a CSV file, gzipped or not
        Philly, Alibaba PAI (GAIA) or Gavel, recognised by its columns.
    zone : path, optional
        Hourly grid data with columns ``ci_direct_g_per_kwh`` and ``renewable_pct`` (Electricity
        Maps): each site's carbon follows the zone's shape around its own mean, its grid's green
        share is the zone's.
    prices : path, optional
        Hourly ``usd_per_mwh``: tariffs follow this shape around their own mean.
    throughput : path, optional
        Gavel's measured steps per second: ``worker_type, job_type, scale_factor,
        throughput_steps_per_s``.
    start_h : float, optional
        Hour of the trace, counted from its first arrival, at which the batch begins. None = the
        `hours` with the most work.
    n_jobs : int, optional
        Take this many jobs from there on, later arrivals folded into the batch by their time of
        day. None = those arriving in the batch.
    hours : int
    utilisation : float
        Work over capacity that the sites are sized for.
    slack_h : int
        Hours a job may finish later than at once on a slow accelerator.
    value_yuan_per_accelerator_h : float
        Value of a job for each hour on each reference accelerator.
    zone_row : int
        Row of the zone and price files that is hour 0.
    seed : int
        For origins, data sizes and weather.

    Returns
    -------
    Problem
        Its name says how many jobs were cut to what fits a batch: a job longer than that is taken
        to be checkpointed, and runs one segment here.

    Raises
    ------
    InvalidProblemError
        A file of unknown columns, a value out of range (with its row), too few rows.

    Notes
    -----
    A job shorter than an hour takes an hour. Gavel's jobs of a scale that was not measured get the
    relative speeds of the largest smaller scale measured.
    """
    hours = whole("hours", hours, 1, MOST_HOURS)
    slack_h = whole("slack_h", slack_h, 0, MOST_HOURS)
    zone_row = whole("zone_row", zone_row, 0, 2**31 - 1)
    n_jobs = None if n_jobs is None else whole("n_jobs", n_jobs, 1, 2**31 - 1)
    start_h = None if start_h is None else _finite("start_h", start_h, -np.inf)
    utilisation = _finite("utilisation", utilisation, 1e-6)
    worth = _finite("value_yuan_per_accelerator_h", value_yuan_per_accelerator_h, 0.0)
    seed = _checks.seed(seed)
    trace = _read(Path(jobs), None if throughput is None else Path(throughput))
    trace, where = _window(trace, start_h, n_jobs, hours)
    fixed = constants()
    for_jobs, for_weather = np.random.default_rng(seed).spawn(2)
    sites = sites_of(hours, fixed)
    most = SLOW * hours
    cut = int((trace.work_h > most).sum())
    work = np.minimum(trace.work_h, most)
    longest = np.ceil(work / SLOW)
    release = np.maximum(np.minimum(np.floor(trace.arrival_h), hours - longest), 0).astype(np.int32)
    takes = trace.gang * np.maximum(np.ceil(work), 1)
    size = takes.sum() / (hours * utilisation)
    classes = classes_of(hours, size, fixed, trace.kinds, trace.speed, trace.families)
    peak_kw = peak_kw_of(sites, classes) * (1 + fixed["base_load_share"])
    n = len(work)
    data = fixed["data_median"] * np.exp(fixed["data_sigma"] * for_jobs.standard_normal(n))
    data = np.clip(data, 1.0, fixed["data_most"])
    energy = energy_of(hours, fixed, sites, peak_kw, for_weather)
    carbon, energy = _zoned(sites, energy, hours, zone, prices, zone_row)
    homes = shares_of(table("sites"), "origin_share")
    return Problem(
        jobs=Jobs(
            gang=trace.gang,
            work_h=work,
            family=trace.family,
            data_gb=data,
            origin=for_jobs.choice(len(sites), n, p=homes).astype(np.int32),
            release=release,
            deadline=np.minimum(release + longest + slack_h, hours).astype(np.int32),
            value_yuan=(worth * trace.gang * work).astype(np.float64),
            delay_yuan_per_h=(DELAY_YUAN * trace.gang).astype(np.float64),
            tenant=trace.tenant,
        ),
        sites=sites.replace(connection_kw=fixed["connection"] * peak_kw, carbon_g_per_kwh=carbon),
        classes=classes,
        hours=hours,
        energy=energy,
        corridors=corridors_of(hours, fixed, sites, float(data.sum()) / hours),
        quotas=Quotas.unlimited(1 + int(trace.tenant.max(initial=0))),
        mandate=Mandate(share=0.8),
        name=f"{trace.name}, {where}, {cut:,} of {n:,} jobs cut to a segment",
    )


def _finite(field: str, value: Any, least: float) -> float:
    """Return an argument as a float that is finite and at least `least`."""
    found = number(field, value, least)
    if not np.isfinite(found):
        raise InvalidProblemError(f"{field}: found {found}, needed a finite number", field)
    return found


def _read_csv(path: Path, needs: set[str]) -> dict[str, NDArray[Any]]:
    """Return a CSV file's columns as arrays, those in `needs` surely among them."""
    found = read_csv(path)
    missing = sorted(needs - set(found.column_names))
    if missing:
        message = (
            f"{path.name} has columns {', '.join(found.column_names)}, needed {', '.join(missing)}"
        )
        raise InvalidProblemError(message, missing[0])
    return {k: found[k].to_numpy() for k in found.column_names}


def _numbers(path: Path, name: str, values: NDArray[Any]) -> Floats:
    """Return a column as float64; the first row that is no number, or empty, is an error."""
    if values.dtype.kind in "iuf":
        return values.astype(np.float64)
    for row, value in enumerate(values.tolist()):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            message = f"{path.name} row {row}: {name} is {value!r:.100}, needed a number"
            raise InvalidProblemError(message, name, row)
    return values.astype(np.float64)


def _read(path: Path, throughput: Path | None) -> _Trace:
    raw = _read_csv(path, set())
    kind = next((name for name, columns in TRACES.items() if columns <= raw.keys()), None)
    if kind is None:
        known = "; ".join(f"{name}: {', '.join(sorted(c))}" for name, c in TRACES.items())
        message = (
            f"{path.name} has columns {', '.join(raw)}, needed those of a known trace ({known})"
        )
        raise InvalidProblemError(message, "jobs")
    if kind == "gavel":
        if throughput is None:
            raise InvalidProblemError(
                "a Gavel trace needs throughput=, its measured speeds", "throughput"
            )
        return _gavel(path, raw, throughput)
    n = len(raw["num_gpus" if kind == "philly" else "cpus"])
    tenant = np.zeros(n, np.int32)
    if kind == "philly":
        stamp = _seconds(path, raw["timestamp"])
        first = stamp.min() if n else 0.0
        arrival, gang = (stamp - first) / 3600, raw["num_gpus"]
        work = _numbers(path, "duration", raw["duration"]) / 3600
        if "cluster" in raw:
            tenant = np.unique(raw["cluster"].astype(np.str_), return_inverse=True)[1].astype(
                np.int32
            )
    else:
        arrival, work, gang = raw["arrival_time"], raw["length"], raw["cpus"]
    kinds, speed, families = kinds_and_speeds()
    family = families.index("fine-tuning")
    checked = _checked(path, arrival_h=arrival, work_h=work, gang=gang)
    alike = np.zeros(n, np.int32)
    return _Trace(kind, *checked, alike, tenant, kinds, speed[[family]], (families[family],))


def _seconds(path: Path, stamps: NDArray[Any]) -> Floats:
    """Return time stamps as seconds."""
    if stamps.dtype.kind != "M":
        row = 0 if not len(stamps) else next(i for i, s in enumerate(stamps) if not _is_time(s))
        found = repr(stamps[row]) if len(stamps) else "nothing"
        message = f"{path.name} row {row}: timestamp is {found:.100}, needed a date and time"
        raise InvalidProblemError(message, "timestamp", row)
    if np.isnat(stamps).any():
        row = int(np.isnat(stamps).argmax())
        message = f"{path.name} row {row}: timestamp is missing, needed a date and time"
        raise InvalidProblemError(message, "timestamp", row)
    return stamps.astype("datetime64[s]").astype(np.float64)


def _is_time(value: Any) -> bool:
    try:
        return not np.isnat(np.datetime64(str(value)))
    except ValueError:
        return False


def _gavel(path: Path, raw: Mapping[str, NDArray[Any]], throughput: Path) -> _Trace:
    measured = _read_csv(
        throughput, {"worker_type", "job_type", "scale_factor", "throughput_steps_per_s"}
    )
    speeds = _numbers(throughput, "throughput_steps_per_s", measured["throughput_steps_per_s"])
    sizes = _wholes(throughput, "scale_factor", measured["scale_factor"])
    rate: dict[tuple[str, str, int], float] = {}
    keys = zip(measured["worker_type"], measured["job_type"], sizes, strict=True)
    for row, (worker, job, size) in enumerate(keys):
        if rate.setdefault((str(worker), str(job), int(size)), float(speeds[row])) != speeds[row]:
            message = f"{throughput.name} row {row}: found {worker}, {job}, {size} twice"
            raise InvalidProblemError(f"{message}, needed one speed", "throughput_steps_per_s", row)
    if not rate:
        raise InvalidProblemError(f"{throughput.name} has no row, needed speeds", "throughput")
    types = np.unique([f"{j}\t{s}" for _, j, s in rate])
    scales: dict[str, list[int]] = {}
    for label in types:
        name, scale = _split(label)
        scales.setdefault(name, []).append(scale)
    place = {str(label): i for i, label in enumerate(types)}
    names = [kind["name"] for kind in GAVEL_KINDS]
    steps = np.array([[rate.get((k, *_split(label)), 0.0) for k in names] for label in types])
    gang = _wholes(path, "scale_factor", raw["scale_factor"])
    total = _numbers(path, "total_steps", raw["total_steps"])
    family, work = np.zeros(len(raw["job_type"]), np.int32), np.zeros(len(raw["job_type"]))
    for i, (name, scale) in enumerate(zip(raw["job_type"], gang, strict=True)):
        fitting = [s for s in scales.get(str(name), []) if s <= int(scale)]
        if not fitting or steps[place[f"{name}\t{max(fitting)}"], 0] <= 0:
            message = (
                f"jobs.job_type[{i}] is {name!r}, needed one with a measured speed on {names[0]}"
            )
            raise InvalidProblemError(message, "job_type", i)
        family[i] = place[f"{name}\t{max(fitting)}"]
        pace = steps[family[i], 0] * int(scale) / max(fitting)
        work[i] = total[i] / pace / 3600
    arrival = _numbers(path, "arrival_time_s", raw["arrival_time_s"]) / 3600
    checked = _checked(path, arrival_h=arrival, work_h=work, gang=gang)
    tenant = np.zeros(len(family), np.int32)
    if "vc" in raw:
        tenant = np.unique(raw["vc"].astype(np.str_), return_inverse=True)[1].astype(np.int32)
    speed = steps / np.where(steps[:, :1] > 0, steps[:, :1], 1.0)
    labels = tuple("{} x{}".format(*_split(label)) for label in types)
    return _Trace("gavel", *checked, family, tenant, GAVEL_KINDS, speed, labels)


def _split(label: str) -> tuple[str, int]:
    name, _, scale = str(label).rpartition("\t")
    return name, int(scale)


def _wholes(path: Path, name: str, values: NDArray[Any]) -> Int32s:
    """Return a column as int32; the first row that is no whole number within it is an error."""
    found = _numbers(path, name, values)
    bad = ~((found == np.floor(found)) & (np.abs(found) < 2**31))
    if bad.any():
        row = int(np.argmax(bad))
        message = f"{path.name} row {row}: {name} is {values[row]}, needed a whole number"
        raise InvalidProblemError(message, name, row)
    return found.astype(np.int32)


def _checked(path: Path, **columns: NDArray[Any]) -> tuple[Floats, Floats, Int32s]:
    """Return arrival, work and gang with their types, or raise for the first row that is no job."""
    limits = {"arrival_h": -1e-9, "work_h": 0.0, "gang": 0.0}
    numbers = {name: _numbers(path, name, values) for name, values in columns.items()}
    for name, values in numbers.items():
        bad = ~((values > limits[name]) & (values < MOST_TRACE_H if name != "gang" else True))
        if bad.any():
            row = int(np.argmax(bad))
            most = f" and less than {MOST_TRACE_H:g}" if name != "gang" else ""
            message = f"{path.name} row {row}: {name} is {columns[name][row]}"
            message += f", needed more than {limits[name]:g}{most}"
            raise InvalidProblemError(message, name, row)
    return numbers["arrival_h"], numbers["work_h"], _wholes(path, "gang", columns["gang"])


def _window(
    trace: _Trace, start_h: float | None, n_jobs: int | None, hours: int
) -> tuple[_Trace, str]:
    """The jobs of the batch, their arrivals counted from its first hour."""
    hour = np.floor(trace.arrival_h).astype(np.int64)
    if start_h is None:
        work = np.bincount(hour, trace.gang * np.minimum(trace.work_h, hours))
        sums = np.concatenate([[0.0], work.cumsum()])
        last = max(len(sums) - 1 - hours, 0)
        start_h = float(np.argmax(sums[hours:] - sums[: last + 1])) if len(sums) > hours else 0.0
    order = np.argsort(trace.arrival_h, kind="stable")
    order = order[trace.arrival_h[order] >= start_h]
    if n_jobs is None:
        order = order[trace.arrival_h[order] < start_h + hours]
    else:
        if len(order) < n_jobs:
            have = f"the jobs from hour {start_h:g} on"
            message = f"n_jobs is {n_jobs}, needed at most {len(order)}, {have}"
            raise InvalidProblemError(message, "n_jobs")
        order = order[:n_jobs]
    if not len(order):
        raise InvalidProblemError(f"no job arrives from hour {start_h:g} on", "start_h")
    taken = {
        k: getattr(trace, k)[order] for k in ("arrival_h", "work_h", "gang", "family", "tenant")
    }
    taken["arrival_h"] = (taken["arrival_h"] - start_h) % hours
    return trace._replace(**taken), f"from hour {start_h:g}"


def _zoned(
    sites: Sites,
    energy: Energy,
    hours: int,
    zone: str | Path | None,
    prices: str | Path | None,
    row: int,
) -> tuple[Floats, Energy]:
    """Carbon by site and hour, and the energy table, shaped by the zone's files."""
    carbon = np.repeat(column_of(table("sites"), "carbon_g_per_kwh")[:, None], hours, axis=1)
    if zone is not None:
        columns = _hourly(Path(zone), ("ci_direct_g_per_kwh", "renewable_pct"), row, hours)
        carbon = carbon * _shape(columns["ci_direct_g_per_kwh"])
        green = np.tile(columns["renewable_pct"] / 100, (len(sites), 1))
        energy = energy.replace(grid_green_share=green)
    if prices is not None:
        shape = _shape(_hourly(Path(prices), ("usd_per_mwh",), row, hours)["usd_per_mwh"])
        flat = column_of(table("sites"), "tariff_yuan_per_kwh")[:, None]
        premium = energy.bundled_yuan_per_kwh - energy.tariff_yuan_per_kwh
        tariff = flat * shape
        energy = energy.replace(tariff_yuan_per_kwh=tariff, bundled_yuan_per_kwh=tariff + premium)
    return carbon, energy


def _hourly(path: Path, names: tuple[str, ...], row: int, hours: int) -> dict[str, Floats]:
    columns = _read_csv(path, set(names))
    out = {}
    for name in names:
        values = _numbers(path, name, columns[name])[row : row + hours]
        if len(values) < hours or not np.isfinite(values).all():
            message = (
                f"{path.name}.{name} has {int(np.isfinite(values).sum())} numbers from row {row} on"
            )
            raise InvalidProblemError(f"{message}, needed {hours}", name, row)
        out[name] = values
    return out


def _shape(values: Floats) -> Floats:
    mean = float(values.mean())
    return values / mean if mean > 0 else np.ones_like(values)
