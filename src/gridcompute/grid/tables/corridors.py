"""The network between sites: how much data moves in an hour, at what price, with what delay."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from ...errors import InvalidProblemError
from .column import Floats, Table, column
from .frozen import sealed
from .value_checks import rule_of

__all__ = ["GB_PER_GBIT_S_HOUR", "LATENCY_RULES", "Corridors", "great_circle_km", "one_way_ms"]

#: One Gbit/s for one hour moves 3600 / 8 GB.
GB_PER_GBIT_S_HOUR = 450.0
#: Whether a job's `latency_ms` is the one-way delay or the round trip.
LATENCY_RULES = ("one_way", "round_trip")


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Corridors(Table):
    """Corridors between every ordered pair of sites; within a site all is free and unlimited.

    Parameters
    ----------
    bandwidth_gb : float64 (n_sites, n_sites, n_hours), GB
        Most data moved from origin to destination for jobs starting in that hour; inf = no limit.
        One Gbit/s is 450 GB in an hour. The diagonal is set to inf.
    price_yuan_per_gb : float64 (n_sites, n_sites)
        The diagonal is set to 0.
    delay_ms : float64 (n_sites, n_sites)
        One way. The diagonal may hold a site's own delay to its users.
    latency_rule : "one_way" or "round_trip"
        What `Jobs.latency_ms` limits: the delay, or twice it. A parameter, because it decides
        whether Xinjiang lies inside a 20 ms circle around Chongqing.
    """

    title: ClassVar[str] = "corridors"
    rows: ClassVar[str] = "origin"

    bandwidth_gb: Floats = column(
        "origin destination hour", np.float64, "GB", default=np.inf, low=0, infinite=True
    )
    price_yuan_per_gb: Floats = column(
        "origin destination", np.float64, "yuan/GB", default=0.0, low=0
    )
    delay_ms: Floats = column("origin destination", np.float64, "ms one way", low=0, infinite=True)
    latency_rule: str = "one_way"

    def check(self) -> None:
        """Square, and the latency rule known; then the diagonal is made free and unlimited."""
        if self.delay_ms.shape[0] != self.delay_ms.shape[1]:
            message = (
                f"corridors.delay_ms has shape {self.delay_ms.shape}, needed (n_sites, n_sites)"
            )
            raise InvalidProblemError(message, "corridors.delay_ms")
        rule_of("corridors.latency_rule", self.latency_rule, LATENCY_RULES)
        here = np.arange(len(self.delay_ms))
        for name, free in (("bandwidth_gb", np.inf), ("price_yuan_per_gb", 0.0)):
            freed = getattr(self, name).copy()
            freed[here, here] = free
            object.__setattr__(self, name, sealed(freed))

    @property
    def latency_ms(self) -> Floats:
        """The latency that limits of jobs are compared with, (n_sites, n_sites), by the rule."""
        return self.delay_ms * (2.0 if self.latency_rule == "round_trip" else 1.0)


def great_circle_km(latitude: Floats, longitude: Floats) -> Floats:
    """Distance in km between all pairs of points given in degrees, shape (n, n).

    Examples
    --------
    >>> import numpy as np
    >>> chongqing_hami = great_circle_km(np.array([29.6, 42.8]), np.array([106.5, 93.5]))
    >>> round(float(chongqing_hami[0, 1]), -2)
    1900.0
    """
    lat, lon = np.radians(latitude), np.radians(longitude)
    half = np.sin((lat[:, None] - lat) / 2) ** 2
    half += np.cos(lat[:, None]) * np.cos(lat) * np.sin((lon[:, None] - lon) / 2) ** 2
    return np.asarray(2 * 6371.0 * np.arcsin(np.sqrt(np.minimum(half, 1.0))))


def one_way_ms(distance_km: Floats, *, route_factor: float = 1.5, fixed_ms: float = 0.5) -> Floats:
    """Delay of light in fibre, 200 km per ms, on a route longer than the great circle."""
    return distance_km * (route_factor / 200.0) + fixed_ms
