"""Properties of bounds, accounts and tables that hold for whatever a user brings."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grid_oracles import dispatch_of, energy_prices, greedy_plan, load_of, lp_optimum
from gridcompute import InvalidProblemError, grid
from gridcompute.grid.checker.bound import energy_bound, lower_bound
from gridcompute.grid.checker.derived_tables import most_load_kwh
from gridcompute.grid.checker.energy_lp import EnergyProgram
from gridcompute.grid.tables.mandate import RULES, SCOPES

few = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def plan():
    """A sound plan for a hundred jobs."""
    return greedy_plan(grid.east_west(n_jobs=100, seed=1))


@pytest.fixture(scope="module")
def short():
    """One of eight hours, in which each dispatch takes a tenth of the time."""
    return greedy_plan(grid.east_west(n_jobs=60, seed=1, hours=8))


@pytest.fixture(scope="module")
def relaxed(plan):
    """The optimum of the relaxation, and the prices that prove it."""
    return lp_optimum(plan.problem)[:2]


@few
@given(seed=st.integers(0, 2**32), size=st.sampled_from([0.0, 1e-3, 0.01, 0.3, 100.0]))
def test_no_prices_prove_more_than_a_plan_costs(plan, relaxed, seed, size):
    """If this fails, a certificate can be forged by choosing prices."""
    best, rng = relaxed[1], np.random.default_rng(seed)
    first = rng.integers(0, 24, 200)
    covers = {  # those of a class, a size of gangs, some hours and a job, whatever they are
        "cover_class": rng.integers(0, len(plan.problem.classes), 200),
        "cover_size": rng.integers(1, 17, 200),
        "cover_first": first,
        "cover_last": rng.integers(first, np.minimum(first + 4, 24)),
        "cover_job": rng.integers(0, 100, 200),
        "cover_yuan": size * rng.random(200) * (rng.random(200) < 0.5),
    }
    sparse = rng.random(plan.prices.capacity.shape) < 0.3
    prices = best.replace(
        capacity=best.capacity + size * rng.random(sparse.shape) * sparse,
        energy=best.energy + size * rng.standard_normal((12, 24)),
        corridor=best.corridor
        + 0.1 * size * rng.random((12, 12, 24)) * (1 - np.eye(12))[:, :, None],
        quota=best.quota
        + size * rng.random(20) * np.isfinite(plan.problem.quotas.upper_accelerator_h),
        gang=size * rng.random((3, *sparse.shape)) * sparse,
        gang_size=rng.permutation(np.arange(1, 9, dtype=np.int32))[:3],  # rows of any size are true
        **covers,
    )
    assert lower_bound(plan.problem, prices) <= plan.objective_yuan * (1 + 1e-9)


@few
@given(
    seed=st.integers(0, 2**32),
    scope=st.sampled_from(SCOPES),
    rule=st.sampled_from(RULES),
    share=st.floats(0, 1),
    terminal=st.sampled_from(["cyclic", "value"]),
    direct=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_energy_accounts_are_honest_under_every_rule(
    short,
    seed,
    scope,
    rule,
    share,
    terminal,
    direct,
):
    """If this fails, a rule lets green power exceed load, or a sound dispatch is rejected."""
    rng = np.random.default_rng(seed)
    mandate = grid.Mandate(share=share, scope=scope, rule=rule)
    energy = short.problem.energy.replace(
        terminal=terminal,
        terminal_yuan_per_kwh=0.2,
        export_yuan_per_kwh=np.where(rng.random((12, 8)) < 0.3, 0.1, 0.0),
        direct_kwh=short.problem.energy.direct_kwh * rng.uniform(0, 2, (3, 12, 8)),
        exported_certificates=("sold", "kept")[seed % 2],
    )
    own = grid.DirectRule(used=direct[0], of_load=direct[1])
    problem = short.problem.replace(mandate=mandate, energy=energy, direct_rule=own)
    load = load_of(problem, short.assignment, short.start)
    mine = dataclasses.replace(
        short,
        problem=problem,
        dispatch=dispatch_of(problem, load),
        prices=energy_prices(problem, 0.2),
    )
    found = {fault.token for fault in mine.verify().faults}
    # The plan's own figures are those of the problem before: of the dispatch nothing may be found.
    figures = {"CostMismatch", "BoundUnproved", "BoundAboveCost", "PricesProveLess"}
    assert found <= figures, str(mine.verify())
    assert (mine.dispatch.green_kwh <= load * (1 + 1e-6) + 1e-6).all()
    assert (mine.green["n2_hourly"] <= 1 + 1e-6).all()
    assert (mine.green["n2_hourly"] <= mine.green["n3_cfe"] + 1e-9).all()
    given_out = (mine.dispatch.green_discharge_kwh + mine.dispatch.grey_discharge_kwh).sum(axis=1)
    charged = mine.dispatch.direct_charge_kwh.sum(
        axis=(0, 2)
    ) + mine.dispatch.bundled_charge_kwh.sum(axis=1)
    charged = charged + mine.dispatch.grid_charge_kwh.sum(axis=1)
    both = energy.charge_efficiency * energy.discharge_efficiency
    start = (energy.green_start_kwh + energy.grey_start_kwh) * energy.discharge_efficiency
    assert (given_out <= both * charged + start + 1e-6).all()
    new = problem.sites.new
    met = mine.green["green_kwh"] + mine.green["certificate_kwh"] + mine.green["shortfall_kwh"]
    met = met + (mine.dispatch.exported_kwh.sum(axis=(0, 2)) if problem.counts_exports else 0)
    assert problem.counts_exports or (mine.green["n1_statutory"] <= 1).all()
    assert met[new].sum() >= share * mine.green["load_kwh"][new].sum() - 1e-3


@few
@given(seed=st.integers(0, 2**32))
def test_energy_bound_lies_below_every_dispatch(plan, seed):
    """If this fails, E(pi) is not a bound: some load is served for less than it says."""
    rng = np.random.default_rng(seed)
    problem, base = plan.problem, plan.problem.energy.base_load_kwh
    pi = rng.uniform(-0.2, 1.5, (12, 24))
    load = base + rng.random((12, 24)) * (plan.dispatch.load_kwh.max() - base).clip(0)
    load = np.minimum(load, most_load_kwh(problem))
    program = EnergyProgram(problem, load, load)
    cost = program.bound()
    assert energy_bound(problem, pi) <= cost - (pi * (load - base)).sum() + 1e-6 * abs(cost)


@given(
    rows=st.lists(
        st.tuples(st.integers(1, 2**31 - 1), st.floats(0.001, 1e6), st.floats(0, 1e9)), min_size=1
    )
)
def test_jobs_survive_arrow(rows):
    """If this fails, Arrow changes a number."""
    gang, work, value = (np.array(c) for c in zip(*rows, strict=True))
    zero = np.zeros(len(rows), int)
    jobs = grid.Jobs(gang=gang, work_h=work, value_yuan=value, origin=zero, deadline=zero + 1)
    again = grid.Jobs.from_arrow(jobs.to_arrow())
    for name in jobs.columns():
        np.testing.assert_array_equal(getattr(again, name), getattr(jobs, name))


@given(
    column=st.sampled_from(
        ["gang", "work_h", "memory_gb", "data_gb", "value_yuan", "migration_yuan"]
    ),
    row=st.integers(0, 4),
    value=st.sampled_from([-1.0, float("nan"), float("inf"), -float("inf")]),
)
def test_one_bad_value_is_found_wherever_it_stands(column, row, value):
    """If this fails, a bad row deep in a table passes the door."""
    columns = {
        "gang": np.ones(5, int),
        "work_h": np.ones(5),
        "origin": np.zeros(5, int),
        "deadline": np.full(5, 3),
        "value_yuan": np.ones(5),
    }
    bad = columns.get(column, np.zeros(5)).copy()
    if column == "gang":
        value = -1
    bad[row] = value
    with pytest.raises(InvalidProblemError) as caught:
        grid.Jobs(**{**columns, column: bad})
    assert caught.value.field == f"jobs.{column}"
    assert caught.value.index == row


def test_prices_have_the_shapes_of_their_problem(plan, relaxed):
    """If this fails, the oracle's own prices do not fit, and the properties above say nothing."""
    prices = energy_prices(plan.problem, 0.3)
    assert prices.capacity.shape == plan.problem.classes.capacity.shape
    value, best = relaxed
    assert 0 < value <= plan.objective_yuan
    assert lower_bound(plan.problem, best) == pytest.approx(value, rel=1e-9)
