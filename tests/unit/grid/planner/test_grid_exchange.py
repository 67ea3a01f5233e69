"""Exchanges: chains that make room, checked against plain recomputation."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import gridcompute as gc
from grid_oracles import greedy_placement, load_of
from gridcompute import _core, grid
from gridcompute.grid.planner.budget import Clock
from gridcompute.grid.planner.dispatch_lp import EnergyBlock
from gridcompute.grid.planner.prices import CouplingConstraints, market_of, systematic_samples
from gridcompute.grid.planner.search import curves_about, fill
from gridcompute.grid.planner.state import PlannerState, jobs_cost


@pytest.fixture(scope="module")
def world() -> tuple[grid.Problem, np.ndarray, np.ndarray]:
    """A contested batch and a greedy placement that exchanges can better."""
    problem = grid.east_west(n_jobs=600, seed=4)
    return problem, *greedy_placement(problem)


def exchanged(
    world: tuple[grid.Problem, np.ndarray, np.ndarray], threads: int
) -> tuple[np.ndarray, np.ndarray, _core.ResidualCapacity, _core.LocalSearch, int]:
    problem, was, was_start = world
    block, market = EnergyBlock(problem), market_of(problem)
    room, rows = _core.ResidualCapacity(market), np.flatnonzero(was >= 0).astype(np.int32)
    klass, start = np.full(len(was), -1, np.int32), np.full(len(was), -1, np.int32)
    room.place_at(rows, was[rows], was_start[rows], klass, start)
    vector = CouplingConstraints(problem, block, threads)
    prices = vector.unpack(vector.start(None))
    exchange = _core.LocalSearch(room, *prices, 0.0, klass, start)
    block.serve(problem.energy.base_load_kwh + room.load)
    steps = exchange.run(exchange.regrets(1e-6, threads), *block.curves())
    return klass, start, room, exchange, steps


def check_books(
    problem: grid.Problem, klass: np.ndarray, start: np.ndarray, room: _core.ResidualCapacity
) -> None:
    """Each job is where and when it may be, and what room is left agrees with that."""
    for j in np.flatnonzero(klass >= 0):
        assert problem.eligible(j)[0][klass[j]]
        assert problem.jobs.release[j] <= start[j]
        assert start[j] + problem.hours_needed(j)[0, klass[j]] <= problem.jobs.deadline[j]
    assert (room.accelerators >= 0).all()
    assert (room.data >= -1e-6).all()
    assert (room.quota_used <= problem.quotas.upper_accelerator_h).all()
    load = load_of(problem, klass, start) - problem.energy.base_load_kwh
    np.testing.assert_allclose(room.load, load, atol=1e-6)


def test_chains_keep_the_books_and_place_what_exchanges_leave_out(
    world: tuple[grid.Problem, np.ndarray, np.ndarray],
) -> None:
    """If this fails, a chain loses a job on its way, or what it moved is not put back.

    The oracle adds up plan cost at curves of no kink: own costs and prices of the load, by itself.
    """
    problem = world[0]
    klass, start, room, exchange, _ = exchanged(world, 1)
    exchange.commit()
    block = EnergyBlock(problem)
    vector = CouplingConstraints(problem, block, 1)
    price = np.ascontiguousarray(vector.unpack(vector.start(None)).energy[:, :, None])
    before, before_start = klass.copy(), start.copy()

    def cost() -> float:
        extra = load_of(problem, klass, start) - problem.energy.base_load_kwh
        return jobs_cost(problem, klass, start) + float((price[:, :, 0] * extra).sum())

    old = cost()
    found = exchange.regrets(1e-6, 1)
    steps = exchange.run(found, np.zeros_like(price), price, chains=True)
    assert steps > 0
    assert cost() < old
    check_books(problem, klass, start, room)
    exchange.undo()
    np.testing.assert_array_equal(klass, before)
    np.testing.assert_array_equal(start, before_start)


@pytest.mark.parametrize("temperature", [0.0, 5.0])
def test_ruin_and_recreate_keeps_the_books_and_lowers_the_cost(
    world: tuple[grid.Problem, np.ndarray, np.ndarray], temperature: float
) -> None:
    """If this fails, a job is placed twice or lost, or the answer depends on more than its seed.

    Exchanges and chains come first, so that no single move is left. The oracle adds up the cost at
    prices without a kink, as for chains.
    """
    problem = world[0]
    block = EnergyBlock(problem)
    vector = CouplingConstraints(problem, block, 1)
    price = np.ascontiguousarray(vector.unpack(vector.start(None)).energy[:, :, None])
    found = []
    for seed in (1, 1, 2):
        klass, start, room, exchange, _ = exchanged(world, 1)
        exchange.run(exchange.regrets(1e-6, 1), np.zeros_like(price), price, chains=True)

        def cost(klass: np.ndarray = klass, start: np.ndarray = start) -> float:
            extra = load_of(problem, klass, start) - problem.energy.base_load_kwh
            return jobs_cost(problem, klass, start) + float((price[:, :, 0] * extra).sum())

        before = cost()
        placed = exchange.ruin_recreate(np.zeros_like(price), price, seed, 50_000, temperature, 0.1)
        assert placed >= 50_000
        check_books(problem, klass, start, room)
        assert cost() < before, (seed, before, cost())
        found.append((klass, start))
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_ruin_and_recreate_of_nothing_changes_nothing(
    world: tuple[grid.Problem, np.ndarray, np.ndarray],
) -> None:
    """If this fails, no placement at all, or curves of a wrong size, change a plan or crash."""
    klass, start, _, exchange, _ = exchanged(world, 1)
    was, was_start = klass.copy(), start.copy()
    shape = (len(world[0].sites), world[0].hours, 1)
    for placements in (0, -1, -(2**62)):
        curves = np.zeros(shape), np.ones(shape)
        assert exchange.ruin_recreate(*curves, 0, placements, 1.0, 0.1) == 0, placements
    with pytest.raises(gc.InvalidProblemError, match="end and price"):
        exchange.ruin_recreate(np.zeros(3), np.ones(3), 0, 100, 1.0, 0.1)
    np.testing.assert_array_equal(klass, was)
    np.testing.assert_array_equal(start, was_start)


def test_positions_lead_from_rows_to_jobs_of_the_oracle(
    world: tuple[grid.Problem, np.ndarray, np.ndarray],
) -> None:
    """If this fails, the jobs that others make way for are other jobs than those that are stuck."""
    problem = world[0]
    rows = np.array([7, 3, 599, 12], np.int32)
    market = market_of(problem).subset(rows, np.ones(4, np.int32))
    order = market.order()
    assert sorted(order) == sorted(rows)
    np.testing.assert_array_equal(order[market.positions(rows)], rows)
    with pytest.raises(gc.InvalidProblemError, match="row 0 is not in this oracle"):
        market.positions(np.array([3, 0], np.int32))


def test_a_subset_of_an_oracle_uses_what_its_jobs_use(
    world: tuple[grid.Problem, np.ndarray, np.ndarray],
) -> None:
    """If this fails, samples stand for other jobs than those they were drawn from."""
    problem = world[0]
    market, rows, n = (
        market_of(problem),
        CouplingConstraints(problem, EnergyBlock(problem), 1),
        len(problem.jobs),
    )
    y = rows.start(None)
    some = np.arange(0, n, 3, dtype=np.int32)[::-1].copy()
    live = np.zeros(n, np.uint8)
    live[some] = 1
    part = market.subset(some, np.full(len(some), 5, np.int32))
    market.set_active(live)
    np.testing.assert_allclose(rows.use(part, y), 5 * rows.use(market, y), rtol=1e-12)
    with pytest.raises(gc.InvalidProblemError, match="row 600 is not in this oracle"):
        market.subset(np.array([n], np.int32), np.ones(1, np.int32))
    with pytest.raises(gc.InvalidProblemError, match="one entry a row"):
        market.subset(some, np.ones(1, np.int32))


def test_jobs_that_would_pay_are_placed_if_that_is_cheaper() -> None:
    """If this fails, a dive's last prices keep jobs out for which there is room."""
    problem = grid.east_west(n_jobs=3_000, seed=3)
    solve = PlannerState(problem, 0.0, 1, Clock(None, None))
    solve.climb(solve.rows.start(None), 40, (0.1, 0.01), 0.3)
    out = np.full(len(problem.jobs), -1, np.int32)
    solve.best = solve.judged(out, out.copy(), _core.ResidualCapacity(solve.market))
    empty = solve.best.cost
    fill(solve)
    assert solve.best.cost < empty
    filled, placed = solve.best.cost, int((solve.best.klass >= 0).sum())
    solve.y = np.zeros_like(solve.y)  # all would go in at any cost: what is dearer must not stay
    fill(solve)
    assert solve.best.cost <= filled
    assert int((solve.best.klass >= 0).sum()) >= placed
    load = load_of(problem, solve.best.klass, solve.best.start) - problem.energy.base_load_kwh
    np.testing.assert_allclose(solve.best.room.load, load, atol=1e-6)


def test_stuck_gangs_get_room_where_others_lose_less(
    world: tuple[grid.Problem, np.ndarray, np.ndarray],
) -> None:
    """If this fails, the largest gangs stay out of a full day, and their value with them.

    The oracle adds up the prices of all that is taken, in plain sums: those who make way must
    have lost less than the gangs gained. Where all small jobs were placed first, and no gang that
    is left out fits as it is, somebody has to.
    """
    problem = world[0]
    block, market = EnergyBlock(problem), market_of(problem)
    vector = CouplingConstraints(problem, block, 1)
    prices = vector.unpack(vector.start(None))
    n, size, room = (
        len(problem.jobs),
        market.min_accelerator_hours(),
        _core.ResidualCapacity(market),
    )
    klass, start = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
    small_first = np.argsort(size, kind="stable").astype(np.int32)
    room.place(*prices, small_first, klass, start)
    stuck = np.flatnonzero((klass < 0) & (market.has_option() > 0)).astype(np.int32)
    stuck = stuck[np.argsort(-size[stuck], kind="stable")][:20]
    assert len(stuck)

    def cost() -> float:
        placed = np.flatnonzero(klass >= 0)
        extra = load_of(problem, klass, start) - problem.energy.base_load_kwh
        hours = problem.hours_needed(placed)[np.arange(len(placed)), klass[placed]]
        taken = problem.jobs.gang[placed] * hours * prices.quota[problem.jobs.tenant[placed]]
        return jobs_cost(problem, klass, start) + float((prices.energy * extra).sum() + taken.sum())

    before = cost()
    exchange = _core.LocalSearch(room, *prices, 1.0, klass, start)
    exchange.regrets(np.inf, placed_only=True, threads=2)
    no_end = np.zeros((*prices.energy.shape, 1))
    steps = exchange.run(market.positions(stuck), no_end, prices.energy[:, :, None].copy())
    assert steps > 0
    assert (klass[stuck] >= 0).any()
    assert cost() < before
    assert (room.accelerators >= 0).all()


@pytest.mark.parametrize("count", [30, 100, 250])
def test_a_sample_counts_nothing_too_often(
    world: tuple[grid.Problem, np.ndarray, np.ndarray], count: int
) -> None:
    """If this fails, prices answer to a demand that is not there.

    The oracle is the mean over all offsets: each job must stand for itself once on average.
    """
    market = market_of(world[0])
    order, size = market.order(), market.min_accelerator_hours()
    samples = systematic_samples(order, size, count, (np.arange(2000) + 0.5) / 2000)
    seen = np.zeros(len(order))
    for rows, weight in samples:
        assert len(np.unique(rows)) == len(rows)
        assert len(rows) < 1.5 * count
        seen[rows] += weight / len(samples)
    np.testing.assert_allclose(seen, 1.0, atol=0.1)
    assert abs(seen.mean() - 1.0) < 0.01


def test_a_sample_of_few_is_all_of_them(
    world: tuple[grid.Problem, np.ndarray, np.ndarray],
) -> None:
    """If this fails, small problems lose jobs on the way to their prices."""
    market = market_of(world[0])
    ((rows, weight),) = systematic_samples(
        market.order(), market.min_accelerator_hours(), 600, np.array([0.5])
    )
    np.testing.assert_array_equal(rows, market.order())
    assert (weight == 1).all()


def test_curves_about_a_load_know_the_jump_where_the_mandate_is_just_met() -> None:
    """If this fails, exchanges send jobs to where the last green kWh is in use already."""
    problem = grid.east_west(n_jobs=2000, seed=3)
    problem = problem.replace(
        mandate=dataclasses.replace(problem.mandate, share=0.9),
        energy=problem.energy.replace(direct_kwh=0.5 * problem.energy.direct_kwh),
    )
    block, base = EnergyBlock(problem), problem.energy.base_load_kwh
    room, part = block.most_kwh - base, np.full((len(base), 1), 0.3)
    sites = problem.mandate_rows.member.argmax(axis=1)
    low, high = np.zeros(len(sites)), np.ones(len(sites))
    for _ in range(25):  # up to where no kWh is missing
        part[sites, 0] = (low + high) / 2
        met = block.serve(base + part * room).dispatch.missing_kwh < 1e-6
        low, high = np.where(met, part[sites, 0], low), np.where(met, high, part[sites, 0])
    part[sites, 0] = low
    jobs = part * room
    here, (end, price) = block.serve(base + jobs).yuan, curves_about(block, jobs)
    begin = np.concatenate([-base[..., None], end[..., :-1]], axis=-1)
    width = np.concatenate([end[..., :-1] - begin[..., :-1], np.full_like(end[..., :1], 1e12)], -1)

    def charged(load: np.ndarray) -> float:
        return float((np.clip(load[..., None] - begin, 0, width) * price).sum())

    jumps = 0
    for s in sites[(low > 0) & (low < 0.999)]:
        slopes = []
        for sign in (-1, 1):
            other = jobs.copy()
            other[s] *= 1 + sign * 1e-4
            change = charged(other) - charged(jobs)
            # A prediction saves too little or costs too much, if anything: steps that pay do pay.
            # With a battery it may promise up to 1 % too much, where the cheapest source of an
            # hour is just used up: the curves are of single hours, and a battery joins hours.
            off = 1e-2 if problem.energy.battery_kwh[s] > 0 else 1e-6
            true = block.serve(base + other).yuan - here
            assert change >= true - off * abs(change), (problem.sites.name[s], change, true)
            slopes.append(sign * change)
        jumps += slopes[1] > 1.5 * slopes[0]
    assert jumps > 4
