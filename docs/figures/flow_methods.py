"""Network simplex beside cost scaling over sizes, and the work of the simplex beside its budget."""

import time

import matplotlib.pyplot as plt
import numpy as np

from gridcompute import min_cost_flow


def random_graph(n, r):
    """Random arcs whose capacities bind, and a dear ring that keeps the problem feasible."""
    m, ring = 8 * n, r.permutation(n)
    tail = r.integers(0, n, m)
    head = (tail + r.integers(1, n, m)) % n
    supply, ends = np.zeros(n, np.int64), r.choice(n, n // 8, replace=False)
    amount = r.integers(1, 1000, len(ends) // 2)
    supply[ends] = np.r_[amount, -amount]
    capacity = np.r_[r.integers(1, 1000, m), np.full(n, 10**6)]
    cost = np.r_[r.integers(1, 10_000, m), np.full(n, 40_000)]
    return np.r_[tail, ring], np.r_[head, np.roll(ring, 1)], capacity, cost, supply


def grid_arcs(n):
    """The arcs of a square grid with n nodes, both ways."""
    k = int(np.sqrt(n))
    node = np.arange(k * k).reshape(k, k)
    a = np.r_[node[:, :-1].ravel(), node[:-1].ravel()]
    b = np.r_[node[:, 1:].ravel(), node[1:].ravel()]
    return k, np.r_[a, b], np.r_[b, a]


def street_grid(n, r):
    """Streets without a capacity that binds: long paths."""
    k, tail, head = grid_arcs(n)
    supply, ends = np.zeros(k * k, np.int64), r.choice(k * k, 2 * k, replace=False)
    supply[ends] = np.repeat([50, -50], k)
    return tail, head, np.full(len(tail), 10**4), r.integers(1, 10_000, len(tail)), supply


def maximum_flow(n, r):
    """As much as fits through a grid from its left side to its right."""
    k, tail, head = grid_arcs(n)
    left, right = k * np.arange(k), k * np.arange(k) + k - 1
    s, t = k * k, k * k + 1
    tail = np.r_[tail, np.full(k, s), right, t]
    head = np.r_[head, left, np.full(k, t), s]
    capacity = np.r_[r.integers(1, 100, len(tail) - 2 * k - 1), np.full(2 * k + 1, 10**6)]
    cost = np.r_[np.zeros(len(tail) - 1, np.int64), -1]
    return tail, head, capacity, cost, np.zeros(k * k + 2, np.int64)


def cpu_ms(problem, method):
    """The better of two runs in CPU time, and its statistics."""
    best = np.inf
    for _ in range(2):
        start = time.process_time()
        f = min_cost_flow(*problem, method=method)
        best = min(best, time.process_time() - start)
    if f.status != "optimal":
        raise AssertionError(f"{method}: {f.status}")
    return 1000 * best, f.stats


families = {
    "random graph": random_graph,
    "street grid": street_grid,
    "maximum flow through a grid": maximum_flow,
}
sizes = [256, 1024, 4096]
fig, (clock, effort) = plt.subplots(1, 2, figsize=(9.5, 3.6))
for colour, (name, make) in enumerate(families.items()):
    arcs, simplex, scaling, work = [], [], [], []
    for n in sizes:
        problem = make(n, np.random.default_rng(3))
        ms, stats = cpu_ms(problem, "network_simplex")
        arcs.append(len(problem[0]))
        simplex.append(ms)
        scaling.append(cpu_ms(problem, "cost_scaling")[0])
        work.append(stats["work"] / (len(problem[0]) + len(problem[4])))
    clock.plot(arcs, simplex, f"C{colour}o-", label=name)
    clock.plot(arcs, scaling, f"C{colour}s--")
    effort.plot(arcs, work, f"C{colour}o-")
clock.plot([], [], "ko-", label="network simplex")
clock.plot([], [], "ks--", label="cost scaling")
clock.set(xscale="log", yscale="log", xlabel="arcs", ylabel="CPU ms")
clock.set_title("time", loc="left")
clock.legend(frameon=False, fontsize="small")
for budget, what in ((3000, "budget"), (16, "budget of a maximum flow")):
    effort.axhline(budget, color="0.5", lw=1)
    at = (1, budget)
    frame = effort.get_yaxis_transform()
    effort.annotate(
        what, at, (-4, 3), frame, "offset points", ha="right", fontsize="small", color="0.3"
    )
effort.set(xscale="log", yscale="log", xlabel="arcs", ylim=(1, 9000))
effort.set_title("work units of network simplex per arc and node", loc="left")
fig.tight_layout()
