"""A gap asked for: how little is looked at until it is proved."""

import numpy as np
import pytest

from gridcompute import transport

N, S = 60_000, 20


def costs(kind):
    r = np.random.default_rng(4)
    work, speed, tariff = r.lognormal(1, 1, N), r.uniform(0.2, 1, (8, S)), r.uniform(0.2, 1, S)
    fine = 2000 * work[:, None] * (tariff / speed)[r.integers(0, 8, N)]
    return (fine / {"fine": 1, "coarse": 1000, "reals": 1.5}[kind]).astype(
        np.float64 if kind == "reals" else np.int32
    )


def room(share=1.05):
    return np.random.default_rng(5).multinomial(int(N * share), np.full(S, 1 / S))


@pytest.mark.parametrize("method", ["auction", "exact"])
@pytest.mark.parametrize("kind", ["fine", "coarse", "reals"])
def test_a_loose_gap(kind, method):
    """If this fails, a gap of some hundredths takes all samples and lists, as an optimum does."""
    cost, units = costs(kind), room()
    best = transport(cost, units, method="exact")
    m = transport(cost, units, method=method, gap=0.05)
    assert m.verify().valid
    assert m.gap <= 0.05
    assert m.bound <= best.objective <= m.objective
    assert m.stats["levels"] - m.stats["perturbed"] < best.stats["levels"] - best.stats["perturbed"]
    assert "tune" not in m.stats["seconds"]
    assert m.stats["candidates"] < N
    assert m.stats["passes"] < (2.2 if kind == "coarse" else 1.1)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_tight_gap_of_coarse_costs(seed):
    """If this fails, the ties of coarse costs are mended to the optimum before a gap is proved."""
    cost, units = costs("coarse"), room()
    m = transport(cost, units, gap=2e-3, method="auction", seed=seed)
    assert m.verify().valid
    assert m.gap <= 2e-3
    assert m.stats["perturbed"] == 1
    assert m.stats["perturbation_repairs"] == 0
    assert "repair" not in m.stats["seconds"]


def test_no_sample_is_like_all():
    """If this fails, a gap that small samples promise and all jobs do not have is not closed."""
    cost, units = costs("fine").astype(np.int64), room(1.2)
    rare = np.arange(7, N, N // 3)
    cost[rare] += 2_000_000_000
    cost[rare, 3] -= 1_900_000_000
    units[3] = len(rare) // 2
    best = transport(cost, units, method="exact")
    m = transport(cost, units, method="auction", gap=0.05)
    assert m.stats["passes"] > 2  # one in vain
    assert m.verify().valid
    assert m.gap <= 0.05
    assert m.bound <= best.objective <= m.objective


def test_a_gap_of_nothing_is_the_optimum():
    """If this fails, a matching whose bound it meets is not called optimal."""
    r = np.random.default_rng(6)
    cost = r.integers(0, 4, (N, S), dtype=np.int32)
    m = transport(cost, room(), method="auction", gap=0.01)
    assert m.gap == 0
    assert m.exact
    assert m.status == "optimal"


@pytest.mark.parametrize("kind", ["fine", "coarse"])
def test_same_bits(kind):
    """If this fails, an answer near enough depends on the number of threads."""
    cost, units = costs(kind), room()
    one, *others = (
        transport(cost, units, method="auction", gap=0.02, threads=t) for t in (1, 2, 7)
    )
    for other in others:
        assert np.array_equal(one.assignment, other.assignment)
        assert np.array_equal(one.prices, other.prices)
        assert (one.objective, one.bound) == (other.objective, other.bound)
