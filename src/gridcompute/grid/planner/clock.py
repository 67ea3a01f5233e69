"""The limits of a solve, its progress hook, and the seconds that each stage took.

Stages ask how much is left of a limit. With a limit of work they are answered in counted work, as
seconds at a fixed speed: whatever they decide by it is the same on any machine.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from .settings import STEPS_PER_S, STEPS_PER_UNIT

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
    work_limit : float or None
        Units of counted work.
    """

    def __init__(
        self,
        time_limit: float | None,
        hook: Callable[[str, float], bool] | None,
        work_limit: float | None = None,
    ) -> None:
        self._began, self._hook = time.perf_counter(), hook
        self._most_s = math.inf if time_limit is None else time_limit
        #: Tells the steps of counted work, once there is something to count.
        self.steps: Callable[[], float] = lambda: 0.0
        #: Does it go by counted work?
        self._counts = work_limit is not None
        self._begin = self._now()
        #: Seconds, or counted work as seconds.
        self._limit = time_limit
        if work_limit is not None:
            self._limit = work_limit * STEPS_PER_UNIT / STEPS_PER_S
        self._stage, self._since, self._from, self._to = "start", self._began, 0.0, 0.0
        self.seconds: dict[str, float] = {}
        #: When the time began that parts of it are counted of.
        self._divided = self._begin
        #: "" while the solve goes on, then why it ends: "time_limit" or "stopped".
        self.status = ""

    def _now(self) -> float:
        """Seconds, or counted work as seconds."""
        return self.steps() / STEPS_PER_S if self._counts else time.perf_counter()

    def stage(self, name: str, to: float) -> None:
        """Begin a stage that ends when `to` of the whole is done."""
        now = time.perf_counter()
        self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._since
        self._stage, self._since = name, now
        self._from, self._to = self._to, max(self._to, to)
        self.over(0.0)

    def over(self, done: float) -> bool:
        """Must the solve end? `done` is the fraction of this stage."""
        if self._is_over():
            self.status = self.status or "time_limit"
        elif self._hook is not None:
            fraction = self._from + done * (self._to - self._from)
            if self._hook(self._stage, fraction):
                self.status = self.status or "stopped"
        return bool(self.status)

    def _is_over(self) -> bool:
        """Is a limit met?"""
        if self._limit is not None and self._now() - self._begin > self._limit:
            return True
        return self._counts and self.seconds_left() <= 0.0

    def divide(self) -> None:
        """Count parts of the time limit from now on: what was spent before is shared by none."""
        self._divided = self._now()

    def spent(self, part: float) -> bool:
        """Is this part of the limit over? Never without one."""
        return self._limit is not None and self._now() > self._end(part)

    def _end(self, part: float) -> float:
        """When a part of the limit is over."""
        assert self._limit is not None
        whole = self._begin + self._limit - self._divided
        return self._divided + part * max(whole, 0.0)

    @property
    def limited(self) -> bool:
        """Is there a limit?"""
        return self._limit is not None

    def until(self, part: float) -> Callable[[], float]:
        """Tell, when asked, how much is over of the time from now until a part of the limit.

        Always nothing without a limit.
        """
        if self._limit is None:
            return lambda: 0.0
        now = self._now()
        end = max(self._end(part), now + 1e-3)
        return lambda: (self._now() - now) / (end - now)

    def left(self) -> float:
        """Seconds until the limit, or counted work as seconds, at least 0; inf without one."""
        if self._limit is None:
            return math.inf
        return max(self._limit - (self._now() - self._begin), 0.0)

    def seconds_left(self) -> float:
        """Seconds until the time limit, whatever the limit of work; inf without one."""
        return max(self._most_s - (time.perf_counter() - self._began), 0.0)

    def steps_left(self, part: float = 1.0) -> float:
        """A part of the steps until the limit of work; inf without one."""
        return part * self.left() * STEPS_PER_S if self._counts else math.inf
