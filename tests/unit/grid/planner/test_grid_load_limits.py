"""Minimum load and limits of its change from step to step, and what is outside them, at a price."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import grid
from gridcompute.grid.checker.bound import energy_bound
from gridcompute.grid.checker.energy_lp import EnergyProgram
from gridcompute.grid.planner.dispatch_lp import EnergyBlock
from gridcompute.grid.planner.state import dispatch_cost
from malformed import sound

if TYPE_CHECKING:
    from pathlib import Path

N_JOBS = 60


def limited(seed: int, **columns: object) -> grid.Problem:
    """The scenario with random limits of every kind at most of its sites."""
    problem = grid.east_west(n_jobs=N_JOBS, seed=seed)
    rng = np.random.default_rng(seed)
    load = problem.most_load_kwh.mean(axis=1)
    given = {
        "minimum_load_kw": rng.choice([0.0, 0.3], (12, 1)) * load[:, None] * rng.random((12, 24)),
        "ramp_up_kw": rng.choice([np.inf, 0.05, 0.0], 12) * (load + 1e-9),
        "ramp_down_kw": rng.choice([np.inf, 0.05], 12) * load,
        "load_before_kw": rng.choice([np.inf, 0.1], 12) * load,
        "load_limit_yuan_per_kwh": rng.choice([0.0, 0.4, 5.0], 12),
    }
    return problem.replace(sites=problem.sites.replace(**{**given, **columns}))


def outside_kwh(problem: grid.Problem, drawn: np.ndarray) -> np.ndarray:
    """How far the load of each site lies outside its limits, in plain loops."""
    sites, total = problem.sites, np.zeros(len(drawn))
    for s, load in enumerate(drawn):
        last = sites.load_before_kw[s] * problem.step_h
        for h, kwh in enumerate(load):
            least = np.broadcast_to(sites.minimum_load_kw[s], len(load))[h] * problem.step_h
            total[s] += max(least - kwh, 0.0)
            if np.isfinite(last):
                total[s] += max(kwh - last - sites.ramp_up_kw[s] * problem.step_h, 0.0)
                total[s] += max(last - kwh - sites.ramp_down_kw[s] * problem.step_h, 0.0)
            last = kwh
    return total


@pytest.mark.parametrize("seed", range(4))
def test_the_dispatch_costs_what_the_checkers_program_says(seed: int) -> None:
    """If this fails, planner and checker read a limit differently, or a bound leaves it out."""
    problem = limited(seed)
    if seed % 2:  # load that is shed is outside the limits
        problem = problem.replace(
            energy=problem.energy.replace(
                shed_kwh=problem.most_load_kwh * 0.2, shed_yuan_per_kwh=1.5
            )
        )
    rng = np.random.default_rng(seed)
    most, base = problem.most_load_kwh, problem.energy.base_load_kwh
    load = base + rng.random(most.shape) * (most - base)
    block = EnergyBlock(problem)
    supplied = block.serve(load)
    needed = EnergyProgram(problem, load, load).value()
    assert supplied.yuan == pytest.approx(needed, rel=1e-7)
    assert dispatch_cost(problem, supplied.dispatch) == pytest.approx(needed, rel=1e-6)
    # The marginal price of load is that of a kWh more and a kWh less.
    s, t = np.argwhere(load < most - 1)[rng.integers(50)]
    for step in (1e-3, -1e-3):
        beside = load.copy()
        beside[s, t] += step
        change = EnergyProgram(problem, beside, beside).value() - needed
        price = supplied.energy_yuan_per_kwh[s, t]
        assert change >= price * step - 1e-6 * max(1.0, abs(needed) * 1e-3), (seed, s, t, step)
    end, price = block.curves(load)
    assert (np.diff(end, axis=-1) >= -1e-9).all()
    assert (np.diff(price, axis=-1) >= 0).all()
    pi = rng.uniform(-0.2, 1.0, most.shape)
    found = block.minimum(pi).bound
    assert found == pytest.approx(energy_bound(problem, pi), rel=1e-6, abs=1e-4)
    assert found <= needed - (pi * (load - base)).sum() + 1e-6 * abs(needed)


@pytest.mark.parametrize("seed", [0])
def test_a_plan_under_limits_is_valid_and_they_are_shown(seed: int, tmp_path: Path) -> None:
    """If this fails, `match`, `evaluate`, the audit or the page leaves a limit out."""
    problem = limited(seed)
    plan = gc.match(problem, gap=0.1, time_limit=1)
    found = plan.verify()
    assert found.valid, str(found)
    needed = outside_kwh(problem, plan.dispatch.load_kwh)
    yuan = float((problem.sites.load_limit_yuan_per_kwh * needed).sum())
    assert yuan > 0
    assert plan.costs["load_limits"] == pytest.approx(yuan, rel=1e-6)
    assert sum(plan.costs.values()) == pytest.approx(plan.objective_yuan, rel=1e-9)
    borne = plan.table()["allocated_yuan"].sum()
    assert borne == pytest.approx(plan.objective_yuan - plan.costs["unplaced"], rel=1e-9)
    again = grid.evaluate(problem, plan)
    assert again.objective_yuan == pytest.approx(plan.objective_yuan, rel=1e-9)
    hourly = plan.hourly.to_arrow()
    shown = np.add(*(np.array(hourly[k]) for k in ("below_minimum_kwh", "ramp_excess_kwh")))
    np.testing.assert_allclose(shown.reshape(12, 24).sum(axis=1), needed, rtol=1e-6, atol=1e-6)
    alarms = [a for a in grid.audit(plan).alarms if "minimum load" in a or "changes its load" in a]
    assert alarms
    assert "load limits" in str(grid.audit(plan))
    page = tmp_path / "plan.html"
    plan.report(page)
    assert "load limits" in page.read_text(encoding="utf-8")


def test_a_forged_cost_of_the_limits_is_found() -> None:
    """If this fails, a plan may say that it keeps a minimum load that it does not keep."""
    problem = limited(0)
    plan = grid.evaluate(problem, grid.policies.cheapest(problem))
    assert plan.costs["load_limits"] > 1
    free = problem.replace(sites=problem.sites.replace(load_limit_yuan_per_kwh=0.0))
    cheap = grid.evaluate(free, grid.policies.cheapest(free))
    forged = dataclasses.replace(cheap, problem=problem)
    tokens = {fault.token for fault in forged.verify().faults}
    assert "CostMismatch" in tokens, tokens


def test_jobs_go_where_a_site_must_draw_power() -> None:
    """If this fails, what a minimum load costs does not reach the jobs' choice."""
    plain = sound().replace(mandate=grid.Mandate(share=0.0))
    free = gc.match(plain).dispatch.load_kwh
    assert free[1].min() < 0.3, "the South is idle in some hour where it may be"
    sites = plain.sites.replace(minimum_load_kw=np.array([0.0, 0.4]), load_limit_yuan_per_kwh=5.0)
    held = gc.match(plain.replace(sites=sites))
    assert held.verify().valid
    assert held.status == "optimal"
    np.testing.assert_allclose(held.dispatch.load_kwh[1].min(), 0.4)
    assert held.costs["load_limits"] < 1e-9


def test_steps_of_a_quarter_of_an_hour_have_limits_in_kw() -> None:
    """If this fails, a limit in kW counts four times, or a quarter, in steps of 15 minutes."""
    problem = limited(1)
    short = problem.replace(step_h=0.25)
    plan = grid.evaluate(short, grid.policies.nearest(short))
    assert plan.verify().valid
    needed = problem.sites.load_limit_yuan_per_kwh * outside_kwh(short, plan.dispatch.load_kwh)
    assert plan.costs["load_limits"] == pytest.approx(needed.sum(), rel=1e-6)


def test_without_limits_nothing_changes() -> None:
    """If this fails, a problem of earlier versions has another plan."""
    plain = grid.east_west(n_jobs=N_JOBS, seed=0)
    block = EnergyBlock(plain)
    assert not {"below", "rise", "fall"} & block.column.keys()
    priced = plain.replace(sites=plain.sites.replace(load_limit_yuan_per_kwh=9.0))
    assert not {"below", "rise", "fall"} & EnergyBlock(priced).column.keys()
    plans = [grid.evaluate(p, grid.policies.cheapest(p)) for p in (plain, priced)]
    assert plans[0].objective_yuan == plans[1].objective_yuan
    assert plans[0].bound_yuan == plans[1].bound_yuan
    np.testing.assert_array_equal(plans[0].prices.energy, plans[1].prices.energy)
    assert plans[0].costs["load_limits"] == 0
    assert "below_minimum_kwh" not in plans[0].hourly.to_arrow().column_names


def test_limits_survive_files_and_windows(tmp_path: Path) -> None:
    """If this fails, a stored or cut problem has other limits."""
    problem = limited(1)
    for form in ("csv", "tidy", "parquet"):
        again = grid.read_problem(grid.write_problem(problem, tmp_path / form, format=form))
        for name in problem.sites.columns():
            found, needed = getattr(again.sites, name), getattr(problem.sites, name)
            np.testing.assert_array_equal(found, needed, err_msg=name)
    head, tail = problem.window(0, 6), problem.window(6, 6)
    np.testing.assert_array_equal(head.sites.load_before_kw, problem.sites.load_before_kw)
    assert np.isinf(tail.sites.load_before_kw).all()
    least = problem.sites.minimum_load_kw
    np.testing.assert_array_equal(tail.sites.minimum_load_kw, least[:, 6:12])


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("minimum_load_kw", -1.0, r"sites.minimum_load_kw\[0, 0\] is -1.0, needed a finite"),
        ("minimum_load_kw", np.inf, r"sites.minimum_load_kw\[0, 0\] is inf"),
        ("ramp_up_kw", -2.0, r"sites.ramp_up_kw\[0\] is -2.0, needed inf or a number >= 0"),
        ("ramp_down_kw", np.nan, r"sites.ramp_down_kw\[0\] is nan"),
        ("load_before_kw", -2.0, r"sites.load_before_kw\[0\] is -2.0"),
        ("load_limit_yuan_per_kwh", np.inf, r"sites.load_limit_yuan_per_kwh\[0\] is inf"),
    ],
)
def test_limits_out_of_range_are_refused(column: str, value: float, words: str) -> None:
    shape = (12, 24) if column == "minimum_load_kw" else 12
    with pytest.raises(gc.InvalidProblemError, match=words):
        limited(0, **{column: np.full(shape, value)})


def test_an_operator_carries_the_load_from_hour_to_hour() -> None:
    """If this fails, the change into an hour is free, or the account and hindsight leave it out."""
    plain = grid.east_west(n_jobs=20, seed=3, hours=8)
    load = plain.most_load_kwh.mean(axis=1)
    limits = {"ramp_up_kw": 0.02 * load, "ramp_down_kw": 0.02 * load, "minimum_load_kw": 0.1 * load}
    world = plain.replace(sites=plain.sites.replace(**limits))
    operator = grid.Rolling(world, horizon_h=4, gap=2.0)
    commits = {}
    for _ in range(4):
        step = operator.step()
        assert step.plan.verify().valid, step.plan.verify()
        columns = (step.commit[name].tolist() for name in ("job", "klass", "start"))
        commits.update({job: (c, t) for job, c, t in zip(*columns, strict=True)})
    ledger = operator.ledger
    outside = outside_kwh(world, (ledger.load_kwh - ledger.shed_kwh).T)
    needed = float((world.sites.load_limit_yuan_per_kwh * outside).sum())
    assert needed > 1
    assert operator.history["energy"].sum() > needed
    # The very starts of the operator cost what it paid, or less, where all is known beforehand.
    problem = operator.hindsight().problem
    rows = np.flatnonzero(world.jobs.release < 4)
    klass, start = np.full(len(rows), -1, np.int32), np.full(len(rows), -1, np.int32)
    for at, job in enumerate(rows.tolist()):
        if job in commits:
            klass[at], start[at] = commits[job]
    own = grid.evaluate(problem, (klass, start))
    paid = operator.cost_yuan
    assert 0.9 * paid <= own.objective_yuan <= paid * (1 + 1e-9), (own.objective_yuan, paid)
