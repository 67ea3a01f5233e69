"""Start prices on the short ways, for problems that samples are not needed for."""

import numpy as np
import pytest

from gridcompute import transport
from instances import sites_by_hours

SHAPES = {"in memory": (4000, 60), "over lists": (1200, 800)}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["same", "costs", "capacities"])
def test_good_prices_help_small_problems_too(shape, kind):
    """If this fails, yesterday's prices are forgotten where problems are small."""
    n, s = SHAPES[shape]
    cost, capacity = sites_by_hours(n, s, 1)
    yesterday = transport(cost, capacity)
    r = np.random.default_rng(2)
    if kind == "costs":
        changed = r.choice(n, n // 100, replace=False)
        cost[changed] = cost[r.integers(0, n, len(changed))]
    elif kind == "capacities":
        capacity[r.choice(s, s // 50)] += 1
    cold, warm = transport(cost, capacity), transport(cost, capacity, prices=yesterday.prices)
    assert (cold.stats["warm_levels"], warm.stats["warm_levels"]) == (0, 1)
    assert warm.stats["searches"] < cold.stats["searches"] / 2
    assert warm.objective == cold.objective
    assert warm.verify().valid
    for threads in (1, 3):
        again = transport(cost, capacity, prices=yesterday.prices, threads=threads)
        assert again.assignment.tobytes() == warm.assignment.tobytes()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["random", "zeros", "wild", "one wild", "negative"])
def test_bad_prices_are_told_by_a_look(shape, kind):
    """If this fails, bad prices are followed, or what they leave behind spoils the cold start."""
    n, s = SHAPES[shape]
    cost, capacity = sites_by_hours(n, s, 1)
    r = np.random.default_rng(3)
    cold = transport(cost, capacity)
    p = cold.prices
    prices = {
        "random": r.uniform(0, 2 * p.max(), s),
        "zeros": 0 * p,
        "wild": np.full(s, 1e18),
        "one wild": np.where(np.arange(s) == 3, 1e18, r.permutation(p)),
        "negative": -r.uniform(0, 2 * p.max(), s),
    }[kind]
    m = transport(cost, capacity, prices=prices)
    assert m.stats["warm_levels"] == 0
    assert m.objective == cold.objective
    assert m.assignment.tobytes() == cold.assignment.tobytes()
    assert m.stats["searches"] == cold.stats["searches"]
    assert m.verify().valid


@pytest.mark.parametrize("shape", SHAPES)
def test_given_prices_of_optional_jobs(shape):
    """If this fails, being left out gets a price of its own, or room that nobody needs does."""
    n, s = SHAPES[shape]
    cost, capacity = sites_by_hours(n, s, 4)
    capacity = capacity // 2
    unplaced = np.median(cost) * np.random.default_rng(5).uniform(0, 2, n)
    cold = transport(cost, capacity, unplaced=unplaced)
    for prices in (cold.prices, cold.prices + 1000, cold.prices / 2):
        warm = transport(cost, capacity, unplaced=unplaced, prices=prices)
        assert warm.objective == pytest.approx(cold.objective, rel=1e-12)
        assert warm.verify().valid
