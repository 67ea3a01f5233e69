"""Classes that cost every job the same are solved as one, at every size and from every source."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from gridcompute import InvalidProblemError, Terms, transport

DTYPES = [np.int32, np.int64, np.float32, np.float64]


def copies(n, distinct, s, seed=1):
    """Return distinct columns, the column of each class, and capacities with little spare room."""
    r = np.random.default_rng(seed)
    own = r.integers(0, 8000, (n, distinct), np.int32)
    of = r.permutation(np.r_[np.arange(distinct), r.integers(0, distinct, s - distinct)])
    return own, of, r.multinomial(int(n * 1.01), np.full(s, 1 / s)).astype(np.int64)


def as_one(own, of, capacity, **options):
    """Solve the same problem with each class once, its copies counted by the caller."""
    return transport(own, np.bincount(of, capacity, own.shape[1]).astype(np.int64), **options)


def merged(m):
    """Say whether classes were merged; small problems in memory do so without telling."""
    return "merge" in m.stats["seconds"]


def check_copies(m, of):
    """Check that copies have one price, and that jobs fill the lowest of them first."""
    for k in np.unique(of):
        mine = np.flatnonzero(of == k)
        assert len(set(m.prices[mine])) == 1, (k, m.prices[mine])
        placed = m.assignment[np.isin(m.assignment, mine)]
        assert (np.diff(placed) >= 0).all(), k


def test_classes_without_a_slot_to_spare_list_few_candidates():
    """If this fails, what all prices may move alike widens the box: 26 times the candidates.

    Where all classes are full their prices are known up to a constant, which changes no job's
    cheapest class.
    """
    n, s = 100_000, 100
    own = np.random.default_rng(3).integers(0, 5000, (n, s // 4), dtype=np.int32)
    cost, slots = np.tile(own, 4), n // s
    listed = [
        transport(cost, np.full(s, slots + more)).stats["candidates"] for more in (0, slots // 20)
    ]
    assert listed[0] <= 5 * listed[1], listed  # 92,972 and 36,968


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [3000, 25_000])
def test_copies_are_solved_as_one(n, dtype):
    """If this fails, copies above 20,000 jobs are told apart, at ten times the time."""
    own, of, capacity = copies(n, 6, 24)
    m = transport(own[:, of].astype(dtype), capacity, method="exact")
    one = as_one(own, of, capacity, method="exact")
    assert (m.status, m.objective, m.exact) == ("optimal", one.objective, True)
    assert merged(m)
    assert not merged(one)
    check_copies(m, of)
    assert (m.load <= capacity).all()
    assert m.verify().valid, m.verify()
    assert m.verify().gap == 0.0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_copies_in_sparse_costs_are_solved_as_one(dtype, index):
    """If this fails, equal columns of CSR, or columns without any entry, are told apart."""
    r = np.random.default_rng(5)
    n, distinct = 24_000, 12
    own = r.integers(1, 8000, (n, distinct))
    own[r.random(own.shape) < 0.7] = 0
    own[:, 0] = r.integers(4000, 9000, n)
    of = r.permutation(
        np.r_[np.arange(distinct), r.integers(0, distinct, 36), np.full(12, distinct)]
    )
    sets = np.c_[own, np.zeros((n, 1), own.dtype)]  # the last without entries
    capacity = r.multinomial(int(n * 1.2), np.full(len(of), 1 / len(of))).astype(np.int64)
    cost = csr_array(sets[:, of].astype(dtype))
    cost.indices, cost.indptr = cost.indices.astype(index), cost.indptr.astype(index)
    m = transport(cost, capacity, unplaced=20_000)
    one = as_one(csr_array(sets.astype(dtype)), of, capacity, unplaced=20_000)
    assert (m.status, m.objective, m.exact) == ("optimal", one.objective, True)
    assert merged(m)
    check_copies(m, of)
    assert m.verify().valid, m.verify()


@pytest.mark.parametrize("kind", ["dense", "csr"])
def test_columns_that_differ_are_not_merged(kind):
    """If this fails, distinct classes are taken for equal."""
    r = np.random.default_rng(6)
    cost = r.integers(1, 3, (3000, 24))
    m = transport(csr_array(cost) if kind == "csr" else cost, np.full(24, 130), method="exact")
    assert not merged(m)
    assert m.verify().valid, m.verify()


def test_copies_of_terms_are_solved_as_one():
    """If this fails, equal columns of tables are told apart for each job."""
    r = np.random.default_rng(3)
    _, of, capacity = copies(25_000, 6, 24)
    tables = r.random((5, 6)), r.random((9, 6))
    keys = r.integers(0, 5, 25_000), r.integers(0, 9, 25_000)
    m, one = (
        transport(
            Terms([(t[:, c], k, None) for t, k in zip(tables, keys, strict=True)]),
            room,
        )
        for c, room in (
            (of, capacity),
            (np.arange(6), np.bincount(of, capacity, 6).astype(np.int64)),
        )
    )
    assert m.status == one.status == "optimal"
    assert m.objective == pytest.approx(one.objective, rel=1e-12)
    assert merged(m)
    check_copies(m, of)
    assert m.verify().valid, m.verify()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("many", [False, True])
def test_a_class_that_differs_in_one_job_is_no_copy(dtype, many):
    """If this fails, what a few rows show of a class is believed of all."""
    own, of, capacity = copies(25_000, 6, 24)
    cost = own[:, of].astype(dtype)
    others = [s for s in range(24) if s != np.flatnonzero(of == of[s])[0]]
    others = others if many else others[-1:]
    jobs = np.linspace(101, 24_007, len(others)).astype(int)
    cost[jobs, others] = -9_000_000
    capacity = np.maximum(capacity, 1)
    m = transport(cost, capacity, threads=2)
    assert m.assignment[jobs].tolist() == others
    assert merged(m) is not many
    assert m.exact
    assert m.verify().valid, m.verify()
    assert np.array_equal(m.assignment, transport(cost, capacity, threads=1).assignment)


def test_copies_beside_jobs_left_out_forbidden_pairs_and_start_prices():
    """If this fails, options that name classes or jobs are read in the merged problem."""
    own, of, capacity = copies(25_000, 6, 24)
    cost = own.astype(float)
    cost[np.random.default_rng(4).random(own.shape) < 0.2] = np.inf
    capacity = capacity * 7 // 10
    capacity[3] = 0
    unplaced = np.random.default_rng(5).integers(4000, 6000, 25_000).astype(float)
    one = as_one(cost, of, capacity, unplaced=unplaced)
    first = transport(cost[:, of], capacity, unplaced=unplaced)
    for options in (
        {},
        {"prices": np.arange(24.0)},
        {"prices": first.prices},
        {"time_limit": 1e-9},
        {"time_limit": 0.02},
        {"gap": 0.01},
        {"method": "auction"},
    ):
        m = transport(cost[:, of], capacity, unplaced=unplaced, **options)
        assert (m.load <= capacity).all(), options
        placed = m.assignment[m.assignment >= 0]
        assert np.array_equal(np.bincount(placed, minlength=24), m.load), options
        assert m.verify().valid, (options, m.verify())
        assert m.bound <= one.objective <= m.objective, options
        if not {"time_limit", "gap", "method"} & set(options):
            assert m.objective == one.objective, options


def test_copies_without_room_have_a_witness():
    """If this fails, the proof that there is no answer names merged classes."""
    own, of, capacity = copies(25_000, 6, 24)
    m = transport(own[:, of], capacity * 9 // 10)
    assert m.status == "infeasible"
    assert m.witness.needed > m.witness.available
    assert m.verify().valid, m.verify()


def test_copies_with_more_room_than_integers_count():
    """If this fails, capacities of copies overflow in their sum."""
    own, of, _ = copies(25_000, 3, 12)
    capacity = np.full(12, 2**62)
    m = transport(own[:, of], capacity)
    assert m.objective == own.min(axis=1).sum()
    assert not m.prices.any()
    assert m.verify().valid, m.verify()


def test_copies_that_hold_no_number_are_refused():
    """If this fails, a NaN in a copy is not found."""
    own, of, capacity = copies(25_000, 6, 24)
    for column in (0, 23):
        cost = own[:, of].astype(float)
        cost[12_345, column] = np.nan
        with pytest.raises(InvalidProblemError) as caught:
            transport(cost, capacity)
        assert caught.value.index == (12_345, column)


def test_gangs_are_not_split_between_copies():
    """If this fails, classes are merged although a gang has to fit into one."""
    own, of, _ = copies(1500, 3, 12)
    demand = np.full(1500, 3)
    capacity = np.full(12, 500)
    m = transport(own[:, of], capacity, demand=demand, unplaced=9000.0, time_limit=2.0)
    assert (m.load % 3 == 0).all()
    assert (m.load <= 498).all()
    assert m.verify().valid, m.verify()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    distinct=st.integers(1, 7),
    s=st.integers(2, 40),
    largest=st.sampled_from([1, 3, 1000, 2**40]),
    dtype=st.sampled_from(DTYPES),
    sparse=st.booleans(),
    room=st.sampled_from([0.7, 1.0, 1.3]),
)
def test_merged_problems_have_the_optimum_of_theirs(
    seed, distinct, s, largest, dtype, sparse, room
):
    """If this fails, some problem with copies has another optimum, or a false certificate."""
    r = np.random.default_rng(seed)
    n = int(r.integers(1024, 1300))
    largest = min(largest, 1000 if dtype in (np.int32, np.float32) else largest)
    own = r.integers(1, largest + 1, (n, distinct))
    if sparse:
        own[r.random(own.shape) < 0.4] = 0
    of = r.integers(0, distinct, s)
    capacity = r.multinomial(int(n * room), np.full(s, 1 / s)).astype(np.int64)
    cost, once = own[:, of].astype(dtype), own.astype(dtype)
    if sparse:
        cost, once = csr_array(cost), csr_array(once)
    unplaced = int(largest)
    m = transport(cost, capacity, unplaced=unplaced, method="exact")
    one = as_one(once, of, capacity, unplaced=unplaced, method="exact")
    case = (seed, n, distinct, s, largest, dtype, sparse, room)
    assert (m.status, m.objective, m.exact) == ("optimal", one.objective, True), case
    assert (m.load <= capacity).all(), case
    assert m.verify().valid, case
    assert m.verify().gap == 0, case
