"""The four green numbers of each site, from a plan's dispatch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..tables.column import Floats
    from ..tables.problem import Problem
    from .columns import Dispatch

__all__ = ["green_account"]


def green_account(problem: Problem, dispatch: Dispatch) -> dict[str, Floats]:
    """The four numbers by site.

    Returns
    -------
    dict of float64 (n_sites,)
        ``load_kwh``; ``n1_statutory``, ``n2_hourly``, ``n3_cfe`` as shares of load; ``n4_tco2``.
        No more is claimed than 100 % of load, unless certificates of exported power are kept;
        ``green_kwh`` (hourly-matched), ``certificate_kwh``, ``shortfall_kwh`` (what a pooled scope
        misses or retires is split over its sites by load).
    """
    rows = problem.mandate_rows
    load, matched = dispatch.load_kwh, dispatch.green_kwh
    total, green = load.sum(axis=1), matched.sum(axis=1)
    grid = dispatch.grid_kwh + dispatch.grey_discharge_kwh
    drawn = dispatch.grid_kwh + dispatch.grid_charge_kwh
    weight = rows.member * total
    part = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)
    certificates = dispatch.certificate_kwh @ part
    kept = problem.counts_exports
    volume = green + certificates + (dispatch.exported_kwh.sum(axis=(0, 2)) if kept else 0.0)
    volume = volume if kept else np.minimum(volume, total)
    cfe = green + (grid * problem.energy.grid_green_share).sum(axis=1)
    over = np.where(total > 0, total, 1.0)
    return {
        "load_kwh": total,
        "green_kwh": green,
        "n1_statutory": volume / over,
        "n2_hourly": green / over,
        "n3_cfe": cfe / over,
        "n4_tco2": (drawn * problem.carbon_g_per_kwh).sum(axis=1) / 1e6,
        "certificate_kwh": certificates,
        "shortfall_kwh": dispatch.missing_kwh @ part,
    }
