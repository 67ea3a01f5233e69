"""The account of the hours that have passed: what ran, what served it, and a bound from hindsight.

An hour is closed once every cluster that ran something in it has said so after its end. Its load is
what really ran, and its power the cheapest dispatch of that load with what is planned after it.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import listed
from ..errors import InvalidProblemError
from ..grid.operations.committed_hour import energy_yuan, within_store
from ..grid.operations.state import HourLedger, carrying, hour_bundles
from ..grid.plan.costs import entry_facts
from ..grid.plan.ledger_entry import GENESIS, Entry
from ..grid.planner.dispatch_lp import EnergyBlock
from ..grid.planner.match import match
from ..grid.tables.jobs import Jobs
from ..grid.tables.times import sites_in_window, sliced
from .planning import connection_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from .._progress import ProgressHook
    from ..grid.tables.problem import Problem
    from .planning import GridTables
    from .state import Row, State

__all__ = ["Account", "hindsight_yuan"]

#: Parts of an accelerator in which hindsight counts what a job took of its hours in the mean.
PARTS = 100
#: Hours and jobs beyond which no bound is looked for.
MOST_HOURS, MOST_JOBS = 7 * 24, 5_000


@dataclasses.dataclass
class Account:
    """The closed hours, read from the state and carried on.

    Parameters
    ----------
    tables : GridTables
    state : State
    """

    tables: GridTables
    state: State

    def __post_init__(self) -> None:
        """Read what has been closed."""
        self.records: list[dict[str, Any]] = []
        self.head = GENESIS
        for row in self.state.rows("SELECT record, line FROM hours ORDER BY hour"):
            self.records.append(json.loads(row["record"]))
            line = json.loads(row["line"])
            self.head = line["hash"]
            if line["sites"] != list(self.tables.site):
                found, needed = listed(list(self.tables.site)), listed(line["sites"])
                message = f"found sites {found}, needed those of the hours that are closed: "
                message = f"{self.tables.config.folder}: {message}{needed}"
                raise InvalidProblemError(message, "sites")

    @property
    def hour(self) -> int:
        """The first hour that is not closed."""
        return len(self.records)

    @property
    def stored(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What is stored after the closed hours, by colour."""
        energy = self.tables.world.energy
        if not self.records:
            return energy.green_start_kwh, energy.grey_start_kwh
        last = self.records[-1]
        green, grey = (np.array(last[f"{colour}_stored_kwh"]) for colour in ("green", "grey"))
        return within_store(green, grey, energy.battery_kwh)

    def ledger(self, *more: dict[str, Any]) -> HourLedger:
        """Load and green power by hour and site, with hours that are not closed yet."""
        records, world = [*self.records, *more], self.tables.world
        n = len(records)
        columns = {
            name: np.array([r[name] for r in records]).reshape(n, len(world.sites))
            for name in ("load_kwh", "green_kwh", "certificate_kwh", "shed_kwh")
        }
        names = tuple(str(name) for name in world.sites.name)
        return HourLedger(names, np.arange(n), **columns)

    @property
    def dated(self) -> Problem:
        """The tables with the time at which their hour 0 began, if it has begun."""
        begin = self.state.get("begin")
        start = None if begin is None else datetime.datetime.fromtimestamp(begin, datetime.UTC)
        with _quietly():
            return self.tables.world.replace(start=start)

    def carried(self, problem: Problem) -> Problem:
        """Return a problem whose mandate carries the closed hours, its shortfall at a price."""
        mandate = dataclasses.replace(problem.mandate, shortfall="priced")
        problem = problem.replace(mandate=mandate)
        ledger = carrying(problem, self.ledger())
        return problem.replace(mandate=dataclasses.replace(mandate, ledger=ledger))

    def close(self, runs: Sequence[Row], ahead_kwh: Any, capacity: Any) -> None:
        """Close the next hour.

        Parameters
        ----------
        runs : sequence of rows
            With ``site``, ``accelerator``, ``count``, and ``start_h`` and ``end_h`` by the clock.
        ahead_kwh : float64 (n_sites, n)
            Load planned for the hours after it.
        capacity : int64 (n_classes,)
            Accelerators that are there.
        """
        t, world = self.hour, self.tables.world
        hours = min(self.tables.config.horizon_h, world.hours - t)
        kwh = world.kwh_per_accelerator_h[:, t]
        load = world.energy.base_load_kwh[:, t : t + hours].copy()
        for run in runs:
            part = max(0.0, min(run["end_h"], t + 1) - max(run["start_h"], t))
            klass = self.tables.klass[run["site"], run["accelerator"]]
            load[world.classes.site[klass], 0] += part * run["count"] * kwh[klass]
        n = min(hours - 1, ahead_kwh.shape[1])
        load[:, 1 : 1 + n] = np.maximum(load[:, 1 : 1 + n], ahead_kwh[:, :n])
        green, grey = self.stored
        problem = _hours_of(self.tables, t, hours, capacity)
        problem = self.carried(problem)
        problem = problem.replace(
            energy=problem.energy.replace(green_start_kwh=green, grey_start_kwh=grey, shed_kwh=load)
        )
        d = EnergyBlock(problem, np.maximum(load, 1e-9)).serve(load).dispatch
        record: dict[str, Any] = {"hour": t, **energy_yuan(problem, d)}
        columns = {
            "load_kwh": d.load_kwh[:, 0],
            "green_kwh": np.minimum(d.green_kwh[:, 0], d.load_kwh[:, 0]),
            "certificate_kwh": d.exported_kwh[:, :, 0].sum(axis=0) * float(world.counts_exports),
            "shed_kwh": d.shed_kwh[:, 0],
            "green_stored_kwh": d.green_stored_kwh[:, 0],
            "grey_stored_kwh": d.grey_stored_kwh[:, 0],
        }
        record |= {name: np.maximum(v, 0.0).tolist() for name, v in columns.items()}
        record["capacity"] = np.asarray(capacity).tolist()
        names = tuple(str(name) for name in world.sites.name)
        sums = {name: tuple(record[name]) for name in ("load_kwh", "green_kwh", "certificate_kwh")}
        dated = self.dated
        facts = entry_facts(dated, np.array([t]), hour_bundles(dated, self.ledger(record), t))
        content = {"batch": f"hour {t}", "kind": "plan", "sites": names, "serials": ()}
        entry = Entry.after(self.head, **content, **sums, **facts)
        self.state.run(
            "INSERT INTO hours VALUES (?, ?, ?)", t, json.dumps(record), entry.line().decode()
        )
        self.records.append(record)
        self.head = entry.hash

    def owed_yuan(self) -> float:
        """Return what is missing to the mandate so far, at its price."""
        world = self.tables.world
        owed = self.ledger().owed_kwh(world.mandate, world.sites)
        return float(np.maximum(owed, 0.0).sum() * world.mandate.shortfall_yuan_per_kwh)

    def totals(self) -> dict[str, float]:
        """Return energy and cost of the closed hours; what is left in store counts nothing."""
        power = sum(r[name] for r in self.records for name in ("energy", "wear", "shed"))
        return {
            "load_kwh": float(sum(sum(r["load_kwh"]) for r in self.records)),
            "green_kwh": float(sum(sum(r["green_kwh"]) for r in self.records)),
            "cost_yuan": float(power + self.owed_yuan()),
        }


def _hours_of(tables: GridTables, first: int, hours: int, capacity: Any) -> Problem:
    """Return the tables of some hours without jobs, with these accelerators in each of them."""
    world = tables.world
    classes = sliced(world.classes, first, hours)
    wide = np.repeat(np.asarray(capacity, np.int64)[:, None], hours, axis=1)
    with _quietly():
        problem = world.replace(
            hours=hours,
            classes=classes.replace(capacity=wide),
            sites=sites_in_window(world.sites, first, hours),
            energy=sliced(world.energy, first, hours),
            corridors=sliced(world.corridors, first, hours),
            start=None,
        )
        connection = connection_of(tables, problem, capacity)
        return problem.replace(sites=problem.sites.replace(connection_kw=connection))


def _quietly() -> Any:
    return warnings.catch_warnings(action="ignore")


def _clipped(runs: Sequence[Row], end: int) -> Iterator[tuple[Row, float]]:
    """Yield the runs that began in the closed hours, and the hours that they ran in them."""
    for run in runs:
        ran = min(run["end_h"], end) - max(run["start_h"], 0.0)
        if run["start_h"] < end and ran > 0:
            yield run, ran


def hindsight_yuan(
    account: Account,
    runs: Sequence[Row],
    seconds: float,
    progress: ProgressHook | None = None,
) -> float | None:
    """Return a lower bound on the cost of any plan that runs what ran, knowing all from the start.

    Each job takes in each of its whole hours what it took of them in the mean. None where there are
    too many hours or jobs to be looked at together.

    Parameters
    ----------
    account : Account
    runs : sequence of rows
        As for `Account.close`, with ``release_h``, ``deadline_h``, ``origin``, ``data_gb`` and
        ``delay_yuan_per_h``.
    seconds : float
        That it may take.
    progress : callable, optional
        As for `match`.
    """
    tables, end = account.tables, account.hour
    found = list(_clipped(runs, end))
    if not found or not 0 < end <= MOST_HOURS or len(found) > MOST_JOBS:
        return None
    world = tables.world
    most = np.array([r["capacity"] for r in account.records]).max(axis=0)
    problem = _hours_of(tables, 0, end, most)
    columns: dict[str, Any] = {
        name: []
        for name in (
            "gang",
            "work_h",
            "origin",
            "data_gb",
            "release",
            "deadline",
            "family",
            "delay",
        )
    }
    for run, ran in found:
        whole = max(1, min(int(np.ceil(ran - 0.02)), end))
        release = min(max(0, int(run["release_h"])), int(run["start_h"]), end - whole)
        last = end if run["deadline_h"] is None else int(run["deadline_h"])
        columns["gang"].append(max(1, int(PARTS * run["count"] * min(1.0, ran / whole))))
        columns["work_h"].append(float(whole))
        columns["origin"].append(tables.site.get(run["origin"], 0))
        columns["data_gb"].append(run["data_gb"])
        columns["release"].append(max(0, release))
        columns["deadline"].append(min(end, max(last, int(np.ceil(run["end_h"])), release + whole)))
        columns["family"].append(len(world.classes.throughput) - 1)
        columns["delay"].append(run["delay_yuan_per_h"])
    delay = columns.pop("delay")
    classes = problem.classes
    with _quietly():
        problem = problem.replace(
            jobs=Jobs(
                **columns,
                delay_yuan_per_h=np.array(delay),
                value_yuan=np.full(len(found), 1e5),
            ),
            classes=classes.replace(
                capacity=classes.capacity * PARTS,
                power_kw=classes.power_kw / PARTS,
                overhead_kw=classes.overhead_kw / PARTS,
            ),
            quotas=type(world.quotas).unlimited(len(world.quotas)),
            mandate=dataclasses.replace(world.mandate, shortfall="priced"),
            energy=problem.energy.replace(
                terminal_yuan_per_kwh=np.zeros(len(world.sites))  # as in the account
            ),
        )
        plan = match(problem, gap=1e-3, time_limit=seconds, progress=progress)
    return float(plan.bound_yuan) if np.isfinite(plan.bound_yuan) else None
