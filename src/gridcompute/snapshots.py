"""Files that are whole or are not there: a header, a checksum, then JSON and arrays."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from .errors import InvalidProblemError

__all__ = ["read", "write"]

_MAGIC = b"gridcompute.Matcher\n"
_VERSION = 2


def write(path: str | os.PathLike[str], meta: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Beside the file, flushed to the disk, then renamed over it."""
    body = io.BytesIO()
    np.savez(body, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays)
    data = body.getvalue()
    head = _MAGIC + _VERSION.to_bytes(4, "little") + len(data).to_bytes(8, "little")
    target = Path(path).absolute()
    folder = target.parent
    handle, name = tempfile.mkstemp(prefix=".snapshot-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(head + hashlib.sha256(data).digest() + data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink()
        raise
    if os.name == "posix":  # the rename itself
        entry = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `write` wrote, or an error that says why this is not it."""
    blob = Path(path).read_bytes()
    start = len(_MAGIC)
    if blob[:start] != _MAGIC:
        raise InvalidProblemError(f"{path}: no snapshot of a Matcher", "path")
    version = int.from_bytes(blob[start : start + 4], "little")
    if version != _VERSION:
        raise InvalidProblemError(
            f"{path}: snapshot of version {version}, this library reads {_VERSION}", "path"
        )
    size = int.from_bytes(blob[start + 4 : start + 12], "little")
    data = blob[start + 44 :]
    if len(data) != size:
        raise InvalidProblemError(f"{path}: torn, {len(data)} of {size} bytes", "path")
    if hashlib.sha256(data).digest() != blob[start + 12 : start + 44]:
        raise InvalidProblemError(f"{path}: its checksum does not match its bytes", "path")
    with np.load(io.BytesIO(data), allow_pickle=False) as saved:
        arrays = {name: saved[name] for name in saved.files}
    return json.loads(arrays.pop("meta").tobytes()), arrays
