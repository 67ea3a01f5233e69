"""Jobs that are expected: they take room in a plan and are never committed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Columns = dict[str, NDArray[Any]]
    Arrivals = Callable[[Columns, int, int], Any]

__all__ = ["phantoms", "yesterday"]

_DAY = 24  # hours
_FURTHEST = 2**31


def yesterday(history: Any, now: int, hours: int = _DAY, *, day: int = _DAY) -> Columns:
    """Return the jobs of the last day as those of the next, again and again.

    While the first arrival is less than a day ago, what has arrived since is repeated.

    Parameters
    ----------
    history : mapping or data frame
        Columns of jobs that have arrived; ``arrival_h`` is the hour.
    now : int
        The hour: jobs of `now` itself have arrived, those after it are not known.
    hours : int
        How many hours after `now` to fill, 0 or more.
    day : int
        Hours of a day, at least 1: 96 where all of these count steps of 15 minutes.

    Returns
    -------
    dict of array
        The same columns; ``arrival_h`` is between ``now + 1`` and ``now + hours``.

    Examples
    --------
    >>> from gridcompute import forecast
    >>> forecast.yesterday({"arrival_h": [3, 20, 26], "hours": [1, 2, 5]}, now=26, hours=24)
    {'arrival_h': array([27, 44, 50]), 'hours': array([1, 2, 5])}
    """
    columns = _columns(history)
    now = _checks.whole("now", now, -_FURTHEST, _FURTHEST)
    hours = _checks.whole("hours", hours, 0, _FURTHEST)
    day = _checks.whole("day", day, 1, _FURTHEST)
    arrival = columns["arrival_h"]
    recent = np.flatnonzero((arrival > now - day) & (arrival <= now))
    seen = now - int(arrival.min()) + 1 if len(recent) else day
    period = min(seen, day)
    times = -(-hours // period)
    rows = np.tile(recent, times)
    later = arrival[rows] + period * np.repeat(np.arange(1, times + 1), len(recent))
    rows, later = rows[later <= now + hours], later[later <= now + hours]
    order = np.argsort(later, kind="stable")
    answer = {name: values[rows[order]] for name, values in columns.items()}
    answer["arrival_h"] = later[order]
    return answer


def phantoms(
    history: Any,
    how: str | Arrivals = "yesterday",
    *,
    now: int | None = None,
    hours: int = _DAY,
) -> Columns:
    """Return jobs that are expected after `now`: they take room in a plan, none is committed.

    Parameters
    ----------
    history : mapping or data frame
        Columns of jobs; ``arrival_h`` is the hour of each. Jobs after `now` are not read.
    how : "yesterday" or callable
        A callable ``how(history, now, hours)`` gets the columns of the jobs that have arrived and
        returns those of the jobs it expects, with the same names.
    now : int, optional
        The hour: its own jobs have arrived. None = the last arrival.
    hours : int
        How many hours after `now`, 0 or more.

    Returns
    -------
    dict of array
        Columns of the names of `history`; ``arrival_h`` lies in ``now + 1`` to ``now + hours``.

    Raises
    ------
    InvalidProblemError
        A column that is missing or too short; a job that a callable expects at another time.
    TypeError
        Hours that are not whole numbers.

    Examples
    --------
    >>> from gridcompute import forecast
    >>> jobs = {"arrival_h": [0, 5, 30], "hours": [3, 1, 2]}
    >>> forecast.phantoms(jobs, now=23)
    {'arrival_h': array([24, 29]), 'hours': array([3, 1])}
    >>> none = lambda history, now, hours: {"arrival_h": [], "hours": []}
    >>> forecast.phantoms(jobs, none, now=23)
    {'arrival_h': array([], dtype=int64), 'hours': array([], dtype=float64)}
    """
    columns = _columns(history)
    arrival = columns["arrival_h"]
    if now is None:
        now = int(arrival.max()) if len(arrival) else 0
    now = _checks.whole("now", now, -_FURTHEST, _FURTHEST)
    hours = _checks.whole("hours", hours, 0, _FURTHEST)
    if not callable(how):
        _checks.choice("how", how, ("yesterday",))
        return yesterday(columns, now, hours)
    known = {name: values[arrival <= now] for name, values in columns.items()}
    said = _columns(how(known, now, hours), "how")
    if set(said) != set(columns):
        raise InvalidProblemError(
            f"how: found the columns {sorted(said)}, needed {sorted(columns)}", "how"
        )
    far = (said["arrival_h"] <= now) | (said["arrival_h"] > now + hours)
    if far.any():
        index = int(far.argmax())
        raise InvalidProblemError(
            f"how: arrival_h[{index}]: found {said['arrival_h'][index]}, needed {now + 1} to "
            f"{now + hours}",
            "how",
            index,
        )
    return said


def _columns(jobs: Any, field: str = "history") -> Columns:
    """Return the columns of a mapping or data frame as arrays, ``arrival_h`` as int64."""
    names = jobs.keys() if hasattr(jobs, "keys") else getattr(jobs, "columns", None)
    if names is None:
        raise TypeError(f"{field} must be a mapping or data frame, not {type(jobs).__name__}")
    columns = {str(name): _checks.plain_array(str(name), jobs[name]) for name in names}
    if "arrival_h" not in columns:
        raise InvalidProblemError(f"{field}: found no column arrival_h", "arrival_h")
    n = len(columns["arrival_h"])
    for name, values in columns.items():
        if values.ndim != 1 or len(values) != n:
            raise InvalidProblemError(
                f"{name}: found shape {values.shape}, needed ({n},), one entry a job", name
            )
    arrival = columns["arrival_h"]
    if arrival.dtype.kind not in "iu" and arrival.size:
        raise TypeError(f"arrival_h must be integer, not {arrival.dtype}")
    columns["arrival_h"] = arrival.astype(np.int64)
    return columns
