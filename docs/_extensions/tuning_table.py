"""The tuned numbers of a solver, as the library returns them, in Markdown."""

from __future__ import annotations

from day import table

from gridcompute import _core

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
    rows = [
        [
            f"`{e['name']}`",
            shown(e["default"]),
            f"{shown(e['low'])} to {shown(e['high'])}",
            *(e[key].replace("*", "\\*") for key in ("unit", "decides", "measured")),
        ]
        for e in _core.tuning_table(solver)
    ]
    return table(HEAD, rows)
