"""What a round of a `Matcher` answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .. import _core
from ..results.matching import Matching, Witness
from ..results.problem import TransportProblem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..results.explanation import Explanation
    from ..results.matching import Certificate
    from .matcher import Matcher

__all__ = ["LiveMatching"]


class LiveMatching(Matching):
    """A `Matching` of a `Matcher`'s round, and what it changed.

    `assignment`, `ids`, `question`, `verify` and `explain` are read from the world when they are
    first asked for, under its lock: before the world changes, for afterwards they raise
    RuntimeError. What was read once stays as it was, and so does all else; any thread may ask.

    Attributes
    ----------
    changes : dict of array
        ``id, from_slot, to_slot, kind`` (PLACE, MOVE or EVICT), ordered by id; -1 = left out.
    unchanged : int
        How many jobs stay as they were (NOOP).
    witness_ids : list or None
        The ids of the witness's jobs, which itself has as positions in `ids`; None without one.
    """

    changes: dict[str, NDArray[Any]]
    unchanged: int
    witness_ids: list[Any] | None

    _rounding: ClassVar[float] = 2.0**-45  # a round adds up in fixed point

    def __init__(self, world: Matcher, answer: dict[str, Any], version: int) -> None:
        put = object.__setattr__
        stats = answer["stats"]
        stats["held_back"], stats["move_cost"] = answer["held"], answer["moved"]
        stats["over"] = answer["over"]
        stats["resolution"] = world._native.resolution
        for name in ("load", "prices"):
            answer[name].flags.writeable = False
            put(self, name, answer[name])
        for name in ("objective", "bound", "exact", "status"):
            put(self, name, answer[name])
        put(self, "stats", stats)
        put(self, "_world", world)
        put(self, "_version", version)
        put(self, "_read", {})
        put(self, "_raw", (answer["job"], answer["from"]))
        put(self, "changes", _changes(world, answer))
        put(self, "unchanged", len(world._ids) - len(answer["job"]))
        witness, names = None, None
        if answer["status"] == "infeasible":
            rows = answer["witness_jobs"]
            witness = Witness.of(_question(self, world), rows, answer["witness_slots"])
            names = world._ids.keys(world._native.list()[rows])
        put(self, "witness", witness)
        put(self, "witness_ids", names)

    def _get(self, *names: str) -> Any:
        """The last of these parts; all are read at one moment, if they were not before."""
        read: dict[str, Any] = self._read  # type: ignore[attr-defined]
        if not all(name in read for name in names):
            world: Matcher = self._world  # type: ignore[attr-defined]
            with world._held():
                if world._version != self._version:  # type: ignore[attr-defined]
                    raise RuntimeError(
                        "the world has changed since this round: read assignment, ids and verify() "
                        "before changing it"
                    )
                for name in names:
                    if name not in read:
                        read[name] = _PARTS[name](self, world)
        return read[names[-1]]

    @property
    def ids(self) -> list[Any]:
        """The ids of the live jobs, in the order of `assignment`."""
        return list(self._get("ids"))

    @property
    def assignment(self) -> NDArray[np.int32]:
        """The class of each live job; -1 = left out."""
        found: NDArray[np.int32] = self._get("assignment")
        return found

    @property
    def question(self) -> TransportProblem:
        """The problem as it was posed, with the moves from where the jobs were before."""
        found: TransportProblem = self._get("question")
        return found

    def verify(self, *, threads: int | None = None) -> Certificate:
        """Check the matching against its problem, as `Matching.verify` does."""
        self._get("assignment", "question")
        return super().verify(threads=threads)

    def explain(self, job: int) -> Explanation:
        """Where the job at this position of `ids` went and why, as `Matching.explain` does."""
        self._get("assignment", "question")
        return super().explain(job)

    def __repr__(self) -> str:
        changes = len(self.changes["id"])
        return f"<LiveMatching: {self.status}, {changes} changes, objective {self.objective}>"


def _assignment(_: LiveMatching, world: Matcher) -> NDArray[np.int32]:
    native = world._native
    found = native.homes(native.list())
    found.flags.writeable = False
    return found


def _question(m: LiveMatching, world: Matcher) -> TransportProblem:
    """From copies: the world's own columns change with the next call."""
    native = world._native
    jobs = native.list()
    homes, pinned = native.homes(jobs), native.pinned(jobs)
    changed, before = m._raw  # type: ignore[attr-defined]
    homes[np.searchsorted(jobs, changed)] = before
    columns = {name: c[jobs] if len(c) > 1 else c for name, c in world._columns.items()}
    source = world._costs.slab(columns, len(jobs))
    scalars = (columns["unplaced"], columns["move_cost"])
    shut = np.flatnonzero(world._closed).astype(np.int32)
    cost, out = _core.live_problem(source, *scalars, shut, homes, pinned)
    room = native.capacity()
    for array in (out, room):
        array.flags.writeable = False
    return TransportProblem(cost, len(jobs), world._n_slots, room, None, out, world._threads)


# What is read from the world on demand.
_PARTS: dict[str, Any] = {
    "ids": lambda _, world: world._ids.keys(world._native.list()),
    "assignment": _assignment,
    "question": _question,
}

_KINDS = np.array(["PLACE", "MOVE", "EVICT"])


def _changes(world: Matcher, answer: dict[str, Any]) -> dict[str, NDArray[Any]]:
    jobs, before, after = answer["job"], answer["from"], answer["to"]
    ids: NDArray[Any]
    ids = np.array(world._ids.keys(jobs), object) if world._text else world._ids.numbers(jobs)
    if not world._text and (ids[1:] > ids[:-1]).all():
        before = before.copy()  # the caller's to change
    else:
        order = np.argsort(ids)  # each stands once
        ids, before, after = ids[order], before[order], after[order]
    code = (before >= 0).astype(np.intp)
    code += code & (after < 0)
    kind = _KINDS.take(code, mode="clip")  # the fast one
    return {"id": ids, "from_slot": before, "to_slot": after, "kind": kind}
