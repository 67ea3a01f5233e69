"""Energy contracts: take-or-pay, priced curtailment, volumes, export limits and demand charges."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import grid
from gridcompute.grid.checker.bound import energy_bound
from gridcompute.grid.checker.energy_lp import EnergyProgram
from gridcompute.grid.planner.dispatch_lp import EnergyBlock
from gridcompute.grid.planner.state import dispatch_cost

N_JOBS = 60


def contracted(seed: int, **columns: object) -> grid.Problem:
    """The scenario with random contracts of every kind, and exports that pay."""
    problem = grid.east_west(n_jobs=N_JOBS, seed=seed)
    rng = np.random.default_rng(seed)
    energy, own = problem.energy, problem.energy.direct_kwh
    load = problem.most_load_kwh.mean(axis=1)
    given = {
        "take_or_pay": rng.random(own.shape[:2]) < 0.4,
        "curtailment_yuan_per_kwh": rng.choice([0.0, 0.05], own.shape[:2]),
        "bundled_volume_kwh": rng.choice([np.inf, 2.0], 12) * energy.bundled_kwh.mean(axis=1)
        + 1e-3,
        "export_kw": rng.choice([np.inf, 0.1], 12) * load + 1e-3,
        "export_yuan_per_kwh": np.where(rng.random((12, 24)) < 0.3, 0.1, 0.0),
        "demand_yuan_per_kw": rng.choice([0.0, 1.5], 12),
        "demand_paid_kw": rng.uniform(0, 0.02, 12) * load,
    }
    if seed % 2:  # a PPA with a price by hour
        by_hour = rng.uniform(0.5, 1.5, own.shape)
        given["direct_yuan_per_kwh"] = 0.24 * by_hour
    return problem.replace(energy=energy.replace(**{**given, **columns}))


@pytest.mark.parametrize("seed", range(4))
def test_the_dispatch_costs_what_the_checkers_program_says(seed: int) -> None:
    """If this fails, planner and checker price a contract differently, or break a limit."""
    problem = contracted(seed)
    rng = np.random.default_rng(seed)
    most = problem.most_load_kwh
    load = problem.energy.base_load_kwh + rng.random(most.shape) * (
        most - problem.energy.base_load_kwh
    )
    supplied = EnergyBlock(problem).serve(load)
    needed = EnergyProgram(problem, load, load).value()
    assert supplied.yuan == pytest.approx(needed, rel=1e-7)
    assert dispatch_cost(problem, supplied.dispatch) == pytest.approx(needed, rel=1e-6)
    pi = rng.uniform(-0.2, 1.0, most.shape)
    found = EnergyBlock(problem).minimum(pi).bound
    assert found == pytest.approx(energy_bound(problem, pi), rel=1e-6, abs=1e-4)
    assert found <= needed - (pi * (load - problem.energy.base_load_kwh)).sum() + 1e-6 * needed


@pytest.mark.parametrize("seed", range(2))
def test_a_plan_under_contracts_is_valid_and_its_parts_are_shown(seed: int) -> None:
    """If this fails, `match` or `evaluate` leaves a contract out."""
    problem = contracted(seed)
    plan = gc.match(problem, gap=0.1, time_limit=2)
    found = plan.verify()
    assert found.valid, str(found)
    assert plan.costs["curtailment"] + plan.costs["demand"] > 0
    assert sum(plan.costs.values()) == pytest.approx(plan.objective_yuan, rel=1e-9)
    borne = plan.table()["allocated_yuan"].sum()
    assert borne == pytest.approx(plan.objective_yuan - plan.costs["unplaced"], rel=1e-9)
    d, energy = plan.dispatch, problem.energy
    drawn = d.grid_kwh + d.grid_charge_kwh
    above = np.maximum(drawn.max(axis=1) - energy.demand_paid_kw, 0)
    assert plan.costs["demand"] == pytest.approx((energy.demand_yuan_per_kw * above).sum())
    lost, price = d.curtailed_kwh, energy.direct_hourly_yuan_per_kwh
    paid = price * lost * energy.take_or_pay[:, :, None]
    more = energy.curtailment_yuan_per_kwh[:, :, None] * lost
    assert plan.costs["curtailment"] == pytest.approx((paid + more).sum())


def served(problem: grid.Problem) -> grid.Dispatch:
    load = 0.5 * (problem.energy.base_load_kwh + problem.most_load_kwh)
    return EnergyBlock(problem).serve(load).dispatch


def test_power_that_is_paid_anyway_is_used_first() -> None:
    """If this fails, own sun at 0.24 yuan is curtailed beside grid power at 0.17."""
    plain = grid.east_west(n_jobs=N_JOBS, seed=0)
    cheap = plain.energy.replace(
        tariff_yuan_per_kwh=np.full((12, 24), 0.17),
        direct_yuan_per_kwh=0.24,
        carbon_yuan_per_t=0.0,
    )
    free = plain.replace(energy=cheap, mandate=grid.Mandate(share=0.0))
    paid = free.replace(energy=cheap.replace(take_or_pay=True))
    assert served(free).direct_kwh.sum() < 0.01 * free.energy.direct_kwh.sum()
    kept = served(paid).direct_kwh.sum()
    assert kept > 10 * served(free).direct_kwh.sum()
    assert served(paid).curtailed_kwh.sum() < served(free).curtailed_kwh.sum()


def test_a_demand_charge_shaves_the_peak() -> None:
    """If this fails, a battery is charged in the hour of the highest draw."""
    plain = grid.east_west(n_jobs=N_JOBS, seed=0)
    dear = plain.replace(energy=plain.energy.replace(demand_yuan_per_kw=40.0))

    def peak(problem: grid.Problem) -> float:
        d = served(problem)
        return float((d.grid_kwh + d.grid_charge_kwh).max(axis=1).sum())

    assert peak(dear) < 0.99 * peak(plain)
    reached = plain.energy.replace(demand_yuan_per_kw=40.0, demand_paid_kw=1e9)
    assert peak(plain.replace(energy=reached)) == pytest.approx(peak(plain), rel=0.05)


def test_limits_of_contracts_are_kept() -> None:
    plain = grid.east_west(n_jobs=N_JOBS, seed=0)
    energy = plain.energy.replace(
        export_yuan_per_kwh=np.full((12, 24), 0.9), export_kw=3.0, bundled_volume_kwh=5.0
    )
    d = served(plain.replace(energy=energy))
    assert 2.9 < d.exported_kwh.sum(axis=0).max() <= 3.0 + 1e-6
    bundled = (d.bundled_kwh + d.bundled_charge_kwh).sum(axis=1)
    assert bundled.max() <= 5.0 + 1e-6


def test_contracts_survive_files(tmp_path) -> None:
    """If this fails, a stored problem has other contracts."""
    problem = contracted(1)
    for form in ("csv", "tidy", "parquet"):
        again = grid.read_problem(grid.write_problem(problem, tmp_path / form, format=form))
        for name in problem.energy.columns():
            found, needed = getattr(again.energy, name), getattr(problem.energy, name)
            np.testing.assert_array_equal(found, needed, err_msg=name)


def test_a_contract_that_costs_more_is_never_a_cheaper_bound() -> None:
    """If this fails, a bound leaves a charge out that every plan pays."""
    problem = contracted(0)
    pi = np.full((12, 24), 0.4)
    without = dataclasses.replace(
        problem, energy=problem.energy.replace(demand_yuan_per_kw=0.0, take_or_pay=False)
    )
    assert energy_bound(problem, pi) >= energy_bound(without, pi) - 1e-6


def test_idle_servers_draw_power() -> None:
    """If this fails, an empty site is dark, or a full one draws more than before."""
    plain = grid.east_west(n_jobs=N_JOBS, seed=0)
    idle = plain.with_idle_power(np.linspace(0.0, 0.3, 60))
    busy = grid.Placement(klass=np.full(N_JOBS, -1), start=np.full(N_JOBS, -1))
    empty = grid.evaluate(idle, busy)
    drawn = np.zeros((12, 24))
    for c, site in enumerate(plain.classes.site):
        kw = np.linspace(0.0, 0.3, 60)[c] * plain.pue[site]
        drawn[site] += plain.classes.capacity[c] * kw
    needed = plain.energy.base_load_kwh + drawn
    np.testing.assert_allclose(empty.dispatch.load_kwh, needed, rtol=1e-6)
    full = plain.classes.capacity * plain.kwh_per_accelerator_h
    rest = idle.classes.capacity * idle.kwh_per_accelerator_h
    for site in range(12):
        on = plain.classes.site == site
        again = rest[on].sum(axis=0) + drawn[site]
        np.testing.assert_allclose(again, full[on].sum(axis=0), rtol=1e-9)
    plan = grid.evaluate(idle, grid.policies.cheapest(idle))
    assert plan.verify().valid
    for bad, words in ((9.0, r"idle_kw\[0\]: found 9, needed 0 to"), (-0.1, r"found -0\.1")):
        with pytest.raises(gc.InvalidProblemError, match=words):
            plain.with_idle_power(bad)
    with pytest.raises(gc.InvalidProblemError, match="one a class"):
        plain.with_idle_power([0.1, 0.2])


@pytest.mark.parametrize("kept", ["sold", "kept"])
def test_no_more_is_claimed_than_the_load_unless_certificates_are_kept(kept: str) -> None:
    """If this fails, a site claims 425.8 % of its load for power that it sold."""
    plain = grid.east_west(n_jobs=N_JOBS, seed=0)
    energy = plain.energy.replace(
        export_yuan_per_kwh=np.full((12, 24), 0.3),
        direct_kwh=plain.energy.direct_kwh * 8,
        exported_certificates=kept,
    )
    problem = plain.replace(energy=energy, mandate=grid.Mandate(share=0.9, rule="volume"))
    plan = grid.evaluate(problem, grid.policies.fifo_at_home(problem))
    assert plan.verify().valid
    assert plan.dispatch.exported_kwh.sum() > plan.green["load_kwh"].sum()
    claimed = plan.green["n1_statutory"].max()
    assert (claimed > 1) == (kept == "kept"), claimed
    words = "certificates of exported power kept, so that N1 may lie above 100 %"
    assert (words in str(grid.audit(plan))) == (kept == "kept")
    claims = {c.rule: c.mean for c in grid.audit(plan).claims}
    assert (claims["volume"] > 1) == (kept == "kept")


@pytest.mark.parametrize("seed", range(3))
def test_plans_of_odd_worlds_are_valid(seed: int) -> None:
    """If this fails, `verify` finds fault with a sound plan, or parts do not sum to the cost."""
    rng = np.random.default_rng(seed)
    plain = contracted(seed)
    energy = plain.energy.replace(
        tariff_yuan_per_kwh=plain.energy.tariff_yuan_per_kwh * rng.uniform(-0.3, 2, (12, 24)),
        terminal="value",
        terminal_yuan_per_kwh=np.full(12, 0.2),
        exported_certificates="kept",
    )
    problem = plain.replace(
        energy=energy,
        mandate=grid.Mandate(share=0.9, scope="operator", rule=("hourly", "volume")[seed % 2]),
        direct_rule=grid.DirectRule(used=0.8, of_load=0.5),
    )
    plan = grid.evaluate(problem, grid.policies.nearest(problem))
    assert plan.verify().valid, str(plan.verify())
    assert sum(plan.costs.values()) == pytest.approx(plan.objective_yuan, rel=1e-9)
