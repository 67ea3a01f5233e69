"""The causes of what an operator's hours cost above hindsight, and its parts.

An operator is any object with the members of `Rolling`, which uses this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..plan.costs import cost_parts
from .hindsight import OPEN, OWED, as_they_came, could_wait, hourly_yuan
from .hour_inputs import known
from .state import HOURLY, RUNNING, WAITING, WHOLE, first_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..plan.plan import Plan
    from ..tables.problem import Problem
    from .state import Book

__all__ = ["REGRET", "above_hindsight", "causes"]

#: Causes of the cost above hindsight's bound.
REGRET = {
    "forecast": "less if sun and wind had been known",
    "arrivals": "less if the jobs had been known from the start",
    "overlap": "less if both had been known, beyond these two",
    "horizon": "windows end, and plans are not the best, with both known",
    "tail": "left running at the end, beside hindsight's plan",
    "waiting": "left waiting at the end, beside hindsight's plan",
    "solver": "hindsight's plan above its bound",
}


def causes(op: Any) -> dict[str, float]:
    """Return the causes, by the names of `REGRET`; they add up to the cost less the bound."""
    best = op.hindsight(
        time_limit=_total([seconds for seconds, _ in op._limits]),
        work_limit=_total([units for _, units in op._limits]),
    )
    open_parts = ("tail", "waiting")

    def closed(one: Any) -> float:
        return float(one.cost_yuan - sum(one.account.parts[name] for name in open_parts))

    settled, more = closed(op), above_hindsight(op, best)
    both = settled - closed(again(op, energy=True, arrivals=True))
    forecast = settled - closed(again(op, energy=True))
    arrivals = settled - closed(again(op, arrivals=True))
    left = {name: more[name] for name in open_parts}
    found = {
        "forecast": forecast,
        "arrivals": arrivals,
        "overlap": both - forecast - arrivals,
        "horizon": sum(more.values()) - sum(left.values()) - both,
        **left,
        "solver": best.objective_yuan - best.bound_yuan,
    }
    return {name: found[name] for name in REGRET}


def above_hindsight(op: Any, seen: Plan) -> dict[str, float]:
    """Return what the operator paid above hindsight's plan by the parts of `Rolling.account`."""
    account, costs = op.account, cost_parts(seen)
    out = seen.assignment < 0
    waits = np.isin(seen.problem.jobs.ids, could_wait(op.world, as_they_came(op._state)))
    value = seen.problem.jobs.value_yuan
    of_plan = {
        "hours": float(hourly_yuan(seen, op.clock).sum()),
        "lost": float(value[out & ~waits].sum()),
        "waiting": float(value[out & waits].sum()),
        "stored": costs["stored"],
        "mandate": costs["mandate_shortfall"] + costs["certificates"],
        "direct_rule": costs["direct_shortfall"],
    }
    of_plan["tail"] = seen.objective_yuan - sum(of_plan.values())
    paid = {name: account.parts[name] for name in ("lost", *OPEN, *OWED)}
    paid["hours"] = account.spent_yuan - paid["lost"]
    return {name: paid[name] - of_plan[name] for name in ("hours", "lost", *OPEN, *OWED)}


def again(op: Any, *, energy: bool = False, arrivals: bool = False) -> Any:
    """Return an operator that has gone through the same hours, knowing some things before."""
    state, hours = op._state, op._state.clock
    run = object.__new__(type(op))
    run.__dict__.update(op.__dict__)
    book = state.book.as_it_came(slice(None))
    book["broke_klass"][:] = WHOLE
    arrived = book["arrived"].copy()
    came = book["finished"].copy()
    book.columns.update(_unstarted(book, op.world))
    if arrivals:
        book["arrived"][:] = -1
        run._arrivals = None
    if energy:
        columns = known(state.actual, op.world.energy, hours)
        run.world = op.world.replace(energy=op.world.energy.replace(**columns))
        run._forecast = None
    run._state = first_state(run.world, book, op._horizon)
    run._window, run._cached, run._limits, run._since = None, {}, [], 1
    if not arrivals:
        book["arrived"][:] = arrived
    for t in range(hours):
        actual = {} if energy else {name: state.actual[name][t] for name in HOURLY}
        done = np.flatnonzero((came == t) & (run._state.book["state"] == RUNNING))
        seconds, units = op._limits[t]
        run.step(actual=actual, finished=done, time_limit=seconds, work_limit=units)
    return run


def _total(limits: Sequence[float | None]) -> float | None:
    """Return the sum of the limits of some steps; None where one of them had none."""
    given = [limit for limit in limits if limit is not None]
    return sum(given) if len(given) == len(limits) else None


def _unstarted(book: Book, world: Problem) -> dict[str, NDArray[Any]]:
    """Return the columns of a book whose jobs are where they were before the first hour."""
    n = len(book)
    out: dict[str, NDArray[Any]] = {"state": np.full(n, WAITING, np.int8)}
    out |= {name: np.full(n, -1, np.int32) for name in ("klass", "started", "end", "finished")}
    out["later_yuan"] = np.full(n, np.nan)
    if world.running is not None:
        table = world.running
        out["state"][table.id] = RUNNING
        out["klass"][table.id], out["started"][table.id] = table.klass, 0
        out["end"][table.id] = table.hours_left
    return out
