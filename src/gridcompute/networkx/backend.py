"""Min-cost flow and bipartite matching on graphs of NetworkX."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import networkx as nx  # type: ignore[import-untyped]
import numpy as np

from ..errors import CostRangeError
from ..solvers.assignment import linear_sum_assignment
from ..solvers.flow import INFINITE, Flow
from ..solvers.flow import min_cost_flow as solve
from . import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

#: Integers that a flow or a cost may have on the way to the core.
_MOST = 2**62
#: Edges for each pair of nodes from which on a matching takes a dense matrix.
_DENSE = 1 / 8


class Graph:
    """A graph of NetworkX as this backend takes it: as it is."""

    __networkx_backend__ = "gridcompute"

    def __init__(self, graph: Any) -> None:
        self.graph = graph

    def is_directed(self) -> bool:
        """Return whether edges have a direction."""
        return bool(self.graph.is_directed())

    def is_multigraph(self) -> bool:
        """Return whether two nodes may have several edges."""
        return bool(self.graph.is_multigraph())


def convert_from_nx(graph: Any, **_: Any) -> Graph:
    """Return the backend's graph of one of NetworkX'."""
    return Graph(graph)


def convert_to_nx(result: Any, **_: Any) -> Any:
    """Return NetworkX' graph of one of the backend's; other results as they are."""
    return result.graph if isinstance(result, Graph) else result


def can_run(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool | str:
    """Return whether a call can be answered as NetworkX would, or why not."""
    graph = _plain(args[0] if args else kwargs.get("G"))
    if name not in FUNCTIONS:
        return f"{name} is not a function of this backend"
    if name == "minimum_weight_full_matching":
        if graph.is_directed() or graph.is_multigraph():
            return "matchings are found in undirected graphs without parallel edges"
        return True
    if name == "max_flow_min_cost" and (graph.is_multigraph() or not graph.is_directed()):
        return "the largest flow is found in directed graphs without parallel edges"
    if name == "capacity_scaling" and not len(graph):
        return "graphs without nodes are left to NetworkX"
    return True


def _plain(graph: Any) -> Any:
    return graph.graph if isinstance(graph, Graph) else graph


def _integers(values: list[Any]) -> tuple[NDArray[np.int64], int]:
    """Return numbers times a power of two, the least that makes them integers, and its exponent.

    Infinite numbers become 0. Numbers that have no such form in 64 bits are a `CostRangeError`,
    with which a call goes to NetworkX.
    """
    array = np.array(values if values else [0])
    if array.dtype.kind in "bi":
        return array[: len(values)].astype(np.int64), 0
    if array.dtype.kind != "f" or np.isnan(array).any():
        raise CostRangeError(f"found numbers of dtype {array.dtype}, needed int64 or float64")
    array = np.where(np.isinf(array), 0.0, array)[: len(values)]
    for k in range(1075):
        scaled = array * 2.0**k if k < 1024 else array * 2.0**1023 * 2.0 ** (k - 1023)
        if np.abs(scaled).max(initial=0) >= _MOST:
            break
        if (scaled == np.rint(scaled)).all():
            return scaled.astype(np.int64), k
    raise CostRangeError("found floats that have no common scale in 62 bits")


class _Problem:
    """The arrays of a flow on a graph."""

    def __init__(self, graph: Any, demand: str, capacity: str, weight: str) -> None:
        self.graph, self.multi = graph, graph.is_multigraph()
        self.number = {node: k for k, node in enumerate(graph)}
        # Edges in the order of the adjacency, parallel ones one after the other.
        self.pairs = [nbrs for _, nbrs in graph.adjacency()]
        self.heads = [v for nbrs in self.pairs for v in nbrs]
        inner = [d for nbrs in self.pairs for d in nbrs.values()]
        degree = [len(nbrs) for nbrs in self.pairs]
        tail = np.repeat(np.arange(len(degree)), degree)
        head = np.array([*map(self.number.__getitem__, self.heads)], np.int64)
        if self.multi:
            self.parallel = [len(keys) for keys in inner]
            tail, head = np.repeat(tail, self.parallel), np.repeat(head, self.parallel)
            inner = [d for keys in inner for d in keys.values()]
        self.tail, self.head = tail, head
        self.capacity = [d.get(capacity, math.inf) for d in inner]
        self.weight = [d.get(weight, 0) for d in inner]
        self.demand = [d.get(demand, 0) for _, d in graph.nodes(data=True)]

    def solve(self) -> Flow:
        """Solve it; loops and edges without capacity are left out."""
        amounts, self.unit = _integers(self.demand + self.capacity)
        cost, _ = _integers(self.weight)
        n = len(self.demand)
        limit = amounts[n:]
        limit[np.isinf(np.array(self.capacity, float))] = INFINITE
        self.arcs = np.flatnonzero((self.tail != self.head) & (limit > 0))
        arcs = self.arcs
        return solve(self.tail[arcs], self.head[arcs], limit[arcs], cost[arcs], -amounts[:n])

    def edge(self, at: int) -> tuple[Any, ...]:
        """Return an edge as NetworkX names it."""
        nodes = [*self.number]
        u, v = nodes[self.tail[at]], nodes[self.head[at]]
        if not self.multi:
            return u, v
        first = int(np.flatnonzero((self.tail == self.tail[at]) & (self.head == self.head[at]))[0])
        return u, v, [*self.graph[u][v]][at - first]

    def loops(self) -> list[int]:
        """Return the edges that lead from a node to itself."""
        found: list[int] = np.flatnonzero(self.tail == self.head).tolist()
        return found

    def unbounded_loop(self) -> bool:
        """Return whether a loop of negative weight has no limit."""
        return any(self.capacity[k] == math.inf and self.weight[k] < 0 for k in self.loops())

    def answer(self, found: Flow) -> tuple[Any, dict[Any, Any]]:
        """Return cost and flow as NetworkX does; loops of negative weight are full."""
        whole = np.zeros(len(self.tail), np.int64)
        whole[self.arcs] = _least(found)
        exact = not self.unit and float not in {*map(type, self.demand)}
        flow = (whole if exact else whole * 2.0**-self.unit).tolist()
        loops = [k for k in self.loops() if self.weight[k] < 0 and self.capacity[k] > 0]
        for k in loops:
            flow[k] = self.capacity[k]
        cost: Any = found.objective
        if loops or not exact or float in {*map(type, self.weight)}:
            cost = sum(w * x for w, x in zip(self.weight, flow, strict=True))
        parts = iter(flow)
        if self.multi:
            keys = [keys for nbrs in self.pairs for keys in nbrs.values()]
            parts = iter([dict(zip(k, parts, strict=False)) for k in keys])
        pairs = zip(self.number, self.pairs, strict=True)
        return cost, {node: dict(zip(nbrs, parts, strict=False)) for node, nbrs in pairs}


def _least(found: Flow) -> NDArray[np.int64]:
    """Return the cheapest flow with the least sum over all arcs: the shorter of equal paths.

    By complementary slackness the cheapest flows differ only on arcs of reduced cost 0.
    """
    p, price = found.problem, found.potentials
    reduced = p.cost + price[p.tail] - price[p.head]
    even = reduced == 0
    flow = np.where(reduced < 0, p.capacity, 0)
    supply = p.supply.copy()
    np.subtract.at(supply, p.tail, flow)
    np.add.at(supply, p.head, flow)
    ones = np.ones(int(even.sum()), np.int64)
    flow[even] = solve(p.tail[even], p.head[even], p.capacity[even], ones, supply).flow
    return flow


def _or_networkx(function: Callable[..., Any]) -> Callable[..., Any]:
    """Leave a call to NetworkX' own function where the core's integers are too short for it."""

    @functools.wraps(function)
    def call(G: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return function(G, *args, **kwargs)
        except CostRangeError:
            own = getattr(nx, function.__name__)
            return own(_plain(G), *args, **kwargs, backend="networkx")

    return call


@_or_networkx
def network_simplex(
    G: Any, demand: str = "demand", capacity: str = "capacity", weight: str = "weight"
) -> tuple[Any, dict[Any, Any]]:
    """Return cost and flow as `networkx.network_simplex` does."""
    _require_directed(G)
    return _network_simplex(_Problem(_plain(G), demand, capacity, weight))


def _network_simplex(problem: _Problem) -> tuple[Any, dict[Any, Any]]:
    if not problem.number:
        raise nx.NetworkXError("graph has no nodes")
    for node, d in zip(problem.number, problem.demand, strict=True):
        if abs(d) == math.inf:
            raise nx.NetworkXError(f"node {node!r} has infinite demand")
    for infinite in (math.inf, -math.inf):
        if infinite in problem.weight:
            edge = problem.edge(problem.weight.index(infinite))
            raise nx.NetworkXError(f"edge {edge!r} has infinite weight")
    if sum(problem.demand) != 0:
        raise nx.NetworkXUnfeasible("total node demand is not zero")
    if (least := min(problem.capacity, default=0)) < 0:
        edge = problem.edge(problem.capacity.index(least))
        raise nx.NetworkXUnfeasible(f"edge {edge!r} has negative capacity")
    found = problem.solve()
    if found.status == "infeasible":
        raise nx.NetworkXUnfeasible("no flow satisfies all node demands")
    if found.status == "unbounded" or problem.unbounded_loop():
        raise nx.NetworkXUnbounded("negative cycle with infinite capacity found")
    return problem.answer(found)


def min_cost_flow_cost(
    G: Any, demand: str = "demand", capacity: str = "capacity", weight: str = "weight"
) -> Any:
    """Return the cost of `network_simplex`."""
    return network_simplex(G, demand, capacity, weight)[0]


def min_cost_flow(
    G: Any, demand: str = "demand", capacity: str = "capacity", weight: str = "weight"
) -> dict[Any, Any]:
    """Return the flow of `network_simplex`."""
    flow: dict[Any, Any] = network_simplex(G, demand, capacity, weight)[1]
    return flow


@_or_networkx
def capacity_scaling(
    G: Any,
    demand: str = "demand",
    capacity: str = "capacity",
    weight: str = "weight",
    heap: Any = None,  # noqa: ARG001 - NetworkX' argument
) -> tuple[Any, dict[Any, Any]]:
    """Return cost and flow as `networkx.capacity_scaling` does."""
    _require_directed(G)
    problem = _Problem(_plain(G), demand, capacity, weight)
    if sum(problem.demand) != 0:
        raise nx.NetworkXUnfeasible("Sum of the demands should be 0.")
    if math.inf in map(abs, problem.weight):
        raise CostRangeError("weights: found an infinite one")  # which NetworkX takes as it is
    found = None if problem.unbounded_loop() else problem.solve()
    if found is not None and found.status == "infeasible":
        # NetworkX looks for negative cycles without a limit before it looks for a flow.
        p = found.problem
        free = p.capacity == INFINITE
        zero = np.zeros_like(p.supply)
        cycles = solve(p.tail[free], p.head[free], p.capacity[free], p.cost[free], zero)
        if cycles.status != "unbounded":
            raise nx.NetworkXUnfeasible("No flow satisfying all demands.")
        found = None
    if found is None or found.status == "unbounded":
        message = "Negative cost cycle of infinite capacity found. "
        raise nx.NetworkXUnbounded(message + "Min cost flow may be unbounded below.")
    return problem.answer(found)


@_or_networkx
def max_flow_min_cost(
    G: Any, s: Any, t: Any, capacity: str = "capacity", weight: str = "weight"
) -> dict[Any, Any]:
    """Return the flow as `networkx.max_flow_min_cost` does."""
    graph = _plain(G)
    for node in (s, t):
        if node not in graph:
            raise nx.NetworkXError(f"node {node} not in graph")
    if s == t:
        raise nx.NetworkXError("source and sink are the same node")
    most = _Problem(graph, "demand", capacity, weight)
    most.demand, most.weight = [0] * len(most.demand), [*[0] * len(most.weight), -1]
    most.tail = np.append(most.tail, most.number[t])
    most.head = np.append(most.head, most.number[s])
    most.capacity = [*most.capacity, math.inf]
    found = most.solve()
    if found.status == "unbounded":
        raise nx.NetworkXUnbounded("Infinite capacity path, flow unbounded above.")
    problem = _Problem(graph, "demand", capacity, weight)
    value = -found.objective if most.unit == 0 else -found.objective * 2.0**-most.unit
    problem.demand[problem.number[s]], problem.demand[problem.number[t]] = -value, value
    flow: dict[Any, Any] = _network_simplex(problem)[1]
    return flow


def minimum_weight_full_matching(
    G: Any, top_nodes: Any = None, weight: str | None = "weight"
) -> dict[Any, Any]:
    """Return the matching as `networkx.bipartite.minimum_weight_full_matching` does."""
    graph = _plain(G)
    rows, columns = (list(side) for side in nx.bipartite.sets(graph, top_nodes))
    at = {node: k for k, node in enumerate(columns)}
    found = [
        (i, at[v], 1 if weight is None else d.get(weight, 1))
        for i, u in enumerate(rows)
        for v, d in graph[u].items()
        if v in at
    ]
    row, column, cost = zip(*found, strict=True) if found else ((), (), ())
    shape = (len(rows), len(columns))
    values = np.array(cost if found else (), None if found else float)
    if len(found) >= _DENSE * math.prod(shape):
        matrix: Any = np.full(shape, np.inf)
        matrix[list(row), list(column)] = values
    else:
        from scipy.sparse import csr_array

        matrix = csr_array((values, (row, column)), shape)
    left, right = linear_sum_assignment(matrix)
    pairs = {rows[i]: columns[j] for i, j in zip(left.tolist(), right.tolist(), strict=True)}
    return pairs | {v: u for u, v in pairs.items()}


def _require_directed(graph: Any) -> None:
    if not graph.is_directed():
        raise nx.NetworkXNotImplemented("not implemented for undirected type")
