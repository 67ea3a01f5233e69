"""A slow, readable replay of jobs that are decided alone, and the optimum by trying everything."""

import itertools
import math
from collections.abc import Callable

import numpy as np

Job = tuple[int, int, int, int]  # arrival, hours, slots, window
Forecast = Callable[[int, int], np.ndarray]


def alone(jobs, policy, pieces, forecast):
    """The hours each job runs in, hour by hour and job by job."""
    return [_alone(job, policy, pieces, forecast) for job in jobs]


def _alone(job, policy, pieces, forecast):
    arrival, hours, _, window = job
    length = hours + window
    if policy == "fifo":
        return list(range(arrival, arrival + hours))
    if policy == "arrival":
        value = forecast(arrival, length)
        if pieces:
            order = sorted(range(length), key=lambda h: (value[h], h))
            return sorted(arrival + h for h in order[:hours])
        sums = [sum(value[s : s + hours]) for s in range(window + 1)]
        start = arrival + sums.index(min(sums))
        return list(range(start, start + hours))
    if policy == "gaia":
        value = forecast(arrival, length)
        sums = [sum(value[s : s + hours]) for s in range(window + 1)]
        rate = [(sums[0] - sums[s]) / (s + hours) for s in range(window + 1)]
        start = arrival + rate.index(max(rate))
        return list(range(start, start + hours))
    if policy == "threshold":
        value = forecast(arrival, max(length, 24))
        level = np.quantile(value[:24], 0.3)
        if not pieces:
            low = [s for s in range(window + 1) if value[s] < level]
            start = arrival + (low[0] if low else window)
            return list(range(start, start + hours))
        ran, waited, h = [], 0, 0
        while len(ran) < hours:
            if waited == window or value[h] < level:
                ran.append(arrival + h)
            else:
                waited += 1
            h += 1
        return ran
    assert policy == "rolling"
    ran = []
    for now in range(arrival, arrival + length):
        left = hours - len(ran)
        if not left:
            break
        if not pieces and ran:
            ran.append(now)
            continue
        value = forecast(now, arrival + length - now)
        if pieces:
            order = sorted(range(len(value)), key=lambda h: (value[h], h))
            if 0 in order[:left]:
                ran.append(now)
        else:
            sums = [sum(value[s : s + hours]) for s in range(arrival + window - now + 1)]
            if sums[0] == min(sums):
                ran.append(now)
    return ran


def cost_of(runs, jobs, signal):
    """What these hours cost where nothing is shared."""
    return math.fsum(
        float(signal[h]) * job[2] for hours, job in zip(runs, jobs, strict=True) for h in hours
    )


def least_cost(jobs, signal, slots, extra, pieces):
    """The least cost under shared slots, by trying every schedule."""
    best = math.inf
    for choice in itertools.product(*(list(_schedules(job, pieces)) for job in jobs)):
        load = np.sum(choice, axis=0)
        span = signal[: len(load)]
        best = min(best, float(load @ span + extra * np.maximum(0, load - slots).sum()))
    return best


def _schedules(job, pieces, span=8):
    arrival, hours, slots, window = job
    if not pieces:
        for start in range(arrival, arrival + window + 1):
            load = np.zeros(span)
            load[start : start + hours] = slots
            yield load
        return
    for units in itertools.product(range(slots + 1), repeat=hours + window):
        if sum(units) == hours * slots:
            load = np.zeros(span)
            load[arrival : arrival + hours + window] = units
            yield load
