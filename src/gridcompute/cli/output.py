"""The output of commands: text for people, or one JSON document with `--json`."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from .._certificate import Certificate

if TYPE_CHECKING:
    from ..grid.plan.plan import Plan


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


def say(text: str) -> None:
    """Print a text that may hold names from a user's tables."""
    from ..report.printable import printable

    typer.echo(printable(text, keep="\n"))


def emit(as_json: bool, document: Any, text: str) -> None:
    """Print the document as JSON, or the text."""
    if as_json:
        typer.echo(json.dumps(plain(document), indent=2, ensure_ascii=True, allow_nan=False))
    else:
        say(text)


def plain(value: Any) -> Any:
    """Return a value as JSON has it: arrays as lists, NaN as null, infinity as a string."""
    if isinstance(value, Certificate):
        kind: Any = type(value)
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(kind)}
        common = {name: getattr(value, name) for name in ("valid", "objective", "bound", "gap")}
        return plain({**fields, **common, "reasons": value.reasons})
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain({f.name: getattr(value, f.name) for f in dataclasses.fields(value)})
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in (value.tolist() if hasattr(value, "tolist") else value)]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def plan_facts(plan: Plan) -> dict[str, Any]:
    """Return what a plan comes to, for `--json`."""
    from ..grid.tables.mandate import by_kind

    green = plan.green
    return {
        "name": plan.problem.name,
        "status": plan.status,
        "jobs": len(plan.assignment),
        "placed": int((plan.assignment >= 0).sum()),
        "objective_yuan": plan.objective_yuan,
        "placed_yuan": plan.placed_yuan,
        "unplaced_yuan": plan.costs["unplaced"],
        "bound_yuan": plan.bound_yuan,
        "gap": plan.gap,
        "gap_paid": plan.gap_paid,
        "load_kwh": float(green["load_kwh"].sum()),
        "green": {"site": plan.problem.sites.name, **green},
        "unplaced": dict(Counter(plan.reasons.values())),
        "unplaced_by_tenant": _by_tenant(plan),
        "figures": {kind: len(rows) for kind, rows in by_kind(plan.problem.sources).items()},
    }


def _by_tenant(plan: Plan) -> dict[str, dict[str, int]]:
    """Return how many jobs of each tenant are left out, by reason."""
    out: dict[str, Counter[str]] = {}
    for job, token in plan.reasons.items():
        tenant = plan.problem.quotas.label(plan.problem.jobs.tenant[job])
        out.setdefault(tenant, Counter())[token] += 1
    return {name: dict(counts) for name, counts in out.items()}
