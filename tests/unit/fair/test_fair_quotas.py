"""`fair.Quotas`, `dominant_shares`, `borrowing`: Kueue's published cases, and edges."""

from __future__ import annotations

import json
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest

from gridcompute import InvalidProblemError, fair
from gridcompute.fair.cohorts import weighted
from real_data import find

CASES = json.loads(find("fairness/kueue_fair_share.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_published_cases_of_kueue(case):
    """If this fails, a cluster that moves from Kueue sees other shares."""
    if case["function"] == "weighted_share":
        expected = math.inf if case["expected"] == "infinite" else case["expected"]
        assert weighted(case["unweighted_ratio"], case["weight"]) == expected
        return
    tree = fair.Quotas.from_nodes(case["nodes"])
    usage = [(case["usage_of"], u["flavor"], u["resource"], u["amount"]) for u in case["usage"]]
    if case["function"] == "is_borrowing_on":
        wanted = [(r["flavor"], r["resource"], r["amount"]) for r in case.get("requested", [])]
        b = fair.borrowing(tree, usage, case["usage_of"], wanted)
        assert b.borrowing == case["expected"]["borrowing"]
        assert b.on_requested == case["expected"]["borrowing_on_requested"]
        return
    extra = [(u["flavor"], u["resource"], u["amount"]) for u in case["extra_request"]]
    shares = fair.dominant_shares(tree, usage, extra=extra)
    for e in case["expected"]:
        got = shares[e["name"]]
        want = math.inf if e["share_per_mille"] == "infinite" else e["share_per_mille"]
        assert (got.share_per_mille, got.dominant, got.borrowing) == (
            want,
            e["dominant"],
            e["borrowing"],
        ), (case["name"], e["name"])


def tree(weight=1, **limits):
    """A cohort of a, with limits of its own, and b; 6 and 4 GPUs."""
    quota = {"flavor": "h100", "resource": "gpu"}
    return fair.Quotas.from_nodes(
        [
            {"name": "all"},
            {
                "name": "a",
                "parent": "all",
                "weight": weight,
                "quotas": [{**quota, "nominal": 6, **limits}],
            },
            {"name": "b", "parent": "all", "quotas": [{**quota, "nominal": 4}]},
        ]
    )


def used(amount, name="a"):
    return [(name, "h100", "gpu", amount)]


def test_share_is_rounded_up_after_the_weight():
    assert fair.dominant_shares(tree(), used(7))["a"].share_per_mille == 100
    assert fair.dominant_shares(tree(3), used(7))["a"].share_per_mille == 34
    assert fair.dominant_shares(tree(0.3), used(7))["a"].share_per_mille == 334


def test_decimal_weights_are_decimals():
    """If this fails, a share of 1000 / 0.3 * 0.3 comes out a thousandth too high."""
    assert fair.dominant_shares(tree(0.3), used(9))["a"].share_per_mille == 1000


def test_weight_zero_is_infinite_only_when_something_is_borrowed():
    shares = fair.dominant_shares(tree(0), used(7))
    assert shares["a"].share_per_mille == math.inf
    assert shares["b"].share_per_mille == 0
    assert fair.dominant_shares(tree(0), used(6))["a"].share_per_mille == 0


def test_what_is_kept_is_neither_lent_nor_counted_above():
    kept = tree(lending_limit=2)
    assert kept.subtree("all") == {("h100", "gpu"): 6}
    assert fair.dominant_shares(kept, used(6, "b"))["b"].ratio == Fraction(2000, 6)
    everything = tree(lending_limit="unlimited")
    assert everything.subtree("all") == {("h100", "gpu"): 10}


def test_unlimited_quotas_and_usage():
    wide = tree(borrowing_limit=3)
    assert fair.dominant_shares(wide, used(math.inf))["a"].borrowing
    unlimited = fair.Quotas(
        name=["r", "a", "b"],
        parent=[None, "r", "r"],
        node=["a", "b"],
        flavor=["f", "f"],
        resource=["g", "g"],
        nominal=["unlimited", 4],
    )
    assert unlimited.subtree("r") == {("f", "g"): math.inf}
    share = fair.dominant_shares(unlimited, [("b", "f", "g", 10)])["b"]
    assert (share.share_per_mille, share.dominant) == (1, "g")  # of 2**63 - 1, rounded up
    assert not fair.dominant_shares(unlimited, [("a", "f", "g", "unlimited")])["a"].borrowing


def test_sums_beyond_int64_are_exact():
    """If this fails, exabytes of many queues wrap around, or become unlimited."""
    n, most = 40, 2**63 - 2
    names = ["r", *(f"q{k}" for k in range(n))]
    big = fair.Quotas(
        name=names,
        parent=[None, *["r"] * n],
        node=names[1:],
        flavor=["disk"] * n,
        resource=["bytes"] * n,
        nominal=[most] * n,
    )
    assert big.subtree("r") == {("disk", "bytes"): n * most}
    share = fair.dominant_shares(big, [("q0", "disk", "bytes", most), ("q0", "disk", "bytes", 5)])
    assert share["q0"].borrowed == {("disk", "bytes"): 5}


def test_equal_ratios_take_the_first_resource_by_name():
    q = fair.Quotas(
        name=["r", "a"],
        parent=[None, "r"],
        node=["r", "r", "a", "a"],
        flavor=["f"] * 4,
        resource=["mem", "cpu"] * 2,
        nominal=[10, 20, 0, 0],
    )
    share = fair.dominant_shares(q, [("a", "f", "mem", 1), ("a", "f", "cpu", 2)])["a"]
    assert (share.dominant, share.share_per_mille) == ("cpu", 100)


def test_usage_without_quota_is_not_borrowed():
    assert not fair.borrowing(tree(), [("a", "a100", "gpu", 3)], "a").borrowing


def test_a_root_borrows_nothing():
    assert fair.dominant_shares(tree(), used(99))["all"].share_per_mille == 0
    one = fair.Quotas(name=["q"], node=["q"], flavor=["f"], resource=["g"], nominal=[1])
    assert not fair.borrowing(one, [("q", "f", "g", 9)], "q").borrowing


def test_what_is_requested_is_not_added_to_usage():
    assert fair.borrowing(tree(), used(6), "a", [("h100", "gpu", 5)]) == fair.Borrowing(
        False, False, {}
    )
    assert not fair.borrowing(tree(), used(7), "a", [("h100", "gpu", 0)]).on_requested


def test_borrowing_explains_itself():
    b = fair.borrowing(tree(), used(7), "a", [("h100", "gpu", 1)])
    assert b.explain() == "It borrows 1 gpu of h100; some of that is requested."
    b = fair.borrowing(tree(), used("unlimited"), "a")
    assert b.explain() == "It borrows unlimited gpu of h100; none of that is requested."
    assert fair.borrowing(tree(), [], "a").explain() == "It borrows nothing."


def test_empty_tree():
    empty = fair.Quotas(name=[])
    assert len(fair.dominant_shares(empty, [])) == 0
    assert repr(empty) == "<Quotas: 0 nodes (0 cohorts), 0 quotas>"
    assert fair.Quotas.from_nodes([]).name == ()


def test_explain_names_who_leaves_quota_unused():
    text = fair.dominant_shares(tree(), used(7)).explain("a")
    assert text.splitlines() == [
        "a borrows 1 gpu of h100.",
        "Its dominant resource is gpu: 1000 * 1 / 10 / weight 1, a share of 100 per mille.",
        "gpu of h100 is unused at b (4).",
    ]
    assert fair.dominant_shares(tree(), used(7)).explain("b") == "b borrows nothing."


def test_frames_and_arrow_tables_are_read():
    pandas, arrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    nodes = {
        "name": ["all", "a"],
        "parent": [None, "all"],
        "kind": ["cohort", "queue"],
        "weight": [1.0, 2.0],
    }
    quotas = {
        "node": ["a"],
        "flavor": ["h100"],
        "resource": ["gpu"],
        "nominal": [6],
        "lending_limit": [None],
        "borrowing_limit": [3],
    }
    for make in (dict, pandas.DataFrame, arrow.table):
        q = fair.Quotas.from_columns(make(nodes), make(quotas))
        assert (q.lending_limit.tolist(), q.borrowing_limit.tolist()) == ([fair.UNLIMITED], [3])
        assert q.parent == (None, "all"), make


def test_columns_are_typed_and_read_only():
    q = tree()
    assert q.nominal.dtype == q.lending_limit.dtype == np.int64
    with pytest.raises(ValueError, match="read-only"):
        q.nominal[0] = 1
    again = pickle.loads(pickle.dumps(q))
    assert fair.dominant_shares(again, used(7))["a"].share_per_mille == 100


BASE = {
    "name": ["r", "a"],
    "parent": [None, "r"],
    "node": ["a"],
    "flavor": ["f"],
    "resource": ["g"],
    "nominal": [1],
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ["a", "a"], "parent": [None, None]}, r"name\[1\]: 'a' is there twice"),
        ({"parent": [None, "x"]}, r"parent\[1\]: found 'x', needed the name of a node, or None"),
        ({"parent": ["a", "r"]}, r"parent\[0\]: found the cycle 0 -> 1 -> 0"),
        ({"kind": ["queue", "queue"]}, r"kind\[0\]: found 'queue', needed 'cohort'"),
        ({"kind": ["cohort", "leaf"]}, r"kind\[1\]: found 'leaf'"),
        ({"weight": [1, -1]}, r"weight\[1\]: found -1"),
        ({"node": ["x"]}, r"node\[0\]: found 'x'"),
        ({"nominal": [-1]}, r"nominal\[0\]: found -1, needed 0 to 2\*\*63 - 1, or 'unlimited'"),
        ({"nominal": [2**63]}, r"nominal\[0\]: found 9223372036854775808"),
        ({"nominal": [1.5]}, r"nominal\[0\]: found 1.5, needed a whole number"),
        ({"nominal": ["many"]}, r"nominal\[0\]: found 'many'"),
        ({"nominal": [1, 2]}, r"nominal: found 2 entries, needed \(n_quotas,\) = \(1,\)"),
        ({"flavor": []}, r"flavor: found 0 entries, needed 1"),
    ],
)
def test_bad_trees_are_refused_with_their_place(change, message):
    with pytest.raises(InvalidProblemError, match=message):
        fair.Quotas(**{**BASE, **change})


def test_two_quotas_of_one_key_are_refused():
    twice = {k: BASE[k] * 2 for k in ("node", "flavor", "resource", "nominal")}
    with pytest.raises(InvalidProblemError, match=r"node\[1\]: 'a' has two quotas"):
        fair.Quotas(**{**BASE, **twice})


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([{"parent": None}], r"nodes\[0\]: found no field 'name'"),
        ([{"name": "a", "limit": 3}], r"nodes\[0\]: found unknown field 'limit'"),
        ([{"name": "a", "quotas": [{"flavor": "f"}]}], r"nodes\[0\].quotas\[0\]: found no field"),
    ],
)
def test_bad_records_are_refused(nodes, message):
    with pytest.raises(InvalidProblemError, match=message):
        fair.Quotas.from_nodes(nodes)


def test_bad_usage_is_refused():
    with pytest.raises(InvalidProblemError, match=r"usage\[0\]: found 'x'"):
        fair.dominant_shares(tree(), [("x", "h100", "gpu", 1)])
    with pytest.raises(InvalidProblemError, match=r"usage\[0\]: found the cohort 'all'"):
        fair.dominant_shares(tree(), [("all", "h100", "gpu", 1)])
    with pytest.raises(InvalidProblemError, match=r"usage\[0\]: found -1"):
        fair.dominant_shares(tree(), used(-1))
    with pytest.raises(
        InvalidProblemError, match=r"extra\[0\]: found .* needed \(flavor, resource"
    ):
        fair.dominant_shares(tree(), [], extra=[("h100", "gpu")])
    with pytest.raises(TypeError, match="tree must be a Quotas"):
        fair.dominant_shares({}, [])
    with pytest.raises(TypeError, match="usage"):
        fair.dominant_shares(tree(), used(None))
    with pytest.raises(InvalidProblemError, match="name: found 'x'"):
        fair.borrowing(tree(), [], "x")
