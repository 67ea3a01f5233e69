"""Traces: their jobs and the devices of a cluster, checked once, and readers of published files.

Published traces are read from files that the user has: Gavel's generator, Philly, Alibaba PAI.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import random
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from .._value import Value
from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

_MOST_DEVICES = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Cluster(Value):
    """Devices by type; a gang takes devices of one type, anywhere among them.

    Parameters
    ----------
    devices : array of int, shape (n_types,)
        How many devices each type has.
    names : sequence of str, optional
        One name a type; None = "0", "1", ...
    price_per_h : array of float, shape (n_types,), optional
        Price of a busy device-hour.
    watts : array of float, shape (n_types,), optional
        Power of a busy device.

    Examples
    --------
    >>> from gridcompute import traces
    >>> traces.Cluster([2, 4], names=["v100", "k80"])
    <Cluster: 2 v100, 4 k80>
    """

    devices: NDArray[np.int64]
    names: tuple[str, ...] = ()
    price_per_h: NDArray[np.float64] | None = None
    watts: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Check the columns and make them read-only."""
        n = np.size(self.devices)
        devices = _checks.counts("devices", self.devices, n, "n_types", 0, np.int64)
        if n and int(devices.max()) > _MOST_DEVICES:
            k = int(devices.argmax())
            raise InvalidProblemError(
                f"devices[{k}]: found {devices[k]}, needed at most {_MOST_DEVICES}", "devices", k
            )
        names = tuple(self.names) or tuple(map(str, range(n)))
        if len(names) != n or len(set(names)) != n:
            raise InvalidProblemError(
                f"names: found {len(set(names))} different ones, needed {n}, one a type", "names"
            )
        put = object.__setattr__
        put(self, "devices", _sealed(devices))
        put(self, "names", names)
        for name in ("price_per_h", "watts"):
            if getattr(self, name) is not None:
                put(self, name, _sealed(_column(name, getattr(self, name), (n,), 0.0)))

    @property
    def n_types(self) -> int:
        """Return the number of types."""
        return len(self.names)

    def __repr__(self) -> str:
        """Say what it has."""
        parts = (f"{d} {name}" for d, name in zip(self.devices, self.names, strict=True))
        return f"<Cluster: {', '.join(parts)}>"


@dataclass(frozen=True, eq=False)
class Trace(Value):
    """Jobs in the order of their arrivals.

    Parameters
    ----------
    arrival_s : array of float, shape (n_jobs,)
        Seconds, 0 or more, not decreasing: a job's number is its place in the queue.
    work : array of float, shape (n_jobs,)
        What is to be done, in any unit (steps, or seconds on a reference device), positive.
    speed : array of float, shape (n_jobs, n_types)
        Work a second of the whole gang on each type; 0 = it cannot run there.
    gang : array of int, shape (n_jobs,), optional
        Devices of one type that a job takes, all or none. None = 1 each.
    tenant : array of int, shape (n_jobs,), optional
        Number of the tenant. None = one tenant.
    whole_steps : bool
        A round does whole units of work alone, but for the last of a job (Gavel's rule).
    name : str
        What tables call it.

    Raises
    ------
    InvalidProblemError
        A column of the wrong shape, a value that is not finite or out of range.

    Examples
    --------
    >>> from gridcompute import traces
    >>> trace = traces.Trace([0.0, 60.0], [3600.0, 600.0], [[1.0, 0.5], [1.0, 0.25]])
    >>> len(trace), trace.shortest_s.tolist()
    (2, [3600.0, 600.0])
    """

    arrival_s: NDArray[np.float64]
    work: NDArray[np.float64]
    speed: NDArray[np.float64]
    gang: NDArray[np.int64] = None  # type: ignore[assignment]
    tenant: NDArray[np.int64] = None  # type: ignore[assignment]
    whole_steps: bool = False
    name: str = "trace"
    shortest_s: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        """Check the columns and make them read-only."""
        arrival = _checks.reals("arrival_s", self.arrival_s)
        if arrival.ndim != 1:
            raise InvalidProblemError(
                f"arrival_s: found shape {arrival.shape}, needed (n_jobs,)", "arrival_s"
            )
        n = len(arrival)
        arrival = _column("arrival_s", arrival, (n,), 0.0)
        if n and (np.diff(arrival) < 0).any():
            k = int((np.diff(arrival) < 0).argmax()) + 1
            raise InvalidProblemError(
                f"arrival_s[{k}]: found {arrival[k]:g} after {arrival[k - 1]:g}, "
                "needed the order of arrival",
                "arrival_s",
                k,
            )
        work = _column("work", self.work, (n,), 0.0)
        if n and not (work > 0).all():
            k = int((work <= 0).argmax())
            raise InvalidProblemError(f"work[{k}]: found {work[k]:g}, needed above 0", "work", k)
        speed = _checks.reals("speed", self.speed)
        if speed.ndim != 2 or len(speed) != n:
            raise InvalidProblemError(
                f"speed: found shape {speed.shape}, needed ({n}, n_types)", "speed"
            )
        speed = _column("speed", speed, speed.shape, 0.0)
        gang = np.ones(n, np.int64) if self.gang is None else self.gang
        tenant = np.zeros(n, np.int64) if self.tenant is None else self.tenant
        gang = _checks.counts("gang", gang, n, "n_jobs", 1, np.int64)
        if n and int(gang.max()) > _MOST_DEVICES:
            k = int(gang.argmax())
            raise InvalidProblemError(
                f"gang[{k}]: found {gang[k]}, needed at most {_MOST_DEVICES}", "gang", k
            )
        tenant = _checks.counts("tenant", tenant, n, "n_jobs", 0, np.int64)
        if not isinstance(self.whole_steps, bool):
            raise TypeError(f"whole_steps must be bool, not {type(self.whole_steps).__name__}")
        with np.errstate(divide="ignore", over="ignore"):
            fastest = speed.max(axis=1, initial=0.0)
            alone = work / fastest
        endless = (fastest > 0.0) & ~np.isfinite(alone)
        if endless.any():
            k = int(endless.argmax())
            raise InvalidProblemError(
                f"work[{k}]: found {work[k]:g} at speed {fastest[k]:g}, "
                "needed a run time that a double can hold",
                "work",
                k,
            )
        put = object.__setattr__
        put(self, "arrival_s", _sealed(arrival))
        put(self, "work", _sealed(work))
        put(self, "speed", _sealed(speed))
        put(self, "gang", _sealed(gang))
        put(self, "tenant", _sealed(tenant))
        put(self, "shortest_s", _sealed(alone))

    def __len__(self) -> int:
        """Return the number of jobs."""
        return len(self.arrival_s)

    def __repr__(self) -> str:
        """Say the name and the sizes."""
        return f"<Trace: {self.name}, {len(self)} jobs, {self.speed.shape[1]} types>"

    def take(self, rows: Any) -> Trace:
        """Return some of the jobs, in their order: a slice, or increasing numbers."""
        return Trace(
            self.arrival_s[rows], self.work[rows], self.speed[rows], self.gang[rows],
            self.tenant[rows], self.whole_steps, self.name,
        )  # fmt: skip


def check_fit(trace: Trace, cluster: Cluster) -> None:
    """Raise if a job of the trace could never run on the cluster, or would never end."""
    n, k = trace.speed.shape
    if k != cluster.n_types:
        raise InvalidProblemError(
            f"speed: found {k} types, needed {cluster.n_types}, those of the cluster", "speed"
        )
    fits = (trace.speed > 0) & (trace.gang[:, None] <= cluster.devices)
    if n and not fits.any(axis=1).all():
        j = int((~fits.any(axis=1)).argmax())
        raise InvalidProblemError(
            f"gang[{j}]: found {trace.gang[j]} devices, needed a type that has as many and a speed "
            "above 0 there",
            "gang",
            j,
        )


def measured_jobs(measure: Any, n: int) -> NDArray[np.int64]:
    """Return the numbers of the jobs that the results are about, increasing."""
    if measure is None:
        return np.arange(n)
    if isinstance(measure, (slice, range)):
        measure = np.arange(n)[measure] if isinstance(measure, slice) else np.asarray(measure)
        measure = measure.astype(np.int64)
    jobs = _checks.counts("measure", measure, np.size(measure), "n", 0, np.int64)
    if len(jobs) and (int(jobs.max()) >= n or (np.diff(jobs) <= 0).any()):
        raise InvalidProblemError(
            f"measure: found {len(jobs)} numbers up to {jobs.max()}, "
            f"needed increasing ones below {n}",
            "measure",
        )
    return jobs


def _column(
    name: str, values: Any, shape: tuple[int, ...] | Sequence[int], least: float
) -> NDArray[np.float64]:
    """Return finite float64 of that shape, each at least `least`."""
    array = _checks.reals(name, values)
    if array.shape != tuple(shape):
        raise InvalidProblemError(f"{name}: found shape {array.shape}, needed {tuple(shape)}", name)
    bad = ~(np.isfinite(array) & (array >= least))
    if bad.any():
        at = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), array.shape))
        place = ", ".join(map(str, at))
        raise InvalidProblemError(
            f"{name}[{place}]: found {array[at]}, needed a finite number of {least:g} or more",
            name,
            at if len(at) > 1 else at[0],
        )
    return array


def _sealed(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only copy."""
    own = np.array(array, order="C")
    own.flags.writeable = False
    return own


#: Gavel's types of device, in the order in which its mechanism fills them.
GAVEL_TYPES = ("v100", "p100", "k80")

# Gavel's types of job in the order of the recorded runs, each with whether it may take several
# devices. The generator draws by position: in the order of later versions, where A3C comes after
# the recommendation models, it makes other jobs.
_GAVEL_JOBS = [
    *((f"ResNet-18 (batch size {b})", True) for b in (16, 32, 64, 128, 256)),
    *((f"ResNet-50 (batch size {b})", True) for b in (16, 32, 64, 128)),
    *((f"Transformer (batch size {b})", True) for b in (16, 32, 64, 128, 256)),
    ("A3C", False),
    *((f"LM (batch size {b})", True) for b in (5, 10, 20, 40, 80)),
    *((f"Recommendation (batch size {b})", False) for b in (512, 1024, 2048, 4096, 8192)),
    ("CycleGAN", False),
]


def gavel_cluster(devices: int = 36) -> Cluster:
    """Return Gavel's simulated cluster: as many V100, P100 and K80.

    Examples
    --------
    >>> from gridcompute import traces
    >>> traces.gavel_cluster()
    <Cluster: 36 v100, 36 p100, 36 k80>
    """
    return Cluster(np.full(3, devices), GAVEL_TYPES)


def gavel(
    throughputs: str | Path,
    n_jobs: int,
    *,
    jobs_per_h: float | None = None,
    multi_gpu: bool = True,
    seed: int = 0,
) -> Trace:
    """Draw the jobs of Gavel's experiments (OSDI 2020) by the rules of its generator.

    Parameters
    ----------
    throughputs : path
        The artefact's ``simulation_throughputs.json``, gzipped or not: steps a second.
    n_jobs : int
        How many jobs.
    jobs_per_h : float, optional
        Poisson arrivals at this rate, the first at 0. None = all arrive at 0.
    multi_gpu : bool
        70 % of the jobs on 1 device, 10 % on 2, 15 % on 4, 5 % on 8. False = 1 each.
    seed : int
        Of the artefact's runs: 0, 1 and 2 are recorded.

    Returns
    -------
    Trace
        On V100, P100 and K80, in whole steps.

    Notes
    -----
    Sizes and durations are drawn by Python's `random.Random(seed + 2)`, gaps by
    `random.Random(seed + 3)`: a duration on V100 is 60 s x 10**x, x uniform in 1.5..3 for 80 % of
    the jobs and in 3..4 for the others.
    """
    n_jobs = _checks.whole("n_jobs", n_jobs, 0, 10**8)
    seed = _checks.seed(seed)
    rate = None if jobs_per_h is None else _checks.number("jobs_per_h", jobs_per_h, 0.0)
    if rate == 0.0:
        raise InvalidProblemError("jobs_per_h: found 0, needed above 0", "jobs_per_h")
    draw, gaps = random.Random(seed + 2), random.Random(seed + 3)
    kinds, gangs, seconds = [], [], []
    for _ in range(n_jobs):
        u = draw.random()
        gang = 8 if u >= 0.95 else 4 if u >= 0.8 else 2 if u >= 0.7 else 1
        gang = gang if multi_gpu else 1
        exponent = draw.uniform(3, 4) if draw.random() >= 0.8 else draw.uniform(1.5, 3)
        kind = draw.choice(range(len(_GAVEL_JOBS)))
        while gang > 1 and not _GAVEL_JOBS[kind][1]:
            kind = draw.choice(range(len(_GAVEL_JOBS)))
        kinds.append(kind)
        gangs.append(gang)
        seconds.append(60.0 * 10.0**exponent)
    arrival = np.zeros(n_jobs)
    if rate is not None:
        steps = [-math.log(1.0 - gaps.random()) * 3600.0 / rate for _ in range(n_jobs - 1)]
        arrival[1:] = np.cumsum(steps)
    table = _Throughputs(throughputs)
    rows = [table.row(_GAVEL_JOBS[k][0], g) for k, g in zip(kinds, gangs, strict=True)]
    speed = np.array(rows, np.float64).reshape(n_jobs, len(GAVEL_TYPES))
    work = np.array(seconds) * speed[:, 0]
    return Trace(arrival, work, speed, np.array(gangs, np.int64), whole_steps=True, name="gavel")


def gavel_file(path: str | Path, throughputs: str | Path, *, unmeasured: str = "error") -> Trace:
    """Read a trace in Gavel's columns: ``job_type, total_steps, arrival_time_s, scale_factor, vc``.

    A tenant is a ``vc``. Jobs are sorted by arrival, ties in the file's order. Jobs of a type and
    width that was not measured are an error, or left out with ``unmeasured="leave_out"``.
    """
    _checks.choice("unmeasured", unmeasured, ("error", "leave_out"))
    table = _Throughputs(throughputs)
    rows = _rows(path, ("job_type", "total_steps", "arrival_time_s", "scale_factor"))
    if unmeasured == "leave_out":
        rows = [r for r in rows if table.measured(r["job_type"], r["scale_factor"])]
    arrival = _numbers(rows, "arrival_time_s", path)
    order = np.argsort(arrival, kind="stable")
    gang = _numbers(rows, "scale_factor", path).astype(np.int64)
    speed = np.array(
        [table.row(r["job_type"], int(g)) for r, g in zip(rows, gang, strict=True)], np.float64
    ).reshape(len(rows), len(GAVEL_TYPES))
    tenant = _codes(r.get("vc", "") for r in rows)
    work = _numbers(rows, "total_steps", path)
    return Trace(
        arrival[order], work[order], speed[order], gang[order], tenant[order], True, "gavel file"
    )


def philly(path: str | Path, *, speed: Iterable[float] = (1.0,)) -> Trace:
    """Read Microsoft's Philly trace: ``timestamp, duration, num_gpus, cluster``.

    Parameters
    ----------
    path : path
        CSV, gzipped or not.
    speed : sequence of float
        Speed of each type of device beside the one the durations were measured on: the trace has
        none, so this is an assumption of the caller.

    Notes
    -----
    Work is in seconds. A tenant is a virtual cluster. Jobs are sorted by arrival, ties in the
    file's order; the first arrives at 0.
    """
    rows = _rows(path, ("timestamp", "duration", "num_gpus", "cluster"))
    begun = [datetime.fromisoformat(r["timestamp"]) for r in rows]
    first = min(begun, default=datetime(2000, 1, 1))
    arrival = np.array([(t - first).total_seconds() for t in begun], np.float64)
    return _timed("philly", rows, arrival, "duration", 1.0, "num_gpus", "cluster", speed, path)


def pai(path: str | Path, *, speed: Iterable[float] = (1.0,)) -> Trace:
    """Read Alibaba's PAI trace as GAIA publishes it: ``arrival_time, length, cpus``, in hours.

    ``cpus`` is the width of a job; `speed` as in `philly`.
    """
    rows = _rows(path, ("arrival_time", "length", "cpus"))
    arrival = _numbers(rows, "arrival_time", path) * 3600.0
    return _timed("pai", rows, arrival, "length", 3600.0, "cpus", "", speed, path)


def read(
    path: str | Path, *, names: tuple[str, ...], throughputs: str | Path | None = None
) -> Trace:
    """Read a trace, whose columns say of which kind it is.

    Gavel's, Philly's and PAI's columns are those of `gavel_file`, `philly` and `pai`. A table of
    one's own has ``arrival_s``, ``work``, ``gang`` (1 where missing), ``tenant`` (text, optional)
    and a column ``speed_NAME`` for each type of the cluster.

    Parameters
    ----------
    path : path
        CSV, gzipped or not.
    names : tuple of str
        Names of the cluster's types.
    throughputs : path, optional
        Needed for Gavel's columns.
    """
    columns = set(_header(path))
    if {"job_type", "total_steps"} <= columns:
        if throughputs is None:
            raise InvalidProblemError(
                f"throughputs: {path} has Gavel's columns, needed simulation_throughputs.json",
                "throughputs",
            )
        trace = gavel_file(path, throughputs)
        if any(name not in GAVEL_TYPES for name in names):
            raise InvalidProblemError(
                f"names: found {names}, needed types among {GAVEL_TYPES}", "names"
            )
        speed = trace.speed[:, [GAVEL_TYPES.index(name) for name in names]]
        return Trace(trace.arrival_s, trace.work, speed, trace.gang, trace.tenant, True, trace.name)
    if {"timestamp", "duration", "num_gpus"} <= columns:
        return philly(path, speed=[1.0] * len(names))
    if {"arrival_time", "length", "cpus"} <= columns:
        return pai(path, speed=[1.0] * len(names))
    rows = _rows(path, ("arrival_s", "work", *(f"speed_{name}" for name in names)))
    arrival = _numbers(rows, "arrival_s", path)
    speeds = [_numbers(rows, f"speed_{name}", path) for name in names]
    gang = _numbers(rows, "gang", path) if "gang" in columns else np.ones(len(rows))
    if (gang != np.floor(gang)).any():
        k = int((gang != np.floor(gang)).argmax())
        raise InvalidProblemError(f"gang[{k}]: found {gang[k]}, needed a whole number", "gang", k)
    order = np.argsort(arrival, kind="stable")
    tenant = _codes(r.get("tenant", "") for r in rows)
    work = _numbers(rows, "work", path)
    speed = np.stack(speeds, axis=1)[order] if rows else np.zeros((0, len(names)))
    return Trace(
        arrival[order], work[order], speed, gang[order].astype(np.int64), tenant[order],
        name=Path(path).name.partition(".")[0],
    )  # fmt: skip


# ---------------------------------------------------------------- the files


class _Throughputs:
    """Steps a second of the artefact's file: jobs that run alone, consolidated."""

    def __init__(self, path: str | Path) -> None:
        with _opened(path) as file:
            try:
                data = json.load(file)
                self._tables = [data[name] for name in GAVEL_TYPES]
            except (ValueError, KeyError, TypeError) as error:
                raise InvalidProblemError(
                    f"throughputs: {path} is not Gavel's simulation_throughputs.json "
                    f"({type(error).__name__}: {error})",
                    "throughputs",
                ) from None
        self._path = path

    def measured(self, job_type: str, gang: str) -> bool:
        """Return whether some type has a speed for it."""
        key = f"('{job_type}', {gang})"
        return any((table.get(key) or {}).get("null") for table in self._tables)

    def row(self, job_type: str, gang: int) -> list[float]:
        """Return the speeds of a type of job on that many devices."""
        key = f"('{job_type}', {gang})"
        if all(key not in table for table in self._tables):
            raise InvalidProblemError(
                f"throughputs: {self._path} has no entry {key}", "throughputs"
            )
        return [float((table.get(key) or {}).get("null") or 0.0) for table in self._tables]


def _opened(path: str | Path) -> Any:
    path = Path(path)
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    if zipped:
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _header(path: str | Path) -> list[str]:
    with _opened(path) as file:
        return next(csv.reader(file), [])


def _rows(path: str | Path, needed: tuple[str, ...]) -> list[dict[str, str]]:
    """Return the rows of a CSV file that has these columns."""
    with _opened(path) as file:
        reader = csv.DictReader(file)
        missing = [name for name in needed if name not in (reader.fieldnames or [])]
        if missing:
            raise InvalidProblemError(
                f"{path}: found columns {', '.join(reader.fieldnames or []) or 'none'}, "
                f"needed also {', '.join(missing)}",
                missing[0],
            )
        return list(reader)


def _numbers(rows: list[dict[str, str]], name: str, path: str | Path) -> NDArray[np.float64]:
    """Return a column as float64, or say which row has no number."""
    try:
        return np.array([r[name] for r in rows], np.float64)
    except ValueError:
        for k, r in enumerate(rows):
            try:
                float(r[name])
            except ValueError:
                raise InvalidProblemError(
                    f"{name}[{k}]: found {r[name]!r} in {path}, needed a number", name, k
                ) from None
        raise


def _codes(texts: Iterable[str]) -> NDArray[np.int64]:
    """Return whole numbers in the order of first appearance."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(t, len(numbers)) for t in texts], np.int64)


def _timed(
    name: str,
    rows: list[dict[str, str]],
    arrival: NDArray[np.float64],
    duration: str,
    unit_s: float,
    width: str,
    tenant: str,
    speed: Iterable[float],
    path: str | Path,
) -> Trace:
    """Return the trace of a table of durations."""
    order = np.argsort(arrival, kind="stable")
    work = _numbers(rows, duration, path) * unit_s
    gang = _numbers(rows, width, path).astype(np.int64)
    codes = _codes(r.get(tenant, "") for r in rows)
    speeds = np.tile(np.asarray(list(speed), np.float64), (len(rows), 1))
    return Trace(arrival[order], work[order], speeds, gang[order], codes[order], name=name)
