"""An operator by the hour: what it commits, remembers, refuses, and survives."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import InvalidProblemError, grid
from gridcompute.grid.operations.regret import REGRET

GAP = 2.0  # any plan is near enough: what is tested here holds for each, and plans are quick


def world(seed=2, hours=12, jobs=40):
    """A small scenario."""
    return grid.east_west(n_jobs=jobs, seed=seed, hours=hours)


def operator(problem=None, **more):
    """An operator of a small scenario, six hours ahead."""
    settings = {"horizon_h": 6, "gap": GAP, **more}
    return grid.Rolling(world() if problem is None else problem, **settings)


def weather(seed, hours):
    """What each hour brings, drawn at random."""
    drawn = np.random.default_rng(seed).uniform(0.5, 1.5, hours)
    return [{"renewables": float(factor)} for factor in drawn]


def outcome(op):
    """All that hours left behind, times taken aside."""
    found = {k: v.tolist() for k, v in op.history.items() if k != "seconds"}
    found["ledger"] = [op.ledger.load_kwh.tolist(), op.ledger.green_kwh.tolist()]
    found["cost"] = op.cost_yuan
    found["jobs"] = [op.running.tolist(), op.waiting.tolist(), op.lost.tolist()]
    return found


def test_hours_add_up():
    """If this fails, the year's account is not the sum of its hours."""
    op = operator()
    for t, hour in enumerate(weather(0, 12)):
        step = op.step(actual=hour)
        assert t % 4 or step.plan.verify().valid, step.plan.verify()
        assert step.bound_yuan <= step.plan.objective_yuan
    ledger, history = op.ledger, op.history
    assert ledger.hours.tolist() == list(range(12))
    assert ledger.load_kwh.sum() == pytest.approx(history["load_kwh"].sum(), rel=1e-12)
    assert ledger.green_kwh.sum() == pytest.approx(history["green_kwh"].sum(), rel=1e-12)
    assert (ledger.green_kwh <= ledger.load_kwh + 1e-6).all()
    assert (ledger.green_share <= 1 + 1e-9).all()
    ended = len(op.world.jobs) - len(op.waiting) - len(op.lost)
    assert ended == history["started"].sum()
    assert op.clock == 12
    with pytest.raises(InvalidProblemError, match="the tables end"):
        op.step()
    assert op.clock == 12
    assert sum(op.account.parts.values()) == op.cost_yuan
    assert op.account.tail_h == 0


def test_what_the_operator_did_is_a_plan_of_hindsight():
    """If this fails, cost and hindsight do not settle alike what is open."""
    for seed, hours in ((2, 5), (3, 12)):
        op = operator(world(seed))
        for hour in weather(seed, hours):
            op.step(actual=hour)
        seen = op.hindsight()
        assert seen.verify().valid
        assert seen.bound_yuan <= op.cost_yuan * (1 + 1e-9), (seed, hours)
        assert seen.problem.hours == hours + op.account.tail_h


def test_hindsight_of_the_operators_own_starts_costs_what_the_operator_paid():
    """If this fails, a part of the cost is counted twice, or forgotten.

    The very starts of the operator, dispatched by one who knew the weather, cost at most what it
    paid; and without errors of forecast no less than its own plans found, up to their gap.
    """
    op = operator(world(3))
    commits = {}
    for _ in range(7):
        step = op.step()
        columns = (step.commit[name].tolist() for name in ("job", "klass", "start"))
        commits.update({job: (c, t) for job, c, t in zip(*columns, strict=True)})
    problem = op.hindsight().problem
    rows = np.flatnonzero(op.world.jobs.release < 7)
    klass, start = np.full(len(rows), -1, np.int32), np.full(len(rows), -1, np.int32)
    for at, job in enumerate(rows.tolist()):
        if job in commits:
            klass[at], start[at] = commits[job]
    plan = grid.evaluate(problem, (klass, start))
    assert plan.objective_yuan <= op.cost_yuan * (1 + 1e-9)
    assert plan.objective_yuan >= op.cost_yuan * 0.9


def test_an_hour_is_decided_before_it_is_known():
    """If this fails, starts of an hour depend on what the hour then brought."""
    commits = []
    for factor in (0.2, 1.0, 1.7):
        op = operator()
        op.step(actual={"renewables": 0.8})
        step = op.step(actual={"renewables": factor})
        commits.append({name: step.commit[name].tolist() for name in step.commit})
    assert commits[0] == commits[1] == commits[2]


def test_wind_that_fails_is_a_shortfall_and_never_an_error():
    """If this fails, an operator has no plan in the hour in which it needs one most."""
    problem = world()
    problem = problem.replace(sites=problem.sites.replace(connection_kw=0.0))
    op = operator(problem)
    for factor in (1.0, 0.0, 0.0, 1.0):
        op.step(actual={"renewables": factor, "bundled_kwh": 0.0})
    assert op.ledger.shed_kwh.sum() > 0
    assert op.history["shed"].sum() == pytest.approx(op.ledger.shed_kwh.sum() * 50.0)


def test_what_an_hour_brings_is_checked_and_a_failed_step_changes_nothing():
    """If this fails, half an hour is written down."""
    op = operator()
    op.step()
    before = outcome(op)
    job = int(op.waiting[0])
    for call, error, words in (
        ({"actual": {"sunshine": 1.0}}, InvalidProblemError, ["'sunshine'", "renewables", "wind"]),
        ({"actual": {"renewables": -1.0}}, InvalidProblemError, ["-1", ">= 0"]),
        ({"actual": {"renewables": [1.0, 2.0]}}, InvalidProblemError, ["(2,)", "(3, 12)"]),
        ({"actual": {"tariff_yuan_per_kwh": [np.nan] * 12}}, InvalidProblemError, ["nan"]),
        ({"actual": [1.0]}, TypeError, ["mapping"]),
        ({"finished": [99]}, InvalidProblemError, ["finished[0]", "99", "below 40"]),
        ({"finished": [job]}, InvalidProblemError, ["finished[0]", "one that runs"]),
        ({"finished": ["a"]}, TypeError, ["job numbers"]),
        ({"new_jobs": [1]}, TypeError, ["Jobs"]),
        ({"new_jobs": {"gangs": [1]}}, InvalidProblemError, ["'gangs'", "needed one of gang,"]),
        ({"time_limit": -1.0}, InvalidProblemError, ["time_limit"]),
    ):
        with pytest.raises(error) as caught:
            op.step(**call)
        assert all(word in str(caught.value) for word in words), str(caught.value)
        assert outcome(op) == before
    late = {"gang": [1], "work_h": [1.0], "origin": [0], "release": [0], "deadline": [9]}
    with pytest.raises(InvalidProblemError, match=r"jobs.release\[0\] is 0"):
        op.step(new_jobs={**late, "value_yuan": [5.0]})
    far = {**late, "origin": [12], "release": [1], "value_yuan": [5.0]}
    with pytest.raises(InvalidProblemError, match=r"jobs.origin\[0\] is 12"):
        op.step(new_jobs=far)


def test_what_an_hour_brings_is_checked_before_it_is_planned(
    monkeypatch,
):
    """If this fails, a bad reading costs the hour: its error comes when all is planned."""

    def planned(*_args, **_options):
        pytest.fail("the hour was planned")

    op = operator()
    monkeypatch.setattr("gridcompute.grid.operations.rolling.match", planned)
    for actual, words in (
        ({"tariff_yuan_per_kwh": [0.5] * 11 + [np.nan]}, ["actual.tariff_yuan_per_kwh[11]", "nan"]),
        ({"base_load_kwh": -1.0}, ["actual.base_load_kwh[0]", "-1.0", ">= 0", "kWh"]),
        ({"grid_green_share": 1.5}, ["actual.grid_green_share[0]", "1.5", "<= 1"]),
        ({"bundled_kwh": np.inf}, ["actual.bundled_kwh[0]", "inf", "finite"]),
        ({"renewables": 1e300}, ["actual.renewables", "<= 1e+12", "kWh"]),
    ):
        with pytest.raises(InvalidProblemError) as caught:
            op.step(actual=actual)
        assert all(word in str(caught.value) for word in words), str(caught.value)
        assert caught.value.field == f"actual.{next(iter(actual))}"


def test_settings_are_checked():
    """If this fails, a slip of the pen is found out hours later."""
    problem = world()
    for settings, error in (
        ({"horizon_h": 0}, InvalidProblemError),
        ({"margin": 2.0}, InvalidProblemError),
        ({"gap": -1.0}, InvalidProblemError),
        ({"forecast": "perfect"}, InvalidProblemError),
        ({"arrivals": "tomorrow"}, InvalidProblemError),
        ({"movable": [True]}, InvalidProblemError),
        ({"movable": 1.5}, TypeError),
        ({"move_yuan": -1.0}, InvalidProblemError),
    ):
        with pytest.raises(error):
            grid.Rolling(problem, **settings)
    with pytest.raises(TypeError):
        grid.Rolling(problem.jobs)
    with pytest.raises(InvalidProblemError, match="no hour that has passed"):
        operator().hindsight()


def test_new_jobs_are_counted_on_and_start():
    """If this fails, jobs that came today are another's number."""
    problem = world(jobs=3)
    quotas = grid.Quotas.unlimited(len(problem.quotas))
    op = operator(problem.replace(quotas=quotas))
    op.step()
    new = grid.Jobs(
        gang=[1, 1, 1],
        work_h=[1.0, 1.0, 1.0],
        origin=[0, 1, 2],
        release=[1, 3, 2],
        deadline=[6, 8, 40],
        value_yuan=99.0,
    )
    starts = {}
    for t in range(1, 9):
        step = op.step(new_jobs=new if t == 1 else None)
        starts.update(dict.fromkeys(step.commit["job"].tolist(), t))
    assert set(starts) >= {3, 4}
    assert starts[3] <= 5
    assert starts[4] >= 3


def test_expected_jobs_take_room_and_are_never_committed():
    """If this fails, a job that never came is started."""
    problem = world(hours=30, jobs=2)
    columns = {"gang": [2], "work_h": [1.0], "origin": [0], "value_yuan": [50.0]}

    def soon(history, now, hours):
        return {name: values[-1:] + (name == "arrival_h") for name, values in history.items()}

    op = operator(problem, arrivals=soon)
    for t in range(4):
        new = {**columns, "release": [t], "deadline": [t + 3]}
        step = op.step(new_jobs=new)
        assert (step.rows == -1).sum() == (1 if t + 1 < 30 else 0)
        assert (step.commit["job"] >= 0).all()
        assert step.plan.verify().valid
    daily = operator(problem, arrivals=gc.forecast.yesterday)
    daily.step(new_jobs={**columns, "release": [0], "deadline": [3]})
    expected = [int((daily.step().rows == -1).sum()) for _ in range(24)]
    assert sum(expected[:18]) == 0  # a day is not known yet
    assert expected[-2] == 1  # what came a day ago comes again


def test_a_model_of_ones_own_forecasts_the_renewables():
    """If this fails, plans are made for another sun than the one expected."""
    seen = []

    def half(past, hours):
        seen.append(past.tolist())
        return np.full(hours, 0.5)

    op = operator(forecast=half)
    op.step(actual={"renewables": 0.7})
    op.step(actual={"renewables": 0.6})
    assert seen[0] == []
    assert seen[1] == pytest.approx([0.7])
    direct = op.problem.energy.direct_kwh
    assert direct == pytest.approx(0.5 * op.world.energy.direct_kwh[:, :, 1:7])
    with pytest.raises(InvalidProblemError, match="forecast"):
        operator(forecast=lambda past, hours: [1.0]).step()


def test_the_last_error_decays_over_the_hours_ahead():
    """If this fails, "corrected" does not learn."""
    op = operator(world(hours=24), forecast="corrected")
    for _ in range(6):
        op.step(actual={"renewables": 0.6})
    factor = op.problem.energy.direct_kwh.sum(axis=(0, 1))
    ahead = slice(5, 5 + op.problem.hours)  # more than the six hours where what runs takes longer
    factor = factor / op.world.energy.direct_kwh[:, :, ahead].sum(axis=(0, 1))
    assert (factor[:3] < 0.9).all(), factor


def test_jobs_that_may_move_do_so_where_it_pays_and_others_never():
    """If this fails, a pinned job moves, or a movable one cannot."""
    problem = world(5, hours=16)
    may = np.arange(40) % 2 == 0
    op = operator(problem, movable=may, move_yuan=0.01, checkpoint_gb=0.1, gap=1e-3)
    moved = []
    for t in range(10):
        energy = problem.energy.tariff_yuan_per_kwh[:, t]
        flipped = {"tariff_yuan_per_kwh": energy[::-1] * 5} if t % 2 else {}
        step = op.step(actual=flipped, work_limit=10_000)
        moved += step.moved["job"].tolist()
        assert t % 3 or step.plan.verify().valid
    assert all(op.may_move(job) for job in moved)
    assert not op.may_move(1)
    fixed = operator(problem)
    assert not any(len(fixed.step().moved["job"]) for _ in range(5))


def test_a_running_job_that_is_left_out_stops_and_waits_with_the_rest_of_its_work():
    """If this fails, work that was done is done again, or lost."""
    problem = world(2, jobs=12)
    running = grid.Running(id=[0], klass=[0], hours_left=[4], movable=True, checkpoint_gb=2.0)
    jobs = {name: getattr(problem.jobs, name).copy() for name in problem.jobs.columns()}
    jobs["value_yuan"][0], jobs["gang"][0], jobs["family"][0] = 1e-4, 1, 1
    jobs["deadline"][0], jobs["residency"][0], jobs["latency_ms"][0] = 12, -1, np.inf
    problem = problem.replace(jobs=grid.Jobs(**jobs), running=running)
    op = operator(problem)
    step = op.step()
    if step.moved["klass"].tolist() == [-1]:  # dearer than its value to run on
        assert 0 in op.waiting.tolist()
    else:
        assert 0 in op.running.tolist() or step.moved["job"].tolist() == [0]


def test_snapshots_go_on_with_the_same_bytes(tmp_path):
    """If this fails, an operator restarted after a crash plans another day."""
    path, hours = tmp_path / "operator.bin", weather(1, 8)
    op = operator(forecast="corrected", movable=np.arange(40) % 3 == 0, move_yuan=0.5)
    for hour in hours[:4]:
        op.step(actual=hour)
    op.snapshot(path)
    again = grid.Rolling.restore(path)
    assert outcome(again) == outcome(op)
    for hour in hours[4:]:
        first, second = op.step(actual=hour), again.step(actual=hour)
        assert first.plan.prices.energy.tobytes() == second.plan.prices.energy.tobytes()
        assert first.plan.assignment.tobytes() == second.plan.assignment.tobytes()
    assert outcome(again) == outcome(op)


def test_a_snapshot_has_no_functions_in_it(tmp_path):
    """If this fails, an operator goes on with forecasts of another make."""
    path = tmp_path / "operator.bin"
    op = operator(forecast=lambda past, hours: np.ones(hours))
    op.snapshot(path)
    with pytest.raises(InvalidProblemError, match="forecast"):
        grid.Rolling.restore(path)
    assert grid.Rolling.restore(path, forecast=lambda past, hours: np.ones(hours)).clock == 0


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is a matter of POSIX")
def test_a_killed_operator_is_restored_from_its_last_hour(tmp_path):
    """If this fails, `kill -9` in the middle of a write loses the operator."""
    path = tmp_path / "operator.bin"
    code = f"""
        import gridcompute as gc
        op = gc.grid.Rolling(gc.grid.east_west(n_jobs=40, seed=2, hours=12), horizon_h=6, gap={GAP})
        while True:
            if op.clock < 3:
                op.step()
            op.snapshot({str(path)!r})
            print(op.clock, flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        for _ in range(5):
            assert child.stdout.readline().strip().isdigit()
        child.send_signal(signal.SIGKILL)
    again = grid.Rolling.restore(path)
    assert again.clock == 3
    straight = operator()
    for _ in range(3):
        straight.step()
    assert again.step().plan.assignment.tobytes() == straight.step().plan.assignment.tobytes()


def test_regret_adds_up():
    """If this fails, the parts of regret are not parts of what was paid too much."""
    op = operator(world(3, hours=10))
    columns = {"gang": [2], "work_h": [2.0], "origin": [3], "value_yuan": [60.0]}
    for t, hour in enumerate(weather(2, 4)):
        new = {**columns, "release": [t], "deadline": [t + 5]}
        op.step(actual=hour, new_jobs=new if t % 2 else None)
    before = outcome(op)
    regret = op.regret
    assert set(regret) == set(REGRET)
    seen = op.hindsight()
    assert sum(regret.values()) == pytest.approx(op.cost_yuan - seen.bound_yuan, abs=1e-6)
    parts = op.regret_by_part(seen)
    assert sum(parts.values()) == pytest.approx(op.cost_yuan - seen.objective_yuan, abs=1e-6)
    assert parts["hours"] == pytest.approx(op.regret_by_hour(seen).sum())
    assert [regret[name] for name in ("tail", "waiting")] == [parts["tail"], parts["waiting"]]
    assert outcome(op) == before


def test_regret_runs_the_hours_again_within_their_own_limits(tmp_path, monkeypatch):
    """If this fails, regret takes minutes where hours took seconds, and compares unlike plans."""
    op, limits = operator(world(3, hours=10)), [2000.0, 500.0]
    for hour, units in zip(weather(2, 2), limits, strict=True):
        op.step(actual=hour, work_limit=units)
    op.snapshot(tmp_path / "operator")
    restored = grid.Rolling.restore(tmp_path / "operator")
    step, again = grid.Rolling.step, []

    def counted(self, **options):
        again.append(options["work_limit"])
        return step(self, **options)

    monkeypatch.setattr(grid.Rolling, "step", counted)
    regret = op.regret
    assert again == limits * 3
    bound = op.hindsight(work_limit=sum(limits)).bound_yuan
    assert sum(regret.values()) == pytest.approx(op.cost_yuan - bound, abs=1e-6)
    assert restored.regret == regret
    assert again == limits * 6


def test_an_operator_of_no_jobs_and_one_hour():
    """If this fails, an empty night stops the operator."""
    problem = world(jobs=1)
    none = grid.Jobs(
        **{name: np.zeros(0, spec.dtype) for name, spec in grid.Jobs.columns().items()}
    )
    op = operator(problem.replace(jobs=none), horizon_h=1)
    for _ in range(2):
        step = op.step()
        assert len(step.commit["job"]) == 0
    assert np.isfinite(op.cost_yuan)
    assert op.hindsight().verify().valid
    assert "hour 2 of 12" in repr(op)


def test_the_page_of_a_run_shows_its_hours(tmp_path):
    """If this fails, an operator has numbers and no picture."""
    op = operator(world(3))
    for hour in weather(3, 4):
        op.step(actual=hour)
    seen = op.hindsight()
    more = op.regret_by_hour(seen)
    assert more.shape == (4,)
    spent = sum(op.history[k] for k in ("energy", "wear", "shed", "data", "delay", "moves"))
    assert more.sum() == pytest.approx((spent - (spent - more)).sum())
    text = op.report(tmp_path / "operator.html", seen).read_text(encoding="utf-8")
    for words in ("Load and green share", "Regret by the hour", "The mandate", "<svg", "Hami"):
        assert words in text
    assert "Regret by the hour" not in op.report(tmp_path / "b.html").read_text(encoding="utf-8")
    empty = operator().report(tmp_path / "empty.html").read_text(encoding="utf-8")
    assert "No hour has passed" in empty


def test_contracts_are_carried_from_hour_to_hour():
    """If this fails, a month's peak is paid each hour, or a year's volume is sold twice."""
    problem = world(1)
    energy = problem.energy
    problem = problem.replace(
        energy=energy.replace(
            take_or_pay=True,
            curtailment_yuan_per_kwh=0.01,
            demand_yuan_per_kw=0.5,
            bundled_volume_kwh=0.1 * energy.bundled_kwh.sum(axis=1),
        )
    )
    op, commits = operator(problem), {}
    for hour in weather(7, 4):
        step = op.step(actual=hour)
        columns = (step.commit[name].tolist() for name in ("job", "klass", "start"))
        commits.update({job: (c, t) for job, c, t in zip(*columns, strict=True)})
    left = op.problem.energy.bundled_volume_kwh
    assert (left <= problem.energy.bundled_volume_kwh).all()
    assert (op.problem.energy.demand_paid_kw > 0).any()
    seen = op.hindsight(time_limit=0.5)
    jobs = seen.problem.jobs.ids.tolist()
    placed = [commits.get(job, (-1, -1)) for job in jobs]
    klass, start = (np.array(part, np.int32) for part in zip(*placed, strict=True))
    same = grid.evaluate(seen.problem, (klass, start))
    assert seen.bound_yuan <= op.cost_yuan * (1 + 1e-9)
    assert same.objective_yuan <= op.cost_yuan * (1 + 1e-9)
    assert same.objective_yuan >= 0.9 * op.cost_yuan


def test_what_a_store_holds_never_rounds_to_more_than_its_size():
    """If this fails, an operator ends with an error in an hour that leaves a battery full.

    Of these numbers ``green + (most - green)`` is more than ``most``.
    """
    from gridcompute.grid.operations.committed_hour import within_store

    most, green = np.array([7.854891493606652]), np.array([1.4855757384787682])
    assert (green + (most - green) > most).all()
    rng = np.random.default_rng(0)
    most = np.append(most, rng.uniform(0, 10, 500))
    green = np.append(green, rng.uniform(-0.1, 1.1, 500) * most[1:])
    for grey in (most - green, most, 0.5 * most, np.full(501, -1e-12)):
        kept = within_store(green, grey, most)
        assert (kept[0] + kept[1] <= most).all()
        assert min(kept[0].min(), kept[1].min()) >= 0
        fits = (green >= 0) & (grey >= 0) & (green + grey <= most)
        assert (kept[0][fits] == green[fits]).all()
        assert (kept[1][fits] == grey[fits]).all()
    nothing = within_store(np.ones(1), np.ones(1), np.zeros(1))
    assert nothing[0].tolist() == nothing[1].tolist() == [0.0]


def test_what_the_last_plan_makes_good_is_not_missing():
    """If this fails, green power owed at night is charged as a shortfall, or a shortfall is not."""
    problem = world(seed=2, hours=4)
    problem = problem.replace(
        energy=problem.energy.replace(battery_kwh=0.0, green_start_kwh=0.0, grey_start_kwh=0.0)
    )
    op, rows = operator(problem, horizon_h=4), problem.mandate_rows
    for _ in range(4):
        op.step(actual={"renewables": 0.0})
        mandate = op.hindsight().problem.mandate
        assert (mandate.shortfall, mandate.shortfall_yuan_per_kwh) == ("priced", 3.0)
        ahead = op._state.ahead
        later = rows.member @ (0.8 * ahead["load_kwh"] - ahead["green_kwh"])
        owed = op.ledger.owed_kwh(problem.mandate, problem.sites) + later
        expected = 3.0 * np.maximum(owed, 0.0).sum()
        assert op.account.parts["mandate"] == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert not ahead["load_kwh"].any()
