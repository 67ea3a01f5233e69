"""What a `Matcher` writes to its snapshot, and the way back: every part checked against the others.

A checksum tells that the file is as it was written, not that it is the snapshot of a world: the
core reads jobs, homes and costs without looking, so nothing is built before all of it fits.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import number, whole
from ..costs.kernels import SlotKernel
from ..errors import CostRangeError, InvalidProblemError
from . import snapshot_file as snapshots
from .costs import KernelCosts
from .jobs import job_costs, scalar_or_name

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from ..costs import Kernel
    from .matcher import Matcher

__all__ = ["load", "save"]

_META = {
    "costs", "scalars", "max_moves", "threads", "seed", "ids", "next", "text", "resolution", "reach"
}  # fmt: skip


def save(world: Matcher, path: str | os.PathLike[str]) -> None:
    """Jobs by their columns, homes and pins; costs; prices."""
    native = world._native
    jobs = native.list()
    keys = world._ids.keys(jobs)
    costs, arrays = world._costs.saved()
    arrays |= {
        "homes": native.homes(jobs),
        "pinned": native.pinned(jobs),
        "capacity": world._capacity,
        "closed": world._closed,
        "prices": native.prices(),
    }
    arrays |= {f"column_{n}": c[jobs] if len(c) > 1 else c for n, c in world._columns.items()}
    if not world._text:
        arrays["ids"] = np.array(keys, np.int64)
    scalars = {k: [v] if isinstance(v, str) else repr(v) for k, v in world._scalars.items()}
    meta = {
        "costs": costs,
        "scalars": scalars,
        "max_moves": world._max_moves,
        "threads": world._threads,
        "seed": str(world._seed),
        "ids": keys if world._text else None,
        "next": world._next,
        "text": world._text,
        "resolution": native.resolution,
        "reach": world._reach,
    }
    snapshots.write(path, meta, arrays)


def load(kind: type[Matcher], path: str | os.PathLike[str], kernel: Kernel | None) -> Matcher:
    """The world that `save` wrote; its lists are built by the first round."""
    meta, arrays = snapshots.read(path)
    costs = meta.get("costs")
    _check_kernel(path, costs if isinstance(costs, dict) else {}, kernel)
    try:
        return _built(kind, _Parts(meta, arrays), kernel)
    except CostRangeError as error:
        raise InvalidProblemError(f"{path}: {error}", "path") from None
    except (InvalidProblemError, TypeError) as error:
        field, index = getattr(error, "field", "path"), getattr(error, "index", None)
        raise InvalidProblemError(f"{path}: damaged: {error}", field, index) from None


class _Parts:
    """The parts of a snapshot, each given out once and of the type asked for."""

    def __init__(self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        self.meta, self.arrays = dict(meta), dict(arrays)
        odd = meta.keys() ^ _META
        if odd:
            raise InvalidProblemError(f"found {sorted(meta)}, needed {sorted(_META)}", min(odd))

    def array(self, name: str, dtype: Any, shape: tuple[int | None, ...]) -> NDArray[Any]:
        """An array of this dtype and shape; None is any length."""
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
        """An entry of the JSON of one of these very types (True is no int)."""
        value = self.meta[name]
        if type(value) not in kinds:
            words = " or ".join(k.__name__ for k in kinds)
            raise InvalidProblemError(f"{name}: found {type(value).__name__}, needed {words}", name)
        return value

    def real(self, name: str) -> float:
        """A finite number, 0 or more."""
        value = number(name, self.item(name, float, int), 0.0)
        if not value < math.inf:
            raise InvalidProblemError(f"{name}: found {value}, needed finite, 0 or more", name)
        return value


def _built(kind: type[Matcher], parts: _Parts, kernel: Kernel | None) -> Matcher:
    """The world of these parts, which are all checked before the core is given any job."""
    capacity = parts.array("capacity", np.int64, (None,))
    n = len(capacity)
    costs = _costs(parts, n, kernel)
    seed = parts.item("seed", str)
    most = whole("max_moves", parts.item("max_moves", int), -1, 2**62)
    world = kind(
        capacity,
        cost=costs,
        **_scalars(parts),
        max_moves=None if most < 0 else most,
        threads=parts.item("threads", int) or None,
        seed=int(seed) if seed.isdecimal() and len(seed) <= 20 else -1,
    )
    if world._n_slots != n:
        raise InvalidProblemError(f"costs: found {world._n_slots} classes, needed {n}", "costs")
    closed = parts.array("closed", bool, (n,))
    if (capacity[closed] != 0).any():
        k = int(np.flatnonzero(closed)[capacity[closed] != 0][0])
        raise InvalidProblemError(f"capacity[{k}]: found {capacity[k]}, needed 0", "capacity", k)
    keys = _keys(parts, world)
    homes, pinned = _homes(parts, len(keys), closed)
    prices = parts.array("prices", np.float64, (n,))
    columns, needed = _columns(parts, world, len(keys))
    # The reach of all jobs at once may be above that of the batches they came in.
    reach, resolution = max(parts.real("reach"), needed), parts.real("resolution")
    if parts.arrays:
        name = min(parts.arrays)
        raise InvalidProblemError(f"found an array {name!r} that belongs to nothing", name)

    at = world._ids.intern(keys)
    world._closed, world._reach = closed, reach
    world._size = max(world._size, world._ids.size)
    world._columns = world._longer(world._costs, world._size)
    for name, column in world._columns.items():
        if len(column) > 1:
            column[at] = columns[name]
    world._push()
    # A world that has seen no cost yet has no resolution to keep: the first costs choose it.
    world._native.restore(at, homes, prices, resolution if reach > 0 else 0.0)
    world._native.pin(at[pinned], True)
    return world


def _scalars(parts: _Parts) -> dict[str, Any]:
    """What being left out and a move cost: a number, or the name of a column."""
    found = parts.item("scalars", dict)
    if found.keys() != {"unplaced", "move_cost"}:
        raise InvalidProblemError(f"scalars: found {sorted(found)}", "scalars")
    out: dict[str, Any] = {}
    for name, value in found.items():
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
            out[name] = value[0]
            continue
        try:
            out[name] = scalar_or_name(name, float(value if isinstance(value, str) else "?"))
        except ValueError:
            raise InvalidProblemError(f"{name}: found {value!r}, needed a number", name) from None
    return out


def _keys(parts: _Parts, world: Matcher) -> list[Any]:
    """The ids of the jobs, each once; sets what ids come next."""
    world._text, text = parts.item("text", bool), parts.item("ids", list, type(None))
    following = whole("next", parts.item("next", int), 0, 2**63)
    keys = text if world._text else parts.array("ids", np.int64, (None,)).tolist()
    if world._text is (text is None) or (world._text and {type(k) for k in keys} - {str}):
        raise InvalidProblemError("ids: found ids of another kind than `text` says", "ids")
    if len(set(keys)) != len(keys):
        raise InvalidProblemError("ids: found an id twice, needed each once", "ids")
    if not world._text and keys and max(keys) >= following:
        raise InvalidProblemError(
            f"next: found {following}, needed more than the id {max(keys)}", "next"
        )
    world._next = following
    return list(keys)


def _homes(
    parts: _Parts, n_jobs: int, closed: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """The class of each job and whether it is pinned there; more jobs than slots are allowed."""
    homes = parts.array("homes", np.int32, (n_jobs,))
    pinned = parts.array("pinned", bool, (n_jobs,))
    bad = (homes < -1) | (homes >= len(closed))
    if bad.any():
        k = int(bad.argmax())
        raise InvalidProblemError(
            f"homes[{k}]: found {homes[k]}, needed a class below {len(closed)}, or -1", "homes", k
        )
    if (pinned & (homes < 0)).any():
        k = int((pinned & (homes < 0)).argmax())
        raise InvalidProblemError(f"pinned[{k}]: the job is in no class", "pinned", k)
    open_home = np.append(~closed, False)[homes]  # -1 is the last
    return homes, pinned & open_home  # of a class that was closed, the pin is lifted


def _columns(parts: _Parts, world: Matcher, n: int) -> tuple[dict[str, Any], float]:
    """The jobs' columns by slab name, checked as `add` checks them, and how far costs reach."""
    columns: dict[str, Any] = {}
    for name, blank in world._columns.items():
        shape = (n, *blank.shape[1:]) if len(blank) > 1 else (1,)
        columns[name] = parts.array(f"column_{name}", blank.dtype, shape)
        if len(blank) == 1 and columns[name][0] != blank[0]:
            raise InvalidProblemError(
                f"column_{name}: found {columns[name][0]}, needed {blank[0]}", name
            )
        if name in ("unplaced", "move_cost"):
            job_costs(name, name, columns[name])
    batch, reach = columns, 0.0
    if n and not (isinstance(world._costs, KernelCosts) and not _known(world._costs)):
        wanted = {name: columns[name] for name in world._costs.wanted}
        checked, reach = world._costs.check(wanted, n)
        batch = columns | checked
        reach += world._beside({name: columns[name] for name in ("unplaced", "move_cost")})
    elif n:
        raise InvalidProblemError("dtypes: found none, needed those of the jobs' columns", "dtypes")
    return batch, reach


def _known(costs: KernelCosts) -> bool:
    return bool(costs.dtypes) or not costs.wanted


def _check_kernel(path: Any, meta: dict[str, Any], kernel: Kernel | None) -> None:
    """A kernel is there if and only if the costs are of one, and it is that one."""
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
    """What the constructor takes."""
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
    """The slot side of the formula, every parameter of which has its array or its dtype."""
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
