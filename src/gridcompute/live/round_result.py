"""The answer of a round of a `Matcher`: its changes, and explanations of single jobs."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from .. import _checks, _core
from .._extras import extra
from .._html import ShownAsText
from ..results.explanation import TransportProblem
from ..results.matching import Matching, Witness
from . import rules_check
from .costs import RowCosts, TermCosts
from .state import StoredJobs

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from ..results.explanation import Explanation
    from ..results.matching import SolverCertificate
    from .costs import LiveCosts
    from .gang_rules import GangRules
    from .state import LiveState


@dataclass(frozen=True)
class JobExplanation(ShownAsText):
    """The class of a job, its cost there, and the reason; ``str()`` gives it in words.

    Attributes
    ----------
    id : int or str
    slot : int
        Its class; -1 = it waits.
    cost, price : float
        What it costs there, and what its slots are worth there. Waiting: what that costs, and 0.
    reason : str
        Of a running job: "Running", "Fixed" (pinned, or not preemptible), "Owed" (something else
        would cost less at these prices, and its queue is owed the place). Of a waiting one:
        "Forbidden" (no class is open to it), "TooLarge" (no class is as large), "NotWorth" (waiting
        costs less than any class), "Limit" (of its queue or of one above), "LimitOfType" (the same
        of a type of classes, which keeps free slots from the job, or all classes open to it),
        "Priority" (jobs of its queue with the same priority or a higher one hold the room), "Share"
        (its queue holds its share), "Capacity" (nothing has room).
    text : str
    """

    id: Any
    slot: int
    cost: float
    price: float
    reason: str
    text: str

    def __str__(self) -> str:
        return self.text


def explain_job(matcher: LiveState, key: Any, at: int) -> JobExplanation:
    """Return the explanation of the job at this position of the store."""
    native = matcher._native
    where = np.array([at], np.int32)
    columns = {n: c[where] if len(c) > 1 else c for n, c in matcher._columns.items()}
    costs = matcher._costs.source(columns, 1).row(0)
    costs = np.where(matcher._closed, np.inf, np.asarray(costs, np.float64))
    gangs = matcher._rules is not None
    demand = int(columns["demand"][0]) if gangs else 1
    prices = native.prices() * demand
    leave, slot = float(columns["unplaced"][0]), int(native.placements(where)[0])
    what = f"job {key!r}" + (f" ({demand} slots)" if demand > 1 else "")
    name = matcher._slot_names.name
    if slot >= 0:
        lines = [
            f"{what} runs in {name(slot)}: cost {costs[slot]:.6g} + price {prices[slot]:.6g} = "
            f"{costs[slot] + prices[slot]:.6g}."
        ]
        margin, line = _runner_up(costs, prices, slot, leave, name)
        lines.append(line)
        reason = "Running"
        if native.is_pinned(where)[0]:
            reason = "Fixed"
            lines.append("It stays there: it is pinned.")
        elif gangs and not columns["preemptible"][0]:
            reason = "Fixed"
            lines.append("It stays there: it may not be preempted.")
        elif margin < 0:
            reason, why = _why_kept(matcher, columns, slot)
            lines.append(f"It stays there: {why}")
        cost, price = float(costs[slot]), float(prices[slot])
        return JobExplanation(key, slot, cost, price, reason, "\n".join(lines))
    reason, why = _why_waiting(matcher, columns, costs, demand, leave)
    best = int((costs + prices).argmin()) if len(costs) else -1
    lines = [f"{what} waits, at cost {leave:.6g}: {why}"]
    if best >= 0 and math.isfinite(costs[best]):
        lines.append(
            f"Cheapest is {name(best)}: cost {costs[best]:.6g} + price {prices[best]:.6g} = "
            f"{costs[best] + prices[best]:.6g}."
        )
    return JobExplanation(key, -1, leave, 0.0, reason, "\n".join(lines))


def _runner_up(
    costs: NDArray[np.float64], prices: NDArray[np.float64], slot: int, leave: float, name: Any
) -> tuple[float, str]:
    """Return by how much the next best costs more than the place of a job, and that as text."""
    total = costs + prices
    here = float(total[slot])
    total[slot] = np.inf
    other = int(total.argmin())
    best = min(leave, float(total[other]))
    if math.isinf(best):
        return best, "Nothing else is open to it."
    what = f"waiting: cost {leave:.6g}" if leave <= total[other] else f"{name(other)}: {best:.6g}"
    more = best - here
    beside = f"{'dearer' if more > 0 else 'cheaper'} by {abs(more):.6g}" if more else "as dear"
    return more, f"Next best is {what}, {beside}."


def _why_kept(matcher: LiveState, columns: dict[str, NDArray[Any]], slot: int) -> tuple[str, str]:
    """Return why a job runs where something else would cost less at the prices."""
    rules, types = matcher._rules, matcher._slot_types
    if rules is not None and rules.queues is not None:
        usage = matcher._native.usage()
        shares = rules.shares(int(matcher._capacity.sum()), matcher._native.requests())
        up = int(columns["queue"][0])
        while up >= 0:
            held = f"queue {rules.names[up]!r} takes {usage[up]} slots"
            if types.names:
                t = int(types.numbers[slot])
                used, owed = rules.of_type(usage)[t, up], rules.guarantee_by_type[t, up]
                if used <= owed:
                    kind = f"of type {types.names[t]!r}"
                    held = held.replace(f"{usage[up]} slots", f"{used} slots {kind}")
                    return "Owed", f"{held}, and is guaranteed {owed}."
            if usage[up] <= shares[up]:
                guarantee = f"(guarantee {rules.guarantee[up]})"
                return "Owed", f"{held}, and is owed its share of {shares[up]} {guarantee}."
            up = int(rules.parent[up])
    if rules is not None and rules.ranked:
        priority = int(columns["priority"][0])
        return "Running", f"priority goes before cost, and its priority is {priority}."
    return "Running", "no change that has room is proved to cost less in all."


def _why_waiting(
    matcher: LiveState,
    columns: dict[str, NDArray[Any]],
    costs: NDArray[np.float64],
    demand: int,
    leave: float,
) -> tuple[str, str]:
    """Return the first reason that holds, and its sentence."""
    capacity, rules = matcher._capacity, matcher._rules
    open_to = np.isfinite(costs)
    if not open_to.any():
        return "Forbidden", "no class is open to it."
    fits = open_to & (capacity >= demand)
    if not fits.any():
        most = int(capacity[open_to].max())
        return "TooLarge", f"the largest class open to it has {most} slots."
    if not (costs[fits] < leave).any():
        least = float(costs[fits].min())
        return "NotWorth", f"any class costs at least {least:.6g}, which is no less."
    if matcher._version == 0 or rules is None:
        return "Capacity", "other jobs are worth more in every class that it would rather run in."
    usage = matcher._native.usage()
    queue, priority = int(columns["queue"][0]), int(columns["priority"][0])
    up = queue
    while up >= 0:
        if usage[up] + demand > rules.limit[up]:
            return "Limit", (
                f"queue {rules.names[up]!r} takes {usage[up]} slots, and its limit is "
                f"{rules.limit[up]}."
            )
        up = int(rules.parent[up])
    rather = np.flatnonzero(fits & (costs < leave))
    typed = _limit_of_type(matcher, usage, queue, demand, rather)
    if rules.queues is not None:
        return typed or _share_or_room(matcher, usage, queue, demand)
    if rules.ranked:
        return "Priority", f"jobs of priority {priority} or higher, or fixed ones, hold the slots."
    return "Capacity", "other jobs are worth more for each slot in every class open to it."


def _limit_of_type(
    matcher: LiveState, usage: NDArray[np.int64], queue: int, demand: int, rather: NDArray[np.intp]
) -> tuple[str, str] | None:
    """Return the limit of a type that keeps free slots from the job, or all these classes."""
    rules, types = matcher._rules, matcher._slot_types
    assert rules is not None
    if not types.names:
        return None
    used, reached = rules.of_type(usage), {}
    for t in np.unique(types.numbers[rather]).tolist():
        up = queue
        while up >= 0 and used[t, up] + demand <= rules.limit_by_type[t, up]:
            up = int(rules.parent[up])
        if up >= 0:
            reached[t] = up
    kept = [s for s in rather.tolist() if int(types.numbers[s]) in reached]
    with_room = [s for s in kept if _free_slots(matcher, s) >= demand]
    if not with_room and len(kept) < len(rather):
        return None
    said = [
        f"queue {rules.names[up]!r} takes {used[t, up]} slots of type {types.names[t]!r}, and its "
        f"limit of that type is {rules.limit_by_type[t, up]}"
        for t, up in reached.items()
    ]
    rest = "" if len(kept) == len(rather) else ", and classes of other types have no room for it"
    return "LimitOfType", "; ".join(said) + rest + "."


def _free_slots(matcher: LiveState, slot: int) -> int:
    """Return how many slots of a class no job takes."""
    at = matcher._native.live_jobs()
    here = at[matcher._native.placements(at) == slot]
    demand = matcher._columns["demand"]
    taken = len(here) * int(demand[0]) if len(demand) == 1 else int(demand[here].sum())
    return int(matcher._capacity[slot]) - taken


def _share_or_room(
    matcher: LiveState, usage: NDArray[np.int64], queue: int, demand: int
) -> tuple[str, str]:
    """Say whether the queue holds its share, or nothing has room."""
    rules = matcher._rules
    assert rules is not None
    shares = rules.shares(int(matcher._capacity.sum()), matcher._native.requests())
    guarantee = int(rules.guarantee[queue])
    held = f"queue {rules.names[queue]!r} takes {usage[queue]} slots"
    if usage[queue] + demand > shares[queue]:
        return "Share", (
            f"{held} of its share of {shares[queue]} (guarantee {guarantee}), and nothing has "
            "room for more."
        )
    return "Capacity", (
        f"{held} of its share of {shares[queue]} (guarantee {guarantee}), but no class has "
        f"{demand} free slots, and no preemptible job holds them."
    )


#: Names of the kinds, by their int8 code. NOOP is what a job without a change would have.
KIND_NAMES = ("NOOP", "PLACE", "MOVE", "EVICT")
_NAMES = np.array(KIND_NAMES)


class Kinds:
    """Kinds of changes: int8 codes that read as names.

    ``np.asarray(kinds)`` and `tolist` give names, ``np.asarray(kinds, np.int8)`` and `codes` give
    the codes: 0 NOOP, 1 PLACE, 2 MOVE, 3 EVICT. Compared with a name or a code, entry by entry.

    Examples
    --------
    >>> import numpy as np
    >>> kinds = Kinds(np.array([1, 3], np.int8))
    >>> kinds == "EVICT", kinds.codes, np.asarray(kinds).tolist()
    (array([False,  True]), array([1, 3], dtype=int8), ['PLACE', 'EVICT'])
    """

    __slots__ = ("codes",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, codes: NDArray[np.int8]) -> None:
        codes = np.asarray(codes, np.int8)
        codes.flags.writeable = False
        self.codes = codes

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the codes: int8."""
        return self.codes.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """One entry for each change."""
        return self.codes.shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if dtype is not None and np.dtype(dtype).kind in "iu":
            return self.codes.astype(dtype)
        names = _NAMES.take(self.codes, mode="clip")
        return names if dtype is None else names.astype(dtype)

    def __eq__(self, other: object) -> Any:
        if isinstance(other, (int, np.integer)):
            return self.codes == other
        if isinstance(other, Kinds):
            return self.codes == other.codes
        return np.asarray(self) == other

    def __ne__(self, other: object) -> Any:
        return ~(self == other)

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tolist())

    def __getitem__(self, key: Any) -> Any:
        chosen = self.codes[key]
        return KIND_NAMES[chosen] if np.ndim(chosen) == 0 else Kinds(chosen)

    def tolist(self) -> list[str]:
        """Return the names."""
        return [KIND_NAMES[code] for code in self.codes.tolist()]

    def __repr__(self) -> str:
        return f"Kinds({self.tolist()})"

    def __reduce__(self) -> Any:
        return Kinds, (self.codes,)


class Changes(dict[str, Any]):
    """The changes of a round by column: ``id``, ``from_slot``, ``to_slot`` and ``kind``.

    Ordered by id; slot -1 = unplaced; `kind` is a `Kinds`.
    """

    def to_arrow(self) -> pa.Table:
        """Return the changes as a pyarrow Table; needs pyarrow.

        Returns
        -------
        pyarrow.Table
            ``id`` int64 or string, ``from_slot`` and ``to_slot`` int32 (null = unplaced), ``kind``
            a dictionary of names with int8 indices.
        """
        with extra("grid"):
            import pyarrow as pa

        slots = {
            name: pa.array(self[name], pa.int32(), mask=np.asarray(self[name]) < 0)
            for name in ("from_slot", "to_slot")
        }
        kind = pa.DictionaryArray.from_arrays(pa.array(self["kind"].codes), list(KIND_NAMES))
        ids = self["id"]
        ids = pa.array(ids.tolist(), pa.string()) if ids.dtype == object else pa.array(ids)
        return pa.table({"id": ids, **slots, "kind": kind})

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __reduce__(self) -> Any:
        return Changes, (dict(self),)


class _Jobs(NamedTuple):
    """The data of the job store that an answer keeps once it is read."""

    ids: list[Any]
    received: NDArray[np.int32]  # classes that the caller knew of: `changes` are from there
    before: NDArray[np.int32]  # classes before the round
    assignment: NDArray[np.int32]
    pinned: NDArray[np.bool_]
    fixed: NDArray[np.bool_]  # pinned, or of a matcher of gangs also not preemptible where they are
    held: NDArray[np.bool_]
    columns: dict[str, NDArray[Any]]


class _World(NamedTuple):
    """The data of its Matcher that an answer keeps; none of it is ever changed in place."""

    costs: LiveCosts | None  # None: a formula that a pickle left behind
    rules: GangRules | None
    closed: NDArray[np.int32]
    capacity: NDArray[np.int64]
    n_slots: int
    threads: int
    shares: NDArray[np.int64] | None
    limit_prices: NDArray[np.float64]  # over all types, then of each type
    types: NDArray[np.int32]  # of the classes; empty where queues do not distinguish types


class LiveMatching(Matching):
    """A `Matching` of one round of a `Matcher`, with the changes of that round.

    A value: it stays what it was whatever the matcher does later, may be read from any thread while
    rounds run, pickled and copied. Nothing is copied before it is asked for: `assignment`, `ids`,
    `question`, `verify` and `explain` read the job store on first use and undo what has changed
    since, waiting for a round that runs meanwhile.

    Attributes
    ----------
    changes : Changes
        A dict of columns ``id, from_slot, to_slot, kind`` (PLACE, MOVE or EVICT), ordered by id;
        -1 = unplaced. ``changes.to_arrow()`` is a table.
    unchanged : int
        Number of jobs without a change (NOOP).
    witness_ids : list or None
        The ids of the jobs that `witness` holds as positions in `ids`; None without a witness.
    held : bool array, shape (n_jobs,)
        The jobs that `bound` counts as running, because rules and not costs say so.
    usage, share : int64 array, shape (n_queues,), or None
        Of a `Matcher` with queues: the slots that each queue takes, those below it included, and
        its share of all slots as it was divided in this round.
    usage_by_type : int64 array, shape (n_types, n_queues), or None
        The slots of each type that each queue takes; None where queues have no types.
    """

    changes: Changes
    unchanged: int
    witness_ids: list[Any] | None
    usage: NDArray[np.int64] | None
    share: NDArray[np.int64] | None
    usage_by_type: NDArray[np.int64] | None
    _number: int

    _rounding: ClassVar[float] = 2.0**-45  # relative error of a sum in fixed point
    _shared: ClassVar[frozenset[str]] = frozenset({"_question", "_world", "_jobs"})

    def __init__(
        self, matcher: LiveState, answer: dict[str, Any], shares: NDArray[np.int64] | None
    ) -> None:
        put = object.__setattr__  # a Matching is frozen
        stats = answer["stats"]
        stats["resolution"] = matcher._native.resolution
        for name in ("load", "prices"):
            answer[name].flags.writeable = False
            put(self, name, answer[name])
        for name in ("objective", "bound", "exact", "status"):
            put(self, name, answer[name])
        rules = matcher._rules
        queues = rules is not None and rules.queues is not None
        world = _World(
            matcher._costs,
            rules,
            np.flatnonzero(matcher._closed).astype(np.int32),
            answer["capacity"],
            matcher._n_slots,
            matcher._threads,
            shares if queues else None,
            answer["limit_prices"],
            matcher._slot_types.numbers,
        )
        put(self, "stats", stats)
        put(self, "share", shares if queues else None)
        usage, by_type = None, None
        if rules is not None and rules.queues is not None:
            found = matcher._native.usage()
            usage = found[: len(rules.names)]
            by_type = rules.of_type(found) if rules.types else None
        put(self, "usage", usage)
        put(self, "usage_by_type", by_type)
        put(self, "_world", world)
        put(self, "_raw", {n: answer[n] for n in ("job", "from", "held", "fixed", "late")})
        put(self, "_jobs", None)
        put(self, "_question", None)
        put(self, "changes", _changes(matcher, answer))
        put(self, "unchanged", len(matcher._ids) - len(answer["job"]))
        put(self, "_matcher", matcher)
        put(self, "_number", matcher._history.next_number())
        witness, names = None, None
        if answer["status"] == "infeasible":
            rows = answer["witness_jobs"]
            witness = Witness.of(self.question, rows, answer["witness_slots"])
            names = [self.ids[k] for k in rows.tolist()]
        put(self, "witness", witness)
        put(self, "witness_ids", names)

    # ------------------------------------------------------------ reading the store

    def _read_now(self) -> None:
        """Read what may be asked for from the job store as it was when the round ended."""
        matcher: LiveState | None = self._matcher  # type: ignore[attr-defined]
        if matcher is None:
            return
        matcher._calls.alone(lambda: self._read_store(matcher))

    def _read_store(self, matcher: LiveState) -> None:
        if self._jobs is not None:  # type: ignore[attr-defined]
            return
        store = matcher._history.store_as_of(self._number, store_now(matcher), matcher._size)
        raw: dict[str, Any] = self._raw  # type: ignore[attr-defined]
        at = store.at
        before = store.placed.copy()
        before[np.searchsorted(at, raw["job"])] = raw["from"]
        received = before.copy()
        if raw["late"] is not None:  # moved by a round that was interrupted: before this one
            late, placed = raw["late"]
            before[np.searchsorted(at, late)] = placed
        gangs = len(raw["fixed"]) > 0
        columns = {n: c[at] if len(c) > 1 else c.copy() for n, c in store.columns.items()}
        jobs = _Jobs(
            list(store.ids),
            received,
            before,
            store.placed,
            store.pinned,
            raw["fixed"][at] != 0 if gangs else store.pinned,
            raw["held"][at] != 0 if gangs else np.zeros(len(at), bool),
            columns,
        )
        for array in (*jobs[1:-1], *columns.values()):
            array.flags.writeable = False
        put = object.__setattr__
        put(self, "_jobs", jobs)
        matcher._history.done(self)
        put(self, "_matcher", None)
        put(self, "_raw", None)

    @property
    def _read(self) -> _Jobs:
        if self._jobs is None:  # type: ignore[attr-defined]
            self._read_now()
        jobs: _Jobs = self._jobs  # type: ignore[attr-defined]
        return jobs

    @property
    def ids(self) -> list[Any]:
        """The ids of the live jobs, in the order of `assignment`."""
        return list(self._read.ids)

    @property
    def assignment(self) -> NDArray[np.int32]:
        """The class of each live job; -1 = unplaced."""
        return self._read.assignment

    @property
    def held(self) -> NDArray[np.bool_]:
        """The jobs that `bound` counts as running."""
        return self._read.held

    @property
    def question(self) -> TransportProblem:
        """The problem as it was posed, with switching costs from the placements before."""
        if self._question is None:  # type: ignore[attr-defined]
            object.__setattr__(self, "_question", _question(self._read, self._world))  # type: ignore[attr-defined]
        found: TransportProblem = self._question  # type: ignore[attr-defined]
        return found

    def __getstate__(self) -> dict[str, Any]:
        self._read_now()
        state = {**vars(self), "_matcher": None, "_question": None, "_raw": None}
        world: _World = self._world  # type: ignore[attr-defined]
        if not isinstance(world.costs, (TermCosts, RowCosts)):  # a formula is code: it stays behind
            state["_question"] = self.question.without_cost()
            state["_world"] = world._replace(costs=None)
        return state

    def __copy__(self) -> LiveMatching:
        self._read_now()
        return super().__copy__()

    def __deepcopy__(self, memo: dict[int, Any]) -> LiveMatching:
        self._read_now()
        return super().__deepcopy__(memo)

    # ------------------------------------------------------------ checks

    def verify(self, cost: Any = None, *, threads: int | None = None) -> SolverCertificate:
        """Check the matching against its problem, as `Matching.verify` does.

        Of gangs in queues also: limits, jobs that may not be preempted, and that no job runs in the
        place of a more important one of its queue; the last not where the round was stopped, or
        ``stats["moves_deferred"]`` says that `max_moves` left changes to the next one. The bound is
        recomputed from the prices of slots and of limits, `changes` from the placements that the
        caller knew of and those reached. Not checked: `stats`.
        """
        found = self._verified(cost, threads)
        reasons = (*found.reasons, *self._misreported())
        return dataclasses.replace(
            found, valid=found.valid and reasons == found.reasons, reasons=reasons
        )

    def _verified(self, cost: Any, threads: int | None) -> SolverCertificate:
        """Check placements, bound and witness."""
        if self._world.rules is None:  # type: ignore[attr-defined]
            return super().verify(cost, threads=threads)
        if self.status != "infeasible":
            return self._verify_rules(cost, threads)
        checked, jobs = super().verify(cost, threads=threads), self._read
        if not checked.valid or self.witness is None:
            return checked
        wrong = rules_check.wrongly_fixed(
            jobs.columns, jobs.before, jobs.pinned, jobs.fixed, self.question.source(cost),
            self.witness.jobs,
        )  # fmt: skip
        return dataclasses.replace(checked, valid=not wrong, reasons=tuple(wrong))

    def _misreported(self) -> list[str]:
        """Return the fields about this round that are not those of its jobs and queues."""
        jobs, world = self._read, self._world  # type: ignore[attr-defined]
        rows = np.flatnonzero(jobs.received != jobs.assignment).tolist()
        rows.sort(key=lambda k: jobs.ids[k])
        before, after = jobs.received[rows], jobs.assignment[rows]
        kinds = np.where(before < 0, "PLACE", np.where(after < 0, "EVICT", "MOVE"))
        found: dict[str, Any] = {
            "id": [jobs.ids[k] for k in rows], "from_slot": before.tolist(),
            "to_slot": after.tolist(), "kind": kinds.tolist(),
        }  # fmt: skip
        out = [
            f"changes[{name!r}]: it is not that of the placements received and reached"
            for name, values in found.items()
            if np.asarray(self.changes[name]).tolist() != values
        ]
        if self.unchanged != len(jobs.ids) - len(rows):
            out.append(f"unchanged: found {self.unchanged}, needed {len(jobs.ids) - len(rows)}")
        names = None if self.witness is None else [jobs.ids[k] for k in self.witness.jobs.tolist()]
        if self.witness_ids != names:
            out.append("witness_ids: they are not those of the witness")
        queues = {"share": world.shares, "usage": None, "usage_by_type": None}
        if world.rules is not None and world.rules.queues is not None:
            every = np.ones(len(jobs.ids), np.bool_)
            used = rules_check.usages(
                jobs.columns, world.rules, jobs.assignment, world.types, every
            ).ravel()
            queues["usage"] = used[: len(world.rules.names)]
            queues["usage_by_type"] = world.rules.of_type(used) if world.rules.types else None
        return out + [
            f"{name}: it is not that of the jobs and queues"
            for name, values in queues.items()
            if not np.array_equal(getattr(self, name), values)
        ]

    def _verify_rules(self, cost: Any, threads: int | None) -> SolverCertificate:
        jobs, world = self._read, self._world  # type: ignore[attr-defined]
        q = self.question
        source = q.source(cost)
        prices, by_type = np.split(world.limit_prices, [len(world.rules.names)])
        typed = bool((by_type > 0).any())
        limits = rules_check.limits_of(
            jobs.columns, world.rules, jobs.assignment, world.types, jobs.fixed
        )
        own = limits[: len(prices)]
        shift = rules_check.Shift.of(jobs.columns, world.rules, prices, own, q.n_jobs, q.unplaced)
        apart = typed or shift.any  # prices of slots alone prove less than those of limits too
        status = "feasible" if apart and self.status == "optimal" else self.status
        plain = Matching(
            jobs.assignment, self.load, self.prices, self.objective, -np.inf, False, status,
            self.stats, None, q._replace(cost=source, unplaced=shift.lowered(q.unplaced)),
        )  # fmt: skip
        proof = plain.verify(threads=threads) if shift.any and not typed else None
        if apart:  # the objective is that of the problem without the prices of limits
            plain = dataclasses.replace(
                plain, prices=np.zeros(q.n_slots), question=q._replace(cost=source)
            )
        else:
            plain = dataclasses.replace(plain, bound=self.bound)
        checked = plain.verify(threads=threads)
        low, high = checked.bound_low, checked.bound_high
        reasons: list[str] = []  # beside those of the plain check
        if proof is not None:
            low, high = shift.bound(proof.bound_low), shift.bound(proof.bound_high, up=True)
        elif typed:
            workers = q.threads if threads is None else _checks.threads(threads)
            low, high = rules_check.bound_by_type(
                q._replace(cost=source), jobs.columns, world.rules, world.types, self.prices,
                world.limit_prices, limits, workers,
            )  # fmt: skip
        if apart and not self.bound <= high:
            reasons.append(f"bound: found {self.bound}, the prices prove {low}")
        stopped = self.status in ("time_limit", "stopped") or self.stats["moves_deferred"] > 0
        after, fixed = jobs.assignment, jobs.fixed
        reasons += rules_check.wrongly_fixed(jobs.columns, jobs.before, jobs.pinned, fixed, source)
        reasons += rules_check.broken(
            jobs.columns, world.rules, jobs.before, after, fixed, source, world.types, not stopped
        )
        gap = rules_check.gap(checked.objective, low)
        return dataclasses.replace(
            checked,
            valid=checked.valid and not reasons,
            bound_low=low,
            bound_high=high,
            gap=gap,
            reasons=(*checked.reasons, *reasons),
        )

    def explain(self, job: int, *, cost: Any = None) -> Explanation:
        """Explain the class of the job at this position of `ids`, as `Matching.explain` does."""
        return super().explain(job, cost=cost)

    def __repr__(self) -> str:
        changes = len(self.changes["id"])
        return f"<LiveMatching: {self.status}, {changes} changes, objective {self.objective}>"


def store_now(matcher: LiveState) -> StoredJobs:
    """Return the present job store; its columns are not copied."""
    native = matcher._native
    at = native.live_jobs()
    placed, pinned = native.placements(at), native.is_pinned(at)
    return StoredJobs(at, matcher._ids.keys(at), placed, pinned, matcher._columns)


def _question(jobs: _Jobs, world: _World) -> TransportProblem:
    """Pose the problem of the round; it reads nothing but what the answer keeps."""
    n = len(jobs.ids)
    assert world.costs is not None  # an answer without costs has its question
    source = world.costs.store_source(jobs.columns, n)
    scalars = (jobs.columns["unplaced"], jobs.columns["move_cost"])
    cost, out = _core.posed_problem(source, *scalars, world.closed, jobs.before, jobs.fixed)
    demand = None
    if world.rules is not None:
        demand = np.ascontiguousarray(np.broadcast_to(jobs.columns["demand"], (n,)))
        out = np.where(jobs.held, np.inf, out)
        demand.flags.writeable = False
    room = world.capacity
    for array in (out, room):
        array.flags.writeable = False
    return TransportProblem(cost, n, world.n_slots, room, demand, out, world.threads)


def _changes(matcher: LiveState, answer: dict[str, Any]) -> Changes:
    jobs, kind, text = answer["job"], answer["kind"], matcher._ids.text
    before, after = answer["from"].copy(), answer["to"]  # the caller may change what the core gave
    ids: NDArray[Any]
    ids = np.array(matcher._ids.keys(jobs), object) if text else matcher._ids.numbers(jobs)
    if len(ids) > 1 and (text or not (ids[1:] > ids[:-1]).all()):
        order = np.argsort(ids)  # ids are unique
        ids, before, after, kind = ids[order], before[order], after[order], kind[order]
    return Changes(id=ids, from_slot=before, to_slot=after, kind=Kinds(kind))
