"""Columns and trees as the functions of `fair` read them: one dimension, exact, checked once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from .._columns import column_values
from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: The largest integer of the arrays that are returned.
LARGEST = 2**63 - 1


def column(
    field: str,
    values: Any,
    n: int | None,
    name: str,
    *,
    infinite: bool = False,
    integers: bool = False,
    least: float | None = 0,
) -> NDArray[Any]:
    """Return numbers of shape (n,): int64, uint64 or float64; a scalar is repeated.

    A pandas or polars Series, an Arrow array and a list pass as well. NaN is refused, infinity
    where not `infinite`, a number below `least`, and a real one where `integers` are needed.
    """
    array = column_values(field, values) if np.ndim(values) else np.asarray(values)
    if array.dtype.kind not in ("iu" if integers else "iuf") or array.dtype.itemsize > 8:
        if array.size or isinstance(values, np.ndarray):
            kind = "an integer dtype" if integers else "int or float of at most 64 bits"
            found = _beyond(array) or str(array.dtype)
            raise TypeError(f"{field} must be of {kind}, not {found}")
        array = array.astype(np.int64)
    if array.ndim == 0 and n is not None:
        array = np.full(n, array)
    if array.ndim != 1 or (n is not None and len(array) != n):
        size = f" = ({n},)" if n is not None else ""
        raise InvalidProblemError(
            f"{field}: found shape {array.shape}, needed ({name},){size}", field
        )
    if array.dtype.kind == "f":
        array = array.astype(np.float64)
    elif array.dtype != np.uint64:
        array = array.astype(np.int64)
    bad = np.isnan(array) if array.dtype.kind == "f" else np.zeros(len(array), np.bool_)
    if least is not None:
        bad = bad | ~(array >= least)
    if not infinite and array.dtype.kind == "f":
        bad = bad | np.isinf(array)
    if bad.any():
        k = int(bad.argmax())
        kind = "an integer" if integers else "a number" if infinite else "a finite number"
        range_ = f" of at least {least:g}" if least is not None else ""
        raise InvalidProblemError(
            f"{field}[{k}]: found {array[k]}, needed {kind}{range_}", field, k
        )
    return array


def at_most_int64(values: NDArray[Any]) -> NDArray[np.int64]:
    """Return integers of 0 or more as int64; larger ones, which nothing can reach, as the largest.

    numpy compares int64 with uint64 in doubles, so the two are never mixed.
    """
    if values.dtype == np.uint64:
        values = np.minimum(values, np.uint64(LARGEST))
    return values.astype(np.int64)


def count_of(*columns: Any) -> int:
    """Return how long the first of some columns is that is no scalar; 1 if all are."""
    for values in columns:
        if values is not None and np.ndim(values):
            return len(values)
    return 1


def _beyond(array: NDArray[Any]) -> str | None:
    """Return what an array of objects holds, if that is an integer of more than 64 bits."""
    if array.dtype != object:
        return None
    for value in array.flat:
        if type(value) is int and not -LARGEST - 1 <= value <= LARGEST:
            return f"integers beyond 64 bits ({value})"
    return None


def real(field: str, value: Any) -> int | float:
    """Return a finite number of at least 0: an int of any size, or a float."""
    if isinstance(value, (bool, np.bool_, str, bytes)) or np.ndim(value):
        raise TypeError(f"{field} must be a number, not {type(value).__name__}")
    if isinstance(value, (int, np.integer)):
        whole = int(value)
        if whole < 0:
            raise InvalidProblemError(f"{field}: found {whole}, needed 0 or more", field)
        return whole
    number = _checks.number(field, value, 0.0)
    if number == math.inf:
        raise InvalidProblemError(f"{field}: found inf, needed a finite number", field)
    return number


def shift_of(*values: NDArray[Any] | float) -> int:
    """Return the least s such that each finite value times 2**s is an integer."""
    most = 1
    for given in values:
        array = np.atleast_1d(np.asarray(given))
        if array.dtype.kind != "f":
            continue
        fractional = array[np.isfinite(array) & (array != np.floor(array))]
        for value in fractional.tolist():
            most = max(most, value.as_integer_ratio()[1])
    return most.bit_length() - 1


def exact_integers(values: NDArray[Any], shift: int) -> list[int | None]:
    """Return each value times 2**shift as a Python int; None where it is infinite."""
    if values.dtype.kind != "f":
        return [int(v) << shift for v in values.tolist()]
    out: list[int | None] = []
    for value in values.tolist():
        if math.isinf(value):
            out.append(None)
            continue
        numerator, denominator = value.as_integer_ratio()
        out.append((numerator << shift) // denominator)
    return out


def to_float(value: int, shift: int) -> float:
    """Return value / 2**shift as the nearest double; inf beyond them."""
    try:
        return value / (1 << shift)
    except OverflowError:
        return math.inf


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array, made read-only."""
    array.flags.writeable = False
    return array


def parent_column(field: str, parent: Any, n: int) -> NDArray[np.int64]:
    """Return the parent of each of n nodes, -1 for a root; a node out of range is refused."""
    array = column(field, parent, n, "n_queues", integers=True, least=-1).astype(np.int64)
    if n and array.max() >= n:
        k = int((array >= n).argmax())
        raise InvalidProblemError(
            f"{field}[{k}]: found {array[k]}, needed -1 (a root) or a queue below {n}", field, k
        )
    return array


def parents_by_name(
    field: str, names: Sequence[str], parent: Sequence[str | None]
) -> NDArray[np.int64]:
    """Return the parent of each node as an index, from its name; None is a root."""
    index = {name: k for k, name in enumerate(names)}
    out = np.full(len(names), -1, np.int64)
    for k, name in enumerate(parent):
        if name is not None:
            if name not in index:
                raise InvalidProblemError(
                    f"{field}[{k}]: found {name!r}, needed the name of a node, or None", field, k
                )
            out[k] = index[name]
    return out


def top_down(field: str, parent: NDArray[np.int64]) -> list[int]:
    """Return all nodes, each after its parent, by depth and then by index; cycles are refused."""
    children = children_of(parent)
    order = np.flatnonzero(parent < 0).tolist()
    for node in order:  # grows while it is read
        order.extend(children.get(node, ()))
    if len(order) < len(parent):
        reached = np.zeros(len(parent), np.bool_)
        reached[order] = True
        k = int((~reached).argmax())
        trail: list[int] = []
        while k not in trail:
            trail.append(k)
            k = int(parent[k])
        trail = trail[trail.index(k) :]
        text = " -> ".join(map(str, [*trail, k]))
        raise InvalidProblemError(
            f"{field}[{k}]: found the cycle {text}, needed a tree, where each node leads to a root",
            field,
            k,
        )
    return order


def children_of(parent: NDArray[np.int64]) -> dict[int, list[int]]:
    """Return the children of each node that has some, ascending."""
    out: dict[int, list[int]] = {}
    for node, above in enumerate(parent.tolist()):
        if above >= 0:
            out.setdefault(above, []).append(node)
    return out


def subtree_sum(values: Any, parent: Any) -> NDArray[Any]:
    """Add up `values` from the leaves to the roots: each node's own and all below it.

    Parameters
    ----------
    values : int or float array, shape (n_queues,)
        What each queue has itself, for example the requests of its own jobs.
    parent : int array, shape (n_queues,)
        The queue above each; -1 = a root.

    Returns
    -------
    int64 or float64 array, shape (n_queues,)

    Raises
    ------
    InvalidProblemError
        A parent out of range, or a cycle; a sum of integers beyond int64.

    Notes
    -----
    `divide` takes the request of an inner queue as it is given. KAI asks for the requests of all
    jobs below it: this function computes them.

    Examples
    --------
    >>> from gridcompute import fair
    >>> fair.subtree_sum([0, 5, 3], [-1, 0, 0])
    array([8, 5, 3])
    """
    array = column("values", values, None, "n_queues", infinite=True)
    above = parent_column("parent", parent, len(array))
    order = top_down("parent", above)
    out = array.tolist()
    for node in reversed(order):
        if above[node] >= 0:
            out[above[node]] += out[node]
    if array.dtype.kind == "f":
        return read_only(np.array(out, np.float64))
    for k, value in enumerate(out):
        if value > 2**63 - 1:
            raise InvalidProblemError(
                f"values[{k}]: found a sum of {value}, needed at most 2**63 - 1", "values", k
            )
    return read_only(np.array(out, np.int64))
