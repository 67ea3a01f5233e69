"""What assignment takes and refuses: dtypes, masks, formats, sides, duplicates, arguments."""

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

import gridcompute as gc
from gridcompute import _core

INT64 = np.iinfo(np.int64)

CALLS = [
    gc.assignment,
    gc.linear_sum_assignment,
    lambda cost: gc.linear_sum_assignment_batch([cost, cost]),
    lambda cost: gc.linear_sum_assignment_batch(cost[None]),
]


def broken(kind, **arrays):
    """A sparse matrix of 3 x 2, or 2 x 3 in CSC, whose arrays are exchanged after construction."""
    tall = sp.csr_array(np.array([[1, 2], [3, 4], [5, 6]]))
    matrix = {"csr": tall, "csc": tall.T.tocsc(), "coo": tall.tocoo()}[kind]
    for name, value in arrays.items():
        setattr(matrix, name, np.asarray(value))
    return matrix


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("shape", [(3, 3), (70, 70), (300, 200)])
def test_a_mask_is_not_lost(call, shape):
    """If this fails, a masked cost is used as if it were none."""
    cost = np.ma.masked_array(np.ones(shape), mask=np.eye(*shape))
    with pytest.raises(TypeError, match="mask"):
        call(cost)
    with pytest.raises(TypeError, match="mask"):
        call(cost.astype(np.int32))


def test_rows_that_carry_masks_keep_them():
    """If this fails, numpy drops the masks of the rows of a list in silence."""
    rows = [np.ma.masked_array([1, 2], mask=[0, 1]), np.array([3, 4])]
    for call in (gc.assignment, gc.linear_sum_assignment):
        with pytest.raises(TypeError, match="mask"):
            call(rows)
    with pytest.raises(TypeError, match="mask"):
        gc.linear_sum_assignment_batch([rows, rows])


def test_other_subclasses_are_what_they_hold():
    """If this fails, a memory map or a user's own subclass is refused, though nothing is lost."""
    cost = np.array([[4, 1, 3], [2, 0, 5], [3, 2, 2]])

    class Labelled(np.ndarray):
        pass

    for other in (cost.view(Labelled), cost.tolist(), list(cost)):
        assert gc.linear_sum_assignment(other)[1].tolist() == [1, 0, 2]
        assert gc.assignment(other).objective == 5


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (3, 3), (90, 80)])
@pytest.mark.parametrize("call", [gc.assignment, gc.linear_sum_assignment])
def test_a_pair_stored_twice_is_refused_by_its_place(form, shape, call):
    """If this fails, one format adds duplicates up, another takes the lesser, in silence."""
    n, m = shape
    i, j = (k.ravel() for k in np.indices(shape))
    row, col = np.append(i, 2), np.append(j, 1)
    data = np.arange(len(row))
    if form == "coo":
        matrix = sp.coo_array((data, (row, col)), shape=shape)
    else:
        line, other, lines = (row, col, n) if form == "csr" else (col, row, m)
        order = np.argsort(line, kind="stable")
        start = np.zeros(lines + 1, int)
        start[1:] = np.bincount(line, minlength=lines).cumsum()
        kind = sp.csr_array if form == "csr" else sp.csc_array
        matrix = kind((data[order], other[order], start), shape=shape)
    matrix.has_canonical_format = True  # it says so, and it is wrong
    with pytest.raises(gc.InvalidProblemError, match=r"cost_matrix\[2, 1\]: found twice") as caught:
        call(matrix)
    assert caught.value.index == (2, 1)
    assert matrix.nnz == n * m + 1  # and the caller's arrays are as they were


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_transport_has_the_same_rule(form):
    """If this fails, the two functions read one matrix in two ways."""
    one = sp.coo_array(([1, 2, 3, 4], ([0, 0, 1, 1], [0, 1, 0, 0])), shape=(2, 2))
    if form == "csr":
        one = sp.csr_array(([1, 2, 3, 4], [0, 1, 0, 0], [0, 2, 4]), shape=(2, 2))
    if form == "csc":
        one = sp.csc_array(([1, 3, 4, 2], [0, 1, 1, 0], [0, 3, 4]), shape=(2, 2))
    for call in (gc.assignment, lambda cost: gc.transport(cost, [1, 1])):
        with pytest.raises(gc.InvalidProblemError, match=r"\[1, 0\]: found twice") as caught:
            call(one)
        assert caught.value.index == (1, 0)


BROKEN = [
    (
        "csr",
        {"indices": [0, 1, 0, 1, 0, 99]},
        r"cost_matrix\[2, 99\]: found column 99, needed 0 to 1",
    ),
    ("csr", {"indices": [0, 1, 0, -7, 0, 1]}, r"cost_matrix\[1, -7\]: found column -7"),
    ("csr", {"indices": [0, 1, 0, 2**40, 0, 1]}, "found column 1099511627776"),
    ("csr", {"indptr": [0, 2, 4]}, "n_rows \\+ 1"),
    ("csr", {"indptr": [0, 2, 4, 2**40]}, "indptr ends at 1099511627776, found 6 indices"),
    ("csr", {"indptr": [0, 9, 4, 6]}, "none falling"),
    ("csr", {"indptr": [0, -9, 4, 6]}, "none falling"),
    ("csr", {"indptr": [1, 2, 4, 6]}, "from 0"),
    ("csr", {"data": [1, 2, 3, 4, 5]}, "found 6 indices and 5 values"),
    ("csr", {"indices": [0, 1, 0, 1, 0]}, "found 5 indices and 6 values"),
    ("csc", {"indices": [0, 1, 0, 1, 0, 99]}, r"cost_matrix\[99, 2\]: found row 99, needed 0 to 1"),
    ("csc", {"indptr": [0, 2, 4]}, "n_columns \\+ 1"),
    ("coo", {"row": [0, 0, 1, 1, 2, 99]}, r"cost_matrix\[99, 1\]: found row 99, needed 0 to 2"),
    ("coo", {"col": [0, 1, 0, 1, 0, -3]}, r"cost_matrix\[2, -3\]: found column -3, needed 0 to 1"),
    ("coo", {"row": [0, 0, 1, 1, 2]}, "found 5 rows, 6 columns and 6 values"),
]


def test_broken_sparse_matrices_are_refused_before_anybody_reads_them():
    """If this fails, scipy's conversion of a tall matrix, or the core, writes where it must not."""
    child = subprocess.run(
        [
            sys.executable,
            "-c",
            f"""
import re
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import gridcompute as gc
from test_assignment_input import BROKEN, broken
for (form, arrays, message), turned in ((case, t) for case in BROKEN for t in (False, True)):
    print(form, arrays, turned, flush=True)
    for call in (gc.assignment, gc.linear_sum_assignment):
        matrix = broken(form, **arrays)
        try:
            call(matrix.T if turned else matrix)
        except gc.InvalidProblemError as error:
            assert turned or re.search(message, str(error)), error
        except ValueError as error:
            assert turned, error  # scipy's own check, as it transposes
        else:
            raise AssertionError("it was taken")
""",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, (child.returncode, child.stdout[-200:], child.stderr[-1500:])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"indices": np.zeros((6, 1), int)}, "indices must be a vector of integers"),
        ({"indices": np.zeros(6)}, "indices must be a vector of integers"),
        ({"indptr": np.zeros(4)}, "indptr must be a vector of integers"),
        ({"data": np.ones((6, 1))}, "data must be a vector of numbers"),
        ({"data": np.array(list("abcdef"))}, "data must be a vector of numbers"),
    ],
)
def test_sparse_arrays_of_other_types_are_type_errors(arrays, message):
    """If this fails, an array that is none of positions is cast in silence."""
    with pytest.raises(TypeError, match=message):
        gc.assignment(broken("csr", **arrays))


def test_room_behind_the_last_entry_is_no_entry():
    """If this fails, arrays that scipy left longer than their matrix are refused, or read."""
    matrix = broken("csr", indptr=[0, 2, 4, 5])
    assert matrix.nnz == 5
    for other in (matrix, matrix.T):
        answer = gc.assignment(other)
        assert answer.objective == 1 + 4
        assert answer.verify().valid
    assert gc.transport(matrix, [2, 1]).objective == 1 + 4 + 5


def test_formats_that_store_more_than_was_given_are_refused():
    """If this fails, padding of blocks becomes pairs of cost 0, or zeros of diagonals are lost."""
    cost = sp.csr_array(np.array([[0, 3], [2, 1]]))
    for other in (cost.todia(), cost.tobsr()):
        with pytest.raises(TypeError, match="CSR, CSC or COO"):
            gc.assignment(other)
    for other in (cost.tolil(), cost.todok(), sp.csr_matrix(cost), sp.coo_matrix(cost)):
        assert gc.assignment(other).objective == 5


@pytest.mark.parametrize("narrow", [True, False])
@pytest.mark.parametrize("shape", [(3, 5), (5, 3)])
def test_nan_among_sparse_costs_has_the_place_of_its_pair(shape, narrow):
    """If this fails, the place is that of an array which the caller has never seen."""
    cost = np.arange(15.0).reshape(shape) + 1
    cost[2, 1] = np.nan
    kind = np.int32 if narrow else np.int64
    for matrix in (sp.csr_array(cost), sp.csc_array(cost), sp.coo_array(cost)):
        if not narrow and matrix.format != "coo":
            matrix.indices, matrix.indptr = matrix.indices.astype(kind), matrix.indptr.astype(kind)
        with pytest.raises(gc.InvalidProblemError, match=r"cost_matrix\[2, 1\]") as caught:
            gc.assignment(matrix)
        assert caught.value.index == (2, 1)


@pytest.mark.parametrize("name", ["threads", "time_limit"])
def test_arguments_that_are_none_are_refused(name):
    """If this fails, a limit of NaN never ends, or threads=-3 means something."""
    cost = np.eye(3)
    wrong = {
        "threads": ([-3, 0, 2**31, 2**70], [2.7, "2", True, np.array([1, 2])]),
        "time_limit": ([float("nan"), -1, -1e-9, 10**400], ["1", True, [1.0], 1j]),
    }
    calls = [gc.assignment]
    if name == "threads":
        calls.append(lambda cost, **options: gc.linear_sum_assignment_batch(cost[None], **options))
    for call in calls:
        for value in wrong[name][0]:
            with pytest.raises(gc.InvalidProblemError, match=f"{name}: found"):
                call(cost, **{name: value})
        for value in wrong[name][1]:
            with pytest.raises(TypeError, match=f"{name} must be"):
                call(cost, **{name: value})
    for value in (np.int8(2), 100) if name == "threads" else (0, 5, np.float32(3), float("inf")):
        for call in calls:
            call(cost, **{name: value})


def test_the_quick_way_in_checks_how_many_arguments_it_has():
    """If this fails, a call without arguments reads those of another."""
    code = """
from gridcompute import _core
for arguments in ((), (1,), (1, 2, 3), ([[1]],)):
    try:
        _core.assignment_quick(*arguments)
    except TypeError as error:
        assert "2 arguments" in str(error)
    else:
        raise AssertionError(arguments)
"""
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr
    for wrong in (None, 3, "matrix", [[1, 2]], np.zeros(3), np.zeros((2, 2), complex)):
        assert _core.assignment_quick(wrong, False) is None


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((2**31 + 5, 0), "int8"),
        ((0, 2**31 + 5), "float64"),
        ((2**32, 1), "int8"),
        ((1, 2**32), "bool"),
        ((2**31 + 5, 1), "uint8"),
        ((2**40, 3), "float64"),
        ((2**31 - 1000, 1), "int16"),
    ],
)
def test_sides_beyond_31_bits_are_refused_without_a_copy(shape, dtype):
    """If this fails, positions wrap, or a view without memory is copied into gigabytes."""
    code = f"""
import resource
import numpy as np, scipy.sparse as sp
import gridcompute as gc
from gridcompute import _core

cost = np.broadcast_to(np.zeros((), {dtype!r}), {shape})
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
batch = gc.linear_sum_assignment_batch
for call in (gc.assignment, gc.linear_sum_assignment, lambda cost: batch(cost[None])):
    try:
        pairs = call(cost)
    except gc.InvalidProblemError as error:
        assert str({shape[0]}) in str(error) and "2147482624" in str(error), error
    else:
        assert 0 in {shape} and len(pairs[0]) == len(pairs[1]), "it was taken"
        assert pairs[0].size == 0
assert _core.assignment_quick(cost, False) is None
sparse = sp.coo_array({shape}, dtype=np.int8)
for matrix in (sparse, sparse.T):
    try:
        gc.assignment(matrix)
    except gc.InvalidProblemError as error:
        assert "2147482624" in str(error), error
    else:
        raise AssertionError("it was taken")
"""
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, f"died of {child.returncode}: {child.stderr[-1500:]}"


def test_batches_of_nothing_take_no_memory():
    """If this fails, a stack of any number of empty matrices is counted in memory."""
    many = np.broadcast_to(np.zeros((), np.float32), (2**40, 0, 5))
    rows, cols = gc.linear_sum_assignment_batch(many)
    assert rows.shape == cols.shape == (2**40, 0)


WIDE = {
    "least": np.array([[INT64.min, INT64.min + 1], [INT64.min + 3, INT64.min + 1]]),
    "largest": np.array([[INT64.max, INT64.max - 4], [INT64.max - 1, INT64.max - 3]]),
    "both ends": np.array([[INT64.min, INT64.max], [INT64.max, INT64.min]]),
    "both ends crossed": np.array([[INT64.max, INT64.min], [INT64.max, INT64.max]]),
    "beyond 2**62": 2**62 + np.array([[4, 1, 3], [2, 0, 4], [3, 2, 2]]),
    "unsigned": np.array([[2**64 - 1, 2**63], [0, 2**63 + 5]], np.uint64),
    "unsigned, all large": np.uint64(2**64 - 9) + np.arange(6).reshape(2, 3).astype(np.uint64),
    "2**56 apart": np.array([[0, 2**56 + 1, 5], [2**57, 3, 2**58], [1, 2**59, 2**60 + 1]]),
}


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_any_integers_are_solved_exactly(name, maximize, turned):
    """If this fails, integers are refused or rounded, though their optimum is an integer."""
    cost = np.ascontiguousarray(WIDE[name].T) if turned else WIDE[name]
    n, m = cost.shape
    values = cost.tolist()
    if n <= m:
        totals = [
            sum(values[i][p[i]] for i in range(n)) for p in itertools.permutations(range(m), n)
        ]
    else:
        totals = [
            sum(values[p[j]][j] for j in range(m)) for p in itertools.permutations(range(n), m)
        ]
    best = max(totals) if maximize else min(totals)
    for matrix in (cost, sp.csr_array(cost), sp.csc_array(cost)):
        if not isinstance(matrix, np.ndarray) and not cost.all():
            i, j = np.indices(cost.shape)
            matrix = sp.coo_array((cost.ravel(), (i.ravel(), j.ravel())), shape=cost.shape)
        answer = gc.assignment(matrix, maximize=maximize)
        assert (answer.objective, answer.bound, answer.exact) == (best, best, True)
        assert answer.verify().valid
        u, v = answer.row_duals.tolist(), answer.col_duals.tolist()
        assert sum(u) + sum(v) == best
        slack = [values[i][j] - u[i] - v[j] for i in range(n) for j in range(m)]
        assert (max(slack) <= 0) if maximize else (min(slack) >= 0)
        rows, cols = gc.linear_sum_assignment(matrix, maximize)
        assert sum(cost[rows, cols].tolist()) == best
    rows, cols = gc.linear_sum_assignment_batch(np.stack([cost, cost]), maximize)
    assert sum(cost[rows[1], cols[1]].tolist()) == best


@pytest.mark.parametrize("shape", [(70, 70), (60, 80), (80, 60), (300, 300)])
def test_many_wide_integers_are_certified(shape):
    """If this fails, first prices from shifted costs end in no optimum of the costs themselves."""
    r = np.random.default_rng(sum(shape))
    for low, high, kind in (
        (INT64.min, INT64.max, np.int64),
        (0, 2**64 - 1, np.uint64),
        (2**62, 2**62 + 1000, np.int64),
        (-(2**60), 2**60, np.int64),
    ):
        cost = r.integers(low, high, shape, dtype=kind)
        keep = r.random(shape) < 0.2
        np.fill_diagonal(keep, True)
        i, j = np.nonzero(keep)
        for matrix in (cost, sp.csr_array((cost[i, j], (i, j)), shape=shape)):
            for maximize in (False, True):
                answer = gc.assignment(matrix, maximize=maximize)
                assert answer.exact
                assert answer.verify().valid
                rows, cols = gc.linear_sum_assignment(matrix, maximize)
                assert sum(cost[rows, cols].tolist()) == answer.objective
