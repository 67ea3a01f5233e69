"""The cost models of a `Matcher`: sums of table rows, a kernel, or one row of costs for each job.

A model is immutable: a new table or new classes make another one, so a call that fails keeps the
old. Each model names the columns that it needs of the jobs, checks them, and makes the core's cost
source over the job store, which is a struct of arrays with one position for each job.
"""

# ruff: noqa: ARG002 - one interface; not every model uses every argument
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .. import _core
from .._checks import plain_array
from .._columns import by_position
from ..costs import BoundKernel, SlotKernel
from ..costs.terms import _coef, _key, _reach, _table
from ..errors import CostRangeError, InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


_LARGEST = np.finfo(np.float64).max / 2
Columns = dict[str, Any]
Slots = Any  # int32 (n,)


class LiveCosts(Protocol):
    """The interface of a cost model."""

    n_slots: int

    @property
    def needed(self) -> dict[str, str]:
        """Name in the job store -> name of the caller's column."""

    def check(self, given: Mapping[str, Any], n: int) -> tuple[Columns, float]:
        """Return the checked columns of `n` jobs, and a bound on the magnitude of their costs."""

    def empty_column(self, name: str, size: int) -> NDArray[Any]:
        """Return a column of the job store with `size` unused positions."""

    def source(self, columns: Mapping[str, Any], n: int) -> _core.CostSource:
        """Return the core's cost source of `n` jobs, which reads these columns in place."""

    def max_abs_cost(self, columns: Mapping[str, Any], n: int) -> float:
        """Return a bound on the magnitude of the costs of these jobs."""

    def with_table(self, k: Any, table: Any) -> tuple[LiveCosts, Slots, NDArray[np.bool_] | None]:
        """Return the model with another table; the classes and rows (None: all) that change."""

    def number(self, k: Any) -> Any:
        """Return the number of the table that `k` names, where tables have numbers."""
        return k

    def with_slots(self, tables: Any, where: Slots, n_slots: int) -> LiveCosts:
        """Return the model with new classes at `where`, of `n_slots` in all."""

    def with_dtypes_of(self, batch: Mapping[str, Any]) -> LiveCosts:
        """Return the model with the dtypes of the first jobs, if it has none yet."""
        return self

    def store_source(self, columns: Mapping[str, Any], n: int) -> _core.CostSource:
        """Return the core's cost source over the job store."""
        return self.source(columns, n)

    def columns_with_slots(
        self, columns: dict[str, NDArray[Any]], tables: Any, where: Slots, jobs: Slots
    ) -> dict[str, NDArray[Any]]:
        """Return the job store's columns with the costs of the jobs in new classes."""
        return columns

    def snapshot_parts(self) -> tuple[dict[str, Any], Columns]:
        """Return what a snapshot contains of the model: JSON values, and arrays."""


def live_costs(cost: Any, n_slots: int) -> LiveCosts:
    """Return the model of what `Matcher` accepts as `cost`."""
    if isinstance(cost, str):
        return RowCosts(cost, n_slots)
    if isinstance(cost, BoundKernel):
        if cost.n_jobs:
            raise InvalidProblemError(
                f"cost: found a kernel bound to {cost.n_jobs} jobs, needed one with its slot side "
                "alone, kernel.bind(slots=...): jobs are added by add()",
                "cost",
            )
        cost = cost.slot_side()
    if isinstance(cost, SlotKernel):
        return KernelCosts(cost)
    if not isinstance(cost, (list, tuple)):
        raise TypeError(
            "cost must be a list of (table, key_name, coef_name), a kernel bound to its slots, or "
            f"the name of the column that holds a job's row, not {type(cost).__name__}"
        )
    return TermCosts.of(cost)


class TermCosts(LiveCosts):
    """Sums of table rows, as `Terms`; keys and coefficients are columns of the jobs."""

    def __init__(
        self,
        tables: Sequence[NDArray[np.float64]],
        names: Sequence[tuple[str | None, str | None]],
    ) -> None:
        self.tables, self.names = tuple(tables), tuple(names)
        self.n_slots = int(self.tables[0].shape[1])
        self._most = [_reach(t) for t in self.tables]

    @classmethod
    def of(cls, cost: Sequence[Any]) -> TermCosts:
        """Return the model of the caller's terms."""
        terms = [term_spec(k, term) for k, term in enumerate(cost)]
        if not terms:
            raise InvalidProblemError("cost: found no term, needed at least one", "cost")
        tables = [_own_table(f"cost[{k}].table", t) for k, (t, _, _) in enumerate(terms)]
        for k, table in enumerate(tables):
            if table.shape[1] != tables[0].shape[1]:
                raise InvalidProblemError(
                    f"cost[{k}].table: found {table.shape[1]} slots, needed "
                    f"{tables[0].shape[1]} as cost[0]",
                    "cost",
                )
            if terms[k][1] is None and len(table) == 0:
                raise InvalidProblemError(f"cost[{k}].table: found no rows, needed row 0", "cost")
        return cls(tables, [(key, coef) for _, key, coef in terms])

    @property
    def needed(self) -> dict[str, str]:
        """Name in the job store -> name of the caller's column."""
        out: dict[str, str] = {}
        for k, (key, coef) in enumerate(self.names):
            out |= {f"key_{k}": key} if key is not None else {}
            out |= {f"coef_{k}": coef} if coef is not None else {}
        return out

    def check(self, given: Mapping[str, Any], n: int) -> tuple[Columns, float]:
        """Check that keys are rows of their tables and coefficients are finite."""
        out: Columns = {}
        total = 0.0
        for k, (key, coef) in enumerate(self.names):
            if key is not None:
                out[f"key_{k}"] = _rows(key, given[f"key_{k}"], len(self.tables[k]))
            reach = 1.0
            if coef is not None:
                out[f"coef_{k}"], reach = _finite(coef, given[f"coef_{k}"])
            total += reach * self._most[k]
        return out, _bounded(total if n else 0.0)

    def empty_column(self, name: str, size: int) -> NDArray[Any]:
        """Return int32 for keys, float64 for coefficients."""
        return np.zeros(size, np.int32 if name.startswith("key_") else np.float64)

    def source(self, columns: Mapping[str, Any], n: int) -> _core.CostSource:
        """Return the terms over these columns."""
        terms = [
            (t, columns.get(f"key_{k}"), columns.get(f"coef_{k}"))
            for k, t in enumerate(self.tables)
        ]
        return _core.terms_cost(terms, n, self.n_slots)

    def max_abs_cost(self, columns: Mapping[str, Any], n: int) -> float:
        """Sum the largest coefficient times the largest entry of each term."""
        total = 0.0
        for k, most in enumerate(self._most):
            coef = columns.get(f"coef_{k}")
            total += most if coef is None else _reach(coef) * most
        return _bounded(total if n else 0.0)

    def with_table(self, k: Any, table: Any) -> tuple[LiveCosts, Slots, NDArray[np.bool_] | None]:
        """Accept a table of the same shape; the entries that differ decide what changes."""
        k = _number_of_table(k, self.names)
        made = _own_table("table", table)
        old = self.tables[k]
        if made.shape != old.shape:
            raise InvalidProblemError(
                f"table: found shape {made.shape}, needed {old.shape}", "table"
            )
        differs = made != old
        tables = [made if j == k else t for j, t in enumerate(self.tables)]
        slots = np.flatnonzero(differs.any(axis=0)).astype(np.int32)
        rows = differs.any(axis=1) if self.names[k][0] is not None else None
        return TermCosts(tables, self.names), slots, rows

    def number(self, k: Any) -> int:
        """Return the number of a term, given its number or its name."""
        return _number_of_table(k, self.names)

    def with_slots(self, tables: Any, where: Slots, n_slots: int) -> LiveCosts:
        """Accept one table of shape (n_keys, n_new) for each term."""
        made = [_own_table(f"tables[{k}]", t) for k, t in enumerate(tables)]
        new = []
        for k, old in enumerate(self.tables):
            need = (len(old), len(where))
            found = made[k].shape if k < len(made) else "none"
            if found != need or len(made) != len(self.tables):
                raise InvalidProblemError(
                    f"tables[{k}]: found {found}, needed shape {need}", "tables", k
                )
            table = np.zeros((len(old), n_slots))
            table[:, : self.n_slots] = old
            table[:, where] = made[k]
            new.append(table)
        return TermCosts(new, self.names)

    def snapshot_parts(self) -> tuple[dict[str, Any], Columns]:
        """Return the names of the columns, and the tables."""
        arrays = {f"table_{k}": t for k, t in enumerate(self.tables)}
        return {"kind": "terms", "names": self.names}, arrays


def _rows(field: str, values: NDArray[Any], n_rows: int) -> NDArray[np.int32]:
    """Return keys, each a row of a table with `n_rows`."""
    if values.dtype in (np.int32, np.int64) and values.dtype.isnative and values.ndim == 1:
        rows = np.ascontiguousarray(values)
        low, high = _core.extent(rows)
        if low >= 0 and high < n_rows:
            return np.ascontiguousarray(rows, np.int32)
    rows = _key(field, values)
    if len(rows) and rows.max() >= n_rows:
        at = int((rows >= n_rows).argmax())
        raise InvalidProblemError(
            f"{field}[{at}]: found {rows[at]}, needed a row below {n_rows}", field, at
        )
    return rows


def _finite(field: str, values: NDArray[Any]) -> tuple[NDArray[np.float64], float]:
    """Return coefficients, each finite, and the largest without its sign."""
    if values.dtype == np.float64 and values.dtype.isnative and values.ndim == 1:
        coefs = np.ascontiguousarray(values, np.float64)
        low, high = _core.extent(coefs)
        if -np.inf < low and high < np.inf:
            return coefs, max(abs(low), abs(high))
    coefs = _coef(field, values)
    return coefs, _reach(coefs)


class RowCosts(LiveCosts):
    """One row of costs for each job: blocks of shape (n_jobs, n_slots), stored as float64."""

    def __init__(self, name: str, n_slots: int) -> None:
        self.name, self.n_slots = name, n_slots

    @property
    def needed(self) -> dict[str, str]:
        """Name the block, the only column."""
        return {"row": self.name}

    def check(self, given: Mapping[str, Any], n: int) -> tuple[Columns, float]:
        """Check that there is a row for each job, without NaN."""
        block = np.asarray(given["row"])
        if block.size == 0 and n == 0:
            block = np.zeros((0, self.n_slots))
        if block.ndim == 2 and block.shape[1] != self.n_slots:
            raise InvalidProblemError(
                f"{self.name}: found {block.shape[1]} costs for each job, needed {self.n_slots}",
                self.name,
            )
        block = _table(self.name, block)
        return {"row": block}, _bounded(_reach(block))

    def empty_column(self, name: str, size: int) -> NDArray[Any]:
        """Return rows in which every class is forbidden."""
        return np.full((size, self.n_slots), np.inf)

    def source(self, columns: Mapping[str, Any], n: int) -> _core.CostSource:
        """Return the block as a matrix."""
        source = _core.dense_cost(columns["row"])
        assert source is not None
        return source

    def max_abs_cost(self, columns: Mapping[str, Any], n: int) -> float:
        """Return the largest magnitude of an entry."""
        return _bounded(_reach(columns["row"]))

    def with_table(self, k: Any, table: Any) -> tuple[LiveCosts, Slots, NDArray[np.bool_] | None]:
        """Raise TypeError: there is no table."""
        raise TypeError(
            "this Matcher has no tables: each job has its row of costs, which update() changes"
        )

    def with_slots(self, tables: Any, where: Slots, n_slots: int) -> LiveCosts:
        """Return the wider model; `columns_with_slots` stores the new costs in the rows."""
        return RowCosts(self.name, n_slots)

    def columns_with_slots(
        self, columns: dict[str, NDArray[Any]], tables: Any, where: Slots, jobs: Slots
    ) -> dict[str, NDArray[Any]]:
        """Accept one block of shape (n_jobs, n_new)."""
        need, old = (len(jobs), len(where)), columns["row"]
        if not isinstance(tables, (list, tuple)):
            raise TypeError(f"tables must be a list of one block, not {type(tables).__name__}")
        made = [_own_table(f"tables[{k}]", t) for k, t in enumerate(tables)]
        if len(made) != 1 or made[0].shape != need:
            raise InvalidProblemError(
                f"tables: found {len(made)} of shape {[t.shape for t in made]}, needed one block "
                f"of shape {need}",
                "tables",
            )
        rows = self.empty_column("row", len(old))
        rows[:, : old.shape[1]] = old
        rows[np.ix_(jobs, where)] = made[0]
        return columns | {"row": rows}

    def snapshot_parts(self) -> tuple[dict[str, Any], Columns]:
        """Return the column's name; the rows are stored with the jobs."""
        return {"kind": "rows", "name": self.name}, {}


class KernelCosts(LiveCosts):
    """A formula bound to its slot side; the ``job_`` parameters are columns of the jobs.

    A column has the dtype of the first batch, or that of the empty columns the kernel was bound to.
    """

    def __init__(self, kernel: SlotKernel, dtypes: dict[str, np.dtype[Any]] | None = None) -> None:
        self.kernel, self.n_slots = kernel, kernel.n_slots
        self.dtypes = dict(kernel.dtypes) if dtypes is None else dtypes

    @property
    def needed(self) -> dict[str, str]:
        """Name the parameters that are columns of the jobs."""
        return {name: name for name in self.kernel.job_names}

    def check(self, given: Mapping[str, Any], n: int) -> tuple[Columns, float]:
        """Check that columns have the dtypes of the first batch and no cost is NaN."""
        out: Columns = {}
        for name in self.needed:
            array = plain_array(name, given[name])
            known = self.dtypes.get(name)
            if known is not None and array.dtype != known:
                if array.size and not np.can_cast(array.dtype, known, "safe"):
                    raise TypeError(
                        f"{name}: found {array.dtype}, needed {known} as the first jobs had; bind "
                        "the kernel to empty columns to choose another dtype beforehand"
                    )
                array = array.astype(known)
            out[name] = np.ascontiguousarray(array)
        return out, self.max_abs_cost(out, n)

    def with_dtypes_of(self, batch: Mapping[str, Any]) -> LiveCosts:
        """Return the model with the dtypes of these jobs, if it has none yet."""
        if self.dtypes or not all(len(batch[name]) for name in self.needed) or not self.needed:
            return self  # a batch without jobs has no dtypes of its own
        return KernelCosts(self.kernel, {name: batch[name].dtype for name in self.needed})

    def store_source(self, columns: Mapping[str, Any], n: int) -> _core.CostSource:
        """Return costs of 0 before the first jobs: there are no dtypes to compile for yet."""
        if self.needed and not self.dtypes:
            return _core.terms_cost([(np.zeros((1, self.n_slots)), None, None)], n, self.n_slots)
        return self.source(columns, n)

    def empty_column(self, name: str, size: int) -> NDArray[Any]:
        """Return zeros of the column's dtype."""
        return np.zeros(size, self.dtypes.get(name, np.dtype(np.float64)))

    def source(self, columns: Mapping[str, Any], n: int) -> _core.CostSource:
        """Return the compiled formula over these columns."""
        jobs = {name: columns[name] for name in self.needed} or {"n": np.zeros(n)}
        bound = self.kernel.with_jobs(jobs)
        return _core.callback_cost(bound.address, bound.context, n, self.n_slots, bound)

    def max_abs_cost(self, columns: Mapping[str, Any], n: int) -> float:
        """Evaluate every cost; a NaN or -inf is an error that names its pair."""
        if n == 0:
            return 0.0
        source = self.source(columns, n)
        most, bad = source.reach(0)
        if bad >= 0:
            row = source.row(bad)
            slot = int((~(row > -np.inf)).argmax())
            raise InvalidProblemError(
                f"cost[{bad}, {slot}]: the kernel gave {row[slot]}, needed a number, or inf to "
                "forbid the pair",
                "cost",
                (bad, slot),
            )
        return _bounded(most)

    def with_table(self, k: Any, table: Any) -> tuple[LiveCosts, Slots, NDArray[np.bool_] | None]:
        """Replace the slot column or shared array that `k` names."""
        by_position("table", table)
        old = self.kernel.shared.get(k) if isinstance(k, str) else None
        if old is not None and np.shape(table) != old.shape:  # which the formula may index
            raise InvalidProblemError(
                f"{k}: found shape {np.shape(table)}, needed {old.shape} as before", k
            )
        kernel, slots = self.kernel.replaced(k, table)
        return KernelCosts(kernel, self.dtypes), slots, None

    def with_slots(self, tables: Any, where: Slots, n_slots: int) -> LiveCosts:
        """Accept a mapping of the slot columns of the new classes."""
        if not hasattr(tables, "keys"):
            raise TypeError("tables: a kernel's new classes are a mapping of its slot columns")
        known = [p.name for p in self.kernel.kernel.parameters if p.name.startswith("slot_")]
        for name in tables.keys():  # noqa: SIM118 - of a data frame too
            by_position(name, tables[name])
            if name not in known:
                raise InvalidProblemError(
                    f"tables: found {name!r}, which the kernel does not know, needed "
                    f"{', '.join(map(repr, known)) or 'no column'}",
                    str(name),
                )
        return KernelCosts(self.kernel.with_slots(tables, where, n_slots), self.dtypes)

    def snapshot_parts(self) -> tuple[dict[str, Any], Columns]:
        """Return the arrays of the slot side; the formula is code, and not in the file."""
        kernel = self.kernel
        meta = {
            "kind": "kernel",
            "formula": repr(kernel.kernel),
            "slots": list(kernel.slots),
            "shared": list(kernel.shared),
            "dtypes": {name: d.str for name, d in self.dtypes.items()},
        }
        arrays = {f"slots_{name}": a for name, a in kernel.slots.items()}
        return meta, arrays | {f"shared_{name}": a for name, a in kernel.shared.items()}


def term_spec(k: int, term: Any) -> tuple[Any, str | None, str | None]:
    """Return the table and the column names of a term."""
    if not isinstance(term, (tuple, list)) or len(term) != 3:
        raise TypeError(f"cost[{k}] must be (table, key_name, coef_name)")
    table, key, coef = term
    for name in (key, coef):
        if name is not None and not isinstance(name, str):
            raise TypeError(f"cost[{k}]: columns are named by str or None, not {name!r}")
    return table, key, coef


def _own_table(field: str, table: Any) -> NDArray[np.float64]:
    """Return a copy of the caller's table after a check of its labels."""
    return _table(field, by_position(field, table)).copy()


def _number_of_table(k: Any, names: Sequence[tuple[str | None, str | None]]) -> int:
    """Return the number of a term, given its number or its name."""
    n = len(names)
    if isinstance(k, str):
        for part in (0, 1):  # by key column, else by coefficient
            found = [j for j, pair in enumerate(names) if pair[part] == k]
            if len(found) == 1:
                return found[0]
        known = sorted({name for pair in names for name in pair if name is not None})
        raise InvalidProblemError(
            f"k: found {k!r}, needed 0 to {n - 1}, or the column that names one term alone: "
            f"{', '.join(map(repr, known)) or 'none does'}",
            "k",
        )
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)):
        raise TypeError(f"k must be the number or the name of a table, not {type(k).__name__}")
    if not 0 <= k < n:
        raise InvalidProblemError(f"k: found {k}, needed 0 to {n - 1}", "k")
    return int(k)


def _bounded(bound: float) -> float:
    """Check that no sum of finite parts can become inf, which would forbid a pair in silence."""
    if not bound < _LARGEST:
        raise CostRangeError(f"a cost may be as large as {bound:.3g}, needed below 8.98e307")
    return bound
