"""Tidy tables: a row for each site (class, pair of sites) and hour, as spreadsheets keep them.

Names in files are those of `tables.names`, queues above others, and ids of jobs.

Times are written "2026-03-01T05:00+08:00" where a table has the number of an hour.

A table that has a column ``hour`` is tidy, and so is that of corridors with a column
``destination``. Values that do not depend on the hour stand in each of its rows, the same in all.
"""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..._checks import listed, meant
from ..._extras import extra
from ...errors import InvalidProblemError
from ..tables import names
from ..tables.column import nested, unknown_column
from ..tables.times import hour_of, time_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from ..tables.column import Table
    from ..tables.problem import Problem

_DIGITS = re.compile(r"[0-9]+")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")


def with_indices(
    table: pa.Table, path: Path, kind: type[Table], known: Mapping[str, Sequence[str]]
) -> pa.Table:
    """Return a table with names turned into what its class takes.

    Parameters
    ----------
    table : pyarrow.Table
        As it was read.
    path : Path
        Of its file, for messages.
    kind : class of Table
    known : mapping of str to sequence of str
        By column, the names in the order of their indices.

    Raises
    ------
    InvalidProblemError
        A name that is not known: file, column, row, what was found and what was needed.
    """
    where = f"{path.name}: "
    table = names.with_indices(table, where, kind.title, kind.columns(), known)
    if kind.title == "jobs" and path.suffix != ".parquet":
        table = _ids(table)
    return table


def with_parents(table: pa.Table, path: Path) -> pa.Table:
    """Return the table of quotas with the queues above as rows; nothing, "" and -1 are none.

    Raises
    ------
    InvalidProblemError
        A name that no queue has: file, column, row, what was found and what was needed.
    """
    import pyarrow as pa

    if not (names.is_text(table["parent"].type) or table["parent"].null_count):
        return table
    known = table["name"].to_pylist() if "name" in table.column_names else []
    place = {text: i for i, text in enumerate(known)}
    rows = np.full(len(table), -1, np.int32)
    for row, text in enumerate(table["parent"].to_pylist()):
        if text not in (None, "", "-1"):
            rows[row] = names.index_of(str(text), place, f"{path.name}: ", "quotas.parent", row)
    return names.with_column(table, "parent", pa.array(rows))


def has_other_numbers(known: Sequence[str]) -> bool:
    """Return whether a name is a number other than its own place, such as 1 for the first of all.

    A file's cells may then mean either, and a name goes before a number.
    """
    return any(text != str(i) and _DIGITS.fullmatch(text) for i, text in enumerate(known))


def _ids(table: pa.Table) -> pa.Table:
    """Turn ids that were read as text into integers if all of them are."""
    import pyarrow as pa

    if "id" not in table.column_names or not names.is_text(table["id"].type):
        return table
    texts = table["id"].to_pylist()
    if not texts or not all(text is not None and _INTEGER.fullmatch(text) for text in texts):
        return table
    return names.with_column(table, "id", pa.array([int(text) for text in texts], pa.int64()))


#: Columns that are hours of the batch, by table.
COLUMNS: dict[str, tuple[str, ...]] = {
    "jobs": ("release", "deadline", "placed_start"),
    "sites": ("hour",),
    "classes": ("hour",),
    "energy": ("hour",),
    "corridors": ("hour",),
}
_INTEGER_of_time_columns = re.compile(r"-?[0-9]{1,9}")


def with_hours(
    table: pa.Table,
    path: Path,
    title: str,
    start: datetime.datetime | None,
    step_h: float = 1.0,
) -> pa.Table:
    """Return a table with times turned into steps (hours, if `step_h` is 1) after the start.

    A time without a zone is one of the start's zone. Numbers of hours stay, also among times.

    Raises
    ------
    InvalidProblemError
        A time that is none, lies between two hours, or stands where problem.json has no start:
        file, column, row, what was found and what was needed.
    """
    import pyarrow as pa

    for column in COLUMNS.get(title, ()):
        if column not in table.column_names:
            continue
        type_ = table[column].type
        texts = pa.types.is_string(type_) or pa.types.is_large_string(type_)
        if not (texts or pa.types.is_timestamp(type_)):
            continue
        if column != "hour" and start is None:
            continue  # the column's own error says what it needs
        place = f"{title}.{column}"
        hours = [
            _hour(value, path, place, row, start, step_h)
            for row, value in enumerate(table[column].to_pylist())
        ]
        at = table.column_names.index(column)
        table = table.set_column(at, column, pa.array(hours, pa.int64()))
    return table


def _hour(
    value: Any, path: Path, field: str, row: int, start: datetime.datetime | None, step_h: float
) -> int:
    if isinstance(value, str) and _INTEGER_of_time_columns.fullmatch(value):
        return int(value)
    time = value
    if isinstance(value, str):
        try:
            time = datetime.datetime.fromisoformat(value)
        except ValueError:
            time = None
    needed = "the number of an hour" if step_h == 1 else "the number of a step"
    if start is not None:
        needed += f", or a time {'on the hour' if step_h == 1 else 'at a step'} of the batch, like "
        precision = "minutes" if round(step_h * 3600) % 60 == 0 else "seconds"
        needed += (start + datetime.timedelta(hours=step_h)).isoformat(timespec=precision)
        hours = None if time is None else hour_of(start, time) / step_h
        tolerance = 0.0 if step_h == 1 else 1e-6 / (3600 * step_h)  # a microsecond
        if hours is not None and abs(hours - round(hours)) <= tolerance:
            return round(hours)
    elif time is not None:
        needed += "; a time needs a start in problem.json"
    shown = value.isoformat() if isinstance(value, datetime.datetime) else value
    message = f"{path.name}: {field}[{row}] is {shown!r:.100}, needed {needed}"
    raise InvalidProblemError(message, field, row)


#: The columns that say which rows of a tidy table belong together, by what the table is of; the
#: rows of sites are in the order in which their names appear first.
KEYS: dict[str, tuple[str, ...]] = {
    "sites": ("name",),
    "classes": ("class",),
    "energy": ("site",),
    "corridors": ("origin", "destination"),
}
_INDEXED = re.compile(r"(\w+)\[([^\]]+)\]")


class _Keys(NamedTuple):
    """The places of the rows of a tidy table."""

    #: By key, the place of each row; then the hour, where the table has hours.
    places: list[NDArray[np.int64]]
    sizes: list[int]
    #: The names of places, by key.
    labels: list[list[str]]


def is_tidy(table: pa.Table, kind: type[Table]) -> bool:
    """Return whether a table that was read is a tidy one."""
    return kind.title in KEYS and bool({"hour", "destination"} & set(table.column_names))


def widened(
    table: pa.Table,
    path: Path,
    kind: type[Table],
    hours: int,
    sites: Sequence[str],
    sources: Sequence[str],
) -> pa.Table:
    """Return a tidy table as its class takes it, one row an entry; any other as it is.

    Raises
    ------
    InvalidProblemError
        A place missing or twice, a value that differs between the hours of one place, a key that is
        not known: file, column, row, what was found and what was needed.
    """
    names, title = table.column_names, kind.title
    if not is_tidy(table, kind):
        return table
    for key in KEYS[title]:
        if key not in names:
            message = f"{path.name}: found a column 'hour' and no column {key!r}, needed both"
            raise InvalidProblemError(message, f"{title}.{key}")
    keys = _keys(table, path, kind, hours, sites)
    _require_complete(keys, path, title, len(table))
    at = np.ravel_multi_index(keys.places, keys.sizes) if len(table) else np.zeros(0, np.int64)
    order = np.empty(len(table), np.int64)
    order[at] = np.arange(len(table))
    groups: dict[str, dict[int, NDArray[Any]]] = {}
    for name in names:
        if name in (*KEYS[title], "hour") and not (title == "sites" and name == "name"):
            continue
        column, index = _split(name, kind, path, sources)
        values = _values(table[name], path, f"{title}.{name}")[order].reshape(keys.sizes)
        spec = kind.columns()[column]
        if "hour" in names and "hour" not in spec.dims:
            values = _constant(values, keys, order, path, f"{title}.{name}")
        elif spec.may_drop_last and values.size and (values == values[..., :1]).all():
            values = values[..., 0]
        groups.setdefault(column, {})[index] = values
    out = {}
    with extra("grid"):
        import pyarrow as pa

    for column, parts in groups.items():
        if list(parts) == [-1]:
            out[column] = nested(parts[-1])
            continue
        missing = set(range(len(parts))) - set(parts)
        if missing:
            message = f"{path.name}: {title}.{column}: found no column {column}[{min(missing)}]"
            raise InvalidProblemError(f"{message}, needed all", f"{title}.{column}")
        pieces = [parts[i] for i in range(len(parts))]
        most = max(v.ndim for v in pieces)
        # Of a column that may do without hours, some parts may need them.
        wide = np.broadcast_arrays(*(v if v.ndim == most else v[..., None] for v in pieces))
        out[column] = nested(np.stack(wide, axis=1))
    return pa.table(out)


def _keys(
    table: pa.Table, path: Path, kind: type[Table], hours: int, sites: Sequence[str]
) -> _Keys:
    places, sizes, labels = [], [], []
    for key in KEYS[kind.title]:
        values = table[key].to_pylist()
        if key in ("site", "origin", "destination"):
            known = {str(name): i for i, name in enumerate(sites)}
        elif key == "class":
            known = {}
        else:
            known = {name: i for i, name in enumerate(dict.fromkeys(values))}
        size = len(known) if known else 1 + max((v for v in values if _is_place(v)), default=-1)
        found = np.zeros(len(values), np.int64)
        for row, value in enumerate(values):
            place = known.get(value, value) if known else value
            if isinstance(place, str) and place.isdecimal() and place.isascii():
                place = int(place)
            if not _is_place(place) or place >= size:
                needed = f"one of {listed(known)}, or an index" if known else "an index"
                field = f"{kind.title}.{key}"
                message = f"{path.name}: {field}[{row}] is {value!r:.100}, needed {needed}"
                message += meant(str(value), known)
                raise InvalidProblemError(message, field, row)
            found[row] = place
        places.append(found)
        sizes.append(size)
        labels.append(list(map(str, known)) if known else [str(i) for i in range(size)])
    if "hour" in table.column_names:
        places.append(_hours(table["hour"].to_pylist(), path, kind.title, hours))
        sizes.append(hours)
        labels.append([str(h) for h in range(hours)])
    return _Keys(places, sizes, labels)


def _is_place(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _hours(values: list[Any], path: Path, title: str, hours: int) -> NDArray[np.int64]:
    for row, value in enumerate(values):
        if not _is_place(value) or value >= hours:
            message = f"{path.name}: {title}.hour[{row}] is {value!r:.100}"
            needed = f"needed an hour from 0 to {hours - 1}"
            raise InvalidProblemError(f"{message}, {needed}", f"{title}.hour", row)
    return np.array(values, np.int64)


def _require_complete(keys: _Keys, path: Path, title: str, n_rows: int) -> None:
    """Raise for the first row of a place that another row has, and for a place without a row."""
    first: dict[tuple[int, ...], int] = {}
    names = [*KEYS[title], "hour"][: len(keys.places)]
    for row, place in enumerate(zip(*(p.tolist() for p in keys.places), strict=True)):
        if place in first:
            where = _place(names, place, keys)
            message = f"{path.name}: {title}[{row}]: found {where} again, needed it once"
            raise InvalidProblemError(f"{message}, as in row {first[place]}", title, row)
        first[place] = row
    needed = int(np.prod(keys.sizes, dtype=np.int64))
    if n_rows < needed:
        there = np.zeros(keys.sizes, bool)
        there[tuple(keys.places)] = True
        place = tuple(int(i) for i in np.argwhere(~there)[0])
        message = f"{path.name}: {title}: found {n_rows} rows and none of "
        message += f"{_place(names, place, keys)}, needed {needed}, one for each place"
        raise InvalidProblemError(message, title)


def _place(names: Sequence[str], place: Sequence[int], keys: _Keys) -> str:
    parts = zip(names, place, keys.labels, strict=True)
    return ", ".join(f"{name} {labels[i]}" for name, i, labels in parts)


def _split(name: str, kind: type[Table], path: Path, sources: Sequence[str]) -> tuple[str, int]:
    """Return the column that a head names, and the place in brackets, -1 without any."""
    match = _INDEXED.fullmatch(name)
    column, index = (match[1], match[2]) if match else (name, "")
    if column not in kind.columns():
        error = unknown_column(kind.title, name, [*KEYS[kind.title], "hour", *kind.columns()])
        raise InvalidProblemError(f"{path.name}: {error}", error.field)
    if not index:
        return column, -1
    if "source" not in kind.columns()[column].dims:
        sources = ()
    if index in sources:
        return column, list(sources).index(index)
    if not (index.isascii() and index.isdecimal()):
        known = ", ".join(sources) or "an index"
        message = f"{path.name}: {kind.title}.{name}: found {index!r:.100}, needed {known}"
        message += meant(index, sources)
        raise InvalidProblemError(message, f"{kind.title}.{column}")
    return column, int(index)


def _values(column: Any, path: Path, field: str) -> NDArray[Any]:
    values = column.to_pylist()
    for row, value in enumerate(values):
        if value is None:
            message = f"{path.name}: {field}[{row}] is null, needed a value"
            raise InvalidProblemError(message, field, row)
    return np.array(values)


def _constant(
    values: NDArray[Any], keys: _Keys, order: NDArray[np.int64], path: Path, field: str
) -> NDArray[Any]:
    """Return the values without the hours, where they are the same in all hours of a place."""
    first = values[..., :1]
    apart = values != first
    if apart.any():
        at = np.argwhere(apart)[0]
        row = int(order.reshape(keys.sizes)[tuple(at)])
        found, needed = values[tuple(at)], values[(*at[:-1], 0)]
        message = f"{path.name}: {field}[{row}] is {found}, needed {needed} as in its other hours"
        raise InvalidProblemError(message, field, row)
    return np.asarray(first[..., 0])


def tidied(problem: Problem, name: str) -> pa.Table | None:
    """Return a table of a problem in its tidy form, None for one that has no hours."""
    if name not in KEYS or (name == "sites" and not _hourly_sites(problem)):
        return None
    with extra("grid"):
        import pyarrow as pa

    table, kind = getattr(problem, name), type(getattr(problem, name))
    sites = problem.sites.name
    shape: tuple[int, ...] = (len(table), problem.hours)
    out: dict[str, Any] = {}
    grid = np.indices(shape).reshape(len(shape), -1)
    if name == "corridors":
        shape = (len(sites), len(sites), problem.hours)
        grid = np.indices(shape).reshape(3, -1)
        out = {"origin": sites[grid[0]], "destination": sites[grid[1]], "hour": grid[2]}
    elif name == "classes":
        out = {"class": grid[0], "hour": grid[1]}
    elif name == "energy":
        out = {"site": sites[grid[0]], "hour": grid[1]}
    else:
        out = {"name": sites[grid[0]], "hour": grid[1]}
    axes = {kind.rows: grid[0], "destination": grid[1], "hour": grid[-1]}
    for column, spec in kind.columns().items():
        if column in out:
            continue
        values = getattr(table, column)
        dims = spec.dims[: values.ndim]
        extra_dim = next((d for d in dims if d not in axes), None)
        if extra_dim is None:
            out[column] = values[tuple(axes[d] for d in dims)]
            continue
        for i in range(values.shape[dims.index(extra_dim)]):
            index = {**axes, extra_dim: i}
            head = f"{column}[{_label(problem, extra_dim, i)}]"
            out[head] = values[tuple(index[d] for d in dims)]
    if name == "classes":
        out["site"] = sites[out["site"]]
    if problem.start is not None:
        times = [
            str(time_of(problem.start, h, problem.step_h).isoformat()) for h in range(problem.hours)
        ]
        out["hour"] = np.array(times)[grid[-1]]
    return pa.table({head: pa.array(values) for head, values in out.items()})


def _label(problem: Problem, dim: str, index: int) -> str:
    name = problem.energy.source_names[index] if dim == "source" else ""
    return name if re.fullmatch(r"[A-Za-z_][\w ]*|[0-9]+", name) else str(index)


def _hourly_sites(problem: Problem) -> bool:
    sites = problem.sites
    hourly = (sites.pue, sites.carbon_g_per_kwh, sites.minimum_load_kw)
    return any(values.ndim == 2 for values in hourly)
