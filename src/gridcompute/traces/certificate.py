"""Check of a replay's bounds from the trace, the cluster and the prices alone.

It imports nothing that made them: what the prices are worth is computed again, job by job and time
by time, by the inequalities stated in `bounds`.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._certificate import Certificate, relative_gap

if TYPE_CHECKING:
    from numpy.typing import NDArray


#: Relative error that the sums below may have: some ten roundings of 2**-53 a term.
_ROUNDING = 1e-12

_JOB_COLUMNS = ("completion_s", "waiting_s", "start_s", "end_s")
_RUN_COLUMNS = ("job", "type", "first_round", "last_round", "ran_s", "end_s")


@dataclass(frozen=True)
class TraceCertificate(Certificate):
    """The result of an independent check of a replay.

    Attributes
    ----------
    valid : bool
        The runs do all work, figures are those of the runs, no job ends before it could, and no
        bound lies above its value.
    objective, bound : float
        Mean completion time in seconds, and what no schedule is below.
    makespan_s, makespan_bound_s : float
        The same of the makespan.
    reasons : tuple of str
        Why not, where something does not hold.
    """

    valid: bool
    objective: float
    bound: float
    makespan_s: float
    makespan_bound_s: float
    reasons: tuple[str, ...]

    @property
    def gap(self) -> float:
        """(objective - bound) / max(abs(objective), abs(bound)); 0.0 where both are equal."""
        return relative_gap(self.objective, self.bound)


def makespan_bound(trace: Any, cluster: Any, jobs: NDArray[np.int64], prices: Any) -> float:
    """Return the seconds from the first arrival that no schedule of these jobs ends before."""
    if not len(jobs):
        return 0.0
    begun = float(trace.arrival_s[jobs].min())
    bound = max(
        float(trace.arrival_s[j]) + _shortest(trace, cluster, j) - begun for j in jobs.tolist()
    )
    known = set(jobs.tolist())
    for entry in prices:
        device, own = np.maximum(entry.device, 0.0), np.maximum(entry.job, 0.0)
        worth = []
        for j, beta in zip(entry.jobs.tolist(), own.tolist(), strict=True):
            if j not in known or trace.arrival_s[j] < entry.release_s:
                return -math.inf  # prices of other jobs prove nothing about these
            gang, work = int(trace.gang[j]), float(trace.work[j])
            can = [
                (beta + gang * float(device[k])) * work / float(trace.speed[j, k])
                for k in range(cluster.n_types)
                if trace.speed[j, k] > 0.0 and gang <= cluster.devices[k]
            ]
            worth.append(min(can))
        spent = math.fsum(own.tolist()) + math.fsum(
            float(device[k]) * int(cluster.devices[k]) for k in range(cluster.n_types)
        )
        if spent > 0.0:
            until = math.fsum(worth) / spent * (1.0 - _ROUNDING)
            bound = max(bound, entry.release_s - begun + until)
    return bound * (1.0 - _ROUNDING)


def completion_bound(trace: Any, cluster: Any, jobs: NDArray[np.int64], prices: Any) -> float:
    """Return the sum of completion times (end less arrival) that no schedule is below."""
    n = len(jobs)
    if not n:
        return 0.0
    arrival = np.asarray(trace.arrival_s)[jobs]
    time_s, price = np.asarray(prices.time_s), np.asarray(prices.price)
    if (price < 0.0).any() or (np.diff(time_s) <= 0.0).any() or (price[:, -1] != 0.0).any():
        return -math.inf
    gang, work = np.asarray(trace.gang)[jobs], np.asarray(trace.work)[jobs]
    tolls, shortest = [], np.full(n, np.inf)
    for k in range(cluster.n_types):
        speed = np.asarray(trace.speed)[jobs, k]
        can = (speed > 0.0) & (gang <= cluster.devices[k])
        seconds = np.full(n, np.inf)
        seconds[can] = work[can] / speed[can]
        shortest = np.minimum(shortest, seconds)
        tolls.append((can, gang * np.where(can, seconds, 1.0)))
    alone = math.fsum(shortest.tolist())  # no device-time is scarce
    alone = max(alone, _one_machine(arrival.tolist(), tolls, cluster.devices, prices.worth))
    if len(time_s) < 2:
        return alone * (1.0 - _ROUNDING)

    def paid(values: list[NDArray[np.float64] | float]) -> NDArray[np.float64]:
        """Return what each job pays at least at these prices of the types."""
        least = np.full(n, np.inf)
        for (can, toll), value in zip(tolls, values, strict=True):
            least = np.where(can, np.minimum(least, toll * value), least)
        return least

    at_arrival = [np.interp(arrival, time_s, row) for row in price]
    # Both ways of bounding, from the arrival on and then at each later time.
    lowest = paid(list(at_arrival))
    middle = arrival + lowest
    least_end = arrival + shortest
    late = np.full(n, np.inf)
    before = lowest  # the least payment from the arrival to the present time
    for b, t in enumerate(time_s.tolist()):
        open_now = arrival <= t
        cheap = paid([float(row[b]) for row in price])
        middle = np.where(open_now, np.minimum(middle, t + cheap), middle)
        # Ends up to t cost at least their earliest time and the least paid until t.
        after = np.where(open_now, np.minimum(before, cheap), before)
        previous = time_s[b - 1] if b else -np.inf
        ends_here = open_now & (least_end <= t)
        earliest = np.maximum(least_end, previous)
        late = np.where(ends_here, np.minimum(late, earliest + after), late)
        before = after
    # After the last time all is free.
    late = np.minimum(late, np.maximum(least_end, time_s[-1]))
    each = np.maximum(middle + shortest / 2.0, late)
    steps = np.diff(time_s)
    worth = [
        float(m) * math.fsum((steps * (row[1:] + row[:-1]) / 2.0).tolist())
        for m, row in zip(cluster.devices, price, strict=True)
    ]
    total = math.fsum(each.tolist())
    slack = _ROUNDING * (abs(total) + math.fsum(worth) + math.fsum(arrival.tolist()))
    priced = total - math.fsum(worth) - math.fsum(arrival.tolist()) - slack
    return max(priced, alone * (1.0 - _ROUNDING))


def _one_machine(arrival: list[float], tolls: Any, devices: Any, worth: Any) -> float:
    """Return the sum of completion times on one machine as strong as the cluster.

    Between two arrivals the machine works off the smallest rests: a sorted list of rests is kept,
    and what has room until the next arrival ends.
    """
    value = np.maximum(np.asarray(worth, np.float64), 0.0)
    speed = math.fsum(float(v) * int(m) for v, m in zip(value, devices, strict=True))
    if not speed > 0.0:
        return 0.0
    sizes = np.full(len(arrival), np.inf)
    for k, (can, toll) in enumerate(tolls):
        sizes = np.where(can, np.minimum(sizes, toll * value[k]), sizes)
    events = sorted(zip(arrival, (sizes / speed).tolist(), strict=True))
    rests: list[float] = []  # descending: the smallest is the last
    ends = []
    for at, (now, size) in enumerate(events):
        bisect.insort(rests, size, key=lambda rest: -rest)
        clock, until = now, events[at + 1][0] if at + 1 < len(events) else math.inf
        while rests and clock + rests[-1] <= until:
            clock += rests.pop()
            ends.append(clock)
        if rests and until > clock:
            rests[-1] -= until - clock
    slack = 1e2 * _ROUNDING * math.fsum(ends)
    return math.fsum(ends) - math.fsum(arrival) - slack


def check(answer: Any, makespan_prices: Any, prices: Any) -> TraceCertificate:
    """Check the times of a replay and its bounds."""
    trace, cluster, jobs = answer.trace, answer.cluster, answer.jobs
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers that were forged
        reasons = _shapes(answer) or _check_runs(answer)
    if reasons:
        return TraceCertificate(False, math.nan, -math.inf, math.nan, -math.inf, tuple(reasons))
    ends = np.asarray(answer.end_s)
    times = [float(e) - float(trace.arrival_s[j]) for e, j in zip(ends, jobs.tolist(), strict=True)]
    mean = math.fsum(times) / len(times) if times else math.nan
    bound = completion_bound(trace, cluster, jobs, prices) / len(times) if times else math.nan
    until = makespan_bound(trace, cluster, jobs, makespan_prices)
    span = float(ends.max() - trace.arrival_s[jobs].min()) if times else 0.0
    # A clock that stands at 100 s resolves a microsecond only to the last bits of 100.
    clock = 4.0 * float(np.spacing(np.abs(ends).max(initial=0.0)))
    if times and not bound <= mean * (1.0 + 1e-9) + clock:
        reasons.append(f"the bound of the mean completion, {bound} s, is above it, {mean} s")
    if not until <= span * (1.0 + 1e-9) + clock:
        reasons.append(f"the bound of the makespan, {until} s, is above it, {span} s")
    for name, found in (("mean_completion_bound_s", bound), ("makespan_bound_s", until)):
        claim = vars(answer).get(name, found)  # where it was asked for
        if not (claim == found or (claim != claim and found != found)):
            reasons.append(f"{name}: found {claim}, the prices prove {found}")
    return TraceCertificate(not reasons, mean, bound, span, until, tuple(reasons))


def _shapes(answer: Any) -> list[str]:
    """Return which columns have other lengths than their table."""
    n, n_rounds = len(answer.jobs), len(answer.rounds["start_s"])
    tables = [
        (n, ((name, getattr(answer, name)) for name in _JOB_COLUMNS)),
        (answer.cluster.n_types, [("busy_s", answer.busy_s)]),
        (n_rounds, ((f"rounds[{k!r}]", answer.rounds[k]) for k in ("waiting", "busy"))),
        (len(answer.runs["job"]), ((f"runs[{k!r}]", answer.runs[k]) for k in _RUN_COLUMNS)),
    ]
    return [
        f"{name}: found shape {column.shape}, needed ({size},)"
        for size, columns in tables
        for name, column in columns
        if column.shape != (size,)
    ]


def _check_runs(answer: Any) -> list[str]:
    """Return which figures are not those of the runs, and which runs cannot be."""
    trace, cluster, starts = answer.trace, answer.cluster, answer.rounds["start_s"]
    job, kind, first, last, ran, end = (answer.runs[name] for name in _RUN_COLUMNS)
    n, n_rounds, n_types = len(trace), len(starts), cluster.n_types
    inside = (job >= 0) & (job < n) & (kind >= 0) & (kind < n_types)
    if not (inside & (first >= 0) & (first <= last) & (last < n_rounds)).all():
        return ["runs: found a job, type or round that there is not"]
    if n_rounds and (starts[0] != trace.arrival_s[0] or not (np.diff(starts) >= 0.0).all()):
        return ["rounds: they do not begin at the first arrival, or not one after another"]
    same, again = np.zeros((2, len(job)), np.bool_)  # the next run is one of the same job, the last
    same[:-1] = again[1:] = job[1:] == job[:-1]
    if (job[1:] < job[:-1]).any() or (first[1:] <= last[:-1])[same[:-1]].any():
        return ["runs: they are not by job, one after another"]
    clock = 16.0 * float(np.spacing(np.abs(np.append(end, starts)).max(initial=0.0)))
    speed, gang = trace.speed[job, kind], trace.gang[job]
    until = np.append(starts, np.inf)[last + 1]
    good = (speed > 0.0) & (gang <= cluster.devices[kind]) & (trace.arrival_s[job] <= starts[first])
    good &= (ran >= 0.0) & (ran <= (end - starts[first]) * (1.0 + 1e-9) + clock)
    good &= (starts[last] <= end + clock) & (end <= until + clock)
    if not good.all():
        return [f"runs: that at {int((~good).argmax())} is none that its job could have"]
    debt = np.where(again, answer._settings["restart_s"], 0.0)
    work = np.bincount(job, np.maximum(ran - debt, 0.0) * speed, n)
    slack = 1e-9 * trace.work + 2.0 * clock * np.bincount(job, speed, n)
    done = work >= trace.work - slack
    over = work > trace.work + slack
    if over.any() or not done[answer.jobs].all():
        k = int(over.argmax()) if over.any() else int(answer.jobs[~done[answer.jobs]][0])
        return [f"runs: job {k} does {work[k]} of its work, {trace.work[k]}"]
    ends_run = done[job] & ~same  # a run with which its job is done
    change = np.zeros((n_rounds + 1, n_types), np.int64)
    np.add.at(change, (first, kind), gang)
    np.add.at(change, (last + 1, kind), -gang)
    load = change.cumsum(axis=0)[:n_rounds]
    if (load > cluster.devices).any():
        return ["runs: they take more devices than there are"]
    leaves = np.bincount(last[ends_run] + 1, minlength=n_rounds + 1)
    active = np.searchsorted(trace.arrival_s, starts, side="right") - leaves.cumsum()[:n_rounds]
    count = np.bincount(first, minlength=n_rounds + 1) - np.bincount(
        last + 1, minlength=n_rounds + 1
    )
    next_kind, next_first = np.roll(kind, -1), np.roll(first, -1)
    stops = ~ends_run & (last + 1 < n_rounds) & ~(same & (next_first == last + 1))
    start, final = np.full(n, np.nan), np.full(n, np.nan)
    start[job[~again]], final[job[ends_run]] = starts[first[~again]], end[ends_run]
    jobs = answer.jobs
    completion = final[jobs] - trace.arrival_s[jobs]
    waiting = np.maximum(completion - np.bincount(job, ran, n)[jobs], 0.0)
    figures = {
        "moves": (answer.moves, int((same & (next_kind != kind)).sum())),
        "evictions": (answer.evictions, int(stops.sum())),
        "rounds['busy']": (answer.rounds["busy"], load.sum(axis=1)),
        "rounds['waiting']": (answer.rounds["waiting"], active - count.cumsum()[:n_rounds]),
        "start_s": (answer.start_s, start[jobs]),
        "end_s": (answer.end_s, final[jobs]),
        "completion_s": (answer.completion_s, completion),
        "waiting_s": (answer.waiting_s, waiting),
        "busy_s": (answer.busy_s, np.bincount(kind, ran * gang, n_types)),
    }
    near = dict.fromkeys(figures, clock + _ROUNDING * float(np.abs(completion).max(initial=0.0)))
    near["busy_s"] += clock * float(gang.sum())  # a sum of all runs
    return [
        f"{name}: it is not that of the runs"
        for name, (claim, found) in figures.items()
        if not (
            np.array_equal(claim, found)
            or (np.asarray(claim).dtype.kind == "f" and np.allclose(claim, found, 1e-9, near[name]))
        )
    ]


def _shortest(trace: Any, cluster: Any, j: int) -> float:
    """Return the seconds of a job alone on its fastest type."""
    gang = trace.gang[j]
    fastest = max(
        float(v) for v, m in zip(trace.speed[j], cluster.devices, strict=True) if gang <= m
    )
    return float(trace.work[j]) / fastest
