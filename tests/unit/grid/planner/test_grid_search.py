"""The search for plans of few jobs: it ends, and finds what dives and exchanges do not."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import grid
from gridcompute.grid.planner import master
from gridcompute.grid.planner.budget import Clock
from gridcompute.grid.planner.program import IntegerProgram, Searched
from gridcompute.grid.planner.search import initial_plans
from gridcompute.grid.planner.settings import STEPS
from gridcompute.grid.planner.state import PlannerState
from gridcompute.report.page import page


class Asked(NamedTuple):
    """A search with what it took."""

    found: Searched
    iterations: float
    work: float


@pytest.fixture(scope="module")
def ample() -> grid.Problem:
    """Eight hours of jobs of which none lacks room: whole accelerators leave a wide gap."""
    return grid.east_west(n_jobs=30, seed=1, hours=8)


def searched(problem: grid.Problem, questions: int) -> Asked:
    """A search of all jobs that may be asked so often."""
    state = PlannerState(problem, 0.0, 1, Clock(None, None))
    try:
        initial_plans(state, state.rows.start(None), None)
        free, options = master._all_options(state)
        program = master._program(state, free, options)
        limit = program.iterations_in(STEPS.questions(questions + 0.5, program.size))
        before = state.rows.work.steps
        found = program.search(master._chosen(state, options), iterations=limit)
        return Asked(found, limit, state.rows.work.steps - before)
    finally:
        state.rows.close()


def test_a_search_ends_at_its_limit_of_steps(ample: grid.Problem) -> None:
    """If this fails, HiGHS is not told to stop: 60 jobs for which all is ample kept it minutes."""
    first, again, longer = searched(ample, 3), searched(ample, 3), searched(ample, 6)
    assert np.array_equal(first.found.chosen, again.found.chosen)
    assert first.found.bound_yuan == again.found.bound_yuan, (first, again)
    assert first.work == again.work, (first.work, again.work)
    assert first.work < longer.work, (first.work, longer.work)
    assert longer.found.bound_yuan >= first.found.bound_yuan, (first, longer)


def test_a_limit_that_is_too_short_for_a_search_goes_to_other_methods(
    ample: grid.Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a search among many options spends a short limit and finds nothing."""
    asked: list[float] = []
    whole = IntegerProgram.search

    def counted(program: IntegerProgram, *args: object, **kwargs: object) -> Searched:
        if type(program) is IntegerProgram:  # not the search of a neighbourhood
            asked.append(float(str(kwargs["iterations"])))
        return whole(program, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(master, "MANY_OPTIONS", 100)
    monkeypatch.setattr(IntegerProgram, "search", counted)
    short = gc.match(ample, work_limit=20_000)
    assert not asked, asked
    assert short.verify().valid, short.verify()
    assert short.stats["work_units"] < 40_000, short.stats


def test_a_half_day_of_few_jobs_is_within_a_percent_and_proved() -> None:
    """If this fails, plans of some ten jobs cost percents more than they need to.

    Prices alone prove 10 to 25 % less than such plans cost.
    """
    plan = gc.match(grid.east_west(n_jobs=30, seed=1, hours=12))
    found = plan.verify()
    assert found.valid, found
    assert found.proved_by == "search", found
    assert plan.gap <= 0.01, (plan.gap, plan)
    assert plan.gap_bound > plan.gap_plan, (plan.gap_bound, plan.gap_plan)
    told = f"no plan costs less than {plan.priced_bound_yuan:,.2f} yuan; a search proved the rest"
    assert told in page(plan)
    # Any prices would do beside a search, were there no word of what they prove themselves.
    prices = plan.prices.replace(energy=plan.prices.energy * 0.9)
    forged = dataclasses.replace(plan, prices=prices).verify()
    assert "PricesProveLess" in [fault.token for fault in forged.faults], forged
