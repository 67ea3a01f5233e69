"""The restricted master program: rows that every plan keeps, a bound that holds, better plans."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

import gridcompute as gc
from gridcompute import _core, grid
from gridcompute.grid.checker.bound import lower_bound
from gridcompute.grid.evaluate import evaluate
from gridcompute.grid.planner import neighbourhood_search, restricted_master
from gridcompute.grid.planner.clock import Clock
from gridcompute.grid.planner.cover_rows import coefficients, violated_rows
from gridcompute.grid.planner.incumbent import greedy
from gridcompute.grid.planner.integer_program import TYPICAL_COST, IntegerProgram
from gridcompute.grid.planner.neighbourhood_search import options_of_plan
from gridcompute.grid.planner.options import Options, open_options
from gridcompute.grid.planner.restricted_master import CHEAPER, price_and_branch
from gridcompute.grid.planner.settings import HOODS, MASTER, SAMPLED_ASCENT_HOUR_FAR
from gridcompute.grid.planner.state import PlannerState


def _state(
    n_jobs: int, seed: int, limit: float | None = None, threads: int = 1, *, quotas: bool = True
) -> PlannerState:
    problem = grid.east_west(n_jobs=n_jobs, seed=seed, hours=24)
    if not quotas:
        most = np.full(int(problem.jobs.tenant.max()) + 1, 1e9)
        problem = problem.replace(quotas=grid.Quotas(upper_accelerator_h=most))
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
    problem = grid.east_west(n_jobs=80, seed=seed, hours=12)
    capacity = rng.integers(0, 10, problem.classes.capacity.shape)
    problem = problem.replace(
        jobs=problem.jobs.replace(gang=rng.integers(1, 7, 80)),
        classes=problem.classes.replace(capacity=capacity),
    )
    every = np.arange(80, dtype=np.int32)
    data = np.full(problem.corridors.bandwidth_gb.shape, np.inf)
    options = open_options(problem, every, capacity, data)
    options = options.of(np.lexsort((options.start, options.job, options.klass)))
    rows = violated_rows(problem, options, rng.random(len(options.job)), 2_000)
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


def test_cover_rows_prove_more_and_neighbourhoods_find_cheaper_plans(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If this fails, gangs are misplaced and the bound lets halves of them share a class."""
    monkeypatch.setattr(restricted_master, "HOODS", HOODS._replace(most=5))
    seed = 0
    state = _state(300, seed)
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
    problem = grid.east_west(n_jobs=300, seed=seed, hours=24)
    plan = gc.match(problem, gap=1e-4, work_limit=1_000_000)
    assert len(plan.prices.cover_yuan)
    proved = lower_bound(problem.effective, plan.prices)
    assert proved == pytest.approx(plan.bound_yuan, rel=1e-7), f"seed {seed}"
    assert plan.verify().valid, str(plan.verify())


def test_one_thread_and_two_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a plan depends on which of two solvers is faster."""
    monkeypatch.setattr(restricted_master, "HOODS", HOODS._replace(most=2))
    seed = 0
    found = []
    for threads in (1, 2, 2):
        state = _state(300, seed, threads=threads)
        assert price_and_branch(state)
        assert state.cover is not None
        assert len(state.cover.yuan) > 10
        assert state.best is not None
        found.append((state.best.klass, state.best.start, state.cover and state.cover.bound))
    for klass, start, bound in found[1:]:
        np.testing.assert_array_equal(klass, found[0][0], f"seed {seed}")
        np.testing.assert_array_equal(start, found[0][1], f"seed {seed}")
        assert bound == found[0][2]


def test_prices_prove_what_they_prove_after_the_last_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a match ends in an error where rows are left when its rounds are over."""
    monkeypatch.setattr(restricted_master, "MASTER", MASTER._replace(rounds=4))
    monkeypatch.setattr(restricted_master, "HOODS", HOODS._replace(most=1))
    state = _state(300, 0)
    assert price_and_branch(state)
    assert state.best is not None
    assert state.proved_yuan() <= state.best.cost


def test_a_system_without_threads_finds_the_same_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a refused thread leaves the plan without a proof, or ends in an error."""
    monkeypatch.setattr(restricted_master, "HOODS", HOODS._replace(most=3))
    costs = []
    for refused in (False, True):
        state = _state(200, 1, threads=2)
        with monkeypatch.context() as patch:
            if refused:
                patch.setattr(restricted_master.ThreadPoolExecutor, "submit", _refuse)
            assert price_and_branch(state)
        assert state.best is not None
        costs.append((state.best.cost, state.proved_yuan()))
    assert costs[0] == costs[1]


def _refuse(*_: object) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("threads", [1, 2])
def test_a_refused_thread_under_a_time_limit_still_proves(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a plan made in a limit of time has a bound of prices alone, or an error."""
    monkeypatch.setattr(restricted_master.ThreadPoolExecutor, "submit", _refuse)
    monkeypatch.setattr(restricted_master, "HOODS", HOODS._replace(most=4))
    state = _state(200, 1, limit=1e6, threads=threads)
    by_prices = state.bound
    assert price_and_branch(state)
    assert state.best is not None
    assert by_prices < state.proved_yuan() <= state.best.cost


def test_neighbourhoods_on_a_second_thread_leave_a_plan_that_fits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If this fails, what two threads found together breaks a row, or a change of one is lost.

    Each neighbourhood has as much time as it needs: on a busy machine its usual limit of seconds
    ends some before a cheaper plan is found.
    """
    monkeypatch.setattr(neighbourhood_search, "HOODS", HOODS._replace(seconds=np.inf))
    seed = 0
    state = _state(300, seed, limit=1e6, threads=2)
    search = restricted_master._Search(state)
    try:
        search.begin()
        search.prove()
        thread, costs = search.thread, []
        assert thread is not None
        for k in range(12):
            search.neighbourhoods.search(thread, every_option=k >= 8)
            assert state.best is not None
            costs.append(state.best.cost)
    finally:
        search.close()
    assert costs == sorted(costs, reverse=True), f"seed {seed}: {costs}"
    assert state.best is not None
    assert costs[-1] < costs[0], f"seed {seed}: {costs}"
    plan = evaluate(state.problem, grid.Placement(klass=state.best.klass, start=state.best.start))
    assert plan.objective_yuan == pytest.approx(costs[-1], rel=1e-9)
    assert plan.verify().valid, str(plan.verify())


def test_the_cost_of_a_plan_above_its_bound_is_split_by_job_and_hour() -> None:
    """If this fails, neighbourhoods are drawn where a plan costs nothing above its bound."""
    seed = 1
    state = _state(300, seed, quotas=False)
    search = restricted_master._Search(state)
    search.begin()
    search.prove()
    search.close()
    neighbourhoods, options, best = search.neighbourhoods, search.options, state.best
    assert best is not None
    master, duals = search._master, neighbourhoods._duals
    current = options_of_plan(state, options)
    above = np.where(best.klass < 0, duals.left_out, 0.0).sum() + duals.reduced[current].sum()
    above += neighbourhoods._idle().sum()
    cost = master._cost[: len(current)][current].sum() + master.left_out_yuan * master._unit
    assert duals.reduced.min() >= CHEAPER, f"seed {seed}: {duals.reduced.min()}"
    # Rows of corridors and cover rows are what is left.
    part = above / (cost - master.yuan * master._unit)
    print(f"seed {seed}: {part:.3f} of the difference")
    assert 0.8 < part < 1 + 1e-6, f"seed {seed}: {part}"


@pytest.mark.parametrize("refused", [False, True])
def test_a_search_ends_when_it_is_told_to(refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a stop or an error of the caller's leaves a solver running, or is not heard.

    The search has a thread of its own, which may be refused.
    """
    if refused:
        monkeypatch.setattr(restricted_master.ThreadPoolExecutor, "submit", _refuse)
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

    program = IntegerProgram(state.rows, every, options, supply, state.best.cost)
    with pytest.raises(RuntimeError, match="the caller's own"):
        program.search(options_of_plan(state, options), stop=fail)
    assert not [t for t in threading.enumerate() if t.name.startswith("gridcompute-search")]


def test_without_time_the_plan_before_stays() -> None:
    """If this fails, a time limit that ends within the program loses the plan."""
    state = _state(200, 2, limit=0.0)
    before = state.best
    price_and_branch(state)
    assert state.best is before


def test_a_neighbourhood_is_searched_as_a_search_of_all_plans_beside_it_would() -> None:
    """If this fails, a neighbourhood leaves out room, or what its jobs share with all others."""
    seed = 3
    state = _state(60, seed, quotas=False)
    search = restricted_master._Search(state)
    search.begin()
    search.prove()
    before, options, rng = state.best, search.options, np.random.default_rng(seed)
    assert before is not None
    program = search._master.snapshot()
    current = options_of_plan(state, options)
    for _ in range(8):
        freed = rng.random(60) < 0.15
        open_ = (freed | (before.klass < 0))[options.job]
        chosen = current & ~open_
        known = program.known | current
        part = program.neighbourhood(known, open_, chosen)
        found = part.search(current[part.options_of_columns])
        chosen[part.options_of_columns] = found.chosen
        room = _core.ResidualCapacity(state.market)
        klass, start = np.full(60, -1, np.int32), np.full(60, -1, np.int32)
        some = options.of(np.flatnonzero(chosen))
        placed = room.place_at(some.job, some.klass, some.start, klass, start)
        assert placed == len(some.job), f"seed {seed}: {placed} of {len(some.job)} fit"
        stay = (before.klass >= 0) & ~freed
        np.testing.assert_array_equal(klass[stay], before.klass[stay], f"seed {seed}")
        np.testing.assert_array_equal(start[stay], before.start[stay], f"seed {seed}")
        cost = program._cost[: len(chosen)]
        whole = cost[chosen].sum() / program._unit + program.left_out_yuan
        best = _best_by_hand(state, options, known & open_, current & ~open_, cost / program._unit)
        found_yuan = whole - program.left_out_yuan
        assert found_yuan == pytest.approx(best, rel=1e-6), f"seed {seed}"
    search.close()


def test_a_search_of_what_the_relaxation_takes_is_between_the_plan_and_the_optimum() -> None:
    """If this fails, a neighbourhood makes a plan dearer, breaks a row, or hides a better one."""
    seed, gained = 0, 0
    state = _state(300, seed)
    search = restricted_master._Search(state)
    search.begin()
    search.prove()
    best, options, rng = state.best, search.options, np.random.default_rng(seed)
    assert best is not None
    program = search._master.snapshot()
    current, limits = options_of_plan(state, options), {"steps": 1e9, "seconds": np.inf}
    for _ in range(12):
        open_ = ((rng.random(300) < 0.3) | (best.klass < 0))[options.job]
        part = program.neighbourhood(program.known | current, open_, current & ~open_)
        start = current[part.options_of_columns]
        some = part.search_support(start, stop=lambda: False, **limits)
        every = part.search_all(start, stop=lambda: False, **limits)
        cost = part._cost[: len(start)]
        print(f"seed {seed}: {cost @ start:.3f} {cost @ some:.3f} {cost @ every:.3f}")
        assert cost @ some <= cost @ start
        assert cost @ every <= cost @ some + HOODS.gap * TYPICAL_COST
        gained += cost @ some < cost @ start
        use, (least, most) = part._matrix[:, : len(some)] @ some, part._row_limits
        assert (use <= most + 1e-6).all(), f"seed {seed}"
        if part._matrix.shape[1] == len(some):
            assert (use >= least - 1e-6).all(), f"seed {seed}"
        np.testing.assert_array_equal(
            part.search_support(start, stop=lambda: True, **limits), start, f"seed {seed}"
        )
    search.close()
    assert gained, f"seed {seed}: no neighbourhood of 12 was improved"


def _best_by_hand(
    state: PlannerState, options: Options, open_: np.ndarray, held: np.ndarray, cost: np.ndarray
) -> float:
    """The least cost of the options `held` and some `open_`, by a program of the tables alone."""
    problem, some = state.problem, np.flatnonzero(open_)
    hours = problem.hours
    usage = np.zeros((len(problem.classes) * hours, len(options.job)))
    for k in np.flatnonzero(open_ | held):
        first = options.klass[k] * hours + options.start[k]
        usage[first : first + options.hours[k], k] = problem.jobs.gang[options.job[k]]
    room = problem.classes.capacity.ravel() - usage[:, held].sum(axis=1)
    once = (np.arange(len(problem.jobs))[:, None] == options.job[some]).astype(float)
    rules = [
        LinearConstraint(usage[:, some], ub=room),
        LinearConstraint(once, ub=1.0),
    ]
    for level in problem.gang_levels:
        # A class holds whole gangs: those of a level or more in what its capacity is a multiple of.
        gangs = problem.jobs.gang[options.job] // level
        taken = (usage > 0) * gangs
        most = problem.classes.capacity.ravel() // level - taken[:, held].sum(axis=1)
        rules.append(LinearConstraint(taken[:, some], ub=most))
    wires = problem.corridors.bandwidth_gb
    site = problem.classes.site[options.klass]
    at = np.ravel_multi_index((problem.jobs.origin[options.job], site, options.start), wires.shape)
    data = np.zeros((wires.size, len(options.job)))
    data[at, np.arange(len(at))] = problem.jobs.data_gb[options.job]
    limited = np.isfinite(wires.ravel()) & (data.sum(axis=1) > 0)
    left = wires.ravel()[limited] - data[limited][:, held].sum(axis=1)
    rules.append(LinearConstraint(data[limited][:, some], ub=left))
    found = milp(cost[some], constraints=rules, integrality=1, bounds=Bounds(0, 1))
    return float(found.fun) + float(cost[held].sum())
