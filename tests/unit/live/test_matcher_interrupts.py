"""Ctrl-C at any place of a call of a `Matcher`: it has changed nothing, or everything.

GRIDCOMPUTE_INTERRUPTS is the number of places for each call; 1000000 is every bytecode.
"""

from __future__ import annotations

import os
import threading
from typing import Any, NamedTuple

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import _snapshot, fair
from gridcompute.live import snapshot
from interrupts import places

MOST = int(os.environ.get("GRIDCOMPUTE_INTERRUPTS", "25"))
RETURNS = (gc.Matcher.match.__code__,)


class World(NamedTuple):
    """A Matcher with jobs, and the answer of its first round, which nobody has read."""

    matcher: gc.Matcher
    first: Any


def rows(seed, n, n_slots):
    """Columns of jobs without ties."""
    r = np.random.default_rng(seed)
    return {"row": r.uniform(1, 9, (n, n_slots))}


def plain():
    """Costs by rows, moves that cost, and ids that are chosen."""
    matcher = gc.Matcher([3, 2, 4], cost="row", unplaced=7.5, move_cost=0.25)
    matcher.add(rows(0, 12, 3))
    first = matcher.match()
    matcher.remove([2, 5])
    matcher.update([0, 1, 3, 7], rows(1, 4, 3))
    matcher.pin([int(matcher.ids[np.argmax(matcher.slot_of(matcher.ids) >= 0)])])
    return World(matcher, first)


def terms():
    """Costs by terms of jobs whose ids are text."""
    table = np.random.default_rng(2).uniform(1, 9, (2, 3))
    matcher = gc.Matcher([2, 2, 2], cost=[(table, "kind", "work")], unplaced="leave", max_moves=2)
    matcher.add(
        {"kind": [0, 1, 0, 1, 0], "work": [1.0, 2, 3, 4, 5], "leave": [9.0] * 5}, list("abcde")
    )
    first = matcher.match()
    matcher.update(["b", "d"], {"kind": [0, 0], "work": [2.5, 0.5], "leave": [8.0, 9.0]})
    return World(matcher, first)


def gangs():
    """Gangs in queues, some of which may not be preempted."""
    queues = fair.Queues(name=["all", "a", "b"], parent=[None, "all", "all"], limit=[8, 5, 6])
    matcher = gc.Matcher(
        [4, 4], cost="row", unplaced=9.5, demand="n", queues=queues, queue="q",
        priority="p", preemptible="e", move_cost=0.25,
    )  # fmt: skip
    names = {"n": [1, 2, 3, 1], "q": ["a", "b", "a", "b"], "p": [0, 1, 0, 2]}
    matcher.add({**rows(3, 4, 2), **names, "e": [False, True, True, True]})
    first = matcher.match()
    matcher.update([1], {**rows(4, 1, 2), "n": [2], "q": ["a"], "p": [3], "e": [True]})
    matcher.add({**rows(5, 2, 2), "n": [2, 1], "q": ["a", "b"], "p": [5, 0], "e": [False] * 2})
    return World(matcher, first)


def some_gangs():
    return {**rows(6, 2, 2), "n": [1, 2], "q": ["b", "a"], "p": [1, 1], "e": [True, False]}


CALLS = {
    "add": (plain, lambda w: w.add(rows(7, 3, 3))),
    "add larger costs": (plain, lambda w: w.add({"row": rows(7, 2, 3)["row"] * 1e4})),
    "add more than there is room for": (plain, lambda w: w.add(rows(8, 1100, 3))),
    "add ids": (plain, lambda w: w.add(rows(7, 2, 3), ids=[99, 2])),
    "add text": (
        terms,
        lambda w: w.add({"kind": [1, 0], "work": [1.5, 2.5], "leave": [9.0, 9.0]}, ["x", "y"]),
    ),
    "add gangs": (gangs, lambda w: w.add(some_gangs())),
    "remove": (plain, lambda w: w.remove([1, 4, 6])),
    "remove text": (terms, lambda w: w.remove(["a", "e"])),
    "remove gangs": (gangs, lambda w: w.remove([0, 2])),
    "update": (plain, lambda w: w.update([1, 4], rows(9, 2, 3))),
    "update to larger costs": (
        plain,
        lambda w: w.update([1, 4], {"row": rows(9, 2, 3)["row"] * 1e4}),
    ),
    "update gangs": (
        gangs,
        lambda w: w.update([0, 1], {**some_gangs(), "n": [2, 1]}),
    ),
    "pin": (plain, lambda w: w.pin([i for i in w.ids if w.slot_of(i) >= 0][2:4])),
    "unpin": (plain, lambda w: w.unpin(w.ids[:3])),
    "set_capacity": (plain, lambda w: w.set_capacity([0, 2], [1, 5])),
    "set_capacity of gangs": (gangs, lambda w: w.set_capacity([0], [2])),
    "set_table": (
        terms,
        lambda w: w.set_table(0, np.random.default_rng(10).uniform(1, 90, (2, 3))),
    ),
    "add_slots": (plain, lambda w: w.add_slots([2, 1], [rows(11, len(w), 2)["row"]])),
    "remove_slots": (plain, lambda w: w.remove_slots([0])),
    "quote": (plain, lambda w: w.quote(rows(12, 2, 3))),
    "explain": (gangs, lambda w: str(w.explain(1))),
}


def check_free(matcher, where):
    """Check that another thread may use the matcher."""
    thread = threading.Thread(target=lambda: matcher.capacity, daemon=True)
    thread.start()
    thread.join(timeout=60)
    assert not thread.is_alive(), where


def stored(matcher):
    """All that a snapshot of the matcher would hold."""
    found = {}

    def keep(path, kind, meta, arrays):
        found.update({**meta, **{name: np.array(a).tolist() for name, a in arrays.items()}})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_snapshot, "write", keep)
        snapshot.save(matcher, "")
    return found


def following(world):
    """What comes after the call: the answers of two rounds and of the first one, and the state."""
    out = []
    matcher = world.matcher
    for seed in (20, 21):
        m = matcher.match()
        assert m.verify().valid, m.verify().reasons
        changes = {name: np.array(values).tolist() for name, values in m.changes.items()}
        out += [m.objective, changes, m.unchanged, m.ids, m.assignment.tolist()]
        if matcher._rules is None and "row" in matcher._costs.needed:
            out.append(matcher.add(rows(seed, 3, matcher._n_slots)).tolist())
            matcher.update(matcher.ids[:2], rows(seed + 9, 2, matcher._n_slots))
    assert world.first.verify().valid
    assert matcher._native.holds()
    out += [world.first.ids, world.first.assignment.tolist(), stored(matcher)]
    return out


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_is_interrupted_has_changed_nothing_or_everything(
    name,
):
    """It left a lock that nobody would free, ids that nobody had, or classes that were closed."""
    make, call = CALLS[name]
    before, after = make(), make()
    call(after.matcher)
    states = [stored(before.matcher), stored(after.matcher)]
    futures = [following(before), following(after)]
    for world, where in places(make, lambda w: call(w.matcher), MOST):
        check_free(world.matcher, where)
        state = stored(world.matcher)
        assert state in states, where
        assert following(world) in futures, (where, states.index(state))


@pytest.mark.parametrize("make", [plain, terms, gangs])
def test_changes_of_a_round_that_was_interrupted_come_with_the_next_one(
    make,
):
    """A round that the core had ended was told to nobody, or made the next answer a wrong one."""
    twin = make().matcher
    once, twice = twin.match(), twin.match()
    assert len(once.changes["id"])
    for world, where in places(make, lambda w: w.matcher.match(), MOST, RETURNS):
        check_free(world.matcher, where)
        m = world.matcher.match()
        assert m.verify().valid, (where, m.verify().reasons)
        for column, values in once.changes.items():
            assert np.array_equal(m.changes[column], values), (where, m.changes, once.changes)
        assert m.objective in (once.objective, twice.objective), where
        assert np.array_equal(m.assignment, once.assignment), where
        assert not len(world.matcher.match().changes["id"]), where
        assert world.first.verify().valid, where


def test_an_answer_that_was_read_under_an_interrupt_can_be_read_again():
    """Reading takes the lock of the matcher too."""
    expected = plain().first
    for world, where in places(plain, lambda w: w.first.verify(), MOST):
        check_free(world.matcher, where)
        assert world.first.verify().valid, where
        assert np.array_equal(world.first.assignment, expected.assignment), where
        assert world.matcher.match().verify().valid, where


@pytest.mark.filterwarnings("ignore:.*FileIO")  # closed by an interrupt before it has a name
def test_a_snapshot_that_is_interrupted_is_whole_or_the_old_one(tmp_path):
    """And nothing is left beside it."""
    path = tmp_path / "file"

    def make():
        world = plain()
        world.matcher.snapshot(path)
        world.matcher.match()
        return world

    for world, where in places(make, lambda w: w.matcher.snapshot(path), MOST):
        restored = gc.Matcher.restore(path)
        assert restored.ids == world.matcher.ids, where
        assert [p.name for p in tmp_path.iterdir()] == ["file"], where


def test_a_snapshot_after_an_interrupted_round_keeps_what_nobody_was_told(tmp_path):
    """A service saves its state on Ctrl-C; restored, it has to hear where its jobs go."""
    expected = plain().matcher.match()
    for world, where in places(plain, lambda w: w.matcher.match(), MOST, RETURNS):
        world.matcher.snapshot(tmp_path / "file")
        m = gc.Matcher.restore(tmp_path / "file").match()
        assert np.array_equal(m.changes["id"], expected.changes["id"]), where
        assert np.array_equal(m.changes["to_slot"], expected.changes["to_slot"]), where
