"""Solves over shards end with the bits of memory, for any jobs, any cut and any loss."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gridcompute as gc
from shard_cases import assert_same, in_memory, in_shards, make, make_formula

SLOTS = 64


@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_jobs=st.integers(66_000, 80_000),
    tied=st.booleans(),
    forbid=st.booleans(),
    unplaced=st.sampled_from([None, 0.5, 6.0, "out"]),
    tight=st.booleans(),
    cuts=st.lists(st.floats(0, 1), max_size=9),
    lost=st.sets(st.integers(0, 7)),
)
def test_the_bits_of_memory(seed, n_jobs, tied, forbid, unplaced, tight, cuts, lost):
    """If this fails, an answer depends on how the jobs were cut, or on what a shard forgot."""
    columns, terms, capacity = make(n_jobs, SLOTS, seed, tied=tied, forbid=forbid)
    if tight and unplaced is not None:
        capacity = capacity // 2
    options = {}
    if unplaced == "out":
        columns["out"] = np.random.default_rng(seed).uniform(1, 40, n_jobs)
        options = {"unplaced": columns["out"]}
    elif unplaced is not None:
        options = {"unplaced": unplaced}
    memory = in_memory(columns, terms, capacity, **options)
    ends = sorted({0, n_jobs, *(int(c * n_jobs) for c in cuts)})
    rows = [b - a for a, b in itertools.pairwise(ends)]
    found, slots = in_shards(
        columns, terms, capacity, rows, unplaced=unplaced, forgetful=lambda q: q[0] in lost
    )
    if memory.status == "infeasible":
        assert found[5] == "infeasible"
        return
    story = f"seed {seed}, {n_jobs} jobs, tied {tied}, forbid {forbid}, rows {rows}, lost {lost}"
    assert_same(found, slots, memory, story)


@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_jobs=st.integers(66_000, 80_000),
    work=st.sampled_from([np.float32, np.float64, np.int32, np.uint8]),
    matrix=st.sampled_from([None, np.float32, np.float64]),
    unplaced=st.sampled_from([None, 4.0, "out"]),
    cuts=st.lists(st.floats(0, 1), max_size=9),
    lost=st.sets(st.integers(0, 8)),
)
def test_the_bits_of_formulas_and_matrices(seed, n_jobs, work, matrix, unplaced, cuts, lost):
    """If this fails, a column came to a formula as something else, or a row of costs did."""
    pytest.importorskip("numba")
    columns, cost, capacity = make_formula(n_jobs, SLOTS, seed, work)
    bound = cost.with_jobs(columns)
    if matrix is not None:
        columns, cost = {"row": bound.dense().astype(matrix)}, "row"
    options = {}
    if unplaced is not None:
        capacity = capacity // 2
        columns["out"] = np.random.default_rng(seed).uniform(1, 40, n_jobs)
        options = {"unplaced": columns["out"] if unplaced == "out" else unplaced}
    dense = columns["row"] if matrix is not None else bound
    memory = gc.transport(dense, capacity, **options)
    ends = sorted({0, n_jobs, *(int(c * n_jobs) for c in cuts)})
    rows = [b - a for a, b in itertools.pairwise(ends)]
    found, slots = in_shards(
        columns,
        None,
        capacity,
        rows,
        cost=cost,
        unplaced=unplaced,
        forgetful=lambda q: q[0] in lost,
    )
    story = f"seed {seed}, {n_jobs} jobs, work {work}, matrix {matrix}, rows {rows}, lost {lost}"
    assert_same(found, slots, memory, story)
