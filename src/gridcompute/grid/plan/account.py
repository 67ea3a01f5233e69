"""The four green numbers of each site, from a plan's dispatch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..tables.column import Floats
    from ..tables.problem import Problem
    from .columns import Dispatch

__all__ = ["LEAST_KWH", "green_account", "lowest_share", "percent"]

#: A site that takes no more has no load, and no share: it is what a solver's tolerance leaves, kWh.
LEAST_KWH = 1e-6
#: Decimals of kWh, of tonnes and of shares: what is below is what a solver's tolerance leaves.
_KWH, _TONNES, _SHARE = 9, 12, 12
#: Shares no further apart are the same: a solver's tolerance, as a part of a site's load.
_TIE = 1e-6


def green_account(problem: Problem, dispatch: Dispatch) -> dict[str, Floats]:
    """The four numbers by site.

    Returns
    -------
    dict of float64 (n_sites,)
        ``load_kwh``; ``n1_statutory``, ``n2_hourly``, ``n3_cfe`` as shares of load, NaN of a site
        without load; ``n4_tco2``. No more is claimed than 100 % of load, unless certificates of
        exported power are kept; ``green_kwh`` (hourly-matched); ``certificate_kwh`` (what a pooled
        scope retires is split over its sites by the load that green power leaves), and
        ``shortfall_kwh`` (what it misses, by load). Rounded to the ninth decimal of a kWh and the
        twelfth of a tonne and a share.
    """
    rows = problem.mandate_rows
    load, matched = dispatch.load_kwh, dispatch.green_kwh
    total, green = load.sum(axis=1), matched.sum(axis=1)
    grid = dispatch.grid_kwh + dispatch.grey_discharge_kwh
    drawn = dispatch.grid_kwh + dispatch.grid_charge_kwh
    part = _parts(rows.member * total)
    left = rows.member * np.maximum(total - green, 0.0)
    certificates = dispatch.certificate_kwh @ np.where(
        left.sum(axis=1, keepdims=True) > LEAST_KWH, _parts(left), part
    )
    kept = problem.counts_exports
    volume = green + certificates + (dispatch.exported_kwh.sum(axis=(0, 2)) if kept else 0.0)
    volume = volume if kept else np.minimum(volume, total)
    cfe = green + (grid * problem.energy.grid_green_share).sum(axis=1)
    over = np.where(total > LEAST_KWH, total, np.nan)
    return {
        "load_kwh": np.round(total, _KWH),
        "green_kwh": np.round(green, _KWH),
        "n1_statutory": np.round(volume / over, _SHARE),
        "n2_hourly": np.round(green / over, _SHARE),
        "n3_cfe": np.round(cfe / over, _SHARE),
        "n4_tco2": np.round((drawn * problem.carbon_g_per_kwh).sum(axis=1) / 1e6, _TONNES),
        "certificate_kwh": np.round(certificates, _KWH),
        "shortfall_kwh": np.round(dispatch.missing_kwh @ part, _KWH),
    }


def _parts(weight: Floats) -> Floats:
    """Return each row's weights as parts of their sum."""
    return np.asarray(weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-300))


def lowest_share(share: Floats) -> tuple[float, list[int]]:
    """Return the lowest share, and where it is; NaN and nowhere if there is none.

    Examples
    --------
    >>> lowest_share(np.array([0.9, np.nan, 0.8, 0.8]))
    (0.8, [2, 3])
    """
    if not np.isfinite(share).any():
        return np.nan, []
    low = float(np.nanmin(share))
    return low, np.flatnonzero(share <= low + _TIE).tolist()


def percent(share: float, none: str = "-") -> str:
    """Return a share in percent; of what has no load, the mark `none`."""
    return none if np.isnan(share) else f"{share:.1%}"
