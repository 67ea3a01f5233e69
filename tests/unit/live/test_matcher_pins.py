"""What a pinned job does to a world whose classes lose their room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gridcompute import Matcher

if TYPE_CHECKING:
    from pathlib import Path

COST = np.array([[1.0, 2.0, 6.0]])


def placed(n: int = 3, **more: Any) -> Matcher:
    """A world of three classes with one slot each, full, all jobs alike but for their work."""
    world = Matcher([1, 1, 1], cost=[(COST, None, "w")], **({"unplaced": 50.0} | more))
    world.add({"w": np.arange(n, 0, -1.0)}, ids=[f"job {k}" for k in range(n)])
    world.match()
    return world


def where(world: Matcher) -> dict[str, int]:
    m = world.match()
    assert m.verify().valid, m.verify()
    assert world._native.holds()
    return dict(zip(m.ids, m.assignment.tolist(), strict=True))


def test_a_pinned_job_without_room_blocks_nobody_else() -> None:
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
    time_limit: float | None,
) -> None:
    """If this fails, a drained machine makes every stopped round look like a failed one."""
    world = placed(3)
    world.pin(world.ids)
    world.set_capacity([0, 1, 2], [0, 0, 0])
    m = world.match(time_limit=time_limit)
    assert np.isfinite(m.objective)
    assert sorted(m.assignment.tolist()) == [0, 1, 2]
    assert m.verify().valid
    assert m.stats["slots_added_by_pins"] == 3


def test_pins_count_as_room_through_every_change(tmp_path: Path) -> None:
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


def test_a_closed_class_lifts_the_pins_of_its_jobs() -> None:
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


def test_a_failed_call_leaves_pins_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, an interrupted remove_slots unpins jobs of a class that is still there."""
    world = placed(3)
    before = where(world)
    world.pin(list(before))

    def interrupted(*_: Any, **__: Any) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(world, "_sync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        world.remove_slots([1])
    world.set_capacity([0, 1, 2], [0, 0, 0])
    assert where(world) == before
    assert world.match().stats["slots_added_by_pins"] == 3


def test_the_number_of_a_closed_class_is_not_given_again() -> None:
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


def test_a_pin_on_a_class_that_is_forbidden_is_named() -> None:
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


def test_a_pin_in_a_class_that_was_removed_survives_a_restart(tmp_path: Path) -> None:
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
