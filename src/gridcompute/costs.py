"""Costs that are never stored as a matrix: sums of terms, and formulas compiled with Numba.

Both are checked once, when made; a solver then reads them as they stand.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import pickle
import types
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .errors import CostRangeError, InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["BoundKernel", "Kernel", "Term", "Terms", "kernel"]


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
        (n_jobs,), finite; None for 1. At least one key or coef tells the number of jobs.

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
    """As contiguous float64, each value kept exactly; the array itself where it is that already."""
    array = _array(field, values, ndim)
    if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
        raise TypeError(f"{field} must be int or float of at most 64 bits, not {array.dtype}")
    real = np.ascontiguousarray(array, np.float64)
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8:
        far = np.abs(real) >= 2.0**53
        if far.any():
            index = tuple(int(k) for k in np.argwhere(far)[0])
            raise InvalidProblemError(
                f"{field}{list(index)}: found {array[index]}, needed below 2**53 in size, "
                "what float64 holds exactly",
                field,
                index if ndim > 1 else index[0],
            )
    return real


def _array(field: str, values: Any, ndim: int) -> NDArray[Any]:
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(f"{field} must be a plain array: a masked one would lose its mask")
    array = np.asarray(values)
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


def _check_sum(terms: tuple[Term, ...]) -> None:
    """No finite table entry may become inf, which would forbid in silence."""

    def reach(values: NDArray[np.float64]) -> float:
        if not values.size:
            return 0.0
        low, high = float(values.min()), float(values.max())
        if high == np.inf:
            high = float(values.max(initial=0.0, where=values < np.inf))
        return max(abs(low) if low < np.inf else 0.0, abs(high))

    bound = sum((1.0 if t.coef is None else reach(t.coef)) * reach(t.table) for t in terms)
    if not bound < np.finfo(np.float64).max / 2:
        raise CostRangeError(
            f"terms: a cost may reach {bound:.3g}, needed below 8.98e307 for sums in float64"
        )


_KINDS = "biuf"  # dtypes a kernel takes: bool, integers, floats (at most 64 bits)


class Kernel:
    """A cost formula of one (job, slot) pair, made by `kernel`; `bind` gives it its columns."""

    def __init__(self, formula: Callable[..., Any]) -> None:
        formula = getattr(formula, "py_func", formula)  # already compiled with Numba
        if not isinstance(formula, types.FunctionType):
            raise TypeError(f"kernel needs a Python function, not {type(formula).__name__}")
        self.formula = formula
        self.parameters = tuple(inspect.signature(formula).parameters.values())
        for p in self.parameters:
            if p.kind is not p.POSITIONAL_OR_KEYWORD or p.default is not p.empty:
                raise TypeError(f"kernel {formula.__name__}: parameter {p} must be a plain name")
            if p.name in ("jobs", "slots"):
                raise TypeError(f"kernel {formula.__name__}: {p.name!r} is an argument of bind")
        self._compiled: dict[Any, Any] = {}
        functools.update_wrapper(self, formula)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The formula in plain Python, for one pair: to try it and to test it."""
        return self.formula(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<kernel {self.formula.__name__}({', '.join(p.name for p in self.parameters)})>"

    def bind(
        self,
        *,
        jobs: Mapping[str, ArrayLike],
        slots: Mapping[str, ArrayLike],
        **shared: ArrayLike,
    ) -> BoundKernel:
        """The formula over these jobs and slots, compiled: a cost for `transport`.

        Parameters
        ----------
        jobs, slots : mapping of str to array
            Columns, shape (n_jobs,) and (n_slots,), bool, int or float. A parameter ``job_work``
            reads the column of exactly that name, ``job_work``; columns that no parameter names
            are not looked at.
        **shared : array or number
            What the other parameters are, of any shape, bool, int or float.

        Returns
        -------
        BoundKernel

        Raises
        ------
        InvalidProblemError
            A column or shared value is missing, columns differ in length, or Numba cannot compile
            the formula for these types.
        TypeError
            A dtype is none of bool, int, float; a shared value that no parameter names.

        Notes
        -----
        Compiled once for each set of dtypes (about a second, then kept on disk where Numba can).
        Contiguous arrays are used in place: do not change them while the cost is in use.
        """
        names = {p.name for p in self.parameters}
        for name in shared:
            if name not in names or name.startswith(("job_", "slot_")):
                raise TypeError(f"bind() of {self!r} got {name!r}, which is no shared parameter")
        sides = {"job": _columns(self, "job", jobs), "slot": _columns(self, "slot", slots)}
        arrays = []
        for p in self.parameters:
            side = p.name.partition("_")[0]
            if p.name.startswith(("job_", "slot_")):
                arrays.append(sides[side][p.name])
            elif p.name in shared:
                arrays.append(_plain(p.name, shared[p.name]))
            else:
                raise InvalidProblemError(f"bind() of {self!r} lacks {p.name!r}", p.name)
        n_jobs, n_slots = (len(next(iter(columns.values()))) for columns in sides.values())
        return BoundKernel(self, self._compile(arrays), arrays, n_jobs, n_slots)

    def _compile(self, arrays: list[NDArray[Any]]) -> Any:
        """The C function for arrays of these dtypes and dimensions."""
        key = tuple((a.dtype.str, a.ndim) for a in arrays)
        if key not in self._compiled:
            self._compiled[key] = _compile(self, arrays)
        return self._compiled[key]


class BoundKernel:
    """A kernel with its columns: costs that compiled code can ask for without the GIL.

    Attributes
    ----------
    address : int
        Of ``void fill(void* context, const int64_t* rows, int64_t n_rows, double* out)``, which
        writes the costs of the jobs `rows` to `out`, (n_rows, n_slots), row after row. Pure, and
        safe to call from several threads at once. Rows must be in range. If the formula raises,
        Python reports the error as unraisable and the costs not reached are NaN.
    context : int
        What to pass as `context`.
    shape : tuple of int
        (n_jobs, n_slots).
    """

    __slots__ = ("_context", "_function", "_held", "address", "context", "kernel", "shape")

    def __init__(
        self, kernel: Kernel, function: Any, arrays: list[NDArray[Any]], n_jobs: int, n_slots: int
    ) -> None:
        self.kernel, self.shape = kernel, (n_jobs, n_slots)
        self._function, self._held = function, arrays  # alive as long as the addresses are
        words = [n_jobs, n_slots]
        for array in arrays:
            words += [array.ctypes.data, *array.shape]
        self._context = np.array(words, np.uint64)
        self.address, self.context = int(function.address), int(self._context.ctypes.data)

    @property
    def n_jobs(self) -> int:
        """Rows of the cost."""
        return self.shape[0]

    @property
    def n_slots(self) -> int:
        """Columns of the cost."""
        return self.shape[1]

    def __repr__(self) -> str:
        return f"<bound {self.kernel!r}: {self.n_jobs} jobs x {self.n_slots} slots>"

    def dense(
        self, rows: slice | NDArray[np.integer[Any]] | Sequence[int] = slice(None)
    ) -> NDArray[np.float64]:
        """The costs of some jobs as a matrix, as the formula gives them (NaN too).

        Parameters
        ----------
        rows : slice or array of int, optional
            Which jobs; all by default.

        Returns
        -------
        float64 (n_rows, n_slots)
        """
        import ctypes

        jobs = np.ascontiguousarray(np.arange(self.n_jobs)[rows], np.int64)
        out = np.empty((len(jobs), self.n_slots))
        kinds = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
        fill = ctypes.CFUNCTYPE(None, *kinds)(self.address)
        fill(self.context, jobs.ctypes.data, len(jobs), out.ctypes.data)
        return out


def kernel(formula: Callable[..., Any]) -> Kernel:
    """Make a cost from a formula of one (job, slot) pair.

    Parameters
    ----------
    formula : function
        Whatever Numba compiles (arithmetic, ``math``, indexing, branches). Parameters named
        ``job_*`` and ``slot_*`` are scalars from those columns, the rest shared arrays or numbers.
        It returns the cost, ``inf`` to forbid; it must be pure. Integers are machine integers (they
        wrap), and an index out of range is not caught.

    Returns
    -------
    Kernel
        Call it as the plain formula, or `bind` it to columns.

    Raises
    ------
    TypeError
        Not a function, or a parameter that is no plain name.

    Notes
    -----
    Numba is imported when the first kernel is bound. Compiled without fastmath and without threads
    of its own: the core calls it on blocks of rows, from its threads, without the GIL.
    Determinism: a cost is the same bits in whatever block it is computed.

    Examples
    --------
    >>> import math
    >>> import numpy as np
    >>> from gridcompute import kernel
    >>> @kernel
    ... def cost(job_work, job_origin, slot_speed, slot_site, rtt_ms):
    ...     if rtt_ms[job_origin, slot_site] > 20:
    ...         return math.inf
    ...     return job_work / slot_speed
    >>> cost(6.0, 0, 2.0, 1, np.array([[0.0, 12.0]]))
    3.0
    >>> bound = cost.bind(
    ...     jobs={"job_work": np.array([6.0, 8.0]), "job_origin": np.array([0, 1])},
    ...     slots={"slot_speed": np.array([2.0, 1.0]), "slot_site": np.array([1, 0])},
    ...     rtt_ms=np.array([[0.0, 12.0], [30.0, 0.0]]),
    ... )
    >>> bound.dense()
    array([[ 3.,  6.],
           [ 4., inf]])
    """
    return Kernel(formula)


def _plain(name: str, values: Any) -> NDArray[Any]:
    """As a contiguous array of native bool, int or float; the array itself where it is one."""
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(f"{name} must be a plain array: a masked one would lose its mask")
    array = np.asarray(values)
    if array.dtype.kind not in _KINDS or array.dtype.itemsize > 8 or array.dtype == np.float16:
        raise TypeError(f"{name} must be bool, int or float (32 or 64 bits), not {array.dtype}")
    return np.asarray(array, array.dtype.newbyteorder("="), order="C")


def _columns(kernel: Kernel, side: str, given: Mapping[str, ArrayLike]) -> dict[str, NDArray[Any]]:
    """The columns that the parameters of one side name (all, if none does), of equal length."""
    named = [p.name for p in kernel.parameters if p.name.startswith(side + "_")]
    for name in named:
        if name not in given:
            raise InvalidProblemError(
                f"{side}s: no column {name!r} for {kernel!r}, found {', '.join(given) or 'none'}",
                name,
            )
    columns = {name: _plain(name, given[name]) for name in named or given}
    if not columns:
        raise InvalidProblemError(
            f"{side}s: found no column, needed one to tell the number of {side}s", f"{side}s"
        )
    first = next(iter(columns))
    for name, column in columns.items():
        if column.ndim != 1 or len(column) != len(columns[first]):
            need = f"({len(columns[first])},) as {first!r}" if columns[first].ndim == 1 else "(n,)"
            raise InvalidProblemError(
                f"{side}s[{name!r}]: found shape {column.shape}, needed {need}", name
            )
    return columns


def _source(kernel: Kernel, arrays: list[NDArray[Any]]) -> str:
    """The C function in Python: views of the context's addresses, then the formula in two loops.

    The context is an array of words: n_jobs, n_slots, then for each parameter its address and
    shape.
    """
    head, per_job, values, word = [], [], [], 2
    for k, (p, array) in enumerate(zip(kernel.parameters, arrays, strict=True)):
        shape = "".join(f"intp(word[{word + 1 + d}]), " for d in range(array.ndim))
        view = f"carray(pointer(word[{word}]), ({shape or '1,'}), dtype_{k})"
        head.append(f"    view_{k} = {view}{'' if array.ndim else '[0]'}")
        if p.name.startswith("job_"):
            per_job.append(f"        value_{k} = view_{k}[row[i]]")
            values.append(f"value_{k}")
        else:
            values.append(f"view_{k}[s]" if p.name.startswith("slot_") else f"view_{k}")
        word += 1 + array.ndim
    lines = [
        "def fill(context, rows, n_rows, out):",
        f"    word = carray(context, ({word},), uintp)",
        "    n_slots = intp(word[1])",
        *head,
        "    row, cost = carray(rows, (n_rows,)), carray(out, (n_rows, n_slots))",
        "    cost[:] = nan  # what stays should the formula raise",
        "    for i in range(n_rows):",
        *per_job,
        "        for s in range(n_slots):",
        f"            cost[i, s] = formula({', '.join(values)})",
    ]
    return "\n".join(lines) + "\n"


def _compile(kernel: Kernel, arrays: list[NDArray[Any]]) -> Any:
    """The C function that fills rows from arrays of these dtypes."""
    import numba
    from numba import types as t

    formula = kernel.formula
    signature = t.void(t.voidptr, t.CPointer(t.int64), t.int64, t.CPointer(t.float64))
    space: dict[str, Any] = {
        "carray": numba.carray,
        "pointer": _pointer(),
        "formula": numba.njit(nogil=True, error_model="numpy")(formula),
        "nan": np.nan,
        "intp": np.intp,
        "uintp": np.uintp,
        **{f"dtype_{k}": array.dtype for k, array in enumerate(arrays)},
    }
    # Numba looks for its cache beside the file that a function is said to be from.
    source = _source(kernel, arrays)
    exec(compile(source, formula.__code__.co_filename, "exec"), space)
    fill = space["fill"]
    digest = _fingerprint(formula, source, *(array.dtype.str for array in arrays))
    fill.__module__, fill.__qualname__ = formula.__module__, f"{formula.__name__}_{digest}"
    try:
        try:
            return numba.cfunc(signature, error_model="numpy", cache=digest is not None)(fill)
        except RuntimeError:  # Numba finds no place for a cache, as for code typed at a prompt
            return numba.cfunc(signature, error_model="numpy")(fill)
    except numba.core.errors.NumbaError as error:
        kinds = map(_kind, kernel.parameters, arrays)
        raise InvalidProblemError(
            f"Numba cannot compile {formula.__name__}({', '.join(kinds)}): {_reason(error)}",
            formula.__name__,
        ) from error


def _kind(parameter: inspect.Parameter, array: NDArray[Any]) -> str:
    """A parameter as the formula sees it: ``rtt: float64[:, :]``."""
    scalar = parameter.name.startswith(("job_", "slot_")) or array.ndim == 0
    return f"{parameter.name}: {array.dtype}" + (
        "" if scalar else f"[{', '.join(':' * array.ndim)}]"
    )


def _reason(error: Exception) -> str:
    """The telling lines of a Numba error, without its colours and advice."""
    lines = [line.strip() for line in str(error).splitlines()]
    return " ".join(line for line in lines if line)[:500]


def _fingerprint(formula: types.FunctionType, *more: str) -> str | None:
    """A digest of all that the machine code depends on, or None where that is not known.

    Numba keys its cache by file and name alone, and bakes globals and closures in as constants: two
    formulas of one name, or one whose constants come from elsewhere, would be taken for each other.
    """
    code = formula.__code__
    if any(isinstance(constant, types.CodeType) for constant in code.co_consts):
        return None
    seen = inspect.getclosurevars(formula)
    parts: list[Any] = [*more, code.co_code, code.co_varnames, code.co_consts, code.co_names]
    for name, value in sorted({**seen.globals, **seen.nonlocals}.items()):
        if isinstance(value, types.ModuleType) and value.__name__ in ("math", "numpy"):
            parts.append((name, value.__name__))
        elif isinstance(value, (bool, int, float, np.number, np.ndarray)):
            parts.append((name, pickle.dumps(value)))
        else:
            return None
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


@functools.cache
def _pointer() -> Any:
    """The Numba intrinsic that takes an address for a pointer (`carray` wants one)."""
    from numba.core import types as t
    from numba.extending import intrinsic

    def pointer(_context: Any, address: Any) -> Any:
        def generate(_context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return builder.inttoptr(values[0], _context.get_value_type(signature.return_type))

        return t.voidptr(address), generate

    return intrinsic(pointer)
