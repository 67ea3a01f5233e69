"""Match millions of jobs to accelerator slots, with a certificate beside every answer."""

from __future__ import annotations

from . import grid
from .assignment import (
    Assignment,
    AssignmentCertificate,
    assignment,
    linear_sum_assignment,
    linear_sum_assignment_batch,
)
from .costs import Terms, kernel
from .dimacs import read_dimacs, write_dimacs
from .errors import (
    CostRangeError,
    GridComputeError,
    InfeasibleError,
    InternalError,
    InvalidProblemError,
)
from .explanation import Explanation
from .flow import INFINITE, Flow, FlowProblem, min_cost_flow
from .grid.match import match
from .ingest import Interner, Ragged, jobs_from_records
from .live import LiveMatching
from .matcher import Matcher
from .result import Certificate, Matching, Witness
from .transport import transport
from .version import __version__

__all__ = [
    "INFINITE",
    "Assignment",
    "AssignmentCertificate",
    "Certificate",
    "CostRangeError",
    "Explanation",
    "Flow",
    "FlowProblem",
    "GridComputeError",
    "InfeasibleError",
    "InternalError",
    "Interner",
    "InvalidProblemError",
    "LiveMatching",
    "Matcher",
    "Matching",
    "Ragged",
    "Terms",
    "Witness",
    "__version__",
    "assignment",
    "grid",
    "jobs_from_records",
    "kernel",
    "linear_sum_assignment",
    "linear_sum_assignment_batch",
    "match",
    "min_cost_flow",
    "read_dimacs",
    "transport",
    "write_dimacs",
]
