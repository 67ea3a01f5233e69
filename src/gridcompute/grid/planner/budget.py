"""The limits of a solve, its progress, and its counted work: the same on any machine.

Stages ask for the time left of a limit. With a limit of work the answer is counted work, converted
to seconds at a fixed speed, so that all decisions by it are the same under any load. A step is
about one option of a job, or one entry of a linear program, that is processed. Each part of the
planner counts the work that it begins; HiGHS reports its steps of the simplex method. The weights
make parts of equal duration count roughly alike: they decide where a limit of work ends a solve,
never the cost of a plan.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from .settings import STEPS, STEPS_PER_S, STEPS_PER_UNIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..interruption import Cuts
    from ..tables.column import Floats, Int32s
    from ..tables.problem import Problem
    from .dispatch_lp import EnergyBlock


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


_Found = TypeVar("_Found")


class Market(Protocol):
    """Jobs whose use of the rows at prices can be computed, as by `LagrangianOracle`."""

    @property
    def n_active(self) -> int:
        """The approximate number of jobs that are priced."""

    @property
    def shapes(self) -> int:
        """The number of price tables that they share."""

    def price(
        self,
        capacity: Floats,
        energy: Floats,
        corridor: Floats,
        quota: Floats,
        klass: Int32s | None = None,
        start: Int32s | None = None,
        threads: int = 0,
    ) -> dict[str, Any]:
        """Return the cost of each job's cheapest choice, and the choices' use of the rows."""


class Work:
    """The counted work of one solve.

    A question to the energy block may run beside other work, on a thread of its own. Its work is
    counted when its answer is taken, so that the count does not depend on which of the two was
    faster.

    Parameters
    ----------
    problem : Problem
    block : EnergyBlock
    """

    def __init__(self, problem: Problem, block: EnergyBlock) -> None:
        """Begin with no work counted."""
        jobs, shape = problem.jobs, problem.classes.capacity.shape
        window = float(np.mean(jobs.deadline - jobs.release)) if len(jobs) else 0.0
        #: Lanes and options of a job, about, and prices of a table of them.
        self._lanes = 1.0 + window * len(problem.sites) * STEPS.lane
        self._options = 1.0 + window * shape[0] * STEPS.option
        self._jobs = len(jobs)
        self._table = shape[0] * shape[1] * STEPS.table
        self._block, self._steps = block, 0.0
        #: What the block had taken before the question under way; None where there is none.
        self._before: float | None = None

    @property
    def steps(self) -> float:
        """The steps so far."""
        return self._steps + (self._block.steps if self._before is None else self._before)

    def asked(self, answer: Callable[[], _Found]) -> Callable[[], _Found]:
        """Return `answer`, which counts the question under way once it is called."""

        def taken() -> _Found:
            found = answer()
            self._before = None
            return found

        return taken

    def asking(self) -> None:
        """Record that a question to the block begins."""
        if self._before is None:
            self._before = self._block.steps

    def priced(self, market: Market) -> None:
        """Count a pass over the live jobs of a market."""
        tables = min(market.n_active, market.shapes)
        self._steps += market.n_active * self._lanes + tables * self._table

    def tabled(self, prices: int) -> None:
        """Count a table of the least prices of windows."""
        self._steps += prices * STEPS.least

    def bounded(self, pairs: int) -> None:
        """Count pairs of jobs and classes whose least price is read from a table."""
        self._steps += pairs * STEPS.pair

    def cut(self, cuts: Cuts) -> None:
        """Count pairs of jobs and classes whose cheapest cut is computed."""
        hours = np.isfinite(cuts.hourly).sum(axis=1)
        nodes = hours * (cuts.need + 1.0)
        each = cuts.hourly.shape[1] * STEPS.cut_hour
        self._steps += float(len(hours) * (STEPS.cut + each) + STEPS.cut_node * nodes.sum())

    def climbed(self, rows: int) -> None:
        """Count a step of the ascent."""
        self._steps += rows * STEPS.row

    def placed(self, count: int) -> None:
        """Count jobs that are placed greedily."""
        self._steps += count * self._options

    def placements_in(self, steps: float) -> int:
        """Return the number of jobs that a greedy placement handles in `steps` of work."""
        return int(min(steps / self._options, 2.0**31))

    def searched(self, count: int, *, chains: bool = False) -> None:
        """Count jobs for which exchanges are tried, or with which chains are started."""
        each = self._options * STEPS.exchange + chains * self._jobs * STEPS.chain
        self._steps += count * each

    def took(self, steps: float) -> None:
        """Count the work of another problem that was solved for this one."""
        self._steps += steps

    def programmed(self, iterations: int, size: int, asked: int = 0) -> None:
        """Count `iterations` of HiGHS on a program of `size` rows and columns.

        A search by branch and bound has `asked` so often whether it is to go on.
        """
        self._steps += size * STEPS.solve + STEPS.questions(asked, size)
        self._steps += STEPS.iterations(iterations, size)
