"""Forecasts: signals with forecasts as they were issued, their correction, and arrivals.

`Signal` keeps what happened beside what was said of it, and when; `Corrected` learns from the last
error, by lead; `phantoms` are jobs that are expected. A callable of the user's own may take the
place of each.
"""

from __future__ import annotations

from .corrected import Corrected
from .signal import Signal, phantoms, yesterday

__all__ = ["Corrected", "Signal", "phantoms", "yesterday"]
