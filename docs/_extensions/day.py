"""The day that pages show: solved once in a build, whichever page asks first."""

from __future__ import annotations

from functools import cache

import gridcompute as gc


@cache
def plan() -> gc.grid.Plan:
    """A plan for four hundred jobs of the packaged scenario."""
    return gc.match(gc.grid.east_west(n_jobs=400, seed=0), gap=0.05, time_limit=15)


def table(head: list[str], rows: list[list[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
