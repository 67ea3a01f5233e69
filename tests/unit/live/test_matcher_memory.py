"""What a live matcher reserves: memory by what is listed, whatever sizes a world goes through."""

import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("resource", reason="no limits of memory on this platform")

COMMON = """
    import resource
    import numpy as np
    from gridcompute import Matcher

    def allow(megabytes):
        with open("/proc/self/statm") as f:
            now = int(f.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + megabytes * 2**20,) * 2)

    r = np.random.default_rng(0)
"""


def run(code):
    """The output of a process of its own; a MemoryError or a crash there fails the test."""
    code = textwrap.dedent(COMMON) + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr[-2000:]}"
    return done.stdout


def test_a_world_grown_class_by_class_reserves_by_what_is_listed():
    """If this fails, a cluster that grew from 8 to 250 classes holds a gigabyte of empty lists.

    With 20,000 jobs the lists of 250 classes are 24 MB.
    """
    said = run(
        """
        cost = [(r.random((64, 8)), "k", None), (r.random((1, 8)), None, "c")]
        world = Matcher([4000] * 8, cost=cost, unplaced=9.0, threads=1)
        world.add({"k": r.integers(0, 64, 20_000), "c": r.random(20_000)})
        for gone in range(2):
            world.match()
            world.remove([gone])
        allow(300)
        warm = 0
        for _ in range(8, 250):
            world.add_slots([80], [r.random((64, 1)), r.random((1, 1))])
            warm += not world.match().stats["cold"]
        print("warm" if warm > 100 else f"only {warm} of 242 rounds were warm")
        """
    )
    assert said.strip() == "warm"


def test_a_world_of_thousands_of_classes_and_few_jobs_is_small():
    """If this fails, memory goes with the square of the classes: 128 MB for 4,000 without a job."""
    run(
        """
        n = 4000
        world = Matcher([1] * n, cost=[(r.random((8, n)), "k", None)], unplaced=9.0, threads=1)
        world.add({"k": r.integers(0, 8, 40)})
        allow(60)
        for turn in range(4):
            world.match()
            world.remove([turn])
            world.add_slots([1], [r.random((8, 1))])
        assert world.match().verify(threads=1).valid
        """
    )


def test_classes_that_come_and_go_leave_nothing_behind():
    """If this fails, a service that replaces machines all day grows until it is killed."""
    run(
        """
        world = Matcher([5] * 50, cost=[(r.random((16, 50)), "k", None)], unplaced=9.0, threads=1)
        world.add({"k": r.integers(0, 16, 200)})
        world.match()
        classes = list(range(50))
        for turn in range(120):
            if turn == 40:
                allow(30)
            gone = r.choice(classes, 1, replace=False)
            world.remove_slots(gone)
            world.match()
            back = world.add_slots([5], [r.random((16, 1))])
            assert back[0] == 50 + turn, "a number is never given twice"
            classes = [s for s in classes if s not in gone] + back.tolist()
            jobs = world.ids[:20]
            world.remove(jobs)
            world.add({"k": r.integers(0, 16, 20 + 150 * (turn % 2))})
            if turn % 2:
                world.remove(world.ids[:150])
            world.match()
        """
    )
