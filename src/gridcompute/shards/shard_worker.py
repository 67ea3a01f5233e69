"""A shard whose columns another process holds, and the folder of an answer.

A shard answers questions where its data are.

Messages between processes are sealed: a digest stands before them, of their bytes and of what these
are about, as before the entries of a journal. Bytes that were damaged, or that belong to another
shard, question or problem, are recognised. SHA-256 is the fastest of hashlib where processors have
instructions for it.

The folder of an answer has one Parquet file a shard, and is there as a whole or not at all.
Everything is written into a folder beside it, ``<out>.partial``: a journal of what shards have
answered, and the files, in a folder that takes the name `out` when all of them are there. A solve
that ends early leaves ``<out>.partial``; the same call again takes the answers from it, since a
coordinator asks the same questions again. A shard whose answer or file is damaged is asked again.

A process that writes holds a lock, ``<out>.partial.lock``, which ends with the process. Between
machines it holds where the file system has such locks: NFS has them unless it is mounted without.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import json
import os
import shutil
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from .. import _core, _files
from .._extras import extra
from .._progress import warn
from ..errors import InternalError, InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    from numpy.typing import NDArray

    from .cost_specs import CostSpec

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


_PROBLEM = "problem.json"
_JOURNAL = "journal"
_FILES = "files"


def _name(shard: int) -> str:
    return f"shard-{shard:06d}.parquet"


class AnswerFolder:
    """The folder of an answer, locked until `close`.

    Parameters
    ----------
    out : path
        The folder; a new or an empty one.
    problem : sequence
        Identifies the problem: answers in the journal of another problem are not used.

    Raises
    ------
    InvalidProblemError
        A file, a folder that is not empty, one that another process writes, or one that was begun
        by a version of this library with another shard protocol.
    """

    def __init__(self, out: str | os.PathLike[str], problem: Sequence[Any]) -> None:
        with extra("grid"):
            import pyarrow.parquet  # noqa: F401

        self.out = Path(out).absolute()
        self.partial = self.out.with_name(self.out.name + ".partial")
        text = json.dumps([str(part) for part in problem])
        self._stamp = {
            "shard_protocol": _core.SHARD_PROTOCOL,
            "problem": hashlib.sha256(text.encode()).hexdigest(),
        }
        if self.out.exists() and not self.out.is_dir():
            raise InvalidProblemError(f"out: found a file {self.out}, needed a folder", "out")
        self.out.parent.mkdir(parents=True, exist_ok=True)
        self._lock = self._locked(Path(f"{self.partial}.lock"))
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the lock."""
        Path(self._lock.name).unlink(missing_ok=True)
        self._lock.close()

    def _locked(self, path: Path) -> IO[bytes]:
        """Lock the file of this name."""
        import fcntl

        while True:
            file = path.open("a+b", buffering=0)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    file.seek(0)
                    holder = file.read(200).decode(errors="replace") or "another process"
                    file.close()
                    raise InvalidProblemError(
                        f"out: found {holder} at work on {self.out}, needed none: wait for its "
                        "end, or choose another folder",
                        "out",
                    ) from None
                warn("transport: %s cannot be locked: make no second call with this out", path)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    file.truncate(0)
                    file.write(f"process {os.getpid()} on {os.uname().nodename}".encode())
                    return file
            file.close()  # the process that had the lock has removed the file

    def _begin(self) -> None:
        """Make ``<out>.partial``, or go on with what an earlier call has left."""
        if self.out.exists() and any(self.out.iterdir()):
            raise InvalidProblemError(
                f"out: found files in {self.out}, needed a new or an empty folder", "out"
            )
        self.partial.mkdir(exist_ok=True)
        begun = self._begun()
        if begun != self._stamp:
            if begun is not None:
                message = "transport: %s is of another problem, or of files that have changed since"
                warn(message + ": it begins again", self.partial)
            self._remove_parts()
            _files.write_whole(self.partial / _PROBLEM, json.dumps(self._stamp).encode())
        for part in (_JOURNAL, _FILES):
            (self.partial / part).mkdir(exist_ok=True)

    def _begun(self) -> dict[str, Any] | None:
        """Return the stamp of what an earlier call has begun; None where it began nothing."""
        try:
            text = (self.partial / _PROBLEM).read_bytes()
        except FileNotFoundError:
            # A stamp that was being written has another name.
            if any(not path.match(f".{_PROBLEM}.*.new") for path in self.partial.iterdir()):
                raise InvalidProblemError(
                    f"out: found files in {self.partial}, which begins answers and is not ours",
                    "out",
                ) from None
            return None
        try:
            found = json.loads(text)
        except ValueError:  # what is no JSON, or not even text
            found = None
        version = found.get("shard_protocol") if isinstance(found, dict) else None
        if version != _core.SHARD_PROTOCOL:
            raise InvalidProblemError(
                f"out: found {self.partial} begun with shard protocol {version}, needed "
                f"{_core.SHARD_PROTOCOL}: let the version of gridcompute that began it finish it, "
                "or remove it",
                "out",
            )
        return dict(found)

    def _entry(self, shard: int, question: bytes) -> Path:
        """Return the file of an answer: one a question, but one a shard for its classes."""
        asked = "assigned" if question[:4] == ASSIGN else digest(question).hex()[:24]
        return self.partial / _JOURNAL / f"{shard}-{asked}"

    def _written(self, shard: int, question: bytes) -> bytes:
        """Return the digest of the file that an answer comes with, if it comes with one."""
        path = self.partial / _FILES / _name(shard)
        return digest(path.read_bytes() if question[:4] == ASSIGN and path.is_file() else b"")

    def _seal(self, entry: Path, *parts: bytes | memoryview) -> bytes:
        """Return the digest of an entry's parts, its name and the problem."""
        return digest(f"{self._stamp} {entry.name}".encode(), *parts)

    def recorded(self, shard: int, question: bytes) -> bytes | None:
        """Return what a shard answered before an earlier call ended, or None."""
        entry = self._entry(shard, question)
        try:
            found = memoryview(entry.read_bytes())
        except FileNotFoundError:
            return None
        except OSError:  # a disk that cannot be read
            found = memoryview(b"")
        ends = [DIGEST_BYTES * k for k in range(4)]
        seal, asked, written = (bytes(found[a:b]) for a, b in itertools.pairwise(ends))
        answer = found[ends[-1] :]
        if seal == self._seal(entry, asked, written, answer):
            if asked != digest(question):
                return None  # the classes of a later plan
            if written == self._written(shard, question):
                return bytes(answer)
        warn("transport: %s or its file is damaged: the shard is asked again", entry)
        return None

    def record(self, shard: int, question: bytes, answer: bytes | memoryview) -> None:
        """Record an answer: whole and on the disk, or not at all."""
        entry = self._entry(shard, question)
        parts = (digest(question), self._written(shard, question), answer)
        _files.write_whole(entry, self._seal(entry, *parts), *parts)

    def write(self, shard: int, slots: NDArray[np.int32]) -> None:
        """Write the classes of a shard's jobs, in place of those of an earlier plan."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._entry(shard, ASSIGN).unlink(missing_ok=True)
        data = pa.BufferOutputStream()
        table = pa.table({"slot": pa.array(slots)})
        pq.write_table(table, data, compression="none", use_dictionary=False)
        _files.write_whole(self.partial / _FILES / _name(shard), memoryview(data.getvalue()))

    def finish(self, rows: Sequence[int]) -> list[Path]:
        """Give the folder its name; return its files."""
        files = self.partial / _FILES
        for stray in files.glob("*.new"):
            stray.unlink()
        for shard in range(len(rows)):
            (files / _name(shard)).stat()  # it exists
        _files.sync_folder(files)
        files.rename(self.out)  # an empty folder of that name is replaced
        _files.sync_folder(self.out.parent)
        self.discard()
        return [self.out / _name(shard) for shard in range(len(rows))]

    def _remove_parts(self) -> None:
        """Remove all but the stamp: the next call knows what is left if this one ends meanwhile."""
        for part in (_JOURNAL, _FILES):
            if (self.partial / part).exists():
                shutil.rmtree(self.partial / part)

    def discard(self) -> None:
        """Remove all that only a solve needs."""
        self._remove_parts()
        shutil.rmtree(self.partial)


def read_slots(path: Path, rows: int) -> NDArray[np.int32]:
    """Read the classes of a shard's jobs."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        column = pq.read_table(path, columns=["slot"], use_threads=False).column("slot")
    except (OSError, pa.ArrowException) as error:
        raise InvalidProblemError(
            f"assignment: found {path} unreadable ({str(error).partition(chr(10))[0]})",
            "assignment",
        ) from None
    if len(column) != rows or column.type != pa.int32() or column.null_count:
        raise InvalidProblemError(
            f"assignment: found {len(column)} rows of {column.type} in {path}, "
            f"{column.null_count} of them null, needed {rows} of int32",
            "assignment",
        )
    return np.ascontiguousarray(column.to_numpy(), np.int32)
