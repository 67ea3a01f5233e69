"""The tables of tuned numbers: any values within their ranges give the same optimum."""

import json
from pathlib import Path

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import _core
from gridcompute.bench import INSTANCES

SOLVERS = ("assignment", "cost", "flow", "gangs", "live", "packing", "plan", "transport")
SOLVERS += ("whole_jobs",)
MEASURED = Path(__file__).parents[3] / "benches" / "tuning_measured.json"


@pytest.fixture(autouse=True)
def defaults():
    """Whatever a test sets, the next one has the defaults."""
    yield
    for solver in SOLVERS:
        _core.set_tuning(solver, {})


@pytest.mark.parametrize("solver", SOLVERS)
def test_each_number_says_what_it_decides_and_lies_in_its_range(solver):
    """If this fails, a number has no reason on record, or a default that nothing was proved for."""
    table = _core.tuning_table(solver)
    assert len({line["name"] for line in table}) == len(table) > 0
    for line in table:
        assert line["low"] <= line["default"] <= line["high"], line
        assert line["unit"], line
        assert line["decides"], line
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))[solver]
    assert measured.keys() == {line["name"] for line in table}
    assert all(measured.values()), measured


def test_a_simplex_that_is_not_done_in_time_gets_another_start():
    """If this fails, networks on which pivots move large trees take several times as long."""
    (instance,) = (i for i in INSTANCES if i.name == "flow-1e3")
    starts = {}
    for late in (1, 1024):
        _core.set_tuning("flow", {"trial_work": 8, "late_trial": late})
        f = gc.min_cost_flow(**instance.problem())
        assert f.objective == instance.best
        assert f.verify()
        starts[late] = f.stats["start"]
    assert starts == {1: "cost_scaling", 1024: "artificial"}


def test_what_is_no_number_of_a_solver_is_refused_and_changes_nothing():
    """If this fails, a bench that misspells a number measures the defaults twice."""
    with pytest.raises(gc.InvalidProblemError, match="needed assignment, cost, flow, gangs"):
        _core.tuning_table("grid")
    with pytest.raises(gc.InvalidProblemError, match="'filter_klasses', no number of transport"):
        _core.set_tuning("transport", {"filter_klasses": 1})
    with pytest.raises(gc.InvalidProblemError, match=r"found 0, needed 1 to"):
        _core.set_tuning("transport", {"filter_classes": 0})
    with pytest.raises(gc.InvalidProblemError, match="found nan"):
        _core.set_tuning("transport", {"filter_classes": np.nan})


@pytest.mark.parametrize(
    "off",
    [
        {"merge_jobs": 1 << 30},
        {"filter_classes": 1 << 20},
        {"evaluations": 1, "shorter_steps": 0},
        {"sample_growth": 1 << 10, "repair_widenings": 0},
        {"dense_laplacian": 0, "build_all_share": 0},
        {
            "memory_keys": 0,
            "near_jobs": 0,
            "near_jobs_many": 0,
            "auction_phases": 1,
            "auction_bids": 1,
        },
    ],
)
def test_transport_has_one_optimum_whatever_is_switched_off(off):
    """If this fails, a tuned number decides what is optimal."""
    r = np.random.default_rng(5)
    cost = r.integers(0, 500, (3000, 40), dtype=np.int32)
    room = r.multinomial(3300, np.full(40, 1 / 40)).astype(np.int64)
    proved = gc.transport(cost, room, method="exact")
    _core.set_tuning("transport", off)
    other = gc.transport(cost, room, method="exact")
    assert other.objective == proved.objective, (off, other.objective, proved.objective)
    assert other.verify().valid
    assert other.exact


def drawn(r, solver):
    """Draw each number of a solver, from a quarter of its default to four times it."""
    draw = {}
    for line in _core.tuning_table(solver):
        low, high, at = line["low"], line["high"], line["default"]
        whole = float(at).is_integer() and float(low).is_integer()
        value = float(np.clip(at * 2.0 ** r.integers(-2, 3), low, high))
        draw[line["name"]] = float(np.rint(value)) if whole else value
    return draw


@pytest.mark.parametrize("seed", range(6))
def test_rounds_of_gangs_keep_rules_and_proofs_at_numbers_drawn_at_random(seed):
    """If this fails, a number of the gangs decides more than how much work a round does."""
    r = np.random.default_rng(seed)
    draw = drawn(r, "gangs") | ({"small_world": 0} if seed % 2 else {})
    n, table, room = 400, r.uniform(1, 5, (6, 9)), r.integers(20, 90, 9)
    queues = gc.fair.Queues(name=["a", "b"], guarantee=[60, 60], limit=[300, 260])
    rules = {"demand": "d"}
    if seed % 3:
        rules |= {"queues": queues, "queue": "q", "priority": "p", "preemptible": "e"}
    _core.set_tuning("gangs", draw)
    world = gc.Matcher(room, cost=[(table, "k", "w")], unplaced="u", **rules)
    for turn in range(6):
        m = n if turn == 0 else 20
        jobs = {
            "k": r.integers(0, 6, m), "w": r.random(m), "u": r.lognormal(1, 1, m),
            "d": r.choice([1, 2, 4, 8], m), "q": r.integers(0, 2, m), "p": r.integers(0, 3, m),
            "e": r.random(m) < 0.7,
        }  # fmt: skip
        ids = world.add({name: jobs[name] for name in ("kwudqpe" if seed % 3 else "kwud")})
        answer = world.match()
        proof = answer.verify()
        assert proof.valid, (seed, turn, proof.reasons, draw)
        assert answer.bound <= answer.objective, (seed, turn, draw)
        assert world._native.holds(), (seed, turn, draw)
        world.remove(ids[:10])


def test_a_matcher_keeps_the_numbers_it_was_made_with():
    """If this fails, a bench changes the matchers of others in its process."""
    r = np.random.default_rng(1)
    _core.set_tuning("live", {"all_pairs_classes": 0, "index_rows": 1, "build_block": 7})
    made = gc.Matcher([40] * 5, cost=[(r.random((3, 5)), "k", "w")], unplaced=2.0)
    _core.set_tuning("live", {})
    usual = gc.Matcher([40] * 5, cost=[(made._costs.tables[0], "k", "w")], unplaced=2.0)
    jobs = {"k": r.integers(0, 3, 300), "w": r.random(300)}
    for turn in range(4):
        objectives = []
        for world in (made, usual):
            ids = world.add({name: c[: 300 if turn == 0 else 5] for name, c in jobs.items()})
            m = world.match()
            assert world._native.holds(), turn
            objectives.append(m.objective)
            world.remove(ids[:3])
        assert objectives[0] == pytest.approx(objectives[1], rel=1e-12), turn


@pytest.mark.parametrize("seed", range(4))
def test_assignment_and_flow_have_one_optimum_at_numbers_drawn_at_random(seed):
    """If this fails, a range reaches further than what was proved for its number."""
    r = np.random.default_rng(seed)
    cost = r.integers(0, 10_000, (150, 150))
    best = cost[gc.linear_sum_assignment(cost)].sum()
    n, m = 60, 400
    tail, head = r.integers(0, n, m), r.integers(0, n, m)
    flow = (tail, head, r.integers(0, 50, m), r.integers(0, 99, m))
    supply = np.zeros(n, np.int64)
    supply[:2] = 9, -9
    least = gc.min_cost_flow(*flow, supply)
    for solver in ("assignment", "flow"):
        draw = drawn(r, solver)
        _core.set_tuning(solver, draw)
        assert cost[gc.linear_sum_assignment(cost)].sum() == best, (seed, solver, draw)
        again = gc.min_cost_flow(*flow, supply)
        assert (again.status, again.objective) == (least.status, least.objective), (seed, draw)
