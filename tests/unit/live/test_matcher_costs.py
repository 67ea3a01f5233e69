"""Live matching with costs that are not tables: a kernel, and rows that jobs bring."""

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import InvalidProblemError, Matcher

ROOM = np.array([7, 3, 0, 9, 4])
UNPLACED = 50.0


@gc.kernel
def haul(job_work, job_x, slot_price, slot_x):
    """Work at the slot's price, and the way to it."""
    return job_work * slot_price + abs(job_x - slot_x)


SLOTS = {
    "slot_price": np.array([1.0, 2.5, 0.5, 3.0, 1.5]),
    "slot_x": np.array([0.0, 4.0, 8.0, 2.0, 6.0]),
}


def jobs(r, n):
    """Whole numbers: what is added up is exact."""
    return {
        "job_work": r.integers(1, 9, n).astype(float),
        "job_x": r.integers(0, 9, n).astype(float),
    }


def dense(columns):
    """The formula by numpy, in another order of loops than the kernel's."""
    work, x = columns["job_work"][:, None], columns["job_x"][:, None]
    return np.asarray(work * SLOTS["slot_price"] + np.abs(x - SLOTS["slot_x"]))


def churn(world, add, seed):
    """Jobs come and go; each round costs what a cold solve of the same jobs costs."""
    r = np.random.default_rng(seed)
    rows = np.zeros((0, len(ROOM)))
    ids = []
    for _ in range(6):
        new = jobs(r, 8)
        ids += np.asarray(add(world, new)).tolist()
        rows = np.concatenate([rows, dense(new)])
        gone = sorted(r.choice(len(ids), 3, replace=False).tolist(), reverse=True)
        world.remove([ids[k] for k in gone])
        for k in gone:
            del ids[k]
        rows = np.delete(rows, gone, axis=0)
        m = world.match()
        cold = gc.transport(rows, ROOM, unplaced=UNPLACED)
        assert m.objective == pytest.approx(cold.objective, rel=1e-9)
        assert m.verify().valid


@pytest.mark.parametrize("seed", range(4))
def test_a_kernel_is_the_cost(seed):
    """If this fails, a world whose costs are a formula goes another way than its matrix."""
    world = Matcher(ROOM, cost=haul.bind(slots=SLOTS), unplaced=UNPLACED)
    churn(world, lambda w, new: w.add(new), seed)


@pytest.mark.parametrize("seed", range(4))
def test_jobs_bring_their_rows(seed):
    """If this fails, a block of costs a batch is misread, or kept at the wrong jobs."""
    world = Matcher(ROOM, cost="row", unplaced=UNPLACED)
    churn(world, lambda w, new: w.add({"row": dense(new)}), seed)


def test_a_block_alone_will_do():
    """If this fails, a plain matrix of the batch's costs is refused."""
    world = Matcher([1, 1], cost="row", unplaced=UNPLACED)
    world.add(np.array([[3.0, 1.0], [2.0, 1.0]]), ids=["a", "b"])
    assert world.match().objective == 3.0


def test_a_kernel_bound_to_jobs_is_refused():
    """If this fails, jobs of a batch problem end in a live world without ids."""
    bound = haul.bind(jobs=jobs(np.random.default_rng(0), 3), slots=SLOTS)
    with pytest.raises(InvalidProblemError, match="bound to 3 jobs"):
        Matcher(ROOM, cost=bound, unplaced=UNPLACED)


def test_a_row_of_the_wrong_length_is_named_and_nothing_changes():
    """If this fails, costs of other classes are read beyond the row's end."""
    world = Matcher([1, 1], cost="row", unplaced=UNPLACED)
    world.add({"row": np.array([[3.0, 1.0]])})
    with pytest.raises(InvalidProblemError, match="row"):
        world.add({"row": np.array([[3.0, 1.0, 2.0]])})
    assert world.match().objective == 1.0


@pytest.mark.parametrize("gap", [0.0, 0.5])
def test_a_gap_asked_for_is_kept(gap):
    """If this fails, a round that may end early proves less than it was asked for."""
    r = np.random.default_rng(3)
    world = Matcher(ROOM, cost=haul.bind(slots=SLOTS), unplaced=UNPLACED)
    world.add(jobs(r, 20))
    world.match()
    world.add(jobs(r, 3))
    m = world.match(gap=gap)
    assert m.bound <= m.objective
    assert m.gap <= max(gap, 1e-9)


@pytest.mark.parametrize("dtype", [">i4", ">i8", "<i8", "i2", "u8"])
def test_keys_of_any_integer_dtype_and_byte_order(dtype):
    """If this fails, a column from a file of another machine is refused without its name."""
    world = Matcher([1, 1], cost=[(np.array([[1.0, 2.0], [2.0, 1.0]]), "k", "c")], unplaced=9.0)
    world.add({"k": np.array([0, 1], dtype), "c": np.array([1.0, 2.0], ">f8")})
    assert world.match().objective == 3.0
