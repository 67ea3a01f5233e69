"""Jobs in Parquet files: read row group by row group, in the order of the files' names."""

from __future__ import annotations

import bisect
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._extras import extra
from ..errors import InvalidProblemError
from .source import PartColumns, ShardSource, TermsSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["ParquetJobs", "parquet"]


class _Group(NamedTuple):
    """A row group: its file, its number there, and the number of its first job."""

    path: Path
    group: int
    first: int
    rows: int


class ParquetJobs(ShardSource):
    """Jobs in Parquet files, see `parquet`."""

    def __init__(self, files: Sequence[Path], spec: TermsSpec, rows_per_shard: int | None) -> None:
        with extra("grid"):
            import pyarrow.parquet  # noqa: F401

        self.files = tuple(files)
        self._groups: list[_Group] = []
        self._stamps: list[tuple[str, int, int]] = []
        self._cached: tuple[int, dict[str, NDArray[Any]]] = (-1, {})
        at = 0
        kinds: dict[str, tuple[str, Path]] = {}
        for path in self.files:
            status = path.stat()
            self._stamps.append((str(path), status.st_size, status.st_mtime_ns))
            at = self._add_file(path, spec, at, kinds)
        self._firsts = [group.first for group in self._groups]
        super().__init__(spec, at, rows_per_shard)

    def _add_file(
        self, path: Path, spec: TermsSpec, at: int, kinds: dict[str, tuple[str, Path]]
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
            kind = str(schema.field(name).type)
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

    def read(self, shard: int) -> PartColumns:
        """Read the columns of a shard; the last row group is kept for the next one."""
        first, n = self.first(shard), self.rows[shard]
        names = self.spec.names
        parts: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
        at = bisect.bisect_right(self._firsts, first) - 1
        while at < len(self._groups) and self._groups[at].first < first + n:
            group = self._groups[at]
            arrays = self._arrays(at)
            lo, hi = max(0, first - group.first), min(group.rows, first + n - group.first)
            for name in names:
                parts[name].append(arrays[name][lo:hi])
            at += 1
        whole = {
            name: found[0] if len(found) == 1 else np.concatenate(found)
            for name, found in parts.items()
        }
        return self.spec.columns_of(whole, n, f"jobs {first} to {first + n - 1}")

    def _arrays(self, at: int) -> dict[str, NDArray[Any]]:
        """Return the columns of a row group as they are stored."""
        number, cached = self._cached
        if number == at:
            return cached
        import pyarrow as pa
        import pyarrow.parquet as pq

        group = self._groups[at]
        try:
            with pq.ParquetFile(group.path, memory_map=True) as file:
                table = file.read_row_group(group.group, columns=self.spec.names, use_threads=False)
        except (pa.ArrowException, IndexError) as error:
            raise InvalidProblemError(
                f"files: found row group {group.group} of {group.path} unreadable "
                f"({_first_line(error)}), needed a whole Parquet file",
                "files",
            ) from None
        if table.num_rows != group.rows:
            raise InvalidProblemError(
                f"files: found {table.num_rows} rows in row group {group.group} of {group.path}, "
                f"needed the {group.rows} that there were: the file has changed",
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
            arrays[name] = column.to_numpy()
        self._cached = (at, arrays)
        return arrays

    def fingerprint(self) -> Sequence[Any]:
        """Return names, sizes and times of the files."""
        return ("parquet", self.n_jobs, self.rows[:1], *itertools.chain(*self._stamps))


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
    terms: Iterable[tuple[ArrayLike, str | None, str | None]],
    unplaced: float | str | None = None,
    rows_per_shard: int | None = None,
) -> ParquetJobs:
    """Describe jobs in Parquet files, for `transport`: they are read part by part.

    Parameters
    ----------
    files : path, or sequence of paths
        A folder, whose files ``*.parquet`` are taken by name, or the files in their order. Jobs
        are numbered through.
    terms : sequence of (table, key, coef)
        As of `Terms`; key and coef are names of columns, or None. Keys are integers, coefficients
        integers or floats, no nulls.
    unplaced : float or str, optional
        Cost of leaving a job out: a number, or the name of a column. None = every job is placed.
    rows_per_shard : int, optional
        Jobs a shard, rounded up to a multiple of 16384: what is in memory at once, twice. None =
        about a million.

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
        A key or coefficient is no name.

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
    return ParquetJobs(_files(files), TermsSpec(terms, unplaced), rows_per_shard)
