"""The jobs of a replay: columns checked once, and the times at which the trace is begun."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..forecast.signal import Signal

__all__ = ["Trace", "read_jobs", "read_starts"]

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
        try:
            values = jobs[name]
        except (KeyError, ValueError) as error:
            raise InvalidProblemError(f"jobs: found no column {name}", name) from error
        except (TypeError, IndexError) as error:
            raise TypeError(
                f"jobs must be a mapping or data frame, not {type(jobs).__name__}"
            ) from error
        array = _checks.plain_array(name, values)
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
