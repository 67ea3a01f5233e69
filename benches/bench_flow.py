"""Min-cost flow beside OR-Tools, pylmcf and LEMON, each with the cost of building its model.

Each bench asserts the optimum that gridcompute's certificate proves. LEMON is compiled on the fly
from lemon_flow.cpp where its headers are (Debian: liblemon-dev); its time is what it measures
itself, building and solving, without the start of the process.
"""

import shutil
import statistics
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from published import Parser

from gridcompute import min_cost_flow


def shuffled(r, tail, head, capacity, cost, supply):
    order = r.permutation(len(tail))
    arcs = (np.ascontiguousarray(a[order], np.int64) for a in (tail, head, capacity, cost))
    return (*arcs, np.asarray(supply, np.int64))


def netgen_like(n, m, n_sources, seed):
    """Random arcs with random capacities that bind, and a dear ring that keeps it feasible."""
    r = np.random.default_rng(seed)
    ring, tail = r.permutation(n), r.integers(0, n, m)
    tail, head = np.r_[tail, ring], np.r_[(tail + r.integers(1, n, m)) % n, np.roll(ring, 1)]
    capacity = np.r_[r.integers(1, 1000, m), np.full(n, 10**6)]
    cost = np.r_[r.integers(1, 10_000, m), np.full(n, 40_000)]
    supply, ends = np.zeros(n, np.int64), r.choice(n, 2 * n_sources, replace=False)
    supply[ends[:n_sources]] = amount = r.integers(1, 1000, n_sources)
    supply[ends[n_sources:]] = -r.permutation(amount)
    return shuffled(r, tail, head, capacity, cost, supply)


def street_grid(k, seed):
    """k x k crossings, streets both ways, no capacity that binds: long paths."""
    r = np.random.default_rng(seed)
    node = np.arange(k * k).reshape(k, k)
    a = np.r_[node[:, :-1].ravel(), node[:-1].ravel()]
    b = np.r_[node[:, 1:].ravel(), node[1:].ravel()]
    supply, ends = np.zeros(k * k, np.int64), r.choice(k * k, 2 * k, replace=False)
    supply[ends[:k]] = amount = r.integers(1, 100, k)
    supply[ends[k:]] = -amount
    n_arcs = 2 * len(a)
    capacity, cost = np.full(n_arcs, 10**4), r.integers(1, 10_000, n_arcs)
    return shuffled(r, np.r_[a, b], np.r_[b, a], capacity, cost, supply)


def time_expanded(places, hours, seed, hub_capacity=10**5):
    """Waiting from hour to hour, lines to six neighbours, a hub that collects and hands out."""
    r = np.random.default_rng(seed)
    node, hub = np.arange(places * hours).reshape(places, hours), places * hours
    here, later = node[:, :-1], node[:, 1:]
    there = np.stack([np.roll(later, k, axis=0) for k in (1, 2, 3, 5, 8, 13)])
    n_wait, n_lines = here.size, there.size
    tail = np.r_[here.ravel(), np.broadcast_to(here, there.shape).ravel(), node.ravel()]
    head = np.r_[later.ravel(), there.ravel(), np.full(hub, hub)]
    tail, head = np.r_[tail, np.full(hub, hub)], np.r_[head, node.ravel()]
    capacity = np.r_[r.integers(50, 500, n_wait), r.integers(10, 100, n_lines)]
    capacity = np.r_[capacity, np.full(2 * hub, hub_capacity)]
    line = np.broadcast_to(r.integers(10, 300, (6, places, 1)), there.shape).ravel()
    cost = np.r_[r.integers(0, 5, n_wait), line, np.zeros(hub), r.integers(200, 2000, hub)]
    surplus = r.integers(0, 200, hub) - r.integers(0, 100, hub)
    return shuffled(r, tail, head, capacity, cost, np.r_[surplus, -surplus.sum()])


def one_way_torus(k, seed):
    """Cheap short steps, dear long ones, one source and one sink, tight: hard for trees."""
    r = np.random.default_rng(seed)
    node = np.arange(k * k).reshape(k, k)
    tail = np.tile(node.ravel(), 4)
    steps = [(0, 1), (1, 0), (0, k // 3), (k // 3, 1)]
    head = np.concatenate([np.roll(node, (-a, -b), axis=(0, 1)).ravel() for a, b in steps])
    scale = np.repeat([1, 100, 3_000, 9_000], k * k)
    supply = np.zeros(k * k, np.int64)
    supply[0], supply[k * k // 2 + k // 2] = 800, -800
    capacity = r.integers(300, 2_000, len(tail))
    return shuffled(r, tail, head, capacity, 1 + scale * r.integers(1, 10, len(tail)), supply)


def hub_and_leaves(n, seed):
    """n leaves around a hub, narrow arcs from leaf to leaf, supplies everywhere."""
    r = np.random.default_rng(seed)
    leaf, hub = np.arange(1, n + 1), np.zeros(n, np.int64)
    tail, head = np.r_[leaf, hub, leaf[:-1]], np.r_[hub, leaf, leaf[1:]]
    capacity = np.r_[np.full(2 * n, 10**6), r.integers(1, 20, n - 1)]
    supply = np.r_[0, r.integers(-50, 51, n)]
    supply[0] = -supply.sum()
    return shuffled(r, tail, head, capacity, r.integers(1, 1000, len(tail)), supply)


def parallel_chain(n_nodes, n_arcs, seed):
    """A chain of nodes with many arcs each: blocks of neighbours promise nothing for long."""
    r = np.random.default_rng(seed)
    tail = np.repeat(np.arange(n_nodes - 1), n_arcs)
    capacity, cost = r.integers(1, 100, len(tail)), r.integers(0, 10_000, len(tail))
    supply = np.zeros(n_nodes, np.int64)
    supply[0], supply[-1] = 20 * n_arcs, -20 * n_arcs
    return tail, tail + 1, capacity, cost, supply


def free_of_charge(n, m, n_sources, seed):
    """Costs all 0: any flow will do."""
    tail, head, capacity, cost, supply = netgen_like(n, m, n_sources, seed)
    return tail, head, capacity, np.zeros_like(cost), supply


def half_negative(n, m, seed):
    """No supplies, and half of the costs negative: cycles everywhere; these arcs begin full."""
    tail, head, capacity, cost, supply = netgen_like(n, m, 2, seed)
    return tail, head, capacity, cost - 5000, np.zeros_like(supply)


INSTANCES = {
    "netgen-4k": lambda: netgen_like(2**12, 2**15, 2**6, 3),
    "netgen-16k": lambda: netgen_like(2**14, 2**17, 2**7, 3),
    "netgen-131k": lambda: netgen_like(2**17, 2**20, 362, 3),
    "grid-64": lambda: street_grid(64, 3),
    "grid-128": lambda: street_grid(128, 3),
    "time-50x168": lambda: time_expanded(50, 168, 3),
    "time-100x168": lambda: time_expanded(100, 168, 3),
    "time-tight-50x168": lambda: time_expanded(50, 168, 3, hub_capacity=200),
    "torus-64": lambda: one_way_torus(64, 3),
    "hub-20k": lambda: hub_and_leaves(20_000, 3),
    "chain-50x400": lambda: parallel_chain(50, 400, 3),
    "free-4k": lambda: free_of_charge(2**12, 2**15, 2**6, 3),
    "negative-4k": lambda: half_negative(2**12, 2**15, 3),
}


@pytest.fixture(scope="module", params=INSTANCES)
def instance(request):
    problem = INSTANCES[request.param]()
    f = min_cost_flow(*problem)
    assert f.status == "optimal"
    assert f.verify().valid
    return request.param, problem, f.objective


def by_gridcompute(*problem, method):
    f = min_cost_flow(*problem, method=method)
    assert f.status == "optimal"
    return f.objective


def by_ortools(tail, head, capacity, cost, supply):
    model = pytest.importorskip("ortools.graph.python.min_cost_flow").SimpleMinCostFlow()
    model.add_arcs_with_capacity_and_unit_cost(tail, head, capacity, cost)
    model.set_nodes_supplies(np.arange(len(supply)), supply)
    assert model.solve() == model.OPTIMAL
    return model.optimal_cost()


def by_pylmcf(tail, head, capacity, cost, supply):
    pylmcf = pytest.importorskip("pylmcf")
    if cost.min() < 0:
        pytest.skip("pylmcf takes no negative costs")
    order = np.lexsort((head, tail))
    graph = pylmcf.Graph(len(supply), tail[order], head[order])
    graph.set_edge_capacities(capacity[order])
    graph.set_edge_costs(cost[order])
    graph.set_node_supply(supply)
    graph.solve()
    return graph.total_cost()


SOLVERS = {
    "gridcompute": lambda *problem: by_gridcompute(*problem, method="auto"),
    "gridcompute-cost-scaling": lambda *p: by_gridcompute(*p, method="cost_scaling"),
    "ortools": by_ortools,
    "pylmcf": by_pylmcf,
}


@pytest.mark.parametrize("solver", SOLVERS)
def bench_cold(benchmark, instance, solver):
    name, problem, optimum = instance
    benchmark.group = f"flow {name}"
    assert benchmark.pedantic(SOLVERS[solver], problem, rounds=3, warmup_rounds=1) == optimum


@pytest.fixture(scope="module")
def lemon(tmp_path_factory):
    """The compiled driver."""
    compiler, folder = shutil.which("g++"), tmp_path_factory.mktemp("lemon")
    source, binary = Path(__file__).with_name("lemon_flow.cpp"), folder / "lemon"
    if compiler is None:
        pytest.skip("no g++ to compile the LEMON driver")
    flags = ["-O3", "-march=native", "-std=c++17", "-w"]
    done = subprocess.run(
        [compiler, *flags, source, "-o", binary], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("no LEMON headers (Debian: liblemon-dev)")
    return binary


@pytest.mark.parametrize("algorithm", ["ns", "cs"])
def bench_cold_lemon(benchmark, instance, lemon, algorithm, tmp_path):
    """The column times a process; extra_info has what LEMON says building and solving took."""
    name, (tail, head, capacity, cost, supply), optimum = instance
    order, path = np.lexsort((head, tail)), tmp_path / "instance"
    columns = [a[order] for a in (tail, head, capacity, cost)]
    np.concatenate([[len(supply), len(tail)], *columns, supply]).astype(np.int64).tofile(path)
    benchmark.group = f"flow {name}"

    def run():
        out = subprocess.run([lemon, algorithm, path], capture_output=True, text=True, check=True)
        total, seconds = out.stdout.split()
        assert int(total) == optimum
        spent.append(float(seconds))

    spent = []
    benchmark.pedantic(run, rounds=3)
    benchmark.extra_info["seconds by its own clock"] = min(spent)


def changed(problem, what, share, seed=3):
    """Another cost, capacity or supply for a share of the arcs or nodes; `lines`: no capacity."""
    tail, head, capacity, cost, supply = (a.copy() for a in problem)
    r = np.random.default_rng(seed)
    some = r.choice(len(cost), max(1, int(share * len(cost))), replace=False)
    nodes = r.choice(len(supply), max(2, int(share * len(supply))), replace=False)
    if what in ("costs", "all"):
        cost[some] = (cost[some] + r.integers(-2, 30, len(some))).clip(0)
    if what in ("capacities", "all"):
        capacity[some] = capacity[some] * r.uniform(0.3, 1.2, len(some))
    if what == "lines":
        capacity[some] = 0
    if what in ("supplies", "all"):
        units = r.integers(-30, 31, len(nodes))
        units[-1] -= units.sum()
        supply[nodes] += units
    return tail, head, capacity, cost, supply


CHANGES = ("costs", "capacities", "lines", "supplies", "all")
WARM = ("time-100x168", "netgen-16k", "grid-128")


@pytest.fixture(scope="module", params=WARM)
def answered(request):
    problem = INSTANCES[request.param]()
    return request.param, problem, min_cost_flow(*problem)


@pytest.mark.parametrize("start", ["cold", "warm"])
@pytest.mark.parametrize("what", CHANGES)
def bench_one_percent_changed(benchmark, answered, what, start):
    name, problem, first = answered
    problem = changed(problem, what, 0.01)
    cold = min_cost_flow(*problem)
    benchmark.group = f"flow: 1 % of {what} changed, {name}"
    options = {"start": first} if start == "warm" else {}
    f = benchmark.pedantic(min_cost_flow, problem, options, rounds=5, warmup_rounds=1)
    assert f.status == cold.status
    assert f.verify().valid
    assert f.status != "optimal" or f.objective == cold.objective
    assert f.stats["warm"] <= (start == "warm")


def table():
    """CPU seconds, best of three of each in one process, without pytest."""
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("instances", nargs="*", metavar="INSTANCE", help="default: all")
    names = parser.parse_args().instances or list(INSTANCES)
    if wrong := [name for name in names if name not in INSTANCES]:
        parser.error(f"no instance {', '.join(wrong)}; there are {', '.join(INSTANCES)}")
    for name in names:
        problem, best = INSTANCES[name](), {}
        for solver, solve in SOLVERS.items():
            if solver == "pylmcf" and problem[3].min() < 0:
                continue
            for _ in range(3):
                start = time.process_time()
                total = solve(*problem)
                spent = time.process_time() - start
                best[solver] = min(best.get(solver, spent), spent)
                best.setdefault("optimum", total)
                assert total == best["optimum"], (name, solver)
        print(name, {k: round(v, 4) for k, v in best.items() if k != "optimum"}, flush=True)
    warm_table([name for name in WARM if name in names])


def warm_table(names):
    """CPU time, medians of five: cold over warm, by instance, kind and share of changes."""
    for name in names:
        problem = INSTANCES[name]()
        first = min_cost_flow(*problem)
        for what in CHANGES:
            ratios = []
            for share in (0.001, 0.01, 0.1):
                now = changed(problem, what, share)
                spent = {}
                for start in (None, first):
                    runs = []
                    for _ in range(5):
                        began = time.process_time()
                        f = min_cost_flow(*now, start=start)
                        runs.append(time.process_time() - began)
                    spent[start is None] = (statistics.median(runs), f.status, f.objective)
                assert spent[True][1] == spent[False][1]
                assert f.status != "optimal" or spent[True][2] == spent[False][2]
                ratios.append(f"{spent[True][0] / spent[False][0]:.1f}x {f.status}")
            print(f"{name}: 0.1, 1, 10 % of {what} changed:", *ratios, flush=True)


if __name__ == "__main__":
    table()
