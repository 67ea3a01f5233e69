"""An independent look at a plan: feasibility, energy balance, accounts, cost and bound, all
recomputed.

Nothing here is shared with what made the plan: only the tables of the problem and plain sums, as
tests/test_architecture.py enforces. Each fault found carries a stable token, so that a log can be
searched for it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from ..._certificate import Certificate
from ..._gap import relative_gap
from .bound import proof
from .costs import charge_faults, cost_parts, part_faults
from .energy_balance import balance_faults, storage_faults
from .faults import TOLERANCE, Fault
from .mandate_check import direct_rule_faults, green_account_faults, mandate_faults
from .placements import capacity_faults, job_faults, pinned_faults, table_faults
from .prices import cover_faults, sign_faults, value_faults
from .running import plain
from .search import searched_bound

if TYPE_CHECKING:
    from ..plan.data import PlanData

__all__ = ["PlanCertificate", "verify"]

#: Two sums of the same amounts of money in another order differ by at most this part of all.
SUMMED = 1e-9


@dataclasses.dataclass(frozen=True)
class PlanCertificate(Certificate):
    """The result of `Plan.verify`, every number recomputed.

    Parameters
    ----------
    objective_yuan, bound_yuan : float
        Recomputed cost of the plan, and the bound its prices prove.
    faults : tuple of Fault
        Empty for a sound plan; at most one per token, the worst place of each.
    without_option_yuan : float
        Value of the jobs that no class could ever take: part of both, left out of the gap.
    proved_by : str
        "prices": the bound follows from the prices by sums and weak duality, whoever found them.
        "search": the prices prove less; HiGHS searched an integer program that was written down
        again from the tables, and no branch of it goes below the bound.
    unchecked : tuple of str
        What nobody could check: texts beside a stored plan that another version wrote, and that
        this version words otherwise.
    """

    objective_yuan: float
    bound_yuan: float
    faults: tuple[Fault, ...]
    without_option_yuan: float = 0.0
    proved_by: str = "prices"
    unchecked: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        """True if everything was checked and nothing is wrong."""
        return self.outcome == "valid"

    @property
    def outcome(self) -> str:
        """ "valid", "not valid" where there is a fault, or else "not checked"."""
        return "not valid" if self.faults else "not checked" if self.unchecked else "valid"

    @property
    def objective(self) -> float:
        """The recomputed cost of the plan, yuan."""
        return self.objective_yuan

    @property
    def bound(self) -> float:
        """The bound that the plan's prices prove, yuan."""
        return self.bound_yuan

    @property
    def reasons(self) -> tuple[str, ...]:
        """The faults in words, and what was not checked."""
        return tuple(map(str, (*self.faults, *self.unchecked)))

    @property
    def gap(self) -> float:
        """(objective - bound) / max(abs(objective), abs(bound)), of the recomputed numbers.

        The value of the jobs without any option is left out of both.
        """
        objective, bound = (
            yuan - self.without_option_yuan for yuan in (self.objective_yuan, self.bound_yuan)
        )
        return relative_gap(objective, bound)

    def __str__(self) -> str:
        """In words, one line a fault."""
        if self.valid:
            return f"valid: cost {self.objective_yuan:,.2f}, bound {self.bound_yuan:,.2f} yuan"
        return "\n".join(
            [f"{self.outcome}:", *(f"  {x!s}" for x in (*self.faults, *self.unchecked))]
        )


def verify(plan: PlanData) -> PlanCertificate:
    """Recompute everything a plan claims (see `Plan.verify`)."""
    claimed, whole, shown = plan, plan.problem, plan.table
    if whole.running is not None or whole.step_h != 1:
        simple = plain(whole)
        # The prices are of the sizes of gangs that can move; those that cannot may have others.
        vars(simple)["gang_levels"] = tuple(plan.prices.gang_size.tolist())
        plan = dataclasses.replace(plan, problem=simple)
    faults = [*pinned_faults(whole, plan), *job_faults(plan)]
    if not faults:  # with placements out of range the sums below mean nothing
        faults += [
            *table_faults(plan, shown(), whole.jobs.id),
            *capacity_faults(plan),
            *balance_faults(plan),
            *storage_faults(plan),
        ]
        faults += [*mandate_faults(plan), *direct_rule_faults(plan)]
        faults += green_account_faults(plan, claimed.green)
    malformed = any(f.token in ("PlacementMalformed", "PiecesMalformed") for f in faults)
    parts = {} if malformed else cost_parts(plan)
    cost = np.nan if malformed else float(np.sum(list(parts.values())))
    slack = TOLERANCE * max(1.0, abs(cost))
    whole_yuan = float(np.sum(np.abs(list(parts.values()))))
    if not abs(cost - plan.objective_yuan) <= SUMMED * whole_yuan:
        faults.append(Fault("CostMismatch", "objective_yuan", plan.objective_yuan, cost))
    if not faults:  # what is shown besides is compared with a sound plan's
        faults += part_faults(claimed.costs, parts)
        faults += charge_faults(whole, plan, shown(), cost - parts["unplaced"])
        faults += value_faults(whole, plan)
    faults += [*sign_faults(plan), *cover_faults(whole, plan.prices)]
    bound, without_option = proof(whole, plan.prices)
    proved_by, claimed_yuan = "prices", float(np.fmin(plan.priced_bound_yuan, plan.bound_yuan))
    if not claimed_yuan <= bound + slack:
        faults.append(Fault("PricesProveLess", "priced_bound_yuan", claimed_yuan, bound))
    if bound + slack < plan.bound_yuan <= cost + slack:
        searched = searched_bound(whole, plan.prices, bound, plan.bound_yuan, cost)
        if searched > bound:
            bound, proved_by = searched, "search"
    if not plan.bound_yuan <= bound + slack:
        faults.append(Fault("BoundUnproved", "bound_yuan", plan.bound_yuan, bound))
    if not plan.bound_yuan <= plan.objective_yuan:
        faults.append(Fault("BoundAboveCost", "bound_yuan", plan.bound_yuan, plan.objective_yuan))
    if plan.status == "optimal" and not cost <= bound + slack:
        faults.append(Fault("StatusUnproved", "status", cost, bound))
    left_out = plan.without_option_yuan
    if not abs(left_out - without_option) <= SUMMED * without_option:
        where = "without_option_yuan"
        faults.append(Fault("WithoutOptionMismatch", where, left_out, without_option))
    return PlanCertificate(float(cost), float(bound), tuple(faults), without_option, proved_by)
