"""Policies of one queue: in order of arrival, best fit, least attained service, shortest left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .engine import View

__all__ = ["best_fit", "fifo", "least_attained", "shortest_left"]


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
