"""Decides whether a running job continues or pauses, by the saving less the hours to redo.

A plan knows a running job by the hours that are left of it. If it breaks off, the hours of its
restart come on top, which that plan does not hold. A part of what they cost is charged to it,
a guess at the prices of the last plan; where the plan breaks jobs off all the same, two more plans
decide by their costs: one in which these jobs go on now, and one in which they wait with the work
and the restart that are left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..interruption import Cuts, cheapest_cuts
from ..planner.cut_market import hourly_yuan
from .job_book import NEVER

if TYPE_CHECKING:
    from ..plan.columns import Prices
    from ..plan.plan import Plan
    from ..tables.column import Floats, Int64s
    from ..tables.problem import Problem
    from ..tables.running import Running

__all__ = ["Alternatives", "alternatives", "charged"]

#: Part of the guess that is charged: one that is too high would hide a break that pays, one that is
#: too low costs the two plans that tell.
CHARGED = 0.5


class Alternatives(NamedTuple):
    """Two problems of the hours ahead, in which jobs go on that a plan breaks off, or wait."""

    #: They stay where they run in this hour, whatever that costs.
    going_on: Problem
    #: They wait, with the hours of their restart to do as well.
    waiting: Problem
    #: What the second costs beside its plan: restarts, and delay that its jobs do not count.
    beside_yuan: float


def alternatives(problem: Problem, plan: Plan) -> Alternatives | None:
    """Return what is to be compared; None where no job breaks off that has hours to redo.

    Parameters
    ----------
    problem : Problem
        Of the hours ahead; its interruptible running jobs end sooner than their deadline by their
        restart.
    plan : Plan
        Its plan.
    """
    running = problem.running
    if running is None or problem.hours < 2:  # in one hour nothing goes on after a break
        return None
    job, jobs, steps = running.id, problem.jobs, problem.stepped
    klass, start = plan.assignment[job], plan.start[job]
    stops = running.movable & ((klass < 0) | (start > 0)) & jobs.interruptible[job]
    stops &= running.restart_h > 0
    at = np.flatnonzero(stops)
    if not len(at):
        return None
    job, klass = job[at], running.klass[at]
    site, restart = steps.classes.site[klass], running.restart_h[at].astype(np.int64)
    # More than any plan costs less than: they stay, or what they are worth is lost as well.
    never = running.move_yuan.copy()
    never[at] += 2 * float(jobs.value_yuan.sum()) + abs(plan.objective_yuan) + 1.0
    speed = steps.classes.throughput[steps.jobs.family[job], klass]
    last = np.minimum(steps.jobs.deadline[job] + restart, problem.hours)
    new = {
        "work_h": (running.hours_left[at] + restart) * speed,
        "origin": site,
        "data_gb": 0.0,
        "latency_ms": np.inf,
        "residency": np.int64(1) << site.astype(np.int64),
        "release": 1,
        "deadline": np.maximum(last, 2),
        "placed_class": -1,
        "placed_start": -1,
    }
    columns = {}
    for name, values in new.items():
        columns[name] = getattr(jobs, name).copy()
        columns[name][job] = values
    rest = np.delete(np.arange(len(running.id)), at)
    left = type(running)(**{name: getattr(running, name)[rest] for name in running.columns()})
    late = steps.jobs.delay_yuan_per_h[job] * (restart + 1)
    return Alternatives(
        problem.replace(running=running.replace(move_yuan=never)),
        problem.replace(running=left if len(rest) else None, jobs=jobs.replace(**columns)),
        float((jobs.restart_yuan[job] + late).sum()),
    )


def charged(problem: Problem, running: Running | None, prices: Prices | None) -> Running | None:
    """Return what runs with a part of what the hours of a restart cost in the price of a break."""
    if running is None or prices is None:
        return running
    at = np.flatnonzero(
        problem.jobs.interruptible[running.id] & running.movable & (running.restart_h > 0)
    )
    if not len(at):
        return running
    move_yuan = running.move_yuan.copy()
    move_yuan[at] += CHARGED * _restart_yuan(problem.stepped, running, at, prices)
    return running.replace(move_yuan=move_yuan)


def _restart_yuan(steps: Problem, running: Running, at: Int64s, prices: Prices) -> Floats:
    """Return what restart hours add to the rest of jobs that pause now, at prices of power."""
    jobs, hours = steps.jobs, steps.hours
    job, klass, clock = running.id[at], running.klass[at], np.arange(hours + 1)
    left, restart = running.hours_left[at].astype(np.int64), running.restart_h[at].astype(np.int64)
    free = np.zeros((len(steps.quotas), steps.quotas.linear_rows.models))
    hourly = hourly_yuan(steps, job, klass, np.zeros((len(at), hours)), prices.energy, free)
    last = np.minimum(jobs.deadline[job] + restart, hours)
    may = (clock[:-1] > 0) & (clock[:-1] < last[:, None])
    cuts = Cuts(
        np.where(may, hourly, np.inf),
        np.zeros((len(at), hours)),
        jobs.delay_yuan_per_h[job][:, None] * clock,
        np.minimum(left, NEVER).astype(np.int32),
        jobs.least_piece_h[job],
        jobs.restart_h[job],
        jobs.restart_yuan[job],
    )
    longer = np.minimum(left + restart, NEVER).astype(np.int32)
    less, more = cheapest_cuts(cuts)[0], cheapest_cuts(cuts._replace(need=longer))[0]
    both, out = np.isfinite(less) & np.isfinite(more), np.zeros(len(at))
    out[both] = np.maximum(more[both] - less[both], 0.0)
    return out
