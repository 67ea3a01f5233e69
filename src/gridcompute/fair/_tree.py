"""Trees given by the parent of each node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidProblemError
from ._inputs import column, read_only

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["children_of", "parent_column", "parents_by_name", "subtree_sum", "top_down"]


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
