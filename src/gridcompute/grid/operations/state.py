"""The state of an operator from hour to hour: its jobs, its ledger, and snapshots of both.

A snapshot has the problem, the state and the settings in one file. It is written whole and
checksummed by `_snapshot`. A checksum proves that it is as it was written; every table is built,
and so checked, again when it is read.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _snapshot
from ..._value import Value
from ...errors import InvalidProblemError
from ..eligibility import hours_needed
from ..plan.columns import Pieces, Placement, Prices
from ..plan.costs import bundles, measurements
from ..plan.ledger import Ledger
from ..plan.ledger_entry import Entry, entry_of
from ..tables.jobs import Jobs, Running
from ..tables.mandate import DirectRule, Mandate
from ..tables.problem import Problem
from ..tables.quotas import Quotas
from ..tables.sites import Classes, Corridors, Energy, Sites
from ..tables.times import start_text

if TYPE_CHECKING:
    from os import PathLike

    import pyarrow as pa
    from numpy.typing import NDArray

    from ..tables.column import Bools, Columns, Floats, Int64s

_ENERGY = ("load_kwh", "green_kwh", "certificate_kwh")


@dataclasses.dataclass(frozen=True, eq=False)
class HourLedger(Value):
    """The account of the hours that have passed, by site.

    Parameters
    ----------
    sites : tuple of str
    hours : int64 (n,)
        Hours of the operator's clock; steps where the problem's are shorter than an hour.
    load_kwh, green_kwh : float64 (n, n_sites), kWh
        Load, and the green power used on it in the same hour.
    certificate_kwh : float64 (n, n_sites), kWh
        Direct power sold, where the volume rule counts it; else 0.
    shed_kwh : float64 (n, n_sites), kWh
        Load that went without power; part of the load.
    """

    sites: tuple[str, ...]
    hours: Int64s
    load_kwh: Floats
    green_kwh: Floats
    certificate_kwh: Floats
    shed_kwh: Floats

    def __len__(self) -> int:
        """Hours recorded."""
        return len(self.hours)

    @property
    def green_share(self) -> Floats:
        """Green share of the load of each hour, all sites together, (n,); nan without load."""
        load = self.load_kwh.sum(axis=1)
        share = np.full(len(load), np.nan)
        np.divide(self.green_kwh.sum(axis=1), load, out=share, where=load > 0)
        return share

    def owed_kwh(self, mandate: Mandate, sites: Sites) -> Floats:
        """Return what each scope owes the mandate for these hours, kWh; negative: a surplus."""
        rows = mandate.rows(sites)
        counted = self.green_kwh + (self.certificate_kwh if rows.volume else 0.0)
        load, green = self.load_kwh.sum(axis=0), counted.sum(axis=0)
        return np.asarray(
            rows.carried_kwh + rows.share * (rows.member @ load) - rows.member @ green
        )


def carrying(problem: Problem, ledger: HourLedger) -> Ledger:
    """Return the mandate's ledger with all hours of `ledger` as one more batch.

    The batches before it count as they did. Where the mandate had no ledger, the price of what is
    missing is not capped. Its entries are sums for a mandate: they say no intervals and bundles.
    """
    mandate = problem.mandate
    sums: dict[str, Any] = {"intervals": (), "bundles": ()}
    for name in _ENERGY:
        sums[name] = tuple(np.maximum(getattr(ledger, name).sum(axis=0), 0.0).tolist())
    before: tuple[Entry, ...] = ()
    cap = mandate.shortfall_yuan_per_kwh
    if mandate.ledger is not None:
        cap = min(cap, mandate.ledger.cap_yuan_per_kwh)
        last = {entry.batch: entry for entry in mandate.ledger.entries}
        window = max(mandate.ledger.window - 1, 0)
        before = tuple(last.values())[len(last) - min(window, len(last)) :]
    chain, head = [], "0" * 64
    for entry in before:
        content = {name: getattr(entry, name) for name in ("batch", "kind", "sites", "serials")}
        content |= {name: getattr(entry, name) for name in _ENERGY}
        content |= {"kind": "plan", "intervals": (), "bundles": ()}
        chain.append(Entry.after(head, **content))
        head = chain[-1].hash
    if len(ledger):
        batch = "hours by the operator"
        while any(entry.batch == batch for entry in chain):
            batch += "'"
        chain.append(
            Entry.after(head, batch=batch, kind="plan", sites=ledger.sites, serials=(), **sums)
        )
    return Ledger(window=len(chain) + 1, cap_yuan_per_kwh=cap, entries=tuple(chain))


def credited(mandate: Mandate, sites: Sites, kwh: Floats) -> Mandate:
    """Return a mandate whose scopes each owe `kwh` less; where it is below 0, more."""
    rows, ledger = mandate.rows(sites), mandate.ledger
    if not rows.share:
        return mandate
    if ledger is None:
        ledger = Ledger(window=1, cap_yuan_per_kwh=mandate.shortfall_yuan_per_kwh)
    assert isinstance(ledger, Ledger)
    by_site = np.bincount(rows.member.argmax(axis=1), kwh, len(sites))
    entry = Entry.after(
        ledger.head,
        batch=f"after {ledger.head}",  # no other batch has this name
        kind="plan",
        sites=tuple(str(name) for name in sites.name),
        serials=(),
        intervals=(),
        bundles=(),
        load_kwh=tuple((np.maximum(-by_site, 0.0) / rows.share).tolist()),
        green_kwh=tuple(np.maximum(by_site, 0.0).tolist()),
        certificate_kwh=(0.0,) * len(sites),
    )
    more = ledger.window + 1, ledger.cap_yuan_per_kwh, (*ledger.entries, entry)
    return dataclasses.replace(mandate, ledger=Ledger(*more))


def hour_measurements(problem: Problem, ledger: HourLedger) -> pa.Table:
    """Return the load of the hours of a ledger that was served, in whole Wh."""
    green, used = ledger.green_kwh.T, (ledger.load_kwh - ledger.shed_kwh).T
    return measurements(problem, ledger.hours, [[green], [used - green]], "gross", True)


def hour_bundles(problem: Problem, ledger: HourLedger, first: int = 0) -> list[dict[str, Any]]:
    """Return green power from an hour of a ledger on, and what was sold with its certificates."""
    parts = [
        ([("green power", "granular")], [ledger.green_kwh.T]),
        ([("exported power", "GEC")], [ledger.certificate_kwh.T]),
    ]
    return bundles(problem, ledger.hours, parts, np.zeros(len(problem.sites)), True, first)


#: States of a job.
WAITING, RUNNING, DONE, LOST = range(4)
#: Hours of a job that no class can run.
NEVER = 2**30
#: Jobs whose hours on all classes are computed together.
BLOCK = 1 << 14
#: Columns that a job that breaks off has changed, with their dtypes; beside them they are kept as
#: they came.
CHANGED: dict[str, type[np.generic]] = {
    "work_h": np.float64,
    "data_gb": np.float64,
    "origin": np.int32,
    "release": np.int32,
    "latency_ms": np.float64,
    "residency": np.int64,
    "placed_class": np.int32,
    "placed_start": np.int32,
    "least_h": np.int32,
}
#: The class of a job's pieces so far where it never broke off, and where they have several.
WHOLE, SEVERAL = -1, -2
#: Columns of the book beside those of `Jobs`, by dtype.
OWN: dict[str, type[np.generic]] = {
    "state": np.int8,
    "klass": np.int32,
    "started": np.int32,
    "end": np.int32,
    "arrived": np.int32,
    "finished": np.int32,
    "least_h": np.int32,
    "movable": np.bool_,
    "checkpoint_gb": np.float64,
    "restart_h": np.int32,
    "move_yuan": np.float64,
    "broke_klass": np.int32,
    "later_yuan": np.float64,
} | {f"came_{name}": dtype for name, dtype in CHANGED.items()}


class Book:
    """Columns of all jobs that are known, in the order in which they came; times are absolute.

    Times and lengths count steps of the operator's problem, as in `Running`.

    Parameters
    ----------
    columns : dict of array
        Those of `Jobs` and of `OWN`. A job runs on `klass` from `started` to `end`; `finished` is
        the hour before which it was reported done, -1 = never. `least_h`: its hours on the class
        that is quickest of those it may use. `broke_klass`: where its pieces ran that it broke off,
        `WHOLE` = it never did, `SEVERAL` = at several classes; `came_` and a name of `CHANGED`:
        what was there before. `later_yuan`: what the last plan that placed the job spends on it
        after its first hour, nan = none has while it could start.
    """

    def __init__(self, columns: dict[str, NDArray[Any]]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns["gang"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    def copy(self) -> Book:
        """Return a book that may be changed while this one stays."""
        return Book({name: values.copy() for name, values in self.columns.items()})

    @classmethod
    def empty(cls) -> Book:
        """Return a book of no jobs."""
        columns = {name: np.zeros(0, spec.dtype) for name, spec in Jobs.columns().items()}
        return cls(columns | {name: np.zeros(0, dtype) for name, dtype in OWN.items()})

    def with_jobs(self, jobs: Jobs, world: Problem, hour: int, **moves: Any) -> Book:
        """Return the book with more jobs that become known at `hour`; `moves` as in `Running`."""
        n = len(jobs)
        new: dict[str, Any] = {name: getattr(jobs, name) for name in jobs.columns()}
        new |= {"state": WAITING, "klass": -1, "started": -1, "end": -1, "finished": -1}
        new |= {"arrived": hour, "least_h": least_hours(jobs, world), **_of_pieces(jobs, moves)}
        new |= {"later_yuan": np.nan, "broke_klass": WHOLE} | {
            f"came_{name}": new[name] for name in CHANGED
        }
        out = {}
        for name, values in self.columns.items():
            more = np.broadcast_to(np.asarray(new[name], values.dtype), (n,))
            out[name] = np.concatenate([values, more])
        return Book(out)

    def jobs(
        self, rows: Int64s, hour: int, hours: int, site: NDArray[np.int32] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Return the columns of `Jobs` for some rows, times counted from `hour`, cut at the end.

        Interruptible jobs that run stay at their site, where `site` is that of each class.
        """
        columns = {name: self.columns[name][rows].copy() for name in Jobs.columns()}
        release, deadline = columns["release"] - hour, columns["deadline"] - hour
        columns["release"] = np.clip(release, 0, hours - 1)
        columns["deadline"] = np.maximum(np.minimum(deadline, hours), columns["release"] + 1)
        placed = columns["placed_start"] - hour
        gone = (columns["placed_class"] < 0) | (placed < 0) | (placed >= hours)
        columns["placed_class"] = np.where(gone, -1, columns["placed_class"])
        columns["placed_start"] = np.where(gone, -1, placed)
        # One that is interrupted now takes its restart later, and must still be done in time.
        cut = columns["interruptible"] & (self.columns["state"][rows] == RUNNING)
        earlier = np.maximum(columns["deadline"] - columns["restart_h"], columns["release"] + 1)
        columns["deadline"] = np.where(cut, earlier, columns["deadline"])
        if site is not None:
            here = site[self.columns["klass"][rows[cut]]].astype(np.int64)
            columns["residency"][cut] = np.int64(1) << here
        return columns

    def running(self, rows: Int64s, hour: int) -> Running | None:
        """Return the table of those of `rows` that run at `hour`; ids are places in `rows`."""
        at = np.flatnonzero(self.columns["state"][rows] == RUNNING)
        if not len(at):
            return None
        jobs = rows[at]
        # Both the piece that it would break off and the one that would follow are long enough.
        least, left = self.columns["least_piece_h"][jobs], self.columns["end"][jobs] - hour
        short = hour - self.columns["started"][jobs] < least
        short |= left + self.columns["restart_h"][jobs].astype(np.int64) < least
        return Running(
            id=at,
            klass=self.columns["klass"][jobs],
            hours_left=self.columns["end"][jobs] - hour,
            movable=self.columns["movable"][jobs] & ~(self.columns["interruptible"][jobs] & short),
            checkpoint_gb=self.columns["checkpoint_gb"][jobs],
            restart_h=self.columns["restart_h"][jobs],
            move_yuan=self.columns["move_yuan"][jobs],
        )

    def fits(self, hour: int, end: int) -> Bools:
        """Return which waiting jobs can start from `hour` on and end by `end` and deadline."""
        first = np.maximum(self.columns["release"], hour)
        latest = np.minimum(self.columns["deadline"], end)
        return np.asarray(
            (self.columns["state"] == WAITING) & (first + self.columns["least_h"] <= latest)
        )

    def as_it_came(self, rows: Any) -> Book:
        """Return a book in which nothing is changed of the jobs at `rows` that broke off."""
        book = self.copy()
        for name in CHANGED:
            book[name][rows] = self.columns[f"came_{name}"][rows]
        return book

    def whole(self) -> Bools:
        """Which jobs broke off, and are no longer open, or go on where their pieces ran."""
        state, broke = self.columns["state"], self.columns["broke_klass"]
        goes = ((state == DONE) | (state == RUNNING)) & (self.columns["klass"] == broke)
        return np.asarray((broke != WHOLE) & (goes | (state == LOST)))

    def expire(self, hour: int) -> Int64s:
        """Mark jobs released before `hour` that can no longer start as lost; their rows."""
        late = (self.columns["state"] == WAITING) & (self.columns["release"] < hour)
        late &= hour + self.columns["least_h"].astype(np.int64) > self.columns["deadline"]
        self.columns["state"][late] = LOST
        return np.flatnonzero(late)

    def rows_of(self, field: str, jobs: Any) -> Int64s:
        """Return job numbers as an array, each one that is known."""
        rows = np.atleast_1d(np.asarray(jobs))
        if not rows.size:
            return np.zeros(0, np.int64)
        if rows.dtype.kind not in "iu" or rows.ndim != 1:
            raise TypeError(f"{field} must be job numbers on one axis, not {rows.dtype}")
        bad = (rows < 0) | (rows >= len(self))
        if bad.any():
            at = int(np.argmax(bad))
            message = f"{field}[{at}]: found {rows[at]}, needed a job number below {len(self)}"
            raise InvalidProblemError(message, field, at)
        return rows.astype(np.int64)


def _of_pieces(jobs: Jobs, moves: dict[str, Any]) -> dict[str, Any]:
    """Return what it takes to move jobs, those that may be interrupted by their own columns."""
    cut = jobs.interruptible
    own: dict[str, Any] = {
        "movable": True,
        "restart_h": jobs.restart_h,
        "move_yuan": jobs.restart_yuan,
    }
    given = {**moves, **{name: np.where(cut, own[name], moves[name]) for name in own}}
    return given if cut.any() else moves


def least_hours(jobs: Jobs, world: Problem) -> NDArray[np.int32]:
    """Return each job's hours on the quickest class it may use; `NEVER` if there is none."""
    classes = world.stepped.classes
    out = np.full(len(jobs), NEVER, np.int32)
    view = _View(jobs, world.stepped)
    for first in range(0, len(jobs), BLOCK):
        index = np.arange(first, min(first + BLOCK, len(jobs)))
        need = hours_needed(view, index)
        may = (need > 0) & (classes.memory_gb >= jobs.memory_gb[index][:, None])
        may &= ((jobs.residency[index][:, None] >> classes.site.astype(np.int64)) & 1) == 1
        delay = world.delay_ms[jobs.origin[index]][:, classes.site]
        may &= delay <= jobs.latency_ms[index][:, None]
        may &= classes.capacity.max(axis=1) >= jobs.gang[index][:, None]
        out[index] = np.where(may, need, NEVER).min(axis=1, initial=NEVER)
    return out


class _View:
    """The input of `hours_needed`: other jobs with the classes of a problem, for any length."""

    def __init__(self, jobs: Jobs, world: Problem) -> None:
        self.jobs, self.classes, self.hours = jobs, world.classes, NEVER - 1
        self.corridors, self.quotas, self.delay_ms = world.corridors, world.quotas, world.delay_ms


#: Costs of the hours, part by part, yuan; debts to rules are settled at the end.
COSTS = {
    "energy": "power used, stored and carbon, less sales",
    "wear": "charging and discharging batteries",
    "shed": "load that went without power",
    "data": "data moved to the jobs that started, and checkpoints",
    "delay": "hours that started jobs had waited",
    "moves": "running jobs moved or stopped, and jobs not started where they were placed",
    "lost": "values of the jobs that can no longer start",
}
#: Columns of the energy table that an hour may bring otherwise than the table says.
HOURLY = (
    "direct_kwh",
    "bundled_kwh",
    "bundled_yuan_per_kwh",
    "tariff_yuan_per_kwh",
    "base_load_kwh",
    "export_yuan_per_kwh",
    "grid_green_share",
)
#: Sums by site over the hours; of the last one the maximum.
TAKEN = ("used", "stored", "available", "bundled", "peak_kw")
#: Sums by site over the later hours of the last plan.
AHEAD = ("load_kwh", "green_kwh", "certificate_kwh")
#: Numbers written down each hour, beside the parts of the cost.
RECORDED = (
    "load_kwh",
    "green_kwh",
    "stored_kwh",
    "renewables",
    "started",
    "moved",
    "lost_jobs",
    "waiting",
    "running",
    "gap",
    "seconds",
)


@dataclasses.dataclass(frozen=True)
class State:
    """The complete state from which the next hour follows; steps make new ones and change none.

    Parameters
    ----------
    clock : int
        Hours that have passed: the next step is that of this hour. Here and below, hours are
        steps of the problem where these are shorter.
    green_kwh, grey_kwh : float64 (n_sites,)
        Stored, by colour.
    worth : float64 (n_sites,), yuan/kWh
        What stored energy is worth at the end of a window.
    book : Book
    ledger : HourLedger
    used : float64 (n_accounts,)
        Accelerators times steps used, by account of the quotas' rows (`QuotaRows`): by tenant, and
        by accelerator where quotas tell them apart.
    prices : Prices or None
        Of the last plan, for its own hours.
    rows : int64 (n,)
        The jobs of that plan, -1 for expected ones.
    history : dict of list
        By the names of `RECORDED` and `COSTS`, one entry an hour.
    actual : dict of list of array
        What each hour brought of the columns `HOURLY`, and ``may_shed_kwh``.
    direct : dict of float64 (n_sites,)
        So far, of the direct sources: ``used`` on load, ``stored``, ``available``, kWh; of bundled
        power ``bundled``, kWh; the highest draw from the grid, ``peak_kw``, kW.
    ahead : dict of float64 (n_sites,)
        Of the last plan's later hours ``load_kwh``, the ``green_kwh`` used on it, and
        ``certificate_kwh`` as in `HourLedger`.
    gap_yuan : float
        Cost of the last plan less its bound.
    open_yuan, new_yuan : float
        What is to expect of jobs that run or wait, and the part of jobs that are new.
    """

    clock: int
    green_kwh: Floats
    grey_kwh: Floats
    worth: Floats
    book: Book
    ledger: HourLedger
    used: Floats
    prices: Prices | None
    rows: Int64s
    history: dict[str, list[float]]
    actual: dict[str, list[Any]]
    direct: dict[str, Floats]
    ahead: dict[str, Floats]
    gap_yuan: float
    open_yuan: float
    new_yuan: float


def first_state(problem: Problem, book: Book, horizon: int) -> State:
    """Return the state before hour 0; of the tariffs those within the horizon are read."""
    energy, n_sites = problem.energy, len(problem.sites)
    if energy.terminal == "value":
        worth = energy.terminal_yuan_per_kwh.copy()
    else:
        worth = energy.discharge_efficiency * np.median(
            energy.tariff_yuan_per_kwh[:, :horizon], axis=1
        )
    none = np.zeros((0, n_sites))
    return State(
        clock=0,
        green_kwh=energy.green_start_kwh.copy(),
        grey_kwh=energy.grey_start_kwh.copy(),
        worth=np.maximum(worth, 0.0),
        book=book,
        ledger=HourLedger(
            tuple(str(name) for name in problem.sites.name),
            np.zeros(0, np.int64),
            none,
            none,
            none,
            none,
        ),
        used=np.zeros(len(problem.quotas.linear_rows.end)),
        prices=None,
        rows=np.zeros(0, np.int64),
        history={name: [] for name in (*RECORDED, *COSTS)},
        actual={name: [] for name in (*HOURLY, "may_shed_kwh")},
        direct={name: np.zeros(n_sites) for name in TAKEN},
        ahead={name: np.zeros(n_sites) for name in AHEAD},
        gap_yuan=0.0,
        open_yuan=0.0,
        new_yuan=0.0,
    )


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
        "open_yuan": state.open_yuan,
        "new_yuan": state.new_yuan,
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
        open_yuan=float(meta["open_yuan"]),
        new_yuan=float(meta["new_yuan"]),
        **{
            name: arrays[f"state.{name}"]
            for name in ("green_kwh", "grey_kwh", "worth", "used", "rows")
        },
    )
