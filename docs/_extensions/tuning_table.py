"""The tuned numbers of a solver, and what was measured of them, in Markdown."""

from __future__ import annotations

import json
from pathlib import Path

from day import table

from gridcompute import _core

MEASURED = Path(__file__).parents[2] / "benches" / "tuning_measured.json"
HEAD = ["name", "default", "range", "unit", "decides", "measured"]


def shown(value: float) -> str:
    """A number in short: whole ones with separators, powers of two beyond a million as such."""
    size = int(value)
    if value != size:
        return f"{value:.6g}"
    if size >= 1 << 20 and size & (size - 1) == 0:
        return f"2^{size.bit_length() - 1}"
    return f"{size:,}"


def tuning_table(solver: str) -> str:
    """The table of a solver, by its name in `_core.tuning_table`."""
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))[solver]
    rows = [
        [
            f"`{e['name']}`",
            shown(e["default"]),
            f"{shown(e['low'])} to {shown(e['high'])}",
            *(text.replace("*", "\\*") for text in (e["unit"], e["decides"], measured[e["name"]])),
        ]
        for e in _core.tuning_table(solver)
    ]
    return table(HEAD, rows)
