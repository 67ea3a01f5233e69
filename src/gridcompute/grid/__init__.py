"""The platform's own words: jobs, sites, accelerators, hours, energy, corridors, mandate."""

from __future__ import annotations

from .audit import Audit, audit
from .corridors import Corridors
from .energy import Energy
from .jobs import Jobs
from .ledger import Ledger
from .mandate import Mandate, Quotas
from .plan import Dispatch, Plan, Prices
from .problem import Problem
from .scenario import assumptions, east_west
from .sites import Classes, Sites
from .verify import PlanCertificate

__all__ = [
    "Audit",
    "Classes",
    "Corridors",
    "Dispatch",
    "Energy",
    "Jobs",
    "Ledger",
    "Mandate",
    "Plan",
    "PlanCertificate",
    "Prices",
    "Problem",
    "Quotas",
    "Sites",
    "assumptions",
    "audit",
    "east_west",
]
