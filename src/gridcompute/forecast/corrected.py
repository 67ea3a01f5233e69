"""A forecast corrected hour by hour by its own last error, with quantiles of what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from ..errors import InvalidProblemError
from .signal import Signal, ask

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .signal import Model


_DAY = 24  # hours
_LONGEST = 3_660  # days of the regression's window


class Corrected:
    """A forecast, and the correction of each lead by the last error: an AR(1) model a lead.

    Parameters
    ----------
    base : Signal or callable
        What is corrected. A callable is a model, ``model(past, hours)``.
    window_d : int
        Days of the rolling regression, 1 or more.
    leads : int
        Hours ahead that are corrected, 1 or more; later ones are the base's.
    start : int, str or datetime64, optional
        The hour it begins at, of a `Signal`: None = its first issue. A model begins at hour 0.

    Attributes
    ----------
    now : int
        The hour whose value is the next to come.
    error : float
        What the last hour's value was above its forecast; 0 before the first.

    Raises
    ------
    InvalidProblemError, TypeError
        An argument out of its range or of a wrong type.

    Notes
    -----
    The forecast of lead k is ``base + slope[k] * error``. ``slope[k]`` is the least-squares slope
    through the origin of the error k hours ahead on the last error, over the window, of pairs whose
    later hour is past. A base that has not been wrong has no slope.

    Each hour costs O((window_d + 24) leads) additions.

    Examples
    --------
    >>> from gridcompute import forecast
    >>> level = forecast.Corrected(lambda past, hours: [10.0] * hours, leads=2)
    >>> for value in (12.0, 12.0, 12.0, 11.0):
    ...     level.update(value)
    >>> level.error
    1.0
    >>> level.forecast(3).round(3)
    array([10.833, 10.75 , 10.   ])
    """

    def __init__(
        self,
        base: Signal | Model,
        window_d: int = 90,
        *,
        leads: int = 24,
        start: Any = None,
    ) -> None:
        self.base = base
        self.window_d = _checks.whole("window_d", window_d, 1, _LONGEST)
        self.leads = _checks.whole("leads", leads, 1, _DAY * _LONGEST)
        self.now = 0
        if isinstance(base, Signal):
            self.now = base.first if start is None else base.hour(start)
            if self.now < base.first:
                raise InvalidProblemError(
                    f"start: found hour {self.now}, needed {base.first}, the first issue, or later",
                    "start",
                )
        elif not callable(base):
            raise TypeError(f"base must be a Signal or callable, not {type(base).__name__}")
        elif start is not None:
            raise InvalidProblemError(
                "start: a model begins at hour 0; only a Signal has hours of its own", "start"
            )
        self.error = 0.0
        # Only a model reads the past: one that a Signal holds, or the base itself.
        self._model = base.model if isinstance(base, Signal) else base
        known = base.actual[: max(0, self.now)] if isinstance(base, Signal) else np.zeros(0)
        self._past, self._n_past = known.copy(), len(known)
        hours = _DAY * self.window_d
        # Row t % rows belongs to the hour t: what was forecast then, with the last error and the
        # correction. They wait until the last of their leads is known.
        rows = self.leads
        self._said = np.zeros((rows, self.leads))
        self._shift = np.zeros((rows, self.leads))
        self._before = np.zeros(rows)
        # Row t % hours holds the pairs whose later hour was t, a column a lead.
        self._product = np.zeros((hours, self.leads))
        self._square = np.zeros((hours, self.leads))
        self._by_day = np.zeros((2, self.window_d, self.leads))
        self._left = np.full((hours, self.leads), np.nan)
        self._sums = np.zeros((2, self.leads))
        self._begun = self.now
        self._ask()

    def __repr__(self) -> str:
        """Say where it is."""
        return f"<Corrected: at hour {self.now}, last error {self.error:.6g}>"

    @property
    def slope(self) -> NDArray[np.float64]:
        """The expected error at each lead for an error of 1 now, shape (leads,)."""
        product, square = self._sums
        return np.divide(product, square, out=np.zeros(self.leads), where=square > 0)

    def update(self, actual: ArrayLike) -> None:
        """Take in the value of the hour `now`, or of several from it on; `now` moves on."""
        values = _checks.reals("actual", actual)
        if values.ndim > 1:
            raise InvalidProblemError(
                f"actual: found shape {values.shape}, needed a number or one axis", "actual"
            )
        bad = ~np.isfinite(values)
        if bad.any():
            index = int(bad.argmax())
            raise InvalidProblemError(
                f"actual[{index}]: found {values.flat[index]}, needed a finite number",
                "actual",
                index,
            )
        for value in values.ravel().tolist():
            self._learn(value)

    def forecast(self, hours: int) -> NDArray[np.float64]:
        """Return the corrected forecast of the next `hours` hours, from `now` on."""
        said = self._base(_checks.whole("hours", hours, 0, 2**31))
        n = min(len(said), self.leads)
        said[:n] += self._shift[self.now % self.leads, :n]
        return said

    def quantiles(self, hours: int, q: ArrayLike = (0.1, 0.5, 0.9)) -> NDArray[np.float64]:
        """Return quantiles of the next hours, by lead: what the correction left in the window.

        Parameters
        ----------
        hours : int
            How many hours, at most `leads`: there is no record of later ones.
        q : array of float, shape (n,)
            Which quantiles, 0 to 1.

        Returns
        -------
        array of float, shape (n, hours)
            Linear between what was seen; nan for a lead that no error is known of.

        Examples
        --------
        >>> from gridcompute import forecast
        >>> noise = forecast.Corrected(lambda past, hours: [5.0] * hours, leads=1)
        >>> noise.update([6.0, 4.0, 6.0, 4.0, 6.0, 5.0])
        >>> noise.forecast(1), noise.quantiles(1, [0.0, 0.5, 1.0]).ravel().round(1)
        (array([5.]), array([4., 5., 6.]))
        """
        hours = _checks.whole("hours", hours, 0, self.leads)
        levels = _checks.reals("q", q)
        if levels.ndim != 1 or not ((levels >= 0) & (levels <= 1)).all():
            raise InvalidProblemError("q: needed numbers from 0 to 1 on one axis", "q")
        said = self.forecast(hours)
        answer = np.full((len(levels), hours), np.nan)
        for k in range(hours):
            left = self._left[:, k]
            left = left[~np.isnan(left)]
            if len(left):
                answer[:, k] = said[k] + np.quantile(left, levels)
        return answer

    def _base(self, hours: int) -> NDArray[np.float64]:
        """Return what the base says now."""
        if self._model is not None:
            return ask(self._model, self._past[: self._n_past], hours)
        assert isinstance(self.base, Signal)
        return self.base.forecast(self.now, hours)

    def _ask(self) -> None:
        """Keep what the base says now, and its correction, until it can be judged."""
        row = self.now % self.leads
        self._said[row] = self._base(self.leads)
        self._shift[row] = self.slope * self.error
        self._before[row] = self.error

    def _learn(self, value: float) -> None:
        """Judge what was said of the hour `now`, and move on by one."""
        lead = np.arange(min(self.leads, self.now - self._begun + 1))
        row = (self.now - lead) % self.leads
        before, error = self._before[row], value - self._said[row, lead]
        at = (self.now - self._begun) % len(self._product)
        self._product[at, lead] = before * error
        self._square[at, lead] = before * before
        self._left[at, lead] = error - self._shift[row, lead]
        # Summed from scratch, not by differences: what left the window leaves no rounding behind.
        day = at // _DAY
        hours = slice(_DAY * day, _DAY * (day + 1))
        self._by_day[0, day] = self._product[hours].sum(axis=0)
        self._by_day[1, day] = self._square[hours].sum(axis=0)
        self._sums = self._by_day.sum(axis=1)
        self.error = float(error[0])
        if self._model is not None:
            if self._n_past == len(self._past):
                self._past = np.concatenate([self._past, np.zeros(self._n_past + 256)])
            self._past[self._n_past] = value
            self._n_past += 1
        self.now += 1
        self._ask()


# Of the slope of one hour of the day: the mean hour of the window counts three times as much as the
# pairs of that hour itself. With 0.2 or 1 five recorded zones keep the same to half a point.
_POOLED = 3.0
# Days over which the weight is learned, twice: the correction is trusted no more than both allow.
_TRUST_D = (30, 60)


class CorrectedByHour(Corrected):
    """The correction by the last error, as far as past errors at this hour of the day bear it out.

    A forecast that is issued once a day has the same age at the same hour of each day, and how its
    error goes on depends on that age: each hour of the day has slopes of its own, drawn towards
    the common ones. What a plan compares is this hour with later ones, so the correction is
    multiplied by the part of it, 0 to 1, that explains most of the past differences between the
    errors of the next 24 hours and that of the first: none where it made these differences worse.
    """

    base: Signal
    #: Hours before a forecast that it depends on: 90 days and 48 leads of the slopes of each day
    #: on which the weight depends.
    reads_h = _DAY * (90 + _TRUST_D[-1] + 1) + 2 * 48

    def __init__(self, base: Signal, window_d: int = 90, *, leads: int = 48, start: Any = None):
        self._pairs = np.zeros((2, window_d, _DAY, leads))  # by day and hour at which was forecast
        self._fit = np.zeros((2, _TRUST_D[-1] + 1, _DAY))
        self._full = np.zeros((leads, leads))  # as _shift, before the weight
        super().__init__(base, window_d, leads=leads, start=start)

    def _ask(self) -> None:
        super()._ask()
        day, hour = divmod(self.now, _DAY)
        self._pairs[:, day % self.window_d, hour] = 0.0
        self._fit[:, day % self._fit.shape[1], hour] = 0.0
        product, square = self._pairs[:, :, hour].sum(axis=1) + _POOLED / _DAY * self._sums
        slope = np.divide(product, square, out=np.zeros(self.leads), where=square > 0)
        row = self.now % self.leads
        self._full[row] = slope * self.error
        part = 1.0
        for days in _TRUST_D:
            at = (day - np.arange(1, days + 1)) % self._fit.shape[1]
            both, own = self._fit[:, at, hour].sum(axis=1)
            part = min(part, max(0.0, both / own if own > 0 else 0.0))
        self._shift[row] = part * self._full[row]

    def _learn(self, value: float) -> None:
        lead = np.arange(min(self.leads, self.now - self._begun + 1))
        row, (day, hour) = (self.now - lead) % self.leads, np.divmod(self.now - lead, _DAY)
        before, error = self._before[row], value - self._said[row, lead]
        self._pairs[:, day % self.window_d, hour, lead] = before * error, before * before
        if len(lead) >= _DAY:  # the last of the next 24 hours of a forecast is known
            then = self.now - _DAY + 1
            at = then % self.leads
            known = np.append(self.base.actual[then : self.now], value)
            wrong = known - self._said[at, :_DAY]
            wrong, moved = wrong - wrong[0], self._full[at, :_DAY] - self._full[at, 0]
            began, at_hour = divmod(then, _DAY)
            self._fit[:, began % self._fit.shape[1], at_hour] = wrong @ moved, moved @ moved
        super()._learn(value)
