"""Match millions of jobs to accelerator slots, with a certificate beside every answer."""

from __future__ import annotations

from . import grid
from .costs import Terms, kernel
from .errors import (
    CostRangeError,
    GridComputeError,
    InfeasibleError,
    InternalError,
    InvalidProblemError,
)
from .explanation import Explanation
from .ingest import Interner, Ragged, jobs_from_records
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
    "Interner",
    "InvalidProblemError",
    "Matching",
    "Ragged",
    "Terms",
    "Witness",
    "__version__",
    "grid",
    "jobs_from_records",
    "kernel",
    "transport",
]
