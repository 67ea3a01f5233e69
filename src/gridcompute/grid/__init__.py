"""The platform's own words: jobs, sites, accelerators, hours, energy, corridors, mandate."""

from __future__ import annotations

from .audit import Audit, audit
from .corridors import Corridors
from .energy import Energy
from .io import read_plan, read_problem, write_plan, write_problem
from .jobs import Jobs
from .ledger import Ledger, LedgerRepair
from .mandate import DirectRule, Mandate, Quotas
from .plan import Dispatch, Plan, Prices
from .plan_columns import Placement
from .problem import Problem
from .scenario import east_west
from .sites import Classes, Sites
from .traces import from_traces
from .verify import PlanCertificate
from .whatif import WhatIf, whatif
from .world import assumptions

__all__ = [
    "Audit",
    "Classes",
    "Corridors",
    "DirectRule",
    "Dispatch",
    "Energy",
    "Jobs",
    "Ledger",
    "LedgerRepair",
    "Mandate",
    "Placement",
    "Plan",
    "PlanCertificate",
    "Prices",
    "Problem",
    "Quotas",
    "Sites",
    "WhatIf",
    "assumptions",
    "audit",
    "east_west",
    "from_traces",
    "read_plan",
    "read_problem",
    "whatif",
    "write_plan",
    "write_problem",
]
