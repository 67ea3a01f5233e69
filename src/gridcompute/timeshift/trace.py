"""What the policies of a replay read: jobs, forecasts as issued, and the published rules.

Columns of jobs are checked once. A trace is begun at several times.

A policy at an hour has the forecasts that were issued then, and nothing later.

A rule is a function of numbers: which start, or which hours, a job takes. All take the earliest of
equals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .. import _checks
from .._columns import column_of
from ..errors import InvalidProblemError
from ..forecast.corrected import CorrectedByHour
from ..forecast.signal import ask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..forecast.signal import Model, Signal

_COLUMNS = {"arrival_h": 0, "hours": 1, "slots": 1, "window_h": 0}  # with their least values
_MOST = 2**31 - 1
_MOST_UNIT_HOURS = 2**53


@dataclass(frozen=True)
class Trace:
    """Jobs in their order: int64 columns of equal length.

    A job arrives at `arrival`, runs `hours` hours on `slots` slots, and starts at most `window`
    hours later; `end` is the hour by which it is done.
    """

    arrival: NDArray[np.int64]
    hours: NDArray[np.int64]
    slots: NDArray[np.int64]
    window: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of jobs."""
        return len(self.arrival)

    @property
    def end(self) -> NDArray[np.int64]:
        """Return the hour by which each job is done, itself not included."""
        return self.arrival + self.hours + self.window

    @property
    def units(self) -> NDArray[np.int64]:
        """Return the slot-hours of each job."""
        return self.hours * self.slots

    def take(self, rows: NDArray[Any]) -> Trace:
        """Return some of the jobs."""
        return Trace(self.arrival[rows], self.hours[rows], self.slots[rows], self.window[rows])

    def shift(self, hours: int) -> Trace:
        """Return the same jobs, shifted to later hours."""
        return Trace(self.arrival + hours, self.hours, self.slots, self.window)


def read_jobs(jobs: Any) -> Trace:
    """Return the columns of a mapping, data frame or structured array."""
    columns = []
    n = -1
    for name, least in _COLUMNS.items():
        array = column_of("jobs", jobs, name)
        if array.ndim != 1 or n not in (-1, len(array)):
            needed = "one axis" if n < 0 else f"({n},), one entry a job"
            raise InvalidProblemError(f"{name}: found shape {array.shape}, needed {needed}", name)
        n = len(array)
        if array.size and array.dtype.kind not in "iu":
            raise TypeError(f"{name} must be integer, not {array.dtype}")
        bad = (array < least) | (array > _MOST)
        if bad.any():
            index = int(bad.argmax())
            raise InvalidProblemError(
                f"{name}[{index}]: found {array[index]}, needed {least} to {_MOST}", name, index
            )
        columns.append(array.astype(np.int64))
    trace = Trace(*columns)
    if sum(trace.units.tolist()) > _MOST_UNIT_HOURS:
        raise InvalidProblemError("jobs: found more than 2**53 slot-hours together", "slots")
    return trace


def read_starts(starts: Any, trace: Trace, signal: Signal) -> NDArray[np.int64]:
    """Return the hours at which the trace is begun; None is the first issue, or hour 0."""
    if starts is None:
        starts = [max(0, signal.first)]
    elif isinstance(starts, str) or not hasattr(starts, "__iter__"):
        starts = [starts]
    begun = np.array([signal.hour(start) for start in starts], np.int64)
    if not len(begun):
        raise InvalidProblemError("starts: found none, needed one or more", "starts")
    last = int(trace.end.max()) if len(trace) else 0
    if last > len(signal):
        raise InvalidProblemError(
            f"signal: found {len(signal)} hours, needed {last} or more: the last window ends "
            f"{last} hours after the start of the trace",
            "signal",
        )
    for index, hour in enumerate(begun.tolist()):
        if hour < 0 or hour + last > len(signal):
            raise InvalidProblemError(
                f"starts[{index}]: found hour {hour}, needed 0 to {len(signal) - last}, so that "
                "all windows lie within the signal",
                "starts",
                index,
            )
    return begun


KINDS = ("issued", "corrected", "actual")


class Outlook:
    """Forecasts of a signal, hour by hour; the hours that are asked for must not go back.

    `how` is "issued" (as published), "corrected" (by the last error), "actual" (what will happen:
    for hindsight and for the parts of a regret), or a model of the user's own.
    """

    def __init__(self, signal: Signal, how: str | Model, first: int) -> None:
        if not callable(how):
            _checks.choice("forecast", how, KINDS)
        self._signal = signal
        self._how = how
        self._corrected = None
        if how == "corrected":
            warm = max(signal.first, first - CorrectedByHour.reads_h)
            self._corrected = CorrectedByHour(signal, start=warm)

    def forecast(self, now: int, hours: int) -> NDArray[np.float64]:
        """Return what is known at `now` of the next `hours` hours."""
        if self._how == "actual":
            value = self._signal.actual[now : now + hours]
            rest = hours - len(value)  # only jobs that are expected look beyond the signal
            tail = [self._signal.actual[-24:].mean()] * rest
            return np.concatenate([value, tail]) if rest else value
        if callable(self._how):
            return ask(self._how, self._signal.actual[:now], hours)
        if self._corrected is None:
            return self._signal.forecast(now, hours)
        self._corrected.update(self._signal.actual[self._corrected.now : now])
        return self._corrected.forecast(hours)


def mean_before(signal: Signal, now: int) -> float:
    """Return the mean of the values before `now`; where there are none, of the forecast."""
    known: Any = signal.actual[:now] if now else signal.forecast(now, 24)
    return float(np.mean(known))


_QUANTILE = 0.3  # of the next day: below it a threshold policy runs (Ecovisor's published value)
_DAY = 24  # hours that the quantile is taken of


def window_sums(value: NDArray[np.float64], hours: int) -> NDArray[np.float64]:
    """Return the sum of `hours` values from each start on, each summed separately."""
    return np.asarray(sliding_window_view(value, hours).sum(axis=1))


def best_saving_rate(sums: NDArray[np.float64], waits: NDArray[np.int64], hours: float) -> int:
    """Return the start that saves most for each hour until the job is done (GAIA's Carbon-Time).

    ``sums[k]`` is what the job costs when it starts ``waits[k]`` hours from now; the first entry is
    the start at once.
    """
    return int(np.argmax((sums[0] - sums) / (waits + hours)))


def cheapest_hours(value: NDArray[np.float64], hours: int) -> NDArray[np.int64]:
    """Return the `hours` cheapest hours, ascending."""
    return np.sort(np.argsort(value, kind="stable")[:hours])


def threshold_hours(value: NDArray[np.float64], hours: int, window: int) -> NDArray[np.int64]:
    """Return the hours below the 0.3 quantile of the next day; all, once the window is used up."""
    low = np.flatnonzero(value[: hours + window] < _level(value))[:hours]
    # Hours waited until the k-th piece: the rest runs in one piece when they reach the window.
    waited = low - np.arange(len(low))
    low = low[waited < window] if window else low[:0]
    rest = window + len(low) + np.arange(hours - len(low))
    return np.concatenate([low, rest]).astype(np.int64)


def threshold_start(value: NDArray[np.float64], window: int) -> int:
    """Return the first hour below the 0.3 quantile of the next day, at the latest the window."""
    low = np.flatnonzero(value[: window + 1] < _level(value))
    return int(low[0]) if len(low) else window


def _level(value: NDArray[np.float64]) -> float:
    """Return the threshold: a quantile of the next day."""
    return float(np.quantile(value[:_DAY], _QUANTILE))
