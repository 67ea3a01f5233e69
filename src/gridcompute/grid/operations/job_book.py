"""The jobs of an operator: the needs of each, and whether it waits, runs, is done or lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InvalidProblemError
from ..eligibility import hours_needed
from ..tables.jobs import Jobs
from ..tables.running import Running

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..tables.column import Bools, Int64s
    from ..tables.problem import Problem

__all__ = ["CHANGED", "DONE", "LOST", "NEVER", "RUNNING", "SEVERAL", "WAITING", "WHOLE", "Book"]

#: States of a job.
WAITING, RUNNING, DONE, LOST = range(4)
#: Hours of a job that no class can run.
NEVER = 2**30
#: Jobs whose hours on all classes are computed together.
BLOCK = 1 << 14
#: Columns that a job that breaks off has changed, with their dtypes; beside them they are kept as
#: they came.
CHANGED: dict[str, type[np.generic]] = {
    "work_h": np.float64,
    "data_gb": np.float64,
    "origin": np.int32,
    "release": np.int32,
    "latency_ms": np.float64,
    "residency": np.int64,
    "placed_class": np.int32,
    "placed_start": np.int32,
    "least_h": np.int32,
}
#: The class of a job's pieces so far where it never broke off, and where they have several.
WHOLE, SEVERAL = -1, -2
#: Columns of the book beside those of `Jobs`, by dtype.
OWN: dict[str, type[np.generic]] = {
    "state": np.int8,
    "klass": np.int32,
    "started": np.int32,
    "end": np.int32,
    "arrived": np.int32,
    "finished": np.int32,
    "least_h": np.int32,
    "movable": np.bool_,
    "checkpoint_gb": np.float64,
    "restart_h": np.int32,
    "move_yuan": np.float64,
    "broke_klass": np.int32,
} | {f"came_{name}": dtype for name, dtype in CHANGED.items()}


class Book:
    """Columns of all jobs that are known, in the order in which they came; times are absolute.

    Times and lengths count steps of the operator's problem, as in `Running`.

    Parameters
    ----------
    columns : dict of array
        Those of `Jobs` and of `OWN`. A job runs on `klass` from `started` to `end`; `finished` is
        the hour before which it was reported done, -1 = never. `least_h`: its hours on the class
        that is quickest of those it may use. `broke_klass`: where its pieces ran that it broke off,
        `WHOLE` = it never did, `SEVERAL` = at several classes; `came_` and a name of `CHANGED`:
        what was there before.
    """

    def __init__(self, columns: dict[str, NDArray[Any]]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns["gang"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    def copy(self) -> Book:
        """Return a book that may be changed while this one stays."""
        return Book({name: values.copy() for name, values in self.columns.items()})

    @classmethod
    def empty(cls) -> Book:
        """Return a book of no jobs."""
        columns = {name: np.zeros(0, spec.dtype) for name, spec in Jobs.columns().items()}
        return cls(columns | {name: np.zeros(0, dtype) for name, dtype in OWN.items()})

    def with_jobs(self, jobs: Jobs, world: Problem, hour: int, **moves: Any) -> Book:
        """Return the book with more jobs that become known at `hour`; `moves` as in `Running`."""
        n = len(jobs)
        new: dict[str, Any] = {name: getattr(jobs, name) for name in jobs.columns()}
        new |= {"state": WAITING, "klass": -1, "started": -1, "end": -1, "finished": -1}
        new |= {"arrived": hour, "least_h": least_hours(jobs, world), **_of_pieces(jobs, moves)}
        new |= {"broke_klass": WHOLE} | {f"came_{name}": new[name] for name in CHANGED}
        out = {}
        for name, values in self.columns.items():
            more = np.broadcast_to(np.asarray(new[name], values.dtype), (n,))
            out[name] = np.concatenate([values, more])
        return Book(out)

    def jobs(
        self, rows: Int64s, hour: int, hours: int, site: NDArray[np.int32] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Return the columns of `Jobs` for some rows, times counted from `hour`, cut at the end.

        Interruptible jobs that run stay at their site, where `site` is that of each class.
        """
        columns = {name: self.columns[name][rows].copy() for name in Jobs.columns()}
        release, deadline = columns["release"] - hour, columns["deadline"] - hour
        columns["release"] = np.clip(release, 0, hours - 1)
        columns["deadline"] = np.maximum(np.minimum(deadline, hours), columns["release"] + 1)
        placed = columns["placed_start"] - hour
        gone = (columns["placed_class"] < 0) | (placed < 0) | (placed >= hours)
        columns["placed_class"] = np.where(gone, -1, columns["placed_class"])
        columns["placed_start"] = np.where(gone, -1, placed)
        # One that is interrupted now takes its restart later, and must still be done in time.
        cut = columns["interruptible"] & (self.columns["state"][rows] == RUNNING)
        earlier = np.maximum(columns["deadline"] - columns["restart_h"], columns["release"] + 1)
        columns["deadline"] = np.where(cut, earlier, columns["deadline"])
        if site is not None:
            here = site[self.columns["klass"][rows[cut]]].astype(np.int64)
            columns["residency"][cut] = np.int64(1) << here
        return columns

    def running(self, rows: Int64s, hour: int) -> Running | None:
        """Return the table of those of `rows` that run at `hour`; ids are places in `rows`."""
        at = np.flatnonzero(self.columns["state"][rows] == RUNNING)
        if not len(at):
            return None
        jobs = rows[at]
        # Both the piece that it would break off and the one that would follow are long enough.
        least, left = self.columns["least_piece_h"][jobs], self.columns["end"][jobs] - hour
        short = hour - self.columns["started"][jobs] < least
        short |= left + self.columns["restart_h"][jobs].astype(np.int64) < least
        return Running(
            id=at,
            klass=self.columns["klass"][jobs],
            hours_left=self.columns["end"][jobs] - hour,
            movable=self.columns["movable"][jobs] & ~(self.columns["interruptible"][jobs] & short),
            checkpoint_gb=self.columns["checkpoint_gb"][jobs],
            restart_h=self.columns["restart_h"][jobs],
            move_yuan=self.columns["move_yuan"][jobs],
        )

    def fits(self, hour: int, end: int) -> Bools:
        """Return which waiting jobs can start from `hour` on and end by `end` and deadline."""
        first = np.maximum(self.columns["release"], hour)
        latest = np.minimum(self.columns["deadline"], end)
        return np.asarray(
            (self.columns["state"] == WAITING) & (first + self.columns["least_h"] <= latest)
        )

    def as_it_came(self, rows: Any) -> Book:
        """Return a book in which nothing is changed of the jobs at `rows` that broke off."""
        book = self.copy()
        for name in CHANGED:
            book[name][rows] = self.columns[f"came_{name}"][rows]
        return book

    def whole(self) -> Bools:
        """Which jobs broke off, and are no longer open, or go on where their pieces ran."""
        state, broke = self.columns["state"], self.columns["broke_klass"]
        goes = ((state == DONE) | (state == RUNNING)) & (self.columns["klass"] == broke)
        return np.asarray((broke != WHOLE) & (goes | (state == LOST)))

    def expire(self, hour: int) -> Int64s:
        """Mark jobs released before `hour` that can no longer start as lost; their rows."""
        late = (self.columns["state"] == WAITING) & (self.columns["release"] < hour)
        late &= hour + self.columns["least_h"].astype(np.int64) > self.columns["deadline"]
        self.columns["state"][late] = LOST
        return np.flatnonzero(late)

    def rows_of(self, field: str, jobs: Any) -> Int64s:
        """Return job numbers as an array, each one that is known."""
        rows = np.atleast_1d(np.asarray(jobs))
        if not rows.size:
            return np.zeros(0, np.int64)
        if rows.dtype.kind not in "iu" or rows.ndim != 1:
            raise TypeError(f"{field} must be job numbers on one axis, not {rows.dtype}")
        bad = (rows < 0) | (rows >= len(self))
        if bad.any():
            at = int(np.argmax(bad))
            message = f"{field}[{at}]: found {rows[at]}, needed a job number below {len(self)}"
            raise InvalidProblemError(message, field, at)
        return rows.astype(np.int64)


def _of_pieces(jobs: Jobs, moves: dict[str, Any]) -> dict[str, Any]:
    """Return what it takes to move jobs, those that may be interrupted by their own columns."""
    cut = jobs.interruptible
    own: dict[str, Any] = {
        "movable": True,
        "restart_h": jobs.restart_h,
        "move_yuan": jobs.restart_yuan,
    }
    given = {**moves, **{name: np.where(cut, own[name], moves[name]) for name in own}}
    return given if cut.any() else moves


def least_hours(jobs: Jobs, world: Problem) -> NDArray[np.int32]:
    """Return each job's hours on the quickest class it may use; `NEVER` if there is none."""
    classes = world.stepped.classes
    out = np.full(len(jobs), NEVER, np.int32)
    view = _View(jobs, world.stepped)
    for first in range(0, len(jobs), BLOCK):
        index = np.arange(first, min(first + BLOCK, len(jobs)))
        need = hours_needed(view, index)
        may = (need > 0) & (classes.memory_gb >= jobs.memory_gb[index][:, None])
        may &= ((jobs.residency[index][:, None] >> classes.site.astype(np.int64)) & 1) == 1
        delay = world.delay_ms[jobs.origin[index]][:, classes.site]
        may &= delay <= jobs.latency_ms[index][:, None]
        may &= classes.capacity.max(axis=1) >= jobs.gang[index][:, None]
        out[index] = np.where(may, need, NEVER).min(axis=1, initial=NEVER)
    return out


class _View:
    """The input of `hours_needed`: other jobs with the classes of a problem, for any length."""

    def __init__(self, jobs: Jobs, world: Problem) -> None:
        self.jobs, self.classes, self.hours = jobs, world.classes, NEVER - 1
        self.corridors, self.quotas, self.delay_ms = world.corridors, world.quotas, world.delay_ms
