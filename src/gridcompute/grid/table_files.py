"""One table in one file, CSV or Parquet: written, and read with bounds on what it may grow to.

Every fault of a file is an `InvalidProblemError` that begins with the file's name. A Parquet file
of some kilobytes can claim terabytes; what it says of itself is checked before it is decoded.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidProblemError
from .files import require_regular

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    import pyarrow as pa

__all__ = ["MOST_BYTES", "SUFFIXES", "read_table", "require_room", "write_table"]

SUFFIXES = (".parquet", ".csv")
#: The largest file of a table, bytes.
MOST_BYTES = 1 << 36
#: Values of a file decode to at most so many bytes, or so many times the file's size.
ROOM_BYTES, ROOM_TIMES = 1 << 30, 100
#: The most columns of one table: corridors in CSV have one for each destination and hour.
MOST_COLUMNS = 1 << 20


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table to a new file, Parquet or CSV by its suffix.

    In CSV list columns are spread: one column for each place in the list, ``name[i]``,
    ``name[i,j]``.
    """
    if path.suffix == ".parquet":
        import pyarrow.parquet

        pyarrow.parquet.write_table(table, path, write_page_checksum=True)
    else:
        import pyarrow.csv

        pyarrow.csv.write_csv(_spread(table), path)


def read_table(path: Path, texts: Collection[str]) -> pa.Table:
    """Read a table from a Parquet or CSV file, by its suffix.

    Parameters
    ----------
    path : Path
    texts : collection of str
        Columns that are text even where each entry looks like a number.

    Raises
    ------
    InvalidProblemError
        No regular file, not of its format, a column twice, too large; the message begins with the
        file's name.
    """
    import pyarrow as pa

    size = require_regular(path, most=MOST_BYTES)
    parquet = path.suffix == ".parquet"
    try:
        return _read_parquet(path, size) if parquet else _read_csv(path, texts)
    except InvalidProblemError:
        raise
    except UnicodeDecodeError as error:
        found = f"found 0x{error.object[error.start]:02x} in a name"
        raise InvalidProblemError(f"{path.name}: {found}, needed UTF-8", path.stem) from None
    except (pa.ArrowException, OSError, ValueError) as error:
        needed = "Parquet" if parquet else "CSV"
        message = f"{path.name}: found {_first_line(error)}, needed {needed}"
        raise InvalidProblemError(message, path.stem) from None


def require_room(path: Path, column: str, shape: Sequence[int]) -> None:
    """Raise if a column, repeated over the dimensions that its file leaves out, grows too large."""
    cells = 1
    for n in shape:
        cells *= int(n)
    if cells * 8 > ROOM_BYTES:
        found = f"found {' x '.join(str(n) for n in shape)} values of {column}"
        message = f"{path.name}: {found}, needed at most {ROOM_BYTES // 8}"
        raise InvalidProblemError(message, f"{path.stem}.{column}")


def _read_csv(path: Path, texts: Collection[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.csv

    # One block, so that a column's type is inferred from all of its rows.
    block = min(max(path.stat().st_size + 1, 1 << 20), 2**31 - 1)
    table = pyarrow.csv.read_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(block_size=block),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(texts, pa.string())),
    )
    _require_columns(path, table.column_names)
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_binary(column.type):  # text that is not UTF-8
            row = next(i for i, text in enumerate(column.to_pylist()) if _is_no_text(text))
            found = f"found {column[row].as_py()!r} in row {row}"
            message = f"{path.name}: {path.stem}.{name}: {found}, needed UTF-8"
            raise InvalidProblemError(message, f"{path.stem}.{name}", row)
    return table


def _read_parquet(path: Path, size: int) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        schema, footer = file.schema_arrow, file.metadata
        _require_columns(path, schema.names)
        texts = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_binary(f.type)]
        groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
        values = sum(g.column(i).num_values for g in groups for i in range(g.num_columns))
        claimed = sum(
            g.column(i).total_uncompressed_size for g in groups for i in range(g.num_columns)
        )
        rows = sum(g.num_rows for g in groups)
        most = max(ROOM_BYTES, ROOM_TIMES * size)
        if max(8 * values, claimed, 8 * rows) > most or min(values, claimed, rows) < 0:
            found = f"found {rows} rows of {values} values in {size} bytes"
            message = f"{path.name}: {found}, needed values of at most {most} bytes"
            raise InvalidProblemError(message, path.stem)
    table = pyarrow.parquet.read_table(
        path, read_dictionary=texts, page_checksum_verification=True, use_threads=False
    )
    for at, column in enumerate(table.columns):
        if pa.types.is_dictionary(column.type):
            table = table.set_column(at, table.column_names[at], _decoded(path, column, most))
    table.validate(full=True)
    return table


def _decoded(path: Path, column: Any, most: int) -> Any:
    """Return a dictionary column as plain text, unless a few long texts would fill the memory."""
    import pyarrow as pa
    import pyarrow.compute

    size = 0
    for chunk in column.chunks:
        lengths = pyarrow.compute.binary_length(chunk.dictionary)
        size += pyarrow.compute.sum(lengths.take(chunk.indices)).as_py() or 0
    if size > most:
        message = f"{path.name}: found a column of {size} bytes of text, needed at most {most}"
        raise InvalidProblemError(message, path.stem)
    return column.cast(pa.string())


def _require_columns(path: Path, names: Sequence[str]) -> None:
    """Raise for a column that stands twice, and for more columns than any table has."""
    if len(names) > MOST_COLUMNS:
        message = f"{path.name}: found {len(names)} columns, needed at most {MOST_COLUMNS}"
        raise InvalidProblemError(message, path.stem)
    twice = [name for name, n in collections.Counter(names).items() if n > 1]
    if twice:
        n = names.count(twice[0])
        message = f"{path.name}: found {n} columns called {twice[0]!r}, needed one"
        raise InvalidProblemError(message, f"{path.stem}.{twice[0]}")


def _spread(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    out: dict[str, Any] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        flat, shape = column.combine_chunks(), []
        while pa.types.is_fixed_size_list(flat.type):
            shape.append(flat.type.list_size)
            flat = flat.flatten()
        if pa.types.is_list(flat.type):  # of length 0: no places, no columns
            continue
        if not shape:
            out[name] = column
            continue
        values = flat.to_numpy(zero_copy_only=False).reshape(-1, *shape)
        for place in np.ndindex(*shape):
            label = ",".join(str(i) for i in place)
            out[f"{name}[{label}]"] = pa.array(values[(slice(None), *place)])
    return pa.table(out)


def _is_no_text(value: bytes | None) -> bool:
    try:
        (value or b"").decode()
    except UnicodeDecodeError:
        return True
    return False


def _first_line(error: Exception) -> str:
    """Return the first line of an error's text, cut to what a message can hold."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return "".join(c if c.isprintable() else "?" for c in text[:200]).rstrip(".")
