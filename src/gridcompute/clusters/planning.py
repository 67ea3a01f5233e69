"""The problem of the hours ahead, made of the tables, of what was observed, and of the queue."""

from __future__ import annotations

import dataclasses
import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import listed, meant
from ..errors import InvalidProblemError
from ..grid.eligibility import REASONS, ROUNDING_H, filtered
from ..grid.files.read_write import read_problem
from ..grid.tables.jobs import Jobs, Running
from ..grid.tables.quotas import Quotas
from ..grid.tables.times import sites_in_window, sliced

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ..grid.tables.problem import Problem
    from .config import GridConfig
    from .state import Row

__all__ = ["GridTables", "Observed", "Window", "never", "window_of"]

#: A job that will end within this part of an hour leaves its accelerators to one that starts now.
SOON_H = 0.5
#: What leaving a job out costs by default, as a multiple of its dearest placement.
DEAR = 10.0


class GridTables:
    """The folder's tables without jobs, for the sites that have clusters.

    Parameters
    ----------
    config : GridConfig

    Raises
    ------
    InvalidProblemError
        A table is missing or wrong; a cluster's site or an accelerator is in none of them.
    """

    def __init__(self, config: GridConfig) -> None:
        self.config = config
        self.stamp = self._stamp()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            given = read_problem(config.folder, jobs=False)
        if given.step_h != 1:
            message = f"{config.folder}: found steps of {given.step_h:g} h, needed hours"
            raise InvalidProblemError(message, "problem.step_h")
        names = [str(name) for name in given.sites.name]
        kinds = given.classes.accelerator_names
        #: Class of a site's accelerator, by both names.
        self.klass: dict[tuple[str, str], int] = {}
        for site, cluster in config.clusters.items():
            if site not in names:
                message = (
                    f"{config.path}: clusters.{site}: found no such site in the tables, needed "
                )
                message += f"one of {listed(names)}{meant(site, names)}"
                raise InvalidProblemError(message, f"clusters.{site}")
            row = names.index(site)
            here = {
                kinds[given.classes.accelerator[k]]: k
                for k in np.flatnonzero(given.classes.site == row).tolist()
            }
            for kind in cluster.accelerators:
                if kind not in here:
                    field = f"clusters.{site}.accelerators"
                    needed = f"needed one of {listed(here)}, the tables' at {site}"
                    message = f"{config.path}: {field}: found {kind!r:.80}, {needed}"
                    raise InvalidProblemError(message + meant(kind, here), field)
                self.klass[site, kind] = here[kind]
        self.site = {name: row for row, name in enumerate(names)}
        self.families = {str(name): row for row, name in enumerate(given.classes.family_names)}
        quotas = given.quotas
        self.tenants = {str(quotas.label(t)): t for t in range(len(quotas))}
        self.world = self._operated(given)

    def changed(self) -> bool:
        """Have the folder's files been changed since they were read?"""
        return bool(self.stamp != self._stamp())

    def _stamp(self) -> Any:
        files = sorted(p for p in self.config.folder.glob("*") if p.is_file())
        return [(p.name, (s := p.stat()).st_mtime_ns, s.st_size) for p in files]

    def _operated(self, given: Problem) -> Problem:
        """Return the problem of sites with clusters: the others have neither load nor power."""
        idle = np.ones(len(given.sites), bool)
        idle[[self.site[name] for name in self.config.clusters]] = False
        energy = given.energy
        columns = {
            name: getattr(energy, name).copy()
            for name in ("base_load_kwh", "direct_kwh", "bundled_kwh", "battery_kwh")
        }
        columns["base_load_kwh"][idle] = columns["bundled_kwh"][idle] = 0.0
        columns["direct_kwh"][:, idle], columns["battery_kwh"][idle] = 0.0, 0.0
        columns["green_start_kwh"] = np.where(idle, 0.0, energy.green_start_kwh)
        columns["grey_start_kwh"] = np.where(idle, 0.0, energy.grey_start_kwh)
        worth = energy.terminal_yuan_per_kwh
        if energy.terminal != "value":
            middle = np.median(energy.tariff_yuan_per_kwh, axis=1)
            worth = np.maximum(energy.discharge_efficiency * middle, 0.0)
        # One more tenant without a limit, and one more family that is as quick everywhere.
        q, classes = given.quotas, given.classes
        more: dict[str, Any] = {}
        for name, spec in q.columns().items():
            value = getattr(q, name)
            usual = {"parent": -1, "weight": 1.0}.get(name, 0.0)
            usual = np.inf if "upper" in name or "borrowing" in name else usual
            shape = (*value.shape[:-1], 1) if spec.dims[-1] == "tenant" else value.shape
            more[name] = np.concatenate([value, np.full(shape, usual, value.dtype)], axis=-1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return given.replace(
                quotas=Quotas(**more),
                classes=classes.replace(
                    throughput=np.concatenate(
                        [classes.throughput, np.ones((1, len(classes)), np.float64)]
                    ),
                    family_names=(),
                    capacity=np.zeros_like(classes.capacity),
                ),
                energy=energy.replace(terminal="value", terminal_yuan_per_kwh=worth, **columns),
            )


@dataclasses.dataclass(frozen=True)
class Observed:
    """What is known of the classes of the clusters, each by site and accelerator.

    `nodes`: accelerators of each node that can run; `others`: how many others take, and until which
    hour; `answers`: by site; `part`: what jobs ran of their booked hours in the mean, which is what
    their power is planned by.
    """

    nodes: Mapping[tuple[str, str], Sequence[int]]
    others: Mapping[tuple[str, str], Sequence[tuple[int, float]]]
    answers: Mapping[str, bool]
    part: float = 1.0


@dataclasses.dataclass(frozen=True)
class Window:
    """The problem of the hours ahead, with the numbers of its jobs in the state."""

    problem: Problem
    numbers: list[int]
    #: Jobs that can no longer keep their deadline.
    late: set[int]


def window_of(
    tables: GridTables,
    hour: int,
    waiting: Sequence[Row],
    running: Sequence[Row],
    observed: Observed,
    battery: tuple[Any, Any] | None,
    used: Any,
) -> Window:
    """Return what is to be planned from an hour on.

    Parameters
    ----------
    tables : GridTables
    hour : int
        The first hour planned.
    waiting, running : sequence of rows
        Of jobs; those of `running` have ``left_h`` as well, the hours that they will still run.
    observed : Observed
    battery : pair of float64 (n_sites,), optional
        Stored, by colour.
    used : float64
        Accelerator-hours used, by account of the quotas.
    """
    world = tables.world
    hours = min(tables.config.horizon_h, world.hours - hour)
    rows = [*waiting, *running]
    n, first = len(rows), len(waiting)
    klass = np.array([tables.klass[row["site"], row["accelerator"]] for row in running], np.int32)
    left = np.array([_left(row["left_h"]) for row in running], np.int32)
    kept = np.flatnonzero(left > 0)
    capacity = _capacity(tables, hour, hours, observed)
    family, throughput = _families(tables, rows, observed)
    classes = sliced(world.classes, hour, hours).replace(
        throughput=throughput,
        family_names=(),
        power_kw=world.classes.power_kw * observed.part,
        overhead_kw=world.classes.overhead_kw * observed.part,
    )
    work = np.array([row["hours"] for row in rows], np.float64)
    gang = np.array([row["gang"] for row in rows], np.int32)
    speed = throughput[family] if n else np.zeros((0, len(world.classes)))
    with np.errstate(divide="ignore"):
        need = np.ceil(work[:, None] / speed - ROUNDING_H)
    able = speed > 0
    least = np.where(able, need, np.inf).min(axis=1, initial=np.inf)
    deadline = np.full(n, hours, np.int32)
    late = set()
    for k, row in enumerate(waiting):
        if row["deadline_h"] is not None:
            last = math.floor(row["deadline_h"] + 1e-6) - hour
            if last < least[k] < np.inf:
                late.add(row["n"])
                last = int(least[k]) + 1
            deadline[k] = min(max(last, 1), hours)
    site = [tables.site.get(row["origin"], 0) for row in rows]
    problem = world.replace(
        hours=hours,
        classes=classes,
        sites=sites_in_window(world.sites, hour, hours),
        energy=sliced(world.energy, hour, hours),
        corridors=sliced(world.corridors, hour, hours),
        start=None,
    )
    jobs = Jobs(
        gang=gang,
        work_h=work,
        family=family,
        memory_gb=np.array([row["memory_gb"] for row in rows], np.float64),
        data_gb=np.array([row["data_gb"] for row in rows], np.float64),
        origin=np.array(site, np.int32),
        deadline=deadline,
        value_yuan=_values(problem, rows, np.where(able, need, 0).max(axis=1, initial=0)),
        delay_yuan_per_h=np.array([row["delay_yuan_per_h"] for row in rows], np.float64),
        tenant=np.array(
            [tables.tenants.get(row["tenant"], len(tables.tenants)) for row in rows], np.int32
        ),
    )
    table = None
    if len(kept):
        table = Running(id=first + kept, klass=klass[kept], hours_left=left[kept])
        for k in kept.tolist():  # what runs is there, whatever was counted
            taken = capacity[klass[k], : left[k]]
            taken -= gang[first + k]
        capacity = np.maximum(capacity, 0)
        for k in kept.tolist():
            capacity[klass[k], : left[k]] += gang[first + k]
    for site_name, answers in observed.answers.items():
        if not answers:  # what runs there goes on, nothing new begins in this hour
            for (where, _), k in tables.klass.items():
                if where == site_name:
                    runs = [gang[first + j] for j in kept.tolist() if klass[j] == k]
                    capacity[k, 0] = sum(runs)
    energy = problem.energy
    if battery is not None:
        energy = energy.replace(green_start_kwh=battery[0], grey_start_kwh=battery[1])
    quotas = world.quotas.after(world.quotas.linear_rows.summed(used))
    busy = np.concatenate([np.arange(first), first + kept])
    if len(busy) < n:  # those that end at once are not planned
        jobs = jobs.replace(**{name: getattr(jobs, name)[busy] for name in jobs.columns()})
        if table is not None:
            table = table.replace(id=first + np.arange(len(kept)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem = problem.replace(
            jobs=jobs,
            running=table,
            quotas=quotas,
            energy=energy,
            classes=problem.classes.replace(capacity=capacity),
            sites=problem.sites.replace(
                connection_kw=connection_of(tables, problem, capacity.max(axis=1, initial=0))
            ),
        )
    return Window(problem, [rows[k]["n"] for k in busy.tolist()], late)


def never(problem: Problem, rows: Sequence[int]) -> list[str]:
    """Return for jobs without any option which filter left none, by the tokens of `REASONS`."""
    if not len(rows):
        return []
    tokens, found = list(REASONS), filtered(problem.effective, np.array(rows))[1]
    return [f"{tokens[k]}, {REASONS[tokens[k]]}" if k >= 0 else tokens[4] for k in found.tolist()]


def connection_of(tables: GridTables, problem: Problem, most: Any) -> NDArray[np.float64]:
    """Return the power each site takes from the grid at most.

    Accelerators that are there have power: where the tables' connection carries less than they draw
    together, it is taken to carry that, unless the configuration says what it carries.
    """
    classes = problem.classes
    kwh = problem.kwh_per_accelerator_h.max(axis=1)
    draw = np.bincount(classes.site, kwh * most, len(problem.sites))
    draw += problem.energy.base_load_kwh.max(axis=1, initial=0.0)
    out = np.maximum(problem.sites.connection_kw, draw)
    for name, cluster in tables.config.clusters.items():
        if not math.isnan(cluster.connection_kw):
            out[tables.site[name]] = cluster.connection_kw
    return np.asarray(out)


def _left(hours: float) -> int:
    """Return the whole hours that a job keeps its accelerators; one past its hours an hour more."""
    return max(1, math.ceil(hours - SOON_H)) if hours <= 0 or hours > SOON_H else 0


def _capacity(tables: GridTables, hour: int, hours: int, observed: Observed) -> NDArray[np.int64]:
    out = np.zeros((len(tables.world.classes), hours), np.int64)
    for key, nodes in observed.nodes.items():
        if key in tables.klass:
            out[tables.klass[key]] = sum(nodes)
    for key, taken in observed.others.items():
        if key in tables.klass:
            for count, until_h in taken:
                last = max(1, math.ceil(min(until_h, hour + hours + 1) - hour - SOON_H))
                out[tables.klass[key], :last] -= count
    return np.maximum(out, 0)


def _families(
    tables: GridTables, rows: Sequence[Row], observed: Observed
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return each job's row of throughput, which is 0 on classes that it may not or cannot use.

    A gang larger than a node takes whole nodes of one size.
    """
    base = tables.world.classes.throughput
    found: dict[Any, int] = {}
    out: list[Any] = []
    family = np.zeros(len(rows), np.int32)
    for k, row in enumerate(rows):
        key = (row["family"], row["wanted"], row["gang"])
        if key not in found:
            found[key] = len(out)
            speed = np.zeros(base.shape[1])
            for (site, kind), klass in tables.klass.items():
                nodes = observed.nodes.get((site, kind), ())
                if row["wanted"] in ("", kind) and fits(row["gang"], nodes):
                    speed[klass] = base[tables.families.get(row["family"], len(base) - 1), klass]
            out.append(speed)
        family[k] = found[key]
    return family, np.array(out) if out else base[-1:].copy()


def fits(gang: int, nodes: Sequence[int]) -> bool:
    """Can a gang run on these nodes: on one, or on whole ones of the largest size?"""
    size = max(nodes, default=0)
    return gang <= size or (size > 0 and gang % size == 0 and nodes.count(size) * size >= gang)


def _values(problem: Problem, rows: Sequence[Row], hours: Any) -> NDArray[np.float64]:
    """Return what leaving each job out costs; by default far more than its dearest placement."""
    e = problem.energy
    price = float(e.tariff_yuan_per_kwh.max(initial=0.0)) + problem.mandate.shortfall_yuan_per_kwh
    price += float(e.carbon_yuan_per_t) * float(problem.carbon_g_per_kwh.max(initial=0.0)) / 1e6
    kwh = float(problem.kwh_per_accelerator_h.max(initial=0.0))
    wire = float(problem.corridors.price_yuan_per_gb.max(initial=0.0))
    return np.array(
        [
            row["value_yuan"]
            if row["value_yuan"] is not None
            else DEAR
            * (
                1.0
                + row["gang"] * h * kwh * price
                + row["data_gb"] * wire
                + row["delay_yuan_per_h"] * problem.hours
            )
            for row, h in zip(rows, np.asarray(hours).tolist(), strict=True)
        ],
        np.float64,
    )
