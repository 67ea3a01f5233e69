"""A solve over shards: its coordinator, shards of this process, and shards that others hold.

Shards of other processes are asked all at once, and their answers waited for.

In one process the next shards are read while this one is worked on.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from .. import _checks, _core
from .._progress import progress_hook
from ..results.sharded import ShardedAssignment, ShardedMatching, ShardedProblem
from .parquet_files import ShardReader
from .shard_worker import (
    ASSIGN,
    AnswerFolder,
    bytes_of,
    digest,
    opened,
    read_slots,
    sealed,
    shard_name,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from .._progress import ProgressHook
    from .cost_specs import CostSpec
    from .source import ShardSource

#: Answers of shards, in their order; None: out of time, False: stopped.
Answers = list[bytes | None] | bool | None

# Where a solve is while shards answer a question of this kind (protocol.hpp): the stage, and the
# fractions at which it begins and ends.
_STAGES = {
    0: ("samples", 0.0, 0.1),
    1: ("scan", 0.2, 0.7),
    7: ("assign", 0.8, 1.0),
}


class Question(NamedTuple):
    """A problem as the coordinator reads it."""

    model: _core.CostModel
    rows: Sequence[int]
    capacity: NDArray[np.int64]
    prices: NDArray[np.float64] | None
    seed: int
    threads: int


class Shards(Protocol):
    """Whoever asks the shards."""

    #: The shards themselves, if they are in this process: an answer that one of them keeps stands
    #: for the one that `ask` returns.
    held: Sequence[_core.JobShard]

    def ask(self, questions: list[bytes | None]) -> Answers:
        """Ask each shard its question, none where it is None."""
        ...


class Asking:
    """The limits of a solve over shards, and its progress.

    Parameters
    ----------
    hook : callable or None
        Gets stage and fraction, and stops the solve by returning True.
    time_limit : float or None
        Seconds from now.
    """

    def __init__(self, hook: Callable[[str, float], bool] | None, time_limit: float | None) -> None:
        self._hook = hook
        self._deadline = None if time_limit is None else time.monotonic() + time_limit
        self._done = 0.0

    def show(self, stage: str, done: float) -> bool:
        """Show how far the solve is, never less than before; True: stop."""
        self._done = max(self._done, done)
        return self._hook is not None and self._hook(stage, self._done)

    def left(self) -> float | None:
        """Return the seconds left, 0 or more; None where there is no limit."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def over(self, question: bytes, done: float) -> tuple[bool | None] | None:
        """Return what `ask` has to return where the solve ends here, in a tuple; else None.

        `done` is the share of the shards that have answered.
        """
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return (None,)
        kind = int.from_bytes(question[:4], "little")
        stage, begin, end = _STAGES.get(kind, ("verify", 0.7, 0.8))
        return (False,) if self.show(stage, begin + (end - begin) * done) else None

    def wait(
        self, question: bytes, pending: list[Any], some: Callable[[list[Any]], list[Any]]
    ) -> tuple[bool | None] | None:
        """Wait for all answers to a question, as `over` where the solve ends before.

        `some` waits a moment for some of those that are pending, and returns the others.
        """
        left = pending
        while left:
            left = some(left)
            over = self.over(question, 1 - len(left) / len(pending))
            if over is not None:
                return over
        return None


def coordinate(
    question: Question,
    begin: Callable[[Asking], Shards],
    time_limit: float | None,
    progress: bool | ProgressHook | None,
) -> tuple[Any, ...]:
    """Solve; `begin` gets the shards ready. Returns what `ShardedMatching.of` reads."""
    with progress_hook(progress, "transport") as hook:
        asking = Asking(hook, time_limit)
        shards = begin(asking)
        return _core.transport_shards(
            question.model,
            np.array(question.rows, np.int64),
            question.capacity,
            shards.ask,
            question.prices,
            question.seed,
            question.threads,
            asking.left(),
            asking.show,
            shards.held,
        )


def is_solved(found: tuple[Any, ...]) -> bool:
    """Return whether the shards have a class for each of their jobs."""
    objective, status = found[2], found[5]
    return status in ("optimal", "feasible") or (status == "time_limit" and objective < math.inf)


#: Seconds between two polls of the limit and the progress hook while answers are outstanding.
POLL_SECONDS = 0.1


class ClusterShards(ABC):
    """The shards of a cluster; a subclass for each scheduler.

    Attributes
    ----------
    spec : CostSpec
        What costs are.
    rows : sequence of int
        Jobs of each shard.
    threads : int
        Of one shard.
    """

    held: Sequence[_core.JobShard] = ()

    def __init__(self, spec: CostSpec, rows: Sequence[int], threads: int) -> None:
        self.spec, self.rows, self.threads = spec, rows, threads
        first = itertools.accumulate(rows, initial=0)
        self._names = [shard_name(at, n, sum(rows)) for at, n in zip(first, rows, strict=False)]
        self._asking: Asking | None = None
        self._waited = 0.0

    @abstractmethod
    def send(self, shard: int, message: bytes, *, assigns: bool) -> Any:
        """Send a sealed question to a shard; return a handle of the answer.

        With `assigns` the classes of its jobs stay beside the shard.
        """

    @abstractmethod
    def wait(self, pending: list[Any]) -> list[Any]:
        """Wait a moment for some answers; return those still pending, none if one has failed."""

    @abstractmethod
    def receive(self, sent: list[Any]) -> list[bytes]:
        """Return these answers, or raise what a shard raised."""

    @abstractmethod
    def cancel(self, sent: list[Any]) -> None:
        """Take questions back: the solve ends here."""

    @abstractmethod
    def assignment(self) -> Any:
        """Return the classes of the jobs, as the jobs came, once all shards have assigned them."""

    @abstractmethod
    def sums(
        self,
        assignment: Any,
        prices: NDArray[np.float64],
        remainders: NDArray[np.float64] | None,
        threads: int,
    ) -> list[bytes]:
        """Return the exact sums of each shard, for the proof; sealed."""

    @abstractmethod
    def confined(self, slots: NDArray[np.int32], job: int, threads: int) -> list[bytes]:
        """Return what each shard counts of its jobs that fit into these classes only; sealed."""

    def close(self) -> None:
        """End what only a solve needs."""
        self._asking = None

    def ask(self, questions: list[bytes | None]) -> Answers:
        """Ask the shards; None: out of time, False: stopped."""
        assert self._asking is not None
        asked = {
            k: self.send(k, sealed(q, self._names[k].encode()), assigns=q[:4] == ASSIGN)
            for k, q in enumerate(questions)
            if q is not None
        }
        sent = list(asked.values())
        begun = time.monotonic()
        try:
            first = next(q for q in questions if q is not None)
            over = self._asking.wait(first, sent, self.wait)
            if over is not None:
                self.cancel(sent)
                return over[0]
            found = self.receive(sent)
        except BaseException:
            self.cancel(sent)
            raise
        self._waited += time.monotonic() - begun
        answers: list[bytes | None] = [None] * len(questions)
        for k, answer in zip(asked, found, strict=True):
            answers[k] = self._opened(k, answer, questions[k] or b"")
        return answers

    def _opened(self, shard: int, answer: bytes, *question: bytes) -> bytes:
        name = self._names[shard]
        return opened(answer, f"an answer of {name}", name.encode(), *question)

    def solve(
        self,
        capacity: NDArray[np.int64],
        time_limit: float | None,
        seed: int,
        progress: bool | ProgressHook | None,
    ) -> ShardedMatching:
        """Solve; arguments are those of `transport`, after their checks."""
        question = Question(self.spec.model(), self.rows, capacity, None, seed, 0)

        def begin(asking: Asking) -> ClusterShards:
            self._asking = asking
            return self

        try:
            found = coordinate(question, begin, time_limit, progress)
        finally:
            self.close()
        found[6]["seconds_waiting"] = self._waited

        def sums(
            assignment: Any,
            prices: NDArray[np.float64],
            remainders: NDArray[np.float64] | None,
            threads: int,
        ) -> list[bytes]:
            parts = self.sums(assignment, prices, remainders, threads)
            asked = bytes_of(prices, remainders)
            return [self._opened(k, part, *asked) for k, part in enumerate(parts)]

        def confined(slots: NDArray[np.int32], job: int, threads: int) -> list[bytes]:
            parts = self.confined(slots, job, threads)
            asked = bytes_of(slots, job)
            return [self._opened(k, part, *asked) for k, part in enumerate(parts)]

        problem = ShardedProblem(question.model, self.rows, capacity, self.threads, sums, confined)
        return ShardedMatching.of(found, self.assignment() if is_solved(found) else None, problem)


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
