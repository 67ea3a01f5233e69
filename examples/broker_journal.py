"""What a broker was told and has told, on disk: a journal in segments, and snapshots beside it.

Every acknowledged operation is one line, written before its acknowledgement, under the next number;
so is every round's list of placements. A snapshot carries in its name the last operation and the
last placement it holds. Two snapshots are kept, and the journal since the older of them.

A line is the CRC-32 of its JSON in eight hexadecimal digits, a blank, and the JSON: a bit that the
disk turns is found, and the line is reported and left out. Lines without it, of older states, begin
with a brace and are read as they are.

A killed process loses no line, since the kernel has it. A machine that loses power loses what was
not yet on the disk: `sync` is called once a round.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import gridcompute as gc

if TYPE_CHECKING:
    from pathlib import Path

SNAPSHOT = re.compile(r"world-(\d+)-(\d+)\.snapshot")


def sealed(text: bytes) -> bytes:
    """A JSON text behind its checksum."""
    return b"%08x %s" % (zlib.crc32(text), text)


def opened(raw: bytes) -> dict[str, Any]:
    """What a line holds; ValueError if it is not what was written."""
    text = raw
    if raw[:1] != b"{":  # of an older state if it is
        text = raw[9:]
        if raw != sealed(text):
            raise ValueError("its checksum does not match")
    found = json.loads(text)
    number = found.get("seq", found.get("placement")) if isinstance(found, dict) else None
    if type(number) is not int:
        raise ValueError("it has no number")
    return found


class Read(NamedTuple):
    """A journal read back: its whole lines in order, and what is wrong with it."""

    lines: list[dict[str, Any]]
    damaged: list[str]  # where, and how many bytes


class Journal:
    """The files in `folder`, of which this process is the only writer."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._lock = (folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"{folder}: another broker is at work here") from None
        self._file, self._size = -1, 0
        self._old: list[int] = []  # segments that are to be synced once more

    def segments(self) -> list[Path]:
        """The journal's files, oldest first."""
        return sorted(self.folder.glob("journal-*.ndjson"))

    def snapshots(self) -> list[tuple[int, int, Path]]:
        """Last operation, last placement and file of each snapshot, newest first."""
        found = [(SNAPSHOT.fullmatch(p.name), p) for p in self.folder.glob("world-*.snapshot")]
        return sorted(((int(m[1]), int(m[2]), p) for m, p in found if m), reverse=True)

    def rotate(self, first: int) -> None:
        """Go on in a file of its own from operation `first`."""
        path = self.folder / f"journal-{first:012d}.ndjson"
        if self._file >= 0:
            self._old.append(self._file)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._size = os.fstat(self._file).st_size
        whole = path.read_bytes()
        if whole and not whole.endswith(b"\n"):
            self._put(b"\n")  # a torn line of an earlier life stays by itself

    def write(self, line: dict[str, Any]) -> None:
        """One line, whole or not at all (OSError)."""
        self._put(sealed(json.dumps(line, separators=(",", ":")).encode()) + b"\n")

    def _put(self, data: bytes) -> None:
        try:
            done = os.write(self._file, data)
            if done < len(data):
                raise OSError(f"the journal took {done} of {len(data)} bytes")
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)

    def sync(self) -> None:
        """What was written is on the disk."""
        while self._old:
            os.fsync(self._old[-1])
            os.close(self._old.pop())
        os.fsync(self._file)

    def save(self, world: gc.Matcher, operation: int, placement: int) -> Path:
        """Snapshot, then forget what the one before it does not need."""
        path = self.folder / f"world-{operation:012d}-{placement:012d}.snapshot"
        self.sync()
        world.snapshot(path)
        kept, old = self.snapshots()[:2], self.snapshots()[2:]
        for _, _, gone in old:
            gone.unlink()
        needed = kept[-1][0] + 1 if len(kept) > 1 else 0  # by the older of two
        files = self.segments()
        for file, after in pairwise(files):
            if int(after.stem.partition("-")[2]) <= needed:
                file.unlink()
        return path

    def restore(self) -> tuple[gc.Matcher | None, int, int, str | None, list[str]]:
        """The newest whole snapshot: world, last operation, last placement, name; those refused.

        If there are snapshots and all are refused, the broker does not start: an empty world in
        their place would be a loss in silence.
        """
        refused: list[str] = []
        for operation, placement, path in self.snapshots():
            try:
                return gc.Matcher.restore(path), operation, placement, path.name, refused
            except gc.InvalidProblemError as error:
                refused.append(str(error))
        if refused:
            raise SystemExit("no snapshot can be restored: " + "; ".join(refused))
        return None, 0, 0, None, []

    def read(self) -> Read:
        """All whole lines of all segments."""
        lines: list[dict[str, Any]] = []
        damaged: list[str] = []
        for path in self.segments():
            for k, raw in enumerate(path.read_bytes().split(b"\n")):
                if not raw:
                    continue
                try:
                    lines.append(opened(raw))
                except ValueError as why:
                    damaged.append(f"{path.name}:{k + 1}: {len(raw)} bytes of a line: {why}")
        return Read(lines, damaged)

    def close(self) -> None:
        """Let others in."""
        os.close(self._file)
        self._lock.close()
