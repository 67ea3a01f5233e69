"""Files read with bounds and written whole: what a folder holds may be anything; disks fill up."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from ..._files import sync_folder, write_all, write_whole
from ...errors import InvalidProblemError

if TYPE_CHECKING:
    from pathlib import Path

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
