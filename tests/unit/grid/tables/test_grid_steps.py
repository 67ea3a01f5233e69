"""Batches in steps of 15 minutes: the same day costs the same, and is certified."""

import dataclasses

import numpy as np
import pyarrow
import pyarrow.csv
import pytest

import gridcompute as gc
from gridcompute import InvalidProblemError, grid
from gridcompute.report.tables import bottleneck_list
from step_cases import JOBS, day, in_steps, in_the_hour

QUARTERS = 4


def in_quarters(problem):
    """The same day in steps of 15 minutes."""
    return in_steps(problem, QUARTERS)


@pytest.mark.parametrize("seed", range(3))
def test_a_day_in_quarters_costs_what_it_costs_by_the_hour(seed):
    """If this fails, something is counted by the step that goes by the hour, or the other way."""
    hourly = day(seed)
    plan = gc.match(hourly, gap=0.0)
    fine = in_quarters(hourly)
    start = np.where(plan.start >= 0, plan.start * QUARTERS, -1)
    same = grid.evaluate(fine, (plan.assignment, start))
    for name, yuan in plan.costs.items():
        assert same.costs[name] == pytest.approx(yuan, rel=1e-7, abs=1e-7), (seed, name)
    size = max(1.0, abs(plan.objective_yuan))
    assert abs(same.objective_yuan - plan.objective_yuan) <= 1e-9 * size, seed
    assert same.verify().valid, (seed, same.verify())


@pytest.mark.parametrize("seed", range(2))
def test_where_quarters_give_no_choice_both_days_have_one_optimum(seed):
    """If this fails, a match in quarters finds another cost where nothing else can be found."""
    hourly = in_the_hour(day(seed))
    plans = [gc.match(p, gap=0.0) for p in (hourly, in_quarters(hourly))]
    for plan in plans:
        assert plan.verify().valid, (seed, plan.verify())
        assert plan.status == "optimal", (seed, plan)
    size = max(1.0, abs(plans[0].objective_yuan))
    apart = abs(plans[0].objective_yuan - plans[1].objective_yuan)
    assert apart <= 1e-9 * size, (seed, plans)


def test_a_plan_in_quarters_whose_step_is_denied_is_refused():
    """If this fails, the checker does not see how long a step is."""
    plan = gc.match(in_quarters(day(0)), time_limit=0.0)
    assert plan.verify().valid
    other = dataclasses.replace(plan, problem=plan.problem.replace(step_h=0.5))
    assert not other.verify().valid


def test_jobs_shorter_than_an_hour_take_a_step():
    """If this fails, a job of ten minutes holds its accelerators for an hour."""
    fine = in_quarters(day(1))
    short = fine.replace(jobs=fine.jobs.replace(work_h=np.full(JOBS, 1 / 6)))
    plan = gc.match(short, gap=0.0)
    assert plan.verify().valid
    assert (plan.assignment >= 0).any()
    assert (plan.table()["hours"] == 1).all()
    words = str(plan.explain(int(plan.table()["job"][0]))).splitlines()[0]
    assert "from step" in words
    assert "0.25 h" in words


@pytest.mark.parametrize("format", ["parquet", "csv", "tidy"])
def test_times_and_files_go_by_the_step(format, tmp_path):
    """If this fails, a batch in quarters is read as hours, or its times are an hour apart."""
    problem = in_quarters(day(2)).replace(start="2026-03-01T00:00+08:00")
    assert str(problem.time(5)) == "2026-03-01 01:15:00+08:00"
    again = grid.read_problem(grid.write_problem(problem, tmp_path / "p", format=format))
    assert again.step_h == 0.25
    assert np.array_equal(again.energy.direct_kwh, problem.energy.direct_kwh)
    assert again.window(4, 8).start == problem.time(4)
    assert again.window(4, 8).step_h == 0.25
    if format != "csv":
        return
    plan = gc.match(again, time_limit=1)
    times = plan.to_arrow()["start_time"].to_pylist()
    placed = np.flatnonzero(plan.assignment >= 0)
    for j in placed.tolist():
        assert times[j] == problem.time(int(plan.start[j]))
    stored = grid.read_plan(grid.write_plan(plan, tmp_path / "plan"))
    assert stored.verify().valid
    page = (tmp_path / "plan" / "plan.html").read_text(encoding="utf-8")
    assert "4 hours in steps of 15 minutes" in page
    assert "01:15" in page


@pytest.mark.parametrize("step", [0.0, -1.0, 2.0, 1e-3, 1 / 7, 61.5 / 3600, float("nan")])
def test_a_step_is_from_a_minute_to_an_hour(step):
    """If this fails, a step of nothing divides by 0, or times are rounded to seconds."""
    with pytest.raises(InvalidProblemError, match=r"problem\.step_h is .*whole number of seconds"):
        day(0).replace(step_h=step)


@pytest.mark.parametrize("seconds", [60, 61, 450, 700, 3599, 3600])
def test_the_time_of_each_step_is_read_as_that_step(seconds, tmp_path):
    """If this fails, a time in a file falls between two steps, or is taken for one beside it."""
    problem = day(0).replace(step_h=seconds / 3600, start="2026-03-01T00:00+08:00")
    assert problem.step_h == seconds / 3600
    folder = grid.write_problem(problem, tmp_path / "p", format="tidy")
    again = grid.read_problem(folder)
    assert again.step_h == problem.step_h
    for h in range(problem.hours):
        after = again.time(h) - again.time(0)
        assert after.total_seconds() == h * seconds
    np.testing.assert_array_equal(again.energy.direct_kwh, problem.energy.direct_kwh)


def test_a_time_between_two_steps_is_refused(tmp_path):
    """If this fails, a job's release moves by what lies between."""
    problem = in_quarters(day(0)).replace(start="2026-03-01T00:00+08:00")
    folder = grid.write_problem(problem, tmp_path / "p", format="csv")
    table = pyarrow.csv.read_csv(folder / "jobs.csv")
    times = ["2026-03-01T00:15:00.001+08:00", *["0"] * (JOBS - 1)]
    at = table.column_names.index("release")
    pyarrow.csv.write_csv(
        table.set_column(at, "release", pyarrow.array(times)), folder / "jobs.csv"
    )
    words = r"jobs\.release\[0\] is .*needed the number of a step, or a time at a step of the batch"
    with pytest.raises(InvalidProblemError, match=words):
        grid.read_problem(folder)


def test_a_value_too_large_for_short_steps_is_named_as_it_was_given():
    """If this fails, the error speaks of a value that the caller never gave."""
    fine = in_quarters(day(0))
    quotas = fine.quotas.replace(upper_accelerator_h=[1e12, np.inf])
    words = r"quotas\.upper_accelerator_h\[0\] is 1000000000000\.0, needed at most 2\.5e\+11"
    with pytest.raises(InvalidProblemError, match=words):
        fine.replace(quotas=quotas)
    energy = fine.energy.replace(demand_yuan_per_kw=1e9)
    words = r"energy\.demand_yuan_per_kw\[0.*\] is 1000000000\.0, needed at most 2\.5e\+08"
    with pytest.raises(InvalidProblemError, match=words):
        fine.replace(energy=energy)
    most = fine.quotas.replace(upper_accelerator_h=[2.5e11, np.inf])
    assert gc.match(fine.replace(quotas=most), gap=1.0).verify().valid


def test_what_is_scarce_is_shown_by_the_step():
    """If this fails, the page names an hour where it means a step."""
    plan = gc.match(in_quarters(day(0)), gap=0.0)
    prices = plan.prices.replace(capacity=np.ones_like(plan.prices.capacity))
    plan = dataclasses.replace(plan, prices=prices)
    units = [b.unit for b in bottleneck_list(plan) if b.kind == "capacity"]
    assert units
    assert all(unit.startswith("accelerator-h, step ") for unit in units), units


def test_policies_reports_and_running_jobs_know_the_step():
    """If this fails, a rule counts quotas in steps, or what runs takes the wrong power."""
    hourly = day(3)
    for name, rule in grid.policies.POLICIES.items():
        coarse, fine = (grid.evaluate(p, rule(p)) for p in (hourly, in_quarters(hourly)))
        assert fine.verify().valid, name
        assert coarse.verify().valid, name
    running = grid.Running(id=[0, 1], klass=[1, 1], hours_left=[2, 1], movable=[False, True])
    later = grid.Running(id=[0, 1], klass=[1, 1], hours_left=[8, 4], movable=[False, True])
    plan = gc.match(hourly.replace(running=running), gap=0.0)
    fine = in_quarters(hourly).replace(running=later)
    same = grid.evaluate(fine, (plan.assignment, np.where(plan.start < 0, -1, plan.start * 4)))
    assert same.verify().valid, same.verify()
    assert same.objective_yuan == pytest.approx(plan.objective_yuan, rel=1e-9, abs=1e-9)
    account, other = grid.audit(plan).queues, grid.audit(same).queues
    assert account.used_h == pytest.approx(other.used_h)
