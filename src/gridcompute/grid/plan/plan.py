"""A plan: where and when each job runs, how each site is powered, its prices and bound."""

from __future__ import annotations

import dataclasses
import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _checks
from ..._extras import extra
from ..._html import facts
from ..._table import Tabular
from ..checker.faults import Fault
from ..checker.verify import PlanCertificate, verify
from ..tables.times import time_of, zone_name
from .columns import Dispatch, Prices
from .compare import Comparison
from .data import PlanData, dimensions
from .energy_tables import bundle_table, plan_bundles, plan_measurements
from .explain import Explanation, explain
from .hourly import HourlyTable
from .reasons import unplaced_reasons

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from ...plot.plan import PlanPlots

__all__ = ["Dispatch", "Plan", "Prices", "dimensions"]

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
