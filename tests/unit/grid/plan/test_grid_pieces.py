"""Placements in pieces: costed by hand, found faulty one by one, listed in every form."""

import dataclasses
import pickle

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import InvalidProblemError, grid

HOURS = 8


def problem(**jobs):
    """Two jobs, one of which may be interrupted, at two classes of one site; power costs 1 to 8."""
    columns = {
        "gang": [2, 1],
        "work_h": [3.0, 2.0],
        "origin": [0, 0],
        "release": [1, 0],
        "deadline": [8, 8],
        "value_yuan": [500.0, 500.0],
        "delay_yuan_per_h": [1.0, 0.0],
        "interruptible": [True, False],
        "restart_h": 1,
        "restart_yuan": 10.0,
    }
    return grid.Problem(
        jobs=grid.Jobs(**(columns | jobs)),
        sites=grid.Sites(name=np.array(["s"])),
        classes=grid.Classes(
            site=[0, 0],
            capacity=np.full((2, HOURS), 2),
            memory_gb=[80.0, 80.0],
            power_kw=[1.0, 1.0],
            throughput=[[1.0, 1.0]],
        ),
        hours=HOURS,
        energy=grid.Energy(
            direct_kwh=np.zeros((0, 1, HOURS)),
            direct_yuan_per_kwh=np.zeros((0, 1)),
            bundled_kwh=0.0,
            bundled_yuan_per_kwh=0.0,
            tariff_yuan_per_kwh=np.arange(1.0, HOURS + 1)[None],
            battery_kwh=[0.0],
            battery_kw=[0.0],
        ),
        corridors=grid.Corridors(
            delay_ms=np.zeros((1, 1)),
            bandwidth_gb=np.full((1, 1, HOURS), np.inf),
            price_yuan_per_gb=np.zeros((1, 1)),
        ),
        quotas=grid.Quotas.unlimited(1),
    )


def runs(rows):
    """A listing of (job, class, start, hours)."""
    columns = np.array(rows, np.int32).reshape(-1, 4).T
    return dict(zip(("job", "klass", "start", "hours"), columns, strict=True))


def test_a_job_in_two_pieces_costs_what_its_hours_and_its_restart_cost():
    """If this fails, a plan's cost misses hours, the restart, or the delay of the end."""
    listing = runs([(0, 0, 4, 3), (1, 1, 2, 2), (0, 0, 2, 1)])
    plan = grid.evaluate(problem(), listing)
    found = plan.verify()
    assert found.valid, found
    # Job 0: hours 2, 4, 5, 6 of two accelerators at 3, 5, 6, 7 yuan; job 1 in hours 2 and 3.
    assert plan.costs["grid"] == pytest.approx(2 * (3 + 5 + 6 + 7) + 3 + 4)
    assert plan.costs["restarts"] == 10.0
    assert plan.costs["delay"] == 7 - 3 - 1
    assert plan.objective_yuan == pytest.approx(sum(plan.costs.values()))
    assert plan.hours.tolist() == [4, 2]
    assert plan.end.tolist() == [7, 4]
    table = plan.table()
    assert table["pieces"].tolist() == [2, 1]
    assert table["end"].tolist() == [7, 4]
    assert table["energy_kwh"].tolist() == [8.0, 2.0]
    assert table["allocated_yuan"].sum() == pytest.approx(plan.objective_yuan)
    assert plan.free.accelerators[0].tolist() == [2, 2, 0, 2, 0, 0, 0, 2]
    shown = plan.runs()
    assert shown["start"].tolist() == [2, 4, 2]
    assert shown["piece"].tolist() == [0, 1, 0]
    for again in (shown, plan, plan.prices.placement, pickle.loads(pickle.dumps(plan))):
        other = grid.evaluate(problem(), again)
        assert other.objective_yuan == plan.objective_yuan, type(again)
        assert other.start.tolist() == plan.start.tolist()


def test_a_job_that_runs_whole_has_no_pieces():
    """If this fails, a listing of whole runs is something else than the placement it says."""
    plan = grid.evaluate(problem(), runs([(0, 1, 2, 3)]))
    assert plan.pieces is None
    assert plan.objective_yuan == grid.evaluate(problem(), ([1, -1], [2, -1])).objective_yuan
    assert plan.verify().valid


@pytest.mark.parametrize(
    ("jobs", "rows", "words"),
    [
        ({}, [(1, 0, 0, 1), (1, 0, 3, 2)], "NotInterruptible"),
        ({}, [(0, 0, 1, 1), (0, 0, 3, 2)], "WorkMismatch"),
        ({}, [(0, 0, 0, 1), (0, 0, 3, 3)], "WindowViolated"),
        ({"deadline": [6, 8]}, [(0, 0, 2, 1), (0, 0, 4, 3)], "WindowViolated"),
        ({}, [(0, 0, 1, 3), (0, 0, 5, 1)], "PieceTooShort"),
        ({"least_piece_h": 2}, [(0, 0, 1, 1), (0, 0, 3, 3)], "PieceTooShort"),
        ({}, [(0, 0, 1, 1), (0, 0, 3, 3), (1, 0, 4, 2)], "CapacityExceeded"),
        ({}, [(0, 0, 2, 3), (0, 0, 6, 4)], "PiecesMalformed"),
        (
            {},
            [(0, 0, 2, 1), (0, 0, 3, 3)],
            r"placement.start\[1\]: found 3, needed an hour after 3",
        ),
        ({}, [(0, 0, 2, 1), (0, 1, 4, 3)], r"placement.klass\[1\]: found 1, needed 0"),
        ({}, [(0, 0, 2, 4)], r"placement.hours\[0\]: found 4, needed 3, those of the whole job"),
        ({}, [(0, 0, 2, 0), (0, 0, 4, 3)], r"placement.hours\[0\]: found 0, needed an integer"),
        ({}, [(0, 0, 2, -2), (0, 0, 4, 3)], r"placement.hours\[0\]: found -2, needed an integer"),
        ({}, [(1, 0, 2, 1)], r"placement.hours\[0\]: found 1, needed 2, those of the whole job$"),
        ({}, [(0, -1, -1, 0), (0, -1, -1, 0)], r"placement.job\[1\]: found 0, needed a job that"),
    ],
)
def test_what_is_wrong_with_pieces_is_said(jobs, rows, words):
    """If this fails, a placement that breaks the rules of pieces has a cost."""
    with pytest.raises(InvalidProblemError, match=words):
        grid.evaluate(problem(**jobs), runs(rows))


@pytest.mark.parametrize("interruptible", [True, False])
@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize(
    ("hours", "needed"), [(1, "2, those"), (99, "2, those"), (-2, "an integer")]
)
def test_hours_that_a_job_does_not_run_are_refused(hours, needed, *, listed, interruptible):
    """If this fails, hours that a listing gives are dropped, and other hours are charged."""
    batch = problem(interruptible=[interruptible, False])
    given = runs([(0, -1, -1, 0), (1, 0, 0, hours)])
    if not listed:
        del given["job"]
    with pytest.raises(InvalidProblemError, match=rf"hours\[1\]: found {hours}, needed {needed}"):
        grid.evaluate(batch, given)
    given["hours"][1] = 2
    assert grid.evaluate(batch, given).hours.tolist() == [0, 2]


def test_a_forged_plan_in_pieces_is_found():
    """If this fails, `verify` believes what a plan says of its pieces."""
    plan = grid.evaluate(problem(), runs([(0, 0, 2, 1), (0, 0, 4, 3)]))
    assert plan.pieces is not None
    later = plan.pieces.replace(start=np.array([2, 5]))
    for forged, tokens in (
        (None, {"WorkMismatch", "LoadImbalance", "CostMismatch"}),
        (later, {"LoadImbalance", "CostMismatch"}),
        (plan.pieces.replace(hours=np.array([1, 2])), {"WorkMismatch"}),
    ):
        found = dataclasses.replace(plan, pieces=forged).verify()
        assert {f.token for f in found.faults} & tokens, found


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"job": [0], "start": [1], "hours": [2]}, "at least two pieces"),
        ({"job": [0, 0], "start": [1, 3], "hours": [2, 1]}, r"pieces.start\[1\] is 3"),
        ({"job": [1, 1, 0, 0], "start": [1, 3, 1, 3], "hours": [1, 1, 1, 1]}, "ascending"),
        ({"job": [0, 0], "start": [1, 3], "hours": [1, 0]}, r"pieces.hours\[1\] is 0"),
    ],
)
def test_a_table_of_pieces_is_in_order(columns, words):
    """If this fails, pieces that are none reach the planner."""
    with pytest.raises(InvalidProblemError, match=words):
        grid.Pieces(**columns)


def test_pieces_begin_with_their_job():
    """If this fails, a placement says two things of when a job starts."""
    pieces = grid.Pieces(job=[0, 0], start=[1, 4], hours=[1, 1])
    with pytest.raises(InvalidProblemError, match="first hour of its job"):
        grid.Placement(klass=[0], start=[2], pieces=pieces)
    with pytest.raises(TypeError, match=r"must be a grid\.Pieces"):
        grid.Placement(klass=[0], start=[1], pieces=[1])
    assert (
        grid.Placement(klass=[0], start=[1], pieces=grid.Pieces(job=[], start=[], hours=[])).pieces
        is None
    )


def test_prices_carry_pieces_from_hour_to_hour():
    """If this fails, the next match begins with pieces of other jobs, or at other hours."""
    plan = grid.evaluate(problem(), runs([(0, 0, 2, 1), (0, 0, 4, 3), (1, 1, 0, 2)]))
    later = plan.prices.shift(1, (np.array([7, 8]), np.array([9, 8, 7])))
    assert later.placement is not None
    assert later.placement.pieces is not None
    assert later.placement.pieces.job.tolist() == [2, 2]
    assert later.placement.pieces.start.tolist() == [1, 3]
    gone = plan.prices.shift(3)
    assert gone.placement is not None
    assert gone.placement.pieces is None


def test_match_cuts_a_job_where_that_is_cheaper():
    """If this fails, a job that could wait through the dear hours runs through them."""
    given = problem(
        gang=[2, 2],
        work_h=[4.0, 2.0],
        deadline=[8, 8],
        release=[0, 0],
        delay_yuan_per_h=0.0,
        restart_h=0,
        restart_yuan=0.5,
    )
    tariff = np.array([[1.0, 1.0, 9.0, 9.0, 1.0, 1.0, 9.0, 9.0]])
    given = given.replace(energy=given.energy.replace(tariff_yuan_per_kwh=tariff))
    plan = gc.match(given, gap=0.0)
    found = plan.verify()
    assert found.valid, found
    assert plan.status == "optimal"
    assert plan.objective_yuan == pytest.approx(2 * 4 + 0.5 + 2 * 2)
    assert plan.busy(0).tolist() == [True, True, False, False] * 2
    shown = plan.explain(0)
    assert shown.taken is not None
    assert shown.taken.pieces == ((0, 2), (4, 2))
    assert shown.taken.parts["restart"] == 0.5
    assert shown.taken.yuan == pytest.approx(plan.table()["price_yuan"][0])
    assert "4 h in 2 pieces (hours 0 to 1, 4 to 5)" in str(shown)
    assert set(shown.best) == {"s"}
    again = gc.match(given, prices=plan.prices, time_limit=0.0)
    assert again.objective_yuan <= plan.objective_yuan + 1e-9
    longer = given.replace(jobs=given.jobs.replace(least_piece_h=3))
    assert gc.match(longer, gap=0.0).pieces is None


def test_a_job_that_fits_in_pieces_alone_has_an_option():
    """If this fails, a job is called without option where it could run around a closed hour."""
    given = problem(restart_h=0)
    capacity = np.full((2, HOURS), 2)
    capacity[:, 3::3] = 0
    given = given.replace(classes=given.classes.replace(capacity=capacity))
    assert given.why_not() == [None, None]
    plan = gc.match(given)
    assert plan.verify().valid
    assert plan.pieces is not None
    assert plan.assignment[0] >= 0
    whole = given.replace(jobs=given.jobs.replace(interruptible=False))
    assert whole.why_not() == ["GangTooLarge", None]


def test_a_stored_plan_has_its_pieces(tmp_path):
    """If this fails, what is read back is another plan, or nobody can read when jobs run."""
    plan = grid.evaluate(problem(), runs([(0, 0, 2, 1), (0, 0, 4, 3), (1, 1, 0, 2)]))
    folder = grid.write_plan(plan, tmp_path / "plan")
    back = grid.read_plan(folder)
    assert back.pieces is not None
    assert back.runs()["start"].tolist() == plan.runs()["start"].tolist()
    assert back.problem.jobs.interruptible.tolist() == [True, False]
    assert grid.verify_plan(folder).valid
    (folder / "runs.parquet").unlink()
    assert [f.token for f in grid.verify_plan(folder).faults] == ["FileMissing"]


def test_a_kept_job_stays_in_its_pieces():
    """If this fails, a what-if moves a job that was to stay, or joins its pieces."""
    plan = grid.evaluate(problem(), runs([(0, 0, 2, 1), (0, 0, 4, 3)]))
    for keep in (True, np.array([True, False])):
        after = grid.whatif(plan, keep=keep, share=0.5).after
        assert after.verify().valid, after.verify()
        assert after.busy(0).tolist() == plan.busy(0).tolist()
        assert after.assignment[1] >= 0, "a job that was out stays out, though it costs nothing"
    assert grid.whatif(plan, keep=np.array([False, True])).after.verify().valid


@pytest.mark.parametrize("change", ["capacity", "rules"])
def test_a_kept_job_moves_where_its_pieces_cannot_stay(change):
    """If this fails, a job is kept in an hour that is closed, or in pieces that are too short."""
    plan = grid.evaluate(problem(), runs([(0, 0, 2, 1), (0, 0, 4, 3), (1, 1, 0, 2)]))
    whole = plan.problem
    capacity = whole.classes.capacity.copy()
    capacity[0, 5] = 0
    changes = {"classes": whole.classes.replace(capacity=capacity)}
    if change == "rules":
        changes = {"jobs": whole.jobs.replace(least_piece_h=2)}
    after = grid.whatif(plan, keep=True, **changes).after
    assert after.verify().valid, after.verify()
    assert after.busy(0).tolist() != plan.busy(0).tolist()
    assert after.assignment[0] >= 0
    assert (after.assignment[1], after.start[1]) == (1, 0), "a job moved that could stay"


def test_a_job_that_runs_goes_by_its_row_of_running():
    """If this fails, a pinned job is interrupted."""
    given = problem().replace(running=grid.Running(id=[0], klass=[1], hours_left=[3]))
    plan = gc.match(given)
    assert plan.verify().valid
    assert plan.busy(0).tolist() == [True] * 3 + [False] * 5


def test_steps_of_a_quarter_count_pieces_in_steps():
    """If this fails, a piece's length is taken for hours where steps are shorter."""
    given = problem(work_h=[0.75, 0.5]).replace(step_h=0.25)
    listing = runs([(0, 0, 4, 3), (1, 1, 2, 2), (0, 0, 2, 1)])
    plan = grid.evaluate(given, listing)
    assert plan.verify().valid
    assert plan.costs["delay"] == pytest.approx((7 - 3 - 1) * 0.25)
    assert plan.costs["restarts"] == 10.0
