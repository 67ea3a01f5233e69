"""The move index of large classes, whose rows are read in float32 where costs are fractions."""

import numpy as np
import pytest

from gridcompute import Matcher, Terms, transport


def jobs(r, n):
    return {
        "k": r.integers(0, 6, n),
        "w": r.lognormal(0, 3, n) * r.choice([1, -1, 0], n, p=[0.8, 0.15, 0.05]),
        "u": np.where(r.random(n) < 0.02, np.inf, r.lognormal(3, 2, n)),
        "m": r.choice([0.0, 0.0, 1.5], n),
    }


@pytest.mark.parametrize("seed", range(24))
def test_every_list_holds_the_cheapest_moves_of_its_pair(seed):
    """If this fails, a repair takes a detour, or reports an optimum that is none."""
    r = np.random.default_rng(seed)
    n, s = int(r.integers(60, 1500)), int(r.integers(2, 12))
    scale = 10.0 ** float(r.integers(-100, 100))
    table = r.random((6, s)) * scale
    if seed % 3 == 0:
        table[r.random(table.shape) < 0.2] = np.inf
    if seed % 4 == 0:  # nearly equal classes: what float32 cannot tell apart
        table[:, 1] = table[:, 0] * (1 + 1e-12)
    if seed % 5 == 0:  # whole numbers: every key is exact
        table = np.rint(table / scale * 100)
    room = r.multinomial(int(n * r.uniform(0.7, 1.3)), np.full(s, 1 / s))
    world = Matcher(
        room, cost=[(table, "k", None), (table[:1], None, "w")], unplaced="u", move_cost="m"
    )
    first = jobs(r, n)
    if seed % 5 == 0:
        first["w"] = np.rint(first["w"])
        first["u"] = np.rint(first["u"])
    ids = world.add(first)
    if world.match().status == "infeasible":
        pytest.skip(f"seed {seed}: no feasible matching")
    placed = ids[world.slot_of(ids) >= 0]
    world.pin(placed[: len(placed) // 50])
    world.update(ids[-3:], {name: column[:3] for name, column in first.items()})
    if seed % 2 and s > 3:
        world.remove_slots([s - 1])
    warm = world.match()
    assert world._native.holds(), (seed, n, s)
    if warm.status == "infeasible":
        return
    assert warm.verify().valid, (seed, warm.verify().reasons)
    q = warm.question
    rows = np.array([q.cost.row(i) for i in range(q.n_jobs)])
    plain = transport(rows, q.capacity, unplaced=q.unplaced)
    assert warm.objective == pytest.approx(plain.objective, rel=1e-9), seed
    world.remove(ids[:5])
    world.add(jobs(r, 4))
    world.match()
    assert world._native.holds(), (seed, n, s)


def test_a_large_world_has_the_optimum_after_its_index_is_built():
    """If this fails, the first rounds of a service are not what a solve from scratch finds."""
    r = np.random.default_rng(7)
    n, s = 40_000, 30
    speed, price = r.uniform(0.2, 1.0, (8, s)), r.uniform(2.0, 10.0, (1, s))
    columns = {"family": r.integers(0, 8, n), "work": r.lognormal(1, 1.2, n)}
    terms = [(1 / speed, "family", "work"), (price, None, "work")]
    room = r.multinomial(int(n / 0.9), np.full(s, 1 / s))
    for threads in (1, 2):
        world = Matcher(room, cost=terms, unplaced=1e5, threads=threads)
        world.add(columns)
        world.match()
        world.add({name: column[:40] for name, column in columns.items()})
        m = world.match()
        assert m.stats["index_built"]
        both = {name: np.r_[column, column[:40]] for name, column in columns.items()}
        cost = Terms([(t, both[k] if k else None, both[c]) for t, k, c in terms])
        plain = transport(cost, room, unplaced=1e5)
        assert m.objective == pytest.approx(plain.objective, rel=1e-12), threads
        assert m.verify().valid
        assert world._native.holds()
        if threads == 1:
            one = m
    assert (one.assignment == m.assignment).all(), "threads decide"
    assert (one.prices == m.prices).all()
