"""The transport problem that a matching answers, as the core read it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .. import _core

__all__ = ["TransportProblem"]


class TransportProblem(NamedTuple):
    """The problem that a matching answers, as the core read it."""

    cost: _core.CostSource
    n_jobs: int
    n_slots: int
    capacity: NDArray[np.int64]
    demand: NDArray[np.int32] | None
    unplaced: NDArray[np.float64] | None
    threads: int

    def weight(self, job: int) -> int:
        """How many slots the job takes."""
        return 1 if self.demand is None else int(self.demand[job])

    def out(self, job: int) -> float:
        """What leaving the job out costs; inf = it must be placed."""
        if self.unplaced is None:
            return math.inf
        return float(self.unplaced[0 if self.unplaced.size == 1 else job])
