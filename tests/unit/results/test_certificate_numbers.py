"""Bounds and objectives of the transport checker, against exact fractions, at every size."""

import math
from fractions import Fraction

import numpy as np
import pytest

from gridcompute import _core
from oracles import transport_brute

INF = math.inf
MAX = float(np.finfo(np.float64).max)
# Where doubles, integers and their sums change their spacing, each with its neighbours.
WHOLE = [0, 1, 5, 2**31, 2**52, 2**53, 2**54, 2**55, 2**60, 2**61, 2**62 - 1, 2**62]
REAL = [0.0, 5e-324, 1e-310, 2.0**-1022, 2.0**-500, 1e-17, 1.0, 1.5, 2.0**52, 2.0**53]
REAL += [2.0**62, 2.0**63, 1e22, 1e300, 2.0**1023, MAX]


def integers(r, shape):
    values = r.choice(np.array(WHOLE, np.int64), shape) + r.integers(-3, 4, shape)
    values = np.where(r.random(shape) < 0.4, -values, values)
    return np.where(r.random(shape) < 0.03, r.choice([-(2**63), 2**63 - 1], shape), values)


def doubles(r, shape, *, negative=True):
    values, kind = r.choice(np.array(REAL), shape), r.random(shape)
    values = np.where(kind < 0.3, np.nextafter(values, 0), values)
    values = np.where((kind > 0.3) & (kind < 0.6), values * r.random(shape), values)
    return np.where(r.random(shape) < (0.4 if negative else 0), -values, values)


def bound(cost, capacity, weight, out, prices):
    """Return D(p) of certificate/transport.hpp, without any rounding."""
    total = Fraction(0)
    for row, w, left_out in zip(cost, weight, out, strict=True):
        choices = [] if left_out == INF else [Fraction(left_out)]
        for c, p in zip(row, prices, strict=True):
            if c != INF:
                choices.append(Fraction(c) + w * Fraction(p))
        if not choices:
            return INF
        total += min(choices)
    return total - sum(
        min(u, sum(weight)) * Fraction(p) for u, p in zip(capacity, prices, strict=True)
    )


def at_most(a, b):
    """Compare a and b as numbers of any size, which may be infinite."""
    if INF in (b, -a):
        return True
    return INF not in (a, -b) and Fraction(a) <= Fraction(b)


def check(r, where):
    n, s = int(r.integers(0, 6)), int(r.integers(0, 5))
    whole = r.random() < 0.5
    cost = integers(r, (n, s)) if whole else doubles(r, (n, s))
    if not whole and r.random() < 0.3:
        cost[r.random((n, s)) < 0.3] = INF
    prices = doubles(r, s, negative=False)
    if r.random() < 0.4:
        prices = r.integers(0, 2**62, s).astype(float)
    capacity = r.choice(np.array([0, 1, 2, 5, 2**40, 2**63 - 1]), s)
    demand = r.choice(np.array([1, 2, 3, 2**31 - 1], np.int32), n) if r.random() < 0.5 else None
    unplaced = doubles(r, n) if r.random() < 0.5 else None
    assignment = r.integers(-1, s, n).astype(np.int32)
    source = _core.dense_cost(cost)
    assert source is not None
    if n == 0:
        demand = unplaced = None
    found = _core.check_transport(source, capacity, demand, unplaced, assignment, prices, 1)

    weight = [1] * n if demand is None else demand.tolist()
    out = [INF] * n if unplaced is None else unplaced.tolist()
    rows = cost.tolist()
    true = bound(rows, capacity.tolist(), weight, out, prices.tolist())
    most = math.ceil(true) if found["integral"] and true != INF else true
    where = (where, cost.tolist(), prices.tolist(), capacity, demand, unplaced, found, true)
    if (
        demand is not None
    ):  # whole gangs: a closer bound is none of the prices, but one of the plans
        most = transport_brute(rows, capacity.tolist(), weight, out)
    assert at_most(found["bound_low"], most), where
    assert at_most(true, found["bound_high"]), where
    if demand is None and not found["integral"] and true != INF and abs(true) < MAX:
        assert math.nextafter(found["bound_low"], INF) >= found["bound_high"], where

    paid = [out[i] if k < 0 else rows[i][k] for i, k in enumerate(assignment.tolist())]
    objective = sum((Fraction(c) for c in paid if c != INF), Fraction(0))
    assert at_most(found["objective_low"], objective), where
    assert at_most(objective, found["objective_high"]), where
    load = np.bincount(assignment[assignment >= 0], np.array(weight)[assignment >= 0], s)
    assert found["load"].tolist() == load.astype(np.int64).tolist(), where
    wrong = found["faults"] or found["forbidden"] or found["missing"] or found["overfull"]
    assert bool(wrong) == (INF in paid or bool((load > capacity).any())), where
    if not wrong and demand is None and abs(objective) < 2**120:
        assert found["tight"] == (objective == most), where


@pytest.mark.parametrize("seed", range(4))
def test_a_bound_is_rounded_down_whatever_the_numbers(seed):
    """If this fails, an integer from 2^53 on, or a sum near the largest double, proves too much."""
    r = np.random.default_rng(seed)
    for trial in range(600):
        check(r, (seed, trial))


@pytest.mark.parametrize("power", range(52, 63))
@pytest.mark.parametrize("off", [-1, 0, 1])
def test_no_bound_above_an_objective_of_integers_that_are_no_doubles(power, off):
    """If this fails, 2^53 + 1, which a double rounds down, is enclosed as if it were exact."""
    for sign in (1, -1):
        cost = np.array([[sign * (2**power + off)]])
        source = _core.dense_cost(cost)
        assert source is not None
        for price, unplaced in ((0.5, None), (0.0, [2.0**70 + 0.5]), (0.25, [1e300]), (1.0, None)):
            out = None if unplaced is None else np.array(unplaced)
            found = _core.check_transport(
                source, np.array([1]), None, out, np.zeros(1, np.int32), np.array([price]), 1
            )
            where = (power, off, sign, price, found)
            assert found["bound_low"] <= found["objective_low"] == int(cost[0, 0]), where
            assert found["bound_high"] >= found["objective_high"], where
            assert found["tight"], where


def test_sums_beyond_the_largest_double_are_bounded():
    """If this fails, costs whose sum no double holds leave a bound that is no number."""
    for costs in ([MAX] * 3, [-MAX] * 3, [MAX, -MAX, MAX], [MAX, MAX, -MAX]):
        source = _core.dense_cost(np.array(costs)[:, None])
        assert source is not None
        found = _core.check_transport(
            source, np.array([3]), None, None, np.zeros(3, np.int32), np.array([MAX]), 1
        )
        total = sum(Fraction(c) for c in costs)
        assert at_most(found["bound_low"], total), (costs, found)
        assert at_most(total, found["bound_high"]), (costs, found)
        assert found["tight"], (costs, found)
        assert not found["unproved"]
