"""Running jobs of a problem as the checker reads them.

`plain` writes them as jobs with options of their own, `fixed` takes those out that have no choice.
The planner has functions of its own for both.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from .derived_tables import by_step, kwh_by_class, quota_tree

if TYPE_CHECKING:
    from ..tables.column import Floats, Int64s
    from ..tables.problem import Problem
    from ..tables.quotas import Quotas

__all__ = ["fixed", "fixed_rows", "plain"]


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
