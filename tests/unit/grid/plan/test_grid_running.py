"""Jobs that run when a batch begins, windows of a problem, and load that is shed."""

import dataclasses
import pickle

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import InvalidProblemError, grid
from gridcompute.grid.checker.placements import fixed, plain
from gridcompute.grid.planner.residual import WithoutPinned


def world(seed=1, hours=12):
    """A small scenario in which nothing runs."""
    return grid.east_west(n_jobs=60, seed=seed, hours=hours)


def running_world(seed=1, **changes):
    """Jobs that a plan would start at once run already, each third of them movable."""
    problem = world(seed)
    shown = gc.match(problem, gap=0.2, time_limit=0.3).table()
    now = shown["start"] == 0
    columns = {"id": shown["job"][now], "klass": shown["klass"][now]}
    columns |= {"hours_left": shown["hours"][now], "movable": shown["job"][now] % 3 == 0}
    columns |= {"checkpoint_gb": 5.0, "restart_h": 1, "move_yuan": 1.0, **changes}
    return problem.replace(running=grid.Running(**columns))


def test_what_runs_and_cannot_move_stays_to_its_end_and_the_plan_verifies():
    """If this fails, a plan takes back what the last hour committed."""
    for seed in range(3):
        problem = running_world(seed)
        assert problem.running is not None
        plan = gc.match(problem, gap=0.05, time_limit=0.5)
        assert plan.verify().valid, plan.verify()
        pinned = problem.running.id[~problem.running.movable]
        at = problem.running.klass[~problem.running.movable]
        assert len(pinned), seed
        assert plan.assignment[pinned].tolist() == at.tolist()
        assert not plan.start[pinned].any()
        left = problem.running.hours_left[~problem.running.movable]
        assert plan.hours[pinned].tolist() == left.tolist()
        shown = plan.table()
        assert set(pinned.tolist()) <= set(shown["job"].tolist())
        assert "Pinned" in str(plan.explain(int(pinned[0])))
        assert grid.audit(plan).total["load_kwh"] == pytest.approx(plan.dispatch.load_kwh.sum())


def test_the_planner_and_the_checker_read_running_jobs_alike():
    """If this fails, one of two functions written apart has a mistake: bounds do not verify."""
    problem = running_world(4)
    for ours, theirs in (
        (problem.effective, plain(problem)),
        (WithoutPinned(problem).problem, fixed(problem)),
    ):
        assert len(ours.jobs) == len(theirs.jobs)
        assert (ours.hours_needed() == theirs.hours_needed()).all()
        assert (ours.eligible() == theirs.eligible()).all()
        for name in set(ours.jobs.columns()) - {"family"}:
            assert (getattr(ours.jobs, name) == getattr(theirs.jobs, name)).all(), name
        assert (ours.classes.capacity == theirs.classes.capacity).all()
        assert ours.energy.base_load_kwh == pytest.approx(theirs.energy.base_load_kwh)
        upper = ours.quotas.upper_accelerator_h, theirs.quotas.upper_accelerator_h
        assert upper[0] == pytest.approx(upper[1])


def test_a_forged_plan_that_moves_a_pinned_job_is_found_out():
    """If this fails, a running job that was left out, or put off by an hour, goes unnoticed."""
    problem = running_world(2)
    plan = gc.match(problem, gap=0.2, time_limit=0.3)
    job = int(problem.running.id[~problem.running.movable][0])
    for where in ((-1, -1), (plan.assignment[job], 1)):
        klass, start = plan.assignment.copy(), plan.start.copy()
        klass[job], start[job] = where
        forged = dataclasses.replace(plan, assignment=klass, start=start)
        assert "PinnedMoved" in {fault.token for fault in forged.verify().faults}, where


def test_wind_that_falls_under_running_load_is_a_priced_shortfall():
    """If this fails, an operator has no plan in the hour in which it needs one most."""
    problem = running_world(3, movable=False)
    energy = problem.energy
    dark = problem.replace(
        energy=energy.replace(
            direct_kwh=0 * energy.direct_kwh, bundled_kwh=0.0, base_load_kwh=0.0, shed_kwh=0.0
        ),
        sites=problem.sites.replace(connection_kw=0.0),
    )
    plan = gc.match(dark, gap=0.05, time_limit=0.5)
    assert plan.verify().valid, plan.verify()
    shed = float(plan.dispatch.shed_kwh.sum())
    assert shed > 0
    assert shed == pytest.approx(plan.dispatch.load_kwh.sum(), rel=0.2)  # a battery serves the rest
    assert plan.objective_yuan >= shed * energy.shed_yuan_per_kwh


def test_base_load_is_shed_only_where_that_is_allowed():
    """If this fails, load disappears that nobody said may."""
    problem = world()
    dark = problem.replace(
        energy=problem.energy.replace(direct_kwh=0 * problem.energy.direct_kwh, bundled_kwh=0.0),
        sites=problem.sites.replace(connection_kw=0.0),
    )
    with pytest.raises(gc.InfeasibleError):
        gc.match(dark, time_limit=0.2)
    allowed = dark.replace(energy=dark.energy.replace(shed_kwh=dark.energy.base_load_kwh))
    plan = gc.match(allowed, gap=0.05, time_limit=0.3)
    assert plan.verify().valid
    assert (plan.dispatch.shed_kwh <= allowed.energy.shed_kwh + 1e-6).all()


def test_the_jobs_that_run_are_checked_against_the_tables():
    """If this fails, a wrong row is found hours later, or never."""
    problem = world()
    for change, words in (
        ({"id": [0, 0], "klass": [0, 0]}, ["running.id[1]", "at most once"]),
        ({"id": [0, 99], "klass": [0, 0]}, ["running.id[1]", "is 99", "below 60"]),
        ({"id": [0, 1], "klass": [0, 60]}, ["running.klass[1]", "is 60", "below 60"]),
        ({"id": [0, 1], "klass": [0, 1], "hours_left": 0}, ["hours_left[0]", ">= 1"]),
    ):
        with pytest.raises(InvalidProblemError) as error:
            problem.replace(running=grid.Running(**{"hours_left": 1, **change}))
        assert all(word in str(error.value) for word in words), str(error.value)
    full = problem.replace(classes=problem.classes.replace(capacity=0 * problem.classes.capacity))
    with pytest.raises(InvalidProblemError, match="class 3 taken in hour 0"):
        full.replace(running=grid.Running(id=[5], klass=[3], hours_left=[2]))
    with pytest.raises(TypeError, match="must be a Running"):
        problem.replace(running=[1])


def test_problems_with_running_jobs_are_values():
    """If this fails, a copy in another process has lost what runs."""
    problem = running_world()
    again = pickle.loads(pickle.dumps(problem))
    assert (again.running.id == problem.running.id).all()
    assert (again.pinned == problem.pinned).all()


def test_a_window_cuts_all_hourly_columns_and_counts_from_its_first_hour():
    """If this fails, hour 5 of a window is paid at another hour's tariff."""
    problem = grid.east_west(n_jobs=300, seed=0, hours=30)
    cut, rows = problem.window(6, 10), problem.jobs_in_window(6, 10)
    assert cut.hours == 10
    assert (cut.energy.tariff_yuan_per_kwh == problem.energy.tariff_yuan_per_kwh[:, 6:16]).all()
    assert (cut.energy.direct_kwh == problem.energy.direct_kwh[:, :, 6:16]).all()
    assert (cut.classes.capacity == problem.classes.capacity[:, 6:16]).all()
    wire = problem.corridors.bandwidth_gb[:, :, 6:16]
    assert (cut.corridors.bandwidth_gb == wire).all()
    assert (cut.jobs.release == np.maximum(problem.jobs.release[rows] - 6, 0)).all()
    assert (cut.jobs.deadline == np.minimum(problem.jobs.deadline[rows] - 6, 10)).all()
    assert cut.jobs.ids.tolist() == rows.tolist()  # results join by the whole problem's rows
    some = problem.window(6, 10, jobs=rows[5:9])
    assert some.jobs.gang.tolist() == problem.jobs.gang[rows[5:9]].tolist()
    assert gc.match(cut, gap=0.3, time_limit=0.2).verify().valid


def test_a_job_that_can_wait_beyond_the_window_is_not_counted_lost():
    """If this fails, every window tries to finish what the next one could."""
    problem = grid.east_west(n_jobs=300, seed=0, hours=30)
    rows = problem.jobs_in_window(0, 10)
    waits = problem.jobs.deadline[rows] > 10
    value = problem.window(0, 10, defer_yuan=0.25).jobs.value_yuan
    assert waits.any()
    assert (value[waits] == np.minimum(problem.jobs.value_yuan[rows][waits], 0.25)).all()
    assert (value[~waits] == problem.jobs.value_yuan[rows][~waits]).all()


def test_windows_outside_the_problem_are_refused():
    """If this fails, hours that do not exist are planned."""
    problem = world(hours=12)
    for first, hours in ((12, 1), (0, 13), (-1, 3), (11, 2), (0, 0)):
        with pytest.raises(InvalidProblemError):
            problem.window(first, hours)
    for rows in ([60], [-1]):
        with pytest.raises(InvalidProblemError, match=r"jobs\[0\]"):
            problem.window(0, 12, jobs=rows)
    with pytest.raises(InvalidProblemError, match="they began before hour 0"):
        running_world().window(1, 3)
    assert running_world().window(0, 3).running is not None


def test_running_jobs_follow_the_rows_that_a_window_keeps():
    """If this fails, another job runs in the window than in the problem."""
    problem = running_world(1)
    assert problem.running is not None
    kept = problem.running.id[::-1][:3]
    rows = np.concatenate([kept, np.setdiff1d(np.arange(60), problem.running.id)[:5]])
    cut = problem.window(0, 12, jobs=rows)
    assert cut.running is not None
    assert sorted(cut.running.id.tolist()) == [0, 1, 2]
    back = {int(rows[i]): int(c) for i, c in zip(cut.running.id, cut.running.klass, strict=True)}
    known = dict(zip(problem.running.id.tolist(), problem.running.klass.tolist(), strict=True))
    assert back == {job: known[job] for job in kept.tolist()}


def test_what_runs_is_written_and_read_with_its_problem(tmp_path):
    """If this fails, a stored plan of an operator's hour no longer verifies."""
    problem = running_world()
    plan = gc.match(problem, gap=0.2, time_limit=0.3)
    for format in ("csv", "parquet"):
        again = grid.read_problem(grid.write_problem(problem, tmp_path / format, format=format))
        assert again.running is not None
        assert problem.running is not None
        for name in problem.running.columns():
            assert (getattr(again.running, name) == getattr(problem.running, name)).all(), name
    read = grid.read_plan(grid.write_plan(plan, tmp_path / "plan"))
    assert read.verify().valid
    assert read.objective_yuan == plan.objective_yuan


def test_a_placement_of_ones_own_keeps_what_runs():
    """If this fails, `evaluate` moves what cannot move, or counts it twice."""
    problem = running_world()
    plan = gc.match(problem, gap=0.2, time_limit=0.3)
    again = grid.evaluate(problem, plan)
    assert again.objective_yuan == pytest.approx(plan.objective_yuan, rel=1e-9)
    assert again.verify().valid
    assert sum(plan.costs.values()) == pytest.approx(plan.objective_yuan, rel=1e-9)
    shown = plan.table()
    borne = plan.objective_yuan - plan.costs["unplaced"]
    assert shown["allocated_yuan"].sum() == pytest.approx(borne, rel=1e-9)
    klass, start = plan.assignment.copy(), plan.start.copy()
    job = int(problem.running.id[~problem.running.movable][0])
    klass[job] = start[job] = -1
    with pytest.raises(InvalidProblemError, match="PinnedMoved"):
        grid.evaluate(problem, (klass, start))
