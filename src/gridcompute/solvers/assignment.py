"""Linear assignment: scipy's `linear_sum_assignment`, faster, on dense and sparse, with a proof."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

import numpy as np

from .. import _checks, _core
from .._certificate import Certificate, relative_gap
from .._extras import extra
from .._html import facts
from .._progress import ProgressHook, listening, log, progress_hook
from .._value import Tabular, Value
from ..errors import InfeasibleError, InvalidProblemError
from .assignment_input import Problem, batch_of, problem_of, refuse_invalid, solved
from .assignment_proof import Exact, Fields, check_answer, check_witness, fields_of

if TYPE_CHECKING:
    from fractions import Fraction

    import pyarrow as pa
    from numpy.typing import ArrayLike, NDArray


Pairs = tuple["NDArray[np.int64]", "NDArray[np.int64]"]


def linear_sum_assignment(cost_matrix: Any, maximize: bool = False) -> Pairs:
    """Solve the linear sum assignment problem: a drop-in for scipy's function of that name.

    Parameters
    ----------
    cost_matrix : array or scipy sparse array, shape (n, m)
        Costs in any unit: bool, int8..int64, uint8..uint64, float16, float32 or float64. ``inf``
        forbids a pair (``-inf`` when maximizing). A sparse array (CSR, CSC, COO, LIL, DOK) forbids
        what it does not store; explicit zeros are pairs, and none may be stored twice. C-contiguous
        arrays of int16..int64, float32 and float64 are read in place, others copied.
    maximize : bool
        Find the largest total instead of the least.

    Returns
    -------
    row_ind, col_ind : int64 arrays, shape (min(n, m),)
        The pairs; rows ascending, so that ``cost_matrix[row_ind, col_ind].sum()`` is the optimum.

    Raises
    ------
    InvalidProblemError
        When the matrix is not 2-D, holds NaN or the wrong infinity, or is sparse and stores a pair
        twice or outside the matrix (a `ValueError`).
    InfeasibleError
        When forbidden pairs leave no assignment (a `ValueError`, as scipy raises); `assignment`
        gives the same without raising, with a witness.
    TypeError
        When the entries are not real numbers, or the array is masked.

    Notes
    -----
    Complexity: one vectorised pass, then about linear in candidate lists on all classes measured,
    O(n**2 m log m) at worst. Integers: exact, also where they differ by more than 2**60, which
    takes longer. Floats: within 2**-40 of what the pairs' costs sum up to by size. Ctrl-C raises
    `KeyboardInterrupt`.
    Determinism: the same pairs for any number of threads and any run; among optimal assignments
    not always the one that scipy returns. Source: Jonker and Volgenant (1987), Bertsekas (1988);
    see docs/explanation/assignment-methods.md for what is different here.

    Examples
    --------
    >>> import numpy as np
    >>> from gridcompute import linear_sum_assignment
    >>> cost = np.array([[4, 1, 3], [2, 0, 5], [3, 2, 2]])
    >>> rows, cols = linear_sum_assignment(cost)
    >>> cols.tolist(), int(cost[rows, cols].sum())
    ([1, 0, 2], 5)
    """
    answer = _quick(cost_matrix, maximize)
    return _pairs(cost_matrix, maximize) if answer is None else answer


_quick = _core.assignment_quick


def _pairs(cost_matrix: Any, maximize: bool) -> Pairs:
    try:
        answer = _core.assignment_pairs(cost_matrix, maximize)
    except InvalidProblemError:
        refuse_invalid(np.asarray(cost_matrix), bool(maximize), "cost_matrix")
        raise
    if answer.__class__ is tuple:
        return answer
    if answer is None:
        problem = problem_of(cost_matrix, bool(maximize))
        if problem.sparse is not None:
            return _solve(problem, 0, (None, None), None).pairs()
        answer = solved(problem, lambda: _core.assignment_pairs(problem.dense, problem.maximize))
        if answer.__class__ is tuple:
            return answer
    raise _infeasible(assignment(cost_matrix, maximize=maximize))


def linear_sum_assignment_batch(
    costs: ArrayLike, maximize: bool = False, *, threads: int | None = None
) -> Pairs:
    """Solve many assignment problems of one shape at once, over threads, without a Python loop.

    Parameters
    ----------
    costs : array, shape (B, n, m)
        As `linear_sum_assignment` takes, B of them.
    maximize : bool
        Find largest totals instead of least.
    threads : int, optional
        The largest number of threads, from 1 on; default: what affinity and the CPU quota leave.
        More than there is work for are not started.

    Returns
    -------
    row_ind, col_ind : int64 arrays, shape (B, min(n, m))
        Pairs of each matrix, rows ascending.

    Raises
    ------
    InvalidProblemError, InfeasibleError, TypeError
        As `linear_sum_assignment`, naming the first matrix at fault.

    Notes
    -----
    Complexity: that of one matrix times B over threads. Determinism: each matrix gets the answer it
    would get alone, whatever the number of threads.

    Examples
    --------
    >>> import numpy as np
    >>> from gridcompute import linear_sum_assignment_batch
    >>> costs = np.array([[[1, 2], [3, 1]], [[5, 1], [1, 5]]])
    >>> rows, cols = linear_sum_assignment_batch(costs)
    >>> cols.tolist()
    [[0, 1], [1, 0]]
    """
    ready = batch_of(costs)
    workers = _checks.threads(threads)
    try:
        first, second = _core.assignment_batch(ready, bool(maximize), workers)
    except InvalidProblemError:
        refuse_invalid(ready, bool(maximize), "costs")
        raise
    if first.__class__ is not str:
        return first, second
    where = f"matrix {second} of costs: "
    raise _infeasible(assignment(ready[second], maximize=maximize), where)


@dataclass(frozen=True)
class AssignmentCertificate(Certificate):
    """The result of checking pairs and duals against the costs independently of the solver."""

    #: The pairs are allowed, repeat nothing and cover the shorter side.
    feasible: bool
    #: row_duals[i] + col_duals[j] <= cost[i, j] wherever the pair is allowed.
    duals_feasible: bool
    #: Cost of the pairs, rounded up (down when maximizing) from the original costs.
    objective: int | Fraction
    #: No assignment is better than this, in exact arithmetic on the original costs.
    bound: int | Fraction
    #: The pairs and duals prove the optimum claimed; of an infeasible problem, the witness holds.
    valid: bool
    #: `Assignment.gap` of what was recomputed, each rounded once; inf if pairs or duals are not
    #: feasible.
    gap: float = math.inf

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons, where a condition does not hold."""
        if self.valid:
            return ()
        pairs = () if self.feasible else ("the pairs are no assignment",)
        duals = () if self.duals_feasible else ("the duals are not feasible",)
        return pairs + duals or ("what the fields claim is not what pairs and duals prove",)


class AssignmentStats(TypedDict):
    """The counts of `Assignment.stats`."""

    #: Bids of augmenting row reduction and auction.
    bids: int
    #: Shortest augmenting paths, and augmentations of Hopcroft-Karp phases.
    searches: int
    #: Rows read again because the bound of their candidate list was reached.
    rescans: int
    #: Pairs (list or matrix entries) relaxed by searches.
    arcs: int
    #: Auction phases; 0 if no auction ran.
    phases: int
    #: Width of the integers that the answer was computed in: 32, 64 or 128.
    bits: int
    #: Units of counted work: a `work_limit` of as many is enough.
    work_units: float
    #: Wall-clock time of the solve.
    seconds: float


@dataclass(frozen=True, eq=False)
class Assignment(Value, Tabular):
    """The answer of `assignment`, with its proof.

    A pickle leaves the costs behind: `verify` of what comes out of it takes them as an argument.
    """

    #: "optimal", "infeasible", "time_limit" or "stopped" (by `progress`).
    status: str
    #: Column of each row, or -1; int32, shape (n,). Without an optimum all are -1.
    assignment: NDArray[np.int32]
    #: Total cost; a Python int for integer costs. Without an optimum inf (-inf when maximizing).
    objective: int | float
    #: No assignment is better; -inf (inf when maximizing) where a stopped answer proves nothing.
    bound: int | float
    #: Objective and bound are equal in exact arithmetic on the original costs. Of floats both are
    #: the same double then, the exact value or the next one below (above when maximizing).
    exact: bool
    #: Dual of each row and column in the unit of cost, shape (n,) and (m,); without an optimum 0.
    #: Integer costs have int64 duals, or Python integers (dtype object) where one exceeds 64 bits;
    #: floats have float64, the exact duals of the proof rounded to the nearest.
    row_duals: NDArray[Any]
    col_duals: NDArray[Any]
    #: Where infeasible, lines of the shorter side (rows if square) that have fewer partners
    #: together than they are.
    witness: NDArray[np.int32] | None
    #: Counts of work and the seconds it took.
    stats: AssignmentStats
    _problem: Problem = field(repr=False)
    _exact: Exact = field(repr=False)

    _shared: ClassVar[frozenset[str]] = frozenset({"_problem", "_exact"})

    def _stored(self) -> dict[str, Any]:
        return {**vars(self), "_problem": self._problem.without_costs()}

    def _repr_html_(self) -> str:
        rows = {
            "status": self.status,
            "shape": " x ".join(map(str, self._problem.shape)),
            "objective": self.objective,
            "bound": self.bound,
            "gap": self.gap,
        }
        return facts("Assignment", rows)

    def to_arrow(self) -> pa.Table:
        """Return the rows as a pyarrow Table; needs pyarrow.

        Returns
        -------
        pyarrow.Table
            ``row`` int64, ``column`` int32 (null where it has none) and ``row_dual``.

        Examples
        --------
        >>> from gridcompute import assignment
        >>> assignment([[4, 1], [2, 3]]).to_arrow()["column"].to_pylist()
        [1, 0]
        """
        with extra("grid"):
            import pyarrow as pa

        row = np.arange(len(self.assignment), dtype=np.int64)
        column = pa.array(self.assignment, mask=self.assignment < 0)
        duals = np.asarray(self.row_duals)
        wide = duals.dtype == object  # integers beyond 64 bits, which no Arrow integer holds
        dual = pa.array([str(d) for d in duals] if wide else duals)
        return pa.table({"row": row, "column": column, "row_dual": dual})

    @property
    def gap(self) -> float:
        """(objective - bound) / max(abs(objective), abs(bound)); 0.0 where both are equal.

        When maximizing it is (bound - objective), over the same. inf without an assignment.
        """
        return _gap(self.objective, self.bound, self.exact, maximize=self._problem.maximize)

    def pairs(self) -> Pairs:
        """Return ``row_ind, col_ind`` as scipy does; raises `InfeasibleError` if infeasible.

        A stopped answer has none.
        """
        if self.status == "infeasible":
            raise _infeasible(self)
        rows = np.flatnonzero(self.assignment >= 0)
        return rows, self.assignment[rows].astype(np.int64)

    def verify(self, cost_matrix: Any = None) -> AssignmentCertificate:
        """Check the fields against the costs, by code that shares nothing with the solver.

        Whatever was changed in assignment, objective, bound, exact, duals, status or witness, and
        does not prove itself, makes the answer invalid; so does a stopped one. Not checked:
        `stats`. Complexity: one pass over the costs.

        Parameters
        ----------
        cost_matrix : as `assignment` takes it, optional
            Check against these costs instead of those that were solved; needed only of an answer
            that was pickled.

        Raises
        ------
        InvalidProblemError
            There are no costs, or those given have another shape.
        """
        fields = Fields(*(getattr(self, name) for name in Fields._fields))
        problem, exact = self._posed(cost_matrix)
        if self.status == "infeasible":
            return AssignmentCertificate(False, False, 0, 0, check_witness(problem, fields))
        checked = None
        if self.status == "optimal":
            checked = check_answer(problem, fields, exact)
        if checked is None:
            return AssignmentCertificate(False, False, 0, 0, False)
        proved = checked.feasible and checked.duals_feasible
        return AssignmentCertificate(
            checked.feasible,
            checked.duals_feasible,
            checked.cost(checked.objective),
            checked.cost(checked.bound),
            checked.valid,
            _gap(*checked.seen, maximize=self._problem.maximize) if proved else math.inf,
        )

    def _posed(self, cost_matrix: Any) -> tuple[Problem, Exact]:
        """Return the problem with its costs, and the exact duals in the order of its lines."""
        mine = self._problem
        if cost_matrix is None:
            if not mine.has_costs:
                raise InvalidProblemError(
                    "cost_matrix: found none, needed the costs: an answer that was pickled leaves "
                    "them behind, so pass them, as in verify(cost_matrix)",
                    "cost_matrix",
                )
            return mine, self._exact
        given = problem_of(cost_matrix, mine.maximize)
        if given.shape != mine.shape:
            raise InvalidProblemError(
                f"cost_matrix: found shape {given.shape}, needed {mine.shape}", "cost_matrix"
            )
        exact = self._exact
        if given.transposed != mine.transposed:  # dense in one, sparse and tall in the other
            exact = Exact(exact.cols, exact.rows, exact.exponent)
        return given, exact


def _gap(objective: float, bound: float, exact: bool, *, maximize: bool) -> float:
    return 0.0 if exact else relative_gap(objective, bound, maximize=maximize)


def assignment(
    cost_matrix: Any,
    *,
    maximize: bool = False,
    threads: int | None = None,
    time_limit: float | None = None,
    work_limit: float | None = None,
    progress: bool | ProgressHook | None = None,
) -> Assignment:
    """Solve the linear assignment problem and keep the proof: duals, bound, witness, counters.

    Parameters
    ----------
    cost_matrix, maximize
        As `linear_sum_assignment`.
    threads : int, optional
        The largest number of threads, from 1 on; default: what affinity and the CPU quota leave.
        More than there is work for are not started; sparse problems use one.
    time_limit : float, optional
        Seconds, 0 or more, after which the status is "time_limit", without an assignment.
    work_limit : float, optional
        Units of counted work, 0 or more, after which the status is "time_limit" too: on every
        machine after the same steps, as for `transport`. ``stats["work_units"]`` is enough.
    progress : bool or callable, optional
        As for `transport`: True shows a bar; a callable that returns True stops.

    Returns
    -------
    Assignment
        `objective` and `bound` are equal and `exact` is true for integers and for floats that a
        common power of two makes integers of at most 58 bits; else they bracket the optimum
        rigorously, by less than ``2**-56`` of the largest cost a row. Where that is more than
        ``2**-40`` of the objective, costs too large to matter are lowered and all is solved again;
        and where that does not help, as where large costs cancel, the exact residuals of costs and
        duals decide: the assignment is an optimum then, though `bound` may not prove it.

    Raises
    ------
    InvalidProblemError, TypeError
        As `linear_sum_assignment`. An infeasible problem is a status here.

    Notes
    -----
    Complexity and Determinism as `linear_sum_assignment`. The certificate adds one pass.

    Examples
    --------
    >>> import numpy as np
    >>> from gridcompute import assignment
    >>> answer = assignment(np.array([[4.5, 1.0], [2.0, 0.25]]))
    >>> answer.status, answer.objective, answer.exact
    ('optimal', 3.0, True)
    >>> answer.gap, answer.verify().valid
    (0.0, True)
    """
    most, limits = _checks.limits(threads, time_limit, work_limit)
    return _solve(problem_of(cost_matrix, bool(maximize)), most, limits, progress)


def _solve(
    problem: Problem,
    threads: int,
    limits: tuple[float | None, float | None],
    progress: bool | ProgressHook | None,
) -> Assignment:
    if problem.sparse is None:
        run = partial(_core.assignment_dense, problem.dense, problem.maximize, threads, *limits)
    else:
        shape = problem.shape[::-1] if problem.transposed else problem.shape
        rows = problem.sparse
        run = partial(
            _core.assignment_sparse,
            rows.indptr,
            rows.indices,
            rows.data,
            *shape,
            problem.maximize,
            *limits,
        )
    if progress is None:
        native = solved(problem, partial(run, None))
    else:
        with progress_hook(progress, "assignment") as hook:
            native = solved(problem, partial(run, hook))
    status = native["status"]
    fields, exact = fields_of(problem, status, native)
    if listening():
        log("assignment: %d x %d: %s, objective %s", *problem.shape, status, fields.objective)
    return Assignment._of(
        {
            "status": status,
            "assignment": fields.assignment,
            "objective": fields.objective,
            "bound": fields.bound,
            "exact": fields.exact,
            "row_duals": fields.row_duals,
            "col_duals": fields.col_duals,
            "witness": fields.witness,
            "stats": native["stats"],
            "_problem": problem,
            "_exact": exact,
        }
    )


def _infeasible(answer: Assignment, where: str = "") -> InfeasibleError:
    rows, cols = answer._problem.shape
    side = "columns" if rows > cols else "rows"
    count = 0 if answer.witness is None else len(answer.witness)
    return InfeasibleError(
        f"{where}cost matrix is infeasible: {count} {side} have fewer than {count} "
        "allowed partners together (.witness lists them)",
        answer.witness,
    )
