"""Any operator by the hour: what it commits stays, books add up, and nothing is read too early."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effort import examples
from gridcompute import grid
from gridcompute.grid.operations.committed_hour import power
from gridcompute.grid.operations.hour_inputs import brought
from step_cases import in_steps

HOURS, HORIZON = 10, 4
#: Any plan is near enough: what is tested holds for each, and plans are quick.
GAP = 2.0


class Day(dict[str, Any]):
    """A day, shown by what it follows from."""

    def __repr__(self):
        jobs = len(self["problem"].jobs)
        step = f"{self['problem'].step_h:.3g} h"
        return f"<Day {self['seed']}: {jobs} jobs, {step}, {self['margin']}, {self['forecast']}>"


@st.composite
def days(draw):
    """A small scenario, its weather, and jobs that come."""
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    n, parts = draw(st.integers(1, 25)), draw(st.sampled_from([1, 1, 2, 3, 4]))
    problem = in_steps(grid.east_west(n_jobs=n, seed=seed, hours=-(-HOURS // parts)), parts)
    quotas = draw(st.sampled_from(["tight", "by accelerator", "none"]))
    if quotas == "none":
        problem = problem.replace(quotas=grid.Quotas.unlimited(len(problem.quotas)))
    elif quotas == "by accelerator":
        problem = problem.replace(quotas=by_accelerator(problem, rng))
    jobs = {name: getattr(problem.jobs, name) for name in problem.jobs.columns()}
    new = {}
    for t in range(HOURS):
        rows = rng.integers(0, n, int(rng.integers(0, 3)))
        columns = {name: values[rows] for name, values in jobs.items()}
        columns["release"] = t + rng.integers(0, 2, len(rows))
        columns["deadline"] = columns["release"] + rng.integers(1, 2 * HOURS, len(rows))
        new[t] = columns if len(rows) else None
    answer = {
        "seed": seed,
        "problem": problem,
        "horizon_h": max(1, HORIZON // parts),
        "weather": rng.uniform(0.0, 1.6, HOURS),
        "new": new,
        "movable": rng.random(n) < draw(st.sampled_from([0.0, 0.5])),
        "margin": draw(st.sampled_from([0.0, 0.05])),
        "forecast": draw(st.sampled_from([None, "corrected"])),
    }
    return Day(answer)


def by_accelerator(problem, rng):
    """Quotas with limits and guarantees for each accelerator, some of them tight."""
    jobs, shape = problem.jobs, (len(problem.classes.accelerator_names), len(problem.quotas))
    asked = np.bincount(jobs.tenant, jobs.gang * np.ceil(jobs.work_h), shape[1])
    upper = np.where(rng.random(shape) < 0.3, np.inf, rng.uniform(0.2, 1.0, shape) * asked)
    return problem.quotas.replace(
        upper_by_accelerator_h=upper,
        lower_by_accelerator_h=np.minimum(upper, 0.1 * asked),
        below_yuan_per_accelerator_h=0.5,
    )


def operator(day, problem=None):
    """The operator of a day."""
    return grid.Rolling(
        day["problem"] if problem is None else problem,
        horizon_h=day["horizon_h"],
        gap=GAP,
        movable=day["movable"],
        move_yuan=0.1,
        margin=day["margin"],
        forecast=day["forecast"],
        threads=1,
    )


def hour(op, day, t):
    """One hour of a day."""
    return op.step(actual={"renewables": day["weather"][t]}, new_jobs=day["new"][t])


@pytest.mark.slow
@settings(max_examples=examples(2, 30), deadline=None)
@given(days())
def test_what_is_committed_is_never_taken_back(day):
    """If this fails, a job starts twice, is moved though it is pinned, or ends before its time."""
    op, started, ends = operator(day), {}, {}
    problem = day["problem"]
    capacity, energy, quotas = problem.classes.capacity, problem.energy, problem.quotas
    kinds, taken = problem.classes.accelerator, {}
    for t in range(HOURS):
        step = hour(op, day, t)
        if t in (0, HOURS // 2, HOURS - 1):  # verifying takes three times as long as planning
            certificate = step.plan.verify()
            assert certificate.valid, (day["seed"], t, str(certificate))
        for job, klass, hours in zip(
            *(step.commit[k].tolist() for k in ("job", "klass", "hours")), strict=True
        ):
            stopped = started.get(job) == -1
            assert job not in started or stopped, (day["seed"], t, job)
            started[job], ends[job] = klass, t + hours
        for k, job in enumerate(step.moved["job"].tolist()):
            assert op.may_move(job), (day["seed"], t, job)
            klass = int(step.moved["klass"][k])
            started[job], ends[job] = klass, t + int(step.moved["hours"][k])
        book = op._state.book
        runs = [job for job, klass in started.items() if klass >= 0 and ends[job] > t + 1]
        assert sorted(runs) == op.running.tolist(), (day["seed"], t)
        assert [int(book["klass"][job]) for job in runs] == [started[job] for job in runs]
        use = np.zeros(len(capacity), int)
        np.add.at(use, [started[job] for job in runs], [int(book["gang"][job]) for job in runs])
        assert (use <= capacity[:, t]).all(), (day["seed"], t)
        for job in (job for job, klass in started.items() if klass >= 0 and ends[job] > t):
            key = int(kinds[started[job]]), int(book["tenant"][job])
            taken[key] = taken.get(key, 0) + int(book["gang"][job])
        stored = op._state.green_kwh, op._state.grey_kwh
        assert (stored[0] >= 0).all()
        assert (stored[1] >= 0).all()
        assert (stored[0] + stored[1] <= energy.battery_kwh * (1 + 1e-12)).all()
    assert not set(op.lost.tolist()) & {job for job, klass in started.items() if klass >= 0}
    for k in range(len(quotas)):
        each = {a: n * problem.step_h for (a, tenant), n in taken.items() if tenant == k}
        assert sum(each.values()) <= quotas.limit_accelerator_h[k] * (1 + 1e-12), (day["seed"], k)
        for a in each if quotas.by_accelerator else ():
            limit = quotas.upper_by_accelerator_h[a, k]
            assert each[a] <= limit * (1 + 1e-12), (day["seed"], k, a)


def adds_up(op, before, d, came, shown):
    """Check the energy of the hour that has just passed, source by source and store by store.

    `before` is what was stored, green and grey, `d` how the hour was powered, `came` what came.
    """
    energy, near = op.world.energy, {"rel": 1e-6, "abs": 1e-6}
    one = {name: getattr(d, name)[..., 0] for name in d.columns() if name.endswith("_kwh")}
    assert all((values >= -1e-6).all() for values in one.values()), shown
    source = one["direct_kwh"] + one["direct_charge_kwh"]
    source = source + one["exported_kwh"] + one["curtailed_kwh"]
    assert source == pytest.approx(came["direct_kwh"], **near), shown
    green = one["direct_kwh"].sum(axis=0) + one["bundled_kwh"] + one["green_discharge_kwh"]
    served = green + one["grid_kwh"] + one["grey_discharge_kwh"] + one["shed_kwh"]
    assert served == pytest.approx(op.ledger.load_kwh[-1], **near), shown
    assert green == pytest.approx(op.ledger.green_kwh[-1], **near), shown
    assert one["shed_kwh"] == pytest.approx(op.ledger.shed_kwh[-1], **near), shown
    put = one["direct_charge_kwh"].sum(axis=0) + one["bundled_charge_kwh"]
    most = energy.battery_kw * op.world.step_h * (1 + 1e-6) + 1e-6
    assert (put + one["grid_charge_kwh"] <= most).all(), shown
    assert (one["green_discharge_kwh"] + one["grey_discharge_kwh"] <= most).all(), shown
    for was, now, in_, out in (
        (before[0], op._state.green_kwh, put, one["green_discharge_kwh"]),
        (before[1], op._state.grey_kwh, one["grid_charge_kwh"], one["grey_discharge_kwh"]),
    ):
        left = was + energy.charge_efficiency * in_ - out / energy.discharge_efficiency
        assert now == pytest.approx(left, **near), shown


@settings(max_examples=examples(3, 20), deadline=None)
@given(days(), st.integers(1, HOURS))
def test_energy_and_ledger_add_up_over_the_hours(day, hours):
    """If this fails, energy appears or disappears between two hours.

    What is stored at the end is what was stored, and came in, less what went out and was lost; the
    load of each hour is that of the base and of what runs.
    """
    op, energy = operator(day), day["problem"].energy
    kwh = day["problem"].kwh_per_accelerator_h
    site = day["problem"].classes.site
    for t in range(hours):
        before = op._state.green_kwh, op._state.grey_kwh
        step = hour(op, day, t)
        book = op._state.book
        ran = np.flatnonzero((book["started"] >= 0) & (book["end"] > t) & (book["klass"] >= 0))
        load = energy.base_load_kwh[:, t].copy()
        used = book["gang"][ran] * kwh[book["klass"][ran], t]
        np.add.at(load, site[book["klass"][ran]], used)
        assert op.ledger.load_kwh[t] == pytest.approx(load, rel=1e-9), (day["seed"], t)
        came = brought({"renewables": day["weather"][t]}, energy, t)
        adds_up(op, before, power(step.plan, came).dispatch, came, (day["seed"], t))
    ledger = op.ledger
    assert len(ledger) == hours
    assert (ledger.shed_kwh >= 0).all()
    assert (ledger.green_kwh <= ledger.load_kwh + 1e-6).all()
    assert ledger.load_kwh.sum() == pytest.approx(op.history["load_kwh"].sum(), rel=1e-12)
    rows = day["problem"].mandate_rows
    owed = rows.share * (rows.member @ ledger.load_kwh.sum(axis=0))
    owed = owed - rows.member @ ledger.green_kwh.sum(axis=0)
    mandate = day["problem"].mandate
    assert ledger.owed_kwh(mandate, day["problem"].sites) == pytest.approx(owed, abs=1e-6)
    carried = op.problem.mandate_rows.carried_kwh  # of the plan of the last hour: without it
    until = rows.share * (rows.member @ ledger.load_kwh[:-1].sum(axis=0))
    until = until - rows.member @ ledger.green_kwh[:-1].sum(axis=0)
    if not day["margin"]:
        assert carried == pytest.approx(until, abs=1e-6)


@settings(max_examples=examples(2, 20), deadline=None)
@given(days(), st.integers(0, HOURS - 1))
def test_an_operator_restored_from_any_hour_goes_on_with_the_same_bytes(day, at):
    """If this fails, an operator that was restarted plans another day."""
    op = operator(day)
    for t in range(at):
        hour(op, day, t)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "operator")
        op.snapshot(path)
        again = grid.Rolling.restore(path)
    for t in range(at, HOURS):
        first, second = hour(op, day, t), hour(again, day, t)
        for name in ("assignment", "start"):
            ours, theirs = getattr(first.plan, name), getattr(second.plan, name)
            assert ours.tobytes() == theirs.tobytes(), (day["seed"], at, t)
        assert first.plan.prices.energy.tobytes() == second.plan.prices.energy.tobytes()
    assert op.cost_yuan == again.cost_yuan
    assert op.ledger.green_kwh.tobytes() == again.ledger.green_kwh.tobytes()


@settings(max_examples=examples(3, 20), deadline=None)
@given(days(), st.integers(0, 3))
def test_nothing_is_read_before_its_time(day, at):
    """If this fails, an hour's starts depend on what lies beyond its window, or comes later.

    All hours beyond the window of hour `at` get other tables, all later hours other weather, and
    later jobs are others; what was committed until then is the same.
    """
    problem, end = day["problem"], at + HORIZON  # or less: of 3 steps an hour it is 3 ahead
    longest = int(operator(day)._state.book["least_h"].max())
    rng = np.random.default_rng(day["seed"] + 1)
    energy, late = problem.energy, max(end, at + longest)
    changed = {}
    for name in ("direct_kwh", "tariff_yuan_per_kwh", "bundled_kwh"):
        values = getattr(energy, name).copy()
        values[..., late:] *= rng.uniform(0.2, 3.0, values[..., late:].shape)
        changed[name] = values
    jobs = {name: getattr(problem.jobs, name).copy() for name in problem.jobs.columns()}
    far = problem.jobs.release >= late
    for name in ("gang", "value_yuan", "delay_yuan_per_h"):
        jobs[name][far] = jobs[name][far] * 2
    other = problem.replace(energy=energy.replace(**changed), jobs=grid.Jobs(**jobs))
    new = {t: columns if t <= at else None for t, columns in day["new"].items()}
    weather = day["weather"].copy()
    weather[at:] = rng.uniform(0.0, 2.0, HOURS - at)
    scrambled = Day({**day, "weather": weather, "new": new})
    first, second = operator(day), operator(scrambled, other)
    for t in range(at + 1):
        ours, theirs = hour(first, day, t), hour(second, scrambled, t)
        for name in ours.commit:
            assert ours.commit[name].tolist() == theirs.commit[name].tolist(), (day["seed"], t)
