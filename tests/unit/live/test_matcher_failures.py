"""Memory that runs out in the middle of a call: the call has changed nothing, or it has succeeded.

A library that is loaded before the C++ runtime lets the n-th allocation of the core fail. One child
process loads it and forks for each trial, so that a crash is the end of one trial alone. Each trial
compares all that can be read with what it was before the call, makes the call again, and compares
its outcome, and that of calls that follow, with a world in which nothing failed.

Run as a script under that library, it tries more: arguments are how many allocations of each call
(all, if they are fewer), a part of the name of the worlds, "pairs" for two failures, and calls.
"""

import ctypes
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import gridcompute as gc

SHIM = r"""
#include <atomic>
#include <cstdlib>
#include <dlfcn.h>
#include <new>
static std::atomic<long> count{0}, first{-1}, second{-1};
extern "C" void shim_arm(long n, long m) { count = 0, first = n, second = m; }
extern "C" long shim_disarm() { first = second = -1; return count; }
static bool fails() { const long k = count++; return k == first || k == second; }
static void* get(std::size_t n, std::size_t to) {
  void* p = nullptr;
  if (fails() || posix_memalign(&p, to < 16 ? 16 : to, n) != 0) throw std::bad_alloc();
  return p;
}
extern "C" void* aligned_alloc(std::size_t to, std::size_t n) {
  void* p = nullptr;
  return fails() || posix_memalign(&p, to, n) != 0 ? nullptr : p;
}
void* operator new(std::size_t n) { return get(n, 16); }
void* operator new[](std::size_t n) { return get(n, 16); }
void* operator new(std::size_t n, std::align_val_t to) { return get(n, std::size_t(to)); }
void* operator new[](std::size_t n, std::align_val_t to) { return get(n, std::size_t(to)); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
"""


class World:
    """A live problem of a kind, in the middle of its life; each has the same calls."""

    def __init__(self, kind, seed, n_jobs, n_slots):
        self.r, self.kind, self.n_slots = np.random.default_rng(seed), kind, n_slots
        self.tables = [self.r.random((5, n_slots)), self.r.random((1, n_slots))]
        capacity = np.full(n_slots, max(1, int(0.8 * n_jobs / n_slots)))
        terms = [(self.tables[0], "k", None), (self.tables[1], None, "c")]
        self.m = gc.Matcher(
            capacity,
            cost="row" if kind == "rows" else terms,
            unplaced="out",
            move_cost=0.0 if kind == "free" else 0.05,
            max_moves=3 if kind == "few moves" else None,
            threads=3 if kind == "threads" else 1,
        )
        self.names = 0
        self.m.add(self.jobs(n_jobs), self.ids(n_jobs))
        self.answers = []

    def ids(self, n):
        self.names += n
        if self.kind == "texts":
            return [f"job {k}" for k in range(self.names - n, self.names)]
        return np.arange(self.names - n, self.names) * 7

    def jobs(self, n):
        out = {"out": self.r.random(n) + 1.0}
        if self.kind == "rows":
            return out | {"row": self.r.random((n, self.m._n_slots))}
        return out | {"k": self.r.integers(0, 5, n), "c": self.r.random(n)}

    def settle(self):
        """Run some rounds, so that there is a move index, and change a little since the last."""
        self.match()
        self.change()
        self.match()
        self.change()

    def change(self):
        known = self.m.ids
        n = min(3, len(known))
        self.m.remove(known[: n // 2])
        self.m.update(known[len(known) - n + n // 2 :], self.jobs(n - n // 2))
        self.m.add(self.jobs(n), self.ids(n))

    def match(self, **options):
        self.answers = [self.m.match(**options)]

    def outcome(self):
        """All that the last answer and the world say."""
        said = []
        for a in self.answers:
            said += [a.status, a.objective, a.bound, a.exact, a.prices, a.load, a.ids, a.assignment]
            said += [a.question.unplaced, *a.changes.values()]
        m = self.m
        with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
            m.snapshot(Path(folder) / "s")
            stored = (Path(folder) / "s").read_bytes()
        said += [m.ids, m.capacity, m.prices, m.slot_of(m.ids), len(m), stored]
        return pickle.dumps([np.asarray(s).tolist() if hasattr(s, "dtype") else s for s in said])


SCRATCH = "/dev/shm" if Path("/dev/shm").is_dir() else None

# The calls that fail: each is made in a world that settled, some after changes of its own.
CALLS = {
    "add": lambda w: w.m.add(w.jobs(4), w.ids(4)),
    "add many": lambda w: w.m.add(w.jobs(1100), w.ids(1100)),
    "add dear": lambda w: w.m.add({**w.jobs(1), "out": [1e9]}, w.ids(1)),
    "update": lambda w: w.m.update(w.m.ids[1:6], w.jobs(len(w.m.ids[1:6]))),
    "remove": lambda w: w.m.remove(w.m.ids[1:6]),
    "pin": lambda w: w.m.pin([i for i in w.m.ids if w.m.slot_of(i) >= 0][:3]),
    "pin elsewhere": lambda w: w.m.pin(w.m.ids[1:4], [0, 1, -1][: len(w.m.ids[1:4])]),
    "set_capacity": lambda w: w.m.set_capacity([0, 2], [0, 9]),
    "set_table": lambda w: w.m.set_table(1, w.tables[1] * w.r.random((1, w.tables[1].shape[1]))),
    "add_slots": lambda w: w.m.add_slots([2, 1], more_slots(w, 2)),
    "remove_slots": lambda w: w.m.remove_slots([1]),
    "match": lambda w: w.match(),
    "match briefly": lambda w: w.match(work_limit=0.001),
    "snapshot": lambda w: w.outcome(),
    "quote": lambda w: w.m.quote(w.jobs(3)),
}

# What was done in a settled world before a round that fails.
BEFORE = {
    "warm": lambda w: None,
    "cold": lambda w: w.m.update(w.m.ids, w.jobs(len(w.m))),
    "table": lambda w: CALLS["set_table"](w),
    "classes": lambda w: CALLS["add_slots"](w),
    "closed": lambda w: (CALLS["pin"](w), w.m.remove_slots([1])),
    "less": lambda w: w.m.set_capacity([0, 2], [0, 1]),
    "dear": lambda w: CALLS["add dear"](w),
}


def more_slots(w, n):
    if w.kind == "rows":
        return [w.r.random((len(w.m), n))]
    w.tables = [np.hstack([t, w.r.random((len(t), n))]) for t in w.tables]
    return [t[:, -n:] for t in w.tables]


def prepared(world, before):
    w = World(*world)
    if before != "new":
        w.settle()
        BEFORE[before](w)
    return w


def follow(w):
    """What the world says after a call, and after later rounds."""
    said = [w.outcome()]
    for _ in range(2):
        w.match()
        assert w.answers[0].verify(threads=1).valid, w.answers[0].verify().reasons
        said.append(w.outcome())
        w.change()
    return said


def forked(work):
    """The result of a function in a fork, or the signal that ended it."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            said = work()
        except BaseException:  # reported
            said = traceback.format_exc()[-900:]
        with os.fdopen(write, "wb") as out:
            pickle.dump(said, out)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as out:
        blob = out.read()
    status = os.waitpid(pid, 0)[1]
    return pickle.loads(blob) if blob else f"SIGNAL {status & 127}"


def trial(w, call, failing, before, twin):
    """Make a call in which one allocation fails, or two, until it succeeds."""
    shim = ctypes.PyDLL(None)
    shim.shim_arm.argtypes = [ctypes.c_long, ctypes.c_long]
    state, names, tables, kept = w.r.bit_generator.state, w.names, list(w.tables), list(w.answers)
    for attempt in range(3):
        w.r.bit_generator.state, w.names, w.tables = state, names, list(tables)
        shim.shim_arm(*(failing if attempt < 2 else (-1, -1)))
        try:
            CALLS[call](w)
        except MemoryError:
            shim.shim_disarm()
            if w.answers and w.answers[0] is not kept[0]:
                return "answer replaced"
            if (attempt == 1 or failing[1] < 0) and w.outcome() != before:
                return f"changed: {difference(w.outcome(), before)}"
            continue
        finally:
            shim.shim_disarm()
        said = follow(w)
        for k, (a, b) in enumerate(zip(said, twin, strict=True)):
            if a != b:
                return f"differs in {k} after {attempt} failures: {difference(a, b)}"
        return "fine"  # the failure may have been borne: fewer threads, or a smaller buffer
    return "never succeeds"


def difference(a, b):
    pairs = enumerate(zip(pickle.loads(a), pickle.loads(b), strict=False))
    return str([(k, str(x)[:80], str(y)[:80]) for k, (x, y) in pairs if str(x) != str(y)][:2])


def allocations(w, call):
    shim = ctypes.PyDLL(None)
    shim.shim_arm.argtypes = [ctypes.c_long, ctypes.c_long]
    shim.shim_arm(-1, -1)
    CALLS[call](w)
    return shim.shim_disarm()


def sweep(world, before, call, most, pairs=False):
    w = prepared(world, before)
    was = forked(w.outcome)
    n = forked(lambda: allocations(w, call))
    twin = forked(lambda: (CALLS[call](w), follow(w))[1])
    assert isinstance(n, int), n
    assert isinstance(twin, list), twin
    tries = range(n) if n <= most else sorted({int(k) for k in np.linspace(0, n - 1, most)})
    found = Counter()
    r = np.random.default_rng(0)
    for k in tries:
        failing = (k, int(k + 1 + r.integers(0, 30))) if pairs else (k, -1)
        said = forked(lambda: trial(w, call, failing, was, twin))  # noqa: B023
        if said != "fine":
            said = f"{world}, {before}, {call}, allocation {failing}: {said}"
        found[said] += 1
    return found


def sweeps(most, only, calls, pairs):
    """Try allocations of these calls in every world whose name has `only` in it."""
    total = Counter()
    for world in (w for w in WORLDS if only in w[0]):
        for call in calls:
            rounds = [*BEFORE, "new"] if call == "match" or most > 10 else ["warm", "closed"]
            for before in rounds if call.startswith("match") else ["warm"]:
                if world[0] == "rows" and "table" in (before, call[-5:]):
                    continue  # there are no tables
                found = sweep(world, before, call, most, pairs)
                total += found
                if most > 10:
                    print(world, before, call, dict(found), flush=True)
    return total


WORLDS = [
    ("terms", 1, 40, 6), ("rows", 2, 30, 5), ("texts", 3, 20, 4), ("free", 4, 60, 3),
    ("few moves", 5, 60, 5), ("threads", 6, 400, 5), ("one job", 7, 1, 2), ("wide", 8, 90, 300),
    ("large", 9, 5000, 12),
]  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="libraries are loaded before others on Linux")
@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ to build the library with")
@pytest.mark.parametrize(
    ("only", "most", "calls"),
    [("terms", 3, []), ("few moves", 2, ["match"]), ("texts", 3, ["add", "update", "remove"])],
)
def test_a_call_that_is_short_of_memory_changes_nothing(only, most, calls, tmp_path):
    """If this fails, memory that runs out in a call loses moves, half an update, or the process."""
    (tmp_path / "shim.cpp").write_text(SHIM)
    shim = tmp_path / "shim.so"
    subprocess.run(["g++", "-shared", "-fPIC", "-o", shim, tmp_path / "shim.cpp"], check=True)
    done = subprocess.run(
        [sys.executable, __file__, str(most), only, "", *calls],
        env={**os.environ, "LD_PRELOAD": str(shim)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found.pop("fine", 0) > 0, found
    assert not found


if __name__ == "__main__":
    given = [*sys.argv[1:], *[str(10**9), "", ""][len(sys.argv) - 1 :]]
    most, only, pairs, *some = given
    print(json.dumps(sweeps(int(most), only, some or CALLS, pairs == "pairs")))


def test_a_call_of_gangs_that_failed_counts_for_no_round(monkeypatch):
    """Jobs that came back when `remove` failed counted as new: the next round began anew."""
    worlds = [
        gc.Matcher([9, 9], cost=[([[1.0, 2.0]], None, "w")], unplaced=9.0, demand="d")
        for _ in range(2)
    ]
    for world in worlds:
        world.add({"w": np.linspace(1, 2, 6), "d": [1, 2, 1, 2, 1, 2]})
        world.match()
        world.add({"w": [20.0], "d": [1]})  # left out
        world.match()

    def fail():
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(worlds[0], "_commit", fail)
        for _ in range(3):
            with pytest.raises(MemoryError):
                worlds[0].remove([5, 6])
    stats = [world.match().stats for world in worlds]
    assert [s["jobs_queued"] for s in stats] == [0, 0], stats
    assert stats[0]["why"] == stats[1]["why"], stats
