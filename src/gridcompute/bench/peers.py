"""The same instances by other libraries; each returns None where it is not installed or too small.

The clock of a peer covers its solve and what its interface needs of arrays, not the making of the
instance.
"""

from __future__ import annotations

import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PEERS"]

#: The largest problems that peers get: costs, arcs. Beyond they take minutes or gigabytes.
_MOST_COSTS, _MOST_ARCS, _MOST_ARCS_IN_PYTHON = 10_000_000, 1_000_000, 10_000

Found = dict[str, Any] | None


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


def _found(objective: float, begun: tuple[float, float], status: str = "optimal") -> Found:
    clock = {"cpu_s": time.process_time() - begun[0], "wall_s": time.perf_counter() - begun[1]}
    value = int(objective) if float(objective).is_integer() else float(objective)
    return {"status": status, "objective": value, "bound": None, "gap": None, "clock": clock}


def _now() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def _ortools_flow(arcs: dict[str, Any]) -> Found:
    library = _library("ortools.graph.python.min_cost_flow")
    if library is None or len(arcs["tail"]) > _MOST_ARCS:
        return None
    begun = _now()
    solver = library.SimpleMinCostFlow()
    solver.add_arcs_with_capacity_and_unit_cost(
        arcs["tail"], arcs["head"], arcs["capacity"], arcs["cost"]
    )
    solver.set_nodes_supplies(np.arange(len(arcs["supply"])), arcs["supply"])
    if solver.solve() != solver.OPTIMAL:
        return None
    return _found(solver.optimal_cost(), begun)


def _networkx_flow(arcs: dict[str, Any]) -> Found:
    library = _library("networkx")
    if library is None or len(arcs["tail"]) > _MOST_ARCS_IN_PYTHON:
        return None
    begun = _now()
    graph = library.MultiDiGraph()
    for v, units in enumerate(arcs["supply"].tolist()):
        graph.add_node(v, demand=-units)
    columns = (arcs[name].tolist() for name in ("tail", "head", "capacity", "cost"))
    for tail, head, capacity, cost in zip(*columns, strict=True):
        graph.add_edge(tail, head, capacity=capacity, weight=cost)
    return _found(library.min_cost_flow_cost(graph), begun)


def _as_flow(problem: dict[str, Any]) -> dict[str, Any] | None:
    """Return a transport problem as arcs: jobs, classes, and a sink that takes what they hold."""
    n, s = problem["cost"].shape
    if n * s > _MOST_COSTS:
        return None
    cost = problem["cost"].dense().astype(np.int64)
    jobs = np.repeat(np.arange(n), s)
    slots = np.tile(np.arange(n, n + s), n)
    classes = np.arange(n, n + s)
    supply = np.ones(n + s + 1, np.int64)
    supply[n:] = 0
    supply[-1] = -n
    return {
        "tail": np.concatenate([jobs, classes]),
        "head": np.concatenate([slots, np.full(s, n + s)]),
        "capacity": np.concatenate([np.ones(n * s, np.int64), problem["capacity"]]),
        "cost": np.concatenate([cost.reshape(-1), np.zeros(s, np.int64)]),
        "supply": supply,
    }


def _ortools_transport(problem: dict[str, Any]) -> Found:
    arcs = _as_flow(problem)
    if arcs is None or len(arcs["tail"]) > _MOST_COSTS + 1000:
        return None
    library = _library("ortools.graph.python.min_cost_flow")
    if library is None:
        return None
    begun = _now()
    solver = library.SimpleMinCostFlow()
    solver.add_arcs_with_capacity_and_unit_cost(
        arcs["tail"], arcs["head"], arcs["capacity"], arcs["cost"]
    )
    solver.set_nodes_supplies(np.arange(len(arcs["supply"])), arcs["supply"])
    if solver.solve() != solver.OPTIMAL:
        return None
    return _found(solver.optimal_cost(), begun)


def _pot_transport(problem: dict[str, Any]) -> Found:
    library = _library("ot")
    n, s = problem["cost"].shape
    if library is None or n * s > _MOST_COSTS // 5:
        return None
    cost = problem["cost"].dense()
    room = problem["capacity"].astype(np.float64)
    begun = _now()
    # Dummy jobs of cost 0 fill the slots that stay empty: POT needs equal sums.
    spare = room.sum() - n
    wide = np.vstack([cost, np.zeros((1, s))])
    total = library.emd2(np.append(np.ones(n), spare), room, wide, numItermax=10_000_000)
    return _found(round(float(total)), begun)


def _scipy_assignment(problem: dict[str, Any]) -> Found:
    library = _library("scipy.optimize")
    if library is None:
        return None
    cost = problem["cost_matrix"]
    begun = _now()
    rows, columns = library.linear_sum_assignment(cost)
    return _found(int(cost[rows, columns].sum()), begun)


def _lapx_assignment(problem: dict[str, Any]) -> Found:
    library = _library("lap")
    if library is None:
        return None
    begun = _now()
    return _found(round(float(library.lapjv(problem["cost_matrix"].astype(np.float64))[0])), begun)


PEERS: dict[str, dict[str, Callable[[dict[str, Any]], Found]]] = {
    "transport": {"ortools": _ortools_transport, "POT": _pot_transport},
    "assignment": {"scipy": _scipy_assignment, "lapx": _lapx_assignment},
    "flow": {"ortools": _ortools_flow, "networkx": _networkx_flow},
}
