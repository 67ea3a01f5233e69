"""What-if: a changed batch, solved again from a plan's prices and placement."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _checks
from ..._html import table
from ...errors import InvalidProblemError
from ..tables.sites import GB_PER_GBIT_S_HOUR
from .plan import Comparison, moved_jobs, shown

if TYPE_CHECKING:
    from ..._progress import ProgressHook
    from ..tables.column import Bools
    from ..tables.problem import Problem
    from .plan import Plan

#: Gap of a what-if, as a multiple of the plan's own gap, at least and at most: where the plan's own
#: gap is some percent, as with few jobs, its placement would be within it after nearly any change.
GAP_OF_PLAN, LEAST_GAP, MOST_GAP = 1.5, 1e-4, 0.01

#: Columns of a problem's tables whose rise can only raise the cost of every plan, or let fewer
#: plans through (+1), or the reverse (-1), whatever the others are.
_DIRECTIONS: dict[str, dict[str, int]] = {
    "jobs": dict.fromkeys(("value_yuan", "delay_yuan_per_h", "migration_yuan", "restart_yuan"), 1),
    "sites": {"load_limit_yuan_per_kwh": 1},
    "classes": {"capacity": -1},
    "energy": {
        **dict.fromkeys(
            (
                *("tariff_yuan_per_kwh", "bundled_yuan_per_kwh", "direct_yuan_per_kwh"),
                *("carbon_yuan_per_t", "wear_yuan_per_kwh", "certificate_yuan_per_kwh"),
                *("curtailment_yuan_per_kwh", "demand_yuan_per_kw", "shed_yuan_per_kwh"),
            ),
            1,
        ),
        **dict.fromkeys(("export_yuan_per_kwh", "demand_paid_kw"), -1),
    },
    "corridors": {"price_yuan_per_gb": 1, "bandwidth_gb": -1},
    "mandate": {"share": 1, "shortfall_yuan_per_kwh": 1},
    "direct_rule": {"shortfall_yuan_per_kwh": 1},
}


@dataclasses.dataclass(frozen=True)
class WhatIf:
    """Two plans for one batch; `str()` prints their difference as a table.

    Parameters
    ----------
    before, after : Plan
    """

    before: Plan
    after: Plan

    @property
    def moved(self) -> int | None:
        """Jobs placed differently; None if the change is one of the number of jobs.

        Jobs are compared by row, which says nothing where the two batches have other rows.
        """
        a, b = self.before, self.after
        if len(a.assignment) != len(b.assignment):
            return None
        return moved_jobs(a, b)

    @property
    def between(self) -> tuple[float, float]:
        """Least and most by which the change raises the cost of the best plan, yuan.

        Proved by the two bounds: neither plan need be the best, so the difference of their costs
        alone says little where it is smaller than their gaps. And by `sign`.
        """
        a, b = self.before, self.after
        low, high = b.bound_yuan - a.objective_yuan, b.objective_yuan - a.bound_yuan
        return max(low, 0.0) if self.sign > 0 else low, min(high, 0.0) if self.sign < 0 else high

    @property
    def sign(self) -> int:
        """1 if the change can only raise the cost of the best plan, -1 if only lower it, else 0.

        That follows from the tables alone, without a bound: all that has changed is a price, which
        no plan escapes by its rise, or leaves fewer plans, or the reverse of both.
        """
        signs = _signs(self.before.problem, self.after.problem)
        return signs.pop() if len(signs) == 1 else 0

    def rows(self) -> list[tuple[str, float, float]]:
        """The changes: (name with unit, before, after)."""
        return Comparison(self.before, self.after).rows()

    def __str__(self) -> str:
        """A table of before, after and difference."""
        lines = [f"{'':34}{'before':>16}{'after':>16}{'difference':>14}"]
        for name, a, b in self.rows():
            lines.append(f"{name:34}{shown(a):>16}{shown(b):>16}{shown(b - a, '+'):>14}")
        return "\n".join([*lines, *self._words()])

    def _repr_html_(self) -> str:
        rows = [(name, shown(a), shown(b), shown(b - a, "+")) for name, a, b in self.rows()]
        return table(("before", "after", "difference"), rows, "\n".join(self._words()))

    def _words(self) -> list[str]:
        """The text below the table."""
        low, high = self.between
        proved = f"proved: the best plan's cost changes by {low:+z,.2f} to {high:+z,.2f} yuan"
        if self.sign:
            proved += (
                f"\nall that changed can only make it {'dearer' if self.sign > 0 else 'cheaper'}"
            )
        if not self.resolved:
            proved += (
                "\nthe bounds do not tell whether the change saves or costs: ask for a smaller gap"
            )
        return [self._difference(), *proved.split("\n")]

    @property
    def resolved(self) -> bool:
        """Whether it is proved that the change lowers or raises the cost of the best plan."""
        low, high = self.between
        return bool(self.sign) or low > 0 or high < 0 or low == high

    def _difference(self) -> str:
        moved = self.moved
        if moved is None:
            sizes = len(self.before.assignment), len(self.after.assignment)
            return "{:,} jobs before, {:,} after: not compared one by one".format(*sizes)
        return f"{moved:,} jobs placed differently"


def _signs(before: Problem, after: Problem) -> set[int]:
    """Return the directions in which changes move the cost of the best plan; 0 for an unknown."""
    out: set[int] = set()
    for part in dataclasses.fields(before):
        a, b = getattr(before, part.name), getattr(after, part.name)
        if a is b or part.name in ("name", "sources"):
            continue
        known = _DIRECTIONS.get(part.name, {})
        columns = [f.name for f in dataclasses.fields(a)] if dataclasses.is_dataclass(a) else []
        if type(a) is not type(b) or not columns:
            out |= set() if _same(a, b) else {0}
        for column in columns if type(a) is type(b) else ():
            out |= _sign(getattr(a, column), getattr(b, column), known.get(column, 0))
    return out


def _sign(before: Any, after: Any, direction: int) -> set[int]:
    """Return in which direction one column moves the cost, given in which one its rise does."""
    if _same(before, after):
        return set()
    x, y = np.asarray(before), np.asarray(after)
    if not direction or x.dtype.kind not in "iuf" or x.shape != y.shape:
        return {0}
    return {direction} if (y >= x).all() else {-direction} if (y <= x).all() else {0}


def _same(a: Any, b: Any) -> bool:
    """Return whether two values of a column are the same."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        floats = a.dtype.kind == b.dtype.kind == "f"
        return bool(np.array_equal(a, b, equal_nan=floats))
    return bool(a is b or (type(a) is type(b) and a == b))


def changed(
    problem: Problem,
    *,
    share: float | None = None,
    battery: float | None = None,
    gbit_s: float | None = None,
    corridor: tuple[str, str] | None = None,
    outage: str | tuple[str, int, int] | None = None,
    renewables: float | None = None,
    tariff: float | None = None,
    latency_rule: str | None = None,
) -> Problem:
    """The problem with the usual things changed.

    Parameters
    ----------
    problem : Problem
    share : float
        The mandate's share.
    battery : float
        Factor on every battery's size, power and first charge.
    gbit_s : float
        Added to the corridor, or to every corridor.
    corridor : (origin, destination) names
    outage : name of a site, or (name, first, end)
        Without accelerators for the whole batch, or in the hours ``first <= h < end`` (steps, where
        the problem's are shorter).
    renewables, tariff : float
        Factor on every direct source; on every tariff of the grid.
    latency_rule : "one_way" or "round_trip"
    """
    changes: dict[str, Any] = {}
    if share is not None:
        changes["mandate"] = dataclasses.replace(problem.mandate, share=share)
    energy = problem.energy
    if battery is not None:
        battery = _checks.number("battery", battery, 0.0)
        columns = ("battery_kwh", "battery_kw", "green_start_kwh", "grey_start_kwh")
        energy = energy.replace(**{k: battery * getattr(energy, k) for k in columns})
    if renewables is not None:
        renewables = _checks.number("renewables", renewables, 0.0)
        energy = energy.replace(direct_kwh=renewables * energy.direct_kwh)
    if tariff is not None:
        tariff = _checks.number("tariff", tariff, 0.0)
        energy = energy.replace(tariff_yuan_per_kwh=tariff * energy.tariff_yuan_per_kwh)
    if energy is not problem.energy:
        changes["energy"] = energy
    wires = problem.corridors
    if gbit_s is not None:
        more = wires.bandwidth_gb.copy()
        at: Any = slice(None)
        if corridor is not None:
            given: Any = corridor
            if isinstance(given, str) or len(given) != 2:
                message = f"corridor is {corridor!r}, needed the names of two sites"
                raise InvalidProblemError(message, "corridor")
            at = tuple(_site(problem, name) for name in corridor)
        more[at] += gbit_s * GB_PER_GBIT_S_HOUR * problem.step_h
        if (more < 0).any():
            raise InvalidProblemError(
                f"gbit_s is {gbit_s:g}, which leaves less than nothing", "gbit_s"
            )
        wires = wires.replace(bandwidth_gb=more)
    elif corridor is not None:
        raise InvalidProblemError("corridor needs gbit_s, what to add to it", "corridor")
    if latency_rule is not None:
        wires = wires.replace(latency_rule=latency_rule)
    if wires is not problem.corridors:
        changes["corridors"] = wires
    if outage is not None:
        capacity = problem.classes.capacity.copy()
        site, hours = _outage(problem, outage)
        capacity[problem.classes.site == site, hours] = 0
        changes["classes"] = problem.classes.replace(capacity=capacity)
    return problem.replace(**changes)


def _outage(problem: Problem, given: Any) -> tuple[int, slice]:
    """Return the site of an outage and its hours."""
    if isinstance(given, str):
        return _site(problem, given), slice(None)
    if not isinstance(given, tuple) or len(given) != 3:
        message = f"outage is {given!r}, needed the name of a site, or it with first hour and end"
        raise InvalidProblemError(message, "outage")
    first = _checks.whole("outage: first hour", given[1], 0, problem.hours - 1)
    end = _checks.whole("outage: end", given[2], first + 1, problem.hours)
    return _site(problem, given[0]), slice(first, end)


def whatif(
    plan: Plan,
    *,
    gap: float | None = None,
    threads: int | None = None,
    time_limit: float | None = None,
    work_limit: float | None = None,
    progress: bool | ProgressHook | None = None,
    keep: Any = False,
    **changes: Any,
) -> WhatIf:
    """Solve a plan's batch again with something changed, from the plan's prices and placement.

    Parameters
    ----------
    plan : Plan
    gap : float, optional
        None = 1.5 times the gap of `plan`, from 1e-4 to 1e-2. Where the placement of
        `plan` is proved to be within it after the change, that placement is the answer.
    threads : int, optional
    time_limit, work_limit : float, optional
        Seconds, and units of counted work, as in `match`.
    progress : bool or callable, optional
        As in `match`.
    keep : bool or bool (n_jobs,)
        True: each job stays where the plan has it, wherever it still can, and only what must move
        or was left out is placed again. An array: the jobs that stay so. What is placed again goes
        where it costs least at the plan's prices; nothing is optimised further, and `gap`,
        `time_limit`, `work_limit` and `progress` have no effect.
    **changes
        Those of `changed`, or whole tables as in `Problem.replace`.

    Examples
    --------
    >>> import gridcompute as gc
    >>> from gridcompute import grid
    >>> plan = gc.match(grid.east_west(n_jobs=500, seed=0), gap=0.05, time_limit=2)
    >>> outcome = grid.whatif(plan, outage="Hami", time_limit=2)
    >>> (outcome.after.table()["site"] == 10).any()
    np.False_
    """
    from ..evaluate import repaired
    from ..planner.match import match
    from .columns import Placement

    tables = {f.name for f in dataclasses.fields(plan.problem)}
    whole = {k: v for k, v in changes.items() if k in tables}
    rest = {k: v for k, v in changes.items() if k not in tables}
    problem = changed(plan.problem.replace(**whole), **rest)
    kept = _kept(plan, problem, keep)
    if kept.any():
        where = Placement(klass=plan.assignment, start=plan.start, pieces=plan.pieces)
        return WhatIf(plan, repaired(problem, where, kept, plan.prices, threads))
    goal = min(max(LEAST_GAP, GAP_OF_PLAN * plan.gap), MOST_GAP) if gap is None else gap
    # A stored plan's prices lack it.
    placement = Placement(klass=plan.assignment, start=plan.start, pieces=plan.pieces)
    after = match(
        problem,
        gap=goal,
        prices=plan.prices.replace(placement=placement),
        threads=threads,
        time_limit=time_limit,
        work_limit=work_limit,
        progress=progress,
    )
    return WhatIf(plan, after)


def _kept(plan: Plan, problem: Problem, keep: Any) -> Bools:
    """Return which jobs are to stay; none unless the changed problem has as many."""
    n = len(plan.assignment)
    flags = np.asarray(keep)
    if flags.dtype != np.bool_ or flags.ndim > 1:
        raise TypeError(f"keep must be a bool, or one bool a job, not {keep!r:.100}")
    if flags.ndim == 1 and flags.shape != (n,):
        message = f"keep: found shape {flags.shape}, needed ({n},), one bool a job"
        raise InvalidProblemError(message, "keep")
    if flags.any() and len(problem.jobs) != n:
        message = f"keep: found {len(problem.jobs)} jobs after the change, needed {n} as before"
        raise InvalidProblemError(message, "keep")
    return np.full(n, flags) if flags.ndim == 0 else flags


def _site(problem: Problem, name: str) -> int:
    names = [str(n) for n in problem.sites.name]
    if name not in names:
        raise InvalidProblemError(
            f"no site is called {name!r}; there are {', '.join(names)}{_checks.meant(name, names)}",
            "site",
        )
    return names.index(name)
