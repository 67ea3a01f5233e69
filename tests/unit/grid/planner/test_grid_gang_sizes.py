"""Gangs whose sizes are no powers of two: the bound counts how many of them a class can hold."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import grid
from gridcompute.grid.checker.bound import lower_bound


def world(gang: list[int], room: int, hours: int = 4) -> grid.Problem:
    """Jobs of an hour each, worth 10 yuan an accelerator, at one site that has power for all."""
    n = len(gang)
    return grid.Problem(
        jobs=grid.Jobs(
            gang=gang,
            work_h=np.ones(n),
            origin=np.zeros(n, int),
            deadline=np.full(n, hours),
            value_yuan=10.0 * np.array(gang),
        ),
        sites=grid.Sites(name=["A"], new=[False], connection_kw=1000.0),
        classes=grid.Classes(
            site=[0],
            capacity=np.full((1, hours), room),
            memory_gb=80.0,
            power_kw=0.4,
            throughput=np.ones((1, 1)),
        ),
        hours=hours,
        energy=grid.Energy(
            direct_kwh=np.zeros((1, 1, hours)),
            direct_yuan_per_kwh=0.2,
            tariff_yuan_per_kwh=np.full((1, hours), 0.5),
        ),
        corridors=grid.Corridors(
            delay_ms=np.zeros((1, 1)),
            bandwidth_gb=np.full((1, 1, hours), np.inf),
            price_yuan_per_gb=np.zeros((1, 1)),
        ),
        quotas=grid.Quotas.unlimited(1),
    )


@pytest.fixture(scope="module")
def plan() -> grid.Plan:
    """Twelve gangs of three where each hour has room for one: four run, at 0.6 yuan each."""
    return gc.match(world([3] * 12, room=5), gap=0.0)


def test_prices_alone_prove_how_many_gangs_of_three_there_is_room_for(plan: grid.Plan) -> None:
    """If this fails, five accelerators hold one gang and two thirds of another in the bound."""
    sizes = plan.prices.gang_size.tolist()
    assert sizes == list(plan.problem.gang_levels) == [2, 3]
    assert plan.objective_yuan == pytest.approx(8 * 30.0 + 4 * 0.6)
    proved = lower_bound(plan.problem, plan.prices)
    assert proved == pytest.approx(plan.objective_yuan, rel=1e-6)
    # Without the row of threes: 20 of the 36 accelerators asked for run.
    without = plan.prices.gang.copy()
    without[sizes.index(3)] = 0.0
    capacity = np.full(plan.prices.capacity.shape, 9.8)
    pure = lower_bound(plan.problem, plan.prices.replace(gang=without, capacity=capacity))
    assert pure <= 360.0 - 20 * 9.8 + 1e-6
    assert plan.verify().valid, str(plan.verify())


def test_charges_and_explanation_count_gangs_of_every_size(plan: grid.Plan) -> None:
    """If this fails, what a job is charged is not what its option costs in the bound."""
    placed = int(np.flatnonzero(plan.assignment >= 0)[0])
    k, hour = plan.prices.gang_size.tolist().index(3), int(plan.start[placed])
    assert plan.prices.gang[k].sum() + plan.prices.capacity.sum() > 0
    rent = 3 * plan.prices.capacity[0, hour] + plan.prices.gang[:, 0, hour].sum()
    row = plan.table()["job"].tolist().index(placed)
    scarce = plan.table()["price_yuan"][row] - plan.table()["cost_yuan"][row]
    assert scarce == pytest.approx(rent)
    taken = plan.explain(placed).taken
    assert taken is not None
    assert taken.parts["capacity"] == pytest.approx(rent)


def test_sizes_in_any_order_charge_the_same() -> None:
    """If this fails, prices that name their sizes in another order refute a valid plan."""
    plan = gc.match(world([6] * 12, room=7), gap=0.0)
    prices = plan.prices
    assert len(prices.gang) >= 2
    turned = prices.replace(gang=prices.gang[::-1], gang_size=prices.gang_size[::-1])
    other = dataclasses.replace(plan, prices=turned)
    assert other.verify().valid, str(other.verify())
    np.testing.assert_allclose(other.table()["price_yuan"], plan.table()["price_yuan"])
    taken = [p.explain(int(plan.table()["job"][0])).taken for p in (plan, other)]
    assert taken[0] is not None
    assert taken[1] is not None
    assert taken[0].parts == pytest.approx(taken[1].parts)


def test_a_size_has_prices_once(plan: grid.Plan) -> None:
    """If this fails, a warm start drops the prices of all but the last of equal sizes."""
    with pytest.raises(gc.InvalidProblemError, match=r"gang_size\[1\]: found 3 again"):
        plan.prices.replace(gang_size=[3, 3])


def test_the_sizes_that_ask_for_most_accelerators_have_prices() -> None:
    """If this fails, a batch of a hundred sizes has a row for each, or none for the large ones."""
    gang = [2] * 5 + [3] * 9 + list(range(5, 30))
    levels = world(gang, room=64).gang_levels
    assert levels[:4] == (2, 4, 8, 16)
    # 3 * 9 = 27 accelerators: as many as one gang of 27, ahead of it by its size.
    assert levels[4:] == (3, 23, 24, 25, 26, 27, 28, 29)
    assert world([1, 1], room=4).gang_levels == ()
    assert world([4, 2], room=4).gang_levels == (2, 4)


def test_prices_of_another_hour_keep_those_of_the_sizes_that_are_left(plan: grid.Plan) -> None:
    """If this fails, a match begins with the price of threes for fours, or with none."""
    other = world([3, 3, 5, 4, 4] * 3, room=5)
    assert other.gang_levels == (2, 4, 3, 5)
    found = gc.match(other, prices=plan.prices.replace(placement=None), gap=0.0)
    assert found.verify().valid, str(found.verify())
    with pytest.raises(gc.InvalidProblemError, match="gang_size"):
        plan.prices.replace(gang_size=np.array([2], np.int32))
