"""Match millions of jobs to accelerator slots, with a certificate beside every answer."""

from __future__ import annotations

from .errors import (
    CostRangeError,
    GridComputeError,
    InfeasibleError,
    InternalError,
    InvalidProblemError,
)
from .version import __version__

__all__ = [
    "CostRangeError",
    "GridComputeError",
    "InfeasibleError",
    "InternalError",
    "InvalidProblemError",
    "__version__",
]
