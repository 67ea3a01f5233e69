"""Limits of counted work: the same answer for any number of threads, any load and any run."""

import itertools
import math
import threading
from contextlib import contextmanager

import numpy as np
import pytest
import scipy.sparse as sp

import gridcompute as gc
from gridcompute import InvalidProblemError

THREADS = (1, 2, 7)
NONSENSE = [
    (True, TypeError),
    (np.True_, TypeError),
    ("10", TypeError),
    ([1], TypeError),
    (math.nan, InvalidProblemError),
    (-1, InvalidProblemError),
    (-1e-9, InvalidProblemError),
    (-math.inf, InvalidProblemError),
    (10**400, InvalidProblemError),
]


def structured(n, k, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((n, 3)) @ rng.random((3, k)) + 0.1 * rng.random((n, k))


def spread(n, k):
    """Capacities that leave few slots over."""
    return np.full(k, n // k + 1)


def transports():
    """Problems for each way through transport, by name."""
    rng = np.random.default_rng(5)
    whole = rng.integers(0, 1000, (300, 12))
    close = rng.random((900, 700))
    wide = structured(30_000, 24)
    ties = rng.integers(0, 4, (12_000, 20))
    copies = np.repeat(structured(4_000, 6), 5, axis=1)
    i, j = np.nonzero(rng.random((6_000, 40)) < 0.15)
    pairs = sp.csr_array((rng.random(len(i)), (i, j)), shape=(6_000, 40))
    far = np.where(rng.random((2_000, 30)) < 0.1, 1e15, structured(2_000, 30))
    demand = rng.integers(1, 9, 60)
    gangs = structured(60, 6)
    return {
        "few": lambda **o: gc.transport(whole, spread(300, 12), **o),
        "near an assignment": lambda **o: gc.transport(close, np.full(700, 2), **o),
        "samples": lambda **o: gc.transport(wide, spread(30_000, 24), **o),
        "ties": lambda **o: gc.transport(ties, spread(12_000, 20), **o),
        "copies": lambda **o: gc.transport(copies, spread(4_000, 30), **o),
        "sparse": lambda **o: gc.transport(pairs, np.full(40, 170), unplaced=2.0, **o),
        "far costs": lambda **o: gc.transport(far, spread(2_000, 30), method="exact", **o),
        "auction": lambda **o: gc.transport(
            wide, spread(30_000, 24), method="auction", gap=1e-3, **o
        ),
        "gangs": lambda **o: gc.transport(gangs, np.full(6, 50), demand=demand, **o),
    }


TRANSPORTS = transports()


def facts(m):
    """All that may not differ between two runs."""
    counts = {key: value for key, value in m.stats.items() if key != "seconds"}
    arrays = (m.assignment.tobytes(), m.prices.tobytes(), m.load.tobytes())
    return (*arrays, m.objective, m.bound, m.status, m.exact, str(counts))


def limits_to(enough):
    return [0, 1, 10, *(round(enough * share, 3) for share in (0.1, 0.3, 0.6, 0.9, 0.99, 1.0))]


@contextmanager
def load():
    """Two threads that take what processor they can get."""
    done = threading.Event()

    def spin():
        block = np.random.default_rng(0).random((200, 200))
        while not done.is_set():
            block @ block

    busy = [threading.Thread(target=spin) for _ in range(2)]
    for thread in busy:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in busy:
            thread.join()


@pytest.mark.parametrize("name", TRANSPORTS)
def test_a_limit_of_work_gives_the_same_bits_for_any_threads_and_load(name):
    """If this fails, what a limit of work ends depends on the machine after all."""
    solve = TRANSPORTS[name]
    free = solve(threads=1)
    enough = free.stats["work_units"]
    statuses = []
    for limit in limits_to(enough):
        first = solve(threads=1, work_limit=limit)
        statuses.append(first.status)
        for threads in THREADS[1:]:
            again = solve(threads=threads, work_limit=limit)
            assert facts(again) == facts(first), (name, limit, threads, first, again)
        assert first.bound <= free.objective, (name, limit, first)
        assert first.objective >= free.bound, (name, limit, first)
        assert first.verify().valid == (not math.isinf(first.objective)), (name, limit, first)
    assert facts(first) == facts(free), (name, enough)  # the last limit is what it counts
    assert statuses[0] == "time_limit", (name, statuses)
    with load():
        middle = solve(threads=2, work_limit=enough / 2)
    assert facts(middle) == facts(solve(threads=1, work_limit=enough / 2)), name


@pytest.mark.parametrize("name", TRANSPORTS)
def test_a_limit_that_no_solve_reaches_is_none(name):
    """If this fails, a limit beyond all work changes the answer."""
    solve = TRANSPORTS[name]
    free = facts(solve())
    for limit in (10**30, 2.0**53, math.inf, None):
        assert facts(solve(work_limit=limit)) == free, (name, limit)


def test_more_work_never_makes_gangs_dearer_or_their_bound_lower():
    """If this fails, a search that only goes on gives back a worse plan than it had."""
    solve = TRANSPORTS["gangs"]
    enough = solve().stats["work_units"]
    seen = [solve(work_limit=enough * k / 24) for k in range(6, 25)]
    for less, more in itertools.pairwise(seen):
        assert more.objective <= less.objective, (less, more)
        assert more.bound >= less.bound, (less, more)


def test_no_work_at_all_still_places_every_job_that_fits():
    """If this fails, a limit of 0 ends without an answer, where a time limit of 0 has one."""
    m = TRANSPORTS["samples"](work_limit=0)
    assert m.status == "time_limit"
    assert math.isfinite(m.objective)
    assert (m.assignment >= 0).all()
    assert (m.load <= m.question.capacity).all()


def test_both_limits_end_at_the_first():
    """If this fails, one limit hides the other."""
    solve = TRANSPORTS["samples"]
    assert solve(time_limit=0.0, work_limit=1e12).status == "time_limit"
    assert facts(solve(time_limit=3600.0, work_limit=10)) == facts(solve(work_limit=10))


def assignments():
    rng = np.random.default_rng(8)
    i, j = np.nonzero(rng.random((900, 900)) < 0.02)
    rows = np.concatenate([i, np.arange(900)])
    cols = np.concatenate([j, np.arange(900)])
    first = np.unique(rows * 900 + cols, return_index=True)[1]
    values = rng.integers(0, 10**6, len(rows))
    points = rng.random((2, 500, 2))
    return {
        "floats": rng.random((400, 400)),
        "integers": rng.integers(0, 10**6, (500, 400)),
        "ties": rng.integers(0, 5, (300, 300)),
        "distances": np.hypot(*(points[0][:, None] - points[1][None]).transpose(2, 0, 1)),
        "beyond 64 bits": rng.integers(-(2**62), 2**62, (80, 80)),
        "sparse": sp.csr_array((values[first], (rows[first], cols[first])), shape=(900, 900)),
    }


ASSIGNMENTS = assignments()


def assignment_facts(a):
    counts = {key: value for key, value in a.stats.items() if key != "seconds"}
    arrays = (a.assignment.tobytes(), a.row_duals.tobytes(), a.col_duals.tobytes())
    return (*arrays, a.objective, a.bound, a.status, str(counts))


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_an_assignment_ends_after_the_same_work(name):
    """If this fails, threads decide whether an assignment is finished within a limit."""
    cost = ASSIGNMENTS[name]
    free = gc.assignment(cost, threads=1)
    enough = free.stats["work_units"]
    solved = []
    for limit in limits_to(enough):
        first = gc.assignment(cost, threads=1, work_limit=limit)
        for threads in THREADS[1:]:
            again = gc.assignment(cost, threads=threads, work_limit=limit)
            assert assignment_facts(again) == assignment_facts(first), (name, limit, threads)
        solved.append(first.status == "optimal")
        if not solved[-1]:
            assert first.status == "time_limit", (name, limit)
            assert (first.assignment == -1).all(), (name, limit)
    assert solved == sorted(solved), (name, solved)  # more work never loses the answer
    assert not solved[0], (name, solved)
    assert assignment_facts(first) == assignment_facts(free), (name, solved)
    assert assignment_facts(gc.assignment(cost, work_limit=1e30)) == assignment_facts(free), name


def networks():
    rng = np.random.default_rng(3)
    n, m = 1500, 9000
    tail, head = rng.integers(0, n, m), rng.integers(0, n, m)
    supply = np.zeros(n, np.int64)
    supply[:200], supply[-200:] = 20, -20
    ring = np.arange(n)
    arcs = (np.concatenate([tail, ring]), np.concatenate([head, (ring + 1) % n]))
    capacity = np.concatenate([rng.integers(1, 50, m), np.full(n, 4000)])
    cost = np.concatenate([rng.integers(1, 100, m), np.full(n, 300)])
    return {"network": (*arcs, capacity, cost, supply)}


@pytest.mark.parametrize("method", ["auto", "network_simplex", "cost_scaling"])
def test_a_flow_ends_after_the_same_work(method):
    """If this fails, a flow that a limit of work ends differs from run to run."""
    problem = networks()["network"]
    free = gc.min_cost_flow(*problem, method=method)
    enough = free.stats["work_units"]
    solved = []
    for limit in limits_to(enough):
        first, again = (gc.min_cost_flow(*problem, method=method, work_limit=limit) for _ in "ab")
        assert first.flow.tobytes() == again.flow.tobytes(), (method, limit)
        assert first.potentials.tobytes() == again.potentials.tobytes(), (method, limit)
        assert first.status == again.status, (method, limit)
        assert first.bound <= free.objective, (method, limit)
        assert first.verify().valid or first.status == "time_limit", (method, limit, first)
        solved.append(first.status == "optimal")
    assert solved == sorted(solved), (method, solved)
    assert not solved[0], (method, solved)
    assert solved[-1], (method, solved)
    assert first.flow.tobytes() == free.flow.tobytes(), (method, enough)
    assert gc.min_cost_flow(*problem, method=method, work_limit=1e30).status == "optimal"


def live(threads, limit):
    """Three rounds of a world, each of them limited."""
    table = structured(40, 12)
    rng = np.random.default_rng(1)
    world = gc.Matcher(
        np.full(12, 300), cost=[(table, "kind", None)], unplaced=5.0, threads=threads
    )
    out = []
    for turn in range(3):
        world.add({"kind": rng.integers(0, 40, 1500)}, ids=np.arange(1500) + 1500 * turn)
        m = world.match(work_limit=limit)
        rows = {name: np.asarray(m.changes[name]).tolist() for name in m.changes}
        out.append((rows, m.objective, m.bound, m.status, m.stats["work_units"]))
    return out


@pytest.mark.parametrize("limit", [0, 20, 200, 1e30])
def test_live_rounds_end_after_the_same_work(limit):
    """If this fails, two replicas of a live world that are given the same work part."""
    first = live(1, limit)
    for threads in THREADS[1:]:
        assert live(threads, limit) == first, (limit, threads)
    if limit == 1e30:
        assert first == live(1, None)
    if limit == 0:
        assert first[0][3] == "time_limit", first[0]


@pytest.mark.parametrize(("limit", "error"), NONSENSE, ids=lambda x: str(x)[:12])
def test_limits_that_are_none_are_refused(limit, error):
    """If this fails, a limit that means nothing is taken for some number."""
    world = gc.Matcher([1], cost=[(np.ones((1, 1)), "kind", None)], unplaced=2.0)
    calls = [
        lambda: gc.transport(np.ones((2, 2)), [1, 1], work_limit=limit),
        lambda: gc.assignment(np.ones((2, 2)), work_limit=limit),
        lambda: gc.min_cost_flow([0], [1], [1], [1], [1, -1], work_limit=limit),
        lambda: world.match(work_limit=limit),
    ]
    for call in calls:
        with pytest.raises(error, match="work_limit"):
            call()


def test_jobs_in_shards_take_no_limit_of_work():
    """If this fails, a limit that is not kept is accepted."""
    terms = [(np.ones((1, 2)), "kind", None)]
    source = gc.shards.generated(
        4, lambda first, last: {"kind": np.zeros(last - first, np.int32)}, terms=terms
    )
    with pytest.raises(InvalidProblemError, match="work_limit"):
        gc.transport(source, [2, 2], work_limit=5)
