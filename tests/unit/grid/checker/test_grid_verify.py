"""The checker: it agrees with slow oracles on sound plans, and finds every planted fault."""

import copy
import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from grid_oracles import cost_of, energy_prices, greedy_plan, load_of, lp_optimum, options_of
from gridcompute import InvalidProblemError, grid
from gridcompute.grid import Plan
from gridcompute.grid.checker.bound import jobs_bound, lower_bound
from gridcompute.grid.checker.derived_tables import FAULTS
from gridcompute.grid.checker.placements import PlacedJobs, placement_faults, stretches_of

Change = Callable[[Plan], Plan]


@pytest.fixture(scope="module")
def plan():
    """A sound plan for three hundred jobs, some of which fit nowhere; own plants are paid for."""
    problem = grid.east_west(n_jobs=300, seed=4)
    memory_gb = np.where(np.arange(300) % 9, problem.jobs.memory_gb, 1e6)
    return greedy_plan(
        problem.replace(
            jobs=problem.jobs.replace(memory_gb=memory_gb),
            energy=problem.energy.replace(direct_yuan_per_kwh=0.05),
        )
    )


def test_a_sound_plan_is_valid(plan):
    """If this fails, the checker cries wolf."""
    found = plan.verify()
    assert found.valid, str(found)
    assert found.objective_yuan == pytest.approx(plan.objective_yuan, rel=1e-12)
    assert "valid" in str(found)


def test_load_is_recomputed_job_by_job(plan):
    """If this fails, the energy balance is checked against a wrong load."""
    load = load_of(plan.problem, plan.assignment, plan.start)
    np.testing.assert_allclose(plan.dispatch.load_kwh, load, rtol=1e-6, atol=1e-9)


def test_a_job_that_ends_an_hour_late_is_found(plan):
    """If this fails, the checker allows an hour beyond the deadline, or one less than that."""
    jobs, hours = plan.problem.jobs, stretches_of(plan)
    k = int(np.argmax(hours.end - hours.start))
    row, found = np.flatnonzero(plan.assignment >= 0)[k], []
    for late in (0, 1):
        deadline = jobs.deadline.copy()
        deadline[row] = hours.end[k] - late
        problem = plan.problem.replace(jobs=jobs.replace(deadline=deadline))
        faults = placement_faults(PlacedJobs(problem, plan.assignment, plan.start))
        found.append([(fault.token, fault.found - fault.needed) for fault in faults])
    assert found == [[], [("WindowViolated", 1.0)]]


# ---------------------------------------------------------------- planted faults


def placement(**changes):
    """Plant something in a copy of `assignment` or `start`."""

    def change(plan):
        new = {}
        for name, edit in changes.items():
            array = getattr(plan, name).copy()
            edit(array, plan)
            new[name] = array
        return dataclasses.replace(plan, **new)

    return change


def dispatch(**changes):
    """Plant something in copies of columns of the dispatch."""

    def change(plan):
        new = {}
        for name, edit in changes.items():
            array = getattr(plan.dispatch, name).copy()
            edit(array, plan)
            new[name] = array
        return dataclasses.replace(plan, dispatch=plan.dispatch.replace(**new))

    return change


def prices(**changes):
    """Plant something in copies of columns of the prices."""

    def change(plan):
        new = {}
        for name, edit in changes.items():
            array = getattr(plan.prices, name).copy()
            edit(array, plan)
            new[name] = array
        return dataclasses.replace(plan, prices=plan.prices.replace(**new))

    return change


def stricter(**tables):
    """Keep the plan and make its problem stricter."""

    def change(plan):
        new = {name: make(plan.problem) for name, make in tables.items()}
        return dataclasses.replace(plan, problem=plan.problem.replace(**new))

    return change


def first(plan):
    return int(np.flatnonzero(plan.assignment >= 0)[0])


def add(amount):
    def edit(array, _plan):
        array.flat[np.argmax(array)] += amount

    return edit


def put(place, value):
    def edit(array, plan):
        array[place(plan)] = value

    return edit


def early(array, plan):
    release = plan.problem.jobs.release
    job = int(np.flatnonzero((plan.assignment >= 0) & (release > 0))[0])
    array[job] = release[job] - 1


def empty_store(array, _plan):
    array[:, -1] = 0.0


def shown(name, **changes):
    """Keep the plan and change what it shows: columns of its table, or of its green account."""

    def change(plan):
        again = dataclasses.replace(plan)
        columns = {k: np.copy(v)[()] for k, v in getattr(plan, name).items()}
        for column, edit in changes.items():
            if edit is None:  # a number, not an array
                columns[column] += 1.0
            else:
                edit(columns[column], plan)
        again.__dict__[name] = columns  # where the cached property looks
        return again

    return change


def row_left_out(plan):
    again = dataclasses.replace(plan)
    again.__dict__["_table"] = {k: v[:-1] for k, v in plan._table.items()}
    return again


def forged(part="", **fields):
    """Set fields of a plan, or of a part of it, past the checks that are made as it is made."""

    def change(plan):
        again = copy.copy(plan)
        target = copy.copy(getattr(plan, part)) if part else again
        for name, value in fields.items():
            object.__setattr__(target, name, value)
        if part:
            object.__setattr__(again, part, target)
        return again

    return change


def gangs_of_less_than_none(plan):
    """Of K accelerators -K / 2 "gangs of -2" can be made: prices of such made a bound of any size.

    Any size of 1 or more is one that holds.
    """
    gang = np.zeros_like(plan.prices.gang)
    gang[0] = 1e6
    sizes = np.r_[-2, plan.prices.gang_size[1:]].astype(np.int32)
    plan = forged("prices", gang=gang, gang_size=sizes)(plan)
    return forged(bound_yuan=plan.objective_yuan, priced_bound_yuan=plan.objective_yuan)(plan)


def relabelled(plan):
    """Grid power called direct green power beyond what the source has and the load needs."""
    d = plan.dispatch
    direct = d.direct_kwh.copy()
    direct[0] += d.load_kwh
    return dataclasses.replace(plan, dispatch=d.replace(direct_kwh=direct))


def halved(array, _plan):
    at = int(np.argmax(array))
    array[at] //= 2


def jobs_with(**columns):
    return lambda p: p.jobs.replace(**columns)


def runs_elsewhere(p):
    """A job that is said to run where the plan does not have it."""
    roomy = np.argsort(-p.classes.capacity[:, 0], kind="stable")[:1]
    return grid.Running(id=np.argsort(p.jobs.gang, kind="stable")[-1:], klass=roomy, hours_left=[1])


PLANTED = {
    "Malformed": [
        gangs_of_less_than_none,
        forged(status="proved"),
        forged(start=np.zeros(3, np.int32)),
        forged("dispatch", grid_kwh=np.zeros((1, 24))),
        forged("prices", quota=np.zeros(1)),
    ],
    "KeptMismatch": [forged(hours=np.ones(2, np.int32)), forged(mandate_yuan_per_kwh=None)],
    "PlacementMalformed": [
        placement(assignment=put(first, 60)),
        placement(assignment=put(first, -2)),
        placement(start=put(first, -1)),
        placement(start=put(first, 24)),
    ],
    "WindowViolated": [placement(start=early), placement(start=put(first, 23))],
    "FamilyUnsupported": [
        stricter(classes=lambda p: p.classes.replace(throughput=p.classes.throughput * 0)),
    ],
    "MemoryTooSmall": [stricter(jobs=jobs_with(memory_gb=81.0))],
    "ResidencyForbids": [stricter(jobs=jobs_with(residency=1 << 10))],
    "LatencyTooHigh": [
        stricter(jobs=jobs_with(latency_ms=0.1)),
        stricter(corridors=lambda p: p.corridors.replace(delay_ms=p.corridors.delay_ms + 50)),
    ],
    "GangSplit": [shown("_table", gang=halved), shown("_table", hours=add(1))],
    "TableMismatch": [
        row_left_out,
        shown("_table", klass=put(lambda _: 0, 59)),
        shown("_table", site=put(lambda _: 0, 11)),
        shown("_table", start=add(1)),
        shown("_table", energy_kwh=add(1.0)),
    ],
    "CapacityExceeded": [
        stricter(classes=lambda p: p.classes.replace(capacity=p.classes.capacity // 3)),
    ],
    "CorridorExceeded": [
        stricter(
            corridors=lambda p: p.corridors.replace(bandwidth_gb=p.corridors.bandwidth_gb / 9)
        ),
    ],
    "QuotaExceeded": [
        stricter(
            quotas=lambda p: p.quotas.replace(
                upper_accelerator_h=np.minimum(p.quotas.upper_accelerator_h, 5)
            )
        ),
    ],
    "NegativeEnergy": [dispatch(grid_kwh=put(lambda _: (0, 0), -1.0))],
    "SourceImbalance": [
        dispatch(curtailed_kwh=add(0.5)),
        stricter(energy=lambda p: p.energy.replace(direct_kwh=p.energy.direct_kwh * 0.9)),
    ],
    "BundledExceeded": [
        stricter(energy=lambda p: p.energy.replace(bundled_kwh=p.energy.bundled_kwh * 0.5)),
    ],
    "LoadImbalance": [
        dispatch(grid_kwh=add(0.5)),
        placement(assignment=put(first, -1), start=put(first, -1)),
        stricter(sites=lambda p: p.sites.replace(pue=p.sites.pue * 1.01)),
    ],
    "GreenAboveLoad": [relabelled],
    "PinnedMoved": [stricter(running=runs_elsewhere)],
    "ShedTooMuch": [dispatch(shed_kwh=add(5.0))],
    "ConnectionExceeded": [stricter(sites=lambda p: p.sites.replace(connection_kw=1.0))],
    "StoreImbalance": [
        dispatch(green_stored_kwh=add(0.5)),
        dispatch(grid_charge_kwh=put(lambda _: (5, 3), 0.5)),
        stricter(energy=lambda p: p.energy.replace(charge_efficiency=0.5)),
    ],
    "DischargeUnearned": [
        dispatch(green_discharge_kwh=put(lambda _: (10, slice(None)), 900.0)),
        dispatch(grey_discharge_kwh=put(lambda _: (5, 3), 900.0)),
    ],
    "StoreTooFull": [
        stricter(energy=lambda p: p.energy.replace(battery_kwh=p.energy.green_start_kwh)),
    ],
    "StorePowerExceeded": [stricter(energy=lambda p: p.energy.replace(battery_kw=1e-3))],
    "TerminalViolated": [dispatch(green_stored_kwh=empty_store)],
    "ExportForbidden": [dispatch(exported_kwh=add(0.5))],
    "ExportExceeded": [
        lambda plan: dispatch(exported_kwh=add(0.5))(
            stricter(energy=lambda p: p.energy.replace(export_yuan_per_kwh=0.1, export_kw=0.1))(
                plan
            )
        ),
    ],
    "VolumeExceeded": [
        stricter(energy=lambda p: p.energy.replace(bundled_volume_kwh=1.0)),
    ],
    "CertificateForbidden": [dispatch(certificate_kwh=add(5.0))],
    "MandateUnaccounted": [
        stricter(mandate=lambda p: dataclasses.replace(p.mandate, share=0.99)),
        dispatch(missing_kwh=lambda array, _: array.fill(0.0)),
    ],
    "DirectRuleUnaccounted": [
        stricter(direct_rule=lambda p: grid.DirectRule(used=0.99, of_load=0.0)),
        stricter(direct_rule=lambda p: grid.DirectRule(used=0.0, of_load=0.99)),
    ],
    "MandateBroken": [
        stricter(mandate=lambda p: dataclasses.replace(p.mandate, shortfall="forbidden", share=1.0))
    ],
    "ShortfallOverstated": [
        dispatch(missing_kwh=add(5.0)),
        dispatch(direct_use_short_kwh=add(5.0)),
        dispatch(direct_load_short_kwh=add(5.0)),
    ],
    "AccountMismatch": [
        shown("_green", n1_statutory=add(0.01)),
        shown("_green", n2_hourly=add(0.01)),
        shown("_green", n3_cfe=add(-0.01)),
        shown("_green", n4_tco2=add(-0.01)),
        shown("_green", load_kwh=add(1.0)),
        shown("_green", shortfall_kwh=add(-1.0)),
        shown("_green", green_kwh=add(-1.0)),
        shown("_green", certificate_kwh=add(1.0)),
    ],
    "CostMismatch": [
        stricter(energy=lambda p: p.energy.replace(demand_yuan_per_kw=1.0)),
        stricter(energy=lambda p: p.energy.replace(take_or_pay=True)),
        stricter(energy=lambda p: p.energy.replace(curtailment_yuan_per_kwh=0.1)),
        lambda plan: dataclasses.replace(plan, objective_yuan=plan.objective_yuan * (1 + 1e-8)),
        stricter(jobs=lambda p: p.jobs.replace(value_yuan=p.jobs.value_yuan + 1)),
        stricter(energy=lambda p: p.energy.replace(carbon_yuan_per_t=61.0)),
        dispatch(direct_use_short_kwh=add(5.0)),
    ],
    "CostPartMismatch": [
        shown("_costs", **{name: None})
        for name in ("grid", "carbon", "unplaced", "storage_wear", "mandate_shortfall")
    ],
    "ChargeMismatch": [shown("_table", cost_yuan=add(1.0)), shown("_table", price_yuan=add(1.0))],
    "AllocationMismatch": [shown("_table", allocated_yuan=add(1.0))],
    "PriceMismatch": [
        prices(mandate=lambda a, _: a.__iadd__(0.1)),
        prices(mandate=lambda a, _: a.fill(0.0)),
        prices(mandate_bound=lambda a, _: a.__iadd__(0.1)),
        prices(storage=lambda a, _: a.__iadd__(0.5)),
        prices(storage=lambda a, _: a.fill(0.0)),
    ],
    "BoundUnproved": [
        lambda plan: dataclasses.replace(plan, bound_yuan=plan.objective_yuan - 1.0),
        lambda plan: dataclasses.replace(plan, prices=energy_prices(plan.problem, 5.0)),
    ],
    "PricesProveLess": [
        lambda plan: dataclasses.replace(plan, prices=energy_prices(plan.problem, 5.0)),
    ],
    "StatusUnproved": [lambda plan: dataclasses.replace(plan, status="optimal")],
    "BoundAboveCost": [
        lambda plan: dataclasses.replace(plan, bound_yuan=plan.objective_yuan * 1.01),
    ],
    "WithoutOptionMismatch": [
        lambda plan: dataclasses.replace(plan, without_option_yuan=0.0),
        lambda plan: dataclasses.replace(plan, without_option_yuan=plan.objective_yuan),
        lambda plan: dataclasses.replace(plan, without_option_yuan=float("inf")),
    ],
    "CoverMalformed": [
        lambda plan: dataclasses.replace(plan, prices=covered(plan, cover_job=300)),
    ],
    "PriceNegative": [
        lambda plan: dataclasses.replace(
            plan, prices=plan.prices.replace(quota=np.full(len(plan.prices.quota), -0.5))
        ),
    ],
}


def covered(plan, **changes):
    """The plan's prices with one of a lifted cover row, of the first class, hour and job."""
    row = dict.fromkeys((f"cover_{k}" for k in ("class", "first", "last", "job")), 0)
    row |= {"cover_size": 4, "cover_yuan": 1, **changes}
    return plan.prices.replace(**{name: [value] for name, value in row.items()})


#: Planted in tests/unit/grid/plan/test_grid_pieces.py, whose plan has pieces.
PIECES = {"PiecesMalformed", "NotInterruptible", "PieceTooShort", "WorkMismatch"}


def test_every_fault_is_planted():
    """If this fails, a token of the checker is never tried."""
    assert set(PLANTED) | PIECES == set(FAULTS)


@pytest.mark.parametrize(
    ("token", "change"), [(token, c) for token, changes in PLANTED.items() for c in changes]
)
def test_planted_faults_are_found(plan, token, change):
    """If this fails, a plan with this fault would be certified."""
    found = change(plan).verify()
    assert not found.valid
    assert token in {fault.token for fault in found.faults}, str(found)
    assert token in str(found)


def test_a_missed_price_of_a_capacity_class_cannot_be_negative(plan):
    """If this fails, a negative price of capacity makes a bound out of nothing."""
    with pytest.raises(InvalidProblemError, match=r"prices\.capacity"):
        plan.prices.replace(capacity=plan.prices.capacity - 1)


def test_a_plan_of_another_problems_size_is_refused_when_it_is_made(plan):
    """If this fails, `verify` ends in numpy's words about broadcasting instead of a verdict."""
    short = plan.dispatch.replace(missing_kwh=plan.dispatch.missing_kwh[:-1], certificate_kwh=0.0)
    with pytest.raises(
        TypeError, match=r"plan\.dispatch\.certificate_kwh has shape \(6,\), needed"
    ):
        dataclasses.replace(plan, dispatch=short)
    with pytest.raises(InvalidProblemError, match=r"prices\.quota_by_accelerator has shape"):
        plan.prices.replace(quota=plan.prices.quota[:3])
    prices = plan.prices.replace(quota=plan.prices.quota[:3], quota_by_accelerator=())
    with pytest.raises(TypeError, match=r"plan\.prices\.quota has shape \(3,\), needed \(20,\)"):
        dataclasses.replace(plan, prices=prices)


# ---------------------------------------------------------------- the bound


@pytest.fixture(scope="module", params=[(0.0, 0.0), (0.8, 0.0), (0.95, 0.0), (0.8, 0.99)])
def relaxed(request):
    """A problem with its linear relaxation solved whole: without and with rules."""
    share, direct = request.param
    problem = grid.east_west(n_jobs=120, seed=5)
    rng = np.random.default_rng(0)
    was = np.where(rng.random(120) < 0.3, rng.integers(0, 60, 120), -1)
    jobs = problem.jobs.replace(
        placed_class=was,
        placed_start=np.where(was >= 0, problem.jobs.release, -1),
        migration_yuan=1.5,
    )
    mandate = dataclasses.replace(problem.mandate, share=share)
    rule = grid.DirectRule(used=direct, of_load=0.6 * direct)
    problem = problem.replace(jobs=jobs, mandate=mandate, direct_rule=rule)
    value, prices, energy = lp_optimum(problem)
    assert (direct > 0) == any(v.sum() > 1 for k, v in energy.items() if "_short" in k)
    return problem, value, prices


def test_the_bound_at_optimal_duals_is_the_relaxed_optimum(
    relaxed,
):
    """If this fails, the recomputed bound leaves something out, or counts something twice."""
    problem, value, prices = relaxed
    assert lower_bound(problem, prices) == pytest.approx(value, rel=1e-9)


def test_no_other_prices_prove_more(relaxed):
    """If this fails, some prices "prove" more than the truth."""
    problem, value, prices = relaxed
    rng = np.random.default_rng(1)
    for spread in (0.01, 0.3, 2.0):
        noisy = prices.replace(
            capacity=prices.capacity
            * rng.uniform(1 - min(spread, 1), 1 + spread, prices.capacity.shape),
            energy=prices.energy + spread * rng.standard_normal(prices.energy.shape),
            corridor=prices.corridor
            + 0.01 * spread * rng.random(prices.corridor.shape) * _apart(12),
        )
        assert lower_bound(problem, noisy) <= value * (1 + 1e-9)


def _apart(n):
    return (1 - np.eye(n))[:, :, None]


def test_prices_on_unlimited_things_prove_nothing(plan):
    """If this fails, rent on an unlimited corridor is counted as infinite, with either sign."""
    toll = plan.prices.corridor.copy()
    toll[3, 3, 0] = 1.0
    assert lower_bound(plan.problem, plan.prices.replace(corridor=toll)) == -np.inf


def test_first_sum_agrees_with_a_loop_over_options():
    """If this fails, the vectorised minimum over options looks at wrong ones."""
    problem = grid.east_west(n_jobs=60, seed=6)
    rng = np.random.default_rng(2)
    was = np.where(rng.random(60) < 0.5, rng.integers(0, 60, 60), -1)
    jobs = problem.jobs.replace(
        placed_class=was,
        placed_start=np.where(was >= 0, problem.jobs.release, -1),
        migration_yuan=rng.uniform(0, 5, 60),
    )
    capacity = rng.integers(0, 9, problem.classes.capacity.shape)
    problem = problem.replace(jobs=jobs, classes=problem.classes.replace(capacity=capacity))
    prices = energy_prices(problem, 0.3).replace(
        capacity=rng.uniform(0, 1, capacity.shape),
        corridor=rng.uniform(0, 0.1, (12, 12, 24)) * _apart(12),
        quota=rng.uniform(0, 0.5, 20),
    )
    best = problem.jobs.value_yuan.copy()
    for j, c, t, d, cost in options_of(problem):
        s, gang = problem.classes.site[c], int(jobs.gang[j])
        kwh = gang * problem.kwh_per_accelerator_h[c, t : t + d]
        cost += gang * prices.capacity[c, t : t + d].sum() + kwh @ prices.energy[s, t : t + d]
        cost += jobs.data_gb[j] * prices.corridor[jobs.origin[j], s, t]
        cost += gang * d * prices.quota[jobs.tenant[j]]
        best[j] = min(best[j], cost)
    # Rounding is taken off: of the sum of all amounts, which is twenty times this one.
    assert 0 < best.sum() - jobs_bound(problem, prices) < 1e-11 * best.sum()


def test_lower_quotas_may_have_negative_prices():
    """If this fails, soft lower quotas are proved with the wrong sign."""
    problem = grid.east_west(n_jobs=80, seed=7)
    lower = np.zeros(20)
    lower[3] = 500.0
    quotas = grid.Quotas(
        upper_accelerator_h=np.full(20, np.inf),
        lower_accelerator_h=lower,
        below_yuan_per_accelerator_h=np.full(20, 2.0),
    )
    problem = problem.replace(quotas=quotas)
    price = np.zeros(20)
    price[3] = -2.0
    free = energy_prices(problem, 0.0)
    paid = lower_bound(problem, free.replace(quota=price))
    assert paid > lower_bound(problem, free)
    plan = greedy_plan(problem)
    used = np.bincount(problem.jobs.tenant, problem.jobs.gang * plan.hours, 20)
    below = float((np.maximum(lower - used, 0) * 2.0).sum())
    assert below > 0
    plan = dataclasses.replace(plan, objective_yuan=plan.objective_yuan + below)
    assert plan.verify().valid
    assert paid <= plan.objective_yuan


def test_cost_agrees_with_a_loop_when_exporting_and_valuing_the_store():
    """If this fails, exports, wear or what is left in the store are priced wrongly."""
    problem = grid.east_west(n_jobs=60, seed=8)
    energy = problem.energy.replace(
        export_yuan_per_kwh=np.where(np.arange(24) % 2 == 0, 0.2, 0.0)[None].repeat(12, axis=0),
        terminal="value",
        terminal_yuan_per_kwh=np.full(12, 0.3),
    )
    mandate = grid.Mandate(share=0.9, rule="volume", scope="operator")
    problem = problem.replace(energy=energy, mandate=mandate)
    plan = greedy_plan(problem)
    assert plan.dispatch.exported_kwh.sum() > 0
    left = (plan.dispatch.green_stored_kwh + plan.dispatch.grey_stored_kwh)[:, -1].sum()
    expected = cost_of(problem, plan.assignment, plan.start, plan.dispatch) - 0.3 * left
    plan = dataclasses.replace(plan, objective_yuan=expected)
    assert plan.verify().valid, str(plan.verify())
