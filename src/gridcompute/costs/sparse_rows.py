"""Sparse matrices as compressed rows, by one rule for all formats.

Every position is checked before anything reads by it, here or in scipy, and a pair that is stored
twice is refused, never added up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._checks import plain_array
from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CompressedRows", "compressed_rows", "sorted_rows"]

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
