"""Exchanges: chains that make room, checked against plain recomputation."""

from __future__ import annotations

import numpy as np
import pytest

from grid_oracles import greedy_placement, load_of
from gridcompute import _core, grid
from gridcompute.grid.bound import Rows, market_of
from gridcompute.grid.cost import jobs_cost
from gridcompute.grid.dispatch import EnergyBlock


@pytest.fixture(scope="module")
def world() -> tuple[grid.Problem, np.ndarray, np.ndarray]:
    """A contested batch and a greedy placement that exchanges can better."""
    problem = grid.east_west(n_jobs=600, seed=4)
    return problem, *greedy_placement(problem)


def exchanged(
    world: tuple[grid.Problem, np.ndarray, np.ndarray], threads: int
) -> tuple[np.ndarray, np.ndarray, _core.Room, _core.Exchange, int]:
    problem, was, was_start = world
    block, market = EnergyBlock(problem), market_of(problem)
    room, rows = _core.Room(market), np.flatnonzero(was >= 0).astype(np.int32)
    klass, start = np.full(len(was), -1, np.int32), np.full(len(was), -1, np.int32)
    room.settle(rows, was[rows], was_start[rows], klass, start)
    vector = Rows(problem, block, threads)
    prices = vector.unpack(vector.start(None))
    exchange = _core.Exchange(room, *prices, 0.0, klass, start)
    block.serve(problem.energy.base_load_kwh + room.load)
    steps = exchange.run(exchange.survey(1e-6, threads), *block.curves())
    return klass, start, room, exchange, steps


def test_exchanges_keep_the_books_and_the_limits(
    world: tuple[grid.Problem, np.ndarray, np.ndarray],
) -> None:
    """If this fails, a chain loses track of what it took, or places a job where it does not fit."""
    problem = world[0]
    klass, start, room, _, steps = exchanged(world, 1)
    assert steps > 0
    for j in np.flatnonzero(klass >= 0):
        assert problem.eligible(j)[0][klass[j]]
        assert problem.jobs.release[j] <= start[j]
        assert start[j] + problem.hours_needed(j)[0, klass[j]] <= problem.jobs.deadline[j]
    assert (room.accelerators >= 0).all()
    assert (room.data >= -1e-6).all()
    assert (room.quota_used <= problem.quotas.upper_accelerator_h).all()
    load = load_of(problem, klass, start) - problem.energy.base_load_kwh
    np.testing.assert_allclose(room.load, load, atol=1e-6)


def test_exchanges_are_the_same_bytes_for_any_threads(
    world: tuple[grid.Problem, np.ndarray, np.ndarray],
) -> None:
    """If this fails, the plan depends on the machine."""
    first = exchanged(world, 1)
    for threads in (2, 7):
        again = exchanged(world, threads)
        np.testing.assert_array_equal(first[0], again[0])
        np.testing.assert_array_equal(first[1], again[1])


def test_undo_restores_every_placement(
    world: tuple[grid.Problem, np.ndarray, np.ndarray],
) -> None:
    """If this fails, a part that made the plan dearer stays in it."""
    problem, was, was_start = world
    klass, start, room, exchange, steps = exchanged(world, 2)
    assert steps > 0
    exchange.undo()
    np.testing.assert_array_equal(klass, was)
    np.testing.assert_array_equal(start, was_start)
    assert jobs_cost(problem, klass, start) == jobs_cost(problem, was, was_start)
    load = load_of(problem, was, was_start) - problem.energy.base_load_kwh
    np.testing.assert_allclose(room.load, load, atol=1e-6)
