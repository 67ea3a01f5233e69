"""Shards that other processes hold: they are asked all at once, and their answers waited for."""

from __future__ import annotations

import itertools
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from ..results.sharded import ShardedMatching, ShardedProblem
from .coordinate import Answers, Asking, Question, coordinate, is_solved
from .shard_worker import ASSIGN, bytes_of, opened, sealed, shard_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from .. import _core
    from .._progress import ProgressHook
    from .cost_specs import CostSpec

__all__ = ["POLL_SECONDS", "ClusterShards"]

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
