"""Snapshots of a packer: a header, a checksum, then JSON and arrays, written whole."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .._files import write_whole
from .._interrupts import interrupts_shown
from ..errors import GridComputeError, InvalidProblemError
from .columns import ShapeKey
from .templates import Template

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from .pattern_lp import Patterns

__all__ = ["read", "write"]

_MAGIC = b"gridcompute.Packer 2\n"


_Restored = TypeVar("_Restored")


def write(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Write a packer's state, all that its further answers depend on, as JSON and arrays."""
    body = io.BytesIO()
    meta = np.frombuffer(json.dumps(state["meta"]).encode(), np.uint8)
    with interrupts_shown():
        np.savez(body, meta=meta, **state["arrays"])
    data = body.getvalue()
    write_whole(Path(path), _MAGIC + hashlib.sha256(data).digest() + data)


def read(
    path: str | os.PathLike[str],
    restored: Callable[[dict[str, Any], dict[str, NDArray[Any]]], _Restored],
) -> _Restored:
    """Return what `restored` makes of a file's state, or say what is wrong with the file."""
    data = Path(path).read_bytes()
    head = len(_MAGIC) + 32
    if data[: len(_MAGIC)] != _MAGIC:
        raise InvalidProblemError(f"path: found no snapshot of a packer in {path}", "path")
    if hashlib.sha256(data[head:]).digest() != data[len(_MAGIC) : head]:
        raise InvalidProblemError(
            f"path: found a damaged snapshot in {path}: its checksum is another", "path"
        )
    try:
        with np.load(io.BytesIO(data[head:]), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        meta = json.loads(arrays.pop("meta").tobytes())
        return restored(meta, arrays)
    except GridComputeError as error:
        raise InvalidProblemError(
            f"path: found a snapshot of another make: {error}", "path"
        ) from error
    except (KeyError, TypeError, ValueError, IndexError, zipfile.BadZipFile) as error:
        raise InvalidProblemError(
            f"path: found a snapshot of another make: {error!r}", "path"
        ) from error


def template_record(template: Template) -> dict[str, Any]:
    """Return a template as JSON."""
    return {
        "models": template.models,
        "weights": template.weights,
        "items": template.items,
        "states": template.states,
    }


def template_of(record: dict[str, Any]) -> Template:
    """Return the template of its record."""
    return Template(
        tuple(record["models"]),
        dict(record["weights"]),
        tuple((p, k) for p, k in record["items"]),
        tuple(tuple(state) for state in record["states"]),
    )


def pattern_record(patterns: Patterns) -> list[Any]:
    """Return patterns as JSON."""
    return [(group, list(found)) for group, found in patterns.items()]


def patterns_of(record: list[Any]) -> Patterns:
    """Return the patterns of their record, in the same order."""
    return {group: {tuple(map(tuple, p)): None for p in found} for group, found in record}


def shape_key(record: list[Any]) -> ShapeKey:
    """Return a shape of its record."""
    return ShapeKey(*record)
