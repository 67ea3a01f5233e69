"""An operator in steps shorter than an hour, and with quotas by accelerator."""

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import grid
from step_cases import day, in_steps, in_the_hour


def certain(seed):
    """A day that costs the same by the hour and in steps, whatever is stored or guaranteed.

    Jobs start when they are released, or never; nothing is stored, and nothing guaranteed.
    """
    problem = in_the_hour(day(seed))
    return problem.replace(
        energy=problem.energy.replace(
            battery_kwh=0.0, battery_kw=0.0, green_start_kwh=0.0, grey_start_kwh=0.0
        ),
        quotas=problem.quotas.without_guarantees(),
    )


def test_a_day_by_the_step_costs_what_the_day_costs():
    """If this fails, an operator counts by the step what goes by the hour, or the other way.

    Nothing is uncertain and all hours are seen, so each plan goes on as the first one did.
    """
    hourly = certain(1)
    best = gc.match(hourly, gap=0.0).objective_yuan
    for parts in (1, 3):
        problem = hourly if parts == 1 else in_steps(hourly, parts)
        op = grid.Rolling(problem, horizon_h=4, gap=0.0, threads=1)
        for _ in range(problem.hours):
            assert op.step().plan.status == "optimal"
        assert op.cost_yuan == pytest.approx(best, rel=1e-7), (parts, op.account)
        assert len(op.ledger) == problem.hours
        unit = "hour" if parts == 1 else "step"
        assert f"{unit} {problem.hours} of {problem.hours}" in repr(op)


def test_horizon_and_day_are_hours_whatever_a_step_is():
    """If this fails, an operator in quarters looks a quarter as far ahead."""
    problem = in_steps(day(0), 4).replace(jobs=day(0).jobs.replace(deadline=16))
    for horizon in (1, 2, 3):
        op = grid.Rolling(problem, horizon_h=horizon, gap=0.5)
        op.step()
        least = int(op._state.book["least_h"].max())
        assert op.problem.hours == max(4 * horizon, least)
        assert op.problem.step_h == 0.25
    assert "quarter" not in repr(op)
    assert "step 1 of 16" in repr(op)


def test_what_a_step_leaves_of_a_quota_is_not_rounded_away():
    """If this fails, the last step of a quota in steps of 20 minutes fits no job."""
    fine = in_steps(day(0), 3)
    n = 6
    jobs = grid.Jobs(
        gang=np.ones(n, int),
        work_h=np.full(n, 1 / 3),
        origin=np.zeros(n, int),
        release=np.arange(n),
        deadline=np.arange(n) + 1,
        value_yuan=np.full(n, 50.0),
    )
    quotas = grid.Quotas(upper_accelerator_h=[2.0, np.inf])
    op = grid.Rolling(fine.replace(jobs=jobs, quotas=quotas), horizon_h=1, gap=0.0)
    started = [len(op.step().commit["job"]) for _ in range(n)]
    assert started == [1] * n


def test_quotas_of_each_accelerator_are_counted_from_step_to_step():
    """If this fails, a tenant gets its part of an accelerator again in each hour."""
    parts = 3
    problem = in_steps(grid.east_west(n_jobs=30, seed=4, hours=6), parts)
    shape = (len(problem.classes.accelerator_names), len(problem.quotas))
    upper = np.full(shape, np.inf)
    upper[:, 0] = [4.0, *[2.0] * (shape[0] - 1)]
    quotas = grid.Quotas.unlimited(shape[1]).replace(upper_by_accelerator_h=upper)
    op = grid.Rolling(problem.replace(quotas=quotas), horizon_h=3, gap=2.0)
    used, kinds = np.zeros(shape), problem.classes.accelerator
    for t in range(6):
        step = op.step()
        assert t % 3 or step.plan.verify().valid, step.plan.verify()
        book = op._state.book
        ran = np.flatnonzero((book["started"] >= 0) & (book["end"] > t))
        np.add.at(used, (kinds[book["klass"][ran]], book["tenant"][ran]), book["gang"][ran])
        assert op._state.used.reshape(shape[::-1]).T.tolist() == used.tolist()
    assert (used / parts <= upper).all()
    left = op.problem.quotas.upper_by_accelerator_h[:, 0]
    assert (left <= upper[:, 0]).all()


def test_a_restored_operator_knows_its_step_its_start_and_its_sources(tmp_path):
    """If this fails, an operator that was restarted counts hours, or forgets when they are."""
    more = {
        "start": "2026-03-01T00:00[Asia/Shanghai]",
        "sources": [("pue", "sourced: a table")],
    }
    problem = in_steps(day(1), 4).replace(**more)
    shape = (len(problem.classes.accelerator_names), len(problem.quotas))
    problem = problem.replace(
        quotas=problem.quotas.replace(upper_by_accelerator_h=np.full(shape, 3.0))
    )
    op = grid.Rolling(problem, horizon_h=2, gap=0.1, threads=1)
    for _ in range(3):
        op.step(actual={"renewables": 0.8})
    op.snapshot(tmp_path / "operator")
    again = grid.Rolling.restore(tmp_path / "operator")
    world = again.world
    assert (world.step_h, world.start, world.sources) == (0.25, problem.start, problem.sources)
    for _ in range(5):
        plans = [o.step(actual={"renewables": 0.9}).plan for o in (op, again)]
        assert plans[0].assignment.tobytes() == plans[1].assignment.tobytes()
        assert plans[0].prices.energy.tobytes() == plans[1].prices.energy.tobytes()
    assert op.cost_yuan == again.cost_yuan
    assert plans[0].problem.start == problem.time(7)


def test_yesterday_is_a_day_ago_in_steps():
    """If this fails, an operator in quarters expects the jobs of six hours ago."""
    seen = gc.forecast.yesterday({"arrival_h": [0, 90]}, now=95, hours=96, day=96)
    assert seen["arrival_h"].tolist() == [96, 186]
    with pytest.raises(gc.InvalidProblemError, match="day"):
        gc.forecast.yesterday({"arrival_h": [3]}, now=5, hours=4, day=0)


def test_prices_of_new_steps_are_those_of_a_day_ago():
    """If this fails, tonight is priced as this evening where a day has 96 steps."""
    plan = gc.match(in_steps(day(0), 4), gap=0.5)
    later = plan.prices.shift(3, day=8)
    energy = plan.prices.energy
    assert np.array_equal(later.energy[:, :13], energy[:, 3:])
    assert np.array_equal(later.energy[:, 13:], energy[:, 8:11])


def test_the_page_of_an_operator_in_steps(tmp_path):
    """If this fails, the page takes steps for hours."""
    op = grid.Rolling(in_steps(day(2), 4), horizon_h=2, gap=0.5)
    for _ in range(6):
        op.step()
    text = op.report(tmp_path / "page.html").read_text(encoding="utf-8")
    for words in ("steps of 15 min", "day 1, 01:30", "1.5", "of 4"):
        assert words in text, words
