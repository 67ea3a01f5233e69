"""AlloX: jobs to positions in the queues of devices by an exact transport (EuroSys 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InvalidProblemError
from ..solvers.transport import transport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .engine import View

__all__ = ["allox"]

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
