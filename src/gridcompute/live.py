"""What a round of a `Matcher` answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .result import Matching, Question, Witness

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .matcher import Matcher

__all__ = ["LiveMatching"]


class LiveMatching(Matching):
    """A `Matching` of a `Matcher`'s round, and what it changed.

    `assignment`, `ids`, `verify` and `explain` read the world, so ask for them before changing it:
    afterwards they raise RuntimeError. All else stays.

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
        stats["resolution"] = world._native.resolution
        for name in ("load", "prices"):
            answer[name].flags.writeable = False
            put(self, name, answer[name])
        for name in ("objective", "bound", "exact", "status"):
            put(self, name, answer[name])
        put(self, "stats", stats)
        put(self, "_world", world)
        put(self, "_version", version)
        put(self, "_raw", (answer["job"], answer["from"]))
        put(self, "changes", _changes(world, answer))
        put(self, "unchanged", len(world._ids) - len(answer["job"]))
        witness, names = None, None
        if answer["status"] == "infeasible":
            rows = answer["witness_jobs"]
            witness = Witness.of(self.question, rows, answer["witness_slots"])
            names = world._ids.keys(world._native.list()[rows])
        put(self, "witness", witness)
        put(self, "witness_ids", names)

    def _fresh(self) -> Matcher:
        world: Matcher = self._world  # type: ignore[attr-defined]
        if world._version != self._version:  # type: ignore[attr-defined]
            raise RuntimeError(
                "the world has changed since this round: read assignment, ids and verify() before "
                "changing it"
            )
        return world

    @property
    def ids(self) -> list[Any]:
        """The ids of the live jobs, in the order of `assignment`."""
        world = self._fresh()
        return world._ids.keys(world._native.list())

    @property
    def assignment(self) -> NDArray[np.int32]:
        """The class of each live job; -1 = left out."""
        native = self._fresh()._native
        return native.homes(native.list())

    @property
    def question(self) -> Question:
        """The problem as it was posed, with the moves from where the jobs were before."""
        world = self._fresh()
        native = world._native
        jobs = native.list()
        homes = native.homes(jobs)
        changed, before = self._raw  # type: ignore[attr-defined]
        homes[np.searchsorted(jobs, changed)] = before
        cost, out = native.problem(jobs, homes)
        return Question(cost, len(jobs), world._n_slots, world._capacity, None, out, world._threads)

    def __repr__(self) -> str:
        changes = len(self.changes["id"])
        return f"<LiveMatching: {self.status}, {changes} changes, objective {self.objective}>"


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
