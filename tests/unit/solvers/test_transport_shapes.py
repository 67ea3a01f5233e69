"""Every shape with an empty side, in a process of its own: a crash is a failed test."""

import subprocess
import sys

import pytest

SHAPES = """
import numpy as np, scipy.sparse
from gridcompute import InvalidProblemError, Terms, kernel, transport

@kernel
def ones(job_a, slot_b):
    return job_a + slot_b

def sources(n, s):
    for dtype in (np.int32, np.int64, np.float32, np.float64, np.int8, np.uint16):
        yield str(dtype), np.ones((n, s), dtype)
    for dtype in (np.int64, np.float64):
        yield "csr", scipy.sparse.csr_array((n, s), dtype=dtype)
    yield "terms", Terms([(np.ones((1, s)), None, np.ones(n))])
    yield "kernel", ones.bind(jobs={"job_a": np.ones(n)}, slots={"slot_b": np.ones(s)})

for n, s in SIDES:
    for name, cost in sources(n, s):
        for unplaced in (None, 2, 2.5, np.full(n, 3.0)):
            for options in ({}, {"method": "exact"}, {"method": "auction"}, {"time_limit": 0},
                            {"time_limit": 1e-4}, {"gap": 0.1}, {"prices": np.zeros(s)},
                            {"demand": np.full(n, 2)}, {"resolution": 4.0}):
                where = (n, s, name, unplaced is None, options)
                m = transport(cost, np.ones(s, np.int64), unplaced=unplaced, **options)
                assert m.assignment.shape == (n,) and m.load.shape == (s,), where
                assert m.verify().valid, (where, m, m.verify())
                if n == 0:
                    assert m.objective == 0 or m.status != "optimal", where
                elif s == 0 and unplaced is None:
                    assert m.status in ("infeasible", "time_limit", "stopped"), (where, m)
                elif s == 0 and m.status != "time_limit":
                    assert (m.assignment == -1).all(), (where, m)
print("done")
"""


def run(script):
    """In a child, so that a division by zero or a segfault is its exit status."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    assert done.stdout.endswith("done\n")


@pytest.mark.parametrize(
    "sides",
    [
        [(n, 0) for n in (0, 1, 2, 63, 64, 65, 127, 128, 129, 200, 300)],
        [(0, s) for s in (1, 2, 65, 200)],
    ],
)
def test_a_side_of_zero_does_not_kill_the_process(sides):
    """If this fails, `transport(np.empty((200, 0)), [])` divides by the number of classes."""
    run(SHAPES.replace("SIDES", repr(sides)))


def test_more_jobs_than_positions_are_refused():
    """If this fails, a side beyond 2**31 wraps an int32."""
    run(
        """
import numpy as np, pytest
from gridcompute import InvalidProblemError, transport
with pytest.raises(InvalidProblemError, match=r"cost: found 2147483653 jobs, needed fewer than"):
    transport(np.empty((2**31 + 5, 0)), [])
print("done")
"""
    )
