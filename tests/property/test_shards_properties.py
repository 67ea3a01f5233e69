"""Solves over shards end with the bits of memory, for any jobs, any cut and any loss."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shard_cases import assert_same, in_memory, in_shards, make

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
def test_the_bits_of_memory(seed, n_jobs, tied, forbid, unplaced, tight, cuts, lost) -> None:
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
