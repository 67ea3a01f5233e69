"""The direct-connection rule: own sources are used, and carry their part of the load."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

import gridcompute as gc
from grid_oracles import load_of
from gridcompute import InvalidProblemError, grid
from gridcompute.grid.checker.bound import energy_bound
from gridcompute.grid.checker.energy_lp import EnergyProgram
from gridcompute.grid.planner import simplex as simplex
from gridcompute.grid.planner.dispatch_lp import EnergyBlock

if TYPE_CHECKING:
    from pathlib import Path

    from gridcompute.grid.tables.column import Floats

#: Direct power dearer than the grid's: nobody uses it but for a rule.
DEAR = 0.9


def one_site(rule: grid.DirectRule, **energy: object) -> grid.Problem:
    """Two hours at one new site, 100 kWh of load an hour, sun of 80 kWh an hour, no jobs."""
    none = np.zeros(0, int)
    columns = {
        "direct_kwh": np.full((1, 1, 2), 80.0),
        "direct_yuan_per_kwh": np.full((1, 1), DEAR),
        "tariff_yuan_per_kwh": np.full((1, 2), 0.4),
        "base_load_kwh": np.full((1, 2), 100.0),
    }
    return grid.Problem(
        jobs=grid.Jobs(gang=none, work_h=none, value_yuan=none, origin=none, deadline=none),
        sites=grid.Sites(
            name=["A"], latitude=[40.0], longitude=[100.0], new=[True], connection_kw=[1e3]
        ),
        classes=grid.Classes(
            site=[0], accelerator=[0], capacity=[[0, 0]], memory_gb=80.0, power_kw=1.0,
            throughput=[[1.0]],
        ),
        hours=2,
        energy=grid.Energy(**{**columns, **energy}),
        corridors=grid.Corridors(bandwidth_gb=np.zeros((1, 1, 2)), delay_ms=[[0.0]]),
        quotas=grid.Quotas.unlimited(1),
        direct_rule=rule,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "used_kwh"),
    [
        (grid.DirectRule(used=0.0, of_load=0.0), 0.0),
        (grid.DirectRule(), 96.0),  # 0.6 of 160 kWh is more than 0.3 of 200 kWh
        (grid.DirectRule(used=0.1), 60.0),
        (grid.DirectRule(used=0.0, of_load=0.5), 100.0),
        (grid.DirectRule(sites=(False,)), 0.0),
        (grid.DirectRule(shortfall_yuan_per_kwh=0.2), 0.0),  # cheaper to pay than to keep
    ],
)
def test_by_hand(rule: grid.DirectRule, used_kwh: float) -> None:
    """If this fails, the rule asks for another amount than its two shares say."""
    problem = one_site(rule)
    plan = gc.match(problem)
    assert plan.verify().valid, str(plan.verify())
    assert plan.dispatch.direct_kwh.sum() == pytest.approx(used_kwh, abs=1e-6)
    short = plan.dispatch.direct_use_short_kwh[0] + plan.dispatch.direct_load_short_kwh[0]
    paid = rule.shortfall_yuan_per_kwh * short
    power = DEAR * used_kwh + 0.4 * (200 - used_kwh)
    assert plan.objective_yuan == pytest.approx(power + paid)
    assert (short > 1) == (rule.shortfall_yuan_per_kwh == 0.2)


def test_what_cannot_be_used_is_priced_and_told() -> None:
    """If this fails, a site with more sun than load is infeasible, or its breach is not shown."""
    plan = gc.match(one_site(grid.DirectRule(), direct_kwh=np.full((1, 1, 2), 500.0)))
    assert plan.verify().valid
    assert plan.dispatch.direct_use_short_kwh[0] == pytest.approx(400.0)
    account = grid.audit(plan)
    assert account.direct["short_kwh"][0] == pytest.approx(400.0)
    told = "A uses 400.0 kWh of its direct sources less than the direct-connection rule asks"
    assert told in account.alarms


def test_a_site_without_direct_power_is_not_under_the_rule() -> None:
    """If this fails, a site pays for not using sources that it does not have."""
    plan = gc.match(one_site(grid.DirectRule(), direct_kwh=np.zeros((1, 1, 2))))
    assert not grid.audit(plan).direct["ruled"].any()
    assert plan.objective_yuan == pytest.approx(80.0)


@pytest.fixture(scope="module")
def ruled() -> tuple[grid.Problem, Floats]:
    """A day at twelve sites, all under a rule that binds, with some load beside the base."""
    problem = grid.east_west(n_jobs=200, seed=3)
    energy = problem.energy.replace(export_yuan_per_kwh=0.1)
    rule = grid.DirectRule(used=0.9, of_load=0.6, sites=(True,) * 12)
    problem = problem.replace(energy=energy, direct_rule=rule)
    most = EnergyBlock(problem).most_kwh
    base = problem.energy.base_load_kwh
    return problem, base + np.random.default_rng(0).uniform(0, 0.6, base.shape) * (most - base)


def test_the_engine_and_the_checker_write_the_same_rows(
    ruled: tuple[grid.Problem, Floats],
) -> None:
    """If this fails, the engine plans under another rule than the checker knows."""
    problem, load = ruled
    block = EnergyBlock(problem)
    served = block.serve(load)
    assert served.dispatch.direct_use_short_kwh.sum() > 1
    assert served.dispatch.direct_load_short_kwh.sum() > 1
    assert served.yuan == pytest.approx(EnergyProgram(problem, load, load).bound(), rel=1e-8)
    rng = np.random.default_rng(1)
    for _ in range(5):
        pi = rng.uniform(-0.5, 2.0, load.shape)
        assert block.minimum(pi).bound == pytest.approx(energy_bound(problem, pi), rel=1e-7)


def test_curves_lie_below_the_cost_and_touch_it(ruled: tuple[grid.Problem, Floats]) -> None:
    """If this fails, exchanges are judged at prices that forget the rule."""
    problem, load = ruled
    block, base = EnergyBlock(problem), problem.energy.base_load_kwh
    here = block.serve(load)
    end, price = block.curves()

    def charged(at: Floats) -> Floats:
        width = np.diff(end, axis=-1, prepend=-base[..., None])
        filled = np.clip((at - base)[..., None] - (end - width), 0, width)
        return np.asarray((filled * price).sum(axis=-1))

    rng = np.random.default_rng(2)
    for size in (0.001, 0.05, 0.5):
        other = np.maximum(load * (1 + size * rng.uniform(-1, 1, load.shape)), base)
        other = np.minimum(other, block.most_kwh)
        rise = float((charged(other) - charged(load)).sum())
        assert rise <= block.serve(other).yuan - here.yuan + 1e-6 * abs(here.yuan)
    marginal = here.energy_yuan_per_kwh
    inside = (end[..., :-1] < (load - base)[..., None] - 1e-6).sum(axis=-1)
    at_load = np.take_along_axis(price, inside[..., None], -1)[..., 0]
    assert np.isclose(at_load, marginal, atol=1e-6).mean() > 0.9


def test_a_batterys_worth_is_what_more_of_it_saves() -> None:
    """If this fails, the page tells an operator to build a battery that saves less, or more."""
    problem = grid.east_west(n_jobs=2000, seed=3)
    energy, most = problem.energy, EnergyBlock(problem).most_kwh
    base = energy.base_load_kwh
    load = base + np.random.default_rng(0).uniform(0, 0.6, base.shape) * (most - base)
    here = EnergyBlock(problem).serve(load)
    assert (here.storage_yuan.max(axis=0) > 0.1).all()
    for k, name in enumerate(("battery_kwh", "battery_kw")):
        for s in np.flatnonzero(energy.battery_kwh):
            more = getattr(energy, name).copy()
            more[s] += 0.01
            saved = EnergyBlock(problem.replace(energy=energy.replace(**{name: more}))).serve(load)
            assert (here.yuan - saved.yuan) / 0.01 == pytest.approx(
                here.storage_yuan[s, k], abs=0.01
            ), (name, problem.sites.name[s])


def test_a_plan_under_the_rule_is_certified_and_kept(tmp_path: Path) -> None:
    """If this fails, the rule is lost between problem, plan, checker and files."""
    problem = grid.east_west(n_jobs=60, seed=1)
    problem = problem.replace(mandate=grid.Mandate(share=0.0))
    strict = grid.DirectRule(used=1.0, of_load=0.7)
    plan = gc.match(problem.replace(direct_rule=strict), gap=0.25)
    assert plan.verify().valid, str(plan.verify())
    assert plan.bound_yuan <= plan.objective_yuan
    again = grid.read_plan(grid.write_plan(plan, tmp_path))
    assert again.problem.direct_rule == strict
    assert again.verify().valid
    unruled_day = grid.DirectRule(used=0.0, of_load=0.0)
    # Looser: without the rule five CPU seconds end at 0.34, and 0.5 takes a quarter of a second.
    free = grid.whatif(plan, direct_rule=unruled_day, gap=0.5).after
    used, unruled = (grid.audit(p).direct["own_used"] for p in (plan, free))
    new = problem.sites.new
    assert used[new].mean() > unruled[new].mean() + 0.02
    load = load_of(plan.problem, plan.assignment, plan.start)
    short = plan.dispatch.direct_load_short_kwh
    direct = plan.dispatch.direct_kwh.sum(axis=(0, 2))
    assert (direct + short >= 0.7 * load.sum(axis=1) * new - 1e-6).all()
    assert (short[~new] == 0).all()


def test_bad_rules_are_refused() -> None:
    """If this fails, a typing error in a share becomes a plan."""
    for changes, words in (
        ({"used": 1.5}, "direct_rule.used is 1.5, needed a number from 0 to 1"),
        ({"of_load": float("nan")}, "direct_rule.of_load is nan"),
        ({"shortfall_yuan_per_kwh": -1.0}, "direct_rule.shortfall_yuan_per_kwh: found -1.0"),
    ):
        with pytest.raises(InvalidProblemError, match=words):
            grid.DirectRule(**changes)
    with pytest.raises(TypeError, match=r"direct_rule\.sites must be one bool per site"):
        grid.DirectRule(sites=(1, 0))
    with pytest.raises(InvalidProblemError, match="2 values, needed 1, one per site"):
        one_site(grid.DirectRule(sites=(True, False)))
    with pytest.raises(TypeError, match=r"problem\.direct_rule must be a DirectRule, not dict"):
        dataclasses.replace(one_site(grid.DirectRule()), direct_rule={"used": 0.6})


def test_the_solver_does_not_greet() -> None:
    """If this fails, the dispatch prints a licence notice into whatever reads our output."""
    code = "from gridcompute import grid\n"
    code += "from gridcompute.grid.planner.dispatch_lp import EnergyBlock\n"
    code += "block = EnergyBlock(grid.east_west(n_jobs=10))\n"
    code += "block.serve(block.problem.energy.base_load_kwh)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr == ""


def test_load_stays_within_limits_where_a_dispatch_can_serve_it() -> None:
    """If this fails, a warm dive is told to move load that lies far from the one at hand."""
    problem = grid.east_west(n_jobs=200, seed=2)
    block, base = EnergyBlock(problem), problem.energy.base_load_kwh
    pi = 1.1 * problem.energy.tariff_yuan_per_kwh
    anywhere = block.served(pi)
    middle = 0.5 * (base + anywhere)
    low, high = 0.97 * middle, np.maximum(1.03 * middle, base)
    near = block.served(pi, (low, high))
    slack = 1e-6 * (1 + high)
    assert (near >= np.maximum(low, base) - slack).all()
    assert (near <= high + slack).all()

    def earned(load: Floats) -> float:
        return float((pi * load).sum() - block.serve(load).yuan)

    assert earned(near) >= earned(middle) - 1e-6 * abs(earned(middle))
    assert earned(block.served(pi)) == pytest.approx(earned(anywhere), rel=1e-7)


def test_a_solver_that_goes_round_in_circles_is_disturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a dispatch with many ties can run for ever, or ends without an answer."""
    problem = grid.east_west(n_jobs=200, seed=2)
    usual = EnergyBlock(problem)
    monkeypatch.setattr(simplex, "MOST_STEPS", 0)
    stopped = EnergyBlock(problem)
    for part in (0.9, 1.3):
        pi = part * problem.energy.tariff_yuan_per_kwh
        assert stopped.minimum(pi).bound == pytest.approx(usual.minimum(pi).bound, rel=1e-7)
    load = usual.served(pi)
    assert stopped.serve(load).yuan == pytest.approx(usual.serve(load).yuan, rel=1e-7)
