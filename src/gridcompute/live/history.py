"""The history of a `Matcher`'s job store: its columns as earlier answers refer to them.

An answer copies nothing when it is given: most are never read in full. From then on each call
records what it overwrites, in proportion to what it changes. An answer that is read, from whatever
thread, takes the present store under the lock and undoes these records, newest first. Once the
records exceed the store itself, all answers that are still alive read what they need, and the
records are dropped.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from .job_ids import Keys

__all__ = ["History", "StoredJobs"]

# Positions that may be recorded before answers are made to read what they need, for each position
# of the store, and at least.
_RECORDS_PER_POSITION = 1
_LEAST_RECORDS = 1 << 16


class Reader(Protocol):
    """An answer that may have to read the store as it was."""

    _number: int  # that of the next record when it was given

    def _read_now(self) -> None: ...


class Record(NamedTuple):
    """The entries that one call overwrote at these positions; None = unchanged."""

    at: NDArray[np.int32]
    live: bool | None = None  # were they live?
    keys: Keys | None = None
    placed: NDArray[np.int32] | None = None
    pinned: NDArray[np.bool_] | None = None
    columns: Mapping[str, NDArray[Any]] | None = None


class StoredJobs(NamedTuple):
    """The job store as an answer left it, live jobs in the order of their positions."""

    at: NDArray[np.int32]
    ids: list[Any]
    placed: NDArray[np.int32]
    pinned: NDArray[np.bool_]
    columns: dict[str, NDArray[Any]]


class History:
    """Records of what was overwritten since the oldest answer that has not been read."""

    def __init__(self) -> None:
        # The records kept and the number of the first, replaced at once: an interrupt may come
        # between any two statements.
        self._kept: tuple[int, list[Record]] = 0, []
        self._size = 0  # positions recorded
        self._readers: dict[int, tuple[int, weakref.ref[Any]]] = {}

    def next_number(self) -> int:
        """Return the number of the next record, which is that of an answer given now."""
        first, records = self._kept
        return first + len(records)

    def watch(self, answer: Reader) -> None:
        """Note an answer that may still be read."""
        self._prune()
        self._readers[id(answer)] = (answer._number, weakref.ref(answer))

    def done(self, answer: Reader) -> None:
        """Note that an answer has read all it needs."""
        self._readers.pop(id(answer), None)

    @property
    def watched(self) -> bool:
        """May any answer still be read?"""
        return bool(self._readers)

    def record(self, size: int, record: Record) -> None:
        """Keep what a call is about to overwrite; `size`: positions of the store."""
        self._kept[1].append(record)
        self._size += len(record.at)
        if self._size > max(_RECORDS_PER_POSITION * size, _LEAST_RECORDS):
            self.read_all()

    def drop(self, record: Record) -> None:
        """Drop the record of a call that changed nothing, if it is kept: it was the last."""
        records = self._kept[1]
        if records and records[-1] is record:
            records.pop()
            self._size -= len(record.at)

    def read_all(self) -> None:
        """Let every answer that is alive read what it needs, and drop the records."""
        for _, reference in list(self._readers.values()):
            answer = reference()
            if answer is not None:
                answer._read_now()
        self._readers.clear()
        self._prune()

    def _prune(self) -> None:
        """Drop records that no answer needs: those before the oldest answer that is alive."""
        self._readers = {
            key: entry for key, entry in self._readers.items() if entry[1]() is not None
        }
        first, records = self._kept
        end = self.next_number()
        oldest = min((number for number, _ in self._readers.values()), default=end)
        if oldest > first:
            left = records[oldest - first :]
            self._kept = oldest, left
            self._size = sum(len(record.at) for record in left)

    def store_as_of(self, number: int, now: StoredJobs, size: int) -> StoredJobs:
        """Return the store as it was when the answer of this number was given."""
        first, kept = self._kept
        records = kept[number - first :]
        if not records:
            return now
        live = np.zeros(size, bool)
        live[now.at] = True
        ids = np.empty(size, object)
        ids[now.at] = now.ids
        placed = np.full(size, -1, np.int32)
        placed[now.at] = now.placed
        pinned = np.zeros(size, bool)
        pinned[now.at] = now.pinned
        columns = {name: c if len(c) == 1 else c.copy() for name, c in now.columns.items()}
        for r in reversed(records):
            if r.live is not None:
                live[r.at] = r.live
            if r.keys is not None:
                ids[r.at] = r.keys
            if r.placed is not None:
                placed[r.at] = r.placed
            if r.pinned is not None:
                pinned[r.at] = r.pinned
            for name, values in (r.columns or {}).items():
                columns[name][r.at] = values
        at = np.flatnonzero(live).astype(np.int32)
        return StoredJobs(at, ids[at].tolist(), placed[at], pinned[at], columns)
