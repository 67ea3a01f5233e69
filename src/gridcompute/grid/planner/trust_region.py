"""A trust region of loads: what the energy block is asked for stays near what a dive needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .settings import TRUST_REGION

if TYPE_CHECKING:
    from ..tables.column import Floats

__all__ = ["TrustRegion"]


class TrustRegion:
    """The load that a dive is heading for, and limits near it.

    Near the best prices a site is indifferent between loads that lie far apart, and what it pays
    best to serve jumps from one to the other, whatever the jobs take. Within limits it tells in
    which hours the load at hand is too high or too low.
    """

    def __init__(self) -> None:
        """Nothing is known."""
        self._load: Floats | None = None
        self._steps = 0

    def see(self, load_kwh: Floats) -> tuple[Floats, Floats]:
        """The jobs would take `load_kwh`, base load included, at the latest prices; the limits."""
        if self._load is None:
            self._load = load_kwh
        self._load = TRUST_REGION.memory * self._load + (1 - TRUST_REGION.memory) * load_kwh
        if self._steps % TRUST_REGION.every == 0:
            part = TRUST_REGION.part
            self._limits = (1 - part) * self._load, (1 + part) * self._load
        self._steps += 1
        return self._limits
