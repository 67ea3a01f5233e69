"""Fair shares at the size of a large cluster; each bench asserts what the certificate proves."""

import numpy as np
import pytest

from gridcompute import fair


def cluster(n, n_classes, density, seed=1):
    """Tenants with some classes each, requests of twice what there is, three weights."""
    r = np.random.default_rng(seed)
    eligible = r.random((n, n_classes)) < density
    capacity = r.multinomial(100 * n, r.dirichlet(np.ones(n_classes)))
    request = r.lognormal(4.6, 1.2, n).astype(np.int64) + 1
    return eligible, capacity, request, r.choice([1.0, 2.0, 4.0], n)


@pytest.mark.parametrize(("n", "n_classes", "density"), [(10_000, 64, 0.15), (10_000, 64, 0.02)])
def test_leximin(benchmark, n, n_classes, density):
    """One level where all classes are shared widely, some fifty where each tenant has two."""
    eligible, capacity, request, weight = cluster(n, n_classes, density)
    x = benchmark.pedantic(
        fair.leximin, (eligible, capacity, request), {"weight": weight}, rounds=3
    )
    assert x.verify()


def test_divide(benchmark):
    """A hundred thousand queues of one level."""
    r = np.random.default_rng(1)
    columns = {
        "guarantee": r.integers(0, 5, 100_000),
        "request": r.integers(0, 50, 100_000),
        "weight": r.integers(1, 9, 100_000),
    }
    d = benchmark.pedantic(fair.divide, (10**6,), columns, rounds=3)
    assert d.share.sum() + d.remaining == 10**6


def test_dominant(benchmark):
    """Ten thousand tenants, four resources."""
    r = np.random.default_rng(1)
    demand = r.integers(1, 9, (10_000, 4))
    capacity = demand.sum(axis=0) * 50
    x = benchmark.pedantic(fair.dominant, (demand, capacity), rounds=1)
    assert x.verify()
