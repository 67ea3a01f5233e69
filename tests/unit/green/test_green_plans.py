"""Plans, operators and registries as tables of green accounting; the command and its page."""

import dataclasses
import json
import re

import numpy as np
import pyarrow.compute as pc
import pyarrow.csv
import pytest

import gridcompute as gc
from green_oracle import table, world
from gridcompute import InvalidProblemError, green, grid
from gridcompute.cli import app


@pytest.fixture(scope="module", params=["hourly", "volume"])
def plan(request):
    """A plan of a day with a date, whose year is another one in UTC."""
    problem = grid.east_west(n_jobs=60, seed=1).replace(
        start="2026-01-01T00:00+08:00", mandate=grid.Mandate(share=0.9, rule=request.param)
    )
    return gc.match(problem, gap=0.05, work_limit=5e5)


def test_the_four_numbers_of_the_audit_are_claims_to_the_wh(plan):
    """If this fails, a regulator's tables and the audit of the same plan differ."""
    load, bundles, account = plan.measurements(), plan.bundles(), plan.green
    kwh = account["load_kwh"]
    for rule, column in (("volume", "n1_statutory"), ("cn-hourly", "n2_hourly")):
        found = green.claim(load, bundles, green.rule(rule))
        assert found.verify(), found.verify().reasons
        want = account[column] * kwh * 1e3
        assert want.sum() - 1 < found.matched_wh <= want.sum() + 1e-2, (rule, found, want.sum())
        apart = summed(plan.problem, found.claims, "matched_wh") - want
        assert np.abs(apart).max() <= 1.01, (rule, apart)
    clean = green.claim(load, bundles, green.rule("cfe-24-7").replace(boundary="facility"))
    counted = clean.matched_wh + pc.sum(clean.claims["grid_clean_wh"]).as_py()
    assert abs(counted - (account["n3_cfe"] * kwh).sum() * 1e3) < 2
    # A factor of each hour times whole Wh: what is drawn up to an hour lacks less than a Wh, so
    # that a site's grams differ by no more than the factor's changes times a Wh.
    net = plan.measurements("net")
    place = green.claim(net, bundles, green.rule("location"))
    grams = summed(plan.problem, place.claims, "emission_g")
    factor = plan.problem.carbon_g_per_kwh
    whole = net["wh"].to_numpy().reshape(factor.shape) / 1e3
    np.testing.assert_allclose(grams, (whole * factor).sum(axis=1), rtol=1e-12)
    most = (np.abs(np.diff(factor, axis=1)).sum(axis=1) + factor[:, -1]) * 1.01e-3
    apart = np.abs(grams - account["n4_tco2"] * 1e6)
    assert (apart <= most).all(), (apart, most)


def summed(problem, claims, column):
    """A column of claims by site of a problem."""
    got = dict.fromkeys(map(str, problem.sites.name), 0)
    for row in claims.to_pylist():
        got[row["facility"]] += row[column]
    return np.array([*got.values()])


def test_a_ledger_says_which_hours_and_certificates_a_plan_uses(plan, tmp_path):
    """If this fails, a line can not be compared with a registry, and one day counts twice."""
    ledger = grid.Ledger().record(plan, batch="1 January")
    (entry,) = ledger.entries
    assert entry.intervals == (("2025-12-31T16:00:00Z", "2026-01-01T16:00:00Z"),)
    ids = plan.bundles().select(["issuance", "id_start", "id_end"]).to_pylist()
    assert entry.bundles == tuple(tuple(row.values()) for row in ids)
    with pytest.raises(InvalidProblemError, match="needed a time that batch '1 January' does not"):
        ledger.record(plan, batch="again")
    after = dataclasses.replace(plan, problem=plan.problem.replace(start="2026-01-02T00:00+08:00"))
    with pytest.raises(InvalidProblemError, match=r"bundles\[0\]: found ids 0 to .*'1 January'"):
        ledger.record(after, batch="2 January", bundles=entry.bundles[-1:])
    ledger = ledger.record(after, batch="2 January")
    load = plan.green["load_kwh"]
    ledger = ledger.meter("1 January", load_kwh=load, green_kwh=load, bundles=[("gec", 0, 9)])
    assert [e.bundles[0][0] for e in ledger.entries[::2]] == [entry.bundles[0][0], "gec"]
    ledger.write(tmp_path / "ledger.jsonl")
    assert grid.Ledger.read(tmp_path / "ledger.jsonl").entries == ledger.entries
    undated = dataclasses.replace(plan, problem=plan.problem.replace(start=None))
    entry = ledger.record(undated, batch="?").entries[-1]
    assert entry.intervals == entry.bundles == ()


def test_an_operator_s_hours_are_tables_too():
    """If this fails, what ran is accounted for in another form than what was planned."""
    world = grid.east_west(n_jobs=60, seed=2, hours=30)
    operator = grid.Rolling(world, horizon_h=6)
    before = []
    for _ in range(3):
        operator.step(work_limit=2e5)
        rows = operator.bundles().to_pylist()
        assert [row for row in rows if row in before] == before  # an hour that is past is as it was
        before = sorted(rows, key=lambda row: row["start"])
        assert len(before) > 0
    found = green.claim(operator.measurements(), operator.bundles(), green.rule("cn-hourly"))
    assert found.verify()
    assert len(found.claims) == 3 * len(world.sites)
    want = operator.ledger.green_kwh.sum(axis=0) * 1e3
    got = summed(world, found.claims, "matched_wh")
    np.testing.assert_array_equal(got, np.floor(want + 1e-3))
    load = summed(world, found.claims, "load_wh")
    assert np.abs(load - operator.ledger.load_kwh.sum(axis=0) * 1e3).max() < 2


def test_codes_of_green_electricity_certificates():
    """If this fails, a range of certificates is read as another amount, month or project."""
    project, month = "0310123456789012X", "202602"
    code = [f"{project}{month}{serial:07d}11" for serial in (41, 50)]
    found = green.gec(code[:1], code[1:], technology="solar")
    row = found.to_pylist()[0]
    assert (row["wh"], row["id_start"], row["id_end"]) == (10**7, 41 * 10**6, 51 * 10**6 - 1)
    assert (row["device"], row["technology"], row["kind"]) == (project, "solar", "GEC")
    assert f"{row['start']:%m-%d %H} {row['end']:%m-%d %H}" == "01-31 16 02-28 16"  # China's month
    year = green.rule("cn-2025-669")
    load = {"facility": ["a"], "meter": ["m"], "wh": [7 * 10**6]}
    load |= {"start": ["2026-06-01T00:00+08:00"], "end": ["2026-06-02T00:00+08:00"]}
    assert green.claim(load, found, year).matched_wh == 7 * 10**6
    load |= {"start": ["2028-03-01T00:00+08:00"], "end": ["2028-03-02T00:00+08:00"]}
    assert green.claim(load, found, year).matched_wh == 0  # more than 24 months later
    for first, last, words in (
        (code[0][:-1], code[1], r"first\[0\]: found '.*', needed 32 characters"),
        (code[1], code[0], r"last\[0\]: found '.*', needed one that is not before first"),
        (code[0], code[1].replace("202602", "202603"), r"last\[0\]: .* the same project, month"),
        (code[0].replace("202602", "202613"), code[1], r"first\[0\]: found"),
    ):
        with pytest.raises(InvalidProblemError, match=words):
            green.gec([first], [last])


def test_names_of_energytag_and_schemas():
    """If this fails, a registry can not read what is exported, or a schema not what is accepted."""
    bundles = table(world(2)[1])
    out = green.energytag(bundles)
    assert out["certificate_bundle_id_range_end"].to_pylist() == bundles["id_end"]
    assert out["certificate_bundle_status"].to_pylist() == bundles["status"]
    for title in ("measurements", "bundles", "storage", "allocations"):
        schema = green.schema(title)
        assert json.loads(json.dumps(schema)) == schema
        assert set(schema["required"]) <= set(schema["properties"])
    assert set(table(world(2)[0])) <= set(green.schema("measurements")["properties"])


@pytest.fixture
def folder(tmp_path):
    """Meters and certificates as CSV."""
    loads, bundles = world(4, 60, 60)
    for name, rows in (("measurements", loads), ("bundles", bundles)):
        pyarrow.csv.write_csv(pyarrow.table(table(rows)), tmp_path / f"{name}.csv")
    return tmp_path


def test_the_command_claims_compares_and_writes(folder, capsys):
    """If this fails, a regulator with a folder of tables gets no claim from one command."""
    rule = ["--rule", "ghgp-scope2-draft", "--against", "cn-2025-669"]
    assert app.run(["claim", str(folder), *rule, "--out", str(folder / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["claims"]
    assert [c["rule"] for c in found] == ["ghgp-scope2-draft", "cn-2025-669"]
    assert all(c["certificate"]["valid"] and c["claimed_wh"] > 0 for c in found)
    page = (folder / "out" / "claim.html").read_text()
    assert "no other allocation claims more" in page
    assert "The same data under other rules" in page
    assert "the load that it may serve is matched already" in page or "Surplus" not in page
    assert len(pyarrow.csv.read_csv(folder / "out" / "rejected.csv")) > 0
    assert app.run(["rules"]) == 0
    assert "rfnbo-2023-1184" in capsys.readouterr().out


def test_a_bad_cell_of_a_file_is_named_by_its_line(folder, capsys):
    """If this fails, "found -5" is all that is known of a file of a million lines."""
    path = folder / "measurements.csv"
    lines = path.read_text().splitlines()
    kept = path.read_text()
    column = lines[0].replace('"', "").split(",").index("wh")
    cells = lines[7].split(",")
    cells[column] = "12.5"
    path.write_text("\n".join([*lines[:7], ",".join(cells), *lines[8:]]) + "\n")
    assert app.run(["claim", str(folder), "--rule", "volume"]) == 2
    assert (
        "measurements.csv line 8, wh: found '12.5', needed a whole number of Wh"
        in capsys.readouterr().err
    )
    bad = ",".join(cells)
    two = lines[1].replace('"f0"', '"f\n0"')  # a cell of two lines
    parts = lines[3].split(",")
    parts[column] = "8_000"
    changes = {
        r"measurements.csv line 9, wh: found '12.5'": [lines[0], "", *lines[1:7], bad],
        r"line 9, wh: found '12.5'": [lines[0], two, *lines[2:7], bad],
        "line 7: Expected": [*lines[:6], lines[6] + ",more", *lines[7:]],
        "wh: found '8_000', needed a whole number": [*lines[:3], ",".join(parts), *lines[4:]],
        "found a column 'kwh', .* did you mean 'wh'. It is in Wh": [
            lines[0].replace('"wh"', '"kwh"'),
            *lines[1:],
        ],
    }
    for words, text in changes.items():
        path.write_text("\n".join(text) + "\n")
        assert app.run(["claim", str(folder), "--rule", "volume"]) == 2
        said = capsys.readouterr().err
        assert re.search(words, said), (words, said)
        assert path.read_text() == "\n".join(text) + "\n"
    path.write_bytes(kept.replace("f0", "f\xfc").encode("latin-1"))
    assert app.run(["claim", str(folder), "--rule", "volume"]) == 2
    assert "measurements.csv: In CSV column #0: line 2: " in capsys.readouterr().err
    path.write_text(kept)
    (folder / "bundles.csv").rename(folder / "bundle.csv")
    assert app.run(["claim", str(folder), "--rule", "volume"]) == 2
    assert "found no bundles.csv and no bundles.parquet" in capsys.readouterr().err
    out = folder / "out"
    out.mkdir()
    assert app.run(["claim", str(folder), "--rule", "volume", "--out", str(out)]) == 2
    assert "found it there already" in capsys.readouterr().err
