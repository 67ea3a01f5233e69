"""Counted work of a solve: the same number on any machine and under any load.

A step is about one option of a job, or one entry of a linear program, that is processed. Each part
of the planner counts the work that it begins; HiGHS reports its steps of the simplex method. The
weights make parts of equal duration count roughly alike: they decide where a limit of work ends a
solve, never the cost of a plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from .settings import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..interruption import Cuts
    from ..tables.column import Floats, Int32s
    from ..tables.problem import Problem
    from .dispatch_lp import EnergyBlock

__all__ = ["Market", "Work"]

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
