"""Jobs for tests of shards: columns, their terms, and solves with any cut and any loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import gridcompute as gc
from gridcompute.shards.coordinate import Question, coordinate, is_solved
from gridcompute.shards.held import ASSIGN, HeldShard
from gridcompute.shards.source import TermsSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    #: Columns by name; a table with the names of its key and its coefficient for each term.
    Columns = dict[str, NDArray[Any]]
    Terms = list[tuple[NDArray[np.float64], str | None, str | None]]


def make(
    n_jobs: int, n_slots: int, seed: int, *, tied: bool = False, forbid: bool = False
) -> tuple[Columns, Terms, NDArray[np.int64]]:
    """Columns of n_jobs, terms and capacities; tied: small integers, so that jobs tie."""
    r = np.random.default_rng(seed)
    runtime, tariff = r.uniform(1, 4, (7, n_slots)), r.uniform(0, 3, (5, n_slots))
    work, data = r.lognormal(1, 1.2, n_jobs), r.lognormal(0, 1, n_jobs)
    if tied:
        runtime, tariff = np.ceil(3 * runtime), np.ceil(tariff)
        work, data = np.ceil(work).clip(1, 6), np.ceil(data).clip(1, 3)
    if forbid:
        runtime[r.random(runtime.shape) < 0.2] = np.inf
        runtime[:, 0] = 4.0
    columns = {
        "family": r.integers(0, 7, n_jobs).astype(np.int16),
        "origin": r.integers(0, 5, n_jobs).astype(np.int64),
        "work": work.astype(np.float32),
        "data": data,
    }
    terms: Terms = [(runtime, "family", "work"), (tariff, "origin", "data")]
    shares = r.dirichlet(np.ones(n_slots) * 3)
    return columns, terms, r.multinomial(int(n_jobs * 1.1), shares).astype(np.int64)


def in_memory(columns: Columns, terms: Terms, capacity: Any, **options: Any) -> gc.Matching:
    """Solve with all jobs in memory."""
    parts = [
        (t, None if k is None else columns[k], None if c is None else columns[c])
        for t, k, c in terms
    ]
    return gc.transport(gc.Terms(parts), capacity, **options)


def in_shards(
    columns: Columns,
    terms: Terms,
    capacity: Any,
    rows: Sequence[int],
    *,
    unplaced: float | str | None = None,
    forgetful: Callable[[bytes], bool] = lambda _question: False,
) -> tuple[tuple[Any, ...], NDArray[np.int32]]:
    """Solve in shards of these sizes, whatever chunks these cut; what was found, and the classes.

    Before a question for which `forgetful` is true each shard loses what it remembers, like a
    worker that died and whose shard another one has made again.
    """
    spec = TermsSpec(terms, unplaced)
    first = np.concatenate([[0], np.cumsum(rows)]).tolist()
    slots: list[NDArray[np.int32]] = [np.empty(0, np.int32)] * len(rows)

    def shard(k: int) -> HeldShard:
        part = {name: array[first[k] : first[k + 1]] for name, array in columns.items()}
        return HeldShard(spec, lambda: part, first[k], rows[k], first[-1])

    shards = [shard(k) for k in range(len(rows))]

    class Asker:
        held = ()

        def ask(self, questions: list[bytes | None]) -> list[bytes | None]:
            answers: list[bytes | None] = [None] * len(rows)
            for k, question in enumerate(questions):
                if question is None:
                    continue
                if forgetful(question):
                    shards[k] = shard(k)
                answers[k], told = shards[k].answer(question, 1)
                if question[:4] == ASSIGN:
                    slots[k] = told
            return answers

    room = np.ascontiguousarray(capacity, np.int64)
    question = Question(spec.model(), rows, room, None, 0, 2)
    found = coordinate(question, lambda _asking: Asker(), None, None)
    return found, np.concatenate(slots) if is_solved(found) else np.empty(0, np.int32)


def assert_same(
    found: tuple[Any, ...], slots: NDArray[np.int32], memory: gc.Matching, story: str
) -> None:
    """The bits of a solve over shards are those of the solve in memory."""
    prices, load, objective, bound, exact, status = found[:6]
    assert status == memory.status, story
    assert (objective, bound, exact) == (memory.objective, memory.bound, memory.exact), story
    assert np.array_equal(prices, memory.prices), story
    assert np.array_equal(load, memory.load), story
    assert np.array_equal(slots, memory.assignment), story
