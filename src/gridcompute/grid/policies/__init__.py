"""Simple ways to place jobs, each in seconds: what an optimiser's plan is to be compared with."""

from __future__ import annotations

from .simple import POLICIES, cheapest, fifo_at_home, nearest, value_density

__all__ = ["POLICIES", "cheapest", "fifo_at_home", "nearest", "value_density"]
