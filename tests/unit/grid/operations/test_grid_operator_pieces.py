"""An operator of interruptible jobs: each hour goes on with them or breaks off."""

import numpy as np
import pytest

from gridcompute import grid
from gridcompute.grid.operations import regret

HOURS = 10
TARIFF = np.array([1.0, 1.0, 9.0, 9.0, 1.0, 9.0, 1.0, 9.0, 9.0, 9.0])


def world(**jobs):
    """One site, power at 1 or 9 yuan, and a job of four hours that may be interrupted."""
    columns = {
        "gang": [2],
        "work_h": [4.0],
        "origin": [0],
        "deadline": [HOURS],
        "value_yuan": [500.0],
        "interruptible": True,
    }
    return grid.Problem(
        jobs=grid.Jobs(**(columns | jobs)),
        sites=grid.Sites(name=np.array(["s"])),
        classes=grid.Classes(
            site=[0],
            capacity=np.full((1, HOURS), 2),
            memory_gb=[80.0],
            power_kw=[1.0],
            throughput=[[1.0]],
        ),
        hours=HOURS,
        energy=grid.Energy(
            direct_kwh=np.zeros((0, 1, HOURS)),
            direct_yuan_per_kwh=np.zeros((0, 1)),
            bundled_kwh=0.0,
            bundled_yuan_per_kwh=0.0,
            tariff_yuan_per_kwh=TARIFF[None],
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


def run(problem, hours=HOURS):
    """The operator after some hours, and the load of each."""
    op = grid.Rolling(problem, horizon_h=HOURS, gap=0.0)
    for _ in range(hours):
        assert op.step().plan.verify().valid
    return op, op.history["load_kwh"].tolist()


def test_a_job_breaks_off_in_dear_hours_and_goes_on_with_what_is_left():
    """If this fails, work is lost or done twice, or the dear hours are paid for."""
    op, load = run(world())
    assert load == [2.0, 2.0, 0.0, 0.0, 2.0, 0.0, 2.0, 0.0, 0.0, 0.0]
    assert op.history["moved"].tolist() == [0, 0, 1, 0, 0, 1, 0, 0, 0, 0]
    assert op.cost_yuan == pytest.approx(8.0)
    assert not len(op.lost)
    assert not len(op.running)


def test_restarts_take_hours_and_money():
    """If this fails, an operator breaks off where going on is cheaper."""
    op, load = run(world(restart_h=1, restart_yuan=3.0))
    breaks = op.history["moved"].sum()
    assert breaks >= 1
    assert sum(load) == 2 * (4 + breaks)
    assert op.history["moves"].sum() == 3.0 * breaks
    assert op.cost_yuan <= 40.0  # the cost of running whole, as below
    whole, _ = run(world(restart_yuan=100.0))
    assert whole.history["moved"].sum() == 0
    assert whole.cost_yuan == pytest.approx(40.0)


def test_hindsight_knows_the_pieces_that_have_run(tmp_path):
    """If this fails, hindsight leaves out what a job did before it broke off."""
    op, _ = run(world())
    assert op.cost_yuan == pytest.approx(8.0)
    op.snapshot(tmp_path / "op")
    for one in (op, grid.Rolling.restore(tmp_path / "op")):
        seen = one.hindsight(gap=0.0)
        assert seen.objective_yuan == pytest.approx(8.0)
        assert seen.verify().valid
    for hours in (2, 3, 5):
        op, _ = run(world(restart_h=1, restart_yuan=3.0, delay_yuan_per_h=0.5), hours)
        assert op.hindsight(gap=0.0).bound_yuan <= op.cost_yuan + 1e-6, hours


def test_an_operator_pays_for_the_delay_of_restarts():
    """If this fails, hours of a restart put off the end of a job and cost no delay."""
    op, load = run(world(restart_h=1, restart_yuan=3.0, delay_yuan_per_h=0.5))
    end = max(t for t, kwh in enumerate(load) if kwh) + 1
    assert op.history["moved"].sum() >= 1
    assert op.history["delay"].sum() == pytest.approx(0.5 * (end - 4))


def test_a_piece_is_as_long_as_it_must_be_and_the_deadline_is_kept():
    """If this fails, a job is interrupted before its least piece, or lost for want of hours."""
    _, load = run(world(least_piece_h=3))
    runs = "".join("1" if kwh else "0" for kwh in load).strip("0")
    assert set(runs) == {"1"}, load
    op, load = run(world(deadline=[5]))
    assert sum(load[:5]) == 8.0
    assert not len(op.lost)


def test_a_restored_operator_goes_on_with_the_same_pieces(tmp_path):
    """If this fails, what is left of an interrupted job is not in its snapshot."""
    for hours in (1, 3, 5):
        op, _ = run(world(restart_yuan=1.0), hours)
        op.snapshot(tmp_path / "op")
        again = grid.Rolling.restore(tmp_path / "op")
        for _ in range(hours, HOURS):
            op.step(), again.step()
        assert again.history["load_kwh"].tolist() == op.history["load_kwh"].tolist()
        assert again.cost_yuan == op.cost_yuan


def test_a_job_that_arrives_may_be_interrupted_too():
    """If this fails, jobs of `new_jobs` are whole whatever their columns say."""
    problem = world(value_yuan=[0.0])
    op = grid.Rolling(problem, horizon_h=HOURS, gap=0.0)
    new = {"gang": [2], "work_h": [3.0], "origin": [0], "release": [0], "deadline": [HOURS]}
    op.step(new_jobs={**new, "value_yuan": [500.0], "interruptible": [True]})
    for _ in range(HOURS - 1):
        op.step()
    assert op.history["energy"].sum() == pytest.approx(2 * 3)


@pytest.mark.parametrize(("restart_h", "breaks"), [(1, 1), (3, 0)])
def test_a_pause_is_worth_what_it_saves_less_the_hours_to_redo(restart_h, breaks):
    """If this fails, an operator breaks off, or goes on, where the other costs less.

    Going on through hours 2 and 3 costs 2 * 12 yuan, 2 * 6 more than hours 5 and 6. A restart of an
    hour takes 6 yuan of power, one of three hours 2 * (3 + 20 + 20).
    """
    tariff = np.array([[1.0, 1.0, 6.0, 6.0, 9.0, 3.0, 3.0, 3.0, 20.0, 20.0]])
    problem = world(restart_h=restart_h)
    problem = problem.replace(energy=problem.energy.replace(tariff_yuan_per_kwh=tariff))
    op, load = run(problem)
    assert op.history["moved"].sum() == breaks, load
    assert op.cost_yuan == pytest.approx(22.0 if breaks else 28.0), load


def test_regret_of_jobs_in_pieces_adds_up():
    """If this fails, the hours are run again with other pieces, or work that was done is lost."""
    op = grid.Rolling(world(restart_h=1, restart_yuan=1.0), horizon_h=6, gap=0.0)
    for t in range(HOURS):
        new = {"gang": [2], "work_h": [2.0], "origin": [0], "release": [t], "deadline": [HOURS]}
        given = {**new, "value_yuan": [300.0], "interruptible": [True]} if t == 1 else None
        op.step(new_jobs=given)
    assert op.history["moved"].sum() >= 1
    again = regret.again(op)
    assert again.history["load_kwh"].tolist() == op.history["load_kwh"].tolist()
    assert again.cost_yuan == pytest.approx(op.cost_yuan)
    seen, parts = op.hindsight(), op.regret
    assert sum(parts.values()) == pytest.approx(op.cost_yuan - seen.bound_yuan, abs=1e-6), parts
    assert parts["forecast"] == pytest.approx(0.0, abs=1e-9), parts
    assert parts["solver"] >= -1e-9, parts
    assert op.regret_by_hour(seen).shape == (HOURS,)
