"""Exact transport of the jobs in a Dask DataFrame: the partitions stay with their workers."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import _checks
from ._extras import extra
from .errors import InvalidProblemError
from .shards.cost_specs import CostSpec, kernel_or_terms
from .shards.local_solve import POLL_SECONDS, ClusterShards
from .shards.shard_worker import HeldShard

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from ._progress import ProgressHook
    from .costs.kernels import SlotKernel
    from .results.sharded import ShardedMatching

__all__ = ["transport"]


class _Partition(NamedTuple):
    """The columns of a partition as they are stored, and its index."""

    arrays: Mapping[str, NDArray[Any]]
    index: Any

    def columns(self) -> Mapping[str, NDArray[Any]]:
        return self.arrays


# Functions of workers. Each is pure, so that a task of a lost worker may run again elsewhere.


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


def _same(spec: CostSpec) -> CostSpec:
    return spec


def _shard(part: _Partition, spec: CostSpec, first: int, n_jobs: int) -> HeldShard:
    return HeldShard(spec, part.columns, first, _rows(part), n_jobs)


def _answer(shard: HeldShard, message: bytes, threads: int) -> bytes:
    return shard.answer(message, threads)[0]


def _assign(shard: HeldShard, message: bytes, threads: int) -> tuple[bytes, NDArray[np.int32]]:
    return shard.answer(message, threads)


def _series(part: _Partition, assigned: tuple[bytes, NDArray[np.int32]]) -> Any:
    import pandas as pd

    return pd.Series(assigned[1], index=part.index, name="slot")


def _sums(
    shard: HeldShard,
    assigned: tuple[bytes, NDArray[np.int32]],
    prices: NDArray[np.float64],
    remainders: NDArray[np.float64] | None,
    threads: int,
) -> bytes:
    return shard.sums(assigned[1], prices, remainders, threads)


def _confined(shard: HeldShard, slots: NDArray[np.int32], job: int, threads: int) -> bytes:
    return shard.confined(slots, job, threads)


class _DaskShards(ClusterShards):
    """The shards of a client's cluster."""

    def __init__(self, client: Any, frame: Any, spec: CostSpec, threads: int) -> None:
        import dask

        self._client, self._frame = client, frame
        delayed = frame.to_delayed()
        make = dask.delayed(_partition, pure=False)
        self._parts = client.compute([make(p, spec.names, k) for k, p in enumerate(delayed)])
        rows = client.gather([client.submit(_rows, p, pure=False) for p in self._parts])
        super().__init__(spec, rows, threads)
        first = np.concatenate([[0], np.cumsum(rows)]).tolist()
        shared = client.submit(_same, spec, pure=False)
        self._shards = [
            client.submit(_shard, part, shared, at, first[-1], pure=False)
            for part, at in zip(self._parts, first, strict=False)
        ]
        # The answer of each shard with the classes of its jobs: on the workers.
        self._assigned: list[Any] = [None] * len(rows)

    def send(self, shard: int, message: bytes, *, assigns: bool) -> Any:
        """Send a question to a shard."""
        held = self._shards[shard]
        if not assigns:
            return self._client.submit(_answer, held, message, self.threads, pure=False)
        assigned = self._client.submit(_assign, held, message, self.threads, pure=False)
        self._assigned[shard] = assigned
        return self._client.submit(operator.itemgetter(0), assigned, pure=False)

    def wait(self, pending: list[Any]) -> list[Any]:
        """Wait a moment for some answers."""
        import distributed

        try:
            done = distributed.wait(pending, timeout=POLL_SECONDS, return_when="FIRST_COMPLETED")
        except TimeoutError:
            return pending
        failed = any(future.status == "error" for future in done.done)
        return [] if failed else list(done.not_done)

    def receive(self, sent: list[Any]) -> list[bytes]:
        """Return answers."""
        found: list[bytes] = self._client.gather(sent)
        return found

    def cancel(self, sent: list[Any]) -> None:
        """Take questions back."""
        self._client.cancel(sent)

    def assignment(self) -> Any:
        """Return the classes as a Series on the partitions of the frame."""
        import dask.dataframe as dd
        import pandas as pd

        series = [
            self._client.submit(_series, part, assigned, pure=False)
            for part, assigned in zip(self._parts, self._assigned, strict=True)
        ]
        meta = pd.Series(np.empty(0, np.int32), name="slot", index=self._frame._meta.index)
        divisions = tuple(self._frame.divisions)
        return dd.from_delayed(series, meta=meta, divisions=divisions, verify_meta=False)

    def sums(
        self,
        assignment: Any,  # noqa: ARG002 - it lies beside the shards
        prices: NDArray[np.float64],
        remainders: NDArray[np.float64] | None,
        threads: int,
    ) -> list[bytes]:
        """Return the exact sums of each shard."""
        workers = max(1, threads)
        return self.receive(
            [
                self._client.submit(_sums, shard, assigned, prices, remainders, workers, pure=False)
                for shard, assigned in zip(self._shards, self._assigned, strict=True)
            ]
        )

    def confined(self, slots: NDArray[np.int32], job: int, threads: int) -> list[bytes]:
        """Return what each shard counts of its jobs that fit into these classes only."""
        workers = max(1, threads)
        return self.receive(
            [
                self._client.submit(_confined, shard, slots, job, workers, pure=False)
                for shard in self._shards
            ]
        )


def transport(
    client: Any,
    frame: Any,
    capacity: ArrayLike,
    *,
    terms: Iterable[tuple[ArrayLike, str | None, str | None]] | None = None,
    cost: SlotKernel | None = None,
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
    terms : sequence of (table, key, coef), optional
        As of `gridcompute.Terms`; key and coef are names of columns, or None.
    cost : SlotKernel, optional
        In place of `terms`: a `gridcompute.kernel` bound to its slots, whose parameters ``job_*``
        are the names of columns. It is sent to the workers and compiled there.
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
        `frame` is no Dask DataFrame, or a column of another type than the formula is compiled for.

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

    if client is None:
        client = distributed.default_client()
    if not isinstance(frame, dd.DataFrame):
        raise TypeError(f"frame must be a Dask DataFrame, not {type(frame).__name__}")
    spec = kernel_or_terms(terms, cost, unplaced)
    for name in spec.names:
        if name not in frame.columns:
            have = ", ".join(map(repr, list(frame.columns)[:8]))
            raise InvalidProblemError(f"frame: found no column {name!r} among {have}", name)
    room = _checks.counts("capacity", capacity, spec.n_slots, "n_slots", 0, np.int64)
    workers = _checks.whole("threads", threads, 1, 2**31 - 1)
    limit = _checks.time_limit(time_limit)
    seed = _checks.seed(seed)
    chosen = frame[spec.names]
    spec = spec.of_samples({name: chosen._meta[name].to_numpy() for name in spec.names})
    return _DaskShards(client, chosen, spec, workers).solve(room, limit, seed, progress)
