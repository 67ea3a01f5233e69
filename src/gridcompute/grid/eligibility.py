"""The options of a job, or the reason for none: the filters of a problem, in fixed order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .interruption import Cuts, cheapest_cuts

if TYPE_CHECKING:
    from collections.abc import Callable

    from .tables.column import Bools, Floats, Int32s, Int64s
    from .tables.jobs import Jobs
    from .tables.quotas import Quotas
    from .tables.sites import Classes, Corridors


#: Filters in the order they are applied, each with what it means for a job to fall at it. A job
#: without options is given the first filter after which nothing is left. The tokens are stable.
REASONS = {
    "FamilyUnsupported": "no class runs this job family",
    "MemoryTooSmall": "no accelerator that runs it has the memory",
    "ResidencyForbids": "its data may not go where it could run",
    "LatencyTooHigh": "too far from its origin, wherever it could run",
    "WindowTooShort": "nothing finishes it between release and deadline, or the batch's end",
    "GangTooLarge": "never are there that many accelerators at once for that long",
    "DataExceedsCorridor": "the corridor carries less than its data in an hour",
    "QuotaTooSmall": "this job alone takes more than the tenant's quota, or one above it",
}
#: Why a job with options was left out of a plan: what its options lack beside the jobs placed, or
#: else what is so dear at the plan's prices that the job is worth less.
REASONS_UNPLACED = {
    "QuotaReached": "the tenant's quota, or one above it, is used up or worth more to other jobs",
    "CapacityTaken": "accelerators are taken, or worth more to other jobs",
    "CorridorTaken": "the corridor is full, or worth more to other jobs",
    "NotWorthIt": "its energy, data and delay alone cost more than leaving it out",
    "LeftForLater": "nothing finishes it before the batch ends; its deadline lies after that",
}

#: Forgiven before hours are rounded up: 3 h of work at throughput 0.3 is 10 hours, not 11.
ROUNDING_H = 1e-9
#: Jobs that are tested together: the results are n_jobs x n_classes numbers.
BLOCK = 1 << 14


class Eligibility(Protocol):
    """The parts of a `Problem` that decide which options a job has."""

    @property
    def jobs(self) -> Jobs:
        """The jobs."""

    @property
    def classes(self) -> Classes:
        """Their possible places."""

    @property
    def corridors(self) -> Corridors:
        """The corridors of data."""

    @property
    def quotas(self) -> Quotas:
        """The quotas of tenants."""

    @property
    def hours(self) -> int:
        """The number of hours."""

    @property
    def delay_ms(self) -> Floats:
        """Latency from each origin to each site."""


def hours_needed(problem: Eligibility, index: Any) -> Int32s:
    """Hours each job of `index` occupies each class; 0 = the class cannot run it."""
    speed = problem.classes.throughput[problem.jobs.family[index]]
    with np.errstate(divide="ignore", over="ignore"):
        hours = np.ceil(problem.jobs.work_h[index][:, None] / speed - ROUNDING_H)
    return np.where(speed > 0, np.clip(hours, 1, problem.hours + 1), 0).astype(np.int32)


def hours_taken(problem: Eligibility, job: Any, klass: Int32s) -> Int32s:
    """Hours that jobs occupy their classes."""
    speed = problem.classes.throughput[problem.jobs.family[job], klass]
    hours = np.ceil(problem.jobs.work_h[job] / speed - ROUNDING_H)
    taken: Int32s = np.maximum(hours, 1).astype(np.int32)
    return taken


def filtered(
    problem: Eligibility,
    index: Int64s,
    among: Bools | None = None,
    *,
    within_quotas: bool = True,
) -> tuple[Bools, Int32s]:
    """Classes with an open option for each job, and the filter (by position) at which none was
    left.

    Parameters
    ----------
    problem : Problem
    index : int (n,)
        Jobs to test.
    among : bool (n_classes,), optional
        Test these classes only.
    within_quotas : bool
        Is the last filter, that of quotas, applied?

    Returns
    -------
    left : bool (n, n_classes)
    reason : int32 (n,)
        -1 = something is left.
    """
    jobs, classes = problem.jobs, problem.classes
    site, need = classes.site, hours_needed(problem, index)
    deadline, release = jobs.deadline[index][:, None], jobs.release[index][:, None]
    left = (
        np.ones((len(index), len(classes)), bool)
        if among is None
        else np.tile(among, (len(index), 1))
    )
    reason = np.full(len(index), -1, np.int32)
    rows = problem.quotas.linear_rows
    quota = rows.least(rows.upper_h)[jobs.tenant[index]][:, rows.model(classes.accelerator)]
    capacity, bandwidth = problem.classes.capacity, problem.corridors.bandwidth_gb
    filters: list[Callable[[], Bools]] = [
        lambda: need > 0,
        lambda: jobs.memory_gb[index][:, None] <= classes.memory_gb,
        lambda: ((jobs.residency[index][:, None] >> site.astype(np.int64)) & 1) == 1,
        lambda: problem.delay_ms[jobs.origin[index]][:, site] <= jobs.latency_ms[index][:, None],
        lambda: release + need <= deadline,
        lambda: open_starts(problem, index, need, left, capacity, None) > 0,
        lambda: open_starts(problem, index, need, left, capacity, bandwidth) > 0,
        lambda: jobs.gang[index][:, None] * need.astype(np.float64) <= quota,
    ]
    for k, passes in enumerate(filters if within_quotas else filters[:-1]):
        left &= passes()
        reason[(reason < 0) & ~left.any(axis=1)] = k
    return left, reason


def without_option_yuan(problem: Eligibility) -> float:
    """Value of the jobs that have no option at all, which every plan leaves out."""
    value, total = problem.jobs.value_yuan, 0.0
    for first in range(0, len(value), BLOCK):
        index = np.arange(first, min(first + BLOCK, len(value)))
        total += float(value[index][filtered(problem, index)[1] >= 0].sum())
    return total


def places_of(problem: Eligibility) -> Int64s:
    """Return the number of sites at which each job has an option, (n_jobs,)."""
    left, _ = filtered(problem, np.arange(len(problem.jobs)))
    site, count = problem.classes.site, np.zeros(len(problem.jobs), np.int64)
    for place in np.unique(site):
        count += left[:, site == place].any(axis=1)
    return count


def open_starts(
    problem: Eligibility,
    index: Int64s,
    need: Int32s,
    among: Bools,
    capacity: Int64s,
    bandwidth_gb: Floats | None,
) -> Int32s:
    """Return the number of first hours of each job at each class, for this capacity and bandwidth.

    Of an interruptible job that can run in pieces alone, as many as 1.
    """
    jobs, site = problem.jobs, problem.classes.site
    row, col = np.nonzero(among)
    slack = jobs.deadline[index[row]] - need[row, col] - jobs.release[index[row]]
    order = np.argsort(-slack, kind="stable")  # so that each later start concerns a prefix
    row, col, slack = row[order], col[order], slack[order]
    job, d = index[row], np.minimum(need[row, col], problem.hours)
    first, gang, room = jobs.release[job], jobs.gang[job], least_free(capacity)
    origin, data = jobs.origin[job], jobs.data_gb[job]
    found = np.zeros(len(row), np.int32)
    for ahead in range(int(slack.max(initial=-1)) + 1):
        n = int(np.searchsorted(-slack, -ahead, side="right"))
        t = first[:n] + ahead
        open_ = room[d[:n], col[:n], t] >= gang[:n]
        if bandwidth_gb is not None:
            open_ &= data[:n] <= bandwidth_gb[origin[:n], site[col[:n]], t]
        found[:n] += open_
    count = np.zeros(among.shape, np.int32)
    count[row, col] = found
    if jobs.interruptible[index].any():
        row, col = np.nonzero(among & (count == 0) & jobs.interruptible[index][:, None])
        count[row, col] = _may_be_cut(
            problem, index[row], col, need[row, col], capacity, bandwidth_gb
        )
    return count


def _may_be_cut(
    problem: Eligibility,
    job: Int64s,
    klass: Int64s,
    need: Int32s,
    capacity: Int64s,
    bandwidth_gb: Floats | None,
) -> Bools:
    """Return which interruptible jobs can run at a class each, in pieces or whole."""
    jobs, clock, out = problem.jobs, np.arange(problem.hours), np.zeros(len(job), bool)
    for first in range(0, len(job), BLOCK):
        at = slice(first, first + BLOCK)
        j, c, n = job[at], klass[at], len(job[at])
        open_ = (clock >= jobs.release[j][:, None]) & (clock < jobs.deadline[j][:, None])
        open_ &= capacity[c] >= jobs.gang[j][:, None]
        begin = np.zeros((n, problem.hours))
        if bandwidth_gb is not None:
            wire = bandwidth_gb[jobs.origin[j], problem.classes.site[c]]
            begin = np.where(jobs.data_gb[j][:, None] <= wire, 0.0, np.inf)
        cuts = Cuts(
            np.where(open_, 0.0, np.inf),
            begin,
            np.zeros((n, problem.hours + 1)),
            need[at],
            jobs.least_piece_h[j],
            jobs.restart_h[j],
            np.zeros(n),
        )
        out[at] = np.isfinite(cheapest_cuts(cuts)[0])
    return out


def least_free(capacity: Int64s) -> Int64s:
    """Least capacity over d hours from hour t, ``[d, class, t]``; -1 past the last hour."""
    n_classes, hours = capacity.shape
    out = np.full((hours + 1, n_classes, hours), -1, np.int64)
    out[0] = np.iinfo(np.int64).max
    for d in range(1, hours + 1):
        n = hours - d + 1
        out[d, :, :n] = np.minimum(out[d - 1, :, :n], capacity[:, d - 1 :])
    return out
