"""Gangs on a few nodes, made so that small jobs must make way for large ones; and a greedy."""

import math

import numpy as np

from instances import Transport

N_NODES = 20


def _fitting(r, demand, room):
    """Halve demands until all have room."""
    while demand.sum() > room:
        i = r.integers(len(demand))
        demand[i] = max(1, demand[i] // 2)
    return demand


def tight(r):
    """Nearly all slots taken, costs by the slot."""
    n = int(r.integers(52, 64))
    demand = _fitting(r, r.choice([1, 2, 4, 8], n, p=[0.45, 0.25, 0.2, 0.1]), 8 * N_NODES)
    cost = r.integers(1, 100, (n, N_NODES)) * demand[:, None]
    return Transport(cost, np.full(N_NODES, 8), demand)


def fragmented(r):
    """Small jobs like nodes all over; large ones need whole nodes, and can afford a few only."""
    n, large = int(r.integers(52, 64)), int(r.integers(8, 12))
    demand = np.where(np.arange(n) < large, 8, r.choice([1, 2, 4], n, p=[0.5, 0.3, 0.2]))
    demand = _fitting(r, demand, 8 * N_NODES)
    liked = r.permutation(N_NODES)[:12]
    cost = r.integers(50, 200, (n, N_NODES))
    for i in range(n):
        if demand[i] < 8:
            cost[i, r.integers(0, N_NODES, 3)] = r.integers(1, 10, 3)
        else:
            cost[i] = 1000 + r.integers(0, 2000, N_NODES)
            cost[i, liked] = r.integers(20, 400, 12)
    return Transport(cost, np.full(N_NODES, 8), demand)


def overloaded(r):
    """The same with more jobs than slots: some stay out, at a price that grows with the job."""
    t = fragmented(r)
    demand = t.demand.copy()
    demand[r.choice(len(demand), 6, replace=False)] = 8
    out = np.where(demand == 8, 5000, np.where(demand == 4, 1500, 300 * demand))
    return Transport(
        t.cost, t.capacity, demand, out + r.integers(0, 100, len(demand)).astype(float)
    )


def mixed(r):
    """Nodes of 4, 8 and 16 slots, each with its speed."""
    n, capacity = int(r.integers(52, 64)), r.choice([4, 8, 16], N_NODES, p=[0.3, 0.5, 0.2])
    demand = _fitting(r, r.choice([1, 2, 4, 8], n, p=[0.5, 0.2, 0.2, 0.1]), capacity.sum() - 2)
    speed = r.uniform(0.5, 2, N_NODES)
    cost = demand[:, None] * r.integers(10, 100, (n, 1)) * speed * r.uniform(0.8, 1.2, (n, N_NODES))
    return Transport(cost.astype(int) + 1, capacity, demand)


def settled(r):
    """Each large job has a node or two that it can afford, where small ones would rather be."""
    n, large = int(r.integers(52, 64)), int(r.integers(7, 11))
    demand = np.r_[np.full(large, 8), np.full(5, 4), r.choice([1, 2], n - large - 5)]
    demand[large:] = _fitting(r, demand[large:], 8 * (N_NODES - large))
    home = r.permutation(N_NODES)[:large]
    cost = r.integers(20, 120, (n, N_NODES))
    for i in range(n):
        if i < large:
            cost[i] = r.integers(2000, 4000, N_NODES)
            cost[i, r.integers(N_NODES)] = r.integers(1, 200)
            cost[i, home[i]] = r.integers(1, 50)
        else:
            cost[i, r.choice(home, 2)] = r.integers(0, 5, 2)
    order = r.permutation(n)
    return Transport(cost[order], np.full(N_NODES, 8), demand[order])


KINDS = {
    "tight": tight,
    "fragmented": fragmented,
    "overloaded": overloaded,
    "mixed": mixed,
    "settled": settled,
}


def greedy(t, order):
    """What it costs to put each job in turn where it is cheapest; inf where one finds no room."""
    room, total = t.capacity.copy(), 0.0
    for i in order:
        fits = np.flatnonzero(room >= t.demand[i])
        best = fits[t.cost[i, fits].argmin()] if fits.size else None
        out = math.inf if t.unplaced is None else t.unplaced[i]
        if best is None or t.cost[i, best] > out:
            total += out
        else:
            total += t.cost[i, best]
            room[best] -= t.demand[i]
    return total


def greedy_orders(t):
    """As given; the largest first; those with most to lose first."""
    second = np.sort(t.cost, axis=1)
    return [
        np.arange(len(t.cost)),
        np.argsort(-t.demand, kind="stable"),
        np.argsort(second[:, 0] - second[:, 1], kind="stable"),
    ]
