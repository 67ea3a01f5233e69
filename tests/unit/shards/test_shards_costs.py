"""Formulas and matrices over shards: the bits of memory, from files and functions, and faults."""

import math
import re

import numpy as np
import pytest

import gridcompute as gc
from shard_cases import assert_same, in_memory, in_shards, make, make_formula

pytest.importorskip("numba")

JOBS, SLOTS = 110_000, 40
CUT = [1, 0, 2047, 3000, 20_000, 0, 17, 40_000, JOBS - 65_065, 0]


def generated(columns, **options):
    """A source whose function cuts these columns."""
    n = len(next(iter(columns.values())))
    parts = {name: np.asarray(column) for name, column in columns.items()}
    return gc.shards.generated(
        n, lambda a, b: {name: column[a:b] for name, column in parts.items()}, **options
    )


@pytest.fixture(scope="module")
def jobs():
    """Columns, a formula, capacities, the answer in memory."""
    columns, cost, capacity = make_formula(JOBS, SLOTS, 4)
    return columns, cost, capacity, gc.transport(cost.with_jobs(columns), capacity)


@pytest.mark.parametrize("kind", ["formula", "matrix"])
def test_files_and_functions_answer_what_memory_does(jobs, tmp_path, kind):
    """Files with row groups of any size, and ranges of a function; the proof reads them too."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns, cost, capacity, memory = jobs
    stored = columns
    if kind == "matrix":
        rows = cost.with_jobs(columns).dense()
        memory = gc.transport(rows, capacity)
        columns, cost = {"row": rows}, "row"
        stored = {"row": pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), SLOTS)}
    table = pa.table(stored)
    for k, (a, b) in enumerate([(0, 30_001), (30_001, 30_001), (30_001, 95_000), (95_000, JOBS)]):
        part = table.slice(a, b - a)
        pq.write_table(part, tmp_path / f"jobs-{k}.parquet", row_group_size=7_000 + k)
    sources = {
        "files": gc.shards.parquet(tmp_path, cost=cost, rows_per_shard=40_000),
        "function": generated(columns, cost=cost, rows_per_shard=40_000),
    }
    for name, source in sources.items():
        m = gc.transport(source, capacity, out=tmp_path / "out" if name == "files" else None)
        assert (m.objective, m.bound, m.status) == (memory.objective, memory.bound, "optimal"), name
        assert (np.asarray(m.assignment) == memory.assignment).all(), name
        assert m.verify().valid, name
        assert m.verify().bound_low == memory.verify().bound_low, name


def test_costs_far_beyond_the_sample_set_a_new_resolution(jobs):
    """One job of 110,000 costs ten thousand times more: all shards tell their largest cost."""
    columns, cost, capacity, _ = jobs
    columns = {**columns, "job_work": columns["job_work"].copy()}
    columns["job_work"][70_001] = 3e7
    memory = gc.transport(cost.with_jobs(columns), capacity)
    asked = []

    def note(question):
        asked.append(question[0])
        return False

    found, slots = in_shards(columns, None, capacity, CUT, cost=cost, forgetful=note)
    assert 8 in asked, "no shard was asked for its largest cost"
    assert memory.status == "optimal"
    assert_same(found, slots, memory, "one large cost")


@pytest.mark.parametrize(
    ("n_jobs", "n_slots"), [(0, 3), (1, 1), (2, 3), (7, 1), (300, 20), (5000, 60)]
)
def test_small_problems_are_gathered(n_jobs, n_slots):
    """No job, one, and few: their rows of any width come to the coordinator."""
    columns, cost, _ = make_formula(n_jobs, n_slots, 5)
    capacity = np.full(n_slots, n_jobs // n_slots + 1 + n_jobs)
    bound = cost.with_jobs(columns)
    half = n_jobs // 2
    cut = [half, 0, n_jobs - half]
    found, slots = in_shards(columns, None, capacity, cut, cost=cost)
    assert_same(found, slots, gc.transport(bound, capacity), f"{n_jobs} x {n_slots}")
    rows = bound.dense().astype(np.float32)
    found, slots = in_shards({"row": rows}, None, capacity, cut, cost="row")
    assert_same(found, slots, gc.transport(rows, capacity), f"{n_jobs} x {n_slots}, matrix")


def test_a_cost_that_is_no_number_names_its_job():
    """NaN and -inf in the middle of a shard, in one that was sampled and in one that was not."""
    columns, cost, capacity = make_formula(JOBS, SLOTS, 6)
    rows = cost.with_jobs(columns).dense()
    for job, slot, value in [(70_001, 7, math.nan), (70_001, 0, -math.inf), (0, 39, math.nan)]:
        bad = rows.copy()
        bad[job, slot] = value
        with pytest.raises(gc.InvalidProblemError, match=f"row {job} has a NaN or -inf") as error:
            gc.transport(generated({"row": bad}, cost="row", rows_per_shard=1), capacity)
        assert (error.value.field, error.value.index) == ("cost", job)


def test_costs_below_every_unit_are_solved_over_shards():
    """Costs of 2**-950: memory scales them, shards say what they prove; nothing is read amiss."""
    columns, terms, capacity = make(JOBS, SLOTS, 3)
    tiny = [(np.ldexp(table, -950), key, coef) for table, key, coef in terms]
    memory = in_memory(columns, tiny, capacity)
    m = gc.transport(generated(columns, terms=tiny, rows_per_shard=30_000), capacity)
    assert m.status in ("optimal", "feasible")
    assert m.verify().valid
    assert m.objective == pytest.approx(memory.objective, rel=1e-6, abs=0)
    assert m.bound <= memory.objective


def test_what_does_not_fit_is_said():
    """Types that change from part to part, widths, names, and costs that are neither or both."""
    columns, cost, capacity = make_formula(40, 4, 7)
    table = [([[1.0] * 4], None, "job_work")]
    with pytest.raises(TypeError, match="found neither, needed one"):
        generated(columns)
    with pytest.raises(TypeError, match="found both, needed one"):
        generated(columns, cost=cost, terms=table)
    with pytest.raises(TypeError, match=re.escape("kernel.bind(slots=...)")):
        generated(columns, cost=cost.with_jobs(columns))
    with pytest.raises(TypeError, match="not int"):
        generated(columns, cost=3)
    with pytest.raises(gc.InvalidProblemError, match="no column 'job_work'"):
        generated({"job_family": columns["job_family"]}, cost=cost)
    with pytest.raises(gc.InvalidProblemError, match=r"row: found shape \(1,\)"):
        generated({"row": np.ones(40)}, cost="row")
    with pytest.raises(TypeError, match="row must be float32 or float64, not int64"):
        generated({"row": np.ones((40, 4), np.int64)}, cost="row")
    with pytest.raises(gc.InvalidProblemError, match="unplaced: found the column of costs"):
        generated({"row": np.ones((40, 4))}, cost="row", unplaced="row")

    def changing(first, last):
        part = {name: column[first:last] for name, column in columns.items()}
        if last - first > 1:
            part["job_family"] = part["job_family"].astype(np.int64)
        return part

    with pytest.raises(TypeError, match="job_family must be int16, for which the formula was"):
        gc.transport(gc.shards.generated(40, changing, cost=cost), capacity)
    first = np.array([0.5, *[2**53 + 1] * 39], object)
    later = {**columns, "job_work": first}

    def rounded(a, b):
        part = {name: column[a:b] for name, column in later.items()}
        return {**part, "job_work": part["job_work"].astype(float if b - a == 1 else np.int64)}

    with pytest.raises(TypeError, match="job_work must be float64, for which the formula was"):
        gc.transport(gc.shards.generated(40, rounded, cost=cost), capacity)
    for kind in (cost, "row"):
        with pytest.raises(TypeError, match="must return a mapping of columns, not NoneType"):
            gc.shards.generated(40, lambda _a, _b: None, cost=kind)
    with pytest.raises(TypeError, match="must return a mapping of columns, not list"):
        gc.transport(gc.shards.generated(40, lambda _a, _b: [], terms=table), capacity)
    narrow = {name: column.copy() for name, column in columns.items()}
    wide = gc.shards.generated(
        40,
        lambda a, b: {**{k: c[a:b] for k, c in narrow.items()}, "row": np.ones((b - a, b))},
        cost="row",
    )
    with pytest.raises(gc.InvalidProblemError, match=r"found shape \(40, 40\), needed \(40, 1\)"):
        gc.transport(wide, [40])
