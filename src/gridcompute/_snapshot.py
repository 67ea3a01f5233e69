"""Snapshots: files written completely or not at all, a header, a checksum, then JSON and arrays.

A file is ``magic, version (4 bytes), size (8), SHA-256 of the body (32), body``, and the body an
uncompressed npz archive: the entry ``meta`` holds JSON as UTF-8, each other entry one array.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import secrets
import stat
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ._files import create, sync_folder, write_all
from ._interrupts import interrupts_shown
from .errors import GridComputeError, InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Iterator

fcntl: Any
try:
    import fcntl
except ImportError:  # without file locks, files that killed processes left are not removed
    fcntl = None

_VERSION = 4
_KINDS = "biuf"  # of arrays: bool, integers, floats
_MOST_DIMENSIONS = 8


def _magic(kind: str) -> bytes:
    return f"gridcompute.{kind}\n".encode("ascii")


def write(
    path: str | os.PathLike[str], kind: str, meta: dict[str, Any], arrays: dict[str, Any]
) -> None:
    """Write a temporary file in the same folder, flush it to the disk, and rename it to `path`.

    Links are followed. A target that exists and is not a regular file is an `OSError`. Temporary
    files that killed processes left in the folder are removed.
    """
    body = io.BytesIO()
    with interrupts_shown():
        np.savez(body, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays)
    data = body.getvalue()
    head = _magic(kind) + _VERSION.to_bytes(4, "little") + len(data).to_bytes(8, "little")
    target = Path(os.path.realpath(path))
    mode = _mode_of(path, target)
    _remove_abandoned(target.parent)
    data = head + hashlib.sha256(data).digest() + data
    while not _replaced(target, mode, data):
        pass
    if os.name == "posix":  # the rename itself
        sync_folder(target.parent)


def read(path: str | os.PathLike[str], kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return JSON and arrays of a file of `write`; any other file is an InvalidProblemError.

    A checksum proves that a file is as it was written, not that its parts fit each other: what is
    built of them is built within `rebuilding`.
    """
    blob = _bytes_of(path)
    start = len(_magic(kind))
    if blob[:start] != _magic(kind):
        raise InvalidProblemError(f"{path}: no snapshot of a {kind}", "path")
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
    with rebuilding(path):
        arrays = _arrays(data)
        meta = json.loads(arrays.pop("meta").tobytes())
    if not isinstance(meta, dict):
        raise InvalidProblemError(f"{path}: damaged: its JSON is no object", "path")
    return meta, arrays


@contextmanager
def rebuilding(path: str | os.PathLike[str]) -> Iterator[None]:
    """Raise what parts of a snapshot that do not fit each other cause as an InvalidProblemError."""
    try:
        yield
    except GridComputeError as error:
        field, index = getattr(error, "field", "path"), getattr(error, "index", None)
        raise InvalidProblemError(f"{path}: damaged: {error}", field, index) from None
    except KeyError as error:
        raise InvalidProblemError(f"{path}: damaged: {error} is missing", "path") from None
    # Exceptions of a damaged archive, array header or JSON text; deep JSON exhausts the recursion.
    except (ValueError, IndexError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise InvalidProblemError(f"{path}: damaged: {error}", "path") from None
    except (RuntimeError, SyntaxError, TypeError, OverflowError) as error:
        raise InvalidProblemError(f"{path}: damaged: {error}", "path") from None


def _arrays(data: bytes) -> dict[str, Any]:
    """Return the arrays of an npz archive of uncompressed entries, each of a plain dtype."""
    arrays: dict[str, Any] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            if name in arrays or name == entry.filename:
                raise ValueError(f"entry {entry.filename!r} is no array, or there twice")
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > len(data):
                raise ValueError(f"entry {entry.filename!r} is compressed")
            arrays[name] = _array(name, archive.read(entry))
    return arrays


def _array(name: str, blob: bytes) -> np.ndarray[Any, Any]:
    """An array of the npy format, whose header says exactly what follows it."""
    stream = io.BytesIO(blob)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError(f"array {name!r}: needed version 1.0 of the npy format")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    plain = dtype.kind in _KINDS and dtype.names is None and dtype.subdtype is None
    if not plain or dtype.itemsize > 8 or not dtype.isnative:
        raise ValueError(f"array {name!r}: found {dtype}, needed plain numbers")
    sizes = all(type(n) is int and n >= 0 for n in shape)
    if not sizes or len(shape) > _MOST_DIMENSIONS:
        raise ValueError(f"array {name!r}: found shape {shape}")
    count, left = 1, blob[stream.tell() :]
    for n in shape:
        count *= n
    if count * dtype.itemsize != len(left):
        raise ValueError(f"array {name!r}: found {len(left)} bytes, needed {shape} of {dtype}")
    array = np.frombuffer(left, dtype).reshape(shape, order="F" if fortran else "C").copy("C")
    if dtype.kind == "b" and (array.view(np.uint8) > 1).any():
        raise ValueError(f"array {name!r}: found a byte that is neither True nor False")
    return array


def _bytes_of(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a regular file; a pipe or a device may have no end."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise InvalidProblemError(f"{path}: found no regular file, needed one", "path")
        return file.read()


def _mode_of(path: str | os.PathLike[str], target: Path) -> int:
    """Return the permissions of the file to be replaced, 0600 if there is none."""
    try:
        found = target.lstat()
    except FileNotFoundError:
        return 0o600
    if stat.S_ISREG(found.st_mode):
        return stat.S_IMODE(found.st_mode)
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFLNK: "a link in a circle",
        stat.S_IFIFO: "a pipe",
        stat.S_IFCHR: "a character device",
        stat.S_IFBLK: "a block device",
        stat.S_IFSOCK: "a socket",
    }
    kind = kinds.get(stat.S_IFMT(found.st_mode), "something else")
    code = errno.EISDIR if stat.S_ISDIR(found.st_mode) else errno.EINVAL
    raise OSError(code, f"found {kind}, needed a regular file to replace, or none", str(path))


# Prefix of temporary files. They are locked while they are written: one without a lock was left by
# a process that ended, and the next write in its folder removes it.
_PREFIX = ".gridcompute-snapshot-"


def _replaced(target: Path, mode: int, data: bytes) -> bool:
    """Replace the target by a locked file beside it; False where that was taken for abandoned."""
    name = target.with_name(_PREFIX + secrets.token_hex(8))
    try:
        with create(name, 0o600) as file:
            handle = file.fileno()
            _lock(handle)
            if os.fstat(handle).st_nlink == 0:  # removed by another process before the lock
                return False
            os.fchmod(handle, mode)
            write_all(handle, data)
            os.fsync(handle)
            name.replace(target)
            return True
    except BaseException:
        name.unlink(missing_ok=True)
        raise


def _lock(handle: int, *, wait: bool = True) -> bool:
    """Lock the open file; False if another process has the lock or there are no locks."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _remove_abandoned(folder: Path) -> None:
    """Remove temporary files that no process is writing."""
    if fcntl is None:
        return
    for name in folder.glob(_PREFIX + "*"):
        try:
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue  # removed meanwhile, or not readable
        try:
            if stat.S_ISREG(os.fstat(handle).st_mode) and _lock(handle, wait=False):
                name.unlink(missing_ok=True)
        finally:
            os.close(handle)
