"""What `cost=` accepts, made into a cost source of the core: no loss, no hidden copy."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from . import _core
from ._checks import plain_array
from .errors import CostRangeError, InvalidProblemError

__all__ = ["cost_source"]

_IN_PLACE = "iqlfd"  # native int32, int64, float32, float64
_MOST_SLOTS = 2**31 - 16


def cost_source(cost: Any) -> _core.CostSource:
    """The source for a matrix, a scipy sparse array, `Terms` or a bound `kernel`.

    It keeps the arrays it reads alive.
    """
    if type(cost) is np.ndarray:
        return _dense(cost)
    if hasattr(cost, "terms") and hasattr(cost, "shape"):
        return _core.terms_cost(list(cost.terms), *_sized(cost.shape))
    if hasattr(cost, "address") and hasattr(cost, "context"):
        return _core.callback_cost(cost.address, cost.context, *_sized(cost.shape), cost)
    scipy_sparse = sys.modules.get("scipy.sparse")  # whoever has a sparse array has imported it
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
    assert native is not None, cost.dtype  # _values knows what the core reads
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


def _sparse(cost: Any) -> _core.CostSource:
    """CSR; CSC and COO are converted. Absent = forbidden, stored zeros are arcs."""
    if cost.format not in ("csr", "csc", "coo"):
        raise TypeError(
            f"cost: sparse format {cost.format!r} may store pairs that are absent; convert it to "
            "CSR, CSC or COO first"
        )
    if cost.ndim != 2:
        raise InvalidProblemError(
            f"cost: found shape {cost.shape}, needed (n_jobs, n_slots)", "cost"
        )
    n_jobs, n_slots = _sized((int(cost.shape[0]), int(cost.shape[1])))
    if cost.format == "csr":
        native = _core.sparse_cost(cost.data, cost.indices, cost.indptr, n_jobs, n_slots)
        if native is not None:
            return native
    data, indices, indptr = _rows(cost, n_jobs)
    if indices.dtype not in (np.int32, np.int64) or indptr.dtype != indices.dtype:
        indices, indptr = indices.astype(np.int64), indptr.astype(np.int64)
    indices, indptr = np.ascontiguousarray(indices), np.ascontiguousarray(indptr)
    data = _values(data)
    native = _core.sparse_cost(data, indices, indptr, n_jobs, n_slots)
    if native is None:
        data, indices = _in_order(data, indices, indptr, n_jobs, n_slots)
        native = _core.sparse_cost(data, indices, indptr, n_jobs, n_slots)
    assert native is not None, data.dtype
    return native


def _in_order(
    data: np.ndarray[Any, Any],
    indices: np.ndarray[Any, Any],
    indptr: np.ndarray[Any, Any],
    n_jobs: int,
    n_slots: int,
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Sorted within each row, or an error that says what no sorting mends."""
    _check_rows(indices, indptr, n_jobs, n_slots, len(data))
    row = np.repeat(np.arange(n_jobs), np.diff(indptr))
    order = np.lexsort((indices, row))
    data, indices = data[order], indices[order]
    twice = np.flatnonzero((row[1:] == row[:-1]) & (indices[1:] == indices[:-1]))
    if len(twice):
        index = (int(row[twice[0]]), int(indices[twice[0]]))
        raise InvalidProblemError(
            f"cost{list(index)}: found twice, needed each pair once "
            "(scipy's sum_duplicates adds them up)",
            "cost",
            index,
        )
    return data, indices


def _rows(
    cost: Any, n_jobs: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Values, columns and row starts; duplicates are kept, to be found later."""
    if cost.format == "csr":
        return cost.data, cost.indices, cost.indptr
    if cost.format == "csc":
        row, column = cost.indices, np.repeat(np.arange(cost.shape[1]), np.diff(cost.indptr))
    else:
        row, column = cost.coords if hasattr(cost, "coords") else (cost.row, cost.col)
    if len(row) and not (row.min() >= 0 and row.max() < n_jobs):
        raise InvalidProblemError(f"cost: found row {row.max()}, needed 0 to {n_jobs - 1}", "cost")
    order = np.argsort(row, kind="stable")
    indptr = np.zeros(n_jobs + 1, np.int64)
    np.cumsum(np.bincount(row, minlength=n_jobs), out=indptr[1:])
    return cost.data[order], column[order].astype(np.int64), indptr


def _check_rows(
    indices: np.ndarray[Any, Any],
    indptr: np.ndarray[Any, Any],
    n_jobs: int,
    n_slots: int,
    n_values: int,
) -> None:
    """Whatever would make the core read outside the arrays."""
    if len(indptr) != n_jobs + 1 or indptr[0] != 0 or (indptr[1:] < indptr[:-1]).any():
        raise InvalidProblemError(
            "cost: indptr must have n_jobs + 1 entries, from 0, none falling", "cost"
        )
    if not indptr[-1] == len(indices) == n_values:
        raise InvalidProblemError(
            f"cost: indptr ends at {indptr[-1]}, found {len(indices)} indices and {n_values} "
            "values, needed as many",
            "cost",
        )
    if len(indices) and not (indices.min() >= 0 and indices.max() < n_slots):
        place = int(((indices < 0) | (indices >= n_slots)).argmax())
        index = (int(np.searchsorted(indptr, place, side="right")) - 1, int(indices[place]))
        raise InvalidProblemError(
            f"cost{list(index)}: found slot {index[1]}, needed 0 to {n_slots - 1}", "cost", index
        )
