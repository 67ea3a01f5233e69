"""Tools for tests of code that uses the library: assertions, oracles, Hypothesis strategies.

The assertions and oracles need nothing beyond what they check; the strategies
(`transport_problems`, `assignment_costs`, `networks`, `grid_problems`) need Hypothesis, which is
imported when one of them is first asked for (``pip install "gridcompute[testing]"``).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .assertions import (
    assert_assignment_optimal,
    assert_flow_optimal,
    assert_matching_optimal,
    assert_plan_valid,
)
from .clusters import ClusterContract
from .oracles import assignment_brute, flow_paths, transport_brute, transport_paths
from .random_tables import grid_problem

if TYPE_CHECKING:
    from .strategies import (
        TransportCase,
        assignment_costs,
        grid_problems,
        networks,
        transport_problems,
    )

__all__ = [
    "ClusterContract",
    "TransportCase",
    "assert_assignment_optimal",
    "assert_flow_optimal",
    "assert_matching_optimal",
    "assert_plan_valid",
    "assignment_brute",
    "assignment_costs",
    "flow_paths",
    "grid_problem",
    "grid_problems",
    "networks",
    "transport_brute",
    "transport_paths",
    "transport_problems",
]

_STRATEGIES = {"TransportCase", "assignment_costs", "grid_problems", "networks"}
_STRATEGIES |= {"transport_problems"}


def __getattr__(name: str) -> Any:
    """Import the strategies, and Hypothesis with them, on first use."""
    if name in _STRATEGIES:
        return getattr(import_module(".strategies", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
