"""What ran on clusters as tables of green accounting, and as lines of the ledger."""

import json

import numpy as np

from gridcompute import green, grid
from gridcompute.cli import app
from gridcompute.clusters import Operator
from unit.clusters.operator_world import Trial, World, configured


def test_the_hours_that_ran_are_claimed(tmp_path, capsys):
    """If this fails, a regulator gets what was planned in place of what ran, or cannot read it."""
    config, world = configured(tmp_path), World()
    assert app.run(["claim", str(tmp_path), "--rule", "cn-hourly"]) == 2
    assert "operator.sqlite: found no state: nothing has run yet" in capsys.readouterr().err
    assert not (tmp_path / "operator.sqlite").exists()
    world.clock = 300 * 3600.0
    kept = []
    with Trial(config, world) as op:
        assert op.bundles().num_rows == op.measurements().num_rows == 0
        job = {"script": str(tmp_path / "job.sh"), "hours": 1.0, "accelerators": 8}
        op.submit(table=[job] * 6)
        for _ in range(3):
            op.tick()
            rows = sorted(op.bundles().to_pylist(), key=lambda row: row["start"])
            assert [row for row in rows if row in kept] == kept  # past hours stay as they were
            kept = rows
            world.pass_(1.0)
        op.tick()
        lines = [row["line"] for row in op.state.rows("SELECT line FROM hours ORDER BY hour")]
    with Operator(config) as op:  # another process, which only looks
        load, bundles = op.measurements(), op.bundles()
    assert sum(load["wh"].to_pylist()) > 0
    assert len(bundles) > 0
    (tmp_path / "ledger.jsonl").write_text("".join(lines))
    entries = grid.Ledger.read(tmp_path / "ledger.jsonl").entries
    assert [e.intervals for e in entries] == [
        ((f"1970-01-13T{h:02}:00:00Z", f"1970-01-13T{h + 1:02}:00:00Z"),) for h in (12, 13, 14)
    ]
    ids = bundles.select(["issuance", "id_start", "id_end"]).to_pylist()
    used = [list(row) for entry in entries for row in entry.bundles]
    assert sorted(used) == sorted([*row.values()] for row in ids)
    claim = green.claim(load, bundles, green.rule("cn-hourly"))
    assert claim.verify(), claim.verify().reasons
    want = np.array([entry.green_kwh for entry in entries]).sum(axis=0) * 1e3
    assert claim.matched_wh == np.floor(want + 1e-3).sum()
    assert app.run(["claim", str(tmp_path), "--rule", "cn-hourly", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["claims"]
    assert found["claimed_wh"] == claim.matched_wh
    assert found["certificate"]["valid"]
