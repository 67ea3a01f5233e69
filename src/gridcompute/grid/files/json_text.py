"""JSON read strictly and written canonically (RFC 8785).

Python's own reader takes the last of two equal keys, accepts NaN, and lets an unpaired surrogate
through; its writer spells numbers in its own way. A file that carries a hash needs one spelling.
"""

from __future__ import annotations

import json
import math
import re
import sys
from typing import TYPE_CHECKING, Any

from ..._checks import EXACT
from ...errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Iterator


_SURROGATE = re.compile(r"[\ud800-\udfff]")


def parse(data: bytes, where: str, *, constants: bool = False) -> Any:
    """Return the value of a JSON text in UTF-8.

    Parameters
    ----------
    data : bytes
        The text; a byte order mark in front is skipped.
    where : str
        What messages call it, such as a file's name.
    constants : bool
        Whether NaN, Infinity and -Infinity, which JSON does not have, are read as numbers.

    Raises
    ------
    InvalidProblemError
        Not UTF-8, not JSON, a key used twice in one object, nested beyond the interpreter's limit.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"found 0x{data[error.start]:02x} at byte {error.start}"
        raise InvalidProblemError(f"{where}: {found}, needed UTF-8", where) from None

    def constant(name: str) -> float:
        if constants:
            return float(name)
        raise ValueError(f"{name} is no number of JSON")

    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=constant)
    except RecursionError:
        message = f"{where}: found values nested too deep to read, needed JSON of a few levels"
        raise InvalidProblemError(message, where) from None
    except ValueError as error:
        words = f"found {error}, needed JSON{_lines(text, str(error))}"
        if isinstance(error, json.JSONDecodeError):
            words = f"not JSON: {error}"
        elif "integer string conversion" in str(error):
            most = sys.get_int_max_str_digits()
            words = f"found an integer of more than {most} digits, needed fewer"
        raise InvalidProblemError(f"{where}: {words}", where) from None
    for text in _strings(value):
        require_text(where, text)
    return value


def require_text(field: str, text: str) -> None:
    """Raise if a text has half a character, an unpaired surrogate, for which there is no UTF-8."""
    if _SURROGATE.search(text):
        message = f"{field}: found half a character (an unpaired surrogate) in {text!r:.100}"
        raise InvalidProblemError(f"{message}, needed Unicode text", field)


def canonical(value: Any) -> bytes:
    """Return the one JSON text of a value by RFC 8785, in UTF-8.

    No blanks, keys in the order of their UTF-16 code units, numbers as ECMAScript writes them.

    Parameters
    ----------
    value : dict, list, tuple, str, int, float, bool or None
        Keys must be strings; integers lie within 2**53, where a double holds them exactly.

    Raises
    ------
    ValueError
        A number that is not finite or too large, half a character in a string.
    TypeError
        A value that JSON does not have.

    Notes
    -----
    Source: A. Rundgren, B. Jordan, S. Erdtman, JSON Canonicalization Scheme, RFC 8785 (2020).

    Examples
    --------
    >>> canonical({"b": [1e21, 0.000001], "a": -0.0})
    b'{"a":0,"b":[1e+21,0.000001]}'
    """
    return "".join(_pieces(value)).encode("utf-8")  # an unpaired surrogate raises here


def number_text(value: float) -> str:
    """Return a finite number as ECMAScript's Number.prototype.toString spells it.

    Python's repr gives the same shortest digits; where the point stands differs.
    """
    if isinstance(value, int):
        if abs(value) > EXACT:
            raise ValueError(f"{value} is beyond 2**53, the integers that a double holds exactly")
        return str(int(value))
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number of JSON")
    if value == 0:
        return "0"  # of both signs
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(float(value))).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    # The value is 0.digits * 10**point.
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21:
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if digits[1:] else ""
    return f"{sign}{digits[0]}{tail}e{point - 1:+d}"


def _pieces(value: Any) -> Iterator[str]:
    if value is None or isinstance(value, (bool, str)):
        yield json.dumps(value, ensure_ascii=False)
    elif isinstance(value, (int, float)):
        yield number_text(value)
    elif isinstance(value, (list, tuple)):
        yield "["
        for i, item in enumerate(value):
            yield "," if i else ""
            yield from _pieces(item)
        yield "]"
    elif isinstance(value, dict):
        yield "{"
        ordered = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        for i, key in enumerate(ordered):
            yield f"{',' if i else ''}{json.dumps(key, ensure_ascii=False)}:"
            yield from _pieces(value[key])
        yield "}"
    else:
        raise TypeError(f"{type(value).__name__} has no JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {twice!r} twice in one object")
    return found


def _lines(text: str, error: str) -> str:
    """Return in words the lines of what an error of Python's reader names; "" for one line."""
    key = re.match("key '(.*)' twice", error)
    named = re.escape(json.dumps(key[1], ensure_ascii=False)) + r"\s*:" if key else ""
    named = named or re.escape(error.partition(" ")[0])
    # Texts are matched first, so that nothing within one is found.
    found = re.finditer(rf'(?P<named>{named})|"(?:\\.|[^"\\])*"', text)
    lines = [1 + text.count("\n", 0, m.start()) for m in found if m["named"]]
    if not lines or "\n" not in text.strip():
        return ""
    if key is None:
        return f"; line {lines[0]}"
    few = list(map(str, dict.fromkeys(lines)))[:5]
    return f"; it stands in line{'s' if len(few) > 1 else ''} {', '.join(few)}"


def _strings(value: Any) -> Iterator[str]:
    """Yield every string of a parsed value, keys included, without recursion."""
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            left += item
        elif isinstance(item, dict):
            left += item
            left += item.values()
