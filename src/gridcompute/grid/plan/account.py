"""The account of a placement: its runs, payments at prices of cover rows, sites' green numbers.

A job has one run if it runs whole, else one for each piece.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...errors import InvalidProblemError
from ..eligibility import hours_taken
from .columns import Pieces

if TYPE_CHECKING:
    from ..tables.column import Bools, Floats, Int32s, Int64s
    from ..tables.problem import Problem
    from .columns import Dispatch, Prices


class Runs(NamedTuple):
    """Consecutive hours of placed jobs, by job and first hour."""

    job: Int64s
    klass: Int32s
    start: Int32s
    hours: Int32s
    #: Place of each run's job among the placed jobs, whose rows are in ascending order.
    at: Int64s


def runs_of(problem: Problem, klass: Int32s, start: Int32s, pieces: Pieces | None) -> Runs:
    """Return the runs of a placement of the jobs of `problem`, which is in steps."""
    job = np.flatnonzero(klass >= 0)
    hours = hours_taken(problem, job, klass[job])
    if pieces is None:
        return Runs(job, klass[job], start[job], hours, np.arange(len(job)))
    whole = np.ones(len(klass), bool)
    whole[pieces.job] = False
    kept = whole[job]
    rows = np.concatenate([job[kept], pieces.job])
    first = np.concatenate([start[job][kept], pieces.start])
    length = np.concatenate([hours[kept], pieces.hours])
    order = np.lexsort((first, rows))
    rows = rows[order]
    at = np.searchsorted(job, rows)
    return Runs(rows, klass[rows], first[order], length[order], at)


def summed(values: Any, runs: Runs, n: int) -> Any:
    """Return the sums of values of runs by placed job, (n,)."""
    if len(runs.at) == n:
        return values
    out = np.zeros(n, values.dtype)
    np.add.at(out, runs.at, values)
    return out


def resumed_yuan(problem: Problem, job: Any, pieces: Pieces | None) -> Floats:
    """Return what the restarts of each of some placed jobs cost, yuan; `job` is ascending."""
    if pieces is None:
        return np.zeros(len(job))
    count = np.bincount(pieces.job, minlength=len(problem.jobs))[job]
    return np.asarray(problem.jobs.restart_yuan[job] * np.maximum(count - 1, 0))


def delay_yuan(
    problem: Problem, job: Any, klass: Int32s, start: Int32s, pieces: Pieces | None
) -> Floats:
    """Return what the delay of some placed jobs at `klass, start` costs, yuan; `job` ascending."""
    jobs = problem.jobs
    late = start - jobs.release[job]
    if pieces is not None and len(job):
        end = np.full(len(jobs), -1, np.int64)
        np.maximum.at(end, pieces.job, pieces.start + pieces.hours)
        cut = end[job] >= 0
        done = end[job] - hours_taken(problem, job, klass)
        late = np.where(cut, done - jobs.release[job], late)
    return np.asarray(jobs.delay_yuan_per_h[job] * late)


def pieces_at(pieces: Pieces | None, rows: Int64s, n: int) -> Pieces | None:
    """Return the pieces of the jobs `rows` of `n`, as those of a table of these jobs alone."""
    if pieces is None:
        return None
    place = np.full(n, -1)
    place[rows] = np.arange(len(rows))
    at = place[pieces.job]
    kept = at >= 0
    if not kept.any():
        return None
    return Pieces(job=at[kept], start=pieces.start[kept], hours=pieces.hours[kept])


def pieces_of(job: Int64s, busy: Bools) -> Pieces | None:
    """Return the pieces of jobs that run in the hours marked, (n, n_hours); None if all are whole.

    Jobs with one piece run whole and have no rows.
    """
    edge = np.diff(busy.astype(np.int8), axis=1, prepend=0, append=0)
    row, start = np.nonzero(edge == 1)
    end = np.nonzero(edge == -1)[1]
    many = np.bincount(row, minlength=len(job))[row] > 1
    if not many.any():
        return None
    rows = np.asarray(job, np.int32)[row[many]]
    first = start[many].astype(np.int32)
    length = (end - start)[many].astype(np.int32)
    order = np.lexsort((first, rows))
    return Pieces(job=rows[order], start=first[order], hours=length[order])


def listed_runs(
    problem: Problem, rows: Any, klass: Int32s, start: Int32s, hours: Int32s
) -> tuple[Int32s, Int32s, Pieces | None]:
    """Return class, start and pieces of all jobs from a listing of runs, in any order.

    Parameters
    ----------
    problem : Problem
    rows, klass, start, hours : int32 (n_runs,)
        A job listed several times runs in pieces; of one that is listed once, the hours must be
        those that it runs whole.

    Raises
    ------
    InvalidProblemError
        Runs of a job at several classes, that overlap or touch, or of a length that a whole job
        does not have.
    """
    n = len(problem.jobs)
    out = np.full((2, n), -1, np.int32)
    order = np.lexsort((start, rows))
    job, c, first, length = rows[order], klass[order], start[order], hours[order]
    begins = np.append(True, job[1:] != job[:-1])[: len(job)]
    out[:, job[begins]] = c[begins], first[begins]

    def fail(at: int, name: str, found: int, needed: str) -> InvalidProblemError:
        row, field = int(order[at]), f"placement.{name}"
        return InvalidProblemError(f"{field}[{row}]: found {found}, needed {needed}", field, row)

    again = ~begins
    for at in np.flatnonzero(again & (c != out[0, job]))[:1].tolist():
        raise fail(at, "klass", c[at], f"{out[0, job[at]]}, that of the job's first piece")
    for at in np.flatnonzero(again & (c < 0))[:1].tolist():
        raise fail(at, "job", job[at], "a job that is not placed once")
    many = np.bincount(job, minlength=n)[job] > 1
    check_whole_runs(problem, job, c, length, order, once=~many)
    end = first.astype(np.int64) + length
    touches = np.append(False, ~begins[1:] & (first[1:] <= end[:-1]))[: len(job)]
    for at in np.flatnonzero(touches)[:1].tolist():
        needed = f"an hour after {end[at - 1]}, when the job's piece before ends"
        raise fail(at, "start", first[at], needed)
    if not many.any():
        return out[0], out[1], None
    job = job.astype(np.int32)
    return out[0], out[1], Pieces(job=job[many], start=first[many], hours=length[many])


def check_whole_runs(
    problem: Problem, job: Any, klass: Int32s, hours: Int32s, place: Any, once: Bools | None = None
) -> None:
    """Raise unless listed hours are at least 1, and those of whole jobs where the job runs whole.

    Parameters
    ----------
    problem : Problem
    job, klass, hours : int (n_runs,)
        Runs at class -1 are ignored.
    place : int (n_runs,)
        Where each run is in the caller's listing.
    once : bool (n_runs,), optional
        Runs of jobs that are listed once; default: all.
    """
    steps, field = problem.effective, "placement.hours"
    for at in np.flatnonzero((klass >= 0) & (hours < 1))[:1].tolist():
        row = int(place[at])
        message = f"{field}[{row}]: found {hours[at]}, needed an integer >= 1"
        raise InvalidProblemError(message, field, row)
    known = (klass >= 0) & (klass < len(steps.classes))
    at = np.flatnonzero(known if once is None else known & once)
    at = at[steps.classes.throughput[steps.jobs.family[job[at]], klass[at]] > 0]  # found later
    with np.errstate(over="ignore", invalid="ignore"):
        whole = hours_taken(steps, job[at], klass[at])
    for k in np.flatnonzero(hours[at] != whole)[:1].tolist():
        row, needed = int(place[at[k]]), f"{whole[k]}, those of the whole job"
        if steps.jobs.interruptible[job[at[k]]]:
            needed += ", or a row for each of its pieces"
        message = f"{field}[{row}]: found {hours[at[k]]}, needed {needed}"
        raise InvalidProblemError(message, field, row)


#: Pairs of a job and a row that are processed at once.
MOST_PAIRS = 1 << 22


def covers_paid(
    problem: Problem, prices: Prices, job: Int32s, klass: Int32s, start: Int32s, end: Int32s
) -> Floats:
    """Return what options pay for lifted cover rows, yuan, (n_options,).

    Interruptible jobs, and those that run and cannot move, pay nothing.

    Parameters
    ----------
    problem : Problem
        The whole one, with its running jobs.
    prices : Prices
    job, klass, start, end : int32 (n_options,)
        Row of the jobs table, class, first hour, and the hour after the last one.
    """
    out = np.zeros(len(job))
    jobs, free = problem.jobs, problem.classes.capacity - problem.pinned_accelerators
    hours = np.arange(problem.hours)
    counts = ~(jobs.interruptible | problem.pinned)[job]
    for c in np.unique(klass[counts]).tolist():
        rows = np.flatnonzero(prices.cover_class == c)
        if not len(rows):
            continue
        room = np.stack([np.maximum.accumulate(np.where(hours >= t, free[c], 0)) for t in hours])
        most = room[prices.cover_first[rows], prices.cover_last[rows]]
        on = np.flatnonzero(counts & (klass == c))
        block = max(1, MOST_PAIRS // len(rows))
        for at in (on[i : i + block] for i in range(0, len(on), block)):
            out[at] = _paid(prices, rows, most, job[at], jobs.gang[job[at]], start[at], end[at])
    return out


def _paid(
    prices: Prices,
    rows: np.ndarray,
    room: np.ndarray,
    job: Int32s,
    gang: Int32s,
    start: Int32s,
    end: Int32s,
) -> Floats:
    """Return the payments of options at one class for the `rows` of that class."""
    size, first, last = prices.cover_size[rows], prices.cover_first[rows], prices.cover_last[rows]
    whole = (start[:, None] <= first) & (last < end[:, None])
    share = np.where(whole, gang[:, None] // size, 0)
    own, row = np.nonzero(job[:, None] == prices.cover_job[rows])
    gangs, left = room[row] // size[row], room[row] - gang[own]
    touched = (start[own] <= last[row]) & (first[row] < end[own]) & (left >= 0)
    share[own, row] = np.where(touched, gangs - left // size[row], 0)
    return np.asarray(share @ prices.cover_yuan[rows])


#: A site that takes no more has no load, and no share: it is what a solver's tolerance leaves, kWh.
LEAST_KWH = 1e-6
#: Decimals of kWh, of tonnes and of shares: what is below is what a solver's tolerance leaves.
_KWH, _TONNES, _SHARE = 9, 12, 12
#: Shares no further apart are the same: a solver's tolerance, as a part of a site's load.
_TIE = 1e-6


def green_account(problem: Problem, dispatch: Dispatch) -> dict[str, Floats]:
    """The four numbers by site.

    Returns
    -------
    dict of float64 (n_sites,)
        ``load_kwh``; ``n1_statutory``, ``n2_hourly``, ``n3_cfe`` as shares of load, NaN of a site
        without load; ``n4_tco2``. No more is claimed than 100 % of load, unless certificates of
        exported power are kept; ``green_kwh`` (hourly-matched); ``certificate_kwh`` (what a pooled
        scope retires is split over its sites by the load that green power leaves), and
        ``shortfall_kwh`` (what it misses, by load). Rounded to the ninth decimal of a kWh and the
        twelfth of a tonne and a share.
    """
    rows = problem.mandate_rows
    load, matched = dispatch.load_kwh, dispatch.green_kwh
    total, green = load.sum(axis=1), matched.sum(axis=1)
    grid = dispatch.grid_kwh + dispatch.grey_discharge_kwh
    drawn = dispatch.grid_kwh + dispatch.grid_charge_kwh
    part = _parts(rows.member * total)
    left = rows.member * np.maximum(total - green, 0.0)
    certificates = dispatch.certificate_kwh @ np.where(
        left.sum(axis=1, keepdims=True) > LEAST_KWH, _parts(left), part
    )
    kept = problem.counts_exports
    volume = green + certificates + (dispatch.exported_kwh.sum(axis=(0, 2)) if kept else 0.0)
    volume = volume if kept else np.minimum(volume, total)
    cfe = green + (grid * problem.energy.grid_green_share).sum(axis=1)
    over = np.where(total > LEAST_KWH, total, np.nan)
    return {
        "load_kwh": np.round(total, _KWH),
        "green_kwh": np.round(green, _KWH),
        "n1_statutory": np.round(volume / over, _SHARE),
        "n2_hourly": np.round(green / over, _SHARE),
        "n3_cfe": np.round(cfe / over, _SHARE),
        "n4_tco2": np.round((drawn * problem.carbon_g_per_kwh).sum(axis=1) / 1e6, _TONNES),
        "certificate_kwh": np.round(certificates, _KWH),
        "shortfall_kwh": np.round(dispatch.missing_kwh @ part, _KWH),
    }


def _parts(weight: Floats) -> Floats:
    """Return each row's weights as parts of their sum."""
    return np.asarray(weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-300))


def lowest_share(share: Floats) -> tuple[float, list[int]]:
    """Return the lowest share, and where it is; NaN and nowhere if there is none.

    Examples
    --------
    >>> lowest_share(np.array([0.9, np.nan, 0.8, 0.8]))
    (0.8, [2, 3])
    """
    if not np.isfinite(share).any():
        return np.nan, []
    low = float(np.nanmin(share))
    return low, np.flatnonzero(share <= low + _TIE).tolist()


def percent(share: float, none: str = "-") -> str:
    """Return a share in percent; of what has no load, the mark `none`."""
    return none if np.isnan(share) else f"{share:.1%}"
