"""Warm matches: an earlier plan's prices and placement make them faster, never wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import InvalidProblemError, grid
from gridcompute.grid.plan.whatif import changed
from gridcompute.grid.planner import match as warm
from gridcompute.grid.planner import search
from gridcompute.grid.planner.budget import Clock
from gridcompute.grid.planner.settings import (
    DIVE_QUICK,
    DIVE_WARM,
    DIVE_WARM_AGAIN,
    DIVE_WARM_LAST,
    WARM_START,
)
from gridcompute.grid.planner.state import PlannerState

if TYPE_CHECKING:
    from gridcompute.grid.planner.settings import DiveOptions

HAMI = 10


@pytest.fixture(scope="module")
def plan() -> grid.Plan:
    """A plan of a small day, with what a later match starts from."""
    return gc.match(grid.east_west(n_jobs=400, seed=2), gap=0.3)


def test_an_unchanged_problem_gives_the_same_plan_after_one_look(plan: grid.Plan) -> None:
    """If this fails, a warm match throws a good placement away and starts again."""
    again = gc.match(plan.problem, gap=plan.gap * 1.01, prices=plan.prices)
    np.testing.assert_array_equal(again.assignment, plan.assignment)
    np.testing.assert_array_equal(again.start, plan.start)
    assert again.bound_yuan == pytest.approx(plan.bound_yuan, rel=1e-9)
    assert again.stats["passes"] == 1


def test_jobs_that_no_longer_fit_go_elsewhere(plan: grid.Plan) -> None:
    """If this fails, a warm plan keeps jobs at a site that is down, or does not verify."""
    there = plan.table()["job"][plan.table()["site"] == HAMI]
    assert len(there)
    after = grid.whatif(plan, outage="Hami", gap=0.5).after
    sites = after.problem.classes.site[after.assignment[there]]
    assert ((after.assignment[there] < 0) | (sites != HAMI)).all()
    assert (after.assignment[there] >= 0).any()
    assert after.verify().valid, str(after.verify())


@pytest.mark.parametrize("change", [{"share": 0.9}, {"battery": 2.0}])
def test_a_changed_rule_is_kept(plan: grid.Plan, change: dict[str, float]) -> None:
    """If this fails, the placement of before is taken over at the price of the wrong rules."""
    after = grid.whatif(plan, **change, gap=0.5).after
    assert after.verify().valid, str(after.verify())
    assert after.bound_yuan <= after.objective_yuan


def test_a_placement_of_another_day_is_harmless(plan: grid.Plan) -> None:
    """If this fails, a placement that fits nothing of this problem makes a plan wrong."""
    other = grid.east_west(n_jobs=400, seed=7)
    again = gc.match(other, gap=0.5, prices=plan.prices)
    assert again.verify().valid, str(again.verify())
    fewer = grid.east_west(n_jobs=399, seed=7)
    # With less sun and wind every job costs something, so that a gap is of more than a few of them.
    scarce = fewer.energy.replace(direct_kwh=0.1 * fewer.energy.direct_kwh)
    again = gc.match(fewer.replace(energy=scarce), gap=0.5, prices=plan.prices)
    assert again.verify().valid, str(again.verify())


def test_any_placement_at_all_is_harmless(plan: grid.Plan) -> None:
    """If this fails, a placement is believed: it may overfill classes, forget windows, or worse."""
    rng, (classes, hours) = np.random.default_rng(1), plan.prices.capacity.shape
    n = len(plan.problem.jobs)
    wild = grid.Placement(klass=rng.integers(0, classes, n), start=rng.integers(0, hours, n))
    found = gc.match(plan.problem, gap=0.5, prices=plan.prices.replace(placement=wild))
    assert found.verify().valid, str(found.verify())


@pytest.mark.parametrize(
    ("klass", "start", "field"),
    [
        ([0, -2], [0, -1], "placement.klass"),
        ([0, -1], [0, 3], "placement.start"),
        ([0, 1], [0], "placement.start"),
        ([[0, 1]], [0, 1], "placement.klass"),
        ([0, 60], [0, 1], "placement.klass"),
        ([0, 1], [0, 24], "placement.start"),
    ],
)
def test_garbage_is_refused(plan: grid.Plan, klass: list, start: list, field: str) -> None:
    """If this fails, a placement that no problem can have reaches the core."""

    def build() -> grid.Prices:
        placement = grid.Placement(klass=np.array(klass), start=np.array(start))
        return plan.prices.replace(placement=placement)

    with pytest.raises(InvalidProblemError) as caught:
        build()
    assert caught.value.field == field


def test_a_placement_must_be_one(plan: grid.Plan) -> None:
    """If this fails, a pair of arrays in its place fails somewhere deep."""
    with pytest.raises(TypeError, match=r"prices\.placement must be a grid\.Placement, not tuple"):
        plan.prices.replace(placement=(plan.assignment, plan.start))


@pytest.mark.parametrize("change", [{"share": 0.85}, {"battery": 2.0}, {"outage": "Hami"}])
def test_a_warm_match_proves_the_gap_that_a_cold_one_does(
    plan: grid.Plan, change: dict[str, float]
) -> None:
    """If this fails, who gives prices gets a worse plan than who gives none."""
    problem = changed(plan.problem, **change)
    asked = 0.45
    assert gc.match(problem, gap=asked).gap <= asked
    found = gc.match(problem, gap=asked, prices=plan.prices)
    assert found.gap <= asked
    assert found.verify().valid, str(found.verify())


def test_every_dive_of_a_warm_match_is_reached(
    plan: grid.Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a step taken where the first warm plan misses the gap no longer works."""
    problem, dives = changed(plan.problem, share=0.9), []
    dive = search.dive

    def counted(state: PlannerState, pace: DiveOptions, *rest: Any) -> None:
        dives.append(pace)
        dive(state, pace, *rest)

    monkeypatch.setattr(search, "dive", counted)
    short = [DIVE_QUICK, DIVE_QUICK, DIVE_WARM, DIVE_WARM_LAST]
    long = [*short[:3], DIVE_WARM_AGAIN, DIVE_WARM_LAST]
    for near, paces in ((0.0, short), (1e9, long)):
        options = WARM_START._replace(near_miss=near, many=1.0)
        monkeypatch.setattr(warm, "WARM_START", options)
        dives.clear()
        enough = len(paces)
        found = gc.match(
            problem, gap=1e-9, prices=plan.prices, progress=lambda _, n=enough: len(dives) >= n
        )
        assert dives[: len(paces)] == paces
        assert found.verify().valid, str(found.verify())


def test_a_world_that_changed_shape_refuses_prices(plan: grid.Plan) -> None:
    """If this fails, prices of a shorter day end in numpy's words, or in a plan."""
    longer = grid.east_west(n_jobs=400, seed=2, hours=30)
    with pytest.raises(InvalidProblemError, match=r"prices\.capacity has shape \(60, 24\)"):
        gc.match(longer, prices=plan.prices)


@pytest.mark.slow
def test_a_warm_plan_is_the_same_bytes_for_any_threads(plan: grid.Plan) -> None:
    """If this fails, a what-if depends on the machine.

    The gap is one that a dive does not reach: exchanges follow.
    """
    problem = changed(plan.problem, share=0.9)
    first = gc.match(problem, gap=0.09, prices=plan.prices, threads=1)
    for threads in (2, 7):
        again = gc.match(problem, gap=0.09, prices=plan.prices, threads=threads)
        assert again.assignment.tobytes() == first.assignment.tobytes()
        assert again.start.tobytes() == first.start.tobytes()
        assert (again.objective_yuan, again.bound_yuan) == (first.objective_yuan, first.bound_yuan)


@pytest.mark.parametrize("start", ["nothing", "the prices before"])
def test_prices_are_found_however_far_they_are(start: str) -> None:
    """If this fails, the gap after the loss of a large site is some percent, from a bad bound."""
    problem = grid.east_west(n_jobs=600, seed=1)
    solve = PlannerState(changed(problem, outage="YRD demo"), 0.1, 1, Clock(None, None))
    if start == "nothing":
        solve.look(solve.sampled(solve.rows.start(None)))
    else:
        before = PlannerState(problem, 0.1, 1, Clock(None, None))
        y = solve.rows.within(before.sampled(before.rows.start(None)))
        solve.look(y)
        warm.walk(solve, y)
    reached = solve.bound
    solve.look(solve.sampled(solve.y))
    assert solve.bound - reached < 1e-3 * abs(reached)
