"""An implicit cost: a sum of terms, each a table's row that the job chooses, times its factor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._checks import plain_array, reals
from ..errors import CostRangeError, InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray


class Term(NamedTuple):
    """One summand of `Terms`, in the dtypes that the core reads."""

    #: float64 (n_keys, n_slots), contiguous; inf forbids.
    table: NDArray[np.float64]
    #: int32 (n_jobs,), contiguous; None = row 0 of the table for every job.
    key: NDArray[np.int32] | None
    #: float64 (n_jobs,), contiguous, finite; None = 1 for every job.
    coef: NDArray[np.float64] | None


class Terms:
    """An implicit cost: ``cost[i, s] = sum_k coef_k[i] * table_k[key_k[i], s]``.

    Parameters
    ----------
    terms : sequence of (table, key, coef)
        `table`: float or int, shape (n_keys, n_slots), in any unit of cost; ``inf`` forbids the
        slot to the jobs of that key, whatever the coefficient. `key`: int, shape (n_jobs,), which
        row of the table is the job's, from 0; None for row 0. `coef`: float or int, shape
        (n_jobs,), finite; None for 1. At least one key or coef gives the number of jobs.

    Raises
    ------
    InvalidProblemError
        A shape that does not fit, a key out of range, NaN or -inf in a table, a coefficient that is
        not finite, an integer that float64 does not hold. `.index` is the place in that array.
    CostRangeError
        A sum may overflow float64.
    TypeError
        An array is not numeric (bool is not), or a key is not of an integer dtype.

    Notes
    -----
    Arrays that already are contiguous float64 (keys: int32) are kept, not copied: do not change
    them while the terms are in use. Everything else is converted once, without loss.
    Complexity: O(values) to make; O(terms) for each cost read.
    Determinism: each product is rounded, then each sum, left to right, with no fused multiply-add:
    the same bits wherever it is evaluated, here or in the core.

    Examples
    --------
    >>> import numpy as np
    >>> from gridcompute import Terms
    >>> runtime = np.array([[1.0, 2.0, np.inf], [3.0, 1.0, 1.0]])  # (family, slot)
    >>> tariff = np.array([[0.5, 0.4, 0.1]])
    >>> cost = Terms([(runtime, [0, 1], None), (tariff, None, [10.0, 20.0])])
    >>> cost.shape
    (2, 3)
    >>> cost.dense()
    array([[ 6.,  6., inf],
           [13.,  9.,  3.]])
    """

    __slots__ = ("shape", "terms")

    shape: tuple[int, int]
    terms: tuple[Term, ...]

    def __init__(
        self, terms: Iterable[tuple[ArrayLike, ArrayLike | None, ArrayLike | None]]
    ) -> None:
        self.terms = tuple(_term(k, *_three(k, term)) for k, term in enumerate(terms))
        if not self.terms:
            raise InvalidProblemError("terms: found none, needed at least one", "terms")
        n_slots = int(self.terms[0].table.shape[1])
        n_jobs = next((len(a) for t in self.terms for a in (t.key, t.coef) if a is not None), None)
        if n_jobs is None:
            raise InvalidProblemError(
                "terms: at least one key or coef must tell the number of jobs, all are None",
                "terms",
            )
        for k, term in enumerate(self.terms):
            _check_fit(k, term, n_jobs, n_slots)
        _check_sum(self.terms)
        self.shape = (n_jobs, n_slots)

    @property
    def n_jobs(self) -> int:
        """Rows of the cost."""
        return self.shape[0]

    @property
    def n_slots(self) -> int:
        """Columns of the cost."""
        return self.shape[1]

    def __repr__(self) -> str:
        return f"<Terms: {len(self.terms)} terms, {self.n_jobs} jobs x {self.n_slots} slots>"

    def dense(
        self, rows: slice | NDArray[np.integer[Any]] | Sequence[int] = slice(None)
    ) -> NDArray[np.float64]:
        """The costs of some jobs as a matrix; inf = forbidden.

        Parameters
        ----------
        rows : slice or array of int, optional
            Which jobs; all by default (8 * n_jobs * n_slots bytes, and as much again for a moment).

        Returns
        -------
        float64 (n_rows, n_slots)
            The very bits that a solve sees.
        """
        jobs = np.arange(self.n_jobs)[rows]
        total: NDArray[np.float64] | None = None
        with np.errstate(all="ignore"):  # inf times 0 or minus inf: forbidden, as below
            for table, key, coef in self.terms:
                part = table[key[jobs]] if key is not None else np.repeat(table[:1], len(jobs), 0)
                if coef is not None:
                    part *= coef[jobs, None]
                total = part if total is None else np.add(total, part, out=total)
        assert total is not None
        total[~np.isfinite(total)] = np.inf
        return total


def _three(k: int, term: Any) -> tuple[Any, Any, Any]:
    """The parts of a term, if it has three."""
    if not isinstance(term, (tuple, list)):
        raise TypeError(f"terms[{k}] must be (table, key, coef), not {type(term).__name__}")
    if len(term) != 3:
        raise InvalidProblemError(
            f"terms[{k}]: found {len(term)} parts, needed (table, key, coef)", f"terms[{k}]"
        )
    return term[0], term[1], term[2]


def _term(k: int, table: Any, key: Any, coef: Any) -> Term:
    """The term in the core's dtypes, its values checked."""
    return Term(
        _table(f"terms[{k}].table", table),
        None if key is None else _key(f"terms[{k}].key", key),
        None if coef is None else _coef(f"terms[{k}].coef", coef),
    )


def _table(field: str, values: Any) -> NDArray[np.float64]:
    table = _reals(field, values, 2)
    if table.size and not table.min() > -np.inf:  # NaN fails it too
        bad = np.isnan(table) | (table == -np.inf)
        place = np.unravel_index(int(bad.argmax()), table.shape)
        index = (int(place[0]), int(place[1]))
        raise InvalidProblemError(
            f"{field}{list(index)}: found {table[index]}, needed a number or inf", field, index
        )
    return table


def _coef(field: str, values: Any) -> NDArray[np.float64]:
    coef = _reals(field, values, 1)
    if coef.size and not (coef.min() > -np.inf and coef.max() < np.inf):
        index = int((~np.isfinite(coef)).argmax())
        raise InvalidProblemError(
            f"{field}[{index}]: found {coef[index]}, needed a finite number", field, index
        )
    return coef


def _key(field: str, values: Any) -> NDArray[np.int32]:
    key = _array(field, values, 1)
    if key.size == 0 and not isinstance(values, np.ndarray):
        return np.empty(0, np.int32)  # an empty list says nothing of its dtype
    if key.dtype.kind not in "iu":
        raise TypeError(f"{field} must be of an integer dtype, not {key.dtype}")
    if key.size and (key.min() < 0 or key.max() > np.iinfo(np.int32).max):
        index = int(((key < 0) | (key > np.iinfo(np.int32).max)).argmax())
        raise InvalidProblemError(
            f"{field}[{index}]: found {key[index]}, needed a row from 0", field, index
        )
    return np.ascontiguousarray(key, np.int32)


def _reals(field: str, values: Any, ndim: int) -> NDArray[np.float64]:
    """Return contiguous float64 with exact values; the array itself where it is that already."""
    return reals(field, _array(field, values, ndim))


def _array(field: str, values: Any, ndim: int) -> NDArray[Any]:
    array = plain_array(field, values)
    if array.ndim != ndim:
        raise InvalidProblemError(
            f"{field}: found shape {array.shape}, needed {ndim} dimension{'s' * (ndim > 1)}", field
        )
    return array


def _check_fit(k: int, term: Term, n_jobs: int, n_slots: int) -> None:
    """Shapes against those of the other terms, keys against the table."""
    n_keys, columns = term.table.shape
    if columns != n_slots:
        raise InvalidProblemError(
            f"terms[{k}].table: found {columns} slots, needed {n_slots} as terms[0]",
            f"terms[{k}].table",
        )
    for name, part in (("key", term.key), ("coef", term.coef)):
        if part is not None and len(part) != n_jobs:
            raise InvalidProblemError(
                f"terms[{k}].{name}: found {len(part)} jobs, needed {n_jobs} as the parts before",
                f"terms[{k}].{name}",
            )
    if term.key is None and n_keys == 0 and n_jobs > 0:
        raise InvalidProblemError(
            f"terms[{k}].table: found no rows, needed row 0", f"terms[{k}].table"
        )
    if term.key is not None and term.key.size and term.key.max() >= n_keys:
        index = int((term.key >= n_keys).argmax())
        raise InvalidProblemError(
            f"terms[{k}].key[{index}]: found {term.key[index]}, needed a row below {n_keys}",
            f"terms[{k}].key",
            index,
        )


def _reach(values: NDArray[np.float64]) -> float:
    """The largest finite entry, without its sign."""
    if not values.size:
        return 0.0
    low, high = float(values.min()), float(values.max())
    if high == np.inf:
        high = float(values.max(initial=0.0, where=values < np.inf))
    return max(abs(low) if low < np.inf else 0.0, abs(high))


def _check_sum(terms: tuple[Term, ...]) -> None:
    """No finite table entry may become inf, which would forbid in silence."""
    bound = sum((1.0 if t.coef is None else _reach(t.coef)) * _reach(t.table) for t in terms)
    if not bound < np.finfo(np.float64).max / 2:
        raise CostRangeError(
            f"terms: a cost may reach {bound:.3g}, needed below 8.98e307 for sums in float64"
        )
