"""The reader of tables with named columns: a declaration of each column, and one set of checks.

A table is anything with columns: a mapping of names to arrays, a pyarrow Table, or what has the
Arrow PyCapsule interface (pandas, polars, duckdb). `read` returns checked columns; a message says
what was found, what was needed, and in which row of which column.
"""

from __future__ import annotations

import csv
import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ._checks import listed, meant
from ._extras import extra
from .errors import InvalidProblemError

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    #: The place of a value in words, from the column's name and the row.
    Places = Callable[[str, int], str]

Kind = Literal["text", "whole", "real", "time"]

#: The name that pandas gives to the column of an index without a name.
_INDEX = re.compile(r"__index_level_\d+__")
#: The row, counted from 1 with the header, in Arrow's messages of CSV.
_ROW = re.compile(r"Row #(\d+)")
#: Integers up to this size are doubles, which frames make of integers with nulls.
_EXACT = 2**53


@dataclass(frozen=True)
class Field:
    """The declaration of a column.

    Parameters
    ----------
    kind : str
        "text"; "whole", a 64-bit integer; "real", a finite float64; "time", a time with its zone.
    words : str
        What it means.
    needed : bool
        The column must be there, and have no nulls.
    unit : str
        Of its numbers.
    least, most : float
        Of its numbers.
    choices : tuple of str
        The only texts allowed; () allows any.
    """

    kind: Kind
    words: str
    needed: bool = False
    unit: str = ""
    least: float = -np.inf
    most: float = np.inf
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Texts:
    """A column of texts by number.

    Parameters
    ----------
    codes : int64 (n,)
        The number of each row's text; -1 where there is none.
    names : tuple of str
        The texts, by number.
    """

    codes: NDArray[np.int64]
    names: NDArray[np.object_]

    def __len__(self) -> int:
        """Rows."""
        return len(self.codes)

    def take(self, rows: NDArray[Any]) -> pa.Array:
        """Return the texts of some rows as an Arrow array."""
        import pyarrow as pa

        codes = self.codes[rows]
        names = pa.array(self.names, pa.string())
        return names.take(pa.array(codes, mask=codes < 0))


@dataclass(frozen=True)
class Place:
    """What messages call a row of a column: of a table in memory, or of a CSV file."""

    title: str
    path: Path | None = None

    def __call__(self, name: str, row: int) -> str:
        """Return the place in words."""
        if self.path is None:
            return f"{self.title}.{name}[{row}]"
        return f"{self.title} line {self.line(row)}, {name}"

    def line(self, row: int) -> int:
        """Return the line on which a row begins; empty lines are no rows."""
        assert self.path is not None
        with self.path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            lines = csv.reader(file)
            end = 0
            for cells in lines:
                if cells:
                    row -= 1
                if row < -1:
                    break
                end = lines.line_num
        return end + 1


def read_file(fields: Mapping[str, Field], path: Path) -> tuple[pa.Table, Place]:
    """Return a table from CSV, its cells as texts, or Parquet, and what messages call a row."""
    with extra("grid"):
        import pyarrow as pa
        import pyarrow.csv
        import pyarrow.parquet

    place = Place(path.name, path)
    texts = dict.fromkeys(fields, pa.string())
    options = pa.csv.ConvertOptions(column_types=texts, strings_can_be_null=True, null_values=[""])
    parse = pa.csv.ParseOptions(newlines_in_values=True)
    try:
        if path.suffix == ".parquet":
            return pa.parquet.read_table(path), Place(path.name)
        try:
            found = pa.csv.read_csv(path, parse_options=parse, convert_options=options)
        except pa.ArrowInvalid:  # by one thread, whose messages say the row
            one = pa.csv.ReadOptions(use_threads=False)
            found = pa.csv.read_csv(path, one, parse, options)
    except pa.ArrowInvalid as error:
        words = _ROW.sub(lambda match: f"line {place.line(int(match[1]) - 2)}", str(error))
        raise InvalidProblemError(f"{path.name}: {words}", path.stem) from None
    return found, place


def arrow_table(title: str, data: Any) -> pa.Table:
    """Return a table of any of the forms that the module's docstring lists, as pyarrow's."""
    with extra("grid"):
        import pyarrow as pa

    if isinstance(data, pa.Table):
        return data
    try:
        if hasattr(data, "__arrow_c_stream__"):
            found = pa.table(data)
            index = [name for name in found.column_names if _INDEX.fullmatch(name)]
            return found.drop_columns(index)
        if isinstance(data, Mapping):
            return pa.table({str(name): _array(column) for name, column in data.items()})
    except OverflowError:
        message = f"{title}: found a whole number of 2**63 or more, needed a smaller one"
        raise InvalidProblemError(message, title) from None
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InvalidProblemError(f"{title}: {error}", title) from None
    raise TypeError(
        f"{title}: found {type(data).__name__}, needed a mapping of columns, a frame of pandas or "
        "polars, or an Arrow table"
    )


def _array(column: Any) -> Any:
    import pyarrow as pa

    objects = isinstance(column, np.ndarray) and column.dtype.kind == "O"
    return pa.array(column.tolist() if objects else column)


def read(
    title: str,
    fields: Mapping[str, Field],
    data: Any,
    place: Places | None = None,
) -> dict[str, Any]:
    """Return the columns of a table, each checked against its declaration.

    Parameters
    ----------
    title : str
        What messages call the table.
    fields : mapping of str to Field
        Its columns.
    data : table
    place : callable, optional
        What messages call a row of a column; ``title.column[row]`` by default.

    Returns
    -------
    dict of str to column
        `Texts`, int64 or float64 arrays, times as int64 seconds since 1970 in UTC. Columns that are
        not there are left out; nulls of an optional column of numbers or times are refused.
    """
    table = arrow_table(title, data)
    place = place or (lambda name, row: f"{title}.{name}[{row}]")
    names = table.column_names
    for name in names:
        if name not in fields:
            near = meant(name, fields)
            unit = next((f.unit for key, f in fields.items() if f"{key!r}?" in near), "")
            near += f" It is in {unit}." if unit else ""
            message = f"{title}: found a column {name!r}, needed {listed(fields)}{near}"
            raise InvalidProblemError(message, f"{title}.{name}")
        if names.count(name) > 1:
            raise InvalidProblemError(f"{title}: found the column {name!r} twice", title)
    out = {}
    for name, field in fields.items():
        if name not in names:
            if field.needed:
                message = f"{title}: found no column {name!r}, needed {field.words}"
                raise InvalidProblemError(message, f"{title}.{name}")
            continue
        column = _without_views(table[name].combine_chunks())
        nulls = _nulls(column)
        if field.kind != "text" and nulls.all() and not field.needed and len(column):
            continue  # an empty column of CSV
        if nulls.any() and (field.needed or field.kind != "text"):
            _refuse(place, name, int(nulls.argmax()), "nothing", _needed(field))
        out[name] = _READERS[field.kind](place, name, field, column)
    return out


def _without_views(column: pa.Array) -> pa.Array:
    """Return a column of string views as strings: pyarrow 17 casts no views."""
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return pa.array(column.to_pylist(), pa.string()) if kind == pa.string_view() else column


def _nulls(column: pa.Array) -> NDArray[np.bool_]:
    import pyarrow.compute as pc

    found: NDArray[np.bool_] = pc.is_null(column, nan_is_null=True).to_numpy(zero_copy_only=False)
    return found


def _refuse(place: Places, name: str, row: int, found: Any, needed: str) -> None:
    raise InvalidProblemError(f"{place(name, row)}: found {found}, needed {needed}", name, row)


def _needed(field: Field) -> str:
    if field.choices:
        return listed(field.choices)
    if field.kind == "text":
        return f"text ({field.words})"
    if field.kind == "time":
        return "a time with its zone, in whole seconds, like 2026-03-01T00:00+08:00"
    unit = f" {field.unit}" if field.unit else ""
    words = "a whole number of" if field.kind == "whole" else "a finite number of"
    words = words if unit else words.removesuffix(" of")
    span = "" if field.least == -np.inf else f", {field.least:g} or more"
    span = span if field.most == np.inf else f", {field.least:g} to {field.most:g}"
    return f"{words}{unit}{span}"


def _text(place: Places, name: str, field: Field, column: pa.Array) -> Texts:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not (text or pa.types.is_null(kind)):
        raise TypeError(f"{place(name, 0)} is of type {kind}, needed {_needed(field)}")
    coded = pc.dictionary_encode(column.cast(pa.string()))
    names = np.array(coded.dictionary.to_pylist(), object)
    codes = pc.fill_null(coded.indices.cast(pa.int64()), -1).to_numpy()
    allowed = [not field.choices or text in field.choices for text in names]
    if not all(allowed):
        wrong = allowed.index(False)
        near = meant(names[wrong], field.choices)
        row = int((codes == wrong).argmax())
        _refuse(place, name, row, repr(names[wrong]), _needed(field) + near)
    return Texts(codes, names)


def _whole(place: Places, name: str, field: Field, column: pa.Array) -> NDArray[np.int64]:
    import pyarrow as pa

    values = _numbers(place, name, field, column)
    if values.dtype.kind == "f":
        wrong = (values != np.floor(values)) | ~(np.abs(values) <= _EXACT)
        if wrong.any():
            row = int(wrong.argmax())
            _refuse(place, name, row, values[row], _needed(field))
    elif pa.types.is_uint64(column.type) and (values > np.iinfo(np.int64).max).any():
        row = int((values > np.iinfo(np.int64).max).argmax())
        _refuse(place, name, row, values[row], "at most 2**63 - 1")
    return _within(place, name, field, values.astype(np.int64))


def _real(place: Places, name: str, field: Field, column: pa.Array) -> NDArray[np.float64]:
    values = _numbers(place, name, field, column).astype(np.float64)
    if not np.isfinite(values).all():
        row = int((~np.isfinite(values)).argmax())
        _refuse(place, name, row, values[row], _needed(field))
    return _within(place, name, field, values)


def _numbers(place: Places, name: str, field: Field, column: pa.Array) -> NDArray[Any]:
    """Return a column of numbers, or of texts that are numbers, in its own dtype."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_null(kind):
        return np.zeros(0)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        parse = int if field.kind == "whole" else float
        values = []
        for row, text in enumerate(column.to_pylist()):
            try:
                if "_" in text:
                    raise ValueError
                values.append(parse(text))
            except ValueError:
                _refuse(place, name, row, repr(text), _needed(field))
            if parse is int and abs(values[-1]) >= 2**63:
                _refuse(place, name, row, text, "at most 2**63 - 1")
        return np.array(values, np.int64 if parse is int else np.float64)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise TypeError(f"{place(name, 0)} is of type {kind}, needed {_needed(field)}")
    found: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return found


def _within(place: Places, name: str, field: Field, values: NDArray[Any]) -> NDArray[Any]:
    wrong = (values < field.least) | (values > field.most)
    if wrong.any():
        row = int(wrong.argmax())
        _refuse(place, name, row, values[row], _needed(field))
    return values


def _time(place: Places, name: str, field: Field, column: pa.Array) -> NDArray[np.int64]:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_null(kind):
        return np.zeros(0, np.int64)
    if pa.types.is_timestamp(kind):
        if kind.tz is None and len(column):
            _refuse(place, name, 0, f"{column[0]} without a zone", _needed(field))
        try:
            whole = column.cast(pa.timestamp("s", kind.tz)).cast(pa.int64())
            found: NDArray[np.int64] = whole.to_numpy(zero_copy_only=False)
            return found
        except pa.ArrowInvalid:
            parts = (
                column.cast(pa.int64()).to_numpy()
                % {"ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
            )
            _refuse(place, name, int((parts != 0).argmax()), "a part of a second", _needed(field))
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise TypeError(f"{place(name, 0)} is of type {kind}, needed {_needed(field)}")
    seconds, known = [], dict[str, int | None]()
    for row, text in enumerate(column.to_pylist()):
        if text not in known:
            known[text] = _second(text)
        if known[text] is None:
            _refuse(place, name, row, repr(text), _needed(field))
        seconds.append(known[text])
    return np.array(seconds, np.int64)


def _second(text: str) -> int | None:
    """Return a time in ISO 8601 with its zone as seconds since 1970 in UTC, or None."""
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    if time.tzinfo is None or time.microsecond:
        return None
    return round(time.timestamp())


_READERS: dict[str, Callable[..., Any]] = {
    "text": _text,
    "whole": _whole,
    "real": _real,
    "time": _time,
}
