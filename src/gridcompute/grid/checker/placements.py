"""Checks of placements: limits of each job, and what all share (classes, corridors, quotas)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from .derived_tables import kwh_by_class, quota_tree
from .faults import Fault, above, apart
from .pieces import Stretches, faulty_pieces, stretches
from .running import fixed_rows, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from ..plan.columns import Pieces
    from ..plan.data import PlanData
    from ..tables.column import Floats, Int32s
    from ..tables.problem import Problem

__all__ = [
    "Placed",
    "PlacedJobs",
    "capacity_faults",
    "job_faults",
    "load_of",
    "pinned_faults",
    "placed_jobs",
    "placement_faults",
    "stretches_of",
    "table_faults",
]


class Placed(Protocol):
    """A problem with the class and first hour of each job."""

    @property
    def problem(self) -> Problem:
        """The problem."""

    @property
    def assignment(self) -> Int32s:
        """Class of each job, -1 = unplaced."""

    @property
    def start(self) -> Int32s:
        """First hour of each job, -1 = unplaced."""

    @property
    def pieces(self) -> Pieces | None:
        """The pieces of the jobs that do not run whole."""


class PlacedJobs(NamedTuple):
    """A problem with the class and first hour of each job."""

    problem: Problem
    assignment: Int32s
    start: Int32s
    pieces: Pieces | None = None


def placement_faults(placed: Placed) -> list[Fault]:
    """Return what is wrong with the places of jobs alone: limits of each job, shared capacity."""
    whole = placed.problem
    placed = PlacedJobs(plain(whole), placed.assignment, placed.start, placed.pieces)
    faults = [*pinned_faults(whole, placed), *job_faults(placed)]
    return faults or list(capacity_faults(placed))


def placed_jobs(plan: Placed) -> tuple[Int32s, Int32s, Int32s, Int32s]:
    """Placed jobs with their classes, first hours, and the hours that they take whole."""
    problem = plan.problem
    job = np.flatnonzero(plan.assignment >= 0).astype(np.int32)
    klass, start = plan.assignment[job], plan.start[job]
    speed = problem.classes.throughput[problem.jobs.family[job], klass]
    with np.errstate(divide="ignore", over="ignore"):
        hours = np.ceil(problem.jobs.work_h[job] / speed - 1e-9)
    return job, klass, start, np.clip(hours, 1, problem.hours + 1).astype(np.int32)


def stretches_of(plan: Placed) -> Stretches:
    """Return the hours of placed jobs, in pieces or whole."""
    job, _, start, hours = placed_jobs(plan)
    return stretches(job, start, hours, plan.pieces)


def job_faults(plan: Placed) -> Iterator[Fault]:
    """Check the needs of each single job: its window, family, memory, residency and latency."""
    problem, jobs, classes = plan.problem, plan.problem.jobs, plan.problem.classes
    for array, size in ((plan.assignment, len(classes)), (plan.start, problem.hours)):
        bad = (array < -1) | (array >= size) | ((plan.assignment >= 0) != (plan.start >= 0))
        if bad.any():
            at = int(np.argmax(bad))
            yield Fault("PlacementMalformed", f"job {at}", float(array[at]), float(size - 1))
            return
    job, klass, start, hours = placed_jobs(plan)
    if plan.pieces is not None:
        fault = faulty_pieces(jobs, job, start, hours, problem.hours, plan.pieces)
        if fault is not None:
            yield Fault(*fault)
            if fault[0] == "PiecesMalformed":
                return
    site, origin = classes.site[klass], jobs.origin[job]
    allowed = (jobs.residency[job] >> site.astype(np.int64)) & 1
    times = 2.0 if problem.corridors.latency_rule == "round_trip" else 1.0
    delay = times * problem.corridors.delay_ms[origin, site]
    speed, end = classes.throughput[jobs.family[job], klass], stretches_of(plan).end
    checks: list[tuple[str, NDArray[np.bool_], NDArray[np.generic], NDArray[np.generic]]] = [
        ("WindowViolated", start < jobs.release[job], start, jobs.release[job]),
        ("WindowViolated", end > jobs.deadline[job], end, jobs.deadline[job]),
        ("FamilyUnsupported", speed <= 0, speed, np.ones_like(speed)),
        (
            "MemoryTooSmall",
            classes.memory_gb[klass] < jobs.memory_gb[job],
            classes.memory_gb[klass],
            jobs.memory_gb[job],
        ),
        ("ResidencyForbids", allowed == 0, site, jobs.residency[job]),
        ("LatencyTooHigh", delay > jobs.latency_ms[job], delay, jobs.latency_ms[job]),
    ]
    for token, bad, found, needed in checks:
        if bad.any():
            at = int(np.argmax(bad))
            where = f"job {job[at]} on class {klass[at]}"
            yield Fault(token, where, float(found[at]), float(needed[at]))


def pinned_faults(whole: Problem, plan: Placed) -> Iterator[Fault]:
    """Jobs that run and cannot move, where they are."""
    table = whole.running
    if table is None:
        return
    klass = dict(zip(table.id.tolist(), table.klass.tolist(), strict=True))
    for job in fixed_rows(whole).tolist():
        if (plan.assignment[job], plan.start[job]) != (klass[job], 0):
            found, needed = float(plan.assignment[job]), float(klass[job])
            yield Fault("PinnedMoved", f"job {job}", found, needed)
            return


def table_faults(
    plan: PlanData, shown: Mapping[str, NDArray[Any]], ids: NDArray[Any] | None
) -> Iterator[Fault]:
    """Check the table of placed jobs against the placements: every gang whole, once."""
    problem = plan.problem
    job, klass, start, _ = placed_jobs(plan)
    runs = stretches_of(plan)
    if not np.array_equal(shown["job"], job):
        yield Fault("TableMismatch", "rows of the table", len(shown["job"]), len(job))
        return
    gang = problem.jobs.gang[job]
    cut = problem.jobs.interruptible.any()
    more = (("end", runs.end), ("pieces", runs.resumed + 1)) if cut else ()
    checks: list[tuple[str, str, NDArray[Any]]] = [
        ("GangSplit", "gang", gang),
        ("GangSplit", "hours", runs.whole_h),
        ("TableMismatch", "klass", klass),
        ("TableMismatch", "site", problem.classes.site[klass]),
        ("TableMismatch", "start", start),
        ("TableMismatch", "tenant", problem.jobs.tenant[job]),
        *(("TableMismatch", name, needed) for name, needed in more),
    ]
    for token, name, needed in checks:
        off = np.flatnonzero(shown[name] != needed)
        if len(off):
            where = f"job {job[off[0]]}, {name}"
            yield Fault(token, where, float(shown[name][off[0]]), float(needed[off[0]]))
    off = np.flatnonzero(shown["id"] != (job if ids is None else ids[job]))
    if len(off):
        yield Fault("TableMismatch", f"job {job[off[0]]}, id", np.nan, float(job[off[0]]))
    by_site = np.bincount(shown["site"], shown["energy_kwh"], len(problem.sites)).astype(float)
    of_jobs = _jobs_load(plan).sum(axis=1)
    yield from apart("TableMismatch", "energy_kwh of site", by_site, of_jobs)


def capacity_faults(plan: Placed) -> Iterator[Fault]:
    """Check shared resources: accelerators by hour, corridors, and quotas up the tree of queues."""
    problem, jobs = plan.problem, plan.problem.jobs
    job, klass, start, _ = placed_jobs(plan)
    gang, runs = jobs.gang[job].astype(np.int64), stretches_of(plan)
    change = np.zeros((len(problem.classes), problem.hours + 1), np.int64)
    np.add.at(change, (klass[runs.at], runs.start), gang[runs.at])
    np.add.at(change, (klass[runs.at], runs.start + runs.hours), -gang[runs.at])
    use = change.cumsum(axis=1)[:, : problem.hours]
    yield from above("CapacityExceeded", "class, hour", use, problem.classes.capacity, 0.0)
    shape = problem.corridors.bandwidth_gb.shape
    wire = (jobs.origin[job], problem.classes.site[klass], start)
    sent = np.bincount(np.ravel_multi_index(wire, shape), jobs.data_gb[job], np.prod(shape))
    bandwidth = problem.corridors.bandwidth_gb
    yield from above("CorridorExceeded", "origin, site, hour", sent.reshape(shape), bandwidth)
    tree = quota_tree(problem)
    used = tree.used(jobs.tenant[job], klass, gang * runs.whole_h)
    yield from above("QuotaExceeded", "tenant", used[0], tree.most_h[0])
    where = "accelerator, tenant"
    yield from above("QuotaExceeded", where, used[1:], tree.most_h[1:])


def load_of(plan: PlanData) -> Floats:
    """Return the load of base and placed jobs, kWh by site and hour."""
    return plan.problem.energy.base_load_kwh + _jobs_load(plan)


def _jobs_load(plan: PlanData) -> Floats:
    """Return the load of placed jobs, kWh by site and hour."""
    problem = plan.problem
    job, klass, _, _ = placed_jobs(plan)
    runs = stretches_of(plan)
    gang, klass = problem.jobs.gang[job][runs.at].astype(np.float64), klass[runs.at]
    change = np.zeros((len(problem.classes), problem.hours + 1))
    np.add.at(change, (klass, runs.start), gang)
    np.add.at(change, (klass, np.minimum(runs.start + runs.hours, problem.hours)), -gang)
    busy = change.cumsum(axis=1)[:, : problem.hours]
    load = np.zeros_like(problem.energy.base_load_kwh)
    np.add.at(load, problem.classes.site, busy * kwh_by_class(problem))
    return load
