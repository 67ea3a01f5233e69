"""The library's own policy: each round an exact transport at prices of device-time.

A second on a device of type k is worth its price, the dual of the row of that type in the linear
program that ends all jobs seen lately at the earliest. A job's priced work is what its rest would
cost where that is cheapest; run elsewhere it earns less than the time it takes is worth. The round
maximises what is earned, so that each type works on what it is best at, and among jobs of like
worth the shorter come first: that is what keeps a loaded cluster short of queues.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .. import _checks
from ..solvers.transport import transport
from .gavel import MakespanProgram, largest_least_rate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .engine import View

__all__ = ["OBJECTIVES", "Priced"]


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
