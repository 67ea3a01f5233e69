"""Files written whole: a full disk or a crash leaves the old content or the new one."""

from __future__ import annotations

import errno
import functools
import io
import os
import secrets
import stat
from pathlib import Path


def create(path: Path, mode: int) -> io.FileIO:
    """Create a file that is not there, within one call of C: an interrupt leaves none open."""
    return io.FileIO(path, "xb", opener=functools.partial(os.open, mode=mode))


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of `data` to a file: a single write may take only a part of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_whole(path: str | Path, *data: bytes | memoryview) -> None:
    """Replace a file by `data`, or leave it as it was if that fails.

    The new content is on the disk under another name before it takes the file's place. A symbolic
    link keeps pointing where it does; a device or a FIFO, which cannot be replaced, is written to.
    """
    path = Path(os.path.realpath(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "No such folder", str(path.parent))
    if path.exists() and not path.is_file():
        path.write_bytes(b"".join(data))
        return
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
    beside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.new")
    try:
        with create(beside, 0o666) as file:
            descriptor = file.fileno()
            if mode is not None:
                os.fchmod(descriptor, mode)
            for part in data:
                write_all(descriptor, part)
            os.fsync(descriptor)
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
