"""The answer of a round of a `Matcher`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .. import _core
from ..results.matching import Matching, Witness
from ..results.problem import TransportProblem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..results.explanation import Explanation
    from ..results.matching import SolverCertificate
    from .state import LiveState

__all__ = ["LiveMatching"]


class LiveMatching(Matching):
    """A `Matching` of one round of a `Matcher`, with the changes of that round.

    `assignment`, `ids`, `question`, `verify` and `explain` are computed from the matcher's state on
    first use, under its lock; once that state has changed they raise RuntimeError. Everything else,
    and what was computed once, is kept. Any thread may read.

    Attributes
    ----------
    changes : dict of array
        ``id, from_slot, to_slot, kind`` (PLACE, MOVE or EVICT), ordered by id; -1 = unplaced.
    unchanged : int
        Number of jobs without a change (NOOP).
    witness_ids : list or None
        The ids of the jobs that `witness` holds as positions in `ids`; None without a witness.
    """

    changes: dict[str, NDArray[Any]]
    unchanged: int
    witness_ids: list[Any] | None

    _rounding: ClassVar[float] = 2.0**-45  # relative error of a sum in fixed point

    def __init__(self, matcher: LiveState, answer: dict[str, Any], version: int) -> None:
        put = object.__setattr__  # a Matching is frozen
        stats = answer["stats"]
        stats["resolution"] = matcher._native.resolution
        for name in ("load", "prices"):
            answer[name].flags.writeable = False
            put(self, name, answer[name])
        for name in ("objective", "bound", "exact", "status"):
            put(self, name, answer[name])
        put(self, "stats", stats)
        put(self, "_matcher", matcher)
        put(self, "_version", version)
        put(self, "_read", {})
        put(self, "_raw", (answer["job"], answer["from"]))
        put(self, "changes", _changes(matcher, answer))
        put(self, "unchanged", len(matcher._ids) - len(answer["job"]))
        witness, names = None, None
        if answer["status"] == "infeasible":
            rows = answer["witness_jobs"]
            witness = Witness.of(_question(self, matcher), rows, answer["witness_slots"])
            names = matcher._ids.keys(matcher._native.live_jobs()[rows])
        put(self, "witness", witness)
        put(self, "witness_ids", names)

    def _get(self, *names: str) -> Any:
        """Return the last of these parts; those not computed yet are computed under one lock."""
        read: dict[str, Any] = self._read  # type: ignore[attr-defined]
        if not all(name in read for name in names):
            matcher: LiveState = self._matcher  # type: ignore[attr-defined]
            with matcher._transaction():
                if matcher._version != self._version:  # type: ignore[attr-defined]
                    raise RuntimeError(
                        "the Matcher has changed since this round: read assignment, ids and "
                        "verify() before changing it"
                    )
                for name in names:
                    if name not in read:
                        read[name] = _PARTS[name](self, matcher)
        return read[names[-1]]

    @property
    def ids(self) -> list[Any]:
        """The ids of the live jobs, in the order of `assignment`."""
        return list(self._get("ids"))

    @property
    def assignment(self) -> NDArray[np.int32]:
        """The class of each live job; -1 = unplaced."""
        found: NDArray[np.int32] = self._get("assignment")
        return found

    @property
    def question(self) -> TransportProblem:
        """The problem as it was posed, with switching costs from the placements before."""
        found: TransportProblem = self._get("question")
        return found

    def verify(self, cost: Any = None, *, threads: int | None = None) -> SolverCertificate:
        """Check the matching against its problem, as `Matching.verify` does."""
        self._get("assignment", "question")
        return super().verify(cost, threads=threads)

    def explain(self, job: int, *, cost: Any = None) -> Explanation:
        """Explain the class of the job at this position of `ids`, as `Matching.explain` does."""
        self._get("assignment", "question")
        return super().explain(job, cost=cost)

    def __repr__(self) -> str:
        changes = len(self.changes["id"])
        return f"<LiveMatching: {self.status}, {changes} changes, objective {self.objective}>"


def _assignment(_: LiveMatching, matcher: LiveState) -> NDArray[np.int32]:
    native = matcher._native
    found = native.placements(native.live_jobs())
    found.flags.writeable = False
    return found


def _question(m: LiveMatching, matcher: LiveState) -> TransportProblem:
    """Copy the problem of the round: the matcher's own columns change with the next call."""
    native = matcher._native
    jobs = native.live_jobs()
    homes, pinned = native.placements(jobs), native.is_pinned(jobs)
    changed, before = m._raw  # type: ignore[attr-defined]
    homes[np.searchsorted(jobs, changed)] = before
    columns = {name: c[jobs] if len(c) > 1 else c for name, c in matcher._columns.items()}
    source = matcher._costs.store_source(columns, len(jobs))
    scalars = (columns["unplaced"], columns["move_cost"])
    closed = np.flatnonzero(matcher._closed).astype(np.int32)
    cost, out = _core.posed_problem(source, *scalars, closed, homes, pinned)
    room = native.capacity()
    for array in (out, room):
        array.flags.writeable = False
    return TransportProblem(cost, len(jobs), matcher._n_slots, room, None, out, matcher._threads)


# Parts that are computed on first use.
_PARTS: dict[str, Any] = {
    "ids": lambda _, matcher: matcher._ids.keys(matcher._native.live_jobs()),
    "assignment": _assignment,
    "question": _question,
}

_KINDS = np.array(["PLACE", "MOVE", "EVICT"])


def _changes(matcher: LiveState, answer: dict[str, Any]) -> dict[str, NDArray[Any]]:
    jobs, before, after = answer["job"], answer["from"], answer["to"]
    ids: NDArray[Any]
    ids = np.array(matcher._ids.keys(jobs), object) if matcher._text else matcher._ids.numbers(jobs)
    if not matcher._text and (ids[1:] > ids[:-1]).all():
        before = before.copy()  # the caller may change it
    else:
        order = np.argsort(ids)  # ids are unique
        ids, before, after = ids[order], before[order], after[order]
    code = (before >= 0).astype(np.intp)
    code += code & (after < 0)
    kind = _KINDS.take(code, mode="clip")  # the mode without a bounds check
    return {"id": ids, "from_slot": before, "to_slot": after, "kind": kind}
