"""Snapshots of a `Matcher`: what is written, and how it is checked and restored.

A checksum proves that a file is as it was written, not that it is a consistent snapshot. The core
reads jobs, placements and costs without checks of its own, so nothing is built before every part
has been checked against the others. Names in the file are part of its format: ``homes`` are the
placements, ``reach`` is the bound on the magnitude of costs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .. import _snapshot
from .._checks import number, whole
from ..costs.kernels import SlotKernel
from ..errors import InvalidProblemError
from .costs import KernelCosts
from .jobs import check_job_costs, number_or_column
from .state import LiveState

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from ..costs import Kernel
    from .jobs import Keys

S = TypeVar("S", bound=LiveState)  # the class of the Matcher restored

_META = {
    "costs", "scalars", "max_moves", "threads", "seed", "ids", "next", "text", "resolution",
    "reach", "gangs", "slots",
}  # fmt: skip


def save(matcher: LiveState, path: str | os.PathLike[str]) -> None:
    """Write the jobs' columns, placements and pins, the costs, and the prices."""
    native = matcher._native
    jobs = native.live_jobs()
    ids = matcher._ids
    homes = native.placements(jobs)
    if matcher._received != matcher._rounds:  # changes that no caller has: they are made again
        late, before = native.unacknowledged()
        free = ~native.is_pinned(late)
        homes[np.searchsorted(jobs, late[free])] = before[free]
    costs, arrays = matcher._costs.snapshot_parts()
    arrays |= {
        "homes": homes,
        "pinned": native.is_pinned(jobs),
        "capacity": matcher._capacity,
        "closed": matcher._closed,
        "prices": native.prices(),
    }
    gangs, queues = _stored_gangs(matcher)
    arrays |= queues
    arrays |= {f"column_{n}": c[jobs] if len(c) > 1 else c for n, c in matcher._columns.items()}
    if not ids.text:
        arrays["ids"] = ids.numbers(jobs)
    scalars = {k: [v] if isinstance(v, str) else repr(v) for k, v in matcher._scalars.items()}
    meta = {
        "costs": costs,
        "scalars": scalars,
        "max_moves": matcher._max_moves,
        "threads": matcher._threads,
        "seed": str(matcher._seed),
        "ids": ids.keys(jobs) if ids.text else None,
        "next": ids.next,
        "text": ids.text,
        "resolution": native.resolution,
        "reach": matcher._max_abs_cost,
        "gangs": gangs,
        "slots": matcher._slot_names.names,
    }
    _snapshot.write(path, "Matcher", meta, arrays)


def load(kind: type[S], path: str | os.PathLike[str], kernel: Kernel | None) -> S:
    """Return the Matcher that `save` wrote; its first round builds the move index."""
    meta, arrays = _snapshot.read(path, "Matcher")
    costs = meta.get("costs")
    _check_kernel(path, costs if isinstance(costs, dict) else {}, kernel)
    with _snapshot.rebuilding(path):
        return _built(kind, _Parts(meta, arrays), kernel)


class _Parts:
    """The parts of a snapshot, each returned once and checked for the type asked for."""

    def __init__(self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        self.meta, self.arrays = dict(meta), dict(arrays)
        odd = meta.keys() ^ _META
        if odd:
            raise InvalidProblemError(f"found {sorted(meta)}, needed {sorted(_META)}", min(odd))

    def array(self, name: str, dtype: Any, shape: tuple[int | None, ...]) -> NDArray[Any]:
        """Return an array of this dtype and shape; None is any length."""
        array = self.arrays.pop(name, None)
        if array is None:
            raise InvalidProblemError(f"{name} is missing", name)
        fits = len(array.shape) == len(shape) and all(
            want in (None, have) for want, have in zip(shape, array.shape, strict=True)
        )
        if array.dtype != np.dtype(dtype) or not fits:
            raise InvalidProblemError(
                f"{name}: found {array.dtype} of shape {array.shape}, needed {np.dtype(dtype)} of "
                f"shape {shape}",
                name,
            )
        return array

    def item(self, name: str, *kinds: type) -> Any:
        """Return an entry of the JSON of exactly one of these types (True is not an int)."""
        value = self.meta[name]
        if type(value) not in kinds:
            words = " or ".join(k.__name__ for k in kinds)
            raise InvalidProblemError(f"{name}: found {type(value).__name__}, needed {words}", name)
        return value

    def real(self, name: str) -> float:
        """Return a finite number, 0 or more."""
        value = number(name, self.item(name, float, int), 0.0)
        if not value < math.inf:
            raise InvalidProblemError(f"{name}: found {value}, needed finite, 0 or more", name)
        return value


def _built(kind: type[S], parts: _Parts, kernel: Kernel | None) -> S:
    """Return the Matcher of these parts; all are checked before the core gets any job."""
    capacity = parts.array("capacity", np.int64, (None,))
    n = len(capacity)
    costs = _costs(parts, n, kernel)
    seed = parts.item("seed", str)
    most = whole("max_moves", parts.item("max_moves", int), -1, 2**62)
    matcher = kind(
        capacity,
        cost=costs,
        **_scalars(parts),
        **_gangs(parts),
        slots=_slot_names(parts),
        max_moves=None if most < 0 else most,
        threads=parts.item("threads", int) or None,
        seed=int(seed) if seed.isdecimal() and len(seed) <= 20 else -1,
    )
    if matcher._n_slots != n:
        raise InvalidProblemError(f"costs: found {matcher._n_slots} classes, needed {n}", "costs")
    closed = parts.array("closed", bool, (n,))
    if (capacity[closed] != 0).any():
        k = int(np.flatnonzero(closed)[capacity[closed] != 0][0])
        raise InvalidProblemError(f"capacity[{k}]: found {capacity[k]}, needed 0", "capacity", k)
    keys = _keys(parts, matcher)
    homes, pinned = _homes(parts, len(keys), n)
    prices = parts.array("prices", np.float64, (n,))
    columns, needed = _columns(parts, matcher, len(keys))
    # The bound for all jobs together may exceed those of the batches in which they were added.
    bound, resolution = max(parts.real("reach"), needed), parts.real("resolution")
    if parts.arrays:
        name = min(parts.arrays)
        raise InvalidProblemError(f"found an array {name!r} that belongs to nothing", name)

    at = matcher._ids.add(keys)
    matcher._closed, matcher._max_abs_cost = closed, bound
    matcher._size = max(matcher._size, matcher._ids.size)
    matcher._columns = matcher._grow(matcher._costs, matcher._size)
    for name, column in matcher._columns.items():
        if len(column) > 1:
            column[at] = columns[name]
    matcher._sync()
    # Without any cost so far there is no resolution to keep: the first costs choose it.
    matcher._native.restore(at, homes, prices, resolution if bound > 0 else 0.0)
    matcher._native.pin(at[pinned], True)
    return matcher


def _scalars(parts: _Parts) -> dict[str, Any]:
    """Return the costs of being unplaced and of a move: numbers, or names of columns."""
    found = parts.item("scalars", dict)
    if found.keys() != {"unplaced", "move_cost"}:
        raise InvalidProblemError(f"scalars: found {sorted(found)}", "scalars")
    out: dict[str, Any] = {}
    for name, value in found.items():
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
            out[name] = value[0]
            continue
        try:
            out[name] = number_or_column(name, float(value if isinstance(value, str) else "?"))
        except ValueError:
            raise InvalidProblemError(f"{name}: found {value!r}, needed a number", name) from None
    return out


def _stored_gangs(matcher: LiveState) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Return what a snapshot contains of gangs: JSON values, and arrays of the queues."""
    rules = matcher._rules
    if rules is None:
        return None, {}
    fields = {part: [v] if isinstance(v, str) else v for part, v in rules.fields.items()}
    meta: dict[str, Any] = {"fields": fields, "queues": None}
    queues: Any = rules.queues
    if queues is None:
        return meta, {}
    meta["queues"] = {"name": list(queues.name), "parent": list(queues.parent)}
    names: tuple[str, ...] = _QUEUE_ARRAYS
    if queues.types:  # without types the file is as it was before there were any
        meta["queues"]["types"] = list(queues.types)
        names = (*names, *_TYPE_ARRAYS)
    arrays = {f"queue_{name}": np.array(getattr(queues, name)) for name in names}
    if queues.types:
        arrays["slot_types"] = matcher._slot_types.numbers
    return meta, arrays


_QUEUE_ARRAYS = ("guarantee", "limit", "weight", "priority")
_TYPE_ARRAYS = ("guarantee_by_type", "limit_by_type")


def _gangs(parts: _Parts) -> dict[str, Any]:
    """Return the constructor's arguments for gangs."""
    meta = parts.item("gangs", dict, type(None))
    if meta is None:
        return {}
    if meta.keys() != {"fields", "queues"} or not isinstance(meta["fields"], dict):
        raise InvalidProblemError(f"gangs: found {sorted(meta)}", "gangs")
    fields = meta["fields"]
    if fields.keys() != {"demand", "queue", "priority", "preemptible"}:
        raise InvalidProblemError(f"gangs.fields: found {sorted(fields)}", "gangs")
    out: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
            out[name] = value[0]
        elif type(value) is int and not (name == "preemptible" and value not in (0, 1)):
            out[name] = bool(value) if name == "preemptible" else value
        else:
            raise InvalidProblemError(f"gangs.{name}: found {value!r}", "gangs")
    # One priority for all jobs ranks none: only a column does.
    if meta["queues"] is None:
        if out.pop("queue") != 0:
            raise InvalidProblemError("gangs.queue: found a column, and no queues", "gangs")
        return out
    queues = meta["queues"]
    if not isinstance(queues, dict) or queues.keys() - {"types"} != {"name", "parent"}:
        raise InvalidProblemError("gangs.queues: found no names and parents", "gangs")
    if not all(isinstance(values, list) for values in queues.values()):
        raise InvalidProblemError("gangs.queues: found no lists", "gangs")
    n = len(queues["name"])
    arrays: dict[str, Any] = {}
    for name in _QUEUE_ARRAYS:
        array = parts.arrays.get(f"queue_{name}", np.zeros(0))
        whole_numbers = name in ("guarantee", "limit")
        dtype = np.int64 if whole_numbers or array.dtype.kind not in "iuf" else array.dtype
        arrays[name] = parts.array(f"queue_{name}", dtype, (n,))
    from ..fair.queues import Queues  # a package beside this one

    types = queues.get("types")
    by_type, out["slot_types"] = ({}, None) if types is None else _types(parts, types, n)
    names, parents = queues["name"], queues["parent"]
    return out | {"queues": Queues(name=names, parent=parents, **arrays, **by_type)}


def _types(parts: _Parts, types: list[Any], n: int) -> tuple[dict[str, Any], list[str]]:
    """Return what queues are guaranteed of types and limited to, and the type of each class."""
    if not types or len({name for name in types if type(name) is str}) != len(types):
        raise InvalidProblemError("gangs.queues.types: found no names, each once", "gangs")
    by_type = {}
    for name in _TYPE_ARRAYS:
        rows = parts.array(f"queue_{name}", np.int64, (len(types), n))
        by_type[name] = dict(zip(types, rows, strict=True))
    numbers = parts.array("slot_types", np.int32, (None,))
    bad = (numbers < 0) | (numbers >= len(types))
    if bad.any():
        k = int(bad.argmax())
        raise InvalidProblemError(
            f"slot_types[{k}]: found {numbers[k]}, needed a type below {len(types)}", "gangs", k
        )
    return by_type, [types[t] for t in numbers.tolist()]


def _slot_names(parts: _Parts) -> list[str] | None:
    names = parts.item("slots", list, type(None))
    if names is not None and not all(type(name) is str for name in names):
        raise InvalidProblemError("slots: found names that are no text", "slots")
    return None if names is None else list(names)


def _keys(parts: _Parts, matcher: LiveState) -> Keys:
    """Return the ids of the jobs, each once, and set the next id of the Matcher."""
    ids = matcher._ids
    ids.text, text = parts.item("text", bool), parts.item("ids", list, type(None))
    following = whole("next", parts.item("next", int), 0, 2**63)
    keys: Keys = text if ids.text else parts.array("ids", np.int64, (None,))
    if ids.text is (text is None) or (ids.text and {type(k) for k in keys} - {str}):
        raise InvalidProblemError("ids: found ids of another kind than `text` says", "ids")
    if len(set(keys) if ids.text else np.unique(keys)) != len(keys):
        raise InvalidProblemError("ids: found an id twice, needed each once", "ids")
    ids.next = following
    return keys


def _homes(parts: _Parts, n_jobs: int, n_slots: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return placed classes and pins; a class may have more jobs than slots."""
    homes = parts.array("homes", np.int32, (n_jobs,))
    pinned = parts.array("pinned", bool, (n_jobs,))
    bad = (homes < -1) | (homes >= n_slots)
    if bad.any():
        k = int(bad.argmax())
        raise InvalidProblemError(
            f"homes[{k}]: found {homes[k]}, needed a class below {n_slots}, or -1", "homes", k
        )
    if (pinned & (homes < 0)).any():
        k = int((pinned & (homes < 0)).argmax())
        raise InvalidProblemError(f"pinned[{k}]: the job is in no class", "pinned", k)
    return homes, pinned


def _columns(parts: _Parts, matcher: LiveState, n: int) -> tuple[dict[str, Any], float]:
    """Return the jobs' columns, checked as `add` checks them, and a bound on their costs."""
    columns: dict[str, Any] = {}
    for name, empty in matcher._columns.items():
        shape = (n, *empty.shape[1:]) if len(empty) > 1 else (1,)
        columns[name] = parts.array(f"column_{name}", empty.dtype, shape)
        if len(empty) == 1 and columns[name][0] != empty[0]:
            raise InvalidProblemError(
                f"column_{name}: found {columns[name][0]}, needed {empty[0]}", name
            )
        if name in ("unplaced", "move_cost"):
            check_job_costs(name, name, columns[name])
    if matcher._rules is not None:
        matcher._rules.check_stored(columns)
    batch, bound = columns, 0.0
    if n and not (isinstance(matcher._costs, KernelCosts) and not _known(matcher._costs)):
        needed = {name: columns[name] for name in matcher._costs.needed}
        checked, bound = matcher._costs.check(needed, n)
        batch = columns | checked
        bound += matcher._penalty_bound({name: columns[name] for name in ("unplaced", "move_cost")})
    elif n:
        raise InvalidProblemError("dtypes: found none, needed those of the jobs' columns", "dtypes")
    return batch, bound


def _known(costs: KernelCosts) -> bool:
    return bool(costs.dtypes) or not costs.needed


def _check_kernel(path: Any, meta: dict[str, Any], kernel: Kernel | None) -> None:
    """Check that a kernel is given if and only if the costs are those of this kernel."""
    if meta.get("kind") == "kernel":
        if kernel is None or repr(kernel) != meta.get("formula"):
            raise InvalidProblemError(
                f"{path}: its costs are of {meta.get('formula')}, which is code and not in the "
                f"file; found kernel={kernel!r}, needed restore(path, kernel=that one)",
                "kernel",
            )
    elif kernel is not None:
        raise InvalidProblemError(f"{path}: its costs are of no kernel, found one", "kernel")


def _costs(parts: _Parts, n: int, kernel: Kernel | None) -> Any:
    """Return the costs in the form that the constructor accepts."""
    meta = parts.item("costs", dict)
    if kernel is not None:
        return _kernel_costs(parts, meta, n, kernel)
    if meta.get("kind") == "rows" and meta.keys() == {"kind", "name"}:
        if not isinstance(meta["name"], str):
            raise InvalidProblemError("costs: the name of the column is no text", "costs")
        return meta["name"]
    names = meta.get("names")
    if meta.get("kind") != "terms" or not isinstance(names, list) or len(meta) != 2:
        raise InvalidProblemError("costs: found neither terms, rows nor a kernel", "costs")
    for k, pair in enumerate(names):
        right = isinstance(pair, list) and len(pair) == 2
        if not right or not all(v is None or isinstance(v, str) for v in pair):
            raise InvalidProblemError(f"costs.names[{k}]: found no pair of names", "costs", k)
    return [(parts.array(f"table_{k}", float, (None, n)), *pair) for k, pair in enumerate(names)]


def _kernel_costs(parts: _Parts, meta: dict[str, Any], n: int, kernel: Kernel) -> SlotKernel:
    """Return the slot side of the formula; every parameter needs its array or its dtype."""
    fields = {"kind", "formula", "slots", "shared", "dtypes"}
    if meta.keys() != fields or not isinstance(meta["dtypes"], dict):
        raise InvalidProblemError(f"costs: found {sorted(meta)}, needed {sorted(fields)}", "costs")
    names = [p.name for p in kernel.parameters]
    jobs = {name for name in names if name.startswith("job_")}
    own = [name for name in names if name.startswith("slot_")]
    common = [name for name in names if name not in jobs and name not in own]
    if own and sorted(map(str, meta["slots"])) != sorted(own):
        raise InvalidProblemError(f"costs.slots: found {meta['slots']}, needed {own}", "costs")
    if sorted(map(str, meta["shared"])) != sorted(common):
        raise InvalidProblemError(f"costs.shared: found {meta['shared']}, needed {common}", "costs")
    if meta["dtypes"] and meta["dtypes"].keys() != jobs:
        raise InvalidProblemError(f"costs.dtypes: needed those of {sorted(jobs)}", "costs")
    slots, shared, dtypes = {}, {}, {}
    for name in meta["slots"]:
        array = parts.arrays.get(f"slots_{name}", np.zeros(0))
        slots[name] = parts.array(f"slots_{name}", array.dtype, (n,))
    for name in meta["shared"]:
        array = parts.arrays.get(f"shared_{name}", np.zeros(0))
        shared[name] = parts.array(f"shared_{name}", array.dtype, array.shape)
    for name, text in meta["dtypes"].items():
        try:
            dtypes[name] = np.dtype(text if isinstance(text, str) else "?")
        except TypeError:
            raise InvalidProblemError(f"costs.dtypes: found {text!r}", "costs") from None
        if dtypes[name].kind not in "biuf" or dtypes[name].str != text:
            raise InvalidProblemError(f"costs.dtypes: found {text!r}, needed a number's", "costs")
    if not slots:
        raise InvalidProblemError("costs.slots: found none, needed one", "costs")
    return SlotKernel(kernel, slots, shared, dtypes)
