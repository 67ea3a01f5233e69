"""Where a peer is as fast or faster: its time over ours, case by case.

    python benches/losing_cases.py [NAME]      cases whose names contain NAME
    python benches/losing_cases.py flow --most 30 --seconds 0    small sizes, three rounds

Each case is solved by ours and the peers in turn, in one process, their models' building included;
best of some rounds, by the clock of the process: CPU time of all threads. Objectives are compared.
Prints for each size the fastest peer and its time over ours: below 1 we lose.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]
import bench_assignment as dense  # noqa: E402
import bench_flow as flow  # noqa: E402
import bench_transport as transport  # noqa: E402
from ablation import layered  # noqa: E402
from published import Parser  # noqa: E402
from scipy.optimize import linear_sum_assignment as scipy_lsa  # noqa: E402

import gridcompute as gc  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable


def products(n: int, r: np.random.Generator) -> Any:
    return np.sort(r.random(n))[:, None] * np.sort(r.random(n))[::-1]


def few_blocks(n: int, r: np.random.Generator) -> Any:
    kind = np.sort(r.integers(0, 5, (2, n)))
    return r.random((5, 5))[kind[0][:, None], kind[1]]


def permuted(n: int, _: np.random.Generator) -> Any:
    return (np.outer(np.arange(n), np.arange(n)) % (n + 1)) / n


def line(n: int, r: np.random.Generator) -> Any:
    return np.abs(np.sort(r.random(n))[:, None] - np.sort(r.random(n)))


def own_scales(n: int, r: np.random.Generator) -> Any:
    """Rows and columns of their own scales, and a block that no assignment avoids."""
    cost = r.random((n, n)) * np.exp(4 * r.standard_normal((n, 1)) + 4 * r.standard_normal(n))
    cost[: n // 2 + 1, : n // 2 + 1] = 1e9
    return cost


def sparse(n: int, degree: int, r: np.random.Generator) -> Any:
    """A sparse square matrix of costs 1 and 2 that has a perfect matching."""
    import scipy.sparse as sp

    rows = np.r_[np.repeat(np.arange(n), degree - 1), np.arange(n)]
    cols = np.r_[r.integers(0, n, n * (degree - 1)), r.permutation(n)]
    _, first = np.unique(rows * n + cols, return_index=True)
    values = r.integers(1, 3, len(first))
    return sp.coo_array((values, (rows[first], cols[first])), shape=(n, n)).tocsr()


def pairs_scipy(cost: Any) -> float:
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    i, j = min_weight_full_bipartite_matching(csr_matrix(cost))
    return float(np.asarray(cost[i, j]).sum())


def pairs_ortools(cost: Any) -> float:
    from ortools.graph.python import linear_sum_assignment as peer

    model, coo = peer.SimpleLinearSumAssignment(), cost.tocoo()
    model.add_arcs_with_cost(coo.row, coo.col, coo.data)
    assert model.solve() == model.OPTIMAL
    return float(model.optimal_cost())


def pairs_ours(cost: Any) -> float:
    return float(np.asarray(cost[gc.linear_sum_assignment(cost)]).sum())


def rectangle(cost: Any) -> float:
    return float(cost[scipy_lsa(cost)].sum())


DENSE = {
    "gridcompute": dense.solve_ours,
    "scipy": dense.solve_scipy,
    "lapx": dense.solve_lapx,
}
FLOW = {
    "gridcompute": flow.SOLVERS["gridcompute"],
    "ortools": flow.by_ortools,
    "pylmcf": flow.by_pylmcf,
}
JOBS = {"gridcompute": transport.by_gridcompute, "ortools": transport.by_ortools}


def tiny(n: int, r: np.random.Generator) -> Any:
    """A random graph of n nodes and 4 n arcs."""
    return flow.netgen_like(n, 4 * n, 2, int(r.integers(1 << 30)))


def tied_jobs(n: int, r: np.random.Generator) -> Any:
    return transport.FAMILIES["ties"](n, 100, int(r.integers(1 << 30)))


def sparse_jobs(n: int, r: np.random.Generator) -> Any:
    return transport.FAMILIES["sparse"](n, 100, int(r.integers(1 << 30)))


#: Name -> (solvers, how an instance is made, sizes). A tuple is an instance of several arguments.
CASES: dict[str, tuple[dict[str, Any], Callable[[int, np.random.Generator], Any], list[int]]] = {
    "assignment, products in floats": (DENSE, products, [6, 12, 20, 35]),
    "assignment, five blocks of equal floats": (DENSE, few_blocks, [300, 500, 1000, 2000]),
    "assignment, i j mod (n + 1) in floats": (DENSE, permuted, [500, 1000, 2000]),
    "assignment, sorted points on a line": (DENSE, line, [500, 1000, 2000]),
    "assignment, a block no pairing avoids, own scales": (DENSE, own_scales, [20, 50]),
    "assignment, overlaps of boxes": (DENSE, lambda n, _: dense.overlap(n, 1), [500, 2000]),
    "assignment, sparse, 3 arcs a row, costs 1 and 2": (
        {"gridcompute": pairs_ours, "scipy": pairs_scipy, "ortools": pairs_ortools},
        lambda n, r: sparse(n, 3, r),
        [5000, 20_000],
    ),
    "assignment, n x 1.1 n products": (
        {"gridcompute": dense.solve_ours, "scipy": rectangle},
        lambda n, r: np.outer(r.integers(1, 1000, n), r.integers(1, 1000, n + n // 10)),
        [500],
    ),
    "flow, graphs of few nodes": (FLOW, tiny, [10, 30, 100]),
    "flow, five wide layers": (
        FLOW,
        lambda n, _: layered(5, n, 40, 20, 40),
        [500],
    ),
    "transport, sparse": (JOBS, sparse_jobs, [2000, 20_000]),
    "transport, ties": (JOBS, tied_jobs, [500, 2000]),
}


def seconds(
    solve: Callable[..., float], instance: tuple[Any, ...], limit: float
) -> tuple[float, float]:
    """CPU seconds of the best round, and the objective: rounds for so long, but at least three."""
    began, best, rounds = time.perf_counter(), np.inf, 0
    while rounds < 3 or time.perf_counter() - began < limit:
        start = time.process_time_ns()
        value = solve(*instance)
        best, rounds = min(best, time.process_time_ns() - start), rounds + 1
    return best / 1e9, float(value)


def main() -> None:
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", default="", help="part of the names of cases")
    parser.add_argument("--most", type=int, default=1 << 30, help="largest size")
    parser.add_argument("--seconds", type=float, default=0.4, help="of rounds for each solver")
    args = parser.parse_args()
    chosen = {
        name: (solvers, make, sizes)
        for name, (solvers, make, all_sizes) in CASES.items()
        if args.name in name and (sizes := [n for n in all_sizes if n <= args.most])
    }
    if not chosen:
        parser.error(f"no case up to size {args.most} has {args.name!r} in its name")
    for name, (solvers, make, sizes) in chosen.items():
        row = []
        for n in sizes:
            made = make(n, np.random.default_rng(1))
            instance = made if isinstance(made, tuple) else (made,)
            took = {}
            for solver, solve in solvers.items():
                try:
                    took[solver] = seconds(solve, instance, args.seconds)
                except ImportError:
                    continue
            ours, value = took.pop("gridcompute")
            for peer, (_, other) in took.items():
                assert np.isclose(other, value, rtol=1e-9), (name, n, peer, other, value)
            if not took:
                row.append(f"{n}: no peer is installed, ours {1e3 * ours:.3g} ms")
                continue
            peer = min(took, key=lambda k: took[k][0])
            row.append(f"{n}: {took[peer][0] / ours:.2f} ({peer}, ours {1e3 * ours:.3g} ms)")
        print(f"{name}: {'; '.join(row)}", flush=True)


if __name__ == "__main__":
    main()
