"""Input of assignment: matrices of any dtype and format, converted to arrays of the core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._checks import plain_array
from ..costs.source import CompressedRows, compressed_rows, sorted_rows
from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


_MOST_LINES = 2**31 - 1024  # positions are 32-bit, and vector loops step beyond the last one
_HALF = 2**63


class Problem(NamedTuple):
    """A problem as the core reads it: dense or sparse; sparse ones are never tall."""

    shape: tuple[int, int]
    dense: NDArray[Any]
    sparse: CompressedRows | None
    transposed: bool  # sparse and given tall: rows and columns are exchanged
    maximize: bool
    offset: int  # to be added to these costs (uint64 read as int64)

    @property
    def has_costs(self) -> bool:
        """Return whether the costs are here; a pickle leaves them behind."""
        return self.sparse is not None or self.dense.size > 0 or 0 in self.shape

    def without_costs(self) -> Problem:
        """Return the problem without its costs; their dtype stays."""
        return self._replace(dense=np.empty((0, 0), self.costs.dtype), sparse=None)

    @property
    def costs(self) -> NDArray[Any]:
        """Return the costs that are stored."""
        return self.dense if self.sparse is None else self.sparse.data

    @property
    def real(self) -> bool:
        """Return whether costs are floating-point numbers."""
        return bool(self.costs.dtype.kind == "f")


def problem_of(matrix: Any, maximize: bool) -> Problem:
    """Read a matrix, dense or sparse; `matrix` itself where the core can read it in place."""
    if hasattr(matrix, "tocsr") and hasattr(matrix, "format"):
        return _sparse_problem(matrix, maximize)
    array = plain_array("cost_matrix", matrix)
    if array.ndim != 2:
        raise InvalidProblemError(
            f"expected a matrix (2-D array), got a {array.ndim}-D array", "cost_matrix"
        )
    _check_sides("cost_matrix", array.shape)
    dense, offset = _numeric(array)
    return Problem(dense.shape, dense, None, False, maximize, offset)


def batch_of(costs: Any) -> NDArray[Any]:
    """Read a stack of matrices; unsigned costs may be shifted, which changes no assignment."""
    array = plain_array("costs", costs)
    if array.ndim != 3:
        raise InvalidProblemError(
            f"costs must be 3-D (batch, rows, columns), got {array.ndim}-D", "costs"
        )
    _check_sides("costs", array.shape[1:])
    return _numeric(array)[0]


def _check_sides(field: str, shape: tuple[int, ...]) -> None:
    if max(shape) > _MOST_LINES:
        raise InvalidProblemError(
            f"{field}: found shape {shape}, needed at most {_MOST_LINES} rows and columns", field
        )


def _sparse_problem(matrix: Any, maximize: bool) -> Problem:
    if matrix.ndim != 2:
        raise InvalidProblemError(f"expected a 2-D matrix, got {matrix.ndim}-D", "cost_matrix")
    shape = int(matrix.shape[0]), int(matrix.shape[1])
    _check_sides("cost_matrix", shape)
    if matrix.format in ("lil", "dok"):  # hold what was stored and nothing else, as COO does
        matrix = matrix.tocoo()
    offset = 0

    def numeric(data: NDArray[Any]) -> NDArray[Any]:
        nonlocal offset
        values, offset = _numeric(data)
        return values

    transposed = shape[0] > shape[1]
    rows = compressed_rows("cost_matrix", matrix, numeric, transposed=transposed)
    return Problem(shape, np.empty((0, 0)), rows, transposed, maximize, offset)


def _numeric(array: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Return the array itself if the core reads its dtype, else a conversion that loses nothing.

    The core reads no unsigned 64-bit integers: beyond 2**63 all are taken 2**63 less, the offset.
    """
    kind, size = array.dtype.kind, array.dtype.itemsize
    if size == 1 and kind in "biu":
        return np.ascontiguousarray(array, np.int16), 0
    if kind == "u" and size < 8:
        return np.ascontiguousarray(array, np.int32 if size == 2 else np.int64), 0
    if kind == "u":
        unsigned = np.ascontiguousarray(array, np.uint64)
        if unsigned.size == 0 or unsigned.max() < _HALF:
            return unsigned.view(np.int64), 0
        return (unsigned ^ np.uint64(_HALF)).view(np.int64), _HALF
    if kind == "i" or (kind == "f" and size in (4, 8)):
        flags = array.flags
        if array.dtype.isnative and flags.c_contiguous and flags.aligned:
            return array, 0  # require() would say so in a microsecond
        return np.require(array, array.dtype.newbyteorder("="), ["C", "A"]), 0
    if kind == "f" and size == 2:
        return np.ascontiguousarray(array, np.float32), 0
    raise TypeError(
        f"expected a matrix containing numerical entries of at most 64 bits, got {array.dtype}"
    )


def solved(problem: Problem, run: Callable[[], Any]) -> Any:
    """Run the core; where it refuses the problem, say where the fault is."""
    try:
        return run()
    except InvalidProblemError:
        rows, transposed = problem.sparse, problem.transposed
        if rows is None:
            refuse_invalid(problem.dense, problem.maximize, "cost_matrix")
        else:
            sorted_rows("cost_matrix", rows, transposed=transposed)
            entry = _first_invalid(rows.data, problem.maximize)
            if entry is not None:
                pair = rows.pair(entry)
                pair = pair[::-1] if transposed else pair
                where = f"cost_matrix{list(pair)}"
                where += f" (cost_matrix.data[{entry}])" if rows.as_stored else ""
                _refuse("cost_matrix", where, pair, rows.data[entry], problem.maximize)
        raise


def refuse_invalid(array: NDArray[Any], maximize: bool, name: str) -> None:
    """Raise for the first NaN or wrong infinity of a dense array, if there is one."""
    entry = _first_invalid(array.reshape(-1), maximize)
    if entry is not None:
        place = tuple(int(k) for k in np.unravel_index(entry, array.shape))
        _refuse(name, f"{name}{list(place)}", place, array[place], maximize)


def _first_invalid(values: NDArray[Any], maximize: bool) -> int | None:
    bad = np.isnan(values) | (values == (np.inf if maximize else -np.inf))
    return int(bad.argmax()) if bad.any() else None


def _refuse(name: str, where: str, place: tuple[int, ...], found: Any, maximize: bool) -> None:
    raise InvalidProblemError(
        f"matrix contains invalid numeric entries: {where} is {found}, "
        f"and NaN and {'inf' if maximize else '-inf'} are not allowed",
        name,
        place,
    )
