"""Min-cost flow problems in files: the DIMACS format, gzipped or not."""

from __future__ import annotations

import gzip
import zlib
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from .. import _core
from .._files import write_whole
from ..errors import InvalidProblemError
from .flow import FlowProblem, flow_arrays, flow_problem

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from numpy.typing import ArrayLike

__all__ = ["read_dimacs", "write_dimacs"]

_GZIP = b"\x1f\x8b"
_GZIP_FORMAT = 31  # of zlib: a header and a checksum of gzip, the largest window
_PIECE = 1 << 20  # bytes read, and unpacked, at a time
#: Limits of an unpacked gzip file: in bytes, and as a multiple of its own size; the larger counts.
#: Text of arcs shrinks to a tenth; a bomb grows a thousandfold.
_MOST_UNPACKED, _MOST_RATIO = 1 << 26, 100


def read_dimacs(path: str | os.PathLike[str]) -> FlowProblem:
    """Read a DIMACS ``.min`` file, gzipped or not.

    Parameters
    ----------
    path : path-like
        The file; that it is gzipped is seen from its first bytes.

    Returns
    -------
    FlowProblem
        ``lower`` is None where all lower bounds are 0.

    Raises
    ------
    InvalidProblemError
        The file is no such problem: the message names the line, ``.index`` is its number. So it is
        where the problem line promises many more nodes than the file can name, or where a gzip
        file holds more than a hundred times its size (and 64 MiB).
    OSError
        It cannot be read.

    Notes
    -----
    Format: ``c`` comments, ``p min NODES ARCS``, ``n ID SUPPLY``,
    ``a TAIL HEAD LOWER CAPACITY COST``, ids from 1.
    Complexity: linear in the size of the file, in time and memory; parsed natively, in pieces.
    Determinism: the same file gives the same arrays.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from gridcompute import min_cost_flow, read_dimacs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "two.min")
    ...     _ = path.write_text("p min 2 1\\nn 1 3\\nn 2 -3\\na 1 2 0 5 7\\n")
    ...     problem = read_dimacs(path)
    >>> problem
    <FlowProblem: 2 nodes, 1 arcs>
    >>> min_cost_flow(*problem).objective
    21
    """
    shown = str(path).encode("utf-8", "backslashreplace").decode()
    reader = _core.DimacsReader(shown)
    with Path(path).open("rb") as file:
        first = file.read(_PIECE)
        pieces = chain([first] if first else [], iter(partial(file.read, _PIECE), b""))
        for piece in _unpacked(pieces, shown) if first.startswith(_GZIP) else pieces:
            reader.feed(piece)
    tail, head, capacity, cost, supply, lower = reader.finish()
    return FlowProblem(tail, head, capacity, cost, supply, lower if lower.any() else None)


def _unpacked(pieces: Iterable[bytes], path: str) -> Iterator[bytes]:
    """Yield what a gzip file holds, in pieces of bounded size, and not more than it may hold."""
    member, packed, unpacked = zlib.decompressobj(_GZIP_FORMAT), 0, 0
    for piece in pieces:
        packed += len(piece)
        rest = piece
        while rest:
            if member.eof:  # another member follows, or padding
                rest = rest.lstrip(b"\0")
                if not rest:
                    break
                member = zlib.decompressobj(_GZIP_FORMAT)
            try:
                out = member.decompress(rest, _PIECE)
            except zlib.error as error:
                raise InvalidProblemError(
                    f"{path}: found a broken gzip file ({error}), needed a whole one", "path"
                ) from error
            unpacked += len(out)
            most = max(_MOST_UNPACKED, _MOST_RATIO * packed)
            if unpacked > most:
                raise InvalidProblemError(
                    f"{path}: found more than {most} bytes in the first {packed} of a gzip file, "
                    f"needed at most {_MOST_RATIO} times as many; unpack it first if it is sound",
                    "path",
                )
            yield out
            rest = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        raise InvalidProblemError(
            f"{path}: found a gzip file that ends early, needed a whole one", "path"
        )


def write_dimacs(path: str | os.PathLike[str], problem: Iterable[ArrayLike]) -> None:
    """Write a DIMACS ``.min`` file, gzipped if its name ends in ``.gz``.

    Parameters
    ----------
    path : path-like
        The file; replaced whole if there is one, or left as it was if that fails.
    problem : FlowProblem, or (tail, head, capacity, cost, supply) with or without lower
        As `min_cost_flow` takes them.

    Raises
    ------
    InvalidProblemError
        As `min_cost_flow`: shapes, nodes that do not exist, capacities below lower bounds.
    TypeError
        An array that is not of integers, a `problem` that is no row of arrays.
    OSError
        It cannot be written.

    Notes
    -----
    Zero supplies are left out, as the format requires.
    Complexity: linear in the size of the file.
    Determinism: the same problem gives the same bytes.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from gridcompute import write_dimacs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "two.min")
    ...     write_dimacs(path, ([0], [1], [5], [7], [3, -3]))
    ...     print(path.read_text(), end="")
    p min 2 1
    n 1 3
    n 2 -3
    a 1 2 0 5 7
    """
    try:
        arrays = tuple(problem)
    except TypeError as error:
        found = type(problem).__name__
        raise TypeError(f"problem must be a FlowProblem or its arrays, not {found}") from error
    if len(arrays) not in (5, 6):
        raise InvalidProblemError(
            f"problem: found {len(arrays)} arrays, needed 5 or 6: "
            "tail, head, capacity, cost, supply and perhaps lower",
            "problem",
        )
    tail, head, capacity, cost, supply, *rest = arrays
    lower = rest[0] if rest else None
    text = _core.write_dimacs(*flow_arrays(flow_problem(tail, head, capacity, cost, supply, lower)))
    if str(path).endswith(".gz"):
        text = gzip.compress(text, mtime=0)
    write_whole(Path(path), text)
