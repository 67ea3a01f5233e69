"""The arrays of a plan in one .npz file, read only if each is what its problem asks for.

`numpy.load` believes what a file says of itself: a header of a hundred bytes can claim an array
larger than any memory. Here dtype and shape of every array are known before the file is opened.
"""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InvalidProblemError
from .bounded_files import require_regular

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["read_arrays"]

#: Bytes that an array's header may have beside its values.
_MOST_HEADER = 1 << 16
_MOST_FILE = 1 << 36


def read_arrays(
    path: Path,
    needed: Mapping[str, tuple[type[np.generic], tuple[int, ...]]],
    optional: Collection[str],
    older: Mapping[str, tuple[int, ...]],
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
    older : mapping of str to tuple of int
        Shapes that some have in files of older versions.
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
                    raise _fault(path, f"{found}, needed {', '.join(needed)}")
            for name in needed:
                if name not in names and name not in optional:
                    raise _fault(path, f"found no array {name!r}, needed one")
            return {
                name: _read(path, file, info, name, *needed[name], older.get(name), longest)
                for name, info in zip(names, infos, strict=True)
            }
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, OSError) as error:
        if isinstance(error, InvalidProblemError):
            raise
        # RuntimeError: an encrypted member; NotImplementedError, one of it: a foreign compression.
        raise _fault(path, f"found {error}, needed a .npz file") from None


def _read(
    path: Path,
    file: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    name: str,
    dtype: type[np.generic],
    shape: tuple[int, ...],
    older: tuple[int, ...] | None,
    longest: int,
) -> NDArray[Any]:
    kind, asked = np.dtype(dtype), shape
    shape = tuple(longest if n < 0 else n for n in asked)
    size = kind.itemsize * int(np.prod(shape, dtype=np.int64))
    words = f"{kind} {shape}" if shape == asked else f"{kind}, at most {shape}"
    if info.file_size > size + _MOST_HEADER:
        raise _fault(path, f"{name}: found {info.file_size} bytes, needed {words}")
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
        if found_shape == older:
            shape, size = older, kind.itemsize * int(np.prod(older, dtype=np.int64))
        if found_kind != kind or found_shape != shape:
            raise _fault(path, f"{name}: found {found_kind} {found_shape}, needed {words}")
        data = member.read(size + 1)
    if len(data) != size:
        raise _fault(path, f"{name}: found {len(data)} bytes of values, needed {size}")
    flat: NDArray[Any] = np.frombuffer(data, kind)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def _fault(path: Path, message: str) -> InvalidProblemError:
    return InvalidProblemError(f"{path.name}: {message}", path.name)
