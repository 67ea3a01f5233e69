"""Costs with few distinct values: ties broken by a hash and mended, to the optimum all the same."""

import numpy as np
import pytest

from gridcompute import transport

N, S = 6000, 24


def coarse(levels, seed=1):
    r = np.random.default_rng(seed)
    return np.floor(r.gamma(1.0, 1.0, (N, S)) * levels).astype(np.int64)


def room(share=1.02):
    return np.random.default_rng(2).multinomial(int(N * share), np.full(S, 1 / S))


def broken(m, same):
    """Proved by the certificate, and the optimum found in memory, where no ties are broken."""
    assert m.stats["perturbed"] == 1
    assert same.stats["perturbed"] == 0
    assert "direct" in same.stats["seconds"]
    assert m.verify().valid
    assert m.status == same.status == "optimal"
    assert m.objective == pytest.approx(same.objective, rel=1e-12, abs=0.0)
    assert m.exact == same.exact


@pytest.mark.parametrize("levels", [0.7, 3, 10])
@pytest.mark.parametrize(
    "kind", ["int32", "int64", "float32", "float64", "cents", "forbidden", "overload", "negative"]
)
def test_coarse_costs(levels, kind):
    """If this fails, a source of coarse costs gets a wrong answer or a wrong proof."""
    cost = coarse(levels)
    options = {}
    units = room()
    given = cost
    if kind in ("int32", "float32", "float64"):
        given = cost.astype(kind)
    elif kind == "cents":
        given = cost * 0.01
    elif kind == "forbidden":
        given = np.where((np.arange(N)[:, None] + np.arange(S)) % 3 == 0, np.inf, cost)
    elif kind == "overload":
        units, options["unplaced"] = room(0.7), float(np.median(cost))
    elif kind == "negative":
        given = (cost - cost.max()).astype(np.int32)
    m = transport(given, units, method="exact", **options)
    broken(m, transport(given, units, **options))
    if kind != "cents":
        assert m.exact


def test_the_same_bits_for_any_threads():
    """If this fails, chunks or the order of sums decide between ties."""
    cost, units = coarse(3).astype(np.int32), room()
    first = transport(cost, units, method="exact", threads=1)
    assert first.stats["perturbed"] == 1
    for threads in (2, 7):
        other = transport(cost, units, method="exact", threads=threads)
        assert np.array_equal(other.assignment, first.assignment)
        assert np.array_equal(other.prices, first.prices)


def test_prices_are_whole():
    """If this fails, the hash is left in the prices of integer costs."""
    m = transport(coarse(3), room(), method="exact")
    assert m.stats["perturbed"] == 1
    assert m.stats["resolution"] == 1
    assert np.array_equal(m.prices, np.round(m.prices))


@pytest.mark.parametrize("seed", [57, 70, 461])
def test_where_breaking_ties_changed_the_optimum(seed):
    """If this fails, an answer called optimal moved units for what was added to their ties."""
    r = np.random.default_rng(seed)
    n, s, levels = (
        int(r.integers(1500, 5000)),
        int(r.integers(8, 60)),
        int(10 ** r.uniform(0.5, 2.5)),
    )
    r.random()
    cost = np.floor(r.gamma(1.0, 1.0, (n, s)) * levels).astype(np.int32)
    units = r.multinomial(int(n * 1.02), r.dirichlet(np.full(s, 2.0)))
    m = transport(cost, units, method="exact")
    assert m.stats["perturbation_repairs"] == 1
    assert m.stats["rows_extended"] > 0
    broken(m, transport(cost, units))


@pytest.mark.parametrize("kind", ["far", "between"])
def test_a_sample_that_misled(kind):
    """If this fails, one cost no sample has seen, huge or between the cents, spoils all keys."""
    cost = coarse(3)
    given = cost
    if kind == "far":
        given[17, 5] = 2**49
    else:
        given = cost * 0.01
        given[17, 5] = 0.005
    m = transport(given, room(), method="exact")
    assert m.stats["perturbed"] == 0
    assert m.status == "optimal"
    assert m.verify().valid
    assert m.objective == pytest.approx(transport(given, room()).objective, rel=1e-12, abs=0.0)


def test_gangs_with_coarse_costs_a_unit():
    """If this fails, gangs of coarse costs get a bound that does not hold, or one far off."""
    r = np.random.default_rng(3)
    demand = r.integers(1, 9, N).astype(np.int32)
    units = (room(1.1) * demand.mean()).astype(np.int64) + 8
    m = transport((coarse(3) + 20) * demand[:, None], units, demand=demand)
    assert m.stats["perturbed"] == 1
    assert m.verify().valid
    assert 0 <= m.gap < 1e-3


def test_stopped_or_close_enough():
    """If this fails, a bound taken before ties are mended is above the optimum."""
    cost, units = coarse(3) + 20, room()
    best = transport(cost, units).objective
    close = transport(cost, units, method="exact", gap=0.2)
    assert close.bound <= best <= close.objective <= 1.2 * best
    early = transport(cost, units, method="exact", time_limit=0)
    assert early.bound <= best <= early.objective
    assert transport(cost, units, method="auction").bound <= best


def test_warm_start():
    """If this fails, prices from yesterday leave ties unbroken, or are read in the wrong unit."""
    cost, units = coarse(3), room()
    cold = transport(cost, units, method="exact")
    warm = transport(cost, units, method="exact", prices=cold.prices)
    assert warm.stats["perturbed"] == 1
    assert warm.objective == cold.objective
    assert warm.verify().valid


@pytest.mark.parametrize("seed", range(3))
def test_copies_of_classes_are_no_ties(seed):
    """If this fails, a few alike classes have ties broken, and lists grow to rows."""
    r = np.random.default_rng(seed)
    cost = np.rint(1000 * np.outer(r.uniform(1, 40, N), r.integers(1, 12, S))).astype(np.int64)
    m, same = transport(cost, room(), method="exact"), transport(cost, room())
    assert m.stats["perturbed"] == 0
    assert m.verify().valid
    assert m.status == same.status == "optimal"
    assert m.objective == same.objective
