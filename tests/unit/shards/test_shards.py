"""Solves over shards: the same bits as in memory, whatever the cut and whatever is lost."""

import _thread
import concurrent.futures
import copy
import dataclasses
import functools
import math
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import gridcompute as gc
from gridcompute.shards.parquet_files import ShardReader
from interrupts import OURS, Interrupt
from shard_cases import assert_same, in_memory, in_shards, make

#: Jobs and classes from which a solve is not gathered at the coordinator.
JOBS, SLOTS = 110_000, 40


@functools.cache
def case(kind):
    columns, terms, capacity = make(JOBS, SLOTS, 3, tied=kind == "tied", forbid=kind == "forbidden")
    options = {"unplaced": 9.0} if kind == "unplaced" else {}
    if kind == "tight":
        capacity = np.full(SLOTS, JOBS // SLOTS)
    if kind == "column":
        columns["out"] = np.random.default_rng(1).uniform(2, 30, JOBS)
        options = {"unplaced": columns["out"]}
    return columns, terms, capacity, in_memory(columns, terms, capacity, **options)


CUTS = {
    "one": [JOBS],
    "aligned": [16384] * 6 + [JOBS - 6 * 16384],
    "any": [1, 0, 2047, 3000, 20_000, 0, 17, 40_000, JOBS - 65_065, 0],
    "many": [1000] * 110,
}
KINDS = ["plain", "tied", "forbidden", "unplaced", "column", "tight"]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_shards_end_with_the_bits_of_memory(kind, cut):
    """Partitions of any size, none and one row among them, answer what the whole table does."""
    columns, terms, capacity, memory = case(kind)
    assert memory.status == "optimal"
    unplaced = {"unplaced": 9.0, "column": "out"}.get(kind)
    found, slots = in_shards(columns, terms, capacity, CUTS[cut], unplaced=unplaced)
    assert_same(found, slots, memory, f"{kind}, cut {cut}")
    assert found[6]["passes"] == memory.stats["passes"]


@pytest.mark.parametrize("kind", ["scan", "later", "always"])
def test_what_a_shard_remembers_may_be_lost(kind):
    """A worker dies before the pass, after it, or before each question: others answer the same."""
    columns, terms, capacity, memory = case("plain")
    lost = {"scan": (1,), "later": tuple(range(2, 8)), "always": tuple(range(8))}[kind]
    found, slots = in_shards(
        columns, terms, capacity, CUTS["any"], forgetful=lambda q: q[0] in lost
    )
    assert_same(found, slots, memory, kind)


@pytest.mark.parametrize(
    ("n_jobs", "n_slots"), [(0, 3), (1, 1), (2, 3), (7, 1), (300, 20), (5000, 60)]
)
def test_small_problems_are_gathered(n_jobs, n_slots):
    """The coordinator takes all rows where a solve in memory is quicker than a pass and repairs."""
    columns, terms, _ = make(n_jobs, n_slots, 5)
    capacity = np.full(n_slots, n_jobs // n_slots + 1)
    memory = in_memory(columns, terms, capacity)
    half = n_jobs // 2
    found, slots = in_shards(columns, terms, capacity, [half, 0, n_jobs - half])
    assert_same(found, slots, memory, f"{n_jobs} x {n_slots}")


def test_equal_columns_are_those_of_memory():
    """A class that stands twice is solved as two: the answer costs the same."""
    columns, terms, capacity = make(60_000, 60, 8)
    doubled = [(np.concatenate([t, t], axis=1), k, c) for t, k, c in terms]
    room = np.concatenate([capacity, capacity])
    memory = in_memory(columns, doubled, room)
    source = gc.shards.generated(
        60_000, lambda a, b: {k: v[a:b] for k, v in columns.items()}, terms=doubled
    )
    m = gc.transport(source, room)
    assert m.status == "optimal"
    assert m.objective == pytest.approx(memory.objective, rel=1e-12)
    assert m.verify().valid


def test_too_little_capacity_is_infeasible():
    """Jobs that must be placed exceed the slots: the classes say which."""
    columns, terms, capacity = make(JOBS, SLOTS, 3)
    short = capacity // 2
    found, _ = in_shards(columns, terms, short, CUTS["any"])
    assert found[5] == "infeasible"
    jobs, slots = found[7]
    assert len(jobs) == 0
    assert len(slots) == SLOTS, "every class is full"


def test_a_job_without_a_class_is_named():
    """One job of 110,000 fits nowhere: it is the witness, wherever its shard lies."""
    columns, terms, capacity = make(JOBS, SLOTS, 3)
    tables = [(np.vstack([terms[0][0], np.full(SLOTS, np.inf)]), *terms[0][1:]), terms[1]]
    columns["family"] = columns["family"].copy()
    columns["family"][70_001] = 7
    found, _ = in_shards(columns, tables, capacity, CUTS["any"])
    assert found[5] == "infeasible"
    assert found[7][0].tolist() == [70_001]


def source_of(columns, terms, **more):
    """The same jobs, in shards of 32,768."""
    return gc.shards.generated(
        len(columns["family"]),
        lambda a, b: {k: v[a:b] for k, v in columns.items()},
        terms=terms,
        rows_per_shard=20_000,
        **more,
    )


def refused(m, **claims):
    """Why a matching with other claims is no proof."""
    found = dataclasses.replace(m, **claims).verify()
    assert not found.valid
    assert not found.feasible
    return " ".join(found.reasons)


def test_too_little_capacity_is_proved_and_forgeries_are_refuted():
    """If this fails, "infeasible" of a thousand million jobs is a word, not a proof."""
    columns, terms, _ = make(JOBS, SLOTS, 3, forbid=True)
    # Family 3 fits into the first two classes only, which are too small for it.
    tables = [(terms[0][0].copy(), *terms[0][1:]), terms[1]]
    tables[0][0][3, 2:] = np.inf
    short, many = np.full(SLOTS, JOBS), int((columns["family"] == 3).sum())
    short[:2] = many // 2 - 1
    m = gc.transport(source_of(columns, tables), short)
    assert (m.status, m.objective, m.assignment) == ("infeasible", math.inf, None)
    found = m.verify(threads=1)
    assert found.valid, found.reasons
    assert found.bound_low == math.inf
    assert m.witness_slots.tolist() == [0, 1]
    # One slot more for each missing job would have been enough.
    enough = copy.copy(m.question)
    enough.capacity = short.copy()
    enough.capacity[:2] += 2
    assert "only, and they have" in refused(m, question=enough)
    assert "only, and they have" in refused(m, witness_slots=np.array([0, 1, 2], np.int32))
    assert "only, and they have" in refused(m, witness_slots=np.array([0], np.int32))
    assert "ascending" in refused(m, witness_slots=np.array([1, 0], np.int32))
    assert "ascending" in refused(m, witness_slots=np.array([0, SLOTS], np.int32))
    assert "needed an array of int32" in refused(m, witness_slots=None)
    assert "witness_job" in refused(m, witness_job=int((columns["family"] != 3).argmax()))
    assert "needed a job below" in refused(m, witness_job=JOBS)
    assert "objective" in refused(m, objective=1.0)
    assert "exact" in refused(m, exact=True)
    # Jobs that may be left out prove nothing.
    some = gc.transport(source_of(columns, tables, unplaced=1e6), short)
    assert some.status == "optimal"
    assert "0 jobs" in refused(m, question=some.question)


def test_a_job_that_fits_nowhere_is_proved():
    """If this fails, the witness of one job of many is believed without reading its row."""
    columns, terms, capacity = make(JOBS, SLOTS, 3)
    tables = [(np.vstack([terms[0][0], np.full(SLOTS, np.inf)]), *terms[0][1:]), terms[1]]
    columns["family"] = columns["family"].copy()
    columns["family"][70_001] = 7
    m = gc.transport(source_of(columns, tables), capacity)
    assert (m.status, m.witness_job) == ("infeasible", 70_001)
    assert m.verify().valid
    assert "job 70000 may be placed" in refused(m, witness_job=70_000)


@pytest.mark.parametrize("form", [{"terms": [([[1.0, np.inf, 2.0]], "k", None)]}, {"cost": "row"}])
@pytest.mark.parametrize("unplaced", [None, "out"])
def test_small_infeasible_problems_are_proved(form, unplaced):
    """What is gathered at the coordinator is proved as well; a column says who must be placed."""
    columns = {
        "k": np.zeros(40, np.int32),
        "row": np.tile([1.0, np.inf, 2.0], (40, 1)),
        "out": np.repeat([np.inf, 1.0], 20),
    }
    source = gc.shards.generated(
        40,
        lambda a, b: {k: v[a:b] for k, v in columns.items()},
        unplaced=unplaced,
        **form,
    )
    m = gc.transport(source, [4, 100, 15])
    assert m.status == "infeasible"
    found = m.verify()
    assert found.valid, found.reasons
    assert gc.transport(source, [25, 0, 15]).status == "optimal"


def test_a_generated_source_is_proved_and_read_lazily():
    """The columns come from a function; index, slice, parts and the proof go through shards."""
    columns, terms, capacity, memory = case("plain")
    source = gc.shards.generated(
        JOBS,
        lambda first, last: {k: v[first:last] for k, v in columns.items()},
        terms=terms,
        rows_per_shard=20_000,
    )
    assert source.rows == (32_768,) * 3 + (JOBS - 3 * 32_768,)
    seen = []
    m = gc.transport(source, capacity, progress=lambda p: seen.append((p.stage, p.done)))
    assert (m.objective, m.bound, m.gap) == (memory.objective, memory.bound, memory.gap)
    assert len(m.assignment) == JOBS
    assert (np.asarray(m.assignment) == memory.assignment).all()
    assert m.assignment[70_000] == memory.assignment[70_000] == m.assignment[70_000 - JOBS]
    for at in (slice(32_000, 99_000, 7), slice(None, None, -9999), slice(5, 2), slice(99, 5, -3)):
        assert (m.assignment[at] == memory.assignment[at]).all(), at
    assert [len(part) for part in m.assignment.parts()] == list(source.rows)
    certificate = m.verify()
    assert certificate.valid, certificate.reasons
    assert certificate.bound_low == memory.verify().bound_low
    assert m.stats["rows_listed"] < JOBS
    assert m.stats["bytes_from_shards"] > 0
    assert {stage for stage, _ in seen} >= {"samples", "scan", "assign"}
    assert [d for _, d in seen] == sorted(d for _, d in seen)
    assert "optimal" in repr(m)


def test_the_proof_refutes_another_answer():
    """A matching whose prices or objective somebody changed is not valid."""
    import dataclasses

    columns, terms, capacity, _ = case("plain")
    source = gc.shards.generated(
        JOBS, lambda a, b: {k: v[a:b] for k, v in columns.items()}, terms=terms
    )
    m = gc.transport(source, capacity)
    assert not dataclasses.replace(m, objective=m.objective * (1 + 1e-9)).verify().valid
    assert not dataclasses.replace(m, prices=m.prices + 1.0).verify().valid
    assert not dataclasses.replace(m, load=m.load[::-1].copy()).verify().valid


def test_a_time_limit_and_a_progress_that_stops():
    """Out of time there is no matching, and the status says why."""
    columns, terms, capacity, _ = case("plain")
    source = gc.shards.generated(
        JOBS, lambda a, b: {k: v[a:b] for k, v in columns.items()}, terms=terms
    )
    m = gc.transport(source, capacity, time_limit=0.0)
    assert (m.status, m.assignment, m.objective) == ("time_limit", None, np.inf)
    with pytest.raises(gc.InvalidProblemError, match="assignment: found none"):
        m.verify()
    m = gc.transport(source, capacity, progress=lambda p: p.stage == "scan")
    assert (m.status, m.assignment) == ("stopped", None)


def test_a_source_says_what_does_not_fit():
    """Columns, names, keys and options that are wrong, each with its place."""
    table = [[1.0, 2.0], [3.0, 1.0]]

    def source(columns_of, n=4, terms=((table, "family", "work"),), **options):
        return gc.shards.generated(n, columns_of, terms=terms, **options)

    good = {"family": np.array([0, 1, 0, 1]), "work": np.ones(4)}
    with pytest.raises(gc.InvalidProblemError, match="no column 'work'"):
        gc.transport(source(lambda a, b: {"family": good["family"]}), [2, 2])
    with pytest.raises(gc.InvalidProblemError, match=r"shape \(3,\)"):
        gc.transport(source(lambda a, b: {**good, "work": np.ones(3)}), [2, 2])
    with pytest.raises(gc.InvalidProblemError, match=r"terms\[0\]\.key\[2\]: found 2"):
        gc.transport(source(lambda a, b: {**good, "family": np.array([0, 1, 2, 1])}), [2, 2])
    with pytest.raises(gc.InvalidProblemError, match=r"terms\[0\]\.coef\[1\]: found nan"):
        gc.transport(source(lambda a, b: {**good, "work": np.array([1, np.nan, 1, 1])}), [2, 2])
    with pytest.raises(TypeError, match="integer dtype"):
        gc.transport(source(lambda a, b: {**good, "family": np.ones(4)}), [2, 2])
    with pytest.raises(gc.InvalidProblemError, match="capacity"):
        gc.transport(source(lambda a, b: good), [2, 2, 2])
    with pytest.raises(gc.InvalidProblemError, match="demand"):
        gc.transport(source(lambda a, b: good), [2, 2], demand=[1, 1, 1, 1])
    with pytest.raises(gc.InvalidProblemError, match="out"):
        gc.transport(np.ones((2, 2)), [2, 2], out="nowhere")
    with pytest.raises(TypeError, match=r"terms\[0\]\.key must be the name"):
        source(lambda a, b: good, terms=[(table, [0, 1], None)])
    with pytest.raises(TypeError, match="callable"):
        source(None)
    formula = gc.kernel(lambda job_work, slot_speed: job_work / slot_speed)
    with pytest.raises(TypeError, match=r"terms must be a sequence .* not Kernel: formulas"):
        source(lambda a, b: good, terms=formula)
    with pytest.raises(gc.InvalidProblemError, match="unplaced: found -inf"):
        source(lambda a, b: good, unplaced=-np.inf)

    def broken(first, last):
        raise RuntimeError("no such day")

    with pytest.raises(RuntimeError, match="no such day"):
        gc.transport(source(broken), [2, 2])


def test_no_interrupt_leaves_a_reading_thread_waiting():
    """A Ctrl-C between two lines of `Thread.start` left a lock taken, and no exit was possible."""
    key = np.arange(5 * 32_768) % 3
    source = gc.shards.generated(
        len(key),
        lambda a, b: {"key": key[a:b]},
        terms=[(np.ones((3, 2)), "key", None)],
        rows_per_shard=32_768,
    )
    modules = (OURS, threading.__file__, str(Path(concurrent.futures.__file__).parent))

    def read():
        return [k for k, _ in ShardReader(source, 2, 0).parts(range(source.n_shards))]

    expected, before, whole = read(), _thread._count(), Interrupt(modules=modules)
    assert len(expected) > 2
    whole.run(read)
    for n in range(1, whole.seen + 1, max(1, whole.seen // 300)):
        interrupt = Interrupt(n, modules=modules)
        interrupt.run(read)
        waiting = time.monotonic() + 60
        while _thread._count() > before and time.monotonic() < waiting:
            time.sleep(1e-4)
        assert _thread._count() <= before, interrupt.where
    assert read() == expected
