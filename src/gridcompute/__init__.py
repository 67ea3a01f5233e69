"""Match millions of jobs to accelerator slots, with a certificate beside every answer."""

from __future__ import annotations

from .assignment import (
    Assignment,
    AssignmentCertificate,
    assignment,
    linear_sum_assignment,
    linear_sum_assignment_batch,
)
from .errors import (
    CostRangeError,
    GridComputeError,
    InfeasibleError,
    InternalError,
    InvalidProblemError,
)
from .version import __version__

__all__ = [
    "Assignment",
    "AssignmentCertificate",
    "CostRangeError",
    "GridComputeError",
    "InfeasibleError",
    "InternalError",
    "InvalidProblemError",
    "__version__",
    "assignment",
    "linear_sum_assignment",
    "linear_sum_assignment_batch",
]
