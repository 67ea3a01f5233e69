"""Files of tables and arrays, CSV, Parquet and .npz: read with bounds, written whole.

What a folder holds may be anything, and disks fill up. Every fault of a file is an
`InvalidProblemError` that begins with the file's name. A Parquet file of some kilobytes can claim
terabytes; what it says of itself is checked before it is decoded.

pyarrow's own view of a column's metadata ends the process on some damaged footers, so the few
numbers needed are read here. The footer is a struct in Thrift's compact protocol: each field has a
number and a type, and what is not needed is skipped.

`numpy.load` believes what a file says of itself: a header of a hundred bytes can claim an array
larger than any memory. Here dtype and shape of every array are known before the file is opened.
"""

from __future__ import annotations

import collections
import contextlib
import csv
import gzip
import io
import stat
import tempfile
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..._extras import extra
from ...errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}


def require_regular(path: Path, *, most: int) -> int:
    """Return the size in bytes of a regular file of at most `most` bytes.

    The file is not opened: to open a FIFO waits for its other end, and to open a device may act.

    Raises
    ------
    InvalidProblemError
        It is not there, is no regular file, or is too large.
    """
    name = path.name
    try:
        found = path.stat()
    except FileNotFoundError:
        message = f"{path} is not there, needed a file"
        raise InvalidProblemError(message, name) from None
    except NotADirectoryError:
        message = f"{path} is not there, {path.parent} is no folder"
        raise InvalidProblemError(message, name) from None
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise InvalidProblemError(f"{path}: found {kind}, needed a regular file", name)
    if found.st_size > most:
        message = f"{path}: found {found.st_size} bytes, needed at most {most}"
        raise InvalidProblemError(message, name)
    return found.st_size


def read_bytes(path: Path, *, most: int) -> bytes:
    """Return the content of a regular file of at most `most` bytes, as `require_regular` has it."""
    require_regular(path, most=most)
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:  # it has grown since
        raise InvalidProblemError(f"{path}: found more than {most} bytes", path.name)
    return data


_MAGIC = b"PAR1"
#: The largest footer, bytes: a table of a million columns has some hundred bytes for each.
_MOST_FOOTER = 1 << 28
#: Largest depth of nested structs and lists; those of Parquet itself have five levels.
_MOST_DEPTH = 16
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)


class Footer(NamedTuple):
    """Sums over all row groups and columns, as the file claims them."""

    rows: int
    values: int
    #: Bytes of all pages once decompressed; equal values may still be counted once in them.
    page_bytes: int


def read_footer(path: Path) -> Footer:
    """Read the footer of a Parquet file.

    Raises
    ------
    InvalidProblemError
        The file has none, or it cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - 8, 0))
        tail = file.read(8)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != _MAGIC or not 0 < length <= min(size - 12, _MOST_FOOTER):
            raise _fault(path, "no footer")
        file.seek(size - 8 - length)
        data = file.read(length)
    try:
        groups = _Compact(data).struct().get(4, [])
        chunks = [chunk for group in groups for chunk in group[1]]
        if any(1 in chunk for chunk in chunks):
            raise _fault(path, "values in another file")
        return Footer(
            sum(group[3] for group in groups),
            sum(chunk[3][5] for chunk in chunks),
            sum(chunk[3][6] for chunk in chunks),
        )
    except (IndexError, KeyError, TypeError, ValueError, AttributeError):
        raise _fault(path, "a damaged footer") from None


def _fault(path: Path, found: str) -> InvalidProblemError:
    return InvalidProblemError(f"{path.name}: found {found}, needed Parquet", path.stem)


class _Compact:
    """A reader of Thrift's compact protocol; any error in the bytes raises one of Python's."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Return the fields of a struct by number."""
        found: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._integer()
            kind = head & 15
            found[number] = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if depth > _MOST_DEPTH:
            raise ValueError("nested too deep")
        if kind in (_TRUE, _FALSE, _BYTE):  # in a list a bool has a byte of its own
            return self._byte()
        if kind in (_I16, _I32, _I64):
            return self._integer()
        if kind == _DOUBLE:
            return self._bytes(8)
        if kind == _BINARY:
            return self._bytes(self._varint())
        if kind in (_LIST, _SET):
            head = self._byte()
            size = head >> 4 if head >> 4 < 15 else self._varint()
            self._require(size)
            return [self._value(head & 15, depth + 1) for _ in range(size)]
        if kind == _MAP:
            size = self._varint()
            self._require(size)
            kinds = self._byte() if size else 0
            return [
                (self._value(kinds >> 4, depth + 1), self._value(kinds & 15, depth + 1))
                for _ in range(size)
            ]
        if kind == _STRUCT:
            return self.struct(depth + 1)
        raise ValueError("an unknown type")

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, size: int) -> bytes:
        self._require(size)
        self._at += size
        return self._data[self._at - size : self._at]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number of more than 64 bits")

    def _integer(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)

    def _require(self, size: int) -> None:
        """Raise if fewer than `size` bytes are left: everything takes one at least."""
        if size > len(self._data) - self._at:
            raise ValueError("a size beyond the end")


#: Bytes that an array's header may have beside its values.
_MOST_HEADER = 1 << 16
_MOST_FILE = 1 << 36


def read_arrays(
    path: Path,
    needed: Mapping[str, tuple[type[np.generic], tuple[int, ...]]],
    optional: Collection[str],
    longest: int = 0,
) -> dict[str, NDArray[Any]]:
    """Return the arrays of a .npz file by name.

    Parameters
    ----------
    path : Path
    needed : mapping of str to (dtype, shape)
        What each array must be; the file may hold no other. -1 is any length up to `longest`.
    optional : collection of str
        Those of `needed` that may be missing.
    longest : int, optional
        The greatest length of such a dimension.

    Raises
    ------
    InvalidProblemError
        No .npz file, damaged, an array missing, unknown, or of another dtype or shape.
    """
    require_regular(path, most=_MOST_FILE)
    try:
        with zipfile.ZipFile(path) as file:
            infos = file.infolist()
            names = [info.filename.removesuffix(".npy") for info in infos]
            for name in names:
                if name not in needed or names.count(name) > 1:
                    found = f"found array {name!r}" + (" twice" if name in needed else "")
                    raise _misfit(path, f"{found}, needed {', '.join(needed)}")
            for name in needed:
                if name not in names and name not in optional:
                    raise _misfit(path, f"found no array {name!r}, needed one")
            return {
                name: _read(path, file, info, name, *needed[name], longest)
                for name, info in zip(names, infos, strict=True)
            }
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, OSError) as error:
        if isinstance(error, InvalidProblemError):
            raise
        # RuntimeError: an encrypted member; NotImplementedError, one of it: a foreign compression.
        raise _misfit(path, f"found {error}, needed a .npz file") from None


def _read(
    path: Path,
    file: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    name: str,
    dtype: type[np.generic],
    shape: tuple[int, ...],
    longest: int,
) -> NDArray[Any]:
    kind, asked = np.dtype(dtype), shape
    shape = tuple(longest if n < 0 else n for n in asked)
    size = kind.itemsize * int(np.prod(shape, dtype=np.int64))
    words = f"{kind} {shape}" if shape == asked else f"{kind}, at most {shape}"
    if info.file_size > size + _MOST_HEADER:
        raise _misfit(path, f"{name}: found {info.file_size} bytes, needed {words}")
    with file.open(info) as member:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            read = np.lib.format.read_array_header_2_0
        found_shape, fortran, found_kind = read(member)
        if len(found_shape) == len(asked) and all(
            n == need if need >= 0 else n <= longest
            for n, need in zip(found_shape, asked, strict=True)
        ):
            shape, size = found_shape, kind.itemsize * int(np.prod(found_shape, dtype=np.int64))
        if found_kind != kind or found_shape != shape:
            raise _misfit(path, f"{name}: found {found_kind} {found_shape}, needed {words}")
        data = member.read(size + 1)
    if len(data) != size:
        raise _misfit(path, f"{name}: found {len(data)} bytes of values, needed {size}")
    flat: NDArray[Any] = np.frombuffer(data, kind)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def _misfit(path: Path, message: str) -> InvalidProblemError:
    return InvalidProblemError(f"{path.name}: {message}", path.name)


SUFFIXES = (".parquet", ".csv")
#: The largest file of a table, bytes.
MOST_BYTES = 1 << 36
#: Largest number of bytes that the values of a file may decode to, and as a multiple of its size.
ROOM_BYTES, ROOM_TIMES = 1 << 30, 100
#: The most columns of one table: corridors in CSV have one for each destination and hour.
MOST_COLUMNS = 1 << 20


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table to a new file, Parquet or CSV by its suffix.

    In CSV list columns are spread: one column for each place in the list, ``name[i]``,
    ``name[i,j]``.
    """
    if path.suffix == ".parquet":
        with extra("grid"):
            import pyarrow.parquet

        pyarrow.parquet.write_table(table, path, write_page_checksum=True)
    else:
        with extra("grid"):
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
    if path.suffix != ".parquet":
        return read_csv(path, texts)
    with extra("grid"):
        import pyarrow as pa

    size = require_regular(path, most=MOST_BYTES)
    try:
        return _read_parquet(path, size)
    except InvalidProblemError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        message = f"{path.name}: found {_first_line(error)}, needed Parquet"
        raise InvalidProblemError(message, path.stem) from None


def read_csv(path: Path, texts: Collection[str] = ()) -> pa.Table:
    """Read a table from a CSV file, gzipped or not; as `read_table`, for any columns."""
    with extra("grid"):
        import pyarrow as pa

    size = require_regular(path, most=MOST_BYTES)
    try:
        with _plain(path, size) as file:
            table = _parsed(file, texts)
        _require_columns(path, table.column_names)
        _require_closed(path, size, table)
    except InvalidProblemError:
        raise
    except (pa.ArrowException, OSError, ValueError, EOFError, zlib.error) as error:
        if (where := _not_utf8(path)) is not None:
            message = f"{path.name}: {where}, needed UTF-8"
            raise InvalidProblemError(message, path.stem) from None
        found = _first_line(error)
        message = f"{path.name}: found {found}, needed CSV"
        if "Empty CSV file" in found:
            message = f"{path.name}: is empty, needed a header"
        elif "columns, got" in found and (ragged := _ragged(path, size)):
            message = f"{path.name}: {ragged}"
        raise InvalidProblemError(message, path.stem) from None
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_binary(column.type):  # text that is not UTF-8
            row = next(i for i, text in enumerate(column.to_pylist()) if _is_no_text(text))
            found = f"found {column[row].as_py()!r:.100} in row {row}"
            message = f"{path.name}: {path.stem}.{name}: {found}, needed UTF-8"
            raise InvalidProblemError(message, f"{path.stem}.{name}", row)
    return table


def require_room(path: Path, column: str, shape: Sequence[int]) -> None:
    """Raise if a column, repeated over the dimensions that its file leaves out, grows too large."""
    cells = 1
    for n in shape:
        cells *= int(n)
    if cells * 8 > ROOM_BYTES:
        found = f"found {' x '.join(str(n) for n in shape)} values of {column}"
        message = f"{path.name}: {found}, needed at most {ROOM_BYTES // 8}"
        raise InvalidProblemError(message, f"{path.stem}.{column}")


@contextlib.contextmanager
def _plain(path: Path, size: int) -> Iterator[IO[bytes]]:
    """Yield the file, or what is in it if it is gzipped: at most what `ROOM_TIMES` allows."""
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            file.seek(0)
            yield file
            return
        file.seek(0)
        most = max(ROOM_BYTES, ROOM_TIMES * size)
        with gzip.open(file) as unzipped, tempfile.TemporaryFile() as plain:
            while part := unzipped.read(1 << 20):
                if plain.tell() + len(part) > most:
                    found = f"found more than {most} bytes in {size} of gzip"
                    raise InvalidProblemError(f"{path.name}: {found}, needed fewer", path.stem)
                plain.write(part)
            plain.seek(0)
            yield plain


def _parsed(file: IO[bytes], texts: Collection[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.csv

    size = file.seek(0, 2)
    file.seek(0)
    # One block, so that a column's type is inferred from all of its rows.
    block = min(max(size + 1, 1 << 20), 2**31 - 1)
    return pyarrow.csv.read_csv(
        file,
        read_options=pyarrow.csv.ReadOptions(block_size=block),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(texts, pa.string())),
    )


def _read_parquet(path: Path, size: int) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet

    footer, most = read_footer(path), max(ROOM_BYTES, ROOM_TIMES * size)
    if max(8 * footer.values, 8 * footer.rows, footer.page_bytes) > most or min(footer) < 0:
        found = f"found {footer.rows} rows of {footer.values} values in {size} bytes"
        message = f"{path.name}: {found}, needed values of at most {most} bytes"
        raise InvalidProblemError(message, path.stem)
    schema = pyarrow.parquet.read_schema(path)
    _require_columns(path, schema.names)
    texts = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_binary(f.type)]
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


def _require_closed(path: Path, size: int, table: pa.Table) -> None:
    """Raise where a quote that is never closed made one cell of several lines.

    The quote that opens the next text then closes it, and has more behind it than a comma.
    """
    import pyarrow as pa
    import pyarrow.compute

    texts = [column for column in table.columns if pa.types.is_string(column.type)]
    if not any(
        pyarrow.compute.any(pyarrow.compute.match_substring(column, "\n")).as_py()
        for column in texts
    ):
        return
    with _plain(path, size) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        reader, line = csv.reader(text, strict=True), 1
        try:
            for _ in reader:
                line = reader.line_num + 1
        except csv.Error as error:
            if "expected after" not in str(error):
                return  # a text of a length that only this reader refuses
            found = f"found text behind a closing quote in the row of line {line}"
            message = f"{path.name}: {found}, needed CSV with each quote closed in its cell"
            raise InvalidProblemError(message, path.stem) from None


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


def _not_utf8(path: Path) -> str | None:
    """Return the first byte of a file that is not UTF-8 and its line, None if all of it is."""
    with path.open("rb") as file:
        if file.read(2) == b"\x1f\x8b":
            return None  # gzip
        file.seek(0)
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return f"found 0x{line[error.start]:02x} in line {number}"
    return None


def line_of(path: Path, row: int) -> int | None:
    """Return the line of a CSV file on which a row begins, from 1; None if it cannot be found."""
    with contextlib.suppress(*_NO_ROWS):
        for number, (line, _) in enumerate(_rows(path, path.stat().st_size)):
            if number == row + 1:  # the head is the first
                return line
    return None


def first_cell(
    path: Path, heads: Collection[str], odd: Callable[[str], bool]
) -> tuple[str, int, str] | None:
    """Return head, row and text of the first cell of some columns that is odd; None if none is."""
    with contextlib.suppress(*_NO_ROWS):
        rows = _rows(path, path.stat().st_size)
        _, head = next(rows)
        places = [i for i, name in enumerate(head) if name in heads]
        for row, (_, cells) in enumerate(rows):
            for i in places:
                if odd(cells[i]):
                    return head[i], row, cells[i]
    return None


def _ragged(path: Path, size: int) -> str:
    """Return in words the first row that has more or fewer cells than the head; "" if none has."""
    with contextlib.suppress(*_NO_ROWS):
        rows = _rows(path, size)
        _, head = next(rows)
        for row, (line, cells) in enumerate(rows):
            if len(cells) != len(head):
                found = f"found {len(cells)} cells in row {row} (line {line})"
                needed = f"needed CSV with {len(head)}, as many as the head has"
                return f"{found}, {needed}: {','.join(cells)!r:.100}"
    return ""


def _rows(path: Path, size: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a CSV file, each with the line on which it begins; the head is the first.

    Lines without text are no rows.
    """
    with _plain(path, size) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        reader, line = csv.reader(text), 1
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1


#: What may go wrong when a file that is not CSV is read as such.
_NO_ROWS = (csv.Error, ValueError, OSError, EOFError, StopIteration, zlib.error)


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
