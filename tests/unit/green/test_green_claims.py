"""Claims of green energy: the largest by an LP of every pair, and proofs that forgeries fail."""

import dataclasses
import datetime
import zoneinfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from green_oracle import most, table, world
from gridcompute import InvalidProblemError, green
from gridcompute.green.record import REASONS

CLAIMS = ("load_wh", "own_wh", "contracted_wh", "certificate_wh", "matched_wh", "unmatched_wh")
CLAIMS += ("excluded_wh", "grid_clean_wh", "emission_g")
REJECTED = ("wh", "id_start", "id_end", "reason", "bundle")
INTERVALS = ("PT15M", "PT30M", "PT1H", "P1D", "P1M", "P1Y")


@st.composite
def rules(draw):
    later = draw(st.sampled_from([None, None, *INTERVALS]))
    return green.Rule(
        interval=draw(st.sampled_from(INTERVALS)),
        boundary=draw(st.sampled_from(["facility", "operator", "zone", "country", "any"])),
        utc_offset_h=draw(st.sampled_from([0, 8, -5])),
        max_age_months=draw(st.sampled_from([None, None, 36, 120])),
        age_at=draw(st.sampled_from([None, "2027-12-31"])),
        legacy_before=draw(st.sampled_from([None, "2027-01-01"])),
        carry_over_months=draw(st.sampled_from([0, 0, 1, 24])),
        later_interval=later,
        later_from=later and draw(st.sampled_from(["2027-12-31", "2028-01-01"])),
        exempt_below_wh=draw(st.sampled_from([0, 0, 15_000, 30_000])),
        kinds=tuple(
            draw(st.permutations(["own", "granular", "GO", "GEC"]))[: draw(st.integers(0, 4))]
        ),
        qualities=draw(st.sampled_from([("measured", "profile", "estimated"), ("measured",)])),
    )


#: Zones, and a day before their clocks are changed: by an hour in the night or at midnight, and by
#: half an hour.
CHANGES = (
    ("Europe/Brussels", "2027-03-27"),
    ("Europe/Brussels", "2027-10-30"),
    ("America/New_York", "2027-11-06"),
    ("America/Havana", "2027-03-13"),
    ("America/Havana", "2027-11-06"),
    ("Australia/Lord_Howe", "2027-04-03"),
)


@settings(max_examples=60, deadline=None)
@given(rules(), st.integers(0, 10**6), st.sampled_from([None, *CHANGES]))
def test_no_claim_is_larger_by_an_lp_of_every_pair(rule, seed, change):
    """If this fails, a regulator is given a claim that is too small, too large or not proved."""
    loads, bundles = world(seed)
    if change is not None:
        rule = rule.replace(time_zone=change[0], utc_offset_h=0)
        days = datetime.datetime.fromisoformat(change[1]).replace(tzinfo=datetime.UTC)
        loads, bundles = world(seed, begin=days)
    claim = green.claim(table(loads), table(bundles), rule)
    proof = claim.verify()
    assert proof.valid, (seed, rule, proof.reasons)
    assert claim.matched_wh == most(loads, bundles, rule) == proof.bound_wh, (seed, rule)
    assert claim.matched_wh == sum(claim.allocations["wh"].to_pylist())
    lost = sum(claim.rejected["wh"].to_pylist())
    assert claim.matched_wh + lost == sum(b["wh"] for b in bundles), (seed, rule)


RULE = green.Rule(interval="PT1H", boundary="zone")


@pytest.fixture(scope="module")
def claim():
    """A claim with some of everything: matched and unmatched load, all reasons of rejection."""
    loads, bundles = world(3, 60, 60)
    for m in loads:
        m |= {"grid_g_per_kwh": 500.0, "grid_clean": 0.25}
    rule = green.Rule(
        interval="P1D",
        boundary="zone",
        max_age_months=120,
        kinds=("own", "granular", "GO"),
        counts_grid_clean=True,
    )
    found = green.claim(table(loads), table(bundles), rule)
    assert found.matched_wh > 0
    assert set(found.rejected_by_reason()) >= {
        "NotActive",
        "KindNotAllowed",
        "PlantTooOld",
        "NoLoad",
    }
    return found


def forged(table, name, row, value):
    values = table[name].to_pylist()
    values[row] = value
    return table.set_column(
        table.column_names.index(name), name, pa.array(values, table[name].type)
    )


@pytest.mark.parametrize(
    "name", ["wh", "id_start", "id_end", "facility", "meter", "start", "end", "bundle"]
)
def test_a_forged_allocation_is_found(claim, name):
    """If this fails, whoever edits a cell of the allocations claims what is not his."""
    value = claim.allocations[name].to_pylist()[0]
    other = (
        f"{value}x"
        if isinstance(value, str)
        else value + (1 if isinstance(value, int) else RULE_STEP)
    )
    bad = dataclasses.replace(claim, allocations=forged(claim.allocations, name, 0, other))
    assert not bad.verify(), name


RULE_STEP = np.timedelta64(900, "s").astype(object)


@pytest.mark.parametrize(
    ("part", "name"),
    [("claims", name) for name in CLAIMS] + [("rejected", name) for name in REJECTED],
)
def test_a_forged_cell_of_a_table_is_found(claim, part, name):
    """If this fails, what a page shows of a claim is not what was proved."""
    found = getattr(claim, part)
    old = found[name].to_pylist()[0]
    new = (
        next(r for r in REASONS if r != old)
        if name == "reason"
        else old + ("x" if isinstance(old, str) else 1)
    )
    assert not dataclasses.replace(claim, **{part: forged(found, name, 0, new)}).verify()


def test_a_forged_number_or_cut_is_found(claim):
    """If this fails, the sum of a claim, or the proof that no more can be, is taken on trust."""
    assert not dataclasses.replace(claim, matched_wh=claim.matched_wh + 1).verify()
    assert not dataclasses.replace(claim, load_wh=claim.load_wh + 1).verify()
    held = claim.bundle_in_cut
    assert not dataclasses.replace(claim, bundle_in_cut=~held).verify()
    assert not dataclasses.replace(claim, bundle_in_cut=held[1:]).verify()
    assert not dataclasses.replace(claim, measurement_in_cut=~claim.measurement_in_cut).verify()
    assert not dataclasses.replace(claim, missing=claim.missing.slice(1)).verify()
    source, target, wh = claim.pieces
    moved = claim.pieces._replace(target=target[::-1].copy())
    assert not dataclasses.replace(claim, pieces=moved).verify(), (source, wh)


def test_less_than_the_most_is_no_proved_claim(claim):
    """If this fails, an allocation that wastes certificates passes as the largest."""
    fewer = claim.allocations.slice(1)
    bad = dataclasses.replace(claim, allocations=fewer, matched_wh=sum(fewer["wh"].to_pylist()))
    assert not bad.verify()
    loads, bundles = claim.measurements, claim.bundles
    assert green.verify(loads, bundles, claim.rule, allocations=fewer)  # though it is allowed


def test_an_audit_names_both_places_of_a_double_count(claim):
    """If this fails, two facilities may file the same certificates."""
    assert green.audit([claim]).valid
    found = green.audit([claim, claim])
    assert not found
    assert any(
        "claims[0].allocations[0]" in r and "claims[1].allocations[0]" in r for r in found.reasons
    )
    assert any("matched by claims[0] and claims[1]" in r for r in found.reasons)


def test_kinds_are_claimed_in_the_order_of_the_rule_and_the_oldest_first():
    """If this fails, certificates are spent where a facility's own power would have served."""
    leap = {"start": ["2028-02-29T00:00Z"], "end": ["2028-02-29T01:00Z"]}
    load = {"facility": ["a"], "meter": ["m"], "wh": [100], **leap}
    day = ["2028-01-05", "2028-01-01", "2028-02-01"]
    bundles = {
        "issuance": ["new", "old", "own"], "id_start": [0] * 3, "id_end": [59] * 3, "wh": [60] * 3,
        "start": [f"{d}T00:00Z" for d in day], "end": [f"{d}T01:00Z" for d in day],
        "device": ["x"] * 3,
        "kind": ["granular", "granular", "own"],
    }  # fmt: skip
    rule = green.Rule(interval="PT1H", boundary="any", carry_over_months=2)
    found = green.claim(load, bundles, rule)
    used = {r["bundle"]: r["wh"] for r in found.allocations.to_pylist()}
    assert used == {"own": 60, "old": 40}
    assert found.rejected_by_reason() == {"Surplus": 80}


def test_tables_without_rows():
    """If this fails, a month without certificates, or a plant without load, ends in an error."""
    loads, bundles = map(table, world(0))
    none = {name: [] for name in loads}, {name: [] for name in bundles}
    for m, b in ((none[0], bundles), (loads, none[1]), none):
        found = green.claim(m, b, RULE)
        assert found.matched_wh == 0, (found, m is none[0])
        assert found.verify().valid


def test_frames_of_all_kinds_give_the_same_claim():
    """If this fails, the answer depends on the library that held the table."""
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    loads, bundles = map(table, world(5))
    forms = [lambda t: t, pandas.DataFrame, polars.DataFrame, pa.table]
    claims = [green.claim(f(loads), f(bundles), RULE) for f in forms]
    assert all(c.allocations.equals(claims[0].allocations) for c in claims)
    shuffled = pandas.DataFrame(loads).sample(frac=1, random_state=1)  # an index that is no column
    assert green.claim(shuffled, bundles, RULE).matched_wh == claims[0].matched_wh


def bad(change, which="measurements"):
    loads, bundles = world(1)
    tables = {"measurements": table(loads), "bundles": table(bundles)}
    for name, value in change.items():
        column = tables[which].setdefault(name, [None] * len(tables[which]["wh"]))
        if callable(value):
            tables[which][name] = value(column)
        else:
            column[2] = value
    with pytest.raises(InvalidProblemError) as error:
        green.claim(*tables.values(), green.Rule(interval="PT1H", boundary="operator"))
    return str(error.value)


def test_bad_cells_are_named_with_what_was_needed():
    """If this fails, a regulator with a million rows looks for the bad one by himself."""
    assert (
        bad({"wh": -1})
        == "measurements.wh[2]: found -1, needed a whole number of Wh, 0 to 4.61169e+18"
    )
    assert "found 1.5, needed a whole number of Wh" in bad({"wh": 1.5})
    assert "found nothing, needed" in bad({"wh": None})
    assert "'2028-03-26T02:30', needed a time with its zone" in bad(
        {"start": lambda c: ["2028-03-26T02:30"] * len(c)}
    )
    assert "found a column 'kwh', needed" in bad({"kwh": lambda c: [1] * len(c)})
    assert "did you mean 'Active'?" in bad({"status": "active"}, "bundles")
    assert "needed a range of" in bad({"wh": 1}, "bundles")
    assert "none that overlap those of bundles.id_start[0]" in bad(
        {"issuance": "i0", "id_start": 0, "id_end": 2, "wh": 3}, "bundles"
    )  # fmt: skip
    assert "found no column 'operator', which the rule compares" in bad_without("operator")


def bad_without(name):
    loads, bundles = map(table, world(1))
    del loads[name]
    with pytest.raises(InvalidProblemError) as error:
        green.claim(loads, bundles, green.Rule(interval="PT1H", boundary="operator"))
    return str(error.value)


def test_intervals_that_overlap_and_those_that_are_missing():
    """If this fails, an hour is counted twice, or a hole in the meter's record is not seen."""
    load = {
        "facility": ["a"] * 3, "meter": ["m"] * 3, "wh": [1, 2, 3],
        # The night in which Europe's clocks go back: 02:00 to 03:00 is there twice, and both count.
        "start": ["2028-10-29T02:00+02:00", "2028-10-29T02:00+01:00", "2028-10-29T05:00+01:00"],
        "end": ["2028-10-29T02:00+01:00", "2028-10-29T03:00+01:00", "2028-10-29T06:00+01:00"],
    }  # fmt: skip
    none = {name: [] for name in table(world(0)[1])}
    rule = green.Rule(interval="PT1H", boundary="any")
    found = green.claim(load, none, rule)
    hole = [(f"{r['start']:%H:%M}", f"{r['end']:%H:%M}") for r in found.missing.to_pylist()]
    assert hole == [("02:00", "04:00")]  # UTC
    load["end"][0] = "2028-10-29T02:15+01:00"
    with pytest.raises(
        InvalidProblemError,
        match=r"measurements.start\[1\]: .* overlaps that of measurements.start\[0\]",
    ):
        green.claim(load, none, rule)


def test_rules_of_the_package_and_of_a_file(tmp_path):
    """If this fails, a shipped rule can not be read, or one's own with a slip is taken as it is."""
    known = green.rules()
    assert len({r.id for r in known}) == len(known) >= 9
    assert all(r.title and r.text and r.date and r.source for r in known)
    own = tmp_path / "mine.json"
    own.write_text('{"interval": "PT1H", "boundary": "zone", "max_age_month": 3}')
    with pytest.raises(
        InvalidProblemError, match=r"'max_age_month'; did you mean 'max_age_months'\?"
    ):
        green.rule(own)
    with pytest.raises(InvalidProblemError, match="did you mean 'cn-hourly'"):
        green.rule("cn-hourli")
    with pytest.raises(InvalidProblemError, match=r"rule.interval: found 'PT2H', needed"):
        green.Rule(interval="PT2H", boundary="zone")
    with pytest.raises(
        InvalidProblemError, match=r"rule.age_at: found '2028-02-30', needed a date"
    ):
        green.Rule(interval="PT1H", boundary="zone", age_at="2028-02-30")


def test_wrong_things_in_place_of_rules_and_claims():
    """An id where a rule was due said that 'str' has no attribute."""
    loads, bundles = (table(rows) for rows in world(1))
    claim = green.claim(loads, bundles, RULE)
    for call, words in (
        (lambda: green.rule(5), "rule must be an id or a path, not int"),
        (lambda: green.claim(loads, bundles, "cn-hourly"), "rule must be a Rule, not str"),
        (
            lambda: green.verify(loads, bundles, "x", allocations=claim.allocations),
            "rule must be a Rule, not str",
        ),
        (lambda: green.compare(loads, bundles, "cn-hourly"), "a sequence of rules, not str"),
        (lambda: green.compare(loads, bundles, [5]), "rule must be a Rule, not int"),
        (lambda: green.audit([claim, 1]), r"claims\[1\] must be a Claim, not int"),
        (lambda: green.Rule(interval="P1M", boundary="any", time_zone=1), "rule.time_zone must be"),
    ):
        with pytest.raises(TypeError, match=words):
            call()
    huge = loads | {"wh": [2**63, *loads["wh"][1:]]}
    with pytest.raises(
        InvalidProblemError, match=r"measurements: found a whole number of 2\*\*63 or"
    ):
        green.claim(huge, bundles, RULE)
    for zone, words in (("Europe/Brusels", "did you mean 'Europe/Brussels'"), ("", "found ''")):
        with pytest.raises(InvalidProblemError, match=words):
            green.Rule(interval="P1M", boundary="any", time_zone=zone)
    with pytest.raises(InvalidProblemError, match="needed one of them"):
        green.Rule(interval="P1M", boundary="any", time_zone="Europe/Rome", utc_offset_h=1)


def test_one_load_on_both_sides_of_its_meter_is_refused():
    """Gross and net of one hour were both load, and the claim's own proof did not hold."""
    hour = {"start": ["2026-06-01T00:00Z"] * 2, "end": ["2026-06-01T01:00Z"] * 2}
    loads = {"facility": ["a"] * 2, "meter": ["m"] * 2, "wh": [9, 5], "zone": ["w"] * 2} | hour
    with pytest.raises(InvalidProblemError, match=r"start\[1\]: found .* overlaps that of"):
        green.claim(loads | {"side": ["gross", "net"]}, table(world(1)[1]), RULE)


def test_a_machine_without_time_zones(monkeypatch):
    """If this fails, a list of rules needs data of zones, or a claim fails in odd words."""
    rule = green.rule("rfnbo-2023-1184")
    monkeypatch.setattr(zoneinfo, "available_timezones", set)

    def missing(name):
        raise zoneinfo.ZoneInfoNotFoundError(name)

    monkeypatch.setattr(zoneinfo, "ZoneInfo", missing)
    assert rule in green.rules()
    loads, bundles = (table(rows) for rows in world(1))
    with pytest.raises(InvalidProblemError, match=r"rule.time_zone: .* pip install tzdata"):
        green.claim(loads, bundles, rule)
