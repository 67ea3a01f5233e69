"""A shard whose columns another process holds: it answers questions where its data are."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .. import _core

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from .cost_specs import CostSpec

__all__ = ["ASSIGN", "HeldShard"]

#: The number that begins the question with the classes of a shard's jobs
#: (csrc/gridcompute/transport/shards/protocol.hpp), as bytes.
ASSIGN = (7).to_bytes(4, "little")


class HeldShard:
    """A shard beside its columns.

    What it remembers of a pricing pass is not part of a copy, which runs the pass again when it is
    asked: a worker that is lost costs its passes and nothing else.

    Parameters
    ----------
    spec : CostSpec
        What costs are.
    columns : callable
        Returns the columns by name, as they are stored; called whenever they are needed.
    first, n, n_jobs : int
        The shard's jobs among all.
    """

    def __init__(
        self,
        spec: CostSpec,
        columns: Callable[[], Mapping[str, Any]],
        first: int,
        n: int,
        n_jobs: int,
    ) -> None:
        self._spec, self._columns = spec, columns
        self.first, self.n, self.n_jobs = first, n, n_jobs
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._model = self._spec.model()
        self._native = _core.JobShard(self._model, self.first, self.n, self.n_jobs)

    def __getstate__(self) -> tuple[Any, ...]:
        return self._spec, self._columns, self.first, self.n, self.n_jobs

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._spec, self._columns, self.first, self.n, self.n_jobs = state
        self._begin()

    def _part(self) -> Any:
        where = f"jobs {self.first} to {self.first + self.n - 1}"
        return self._spec.columns_of(self._columns(), self.n, where)

    def answer(self, question: bytes, threads: int) -> tuple[bytes, NDArray[np.int32]]:
        """Answer a question; the second part is the class of each job, once it has one."""
        with self._lock:
            found = self._native.answer(question, None, None, threads)
            if found is None:
                part = self._part()
                found = self._native.answer(question, part.columns, part.unplaced, threads)
            assert found is not None
            return found, self._native.take_assignment()

    def confined(self, slots: NDArray[np.int32], job: int, threads: int) -> bytes:
        """Count the jobs that must be placed and fit into these classes only."""
        part = self._part()
        return _core.confined_shard(
            self._model, part.columns, part.unplaced, self.first, self.n, slots, job, threads
        )

    def sums(
        self,
        slots: NDArray[np.int32],
        prices: NDArray[np.float64],
        remainders: NDArray[np.float64] | None,
        threads: int,
    ) -> bytes:
        """Return the exact sums that the proof needs of these jobs."""
        part = self._part()
        return _core.sum_shard(
            self._model,
            part.columns,
            part.unplaced,
            self.first,
            slots,
            prices,
            remainders,
            threads,
        )
