"""`fair.dominant` (DRF) and `fair.Queues`: examples, edges, and what their checks refute."""

from __future__ import annotations

import dataclasses
import inspect
import math
import types

import numpy as np
import pytest

from gridcompute import InvalidProblemError, fair
from test_packaging import documented_parameters, public_methods, sections, signature_parameters


def test_the_example_of_the_paper():
    """9 CPUs and 18 GB; tasks of <1, 4> and <3, 1>: both have two thirds of what they need most."""
    x = fair.dominant([[1, 4], [3, 1]], [9, 18])
    assert x.tasks.tolist() == [3, 2]
    assert x.dominant.tolist() == [1, 0]
    assert x.bottleneck.tolist() == [0, 0]


def test_weights_and_requests():
    assert fair.dominant([[1], [1]], [9], weight=[2, 1]).tasks.tolist() == [6, 3]
    x = fair.dominant([[1], [1]], [9], request=[2, 99], weight=[1, 0])
    assert x.tasks.tolist() == [2, 0]
    assert x.bottleneck.tolist() == [-1, -1]
    assert "weight is 0" in x.explain(1)


def test_small_tasks_go_on_where_a_large_one_does_not_fit():
    x = fair.dominant([[4], [1]], [10])
    assert x.tasks.tolist() == [1, 6]


def test_what_takes_nothing_has_all_it_asks_for():
    assert fair.dominant([[0, 0], [1, 0]], [5, 0], request=[7, 9]).tasks.tolist() == [7, 5]
    with pytest.raises(InvalidProblemError, match=r"demand\[0\]: found zeros only"):
        fair.dominant([[0.0]], [5])
    with pytest.raises(InvalidProblemError, match=r"demand\[0\]: found tasks of which"):
        fair.dominant([[1e-300]], [1e300])


@pytest.mark.parametrize("shape", [(0, 0), (0, 2), (1, 1), (65, 3), (200, 1)])
def test_edges_of_shapes(shape):
    x = fair.dominant(np.ones(shape), np.full(shape[1], 100.0), request=np.full(shape[0], 3))
    assert x.tasks.sum() == min(3 * shape[0], 100 if shape[1] else 3 * shape[0])
    assert fair.dominant(np.ones((3, 0)), [], request=[1, 2, 3]).tasks.tolist() == [1, 2, 3]


def test_nothing_to_divide():
    x = fair.dominant([[1, 1], [0, 1]], [5, 0])
    assert x.tasks.tolist() == [0, 0]
    assert x.bottleneck.tolist() == [1, 1]


def test_tenths_add_up_exactly():
    """If this fails, ten tasks of 0.1, which as a double is a little more, fit into one."""
    assert fair.dominant([[0.1]], [1.0]).tasks.tolist() == [9]
    assert fair.dominant([[0.125]], [1.0]).tasks.tolist() == [8]


@pytest.mark.parametrize(
    "change",
    [
        lambda x: {"tasks": x.tasks + np.array([1, 0])},
        lambda x: {"tasks": x.tasks - np.array([1, 0])},
        lambda x: {"tasks": x.tasks - 4},
        lambda x: {"bottleneck": np.array([-1, 0])},
        lambda x: {"bottleneck": np.array([1, 0])},
        lambda x: {"weight": np.array([5.0, 1.0])},
        lambda x: {"capacity": np.array([12.0, 18.0])},
    ],
)
def test_the_check_refutes_what_is_wrong(change):
    x = fair.dominant([[1, 4], [3, 1]], [9, 18])
    assert not dataclasses.replace(x, **change(x)).verify()


@pytest.mark.parametrize(
    ("demand", "capacity", "message"),
    [
        ([1, 2], [1], r"demand: found shape \(2,\)"),
        ([[1, -2]], [1, 1], r"demand\[0, 1\]: found -2"),
        ([[1, math.nan]], [1, 1], r"demand\[0, 1\]: found nan"),
        ([[1, math.inf]], [1, 1], r"demand\[0, 1\]: found inf"),
        ([[1, 2]], [1], r"capacity: found shape \(1,\)"),
        ([[1, 2]], [1, math.inf], r"capacity\[1\]: found inf"),
    ],
)
def test_bad_input_is_refused_with_its_place(demand, capacity, message):
    with pytest.raises(InvalidProblemError, match=message):
        fair.dominant(demand, capacity)


# ---------------------------------------------------------------- queues


def test_queues_divide_as_the_function_does():
    q = fair.Queues(
        name=["eng", "ops", "vision", "speech"],
        guarantee=[4, 4, 1, 1],
        limit=["unlimited", 5, None, math.inf],
        weight=[1, 1, 1, 2],
        parent=[None, None, "eng", "eng"],
    )
    assert q.limit.tolist() == [fair.UNLIMITED, 5, fair.UNLIMITED, fair.UNLIMITED]
    assert q.above.tolist() == [-1, -1, 0, 0]
    d = q.divide(12, [20, 20, 10, 10])
    assert d.share.tolist() == [7, 5, 3, 4]
    assert d.share.dtype == np.int64


def test_one_limit_stands_for_all_queues():
    assert fair.Queues(name=["a", "b"], limit=7, guarantee=2).limit.tolist() == [7, 7]
    assert fair.Queues(name=["a"], limit="unlimited").limit.tolist() == [fair.UNLIMITED]
    assert fair.Queues(name=[], limit=7).divide(5, []).remaining == 5


def test_queues_from_frames():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(
        {
            "name": ["a", "b"],
            "guarantee": [1, 2],
            "limit": [3.0, math.nan],
            "weight": [1, 1],
            "priority": [0, 1],
            "parent": [None, "a"],
        }
    )
    q = fair.Queues.from_columns(table)
    assert (q.limit.tolist(), q.parent, len(q)) == ([3, fair.UNLIMITED], (None, "a"), 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ["a", "a"]}, r"name\[1\]: 'a' is there twice"),
        ({"guarantee": [1, -1]}, r"guarantee\[1\]: found -1"),
        (
            {"guarantee": np.array([1, 2**63], np.uint64)},
            r"guarantee\[1\]: found 9223372036854775808",
        ),
        ({"limit": [1, 2.5]}, r"limit\[1\]: found 2.5"),
        ({"limit": [1]}, r"limit: found 1 entries, needed \(n_queues,\) = \(2,\)"),
        ({"parent": ["b", "a"]}, r"parent\[0\]: found the cycle 0 -> 1 -> 0"),
        ({"weight": [-1, 1]}, r"weight\[0\]: found -1"),
    ],
)
def test_bad_queues_are_refused(change, message):
    with pytest.raises(InvalidProblemError, match=message):
        fair.Queues(**{"name": ["a", "b"], **change})


# ---------------------------------------------------------------- the reference

FUNCTIONS = [n for n in fair.__all__ if isinstance(getattr(fair, n), types.FunctionType)]
CLASSES = [n for n in fair.__all__ if inspect.isclass(getattr(fair, n))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_documented(name):
    """If this fails, a function's reference page lacks what a caller must know."""
    function = getattr(fair, name)
    found = sections(function.__doc__)
    assert {"Parameters", "Returns", "Raises", "Notes", "Examples"} <= found.keys()
    assert documented_parameters(found["Parameters"]) == signature_parameters(function)
    assert ">>>" in found["Examples"]


@pytest.mark.parametrize("name", CLASSES)
def test_classes_are_documented(name):
    """If this fails, a class or one of its methods has no word of explanation."""
    cls = getattr(fair, name)
    assert cls.__doc__
    for method, function in public_methods(cls):
        assert inspect.getdoc(function), f"{name}.{method} has no docstring"
        found = sections(function.__doc__ or "")
        if "Parameters" in found and inspect.isfunction(function):
            assert documented_parameters(found["Parameters"]) == signature_parameters(function)
