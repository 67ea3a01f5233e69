"""Pictures of results with matplotlib (``pip install "gridcompute[plot]"``).

`MatchingPlots`, `PlanPlots`, `ReplayPlots` and `RollingPlots` are what ``matching.plot``,
``plan.plot``, ``replay.plot`` and ``operator.plot`` are. Each method draws one picture on the axes
given as ``ax``, or on new ones, and returns them, so that a caller changes, combines and saves them
as any other. No setting of matplotlib is changed.
"""

from __future__ import annotations

from .matching import MatchingPlots
from .plan import PlanPlots
from .replay import ReplayPlots
from .rolling import RollingPlots

__all__ = ["MatchingPlots", "PlanPlots", "ReplayPlots", "RollingPlots"]
