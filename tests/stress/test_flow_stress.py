"""Min-cost flow at sizes where pricing goes through many blocks: warm against cold, certified."""

from __future__ import annotations

import numpy as np
import pytest
from bench_flow import changed, netgen_like, street_grid, time_expanded

from gridcompute import min_cost_flow


def parallel_chain(n_nodes: int, n_arcs: int, seed: int) -> tuple[np.ndarray, ...]:
    """A chain of nodes with many arcs each: blocks of neighbours promise nothing for long."""
    r = np.random.default_rng(seed)
    tail = np.repeat(np.arange(n_nodes - 1), n_arcs)
    capacity, cost = r.integers(1, 100, len(tail)), r.integers(0, 10_000, len(tail))
    supply = np.zeros(n_nodes, np.int64)
    supply[0], supply[-1] = 20 * n_arcs, -20 * n_arcs
    return tail, tail + 1, capacity, cost, supply


INSTANCES = {
    "time": lambda seed: time_expanded(100, 168, seed),
    "netgen": lambda seed: netgen_like(2**11, 2**14, 2**5, seed),
    "grid": lambda seed: street_grid(48, seed),
    "chain": lambda seed: parallel_chain(50, 400, seed),
}


@pytest.mark.parametrize("family", INSTANCES)
@pytest.mark.parametrize("seed", range(2, 8))
def test_warm_starts_end_where_cold_ones_do(family: str, seed: int) -> None:
    """If this fails, a search for arcs to enter misses some, and a flow is called optimal early.

    It did where the order of blocks changed in the middle of a search.
    """
    problem = INSTANCES[family](seed)
    first = min_cost_flow(*problem)
    for what in ("costs", "capacities", "supplies", "all"):
        for share in (0.01, 0.1):
            other = changed(problem, what, share, seed)
            cold, warm = min_cost_flow(*other), min_cost_flow(*other, start=first)
            assert warm.status == cold.status, (what, share)
            if cold.status == "optimal":
                assert warm.objective == cold.objective, (what, share)
                assert cold.verify().valid, (what, share)
                assert warm.verify().valid, (what, share)
