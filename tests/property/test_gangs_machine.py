"""The matcher of gangs, any calls in any order, against a slow model that knows the rules alone."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from effort import examples
from gridcompute import Matcher, fair
from live_machine import PICK, LiveWorld, machine

KINDS = 2  # rows of the table
COSTS = st.one_of(st.integers(0, 6).map(float), st.floats(0, 6, width=16), st.just(np.inf))
JOBS = st.fixed_dictionaries(
    {
        "k": st.integers(0, KINDS - 1),
        "w": st.integers(1, 4),
        "u": st.one_of(st.integers(0, 12).map(float), st.floats(0, 12, width=16)),
        "m": st.sampled_from([0.0, 0.0, 1.0]),
        "q": st.integers(0, 2),
        "p": st.integers(-1, 1),
        "e": st.booleans(),
    }
)
MOST_BY_HAND = 6  # jobs up to which all placements are tried


class GangWorld(LiveWorld):
    """Gangs in a tree of queues.

    If it fails, some order of calls breaks a limit, ends a job that was promised to run, lets a job
    run in the place of a more important one, moves jobs for nothing, or claims a bound that some
    placement is below.
    """

    queues: Any = fair.Queues(
        name=["top", "a", "b"], parent=[None, "top", None], guarantee=[2, 1, 2], limit=[6, 4, None]
    )
    ranked = True
    columns: tuple[str, ...] = tuple("kwumqpe")  # of jobs that the matcher is given

    @initialize(data=st.data(), n_slots=st.integers(1, 3))
    def begin(self, data, n_slots):
        self.table = self.drawn(data, n_slots)
        self.remember(np.array([data.draw(st.integers(0, 5)) for _ in range(n_slots)]))
        self.kept = []
        self.world = Matcher(
            self.capacity,
            cost=[(self.table, "k", None)],
            unplaced="u",
            move_cost="m",
            **self.more(),
        )

    def more(self):
        return {
            "demand": "w", "queues": self.queues, "queue": "q", "priority": "p", "preemptible": "e",
        }  # fmt: skip

    def more_type(self):
        """What a new class needs beside its costs."""
        return {}

    @staticmethod
    def drawn(data, n):
        values = data.draw(st.lists(COSTS, min_size=KINDS * n, max_size=KINDS * n))
        return np.array(values).reshape(KINDS, n)

    # ------------------------------------------------------------ calls

    @rule(jobs=st.lists(JOBS, max_size=4))
    def add(self, jobs):
        given = [{name: job[name] for name in self.columns} for job in jobs]
        self.come(self.world.add(given), jobs)

    @precondition(lambda self: self.live)
    @rule(pick=PICK, job=JOBS)
    def update(self, pick, job):
        changed = self.one(pick, self.live)
        self.world.update([changed], {name: [job[name]] for name in self.columns})
        self.live[changed] = job

    @rule(data=st.data())
    def set_table(self, data):
        self.table = self.drawn(data, len(self.capacity))
        self.world.set_table("k", self.table)

    @precondition(lambda self: len(self.capacity) < 4)
    @rule(data=st.data(), room=st.integers(0, 4))
    def add_slots(self, data, room):
        more = self.drawn(data, 1)
        self.more_classes(self.world.add_slots([room], [more], **self.more_type()), room)
        self.table = np.hstack([self.table, more])

    # ------------------------------------------------------------ rounds

    def row(self, i):
        """What the job pays in each class, without moves."""
        row = self.table[self.live[i]["k"]].copy()
        row[self.closed] = np.inf
        return row

    def fixed(self, i):
        """Does the job stay where it is?"""
        if i not in self.home:
            return False
        return i in self.pinned or (
            not self.live[i]["e"] and np.isfinite(self.row(i)[self.home[i]])
        )

    def posed(self, i):
        """What the job pays in each class, and waiting, the last."""
        row = np.append(self.row(i), self.live[i]["u"])
        if i in self.home:
            away = np.inf if self.fixed(i) else self.live[i]["m"]
            here = row[self.home[i]]
            row += away
            row[self.home[i]] = here
        return row

    @rule()
    def match(self):
        fixed = {i for i in self.live if self.fixed(i)}
        rows = {i: self.posed(i) for i in self.live}
        pins = np.zeros(len(self.capacity), int)
        for i in fixed:
            pins[self.home[i]] += self.live[i]["w"]
        room = np.maximum(self.capacity, pins)
        m = self.world.match()
        assert self.world._native.holds()
        if m.status == "infeasible":  # a pin on a class that is forbidden
            assert any(np.isinf(rows[i]).all() for i in self.live)
            assert len(m.changes["id"]) == 0
            return
        ids = [int(i) for i in m.ids]
        assert sorted(ids) == sorted(self.live)
        check = m.verify()
        assert check.valid, check.reasons
        here = self.follow(m)
        self.check_rules(here, fixed, room)
        paid = sum(rows[i][here[i]] for i in ids)
        assert abs(m.objective - paid) <= 1e-9 * max(1, abs(paid))
        assert m.bound <= m.objective
        if len(ids) <= MOST_BY_HAND:
            held = dict(zip(ids, m.held.tolist(), strict=True))
            least = self.least(ids, rows, held, room, fixed)
            assert m.bound <= least + 1e-9 * max(1, abs(least)), f"{m.bound} above {least}"
        self.kept.append((m, here, pickle.dumps(m)))
        for old, places, stored in self.kept[-3:]:
            for answer in (old, pickle.loads(stored)):
                assert dict(zip(answer.ids, answer.assignment.tolist(), strict=True)) == places
        again = self.world.match()
        assert len(again.changes["id"]) == 0, "an unchanged world moves nothing"
        assert again.verify().valid

    def usage(self, here):
        out = np.zeros(3, int)
        for i, s in here.items():
            up = self.live[i]["q"] if s >= 0 else -1
            while up >= 0:
                out[up] += self.live[i]["w"]
                up = int(self.queues.above[up])
        return out

    def under_limits(self, here, queue, more, _slot):
        """Could the queue, and those above it, take more slots of this class?"""
        used, up = self.usage(here), queue
        while up >= 0:
            if used[up] + more > self.queues.limit[up]:
                return False
            up = int(self.queues.above[up])
        return True

    def check_rules(self, here, fixed, room):
        left = room.copy()
        for i, s in here.items():
            if s >= 0:
                left[s] -= self.live[i]["w"]
                assert np.isfinite(self.row(i)[s]) or i in self.pinned
        assert (left >= 0).all(), f"a class holds more than it has: {left}"
        for i in fixed:
            assert here[i] == self.home[i], "a job that may not be preempted was"
        waiting = [i for i, s in here.items() if s < 0]
        for j in waiting:
            job, row = self.live[j], self.posed(j)
            wanted = np.flatnonzero(row[:-1] < row[-1])
            fits = [s for s in wanted if left[s] >= job["w"]]
            fits = [s for s in fits if self.under_limits(here, job["q"], job["w"], s)]
            assert not fits, f"{j} fits in {fits}"
            for k in (k for k, s in here.items() if s in wanted and k not in fixed):
                other = self.live[k]
                if self.ranked and other["q"] == job["q"] and other["p"] < job["p"]:
                    assert other["w"] < job["w"], f"{k} runs in the place of {j}"
        assert self.keeps_limits(here, fixed), f"{self.usage(here)} above the limits"

    def keeps_limits(self, here, fixed):
        """Is no queue above a limit, by more than fixed jobs?"""
        least = self.usage({i: s for i, s in here.items() if i in fixed})
        most = np.maximum(self.queues.limit, least)
        return not self.ranked or bool((self.usage(here) <= most).all())

    def least(
        self,
        ids,
        rows,
        held,
        room,
        fixed,
    ):
        """The least cost of all placements in which the held jobs run, by trying all."""
        best = np.inf
        n = len(room)
        choices = [
            [s for s in range(n + 1) if np.isfinite(rows[i][s]) and not (held[i] and s == n)]
            for i in ids
        ]
        for places in itertools.product(*choices):
            load = np.zeros(n + 1, int)
            for i, s in zip(ids, places, strict=True):
                load[s] += self.live[i]["w"]
            if (load[:-1] > room).any():
                continue
            here = {i: -1 if s == n else s for i, s in zip(ids, places, strict=True)}
            if not self.keeps_limits(here, fixed):
                continue
            best = min(best, sum(rows[i][s] for i, s in zip(ids, places, strict=True)))
        return best


class TypedGangs(GangWorld):
    """The same where queues have limits and guarantees by type of class as well."""

    queues: Any = fair.Queues(
        name=["top", "a", "b"],
        parent=[None, "top", None],
        guarantee=[2, 1, 2],
        limit=[8, 6, None],
        guarantee_by_type={"fast": [1, 2, 2]},
        limit_by_type={"fast": [5, 4, 3], "slow": [None, 2, 3]},
    )
    types = ("fast", "slow", "fast", "slow")  # of the classes, as far as there are any

    def more(self):
        return super().more() | {"slot_types": self.types[: len(self.capacity)]}

    def more_type(self):
        return {"types": [self.types[len(self.capacity)]]}

    def by_type(self, here):
        """What queues hold of each type."""
        return [
            self.usage({i: s if s >= 0 and self.types[s] == name else -1 for i, s in here.items()})
            for name in self.queues.types
        ]

    def keeps_limits(self, here, fixed):
        least = self.by_type({i: s for i, s in here.items() if i in fixed})
        most = np.maximum(self.queues.limit_by_type, least)
        return super().keeps_limits(here, fixed) and bool((self.by_type(here) <= most).all())

    def under_limits(self, here, queue, more, slot):
        kind = self.queues.types.index(self.types[slot])
        used, up = self.by_type(here)[kind], queue
        while up >= 0:
            if used[up] + more > self.queues.limit_by_type[kind, up]:
                return False
            up = int(self.queues.above[up])
        return super().under_limits(here, queue, more, slot)


class PlainGangs(GangWorld):
    """The same without queues and priorities: costs alone decide."""

    ranked = False
    columns = tuple("kwume")

    def more(self):
        return {"demand": "w", "preemptible": "e"}

    def under_limits(self, here, queue, more, _slot):
        return True


class RankedGangs(GangWorld):
    """The same with priorities in one queue."""

    queues: Any = fair.Queues(name=["one", "two", "three"])
    columns = tuple("kwumpe")

    def more(self):
        return {"demand": "w", "priority": "p", "preemptible": "e"}

    @rule(jobs=st.lists(JOBS, max_size=4))
    def add(self, jobs):
        super().add([job | {"q": 0} for job in jobs])

    @precondition(lambda self: self.live)
    @rule(pick=PICK, job=JOBS)
    def update(self, pick, job):
        super().update(pick, job | {"q": 0})


TestGangWorld = machine(GangWorld, examples(20, 200), 20)
TestTypedGangs = machine(TypedGangs, examples(20, 200), 20)
TestPlainGangs = machine(PlainGangs, examples(20, 100), 20)
TestRankedGangs = machine(RankedGangs, examples(20, 100), 20)
