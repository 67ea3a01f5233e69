"""The times of a batch's hours: a start with its time zone, and each hour's time after it."""

from __future__ import annotations

import datetime
import re
import zoneinfo
from typing import Any

import numpy as np

from ...errors import InvalidProblemError

__all__ = ["hour_of", "start_of", "start_text", "time_of", "zone_name"]

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
