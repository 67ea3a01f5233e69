"""Live matching for services: a world of jobs that changes a little between rounds."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core, snapshots
from ._interner import Interner
from .costs import Terms
from .errors import InvalidProblemError
from .live import LiveMatching
from .live_columns import find_ids, kept, moving_cost, new_ids, out_cost, reach_of, term_spec
from .progress import progress_hook
from .transport import _counts, _number, _reals, _whole

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from .progress import ProgressHook

__all__ = ["Matcher"]

_FIRST_SIZE = 1024  # of the slab


class Matcher:
    """Keeps prices, placements and candidates between rounds, and matches again what changed.

    Parameters
    ----------
    capacity : array of int, shape (n_slots,)
        How many slots each class has.
    cost : sequence of (table, key_name, coef_name)
        As `Terms`, with the names of the columns that jobs bring in place of keys and coefficients;
        None for row 0, or for 1.
    unplaced : float or str
        Cost of leaving a job out, or the column that says it; inf = it must be placed.
    move_cost : float or str
        What moving a placed job costs on top, 0 or more, finite, or the column that says it.
    max_moves : int, optional
        At most so many placed jobs are moved a round, those that save most first; None = no limit.
        What must move (its class lost room) may exceed it.
    threads, seed
        As in `transport`.

    Notes
    -----
    Every call holds one lock: calls of several threads follow one another. The GIL is free in
    `match`. One slot a job. Determinism: the same calls give the same answers, for any number of
    threads. Complexity: a change costs one row of costs and the shortest paths it needs.

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
        cost: Sequence[tuple[ArrayLike, str | None, str | None]],
        unplaced: float | str,
        move_cost: float | str = 0,
        max_moves: int | None = None,
        threads: int | None = None,
        seed: int = 0,
    ) -> None:
        terms = [term_spec(k, term) for k, term in enumerate(cost)]
        if not terms:
            raise InvalidProblemError("cost: found no term, needed at least one", "cost")
        self._names = [(key, coef) for _, key, coef in terms]
        empty = np.zeros(0)
        made = Terms([(t, np.zeros(0, np.int32), empty) for t, _, _ in terms])
        self._tables = [np.array(t.table) for t in made.terms]
        self._n_slots = made.n_slots
        self._capacity = np.array(
            _counts("capacity", capacity, made.n_slots, "n_slots", 0, np.int64)
        )
        self._closed = np.zeros(made.n_slots, bool)
        self._scalars = {
            "unplaced": unplaced if isinstance(unplaced, str) else out_cost(unplaced),
            "move_cost": move_cost if isinstance(move_cost, str) else moving_cost(move_cost),
        }
        self._max_moves = -1 if max_moves is None else _whole("max_moves", max_moves, 0, 2**62)
        self._threads = 0 if threads is None else _whole("threads", threads, 1, 2**31 - 1)
        self._seed = _whole("seed", seed, 0, 2**64 - 1)
        self._ids, self._next, self._text = Interner(), 0, False
        self._lock, self._owner, self._version, self._reach = threading.Lock(), 0, 0, 0.0
        self._columns: dict[str, NDArray[Any]] = {}
        self._size = 0
        self._native = _core.LiveMatcher(self._n_slots)
        self._make_room(_FIRST_SIZE)
        self._native.set_capacity(np.arange(self._n_slots, dtype=np.int32), self._capacity)

    # ------------------------------------------------------------ changes

    def add(
        self, columns: Mapping[str, ArrayLike] | Iterable[Mapping[str, Any]], ids: Any = None
    ) -> Any:
        """Add jobs, by columns or records, under `ids` (all int64 or all str; None = given here).

        Returns the ids. A duplicate or known id, or a bad column, is an `InvalidProblemError`, and
        the world is as it was.
        """
        with self._held():
            rows = len(ids) if ids is not None and not self._wanted() else None
            batch, n, reach = self._batch(columns, rows)
            if ids is None and self._text and len(self._ids):
                raise TypeError("ids: this world's ids are strings, they must be given")
            given = range(self._next, self._next + n) if ids is None else ids
            keys = new_ids(self._ids, given, n, self._text)
            self._grow_reach(reach)
            self._text = isinstance(keys[0], str) if keys else self._text
            at = self._ids.intern(keys)
            self._next = max([self._next, *(k + 1 for k in keys if isinstance(k, int))])
            if self._ids.size > self._size:
                self._make_room(max(2 * self._size, self._ids.size))
            for name, values in batch.items():
                self._columns[name][at] = values
            self._native.add(at)
            self._version += 1
            return np.array(keys) if not self._text else list(keys)

    def remove(self, ids: Any) -> None:
        """Take jobs out; an unknown or repeated id is an error that names it."""
        with self._held():
            at = find_ids(self._ids, ids)
            self._native.remove(at)
            self._ids.remove([self._ids[int(k)] for k in at])
            self._version += 1

    def update(self, ids: Any, columns: Mapping[str, ArrayLike]) -> None:
        """Give jobs new columns, all that the costs name; placed jobs keep their homes."""
        with self._held():
            at = find_ids(self._ids, ids)
            batch, _, reach = self._batch(columns, len(at))
            self._grow_reach(reach)
            for name, values in batch.items():
                self._columns[name][at] = values
            self._native.update(at)
            self._version += 1

    def pin(self, ids: Any) -> None:
        """Placed jobs stay where they are, whatever it costs."""
        with self._held():
            at = find_ids(self._ids, ids)
            homes = self._native.homes(at)
            if (homes < 0).any():
                k = int((homes < 0).argmax())
                raise InvalidProblemError(
                    f"ids[{k}]: {self._ids[int(at[k])]!r} is not placed, only a placed job can be "
                    "pinned",
                    "ids",
                    k,
                )
            self._native.pin(at, True)
            self._version += 1

    def unpin(self, ids: Any) -> None:
        """Jobs may move again."""
        with self._held():
            self._native.pin(find_ids(self._ids, ids), False)
            self._version += 1

    def set_capacity(self, slots: ArrayLike, values: ArrayLike) -> None:
        """Give some classes another number of slots."""
        with self._held():
            where = self._open_slots(slots)
            room = _counts("values", np.atleast_1d(values), len(where), "slots", 0, np.int64)
            self._capacity[where] = room
            self._native.set_capacity(where, room)
            self._version += 1

    def set_table(self, k: int, table: ArrayLike) -> None:
        """Another table for term `k`, of the same shape (tariffs change); closed slots stay so."""
        with self._held():
            k = _whole("k", k, 0, len(self._tables) - 1)
            made = Terms([(table, np.zeros(0, np.int32), np.zeros(0))]).terms[0].table
            if made.shape != self._tables[k].shape:
                raise InvalidProblemError(
                    f"table: found shape {made.shape}, needed {self._tables[k].shape}", "table"
                )
            made = np.where(self._closed, np.inf, made)
            if np.array_equal(made, self._tables[k]):
                return
            self._swap_tables([made if j == k else t for j, t in enumerate(self._tables)])

    def add_slots(self, capacity: ArrayLike, tables: Sequence[ArrayLike]) -> NDArray[np.int32]:
        """New classes, with their columns of every table; returns their numbers.

        Numbers of removed classes are given again, the lowest first.
        """
        with self._held():
            room = _counts("capacity", capacity, np.size(capacity), "n_new", 0, np.int64)
            made = [Terms([(t, np.zeros(0, np.int32), np.zeros(0))]).terms[0].table for t in tables]
            for k, old in enumerate(self._tables):
                need = (len(old), len(room))
                if k >= len(made) or made[k].shape != need or len(made) != len(self._tables):
                    found = made[k].shape if k < len(made) else "none"
                    raise InvalidProblemError(
                        f"tables[{k}]: found {found}, needed shape {need}", "tables", k
                    )
            free = np.flatnonzero(self._closed)[: len(room)]
            more = len(room) - len(free)
            where = np.concatenate([free, self._n_slots + np.arange(more)]).astype(np.int32)
            new = [np.pad(t, ((0, 0), (0, more))) for t in self._tables]
            for old, column in zip(new, made, strict=True):
                old[:, where] = column
            with kept(self):
                self._capacity = np.pad(self._capacity, (0, more))
                self._closed = np.pad(self._closed, (0, more))
                self._capacity[where], self._closed[where] = room, False
                if more:
                    self._rebuild(new)
                else:
                    self._swap_tables(new)
                    self._native.set_capacity(where, room)
            self._version += 1
            return where

    def remove_slots(self, slots: ArrayLike) -> None:
        """Close classes: their jobs move or are left out. Other classes keep their numbers."""
        with self._held():
            where = self._open_slots(slots)
            self._closed[where], self._capacity[where] = True, 0
            new = [t.copy() for t in self._tables]
            for table in new:
                table[:, where] = np.inf
            self._swap_tables(new)
            self._native.set_capacity(where, np.zeros(len(where), np.int64))

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
            Accepted for what `transport` means by it; the answer is exact, so never worse.
        time_limit : float, optional
            Seconds. Then placed jobs stay, new ones are placed where there is room, and the next
            round goes on from where this one was.
        progress : bool or callable, optional
            As in `transport`.

        Returns
        -------
        LiveMatching
            With ``.changes`` by id. On Ctrl-C nothing is told and no home changes.
        """
        with self._held():
            _number("gap", gap, 0.0)
            limit = None if time_limit is None else _number("time_limit", time_limit, 0.0)
            plan = (self._threads, self._seed, self._max_moves, limit)
            if progress is None:
                answer = self._native.match(*plan, None)
            else:
                with progress_hook(progress, "match") as hook:
                    answer = self._native.match(*plan, hook)
            self._version += 1
            return LiveMatching(self, answer, self._version)

    def quote(
        self, columns: Mapping[str, ArrayLike] | Iterable[Mapping[str, Any]]
    ) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
        """Where jobs like these would go at the prices of the last round: slot, cost, price.

        Slot -1: they would be left out. Changes nothing.
        """
        with self._held():
            batch, n, _ = self._batch(columns)
            source = _core.terms_cost(self._terms(batch), n, self._n_slots)
            out = batch.get("unplaced", self._columns["unplaced"])
            slots, costs = self._native.quote(source, np.ascontiguousarray(out))
            price = np.array([0.0 if s < 0 else self._native.price(int(s)) for s in slots])
            return slots, costs, price

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
        """Write the world to a file: whole or not at all (checksum, fsync, atomic rename)."""
        with self._held():
            jobs = self._native.list()
            keys = [self._ids[int(k)] for k in jobs]
            arrays: dict[str, Any] = {"homes": self._native.homes(jobs), "capacity": self._capacity}
            arrays["closed"] = self._closed
            arrays["pinned"] = np.array([self._native.pinned(int(k)) for k in jobs], bool)
            arrays["prices"] = np.array([self._native.price(s) for s in range(self._n_slots)])
            arrays |= {f"table_{k}": t for k, t in enumerate(self._tables)}
            arrays |= {
                f"column_{n}": c[jobs] if len(c) > 1 else c for n, c in self._columns.items()
            }
            meta = {
                "names": self._names,
                "scalars": {
                    k: [v] if isinstance(v, str) else repr(v) for k, v in self._scalars.items()
                },
                "max_moves": self._max_moves, "threads": self._threads, "seed": str(self._seed),
                "ids": keys, "next": self._next, "text": self._text,
                "resolution": self._native.resolution, "reach": self._reach,
            }  # fmt: skip
            snapshots.write(path, meta, arrays)

    @classmethod
    def restore(cls, path: str | os.PathLike[str]) -> Matcher:
        """The world of a snapshot; a torn or foreign file is an `InvalidProblemError`."""
        meta, arrays = snapshots.read(path)
        scalars = {k: v[0] if isinstance(v, list) else float(v) for k, v in meta["scalars"].items()}
        names = [(k, c) for k, c in meta["names"]]
        world = cls(
            arrays["capacity"],
            cost=[(arrays[f"table_{k}"], *pair) for k, pair in enumerate(names)],
            unplaced=scalars["unplaced"],
            move_cost=scalars["move_cost"],
            max_moves=None if meta["max_moves"] < 0 else meta["max_moves"],
            threads=meta["threads"] or None,
            seed=int(meta["seed"]),
        )
        world._closed, world._next = arrays["closed"], meta["next"]
        world._text, world._reach = meta["text"], meta["reach"]
        at = world._ids.intern(meta["ids"])
        world._make_room(max(world._size, world._ids.size))
        for name, column in world._columns.items():
            saved = arrays[f"column_{name}"]
            if len(column) > 1:
                column[at] = saved if len(saved) == len(at) else saved[: len(at)]
        world._native.set_slab(*world._slab(), True)
        world._native.restore(at, arrays["homes"], arrays["prices"], meta["resolution"])
        world._native.pin(at[arrays["pinned"]], True)
        return world

    # ------------------------------------------------------------ inside

    @contextmanager
    def _held(self) -> Iterator[None]:
        me = threading.get_ident()
        if self._owner == me:
            raise RuntimeError("a Matcher may not be used from its own progress hook")
        with self._lock:
            self._owner = me
            try:
                yield
            finally:
                self._owner = 0

    def _wanted(self) -> dict[str, str]:
        """Slab column -> column of the caller's."""
        wanted: dict[str, str] = {}
        for k, (key, coef) in enumerate(self._names):
            wanted |= {f"key_{k}": key} if key is not None else {}
            wanted |= {f"coef_{k}": coef} if coef is not None else {}
        return wanted | {k: v for k, v in self._scalars.items() if isinstance(v, str)}

    def _batch(self, columns: Any, rows: int | None = None) -> tuple[dict[str, Any], int, float]:
        """Checked columns by slab name, how many jobs, and how far their costs may reach."""
        wanted = self._wanted()
        if not hasattr(columns, "keys"):
            records = list(columns)
            columns = {v: [r[v] for r in records] for v in wanted.values()}
        for name in wanted.values():
            if name not in columns:
                raise InvalidProblemError(f"columns: {name!r} is missing", name)
        n = len(np.atleast_1d(next(iter(columns.values())))) if columns else 0
        n = n if rows is None else rows
        given = {k: np.atleast_1d(np.asarray(columns[v])) for k, v in wanted.items()}
        for part in given if n == 0 else ():  # an empty list says nothing of its dtype
            if part.startswith("key_") and given[part].shape == (0,):
                given[part] = np.zeros(0, np.int32)
        for part, v in wanted.items():
            if given[part].shape != (n,):
                raise InvalidProblemError(f"{v}: found shape {given[part].shape}, needed ({n},)", v)
        blank = np.zeros(n, np.int32)
        terms = Terms(
            [
                (t, given.get(f"key_{k}", blank if n else None), given.get(f"coef_{k}", np.ones(n)))
                for k, t in enumerate(self._tables)
            ]
        )
        batch: dict[str, Any] = {}
        reach = 0.0
        for k, term in enumerate(terms.terms):
            batch |= {f"key_{k}": term.key} if f"key_{k}" in wanted else {}
            batch |= {f"coef_{k}": term.coef} if f"coef_{k}" in wanted else {}
            finite = np.abs(term.table[np.isfinite(term.table)])
            coef = 0.0 if term.coef is None else float(np.abs(term.coef).max(initial=0.0))
            reach += coef * float(finite.max(initial=0.0))
        for name, check in (("unplaced", out_cost), ("move_cost", moving_cost)):
            if name in wanted:
                batch[name] = check(_reals(wanted[name], given[name]))
            values = np.atleast_1d(batch.get(name, self._scalars[name]))
            reach += float(np.abs(values[np.isfinite(values)]).max(initial=0.0)) if n else 0.0
        return batch, n, reach

    def _open_slots(self, slots: ArrayLike) -> NDArray[np.int32]:
        given = np.atleast_1d(np.asarray(slots))
        where = _counts("slots", given, len(given), "n", 0, np.int32)
        bad = where >= self._n_slots
        bad[~bad] = self._closed[where[~bad]]
        if bad.any():
            k = int(bad.argmax())
            raise InvalidProblemError(f"slots[{k}]: {where[k]} is no open class", "slots", k)
        if len(np.unique(where)) != len(where):
            raise InvalidProblemError("slots: a class stands twice", "slots")
        return where

    def _terms(self, columns: Mapping[str, Any]) -> list[Any]:
        return [
            (t, columns.get(f"key_{k}"), columns.get(f"coef_{k}"))
            for k, t in enumerate(self._tables)
        ]

    def _slab(self) -> tuple[Any, Any, Any, float]:
        source = _core.terms_cost(self._terms(self._columns), self._size, self._n_slots)
        return source, self._columns["unplaced"], self._columns["move_cost"], self._reach

    def _make_room(self, size: int) -> None:
        """Longer columns, which the core is told of."""
        old, self._size = self._columns, size
        self._columns = {}
        for name in self._wanted():
            dtype = np.int32 if name.startswith("key_") else np.float64
            self._columns[name] = np.zeros(size, dtype)
            self._columns[name][: len(old.get(name, ()))] = old.get(name, ())
        for name, value in self._scalars.items():
            if not isinstance(value, str):
                self._columns[name] = np.array([value], np.float64)
        self._native.set_slab(*self._slab(), False)

    def _grow_reach(self, reach: float) -> None:
        if reach > self._reach:
            with kept(self):
                self._reach = reach
                self._native.set_slab(*self._slab(), False)

    def _swap_tables(self, tables: list[NDArray[np.float64]]) -> None:
        jobs = self._native.list()
        batch = {n: c[jobs] if len(c) > 1 else c for n, c in self._columns.items()}
        with kept(self):
            self._tables = [np.ascontiguousarray(t) for t in tables]
            self._reach = max(self._reach, reach_of(self._tables, batch))
            self._native.set_slab(*self._slab(), True)
        self._version += 1

    def _rebuild(self, tables: list[NDArray[np.float64]]) -> None:
        """More classes: the core's state anew, with homes, pins and prices as they were."""
        jobs, old = self._native.list(), self._native
        homes = old.homes(jobs)
        prices = np.zeros(len(self._capacity))
        prices[: self._n_slots] = [old.price(s) for s in range(self._n_slots)]
        pinned = np.array([old.pinned(int(k)) for k in jobs], bool)
        self._tables = [np.ascontiguousarray(t) for t in tables]
        self._n_slots = len(self._capacity)
        self._reach = max(self._reach, reach_of(self._tables, self._columns))
        self._native = _core.LiveMatcher(self._n_slots)
        self._native.set_slab(*self._slab(), True)
        slots = np.arange(self._n_slots, dtype=np.int32)
        self._native.set_capacity(slots, self._capacity)
        self._native.restore(jobs, homes, prices, 0.0)
        self._native.pin(jobs[pinned], True)
