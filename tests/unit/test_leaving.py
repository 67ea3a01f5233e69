"""Leaving Python while daemon threads are inside the core: the exit status is the program's own."""

import subprocess
import sys
import textwrap

import pytest

# Each of these is called again and again by daemon threads until the process has ended. What takes
# longest is the core's work, so that the interpreter is finalised while a thread is inside it.
CALLS = {
    "transport": """
        cost, capacity = r.integers(0, 1000, (3000, 40)), np.full(40, 80)
        def call():
            gc.transport(cost, capacity, threads=2)
    """,
    "transport with a hook": """
        cost, capacity = r.integers(0, 1000, (40_000, 60)), np.full(60, 700)
        def call():
            gc.transport(cost, capacity, progress=lambda at: False)
    """,
    "transport with a hook that raises": """
        cost, capacity = r.integers(0, 1000, (40_000, 60)), np.full(60, 700)
        def hook(at):
            raise RuntimeError("from the hook")
        def call():
            try:
                gc.transport(cost, capacity, progress=hook)
            except RuntimeError:
                pass
    """,
    "transport with a hook that never returns": """
        cost, capacity = r.integers(0, 1000, (40_000, 60)), np.full(60, 700)
        def hook(at):
            while True:
                sum(range(100))
        def call():
            gc.transport(cost, capacity, progress=hook)
    """,
    "transport that is refused": """
        cost, capacity = r.random((3000, 40)), np.full(40, 80)
        cost[2999, 39] = np.nan
        def call():
            try:
                gc.transport(cost, capacity, threads=2)
            except gc.InvalidProblemError:
                pass
    """,
    "kernel": """
        @gc.kernel
        def cost(job_work, slot_speed):
            total = job_work
            for k in range(50):
                total = total + (job_work * slot_speed + k) % 7.0
            return total
        bound = cost.bind(jobs={"job_work": r.random(3000)}, slots={"slot_speed": r.random(40)})
        capacity = np.full(40, 80)
        def call():
            gc.transport(bound, capacity, threads=2)
    """,
    "kernel that raises": """
        @gc.kernel
        def cost(job_work, slot_speed):
            if job_work > 0.999:
                raise ValueError("from the kernel")
            return job_work * slot_speed
        bound = cost.bind(jobs={"job_work": r.random(3000)}, slots={"slot_speed": r.random(40)})
        capacity = np.full(40, 80)
        sys.unraisablehook = lambda args: None
        def call():
            try:
                gc.transport(bound, capacity, threads=2)
            except gc.InvalidProblemError:
                pass
    """,
    "verify": """
        cost, capacity = r.integers(0, 1000, (3000, 40)), np.full(40, 80)
        found = gc.transport(cost, capacity)
        def call():
            found.verify(threads=2)
    """,
    "assignment": """
        cost = r.random((400, 400))
        def call():
            gc.linear_sum_assignment(cost)
            gc.assignment(cost, threads=2)
    """,
    "flow": """
        n = 2000
        tail, head = r.integers(0, n, 8 * n), r.integers(0, n, 8 * n)
        capacity, cost = r.integers(1, 50, 8 * n), r.integers(0, 1000, 8 * n)
        supply = np.zeros(n, np.int64)
        supply[0], supply[1] = 20, -20
        def call():
            gc.min_cost_flow(tail, head, capacity, cost, supply)
    """,
    "matcher": """
        world = gc.Matcher([40] * 50, cost=[(r.random((8, 50)), "family", None)], unplaced=9.0)
        world.add({"family": r.integers(0, 8, 2000)})
        def call():
            world.set_capacity([0], [int(r.integers(0, 40))])
            world.match()
    """,
    "grid": """
        import highspy, scipy.sparse.csgraph  # first imports fail while Python exits
        problem = gc.grid.east_west(n_jobs=2000, seed=0, hours=24)
        def call():
            gc.match(problem, threads=2)
    """,
}

LEAVE = {
    "the program ends": "",
    "sys.exit": "sys.exit(0)",
    "os._exit": "os._exit(0)",
    "exit hooks take their time": "atexit.register(time.sleep, 0.05)",
}

# What is called is prepared once, and each way of leaving is that of a fork of the process.
PROGRAM = """
import atexit, os, sys, threading, time
import numpy as np
import gridcompute as gc

gc.transport([[0]], [1])  # the core is loaded before threads need it
r = np.random.default_rng(0)
{setup}
for leave, delay in {ways!r}:
    child = os.fork()
    if not child:
        break
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        sys.exit(f"status {{status}} after {{delay}} s, leaving by {{leave!r}}")
else:
    os._exit(0)
inside = threading.Barrier(3)

def work():
    inside.wait()
    while True:
        call()

for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
inside.wait()
time.sleep(delay)
exec(leave)
"""


@pytest.mark.parametrize("kind", CALLS)
def test_daemon_threads_in_the_core_do_not_kill_the_process(kind):
    """If this fails, a thread that asks for the lock of a finalised interpreter takes it down."""
    way = [*LEAVE.values()][[*CALLS].index(kind) % len(LEAVE)]
    ways = [(way, 0.002), ("", 0.01), ("", 0.06)]
    text = PROGRAM.format(setup=textwrap.dedent(CALLS[kind]), ways=ways)
    child = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", text],  # of forks beside threads
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (child.returncode, child.stderr) == (0, ""), (kind, ways, child)
