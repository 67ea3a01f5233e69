"""The heart of the example broker in this process: its queue, rounds, journal and stream."""

import asyncio
import os
import random
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_service import EXAMPLES, WORLD, events, job


@pytest.fixture(scope="module")
def heart():
    """The modules `broker_world` and `broker_journal`."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        import broker_journal
        import broker_world
    finally:
        sys.path.remove(str(EXAMPLES))
    return broker_world, broker_journal


@contextmanager
def opened(heart, folder, config=WORLD, **options):
    """A broker, in the end dropped as a kill would drop it."""
    world, journal = heart
    made = world.Broker(config, journal.Journal(folder), **options)
    try:
        yield made
    finally:
        made._worker.shutdown()
        made.journal.close()


def columns(k):
    j = job("", k)
    return (k % 2, j["work_h"], j["work_h"] * j["delay_usd_per_h"], j["budget_usd"])


def test_a_round_keeps_nobody_waiting(heart, tmp_path):
    """While a round runs: submits are taken, and what is cancelled is not told as placed later."""
    with opened(heart, tmp_path) as broker:
        solve, started, go = broker._solve, threading.Event(), threading.Event()

        def slow(*batch):
            started.set()
            go.wait()
            return solve(*batch)

        async def story():
            broker._solve = slow
            broker.submit({key: columns(k) for k, key in enumerate("abcd")})
            under_way = asyncio.create_task(broker.step())
            await asyncio.to_thread(started.wait)
            assert broker.submit({"e": columns(4)}) == 2
            broker.cancel(["a", "b"])
            broker.submit({"b": columns(1)})
            go.set()
            await under_way
            assert set(broker.jobs) == set("bcde")
            assert {key for key, at in broker.jobs.items() if at == heart[0].QUEUED} == set("be")
            await broker.step()

        asyncio.run(story())
        told = events(b"".join(broker.stream.lines).decode().splitlines())
        assert sorted(c["id"] for c in told) == list("bcde")
        assert len(broker.world) == 4


STEP = st.one_of(
    st.tuples(st.just("add"), st.lists(st.integers(0, 30), min_size=1, max_size=20, unique=True)),
    st.tuples(st.just("cancel"), st.lists(st.integers(0, 30), min_size=1, unique=True)),
    st.tuples(st.just("room"), st.tuples(st.integers(0, 2), st.integers(0, 12))),
    st.tuples(st.sampled_from(["round", "round", "snapshot", "kill"]), st.none()),
)


@settings(max_examples=40)
@given(story=st.lists(STEP, max_size=25))
def test_kills_at_any_time_change_nothing_that_is_acknowledged(heart, story):
    """A broker killed now and then has the same jobs and rooms as the plain story, and its stream,
    read through the kills, tells where every job is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        live = {}
        at = {}
        seen = 0

        def listen(broker):
            """Read on, as a client would, through kills."""
            nonlocal seen
            lines = broker.stream.lines[max(0, seen + 1 - broker.stream.first) :]
            for change in events(b"".join(lines).decode().splitlines()):
                assert change["seq"] == seen + 1
                seen += 1
                assert at.get(change["id"]) == change["from"]
                at[change["id"]] = change["to"]

        left = iter([*story, ("round", None), ("kill", None)])
        ended = False
        while not ended:
            with opened(heart, folder, snapshot_s=1e9) as broker:
                broker._due = float("inf")
                assert set(broker.jobs) == set(live)
                assert broker.recovery["operations_lost"] == broker.recovery["jobs_refused"] == []
                listen(broker)
                for what, which in left:
                    if what == "kill":
                        break
                    if what == "add":
                        new = {str(k): columns(k) for k in which if str(k) not in live}
                        if new:
                            broker.submit(new)
                            live |= new
                    elif what == "cancel":
                        gone = [str(k) for k in which if str(k) in live]
                        if gone:
                            broker.cancel(gone)
                            live = {k: v for k, v in live.items() if k not in gone}
                            at = {k: v for k, v in at.items() if k not in gone}
                    elif what == "room":
                        broker.set_capacity(WORLD["slots"][which[0]], which[1])
                    else:
                        broker._due = 0.0 if what == "snapshot" else float("inf")
                        asyncio.run(broker.step())
                        broker._due = float("inf")
                        listen(broker)
                else:
                    ended = True
        with opened(heart, folder) as broker:
            listen(broker)
            names = WORLD["slots"]
            where = {key: names[s] if s >= 0 else None for key, s in broker.jobs.items()}
            assert {key: at.get(key) for key in live} == where


TENANTS = {"name": ["red", "blue"], "guarantee": [40, 40], "limit": [90, None], "weight": [1, 2]}


@pytest.mark.parametrize("seed", range(4))
def test_what_may_not_be_preempted_stays_through_kills(heart, tmp_path, seed):
    """With a snapshot a minute, kill -9 moved or sent out jobs that ran and may not be."""
    draw = random.Random(seed)
    live = {}
    fixed = {}
    kept = 0
    for lives in range(6):
        with opened(heart, tmp_path, WORLD | {"tenants": TENANTS}, snapshot_s=60.0) as broker:
            broker._due = float("inf")  # the minute is over where the story says so
            assert set(broker.jobs) == set(live)
            assert {key: broker.jobs[key] for key in fixed} == fixed, (seed, lives)
            for _ in range(draw.randrange(1, 8)):
                jobs = {}
                for _ in range(draw.randrange(12)):
                    size, k = draw.randrange(1, 9), len(live) + len(jobs)
                    family, work, delay, _ = columns(k)
                    rank = (draw.randrange(2), draw.randrange(3), draw.random() < 0.5)
                    jobs[f"{lives}-{draw.random()}"] = (
                        family, work * size, delay, draw.uniform(1.0, 60.0), size, *rank
                    )  # fmt: skip
                broker.submit(jobs)
                gone = draw.sample(sorted(live), len(live) // 6)
                broker.cancel(gone)
                live = {key: job for key, job in (live | jobs).items() if key not in gone}
                if draw.random() < 0.8:
                    broker._due = 0.0 if draw.random() < 0.2 else float("inf")
                    asyncio.run(broker.step())
            fixed = {key: broker.jobs[key] for key in live if not live[key][-1]}
            fixed = {key: slot for key, slot in fixed.items() if slot >= 0}
            kept += len(fixed)
    assert kept > 20, seed


def test_a_hole_in_the_journal_is_said(heart, tmp_path):
    """Operations whose lines are gone are told by number, and the others still count."""
    with opened(heart, tmp_path) as broker:
        for key in "abcd":
            broker.submit({key: columns(1)})
        asyncio.run(broker.step())
        broker.cancel(["b"])
    for path in tmp_path.glob("world-*.snapshot"):
        path.unlink()  # or the journal before it would not be needed
    path = min(tmp_path.glob("journal-*"))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[3][:-9] + b"\n"]))
    with opened(heart, tmp_path) as broker:
        assert broker.recovery["operations_lost"] == [[2, 4]]
        assert len(broker.recovery["journal_damaged"]) == 1
        assert set(broker.jobs) == {"a"}
        assert broker.submit({"b": columns(1)}) == 6


def test_a_job_that_the_matcher_refuses_does_not_stop_the_others(heart, tmp_path):
    """The door checks what it knows; what only the matcher finds costs that one job its place."""
    with opened(heart, tmp_path) as broker:
        broker.submit({"good": columns(1), "bad": (0, float("nan"), 0.0, 1.0), "fine": columns(2)})
        asyncio.run(broker.step())
        assert set(broker.jobs) == {"good", "fine"}
        assert len(broker.world) == 2


def test_a_journal_that_cannot_be_written_refuses_the_request(heart, tmp_path, monkeypatch):
    """Disk full: a half-written line is taken back, nothing acknowledged, and later lines count."""
    with opened(heart, tmp_path) as broker:
        broker.submit({"a": columns(1)})
        write = os.write
        monkeypatch.setattr(os, "write", lambda f, data: write(f, data[:10]))
        with pytest.raises(heart[0].Refused) as error:
            broker.submit({"b": columns(1)})
        assert error.value.status == 503
        monkeypatch.undo()
        broker.submit({"c": columns(1)})
    with opened(heart, tmp_path) as broker:
        assert set(broker.jobs) == {"a", "c"}
        assert broker.recovery["journal_damaged"] == []
