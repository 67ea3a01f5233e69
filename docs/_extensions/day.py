"""What pages show: a day that is solved once in a build, scripts of the examples, tables."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import gridcompute as gc

ROOT = Path(__file__).resolve().parents[2]


@cache
def plan() -> gc.grid.Plan:
    """A plan for four hundred jobs of the packaged scenario, the same in each build.

    The gallery's notebooks run in processes of their own and solve it again, with the same limit.
    """
    return gc.match(gc.grid.east_west(n_jobs=400, seed=0), gap=0.05, work_limit=600_000)


def example(name: str) -> Any:
    """A script of the folder examples, as a module."""
    path = ROOT / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def table(head: list[str], rows: list[list[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
