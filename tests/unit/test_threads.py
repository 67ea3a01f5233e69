"""Threads: as many as there is work for, fewer where the system refuses; forks beside a solve."""

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="counts threads in /proc and limits them"
)

PREPARE = """
import os, resource, sys, threading, time
import numpy as np
import gridcompute as gc

r = np.random.default_rng(0)
cost, capacity = r.integers(0, 1000, (20_000, 40)), np.full(40, 520)
matrix = r.random((600, 600))
batch = r.random((300, 12, 12))
problem = gc.grid.east_west(n_jobs=60, seed=0, hours=2)
table = r.random((8, 40))

def all_answers(threads):
    world = gc.Matcher(
        [60] * 40, cost=[(table, "family", None)], unplaced=9.0, threads=threads
    )
    world.add({"family": np.arange(2000) % 8})
    found = gc.transport(cost, capacity, threads=threads)
    check = found.verify(threads=threads)
    assert check.valid, check
    return [
        found.assignment.tobytes(),
        found.prices.tobytes(),
        gc.transport(cost[:500, :8], np.full(8, 70), threads=threads).assignment.tobytes(),
        gc.assignment(matrix, threads=threads).assignment.tobytes(),
        gc.linear_sum_assignment(matrix)[1].tobytes(),
        gc.linear_sum_assignment_batch(batch, threads=threads)[1].tobytes(),
        world.match().objective,
    ]

def plan(threads):
    found = gc.match(problem, gap=0.9, threads=threads)
    return found.assignment.tobytes(), found.objective_yuan
"""

# The most threads that this process had at once while `call` ran, without the one that counts.
COUNT = """
def most_threads(call):
    most, done = 0, threading.Event()

    def count():
        nonlocal most
        while not done.is_set():
            most = max(most, len(os.listdir("/proc/self/task")) - 1)

    counter = threading.Thread(target=count)
    counter.start()
    call()
    done.set()
    counter.join()
    return most
"""


def child(text, **environment):
    """Run a program; return what it prints."""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PREPARE + textwrap.dedent(text)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, **environment},
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran
    return ran.stdout.strip()


def test_any_number_of_threads_gives_the_same_answers():
    """If this fails, a pool of 96 threads loses a chunk, or 2**31 - 1 are really started."""
    text = """
        address = 16 << 30  # a thread takes 8 MB of it
        resource.setrlimit(resource.RLIMIT_AS, (address, address))
        one, one_plan = all_answers(1), plan(1)
        for threads in (2, 7, 96, 2**31 - 1):
            assert all_answers(threads) == one, threads
        assert plan(96) == one_plan
        print("same")
    """
    assert child(text) == "same"


def test_small_work_starts_few_threads():
    """If this fails, `threads` are started for the machine and not for the work there is."""
    text = COUNT + textwrap.dedent("""
        few = r.integers(0, 1000, (60_000, 40)), np.full(40, 1600)
        alone = most_threads(lambda: gc.transport(*few, threads=1))
        print(most_threads(lambda: gc.transport(*few, threads=1000)) - alone)
    """)
    assert int(child(text)) < 100


def test_a_system_that_refuses_threads():
    """If this fails, a container of few processes gets an exception in place of an answer."""
    text = """
        one, one_plan = all_answers(1), plan(1)
        if os.getuid() == 0:  # no limit holds for root
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        try:
            threading.Thread(target=int).start()
        except RuntimeError:
            print("refused")
        for threads in (2, 7, 96):
            assert all_answers(threads) == one, threads
        assert plan(2) == one_plan
        print("same")
    """
    assert child(text).split() == ["refused", "same"]


NAME = "GRIDCOMPUTE_NUM_THREADS"


def test_threads_of_the_environment():
    """If this fails, GRIDCOMPUTE_NUM_THREADS of any size changes an answer or is taken for less."""
    text = f"""
        given = os.environ.pop({NAME!r})
        one = all_answers(1)
        for most in (given, "1", "2147483647", "99999999999999999999", ""):
            os.environ[{NAME!r}] = most
            assert all_answers(None) == one, most
            print(gc._core.thread_count())
    """
    *seen, free = map(int, child(text, **{NAME: "3"}).split())
    assert seen == [3, 1, 1024, 1024]
    assert free <= len(os.sched_getaffinity(0))


def test_threads_of_the_environment_that_are_no_number():
    """If this fails, a typing error in the variable is taken for some number, or for none."""
    text = f"""
        calls = {{
            "transport": lambda: gc.transport(cost, capacity),
            "linear_sum_assignment": lambda: gc.linear_sum_assignment(matrix),
            "assignment": lambda: gc.assignment(matrix),
            "assignment_batch": lambda: gc.linear_sum_assignment_batch(batch),
            "match": lambda: gc.match(problem),
        }}
        for wrong in (os.environ[{NAME!r}], "-2", "four", "4 threads", "1e3", "2.5"):
            os.environ[{NAME!r}] = wrong
            for name, call in calls.items():
                try:
                    call()
                except gc.InvalidProblemError as error:
                    words = f"{{error.field}}: found {{wrong!r}}, needed a whole number from 1"
                    assert str(error) == words, (name, wrong, error)
                    assert error.field == {NAME!r}
                else:
                    print(name, "did not look at", wrong)
        gc.transport(cost, capacity, threads=2)
    """
    assert child(text, **{NAME: "0"}) == ""


def test_forks_beside_threads_that_solve():
    """If this fails, a lock held at a fork stays locked in the child for ever."""
    text = """
        one = all_answers(1)
        leaving = threading.Event()

        def solve():
            while not leaving.is_set():
                all_answers(2)

        threads = [threading.Thread(target=solve) for _ in range(2)]
        for thread in threads:
            thread.start()
        children = []
        for _ in range(12):
            time.sleep(0.02)
            child = os.fork()
            if child == 0:
                os._exit(0 if all_answers(3) == one else 1)
            children.append(child)
        ends = [os.waitpid(child, 0)[1] for child in children]
        leaving.set()
        print(ends == [0] * 12)
    """
    assert child(text) == "True"
