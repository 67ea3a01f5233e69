"""Jobs for tests of shards: columns, their terms, and solves with any cut and any loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

import gridcompute as gc
from gridcompute.shards.coordinate import Question, coordinate, is_solved
from gridcompute.shards.cost_specs import cost_spec
from gridcompute.shards.shard_worker import ASSIGN, HeldShard, opened, sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from gridcompute.costs.kernels import SlotKernel

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


@gc.kernel
def formula(job_work, job_family, job_urgent, slot_speed, slot_site, tariff):
    """Seconds of work, and a tariff of the family at the site; urgent jobs stay near."""
    if job_urgent and slot_site == 2:
        return math.inf
    return job_work / slot_speed + tariff[job_family, slot_site]


def make_formula(
    n_jobs: int, n_slots: int, seed: int, work: Any = np.float32
) -> tuple[Columns, SlotKernel, NDArray[np.int64]]:
    """Columns of n_jobs for `formula`, of which one in 1000 is far larger; and capacities."""
    r = np.random.default_rng(seed)
    amounts = r.lognormal(1, 1.2, n_jobs) * np.where(r.random(n_jobs) < 1e-3, 50, 1)
    if np.issubdtype(work, np.integer):
        amounts = np.ceil(amounts).clip(max=np.iinfo(work).max)
    columns = {
        "job_work": amounts.astype(work),
        "job_family": r.integers(0, 7, n_jobs).astype(np.int16),
        "job_urgent": r.random(n_jobs) < 0.3,
    }
    slots = {
        "slot_speed": r.uniform(0.5, 2, n_slots).astype(np.float32),
        "slot_site": np.arange(n_slots) % 3,
    }
    cost = formula.bind(slots=slots, tariff=r.uniform(0, 3, (7, 3)))
    shares = r.dirichlet(np.ones(n_slots) * 3)
    return columns, cost, r.multinomial(int(n_jobs * 1.3), shares).astype(np.int64)


def in_memory(columns: Columns, terms: Terms, capacity: Any, **options: Any) -> gc.Matching:
    """Solve with all jobs in memory."""
    parts = [
        (t, None if k is None else columns[k], None if c is None else columns[c])
        for t, k, c in terms
    ]
    return gc.transport(gc.Terms(parts), capacity, **options)


def in_shards(
    columns: Columns,
    terms: Terms | None,
    capacity: Any,
    rows: Sequence[int],
    *,
    cost: SlotKernel | str | None = None,
    unplaced: float | str | None = None,
    forgetful: Callable[[bytes], bool] = lambda _question: False,
) -> tuple[tuple[Any, ...], NDArray[np.int32]]:
    """Solve in shards of these sizes, whatever chunks these cut; what was found, and the classes.

    Before a question for which `forgetful` is true each shard loses what it remembers, like a
    worker that died and whose shard another one has made again.
    """
    spec = cost_spec(terms, cost, unplaced).of_samples(columns)
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
                name = shards[k].name.encode()
                answer, told = shards[k].answer(sealed(question, name), 1)
                answers[k] = opened(answer, "an answer", name, question)
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
