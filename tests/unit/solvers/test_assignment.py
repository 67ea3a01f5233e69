"""gridcompute.linear_sum_assignment and its kin: the contract, case by case."""

import signal

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import linear_sum_assignment as scipy_lsa

import gridcompute as gc

INTEGERS = [np.int8, np.int16, np.int32, np.int64]
FLOATS = [np.float32, np.float64]
SIZES = [(1, 1), (5, 5), (3, 7), (7, 3), (64, 64), (65, 65), (150, 110), (110, 150)]


def costs(shape, dtype, seed=0):
    r = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return (r.standard_normal(shape) * 50).astype(dtype)
    return r.integers(-100, 100, shape).astype(dtype)


def total(cost, pairs):
    return float(cost.astype(np.float64)[pairs].sum())


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
@pytest.mark.parametrize("shape", SIZES)
def test_every_dtype_and_shape_has_scipys_optimum(shape, dtype, maximize):
    """If this fails, a dtype, a transposition or a sign goes wrong somewhere."""
    cost = costs(shape, dtype)
    rows, cols = gc.linear_sum_assignment(cost, maximize)
    assert rows.dtype == cols.dtype == np.int64
    assert (np.diff(rows) > 0).all()
    assert len(set(cols)) == len(cols) == min(shape)
    best = scipy_lsa(cost, maximize)
    assert total(cost, (rows, cols)) == pytest.approx(total(cost, best), rel=1e-12, abs=1e-9)
    answer = gc.assignment(cost, maximize=maximize)
    assert answer.status == "optimal"
    assert answer.verify().valid
    assert float(answer.objective) == pytest.approx(total(cost, best), rel=1e-12, abs=1e-9)


def test_bool_unsigned_and_half_are_taken_without_loss():
    """If this fails, a dtype that scipy takes is refused or changed."""
    cost = costs((6, 6), np.int16) + 100
    for dtype in (np.uint8, np.uint16, np.uint32, np.uint64, np.float16):
        pairs = gc.linear_sum_assignment(cost.astype(dtype))
        assert total(cost, pairs) == total(cost, scipy_lsa(cost))
    rows, cols = gc.linear_sum_assignment(np.eye(3, dtype=bool))
    assert not np.eye(3, dtype=bool)[rows, cols].any()


def test_layouts_are_read_or_copied_but_never_misread():
    """If this fails, a strided, swapped or read-only matrix gives a wrong answer."""
    cost = costs((40, 30), np.int64)
    best = total(cost, scipy_lsa(cost))
    swapped = cost.astype(cost.dtype.newbyteorder(">"))
    readonly = cost.copy()
    readonly.flags.writeable = False
    wide = np.zeros((40, 60), np.int64)
    wide[:, ::2] = cost
    for other in (np.asfortranarray(cost), swapped, readonly, wide[:, ::2], cost.tolist()):
        assert total(cost, gc.linear_sum_assignment(other)) == best


def test_empty_matrices_have_empty_answers():
    """If this fails, a batch service stumbles over its first quiet minute."""
    for shape in ((0, 0), (0, 3), (3, 0)):
        rows, cols = gc.linear_sum_assignment(np.zeros(shape))
        assert rows.shape == cols.shape == (0,)
    rows, cols = gc.linear_sum_assignment_batch(np.zeros((0, 3, 3)))
    assert rows.shape == (0, 3)
    rows, cols = gc.linear_sum_assignment_batch(np.zeros((2, 0, 3)))
    assert rows.shape == (2, 0)


@pytest.mark.parametrize("n", [4, 200])
@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_nan_and_minus_inf_are_refused_with_their_place(bad, n):
    """If this fails, a NaN goes unnoticed, or the message does not say where it is."""
    cost = costs((n, n), np.float64)
    cost[2, 3] = bad
    with pytest.raises(ValueError, match="invalid numeric entries") as caught:
        gc.linear_sum_assignment(cost)
    assert isinstance(caught.value, gc.InvalidProblemError)
    assert caught.value.index == (2, 3)
    with pytest.raises(gc.InvalidProblemError, match=r"costs\[1, 2, 3\]") as caught:
        gc.linear_sum_assignment_batch(np.stack([np.zeros((n, n)), cost])[[0, 1]])
    sparse = sp.csr_array(np.nan_to_num(cost, nan=1.0, neginf=1.0))
    sparse.data[5] = bad
    with pytest.raises(gc.InvalidProblemError, match=r"data\[5\]"):
        gc.linear_sum_assignment(sparse)


def test_inf_forbids_and_maximizing_minus_inf_does():
    """If this fails, a forbidden pair is used, or allowed ones are not."""
    cost = np.array([[np.inf, 1.0], [2.0, np.inf]])
    assert gc.linear_sum_assignment(cost)[1].tolist() == [1, 0]
    assert gc.linear_sum_assignment(-cost, maximize=True)[1].tolist() == [1, 0]
    with pytest.raises(gc.InvalidProblemError):
        gc.linear_sum_assignment(cost, maximize=True)


@pytest.mark.parametrize("shape", [(3, 3), (90, 90), (40, 60), (60, 40)])
def test_infeasible_raises_as_scipy_and_carries_a_witness(shape):
    """If this fails, infeasibility has no proof, or scipy's callers do not catch it."""
    cost = costs(shape, np.float64)
    if shape[0] <= shape[1]:
        cost[:2, 1:] = np.inf
    else:
        cost[1:, :2] = np.inf
    with pytest.raises(ValueError, match="cost matrix is infeasible") as caught:
        gc.linear_sum_assignment(cost)
    assert isinstance(caught.value, gc.InfeasibleError)
    for matrix in (cost, sp.coo_array(np.where(np.isinf(cost), 0, cost))):
        answer = gc.assignment(matrix)
        assert answer.status == "infeasible"
        assert sorted(answer.witness) == [0, 1]
        assert answer.verify().valid
        with pytest.raises(gc.InfeasibleError):
            answer.pairs()
    with pytest.raises(gc.InfeasibleError, match="matrix 1 of costs"):
        gc.linear_sum_assignment_batch(np.stack([np.zeros(shape), cost]))


def test_wrong_types_and_shapes_say_what_was_found():
    """If this fails, a message no longer names what was given."""
    with pytest.raises(ValueError, match="1-D"):
        gc.linear_sum_assignment(np.zeros(3))
    with pytest.raises(ValueError, match="2-D"):
        gc.linear_sum_assignment_batch(np.zeros((3, 3)))
    for wrong in (np.zeros((2, 2), complex), np.array([["a"]]), np.array([[object()]])):
        with pytest.raises(TypeError, match="numerical"):
            gc.linear_sum_assignment(wrong)


@pytest.mark.parametrize("n", [2, 70])
def test_range_at_the_bound_and_one_past(n):
    """If this fails, costs near the limit of 64-bit prices overflow, or are refused."""
    cost = np.zeros((n, n), np.int64)
    cost[0, 1] = cost[1, 1] = 2**60
    answer = gc.assignment(cost)
    assert answer.exact
    assert answer.objective == (2**60 if n == 2 else 0)
    cost[0, 1] += 1
    past = gc.assignment(cost)
    assert past.exact
    assert past.objective == answer.objective
    assert past.verify().valid


def test_thirty_two_bits_end_where_their_range_does():
    """If this fails, the 32-bit core takes costs that could wrap, or refuses others."""
    cost = costs((100, 100), np.int64, 3) + 100
    cost[:60, :60] = 2**28
    assert gc.assignment(cost).stats["bits"] == 32
    cost[5, 5] = -1
    wide = gc.assignment(cost)
    assert wide.stats["bits"] == 64
    assert wide.exact
    assert wide.verify().valid


def test_sparse_formats_and_index_widths_agree():
    """If this fails, a format, an index width, an explicit zero or a tall shape is misread."""
    r = np.random.default_rng(4)
    for shape in ((30, 30), (20, 35), (35, 20)):
        cost = np.where(r.random(shape) < 0.3, r.integers(0, 50, shape), -1)
        k = min(shape)
        cost[np.arange(k), np.arange(k)] = 49
        i, j = np.nonzero(cost >= 0)
        coo = sp.coo_array((cost[i, j], (i, j)), shape=shape)
        best = np.where(cost < 0, np.inf, cost)
        expected = best[scipy_lsa(best)].sum()
        wide = coo.tocsr()
        wide.indptr, wide.indices = wide.indptr.astype(np.int64), wide.indices.astype(np.int64)
        for matrix in (coo, coo.tocsr(), coo.tocsc(), wide, sp.csr_matrix(coo), coo.astype(float)):
            rows, cols = gc.linear_sum_assignment(matrix)
            assert (np.diff(rows) > 0).all()
            assert best[rows, cols].sum() == expected
            answer = gc.assignment(matrix)
            assert answer.exact
            assert answer.verify().valid
            assert (answer.row_duals[i] + answer.col_duals[j] <= cost[i, j]).all()


def test_duals_are_in_the_unit_of_cost_and_prove_the_optimum():
    """If this fails, users who price with duals price wrongly (padding once aliased column 0)."""
    for seed, dtype in enumerate([np.int64, np.float32]):
        cost = np.round(costs((80, 80), dtype, seed))
        for maximize in (False, True):
            answer = gc.assignment(cost.astype(dtype), maximize=maximize)
            slack = cost - answer.row_duals[:, None] - answer.col_duals
            assert ((slack <= 0) if maximize else (slack >= 0)).all()
            assert (slack[np.arange(80), answer.assignment] == 0).all()
            assert answer.row_duals.sum() + answer.col_duals.sum() == answer.objective


def test_floats_are_exact_or_bracketed_and_say_which():
    """If this fails, a float answer claims more than was proved."""
    exact = gc.assignment(np.random.default_rng(1).random((80, 80)))
    assert exact.exact
    assert exact.objective == exact.bound
    assert exact.stats["bits"] == 64
    r = np.random.default_rng(2)
    mixed = r.random((80, 80)) * 10.0 ** r.integers(-30, 5, (80, 80))
    rough = gc.assignment(mixed)
    proof = rough.verify()
    assert proof.valid
    assert not rough.exact
    assert proof.bound < proof.objective < proof.bound + mixed.max() * 80 * 2.0**-52
    assert gc.assignment(np.full((3, 3), 5e-324)).verify().bound <= 3 * 5e-324


def test_batch_answers_as_single_calls_do():
    """If this fails, a batch mixes up its matrices, or threads change an answer."""
    for shape in ((30, 12, 12), (9, 5, 8), (9, 8, 5), (3, 90, 90)):
        for dtype in (np.int32, np.float64):
            many = costs(shape, dtype, 7)
            rows, cols = gc.linear_sum_assignment_batch(many, threads=3)
            for k, one in enumerate(many):
                alone = gc.linear_sum_assignment(one)
                assert (rows[k] == alone[0]).all()
                assert (cols[k] == alone[1]).all()
            again = gc.linear_sum_assignment_batch(many, True, threads=1)
            assert total(many[1], (again[0][1], again[1][1])) >= total(many[1], (rows[1], cols[1]))


def test_time_limit_and_progress_stop_without_an_answer():
    """If this fails, a service cannot get its thread back."""
    cost = costs((600, 600), np.int32)
    late = gc.assignment(cost, time_limit=0.0)
    assert late.status == "time_limit"
    assert not late.verify().valid
    seen = []
    stopped = gc.assignment(
        costs((3000, 3000), np.int16), progress=lambda p: bool(seen.append(p)) or True
    )
    assert stopped.status in {"stopped", "optimal"}
    assert all(0 <= p.done <= 1 for p in seen)


def test_an_interrupt_ends_searches_over_whole_rows():
    """If this fails, Ctrl-C waits for the end of a search that ties make long."""
    r = np.random.default_rng(5)
    kind, other = r.integers(0, 20, 4000), r.integers(0, 20, 4000)
    cost = r.integers(0, 100, (20, 20), dtype=np.int8)[kind][:, other]

    def interrupt(*_):
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.08)
        with pytest.raises(KeyboardInterrupt):
            gc.assignment(cost)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


@pytest.mark.parametrize("most", [2, 3, 7, 8, 90])
def test_sparse_costs_of_few_values_are_certified(most):
    """If this fails, following ties, or finer units for few values, cost optimum or duals."""
    r, n = np.random.default_rng(most), 300
    rows, cols = np.repeat(np.arange(n), 4), r.integers(0, n, 4 * n)
    cols[::4] = r.permutation(n)
    dense = np.full((n, n), np.inf)
    dense[rows, cols] = r.integers(0, most, 4 * n)
    i, j = np.nonzero(np.isfinite(dense))
    answer = gc.assignment(sp.coo_array((dense[i, j].astype(np.int32), (i, j)), shape=(n, n)))
    assert answer.exact
    assert answer.objective == gc.assignment(dense).objective
    assert answer.verify().valid


@pytest.mark.parametrize("n", [3, 8, 13, 30, 64])
@pytest.mark.parametrize("dtype", [np.int16, np.int64, np.float32, np.float64])
def test_layouts_do_not_matter(n, dtype):
    cost = (100 * np.random.default_rng(n).random((n, n + 2))).astype(dtype)
    expected = gc.linear_sum_assignment(cost)
    wide = np.zeros((2 * n, 3 * (n + 2)), dtype)
    wide[::2, ::3] = cost
    raw = np.zeros(cost.nbytes + 1, np.uint8)[1:]
    unaligned = raw.view(dtype).reshape(cost.shape)
    unaligned[:] = cost
    turned = cost[::-1, ::-1].copy()[::-1, ::-1]
    swapped = cost.astype(np.dtype(dtype).newbyteorder())
    for other in (np.asfortranarray(cost), wide[::2, ::3], unaligned, turned, swapped):
        rows, cols = gc.linear_sum_assignment(other)
        assert np.array_equal(rows, expected[0])
        assert np.array_equal(cols, expected[1])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("maximize", [False, True])
def test_floats_that_need_a_long_auction_start_from_coarser_costs(dtype, maximize):
    """If this fails, prices of costs rounded to 32 bits are taken for the optimum, or end a solve.

    Distances in the plane are such costs; some of the pairs are forbidden.
    """
    r = np.random.default_rng(3)
    a, b = r.random((1_100, 2)), r.random((1_100, 2))
    cost = np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1)).astype(dtype)
    cost = -cost if maximize else cost
    cost[r.random(cost.shape) < 0.01] = -np.inf if maximize else np.inf
    found = gc.assignment(cost, maximize=maximize, threads=1)
    rows, cols = scipy_lsa(cost, maximize=maximize)
    assert found.verify().valid
    assert found.objective == pytest.approx(cost[rows, cols].sum(dtype=np.float64), rel=1e-12)
    again = gc.assignment(cost, maximize=maximize, threads=2)
    assert again.assignment.tobytes() == found.assignment.tobytes()
