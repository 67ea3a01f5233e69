"""Lower bounds of every schedule of a trace: makespan and sum of completion times.

Makespan. Jobs that arrive at r or later cannot all be done before r + T, T being the optimum of the
linear program in which jobs divide freely over devices and time, each on one type at a time. Its
dual prices are kept: from them alone `certificate` computes the bound again.

Completion times. Let device-time of type k at time t have a price p_k(t) >= 0. A job that is done
at C, with the price of the device-time it uses, costs at least phi_j, the best it could do alone at
these prices. All jobs together pay no more than all device-time is worth, so that

    sum of C_j  >=  sum of phi_j - sum over k of devices_k * integral of p_k.

phi_j is bounded in two ways, and the larger counts. The mean time at which a job works lies at
least half its shortest run time before its end, so phi_j >= shortest_j / 2 + min over t >= arrival
and k of t + gang * seconds_jk * p_k(t). And it ends at some C >= arrival + shortest, having paid at
least the lowest price from its arrival until C. Prices are linear between times and 0 after the
last, so minima lie at these times. They are raised by subgradient steps; any prices give a bound.

A second bound takes the cluster for one machine: at fixed worths of the types a job's size is the
least that its device-time can be worth, the cluster works off at most all its worth a second, and
on one machine with preemption the shortest rest first is optimal. On one device it is exact. The
larger of the two counts.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .gavel import largest_least_rate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .tables import Cluster, Trace


#: Arrival times from which the program of the makespan is solved, evenly spread over the jobs.
_RELEASES = 4
#: Largest number of jobs in such a program: of more, those of most device-time.
_PROGRAM_JOBS = 20_000
#: Steps of the prices of completion, entries of their tables, and least and most times.
_STEPS, _ENTRIES, _LEAST_TIMES, _MOST_TIMES = 150, 600_000, 12, 240
#: Multiples of the first prices that are tried, part of the way to a schedule's value that a step
#: aims at, and what that is multiplied by after a step that raised the bound, and one that did not.
_FIRST, _AIM, _MORE, _LESS = (0.0, 0.125, 0.25, 0.5, 1.0), 0.1, 1.2, 0.8


@dataclass(frozen=True)
class MakespanPrices:
    """Dual prices of the jobs in `jobs`, which arrive at `release_s` or later.

    `device` is the price of each type, `job` that of each job's own time.
    """

    release_s: float
    jobs: NDArray[np.int64]
    device: NDArray[np.float64]
    job: NDArray[np.float64]


@dataclass(frozen=True)
class CompletionPrices:
    """Prices of a device-second at some times, `price` of shape (n_types, n_times).

    `worth`, shape (n_types,), is what a device-second of each type is worth where the whole cluster
    is taken for one machine.
    """

    time_s: NDArray[np.float64]
    price: NDArray[np.float64]
    worth: NDArray[np.float64]


def makespan_prices(
    trace: Trace, cluster: Cluster, jobs: NDArray[np.int64]
) -> tuple[MakespanPrices, ...]:
    """Return prices from which the bound of the makespan is computed, for some release times."""
    if not len(jobs):
        return ()
    arrival = trace.arrival_s[jobs]
    cuts = np.unique(arrival[(np.arange(_RELEASES) * len(jobs)) // _RELEASES])
    found = []
    for release in cuts.tolist():
        later = jobs[arrival >= release]
        if len(later) > _PROGRAM_JOBS:
            size = trace.shortest_s[later] * trace.gang[later]
            later = np.sort(later[np.argsort(-size, kind="stable")[:_PROGRAM_JOBS]])
        rate = _speed(trace, cluster, later) / trace.work[later, None]
        _, _, device, job = largest_least_rate(rate, trace.gang[later], cluster.devices)
        found.append(MakespanPrices(release, later, device, job))
    return tuple(found)


def completion_prices(trace: Trace, cluster: Cluster, jobs: NDArray[np.int64]) -> CompletionPrices:
    """Return prices that make the bound of the completion times large."""
    n, n_types = len(jobs), cluster.n_types
    if not n:
        return CompletionPrices(np.zeros(1), np.zeros((n_types, 1)), np.zeros(n_types))
    # Each type at what it is worth in the program of the makespan; at these worths the cluster is
    # one machine, whose queue, shortest priced work first, says where device-time is scarce.
    speed = _speed(trace, cluster, jobs)
    few = slice(None, None, max(1, n // 2000))
    rate = speed[few] / trace.work[jobs, None][few]
    worth = largest_least_rate(rate, trace.gang[jobs][few], cluster.devices)[2]
    total = float(worth @ cluster.devices)
    worth = worth / total if total > 0.0 else np.ones(n_types) / max(1, cluster.devices.sum())
    with np.errstate(divide="ignore"):
        seconds = trace.work[jobs, None] / speed
    size = (_finite(worth) * seconds).min(axis=1) * trace.gang[jobs]
    arrival = trace.arrival_s[jobs]
    fluid_s = _one_machine(arrival, size)
    end_s = fluid_s + trace.shortest_s[jobs]
    table = _Alone(trace, cluster, jobs, end_s)
    if (np.diff(table.time_s) <= 0.0).any():  # too short a time to be divided
        return CompletionPrices(np.zeros(1), np.zeros((n_types, 1)), worth)
    came = np.searchsorted(np.sort(arrival), table.time_s, side="right")
    lag = came - np.searchsorted(np.sort(fluid_s), table.time_s, side="right")
    shape = worth[:, None] * lag
    shape[:, -1] = 0.0
    best_value, best, slope = -np.inf, shape, shape
    for times in _FIRST:
        value, slope_here = table.value(shape * times)
        if value > best_value:
            best_value, best, slope = value, shape * times, slope_here
    aim, price, room = _AIM, best, np.maximum(table.room, 1e-12)
    upper = float(end_s.sum())
    for _ in range(_STEPS):
        held = (price <= 0.0) & (slope < 0.0)
        slope = np.where(held, 0.0, slope)
        slope[:, -1] = 0.0
        norm = float((slope**2 / room).sum())
        if norm <= 0.0 or upper <= best_value:
            break
        price = np.maximum(price + aim * (upper - best_value) / norm * slope / room, 0.0)
        value, slope = table.value(price)
        if value > best_value:
            best_value, best = value, price
            aim *= _MORE
        else:
            aim *= _LESS
            if aim < 1e-4:
                break
    return CompletionPrices(table.time_s, best, worth)


def _one_machine(arrival: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return when each job ends on one machine that serves the shortest rest first."""
    n = len(arrival)
    end = np.zeros(n)
    queue: list[tuple[float, int]] = []
    now, at = 0.0, 0
    starts, sizes = arrival.tolist(), size.tolist()
    while at < n or queue:
        if not queue:
            now = max(now, starts[at])
        while at < n and starts[at] <= now:
            heapq.heappush(queue, (sizes[at], at))
            at += 1
        left, j = heapq.heappop(queue)
        until = starts[at] if at < n else np.inf
        if now + left <= until:
            now += left
            end[j] = now
        else:
            heapq.heappush(queue, (left - (until - now), j))
            now = until
    return end


class _Alone:
    """The schedule of each single job at given prices, and the value of the bound there."""

    def __init__(
        self, trace: Trace, cluster: Cluster, jobs: NDArray[np.int64], end_s: NDArray[np.float64]
    ) -> None:
        n, n_types = len(jobs), cluster.n_types
        self.arrival, self.shortest = trace.arrival_s[jobs], trace.shortest_s[jobs]
        count = int(np.clip(_ENTRIES // (n * n_types), _LEAST_TIMES, _MOST_TIMES))
        self.time_s = np.linspace(float(self.arrival.min()), float(end_s.max()), count)
        speed = _speed(trace, cluster, jobs)
        with np.errstate(divide="ignore"):
            work = trace.gang[jobs, None] * trace.work[jobs, None]
            self._toll = np.where(speed > 0, work / speed, np.inf)
        width = np.diff(self.time_s, prepend=self.time_s[0], append=self.time_s[-1])
        self.room = cluster.devices[:, None] * (width[1:] + width[:-1]) / 2.0
        self._first = np.searchsorted(self.time_s, self.arrival)  # the first time not before it
        self._open = np.arange(count) >= self._first[:, None]
        least_end = self.arrival + self.shortest
        before = np.concatenate([[-np.inf], self.time_s[:-1]])
        self._end = np.where(
            self._open & (least_end[:, None] <= self.time_s),
            np.maximum(least_end[:, None], before),
            np.inf,
        )

    def value(self, price: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the bound at these prices and a subgradient: demand less supply."""
        n, (n_types, count) = len(self.arrival), price.shape
        rows = np.arange(n)
        cheap = self._toll[:, 0, None] * _finite(price[0])
        kind = np.zeros((n, count), np.int8)
        for k in range(1, n_types):
            other = self._toll[:, k, None] * _finite(price[k])
            less = other < cheap
            cheap = np.where(less, other, cheap)
            kind[less] = k
        cheap[~self._open] = np.inf
        here = _finite(np.array([np.interp(self.arrival, self.time_s, p) for p in price]).T)
        now_kind = (self._toll * here).argmin(axis=1)
        now = (self._toll * here)[rows, now_kind]
        # By the middle of the run.
        whole = self.time_s + cheap
        at = whole.argmin(axis=1)
        middle = np.minimum(whole[rows, at], self.arrival + now) + self.shortest / 2.0
        at = np.where(whole[rows, at] <= self.arrival + now, at, -1)
        # By its end, and the least price until then.
        lowest = np.minimum(np.minimum.accumulate(cheap, axis=1), now[:, None])
        late = self._end + lowest
        last = late.argmin(axis=1)
        by_end = late[rows, last]
        place = np.where(np.arange(count) <= last[:, None], cheap, np.inf).argmin(axis=1)
        place = np.where(cheap[rows, place] <= now, place, -1)
        free_end = np.maximum(self.arrival + self.shortest, self.time_s[-1])
        free = by_end > free_end
        by_end = np.where(free, free_end, by_end)
        later = by_end > middle
        where = np.where(later, place, at)
        chosen = np.where(where >= 0, kind[rows, where], now_kind)
        where = np.where(where >= 0, where, np.maximum(self._first - 1, 0))
        toll = np.where(later & free, 0.0, self._toll[rows, chosen])
        demand = np.zeros((n_types, count))
        np.add.at(demand, (chosen, where), toll)
        total = float(np.maximum(middle, by_end).sum() - (price * self.room).sum())
        return total, demand - self.room


def _finite(price: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return prices that stay ordered when a toll is infinite: 0 x inf would be nan."""
    return np.maximum(price, 1e-300)


def _speed(trace: Trace, cluster: Cluster, jobs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the speeds of jobs where their gangs fit."""
    fits = trace.gang[jobs, None] <= cluster.devices
    return np.where(fits, trace.speed[jobs], 0.0)
