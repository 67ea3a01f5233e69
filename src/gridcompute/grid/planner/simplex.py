"""Linear programs kept in HiGHS and solved repeatedly, each time from the last basis.

A solve ends with a verdict, "kOptimal" or "kInfeasible", or with a failure: a basis that has become
singular, a cycle, a limit of steps. A failure proves nothing about the program, so it is solved
again, without the basis and by other methods, before an error is raised.

`SplitSimplex` solves the independent programs that a program decomposes into. Sites whose mandate
is not pooled share no row, nor do the hours of a site without a battery. One program for all of
them takes longer than each by itself, and a change at one site makes the solver process all. Here
each connected part of the matrix is a program of its own, and only those whose costs or limits
changed are solved again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..._extras import extra
from ...errors import InternalError
from .settings import MOST_STEPS, SMALL_PART, STEPS

if TYPE_CHECKING:
    from ..tables.column import Floats, Int32s, Int64s

#: HiGHS's simplex methods: after a change of costs the last basis is feasible for the primal one,
#: after a change of limits for the dual one. The right one takes half the steps.
DUAL, PRIMAL = 1, 4
#: HiGHS's perturbations, which keep the simplex methods from cycling and may double their steps.
DISTURBANCES = ("primal_simplex_bound", "dual_simplex_cost")
#: Every column lies in a finite box, so that no program is unbounded.
VERDICTS = {
    "kOptimal": "kOptimal",
    "kInfeasible": "kInfeasible",
    "kUnboundedOrInfeasible": "kInfeasible",
}


def load_solver() -> None:
    """Import HiGHS and the modules of scipy, before any time limit begins.

    The first import in a process takes a third of a second, on a busy machine several.
    """
    with extra("grid"):
        import highspy
        import scipy.sparse.csgraph

    del highspy, scipy


class Attempt(NamedTuple):
    """The options of a solve after a failure, without a basis; by default those of HiGHS."""

    solver: str = "simplex"
    strategy: int = DUAL
    presolve: str = "on"
    #: 0 = unscaled, 2 = equilibration, 4 = by powers of two.
    scaling: int = 2


#: The attempts in their order: another start, the other simplex method, without presolve, without
#: scaling, other scaling, and last the interior point method with crossover to a basis.
LADDER = (
    Attempt(),
    Attempt(strategy=PRIMAL),
    Attempt(presolve="off"),
    Attempt(presolve="off", scaling=0),
    Attempt(presolve="off", scaling=4, strategy=PRIMAL),
    Attempt(solver="ipm"),
    Attempt(solver="ipm", presolve="off"),
)


class Simplex:
    """A linear program in the solver.

    Parameters
    ----------
    cost, low, high : float64 (n_columns,)
    row_low, row_high : float64 (n_rows,)
    matrix : sparse array in CSC (n_rows, n_columns)
    """

    def __init__(
        self,
        cost: Floats,
        box: tuple[Floats, Floats],
        matrix: Any,
        row_limits: tuple[Floats, Floats],
    ) -> None:
        """Pass the program to the solver."""
        with extra("grid"):
            import highspy

        lp = highspy.HighsLp()
        lp.num_row_, lp.num_col_ = matrix.shape
        lp.col_cost_ = cost
        lp.col_lower_, lp.col_upper_ = box
        lp.row_lower_, lp.row_upper_ = row_limits
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_ = matrix.indptr, matrix.indices
        lp.a_matrix_.value_ = matrix.data
        # The plain binding: highspy.Highs prints a greeting as soon as it is made.
        self._highs: Any = highspy.Highs.__base__()
        self._set("output_flag", False)
        # Not "threads": HiGHS keeps one pool for each thread that calls it, and refuses a second
        # number of them.
        self._set("parallel", "off")
        self._set("simplex_iteration_limit", MOST_STEPS * sum(matrix.shape))
        self._disturb(0.0)
        self._highs.passModel(lp)
        #: How often an attempt of `LADDER` had to be made, by its position.
        self.failures = np.zeros(len(LADDER), int)
        #: Steps of counted work so far, and rows and columns.
        self.steps, self._size = 0.0, sum(matrix.shape)

    def set_costs(self, columns: Int32s, costs: Floats) -> None:
        """Change the costs of some columns."""
        self._highs.changeColsCost(len(columns), columns, costs)

    def set_box(self, columns: Int32s, low: Floats, high: Floats) -> None:
        """Change the limits of some columns."""
        self._highs.changeColsBounds(len(columns), columns, low, high)

    def set_row(self, row: int, low: float, high: float) -> None:
        """Change the limits of a row."""
        self._highs.changeRowBounds(row, low, high)

    def solve(self, strategy: int) -> bool:
        """Solve from the last basis by the simplex method `strategy`; True if there is an optimum.

        Raises
        ------
        InternalError
            No attempt of `LADDER` ended with a verdict.
        """
        self._set("simplex_strategy", strategy)
        ended = self._run()
        if ended == "kIterationLimit":
            self._set("simplex_iteration_limit", 2**31 - 1)
            self._disturb(1.0)
            ended = self._run()
        if ended not in VERDICTS:
            ended = self._ask_again(LADDER, ended)
        return VERDICTS[ended] == "kOptimal"

    def solve_from_nothing(self) -> bool:
        """Solve again without the last basis, by each method that may be needed.

        For a verdict that contradicts other results.
        """
        return VERDICTS[self._ask_again(LADDER, "kNotset")] == "kOptimal"

    def _ask_again(self, ladder: tuple[Attempt, ...], ended: str) -> str:
        """Make the attempts in turn, until one ends with a verdict; return it."""
        first = ended
        self._disturb(1.0)
        self._set("simplex_iteration_limit", 2**31 - 1)
        for k, attempt in enumerate(ladder):
            self._highs.clearSolver()
            self._set("solver", attempt.solver)
            self._set("simplex_strategy", attempt.strategy)
            self._set("presolve", attempt.presolve)
            self._set("simplex_scale_strategy", attempt.scaling)
            self.failures[k] += 1
            ended = self._run()
            if ended in VERDICTS:
                break
        self._set("solver", "choose")
        self._set("presolve", "choose")
        self._set("simplex_scale_strategy", Attempt().scaling)
        if ended not in VERDICTS:
            message = f"HiGHS ended a dispatch as {first}, and as {ended} after {len(ladder)}"
            raise InternalError(f"{message} other attempts, needed kOptimal")
        return ended

    def _run(self) -> str:
        """Run the solver; return the name of the status that it ends with."""
        self._highs.run()
        info = self._highs.getInfo()
        steps = max(info.simplex_iteration_count, 0) + max(info.ipm_iteration_count, 0)
        self.steps += self._size * STEPS.solve + STEPS.iterations(steps, self._size)
        return str(self._highs.getModelStatus().name)

    def _disturb(self, by: float) -> None:
        for what in DISTURBANCES:
            self._set(f"{what}_perturbation_multiplier", by)

    def _set(self, option: str, value: object) -> None:
        self._highs.setOptionValue(option, value)

    def objective(self) -> float:
        """The last optimum."""
        return float(self._highs.getInfo().objective_function_value)

    def optimum(self) -> tuple[list[float], list[float]]:
        """The value of each column at the last optimum, and the dual of each row."""
        found = self._highs.getSolution()
        return found.col_value, found.row_dual


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
        """Number of attempts of `LADDER`, by its position."""
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
            No attempt of `LADDER` ended with a verdict.
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
