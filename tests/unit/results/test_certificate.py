"""Forged answers: every field of a `Matching` is checked against what the problem says of it."""

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest

from gridcompute import InvalidProblemError, Witness, _core, transport

INF = math.inf
COST = np.array([[1, 5], [2, 3], [4, 1], [1, 3]])


def solved():
    """Four jobs for 2 + 3 slots; [0, 1, 1, 0] is best, and one slot more of class 0 saves 1."""
    return transport(COST, [2, 3])


def gangs():
    """Fourteen, whose optimum lies above what prices and charges prove."""
    r = np.random.default_rng(6)
    cost, demand = r.integers(1, 30, (14, 3)) + 0.5, r.integers(2, 6, 14)
    m = transport(cost, [int(demand.sum()) // 3 + 1] * 3, demand=demand)
    assert (m.status, m.exact) == ("feasible", False)
    assert 0 < m.gap < 0.05
    return m


def impossible():
    """Three jobs for the two slots that they may use."""
    return transport([[1.0, np.inf]] * 3, [2, 5])


def cut_short():
    """Stopped at once, with what can be said without a look at the costs."""
    m = transport([[1.0], [2.0], [3.0]], [3], time_limit=0)
    assert m.status == "time_limit"
    return m


def ints(*values, dtype=np.int32):
    return np.array(values, dtype)


def reals(*values):
    return np.array(values, np.float64)


FORGERIES = [
    (solved, "assignment", ints(0, 0, 1, 0), "load"),
    (solved, "assignment", ints(0, 1, 1), "assignment: found shape (3,), needed (n_jobs,) = (4,)"),
    (solved, "assignment", ints(0, 1, 1, 0, 0), "assignment: found shape (5,)"),
    (solved, "assignment", ints(0, 1, 1, 2), "assignment[3]: found 2, needed -1 to 1"),
    (solved, "assignment", ints(0, -2, 1, 0), "assignment[1]: found -2, needed -1 to 1"),
    (solved, "assignment", ints(0, 1, 1, -1), "assignment[3]: found -1, but it must be placed"),
    (solved, "assignment", ints(0, 1, 1, 0, dtype=np.int64), "assignment: found int64"),
    (solved, "assignment", reals(0, 1, 1, 0), "assignment: found float64"),
    (solved, "assignment", ints(0, 1, 1, 0).reshape(2, 2), "assignment: found shape (2, 2)"),
    (solved, "assignment", ints(0, 9, 1, 9, 1, 9, 0, 9)[::2], "assignment: found strides"),
    (solved, "assignment", [0, 1, 1, 0], "assignment: found list, needed an array of int32"),
    (solved, "assignment", None, "assignment: found NoneType"),
    (solved, "load", ints(3, 1, dtype=np.int64), "load[0]: found 3, the assignment gives 2"),
    (solved, "load", ints(2, dtype=np.int64), "load: found shape (1,)"),
    (solved, "load", ints(2, 2), "load: found int32, needed an array of int64"),
    (solved, "prices", reals(1), "prices: found shape (1,), needed (n_slots,) = (2,)"),
    (solved, "prices", reals(), "prices: found shape (0,)"),
    (solved, "prices", reals(1, 0, 0), "prices: found shape (3,)"),
    (solved, "prices", reals(np.nan, 0), "prices[0]: found nan, needed 0 or more"),
    (solved, "prices", reals(0, np.inf), "prices[1]: found inf, needed 0 or more"),
    (solved, "prices", reals(-1, 0), "prices[0]: found -1, needed 0 or more"),
    (solved, "prices", reals(0, 0), "bound: found 6, the prices prove"),
    (solved, "prices", reals(1, 0).astype(np.float32), "prices: found float32"),
    (solved, "objective", 5, "objective: found 5, the assignment costs 6"),
    (solved, "objective", 6.000000000000001, "objective: found 6.000000000000001"),
    (solved, "objective", INF, "objective: found inf, the assignment costs 6"),
    (solved, "objective", -INF, "objective: found -inf"),
    (solved, "objective", math.nan, "objective: found nan"),
    (solved, "objective", "6", "objective: found str"),
    (solved, "objective", None, "objective: found NoneType"),
    (solved, "objective", True, "objective: found bool"),
    (solved, "bound", 7, "bound: found 7, the prices prove 6"),
    (solved, "bound", INF, "bound: found inf, the prices prove 6"),
    (solved, "bound", math.nan, "bound: found nan"),
    (solved, "bound", 5, "exact: found True, with objective 6 and bound 5"),
    (solved, "bound", -INF, "exact: found True, with objective 6 and bound -inf"),
    (solved, "bound", None, "bound: found NoneType"),
    (solved, "exact", False, "exact: found False, but the objective is its bound"),
    (solved, "exact", 1, "exact: found int, needed bool"),
    (solved, "status", "feasible", "status: found 'feasible', needed 'optimal'"),
    (solved, "status", "stopped", "status: found 'stopped', needed 'optimal'"),
    (solved, "status", "time_limit", "status: found 'time_limit', needed 'optimal'"),
    (solved, "status", "infeasible", "witness: found none, and an infeasible problem needs one"),
    (solved, "status", "solved", "status: found 'solved', needed one of 'optimal', "),
    (solved, "status", None, "status: found None"),
    (solved, "stats", None, "stats: found NoneType, needed dict"),
    (
        solved,
        "witness",
        Witness(ints(0, dtype=np.int64), ints(0), 1, 0),
        "witness: found one, and the status is 'optimal'",
    ),
    (solved, "question", None, "question: it is no problem"),
    (gangs, "status", "optimal", "status: found 'optimal', but the prices prove"),
    (gangs, "exact", True, "exact: found True, but objective and bound differ"),
    (gangs, "bound", 900.5, "bound: found 900.5, the prices prove"),
    (gangs, "objective", 1.0, "objective: found 1.0, the assignment costs"),
    (gangs, "objective", INF, "objective: found inf, the assignment costs"),
    (gangs, "charges", reals(*[0.0] * 14), "bound: found"),
    (gangs, "charges", reals(0.0), "charges: found shape (1,), needed (n_jobs,) = (14,)"),
    (gangs, "charges", reals(*[np.nan] * 14), "charges[0]: found nan, needed a finite number"),
    (gangs, "charges", [0.0] * 14, "charges: found list"),
    (impossible, "witness", None, "witness: found none"),
    (impossible, "witness", ([0, 1, 2], [0]), "witness: found tuple"),
    (impossible, "status", "optimal", "witness: found one, and the status is 'optimal'"),
    (impossible, "objective", 3.0, "objective: found 3.0, needed inf"),
    (impossible, "bound", 3.0, "bound: found 3.0, needed inf"),
    (impossible, "exact", True, "exact: found True, and there is no matching"),
    (impossible, "load", ints(9, 0, dtype=np.int64), "load[0]: found 9"),
    (impossible, "assignment", ints(0, 0), "assignment: found shape (2,)"),
    (impossible, "prices", reals(-1, 0), "prices[0]: found -1"),
    (cut_short, "bound", 100.0, "bound: found 100.0"),
]


@pytest.mark.parametrize(
    ("make", "field", "value", "reason"),
    FORGERIES,
    ids=[f"{make.__name__}-{field}-{k}" for k, (make, field, *_) in enumerate(FORGERIES)],
)
def test_a_forged_field_is_refuted(make, field, value, reason):
    """If this fails, a matching that is not what it says is certified, or the process dies."""
    m = make()
    assert m.verify().valid
    forged = dataclasses.replace(m, **{field: value})
    object.__setattr__(m, field, value)
    for claim in (forged, m):
        found = claim.verify()
        assert not found.valid, (field, value, found)
        assert any(reason in text for text in found.reasons), found.reasons


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"jobs": ints(0, 1, dtype=np.int64)}, "the classes named have room for the jobs"),
        ({"jobs": ints(0, 1, 1, dtype=np.int64)}, "jobs must ascend within range, found 1"),
        ({"jobs": ints(0, 1, 9, dtype=np.int64)}, "jobs must ascend within range, found 9"),
        ({"jobs": ints(-1, 0, 1, dtype=np.int64)}, "jobs must ascend within range, found -1"),
        ({"jobs": ints(0, 1, 2)}, "witness.jobs: found int32"),
        ({"slots": ints()}, "may use slot class 0, which is not named"),
        ({"slots": ints(0, 0)}, "slot class 0 is out of range or named twice"),
        ({"slots": ints(5)}, "slot class 5 is out of range"),
        ({"slots": ints(-1)}, "slot class -1 is out of range"),
        ({"slots": ints(0, 1)}, "the classes named have room for the jobs"),
        ({"slots": [0]}, "witness.slots: found list"),
        ({"needed": 4}, "witness.needed: found 4, its lists give 3"),
        ({"available": 1}, "witness.available: found 1, its lists give 2"),
        ({"available": None}, "witness.available: found None"),
    ],
)
def test_a_forged_witness_is_refuted(change, reason):
    """If this fails, a problem that has an answer passes as infeasible."""
    m = impossible()
    forged = dataclasses.replace(m.witness, **change)
    found = dataclasses.replace(m, witness=forged).verify()
    assert not found.valid
    assert any(reason in text for text in found.reasons), found.reasons
    assert found.gap == INF


def test_prices_one_short_certify_no_dear_matching():
    """If this fails, a matching ten times too dear is certified as optimal by short prices."""
    m = transport([[10, 1], [10, 1]], [2, 2])
    assert m.objective == 2
    dear = dataclasses.replace(
        m, assignment=ints(0, 0), load=ints(2, 0, dtype=np.int64), objective=20, prices=reals(0)
    )
    assert not dear.verify().valid
    assert not dataclasses.replace(dear, bound=20).verify().valid


def test_a_true_witness_of_another_problem_is_refuted():
    """If this fails, a NaN among the costs passes as a forbidden pair."""
    witness = impossible().witness
    assert witness is not None
    costs = _core.dense_cost(np.array([[1.0, np.nan]] * 3))
    assert costs is not None
    found = _core.check_witness(
        costs, ints(2, 5, dtype=np.int64), None, None, witness.jobs, witness.slots
    )
    assert found["faults"] == ["cost: row 0 has a NaN or -inf"]


QUESTION = {
    "capacity": ints(2, 3, dtype=np.int64),
    "demand": None,
    "unplaced": None,
    "assignment": ints(0, 1, 1, 0),
    "prices": reals(1, 0),
}


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("capacity", ints(2, dtype=np.int64), "capacity: found 1 entries, needed n_slots = 2"),
        ("capacity", ints(2, -1, dtype=np.int64), "capacity[1]: found -1"),
        ("demand", ints(1, 1), "demand: found 2 entries, needed n_jobs = 4"),
        ("demand", ints(), "demand: found 0 entries, needed n_jobs = 4"),
        ("demand", ints(1, 0, 1, 1), "demand[1]: found 0"),
        ("unplaced", reals(1, 2, 3), "unplaced: found 3 entries, needed 1 or n_jobs = 4"),
        ("unplaced", reals(), "unplaced: found 0 entries"),
        ("unplaced", reals(np.nan), "unplaced[0]: found nan"),
        ("unplaced", reals(1, 2, -np.inf, 4), "unplaced[2]: found -inf"),
    ],
)
def test_the_core_refuses_a_problem_of_wrong_sizes(field, value, says):
    """If this fails, a direct call of the checker reads outside the arrays it is given."""
    cost = _core.dense_cost(COST)
    assert cost is not None
    arguments = QUESTION | {field: value}
    with pytest.raises(InvalidProblemError) as caught:
        _core.check_transport(cost, *arguments.values(), 1)
    assert says in str(caught.value)
    assert caught.value.field == field
    problem = [arguments[name] for name in ("capacity", "demand", "unplaced")]
    with pytest.raises(InvalidProblemError):
        _core.check_witness(cost, *problem, ints(0, dtype=np.int64), ints(0))


def test_the_core_names_answers_of_wrong_sizes():
    """If this fails, a direct call of the checker with a short answer proves something."""
    cost = _core.dense_cost(COST)
    assert cost is not None
    for size in (0, 3, 5, 1000):
        short = QUESTION | {"assignment": np.zeros(size, np.int32)}
        found = _core.check_transport(cost, *short.values(), 1)
        assert found["faults"] == [f"assignment: found {size} entries, needed n_jobs = 4"]
        assert not found["tight"]
        assert (found["objective_low"], found["objective_high"]) == (-INF, INF)
        other = QUESTION | {"prices": np.zeros(size, np.float64)}
        found = _core.check_transport(cost, *other.values(), 1)
        assert found["unproved"] == [f"prices: found {size} entries, needed n_slots = 2"]
        assert (found["bound_low"], found["bound_high"]) == (-INF, INF)


def test_a_forged_size_kills_no_process():
    """If this fails, `verify` of a short assignment or load writes behind an array of the heap."""
    code = """
import dataclasses, numpy as np
from gridcompute import transport
n, s = 50_000, 40
m = transport(np.random.default_rng(1).integers(0, 99, (n, s)), np.full(s, n // s))
for size in (0, 1, n - 1, n + 1, 10 * n):
    for field, dtype in (("assignment", np.int32), ("prices", float), ("load", np.int64)):
        assert not dataclasses.replace(m, **{field: np.zeros(size, dtype)}).verify().valid
far = np.full(n, 2**31 - 1, np.int32)
assert not dataclasses.replace(m, assignment=far).verify().valid
assert not dataclasses.replace(m, assignment=-far).verify().valid
"""
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_gangs_and_jobs_left_out_are_checked_whole():
    """If this fails, a gang counts as one slot, or a job that may stay out as one that must not."""
    m = transport([[1, 9], [1, 9]], [3, 2], demand=[2, 2], unplaced=20)
    assert m.verify().valid
    both = dataclasses.replace(m, assignment=ints(0, 0), load=ints(4, 0, dtype=np.int64))
    assert "slot class 0 is given 4, its capacity is 3" in both.verify().reasons
    out = transport([[5], [7]], [1], unplaced=[3, 6.5])
    assert (out.assignment.tolist(), out.objective, out.verify().valid) == ([-1, -1], 9.5, True)


def test_what_claims_less_is_no_forgery():
    """If this fails, honest answers of stopped solves are called invalid."""
    m = gangs()
    for change in ({"bound": -INF}, {"status": "stopped"}, {"status": "time_limit"}):
        assert dataclasses.replace(m, **change).verify().valid
    left = ints(*[-1] * 14), ints(0, 0, 0, dtype=np.int64)
    nothing = {"assignment": left[0], "load": left[1], "objective": INF, "bound": -INF}
    found = dataclasses.replace(m, status="stopped", **nothing).verify()
    assert (found.valid, found.feasible, found.gap) == (True, False, INF)
    assert "must be placed" in found.reasons[0]
    assert not dataclasses.replace(m, status="feasible", **nothing).verify().valid
