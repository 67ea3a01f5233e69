"""A plan in people's hands: tables, reasons, explanations, files, page."""

import dataclasses
import io
import math
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas
import pyarrow.parquet
import pytest
from rich.console import Console

import gridcompute as gc
from grid_oracles import greedy_plan, lp_optimum, options_of
from gridcompute import InvalidProblemError, grid
from gridcompute.grid.eligibility import REASONS, REASONS_UNPLACED
from gridcompute.grid.evaluate import dispatched
from gridcompute.grid.plan.explain import PARTS
from gridcompute.grid.plan.whatif import _DIRECTIONS, WhatIf, changed
from gridcompute.grid.planner.dispatch_lp import EnergyBlock
from gridcompute.grid.tables.mandate import by_kind
from gridcompute.report.charts import number, numbers
from gridcompute.report.page import page
from gridcompute.report.tables import bottleneck_list, left_out_rows, mandate_rows
from gridcompute.report.terminal import show
from ledger_cases import plan as recorded
from malformed import sound


@pytest.fixture(scope="module")
def plan():
    """A greedy plan for two hundred jobs, with the prices of the relaxed optimum."""
    problem = grid.east_west(n_jobs=200, seed=3)
    scarce = np.where(np.arange(60)[:, None] % 3 == 0, 0, problem.classes.capacity)
    problem = problem.replace(
        classes=problem.classes.replace(capacity=scarce),
        energy=problem.energy.replace(direct_kwh=0.1 * problem.energy.direct_kwh),
        corridors=problem.corridors.replace(bandwidth_gb=problem.corridors.bandwidth_gb / 12),
    )
    value, prices, _ = lp_optimum(problem)
    interval = np.linspace(0.0, 0.3, 14).reshape(7, 2)
    prices = prices.replace(mandate=interval, storage=np.full((12, 2), 0.4))
    return dataclasses.replace(greedy_plan(problem), prices=prices, bound_yuan=value)


def test_table_agrees_with_the_arrays(plan):
    """If this fails, the table shows other jobs than the plan has."""
    t, problem = plan.table(), plan.problem
    np.testing.assert_array_equal(t["job"], np.flatnonzero(plan.assignment >= 0))
    np.testing.assert_array_equal(t["klass"], plan.assignment[t["job"]])
    np.testing.assert_array_equal(t["site"], problem.classes.site[t["klass"]])
    for i, j in enumerate(t["job"][:20]):
        c, h = t["klass"][i], t["start"][i]
        d = problem.hours_needed(j)[0, c]
        assert t["hours"][i] == d
        kwh = problem.jobs.gang[j] * problem.kwh_per_accelerator_h[c, h : h + d]
        assert t["energy_kwh"][i] == pytest.approx(kwh.sum())
        offer = plan.explain(int(j)).taken
        assert offer is not None
        assert t["price_yuan"][i] == pytest.approx(offer.yuan)
        scarce = ("capacity", "corridor", "quota")
        assert t["cost_yuan"][i] == pytest.approx(offer.yuan - sum(offer.parts[k] for k in scarce))


def test_every_unplaced_job_has_a_known_reason(plan):
    """If this fails, a tenant asks why and gets no answer, or a word that no page explains."""
    unplaced = np.flatnonzero(plan.assignment < 0)
    assert set(plan.reasons) == set(unplaced.tolist())
    assert set(plan.reasons.values()) <= set(REASONS) | set(REASONS_UNPLACED)
    assert len(set(plan.reasons.values())) > 1


def test_reasons_are_true(plan):
    """If this fails, a job is said to lack room that is there, or the other way round."""
    problem, free = plan.problem, plan.free
    jobs, options = problem.jobs, options_of(problem)
    for j, token in plan.reasons.items():
        mine = [(c, t, d) for job, c, t, d, _ in options if job == j]
        assert bool(mine) == (token not in REASONS)
        if not mine:
            continue
        gang, quota = jobs.gang[j], free.accelerator_h[jobs.tenant[j]]
        small = [o for o in mine if gang * o[2] <= quota]
        roomy = [o for o in small if free.accelerators[o[0], o[1] : o[1] + o[2]].min() >= gang]
        sites = problem.classes.site
        wired = [
            o for o in roomy if free.data_gb[jobs.origin[j], sites[o[0]], o[1]] >= jobs.data_gb[j]
        ]
        if not wired:
            expected = "CorridorTaken" if roomy else "CapacityTaken" if small else "QuotaReached"
            assert token == expected
            continue
        rents = {"QuotaReached": "quota", "CapacityTaken": "capacity", "CorridorTaken": "corridor"}
        without = {t: cheapest_of(plan, int(j), [name]) for t, name in rents.items()}
        if token == "NotWorthIt":
            assert cheapest_of(plan, int(j), list(rents.values())) >= jobs.value_yuan[j]
        else:
            assert without[token] == pytest.approx(min(without.values()))


def cheapest_of(plan, job, without):
    """Cheapest option of a job with some prices at zero, or its value if that is less."""
    gone = {name: np.zeros_like(getattr(plan.prices, name)) for name in without}
    cheaper = dataclasses.replace(plan, prices=plan.prices.replace(**gone))
    offers = cheaper.explain(job).best.values()
    return min([float(plan.problem.jobs.value_yuan[job]), *(offer.yuan for offer in offers)])


def test_explanation_finds_each_sites_cheapest_option(plan):
    """If this fails, "at Hami +41" is not what Hami would cost."""
    problem, prices, jobs = plan.problem, plan.prices, plan.problem.jobs
    for j in (0, 17, int(next(iter(plan.reasons)))):
        best = {}
        for job, c, t, d, cost in options_of(problem):
            if job != j:
                continue
            s, gang = int(problem.classes.site[c]), int(jobs.gang[j])
            cost += gang * prices.capacity[c, t : t + d].sum()
            kwh = gang * problem.kwh_per_accelerator_h[c, t : t + d]
            cost += kwh @ prices.energy[s, t : t + d]
            cost += jobs.data_gb[j] * prices.corridor[jobs.origin[j], s, t]
            cost += gang * d * prices.quota[jobs.tenant[j]]
            name = str(problem.sites.name[s])
            best[name] = min(best.get(name, np.inf), cost)
        found = plan.explain(j)
        assert {k: pytest.approx(v.yuan) for k, v in found.best.items()} == best
        assert set(found.shut) == set(problem.sites.name) - set(best)
        assert set(found.shut.values()) <= set(REASONS)
        assert all(set(offer.parts) == set(PARTS) for offer in found.best.values())
        assert str(j) in str(found).splitlines()[0]


def test_an_explanation_says_what_one_job_alone_would_cost(plan):
    """If this fails, "as much as where it runs" stands at an idle site to which a move costs 2."""
    apart = told = 0
    left = [int(j) for j, token in plan.reasons.items() if token not in REASONS][:3]
    now = dispatched(plan.problem, plan).objective_yuan
    for j in (*plan.table()["job"][:12].tolist(), *left):
        found = plan.explain(j)
        base = found.value_yuan if found.taken is None else found.taken.yuan
        for offer in found.best.values():
            assert (offer.alone_yuan is None) == (not offer.fits or _same(offer, found.taken))
            if offer.alone_yuan is None:
                continue
            klass, start = plan.assignment.copy(), plan.start.copy()
            klass[j], start[j] = offer.klass, offer.start
            needed = dispatched(plan.problem, (klass, start)).objective_yuan - now
            assert offer.alone_yuan == pytest.approx(needed, abs=1e-5), (j, offer)
            apart += abs(needed - (offer.yuan - base)) > 0.1
            act = "moving" if found.taken else "placing"
            if round(needed, 2):
                cost = f"{'costs' if needed > 0 else 'saves'} {abs(needed):.2f}"
                told += f"; {act} it alone {cost}" in str(found)
    assert apart > 5, (apart, "jobs whose move costs other than prices say")
    assert told > 5


def _same(offer, taken):
    return taken is not None and (offer.klass, offer.start) == (taken.klass, taken.start)


def test_moving_a_job_alone_may_be_impossible():
    """If this fails, a site without power for a job is said to cost so many yuan, or explaining
    raises."""
    plan = gc.match(sound())
    job = int(plan.table()["job"][0])
    sites = plan.problem.sites
    here = int(plan.problem.classes.site[plan.assignment[job]])
    dark = np.where(np.arange(len(sites)) == here, sites.connection_kw, 0.0)
    energy = plan.problem.energy
    problem = plan.problem.replace(
        sites=sites.replace(connection_kw=dark),
        energy=energy.replace(direct_kwh=0.0, bundled_kwh=0.0, battery_kwh=0.0, battery_kw=0.0),
    )
    alone = np.where(np.arange(len(plan.assignment)) == job, plan.assignment, -1)
    moved = dispatched(problem, (alone, np.where(alone >= 0, plan.start, -1)))
    offers = [o for o in moved.explain(job).best.values() if o.site != here]
    assert offers
    assert all(offer.alone_yuan == np.inf for offer in offers), offers
    assert "cannot be done: its power cannot be had there" in str(moved.explain(job))


def test_an_explanation_parts_energy_from_mandate(plan):
    """If this fails, an operator reads that power costs less than nothing at a site because the
    mandate takes it all back."""
    problem, energy = plan.problem, plan.problem.energy
    dearest = max(energy.tariff_yuan_per_kwh.max(), energy.bundled_yuan_per_kwh.max()) + 0.1
    asked, priced = 0.0, []
    for j in plan.table()["job"][:40]:
        for offer in plan.explain(int(j)).best.values():
            span = slice(offer.start, offer.start + offer.hours)
            kwh = problem.jobs.gang[j] * problem.kwh_per_accelerator_h[offer.klass, span].sum()
            priced.append(offer.parts["energy"] / kwh)
            asked = max(asked, offer.parts["mandate"] / kwh)
    assert min(priced) >= -0.05
    # Where a site is full, its power may bear what its accelerators are worth.
    assert np.mean(np.array(priced) <= dearest) > 0.9, np.sort(priced)[-20:]
    assert asked > 0.004
    free = dataclasses.replace(
        plan,
        problem=problem.replace(mandate=grid.Mandate(share=0.0)),
    )
    assert not free.mandate_yuan_per_kwh.any()


def held_up():
    """Two jobs of a tenant whose quota is of one, on accelerators that stand idle."""
    problem = sound()
    jobs = problem.jobs.replace(
        gang=[1, 1, 1, 1], work_h=1.0, family=0, tenant=[0, 0, 1, 1], id=["a", "b", "c", "d"]
    )
    quotas = grid.Quotas(
        upper_accelerator_h=[1.0, np.inf], parent=["", "lab"], tenant_names=("lab", "team")
    )
    return gc.match(problem.replace(jobs=jobs, quotas=quotas))


def test_an_explanation_names_what_binds():
    """If this fails, "no room left" is said of idle accelerators where a quota is used up."""
    plan = held_up()
    assert len(plan.reasons) == 3
    for job in plan.reasons:
        found = plan.explain(job)
        assert found.best
        for offer in found.best.values():
            assert (offer.lacks, offer.queue, offer.fits) == ("QuotaReached", "lab", False)
        assert str(found).count("; no room: QuotaReached, queue lab") == len(found.best)
    placed = plan.explain(int(plan.table()["job"][0]))  # its own part of the quota moves with it
    assert all(offer.fits for offer in placed.best.values())
    full = plan.problem.replace(quotas=grid.Quotas.unlimited(2))
    capacity = np.where(np.arange(3)[:, None] > 0, 0, 1) * np.ones(3, np.int64)
    few = gc.match(full.replace(classes=full.classes.replace(capacity=capacity, accelerator=0)))
    (left,) = few.reasons
    assert {offer.lacks for offer in few.explain(left).best.values()} == {"CapacityTaken"}


def test_prices_in_an_explanation_stand_beside_one_base():
    """If this fails, figures of a job left out and of one that runs mean two things."""
    plan = held_up()
    for job in range(4):
        found = plan.explain(job)
        head, *lines = str(found).splitlines()
        base, what = (
            (found.value_yuan, "leaving it out")
            if found.taken is None
            else (found.taken.yuan, "where it runs")
        )
        assert f"{base:.2f} yuan" in head, head
        shown = [line for line in lines if line.startswith("  at ")]
        assert shown
        for line in shown:
            price = float(line.split(": price ")[1].split(" yuan")[0])
            told = re.search(r"(?:([0-9.]+) (more|less) than|as much as) " + what, line)
            assert told, line
            more = 0.0 if told[1] is None else float(told[1]) * (1 if told[2] == "more" else -1)
            assert price - base == pytest.approx(more, abs=0.011), line
            parts = re.findall(r"[a-z]+ (-?[0-9.]+)[,)]", line.split(" yuan (")[1])
            assert sum(map(float, parts)) == pytest.approx(price, abs=0.03), line


def test_the_value_of_jobs_left_out_is_told_apart(plan):
    """If this fails, a reader takes the values of jobs left out for money that is paid."""
    left = float(plan.problem.jobs.value_yuan[plan.assignment < 0].sum())
    assert left > 0
    assert plan.placed_yuan + left == pytest.approx(plan.objective_yuan)
    placed, left_out = f"{plan.placed_yuan:,.2f} yuan", f"{left:,.0f} of value left out"
    assert f"145 of 200 jobs placed, {placed} and {left_out}, gap" in repr(plan)
    for text in (plan._repr_html_(), str(grid.audit(plan)), page(plan), str(plan.compare(plan))):
        assert re.search("left out|but unplaced", text)
        assert f"{plan.placed_yuan:,.2f}" in text or f"{plan.placed_yuan:,.6g}" in text


def test_a_change_that_can_only_cost_more_has_its_sign(plan):
    """If this fails, "ask for a smaller gap" is all that is said of a rise of every price."""
    energy = plan.problem.energy
    outcome = grid.whatif(
        plan, keep=True, energy=energy.replace(tariff_yuan_per_kwh=1.2 * energy.tariff_yuan_per_kwh)
    )
    assert (outcome.sign, outcome.between[0], outcome.resolved) == (1, 0.0, True)
    assert "all that changed can only make it dearer" in str(outcome)
    assert "smaller gap" not in str(outcome)
    back = dataclasses.replace(outcome, before=outcome.after, after=outcome.before)
    assert (back.sign, back.between[1], back.resolved) == (-1, 0.0, True)
    for more in ({"outage": "Hami", "gbit_s": 10.0}, {"battery": 0.5}, {"latency_rule": "one_way"}):
        problem = changed(plan.problem, **more)
        other = dataclasses.replace(plan, problem=problem)
        assert WhatIf(plan, other).sign == 0, more
    assert WhatIf(plan, plan).sign == 0


def test_signs_are_those_of_the_optimum():
    """If this fails, a change is said to cost more of which the best plan costs less."""
    problem, moved = sound(), 0
    sites = problem.sites.replace(minimum_load_kw=1.5, connection_kw=3.0)
    energy = problem.energy.replace(
        export_yuan_per_kwh=0.1, demand_yuan_per_kw=0.3, demand_paid_kw=0.2, battery_kwh=1.0,
        battery_kw=1.0, wear_yuan_per_kwh=0.01, curtailment_yuan_per_kwh=0.02, bundled_kwh=0.3,
        bundled_yuan_per_kwh=0.3, direct_yuan_per_kwh=0.1, shed_kwh=0.1,
    )  # fmt: skip
    wire = np.full((2, 2, 3), 4.0)
    corridors = problem.corridors.replace(price_yuan_per_gb=0.01, bandwidth_gb=wire)
    jobs = problem.jobs.replace(data_gb=3.0, delay_yuan_per_h=0.2, value_yuan=[2.0, 3.0, 0.4, 1.0])
    classes = problem.classes.replace(capacity=np.full((3, 3), 1))
    problem = problem.replace(
        sites=sites, energy=energy, corridors=corridors, jobs=jobs, classes=classes,
        mandate=grid.Mandate(share=0.45),
    )  # fmt: skip
    base = gc.match(problem, gap=0.0)
    least = lp_optimum(problem)[0]
    for name, columns in _DIRECTIONS.items():
        table = getattr(problem, name)
        for column, direction in columns.items():
            value = np.asarray(getattr(table, column))
            more = 2 * value + (1 if value.dtype.kind == "i" else 0.01)
            new = more if value.ndim else float(more)
            after = problem.replace(**{name: dataclasses.replace(table, **{column: new})})
            assert WhatIf(base, dataclasses.replace(base, problem=after)).sign == direction, column
            rise = lp_optimum(after)[0] - least
            assert direction * rise >= -1e-7, (name, column, rise)
            moved += abs(rise) > 1e-6
    assert moved > 4, "the world shows hardly any change"


def test_the_gap_of_what_is_paid_stands_beside_the_gap_of_all(plan):
    """If this fails, values of jobs left out make a plan's gap look small: 18 % of what is paid is
    0.2 % of a cost that nobody pays."""
    apart = plan.objective_yuan - plan.bound_yuan
    assert plan.gap_paid == pytest.approx(apart / plan.placed_yuan)
    assert plan.gap_paid > 2 * plan.gap
    assert f"{plan.gap_paid:.3%} of what is paid" in page(plan)
    assert f"{plan.gap_paid:.3%}" in plan._repr_html_()
    nothing = dataclasses.replace(plan, objective_yuan=plan.objective_yuan - plan.placed_yuan)
    assert dataclasses.replace(nothing, bound_yuan=nothing.objective_yuan).gap_paid == 0


def test_jobs_left_out_are_counted_by_tenant_and_reason(plan):
    """If this fails, a batch's summary hides whose jobs it leaves out."""
    head, rows = left_out_rows(plan, most=3)
    assert head == ["tenant", "reason", "jobs", "value, yuan"]
    value, tenant = plan.problem.jobs.value_yuan, plan.problem.jobs.tenant
    label, token = rows[0][:2]
    mine = [j for j, t in plan.reasons.items() if f"tenant {tenant[j]}" == label and t == token]
    assert rows[0][2:] == [f"{len(mine)}", number(float(value[mine].sum()))]
    assert sum(int(row[2]) for row in rows) == len(plan.reasons)
    assert rows[3][0].endswith("others")
    console = Console(record=True, width=100, file=io.StringIO())
    show(plan, console)
    text = console.export_text()
    assert "Left out, by tenant and reason" in text
    assert f"{label} " in text
    assert "of what is paid" in text


def test_the_first_look_at_a_frame_shows_names(plan):
    """If this fails, a terminal of 80 columns shows where no job runs."""
    frame = plan.to_pandas()
    assert frame.columns[:4].tolist() == ["job", "id", "site_name", "accelerator"]
    with pandas.option_context("display.width", 80, "display.max_columns", 0):
        text = str(frame.head())
    assert "site_name" in text
    assert "reason" in text


def test_sites_shut_for_one_reason_share_a_line(plan):
    """If this fails, an explanation is a page of the same sentence."""
    for j in range(60):
        found = plan.explain(j)
        lines = [line for line in str(found).split("\n") if line.startswith("  not at ")]
        assert len(lines) == len(set(found.shut.values()))
        assert sum(line.split(":")[0].count(",") + 1 for line in lines) == len(found.shut)


def test_explanations_of_jobs_that_are_not_there(plan):
    """If this fails, job -1 is silently the last one."""
    with pytest.raises(IndexError, match="job is 200"):
        plan.explain(200)
    with pytest.raises(IndexError, match="job is -1"):
        plan.explain(-1)
    with pytest.raises(TypeError, match="must be an int"):
        plan.explain(1.0)


def test_hours_of_jobs_that_are_not_there(plan):
    """If this fails, `busy` says of a job that does not exist that it runs in no hour."""
    with pytest.raises(IndexError, match="job is 200"):
        plan.busy(200)
    with pytest.raises(IndexError, match="job is -1"):
        plan.busy(-1)
    for wrong in (1.5, True, None):
        with pytest.raises(TypeError, match="must be an int"):
            plan.busy(wrong)
    placed = int(plan.table()["job"][0])
    assert plan.busy(np.int32(placed)).sum() == plan.hours[placed]


def test_plan_refuses_arrays_of_other_shapes(plan):
    """If this fails, a plan with a float assignment fails far away."""
    with pytest.raises(TypeError, match="needed int32"):
        dataclasses.replace(plan, assignment=plan.assignment.astype(np.int64))
    with pytest.raises(InvalidProblemError, match="status"):
        dataclasses.replace(plan, status="fine")


# ---------------------------------------------------------------- files


def test_a_ledger_travels_with_its_problem(plan, tmp_path):
    """If this fails, a stored batch is verified against another mandate."""
    ledger = grid.Ledger(window=5).record(recorded(*plan.problem.sites.name.tolist()), batch="a")
    problem = plan.problem.replace(mandate=grid.Mandate(share=0.7, ledger=ledger))
    again = grid.read_problem(grid.write_problem(problem, tmp_path))
    assert again.mandate == problem.mandate


def test_names_may_stand_for_indices(plan, tmp_path):
    """If this fails, people must count sites to write a table by hand."""
    grid.write_problem(plan.problem, tmp_path, format="csv")
    path = tmp_path / "jobs.csv"
    head, *rows = path.read_text().splitlines()
    at = head.replace('"', "").split(",").index("origin")
    names = plan.problem.sites.name
    out = [head]
    for i, row in enumerate(rows):
        cells = row.split(",")
        if i % 3:  # an index may stay among the names
            cells[at] = f'"{names[int(cells[at])]}"'
        out.append(",".join(cells))
    path.write_text("\n".join(out) + "\n")
    again = grid.read_problem(tmp_path)
    np.testing.assert_array_equal(again.jobs.origin, plan.problem.jobs.origin)
    path.write_text("\n".join(out).replace('"Hami"', '"Atlantis"') + "\n")
    with pytest.raises(
        InvalidProblemError, match=r"jobs\.origin\[\d+\] is 'Atlantis', needed one of"
    ):
        grid.read_problem(tmp_path)


def test_plans_survive_a_round_trip_and_stay_valid(plan, tmp_path):
    """If this fails, `gridcompute verify` checks something else than what was planned."""
    marginal = greedy_plan(plan.problem).prices
    sound = plan.prices.replace(
        mandate=marginal.mandate,
        storage=marginal.storage,
        mandate_bound=EnergyBlock(plan.problem).mandate_at(plan.prices.energy),
    )
    plan = dataclasses.replace(plan, prices=sound)
    grid.write_plan(plan, tmp_path / "out")
    again = grid.read_plan(tmp_path / "out")
    assert again.verify().valid
    assert (again.objective_yuan, again.bound_yuan) == (plan.objective_yuan, plan.bound_yuan)
    np.testing.assert_array_equal(again.prices.corridor, plan.prices.corridor)
    jobs = pyarrow.parquet.read_table(tmp_path / "out" / "jobs.parquet")
    assert jobs.num_rows == len(plan.assignment)
    assert jobs["klass"].null_count == (plan.assignment < 0).sum() == len(plan.reasons)
    assert jobs["reason"].null_count == (plan.assignment >= 0).sum()
    with pytest.raises(InvalidProblemError, match=r"problem\.json is not there"):
        grid.read_plan(tmp_path)


# ---------------------------------------------------------------- what if


def test_changes_do_what_they_say(plan):
    """If this fails, a what-if answers another question."""
    p = plan.problem
    twice = changed(p, battery=2.0)
    np.testing.assert_array_equal(twice.energy.battery_kwh, 2 * p.energy.battery_kwh)
    wider = changed(p, gbit_s=10, corridor=("Hami", "Chongqing"))
    more = wider.corridors.bandwidth_gb - np.where(
        np.isfinite(p.corridors.bandwidth_gb), p.corridors.bandwidth_gb, 0
    )
    assert more[10, 5, 0] == pytest.approx(4500)
    assert wider.corridors.bandwidth_gb[5, 10, 0] == p.corridors.bandwidth_gb[5, 10, 0]
    dark = changed(p, outage="Hami")
    assert dark.classes.capacity[p.classes.site == 10].sum() == 0
    assert dark.classes.capacity.sum() < p.classes.capacity.sum()
    assert changed(p, share=0.9).mandate == dataclasses.replace(p.mandate, share=0.9)
    assert changed(p, latency_rule="round_trip").corridors.latency_rule == "round_trip"
    assert changed(p, renewables=0.5).energy.direct_kwh.sum() == pytest.approx(
        p.energy.direct_kwh.sum() / 2
    )
    with pytest.raises(InvalidProblemError, match="no site is called 'Atlantis'"):
        changed(p, outage="Atlantis")
    with pytest.raises(InvalidProblemError, match="needs gbit_s"):
        changed(p, corridor=("Hami", "Chongqing"))
    with pytest.raises(InvalidProblemError, match="less than nothing"):
        changed(p, gbit_s=-1e6)


def test_what_if_prints_differences(plan):
    """If this fails, the table compares other numbers than the plans have."""
    other = dataclasses.replace(plan, objective_yuan=plan.objective_yuan + 100)
    outcome = grid.WhatIf(plan, other)
    assert outcome.moved == 0
    assert {n: b - a for n, a, b in outcome.rows()}["cost, yuan"] == pytest.approx(100)
    assert "+100.00" in str(outcome)


def test_prices_of_another_problem_are_refused(plan):
    """If this fails, yesterday's prices for other tenants end in numpy's words, or in a plan."""
    quotas = grid.Quotas.unlimited(25)
    message = r"prices\.quota has shape \(20,\), needed \(25,\) of this problem"
    with pytest.raises(InvalidProblemError, match=message):
        gc.match(plan.problem.replace(quotas=quotas), prices=plan.prices)


def test_what_if_says_what_is_proved(plan):
    """If this fails, a difference within the two plans' gaps is sold as the change's effect."""
    other = dataclasses.replace(
        plan, objective_yuan=plan.objective_yuan + 50, bound_yuan=plan.bound_yuan + 80
    )
    outcome, gap = grid.WhatIf(plan, other), plan.objective_yuan - plan.bound_yuan
    assert outcome.between == pytest.approx((80 - gap, 50 + gap))
    assert f"changes by {80 - gap:+,.2f} to {50 + gap:+,.2f} yuan" in str(outcome)


# ---------------------------------------------------------------- the page


class Wellformed(HTMLParser):
    """Fails on tags that do not match."""

    VOID = frozenset({"meta", "br"})

    def __init__(self):
        super().__init__()
        self.open = []
        self.seen = set()

    def handle_starttag(self, tag, _attrs):
        self.seen.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, _attrs):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open, tag
        assert self.open.pop() == tag


def test_page_is_whole_and_fetches_nothing(plan):
    """If this fails, the page breaks offline, runs code, or is not well-formed."""
    text = page(plan)
    parser = Wellformed()
    parser.feed(text)
    assert not parser.open
    assert {"svg", "table", "pre"} <= parser.seen
    assert not {"script", "link", "img", "iframe"} & parser.seen
    assert "url(" not in text
    assert not re.findall(r'(?:src|href)="(?!#)', text)
    assert "nan" not in re.sub(r"<text.*?</text>|<style>.*?</style>", "", text).lower().split('"')
    for name in plan.problem.sites.name:
        assert name in text


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.0540, 0.10, 1.07], ["0.0540", "0.1000", "1.0700"]),
        ([1234.5, 0.054, 0.0], ["1,234.50", "0.05", "0"]),
        ([250.0, 3000.0], ["250", "3,000"]),
        ([math.inf, math.nan, 2.0], ["∞", "–", "2.00"]),
        ([-3.0, 12.0], ["-3.00", "12.00"]),
        ([], []),
    ],
)
def test_a_column_has_one_count_of_decimals(values, shown):
    """If this fails, figures of a table do not stand below one another, or small ones vanish."""
    assert numbers(values) == shown


def test_page_shows_the_mandates_price_from_both_sides(plan):
    """If this fails, a reader takes a step of the price for a number, or cannot find it."""
    head, rows = mandate_rows(plan)
    unit = head[1].removeprefix("asked ")
    most = max(float(row[1].replace(",", "")) for row in rows)
    assert (unit, most < 1000) in {("kWh", True), ("MWh", True), ("GWh", True), ("GWh", False)}
    assert head == ["scope", *(f"{w} {unit}" for w in ("asked", "green", "short")), "left", "right"]
    assert [row[0] for row in rows] == list(plan.problem.mandate_rows.names)
    for row, (low, high) in zip(rows, plan.prices.mandate, strict=True):
        assert row[-2:] == [number(low), number(high)]
        asked, green, short = (float(x.replace(",", "")) for x in row[1:4])
        assert green + short >= asked * 0.98 - 0.01
    text = page(plan)
    assert f">{number(float(plan.prices.mandate[3, 1]))}</td>" in text
    volume = dataclasses.replace(
        plan,
        problem=plan.problem.replace(mandate=grid.Mandate(rule="volume")),
    )
    assert f"certificates {unit}" in mandate_rows(volume)[0]


def test_a_tile_tells_the_carbon_of_a_small_batch_from_none(plan):
    """If this fails, a page says 0.0 t where grid power was burnt, or a unit that is not meant."""
    kg = 1e3 * float(plan.green["n4_tco2"].sum())
    assert 0 < kg < 1000, kg
    tile = re.search(r">CO2<.*?location-based", page(plan))
    assert tile is not None
    words = re.sub("<[^>]*>", " ", tile[0])
    assert number(kg) in words, words
    assert "kg, location-based" in words, words


def test_page_shows_the_fleets_energy_with_its_green_share(plan):
    """If this fails, nobody sees how green the whole day is, or in which hours it is not."""
    text, d = page(plan), plan.dispatch
    share = d.green_kwh.sum(axis=0) / d.load_kwh.sum(axis=0)
    assert f"green share, {share.min():.0%} to {share.max():.0%}" in text
    total = d.green_kwh.sum() / d.load_kwh.sum()
    assert f"{total:.0%} green; the line" in text
    assert text.count('class="share"') == 2  # on a wide screen and on a narrow one


def test_page_begins_with_its_alarms(plan):
    """If this fails, a plan that misses the mandate looks like one that keeps it."""
    missing = np.zeros_like(plan.dispatch.missing_kwh)
    quiet = dataclasses.replace(plan, dispatch=plan.dispatch.replace(missing_kwh=missing))
    missing[2] = 0.4
    short = dataclasses.replace(plan, dispatch=plan.dispatch.replace(missing_kwh=missing))
    name = plan.problem.mandate_rows.names[2]
    text = page(short)
    assert f"{name} is 0.40 kWh short of the mandate" in text[: text.index("<section")]
    assert text.count('class="tile bad"') == 2
    assert 'class="tile bad"' not in page(quiet)
    assert "no date" in text
    dated = dataclasses.replace(
        plan, problem=plan.problem.replace(start="2026-03-01[Asia/Shanghai]")
    )
    assert "Sunday, 01 March 2026, 00:00 to Monday, 02 March 2026, 00:00 (Asia/Shanghai)" in page(
        dated
    )


def test_page_tells_what_each_part_costs_and_each_tenant_bears(plan):
    """If this fails, the numbers of the page are not those of the plan."""
    text = page(plan)
    for name, yuan in plan.costs.items():
        assert abs(yuan) < 0.005 or f">{yuan:,.2f}</td>" in text, name
    borne = np.bincount(plan.table()["tenant"], plan.table()["allocated_yuan"])
    assert f">{number(float(borne.max()))}</td>" in text
    for rule in grid.policies.POLICIES:
        assert f">{rule}</td>" in text
    said = by_kind(plan.problem.sources)
    for kind, rows in said.items():
        assert f"{len(rows)} {kind}" in text, kind
        assert f"{kind.capitalize()}: {len(rows)}" in text or not rows, kind
    unsaid = dataclasses.replace(plan, problem=plan.problem.replace(sources=()))
    assert "does not say where its figures come from" in page(unsaid)
    lost = plan.dispatch.curtailed_kwh.sum() / plan.problem.energy.direct_kwh.sum()
    assert f"{lost:.0%} curtailed" in text


def test_kinds_of_sources():
    """If this fails, an assumption is counted as sourced, or a derived figure as assumed."""
    rows = [
        ("a", "sourced: a.example"),
        ("b", "derived: from 36 of about 150 TWh, the latter assumed"),
        ("c", "assumed"),
        ("d", "memory: b.example; rest: assumption"),
        ("e", "a page of 2025"),
        ("f", ""),
    ]
    found = {kind: [name for name, _ in of] for kind, of in by_kind(rows).items()}
    assert found == {"sourced": ["a", "e"], "derived": ["b"], "assumed": ["c", "d", "f"]}


def test_page_opens_in_a_browser(plan, tmp_path):
    """If this fails, a real browser does not show the pictures."""
    browser = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if browser is None:
        pytest.skip("no Chromium here (Debian: apt-get install chromium)")
    path = plan.report(tmp_path / "plan.html")
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path}/home",
    ]
    dom = subprocess.run(
        [*command, "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert dom.count("<svg") > 20
    assert dom.count("<section") == 13
    for shown in ("Lowest N2", "All sites, ", "The mandate and its price", "Direct sources"):
        assert shown in dom
    shot = tmp_path / "plan.png"
    subprocess.run(
        [*command, "--window-size=1240,900", f"--screenshot={shot}", path.as_uri()],
        capture_output=True,
        check=True,
    )
    import matplotlib.image

    pixels = matplotlib.image.imread(shot)[..., :3]
    assert pixels.shape[:2] == (900, 1240)
    assert len(np.unique((pixels * 255).astype(int).reshape(-1, 3), axis=0)) > 30, (
        "the page is blank"
    )


def test_bottlenecks_are_sorted_by_what_they_earn(plan):
    """If this fails, the most valuable bottleneck is not at the top."""
    found = bottleneck_list(plan)
    earns = [b.earns_yuan for b in found]
    assert earns == sorted(earns, reverse=True)
    assert {"capacity", "mandate", "battery size"} <= {b.kind for b in found}
    total = sum(b.earns_yuan for b in found if b.kind == "capacity")
    assert total == pytest.approx((plan.prices.capacity * plan.problem.classes.capacity).sum())
