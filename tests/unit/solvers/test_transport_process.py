"""What a solve does to the process around it: signals, forks, threads."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gridcompute import transport
from instances import sites_by_hours

LONG = """
    import os, signal, sys, threading, time
    import numpy as np
    from gridcompute import kernel, transport

    @kernel
    def cost(job_work, slot_speed):
        total = job_work
        for k in range(500):
            total = total + (job_work * slot_speed + k) % 7.0
        return total

    r = np.random.default_rng(0)
    bound = cost.bind(jobs={"job_work": r.random(20_000)}, slots={"slot_speed": r.random(50)})
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job is started without
    print("ready", flush=True)
    try:
        transport(bound, np.full(50, 500))
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


def test_interrupt_during_a_long_solve():
    """If this fails, Ctrl-C is not served until a long solve has ended, or crashes it."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(LONG)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        threading.Event().wait(0.3)
        child.send_signal(signal.SIGINT)
        assert child.stdout.read() == "interrupted\n"
    assert child.returncode == 0


def test_fork_after_a_solve():
    """If this fails, a thread of ours outlives its call, and a forked child waits for it."""
    cost, capacity = sites_by_hours(3000, 20, 0)
    here = transport(cost, capacity, threads=2).objective
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, str(transport(cost, capacity, threads=2).objective).encode())
        os._exit(0)
    os.close(writing)
    assert int(os.read(reading, 100)) == here
    os.close(reading)
    assert os.waitpid(child, 0)[1] == 0


def test_no_thread_is_left_behind():
    """If this fails, each call leaks threads."""
    tasks = Path("/proc/self/task")
    if not tasks.is_dir():
        pytest.skip("no /proc here to count threads")
    cost, capacity = sites_by_hours(3000, 20, 0)
    transport(cost, capacity, threads=1)
    before = len([*tasks.iterdir()])
    transport(cost, capacity, threads=7).verify(threads=7)
    assert len([*tasks.iterdir()]) == before


def test_two_solves_at_once():
    """If this fails, solves share state, or hold the GIL through."""
    problems = [sites_by_hours(4000, 25, seed) for seed in range(4)]
    alone = [transport(*p) for p in problems]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda p: transport(*p, threads=2), problems))
    for a, b in zip(alone, together, strict=True):
        assert a.assignment.tobytes() == b.assignment.tobytes()
        assert a.objective == b.objective


def test_spawned_processes():
    """If this fails, matchings cannot be computed in a pool of processes."""
    cost, capacity = sites_by_hours(300, 8, 0)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (there,) = pool.starmap(_objective, [(cost, capacity)])
    assert there == transport(cost, capacity).objective


def _objective(cost, capacity):
    from gridcompute import transport as there

    return there(cost, capacity).objective
