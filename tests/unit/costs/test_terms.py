"""Terms: what is kept, what is refused and where, and that the formula is summed left to right."""

import numpy as np
import pytest

from gridcompute import CostRangeError, InvalidProblemError, Terms

INF = np.inf
TABLE = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
KEY = np.array([2, 0, 1, 2], np.int32)
COEF = np.array([1.0, -2.0, 0.0, 0.5])


def test_the_sum_is_the_formula():
    terms = Terms([(TABLE, KEY, COEF), (TABLE[:1], None, COEF), (TABLE, KEY, None)])
    assert terms.shape == (terms.n_jobs, terms.n_slots) == (4, 2)
    by_hand = [
        [COEF[i] * TABLE[KEY[i], s] + COEF[i] * TABLE[0, s] + TABLE[KEY[i], s] for s in range(2)]
        for i in range(4)
    ]
    assert terms.dense().tolist() == by_hand
    assert repr(terms) == "<Terms: 3 terms, 4 jobs x 2 slots>"


def test_each_product_and_sum_is_rounded_left_to_right():
    """A fused or reordered sum would differ from the core's bits, and so fail its certificate."""
    r = np.random.default_rng(5)
    tables, coefs = r.normal(size=(3, 4, 50)), r.normal(size=(3, 20))
    key = r.integers(0, 4, 20)
    dense = Terms([(t, key, c) for t, c in zip(tables, coefs, strict=True)]).dense()
    for i in range(20):
        for s in range(50):
            a, b, c = (float(coefs[k, i]) * float(tables[k, key[i], s]) for k in range(3))
            assert dense[i, s] == (a + b) + c


@pytest.mark.parametrize("coef", [0.0, -1.0, 1.0, None])
def test_inf_forbids_whatever_the_coefficient(coef):
    """0 * inf is NaN and -1 * inf is -inf: neither may look like a cost."""
    table = np.array([[INF, 1.0]])
    terms = Terms([(table, [0], None if coef is None else [coef]), (table[:, ::-1], [0], [-1.0])])
    assert terms.dense().tolist() == [[INF, INF]]


def test_rows():
    terms = Terms([(TABLE, KEY, COEF)])
    whole = terms.dense()
    assert np.array_equal(terms.dense(slice(1, 3)), whole[1:3])
    assert np.array_equal(terms.dense([3, 0, -1]), whole[[3, 0, 3]])
    assert terms.dense(slice(2, 2)).shape == (0, 2)


def test_arrays_of_the_right_dtype_are_kept_and_never_written():
    terms = Terms([(TABLE, KEY, COEF)])
    kept = terms.terms[0]
    assert np.shares_memory(kept.table, TABLE)
    assert np.shares_memory(kept.key, KEY)
    assert np.shares_memory(kept.coef, COEF)
    before = (TABLE.tobytes(), KEY.tobytes(), COEF.tobytes())
    terms.dense()
    assert before == (TABLE.tobytes(), KEY.tobytes(), COEF.tobytes())


@pytest.mark.parametrize("cast", [
    lambda a: np.asfortranarray(a),
    lambda a: a.astype(a.dtype.newbyteorder(">")),
    lambda a: np.repeat(a, 2, -1)[..., ::2],
    lambda a: a.astype(np.float32 if a.dtype.kind == "f" else np.int64),
    lambda a: a.tolist(),
    lambda a: (lambda b: b.setflags(write=False) or b)(a.copy()),
])  # fmt: skip
def test_other_layouts_and_dtypes_give_the_same_costs(cast):
    terms = Terms([(cast(TABLE), cast(KEY), cast(COEF))])
    assert np.array_equal(terms.dense(), Terms([(TABLE, KEY, COEF)]).dense())
    part = terms.terms[0]
    assert [a.dtype for a in part] == [np.float64, np.int32, np.float64]
    assert all(a.flags.c_contiguous and a.dtype.isnative for a in part)


def test_a_mapped_file_is_read_in_place(tmp_path):
    np.save(tmp_path / "coef.npy", COEF)
    mapped = np.load(tmp_path / "coef.npy", mmap_mode="r")
    assert np.shares_memory(Terms([(TABLE, KEY, mapped)]).terms[0].coef, mapped)


def test_empty_sides():
    assert Terms([(TABLE, [], [])]).dense().shape == (0, 2)
    assert Terms([(np.empty((3, 0)), KEY, None)]).dense().shape == (4, 0)
    assert Terms([(np.empty((0, 2)), None, [])]).shape == (0, 2)


def test_all_forbidden_and_extreme_costs():
    assert (Terms([(np.full((1, 2), INF), [0, 0], None)]).dense() == INF).all()
    tiny, huge = 5e-324, 1e300
    assert Terms([([[tiny, huge, -huge]], [0], None)]).dense().tolist() == [[tiny, huge, -huge]]


@pytest.mark.parametrize(
    ("terms", "message", "field", "index"),
    [
        ([], "found none", "terms", None),
        ([(TABLE, KEY)], "found 2 parts", "terms[0]", None),
        ([(TABLE, None, None)], "must tell the number of jobs", "terms", None),
        ([(TABLE[0], KEY, None)], r"shape \(2,\), needed 2", "terms[0].table", None),
        ([(TABLE, [KEY], None)], r"shape \(1, 4\), needed 1", "terms[0].key", None),
        ([(TABLE, KEY, 2.0)], r"shape \(\), needed 1", "terms[0].coef", None),
        ([(TABLE, KEY, COEF[:3])], "found 3 jobs, needed 4", "terms[0].coef", None),
        (
            [(TABLE, KEY, None), (TABLE[:, :1], KEY, None)],
            "found 1 slots, needed 2",
            "terms[1].table",
            None,
        ),
        ([(TABLE, [0, 3], None)], r"key\[1\]: found 3, needed a row below 3", "terms[0].key", 1),
        ([(TABLE, [0, -1], None)], r"key\[1\]: found -1, needed a row from 0", "terms[0].key", 1),
        ([(TABLE, [2**31], None)], "found 2147483648", "terms[0].key", 0),
        (
            [(TABLE, np.array([2**63], np.uint64), None)],
            "found 9223372036854775808",
            "terms[0].key",
            0,
        ),
        ([(TABLE[:0], [0], None)], "needed a row below 0", "terms[0].key", 0),
        ([(TABLE[:0], None, [1.0])], "needed row 0", "terms[0].table", None),
        ([(TABLE, [0], [np.nan])], r"coef\[0\]: found nan", "terms[0].coef", 0),
        ([(TABLE, [0, 0], [1, INF])], r"coef\[1\]: found inf", "terms[0].coef", 1),
        ([(TABLE, [0, 0], [1, -INF])], r"coef\[1\]: found -inf", "terms[0].coef", 1),
        ([([[1, np.nan]], [0], None)], r"table\[0, 1\]: found nan", "terms[0].table", (0, 1)),
        (
            [([[1, 2], [-INF, 2]], [0], None)],
            r"table\[1, 0\]: found -inf",
            "terms[0].table",
            (1, 0),
        ),
        (
            [([[1, 2**53 + 1]], [0], None)],
            "found 9007199254740993, needed at most 2",
            "terms[0].table",
            (0, 1),
        ),
        ([(TABLE, [0, 0], [1, 2**62])], "needed at most 2", "terms[0].coef", 1),
    ],
)
def test_bad_values(terms, message, field, index):
    with pytest.raises(InvalidProblemError, match=message) as caught:
        Terms(terms)
    assert (caught.value.field, caught.value.index) == (field, index)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ([TABLE], r"terms\[0\] must be \(table, key, coef\), not ndarray"),
        ([(TABLE > 2, KEY, None)], "not bool"),
        ([(TABLE.astype(complex), KEY, None)], "not complex128"),
        ([(TABLE.astype(object), KEY, None)], "not object"),
        ([(TABLE.astype(np.longdouble), KEY, None)], "at most 64 bits"),
        ([([["1", "2"]], KEY, None)], "not <U1"),
        ([(TABLE, KEY.astype(float), None)], "integer dtype, not float64"),
        ([(TABLE, KEY > 0, None)], "integer dtype, not bool"),
        ([(TABLE, KEY, COEF > 0)], "not bool"),
        ([(np.ma.masked_array(TABLE, TABLE > 2), KEY, None)], "would lose its mask"),
    ],
)
def test_wrong_types(terms, message):
    with pytest.raises(TypeError, match=message):
        Terms(terms)


def test_a_finite_cost_that_would_overflow_is_refused_not_forbidden():
    with pytest.raises(CostRangeError, match="may reach inf"):
        Terms([([[1e200, INF]], [0], [1e200])])
    with pytest.raises(CostRangeError, match=r"needed below 8\.98e307"):
        Terms([([[1e308]], [0], None)])
