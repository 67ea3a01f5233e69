"""Jobs that are read in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .. import _checks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .cost_specs import CostSpec, PartColumns

__all__ = ["CACHE_BYTES", "ShardSource", "aligned_rows"]

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
