"""Tenants' quotas: a tree of queues with limits, guarantees and borrowing, in accelerator-hours."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ... import _checks
from ...errors import InvalidProblemError
from .column import Bools, Floats, Int32s, Table, column, sealed, without_column
from .names import labels_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa


#: Tenants that an int32 column of jobs can name.
MOST_TENANTS = 2**31 - 1
#: The largest weight, and the largest priority in size.
MOST_WEIGHT = 1e9


@dataclasses.dataclass(frozen=True)
class QuotaRows:
    """Quotas as linear rows: ``used <= upper``, and each accelerator-hour below `lower` is priced.

    The first rows are those of the queues over all accelerators, in their order; then come, where
    quotas tell accelerators apart, those of the queues for each accelerator. What the jobs of a
    queue take on an accelerator counts in its own rows and in those of the queues above it: in the
    rows ``row[end[a - 1] : end[a]]`` of its *account* a, which is queue * `models` + accelerator.
    Rows that ask for nothing are in no account, but for each queue's own.
    """

    upper_h: Floats
    lower_h: Floats
    below_yuan_per_h: Floats
    #: Number of accelerators that are distinguished; 1 = none.
    models: int
    row: Int32s
    end: Int32s

    @property
    def limited(self) -> Bools:
        """Rows with an upper limit."""
        return sealed(np.isfinite(self.upper_h))

    @property
    def floor(self) -> Floats:
        """Cost of each accelerator-hour below the lower limit, 0 where there is none."""
        return sealed(np.where(self.lower_h > 0, self.below_yuan_per_h, 0.0))

    @property
    def begin(self) -> Int32s:
        """The first row of each account."""
        return sealed(np.concatenate([np.zeros(min(len(self.end), 1), np.int32), self.end[:-1]]))

    def model(self, accelerator: Int32s) -> Int32s:
        """Return the place of each accelerator among those distinguished."""
        return accelerator if self.models > 1 else np.zeros_like(accelerator)

    def account(self, queue: Any, accelerator: Any) -> Any:
        """Return the account of each pair."""
        return queue * self.models + self.model(np.asarray(accelerator))

    def rows_of(self, queue: int, accelerator: Any) -> Int32s:
        """Return the rows in which a queue's jobs count on an accelerator."""
        at = int(self.account(queue, accelerator))
        return self.row[self.begin[at] : self.end[at]]

    def used(self, queue: Any, accelerator: Any, amount: Any) -> Floats:
        """Return what the rows count, given accelerator-hours by queue and accelerator."""
        size = len(self.end)
        at = self.account(np.asarray(queue, np.int64), accelerator)
        return self.summed(np.bincount(at, amount, size))

    def summed(self, by_account: Any) -> Floats:
        """Return what the rows count, given accelerator-hours by account."""
        each = np.repeat(np.asarray(by_account, np.float64).ravel(), self.end - self.begin)
        return np.bincount(self.row, each, len(self.upper_h)).astype(np.float64)

    def paid(self, price: Floats) -> Floats:
        """Return the prices of its rows that an account pays, (n_queues, models)."""
        return self._folded(np.add, price)

    def least(self, values: Floats) -> Floats:
        """Return the least of the values of an account's rows, (n_queues, models)."""
        return self._folded(np.minimum, values)

    def _folded(self, ufunc: np.ufunc, values: Any) -> Floats:
        found = ufunc.reduceat(values[self.row], self.begin) if len(self.end) else np.zeros(0)
        return np.ascontiguousarray(found.reshape(-1, self.models))


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Quotas(Table):
    """Accelerator-hours by tenant: ``gang * hours`` summed over a tenant's placed jobs.

    Tenants may form a tree of queues: what a queue's jobs take counts for it and for every queue
    above it. Each row has a limit, which is never exceeded, and a guarantee, of which what is
    missing has a price; what a queue uses beyond its guarantee, it borrows.

    Parameters
    ----------
    upper_accelerator_h : float64 (n_tenants,)
        The limit, never exceeded; inf = no limit.
    lower_accelerator_h : float64 (n_tenants,)
        The guarantee: each accelerator-hour below it costs `below_yuan_per_accelerator_h`.
    below_yuan_per_accelerator_h : float64 (n_tenants,)
        Price of what is missing to the guarantee.
    parent : int32 or str (n_tenants,)
        The queue above each, by row or by name; -1 or "" = none.
    borrowing_accelerator_h : float64 (n_tenants,)
        The most that is used beyond the guarantee, a limit as well; inf = none.
    upper_by_accelerator_h, lower_by_accelerator_h : float64 (n_accelerators, n_tenants)
        Limit and guarantee for one accelerator each, in the order of `Classes.accelerator_names`,
        beside those over all. Default: accelerators are not distinguished.
    weight, priority : float64 (n_tenants,)
        What `gridcompute.fair.divide` reads for the fair share that an audit shows; they change no
        plan.
    tenant_names : tuple of str
        What the tenants are called, one a row; see `label`.

    Examples
    --------
    >>> quotas = Quotas(
    ...     tenant_names=("research", "vision", "speech"), parent=["", "research", "research"],
    ...     upper_accelerator_h=[100.0, float("inf"), 60.0], lower_accelerator_h=[0.0, 40.0, 20.0],
    ... )
    >>> quotas.parent
    array([-1,  0,  0], dtype=int32)
    >>> quotas.path(1)
    [1, 0]
    """

    title: ClassVar[str] = "quotas"
    rows: ClassVar[str] = "tenant"

    upper_accelerator_h: Floats = column(
        "tenant", np.float64, "accelerator-hours", default=np.inf, low=0, infinite=True
    )
    lower_accelerator_h: Floats = column(
        "tenant", np.float64, "accelerator-hours", default=0.0, low=0
    )
    below_yuan_per_accelerator_h: Floats = column(
        "tenant", np.float64, "yuan per accelerator-hour", default=0.0, low=0
    )
    parent: Int32s = column("tenant", np.int32, "row of quotas", default=-1, low=-1)
    borrowing_accelerator_h: Floats = column(
        "tenant", np.float64, "accelerator-hours", default=np.inf, low=0, infinite=True
    )
    upper_by_accelerator_h: Floats = column(
        "accelerator tenant", np.float64, "accelerator-hours", default=None, low=0, infinite=True
    )
    lower_by_accelerator_h: Floats = column(
        "accelerator tenant", np.float64, "accelerator-hours", default=None, low=0
    )
    weight: Floats = column("tenant", np.float64, default=1.0, low=0, high=MOST_WEIGHT)
    priority: Floats = column("tenant", np.float64, default=0.0, low=-MOST_WEIGHT, high=MOST_WEIGHT)

    tenant_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Turn names of parents into rows, and what is not by accelerator into no rows of it."""
        given: Any = self.parent
        values = np.asarray(given, object) if isinstance(given, (list, tuple)) else given
        if getattr(getattr(values, "dtype", None), "kind", "i") in "UO" and np.ndim(values) == 1:
            object.__setattr__(self, "parent", _rows_of(values, self.tenant_names))
        by = {name: getattr(self, name) for name in _BY_ACCELERATOR}
        given_by = {name: value for name, value in by.items() if not _is_nothing(value)}
        for name, nothing in _BY_ACCELERATOR.items():
            object.__setattr__(self, name, given_by.get(name, nothing if given_by else ()))
        super().__post_init__()

    def check(self) -> None:
        """Lower limits lie below upper ones, each tenant has a name of its own, parents no circle.

        A limit on one accelerator may lie above the one over all.
        """
        if self.tenant_names:
            given, size = self.tenant_names, len(self)
            names = labels_of("quotas.tenant_names", given, size, "tenant", "quotas")
            object.__setattr__(self, "tenant_names", names)
        good = self.lower_accelerator_h <= self.upper_accelerator_h
        self.require(good, "lower_accelerator_h", "at most the tenant's upper_accelerator_h")
        good = self.lower_by_accelerator_h <= self.upper_by_accelerator_h
        needed = "at most the tenant's upper_by_accelerator_h"
        self.require(good, "lower_by_accelerator_h", needed)
        self.require(self.parent < len(self), "parent", f"below {len(self)}, the size of quotas")
        self._check_circles()

    def _check_circles(self) -> None:
        """Raise for the first tenant that is above itself."""
        at, n = self.parent.astype(np.int64), len(self)
        for _ in range(n.bit_length()):  # 1, 2, 4, ... queues upwards; no tree is deeper than n
            at = np.where(at >= 0, at[at], -1)
            if not (at >= 0).any():
                return
        if n:
            circle = [int(at[np.argmax(at >= 0)])]
            while self.parent[circle[-1]] != circle[0]:
                circle.append(int(self.parent[circle[-1]]))
            raise self.fail("parent", min(circle), "a queue that does not lie below this one")

    def label(self, tenant: int | np.integer[Any]) -> str:
        """Return a tenant's name, or "tenant" and its row."""
        return self.tenant_names[tenant] if self.tenant_names else f"tenant {tenant}"

    def path(self, tenant: int | np.integer[Any]) -> list[int]:
        """The tenant's row and those of the queues above it, upwards."""
        out = [int(tenant)]
        while self.parent[out[-1]] >= 0:
            out.append(int(self.parent[out[-1]]))
        return out

    @property
    def by_accelerator(self) -> bool:
        """Whether quotas distinguish accelerators."""
        return len(self.upper_by_accelerator_h) > 0

    @property
    def is_tree(self) -> bool:
        """Whether any queue is below another."""
        return bool((self.parent >= 0).any())

    @cached_property
    def limit_accelerator_h(self) -> Floats:
        """The most that each may use: its limit, or its guarantee with what it may borrow."""
        borrowed = self.lower_accelerator_h + self.borrowing_accelerator_h
        return sealed(np.minimum(self.upper_accelerator_h, borrowed))

    @cached_property
    def linear_rows(self) -> QuotaRows:
        """The quotas as linear rows."""
        n, models = len(self), max(len(self.upper_by_accelerator_h), 1)
        upper = np.concatenate([self.limit_accelerator_h, self.upper_by_accelerator_h.ravel()])
        lower = np.concatenate([self.lower_accelerator_h, self.lower_by_accelerator_h.ravel()])
        repeats = 1 + len(self.upper_by_accelerator_h)
        below = np.tile(self.below_yuan_per_accelerator_h, repeats)
        counts = np.isfinite(upper) | (lower > 0)
        queue, at = np.arange(n, dtype=np.int64), np.arange(n, dtype=np.int64)
        accounts, rows = [np.repeat(queue * models, models)], [np.repeat(queue, models)]
        accounts[0] = accounts[0] + np.tile(np.arange(models), n)
        own = True
        while len(at):
            if not own:
                here = counts[at]
                accounts.append((queue[here, None] * models + np.arange(models)).ravel())
                rows.append(np.repeat(at[here], models))
            if self.by_accelerator:
                for a in range(models):
                    row = n * (1 + a) + at
                    here = counts[row]
                    accounts.append(queue[here] * models + a)
                    rows.append(row[here])
            up = self.parent[at]
            queue, at, own = queue[up >= 0], up[up >= 0].astype(np.int64), False
        account, row = np.concatenate(accounts), np.concatenate(rows)
        order = np.argsort(account, kind="stable")
        ends = np.cumsum(np.bincount(account, minlength=n * models)).astype(np.int32)
        return QuotaRows(
            sealed(upper),
            sealed(lower),
            sealed(below),
            models,
            sealed(row[order].astype(np.int32)),
            sealed(ends[: n * models]),
        )

    def after(self, used_h: Floats) -> Quotas:
        """The quotas that are left where rows of `linear_rows` have been used so far."""
        n, rows = len(self), self.linear_rows
        upper = np.maximum(rows.upper_h - used_h, 0.0)
        lower = np.minimum(np.maximum(rows.lower_h - used_h, 0.0), upper)
        return self._with_rows(upper, lower, n)

    def at_least(self, used_h: Floats) -> Quotas:
        """The quotas whose limits are no less than what rows of `linear_rows` use already."""
        n, rows = len(self), self.linear_rows
        return self._with_rows(np.maximum(rows.upper_h, used_h), rows.lower_h, n)

    def without_guarantees(self) -> Quotas:
        """The quotas with the same limits, and nothing guaranteed."""
        rows = self.linear_rows
        return self._with_rows(rows.upper_h, np.zeros_like(rows.lower_h), len(self))

    def _with_rows(self, upper: Floats, lower: Floats, n: int) -> Quotas:
        by = self.upper_by_accelerator_h.shape
        return self.replace(
            upper_accelerator_h=upper[:n],
            lower_accelerator_h=lower[:n],
            borrowing_accelerator_h=np.inf,
            upper_by_accelerator_h=upper[n:].reshape(by),
            lower_by_accelerator_h=lower[n:].reshape(by),
        )

    def below_yuan(self, used_h: Floats) -> Floats:
        """Return the cost of missed guarantees at this use of rows of `linear_rows`, by row."""
        rows = self.linear_rows
        return np.maximum(rows.lower_h - used_h, 0.0) * rows.below_yuan_per_h

    @classmethod
    def from_arrow(
        cls,
        data: Any,
        *,
        sizes: Mapping[str, int] | None = None,
        names: Mapping[str, Sequence[str]] | None = None,
        **more: Any,
    ) -> Self:
        """Build the table as `Table.from_arrow`; a column ``name`` has the `tenant_names`."""
        if "tenant_names" not in more:
            data, found = without_column(data, "name")
            if found is not None:
                more["tenant_names"] = tuple(found.to_pylist())
        return super().from_arrow(data, sizes=sizes, names=names, **more)

    def to_arrow(self) -> pa.Table:
        """The table as a pyarrow Table; what has no effect (trees, accelerators) has no column."""
        table: pa.Table = super().to_arrow()
        idle = [name for name in _BY_ACCELERATOR if not self.by_accelerator]
        for name, usual in _USUAL.items():
            idle += [name] if bool((getattr(self, name) == usual).all()) else []
        return table.drop_columns(idle)

    @classmethod
    def unlimited(cls, n_tenants: int) -> Quotas:
        """No limit for any of `n_tenants` tenants."""
        n_tenants = _checks.whole("n_tenants", n_tenants, 0, MOST_TENANTS)
        return cls(upper_accelerator_h=np.full(n_tenants, np.inf))


#: Columns by accelerator, with what each is where only the other is given.
_BY_ACCELERATOR = {"upper_by_accelerator_h": np.inf, "lower_by_accelerator_h": 0.0}
#: Columns that a file leaves out where all have this value.
_USUAL = {"parent": -1, "borrowing_accelerator_h": np.inf, "weight": 1.0, "priority": 0.0}


def _is_nothing(value: Any) -> bool:
    """Return whether a column by accelerator has no rows: quotas do not distinguish them."""
    if isinstance(value, np.ndarray):
        return bool(value.shape[:1] == (0,))
    return value is None or (isinstance(value, (tuple, list)) and not value)


def _rows_of(values: Any, names: tuple[str, ...]) -> Int32s | Any:
    """Return parents given by name as rows; anything that is no text stays."""
    if not all(isinstance(v, str) or v is None for v in values):
        return values if values.dtype.kind != "O" else values.tolist()
    if any(values) and not names:
        message = "quotas.parent: found names, needed tenant_names as well, or rows"
        raise InvalidProblemError(message, "quotas.parent")
    place = {text: i for i, text in enumerate(names)}
    out = np.full(len(values), -1, np.int32)
    for i, text in enumerate(values):
        if text and text not in place:
            message = f"quotas.parent[{i}] is {text!r:.100}, needed one of {_checks.listed(names)}"
            message += _checks.meant(text, names)
            raise InvalidProblemError(message, "quotas.parent", i)
        out[i] = place[text] if text else -1
    return out
