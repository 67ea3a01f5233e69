"""The reader of tables with named columns: a declaration of each column, and one set of checks.

A table is anything with columns: a mapping of names to arrays, a pyarrow Table, or what has the
Arrow PyCapsule interface (pandas, polars, duckdb). `read` returns checked columns; a message says
what was found, what was needed, and in which row of which column.

Where rows are identified by position, labels (the index of a pandas object) are dropped only if
they are the positions themselves, or the ids or slots given with the values, in the same order;
any other labels would be ignored in silence, and are an error.
"""

from __future__ import annotations

import csv
import datetime
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ._checks import aligned, listed, meant, plain_array
from ._extras import extra
from ._progress import log
from .errors import InvalidProblemError

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

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


_NEEDED = (
    "a mapping of column names to arrays, a data frame (pandas, polars, or anything with "
    "__arrow_c_stream__), or records, each a mapping"
)


def named_columns(
    columns: Any, known: Iterable[str], *, spare: frozenset[str] = frozenset()
) -> tuple[dict[str, Any], int | None]:
    """Return columns by name from whatever holds them, and how many rows records have (else None).

    The names are exactly `known`: one that is missing, unknown, or there twice is an error. Those
    that are `spare` may be there as well, and are ignored, which the log says.
    """
    known = tuple(known)
    if type(columns) is dict and columns.keys() == set(known):
        return columns, None
    if isinstance(columns, (str, bytes)) or np.isscalar(columns) or columns is None:
        raise TypeError(f"columns must be {_NEEDED}, not {type(columns).__name__}")
    found = opened(columns)
    if found is not None:
        names, get, rows = found
        return _exactly(names, known, get, spare), rows
    return _records(columns, known, spare)


def opened(
    table: Any, field: str = "columns"
) -> tuple[list[Any], Callable[[Any], Any], int | None] | None:
    """Return a table's names, what returns a column, and its rows where it says them.

    None for what has no columns, which may be records.
    """
    if isinstance(table, np.ndarray):
        if table.dtype.names is None:
            raise TypeError(f"{field} must be {_NEEDED}, not an array without field names")
        return list(table.dtype.names), table.__getitem__, len(table)
    if _is(table, "pandas", "DataFrame") or _is(table, "polars", "DataFrame"):
        return list(table.columns), table.__getitem__, len(table)
    if _is(table, "polars", "LazyFrame"):
        raise TypeError(f"{field} must be {_NEEDED}; collect() the LazyFrame first")
    if isinstance(table, Mapping) or (hasattr(table, "keys") and not _is_arrow(table)):
        return list(table.keys()), table.__getitem__, None
    if _is_arrow(table):
        arrow = _arrow_table(table)
        return arrow.column_names, arrow.column, len(arrow)
    return None


def column_of(field: str, table: Any, name: str, default: Any = None) -> Any:
    """Return one column of a table as an array, whatever its labels; without it `default`."""
    found = opened(table, field)
    if found is None:
        raise TypeError(f"{field} must be {_NEEDED}, not {type(table).__name__}")
    names, get, _ = found
    if name not in names:
        if default is not None:
            return default
        raise InvalidProblemError(f"{field}: found no column {name!r}, needed one", name)
    values = get(name)
    if type(values) is np.ndarray:
        return values
    return values.to_numpy() if hasattr(values, "to_numpy") else plain_array(name, values)


def column_values(field: str, values: Any, labels: Any = None) -> NDArray[Any]:
    """Return one column as an array; a missing value (null, NA) or a foreign label is an error."""
    if type(values) is np.ndarray:
        return aligned(values if values.ndim else values.reshape(1))
    if _is(values, "pandas", "Series") or _is(values, "pandas", "Index"):
        by_position(field, values, labels)
        _no_missing(field, _extension_nulls(values))
        return _stacked(field, values.to_numpy())
    if _is(values, "polars", "Series"):
        _no_missing(field, values.is_null().to_numpy() if values.null_count() else None)
        return _stacked(field, values.to_numpy())
    if _is_arrow(values):
        array = _arrow_column(field, values)
        nulls = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
        _no_missing(field, nulls)
        return _stacked(field, array.to_numpy(zero_copy_only=False))
    by_position(field, values, labels)
    return np.atleast_1d(plain_array(field, values))


def by_position(field: str, values: Any, labels: Any = None) -> Any:
    """Return `values` if dropping its labels loses nothing: they are positions, or equal `labels`.

    Looks at the index of a pandas Series or DataFrame, the columns of the latter, and the indexes
    of an xarray DataArray. The columns of polars and Arrow tables always have names.
    """
    if _is(values, "pandas", "Series"):
        _check_labels(field, "index", values.index, labels)
    elif _is(values, "pandas", "DataFrame"):
        _check_labels(field, "index", values.index, labels)
        _check_labels(field, "columns", values.columns, None)
    elif _is(values, "xarray", "DataArray"):
        for name, index in values.indexes.items():
            _check_labels(field, f"coordinate {name!r}", index, labels)
    elif _is(values, "polars", "DataFrame") or hasattr(values, "column_names"):
        raise TypeError(
            f"{field} must be an array, not a {type(values).__name__}, whose column names would be "
            "ignored: give its to_numpy()"
        )
    return values


def key_list(field: str, ids: Any, *, ordered: bool) -> list[Any]:
    """Return ids as a list of Python objects; one str or int is a list of one.

    A set is refused where the ids are given with columns (`ordered`): it has no defined order.
    """
    if ordered and isinstance(ids, (set, frozenset)):
        raise TypeError(f"{field} must be in the order of the jobs' columns, which a set has not")
    if isinstance(ids, (str, bytes)) or not isinstance(ids, Iterable):
        return [ids]
    if isinstance(ids, np.ndarray):
        return list(np.atleast_1d(ids).tolist())
    for convert in ("to_pylist", "to_list", "tolist"):  # of Arrow, of pandas and polars, of others
        if hasattr(ids, convert):
            return list(getattr(ids, convert)())
    return list(ids)


def _is(value: Any, module: str, name: str) -> bool:
    """Return whether it is an object of this class, without importing the module."""
    loaded = sys.modules.get(module)
    kind = getattr(loaded, name, None) if loaded is not None else None
    return isinstance(kind, type) and isinstance(value, kind)


def _is_arrow(value: Any) -> bool:
    return hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__")


def _pyarrow(value: Any) -> Any:
    try:
        import pyarrow
    except ImportError:
        raise TypeError(
            f"reading {type(value).__name__} takes pyarrow; needed that, or {_NEEDED}"
        ) from None
    return pyarrow


def _arrow_table(columns: Any) -> Any:
    arrow = _pyarrow(columns)
    try:
        if hasattr(columns, "__arrow_c_stream__"):
            return arrow.table(columns)
        return arrow.table(arrow.record_batch(columns))
    except (arrow.ArrowException, TypeError, ValueError):
        raise TypeError(
            f"columns must be {_NEEDED}, not {type(columns).__name__} without named columns"
        ) from None


def _arrow_column(field: str, values: Any) -> Any:
    arrow = _pyarrow(values)
    try:
        if isinstance(values, arrow.Array):
            return values
        chunked = isinstance(values, arrow.ChunkedArray)
        chunks = values if chunked else arrow.chunked_array(values)
        return chunks.combine_chunks() if chunks.num_chunks != 1 else chunks.chunk(0)
    except (arrow.ArrowException, TypeError, ValueError, AttributeError):
        raise TypeError(f"{field} must be an array, not {type(values).__name__}") from None


def _exactly(
    names: list[Any], known: tuple[str, ...], get: Any, spare: frozenset[str]
) -> dict[str, Any]:
    _check_names("columns", _without(spare, names, known), known)
    return {name: get(name) for name in known}


def _without(spare: frozenset[str], names: list[Any], known: tuple[str, ...]) -> list[Any]:
    """Return the names but those that are spare and not known; the log says which these are."""
    ignored = [name for name in names if name in spare and name not in known]
    if not ignored:
        return names
    log("columns that this Matcher does not name are ignored: %s", ", ".join(map(repr, ignored)))
    return [name for name in names if name not in ignored]


def _check_names(where: str, names: list[Any], known: tuple[str, ...]) -> None:
    """Check that the names are exactly those known, each once."""
    if set(names) == set(known) and len(names) == len(set(names)):
        return
    needed = ", ".join(map(repr, known)) or "no column"
    for name in known:
        if name not in names:
            found = ", ".join(map(repr, names)) or "no column"
            raise InvalidProblemError(
                f"{where}: {name!r} is missing, found {found}, needed {needed}", name
            )
    for name in names:
        if name not in known:
            raise InvalidProblemError(
                f"{where}: found {name!r}, which is not asked for, needed {needed}",
                str(name),
            )
    twice = next(name for name in names if names.count(name) > 1)
    raise InvalidProblemError(f"{where}: found {twice!r} twice, needed it once", twice)


def _records(
    records: Any, known: tuple[str, ...], spare: frozenset[str]
) -> tuple[dict[str, Any], int]:
    """Return columns of records, each of which has exactly the known names, beside spare ones."""
    try:
        rows = list(records)
    except TypeError:
        raise TypeError(f"columns must be {_NEEDED}, not {type(records).__name__}") from None
    for k, row in enumerate(rows):
        if not (isinstance(row, Mapping) or hasattr(row, "keys")):
            raise TypeError(f"columns must be {_NEEDED}; record {k} is a {type(row).__name__}")
        names = list(row.keys())
        _check_names(f"columns[{k}]", _without(spare, names, known), known)
    return {name: [row[name] for row in rows] for name in known}, len(rows)


def _check_labels(field: str, what: str, index: Any, labels: Any) -> None:
    """Check that the labels are 0 to n - 1 in order, or those given with the values."""
    n = len(index)
    array = index.to_numpy()
    if n == 0 or (array.dtype.kind in "iu" and np.array_equal(array, np.arange(n))):
        return
    found = list(index)
    if labels is not None and len(labels) == n and found == list(labels):
        return
    k = next((k for k in range(n) if found[k] != k), 0)
    raise InvalidProblemError(
        f"{field}: its {what} is not 0 to {n - 1} in order (found {found[k]!r} at {k}), and labels "
        "are ignored: needed rows in order and no labels, as reset_index(drop=True) or "
        "to_numpy() make it",
        field,
        k,
    )


def _extension_nulls(values: Any) -> NDArray[np.bool_] | None:
    """Return where a pandas extension column has NA; NaN in float columns is checked later."""
    if isinstance(values.dtype, np.dtype):
        return None
    return np.asarray(values.isna(), bool)


def _no_missing(field: str, nulls: NDArray[np.bool_] | None) -> None:
    if nulls is not None and nulls.any():
        k = int(nulls.argmax())
        raise InvalidProblemError(f"{field}[{k}]: found no value, needed one", field, k)


def _stacked(field: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return a column of lists of one length as a matrix, any other column unchanged."""
    if array.dtype != object or not len(array) or np.ndim(array[0]) != 1:
        return array
    lengths = [np.size(row) for row in array]
    if min(lengths) != max(lengths):
        k = next(k for k, n in enumerate(lengths) if n != lengths[0])
        raise InvalidProblemError(
            f"{field}[{k}]: found {lengths[k]} values, needed {lengths[0]} as in row 0", field, k
        )
    return np.stack([np.asarray(row) for row in array])
