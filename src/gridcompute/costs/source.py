"""Makes the argument `cost=` into a cost source of the core: no loss, no hidden copy."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from .. import _core
from .._checks import plain_array
from ..errors import CostRangeError, InvalidProblemError
from .sparse_rows import compressed_rows, sorted_rows

__all__ = ["cost_source"]

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
