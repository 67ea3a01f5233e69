"""Names in place of row numbers, and limits of settings and values by their unit.

Bounds and dispatches are sums in doubles, with sixteen digits. A tariff of 1e15 beside one of 0.5
leaves one digit of the bound, and products of 1e200 overflow. So each unit has a limit some orders
of magnitude above anything real, and the largest load and price together stay far below the 1e300
at which a sum of them would overflow.

A frame or a file may say "Hami" where a table has a row number. An index may stand among names:
where one row has a name, CSV reads all as text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _checks
from ...errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pyarrow as pa

#: The largest magnitude of a value in each unit. Columns that may be infinite may be that, too.
LIMITS = MappingProxyType(
    {
        "yuan": 1e9,
        "yuan/kWh": 1e9,
        "yuan/GB": 1e9,
        "yuan per hour": 1e9,
        "yuan per kW": 1e9,
        "yuan per accelerator-hour": 1e9,
        "yuan/t": 1e9,
        "kWh": 1e12,
        "kW": 1e12,
        "kW per accelerator": 1e3,
        "g CO2 per kWh": 1e6,
        "GB": 1e12,
        "GB per accelerator": 1e12,
        "accelerator-hours": 1e12,
        "hours on a reference accelerator": 1e9,
        "reference accelerators": 1e6,
        "ms": 1e9,
        "ms one way": 1e9,
    }
)
#: The largest energy at the grid connection for one unit of energy at the servers.
MOST_PUE = 1e3
#: The least part of the energy taken that a battery stores, and of that drawn that it delivers: its
#: inverse is a factor of the dispatch.
LEAST_EFFICIENCY = 1e-3
#: The most energy that a ledger may carry into a batch, owed or surplus, kWh by scope.
MOST_CARRIED_KWH = 1e15
#: Sites a problem may have: `Jobs.residency` holds one bit for each.
MOST_SITES = 63


def number_of(name: str, value: Any) -> float:
    """Return a setting that must be one number; text is none, and neither is True."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{name} must be a number, not {value!r}")
    try:
        return float(value)
    except OverflowError:  # an int beyond the largest double
        message = f"{name} is beyond 1.8e308, needed a number that a double can hold"
        raise InvalidProblemError(message, name) from None


def price_of(name: str, value: Any, unit: str = "yuan/kWh") -> float:
    """Return a price that is a setting: from 0 to the limit of its unit."""
    price = number_of(name, value)
    if not 0 <= price <= LIMITS[unit]:
        needed = f"a finite number >= 0 and <= {LIMITS[unit]:g} ({unit})"
        message = f"{name}: found {price}, needed {needed}"
        raise InvalidProblemError(message, name)
    return price


def rule_of(name: str, value: Any, known: tuple[str, ...]) -> str:
    """Return a setting that must be one of the known words."""
    if not isinstance(value, str) or value not in known:
        raise InvalidProblemError(f"{name} is {value!r}, needed one of {known}", name)
    return value


def labels_of(name: str, given: Any, size: int, label: str, rows: str = "") -> tuple[str, ...]:
    """Return texts, each once; where none are given "`label` 0", "`label` 1" up to `size`.

    There must be `size` of them if they label `rows`, what a message calls them.
    """
    if given is None or (isinstance(given, (tuple, list)) and not given):
        return tuple(f"{label} {i}" for i in range(size))
    if isinstance(given, (str, bytes)) or not hasattr(given, "__len__"):
        raise TypeError(f"{name} must be a sequence of str, not {type(given).__name__}")
    labels: dict[str, int] = {}
    for i, value in enumerate(given):
        if not isinstance(value, str):
            raise TypeError(f"{name}[{i}] must be a str, not {type(value).__name__}")
        if value in labels:
            message = f"{name}[{i}] is {value!r}, needed a name not used at {labels[value]}"
            raise InvalidProblemError(message, name, i)
        labels[str(value)] = i
    if rows and len(labels) != size:
        message = f"{name} has {len(labels)} names, needed {size}, one a row of {rows}"
        raise InvalidProblemError(message, name)
    return tuple(labels)


_INDEX = re.compile(r"[0-9]{1,9}")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
#: The separator of sites in a text of several, and the word that allows all.
_SEPARATORS, _ANY = re.compile(r"[|;]"), ("*", "any", "")
_ANYWHERE = -1  # as jobs.ANYWHERE


def checked_names(names: Any, columns: Collection[str]) -> dict[str, list[str]]:
    """Return the names by column as lists of text, each name once, of columns that there are."""
    if not isinstance(names, Mapping):
        raise TypeError(f"names must be a mapping of columns, not {type(names).__name__}")
    out: dict[str, list[str]] = {}
    for column, given in names.items():
        if column not in columns:
            message = f"names: found {column!r:.100}, needed one of {', '.join(columns)}"
            message += _checks.meant(str(column), columns)
            raise InvalidProblemError(message, "names")
        field = f"names.{column}"
        if isinstance(given, (str, bytes)) or not hasattr(given, "__iter__"):
            raise TypeError(f"{field} must be a sequence of str, not {type(given).__name__}")
        texts = list(given)
        for i, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(f"{field}[{i}] must be a str, not {type(text).__name__}")
            if text in texts[:i]:
                message = f"{field}[{i}]: found {text!r:.100} a second time, needed each name once"
                raise InvalidProblemError(message, field, i)
        out[column] = [str(text) for text in texts]
    return out


def with_indices(
    table: pa.Table,
    where: str,
    title: str,
    columns: Collection[str],
    known: Mapping[str, Sequence[str]],
) -> pa.Table:
    """Return a table with names turned into indices, and lists of sites into masks.

    Parameters
    ----------
    table : pyarrow.Table
    where : str
        What messages begin with: the name of a file, or nothing.
    title : str
        Of the table's class.
    columns : collection of str
        That the table's class has.
    known : mapping of str to sequence of str
        By column, the names in the order of their indices; those of ``residency`` are under
        "residency", else "site", else "origin".

    Raises
    ------
    InvalidProblemError
        A name that is not known: file, column, row, what was found and what was needed.
    """
    import pyarrow as pa

    for column in columns:
        if column not in known or column not in table.column_names or column == "residency":
            continue
        table = _decoded(table, column)
        if is_text(table[column].type):
            place = {text: i for i, text in enumerate(known[column])}
            indices = np.zeros(len(table), np.int32)
            for row, text in enumerate(table[column].to_pylist()):
                indices[row] = index_of(text, place, where, f"{title}.{column}", row)
            table = with_column(table, column, pa.array(indices))
    if "residency" in columns and "residency" in table.column_names:
        sites = [known[key] for key in ("residency", "site", "origin") if key in known]
        table = _residency(_decoded(table, "residency"), where, sites[0] if sites else ())
    return table


def is_text(type_: Any) -> bool:
    """Return whether an Arrow type is of text, whatever its layout."""
    import pyarrow as pa

    view = getattr(pa.types, "is_string_view", None)  # pyarrow 16 and later
    return bool(
        pa.types.is_string(type_)
        or pa.types.is_large_string(type_)
        or (view is not None and view(type_))
    )


def with_column(table: pa.Table, column: str, values: Any) -> pa.Table:
    """Return the table with other values in a column that it has."""
    return table.set_column(table.column_names.index(column), column, values)


def index_of(text: str | None, place: Mapping[str, int], where: str, field: str, row: int) -> int:
    """Return the index of a name, or the index that the text is."""
    index = place.get(text) if text is not None else None
    if index is None and text is not None and _INDEX.fullmatch(text):
        index = int(text)
    if index is None:
        needed = f"one of {_checks.listed(place)}, or an index" if place else "an index"
        near = "" if text is None else _checks.meant(text, place)
        message = f"{where}{field}[{row}] is {text!r:.100}, needed {needed}{near}"
        raise InvalidProblemError(message, field, row)
    return index


def _decoded(table: pa.Table, column: str) -> pa.Table:
    """A column of categories, as frames have them for few texts, as texts."""
    import pyarrow as pa

    type_ = table[column].type
    if not pa.types.is_dictionary(type_) or not is_text(type_.value_type):
        return table
    return with_column(table, column, pa.array(table[column].to_pylist(), pa.string()))


def _residency(table: pa.Table, where: str, sites: Sequence[str]) -> pa.Table:
    """Turn names of allowed sites, "Hami|Wuhu" or a list of texts, into the mask of their bits."""
    import pyarrow as pa

    type_ = table["residency"].type
    lists = pa.types.is_list(type_) or pa.types.is_large_list(type_)
    if not (is_text(type_) or (lists and is_text(type_.value_type))):
        return table
    if len(sites) > MOST_SITES:
        raise InvalidProblemError(
            f"{where}jobs.residency: found names of {len(sites)} sites, needed at most "
            f"{MOST_SITES}, the bits of a residency",
            "jobs.residency",
        )
    place = {text: i for i, text in enumerate(sites)}
    masks = np.full(len(table), _ANYWHERE, np.int64)
    for row, cell in enumerate(table["residency"].to_pylist()):
        names = cell
        if isinstance(cell, str):
            if cell.strip().lower() in _ANY:
                continue
            if _INTEGER.fullmatch(cell.strip()):
                masks[row] = int(cell)
                continue
            names = _SEPARATORS.split(cell)
        elif cell is None:
            message = f"{where}jobs.residency[{row}] is null, needed names of sites, or '*'"
            raise InvalidProblemError(message, "jobs.residency", row)
        mask = 0
        for name in names:
            mask |= 1 << _site(None if name is None else name.strip(), place, where, row)
        masks[row] = mask
    return with_column(table, "residency", pa.array(masks))


def _site(text: str | None, place: Mapping[str, int], where: str, row: int) -> int:
    if text is None or text not in place:
        needed = f"one of {', '.join(place)}, joined by '|', or '*'" if place else "a mask, or '*'"
        near = "" if text is None else _checks.meant(text, place)
        message = f"{where}jobs.residency[{row}] is {text!r:.100}, needed {needed}{near}"
        raise InvalidProblemError(message, "jobs.residency", row)
    return place[text]
