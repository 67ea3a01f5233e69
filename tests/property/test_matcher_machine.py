"""All operations of the live matcher, in any order, against plain transport on the same world."""

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from effort import examples
from gridcompute import Matcher, kernel, transport
from live_machine import PICK, LiveWorld, machine

KINDS = 3  # rows of the keyed table
COSTS = st.one_of(st.integers(0, 6).map(float), st.floats(0, 6, width=16), st.just(np.inf))
FINITE = st.one_of(st.integers(0, 6).map(float), st.floats(-3, 6, width=16))
OUTS = st.one_of(st.integers(0, 12).map(float), st.just(np.inf))
JOBS = st.fixed_dictionaries(
    {"k": st.integers(0, KINDS - 1), "c": FINITE, "u": OUTS, "m": st.sampled_from([0.0, 0.0, 1.0])}
)


class World(LiveWorld):
    """Single slots, as sums of table rows.

    If it fails, some order of calls leads a service away from the optimum, moves jobs for nothing,
    or reports an account or a certificate that is not true.
    """

    @initialize(data=st.data(), n_slots=st.integers(1, 4))
    def begin(self, data, n_slots):
        self.first = self.columns_of(data, KINDS, n_slots)
        self.second = self.columns_of(data, 1, n_slots, FINITE)
        self.remember(np.array([data.draw(st.integers(0, 3)) for _ in range(n_slots)]))
        self.world = Matcher(self.capacity, cost=self.cost(), unplaced="u", move_cost="m")

    # ------------------------------------------------------------ where costs come from

    def cost(self):
        return [(self.first, "k", None), (self.second, None, "c")]

    def brings(self, job):
        """What the matcher is told of a job."""
        return job

    def row(self, job):
        """What the test remembers of it."""
        return self.first[job["k"]] + self.second[0] * job["c"]

    def tell_table(self, k):
        self.world.set_table(k, (self.first, self.second)[k])

    def new_slots(self, room, first, second):
        return self.world.add_slots([room] * first.shape[1], [first, second])

    @staticmethod
    def columns_of(data, rows, n, of=COSTS):
        return np.array(data.draw(st.lists(of, min_size=rows * n, max_size=rows * n))).reshape(
            rows, n
        )

    # ------------------------------------------------------------ jobs

    @rule(jobs=st.lists(JOBS, max_size=5))
    def add(self, jobs):
        self.come(self.world.add([self.brings(job) for job in jobs]), jobs)

    @precondition(lambda self: self.live)
    @rule(pick=PICK, job=JOBS)
    def update(self, pick, job):
        changed = self.one(pick, self.live)
        self.world.update([changed], {name: [v] for name, v in self.brings(job).items()})
        self.live[changed] = job

    @rule(data=st.data())
    def set_table(self, data):
        if data.draw(st.booleans()):
            self.first = self.columns_of(data, *self.first.shape)
            self.tell_table(0)
        else:
            self.second = self.columns_of(data, *self.second.shape, FINITE)
            self.tell_table(1)

    @precondition(lambda self: len(self.capacity) < 7)
    @rule(data=st.data(), room=st.integers(0, 3), n=st.integers(1, 2))
    def add_slots(self, data, room, n):
        first, second = self.columns_of(data, KINDS, n), self.columns_of(data, 1, n, FINITE)
        self.more_classes(self.new_slots(room, first, second), room)
        self.first, self.second = np.hstack([self.first, first]), np.hstack([self.second, second])

    # ------------------------------------------------------------ rounds

    def same_status(self, m, plain):
        """Compare with `transport`, which refines its keys where costs are tiny beside others.

        A matcher keeps one resolution for all costs, 2^-44 of the largest or finer, and all costs
        here are below 2^6. Where rounding alone leaves a gap, the status is "feasible".
        """
        if (m.status, plain.status) != ("feasible", "optimal"):
            assert m.status == plain.status
        else:
            assert 0 < m.objective - m.bound <= len(m.ids) * 2.0**-37

    def room(self):
        """Slots of each class: a pinned job keeps its own, whatever its class has."""
        pinned = np.bincount([self.home[i] for i in self.pinned], minlength=len(self.capacity))
        return np.maximum(self.capacity, pinned)

    def posed(self, ids):
        """The problem as any solver would get it."""
        matrix = np.empty((len(ids), len(self.capacity)))
        out = np.empty(len(ids))
        for j, i in enumerate(ids):
            job = self.live[i]
            matrix[j] = self.row(job)
            matrix[j, self.closed] = np.inf
            out[j] = job["u"]
            if i in self.home:
                here = matrix[j, self.home[i]]
                away = np.inf if i in self.pinned else job["m"]
                matrix[j] += away
                matrix[j, self.home[i]] = here
                out[j] += away
        return matrix, out

    @rule()
    def stop(self):
        """A round without any time: its account and its bound are true all the same."""
        m = self.world.match(time_limit=0.0)
        if m.status == "infeasible":
            return
        ids = [int(i) for i in m.ids]
        matrix, out = self.posed(ids)
        plain = transport(matrix, self.room(), unplaced=out)
        if plain.status != "infeasible":
            assert m.bound <= plain.objective + 1e-9 * abs(plain.objective) + 1e-9
        if np.isfinite(m.objective):
            assert m.verify().valid
        self.follow(m)

    @rule()
    def match(self):
        m = self.world.match()
        assert self.world._native.holds()
        ids = [int(i) for i in m.ids]
        assert sorted(ids) == sorted(self.live)
        matrix, out = self.posed(ids)
        plain = transport(matrix, self.room(), unplaced=out)
        self.same_status(m, plain)
        assert m.stats["slots_added_by_pins"] == (self.room() - self.capacity).sum()
        assert m.verify().valid
        if m.status == "infeasible":
            assert len(m.changes["id"]) == 0
        else:
            assert m.objective == pytest.approx(plain.objective, rel=1e-9, abs=1e-9)
            where = m.assignment
            paid = [out[j] if s < 0 else matrix[j, s] for j, s in enumerate(where)]
            assert m.objective == pytest.approx(sum(paid), rel=1e-9, abs=1e-9)
            self.follow(m)
        again = self.world.match()
        assert len(again.changes["id"]) == 0, "an unchanged world moves nothing"
        self.same_status(again, plain)


@kernel
def formula(job_k, job_c, slot_0, slot_1, slot_2, slot_c):
    """The two tables of the world as columns of the slots."""
    keyed = slot_0 if job_k == 0 else slot_1 if job_k == 1 else slot_2
    return keyed + slot_c * job_c


class KernelWorld(World):
    """The same, of a compiled formula: no cost is cheaper to read than its row."""

    FORMULA = formula

    @staticmethod
    def slots(first, second):
        names = [*(f"slot_{k}" for k in range(KINDS)), "slot_c"]
        return {name: row.copy() for name, row in zip(names, [*first, *second], strict=True)}

    def cost(self):
        return formula.bind(slots=self.slots(self.first, self.second))

    def brings(self, job):
        return {"job_k": float(job["k"]), "job_c": float(job["c"]), "u": job["u"], "m": job["m"]}

    def tell_table(self, k):
        for name, column in self.slots(self.first, self.second).items():
            if (name == "slot_c") == (k == 1):
                self.world.set_table(name, column)

    def new_slots(self, room, first, second):
        return self.world.add_slots([room] * first.shape[1], self.slots(first, second))


class RowWorld(World):
    """The same, where each job brings its row: a table that changes is an update of all."""

    def cost(self):
        return "row"

    def brings(self, job):
        return {"row": self.row(job), "u": job["u"], "m": job["m"]}

    def tell_table(self, k):
        assert k in (0, 1)
        ids = list(self.live)
        rows = np.array([self.row(self.live[i]) for i in ids])
        rows = rows.reshape(len(ids), len(self.capacity))
        out, move = ([self.live[i][name] for i in ids] for name in "um")
        self.world.update(ids, {"row": rows, "u": np.array(out, float), "m": np.array(move, float)})

    def new_slots(self, room, first, second):
        jobs = [self.live[i] for i in self.world.ids]
        block = [first[job["k"]] + second[0] * job["c"] for job in jobs]
        n = first.shape[1]
        return self.world.add_slots([room] * n, [np.array(block, float).reshape(len(jobs), n)])


TestWorld = machine(World, examples(60, 240), 25)
TestKernelWorld = machine(KernelWorld, examples(20, 80), 25)
TestRowWorld = machine(RowWorld, examples(20, 80), 25)
