"""Makes the argument `cost=` into a cost source of the core: no loss, no hidden copy.

Sparse matrices as compressed rows, by one rule for all formats.

Every position is checked before anything reads by it, here or in scipy, and a pair that is stored
twice is refused, never added up.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _core
from .._checks import plain_array
from ..errors import CostRangeError, InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Callable

_IN_PLACE = "iqlfd"  # native int32, int64, float32, float64
_MOST_SLOTS = 2**31 - 16
_FORBIDDEN = 2**62 - 1  # the core's integer for a pair that is absent (kForbidden, base/types.hpp)


def cost_source(cost: Any) -> _core.CostSource:
    """The source for a matrix, a scipy sparse array, `Terms` or a bound `kernel`.

    It keeps the arrays it reads alive.
    """
    if type(cost) is np.ndarray:
        return _dense(plain_array("cost", cost))
    if hasattr(cost, "terms") and hasattr(cost, "shape"):
        return _core.terms_cost(list(cost.terms), *_sized(cost.shape))
    if hasattr(cost, "address") and hasattr(cost, "context"):
        return _core.callback_cost(cost.address, cost.context, *_sized(cost.shape), cost)
    scipy_sparse = sys.modules.get("scipy.sparse")  # imported if a sparse array exists
    if scipy_sparse is not None and scipy_sparse.issparse(cost):
        return _sparse(cost)
    return _dense(plain_array("cost", cost))


def _sized(shape: tuple[int, int]) -> tuple[int, int]:
    n_jobs, n_slots = shape
    if n_slots >= _MOST_SLOTS:
        raise InvalidProblemError(
            f"cost: found {n_slots} slot classes, needed fewer than {_MOST_SLOTS}", "cost"
        )
    return n_jobs, n_slots


def _dense(cost: np.ndarray[Any, Any]) -> _core.CostSource:
    if cost.ndim != 2:
        raise InvalidProblemError(
            f"cost: found shape {cost.shape}, needed (n_jobs, n_slots)", "cost"
        )
    _sized(cost.shape)
    native = _core.dense_cost(cost) or _core.dense_cost(_values(cost))
    assert native is not None, cost.dtype  # _values decides what the core reads
    return native


def _values(cost: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Contiguous in a dtype that the core reads; the array itself where it is that already."""
    dtype = cost.dtype
    if dtype.char in _IN_PLACE and dtype.isnative and cost.flags.c_contiguous:
        return cost
    kind, size = dtype.kind, dtype.itemsize
    if kind not in "iuf" or size > 8:
        raise TypeError(f"cost must be int or float of at most 64 bits, not {dtype}")
    if kind == "f":
        return np.ascontiguousarray(cost, np.float64 if size == 8 else np.float32)
    if kind == "u" and size == 8 and cost.size and cost.max() > np.iinfo(np.int64).max:
        index = tuple(int(k) for k in np.argwhere(cost > np.iinfo(np.int64).max)[0])
        raise CostRangeError(
            f"cost{list(index)}: found {cost[index]}, at most {np.iinfo(np.int64).max} is allowed"
        )
    wide = size == 8 or (kind == "u" and size == 4)
    return np.ascontiguousarray(cost, np.int64 if wide else np.int32)


def _refuse_forbidden(data: np.ndarray[Any, Any]) -> None:
    """Refuse an integer that the core reads as a pair that is absent."""
    if data.dtype.kind in "iu" and data.dtype.itemsize == 8 and data.ndim == 1 and data.size:
        index = int(data.argmax())
        if data[index] >= _FORBIDDEN:
            raise CostRangeError(
                f"cost.data[{index}]: found {data[index]}, sparse integers below {_FORBIDDEN} are "
                "allowed"
            )


def _stored_values(data: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the entries of a sparse matrix in a dtype that the core reads."""
    _refuse_forbidden(data)
    return _values(data)


def _sparse(cost: Any) -> _core.CostSource:
    """CSR in place; CSC and COO are converted. Absent = forbidden, stored zeros are arcs."""
    if cost.ndim != 2:
        raise InvalidProblemError(
            f"cost: found shape {cost.shape}, needed (n_jobs, n_slots)", "cost"
        )
    n_jobs, n_slots = _sized((int(cost.shape[0]), int(cost.shape[1])))
    if cost.format == "csr":
        _refuse_forbidden(cost.data)
        native = _core.sparse_cost(cost.data, cost.indices, cost.indptr, n_jobs, n_slots)
        if native is not None:
            return native
    rows = compressed_rows("cost", cost, _stored_values, ("job", "slot"))
    native = _core.sparse_cost(*rows[:3], n_jobs, n_slots)
    if native is None:
        native = _core.sparse_cost(*sorted_rows("cost", rows)[:3], n_jobs, n_slots)
    assert native is not None, rows.data.dtype
    return native


_Array = np.ndarray[Any, Any]


class CompressedRows(NamedTuple):
    """The entries of row i stand at ``indptr[i]`` to ``indptr[i + 1]``, columns in any order."""

    data: _Array
    indices: _Array
    indptr: _Array
    as_stored: bool  # in the order of the matrix's own arrays

    def pair(self, entry: int) -> tuple[int, int]:
        """Return row and column of an entry."""
        row = int(np.searchsorted(self.indptr, entry, side="right")) - 1
        return row, int(self.indices[entry])


def compressed_rows(
    field: str,
    matrix: Any,
    numeric: Callable[[_Array], _Array],
    names: tuple[str, str] = ("row", "column"),
    *,
    transposed: bool = False,
) -> CompressedRows:
    """Return the entries by row, or by column if `transposed`; positions are valid.

    `numeric` converts the values to what the core reads. Pairs stored twice are refused in COO,
    where scipy would add them up; CSR and CSC keep them: `sorted_rows` and the core find them.
    """
    kind = matrix.format
    if kind not in ("csr", "csc", "coo"):
        raise TypeError(
            f"{field}: sparse format {kind!r} may store pairs that are absent; convert it to "
            "CSR, CSC or COO first"
        )
    shape = tuple(int(k) for k in matrix.shape)
    data = numeric(_vector(field, "data", matrix.data, "biufc"))
    if kind == "coo":
        return _from_coo(field, matrix, data, names, transposed)
    by_column = kind == "csc"
    line, other = names[::-1] if by_column else names
    lines, across = shape[::-1] if by_column else shape
    indices = _vector(field, "indices", matrix.indices, "iu")
    indptr = _vector(field, "indptr", matrix.indptr, "iu")
    if len(indptr) != lines + 1 or indptr[0] != 0 or (indptr[1:] < indptr[:-1]).any():
        raise InvalidProblemError(
            f"{field}: indptr must have n_{line}s + 1 entries, from 0, none falling", field
        )
    count = int(indptr[-1])  # arrays may be longer, as scipy leaves them: what follows is no entry
    if count > min(len(indices), len(data)):
        raise InvalidProblemError(
            f"{field}: indptr ends at {count}, found {len(indices)} indices and {len(data)} "
            "values, needed as many",
            field,
        )
    data, indices = data[:count], indices[:count]
    found = CompressedRows(data, indices, indptr, True)
    place = _outside(indices, across)
    if place is not None:
        pair = found.pair(place)
        _refuse_position(field, pair[::-1] if by_column else pair, other, pair[1], across)
    if by_column != transposed:
        from scipy.sparse import csc_array

        turned = csc_array((data, indices, indptr), shape=(across, lines)).tocsr()
        found = CompressedRows(turned.data, turned.indices, turned.indptr, False)
    return _of_one_width(found)


def sorted_rows(field: str, rows: CompressedRows, *, transposed: bool = False) -> CompressedRows:
    """Return the entries with columns rising in each row; a pair stored twice is refused."""
    row = np.repeat(np.arange(len(rows.indptr) - 1), np.diff(rows.indptr))
    order = np.lexsort((rows.indices, row))
    found = CompressedRows(rows.data[order], rows.indices[order], rows.indptr, False)
    _refuse_repeated(field, row, found.indices, transposed)
    return found


def _from_coo(
    field: str, matrix: Any, data: _Array, names: tuple[str, str], transposed: bool
) -> CompressedRows:
    coords = matrix.coords if hasattr(matrix, "coords") else (matrix.row, matrix.col)
    row, column = (
        _vector(field, name, k, "iu") for name, k in zip(("row", "col"), coords, strict=True)
    )
    if not len(row) == len(column) == len(data):
        raise InvalidProblemError(
            f"{field}: found {len(row)} rows, {len(column)} columns and {len(data)} values, "
            "needed as many",
            field,
        )
    for name, k, size in zip(names, (row, column), matrix.shape, strict=True):
        place = _outside(k, int(size))
        if place is not None:
            pair = int(row[place]), int(column[place])
            _refuse_position(field, pair, name, int(k[place]), int(size))
    from scipy.sparse import coo_array

    shape = tuple(int(k) for k in matrix.shape)
    if transposed:
        row, column, shape = column, row, shape[::-1]
    csr = coo_array((data, (row, column)), shape=shape).tocsr()
    if csr.nnz != len(data):
        order = np.lexsort((column, row))
        _refuse_repeated(field, row[order], column[order], transposed)
    return _of_one_width(CompressedRows(csr.data, csr.indices, csr.indptr, False))


def _vector(field: str, name: str, values: Any, kinds: str) -> _Array:
    array = plain_array(f"{field}.{name}", values)
    if array.ndim != 1 or array.dtype.kind not in kinds:
        needed = "integers" if kinds == "iu" else "numbers"
        raise TypeError(
            f"{field}.{name} must be a vector of {needed}, not of shape {array.shape} and dtype "
            f"{array.dtype}"
        )
    return array


def _outside(positions: _Array, size: int) -> int | None:
    """Return the place of the first position that is not 0 to size - 1, if there is one."""
    if not len(positions) or (positions.min() >= 0 and positions.max() < size):
        return None
    return int(((positions < 0) | (positions >= size)).argmax())


def _refuse_position(field: str, pair: tuple[int, int], name: str, found: int, size: int) -> None:
    raise InvalidProblemError(
        f"{field}{list(pair)}: found {name} {found}, needed 0 to {size - 1}", field, pair
    )


def _refuse_repeated(field: str, row: _Array, column: _Array, transposed: bool) -> None:
    """Raise for the first pair that follows itself, if there is one."""
    twice = np.flatnonzero((row[1:] == row[:-1]) & (column[1:] == column[:-1]))
    if not len(twice):
        return
    pair = int(row[twice[0]]), int(column[twice[0]])
    pair = pair[::-1] if transposed else pair
    raise InvalidProblemError(
        f"{field}{list(pair)}: found twice, needed each pair once "
        "(scipy's sum_duplicates adds them up)",
        field,
        pair,
    )


def _of_one_width(rows: CompressedRows) -> CompressedRows:
    """Return both positions as int32 or both as int64, as the core reads them."""
    narrow = rows.indices.dtype == np.int32 and rows.indptr.dtype == np.int32
    dtype = np.int32 if narrow else np.int64
    return CompressedRows(
        np.ascontiguousarray(rows.data),
        np.ascontiguousarray(rows.indices, dtype),
        np.ascontiguousarray(rows.indptr, dtype),
        rows.as_stored,
    )
