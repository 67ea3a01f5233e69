"""Checks of placements and power: jobs, shared limits, dispatch, mandate, each recomputed.

Running jobs: `plain` writes them as jobs with options of their own, `fixed` takes those out that
have no choice. The planner has functions of its own for both.

Interruptible jobs: the planner goes hour by hour through what a job has done so far
(`interruption`); here whole pieces are put together, each of every length, so that an error in one
of them is found by the other.

Then limits of each job, and what all share (classes, corridors, quotas); power by site and hour,
and batteries, which give what they took; the mandate, the direct-connection rule, the green
numbers.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from .derived_tables import (
    TOLERANCE,
    Fault,
    above,
    apart,
    by_hour,
    by_step,
    kwh_by_class,
    quota_tree,
    ruled,
    scopes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from ..plan.columns import Pieces
    from ..plan.data import PlanData
    from ..tables.column import Bools, Floats, Int32s, Int64s
    from ..tables.jobs import Jobs
    from ..tables.problem import Problem
    from ..tables.quotas import Quotas


def fixed_rows(problem: Problem) -> Int64s:
    """Rows of jobs that run and cannot move: pinned, or busy to the batch's end and beyond."""
    table = problem.running
    if table is None:
        return np.zeros(0, np.int64)
    stays = [
        int(row)
        for row, free, left in zip(table.id, table.movable, table.hours_left, strict=True)
        if not free or left > problem.hours
    ]
    return np.array(sorted(stays), np.int64)


def plain(problem: Problem) -> Problem:
    """The problem in steps with each running job as an ordinary one, with the options it has."""
    problem = by_step(problem)
    table = problem.running
    if table is None or not len(table):
        return problem
    jobs, classes, hours = problem.jobs, problem.classes, problem.hours
    columns = {name: getattr(jobs, name).copy() for name in jobs.columns()}
    speeds, labels = [list(row) for row in classes.throughput], list(classes.family_names)
    stays, families = set(fixed_rows(problem).tolist()), dict[tuple[int, ...], int]()
    times = 2.0 if problem.corridors.latency_rule == "round_trip" else 1.0
    for k, job in enumerate(table.id.tolist()):
        c = int(table.klass[k])
        site, left = int(classes.site[c]), min(int(table.hours_left[k]), hours)
        need, allowed, own = [0] * len(classes), 1 << site, classes.throughput[jobs.family[job]]
        if job not in stays:
            for other, speed in enumerate(own.tolist()):
                place = int(classes.site[other])
                far = times * problem.corridors.delay_ms[jobs.origin[job], place]
                if far <= jobs.latency_ms[job] and (int(jobs.residency[job]) >> place) & 1:
                    allowed |= 1 << place
                if speed > 0 and own[c] > 0 and classes.memory_gb[other] >= jobs.memory_gb[job]:
                    work = math.ceil(min(left * own[c] / speed, 1e6) - 1e-9)
                    need[other] = max(1, work) + int(table.restart_h[k])
        need[c] = left
        family = families.setdefault(tuple(need), len(speeds))
        if family == len(speeds):
            speeds.append([1.0 / d if d else 0.0 for d in need])
            labels.append(f"{family} of a running job")
        may = job not in stays
        deadline = max(int(jobs.deadline[job]), left) if may else left
        for name, value in (
            ("work_h", 1.0),
            ("family", family),
            ("memory_gb", 0.0),
            ("data_gb", table.checkpoint_gb[k] if may else 0.0),
            ("origin", site),
            ("release", 0),
            ("deadline", deadline),
            ("latency_ms", np.inf),
            ("residency", allowed),
            ("delay_yuan_per_h", jobs.delay_yuan_per_h[job] if may else 0.0),
            ("placed_class", c if may else -1),
            ("placed_start", 0 if may else -1),
            ("migration_yuan", table.move_yuan[k] if may else 0.0),
            ("interruptible", may and bool(jobs.interruptible[job])),
        ):
            columns[name][job] = value
    wide = dataclasses.replace(
        classes, throughput=np.array(speeds), family_names=_once(labels, len(classes.family_names))
    )
    simple = dataclasses.replace(problem, jobs=type(jobs)(**columns), classes=wide, running=None)
    load, used = _fixed_use(problem, simple)[1:]
    upper = np.maximum(quota_tree(problem).most_h, used)
    return dataclasses.replace(
        simple,
        quotas=_limited(problem, upper, quota_tree(problem).least_h),
        energy=dataclasses.replace(problem.energy, shed_kwh=problem.energy.shed_kwh + load),
    )


def _fixed_use(problem: Problem, simple: Problem) -> tuple[Int64s, Floats, Floats]:
    """Return the use of classes, power and quotas by jobs that run and cannot move.

    `simple` is the problem with each running job as an ordinary one.
    """
    jobs, kwh, table = simple.jobs, kwh_by_class(simple), problem.running
    taken = np.zeros(simple.classes.capacity.shape, np.int64)
    load, tree = np.zeros_like(simple.energy.base_load_kwh), quota_tree(problem)
    used = np.zeros(tree.most_h.shape)
    assert table is not None
    where = dict(zip(table.id.tolist(), table.klass.tolist(), strict=True))
    for job in fixed_rows(problem).tolist():
        c, gang, d = where[job], int(jobs.gang[job]), int(jobs.deadline[job])
        taken[c, :d] += gang
        load[simple.classes.site[c], :d] += gang * kwh[c, :d]
        for queue in tree.path(int(jobs.tenant[job])):
            for line in {0, int(tree.line[c])}:
                used[line, queue] += gang * d
    return taken, load, used


def _limited(problem: Problem, most: Floats, least: Floats) -> Quotas:
    """The quotas of a problem with other limits, in the form of `QuotaTree`."""
    return dataclasses.replace(
        problem.quotas,
        upper_accelerator_h=most[0],
        lower_accelerator_h=least[0],
        borrowing_accelerator_h=np.full(len(most[0]), np.inf),
        upper_by_accelerator_h=most[1:],
        lower_by_accelerator_h=least[1:],
    )


def _once(labels: list[str], given: int) -> tuple[str, ...]:
    """Return the labels, those beyond the first `given` made unlike all others."""
    taken = set(labels[:given])
    for k in range(given, len(labels)):
        while labels[k] in taken:
            labels[k] += "'"
        taken.add(labels[k])
    return tuple(labels)


def fixed(problem: Problem) -> Problem:
    """The problem in which what runs and cannot move is capacity, load and quota in use.

    `problem` is one that `plain` has not been applied to. Load that is fixed may be shed.
    """
    problem = by_step(problem)
    rows, simple = fixed_rows(problem), plain(problem)
    if not len(rows):
        return simple
    jobs, classes, energy, tree = simple.jobs, simple.classes, simple.energy, quota_tree(problem)
    taken, load, used = _fixed_use(problem, simple)
    kept = np.ones(len(jobs), bool)
    kept[rows] = False
    columns = {name: getattr(jobs, name)[kept] for name in jobs.columns()}
    upper, lower = (np.maximum(limit - used, 0.0) for limit in (tree.most_h, tree.least_h))
    return dataclasses.replace(
        simple,
        jobs=type(jobs)(**columns),
        classes=dataclasses.replace(classes, capacity=classes.capacity - taken),
        energy=dataclasses.replace(energy, base_load_kwh=energy.base_load_kwh + load),
        quotas=_limited(problem, upper, lower),
    )


class Stretches(NamedTuple):
    """Consecutive hours in which placed jobs run, by job and first hour."""

    #: Place of each stretch's job among the placed jobs.
    at: Int64s
    start: Int64s
    hours: Int64s
    #: By placed job: all its hours, the hour after its last, and the number of its restarts.
    whole_h: Int64s
    end: Int64s
    resumed: Int64s


def stretches(job: Int32s, start: Int32s, hours: Int32s, pieces: Pieces | None) -> Stretches:
    """Read when placed jobs run: whole, for `hours` from `start`, but for those with pieces."""
    n = len(job)
    cut: dict[int, list[tuple[int, int]]] = {}
    if pieces is not None:
        columns = (pieces.job.tolist(), pieces.start.tolist(), pieces.hours.tolist())
        for j, first, length in zip(*columns, strict=True):
            cut.setdefault(j, []).append((first, length))
    if not cut:
        every = np.arange(n)
        whole = hours.astype(np.int64)
        return Stretches(every, start.astype(np.int64), whole, whole, start + whole, 0 * every)
    rows = [
        (i, first, length)
        for i, j in enumerate(job.tolist())
        for first, length in sorted(cut.get(j, [(int(start[i]), int(hours[i]))]))
    ]
    at, first_h, length_h = np.array(rows, np.int64).reshape(-1, 3).T
    total = np.bincount(at, length_h, n).astype(np.int64)
    last = np.zeros(n, np.int64)
    np.maximum.at(last, at, first_h + length_h)
    return Stretches(at, first_h, length_h, total, last, np.bincount(at, minlength=n) - 1)


def faulty_pieces(
    jobs: Jobs, job: Int32s, start: Int32s, hours: Int32s, n_hours: int, pieces: Pieces
) -> tuple[str, str, float, float] | None:
    """Return token, place, what was found and needed of the first thing wrong with pieces.

    Parameters
    ----------
    jobs : Jobs
    job, start, hours : int32 (n,)
        The placed jobs, their first hours, and the hours that each takes whole.
    n_hours : int
    pieces : Pieces
    """
    place = {j: i for i, j in enumerate(job.tolist())}
    cut: dict[int, list[tuple[int, int]]] = {}
    columns = (pieces.job.tolist(), pieces.start.tolist(), pieces.hours.tolist())
    for j, first, length in zip(*columns, strict=True):
        where = f"a piece of job {j}"
        if j not in place:
            return "PiecesMalformed", where, float(j), float(len(jobs) - 1)
        if length < 1 or first < 0 or first + length > n_hours:
            return "PiecesMalformed", where, float(first + length), float(n_hours)
        cut.setdefault(j, []).append((first, length))
    for j, parts in cut.items():
        least, restart = int(jobs.least_piece_h[j]), int(jobs.restart_h[j])
        i = place[j]
        if len(parts) < 2 or min(parts)[0] != start[i]:
            return "PiecesMalformed", f"first piece of job {j}", float(min(parts)[0]), start[i]
        if not jobs.interruptible[j]:
            return "NotInterruptible", f"job {j}", float(len(parts)), 1.0
        parts.sort()
        for (first, length), (later, _) in itertools.pairwise(parts):
            if later <= first + length:
                return "PiecesMalformed", f"a break of job {j}", float(later), first + length + 1
        for k, (_, length) in enumerate(parts):
            needed = max(least, restart + 1) if k else least
            if length < needed:
                return "PieceTooShort", f"piece {k} of job {j}", float(length), float(needed)
        done = sum(length for _, length in parts) - restart * (len(parts) - 1)
        if done != hours[i]:
            return "WorkMismatch", f"pieces of job {j}", float(done), float(hours[i])
    return None


class Priced(NamedTuple):
    """Interruptible jobs at one class at some prices, one row each.

    Parameters
    ----------
    need : int64 (n,)
    stretch : float64 (n, n_hours + 1, n_hours), yuan
        Price of a run of `length` hours from hour `first`, by these; inf where it is closed.
    begin : float64 (n, n_hours), yuan
        What is paid once for beginning in an hour, inf where the job may not.
    own : float64 (n, n_hours), yuan
        The part of it that is no price of a shared row.
    """

    job: Int64s
    need: Int64s
    stretch: Floats
    begin: Floats
    own: Floats

    def of(self, rows: Any) -> Priced:
        """Some of them."""
        return Priced(*(column[rows] for column in self))


def cheapest_in_pieces(problem: Problem, priced: Priced) -> Floats:
    """Return the least price at which each job runs, whole or in pieces; inf where it cannot."""
    jobs, out = problem.jobs, np.full(len(priced.job), np.inf)
    kinds = [(int(jobs.least_piece_h[j]), int(jobs.restart_h[j])) for j in priced.job.tolist()]
    for kind in sorted(set(kinds)):
        rows = np.flatnonzero([k == kind for k in kinds])
        out[rows] = _cheapest(problem, priced.of(rows), *kind)
    return out


def _cheapest(problem: Problem, priced: Priced, least: int, restart: int) -> Floats:
    """`cheapest_in_pieces` of jobs whose pieces have the same least length and restart."""
    jobs, hours, (job, need, stretch, begin, _) = problem.jobs, problem.hours, priced
    n, most = len(job), int(need.max())
    late = jobs.delay_yuan_per_h[job]
    out = np.full(n, np.inf)
    #: By hour, least price by work done where the last piece ended at it or before.
    before = [np.full((n, most + 1), np.inf)]
    for end in range(1, hours + 1):
        now = np.full((n, most + 1), np.inf)
        for length in range(1, end + 1):
            first = end - length
            price = stretch[:, length, first]
            if length <= most:
                may = need == length if length < least else need >= length
                starts = np.where(may, begin[:, first] + price, np.inf)
                now[:, length] = np.minimum(now[:, length], starts)
            work = length - restart
            if length >= least and 1 <= work <= most and first >= 1:
                again = before[first - 1][:, : most + 1 - work]
                again = again + (price + jobs.restart_yuan[job])[:, None]
                now[:, work:] = np.minimum(now[:, work:], again)
        done = now[np.arange(n), need] + late * (end - need - jobs.release[job])
        out = np.minimum(out, done)
        before.append(np.minimum(before[-1], now))
    return out


def ways(
    problem: Problem, priced: Priced, k: int, most: int
) -> Iterator[tuple[Bools, float, float] | None]:
    """Yield all ways to run job `k`: its hours, what it pays beside shared rows, and its price.

    After `most` ways, finished or begun, None is yielded, and the search ends.
    """
    jobs, hours, j = problem.jobs, problem.hours, int(priced.job[k])
    least, restart, need = int(jobs.least_piece_h[j]), int(jobs.restart_h[j]), int(priced.need[k])
    rest: list[tuple[list[tuple[int, int]], int]] = [([], need)]
    done = 0
    while rest:
        if done + len(rest) > most:
            yield None
            return
        pieces, left = rest.pop()
        done += 1
        if not left:
            end = pieces[-1][0] + pieces[-1][1]
            own = (len(pieces) - 1) * float(jobs.restart_yuan[j])
            own += float(jobs.delay_yuan_per_h[j]) * (end - need - int(jobs.release[j]))
            price = own + float(priced.begin[k, pieces[0][0]])
            price += sum(float(priced.stretch[k, length, first]) for first, length in pieces)
            busy = np.zeros(hours, bool)
            for first, length in pieces:
                busy[first : first + length] = True
            yield busy, own + float(priced.own[k, pieces[0][0]]), price
            continue
        lost = restart if pieces else 0
        soonest = pieces[-1][0] + pieces[-1][1] + 1 if pieces else 0
        for first in range(soonest, hours):
            if not pieces and not np.isfinite(priced.begin[k, first]):
                continue
            for length in range(lost + 1, min(left + lost, hours - first) + 1):
                whole = not pieces and length == left
                open_ = np.isfinite(priced.stretch[k, length, first])
                if open_ and (length >= least or whole):
                    rest.append(([*pieces, (first, length)], left - (length - lost)))


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


def balance_faults(plan: PlanData) -> Iterator[Fault]:
    """Power by site and hour: what sources have, what load takes, what the grid may deliver."""
    d, energy, sites = plan.dispatch, plan.problem.energy, plan.problem.sites
    for name in d.columns():
        yield from above("NegativeEnergy", name, -getattr(d, name), np.zeros(1))
    source = d.direct_kwh + d.direct_charge_kwh + d.exported_kwh + d.curtailed_kwh
    yield from apart("SourceImbalance", "source, site, hour", source, energy.direct_kwh)
    exported = d.exported_kwh.sum(axis=0)
    yield from above(
        "ExportForbidden", "site, hour", exported * (energy.export_yuan_per_kwh <= 0), 0
    )
    yield from above("ExportExceeded", "site, hour", exported, energy.export_kw[:, None])
    bundled = d.bundled_kwh + d.bundled_charge_kwh
    yield from above("BundledExceeded", "site, hour", bundled, energy.bundled_kwh)
    volume = energy.bundled_volume_kwh
    yield from above("VolumeExceeded", "site", bundled.sum(axis=1), volume)
    used = d.direct_kwh.sum(axis=0) + d.bundled_kwh + d.grid_kwh
    used = used + d.green_discharge_kwh + d.grey_discharge_kwh + d.shed_kwh
    load = load_of(plan)
    yield from apart("LoadImbalance", "site, hour", used, load)
    green = d.direct_kwh.sum(axis=0) + d.bundled_kwh + d.green_discharge_kwh
    yield from above("GreenAboveLoad", "site, hour", green, load)
    yield from above("ShedTooMuch", "site, hour", d.shed_kwh, energy.shed_kwh)
    drawn = d.grid_kwh + d.grid_charge_kwh
    yield from above("ConnectionExceeded", "site, hour", drawn, sites.connection_kw[:, None])


def storage_faults(plan: PlanData) -> Iterator[Fault]:
    """Batteries: what is stored follows from charges and discharges, green and grey apart."""
    d, energy = plan.dispatch, plan.problem.energy
    green_in = d.direct_charge_kwh.sum(axis=0) + d.bundled_charge_kwh
    colours = (
        (energy.green_start_kwh, green_in, d.green_discharge_kwh, d.green_stored_kwh),
        (energy.grey_start_kwh, d.grid_charge_kwh, d.grey_discharge_kwh, d.grey_stored_kwh),
    )
    for first, taken, given, stored in colours:
        kept = energy.charge_efficiency[:, None] * taken
        drawn = given / energy.discharge_efficiency[:, None]
        expected = first[:, None] + (kept - drawn).cumsum(axis=1)
        yield from apart("StoreImbalance", "site, hour", stored, expected)
        earned = energy.discharge_efficiency * (first + kept.sum(axis=1))
        yield from above("DischargeUnearned", "site", given.sum(axis=1), earned)
        if energy.terminal == "cyclic":
            yield from above("TerminalViolated", "site", first, stored[:, -1])
    both = d.green_stored_kwh + d.grey_stored_kwh
    yield from above("StoreTooFull", "site, hour", both, energy.battery_kwh[:, None])
    for flow in (green_in + d.grid_charge_kwh, d.green_discharge_kwh + d.grey_discharge_kwh):
        yield from above("StorePowerExceeded", "site, hour", flow, energy.battery_kw[:, None])


#: A site that takes no more has no green shares, kWh.
_NO_LOAD_KWH = 1e-6


def mandate_faults(plan: PlanData) -> Iterator[Fault]:
    """Each scope meets the mandate, or what the plan reports missing is what is missing."""
    d, rows = plan.dispatch, scopes(plan.problem)
    if d.missing_kwh.shape != rows.owed_kwh.shape:
        sizes = float(d.missing_kwh.size), float(rows.owed_kwh.size)
        yield Fault("MandateUnaccounted", "number of scopes", *sizes)
        return
    green = d.direct_kwh.sum(axis=0) + d.bundled_kwh + d.green_discharge_kwh
    if rows.exports:
        green = green + d.exported_kwh.sum(axis=0)
    if not rows.volume:
        yield from above("CertificateForbidden", "scope", d.certificate_kwh, 0)
    have = rows.member @ green.sum(axis=1) + d.certificate_kwh
    asked = rows.share * (rows.member @ load_of(plan).sum(axis=1)) + rows.owed_kwh
    yield from above("MandateUnaccounted", "scope", asked, have + d.missing_kwh)
    short = np.maximum(asked - have, 0.0)
    slack = TOLERANCE * np.maximum(1.0, np.abs(asked))
    yield from above("ShortfallOverstated", "scope", d.missing_kwh, short + slack)
    if plan.problem.mandate.shortfall == "forbidden":
        yield from above("MandateBroken", "scope", np.maximum(d.missing_kwh, short - slack), 0)


def direct_rule_faults(plan: PlanData) -> Iterator[Fault]:
    """Each site under the direct-connection rule keeps it, or reports by how much it does not."""
    d, rows = plan.dispatch, ruled(plan.problem)
    used = d.direct_kwh.sum(axis=(0, 2))
    taken = used + d.direct_charge_kwh.sum(axis=(0, 2))
    asked_use, asked_load = np.zeros(len(used)), np.zeros(len(used))
    asked_use[rows.site] = rows.used_kwh
    asked_load[rows.site] = rows.of_load * load_of(plan).sum(axis=1)[rows.site]
    for where, asked, have, reported in (
        ("own power used at site", asked_use, taken, d.direct_use_short_kwh),
        ("own power of load at site", asked_load, used, d.direct_load_short_kwh),
    ):
        yield from above("DirectRuleUnaccounted", where, asked, have + reported)
        slack = TOLERANCE * np.maximum(1.0, asked)
        most = np.maximum(asked - have, 0.0) + slack
        yield from above("ShortfallOverstated", where, reported, most)


def green_account_faults(plan: PlanData, shown: Mapping[str, Floats]) -> Iterator[Fault]:
    """The green numbers, site by site in plain sums, against those the plan shows."""
    problem, d, rows = plan.problem, plan.dispatch, scopes(plan.problem)
    load = load_of(plan).sum(axis=1)
    carbon = by_hour(problem.sites.carbon_g_per_kwh, problem.hours)
    if d.missing_kwh.shape != rows.owed_kwh.shape:
        return  # a fault by itself
    served = d.direct_kwh.sum(axis=(0, 2)) + (d.bundled_kwh + d.green_discharge_kwh).sum(axis=1)
    uncovered = np.maximum(load - served, 0.0)
    for s in range(len(problem.sites)):
        direct, bundled = d.direct_kwh[:, s].sum(), d.bundled_kwh[s].sum()
        green = direct + bundled + d.green_discharge_kwh[s].sum()
        grey = d.grid_kwh[s] + d.grey_discharge_kwh[s]
        clean = (grey * problem.energy.grid_green_share[s]).sum()
        retired = missing = 0.0
        for q in np.flatnonzero(rows.member[:, s]):
            pooled, left = load[rows.member[q]].sum(), uncovered[rows.member[q]].sum()
            part = load[s] / pooled if pooled > 0 else 0.0
            missing += part * d.missing_kwh[q]
            part = uncovered[s] / left if left > _NO_LOAD_KWH else part
            retired += part * d.certificate_kwh[q]
        claimed = green + retired
        claimed = claimed + d.exported_kwh[:, s].sum() if rows.exports else min(claimed, load[s])
        drawn = d.grid_kwh[s] + d.grid_charge_kwh[s]
        grams = (drawn * carbon[s]).sum()
        over = load[s] if load[s] > _NO_LOAD_KWH else np.nan
        for name, needed in (
            ("load_kwh", load[s]),
            ("green_kwh", green),
            ("certificate_kwh", retired),
            ("n1_statutory", claimed / over),
            ("n2_hourly", green / over),
            ("n3_cfe", (green + clean) / over),
            ("n4_tco2", grams / 1e6),
            ("shortfall_kwh", missing),
        ):
            found = float(shown[name][s])
            if np.isnan(needed) and (np.isnan(found) or shown["load_kwh"][s] > 0):
                continue  # rounding alone may leave a site a load
            if not abs(found - needed) <= TOLERANCE * max(1.0, abs(needed)):
                yield Fault("AccountMismatch", f"{name} of site {s}", found, float(needed))
                return
