"""Jobs that are read in parts, or made in parts by a function.

Of jobs that a function makes nothing is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from .. import _checks
from .cost_specs import CostSpec, cost_spec, identity_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import ArrayLike

    from ..costs.kernels import SlotKernel
    from .cost_specs import PartColumns

#: Shards that are cut here hold a multiple of these jobs: sums over them are then made in one
#: place, and no job's row is sent twice (csrc/gridcompute/transport/model/objective.hpp).
_ALIGNED = 1 << 14
#: Rows of a shard by default: some 50 MB of columns.
_ROWS = 1 << 20
#: Bytes of columns kept from one pass to the next by default.
CACHE_BYTES = 1 << 29


def aligned_rows(rows: int | None) -> int:
    """Return rows a shard, rounded up to a multiple of what sums are made over."""
    wanted = _ROWS if rows is None else _checks.whole("rows_per_shard", rows, 1, 2**31 - 1)
    return min(-(-wanted // _ALIGNED) * _ALIGNED, 2**31 - _ALIGNED)


class ShardSource:
    """Jobs that are read part by part; made by `parquet` and `generated`.

    Attributes
    ----------
    n_jobs, n_slots : int
        Shape of the cost.
    rows : tuple of int
        Jobs of each shard, in order.
    cache_bytes : int
        Columns that a solve keeps from one pass to the next, at most.
    """

    #: Several shards may be read at the same time, by several threads.
    concurrent: ClassVar[bool] = False

    spec: CostSpec
    n_jobs: int
    rows: tuple[int, ...]

    def __init__(
        self, spec: CostSpec, n_jobs: int, rows_per_shard: int | None, cache_bytes: int
    ) -> None:
        self.spec = spec
        self.n_jobs = n_jobs
        size = aligned_rows(rows_per_shard)
        self.rows = tuple(min(size, n_jobs - at) for at in range(0, n_jobs, size))
        self.cache_bytes = _checks.whole("cache_bytes", cache_bytes, 0, 2**62)

    @property
    def n_slots(self) -> int:
        """Columns of the cost."""
        return self.spec.n_slots

    @property
    def n_shards(self) -> int:
        """The number of parts."""
        return len(self.rows)

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"<{kind}: {self.n_jobs} jobs x {self.n_slots} slots in {self.n_shards} shards>"

    def first(self, shard: int) -> int:
        """Return the number of a shard's first job."""
        return shard * self.rows[0]

    def read(self, shard: int, threads: int = 1) -> PartColumns:
        """Read the columns of a shard, in up to `threads` threads. The same at every call."""
        raise NotImplementedError

    def fingerprint(self) -> Sequence[Any]:
        """Return an identity of these jobs, without reading them."""
        raise NotImplementedError


class GeneratedJobs(ShardSource):
    """Jobs that a function makes, see `generated`."""

    def __init__(
        self,
        n_jobs: int,
        columns_of: Callable[[int, int], Mapping[str, Any]],
        spec: CostSpec,
        rows_per_shard: int | None,
        cache_bytes: int,
    ) -> None:
        if not callable(columns_of):
            raise TypeError(f"columns_of must be callable, not {type(columns_of).__name__}")
        n_jobs = _checks.whole("n_jobs", n_jobs, 0, 2**62)
        if spec.typed:
            spec = spec.of_samples(_checked(columns_of(0, min(1, n_jobs))))
        super().__init__(spec, n_jobs, rows_per_shard, cache_bytes)
        self._columns_of = columns_of

    def read(self, shard: int, threads: int = 1) -> PartColumns:  # noqa: ARG002 - it is one call
        """Make the columns of a shard."""
        first, n = self.first(shard), self.rows[shard]
        arrays = _checked(self._columns_of(first, first + n))
        return self.spec.columns_of(arrays, n, f"columns_of({first}, {first + n})")

    def fingerprint(self) -> Sequence[Any]:
        """Return the shape and an identity of the function: what it makes is not read."""
        return ("generated", self.n_jobs, self.rows[:1], identity_of(self._columns_of))


def _checked(found: Any) -> Any:
    """Check that a function returned columns by name; data frames have them as well."""
    if not isinstance(found, Mapping) and not hasattr(found, "columns"):
        raise TypeError(f"columns_of must return a mapping of columns, not {type(found).__name__}")
    return found


def generated(
    n_jobs: int,
    columns_of: Callable[[int, int], Mapping[str, Any]],
    *,
    terms: Iterable[tuple[ArrayLike, str | None, str | None]] | None = None,
    cost: SlotKernel | str | None = None,
    unplaced: float | str | None = None,
    rows_per_shard: int | None = None,
    cache_bytes: int = CACHE_BYTES,
) -> GeneratedJobs:
    """Describe jobs that a function makes, for `transport`: no storage at all.

    Parameters
    ----------
    n_jobs : int
        How many jobs there are.
    columns_of : callable
        ``columns_of(first, last)`` returns the columns of the jobs first to last - 1: a mapping
        from names to arrays, which must not change afterwards. It must return the same whenever it
        is called. A solve calls it from another thread than the caller's, one call at a time; with
        `cost` it is called once before, by this function on the caller's thread.
    terms : sequence of (table, key, coef), optional
        As of `Terms`; key and coef are names of columns, or None.
    cost : SlotKernel or str, optional
        In place of `terms`: a `kernel` bound to its slots, whose parameters ``job_*`` are the names
        of columns; or the name of a column of shape (n, n_slots), float32 or float64, the costs
        themselves. For either the function is called once for the first job, to learn dtypes,
        which must be the same in every part.
    unplaced : float or str, optional
        Cost of leaving a job out: a number, or the name of a column. None = every job is placed.
    rows_per_shard : int, optional
        Jobs a shard, rounded up to a multiple of 16384. None = about a million.
    cache_bytes : int
        Columns that a solve keeps from one pass to the next, at most: those of the first shards.
        The function is called once for these, and three or four times for the others.

    Returns
    -------
    GeneratedJobs
        For ``transport(source, capacity)``.

    Raises
    ------
    InvalidProblemError
        A table, a name or a number that does not fit; the columns are checked when they are made.
    TypeError
        `columns_of` is not callable or returns no mapping, a key is no name, or both or none of
        `terms` and `cost`.

    Notes
    -----
    Complexity: O(entries of the tables).
    Determinism: the answer does not depend on `rows_per_shard`.

    Examples
    --------
    >>> import numpy as np
    >>> from gridcompute import shards, transport
    >>> def jobs(first, last):
    ...     i = np.arange(first, last)
    ...     return {"family": i % 2, "work": 1.0 + i % 3}
    >>> source = shards.generated(6, jobs, terms=[([[1.0, 2.0], [3.0, 1.0]], "family", "work")])
    >>> m = transport(source, [3, 3])
    >>> m.objective, m.verify().valid
    (12.0, True)
    """
    spec = cost_spec(terms, cost, unplaced)
    return GeneratedJobs(n_jobs, columns_of, spec, rows_per_shard, cache_bytes)
