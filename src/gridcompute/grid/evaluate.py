"""A placement of the user's own: dispatched exactly, costed and audited, with a proved bound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _checks
from ..errors import InfeasibleError, InvalidProblemError
from .checker.derived_tables import FAULTS, TOLERANCE
from .checker.placements import placement_faults
from .plan.account import check_whole_runs, listed_runs
from .plan.columns import Dispatch, Pieces, Placement, Prices
from .plan.plan import Plan
from .planner.budget import Clock
from .planner.cut_search import cut_again
from .planner.dispatch_lp import EnergyBlock
from .planner.master import prove_with_cover
from .planner.match import check_problem
from .planner.residual import WithoutPinned, problem_beside, standing_jobs, taken_by
from .planner.search import fill, offer
from .planner.settings import SampledAscentOptions
from .planner.state import PlannerState, load_of, plan_cost

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .tables.column import Bools, Int32s
    from .tables.problem import Problem


#: The walk to prices where the caller gives none: 500 steps, the energy block asked at every
#: fourth. It leaves 0.04 % of the best bound at 20,000 jobs; 240 steps leave 5 %, and 1,200 take
#: twice the time.
QUICK_ASCENT = SampledAscentOptions(500, (10.0, 0.005), energy_every=4)
#: The same from the prices of a problem before a change.
QUICK_ASCENT_NEAR = QUICK_ASCENT._replace(lengths=(1.0, 0.005))
#: Columns that a placement may have, as a mapping or as a table.
COLUMNS = ("id", "job", "klass", "class", "site", "accelerator", "start", "hours")


class _Placed(NamedTuple):
    """A placement with its problem, as the checker reads it."""

    problem: Problem
    assignment: Int32s
    start: Int32s
    pieces: Pieces | None = None


def evaluate(
    problem: Problem,
    placement: Any,
    *,
    prices: Prices | None = None,
    threads: int | None = None,
) -> Plan:
    """Return the plan that a placement of jobs makes: exact dispatch, cost, audit and bound.

    Parameters
    ----------
    problem : Problem
    placement : Placement, Plan, pair of arrays, mapping or table
        Where and when each job runs. A pair ``(klass, start)`` or a mapping with these keys has one
        entry a job, -1 = unplaced. A mapping, or anything with the Arrow PyCapsule interface (a
        data frame, what `Plan.to_arrow` returns), may list some jobs by ``job``, their rows, or by
        ``id``; all others are unplaced. In place of ``klass`` it may name ``site`` and
        ``accelerator``. With ``hours`` an interruptible job may be listed several times, once for
        each of its pieces, as in `Plan.runs`; of a job
        that is listed once they must be those that it runs.
    prices : Prices, optional
        Prices that prove the bound, e.g. those of a plan of `match` for the same problem. None: a
        short walk finds some, which prove somewhat less.
    threads : int, optional

    Returns
    -------
    Plan
        Its `verify` recomputes it as that of any plan. The status is "optimal" where the bound
        reaches the cost, else "feasible".

    Raises
    ------
    InvalidProblemError
        A job where it cannot run, or a capacity, corridor or quota exceeded: the first place, what
        was found and what was needed. Nothing is moved or left out in silence.
    InfeasibleError
        No dispatch serves the load of these jobs, or none keeps a mandate that forbids shortfalls:
        `witness` has the scope and the least that it misses (`scope, missing_kwh`).

    Notes
    -----
    Complexity: a linear program of some thousand columns, and a pass over all options for the
    bound. Determinism: the same bits for any number of threads.

    Examples
    --------
    >>> import gridcompute as gc
    >>> from gridcompute import grid
    >>> problem = grid.east_west(n_jobs=300, seed=0)
    >>> simple = grid.evaluate(problem, grid.policies.cheapest(problem))
    >>> bool(simple.verify().valid), simple.bound_yuan <= simple.objective_yuan
    (True, True)
    """
    check_problem(problem, prices)
    most = _checks.threads(threads)
    placed = placement_of(problem, placement)
    for fault in placement_faults(_Placed(problem, placed.klass, placed.start, placed.pieces)):
        message = f"placement: {fault} ({fault.token}: {FAULTS[fault.token]})"
        raise InvalidProblemError(message.replace(f"{fault.token} at", "at", 1), "placement")
    market = WithoutPinned(problem)
    state = PlannerState(market.problem, 0.0, most, Clock(None, None))
    try:
        return market.plan(_evaluated(state, market.placement(placed), market.prices(prices)))
    finally:
        state.rows.close()


def repaired(
    problem: Problem, placement: Placement, keep: Bools, prices: Prices, threads: int | None = None
) -> Plan:
    """Return the plan in which jobs stay where they are, and only the others are placed again.

    Parameters
    ----------
    problem : Problem
    placement : Placement
        Where the jobs are; those that can no longer be there are placed again, the least worth for
        their size first to go.
    keep : bool (n_jobs,)
        The jobs that stay if they can.
    prices : Prices
        The other jobs go, the large ones first, where it costs least at these prices, if that makes
        the plan cheaper than leaving them out.
    threads : int, optional
    """
    market = WithoutPinned(problem)
    rows = np.arange(len(keep)) if market.rows is None else market.rows
    state = PlannerState(market.problem, 0.0, _checks.threads(threads), Clock(None, None))
    try:
        placed, kept, near = market.placement(placement), keep[rows], market.prices(prices)
        y = state.rows.start(near)
        worth = state.problem.jobs.value_yuan / np.maximum(state.size, 1.0)
        order = np.argsort(-worth, kind="stable")
        stays = np.ascontiguousarray(order[kept[order] & (placed.klass[order] >= 0)], np.int32)
        if state.problem.jobs.interruptible.any():
            found = _repaired_in_pieces(state, placed, stays, prices if near is None else near)
            return market.plan(_evaluated(state, found, near, near=True))
        offer(state, stays, (placed.klass, placed.start), None)
        fill(state, y)
        assert state.best is not None
        found = Placement(klass=state.best.klass, start=state.best.start)
        return market.plan(_evaluated(state, found, near, near=True))
    finally:
        state.rows.close()


def _repaired_in_pieces(
    state: PlannerState, placed: Placement, stays: Int32s, prices: Prices
) -> Placement:
    """Return the placement of `repaired` where jobs may run in pieces.

    Parameters
    ----------
    state : PlannerState
    placed : Placement
    stays : int32 (n,)
        The jobs that stay if they can, the most worth for their size first.
    prices : Prices
    """
    problem = state.problem
    standing = standing_jobs(problem, placed, stays.astype(np.int64))
    klass, start = (np.where(standing, x, -1) for x in (placed.klass, placed.start))
    pieces, cut = placed.pieces, np.zeros(len(klass), bool)
    if pieces is not None:
        on = standing[pieces.job]
        cut[pieces.job[on]] = True
        parts = (pieces.job[on], pieces.start[on], pieces.hours[on])
        pieces = Pieces(job=parts[0], start=parts[1], hours=parts[2]) if on.any() else None
    rest = np.flatnonzero(~cut)
    fixed = np.where(cut, klass, -1), np.where(cut, start, -1)
    whole = problem.replace(jobs=problem.jobs.replace(interruptible=False))
    beside = problem_beside(whole, rest, taken_by(problem, *fixed, pieces))
    sub = PlannerState(beside, 0.0, state.rows.threads, Clock(None, None))
    try:
        keep = np.flatnonzero(klass[rest] >= 0).astype(np.int32)
        offer(sub, keep, (klass[rest], start[rest]), None)
        fill(sub, sub.rows.start(prices))
    finally:
        sub.rows.close()
    assert sub.best is not None
    klass[rest], start[rest] = sub.best.klass, sub.best.start
    found = Placement(klass=klass, start=start, pieces=pieces)
    return cut_again(state, found, ~standing & problem.jobs.interruptible, prices)


def dispatched(problem: Problem, placement: Any) -> Plan:
    """Return the plan of a placement with its exact dispatch and cost, and no bound worth the name.

    As `evaluate`, in a fraction of the time, to compare costs. The placement is not checked.
    """
    placed, steps = placement_of(problem, placement), problem.stepped
    load = load_of(steps, placed.klass, placed.start, placed.pieces)
    supplied = EnergyBlock(steps, np.maximum(load, problem.energy.base_load_kwh)).serve(load)
    _require_mandate(problem, supplied.dispatch)
    n, hours, scopes = len(problem.sites), problem.hours, len(problem.mandate_rows.names)
    return Plan(
        problem=problem,
        assignment=placed.klass,
        start=placed.start,
        pieces=placed.pieces,
        dispatch=supplied.dispatch,
        prices=Prices(
            capacity=np.zeros(problem.classes.capacity.shape),
            energy=supplied.energy_yuan_per_kwh,
            corridor=np.zeros((n, n, hours)),
            quota=np.zeros(len(problem.quotas)),
            mandate=np.zeros((scopes, 2)),
            storage=supplied.storage_yuan,
        ),
        objective_yuan=plan_cost(
            steps, placed.klass, placed.start, supplied.dispatch, placed.pieces
        ),
        bound_yuan=-np.inf,
        without_option_yuan=0.0,
    )


def _evaluated(
    state: PlannerState, placed: Placement, prices: Prices | None, *, near: bool = False
) -> Plan:
    problem = state.problem
    load = load_of(problem, placed.klass, placed.start, placed.pieces)
    block = state.rows.block.for_load(load)
    supplied = block.serve(load)
    _require_mandate(problem, supplied.dispatch)
    cost = plan_cost(problem, placed.klass, placed.start, supplied.dispatch, placed.pieces)
    if problem.jobs.interruptible.any() and state.priced is state.market:
        state.cut()
    start = state.rows.start(prices)
    state.look(start if prices is not None else state.sampled(start, QUICK_ASCENT))
    if near:  # the prices are those of another problem, not far from this one's
        state.look(state.sampled(start, QUICK_ASCENT_NEAR))
    state.look(np.zeros_like(state.y))
    if prices is not None and state.priced is state.market:
        prove_with_cover(state, start, prices)
    cover = state.cover_proof
    found = state.rows.prices(state.y if cover is None else cover.y)
    bound, priced = min(state.proved_yuan(), cost), state.priced_yuan()
    return Plan(
        problem=problem,
        assignment=placed.klass,
        start=placed.start,
        pieces=placed.pieces,
        dispatch=supplied.dispatch,
        prices=Prices(
            capacity=found.capacity,
            energy=found.energy,
            corridor=found.corridor,
            **state.rows.quota_columns(found.quota),
            placement=placed,
            mandate=block.mandate_interval(load),
            storage=supplied.storage_yuan,
            gang=found.gang,
            gang_size=np.array(problem.gang_levels, np.int32),
            mandate_bound=state.rows.block.mandate_at(found.energy),
            **({} if cover is None else cover.columns()),
        ),
        objective_yuan=cost,
        bound_yuan=bound,
        priced_bound_yuan=priced if state.searched > priced else bound,
        without_option_yuan=state.without_option,
        status="optimal" if bound >= cost else "feasible",
        stats={"passes": state.passes, "evaluated": True},
    )


def _require_mandate(problem: Problem, dispatch: Dispatch) -> None:
    """Raise if green energy is missing at this load, and the mandate forbids it."""
    missing = dispatch.missing_kwh
    if problem.mandate.shortfall != "forbidden" or not missing.size:
        return
    q, most = int(np.argmax(missing)), TOLERANCE * max(1.0, float(dispatch.load_kwh.sum()))
    if missing[q] > most:
        name, kwh = problem.mandate_rows.names[q], float(missing[q])
        message = (
            f"mandate.shortfall is 'forbidden', and at the load of this placement {name} misses "
            f"{kwh:,.6g} kWh of green energy whatever the dispatch"
        )
        raise InfeasibleError(message, {"scope": name, "missing_kwh": kwh})


def placement_of(problem: Problem, placement: Any) -> Placement:
    """Return a placement in any of the forms that `evaluate` takes, one entry a job."""
    n, pieces = len(problem.jobs), None
    if isinstance(placement, Plan):
        klass, start, pieces = placement.assignment, placement.start, placement.pieces
    elif isinstance(placement, Placement):
        klass, start, pieces = placement.klass, placement.start, placement.pieces
    elif isinstance(placement, Mapping) or _is_arrow(placement):
        klass, start, pieces = _listed(problem, _columns(placement))
    elif isinstance(placement, (tuple, list)) and len(placement) == 2:
        klass = _whole("klass", placement[0], n)
        start = _whole("start", placement[1], n)
    else:
        needed = "a Placement, a Plan, (klass, start), a mapping or a table"
        raise TypeError(f"placement must be {needed}, not {type(placement).__name__}")
    if len(klass) != n:
        message = f"placement: found {len(klass)} jobs, needed {n}, those of the problem"
        raise InvalidProblemError(message, "placement")
    return Placement(klass=klass, start=start, pieces=pieces)


def _is_arrow(value: Any) -> bool:
    return hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__")


def _columns(placement: Any) -> dict[str, NDArray[Any]]:
    """Return the columns of `COLUMNS` that a mapping or table has; rows with nulls are left out."""
    if isinstance(placement, Mapping):
        unknown = [name for name in placement if name not in COLUMNS]
        table = {k: v for k, v in placement.items() if k in COLUMNS}
        if unknown and not {"klass", "class", "site"} & table.keys():
            message = f"placement: found unknown key {unknown[0]!r}, needed {', '.join(COLUMNS)}"
            raise InvalidProblemError(message, "placement")
        return {k: _checks.plain_array(f"placement.{k}", v) for k, v in table.items()}
    import pyarrow as pa

    batch = not hasattr(placement, "__arrow_c_stream__")
    arrow = pa.table(pa.record_batch(placement) if batch else placement)
    arrow = arrow.select([name for name in arrow.column_names if name in COLUMNS])
    placed = arrow["start"].is_valid() if "start" in arrow.column_names else None
    arrow = arrow if placed is None else arrow.filter(placed)
    return {name: np.asarray(arrow[name].to_pylist()) for name in arrow.column_names}


def _listed(
    problem: Problem, table: Mapping[str, NDArray[Any]]
) -> tuple[Int32s, Int32s, Pieces | None]:
    """Return class, start and pieces of jobs from the columns of a listing."""
    if "start" not in table:
        raise InvalidProblemError("placement: found no start, needed one", "placement.start")
    size, n = len(table["start"]), len(problem.jobs)
    for name, values in table.items():
        if values.shape != (size,):
            message = f"placement.{name}: found shape {values.shape}, needed ({size},) as start"
            raise InvalidProblemError(message, f"placement.{name}")
    start, klass = _whole("start", table["start"], size), _classes(problem, table, size)
    hours = _whole("hours", table["hours"], size, -(2**31)) if "hours" in table else None
    if "job" not in table and "id" not in table:
        if hours is not None and size == n:
            check_whole_runs(problem, np.arange(n), klass, hours, np.arange(n))
        return klass, start, None
    by = "job" if "job" in table else "id"
    rows = _whole(by, table[by], size) if by == "job" else problem.jobs.rows_of(table[by])
    bad = np.flatnonzero((rows < 0) | (rows >= n))
    if len(bad):
        found, needed = rows[bad[0]], f"needed a row of jobs, 0 to {n - 1}"
        message = f"placement.job[{bad[0]}]: found {found}, {needed}"
        raise InvalidProblemError(message, "placement.job", int(bad[0]))
    if hours is not None and problem.jobs.interruptible.any():
        return listed_runs(problem, rows, klass, start, hours)
    _, first, count = np.unique(rows, return_index=True, return_counts=True)
    if (count > 1).any():
        twice = int(rows[first[np.argmax(count > 1)]])
        at = int(np.flatnonzero(rows == twice)[1])
        message = f"placement.{by}[{at}]: found {table[by][at]} again, needed each job once"
        raise InvalidProblemError(message, f"placement.{by}", at)
    if hours is not None:
        check_whole_runs(problem, rows, klass, hours, np.arange(size))
    out = np.full((2, n), -1, np.int32)
    out[:, rows] = klass, start
    return out[0], out[1], None


def _classes(problem: Problem, table: Mapping[str, NDArray[Any]], size: int) -> Int32s:
    """Return the class of each row: given, or the one of its site and accelerator."""
    for name in ("klass", "class"):
        if name in table:
            return _whole(name, table[name], size)
    classes = problem.classes
    names = {"site": problem.sites.name.tolist(), "accelerator": classes.accelerator_names}
    index = {}
    for name, known in names.items():
        if name not in table:
            message = f"placement: found no {name}, needed klass, or site and accelerator"
            raise InvalidProblemError(message, f"placement.{name}")
        values = table[name]
        if values.dtype.kind in "UO":
            place = {str(text): i for i, text in enumerate(known)}
            missing = [i for i, text in enumerate(values.tolist()) if str(text) not in place]
            if missing:
                i = missing[0]
                found, needed = repr(values.item(i)), f"needed one of {', '.join(place)}"
                message = f"placement.{name}[{i}]: found {found:.100}, {needed}"
                message += _checks.meant(str(values[i]), place)
                raise InvalidProblemError(message, f"placement.{name}", i)
            values = np.array([place[str(text)] for text in values.tolist()], np.int32)
        index[name] = _whole(name, values, size)
    pairs: dict[tuple[int, int], int] = {}
    for c, pair in enumerate(zip(classes.site.tolist(), classes.accelerator.tolist(), strict=True)):
        pairs[pair] = -1 if pair in pairs else c
    out = np.full(size, -1, np.int32)
    for i, pair in enumerate(
        zip(index["site"].tolist(), index["accelerator"].tolist(), strict=True)
    ):
        if pair[0] < 0:
            continue
        out[i] = pairs.get(pair, -2)
        if out[i] < 0:
            many = "several classes" if pair in pairs else "no class"
            message = f"placement[{i}]: found {many} of site {pair[0]}, accelerator {pair[1]}"
            raise InvalidProblemError(f"{message}, needed klass there", "placement", i)
    return out


def _whole(name: str, values: Any, size: int, least: int = -1) -> Int32s:
    field = f"placement.{name}"
    array = _checks.plain_array(field, values)
    if array.dtype.kind == "f" and array.size and (array == np.rint(array)).all():
        message = f"{field} must be of an integer dtype, not {array.dtype}"
        raise TypeError(message)
    return np.asarray(_checks.counts(field, array, size, "n_jobs", least, np.int32), np.int32)
