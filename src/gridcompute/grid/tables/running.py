"""Jobs that run when a batch begins: where, for how long still, and at what price they may move."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ...errors import InvalidProblemError
from .column import Bools, Floats, Int32s, Int64s, Table, column

if TYPE_CHECKING:
    from .jobs import Jobs
    from .sites import Classes

__all__ = ["Running", "pinned_accelerators", "require_room", "running_as_jobs"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Running(Table):
    """Jobs that run when the batch begins, one row each.

    A running job occupies its class from hour 0 on. Pinned, it stays there to its end, whatever
    that costs. Movable, it may go elsewhere at a price: its checkpoint travels from the site where
    it runs, it does the work that is left at the speed of the new class, and it may be left out
    like any other job, for its value. One that is interruptible may be cut as well, by the columns
    of its row of `Jobs`; its first piece goes on where it runs if it begins in hour 0.

    Parameters
    ----------
    id : int64 (n_running,)
        Row of `Jobs` (`Jobs.rows_of` finds it by its id), each at most once. What a job needs
        (gang, family, memory, tenant) stands there; its release and data no longer matter. A
        movable job that moves or pauses must end by its deadline, and pays its delay from hour 0
        on. Of one that cannot move neither matters.
    klass : int32 (n_running,)
        Class on which it runs.
    hours_left : int32 (n_running,), hours
        How long it still occupies that class, at least 1. What lies past the batch is left out.
    movable : bool (n_running,)
        Default: False.
    checkpoint_gb : float64 (n_running,), GB
        Data that travel if it moves to another site.
    restart_h : int32 (n_running,), hours
        Hours of its new class that the restart takes, beside the work.
    move_yuan : float64 (n_running,), yuan
        Price of not staying, beside what the data cost.

    Examples
    --------
    >>> from gridcompute import grid
    >>> grid.Running(id=[4, 7], klass=[0, 3], hours_left=[2, 5], movable=[False, True])
    <Running, 2 rows
      id             4, 7
      klass          0, 3
      hours_left     2, 5
      movable        False, True
      checkpoint_gb  0, 0
      restart_h      0, 0
      move_yuan      0, 0>
    """

    title: ClassVar[str] = "running"
    rows: ClassVar[str] = "running"

    id: Int64s = column("running", np.int64, "row of jobs", low=0)
    klass: Int32s = column("running", np.int32, "class", low=0)
    hours_left: Int32s = column("running", np.int32, "hours", low=1)
    movable: Bools = column("running", np.bool_, default=False)
    checkpoint_gb: Floats = column("running", np.float64, "GB", default=0.0, low=0)
    restart_h: Int32s = column("running", np.int32, "hours", default=0, low=0)
    move_yuan: Floats = column("running", np.float64, "yuan", default=0.0, low=0)

    def check(self) -> None:
        """Each job runs once."""
        ids, first = np.unique(self.id, return_index=True)
        if len(ids) < len(self.id):
            twice = np.setdiff1d(np.arange(len(self.id)), first)
            raise self.fail("id", int(twice[0]), "each job at most once")

    def of_rows(self, rows: Int64s) -> Running:
        """Return those whose jobs are among `rows` of the jobs table, by their place in it."""
        order = np.argsort(rows, kind="stable")
        at = np.searchsorted(rows[order], self.id)
        at = np.minimum(at, max(len(rows) - 1, 0))
        kept = rows[order][at] == self.id if len(rows) else np.zeros(len(self.id), bool)
        columns = {name: getattr(self, name)[kept] for name in self.columns()}
        columns["id"] = order[at][kept] if len(rows) else columns["id"]
        return Running(**columns)

    def pinned_in(self, hours: int) -> Bools:
        """Return which rows cannot move within `hours`: pinned, or busy beyond the end."""
        return np.asarray(~self.movable | (self.hours_left > hours))


def running_as_jobs(
    running: Running, jobs: Jobs, classes: Classes, delay_ms: Floats, hours: int
) -> tuple[Jobs, Classes]:
    """Return the tables in which running jobs are jobs with options of their own.

    A pinned job has one option: its class from hour 0 to its end. A movable one may stay, which is
    where it was placed, or go where the filters of its row let it, from the site it runs at. Each
    kind of row has a job family of its own, whose speeds say how many hours it takes.

    Raises
    ------
    InvalidProblemError
        A row names a job or a class that is not there.
    """
    for name, size, where in (
        ("id", len(jobs), "jobs"),
        ("klass", len(classes), "classes"),
    ):
        running.require(getattr(running, name) < size, name, f"below {size}, the size of {where}")
    rows, at = running.id, running.klass
    left = np.minimum(running.hours_left, hours)
    pinned = running.pinned_in(hours)
    need = _hours_anywhere(running, jobs, classes, left, pinned)
    kinds, family = np.unique(need, axis=0, return_inverse=True)
    speeds = np.divide(1.0, kinds, out=np.zeros(kinds.shape), where=kinds > 0)
    names = list(classes.family_names)
    for k in range(len(kinds)):
        name = f"running {k}"
        while name in names:
            name += "'"
        names.append(name)
    wide = classes.replace(
        throughput=np.concatenate([classes.throughput, speeds]), family_names=tuple(names)
    )
    site = classes.site[at]
    near = delay_ms[jobs.origin[rows]] <= jobs.latency_ms[rows][:, None]
    allowed = near @ (np.int64(1) << np.arange(delay_ms.shape[1], dtype=np.int64))
    allowed = (allowed & jobs.residency[rows]) | (np.int64(1) << site.astype(np.int64))
    new: dict[str, np.ndarray] = {
        "work_h": np.ones(len(rows)),
        "family": len(classes.throughput) + family.reshape(-1),
        "memory_gb": np.zeros(len(rows)),  # what lacks it takes 0 hours: closed
        "data_gb": np.where(pinned, 0.0, running.checkpoint_gb),
        "origin": site,
        "release": np.zeros(len(rows)),
        "deadline": np.where(pinned, left, np.maximum(jobs.deadline[rows], left)),
        "latency_ms": np.full(len(rows), np.inf),
        "residency": np.where(pinned, np.int64(1) << site.astype(np.int64), allowed),
        "delay_yuan_per_h": np.where(pinned, 0.0, jobs.delay_yuan_per_h[rows]),
        "placed_class": np.where(pinned, -1, at),
        "placed_start": np.where(pinned, -1, 0),
        "migration_yuan": np.where(pinned, 0.0, running.move_yuan),
        "interruptible": jobs.interruptible[rows] & ~pinned,
    }
    changed = {}
    for name, values in new.items():
        column_of = getattr(jobs, name).copy()
        column_of[rows] = values
        changed[name] = column_of
    return jobs.replace(**changed), wide


def _hours_anywhere(
    running: Running, jobs: Jobs, classes: Classes, left: Int32s, pinned: Bools
) -> Int32s:
    """Return the hours each running job takes on each class, (n_running, n_classes); 0 = closed."""
    speed = classes.throughput[jobs.family[running.id]]
    here = speed[np.arange(len(left)), running.klass]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        need = np.ceil(left[:, None] * here[:, None] / speed - 1e-9)
    open_ = (speed > 0) & (here > 0)[:, None] & ~pinned[:, None]
    open_ &= classes.memory_gb >= jobs.memory_gb[running.id][:, None]
    most = 2**20  # more hours than any batch has
    need = np.where(open_, np.clip(need, 1, most), 0).astype(np.int32)
    need += np.where(open_, np.minimum(running.restart_h, most)[:, None], 0).astype(np.int32)
    need[np.arange(len(left)), running.klass] = left
    return need


def require_room(running: Running, jobs: Jobs, classes: Classes, hours: int) -> None:
    """Raise for the first class and hour in which more runs, pinned, than there is room for."""
    pinned = running.pinned_in(hours)
    use = pinned_accelerators(running, jobs, classes, hours)
    for c, t in np.argwhere(use > classes.capacity)[:1].tolist():
        row = int(np.flatnonzero(pinned & (running.klass == c) & (running.hours_left > t))[0])
        message = (
            f"running.klass[{row}]: found {use[c, t]} accelerators of class {c} taken in hour {t} "
            f"by jobs that run there, needed at most {classes.capacity[c, t]}, its capacity"
        )
        raise InvalidProblemError(message, "running.klass", row)


def pinned_accelerators(running: Running, jobs: Jobs, classes: Classes, hours: int) -> Int64s:
    """Return the accelerators that pinned jobs take, (n_classes, n_hours)."""
    pinned = running.pinned_in(hours)
    gang = jobs.gang[running.id[pinned]]
    change = np.zeros((len(classes), hours + 1), np.int64)
    np.add.at(change[:, 0], running.klass[pinned], gang)
    left = np.minimum(running.hours_left[pinned], hours)
    np.add.at(change, (running.klass[pinned], left), -gang)
    return np.asarray(change.cumsum(axis=1)[:, :hours])
