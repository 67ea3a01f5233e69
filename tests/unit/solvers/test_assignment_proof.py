"""`Assignment.verify` judges what users see: whatever was edited makes an answer invalid."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp

import gridcompute as gc

SHAPES = [(1, 1), (2, 2), (5, 5), (5, 8), (8, 5), (70, 70), (60, 80), (80, 60)]


def answers(shape):
    """Optima of every kind of cost, dense and sparse, each by name."""
    r = np.random.default_rng(sum(shape))
    real = r.random(shape) * 100 + 1
    costs = {
        "int8": (real - 50).astype(np.int8),
        "int64": (real * 1e6).astype(np.int64),
        "uint64": np.uint64(2**64 - 1) - (real * 1e6).astype(np.uint64),
        "wide": r.integers(-(2**63), 2**63 - 1, shape),
        "float32": real.astype(np.float32),
        "float64": real,
        "tails": real ** r.integers(1, 60, shape),
    }
    for name, cost in costs.items():
        for maximize in (False, True):
            for form, matrix in (("dense", cost), ("sparse", sp.csr_array(cost))):
                answer = gc.assignment(matrix, maximize=maximize)
                yield f"{name} {form} {maximize=} {shape}", answer


def edits(answer):
    """Every way to say something else than was proved."""
    n, m = answer.row_duals.size, answer.col_duals.size
    step = (
        np.nextafter
        if isinstance(answer.objective, float)
        else lambda x, up: x + (1 if up > 0 else -1)
    )
    for field in ("objective", "bound"):
        yield field, {field: step(getattr(answer, field), np.inf)}
        yield field, {field: step(getattr(answer, field), -np.inf)}
        yield field, {field: float("nan")}
    yield "exact", {"exact": not answer.exact}
    yield "status", {"status": "infeasible"}
    yield "status", {"status": "infeasible", "witness": np.array([0], np.int32)}
    yield "status", {"status": "time_limit"}
    yield "status", {"status": "optimal?"}
    yield "witness", {"witness": np.array([0], np.int32)}
    for name, duals in (("row_duals", answer.row_duals), ("col_duals", answer.col_duals)):
        yield f"{name} short", {name: duals[:-1]}
        yield f"{name} long", {name: np.append(duals, duals[:1])}
        yield f"{name} two-dimensional", {name: duals[:, None]}
        yield f"{name} missing", {name: None}
        for up in (np.inf, -np.inf):
            moved = duals.copy()
            moved[-1] = step(moved[-1], up)
            yield f"{name} moved", {name: moved}
    both = max(answer.assignment) if n > 1 else None
    for name, assignment in (
        ("short", answer.assignment[:-1]),
        ("long", np.append(answer.assignment, np.int32(-1))),
        ("empty", answer.assignment[:0]),
        ("missing", None),
        ("a list", answer.assignment.tolist()),
        ("real", answer.assignment.astype(float)),
        ("beyond", np.where(answer.assignment == answer.assignment.max(), m, answer.assignment)),
        ("far beyond", np.where(answer.assignment == answer.assignment.max(), 2**31 - 1, -1)),
        ("negative", np.where(answer.assignment == answer.assignment.max(), -2, answer.assignment)),
        (
            "unmatched",
            np.where(answer.assignment == answer.assignment.max(), -1, answer.assignment),
        ),
        ("repeated", None if both is None else np.full(n, both, np.int32)),
    ):
        if not (name == "repeated" and both is None):
            yield f"assignment {name}", {"assignment": assignment}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_edited_field_makes_an_answer_invalid(shape):
    """If this fails, a certificate vouches for something that users do not see."""
    for name, answer in answers(shape):
        assert answer.verify().valid, name
        for what, changes in edits(answer):
            forged = dataclasses.replace(answer, **changes)
            assert not forged.verify().valid, (name, what, changes)
        assert answer.verify().valid, name


@pytest.mark.parametrize("shape", [(5, 5), (5, 8), (8, 5), (70, 70)])
def test_arrays_edited_in_place_make_an_answer_invalid(shape):
    """If this fails, verify() looks at a copy that it kept."""
    for name, answer in answers(shape):
        for array in (answer.row_duals, answer.col_duals):
            before = array[0]
            array[0] = before ^ 1 if array.dtype.kind != "f" else before + abs(before) + 1
            assert not answer.verify().valid, name
            array[0] = before
        if name.startswith("tails"):
            continue  # pairs may be exchanged below what any double of the objective shows
        first, second = np.flatnonzero(answer.assignment >= 0)[:2]
        swapped = answer.assignment[[second, first]]
        answer.assignment[[first, second]] = swapped
        assert not answer.verify().valid, name
        answer.assignment[[first, second]] = swapped[::-1]
        assert answer.verify().valid, name


def test_a_dearer_matching_with_a_true_price_is_no_optimum():
    """If this fails, any matching is certified, if only its own cost is stated rightly."""
    cost = np.array([[1.0, 2.0], [2.0, 1.0]])
    for matrix in (cost, cost.astype(np.int64), cost.astype(np.float32)):
        answer = gc.assignment(matrix)
        forged = dataclasses.replace(
            answer, assignment=np.array([1, 0], np.int32), objective=4, exact=False
        )
        found = forged.verify()
        assert found.feasible
        assert (found.objective, found.bound) == (4, 2)
        assert not found.valid


def test_other_duals_that_prove_the_same_are_as_good():
    """If this fails, verify() of integers compares with what it has, and proves nothing."""
    answer = gc.assignment(np.array([[4, 1, 3], [2, 0, 5], [3, 2, 2]]))
    moved = dataclasses.replace(
        answer, row_duals=answer.row_duals + 7, col_duals=answer.col_duals - 7
    )
    assert moved.verify().valid
    far = dataclasses.replace(
        answer,
        row_duals=answer.row_duals.astype(object) + 2**80,
        col_duals=answer.col_duals.astype(object) - 2**80,
    )
    assert far.verify().valid
    for most in (2**63 - 1, 2**200):
        wrapped = dataclasses.replace(
            answer,
            row_duals=np.array([most] * 3, object),
            col_duals=np.array([most] * 3, object),
        )
        assert not wrapped.verify().valid


@pytest.mark.parametrize("shape", [(3, 3), (3, 5), (5, 3), (90, 90)])
@pytest.mark.parametrize("sparse", [False, True])
def test_every_edited_field_of_an_infeasible_answer_makes_it_invalid(shape, sparse):
    """If this fails, "infeasible" is certified without a witness, or with one that is none."""
    cost = np.ones(shape)
    if shape[0] <= shape[1]:
        cost[:2, 1:] = np.inf
    else:
        cost[1:, :2] = np.inf
    i, j = np.nonzero(np.isfinite(cost))
    answer = gc.assignment(sp.csr_array((cost[i, j], (i, j)), shape=shape) if sparse else cost)
    assert answer.status == "infeasible"
    assert answer.verify().valid
    witness, n = answer.witness, min(shape)
    for changes in (
        {"witness": None},
        {"witness": witness[:1]},
        {"witness": witness[:0]},
        {"witness": np.append(witness, witness[:1])},
        {"witness": np.array([n, n + 1], np.int32)},
        {"witness": np.array([-1, 0], np.int32)},
        {"witness": np.array([2**40, 0])},
        {"witness": witness.tolist()},
        {"witness": witness[:, None]},
        {"witness": witness.astype(float)},
        {"status": "optimal"},
        {"status": "stopped"},
        {"objective": 3.0},
        {"bound": -np.inf},
        {"exact": True},
        {"assignment": np.zeros(shape[0], np.int32)},
        {"assignment": answer.assignment[:-1]},
        {"row_duals": answer.row_duals + 1},
        {"col_duals": answer.col_duals[:-1]},
    ):
        assert not dataclasses.replace(answer, **changes).verify().valid, changes
    assert dataclasses.replace(answer, witness=witness.astype(np.int64)).verify().valid


def test_costs_that_changed_since_are_judged_as_they_are():
    """If this fails, verify() trusts arrays that were changed in place, or reads past them."""
    cost = np.array([[4, 1, 3], [2, 0, 5], [3, 2, 2]])
    answer = gc.assignment(cost)
    cost[0, 1] = 9
    assert not answer.verify().valid
    for name, value in (("indices", 2**30), ("indices", -5), ("indptr", 2**30), ("indptr", -1)):
        matrix = sp.csr_array(np.array([[4, 1, 3], [2, 6, 5], [3, 2, 2]]))
        answer = gc.assignment(matrix)
        assert answer.verify().valid
        getattr(matrix, name)[1] = value
        assert not answer.verify().valid


def test_bounds_of_floats_hold_in_exact_arithmetic():
    """If this fails, a bound is rounded to the wrong side, or an objective below what is paid."""
    r = np.random.default_rng(5)
    for k in range(40):
        cost = r.random((6, 6)) * 10.0 ** r.integers(-k, k + 1, (6, 6))
        for maximize in (False, True):
            answer = gc.assignment(cost, maximize=maximize)
            rows, cols = answer.pairs()
            paid = sum(map(Fraction, cost[rows, cols].tolist()))
            low, high = sorted([Fraction(answer.bound), Fraction(answer.objective)])
            found = answer.verify()
            assert found.valid
            if answer.exact:
                assert found.objective == found.bound == paid
            else:
                assert low <= paid <= high, (k, maximize)
