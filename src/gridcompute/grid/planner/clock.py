"""The limits of a solve, its progress hook, and the seconds of each stage.

Stages ask for the time left of a limit. With a limit of work the answer is counted work, converted
to seconds at a fixed speed: all decisions by it are the same on any machine.
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
    """The limits of one solve.

    Parameters
    ----------
    time_limit : float or None
        Seconds from now.
    hook : callable or None
        Receives the stage and the fraction done of the whole; returning True ends the solve.
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
        #: Returns the steps of counted work, once work is counted.
        self.steps: Callable[[], float] = lambda: 0.0
        #: Whether the limit is one of counted work.
        self._counts = work_limit is not None
        self._begin = self._now()
        #: Seconds, or counted work as seconds.
        self._limit = time_limit
        if work_limit is not None:
            self._limit = work_limit * STEPS_PER_UNIT / STEPS_PER_S
        self._stage, self._since, self._from, self._to = "start", self._began, 0.0, 0.0
        self.seconds: dict[str, float] = {}
        #: Begin of the time that parts of the limit refer to.
        self._divided = self._begin
        #: "" until the solve must end, then the reason: "time_limit" or "stopped".
        self.status = ""

    def _now(self) -> float:
        """Return seconds, or counted work as seconds."""
        return self.steps() / STEPS_PER_S if self._counts else time.perf_counter()

    def stage(self, name: str, to: float) -> None:
        """Begin a stage that ends when `to` of the whole is done."""
        now = time.perf_counter()
        self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._since
        self._stage, self._since = name, now
        self._from, self._to = self._to, max(self._to, to)
        self.over(0.0)

    def over(self, done: float) -> bool:
        """Return whether the solve must end. `done` is the fraction of this stage."""
        if self._is_over():
            self.status = self.status or "time_limit"
        elif self._hook is not None:
            fraction = self._from + done * (self._to - self._from)
            if self._hook(self._stage, fraction):
                self.status = self.status or "stopped"
        return bool(self.status)

    def is_interrupted(self) -> bool:
        """True once the hook ended the solve or the time limit is met; a limit of work never is.

        For work on another thread, which has a limit of work of its own: at which point of it the
        caller meets the whole limit depends on which thread is faster.
        """
        if not self._counts:
            return self.over(0.0)
        if (
            self.status != "stopped"
            and self._hook is not None
            and self._hook(self._stage, self._from)
        ):
            self.status = "stopped"
        return self.status == "stopped" or self.seconds_left() <= 0.0

    def _is_over(self) -> bool:
        """Return whether a limit is reached."""
        if self._limit is not None and self._now() - self._begin > self._limit:
            return True
        return self._counts and self.seconds_left() <= 0.0

    def divide(self) -> None:
        """Count parts of the time limit from now on, without the time spent before."""
        self._divided = self._now()

    def spent(self, part: float) -> bool:
        """Return whether this part of the limit is over; never without a limit."""
        return self._limit is not None and self._now() > self._end(part)

    def _end(self, part: float) -> float:
        """Return the time at which a part of the limit is over."""
        assert self._limit is not None
        whole = self._begin + self._limit - self._divided
        return self._divided + part * max(whole, 0.0)

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self._limit is not None

    @property
    def is_timed(self) -> bool:
        """Does a limit of time alone decide how far a solve goes?"""
        return self._limit is not None and not self._counts

    def until(self, part: float) -> Callable[[], float]:
        """Return a function of the fraction that is over of the time until a part of the limit.

        Always 0 without a limit.
        """
        if self._limit is None:
            return lambda: 0.0
        now = self._now()
        end = max(self._end(part), now + 1e-3)
        return lambda: (self._now() - now) / (end - now)

    def left(self) -> float:
        """Return the seconds until the limit, by counted work if it is one; inf without a limit."""
        if self._limit is None:
            return math.inf
        return max(self._limit - (self._now() - self._begin), 0.0)

    def seconds_left(self) -> float:
        """Return seconds until the time limit, whatever the limit of work; inf without one."""
        return max(self._most_s - (time.perf_counter() - self._began), 0.0)

    def steps_left(self, part: float = 1.0) -> float:
        """Return a part of the steps until the limit of work; inf without one."""
        return part * self.left() * STEPS_PER_S if self._counts else math.inf
