"""Names in files of tables: those of `tables.names`, queues above others, and ids of jobs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from ..tables import names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from ..tables.column import Table

__all__ = ["has_other_numbers", "with_indices", "with_parents"]

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
