"""Policies that place each job alone: no capacity, so each job is decided by the signal only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .start_rules import (
    best_saving_rate,
    cheapest_hours,
    threshold_hours,
    threshold_start,
    window_sums,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .outlook import Outlook
    from .trace import Trace

__all__ = ["at_once", "hindsight", "hourly", "on_arrival"]

_BLOCK = 2**22  # candidates processed together, which bounds the memory of hindsight


def at_once(jobs: Trace) -> NDArray[np.int64]:
    """Return the start of each job that does not wait."""
    return jobs.arrival.copy()


def hindsight(
    jobs: Trace, actual: NDArray[np.float64], pieces: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and hours of the cheapest starts, or in pieces of the cheapest hours; exact.

    Each job is independent of the others, so the least of all candidates is the optimum: its own
    certificate. Ties go to the earliest.
    """
    row_parts, hour_parts = [], []
    for rows, hours, window in _kinds(jobs):
        length = hours + window if pieces else window + 1
        values = actual if pieces or hours == 1 else _sums(jobs, rows, actual, hours, window)
        view = sliding_window_view(values, length)
        step = max(1, _BLOCK // length)
        for part in np.split(rows, range(step, len(rows), step)):
            first = jobs.arrival[part]
            block = view[first]
            if pieces:
                chosen = np.sort(np.argsort(block, axis=1, kind="stable")[:, :hours], axis=1)
                row_parts.append(np.repeat(part, hours))
                hour_parts.append((first[:, None] + chosen).ravel())
            else:
                row_parts.append(part)
                hour_parts.append(first + block.argmin(axis=1))
    return _joined(row_parts), _joined(hour_parts)


def on_arrival(
    jobs: Trace, outlook: Outlook, policy: str, pieces: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Decide each job once, when it arrives; return rows and starts, or in pieces rows and hours.

    `policy` is "arrival", "gaia" or "threshold"; only the first and the last know pieces.
    """
    row_parts, hour_parts = [], []
    for now, rows in _arrivals(jobs):
        reach = int((jobs.end[rows] - now).max())
        value = outlook.forecast(now, max(reach, 24))
        choose = _choice(policy, value, pieces)
        kinds = np.stack([jobs.hours[rows], jobs.window[rows]], axis=1)
        for (hours, window), kind in zip(*_groups(kinds), strict=True):
            chosen = choose(int(hours), int(window))
            part = rows[kind]
            row_parts.append(np.repeat(part, len(chosen)))
            hour_parts.append(np.tile(now + chosen, len(part)))
    return _joined(row_parts), _joined(hour_parts)


def _choice(
    policy: str, value: NDArray[np.float64], pieces: bool
) -> Callable[[int, int], NDArray[np.int64]]:
    """Return the rule: hours and window to the hours from now, one (the start) or one a piece."""

    def rule(hours: int, window: int) -> NDArray[np.int64]:
        if pieces and policy == "arrival":
            return cheapest_hours(value[: hours + window], hours)
        if pieces and policy == "threshold":
            return threshold_hours(value, hours, window)
        if policy == "threshold":
            return np.array([threshold_start(value, window)])
        sums = window_sums(value[: hours + window], hours)
        if policy == "gaia":
            return np.array([best_saving_rate(sums, np.arange(window + 1), hours)])
        return np.array([int(sums.argmin())])

    return rule


def hourly(
    jobs: Trace, outlook: Outlook, pieces: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Decide each hour again what runs; return rows and starts, or in pieces rows and hours.

    A job starts when no later start is forecast to be cheaper; in pieces it runs when fewer hours
    are forecast to be cheaper than it still needs. Ties run.
    """
    if not len(jobs):
        return _joined([]), _joined([])
    order = np.argsort(jobs.arrival, kind="stable")
    arrival = jobs.arrival[order]
    limit = jobs.end if pieces else jobs.arrival + jobs.window
    left = jobs.hours.copy()
    active = np.zeros(0, np.int64)
    row_parts, hour_parts = [], []
    now, new = int(arrival[0]), 0
    while new < len(order) or len(active):
        if not len(active):
            now = max(now, int(arrival[new]))
        after = int(np.searchsorted(arrival, now, side="right"))
        active = np.concatenate([active, order[new:after]])
        new = after
        if pieces:
            value = outlook.forecast(now, int((limit[active] - now).max()))
            cheaper = np.concatenate([[0], np.cumsum(value[1:] < value[0])])
            runs = cheaper[limit[active] - now - 1] < left[active]
        else:
            runs = _starts_now(jobs.hours[active], limit[active] - now, outlook, now)
        rows = active[runs]
        row_parts.append(rows)
        hour_parts.append(np.full(len(rows), now))
        if pieces:
            left[rows] -= 1
            active = active[left[active] > 0]
        else:
            active = active[~runs]
        now += 1
    return _joined(row_parts), _joined(hour_parts)


def _starts_now(
    hours: NDArray[np.int64], waits: NDArray[np.int64], outlook: Outlook, now: int
) -> NDArray[np.bool_]:
    """Return which jobs start now: no later start, up to `waits` hours on, is cheaper."""
    most = int(waits.max())
    kinds, kind = np.unique(hours, return_inverse=True)
    value = outlook.forecast(now, most + int(kinds[-1]))
    total = np.concatenate([[0.0], np.cumsum(value)])
    begin = np.arange(most + 1)
    # Starts too late for the longest job read nothing: all jobs of a kind end within the forecast.
    sums = total[begin + kinds[:, None]] - total[begin]
    later = np.minimum.accumulate(sums[:, 1:], axis=1) if most else sums
    return np.asarray((waits == 0) | (sums[kind, 0] <= later[kind, np.maximum(waits - 1, 0)]))


def _sums(
    jobs: Trace, rows: NDArray[np.int64], actual: NDArray[np.float64], hours: int, window: int
) -> NDArray[np.float64]:
    """Return the sum over `hours` hours from each hour on, where these jobs may start."""
    first = int(jobs.arrival[rows].min())
    last = int(jobs.arrival[rows].max()) + window
    sums = np.zeros(last + 1)
    sums[first:] = window_sums(actual[first : last + hours], hours)
    return sums


def _kinds(jobs: Trace) -> list[tuple[NDArray[np.int64], int, int]]:
    """Return the rows of each kind of job, with its hours and window."""
    kinds, members = _groups(np.stack([jobs.hours, jobs.window], axis=1))
    return [
        (rows, int(hours), int(window))
        for (hours, window), rows in zip(kinds, members, strict=True)
    ]


def _arrivals(jobs: Trace) -> list[tuple[int, NDArray[np.int64]]]:
    """Return the hours at which jobs arrive, ascending, with their rows."""
    hours, members = _groups(jobs.arrival[:, None])
    return [(int(hour[0]), rows) for hour, rows in zip(hours, members, strict=True)]


def _groups(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """Return the distinct rows of keys, ascending, and the members of each, ascending."""
    if not len(keys):
        return keys, []
    distinct, which = np.unique(keys, axis=0, return_inverse=True)
    which = which.ravel()
    order = np.argsort(which, kind="stable")
    return distinct, np.split(order, np.cumsum(np.bincount(which))[:-1])


def _joined(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return one int64 array."""
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)
