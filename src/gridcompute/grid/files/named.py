"""Names in files of tables: of sites, tenants, accelerators, families, jobs and allowed sites.

A file may say "Hami" where a table has a row number. An index may stand among names: where one row
has a name, CSV reads all as text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InvalidProblemError
from ..tables.jobs import ANYWHERE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from ..tables.column import Table

__all__ = ["with_indices", "with_parents"]

_INDEX = re.compile(r"[0-9]{1,9}")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
#: What separates sites in a text of several, and what says that all are allowed.
SEPARATORS, ANY = re.compile(r"[|;]"), ("*", "any", "")


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
    import pyarrow as pa

    for column in set(known) & set(table.column_names) & set(kind.columns()):
        if _is_text(table[column].type):
            place = {text: i for i, text in enumerate(known[column])}
            indices = np.zeros(len(table), np.int32)
            for row, text in enumerate(table[column].to_pylist()):
                indices[row] = _index(text, place, path, f"{kind.title}.{column}", row)
            table = _with(table, column, pa.array(indices))
    if kind.title == "jobs":
        table = _residency(table, path, known.get("site", ()))
        table = table if path.suffix == ".parquet" else _ids(table)
    return table


def with_parents(table: pa.Table, path: Path) -> pa.Table:
    """Return the table of quotas with the queues above as rows; nothing, "" and -1 are none.

    Raises
    ------
    InvalidProblemError
        A name that no queue has: file, column, row, what was found and what was needed.
    """
    import pyarrow as pa

    if not (_is_text(table["parent"].type) or table["parent"].null_count):
        return table
    names = table["name"].to_pylist() if "name" in table.column_names else []
    place = {text: i for i, text in enumerate(names)}
    rows = np.full(len(table), -1, np.int32)
    for row, text in enumerate(table["parent"].to_pylist()):
        if text not in (None, "", "-1"):
            rows[row] = _index(str(text), place, path, "quotas.parent", row)
    return _with(table, "parent", pa.array(rows))


def _is_text(type_: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def _with(table: pa.Table, column: str, values: Any) -> pa.Table:
    return table.set_column(table.column_names.index(column), column, values)


def _index(text: str | None, place: Mapping[str, int], path: Path, field: str, row: int) -> int:
    index = place.get(text) if text is not None else None
    if index is None and text is not None and _INDEX.fullmatch(text):
        index = int(text)
    if index is None:
        needed = f"one of {', '.join(place)}, or an index" if place else "an index"
        message = f"{path.name}: {field}[{row}] is {text!r:.100}, needed {needed}"
        raise InvalidProblemError(message, field, row)
    return index


def _residency(table: pa.Table, path: Path, sites: Sequence[str]) -> pa.Table:
    """Turn names of allowed sites, "Hami|Wuhu" or a list of texts, into the mask of their bits."""
    import pyarrow as pa

    if "residency" not in table.column_names:
        return table
    type_ = table["residency"].type
    lists = pa.types.is_list(type_) or pa.types.is_large_list(type_)
    if not (_is_text(type_) or (lists and _is_text(type_.value_type))):
        return table
    place = {text: i for i, text in enumerate(sites)}
    masks = np.full(len(table), ANYWHERE, np.int64)
    for row, cell in enumerate(table["residency"].to_pylist()):
        names = cell
        if isinstance(cell, str):
            if cell.strip().lower() in ANY:
                continue
            if _INTEGER.fullmatch(cell.strip()):
                masks[row] = int(cell)
                continue
            names = SEPARATORS.split(cell)
        elif cell is None:
            message = f"{path.name}: jobs.residency[{row}] is null, needed names of sites, or '*'"
            raise InvalidProblemError(message, "jobs.residency", row)
        mask = 0
        for name in names:
            text = None if name is None else name.strip()
            mask |= 1 << _site(text, place, path, row)
        masks[row] = mask
    return _with(table, "residency", pa.array(masks))


def _site(text: str | None, place: Mapping[str, int], path: Path, row: int) -> int:
    if text is None or text not in place:
        needed = f"one of {', '.join(place)}, joined by '|', or '*'"
        message = f"{path.name}: jobs.residency[{row}] is {text!r:.100}, needed {needed}"
        raise InvalidProblemError(message, "jobs.residency", row)
    return place[text]


def _ids(table: pa.Table) -> pa.Table:
    """Turn ids that were read as text into integers if all of them are."""
    import pyarrow as pa

    if "id" not in table.column_names or not _is_text(table["id"].type):
        return table
    texts = table["id"].to_pylist()
    if not texts or not all(text is not None and _INTEGER.fullmatch(text) for text in texts):
        return table
    return _with(table, "id", pa.array([int(text) for text in texts], pa.int64()))
