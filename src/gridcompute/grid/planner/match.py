"""match(problem) -> Plan: prices, dive, exchanges, dispatch, certificate.

The stages: (1) prices from a systematic sample of the jobs, (2) a climb with all jobs, whose best
prices prove the bound, (3) up to 4,000 jobs with up to 100,000 options, a restricted master program
with lifted cover rows, whose prices prove more, and a search of neighbourhoods of the plan
(`master`), (4) a dive: jobs from large to small, prices moved on what is left before
each size, (5) while the gap asked for is not proved, a further climb, from 4,000 to 30,000 jobs a
second dive, and rounds of exchanges while they pay, (6) the exact dispatch at the load that
results. Interruptible jobs are first planned whole by these stages, then cut into pieces
(`cut_search`).

A warm match starts from the prices and the placement of an earlier plan, as far as valid. Prices
that were optimal before a change are the start of a shorter ascent than one from nothing. At the
new prices most jobs keep their options: only jobs that choose another option at some of a few
random prices near the new ones, and jobs that no longer fit, are placed again, in a dive of their
own. The result is evaluated like any plan. Where its gap is too wide, one or two more careful dives
follow, and where jobs are few one for all jobs; the cheaper plan is kept.

A mandate that must be kept: during the search a missing kWh costs `FORBIDDEN_YUAN_PER_KWH`, more
than any job earns by it. A shortfall that is left at the end is repaired by leaving jobs out. Where
that does not help, the base load or the obligations carried over from earlier batches need more
green power than there is: the least possible shortfall is then proved as the bound of a problem in
which only missing power has a cost.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _checks
from ..._progress import progress_hook
from ...errors import InfeasibleError, InvalidProblemError
from ..eligibility import hours_taken
from ..plan.columns import Placement, Prices
from ..plan.plan import Plan
from .budget import Clock
from .cut_search import cut_jobs
from .master import is_small, price_and_branch, solve_exactly
from .program import count_options
from .residual import WithoutPinned
from .search import (
    anneal,
    exchanges,
    improve,
    initial_plans,
    insert_until_stable,
    polish,
    repair_mandate,
)
from .settings import (
    BOUND_LENGTHS,
    BOUND_LENGTHS_AGAIN,
    BOUND_STEPS,
    BOUND_STEPS_AGAIN,
    BOUND_STEPS_FEW,
    BRIEF_S,
    BRIEF_S_PER_JOB,
    DIVE,
    DIVE_AGAIN,
    DIVE_CAREFUL,
    DIVE_FEW,
    DIVE_HASTY,
    DIVE_QUICK,
    DIVE_SMALL,
    DIVE_WARM,
    DIVE_WARM_AGAIN,
    DIVE_WARM_LAST,
    DIVE_WARM_WIDE,
    LEAST_LEFT,
    LEAST_UNITS,
    MASTER,
    MOSTLY_CUT,
    OWN_PART,
    PRICES_PART,
    PRICES_PART_HASTY,
    PRICES_PART_SMALL,
    QUICK,
    REPAIR,
    ROUNDS_QUICK,
    SAMPLED_ASCENT,
    SAMPLED_ASCENT_HASTY,
    SAMPLED_ASCENT_HOUR,
    SAMPLED_ASCENT_HOUR_BRIEF,
    SAMPLED_ASCENT_HOUR_FAR,
    SAMPLED_ASCENT_NEAR,
    SAMPLED_ASCENT_SMALL,
    SAMPLED_ASCENT_SMALL_LIMITED,
    SAMPLED_ASCENT_WARM,
    SAMPLED_ASCENT_WARM_WIDE,
    SEARCHED_ENOUGH,
    SMALL,
    STEPS_PER_UNIT,
    TIMES_AS_LONG,
    WARM_START,
    WHOLE_PART,
    WHOLE_UNITS_PER_JOB,
    WIDE,
)
from .simplex import load_solver
from .state import PlannerState, load_of, plan_cost, slack_kwh

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ..._progress import ProgressHook
    from ..plan.columns import Dispatch, Pieces
    from ..tables.column import Floats
    from ..tables.problem import Problem
    from .settings import DiveOptions


def resume(state: PlannerState, y: Floats, placement: Placement | None) -> tuple[Floats, bool]:
    """Plan from the prices `y` and, if there is one for as many jobs, a placement.

    The best plan of `state` is the part of the placement that is still valid, or better. Plan and
    bound are improved as far as limits allow, with a quick dive for the jobs that would not stay,
    if they are not too many, and more careful ones where that leaves too wide a gap. Returns the
    prices to continue from, and whether there was a placement to plan from.
    """
    state.look(y)
    again = is_compatible(placement, state)
    if again and state.finished():
        return state.y, again
    if again and state.small:
        next_hour(state, y)
        if state.finished():
            return state.y, again
    walk(state, y)
    if not again:
        return state.y, again
    tried = False
    if not state.finished():
        leave = unsettled(state)
        tried = bool(np.count_nonzero(leave) < WARM_START.many * len(leave))
        if tried:
            pace = DIVE_WARM_WIDE if state.gap >= WIDE else DIVE_WARM
            improve(state, pace, 0.6, leave, rounds=0)
            exchanges(state, range(2), QUICK)
    if tried and not state.finished() and state.open_gap() < WARM_START.near_miss * state.gap:
        improve(state, DIVE_WARM_AGAIN, 0.6, unsettled(state), rounds=2)
    if not state.finished():
        improve(state, DIVE_WARM_LAST, 0.6, unsettled(state))
    return state.y, again


def next_hour(state: PlannerState, y: Floats) -> None:
    """Plan from prices and a placement that are an hour old, where jobs are `SMALL`.

    Jobs that start soon stay, since their options were improved in many hours: a new dive for all
    jobs makes a plan that is cheaper in total, because the old plan has no options for the jobs of
    its last hours, but more expensive in the first hours, which are carried out. All later jobs are
    placed by a dive, then the whole plan is improved while there is time. Under a limit exchanges
    come before the dive, which finds no options for the last hours if it is cut off. The dive is
    omitted if too little time is left.
    """
    best, left, bound = state.best, state.clock.left(), state.bound
    how = SAMPLED_ASCENT_HOUR_BRIEF if left < BRIEF_S else SAMPLED_ASCENT_HOUR
    state.look(state.sampled(y, how))
    if state.bound - bound > WARM_START.far_hour * abs(state.bound - state.without_option):
        state.look(state.sampled(state.y, SAMPLED_ASCENT_HOUR_FAR))
    assert best is not None
    if state.finished():
        return
    walked = left - state.clock.left() if state.clock.limited else 0.0
    if state.clock.limited:
        polish(state)  # first: a dive that is cut off leaves the plan as it was before
        if state.finished():
            return
        if state.clock.left() < WARM_START.dive_per_ascent * walked:
            anneal(state)
            return
    later = (best.klass < 0) | (best.start >= WARM_START.kept_steps)
    improve(state, DIVE_QUICK, 0.6, later, rounds=2)
    if state.clock.limited:
        anneal(state)
    elif not state.finished():
        improve(state, DIVE_QUICK, 0.6, rounds=2)


def walk(state: PlannerState, y: Floats) -> None:
    """Ascend from the old prices to new ones."""
    earlier = state.bound
    wide = state.gap >= WIDE and not state.small
    state.look(state.sampled(y, SAMPLED_ASCENT_WARM_WIDE if wide else SAMPLED_ASCENT_WARM))
    if state.bound == earlier:  # the best prices are nearer than this ascent can approach
        state.look(state.sampled(y, SAMPLED_ASCENT_NEAR))
    elif state.bound - earlier > WARM_START.far * abs(state.bound - state.without_option):
        state.look(state.sampled(state.y))


def is_compatible(placement: Placement | None, state: PlannerState) -> bool:
    """Return whether there is a placement of as many jobs."""
    return placement is not None and len(placement.klass) == len(state.in_order)


def unsettled(state: PlannerState) -> NDArray[np.bool_]:
    """Return the jobs that would leave their option at some prices near the present ones."""
    best, rows, rng = state.best, state.rows, np.random.default_rng(0)
    assert best is not None
    unit = rows.scale + OWN_PART * rows.active * np.abs(state.y)
    leave = np.zeros(len(best.klass), bool)
    for k in range(WARM_START.vectors):
        noise = rng.standard_normal(len(unit)) if k else 0.0
        y = rows.within(state.y + WARM_START.distance * unit * noise)
        klass, start = np.empty_like(best.klass), np.empty_like(best.start)
        rows.price(state.market, y, klass, start)
        leave |= (klass != best.klass) | (start != best.start)
    state.passes += WARM_START.vectors
    return leave & state.reach


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


#: A relative gap that is none.
CLOSED = 1e-7


def match(
    problem: Problem,
    *,
    gap: float = 1e-3,
    prices: Prices | None = None,
    threads: int | None = None,
    time_limit: float | None = None,
    work_limit: float | None = None,
    progress: bool | ProgressHook | None = None,
) -> Plan:
    """Match a batch of jobs under energy, corridors, quotas and the mandate, with a proved bound.

    Parameters
    ----------
    problem : Problem
    gap : float
        Stop once the plan is proved to cost at most this much, relatively, above the best. The gap
        reached is in the plan; below some thousand jobs whole gangs may leave a larger one.
    prices : Prices, optional
        Prices to start from, e.g. ``plan.prices`` of yesterday or of the case before a change. They
        change the speed, never the validity. Where they carry a placement of as many jobs, what
        still fits of it is kept, and only jobs that would not stay are placed again.
    threads : int, optional
        Default: ``GRIDCOMPUTE_NUM_THREADS``, or what the process may use. The plan is the same.
    time_limit : float, optional
        Seconds, 0 or more; the best plan so far comes back, with its bound. They begin when scipy
        and HiGHS are there: the first call of a process loads them. However short it is, no
        plan costs more than leaving out all jobs, or than keeping those that were placed, by the
        columns of `jobs` or by `prices`, and filling up greedily.
    work_limit : float, optional
        Units of counted work, 0 or more: as `time_limit`, but the same plan for any threads, load
        and run. The planner shares out what it may do among its stages, so that a limit decides
        the plan from the start: ``stats["work_units"]`` of a solve without one is enough for a plan
        about as good, not for the same. With both limits the first that is met ends the solve.
    progress : bool or callable, optional
        True shows a bar; a callable is given a `Progress` and stops the solve by returning True.

    Returns
    -------
    Plan

    Raises
    ------
    InfeasibleError
        The base load alone cannot be served; `witness` has the site, the hour, its load and the
        most there is (`site, hour, load_kwh, most_kwh`). Or `Mandate.shortfall` is "forbidden" and
        no plan keeps the mandate: `witness` has what every plan misses at least, what the best one
        found misses, and that by scope (`least_kwh, found_kwh, missing_kwh`).
    InvalidProblemError
        An argument is out of range, or `prices` are not of this problem's shape.
    TypeError
        An argument is of a wrong type.

    Notes
    -----
    Complexity: some hundred passes over all jobs; see csrc/gridcompute/plan/lagrangian.hpp.
    Determinism: the same bytes for any number of threads, unless there is a `time_limit`.

    Examples
    --------
    >>> import gridcompute as gc
    >>> plan = gc.match(gc.grid.east_west(n_jobs=500, seed=0), gap=0.3)
    >>> plan.bound_yuan <= plan.objective_yuan and bool(plan.verify().valid)
    True
    """
    check_problem(problem, prices)
    gap, most = _checks.gap(gap), _checks.threads(threads)
    time_limit, work_limit = _checks.time_limit(time_limit), _checks.work_limit(work_limit)
    load_solver()
    with progress_hook(progress, "match") as hook:
        clock, market = Clock(time_limit, hook, work_limit), WithoutPinned(problem)
        cut, first = bool(market.problem.jobs.interruptible.any()), clock
        enough = _work_of_whole_runs(market.problem) if cut else np.inf
        if cut and (clock.limited or enough < np.inf):
            part = _whole_part(work_limit)
            least = min(np.inf if part is None else part, enough)
            work = None if least == np.inf else float(least)
            first = Clock(_whole_part(time_limit), hook, work)
        state = PlannerState(market.problem, gap, most, first)
        try:
            given = market.prices(prices)
            if cut:
                return market.plan(_run_cut(state, given, clock, mostly=enough < np.inf))
            return market.plan(_run(state, given))
        finally:  # whatever ended it, no thread of it goes on
            state.rows.close()


def _whole_part(limit: float | None) -> float | None:
    """Return the part of a limit that whole runs may take where jobs are interruptible."""
    return None if limit is None else WHOLE_PART * limit


def _work_of_whole_runs(problem: Problem) -> float:
    """Return the units of work that are enough for whole runs, where most work may be cut.

    What a careful plan of whole runs gains, where jobs are many, is lost once they are cut.
    """
    jobs = problem.jobs
    hours = jobs.gang * np.minimum(jobs.work_h, problem.hours)
    mostly = float(hours[jobs.interruptible].sum()) > MOSTLY_CUT * float(hours.sum())
    return WHOLE_UNITS_PER_JOB * len(jobs) if mostly and len(jobs) > SMALL else np.inf


def check_problem(problem: Any, prices: Any) -> None:
    """Raise unless `problem` is a Problem, and `prices` are None or of its shape."""
    from ..tables.problem import Problem

    if not isinstance(problem, Problem):
        raise TypeError(f"problem must be a grid.Problem, not {type(problem).__name__}")
    if prices is None:
        return
    if not isinstance(prices, Prices):
        raise TypeError(f"prices must be a grid.Prices, not {type(prices).__name__}")
    for name, needed in (
        ("capacity", problem.classes.capacity.shape),
        ("energy", problem.energy.tariff_yuan_per_kwh.shape),
        ("corridor", problem.corridors.bandwidth_gb.shape),
        ("quota", (len(problem.quotas),)),
    ):
        found = getattr(prices, name).shape
        if found != needed:
            message = f"prices.{name} has shape {found}, needed {needed} of this problem"
            raise InvalidProblemError(message, f"prices.{name}")


def _run(state: PlannerState, prices: Prices | None) -> Plan:
    """All stages."""
    _seek(state, prices)
    keep_mandate(state, _least_missing)
    return _plan(state)


def _least_missing(problem: Problem) -> Plan:
    """Plan for the least that is missing to a mandate, where nothing else costs anything."""
    return match(problem, gap=0.0, work_limit=LEAST_UNITS)


def _run_cut(state: PlannerState, prices: Prices | None, clock: Clock, *, mostly: bool) -> Plan:
    """All stages where jobs are interruptible: whole runs by the clock of `state`, then cuts.

    Where most work may be cut, and no plan before is there, whole runs are planned in haste.
    """
    if mostly and prices is None:
        _seek_in_haste(state)
    else:
        _seek(state, prices)
    keep_mandate(state, _least_missing)
    if state.clock is not clock:
        clock.steps = state.clock.steps
        clock.status = "stopped" if state.clock.status == "stopped" else ""
        clock.seconds |= {k: v for k, v in state.clock.seconds.items() if k != "start"}
        state.clock = clock
    pieces = cut_jobs(state, None if prices is None else prices.placement)
    return _plan(state, pieces)


def _seek(state: PlannerState, prices: Prices | None) -> None:
    """Find prices and a plan, as if no job was interruptible."""
    y = state.rows.start(prices)
    placement = None if prices is None else prices.placement
    initial_plans(state, y, placement)
    state.clock.divide()
    if not state.clock.over(0.0):
        _search(state, y, placement, warm=prices is not None)
    # Prices that were not followed to the end may prove less than the first. A plan within a large
    # gap may end the search before any prices are evaluated.
    if state.clock.status or not len(state.y):
        state.look(y)
    if state.bound < 0:  # where nothing is scarce prices of nothing prove more, and exactly
        state.look(np.zeros_like(y))
    insert_until_stable(state)
    if not state.clock.status:
        repair_mandate(state)


def _seek_in_haste(state: PlannerState) -> None:
    """Find prices of whole runs, and a plan that is there at once, where cuts follow.

    Cuts begin with the prices. All jobs that are not cut are placed again beside those that are.
    """
    y = state.rows.start(None)
    initial_plans(state, y, None)
    state.clock.divide()
    if not state.clock.over(0.0):
        state.look(y)
        state.look(state.sampled(y, SAMPLED_ASCENT_SMALL_LIMITED))
        improve(state, DIVE_HASTY, 0.4, rounds=0)
    if state.bound < 0:  # as in `_seek`
        state.look(np.zeros_like(y))
    insert_until_stable(state)


def _search(state: PlannerState, y: Floats, placement: Placement | None, *, warm: bool) -> None:
    """Prices from `y` and plans at them, until the gap is proved or the solve must end."""
    few, again, best = state.few, False, False
    if is_small(state):
        best = solve_exactly(state)
        if state.finished() or (state.searched > -np.inf and state.open_gap() <= SEARCHED_ENOUGH):
            return
        y = state.y if len(state.y) else y
    if warm:
        y, again = resume(state, y, placement)
        if state.finished() or (again and not few):
            return
    elif not best:
        y = _first_prices(state, y)
    if state.brief:  # a climb would take a tenth of the time for nothing
        state.look(y)
        improve(state, None, 0.35, rounds=0)
        if not state.finished() and not price_and_branch(state):
            improve(state, DIVE_QUICK, 0.35, rounds=ROUNDS_QUICK)
    else:
        steps = BOUND_STEPS_FEW if few and not state.small else BOUND_STEPS
        state.climb(y, steps, BOUND_LENGTHS, 0.3, most=0.45)
        if few or state.clock.over(1.0):
            improve(state, None, 0.35)
        if state.small and not state.finished():
            price_and_branch(state)
    paces: tuple[DiveOptions, ...] = (DIVE_FEW, DIVE_AGAIN) if few else (DIVE, DIVE_CAREFUL)
    if not few and state.gap < LEAST_LEFT:
        paces = (DIVE_CAREFUL,)
    if state.small:
        paces = (DIVE_SMALL,)
    if few and not state.small and state.clock.limited:
        improve(state, DIVE_HASTY, 0.4, rounds=0)
    for pace in paces[1:] if again and not state.small else paces:
        if state.finished() or _too_long(state):
            break
        if pace == DIVE_AGAIN:
            steps = min(BOUND_STEPS_AGAIN, len(state.in_order) // 40)
            state.climb(state.y, steps, BOUND_LENGTHS_AGAIN, 0.4)
            if state.finished():
                break
        improve(state, pace, 0.6)
    if state.small:
        anneal(state)


def _too_long(state: PlannerState) -> bool:
    """Would a dive more careful than the last not come to its end, where jobs are few?

    One that is cut off places what is left in haste, and is lost; annealing gains in that time.
    """
    return state.small and state.clock.left() < TIMES_AS_LONG * state.last_dive_s


def _first_prices(state: PlannerState, y: Floats) -> Floats:
    """Prices from samples, from nothing, as carefully as jobs and time allow."""
    if state.hasty:
        return state.sampled(y, SAMPLED_ASCENT_HASTY, PRICES_PART_HASTY)
    if state.small and state.clock.left() < BRIEF_S_PER_JOB * len(state.in_order):
        return state.sampled(y, SAMPLED_ASCENT_HOUR_FAR, PRICES_PART)
    if state.brief:
        many = MASTER.quick <= count_options(state.problem) <= MASTER.most
        pace = SAMPLED_ASCENT_HOUR_FAR if many else SAMPLED_ASCENT_SMALL_LIMITED
        return state.sampled(y, pace, PRICES_PART_SMALL)
    if state.small:
        return state.sampled(y, SAMPLED_ASCENT_SMALL)
    return state.sampled(y, SAMPLED_ASCENT)


def _plan(state: PlannerState, pieces: Pieces | None = None) -> Plan:
    """The answer, with its prices."""
    state.clock.stage("certificate", 1.0)
    assert state.best is not None
    best, cover = state.best, state.cover_proof
    prices = state.rows.prices(state.y if cover is None else cover.y)
    load = load_of(state.problem, best.klass, best.start, pieces)
    block = state.rows.block.for_load(load)
    supplied = block.serve(load)
    dispatch = without_dust(state.problem, supplied.dispatch)
    cost = plan_cost(state.problem, best.klass, best.start, dispatch, pieces)
    found = Prices(
        capacity=prices.capacity,
        energy=prices.energy,
        corridor=prices.corridor,
        **state.rows.quota_columns(prices.quota),
        placement=Placement(klass=best.klass, start=best.start, pieces=pieces),
        mandate=block.mandate_interval(load),
        storage=supplied.storage_yuan,
        gang=prices.gang,
        gang_size=np.array(state.problem.gang_levels, np.int32),
        mandate_bound=state.rows.block.mandate_at(prices.energy),
        **({} if cover is None else cover.columns()),
    )
    state.clock.stage("end", 1.0)
    seconds = {k: v for k, v in state.clock.seconds.items() if k != "start"}
    bound, priced = min(state.proved_yuan(), cost), state.priced_yuan()
    if cost - bound <= CLOSED * max(1.0, abs(cost - state.without_option)):
        bound = cost  # rounding, which is taken off every bound, is all that is between them
    return Plan(
        problem=state.problem,
        assignment=best.klass,
        start=best.start,
        pieces=pieces,
        dispatch=dispatch,
        prices=found,
        objective_yuan=cost,
        bound_yuan=bound,
        priced_bound_yuan=priced if state.searched > priced else bound,
        without_option_yuan=state.without_option,
        status=state.clock.status or ("optimal" if bound >= cost else "feasible"),
        stats={
            "passes": state.passes + state.ascent.passes,
            "work_units": state.rows.work.steps / STEPS_PER_UNIT,
            "shapes": state.market.shapes,
            "seconds": seconds,
        },
    )
