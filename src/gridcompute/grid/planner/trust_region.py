"""A trust region of loads: the energy block chooses loads near those of a dive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .settings import TRUST_REGION

if TYPE_CHECKING:
    from ..tables.column import Floats

__all__ = ["TrustRegion"]


class TrustRegion:
    """The load that a dive approaches, and limits near it.

    Near the best prices a site is indifferent between loads that are far apart, and its most
    profitable load jumps from one to the other, whatever the jobs use. Within limits it shows in
    which hours the present load is too high or too low.
    """

    def __init__(self) -> None:
        """Begin without any load."""
        self._load: Floats | None = None
        self._steps = 0

    def see(self, load_kwh: Floats) -> tuple[Floats, Floats]:
        """Return the limits after the load `load_kwh` at the latest prices, base load included."""
        if self._load is None:
            self._load = load_kwh
        self._load = TRUST_REGION.memory * self._load + (1 - TRUST_REGION.memory) * load_kwh
        if self._steps % TRUST_REGION.every == 0:
            part = TRUST_REGION.part
            self._limits = (1 - part) * self._load, (1 + part) * self._load
        self._steps += 1
        return self._limits
