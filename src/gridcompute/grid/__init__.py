"""The platform's own words: jobs, sites, accelerators, hours, energy, corridors, quotas, mandate."""

from __future__ import annotations

from .corridors import Corridors
from .energy import Energy
from .jobs import Jobs
from .mandate import Mandate, Quotas
from .problem import Problem
from .scenario import east_west
from .sites import Classes, Sites

__all__ = [
    "Classes",
    "Corridors",
    "Energy",
    "Jobs",
    "Mandate",
    "Problem",
    "Quotas",
    "Sites",
    "east_west",
]
