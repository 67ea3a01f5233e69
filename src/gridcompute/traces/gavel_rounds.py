"""Gavel's round mechanism: shares of time become rounds by priorities (OSDI 2020, section 5).

A policy of shares gives each job x[type], the part of the time that it should run on each type. The
mechanism keeps for each job and type a clock of the time run there since the shares were last
recomputed. The priority of a job on a type is its share by the part of the type's clock that is
its own, and each round takes jobs by priority, type after type, until the devices are taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    import random

    from numpy.typing import NDArray

    from .engine import View

__all__ = ["RoundPriorities", "Shares"]

#: Seconds between two computations of the shares, and rounds that a clock starts with (Gavel's).
BETWEEN_S, FIRST_ROUNDS = 1920.0, 0.5


class Shares(Protocol):
    """Computes shares: `(view) -> x`, shape (n_active, n_types)."""

    def __call__(self, view: View) -> NDArray[np.float64]:
        """Return the shares of the active jobs."""
        ...


class RoundPriorities:
    """Turns shares into the types of a round.

    Parameters
    ----------
    shares : callable
        `Shares`; called where a job came or went and 1,920 s have passed since the last time.
    order : sequence of int
        Types in the order in which they take jobs.
    shuffle : random.Random, optional
        Shuffles that order again each round: for policies that are blind to types.
    positive : bool
        Only jobs with a positive priority run (FIFO).
    """

    def __init__(
        self,
        shares: Shares,
        order: list[int],
        shuffle: random.Random | None = None,
        positive: bool = False,
    ) -> None:
        self._shares = shares
        self._order = order
        self._shuffle = shuffle
        self._positive = positive
        self._stale = True
        self._last_s = 0.0
        self._x: NDArray[np.float64] = np.zeros((0, 0))
        self._type_clock = np.zeros(0)

    def _begin(self, view: View) -> None:
        n, k = view.trace.speed.shape
        self._x = np.zeros((n, k))
        self._clock = np.full((n, k), FIRST_ROUNDS * view.round_s)
        self._deficit = np.zeros((n, k))
        self._type_clock = np.zeros(k)

    def __call__(self, view: View) -> NDArray[np.int64]:
        """Return the types of the active jobs for this round."""
        if not self._x.size:
            self._begin(view)
        np.add.at(self._clock, (view.last_jobs, view.last_types), view.last_s)
        self._type_clock += np.bincount(view.last_types, view.last_s, len(self._type_clock))
        self._stale |= view.changed
        jobs = view.jobs
        since = view.now - self._last_s
        if self._stale and (self._last_s == 0.0 or since >= BETWEEN_S):
            first = FIRST_ROUNDS * view.round_s
            received = self._clock[jobs] - first
            self._deficit[jobs] += self._x[jobs] * since - received
            self._clock[jobs] = first
            self._type_clock[:] = first * len(jobs)
            self._last_s = view.now
            self._x[jobs] = self._shares(view)
            self._stale = False
        return self._take(view)

    def _take(self, view: View) -> NDArray[np.int64]:
        """Take jobs by priority, type after type."""
        jobs, speed, gang = view.jobs, view.speed, view.gang
        order = list(self._order)
        if self._shuffle is not None:
            self._shuffle.shuffle(order)
        types = np.full(len(jobs), -1)
        free_jobs = np.ones(len(jobs), bool)
        unit = bool((gang == 1).all())
        for k in order:
            room = int(view.cluster.devices[k])
            x = self._x[jobs, k]
            if self._type_clock[k] > 0.0:
                priority = x / (self._clock[jobs, k] / self._type_clock[k])
            else:
                priority = x * 1e9
            may = free_jobs & (speed[:, k] > 0.0)
            if self._positive:
                may &= priority > 0.0
            rows = np.flatnonzero(may)
            by = np.lexsort((-x[rows], -self._deficit[jobs[rows], k], -priority[rows]))
            rows = rows[by]
            if unit:
                taken = rows[:room]
            else:
                chosen = []
                for row, width in zip(rows.tolist(), gang[rows].tolist(), strict=True):
                    if width <= room:
                        room -= width
                        chosen.append(row)
                        if not room:
                            break
                taken = np.array(chosen, np.int64)
            types[taken] = k
            free_jobs[taken] = False
        return types
