"""The deadline of a solve, its progress hook, and the seconds that each stage took."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Clock"]


class Clock:
    """Tells a solve when to end.

    Parameters
    ----------
    time_limit : float or None
        Seconds from now.
    hook : callable or None
        Given the stage and the fraction done of the whole; returning True ends the solve.
    """

    def __init__(self, time_limit: float | None, hook: Callable[[str, float], bool] | None) -> None:
        self._begin, self._limit, self._hook = time.perf_counter(), time_limit, hook
        self._stage, self._since, self._from, self._to = "start", self._begin, 0.0, 0.0
        self.seconds: dict[str, float] = {}
        #: When the time began that parts of it are counted of.
        self._divided = self._begin
        #: "" while the solve goes on, then why it ends: "time_limit" or "stopped".
        self.status = ""

    def stage(self, name: str, to: float) -> None:
        """Begin a stage that ends when `to` of the whole is done."""
        now = time.perf_counter()
        self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._since
        self._stage, self._since = name, now
        self._from, self._to = self._to, max(self._to, to)
        self.over(0.0)

    def over(self, done: float) -> bool:
        """Must the solve end? `done` is the fraction of this stage."""
        if self._limit is not None and time.perf_counter() - self._begin > self._limit:
            self.status = self.status or "time_limit"
        elif self._hook is not None:
            fraction = self._from + done * (self._to - self._from)
            if self._hook(self._stage, fraction):
                self.status = self.status or "stopped"
        return bool(self.status)

    def divide(self) -> None:
        """Count parts of the time limit from now on: what was spent before is shared by none."""
        self._divided = time.perf_counter()

    def spent(self, part: float) -> bool:
        """Is this part of the time limit over? Never without one."""
        return self._limit is not None and time.perf_counter() > self._end(part)

    def _end(self, part: float) -> float:
        """When a part of the time limit is over."""
        assert self._limit is not None
        whole = self._begin + self._limit - self._divided
        return self._divided + part * max(whole, 0.0)

    @property
    def limited(self) -> bool:
        """Is there a time limit?"""
        return self._limit is not None

    def until(self, part: float) -> Callable[[], float]:
        """Tell, when asked, how much is over of the time from now until a part of the time limit.

        Always nothing without a limit.
        """
        if self._limit is None:
            return lambda: 0.0
        now = time.perf_counter()
        end = max(self._end(part), now + 1e-3)
        return lambda: (time.perf_counter() - now) / (end - now)

    def left(self) -> float:
        """Seconds until the time limit, at least 0; inf without one."""
        if self._limit is None:
            return math.inf
        return max(self._limit - (time.perf_counter() - self._begin), 0.0)
