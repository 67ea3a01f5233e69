"""A problem as a folder of tables, and a plan as a folder beside it: CSV or Parquet in, Parquet
out.

A problem's folder holds ``problem.json`` and one file for each of jobs, sites, classes, energy,
corridors and quotas, ``.parquet`` or ``.csv``. A column with more dimensions than rows is a list in
Parquet, and in CSV is spread over columns ``name[i]`` or ``name[i,j]``; dimensions left out are
repeated. Indices of sites, accelerators and families may be written as names. Folders are written
whole (`folders`), files are read with bounds (`table_files`, `arrays_file`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._checks import choice
from ..._extras import extra
from ..._version import __version__
from ...errors import InvalidProblemError
from ..plan.account import pieces_of
from ..plan.audit import audit
from ..plan.columns import MOST_COVERS, Dispatch, Prices
from ..plan.data import dimensions
from ..plan.ledger import Ledger
from ..plan.ledger_entry import LedgerFile
from ..plan.plan import Plan
from ..tables.jobs import Jobs, Running
from ..tables.problem import Problem
from ..tables.quotas import Quotas
from ..tables.sites import Classes, Corridors, Energy, Sites
from .folders import LIST, replacing, written_files
from .json_text import parse, require_text
from .problem_json import MOST_JSON, SETTINGS_FILE, Settings, require_keys, settings_of
from .table_files import (
    SUFFIXES,
    first_cell,
    line_of,
    read_arrays,
    read_bytes,
    read_table,
    require_room,
    write_table,
)
from .tidy import (
    has_other_numbers,
    is_tidy,
    tidied,
    widened,
    with_hours,
    with_indices,
    with_parents,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from ..tables.column import Columns, Table
    from ..tables.mandate import CarriedEnergy


FORMATS = ("parquet", "csv", "tidy")
TABLES: dict[str, type[Table]] = {
    "sites": Sites,
    "classes": Classes,
    "quotas": Quotas,
    "jobs": Jobs,
    "energy": Energy,
    "corridors": Corridors,
}
#: A table that a problem's folder has where jobs run.
RUNNING = "running"
#: Parts of a plan whose columns are arrays of plan.npz.
PARTS: dict[str, type[Columns]] = {"dispatch": Dispatch, "prices": Prices}
NUMBERS = ("objective_yuan", "bound_yuan", "priced_bound_yuan", "without_option_yuan")
PLAN_FILE, ARRAYS_FILE, LEDGER = "plan.json", "plan.npz", "ledger.jsonl"
#: The hours of jobs in pieces in the file of arrays, and the file of all runs.
BUSY, RUNS_FILE = "busy", "runs.parquet"
#: An error about the type of a whole column, and cells of columns of numbers.
_OF_TYPE = re.compile(
    r"(?P<place>\S+: \w+\.\w+)\[[0-9, ]+\] is .* of dtype \S+, (?P<needed>needed an? .*)", re.DOTALL
)
_INTEGER_CELL = re.compile(r"-?[0-9]{1,18}")
_NUMBER_CELL = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?(inf|infinity)")
#: How like the name of a table that may be left out another file's must be to be taken for a
#: misspelt one (`difflib`'s ratio).
_LEAST_LIKE = 0.8
#: Tenants that there may be where no file of quotas says how many there are, or as many as jobs.
MOST_UNNAMED = 2**16
#: Columns of names, and of hours of tidy tables, that are no columns of the table's class.
NAMES = {
    "jobs": ["id"],
    "quotas": ["name"],
    "sites": ["hour"],
    "classes": ["hour"],
    "energy": ["hour"],
    "corridors": ["hour"],
}


def write_problem(problem: Problem, folder: str | Path, *, format: str = "parquet") -> Path:
    """Write a problem as a folder of tables.

    Parameters
    ----------
    problem : Problem
    folder : path
        Made if it is not there; otherwise empty, or a problem's that was written before and not
        changed since. A ``ledger.jsonl`` in it is kept and continued by the problem's ledger.
    format : "parquet", "csv" or "tidy"
        "tidy" is CSV as well, with a row for each site (class, pair of sites) and hour where "csv"
        has a column for each hour.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InvalidProblemError
        The folder holds anything else: the first such file, or a ledger that the problem's does not
        continue.
    OSError
        It cannot be written; it is as it was then.

    Notes
    -----
    The new folder takes the old one's place in one step, once all of it is on the disk.

    Examples
    --------
    >>> import tempfile
    >>> from gridcompute import grid
    >>> problem = grid.east_west(n_jobs=50, seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     grid.read_problem(grid.write_problem(problem, folder, format="csv"))
    <Problem 'east-west': 50 jobs, 60 classes at 12 sites, 24 hours>
    """
    format = choice("format", format, FORMATS)
    folder = Path(folder)
    kept = problem.mandate.ledger
    with (
        _continued(folder / LEDGER, kept) as ledger,
        replacing(folder, "problem", spare=[LEDGER]) as work,
    ):
        _fill_problem(problem, work, format, ledger)
    return folder


def read_problem(
    folder: str | Path, *, ledger: str | Path | None = None, jobs: bool = True
) -> Problem:
    """Read a problem from a folder of tables (see `write_problem` for the layout).

    Parameters
    ----------
    folder : path
    ledger : path, optional
        The file of the mandate's ledger, wherever it lies, in place of the one that problem.json
        names. What problem.json names must lie in the folder.
    jobs : bool
        False: no table of jobs is read, nor of running ones; the problem has none.

    Raises
    ------
    InvalidProblemError
        A file missing or malformed, a column or setting unknown, missing or twice, a value out of
        range: file, column, row, what was found and what was needed.

    Notes
    -----
    Where no file of quotas is, no tenant is limited, and where none of running jobs is, none runs.
    Every other table is needed, and these too where `write_problem` wrote them: there the file has
    been lost. A file whose name resembles theirs is refused in their place, such as quota.csv.

    Only regular files are opened. What a table may decode to is bounded: a gigabyte, or a hundred
    times its file.
    """
    folder = Path(folder)
    settings = Settings.read(folder / SETTINGS_FILE)
    hours = settings.hours
    sources = settings.part("energy").get("source_names")
    known = {
        "accelerator": settings.part("classes").get("accelerator_names", ()),
        "family": settings.part("classes").get("family_names", ()),
    }
    limited = (folder / LIST).exists() or _has_optional(folder, "quotas")
    left_out = set() if limited else {"quotas"}
    left_out |= set() if jobs else {"jobs"}
    paths = {name: _table_path(folder, name) for name in TABLES if name not in left_out}
    tables: dict[str, Any] = {}
    places: dict[str, _Places] = {}
    sizes = {"hour": hours, "source": 1 if sources is None else len(sources)}
    for name, kind in TABLES.items():
        if name not in paths:
            continue
        texts = [c for c, spec in kind.columns().items() if spec.dtype is np.str_]
        texts += NAMES.get(name, [])
        texts += [column for column, called in known.items() if has_other_numbers(called)]
        read = arrow = read_table(paths[name], texts)
        places[name] = _Places(paths[name], kind, read, tidy=is_tidy(read, kind))
        extra: dict[str, Any] = settings.part(name)
        with places[name].told(rows=True):
            arrow = with_hours(arrow, paths[name], name, settings.start, settings.step_h)
            if name == "quotas" and "parent" in arrow.column_names:
                arrow = with_parents(arrow, paths[name])
            arrow = with_indices(arrow, paths[name], kind, known)
            arrow = widened(arrow, paths[name], kind, hours, known.get("site", ()), sources or ())
            if name == "quotas" and "name" in arrow.column_names:
                extra["tenant_names"] = known["tenant"] = _tenants(arrow["name"], paths[name])
                arrow = arrow.drop_columns(["name"])
        if name == "energy" and sources == () and "direct_kwh" not in arrow.column_names:
            # No source has no column in CSV.
            extra |= {"direct_kwh": np.zeros((0, len(tables["sites"]), hours))}
            extra |= {"direct_yuan_per_kwh": np.zeros((0, len(tables["sites"])))}
        with places[name].told():
            tables[name] = _built(kind, arrow, paths[name], sizes, extra)
        if name == "sites":
            known["origin"] = known["destination"] = known["site"] = [
                str(n) for n in tables[name].name
            ]
            sizes |= {"destination": len(tables[name])}
    if not jobs:
        none = {name: np.zeros(0, spec.dtype) for name, spec in Jobs.columns().items()}
        tables["jobs"] = Jobs(**none)
    if not limited:
        tables["quotas"] = (
            _unlimited(tables["jobs"], paths["jobs"]) if jobs else Quotas.unlimited(1)
        )
    if jobs and _has_optional(folder, RUNNING):
        paths[RUNNING] = _table_path(folder, RUNNING)
        arrow = read_table(paths[RUNNING], [])
        places[RUNNING] = _Places(paths[RUNNING], Running, arrow, tidy=False)
        with places[RUNNING].told():
            arrow = with_indices(arrow, paths[RUNNING], Running, known)
            tables[RUNNING] = _built(Running, arrow, paths[RUNNING], sizes, {})
    mandate = settings.mandate(_ledger(settings, folder, ledger))
    try:
        return Problem(
            hours=hours,
            mandate=mandate,
            name=settings.name or folder.name,
            direct_rule=settings.direct_rule(),
            start=settings.start,
            step_h=settings.step_h,
            sources=settings.sources,
            **tables,
        )
    except InvalidProblemError as error:
        table = error.field.partition(".")[0]
        told = places[table].told() if table in places else contextlib.nullcontext()
        with told:
            raise _in_file(paths.get(table, folder / SETTINGS_FILE), error) from None


def write_plan(plan: Plan, folder: str | Path) -> Path:
    """Write a plan: for machines ``plan.npz`` and ``plan.json``, for people the rest.

    ``problem/`` the problem, ``jobs.parquet`` each job's place and price, ``green.csv`` the account
    by site, ``audit.md`` the audit, ``plan.html`` the page; where jobs are interruptible,
    ``runs.parquet`` their pieces (`Plan.runs`).

    Parameters
    ----------
    plan : Plan
    folder : path
        Made if it is not there; otherwise empty, or a plan's that was written before and not
        changed since.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InvalidProblemError
        The folder holds anything else: the first such file.
    OSError
        It cannot be written; it is as it was then.

    Notes
    -----
    The new folder takes the old one's place in one step, once all of it is on the disk.
    """
    folder = Path(folder)
    inner = f"problem/{LEDGER}"
    with (
        _continued(folder / inner, plan.problem.mandate.ledger) as ledger,
        replacing(folder, "plan", spare=[inner]) as work,
    ):
        (work / "problem").mkdir()
        _fill_problem(plan.problem, work / "problem", "parquet", ledger)
        arrays: dict[str, Any] = {"assignment": plan.assignment, "start": plan.start}
        if plan.pieces is not None:
            arrays[BUSY] = _marks(plan)
        for part in PARTS:
            table = getattr(plan, part)
            arrays |= {f"{part}.{k}": getattr(table, k) for k in table.columns()}
        np.savez_compressed(work / ARRAYS_FILE, **arrays)
        numbers = {k: getattr(plan, k) for k in (*NUMBERS, "gap", "status")}
        stats = json.loads(json.dumps(dict(plan.stats), default=str))
        text = json.dumps({**numbers, "version": __version__, "stats": stats}, indent=2)
        (work / PLAN_FILE).write_text(text + "\n", encoding="utf-8")
        write_table(plan.to_arrow(), work / "jobs.parquet")
        if plan.problem.jobs.interruptible.any():
            write_table(runs_table(plan), work / RUNS_FILE)
        write_table(account_table(plan), work / "green.csv")
        (work / "audit.md").write_text(str(audit(plan)), encoding="utf-8")
        plan.report(work / "plan.html")
    return folder


def runs_table(plan: Plan) -> pa.Table:
    """Return the runs of placed jobs, as runs.parquet has them."""
    with extra("grid"):
        import pyarrow as pa

    return pa.table({name: pa.array(values) for name, values in plan.runs().items()})


def _marks(plan: Plan) -> NDArray[np.bool_]:
    """Return the hours of the jobs that run in pieces, (n_jobs, n_hours)."""
    out, pieces = np.zeros((len(plan.assignment), plan.problem.hours), bool), plan.pieces
    assert pieces is not None
    for job in np.unique(pieces.job).tolist():
        out[job] = plan.busy(job)
    return out


def account_table(plan: Plan) -> pa.Table:
    """Return the green account by site, as green.csv has it; null for a share of no load."""
    with extra("grid"):
        import pyarrow as pa

    account = {"name": plan.problem.sites.name, **plan.green}
    return pa.table({k: pa.array(values, from_pandas=True) for k, values in account.items()})


def read_plan(folder: str | Path) -> Plan:
    """Read a plan that `write_plan` wrote, with its problem.

    Raises
    ------
    InvalidProblemError
        A file missing or malformed, an array or number missing, unknown or of another shape: file,
        name, what was found and what was needed. Whether the plan is right is for `Plan.verify`.
    """
    folder = Path(folder)
    problem = read_problem(folder / "problem")
    for needed in (PLAN_FILE, ARRAYS_FILE):
        if not (folder / needed).exists():
            raise InvalidProblemError(
                f"{folder} has no {needed}: not the folder of a plan", "folder"
            )
    numbers = stored_numbers(folder / PLAN_FILE)
    del numbers["gap"], numbers["version"]  # it follows from the others; of those who wrote it
    sizes = dimensions(problem) | {"cover": -1}  # as many as there are
    shapes: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
        name: (np.int32, (len(problem.jobs),)) for name in ("assignment", "start")
    }
    optional = [BUSY]
    for part, kind in PARTS.items():
        for name, spec in kind.columns().items():
            shapes[f"{part}.{name}"] = (spec.dtype, tuple(sizes[d] for d in spec.dims))
            if kind.__dataclass_fields__[name].default is not dataclasses.MISSING:
                optional.append(f"{part}.{name}")
    shapes[BUSY] = (np.bool_, (len(problem.jobs), problem.hours))
    path = folder / ARRAYS_FILE
    arrays = read_arrays(path, shapes, optional, MOST_COVERS)
    cut = BUSY in arrays
    try:
        parts = {
            part: kind(
                **{k: arrays[f"{part}.{k}"] for k in kind.columns() if f"{part}.{k}" in arrays}
            )
            for part, kind in PARTS.items()
        }
    except InvalidProblemError as error:
        raise _in_file(path, error) from None
    try:
        return Plan(
            problem=problem,
            assignment=arrays["assignment"],
            start=arrays["start"],
            pieces=pieces_of(np.arange(len(problem.jobs)), arrays[BUSY]) if cut else None,
            **parts,  # type: ignore[arg-type]
            **numbers,
        )
    except InvalidProblemError as error:
        raise _in_file(folder / PLAN_FILE, error) from None


def _fill_problem(problem: Problem, folder: Path, format: str, ledger: bytes | None) -> None:
    """Write the files of a problem into an empty folder; `ledger` is the content of its ledger."""
    classes, energy = problem.classes, problem.energy
    names = [*problem.sites.name, *classes.accelerator_names, *classes.family_names]
    names += [*problem.sites.region_names, *problem.sites.operator_names]
    names += [*problem.quotas.tenant_names]
    for text in (problem.name, *names, *energy.source_names):
        require_text("name", str(text))
    suffix = "csv" if format == "tidy" else format
    for name in TABLES:
        long = tidied(problem, name) if format == "tidy" else None
        table = _arrow(problem, name) if long is None else long
        table = _with_names(table, problem, name) if suffix == "csv" else table
        write_table(table, folder / f"{name}.{suffix}")
    if problem.running is not None:
        write_table(problem.running.to_arrow(), folder / f"{RUNNING}.{suffix}")
    if ledger is not None:
        (folder / LEDGER).write_bytes(ledger)
    text = json.dumps(settings_of(problem, LEDGER), indent=2, ensure_ascii=False)
    (folder / SETTINGS_FILE).write_text(text + "\n", encoding="utf-8")


def _tenants(column: Any, path: Path) -> tuple[str, ...]:
    """Return the names of tenants from the file of their quotas."""
    names = column.to_pylist()
    for row, text in enumerate(names):
        if not text:
            message = f"{path.name}: quotas.name[{row}] is {text!r}, needed a name"
            raise InvalidProblemError(message, "quotas.name", row)
    return tuple(names)


def _arrow(problem: Problem, name: str) -> pa.Table:
    """Return a table as its file has it: tenants with their names."""
    table = getattr(problem, name).to_arrow()
    if name == "quotas" and problem.quotas.tenant_names:
        import pyarrow as pa

        names = problem.quotas.tenant_names
        table = table.add_column(0, "name", pa.array(names))
        if "parent" in table.column_names:
            parents = [names[p] if p >= 0 else "" for p in problem.quotas.parent.tolist()]
            at = table.column_names.index("parent")
            table = table.set_column(at, "parent", pa.array(parents))
    return table


def _with_names(table: pa.Table, problem: Problem, name: str) -> pa.Table:
    """Return a table with names for numbers in the columns where a number may be another's name."""
    import pyarrow as pa

    sites, classes = [str(text) for text in problem.sites.name], problem.classes
    known: dict[str, dict[str, Sequence[str]]] = {
        "jobs": {
            "origin": sites,
            "family": classes.family_names,
            "tenant": problem.quotas.tenant_names,
        },
        "classes": {"site": sites, "accelerator": classes.accelerator_names},
    }
    for column, called in known.get(name, {}).items():
        if has_other_numbers(called) and pa.types.is_integer(table[column].type):
            texts = pa.array([called[i] for i in table[column].to_pylist()], pa.string())
            table = table.set_column(table.column_names.index(column), column, texts)
    return table


@contextlib.contextmanager
def _continued(path: Path, ledger: CarriedEnergy | None) -> Iterator[bytes | None]:
    """Yield the content of a ledger's file that holds `ledger`, None where there is none.

    A ledger that lies at `path` already is history: it is locked meanwhile, and continued byte by
    byte, or the call is refused.
    """
    if not path.exists():
        yield None if ledger is None else b"".join(entry.line() for entry in ledger.entries)
        return
    with LedgerFile(path, write=True) as file:
        held = file.entries()
        mine = () if ledger is None else ledger.entries
        if [e.hash for e in held] != [e.hash for e in mine[: len(held)]] or ledger is None:
            what = "no ledger" if ledger is None else f"another of {len(mine)} entries"
            message = f"{path}: found a ledger of {len(held)} entries, and {what} in the problem"
            needed = "needed one that continues it, or another folder"
            raise InvalidProblemError(f"{message}; {needed}", "ledger")
        yield file.content_with(mine[len(held) :])


def _ledger(settings: Settings, folder: Path, given: str | Path | None) -> Ledger | None:
    """Return the mandate's ledger, from the file that was given or the one problem.json names."""
    policy = settings.part("ledger")
    named = policy.pop("path", None)
    if given is None and not settings.has("ledger"):
        return None
    path = Path(given) if given is not None else _within(folder, named)
    try:
        return Ledger.read(path, **policy)
    except FileNotFoundError:
        place = "" if given is not None else f"{SETTINGS_FILE}: ledger.path: "
        message = f"{place}{path} is not there, needed a ledger"
        raise InvalidProblemError(message, "ledger.path") from None
    except TypeError as error:
        raise settings.fault(error, "ledger") from None


def _within(folder: Path, named: object) -> Path:
    """Return the path of a file that problem.json names, which must lie in the folder."""
    needed = "needed the path of a file in its folder"
    if not isinstance(named, str) or not named.strip("/.") or "\0" in named:
        message = f"{SETTINGS_FILE}: ledger.path: found {named!r}, {needed}"
        raise InvalidProblemError(message, "ledger.path")
    path, home = folder / named, os.path.realpath(folder)
    if os.path.commonpath([home, os.path.realpath(path)]) != home:
        message = f"{SETTINGS_FILE}: ledger.path: found {named!r}, {needed}"
        hint = "another can be given by ledger=, on the command line by --ledger"
        raise InvalidProblemError(f"{message} ({hint})", "ledger.path")
    return path


def stored_numbers(path: Path) -> dict[str, Any]:
    """Return what plan.json holds, each of its type."""
    found = parse(read_bytes(path, most=MOST_JSON), path.name, constants=True)
    if not isinstance(found, dict):
        message = f"{path.name}: found a {type(found).__name__}, needed an object"
        raise InvalidProblemError(message, path.name)
    names = [*NUMBERS, "gap", "status", "version", "stats"]
    require_keys(path.name, found, names)
    for name in names:
        if name not in found:
            raise InvalidProblemError(f"{path.name}: found no {name!r}, needed one", name)
    kinds: dict[str, tuple[type | tuple[type, ...], str]] = {
        **dict.fromkeys((*NUMBERS, "gap"), ((int, float), "a number")),
        **dict.fromkeys(("status", "version"), (str, "text")),
        "stats": (dict, "an object"),
    }
    for name, (kind, needed) in kinds.items():
        if not isinstance(found[name], kind) or isinstance(found[name], bool):
            message = f"{path.name}: {name}: found {found[name]!r:.100}, needed {needed}"
            raise InvalidProblemError(message, name)
    try:
        return found | {name: float(found[name]) for name in (*NUMBERS, "gap")}
    except OverflowError:
        message = f"{path.name}: found a number beyond 1.8e308, needed one that a double can hold"
        raise InvalidProblemError(message, path.name) from None


def _table_path(folder: Path, name: str) -> Path:
    paths = [folder / f"{name}{suffix}" for suffix in SUFFIXES]
    there = [path for path in paths if path.exists()]
    if len(there) != 1:
        found = "both" if there else "neither"
        message = f"{folder}: {found} of {name}.parquet and {name}.csv, needed one of them"
        raise InvalidProblemError(message, name)
    return there[0]


def _has_optional(folder: Path, name: str) -> bool:
    """Return whether a folder has a table that may be left out, or had it when it was written.

    Raises
    ------
    InvalidProblemError
        It has a table of a name so like it that leaving the table out would be a mistake.
    """
    files = [f"{name}{suffix}" for suffix in SUFFIXES]
    if any(os.path.lexists(folder / file) for file in files):
        return True
    if any(file in written_files(folder) for file in files):
        return True
    for path in sorted(folder.iterdir()):
        like = Path(path.name.lower().removesuffix(".gz"))
        if like.suffix in SUFFIXES and difflib.get_close_matches(like.stem, [name], 1, _LEAST_LIKE):
            needed = f"needed {' or '.join(files)}, or no file of such a name"
            raise InvalidProblemError(f"{folder}: found {path.name!r:.100}, {needed}", name)
    return False


def _unlimited(jobs: Jobs, path: Path) -> Quotas:
    """Return quotas without limits, a row for each tenant up to the last that a job names.

    A number of a tenant far beyond what the jobs could fill is a mistake, and no reason for tables
    of that length.
    """
    most, row = max(len(jobs), MOST_UNNAMED), int(np.argmax(jobs.tenant)) if len(jobs) else 0
    last = int(jobs.tenant[row]) if len(jobs) else 0
    if last >= most:
        needed = f"below {most} where no file of quotas is"
        message = f"{path.name}: jobs.tenant[{row}]: found {last}, needed {needed}"
        raise InvalidProblemError(message, "jobs.tenant", row)
    return Quotas.unlimited(last + 1)


@dataclasses.dataclass(frozen=True)
class _Places:
    """Where the rows of a table stand in its file, and what its jobs are called there."""

    path: Path
    kind: type[Table]
    #: As it was read.
    table: pa.Table
    tidy: bool

    @contextlib.contextmanager
    def told(self, *, rows: bool = False) -> Iterator[None]:
        """Add the line, and the id of a job, to an error of the block that names one entry.

        Indices of entries are rows of the file if `rows` says so, or if it is not tidy.
        """
        try:
            yield
        except InvalidProblemError as error:
            error = self._of_cell(error)
            row = self._row(error) if rows or not self.tidy else None
            if row is None or row >= len(self.table):
                raise
            line = line_of(self.path, row) if self.path.suffix == ".csv" else None
            words = [f"line {line}"] if line is not None else []
            if self.kind is Jobs and "id" in self.table.column_names:
                called = f"job {self.table['id'][row].as_py()!s:.100}"
                words += [called] if not str(error).endswith(f"; {called}") else []
            if not words:
                raise
            message = f"{error}; {', '.join(words)}"
            raise InvalidProblemError(message, error.field, error.index) from None

    def _of_cell(self, error: InvalidProblemError) -> InvalidProblemError:
        """Return an error about a whole CSV column's type as one about the cell that gave it.

        A column is read as one type: one 1.0 among integers, or one 1_000, makes floats or text of
        all.
        """
        found = _OF_TYPE.fullmatch(str(error))
        if found is None or self.tidy or self.path.suffix != ".csv":
            return error
        name = found["place"].rpartition(".")[2]
        number = _INTEGER_CELL if "an integer" in found["needed"] else _NUMBER_CELL
        heads = [h for h in self.table.column_names if h.partition("[")[0] == name]
        odd = first_cell(self.path, heads, lambda text: not number.fullmatch(text.strip(" \t")))
        if odd is None:
            return error
        head, row, text = odd
        place = f"{found['place']}{head[len(name) :]}[{row}]"
        message = f"{place} is {text!r:.100}, {found['needed']}"
        return InvalidProblemError(message, error.field, row)

    def _row(self, error: InvalidProblemError) -> int | None:
        """Return the row of the file that the message of an error names, None if it names none."""
        found = re.search(r"\[([0-9]+(?:, [0-9]+)*)\](?: is |: found )", str(error))
        if found is None:
            return None
        index = [int(i) for i in found[1].split(", ")]
        spec = self.kind.columns().get(error.field.partition(".")[2])
        at = 0 if spec is None or len(index) == 1 else spec.dims.index(self.kind.rows)
        return index[at] if at < len(index) else None


def _built(
    kind: type[Table],
    arrow: pa.Table,
    path: Path,
    sizes: Mapping[str, int],
    extra: Mapping[str, Any],
) -> Any:
    """Return the table of a file; faults begin with the file's name."""
    missing = sorted(
        name
        for name, field in kind.__dataclass_fields__.items()
        if name in kind.columns() and name not in extra and field.default is dataclasses.MISSING
        if not any(c == name or c.startswith(f"{name}[") for c in arrow.column_names)
    )
    if missing:
        message = f"{path.name}: {kind.title} has no column '{missing[0]}', which has no default"
        message += _columns_found(kind, arrow.column_names, missing[0])
        raise InvalidProblemError(message, f"{kind.title}.{missing[0]}")
    for name, spec in kind.columns().items():
        here = {kind.rows: arrow.num_rows, **sizes}
        require_room(path, name, [here.get(d, 1) for d in spec.dims])
    try:
        return kind.from_arrow(arrow, sizes=sizes, **extra)
    except (InvalidProblemError, TypeError) as error:
        at_fault = re.match(rf"{kind.title}\b(?:\.(\w+))?", str(error))
        if at_fault is None:
            raise  # no fault of the file
        setting = at_fault[1] in extra and at_fault[1] != "tenant_names"
        place = path.with_name(SETTINGS_FILE) if setting else path
        raise _in_file(place, error, at_fault[0]) from None


def _columns_found(kind: type[Table], names: Sequence[str], missing: str) -> str:
    """Return in words what a file has in a missing column's place: an odd head, or no commas.

    Of several odd heads the one that resembles the missing column is named.
    """
    mark = next((mark for mark in (";", "\t") if len(names) == 1 and mark in names[0]), "")
    if mark:
        return f"; found one column, its names joined by {mark!r}, needed commas between them"
    odd = [name for name in names if name.partition("[")[0] not in kind.__dataclass_fields__]
    odd = difflib.get_close_matches(missing, odd, 1) or odd
    return f"; found a column {odd[0]!r:.100}, which it does not know" if odd else ""


def _in_file(path: Path, error: Exception, field: str = "") -> InvalidProblemError:
    """Return the error with the file's name in front."""
    message = str(error)
    message = message if message.startswith(f"{path.name}: ") else f"{path.name}: {message}"
    if isinstance(error, InvalidProblemError):
        return InvalidProblemError(message, error.field, error.index)
    return InvalidProblemError(message, field)
