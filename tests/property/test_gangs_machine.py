"""The matcher of gangs, any calls in any order, against a slow model that knows the rules alone."""

from __future__ import annotations

import itertools
import pickle
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from gridcompute import Matcher, fair

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
PICK = st.integers(0, 2**16)
MOST_BY_HAND = 6  # jobs up to which all placements are tried


class GangWorld(RuleBasedStateMachine):
    """The test's own memory of jobs and classes, beside the matcher's.

    If it fails, some order of calls breaks a limit, ends a job that was promised to run, lets a job
    run in the place of a more important one, moves jobs for nothing, or claims a bound that some
    placement is below.
    """

    queues: Any = fair.Queues(
        name=["top", "a", "b"], parent=[None, "top", None], guarantee=[2, 1, 2], limit=[6, 4, None]
    )
    ranked = True

    @initialize(data=st.data(), n_slots=st.integers(1, 3))
    def begin(self, data: st.DataObject, n_slots: int) -> None:
        self.table = self.drawn(data, n_slots)
        self.capacity = np.array([data.draw(st.integers(0, 5)) for _ in range(n_slots)])
        self.closed = np.zeros(n_slots, bool)
        self.live: dict[int, dict[str, Any]] = {}
        self.home: dict[int, int] = {}
        self.pinned: set[int] = set()
        self.kept: list[Any] = []
        self.world = Matcher(
            self.capacity,
            cost=[(self.table, "k", None)],
            unplaced="u",
            move_cost="m",
            **self.more(),
        )

    def more(self) -> dict[str, Any]:
        return {
            "demand": "w", "queues": self.queues, "queue": "q", "priority": "p", "preemptible": "e",
        }  # fmt: skip

    @staticmethod
    def drawn(data: st.DataObject, n: int) -> Any:
        values = data.draw(st.lists(COSTS, min_size=KINDS * n, max_size=KINDS * n))
        return np.array(values).reshape(KINDS, n)

    def one(self, pick: int, among: Any) -> int:
        return sorted(among)[pick % len(among)]

    # ------------------------------------------------------------ calls

    @rule(jobs=st.lists(JOBS, max_size=4))
    def add(self, jobs: list[dict[str, Any]]) -> None:
        ids = [int(i) for i in self.world.add(jobs)]
        self.live |= dict(zip(ids, jobs, strict=True))

    @precondition(lambda self: self.live)
    @rule(pick=PICK)
    def remove(self, pick: int) -> None:
        gone = self.one(pick, self.live)
        self.world.remove([gone])
        del self.live[gone]
        self.home.pop(gone, None)
        self.pinned.discard(gone)

    @precondition(lambda self: self.live)
    @rule(pick=PICK, job=JOBS)
    def update(self, pick: int, job: dict[str, Any]) -> None:
        changed = self.one(pick, self.live)
        self.world.update([changed], {name: [v] for name, v in job.items()})
        self.live[changed] = job

    @precondition(lambda self: self.home)
    @rule(pick=PICK)
    def pin(self, pick: int) -> None:
        fixed = self.one(pick, self.home)
        self.world.pin([fixed])
        self.pinned.add(fixed)

    @precondition(lambda self: self.pinned)
    @rule(pick=PICK)
    def unpin(self, pick: int) -> None:
        free = self.one(pick, self.pinned)
        self.world.unpin([free])
        self.pinned.remove(free)

    @precondition(lambda self: not self.closed.all())
    @rule(pick=PICK, room=st.integers(0, 6))
    def set_capacity(self, pick: int, room: int) -> None:
        s = self.one(pick, np.flatnonzero(~self.closed))
        self.capacity[s] = room
        self.world.set_capacity([s], [room])

    @rule(data=st.data())
    def set_table(self, data: st.DataObject) -> None:
        self.table = self.drawn(data, len(self.capacity))
        self.world.set_table("k", self.table)

    @precondition(lambda self: len(self.capacity) < 4)
    @rule(data=st.data(), room=st.integers(0, 4))
    def add_slots(self, data: st.DataObject, room: int) -> None:
        more = self.drawn(data, 1)
        assert self.world.add_slots([room], [more]).tolist() == [len(self.capacity)]
        self.table = np.hstack([self.table, more])
        self.capacity = np.append(self.capacity, room)
        self.closed = np.append(self.closed, False)

    @precondition(lambda self: not self.closed.all())
    @rule(pick=PICK)
    def remove_slots(self, pick: int) -> None:
        s = self.one(pick, np.flatnonzero(~self.closed))
        self.world.remove_slots([s])
        self.closed[s], self.capacity[s] = True, 0
        self.pinned -= {i for i in self.pinned if self.home[i] == s}

    @rule()
    def restart(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "world"
            self.world.snapshot(path)
            self.world = Matcher.restore(path)

    # ------------------------------------------------------------ rounds

    def row(self, i: int) -> Any:
        """What the job pays in each class, without moves."""
        row = self.table[self.live[i]["k"]].copy()
        row[self.closed] = np.inf
        return row

    def fixed(self, i: int) -> bool:
        """Does the job stay where it is?"""
        if i not in self.home:
            return False
        return i in self.pinned or (
            not self.live[i]["e"] and np.isfinite(self.row(i)[self.home[i]])
        )

    def posed(self, i: int) -> Any:
        """What the job pays in each class, and waiting, the last."""
        row = np.append(self.row(i), self.live[i]["u"])
        if i in self.home:
            away = np.inf if self.fixed(i) else self.live[i]["m"]
            here = row[self.home[i]]
            row += away
            row[self.home[i]] = here
        return row

    @rule()
    def match(self) -> None:
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
        here = dict(zip(ids, m.assignment.tolist(), strict=True))
        self.follow(m, here)
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

    def follow(self, m: Any, here: dict[int, int]) -> None:
        """What is reported leads from where jobs were to where they are."""
        before = {i: self.home.get(i, -1) for i in here}
        told = zip(*(m.changes[c].tolist() for c in ("id", "from_slot", "to_slot")), strict=True)
        for i, old, new in told:
            assert before[i] == old != new
            before[i] = new
        assert before == here
        self.evicted = [i for i, s in here.items() if s < 0 and i in self.home]
        self.home = {i: s for i, s in here.items() if s >= 0}

    def usage(self, here: dict[int, int]) -> Any:
        out = np.zeros(3, int)
        for i, s in here.items():
            up = self.live[i]["q"] if s >= 0 else -1
            while up >= 0:
                out[up] += self.live[i]["w"]
                up = int(self.queues.above[up])
        return out

    def under_limits(self, here: dict[int, int], queue: int, more: int) -> bool:
        used, up = self.usage(here), queue
        while up >= 0:
            if used[up] + more > self.queues.limit[up]:
                return False
            up = int(self.queues.above[up])
        return True

    def check_rules(self, here: dict[int, int], fixed: set[int], room: Any) -> None:
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
            assert not (fits and self.under_limits(here, job["q"], job["w"])), f"{j} fits in {fits}"
            for k in (k for k, s in here.items() if s in wanted and k not in fixed):
                other = self.live[k]
                if self.ranked and other["q"] == job["q"] and other["p"] < job["p"]:
                    assert other["w"] < job["w"], f"{k} runs in the place of {j}"
        if self.ranked:
            used = self.usage(here)
            over = used > self.queues.limit
            assert not over.any() or fixed, f"{used} above the limits"

    def least(
        self,
        ids: list[int],
        rows: dict[int, Any],
        held: dict[int, bool],
        room: Any,
        fixed: set[int],
    ) -> float:
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
            if self.ranked and not fixed and (self.usage(here) > self.queues.limit).any():
                continue
            best = min(best, sum(rows[i][s] for i, s in zip(ids, places, strict=True)))
        return best


class PlainGangs(GangWorld):
    """The same without queues and priorities: costs alone decide."""

    ranked = False

    def more(self) -> dict[str, Any]:
        return {"demand": "w", "preemptible": "e"}

    def under_limits(self, here: dict[int, int], queue: int, more: int) -> bool:
        return True


class RankedGangs(GangWorld):
    """The same with priorities in one queue."""

    queues: Any = fair.Queues(name=["one", "two", "three"])

    def more(self) -> dict[str, Any]:
        return {"demand": "w", "priority": "p", "preemptible": "e"}

    def follow(self, m: Any, here: dict[int, int]) -> None:
        super().follow(m, here)

    @rule(jobs=st.lists(JOBS, max_size=4))
    def add(self, jobs: list[dict[str, Any]]) -> None:
        super().add([job | {"q": 0} for job in jobs])

    @precondition(lambda self: self.live)
    @rule(pick=PICK, job=JOBS)
    def update(self, pick: int, job: dict[str, Any]) -> None:
        super().update(pick, job | {"q": 0})


def machine(world: type[GangWorld], examples: int) -> Any:
    """Its test case."""
    case: Any = world.TestCase
    case.settings = settings(
        max_examples=examples,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    return case


TestGangWorld = machine(GangWorld, 60)
TestPlainGangs = machine(PlainGangs, 30)
TestRankedGangs = machine(RankedGangs, 30)
