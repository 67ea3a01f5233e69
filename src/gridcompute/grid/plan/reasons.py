"""The reasons for unplaced jobs: a stable token for each, by room first, prices second."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..checker.bound import cheapest
from ..eligibility import (
    BLOCK,
    REASONS,
    REASONS_UNPLACED,
    filtered,
    hours_needed,
    open_starts,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..tables.column import Bools, Int32s, Int64s
    from .data import PlanData

__all__ = ["unplaced_reasons"]

#: The prices that stand behind each token of `REASONS_UNPLACED`, in its order.
RENTS = (
    ("quota", "quota_by_accelerator"),
    ("capacity", "gang", "cover_yuan"),
    ("corridor",),
)


def unplaced_reasons(plan: PlanData) -> dict[int, str]:
    """For each unplaced job a token of `REASONS` if it has no option, else of `REASONS_UNPLACED`.

    With options, the reason is the first thing (quota, capacity, corridor) that the jobs placed
    leave too little of for any option. Where room is left, it is the thing without whose price the
    job's cheapest option would be cheapest; or "NotWorthIt" if even without rents the job is worth
    less. A job that cannot end within the batch, and need not, is "LeftForLater".
    """
    late = plan.problem.jobs.deadline > plan.problem.hours
    short = list(REASONS).index("WindowTooShort")
    unplaced = np.flatnonzero(plan.assignment < 0)
    tokens, soft_tokens = list(REASONS), list(REASONS_UNPLACED)
    out: dict[int, str] = {}
    for first in range(0, len(unplaced), BLOCK):
        block = unplaced[first : first + BLOCK]
        hard, soft = _by_room(plan, block)
        priced = np.flatnonzero((hard < 0) & (soft < 0))
        soft[priced] = _by_price(plan, block[priced])
        waits = late[block] & (hard == short)
        hard[waits], soft[waits] = -1, soft_tokens.index("LeftForLater")
        for job, h, s in zip(block.tolist(), hard.tolist(), soft.tolist(), strict=True):
            out[job] = tokens[h] if h >= 0 else soft_tokens[s]
    return out


def _by_room(plan: PlanData, index: Int64s) -> tuple[Int32s, Int32s]:
    """The filter at which no option was left, and the scarce thing; -1 = none."""
    problem, free = plan.problem.effective, plan.free
    jobs = problem.jobs
    left, hard = filtered(problem, index)
    kinds = problem.quotas.linear_rows.model(problem.classes.accelerator)
    need, quota = hours_needed(problem, index), free.accelerator_h[jobs.tenant[index]][:, kinds]
    soft = np.full(len(index), -1, np.int32)
    filters: list[Callable[[], Bools]] = [
        lambda: jobs.gang[index][:, None] * need.astype(np.float64) <= quota,
        lambda: open_starts(problem, index, need, left, free.accelerators, None) > 0,
        lambda: open_starts(problem, index, need, left, free.accelerators, free.data_gb) > 0,
    ]
    for k, passes in enumerate(filters):
        left &= passes()
        soft[(soft < 0) & ~left.any(axis=1)] = k
    return hard, soft


def _by_price(plan: PlanData, index: Int64s) -> Int32s:
    """The thing whose price keeps each job out."""
    problem, prices = plan.problem, plan.prices
    nothing = [{name: np.zeros_like(getattr(prices, name)) for name in names} for names in RENTS]
    none = {name: zeros for part in nothing for name, zeros in part.items()}
    own = cheapest(problem, prices.replace(**none), index)
    without = [cheapest(problem, prices.replace(**part), index) for part in nothing]
    reason = np.argmin(without, axis=0).astype(np.int32)
    dear = own >= problem.jobs.value_yuan[index]
    return np.where(dear, len(RENTS), reason).astype(np.int32)
