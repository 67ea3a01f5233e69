"""The platform's own words: jobs, sites, accelerators, hours, energy, corridors, mandate."""

from __future__ import annotations

from . import policies
from .checker.verify import PlanCertificate
from .evaluate import evaluate
from .files.read_write import read_plan, read_problem, write_plan, write_problem
from .files.verify_folder import verify_plan
from .operations.hour_ledger import HourLedger
from .operations.rolling import Rolling, Step
from .plan.audit import Audit, audit
from .plan.columns import Pieces, Placement
from .plan.compare import Comparison, compare
from .plan.ledger import Ledger, LedgerRepair
from .plan.plan import Dispatch, Plan, Prices
from .plan.whatif import WhatIf, whatif
from .scenarios.east_west import east_west
from .scenarios.packaged_tables import Figure, assumptions, figures
from .scenarios.traces import from_traces
from .tables.corridors import Corridors
from .tables.energy import Energy
from .tables.jobs import Jobs
from .tables.mandate import DirectRule, Mandate
from .tables.problem import Problem
from .tables.quotas import Quotas
from .tables.running import Running
from .tables.sites import Classes, Sites
from .tables.unit_warnings import IdleRuleWarning, ImplausibleUnitWarning
from .tables.value_checks import LIMITS

__all__ = [
    "LIMITS",
    "Audit",
    "Classes",
    "Comparison",
    "Corridors",
    "DirectRule",
    "Dispatch",
    "Energy",
    "Figure",
    "HourLedger",
    "IdleRuleWarning",
    "ImplausibleUnitWarning",
    "Jobs",
    "Ledger",
    "LedgerRepair",
    "Mandate",
    "Pieces",
    "Placement",
    "Plan",
    "PlanCertificate",
    "Prices",
    "Problem",
    "Quotas",
    "Rolling",
    "Running",
    "Sites",
    "Step",
    "WhatIf",
    "assumptions",
    "audit",
    "compare",
    "east_west",
    "evaluate",
    "figures",
    "from_traces",
    "policies",
    "read_plan",
    "read_problem",
    "verify_plan",
    "whatif",
    "write_plan",
    "write_problem",
]
