"""The example broker: as a process over loopback, and its heart in this one.

No test here waits for a length of time: each waits for something to be true.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcompute import Terms, transport

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
WORLD = {
    "slots": ["slow", "quick", "dear"],
    "capacity": [60, 40, 20],
    "usd_per_h": [1.0, 2.5, 6.0],
    "speed": {"vision": [1.0, 2.0, 4.0], "language": [1.0, 3.0, 8.0]},
    "move_cost": 0.0,
}


class Service:
    """A broker in a process of its own, its state in `folder`."""

    def __init__(self, folder: Path, *options: str) -> None:
        world = folder / "given.json"
        world.write_text(json.dumps(WORLD))
        self.state = folder / "state"
        command = [sys.executable, EXAMPLES / "broker.py", "--port", "0", "--world", world]
        self.command = [*map(str, command), "--state", str(self.state), *options]
        self.log: list[dict] = []

    def start(self) -> dict:
        """Start, and give what its log says on being ready."""
        self.log.clear()
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        self.url = f"http://127.0.0.1:{self.said('listening')['port']}"
        return self.said("ready")

    def _read(self) -> None:
        for line in self.process.stdout:
            self.log.append(json.loads(line))

    def said(self, event: str, after: int = 0) -> dict:
        """The first line of the log, after so many, that tells of an event; waits for it."""
        while True:
            ended = self.process.poll() is not None and not self.reader.is_alive()
            found = [x for x in self.log[after:] if x["event"] == event]
            if found:
                return found[0]
            assert not ended, f"the broker ended without {event!r}: {self.log[-3:]}"
            self.reader.join(0.01)

    def end(self, how: int) -> None:
        """Send a signal (0: none) and wait for the end."""
        self.process.send_signal(how)
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()

    def restart(self, how: int = signal.SIGKILL) -> dict:
        """End it by a signal, and start it anew."""
        self.end(how)
        return self.start()


@pytest.fixture
def service(tmp_path):
    made: list[Service] = []

    def make(*options: str) -> Service:
        made.append(Service(tmp_path, "--interval", "0.02", *options))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.end(signal.SIGKILL)


def job(key: str, k: int = 0) -> dict:
    return {
        "id": key,
        "family": ("vision", "language")[k % 2],
        "work_h": 1.0 + k % 7,
        "budget_usd": 20.0 + k % 11,
        "delay_usd_per_h": float(k % 3),
    }


def settled(url: str, n: int) -> dict:
    """All jobs once there are `n` and none is queued."""
    while True:
        told = httpx.get(f"{url}/jobs").json()
        if len(told["jobs"]) == n and all(j["state"] != "queued" for j in told["jobs"].values()):
            return told


def events(lines) -> list[dict]:
    return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


def replay(changes: list[dict]) -> dict:
    """Where each job is by the stream alone; each change begins where the last one ended."""
    at: dict = {}
    for k, change in enumerate(changes):
        assert change["seq"] == changes[0]["seq"] + k, "a placement is lost or stands twice"
        assert at.get(change["id"]) == change["from"]
        assert change["kind"] == (
            "PLACE" if change["from"] is None else "EVICT" if change["to"] is None else "MOVE"
        )
        at[change["id"]] = change["to"]
    return at


async def stream(url: str, after: int, last: int) -> list[dict]:
    """The placements after one number up to another."""
    found: list[dict] = []
    async with (
        httpx.AsyncClient(timeout=None) as client,
        client.stream("GET", f"{url}/placements", params={"after": after}) as answer,
    ):
        assert answer.status_code == 200
        lines = answer.aiter_lines()
        while after + len(found) < last:
            found += events([await anext(lines)])
    return found


def test_a_hundred_clients_at_once(service):
    """Every client's jobs, cancels and quotes count once, and all is placed at least cost."""
    broker = service()

    async def one(k: int, url: str) -> None:
        limits = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(base_url=url, timeout=None, limits=limits) as client:
            for i in range(3):
                answer = await client.post("/jobs", json=job(f"{k}-{i}", 3 * k + i))
                assert answer.status_code == 202, answer.text
            quote = await client.post(
                "/quote", json={"family": "vision", "work_h": 1, "budget_usd": 9}
            )
            assert set(quote.json()) == {"slot", "cost_usd", "price_usd"}
            answer = await client.post("/cancel", json={"ids": [f"{k}-1"]})
            assert answer.status_code == 202, answer.text
            assert (await client.get(f"/jobs/{k}-1")).status_code == 404
            assert (await client.get(f"/jobs/{k}-2")).json()["id"] == f"{k}-2"

    async def all_of_them() -> None:
        await asyncio.gather(*(one(k, broker.url) for k in range(100)))

    asyncio.run(all_of_them())
    told = settled(broker.url, 200)
    live = told["jobs"]
    assert set(live) == {f"{k}-{i}" for k in range(100) for i in (0, 2)}
    count = Counter(j["slot"] for j in live.values() if j["state"] == "placed")
    room = dict(zip(WORLD["slots"], WORLD["capacity"], strict=True))
    assert all(n <= room[slot] for slot, n in count.items())

    # The same world at once, cold.
    jobs = [job(key, 3 * int(key[:-2]) + int(key[-1])) for key in live]
    families = np.array([list(WORLD["speed"]).index(j["family"]) for j in jobs])
    work = np.array([j["work_h"] for j in jobs])
    budget = np.array([j["budget_usd"] for j in jobs])
    delay = np.array([j["work_h"] * j["delay_usd_per_h"] for j in jobs])
    hours = 1 / np.array(list(WORLD["speed"].values()))
    cost = Terms([(hours * WORLD["usd_per_h"], families, work), (hours, families, delay)])
    cold = transport(cost, np.array(WORLD["capacity"]), unplaced=budget)
    slot = [WORLD["slots"].index(j["slot"]) if j["slot"] else -1 for j in live.values()]
    dense = cost.dense()
    paid = sum(dense[i, s] if s >= 0 else budget[i] for i, s in enumerate(slot))
    assert paid == pytest.approx(cold.objective, rel=1e-9)

    metrics = httpx.get(f"{broker.url}/metrics").text
    assert "broker_live_jobs 200.0" in metrics
    assert 'broker_accepted_total{kind="add"} 300.0' in metrics
    gap = next(x for x in metrics.splitlines() if x.startswith("broker_certificate_gap "))
    assert float(gap.split()[1]) < 1e-9
    assert broker.said("round")["status"] == "optimal"


def test_the_stream_tells_all_and_resumes(service):
    """A client that reads the placements, and goes away in between, knows where every job is."""
    broker = service()
    assert httpx.post(f"{broker.url}/jobs", json=[job(str(k), k) for k in range(100)]).is_success
    settled(broker.url, 100)
    room = httpx.put(f"{broker.url}/slots/quick", json={"capacity": 0})
    assert room.status_code == 202
    while (told := settled(broker.url, 100)) and "quick" in {
        j["slot"] for j in told["jobs"].values()
    }:
        pass
    last = told["seq"]
    whole = asyncio.run(stream(broker.url, 0, last))
    at = replay(whole)
    assert {key: at.get(key) for key in told["jobs"]} == {
        key: j["slot"] for key, j in told["jobs"].items()
    }
    assert {c["kind"] for c in whole} >= {"PLACE", "MOVE"}
    assert asyncio.run(stream(broker.url, 17, last)) == whole[17:]
    header = {"Last-Event-ID": str(last - 1)}
    with httpx.stream("GET", f"{broker.url}/placements", headers=header) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert next(answer.iter_raw()).startswith(f"id: {last}\nevent: ".encode())
    beyond = httpx.get(f"{broker.url}/placements", params={"after": last + 1})
    assert (beyond.status_code, beyond.json()["last"]) == (410, last)


BAD = {
    "twice": ([job("x"), job("x")], 422, "id", "x"),
    "known": (job("known"), 409, "id", "known"),
    "known in a list": ([job("new"), job("known")], 409, "id", "known"),
    "family": (job("x") | {"family": "visoin"}, 422, "family", "x"),
    "negative": (job("x") | {"work_h": -1}, 422, "work_h", "x"),
    "zero": (job("x") | {"work_h": 0}, 422, "work_h", "x"),
    "text": ([job("y"), job("x") | {"budget_usd": "many"}], 422, "1.budget_usd", "x"),
    "huge": (job("x") | {"budget_usd": 1e300}, 422, "budget_usd", "x"),
    "unknown field": (job("x") | {"gpus": 4}, 422, "gpus", "x"),
    "no id": ({k: v for k, v in job("x").items() if k != "id"}, 422, "id", None),
    "empty id": (job(""), 422, "id", ""),
    "a number": (7, 422, None, None),
}


def test_bad_requests_name_what_is_wrong_and_change_nothing(service):
    """A job of a bad request that got in, or an answer that does not say which, would show here."""
    broker = service()
    assert httpx.post(f"{broker.url}/jobs", json=job("known")).is_success
    for name, (body, status, field, key) in BAD.items():
        answer = httpx.post(f"{broker.url}/jobs", json=body)
        told = answer.json()
        assert (answer.status_code, told.get("field"), told.get("id")) == (status, field, key), name
        assert told["error"], name
    nan = httpx.post(f"{broker.url}/jobs", content=json.dumps(job("x") | {"work_h": float("nan")}))
    torn = httpx.post(f"{broker.url}/jobs", content=b'{"id": "x"')
    assert (nan.status_code, torn.status_code) == (422, 422)
    unknown = httpx.post(f"{broker.url}/cancel", json={"ids": ["known", "nobody"]})
    assert (unknown.status_code, unknown.json()["id"]) == (404, "nobody")
    assert httpx.post(f"{broker.url}/cancel", json={"ids": ["known"] * 2}).status_code == 422
    assert httpx.put(f"{broker.url}/slots/none", json={"capacity": 1}).status_code == 404
    assert httpx.put(f"{broker.url}/slots/slow", json={"capacity": -1}).status_code == 422
    assert httpx.post(f"{broker.url}/quote", json=job("x")).json()["field"] == "id"
    assert httpx.get(f"{broker.url}/jobs/nobody").status_code == 404
    health = httpx.get(f"{broker.url}/health")
    assert (health.status_code, health.json()["operation"]) == (200, 1)
    assert set(httpx.get(f"{broker.url}/jobs").json()["jobs"]) == {"known"}


def test_a_full_queue_says_so(service):
    """Without a bound, a flood of submits would be taken until memory ends."""
    broker = service("--queue", "5", "--interval", "3600")
    assert httpx.post(f"{broker.url}/jobs", json=[job(str(k)) for k in range(4)]).is_success
    full = httpx.post(f"{broker.url}/jobs", json=[job("a"), job("b")])
    assert (full.status_code, full.headers["retry-after"]) == (503, "1")
    assert (
        httpx.post(f"{broker.url}/jobs", json=[job(f"x{k}") for k in range(6)]).status_code == 413
    )
    assert httpx.post(f"{broker.url}/jobs", json=job("a")).is_success
    assert httpx.get(f"{broker.url}/health").json()["queue"] == 5
    assert broker.restart(signal.SIGTERM)["operations_after_snapshot"] == 0


def test_kill_9_loses_nothing_acknowledged(service):
    """After kill -9: the snapshot's world, then the journal's; and the broker says what it did."""
    broker = service("--snapshot", "0.05")
    assert httpx.post(f"{broker.url}/jobs", json=[job(str(k), k) for k in range(50)]).is_success
    broker.said("snapshot")
    before = settled(broker.url, 50)
    assert httpx.post(f"{broker.url}/cancel", json={"ids": ["7"]}).is_success
    ready = broker.restart()
    found = httpx.get(f"{broker.url}/recovery").json()
    assert found.items() <= ready.items()
    assert found["snapshot"]
    assert found["snapshot_operation"] + found["operations_after_snapshot"] == 2
    assert found["operations_lost"] == found["journal_damaged"] == found["jobs_refused"] == []
    told = settled(broker.url, 49)
    assert set(told["jobs"]) == set(before["jobs"]) - {"7"}
    assert httpx.post(f"{broker.url}/jobs", json=job("7")).json()["operation"] == 3
    last = settled(broker.url, 50)["seq"]
    told = asyncio.run(stream(broker.url, 0, last))
    assert [c["seq"] for c in told] == list(range(1, last + 1))


def test_a_kill_before_the_first_snapshot_replays_the_journal(service):
    """Then there is nothing but the journal, whose last line the kill may have torn."""
    broker = service("--snapshot", "3600", "--interval", "3600")
    for k in range(5):
        assert httpx.post(f"{broker.url}/jobs", json=job(str(k), k)).is_success
    broker.end(signal.SIGKILL)
    (segment,) = broker.state.glob("journal-*")
    with segment.open("a") as file:
        file.write('{"seq":6,"add":{"torn":[0,1.')
    ready = broker.start()
    assert (ready["snapshot"], ready["operations_after_snapshot"]) == (None, 5)
    assert len(ready["journal_damaged"]) == 1
    assert set(settled(broker.url, 5)["jobs"]) == set("01234")


def test_a_torn_snapshot_is_said(service):
    """A torn snapshot: the older one and the journal since it serve; none whole: no start."""
    broker = service("--snapshot", "0.01")
    for k in range(3):  # three snapshots, of which two are kept
        seen = len(broker.log)
        assert httpx.post(f"{broker.url}/jobs", json=job(str(k), k)).is_success
        broker.said("snapshot", seen)
    broker.end(signal.SIGKILL)
    newest, older = sorted(broker.state.glob("world-*.snapshot"), reverse=True)
    newest.write_bytes(newest.read_bytes()[:-9])
    ready = broker.start()
    assert ready["snapshot"] == older.name
    assert "torn" in ready["snapshots_refused"][0]
    assert ready["operations_after_snapshot"] >= 1
    assert set(settled(broker.url, 3)["jobs"]) == set("012")
    broker.end(signal.SIGTERM)
    for path in broker.state.glob("world-*.snapshot"):
        path.write_bytes(b"gone")
    refused = subprocess.run(broker.command, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "no snapshot can be restored" in refused.stderr + refused.stdout


def test_a_graceful_end_leaves_nothing_to_replay(service):
    """SIGTERM: open streams end, what waits is worked in, the last snapshot has all."""
    broker = service("--snapshot", "3600", "--interval", "3600")
    assert httpx.post(f"{broker.url}/jobs", json=[job(str(k), k) for k in range(9)]).is_success
    with httpx.stream("GET", f"{broker.url}/placements", params={"after": 0}) as answer:
        broker.process.send_signal(signal.SIGTERM)
        assert events(answer.iter_lines()) == []
    broker.end(0)
    assert broker.said("stopped")["failure"] is None
    ready = broker.start()
    assert (ready["snapshot_operation"], ready["operations_after_snapshot"]) == (1, 0)
    assert len(settled(broker.url, 9)["jobs"]) == 9
    other = subprocess.run(broker.command, capture_output=True, text=True, check=False)
    assert "another broker" in other.stderr + other.stdout


# ---------------------------------------------------------------- the heart, in this process


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
def opened(heart, folder: Path, **options):
    """A broker, in the end dropped as a kill would drop it."""
    world, journal = heart
    made = world.Broker(WORLD, journal.Journal(folder), **options)
    try:
        yield made
    finally:
        made._worker.shutdown()
        made.journal.close()


def columns(k: int) -> tuple:
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

        async def story() -> None:
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
        live: dict[str, tuple] = {}
        at: dict[str, int | None] = {}
        seen = 0

        def listen(broker) -> None:
            """Read on, as a client would: a job placed anew begins from nowhere."""
            nonlocal seen
            lines = broker.stream.lines[max(0, seen + 1 - broker.stream.first) :]
            for change in events(b"".join(lines).decode().splitlines()):
                assert change["seq"] == seen + 1
                seen += 1
                if change["from"] is not None:
                    assert at[change["id"]] == change["from"]
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


def test_a_hole_in_the_journal_is_said(heart, tmp_path):
    """Operations whose lines are gone are told by number, and the others still count."""
    with opened(heart, tmp_path) as broker:
        for key in "abcd":
            broker.submit({key: columns(1)})
        broker.cancel(["b"])
    (path,) = [p for p in tmp_path.glob("journal-*") if p.stat().st_size]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[3][:-9] + b"\n", lines[4]]))
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
