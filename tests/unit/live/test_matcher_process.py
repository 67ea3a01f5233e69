"""The live matcher and the process around it: the same bytes in two of them, and Ctrl-C."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from gridcompute import Matcher, Terms, transport

CALLS = """
    import sys
    import numpy as np
    from gridcompute import Matcher

    r = np.random.default_rng(8)
    table = r.integers(0, 9, (20, 12)).astype(float)  # many ties
    world = Matcher([20] * 12, cost=[(table, "k", "w")], unplaced=40.0, move_cost=0.5)
    names, said = [], []
    for turn in range(8):
        new = [f"job-{turn}-{k}" for k in range(60)]
        names += world.add({"k": r.integers(0, 20, 60), "w": r.integers(1, 4, 60)}, ids=new)
        gone = [names.pop(int(r.integers(0, len(names)))) for _ in range(25)]
        world.remove(gone)
        m = world.match()
        said.append([m.objective, m.prices.tolist(), [list(c) for c in m.changes.values()]])
        if turn == 3:
            world.pin([i for i, s in zip(m.ids, m.assignment, strict=True) if s == 2])
            world.add_slots([9], [r.integers(0, 9, (20, 1))])
            world.set_table(0, r.integers(0, 9, (20, 13)))
        if turn == 5:
            world.remove_slots([0])
    world.snapshot(sys.argv[1])
    print(said)
"""


def test_two_processes_with_the_same_calls_give_the_same_bytes(tmp_path):
    """If this fails, a standby that replays the calls drifts away from its primary.

    Strings hash differently in the two.
    """
    seen = []
    for k in (1, 2):
        path = tmp_path / f"world-{k}"
        said = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(CALLS), path],
            env={**os.environ, "PYTHONHASHSEED": str(k), "GRIDCOMPUTE_NUM_THREADS": str(k)},
            check=True,
            capture_output=True,
        ).stdout
        assert b"PLACE" in said
        assert b"MOVE" in said
        seen.append((said, path.read_bytes()))
    assert seen[0] == seen[1]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timer on this platform")
def test_an_interrupt_at_any_time_of_a_round_leaves_a_world_that_goes_on():
    """If this fails, Ctrl-C in a round corrupts the world, or a later round answers wrongly."""
    r = np.random.default_rng(2)
    n, table = 60_000, r.random((400, 60))
    jobs = {"k": r.integers(0, 400, n), "w": r.random(n)}
    capacity = np.full(60, n // 70)

    def interrupt(*_):
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    world = Matcher(capacity, cost=[(table, "k", "w")], unplaced=0.7)
    world.add(jobs)
    rng, stopped = np.random.default_rng(3), 0
    try:
        for turn in range(12):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.001 * 1.5**turn)
                world._native.match(
                    2, 0, -1, 0.0, None, None, None
                )  # only what polls: no Python to interrupt
            except KeyboardInterrupt:
                stopped += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0.0)
            assert world._native.holds()
            if turn % 3 == 2:  # and a warm round of changes that is stopped
                gone = rng.choice(n, 500, replace=False)
                world.update(gone, {name: column[gone[::-1]] for name, column in jobs.items()})
                for column in jobs.values():
                    column[gone] = column[gone[::-1]].copy()
    finally:
        signal.signal(signal.SIGALRM, old)
    assert stopped > 0
    m = world.match()
    assert m.verify().valid
    plain = transport(Terms([(table, jobs["k"], jobs["w"])]), capacity, unplaced=0.7)
    assert m.objective == pytest.approx(plain.objective, rel=1e-9)


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_stopped_first_round_tells_nothing(nth):
    """If this fails, jobs have homes that the service was never told of."""
    r = np.random.default_rng(1)
    world = Matcher([400] * 60, cost=[(r.random((400, 60)), "k", None)], unplaced=0.7)
    world.add({"k": r.integers(0, 400, 30_000)})
    calls = 0

    def hook(*_):
        nonlocal calls
        calls += 1
        if calls == nth:
            raise KeyboardInterrupt

    try:
        world.match(progress=hook)
    except KeyboardInterrupt:
        jobs = world._native.live_jobs()
        assert (world._native.placements(jobs) < 0).all()
    assert calls >= 1
    assert world._native.holds()
    assert world.match().verify().valid
