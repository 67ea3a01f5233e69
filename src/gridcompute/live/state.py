"""The state of a `Matcher`: its job store and classes here, prices and placements in the core.

Earlier answers refer to the columns as they were. An answer copies nothing when it is given: most
are never read in full. From then on each call records what it overwrites, in proportion to what it
changes. An answer that is read, from whatever thread, takes the present store under the lock and
undoes these records, newest first. Once the records exceed the store itself, all answers that are
still alive read what they need, and the records are dropped.

The core reads the columns of the job store in place, so both sides change together: `_apply`
replaces columns, costs or classes on both, and the transaction reverts both, the core by what it
records from `_begin` on.
"""

from __future__ import annotations

import functools
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar

import numpy as np

from .. import _checks, _core
from .._columns import by_position
from ..costs.terms import _reach
from ..errors import InvalidProblemError
from .costs import RowCosts, live_costs
from .gang_rules import SPARE_COLUMNS, GangRules, SlotNames, SlotTypes
from .jobs import (
    JobIds,
    check_columns,
    check_job_costs,
    check_slots,
    number_or_column,
    store_columns,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from ..costs import BoundKernel, SlotKernel
    from .costs import LiveCosts
    from .gang_rules import Queues
    from .jobs import Keys

_P = ParamSpec("_P")
_R = TypeVar("_R")
_T = TypeVar("_T", bound="Transactional")


class Transactional:
    """State that is read and changed under one lock, by calls that succeed or change nothing.

    A method that is a `transaction` appends the inverse of each step to `_undo` before it makes the
    step, and ends with `_commit`. If it raises before that, KeyboardInterrupt included, the steps
    are reverted in reverse order; an interrupted reversal is repeated, so each may run twice.
    """

    def __init__(self) -> None:
        self._calls = _core.Calls(
            "a Matcher may not be used from its own progress hook, or from a signal handler "
            "during a call"
        )
        self._version = 0  # increases whenever the state may have changed
        self._undo: list[Callable[[], object]] = []

    def _commit(self) -> None:
        """End a call that changed the state."""
        self._version += 1
        self._undo.clear()


def transaction(method: Callable[Concatenate[_T, _P], _R]) -> Callable[Concatenate[_T, _P], _R]:
    """Make a method hold the lock, and revert a call that fails or is interrupted."""

    @functools.wraps(method)
    def call(self: _T, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return self._calls.transaction(method, self._undo, (self, *args), kwargs)

    return call


# Positions that may be recorded before answers are made to read what they need, for each position
# of the store, and at least.
_RECORDS_PER_POSITION = 1
_LEAST_RECORDS = 1 << 16


class Reader(Protocol):
    """An answer that may have to read the store as it was."""

    _number: int  # that of the next record when it was given

    def _read_now(self) -> None: ...


class Record(NamedTuple):
    """The entries that one call overwrote at these positions; None = unchanged."""

    at: NDArray[np.int32]
    live: bool | None = None  # were they live?
    keys: Keys | None = None
    placed: NDArray[np.int32] | None = None
    pinned: NDArray[np.bool_] | None = None
    columns: Mapping[str, NDArray[Any]] | None = None


class StoredJobs(NamedTuple):
    """The job store as an answer left it, live jobs in the order of their positions."""

    at: NDArray[np.int32]
    ids: list[Any]
    placed: NDArray[np.int32]
    pinned: NDArray[np.bool_]
    columns: dict[str, NDArray[Any]]


class History:
    """Records of what was overwritten since the oldest answer that has not been read."""

    def __init__(self) -> None:
        # The records kept and the number of the first, replaced at once: an interrupt may come
        # between any two statements.
        self._kept: tuple[int, list[Record]] = 0, []
        self._size = 0  # positions recorded
        self._readers: dict[int, tuple[int, weakref.ref[Any]]] = {}

    def next_number(self) -> int:
        """Return the number of the next record, which is that of an answer given now."""
        first, records = self._kept
        return first + len(records)

    def watch(self, answer: Reader) -> None:
        """Note an answer that may still be read."""
        self._prune()
        self._readers[id(answer)] = (answer._number, weakref.ref(answer))

    def done(self, answer: Reader) -> None:
        """Note that an answer has read all it needs."""
        self._readers.pop(id(answer), None)

    @property
    def watched(self) -> bool:
        """May any answer still be read?"""
        return bool(self._readers)

    def record(self, size: int, record: Record) -> None:
        """Keep what a call is about to overwrite; `size`: positions of the store."""
        self._kept[1].append(record)
        self._size += len(record.at)
        if self._size > max(_RECORDS_PER_POSITION * size, _LEAST_RECORDS):
            self.read_all()

    def drop(self, record: Record) -> None:
        """Drop the record of a call that changed nothing, if it is kept: it was the last."""
        records = self._kept[1]
        if records and records[-1] is record:
            records.pop()
            self._size -= len(record.at)

    def read_all(self) -> None:
        """Let every answer that is alive read what it needs, and drop the records."""
        for _, reference in list(self._readers.values()):
            answer = reference()
            if answer is not None:
                answer._read_now()
        self._readers.clear()
        self._prune()

    def _prune(self) -> None:
        """Drop records that no answer needs: those before the oldest answer that is alive."""
        self._readers = {
            key: entry for key, entry in self._readers.items() if entry[1]() is not None
        }
        first, records = self._kept
        end = self.next_number()
        oldest = min((number for number, _ in self._readers.values()), default=end)
        if oldest > first:
            left = records[oldest - first :]
            self._kept = oldest, left
            self._size = sum(len(record.at) for record in left)

    def store_as_of(self, number: int, now: StoredJobs, size: int) -> StoredJobs:
        """Return the store as it was when the answer of this number was given."""
        first, kept = self._kept
        records = kept[number - first :]
        if not records:
            return now
        live = np.zeros(size, bool)
        live[now.at] = True
        ids = np.empty(size, object)
        ids[now.at] = now.ids
        placed = np.full(size, -1, np.int32)
        placed[now.at] = now.placed
        pinned = np.zeros(size, bool)
        pinned[now.at] = now.pinned
        columns = {name: c if len(c) == 1 else c.copy() for name, c in now.columns.items()}
        for r in reversed(records):
            if r.live is not None:
                live[r.at] = r.live
            if r.keys is not None:
                ids[r.at] = r.keys
            if r.placed is not None:
                placed[r.at] = r.placed
            if r.pinned is not None:
                pinned[r.at] = r.pinned
            for name, values in (r.columns or {}).items():
                columns[name][r.at] = values
        at = np.flatnonzero(live).astype(np.int32)
        return StoredJobs(at, ids[at].tolist(), placed[at], pinned[at], columns)


# Positions of a new job store; it doubles when it is full.
_INITIAL_SIZE = 1024

# Rounds between two checks whether the largest costs are gone, so that keys may be finer.
_REFINE_INTERVAL = 16


class LiveState(Transactional):
    """Jobs, costs and classes of a live problem, the same here and in the core."""

    def __init__(
        self,
        capacity: ArrayLike,
        *,
        cost: Sequence[tuple[ArrayLike, str | None, str | None]] | SlotKernel | BoundKernel | str,
        unplaced: float | str,
        demand: int | str | None = None,
        queues: Queues | None = None,
        queue: str | None = None,
        priority: int | str | None = None,
        preemptible: bool | str | None = None,
        slots: Sequence[str] | None = None,
        slot_types: Sequence[str] | None = None,
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
            "unplaced": number_or_column("unplaced", unplaced),
            "move_cost": number_or_column("move_cost", move_cost),
        }
        most = -1 if max_moves is None else _checks.whole("max_moves", max_moves, 0, 2**62)
        self._max_moves = most
        self._threads, self._seed = _checks.threads(threads), _checks.seed(seed)
        self._ids = JobIds()
        self._max_abs_cost = 0.0
        self._needed: dict[str, str] = {}
        self._needed_by: LiveCosts | None = None  # the costs of which these are the columns
        # Rounds since one ended "feasible" because of the rounding of keys alone, and its version.
        self._rounds_with_gap, self._gap_version = 0, 0
        # Rounds that have ended, and up to which of them the caller has all changes.
        self._rounds, self._received = 0, 0
        self._rules = GangRules.of(demand, queues, queue, priority, preemptible)
        self._slot_names = SlotNames.of(slots, n)
        self._slot_types = SlotTypes.of(
            slot_types, n, () if self._rules is None else self._rules.types
        )
        self._history = History()
        self._native = _core.LiveMatcher(n)
        if self._rules is not None:
            r = self._rules
            by_type = (r.limit_by_type.ravel(), r.guarantee_by_type.ravel())
            self._native.set_queues(r.parent, r.limit, r.guarantee, r.ranked, *by_type)
        self._columns: dict[str, NDArray[Any]] = {}
        self._columns, self._size = self._grow(self._costs, _INITIAL_SIZE), _INITIAL_SIZE
        self._sync()

    def _refine_resolution(self) -> None:
        """Choose finer keys if rounding alone leaves a gap and the largest costs are gone."""
        if not self._rounds_with_gap or self._version == self._gap_version:
            return
        before = self._rounds_with_gap
        self._undo.append(lambda: vars(self).update(_rounds_with_gap=before))
        self._rounds_with_gap += 1
        if self._rounds_with_gap % _REFINE_INTERVAL == 2:  # at first, then at intervals
            _, _, bound = self._live_columns(self._costs, self._columns)
            self._apply(_max_abs_cost=min(bound, self._max_abs_cost))

    def _begin(self) -> None:
        """Begin to change the core, which undoes what this call changes there if it fails."""
        if not self._undo:
            self._native.commit()
            self._undo.append(self._native.rollback)

    def _commit(self) -> None:
        """End a call that changed the state; the core may keep what would undo it for a while."""
        super()._commit()
        with suppress(MemoryError):
            self._native.commit()

    def _apply(self, **new: Any) -> None:
        """Replace columns, costs or classes, here and in the core."""
        self._begin()
        before = {name: getattr(self, name) for name in new}
        self._undo.append(lambda: vars(self).update(before))
        vars(self).update(new)
        self._sync(columns=new.keys() != {"_capacity"})

    def _sync(self, *, columns: bool = True) -> None:
        """Give the core the present columns, closed classes and capacities."""
        if columns:
            closed = np.flatnonzero(self._closed).astype(np.int32)
            source = self._costs.store_source(self._columns, self._size)
            scalars = (self._columns["unplaced"], self._columns["move_cost"])
            self._native.set_columns(source, *scalars, closed, self._max_abs_cost)
            if self._rules is not None:
                c, types = self._columns, self._slot_types.numbers
                ranks = (c["priority"], c["preemptible"])
                self._native.set_gangs(c["demand"], c["queue"], *ranks, types)
        self._native.set_capacity(np.arange(self._n_slots, dtype=np.int32), self._capacity)

    def _discard_ids(self, keys: Keys, before: tuple[bool, int]) -> None:
        """Remove ids that were being added, as far as they were.

        The position given last is freed first, so that the next jobs get those of the first ones.
        """
        at = self._ids.lookup(keys)
        self._ids.release(at[at >= 0][::-1].copy())
        self._ids.text, self._ids.next = before

    def _restore_ids(self, keys: Keys) -> None:
        """Give ids their positions again, as far as they were released: the last one first."""
        gone = np.flatnonzero(self._ids.lookup(keys) < 0)[::-1]
        if len(gone):
            texts = isinstance(keys, list)
            self._ids.add([keys[k] for k in gone] if texts else keys[gone])

    def _overwrite(self, at: NDArray[np.int32], **before: Any) -> None:
        """Record what a call is about to change at these positions, if an answer may ask for it."""
        self._begin()
        if self._history.watched:
            record = Record(at, **before)
            self._undo.append(lambda: self._history.drop(record))
            self._history.record(self._size, record)

    def _columns_at(self, at: NDArray[np.int32], names: Iterable[str]) -> dict[str, Any]:
        """Return copies of columns at these positions."""
        return {name: self._columns[name][at] for name in names}

    def _write_columns(self, at: NDArray[np.int32], batch: Mapping[str, Any]) -> None:
        for name, values in batch.items():
            self._columns[name][at] = values

    def _needed_columns(self) -> dict[str, str]:
        """Return name in the job store -> name of the caller's column."""
        if self._needed_by is not self._costs:
            scalars = {k: v for k, v in self._scalars.items() if isinstance(v, str)}
            rules = {} if self._rules is None else self._rules.needed
            self._needed, self._needed_by = self._costs.needed | scalars | rules, self._costs
        return self._needed

    def _checked_batch(
        self, columns: Any, keys: Keys | None = None
    ) -> tuple[dict[str, Any], int, float]:
        """Return checked columns by name, the number of jobs, and a bound on their costs."""
        needed = self._needed_columns()
        if isinstance(columns, np.ndarray) and isinstance(self._costs, RowCosts):
            columns = {self._costs.name: columns} if columns.dtype.names is None else columns
        spare = frozenset() if self._rules is None else SPARE_COLUMNS
        given, n = check_columns(columns, needed, keys, spare=spare)
        batch, bound = self._costs.check(given, n)
        if self._rules is not None:
            batch |= self._rules.check(given, n)
        for name in ("unplaced", "move_cost"):
            if name in needed:
                field = needed[name]
                batch[name] = check_job_costs(name, field, _checks.reals(field, given[name]))
        return batch, n, bound + (self._penalty_bound(batch) if n else 0.0)

    def _live_columns(
        self, costs: Any, columns: Any
    ) -> tuple[NDArray[np.int32], dict[str, Any], float]:
        """Return the live jobs, their columns, and a bound on the magnitude of their costs."""
        jobs = self._native.live_jobs()
        batch = {name: c[jobs] if len(c) > 1 else c for name, c in columns.items()}
        return jobs, batch, costs.max_abs_cost(batch, len(jobs)) + self._penalty_bound(batch)

    def _penalty_bound(self, batch: Mapping[str, Any]) -> float:
        """Bound the magnitude of the costs of being unplaced and of moves."""
        bound = 0.0
        for name, given in self._scalars.items():
            if not isinstance(given, str):
                bound += abs(given) if given < np.inf else 0.0
            else:
                bound += _reach(batch[name])
        return bound

    def _open_slots(self, slots: ArrayLike) -> NDArray[np.int32]:
        where = check_slots(self._slot_names.numbers("slots", slots), self._n_slots)
        if self._closed[where].any():
            k = int(self._closed[where].argmax())
            raise InvalidProblemError(f"slots[{k}]: {where[k]} is no open class", "slots", k)
        return where

    def _grow(self, costs: Any, size: int) -> dict[str, NDArray[Any]]:
        rules = {} if self._rules is None else self._rules.empty_columns(size)
        return store_columns(costs, self._scalars, self._columns, size, rules)
