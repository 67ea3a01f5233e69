"""Assignments stopped by anything at any shape; in child processes, so that a crash fails."""

import math
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp

import gridcompute as gc

SHAPES = [
    (0, 0),
    (0, 3),
    (3, 0),
    (1, 1),
    (4, 2),
    (2, 4),
    (64, 65),
    (129, 127),
    (300, 200),
    (200, 300),
]

PRELUDE = """
import faulthandler, itertools, os, resource, signal, sys, threading
import numpy as np
import scipy.sparse as sp
import gridcompute as gc

SHAPES = [(4, 2), (2, 4), (64, 65), (65, 64), (129, 127), (300, 200), (310, 310), (800, 760)]
DTYPES = (np.int8, np.int64, np.float32, np.float64)

def matrices(shapes=SHAPES, dtypes=DTYPES):
    for n, m in shapes:
        for dtype in dtypes:
            cost = (100 * np.random.default_rng(n + m).random((n, m))).astype(dtype)
            yield cost, cost
            i, j = np.nonzero(np.random.default_rng(m).random((n, m)) < 0.5)
            yield cost, sp.csr_array((cost[i, j], (i, j)), shape=(n, m))

faulthandler.enable()

def judge(answer, n, m):
    assert answer.assignment.shape == (n,) and answer.assignment.dtype == np.int32
    assert answer.row_duals.shape == (n,) and answer.col_duals.shape == (m,)
    assert answer.status in ("optimal", "infeasible") or (answer.assignment == -1).all()
    assert answer.verify().valid == (answer.status in ("optimal", "infeasible"))
"""


def in_child(code):
    """Run code behind the prelude in a process of its own; it must come to its end."""
    child = subprocess.run(
        [sys.executable, "-c", PRELUDE + code], capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, f"died of {child.returncode}: {child.stderr[-2000:]}"


def test_time_limits_end_every_shape():
    """If this fails, a tall matrix whose time is up reads an assignment that is not there."""
    in_child("""
for cost, matrix in matrices():
    for maximize, limit in itertools.product((False, True), (0.0, 1e-9, 1e-3, 1e-2)):
        answer = gc.assignment(matrix, maximize=maximize, time_limit=limit)
        assert answer.status in ("optimal", "infeasible", "time_limit"), (answer.status, limit)
        judge(answer, *cost.shape)
""")


def test_a_hook_stops_or_raises_at_any_of_its_calls():
    """If this fails, a progress hook that says stop, or raises, kills the process."""
    in_child("""
class Enough(Exception):
    pass

for cost, matrix in matrices([(900, 700), (700, 900), (4, 2)], (np.int64, np.float64)):
    for call in (1, 2, 3):
        for raises in (False, True):
            seen = []
            def hook(progress):
                seen.append(progress)
                if len(seen) == call and raises:
                    raise Enough
                return len(seen) == call
            try:
                answer = gc.assignment(matrix, progress=hook)
            except Enough:
                assert raises and len(seen) == call
                continue
            judge(answer, *cost.shape)
            assert (answer.status == "stopped") == (len(seen) == call), (answer.status, len(seen))
            assert all(0 <= p.done <= 1 for p in seen)
""")


@pytest.mark.parametrize(
    "call", ["linear_sum_assignment", "assignment", "linear_sum_assignment_batch"]
)
def test_an_interrupt_is_raised_and_nothing_dies(call):
    """If this fails, Ctrl-C in a call on a tall matrix is a segmentation fault."""
    in_child(f"""
def interrupt(*_):
    raise KeyboardInterrupt

gc.{call}(np.zeros((1, 2, 2) if "batch" in {call!r} else (2, 2)))  # load the core
signal.signal(signal.SIGALRM, interrupt)
raised = 0
for n, m in ((1500, 1200), (1200, 1500), (1300, 1300)):
    cost = np.random.default_rng(n).random((n, m)) + np.arange(m) % 7
    for matrix in (cost, sp.csr_array(cost), np.stack([cost, cost])):
        if ({call!r} == "linear_sum_assignment_batch") != (matrix.ndim == 3):
            continue
        for delay in (1e-3, 4e-3, 16e-3):
            try:
                signal.setitimer(signal.ITIMER_REAL, delay)
                gc.{call}(matrix)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                raised += 1
assert raised > 0
""")


@pytest.mark.parametrize(("count", "tall"), [(1, True), (2, False)])
def test_an_interrupt_is_served_inside_a_matrix_of_a_batch(count, tall):
    """If this fails, Ctrl-C waits for the end of a large matrix: its process has no time for that.

    With two matrices the small one ends first, and its thread is the one that hears of signals.
    """
    in_child(f"""
def interrupt(*_):
    raise KeyboardInterrupt

resource.setrlimit(resource.RLIMIT_CPU, (20, 20))  # the large matrix takes a minute
r = np.random.default_rng(0)
cost = np.outer(r.random(3000), r.random(3300))
stack = np.stack([np.eye(3000, 3300), cost][-{count}:])
stack = np.ascontiguousarray(stack.transpose(0, 2, 1)) if {tall} else stack
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.5, 0.5)
try:
    gc.linear_sum_assignment_batch(stack, threads=2)
except KeyboardInterrupt:
    os._exit(0)
os._exit(3)
""")


def test_threads_with_small_stacks_solve_small_matrices():
    """If this fails, a solve of any size puts a hundred kilobytes on the stack of its thread."""
    in_child("""
threading.stack_size(64 << 10)
failed = []

def solve():
    try:
        r = np.random.default_rng(0)
        for n in (2, 8, 24, 32, 40, 200):
            for dtype in (np.int32, np.int64, np.float64):
                for cost in (r.random((n, n)), r.random((n, n + 3)), r.random((n + 3, n))):
                    gc.linear_sum_assignment((1000 * cost).astype(dtype))
                    gc.linear_sum_assignment_batch((1000 * cost).astype(dtype)[None])
    except BaseException as error:
        failed.append(error)

thread = threading.Thread(target=solve)
thread.start()
thread.join()
assert not failed, failed
""")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("maximize", [False, True])
def test_a_stopped_answer_says_that_it_knows_nothing(shape, maximize):
    """If this fails, an answer without an assignment claims a bound, or has other shapes."""
    cost = np.random.default_rng(1).random(shape)
    for matrix in (cost, cost.astype(np.int32), sp.csr_array(cost)):
        late = gc.assignment(matrix, maximize=maximize, time_limit=0.0)
        if late.status != "time_limit":  # nothing to do, or done at the first look
            assert late.status == "optimal"
            continue
        worst = -math.inf if maximize else math.inf
        assert (late.objective, late.bound, late.exact) == (worst, -worst, False)
        assert late.assignment.tolist() == [-1] * shape[0]
        assert late.row_duals.tolist() == [0] * shape[0]
        assert late.col_duals.tolist() == [0] * shape[1]
        assert late.row_duals.dtype == (np.int64 if matrix.dtype.kind == "i" else np.float64)
        assert late.witness is None
        assert len(late.pairs()[0]) == len(late.pairs()[1]) == 0
        assert not late.verify().valid


def test_matrices_without_entries_have_empty_optima():
    """If this fails, a matrix of no rows kills the process, or has no proof."""
    in_child("""
SHAPES = (0, 0), (0, 3), (3, 0), (0, 200), (200, 0)
KINDS = "bool", "int8", "uint64", "int64", "float16", "float64"
STOPS = {}, {"time_limit": 0.0}, {"threads": 3}, {"progress": lambda p: True}

def empty(shape, kind):
    cost = np.zeros(shape, kind)
    for matrix in [cost] if kind == "float16" else [cost, sp.csr_array(cost), sp.coo_array(cost)]:
        for maximize, options in itertools.product((False, True), STOPS):
            answer = gc.assignment(matrix, maximize=maximize, **options)
            assert answer.status == "optimal" and answer.exact
            assert answer.objective == answer.bound == 0
            assert answer.verify().valid
            judge(answer, *cost.shape)
            assert answer.row_duals.tolist() == [0] * cost.shape[0]
            assert answer.col_duals.tolist() == [0] * cost.shape[1]
            rows, cols = gc.linear_sum_assignment(matrix, maximize)
            assert rows.shape == cols.shape == (0,)
    rows, cols = gc.linear_sum_assignment_batch(np.stack([cost, cost]))
    assert rows.shape == cols.shape == (2, 0)

for case in itertools.product(SHAPES, KINDS):
    print(case, file=sys.stderr, flush=True)  # the last one is where a process has died
    empty(*case)
""")
