"""Exact transport of the jobs in a Ray Dataset: actors work on the blocks where these are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


def _arrow(block: Any) -> Any:
    """Return the block as an Arrow table; one of a dataset whose first is Arrow may be pandas."""
    import pyarrow as pa

    if isinstance(block, pa.Table):
        return block
    return pa.Table.from_pandas(block, preserve_index=False)


class _Block:
    """The columns of a block in the object store, which every process of its machine reads."""

    def __init__(self, block: Any, names: Sequence[str], number: int) -> None:
        self._table, self._names, self._number = _arrow(block), names, number

    def columns(self) -> Mapping[str, NDArray[Any]]:
        arrays = {}
        for name in self._names:
            if name not in self._table.column_names:
                raise InvalidProblemError(
                    f"dataset: found no column {name!r} in block {self._number}, needed one", name
                )
            column = self._table.column(name)
            if column.null_count:
                raise InvalidProblemError(
                    f"dataset: found a null in {name!r} of block {self._number}, needed numbers",
                    name,
                )
            arrays[name] = column.to_numpy()
        return arrays


class _ShardActor:
    """Holds what its shards remember. One that is restarted runs their last pass again."""

    def __init__(self, spec: CostSpec, n_jobs: int, threads: int) -> None:
        self._spec, self._n_jobs, self._threads = spec, n_jobs, threads
        self._shards: dict[int, HeldShard] = {}

    def answer(
        self, number: int, block: list[Any], first: int, rows: int, message: bytes
    ) -> tuple[bytes, Any]:
        """Answer a question: the answer, and the classes of the jobs where they were assigned."""
        import pyarrow as pa
        import ray

        if number not in self._shards:
            held = _Block(ray.get(block[0]), self._spec.names, number)
            self._shards[number] = HeldShard(self._spec, held.columns, first, rows, self._n_jobs)
        answer, slots = self._shards[number].answer(message, self._threads)
        return answer, pa.table({"slot": pa.array(slots)})


def _rows(block: Any) -> int:
    return len(block)


def _sample(block: Any, names: Sequence[str]) -> Mapping[str, NDArray[Any]]:
    return _Block(block[:0], names, 0).columns()


def _sums(
    spec: CostSpec,
    number: int,
    block: Any,
    slots: Any,
    first: int,
    n_jobs: int,
    prices: NDArray[np.float64],
    remainders: NDArray[np.float64] | None,
    threads: int,
) -> bytes:
    columns = _Block(block, spec.names, number).columns
    shard = HeldShard(spec, columns, first, _rows(block), n_jobs)
    placed = np.ascontiguousarray(slots.column("slot").to_numpy(), np.int32)
    return shard.sums(placed, np.array(prices), remainders, threads)


def _confined(
    spec: CostSpec,
    number: int,
    block: Any,
    first: int,
    n_jobs: int,
    slots: NDArray[np.int32],
    job: int,
    threads: int,
) -> bytes:
    columns = _Block(block, spec.names, number).columns
    shard = HeldShard(spec, columns, first, _rows(block), n_jobs)
    return shard.confined(np.array(slots), job, threads)


class _RayShards(ClusterShards):
    """The shards of a dataset's blocks, and the actors that have them."""

    def __init__(
        self, dataset: Any, spec: CostSpec, num_actors: int | None, cpus_per_actor: int
    ) -> None:
        import ray

        chosen = dataset.select_columns(spec.names)
        chosen.context.execution_options.preserve_order = True
        self._kept = chosen.materialize()  # the blocks live as long as this
        blocks = self._kept.to_arrow_refs()
        count = ray.remote(num_cpus=0)(_rows)
        rows: list[int] = ray.get([count.remote(b) for b in blocks])
        # An empty block may have lost its columns (Ray 2.40).
        filled = [k for k, n in enumerate(rows) if n] or list(range(len(rows)))[:1]
        self._blocks, rows = [blocks[k] for k in filled], [rows[k] for k in filled]
        if spec.typed and self._blocks:
            sample = ray.remote(num_cpus=0)(_sample)
            spec = spec.of_samples(ray.get(sample.remote(self._blocks[0], spec.names)))
        super().__init__(spec, rows, cpus_per_actor)
        self._first = np.concatenate([[0], np.cumsum(rows)]).astype(int).tolist()
        if num_actors is None:
            cpus = ray.cluster_resources().get("CPU", 1.0)
            num_actors = max(1, min(len(rows), int(cpus // cpus_per_actor)))
        actor = ray.remote(num_cpus=cpus_per_actor, max_restarts=-1, max_task_retries=-1)(
            _ShardActor
        )
        self._actors = [
            actor.remote(spec, self._first[-1], cpus_per_actor) for _ in range(num_actors)
        ]
        # Runs of blocks with about as many rows each.
        share = max(1, -(-self._first[-1] // num_actors))
        self._actor_of = [min(at // share, num_actors - 1) for at in self._first[:-1]]
        self._assigned: list[Any] = [None] * len(rows)

    def send(self, shard: int, message: bytes, *, assigns: bool) -> Any:
        """Send a question to a shard."""
        actor = self._actors[self._actor_of[shard]]
        block, rows = [self._blocks[shard]], self.rows[shard]
        answer, slots = actor.answer.options(num_returns=2).remote(
            shard, block, self._first[shard], rows, message
        )
        if assigns:
            self._assigned[shard] = slots
        return answer

    def wait(self, pending: list[Any]) -> list[Any]:
        """Wait a moment for some answers."""
        import ray

        done, left = ray.wait(pending, num_returns=len(pending), timeout=POLL_SECONDS)
        ray.get(done)  # an error of one is raised at once
        return list(left)

    def receive(self, sent: list[Any]) -> list[bytes]:
        """Return answers."""
        import ray

        found: list[bytes] = ray.get(sent)
        return found

    def cancel(self, sent: list[Any]) -> None:  # noqa: ARG002 - whose actors end
        """Take questions back."""
        self.close()

    def close(self) -> None:
        """End the actors: nothing is asked any more."""
        import ray

        for actor in self._actors:
            ray.kill(actor)
        self._actors = []
        super().close()

    def assignment(self) -> Any:
        """Return the classes as a Dataset in the order of the jobs."""
        import ray

        return ray.data.from_arrow_refs(self._assigned)

    def sums(
        self,
        assignment: Any,  # noqa: ARG002 - its blocks are at hand
        prices: NDArray[np.float64],
        remainders: NDArray[np.float64] | None,
        threads: int,
    ) -> list[bytes]:
        """Return the exact sums of each shard."""
        import ray

        workers, n_jobs = max(1, threads), self._first[-1]
        sums = ray.remote(num_cpus=workers)(_sums)
        parts = zip(self._blocks, self._assigned, self._first[:-1], strict=True)
        return self.receive(
            [
                sums.remote(self.spec, k, block, assigned, at, n_jobs, prices, remainders, workers)
                for k, (block, assigned, at) in enumerate(parts)
            ]
        )

    def confined(self, slots: NDArray[np.int32], job: int, threads: int) -> list[bytes]:
        """Return what each shard counts of its jobs that fit into these classes only."""
        import ray

        workers, n_jobs = max(1, threads), self._first[-1]
        count = ray.remote(num_cpus=workers)(_confined)
        blocks = zip(self._blocks, self._first[:-1], strict=True)
        return self.receive(
            [
                count.remote(self.spec, k, block, at, n_jobs, slots, job, workers)
                for k, (block, at) in enumerate(blocks)
            ]
        )


def transport(
    dataset: Any,
    capacity: ArrayLike,
    *,
    terms: Iterable[tuple[ArrayLike, str | None, str | None]] | None = None,
    cost: SlotKernel | None = None,
    unplaced: float | str | None = None,
    num_actors: int | None = None,
    cpus_per_actor: int = 1,
    time_limit: float | None = None,
    seed: int = 0,
    progress: bool | ProgressHook | None = None,
) -> ShardedMatching:
    """Match the jobs of a Ray Dataset to slot classes at least total cost, exactly.

    Parameters
    ----------
    dataset : ray.data.Dataset
        A job a row. Its blocks may be of any size; the columns that are needed are materialised in
        the object store, in order, as long as the matching lives.
    capacity : array of int, shape (n_slots,)
        How many slots each class has, 0 or more.
    terms : sequence of (table, key, coef), optional
        As of `gridcompute.Terms`; key and coef are names of columns, or None.
    cost : SlotKernel, optional
        In place of `terms`: a `gridcompute.kernel` bound to its slots, whose parameters ``job_*``
        are the names of columns. It is sent to the actors and compiled there.
    unplaced : float or str, optional
        Cost of leaving a job out: a number, or the name of a column. None = every job is placed.
    num_actors : int, optional
        How many actors work; None = as many as there are CPUs for.
    cpus_per_actor : int
        CPUs, and so threads, of each actor.
    time_limit, seed, progress
        As of `gridcompute.transport`. After the time limit there is no matching.

    Returns
    -------
    ShardedMatching
        ``assignment`` is a Dataset with one column, ``slot`` (int32), in the order of `dataset`.

    Raises
    ------
    InvalidProblemError
        A column that is missing, a null, a key beyond its table, a capacity below 0.
    TypeError
        `dataset` is no Ray Dataset.

    Notes
    -----
    Complexity: each cost is evaluated once, by an actor; prices and loads, and the rows of the jobs
    that have a choice at nearly right prices, travel to this process.
    An actor that is lost is started again, and runs the last pass of its shards again.
    Determinism: the same bits as `gridcompute.transport`, however the dataset is cut into blocks.
    Needs ray: ``pip install "gridcompute[ray]"``.
    """
    with extra("ray"):
        import ray
        import ray.data

    if not isinstance(dataset, ray.data.Dataset):
        raise TypeError(f"dataset must be a Ray Dataset, not {type(dataset).__name__}")
    spec = kernel_or_terms(terms, cost, unplaced)
    schema = dataset.schema()
    have = [] if schema is None else list(schema.names)
    for name in spec.names:
        if name not in have:
            listed = ", ".join(map(repr, have[:8]))
            raise InvalidProblemError(f"dataset: found no column {name!r} among {listed}", name)
    room = _checks.counts("capacity", capacity, spec.n_slots, "n_slots", 0, np.int64)
    if num_actors is not None:
        num_actors = _checks.whole("num_actors", num_actors, 1, 2**31 - 1)
    cpus = _checks.whole("cpus_per_actor", cpus_per_actor, 1, 2**31 - 1)
    limit = _checks.time_limit(time_limit)
    seed = _checks.seed(seed)
    return _RayShards(dataset, spec, num_actors, cpus).solve(room, limit, seed, progress)
