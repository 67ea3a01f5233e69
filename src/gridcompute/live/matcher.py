"""Live matching for services: a world of jobs that changes a little between rounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks, _core
from .._progress import progress_hook
from ..errors import InvalidProblemError
from ..records._interner import Interner
from . import jobs as live_columns
from . import snapshot as live_snapshots
from .costs import RowCosts, live_costs
from .frames import by_position, key_list
from .guard import Guarded
from .jobs import find_ids, job_columns, job_costs, new_ids, scalar_or_name, whole_slots
from .round import LiveMatching

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from .._progress import ProgressHook
    from ..costs import BoundKernel, Kernel, SlotKernel

    #: What jobs bring: columns by name, a data frame, an Arrow table, or records.
    Columns = Mapping[str, ArrayLike] | Iterable[Mapping[str, Any]] | NDArray[Any] | Any

__all__ = ["Matcher"]

_FIRST_SIZE = 1024  # of the slab
_MANY = 8  # a table that concerns an eighth of the jobs and more is looked at class by class

_PATIENCE = 16  # rounds between looks at how far costs reach


class Matcher(Guarded):
    """Keeps prices, placements and candidates between rounds, and matches again what changed.

    Parameters
    ----------
    capacity : array of int, shape (n_slots,)
        How many slots each class has.
    cost : sequence of (table, key_name, coef_name), bound kernel, or str
        As `Terms`, with the names of the columns that jobs bring in place of keys and coefficients
        (None for row 0, or for 1); or a `kernel` with its slot side bound,
        ``formula.bind(slots=..., ...)``, whose ``job_`` columns jobs bring; or the name of the
        column in which each job brings its row of costs, shape (n_jobs, n_slots), inf = forbidden.
    unplaced : float or str
        Cost of leaving a job out, or the column that says it; inf = it must be placed.
    move_cost : float or str
        What moving a placed job costs on top, 0 or more, finite, or the column that says it.
    max_moves : int, optional
        At most so many placed jobs are moved a round, those that save most first; None = no limit.
        What must move (its class lost room) may exceed it. Jobs that can only move together, in a
        cycle longer than this, stay; the matching's `gap` says what that costs.
    threads, seed
        As in `transport`.

    Notes
    -----
    Every call holds one lock, so that calls of several threads follow one another; the GIL is free
    in `match`. Each job takes one slot. Jobs and classes go by position: a pandas index that is not
    0 to n - 1 in order is an error, unless it equals the `ids` given. A call that raises,
    KeyboardInterrupt included, leaves the world as it was. Determinism: the same calls give the
    same answers, for any number of threads. Complexity: a change costs one row of costs and the
    shortest paths it needs; a table costs one look at the jobs or classes it concerns.

    Examples
    --------
    >>> from gridcompute import Matcher
    >>> world = Matcher([1, 1], cost=[([[1.0, 2.0]], None, "work")], unplaced=100.0)
    >>> world.add({"work": [3.0, 5.0]})
    array([0, 1])
    >>> m = world.match()
    >>> m.objective, m.changes["to_slot"]
    (11.0, array([1, 0], dtype=int32))
    >>> len(world.match().changes["id"])
    0
    """

    def __init__(
        self,
        capacity: ArrayLike,
        *,
        cost: Sequence[tuple[ArrayLike, str | None, str | None]] | SlotKernel | BoundKernel | str,
        unplaced: float | str,
        move_cost: float | str = 0,
        max_moves: int | None = None,
        threads: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        capacity = by_position("capacity", capacity)
        self._costs = live_costs(cost, int(np.size(capacity)))
        self._n_slots = n = self._costs.n_slots
        self._capacity = np.array(_checks.counts("capacity", capacity, n, "n_slots", 0, np.int64))
        self._closed = np.zeros(n, bool)
        self._scalars = {
            "unplaced": scalar_or_name("unplaced", unplaced),
            "move_cost": scalar_or_name("move_cost", move_cost),
        }
        most = -1 if max_moves is None else _checks.whole("max_moves", max_moves, 0, 2**62)
        self._max_moves = most
        self._threads, self._seed = _checks.threads(threads), _checks.seed(seed)
        self._ids, self._next, self._text = Interner(), 0, False
        self._reach, self._coarse, self._seen = 0.0, 0, 0  # coarse: rounds that proved nothing
        self._native = _core.LiveMatcher(n)
        self._columns: dict[str, NDArray[Any]] = {}
        self._columns, self._size = self._longer(self._costs, _FIRST_SIZE), _FIRST_SIZE
        self._push()

    # ------------------------------------------------------------ jobs

    def add(self, columns: Columns, ids: Any = None) -> Any:
        """Add jobs under `ids` (all int64 or all str; None = given here), and return the ids.

        `columns` holds the columns that the costs name, and no others: a mapping of arrays, a data
        frame of pandas or polars, an Arrow table, or records, each a mapping. Where jobs bring
        nothing but their rows of costs, the block itself will do. A known or repeated id, a column
        that is missing, unknown or bad, is an `InvalidProblemError`, and the world is as it was.
        """
        with self._held():
            keys = None if ids is None else key_list("ids", ids, ordered=True)
            batch, n, reach = self._batch(columns, keys)
            if ids is None and self._text and len(self._ids):
                raise TypeError("ids: this world's ids are strings, they must be given")
            if ids is None and self._next + n > 2**63:
                raise InvalidProblemError(
                    f"ids: the next id given here would be {self._next}, one past the largest in "
                    "use, and int64 ends before the last of these jobs; they must be given",
                    "ids",
                )
            if keys is None:
                keys = list(range(self._next, self._next + n))
            keys = new_ids(self._ids, keys, n, self._text)
            self._undo.append(lambda: self._forget(keys))
            at = self._ids.intern(keys)
            costs = self._costs.learned(batch)
            size = self._size
            while size < self._ids.size:
                size *= 2
            if size > self._size or reach > self._reach or costs is not self._costs:
                self._tell(
                    _costs=costs,
                    _columns=self._longer(costs, size),
                    _size=size,
                    _reach=max(reach, self._reach),
                )
            for name, values in batch.items():
                self._columns[name][at] = values
            self._native.add(at)
            self._next = max([self._next, *(k + 1 for k in keys if isinstance(k, int))])
            self._text = isinstance(keys[0], str) if keys else self._text
            self._done()
            return list(keys) if self._text else np.array(keys, np.int64)

    def remove(self, ids: Any) -> None:
        """Take jobs out; an unknown or repeated id is an error that names it."""
        with self._held():
            keys, at = find_ids(self._ids, ids)
            # Once the core has let them go, that is done, whatever interrupts it.
            self._undo.append(lambda: None if self._native.live(at).any() else self._forget(keys))
            self._native.remove(at)
            self._ids.remove(keys)
            self._done()

    def update(self, ids: Any, columns: Columns) -> None:
        """Give jobs new columns, all of them as in `add`; placed jobs keep their homes."""
        with self._held():
            keys, at = find_ids(self._ids, ids, ordered=True)
            batch, n, reach = self._batch(columns, keys)
            if n != len(at):
                raise InvalidProblemError(
                    f"columns: found {n} rows, needed {len(at)}, one for each id", "columns"
                )
            if reach > self._reach:
                self._tell(_reach=reach)
            before = {name: self._columns[name][at] for name in batch}
            self._undo.append(lambda: self._write(at, before))
            self._write(at, batch)
            self._done()

    def pin(self, ids: Any) -> None:
        """Placed jobs stay where they are, whatever it costs, until they are unpinned or removed.

        A pinned job keeps its slot even when its class loses it: the class then counts as having as
        many slots as pinned jobs, and ``stats["over"]`` of a round tells how many slots that adds
        in all. Only `remove_slots` lifts pins, of the jobs in the classes that it closes. Where a
        table or an update forbids a pinned job its class, no answer exists: the round is
        "infeasible", and its witness names the job.
        """
        with self._held():
            keys, at = find_ids(self._ids, ids)
            homes = self._native.homes(at)
            if (homes < 0).any():
                k = int((homes < 0).argmax())
                raise InvalidProblemError(
                    f"ids[{k}]: {keys[k]!r} is not placed, only a placed job can be pinned",
                    "ids",
                    k,
                )
            self._native.pin(at, True)
            self._done()

    def unpin(self, ids: Any) -> None:
        """Jobs may move again."""
        with self._held():
            self._native.pin(find_ids(self._ids, ids)[1], False)
            self._done()

    # ------------------------------------------------------------ classes

    def set_capacity(self, slots: ArrayLike, values: ArrayLike) -> None:
        """Give some classes another number of slots."""
        with self._held():
            where = self._open_slots(slots)
            by_position("values", values, where.tolist())
            given = np.atleast_1d(values) if np.size(values) else np.zeros(0, np.int64)
            room = self._capacity.copy()
            room[where] = _checks.counts("values", given, len(where), "slots", 0, np.int64)
            self._tell(_capacity=room)
            self._done()

    def set_table(self, k: int | str, table: ArrayLike) -> None:
        """Another table for term `k`, of the same shape (tariffs change); closed slots stay so.

        For a kernel, `k` names a slot column or a shared array. Only classes whose costs differ
        are looked at anew, or only the jobs of the rows that do; if that is more than a quarter of
        them, the next round is cold.
        """
        with self._held():
            costs, slots, rows = self._costs.with_table(k, table)
            slots = slots[~self._closed[slots]]
            jobs, batch, reach = self._weighed(costs, self._columns)
            self._tell(_costs=costs, _reach=max(reach, self._reach))
            if rows is not None:
                touched = jobs[rows[batch[f"key_{k}"]]]
                by_job = len(touched) * self._n_slots <= 2 * len(slots) * len(jobs)
                if by_job and len(touched) * _MANY <= len(jobs):
                    self._native.update(touched)
                    slots = slots[:0]
            self._native.costs_changed(slots)
            self._done()

    def add_slots(self, capacity: ArrayLike, tables: Any) -> NDArray[np.int32]:
        """New classes, with their columns of every table; returns their numbers.

        Numbers of removed classes are given again, the lowest first, once no job is placed there.
        For a kernel, `tables` is a mapping of the slot columns; where jobs bring rows, it is one
        block of shape (n_jobs, n_new), in the order of `ids`.
        """
        with self._held():
            by_position("capacity", capacity)
            room = _checks.counts("capacity", capacity, np.size(capacity), "n_new", 0, np.int64)
            free = self._free_numbers()[: len(room)]
            more = len(room) - len(free)
            where = np.concatenate([free, self._n_slots + np.arange(more)]).astype(np.int32)
            n = self._n_slots + more
            costs = self._costs.with_slots(tables, where, n)
            jobs = self._native.list()
            columns = costs.with_slots_of_jobs(self._columns, tables, where, jobs)
            _, _, reach = self._weighed(costs, columns)
            wide, shut = np.pad(self._capacity, (0, more)), np.pad(self._closed, (0, more))
            if more:  # shut at first: what is interrupted leaves no more than a free number behind
                shut[self._n_slots :] = True
                self._tell(
                    _costs=costs, _columns=columns, _n_slots=n, _capacity=wide, _closed=shut,
                    _reach=max(reach, self._reach),
                )  # fmt: skip
                self._undo.clear()
            wide, shut = wide.copy(), shut.copy()
            wide[where], shut[where] = room, False
            self._tell(
                _costs=costs, _columns=columns, _capacity=wide, _closed=shut,
                _reach=max(reach, self._reach),
            )  # fmt: skip
            self._native.costs_changed(where)
            self._done()
            return where

    def remove_slots(self, slots: ArrayLike) -> None:
        """Close classes: their jobs, pinned ones too, move or are left out.

        Other classes keep their numbers.
        """
        with self._held():
            where = self._open_slots(slots)
            room, shut = self._capacity.copy(), self._closed.copy()
            pinned = self._native.pinned_at(where)
            self._undo.append(lambda: self._native.pin(pinned, True))
            self._native.pin(pinned, False)
            room[where], shut[where] = 0, True
            self._tell(_capacity=room, _closed=shut)
            self._native.costs_changed(where)
            self._done()

    # ------------------------------------------------------------ answers

    def match(
        self,
        gap: float = 0.0,
        time_limit: float | None = None,
        progress: bool | ProgressHook | None = None,
    ) -> LiveMatching:
        """The optimum of the world as it is, and what that changes.

        Parameters
        ----------
        gap : float
            Good enough: as soon as all jobs fit and the gap is proved to be at most this, a warm
            round ends, with status "feasible". A later round with a smaller gap goes on from there.
        time_limit : float, optional
            Seconds. Then placed jobs stay, new ones are placed where there is room, and the next
            round goes on from where this one was.
        progress : bool or callable, optional
            As in `transport`.

        Returns
        -------
        LiveMatching
            With ``.changes`` by id. On Ctrl-C nothing is lost: what was not told is part of the
            changes of the next round.
        """
        with self._held():
            gap = _checks.gap(gap)
            limit = _checks.time_limit(time_limit)
            plan = (self._threads, self._seed, self._max_moves, gap, limit)
            self._refine()
            if progress is None:
                answer = self._native.match(*plan, None)
            else:
                with progress_hook(progress, "match") as hook:
                    answer = self._native.match(*plan, hook)
            self._version += 1
            m = LiveMatching(self, answer, self._version)
            self._native.told()
            coarse = m.status == "feasible" and answer["held"] == 0 and m.gap > gap
            self._coarse, self._seen = max(self._coarse, 1) if coarse else 0, self._version
            return m

    def quote(
        self, columns: Columns
    ) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
        """Where jobs like these would go at the prices of the last round: slot, cost, price.

        `columns` as in `add`. Slot -1: they would be left out. Changes nothing.
        """
        with self._held():
            batch, n, _ = self._batch(columns)
            out = batch.get("unplaced", self._columns["unplaced"])
            source = self._costs.source(batch, n)
            slots, costs = self._native.quote(source, np.ascontiguousarray(out))
            prices = np.append(self._native.prices(), 0.0)  # -1 is the last
            return slots, costs, prices[slots]

    @property
    def ids(self) -> list[Any]:
        """The ids of the jobs, in the order of a matching's `assignment`."""
        with self._held():
            return self._ids.keys(self._native.list())

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, key: str | int) -> bool:
        return key in self._ids

    def __repr__(self) -> str:
        return f"<Matcher: {len(self)} jobs, {self._n_slots} classes>"

    def __reduce__(self) -> Any:
        raise TypeError("a Matcher is not pickled; use snapshot(path) and Matcher.restore(path)")

    # ------------------------------------------------------------ snapshots

    def snapshot(self, path: str | os.PathLike[str]) -> None:
        """Write the world to a file: whole or not at all (checksum, fsync, atomic rename).

        A link is followed. What is there and is no regular file (a device, a pipe, a folder) is an
        error. The file has the mode of the one it replaces, else it is its owner's alone.
        """
        with self._held():
            live_snapshots.save(self, path)

    @classmethod
    def restore(cls, path: str | os.PathLike[str], *, kernel: Kernel | None = None) -> Matcher:
        """The world of a snapshot; a torn, damaged or foreign file is an `InvalidProblemError`.

        Every part of it is checked against the others. Classes may have more jobs than slots, as
        after `set_capacity`: the next round moves them. A kernel is code, and not in the file:
        where costs came from one, it is given here, and reads the columns of the file.
        """
        return live_snapshots.load(cls, path, kernel)

    # ------------------------------------------------------------ inside

    def _refine(self) -> None:
        """Where rounding is all that parts answer and bound: are the largest costs gone by now?"""
        if not self._coarse or self._version == self._seen:
            return
        self._coarse += 1
        if self._coarse % _PATIENCE == 2:  # the first time, and now and then
            _, _, reach = self._weighed(self._costs, self._columns)
            self._tell(_reach=min(reach, self._reach))
            self._done()

    def _tell(self, **new: Any) -> None:
        """Other columns, costs or classes, here and in the core."""
        before = {name: getattr(self, name) for name in new}
        self._undo.append(lambda: self._untell(before))
        vars(self).update(new)
        self._push(slab=new.keys() != {"_capacity"})

    def _untell(self, before: dict[str, Any]) -> None:
        if self._native.n_slots > before.get("_n_slots", 0) and "_n_slots" in before:
            return self._push()  # the core has the new classes, shut: they stay
        vars(self).update(before)
        self._push()
        if "_costs" in before:  # some may have been told already
            self._native.costs_changed(np.arange(self._n_slots, dtype=np.int32))
        return None

    def _push(self, *, slab: bool = True) -> None:
        if slab:
            shut = np.flatnonzero(self._closed).astype(np.int32)
            source = self._costs.slab(self._columns, self._size)
            scalars = (self._columns["unplaced"], self._columns["move_cost"])
            self._native.set_slab(source, *scalars, shut, self._reach)
        self._native.set_capacity(np.arange(self._n_slots, dtype=np.int32), self._capacity)

    def _forget(self, keys: list[Any]) -> None:
        """No trace of jobs that were in the making."""
        known = [key for key in keys if self._ids.find(key) >= 0]
        at = self._ids.lookup(known)
        self._native.remove(at[self._native.live(at)])
        self._ids.remove(known)

    def _write(self, at: NDArray[np.int32], batch: Mapping[str, Any]) -> None:
        for name, values in batch.items():
            self._columns[name][at] = values
        self._native.update(at)

    def _wanted(self) -> dict[str, str]:
        """Slab column -> column of the caller's."""
        return self._costs.wanted | {k: v for k, v in self._scalars.items() if isinstance(v, str)}

    def _batch(
        self, columns: Any, keys: list[Any] | None = None
    ) -> tuple[dict[str, Any], int, float]:
        """Checked columns by slab name, how many jobs, and how far their costs may reach."""
        wanted = self._wanted()
        if isinstance(columns, np.ndarray) and isinstance(self._costs, RowCosts):
            columns = {self._costs.name: columns} if columns.dtype.names is None else columns
        given, n = job_columns(columns, wanted, keys)
        batch, reach = self._costs.check(given, n)
        for name in ("unplaced", "move_cost"):
            if name in wanted:
                field = wanted[name]
                batch[name] = job_costs(name, field, _checks.reals(field, given[name]))
        return batch, n, reach + (self._beside(batch) if n else 0.0)

    def _weighed(self, costs: Any, columns: Any) -> tuple[NDArray[np.int32], dict[str, Any], float]:
        """The live jobs, their columns, and how far their costs reach."""
        jobs = self._native.list()
        batch = {name: c[jobs] if len(c) > 1 else c for name, c in columns.items()}
        return jobs, batch, costs.reach(batch, len(jobs)) + self._beside(batch)

    def _beside(self, batch: Mapping[str, Any]) -> float:
        """How far the costs of being left out and of moves reach."""
        reach = 0.0
        for name in ("unplaced", "move_cost"):
            values = np.atleast_1d(batch.get(name, self._columns[name]))
            reach += float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
        return reach

    def _free_numbers(self) -> NDArray[np.intp]:
        """Closed classes, ascending, that are no job's home."""
        shut = np.flatnonzero(self._closed)
        if not len(shut):
            return shut
        homes = self._native.homes(self._native.list())
        return shut[~np.isin(shut, homes)]

    def _open_slots(self, slots: ArrayLike) -> NDArray[np.int32]:
        where = whole_slots(slots, self._n_slots)
        if self._closed[where].any():
            k = int(self._closed[where].argmax())
            raise InvalidProblemError(f"slots[{k}]: {where[k]} is no open class", "slots", k)
        return where

    def _longer(self, costs: Any, size: int) -> dict[str, NDArray[Any]]:
        return live_columns.slab_columns(costs, self._scalars, self._columns, size)
