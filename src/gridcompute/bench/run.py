"""Instances solved here and by the peers that are installed: CPU time, answer and proof of each.

A peer returns None where it is not installed or the instance is too large for it.

The clock of a peer covers its solve and what its interface needs of arrays, not the making of the
instance.
"""

from __future__ import annotations

import os
import platform
import time
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _version
from ..grid.planner.match import match
from ..grid.scenarios.east_west import east_west
from ..live.matcher import Matcher
from ..solvers.assignment import assignment
from ..solvers.flow import min_cost_flow
from ..solvers.transport import transport
from .instances import SUITE, Instance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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


def _ortools_flow(arcs: dict[str, Any], most_arcs: int = _MOST_ARCS) -> Found:
    library = _library("ortools.graph.python.min_cost_flow")
    if library is None or len(arcs["tail"]) > most_arcs:
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
    return None if arcs is None else _ortools_flow(arcs, _MOST_COSTS + 1000)


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


_ROUNDS = 20  # of a live instance, each with one job in a hundred replaced
_GRID_SECONDS = 60.0


def machine() -> dict[str, Any]:
    """Return what the figures depend on: CPU, cores that may be used, versions."""
    names = ("numpy", "scipy", "ortools", "lapx", "POT", "networkx", "pylmcf", "highspy")
    versions = {}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": _cpu(),
        "cores": cores,
        "system": platform.platform(),
        "python": platform.python_version(),
        "gridcompute": _version.__version__,
        **versions,
    }


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123
            found = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    except OSError:
        found = []
    return found[0] if found else platform.processor() or platform.machine()


def run(
    instances: Iterable[Instance],
    *,
    peers: bool = False,
    threads: int | None = None,
    report: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Solve instances, each once, and return the figures.

    Parameters
    ----------
    instances : iterable of Instance
    peers : bool
        Also by scipy, OR-Tools, lapx, POT and networkx, as far as they are installed and the
        instance is within what they solve in some minutes.
    threads : int, optional
        As in `transport`.
    report : callable, optional
        Called with each row when it is there.

    Returns
    -------
    dict
        ``suite``, ``machine`` and ``rows``: instance, solver, ``cpu_s`` (of all threads, proof
        included), ``wall_s``, ``objective``, ``bound``, ``gap``, ``status``, and ``best_known``.

    Raises
    ------
    RuntimeError
        An answer contradicts the best that is known, or a peer's optimum is not ours.
    """
    rows = []
    for instance in instances:
        ours = _timed("gridcompute", instance, _SOLVERS[instance.family](instance, threads))
        _compare(instance, ours)
        rows.append(ours)
        if report is not None:
            report(ours)
        for name, solve in PEERS.get(instance.family, {}).items() if peers else ():
            answer = solve(instance.problem())
            if answer is None:
                continue
            theirs = _timed(name, instance, answer)
            if not _agree(ours, theirs):
                found = f"{name} found {theirs['objective']}, here {ours['objective']}"
                raise RuntimeError(f"{instance.name}: {found}")
            rows.append(theirs)
            if report is not None:
                report(theirs)
    return {"suite": SUITE, "machine": machine(), "rows": rows}


def _timed(solver: str, instance: Instance, found: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a solve, with what is known of the instance."""
    known = {"best_known": instance.best, "bound_known": instance.bound}
    clock = found.pop("clock")
    return {"instance": instance.name, "solver": solver, **clock, **found, **known}


def _agree(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Return whether two optima are equal."""
    difference = abs(theirs["objective"] - ours["objective"])
    return ours["status"] != "optimal" or bool(difference <= 1e-9 * abs(ours["objective"]))


def _compare(instance: Instance, row: dict[str, Any]) -> None:
    """Raise if an answer is better than what is proved, or its bound above what is known."""
    low, high = instance.bound, instance.best
    if low is not None and row["objective"] < low - 1e-6 * abs(low):
        raise RuntimeError(f"{instance.name}: cost {row['objective']} below the bound {low}")
    if high is not None and row["bound"] > high + 1e-6 * abs(high):
        raise RuntimeError(f"{instance.name}: bound {row['bound']} above a known cost {high}")


def _clocked(solve: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    cpu, wall = time.process_time(), time.perf_counter()
    answer = solve()
    return answer, {
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - wall,
    }


def _row(answer: Any, clock: dict[str, float]) -> dict[str, Any]:
    if not answer.verify():
        raise RuntimeError(f"{answer!r} fails its own certificate")
    return {
        "status": answer.status,
        "objective": _number(answer.objective),
        "bound": _number(answer.bound),
        "gap": answer.gap,
        "clock": clock,
    }


def _number(value: Any) -> int | float:
    """Return a whole number as an int: doubles hold those of the suite exactly."""
    return int(value) if float(value).is_integer() else float(value)


def _transport(instance: Instance, threads: int | None) -> dict[str, Any]:
    problem = instance.problem()
    return _row(*_clocked(lambda: transport(**problem, threads=threads)))


def _assignment(instance: Instance, threads: int | None) -> dict[str, Any]:
    problem = instance.problem()
    return _row(*_clocked(lambda: assignment(**problem, threads=threads)))


def _flow(instance: Instance, threads: int | None) -> dict[str, Any]:
    problem = instance.problem()
    return _row(*_clocked(lambda: min_cost_flow(**problem, threads=threads)))


def _grid(instance: Instance, threads: int | None) -> dict[str, Any]:
    problem = east_west(**instance.problem())
    plan, clock = _clocked(
        lambda: match(problem, gap=2e-3, threads=threads, time_limit=_GRID_SECONDS)
    )
    if not plan.verify():
        raise RuntimeError(f"{plan!r} fails its own certificate")
    answer = {"objective": plan.objective_yuan, "bound": plan.bound_yuan, "gap": plan.gap}
    return {"status": plan.status, **answer, "clock": clock}


def _live(instance: Instance, threads: int | None) -> dict[str, Any]:
    """Rounds in which one job in a hundred leaves and one comes; the time is that of a round."""
    problem = instance.problem()
    first, second = problem["terms"].terms
    world = Matcher(
        problem["capacity"],
        cost=[(first.table, "kind", "work"), (second.table, "arrival", "delay")],
        unplaced=1e9,
        threads=threads,
    )
    columns = {"kind": first.key, "work": first.coef, "arrival": second.key, "delay": second.coef}
    ids = np.asarray(world.add(columns))
    m = world.match()
    n, batch = len(ids), max(1, len(ids) // 100)
    cpu, wall, times = time.process_time(), time.perf_counter(), []
    for k in range(_ROUNDS):
        begun = time.perf_counter()
        rows = (np.arange(batch) * 97 + k * batch) % n
        rows = np.unique(rows)
        world.remove(ids[rows].tolist())
        ids[rows] = np.asarray(world.add({name: c[rows] for name, c in columns.items()}))
        m = world.match()
        times.append(time.perf_counter() - begun)
    clock = {
        "cpu_s": (time.process_time() - cpu) / _ROUNDS,
        "wall_s": (time.perf_counter() - wall) / _ROUNDS,
        "p99_s": float(np.quantile(times, 0.99)),
    }
    return _row(m, clock)


_SOLVERS: dict[str, Callable[[Instance, int | None], dict[str, Any]]] = {
    "transport": _transport,
    "assignment": _assignment,
    "flow": _flow,
    "grid": _grid,
    "live": _live,
}
