"""Live matching for services: a problem that changes a little between rounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _checks
from .._columns import by_position
from .._progress import progress_hook
from ..errors import InvalidProblemError
from . import snapshot as snapshots
from .jobs import key_at, keys_of
from .round_result import JobExplanation, LiveMatching, explain_job
from .state import LiveState, transaction

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from .._progress import ProgressHook
    from ..costs import Kernel
    from .gang_rules import Queues

    #: Columns of jobs: a mapping by name, a data frame, an Arrow table, or records.
    Columns = Mapping[str, ArrayLike] | Iterable[Mapping[str, Any]] | NDArray[Any] | Any


# A new table that changes the costs of up to one job in this many updates these jobs, one that
# changes more of them reprices classes: repricing a class reads one cost of every job.
_BY_JOB_SHARE = 8


class Quote(NamedTuple):
    """The classes that jobs would take at the prices of the last round, and their costs.

    Attributes
    ----------
    slot : int32 array, shape (n_jobs,)
        Its class; -1 = it would wait.
    cost : float64 array, shape (n_jobs,)
        What the job costs there.
    price : float64 array, shape (n_jobs,)
        What the slots it takes are worth there: its demand times the price of a slot.
    """

    slot: NDArray[np.int32]
    cost: NDArray[np.float64]
    price: NDArray[np.float64]


class Matcher(LiveState):
    """A live problem: keeps prices and placements between rounds, and repairs what changed.

    Parameters
    ----------
    capacity : array of int, shape (n_slots,)
        How many slots each class has.
    cost : sequence of (table, key_name, coef_name), bound kernel, or str
        As `Terms`, with the names of the jobs' columns in place of keys and coefficients (None for
        row 0, or for 1); or a `kernel` with its slot side bound, ``formula.bind(slots=..., ...)``,
        whose ``job_`` parameters are columns of the jobs; or the name of the column that holds the
        jobs' rows of costs, shape (n_jobs, n_slots), inf = forbidden.
    unplaced : float or str
        Cost of leaving a job unplaced, or the name of the column of these costs; inf = the job must
        be placed.
    demand : int or str, optional
        How many slots of one class each job takes, whole or not at all (a gang), or the name of the
        column of these numbers. None = 1 each.
    queues : fair.Queues, optional
        Queues with guarantees, limits and weights; `queue` names the jobs' column that holds the
        number or name of each job's queue.
    queue : str, optional
        See `queues`.
    priority : int or str, optional
        Larger comes first within a queue, strictly; or the name of the column. None = 0.
    preemptible : bool or str, optional
        May a running job be moved or sent out? Or the name of the column of bools. None = True.
    slots : sequence of str, optional
        Names of the classes, each once; calls that take class numbers then take names as well.
    slot_types : sequence of str, optional
        The type of each class, an accelerator say: one of ``queues.types``. Needed where `queues`
        have guarantees or limits by type.
    move_cost : float or str
        Cost of moving a placed job to another class, finite, 0 or more, or the name of the column
        of these costs.
    max_moves : int, optional
        Largest number of placed jobs that a round moves, those that save most first; None = no
        limit. Moves that are mandatory (a class lost slots) may exceed it. Jobs that can only move
        together, in a cycle longer than this, stay; `gap` of the matching says what that costs.
    threads, seed
        As in `transport`.

    Notes
    -----
    Every call holds one lock, so that calls of several threads run one after another; the GIL is
    released in `match`. Without `demand`, `queues`, `queue`, `priority` and `preemptible` each job
    takes one slot and every round is exact. With any of them it is a matcher of gangs: rounds keep
    the rules of queues and priorities, and prove how far they are from the least cost, which
    ``docs/explanation/gangs-and-queues.md`` defines. Jobs bring the columns that arguments name,
    and no others; of a matcher of gangs only, columns called ``tenant``, ``priority`` or
    ``preemptible`` that no argument names are ignored, which the log says, so that records of jobs
    in queues fit a matcher without them. Jobs and classes are identified by position: a pandas
    index that is not 0 to n - 1 in order is an error, unless it equals the `ids` given. A call that
    raises, KeyboardInterrupt included, changes nothing. Determinism: the same calls give the same
    answers, for any number of threads. Complexity: adding, removing or updating a job evaluates one
    row of costs and runs the shortest-path searches needed to restore optimality. Replacing a table
    re-evaluates the affected jobs or classes.

    Examples
    --------
    >>> from gridcompute import Matcher
    >>> matcher = Matcher([1, 1], cost=[([[1.0, 2.0]], None, "work")], unplaced=100.0)
    >>> matcher.add({"work": [3.0, 5.0]})
    array([0, 1])
    >>> m = matcher.match()
    >>> m.objective, m.changes["to_slot"]
    (11.0, array([1, 0], dtype=int32))
    >>> len(matcher.match().changes["id"])
    0
    """

    # ------------------------------------------------------------ jobs

    @transaction
    def add(self, columns: Columns, ids: Any = None) -> Any:
        """Add jobs, and return their ids.

        Parameters
        ----------
        columns : mapping of arrays, data frame, Arrow table, or records
            The columns that the costs and the other arguments name, and no others (but see the
            Notes of the class on gangs). Where that is the rows of costs alone, the block itself is
            accepted.
        ids : iterable of int or of str, optional
            One new id for each job, all int64 or all str; None = the next integers, counted from 0,
            that are no ids at the time.

        Returns
        -------
        array of int64, or list of str
            The ids, in the order of the rows.

        Raises
        ------
        InvalidProblemError
            A known or repeated id; a column that is missing, unknown or invalid. Nothing is added.
        """
        given = None if ids is None else keys_of("ids", ids, ordered=True)
        batch, n, bound = self._checked_batch(columns, given)
        if given is not None:
            self._ids.check_new(given, n)
        elif self._ids.text and len(self._ids):
            raise TypeError("ids: the ids of this Matcher are strings, so they must be given")
        keys = self._ids.free(n) if given is None else given
        before = self._ids.text, self._ids.next
        self._begin()
        self._undo.append(lambda: self._discard_ids(keys, before))
        at = self._ids.add(keys)
        costs = self._costs.with_dtypes_of(batch)
        size = self._size
        while size < self._ids.size:
            size *= 2
        if size > self._size or bound > self._max_abs_cost or costs is not self._costs:
            self._apply(
                _costs=costs,
                _columns=self._grow(costs, size),
                _size=size,
                _max_abs_cost=max(bound, self._max_abs_cost),
            )
        if self._history.watched:  # answers read what removed jobs left there
            old = self._columns_at(at, batch)
            self._overwrite(at, live=False, columns=old)
            self._undo.append(lambda: self._write_columns(at, old))
        self._write_columns(at, batch)
        self._native.add(at)
        if n:
            self._ids.text = not isinstance(keys, np.ndarray)
            if given is None:
                self._ids.next = int(keys[-1]) + 1
        self._commit()
        return list(keys) if self._ids.text else np.array(keys, np.int64)

    @transaction
    def remove(self, ids: Any) -> None:
        """Remove jobs; an unknown or repeated id is an `InvalidProblemError` that names it."""
        keys, at = self._ids.distinct(ids)
        self._acknowledge()  # the core looks for removed jobs in what is not acknowledged
        if self._history.watched:
            native = self._native
            placed, pinned = native.placements(at), native.is_pinned(at)
            self._overwrite(at, live=True, keys=keys, placed=placed, pinned=pinned)
        self._begin()
        self._native.remove(at)
        self._undo.append(lambda: self._restore_ids(keys))
        self._ids.release(at)
        self._commit()

    @transaction
    def update(self, ids: Any, columns: Columns) -> None:
        """Replace all columns of some jobs, as in `add`; placed jobs keep their placements."""
        keys, at = self._ids.distinct(ids, ordered=True)
        batch, n, bound = self._checked_batch(columns, keys)
        if n != len(at):
            raise InvalidProblemError(
                f"columns: found {n} rows, needed {len(at)}, one for each id", "columns"
            )
        if bound > self._max_abs_cost:
            self._apply(_max_abs_cost=bound)
        before = self._columns_at(at, batch)
        self._overwrite(at, columns=before)
        self._undo.append(lambda: self._write_columns(at, before))
        self._write_columns(at, batch)
        self._native.update(at)
        self._commit()

    @transaction
    def pin(self, ids: Any, slots: Any = None) -> None:
        """Keep placed jobs in their classes, at any cost, until they are unpinned or removed.

        A pinned job keeps its slot even when its class loses it: the class then counts as having as
        many slots as pinned jobs, and ``stats["slots_added_by_pins"]`` of a round is how many slots
        that adds in all. Of the other calls only `remove_slots` unpins jobs, those in the classes
        that it closes. If a table or an update forbids the class of a pinned job, there is no
        feasible matching: the round is "infeasible", and its witness names the job.

        `slots`, the number or name of a class for each job, first sets where the jobs are placed:
        what a journal or a cluster says after a restart, which no round reports as a change. A job
        at -1 waits, and is not pinned.
        """
        keys, at = self._ids.distinct(ids, ordered=slots is not None)
        before = self._native.placements(at)
        homes = before if slots is None else self._homes(slots, len(at))
        if slots is None and (homes < 0).any():
            k = int((homes < 0).argmax())
            raise InvalidProblemError(
                f"ids[{k}]: {key_at(keys, k)!r} is not placed, only a placed job can be pinned",
                "ids",
                k,
            )
        self._overwrite(at, placed=before, pinned=self._native.is_pinned(at))
        if slots is not None:
            self._native.place(at, homes)
        self._native.pin(at[homes >= 0], True)
        self._commit()

    def _homes(self, slots: Any, n: int) -> NDArray[np.int32]:
        """Return the open class in which each of n jobs is placed, or -1."""
        given = _checks.plain_array("slots", self._slot_names.numbers("slots", slots))
        if given.shape != (n,) or (n and given.dtype.kind not in "iu"):
            raise InvalidProblemError(
                f"slots: found {given.dtype} of shape {given.shape}, needed {n} classes or -1, one "
                "for each id",
                "slots",
            )
        bad = (given < -1) | (given >= self._n_slots)
        at = np.where(bad, 0, given).astype(np.int32)
        bad |= np.append(self._closed, False)[at]  # the last entry is that of -1
        if bad.any():
            k = int(bad.argmax())
            raise InvalidProblemError(
                f"slots[{k}]: found {given[k]}, needed an open class below {self._n_slots}, or -1",
                "slots",
                k,
            )
        return at

    @transaction
    def unpin(self, ids: Any) -> None:
        """Allow pinned jobs to move again."""
        at = self._ids.distinct(ids)[1]
        self._overwrite(at, pinned=self._native.is_pinned(at))
        self._native.pin(at, False)
        self._commit()

    # ------------------------------------------------------------ classes

    @transaction
    def set_capacity(self, slots: ArrayLike, values: ArrayLike) -> None:
        """Set the number of slots of some classes."""
        where = self._open_slots(slots)
        by_position("values", values, where.tolist())
        given = np.atleast_1d(values) if np.size(values) else np.zeros(0, np.int64)
        room = self._capacity.copy()
        room[where] = _checks.counts("values", given, len(where), "slots", 0, np.int64)
        self._apply(_capacity=room)
        self._commit()

    @transaction
    def set_table(self, k: int | str, table: ArrayLike) -> None:
        """Replace the table of term `k` by one of the same shape (tariffs change).

        `k` is the number of the term, or its name: that of its key column, or of its coefficient
        where that is the only one. For a kernel, `k` names a slot column or a shared array. Only
        the classes whose costs differ are repriced, or only the jobs of the rows that differ are
        re-evaluated; where the next round predicts that this is more work than a solve from
        scratch, it is cold. Closed classes remain closed.
        """
        costs, slots, rows = self._costs.with_table(k, table)
        slots = slots[~self._closed[slots]]
        jobs, batch, bound = self._live_columns(costs, self._columns)
        self._apply(_costs=costs, _max_abs_cost=max(bound, self._max_abs_cost))
        if rows is not None:
            touched = jobs[rows[batch[f"key_{costs.number(k)}"]]]
            by_job = len(touched) * self._n_slots <= 2 * len(slots) * len(jobs)
            if by_job and len(touched) * _BY_JOB_SHARE <= len(jobs):
                self._native.update(touched)
                slots = slots[:0]
        self._native.costs_changed(slots)
        self._commit()

    @transaction
    def add_slots(
        self,
        capacity: ArrayLike,
        tables: Any,
        *,
        names: Sequence[str] | None = None,
        types: Sequence[str] | None = None,
    ) -> NDArray[np.int32]:
        """Add classes, with their columns of every table, and return their numbers.

        A number is never given twice, whatever was removed before. For a kernel, `tables` is a
        mapping of the slot columns; for rows of costs, a list of one block of shape
        (n_jobs, n_new), in the order of `ids`. `names`, `types`: of the new classes, where classes
        have names, and types.
        """
        by_position("capacity", capacity)
        room = _checks.counts("capacity", capacity, np.size(capacity), "n_new", 0, np.int64)
        more = len(room)
        where = (self._n_slots + np.arange(more)).astype(np.int32)
        n = self._n_slots + more
        slot_names = self._slot_names.with_more(names, more)
        slot_types = self._slot_types.with_more(types, more)
        costs = self._costs.with_slots(tables, where, n)
        jobs = self._native.live_jobs()
        columns = costs.columns_with_slots(self._columns, tables, where, jobs)
        _, _, bound = self._live_columns(costs, columns)
        self._history.read_all()  # rows of costs become wider
        self._apply(
            _costs=costs,
            _columns=columns,
            _n_slots=n,
            _capacity=np.append(self._capacity, room),
            _closed=np.pad(self._closed, (0, more)),
            _max_abs_cost=max(bound, self._max_abs_cost),
            _slot_names=slot_names,
            _slot_types=slot_types,
        )
        self._native.costs_changed(where)
        self._commit()
        return where

    @transaction
    def remove_slots(self, slots: ArrayLike) -> None:
        """Close classes: their jobs, pinned ones too, move or become unplaced.

        Other classes keep their numbers.
        """
        where = self._open_slots(slots)
        room, closed = self._capacity.copy(), self._closed.copy()
        pinned = self._native.pinned_at(where)
        self._overwrite(pinned, pinned=np.ones(len(pinned), bool))
        self._native.pin(pinned, False)
        room[where], closed[where] = 0, True
        self._apply(_capacity=room, _closed=closed)
        self._native.costs_changed(where)
        self._commit()

    # ------------------------------------------------------------ answers

    def match(
        self,
        gap: float = 0.0,
        time_limit: float | None = None,
        work_limit: float | None = None,
        progress: bool | ProgressHook | None = None,
    ) -> LiveMatching:
        """Re-optimise after all changes since the last call.

        Returns the new optimum and the placements that changed.

        Parameters
        ----------
        gap : float
            Relative gap at which a warm round may end, with status "feasible", as soon as all jobs
            fit and the gap is proved. A later round with a smaller gap continues from there.
        time_limit : float, optional
            Wall-clock limit in seconds. On expiry placed jobs stay, new ones are placed where there
            are free slots, and the next round continues from this state.
        work_limit : float, optional
            Units of counted work, with the same consequence; the same on every machine, as in
            `transport`. ``stats["work_units"]`` of a round is what it counted.
        progress : bool or callable, optional
            As in `transport`.

        Returns
        -------
        LiveMatching
            With ``.changes`` by id. After Ctrl-C nothing is lost: changes that were not returned
            are part of those of the next round.

        Notes
        -----
        One resolution serves all costs: 2^-44 of the largest, or finer. Where costs that matter are
        so small beside others that rounding leaves a gap above 1e-9, the status is "feasible", the
        bound says how much, and `transport`, which refines its keys, may prove the same matching
        optimal. Penalties within 10^4 of the costs that matter avoid this; so do whole numbers.
        """
        before = self._rounds
        try:
            return self._match(gap, time_limit, work_limit, progress)
        except BaseException:  # it may come between the end of the round and here
            self._received = min(self._received, before)
            raise

    @transaction
    def _match(
        self,
        gap: float,
        time_limit: float | None,
        work_limit: float | None,
        progress: bool | ProgressHook | None,
    ) -> LiveMatching:
        gap = _checks.gap(gap)
        limits = _checks.time_limit(time_limit), _checks.work_limit(work_limit)
        plan = (self._threads, self._seed, self._max_moves, gap, *limits)
        self._begin()
        self._refine_resolution()
        shares = self._divide()
        late = None
        if self._received != self._rounds:
            jobs = self._native.unacknowledged()[0]
            late = jobs, self._native.placements(jobs)
        self._acknowledge()
        if progress is None:
            answer = self._native.match(*plan, None)
        else:
            with progress_hook(progress, "match") as hook:
                answer = self._native.match(*plan, hook)
        self._overwrite_placements(answer["job"], answer["from"])
        m = LiveMatching(self, answer | {"late": late}, shares)
        deferred = m.stats["moves_deferred"]
        has_gap = m.status == "feasible" and deferred == 0 and m.gap > gap
        self._rounds += 1
        self._commit()
        self._history.watch(m)  # not before: the round might still be undone
        self._rounds_with_gap = max(self._rounds_with_gap, 1) if has_gap else 0
        self._gap_version = self._version
        self._received = self._rounds
        return m

    def _acknowledge(self) -> None:
        """Tell the core that the caller has the last answer, unless an exception kept it back."""
        if self._received == self._rounds:
            self._native.acknowledge()

    def _overwrite_placements(self, jobs: NDArray[np.int32], before: NDArray[np.int32]) -> None:
        self._overwrite(jobs, placed=before)

    def _divide(self) -> NDArray[np.int64] | None:
        """Divide all slots among the queues, and pass the result to the core."""
        if self._rules is None or self._rules.queues is None:
            return None
        shares = self._rules.shares(int(self._capacity.sum()), self._native.requests())
        self._native.set_shares(shares)
        return shares

    @transaction
    def quote(self, columns: Columns) -> Quote:
        """Return slot, cost and price that jobs would have at the prices of the last round.

        `columns` as in `add`. Slot -1: the job would be unplaced. Changes nothing. Of gangs: what
        limits and more important jobs would say is not asked.
        """
        batch, n, _ = self._checked_batch(columns)
        out = np.ascontiguousarray(batch.get("unplaced", self._columns["unplaced"]))
        source = self._costs.source(batch, n)
        prices = np.append(self._native.prices(), 0.0)  # -1 is the last
        if self._rules is None:
            slots, costs = self._native.quote(source, out)
            return Quote(slots, costs, prices[slots])
        demand, queue = (batch.get(p, self._columns[p]) for p in ("demand", "queue"))
        slots, costs = self._native.quote_gangs(source, out, demand, queue)
        return Quote(slots, costs, demand * prices[slots])

    @transaction
    def slot_of(self, ids: Any) -> Any:
        """Return the class that each job is placed in; -1 = unplaced.

        Parameters
        ----------
        ids : iterable of int or of str, or one id

        Returns
        -------
        int32 array, or int for one id

        Raises
        ------
        InvalidProblemError
            An id that is not in the Matcher.
        """
        single = isinstance(ids, (str, int, np.integer)) and not isinstance(ids, bool)
        at = self._ids.known(ids, ordered=True)[1]
        slots = self._native.placements(at)
        return int(slots[0]) if single else slots

    @transaction
    def explain(self, job: str | int) -> JobExplanation:
        """Explain where a job is, or why it waits, at the prices of the last round.

        Parameters
        ----------
        job : int or str
            Its id.

        Returns
        -------
        JobExplanation
            Its ``str`` is a few sentences.

        Raises
        ------
        InvalidProblemError
            There is no such job.
        """
        keys, at = self._ids.known([job])
        return explain_job(self, key_at(keys, 0), int(at[0]))

    @property
    @transaction
    def prices(self) -> NDArray[np.float64]:
        """The value of one more slot of each class in the last round, in the unit of cost."""
        found: NDArray[np.float64] = self._native.prices()
        return found

    @property
    @transaction
    def capacity(self) -> NDArray[np.int64]:
        """The number of slots of each class; 0 for closed classes."""
        return self._capacity.copy()

    @property
    def queues(self) -> Queues | None:
        """The queues that the Matcher was given; None without."""
        return None if self._rules is None else self._rules.queues

    @property
    def slots(self) -> tuple[str, ...] | None:
        """The names of the classes by number; None without."""
        return self._slot_names.names

    @property
    def slot_types(self) -> tuple[str, ...] | None:
        """The types of the classes by number; None where queues do not distinguish types."""
        return self._slot_types.of_classes()

    @property
    @transaction
    def ids(self) -> list[Any]:
        """The ids of the jobs, in the order of the `assignment` of a matching."""
        return self._ids.keys(self._native.live_jobs())

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, key: str | int) -> bool:
        return key in self._ids

    def __repr__(self) -> str:
        return f"<Matcher: {len(self)} jobs, {self._n_slots} classes>"

    def __reduce__(self) -> Any:
        raise TypeError("a Matcher is not pickled; use snapshot(path) and Matcher.restore(path)")

    # ------------------------------------------------------------ snapshots

    @transaction
    def snapshot(self, path: str | os.PathLike[str]) -> None:
        """Write the state to a file, completely or not at all (checksum, fsync, atomic rename).

        Links are followed. A target that exists and is not a regular file (a device, a pipe, a
        folder) is an `OSError`. The file has the mode of the one that it replaces, or 0600.
        """
        snapshots.save(self, path)

    @classmethod
    def restore(cls, path: str | os.PathLike[str], *, kernel: Kernel | None = None) -> Matcher:
        """Return the Matcher of a snapshot.

        A truncated, damaged or foreign file is an `InvalidProblemError`: every part is checked
        against the others. Classes may have more jobs than slots, as after `set_capacity`; the next
        round moves these jobs. A kernel is code and not in the file: if the costs are those of one,
        it is given here and evaluates the columns of the file.
        """
        return snapshots.load(cls, path, kernel)
