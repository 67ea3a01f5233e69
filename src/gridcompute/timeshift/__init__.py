"""Planning hour by hour, one resource and one signal: what a policy would have cost, replayed.

`replay` runs a trace of jobs under one of seven policies that read only what was known at each
hour, beside the exact optimum in hindsight and its bound. No platform is needed: the signal is any
price of a slot-hour.
"""

from __future__ import annotations

from .certificate import ReplayCertificate
from .replay import Replay, replay

__all__ = ["Replay", "ReplayCertificate", "replay"]
