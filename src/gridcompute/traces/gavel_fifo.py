"""FIFO as Gavel's artefact codes it, and its variant that picks the fastest type."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .engine import View
    from .tables import Cluster

__all__ = ["FastestFirst", "FifoAsCoded", "isolated_shares"]


class FifoAsCoded:
    """FIFO of the artefact: not plain, and its quirks decide its recorded values.

    Placed jobs stay. The place of a job that ended goes to the head of the queue if that fits on
    the type. Then, in order of arrival, while any listed type has room for the job, a number below
    the count of types with room is drawn, but the job is put on the last listed type, in the order
    of the names, which may have no room; if that brings its free count to exactly 0, the type at
    the drawn place leaves the list. A job put where there is no room waits for that type.
    """

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._draw = random.Random(seed)
        self._devices = cluster.devices.tolist()
        self._names = cluster.names
        self._type_of: dict[int, int] = {}
        self._width_of: dict[int, int] = {}

    def __call__(self, view: View) -> NDArray[np.float64]:
        """Return 1 for the type of each placed job, and 0 elsewhere."""
        jobs = view.jobs.tolist()
        width = dict(zip(jobs, view.gang.tolist(), strict=True))
        speed = dict(zip(jobs, view.speed.tolist(), strict=True))
        free = list(self._devices)
        queue = [j for j in jobs if j not in self._type_of]
        at = 0
        for j in sorted(self._type_of):
            k = self._type_of[j]
            if j in width:
                free[k] -= width[j]
                continue
            del self._type_of[j]
            if at < len(queue):
                head = queue[at]
                if width[head] <= free[k] and speed[head][k] > 0.0:
                    at += 1
                    self._type_of[head] = k
                    free[k] -= width[head]
        listed = sorted((k for k, room in enumerate(free) if room > 0), key=self._names.__getitem__)
        for j in queue[at:]:
            with_room = [i for i, k in enumerate(listed) if free[k] >= width[j]]
            if not with_room:
                break
            drawn = self._draw.randrange(len(with_room))
            k = listed[-1]
            if speed[j][k] <= 0.0:
                continue
            self._type_of[j] = k
            free[k] -= width[j]
            if free[k] == 0:
                listed.pop(with_room[drawn])
        return _as_shares(jobs, self._type_of, len(self._devices))


class FastestFirst:
    """Each job, in order of arrival, gets the fastest type with room, until one finds none."""

    def __call__(self, view: View) -> NDArray[np.float64]:
        """Return 1 for the type of each placed job, and 0 elsewhere."""
        free = view.cluster.devices.tolist()
        type_of: dict[int, int] = {}
        jobs = view.jobs.tolist()
        for j, width, speed in zip(jobs, view.gang.tolist(), view.speed.tolist(), strict=True):
            room = [k for k in range(len(free)) if free[k] >= width]
            if not room:
                break
            k = max(room, key=speed.__getitem__)
            if speed[k] > 0.0:  # else it waits, and the jobs behind it are tried
                type_of[j] = k
                free[k] -= width
        return _as_shares(jobs, type_of, len(free))


def isolated_shares(view: View) -> NDArray[np.float64]:
    """Return an equal part of the cluster for each job, whatever it would do with it."""
    n, devices = len(view.jobs), view.cluster.devices
    x: NDArray[np.float64] = devices / max(n, 1) / view.gang[:, None]
    shares: NDArray[np.float64] = x / np.maximum(x.sum(axis=1, keepdims=True), 1.0)
    return shares


def _as_shares(jobs: list[int], type_of: dict[int, int], n_types: int) -> NDArray[np.float64]:
    x = np.zeros((len(jobs), n_types))
    for row, j in enumerate(jobs):
        k = type_of.get(j)
        if k is not None:
            x[row, k] = 1.0
    return x
