"""What a pinned job does to a world whose classes lose their room."""

import numpy as np
import pytest

from gridcompute import InvalidProblemError, Matcher

COST = np.array([[1.0, 2.0, 6.0]])


def placed(n=3, **more):
    """A world of three classes with one slot each, full, all jobs alike but for their work."""
    world = Matcher([1, 1, 1], cost=[(COST, None, "w")], **({"unplaced": 50.0} | more))
    world.add({"w": np.arange(n, 0, -1.0)}, ids=[f"job {k}" for k in range(n)])
    world.match()
    return world


def where(world):
    m = world.match()
    assert m.verify().valid, m.verify()
    assert world._native.holds()
    return dict(zip(m.ids, m.assignment.tolist(), strict=True))


def test_a_pinned_job_without_room_blocks_nobody_else():
    """If this fails, one pinned job on a machine that is drained stops all placing."""
    world = placed(1)
    assert where(world) == {"job 0": 0}
    world.pin(["job 0"])
    world.set_capacity([0], [0])
    world.add({"w": [1.0, 1.0, 1.0]}, ids=["a", "b", "c"])
    m = world.match()
    place = dict(zip(m.ids, m.assignment.tolist(), strict=True))
    assert m.status == "optimal"
    assert place["job 0"] == 0
    assert sorted(place[i] for i in "abc") == [-1, 1, 2]
    assert (m.stats["slots_added_by_pins"], m.load.tolist()) == (1, [1, 1, 1])
    assert m.verify().valid
    assert m.objective == 1.0 + 2.0 + 6.0 + 50.0
    world.unpin(["job 0"])  # now it has to leave
    m = world.match()
    assert (m.stats["slots_added_by_pins"], int(m.load[0])) == (0, 0)
    assert m.verify().valid


@pytest.mark.parametrize("time_limit", [0.0, 1e-6, None])
def test_a_stopped_round_keeps_pinned_jobs_and_says_so_by_a_finite_objective(
    time_limit,
):
    """If this fails, a drained machine makes every stopped round look like a failed one."""
    world = placed(3)
    world.pin(world.ids)
    world.set_capacity([0, 1, 2], [0, 0, 0])
    m = world.match(time_limit=time_limit)
    assert np.isfinite(m.objective)
    assert sorted(m.assignment.tolist()) == [0, 1, 2]
    assert m.verify().valid
    assert m.stats["slots_added_by_pins"] == 3


def test_pins_count_as_room_through_every_change(tmp_path):
    """If this fails, the room of pinned jobs is lost or kept after they went."""
    world = placed(3)
    ids = world.ids
    world.pin(ids)
    world.pin(ids)  # twice is once
    world.set_capacity([0, 1], [0, 0])
    assert world.match().stats["slots_added_by_pins"] == 2
    world.snapshot(tmp_path / "world")
    again = Matcher.restore(tmp_path / "world")
    assert where(again) == where(world)
    assert again.match().stats["slots_added_by_pins"] == 2
    world.remove([i for i, s in where(world).items() if s == 0])
    assert world.match().stats["slots_added_by_pins"] == 1
    world.add({"w": [1.0]}, ids=["new"])
    assert where(world)["new"] == -1, "the slot of a pinned job that went is no slot"
    world.set_capacity([0, 1], [1, 1])
    assert world.match().stats["slots_added_by_pins"] == 0
    assert where(world)["new"] == 0


def test_a_closed_class_lifts_the_pins_of_its_jobs():
    """If this fails, a machine that died keeps its jobs, or stops all placing."""
    world = placed(3)
    before = where(world)
    world.pin(list(before))
    world.remove_slots([1])
    after = where(world)
    gone = next(i for i, s in before.items() if s == 1)
    assert after == before | {gone: -1}
    assert world.add_slots([1], [[[0.5]]]).tolist() == [3], "a number is never given twice"
    assert where(world) == before | {gone: 3}
    world.set_capacity([3], [0])
    assert where(world) == before | {gone: -1}, "the pin is gone for good"


def test_a_failed_call_leaves_pins_as_they_were(monkeypatch):
    """If this fails, an interrupted remove_slots unpins jobs of a class that is still there."""
    world = placed(3)
    before = where(world)
    world.pin(list(before))

    def interrupted(*_, **__):
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(world, "_sync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        world.remove_slots([1])
    world.set_capacity([0, 1, 2], [0, 0, 0])
    assert where(world) == before
    assert world.match().stats["slots_added_by_pins"] == 3


def test_the_number_of_a_closed_class_is_not_given_again():
    """If this fails, jobs of a machine that died run on another by its number, untold."""
    world = placed(3)
    before = where(world)
    world.remove_slots([1])
    assert world.add_slots([1], [[[0.5]]]).tolist() == [3]
    m = world.match()
    gone = next(i for i, s in before.items() if s == 1)
    moved = dict(zip(m.changes["id"], m.changes["to_slot"].tolist(), strict=True))
    assert moved[gone] != 1
    assert world.add_slots([1], [[[0.5]]]).tolist() == [4]
    assert world.match().verify().valid


def test_a_pin_on_a_class_that_is_forbidden_is_named():
    """If this fails, nobody learns which pin it is that no answer can keep."""
    world = placed(2)
    held = next(i for i, s in where(world).items() if s == 0)
    world.pin([held])
    world.set_table(0, [[np.inf, 2.0, 6.0]])
    m = world.match()
    assert (m.status, m.witness_ids) == ("infeasible", [held])
    assert m.verify().valid
    world.unpin([held])
    assert world.match().status == "optimal"


def test_a_pin_in_a_class_that_was_removed_survives_a_restart(tmp_path):
    """If this fails, a service that restarts moves a job that was pinned, without a word.

    Closing a class unpins its jobs; a pin that comes after that cannot be kept, and the round says
    so until the job is unpinned.
    """
    world = Matcher([1, 1], cost=[(np.zeros((1, 2)), "k", None)], unplaced=5.0)
    world.add({"k": [0]}, ids=["a"])
    assert world.match().assignment.tolist() == [0]
    world.remove_slots([0])
    world.pin(["a"])
    world.snapshot(tmp_path / "world")
    for again in (world, Matcher.restore(tmp_path / "world")):
        assert again.match().status == "infeasible"
        again.unpin(["a"])
        assert again.match().assignment.tolist() == [1]


def test_jobs_are_pinned_where_a_journal_says(tmp_path):
    """If this fails, a scheduler that restarts cannot tell where its jobs run, and moves them."""
    world = placed(3)
    world.pin(["job 2", "job 0"], [0, 1])
    assert world.slot_of(["job 0", "job 1", "job 2"]).tolist() == [1, 1, 0]
    m = world.match()
    assert m.verify().valid
    assert m.changes["id"].tolist() == ["job 1"]  # the one that lost its slot
    assert dict(zip(m.ids, m.assignment.tolist(), strict=True)) == {
        "job 0": 1,
        "job 1": 2,
        "job 2": 0,
    }
    world.pin(["job 1", "job 2"], [-1, -1])  # sent out by another hand
    assert world.slot_of(world.ids).tolist() == [1, -1, -1]
    m = world.match()
    assert sorted(
        zip(*(m.changes[k].tolist() for k in ("id", "from_slot", "to_slot")), strict=True)
    ) == [
        ("job 1", -1, 0),
        ("job 2", -1, 2),
    ]
    world.snapshot(tmp_path / "world")
    assert where(Matcher.restore(tmp_path / "world")) == where(world)


def test_a_wrong_place_for_a_pin_changes_nothing():
    """Each is refused by its place in the list; what is placed stays, told or not."""
    world = Matcher([1, 1, 0], cost=[(COST, None, "w")], unplaced=9.0, slots=["a", "b", "c"])
    world.add({"w": [1.0, 2.0]})
    old = world.match()
    world.remove_slots([2])
    for slots, words in (
        ([0], r"slots: found int64 of shape \(1,\), needed 2 classes or -1"),
        ([0.0, 1.0], "slots: found float64"),
        ([0, 3], r"slots\[1\]: found 3, needed an open class below 3, or -1"),
        (["a", "c"], r"slots\[1\]: found 2, needed an open class"),
        ([-2, 0], r"slots\[0\]: found -2"),
        (np.array([1, 2**64 - 1], np.uint64), r"slots\[1\]: found 18446744073709551615"),
        (["a", "z"], r"slots\[1\]: found 'z', needed the name of a class"),
    ):
        with pytest.raises(InvalidProblemError, match=words):
            world.pin([0, 1], slots)
        assert world.slot_of([0, 1]).tolist() == old.assignment.tolist()
        assert world._native.holds()
    with pytest.raises(InvalidProblemError, match="not placed"):
        Matcher.pin(world, world.add({"w": [1.0]}))
    world.pin([], [])
    world.pin([0, 1], ["b", "a"])
    assert world.slot_of([0, 1]).tolist() == [1, 0]
    assert old.assignment.tolist() == [1, 0] or old.assignment.tolist() == [0, 1]
    assert old.verify().valid  # it is of the round that gave it


@pytest.mark.parametrize("slots", [None, [1, -1, 0]])
def test_a_pin_that_is_interrupted_changes_nothing(monkeypatch, slots):
    """If this fails, Ctrl-C leaves jobs where they are not, or pins that nobody asked for."""
    world = placed(3)
    world.pin(["job 1"])
    before = where(world)

    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(world, "_commit", interrupt)
    with pytest.raises(KeyboardInterrupt):
        world.pin(["job 0", "job 1", "job 2"], slots)
    monkeypatch.undo()
    assert where(world) == before
    world.set_capacity([0, 1, 2], [0, 0, 0])
    assert [job for job, slot in where(world).items() if slot >= 0] == ["job 1"]


@pytest.mark.parametrize("gangs", [False, True])
def test_a_world_built_anew_from_its_placements_goes_on(gangs):
    """If this fails, where a job is placed is not all that a new process has to be told."""
    for seed in range(12):
        draw = np.random.default_rng(seed)
        more = {"demand": "g", "preemptible": "p"} if gangs else {}
        table = draw.random((1, 5)) + draw.random((6, 5))

        def made(room, table=table, more=more):
            cost = [(table, "f", "w")]
            return Matcher(room, cost=cost, unplaced="u", move_cost=0.125, **more)

        def jobs(n, draw=draw):
            own = {"f": draw.integers(0, 6, n), "w": draw.random(n) + 0.5, "u": draw.random(n) + 1}
            return own | ({"g": draw.integers(1, 5, n), "p": draw.random(n) < 0.3} if gangs else {})

        room = draw.integers(2, 9, 5)
        world, rows = made(room), jobs(40)
        world.add(rows)
        for _ in range(3):
            m = world.match()
        again = made(room)
        again.add(rows)
        again.pin(m.ids, m.assignment)
        again.unpin(again.ids)
        for k, late in enumerate((world, again)):
            found = late.match()
            assert found.verify().valid, (seed, k)
            assert late._native.holds()
            if not gangs:
                assert len(found.changes["id"]) == 0, (seed, k)
                assert found.objective == m.objective
            fixed = (m.assignment >= 0) & ~rows.get("p", np.ones(40, bool))
            assert (found.assignment == m.assignment)[fixed].all(), (seed, k)
