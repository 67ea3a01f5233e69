"""Jobs in Parquet files: read row group by row group, in the order of the files' names.

Shards are read in threads, ahead of their use, and kept where there is room.
"""

from __future__ import annotations

import bisect
import collections
import itertools
import os
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

import numpy as np

from .. import _core
from .._extras import extra
from .._interrupts import Call, WorkerThreads
from ..errors import InvalidProblemError
from .cost_specs import CostSpec, cost_spec
from .source import CACHE_BYTES, ShardSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from ..costs.kernels import SlotKernel
    from .cost_specs import PartColumns

    Arrays = dict[str, NDArray[Any]]

#: Eight threads decode as much as a hundred can scan.
_MOST_READERS = 8


class ShardReader:
    """Reads the shards of a source.

    The shards that are read first are kept: in passes that all go the same way, to keep those that
    were used last would keep none.

    Parameters
    ----------
    source : ShardSource
        What to read.
    threads : int
        Largest number of threads that read at the same time.
    cache_bytes : int
        Columns to keep, at most.

    Attributes
    ----------
    reads : int
        Shards that were read.
    waited : float
        Seconds that the caller waited for data.
    """

    def __init__(self, source: ShardSource, threads: int, cache_bytes: int) -> None:
        self._source, self._room = source, cache_bytes
        self._kept: dict[int, PartColumns] = {}
        self._threads = min(_core.thread_count(threads), _MOST_READERS)
        # The columns of one shard, if no others are to be read meanwhile.
        self._inner = self._threads if source.n_shards < self._threads else 1
        self.reads = 0
        self.waited = 0.0

    def parts(self, shards: Sequence[int]) -> Iterator[tuple[int, PartColumns]]:
        """Go through these shards, reading the next ones while the caller works on this one."""
        missing = collections.deque(k for k in shards if k not in self._kept)
        ahead: collections.deque[Call[PartColumns]] = collections.deque()
        readers = self._threads if self._source.concurrent else 1
        threads = WorkerThreads(readers)

        def begin() -> None:
            read = threads.begin(self._source.read, missing.popleft(), self._inner)
            ahead.append(read)

        try:
            for k in shards:
                while missing and len(ahead) < readers:
                    begin()
                part = self._kept.get(k)
                if part is None:
                    part = self._await(k, ahead.popleft())
                    if missing:
                        ahead.append(
                            threads.begin(self._source.read, missing.popleft(), self._inner)
                        )
                yield k, part
                del part
        finally:
            threads.close()

    def _await(self, shard: int, read: Call[PartColumns]) -> PartColumns:
        begun = time.monotonic()
        part = read.result()
        self.waited += time.monotonic() - begun
        self.reads += 1
        if part.nbytes <= self._room:
            self._room -= part.nbytes
            self._kept[shard] = part
        return part


class _Group(NamedTuple):
    """A row group: its file, its number there, and the number of its first job."""

    path: Path
    group: int
    first: int
    rows: int


class _SharedGroups:
    """Row groups in which shards end: each is decoded once for all shards that have a part of it.

    Shards are read in several threads. One that asks for a group which another thread decodes gets
    the arrays of that thread. A group is forgotten when all of its shards have had it; those whose
    other shards are not read in this pass stay until the next one, `_MOST` of them.
    """

    _MOST = 8

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: dict[int, tuple[Future[Arrays], int]] = {}  # and the shards that lack it

    def arrays(self, at: int, users: int, decode: Callable[[int], Arrays]) -> Arrays:
        """Return the columns of a group that `users` shards have a part of."""
        if users == 1:
            return decode(at)
        with self._lock:
            known, left = self._groups.pop(at, (None, users))
            future: Future[Arrays] = Future() if known is None else known
            if left > 1:
                self._groups[at] = (future, left - 1)
            while len(self._groups) > self._MOST:
                del self._groups[next(iter(self._groups))]
        if known is None:
            try:
                future.set_result(decode(at))
            except BaseException as error:
                future.set_exception(error)
                with self._lock:
                    self._groups.pop(at, None)
        return future.result()


class ParquetJobs(ShardSource):
    """Jobs in Parquet files, see `parquet`."""

    concurrent: ClassVar[bool] = True

    def __init__(
        self,
        files: Sequence[Path],
        spec: CostSpec,
        rows_per_shard: int | None,
        cache_bytes: int,
    ) -> None:
        with extra("grid"):
            import pyarrow.parquet  # noqa: F401

        self.files = tuple(files)
        self._groups: list[_Group] = []
        self._stamps: dict[Path, tuple[int, int]] = {}
        self._shared = _SharedGroups()
        at = 0
        kinds: dict[str, tuple[Any, Path]] = {}
        for path in self.files:
            self._stamps[path] = _stamp(path)
            at = self._add_file(path, spec, at, kinds)
        self._stored = {name: _values(name, _empty(kind)) for name, (kind, _) in kinds.items()}
        if spec.typed:
            if not kinds and spec.names:
                raise InvalidProblemError(
                    "files: found none, needed one that tells the types of columns", "files"
                )
            spec = spec.of_samples(self._stored)
        self._firsts = [group.first for group in self._groups]
        super().__init__(spec, at, rows_per_shard, cache_bytes)

    def _add_file(
        self, path: Path, spec: CostSpec, at: int, kinds: dict[str, tuple[Any, Path]]
    ) -> int:
        """Record the row groups of a file; its schema must be that of the files before."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path) as file:
                schema, meta = file.schema_arrow, file.metadata
                rows = [meta.row_group(g).num_rows for g in range(meta.num_row_groups)]
        except (pa.ArrowInvalid, pa.ArrowException) as error:
            raise InvalidProblemError(
                f"files: found {path} unreadable ({_first_line(error)}), needed a whole Parquet "
                "file",
                "files",
            ) from None
        for name in spec.names:
            if schema.get_field_index(name) < 0:
                have = ", ".join(repr(n) for n in schema.names[:8])
                raise InvalidProblemError(
                    f"files: found no column {name!r} in {path}, which has {have}", name
                )
            _check_kind(name, schema.field(name).type, spec, path)
            kind = schema.field(name).type
            first = kinds.setdefault(name, (kind, path))
            if first[0] != kind:
                raise InvalidProblemError(
                    f"files: found column {name!r} of type {kind} in {path}, needed {first[0]} as "
                    f"in {first[1]}",
                    name,
                )
        for number, count in enumerate(rows):
            if count:
                self._groups.append(_Group(path, number, at, count))
                at += count
        return at

    def read(self, shard: int, threads: int = 1) -> PartColumns:
        """Read the columns of a shard: its row groups at the same time where threads are idle."""
        first, n = self.first(shard), self.rows[shard]
        at = bisect.bisect_right(self._firsts, first) - 1
        end = bisect.bisect_left(self._firsts, first + n)
        where = f"jobs {first} to {first + n - 1}"
        group = self._groups[at]
        if end - at == 1 and group.rows == n:
            return self.spec.columns_of(self._arrays(at, threads), n, where)
        whole = {name: self._column(name, n) for name in self.spec.names}
        inner = threads if end - at == 1 else 1

        def take(at: int) -> None:
            group = self._groups[at]
            size = self.rows[0]
            users = (group.first + group.rows - 1) // size - group.first // size + 1
            arrays = self._shared.arrays(at, users, lambda at: self._arrays(at, inner))
            lo, hi = max(first, group.first), min(first + n, group.first + group.rows)
            for name, column in whole.items():
                column[lo - first : hi - first] = arrays[name][lo - group.first : hi - group.first]

        if inner == threads:
            for k in range(at, end):
                take(k)
        else:
            pool = WorkerThreads(threads)
            try:
                for done in [pool.begin(take, k) for k in range(at, end)]:
                    done.result()
            finally:
                pool.close()
        return self.spec.columns_of(whole, n, where)

    def _column(self, name: str, n: int) -> NDArray[Any]:
        """Return room for a column, in the dtype of the core where no value can be lost."""
        stored = self._stored[name]
        wanted = self.spec.dtype_of(name)
        exact = stored.dtype.kind == "f" or stored.dtype.itemsize < 8
        if wanted is None or not exact or not np.can_cast(stored.dtype, wanted):
            wanted = stored.dtype
        return np.empty((n, *stored.shape[1:]), wanted)

    def _arrays(self, at: int, threads: int) -> Arrays:
        """Return the columns of a row group as they are stored."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        group = self._groups[at]
        try:
            with pq.ParquetFile(group.path) as file:  # mapped files take twice the time
                table = file.read_row_group(
                    group.group, columns=self.spec.names, use_threads=threads > 1
                )
        except (pa.ArrowException, IndexError) as error:
            raise InvalidProblemError(
                f"files: found row group {group.group} of {group.path} unreadable "
                f"({_first_line(error)}), needed a whole Parquet file",
                "files",
            ) from None
        if table.num_rows != group.rows or _stamp(group.path) != self._stamps[group.path]:
            raise InvalidProblemError(
                f"files: found {group.path} changed since its schema was read, needed it as it was",
                "files",
            )
        arrays = {}
        for name in self.spec.names:
            column = table.column(name)
            if column.null_count:
                index = int(np.asarray(column.is_null().to_numpy()).argmax())
                raise InvalidProblemError(
                    f"files: found a null in {name}[{group.first + index}] ({group.path}), needed "
                    "a number",
                    name,
                    group.first + index,
                )
            arrays[name] = _values(name, column, group)
        return arrays

    def fingerprint(self) -> Sequence[Any]:
        """Return names, sizes and times of the files."""
        stamps = [(str(path), *self._stamps[path]) for path in self.files]
        return ("parquet", self.n_jobs, self.rows[:1], *itertools.chain(*stamps))


def _stamp(path: Path) -> tuple[int, int]:
    """Return the size and the time of a file."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _empty(kind: Any) -> Any:
    """Return a column of this type without rows."""
    import pyarrow as pa

    return pa.chunked_array([], kind)


def _values(name: str, column: Any, group: _Group | None = None) -> NDArray[Any]:
    """Return the values of a column of a row group; of lists of one length as a matrix."""
    import pyarrow.types as types

    if not types.is_fixed_size_list(column.type):
        return cast("NDArray[Any]", column.to_numpy())
    parts = [chunk.flatten() for chunk in column.chunks]
    if group is not None and any(part.null_count for part in parts):
        nulls = np.concatenate([part.is_null().to_numpy(zero_copy_only=False) for part in parts])
        job, slot = divmod(int(nulls.argmax()), column.type.list_size)
        raise InvalidProblemError(
            f"files: found a null in {name}[{group.first + job}, {slot}] ({group.path}), needed "
            "numbers",
            name,
            group.first + job,
        )
    dtype = column.type.value_type.to_pandas_dtype()
    values = [part.to_numpy(zero_copy_only=False) for part in parts]
    joined = values[0] if len(values) == 1 else np.concatenate([np.empty(0, dtype), *values])
    return joined.reshape(len(column), column.type.list_size)


def _check_kind(name: str, kind: Any, spec: CostSpec, path: Path) -> None:
    """Check that a column holds what it must; dictionaries hold numbers as well."""
    import pyarrow.types as types

    needed = spec.needs(name)
    stored = kind.value_type if types.is_dictionary(kind) else kind
    if needed == "rows of floats":
        inner = kind.value_type if types.is_fixed_size_list(kind) else kind
        good = inner is not kind and (types.is_float32(inner) or types.is_float64(inner))
    else:
        good = types.is_integer(stored)
        good |= needed != "integers" and types.is_floating(stored)
        good |= needed == "plain" and types.is_boolean(stored)
    if good:
        return
    shown = {
        "plain": "bool, integers or floats",
        "rows of floats": "lists of one length, float32 or float64, such as "
        "pyarrow.list_(pyarrow.float64(), n_slots)",
    }.get(needed, needed)
    raise TypeError(f"files: column {name!r} of {path} must be {shown}, not {kind}")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _files(files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Path]:
    if isinstance(files, (str, os.PathLike)):
        folder = Path(files)
        if not folder.is_dir():
            if not folder.exists():
                raise InvalidProblemError(f"files: found no {folder}", "files")
            return [folder]
        found = sorted(
            p for p in folder.iterdir() if p.suffix == ".parquet" and p.name[0] not in "._"
        )
        if not found:
            raise InvalidProblemError(f"files: found no .parquet file in {folder}", "files")
        return found
    found = [Path(p) for p in files]
    for k, path in enumerate(found):
        if not path.is_file():
            raise InvalidProblemError(f"files[{k}]: found no file {path}", "files", k)
    return found


def parquet(
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    terms: Iterable[tuple[ArrayLike, str | None, str | None]] | None = None,
    cost: SlotKernel | str | None = None,
    unplaced: float | str | None = None,
    rows_per_shard: int | None = None,
    cache_bytes: int = CACHE_BYTES,
) -> ParquetJobs:
    """Describe jobs in Parquet files, for `transport`: they are read part by part.

    Parameters
    ----------
    files : path, or sequence of paths
        A folder, whose files ``*.parquet`` are taken by name, or the files in their order. Jobs
        are numbered through.
    terms : sequence of (table, key, coef), optional
        As of `Terms`; key and coef are names of columns, or None. Keys are integers, coefficients
        integers or floats, no nulls.
    cost : SlotKernel or str, optional
        In place of `terms`: a `kernel` bound to its slots, whose parameters ``job_*`` are the names
        of columns (bool, integers or floats); or the name of a column of lists of one length,
        float32 or float64, the costs themselves.
    unplaced : float or str, optional
        Cost of leaving a job out: a number, or the name of a column. None = every job is placed.
    rows_per_shard : int, optional
        Jobs a shard, rounded up to a multiple of 16384. One shard and as many more as there are
        threads to read are in memory at once. None = about a million.
    cache_bytes : int
        Columns that a solve keeps from one pass to the next, at most: those of the first shards,
        48 bytes a job with four keys and four coefficients. Others are read again for each pass.
        Up to eight row groups in which shards end are kept beside them.

    Returns
    -------
    ParquetJobs
        For ``transport(source, capacity, out=folder)``.

    Raises
    ------
    InvalidProblemError
        No file, a file that is no whole Parquet file, a column that is missing or has another type
        than in the files before, a table that does not fit. Values are checked when they are read.
    TypeError
        A key or coefficient is no name, a column has no numbers, or both or none of `terms` and
        `cost`.

    Notes
    -----
    Complexity: reads the metadata of each file.
    Determinism: the answer depends neither on `rows_per_shard` nor on how jobs are cut into files.
    Needs pyarrow: ``pip install "gridcompute[grid]"``.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> import pyarrow as pa, pyarrow.parquet as pq
    >>> from gridcompute import shards, transport
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> jobs = {"family": [0, 1, 0, 1], "work": [1.0, 2.0, 3.0, 1.0]}
    >>> pq.write_table(pa.table(jobs), folder / "jobs.parquet")
    >>> source = shards.parquet(folder, terms=[([[1.0, 2.0], [3.0, 1.0]], "family", "work")])
    >>> m = transport(source, [2, 2], out=folder / "placed")
    >>> m.objective, np.asarray(m.assignment).tolist()
    (7.0, [0, 1, 0, 1])
    """
    spec = cost_spec(terms, cost, unplaced)
    return ParquetJobs(_files(files), spec, rows_per_shard, cache_bytes)
