"""A plan: where and when each job runs, how each site is powered; two plans side by side."""

from __future__ import annotations

import dataclasses
import datetime
import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _checks
from ..._extras import extra
from ..._html import facts, table
from ..._value import Tabular
from ..checker.derived_tables import Fault
from ..checker.verify import PlanCertificate, verify
from ..tables.times import time_of, zone_name
from .account import LEAST_KWH, lowest_share
from .costs import COSTS, bundle_table, plan_bundles, plan_measurements
from .data import PlanData
from .explain import Explanation, HourlyTable, explain, unplaced_reasons

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from ...plot.plan import PlanPlots

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


#: What a plan keeps and the checker compares with numbers of its own.
_COMPARED = {"_table", "_costs", "_green"}


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Plan(PlanData, Tabular):
    """The answer of `match` for one batch: a value that nothing changes once it is made.

    Arrays that it hands out are read-only, dicts are fresh ones.

    Parameters
    ----------
    problem : Problem
    assignment : int32 (n_jobs,)
        Class of each job, -1 = unplaced.
    start : int32 (n_jobs,)
        Its first hour, -1 = unplaced.
    dispatch : Dispatch
    prices : Prices
    objective_yuan : float
        Exact cost: jobs' own costs, values of unplaced jobs, energy, wear, carbon, certificates,
        what is missing to the mandate, to the direct-connection rule and to lower quotas, less
        exports and worth of what is stored.
    bound_yuan : float
        No plan costs less; proved by `prices`, or by a search over all plans.
    without_option_yuan : float
        Value of the jobs that no class could ever take: part of objective and bound, not of the
        gap. Default: it is found.
    status : str
        "optimal" (gap 0), "feasible", "time_limit" or "stopped".
    stats : mapping
        Passes, seconds by stage, counts.
    pieces : Pieces, optional
        Of the interruptible jobs that run in pieces; all others run whole.
    priced_bound_yuan : float
        What `prices` prove without a search; what is above `bound_yuan` counts for nothing.
        Default: all of `bound_yuan`.
    """

    @property
    def reasons(self) -> dict[int, str]:
        """A stable token for each unplaced job, why it has no option or what its options lack."""
        return dict(self._reasons)

    @cached_property
    def _reasons(self) -> dict[int, str]:
        return unplaced_reasons(self)

    def verify(self) -> PlanCertificate:
        """Recompute everything: feasibility, energy balance, accounts, cost and bound.

        Shares no code with the engine. Needs scipy.

        Returns
        -------
        PlanCertificate
            ``.valid``, the recomputed cost and bound, and each fault with its token and place.

        Notes
        -----
        Not checked: `stats`, `prices.placement`, which proves nothing, and which of "feasible",
        "time_limit" and "stopped" `status` is: what stopped a search cannot be computed again.
        Prices of the mandate and of batteries are differences of two optima, compared to 2 %.

        Complexity: a pass over all options and one linear program of some thousand columns.
        """
        try:
            made = _made_again(self)
        except (TypeError, ValueError) as error:
            return PlanCertificate(np.nan, np.nan, (Fault("Malformed", str(error), 0.0, 1.0),))
        vars(made).update({name: vars(self)[name] for name in _COMPARED & vars(self).keys()})
        found = verify(made)
        faults = _kept_faults(self, made) if found.valid else ()
        return dataclasses.replace(found, faults=(*found.faults, *faults))

    def explain(self, job: int | str) -> Explanation:
        """Explain a job's option, or why it has none: each site's best option in yuan, by parts.

        Parameters
        ----------
        job : int or str
            Its row in the jobs table, or its id where ids are text. The answer names it by its id.
        """
        return explain(self, self._row(job), lambda: self._reasons)

    def compare(self, other: Plan) -> Comparison:
        """Put another plan beside this one: costs by part, energy, green shares, what moved.

        Parameters
        ----------
        other : Plan
        """
        return Comparison(self, other)

    def to_arrow(self) -> pa.Table:
        """Return all jobs as a pyarrow Table, unplaced ones with nulls and a reason.

        Names come first, so that a frame's first rows show where each job runs.
        """
        with extra("grid"):
            import pyarrow as pa

        n, sites, classes = len(self.problem.jobs), self.problem.sites, self.problem.classes
        placed, t = self.assignment >= 0, self._table
        kinds = np.array(classes.accelerator_names)[classes.accelerator]
        names = {"site_name": sites.name[t["site"]], "accelerator": kinds[t["klass"]]}
        jobs, quotas = self.problem.jobs, self.problem.quotas
        columns: dict[str, Any] = {"job": pa.array(np.arange(n, dtype=np.int32))}
        columns |= {"id": pa.array(jobs.ids), **dict.fromkeys((*names, "start", "hours"))}
        columns |= self._times() if self.problem.start is not None else {}
        columns["tenant"] = pa.array(jobs.tenant)
        if quotas.tenant_names:
            columns["tenant_name"] = pa.array(np.array(quotas.tenant_names)[jobs.tenant])
        for name, values in {**t, **names}.items():
            if columns.get(name) is None:
                wide = np.zeros(n, values.dtype)
                wide[placed] = values
                columns[name] = pa.array(wide, mask=~placed)
        reasons = self._reasons
        columns["reason"] = pa.array([reasons.get(j) for j in range(n)], pa.string())
        return pa.table(columns)

    @property
    def hourly(self) -> HourlyTable:
        """The plan by site and hour, one row each: `to_arrow`, `to_pandas`, `to_polars`."""
        return HourlyTable(self)

    def measurements(self, side: str = "gross") -> pa.Table:
        """Return the load of each site and step in whole Wh, as `gridcompute.green` reads it.

        Parameters
        ----------
        side : "gross" or "net"
            All that is used, or what is drawn from the grid.

        Returns
        -------
        pyarrow.Table
            A row for each site and step; a batch without a date begins in 1970.
        """
        _checks.choice("side", side, ("gross", "net"))
        return plan_measurements(self.problem, self.dispatch, side)

    def bundles(self) -> pa.Table:
        """Return the green power in whole Wh as certificates by site and step.

        Returns
        -------
        pyarrow.Table
            Of the kind "own": direct sources and green power from the battery; "granular": bundled
            green power; "GEC": certificates that are retired, and those of exported power where
            they are kept.
        """
        return bundle_table(plan_bundles(self.problem, self.dispatch))

    @property
    def plot(self) -> PlanPlots:
        """The pictures of the plan, e.g. `plot.load()`; needs matplotlib."""
        from ...plot.plan import PlanPlots  # upward, and only when called

        return PlanPlots(self)

    def _times(self) -> dict[str, Any]:
        """Return start and end of each job, as Arrow timestamps in the zone of the start."""
        import pyarrow as pa

        start, placed, step = self.problem.start, self.assignment >= 0, self.problem.step_h
        assert start is not None
        known = [int(time_of(start, h, step).timestamp()) for h in range(self.problem.hours + 1)]
        if start.tzinfo is None:
            origin = datetime.datetime(1970, 1, 1)
            times = [time_of(start, h, step) for h in range(len(known))]
            known = [int((time - origin).total_seconds()) for time in times]
        seconds, kind = np.array(known), pa.timestamp("s", tz=zone_name(start) or None)
        first = np.where(placed, self.start, 0)
        last = np.minimum(np.where(placed, self.end, 0), self.problem.hours)
        return {
            "start_time": pa.array(seconds[first], pa.int64(), mask=~placed).cast(kind),
            "end_time": pa.array(seconds[last], pa.int64(), mask=~placed).cast(kind),
        }

    def _repr_html_(self) -> str:
        problem = self.problem
        green = self.green
        load = float(green["load_kwh"].sum())
        hourly = float(self.dispatch.green_kwh.sum())
        rows = {
            "status": self.status,
            "jobs": len(problem.jobs),
            "placed": int((self.assignment >= 0).sum()),
            "cost without values of jobs left out, yuan": self.placed_yuan,
            "values of jobs left out, yuan": self.costs["unplaced"],
            "cost, both together, yuan": self.objective_yuan,
            "bound, yuan": self.bound_yuan,
            "gap": f"{self.gap:.3%}",
            "gap as a part of what is paid": f"{self.gap_paid:.3%}",
            "load, kWh": load,
            "green power in its own hour": f"{hourly / load:.1%} of load" if load else "no load",
        }
        return facts(f"Plan for {problem.name}", rows)

    def report(self, path: str | Path) -> Path:
        """Write one self-contained HTML page with pictures of the plan, and return its path.

        Parameters
        ----------
        path : path
            Of the file to write, e.g. ``"plan.html"``.
        """
        from ...report.page import write_page  # the one arrow upwards, and only when called

        return write_page(self, path)


def _made_again(plan: Plan) -> Plan:
    """Return the plan made of its fields: all shapes, types and ranges are checked as it is made.

    A pickle, or whoever sets a field of a plan that is frozen, goes past that check.
    """
    parts = {name: getattr(plan, name) for name in ("dispatch", "prices", "pieces")}
    made = {name: dataclasses.replace(part) for name, part in parts.items() if part is not None}
    return dataclasses.replace(plan, **made)


def _kept_faults(plan: Plan, made: Plan) -> Iterator[Fault]:
    """Compare the numbers of a plan, and what it keeps since it was asked for, with one made again.

    A number that is nan has been found as it was made.
    """
    fields = {field.name for field in dataclasses.fields(plan)}
    for name, found in vars(plan).items():
        if name in fields and not isinstance(found, float):
            continue
        try:
            np.testing.assert_equal(found, getattr(made, name))
        except AssertionError:
            yield Fault("KeptMismatch", name, 0.0, 1.0)
            return
