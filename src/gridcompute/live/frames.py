"""Data frames, Arrow tables and labelled arrays, made into the plain arrays of a `Matcher`.

Jobs and slot classes are identified by position. Labels (the index of a pandas object) are dropped
only if they are the positions themselves, or the ids or slots given with the values, in the same
order; any other labels would be ignored in silence, and are an error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import aligned, plain_array
from .._progress import log
from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["by_position", "column_values", "key_list", "named_columns"]

_NEEDED = (
    "a mapping of column names to arrays, a data frame (pandas, polars, or anything with "
    "__arrow_c_stream__), or records, each a mapping"
)


def named_columns(
    columns: Any, known: Iterable[str], *, spare: frozenset[str] = frozenset()
) -> tuple[dict[str, Any], int | None]:
    """Return columns by name from whatever holds them, and how many rows records have (else None).

    The names are exactly `known`: one that is missing, unknown, or there twice is an error. Those
    that are `spare` may be there as well, and are ignored, which the log says.
    """
    known = tuple(known)
    if type(columns) is dict and columns.keys() == set(known):
        return columns, None
    if isinstance(columns, (str, bytes)) or np.isscalar(columns) or columns is None:
        raise TypeError(f"columns must be {_NEEDED}, not {type(columns).__name__}")
    if isinstance(columns, np.ndarray):
        if columns.dtype.names is None:
            raise TypeError(f"columns must be {_NEEDED}, not an array without field names")
        names = list(columns.dtype.names)
        return _exactly(names, known, lambda name: columns[name], spare), len(columns)
    if _is(columns, "pandas", "DataFrame") or _is(columns, "polars", "DataFrame"):
        names = list(columns.columns)
        return _exactly(names, known, lambda name: columns[name], spare), len(columns)
    if _is(columns, "polars", "LazyFrame"):
        raise TypeError(f"columns must be {_NEEDED}; collect() the LazyFrame first")
    if isinstance(columns, Mapping) or (hasattr(columns, "keys") and not _is_arrow(columns)):
        return _exactly(list(columns.keys()), known, lambda name: columns[name], spare), None
    if _is_arrow(columns):
        table = _arrow_table(columns)
        return _exactly(table.column_names, known, table.column, spare), len(table)
    return _records(columns, known, spare)


def column_values(field: str, values: Any, labels: Any = None) -> NDArray[Any]:
    """Return one column as an array; a missing value (null, NA) or a foreign label is an error."""
    if type(values) is np.ndarray:
        return aligned(values if values.ndim else values.reshape(1))
    if _is(values, "pandas", "Series") or _is(values, "pandas", "Index"):
        by_position(field, values, labels)
        _no_missing(field, _extension_nulls(values))
        return _stacked(field, values.to_numpy())
    if _is(values, "polars", "Series"):
        _no_missing(field, values.is_null().to_numpy() if values.null_count() else None)
        return _stacked(field, values.to_numpy())
    if _is_arrow(values):
        array = _arrow_column(field, values)
        nulls = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
        _no_missing(field, nulls)
        return _stacked(field, array.to_numpy(zero_copy_only=False))
    by_position(field, values, labels)
    return np.atleast_1d(plain_array(field, values))


def by_position(field: str, values: Any, labels: Any = None) -> Any:
    """Return `values` if dropping its labels loses nothing: they are positions, or equal `labels`.

    Looks at the index of a pandas Series or DataFrame, the columns of the latter, and the indexes
    of an xarray DataArray. The columns of polars and Arrow tables always have names.
    """
    if _is(values, "pandas", "Series"):
        _check_labels(field, "index", values.index, labels)
    elif _is(values, "pandas", "DataFrame"):
        _check_labels(field, "index", values.index, labels)
        _check_labels(field, "columns", values.columns, None)
    elif _is(values, "xarray", "DataArray"):
        for name, index in values.indexes.items():
            _check_labels(field, f"coordinate {name!r}", index, labels)
    elif _is(values, "polars", "DataFrame") or hasattr(values, "column_names"):
        raise TypeError(
            f"{field} must be an array, not a {type(values).__name__}, whose column names would be "
            "ignored: give its to_numpy()"
        )
    return values


def key_list(field: str, ids: Any, *, ordered: bool) -> list[Any]:
    """Return ids as a list of Python objects; one str or int is a list of one.

    A set is refused where the ids are given with columns (`ordered`): it has no defined order.
    """
    if ordered and isinstance(ids, (set, frozenset)):
        raise TypeError(f"{field} must be in the order of the jobs' columns, which a set has not")
    if isinstance(ids, (str, bytes)) or not isinstance(ids, Iterable):
        return [ids]
    if isinstance(ids, np.ndarray):
        return list(np.atleast_1d(ids).tolist())
    for convert in ("to_pylist", "to_list", "tolist"):  # of Arrow, of pandas and polars, of others
        if hasattr(ids, convert):
            return list(getattr(ids, convert)())
    return list(ids)


def _is(value: Any, module: str, name: str) -> bool:
    """Return whether it is an object of this class, without importing the module."""
    loaded = sys.modules.get(module)
    kind = getattr(loaded, name, None) if loaded is not None else None
    return isinstance(kind, type) and isinstance(value, kind)


def _is_arrow(value: Any) -> bool:
    return hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__")


def _pyarrow(value: Any) -> Any:
    try:
        import pyarrow
    except ImportError:
        raise TypeError(
            f"reading {type(value).__name__} takes pyarrow; needed that, or {_NEEDED}"
        ) from None
    return pyarrow


def _arrow_table(columns: Any) -> Any:
    arrow = _pyarrow(columns)
    try:
        if hasattr(columns, "__arrow_c_stream__"):
            return arrow.table(columns)
        return arrow.table(arrow.record_batch(columns))
    except (arrow.ArrowException, TypeError, ValueError):
        raise TypeError(
            f"columns must be {_NEEDED}, not {type(columns).__name__} without named columns"
        ) from None


def _arrow_column(field: str, values: Any) -> Any:
    arrow = _pyarrow(values)
    try:
        if isinstance(values, arrow.Array):
            return values
        chunked = isinstance(values, arrow.ChunkedArray)
        chunks = values if chunked else arrow.chunked_array(values)
        return chunks.combine_chunks() if chunks.num_chunks != 1 else chunks.chunk(0)
    except (arrow.ArrowException, TypeError, ValueError, AttributeError):
        raise TypeError(f"{field} must be an array, not {type(values).__name__}") from None


def _exactly(
    names: list[Any], known: tuple[str, ...], get: Any, spare: frozenset[str]
) -> dict[str, Any]:
    _check_names("columns", _without(spare, names, known), known)
    return {name: get(name) for name in known}


def _without(spare: frozenset[str], names: list[Any], known: tuple[str, ...]) -> list[Any]:
    """Return the names but those that are spare and not known; the log says which these are."""
    ignored = [name for name in names if name in spare and name not in known]
    if not ignored:
        return names
    log("columns that this Matcher does not name are ignored: %s", ", ".join(map(repr, ignored)))
    return [name for name in names if name not in ignored]


def _check_names(where: str, names: list[Any], known: tuple[str, ...]) -> None:
    """Check that the names are exactly those known, each once."""
    if set(names) == set(known) and len(names) == len(set(names)):
        return
    needed = ", ".join(map(repr, known)) or "no column"
    for name in known:
        if name not in names:
            found = ", ".join(map(repr, names)) or "no column"
            raise InvalidProblemError(
                f"{where}: {name!r} is missing, found {found}, needed {needed}", name
            )
    for name in names:
        if name not in known:
            raise InvalidProblemError(
                f"{where}: found {name!r}, which is not asked for, needed {needed}",
                str(name),
            )
    twice = next(name for name in names if names.count(name) > 1)
    raise InvalidProblemError(f"{where}: found {twice!r} twice, needed it once", twice)


def _records(
    records: Any, known: tuple[str, ...], spare: frozenset[str]
) -> tuple[dict[str, Any], int]:
    """Return columns of records, each of which has exactly the known names, beside spare ones."""
    try:
        rows = list(records)
    except TypeError:
        raise TypeError(f"columns must be {_NEEDED}, not {type(records).__name__}") from None
    for k, row in enumerate(rows):
        if not (isinstance(row, Mapping) or hasattr(row, "keys")):
            raise TypeError(f"columns must be {_NEEDED}; record {k} is a {type(row).__name__}")
        names = list(row.keys())
        _check_names(f"columns[{k}]", _without(spare, names, known), known)
    return {name: [row[name] for row in rows] for name in known}, len(rows)


def _check_labels(field: str, what: str, index: Any, labels: Any) -> None:
    """Check that the labels are 0 to n - 1 in order, or those given with the values."""
    n = len(index)
    array = index.to_numpy()
    if n == 0 or (array.dtype.kind in "iu" and np.array_equal(array, np.arange(n))):
        return
    found = list(index)
    if labels is not None and len(labels) == n and found == list(labels):
        return
    k = next((k for k in range(n) if found[k] != k), 0)
    raise InvalidProblemError(
        f"{field}: its {what} is not 0 to {n - 1} in order (found {found[k]!r} at {k}), and labels "
        "are ignored: needed rows in order and no labels, as reset_index(drop=True) or "
        "to_numpy() make it",
        field,
        k,
    )


def _extension_nulls(values: Any) -> NDArray[np.bool_] | None:
    """Return where a pandas extension column has NA; NaN in float columns is checked later."""
    if isinstance(values.dtype, np.dtype):
        return None
    return np.asarray(values.isna(), bool)


def _no_missing(field: str, nulls: NDArray[np.bool_] | None) -> None:
    if nulls is not None and nulls.any():
        k = int(nulls.argmax())
        raise InvalidProblemError(f"{field}[{k}]: found no value, needed one", field, k)


def _stacked(field: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return a column of lists of one length as a matrix, any other column unchanged."""
    if array.dtype != object or not len(array) or np.ndim(array[0]) != 1:
        return array
    lengths = [np.size(row) for row in array]
    if min(lengths) != max(lengths):
        k = next(k for k, n in enumerate(lengths) if n != lengths[0])
        raise InvalidProblemError(
            f"{field}[{k}]: found {lengths[k]} values, needed {lengths[0]} as in row 0", field, k
        )
    return np.stack([np.asarray(row) for row in array])
