"""Exact transport of the jobs in a Dask DataFrame: the partitions stay with their workers."""

from __future__ import annotations

import operator
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import _checks
from ._extras import extra
from .errors import InvalidProblemError
from .results.sharded import ShardedMatching, ShardedProblem
from .shards.coordinate import Answers, Asking, Question, coordinate, is_solved
from .shards.held import ASSIGN, HeldShard
from .shards.source import TermsSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from ._progress import ProgressHook

__all__ = ["transport"]

_POLL_SECONDS = 0.1


class _Partition(NamedTuple):
    """The columns of a partition as they are stored, and its index."""

    arrays: Mapping[str, NDArray[Any]]
    index: Any

    def columns(self) -> Mapping[str, NDArray[Any]]:
        return self.arrays


# What workers run. Each is pure, so that a task of a lost worker may run again elsewhere.


def _partition(frame: Any, names: Sequence[str], number: int) -> _Partition:
    arrays = {}
    for name in names:
        if name not in frame.columns:
            raise InvalidProblemError(
                f"frame: found no column {name!r} in partition {number}, needed one", name
            )
        column = frame[name]
        if column.isna().any():
            raise InvalidProblemError(
                f"frame: found a null in {name!r} of partition {number}, needed numbers", name
            )
        arrays[name] = np.ascontiguousarray(column.to_numpy())
    return _Partition(arrays, frame.index)


def _rows(part: _Partition) -> int:
    return len(part.index)


def _same(spec: TermsSpec) -> TermsSpec:
    return spec


def _shard(part: _Partition, spec: TermsSpec, first: int, n_jobs: int) -> HeldShard:
    return HeldShard(spec, part.columns, first, _rows(part), n_jobs)


def _answer(shard: HeldShard, question: bytes, threads: int) -> bytes:
    return shard.answer(question, threads)[0]


def _assign(shard: HeldShard, question: bytes, threads: int) -> tuple[bytes, NDArray[np.int32]]:
    return shard.answer(question, threads)


def _series(part: _Partition, told: tuple[bytes, NDArray[np.int32]]) -> Any:
    import pandas as pd

    return pd.Series(told[1], index=part.index, name="slot")


def _sums(
    shard: HeldShard,
    told: tuple[bytes, NDArray[np.int32]],
    prices: NDArray[np.float64],
    remainders: NDArray[np.float64] | None,
    threads: int,
) -> bytes:
    return shard.sums(told[1], prices, remainders, threads)


class _DaskShards:
    """The shards of a client's cluster."""

    def __init__(self, client: Any, frame: Any, spec: TermsSpec, threads: int) -> None:
        import dask

        self.client, self.threads, self._spec = client, threads, spec
        names = spec.names
        delayed = frame.to_delayed()
        make = dask.delayed(_partition, pure=False)
        self.parts = client.compute([make(p, names, k) for k, p in enumerate(delayed)])
        self.rows = client.gather([client.submit(_rows, p, pure=False) for p in self.parts])
        first = np.concatenate([[0], np.cumsum(self.rows)]).tolist()
        shared = client.submit(_same, spec, pure=False)
        self.shards = [
            client.submit(_shard, part, shared, at, first[-1], pure=False)
            for part, at in zip(self.parts, first, strict=False)
        ]
        #: What each shard was told, and its answer: on the workers.
        self.told: list[Any] = [None] * len(self.shards)
        self.asking: Asking | None = None
        self.waited = 0.0

    def ask(self, questions: list[bytes | None]) -> Answers:
        """Ask the shards, all at once; None: out of time, False: stopped."""
        asked: dict[int, Any] = {}
        for k, question in enumerate(questions):
            if question is None:
                continue
            if question[:4] == ASSIGN:
                told = self.client.submit(
                    _assign, self.shards[k], question, self.threads, pure=False
                )
                self.told[k] = told
                asked[k] = self.client.submit(operator.itemgetter(0), told, pure=False)
            else:
                asked[k] = self.client.submit(
                    _answer, self.shards[k], question, self.threads, pure=False
                )
        begun = time.monotonic()
        try:
            over = self._wait(list(asked.values()), next(q for q in questions if q is not None))
            if over is not None:
                self.client.cancel(list(asked.values()))
                return over[0]
            found = self.client.gather(list(asked.values()))
        except BaseException:
            self.client.cancel(list(asked.values()))
            raise
        self.waited += time.monotonic() - begun
        answers: list[bytes | None] = [None] * len(questions)
        for k, answer in zip(asked, found, strict=True):
            answers[k] = answer
        return answers

    def _wait(self, futures: list[Any], question: bytes) -> tuple[bool | None] | None:
        """Wait for all; as `Asking.over` where the solve ends before."""
        import distributed

        assert self.asking is not None
        left = list(futures)
        while left:
            try:
                done = distributed.wait(left, timeout=_POLL_SECONDS, return_when="FIRST_COMPLETED")
                if any(f.status == "error" for f in done.done):
                    return None  # gather raises what it was
                left = list(done.not_done)
            except TimeoutError:
                pass
            over = self.asking.over(question, 1 - len(left) / len(futures))
            if over is not None:
                return over
        return None


class _DaskProblem(ShardedProblem):
    """The problem of a frame whose partitions workers hold."""

    def __init__(self, shards: _DaskShards, question: Question) -> None:
        n_jobs, n_slots = int(sum(question.rows)), len(question.capacity)
        super().__init__(n_jobs, n_slots, question.capacity, question.model, shards.threads)
        self._shards = shards

    def sums(
        self,
        assignment: Any,  # noqa: ARG002 - it lies beside the shards
        prices: NDArray[np.float64],
        remainders: NDArray[np.float64] | None,
        threads: int,
    ) -> list[bytes]:
        """Return the exact sums of each shard."""
        s = self._shards
        futures = [
            s.client.submit(_sums, shard, told, prices, remainders, max(1, threads), pure=False)
            for shard, told in zip(s.shards, s.told, strict=True)
        ]
        found: list[bytes] = s.client.gather(futures)
        return found


def transport(
    client: Any,
    frame: Any,
    capacity: ArrayLike,
    *,
    terms: Iterable[tuple[ArrayLike, str | None, str | None]],
    unplaced: float | str | None = None,
    threads: int = 1,
    time_limit: float | None = None,
    seed: int = 0,
    progress: bool | ProgressHook | None = None,
) -> ShardedMatching:
    """Match the jobs of a Dask DataFrame to slot classes at least total cost, exactly.

    Parameters
    ----------
    client : distributed.Client or None
        None = the default client.
    frame : dask.dataframe.DataFrame
        A job a row. Partitions may be of any size, and empty. Their columns are held by the
        workers during the solve, and as long as the matching lives.
    capacity : array of int, shape (n_slots,)
        How many slots each class has, 0 or more.
    terms : sequence of (table, key, coef)
        As of `gridcompute.Terms`; key and coef are names of columns, or None.
    unplaced : float or str, optional
        Cost of leaving a job out: a number, or the name of a column. None = every job is placed.
    threads : int
        Threads of one task. Workers run as many tasks as they have threads.
    time_limit, seed, progress
        As of `gridcompute.transport`. After the time limit there is no matching.

    Returns
    -------
    ShardedMatching
        ``assignment`` is a Series ``slot`` (int32) with the partitions, index and divisions of
        `frame`, computed, and held by the workers.

    Raises
    ------
    InvalidProblemError
        A column that is missing, a null, a key beyond its table, a capacity below 0.
    TypeError
        `frame` is no Dask DataFrame.

    Notes
    -----
    Complexity: each cost is evaluated once, by the worker that has its job; prices and loads, and
    the rows of the jobs that have a choice at nearly right prices, travel to this process.
    A worker that is lost costs what it held: Dask computes that again.
    Determinism: the same bits as `gridcompute.transport`, however the frame is partitioned.
    Needs dask and distributed: ``pip install "gridcompute[dask]"``.
    """
    with extra("dask"):
        import dask.dataframe as dd
        import distributed
        import pandas as pd

    if client is None:
        client = distributed.default_client()
    if not isinstance(frame, dd.DataFrame):
        raise TypeError(f"frame must be a Dask DataFrame, not {type(frame).__name__}")
    spec = TermsSpec(terms, unplaced)
    for name in spec.names:
        if name not in frame.columns:
            have = ", ".join(map(repr, list(frame.columns)[:8]))
            raise InvalidProblemError(f"frame: found no column {name!r} among {have}", name)
    room = _checks.counts("capacity", capacity, spec.n_slots, "n_slots", 0, np.int64)
    workers = _checks.whole("threads", threads, 1, 2**31 - 1)
    limit = _checks.time_limit(time_limit)
    seed = _checks.seed(seed)
    shards = _DaskShards(client, frame[spec.names], spec, workers)
    question = Question(spec.model(), shards.rows, room, None, seed, 0)

    def begin(asking: Asking) -> _DaskShards:
        shards.asking = asking
        return shards

    found = coordinate(question, begin, limit, progress)
    found[6]["seconds_waiting"] = shards.waited
    assignment = None
    if is_solved(found):
        series = [
            client.submit(_series, part, told, pure=False)
            for part, told in zip(shards.parts, shards.told, strict=True)
        ]
        meta = pd.Series(np.empty(0, np.int32), name="slot", index=frame._meta.index)
        assignment = dd.from_delayed(
            series, meta=meta, divisions=tuple(frame.divisions), verify_meta=False
        )
    return ShardedMatching.of(found, assignment, _DaskProblem(shards, question))
