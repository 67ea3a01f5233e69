"""Gangs: whole jobs from the splittable optimum, near its bound."""

import dataclasses
import math

import numpy as np
import pytest

from gang_instances import KINDS, greedy, greedy_orders
from gridcompute import transport
from oracles import exact, transport_brute

SIZES = {
    "log-normal": lambda r, n: np.clip(np.exp(r.normal(1, 1.2, n)), 1, 128).astype(np.int32),
    "powers of two": lambda r, n: (2 ** r.integers(0, 8, n)).astype(np.int32),
    "uniform": lambda r, n: r.integers(1, 129, n).astype(np.int32),
}


def structured(r, n, s):
    """Costs with an order of classes and one of jobs, as prices and sizes give them."""
    base, speed = r.integers(100, 1000, (n, 1)), r.integers(10, 30, s)
    return (base * speed + r.integers(0, 2000, (n, s))).astype(np.int32)


@pytest.mark.parametrize("sizes", SIZES)
def test_gangs_end_near_the_bound(sizes):
    """If this fails, split jobs are put where they cost much, or room is left empty."""
    r = np.random.default_rng(3)
    n, s = 30_000, 40
    cost, demand = structured(r, n, s), SIZES[sizes](r, n)
    capacity = np.full(s, int(1.01 * demand.sum()) // s)
    m = transport(cost, capacity, demand=demand)
    assert m.gap < 2e-4
    assert m.assignment.min() >= 0
    assert m.verify().valid
    real = transport(cost.astype(np.float32), capacity, demand=demand)
    assert (real.assignment == m.assignment).all()


def test_a_heavy_gang_makes_others_go():
    """If this fails, a gang that has to be placed finds its one class full of small jobs."""
    # The relaxation splits the gang over small classes that none of it may use whole.
    cost = np.array([[0] * 5 + [50]] + [[9] * 5 + [0]] * 20)
    m = transport(cost, [4, 4, 4, 4, 4, 20], demand=[20] + [1] * 20)
    assert m.assignment[0] == 5
    assert (m.assignment[1:] < 5).all()
    assert m.objective == 50 + 9 * 20
    assert m.verify().feasible


def test_gangs_that_fit_nowhere_are_infeasible_with_a_witness():
    """If this fails, nobody learns why gangs have no place, or a stop is named that was none."""
    m = transport(np.ones((3, 2)), [4, 4], demand=[3, 3, 2])
    assert m.status == "infeasible"
    assert m.witness is not None
    # Of 3, 3 and 2 no more than 3 fill a class of 4.
    assert (m.witness.needed, m.witness.available) == (8, 6)
    assert m.verify().valid
    none = transport(np.ones((5, 3)), [6, 5, 4], demand=[3, 3, 3, 3, 3])
    assert none.status == "infeasible"
    assert none.verify().valid
    crossed = transport(np.ones((4, 2)), [7, 7], demand=[2, 5, 5, 2])
    assert crossed.status == "optimal"
    packed = transport(np.ones((5, 2)), [10, 10], demand=[4, 4, 4, 4, 4])
    assert packed.status == "infeasible"
    assert "need 20 slots" in str(packed.witness)
    assert packed.verify().valid


def test_a_witness_of_whole_gangs_is_tried():
    """If this fails, jobs that no way of placing them whole fits count as placeable, or not."""
    # Each class can be filled, 25 slots in all, but not all three at once.
    m = transport(np.ones((5, 3)), [9, 7, 9], demand=[6, 2, 5, 8, 4])
    assert m.status == "infeasible"
    assert m.witness is not None
    assert m.witness.needed <= m.witness.available
    assert "no way of placing the jobs whole fits" in str(m.witness)
    assert m.verify().valid
    fewer = dataclasses.replace(m.witness, jobs=m.witness.jobs[1:])
    assert not dataclasses.replace(m, witness=fewer).verify().valid


def test_the_bound_does_not_split_gangs_that_fit_into_no_class():
    """If this fails, a job of 8 counts as 4 and 4 in classes of 4, and a gap of a third is left."""
    n = 20
    cost = np.full((n, 4), 10)
    cost[:, 2:] = 100
    demand = np.full(n, 8)
    m = transport(cost, [4, 4, 80, 80], demand=demand)
    assert (m.status, m.objective, m.gap) == ("optimal", 100 * n, 0.0)
    assert m.verify().gap == 0.0


def test_equal_gangs_are_counted():
    """If this fails, three gangs of 3 are thought to share classes of 4."""
    cost = np.tile([[1, 1, 9]], (16, 1))
    m = transport(cost, [4, 5, 48], demand=np.full(16, 3))
    assert (m.status, m.objective) == ("optimal", 2 + 14 * 9)
    assert m.verify().gap == 0.0


def test_charges_prove_what_prices_do_not():
    """If this fails, gangs that are optimal keep the gap of the problem in which they may split."""
    t = KINDS["mixed"](np.random.default_rng(1))
    m = transport(**t.arguments)
    assert m.charges is not None
    assert m.verify().valid
    without = dataclasses.replace(m, charges=None)
    assert not without.verify().valid
    assert "the prices prove" in without.verify().reasons[0]
    # By hand: all charges, less what each class makes at most.
    bound = m.charges.sum()
    for k, u in enumerate(t.capacity):
        most = np.zeros(u + 1)
        for w, profit in zip(t.demand, m.charges - t.cost[:, k], strict=True):
            if profit > 0 and w <= u:
                most[w:] = np.maximum(most[w:], most[:-w] + profit)
        bound -= most[-1]
    assert m.bound == math.ceil(bound - 1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_gangs_are_never_dearer_than_greedy(kind):
    """If this fails, thirty lines do better."""
    for seed in range(5):
        t = KINDS[kind](np.random.default_rng([seed, 1]))
        m = transport(**t.arguments)
        assert m.verify().valid
        assert m.objective <= min(greedy(t, order) for order in greedy_orders(t)), (kind, seed)


def test_gangs_have_the_same_bits_for_any_threads_and_any_run():
    """If this fails, a search without a time limit depends on the clock or on threads."""
    for kind, make in KINDS.items():
        t = make(np.random.default_rng(7))
        first = transport(**t.arguments, threads=1)
        for threads in (1, 2, 7):
            again = transport(**t.arguments, threads=threads)
            assert again.assignment.tobytes() == first.assignment.tobytes(), kind
            assert again.prices.tobytes() == first.prices.tobytes(), kind
            assert (again.objective, again.bound, again.status) == (
                first.objective,
                first.bound,
                first.status,
            ), kind
            assert (again.charges is None) == (first.charges is None)


def test_only_a_caller_stops_gangs():
    """If this fails, "stopped" is said of a solve that ended by itself."""
    # Sixteen of size 3 and 5 in classes that they cannot fill to the last slot: no place for one.
    demand = np.array([5, 3] * 8)
    m = transport(np.ones((16, 8)), [7] * 7 + [15], demand=demand)
    assert m.status in ("infeasible", "time_limit")
    assert m.objective == math.inf
    assert m.verify().valid
    stopped = transport(np.ones((16, 8)), [7] * 7 + [15], demand=demand, progress=lambda _: True)
    assert stopped.status in ("stopped", "infeasible")


@pytest.mark.parametrize("limit", [0.0, 1e-9, 1e-4, 0.01])
@pytest.mark.parametrize("kind", KINDS)
def test_gangs_keep_any_time_limit(kind, limit):
    """If this fails, a limit that comes early gives an answer that breaks a rule."""
    t = KINDS[kind](np.random.default_rng(3))
    m = transport(**t.arguments, time_limit=limit)
    found = m.verify()
    assert found.valid, found.reasons
    assert m.status in ("time_limit", "feasible", "optimal")


def test_odd_gangs():
    """If this fails, an edge of sizes, rooms or costs kills the process or breaks a rule."""
    big = 2**31 - 1
    for cost, capacity, demand, unplaced in (
        (np.zeros((2, 0)), [], [2, 3], 5.0),
        (np.zeros((0, 3)), [1, 2, 3], [], None),
        (np.zeros((3, 1)), [0], [2, 1, 1], 1.0),
        (np.zeros((3, 1)), [0], [2, 1, 1], None),
        (np.ones((3, 2)), [2**62, 2**62], [big] * 3, None),
        (np.ones((30, 2)), [10 * big + 5, 21 * big], [big] * 30, None),
        (np.full((14, 2), 1e250), [14, 15], [2] * 14, None),
        (np.full((14, 2), -5e-324), [14, 15], [2] * 14, None),
        (np.full((14, 2), 2**60), [14, 15], [2] * 14, None),
        (np.arange(40).reshape(20, 2) * 10.0**13, [17, 40], [3, 2] * 10, 1e250),
        (np.eye(20) * 1e15, [7] * 20, [4, 3] * 10, None),
        (np.ones((13, 400)), [3] * 400, [2] * 13, None),
    ):
        m = transport(cost, capacity, demand=np.array(demand, int), unplaced=unplaced)
        found = m.verify()
        assert found.valid, (cost.shape, capacity, demand, m, found.reasons)
        assert m.status in ("optimal", "feasible", "infeasible"), m


@pytest.mark.parametrize("jobs", [1, 4, 8, 12, 13, 20])
def test_gangs_whose_costs_lie_decades_apart_are_what_is_claimed(jobs):
    """If this fails, the certificate refutes `exact`, or small costs drown beside large ones."""
    sizes = [0, 1, -1.298e33, 1.298e33, 0.1, -7e-300, 2.0**600, 5e-324]
    r = np.random.default_rng(jobs)
    for _ in range(40 if jobs <= 8 else 15):
        cost = r.choice(sizes[: r.integers(3, 9)], (jobs, 4))
        demand = r.choice([1, 2], jobs, p=[0.7, 0.3])
        room = [0, 0, *np.maximum(1, demand.sum() // 2 + r.integers(-1, 2, 2))]
        m = transport(cost, room, demand=demand, unplaced=1.298e33)
        found = m.verify()
        assert found.valid, (cost, demand, room, m, found.reasons)
        if jobs > 4:
            continue
        least = transport_brute(cost, room, demand, [1.298e33] * jobs)
        paid = sum(exact(1.298e33 if s < 0 else cost[i, s]) for i, s in enumerate(m.assignment))
        assert m.status == "optimal", m
        assert m.exact, (cost, demand, room, m)
        assert paid == least, (cost, demand, room, m)


def test_a_sum_beyond_the_doubles_is_optimal_but_not_called_exact():
    """If this fails, what no double holds is claimed of one, or the rest is refused."""
    most = np.finfo(float).max
    cost = [[0, 0, 0, 1], [1, 0, 0, 0], [0, 0, 0, -1], [math.inf, 0, -most, 0]]
    m = transport(cost, [0, 0, 3, 2], demand=[1, 1, 1, 2])
    assert m.assignment[3] == 2
    assert m.assignment[2] == 3
    assert (m.status, m.bound, m.exact, m.gap) == ("optimal", -math.inf, False, math.inf)
    found = m.verify()
    assert found.valid, found.reasons


@pytest.mark.parametrize(("jobs", "classes"), [(200, 20), (2000, 40), (60_000, 100)])
def test_many_gangs_that_just_fit_beat_greedy(jobs, classes):
    """If this fails, gangs that fill every slot end without a plan, or dearer than a greedy's."""
    r = np.random.default_rng(jobs)
    demand = r.choice([1, 2, 4, 8], jobs, p=[0.45, 0.25, 0.2, 0.1])
    room = np.bincount(r.integers(0, classes, jobs), demand, classes).astype(np.int64)
    cost = r.integers(1, 100, (jobs, classes)) * demand[:, None]
    left, dear = room.copy(), 0
    for i in np.argsort(-demand, kind="stable"):
        here = np.where(left >= demand[i], cost[i], np.inf)
        left[here.argmin()] -= demand[i]
        dear += here.min()
    near = transport(cost, room, demand=demand, gap=0.05)
    limited = transport(cost, room, demand=demand, time_limit=1.0)
    for m in (near, limited):
        found = m.verify()
        assert found.valid, found.reasons
        assert m.status in ("optimal", "feasible", "time_limit"), m
    assert near.objective <= dear, (near, dear)
    assert near.gap <= 0.05, near
    assert limited.bound <= near.objective, (limited, near)
    assert near.bound <= limited.objective, (limited, near)


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize(("jobs", "classes"), [(4000, 40), (60_000, 32), (60_000, 100)])
def test_gangs_are_searched_until_the_limit_where_the_gap_is_small(jobs, classes, real):
    """If this fails, a solve gives up most of its time limit though a cheaper plan may exist."""
    r = np.random.default_rng(classes)
    demand = r.choice([1, 2, 4, 8, 16, 64], jobs, p=[0.3, 0.3, 0.2, 0.1, 0.05, 0.05])
    room = np.full(classes, int(np.ceil(1.001 * demand.sum() / classes)))
    cost = (r.random((jobs, classes)) if real else r.integers(1, 10**5, (jobs, classes))) * demand[
        :, None
    ]
    free = transport(cost, room, demand=demand)
    limited = transport(cost, room, demand=demand, time_limit=1.0)
    found = limited.verify()
    assert found.valid, found.reasons
    if free.status == "optimal":
        return
    assert limited.status in ("time_limit", "optimal") or limited.stats["exhausted"], (
        free,
        limited,
    )
    assert free.gap <= 0.05, (free, limited)
