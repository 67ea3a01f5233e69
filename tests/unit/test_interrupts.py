"""Ctrl-C at any place of a call: of a `Packer`, of an operator's hour, of a plan.

GRIDCOMPUTE_INTERRUPTS is the number of places for each call; 1000000 is every bytecode.
"""

import os
import signal
import warnings
from _thread import _count

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import _snapshot, grid, pack
from gridcompute._interrupts import WorkerThreads
from gridcompute.grid.operations import rolling
from gridcompute.grid.planner import prices, program
from interrupts import places, wait_for_threads

MOST = int(os.environ.get("GRIDCOMPUTE_INTERRUPTS", "25"))


def compared(value):
    """Nested values with arrays as bytes, so that they can be compared."""
    if isinstance(value, dict):
        return {name: compared(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [compared(entry) for entry in value]
    return value.tobytes() if isinstance(value, (np.ndarray, np.generic)) else value


# ---------------------------------------------------------------- Packer

NODES = {
    "cpu_milli": [16000, 16000, 8000],
    "memory_mib": [64000] * 3,
    "gpu": [4, 2, 2],
    "model": ["A", "B", "B"],
}


def pods(seed, n):
    """Pods of many shapes."""
    r = np.random.default_rng(seed)
    whole = r.random(n) < 0.3
    return {
        "cpu_milli": r.integers(1, 4, n) * 500,
        "memory_mib": r.integers(1, 4, n) * 1000,
        "num_gpu": np.where(whole, r.integers(1, 3, n), 1),
        "gpu_milli": np.where(whole, 1000, r.integers(1, 10, n) * 100),
        "gpu_spec": r.choice(["", "A", "B"], n).tolist(),
    }


def packer(policy, first):
    """A packer that learns the mix of the pods that come, of which some have come."""

    def make():
        made = pack.Packer(NODES, mix=None, window=4, policy=policy)
        if first:
            made.place(pods(0, first))
        return made

    return make


def stored(made, *, shapes=True):
    """All that a snapshot would hold; a call that is interrupted may have counted shapes."""
    meta, arrays = made._state()
    state = {"meta": meta, "arrays": arrays}
    if not shapes:
        del state["meta"]["shapes"]
        state["arrays"]["counts"] = np.trim_zeros(state["arrays"]["counts"], "b")
    return compared(state)


PACKER_CALLS = {
    "the first pods": (packer("price", 0), lambda p: p.place(pods(1, 3))),
    "pods after which the mix is learned": (packer("price", 66), lambda p: p.place(pods(1, 3))),
    "pods by fragments": (packer("fgd", 66), lambda p: p.place(pods(2, 2))),
    "pods that move others": (packer("best_fit", 12), lambda p: p.place(pods(3, 4), moves=3)),
    "release": (packer("price", 5), lambda p: p.release([0, 2])),
    "learn": (packer("price", 9), lambda p: p.learn(mix=pods(4, 5))),
}


@pytest.mark.parametrize("name", PACKER_CALLS)
def test_a_packer_has_taken_all_pods_of_a_call_or_none(name):
    """Its mix was that of another time, or its shapes had the numbers of others."""
    make, call = PACKER_CALLS[name]
    before, after = make(), make()
    call(after)
    states = [stored(p, shapes=False) for p in (before, after)]
    last = stored(after)
    following = [
        compared(vars(after.place(pods(5, 6)))),
        stored(after),
        compared(after.reservations),
    ]
    for made, where in places(make, call, MOST):
        state = stored(made, shapes=False)
        assert state in states, where
        if state == states[0]:
            call(made)
        assert made.layouts_valid(), where
        assert stored(made) == last, where
        found = [compared(vars(made.place(pods(5, 6)))), stored(made), compared(made.reservations)]
        assert found == following, where


# ---------------------------------------------------------------- operator


def test_an_hour_of_an_operator_has_been_or_not(monkeypatch):
    """The clock had gone on and the limits of its hour were missing, or the other way about."""
    problem, found, real = grid.east_west(n_jobs=8, seed=2, hours=4), {}, rolling.match

    def match(asked, **how):
        """Plan each hour once: here it is all the same which plan it is."""
        key = asked.hours, compared(asked.jobs.release), compared(asked.energy.green_start_kwh)
        if repr(key) not in found:
            found[repr(key)] = real(asked, **how)
        return found[repr(key)]

    first = grid.Rolling(problem, horizon_h=2, gap=2.0, threads=1)
    monkeypatch.setattr(rolling, "match", match)
    first.step(actual={"renewables": 0.8})

    def make():
        op = object.__new__(grid.Rolling)
        op.__dict__.update(first.__dict__)  # hours change no state, they make new ones
        return op

    def call(op):
        return op.step(actual={"renewables": 1.2}, work_limit=50.0)

    def state(op):
        kept = {}
        with monkeypatch.context() as patch:
            patch.setattr(_snapshot, "write", lambda path, kind, meta, arrays: kept.update(
                meta=meta, arrays={k: v for k, v in arrays.items() if "seconds" not in k}
            ))  # fmt: skip
            op.snapshot("")
        text = compared(kept)
        text["meta"] = {k: v for k, v in text["meta"].items() if "history" not in k}
        costs = {name: v.tolist() for name, v in op.history.items() if name != "seconds"}
        return text, costs, op.clock, op.running.tolist()

    before, after = make(), make()
    call(after)
    states = [state(before), state(after)]
    assert states[0] != states[1]
    cost = after.cost_yuan
    for op, where in places(make, call, MOST // 5, last=40):
        found_state = state(op)
        assert found_state in states, where
        if found_state == states[0]:
            call(op)
        assert state(op) == states[1], where
    assert op.cost_yuan == cost, where


# ---------------------------------------------------------------- plan


@pytest.mark.parametrize("module", [prices, program], ids=lambda m: m.__name__)
def test_a_thread_in_whose_start_an_interrupt_comes_ends(module, monkeypatch):
    """`submit` had begun to wait for the thread to start: nothing ended what that then did."""

    class Interrupted(WorkerThreads):
        def submit(self, *args, **kwargs):
            super().submit(*args, **kwargs)
            raise KeyboardInterrupt

    threads = _count()
    monkeypatch.setattr(module, "WorkerThreads", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        gc.match(grid.east_west(n_jobs=8, seed=1, hours=5), gap=0.0, work_limit=2e4, threads=2)
    wait_for_threads(threads)


def test_a_plan_that_is_interrupted_leaves_nothing_behind():
    """A thread went on to search for a plan that nobody would read."""
    problem = grid.east_west(n_jobs=8, seed=1, hours=5)

    def call(_):
        return gc.match(problem, gap=0.0, work_limit=60.0, threads=2)

    def surroundings():
        return dict(os.environ), np.geterr(), signal.getsignal(signal.SIGINT), warnings.filters[:]

    expected, before = call(None), surroundings()
    threads = _count()
    for _, where in places(lambda: None, call, max(4, MOST // 5)):
        wait_for_threads(threads, where)
        assert surroundings() == before, where
        plan = call(None)
        for name in ("assignment", "start", "objective_yuan", "bound_yuan"):
            assert compared(getattr(plan, name)) == compared(getattr(expected, name)), (where, name)
