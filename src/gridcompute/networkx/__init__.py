"""The NetworkX backend: `networkx.network_simplex(G, backend="gridcompute")` and its kin.

NetworkX finds it by the entry points of this package, and programs keep their code. Results and
exceptions are those of NetworkX; answers are exact. This file is what NetworkX reads when it is
imported itself, so it imports nothing; the functions are in `backend`.
"""

from __future__ import annotations

from typing import Any

FUNCTIONS = {
    "capacity_scaling": "Flows of float weights too; `heap` has no effect.",
    "max_flow_min_cost": "Two solves: the largest flow, then the cheapest.",
    "min_cost_flow": "",
    "min_cost_flow_cost": "",
    "minimum_weight_full_matching": "Exact, for dense and sparse graphs.",
    "network_simplex": "",
}


def info() -> dict[str, Any]:
    """Return the description of the backend."""
    return {
        "backend_name": "gridcompute",
        "project": "gridcompute",
        "package": "gridcompute",
        "short_summary": "Exact min-cost flow and matching by a native core.",
        "functions": {name: {"additional_docs": note} for name, note in FUNCTIONS.items()},
    }
