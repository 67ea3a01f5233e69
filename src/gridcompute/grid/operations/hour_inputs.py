"""The inputs of an hour, checked, and the forecasts of the next ones.

Whether a running job continues or pauses is decided by the saving less the hours to redo. A plan
knows a running job by the hours that are left of it. If it breaks off, the hours of its restart
come on top, which that plan does not hold. A part of what they cost is charged to it, a guess at
the prices of the last plan; where the plan breaks jobs off all the same, two more plans decide by
their costs: one in which these jobs go on now, and one in which they wait with the work and the
restart that are left.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ... import _checks
from ...errors import InvalidProblemError
from ...forecast.signal import phantoms, yesterday
from ..interruption import Cuts, cheapest_cuts
from ..planner.cut_market import hourly_yuan
from ..tables.jobs import Jobs
from .state import HOURLY, NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from ..plan.columns import Prices
    from ..plan.plan import Plan
    from ..tables.column import Floats, Int64s
    from ..tables.jobs import Running
    from ..tables.problem import Problem
    from ..tables.sites import Energy
    from .state import Book

#: Part of the guess that is charged: one that is too high would hide a break that pays, one that is
#: too low costs the two plans that tell.
CHARGED = 0.5


class Alternatives(NamedTuple):
    """Two problems of the hours ahead, in which jobs go on that a plan breaks off, or wait."""

    #: They stay where they run in this hour, whatever that costs.
    going_on: Problem
    #: They wait, with the hours of their restart to do as well.
    waiting: Problem
    #: What the second costs beside its plan: restarts, and delay that its jobs do not count.
    beside_yuan: float


def alternatives(problem: Problem, plan: Plan) -> Alternatives | None:
    """Return what is to be compared; None where no job breaks off that has hours to redo.

    Parameters
    ----------
    problem : Problem
        Of the hours ahead; its interruptible running jobs end sooner than their deadline by their
        restart.
    plan : Plan
        Its plan.
    """
    running = problem.running
    if running is None or problem.hours < 2:  # in one hour nothing goes on after a break
        return None
    job, jobs, steps = running.id, problem.jobs, problem.stepped
    klass, start = plan.assignment[job], plan.start[job]
    stops = running.movable & ((klass < 0) | (start > 0)) & jobs.interruptible[job]
    stops &= running.restart_h > 0
    at = np.flatnonzero(stops)
    if not len(at):
        return None
    job, klass = job[at], running.klass[at]
    site, restart = steps.classes.site[klass], running.restart_h[at].astype(np.int64)
    # More than any plan costs less than: they stay, or what they are worth is lost as well.
    never = running.move_yuan.copy()
    never[at] += 2 * float(jobs.value_yuan.sum()) + abs(plan.objective_yuan) + 1.0
    speed = steps.classes.throughput[steps.jobs.family[job], klass]
    last = np.minimum(steps.jobs.deadline[job] + restart, problem.hours)
    new = {
        "work_h": (running.hours_left[at] + restart) * speed,
        "origin": site,
        "data_gb": 0.0,
        "latency_ms": np.inf,
        "residency": np.int64(1) << site.astype(np.int64),
        "release": 1,
        "deadline": np.maximum(last, 2),
        "placed_class": -1,
        "placed_start": -1,
    }
    columns = {}
    for name, values in new.items():
        columns[name] = getattr(jobs, name).copy()
        columns[name][job] = values
    rest = np.delete(np.arange(len(running.id)), at)
    left = type(running)(**{name: getattr(running, name)[rest] for name in running.columns()})
    late = steps.jobs.delay_yuan_per_h[job] * (restart + 1)
    return Alternatives(
        problem.replace(running=running.replace(move_yuan=never)),
        problem.replace(running=left if len(rest) else None, jobs=jobs.replace(**columns)),
        float((jobs.restart_yuan[job] + late).sum()),
    )


def charged(problem: Problem, running: Running | None, prices: Prices | None) -> Running | None:
    """Return what runs with a part of what the hours of a restart cost in the price of a break."""
    if running is None or prices is None:
        return running
    at = np.flatnonzero(
        problem.jobs.interruptible[running.id] & running.movable & (running.restart_h > 0)
    )
    if not len(at):
        return running
    move_yuan = running.move_yuan.copy()
    move_yuan[at] += CHARGED * _restart_yuan(problem.stepped, running, at, prices)
    return running.replace(move_yuan=move_yuan)


def _restart_yuan(steps: Problem, running: Running, at: Int64s, prices: Prices) -> Floats:
    """Return what restart hours add to the rest of jobs that pause now, at prices of power."""
    jobs, hours = steps.jobs, steps.hours
    job, klass, clock = running.id[at], running.klass[at], np.arange(hours + 1)
    left, restart = running.hours_left[at].astype(np.int64), running.restart_h[at].astype(np.int64)
    free = np.zeros((len(steps.quotas), steps.quotas.linear_rows.models))
    hourly = hourly_yuan(steps, job, klass, np.zeros((len(at), hours)), prices.energy, free)
    last = np.minimum(jobs.deadline[job] + restart, hours)
    may = (clock[:-1] > 0) & (clock[:-1] < last[:, None])
    cuts = Cuts(
        np.where(may, hourly, np.inf),
        np.zeros((len(at), hours)),
        jobs.delay_yuan_per_h[job][:, None] * clock,
        np.minimum(left, NEVER).astype(np.int32),
        jobs.least_piece_h[job],
        jobs.restart_h[job],
        jobs.restart_yuan[job],
    )
    longer = np.minimum(left + restart, NEVER).astype(np.int32)
    less, more = cheapest_cuts(cuts)[0], cheapest_cuts(cuts._replace(need=longer))[0]
    both, out = np.isfinite(less) & np.isfinite(more), np.zeros(len(at))
    out[both] = np.maximum(more[both] - less[both], 0.0)
    return out


#: Keys of an hour's inputs beside columns of the energy table and names of sources.
RENEWABLES = "renewables"
#: Weights of priors, in hours: of no error in the mean error so far, and of no correlation in the
#: autocorrelation of errors. Few hours say little of later ones.
PRIOR_H, PRIOR_UNCORRELATED_H = 2, 6
#: Standard errors that are subtracted from the mean of the hours ahead: 19 of 20 windows bring
#: more. What is missing to a mandate costs far more than green power that is spare.
MARGIN_ERRORS = 1.65
#: Columns of `Jobs` that count hours from the arrival in a record of arrivals.
TIMES = ("release", "deadline")


def brought(actual: Any, energy: Energy, hour: int) -> dict[str, Floats]:
    """Return the columns of an hour as it came: those of the tables, and what `actual` says.

    Parameters
    ----------
    actual : mapping or None
        "renewables", or the name of a source: what it delivered, as a part of what the table says,
        a number or one by site ("renewables" also by source and site). A name of `HOURLY`: the
        hour's values by site (direct_kwh: by source and site).
    """
    out = {name: getattr(energy, name)[..., hour].copy() for name in HOURLY}
    if actual is None:
        return out
    if not hasattr(actual, "keys"):
        raise TypeError(f"actual must be a mapping, not {type(actual).__name__}")
    known = (RENEWABLES, *energy.source_names, *HOURLY)
    for key in actual:
        if key not in known:
            message = f"actual: found {key!r:.100}, needed one of {', '.join(known)}"
            message += _checks.meant(str(key), known)
            raise InvalidProblemError(message, f"actual.{key}")
    for key in (
        *HOURLY,
        RENEWABLES,
        *energy.source_names,
    ):  # the tables first, then factors of them
        if key not in actual:
            continue
        values = _checks.reals(f"actual.{key}", actual[key])
        if key in HOURLY:
            out[key] = _spread(f"actual.{key}", values, out[key].shape)
            _in_range(f"actual.{key}", out[key], key, energy)
        elif key == RENEWABLES:
            out["direct_kwh"] *= _factor(f"actual.{key}", values, out["direct_kwh"].shape)
        else:
            source = energy.source_names.index(key)
            at = out["direct_kwh"][source]
            out["direct_kwh"][source] = at * _factor(f"actual.{key}", values, at.shape)
        if key not in HOURLY:
            _in_range(f"actual.{key}: direct_kwh", out["direct_kwh"], "direct_kwh", energy)
    return out


def _in_range(field: str, values: Floats, name: str, energy: Energy) -> None:
    """Raise before the hour is planned for a value that the energy table could not hold."""
    spec = energy.columns()[name]
    good = spec.fits(values)
    if not good.all():
        at = tuple(int(i) for i in np.argwhere(~good)[0])
        where, found = ", ".join(map(str, at)), values[at]
        message = f"{field}[{where}]: found {found}, needed {spec.needs()}"
        raise InvalidProblemError(message, field.partition(":")[0], at)


def _factor(field: str, values: Floats, shape: tuple[int, ...]) -> Floats:
    good = np.isfinite(values) & (values >= 0)
    if not good.all():
        found = values[~good].flat[0]
        raise InvalidProblemError(f"{field}: found {found}, needed finite numbers >= 0", field)
    return _spread(field, values, shape)


def _spread(field: str, values: Floats, shape: tuple[int, ...]) -> Floats:
    if values.size == 1:
        return np.full(shape, float(values.reshape(-1)[0]))
    if values.shape not in (shape, shape[-1:]):
        message = f"{field}: found shape {values.shape}, needed {shape} or one number"
        raise InvalidProblemError(message, field)
    return np.broadcast_to(values, shape).copy()


def factor_of(brought_kwh: Floats, said_kwh: Floats) -> float:
    """Return what direct sources delivered as a part of what was said; 1 where nothing was."""
    said = float(said_kwh.sum())
    return float(brought_kwh.sum()) / said if said > 0 else 1.0


def outlook(forecast: str | Callable[..., Any] | None, past: list[float], hours: int) -> Floats:
    """Return what direct sources are expected to deliver of what the tables say, hour by hour."""
    if forecast is None:
        return np.ones(hours)
    seen = np.array(past, np.float64)
    seen.flags.writeable = False
    if callable(forecast):
        said = _checks.reals("forecast", forecast(seen, hours))
        if said.shape != (hours,) or not (np.isfinite(said) & (said >= 0)).all():
            message = f"forecast: found {said!r:.200}, needed {hours} finite numbers >= 0"
            raise InvalidProblemError(message, "forecast")
        return said
    if not len(seen):
        return np.ones(hours)
    bias = (seen - 1.0).sum() / (len(seen) + PRIOR_H)
    residual = seen - 1.0 - bias
    square = float(residual @ residual)
    lagged = max(0.0, float(residual[1:] @ residual[:-1]))
    correlation = (
        lagged / (square * (1.0 + PRIOR_UNCORRELATED_H / len(seen))) if square > 0 else 0.0
    )
    decayed = float(residual[-1]) * correlation ** np.arange(1, hours + 1)
    margin = MARGIN_ERRORS * np.sqrt(square / (len(seen) * max(1, hours)))
    return np.asarray(np.maximum(1.0 + bias + decayed - margin, 0.0))


def new_table(new_jobs: Any, world: Problem, hour: int) -> Jobs | None:
    """Return jobs that arrive as a checked table; times are hours of the operator's clock."""
    if new_jobs is None:
        return None
    if not isinstance(new_jobs, Jobs):
        if not hasattr(new_jobs, "keys"):
            raise TypeError(f"new_jobs must be Jobs or a mapping, not {type(new_jobs).__name__}")
        new_jobs = Jobs(**_columns_of_jobs(new_jobs))
    table: Jobs = new_jobs
    if not len(table):
        return None
    for name, size, where in (
        ("family", len(world.classes.throughput), "classes.throughput"),
        ("origin", len(world.sites), "sites"),
        ("tenant", len(world.quotas), "quotas"),
        ("placed_class", len(world.classes), "classes"),
    ):
        needed = f"below {size}, the size of {where}"
        table.require(getattr(table, name) < size, name, needed)
    table.require(table.release >= hour, "release", f"hour {hour}, the operator's, or later")
    return table


def _columns_of_jobs(new_jobs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a mapping, each one that `Jobs` has."""
    known = (*Jobs.columns(), "id")
    for name in new_jobs:
        if name not in known:
            message = f"new_jobs: found a column {name!r:.100}, needed one of {', '.join(known)}"
            message += _checks.meant(str(name), known)
            raise InvalidProblemError(message, f"new_jobs.{name}")
    return {str(name): new_jobs[name] for name in new_jobs}


def expected_jobs(
    how: str | Callable[..., Any] | None, book: Book, clock: int, hours: int, day: int
) -> dict[str, NDArray[Any]] | None:
    """Return the jobs that may come within `hours`, times counted from the clock, or None.

    They are made of those that came by `new_jobs`. `arrival_h` is when a job came, and its times
    are kept as far from that as they were. All times are steps, and `day` is how many a day has.
    """
    came = np.flatnonzero((book["arrived"] >= 0) & (book["arrived"] <= clock))
    if how is None or not len(came):
        return None
    if not callable(how) and clock - int(book["arrived"][came].min()) < day - 1:
        return None  # the hours of half a day say nothing of the other half
    columns = {name: book[name][came] for name in Jobs.columns()}
    arrived = book["arrived"][came].astype(np.int64)
    history: dict[str, Any] = {"arrival_h": arrived, **columns}
    for name in TIMES:
        history[name] = columns[name] - arrived
    if callable(how):
        said = phantoms(history, how, now=clock, hours=hours)
    else:
        said = yesterday(history, clock, hours, day=day)
    arrival = np.asarray(said["arrival_h"]) - clock
    out: dict[str, Any] = {name: np.asarray(said[name]) for name in columns}
    release = np.maximum(arrival + out["release"], 1)
    deadline = np.minimum(arrival + out["deadline"], hours)
    kept = (release < hours) & (deadline > release)
    out |= {"release": release, "deadline": deadline}
    out |= {"placed_class": np.full(len(arrival), -1), "placed_start": np.full(len(arrival), -1)}
    return {name: values[kept] for name, values in out.items()}


def setting(name: str, values: Any, n: int, dtype: type[np.generic]) -> NDArray[Any]:
    """Return a setting of the jobs: one value for all, or one a job."""
    array = _checks.plain_array(name, values)
    kinds = "b" if dtype is np.bool_ else "iuf" if dtype is np.float64 else "iu"
    if array.dtype.kind not in kinds:
        raise TypeError(f"{name} must be {np.dtype(dtype).name}, not {array.dtype}")
    if array.ndim and array.shape != (n,):
        message = f"{name}: found shape {array.shape}, needed one value, or ({n},), one a job"
        raise InvalidProblemError(message, name)
    if dtype is not np.bool_ and array.size:
        low = float(array.min())
        if not (low >= 0 and math.isfinite(float(array.max()))):
            message = f"{name}: found {low}, needed finite numbers >= 0"
            raise InvalidProblemError(message, name)
    return np.broadcast_to(array, (n,)).astype(dtype)


def known(actual: Mapping[str, list[Any]], energy: Energy, hours: int) -> dict[str, Floats]:
    """Return energy columns with the first `hours` hours as they came."""
    out = {}
    for name in HOURLY:
        column = getattr(energy, name).copy()
        for t in range(hours):
            column[..., t] = actual[name][t]
        out[name] = column
    return out
