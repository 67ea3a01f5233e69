"""The platform's own words: jobs, sites, accelerators, hours, energy, corridors, mandate."""

from __future__ import annotations

from . import policies
from .checker.verify import PlanCertificate
from .evaluate import evaluate
from .files.read_write import read_plan, read_problem, write_plan, write_problem
from .files.verify_folder import verify_plan
from .operations.rolling import Rolling, Step
from .operations.state import HourLedger
from .plan.audit import Audit, audit
from .plan.columns import Dispatch, Pieces, Placement, Prices
from .plan.ledger import Ledger
from .plan.ledger_entry import LedgerRepair
from .plan.plan import Comparison, Plan, compare
from .plan.whatif import WhatIf, whatif
from .scenarios.east_west import east_west
from .scenarios.packaged_tables import Figure, assumptions, figures
from .scenarios.traces import from_traces
from .tables.jobs import Jobs, Running
from .tables.mandate import DirectRule, Mandate
from .tables.names import LIMITS
from .tables.problem import IdleRuleWarning, ImplausibleUnitWarning, Problem
from .tables.quotas import Quotas
from .tables.sites import Classes, Corridors, Energy, Sites

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
