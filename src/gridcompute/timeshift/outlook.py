"""The inputs of a policy at an hour: forecasts as issued then, and nothing later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from ..forecast.corrected import CorrectedByHour
from ..forecast.signal import ask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..forecast.signal import Model, Signal

__all__ = ["Outlook"]

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
