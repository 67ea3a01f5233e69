"""Gangs, queues, priorities and preemption in the live matcher: small worlds, told as stories."""

import copy
import pickle

import numpy as np
import pytest

from gridcompute import InvalidProblemError, Matcher, fair, transport

FLAT = [(np.ones((1, 2)), None, None)]  # every job costs 1 in either class


def cluster(capacity=(4, 4), **more):
    """Two classes, and queues a and b with a guarantee of 4 each."""
    queues = fair.Queues(name=["a", "b"], guarantee=[4, 4])
    settings = {
        "cost": FLAT, "unplaced": "value", "demand": "gpus", "queues": queues, "queue": "team",
        "priority": "rank", "preemptible": "soft", "slots": ["left", "right"],
    }  # fmt: skip
    return Matcher(list(capacity), **(settings | more))


def job(gpus, team, rank=0, soft=True, value=10.0):
    """One record."""
    return {"gpus": gpus, "team": team, "rank": rank, "soft": soft, "value": value}


def running(world):
    """Where each running job is."""
    ids = world.ids
    slots = world.slot_of(ids).tolist()
    return {i: s for i, s in zip(ids, slots, strict=True) if s >= 0}


def kinds(m):
    """What happened to whom."""
    return dict(zip(m.changes["id"].tolist(), m.changes["kind"].tolist(), strict=True))


def test_a_gang_runs_whole_or_waits():
    """If this fails, half of a job starts and waits for the other half for ever."""
    world = cluster([3, 3])
    world.add([job(4, "a"), job(3, "a"), job(2, "b")], ids=[0, 1, 2])
    m = world.match()
    assert set(running(world)) == {1, 2}
    assert m.load.tolist() in ([3, 2], [2, 3])
    assert m.verify().valid
    assert world.explain(0).reason == "TooLarge"


def test_a_queue_takes_back_what_it_is_owed_and_no_more():
    """If this fails, who came first keeps what others were promised, or loses all of it."""
    world = cluster()
    world.add([job(1, "a", value=10 + k) for k in range(8)], ids=range(8))
    assert len(running(cluster_after(world))) == 8
    world.add([job(2, "b"), job(2, "b"), job(2, "b")], ids=[10, 11, 12])
    m = world.match()
    here = running(world)
    assert m.usage.tolist() == [4, 4] == m.share.tolist()
    assert {i for i in here if i < 8} == {4, 5, 6, 7}, "the least valuable made way"
    assert sum(kind == "EVICT" for kind in kinds(m).values()) == 4
    assert m.verify().valid
    waits = next(i for i in (10, 11, 12) if i not in here)
    assert world.explain(waits).reason == "Share"
    assert len(world.match().changes["id"]) == 0, "nothing moves when nothing changed"


def cluster_after(world):
    """The same after a round."""
    world.match()
    return world


def test_an_explanation_says_what_keeps_a_job_where_it_runs():
    """If this fails, "dearer by -91.7" is all that is said of a place that its queue is owed, and a
    pinned job is "pinned, or may not be preempted"."""
    world = cluster()
    world.add([job(1, "a", value=100 + k) for k in range(8)], ids=range(8))
    world.match()
    world.add([job(2, "b"), job(2, "b", soft=False)], ids=[10, 11])
    world.match()
    owed, fixed = world.explain(10), world.explain(11)
    assert "dearer by -" not in f"{owed}{fixed}"
    assert ", cheaper by " in owed.text, owed
    assert owed.reason == "Owed"
    assert "queue 'b' takes 4 slots, and is owed its share of 4 (guarantee 4)" in owed.text
    assert (fixed.reason, fixed.text.splitlines()[-1]) == (
        "Fixed",
        "It stays there: it may not be preempted.",
    )
    world.pin([10])
    assert world.explain(10).text.splitlines()[-1] == "It stays there: it is pinned."
    assert world.explain(7).reason == "Running"


def test_a_job_that_may_not_be_preempted_stays():
    """If this fails, a guarantee or a priority ends a job that was promised to run through."""
    world = cluster()
    world.add([job(4, "a", soft=False), job(4, "a", soft=False)], ids=[0, 1])
    world.match()
    world.add([job(4, "b", rank=9), job(4, "a", rank=9)], ids=[2, 3])
    m = world.match()
    assert set(running(world)) == {0, 1}
    assert len(m.changes["id"]) == 0
    assert m.verify().valid
    assert world.explain(0).reason == "Fixed"
    world.remove([0])
    world.match()
    assert set(running(world)) == {1, 2}, "b is owed it, whatever the rank of a's job"


def test_a_higher_priority_takes_the_fewest_and_cheapest_of_its_queue():
    """If this fails, more jobs are ended than the important one needs, or dearer ones."""
    world = cluster(queues=fair.Queues(name=["a", "b"], guarantee=[8, 0]))
    values = [3.0, 9.0, 9.0, 9.0]
    world.add([job(2, "a", value=v) for v in values], ids=range(4))
    world.match()
    world.add([job(2, "a", rank=1, value=5.0)], ids=[9])
    m = world.match()
    assert kinds(m) == {0: "EVICT", 9: "PLACE"}
    assert m.verify().valid


def test_nobody_is_sent_out_for_a_gang_that_cannot_start():
    """If this fails, jobs end and their slots stay empty: a wasted preemption."""
    world = cluster(queues=fair.Queues(name=["a", "b"], guarantee=[8, 0]))
    world.add([job(3, "a", soft=False), job(1, "a"), job(3, "a", soft=False), job(1, "a")])
    world.match()
    world.add([job(2, "a", rank=5)], ids=[9])
    m = world.match()
    assert len(m.changes["id"]) == 0
    assert 9 not in running(world)


def test_priorities_are_levels_and_do_not_drown_costs():
    """If this fails, priorities are big numbers that hide a difference of 1e-9 in cost."""
    table = np.array([[1.0, 1.0 + 1e-9]])
    world = cluster(cost=[(table, None, None)])
    world.add([job(1, "a", rank=2**62), job(1, "a", rank=-(2**62))], ids=[0, 1])
    m = world.match()
    assert running(world) == {0: 0, 1: 0}
    assert m.objective == pytest.approx(2.0, abs=1e-15)


def test_limits_hold_up_the_tree():
    """If this fails, teams of one division together take more than the division may."""
    queues = fair.Queues(
        name=["all", "a", "b"], limit=[5, 4, 4], parent=[None, "all", "all"], guarantee=[0, 0, 0]
    )
    world = cluster(queues=queues)
    world.add([job(1, "a", value=5) for _ in range(6)] + [job(1, "b", value=9) for _ in range(6)])
    m = world.match()
    assert m.usage[0] == 5
    assert (m.usage <= [5, 4, 4]).all()
    assert m.verify().valid
    waits = next(i for i in world.ids if i not in running(world))
    assert world.explain(waits).reason == "Limit"
    assert "'all'" in str(world.explain(waits)) or "'b'" in str(world.explain(waits))


def test_max_moves_counts_evictions():
    """If this fails, a round ends more jobs than the service allowed."""
    world = cluster(max_moves=1)
    world.add([job(1, "a") for _ in range(8)])
    world.match()
    world.add([job(1, "b") for _ in range(4)])
    for left in (3, 2, 1, 0):
        m = world.match()
        assert sum(kind != "PLACE" for kind in kinds(m).values()) == 1
        assert m.usage.tolist() == [4 + left, 4 - left]
    assert len(world.match().changes["id"]) == 0


def test_a_round_without_moves_left_is_no_false_answer():
    """If this fails, `verify` refutes a round that `max_moves` stopped, or the next forgets it."""
    world = cluster([4], cost=[(np.ones((1, 1)), None, None)], slots=None, max_moves=1)
    world.add([job(1, "a", rank=0) for _ in range(4)], ids=range(4))
    world.match()
    world.add([job(1, "a", rank=1) for _ in range(4)], ids=range(10, 14))
    for left in (3, 2, 1, 0):
        m = world.match()
        assert sum(i < 10 for i in running(world)) == left, "one a round makes way"
        assert (m.stats["moves_deferred"] > 0) == (left > 0)
        check = m.verify()
        assert check.valid, check.reasons
    assert m.stats["moves_deferred"] == 0


def test_gangs_without_queues_are_near_the_optimum_of_transport():
    """If this fails, the bound of a round is no bound, or its plan far from it."""
    r = np.random.default_rng(3)
    n, table, capacity = 400, r.uniform(0.5, 3, (6, 8)), r.integers(60, 120, 8)
    columns = {
        "family": r.integers(0, 6, n), "work": r.lognormal(0, 1, n), "value": r.lognormal(2, 1, n),
        "gpus": r.choice([1, 1, 2, 4, 8], n), "priority": np.zeros(n, int),
    }  # fmt: skip
    world = Matcher(
        capacity, cost=[(table, "family", "work")], unplaced="value", demand="gpus", move_cost=0.01
    )
    ids = world.add(columns)
    for _ in range(6):
        m = world.match()
        check = m.verify()
        assert check.valid, check.reasons
        assert check.bound_low >= m.bound * (1 - 1e-9)
        cost = table[columns["family"]] * columns["work"][:, None]
        plain = transport(
            cost, capacity, demand=columns["gpus"], unplaced=columns["value"], time_limit=0.2
        )
        assert m.bound <= plain.objective + 0.01 * n
        assert m.gap < 0.02, m.gap
        gone = r.choice(len(ids), 20, replace=False)
        new = {k: v[r.permutation(n)[:20]] for k, v in columns.items()}
        world.remove(ids[gone])
        ids = np.concatenate([np.delete(ids, gone), world.add(new)])
        columns = {k: np.concatenate([np.delete(v, gone), new[k]]) for k, v in columns.items()}


def test_answers_are_values():
    """If this fails, an answer changes or is lost when the world goes on, or cannot be stored."""
    world = cluster()
    world.add([job(2, "a"), job(1, "b")], ids=["x", "y"])
    first = world.match()
    stored = pickle.dumps(first)
    kept = copy.deepcopy(first)
    world.remove(["x"])
    world.add([job(4, "b", rank=3)], ids=["z"])
    world.update(["y"], [job(3, "a")])
    second = world.match()
    for m in (first, kept, pickle.loads(stored)):
        assert m.ids == ["x", "y"]
        assert m.verify().valid
        assert m.assignment.tolist() == first.assignment.tolist()
        assert m.changes["kind"].tolist() == ["PLACE", "PLACE"]
    assert sorted(second.ids) == ["y", "z"]
    table = first.changes.to_arrow()
    assert table["kind"].to_pylist() == ["PLACE", "PLACE"]
    assert str(table["kind"].type.index_type) == "int8"


def test_a_snapshot_keeps_queues_and_gangs(tmp_path):
    """If this fails, a service that restarts forgets who is owed what, or moves everybody."""
    world = cluster()
    world.add([job(2, "a", rank=1), job(1, "b", soft=False)], ids=[0, 1])
    world.match()
    world.snapshot(tmp_path / "world")
    again = Matcher.restore(tmp_path / "world")
    assert again.queues.name == ("a", "b")
    assert again.slots == ("left", "right")
    assert running(again) == running(world)
    assert len(again.match().changes["id"]) == 0
    assert again.explain(1).reason == "Fixed"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"queue": None}, "queue: found none"),
        ({"queues": None}, "queues: found none"),
        ({"slots": ["left"]}, "slots: found 1 names"),
        ({"slots": ["left", "left"]}, "is there twice"),
        ({"demand": 0}, "demand: found 0, needed 1"),
    ],
)
def test_arguments_are_refused_with_a_reason(more, message):
    """If this fails, a wrong argument is taken in silence."""
    with pytest.raises(InvalidProblemError, match=message):
        cluster(**more)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"gpus": 0}, r"gpus\[0\]: found 0, needed 1"),
        ({"team": "c"}, r"team\[0\]: found 'c', needed the name of a queue"),
    ],
)
def test_columns_are_refused_with_their_place(columns, message):
    """If this fails, a job of no queue or of no slots gets in."""
    world = cluster()
    with pytest.raises(InvalidProblemError, match=message):
        world.add([job(1, "a") | columns])
    with pytest.raises(TypeError, match="soft must be of dtype bool"):
        world.add([job(1, "a") | {"soft": 1}])
    assert len(world) == 0


def test_edges():
    """If this fails, a world of nothing ends the process."""
    empty = Matcher([], cost=[(np.ones((1, 0)), None, None)], unplaced=1.0, demand=2)
    assert empty.match().objective == 0
    empty.add([{}], ids=[0])
    assert empty.match().objective == 1.0
    world = cluster([0, 0])
    assert world.match().gap == 0.0
    world.add([job(2**31 - 1, "a")], ids=[7])
    assert world.match().assignment.tolist() == [-1]
    must = cluster([1, 1])
    must.add([job(2, "a", value=np.inf)], ids=["big"])
    m = must.match()
    assert m.status == "infeasible"
    assert m.witness_ids == ["big"]


def test_a_large_world_is_repaired_by_prices():
    """If this fails, a cluster of real size gets a wrong bound, or a plan far from it."""
    r = np.random.default_rng(4)
    n, n_slots = 60_000, 40
    table, capacity = r.uniform(0.5, 3, (6, n_slots)), r.integers(2_500, 4_500, n_slots)

    def jobs(n):
        return {
            "family": r.integers(0, 6, n), "work": r.lognormal(0, 1, n),
            "value": r.lognormal(2, 0.5, n), "gpus": r.choice([1, 1, 2, 4, 8], n),
        }  # fmt: skip

    world = Matcher(
        capacity, cost=[(table, "family", "work")], unplaced="value", demand="gpus", move_cost=0.01
    )
    ids = world.add(jobs(n))
    for turn in range(4):
        m = world.match()
        check = m.verify()
        assert check.valid, check.reasons
        assert m.gap < 5e-4, (turn, m.gap)
        assert (m.load <= capacity).all()
        assert len(world.match().changes["id"]) == 0
        gone = r.choice(len(ids), 600, replace=False)
        world.remove(ids[gone])
        ids = np.concatenate([np.delete(ids, gone), world.add(jobs(600))])
        if turn == 1:
            world.set_capacity([0, 1], [1_000, 6_000])
            capacity[:2] = 1_000, 6_000
        if turn == 2:
            table = table * r.uniform(0.9, 1.1, table.shape)
            world.set_table("family", table)


def test_rounds_leave_nothing_behind():
    """If this fails, a service that runs for months grows, or its sums drift."""
    r = np.random.default_rng(6)
    world = cluster([20, 30])
    live = []
    for turn in range(300):
        records = [
            job(int(r.integers(1, 5)), "ab"[int(r.integers(2))], int(r.integers(3)))
            for _ in range(r.integers(0, 6))
        ]
        live += world.add(records).tolist()
        gone = [live.pop(int(r.integers(len(live)))) for _ in range(len(live) // 12)]
        world.remove(gone)
        m = world.match()
        assert m.usage.sum() == m.load.sum()
        if turn % 50 == 49:
            assert m.verify().valid
            assert world._native.holds()
    assert len(world._history._kept[1]) <= 4, "records of answers that nobody has any more"
    del m
    world.remove(live)
    last = world.match()
    assert last.objective == 0.0
    assert world._size == 1024


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_same_for_any_number_of_threads(threads):
    """If this fails, two replicas of a service place the same jobs differently."""
    r = np.random.default_rng(8)
    table = r.uniform(0.5, 3, (4, 12))
    world = Matcher(
        r.integers(20, 60, 12), cost=[(table, "f", "x")], unplaced="v", demand="g", priority="p",
        threads=threads,
    )  # fmt: skip
    seen = []
    for _ in range(4):
        n = 150
        world.add(
            {
                "f": r.integers(0, 4, n), "x": r.lognormal(0, 1, n), "v": r.lognormal(2, 1, n),
                "g": r.choice([1, 2, 4], n), "p": r.integers(0, 3, n),
            }
        )  # fmt: skip
        m = world.match()
        seen.append((m.objective, m.bound, m.assignment.tolist()))
    assert seen == EXPECTED.setdefault("answers", seen)


EXPECTED = {}


def forged(m, **fields):
    """The same answer with other data of its jobs."""
    other = copy.copy(m)
    object.__setattr__(other, "_jobs", m._read._replace(**fields))
    object.__setattr__(other, "_question", None)
    return other


def test_a_job_that_may_not_be_preempted_is_part_of_a_proof():
    """If this fails, a true "infeasible" is called invalid, or a false one is believed."""
    flat = [([[1.0]], None, None)]
    world = Matcher([1], cost=flat, unplaced="u", demand="d", preemptible="e")
    world.add({"u": [7.0], "d": [1], "e": [False]})
    assert world.match().assignment.tolist() == [0]
    world.add({"u": [np.inf], "d": [1], "e": [True]})
    m = world.match()
    assert m.status == "infeasible"
    assert m.witness_ids == [0, 1]
    check = m.verify()
    assert check.valid, check.reasons
    # The same claims about a job that may be evicted, that waits, or that a closed class held.
    names = m._read.columns
    soft = forged(m, columns={**names, "preemptible": np.ones(2, np.uint8)})
    waits = forged(m, before=np.full(2, -1, np.int32))
    free = forged(m, fixed=np.zeros(2, bool))
    closed = forged(m)
    object.__setattr__(closed, "_world", m._world._replace(closed=np.zeros(1, np.int32)))
    for wrong in (soft, waits, free, closed):
        assert not wrong.verify().valid


def test_priorities_that_doubles_cannot_tell_apart_are_checked():
    """If this fails, `verify` passes a job that runs in the place of one 1 above it."""
    world = cluster([1], cost=[([[1.0]], None, None)], slots=None)
    world.add([job(1, "a", rank=2**62), job(1, "a", rank=2**62 + 1)], ids=[0, 1])
    m = world.match()
    assert m.assignment.tolist() == [-1, 0]
    assert m.verify().valid
    swapped = forged(m, assignment=np.array([0, -1], np.int32), held=m.held[::-1].copy())
    reasons = swapped.verify().reasons
    assert any(f"waits at priority {2**62 + 1}, and one of priority {2**62}" in r for r in reasons)


def test_a_round_that_admits_what_it_left_out_is_valid():
    """If this fails, `verify` refutes a round that a limit ended and that claims no placement."""
    world = cluster([2], cost=[([[1.0]], None, None)], slots=None)
    world.add([job(1, "a") for _ in range(2)])
    world.match()
    world.add([job(1, "b", value=np.inf)], ids=[9])
    m = world.match(work_limit=0)
    assert (m.status, m.objective) == ("time_limit", np.inf)
    check = m.verify()
    assert check.valid, check.reasons
    assert not check.feasible
    assert world.match().verify().feasible


def test_a_table_that_changed_before_a_round_without_an_answer_counts_after_it():
    """If this fails, a job stays in a class that a table forbade while no round was feasible."""
    table = np.ones((2, 2))
    world = Matcher([10, 0], cost=[(table, "k", None)], unplaced="u", demand="d", priority="p")
    ones = np.ones(10, int)
    world.add({"k": [1] + [0] * 9, "u": 9.0 * ones, "d": ones, "p": ones})
    assert world.match().load.tolist() == [10, 0]
    world.add({"k": [1], "u": [np.inf], "d": [11], "p": [1]}, ids=[70])
    table[1, 0] = np.inf
    world.set_table("k", table)
    m = world.match()
    assert (m.status, m.load.tolist()) == ("infeasible", [10, 0])
    world.remove([70])
    m = world.match()
    assert m.load.tolist() == [9, 0]
    assert m.verify().valid


def test_a_job_of_high_priority_whose_class_loses_its_slots_waits():
    """If this fails, the round is called infeasible though the job may be left unplaced."""
    world = Matcher(
        [4], cost=[(np.ones((1, 1)), None, None)], unplaced=9.0, demand="gpus", priority="rank"
    )
    world.add({"gpus": [4, 2], "rank": [1, 2]})
    assert world.match().assignment.tolist() == [-1, 0]
    world.set_capacity([0], [0])
    m = world.match()
    assert (m.status, m.assignment.tolist(), m.objective) == ("optimal", [-1, -1], 18.0)
    assert m.verify().valid, m.verify().reasons


def typed(capacity=(4, 4), **more):
    """A class of fast slots that cost 1 and one of slow slots that cost 2."""
    queues = fair.Queues(
        name=["a", "b"],
        guarantee_by_type={"fast": [0, 3]},
        limit_by_type={"fast": [2, None], "slow": None},
    )
    costs = np.array([[1.0, 2.0]])
    settings = {"slot_types": ["fast", "slow"], "queues": queues}
    return cluster(capacity, cost=[(costs, None, None)], **(settings | more))


def test_a_queue_keeps_its_limit_of_a_type():
    """If this fails, a tenant takes more of the scarce accelerators than it may."""
    world = typed()
    world.add([job(1, "a") for _ in range(7)], ids=range(7))
    m = world.match()
    assert m.usage_by_type is not None
    assert m.usage_by_type.tolist() == [[2, 0], [4, 0]], "two of four fast slots, and all slow ones"
    check = m.verify()
    assert check.valid, check.reasons
    assert check.bound_low <= m.objective == 2 * 1 + 4 * 2 + 10
    assert m.gap < 1e-2, "prices of limits by type are part of the bound"
    waits = next(i for i in range(7) if i not in running(world))
    world.set_capacity([1], [0])
    world.match()
    why = world.explain(waits)
    assert why.reason == "LimitOfType"
    assert "queue 'a' takes 2 slots of type 'fast', and its limit of that type is 2" in why.text
    assert world.queues is not None
    assert world.queues.types == ("fast", "slow")
    assert world.slot_types == ("fast", "slow")


def test_a_queue_takes_back_what_it_is_guaranteed_of_a_type():
    """If this fails, a guarantee of fast slots is served with slow ones, or not at all."""
    unlimited = fair.Queues(name=["a", "b"], guarantee_by_type={"fast": [0, 3], "slow": None})
    world = typed(queues=unlimited)
    world.add([job(1, "a", value=10 + k) for k in range(8)], ids=range(8))
    assert running(cluster_after(world)).keys() == set(range(8))
    world.add([job(1, "b") for _ in range(3)], ids=[10, 11, 12])
    m = world.match()
    here = running(world)
    assert [here[i] for i in (10, 11, 12)] == [0, 0, 0], "the fast ones"
    assert set(here) & set(range(8)) == {3, 4, 5, 6, 7}, "the least valuable made way"
    assert m.verify().valid
    # Others who would pay more for fast slots do not move them out: they hold what is theirs.
    world.add([job(1, "b") for _ in range(2)], ids=[20, 21])
    world.match()
    assert [running(world)[i] for i in (10, 11, 12)] == [0, 0, 0]
    assert len(world.match().changes["id"]) == 0, "nothing moves when nothing changed"


def test_limits_of_types_hold_up_the_tree_and_for_fixed_jobs():
    """If this fails, two teams together exceed their department, or a fixed job is sent out."""
    tree = fair.Queues(
        name=["top", "a", "b"], parent=[None, "top", "top"], limit_by_type={"fast": [3, 2, 2]}
    )
    world = typed([6, 0], queues=tree, slot_types=["fast", "fast"])
    world.add([job(1, team) for team in "aabb"], ids=range(4))
    m = world.match()
    assert m.usage_by_type is not None
    assert m.usage_by_type[0, 0] == 3
    # A job that may not be preempted grows beyond its queue's limit: it stays, and others go.
    keep = next(i for i, s in running(world).items() if s == 0)
    record = {name: [v] for name, v in job(3, "ab"[keep // 2], soft=False).items()}
    world.update([keep], record)
    m = world.match()
    assert running(world) == {keep: 0}
    check = m.verify()
    assert check.valid, check.reasons
    assert m.bound <= check.bound_high


def test_a_forged_answer_above_a_limit_of_a_type_is_refuted():
    """If this fails, the checker reads what the solver says instead of the placement."""
    world = typed()
    world.add([job(1, "a") for _ in range(6)])
    m = world.match()
    assert m.verify().valid
    slots = m.assignment.copy()
    slots[np.flatnonzero(slots == 1)[0]] = 0
    forged = copy.copy(m)
    vars(forged)["_jobs"] = m._read._replace(assignment=slots)
    vars(forged)["_question"] = None
    reasons = forged.verify().reasons
    assert any("3 slots of type 'fast', and its limit is 2" in reason for reason in reasons), (
        reasons
    )
    above = copy.copy(m)
    vars(above)["bound"] = m.objective + 1.0
    assert any("bound" in reason for reason in above.verify().reasons)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"slot_types": None}, "slot_types: found none, needed the type of each class"),
        ({"slot_types": ["fast"]}, "slot_types: found 1 types, needed 2"),
        ({"slot_types": ["fast", "fats"]}, "found 'fats', needed a type of the queues: 'fast'"),
        ({"queues": fair.Queues(name=["a", "b"])}, "found types, needed none"),
    ],
)
def test_types_are_refused_with_a_reason(more, message):
    """If this fails, a type that is misspelt has no limit, in silence."""
    with pytest.raises(InvalidProblemError) as caught:
        typed(**more)
    assert message in str(caught.value)
    for wrong in (5, b"fast", np.array(5)):
        with pytest.raises(TypeError, match="slot_types"):
            typed(slot_types=wrong)


def test_types_of_new_classes_and_of_snapshots(tmp_path):
    """If this fails, a class that is added counts for another type, or a restart forgets types."""
    world = typed()
    with pytest.raises(InvalidProblemError, match="types: found none"):
        world.add_slots([3], [np.array([[0.5]])])
    world.add_slots([3], [np.array([[0.5]])], types=["fast"])
    world.add([job(1, "a") for _ in range(4)] + [job(1, "b")])
    here = world.match()
    world.snapshot(tmp_path / "world")
    again = Matcher.restore(tmp_path / "world")
    assert again.slot_types == ("fast", "slow", "fast")
    assert again.queues is not None
    assert again.queues.limit_by_type.tolist() == world.queues.limit_by_type.tolist()
    assert again.queues.guarantee_by_type.tolist() == [[0, 3], [0, 0]]
    m = again.match()
    assert (m.assignment == here.assignment).all()
    assert m.usage_by_type.tolist() == [[2, 1], [2, 0]]
    assert pickle.loads(pickle.dumps(m)).verify().valid


def test_records_of_jobs_in_queues_fit_a_matcher_without_them(
    caplog,
):
    """If this fails, a column that is misspelt is ignored in silence: a gang takes one slot."""
    world = Matcher([4], cost=[(np.ones((1, 1)), None, None)], unplaced="value", demand="gpus")
    record = {"gpus": [2], "value": [9.0], "tenant": ["a"], "priority": [3], "preemptible": [True]}
    with caplog.at_level("INFO", logger="gridcompute"):
        world.add(record)
    assert "'tenant', 'priority', 'preemptible'" in caplog.text
    assert world.match().load.tolist() == [2]
    for name in ("demand", "gpu", "queue", "at"):
        with pytest.raises(InvalidProblemError, match=f"found '{name}', which is not asked for"):
            world.add(record | {name: [4]})
        with pytest.raises(InvalidProblemError, match="not asked for"):
            world.quote([{"gpus": 2, "value": 9.0, name: 4}])
    exact = Matcher([4], cost=[(np.ones((1, 1)), None, None)], unplaced="value")
    with pytest.raises(InvalidProblemError, match="found 'priority'"):
        exact.add({"value": [9.0], "priority": [3]})


def test_a_table_that_changed_before_a_snapshot_counts_after_it(tmp_path):
    """If this fails, a job stays in a class that a table forbade between a round and a snapshot."""
    world = Matcher(
        [0, 1],
        cost=[(np.array([[np.inf, 0.0], [np.inf, 0.0]]), "k", None)],
        unplaced="u",
        demand="w",
        preemptible="e",
        queues=fair.Queues(name=["all"], guarantee=[0], limit=[9]),
        queue="q",
    )
    world.add({"k": [1], "w": [1], "u": [1.0], "e": [False], "q": [0]})
    assert world.match().assignment.tolist() == [1]
    world.set_table("k", np.array([[np.inf, 0.0], [0.0, np.inf]]))
    world.snapshot(tmp_path / "world")
    m = Matcher.restore(tmp_path / "world").match()
    assert m.verify().valid, m.verify().reasons
    assert m.assignment.tolist() == [-1]
