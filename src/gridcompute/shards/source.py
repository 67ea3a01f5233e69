"""Jobs that are read in parts: the terms of their cost by the names of columns, and the parts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from .. import _checks, _core
from ..costs.terms import Terms
from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    Columns = list[tuple[NDArray[np.int32] | None, NDArray[np.float64] | None]]

__all__ = ["CACHE_BYTES", "PartColumns", "ShardSource", "TermsSpec", "aligned_rows"]

#: Shards that are cut here hold a multiple of these jobs: sums over them are then made in one
#: place, and no job's row is sent twice (csrc/gridcompute/transport/model/objective.hpp).
_ALIGNED = 1 << 14
#: Rows of a shard by default: some 50 MB of columns.
_ROWS = 1 << 20
#: Bytes of columns kept from one pass to the next by default.
CACHE_BYTES = 1 << 29


class PartColumns(NamedTuple):
    """The columns of one shard, as the core reads them."""

    #: A key and a coefficient for each term; None where the term has none.
    columns: Columns
    #: What leaving each job unplaced costs; None unless that is a column.
    unplaced: NDArray[np.float64] | None

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays, each counted once."""
        arrays = [*itertools.chain(*self.columns), self.unplaced]
        return sum({id(a): a.nbytes for a in arrays if a is not None}.values())


class TermsSpec:
    """The terms of a cost whose keys and coefficients are columns, by name.

    Parameters
    ----------
    terms : sequence of (table, key, coef)
        As of `Terms`, with the name of a column in place of each array, or None.
    unplaced : float, str or None
        Cost of leaving a job out: a number for all, the name of a column, or None.
    """

    def __init__(
        self,
        terms: Iterable[tuple[ArrayLike, str | None, str | None]],
        unplaced: float | str | None,
    ) -> None:
        if not isinstance(terms, Iterable):
            raise TypeError(
                "terms must be a sequence of (table, key, coef) that name columns, not "
                f"{type(terms).__name__}: formulas and matrices are solved in memory"
            )
        parts = []
        for k, term in enumerate(terms):
            if not isinstance(term, (tuple, list)):
                raise TypeError(f"terms[{k}] must be (table, key, coef), not {type(term).__name__}")
            if len(term) != 3:
                raise InvalidProblemError(
                    f"terms[{k}]: found {len(term)} parts, needed (table, key, coef)", f"terms[{k}]"
                )
            for name, part in (("key", term[1]), ("coef", term[2])):
                if part is not None and not isinstance(part, str):
                    raise TypeError(
                        f"terms[{k}].{name} must be the name of a column or None, "
                        f"not {type(part).__name__}"
                    )
            parts.append((term[0], term[1], term[2]))
        # The checks of tables are those of Terms; the columns of no job stand for the names.
        none = np.empty(0, np.int32), np.empty(0, np.float64)
        checked = Terms([(t, none[0], None if c is None else none[1]) for t, _, c in parts])
        self.n_slots = checked.n_slots
        self.tables = tuple(term.table for term in checked.terms)
        self.keys = tuple(key for _, key, _ in parts)
        self.coefs = tuple(coef for _, _, coef in parts)
        for k, (key, table) in enumerate(zip(self.keys, self.tables, strict=True)):
            if key is None and len(table) == 0:
                raise InvalidProblemError(
                    f"terms[{k}].table: found no rows, needed row 0", f"terms[{k}].table"
                )
        self.unplaced: float | str | None = unplaced
        if unplaced is not None and not isinstance(unplaced, str):
            cost = _checks.number("unplaced", unplaced, -math.inf)
            if cost == -math.inf:
                raise InvalidProblemError(
                    "unplaced: found -inf, needed a number, or inf for jobs that must be placed",
                    "unplaced",
                )
            self.unplaced = None if cost == math.inf else cost

    @property
    def names(self) -> list[str]:
        """The columns that are read, each once, in the order of the terms."""
        found = [name for pair in zip(self.keys, self.coefs, strict=True) for name in pair]
        if isinstance(self.unplaced, str):
            found.append(self.unplaced)
        return list(dict.fromkeys(name for name in found if name is not None))

    def dtype_of(self, name: str) -> type[np.int32 | np.float64] | None:
        """Return the dtype that the core reads a column in; None where it reads both."""
        key, real = name in self.keys, name in self.coefs or name == self.unplaced
        if key and real:
            return None
        return np.int32 if key else np.float64

    def model(self) -> _core.TermsModel:
        """Return the tables as the core shares them among shards."""
        tables = [
            (table, key is not None, coef is not None)
            for table, key, coef in zip(self.tables, self.keys, self.coefs, strict=True)
        ]
        return _core.TermsModel(
            tables, "column" if isinstance(self.unplaced, str) else self.unplaced
        )

    def columns_of(self, arrays: Mapping[str, Any], n: int, where: str) -> PartColumns:
        """Return the columns of n jobs in the core's dtypes; arrays that fit are not copied.

        `where` begins the messages: which part of the jobs this is.
        """
        as_key: dict[str, NDArray[np.int32]] = {}
        as_real: dict[str, NDArray[np.float64]] = {}
        for name in self.names:
            if name not in arrays:
                raise InvalidProblemError(f"{where}: found no column {name!r}, needed one", name)
        for name in dict.fromkeys(k for k in self.keys if k is not None):
            as_key[name] = _key(f"{where}: {name}", name, arrays[name], n)
        reals = [c for c in self.coefs if c is not None]
        reals += [self.unplaced] if isinstance(self.unplaced, str) else []
        for name in dict.fromkeys(reals):
            as_real[name] = _real(f"{where}: {name}", name, arrays[name], n)
        columns = [
            (None if k is None else as_key[k], None if c is None else as_real[c])
            for k, c in zip(self.keys, self.coefs, strict=True)
        ]
        out = as_real[self.unplaced] if isinstance(self.unplaced, str) else None
        return PartColumns(columns, out)


def _one_dimension(field: str, name: str, values: Any, n: int) -> NDArray[Any]:
    array = values if type(values) is np.ndarray else _checks.plain_array(field, values)
    if array.shape != (n,):
        raise InvalidProblemError(f"{field}: found shape {array.shape}, needed ({n},)", name)
    return array


def _key(field: str, name: str, values: Any, n: int) -> NDArray[np.int32]:
    array = _one_dimension(field, name, values, n)
    if array.dtype == np.int32:
        return np.ascontiguousarray(array)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{field} must be of an integer dtype, not {array.dtype}")
    most = np.iinfo(np.int32).max
    if array.dtype.itemsize >= 4 and n and (array.min() < 0 or array.max() > most):
        index = int(((array < 0) | (array > most)).argmax())
        raise InvalidProblemError(
            f"{field}[{index}]: found {array[index]}, needed a row from 0", name, index
        )
    return np.ascontiguousarray(array, np.int32)


def _real(field: str, name: str, values: Any, n: int) -> NDArray[np.float64]:
    array = _one_dimension(field, name, values, n)
    return np.ascontiguousarray(array) if array.dtype == np.float64 else _checks.reals(field, array)


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

    spec: TermsSpec
    n_jobs: int
    rows: tuple[int, ...]

    def __init__(
        self, spec: TermsSpec, n_jobs: int, rows_per_shard: int | None, cache_bytes: int
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
        """How many parts there are."""
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
        """Return what tells these jobs from others without reading them."""
        raise NotImplementedError
