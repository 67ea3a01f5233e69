"""The transport problem that a matching answers, as the core read it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from ..costs.source import cost_source
from ..errors import InvalidProblemError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .. import _core

__all__ = ["TransportProblem"]


class TransportProblem(NamedTuple):
    """The problem that a matching answers, as the core read it.

    `cost` is None where it was left behind, in a pickle.
    """

    cost: _core.CostSource | None
    n_jobs: int
    n_slots: int
    capacity: NDArray[np.int64]
    demand: NDArray[np.int32] | None
    unplaced: NDArray[np.float64] | None
    threads: int

    def source(self, cost: Any = None) -> _core.CostSource:
        """Return the cost: the one given, else the problem's own; neither is an error."""
        if cost is None:
            if self.cost is None:
                raise InvalidProblemError(
                    "cost: found none, needed the cost of the problem: a matching that was pickled "
                    "leaves it behind, so pass it, as in verify(cost)",
                    "cost",
                )
            return self.cost
        given = cost_source(cost)
        if given.shape != (self.n_jobs, self.n_slots):
            raise InvalidProblemError(
                f"cost: found shape {given.shape}, needed (n_jobs, n_slots) = "
                f"({self.n_jobs}, {self.n_slots})",
                "cost",
            )
        return given

    def without_cost(self) -> TransportProblem:
        """Return the problem without its cost, as a pickle holds it."""
        return self._replace(cost=None)

    def weight(self, job: int) -> int:
        """Return the number of slots of the job."""
        return 1 if self.demand is None else int(self.demand[job])

    def out(self, job: int) -> float:
        """Return the cost of leaving the job out; inf = it must be placed."""
        if self.unplaced is None:
            return math.inf
        return float(self.unplaced[0 if self.unplaced.size == 1 else job])
