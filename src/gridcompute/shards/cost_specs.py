"""The cost of jobs in shards, by the names of columns: terms, a formula, or a matrix."""

from __future__ import annotations

import hashlib
import itertools
import math
import os
import types
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from .. import _checks, _core
from .._progress import log
from ..costs.kernels import BoundKernel, Kernel, SlotKernel, fingerprint
from ..costs.terms import Terms
from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    #: Columns by name, as they are stored.
    Arrays = Mapping[str, Any]


class PartColumns(NamedTuple):
    """The columns of one shard, as the core reads them."""

    #: Of terms: a key and a coefficient for each, None where it has none. Else an array for each.
    columns: Any
    #: Cost of leaving each job unplaced; None unless that is a column.
    unplaced: NDArray[np.float64] | None

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays, each counted once."""
        parts = [c if isinstance(c, tuple) else (c,) for c in self.columns]
        arrays = [*itertools.chain(*parts), self.unplaced]
        return sum({id(a): a.nbytes for a in arrays if a is not None}.values())


class CostSpec(ABC):
    """The parts of costs, and the columns that they need.

    Attributes
    ----------
    n_slots : int
        Columns of the cost.
    unplaced : float, str or None
        Cost of leaving a job out: a number for all, the name of a column, or None.
    """

    n_slots: int

    def __init__(self, unplaced: float | str | None) -> None:
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
    @abstractmethod
    def cost_names(self) -> list[str]:
        """The columns that costs are made of, each once."""

    @property
    def names(self) -> list[str]:
        """The columns that are read, each once."""
        found = self.cost_names
        if isinstance(self.unplaced, str) and self.unplaced not in found:
            found.append(self.unplaced)
        return found

    @abstractmethod
    def needs(self, name: str) -> Literal["integers", "numbers", "rows of floats", "plain"]:
        """Return what a column must hold; plain: bool, integers or floats."""

    def dtype_of(self, name: str) -> Any:  # noqa: ARG002 - other kinds use it
        """Return the dtype that the core reads a column in; None where it is the stored one."""
        return None

    #: Costs depend on the dtypes of columns, or on their width: `of_samples` is to be called.
    typed = False

    def of_samples(self, arrays: Arrays) -> CostSpec:  # noqa: ARG002 - others read them
        """Return this for columns of the dtypes and shapes of these few rows."""
        return self

    @abstractmethod
    def model(self) -> _core.CostModel:
        """Return what costs have in common as the core shares it among shards."""

    @abstractmethod
    def identity(self) -> Sequence[Any]:
        """Return an identity of these costs, without reading columns."""

    def columns_of(self, arrays: Arrays, n: int, where: str) -> PartColumns:
        """Return the columns of n jobs as the core reads them; arrays that fit are not copied.

        `where` begins the messages: which part of the jobs this is.
        """
        for name in self.names:
            if name not in arrays:
                raise InvalidProblemError(f"{where}: found no column {name!r}, needed one", name)
        out = None
        if isinstance(self.unplaced, str):
            out = _real(f"{where}: {self.unplaced}", self.unplaced, arrays[self.unplaced], n)
        return PartColumns(self._cost_columns(arrays, n, where), out)

    @abstractmethod
    def _cost_columns(self, arrays: Arrays, n: int, where: str) -> Any:
        """Return the columns that costs are made of."""

    def _unplaced_in_core(self) -> float | str | None:
        return "column" if isinstance(self.unplaced, str) else self.unplaced


class TermsSpec(CostSpec):
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
                f"{type(terms).__name__}: formulas and matrices are passed as cost="
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
        # The checks of tables are those of Terms; the named columns are checked without any job.
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
        super().__init__(unplaced)

    @property
    def cost_names(self) -> list[str]:
        """The columns of keys and coefficients, in the order of the terms."""
        found = [name for pair in zip(self.keys, self.coefs, strict=True) for name in pair]
        return list(dict.fromkeys(name for name in found if name is not None))

    def needs(self, name: str) -> Literal["integers", "numbers", "rows of floats", "plain"]:
        """Return what a column must hold."""
        return "integers" if name in self.keys else "numbers"

    def dtype_of(self, name: str) -> Any:
        """Return the dtype that the core reads a column in; None where it reads both."""
        key, real = name in self.keys, name in self.coefs or name == self.unplaced
        if key and real:
            return None
        return np.int32 if key else np.float64

    def model(self) -> _core.CostModel:
        """Return the tables as the core shares them among shards."""
        tables = [
            (table, key is not None, coef is not None)
            for table, key, coef in zip(self.tables, self.keys, self.coefs, strict=True)
        ]
        return _core.CostModel(tables, self._unplaced_in_core())

    def identity(self) -> Sequence[Any]:
        """Return names and digests of the tables."""
        return ("terms", self.keys, self.coefs, self.unplaced, *map(_digest, self.tables))

    def _cost_columns(self, arrays: Arrays, n: int, where: str) -> Any:
        as_key: dict[str, NDArray[np.int32]] = {}
        as_real: dict[str, NDArray[np.float64]] = {}
        for name in dict.fromkeys(k for k in self.keys if k is not None):
            as_key[name] = _key(f"{where}: {name}", name, arrays[name], n)
        for name in dict.fromkeys(c for c in self.coefs if c is not None):
            as_real[name] = _real(f"{where}: {name}", name, arrays[name], n)
        return [
            (None if k is None else as_key[k], None if c is None else as_real[c])
            for k, c in zip(self.keys, self.coefs, strict=True)
        ]


class FormulaSpec(CostSpec):
    """A formula whose job columns are columns of the shards, of the names of its parameters.

    Parameters
    ----------
    cost : SlotKernel
        The formula with its slots.
    unplaced : float, str or None
        Cost of leaving a job out: a number for all, the name of a column, or None.
    dtypes : mapping, optional
        Of the job columns: the formula is compiled for these.
    """

    typed = True

    def __init__(
        self,
        cost: SlotKernel,
        unplaced: float | str | None,
        dtypes: Mapping[str, np.dtype[Any]] | None = None,
    ) -> None:
        super().__init__(unplaced)
        self._cost, self._dtypes = cost, dict(dtypes or {})
        self.n_slots = cost.n_slots

    @property
    def cost_names(self) -> list[str]:
        """The job columns, in the order of the parameters."""
        return list(self._cost.job_names)

    def needs(self, name: str) -> Literal["integers", "numbers", "rows of floats", "plain"]:
        """Return what a column must hold."""
        return "plain" if name in self._cost.job_names else "numbers"

    def of_samples(self, arrays: Arrays) -> CostSpec:
        """Return the formula for columns of these dtypes."""
        dtypes = {}
        for name in self._cost.job_names:
            if name not in arrays:
                raise InvalidProblemError(f"found no column {name!r}, needed one", name)
            dtypes[name] = np.asarray(arrays[name]).dtype.newbyteorder("=")
        return FormulaSpec(self._cost, self.unplaced, dtypes)

    def model(self) -> _core.CostModel:
        """Return the compiled formula."""
        jobs = {name: np.empty(0, dtype) for name, dtype in self._dtypes.items()}
        bound = self._cost.with_jobs(jobs or {"none": np.empty(0)})
        words, places = bound.words()
        at = [places[name] for name in self._cost.job_names]
        widths = [self._dtypes[name].itemsize for name in self._cost.job_names]
        return _core.formula_model(
            bound.address, words, at, widths, self.n_slots, self._unplaced_in_core(), bound
        )

    def identity(self) -> Sequence[Any]:
        """Return digests of the formula and its arrays; never the same where it is not known."""
        known = identity_of(self._cost.kernel.formula)
        arrays = {**self._cost.slots, **self._cost.shared}
        parts = [(name, a.dtype.str, a.shape, _digest(a)) for name, a in sorted(arrays.items())]
        return ("formula", known, self.unplaced, sorted(self._dtypes.items()), *parts)

    def _cost_columns(self, arrays: Arrays, n: int, where: str) -> Any:
        found = []
        for name in self._cost.job_names:
            field, dtype = f"{where}: {name}", self._dtypes[name]
            array = _one_dimension(field, name, arrays[name], n)
            if array.dtype.newbyteorder("=") != dtype:
                raise TypeError(
                    f"{field} must be {dtype}, for which the formula was compiled, "
                    f"not {array.dtype}"
                )
            found.append(np.require(array, dtype, ("C", "A")))
        return found


class MatrixSpec(CostSpec):
    """A column whose entries are rows of a matrix.

    Parameters
    ----------
    column : str
        Its name.
    unplaced : float, str or None
        Cost of leaving a job out: a number for all, the name of a column, or None.
    n_slots, dtype
        Of the matrix, once they are known.
    """

    typed = True

    def __init__(
        self, column: str, unplaced: float | str | None, n_slots: int = 0, dtype: Any = np.float64
    ) -> None:
        super().__init__(unplaced)
        self._column, self.n_slots, self._dtype = column, n_slots, np.dtype(dtype)
        if unplaced == column:
            raise InvalidProblemError(
                f"unplaced: found the column of costs, {column!r}, needed another one", "unplaced"
            )

    @property
    def cost_names(self) -> list[str]:
        """The column."""
        return [self._column]

    def needs(self, name: str) -> Literal["integers", "numbers", "rows of floats", "plain"]:
        """Return what a column must hold."""
        return "rows of floats" if name == self._column else "numbers"

    def of_samples(self, arrays: Arrays) -> CostSpec:
        """Return the matrix of this width and dtype."""
        if self._column not in arrays:
            raise InvalidProblemError(f"found no column {self._column!r}, needed one", self._column)
        rows = np.asarray(arrays[self._column])
        if rows.ndim != 2:
            raise InvalidProblemError(
                f"{self._column}: found shape {rows.shape}, needed (n, n_slots)", self._column
            )
        dtype = rows.dtype.newbyteorder("=")
        if dtype not in (np.float32, np.float64):
            raise TypeError(f"{self._column} must be float32 or float64, not {rows.dtype}")
        return MatrixSpec(self._column, self.unplaced, rows.shape[1], dtype)

    def model(self) -> _core.CostModel:
        """Return the width of the matrix, and its dtype."""
        wide = self._dtype == np.float64
        return _core.matrix_model(self.n_slots, wide, self._unplaced_in_core())

    def identity(self) -> Sequence[Any]:
        """Return name, width and dtype."""
        return ("matrix", self._column, self.unplaced, self.n_slots, self._dtype.str)

    def _cost_columns(self, arrays: Arrays, n: int, where: str) -> Any:
        rows = np.asarray(arrays[self._column])
        if rows.shape != (n, self.n_slots):
            raise InvalidProblemError(
                f"{where}: {self._column}: found shape {rows.shape}, needed ({n}, {self.n_slots})",
                self._column,
            )
        if rows.dtype.newbyteorder("=") != self._dtype:
            raise TypeError(
                f"{where}: {self._column} must be {self._dtype} as before, not {rows.dtype}"
            )
        return [np.require(rows, self._dtype, ("C", "A"))]


def identity_of(function: Any) -> str:
    """Return a digest of a function and what it refers to; always another where it is not known."""
    known = fingerprint(function) if isinstance(function, types.FunctionType) else None
    if known is None:
        log("transport: what a function refers to is not known: out= begins again")
    return known or os.urandom(16).hex()


def cost_spec(
    terms: Iterable[tuple[ArrayLike, str | None, str | None]] | None,
    cost: SlotKernel | str | None,
    unplaced: float | str | None,
) -> CostSpec:
    """Return what costs are made of: terms, or else a formula or a column of rows."""
    if (terms is None) == (cost is None):
        found = "neither" if terms is None else "both"
        raise TypeError(f"terms, cost: found {found}, needed one of them")
    if terms is not None:
        return TermsSpec(terms, unplaced)
    if isinstance(cost, str):
        return MatrixSpec(cost, unplaced)
    if isinstance(cost, SlotKernel):
        return FormulaSpec(cost, unplaced)
    if isinstance(cost, (Kernel, BoundKernel)):
        raise TypeError(
            f"cost must be a kernel with its slots alone, kernel.bind(slots=...), not {cost!r}"
        )
    raise TypeError(
        "cost must be the name of a column of rows, or a kernel bound to its slots, "
        f"not {type(cost).__name__}"
    )


def kernel_or_terms(
    terms: Iterable[tuple[ArrayLike, str | None, str | None]] | None,
    cost: SlotKernel | None,
    unplaced: float | str | None,
) -> CostSpec:
    """Return what costs are made of where no column holds rows of them."""
    if isinstance(cost, str):
        raise TypeError(
            "cost must be a kernel bound to its slots, not a column of rows: these are read from "
            "Parquet files, or solved in memory"
        )
    return cost_spec(terms, cost, unplaced)


def _digest(array: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _one_dimension(field: str, name: str, values: Any, n: int) -> NDArray[Any]:
    array = _checks.plain_array(field, values)
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
