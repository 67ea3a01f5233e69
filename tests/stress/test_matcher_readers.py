"""Threads that read the answers of a live matcher while others change it and run rounds."""

import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

from gridcompute import Matcher, kernel


@kernel
def formula(job_k, slot_a, slot_b):
    """A cost of two slot columns."""
    return slot_a * (1.0 + job_k) + slot_b


def worlds():
    """A world of each kind of costs, and how to make columns of n jobs of it."""
    r = np.random.default_rng(0)
    first = r.random((8, 6))
    room = [40] * 6
    bound = formula.bind(slots={"slot_a": first[0], "slot_b": first[1]})
    return {
        "terms": (
            Matcher(room, cost=[(first, "k", None)], unplaced="u", move_cost=0.01),
            lambda q, n: {"k": q.integers(0, 8, n), "u": q.random(n) + 1},
        ),
        "rows": (Matcher(room, cost="row", unplaced=2.0), lambda q, n: {"row": q.random((n, 6))}),
        "kernel": (
            Matcher(room, cost=bound, unplaced=9.0),
            lambda q, n: {"job_k": q.integers(0, 8, n)},
        ),
    }


@pytest.mark.parametrize("kind", ["terms", "rows", "kernel"])
def test_what_readers_get_beside_writers_is_the_answer_of_its_round(kind):
    """If this fails, a dashboard reads arrays of jobs that are gone, or of another round.

    Each answer read, the latest or an earlier one, must belong to its round: of the length and the
    load that the round reported, and valid.
    """
    world, columns = worlds()[kind]
    latest = []
    stop, wrong = threading.Event(), []
    counts = {"read": 0}
    q = np.random.default_rng(1)
    world.add(columns(q, 200))
    latest.append((world.match(), len(world)))

    def read(turn):
        while not stop.is_set():
            m, n = latest[-1] if turn < 2 else latest[len(latest) // 2]
            try:
                part = turn % 4
                if part == 0:
                    load = np.bincount(m.assignment[m.assignment >= 0], minlength=6)
                    if len(m.assignment) != n or not np.array_equal(load, m.load):
                        wrong.append(("assignment", len(m.assignment), n, load, m.load))
                elif part == 1 and len(set(m.ids)) != n:
                    wrong.append(("ids", len(m.ids), n))
                elif part == 2 and not (found := m.verify(threads=1)).valid:
                    wrong.append(("verify", found))
                elif part == 3 and n and m.question.n_jobs != n:
                    wrong.append(("question", m.question.n_jobs, n))
                counts["read"] += 1
            except BaseException as error:
                wrong.append(error)

    readers = [threading.Thread(target=read, args=(k,)) for k in range(4)]
    old = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for reader in readers:
            reader.start()
        for turn in range(120):
            n = int(q.integers(0, 30))
            world.remove(world.ids[:n])
            world.add(columns(q, n + turn % 3))
            some = world.ids[:5]
            world.update(some, columns(q, len(some)))
            world.set_capacity([turn % 6], [int(q.integers(20, 60))])
            m = world.match(time_limit=0.0 if turn % 10 == 9 else None)
            latest.append((m, len(world)))
            if turn % 7 == 0:
                assert m.question.n_jobs == len(world)
                assert m.verify().valid
    finally:
        stop.set()
        for reader in readers:
            reader.join()
        sys.setswitchinterval(old)
    assert not wrong, f"{len(wrong)} wrong, e.g. {wrong[:3]}, of {counts}"
    assert counts["read"] > 0
    assert world._native.holds()


def test_what_was_read_once_stays():
    """If this fails, an answer kept by a service changes under it when the world goes on."""
    for kind, (world, columns) in worlds().items():
        q = np.random.default_rng(2)
        world.add(columns(q, 50))
        m = world.match()
        kept = (m.assignment.copy(), m.ids, m.verify(), m.explain(3).text)
        world.remove(world.ids[:20])
        world.add(columns(q, 70))
        unread = world.match()
        same, ids = world.match().assignment.copy(), world.ids
        world.update(ids, columns(q, len(ids)))
        world.match()
        assert np.array_equal(m.assignment, kept[0]), kind
        assert (m.ids, m.verify(), m.explain(3).text) == kept[1:], kind
        with pytest.raises(ValueError, match="read-only"):
            m.assignment[0] = 0
        assert np.array_equal(unread.assignment, same), kind
        assert unread.ids == ids, kind
        assert unread.verify().valid, kind


def test_a_hook_that_uses_its_own_matcher_gets_an_error_and_no_deadlock():
    """If this fails, a hook that reads the last answer or uses its matcher hangs the service."""
    world, columns = worlds()["terms"]
    q = np.random.default_rng(3)
    world.add(columns(q, 2000))
    last = world.match()
    world.add(columns(q, 2000))
    said = []
    read = []

    def hook(_):
        read.append(last.assignment.copy())
        for use in (lambda: world.ids, lambda: world.remove([0])):
            try:
                use()
            except RuntimeError as error:
                said.append(str(error))
        return False

    m = world.match(progress=hook)
    assert len(said) == 2 * len(read)
    assert all("progress hook" in text for text in said)
    assert all(np.array_equal(found, last.assignment) for found in read)
    assert m.verify().valid


DAEMON = """
    import threading
    import numpy as np
    from gridcompute import Matcher

    r = np.random.default_rng(0)
    world = Matcher([30] * 40, cost=[(r.random((64, 40)), "k", None)], unplaced=0.7, threads=2)
    world.add({"k": r.integers(0, 64, 4000)})

    def rounds():
        while True:
            world.match()
            world.update(world.ids[:500], {"k": r.integers(0, 64, 500)})

    threading.Thread(target=rounds, daemon=True).start()
    for turn in range(30):
        ids = world.add({"k": [1, 2, 3]})
        assert len(world.quote({"k": [4]})[0]) == 1
        world.remove(ids)
        len(world), 7 in world, repr(world)
    print("done", flush=True)
"""


def test_a_daemon_thread_matches_while_the_main_thread_adds_and_leaves():
    """If this fails, a service with a daemon thread of rounds aborts when it ends."""
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(DAEMON)],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.stdout == "done\n", done.stderr[-2000:]
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stderr[-2000:]}"
