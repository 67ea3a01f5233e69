"""A cost by formula: the user's function of one (job, slot) pair, bound to columns.

The formula is compiled to a C function that fills blocks of rows (Numba, at first use).

The function is ``void fill(void* context, const int64_t* rows, int64_t n_rows, double* out)``. Its
body is written here as Python source, for the given parameters, and compiled together with the
formula.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import pickle
import sys
import types
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from .._checks import aligned
from .._extras import extra
from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

# Functions of this process, by all that their machine code depends on: a formula that came from
# another process, once for each task, is compiled once.
_compiled: dict[str, Any] = {}


def _source(parameters: tuple[inspect.Parameter, ...], arrays: list[NDArray[Any]]) -> str:
    """The C function in Python: views of the context's addresses, then the formula in two loops.

    The context is an array of words: n_jobs, n_slots, then for each parameter its address and
    shape.
    """
    head, per_job, values, word = [], [], [], 2
    for k, (p, array) in enumerate(zip(parameters, arrays, strict=True)):
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


def compile_fill(
    formula: types.FunctionType,
    parameters: tuple[inspect.Parameter, ...],
    arrays: list[NDArray[Any]],
) -> Any:
    """The C function that fills rows from arrays of these dtypes."""
    with extra("kernel"):
        import numba
        from numba import types as t

    source = _source(parameters, arrays)
    digest = fingerprint(formula, source, *(array.dtype.str for array in arrays))
    if digest in _compiled:
        return _compiled[digest]
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
    exec(compile(source, formula.__code__.co_filename, "exec"), space)
    fill = space["fill"]
    fill.__module__, fill.__qualname__ = formula.__module__, f"{formula.__name__}_{digest}"
    # The cache on disk names the module, which a formula from another process may lack here.
    kept = digest is not None and formula.__module__ in sys.modules
    try:
        try:
            made = numba.cfunc(signature, error_model="numpy", cache=kept)(fill)
        except RuntimeError:  # Numba finds no place for a cache, as for code typed at a prompt
            made = numba.cfunc(signature, error_model="numpy")(fill)
    except numba.core.errors.NumbaError as error:
        kinds = map(_kind, parameters, arrays)
        raise InvalidProblemError(
            f"Numba cannot compile {formula.__name__}({', '.join(kinds)}): {_reason(error)}",
            formula.__name__,
        ) from error
    if digest is not None:
        _compiled[digest] = made
    return made


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


def fingerprint(formula: types.FunctionType, *more: str) -> str | None:
    """Return a digest of all that the machine code depends on, or None where that is not known.

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
        elif isinstance(value, np.ndarray) and not value.dtype.hasobject:
            data = hashlib.sha256(np.ascontiguousarray(value).view(np.uint8).data)
            parts.append((name, value.dtype.str, value.shape, data.hexdigest()))
        elif isinstance(value, (bool, int, float, np.number)):
            parts.append((name, pickle.dumps(value)))
        else:
            return None
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


@functools.cache
def _pointer() -> Any:
    """The Numba intrinsic that takes an address for a pointer (`carray` needs one)."""
    from numba.core import types as t
    from numba.extending import intrinsic

    def pointer(_context: Any, address: Any) -> Any:
        def generate(_context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return builder.inttoptr(values[0], _context.get_value_type(signature.return_type))

        return t.voidptr(address), generate

    return intrinsic(pointer)


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

    def __reduce__(self) -> tuple[Any, ...]:
        return Kernel, (self.formula,)  # what is compiled stays in its process

    def __repr__(self) -> str:
        return f"<kernel {self.formula.__name__}({', '.join(p.name for p in self.parameters)})>"

    @overload
    def bind(
        self, *, jobs: Mapping[str, ArrayLike], slots: Mapping[str, ArrayLike], **shared: ArrayLike
    ) -> BoundKernel: ...
    @overload
    def bind(
        self, *, jobs: None = None, slots: Mapping[str, ArrayLike], **shared: ArrayLike
    ) -> SlotKernel: ...
    def bind(
        self,
        *,
        jobs: Mapping[str, ArrayLike] | None = None,
        slots: Mapping[str, ArrayLike],
        **shared: ArrayLike,
    ) -> BoundKernel | SlotKernel:
        """The formula over these jobs and slots, compiled: a cost for `transport`.

        Parameters
        ----------
        jobs, slots : mapping of str to array
            Columns, shape (n_jobs,) and (n_slots,), bool, int or float. A parameter ``job_work``
            reads the column of exactly that name, ``job_work``; columns that no parameter names
            are not looked at. Without `jobs` only the slot side is bound: the cost of a `Matcher`,
            whose jobs bring their columns.
        **shared : array or number
            What the other parameters are, of any shape, bool, int or float.

        Returns
        -------
        BoundKernel, or SlotKernel without `jobs`

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
        for p in self.parameters:
            if not p.name.startswith(("job_", "slot_")) and p.name not in shared:
                raise InvalidProblemError(f"bind() of {self!r} lacks {p.name!r}", p.name)
        common = {name: _plain(name, values) for name, values in shared.items()}
        bound = SlotKernel(self, _columns(self, "slot", slots), common)
        return bound if jobs is None else bound.with_jobs(jobs)

    def _compile(self, arrays: list[NDArray[Any]]) -> Any:
        """The C function for arrays of these dtypes and dimensions."""
        key = tuple((a.dtype.str, a.ndim) for a in arrays)
        if key not in self._compiled:
            self._compiled[key] = compile_fill(self.formula, self.parameters, arrays)
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

    def words(self) -> tuple[NDArray[np.uint64], dict[str, int]]:
        """The words of the context; where the address of each job column stands, length next."""
        places, at = {}, 2
        for p, array in zip(self.kernel.parameters, self._held, strict=True):
            if p.name.startswith("job_"):
                places[p.name] = at
            at += 1 + array.ndim
        return self._context, places

    def slot_side(self) -> SlotKernel:
        """The formula, slots and shared arrays, and the dtypes of the columns of its jobs."""
        slots: dict[str, NDArray[Any]] = {}
        shared: dict[str, NDArray[Any]] = {}
        dtypes: dict[str, np.dtype[Any]] = {}
        for p, array in zip(self.kernel.parameters, self._held, strict=True):
            if p.name.startswith("job_"):
                dtypes[p.name] = array.dtype
            else:
                (slots if p.name.startswith("slot_") else shared)[p.name] = array
        return SlotKernel(self.kernel, slots or {"n": np.zeros(self.n_slots)}, shared, dtypes)

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


class SlotKernel:
    """A kernel with its slot side bound: the cost of a `Matcher`; `with_jobs` binds the rest.

    Attributes
    ----------
    slots, shared : dict of array
        Columns of the slots, and what is neither job's nor slot's.
    dtypes : dict of dtype
        Of the columns of jobs, where they are known beforehand.
    """

    def __init__(
        self,
        kernel: Kernel,
        slots: dict[str, NDArray[Any]],
        shared: dict[str, NDArray[Any]],
        dtypes: dict[str, np.dtype[Any]] | None = None,
    ) -> None:
        self.kernel, self.slots, self.shared, self.dtypes = kernel, slots, shared, dtypes or {}
        self.n_slots = len(next(iter(slots.values())))
        names = [p.name for p in kernel.parameters]
        self.job_names = [name for name in names if name.startswith("job_")]

    def __repr__(self) -> str:
        return f"<{self.kernel!r} bound to {self.n_slots} slots>"

    def with_jobs(self, jobs: Mapping[str, ArrayLike]) -> BoundKernel:
        """The cost of these jobs, as `Kernel.bind` makes it."""
        columns = _columns(self.kernel, "job", jobs)
        known = columns | self.slots | self.shared
        arrays = [known[p.name] for p in self.kernel.parameters]
        n_jobs = len(next(iter(columns.values())))
        return BoundKernel(self.kernel, self.kernel._compile(arrays), arrays, n_jobs, self.n_slots)

    def replaced(self, name: str, values: ArrayLike) -> tuple[SlotKernel, NDArray[np.int32]]:
        """With another slot column or shared array; and the slots whose costs that may change."""
        if name in self.shared:
            made = SlotKernel(
                self.kernel, self.slots, self.shared | {name: _copy(name, values)}, self.dtypes
            )
            return made, np.arange(self.n_slots, dtype=np.int32)
        if name not in self.slots:
            known = ", ".join([*self.slots, *self.shared])
            raise InvalidProblemError(
                f"k: found {name!r}, needed a slot column or shared array: {known}", "k"
            )
        old, new = self.slots[name], _copy(name, values)
        if new.shape != old.shape:
            raise InvalidProblemError(f"{name}: found shape {new.shape}, needed {old.shape}", name)
        if not np.can_cast(new.dtype, old.dtype, "safe"):
            raise TypeError(f"{name}: found {new.dtype}, needed {old.dtype} as before")
        new = new.astype(old.dtype)
        changed = np.flatnonzero(new != old).astype(np.int32)
        return SlotKernel(self.kernel, self.slots | {name: new}, self.shared, self.dtypes), changed

    def with_slots(
        self, columns: Mapping[str, ArrayLike], where: NDArray[np.int32], n_slots: int
    ) -> SlotKernel:
        """With the columns of new slots at `where`, of `n_slots` in all."""
        slots = {}
        for name, old in self.slots.items():
            new = np.zeros(n_slots, old.dtype)
            new[: self.n_slots] = old
            if name in {p.name for p in self.kernel.parameters}:
                if name not in columns:
                    raise InvalidProblemError(f"tables: {name!r} is missing", name)
                given = _plain(name, columns[name])
                if given.shape != where.shape:
                    raise InvalidProblemError(
                        f"{name}: found shape {given.shape}, needed {where.shape}", name
                    )
                if not np.can_cast(given.dtype, old.dtype, "safe"):
                    raise TypeError(f"{name}: found {given.dtype}, needed {old.dtype} as before")
                new[where] = given
            slots[name] = new
        return SlotKernel(self.kernel, slots, self.shared, self.dtypes)


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
    Complexity: O(1) to make; compiling takes about a second, once for each set of dtypes.
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
    """Return a contiguous array of native bool, int or float; the array itself where it is one."""
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(f"{name} must be a plain array: a masked one would lose its mask")
    array = np.asarray(values)
    if array.dtype.kind not in _KINDS or array.dtype.itemsize > 8 or array.dtype == np.float16:
        raise TypeError(f"{name} must be bool, int or float (32 or 64 bits), not {array.dtype}")
    return aligned(np.asarray(array, array.dtype.newbyteorder("="), order="C"))


def _copy(name: str, values: Any) -> NDArray[Any]:
    return _plain(name, values).copy()


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
