"""The coordinator of a solve over shards, wherever these are."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from .. import _core
from .._progress import progress_hook

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from .._progress import ProgressHook

__all__ = ["Answers", "Asking", "Question", "coordinate", "is_solved"]

#: Answers of shards, in their order; None: out of time, False: stopped.
Answers = list[bytes | None] | bool | None

# Where a solve is while shards answer a question of this kind (protocol.hpp): the stage, and the
# fractions at which it begins and ends.
_STAGES = {
    0: ("samples", 0.0, 0.1),
    1: ("scan", 0.2, 0.7),
    7: ("assign", 0.8, 1.0),
}


class Question(NamedTuple):
    """A problem as the coordinator reads it."""

    model: _core.CostModel
    rows: Sequence[int]
    capacity: NDArray[np.int64]
    prices: NDArray[np.float64] | None
    seed: int
    threads: int


class Shards(Protocol):
    """Whoever asks the shards."""

    #: The shards themselves, if they are in this process: an answer that one of them keeps stands
    #: for the one that `ask` returns.
    held: Sequence[_core.JobShard]

    def ask(self, questions: list[bytes | None]) -> Answers:
        """Ask each shard its question, none where it is None."""
        ...


class Asking:
    """The limits of a solve over shards, and its progress.

    Parameters
    ----------
    hook : callable or None
        Gets stage and fraction, and stops the solve by returning True.
    time_limit : float or None
        Seconds from now.
    """

    def __init__(self, hook: Callable[[str, float], bool] | None, time_limit: float | None) -> None:
        self._hook = hook
        self._deadline = None if time_limit is None else time.monotonic() + time_limit
        self._done = 0.0

    def show(self, stage: str, done: float) -> bool:
        """Show how far the solve is, never less than before; True: stop."""
        self._done = max(self._done, done)
        return self._hook is not None and self._hook(stage, self._done)

    def left(self) -> float | None:
        """Return the seconds left, 0 or more; None where there is no limit."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def over(self, question: bytes, done: float) -> tuple[bool | None] | None:
        """Return what `ask` has to return where the solve ends here, in a tuple; else None.

        `done` is the share of the shards that have answered.
        """
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return (None,)
        kind = int.from_bytes(question[:4], "little")
        stage, begin, end = _STAGES.get(kind, ("verify", 0.7, 0.8))
        return (False,) if self.show(stage, begin + (end - begin) * done) else None

    def wait(
        self, question: bytes, pending: list[Any], some: Callable[[list[Any]], list[Any]]
    ) -> tuple[bool | None] | None:
        """Wait for all answers to a question, as `over` where the solve ends before.

        `some` waits a moment for some of those that are pending, and returns the others.
        """
        left = pending
        while left:
            left = some(left)
            over = self.over(question, 1 - len(left) / len(pending))
            if over is not None:
                return over
        return None


def coordinate(
    question: Question,
    begin: Callable[[Asking], Shards],
    time_limit: float | None,
    progress: bool | ProgressHook | None,
) -> tuple[Any, ...]:
    """Solve; `begin` gets the shards ready. Returns what `ShardedMatching.of` reads."""
    with progress_hook(progress, "transport") as hook:
        asking = Asking(hook, time_limit)
        shards = begin(asking)
        return _core.transport_shards(
            question.model,
            np.array(question.rows, np.int64),
            question.capacity,
            shards.ask,
            question.prices,
            question.seed,
            question.threads,
            asking.left(),
            asking.show,
            shards.held,
        )


def is_solved(found: tuple[Any, ...]) -> bool:
    """Return whether the shards have a class for each of their jobs."""
    objective, status = found[2], found[5]
    return status in ("optimal", "feasible") or (status == "time_limit" and objective < math.inf)
