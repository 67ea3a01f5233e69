"""`fair.divide`: KAI's rule on its published cases, at its edges, and down a tree."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import InvalidProblemError, fair
from real_data import find


def published(name):
    return json.loads(find(f"fairness/{name}").read_text(encoding="utf-8"))


def number(value):
    return math.inf if value == "unlimited" else value


def divided(total, queues, over_quota_only):
    """Shares by id and what remains of one resource of a published case."""
    queues = sorted(queues, key=lambda q: str(q["id"]))
    d = fair.divide(
        total,
        guarantee=[0.0 if over_quota_only else float(q["deserved"]) for q in queues],
        request=[float(number(q["request"])) for q in queues],
        weight=[float(q["over_quota_weight"]) for q in queues],
        limit=[float(number(q["limit"])) for q in queues],
        priority=[q.get("priority", 0) for q in queues],
        age=[q.get("created_order", 0) for q in queues],
        given=[float(q.get("initial_fair_share", 0)) for q in queues],
    )
    ids = [str(q["id"]) for q in queues]
    return dict(zip(ids, d.share.tolist(), strict=True)), d.remaining


CASES = [c for c in published("kai_fair_share.json") if c["function"] != "group_by_priority"]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_published_cases_of_kai(case):
    """If this fails, a cluster that moves from KAI sees other shares."""
    if case["function"] == "share_all_resources":
        for resource, total in case["total"].items():
            queues = [{**q, **q["resources"][resource]} for q in case["queues"]]
            share, _ = divided(total, queues, False)
            for name, expected in case["expected_fair_share"].items():
                if resource in expected:
                    assert share[name] == expected[resource], (case["name"], resource)
        return
    share, remaining = divided(case["total"], case["queues"], case["function"] == "over_quota_only")
    assert {k: share[k] for k in case["expected_fair_share"]} == case["expected_fair_share"]
    assert remaining == case.get("expected_remaining", remaining)


def shares(total, **columns):
    columns = {"guarantee": 0, "weight": 1, **columns}
    return fair.divide(total, **columns).share.tolist()


def test_three_equal_queues_divide_ten_units_whole():
    """If this fails, the unit that cannot be divided is lost, or goes to any queue."""
    d = fair.divide(10, guarantee=0, request=[9, 9, 9], weight=1)
    assert d.share.tolist() == [4, 3, 3]
    assert (d.share.dtype, d.remaining, d.rounds) == (np.int64, 0, 1)


def test_the_piece_goes_to_the_largest_fraction_then_the_oldest():
    assert shares(10, request=[9, 9], weight=[1, 2]) == [3, 7]  # fractions 1/3 and 2/3
    assert shares(3, request=[9, 9], age=[1, 0]) == [1, 2]
    times = np.array(["2026-03-01", "2026-01-01"], "datetime64[s]")
    assert shares(3, request=[9, 9], age=times) == [1, 2]


def test_exact_thirds_of_weights_that_floats_would_round():
    """If this fails, 49 * (1 / 49) is less than 1 and a queue loses its unit."""
    assert shares(49, request=[9] * 49) == [1] * 49
    assert shares(6, request=[9] * 3, weight=[0.1, 0.2, 0.3]) == [1, 2, 3]


def test_guarantees_are_given_even_beyond_the_total():
    d = fair.divide(4, guarantee=[3, 3], request=[5, 2], weight=[1, 1])
    assert (d.share.tolist(), d.remaining) == ([3, 2], 0)
    d = fair.divide(0, guarantee=[3, 3], request=[5, 2], weight=[1, 1])
    assert (d.share.tolist(), d.remaining, d.rounds) == ([3, 2], 0, 0)


def test_a_limit_below_the_guarantee_bounds_it():
    d = fair.divide(9, guarantee=[5, 0], request=[9, 9], weight=[1, 1], limit=[2, math.inf])
    assert (d.share.tolist(), d.remaining) == ([2, 7], 0)
    assert d.explain(0).reason == "limit"


def test_what_a_higher_priority_leaves_by_rounding_goes_to_a_lower_one_first():
    """If this fails, step 3 comes before the rounds of lower priorities, unlike in KAI."""
    assert shares(3, request=[9, 9, 1], priority=[1, 1, 0]) == [1, 1, 1]
    assert shares(3, request=[9, 9, 0], priority=[1, 1, 0]) == [2, 1, 0]


def test_weight_zero_has_its_guarantee_and_no_more():
    d = fair.divide(9, guarantee=[2, 1], request=[9, 4], weight=[0, 1])
    assert (d.share.tolist(), d.remaining) == ([2, 4], 3)
    assert d.explain(0).reason == "weight"
    assert d.explain(1).reason == "request"


def test_fractions_of_requests_are_kept():
    d = fair.divide(2, guarantee=3.0, request=[1.5], weight=0)
    assert (d.share.tolist(), d.remaining) == ([1.5], 0.5)


def test_infinite_amounts():
    assert shares(7, request=math.inf, weight=[1, 1, 0]) == [4.0, 3.0, 0.0]
    assert shares(7, guarantee=[math.inf], request=[9]) == [7]  # the whole total
    assert shares(7, guarantee=[math.inf], request=[3]) == [3]


def test_no_queue_and_one_queue():
    d = fair.divide(5, guarantee=[], request=[], weight=[])
    assert (d.share.tolist(), d.remaining, d.rounds) == ([], 5, 0)
    assert shares(0, request=[5]) == [0]
    assert shares(5, request=[5]) == [5]


def test_exabytes_are_exact_and_beyond_int64_is_an_error():
    most = 2**63 - 1
    d = fair.divide(most, guarantee=[most // 2, 1], request=[most, most], weight=[1, 2])
    assert sum(d.share.tolist()) == most
    assert fair.divide(2**70, guarantee=[0], request=[most], weight=[1]).remaining == 2**70 - most
    with pytest.raises(InvalidProblemError, match=r"share\[0\]: found 9223372036854775808"):
        fair.divide(0, guarantee=[most], request=[most], weight=[1], given=[1])
    with pytest.raises(TypeError, match="beyond 64 bits"):
        fair.divide(1, guarantee=[0], request=[2**64 + 1], weight=[1])


def test_magnitudes_of_floats_do_not_mix():
    """If this fails, a huge request swallows a tiny one, or the other way about."""
    d = fair.divide(1e300, guarantee=[1e-300, 1e299], request=[1e-300, 1e300], weight=[1, 1])
    assert d.share.tolist() == [1e-300, 1e300]


def test_down_a_tree_the_share_of_a_queue_is_the_total_of_its_children():
    d = fair.divide(
        12,
        guarantee=[4, 4, 1, 1, 0],
        request=[20, 20, 10, 2, 30],
        weight=[1, 1, 1, 2, 1],
        parent=[-1, -1, 0, 0, 2],
    )
    assert d.share.tolist() == [6, 6, 4, 2, 4]
    assert d.unused.tolist() == [0, 0, 0, 0, 0]
    d = fair.divide(12, guarantee=[9, 1], request=[9, 1], weight=1, parent=[-1, 0])
    assert (d.share.tolist(), d.remaining, d.unused.tolist()) == ([9, 1], 3, [8, 0])
    assert "share of queue 0" not in str(d.explain(1))


def test_requests_add_up_the_tree():
    assert fair.subtree_sum([0, 5, 3, 4], [-1, 0, 0, 2]).tolist() == [12, 5, 7, 4]
    assert fair.subtree_sum([0.5, math.inf], [-1, 0]).tolist() == [math.inf, math.inf]
    assert fair.subtree_sum([], []).tolist() == []
    with pytest.raises(InvalidProblemError, match=r"values\[0\]: found a sum of 2\*\*|values\[0\]"):
        fair.subtree_sum([1, 2**63 - 1], [-1, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parent": [1, 0]}, r"parent\[0\]: found the cycle 0 -> 1 -> 0"),
        ({"parent": [0, 0]}, r"parent\[0\]: found the cycle 0 -> 0"),
        ({"parent": [-1, 2]}, r"parent\[1\]: found 2, needed -1 \(a root\) or a queue below 2"),
        ({"parent": [-2, -1]}, r"parent\[0\]: found -2"),
        ({"weight": [1, -1]}, r"weight\[1\]: found -1, needed a finite number of at least 0"),
        ({"weight": [1, math.inf]}, r"weight\[1\]: found inf"),
        ({"request": [1, math.nan]}, r"request\[1\]: found nan"),
        ({"limit": [[1, 2]]}, r"limit: found shape \(1, 2\), needed \(n_queues,\) = \(2,\)"),
        ({"guarantee": [1, 2, 3]}, r"guarantee: found shape \(3,\)"),
        ({"given": [math.inf, 0]}, r"given\[0\]: found inf"),
        ({"priority": [math.nan, 0]}, r"priority\[0\]: found nan"),
        ({"total": -1}, r"total: found -1, needed 0 or more"),
        ({"total": math.inf}, r"total: found inf"),
        ({"total": math.nan}, r"total: found nan"),
    ],
)
def test_bad_input_is_refused_with_its_place(change, message):
    columns = {"total": 5, "guarantee": 0, "request": [3, 3], "weight": 1, **change}
    with pytest.raises(InvalidProblemError, match=message):
        fair.divide(columns.pop("total"), **columns)


@pytest.mark.parametrize("values", [["a", "b"], [True, False], [1j, 2j], [object(), object()]])
def test_other_types_are_type_errors(values):
    with pytest.raises(TypeError, match="request"):
        fair.divide(5, guarantee=0, request=values, weight=1)
    with pytest.raises(TypeError, match="total"):
        fair.divide("5", guarantee=0, request=[1], weight=1)


def test_columns_of_frames_and_arrow_are_read():
    pandas, arrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    expected = [3, 8]
    for make in (pandas.Series, arrow.array, np.array, list):
        d = fair.divide(11, guarantee=make([2, 2]), request=make([10, 10]), weight=make([1, 4]))
        assert d.share.tolist() == expected, make


def test_explain_names_its_parts():
    d = fair.divide(8, guarantee=[2, 2], request=[6, 6], weight=[1, 3], given=[1, 0])
    x = d.explain(0)
    assert (x.share, x.given, x.guaranteed, x.surplus, x.short) == (4, 1, 2, 1, 2)
    assert x.reason == "total"
    with pytest.raises(InvalidProblemError, match="queue: found 2, needed 0 to 1"):
        d.explain(2)


def test_results_are_values():
    """If this fails, an answer changes under its reader, or with the caller's arrays."""
    request = np.array([3, 4])
    d = fair.divide(5, guarantee=0, request=request, weight=1)
    request[:] = 0
    assert d.explain(0).short == 0
    assert d.explain(1).short == 2
    with pytest.raises(ValueError, match="read-only"):
        d.share[0] = 9


def test_fair_is_imported_when_it_is_first_used():
    assert "fair" in dir(gc)
    assert gc.fair is fair
    with pytest.raises(AttributeError, match="unfair"):
        gc.unfair  # noqa: B018
