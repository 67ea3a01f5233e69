"""Assertions on answers, each with all that is wrong in its message."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..grid.plan.plan import Plan
    from ..results.matching import Matching
    from ..solvers.assignment import Assignment
    from ..solvers.flow import Flow


def assert_matching_optimal(
    matching: Matching, cost: Any, capacity: Any, demand: Any = None, unplaced: Any = None
) -> None:
    """Raise AssertionError unless a matching is an optimum of this very problem.

    The loads and the total are summed here from the arrays given; that no matching costs less is
    checked by `Matching.verify` against `cost`. With gangs (`demand`) any proved gap passes: what
    is asserted is that the plan and its bound hold.

    Parameters
    ----------
    matching : Matching
        The answer, of this process or out of a pickle.
    cost, capacity, demand, unplaced : as `gridcompute.transport` takes them
        The problem as it was to be solved; `cost` a matrix or `Terms`.

    Raises
    ------
    AssertionError

    Examples
    --------
    >>> from gridcompute import transport
    >>> from gridcompute.testing import assert_matching_optimal
    >>> cost, capacity = [[4, 1], [2, 1], [5, 1]], [2, 1]
    >>> assert_matching_optimal(transport(cost, capacity), cost, capacity)
    >>> assert_matching_optimal(transport(cost, [1, 2]), cost, capacity)
    Traceback (most recent call last):
    AssertionError: load of class 1: found 2, needed at most 1
    """
    where = np.asarray(matching.assignment)
    room = np.asarray(capacity)
    weight = np.ones(len(where), np.int64) if demand is None else np.asarray(demand)
    inside = where >= 0
    load = np.bincount(where[inside], weight[inside], len(room)).astype(np.int64)
    for s in np.flatnonzero(load > room)[:1].tolist():
        raise AssertionError(f"load of class {s}: found {load[s]}, needed at most {room[s]}")
    out = np.full(len(where), math.inf)
    if unplaced is not None:
        out = np.broadcast_to(np.asarray(unplaced, np.float64), where.shape)
    rows = cost.dense() if hasattr(cost, "dense") else np.asarray(cost)
    left = np.flatnonzero(~inside)
    for j in left[np.isinf(out[left])][:1].tolist():
        raise AssertionError(f"job {j}: found unplaced, and it must be placed")
    paid = rows[np.flatnonzero(inside), where[inside]]
    total: Any = sum(paid.tolist()) if paid.dtype.kind in "iu" else math.fsum(paid)
    total = total + math.fsum(out[left]) if len(left) else total
    size = math.fsum(np.abs(paid.astype(np.float64))) + math.fsum(np.abs(out[left]))
    if not abs(matching.objective - total) <= 1e-9 * size:
        raise AssertionError(f"objective: found {matching.objective}, the jobs cost {total}")
    found = matching.verify(cost)
    if not found:
        raise AssertionError("; ".join(found.reasons))
    if demand is None and matching.status != "optimal":
        raise AssertionError(f"status: found {matching.status!r}, needed 'optimal'")


def assert_assignment_optimal(answer: Assignment, cost_matrix: Any) -> None:
    """Raise AssertionError unless an assignment is an optimum of these costs.

    Parameters
    ----------
    answer : Assignment
    cost_matrix : as `gridcompute.assignment` takes it

    Raises
    ------
    AssertionError

    Examples
    --------
    >>> from gridcompute import assignment
    >>> from gridcompute.testing import assert_assignment_optimal
    >>> assert_assignment_optimal(assignment([[4, 1], [2, 3]]), [[4, 1], [2, 3]])
    """
    if answer.status != "optimal":
        raise AssertionError(f"status: found {answer.status!r}, needed 'optimal'")
    found = answer.verify(cost_matrix)
    if not found:
        raise AssertionError("; ".join(found.reasons))


def assert_flow_optimal(flow: Flow) -> None:
    """Raise AssertionError unless a flow conserves, fits, and is the cheapest of its problem.

    Parameters
    ----------
    flow : Flow

    Raises
    ------
    AssertionError

    Examples
    --------
    >>> from gridcompute import min_cost_flow
    >>> from gridcompute.testing import assert_flow_optimal
    >>> assert_flow_optimal(min_cost_flow([0], [1], [9], [1], [4, -4]))
    """
    if flow.status != "optimal":
        raise AssertionError(f"status: found {flow.status!r}, needed 'optimal'")
    found = flow.verify()
    if not found:
        raise AssertionError("; ".join(found.reasons))


def assert_plan_valid(plan: Plan, *, gap: float = math.inf) -> None:
    """Raise AssertionError unless a plan keeps every rule and proves its cost and bound.

    Parameters
    ----------
    plan : gridcompute.grid.Plan
    gap : float
        The largest proved gap that passes; any by default.

    Raises
    ------
    AssertionError

    Examples
    --------
    >>> import gridcompute as gc
    >>> from gridcompute.testing import assert_plan_valid
    >>> plan = gc.match(gc.grid.east_west(n_jobs=50, seed=0), gap=0.5)
    >>> assert_plan_valid(plan, gap=0.5)
    """
    found = plan.verify()
    if not found:
        raise AssertionError("\n".join(found.reasons))
    if found.gap > gap:
        raise AssertionError(f"gap: found {found.gap:.3g}, needed at most {gap:.3g}")
