"""Snapshots whose checksum is right and whose content is not; and where a snapshot is written."""

import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from effort import examples
from gridcompute import InvalidProblemError, Matcher, kernel

WORLDS = """
    import hashlib, itertools, os, sys, tempfile
    from pathlib import Path

    import numpy as np
    from gridcompute import InvalidProblemError, Matcher, kernel
    from gridcompute import _snapshot as snapshots

    os.fsync = lambda _: None  # thousands of files that nobody needs after a power cut

    @kernel
    def formula(job_k, job_c, slot_a, slot_b, rate):
        return slot_a * job_c + slot_b * (job_k + 1.0) + rate[0]

    r = np.random.default_rng(5)
    first, second = r.integers(0, 9, (3, 4)).astype(float), r.random((1, 4))
    first[0, 1], ROOM = np.inf, [2, 3, 1, 2]
    JOBS = {"k": r.integers(0, 3, 9), "c": r.random(9), "u": np.r_[np.inf, r.random(8) + 9]}

    def terms(ids=None):
        cost = [(first, "k", None), (second, None, "c")]
        world = Matcher(ROOM, cost=cost, unplaced="u", move_cost=0.5, max_moves=7, threads=1)
        world.add(JOBS, ids)
        return world

    def rows():
        far = {"seed": 2**64 - 1, "threads": 1}
        world = Matcher(ROOM, cost="row", unplaced=20.0, move_cost="m", **far)
        world.add({"row": first[JOBS["k"]] + second * JOBS["c"][:, None], "m": JOBS["c"]})
        return world

    def kernels():
        cost = formula.bind(slots={"slot_a": second[0], "slot_b": first[2]}, rate=np.array([0.5]))
        world = Matcher(ROOM, cost=cost, unplaced=20.0, threads=1)
        world.add({"job_k": JOBS["k"], "job_c": JOBS["c"]})
        return world

    def used(world):
        # Placed, pinned, a class closed and another of less room than jobs.
        world.match()
        ids = world.ids
        world.pin([i for i, s in zip(ids, world.match().assignment) if s >= 0][:3])
        world.remove_slots([3])
        world.remove(ids[-1:])
        world.set_capacity([0], [1])
        return world

    names = [f"job {k}" for k in range(9)]
    MADE = {"terms": terms, "named": lambda: terms(names), "rows": rows, "kernels": kernels}
    code = formula if sys.argv[1] == "kernels" else None
    path = Path(tempfile.mkdtemp()) / "world"
    used(MADE[sys.argv[1]]()).snapshot(path)
    whole = path.read_bytes()
    counts = {"refused": 0, "taken": 0}

    def attempt(what):
        # Either a clear error, or a world in which all invariants hold and rounds end.
        try:
            world = Matcher.restore(path, kernel=code)
        except InvalidProblemError as error:
            assert str(path) in str(error), (what, error)
            counts["refused"] += 1
            return
        except BaseException as error:
            raise AssertionError(f"{what}: {error!r}") from error
        counts["taken"] += 1
        try:
            assert world._native.holds(), what
            for limit in (0.0, None):
                m = world.match(time_limit=limit)
                assert world._native.holds(), what
                if m.status == "optimal":
                    assert m.verify().valid, (what, m.verify())
            world.snapshot(path)
            again = Matcher.restore(path, kernel=code)
            assert again.match().objective == world.match().objective, what
        except BaseException as error:
            raise AssertionError(f"{what}: {error!r}") from error
"""

FIELDS = """
    meta, arrays = snapshots.read(path, "Matcher")

    def odd_arrays(a):
        yield None
        yield a[:-1]
        yield np.concatenate([a, a[-1:]])
        yield a[:0]
        yield a[None]
        yield a.astype(object).astype(str).astype("U") if a.size else a
        kinds = (np.bool_, np.int8, np.int32, np.int64, np.uint64, np.float32, np.float64)
        for dtype in kinds if code is None else kinds[:1]:  # a formula is compiled for each
            with np.errstate(all="ignore"):
                yield a.astype(dtype)
        yield a.byteswap().view(a.dtype.newbyteorder())
        yield np.zeros_like(a)
        yield a[::-1].copy()
        values = [0, 1] if a.dtype == bool else [-1, 0, 1, 2, 3, 4, 9, 1000, 2**31 - 1, -(2**31)]
        if a.dtype == np.int64:
            values += [2**62, 2**63 - 1, -(2**63)]
        if a.dtype.kind == "f":
            values = [np.nan, np.inf, -np.inf, -0.0, -1.0, 5e-324, 1e300, 1.7e308, -1e300, 2.0**62]
        step = int(sys.argv[2])  # each kind of world has its own part of them
        pairs = itertools.product(values, range(a.size))
        first = list(MADE).index(sys.argv[1]) % step
        for value, place in itertools.islice(pairs, first, None, step):
            b = a.copy()
            b.flat[place] = value
            yield b

    def odd_values(v):
        yield from (None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, -(2**63), 10**400, 0.5, -2.0)
        yield from (5e-324, 1e300, float("nan"), float("inf"), "", "x", "1e400", "nan", "-1", [])
        yield {}
        yield from ([None], ["x"], [1], {"x": 1}, [[None, None]], [["k", "k"]])
        if isinstance(v, dict):
            for name in v:
                yield {k: w for k, w in v.items() if k != name}
                for w in odd_values(v[name]):
                    yield v | {name: w}
            yield v | {"more": 1}
        if isinstance(v, list):
            yield v[:-1]
            yield v + v[-1:]
            for k in range(len(v)):
                for w in odd_values(v[k]) if isinstance(v[k], list) else (None, 3, "", "u", ["x"]):
                    yield [*v[:k], w, *v[k + 1 :]]

    for name, array in arrays.items():
        for k, odd in enumerate(odd_arrays(array)):
            rest = {n: a for n, a in arrays.items() if n != name}
            snapshots.write(path, "Matcher", meta, rest if odd is None else rest | {name: odd})
            attempt(f"array {name}, odd {k}: {odd!r}")
    snapshots.write(path, "Matcher", meta, arrays | {"more": np.zeros(3)})
    attempt("one array more")
    for name, value in meta.items():
        snapshots.write(path, "Matcher", {n: v for n, v in meta.items() if n != name}, arrays)
        attempt(f"without {name}")
        for odd in odd_values(value):
            snapshots.write(path, "Matcher", meta | {name: odd}, arrays)
            attempt(f"{name} = {odd!r}")
    print(counts)
    assert counts["refused"] > 100 and counts["taken"] > 10, counts
"""

BYTES = """
    head, body = whole[:24], whole[64:]
    turn = np.random.default_rng(int(sys.argv[2]))
    for k in range(int(sys.argv[3])):
        data = bytearray(body)
        for _ in range(int(turn.choice([1, 1, 2, 8]))):
            at = int(turn.integers(0, len(data)))
            data[at] = int(turn.choice([0, 1, 255, data[at] ^ (1 << int(turn.integers(0, 8)))]))
        if k % 10 == 9:
            cut = int(turn.integers(0, len(data)))
            data = data[:cut] + data[cut + int(turn.integers(1, 40)) :]
        data = bytes(data)
        sums = len(data).to_bytes(8, "little") + hashlib.sha256(data).digest()
        path.write_bytes(head + sums + data)
        attempt(f"bytes {sys.argv[2]}, number {k}")
    for text in (b"", b"[]", b"[" * 100_000, b"{", b"nan", b'"x"', b"\\xff"):
        meta = np.frombuffer(text, np.uint8)
        snapshots.json.dumps, kept = lambda _: text.decode("latin-1"), snapshots.json.dumps
        snapshots.write(path, "Matcher", {}, {})
        snapshots.json.dumps = kept
        attempt(f"JSON {text[:20]}")
    print(counts)
    assert counts["refused"] > 100, counts
"""


def run(code, *arguments):
    """In a process of its own, where what kills a process is a failed test."""
    text = textwrap.dedent(WORLDS) + textwrap.dedent(code)
    command = [sys.executable, "-X", "faulthandler", "-c", text, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr[-3000:]}"


@pytest.mark.parametrize("kind", ["terms", "named", "rows", "kernels"])
def test_no_field_of_a_snapshot_is_believed(kind):
    """If this fails, a snapshot with a right checksum writes outside the heap, or is a wrong world.

    Each array and each entry of the JSON in turn is dropped, cut, of another type, or out of range.
    """
    run(FIELDS, kind, str(examples(4, 1)))


@pytest.mark.parametrize("kind", ["terms", "named", "rows"])
def test_no_byte_of_a_snapshot_is_believed(kind):
    """If this fails, a byte changed under a right checksum ends a process or is a wrong world."""
    run(BYTES, kind, "7", str(examples(500, 20_000)))


def small():
    """Two classes of one slot, two jobs."""
    world = Matcher([1, 1], cost=[([[1.0, 2.0]], None, "w")], unplaced=10.0)
    world.add({"w": [3.0, 5.0]})
    world.match()
    return world


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this platform")
def test_a_snapshot_replaces_regular_files_alone(tmp_path):
    """If this fails, a wrong path turns a device or a pipe into a file, or a read never ends."""
    world = small()
    pipe, folder = tmp_path / "pipe", tmp_path / "folder"
    os.mkfifo(pipe)
    folder.mkdir()
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for target, kind in ((pipe, "pipe"), (folder, "folder"), (loop, "link")):
        before = target.lstat()
        with pytest.raises(OSError, match=kind):
            world.snapshot(target)
        after = target.lstat()
        assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    with pytest.raises(OSError, match="device"):
        world.snapshot("/dev/null")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    for source in (pipe, Path("/dev/null"), Path("/dev/zero")):
        with pytest.raises(InvalidProblemError, match="regular file"):
            Matcher.restore(source)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "loop", "pipe"]


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links on this platform")
def test_a_link_is_followed_and_stays(tmp_path):
    """If this fails, a link to another disk becomes a file on this one, or loses its target."""
    (tmp_path / "disk").mkdir()
    for name, target in (("there", "disk/world"), ("new", "disk/other")):
        (tmp_path / name).symlink_to(target)
    (tmp_path / "disk" / "world").write_bytes(b"old")
    (tmp_path / "disk" / "world").chmod(0o640)
    world = small()
    for name in ("there", "new"):
        world.snapshot(tmp_path / name)
        assert (tmp_path / name).is_symlink()
        assert Matcher.restore(tmp_path / name).match().objective == world.match().objective
    modes = [stat.S_IMODE((tmp_path / "disk" / n).stat().st_mode) for n in ("world", "other")]
    assert modes == [0o640, 0o600]
    assert sorted(p.name for p in (tmp_path / "disk").iterdir()) == ["other", "world"]


KILLED = """
    import sys
    import numpy as np
    from gridcompute import Matcher

    world = Matcher([1] * 50, cost="row", unplaced=9.0)
    world.add(np.random.default_rng(0).random((20_000, 50)))
    print("begun", flush=True)
    while True:
        world.snapshot(sys.argv[1])
"""


@pytest.mark.skipif(os.name != "posix", reason="no kill -9 here")
def test_what_a_killed_process_left_is_gone_after_the_next_snapshot(tmp_path):
    """If this fails, each kill -9 leaves a file as large as the world, until the disk is full.

    What another process is writing at that moment is left to it.
    """
    command = [sys.executable, "-c", textwrap.dedent(KILLED)]

    def start(path):
        child = subprocess.Popen([*command, str(path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        return child

    def beside():
        return [p.name for p in tmp_path.iterdir() if not p.name.startswith("world")]

    left = False
    for turn in range(40):
        child = start(tmp_path / "world")
        deadline = time.monotonic() + 20
        while not beside() and time.monotonic() < deadline:
            time.sleep(0.0005 * turn)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert child.stdout is not None
        child.stdout.close()
        left = bool(beside())
        if left:
            break
    assert left, "no kill came during a write"
    other = start(tmp_path / "world of another")
    try:
        for _ in range(5):
            small().snapshot(tmp_path / "world")
            small().snapshot(tmp_path / "world of a third")
        assert other.poll() is None, "a write beside it failed"
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    small().snapshot(tmp_path / "world")
    assert beside() == []
    assert Matcher.restore(tmp_path / "world").match().objective == small().match().objective


@kernel
def rated(job_k, slot_a, rate):
    """A cost that reads a shared array."""
    return slot_a + rate[job_k]


def test_a_shared_array_keeps_the_shape_that_the_formula_indexes():
    """If this fails, set_table makes a compiled formula read outside its array."""
    bound = rated.bind(slots={"slot_a": np.array([1.0, 2.0])}, rate=np.array([0.0, 5.0]))
    world = Matcher([1, 1], cost=bound, unplaced=50.0)
    world.add({"job_k": [0, 1]})
    before = world.match().objective
    with pytest.raises(InvalidProblemError, match="shape"):
        world.set_table("rate", np.array([0.0]))
    assert world.match().objective == before
    world.set_table("rate", np.array([1.0, 5.0]))
    assert world.match().objective == before + 1
