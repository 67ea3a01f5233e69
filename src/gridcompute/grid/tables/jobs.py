"""The jobs of a batch, and those that run when it begins.

A job has its needs, the place of its data, the hours in which it may run, and its worth.

One that runs has a place, the hours that are left, and a price for moving it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ... import _checks
from ..._extras import extra
from ...errors import InvalidProblemError
from .column import Bools, Floats, Int32s, Int64s, Table, column, frozen, sealed, without_column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from .sites import Classes

#: The residency mask of a job that may run at any site: every bit set.
ANYWHERE = -1


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Jobs(Table):
    """Jobs, one row each; a job runs whole, at one class, in consecutive hours, or not at all.

    An `interruptible` one may run in pieces with idle hours between them, all at one class, where
    its data are. One that runs when the batch begins goes by its row of `Running` first: pinned, it
    is not interrupted; movable, it may stop, and go on later or elsewhere with the work that is
    left.

    Parameters
    ----------
    gang : int32 (n_jobs,), accelerators
        Accelerators of one class taken together for the whole run.
    work_h : float64 (n_jobs,), hours
        How long the gang runs on reference accelerators (throughput 1).
    family : int32 (n_jobs,)
        Job type: the row of `Classes.throughput`.
    memory_gb : float64 (n_jobs,)
        Memory needed on each accelerator.
    data_gb : float64 (n_jobs,)
        Data moved from `origin` to the chosen site in the hour the job starts.
    origin : int32 (n_jobs,)
        Site where the data (and, for a service, its users) are.
    release, deadline : int32 (n_jobs,), hours
        The job runs within hours ``release <= h < deadline`` of the batch. A deadline may lie after
        its last hour: the job ends within the batch, or is left for the next one, at its value as
        if it were left out.
    latency_ms : float64 (n_jobs,)
        Most delay between origin and site; inf = any. Read by `Corridors.latency_rule`.
    residency : int64 (n_jobs,)
        Bit s set: site s is allowed. -1 (every bit) = any site.
    value_yuan : float64 (n_jobs,)
        What leaving the job out costs.
    delay_yuan_per_h : float64 (n_jobs,)
        Cost of each hour between release and start; of an interrupted job also of each hour by
        which breaks and restarts put off its end.
    tenant : int32 (n_jobs,)
        Row of `Quotas`.
    placed_class, placed_start : int32 (n_jobs,)
        Where the last plan put the job; -1, -1 = nowhere.
    migration_yuan : float64 (n_jobs,)
        Cost of running it anywhere else than there (unused where nothing was placed). An
        interrupted job is where it was if its class and its first hour are the same.
    interruptible : bool (n_jobs,)
        May it run in pieces? Default: False.
    least_piece_h : int32 (n_jobs,), hours
        How long each piece lasts at least, its restart included; a whole job may be shorter.
    restart_h : int32 (n_jobs,), hours
        Hours at the beginning of each piece but the first in which it does no work: its
        accelerators are taken and draw power. A piece is longer than that.
    restart_yuan : float64 (n_jobs,)
        Price of each piece but the first, beside what its hours cost.
    id : int64 or str (n_jobs,), optional
        What the jobs are called elsewhere, each once: results carry it, so that they can be joined.
        None: their rows.
    """

    title: ClassVar[str] = "jobs"
    rows: ClassVar[str] = "job"

    gang: Int32s = column("job", np.int32, "accelerators", low=1)
    work_h: Floats = column("job", np.float64, "hours on a reference accelerator", above=0)
    family: Int32s = column("job", np.int32, "row of classes.throughput", default=0, low=0)
    memory_gb: Floats = column("job", np.float64, "GB per accelerator", default=0.0, low=0)
    data_gb: Floats = column("job", np.float64, "GB", default=0.0, low=0)
    origin: Int32s = column("job", np.int32, "site", low=0)
    release: Int32s = column("job", np.int32, "hour", default=0, low=0)
    deadline: Int32s = column("job", np.int32, "hour, exclusive", low=1)
    latency_ms: Floats = column("job", np.float64, "ms", default=np.inf, low=0, infinite=True)
    residency: Int64s = column("job", np.int64, "bit mask of sites", default=ANYWHERE)
    value_yuan: Floats = column("job", np.float64, "yuan", low=0)
    delay_yuan_per_h: Floats = column("job", np.float64, "yuan per hour", default=0.0, low=0)
    tenant: Int32s = column("job", np.int32, "row of quotas", default=0, low=0)
    placed_class: Int32s = column("job", np.int32, "class", default=-1, low=-1)
    placed_start: Int32s = column("job", np.int32, "hour", default=-1, low=-1)
    migration_yuan: Floats = column("job", np.float64, "yuan", default=0.0, low=0)
    interruptible: Bools = column("job", np.bool_, default=False)
    least_piece_h: Int32s = column("job", np.int32, "hours", default=1, low=1)
    restart_h: Int32s = column("job", np.int32, "hours", default=0, low=0)
    restart_yuan: Floats = column("job", np.float64, "yuan", default=0.0, low=0)
    id: NDArray[Any] | None = None

    def check(self) -> None:
        """Windows are not empty, jobs have sites to go to, placements are whole, ids differ."""
        if self.id is not None:
            object.__setattr__(self, "id", _ids(self.id, len(self)))
        if (late := self.deadline <= self.release).any():
            row = int(np.argmax(late))
            needed = f"an hour after the job's release, {self.release[row]}"
            raise self.fail("deadline", row, needed)
        self.require(
            self.residency != 0, "residency", "at least one site's bit set (-1 = any site)"
        )
        whole = (self.placed_class >= 0) == (self.placed_start >= 0)
        self.require(
            whole, "placed_start", "an hour where placed_class is a class, -1 where it is -1"
        )

    def fail(self, name: str, index: int | tuple[int, ...], needed: str) -> InvalidProblemError:
        """Return the error for one bad value, with the job's id where it has one."""
        error, known = super().fail(name, index, needed), self.id
        row = index[0] if isinstance(index, tuple) else index
        # Ids may not be checked yet: whatever is no column of them is left out.
        if not isinstance(known, (list, tuple, np.ndarray)) or len(known) != len(self):
            return error
        return InvalidProblemError(f"{error}; job {known[row]!s:.100}", error.field, error.index)

    @property
    def ids(self) -> NDArray[Any]:
        """The names of the jobs: `id`, or their rows."""
        return sealed(np.arange(len(self), dtype=np.int64)) if self.id is None else self.id

    def rows_of(self, ids: Any) -> Int64s:
        """Rows of the jobs that are called so.

        Parameters
        ----------
        ids : int or str (n,)

        Raises
        ------
        InvalidProblemError
            No job has that id: its place and the id.

        Examples
        --------
        >>> import numpy as np
        >>> from gridcompute import grid
        >>> jobs = grid.Jobs(gang=[1, 1], work_h=[1.0, 2.0], origin=[0, 0], deadline=[3, 3],
        ...                  value_yuan=[5.0, 5.0], id=np.array(["train-7", "render-2"]))
        >>> jobs.rows_of(["render-2"])
        array([1])
        """
        wanted, known = _checks.plain_array("id", ids), self.ids
        if not wanted.size:
            return np.zeros(0, np.int64)
        wanted = np.atleast_1d(wanted)
        if (wanted.dtype.kind == "U") != (known.dtype.kind == "U"):
            message = f"id must be of dtype {known.dtype}, that of jobs.id, not {wanted.dtype}"
            raise TypeError(message)
        if self.id is None:
            rows = wanted.astype(np.int64)
            found = (rows >= 0) & (rows < len(self))
        else:
            order = np.argsort(known, kind="stable")
            at = np.minimum(np.searchsorted(known[order], wanted), max(len(known) - 1, 0))
            rows = order[at] if len(known) else np.zeros(len(wanted), np.int64)
            found = known[rows] == wanted if len(known) else np.zeros(len(wanted), bool)
        if not found.all():
            i = int(np.argmin(found))
            message = f"id[{i}]: found {wanted[i]!s:.100}, needed one of the ids of jobs"
            if known.dtype.kind == "U":
                message += _checks.meant(str(wanted[i]), known.tolist())
            raise InvalidProblemError(message, "id", i)
        return np.asarray(rows, np.int64)

    def replace(self, **changes: Any) -> Self:
        """Return the table with some columns changed, checked again; a new length drops ids."""
        if self.id is not None and "id" not in changes:
            sizes = {np.shape(v)[0] for k, v in changes.items() if np.ndim(v)}
            if sizes and sizes != {len(self)}:
                changes["id"] = None
        return super().replace(**changes)

    @classmethod
    def from_arrow(
        cls,
        data: Any,
        *,
        sizes: Mapping[str, int] | None = None,
        names: Mapping[str, Sequence[str]] | None = None,
        **more: Any,
    ) -> Self:
        """Build the table as `Table.from_arrow`; a column ``id`` may be of integers or text."""
        if "id" not in more:
            data, found = without_column(data, "id")
            if found is not None:
                more["id"] = _arrow_ids(found)
        return super().from_arrow(data, sizes=sizes, names=names, **more)

    def to_arrow(self) -> pa.Table:
        """The table as a pyarrow Table, with ids where it has any."""
        with extra("grid"):
            import pyarrow as pa

        table = super().to_arrow()
        return table if self.id is None else table.append_column("id", pa.array(self.id))


def _ids(given: Any, size: int) -> NDArray[Any]:
    """Return ids as a read-only array of int64 or text, each once."""
    array = _checks.plain_array("jobs.id", given)
    if array.dtype.kind == "O" and all(isinstance(value, str) for value in array.tolist()):
        array = array.astype(np.str_)
    if array.dtype.kind not in "iuU" and array.size:
        raise TypeError(f"jobs.id has dtype {array.dtype}, needed integers or text")
    if array.shape != (size,):
        message = f"jobs.id has shape {array.shape}, needed ({size},), one a job"
        raise InvalidProblemError(message, "jobs.id")
    if array.dtype.kind == "u" and array.size and int(array.max()) > np.iinfo(np.int64).max:
        at = int(array.argmax())
        message = f"jobs.id[{at}] is {array[at]}, too large for int64, needed at most {2**63 - 1}"
        raise InvalidProblemError(message, "jobs.id", at)
    array = array.astype(np.int64) if array.dtype.kind != "U" else array
    if array.dtype.kind == "U" and (array == "").any():
        at = int(np.argmax(array == ""))
        raise InvalidProblemError(f"jobs.id[{at}] is '', needed an id", "jobs.id", at)
    order = np.argsort(array, kind="stable")
    same = np.flatnonzero(array[order][1:] == array[order][:-1])
    if len(same):
        first = min((int(order[i + 1]), int(order[i])) for i in same.tolist())
        message = f"jobs.id[{first[0]}] is {array[first[0]]!s:.100}, needed an id not used by row"
        raise InvalidProblemError(f"{message} {first[1]}", "jobs.id", first[0])
    return frozen(array, _checks.plain_array("jobs.id", given))


def _arrow_ids(column: Any) -> NDArray[Any]:
    """Return an Arrow column of ids as an array; nothing may be missing."""
    values = column.to_pylist()
    missing = [row for row, value in enumerate(values) if value is None]
    if missing:
        message = f"jobs.id[{missing[0]}] is null, needed an id"
        raise InvalidProblemError(message, "jobs.id", missing[0])
    return np.array(values) if values else np.zeros(0, np.int64)


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
