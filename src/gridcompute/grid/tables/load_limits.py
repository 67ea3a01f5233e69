"""The shortfall of a site's load below its minimum, and changes beyond its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from .column import Floats
    from .problem import Problem
    from .sites import Sites

__all__ = ["LoadExcess", "hourly_minimum", "load_excess", "load_limits_yuan"]


class LoadExcess(NamedTuple):
    """By site and hour, (n_sites, n_hours), kWh; 0 at sites without limits."""

    #: The shortfall of the load below the minimum.
    below_kwh: Floats
    #: By how much the load rises or falls beyond what it may, from the step before.
    beyond_kwh: Floats

    @property
    def kwh(self) -> Floats:
        """The sum of both."""
        return np.asarray(self.below_kwh + self.beyond_kwh)


def hourly_minimum(sites: Sites, hours: int) -> Floats:
    """Return the minimum load by site and hour, (n_sites, n_hours)."""
    least = sites.minimum_load_kw
    wide = least if least.ndim == 2 else np.broadcast_to(least[:, None], (len(least), hours))
    return np.asarray(wide)


def load_excess(problem: Problem, drawn_kwh: Floats) -> LoadExcess:
    """Return how far loads that are drawn lie outside the limits of their sites.

    Parameters
    ----------
    problem : Problem
        One whose step is the unit of time (`Problem.stepped`).
    drawn_kwh : float64 (n_sites, n_hours)
        Load that has power: what is shed is no load here.
    """
    sites = problem.sites
    below = np.maximum(hourly_minimum(sites, drawn_kwh.shape[1]) - drawn_kwh, 0.0)
    # Without a load before, the first step's change is none.
    before = np.where(np.isinf(sites.load_before_kw), drawn_kwh[:, 0], sites.load_before_kw)
    change = np.diff(drawn_kwh, axis=1, prepend=before[:, None])
    beyond = np.maximum(change - sites.ramp_up_kw[:, None], 0.0)
    beyond = beyond + np.maximum(-change - sites.ramp_down_kw[:, None], 0.0)
    return LoadExcess(below, beyond)


def load_limits_yuan(problem: Problem, drawn_kwh: Floats) -> Floats:
    """Return what loads outside the limits cost, by site and hour, yuan."""
    price = problem.sites.load_limit_yuan_per_kwh[:, None]
    return np.asarray(price * load_excess(problem, drawn_kwh).kwh)
