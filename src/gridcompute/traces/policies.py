"""The policies by name, each made ready for one replay.

Policies of one queue: in order of arrival, best fit, least attained service, shortest left.

Plain FIFO event by event: a heap of ends and a place in the queue, for millions of events.

The same rules as the policy "fifo" under rounds of length 0: no job is pre-empted and none is
overtaken, so that at an event only the head of the queue is tried.

AlloX: jobs to positions in the queues of devices by an exact transport (EuroSys 2020).
"""

from __future__ import annotations

import heapq
import random
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import meant
from ..errors import InvalidProblemError
from ..solvers.transport import transport
from .engine import Log, Runs
from .gavel import (
    FastestFirst,
    FifoAsCoded,
    RoundPriorities,
    blind_max_min_shares,
    isolated_shares,
    makespan_shares,
    max_min_shares,
)
from .priced_policy import OBJECTIVES, Priced

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .engine import View
    from .tables import Cluster, Trace

    Decide = Callable[[View], NDArray[Any]]


def made(policy: Any, cluster: Cluster, round_s: float, seed: int) -> tuple[str, Decide]:
    """Return the name of a policy and what decides a round, with a fresh state."""
    order = list(range(cluster.n_types))
    if isinstance(policy, str):
        policy = _OWN.get(policy, policy)
    if not isinstance(policy, str):
        if not callable(policy):
            raise TypeError(f"policy must be a name or a callable, not {type(policy).__name__}")
        fresh = getattr(policy, "fresh", None)
        name = getattr(policy, "name", None) or getattr(policy, "__name__", type(policy).__name__)
        return str(name), policy if fresh is None else fresh()
    if policy in _PLAIN:
        return policy, _PLAIN[policy]
    if policy not in POLICIES:
        raise InvalidProblemError(
            f"policy: found {policy!r}, needed one of {', '.join(POLICIES)}, or a callable"
            f"{meant(policy, POLICIES)}",
            "policy",
        )
    if round_s <= 0.0:
        raise InvalidProblemError(
            f"round_s: found {round_s:g}, needed above 0 for {policy}, which shares time by rounds",
            "round_s",
        )
    shuffle = random.Random(seed + 5)
    if policy == "fifo_gavel":
        return policy, RoundPriorities(FifoAsCoded(cluster, seed), order, shuffle, positive=True)
    if policy == "fifo_gavel_fastest":
        return policy, RoundPriorities(FastestFirst(), order, positive=True)
    shares, blind = _SHARES[policy]
    return policy, RoundPriorities(shares, order, shuffle if blind else None)


def fifo(view: View) -> NDArray[np.int64]:
    """Start jobs in order of arrival on the fastest type with room, until one finds none.

    A job that runs stays where it is until it is done.
    """
    types = view.on.copy()
    free = _free(view, types)
    waiting = np.flatnonzero(types < 0)
    jobs, trace = view.jobs, view.trace
    for row in waiting.tolist():
        j = int(jobs[row])
        k = _fastest(view.speed_of(j), int(trace.gang[j]), free)
        if k < 0:
            break
        types[row] = k
        free[k] -= int(trace.gang[j])
    return types


def best_fit(view: View) -> NDArray[np.int64]:
    """Start jobs in order of arrival where they leave the least room; pass over those without.

    Ties go to the faster type, then to the first. A job that runs stays until it is done.
    """
    types = view.on.copy()
    free = _free(view, types)
    waiting = np.flatnonzero(types < 0)
    gang = view.gang[waiting]
    speed = view.speed[waiting]
    could = ((gang[:, None] <= np.array(free)) & (speed > 0.0)).any(axis=1)
    for at in np.flatnonzero(could).tolist():
        width, row = int(gang[at]), speed[at].tolist()
        room = [k for k, n in enumerate(free) if n >= width and row[k] > 0.0]
        if room:
            k = min(room, key=lambda k: (free[k], -row[k]))
            types[waiting[at]] = k
            free[k] -= width
            if not any(free):
                break
    return types


def least_attained(view: View) -> NDArray[np.int64]:
    """Run the jobs that have had the fewest device-seconds, each on the fastest type with room."""
    return _by_rank(view, np.argsort(view.attained_s, kind="stable"))


def shortest_left(view: View) -> NDArray[np.int64]:
    """Run the jobs with the least time left on their fastest type, each where it is fastest."""
    return _by_rank(view, np.argsort(view.left / view.speed.max(axis=1), kind="stable"))


def _by_rank(view: View, rank: NDArray[np.int64]) -> NDArray[np.int64]:
    """Place jobs by rank, passing over those without room, until no device is free."""
    free = view.cluster.devices.tolist()
    types = np.full(len(view.jobs), -1)
    gang, speed = view.gang, view.speed
    for row in rank.tolist():
        width = int(gang[row])
        k = _fastest(speed[row], width, free)
        if k >= 0:
            types[row] = k
            free[k] -= width
            if not any(free):
                break
    return types


def _fastest(speed: NDArray[np.float64], width: int, free: list[int]) -> int:
    """Return the fastest type with that much room, the first of equals, or -1."""
    best, chosen = 0.0, -1
    for k, v in enumerate(speed.tolist()):
        if v > best and free[k] >= width:
            best, chosen = v, k
    return chosen


def _free(view: View, types: NDArray[np.int64]) -> list[int]:
    """Return what the running jobs leave of each type."""
    runs = types >= 0
    load = np.bincount(types[runs], view.gang[runs], view.cluster.n_types)
    return [int(n) for n in view.cluster.devices - load]


def run_in_order(trace: Trace, cluster: Cluster, measured: NDArray[np.int64]) -> Log:
    """Replay plain FIFO until all measured jobs are done."""
    n, n_types = len(trace), cluster.n_types
    arrival, gang = trace.arrival_s.tolist(), trace.gang.tolist()
    fits = (trace.speed > 0.0) & (trace.gang[:, None] <= cluster.devices)
    speed = np.where(fits, trace.speed, 0.0)
    # The types on which each job can run, the fastest first, and its seconds there.
    order = np.argsort(-speed, axis=1, kind="stable")
    with np.errstate(divide="ignore"):
        seconds = trace.work[:, None] / np.take_along_axis(speed, order, axis=1)
    order_of, seconds_of, count = order.tolist(), seconds.tolist(), fits.sum(axis=1).tolist()
    free = cluster.devices.tolist()
    log = Log(np.full(n, np.nan), np.full(n, np.nan), np.zeros(n_types), np.zeros(n), Runs(n))
    done, first = [np.nan] * n, [np.nan] * n
    kind, first_round, last_round = [0] * n, [0] * n, [0] * n
    busy_s = [0.0] * n_types
    to_go = np.zeros(n, bool)
    to_go[measured] = True
    open_jobs, is_open = len(measured), to_go.tolist()
    running: list[tuple[float, int, int, float]] = []
    came = head = busy = 0
    while open_jobs:
        now = arrival[came] if came < n else np.inf
        if running and running[0][0] < now:
            now = running[0][0]
        while running and running[0][0] <= now:
            end, j, k, took = heapq.heappop(running)
            done[j], last_round[j] = end, len(log.round_start_s) - 1
            free[k] += gang[j]
            busy -= gang[j]
            busy_s[k] += took * gang[j]
            open_jobs -= is_open[j]
        while came < n and arrival[came] <= now:
            came += 1
        before = time.perf_counter()
        while head < came:
            width, found = gang[head], -1
            for at in range(count[head]):
                if free[order_of[head][at]] >= width:
                    found = at
                    break
            if found < 0:
                break
            k, took = order_of[head][found], seconds_of[head][found]
            free[k] -= width
            busy += width
            first[head], kind[head], first_round[head] = now, k, len(log.round_start_s)
            heapq.heappush(running, (now + took, head, k, took))
            head += 1
        log.decision_s.append(time.perf_counter() - before)
        if open_jobs:
            log.round_start_s.append(now)
            log.waiting.append(came - head)
            log.busy.append(busy)
        else:
            log.decision_s.pop()
    log.done_s, log.first_s = np.array(done), np.array(first)
    log.ran_s = log.done_s - log.first_s
    log.busy_s = np.array(busy_s)
    stopped, rounds = list(done), len(log.round_start_s)
    for end, j, k, _ in running:  # what those that still run have used
        stopped[j], last_round[j] = min(end, now), rounds - 1
        log.busy_s[k] += (stopped[j] - first[j]) * gang[j]
    ran = np.array([j for j in range(head) if first_round[j] < rounds], np.int64)
    ended, begun = np.array(stopped)[ran], np.array(first_round, np.int64)[ran]
    log.runs.begin(ran, np.array(kind, np.int64)[ran], begun)
    log.runs.extend(ran, ended - log.first_s[ran], ended, np.array(last_round, np.int64)[ran])
    return log


# Positions a device: this multiple of the jobs by the devices, and at least one more.
_SPARE = 2.5


def allox(view: View) -> NDArray[np.int64]:
    """Start the jobs that are first in the queues of least total completion time.

    A job that is q-th from the end of a device's queue delays q jobs, itself included, by its
    time: that is the cost of its position. Jobs that run stay until they are done.
    """
    types = view.on.copy()
    devices, gang = view.cluster.devices, view.gang
    if (gang > 1).any():
        row = int((gang > 1).argmax())
        raise InvalidProblemError(
            f"gang[{view.jobs[row]}]: found {gang[row]}, needed 1: allox places single devices",
            "gang",
            int(view.jobs[row]),
        )
    free = devices - np.bincount(types[types >= 0], minlength=len(devices))
    waiting = np.flatnonzero(types < 0)
    if not len(waiting) or not free.any():
        return types
    with np.errstate(divide="ignore"):
        seconds = view.left[waiting, None] / view.speed[waiting]
    depth = int(np.ceil(_SPARE * len(waiting) / float(devices.sum()))) + 1
    cost = (seconds[:, :, None] * np.arange(1, depth + 1)).reshape(len(waiting), -1)
    queue = transport(cost, np.repeat(devices, depth), threads=1).assignment // depth
    for k, room in enumerate(free.tolist()):
        rows = np.flatnonzero(queue == k)
        first = rows[np.argsort(seconds[rows, k], kind="stable")[:room]]
        types[waiting[first]] = k
    return types


_PLAIN: dict[str, Decide] = {
    "fifo": fifo,
    "best_fit": best_fit,
    "las": least_attained,
    "srtf": shortest_left,
    "allox": allox,
}
# Policies of shares: what computes them, and whether they are blind to types, for which the order
# of the types is shuffled each round.
_SHARES = {
    "max_min": (max_min_shares, False),
    "max_min_blind": (blind_max_min_shares, True),
    "max_min_makespan": (makespan_shares, False),
    "isolated": (isolated_shares, True),
}

_OWN = {Priced(o).name: Priced(o) for o in OBJECTIVES}

POLICIES = (*_PLAIN, *_OWN, "fifo_gavel", "fifo_gavel_fastest", *_SHARES)
