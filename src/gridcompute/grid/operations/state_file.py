"""Snapshots of an operator: its problem, its state and its settings in one file.

The file is written whole and checksummed by `_snapshot`. A checksum proves that it is as
it was written; every table is built, and so checked, again when it is read.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _snapshot
from ..plan.columns import Pieces, Placement, Prices
from ..plan.ledger import Ledger
from ..plan.ledger_entry import entry_of
from ..tables.corridors import Corridors
from ..tables.energy import Energy
from ..tables.jobs import Jobs
from ..tables.mandate import DirectRule, Mandate
from ..tables.problem import Problem
from ..tables.quotas import Quotas
from ..tables.running import Running
from ..tables.sites import Classes, Sites
from ..tables.times import start_text
from .hour_ledger import HourLedger
from .job_book import OWN, Book
from .state import AHEAD, HOURLY, TAKEN, State

if TYPE_CHECKING:
    from os import PathLike

    from ..tables.column import Columns

KIND = "grid.Rolling"
TABLES: dict[str, type[Columns]] = {
    "jobs": Jobs,
    "sites": Sites,
    "classes": Classes,
    "energy": Energy,
    "corridors": Corridors,
    "quotas": Quotas,
    "running": Running,
}
LEDGER_COLUMNS = ("load_kwh", "green_kwh", "certificate_kwh", "shed_kwh")


def write_state(
    path: str | PathLike[str], world: Problem, state: State, settings: dict[str, Any]
) -> None:
    """Write a snapshot."""
    meta: dict[str, Any] = {
        "settings": settings,
        "clock": state.clock,
        "history": state.history,
        "gap_yuan": state.gap_yuan,
    }
    arrays: dict[str, Any] = {}
    meta["tables"] = {}
    for name in TABLES:
        table = getattr(world, name)
        if table is None:
            continue
        texts: dict[str, Any] = {}
        for field in dataclasses.fields(table):
            value = getattr(table, field.name)
            if isinstance(value, np.ndarray) and value.dtype.kind != "U":
                arrays[f"{name}.{field.name}"] = value
            else:
                texts[field.name] = value.tolist() if isinstance(value, np.ndarray) else value
        meta["tables"][name] = texts
    meta["problem"] = {
        "hours": world.hours,
        "name": world.name,
        "step_h": world.step_h,
        "start": None if world.start is None else start_text(world.start),
        "sources": world.sources,
    }
    meta["mandate"] = _mandate_of(world.mandate)
    meta["direct_rule"] = dataclasses.asdict(world.direct_rule)
    for name, values in state.book.columns.items():
        arrays[f"book.{name}"] = values
    for name in ("green_kwh", "grey_kwh", "worth", "used", "rows"):
        arrays[f"state.{name}"] = getattr(state, name)
    for name in LEDGER_COLUMNS:
        arrays[f"ledger.{name}"] = getattr(state.ledger, name)
    for name, hours in state.actual.items():
        if hours:
            arrays[f"actual.{name}"] = np.array(hours)
    for name, amount in state.direct.items():
        arrays[f"direct.{name}"] = amount
    for name, amount in state.ahead.items():
        arrays[f"ahead.{name}"] = amount
    if state.prices is not None:
        for name in Prices.columns():
            arrays[f"prices.{name}"] = getattr(state.prices, name)
        if state.prices.placement is not None:
            arrays["placement.klass"] = state.prices.placement.klass
            arrays["placement.start"] = state.prices.placement.start
            if state.prices.placement.pieces is not None:
                for name in Pieces.columns():
                    arrays[f"pieces.{name}"] = getattr(state.prices.placement.pieces, name)
    contiguous = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    _snapshot.write(path, KIND, meta, contiguous)


def read_state(path: str | PathLike[str]) -> tuple[Problem, State, dict[str, Any]]:
    """Return problem, state and settings of a snapshot.

    Raises
    ------
    InvalidProblemError
        The file is no snapshot of an operator, another version wrote it, or its parts do not fit
        each other.
    """
    meta, arrays = _snapshot.read(path, KIND)
    with _snapshot.rebuilding(path):
        world = _world_of(meta, arrays)
        return world, _state_of(meta, arrays, world), dict(meta["settings"])


def _mandate_of(mandate: Mandate) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(mandate) if field.name != "ledger"]
    out: dict[str, Any] = {name: getattr(mandate, name) for name in names}
    if mandate.ledger is not None:
        out["ledger"] = {
            "window": mandate.ledger.window,
            "cap_yuan_per_kwh": mandate.ledger.cap_yuan_per_kwh,
            "lines": [entry.line().decode("utf-8") for entry in mandate.ledger.entries],
        }
    return out


def _tuples(found: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}


def _world_of(meta: dict[str, Any], arrays: dict[str, Any]) -> Problem:
    tables: dict[str, Any] = {}
    for name, texts in meta["tables"].items():
        fields: dict[str, Any] = _tuples(texts)
        for key, spec in TABLES[name].columns().items():
            whole = f"{name}.{key}"
            fields[key] = np.array(fields[key], np.str_) if spec.dtype is np.str_ else arrays[whole]
        if f"{name}.id" in arrays and "id" not in TABLES[name].columns():
            fields["id"] = arrays[f"{name}.id"]
        tables[name] = TABLES[name](**fields)
    mandate: dict[str, Any] = _tuples(meta["mandate"])
    kept = mandate.pop("ledger", None)
    if kept is not None:
        lines = [line.encode("utf-8").removesuffix(b"\n") for line in kept["lines"]]
        entries = tuple(entry_of(line, "ledger", k) for k, line in enumerate(lines))
        mandate["ledger"] = Ledger(kept["window"], kept["cap_yuan_per_kwh"], entries)
    rule: dict[str, Any] = _tuples(meta["direct_rule"])
    return Problem(
        **tables, **meta["problem"], mandate=Mandate(**mandate), direct_rule=DirectRule(**rule)
    )


def _state_of(meta: dict[str, Any], arrays: dict[str, Any], world: Problem) -> State:
    clock = int(meta["clock"])
    columns: dict[str, Any] = {name: spec.dtype for name, spec in Jobs.columns().items()}
    book = Book({name: arrays[f"book.{name}"] for name in columns | OWN})
    if any(len(values) != len(book) for values in book.columns.values()):
        raise ValueError("columns of the book have unlike lengths")
    placement, prices = None, None
    if "prices.energy" in arrays:
        if "placement.klass" in arrays:
            klass, start = arrays["placement.klass"], arrays["placement.start"]
            pieces = None
            if "pieces.job" in arrays:
                pieces = Pieces(**{name: arrays[f"pieces.{name}"] for name in Pieces.columns()})
            placement = Placement(klass=klass, start=start, pieces=pieces)
        kept = {name: arrays[f"prices.{name}"] for name in Prices.columns()}
        prices = Prices(placement=placement, **kept)
    ledger = HourLedger(
        tuple(str(name) for name in world.sites.name),
        np.arange(clock),
        *(arrays[f"ledger.{name}"] for name in LEDGER_COLUMNS),
    )
    if any(getattr(ledger, name).shape != (clock, len(world.sites)) for name in LEDGER_COLUMNS):
        raise ValueError(f"the ledger does not have {clock} hours")
    if arrays["state.used"].shape != world.quotas.linear_rows.end.shape:
        raise ValueError("what was used is not that of the quotas")
    actual = {
        name: list(arrays[f"actual.{name}"]) if clock else [] for name in (*HOURLY, "may_shed_kwh")
    }
    return State(
        clock=clock,
        book=book,
        ledger=ledger,
        prices=prices,
        history={name: [float(v) for v in values] for name, values in meta["history"].items()},
        actual=actual,
        direct={name: arrays[f"direct.{name}"] for name in TAKEN},
        ahead={name: arrays[f"ahead.{name}"] for name in AHEAD},
        gap_yuan=float(meta["gap_yuan"]),
        **{
            name: arrays[f"state.{name}"]
            for name in ("green_kwh", "grey_kwh", "worth", "used", "rows")
        },
    )
