"""Plain FIFO event by event: a heap of ends and a place in the queue, for millions of events.

The same rules as the policy "fifo" under rounds of length 0: no job is pre-empted and none is
overtaken, so that at an event only the head of the queue is tried.
"""

from __future__ import annotations

import heapq
import time
from typing import TYPE_CHECKING

import numpy as np

from .engine import Log, Runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .tables import Cluster, Trace

__all__ = ["run_in_order"]


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
