"""The benches that pages name run, on small problems."""

import json
import subprocess
import sys
from pathlib import Path

BENCHES = Path(__file__).resolve().parent.parent / "benches"


def test_an_operators_hours_are_measured(tmp_path):
    """If this fails, the command behind the figures of a page ends in an error."""
    out = tmp_path / "hours.json"
    small = ("--hours", "2", "--jobs", "30", "--limit", "0.5", "--hindsight", "1")
    command = [sys.executable, str(BENCHES / "rolling_hours.py"), "hours", str(out), "1", *small]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert '"above_bound"' in out.read_text(), json.loads(out.read_text())
