"""Match millions of jobs to accelerator slots, with a certificate beside every answer."""

from __future__ import annotations

from .errors import (
    CostRangeError,
    GridComputeError,
    InfeasibleError,
    InternalError,
    InvalidProblemError,
)
from .explanation import Explanation
from .result import Certificate, Matching, Witness
from .transport import transport
from .version import __version__

__all__ = [
    "Certificate",
    "CostRangeError",
    "Explanation",
    "GridComputeError",
    "InfeasibleError",
    "InternalError",
    "InvalidProblemError",
    "Matching",
    "Witness",
    "__version__",
    "transport",
]
