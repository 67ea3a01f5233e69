"""A solve over shards in one process: the next shards are read while this one is worked on."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks, _core
from ..results.sharded import ShardedAssignment, ShardedMatching, ShardedProblem
from .answer_folder import AnswerFolder, read_slots
from .coordinate import Answers, Asking, Question, coordinate, is_solved
from .reader import ShardReader
from .shard_worker import ASSIGN, digest

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from .._progress import ProgressHook
    from .source import ShardSource

__all__ = ["solve_shards"]

_OPEN = (0).to_bytes(4, "little")
#: Seconds of a solve whose answers are not recorded: to ask again takes no longer.
_UNRECORDED = 5.0


class _LocalShards:
    """The shards of one process, and the threads that read ahead."""

    def __init__(
        self,
        source: ShardSource,
        model: _core.CostModel,
        threads: int,
        folder: AnswerFolder | None,
        asking: Asking,
    ) -> None:
        self._threads, self._folder, self._asking = threads, folder, asking
        self._begun = time.monotonic()
        self.reader = ShardReader(source, threads, source.cache_bytes)
        self.held: Sequence[_core.JobShard] = [
            _core.JobShard(model, source.first(k), n, source.n_jobs)
            for k, n in enumerate(source.rows)
        ]
        self.slots: list[NDArray[np.signedinteger[Any]] | None] = [None] * source.n_shards
        self._narrow = np.min_scalar_type(-source.n_slots - 1)  # -1 to n_slots - 1

    def ask(self, questions: list[bytes | None]) -> Answers:
        """Answer what the coordinator asks; None: out of time, False: stopped."""
        answers: list[bytes | None] = [None] * len(questions)
        unread: list[int] = []
        for k, question in enumerate(questions):
            if question is None:
                continue
            if self._folder is not None and question[:4] != _OPEN:
                answers[k] = self._folder.recorded(k, question)
            if answers[k] is None:
                answers[k] = self.held[k].answer(question, None, None, self._threads, keep=True)
            if answers[k] is None:
                unread.append(k)
        for done, (k, part) in enumerate(self.reader.parts(unread)):
            question = questions[k]
            assert question is not None
            over = self._asking.over(question, done / len(unread))
            if over is not None:
                return over[0]
            answers[k] = self.held[k].answer(
                question, part.columns, part.unplaced, self._threads, keep=True
            )
            if question[:4] == ASSIGN:
                self._assigned(k)
            if self._folder is not None and question[:4] != _OPEN and self._late():
                held: Any = self.held[k]  # a buffer, which types can say from Python 3.12 on
                self._folder.record(k, question, memoryview(held))
        return answers

    def _late(self) -> bool:
        return time.monotonic() - self._begun >= _UNRECORDED

    def _assigned(self, k: int) -> None:
        slots = self.held[k].take_assignment()
        if self._folder is not None:
            self._folder.write(k, slots)
        else:
            self.slots[k] = slots.astype(self._narrow)  # for 10^9 jobs the difference is 3 GB


def solve_shards(
    source: ShardSource,
    capacity: ArrayLike,
    *,
    out: str | os.PathLike[str] | None,
    prices: NDArray[np.float64] | None,
    threads: int | None,
    time_limit: float | None,
    seed: int,
    progress: bool | ProgressHook | None,
) -> ShardedMatching:
    """Solve; arguments are those of `transport`."""
    room = _checks.counts("capacity", capacity, source.n_slots, "n_slots", 0, np.int64)
    workers = _checks.threads(threads)
    limit = _checks.time_limit(time_limit)
    seed = _checks.seed(seed)
    question = Question(source.spec.model(), source.rows, room, prices, seed, workers)
    shards: _LocalShards | None = None
    with contextlib.ExitStack() as held:
        folder = None
        if out is not None:
            arrays = [room.tobytes(), b"" if prices is None else prices.tobytes()]
            asked = (*source.fingerprint(), *source.spec.identity(), seed)
            problem = (*asked, *(digest(a).hex() for a in arrays))
            folder = held.enter_context(AnswerFolder(out, problem))

        def begin(asking: Asking) -> _LocalShards:
            nonlocal shards
            shards = _LocalShards(source, question.model, workers, folder, asking)
            return shards

        found = coordinate(question, begin, limit, progress)
        assert shards is not None
        found[6]["seconds_waiting"] = shards.reader.waited
        found[6]["shards_read"] = shards.reader.reads
        assignment = None
        if is_solved(found):
            part: Callable[[int], NDArray[np.int32]] = _InMemory(shards.slots)
            if folder is not None:
                part = _InFiles(folder.finish(source.rows), source.rows)
            assignment = ShardedAssignment(source.rows, part)
        elif folder is not None and found[5] == "infeasible":
            folder.discard()
    model = question.model

    def sums(
        assignment: ShardedAssignment,
        prices: NDArray[np.float64],
        remainders: NDArray[np.float64] | None,
        threads: int,
    ) -> list[bytes]:
        reader = ShardReader(source, threads, 0)  # what the solver keeps is not what is stored
        return [
            _core.sum_shard(
                model,
                part.columns,
                part.unplaced,
                source.first(k),
                assignment.part(k),
                prices,
                remainders,
                threads,
            )
            for k, part in reader.parts(range(source.n_shards))
        ]

    def confined(slots: NDArray[np.int32], job: int, threads: int) -> list[bytes]:
        return [
            _core.confined_shard(
                model,
                part.columns,
                part.unplaced,
                source.first(k),
                source.rows[k],
                slots,
                job,
                threads,
            )
            for k, part in ShardReader(source, threads, 0).parts(range(source.n_shards))
        ]

    checked = ShardedProblem(model, source.rows, room, workers, sums, confined)
    return ShardedMatching.of(found, assignment, checked)


class _InFiles:
    """Reads the classes of a shard's jobs from its file."""

    def __init__(self, paths: Sequence[Path], rows: Sequence[int]) -> None:
        self._paths, self._rows = tuple(paths), tuple(rows)

    def __call__(self, shard: int) -> NDArray[np.int32]:
        return read_slots(self._paths[shard], self._rows[shard])


class _InMemory:
    """Widens the classes of a shard's jobs, which are kept in a byte each where that is enough."""

    def __init__(self, slots: Sequence[NDArray[Any] | None]) -> None:
        self._slots = slots

    def __call__(self, shard: int) -> NDArray[np.int32]:
        part = self._slots[shard]
        assert part is not None
        wide = part.astype(np.int32)
        wide.flags.writeable = False
        return wide
