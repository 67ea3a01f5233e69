"""A ledger's file: one writer at a time, whole lines or none, and a repair that loses no byte.

Writers hold an exclusive lock of the file (flock), readers a shared one. What is appended is on the
disk when `append` returns, or the file is as it was.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ...errors import InvalidProblemError
from ..files.bounded_files import require_regular, sync_folder, write_all, write_whole
from .ledger_entry import Chain, Entry, entry_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["LedgerFile", "LedgerRepair", "repair"]

#: Seconds to wait for the lock of another process.
LOCK_S = 30.0
#: Bytes of the largest ledger that is read: a line has some kilobytes, a batch has two at most.
MOST_BYTES = 1 << 30


class LedgerFile:
    """The file of a ledger, locked while the `with` block runs.

    Parameters
    ----------
    path : path
    write : bool
        Whether the lock is exclusive, so that `append` may be called. The file is then made if it
        is not there, and removed again if the block fails before anything was appended.
    """

    def __init__(self, path: str | Path, *, write: bool = False) -> None:
        self.path = Path(path)
        self._write = write
        self._descriptor = -1
        self._made = False

    def __enter__(self) -> Self:
        """Open and lock the file that has the name at that moment."""
        deadline = time.monotonic() + LOCK_S
        while True:
            try:
                self._open()
            except FileNotFoundError:
                if self._write and self.path.parent.is_dir():
                    continue  # another process, whose first write failed, has just removed it
                raise
            try:
                if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                    raise InvalidProblemError(f"{self.path} is no regular file", "path")
                self._lock(deadline)
                if self._is_current():
                    return self
            except BaseException:
                os.close(self._descriptor)
                raise
            os.close(self._descriptor)  # replaced or removed while we waited for the lock

    def __exit__(self, kind: object, *_: object) -> None:
        """Unlock; after an error, remove a file that was made here and has nothing in it."""
        try:
            if kind is not None and self._made and not os.fstat(self._descriptor).st_size:
                with contextlib.suppress(OSError):
                    self.path.unlink()
        finally:
            os.close(self._descriptor)

    def content(self) -> bytes:
        """Return all bytes of the file."""
        parts, at = [], 0
        while part := os.pread(self._descriptor, 1 << 20, at):
            parts.append(part)
            at += len(part)
        return b"".join(parts)

    def entries(self) -> tuple[Entry, ...]:
        """Return the entries, each line and the chain checked.

        Raises
        ------
        InvalidProblemError
            The first line that is no entry, was changed, or does not follow the one before it.
        """
        try:
            chain = Chain(str(self.path))
            for number, line in _lines(self.content()):
                chain.add(entry_of(line, str(self.path), number))
        except InvalidProblemError as error:
            hint = f"{error} (`gridcompute ledger repair` keeps the lines before it)"
            raise InvalidProblemError(hint, error.field, error.index) from None
        return tuple(chain.entries)

    def content_with(self, entries: Sequence[Entry]) -> bytes:
        """Return what the file would hold once `entries` were appended."""
        held = self.content()
        between = b"\n" if held and not held.endswith(b"\n") else b""
        return held + between + b"".join(entry.line() for entry in entries)

    def append(self, entries: Sequence[Entry]) -> None:
        """Append entries and bring them to the disk; if that fails the file is as it was.

        Raises
        ------
        OSError
            The disk is full, or failed.
        """
        if not entries:
            return
        size = os.fstat(self._descriptor).st_size
        data = b"".join(entry.line() for entry in entries)
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            data = b"\n" + data  # an editor has cut the last line feed off
        try:
            os.lseek(self._descriptor, size, os.SEEK_SET)
            write_all(self._descriptor, data)
            os.fsync(self._descriptor)
        except BaseException:
            os.ftruncate(self._descriptor, size)
            with contextlib.suppress(OSError):
                os.fsync(self._descriptor)
            raise
        if not size:
            sync_folder(Path(os.path.realpath(self.path)).parent)

    def _open(self) -> None:
        # O_NONBLOCK: should a FIFO take the name after the check, to open it must not wait.
        flags = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        flags |= os.O_RDWR if self._write else os.O_RDONLY
        self._made = False
        if self._write:
            try:
                self._descriptor = os.open(self.path, flags | os.O_CREAT | os.O_EXCL, 0o666)
            except FileExistsError:
                pass
            else:
                self._made = True
                return
        self.path.stat()  # a file that is not there is no bad input: FileNotFoundError
        require_regular(self.path, most=MOST_BYTES)
        self._descriptor = os.open(self.path, flags)

    def _lock(self, deadline: float) -> None:
        import fcntl

        kind = fcntl.LOCK_EX if self._write else fcntl.LOCK_SH
        while True:
            try:
                fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EINTR):
                    if self._write:
                        raise
                    return  # a file system without locks can still be read
                if time.monotonic() > deadline:
                    message = f"another process has held its lock for {LOCK_S:g} s"
                    raise TimeoutError(errno.ETIMEDOUT, message, str(self.path)) from None
                time.sleep(0.005)
            else:
                return

    def _is_current(self) -> bool:
        """Return whether the name still belongs to the file that was opened and locked."""
        mine = os.fstat(self._descriptor)
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False
        return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


@dataclasses.dataclass(frozen=True)
class LedgerRepair:
    """The result of a repair; `str` gives it in a line.

    Parameters
    ----------
    path : Path
        The ledger.
    kept : int
        Entries kept: all up to the first that is damaged.
    cut_bytes : int
        Bytes cut off behind them.
    cut_line : int or None
        The first line cut, counted from 1.
    reason : str
        What was wrong with it; empty if nothing was cut.
    cut_to : Path or None
        The file beside the ledger that holds the bytes cut.
    changed : bool
        Whether the file was changed at all; line feeds that were lost are put back without a cut.
    """

    path: Path
    kept: int
    cut_bytes: int
    cut_line: int | None
    reason: str
    cut_to: Path | None
    changed: bool

    def __str__(self) -> str:
        """Return the report in one line."""
        kept = f"{self.path}: {self.kept} entries kept"
        if self.cut_bytes:
            cut = f"{self.cut_bytes} bytes from line {self.cut_line} on cut to {self.cut_to}"
            return f"{kept}, {cut}: {self.reason}"
        return f"{kept}, {'lost line feeds put back' if self.changed else 'nothing to repair'}"


def repair(path: str | Path) -> LedgerRepair:
    """Keep the entries up to the first damaged one; move what follows to a file beside the ledger.

    Entries that stand in one line because the line feed between them was lost are kept as well.
    """
    require_regular(Path(path), most=MOST_BYTES)  # a repair makes no file
    with LedgerFile(path, write=True) as file:
        whole = file.content()
        chain, good, end, cut_line, reason = Chain(str(file.path)), b"", len(whole), None, ""
        for number, start, piece in _objects(whole):
            try:
                chain.add(entry_of(piece, str(file.path), number))
            except InvalidProblemError as error:
                reason, end, cut_line = str(error), start, number + 1
                break
            good += piece.strip() + b"\n"
        cut = whole[end:]
        if good != whole:
            cut_to = _beside(file.path, cut) if cut else None
            try:
                write_whole(file.path, good)
            except BaseException:
                if cut_to is not None:
                    cut_to.unlink()
                raise
    return LedgerRepair(
        path=file.path,
        kept=len(chain.entries),
        cut_bytes=len(cut),
        cut_line=cut_line,
        reason=reason,
        cut_to=cut_to if good != whole else None,
        changed=good != whole,
    )


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each line with its number from 0; a line feed ends a line and nothing else does."""
    lines = content.split(b"\n")
    if not lines[-1]:  # behind the last line feed
        del lines[-1]
    yield from enumerate(lines)


def _objects(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield line, first byte and bytes of each JSON object; several may stand in one line.

    What is no object is yielded as it is, up to the end of its line.
    """
    decoder, at = json.JSONDecoder(), 0
    for number, line in _lines(content):
        text = line.decode("utf-8", "surrogateescape")
        here = 0
        while True:
            try:
                _, stop = decoder.raw_decode(text, here)
            except (ValueError, RecursionError):
                stop = len(text)
            piece = text[here:stop].encode("utf-8", "surrogateescape")
            yield number, at, piece
            at += len(piece)
            here = stop
            if not text[here:].strip():
                break
        at += len(text[here:].encode("utf-8", "surrogateescape")) + 1


def _beside(path: Path, data: bytes) -> Path:
    """Write `data` to a new file beside `path`, brought to the disk, and return its path."""
    number = 1
    while True:
        cut = path.with_name(f"{path.name}.cut-{number}")
        try:
            descriptor = os.open(cut, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileExistsError:
            number += 1
            continue
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
        except BaseException:
            cut.unlink()
            raise
        finally:
            os.close(descriptor)
        return cut
