"""What a `Matcher` writes to its snapshot, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import snapshots
from .costs.kernels import SlotKernel
from .errors import InvalidProblemError

if TYPE_CHECKING:
    import os

    from .costs import Kernel
    from .matcher import Matcher

__all__ = ["load", "save"]


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
    scalars = {k: v[0] if isinstance(v, list) else float(v) for k, v in meta["scalars"].items()}
    world = kind(
        arrays["capacity"],
        cost=_costs(path, meta["costs"], arrays, kernel),
        unplaced=scalars["unplaced"],
        move_cost=scalars["move_cost"],
        max_moves=None if meta["max_moves"] < 0 else meta["max_moves"],
        threads=meta["threads"] or None,
        seed=int(meta["seed"]),
    )
    world._closed, world._next = arrays["closed"], meta["next"]
    world._text, world._reach = meta["text"], meta["reach"]
    at = world._ids.intern(meta["ids"] if world._text else arrays["ids"].tolist())
    world._size = max(world._size, world._ids.size)
    world._columns = world._longer(world._costs, world._size)
    for name, column in world._columns.items():
        if len(column) > 1:
            column[at] = arrays[f"column_{name}"][: len(at)]
    world._push()
    # A world that has seen no cost yet has no resolution to keep: the first costs choose it.
    resolution = meta["resolution"] if world._reach > 0 else 0.0
    world._native.restore(at, arrays["homes"], arrays["prices"], resolution)
    world._native.pin(at[arrays["pinned"]], True)
    return world


def _costs(path: Any, meta: dict[str, Any], arrays: dict[str, Any], kernel: Kernel | None) -> Any:
    """What the constructor takes."""
    if meta["kind"] == "kernel":
        if kernel is None or repr(kernel) != meta["formula"]:
            raise InvalidProblemError(
                f"{path}: its costs are of {meta['formula']}, which is code and not in the file; "
                f"found kernel={kernel!r}, needed restore(path, kernel=that one)",
                "kernel",
            )
        slots = {name: arrays[f"slots_{name}"] for name in meta["slots"]}
        shared = {name: arrays[f"shared_{name}"] for name in meta["shared"]}
        dtypes = {name: np.dtype(d) for name, d in meta["dtypes"].items()}
        return SlotKernel(kernel, slots, shared, dtypes)
    if kernel is not None:
        raise InvalidProblemError(f"{path}: its costs are of no kernel, found one", "kernel")
    if meta["kind"] == "rows":
        return meta["name"]
    return [(arrays[f"table_{k}"], *names) for k, names in enumerate(meta["names"])]
