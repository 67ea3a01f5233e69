"""Forged flows: every field of a `Flow` is checked against what the problem says of it."""

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest

from gridcompute import INFINITE, Flow, InvalidProblemError, _core, min_cost_flow

INF = math.inf
#: tail, head, capacity, cost, supply: 3 units the cheap way, 2 the other.
DIAMOND = ([0, 0, 1, 2], [1, 2, 3, 3], [3, 9, 9, 9], [1, 2, 1, 2], [5, 0, 0, -5])


def solved():
    return min_cost_flow(*DIAMOND)


def impossible():
    return min_cost_flow([0, 1, 2], [1, 2, 3], [9, 4, 9], [1, 1, 1], [5, 0, 0, -5])


def endless():
    ring = ([0, 1, 2, 0], [1, 2, 0, 1], [INFINITE] * 3 + [1], [1, -3, 1, 0])
    return min_cost_flow(*ring, [2, 0, -2])


def cut_short():
    r = np.random.default_rng(5)
    n, m = 2000, 20_000
    tail, head = r.integers(0, n, (2, m))
    supply = np.r_[np.full(n // 2, 3), np.full(n // 2, -3)]
    f = min_cost_flow(tail, head, r.integers(1, 9, m), r.integers(1, 99, m), supply, time_limit=0)
    assert f.status == "time_limit"
    assert f.stats["unserved"] > 0
    return f


def ints(*values, dtype=np.int64):
    return np.array(values, dtype)


FORGERIES = [
    (solved, "flow", ints(3, 2, 3), "flow: found shape (3,), needed (n_arcs,) = (4,)"),
    (solved, "flow", ints(3, 2, 3, 2, 0), "flow: found shape (5,)"),
    (solved, "flow", ints(), "flow: found shape (0,)"),
    (solved, "flow", ints(4, 1, 4, 1), "arc 0 carries more than its capacity"),
    (solved, "flow", ints(-1, 6, -1, 6), "arc 0 carries less than its lower bound"),
    (solved, "flow", ints(3, 2, 3, 1), "node 2 does not conserve flow"),
    (solved, "flow", ints(2, 3, 2, 3), "violates complementary slackness"),
    (solved, "flow", ints(3, 2, 3, 2, dtype=np.int32), "flow: found int32"),
    (solved, "flow", [3, 2, 3, 2], "flow: found list"),
    (solved, "potentials", ints(0, 1), "potentials: found shape (2,), needed (n_nodes,) = (4,)"),
    (solved, "potentials", ints(0, 0, 0, 0), "violates complementary slackness"),
    (solved, "potentials", ints(-(2**63), 2**63 - 1, 0, 0), "violates complementary slackness"),
    (solved, "potentials", np.zeros(4), "potentials: found float64"),
    (solved, "objective", 13, "objective: found 13, the flow costs 14"),
    (solved, "objective", 14.0, "objective: found float, needed int"),
    (solved, "objective", None, "objective: found NoneType"),
    (solved, "status", "infeasible", "witness: found NoneType"),
    (solved, "status", "unbounded", "cycle: found NoneType"),
    (solved, "status", "feasible", "status: found 'feasible', needed one of 'optimal'"),
    (solved, "status", None, "status: found None"),
    (solved, "witness", ints(0), "witness: found one, and the status is 'optimal'"),
    (solved, "cycle", ints(0), "cycle: found one, and the status is 'optimal'"),
    (solved, "stats", {"unserved": 1}, "stats: found 1 units unserved, the flow leaves 0"),
    (solved, "stats", None, "stats: found None units unserved"),
    (solved, "problem", None, "problem: found NoneType"),
    (solved, "warm_start", None, "warm_start: found NoneType"),
    (impossible, "witness", None, "witness: found NoneType"),
    (impossible, "witness", ints(0), "the cut can be served"),
    (impossible, "witness", ints(), "the cut can be served"),
    (impossible, "witness", ints(0, 0), "the cut names node 0 twice, or it is none"),
    (impossible, "witness", ints(0, 4), "the cut names node 4 twice, or it is none"),
    (impossible, "witness", ints(-1), "the cut names node -1 twice, or it is none"),
    (impossible, "witness", ints(0, 1, dtype=np.int32), "witness: found int32"),
    (impossible, "status", "stopped", "witness: found one, and the status is 'stopped'"),
    (impossible, "objective", -7, "objective: found -7, the flow costs"),
    (impossible, "stats", {"unserved": 0}, "stats: found 0 units unserved, the flow leaves"),
    (endless, "cycle", ints(), "the cycle has no arcs"),
    (endless, "cycle", ints(0, 1), "the cycle is broken after arc 1"),
    (endless, "cycle", ints(0, 1, 2, 0, 1, 2), "the cycle names an arc twice"),
    (endless, "cycle", ints(0, 1, 9), "the cycle names an arc twice or one that is none"),
    (endless, "cycle", ints(3, 1, 2), "arc 3 of the cycle has a capacity"),
    (endless, "cycle", None, "cycle: found NoneType"),
    (endless, "objective", -1, "objective: found -1, the flow costs"),
    (endless, "flow", ints(0, 0, 0, 0), "node 0 does not conserve flow"),
    (endless, "status", "optimal", "cycle: found one, and the status is 'optimal'"),
    (cut_short, "status", "optimal", "does not conserve flow"),
    (cut_short, "objective", -1, "objective: found -1, the flow costs"),
    (cut_short, "stats", {"unserved": 0}, "stats: found 0 units unserved, the flow leaves"),
]


@pytest.mark.parametrize(
    ("make", "field", "value", "reason"),
    FORGERIES,
    ids=[f"{make.__name__}-{field}-{k}" for k, (make, field, *_) in enumerate(FORGERIES)],
)
def test_a_forged_field_is_refuted(make, field, value, reason):
    """If this fails, a flow that is not what it says is certified, or the process dies."""
    f = make()
    assert f.verify().valid
    object.__setattr__(f, field, value)
    if field == "warm_start":
        vars(f).pop("flow")
    forged = [f]
    if field in {each.name for each in dataclasses.fields(Flow)}:
        forged.append(dataclasses.replace(make(), **{field: value}))
    for claim in forged:
        found = claim.verify()
        assert not found.valid, (field, value, found)
        assert any(reason in text for text in found.reasons), found.reasons


@pytest.mark.parametrize("make", [solved, impossible, endless, cut_short])
def test_an_honest_flow_is_certified(make):
    """If this fails, the checker refuses what a solve returns, a stopped one included."""
    f = make()
    found = f.verify()
    assert found.valid, found
    assert found.feasible == (f.status in ("optimal", "unbounded"))
    if f.status == "time_limit":
        assert found.reasons == (f"{f.stats['unserved']} units have no path yet",)
        assert (found.objective, found.gap) == (INF, INF)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("tail", ints(0, 0, 1), "problem.head: found shape (4,)"),
        ("tail", ints(0, 0, 1, 4), "arc 3 goes from node 4 to node 3, and there are 4"),
        ("tail", ints(0, 0, 1, 2**62), "arc 3 goes from node"),
        ("head", ints(1, 2, 3, -1), "arc 3 goes from node 2 to node -1"),
        ("capacity", ints(3, 9, 9), "problem.capacity: found shape (3,)"),
        ("capacity", ints(3, 9, 9, -1), "arc 3 has a capacity below its lower bound"),
        ("cost", ints(1, 2, 1, 2, 3), "problem.cost: found shape (5,)"),
        ("supply", ints(5, 0, 0), "potentials: found shape (4,), needed (n_nodes,) = (3,)"),
        ("lower", ints(0), "problem.lower: found shape (1,)"),
        ("lower", [0, 0, 0, 0], "problem.lower: found list"),
        ("cost", np.ones(4), "problem.cost: found float64"),
    ],
)
def test_a_problem_that_changed_is_found_out(field, value, reason):
    """If this fails, arrays that were changed after the solve are read beyond their end."""
    f = solved()
    problem = dataclasses.replace(f.problem, **{field: value})
    found = dataclasses.replace(f, problem=problem).verify()
    assert not found.valid
    assert any(reason in text for text in found.reasons), found.reasons


def test_the_core_refuses_arrays_of_wrong_sizes():
    """If this fails, a direct call of the core reads outside the arrays it is given."""
    names = ("tail", "head", "capacity", "cost", "supply")
    arrays = {name: ints(*values) for name, values in zip(names, DIAMOND, strict=True)}
    for field in ("head", "capacity", "cost"):
        for size in (0, 3, 5):
            short = arrays | {field: np.zeros(size, np.int64), "lower": None}
            with pytest.raises(InvalidProblemError, match=f"{field}: found {size} entries"):
                _core.min_cost_flow(*short.values(), "auto", None, None, None, None)
            with pytest.raises(InvalidProblemError, match=f"{field}: found {size} entries"):
                _core.write_dimacs(*short.values())
            found = _core.check_flow(*short.values(), "optimal", *[ints(0, 0, 0, 0)] * 4)
            assert found["flow"].startswith(f"{field}: found {size} entries, needed n_arcs = 4")


def test_forged_sizes_kill_no_process():
    """If this fails, `verify` of a short flow, or of a node that is none, writes to the heap."""
    code = """
import dataclasses, numpy as np
from gridcompute import min_cost_flow
r = np.random.default_rng(1)
n, m = 2_000, 20_000
tail, head = r.integers(0, n, (2, m))
f = min_cost_flow(tail, head, np.full(m, 9), r.integers(0, 99, m), np.zeros(n, np.int64))
for size in (0, 1, m - 1, m + 1, 50 * m):
    for field in ("flow", "potentials", "witness", "cycle"):
        for status in ("optimal", "infeasible", "unbounded", "stopped"):
            g = dataclasses.replace(f, status=status)
            object.__setattr__(g, field, np.full(size, 2**40))
            assert not g.verify().valid
for far in (10**9, 2**62, -1, -(2**62)):
    tail[7] = far  # the problem is kept by reference
    assert not f.verify().valid
"""
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
