"""Times of a batch's hours, steps that are shorter than an hour, and windows of hours.

A start has a time zone, and each hour its time after it.

The engine counts in steps. What a table says by the hour (power, speed, delay, accelerator-hours)
becomes what it is in a step; energy, data and prices of either are by the step already. So a step
of 15 minutes needs no other model: 4 kW are 1 kWh a step, an hour of work is 4 steps.

A window is some hours of a problem's tables, and its jobs relative to the first of them.
"""

from __future__ import annotations

import datetime
import math
import re
import zoneinfo
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ... import _checks
from ...errors import InvalidProblemError
from .names import number_of

if TYPE_CHECKING:
    from .column import Floats, Table
    from .jobs import Jobs
    from .quotas import Quotas
    from .sites import Sites

#: RFC 9557: a time with its offset, and in brackets the name of its zone.
_ZONED = re.compile(r"(.+?)\[([A-Za-z0-9_+\-/]+)\]")
_HOUR = datetime.timedelta(hours=1)


def start_of(field: str, value: Any) -> datetime.datetime | None:
    """Return the time at which hour 0 begins; None stays.

    Parameters
    ----------
    field : str
        What a message calls it.
    value : datetime, numpy.datetime64, str or None
        Text in ISO 8601, with a zone by offset or by name in brackets (RFC 9557).

    Raises
    ------
    InvalidProblemError
        No time, or none that has all its hours.
    TypeError
        Another type.
    """
    if value is None:
        return None
    if isinstance(value, np.datetime64):
        found: Any = value.astype("datetime64[us]").astype(object)
        if not isinstance(found, datetime.datetime):
            raise InvalidProblemError(f"{field} is {value}, needed a time", field)
        return found
    if isinstance(value, datetime.datetime):
        if value.year < 1:  # what an empty time of a data frame is
            raise InvalidProblemError(f"{field} is {value}, needed a time", field)
        return value
    if not isinstance(value, str):
        raise TypeError(f"{field} must be a datetime or ISO 8601 text, not {type(value).__name__}")
    match = _ZONED.fullmatch(value)
    try:
        time = datetime.datetime.fromisoformat(match[1] if match else value)
        if match:
            zone = zoneinfo.ZoneInfo(match[2])
            time = time.replace(tzinfo=zone) if time.tzinfo is None else time.astimezone(zone)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        needed = "a time like 2026-03-01T00:00+08:00 or 2026-03-01T00:00[Asia/Shanghai]"
        raise InvalidProblemError(f"{field} is {value!r:.100}, needed {needed}", field) from None
    return time


def start_text(start: datetime.datetime) -> str:
    """Return a time as `start_of` reads it, zone and all."""
    text = start.isoformat(timespec="auto")
    return f"{text}[{start.tzinfo.key}]" if isinstance(start.tzinfo, zoneinfo.ZoneInfo) else text


def time_of(start: datetime.datetime, hour: int, step_h: float = 1.0) -> datetime.datetime:
    """Return the time at which a step begins, in the zone of the start; hours are real ones."""
    after = hour * step_h * _HOUR
    if start.tzinfo is None:
        return start + after
    return (start.astimezone(datetime.UTC) + after).astimezone(start.tzinfo)


def hour_of(start: datetime.datetime, time: datetime.datetime) -> float:
    """Return how many hours after the start a time is; one without a zone is read in its zone."""
    if time.tzinfo is None:
        time = time.replace(tzinfo=start.tzinfo)
    elif start.tzinfo is None:
        time = time.replace(tzinfo=None)
    if start.tzinfo is not None:
        start, time = start.astimezone(datetime.UTC), time.astimezone(datetime.UTC)
    return (time - start) / _HOUR


def zone_name(start: datetime.datetime) -> str:
    """Return the name of the zone as Arrow takes it; empty for a time without one."""
    if start.tzinfo is None:
        return ""
    if isinstance(start.tzinfo, zoneinfo.ZoneInfo):
        return str(start.tzinfo.key)
    offset = start.utcoffset() or datetime.timedelta()
    minutes = round(offset.total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


#: The shortest and the longest step, seconds.
LEAST_S, MOST_S = 60, 3600
#: Largest distance of a step from a whole number of seconds, which 1/7 of an hour exceeds.
ROUNDING_S = 1e-6


def step_of(field: str, value: Any) -> float:
    """Return the length of a step, hours: a whole number of seconds, so that times are exact."""
    step = number_of(field, value)
    seconds = step * 3600
    within = LEAST_S - ROUNDING_S <= seconds <= MOST_S + ROUNDING_S  # false for NaN
    if not within or abs(seconds - round(seconds)) > ROUNDING_S:
        needed = "a number of hours from 1/60 to 1 that is a whole number of seconds"
        raise InvalidProblemError(f"{field} is {step:.10g}, needed {needed}", field)
    return round(seconds) / 3600


#: Columns of sites in kW: a step has less energy of them the shorter it is.
POWERS = ("connection_kw", "minimum_load_kw", "ramp_up_kw", "ramp_down_kw", "load_before_kw")
#: Columns in hours, or by kW: a step has more of them the shorter it is.
LENGTHS = {
    "energy": ("demand_yuan_per_kw",),
    "quotas": (
        "upper_accelerator_h",
        "lower_accelerator_h",
        "borrowing_accelerator_h",
        "upper_by_accelerator_h",
        "lower_by_accelerator_h",
    ),
}


def steps_in(hours: float, step_h: float) -> int:
    """Return how many steps some hours are, the last one whole; at least 1."""
    return max(1, math.ceil(hours / step_h - ROUNDING_S))


def day_of(step_h: float) -> int:
    """Return how many steps a day has, the last one whole: 24 if they are hours."""
    return steps_in(24, step_h)


def in_hours(quotas: Quotas, step_h: float) -> Quotas:
    """Return quotas counted in steps as what a table says, in hours.

    Counted in steps again they are no less: a job that takes just what is left still fits.
    """
    if step_h == 1:
        return quotas
    columns = {}
    for name in LENGTHS["quotas"]:
        steps = getattr(quotas, name)
        hours = steps * step_h
        short = hours / step_h < steps
        columns[name] = np.where(short, np.nextafter(hours, np.inf), hours)
    below = quotas.below_yuan_per_accelerator_h / step_h
    return quotas.replace(below_yuan_per_accelerator_h=below, **columns)


def require_room(problem: Any) -> None:
    """Raise for the first value that is beyond its column's limit once it is counted in steps."""
    step = problem.step_h
    for title, names in LENGTHS.items():
        table = getattr(problem, title)
        for name in names:
            spec = table.columns()[name]
            needed = f"at most {spec.high * step:g} ({spec.unit}) in steps of {step:g} h"
            table.require(spec.fits(getattr(table, name) / step), name, needed)


def per_step(problem: Any) -> dict[str, Any]:
    """Return the tables of a `Problem` as they are where its step is the unit of time."""
    step, jobs, classes, energy = problem.step_h, problem.jobs, problem.classes, problem.energy
    quotas = problem.quotas
    return {
        "step_h": 1.0,
        "jobs": jobs.replace(delay_yuan_per_h=jobs.delay_yuan_per_h * step),
        "classes": classes.replace(
            power_kw=classes.power_kw * step,
            overhead_kw=classes.overhead_kw * step,
            throughput=classes.throughput * step,
        ),
        "sites": problem.sites.replace(
            **{name: getattr(problem.sites, name) * step for name in POWERS}
        ),
        "energy": energy.replace(
            battery_kw=energy.battery_kw * step,
            export_kw=energy.export_kw * step,
            demand_paid_kw=energy.demand_paid_kw * step,
            demand_yuan_per_kw=energy.demand_yuan_per_kw / step,
        ),
        "quotas": quotas.replace(
            below_yuan_per_accelerator_h=quotas.below_yuan_per_accelerator_h * step,
            **{name: getattr(quotas, name) / step for name in LENGTHS["quotas"]},
        ),
    }


_Table = TypeVar("_Table", bound="Table")


def sliced(table: _Table, first: int, hours: int) -> _Table:
    """Return a table with the hours ``first <= h < first + hours`` of its hourly columns."""
    parts = {}
    for name, spec in table.columns().items():
        array = getattr(table, name)
        if "hour" in spec.dims[: array.ndim]:
            axis = spec.dims.index("hour")
            parts[name] = np.take(array, np.arange(first, first + hours), axis)
    return table.replace(**parts) if parts else table


def sites_in_window(
    sites: Sites, first: int, hours: int, load_before_kw: Floats | None = None
) -> Sites:
    """Return the sites of some hours; the load before the first is unknown where none is given."""
    out = sliced(sites, first, hours)
    if not first or not sites.limits_load.any():
        return out
    return out.replace(load_before_kw=np.inf if load_before_kw is None else load_before_kw)


def jobs_in_window(jobs: Jobs, rows: Any, first: int, hours: int, defer_yuan: Any) -> Jobs:
    """Return some jobs with their times counted from `first`, cut at the window's end.

    A job whose deadline lies past the end may be left for later, for `defer_yuan` if that is less
    than its value.
    """
    if rows.dtype.kind not in "iu" or rows.ndim != 1:
        raise TypeError(f"jobs must be rows on one axis, not {rows.dtype} of shape {rows.shape}")
    outside = (rows < 0) | (rows >= len(jobs))
    late = jobs.release[rows[~outside]] >= first + hours
    late |= jobs.deadline[rows[~outside]] <= first
    if outside.any() or late.any():
        at = int(np.argmax(outside)) if outside.any() else int(np.argmax(late))
        needed = f"rows of jobs with an hour in {first} to {first + hours - 1}"
        raise InvalidProblemError(f"jobs[{at}]: found {rows[at]}, needed {needed}", "jobs", at)
    columns = {name: getattr(jobs, name)[rows] for name in jobs.columns()}
    release, deadline = columns["release"], columns["deadline"]
    if defer_yuan is not None:
        given = _checks.reals("defer_yuan", defer_yuan)
        if given.size != 1 and given.shape != (len(jobs),):
            message = f"defer_yuan: found shape {given.shape}, needed ({len(jobs)},)"
            raise InvalidProblemError(message, "defer_yuan")
        each = np.broadcast_to(given.reshape(-1), (len(jobs),))[rows]
        bad = ~(each >= 0)
        if bad.any():
            at = int(np.argmax(bad))
            message = f"defer_yuan: found {each[at]} for job {rows[at]}, needed a number >= 0"
            raise InvalidProblemError(message, "defer_yuan", int(rows[at]))
        waits = deadline > first + hours
        value = columns["value_yuan"]
        columns["value_yuan"] = np.where(waits, np.minimum(value, each), value)
    columns["release"] = np.maximum(release - first, 0)
    columns["deadline"] = np.minimum(deadline - first, hours)
    placed = columns["placed_start"] - first
    gone = (columns["placed_class"] < 0) | (placed < 0) | (placed >= hours)
    columns["placed_class"] = np.where(gone, -1, columns["placed_class"])
    columns["placed_start"] = np.where(gone, -1, placed)
    return type(jobs)(**columns, id=jobs.ids[rows])
