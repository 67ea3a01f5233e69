"""The checker against its own engine: an error in what the engine computes is found, not shared."""

import dataclasses
import importlib

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import grid
from gridcompute.grid.checker.verify import verify
from gridcompute.grid.plan import account
from gridcompute.grid.plan import columns as plan_columns
from gridcompute.grid.plan import data as plan_data
from gridcompute.grid.planner import match, state
from gridcompute.grid.tables.mandate import DirectRule, Mandate

audit = importlib.import_module("gridcompute.grid.plan.audit")  # `grid.audit` is a function


def batch():
    """Jobs under every rule: a mandate with a ledger that owes, own sources, prices of carbon."""
    problem = grid.east_west(n_jobs=150, seed=3)
    names = tuple(str(name) for name in problem.sites.name)
    ledger = grid.Ledger(window=5, cap_yuan_per_kwh=0.5)._with(
        batch="yesterday",
        kind="plan",
        sites=names,
        load_kwh=(800.0,) * 12,
        green_kwh=(500.0,) * 12,
        certificate_kwh=(0.0,) * 12,
        serials=(),
        intervals=(),
        bundles=(),
    )
    return problem.replace(
        mandate=dataclasses.replace(problem.mandate, share=0.95, ledger=ledger),
        direct_rule=grid.DirectRule(used=0.95, of_load=0.6),
    )


def solved(problem):
    """The plan that a match ends with whose time is over at once: the same on any machine."""
    return gc.match(problem, gap=0.9, time_limit=1e-3)


def test_a_sound_plan_is_valid():
    """If this fails, the forged plans below are refuted for another reason than the forgery."""
    plan = solved(batch())
    assert plan.verify().valid, str(plan.verify())
    assert plan.dispatch.missing_kwh.sum() > 1
    assert plan.dispatch.direct_use_short_kwh.sum() > 1


# ---------------------------------------------------------------- errors of the engine


def scaled(name, by):
    """A property of `Problem` that is wrong by a factor."""
    true = getattr(grid.Problem, name).func
    return grid.Problem, name, property(lambda self: true(self) * by)


def altered(table, name, **fields):
    """A method that gives rows with wrong fields."""
    true = getattr(table, name)

    def forged(self, *args):
        found = true(self, *args)
        return dataclasses.replace(found, **{k: f(getattr(found, k)) for k, f in fields.items()})

    return table, name, forged


def multiplied(module, name, by):
    """A function of a module that is wrong by a factor."""
    true = getattr(module, name)
    return module, name, lambda *args: true(*args) * by


def rosy(problem, dispatch):
    found = account.green_account(problem, dispatch)
    return {**found, "n2_hourly": found["n2_hourly"] * 1.01}


FORGED = {
    "PUE too low": lambda: scaled("pue", 0.99),
    "energy of accelerators too low": lambda: scaled("kwh_per_accelerator_h", 0.99),
    "carbon too low": lambda: scaled("carbon_g_per_kwh", 0.5),
    "a smaller share": lambda: altered(Mandate, "rows", share=lambda x: x - 0.1),
    "a debt forgotten": lambda: altered(Mandate, "rows", carried_kwh=np.zeros_like),
    "a shortfall too cheap": lambda: altered(
        Mandate, "rows", missing_yuan_per_kwh=lambda x: 0.5 * x
    ),
    "sites of another scope": lambda: altered(Mandate, "rows", member=lambda x: x[:, ::-1]),
    "scopes left out": lambda: altered(
        Mandate, "rows", member=lambda x: x[:-1], names=lambda x: x[:-1],
        carried_kwh=lambda x: x[:-1],
    ),
    "certificates under the hourly rule": lambda: altered(Mandate, "rows", volume=lambda _: True),
    "old sites for new ones": lambda: (
        Mandate, "applies_to", lambda _self, sites: ~np.asarray(sites.new)
    ),
    "a ledger that owes nothing": lambda: (
        grid.Ledger, "carried_kwh", lambda *args, **_: np.zeros(len(args[1]))
    ),
    "half of the direct rule": lambda: altered(DirectRule, "rows", used=lambda x: x / 2),
    "less load of one's own": lambda: altered(DirectRule, "rows", of_load=lambda x: x / 2),
    "direct power too scarce": lambda: altered(
        DirectRule, "rows", available_kwh=lambda x: x / 2
    ),
    "a breach too cheap": lambda: altered(
        DirectRule, "rows", short_yuan_per_kwh=lambda x: x / 2
    ),
    "cost too low": lambda: multiplied(match, "plan_cost", 0.999),
    "load too low": lambda: multiplied(match, "load_of", 0.99),
    "a greener account": lambda: (plan_data, "green_account", rosy),
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGED)
def test_an_error_in_the_engine_is_found(forgery, monkeypatch):
    """If this fails, engine and checker share a function, and its errors are certified."""
    where, name, wrong = FORGED[forgery]()
    problem = batch()
    monkeypatch.setattr(where, name, wrong)
    plan = solved(problem)
    found = plan.verify()
    assert not found.valid, f"{forgery}: certified with cost {found.objective_yuan}"


def test_the_checker_runs_without_anything_of_the_engine(monkeypatch):
    """If this fails, the checker calls what made the plan."""
    plan = solved(batch())
    before = verify(plan)
    assert before.valid

    def refuse(*_, **__):
        raise AssertionError("the checker asks the engine")

    computed = [
        (grid.Problem, ("pue", "carbon_g_per_kwh", "kwh_per_accelerator_h", "most_load_kwh")),
        (grid.Problem, ("mandate_rows", "direct_rows", "delay_ms")),
        (grid.Corridors, ("latency_ms",)),
        (plan_columns.Dispatch, ("load_kwh", "green_kwh")),
        (grid.Plan, ("hours", "free", "mandate_yuan_per_kwh")),
    ]
    called = [
        (grid.Problem, ("hours_needed", "eligible", "why_not")),
        (Mandate, ("rows", "applies_to")),
        (DirectRule, ("rows", "applies_to")),
        (grid.Ledger, ("carried_kwh", "_counting")),
        (state, ("plan_cost", "jobs_cost", "dispatch_cost", "load_of", "runs_of")),
        (audit, ("audit",)),
        (account, ("green_account",)),
    ]
    for where, names in computed:
        for name in names:
            monkeypatch.setattr(where, name, property(refuse))
    for holder, names in called:
        for name in names:
            monkeypatch.setattr(holder, name, refuse)
    assert verify(plan) == before


# ---------------------------------------------------------------- one gap


@pytest.mark.parametrize("without", [0, 1, 50, 149, 150])
def test_the_gap_of_a_plan_is_the_gap_of_its_certificate(without):
    """If this fails, jobs that no class can take make the gap look small in one of the two."""
    problem = batch()
    memory = np.where(np.arange(150) < without, 1e6, problem.jobs.memory_gb)
    plan = solved(problem.replace(jobs=problem.jobs.replace(memory_gb=memory)))
    found = plan.verify()
    assert found.valid, str(found)
    assert found.without_option_yuan == pytest.approx(plan.without_option_yuan)
    assert (without > 0) <= (found.without_option_yuan > 0)
    assert plan.gap == pytest.approx(found.gap, rel=1e-5, abs=1e-9)
    objective, bound = (
        yuan - plan.without_option_yuan for yuan in (plan.objective_yuan, plan.bound_yuan)
    )
    needed = (objective - bound) / max(abs(objective), abs(bound)) if objective > bound else 0.0
    assert plan.gap == pytest.approx(needed)


def test_a_plan_that_costs_nothing_has_a_gap_of_nothing():
    """If this fails, the gap of an objective of 0 is a number with 285 digits."""
    problem = batch()
    nobody = problem.jobs.replace(
        **{name: getattr(problem.jobs, name)[:0] for name in problem.jobs.columns()}
    )
    free = problem.energy.replace(
        base_load_kwh=0.0, green_start_kwh=0.0, direct_kwh=problem.energy.direct_kwh * 0
    )
    plan = gc.match(problem.replace(jobs=nobody, energy=free, mandate=grid.Mandate(share=0.0)))
    assert plan.objective_yuan == 0
    assert plan.gap == plan.verify().gap == 0
    assert plan.bound_yuan == 0
    assert plan.status == "optimal"


def free_of_charge(problem, **energy):
    """The problem where neither energy nor a move costs anything, and nobody is held to a rule."""
    names = ("tariff", "direct", "bundled", "export", "wear", "terminal")
    free = {f"{name}_yuan_per_kwh": 0.0 for name in names} | {"carbon_yuan_per_t": 0.0}
    own = ("delay_yuan_per_h", "migration_yuan")
    return problem.replace(
        energy=problem.energy.replace(**(free | energy)),
        jobs=problem.jobs.replace(**dict.fromkeys(own, 0.0)),
        corridors=problem.corridors.replace(price_yuan_per_gb=0.0),
        quotas=grid.Quotas.unlimited(len(problem.quotas)),
        mandate=grid.Mandate(share=0.0),
        direct_rule=grid.DirectRule(used=0.0, of_load=0.0),
    )


@pytest.mark.parametrize("without", [0, 1, 150])
def test_a_plan_that_leaves_out_only_what_it_must_is_optimal(without):
    """If this fails, a bound lessened by rounding hides that a plan of free energy is the best."""
    problem = free_of_charge(batch())
    memory = np.where(np.arange(150) < without, 1e6, problem.jobs.memory_gb)
    gang = np.ones(150, np.int32)
    plan = gc.match(problem.replace(jobs=problem.jobs.replace(memory_gb=memory, gang=gang)), gap=0)
    found = plan.verify()
    assert found.valid, str(found)
    assert (plan.gap, found.gap, plan.status) == (0, 0, "optimal"), (plan, str(found))
    assert plan.bound_yuan == plan.objective_yuan == plan.without_option_yuan


@pytest.mark.parametrize(
    "energy",
    [
        {"tariff_yuan_per_kwh": -0.25},
        {"direct_yuan_per_kwh": -0.25},
        {"bundled_yuan_per_kwh": -0.25, "bundled_kwh": 5.0},
        {"export_yuan_per_kwh": 0.25},
        {"terminal_yuan_per_kwh": 0.25, "terminal": "value"},
    ],
)
def test_energy_that_pays_is_not_taken_for_free(energy):
    """If this fails, 0 is claimed as a bound where selling power brings money in."""
    problem = free_of_charge(batch(), **energy)
    # So little that what is in time left out is worth less than what energy brings in.
    cheap = problem.jobs.replace(value_yuan=1e-3 * problem.jobs.value_yuan)
    plan = gc.match(problem.replace(jobs=cheap), gap=1e-3, time_limit=0.5)
    found = plan.verify()
    assert found.valid, str(found)
    assert found.bound_yuan <= plan.objective_yuan
    assert plan.objective_yuan < 0, plan
    assert plan.gap == pytest.approx(found.gap, rel=1e-5, abs=1e-9)


def test_a_plan_made_by_hand_finds_what_has_no_option():
    """If this fails, who makes a plan without that number gets another gap than the checker's."""
    problem = batch()
    jobs = problem.jobs.replace(memory_gb=np.where(np.arange(150) < 9, 1e6, problem.jobs.memory_gb))
    plan = solved(problem.replace(jobs=jobs))
    parts = {f.name: getattr(plan, f.name) for f in dataclasses.fields(plan)}
    del parts["without_option_yuan"]
    again = grid.Plan(**parts)
    assert again.without_option_yuan == pytest.approx(plan.without_option_yuan)
    assert again.gap == pytest.approx(plan.gap)
