"""Where jobs are few or time is short: what a limit pays for, and what a what-if asks."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import InvalidProblemError, grid
from gridcompute.grid.planner import budget, match
from gridcompute.grid.planner.budget import Clock
from malformed import sound


def test_parts_of_a_limit_are_of_what_reading_leaves(monkeypatch):
    """If this fails, a busy machine spends the time for the bound on reading."""
    now = [100.0]
    monkeypatch.setattr(budget.time, "perf_counter", lambda: now[0])
    limited = Clock(2.0, None)
    now[0] += 1.0  # half of the limit goes into reading
    assert limited.spent(0.4)
    limited.divide()
    assert not limited.spent(0.4)
    spent = limited.until(0.4)
    now[0] += 0.3
    assert spent() == pytest.approx(0.75)
    assert not limited.spent(0.4)
    now[0] += 0.2
    assert limited.spent(0.4)
    assert not limited.over(1.0)
    now[0] += 0.6
    assert limited.over(1.0)
    assert limited.status == "time_limit"
    limited.divide()  # nothing is left to divide
    now[0] += 1e-6
    assert limited.spent(0.9)


def test_a_limit_does_not_pay_for_imports():
    """If this fails, the first plan of a process is poor: loading the solver takes its time."""
    script = """
        import sys
        import gridcompute as gc
        from gridcompute.grid.planner import match

        class Watch(match.Clock):
            def __init__(self, *args):
                found.append([name in sys.modules for name in ("highspy", "scipy.sparse.csgraph")])
                super().__init__(*args)

        found = []
        match.Clock = Watch
        gc.match(gc.grid.east_west(n_jobs=20, seed=0), time_limit=0.01)
        print(found)
    """
    ran = [sys.executable, "-c", textwrap.dedent(script)]
    shown = subprocess.run(ran, capture_output=True, text=True, check=True, timeout=120)
    assert shown.stdout.strip() == "[[True, True]]", shown.stdout


def test_a_what_if_of_few_jobs_is_planned_and_not_waved_through(
    monkeypatch,
):
    """If this fails, the placement of a plan with a wide gap is the answer after any change."""
    plan = gc.match(grid.east_west(n_jobs=200, seed=1), gap=1e-6, time_limit=0.0)
    assert plan.gap > 0.02, f"found {plan.gap}, needed a wide one"
    asked = []

    def planned(*_args, gap, **_kwargs):
        asked.append(gap)
        return plan

    monkeypatch.setattr(match, "match", planned)
    grid.whatif(plan, battery=2.0)
    grid.whatif(plan, battery=2.0, gap=0.3)
    assert asked == [0.01, 0.3]


@pytest.mark.parametrize("step_h", [1.0, 0.5])
def test_a_deadline_may_lie_after_the_batch(step_h, tmp_path):
    """If this fails, a batch refuses a job that may wait for the next one, or runs it past its own
    last hour."""
    problem = sound()
    problem = problem.replace(
        step_h=step_h,
        jobs=problem.jobs.replace(
            deadline=[3, 90, 9, 9], work_h=[1.0, 40.0, 1.0, 0.5], id=["a", "b", "c", "d"]
        ),
    )
    plan = gc.match(problem)
    assert plan.verify(), plan.verify()
    assert plan.reasons == {1: "LeftForLater"}
    assert plan.end.max() <= problem.hours
    assert "it may run in a later batch" in str(plan.explain("b"))
    folder = grid.write_plan(plan, tmp_path / "plan")
    assert grid.verify_plan(folder), grid.verify_plan(folder)
    assert grid.read_plan(folder).problem.jobs.deadline.tolist() == [3, 90, 9, 9]
    within = problem.replace(jobs=problem.jobs.replace(deadline=3))
    assert gc.match(within).objective_yuan == pytest.approx(plan.objective_yuan)
    assert gc.match(within).reasons == {1: "WindowTooShort"}
    for rule in grid.policies.POLICIES.values():
        assert grid.evaluate(problem, rule(problem)).verify()
    # A plan that runs a job on past the last hour is refused whatever its deadline.
    with pytest.raises(InvalidProblemError, match="WindowViolated"):
        grid.evaluate(problem, (np.array([-1, 0, -1, -1]), np.array([-1, 0, -1, -1])))
    with pytest.raises(InvalidProblemError, match=r"jobs.release\[2\] is 3, needed below 3"):
        problem.replace(jobs=problem.jobs.replace(release=[0, 0, 3, 0]))
