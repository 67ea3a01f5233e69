"""Compiles a kernel's formula to a C function that fills blocks of rows (Numba, at first use).

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
from typing import TYPE_CHECKING, Any

import numpy as np

from .._extras import extra
from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["compile_fill", "fingerprint"]

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
