"""A mandate that must be kept: plans without any shortfall, or the proof that there are none.

During the search a missing kWh costs `FORBIDDEN_YUAN_PER_KWH`, more than any job earns by it. A
shortfall that is left at the end is repaired by leaving jobs out. Where that does not help, the
base load or the obligations carried over from earlier batches need more green power than there is:
the least possible shortfall is then proved as the bound of a problem in which only missing power
has a cost.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InfeasibleError
from ..eligibility import hours_taken
from .cost import slack_kwh
from .settings import REPAIR

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..plan.columns import Dispatch
    from ..plan.plan import Plan
    from ..tables.column import Floats
    from ..tables.problem import Problem
    from .state import PlannerState

__all__ = ["keep_mandate", "least_shortfall", "without_dust"]

#: The tables of a problem that have columns of money.
TABLES = ("jobs", "sites", "energy", "corridors", "quotas")


def without_dust(problem: Problem, dispatch: Dispatch) -> Dispatch:
    """Return the dispatch without shortfalls of the mandate that rounding alone explains."""
    if problem.mandate.shortfall != "forbidden":
        return dispatch
    slack = slack_kwh(problem, dispatch.load_kwh)
    missing = np.where(dispatch.missing_kwh <= slack, 0.0, dispatch.missing_kwh)
    return dispatch.replace(missing_kwh=missing)


def keep_mandate(state: PlannerState, least: Callable[[Problem], Plan]) -> None:
    """Leave out jobs of the best plan of `state` until it keeps a mandate that must be kept.

    `least` plans for the least shortfall, where that fails.

        Raises
        ------
        InfeasibleError
            No plan keeps it, or none was found.
    """
    problem = state.problem
    if problem.mandate.shortfall != "forbidden":
        return
    for _ in range(REPAIR.leaving_rounds):
        best = state.best
        assert best is not None
        load = problem.energy.base_load_kwh + best.room.load
        supplied = state.rows.block.serve(load)
        missing = supplied.dispatch.missing_kwh
        over = missing - slack_kwh(problem, load)
        if (over <= 0).all():
            return
        job = np.flatnonzero(best.klass >= 0).astype(np.int32)
        klass, start = best.klass[job], best.start[job]
        running = (
            problem.kwh_per_accelerator_h * supplied.energy_yuan_per_kwh[problem.classes.site]
        ).cumsum(axis=1)
        running = np.concatenate([np.zeros((len(running), 1)), running], axis=1)
        end = start + hours_taken(problem, job, klass)
        yuan = problem.jobs.gang[job] * (running[klass, end] - running[klass, start])
        loss = yuan - problem.jobs.value_yuan[job]
        order = np.argsort(-loss, kind="stable")
        order = order[loss[order] > 0]
        if not len(order):
            break
        enough = np.cumsum(yuan[order]) >= over.max() * problem.mandate_rows.missing_yuan_per_kwh
        out = job[order[: int(np.argmax(enough)) + 1 if enough.any() else len(order)]]
        best.room.remove(np.ascontiguousarray(out), best.klass, best.start)
        state.best = state.judged(best.klass, best.start, best.room)
    raise least_shortfall(problem, missing, least)


def least_shortfall(
    problem: Problem, missing_kwh: Floats, least: Callable[[Problem], Plan]
) -> InfeasibleError:
    """Return the error of a mandate that cannot be kept; its witness is the least shortfall."""
    mandate, rule = problem.mandate, problem.direct_rule
    carried: Any = mandate.ledger
    if carried is not None:
        carried = dataclasses.replace(carried, cap_yuan_per_kwh=1.0)
    tables = {name: _without_prices(getattr(problem, name)) for name in TABLES}
    scalars = ("certificate_yuan_per_kwh", "carbon_yuan_per_t", "shed_yuan_per_kwh")
    tables["energy"] = tables["energy"].replace(**dict.fromkeys(scalars, 0.0))
    plain = problem.replace(
        **tables,
        direct_rule=dataclasses.replace(rule, shortfall_yuan_per_kwh=0.0),
        mandate=dataclasses.replace(
            mandate, shortfall="priced", shortfall_yuan_per_kwh=1.0, ledger=carried
        ),
    )
    proved = max(float(least(plain).bound_yuan), 0.0)
    found = float(missing_kwh.sum())
    names = [n for n, kwh in zip(problem.mandate_rows.names, missing_kwh, strict=True) if kwh > 0]
    message = (
        f"mandate.shortfall is 'forbidden', and the best plan found misses {found:,.6g} kWh "
        f"({', '.join(names)}); no plan misses less than {proved:,.6g} kWh"
    )
    witness = {"least_kwh": proved, "found_kwh": found, "missing_kwh": missing_kwh}
    return InfeasibleError(message, witness)


def _without_prices(table: Any) -> Any:
    """Return a table of a problem with 0 in each of its columns of money."""
    columns = table.columns().items()
    return table.replace(**{name: 0.0 for name, spec in columns if spec.unit.startswith("yuan")})
