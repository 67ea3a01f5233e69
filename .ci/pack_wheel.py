"""Compress wheel files again with Zopfli: some 5 % smaller, deflate that every reader unpacks.

python .ci/pack_wheel.py FILE...    replace each file; needs `pip install zopfli`
"""

from __future__ import annotations

import struct
import sys
import zipfile
import zlib
from pathlib import Path

import zopfli.zlib

_UTF8 = 1 << 11


def deflated(data: bytes) -> bytes:
    """Return raw deflate: the stream that Zopfli makes, without zlib's header and checksum."""
    return zopfli.zlib.compress(data, numiterations=5)[2:-4]


def packed(path: Path) -> bytes:
    """Return the archive with the same files, names, times and modes, compressed again."""
    out, index = bytearray(), bytearray()
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        for info in entries:
            data, name = archive.read(info), info.filename.encode()
            small = deflated(data)
            method = zipfile.ZIP_DEFLATED if len(small) < len(data) else zipfile.ZIP_STORED
            body = small if method == zipfile.ZIP_DEFLATED else data
            year, month, day, hour, minute, second = info.date_time
            date = (year - 1980) << 9 | month << 5 | day
            time = hour << 11 | minute << 5 | second // 2
            common = struct.pack(
                "<HHHHHIIIHH", 20, _UTF8, method, time, date, zlib.crc32(data), len(body),
                len(data), len(name), 0,
            )  # fmt: skip
            index += b"PK\1\2" + struct.pack("<H", 3 << 8 | 20) + common
            index += struct.pack("<HHHII", 0, 0, 0, info.external_attr, len(out)) + name
            out += b"PK\3\4" + common + name + body
    begin = len(out)
    out += index
    n = len(entries)
    out += b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, n, n, len(index), begin, 0)
    return bytes(out)


def replace(path: Path) -> None:
    """Write the smaller archive in the place of the file, if it holds the same."""
    before = path.stat().st_size
    part = path.with_suffix(".part")
    part.write_bytes(packed(path))
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(part) as new:
        same = [(i.filename, i.date_time, i.external_attr) for i in old.infolist()] == [
            (i.filename, i.date_time, i.external_attr) for i in new.infolist()
        ]
        if not same or any(old.read(name) != new.read(name) for name in old.namelist()):
            sys.exit(f"{path}: the packed archive differs")
    part.replace(path)
    print(f"{before / 1e6:.2f} -> {path.stat().st_size / 1e6:.2f} MB  {path.name}")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        replace(Path(name))
