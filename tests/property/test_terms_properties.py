"""For any terms, the dense matrix is the formula evaluated pair by pair in Python floats."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gridcompute import Terms

REALS = st.floats(-1e100, 1e100)
ENTRIES = st.one_of(REALS, st.just(math.inf))


@st.composite
def terms(draw):
    n_jobs, n_slots = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    made = []
    for _ in range(draw(st.integers(1, 4))):
        n_keys = draw(st.integers(1, 3))
        row = st.lists(ENTRIES, min_size=n_slots, max_size=n_slots)
        table = draw(st.lists(row, min_size=n_keys, max_size=n_keys))
        key = draw(
            st.none() | st.lists(st.integers(0, n_keys - 1), min_size=n_jobs, max_size=n_jobs)
        )
        coef = draw(st.none() | st.lists(REALS, min_size=n_jobs, max_size=n_jobs))
        made.append((table, key, coef))
    return [*made, ([[0.0] * n_slots], [0] * n_jobs, None)], n_jobs, n_slots


@given(terms())
def test_dense_is_the_formula(case):
    made, n_jobs, n_slots = case
    dense = Terms(made).dense()
    assert dense.shape == (n_jobs, n_slots)
    for i in range(n_jobs):
        for s in range(n_slots):
            total = None
            for table, key, coef in made:
                part = table[key[i] if key else 0][s] * (coef[i] if coef else 1.0)
                total = part if total is None else total + part
            assert dense[i, s] == (total if math.isfinite(total) else math.inf)


@given(terms(), st.data())
def test_rows_are_the_rows_of_the_whole(case, data):
    made, n_jobs, _ = case
    rows = data.draw(st.lists(st.integers(0, n_jobs - 1)))
    whole = Terms(made)
    assert np.array_equal(whole.dense(rows), whole.dense()[rows])
