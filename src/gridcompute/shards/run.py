"""A solve over shards in one process: the next shard is read while this one is worked on."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks, _core
from ..results.sharded import ShardedAssignment, ShardedMatching, ShardedProblem
from .answer_folder import AnswerFolder, read_slots
from .coordinate import Answers, Asking, Question, coordinate, is_solved
from .held import ASSIGN

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from .._progress import ProgressHook
    from .source import PartColumns, ShardSource

__all__ = ["solve_shards"]

_OPEN = (0).to_bytes(4, "little")


class _LocalShards:
    """The shards of one process, and the thread that reads ahead."""

    def __init__(
        self,
        source: ShardSource,
        model: _core.TermsModel,
        threads: int,
        folder: AnswerFolder | None,
        asking: Asking,
    ) -> None:
        self._source, self._threads, self._folder, self._asking = source, threads, folder, asking
        self._shards = [
            _core.TermsShard(model, source.first(k), n, source.n_jobs)
            for k, n in enumerate(source.rows)
        ]
        self.slots: list[NDArray[np.int32] | None] = [None] * source.n_shards
        self.waited = 0.0
        self.reads = 0

    def ask(self, questions: list[bytes | None]) -> Answers:
        """Answer what the coordinator asks; None: out of time, False: stopped."""
        answers: list[bytes | None] = [None] * len(questions)
        unread: list[int] = []
        for k, question in enumerate(questions):
            if question is None:
                continue
            answers[k] = self._recorded(k, question)
            if answers[k] is None:
                answers[k] = self._shards[k].answer(question, None, None, self._threads)
            if answers[k] is None:
                unread.append(k)
        for done, (k, part) in enumerate(self._read(unread)):
            question = questions[k]
            assert question is not None
            over = self._asking.over(question, done / len(unread))
            if over is not None:
                return over[0]
            answer = self._shards[k].answer(question, part.columns, part.unplaced, self._threads)
            assert answer is not None
            answers[k] = answer
            if question[:4] == ASSIGN:
                self._assigned(k)
            if self._folder is not None and question[:4] != _OPEN:
                self._folder.record(k, question, answer)
        return answers

    def _recorded(self, k: int, question: bytes) -> bytes | None:
        if self._folder is None:
            return None
        return self._folder.recorded(k, question, answer_file=question[:4] == ASSIGN)

    def _assigned(self, k: int) -> None:
        slots = self._shards[k].take_assignment()
        if self._folder is not None:
            self._folder.write(k, slots)
        else:
            slots.flags.writeable = False
            self.slots[k] = slots

    def _read(self, shards: list[int]) -> Iterator[tuple[int, PartColumns]]:
        """Read these shards in turn, the next one while the caller works on this one."""
        with ThreadPoolExecutor(1, "gridcompute-read") as reader:
            ahead = [reader.submit(self._source.read, k) for k in shards[:1]]
            for at, k in enumerate(shards):
                begun = time.monotonic()
                part = ahead.pop().result()
                self.waited += time.monotonic() - begun
                self.reads += 1
                if at + 1 < len(shards):
                    ahead.append(reader.submit(self._source.read, shards[at + 1]))
                yield k, part
                del part


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
    folder = None
    if out is not None:
        spec = source.spec
        problem = (*source.fingerprint(), spec.keys, spec.coefs, spec.unplaced, seed)
        arrays = [a.tobytes() for a in (*spec.tables, room)]
        arrays += [b"" if prices is None else prices.tobytes()]
        folder = AnswerFolder(out, (*problem, *(_digest(a) for a in arrays)))
    question = Question(source.spec.model(), source.rows, room, prices, seed, workers)
    shards: _LocalShards | None = None

    def begin(asking: Asking) -> _LocalShards:
        nonlocal shards
        shards = _LocalShards(source, question.model, workers, folder, asking)
        return shards

    found = coordinate(question, begin, limit, progress)
    assert shards is not None
    status = found[5]
    solved = is_solved(found)
    found[6]["seconds_waiting"] = shards.waited
    found[6]["shards_read"] = shards.reads
    assignment = None
    if solved and folder is not None:
        paths = folder.finish(source.rows)
        assignment = ShardedAssignment(source.rows, lambda k: read_slots(paths[k], source.rows[k]))
    elif solved:
        slots = shards.slots
        assignment = ShardedAssignment(source.rows, lambda k: slots[k])  # type: ignore[arg-type, return-value]
    elif folder is not None and status == "infeasible":
        folder.discard()
    return ShardedMatching.of(
        found, assignment, _LocalProblem(source, room, question.model, workers)
    )


def _digest(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


class _LocalProblem(ShardedProblem):
    """The problem of a source in this process, which its proof reads once more."""

    def __init__(
        self, source: ShardSource, capacity: NDArray[np.int64], model: Any, threads: int
    ) -> None:
        super().__init__(source.n_jobs, source.n_slots, capacity, model, threads)
        self._source = source

    def sums(
        self,
        assignment: ShardedAssignment,
        prices: NDArray[np.float64],
        remainders: NDArray[np.float64] | None,
        threads: int,
    ) -> list[bytes]:
        """Return the exact sums of each shard."""
        parts = []
        with ThreadPoolExecutor(1, "gridcompute-read") as reader:
            shards = range(self._source.n_shards)
            ahead = [reader.submit(self._source.read, k) for k in shards[:1]]
            for k in shards:
                part = ahead.pop().result()
                if k + 1 < len(shards):
                    ahead.append(reader.submit(self._source.read, k + 1))
                parts.append(
                    _core.sum_shard(
                        self.model,
                        part.columns,
                        part.unplaced,
                        self._source.first(k),
                        assignment.part(k),
                        prices,
                        remainders,
                        threads,
                    )
                )
                del part
        return parts
