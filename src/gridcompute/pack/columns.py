"""The columns of nodes and pods, read from any table and checked once."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._checks import plain_array
from .._extras import extra
from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["MOST", "NODES", "PODS", "ShapeKey", "column", "node_column", "shape_keys"]

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


def column(table: str, frame: Any, name: str, default: Any = None) -> Any:
    """Return one column of a table as an array; without it `default`, or an error."""
    names: Any
    if isinstance(frame, Mapping):
        names = frame
    elif (hasattr(frame, "columns") and hasattr(frame, "__getitem__") and not _is_arrow(frame)) or (
        hasattr(frame, "columns") and hasattr(frame, "to_numpy")
    ):
        names = frame.columns
    elif _is_arrow(frame):
        with extra("grid"):
            import pyarrow

        frame = frame if isinstance(frame, pyarrow.Table) else pyarrow.table(frame)
        names = frame.column_names
    elif isinstance(frame, np.ndarray) and frame.dtype.names:
        names = frame.dtype.names
    else:
        raise TypeError(
            f"{table} must be columns (a mapping, a data frame or an Arrow table), "
            f"not {type(frame).__name__}"
        )
    if name not in names:
        if default is not None:
            return default
        raise InvalidProblemError(f"{table}: found no column {name!r}, needed one", name)
    values = frame[name]
    if type(values) is np.ndarray:
        return values
    return values.to_numpy() if hasattr(values, "to_numpy") else plain_array(name, values)


def _is_arrow(value: Any) -> bool:
    return hasattr(value, "__arrow_c_stream__")


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
    numbers = [_whole(table, name, column(table, frame, name)) for name in PODS[:3]]
    n = len(numbers[0])
    milli = column(table, frame, "gpu_milli", ())
    spec, profile = column(table, frame, "gpu_spec", ()), column(table, frame, "profile", ())
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
    found = _whole("nodes", name, column("nodes", frame, name))
    for k, value in enumerate(found):
        if not 0 <= value <= most:
            raise InvalidProblemError(
                f"nodes.{name}[{k}]: found {value}, needed 0 to {most}", name, k
            )
    return np.array(found, np.int64)


def node_models(frame: Any) -> list[str]:
    """Return the model of each node; nodes without devices may have none."""
    return _words("nodes", "model", column("nodes", frame, "model"))
