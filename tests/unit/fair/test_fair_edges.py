"""Fair shares at odd dtypes, shapes and values: an answer that is proved, or a documented error."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fair_oracles import kai_level, leximin_greedy
from gridcompute import CostRangeError, InvalidProblemError, fair

DTYPES = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", ">i4", ">f8", "g")
ODD = ("?", "c8", "U1", "S1", "O", "M8[s]")
VALUES = {
    "small": [0, 1, 2, 3],
    "negative": [1, -1, 2, 3],
    "powers": [2**k for k in (3, 15, 31, 62)],
    "wide": [2**63 - 1, 1, 2**53 + 1, 0],
    "beyond": [2**64 - 1, 2**63, 5, 1],
    "halves": [0.5, 1.5, 2.0, 0.25],
    "tiny": [5e-324, 1e-300, 1e300, 1.0],
    "infinite": [math.inf, 1.0, 2.0, 0.0],
    "nan": [math.nan, 1.0, 2.0, 0.0],
}
ERRORS = (TypeError, InvalidProblemError, CostRangeError)


def array(values, dtype):
    """The values in that dtype, or None where it cannot hold them."""
    try:
        with np.errstate(all="raise"):
            return np.array(VALUES[values]).astype(dtype, casting="unsafe")
    except (FloatingPointError, OverflowError, ValueError, TypeError):
        return None


@pytest.mark.parametrize("dtype", [*DTYPES, *ODD])
@pytest.mark.parametrize("values", VALUES)
@pytest.mark.filterwarnings("ignore:.*cast")
def test_division_is_exact_or_refused(values, dtype):
    """If this fails, some dtype is rounded, wrapped or read as something else."""
    column = array(values, dtype)
    if column is None:
        return
    for field in ("guarantee", "request", "weight", "limit", "priority", "given", "age"):
        columns = {"guarantee": 1, "request": 5, "weight": 1, field: column}
        try:
            d = fair.divide(17, **columns)
        except ERRORS:
            continue
        filled = {"limit": math.inf, "priority": 0, "given": 0, "age": 0, **columns}
        lists = {k: np.broadcast_to(np.array(v), 4).tolist() for k, v in filled.items()}
        if dtype == "M8[s]":
            assert field == "age"
            lists["age"] = np.argsort(np.argsort(column, kind="stable")).tolist()
        queues = [{k: v[i] for k, v in lists.items()} for i in range(4)]
        share, remaining = kai_level(17, queues)
        assert d.share.tolist() == [float(s) for s in share] or d.share.tolist() == share, field
        assert d.remaining == float(remaining), field


@pytest.mark.parametrize("dtype", [*DTYPES, *ODD])
@pytest.mark.parametrize("values", VALUES)
@pytest.mark.filterwarnings("ignore:.*cast")
def test_leximin_is_exact_or_refused(values, dtype):
    column = array(values, dtype)
    if column is None:
        return
    usable, capacity = np.array([[1, 0], [1, 1], [1, 1], [0, 1]], bool), [3, 5]
    for field in ("capacity", "request", "weight", "guarantee", "limit"):
        given = {"request": [4, 4, 4, 4], "weight": [1, 2, 1, 1], field: column}
        room = column[:2] if given.pop("capacity", None) is not None else capacity
        try:
            x = fair.leximin(usable, room, given.pop("request"), **given)
        except ERRORS:
            continue
        assert x.verify(), field
        if field != "capacity" and (x.weight > 0).all():
            most = [min(int(m), 9) for m in x.most]
            owed = [min(int(g), 9) for g in x.guarantee]
            greedy = leximin_greedy(usable, capacity, most, x.weight.tolist(), owed)
            assert x.share.tolist() == greedy, field


@pytest.mark.parametrize("dtype", [*DTYPES, *ODD])
@pytest.mark.parametrize("values", VALUES)
@pytest.mark.filterwarnings("ignore:.*cast")
def test_dominant_is_proved_or_refused(values, dtype):
    column = array(values, dtype)
    if column is None:
        return
    demand = np.array([[1, 2], [2, 1], [1, 1], [3, 0]])
    for field in ("demand", "capacity", "request", "weight"):
        given = {"demand": demand, "capacity": [9, 9], field: column}
        if field == "demand":
            given[field] = np.stack([column, column], axis=1)
        if field == "capacity":
            given[field] = column[1:3]
        try:
            x = fair.dominant(given.pop("demand"), given.pop("capacity"), **given)
        except ERRORS:
            continue
        assert x.verify(), field


def test_requests_beyond_doubles_are_not_rounded():
    """If this fails, 2**53 + 1 units become 2**53, as numpy compares int64 with uint64."""
    odd = 2**53 + 1
    x = fair.leximin(
        [[True]], [2**60], np.array([odd], np.uint64), guarantee=[odd], limit=np.array([2**62])
    )
    assert x.share.tolist() == [odd]
    assert fair.dominant([[1]], [2**60], request=[odd]).tasks.tolist() == [odd]
    assert fair.divide(2**60, guarantee=[0], request=[odd], weight=[1]).share.tolist() == [odd]


@pytest.mark.parametrize("n", [63, 64, 65, 127, 128, 129, 200])
def test_shapes_around_words(n):
    """Sets of classes are packed into bytes: none may be lost at the end of one."""
    r = np.random.default_rng(n)
    usable = r.random((12, n)) < 0.1
    capacity, request = r.integers(0, 3, n), r.integers(0, 30, 12)
    x = fair.leximin(usable, capacity, request)
    assert x.share.tolist() == leximin_greedy(usable, capacity, request, [1] * 12)


def test_thousands_of_classes_and_few_tenants():
    r = np.random.default_rng(0)
    x = fair.leximin(r.random((3, 5000)) < 0.3, r.integers(0, 9, 5000), [10**6] * 3)
    assert x.verify()
    assert len(x.levels) == 1


def test_a_deep_chain_is_no_recursion():
    """If this fails, a tree deeper than Python's stack kills the call."""
    n = 5000
    d = fair.divide(9, guarantee=0, request=[9] * n, weight=1, parent=np.arange(n) - 1)
    assert d.share.tolist() == [9] * n
    names = [f"n{k}" for k in range(n)]
    tree = fair.Quotas(
        name=names,
        parent=[None, *names[:-1]],
        node=[names[-1], names[0]],
        flavor=["f", "f"],
        resource=["g", "g"],
        nominal=[2, 3],
    )
    shares = fair.dominant_shares(tree, [(names[-1], "f", "g", 4)])
    assert shares[names[-1]].share_per_mille == 400
    assert tree.subtree(names[0]) == {("f", "g"): 5}
