"""A stored plan checked whole: the plan by its problem, and what people read by the plan."""

from __future__ import annotations

import dataclasses
import json
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._version import __version__
from ...errors import InvalidProblemError
from ..checker.faults import TOLERANCE, Fault
from ..plan.audit import audit
from .bounded_files import read_bytes
from .problem_json import MOST_JSON
from .read_write import PLAN_FILE, RUNS_FILE, account_table, read_plan, runs_table
from .table_files import read_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from ..checker.verify import PlanCertificate
    from ..plan.plan import Plan

__all__ = ["FILE_FAULTS", "verify_plan"]

#: The faults of the folder of a plan, beside those of the plan itself.
FILE_FAULTS = {
    "FileMissing": "a file that people read is not there",
    "FileMismatch": "a file that people read says something else than the plan",
}
#: The largest page or audit, bytes.
_MOST_TEXT = 1 << 28
#: The most bytes of a line that a fault shows.
_EXCERPT = 60


def verify_plan(folder: str | Path) -> PlanCertificate:
    """Check a stored plan, and that the files beside it say what it says.

    Everything that `Plan.verify` recomputes; then ``jobs.parquet`` row by row, ``green.csv`` number
    by number, ``audit.md`` and ``plan.html`` as text, against the plan of ``plan.npz``.

    Parameters
    ----------
    folder : path
        As `write_plan` made it.

    Returns
    -------
    PlanCertificate
        With the faults of `FILE_FAULTS` among its own.

    Raises
    ------
    InvalidProblemError
        The plan or its problem cannot be read (see `read_plan`).

    Warns
    -----
    UserWarning
        Another version wrote the folder: ``audit.md`` and ``plan.html`` may be worded otherwise and
        are not compared.

    Examples
    --------
    >>> import tempfile
    >>> import gridcompute as gc
    >>> from gridcompute import grid
    >>> plan = gc.match(grid.east_west(n_jobs=50, seed=0), gap=0.5, time_limit=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     grid.verify_plan(grid.write_plan(plan, folder)).valid
    True
    """
    folder = Path(folder)
    plan = read_plan(folder)
    found = plan.verify()
    malformed = any(fault.token == "PlacementMalformed" for fault in found.faults)
    more = [] if malformed else list(_files(plan, folder))
    return dataclasses.replace(found, faults=(*found.faults, *more))


def _files(plan: Plan, folder: Path) -> Iterator[Fault]:
    runs = [RUNS_FILE] if plan.problem.jobs.interruptible.any() else []
    for name in ("jobs.parquet", *runs, "green.csv", "audit.md", "plan.html"):
        path = folder / name
        if not path.is_file():
            yield Fault("FileMissing", name, 0.0, 1.0)
        elif name == "jobs.parquet":
            yield from _table(path, plan.to_arrow())
        elif name == RUNS_FILE:
            yield from _table(path, runs_table(plan))
        elif name == "green.csv":
            yield from _table(path, account_table(plan))
    wrote = json.loads(read_bytes(folder / PLAN_FILE, most=MOST_JSON)).get("version")
    if wrote != __version__:
        message = f"{folder} was written by gridcompute {wrote}: audit.md and plan.html as well"
        warnings.warn(f"{message}, they are not compared", UserWarning, stacklevel=3)
        return
    with tempfile.TemporaryDirectory() as scratch:
        page = plan.report(Path(scratch) / "plan.html").read_bytes()
    for name, needed in (("audit.md", str(audit(plan)).encode()), ("plan.html", page)):
        if (folder / name).is_file():
            yield from _text(folder / name, needed)


def _text(path: Path, needed: bytes) -> Iterator[Fault]:
    """A fault if a text differs: its first line that does, and how many lines agree of all."""
    found = read_bytes(path, most=_MOST_TEXT)
    if found == needed:
        return
    lines, others = found.splitlines(), needed.splitlines()
    same = [a == b for a, b in zip(lines, others, strict=False)]
    at = next((i for i, equal in enumerate(same) if not equal), len(same))
    texts = _around(*(part[at] if at < len(part) else b"" for part in (lines, others)))
    where = f"{path.name}, line {at + 1} ({texts[0]!r} in place of {texts[1]!r}), lines that agree"
    yield Fault("FileMismatch", where, float(sum(same)), float(max(len(lines), len(others))))


def _around(found: bytes, needed: bytes) -> list[str]:
    """Two lines from a little before where they begin to differ."""
    both = zip(found, needed, strict=False)
    at = next((i for i, (a, b) in enumerate(both) if a != b), min(len(found), len(needed)))
    begin = max(0, at - _EXCERPT // 2)
    return [line[begin : begin + _EXCERPT].decode(errors="replace") for line in (found, needed)]


def _table(path: Path, needed: pa.Table) -> Iterator[Fault]:
    """A fault if a table differs: its first column that does, at the first row."""
    texts = [field.name for field in needed.schema if str(field.type) in ("string", "large_string")]
    try:
        found = read_table(path, texts)
    except InvalidProblemError:
        yield Fault("FileMismatch", f"{path.name}, which cannot be read", 0.0, 1.0)
        return
    if sorted(found.column_names) != sorted(needed.column_names) or len(found) != len(needed):
        sizes = float(len(found)), float(len(needed))
        yield Fault("FileMismatch", f"{path.name}, its columns or number of rows", *sizes)
        return
    for name in needed.column_names:
        a, b = found[name].to_pylist(), needed[name].to_pylist()
        off = next((i for i, pair in enumerate(zip(a, b, strict=True)) if _apart(*pair)), None)
        if off is not None:
            shown = _number(a[off]), _number(b[off])
            yield Fault("FileMismatch", f"{path.name}, {name}[{off}]", *shown)
            return


def _apart(found: Any, needed: Any) -> bool:
    if isinstance(needed, float) and isinstance(found, (int, float)):
        return not abs(found - needed) <= TOLERANCE * max(1.0, abs(needed))
    return bool(found != needed)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else np.nan
