"""Plans within a limit of counted work: the same for any threads, load and run."""

from __future__ import annotations

import itertools
import json
import math
import threading
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import InvalidProblemError, grid
from gridcompute.cli import app
from gridcompute.grid.planner import master
from gridcompute.grid.planner.budget import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

THREADS = (1, 2, 7)
NONSENSE = [
    (True, TypeError),
    (np.True_, TypeError),
    ("10", TypeError),
    ([1], TypeError),
    (math.nan, InvalidProblemError),
    (-1, InvalidProblemError),
    (-1e-9, InvalidProblemError),
    (-math.inf, InvalidProblemError),
    (10**400, InvalidProblemError),
]


def facts(plan: grid.Plan) -> tuple[Any, ...]:
    """All that may not differ between two runs."""
    prices = [np.asarray(v).tobytes() for v in (plan.prices.capacity, plan.prices.energy)]
    counts = {key: value for key, value in plan.stats.items() if key != "seconds"}
    placed = plan.assignment.tobytes(), plan.start.tobytes()
    return (*placed, *prices, plan.objective_yuan, plan.bound_yuan, plan.status, str(counts))


@contextmanager
def busy() -> Iterator[None]:
    """Two threads that take the processor away from whoever runs beside them."""
    over = threading.Event()

    def spin() -> None:
        while not over.is_set():
            sum(range(1000))

    spinning = [threading.Thread(target=spin) for _ in range(2)]
    for thread in spinning:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in spinning:
            thread.join()


@pytest.fixture(scope="module")
def problem() -> grid.Problem:
    """Eight hours of sixteen jobs that want more power than there is."""
    made = grid.east_west(n_jobs=16, seed=3, hours=8)
    scarce = made.energy.replace(direct_kwh=0.1 * made.energy.direct_kwh)
    return made.replace(energy=scarce)


@pytest.fixture(scope="module")
def enough(problem: grid.Problem) -> float:
    """What a solve without a limit counts."""
    return float(gc.match(problem, gap=0.02).stats["work_units"])


def test_jobs_in_pieces_end_after_the_same_work() -> None:
    """If this fails, the programs of interruptible jobs end by the clock, not by counted work."""
    made = grid.east_west(n_jobs=8, seed=3, hours=6)
    cut = made.replace(jobs=made.jobs.replace(interruptible=np.ones(8, bool)))
    enough = float(gc.match(cut, gap=0.02).stats["work_units"])
    for limit in (0.0, 0.2 * enough, 0.6 * enough):
        first = gc.match(cut, gap=0.0, work_limit=limit, threads=1)
        with busy():
            again = gc.match(cut, gap=0.0, work_limit=limit, threads=2)
        assert facts(first) == facts(again), limit
        assert first.verify().valid, limit


@pytest.mark.parametrize("part", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("whole", [False, True], ids=["prices and dives", "one program"])
def test_a_plan_ends_after_the_same_work(
    problem: grid.Problem, enough: float, part: float, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, threads, load or luck decide where a limited plan ends."""
    if not whole:
        monkeypatch.setattr(master, "MOST_SEARCHED", 0)
    limit = part * enough
    first = gc.match(problem, gap=0.0, work_limit=limit, threads=1)
    assert first.verify().valid, first.verify()
    assert (first.status == "time_limit") == (first.stats["work_units"] > limit), first
    for threads in THREADS[1:]:
        with busy() if threads == 2 and part == 0.1 else nullcontext():
            again = gc.match(problem, gap=0.0, work_limit=limit, threads=threads)
        assert facts(again) == facts(first), (limit, threads)
    assert part or first.status == "time_limit"


def test_more_work_gives_a_better_plan(problem: grid.Problem, enough: float) -> None:
    """If this fails, a limit that is ample is worse than one that is short.

    The planner plans for its limit, so that a little more may by chance be a little worse.
    """
    limits = [0.0, 0.1 * enough, enough, 1e30, math.inf]
    plans = [gc.match(problem, gap=0.02, work_limit=limit) for limit in limits]
    size = abs(plans[-1].objective_yuan)
    for short, ample in itertools.pairwise(plans):
        assert ample.objective_yuan <= short.objective_yuan + 5e-3 * size, plans
        assert ample.bound_yuan >= short.bound_yuan - 5e-3 * size, plans
    assert plans[0].gap > plans[-1].gap, plans
    assert all(plan.status != "time_limit" for plan in plans[-2:]), plans


@pytest.mark.parametrize(("n_jobs", "hours"), [(0, 2), (3, 2), (20, 8)])
def test_any_limit_and_any_gap_give_a_plan_with_a_bound(n_jobs: int, hours: int) -> None:
    """If this fails, a first plan within a large gap ends the search before any bound is known."""
    made = grid.east_west(n_jobs=max(n_jobs, 1), seed=1, hours=hours)
    columns = {name: getattr(made.jobs, name)[:n_jobs] for name in made.jobs.columns()}
    made = made.replace(jobs=made.jobs.replace(**columns))
    for gap, limit in itertools.product((0.5, 2.0), (0, 300, 3000, 10_000)):
        found = gc.match(made, gap=gap, work_limit=limit)
        assert found.verify().valid, (gap, limit, found, str(found.verify()))
        assert np.isfinite(found.bound_yuan), (gap, limit, found)
        assert np.isfinite(found.gap), (gap, limit, found)


def test_both_limits_end_a_plan(problem: grid.Problem, enough: float) -> None:
    """If this fails, one of two limits is forgotten where both are given."""
    for limits in ({"time_limit": 0.0, "work_limit": 1e30}, {"time_limit": 1e4, "work_limit": 0}):
        assert gc.match(problem, gap=0.0, **limits).status == "time_limit", limits
    alone = gc.match(problem, gap=0.0, work_limit=enough / 5)
    assert facts(gc.match(problem, gap=0.0, work_limit=enough / 5, time_limit=1e4)) == facts(alone)


def test_an_operator_plans_the_same_hours() -> None:
    """If this fails, two replicas of an operator that are given the same work part."""

    def run(threads: int) -> list[Any]:
        op = grid.Rolling(
            grid.east_west(n_jobs=40, seed=2, hours=8), horizon_h=4, gap=1e-3, threads=threads
        )
        steps = [op.step(work_limit=5e3) for _ in range(3)]
        seen = op.hindsight(work_limit=5e3)
        return [[facts(s.plan) for s in steps], op.cost_yuan, facts(seen)]

    assert run(1) == run(2)


def test_an_hour_that_has_no_work_for_a_dive_places_its_new_jobs() -> None:
    """If this fails, an operator on a busy machine leaves its new jobs out, hour after hour.

    The last plan has no places for the jobs of its last hours. A dive that the limit cuts off finds
    none either, and is lost: exchanges, which take a tenth of its work, have to come before it.
    """
    problem = grid.east_west(n_jobs=1_200, seed=0, hours=48)
    op = grid.Rolling(problem, horizon_h=24, gap=0.01, threads=1)
    op.step(actual={"renewables": 0.9}, work_limit=20_000)
    window, prices = op._ahead(op._state)
    stands, found = (
        gc.match(window.problem, prices=prices, gap=0.015, work_limit=limit, threads=1)
        for limit in (0, 60_000)
    )
    assert found.objective_yuan <= 0.95 * stands.objective_yuan, (stands, found)


def test_a_whatif_is_the_same(problem: grid.Problem) -> None:
    """If this fails, a limited what-if differs from run to run."""
    plan = gc.match(problem, gap=0.2)
    found = [
        grid.whatif(plan, share=0.9, gap=0.0, work_limit=1e4, threads=threads).after
        for threads in THREADS
    ]
    assert facts(found[0]) == facts(found[1]) == facts(found[2])


def test_the_command_line_takes_a_limit_of_work(tmp_path: Path, capsys: Any) -> None:
    """If this fails, `match --work-limit` is refused, or without effect."""
    grid.write_problem(grid.east_west(n_jobs=30, seed=1), tmp_path / "day")
    said = []
    for name in "ab":
        out = ["--out", str(tmp_path / name), "--work-limit", "0", "--gap", "0", "--json"]
        assert app.run(["match", str(tmp_path / "day"), *out]) == 0
        said.append(json.loads(capsys.readouterr().out))
    assert said[0]["status"] == "time_limit"
    assert [s["objective_yuan"] for s in said] == [said[0]["objective_yuan"]] * 2


def test_empty_problems_end_at_no_work() -> None:
    """If this fails, a batch of no job counts for ever, or divides by nothing."""
    made = grid.east_west(n_jobs=3, seed=1, hours=2)
    jobs = made.jobs.replace(**{k: getattr(made.jobs, k)[:0] for k in made.jobs.columns()})
    for limit in (0.0, 5e-324, 1e308):
        found = gc.match(made.replace(jobs=jobs), work_limit=limit)
        assert found.verify().valid, (limit, found.verify())


@pytest.mark.parametrize(("limit", "error"), NONSENSE, ids=lambda x: str(x)[:12])
def test_limits_that_are_none_are_refused(
    problem: grid.Problem, limit: Any, error: type[Exception]
) -> None:
    """If this fails, a limit that means nothing is taken for some number."""
    op = grid.Rolling(grid.east_west(n_jobs=5, seed=2, hours=4), horizon_h=2, gap=2.0)
    for call in (lambda o: gc.match(problem, **o), lambda o: op.step(**o)):
        with pytest.raises(error, match="work_limit"):
            call({"work_limit": limit})
    assert op.clock == 0


def test_a_clock_of_work_stands_still_while_nothing_is_counted() -> None:
    """If this fails, decisions within a limit of work depend on the time."""
    steps = [0.0]
    clock = Clock(None, None, 100.0)
    clock.steps = lambda: steps[0]
    left, until = clock.left(), clock.until(0.5)
    assert not clock.over(0.0)
    assert clock.left() == left > 0
    assert until() == 0.0
    assert clock.seconds_left() == math.inf
    steps[0] = clock.steps_left(0.5)
    assert clock.left() == pytest.approx(left / 2)
    assert not clock.over(0.0)
    steps[0] *= 2.1
    assert clock.spent(1.0)
    assert clock.over(0.0)
    assert clock.status == "time_limit"
