"""Two plans side by side: costs part by part, energy, the green numbers, and what moved."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from ..._html import table
from .account import LEAST_KWH, lowest_share
from .costs import COSTS

if TYPE_CHECKING:
    from .data import PlanData

__all__ = ["Comparison", "compare", "moved_jobs", "shown"]

#: The name of a part of the cost in a table.
_WORDS = {name: name.replace("_", " ") for name in COSTS}
#: Parts of a cost that differ by less are not shown, yuan.
_LEAST_YUAN = 0.005


def moved_jobs(a: PlanData, b: PlanData) -> int:
    """Return how many jobs two plans of the same jobs place differently, or cut otherwise."""
    differs = (a.assignment != b.assignment) | (a.start != b.start)
    if a.pieces is not None or b.pieces is not None:
        cut = [
            set() if p is None else set(zip(p.job.tolist(), p.start, p.hours, strict=True))
            for p in (a.pieces, b.pieces)
        ]
        differs[[job for job, _, _ in cut[0] ^ cut[1]]] = True
    return int(differs.sum())


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two plans, whatever made them; `str()` prints their difference as a table.

    Parameters
    ----------
    first, second : Plan
        The columns of the table are named after the problems' names where these differ.
    """

    first: PlanData
    second: PlanData

    @property
    def moved(self) -> int | None:
        """Jobs placed differently; None if the plans have other jobs.

        Jobs are compared by row, which says nothing where the two batches have other rows.
        """
        a, b = self.first, self.second
        if len(a.assignment) != len(b.assignment):
            return None
        return moved_jobs(a, b)

    @property
    def difference_yuan(self) -> float:
        """Cost of the second plan less that of the first, yuan."""
        return self.second.objective_yuan - self.first.objective_yuan

    @property
    def costs(self) -> dict[str, tuple[float, float]]:
        """Each part of the cost in the first and the second plan, yuan."""
        a, b = self.first.costs, self.second.costs
        return {name: (a[name], b[name]) for name in COSTS}

    def rows(self) -> list[tuple[str, float, float]]:
        """The differences: (name with unit, first, second)."""
        a, b = _numbers(self.first), _numbers(self.second)
        return [(name, a[name], b[name]) for name in a]

    def __str__(self) -> str:
        """A table of first, second and difference."""
        a, b = (plan.problem.name for plan in (self.first, self.second))
        a, b = (a[:15], b[:15]) if a != b else ("first", "second")
        lines = [f"{'':34}{a:>16}{b:>16}{'difference':>16}"]
        lines += [_line(*row) for row in self.rows()]
        parts = [(name, *pair) for name, pair in self.costs.items()]
        parts = [row for row in parts if max(abs(row[1]), abs(row[2])) >= _LEAST_YUAN]
        if parts:
            lines.append("cost by part, yuan")
            lines += [_line(f"  {_WORDS[name]}", x, y) for name, x, y in parts]
        return "\n".join([*lines, self._difference()])

    def _repr_html_(self) -> str:
        a, b = (plan.problem.name for plan in (self.first, self.second))
        a, b = (a, b) if a != b else ("first", "second")
        rows = [(name, shown(x), shown(y), shown(y - x, "+")) for name, x, y in self.rows()]
        return table((a, b, "difference"), rows, self._difference())

    def _difference(self) -> str:
        moved = self.moved
        if moved is None:
            sizes = len(self.first.assignment), len(self.second.assignment)
            return "{:,} jobs and {:,} jobs: not compared one by one".format(*sizes)
        return f"{moved:,} jobs placed differently"


def compare(plan: PlanData, other: PlanData) -> Comparison:
    """Two plans side by side: costs by part, energy, green shares, and how many jobs moved.

    Parameters
    ----------
    plan, other : Plan
        Of one problem or of two: a plan of `match` beside one of `evaluate`, of two days, of two
        tariffs.

    Returns
    -------
    Comparison
        ``difference_yuan``, ``costs``, ``moved``; ``str()`` is a table.

    Examples
    --------
    >>> import gridcompute as gc
    >>> from gridcompute import grid
    >>> problem = grid.east_west(n_jobs=300, seed=0)
    >>> plan = gc.match(problem, gap=0.05, time_limit=2)
    >>> simple = grid.evaluate(problem, grid.policies.fifo_at_home(problem), prices=plan.prices)
    >>> grid.compare(plan, simple).difference_yuan > 0
    True
    """
    for name, value in (("plan", plan), ("other", other)):
        if not hasattr(value, "objective_yuan") or not hasattr(value, "costs"):
            raise TypeError(f"{name} must be a grid.Plan, not {type(value).__name__}")
    return Comparison(plan, other)


def shown(value: float, sign: str = "") -> str:
    """Return a number with two decimals, with four below 1, with two figures below 0.001.

    What is no more of its unit than a solver's tolerance leaves is 0; whole numbers have no
    decimals, and "-" is what there is none of.
    """
    if isinstance(value, int):
        return f"{value:{sign},}"
    if math.isnan(value):
        return "-"
    size = abs(value)
    digits = 2 if size >= 1 or not value else 4
    if LEAST_KWH / 2 <= size < 1e-3:
        digits = 1 - math.floor(math.log10(size))
    return f"{value:{sign}z,.{digits}f}"


def _line(name: str, a: float, b: float) -> str:
    return f"{name:34}{shown(a):>16}{shown(b):>16}{shown(b - a, '+'):>16}"


def _numbers(plan: PlanData) -> dict[str, float]:
    """Return the main figures of a plan, by name with unit."""
    problem, green = plan.problem, plan.green
    new, load = problem.mandate.applies_to(problem.sites), plan.green["load_kwh"]
    of_new = float(load[new].sum()) or math.nan
    t = plan.table()
    away = problem.jobs.origin[t["job"]] != t["site"]
    return {
        "cost, yuan": plan.objective_yuan,
        "without jobs left out, yuan": plan.placed_yuan,
        "no plan costs less than, yuan": plan.bound_yuan,
        "jobs placed": int((plan.assignment >= 0).sum()),
        "load, MWh": float(load.sum()) / 1e3,
        "new sites' hourly green share, %": 100 * float(green["green_kwh"][new].sum()) / of_new,
        "lowest new site, %": 100 * lowest_share(green["n2_hourly"][new])[0],
        "short of the mandate, MWh": float(green["shortfall_kwh"].sum()) / 1e3,
        "curtailed, MWh": float(plan.dispatch.curtailed_kwh.sum()) / 1e3,
        "location-based CO2, t": float(green["n4_tco2"].sum()),
        "data moved, GB": float(np.sum(problem.jobs.data_gb[t["job"][away]])),
    }
