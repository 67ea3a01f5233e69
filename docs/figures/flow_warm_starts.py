"""How many times faster a warm start is than a cold one, by what changed and how much of it."""

import time

import matplotlib.pyplot as plt
import numpy as np

from gridcompute import min_cost_flow

SHARES = [0.001, 0.01, 0.1, 0.3]


def time_expanded(r, places=24, hours=96):
    """Places in time: waiting, lines to other places, and a hub that collects and distributes."""
    node = np.arange(places * hours).reshape(places, hours)
    here, later, hub = node[:, :-1], node[:, 1:], places * hours
    there = np.stack([np.roll(later, k, axis=0) for k in (1, 2, 5)])
    tail = np.r_[here.ravel(), np.broadcast_to(here, there.shape).ravel(), node.ravel()]
    head = np.r_[later.ravel(), there.ravel(), np.full(hub, hub)]
    n_moves = here.size + there.size
    capacity = np.r_[r.integers(10, 500, n_moves), np.full(2 * hub, 10**5)]
    dear = r.integers(200, 2000, hub)
    cost = np.r_[r.integers(0, 300, n_moves), np.zeros(hub, np.int64), dear]
    surplus = r.integers(0, 200, hub) - r.integers(0, 100, hub)
    ends = np.r_[tail, np.full(hub, hub)], np.r_[head, node.ravel()]
    return (*ends, capacity, cost, np.r_[surplus, -surplus.sum()])


def random_graph(r, n=3000):
    """Random arcs whose capacities bind, and a dear ring that keeps the problem feasible."""
    m, ring = 8 * n, r.permutation(n)
    tail = r.integers(0, n, m)
    head = (tail + r.integers(1, n, m)) % n
    supply, ends = np.zeros(n, np.int64), r.choice(n, n // 8, replace=False)
    amount = r.integers(1, 1000, len(ends) // 2)
    supply[ends[: len(amount)]] = amount
    supply[ends[len(amount) : 2 * len(amount)]] = -amount
    capacity = np.r_[r.integers(1, 1000, m), np.full(n, 10**6)]
    cost = np.r_[r.integers(1, 10_000, m), np.full(n, 40_000)]
    return np.r_[tail, ring], np.r_[head, np.roll(ring, 1)], capacity, cost, supply


def changed(problem, kind, share, r):
    """The problem with a share of its costs, capacities or supplies moved."""
    tail, head, capacity, cost, supply = problem
    values = {"costs": cost.copy(), "capacities": capacity.copy(), "supplies": supply.copy()}
    moved = values[kind]
    which = r.choice(len(moved) - 1, max(2, int(share * len(moved))), replace=False)
    if kind == "supplies":
        moved[which] += r.integers(-50, 51, len(which))
        moved[-1] -= moved.sum()
    else:
        moved[which] = moved[which] * r.uniform(0.5, 2, len(which))
    return tail, head, values["capacities"], values["costs"], values["supplies"]


def cpu(problem, start=None):
    """The least CPU time of three solves, and the objective."""
    best = np.inf
    for _ in range(3):
        begin = time.process_time()
        f = min_cost_flow(*problem, start=start)
        best = min(best, time.process_time() - begin)
    return best, f.objective


fig, axes = plt.subplots(1, 2, figsize=(8.5, 2.9), sharey=True)
for ax, make in zip(axes, (time_expanded, random_graph), strict=True):
    r = np.random.default_rng(3)
    problem = make(r)
    first = min_cost_flow(*problem)
    for kind in ("costs", "capacities", "supplies"):
        ratios = []
        for share in SHARES:
            new = changed(problem, kind, share, r)
            cold, warm = cpu(new), cpu(new, first)
            if cold[1] != warm[1]:
                raise AssertionError(f"{make.__name__}, {kind}, {share}: {cold[1]} and {warm[1]}")
            ratios.append(cold[0] / warm[0])
        ax.plot([100 * share for share in SHARES], ratios, "o-", label=kind)
    ax.axhline(1, color="0.5", lw=1)
    ax.set(xscale="log", yscale="log", xlabel="% changed")
    ax.set_title(make.__name__.replace("_", " "), loc="left")
axes[0].set_ylabel("times faster than cold")
axes[0].legend(frameon=False)
fig.tight_layout()
