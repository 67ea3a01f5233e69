"""Times in files of tables: "2026-03-01T05:00+08:00" where a table has the number of an hour."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Any

from ...errors import InvalidProblemError
from ..tables.times import hour_of

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

__all__ = ["with_hours"]

#: Columns that are hours of the batch, by table.
COLUMNS: dict[str, tuple[str, ...]] = {
    "jobs": ("release", "deadline", "placed_start"),
    "sites": ("hour",),
    "classes": ("hour",),
    "energy": ("hour",),
    "corridors": ("hour",),
}
_INTEGER = re.compile(r"-?[0-9]{1,9}")


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
    if isinstance(value, str) and _INTEGER.fullmatch(value):
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
