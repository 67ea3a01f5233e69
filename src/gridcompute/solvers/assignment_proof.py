"""The proof of an assignment: fields made from the answer of the core, and checked again.

The core counts in units of 2**-exponent, minimises, and takes no tall sparse matrices; users see
costs and duals of the matrix they gave. Duals of floating-point costs have up to 62 bits, so what
users see of them is rounded; the exact ones stand beside them and must round to what is seen.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _core
from ..errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from .assignment_input import Problem


_NONE = np.empty(0, np.int32)
_NORMAL = 900  # exponents whose powers of two, times any 64-bit integer, stay normal doubles
_INT64 = np.iinfo(np.int64)


class Exact(NamedTuple):
    """Duals as the core has them: int64 (n,), or (n, 2) where 64 bits do not hold them."""

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    exponent: int


class Fields(NamedTuple):
    """The fields of an answer that users see."""

    assignment: NDArray[np.int32]
    objective: int | float
    bound: int | float
    exact: bool
    row_duals: NDArray[Any]
    col_duals: NDArray[Any]
    witness: NDArray[np.int32] | None


class Checked(NamedTuple):
    """Result of the independent check of pairs and duals, in units of 2**-exponent."""

    feasible: bool
    duals_feasible: bool
    objective: int
    bound: int
    exponent: int
    valid: bool  # they prove each other an optimum, up to the unit of floats
    seen: tuple[int | float, int | float, bool]  # objective, bound, exact as users see them

    def cost(self, units: int) -> int | Fraction:
        """Return units as a cost, exactly."""
        return units * Fraction(1, 2) ** self.exponent if self.exponent else units


def fields_of(problem: Problem, status: str, native: Mapping[str, Any]) -> tuple[Fields, Exact]:
    """Return the fields of an answer of the core; an optimum that its check refutes is an error."""
    rows, cols = problem.shape
    exact = Exact(native["row_dual"], native["col_dual"], native["exponent"])
    if status != "optimal":
        witness = native["witness"] if status == "infeasible" else None
        return _unsolved(problem, status, witness), exact
    checked = _checked(problem, native["col_of"], exact)
    if not checked.valid:
        raise InternalError(
            "an assignment failed its own certificate: "
            f"{checked.feasible=}, {checked.duals_feasible=}, "
            f"{checked.objective=}, {checked.bound=}, {checked.exponent=}"
        )
    assignment = native["col_of"]
    if problem.transposed:
        assignment = np.full(rows, -1, np.int32)
        assignment[native["col_of"]] = np.arange(cols, dtype=np.int32)
    return Fields(assignment, *checked.seen, *_seen_duals(problem, exact), None), exact


def _unsolved(problem: Problem, status: str, witness: Any) -> Fields:
    """Return the fields of an answer without an assignment."""
    rows, cols = problem.shape
    dtype = np.float64 if problem.real else np.int64
    worst = -math.inf if problem.maximize else math.inf
    bound = worst if status == "infeasible" else -worst
    none = np.full(rows, -1, np.int32)
    return Fields(none, worst, bound, False, np.zeros(rows, dtype), np.zeros(cols, dtype), witness)


def check_answer(problem: Problem, fields: Fields, exact: Exact) -> Checked | None:
    """Check the fields of an optimum against the costs; None where they have no such form."""
    col_of = _col_of(problem, fields.assignment)
    proof: Exact | None = exact
    if not problem.real:
        proof = _exact_of(problem, fields.row_duals, fields.col_duals)
    if col_of is None or proof is None:
        return None
    checked = _checked(problem, col_of, proof)
    if problem.real:
        # Rounded duals prove nothing, but must be the exact duals rounded.
        seen = zip(_seen_duals(problem, exact), (fields.row_duals, fields.col_duals), strict=True)
        if not all(_same(ours, theirs) for ours, theirs in seen):
            checked = checked._replace(duals_feasible=False, valid=False)
    claimed = (fields.objective, fields.bound, fields.exact)
    if checked.seen != claimed or fields.witness is not None:
        checked = checked._replace(valid=False)
    return checked


def check_witness(problem: Problem, fields: Fields) -> bool:
    """Check that the witness has too few partners, and that the other fields claim nothing."""
    lines = fields.witness
    if not isinstance(lines, np.ndarray) or lines.ndim != 1 or lines.dtype.kind not in "iu":
        return False
    if lines.size and not (lines.min() >= 0 and lines.max() < min(problem.shape)):
        return False
    expected = _unsolved(problem, "infeasible", lines)
    if not all(_same(ours, theirs) for ours, theirs in zip(expected, fields, strict=True)):
        return False
    return bool(_core.assignment_witness(*_layout(problem), lines.astype(np.int32))[0])


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, np.ndarray):
        return (
            isinstance(theirs, np.ndarray)
            and ours.shape == theirs.shape
            and theirs.dtype.kind in "iufO"
            and bool(np.array_equal(ours, theirs))
        )
    return bool(ours == theirs)


def _layout(problem: Problem) -> tuple[Any, Any, Any, int, int, bool]:
    """The costs as the certificate takes them."""
    if problem.sparse is None:
        return (_NONE, _NONE, problem.dense.reshape(-1), *problem.shape, problem.maximize)
    shape = problem.shape[::-1] if problem.transposed else problem.shape
    rows = problem.sparse
    return (rows.indptr, rows.indices, rows.data, *shape, problem.maximize)


def _col_of(problem: Problem, assignment: Any) -> NDArray[np.int32] | None:
    """Return the assignment as the core reads it; None where it is no such array."""
    rows, cols = problem.shape
    if not isinstance(assignment, np.ndarray) or assignment.dtype.kind not in "iu":
        return None
    if assignment.shape != (rows,):
        return None
    if rows and not (assignment.min() >= -1 and assignment.max() < cols):
        return None
    if not problem.transposed:
        return np.ascontiguousarray(assignment, np.int32)
    row = np.flatnonzero(assignment >= 0)
    col_of = np.full(cols, -1, np.int32)
    col_of[assignment[row]] = row
    return col_of if np.count_nonzero(col_of >= 0) == len(row) else None


def _checked(problem: Problem, col_of: Any, exact: Exact) -> Checked:
    feasible, duals, objective, bound, total, whole = _core.assignment_check(
        *_layout(problem), col_of, *exact
    )
    pairs = min(problem.shape)
    if not problem.real:
        equal = objective == bound
        sign = -1 if problem.maximize else 1
        shift = pairs * problem.offset
        objective, bound = sign * objective + shift, sign * bound + shift
        valid = feasible and duals and equal
        return Checked(feasible, duals, objective, bound, 0, valid, (objective, bound, equal))
    # Each pair costs less than a unit more than its floor, before and after what decides ties.
    valid = feasible and duals and objective - bound <= (0 if whole else 2 * pairs)
    equal = objective == bound
    if problem.maximize:
        objective, bound, total = -objective, -bound, 0.0 - total
    outside = _outside(bound, exact.exponent, up=problem.maximize)
    seen = (outside if equal else total, outside, equal)
    return Checked(feasible, duals, objective, bound, exact.exponent, valid, seen)


def _seen_duals(problem: Problem, exact: Exact) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the duals of the rows and columns of the matrix given, as costs."""
    duals: list[NDArray[Any]] = [exact.rows, exact.cols]
    if problem.real:
        duals = [_scaled(d, exact.exponent) for d in duals]
        if problem.maximize:
            duals = [-d for d in duals]
    elif problem.maximize or problem.offset or exact.rows.ndim != 1 or exact.cols.ndim != 1:
        # Each line of the shorter side is matched: its dual takes the offset.
        core = problem.shape[::-1] if problem.transposed else problem.shape
        offsets = (problem.offset, 0) if core[0] <= core[1] else (0, problem.offset)
        duals = [
            _integers(d, problem.maximize, offset) for d, offset in zip(duals, offsets, strict=True)
        ]
    return (duals[1], duals[0]) if problem.transposed else (duals[0], duals[1])


def _integers(duals: NDArray[np.int64], negate: bool, offset: int) -> NDArray[Any]:
    """Return duals of the core as int64, or as Python integers where 64 bits do not hold them."""
    if duals.ndim == 1 and offset == 0 and (not negate or not (duals == _INT64.min).any()):
        return -duals if negate else duals
    if duals.ndim == 1:
        values = [int(d) for d in duals]
    else:
        values = [(int(high) << 64) + (int(low) % 2**64) for low, high in duals]
    values = [(-d if negate else d) + offset for d in values]
    fits = all(_INT64.min <= d <= _INT64.max for d in values)
    out = np.empty(len(values), np.int64 if fits else object)
    out[:] = values
    return out


def _exact_of(problem: Problem, row_duals: Any, col_duals: Any) -> Exact | None:
    """Return duals of integer costs as the core reads them; None where they are no integers."""
    for duals, size in zip((row_duals, col_duals), problem.shape, strict=True):
        if not isinstance(duals, np.ndarray) or duals.shape != (size,):
            return None
        if duals.dtype.kind not in "iuO" or (
            duals.dtype == object and not all(isinstance(d, int) for d in duals)
        ):
            return None
    core = problem.shape[::-1] if problem.transposed else problem.shape
    duals = [col_duals, row_duals] if problem.transposed else [row_duals, col_duals]
    offsets = (problem.offset, 0) if core[0] <= core[1] else (0, problem.offset)
    sign = -1 if problem.maximize else 1
    narrow = [d.dtype == np.int64 and not (d == _INT64.min).any() for d in duals]
    if all(narrow) and problem.offset == 0:
        first, second = (np.ascontiguousarray(sign * d) for d in duals)
        return Exact(first, second, 0)
    packed = []
    for d, offset in zip(duals, offsets, strict=True):
        values = [sign * (int(x) - offset) for x in d]
        if any(abs(x) >= 2**120 for x in values):
            return None
        words = np.empty((len(values), 2), np.int64)
        words[:, 0] = np.array([x % 2**64 for x in values], np.uint64).view(np.int64)
        words[:, 1] = [x >> 64 for x in values]
        packed.append(words)
    return Exact(packed[0], packed[1], 0)


def _scaled(duals: NDArray[np.int64], exponent: int) -> NDArray[np.float64]:
    """Return duals in units of 2**-exponent as costs."""
    if abs(exponent) <= _NORMAL:
        return np.multiply(duals, math.ldexp(1.0, -exponent))
    with np.errstate(over="ignore"):  # of costs near the largest double
        return np.ldexp(duals.astype(np.float64), -exponent)


def _outside(units: int, exponent: int, *, up: bool) -> float:
    """Return the nearest double at or below the value, or at or above it with `up`."""
    normal = abs(exponent) <= _NORMAL
    value = units if normal else units * Fraction(1, 2) ** exponent
    try:
        near = float(value)
    except OverflowError:
        near = math.inf if value > 0 else -math.inf
    if (near < value) if up else (near > value):
        near = math.nextafter(near, math.inf if up else -math.inf)
    return math.ldexp(near, -exponent) if normal else near
