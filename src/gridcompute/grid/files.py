"""Files read with bounds and written whole: what a folder holds may be anything; disks fill up."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from ..errors import InvalidProblemError

__all__ = ["read_bytes", "require_regular", "sync_folder", "write_all", "write_whole"]

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}


def require_regular(path: Path, *, most: int) -> int:
    """Return the size in bytes of a regular file of at most `most` bytes.

    The file is not opened: to open a FIFO waits for its other end, and to open a device may act.

    Raises
    ------
    InvalidProblemError
        It is not there, is no regular file, or is too large.
    """
    name = path.name
    try:
        found = path.stat()
    except FileNotFoundError:
        message = f"{path} is not there, needed a file"
        raise InvalidProblemError(message, name) from None
    except NotADirectoryError:
        message = f"{path} is not there, {path.parent} is no folder"
        raise InvalidProblemError(message, name) from None
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise InvalidProblemError(f"{path}: found {kind}, needed a regular file", name)
    if found.st_size > most:
        message = f"{path}: found {found.st_size} bytes, needed at most {most}"
        raise InvalidProblemError(message, name)
    return found.st_size


def read_bytes(path: Path, *, most: int) -> bytes:
    """Return the content of a regular file of at most `most` bytes, as `require_regular` has it."""
    require_regular(path, most=most)
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:  # it has grown since
        raise InvalidProblemError(f"{path}: found more than {most} bytes", path.name)
    return data


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data` to a file: a single write may take only a part of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_whole(path: str | Path, data: bytes) -> None:
    """Replace a file by `data`, or leave it as it was if that fails.

    The new content is on the disk under another name before it takes the file's place. A symbolic
    link keeps pointing where it does; a device or a FIFO, which cannot be replaced, is written to.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
    beside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            if mode is not None:
                os.fchmod(descriptor, mode)
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names of a folder's files to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
