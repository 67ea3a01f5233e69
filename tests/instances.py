"""Instances for tests: the library's own strategy for tiny ones, seeded makers for large ones."""

import numpy as np

from gridcompute.testing.strategies import TransportCase as Transport
from gridcompute.testing.strategies import transport_problems as transports

__all__ = ["Transport", "sites_by_hours", "transports"]


def sites_by_hours(n_jobs, n_slots, seed):
    """Structured like a day of work: families of jobs, speeds and prices of classes, waiting."""
    r = np.random.default_rng(seed)
    speed, tariff = r.uniform(0.2, 1.0, (8, n_slots)), r.uniform(0.2, 1.0, n_slots)
    hour = r.integers(0, 24, n_slots)
    family, arrival = r.integers(0, 8, n_jobs), r.integers(0, 24, n_jobs)
    work, value = r.lognormal(1, 1.2, n_jobs), r.lognormal(0, 0.7, n_jobs)
    cost = np.empty((n_jobs, n_slots), np.int32)
    for a in range(0, n_jobs, 20_000):
        b = slice(a, a + 20_000)
        run = work[b, None] / speed[family[b]]
        wait = (hour[None] - arrival[b, None]) % 24
        total = run * (10 * tariff + 2 * value[b, None]) + 0.3 * value[b, None] * wait
        cost[b] = np.minimum(100 * total, 1e6)
    capacity = r.multinomial(int(n_jobs / 0.9), r.dirichlet(np.full(n_slots, 2.0)))
    return cost, capacity.astype(np.int64)
