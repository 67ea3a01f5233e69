"""The size of a Parquet file by its footer, read without decoding anything.

pyarrow's own view of a column's metadata ends the process on some damaged footers, so the few
numbers needed are read here. The footer is a struct in Thrift's compact protocol: each field has a
number and a type, and what is not needed is skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import InvalidProblemError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Footer", "read_footer"]

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
