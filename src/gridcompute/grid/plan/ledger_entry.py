"""A ledger: lines that are chained by hashes, and the file that holds them.

A line is one JSON object in canonical form (RFC 8785), says its version, is hashed as it is
written, and ends in a line feed; nothing else ends a line.

The file has one writer at a time, whole lines or none, and a repair that loses no byte.

Writers hold an exclusive lock of the file (flock), readers a shared one. What is appended is on the
disk when `append` returns, or the file is as it was.
"""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import datetime
import errno
import hashlib
import itertools
import json
import math
import os
import re
import stat
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ..._checks import EXACT
from ..._files import sync_folder, write_all, write_whole
from ...errors import InvalidProblemError
from ..files.json_text import canonical, number_text, parse
from ..files.table_files import require_regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: The hash that the first line of a ledger has as that of the line before.
GENESIS = "0" * 64
#: The version of a line's form; lines of another one are refused.
VERSION = 3
#: Energy of each site, kWh.
_ENERGY = ("load_kwh", "green_kwh", "certificate_kwh")
#: A time in UTC; as all have this form, the order of the texts is that of the times.
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One line: the plan of a batch ("plan"), or its metered energy ("meter").

    Parameters
    ----------
    batch : str
    kind : "plan" or "meter"
    sites : tuple of str
    load_kwh, green_kwh, certificate_kwh : tuple of float (n_sites,), kWh
        Finite and >= 0.
    serials : tuple of str
        Certificates retired, each once in the life of a ledger.
    intervals : tuple of (str, str)
        Begin and end of what it covers, in UTC, in order and apart: ``2026-06-01T00:00:00Z``. A
        batch without a date has none.
    bundles : tuple of (str, int, int)
        Certificates used: the issuance, the first and the last id. Each once in the life of a
        ledger, but a meter reading may repeat those of its batch.
    previous : str
        The hash of the line before, in hexadecimal.
    hash : str
        The SHA-256 of this line without its hash.
    version : int
        Of the line's form.
    """

    batch: str
    kind: str
    sites: tuple[str, ...]
    load_kwh: tuple[float, ...]
    green_kwh: tuple[float, ...]
    certificate_kwh: tuple[float, ...]
    serials: tuple[str, ...]
    intervals: tuple[tuple[str, str], ...]
    bundles: tuple[tuple[str, int, int], ...]
    previous: str
    hash: str
    version: int = VERSION

    @classmethod
    def after(cls, previous: str, **content: Any) -> Entry:
        """Return a new entry chained to the hash of the one before."""
        entry = cls(**content, previous=previous, hash="")
        if entry.fault is not None:
            raise InvalidProblemError(f"ledger entry: {entry.fault}", "ledger")
        return dataclasses.replace(entry, hash=entry.digest)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the content in hexadecimal, the hash left out."""
        content = {k: v for k, v in dataclasses.asdict(self).items() if k != "hash"}
        return hashlib.sha256(canonical(content)).hexdigest()

    def sound(self) -> bool:
        """Return whether the hash belongs to the content."""
        return self.digest == self.hash

    def line(self) -> bytes:
        """Return the entry as one line of the file, its line feed included."""
        return canonical(dataclasses.asdict(self)) + b"\n"

    @cached_property
    def fault(self) -> str | None:
        """The first value of a wrong type or range: which, what was found and what was needed."""

        def fault(name: str, found: object, needed: str) -> str:
            return f"{name}: found {found!r}, needed {needed}"

        if isinstance(self.version, bool) or self.version != VERSION:
            return fault("version", self.version, f"{VERSION}, the one this library reads")
        for name in ("batch", "previous", "hash"):
            if not _is_text(getattr(self, name)):
                return fault(name, getattr(self, name), "text")
        if self.kind not in ("plan", "meter"):
            return fault("kind", self.kind, "'plan' or 'meter'")
        for name in ("sites", "serials"):
            values = getattr(self, name)
            if not isinstance(values, tuple):
                return fault(name, values, "a row of texts")
            seen = set[str]()
            for i, value in enumerate(values):
                if not _is_text(value) or value in seen:
                    return fault(f"{name}[{i}]", value, "text, each once")
                seen.add(value)
        for name in _ENERGY:
            values = getattr(self, name)
            if not isinstance(values, tuple) or len(values) != len(self.sites):
                found = f"{len(values)} values" if isinstance(values, tuple) else values
                return fault(name, found, f"{len(self.sites)}, one for each site")
            for i, value in enumerate(values):
                if not _is_energy(value):
                    return fault(f"{name}[{i}]", value, "a finite number >= 0 (kWh)")
        for name, form, needed in (
            ("intervals", _is_interval, "a begin and a later end like '2026-06-01T00:00:00Z'"),
            ("bundles", _is_range, "an issuance, its first id and its last, 0 <= first <= last"),
        ):
            values = getattr(self, name)
            if not isinstance(values, tuple):
                return fault(name, values, f"a row, each {needed}")
            for i, value in enumerate(values):
                if not form(value):
                    return fault(f"{name}[{i}]", value, needed)
        for i, (before, after) in enumerate(itertools.pairwise(self.intervals)):
            if after[0] < before[1]:
                return fault(f"intervals[{i + 1}]", after, f"none before the end of {before}")
        for used, more in itertools.pairwise(sorted(self.bundles)):
            if more[0] == used[0] and more[1] <= used[2]:
                at = len(self.bundles) - 1 - self.bundles[::-1].index(more)
                return fault(f"bundles[{at}]", more, f"no id that is in {used}")
        return None


def entry_of(line: bytes, where: str, index: int) -> Entry:
    """Return the entry of one line, which ends before its line feed; content and hash are checked.

    Raises
    ------
    InvalidProblemError
        What is wrong with the line; `where` is the file, `index` counts its lines from 0.
    """
    place = f"{where} line {index + 1}"
    if not line.strip():
        raise InvalidProblemError(f"{place}: found an empty line, needed an entry", "path", index)
    try:
        content = parse(line, place)
    except InvalidProblemError as error:
        raise InvalidProblemError(f"{error}: no ledger entry", "path", index) from None
    if not isinstance(content, dict):
        found = type(content).__name__
        raise InvalidProblemError(f"{place}: found a {found}, needed an entry", "path", index)
    version = content.get("version")
    if isinstance(version, bool) or version != VERSION:
        found = f"version {version!r}" if "version" in content else "no version"
        message = f"{place}: found {found}, needed {VERSION}: no ledger entry"
        raise InvalidProblemError(message, "path", index)
    names = [field.name for field in dataclasses.fields(Entry)]
    for wrong, needed in (
        (set(content) - set(names), "no other than " + ", ".join(names)),
        (set(names) - set(content), "all of " + ", ".join(names)),
    ):
        if wrong:
            key = min(wrong)
            found = f"found {'an unknown' if key in content else 'no'} key {key!r}, needed {needed}"
            raise InvalidProblemError(f"{place}: {found}: no ledger entry", "path", index)
    values = {k: _tuples(v) for k, v in content.items()}
    for name in _ENERGY:
        if isinstance(values[name], tuple):
            values[name] = tuple(_double(x) for x in values[name])
    entry = Entry(**values)
    if entry.fault is not None:
        raise InvalidProblemError(f"{place}: {entry.fault}", "path", index)
    return entry


class Chain:
    """Entries accepted one by one, each of which must continue those before it.

    An entry follows the hash of the one before, has a hash of its own content, plans a batch that
    was not planned before or meters one that was, retires no certificate a second time, and shares
    no time of a site and no id of a bundle with another batch.

    Parameters
    ----------
    where : str
        What messages call the row of entries.
    """

    def __init__(self, where: str) -> None:
        self.entries: list[Entry] = []
        self._where = where
        self._planned: dict[str, Entry] = {}
        self._retired: set[str] = set()
        self._covered, self._used = _Spans(), _Spans()

    def add(self, entry: Entry) -> None:
        """Accept the next entry, or raise InvalidProblemError and stay as before."""
        where, i = self._where, len(self.entries)
        if (fault := entry.fault) is not None:
            raise InvalidProblemError(f"{where}[{i}].{fault}", where, i)
        previous = self.entries[-1].hash if self.entries else GENESIS
        if entry.previous != previous:
            message = f"{where}[{i}] follows {entry.previous[:12]}..., needed {previous[:12]}...: "
            raise InvalidProblemError(message + "an entry is missing or moved", where, i)
        if not entry.sound():
            raise InvalidProblemError(
                f"{where}[{i}] was changed: its hash is not its own", where, i
            )
        plan = self._planned.get(entry.batch)
        if entry.kind == "plan" and plan is not None:
            message = f"{where}[{i}].batch: found {entry.batch!r} a second time, needed a new batch"
            raise InvalidProblemError(message, where, i)
        if entry.kind == "meter" and (plan is None or plan.sites != entry.sites):
            needed = "a planned batch to meter" if plan is None else "the sites of its plan"
            message = f"{where}[{i}].batch: found {entry.batch!r}, needed {needed}"
            raise InvalidProblemError(message, where, i)
        for k, serial in enumerate(entry.serials):
            if serial in self._retired:
                message = f"{where}[{i}].serials[{k}]: certificate {serial} has been retired before"
                raise InvalidProblemError(message, where, i)
        if plan is not None and plan.intervals != entry.intervals:
            message = f"{where}[{i}].intervals: found {entry.intervals}, needed {plan.intervals}, "
            raise InvalidProblemError(message + "those of its plan", where, i)
        times = [(site, *interval) for interval in entry.intervals for site in entry.sites]
        ids: list[tuple[str, Any, Any]] = [(key, a, b + 1) for key, a, b in entry.bundles]
        for site, begin, end in times:
            if other := self._covered.other(site, begin, end, entry.batch):
                message = f"{where}[{i}].intervals: found {begin} to {end} of {site!r}, needed a "
                message += f"time that batch {other[2]!r} does not cover: {other[0]} to {other[1]}"
                raise InvalidProblemError(message, where, i)
        for k, (issuance, first, until) in enumerate(ids):
            if other := self._used.other(issuance, first, until, entry.batch):
                message = f"{where}[{i}].bundles[{k}]: found ids {first} to {until - 1} of "
                message += f"{issuance!r}, needed none of {other[0]} to {other[1] - 1}, which are "
                raise InvalidProblemError(f"{message}used by batch {other[2]!r}", where, i)
        for spans, new in ((self._covered, times), (self._used, ids)):
            for key, first, last in new:
                spans.add(key, first, last, entry.batch)
        self._retired |= set(entry.serials)
        self._planned.setdefault(entry.batch, entry)
        self.entries.append(entry)


class _Spans:
    """Half-open spans by key; those of different batches share nothing."""

    def __init__(self) -> None:
        #: Spans of a key in their order, those of one batch that overlap as one.
        self._held: dict[str, list[tuple[Any, Any, str]]] = {}

    def other(self, key: str, begin: Any, end: Any, batch: str) -> tuple[Any, Any, str] | None:
        """Return a span of another batch that shares something with this one."""
        held = self._held.get(key, [])
        at = bisect.bisect_left(held, (end,))
        while at and held[at - 1][1] > begin:
            at -= 1
            if held[at][2] != batch:
                return held[at]
        return None

    def add(self, key: str, begin: Any, end: Any, batch: str) -> None:
        held = self._held.setdefault(key, [])
        at = bisect.bisect_left(held, (end,))
        while at and held[at - 1][1] > begin:
            at -= 1
            first, last, _ = held.pop(at)
            begin, end = min(first, begin), max(last, end)
        held.insert(at, (begin, end, batch))


def _is_interval(value: object) -> bool:
    """Return whether a value is a begin and a later end in UTC."""
    if not isinstance(value, tuple) or len(value) != 2:
        return False
    for text in value:
        if not isinstance(text, str) or not _UTC.fullmatch(text):
            return False
        try:
            datetime.datetime.fromisoformat(text)
        except ValueError:
            return False
    return bool(value[0] < value[1])


def _is_range(value: object) -> bool:
    """Return whether a value is an issuance with its first and last id."""
    if not isinstance(value, tuple) or len(value) != 3 or not _is_text(value[0]):
        return False
    if any(isinstance(x, bool) or not isinstance(x, int) for x in value[1:]):
        return False
    return bool(0 <= value[1] <= value[2] < EXACT)


def _tuples(value: Any) -> Any:
    """Return lists as tuples, those within them as well."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _is_text(value: object) -> bool:
    """Return whether a value is a str of whole characters, which UTF-8 can hold."""
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _double(value: Any) -> Any:
    """Return the double of an integer text of RFC 8785; other values unchanged.

    5 is 5.0 there, and digits beyond 2**53 are the shortest that tell one double from the next.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value.bit_length() > 1023:
        return value
    double = float(value)
    return double if number_text(double) == str(value) else value


def _is_energy(value: object) -> bool:
    """Return whether a value is a finite number of at least 0 that a double holds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    if isinstance(value, int) and abs(value) > EXACT:
        return False
    return math.isfinite(value) and value >= 0


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
