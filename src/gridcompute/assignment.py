"""Linear assignment: scipy's `linear_sum_assignment`, faster, on dense and sparse, with a proof."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import _core
from .errors import InfeasibleError, InternalError, InvalidProblemError
from .progress import ProgressHook, progress_hook

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Assignment",
    "AssignmentCertificate",
    "assignment",
    "linear_sum_assignment",
    "linear_sum_assignment_batch",
]

_NONE = np.empty(0, np.int32)
_NORMAL = 900  # exponents whose powers of two, times any 64-bit integer, stay normal doubles

Pairs = tuple["NDArray[np.int64]", "NDArray[np.int64]"]


def linear_sum_assignment(cost_matrix: Any, maximize: bool = False) -> Pairs:
    """Solve the linear sum assignment problem: a drop-in for scipy's function of that name.

    Parameters
    ----------
    cost_matrix : array or scipy sparse array, shape (n, m)
        Costs in any unit: bool, int8..int64, uint8..uint64 (below 2**63), float32 or float64.
        ``inf`` forbids a pair (``-inf`` when maximizing). A sparse array forbids what it does not
        store; explicit zeros are pairs. C-contiguous arrays are read in place, others copied.
    maximize : bool
        Find the largest total instead of the least.

    Returns
    -------
    row_ind, col_ind : int64 arrays, shape (min(n, m),)
        The pairs; rows ascending, so that ``cost_matrix[row_ind, col_ind].sum()`` is the optimum.

    Raises
    ------
    InvalidProblemError
        When the matrix is not 2-D, holds NaN or the wrong infinity (a `ValueError`).
    InfeasibleError
        When forbidden pairs leave no assignment (a `ValueError`, as scipy raises); `assignment`
        gives the same without raising, with a witness.
    CostRangeError
        When integers of one row differ by more than 2**60 (an `OverflowError`).
    TypeError
        When the entries are not real numbers.

    Notes
    -----
    Complexity: one vectorised pass, then about linear in candidate lists on all classes measured,
    O(n**2 m log m) at worst. Floats: within 2**-40 of what the pairs' costs sum up to by size.
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
        _refuse_invalid(np.asarray(cost_matrix), bool(maximize), "cost_matrix")
        raise
    if answer.__class__ is tuple:
        return answer
    if answer is None:
        problem = _problem(cost_matrix, maximize)
        if problem.sparse is None:
            answer = _call(problem, lambda: _core.assignment_pairs(problem.dense, problem.maximize))
            if answer.__class__ is tuple:
                return answer
        else:
            return _solve(problem, None, None, None).pairs()
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
        At most so many threads; default: what affinity and the CPU quota leave.

    Returns
    -------
    row_ind, col_ind : int64 arrays, shape (B, min(n, m))
        Pairs of each matrix, rows ascending.

    Raises
    ------
    InvalidProblemError, InfeasibleError, CostRangeError, TypeError
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
    array = np.asarray(costs)
    if array.ndim != 3:
        raise InvalidProblemError(
            f"costs must be 3-D (batch, rows, columns), got {array.ndim}-D", "costs"
        )
    ready = _numeric(array, "costs")
    workers = 0 if threads is None else int(threads)
    try:
        first, second = _core.assignment_batch(ready, bool(maximize), workers)
    except InvalidProblemError:
        _refuse_invalid(ready, bool(maximize), "costs")
        raise
    if first.__class__ is not str:
        return first, second
    where = f"matrix {second} of costs: "
    raise _infeasible(assignment(ready[second], maximize=maximize), where)


class AssignmentCertificate(NamedTuple):
    """What an independent look at costs, pairs and duals says."""

    #: The pairs are allowed, repeat nothing and cover the shorter side.
    feasible: bool
    #: row_duals[i] + col_duals[j] <= cost[i, j] wherever the pair is allowed.
    duals_feasible: bool
    #: What the pairs cost, rounded up (down when maximizing) from the original costs.
    objective: int | Fraction
    #: No assignment is better than this, in exact arithmetic on the original costs.
    bound: int | Fraction
    #: The answer is what it claims to be; of an infeasible problem, the witness holds.
    valid: bool


@dataclass(frozen=True, eq=False)
class Assignment:
    """The answer of `assignment`, with its proof."""

    #: "optimal", "infeasible", "time_limit" or "stopped".
    status: str
    #: Column of each row, or -1; int32, shape (n,).
    assignment: NDArray[np.int32]
    #: Total cost; a Python int for integer costs.
    objective: int | float
    #: No assignment is better.
    bound: int | float
    #: Objective and bound are equal in exact arithmetic on the original costs.
    exact: bool
    #: Dual of each row and column in the unit of cost; int64 or float64, shape (n,) and (m,).
    row_duals: NDArray[Any]
    col_duals: NDArray[Any]
    #: Where infeasible, lines of the shorter side (rows if square), more than their partners are.
    witness: NDArray[np.int32] | None
    #: Counters (bids, searches, rescans, arcs, phases, bits) and seconds.
    stats: Mapping[str, float]
    _problem: _Problem = field(repr=False)
    _native: Mapping[str, Any] = field(repr=False)

    def pairs(self) -> Pairs:
        """Return ``row_ind, col_ind`` as scipy does; raises `InfeasibleError` if there are none."""
        if self.status == "infeasible":
            raise _infeasible(self)
        rows = np.flatnonzero(self.assignment >= 0)
        return rows, self.assignment[rows].astype(np.int64)

    def verify(self) -> AssignmentCertificate:
        """Check the answer from its costs, by code that shares nothing with the solver.

        Complexity: one pass over the costs. An unfinished answer is not valid.
        """
        return _verify(self._problem, self.status, self._native)


class _Sparse(NamedTuple):
    start: NDArray[Any]
    col: NDArray[Any]
    cost: NDArray[Any]


@dataclass(frozen=True)
class _Problem:
    """What the core takes: one of dense and sparse; sparse ones are never tall."""

    shape: tuple[int, int]
    dense: NDArray[Any]
    sparse: _Sparse | None
    turned: bool  # sparse and given tall: rows and columns are exchanged
    maximize: bool


def assignment(
    cost_matrix: Any,
    *,
    maximize: bool = False,
    threads: int | None = None,
    time_limit: float | None = None,
    progress: bool | ProgressHook | None = None,
) -> Assignment:
    """Solve the linear assignment problem and keep the proof: duals, bound, witness, counters.

    Parameters
    ----------
    cost_matrix, maximize
        As `linear_sum_assignment`.
    threads : int, optional
        At most so many threads; default: what affinity and the CPU quota leave.
    time_limit : float, optional
        Seconds after which the status is "time_limit", without an assignment.
    progress : bool or callable, optional
        As for `transport`: True shows a bar; a callable that returns True stops.

    Returns
    -------
    Assignment
        `objective` and `bound` are equal and `exact` is true for integers and for floats that a
        common power of two makes integers of at most 58 bits; else they bracket the optimum
        rigorously, by less than ``2**-56`` of the largest cost a row. Where that is more than
        ``2**-40`` of the objective, costs too large to matter are lowered and all is solved again;
        and where that does not help, as where large costs cancel, what duals leave of the costs
        decides exactly: the assignment is an optimum then, though `bound` may not prove it.

    Raises
    ------
    InvalidProblemError, CostRangeError, TypeError
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
    >>> answer.verify().valid
    True
    """
    return _solve(_problem(cost_matrix, bool(maximize)), threads, time_limit, progress)


def _problem(cost_matrix: Any, maximize: bool) -> _Problem:
    if hasattr(cost_matrix, "tocsr") and hasattr(cost_matrix, "nnz"):
        return _sparse_problem(cost_matrix, bool(maximize))
    array = np.asarray(cost_matrix)
    if array.ndim != 2:
        raise InvalidProblemError(
            f"expected a matrix (2-D array), got a {array.ndim}-D array", "cost_matrix"
        )
    return _Problem(
        array.shape, _numeric(array, "cost_matrix"), None, turned=False, maximize=bool(maximize)
    )


def _sparse_problem(matrix: Any, maximize: bool) -> _Problem:
    if matrix.ndim != 2:
        raise InvalidProblemError(f"expected a 2-D matrix, got {matrix.ndim}-D", "cost_matrix")
    rows, cols = (int(k) for k in matrix.shape)
    if max(rows, cols) >= 2**31 - 16:
        raise InvalidProblemError(
            f"cost_matrix may have up to 2**31 - 17 lines a side, got {matrix.shape}", "cost_matrix"
        )
    turned = rows > cols
    csr = (matrix.T if turned else matrix).tocsr()
    width = np.int32 if csr.indptr.dtype == np.int32 and csr.indices.dtype == np.int32 else np.int64
    start = np.ascontiguousarray(csr.indptr, width)
    count = int(start[-1]) if len(start) else 0
    sparse = _Sparse(
        start,
        np.ascontiguousarray(csr.indices[:count], width),
        _numeric(np.asarray(csr.data[:count]), "cost_matrix"),
    )
    return _Problem((rows, cols), np.empty((0, 0)), sparse, turned, maximize)


def _numeric(array: NDArray[Any], name: str) -> NDArray[Any]:
    """The array itself if the core reads its dtype, else one conversion that loses nothing."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "b" or (kind == "u" and size == 1):
        return np.ascontiguousarray(array, np.int16)
    if kind == "u" and size < 8:
        return np.ascontiguousarray(array, np.int32 if size == 2 else np.int64)
    if kind == "u":
        if array.size and array.max() > np.uint64(2**63 - 1):
            where = np.unravel_index(int(array.argmax()), array.shape)
            raise InvalidProblemError(
                f"{name}{[int(k) for k in where]} is {array.max()}, above 2**63 - 1",
                name,
                tuple(int(k) for k in where),
            )
        return np.ascontiguousarray(array, np.int64)
    if kind == "i" or (kind == "f" and size in (4, 8)):
        flags = array.flags
        if array.dtype.isnative and flags.c_contiguous and flags.aligned:
            return array  # require() would say so in a microsecond
        return np.require(array, array.dtype.newbyteorder("="), ["C", "A"])
    if kind == "f" and size == 2:
        return np.ascontiguousarray(array, np.float32)
    raise TypeError(
        f"expected a matrix containing numerical entries of at most 64 bits, got {array.dtype}"
    )


def _refuse_invalid(array: NDArray[Any], maximize: bool, name: str) -> None:
    """Say where the first NaN or wrong infinity is; the core has found that there is one."""
    bad = np.isnan(array) | (array == (np.inf if maximize else -np.inf))
    if not bad.any():
        return
    where = tuple(int(k) for k in np.unravel_index(int(bad.argmax()), array.shape))
    place = (
        f"{name}[{', '.join(map(str, where))}]" if array.ndim > 1 else f"{name}.data[{where[0]}]"
    )
    raise InvalidProblemError(
        f"matrix contains invalid numeric entries: {place} is {array[where]}, and NaN and "
        f"{'inf' if maximize else '-inf'} are not allowed",
        name,
        where,
    )


def _call(problem: _Problem, run: Any) -> Any:
    try:
        return run()
    except InvalidProblemError:
        array = problem.dense if problem.sparse is None else problem.sparse.cost
        _refuse_invalid(array, problem.maximize, "cost_matrix")
        raise


def _solve(
    problem: _Problem,
    threads: int | None,
    time_limit: float | None,
    progress: bool | ProgressHook | None,
) -> Assignment:
    if problem.sparse is None:
        run = partial(
            _core.assignment_dense, problem.dense, problem.maximize, threads or 0, time_limit
        )
    else:
        shape = problem.shape[::-1] if problem.turned else problem.shape
        run = partial(
            _core.assignment_sparse, *problem.sparse, *shape, problem.maximize, time_limit
        )
    with progress_hook(progress, "assignment") as hook:
        return _answer(problem, _call(problem, lambda: run(hook)))


def _answer(problem: _Problem, native: dict[str, Any]) -> Assignment:
    status = native["status"]
    rows, cols = problem.shape
    col_of, row_duals, col_duals = native["col_of"], native["row_dual"], native["col_dual"]
    objective: int | float
    bound: int | float
    exact = False
    if status == "optimal":
        feasible, duals, objective, bound, total = _check(problem, native)
        if not feasible or not duals:
            raise InternalError(f"an assignment failed its own certificate: {feasible=}, {duals=}")
        exact = objective == bound
        if _costs(problem).dtype.kind == "f":
            exponent = native["exponent"]
            bound = _outside(bound, exponent, up=problem.maximize)
            objective = bound if exact else total
            row_duals, col_duals = _scaled(row_duals, exponent), _scaled(col_duals, exponent)
        if problem.maximize:
            row_duals, col_duals = -row_duals, -col_duals
        if problem.turned:
            row_duals, col_duals = col_duals, row_duals
            turned = np.full(rows, -1, np.int32)
            turned[col_of] = np.arange(cols, dtype=np.int32)
            col_of = turned
    else:
        col_of = np.full(rows, -1, np.int32)
        row_duals, col_duals = np.zeros(rows), np.zeros(cols)
        objective = bound = float("-inf" if problem.maximize else "inf")
    return Assignment(
        status=status,
        assignment=col_of,
        objective=objective,
        bound=bound,
        exact=exact,
        row_duals=row_duals,
        col_duals=col_duals,
        witness=native["witness"] if status == "infeasible" else None,
        stats=native["stats"],
        _problem=problem,
        _native=native,
    )


def _costs(problem: _Problem) -> NDArray[Any]:
    return problem.dense if problem.sparse is None else problem.sparse.cost


def _scaled(duals: NDArray[np.int64], exponent: int) -> NDArray[Any]:
    """Duals in units of 2**-exponent, as costs."""
    if abs(exponent) <= _NORMAL:
        return np.multiply(duals, math.ldexp(1.0, -exponent))
    with np.errstate(over="ignore"):  # of costs near the largest double
        return np.ldexp(duals.astype(np.float64), -exponent)


def _outside(units: int, exponent: int, *, up: bool) -> float:
    """The nearest double that is not inside of a bound, if only by a rounding."""
    normal = abs(exponent) <= _NORMAL
    value = units if normal else units * Fraction(1, 2) ** exponent
    try:
        near = float(value)
    except OverflowError:
        near = math.inf if value > 0 else -math.inf
    if (near < value) if up else (near > value):
        near = math.nextafter(near, math.inf if up else -math.inf)
    return math.ldexp(near, -exponent) if normal else near


def _layout(problem: _Problem) -> tuple[Any, Any, Any, int, int, bool]:
    """The costs as the certificate takes them."""
    if problem.sparse is None:
        return (_NONE, _NONE, problem.dense.reshape(-1), *problem.shape, problem.maximize)
    shape = problem.shape[::-1] if problem.turned else problem.shape
    return (*problem.sparse, *shape, problem.maximize)


def _check(problem: _Problem, native: Mapping[str, Any]) -> tuple[bool, bool, int, int, float]:
    """Pairs are feasible, duals are; objective and bound in units; of floats the total, rounded."""
    answer = (native[key] for key in ("col_of", "row_dual", "col_dual", "exponent"))
    feasible, duals, objective, bound, total = _core.assignment_check(*_layout(problem), *answer)
    if problem.maximize:
        return feasible, duals, -objective, -bound, 0.0 - total
    return feasible, duals, objective, bound, total


def _verify(problem: _Problem, status: str, native: Mapping[str, Any]) -> AssignmentCertificate:
    if status == "infeasible":
        violated, _, _ = _core.assignment_witness(*_layout(problem), native["witness"])
        return AssignmentCertificate(False, False, 0, 0, violated)
    if status != "optimal":
        return AssignmentCertificate(False, False, 0, 0, False)
    feasible, duals, paid, bound, _ = _check(problem, native)
    unit = Fraction(1, 2) ** native["exponent"] if _costs(problem).dtype.kind == "f" else 1
    return AssignmentCertificate(feasible, duals, paid * unit, bound * unit, feasible and duals)


def _infeasible(answer: Assignment, where: str = "") -> InfeasibleError:
    rows, cols = answer._problem.shape
    side = "columns" if rows > cols else "rows"
    count = 0 if answer.witness is None else len(answer.witness)
    return InfeasibleError(
        f"{where}cost matrix is infeasible: {count} {side} have fewer than {count} "
        "allowed partners together (.witness lists them)",
        answer.witness,
    )
