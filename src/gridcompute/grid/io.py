"""A problem as a folder of tables, and a plan as a folder beside it: CSV or Parquet in, Parquet
out.

A problem's folder holds ``problem.json`` and one file for each of jobs, sites, classes, energy,
corridors and quotas, ``.parquet`` or ``.csv``. A column with more dimensions than rows is a list in
Parquet, and in CSV is spread over columns ``name[i]`` or ``name[i,j]``; dimensions left out are
repeated. Indices of sites, accelerators and families may be written as names.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidProblemError
from .audit import audit
from .corridors import Corridors
from .energy import Energy
from .jobs import Jobs
from .ledger import Ledger
from .mandate import DirectRule, Mandate, Quotas
from .plan import Dispatch, Plan, Prices
from .problem import Problem
from .sites import Classes, Sites

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from .columns import Columns, Table

__all__ = ["read_plan", "read_problem", "write_plan", "write_problem"]

TABLES: dict[str, type[Table]] = {
    "sites": Sites,
    "classes": Classes,
    "jobs": Jobs,
    "energy": Energy,
    "corridors": Corridors,
    "quotas": Quotas,
}
#: What of each table is no column and stands in problem.json.
SETTINGS = {
    "classes": ("accelerator_names", "family_names"),
    "energy": ("source_names", "certificate_yuan_per_kwh", "carbon_yuan_per_t", "terminal"),
    "corridors": ("latency_rule",),
}
MANDATE = ("share", "scope", "rule", "new", "shortfall_yuan_per_kwh")
DIRECT_RULE = ("used", "of_load", "sites", "shortfall_yuan_per_kwh")


def write_problem(problem: Problem, folder: str | Path, *, format: str = "parquet") -> Path:
    """Write a problem as a folder of tables.

    Parameters
    ----------
    problem : Problem
    folder : path
        Made if it is not there.
    format : "parquet" or "csv"

    Returns
    -------
    Path
        The folder.

    Examples
    --------
    >>> import tempfile
    >>> from gridcompute import grid
    >>> problem = grid.east_west(n_jobs=50, seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     grid.read_problem(grid.write_problem(problem, folder, format="csv"))
    <Problem 'east-west': 50 jobs, 60 classes at 12 sites, 24 hours>
    """
    if format not in ("parquet", "csv"):
        raise InvalidProblemError(f"format is {format!r}, needed 'parquet' or 'csv'", "format")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {"name": problem.name, "hours": problem.hours}
    for name in TABLES:
        table = getattr(problem, name)
        _write_table(table.to_arrow(), folder / f"{name}.{format}")
        if name in SETTINGS:
            settings[name] = {k: getattr(table, k) for k in SETTINGS[name]}
    settings["mandate"] = {k: getattr(problem.mandate, k) for k in MANDATE}
    settings["direct_rule"] = {k: getattr(problem.direct_rule, k) for k in DIRECT_RULE}
    ledger = problem.mandate.ledger
    if ledger is not None:
        (folder / "ledger.jsonl").unlink(missing_ok=True)
        ledger.write(folder / "ledger.jsonl")
        policy = {"window": ledger.window, "cap_yuan_per_kwh": ledger.cap_yuan_per_kwh}
        settings["ledger"] = {"path": "ledger.jsonl", **policy}
    text = json.dumps(settings, indent=2, ensure_ascii=False)
    (folder / "problem.json").write_text(text + "\n", encoding="utf-8")
    return folder


def read_problem(folder: str | Path) -> Problem:
    """Read a problem from a folder of tables (see `write_problem` for the layout).

    Raises
    ------
    InvalidProblemError
        A file missing, a column unknown or missing, a value out of range: file or table, column,
        row, what was found and what was needed.
    """
    folder = Path(folder)
    settings = _settings(folder / "problem.json")
    hours = settings.get("hours")
    if isinstance(hours, bool) or not isinstance(hours, int):
        raise InvalidProblemError(f"problem.json: hours is {hours!r}, needed an integer", "hours")
    names = {k: list(settings.get("classes", {}).get(k, ())) for k in SETTINGS["classes"]}
    known = {"accelerator": names["accelerator_names"], "family": names["family_names"]}
    tables: dict[str, Any] = {}
    sources = settings.get("energy", {}).get("source_names")
    sizes = {"hour": hours, "source": 1 if sources is None else len(sources)}
    for name, kind in TABLES.items():
        arrow = _named(_read_table(folder, name, kind), name, kind, known)
        extra = settings.get(name, {}) if name in SETTINGS else {}
        extra = {k: tuple(v) if isinstance(v, list) else v for k, v in extra.items()}
        if name == "energy" and sources == [] and "direct_kwh" not in arrow.column_names:
            # No source has no column in CSV.
            extra |= {"direct_kwh": np.zeros((0, len(tables["sites"]), hours))}
            extra |= {"direct_yuan_per_kwh": np.zeros((0, len(tables["sites"])))}
        tables[name] = _built(kind, arrow, sizes, extra)
        if name == "sites":
            known["origin"] = known["site"] = [str(n) for n in tables[name].name]
            sizes |= {"destination": len(tables[name])}
    mandate = _mandate(settings, folder)
    label = str(settings.get("name", folder.name))
    rule = DirectRule(**_rule(settings, "direct_rule", DIRECT_RULE, {"used": 0.0, "of_load": 0.0}))
    return Problem(hours=hours, mandate=mandate, name=label, direct_rule=rule, **tables)


def write_plan(plan: Plan, folder: str | Path) -> Path:
    """Write a plan: for machines ``plan.npz`` and ``plan.json``, for people the rest.

    ``problem/`` the problem, ``jobs.parquet`` each job's place and price, ``green.csv`` the account
    by site, ``audit.md`` the audit, ``plan.html`` the page.
    """
    folder = Path(folder)
    write_problem(plan.problem, folder / "problem")
    arrays: dict[str, Any] = {"assignment": plan.assignment, "start": plan.start}
    for part in ("dispatch", "prices"):
        table = getattr(plan, part)
        arrays |= {f"{part}.{k}": getattr(table, k) for k in table.columns()}
    np.savez_compressed(folder / "plan.npz", **arrays)
    numbers = {k: getattr(plan, k) for k in ("objective_yuan", "bound_yuan", "without_option_yuan")}
    stats = json.loads(json.dumps(dict(plan.stats), default=str))
    text = json.dumps({**numbers, "gap": plan.gap, "status": plan.status, "stats": stats}, indent=2)
    (folder / "plan.json").write_text(text + "\n", encoding="utf-8")
    _write_table(plan.to_arrow(), folder / "jobs.parquet")
    import pyarrow as pa

    account = {"name": plan.problem.sites.name, **plan.green}
    _write_table(pa.table({k: pa.array(v) for k, v in account.items()}), folder / "green.csv")
    (folder / "audit.md").write_text(str(audit(plan)), encoding="utf-8")
    plan.report(folder / "plan.html")
    return folder


def read_plan(folder: str | Path) -> Plan:
    """Read a plan that `write_plan` wrote, with its problem."""
    folder = Path(folder)
    problem = read_problem(folder / "problem")
    for needed in ("plan.json", "plan.npz"):
        if not (folder / needed).exists():
            raise InvalidProblemError(
                f"{folder} has no {needed}: not the folder of a plan", "folder"
            )
    numbers = _settings(folder / "plan.json")
    with np.load(folder / "plan.npz", allow_pickle=False) as stored:
        arrays = {k: stored[k] for k in stored.files}

    def part(name: str, kind: type[Columns]) -> Any:
        return kind(**{k: arrays[f"{name}.{k}"] for k in kind.columns()})

    return Plan(
        problem=problem,
        assignment=arrays["assignment"],
        start=arrays["start"],
        dispatch=part("dispatch", Dispatch),
        prices=part("prices", Prices),
        objective_yuan=float(numbers["objective_yuan"]),
        bound_yuan=float(numbers["bound_yuan"]),
        without_option_yuan=float(numbers["without_option_yuan"]),
        status=str(numbers["status"]),
        stats=numbers["stats"],
    )


def _settings(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise InvalidProblemError(f"{path} is not there", "folder")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as why:
        raise InvalidProblemError(f"{path} is no JSON: {why}", path.name) from why
    if not isinstance(found, dict):
        raise InvalidProblemError(
            f"{path} holds a {type(found).__name__}, needed an object", path.name
        )
    return found


def _built(
    kind: type[Table], arrow: pa.Table, sizes: Mapping[str, int], extra: Mapping[str, Any]
) -> Any:
    fields = {f.name for f in dataclasses.fields(kind)}
    wrong = sorted(set(extra) - fields)
    if wrong:
        message = f"problem.json: {kind.title} has no setting {wrong[0]!r}"
        raise InvalidProblemError(message, f"{kind.title}.{wrong[0]}")
    missing = sorted(
        name
        for name, field in kind.__dataclass_fields__.items()
        if name in kind.columns() and name not in extra and field.default is dataclasses.MISSING
        if not any(c == name or c.startswith(f"{name}[") for c in arrow.column_names)
    )
    if missing:
        message = f"{kind.title} has no column '{missing[0]}', which has no default"
        raise InvalidProblemError(message, f"{kind.title}.{missing[0]}")
    return kind.from_arrow(arrow, sizes=sizes, **extra)


def _rule(
    settings: Mapping[str, Any], name: str, known: Sequence[str], none: Mapping[str, Any]
) -> dict[str, Any]:
    """The settings of a rule; `none` where problem.json says nothing of it."""
    given = dict(settings.get(name, none))
    wrong = sorted(set(given) - set(known))
    if wrong:
        raise InvalidProblemError(f"problem.json: {name} has no setting {wrong[0]!r}", name)
    return given


def _mandate(settings: Mapping[str, Any], folder: Path) -> Mandate:
    given = _rule(settings, "mandate", MANDATE, {"share": 0.0})
    if "ledger" in settings:
        policy = dict(settings["ledger"])
        given["ledger"] = Ledger.read(folder / policy.pop("path"), **policy)
    return Mandate(**given)


def _write_table(table: pa.Table, path: Path) -> None:
    if path.suffix == ".parquet":
        import pyarrow.parquet

        pyarrow.parquet.write_table(table, path)
    else:
        import pyarrow.csv

        pyarrow.csv.write_csv(_spread(table), path)


def _spread(table: pa.Table) -> pa.Table:
    """List columns as one column for each place in the list: ``name[i]``, ``name[i,j]``."""
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


def _read_table(folder: Path, name: str, kind: type[Table]) -> pa.Table:
    paths = [folder / f"{name}{suffix}" for suffix in (".parquet", ".csv")]
    there = [path for path in paths if path.exists()]
    if len(there) != 1:
        found = "both" if there else "neither"
        message = f"{folder}: {found} of {name}.parquet and {name}.csv, needed one of them"
        raise InvalidProblemError(message, name)
    path = there[0]
    if path.suffix == ".parquet":
        import pyarrow.parquet

        return pyarrow.parquet.read_table(path)
    import pyarrow as pa
    import pyarrow.csv

    text = {c: pa.string() for c, spec in kind.columns().items() if spec.dtype is np.str_}
    try:
        options = pyarrow.csv.ConvertOptions(column_types=text)
        return pyarrow.csv.read_csv(path, convert_options=options)
    except pa.ArrowInvalid as why:
        raise InvalidProblemError(f"{path}: {why}", name) from why


def _named(
    table: pa.Table, name: str, kind: type[Table], known: Mapping[str, Sequence[str]]
) -> pa.Table:
    """The table with names of sites, accelerators and families turned into their indices.

    An index may stand among names: where one row has a name, CSV reads all as text.
    """
    import pyarrow as pa

    for column in set(known) & set(table.column_names) & set(kind.columns()):
        values = table[column]
        if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
            continue
        place = {text: i for i, text in enumerate(known[column])}
        indices = np.zeros(len(values), np.int32)
        for row, text in enumerate(values.to_pylist()):
            if text not in place and not (text or "").isdecimal():
                message = f"{name}.{column}[{row}] is {text!r}, needed one of {', '.join(place)}"
                raise InvalidProblemError(message, f"{name}.{column}", row)
            indices[row] = place[text] if text in place else int(text)
        at = table.column_names.index(column)
        table = table.set_column(at, column, pa.array(indices))
    return table
