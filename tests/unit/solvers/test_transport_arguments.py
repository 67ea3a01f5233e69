"""What `transport` takes, what it refuses, and in which words."""

import numpy as np
import pytest
import scipy.sparse

from gridcompute import CostRangeError, InvalidProblemError, transport

COST = np.array([[4, 1, 7], [2, 1, 7], [5, 1, 2]])
ROOM = np.array([2, 1, 1])


@pytest.mark.parametrize(
    "dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", ">i4", ">i8", ">f4"]
)
def test_every_number_is_taken_as_it_is(dtype):
    """If this fails, a dtype is refused or changed on the way; big-endian ones included."""
    m = transport(COST.astype(dtype), ROOM)
    assert m.objective == 5
    assert isinstance(m.objective, int) == (np.dtype(dtype).kind in "iu")
    assert m.verify().valid


@pytest.mark.parametrize("dtype", [bool, object, complex, "U4", "M8[s]", np.longdouble])
def test_other_types_are_type_errors(dtype):
    """If this fails, what is no cost is cast to one."""
    with pytest.raises(TypeError, match="cost must be int or float"):
        transport(np.zeros((2, 2), dtype), [1, 1])


def test_unsigned_beyond_int64():
    """If this fails, a uint64 wraps."""
    cost = np.array([[1, 2**63]], np.uint64)
    with pytest.raises(CostRangeError, match=r"cost\[0, 1\]"):
        transport(cost, [1, 1])


def test_not_contiguous():
    """If this fails, strides are ignored."""
    wide = np.arange(48.0).reshape(6, 8)
    for view in (wide[::2, ::3], wide.T[:3, :3], np.asfortranarray(wide)[::-1]):
        same = transport(np.ascontiguousarray(view), np.full(view.shape[1], 9))
        assert transport(view, np.full(view.shape[1], 9)).objective == same.objective


def test_read_only_and_in_place():
    """If this fails, a read-only array is refused or written to."""
    cost = COST.astype(np.int32)
    cost.flags.writeable = False
    m = transport(cost, ROOM)
    assert m.objective == 5
    assert (cost == COST).all()


def test_memory_mapped(tmp_path):
    """If this fails, a matrix on disk is refused."""
    np.save(tmp_path / "cost.npy", COST.astype(np.float32))
    mapped = np.load(tmp_path / "cost.npy", mmap_mode="r")
    m = transport(mapped, ROOM)
    assert m.objective == 5
    assert m.verify().valid


def test_masked_is_refused():
    """If this fails, a mask is lost in silence."""
    with pytest.raises(TypeError, match="masked"):
        transport(np.ma.masked_less(COST, 2), ROOM)


@pytest.mark.parametrize("shape", [(), (3,), (1, 2, 3)])
def test_cost_must_be_a_matrix(shape):
    """If this fails, a wrong shape reaches the core."""
    with pytest.raises(InvalidProblemError, match=r"found shape .* needed \(n_jobs, n_slots\)"):
        transport(np.zeros(shape), ROOM)


def test_ragged_rows():
    """If this fails, rows of different lengths end in an error that names no argument."""
    with pytest.raises(InvalidProblemError, match="cost"):
        transport([[1, 2], [3]], [1, 1])


BAD = [
    ({"capacity": [1, 2]}, InvalidProblemError, r"capacity: found shape \(2,\).*\(3,\)", None),
    ({"capacity": [1, -2, 1]}, InvalidProblemError, r"capacity\[1\]: found -2, needed 0", 1),
    ({"capacity": [1.0, 2.0, 1.0]}, TypeError, "capacity must be of an integer dtype", None),
    ({"capacity": [True, True, True]}, TypeError, "capacity must be of an integer dtype", None),
    (
        {"capacity": np.array([1, 2**63, 1], np.uint64)},
        InvalidProblemError,
        r"capacity\[1\]: found 9223372036854775808",
        1,
    ),
    ({"demand": [1, 0, 1]}, InvalidProblemError, r"demand\[1\]: found 0, needed 1", 1),
    ({"demand": [1, 1, 2**31]}, InvalidProblemError, r"demand\[2\]: found 2147483648", 2),
    ({"demand": [1, 1]}, InvalidProblemError, r"demand: found shape \(2,\).*n_jobs", None),
    ({"demand": [1.0, 1.0, 1.0]}, TypeError, "demand must be of an integer dtype", None),
    ({"unplaced": np.nan}, InvalidProblemError, r"unplaced\[0\]: found nan", 0),
    ({"unplaced": [1, -np.inf, 1]}, InvalidProblemError, r"unplaced\[1\]: found -inf", 1),
    ({"unplaced": [1, 2]}, InvalidProblemError, r"unplaced: found shape \(2,\)", None),
    ({"unplaced": 2**53 + 1}, InvalidProblemError, r"unplaced: found .*2\*\*53", None),
    ({"unplaced": True}, TypeError, "unplaced must be int or float", None),
    ({"unplaced": "1"}, TypeError, "unplaced must be int or float", None),
    ({"method": "fast"}, InvalidProblemError, "method: found 'fast', needed 'auto'", None),
    ({"gap": -0.1}, InvalidProblemError, "gap: found -0.1, needed 0 or more", None),
    ({"gap": np.nan}, InvalidProblemError, "gap: found nan", None),
    ({"gap": "0"}, TypeError, "gap must be a number, not str", None),
    ({"resolution": "fine"}, InvalidProblemError, "resolution: found 'fine'", None),
    ({"resolution": 0.0}, InvalidProblemError, "resolution: found 0.0", None),
    ({"resolution": np.inf}, InvalidProblemError, "resolution: found inf", None),
    ({"resolution": True}, TypeError, "resolution must be a number, not bool", None),
    ({"prices": [0.0, np.inf, 0.0]}, InvalidProblemError, r"prices\[1\]: found inf", 1),
    ({"prices": [0.0, 1.0]}, InvalidProblemError, r"prices: found shape \(2,\)", None),
    ({"prices": ["a", "b", "c"]}, TypeError, "prices must be int or float", None),
    ({"threads": 0}, InvalidProblemError, "threads: found 0, needed 1", None),
    ({"threads": 1.5}, TypeError, "threads must be an integer, not float", None),
    ({"threads": True}, TypeError, "threads must be an integer, not bool", None),
    ({"time_limit": -1}, InvalidProblemError, "time_limit: found -1", None),
    ({"seed": -1}, InvalidProblemError, "seed: found -1", None),
    ({"seed": 0.0}, TypeError, "seed must be an integer, not float", None),
    ({"progress": 1}, TypeError, "progress must be None, True or a callable, not int", None),
]


def test_costs_beyond_every_range_are_shown_short():
    """If this fails, the error for a cost of 1e300 is three hundred digits long."""
    with pytest.raises(CostRangeError, match=r"resolution reaches 1e\+300; with") as caught:
        transport(np.array([[1e300, 1.0]]), [1, 1], resolution=1.0)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize(("change", "error", "message", "index"), BAD, ids=lambda x: str(x)[:40])
def test_bad_arguments(change, error, message, index):
    """If this fails, a bad argument passes, or its error does not say what, where and why."""
    with pytest.raises(error, match=message) as caught:
        transport(**({"cost": COST, "capacity": ROOM} | change))
    if isinstance(caught.value, InvalidProblemError):
        assert caught.value.field == next(iter(change))
        assert caught.value.index == index


def test_scalar_and_array_unplaced_agree():
    """If this fails, a number means something else than an array of it."""
    a = transport(COST, [1, 1, 0], unplaced=3)
    b = transport(COST, [1, 1, 0], unplaced=np.full(3, 3, np.int16))
    assert a.assignment.tolist() == b.assignment.tolist()
    assert a.objective == b.objective


def csr(values, columns, starts, shape):
    """CSR as it is given, whatever scipy would say to it."""
    out = scipy.sparse.csr_array(shape)
    out.data, out.indices, out.indptr = np.array(values), np.array(columns), np.array(starts)
    return out


def test_sparse_zeros_are_arcs():
    """If this fails, a stored zero is taken for absent."""
    m = transport(csr([0, 5, 0], [0, 1, 1], [0, 2, 3], (2, 2)), [1, 1])
    assert (m.objective, m.assignment.tolist()) == (0, [0, 1])
    assert transport(csr([0, 0], [0, 0], [0, 1, 2], (2, 2)), [1, 1]).status == "infeasible"


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("value", [np.int32, np.int64, np.float32, np.float64, np.int8, np.uint32])
def test_sparse_dtypes(index, value):
    """If this fails, 64-bit indices or a value dtype is refused or misread."""
    a = scipy.sparse.csr_array(COST.astype(np.float64)).astype(value)
    a.indices, a.indptr = a.indices.astype(index), a.indptr.astype(index)
    m = transport(a, ROOM)
    assert m.objective == 5
    assert m.verify().valid


def test_sparse_unsorted():
    """If this fails, columns out of order are misread, or the caller's array is sorted."""
    a = csr([7, 1, 4, 1, 2], [2, 1, 0, 1, 0], [0, 3, 5], (2, 3))
    before = a.indices.copy()
    m = transport(a, ROOM)
    assert m.objective == 3
    assert (a.indices == before).all()


@pytest.mark.parametrize("sparse", [scipy.sparse.csr_array, scipy.sparse.coo_array])
def test_sparse_duplicates(sparse):
    """If this fails, a pair that stands twice is summed, or one of the two is dropped."""
    a = csr([1, 2, 3], [0, 1, 1], [0, 1, 3], (2, 2))
    if sparse is scipy.sparse.coo_array:
        a = scipy.sparse.coo_array(([1, 2, 3], ([0, 1, 1], [0, 1, 1])), shape=(2, 2))
    with pytest.raises(InvalidProblemError, match=r"cost\[1, 1\]: found twice") as caught:
        transport(a, [1, 1])
    assert caught.value.index == (1, 1)


@pytest.mark.parametrize(
    ("columns", "starts", "message"),
    [
        ([0, 5], [0, 1, 2], "found slot 5"),
        ([0, -1], [0, 1, 2], "found slot -1"),
        ([0, 1], [0, 1, 5], "indptr ends at 5"),
        ([0, 1], [0, 2, 1], "none falling"),
        ([0, 1], [1, 1, 2], "from 0"),
        ([0, 1], [0, 2], "n_jobs \\+ 1"),
    ],
)
def test_sparse_that_points_outside(columns, starts, message):
    """If this fails, the core reads memory that is not the matrix's."""
    with pytest.raises(InvalidProblemError, match=message):
        transport(csr([1, 2], columns, starts, (2, 2)), [1, 1])


def test_sparse_not_a_number():
    """If this fails, a NaN among sparse values has no address."""
    a = scipy.sparse.csr_array(np.array([[1.0, 2.0], [3.0, np.nan]]))
    with pytest.raises(InvalidProblemError, match=r"cost\[1, 1\]: found nan"):
        transport(a, [1, 1])


def test_other_sparse_formats_are_refused():
    """If this fails, padding of a block or diagonal format becomes arcs of cost 0."""
    a = scipy.sparse.csr_array(COST)
    for other in (a.tobsr(), a.todia(), a.tolil(), a.todok()):
        with pytest.raises(TypeError, match="CSR, CSC or COO"):
            transport(other, ROOM)
