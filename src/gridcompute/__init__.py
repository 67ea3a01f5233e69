"""Match millions of jobs to accelerator slots, with a certificate beside every answer."""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from ._certificate import Certificate
from ._version import __version__
from .costs import Terms, kernel
from .errors import (
    CostRangeError,
    GridComputeError,
    InfeasibleError,
    InternalError,
    InvalidProblemError,
)
from .live.matcher import Matcher
from .live.round import LiveMatching
from .records.ingest import Interner, Ragged, jobs_from_records
from .results.explanation import Explanation
from .results.matching import Matching, SolverCertificate, Witness
from .solvers.assignment import (
    Assignment,
    AssignmentCertificate,
    assignment,
    linear_sum_assignment,
    linear_sum_assignment_batch,
)
from .solvers.dimacs import read_dimacs, write_dimacs
from .solvers.flow import INFINITE, Flow, FlowProblem, min_cost_flow
from .solvers.transport import transport

if _TYPE_CHECKING:
    from . import fair, forecast, grid, pack, rolling, shards, traces
    from .grid.planner.match import match
    from .traces.run import replay

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
    "SolverCertificate",
    "Terms",
    "Witness",
    "__version__",
    "assignment",
    "fair",
    "forecast",
    "grid",
    "jobs_from_records",
    "kernel",
    "linear_sum_assignment",
    "linear_sum_assignment_batch",
    "match",
    "min_cost_flow",
    "pack",
    "read_dimacs",
    "replay",
    "rolling",
    "shards",
    "traces",
    "transport",
    "write_dimacs",
]

# Subpackages, and functions of them, that are imported when they are first used: a program that
# only solves pays for no table of the platform.
_PARTS = ("fair", "forecast", "grid", "pack", "rolling", "shards", "traces")
_LAZY = {name: f".{name}" for name in _PARTS}
_LAZY |= {"match": ".grid.planner.match", "replay": ".traces.run"}


def __getattr__(name: str) -> _Any:
    """Import a subpackage, or the module that defines a function, on first use."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _import_module(_LAZY[name], __name__)
    value = module if _LAZY[name] == f".{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the names, those imported on first use included."""
    return sorted({*globals(), *_LAZY})
