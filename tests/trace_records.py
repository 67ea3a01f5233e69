"""Gavel's recorded values and the throughputs behind them, read beside the project."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
if not DATA.exists():
    DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
SPEEDS = DATA / "traces" / "gavel" / "simulation_throughputs.json.gz"
RECORDED = DATA / "replay"


def needs_records() -> None:
    """Skip the test where the recorded data are not at hand."""
    if not (SPEEDS.exists() and RECORDED.exists()):
        pytest.skip("no recorded data here: ../shared/data lacks replay/ or traces/gavel/")


def rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a recorded table."""
    data = (RECORDED / name).read_bytes()
    text = (gzip.decompress(data) if name.endswith(".gz") else data).decode()
    return list(csv.DictReader(text.splitlines()))
