"""The green account and the ledger: four numbers, other rules, a file that shows changes."""

import dataclasses
import json

import numpy as np
import pytest

from grid_oracles import checked_once, greedy_plan
from gridcompute import InvalidProblemError, grid
from gridcompute.grid.plan.audit import ALARM
from gridcompute.grid.plan.ledger_entry import GENESIS, Entry
from gridcompute.report.page import page


@pytest.fixture(scope="module")
def plan():
    """A plan for three hundred jobs under 80 % per site and hour."""
    return checked_once(greedy_plan(grid.east_west(n_jobs=300, seed=4)))


def idle_plan(problem):
    """No job placed: base load only."""
    unplaced = np.full(len(problem.jobs), -1, np.int32)
    return checked_once(grid.evaluate(problem, grid.Placement(klass=unplaced, start=unplaced)))


def test_four_numbers_by_hand(plan):
    """If this fails, one of N1 to N4 is computed from the wrong sums."""
    d, green = plan.dispatch, plan.green
    for s in range(12):
        used = d.direct_kwh[:, s].sum() + d.bundled_kwh[s].sum() + d.green_discharge_kwh[s].sum()
        grey = d.grid_kwh[s] + d.grey_discharge_kwh[s]
        load = used + grey.sum()
        assert green["load_kwh"][s] == pytest.approx(load)
        assert green["n2_hourly"][s] == pytest.approx(used / load)
        assert green["n1_statutory"][s] == pytest.approx(used / load)
        clean = (grey * plan.problem.energy.grid_green_share[s]).sum()
        assert green["n3_cfe"][s] == pytest.approx((used + clean) / load)
        grams = (d.grid_kwh[s] + d.grid_charge_kwh[s]) @ plan.problem.carbon_g_per_kwh[s]
        assert green["n4_tco2"][s] == pytest.approx(grams / 1e6)
        asked = 0.8 * load if plan.problem.sites.new[s] else 0.0
        assert used + green["shortfall_kwh"][s] >= asked - 1e-6


def test_the_battery_book_balances_in_each_colour(plan):
    """If this fails, stored power changes its colour, or losses are nobody's."""
    account = grid.audit(plan)
    book, energy = account.battery, plan.problem.energy
    there = book["start"] + book["taken"]
    gone = book["lost"] + book["given"] + book["end"]
    np.testing.assert_allclose(there, gone, atol=1e-6)
    both = energy.charge_efficiency * energy.discharge_efficiency
    most = both * book["taken"] + energy.discharge_efficiency * book["start"]
    assert (book["given"] <= most + 1e-6).all()
    assert book["given"][0].sum() > 1
    assert (book["lost"][0] > 1e-3).any()
    rows = account.battery_rows()
    assert {row[0] for row in rows} <= set(plan.problem.sites.name[energy.battery_kwh > 0])
    assert "| battery, kWh | colour | start | taken | lost | given | end |" in str(account)


def test_green_use_never_exceeds_load_in_any_hour(plan):
    """If this fails, surplus of noon is credited against the night."""
    assert (plan.dispatch.green_kwh <= plan.dispatch.load_kwh + 1e-9).all()


def test_certificates_raise_the_claim_and_nothing_else():
    """If this fails, the account hides that certificates move no energy."""
    problem = grid.east_west(n_jobs=200, seed=2)
    energy = problem.energy
    energy = energy.replace(
        direct_kwh=0.3 * energy.direct_kwh, bundled_yuan_per_kwh=energy.tariff_yuan_per_kwh + 0.2
    )
    problem = problem.replace(energy=energy)
    plans = {}
    for rule, scope in (("volume", "site"), ("hourly", "site")):
        mandate = grid.Mandate(share=0.8, rule=rule, scope=scope)
        plans[rule] = greedy_plan(problem.replace(mandate=mandate))
    bought, used = (grid.audit(plans[rule]) for rule in ("volume", "hourly"))
    assert plans["volume"].dispatch.certificate_kwh.sum() > 0
    assert bought.new["n1_statutory"] > bought.new["n2_hourly"] + 0.01
    assert bought.worst[1] < used.worst[1]
    ahead = plans["volume"].green["n1_statutory"] - plans["volume"].green["n2_hourly"]
    assert sum("claims" in alarm for alarm in bought.alarms) == (ahead > ALARM).sum() > 0


def test_other_rules_are_what_the_dispatch_would_claim(plan):
    """If this fails, "under the other rule" is not this plan's number."""
    account = grid.audit(plan)
    claims = {(c.rule, c.scope): c for c in account.claims}
    assert len(claims) == 6
    new = plan.problem.sites.new
    share = plan.green["n2_hourly"][new]
    hourly = claims["hourly", "site"]
    assert hourly.worst == pytest.approx(share.min())
    assert (hourly.worst_name, hourly.worst) == account.worst
    assert hourly.met == (share >= 0.8 - 1e-6).all()
    assert claims["hourly", "operator"].worst >= hourly.worst
    assert claims["volume", "site"].met
    missing = np.maximum(0.8 * plan.green["load_kwh"] - plan.green["green_kwh"], 0)[new].sum()
    assert claims["volume", "site"].certificates_mwh == pytest.approx(missing / 1e3)
    assert claims["hourly", "site"].certificates_mwh == 0


def test_the_account_prints_four_columns_and_the_lowest_site(plan):
    """If this fails, a reader sees one green number instead of four, or only the mean."""
    text = str(grid.audit(plan))
    assert all(word in text for word in ("N1 statutory", "N2 hourly", "N3 CFE", "N4 kgCO2"))
    assert "Lowest N2 among the new sites" in text
    assert text.count("\n| ") > 20
    assert json.loads(json.dumps(grid.audit(plan).as_dict()))["rule"].startswith("80% hourly")


@pytest.mark.parametrize(("factor", "energy", "carbon"), [(1, "kWh", "kg"), (1000, "MWh", "t")])
def test_units_follow_the_size_of_the_problem(plan, factor, energy, carbon):
    """If this fails, the account of a small problem is a table of 0.0."""
    account = grid.audit(plan)
    sites = {
        name: factor * values if name in ("load_kwh", "n4_tco2", "shortfall_kwh") else values
        for name, values in account.sites.items()
    }
    account = dataclasses.replace(account, sites=sites)
    head, *lines = str(account).splitlines()[2:]
    assert head == (
        f"| site | load {energy} | N1 statutory | N2 hourly | N3 CFE | N4 {carbon}CO2 "
        f"| short {energy} |"
    )
    size = {"kWh": 1.0, "MWh": 1e3}[energy]
    for line, load in zip(lines[1:], sites["load_kwh"], strict=False):
        shown = float(line.split("|")[2].replace(",", ""))
        assert shown == pytest.approx(load / size, rel=0.05), line
    assert f"certificates {energy}" in str(account)


def test_what_rounding_leaves_is_shown_as_nothing(plan):
    """If this fails, a site without carbon is said to emit 0.00000000000000013 kg."""
    account = grid.audit(plan)
    sites = {**account.sites, "n4_tco2": np.full(len(account.sites["name"]), 1.3e-19)}
    lines = str(dataclasses.replace(account, sites=sites)).splitlines()[4:]
    assert [line.split("|")[6].strip() for line in lines[: len(sites["name"])]] == ["0"] * 12


def dark_plan():
    """Two sites, one of them new, without accelerators and load; all others wholly green."""
    problem = grid.east_west(n_jobs=30, seed=0)
    dark = np.isin(np.arange(12), [1, 6])
    base = np.where(dark[:, None], 0.0, problem.energy.base_load_kwh)
    room = np.where(dark[problem.classes.site][:, None], 0, problem.classes.capacity)
    energy = problem.energy.replace(base_load_kwh=base, direct_kwh=1e3)
    return greedy_plan(
        problem.replace(energy=energy, classes=problem.classes.replace(capacity=room))
    )


def test_a_site_without_load_has_no_share(tmp_path):
    """If this fails, a new site that draws nothing is "the lowest, 0.0 %", or wholly green."""
    plan = dark_plan()
    names, new = plan.problem.sites.name, plan.problem.sites.new
    for column in ("n1_statutory", "n2_hourly", "n3_cfe"):
        assert np.isnan(plan.green[column][[1, 6]]).all()
    assert plan.verify(), plan.verify()
    account = grid.audit(plan)
    others = [str(name) for name in names[new] if name != names[6]]
    assert account.worst == (", ".join(others), 1.0), "all that tie, and no other"
    text = str(account)
    assert f"| {names[6]} (new) | 0 | - | - | - | 0 | 0 |" in text
    assert "nan" not in text.replace("tenant", "")
    hourly = next(c for c in account.claims if (c.rule, c.scope) == ("hourly", "site"))
    assert hourly.worst_name == account.worst[0]
    assert account.as_dict()["sites"]["n2_hourly"][6] is None
    for shown in (page(plan), plan._repr_html_(), str(plan.compare(plan))):
        assert "nan%" not in shown
        assert " nan" not in shown
    folder = grid.write_plan(plan, tmp_path / "plan")
    assert grid.verify_plan(folder), grid.verify_plan(folder)
    line = (folder / "green.csv").read_text().splitlines()[7]
    assert line == f'"{names[6]}",0,0,,,,0,0,0'
    only = tuple((names == names[6]).tolist())
    alone = grid.audit(idle_plan(plan.problem.replace(mandate=grid.Mandate(new=only))))
    assert alone.lowest == "No site that is held to the mandate has load."


def test_what_a_tolerance_leaves_is_in_no_number(plan):
    """If this fails, 80 % is 0.7999999999999999 in a file, and 4.5e-13 kWh are missing."""
    load, green = plan.dispatch.load_kwh, plan.dispatch.green_kwh
    grid_kwh = plan.dispatch.grid_kwh.copy()
    at = int(np.argmax(plan.problem.sites.new & (green.sum(axis=1) > 1)))
    grid_kwh[at] = 0.25 * green[at] * (1 + 4e-16) - plan.dispatch.grey_discharge_kwh[at]
    missing = np.full(7, 4.5e-13)
    dispatch = plan.dispatch.replace(grid_kwh=np.maximum(grid_kwh, 0.0), missing_kwh=missing)
    found = dataclasses.replace(plan, dispatch=dispatch)
    assert load.shape == grid_kwh.shape
    assert found.green["n2_hourly"][at] == 0.8
    assert (found.green["shortfall_kwh"] == 0).all()
    least = [c for c in grid.audit(found).claims if 0 < c.certificates_mwh < 1e-6]
    assert not least, least


def test_certificates_are_put_where_they_count():
    """If this fails, a pooled scope's certificates are lost at sites that are green already: 93.1 %
    and 95.0 % are told of one plan."""
    problem = grid.east_west(n_jobs=200, seed=2)
    energy = problem.energy
    own = np.where(
        np.arange(12)[None, :, None] % 2 > 0, energy.direct_kwh, 0.02 * energy.direct_kwh
    )
    dear = energy.tariff_yuan_per_kwh + 0.2
    problem = problem.replace(
        energy=energy.replace(direct_kwh=own, bundled_yuan_per_kwh=dear),
        mandate=grid.Mandate(share=0.95, rule="volume", scope="operator"),
    )
    plan = checked_once(grid.evaluate(problem, greedy_plan(problem)))
    account = grid.audit(plan)
    assert plan.dispatch.certificate_kwh.sum() > 1
    claim = next(c for c in account.claims if (c.rule, c.scope) == ("volume", "operator"))
    assert account.new["n1_statutory"] == pytest.approx(claim.mean, abs=1e-9)
    assert plan.green["n1_statutory"].max() <= 1
    assert plan.green["certificate_kwh"].sum() == pytest.approx(plan.dispatch.certificate_kwh.sum())


def test_a_comparison_counts_jobs_in_whole_numbers(plan):
    """If this fails, 37 jobs less are "-37.00"."""
    fewer = idle_plan(plan.problem)
    placed = int((plan.assignment >= 0).sum())
    (line,) = [x for x in str(plan.compare(fewer)).splitlines() if x.startswith("jobs placed ")]
    assert line.split()[2:] == [str(placed), "0", f"-{placed}"]


def test_a_plan_without_new_sites_has_no_lowest_one(plan):
    """If this fails, the account says "none, nan%"."""
    old = plan.problem.replace(sites=plan.problem.sites.replace(new=False))
    text = str(grid.audit(idle_plan(old)))
    assert "No site is held to the mandate." in text
    assert "nan%" not in text.split("| same plan under")[0]


def test_the_account_tells_how_many_figures_are_assumed(plan):
    """If this fails, whoever reads audit.md takes assumptions for facts."""
    counts = grid.audit(plan).figures
    kinds = ("sourced", "derived", "assumed")
    assert counts == {kind: len(grid.figures(kind)) for kind in kinds}
    assert min(counts.values()) > 0
    words = ", ".join(f"{counts[kind]} {kind}" for kind in kinds)
    assert f"Figures of the problem: {words};" in str(grid.audit(plan))


def test_pooled_scopes_split_what_is_missing_by_load():
    """If this fails, a pooled shortfall is lost or counted twice."""
    problem = grid.east_west(n_jobs=200, seed=2)
    plan = greedy_plan(problem.replace(mandate=grid.Mandate(share=1.0, scope="operator")))
    missing = plan.dispatch.missing_kwh
    assert missing.sum() > 0
    assert plan.green["shortfall_kwh"].sum() == pytest.approx(missing.sum())
    assert (plan.green["shortfall_kwh"][~problem.sites.new] == 0).all()


# ---------------------------------------------------------------- the ledger


def test_the_ledger_carries_debt_and_credit(plan):
    """If this fails, yesterday's shortfall is forgiven, or yesterday's surplus is lost."""
    ledger = grid.Ledger(window=3).record(plan, batch="monday")
    rows = plan.problem.mandate.rows(plan.problem.sites)
    owed = ledger.carried_kwh(rows.member, 0.8, plan.problem.sites)
    new = np.flatnonzero(plan.problem.sites.new)
    expected = 0.8 * plan.green["load_kwh"][new] - plan.green["green_kwh"][new]
    np.testing.assert_allclose(owed, expected)
    mandate = grid.Mandate(share=0.8, ledger=ledger)
    tuesday = plan.problem.replace(mandate=mandate)
    assert tuesday.mandate_rows.carried_kwh == pytest.approx(expected)
    assert tuesday.mandate_rows.missing_yuan_per_kwh == 0.3
    assert greedy_plan(tuesday).verify().valid


def test_the_window_forgets(plan):
    """If this fails, the budget does not roll."""
    ledger = grid.Ledger(window=3).record(plan, batch="1")
    rows = plan.problem.mandate.rows(plan.problem.sites)
    idle = idle_plan(plan.problem)
    once = ledger.carried_kwh(rows.member, 0.8, plan.problem.sites)
    ledger = ledger.record(idle, batch="2").record(idle, batch="3")
    later = ledger.carried_kwh(rows.member, 0.8, plan.problem.sites)
    only_idle = grid.Ledger(window=3).record(idle, batch="2").record(idle, batch="3")
    expected = only_idle.carried_kwh(rows.member, 0.8, plan.problem.sites)
    np.testing.assert_allclose(later, expected)
    assert np.abs(later - once).max() > 1
    assert (
        not dataclasses.replace(ledger, window=1)
        .carried_kwh(rows.member, 0.8, plan.problem.sites)
        .any()
    )


def test_meters_replace_plans_and_show_the_difference(plan):
    """If this fails, the budget rests on intentions although measurements are known."""
    ledger = grid.Ledger().record(plan, batch="monday")
    load, green = plan.green["load_kwh"], plan.green["green_kwh"] * 0.5
    metered = ledger.meter("monday", load_kwh=load, green_kwh=green)
    rows = plan.problem.mandate.rows(plan.problem.sites)
    before, after = (x.carried_kwh(rows.member, 0.8, plan.problem.sites) for x in (ledger, metered))
    np.testing.assert_allclose(
        after - before, (plan.green["green_kwh"] * 0.5)[plan.problem.sites.new]
    )
    (difference,) = metered.differences()
    assert difference["green_kwh"] == pytest.approx(-plan.green["green_kwh"].sum() / 2)
    with pytest.raises(InvalidProblemError, match="no planned batch 'friday'"):
        ledger.meter("friday", load_kwh=load, green_kwh=green)
    with pytest.raises(InvalidProblemError, match="at most the load"):
        ledger.meter("monday", load_kwh=load, green_kwh=load + 1)
    with pytest.raises(InvalidProblemError, match="3 values, needed 12"):
        ledger.meter("monday", load_kwh=[1, 2, 3], green_kwh=[0, 0, 0])


def test_a_certificate_is_retired_once(plan):
    """If this fails, one certificate serves two claims."""
    ledger = grid.Ledger().record(plan, batch="1", serials=["GEC-7"])
    with pytest.raises(InvalidProblemError, match=r"serials\[1\]: certificate GEC-7"):
        ledger.record(plan, batch="2", serials=["GEC-8", "GEC-7"])
    with pytest.raises(InvalidProblemError, match="holds batch '1' already"):
        ledger.record(plan, batch="1")


def test_a_plan_with_a_fault_is_not_recorded(plan):
    """A forged account went into the ledger, and from there into the next mandate."""
    ledger = grid.Ledger().record(plan, batch="1")
    dispatch = plan.dispatch.replace(grid_kwh=plan.dispatch.grid_kwh * 0.5)
    forged = dataclasses.replace(plan, dispatch=dispatch)
    with pytest.raises(InvalidProblemError, match="plan: found LoadImbalance"):
        ledger.record(forged, batch="2")
    assert [entry.batch for entry in ledger.entries] == ["1"]


@pytest.fixture
def ledger_file(plan, tmp_path):
    """A ledger of three batches on disk."""
    ledger = grid.Ledger()
    for batch in "abc":
        ledger = ledger.record(plan, batch=batch)
    ledger.write(tmp_path / "ledger.jsonl")
    return tmp_path / "ledger.jsonl"


def test_the_file_is_append_only(ledger_file, plan):
    """If this fails, history is rewritten instead of continued."""
    before = ledger_file.read_bytes()
    ledger = grid.Ledger.read(ledger_file).record(plan, batch="d")
    ledger.write(ledger_file)
    ledger.write(ledger_file)
    after = ledger_file.read_bytes()
    assert after.startswith(before)
    assert after.count(b"\n") == 4
    assert grid.Ledger.read(ledger_file).head == ledger.head
    with pytest.raises(InvalidProblemError, match="holds another ledger"):
        grid.Ledger().record(plan, batch="z").write(ledger_file)


@pytest.mark.parametrize(
    "what", ["number", "removed", "swapped", "first removed", "inserted", "junk"]
)
def test_tampering_is_detected(ledger_file, what):
    """If this fails, a kWh can be changed after the fact and nobody sees it."""
    lines = ledger_file.read_text().splitlines()
    if what == "number":
        entry = json.loads(lines[1])
        entry["green_kwh"][0] += 1
        lines[1] = json.dumps(entry)
    elif what == "removed":
        del lines[1]
    elif what == "swapped":
        lines[0], lines[1] = lines[1], lines[0]
    elif what == "first removed":
        del lines[0]
    elif what == "inserted":
        content = json.loads(lines[0]) | {"batch": "x"}
        entry = {k: v for k, v in content.items() if k not in ("previous", "hash")}
        tuples = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
        forged = Entry.after(GENESIS, **tuples)
        lines.insert(1, json.dumps(dataclasses.asdict(forged)))
    else:
        lines[2] = "{}"
    ledger_file.write_text("\n".join(lines) + "\n")
    with pytest.raises(InvalidProblemError):
        grid.Ledger.read(ledger_file)


def test_a_shortened_file_is_found_out_by_the_published_head(ledger_file):
    """If this fails, the last batches can be dropped unseen even where the head was published."""
    head = grid.Ledger.read(ledger_file).head
    ledger_file.write_text("".join(ledger_file.read_text().splitlines(keepends=True)[:-1]))
    grid.Ledger.read(ledger_file)
    with pytest.raises(InvalidProblemError, match=f"needed {head}"):
        grid.Ledger.read(ledger_file, head=head)


def test_bad_policies():
    """If this fails, a window of no batches divides by nothing later."""
    with pytest.raises(InvalidProblemError, match=r"ledger\.window: found 0"):
        grid.Ledger(window=0)
    with pytest.raises(InvalidProblemError, match="cap_yuan_per_kwh: found nan"):
        grid.Ledger(cap_yuan_per_kwh=float("nan"))
