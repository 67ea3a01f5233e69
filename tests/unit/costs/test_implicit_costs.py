"""Terms and kernels in the core: the same answers as their dense matrices, and NaN is found."""

import math

import numpy as np
import pytest

from gridcompute import InternalError, InvalidProblemError, Terms, kernel, transport


@kernel
def gravity(job_mass, job_place, job_picky, slot_place, slot_speed, distance):
    if job_picky and slot_speed < 1.0:
        return math.inf
    return job_mass * distance[job_place, slot_place] + job_mass / slot_speed


@pytest.fixture
def bound():
    r = np.random.default_rng(3)
    return gravity.bind(
        jobs={
            "job_mass": r.uniform(1, 5, 900),
            "job_place": r.integers(0, 6, 900),
            "job_picky": r.random(900) < 0.2,
        },
        slots={"slot_place": r.integers(0, 6, 40), "slot_speed": r.uniform(0.5, 3, 40)},
        distance=r.uniform(0, 9, (6, 6)),
    )


@pytest.fixture
def terms():
    r = np.random.default_rng(4)
    tables = r.uniform(0, 9, (3, 7, 40))
    tables[0][r.random((7, 40)) < 0.3] = np.inf
    return Terms([(t, r.integers(0, 7, 900), r.uniform(0, 2, 900)) for t in tables])


@pytest.mark.parametrize("method", ["auto", "exact"])
@pytest.mark.parametrize("name", ["bound", "terms"])
def test_same_bits_as_the_dense_matrix(name, method, request):
    """If this fails, the core evaluates a cost otherwise than `dense` shows it."""
    cost = request.getfixturevalue(name)
    capacity = np.full(40, 25)
    how = {"method": method, "unplaced": 100.0, "resolution": 2.0**30}
    implicit, dense = transport(cost, capacity, **how), transport(cost.dense(), capacity, **how)
    assert implicit.status == dense.status == "optimal"
    assert implicit.objective == dense.objective
    assert np.array_equal(implicit.assignment, dense.assignment)
    assert implicit.verify().valid


@pytest.mark.parametrize("name", ["bound", "terms"])
def test_same_answer_for_any_number_of_threads(name, request):
    """If this fails, a kernel or a table is not read purely."""
    cost = request.getfixturevalue(name)
    found = [transport(cost, np.full(40, 25), unplaced=100.0, threads=n) for n in (1, 2, 7)]
    for m in found[1:]:
        assert np.array_equal(m.assignment, found[0].assignment)
        assert np.array_equal(m.prices, found[0].prices)


def test_nan_from_a_kernel_is_an_error_with_its_place():
    @kernel
    def odd(job_a, slot_b):
        return math.nan if job_a == 7.0 and slot_b == 2.0 else job_a + slot_b

    cost = odd.bind(jobs={"job_a": np.arange(10.0)}, slots={"slot_b": np.arange(4.0)})
    with pytest.raises(InvalidProblemError, match=r"(?i)nan") as caught:
        transport(cost, np.full(4, 5))
    assert caught.value.index in (7, (7, 2))


@pytest.mark.parametrize(("n", "gangs"), [(40, True), (300, False)])
def test_costs_that_change_in_mid_call_end_in_an_error_or_a_finite_answer(n, gangs):
    """A row whose second reading was NaN killed the process, or came out as "optimal" at inf."""

    @kernel
    def late(job_a, slot_b, reads, limit, value):
        reads[0] += 1
        if reads[0] > limit[0]:
            return value[0] if value[0] != 0.0 else job_a * slot_b * (1 + reads[0] % 7)
        return job_a * slot_b

    r = np.random.default_rng(0)
    jobs, slots = {"job_a": r.uniform(1, 9, n)}, {"slot_b": r.uniform(1, 4, 3)}
    options = {"demand": r.integers(1, 4, n)} if gangs else {}
    capacity = np.full(3, n if gangs else n // 3 + 1)

    def solved(limit, value):
        reads = np.zeros(1, np.int64)
        cost = late.bind(jobs=jobs, slots=slots, reads=reads, limit=[limit], value=[value])
        try:
            found = transport(cost, capacity, unplaced=50.0, threads=1, **options)
        except (InvalidProblemError, InternalError) as error:
            return int(reads[0]), str(error)
        return int(reads[0]), found.objective

    total, expected = solved(2**60, 0.0)
    outcomes = []
    for limit in np.linspace(0, total - 1, 25).astype(int).tolist():
        for value in (math.nan, math.inf, 0.0, 1e300):
            _, found = solved(limit, value)
            outcomes.append(found)
            assert isinstance(found, str) or math.isfinite(found), (limit, value, found)
    assert isinstance(expected, float)
    assert any(isinstance(found, str) for found in outcomes)
