"""Gangs: whole jobs from the splittable optimum, near its bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gridcompute import transport

SIZES = {
    "log-normal": lambda r, n: np.clip(np.exp(r.normal(1, 1.2, n)), 1, 128).astype(np.int32),
    "powers of two": lambda r, n: (2 ** r.integers(0, 8, n)).astype(np.int32),
    "uniform": lambda r, n: r.integers(1, 129, n).astype(np.int32),
}


def structured(r: np.random.Generator, n: int, s: int) -> Any:
    """Costs with an order of classes and one of jobs, as prices and sizes give them."""
    base, speed = r.integers(100, 1000, (n, 1)), r.integers(10, 30, s)
    return (base * speed + r.integers(0, 2000, (n, s))).astype(np.int32)


@pytest.mark.parametrize("sizes", SIZES)
def test_gangs_end_near_the_bound(sizes: str) -> None:
    """If this fails, split jobs are put where they cost much, or room is left empty."""
    r = np.random.default_rng(3)
    n, s = 30_000, 40
    cost, demand = structured(r, n, s), SIZES[sizes](r, n)
    capacity = np.full(s, int(1.01 * demand.sum()) // s)
    m = transport(cost, capacity, demand=demand)
    assert m.gap < 2e-4
    assert m.assignment.min() >= 0
    assert m.verify().valid
    real = transport(cost.astype(np.float32), capacity, demand=demand)
    assert (real.assignment == m.assignment).all()


def test_a_heavy_gang_makes_others_go() -> None:
    """If this fails, a gang that has to be placed finds its one class full of small jobs."""
    # The relaxation splits the gang over small classes that none of it may use whole.
    cost = np.array([[0] * 5 + [50]] + [[9] * 5 + [0]] * 20)
    m = transport(cost, [4, 4, 4, 4, 4, 20], demand=[20] + [1] * 20)
    assert m.assignment[0] == 5
    assert (m.assignment[1:] < 5).all()
    assert m.objective == 50 + 9 * 20
    assert m.verify().feasible
