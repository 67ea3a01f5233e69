"""Jobs for tests of shards: columns, their terms, and solves with any cut and any loss."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

import gridcompute as gc
from gridcompute.shards.cost_specs import cost_spec
from gridcompute.shards.local_solve import ClusterShards, Question, coordinate, is_solved
from gridcompute.shards.shard_worker import DIGEST_BYTES, HeldShard

if TYPE_CHECKING:
    from numpy.typing import NDArray

    #: Columns by name; a table with the names of its key and its coefficient for each term.
    Columns = dict[str, NDArray[Any]]
    Terms = list[tuple[NDArray[np.float64], str | None, str | None]]


#: Tuned numbers with which thousands of jobs are solved as millions are: by samples, and no step
#: that reads all costs of what is small.
AS_MANY = {
    "sample_jobs": 64,
    "sample_last": 10,
    "recheck_costs": 0,
    "rounding_costs": 0,
    "probe_all_costs": 0,
    "probe_rows": 64,
    "memory_jobs": 0,
    "sample_extra_gain": 1 << 10,
}


def make(n_jobs, n_slots, seed, *, tied=False, forbid=False):
    """Columns of n_jobs, terms and capacities; tied: small integers, so that jobs tie."""
    r = np.random.default_rng(seed)
    runtime, tariff = r.uniform(1, 4, (7, n_slots)), r.uniform(0, 3, (5, n_slots))
    work, data = r.lognormal(1, 1.2, n_jobs), r.lognormal(0, 1, n_jobs)
    if tied:
        runtime, tariff = np.ceil(3 * runtime), np.ceil(tariff)
        work, data = np.ceil(work).clip(1, 6), np.ceil(data).clip(1, 3)
    if forbid:
        runtime[r.random(runtime.shape) < 0.2] = np.inf
        runtime[:, 0] = 4.0
    columns = {
        "family": r.integers(0, 7, n_jobs).astype(np.int16),
        "origin": r.integers(0, 5, n_jobs).astype(np.int64),
        "work": work.astype(np.float32),
        "data": data,
    }
    terms = [(runtime, "family", "work"), (tariff, "origin", "data")]
    shares = r.dirichlet(np.ones(n_slots) * 3)
    return columns, terms, r.multinomial(int(n_jobs * 1.1), shares).astype(np.int64)


@gc.kernel
def formula(job_work, job_family, job_urgent, slot_speed, slot_site, tariff):
    """Seconds of work, and a tariff of the family at the site; urgent jobs stay near."""
    if job_urgent and slot_site == 2:
        return math.inf
    return job_work / slot_speed + tariff[job_family, slot_site]


def make_formula(n_jobs, n_slots, seed, work=np.float32):
    """Columns of n_jobs for `formula`, of which one in 1000 is far larger; and capacities."""
    r = np.random.default_rng(seed)
    amounts = r.lognormal(1, 1.2, n_jobs) * np.where(r.random(n_jobs) < 1e-3, 50, 1)
    if np.issubdtype(work, np.integer):
        amounts = np.ceil(amounts).clip(max=np.iinfo(work).max)
    columns = {
        "job_work": amounts.astype(work),
        "job_family": r.integers(0, 7, n_jobs).astype(np.int16),
        "job_urgent": r.random(n_jobs) < 0.3,
    }
    slots = {
        "slot_speed": r.uniform(0.5, 2, n_slots).astype(np.float32),
        "slot_site": np.arange(n_slots) % 3,
    }
    cost = formula.bind(slots=slots, tariff=r.uniform(0, 3, (7, 3)))
    shares = r.dirichlet(np.ones(n_slots) * 3)
    return columns, cost, r.multinomial(int(n_jobs * 1.3), shares).astype(np.int64)


def in_memory(columns, terms, capacity, **options):
    """Solve with all jobs in memory."""
    parts = [
        (t, None if k is None else columns[k], None if c is None else columns[c])
        for t, k, c in terms
    ]
    return gc.transport(gc.Terms(parts), capacity, **options)


def in_shards(
    columns,
    terms,
    capacity,
    rows,
    *,
    cost=None,
    unplaced=None,
    forgetful=lambda _question: False,
):
    """Solve in shards of these sizes, whatever chunks these cut; what was found, and the classes.

    Before a question for which `forgetful` is true each shard loses what it remembers, like a
    worker that died and whose shard another one has made again.
    """
    spec = cost_spec(terms, cost, unplaced).of_samples(columns)
    shards = ShardsHere(spec, columns, rows, forgetful=forgetful)
    room = np.ascontiguousarray(capacity, np.int64)
    question = Question(spec.model(), rows, room, None, 0, 2)
    found = coordinate(question, shards.begin, None, None)
    return found, shards.assignment() if is_solved(found) else np.empty(0, np.int32)


class ShardsHere(ClusterShards):
    """Shards of a cluster that is this process; `carry` is what happens to a message on its way."""

    def __init__(
        self,
        spec,
        columns,
        rows,
        *,
        forgetful=lambda _question: False,
        carry=lambda message: message,
    ):
        super().__init__(spec, rows, 1)
        self.columns, self.forgetful, self.carry = columns, forgetful, carry
        self.shards = [self.shard(k) for k in range(len(rows))]
        self.slots = [np.empty(0, np.int32)] * len(rows)

    def shard(self, k):
        first, n = sum(self.rows[:k]), self.rows[k]
        part = {name: array[first : first + n] for name, array in self.columns.items()}
        return HeldShard(self.spec, lambda: part, first, n, sum(self.rows))

    def begin(self, asking):
        self._asking = asking
        return self

    def send(self, shard, message, *, assigns):
        if self.forgetful(message[DIGEST_BYTES:]):
            self.shards[shard] = self.shard(shard)
        answer, told = self.shards[shard].answer(self.carry(message), 1)
        if assigns:
            self.slots[shard] = told
        return self.carry(answer)

    def wait(self, pending):
        return []

    def receive(self, sent):
        return sent

    def cancel(self, sent):
        pass

    def assignment(self):
        return np.concatenate(self.slots)

    def sums(self, assignment, prices, remainders, threads):
        pairs = zip(self.shards, self.slots, strict=True)
        return [self.carry(s.sums(slots, prices, remainders, 1)) for s, slots in pairs]

    def confined(self, slots, job, threads):
        return [self.carry(s.confined(slots, job, 1)) for s in self.shards]


def assert_same(found, slots, memory, story):
    """The bits of a solve over shards are those of the solve in memory."""
    prices, load, objective, bound, exact, status = found[:6]
    assert status == memory.status, story
    assert (objective, bound, exact) == (memory.objective, memory.bound, memory.exact), story
    assert np.array_equal(prices, memory.prices), story
    assert np.array_equal(load, memory.load), story
    assert np.array_equal(slots, memory.assignment), story
