"""Shards are read in threads, ahead of whoever works on them, and kept where there is room."""

from __future__ import annotations

import collections
import time
from typing import TYPE_CHECKING

from .. import _core
from .._interrupts import Call, WorkerThreads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .cost_specs import PartColumns
    from .source import ShardSource

__all__ = ["ShardReader"]

#: Eight threads decode as much as a hundred can scan.
_MOST_READERS = 8


class ShardReader:
    """Reads the shards of a source.

    The shards that are read first are kept: in passes that all go the same way, to keep those that
    were used last would keep none.

    Parameters
    ----------
    source : ShardSource
        What to read.
    threads : int
        Largest number of threads that read at the same time.
    cache_bytes : int
        Columns to keep, at most.

    Attributes
    ----------
    reads : int
        Shards that were read.
    waited : float
        Seconds that the caller waited for data.
    """

    def __init__(self, source: ShardSource, threads: int, cache_bytes: int) -> None:
        self._source, self._room = source, cache_bytes
        self._kept: dict[int, PartColumns] = {}
        self._threads = min(_core.thread_count(threads), _MOST_READERS)
        # The columns of one shard, if no others are to be read meanwhile.
        self._inner = self._threads if source.n_shards < self._threads else 1
        self.reads = 0
        self.waited = 0.0

    def parts(self, shards: Sequence[int]) -> Iterator[tuple[int, PartColumns]]:
        """Go through these shards, reading the next ones while the caller works on this one."""
        missing = collections.deque(k for k in shards if k not in self._kept)
        ahead: collections.deque[Call[PartColumns]] = collections.deque()
        readers = self._threads if self._source.concurrent else 1
        threads = WorkerThreads(readers)

        def begin() -> None:
            read = threads.begin(self._source.read, missing.popleft(), self._inner)
            ahead.append(read)

        try:
            for k in shards:
                while missing and len(ahead) < readers:
                    begin()
                part = self._kept.get(k)
                if part is None:
                    part = self._await(k, ahead.popleft())
                    if missing:
                        ahead.append(
                            threads.begin(self._source.read, missing.popleft(), self._inner)
                        )
                yield k, part
                del part
        finally:
            threads.close()

    def _await(self, shard: int, read: Call[PartColumns]) -> PartColumns:
        begun = time.monotonic()
        part = read.result()
        self.waited += time.monotonic() - begun
        self.reads += 1
        if part.nbytes <= self._room:
            self._room -= part.nbytes
            self._kept[shard] = part
        return part
