"""The example broker as a process, over loopback.

No test here waits for a length of time: each waits for something to be true.
"""

import asyncio
import json
import signal
import subprocess
from collections import Counter

import httpx
import numpy as np
import pytest

from broker_service import WORLD, Service, events, job
from gridcompute import Terms, transport


@pytest.fixture
def service(tmp_path):
    made = []

    def make(*options):
        made.append(Service(tmp_path, "--interval", "0.02", *options))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.end(signal.SIGKILL)


def settled(broker, n):
    """All jobs once there are `n` and none is queued."""
    while True:
        told = broker.http.get("/jobs").json()
        if len(told["jobs"]) == n and all(j["state"] != "queued" for j in told["jobs"].values()):
            return told


def replay(changes):
    """Where each job is by the stream alone; each change begins where the last one ended."""
    at = {}
    for k, change in enumerate(changes):
        assert change["seq"] == changes[0]["seq"] + k, "a placement is lost or stands twice"
        assert at.get(change["id"]) == change["from"]
        assert change["kind"] == (
            "PLACE" if change["from"] is None else "EVICT" if change["to"] is None else "MOVE"
        )
        at[change["id"]] = change["to"]
    return at


async def stream(broker, after, last):
    """The placements after one number up to another."""
    found = []
    async with (
        httpx.AsyncClient(**broker.to) as client,
        client.stream("GET", "/placements", params={"after": after}) as answer,
    ):
        assert answer.status_code == 200
        lines = answer.aiter_lines()
        while after + len(found) < last:
            found += events([await anext(lines)])
    return found


def test_a_hundred_clients_at_once(service):
    """Every client's jobs, cancels and quotes count once, and all is placed at least cost."""
    broker = service()

    async def one(k):
        async with httpx.AsyncClient(**broker.to) as client:
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

    async def all_of_them():
        await asyncio.gather(*(one(k) for k in range(100)))

    asyncio.run(all_of_them())
    told = settled(broker, 200)
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

    metrics = broker.http.get("/metrics").text
    assert "broker_live_jobs 200.0" in metrics
    assert 'broker_accepted_total{kind="add"} 300.0' in metrics
    gap = next(x for x in metrics.splitlines() if x.startswith("broker_certificate_gap "))
    assert float(gap.split()[1]) < 1e-9
    assert broker.said("round")["status"] == "optimal"


def test_the_stream_tells_all_and_resumes(service):
    """A client that reads the placements, and goes away in between, knows where every job is."""
    broker = service()
    assert broker.http.post("/jobs", json=[job(str(k), k) for k in range(100)]).is_success
    settled(broker, 100)
    room = broker.http.put("/slots/quick", json={"capacity": 0})
    assert room.status_code == 202
    while (told := settled(broker, 100)) and "quick" in {j["slot"] for j in told["jobs"].values()}:
        pass
    last = told["seq"]
    whole = asyncio.run(stream(broker, 0, last))
    at = replay(whole)
    assert {key: at.get(key) for key in told["jobs"]} == {
        key: j["slot"] for key, j in told["jobs"].items()
    }
    assert {c["kind"] for c in whole} >= {"PLACE", "MOVE"}
    assert asyncio.run(stream(broker, 17, last)) == whole[17:]
    header = {"Last-Event-ID": str(last - 1)}
    with broker.http.stream("GET", "/placements?after=0", headers=header) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert next(answer.iter_raw()).startswith(f"id: {last}\nevent: ".encode())
    beyond = broker.http.get("/placements", params={"after": last + 1})
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
    assert broker.http.post("/jobs", json=job("known")).is_success
    for name, (body, status, field, key) in BAD.items():
        answer = broker.http.post("/jobs", json=body)
        told = answer.json()
        assert (answer.status_code, told.get("field"), told.get("id")) == (status, field, key), name
        assert told["error"], name
    kind = {"content-type": "application/json"}
    nan = json.dumps(job("x") | {"work_h": float("nan")})
    nan = broker.http.post("/jobs", content=nan, headers=kind)
    torn = broker.http.post("/jobs", content=b'{"id": "x"', headers=kind)
    assert (nan.status_code, torn.status_code) == (422, 422)
    unknown = broker.http.post("/cancel", json={"ids": ["known", "nobody"]})
    assert (unknown.status_code, unknown.json()["id"]) == (404, "nobody")
    assert broker.http.post("/cancel", json={"ids": ["known"] * 2}).status_code == 422
    assert broker.http.put("/slots/none", json={"capacity": 1}).status_code == 404
    assert broker.http.put("/slots/slow", json={"capacity": -1}).status_code == 422
    assert broker.http.post("/quote", json=job("x")).json()["field"] == "id"
    assert broker.http.get("/jobs/nobody").status_code == 404
    health = broker.http.get("/health")
    assert (health.status_code, health.json()["operation"]) == (200, 1)
    assert set(broker.http.get("/jobs").json()["jobs"]) == {"known"}


def test_a_full_queue_says_so(service):
    """Without a bound, a flood of submits would be taken until memory ends."""
    broker = service("--queue", "5", "--interval", "3600")
    assert broker.http.post("/jobs", json=[job(str(k)) for k in range(4)]).is_success
    full = broker.http.post("/jobs", json=[job("a"), job("b")])
    assert (full.status_code, full.headers["retry-after"]) == (503, "1")
    assert broker.http.post("/jobs", json=[job(f"x{k}") for k in range(6)]).status_code == 413
    assert broker.http.post("/jobs", json=job("a")).is_success
    assert broker.http.get("/health").json()["queue"] == 5
    assert broker.restart(signal.SIGTERM)["operations_after_snapshot"] == 0


def test_kill_9_loses_nothing_acknowledged(service):
    """After kill -9: the snapshot's world, then the journal's; and the broker says what it did."""
    broker = service("--snapshot", "0.05")
    assert broker.http.post("/jobs", json=[job(str(k), k) for k in range(50)]).is_success
    broker.said("snapshot")
    before = settled(broker, 50)
    assert broker.http.post("/cancel", json={"ids": ["7"]}).is_success
    ready = broker.restart()
    found = broker.http.get("/recovery").json()
    assert found.items() <= ready.items()
    assert found["snapshot"]
    assert found["snapshot_operation"] + found["operations_after_snapshot"] == 2
    assert found["operations_lost"] == found["journal_damaged"] == found["jobs_refused"] == []
    told = settled(broker, 49)
    assert set(told["jobs"]) == set(before["jobs"]) - {"7"}
    assert broker.http.post("/jobs", json=job("7")).json()["operation"] == 3
    last = settled(broker, 50)["seq"]
    told = asyncio.run(stream(broker, 0, last))
    assert [c["seq"] for c in told] == list(range(1, last + 1))


@pytest.mark.parametrize("snapshot_s", ["0.03", "3600"])
def test_kill_9_under_load(service, snapshot_s):
    """Killed amid fifty clients, rounds and snapshots, twice: who has an answer has a job; and who
    follows the placements misses none, if no later snapshots have made the first of them old."""
    broker = service("--snapshot", snapshot_s)
    asked = set()
    taken = set()
    gone = set()

    async def one(k, goal, enough):
        async with httpx.AsyncClient(**broker.to) as client:
            while True:
                key = f"{k}-{len(asked)}"
                asked.add(key)
                try:
                    answer = await client.post("/jobs", json=job(key, k))
                    assert answer.status_code == 202, answer.text
                    taken.add(key)
                    if k % 5 == 0:
                        asked.remove(key)
                        answer = await client.post("/cancel", json={"ids": [key]})
                        assert answer.status_code == 202, answer.text
                        taken.remove(key)
                        gone.add(key)
                except httpx.TransportError:
                    return
                if len(taken) + len(gone) > goal:
                    enough.set()

    async def all_of_them(goal):
        enough = asyncio.Event()
        clients = asyncio.gather(*(one(k, goal, enough) for k in range(50)))
        await enough.wait()
        broker.process.send_signal(signal.SIGKILL)
        await clients

    for goal in (300, 700):
        asyncio.run(all_of_them(goal))
        broker.end(0)
        ready = broker.start()
        assert ready["snapshot"]
        assert ready["operations_lost"] == ready["jobs_refused"] == []
        told = broker.http.get("/jobs").json()
        live = set(told["jobs"])
        # A cancel without an answer may have happened or not; so may a submit.
        unsure = {key for key in taken if int(key.split("-")[0]) % 5 == 0}
        assert taken - unsure <= live <= (asked | taken)
        assert not gone & live
        taken &= live
        if snapshot_s != "3600":
            continue
        whole = asyncio.run(stream(broker, 0, told["seq"]))
        assert [c["seq"] for c in whole] == list(range(1, told["seq"] + 1))
        at = {c["id"]: c["to"] for c in whole}
        assert {key: at.get(key) for key in live} == {
            key: j["slot"] for key, j in told["jobs"].items()
        }


def test_a_kill_before_the_first_snapshot_replays_the_journal(service):
    """Then there is nothing but the journal, whose last line the kill may have torn."""
    broker = service("--snapshot", "3600", "--interval", "3600")
    for k in range(5):
        assert broker.http.post("/jobs", json=job(str(k), k)).is_success
    broker.end(signal.SIGKILL)
    (segment,) = broker.state.glob("journal-*")
    with segment.open("a") as file:
        file.write('{"seq":6,"add":{"torn":[0,1.')
    ready = broker.start()
    assert (ready["snapshot"], ready["operations_after_snapshot"]) == (None, 5)
    assert len(ready["journal_damaged"]) == 1
    assert set(settled(broker, 5)["jobs"]) == set("01234")


def test_a_torn_snapshot_is_said(service):
    """A torn snapshot: the older one and the journal since it serve; none whole: no start."""
    broker = service("--snapshot", "0.01")
    for k in range(3):  # three snapshots, of which two are kept
        seen = len(broker.log)
        assert broker.http.post("/jobs", json=job(str(k), k)).is_success
        broker.said("snapshot", seen)
    broker.end(signal.SIGKILL)
    newest, older = sorted(broker.state.glob("world-*.snapshot"), reverse=True)
    newest.write_bytes(newest.read_bytes()[:-9])
    ready = broker.start()
    assert ready["snapshot"] == older.name
    assert "torn" in ready["snapshots_refused"][0]
    assert ready["operations_after_snapshot"] >= 1
    assert set(settled(broker, 3)["jobs"]) == set("012")
    broker.end(signal.SIGTERM)
    for path in broker.state.glob("world-*.snapshot"):
        path.write_bytes(b"gone")
    refused = subprocess.run(broker.command, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "no snapshot can be restored" in refused.stderr + refused.stdout


def test_a_graceful_end_leaves_nothing_to_replay(service):
    """SIGTERM: open streams end, what waits is worked in, the last snapshot has all."""
    broker = service("--snapshot", "3600", "--interval", "3600")
    assert broker.http.post("/jobs", json=[job(str(k), k) for k in range(9)]).is_success
    with broker.http.stream("GET", "/placements", params={"after": 0}) as answer:
        broker.process.send_signal(signal.SIGTERM)
        assert events(answer.iter_lines()) == []
    broker.end(0)
    assert broker.said("stopped")["failure"] is None
    ready = broker.start()
    assert (ready["snapshot_operation"], ready["operations_after_snapshot"]) == (1, 0)
    assert len(settled(broker, 9)["jobs"]) == 9
    other = subprocess.run(broker.command, capture_output=True, text=True, check=False)
    assert "another broker" in other.stderr + other.stdout


@pytest.mark.slow
def test_the_load_bench_still_runs(capsys):
    """If this fails, the figures under load can no longer be taken."""
    import broker_load

    broker_load.main(["--jobs", "1000", "--seconds", "1", "--rate", "100", "--clients", "4"])
    out = capsys.readouterr().out
    assert "a second acknowledged" in out
    assert "with all jobs" in out
