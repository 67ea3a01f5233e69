"""A stored plan checked whole: the plan by its problem, and what people read by the plan."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._version import __version__
from ...errors import InvalidProblemError
from ..checker.derived_tables import Fault
from ..plan.audit import audit
from .folders import LIST, changes, written_as, written_files
from .read_write import PLAN_FILE, RUNS_FILE, account_table, read_plan, runs_table, stored_numbers
from .table_files import read_bytes, read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa

    from ..checker.verify import PlanCertificate
    from ..plan.plan import Plan


#: The faults of the folder of a plan, beside those of the plan itself.
FILE_FAULTS = {
    "FileMissing": "a file of the plan is not there",
    "FileChanged": "a file is not the one that was written, by its SHA-256 in written.json",
    "FileForeign": "a file that was not written with the plan",
    "FileMismatch": "a file says something else than the plan",
}
#: The account and the page.
TEXTS = ("audit.md", "plan.html")
#: The largest page or audit, bytes.
_MOST_TEXT = 1 << 28
#: The most bytes of a line that a fault shows.
_EXCERPT = 60
#: Two programs may add up the same numbers in other orders: what numbers in files may differ by, of
#: the number and of the largest one of its column.
_ROUNDING, _ROUNDING_OF_LARGEST = 1e-9, 1e-12


def verify_plan(folder: str | Path) -> PlanCertificate:
    """Check a stored plan, and that the files beside it say what it says.

    Everything that `Plan.verify` recomputes; then every file against ``written.json``, and, since
    that can be written as well, ``gap`` in ``plan.json``, ``jobs.parquet`` row by row,
    ``green.csv`` number by number, ``audit.md`` and ``plan.html`` as text, against the plan of
    ``plan.npz``.

    Parameters
    ----------
    folder : path
        As `write_plan` made it.

    Returns
    -------
    PlanCertificate
        With the faults of `FILE_FAULTS` among its own. Where another version wrote the plan and a
        text differs from the one that this version writes, nobody can say whether it was only
        worded otherwise: it is in ``unchecked``, and the certificate is not valid.

    Raises
    ------
    InvalidProblemError
        The plan or its problem cannot be read (see `read_plan`).

    Notes
    -----
    What cannot be recomputed is held by ``written.json`` alone: ``stats``, and which of "feasible",
    "time_limit" and "stopped" ``status`` is. No page shows ``stats``.

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
    plan, stored = read_plan(folder), stored_numbers(folder / PLAN_FILE)
    found, tables = plan.verify(), _tables(plan)
    more = list(_listed(folder, [*tables, *TEXTS]))
    unchecked: tuple[str, ...] = ()
    if _apart(stored["gap"], plan.gap):
        more.append(Fault("FileMismatch", f"{PLAN_FILE}, gap", stored["gap"], plan.gap))
    if found.valid:  # of a plan with a fault not everything that people read can be made
        for name, make in tables.items():
            more += _table(folder / name, make(plan))
        texts = list(_texts(plan, folder, stored["version"]))
        if stored["version"] == __version__:
            more += texts
        else:
            wrote = f"gridcompute {stored['version']} wrote it, and {__version__} writes another"
            unchecked = tuple(f"not compared: {fault.where}; {wrote}" for fault in texts)
    return dataclasses.replace(found, faults=(*found.faults, *more), unchecked=unchecked)


def _listed(folder: Path, needed: Iterable[str]) -> Iterator[Fault]:
    """Faults of the files as such: those that are not there, and those that are not of the list."""
    listed: dict[str, str] = {}
    try:
        kind, listed = written_as(folder), written_files(folder)
        if (folder / LIST).is_file() and (kind != "plan" or not listed):
            raise InvalidProblemError("found another content, needed the files of a plan", LIST)
    except InvalidProblemError as error:
        yield Fault("FileMismatch", f"{LIST} ({error})", 0.0, 1.0)
    for name in {LIST: "", **listed, **dict.fromkeys(needed)}:
        if not (folder / name).exists():
            yield Fault("FileMissing", name, 0.0, 1.0)
    for name, why in changes(folder) if listed else ():
        foreign = name not in listed
        token = "FileForeign" if foreign else "FileChanged"
        yield Fault(token, f"{name}, {why} by {LIST}", 0.0, 1.0)


def _tables(plan: Plan) -> dict[str, Callable[[Plan], pa.Table]]:
    """Return how to make each table that people read."""
    tables = {"jobs.parquet": type(plan).to_arrow, "green.csv": account_table}
    return tables | ({RUNS_FILE: runs_table} if plan.problem.jobs.interruptible.any() else {})


def _texts(plan: Plan, folder: Path, version: str) -> Iterator[Fault]:
    """A fault for each text that differs from the one that a version with these words writes."""
    from ...report.page import page  # upward, and only when called

    for name, needed in zip(TEXTS, (str(audit(plan)), page(plan, version)), strict=True):
        yield from _text(folder / name, needed.encode())


def _text(path: Path, needed: bytes) -> Iterator[Fault]:
    """A fault if a text differs: its first line that does, and how many lines agree of all."""
    if not path.is_file():
        return  # a fault by itself
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
    if not path.is_file():
        return  # a fault by itself
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
        size = max((abs(y) for y in b if isinstance(y, float) and np.isfinite(y)), default=0.0)
        pairs = enumerate(zip(a, b, strict=True))
        off = next((i for i, (x, y) in pairs if _apart(x, y, size)), None)
        if off is not None:
            shown = _number(a[off]), _number(b[off])
            yield Fault("FileMismatch", f"{path.name}, {name}[{off}]", *shown)
            return


def _apart(found: Any, needed: Any, largest: float = 0.0) -> bool:
    """Return whether two values differ by more than rounding, `largest` being their column's."""
    if found != needed and isinstance(needed, float) and isinstance(found, (int, float)):
        slack = _ROUNDING * abs(needed) + _ROUNDING_OF_LARGEST * largest
        return not abs(found - needed) <= slack
    return bool(found != needed)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else np.nan
