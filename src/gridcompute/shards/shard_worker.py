"""A shard whose columns another process holds: it answers questions where its data are.

Messages between processes are sealed: a digest stands before them, of their bytes and of what these
are about, as before the entries of a journal (answer_folder.py). Bytes that were damaged, or that
belong to another shard, question or problem, are recognised. SHA-256 is the fastest of hashlib
where processors have instructions for it.
"""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ..errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from .cost_specs import CostSpec

__all__ = [
    "ASSIGN",
    "DIGEST_BYTES",
    "HeldShard",
    "bytes_of",
    "digest",
    "opened",
    "sealed",
    "shard_name",
]

#: The number that begins the question with the classes of a shard's jobs
#: (csrc/gridcompute/transport/shards/protocol.hpp), as bytes.
ASSIGN = (7).to_bytes(4, "little")
#: Of SHA-256.
DIGEST_BYTES = 32


def digest(*parts: bytes | memoryview) -> bytes:
    """Return the digest of these parts: also of where one ends and the next one begins."""
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "little"))
        found.update(part)
    return found.digest()


def sealed(data: bytes | memoryview, *about: bytes) -> bytes:
    """Return bytes, and before them the digest of what they are about and of themselves."""
    return digest(*about, data) + data


def opened(found: bytes, what: str, *about: bytes) -> bytes:
    """Return the bytes that were sealed; `what` says in the error which message was damaged."""
    data = memoryview(found)[DIGEST_BYTES:]
    if found[:DIGEST_BYTES] != digest(*about, data):
        raise InternalError(f"shards: found damaged bytes in {what}, needed those that were sent")
    return bytes(data)


def shard_name(first: int, n: int, n_jobs: int) -> str:
    """Return what messages call a shard."""
    return f"the shard of {n} jobs from {first} on, of {n_jobs}"


def bytes_of(*parts: NDArray[Any] | int | None) -> list[bytes]:
    """Return what a proof asks shards about, for the seals of their answers."""
    return [p.tobytes() if isinstance(p, np.ndarray) else repr(p).encode() for p in parts]


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

    @property
    def name(self) -> str:
        """The jobs of the shard, as messages say which."""
        return shard_name(self.first, self.n, self.n_jobs)

    def _part(self) -> Any:
        where = f"jobs {self.first} to {self.first + self.n - 1}"
        return self._spec.columns_of(self._columns(), self.n, where)

    def answer(self, message: bytes, threads: int) -> tuple[bytes, NDArray[np.int32]]:
        """Answer a sealed question; the second part is the class of each job, once it has one."""
        question = opened(message, f"a question to {self.name}", self.name.encode())
        with self._lock:
            found = self._native.answer(question, None, None, threads)
            if found is None:
                part = self._part()
                found = self._native.answer(question, part.columns, part.unplaced, threads)
            assert found is not None
            return sealed(found, self.name.encode(), question), self._native.take_assignment()

    def confined(self, slots: NDArray[np.int32], job: int, threads: int) -> bytes:
        """Count the jobs that must be placed and fit into these classes only; sealed."""
        part = self._part()
        found = _core.confined_shard(
            self._model, part.columns, part.unplaced, self.first, self.n, slots, job, threads
        )
        return sealed(found, self.name.encode(), *bytes_of(slots, job))

    def sums(
        self,
        slots: NDArray[np.int32],
        prices: NDArray[np.float64],
        remainders: NDArray[np.float64] | None,
        threads: int,
    ) -> bytes:
        """Return the exact sums that the proof needs of these jobs; sealed."""
        part = self._part()
        found = _core.sum_shard(
            self._model,
            part.columns,
            part.unplaced,
            self.first,
            slots,
            prices,
            remainders,
            threads,
        )
        return sealed(found, self.name.encode(), *bytes_of(prices, remainders))
