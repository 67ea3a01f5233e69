"""The policies of a replay by name: priced, of one queue, and AlloX.

Priced, the library's own policy: each round is an exact transport at prices of device-time. A
second on a device of type k is worth its price, the dual of the row of that type in the linear
program that ends all jobs seen lately at the earliest. A job's priced work is what its rest would
cost where that is cheapest; run elsewhere it earns less than the time it takes is worth. The round
maximises what is earned, so that each type works on what it is best at, and among jobs of like
worth the shorter come first: that is what keeps a loaded cluster short of queues.

Of one queue: in order of arrival, best fit, least attained service, shortest left.

Plain FIFO goes event by event, with a heap of ends and a place in the queue, for millions of
events: the same rules as the policy "fifo" under rounds of length 0: no job is pre-empted and none
is overtaken, so that at an event only the head of the queue is tried.

AlloX (EuroSys 2020) gives jobs positions in the queues of devices by an exact transport.
"""

from __future__ import annotations

import heapq
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _checks
from .._checks import meant
from ..errors import InvalidProblemError
from ..solvers.transport import transport
from .engine import Log, Runs
from .gavel import (
    FastestFirst,
    FifoAsCoded,
    MakespanProgram,
    RoundPriorities,
    blind_max_min_shares,
    isolated_shares,
    largest_least_rate,
    makespan_shares,
    max_min_shares,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .engine import View
    from .tables import Cluster, Trace

    Decide = Callable[[View], NDArray[Any]]


class _Tuning(NamedTuple):
    """Numbers of this policy, measured on Gavel's jobs of one device each."""

    #: Worth of priced work beside that of a rank, in ranks for each device of the cluster: with 1,
    #: 2, 5 and 20 the mean completion at 5.6 jobs an hour is 19.76, 19.55, 19.42 and 19.43 h; at
    #: 6.0 it is 25.7, 23.7, 23.9 and 23.9 h.
    base_ranks: float = 4.0
    #: Jobs, the last to arrive, whose program gives the prices; and part by which the number of
    #: jobs seen grows before they are computed again.
    price_jobs: int = 400
    price_growth: float = 0.1
    #: Rounds between two programs of the makespan, and the jobs for which one more is added.
    share_rounds: int = 4
    jobs_a_round: int = 1000
    #: Seconds taken for a round's length where a replay has no rounds.
    event_round_s: float = 360.0


TUNING = _Tuning()
OBJECTIVES = ("completion", "makespan", "fairness")


@dataclass(frozen=True)
class Priced:
    """The policy "gridcompute", with its settings. It knows the work left of jobs that arrived.

    Parameters
    ----------
    objective : {"completion", "makespan", "fairness"}
        "completion": small mean completion time. "makespan": all jobs done early, by the shares of
        the linear program, the jobs first whose shares leave least slack. "fairness": small ratio
        of completion time to the time a job needs alone.

    Examples
    --------
    >>> from gridcompute import replay, traces
    >>> trace = traces.Trace([0.0, 0.0], [100.0, 100.0], [[2.0, 1.0], [4.0, 1.0]])
    >>> r = replay(trace, traces.Cluster([1, 1]), traces.Priced("makespan"), round_s=10.0)
    >>> r.makespan_s
    60.0
    """

    objective: str = "completion"

    def __post_init__(self) -> None:
        """Check the setting."""
        _checks.choice("objective", self.objective, OBJECTIVES)

    @property
    def name(self) -> str:
        """The name in results."""
        more = "" if self.objective == "completion" else f":{self.objective}"
        return f"gridcompute{more}"

    def fresh(self) -> _Shares | _Worth:
        """Return the policy with an empty memory."""
        return _Shares() if self.objective == "makespan" else _Worth(self.objective)

    def __call__(self, view: View) -> NDArray[np.int64]:
        """Decide a single round, without memory."""
        return self.fresh()(view)


class _Worth:
    """Completion and fairness: the transport of greatest worth."""

    def __init__(self, objective: str) -> None:
        self._fair = objective == "fairness"
        self._seen = 0
        self._price = np.zeros(0)

    def __call__(self, view: View) -> NDArray[np.int64]:
        n, devices = len(view.jobs), view.cluster.devices
        if not n:
            return np.zeros(0, np.int64)
        self._reprice(view)
        gang, speed, left = view.gang, view.speed, view.left
        with np.errstate(divide="ignore"):
            seconds = left[:, None] / speed
        work = (seconds * self._price).min(axis=1) * gang
        if self._fair:
            age = view.now - view.trace.arrival_s[view.jobs]
            weight = (age + seconds.min(axis=1)) / view.trace.shortest_s[view.jobs]
        else:
            rank = np.empty(n)
            rank[np.argsort(-work, kind="stable")] = np.arange(1, n + 1)
            weight = rank + TUNING.base_ranks * float(devices.sum())
        worth = (weight * work)[:, None] / seconds
        lost = view.restart_s / (view.round_s or TUNING.event_round_s)
        if lost:  # a job that is moved or resumed loses the time of a restart
            begun = view.attained_s > 0.0
            stays = view.on[:, None] == np.arange(len(devices))
            worth = np.where(begun[:, None] & ~stays, worth * max(1.0 - lost, 0.0), worth)
        if (gang == 1).all():
            if n <= devices.min():  # all fit wherever they are worth most
                best: NDArray[np.int64] = worth.argmax(axis=1)
                return best
            answer = transport(_costs(worth), devices, unplaced=0.0, threads=1)
            return answer.assignment.astype(np.int64)
        return _place_gangs(worth, gang, devices)

    def _reprice(self, view: View) -> None:
        """Compute the prices again once enough jobs have arrived since the last time."""
        came = int(view.jobs[-1]) + 1
        if self._seen and came < self._seen * (1.0 + TUNING.price_growth):
            return
        self._seen = came
        trace, first = view.trace, max(0, came - TUNING.price_jobs)
        jobs = np.arange(first, came)
        gang, devices = trace.gang[jobs], view.cluster.devices
        speed = np.where(gang[:, None] <= devices, trace.speed[jobs], 0.0)
        # Copies of the jobs until they fill the cluster, or a single long one would have all the
        # price: the program is about a stream of such jobs.
        rate = speed / trace.work[jobs, None]
        copies = float(devices.sum()) / len(jobs)
        if copies > 1.0:
            gang = gang * np.ceil(copies)
        price = largest_least_rate(rate, gang, devices)[2]
        floor = 1e-3 * float(price.max())  # a type that is idle in the program is not free
        self._price = np.maximum(price, floor) if floor > 0.0 else np.ones(len(devices))


class _Shares:
    """Makespan: shares by the linear program, the tightest jobs first."""

    def __init__(self) -> None:
        self._x = np.zeros((0, 0))
        self._price = np.zeros(0)
        self._pause = 0
        self._program: MakespanProgram | None = None

    def __call__(self, view: View) -> NDArray[np.int64]:
        n, devices = len(view.jobs), view.cluster.devices
        if not n:
            return np.zeros(0, np.int64)
        speed, left, gang = view.speed, view.left, view.gang
        if not self._x.size:
            self._x = np.zeros(view.trace.speed.shape)
        self._pause -= 1
        if self._pause < 0:
            self._pause = TUNING.share_rounds - 1 + n // TUNING.jobs_a_round
            known = self._program
            if known is None or known.jobs[-1] < view.jobs[-1] or 2 * n < len(known.jobs):
                self._program = known = MakespanProgram(view)
            self._x[view.jobs], self._price = known.shares(view)
        x = self._x[view.jobs]
        with np.errstate(divide="ignore"):
            seconds = left[:, None] / speed
        tight = np.round(x.sum(axis=1), 9)
        order = np.lexsort((-seconds.min(axis=1), -tight))
        types = np.full(n, -1)
        free = devices.tolist()
        # First each job where its shares are, then what is idle to whoever it serves best.
        _fill(types, free, order, gang, x)
        if any(free):
            price = np.maximum(self._price, 1e-9)
            best = (seconds * price).min(axis=1)[:, None]
            _fill(types, free, order, gang, best / (seconds * price))
        return types


def _costs(worth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what is worth most as what costs least, forbidden where it is worth nothing."""
    return np.where(worth > 0.0, -worth, np.inf)


def _place_gangs(
    worth: NDArray[np.float64], gang: NDArray[np.int64], devices: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Place gangs whole: exact prices for single devices first, then by what is left after them."""
    rows = np.repeat(np.arange(len(gang)), gang)
    costs = _costs(worth / gang[:, None])
    answer = transport(costs[rows], devices, unplaced=0.0, threads=1)
    net = worth - gang[:, None] * answer.prices
    order = np.argsort(-net.max(axis=1) / gang, kind="stable")
    types = np.full(len(gang), -1)
    free = devices.tolist()
    value = np.where(worth > 0.0, net - float(net.min()) + 1.0, 0.0)
    _fill(types, free, order, gang, value)
    return types


def _fill(
    types: NDArray[np.int64],
    free: list[int],
    order: NDArray[np.int64],
    gang: NDArray[np.int64],
    value: NDArray[np.float64],
) -> None:
    """Give waiting jobs, in that order, the type of greatest positive value that has room."""
    widths = gang.tolist()
    most = max(free)
    for row in order.tolist():
        width = widths[row]
        if types[row] >= 0 or width > most:
            continue
        best, chosen = 0.0, -1
        for k, v in enumerate(value[row].tolist()):
            if v > best and free[k] >= width:
                best, chosen = v, k
        if chosen >= 0:
            types[row] = chosen
            free[chosen] -= width
            most = max(free)
            if not most:
                break


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
