"""Kernels: equal to their formula, callable without the GIL, and clear when they fail."""

import ctypes
import math
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from gridcompute import InvalidProblemError, kernel

numba = pytest.importorskip("numba")
RATE = 0.25


@kernel
def demo(job_work, job_site, job_big, slot_speed, slot_site, rtt, limit):
    if job_big and slot_speed < 2.0:
        return math.inf
    if rtt[job_site, slot_site] > limit:
        return math.inf
    return job_work / slot_speed + RATE * rtt[job_site, slot_site]


def columns(n_jobs, n_slots, seed=0):
    r = np.random.default_rng(seed)
    return {
        "jobs": {
            "job_work": r.uniform(1, 9, n_jobs),
            "job_site": r.integers(0, 5, n_jobs).astype(np.int32),
            "job_big": r.random(n_jobs) < 0.3,
            "unused": "never looked at",
        },
        "slots": {"slot_speed": r.uniform(1, 4, n_slots), "slot_site": r.integers(0, 5, n_slots)},
        "rtt": r.uniform(0, 40, (5, 5)),
        "limit": 30.0,
    }


def by_hand(formula, jobs, slots, **shared):
    """The costs by the plain Python formula, pair by pair."""
    job_names = [p.name for p in formula.parameters if p.name.startswith("job_")]
    slot_names = [p.name for p in formula.parameters if p.name.startswith("slot_")]
    n_jobs, n_slots = len(jobs[job_names[0]]), len(slots[slot_names[0]])
    return np.array([
        [
            formula(
                **{name: jobs[name][i] for name in job_names},
                **{name: slots[name][s] for name in slot_names},
                **shared,
            )
            for s in range(n_slots)
        ]
        for i in range(n_jobs)
    ]).reshape(n_jobs, n_slots)  # fmt: skip


def fill_of(bound):
    """The C function as other compiled code would call it; ctypes lets go of the GIL meanwhile."""
    kinds = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
    return ctypes.CFUNCTYPE(None, *kinds)(bound.address)


def test_equal_to_the_formula_bit_for_bit():
    data = columns(40, 30)
    bound = demo.bind(**data)
    assert bound.shape == (bound.n_jobs, bound.n_slots) == (40, 30)
    dense = bound.dense()
    assert np.isinf(dense).any()
    assert np.isfinite(dense).any()
    assert np.array_equal(dense, by_hand(demo, **data))


def test_rows_are_the_same_bits_in_any_block_and_order():
    """The core reads a row again in other blocks and compares: one differing bit fails a solve."""
    bound = demo.bind(**columns(50, 33))
    whole = bound.dense()
    assert np.array_equal(bound.dense(slice(7, 19)), whole[7:19])
    assert np.array_equal(bound.dense([49, 3, 3, -1]), whole[[49, 3, 3, 49]])
    assert bound.dense(slice(5, 5)).shape == (0, 33)


def test_context_stays_valid_when_the_callers_arrays_go():
    bound = demo.bind(**columns(30, 20))
    before = bound.dense()
    junk = [np.random.default_rng(k).random(1000) for k in range(200)]
    assert np.array_equal(bound.dense(), before)
    assert len(junk) == 200


@pytest.mark.parametrize("cast", [
    lambda a: a[::-1].copy()[::-1],
    lambda a: a.astype(a.dtype.newbyteorder(">")),
    lambda a: a.tolist(),
    lambda a: (lambda b: b.setflags(write=False) or b)(a.copy()),
])  # fmt: skip
def test_other_layouts_give_the_same_costs(cast):
    data = columns(12, 9)
    expected = demo.bind(**data).dense()
    for side in ("jobs", "slots"):
        data[side] = {k: cast(v) for k, v in data[side].items() if k != "unused"}
    data["rtt"] = np.asfortranarray(data["rtt"])
    assert np.array_equal(demo.bind(**data).dense(), expected)


@pytest.mark.parametrize(
    "dtype", [np.bool_, np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint64, np.float32]
)
def test_dtypes(dtype):
    @kernel
    def total(job_a, slot_b):
        return job_a + 2.5 * slot_b

    a, b = np.array([0, 1, 1], dtype), np.array([1, 0], dtype)
    dense = total.bind(jobs={"job_a": a}, slots={"slot_b": b}).dense()
    assert dense.tolist() == [[2.5, 0.0], [3.5, 1.0], [3.5, 1.0]]


def test_empty_sides():
    assert demo.bind(**columns(0, 4)).dense().shape == (0, 4)
    assert demo.bind(**columns(4, 0)).dense().shape == (4, 0)


def test_a_side_that_no_parameter_reads_still_has_a_length():
    @kernel
    def by_slot(slot_price):
        return slot_price

    bound = by_slot.bind(jobs={"id": np.arange(3)}, slots={"slot_price": np.array([1.0, 2.0])})
    assert bound.dense().tolist() == [[1.0, 2.0]] * 3
    with pytest.raises(InvalidProblemError, match="jobs: found no column"):
        by_slot.bind(jobs={}, slots={"slot_price": [1.0]})


def test_negative_zero_infinities_and_nan_come_as_they_are():
    @kernel
    def echo(job_a, slot_b):
        return job_a * slot_b

    values = np.array([-0.0, np.inf, -np.inf, np.nan, 5e-324])
    dense = echo.bind(jobs={"job_a": values}, slots={"slot_b": [1.0]}).dense()
    assert dense.tobytes() == values.tobytes()


def test_division_by_zero_is_infinite_not_an_exception():
    @kernel
    def ratio(job_work, slot_speed):
        return job_work / slot_speed

    assert ratio.bind(jobs={"job_work": [1.0]}, slots={"slot_speed": [0.0]}).dense()[0, 0] == np.inf


def test_sums_are_not_fused():
    @kernel
    def fused(job_a, slot_b, c):
        return job_a * slot_b + c

    a, b = 1 + 2.0**-30, 1 - 2.0**-30
    assert (
        fused.bind(jobs={"job_a": [a]}, slots={"slot_b": [b]}, c=-1.0).dense()[0, 0] == a * b - 1.0
    )


def test_closures_of_one_name_are_not_confused():
    """Numba's cache knows a function by file and name: each of these must keep its own constant."""

    def make(scale):
        @kernel
        def scaled(job_a, slot_b):
            return scale * job_a * slot_b

        return scaled

    for scale in (2.0, 3.0, 2.0):
        bound = make(scale).bind(jobs={"job_a": [1.0]}, slots={"slot_b": [1.0]})
        assert bound.dense()[0, 0] == scale


def test_compiled_once_for_each_set_of_dtypes():
    first, second = (demo.bind(**columns(n, 3)) for n in (4, 5))
    assert first.address == second.address
    assert first.context != second.context


def test_a_formula_numba_already_compiled_and_jitted_helpers():
    @numba.njit
    def half(x):
        return x / 2

    @kernel
    @numba.njit
    def halves(job_a, slot_b):
        return half(job_a) + slot_b

    assert halves.bind(jobs={"job_a": [3.0]}, slots={"slot_b": [1.0]}).dense()[0, 0] == 2.5


def test_the_kernel_is_still_its_formula():
    assert demo.__name__ == "demo"
    assert demo(6.0, 0, False, 2.0, 0, np.zeros((1, 1)), 1.0) == 3.0
    assert repr(demo).startswith("<kernel demo(job_work, ")
    assert repr(demo.bind(**columns(2, 3))).endswith("2 jobs x 3 slots>")


class TestRefused:
    def test_missing_column(self):
        data = columns(3, 2)
        del data["slots"]["slot_site"]
        with pytest.raises(
            InvalidProblemError, match=r"slots: no column 'slot_site' .* found slot_speed"
        ) as caught:
            demo.bind(**data)
        assert caught.value.field == "slot_site"

    def test_missing_shared(self):
        data = columns(3, 2)
        del data["rtt"]
        with pytest.raises(InvalidProblemError, match="lacks 'rtt'"):
            demo.bind(**data)

    @pytest.mark.parametrize("name", ["other", "job_work"])
    def test_surplus_shared(self, name):
        with pytest.raises(TypeError, match=f"got '{name}', which is no shared parameter"):
            demo.bind(**columns(3, 2), **{name: 1.0})

    def test_lengths(self):
        data = columns(3, 2)
        data["jobs"]["job_site"] = np.zeros(4, int)
        with pytest.raises(
            InvalidProblemError,
            match=r"jobs\['job_site'\]: found shape \(4,\), needed \(3,\) as 'job_work'",
        ):
            demo.bind(**data)
        data["jobs"]["job_work"] = np.zeros((3, 1))
        with pytest.raises(
            InvalidProblemError, match=r"jobs\['job_work'\]: found shape \(3, 1\), needed \(n,\)"
        ):
            demo.bind(**data)

    @pytest.mark.parametrize(
        "bad",
        [
            ["a"],
            [1j],
            [None],
            np.array(["2026"], "M8[D]"),
            np.ones(1, np.float16),
            np.ones(1, np.longdouble),
        ],
    )
    def test_dtypes(self, bad):
        data = columns(1, 2)
        data["jobs"]["job_work"] = bad
        with pytest.raises(TypeError, match="job_work must be bool, int or float"):
            demo.bind(**data)

    def test_masked(self):
        data = columns(1, 2)
        data["jobs"]["job_work"] = np.ma.masked_array([1.0], [True])
        with pytest.raises(TypeError, match="would lose its mask"):
            demo.bind(**data)

    def test_what_numba_cannot_compile_names_the_types(self):
        @kernel
        def strange(job_a, slot_b, table, k):
            return job_a.no_such_thing + table[k]

        with pytest.raises(
            InvalidProblemError,
            match=r"compile strange\(job_a: float64, slot_b: int64, table: float64\[:, :\], "
            r"k: int64\): .*no_such_thing",
        ):
            strange.bind(jobs={"job_a": [1.0]}, slots={"slot_b": [1]}, table=np.ones((2, 2)), k=1)

    @pytest.mark.parametrize("value", [None, 1j, (1.0, 2.0)])
    def test_a_result_that_is_no_number(self, value):
        @kernel
        def strange(job_a, slot_b):
            return value

        with pytest.raises(InvalidProblemError, match="cannot compile strange"):
            strange.bind(jobs={"job_a": [1.0]}, slots={"slot_b": [1.0]})

    @pytest.mark.parametrize(
        "formula",
        [
            lambda *jobs: 0,
            lambda job_a=1: 0,
            lambda *, job_a: 0,
            lambda jobs: 0,
            lambda slots: 0,
            len,
            3,
        ],
    )
    def test_no_formula(self, formula):
        with pytest.raises(TypeError, match="kernel"):
            kernel(formula)

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    def test_a_formula_that_raises_leaves_nan_not_old_memory(self):
        @kernel
        def raises(job_a, slot_b):
            if job_a > 1.0:
                raise ValueError
            return job_a

        dense = raises.bind(jobs={"job_a": [1.0, 2.0, 1.0]}, slots={"slot_b": [0, 0]}).dense()
        assert dense[0].tolist() == [1.0, 1.0]
        assert np.isnan(dense[1:]).all()


def test_threads_calling_at_once():
    bound = demo.bind(**columns(200, 50))
    expected, rows = bound.dense(), np.arange(200, dtype=np.int64)
    outs = [np.zeros((200, 50)) for _ in range(8)]

    def work(out):
        for _ in range(20):
            fill_of(bound)(bound.context, rows.ctypes.data, 200, out.ctypes.data)

    threads = [threading.Thread(target=work, args=(out,)) for out in outs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for out in outs:
        assert np.array_equal(out, expected)


def test_a_long_fill_does_not_hold_the_gil():
    """If the fill held the GIL, this thread could not count until it was over."""

    @kernel
    def slow(job_a, slot_b, n):
        x = job_a
        for _ in range(n):
            x = math.sin(x) + slot_b
        return x

    bound = slow.bind(jobs={"job_a": np.ones(200)}, slots={"slot_b": np.ones(1)}, n=100_000)
    over = threading.Event()
    thread = threading.Thread(target=lambda: (bound.dense(), over.set()))
    thread.start()
    steps = 0
    while not over.is_set():
        steps += 1
        time.sleep(0.001)
    thread.join()
    assert steps > 20


def test_cached_code_follows_its_source(tmp_path):
    """A second process finds the code on disk, but never that of another constant."""
    pytest.importorskip("numba")
    module = tmp_path / "formulas.py"
    run = textwrap.dedent(
        """
        import sys, numba.core.caching as caching
        from formulas import cost
        bound = cost.bind(jobs={"job_a": [1.0]}, slots={"slot_b": [1.0]})
        print(bound.dense()[0, 0], bound._function.cache_hits)
        """
    )

    def answer(scale):
        text = (
            f"from gridcompute import kernel\nSCALE = {scale}\n"
            "@kernel\ndef cost(job_a, slot_b):\n    return SCALE * job_a * slot_b\n"
        )
        if not module.exists() or module.read_text() != text:  # numba 0.61 and 0.62 go by its date
            module.write_text(text)
        path = [str(tmp_path), *sys.path]
        done = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path[:] = {path!r}\n{run}"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.split()

    assert answer(2.0) == ["2.0", "0"]
    assert answer(2.0) == ["2.0", "1"]
    assert answer(5.0) == ["5.0", "0"]


def test_numba_is_imported_when_first_bound_not_before():
    code = (
        "import sys, gridcompute as g; g.kernel(lambda job_a: 0); assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
