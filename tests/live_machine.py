"""What the state machines of the Matcher share: jobs that leave, pins, classes, snapshots."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from gridcompute import Matcher

PICK = st.integers(0, 2**16)


class LiveWorld(RuleBasedStateMachine):
    """A test's own memory of jobs and classes, in plain dicts, beside the matcher's.

    A subclass makes `world` in its `begin`, calls `remember` there, and adds rules for jobs that
    come and change, for tables, and for rounds.
    """

    FORMULA: Any = None  # the kernel of the costs
    world: Any

    def remember(self, capacity):
        """Begin without jobs."""
        self.capacity = capacity
        self.closed = np.zeros(len(capacity), bool)
        self.live = {}
        self.home = {}
        self.pinned = set()

    def one(self, pick, among):
        """One of them."""
        return sorted(among)[pick % len(among)]

    def come(self, ids, jobs):
        """Jobs that were added."""
        self.live |= dict(zip([int(i) for i in ids], jobs, strict=True))

    # ------------------------------------------------------------ jobs

    @precondition(lambda self: self.live)
    @rule(pick=PICK)
    def remove(self, pick):
        gone = self.one(pick, self.live)
        self.world.remove([gone])
        del self.live[gone]
        self.home.pop(gone, None)
        self.pinned.discard(gone)

    @precondition(lambda self: self.home)
    @rule(pick=PICK)
    def pin(self, pick):
        fixed = self.one(pick, self.home)
        self.world.pin([fixed])
        self.pinned.add(fixed)

    @precondition(lambda self: self.pinned)
    @rule(pick=PICK)
    def unpin(self, pick):
        free = self.one(pick, self.pinned)
        self.world.unpin([free])
        self.pinned.remove(free)

    # ------------------------------------------------------------ classes

    @precondition(lambda self: not self.closed.all())
    @rule(pick=PICK, room=st.integers(0, 5))
    def set_capacity(self, pick, room):
        s = self.one(pick, np.flatnonzero(~self.closed))
        self.capacity[s] = room
        self.world.set_capacity([s], [room])

    @precondition(lambda self: not self.closed.all())
    @rule(pick=PICK)
    def remove_slots(self, pick):
        s = self.one(pick, np.flatnonzero(~self.closed))
        self.world.remove_slots([s])
        self.closed[s], self.capacity[s] = True, 0
        self.pinned -= {i for i in self.pinned if self.home[i] == s}

    def more_classes(self, where, room):
        """Classes that were added."""
        n = len(self.capacity)
        assert where.tolist() == list(range(n, n + len(where))), "a number that was given before"
        self.capacity = np.append(self.capacity, np.full(len(where), room))
        self.closed = np.append(self.closed, np.zeros(len(where), bool))

    # ------------------------------------------------------------ snapshots

    @rule()
    def restart(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "world"
            self.world.snapshot(path)
            self.world = Matcher.restore(path, kernel=self.FORMULA)

    # ------------------------------------------------------------ rounds

    def follow(self, m):
        """Check that the changes lead from where jobs were to where they are; return the latter."""
        here = dict(zip([int(i) for i in m.ids], m.assignment.tolist(), strict=True))
        assert here.keys() == self.live.keys()
        before = {i: self.home.get(i, -1) for i in here}
        told = zip(*(m.changes[c].tolist() for c in ("id", "from_slot", "to_slot")), strict=True)
        for i, old, new in told:
            assert before[i] == old != new
            before[i] = new
        assert before == here
        self.home = {i: s for i, s in here.items() if s >= 0}
        assert self.pinned <= set(self.home)
        return here


def machine(world, examples, steps):
    """Return the test case of a state machine."""
    case = world.TestCase
    case.settings = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    return case
