"""The quotas of queues: use, guarantee, limit, fair share, and loans between queues.

A queue borrows what it uses beyond its guarantee, from the queues beside it (those below the same
queue) that use less than theirs. What all of them leave is lent to those that borrow in proportion
to what they borrow, and each lender's part of it is its part of what is left. What is borrowed
beyond that comes from accelerators that no queue is guaranteed.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from ...fair.division import divide
from ..eligibility import BLOCK, filtered, hours_needed
from ..tables.column import sealed

if TYPE_CHECKING:
    from ..tables.column import Floats, Int64s
    from .data import PlanData


#: Accelerator-hours below which a loan is rounding, and left out.
LEAST_H = 1e-6
#: Loans of a plan at most: thousands of queues side by side have millions of pairs.
MOST_LOANS = 1_000


@dataclasses.dataclass(frozen=True)
class Loan:
    """The use of another queue's guarantee by one queue.

    Parameters
    ----------
    borrower, lender : str
        Their names.
    accelerator_h : float
    yuan : float
        What the borrower's jobs bear of the plan's cost for as many accelerator-hours.
    """

    borrower: str
    lender: str
    accelerator_h: float
    yuan: float


@dataclasses.dataclass(frozen=True, eq=False)
class QueueAccount:
    """The quotas of a plan by queue: arrays of one entry a tenant, and the loans between them.

    Parameters
    ----------
    name, parent : tuple of str
        The queue, and the one above it; empty = none.
    used_h, guarantee_h, limit_h : float64 (n_tenants,), accelerator-hours
        With all queues below it.
    asked_h : float64 (n_tenants,)
        What its jobs take, and those left out would take at least, where they have an option.
    share_h : float64 (n_tenants,)
        Its fair share of what the plan uses, by `gridcompute.fair.divide`: guarantees first, then
        by priority and weight, whole accelerator-hours.
    borrowed_h, lent_h : float64 (n_tenants,)
        Used beyond the guarantee, and what others use of it.
    price_yuan_per_h : float64 (n_tenants,)
        What one more accelerator-hour of its limit is worth, below 0 where its guarantee is missed.
    borne_yuan : float64 (n_tenants,)
        What its jobs bear of the plan's cost.
    by_accelerator_h : float64 (n_accelerators, n_tenants)
        Used, by accelerator; no rows where quotas do not distinguish them.
    loans : tuple of Loan
        The largest 1,000 at most; `borrowed_h` and `lent_h` count all.
    """

    name: tuple[str, ...]
    parent: tuple[str, ...]
    used_h: Floats
    guarantee_h: Floats
    limit_h: Floats
    asked_h: Floats
    share_h: Floats
    borrowed_h: Floats
    lent_h: Floats
    price_yuan_per_h: Floats
    borne_yuan: Floats
    by_accelerator_h: Floats
    loans: tuple[Loan, ...]

    def as_dict(self) -> dict[str, Any]:
        """Lists and numbers by name; a limit that is none is None."""
        out = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        out["limit_h"] = [h if np.isfinite(h) else None for h in self.limit_h.tolist()]
        out["loans"] = [dataclasses.asdict(loan) for loan in self.loans]
        return out


def queue_account(plan: PlanData) -> QueueAccount:
    """Return the account of a plan's quotas."""
    problem, quotas, t = plan.problem.effective, plan.problem.quotas, plan.table()
    step = plan.problem.step_h
    tenant, taken = t["tenant"], t["gang"] * t["hours"] * step
    n = len(quotas)
    used = _upwards(plan, np.bincount(tenant, taken, n))
    borne = _upwards(plan, np.bincount(tenant, t["allocated_yuan"], n))
    asked = used + _upwards(plan, _least_unplaced(plan) * step)
    kinds = problem.classes.accelerator[t["klass"]]
    by = [
        _upwards(plan, np.bincount(tenant, taken * (kinds == a), n))
        for a in range(len(quotas.upper_by_accelerator_h))
    ]
    guarantee = quotas.lower_accelerator_h
    borrowed = np.maximum(used - guarantee, 0.0)
    lent, pairs = np.zeros(n), list[_Pairs]()
    for queues in _beside(plan):
        unused = np.maximum(guarantee[queues] - used[queues], 0.0)
        wanted, left = float(borrowed[queues].sum()), float(unused.sum())
        if wanted <= LEAST_H or left <= LEAST_H:
            continue
        lent[queues] = unused * min(1.0, wanted / left)
        part = np.where(borrowed[queues] > LEAST_H, borrowed[queues] / wanted, 0.0)
        b, lender, hours = _largest(part, np.where(unused > LEAST_H, lent[queues], 0.0))
        pairs.append((queues[b], queues[lender], hours))
    loans = _loans(plan, pairs, borne / np.where(used > 0, used, 1.0))
    own = [quotas.label(p) if p >= 0 else "" for p in quotas.parent.tolist()]
    return QueueAccount(
        name=tuple(quotas.label(m) for m in range(n)),
        parent=tuple(own),
        used_h=sealed(used),
        guarantee_h=guarantee,
        limit_h=quotas.limit_accelerator_h,
        asked_h=sealed(asked),
        share_h=sealed(_shares(plan, used, asked)),
        borrowed_h=sealed(borrowed),
        lent_h=sealed(lent),
        price_yuan_per_h=sealed(plan.prices.quota / step + 0.0),
        borne_yuan=sealed(borne),
        by_accelerator_h=sealed(np.array(by).reshape(-1, n)),
        loans=loans,
    )


#: Borrowers, lenders and accelerator-hours.
_Pairs = tuple["Int64s", "Int64s", "Floats"]


def _largest(part: Floats, lent: Floats) -> _Pairs:
    """Return the largest products of one's part and another's loan, `MOST_LOANS` at most.

    The pair of the i-th largest part and the j-th largest loan, from 1, has i * j - 1 pairs above
    it that are no smaller, so that few pairs need to be looked at.
    """
    by_part, by_lent = (
        np.argsort(-x, kind="stable")[: min(np.count_nonzero(x), MOST_LOANS)] for x in (part, lent)
    )
    many = np.minimum(MOST_LOANS // np.arange(1, len(by_part) + 1), len(by_lent))
    borrower = np.repeat(by_part, many)
    lender = by_lent[np.arange(len(borrower)) - np.repeat(np.cumsum(many) - many, many)]
    hours = part[borrower] * lent[lender]
    kept = np.lexsort((lender, borrower, -hours))[:MOST_LOANS]
    kept = kept[np.lexsort((lender[kept], borrower[kept]))]
    return borrower[kept], lender[kept], hours[kept]


def _loans(plan: PlanData, pairs: list[_Pairs], yuan_per_h: Floats) -> tuple[Loan, ...]:
    """Return the largest of the loans between pairs of queues, in their order."""
    if not pairs:
        return ()
    borrower, lender, hours = (np.concatenate(columns) for columns in zip(*pairs, strict=True))
    kept = np.sort(np.argsort(-hours, kind="stable")[:MOST_LOANS])
    label, yuan = plan.problem.quotas.label, hours * yuan_per_h[borrower]
    return tuple(
        Loan(label(int(borrower[k])), label(int(lender[k])), float(hours[k]), float(yuan[k]))
        for k in kept.tolist()
    )


def _upwards(plan: PlanData, values: Any) -> Floats:
    """Add what each queue has to all queues above it."""
    parent, out = plan.problem.quotas.parent, np.asarray(values, np.float64).copy()
    at = parent.astype(np.int64)
    while (at >= 0).any():
        here = at >= 0
        np.add.at(out, at[here], values[here])
        at = np.where(here, parent[at], -1)
    return out


def _beside(plan: PlanData) -> list[Int64s]:
    """Return the queues below each queue, and those below none, where there are two or more."""
    parent = plan.problem.quotas.parent
    order = np.argsort(parent, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(parent[order])) + 1)
    return [queues for queues in groups if len(queues) > 1]


def _least_unplaced(plan: PlanData) -> Floats:
    """Accelerator-hours that jobs left out would take at least, by tenant."""
    problem = plan.problem.effective
    jobs, out = problem.jobs, np.zeros(len(problem.quotas))
    rows = np.flatnonzero(plan.assignment < 0)
    for first in range(0, len(rows), BLOCK):
        block = rows[first : first + BLOCK]
        left, _ = filtered(problem, block)
        hours = np.where(left, hours_needed(problem, block).astype(np.float64), np.inf)
        least = hours.min(axis=1, initial=np.inf)
        some = np.isfinite(least)
        np.add.at(out, jobs.tenant[block[some]], jobs.gang[block[some]] * least[some])
    return out


def _shares(plan: PlanData, used: Floats, asked: Floats) -> Floats:
    """Return the fair share of each queue of what the plan uses."""
    quotas = plan.problem.quotas
    if not len(quotas):
        return np.zeros(0)
    total = round(float(used[quotas.parent < 0].sum()))
    limit = quotas.limit_accelerator_h
    found = divide(
        total,
        guarantee=np.floor(quotas.lower_accelerator_h).astype(np.int64),
        request=np.ceil(asked - LEAST_H).astype(np.int64),
        weight=quotas.weight,
        limit=np.where(np.isfinite(limit), np.floor(limit), np.inf),
        priority=quotas.priority,
        parent=quotas.parent.astype(np.int64) if quotas.is_tree else None,
    )
    return np.asarray(found.share, np.float64)


def queue_of(plan: PlanData, job: int, token: str | None) -> str:
    """Return the queue whose quota is the reason that a job is left out; empty if none is.

    The lowest of the job's queues that leaves too little for the job where it takes least; where
    all leave enough, the one whose accelerator-hours are dearest. For one accelerator, its name
    stands beside the queue's.
    """
    if token not in ("QuotaTooSmall", "QuotaReached"):
        return ""
    problem = plan.problem.effective
    quotas, index = plan.problem.stepped.quotas, np.array([job])
    rows = quotas.linear_rows
    left = filtered(problem, index, within_quotas=False)[0][0]
    hours = np.where(left, hours_needed(problem, index)[0].astype(np.float64), np.inf)
    klass = int(np.argmin(hours))
    room = rows.upper_h if token == "QuotaTooSmall" else plan.free.quota_rows_h
    path, lacking = _lacking(plan, job, klass, hours[klass], room)
    prices = plan.prices.quota_rows
    row = lacking[0] if lacking else max(path, key=lambda r: float(prices[r]))
    return _label(plan, row)


def short_queue(plan: PlanData, job: int, klass: int, hours: int, room: Floats) -> str:
    """Return the lowest of a job's queues that leaves too little for it at a class; "" if none.

    Parameters
    ----------
    plan : Plan
    job, klass, hours : int
        The option, and how long it takes.
    room : float64 (n_rows,), accelerator-hours
        What the rows of the quotas leave.
    """
    _, lacking = _lacking(plan, job, klass, hours, room)
    return _label(plan, lacking[0]) if lacking else ""


def _lacking(
    plan: PlanData, job: int, klass: int, hours: float, room: Floats
) -> tuple[list[int], list[int]]:
    """Return the rows that a job counts in at a class, and those that leave too little for it.

    Upwards from its own queue, over all accelerators first.
    """
    problem, quotas = plan.problem.effective, plan.problem.stepped.quotas
    tenant, gang = int(problem.jobs.tenant[job]), int(problem.jobs.gang[job])
    queues = quotas.linear_rows.rows_of(tenant, problem.classes.accelerator[klass])
    path = [r for q in quotas.path(tenant) for r in queues.tolist() if r % len(quotas) == q]
    return path, [r for r in path if gang * hours > room[r] * (1 + 1e-9)]


def _label(plan: PlanData, row: int) -> str:
    """Return what the queue of a row is called; one on an accelerator with its name."""
    problem, quotas = plan.problem, plan.problem.quotas
    name = quotas.label(row % len(quotas))
    if row < len(quotas):
        return name
    return f"{name} on {problem.classes.accelerator_names[row // len(quotas) - 1]}"
