"""Forecasts as they were issued, of an hourly signal and of the jobs that are expected.

Of a signal nothing is read before it was issued.

Expected jobs take room in a plan and are never committed.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from .._columns import column_of, opened
from .._value import Value
from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Columns = dict[str, NDArray[Any]]

    Arrivals = Callable[[Columns, int, int], Any]

#: A forecast model of the user's own: ``model(past, hours)`` returns the next `hours` values, given
#: all values before now (read-only).
Model = Callable[["NDArray[np.float64]", int], "ArrayLike"]

_TAIL = 24  # hours of an issue whose mean is used for hours beyond its end: one day
_FURTHEST = 2**31  # hours; larger numbers of hours are mistakes


class Signal(Value):
    """The hourly values of a signal (price, carbon intensity), and its forecasts as issued.

    Parameters
    ----------
    actual : array of float, shape (n_hours,)
        What happened, finite, hour by hour.
    start : str or datetime64
        The time of ``actual[0]``, on a whole hour.
    issued : array of float, shape (n_issues, n_leads), or callable, optional
        Row d was issued at ``first_issue + d * every_h`` hours, before the value of that hour was
        known; column k is the forecast of the hour k hours later. A callable is a model of the
        user's own: ``model(past, hours)`` gets the values before now and returns the next `hours`.
        None = yesterday's values of the same hours.
    first_issue : str or datetime64, optional
        When row 0 was issued, on a whole hour. None = `start`. It says from when a model may be
        asked too.
    every_h : int
        Hours from one issue to the next, 1 or more.

    Raises
    ------
    InvalidProblemError
        A value that is not finite, a shape or time that does not fit: ``.field`` and ``.index``.
    TypeError
        Values of a wrong type.

    Notes
    -----
    Hours are whole numbers from `start`: hour 0 is ``actual[0]``. A time with a zone is counted in
    UTC, one without is taken as it is. At hour `now` the values before
    it are known, its own is not. A step need not be an hour: where all jobs are in half-hours, so
    may the signal be.

    Examples
    --------
    >>> from gridcompute import forecast
    >>> s = forecast.Signal([5.0, 7.0, 6.0, 8.0], "2024-01-01T00", [[5.0, 6.0, 6.5]])
    >>> s.forecast(1, 2)
    array([6. , 6.5])
    >>> s.hour("2024-01-01T02")
    2
    >>> last = forecast.Signal(s.actual, s.start, lambda past, hours: [past[-1]] * hours)
    >>> last.forecast(2, 2)
    array([7., 7.])
    """

    actual: NDArray[np.float64]
    start: np.datetime64
    issued: NDArray[np.float64] | None
    model: Model | None
    first: int
    every_h: int

    def __init__(
        self,
        actual: ArrayLike,
        start: Any,
        issued: ArrayLike | Model | None = None,
        first_issue: Any = None,
        every_h: int = 24,
    ) -> None:
        self.actual = _finite("actual", actual, 1)
        self.start = _hour("start", start)
        self.every_h = _checks.whole("every_h", every_h, 1, _FURTHEST)
        begun = self.start if first_issue is None else _hour("first_issue", first_issue)
        self.first = int((begun - self.start) / np.timedelta64(1, "h"))
        if issued is None or callable(issued):
            self.issued, self.model = None, issued or _yesterday
        else:
            self.issued, self.model = _finite("issued", issued, 2), None
            if not self.issued.size:
                raise InvalidProblemError(
                    f"issued: found shape {self.issued.shape}, needed one issue and lead or more",
                    "issued",
                )
        if self.model is not None and self.first < 0:
            raise InvalidProblemError(
                f"first_issue: found {begun}, needed {self.start} or later", "first_issue"
            )

    def __len__(self) -> int:
        """Return the number of hours whose values are recorded."""
        return len(self.actual)

    def __repr__(self) -> str:
        """Say how many hours and issues there are."""
        by = "by a model" if self.issued is None else f"{len(self.issued)} issues"
        return f"<Signal: {len(self)} hours from {self.start}, {by}>"

    def hour(self, when: Any) -> int:
        """Return the number of the hour that begins at `when`: an integer, a date or its text."""
        if isinstance(when, (int, np.integer)) and not isinstance(when, (bool, np.timedelta64)):
            return _checks.whole("when", when, -_FURTHEST, _FURTHEST)
        return int((_hour("when", when) - self.start) / np.timedelta64(1, "h"))

    def forecast(self, now: Any, hours: int) -> NDArray[np.float64]:
        """Return the forecast of `hours` hours from `now` on, as it could be read at `now`.

        Parameters
        ----------
        now : int, str or datetime64
            The hour, whose own value is not yet known.
        hours : int
            How many hours, 0 or more.

        Returns
        -------
        array of float, shape (hours,)
            From the newest issue that is no later than `now`; hours beyond its end are the mean of
            its last 24 values.

        Raises
        ------
        InvalidProblemError
            Before the first issue, or what a model returned does not fit.

        Examples
        --------
        >>> from gridcompute import forecast
        >>> s = forecast.Signal([1.0, 2.0], "2024-01-01", [[1.0, 3.0], [4.0, 4.0]], every_h=1)
        >>> s.forecast(0, 3), s.forecast(1, 3)
        (array([1., 3., 2.]), array([4., 4., 4.]))
        """
        now = self.hour(now)
        hours = _checks.whole("hours", hours, 0, _FURTHEST)
        if now < self.first:
            raise InvalidProblemError(
                f"now: found hour {now}, needed {self.first}, the first issue, or later", "now"
            )
        if self.issued is None:
            if now > len(self):
                raise InvalidProblemError(
                    f"now: found hour {now}, needed at most {len(self)}: a model reads all values "
                    "before it",
                    "now",
                )
            assert self.model is not None
            return ask(self.model, self.actual[:now], hours)
        row = min((now - self.first) // self.every_h, len(self.issued) - 1)
        issue = self.issued[row, now - self.first - row * self.every_h :]
        if len(issue) >= hours:
            return issue[:hours].copy()
        tail = np.full(hours - len(issue), self.issued[row, -_TAIL:].mean())
        return np.concatenate([issue, tail])


def ask(model: Model, past: NDArray[np.float64], hours: int) -> NDArray[np.float64]:
    """Return what a model says of the next `hours` hours; it cannot change the past it reads."""
    past = past.view()
    past.flags.writeable = False
    said = _finite("forecast", model(past, hours), 1)
    if len(said) != hours:
        raise InvalidProblemError(
            f"forecast: found {len(said)} values of the model, needed {hours}", "forecast"
        )
    return said.copy()


def _yesterday(past: NDArray[np.float64], hours: int) -> NDArray[np.float64]:
    """Return the values of the last day for the same hours, again and again."""
    if not len(past):
        return np.zeros(hours)
    return np.resize(past[-_TAIL:] if len(past) >= _TAIL else past[-1:], hours)


def _finite(field: str, values: Any, n_axes: int) -> NDArray[np.float64]:
    """Return finite float64 of that many axes, read-only and the caller's no longer."""
    array = _checks.reals(field, values)
    if array.ndim != n_axes:
        axes = f"{n_axes} axis" if n_axes == 1 else f"{n_axes} axes"
        raise InvalidProblemError(f"{field}: found shape {array.shape}, needed {axes}", field)
    bad = ~np.isfinite(array)
    if bad.any():
        place = tuple(int(k) for k in np.unravel_index(int(bad.argmax()), array.shape))
        where = ", ".join(map(str, place))
        raise InvalidProblemError(
            f"{field}[{where}]: found {array[place]}, needed a finite number",
            field,
            place if n_axes > 1 else place[0],
        )
    array = array.copy()
    array.flags.writeable = False
    return array


def _without_zone(when: Any) -> Any:
    """Return a time with a zone as the same moment in UTC, any other one as it is."""
    time = when
    if isinstance(when, str):
        try:
            time = datetime.datetime.fromisoformat(when)
        except ValueError:
            return when  # a month, or no date at all
    if getattr(time, "tzinfo", None) is None:
        return when
    return time.astimezone(datetime.UTC).replace(tzinfo=None)


def _hour(field: str, when: Any) -> np.datetime64:
    """Return a time on a whole hour as datetime64[h]."""
    if not isinstance(when, (str, np.datetime64)) and not hasattr(when, "isoformat"):
        raise TypeError(f"{field} must be a date or its text, not {type(when).__name__}")
    try:
        time = np.datetime64(_without_zone(when))
    except ValueError as error:
        raise InvalidProblemError(f"{field}: found {when!r}, needed a date", field) from error
    hour: np.datetime64 = time.astype("datetime64[h]")
    if np.isnat(hour) or hour != time:
        raise InvalidProblemError(f"{field}: found {when!r}, needed a whole hour", field)
    return hour


_DAY = 24  # hours


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
    found = opened(jobs, field)
    if found is None:
        raise TypeError(f"{field} must be a mapping or data frame, not {type(jobs).__name__}")
    columns = {str(name): column_of(field, jobs, name) for name in found[0]}
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
