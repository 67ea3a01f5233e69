"""Match millions of jobs to accelerator slots, with a certificate beside every answer."""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING

from ._version import __version__
from .errors import (
    ClusterError,
    CostRangeError,
    GridComputeError,
    InfeasibleError,
    InternalError,
    InvalidProblemError,
)

if _TYPE_CHECKING:
    from . import clusters, fair, forecast, green, grid, pack, shards, timeshift, traces
    from ._certificate import Certificate
    from .costs import Terms, kernel
    from .grid.planner.match import match
    from .live.matcher import Matcher
    from .live.round_result import LiveMatching
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
    from .solvers.flow import INFINITE, Flow, FlowProblem, min_cost_flow, read_dimacs, write_dimacs
    from .solvers.transport import transport
    from .traces.replays import replay

__all__ = [
    "INFINITE",
    "Assignment",
    "AssignmentCertificate",
    "Certificate",
    "ClusterError",
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
    "clusters",
    "fair",
    "forecast",
    "green",
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
    "shards",
    "timeshift",
    "traces",
    "transport",
    "write_dimacs",
]

# The module that each name is imported from when it is first used: a program pays for what it
# calls. A subpackage stands for itself.
_MODULE_OF = {
    "INFINITE": "solvers.flow",
    "Assignment": "solvers.assignment",
    "AssignmentCertificate": "solvers.assignment",
    "Certificate": "_certificate",
    "Explanation": "results.explanation",
    "Flow": "solvers.flow",
    "FlowProblem": "solvers.flow",
    "Interner": "records.ingest",
    "LiveMatching": "live.round_result",
    "Matcher": "live.matcher",
    "Matching": "results.matching",
    "Ragged": "records.ingest",
    "SolverCertificate": "results.matching",
    "Terms": "costs",
    "Witness": "results.matching",
    "assignment": "solvers.assignment",
    "clusters": "",
    "fair": "",
    "forecast": "",
    "green": "",
    "grid": "",
    "jobs_from_records": "records.ingest",
    "kernel": "costs",
    "linear_sum_assignment": "solvers.assignment",
    "linear_sum_assignment_batch": "solvers.assignment",
    "match": "grid.planner.match",
    "min_cost_flow": "solvers.flow",
    "pack": "",
    "read_dimacs": "solvers.flow",
    "replay": "traces.replays",
    "shards": "",
    "timeshift": "",
    "traces": "",
    "transport": "solvers.transport",
    "write_dimacs": "solvers.flow",
}

if not _TYPE_CHECKING:  # type checkers read the imports above, and know of no other name

    def __getattr__(name: str) -> object:
        """Import a name on first use, and keep it."""
        try:
            module = _MODULE_OF[name]
        except KeyError:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
        if not module:
            return _import_module(f".{name}", __name__)
        found = globals()[name] = getattr(_import_module(f".{module}", __name__), name)
        return found


def __dir__() -> list[str]:
    """Return the names, those imported on first use included."""
    return sorted({*globals(), *_MODULE_OF})
