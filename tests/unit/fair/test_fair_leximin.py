"""`fair.leximin`: integral shares with cuts, their certificate, and what it refutes."""

from __future__ import annotations

import dataclasses
import math
import pickle

import numpy as np
import pytest

from fair_oracles import leximin_greedy
from gridcompute import CostRangeError, InvalidProblemError, fair


def world(seed, n=60, n_classes=8, density=0.3):
    """A world with several levels: classes of very different size, tenants with few of them."""
    r = np.random.default_rng(seed)
    eligible = r.random((n, n_classes)) < density
    capacity = (r.integers(1, 40, n_classes) ** 2) // 8
    request = r.integers(0, 30, n)
    return eligible, capacity, request, r.choice([1.0, 1.0, 2.0, 0.3], n)


def checked(*args, **options):
    x = fair.leximin(*args, **options)
    certificate = x.verify()
    assert certificate, certificate.reasons
    assert (x.allocation.sum(axis=0) == x.load).all()
    return x


def test_a_bottleneck_is_a_level_of_its_own():
    """Tenant 0 can use only the small class: the others must not pay for it, nor it for them."""
    x = checked([[1, 0], [1, 1], [1, 1]], [2, 9], [8, 8, 8])
    assert x.share.tolist() == [2, 5, 4]
    assert [level.tenants.tolist() for level in x.levels] == [[0], [1, 2]]
    assert [(level.capacity, level.used, level.tight) for level in x.levels] == [
        (2, 2, True),
        (11, 11, True),
    ]


def test_requests_met_leave_classes_unused():
    x = checked([[True, True], [False, True]], [5, 5], [2, 1])
    assert x.share.tolist() == [2, 1]
    assert not x.levels[-1].tight
    assert x.levels[-1].value == math.inf
    assert x.explain(0).reason == "request"


def test_of_equal_levels_the_smaller_weight_rises_first():
    """One unit lifts weight 1 from 0 to 1 and weight 4 only to 1/4: leximin takes the former."""
    assert checked(np.ones((2, 1), bool), [1], [9, 9], weight=[4, 1]).share.tolist() == [0, 1]


def test_guarantees_come_before_any_surplus():
    x = checked(np.ones((3, 1), bool), [10], [9, 9, 9], guarantee=[6, 0, 0])
    assert x.share.tolist() == [6, 2, 2]
    # more is guaranteed than there is: the guarantees themselves are divided
    x = checked(np.ones((3, 1), bool), [10], [9, 9, 9], guarantee=[9, 9, 0])
    assert x.share.tolist() == [5, 5, 0]
    assert x.explain(2).reason == "cut"


def test_limits_and_weight_zero():
    x = checked(np.ones((3, 1), bool), [12], 9, limit=[2, math.inf, 9], weight=[1, 1, 0])
    assert x.share.tolist() == [2, 9, 0]
    x = checked(np.ones((2, 1), bool), [12], 9, guarantee=[3, 0], weight=[0, 1])
    assert x.share.tolist() == [3, 9]
    assert x.explain(0).reason == "weight"


def test_weight_zero_shares_guarantees_that_do_not_fit():
    """If this fails, a weight of 0 divides by itself where its guarantee is not met."""
    x = checked(np.ones((2, 1), bool), [2], 9, guarantee=[3, 3], weight=[0, 1])
    assert (x.share.tolist(), x.levels[0].value) == ([1, 1], 1)
    assert "One more unit would take one from tenant 1" in str(x.explain(0))


def test_rates_count_in_the_share():
    x = checked([[3, 3], [0, 1]], [2, 5], [20, 20])
    assert x.share.tolist() == [6, 5]
    assert (x.allocation @ np.array([1, 1])).tolist() == [2, 5]


def test_a_unit_that_is_guaranteed_in_part_lifts_by_that_part():
    """Both are guaranteed 3 and have none: a unit of 2 lifts tenant 1 further, one of 3 tenant 0.

    The second unit of tenant 1 would lift its guarantee by 1 only, that of tenant 2 by 2.
    """
    one = [[3], [2], [2]]
    assert checked(one, [1], [9, 9, 9], guarantee=[3, 3, 3]).share.tolist() == [3, 0, 0]
    assert checked(one, [3], [9, 9, 9], guarantee=[3, 3, 4]).share.tolist() == [3, 2, 2]
    assert checked(one, [4], [9, 9, 9], guarantee=[3, 3, 4]).share.tolist() == [3, 2, 4]
    assert checked(one, [5], [9, 9, 9], guarantee=[3, 3, 4]).share.tolist() == [3, 4, 4]
    # a unit of 5 of which 1 is guaranteed comes after a unit of 2 of which all are
    assert checked([[5], [2]], [1], [9, 9], guarantee=[1, 2]).share.tolist() == [0, 2]


def test_rates_that_differ_are_tried_in_small_worlds():
    """Two tenants, classes of one unit: numbers to be divided into two halves."""
    numbers = [7, 5, 4, 3, 3]
    x = checked([numbers, numbers], [1] * 5, [99, 99])
    assert sorted(x.share.tolist()) == [11, 11]
    assert x.levels == ()
    assert (x.explain(0).reason, x.explain(0).level) == ("rates", -1)
    worse = dataclasses.replace(
        x,
        share=np.array([10, 12]),
        arcs=(np.array([0, 0, 1, 1, 1]), np.array([0, 3, 1, 2, 4]), np.ones(5, np.int64)),
    )
    assert worse.verify().reasons == ("the shares [11, 11] can be had and are better",)
    # tenants that can have nothing are no dimension of what is tried
    x = checked([numbers] + [[0] * 5] * 99, [1] * 5, 9)
    assert x.share.tolist() == [9] + [0] * 99


def test_rates_that_differ_are_refused_in_large_worlds():
    rates = np.tile([1, 2, 3], (50, 1))
    with pytest.raises(
        InvalidProblemError, match=r"eligible\[0, 0\]: found rate 1 beside 3, and more"
    ):
        fair.leximin(rates, [99, 99, 99], np.full(50, 99))


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1), (1, 65), (65, 1), (129, 64)])
def test_edges_of_shapes(shape):
    n, n_classes = shape
    x = checked(np.ones(shape, bool), np.full(n_classes, 2), np.full(n, 3))
    assert x.share.sum() == min(2 * n_classes, 3 * n)
    assert x.allocation.shape == shape
    for i in range(min(n, 3)):
        assert x.explain(i).share == x.share[i]


def test_no_class_can_be_used():
    x = checked(np.zeros((3, 2), bool), [5, 5], [1, 1, 0])
    assert x.share.tolist() == [0, 0, 0]
    assert [x.explain(i).reason for i in range(3)] == ["classes", "classes", "request"]
    x = checked(np.ones((3, 2), bool), [0, 0], [1, 1, 0])
    assert x.share.tolist() == [0, 0, 0]
    assert x.explain(0).loser is None


def test_huge_requests_and_capacities():
    """If this fails, sums of exabytes wrap around."""
    big = 2**59
    x = checked(np.ones((3, 2), bool), [big, big], np.full(3, 2**63 - 1), weight=[1, 1, 2])
    assert sum(x.share.tolist()) == 2**60
    assert x.share.tolist() == [2**58, 2**58, 2**59]
    with pytest.raises(CostRangeError, match=r"needed at most 2\*\*60"):
        fair.leximin(np.ones((1, 2), bool), [2**60, 1], [5])


@pytest.mark.parametrize("weights", [[1e-300, 1.0], [1.0, 1e300], [0.1, 0.3], [5e-324, 1e308]])
def test_weights_of_any_magnitude(weights):
    x = checked(np.ones((2, 1), bool), [7], [9, 9], weight=weights)
    assert x.share.tolist() == leximin_greedy([[1], [1]], [7], [9, 9], weights)


@pytest.mark.parametrize("seed", range(8))
def test_equal_to_one_unit_at_a_time(seed):
    """If this fails, a level is cut in the wrong place, or units of equal worth change order."""
    eligible, capacity, request, weight = world(seed, n=25, n_classes=5)
    guarantee = np.random.default_rng(seed).integers(0, 12, 25) * (seed % 2)
    x = checked(eligible, capacity, request, weight=weight, guarantee=guarantee)
    owed = np.minimum(guarantee, request)
    assert x.share.tolist() == leximin_greedy(eligible, capacity, request, weight, owed), seed


def test_tenants_with_equal_classes_are_one_group_and_still_themselves():
    eligible, capacity, request, weight = world(3)
    again = np.repeat(eligible, 5, axis=0)
    x = checked(again, capacity * 5, np.repeat(request, 5), weight=np.repeat(weight, 5))
    single = checked(eligible, capacity, request, weight=weight)
    assert sorted(x.share.tolist()) != []
    assert abs(int(x.share.sum()) - 5 * int(single.share.sum())) == 0


def test_the_same_bits_each_time():
    a, b = (checked(*world(5)[:3]) for _ in range(2))
    assert a.allocation.tobytes() == b.allocation.tobytes()


def test_many_levels():
    """A staircase: each tenant has a class of its own size, so that each is a level."""
    n = 40
    x = checked(np.eye(n, dtype=bool), np.arange(n), np.full(n, 99))
    assert x.share.tolist() == list(range(n))
    assert sum(len(level.tenants) for level in x.levels) == n
    assert len(x.levels) >= n - 1


def test_explain_names_the_smallest_cut_and_the_loser():
    """Tenant 0 is alone on the small class: the others have nothing that it could use."""
    x = checked([[1, 0], [1, 1], [1, 1]], [2, 9], [8, 8, 8], guarantee=[1, 0, 0])
    e = x.explain(2)
    assert (e.reason, e.level, e.tenants.tolist(), e.classes.tolist()) == (
        "cut",
        1,
        [0, 1, 2],
        [0, 1],
    )
    assert e.above_guarantee.tolist() == [1, 5, 4]
    assert (e.loser, e.loser_share) == (1, (5, 4))
    assert "Bound by a cut: it and 2 others can use 2 classes and hold all 11 units" in str(e)
    e = x.explain(0)
    assert (e.tenants.tolist(), e.classes.tolist(), e.loser) == ([0], [0], None)
    assert "it alone can use 1 class and hold all 2 units" in str(e)


@pytest.mark.parametrize("seed", range(5))
def test_each_cut_that_is_named_is_used_up_by_its_tenants(seed):
    """If this fails, `explain` names tenants that have nothing to do with it."""
    eligible, capacity, request, weight = world(seed)
    x = checked(eligible, capacity, request, weight=weight)
    for i in range(len(request)):
        e = x.explain(i)
        if e.reason == "cut":
            assert (eligible[e.tenants].any(axis=0) == np.isin(np.arange(8), e.classes)).all()
            assert x.allocation[e.tenants].sum() == capacity[e.classes].sum(), (seed, i)
        else:
            assert e.share == e.wanted or e.reason == "classes"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("capacity", lambda x: {"capacity": x.capacity - (x.load == x.load.max())}),
        ("share", lambda x: {"share": x.share + 1}),
        ("most", lambda x: {"most": np.minimum(x.most, 1)}),
        ("levels", lambda x: {"levels": ()}),
        ("one level", lambda x: {"levels": x.levels[:-1]}),
        ("level twice", lambda x: {"levels": (x.levels[0], *x.levels)}),
        ("arcs", lambda x: {"arcs": tuple(a[1:] for a in x.arcs)}),
        ("rate", lambda x: {"rate": np.zeros_like(x.rate)}),
        ("weight", lambda x: {"weight": np.where(np.arange(len(x.weight)) % 2, 9.0, 1.0)}),
    ],
)
def test_the_certificate_refutes_what_is_wrong(name, change):
    """If this fails, `verify` would accept shares that are not what they claim."""
    eligible, capacity, request, weight = world(1)
    x = checked(eligible, capacity, request, weight=weight)
    certificate = dataclasses.replace(x, **change(x)).verify()
    assert not certificate, name
    named = "are given" in certificate.reasons[0]
    assert named == (name == "capacity"), certificate.reasons


def test_the_certificate_refutes_units_that_are_left_over():
    """Three of four units under a level that states just that: only what is left refutes it."""
    x = checked(np.ones((1, 1), bool), [4], [4])
    share = np.array([3])
    level = dataclasses.replace(x.levels[0], value=3.0, tight=False, used=3)
    claim = dataclasses.replace(x, share=share, arcs=(*x.arcs[:2], share), levels=(level,))
    assert claim.verify().reasons == (
        "levels[0]: its tenants and those below can use 4 units and hold 3, "
        "and tenant 0 wants more",
    )


def test_the_certificate_refutes_a_less_equal_allocation():
    """Units 3 and 1 where 2 and 2 can be had: feasible, all used, and refuted by the order."""
    x = checked(np.ones((2, 1), bool), [4], [4, 4])
    share = np.array([3, 1])
    arcs = (np.array([0, 1]), np.array([0, 0]), share)
    reasons = dataclasses.replace(x, share=share, arcs=arcs).verify().reasons
    assert reasons == ("levels[0]: tenant 1 wants a unit that comes before one given in it",)


def test_results_are_values():
    eligible = np.ones((2, 1), bool)
    x = checked(eligible, [4], [4, 4])
    eligible[:] = False
    assert x.verify()
    for array in (x.share, x.allocation, x.load, x.levels[0].tenants):
        assert not array.flags.writeable
    assert pickle.loads(pickle.dumps(x)).verify()


def test_frames_sparse_and_arrow_are_read():
    pandas, arrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    sparse = pytest.importorskip("scipy.sparse")
    eligible = np.array([[True, False], [True, True]])
    expected = checked(eligible, [2, 3], [4, 4]).share.tolist()
    for given in (pandas.DataFrame(eligible), sparse.csr_array(eligible), eligible.tolist()):
        assert checked(given, [2, 3], [4, 4]).share.tolist() == expected
    assert checked(eligible, arrow.array([2, 3]), pandas.Series([4, 4])).share.tolist() == expected


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"eligible": [True, False]}, InvalidProblemError, r"eligible: found shape \(2,\)"),
        ({"eligible": [[0.5, 1.0]]}, TypeError, "eligible must be of bool or an integer dtype"),
        ({"eligible": [[-1, 1], [1, 1]]}, InvalidProblemError, r"eligible\[0, 0\]: found -1"),
        ({"capacity": [1]}, InvalidProblemError, r"capacity: found shape \(1,\)"),
        ({"capacity": [1, -1]}, InvalidProblemError, r"capacity\[1\]: found -1"),
        ({"capacity": [1.0, 2.0]}, TypeError, "capacity must be of an integer dtype"),
        ({"request": [1, -2]}, InvalidProblemError, r"request\[1\]: found -2"),
        ({"request": [1, 2, 3]}, InvalidProblemError, r"request: found shape \(3,\)"),
        ({"weight": [1, math.nan]}, InvalidProblemError, r"weight\[1\]: found nan"),
        ({"weight": [1, -1.0]}, InvalidProblemError, r"weight\[1\]: found -1.0"),
        ({"guarantee": [1.5, 1]}, TypeError, "guarantee must be of an integer dtype"),
        ({"limit": [1.5, 1]}, InvalidProblemError, r"limit\[0\]: found 1.5, needed a whole number"),
    ],
)
def test_bad_input_is_refused_with_its_place(change, error, message):
    given = {"eligible": [[True, True], [True, True]], "capacity": [1, 2], "request": [1, 1]}
    given |= change
    with pytest.raises(error, match=message):
        fair.leximin(given.pop("eligible"), given.pop("capacity"), given.pop("request"), **given)
