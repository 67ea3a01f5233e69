"""Fair shares against slow readable rules, on small worlds that Hypothesis draws."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fair_oracles import (
    KueueTree,
    dominant_greedy,
    kai_tree,
    leximin_brute,
    leximin_greedy,
    leximin_of_rates,
)
from gridcompute import fair

AMOUNTS = st.one_of(st.integers(0, 12), st.sampled_from([0.5, 1.25, 2.5, 0.1, 1e-3]))
LIMITS = st.one_of(AMOUNTS, st.just(math.inf))
WEIGHTS = st.sampled_from([0, 1, 1, 2, 3, 0.1, 0.3, 100])
QUEUE = st.fixed_dictionaries(
    {
        "guarantee": LIMITS,
        "request": LIMITS,
        "weight": WEIGHTS,
        "limit": LIMITS,
        "priority": st.integers(0, 2),
        "age": st.integers(0, 2),
        "given": AMOUNTS,
    }
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_division_is_the_published_rule_to_the_last_unit(data):
    queues = data.draw(st.lists(QUEUE, max_size=6))
    total = data.draw(st.one_of(st.integers(0, 40), st.sampled_from([0.5, 7.25])))
    parent = [data.draw(st.integers(-1, k - 1)) for k in range(len(queues))]
    names = queues[0] if queues else ("guarantee", "request", "weight")
    columns = {name: [q[name] for q in queues] for name in names}
    d = fair.divide(total, **columns, parent=np.array(parent, np.int64))
    share, remaining = kai_tree(total, queues, parent)
    assert d.share.tolist() == [float(s) for s in share]
    assert d.remaining == float(remaining)
    for k in range(len(queues)):
        assert str(d.explain(k))


KAI_WHOLE = st.fixed_dictionaries(
    {
        "guarantee": st.integers(0, 2**62),
        "request": st.integers(0, 2**62),
        "weight": st.integers(0, 2**62),
        "limit": st.integers(0, 2**62),
        "priority": st.integers(0, 1),
        "age": st.just(0),
        "given": st.just(0),
    }
)


@settings(max_examples=100, deadline=None)
@given(st.lists(KAI_WHOLE, min_size=1, max_size=5), st.integers(0, 2**64))
def test_division_of_huge_integers_is_exact(queues, total):
    columns = {name: [q[name] for q in queues] for name in queues[0]}
    d = fair.divide(total, **columns)
    share, remaining = kai_tree(total, queues, [-1] * len(queues))
    assert (d.share.tolist(), d.remaining) == (share, remaining)


@st.composite
def trees(draw):
    """Nodes, usage and an extra request; amounts from nothing to unlimited."""
    amounts = st.sampled_from([0, 1, 2, 5, 7, 10, 10**18, 2**63 - 2, math.inf])
    n = draw(st.integers(1, 7))
    names = [f"n{k}" for k in range(n)]
    parents = [
        None if k == 0 or draw(st.integers(0, 9)) == 0 else names[draw(st.integers(0, k - 1))]
        for k in range(n)
    ]
    nodes = []
    for name, parent in zip(names, parents, strict=True):
        quotas = []
        for flavor, resource in [(f, r) for f in "xy" for r in ("cpu", "gpu")]:
            if draw(st.booleans()):
                quota = {"flavor": flavor, "resource": resource, "nominal": draw(amounts)}
                for limit in ("lending_limit", "borrowing_limit"):
                    if draw(st.booleans()):
                        quota[limit] = draw(amounts)
                quotas.append(quota)
        weight = draw(st.sampled_from([1, 0.5, 0.3, 0, 2, 300.0]))
        nodes.append({"name": name, "parent": parent, "weight": weight, "quotas": quotas})
    leaves = [name for name in names if name not in parents]
    keys = st.tuples(st.sampled_from("xyz"), st.sampled_from(["cpu", "gpu"]))
    usage = [
        (draw(st.sampled_from(leaves)), *draw(keys), draw(amounts))
        for _ in range(draw(st.integers(0, 5)))
    ]
    return nodes, usage, draw(st.dictionaries(keys, amounts, max_size=2))


@settings(max_examples=200, deadline=None)
@given(trees())
def test_dominant_shares_are_the_published_sums(drawn):
    nodes, usage, extra = drawn
    tree, oracle = fair.Quotas.from_nodes(nodes), KueueTree(nodes, usage)
    shares = fair.dominant_shares(tree, usage, extra=[(*key, a) for key, a in extra.items()])
    for name in shares:
        got = shares[name]
        assert (got.share_per_mille, got.dominant, got.borrowing) == oracle.share(name, extra)
        assert shares.explain(name)
        assert fair.borrowing(tree, usage, name).amounts == oracle.borrowed(name, {})


def counted(request, weight, guarantee):
    """Requests, weights and guarantees as they count: weight 0 is 1, for the guarantee alone."""
    owed = np.minimum(guarantee, request)
    return np.where(weight == 0, owed, request), np.where(weight == 0, 1, weight), owed


@st.composite
def worlds(draw, most_tenants, most_units):
    n, n_classes = draw(st.integers(0, most_tenants)), draw(st.integers(0, 4))
    eligible = np.array(
        draw(st.lists(st.booleans(), min_size=n * n_classes, max_size=n * n_classes)), bool
    ).reshape(n, n_classes)
    units = st.integers(0, most_units)
    column = lambda of, size: np.array(draw(st.lists(of, min_size=size, max_size=size)), np.int64)  # noqa: E731
    weights = st.sampled_from([1.0, 1.0, 2.0, 3.0, 0.1, 0.3, 1e-9, 12345.678, 0.0])
    weight = np.array(draw(st.lists(weights, min_size=n, max_size=n)))
    guarantee = column(units, n) if draw(st.booleans()) else np.zeros(n, np.int64)
    return eligible, column(units, n_classes), column(units, n), weight, guarantee


@settings(max_examples=200, deadline=None)
@given(worlds(most_tenants=4, most_units=4))
def test_leximin_is_the_best_of_all_integral_shares(drawn):
    eligible, capacity, request, weight, guarantee = drawn
    x = fair.leximin(eligible, capacity, request, weight=weight, guarantee=guarantee)
    request, weight, owed = counted(request, weight, guarantee)
    got = sorted(Fraction(s) / Fraction(w) for s, w in zip(x.share.tolist(), weight, strict=True))
    assert got == leximin_brute(eligible, capacity, request, weight, owed)
    assert x.verify()


@settings(max_examples=150, deadline=None)
@given(worlds(most_tenants=9, most_units=20))
def test_leximin_is_one_unit_at_a_time(drawn):
    eligible, capacity, request, weight, guarantee = drawn
    x = fair.leximin(eligible, capacity, request, weight=weight, guarantee=guarantee)
    for i in range(len(request)):
        assert str(x.explain(i))
    assert x.share.tolist() == leximin_greedy(
        eligible, capacity, *counted(request, weight, guarantee)
    )


@st.composite
def task_worlds(draw):
    n, n_resources = draw(st.integers(0, 6)), draw(st.integers(0, 3))
    takes = st.one_of(st.integers(0, 4), st.sampled_from([0.1, 0.25, 1.5, 1e-3]))
    demand = [draw(st.lists(takes, min_size=n_resources, max_size=n_resources)) for _ in range(n)]
    capacity = draw(st.lists(st.integers(0, 15), min_size=n_resources, max_size=n_resources))
    request = draw(st.lists(st.integers(0, 30), min_size=n, max_size=n))
    weight = draw(st.lists(st.sampled_from([1.0, 1.0, 2.0, 0.1, 0.3, 0.0]), min_size=n, max_size=n))
    return np.array(demand, float).reshape(n, n_resources), capacity, request, weight


@settings(max_examples=200, deadline=None)
@given(task_worlds())
def test_dominant_shares_of_tasks_are_progressive_filling(drawn):
    demand, capacity, request, weight = drawn
    x = fair.dominant(
        demand,
        np.array(capacity, np.int64),
        request=np.array(request, np.int64),
        weight=np.array(weight),
    )
    assert x.tasks.tolist() == dominant_greedy(demand.tolist(), capacity, request, weight)
    for i in range(len(request)):
        assert x.explain(i)


@settings(max_examples=200, deadline=None)
@given(worlds(most_tenants=4, most_units=4), st.data())
def test_leximin_of_rates_is_the_best_of_all_allocations(drawn, data):
    eligible, capacity, request, weight, guarantee = drawn
    size = eligible.size
    rates = data.draw(st.lists(st.integers(1, 4), min_size=size, max_size=size))
    rate = eligible * np.array(rates, np.int64).reshape(eligible.shape)
    if data.draw(st.booleans()):  # one rate for each tenant: cuts
        rate = eligible * rate.max(axis=1, initial=1, keepdims=True)
    request = request * 3
    x = fair.leximin(rate, capacity, request, weight=weight, guarantee=guarantee)
    for i in range(len(request)):
        assert str(x.explain(i))
    assert x.verify()
    request, weight, owed = counted(request, weight, guarantee)
    got = sorted(Fraction(s) / Fraction(w) for s, w in zip(x.share.tolist(), weight, strict=True))
    assert got == leximin_of_rates(rate, capacity, request, weight, owed)


@settings(max_examples=300, deadline=None)
@given(worlds(most_tenants=3, most_units=3), st.data())
def test_the_certificate_of_shares_accepts_nothing_but_the_best(drawn, data):
    """Any allocation under any levels: if it is accepted, it is as good as the best of all."""
    eligible, capacity, request, weight, guarantee = drawn
    x = fair.leximin(eligible, capacity, request, weight=weight, guarantee=guarantee)
    n, n_classes = eligible.shape
    size = n * n_classes
    units = np.array(data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)), np.int64)
    units = np.where(eligible, units.reshape(n, n_classes), 0)
    level = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)), np.int64)
    share, levels, inside = units.sum(axis=1), [], 0
    usable = np.zeros(n_classes, bool)
    for k in range(3):  # those of level 3 are in none; what a level states is true
        tenants, before = np.flatnonzero(level == k), usable
        usable = before | eligible[tenants].any(axis=0)
        room, inside = int(x.capacity[usable].sum()), inside + int(share[tenants].sum())
        asking = tenants[share[tenants] < x.most[tenants]]
        value = (share / np.where(x.weight, x.weight, 1))[asking].min(initial=np.inf)
        more = np.flatnonzero(usable & ~before)
        levels.append(fair.Level(tenants, more, float(value), room == inside, room, inside))
    rows, classes = np.nonzero(units)
    claim = dataclasses.replace(
        x, share=share, arcs=(rows, classes, units[rows, classes]), levels=tuple(levels)
    )
    if claim.verify():
        request, weight, owed = counted(request, weight, guarantee)
        got = sorted(
            Fraction(s) / Fraction(w) for s, w in zip(claim.share.tolist(), weight, strict=True)
        )
        assert got == leximin_brute(eligible, capacity, request, weight, owed)


@settings(max_examples=300, deadline=None)
@given(task_worlds(), st.data())
def test_the_check_of_tasks_accepts_nothing_else(drawn, data):
    demand, capacity, request, weight = drawn
    x = fair.dominant(
        demand, np.array(capacity), request=np.array(request, np.int64), weight=np.array(weight)
    )
    n = len(request)
    off = data.draw(st.lists(st.integers(-1, 1), min_size=n, max_size=n))
    stop = data.draw(st.lists(st.integers(-1, len(capacity)), min_size=n, max_size=n))
    keep = data.draw(st.booleans())
    claim = dataclasses.replace(
        x,
        tasks=x.tasks + np.array(off, np.int64),
        bottleneck=x.bottleneck if keep else np.array(stop, np.int64),
    )
    if claim.verify():
        assert claim.tasks.tolist() == x.tasks.tolist()
