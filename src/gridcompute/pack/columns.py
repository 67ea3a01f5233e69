"""The columns of nodes and pods, read from any table and checked once; the results of a packer."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._columns import column_of
from .._html import ShownAsText
from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: The largest CPU or memory of a node or a pod, so that sums stay within 64 bits.
MOST = 2**48
NODES = ("cpu_milli", "memory_mib", "gpu", "model")
PODS = ("cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "gpu_spec", "profile")


class ShapeKey(NamedTuple):
    """The demand of a pod, as the columns give it."""

    cpu: int
    memory: int
    gpus: int
    milli: int
    spec: str
    profile: str


def _whole(table: str, name: str, values: Any) -> list[int]:
    """Return a column of integers as a list."""
    if values.ndim != 1:
        raise InvalidProblemError(
            f"{table}.{name}: found {values.ndim} dimensions, needed one value a row", name
        )
    if values.dtype.kind not in "iu":
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            k = int((~np.isfinite(values)).argmax())
            raise InvalidProblemError(
                f"{table}.{name}[{k}]: found {values[k]}, needed a whole number", name, k
            )
        if len(values) == 0:
            return []
        raise TypeError(f"{table}.{name} must be of an integer dtype, not {values.dtype}")
    return values.tolist()  # type: ignore[no-any-return]


def _words(table: str, name: str, values: Any) -> list[str]:
    """Return a column of text as a list; what is missing is the empty text."""
    if values.dtype.kind not in "OUT":
        if values.dtype.kind == "f" and np.isnan(values).all():
            return [""] * len(values)
        raise TypeError(f"{table}.{name} must be text, not {values.dtype}")
    out = []
    for k, value in enumerate(values.tolist()):
        if isinstance(value, str):
            out.append(value)
        elif value is None or value != value:
            out.append("")
        else:
            raise TypeError(f"{table}.{name}[{k}] must be text, not {type(value).__name__}")
    return out


#: The columns of the data frame last read row by row, and where in it `PODS` are.
_last: tuple[Any, tuple[int, ...]] | None = None
_FEW_ROWS = 4


def _row_by_row(frame: Any) -> list[ShapeKey] | None:
    """Return the shapes of a pandas frame of few rows, or None where that is not certain.

    A column at a time costs 15 microseconds a column, more than placing the pod does.
    """
    global _last
    pandas = sys.modules.get("pandas")
    if pandas is None or type(frame) is not pandas.DataFrame or len(frame) > _FEW_ROWS:
        return None
    columns = frame.columns
    if _last is None or not columns.is_(_last[0]):
        names = columns.tolist()
        if len(set(names)) != len(names):
            return None
        _last = columns, tuple(names.index(name) if name in names else -1 for name in PODS)
    at = _last[1]
    if min(at[:4]) < 0:
        return None
    out = []
    for row in frame.to_numpy().tolist():
        numbers = [row[k] for k in at[:4]]
        words = [row[k] if k >= 0 else "" for k in at[4:]]
        if any(type(v) is not int for v in numbers) or any(type(v) is not str for v in words):
            return None
        out.append(ShapeKey(*numbers, *words))
    return out


def shape_keys(frame: Any, table: str = "pods") -> list[ShapeKey]:
    """Return what each pod asks for. Values are checked where a shape is first seen."""
    few = _row_by_row(frame)
    if few is not None:
        return few
    numbers = [_whole(table, name, column_of(table, frame, name)) for name in PODS[:3]]
    n = len(numbers[0])
    milli = column_of(table, frame, "gpu_milli", ())
    spec, profile = column_of(table, frame, "gpu_spec", ()), column_of(table, frame, "profile", ())
    profiles = [""] * n if isinstance(profile, tuple) else _words(table, "profile", profile)
    if isinstance(milli, tuple):  # whole devices, but for contents of templates
        parts = [0 if p or g == 0 else 1000 for g, p in zip(numbers[2], profiles, strict=False)]
    else:
        parts = _whole(table, "gpu_milli", milli)
    specs = [""] * n if isinstance(spec, tuple) else _words(table, "gpu_spec", spec)
    read: Sequence[list[Any]] = (*numbers, parts, specs, profiles)
    for name, values in zip(PODS, read, strict=True):
        if len(values) != n:
            raise InvalidProblemError(
                f"{table}.{name}: found {len(values)} values, needed {n}, one a pod", name
            )
    return list(map(ShapeKey, *read))


def check_shape(table: str, index: int, key: ShapeKey) -> None:
    """Check the values of one pod."""
    numbers = (key.cpu, key.memory, key.gpus, key.milli)
    for name, value, most in zip(PODS, numbers, (MOST, MOST, 2**31 - 1, 1000), strict=False):
        if not 0 <= value <= most:
            raise InvalidProblemError(
                f"{table}.{name}[{index}]: found {value}, needed 0 to {most}", name, index
            )
    where = f"{table}.gpu_milli[{index}]: found {key.milli}"
    if key.profile:
        if key.gpus != 1:
            raise InvalidProblemError(
                f"{table}.num_gpu[{index}]: found {key.gpus}, needed 1 for profile {key.profile!r}",
                "num_gpu",
                index,
            )
        needed = "" if key.milli == 0 else "0, for the profile says what of the device is taken"
    elif key.gpus == 0:
        needed = "" if key.milli == 0 else "0 where num_gpu is 0"
    elif key.gpus == 1:
        needed = "" if key.milli > 0 else "1 to 1000 where num_gpu is 1"
    else:
        needed = "" if key.milli == 1000 else "1000 where num_gpu is 2 or more"
    if needed:
        raise InvalidProblemError(f"{where}, needed {needed}", "gpu_milli", index)


def node_column(frame: Any, name: str, most: int) -> NDArray[np.int64]:
    """Return a column of the nodes as int64, from 0 to `most`."""
    found = _whole("nodes", name, column_of("nodes", frame, name))
    for k, value in enumerate(found):
        if not 0 <= value <= most:
            raise InvalidProblemError(
                f"nodes.{name}[{k}]: found {value}, needed 0 to {most}", name, k
            )
    return np.array(found, np.int64)


def node_models(frame: Any) -> list[str]:
    """Return the model of each node; nodes without devices may have none."""
    return _words("nodes", "model", column_of("nodes", frame, "model"))


#: The requirement that no node met, of nodes that met all earlier ones: by the core's number.
REASONS = ("", "model", "devices", "cpu", "memory")


@dataclass(frozen=True, eq=False)
class Placement:
    """The positions of the pods of one call of `Packer.place`.

    Parameters
    ----------
    first : int
        The id of the first pod; the others' ids follow in order.
    node : ndarray of int32
        The row of each pod's node, or -1 where it was refused.
    devices : ndarray of int64
        The devices of the node that each pod uses, as a bitmask; 0 for none.
    reason : ndarray of int8
        Why a pod was refused, as a position in `REASONS`: 0 it was not.
    moved : dict
        Pods that lie elsewhere than they did before the call, or than this call first put them:
        id -> (node, devices).
    """

    first: int
    node: NDArray[np.int32]
    devices: NDArray[np.int64]
    reason: NDArray[np.int8] = field(repr=False)
    moved: dict[int, tuple[int, int]]

    @property
    def ids(self) -> NDArray[np.int64]:
        """The ids of the pods, for `Packer.release` and `Packer.explain`."""
        return np.arange(self.first, self.first + len(self.node), dtype=np.int64)

    @property
    def device(self) -> NDArray[np.int32]:
        """The lowest-numbered device of each pod, -1 where it uses none."""
        low = self.devices & -self.devices
        out = np.full(len(low), -1, np.int32)
        some = low > 0
        out[some] = np.log2(low[some].astype(np.float64)).astype(np.int32)
        return out

    @property
    def refused(self) -> list[tuple[int, str]]:
        """Ids of refused pods with what no node has, "model", "devices", "cpu" or "memory"."""
        rows = np.flatnonzero(self.reason).tolist()
        return [(self.first + k, REASONS[int(self.reason[k])]) for k in rows]

    def __len__(self) -> int:
        return len(self.node)


@dataclass(frozen=True)
class Explanation(ShownAsText):
    """The reason for a pod's position, or for its refusal.

    Parameters
    ----------
    pod : int
        Its id.
    state : str
        "placed", "refused", "released"; or "past": not placed, and not one of the latest pods, of
        which it is kept whether they were refused or released.
    node : int
        The row of its node, or -1.
    devices : tuple of int
        The devices of the node that it uses.
    cost : float
        What placing it cost in the policy's unit when it was placed: for "price" milli of devices'
        worth that the rest of the node lost, with `charge`.
    charge : float
        The part of the cost that was charged for slots that are reserved.
    runner_up : int
        The next best node then, or -1 where there was no other.
    runner_up_cost : float
        Its cost.
    blocked : tuple of str
        Reserved slots that would be free if the pod were not there.
    lacking : dict
        For a refused pod, how many nodes lack what now, each counted at the first of "model",
        "devices", "cpu", "memory"; "nothing" counts the nodes where it would fit now.
    moves : int
        For a refused pod, how few pods would have to leave one node to make room; -1: unknown.
    moves_node : int
        That node, or -1.
    """

    pod: int
    state: str
    node: int = -1
    devices: tuple[int, ...] = ()
    cost: float = 0.0
    charge: float = 0.0
    runner_up: int = -1
    runner_up_cost: float = 0.0
    blocked: tuple[str, ...] = ()
    lacking: dict[str, int] = field(default_factory=dict)
    moves: int = -1
    moves_node: int = -1

    def __str__(self) -> str:
        """Say it in sentences."""
        if self.state == "released":
            return f"pod {self.pod} was released"
        if self.state == "past":
            return f"pod {self.pod} came too long ago to say whether it was refused or released"
        if self.state == "placed":
            text = f"pod {self.pod} is on node {self.node}"
            if self.devices:
                text += f", device {', '.join(map(str, self.devices))}"
            text += f": cost {self.cost:.1f}"
            if self.charge:
                text += f" ({self.charge:.1f} of it for reserved slots)"
            if self.runner_up >= 0:
                text += f"; next best was node {self.runner_up} at {self.runner_up_cost:.1f}"
            if self.blocked:
                text += f"; without it there would be {', '.join(self.blocked)} more"
            return text
        lacks = ", ".join(f"{n} lack {what}" for what, n in self.lacking.items() if n)
        text = f"pod {self.pod} was refused; of the nodes now {lacks}"
        if self.moves >= 0:
            pods = "pod" if self.moves == 1 else "pods"
            text += f"; moving {self.moves} {pods} off node {self.moves_node} would make room"
        return text
