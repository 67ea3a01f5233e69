"""Match millions of jobs to accelerator slots, with a certificate beside every answer."""

from __future__ import annotations

from .costs import Terms, kernel
from .errors import (
    CostRangeError,
    GridComputeError,
    InfeasibleError,
    InternalError,
    InvalidProblemError,
)
from .ingest import Interner, Ragged, jobs_from_records
from .version import __version__

__all__ = [
    "CostRangeError",
    "GridComputeError",
    "InfeasibleError",
    "InternalError",
    "Interner",
    "InvalidProblemError",
    "Ragged",
    "Terms",
    "__version__",
    "jobs_from_records",
    "kernel",
]
