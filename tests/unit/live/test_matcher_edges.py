"""What strangers do to a live matcher at 3 a.m.: odd worlds and numbers, bad files, bad times."""

import os
import threading

import numpy as np
import pytest

from gridcompute import CostRangeError, InvalidProblemError, Matcher

FAR = 2**63 - 1


def small(**more):
    """Two classes of one slot, costs by work."""
    options = {"unplaced": 10.0} | more
    return Matcher([1, 1], cost=[([[1.0, 2.0]], None, "w")], **options)


def state(world):
    """All that a caller can see without changing it."""
    native = world._native
    jobs = native.live_jobs()
    return world.ids, native.placements(jobs).tolist(), world._capacity.tolist(), len(world)


def test_worlds_of_nothing_answer():
    """If this fails, a service that starts before its first job, or loses its last slot, dies."""
    world = small()
    m = world.match()
    assert (m.status, m.objective, m.assignment.tolist()) == ("optimal", 0.0, [])
    assert m.verify().valid
    slot, cost, price = world.quote({"w": [3.0]})
    assert (slot[0], cost[0], price[0]) == (0, 3.0, 0.0)
    assert [len(a) for a in world.quote({"w": []})] == [0, 0, 0]
    assert world.add({"w": []}).tolist() == []
    world.remove([])
    world.update([], {"w": []})
    world.add({"w": [3.0, 4.0, 5.0]})
    world.match()
    world.set_capacity([0, 1], [0, 0])
    m = world.match()
    assert m.changes["kind"].tolist() == ["EVICT", "EVICT"]
    assert (m.objective, m.verify().valid) == (30.0, True)
    assert world.quote({"w": [3.0]})[0].tolist() == [-1]
    world.remove_slots([0, 1])
    world.add({"w": [1.0]})
    assert world.match().assignment.tolist() == [-1] * 4
    world.remove(world.ids)
    assert world.match().objective == 0.0


def test_a_world_without_classes_leaves_all_out():
    """If this fails, a service whose last machine is not there yet cannot take jobs."""
    world = Matcher([], cost=[(np.zeros((1, 0)), None, "w")], unplaced=3.0)
    world.add({"w": [1.0, 2.0]})
    assert world.match().objective == 6.0
    world.add_slots([5], [np.ones((1, 1))])
    assert world.match().objective == 3.0


def test_a_full_world_quotes_at_the_prices_of_the_last_round():
    """If this fails, a quote is not the cheapest that prices tell, or not what it adds up to."""
    world = small()
    world.add({"w": [3.0, 5.0]})
    prices = world.match().prices
    slot, cost, price = world.quote({"w": [4.0, 100.0]})
    whole = np.array([1.0, 2.0]) * 4.0 + prices
    assert slot[0] == whole.argmin()
    assert (cost[0], price[0]) == (4.0 * (1 + slot[0]), prices[slot[0]])
    assert (slot[1], price[1], cost[1]) == (-1, 0.0, 10.0)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"w": [1.0, np.nan]}, "w"),
        ({"w": [1.0, np.inf]}, "w"),
        ({"w": [[1.0], [2.0]]}, "shape"),
        ({"x": [1.0, 2.0]}, "'w' is missing"),
        ({"w": [1.0, 1e308]}, ""),
    ],
)
def test_bad_columns_are_named_and_change_nothing(bad, words):
    """If this fails, one bad submission poisons the world, or nobody learns which it was."""
    world = small()
    ids = world.add({"w": [3.0, 5.0]})
    world.match()
    before = state(world)
    for call in (world.add, lambda c: world.update(ids, c), world.quote):
        with pytest.raises((InvalidProblemError, CostRangeError)) as caught:
            call(bad)
        assert words in str(caught.value)
        assert state(world) == before
    m = world.match()
    assert (m.unchanged, m.verify().valid) == (2, True)


def test_ids_of_any_int64_are_taken_and_given_again():
    """If this fails, an id at the ends of int64 is lost, or one that is free again is refused."""
    world = small()
    assert world.add({"w": [3.0, 5.0]}, ids=[FAR, -FAR - 1]).tolist() == [FAR, -FAR - 1]
    with pytest.raises(InvalidProblemError, match=str(FAR)):
        world.add({"w": [1.0]}, ids=[FAR])
    before = state(world)
    for ids in ([FAR + 1], [1.5], [True], [None], ["a"]):
        with pytest.raises((TypeError, OverflowError, InvalidProblemError)):
            world.add({"w": [1.0]}, ids=ids)
        assert state(world) == before
    assert world.add({"w": [1.0]}).tolist() == [0], "ids given by the world itself go on from 0"
    world.remove([0])
    world.match()
    world.remove([FAR])
    world.add({"w": [7.0]}, ids=[FAR])
    m = world.match()
    assert sorted(m.ids) == [-FAR - 1, FAR]
    assert m.verify().valid


def test_a_name_given_again_is_another_job():
    """If this fails, a job under an old name inherits its home, its pin or its columns."""
    world = small(move_cost=5.0)
    world.add({"w": [3.0, 5.0]}, ids=["a", "b"])
    world.match()
    world.pin(["a"])
    world.remove(["a"])
    world.add({"w": [0.5]}, ids=["a"])
    world.update(["b"], {"w": [50.0]})
    m = world.match()
    place = dict(zip(m.ids, m.assignment.tolist(), strict=True))
    kinds = dict(zip(m.changes["id"], m.changes["kind"], strict=True))
    assert place["a"] >= 0
    assert kinds["a"] == "PLACE"
    assert m.verify().valid


def test_capacities_at_the_end_of_int64_count_as_they_are():
    """If this fails, "as many as you like" overflows into no room at all."""
    world = Matcher([FAR, FAR], cost=[([[1.0, 2.0]], None, "w")], unplaced=10.0)
    world.add({"w": np.ones(100)})
    m = world.match()
    assert (m.objective, m.verify().valid) == (100.0, True)
    world.set_capacity([0], [0])
    world.set_capacity([0], [FAR])
    assert world.match().unchanged == 100
    with pytest.raises((InvalidProblemError, OverflowError, TypeError)):
        world.set_capacity([0], [2**63])
    with pytest.raises(InvalidProblemError):
        world.set_capacity([0], [-1])
    assert world.match().unchanged == 100


@pytest.mark.parametrize("slot", [-1, 2, 2**31])
def test_a_class_beyond_the_last_is_refused(slot):
    """If this fails, a number one too large reads and writes beside the arrays of the classes."""
    world = Matcher([3, 4], cost=[([[1.0, 2.0]], None, "w")], unplaced=10.0)
    for call in (world.remove_slots, lambda slots: world.set_capacity(slots, [1])):
        with pytest.raises(InvalidProblemError, match=rf"slots\[0\].*{slot}"):
            call([slot])
    world.add({"w": np.ones(9)})
    assert np.bincount(world.match().assignment + 1).tolist() == [2, 3, 4]


def test_any_byte_of_a_snapshot_is_missed(tmp_path):
    """If this fails, a snapshot with a flipped bit or a lost end comes back as another world."""
    world = small()
    world.add({"w": [3.0, 5.0, 6.0]}, ids=["a", "b", "ü"])
    world.match()
    path = tmp_path / "world"
    world.snapshot(path)
    whole = path.read_bytes()
    spots = sorted({*range(80), *range(80, len(whole), 97), len(whole) - 1})
    for spot in spots:
        path.write_bytes(whole[:spot] + bytes([whole[spot] ^ 1]) + whole[spot + 1 :])
        with pytest.raises(InvalidProblemError, match="world"):
            Matcher.restore(path)
        path.write_bytes(whole[:spot])
        with pytest.raises(InvalidProblemError, match="world"):
            Matcher.restore(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(InvalidProblemError, match="torn"):
        Matcher.restore(path)
    path.write_bytes(whole)
    again = Matcher.restore(path)
    assert state(again) == state(world)
    assert again.match().unchanged == 3


def test_one_huge_cost_makes_costs_coarse_for_as_long_as_it_lives():
    """If this fails, a slip of one job takes the proof from all later rounds."""
    r = np.random.default_rng(0)
    world = Matcher([40] * 10, cost=[(r.random((8, 10)), "k", None)], unplaced="u")
    world.add({"k": r.integers(0, 8, 500), "u": r.random(500) + 0.5})
    first = world.match()
    assert first.status == "optimal"
    slip = world.add({"k": [1], "u": [1e15]})
    for _ in range(3):
        assert world.match().status == "feasible"
        assert len(world.match().changes["id"]) == 0
        world.update([0], {"k": [2], "u": [1.0]})
    world.remove(slip)
    last = [world.match() for _ in range(17) if world.update([0], {"k": [2], "u": [1.0]}) is None]
    assert last[-1].status == "optimal"
    assert last[-1].verify().valid
    assert last[-1].stats["resolution"] == first.stats["resolution"]


def test_a_snapshot_that_cannot_be_written_leaves_the_last_one(tmp_path):
    """If this fails, a full disk takes the last good snapshot with it."""
    world = small()
    world.add({"w": [3.0]})
    world.snapshot(tmp_path / "world")
    before = (tmp_path / "world").read_bytes()
    with pytest.raises(OSError, match="nowhere"):
        world.snapshot(tmp_path / "nowhere" / "world")
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        world.snapshot(tmp_path / "taken")
    assert (tmp_path / "world").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["taken", "world"]
    with pytest.raises(FileNotFoundError):
        Matcher.restore(tmp_path / "gone")


def test_jobs_that_come_during_a_round_are_in_the_next():
    """If this fails, a submit beside a running round is lost, or breaks the round."""
    r = np.random.default_rng(3)
    world = Matcher([3000] * 20, cost=[(r.random((16, 20)), "k", "w")], unplaced=50.0)
    world.add({"k": r.integers(0, 16, 50_000), "w": r.random(50_000)})
    begun = threading.Event()
    came = []

    def submit():
        begun.wait()
        came.append(world.add({"k": [1, 2], "w": [0.5, 0.5]}))

    beside = threading.Thread(target=submit)
    beside.start()
    m = world.match(progress=lambda *_: begun.set())
    begun.set()
    beside.join()
    assert len(m.changes["id"]) == 50_000
    m = world.match()
    assert set(m.changes["id"][m.changes["kind"] == "PLACE"]) == set(came[0])
    assert m.verify().valid


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_has_a_world_of_its_own():
    """If this fails, a pre-forking server hangs in its first round."""
    r = np.random.default_rng(4)
    world = Matcher([60] * 20, cost=[(r.random((16, 20)), "k", None)], unplaced=5.0)
    world.add({"k": r.integers(0, 16, 1000)})
    world.match()
    child = os.fork()
    if child == 0:
        try:
            world.add({"k": [1]})
            m = world.match()
            os._exit(0 if m.verify().valid and 1000 in m.changes["id"] else 2)
        except BaseException:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert world.match().unchanged == 1000


def test_small_costs_count_beside_huge_ones():
    """If this fails, a unit that huge costs made coarse eats the small ones that jobs pay."""
    r = np.random.default_rng(0)
    small_or_huge = np.where(r.random((50, 8)) < 0.5, 1e12, 1e-6 * (1 + r.random((50, 8))))
    world = Matcher([200] * 8, cost=[(small_or_huge, "k", None)], unplaced=2e12)
    ids = world.add({"k": r.integers(0, 50, 1000)})
    for begin in range(0, 150, 50):
        m = world.match()
        found = m.verify()
        assert found.valid, found.reasons
        assert 1e-3 <= m.objective <= 2e-3
        world.remove(ids[begin : begin + 50])
        world.add({"k": r.integers(0, 50, 50)})
