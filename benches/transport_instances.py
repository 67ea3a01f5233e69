"""Instances for the benches of transport, each pure in its seed.

All have `n_jobs` rows, `n_slots` classes and room for every job; costs are int32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Instance = tuple[Any, NDArray[np.int64]]


def _room(r: np.random.Generator, n_jobs: int, share: NDArray[np.float64]) -> NDArray[np.int64]:
    """Room for every job and about a tenth more, dealt out by share."""
    return r.multinomial(n_jobs + n_jobs // 10 + len(share), share).astype(np.int64)


def day(n_jobs: int, n_slots: int, seed: int) -> tuple[list[Any], NDArray[np.int64]]:
    """A day of work as terms: site x accelerator x hour classes; families, data, waiting."""
    r = np.random.default_rng(seed)
    n_sites = max(2, n_slots // 24)
    site, kind, hour = (r.integers(0, n, n_slots) for n in (n_sites, 6, 24))
    speed = r.uniform(0.25, 1.0, (12, 6))
    tariff = r.uniform(0.3, 1.0, (n_sites, 24))
    away = r.uniform(0.0, 1.0, (n_sites, n_sites))
    np.fill_diagonal(away, 0.0)
    family, origin, release = (r.integers(0, n, n_jobs) for n in (12, n_sites, 24))
    work, data, value = (r.lognormal(m, d, n_jobs) for m, d in ((1.0, 1.1), (2.0, 1.3), (0.0, 0.6)))
    terms = [
        (tariff[site, hour] / speed[:, kind], family, 1000 * work),
        (1 / speed[:, kind], family, 200 * value * work),
        (away[:, site], origin, 50 * data),
        (((hour - np.arange(24)[:, None]) % 24).astype(float), release, 30 * value),
    ]
    return terms, _room(r, n_jobs, r.dirichlet(np.full(n_slots, 2.0)))


def structured(n_jobs: int, n_slots: int, seed: int) -> Instance:
    """The day as a matrix."""
    terms, capacity = day(n_jobs, n_slots, seed)
    cost = np.empty((n_jobs, n_slots), np.int32)
    step = max(1, 2_000_000 // n_slots)
    for a in range(0, n_jobs, step):
        b = slice(a, a + step)
        total = sum(factor[b, None] * table[key[b]] for table, key, factor in terms)
        cost[b] = np.minimum(total, 1e8)
    return cost, capacity


def uniform(n_jobs: int, n_slots: int, seed: int) -> Instance:
    """Independent costs, classes of unlike popularity."""
    r = np.random.default_rng(seed)
    cost = r.integers(0, 10_000, (n_jobs, n_slots), dtype=np.int32)
    cost += r.integers(0, 3_000, n_slots, dtype=np.int32)
    return cost, _room(r, n_jobs, np.full(n_slots, 1 / n_slots))


def full(n_jobs: int, n_slots: int, seed: int) -> Instance:
    """Independent costs, classes of one size, one slot to spare: many paths are equally short."""
    cost = np.random.default_rng(seed).integers(0, 10_000, (n_jobs, n_slots), dtype=np.int32)
    room = np.full(n_slots, n_jobs // n_slots)
    room[: n_jobs % n_slots + 1] += 1
    return cost, room


def ties(n_jobs: int, n_slots: int, seed: int) -> Instance:
    """Products of small integers: a few dozen kinds of job, and equal costs everywhere."""
    r = np.random.default_rng(seed)
    job, slot = (r.integers(1, 50, n, dtype=np.int32) for n in (n_jobs, n_slots))
    return job[:, None] * slot, _room(r, n_jobs, np.full(n_slots, 1 / n_slots))


def coarse(n_jobs: int, n_slots: int, seed: int) -> Instance:
    """The day in units a thousand times as large: many ties, of each job its own."""
    cost, capacity = structured(n_jobs, n_slots, seed)
    return cost // 1000, capacity


def skewed(n_jobs: int, n_slots: int, seed: int) -> Instance:
    """Log-normal costs, and classes from a handful of slots to a third of them all."""
    r = np.random.default_rng(seed)
    cost = np.minimum(1000 * r.lognormal(0, 1.5, (n_jobs, n_slots)), 1e7).astype(np.int32)
    share = 1 / np.arange(1, n_slots + 1) ** 1.2
    return cost, _room(r, n_jobs, r.permutation(share / share.sum()))


def sparse(n_jobs: int, n_slots: int, seed: int) -> Instance:
    """Jobs that may use one class in twenty, as CSR; one of them in turn, so that all fit."""
    from scipy.sparse import csr_array

    r = np.random.default_rng(seed)
    each = max(2, n_slots // 20)
    step = np.cumsum(r.integers(1, n_slots // each + 1, (n_jobs, each)), axis=1)
    slot = np.sort((np.arange(n_jobs)[:, None] + step - step[:, :1]) % n_slots, axis=1)
    cost = r.integers(1, 10_000, (n_jobs, each), dtype=np.int32)
    rows = np.arange(0, n_jobs * each + 1, each)
    matrix = csr_array((cost.ravel(), slot.ravel(), rows), shape=(n_jobs, n_slots))
    return matrix, np.full(n_slots, n_jobs // n_slots + n_jobs // (10 * n_slots) + 1, np.int64)


def gangs(n_jobs: int, n_slots: int, seed: int) -> tuple[Any, NDArray[np.int64], NDArray[np.int64]]:
    """The day with jobs of 1 to 128 slots, log-normal; also gives the demand."""
    cost, capacity = structured(n_jobs, n_slots, seed)
    r = np.random.default_rng([seed, 1])
    demand = np.clip(r.lognormal(0.8, 1.2, n_jobs), 1, 128).astype(np.int64)
    share = capacity / capacity.sum()
    room = np.ceil(1.1 * demand.sum() * share).astype(np.int64) + 128
    return cost, room, demand


FAMILIES: dict[str, Callable[[int, int, int], Instance]] = {
    "structured": structured,
    "uniform": uniform,
    "full": full,
    "ties": ties,
    "coarse": coarse,
    "skewed": skewed,
    "sparse": sparse,
}
