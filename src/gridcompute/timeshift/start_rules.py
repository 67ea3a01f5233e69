"""The published rules, each a function of numbers: which start, or which hours, a job takes.

All of them take the earliest of equals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "best_saving_rate",
    "cheapest_hours",
    "threshold_hours",
    "threshold_start",
    "window_sums",
]

_QUANTILE = 0.3  # of the next day: below it a threshold policy runs (Ecovisor's published value)
_DAY = 24  # hours that the quantile is taken of


def window_sums(value: NDArray[np.float64], hours: int) -> NDArray[np.float64]:
    """Return the sum of `hours` values from each start on, each summed separately."""
    return np.asarray(sliding_window_view(value, hours).sum(axis=1))


def best_saving_rate(sums: NDArray[np.float64], waits: NDArray[np.int64], hours: float) -> int:
    """Return the start that saves most for each hour until the job is done (GAIA's Carbon-Time).

    ``sums[k]`` is what the job costs when it starts ``waits[k]`` hours from now; the first entry is
    the start at once.
    """
    return int(np.argmax((sums[0] - sums) / (waits + hours)))


def cheapest_hours(value: NDArray[np.float64], hours: int) -> NDArray[np.int64]:
    """Return the `hours` cheapest hours, ascending."""
    return np.sort(np.argsort(value, kind="stable")[:hours])


def threshold_hours(value: NDArray[np.float64], hours: int, window: int) -> NDArray[np.int64]:
    """Return the hours below the 0.3 quantile of the next day; all, once the window is used up."""
    low = np.flatnonzero(value[: hours + window] < _level(value))[:hours]
    # Hours waited until the k-th piece: the rest runs in one piece when they reach the window.
    waited = low - np.arange(len(low))
    low = low[waited < window] if window else low[:0]
    rest = window + len(low) + np.arange(hours - len(low))
    return np.concatenate([low, rest]).astype(np.int64)


def threshold_start(value: NDArray[np.float64], window: int) -> int:
    """Return the first hour below the 0.3 quantile of the next day, at the latest the window."""
    low = np.flatnonzero(value[: window + 1] < _level(value))
    return int(low[0]) if len(low) else window


def _level(value: NDArray[np.float64]) -> float:
    """Return the threshold: a quantile of the next day."""
    return float(np.quantile(value[:_DAY], _QUANTILE))
