"""A plan by site and hour as one tidy table: load, what carries it, prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..._extras import extra
from ..._table import Tabular
from ..tables.load_limits import load_excess

if TYPE_CHECKING:
    import pyarrow as pa

    from .data import PlanData

__all__ = ["HourlyTable"]


class HourlyTable(Tabular):
    """A row for each site and hour of a plan, site by site; `to_arrow` says the columns."""

    def __init__(self, plan: PlanData) -> None:
        self._plan = plan

    def __len__(self) -> int:
        return len(self._plan.problem.sites) * self._plan.problem.hours

    def __repr__(self) -> str:
        problem = self._plan.problem
        return f"<HourlyTable: {len(problem.sites)} sites x {problem.hours} hours>"

    def to_arrow(self) -> pa.Table:
        """Return the table as a pyarrow Table; needs pyarrow.

        Returns
        -------
        pyarrow.Table
            ``site``, ``site_name``, ``hour``, ``time`` (text, where the problem has a start);
            ``load_kwh`` and what carries it: ``direct_kwh``, ``bundled_kwh``, ``grid_kwh``,
            ``green_discharge_kwh``, ``grey_discharge_kwh``; ``charge_kwh``, ``stored_kwh``,
            ``exported_kwh``, ``curtailed_kwh``; ``price_yuan_per_kwh``; ``carbon_g_per_kwh`` of
            the grid. Where a site's load has limits, also ``below_minimum_kwh`` and
            ``ramp_excess_kwh``, what the load lacks to its minimum and by how much it changes
            faster than it may.
        """
        with extra("grid"):
            import pyarrow as pa

        plan = self._plan
        problem, d = plan.problem, plan.dispatch
        n, hours = len(problem.sites), problem.hours
        columns: dict[str, Any] = {
            "site": np.repeat(np.arange(n, dtype=np.int32), hours),
            "site_name": pa.array(np.repeat(problem.sites.name, hours)),
            "hour": np.tile(np.arange(hours, dtype=np.int32), n),
        }
        times = [problem.time(h) for h in range(hours)]
        if times[0] is not None:
            columns["time"] = pa.array([t.isoformat() for t in times if t is not None] * n)
        charge = d.direct_charge_kwh.sum(axis=0) + d.bundled_charge_kwh + d.grid_charge_kwh
        by_site_hour = {
            "load_kwh": d.load_kwh,
            "direct_kwh": d.direct_kwh.sum(axis=0),
            "bundled_kwh": d.bundled_kwh,
            "grid_kwh": d.grid_kwh,
            "green_discharge_kwh": d.green_discharge_kwh,
            "grey_discharge_kwh": d.grey_discharge_kwh,
            "charge_kwh": charge,
            "stored_kwh": d.green_stored_kwh + d.grey_stored_kwh,
            "exported_kwh": d.exported_kwh.sum(axis=0),
            "curtailed_kwh": d.curtailed_kwh.sum(axis=0),
            "price_yuan_per_kwh": plan.prices.energy,
            "carbon_g_per_kwh": problem.carbon_g_per_kwh,
        }
        if problem.sites.limits_load.any():
            outside = load_excess(problem.stepped, d.load_kwh - d.shed_kwh)
            by_site_hour["below_minimum_kwh"] = outside.below_kwh
            by_site_hour["ramp_excess_kwh"] = outside.beyond_kwh
        columns |= {name: values.reshape(-1) for name, values in by_site_hour.items()}
        return pa.table(columns)
