"""Solves that end early, by a time limit, a hook or Ctrl-C, at any stage: their plans are good."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import time
from _thread import _count
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import gridcompute as gc
from grid_oracles import cost_of, dispatch_of, greedy_placement, load_of
from gridcompute import InvalidProblemError, grid
from gridcompute.grid.planner import master
from gridcompute.grid.planner.settings import HOODS
from interrupts import wait_for_threads

if TYPE_CHECKING:
    from gridcompute._progress import Progress

LIMITS = [0, 0.0, 1e-9, 0.001, 0.005, 0.01, 0.1]


@pytest.fixture(scope="module")
def problem() -> grid.Problem:
    """A day of a hundred jobs, some of which no class can take."""
    made = grid.east_west(n_jobs=100, seed=4)
    return made.replace(
        jobs=made.jobs.replace(memory_gb=np.where(np.arange(100) < 7, 1e6, made.jobs.memory_gb))
    )


@pytest.fixture(scope="module")
def plan(problem: grid.Problem) -> grid.Plan:
    """A plan of it, to begin others with."""
    return gc.match(problem, gap=0.4)


def cost(problem: grid.Problem, klass: np.ndarray, start: np.ndarray) -> float:
    """The cost of a placement by the slow oracles."""
    dispatch = dispatch_of(problem, load_of(problem, klass, start))
    return cost_of(problem, klass, start, dispatch)


def nobody(problem: grid.Problem) -> tuple[np.ndarray, np.ndarray]:
    out = np.full(len(problem.jobs), -1, np.int32)
    return out, out


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("threads", -3, InvalidProblemError),
        ("threads", 0, InvalidProblemError),
        ("threads", 2.7, TypeError),
        ("threads", "2", TypeError),
        ("threads", True, TypeError),
        ("time_limit", float("nan"), InvalidProblemError),
        ("time_limit", -1, InvalidProblemError),
        ("time_limit", "1", TypeError),
        ("time_limit", True, TypeError),
        ("gap", float("nan"), InvalidProblemError),
        ("gap", -0.1, InvalidProblemError),
        ("gap", "0.1", TypeError),
        ("gap", None, TypeError),
        ("progress", 3, TypeError),
        ("prices", "yesterday", TypeError),
    ],
)
def test_an_argument_that_is_none_is_refused(
    problem: grid.Problem, argument: str, value: object, error: type[Exception]
) -> None:
    """If this fails, a typo in a limit means no limit, or a number of threads that nobody asked."""
    with pytest.raises(error, match=argument):
        gc.match(problem, **{"time_limit": 0.0, argument: value})  # type: ignore[arg-type]


def test_an_infinite_time_limit_is_none(problem: grid.Problem) -> None:
    """If this fails, a limit computed from a deadline that is not there ends a solve at once."""
    assert gc.match(problem, gap=0.9, time_limit=float("inf")).status == "feasible"


# ---------------------------------------------------------------- never worse than at once


@pytest.mark.parametrize("limit", LIMITS)
def test_no_limit_is_too_short_for_a_greedy_plan(problem: grid.Problem, limit: float) -> None:
    """If this fails, a plan cut short is dearer than none, or than large jobs first."""
    found = gc.match(problem, time_limit=limit)
    assert found.verify().valid, str(found.verify())
    assert found.status == "time_limit"
    for other in (nobody(problem), greedy_placement(problem)):
        assert found.objective_yuan <= cost(problem, *other) * (1 + 1e-9)
    assert np.isfinite(found.bound_yuan)
    assert 0 <= found.gap <= 2


def test_tariffs_that_nobody_would_pay_leave_all_jobs_out(problem: grid.Problem) -> None:
    """If this fails, jobs worth 210 yuan are run at a cost of 1.8e9."""
    energy = problem.energy
    dear = energy.replace(
        tariff_yuan_per_kwh=np.full_like(energy.tariff_yuan_per_kwh, 1e9),
        bundled_kwh=0.0,
        direct_kwh=np.zeros_like(energy.direct_kwh),
        base_load_kwh=0.0,
        green_start_kwh=0.0,
    )
    made = problem.replace(energy=dear, mandate=grid.Mandate(share=0.0))
    for limit in (0.0, 0.05, 1.0):
        found = gc.match(made, time_limit=limit)
        assert found.objective_yuan <= problem.jobs.value_yuan.sum() * (1 + 1e-9)
        assert found.verify().valid


@pytest.mark.parametrize("limit", [0.0, 0.005, 0.05])
def test_new_jobs_are_placed_from_warm_prices_at_any_limit(
    problem: grid.Problem, plan: grid.Plan, limit: float
) -> None:
    """If this fails, jobs that came in since the last plan wait for a solve without a limit."""
    new = np.arange(100) % 5 == 0
    assert (plan.assignment[new] >= 0).any()
    klass, start = (np.where(new, -1, a) for a in (plan.assignment, plan.start))
    before = cost(problem, klass, start)
    prices = plan.prices.replace(placement=grid.Placement(klass=klass, start=start))
    found = gc.match(problem, gap=1e-6, prices=prices, time_limit=limit)
    assert found.verify().valid, str(found.verify())
    assert (found.assignment[new] >= 0).any()
    assert found.objective_yuan < before
    assert found.objective_yuan <= gc.match(problem, time_limit=0.0).objective_yuan * (1 + 1e-9)


@pytest.mark.parametrize("limit", [0.0, 0.05])
@pytest.mark.parametrize("warm", [False, True])
def test_what_stands_by_the_jobs_table_is_kept_or_bettered(
    problem: grid.Problem, plan: grid.Plan, limit: float, warm: bool
) -> None:
    """If this fails, a cut plan moves jobs about that run well, and pays for each of them."""
    jobs = problem.jobs.replace(
        placed_class=plan.assignment, placed_start=plan.start, migration_yuan=1e3
    )
    made = problem.replace(jobs=jobs)
    prices = plan.prices.replace(placement=None) if warm else None
    found = gc.match(made, prices=prices, time_limit=limit)
    assert found.verify().valid, str(found.verify())
    assert found.objective_yuan <= cost(made, plan.assignment, plan.start) * (1 + 1e-9)
    moved = (found.assignment != plan.assignment) & (plan.assignment >= 0)
    assert not moved.any()


def test_more_jobs_than_the_prices_were_found_for_keep_what_stands(
    problem: grid.Problem, plan: grid.Plan
) -> None:
    """If this fails, one job more throws yesterday's placement away."""
    more = grid.east_west(n_jobs=110, seed=4).jobs
    columns = {name: getattr(more, name).copy() for name in more.columns()}
    for name in columns:
        columns[name][:100] = getattr(problem.jobs, name)
    columns["placed_class"][:100], columns["placed_start"][:100] = plan.assignment, plan.start
    made = problem.replace(jobs=grid.Jobs(**columns))
    stands = [np.append(a, np.full(10, -1, np.int32)) for a in (plan.assignment, plan.start)]
    found = gc.match(made, prices=plan.prices, time_limit=0.0)
    assert found.verify().valid
    assert found.objective_yuan <= cost(made, *stands) * (1 + 1e-9)


def test_a_longer_solve_is_no_dearer_than_a_cut_one() -> None:
    """If this fails, what was found first is forgotten on the way."""
    problem = small_world()
    first = gc.match(problem, time_limit=0.0)
    whole = gc.match(problem, gap=0.0)
    assert whole.status in ("feasible", "optimal")
    assert whole.objective_yuan <= first.objective_yuan * (1 + 1e-9)
    assert whole.bound_yuan >= first.bound_yuan - 1e-9 * abs(first.bound_yuan)


@pytest.mark.parametrize("n_jobs", [0, 1, 2, 3])
def test_tiny_problems_at_tiny_limits(n_jobs: int) -> None:
    """If this fails, a batch of no or one job ends in an index that is not there."""
    made = grid.east_west(n_jobs=3, seed=1, hours=2)
    jobs = made.jobs.replace(**{k: getattr(made.jobs, k)[:n_jobs] for k in made.jobs.columns()})
    for limit in (0.0, 0.001, None):
        found = gc.match(made.replace(jobs=jobs), time_limit=limit)
        assert found.verify().valid, str(found.verify())


# ---------------------------------------------------------------- hooks


def small_world() -> grid.Problem:
    """Forty gangs for two small sites in six hours."""
    rng = np.random.default_rng(0)
    return grid.Problem(
        jobs=grid.Jobs(
            gang=rng.integers(1, 9, 40),
            work_h=rng.uniform(0.5, 3.0, 40),
            origin=rng.integers(0, 2, 40),
            data_gb=rng.uniform(0, 3, 40),
            deadline=np.full(40, 6),
            value_yuan=rng.uniform(5, 50, 40),
        ),
        sites=grid.Sites(name=["A", "B"], new=[True, False], connection_kw=100.0),
        classes=grid.Classes(
            site=[0, 1],
            capacity=np.full((2, 6), 16),
            memory_gb=80.0,
            power_kw=0.4,
            throughput=np.ones((1, 2)),
        ),
        hours=6,
        energy=grid.Energy(
            direct_kwh=rng.uniform(0, 4, (1, 2, 6)),
            direct_yuan_per_kwh=0.2,
            tariff_yuan_per_kwh=rng.uniform(0.3, 0.9, (2, 6)),
            battery_kwh=2.0,
            battery_kw=1.0,
        ),
        corridors=grid.Corridors(
            delay_ms=np.full((2, 2), 5.0),
            bandwidth_gb=np.full((2, 2, 6), 20.0),
            price_yuan_per_gb=0.03,
        ),
        quotas=grid.Quotas.unlimited(1),
        mandate=grid.Mandate(share=0.8),
    )


def stages_of(problem: grid.Problem, **options: Any) -> list[str]:
    """The stages of a whole solve that call a hook, in their order."""
    stages: list[str] = []
    gc.match(problem, progress=lambda p: stages.append(p.stage), **options)
    return list(dict.fromkeys(stages))


@pytest.mark.slow
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("warm", [False, True])
def test_hooks_that_stop_or_raise_at_any_stage(
    warm: bool, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a stop between two stages loses the plan, or leaves a thread behind.

    One world is planned as large ones are, by prices and dives, the other as one integer program.
    Slow: each case solves its world to the end and again for each stop, some ten times.
    """
    if not whole:
        monkeypatch.setattr(master, "MOST_SEARCHED", 0)
    # These stages are reached, and soon over.
    monkeypatch.setattr(master, "SEARCH_STEPS", 5e5)
    monkeypatch.setattr(master, "SEARCH_STEPS_MANY", 8e5)
    monkeypatch.setattr(master, "HOODS", HOODS._replace(most=1))
    problem = grid.east_west(n_jobs=8, seed=1, hours=4) if whole else small_world()
    options: dict[str, Any] = {"gap": 1e-9, "threads": 2}
    if warm:
        options["prices"] = gc.match(problem, gap=0.9).prices
        problem = problem.replace(mandate=dataclasses.replace(problem.mandate, share=0.95))
    stages = stages_of(problem, **options)
    assert ({"program"} if whole else {"sample", "bound", "master"}) <= set(stages)
    at_once = gc.match(problem, time_limit=0.0, prices=options.get("prices")).objective_yuan
    threads = _count()
    for at in [1, *stages]:
        seen: list[str] = []

        def is_there(progress: Progress, at: str | int = at, seen: Any = seen) -> bool:
            seen.append(progress.stage)
            return len(seen) > at if isinstance(at, int) else progress.stage == at

        found = gc.match(problem, progress=is_there, **options)
        assert found.verify().valid, f"stopped at {at}: {found.verify()}"
        assert found.objective_yuan <= at_once * (1 + 1e-9), at
        if at not in (stages[0], stages[len(stages) // 2], stages[-1]):
            continue  # an error leaves a stage as a stop does

        def hook(progress: Progress, is_there: Any = is_there) -> None:
            if is_there(progress):
                raise RuntimeError("the caller's own")

        with pytest.raises(RuntimeError, match="the caller's own"):
            gc.match(problem, progress=hook, **options)
        wait_for_threads(threads, f"after {at}")


CTRL_C = """
    import _thread, time
    import gridcompute as gc
    from gridcompute import grid
    problem = grid.east_west(n_jobs=150, seed=3)
    def tell(progress):
        if not told:
            told.append(1)
            print("begun", flush=True)
    told = []
    try:
        gc.match(problem, gap=0.0, threads={threads}, progress=tell)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        gc.match(problem, gap=0.9, time_limit=0.0)
        deadline = time.monotonic() + 60
        while _thread._count() > 0 and time.monotonic() < deadline:
            time.sleep(0.001)
        print("alive", _thread._count(), "threads", flush=True)
    else:
        print("done", flush=True)
"""


@pytest.mark.parametrize(("after", "threads"), [(0.0, 1), (0.05, 2), (0.3, 1), (1.0, 2)])
def test_ctrl_c_ends_a_match_and_nothing_else(after: float, threads: int) -> None:
    """If this fails, Ctrl-C in a notebook kills the kernel, hangs it, or leaves threads behind."""
    code = textwrap.dedent(CTRL_C).format(threads=threads)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        time.sleep(after)
        child.send_signal(signal.SIGINT)
        out, error = child.communicate(timeout=300)
    finally:
        child.kill()
    assert child.returncode == 0, (out, error)
    assert out == "done\n" or out.endswith("alive 0 threads\n"), (out, error)


# ---------------------------------------------------------------- hundreds of jobs


@pytest.mark.parametrize("seed", [0, 2])
def test_hundreds_of_jobs_have_a_plan_before_the_first_careful_dive(seed: int) -> None:
    """If this fails, a few hundred jobs have a gap of 60 % until seconds have gone by.

    Nine tenths of the time went into dispatches that nobody needed, before the first exchange.
    """
    problem = grid.east_west(n_jobs=400, seed=seed)
    # With less sun and wind every job costs something, so that a gap is of more than a few of them.
    scarce = problem.energy.replace(direct_kwh=0.1 * problem.energy.direct_kwh)
    problem = problem.replace(energy=scarce)
    early = gc.match(problem, gap=1e-3, progress=lambda p: p.stage in ("branch", "dive"))
    assert early.status == "stopped"
    assert early.gap <= 0.15, early
    assert early.verify().valid
