"""The live matcher against plain transport on the same world, round after round."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gridcompute import CostRangeError, InvalidProblemError, Matcher, transport


def random_jobs(r, n):
    out = r.integers(3, 12, n).astype(float)
    return {"k": r.integers(0, 3, n), "c": r.random(n), "u": out}


@pytest.mark.parametrize("seed", range(60))
def test_every_round_costs_what_a_plain_solve_costs(seed):
    """If this fails, churn has led the matcher away from the optimum, or moved a job for nothing.

    Adds, removals, updates and capacities at random; with and without ties and move costs; closed
    pairs. The references are built from nothing but what the test itself remembers.
    """
    r = np.random.default_rng(seed)
    n_slots = int(r.integers(1, 6))
    first = r.integers(0, 8, (3, n_slots)).astype(float)
    first[r.random((3, n_slots)) < 0.15] = np.inf
    second = r.random((1, n_slots)) * (seed % 2)
    move = 0.0 if seed % 3 else float(r.integers(0, 3))
    capacity = r.integers(0, 4, n_slots)
    cost = [(first, "k", None), (second, None, "c")]
    world = Matcher(capacity, cost=cost, unplaced="u", move_cost=move)
    live = {}
    home = {}
    for _ in range(12):
        columns = random_jobs(r, int(r.integers(0, 5)))
        ids = [int(i) for i in world.add(columns)]
        live |= dict(zip(ids, zip(*columns.values(), strict=True), strict=True))
        if live and r.random() < 0.6:
            gone = [int(i) for i in r.choice(list(live), min(len(live), 2), replace=False)]
            world.remove(gone)
            for i in gone:
                del live[i]
                home.pop(i, None)
        if live and r.random() < 0.5:
            changed, columns = int(r.choice(list(live))), random_jobs(r, 1)
            world.update([changed], columns)
            live[changed] = tuple(c[0] for c in columns.values())
        if r.random() < 0.4:
            s = int(r.integers(0, n_slots))
            capacity[s] = r.integers(0, 4)
            world.set_capacity([s], [capacity[s]])
        m = world.match()
        assert world._native.holds()
        assert m.verify().valid
        jobs = [live[i] for i in m.ids]
        matrix = np.array([first[k] + second[0] * c for k, c, _ in jobs]).reshape(-1, n_slots)
        out = np.array([u for _, _, u in jobs], float)
        for j, i in enumerate(m.ids):
            if home.get(i, -1) >= 0:
                here = matrix[j, home[i]]
                matrix[j] += move
                matrix[j, home[i]] = here
                out[j] += move
        assert m.objective == pytest.approx(transport(matrix, capacity, unplaced=out).objective)
        home = dict(zip(m.ids, m.assignment.tolist(), strict=True))
        assert len(world.match().changes["id"]) == 0, "an unchanged world moves nothing"


def small():
    world = Matcher([1, 1], cost=[([[1.0, 2.0]], None, "work")], unplaced=100.0)
    world.add({"work": [3.0, 5.0]}, ids=["a", "b"])
    world.match()
    return world


def test_bad_ids_are_named_and_change_nothing():
    """If this fails, a service cannot tell which id was wrong, or has lost its state to it."""
    world = small()
    for call in (
        lambda: world.add({"work": [1.0]}, ids=["a"]),
        lambda: world.add({"work": [1.0, 1.0]}, ids=["c", "c"]),
        lambda: world.remove(["a", "x"]),
        lambda: world.remove(["a", "a"]),
        lambda: world.update(["x"], {"work": [1.0]}),
    ):
        with pytest.raises(InvalidProblemError, match=r"'[acx]'"):
            call()
    assert len(world) == 2
    assert len(world.match().changes["id"]) == 0


def test_a_snapshot_is_whole_or_refused(tmp_path):
    """If this fails, a service may come back from a torn or foreign file with a wrong world."""
    world, path = small(), tmp_path / "world"
    world.snapshot(path)
    again = Matcher.restore(path)
    assert again.match().objective == world.match().objective
    assert len(again.match().changes["id"]) == 0
    blob = path.read_bytes()
    for bad, reason in (
        (blob[:-1], "torn"),
        (b"x" + blob, "no snapshot"),
        (blob[:-1] + b"?", "sum"),
    ):
        path.write_bytes(bad)
        with pytest.raises(InvalidProblemError, match=reason):
            Matcher.restore(path)
    with pytest.raises(TypeError, match="snapshot"):
        pickle.dumps(world)


def test_quotes_pins_slots_and_tables():
    """If this fails, one of the smaller doors of the matcher is broken."""
    world = small()
    slot, cost, price = world.quote({"work": [0.1]})
    assert cost[0] == pytest.approx({-1: 100.0, 0: 0.1, 1: 0.2}[int(slot[0])])
    assert cost[0] + price[0] <= 100.0
    assert len(world) == 2
    world.pin(["a"])
    assert world.add_slots([5], [[[0.1]]]).tolist() == [2]
    assert world.match().changes["id"].tolist() == ["b"]
    world.unpin(["a"])
    assert world.match().changes["id"].tolist() == ["a"]
    world.remove_slots([2])
    assert set(world.match().changes["kind"]) == {"MOVE"}
    world.set_table(0, [[2.0, 1.0, 9.0]])
    assert world.match().verify().valid
    m = world.match()
    world.set_capacity([0], [0])
    assert m.verify().valid, "an answer stays what it was"
    assert world.match().changes["kind"].tolist() == ["MOVE", "EVICT"]  # 3 + 100 < 5 + 100


def test_a_limit_on_moves_is_kept_and_improves_round_by_round():
    """If this fails, a service moves more running jobs a round than it allowed."""
    r = np.random.default_rng(5)
    table = r.integers(0, 100, (40, 4)).astype(float)
    world = Matcher([10] * 4, cost=[(table, "k", None)], unplaced=1e3, max_moves=2)
    world.add({"k": np.arange(40)})
    world.match()
    other = r.integers(0, 100, (40, 4)).astype(float)
    world.set_table(0, other)
    best = transport(other, [10] * 4, unplaced=1e3).objective
    costs = []
    for _ in range(40):
        m = world.match()
        assert len(m.changes["id"]) <= 2  # a cycle of more than two classes waits
        costs.append(m.objective)
        assert m.bound <= best + 1e-9
        if not len(m.changes["id"]):
            break
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < costs[0]


def test_one_move_more_than_the_limit_waits():
    """If this fails, a round makes a move more than it was allowed."""
    world = Matcher([3, 3], cost=[([[1.0, 2.0]], None, "w")], unplaced=100.0, max_moves=2)
    world.add({"w": [1.0, 1.0, 1.0]})
    world.match()
    world.set_table(0, [[2.0, 1.0]])
    for moves, deferred in (2, 1), (1, 0):
        m = world.match()
        assert m.changes["kind"].tolist() == ["MOVE"] * moves
        assert m.stats["moves_deferred"] == deferred


def test_no_room_for_those_that_must_be_placed_is_proved():
    """If this fails, an infeasible world gets an answer, or stays stuck once there is room."""
    world = Matcher([1], cost=[([[1.0]], None, "w")], unplaced=np.inf)
    world.add({"w": [1.0, 1.0, 1.0]}, ids=["gone", "b", "a"])
    world.remove(["gone"])
    for _ in range(2):
        m = world.match()
        assert m.status == "infeasible"
        assert m.verify().valid
    world.set_capacity([0], [2])
    assert m.witness_ids == ["b", "a"], "the caller's names, also after a change"
    assert world.match().objective == 2.0
    world.set_capacity([0], [1])
    m = world.match()
    assert (m.status, m.verify().valid) == ("infeasible", True)


def test_a_round_without_time_moves_nobody_and_the_next_goes_on():
    """If this fails, a time limit loses jobs, or evicts some for a search that was not finished."""
    r = np.random.default_rng(0)
    world = Matcher([50] * 4, cost=[(r.random((100, 4)), "k", None)], unplaced=9.0)
    world.add({"k": r.integers(0, 100, 180)})
    world.match()
    world.add({"k": r.integers(0, 100, 40)})
    m = world.match(time_limit=0.0)
    assert m.status == "time_limit"
    assert set(m.changes["kind"]) <= {"PLACE"}
    done = world.match()
    assert done.status == "optimal"
    assert done.verify().valid
    assert world._native.holds()


def test_any_number_of_threads_gives_the_same_bits():
    """If this fails, two replicas of a service disagree."""
    seen = []
    for threads in (1, 2, 7):
        r = np.random.default_rng(3)
        table = r.random((50, 300))
        world = Matcher([3] * 300, cost=[(table, "k", "w")], unplaced=5.0, threads=threads)
        ids = world.add({"k": r.integers(0, 50, 1000), "w": r.random(1000)})
        for _ in range(5):
            world.match()
            world.remove(ids[:20])
            ids = np.append(ids[20:], world.add({"k": r.integers(0, 50, 20), "w": r.random(20)}))
        m = world.match()
        seen.append((m.assignment.tobytes(), m.prices.tobytes(), m.objective))
    assert seen[0] == seen[1] == seen[2]


def test_calls_of_several_threads_follow_one_another():
    """If this fails, two threads of a service corrupt one world."""
    r = np.random.default_rng(4)
    world = Matcher([20] * 5, cost=[(r.random((10, 5)), "k", None)], unplaced=2.0)

    def work(first):
        for i in range(first, first + 30):
            world.add({"k": [i % 10]}, ids=[i])
            world.match()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(0, 400, 100)))
    assert len(world) == 120
    assert world.match().verify().valid
    assert world._native.holds()


def test_costs_out_of_range_change_nothing():
    """If this fails, one absurd number ends a service or its world is lost."""
    world = small()
    before = world.match()
    for call in (
        lambda: world.add({"work": [1e300]}, ids=["c"]),
        lambda: world.add({"work": [1e308]}, ids=["c"]),
        lambda: world.update(["a"], {"work": [1e300]}),
        lambda: world.set_table(0, [[1e308, 1e308]]),
        lambda: world.add_slots([1], [[[1e308]]]),
    ):
        with pytest.raises(CostRangeError):
            call()
        assert len(world) == 2
        assert world._native.holds()
        m = world.match()
        assert (m.objective, len(m.changes["id"])) == (before.objective, 0)
        assert m.verify().valid
    slot, cost, _ = world.quote({"work": [1e300]})
    assert (slot.tolist(), cost.tolist()) == ([-1], [100.0])
    assert not world.match().stats["cold"], "a quote leaves prices and candidates"


def test_jobs_without_columns_come_by_their_ids():
    """If this fails, a world whose jobs are all alike takes none."""
    world = Matcher([1, 2], cost=[([[1.0, 2.0]], None, None)], unplaced=9.0)
    world.add({}, ids=[7, 8])
    assert world.match().objective == 3.0


@pytest.mark.parametrize("levels", [2, 8, 1000])
def test_a_cold_round_leaves_jobs_where_others_would_cost_the_same(levels):
    """If this fails, a cold round moves running jobs among equal costs, for nothing.

    Where costs are whole thousands of steps apart, one step more moves nobody; a solve from
    nothing moves a thousand. And whatever a cold round did, the next one does nothing.
    """
    r = np.random.default_rng(levels)
    n, classes = 20_000, 20
    table = r.integers(0, levels, (64, classes)).astype(float)
    room = r.multinomial(int(1.1 * n), np.full(classes, 1 / classes))
    world = Matcher(room, cost=[(table, "k", None)], unplaced=1e4)
    world.add({"k": r.integers(0, 64, n)})
    world.match()
    table = table * 2
    table[:, 3] += 1
    for change in (0, r.random(table.shape) < 0.3):
        table = table + change
        world.set_table(0, table)
        m = world.match()
        assert m.stats["cold"] or np.sum(change) == 0
        assert m.verify().valid
        assert m.unchanged == n or levels < 1000
        assert world.match().unchanged == n


@pytest.mark.parametrize("seed", range(3))
def test_the_invariants_hold_after_each_call_not_only_after_rounds(seed):
    """They were false from `add_slots` to the next round, which reads the costs of its classes."""
    r = np.random.default_rng(seed)
    world = Matcher([30, 30], cost="row", unplaced=9.0)
    world.add({"row": r.random((40, 2)) * 8})
    world.match()
    world.add({"row": r.random((2, 2)) * 8})
    world.match()  # by the index of moves
    calls = {
        "add_slots": lambda: world.add_slots([2], [r.random((42, 1)) - 1]),
        "add": lambda: world.add({"row": r.random((1, 3))}),
        "match": world.match,
        "remove_slots": lambda: world.remove_slots([0]),
        "update": lambda: world.update(world.ids[:1], {"row": r.random((1, 3))}),
        "set_capacity": lambda: world.set_capacity([1], [1]),
    }
    for name, call in calls.items():
        call()
        assert world._native.holds(), (seed, name)
