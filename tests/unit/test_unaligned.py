"""Numbers that lie across words, as in packed records and buffers: read like all others."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import gridcompute as gc

INTEGERS = ["i4", "u8", "i8", "u4", "i2", "u2", "i1", "u1"]
COST = np.array([[4, 1, 3], [2, 0, 5], [3, 2, 2]])
Shift = Callable[[Any], Any]


def across_words(values):
    """The values one byte behind a word: contiguous, of their dtype, and not aligned."""
    array = np.asarray(values)
    memory = np.zeros(array.nbytes + 1, np.uint8)[1:]
    out = memory.view(array.dtype).reshape(array.shape)
    out[...] = array
    assert out.flags.c_contiguous
    assert out.flags.aligned is (array.dtype.alignment == 1)
    return out


def in_a_record(values):
    """The values as a field of a packed record, as read from a binary file."""
    array = np.asarray(values)
    record = np.zeros(1, [("flag", "u1"), ("field", array.dtype, array.shape)])
    record["field"][0] = array
    return record["field"][0]


def in_records(values):
    """The rows as a field of packed records."""
    array = np.asarray(values)
    if array.ndim == 0:
        return in_a_record(array)
    records = np.zeros(len(array), [("flag", "u1"), ("field", array.dtype, array.shape[1:])])
    records["field"] = array
    return records["field"]


def sparse(a, dtype):
    full = sp.csr_array(COST.astype(dtype) + 1)
    full.data, full.indices, full.indptr = a(full.data), a(full.indices), a(full.indptr)
    return full


@gc.kernel
def formula(job_work, slot_speed):
    return job_work * slot_speed


def world(a, dtype):
    found = gc.Matcher(
        a(np.array([1, 2], dtype)), cost=[(a(np.array([[1.0, 2.0]])), "kind", "work")], unplaced=9.0
    )
    found.add(
        {"kind": a(np.zeros(3, dtype)), "work": a(np.array([1.0, 3.0, 2.0]))},
        ids=a(np.array([5, 4, 3], dtype)),
    )
    found.set_capacity(a(np.array([1], dtype)), a(np.array([1], dtype)))
    found.match()
    return found.slot_of(a(np.array([3, 4, 5], dtype)))


def packed(a, dtype):
    nodes = {
        "cpu_milli": a(np.full(2, 100, dtype)),
        "memory_mib": a(np.full(2, 90, dtype)),
        "gpu": a(np.full(2, 2, dtype)),
        "model": ["T4", "T4"],
    }
    ones = a(np.ones(3, dtype))
    pods = {"cpu_milli": ones, "memory_mib": ones, "num_gpu": ones}
    packer = gc.pack.Packer(nodes, mix=pods, ranks=a(np.array([1, 0], dtype)))
    placed = packer.place(pods)
    packer.release(a(placed.ids[:1].astype(dtype)))
    return np.concatenate([placed.node, packer.free["gpu"]])


def shifted_in_time(a, dtype):
    values = [a(np.array(v, dtype)) for v in ([0, 0], [1, 2], [1, 1], [2, 2])]
    jobs = dict(zip(("arrival_h", "hours", "slots", "window_h"), values, strict=True))
    signal = gc.forecast.Signal(a(np.array([3.0, 1.0, 2.0, 9.0])), "2024-01-01")
    return gc.timeshift.replay(jobs, signal, slots=1, starts=[0]).costs


def replayed(a, dtype):
    trace = gc.traces.Trace(
        a(np.array([0.0, 1.0])), a(np.array([5.0, 5.0])), a(np.ones((2, 1))), a(np.ones(2, dtype))
    )
    return gc.replay(trace, gc.traces.Cluster(a(np.array([1], dtype))), "fifo", round_s=0).end_s


CALLS = {
    "linear_sum_assignment": lambda a, d: gc.linear_sum_assignment(a(COST.astype(d))),
    "linear_sum_assignment, sparse": lambda a, d: gc.linear_sum_assignment(sparse(a, d)),
    "linear_sum_assignment_batch": lambda a, d: gc.linear_sum_assignment_batch(
        a(np.stack([COST, COST.T]).astype(d))
    ),
    "assignment": lambda a, d: gc.assignment(a(COST.astype(d))).row_duals,
    "transport": lambda a, d: (
        gc.transport(
            a(COST.astype(d)),
            a(np.ones(3, "u8")),
            unplaced=a(np.full(3, 9.0)),
            prices=a(np.zeros(3)),
        ).assignment
    ),
    "transport, sparse": lambda a, d: gc.transport(sparse(a, d), [1, 1, 1]).assignment,
    "transport, counts": lambda a, d: (
        gc.transport(
            COST, a(np.full(3, 2).astype(d)), demand=a(np.array([2, 1, 2]).astype(d))
        ).assignment
    ),
    "terms": lambda a, d: (
        gc.transport(
            gc.Terms(
                [(a(COST.astype(float)), a(np.array([2, 0, 1], d)), a(np.array([1.0, 2, 3])))]
            ),
            [1, 1, 1],
        ).assignment
    ),
    "kernel": lambda a, d: (
        gc.transport(
            formula.bind(
                jobs={"job_work": a(np.array([3, 1, 2], d))},
                slots={"slot_speed": a(np.array([1.5, 1.0]))},
            ),
            [1, 2],
        ).assignment
    ),
    "min_cost_flow": lambda a, d: (
        gc.min_cost_flow(
            *(a(np.array(v, d)) for v in ([0, 0, 1], [1, 2, 2], [3, 2, 9], [1, 4, 1])),
            a(np.array([4, 0, -4])),
            lower=a(np.array([0, 1, 0], d)),
        ).flow
    ),
    "Matcher": world,
    "Packer": packed,
    "divide": lambda a, d: (
        gc.fair.divide(
            11, guarantee=a(np.array([2, 2], d)), request=a(np.array([9, 9], d)), weight=[1, 4]
        ).share
    ),
    "leximin": lambda a, d: (
        gc.fair.leximin(
            a(np.array([[1, 0], [1, 1]], d)), a(np.array([4, 9], d)), a(np.array([8, 8], d))
        ).share
    ),
    "dominant": lambda a, d: (
        gc.fair.dominant(a(np.array([[1, 4], [3, 1]], d)), a(np.array([9, 18], d))).tasks
    ),
    "rolling.replay": shifted_in_time,
    "traces.replay": replayed,
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("shift", [across_words, in_a_record, in_records])
def test_numbers_across_words_are_read(name, shift):
    """If this fails, an array from a packed record is refused, or read where it is not."""
    real = ["f2", "f4", "f8"] if "assignment" in name or name in ("transport", "divide") else []
    kinds = INTEGERS[:2] if name == "kernel" else INTEGERS  # each is compiled
    for dtype in kinds + real:
        if dtype == "f2" and "sparse" in name:  # scipy has none
            continue
        found, expected = CALLS[name](shift, dtype), CALLS[name](np.asarray, dtype)
        same = np.array_equal(np.asarray(found), np.asarray(expected))
        assert same, (name, dtype, found, expected)
