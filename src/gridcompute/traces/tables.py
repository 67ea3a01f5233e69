"""The jobs of a trace and the devices of a cluster, checked once, read-only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from .._value import Value
from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Cluster", "Trace", "check_fit", "measured_jobs"]

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
