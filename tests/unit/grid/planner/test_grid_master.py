"""The restricted master program: rows that every plan keeps, a bound that holds, better plans."""

from __future__ import annotations

import threading
from _thread import _count

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import grid
from gridcompute.grid.checker.bound import lower_bound
from gridcompute.grid.evaluate import evaluate
from gridcompute.grid.planner import master, neighbourhood_search
from gridcompute.grid.planner.budget import Clock
from gridcompute.grid.planner.master import price_and_branch
from gridcompute.grid.planner.neighbourhood_search import options_of_plan
from gridcompute.grid.planner.program import (
    IntegerProgram,
    coefficients,
    open_options,
    violated_rows,
)
from gridcompute.grid.planner.search import greedy
from gridcompute.grid.planner.settings import HOODS, MASTER, SAMPLED_ASCENT_HOUR_FAR
from gridcompute.grid.planner.state import PlannerState
from interrupts import wait_for_threads


def _state(n_jobs: int, seed: int, limit: float | None = None, threads: int = 1) -> PlannerState:
    problem = grid.east_west(n_jobs=n_jobs, seed=seed, hours=24)
    state = PlannerState(problem.effective, 0.0, threads, Clock(limit, None))
    y = state.rows.start(None)
    if limit is None:
        y = state.sampled(y, SAMPLED_ASCENT_HOUR_FAR)
    state.look(y)
    state.best = greedy(state, state.y)
    return state


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_plan_keeps_the_rows_that_a_fractional_solution_violates(seed: int) -> None:
    """If this fails, a cover row forbids plans, and the bound may lie above the optimum."""
    rng = np.random.default_rng(seed)
    problem = grid.east_west(n_jobs=40, seed=seed, hours=8)
    capacity = rng.integers(0, 10, problem.classes.capacity.shape)
    problem = problem.replace(
        jobs=problem.jobs.replace(gang=rng.integers(1, 7, 40)),
        classes=problem.classes.replace(capacity=capacity),
    )
    every = np.arange(40, dtype=np.int32)
    data = np.full(problem.corridors.bandwidth_gb.shape, np.inf)
    options = open_options(problem, every, capacity, data)
    options = options.of(np.lexsort((options.start, options.job, options.klass)))
    rows = violated_rows(problem, options, rng.random(len(options.job)), 400)
    assert len(rows.klass) > 100, f"seed {seed}"
    limits = rows.limits(problem)
    for _ in range(30):
        chosen, free = np.zeros(len(options.job), bool), capacity.copy()
        placed: set[int] = set()
        for k in rng.permutation(len(options.job)):
            job, klass, start, hours = (int(getattr(options, f)[k]) for f in options._fields[:4])
            hour = slice(start, start + hours)
            if job not in placed and (free[klass, hour] >= problem.jobs.gang[job]).all():
                free[klass, hour] -= problem.jobs.gang[job]
                placed.add(job)
                chosen[k] = True
        for row, limit in zip(rows.each(), limits, strict=True):
            place, amount = coefficients(problem, options, row)
            taken = int(amount[chosen[place]].sum())
            assert taken <= limit, f"seed {seed}, row {row}: {taken} of {limit}"


@pytest.mark.parametrize(("limit", "threads"), [(None, 1), (1e6, 2)])
def test_cover_rows_prove_more_and_neighbourhoods_find_cheaper_plans(
    limit: float | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, gangs are misplaced and the bound lets halves of them share a class.

    Within a limit of time a second thread searches neighbourhoods, each as long as it needs.
    """
    monkeypatch.setattr(master, "HOODS", HOODS._replace(most=5))
    monkeypatch.setattr(neighbourhood_search, "HOODS", HOODS._replace(seconds=np.inf))
    seed = 0
    state = _state(300, seed, limit, threads)
    assert state.best is not None
    greedy_cost, by_prices = state.best.cost, state.bound
    assert price_and_branch(state)
    found = state.best
    assert state.cover is not None
    print(
        f"seed {seed}: {found.cost:,.2f} yuan in place of {greedy_cost:,.2f}, "
        f"bound {state.cover.bound:,.2f} in place of {by_prices:,.2f}"
    )
    assert len(state.cover.yuan) > 10
    assert by_prices < state.cover.bound <= found.cost < greedy_cost
    plan = evaluate(state.problem, grid.Placement(klass=found.klass, start=found.start))
    assert plan.objective_yuan == pytest.approx(found.cost, rel=1e-9)
    assert plan.verify().valid, str(plan.verify())


def test_the_checker_finds_the_same_bound_with_its_own_rows() -> None:
    """If this fails, planner and checker read prices of cover rows differently."""
    seed = 0
    problem = grid.east_west(n_jobs=200, seed=seed, hours=24)
    plan = gc.match(problem, gap=1e-4, work_limit=300_000)
    assert len(plan.prices.cover_yuan)
    proved = lower_bound(problem.effective, plan.prices)
    assert proved == pytest.approx(plan.bound_yuan, rel=1e-7), f"seed {seed}"
    assert plan.verify().valid, str(plan.verify())


def test_prices_prove_what_they_prove_after_the_last_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a match ends in an error where rows are left when its rounds are over."""
    monkeypatch.setattr(master, "MASTER", MASTER._replace(rounds=4))
    monkeypatch.setattr(master, "HOODS", HOODS._replace(most=1))
    state = _state(300, 0)
    assert price_and_branch(state)
    assert state.best is not None
    assert state.proved_yuan() <= state.best.cost


def test_a_system_without_threads_finds_the_same_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a refused thread leaves the plan without a proof, or ends in an error."""
    monkeypatch.setattr(master, "HOODS", HOODS._replace(most=3))
    costs = []
    for refused in (False, True):
        state = _state(200, 1, threads=2)
        with monkeypatch.context() as patch:
            if refused:
                patch.setattr(master.WorkerThreads, "submit", _refuse)
            assert price_and_branch(state)
        assert state.best is not None
        costs.append((state.best.cost, state.proved_yuan()))
    assert costs[0] == costs[1]


def _refuse(*_: object) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("refused", [False, True])
def test_a_search_ends_when_it_is_told_to(refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a stop or an error of the caller's leaves a solver running, or is not heard.

    The search has a thread of its own, which may be refused.
    """
    if refused:
        monkeypatch.setattr(master.WorkerThreads, "submit", _refuse)
    state = _state(80, 0)
    assert state.best is not None
    every = np.arange(80, dtype=np.int32)
    limits = state.problem.classes.capacity, state.problem.corridors.bandwidth_gb
    options = open_options(state.problem, every, *limits)
    supply, asked = state.rows.supply(), []

    def stop() -> bool:
        asked.append(threading.current_thread())
        return True

    program = IntegerProgram(state.rows, every, options, supply, state.best.cost)
    found = program.search(options_of_plan(state, options), stop=stop)
    assert set(asked) == {threading.current_thread()}
    assert found.chosen is not None
    assert found.bound_yuan + state.without_option <= state.best.cost
    if refused:
        return

    def fail() -> bool:
        raise RuntimeError("the caller's own")

    program, threads = IntegerProgram(state.rows, every, options, supply, state.best.cost), _count()
    with pytest.raises(RuntimeError, match="the caller's own"):
        program.search(options_of_plan(state, options), stop=fail)
    wait_for_threads(threads)


def test_without_time_the_plan_before_stays() -> None:
    """If this fails, a time limit that ends within the program loses the plan."""
    state = _state(200, 2, limit=0.0)
    before = state.best
    price_and_branch(state)
    assert state.best is before
