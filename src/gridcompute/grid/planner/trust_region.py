"""A trust region of loads: what the energy block is asked for stays near what a dive needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..tables.column import Floats

__all__ = ["TrustRegion"]


class TrustRegion:
    """The load that a dive is heading for, and limits near it.

    Near the best prices a site is indifferent between loads that lie far apart, and what it pays
    best to serve jumps from one to the other, whatever the jobs take. Within limits it tells in
    which hours the load at hand is too high or too low.
    """

    #: How far from the load the limits lie, as a part of it; steps between two changes of them,
    #: after which the energy block takes longer; and how much of the past a change leaves.
    PART, EVERY, MEMORY = 0.03, 5, 0.7

    def __init__(self) -> None:
        """Nothing is known."""
        self._load: Floats | None = None
        self._steps = 0

    def see(self, load_kwh: Floats) -> tuple[Floats, Floats]:
        """The jobs would take `load_kwh`, base load included, at the latest prices; the limits."""
        if self._load is None:
            self._load = load_kwh
        self._load = self.MEMORY * self._load + (1 - self.MEMORY) * load_kwh
        if self._steps % self.EVERY == 0:
            self._limits = (1 - self.PART) * self._load, (1 + self.PART) * self._load
        self._steps += 1
        return self._limits
