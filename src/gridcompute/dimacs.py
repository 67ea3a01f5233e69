"""Min-cost flow problems in files: the DIMACS format, gzipped or not."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from . import _core
from .errors import InvalidProblemError
from .flow import FlowProblem, flow_arrays, flow_problem

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from numpy.typing import ArrayLike

__all__ = ["read_dimacs", "write_dimacs"]

_GZIP = b"\x1f\x8b"


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
        The file is no such problem: the message names the line, ``.index`` is its number.
    OSError
        It cannot be read.

    Notes
    -----
    Format: ``c`` comments, ``p min NODES ARCS``, ``n ID SUPPLY``,
    ``a TAIL HEAD LOWER CAPACITY COST``, ids from 1.
    Complexity: linear in the size of the file, parsed natively.
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
    data = Path(path).read_bytes()
    if data.startswith(_GZIP):
        try:
            data = gzip.decompress(data)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InvalidProblemError(f"{path}: a broken gzip file ({error})", "path") from error
    tail, head, capacity, cost, supply, lower = _core.read_dimacs(data, str(path))
    return FlowProblem(tail, head, capacity, cost, supply, lower if lower.any() else None)


def write_dimacs(path: str | os.PathLike[str], problem: Iterable[ArrayLike]) -> None:
    """Write a DIMACS ``.min`` file, gzipped if its name ends in ``.gz``.

    Parameters
    ----------
    path : path-like
        The file; replaced if there is one.
    problem : FlowProblem, or (tail, head, capacity, cost, supply) with or without lower
        As `min_cost_flow` takes them.

    Raises
    ------
    InvalidProblemError
        As `min_cost_flow`, for shapes.
    TypeError
        An array that is not of integers, a `problem` that is no row of arrays.
    OSError
        It cannot be written.

    Notes
    -----
    Zero supplies are left out, as the format wants.
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
    Path(path).write_bytes(text)
