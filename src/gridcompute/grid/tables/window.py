"""A window of hours of a problem's tables, and its jobs relative to the first of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ... import _checks
from ...errors import InvalidProblemError

if TYPE_CHECKING:
    from .column import Floats, Table
    from .jobs import Jobs
    from .sites import Sites

__all__ = ["jobs_in_window", "sites_in_window", "sliced"]

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
