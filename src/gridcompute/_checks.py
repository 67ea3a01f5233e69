"""Checks of arguments, each written once: types, shapes and ranges, with one grammar of messages.

A message reads ``field[index]: found X, needed Y``. A value of the right type outside its range is
an `InvalidProblemError` with ``.field`` and ``.index``; a wrong type is a `TypeError`. Nothing is
rounded, clipped or cast in silence.
"""

from __future__ import annotations

import itertools
import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from ._extras import extra
from .errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


#: Integers up to this size are doubles; larger ones may not be.
EXACT = 2**53
_MOST_THREADS = 2**31 - 1
#: Words that a message lists, and those that a misspelt one is compared with, at most.
_MOST_LISTED, _MOST_COMPARED = 64, 10_000
#: How like a misspelt word must be, and how like its first letters (`difflib`'s ratio).
_LEAST_LIKE, _LEAST_LIKE_START = 0.7, 0.85


def whole(field: str, value: Any, least: int, most: int) -> int:
    """Return `value` as an int from `least` to `most`; bool, float and text are wrong types."""
    if type(value) is int and least <= value <= most:
        return value
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{field} must be an integer, not bool")
    try:
        integer = operator.index(value)
    except TypeError:
        raise TypeError(f"{field} must be an integer, not {type(value).__name__}") from None
    if not least <= integer <= most:
        raise InvalidProblemError(f"{field}: found {integer}, needed {least} to {most}", field)
    return integer


def number(field: str, value: Any, least: float) -> float:
    """Return `value` as a float of at least `least`, inf included; NaN is refused."""
    if type(value) is float and value >= least:
        return value
    if isinstance(value, (bool, np.bool_, str, bytes)) or np.ndim(value):
        raise TypeError(f"{field} must be a number, not {type(value).__name__}")
    try:
        real = float(value)
    except TypeError:
        raise TypeError(f"{field} must be a number, not {type(value).__name__}") from None
    except OverflowError:  # an int beyond the largest double
        raise InvalidProblemError(
            f"{field}: found a number beyond 1.8e308, needed one that a double can hold", field
        ) from None
    if not real >= least:  # NaN fails it too
        raise InvalidProblemError(f"{field}: found {value}, needed {least:g} or more", field)
    return real


def threads(value: Any) -> int:
    """Return the largest number of threads to use; 0, for None, leaves it to the core."""
    return 0 if value is None else whole("threads", value, 1, _MOST_THREADS)


def time_limit(value: Any) -> float | None:
    """Return the time limit in seconds, 0 or more; None where there is none, or it is infinite."""
    limit = None if value is None else number("time_limit", value, 0.0)
    return None if limit == math.inf else limit


def work_limit(value: Any) -> float | None:
    """Return the limit in units of work, 0 or more; None where there is none, or it is infinite."""
    limit = None if value is None else number("work_limit", value, 0.0)
    return None if limit == math.inf else limit


def limits(
    most_threads: Any, seconds: Any, work: Any
) -> tuple[int, tuple[float | None, float | None]]:
    """Return what `threads` returns, and `time_limit` and `work_limit`; all None cost one call."""
    if most_threads is None and seconds is None and work is None:
        return 0, (None, None)
    return threads(most_threads), (time_limit(seconds), work_limit(work))


def gap(value: Any) -> float:
    """Return the relative gap at which a solver may stop, 0 or more."""
    return number("gap", value, 0.0)


def seed(value: Any) -> int:
    """Return the seed as an unsigned 64-bit integer."""
    return whole("seed", value, 0, 2**64 - 1)


def choice(field: str, value: Any, allowed: Sequence[str]) -> str:
    """Return `value` if it is one of the `allowed` words."""
    if isinstance(value, str) and value in allowed:
        return value
    words = [repr(word) for word in allowed]
    needed = " or ".join([", ".join(words[:-1]), words[-1]] if words[:-1] else words)
    raise InvalidProblemError(f"{field}: found {value!r}, needed {needed}", field)


def meant(found: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'that'?" for what resembles a known word, and "" for what does not."""
    import difflib  # not needed until something is wrong

    words, plain = list(itertools.islice(known, _MOST_COMPARED)), found.strip().lower()
    lower = {word.lower(): word for word in reversed(words)}
    begin = {word.lower()[: max(len(plain), 4)]: word for word in reversed(words)}
    for text, shown, least in (
        (found, dict(zip(words, words, strict=True)), _LEAST_LIKE),
        (plain, lower, _LEAST_LIKE),
        (plain, begin, _LEAST_LIKE_START),
    ):
        if near := difflib.get_close_matches(text, shown, 1, least):
            return f"; did you mean {shown[near[0]]!r}?"
    return ""


def listed(known: Iterable[str]) -> str:
    """Return words separated by commas, of many the first and their number."""
    words = [*known]
    if len(words) <= _MOST_LISTED:
        return ", ".join(words)
    return f"{', '.join(words[:_MOST_LISTED])}, ... ({len(words):,} in all)"


def plain_array(field: str, values: Any) -> NDArray[Any]:
    """Return `values` as an aligned ndarray; a masked one is refused, its mask would be lost."""
    if type(values) is np.ndarray:
        return aligned(values)
    if _masked(values, 2):
        raise TypeError(f"{field} must be a plain array: a masked one would lose its mask")
    if not hasattr(values, "__array__"):
        values = _foreign(field, values)
    try:
        return aligned(np.asarray(values))
    except ValueError as error:  # rows of different lengths
        found = str(error)
        if "inhomogeneous" in found:
            found = "found rows of different lengths, needed an array"
        raise InvalidProblemError(f"{field}: {found}", field) from None


def aligned(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array, or a copy where its numbers lie across words, as in packed records."""
    return array if array.flags.aligned else array.copy()


def _foreign(field: str, values: Any) -> Any:
    """Return what has no array of numpy's as one: DLPack without a copy, Arrow by pyarrow."""
    if hasattr(values, "__dlpack__"):
        try:
            return np.from_dlpack(values)
        except (BufferError, RuntimeError) as error:  # on another device, or of another dtype
            raise TypeError(f"{field}: DLPack gives no array of numpy's: {error}") from None
    for name, read in (("__arrow_c_array__", "array"), ("__arrow_c_stream__", "table")):
        if hasattr(values, name):
            with extra("grid"):
                import pyarrow as pa
            return np.asarray(getattr(pa, read)(values))
    return values


def _masked(values: Any, depth: int) -> bool:
    """Return whether `values`, or rows of lists to that depth, are masked arrays."""
    if isinstance(values, np.ma.MaskedArray):
        return True
    return (
        isinstance(values, (list, tuple))
        and depth > 0
        and any(_masked(value, depth - 1) for value in values if type(value) not in (int, float))
    )


def counts(
    field: str, values: Any, n: int, name: str, least: int, dtype: type[np.integer[Any]]
) -> NDArray[Any]:
    """Return n whole numbers from `least` up to the largest of `dtype`, contiguous in `dtype`.

    `name` is what the message calls n. A list without entries has no dtype of its own and passes.
    """
    array = plain_array(field, values)
    if array.dtype.kind not in "iu" and (array.size or type(values) is np.ndarray):
        raise TypeError(f"{field} must be of an integer dtype, not {array.dtype}")
    if array.shape != (n,):
        raise InvalidProblemError(
            f"{field}: found shape {array.shape}, needed ({name},) = ({n},)", field
        )
    most = np.iinfo(dtype).max
    if n and (array.min() < least or (array.dtype != dtype and array.max() > most)):
        index = int(((array < least) | (array > most)).argmax())
        raise InvalidProblemError(
            f"{field}[{index}]: found {array[index]}, needed {least} to {most}", field, index
        )
    return np.ascontiguousarray(array, dtype)


def reals(field: str, values: Any) -> NDArray[np.float64]:
    """Return `values` as contiguous float64; an integer that would be rounded is refused."""
    array = plain_array(field, values)
    if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
        raise TypeError(f"{field} must be int or float of at most 64 bits, not {array.dtype}")
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8:
        far = (array > EXACT) | (array < -EXACT)
        if far.any():
            flat = int(far.argmax())
            place = tuple(int(k) for k in np.unravel_index(flat, array.shape))
            where = f"[{', '.join(map(str, place))}]" if place else ""
            raise InvalidProblemError(
                f"{field}{where}: found {array.flat[flat]}, needed at most 2**53 in size, "
                "what float64 holds exactly",
                field,
                place if len(place) > 1 else (place[0] if place else None),
            )
    return np.ascontiguousarray(array, np.float64)
