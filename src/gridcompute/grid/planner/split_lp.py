"""A linear program solved as the independent programs that it decomposes into.

Sites whose mandate is not pooled share no row, nor do the hours of a site without a battery. One
program for all of them takes longer than each by itself, and a change at one site makes the solver
process all. Here each connected part of the matrix is a program of its own, and only those whose
costs or limits changed are solved again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..._extras import extra
from .settings import SMALL_PART
from .warm_lp import DUAL, Simplex

if TYPE_CHECKING:
    from ..tables.column import Floats, Int32s, Int64s

__all__ = ["SplitSimplex"]


class _Split(NamedTuple):
    """The columns of a list that lie in a part: positions in the list, and columns of the part."""

    of: Int64s
    at: Int32s


class SplitSimplex:
    """A linear program in the solver, part by part.

    Parameters
    ----------
    cost, low, high : float64 (n_columns,)
    row_low, row_high : float64 (n_rows,)
    matrix : sparse array in CSC (n_rows, n_columns)
    given : int32 (n_given,)
        The columns whose costs and limits may change.
    """

    def __init__(
        self,
        cost: Floats,
        box: tuple[Floats, Floats],
        matrix: Any,
        row_limits: tuple[Floats, Floats],
        given: Int32s,
    ) -> None:
        """Find the parts, and pass each to a solver."""
        columns, rows = _parts(matrix)
        by_row = matrix.tocsr()
        self._columns: list[Int64s] = []
        self._rows: list[Int64s] = []
        self._given: list[_Split] = []
        self._solvers: list[Simplex] = []
        for k in range(max(int(columns.max(initial=-1)), int(rows.max(initial=-1))) + 1):
            mine, held = np.flatnonzero(columns == k), np.flatnonzero(rows == k)
            part = by_row[held].tocsc()[:, mine]
            limits = row_limits[0][held], row_limits[1][held]
            solver = Simplex(cost[mine], (box[0][mine], box[1][mine]), part, limits)
            of = np.flatnonzero(columns[given] == k)
            at = np.searchsorted(mine, given[of]).astype(np.int32)
            self._columns.append(mine)
            self._rows.append(held)
            self._given.append(_Split(of, at))
            self._solvers.append(solver)
        self._row_part = rows
        self._costs, self._low, self._high = cost[given], box[0][given], box[1][given]
        #: Parts that have changed since they were solved, and the optima of the others.
        self._stale = np.ones(len(self._solvers), bool)
        self._yuan = np.zeros(len(self._solvers))
        self._point, self._dual = np.zeros(len(cost)), np.zeros(len(row_limits[0]))
        self._fetched = np.zeros(len(self._solvers), bool)
        #: The part that had no optimum, and the simplex method of the last solve.
        self._refused, self._strategy = 0, DUAL

    @property
    def failures(self) -> Any:
        """Number of attempts of `warm_lp.LADDER`, by its position."""
        return sum(solver.failures for solver in self._solvers)

    @property
    def steps(self) -> float:
        """Steps of counted work so far."""
        return sum(solver.steps for solver in self._solvers)

    def set_costs(self, costs: Floats) -> None:
        """Change the costs of the given columns."""
        for k, (of, at) in enumerate(self._given):
            new = costs[of]
            if not np.array_equal(new, self._costs[of]):
                self._solvers[k].set_costs(at, new)
                self._stale[k] = True
        self._costs = costs.copy()

    def set_box(self, low: Floats, high: Floats) -> None:
        """Change the limits of the given columns."""
        for k, (of, at) in enumerate(self._given):
            least, most = low[of], high[of]
            same = np.array_equal(least, self._low[of]) and np.array_equal(most, self._high[of])
            if not same:
                self._solvers[k].set_box(at, least, most)
                self._stale[k] = True
        self._low, self._high = low.copy(), high.copy()

    def set_row(self, row: int, low: float, high: float) -> None:
        """Change the limits of a row."""
        k = int(self._row_part[row])
        self._solvers[k].set_row(int(np.searchsorted(self._rows[k], row)), low, high)
        self._stale[k] = True

    def solve(self, strategy: int) -> bool:
        """Solve from the last bases by the simplex method `strategy`; True if there is an optimum.

        Raises
        ------
        InternalError
            No attempt of `warm_lp.LADDER` ended with a verdict.
        """
        self._strategy = strategy
        for k in np.flatnonzero(self._stale).tolist():
            self._fetched[k] = False
            if not self._solvers[k].solve(strategy):
                self._refused = k
                return False
            self._settle(k)
        return True

    def solve_from_nothing(self) -> bool:
        """Solve again where the last solve ended, without a basis, by each method if need be."""
        while True:
            if not self._solvers[self._refused].solve_from_nothing():
                return False
            self._settle(self._refused)
            if self.solve(self._strategy):
                return True

    def _settle(self, part: int) -> None:
        """Store the optimum of a part."""
        self._yuan[part] = self._solvers[part].objective()
        self._stale[part] = False

    def objective(self) -> float:
        """The last optimum."""
        return float(self._yuan.sum())

    def optimum(self) -> tuple[Floats, Floats]:
        """The value of each column at the last optimum, and the dual of each row."""
        for k in np.flatnonzero(~self._fetched).tolist():
            self._point[self._columns[k]], self._dual[self._rows[k]] = self._solvers[k].optimum()
            self._fetched[k] = True
        return self._point, self._dual


def _parts(matrix: Any) -> tuple[Int32s, Int32s]:
    """Number the parts of a matrix: the part of each column, and of each row."""
    with extra("grid"):
        from scipy.sparse import block_array
        from scipy.sparse.csgraph import connected_components

    n_rows, n_columns = matrix.shape
    if not n_rows or not n_columns:
        return np.zeros(n_columns, np.int32), np.zeros(n_rows, np.int32)
    _, label = connected_components(block_array([[None, matrix], [matrix.T, None]]), directed=False)
    size = np.bincount(label)
    large = np.flatnonzero(size >= SMALL_PART)
    number = np.full(len(size), len(large))
    number[large] = np.arange(len(large))
    parts = number[label].astype(np.int32)
    return parts[n_rows:], parts[:n_rows]
