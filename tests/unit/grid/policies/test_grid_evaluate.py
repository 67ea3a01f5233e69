"""Placements of one's own: their exact cost, the simple rules, and two plans side by side."""

import dataclasses
import re

import numpy as np
import pytest

import gridcompute as gc
from grid_oracles import greedy_placement, options_of
from gridcompute import InvalidProblemError, grid
from gridcompute.grid.plan.costs import COSTS

POLICIES = list(grid.policies.POLICIES)


def with_everything(seed):
    """A problem with exports, stores, migration, quotas, rules and limits of load."""
    problem = grid.east_west(n_jobs=90, seed=seed)
    rng = np.random.default_rng(seed)
    was = np.where(rng.random(90) < 0.4, rng.integers(0, 60, 90), -1)
    energy = problem.energy.replace(
        export_yuan_per_kwh=0.1,
        direct_yuan_per_kwh=0.05,
        terminal="value",
        terminal_yuan_per_kwh=0.2,
        demand_yuan_per_kw=1.0,
        tariff_yuan_per_kwh=problem.energy.tariff_yuan_per_kwh,
    )
    return problem.replace(
        jobs=problem.jobs.replace(
            placed_class=was,
            placed_start=np.where(was >= 0, problem.jobs.release, -1),
            migration_yuan=2.0,
            memory_gb=np.where(np.arange(90) % 9, problem.jobs.memory_gb, 1e6),
        ),
        energy=energy,
        sites=problem.sites.replace(ramp_up_kw=0.1 * problem.most_load_kwh.mean(axis=1)),
        quotas=grid.Quotas(
            upper_accelerator_h=np.full(20, 1e6),
            lower_accelerator_h=np.full(20, 60.0),
            below_yuan_per_accelerator_h=0.5,
        ),
        mandate=grid.Mandate(share=0.95, rule=("volume", "hourly")[seed], scope="operator"),
        direct_rule=grid.DirectRule(used=0.9, of_load=0.6),
    )


@pytest.fixture(scope="module")
def plan():
    return gc.match(grid.east_west(n_jobs=250, seed=3), gap=0.2, time_limit=3)


@pytest.fixture(scope="module", params=[0, 1])
def rich(request):
    problem = with_everything(request.param)
    return grid.evaluate(problem, greedy_placement(problem))


def test_a_plans_own_placement_has_the_plans_cost(plan):
    """If this fails, `evaluate` and `match` disagree on what a placement costs."""
    again = grid.evaluate(plan.problem, plan, prices=plan.prices)
    assert again.objective_yuan == pytest.approx(plan.objective_yuan, rel=1e-9)
    assert again.bound_yuan == pytest.approx(plan.bound_yuan, rel=1e-9)
    assert again.verify().valid
    np.testing.assert_array_equal(again.assignment, plan.assignment)


def test_an_evaluated_plan_is_valid_with_its_own_bound(rich):
    """If this fails, a plan of `evaluate` is not what `verify` certifies."""
    found = rich.verify()
    assert found.valid, str(found)
    assert rich.status == "feasible"
    assert rich.bound_yuan < rich.objective_yuan


def test_a_cheap_bound_is_near_the_best(plan):
    """If this fails, the walk that finds prices is too short to say anything."""
    quick = grid.evaluate(plan.problem, plan)
    assert plan.bound_yuan * 0.9 <= quick.bound_yuan <= plan.objective_yuan


def forms(plan):
    problem, t = plan.problem, plan.table()
    kinds = np.array(problem.classes.accelerator_names)[problem.classes.accelerator]
    shuffled = np.random.default_rng(0).permutation(len(t["job"]))
    return {
        "placement": grid.Placement(klass=plan.assignment, start=plan.start),
        "pair": (plan.assignment, plan.start),
        "lists": (plan.assignment.tolist(), plan.start.tolist()),
        "mapping": {"klass": plan.assignment, "start": plan.start},
        "jobs listed": {k: t[k][shuffled] for k in ("job", "klass", "start")},
        "its table": t,
        "arrow": plan.to_arrow(),
        "names": {
            "job": t["job"],
            "site": problem.sites.name[t["site"]],
            "accelerator": kinds[t["klass"]],
            "start": t["start"],
        },
    }


FORMS = ["placement", "pair", "lists", "mapping", "jobs listed", "its table", "arrow", "names"]


@pytest.mark.parametrize("form", FORMS)
def test_a_placement_may_come_in_many_forms(plan, form):
    """If this fails, a user's table must be turned into another before it can be judged."""
    again = grid.evaluate(plan.problem, forms(plan)[form], prices=plan.prices)
    assert again.objective_yuan == pytest.approx(plan.objective_yuan, rel=1e-9)


def test_what_cannot_be_placed_is_refused_with_its_place(plan):
    """If this fails, a placement is mended in silence, or refused without a reason."""
    problem, n = plan.problem, len(plan.assignment)
    klass, start = plan.assignment.copy(), plan.start.copy()
    job = int(np.flatnonzero(klass >= 0)[0])
    start[job] = 23
    with pytest.raises(InvalidProblemError, match=rf"job {job} on class .*WindowViolated"):
        grid.evaluate(problem, (klass, start))
    tight = problem.replace(classes=problem.classes.replace(capacity=np.ones((60, 24), int)))
    with pytest.raises(InvalidProblemError, match=r"found .* needed"):
        grid.evaluate(tight, plan)
    for bad, words in (
        ((klass[:-1], start[:-1]), "n_jobs"),
        ({"klass": klass}, "no start"),
        ({"start": start}, "no site"),
        ({"klass": klass, "start": start[:-1]}, "shape"),
        ({"job": [0, 0], "klass": [1, 1], "start": [0, 0]}, "each job once"),
        ({"job": [n], "klass": [1], "start": [0]}, "needed a row of jobs"),
        (
            {"site": ["Atlantis"], "accelerator": ["H20"], "start": [0], "job": [0]},
            "found 'Atlantis'",
        ),
        ({"klas": klass, "start": start}, "unknown key 'klas'"),
        ({"klass": np.where(klass < 0, 0, klass), "start": plan.start}, "-1"),
    ):
        with pytest.raises(InvalidProblemError, match=words):
            grid.evaluate(problem, bad)
    for odd in (None, 3, "plan", (klass * 0.5, start), {"klass": klass * 1.0, "start": start}):
        with pytest.raises(TypeError):
            grid.evaluate(problem, odd)


# ---------------------------------------------------------------- the parts of a cost


def test_the_parts_sum_to_the_cost(rich):
    """If this fails, the parts that people read are not those of the cost."""
    assert sum(rich.costs.values()) == pytest.approx(rich.objective_yuan, rel=1e-9)
    assert list(rich.costs) == list(COSTS)
    none = {name for name, yuan in rich.costs.items() if yuan == 0}
    assert none <= {"certificates", "mandate_shortfall", "shed", "curtailment", "restarts"}
    assert rich.costs["stored"] < 0
    assert rich.costs["exports"] < 0


def test_each_part_is_told_where_the_parts_are_documented():
    """If this fails, a plan has a part of its cost that its documentation does not name."""
    told = grid.Plan.costs.__doc__ or ""
    assert [name for name in COSTS if f"``{name}``" not in told] == []


def test_the_parts_agree_with_plain_loops(rich):
    """If this fails, money is shown under the wrong name."""
    problem, d, energy = rich.problem, rich.dispatch, rich.problem.energy
    grid_yuan = carbon = wear = 0.0
    for s in range(len(problem.sites)):
        for t in range(problem.hours):
            drawn = d.grid_kwh[s, t] + d.grid_charge_kwh[s, t]
            grid_yuan += energy.tariff_yuan_per_kwh[s, t] * drawn
            carbon += energy.carbon_yuan_per_t * problem.carbon_g_per_kwh[s, t] * drawn / 1e6
            charged = d.direct_charge_kwh[:, s, t].sum() + d.bundled_charge_kwh[s, t]
            worn = charged + d.grid_charge_kwh[s, t] + d.green_discharge_kwh[s, t]
            wear += energy.wear_yuan_per_kwh[s] * (worn + d.grey_discharge_kwh[s, t])
    assert rich.costs["grid"] == pytest.approx(grid_yuan)
    assert rich.costs["carbon"] == pytest.approx(carbon)
    assert rich.costs["storage_wear"] == pytest.approx(wear)
    out = rich.assignment < 0
    assert rich.costs["unplaced"] == pytest.approx(problem.jobs.value_yuan[out].sum())


def test_what_jobs_bear_sums_to_the_cost(rich, plan):
    """If this fails, tenants are charged more or less than the plan costs."""
    for one in (rich, plan):
        borne = one.table()["allocated_yuan"]
        needed = one.objective_yuan - one.costs["unplaced"]
        assert borne.sum() == pytest.approx(needed, rel=1e-9, abs=1e-9)


def test_nobody_bears_anything_where_nothing_is_placed():
    problem = grid.east_west(n_jobs=20, seed=0)
    nobody = np.full(20, -1)
    empty = grid.evaluate(problem, (nobody, nobody))
    assert empty.table()["allocated_yuan"].shape == (0,)
    assert sum(empty.costs.values()) == pytest.approx(empty.objective_yuan, rel=1e-9)


# ---------------------------------------------------------------- simple rules


def by_hand(problem, rule):
    """The rules in plain loops over all options."""
    jobs, classes = problem.jobs, problem.classes
    room, wire = classes.capacity.copy(), problem.corridors.bandwidth_gb.copy()
    quota = problem.quotas.upper_accelerator_h.copy()
    options = {}
    for j, c, t, d, own in options_of(problem):
        options.setdefault(j, []).append((c, t, d, own))
    carbon = problem.energy.carbon_yuan_per_t * problem.carbon_g_per_kwh / 1e6
    tariff = problem.energy.tariff_yuan_per_kwh + carbon
    n = len(jobs)
    klass, start = np.full(n, -1), np.full(n, -1)

    def yuan(j, c, t, d, own):
        s = classes.site[c]
        kwh = jobs.gang[j] * problem.kwh_per_accelerator_h[c, t : t + d]
        return float(own + kwh @ tariff[s, t : t + d])

    def put(j, key, sites=None, most=np.inf):
        best = None
        for c, t, d, own in options.get(j, []):
            s, o = int(classes.site[c]), int(jobs.origin[j])
            fits = room[c, t : t + d].min() >= jobs.gang[j] and wire[o, s, t] >= jobs.data_gb[j]
            fits &= jobs.gang[j] * d <= quota[jobs.tenant[j]]
            found = key(j, c, t, d, own)
            fits &= (sites is None or s == sites) and found < most
            if fits and (best is None or found < best[0] - 1e-12):
                best = (found, c, t, d, s, o)
        if best is not None:
            _, c, t, d, s, o = best
            klass[j], start[j] = c, t
            room[c, t : t + d] -= jobs.gang[j]
            wire[o, s, t] -= jobs.data_gb[j]
            quota[jobs.tenant[j]] -= jobs.gang[j] * d

    def early(j, c, t, d, own):
        return float(t)

    turn = np.argsort(jobs.release, kind="stable")
    if rule == "fifo_at_home":
        for j in turn:
            put(j, early, int(jobs.origin[j]))
    elif rule == "nearest":
        for rank in range(len(problem.sites)):
            order = np.argsort(problem.delay_ms, axis=1, kind="stable")
            for j in turn:
                if klass[j] < 0:
                    put(j, early, int(order[jobs.origin[j], rank]))
    elif rule == "cheapest":
        for j in turn:
            put(j, yuan)
    else:
        fits = jobs.memory_gb[:, None] <= classes.memory_gb
        speed = np.where(fits, classes.throughput[jobs.family], 0.0).max(axis=1)
        size = jobs.gang * np.maximum(np.ceil(jobs.work_h / speed - 1e-9), 1)
        worth = jobs.value_yuan / size
        for j in np.argsort(-worth, kind="stable"):
            put(j, yuan, most=float(jobs.value_yuan[j]))
    return klass, start


@pytest.mark.parametrize("rule", POLICIES)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_rule_places_as_plain_loops_do(rule, seed):
    """If this fails, the optimiser is compared with something else than the rule's name says."""
    problem = grid.east_west(n_jobs=120, seed=seed)
    placed = grid.policies.POLICIES[rule](problem)
    klass, start = by_hand(problem, rule)
    np.testing.assert_array_equal(placed.klass, klass)
    np.testing.assert_array_equal(placed.start, start)


@pytest.mark.parametrize("rule", POLICIES)
def test_a_rule_makes_a_valid_plan_that_is_dearer(plan, rule):
    """If this fails, a simple rule breaks a limit, or beats the optimiser by half."""
    simple = grid.evaluate(
        plan.problem, grid.policies.POLICIES[rule](plan.problem), prices=plan.prices
    )
    assert simple.verify().valid
    assert simple.objective_yuan > plan.objective_yuan
    outcome = plan.compare(simple)
    assert outcome.difference_yuan == simple.objective_yuan - plan.objective_yuan
    parts = sum(b - a for a, b in outcome.costs.values())
    assert parts == pytest.approx(outcome.difference_yuan)
    assert "jobs placed differently" in str(outcome)
    assert str(grid.compare(plan, simple)) == str(outcome)


def test_rules_take_odd_problems():
    """If this fails, a rule needs a job, room, or a job that may run at home."""
    problem = grid.east_west(n_jobs=30, seed=2)
    n_sites = len(problem.sites)
    elsewhere = problem.jobs.replace(residency=1 << ((problem.jobs.origin + 1) % n_sites))
    nobody = {k: getattr(problem.jobs, k)[:0] for k in problem.jobs.columns()}
    for odd in (
        problem.replace(jobs=problem.jobs.replace(**nobody)),
        problem.replace(classes=problem.classes.replace(capacity=np.zeros((60, 24), int))),
        problem.replace(jobs=elsewhere),
    ):
        placed = [rule(odd) for rule in grid.policies.POLICIES.values()]
        assert grid.evaluate(odd, placed[-1]).verify().valid


def test_a_placement_that_breaks_a_hard_mandate_is_refused():
    """If this fails, `evaluate` hands out a plan that `verify` finds fault with."""
    problem = grid.east_west(n_jobs=100, seed=1)
    placed = grid.policies.cheapest(problem)
    hard = problem.replace(mandate=grid.Mandate(share=0.97, shortfall="forbidden"))
    with pytest.raises(gc.InfeasibleError, match=r"misses .* kWh of green energy") as caught:
        grid.evaluate(hard, placed)
    assert caught.value.witness["missing_kwh"] > 0
    soft = problem.replace(mandate=grid.Mandate(share=0.0, shortfall="forbidden"))
    assert grid.evaluate(soft, placed).verify().valid


def test_comparing_needs_plans(plan):
    with pytest.raises(TypeError, match=r"other must be a grid\.Plan"):
        grid.compare(plan, plan.problem)


def test_a_difference_that_rounds_to_nothing_has_no_minus_sign(plan):
    """If this fails, a table says that something fell by 0."""
    less = dataclasses.replace(plan, objective_yuan=plan.objective_yuan - 1e-6)
    for shown in (grid.compare(plan, less), grid.WhatIf(plan, less)):
        cells = re.split(r"[\s<>]+", f"{shown}\n{shown._repr_html_()}")
        assert [cell for cell in cells if re.fullmatch(r"-0\.0+", cell)] == [], shown


# ---------------------------------------------------------------- a repair


@pytest.fixture(scope="module")
def large():
    problem = grid.east_west(n_jobs=400, seed=4)
    return grid.evaluate(problem, grid.policies.value_density(problem))


def test_a_repair_moves_only_what_must_move(large):
    """If this fails, a small change turns a plan over that has been announced."""
    outcome = grid.whatif(large, outage="Hami", keep=True)
    before, after = large, outcome.after
    site = large.problem.classes.site
    hami = list(large.problem.sites.name).index("Hami")
    was = before.assignment >= 0
    stays = was & (site[before.assignment] != hami)
    np.testing.assert_array_equal(after.assignment[stays], before.assignment[stays])
    np.testing.assert_array_equal(after.start[stays], before.start[stays])
    assert not (site[after.assignment[after.assignment >= 0]] == hami).any()
    assert (after.assignment[was & ~stays] >= 0).any(), "nothing was placed again"
    assert outcome.moved <= (~stays).sum()
    assert after.verify().valid


def test_a_repair_after_no_change_is_the_plan(large):
    """If this fails, `keep` moves jobs that could have stayed."""
    outcome = grid.whatif(large, share=large.problem.mandate.share, keep=True)
    placed = large.assignment >= 0
    np.testing.assert_array_equal(outcome.after.assignment[placed], large.assignment[placed])
    assert outcome.after.objective_yuan <= large.objective_yuan * (1 + 1e-9)
    some = np.arange(len(placed)) % 2 == 0
    outcome = grid.whatif(large, share=0.7, keep=some)
    kept = placed & some
    np.testing.assert_array_equal(outcome.after.assignment[kept], large.assignment[kept])


def test_fewer_accelerators_displace_the_jobs_of_least_worth(large):
    problem = large.problem
    classes = problem.classes.replace(capacity=problem.classes.capacity * 2 // 3)
    outcome = grid.whatif(large, classes=classes, keep=True)
    assert outcome.after.verify().valid
    moved = outcome.after.assignment != large.assignment
    worth = problem.jobs.value_yuan / (problem.jobs.gang * problem.jobs.work_h)
    was = large.assignment >= 0
    assert np.median(worth[was & moved]) < np.median(worth[was & ~moved])


def test_what_to_keep_is_checked(large):
    with pytest.raises(InvalidProblemError, match=r"keep: found shape \(3,\), needed \(400,\)"):
        grid.whatif(large, share=0.7, keep=np.ones(3, bool))
    with pytest.raises(TypeError, match="keep must be a bool"):
        grid.whatif(large, share=0.7, keep=1)
    fewer = {k: getattr(large.problem.jobs, k)[:9] for k in large.problem.jobs.columns()}
    with pytest.raises(InvalidProblemError, match="keep: found 9 jobs after the change"):
        grid.whatif(large, jobs=large.problem.jobs.replace(**fewer), keep=True)


def test_a_what_if_says_what_its_bounds_do_not_tell(large):
    """If this fails, a difference is read off that is smaller than what is not known."""
    outcome = grid.whatif(large, battery=1.01, keep=True)
    low, high = outcome.between
    assert low < 0 < high
    assert not outcome.resolved
    assert "the bounds do not tell" in str(outcome)
    dear = {"objective_yuan": 1e12, "bound_yuan": 1e12}
    same = grid.WhatIf(large, grid.Plan(**{**large.__getstate__(), **dear}))
    assert same.resolved
    assert "do not tell" not in str(same)
