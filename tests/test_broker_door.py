"""Who may ask the example broker, how much, how slowly; and what a turned bit costs its state."""

import asyncio
import json
import os
import random
import shutil
import signal
import socket
import subprocess

import httpx
import pytest

from broker_service import Service, job
from test_broker_heart import columns, heart, opened  # noqa: F401 - heart is a fixture

KIND = {"content-type": "application/json"}
TOKEN = "0123456789abcdef-secret"


@pytest.fixture
def service(tmp_path):
    made = []

    def make(*options, **environment):
        made.append(Service(tmp_path, "--interval", "0.02", *options))
        made[-1].environment |= environment
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.end(signal.SIGKILL)


def address(broker):
    return "127.0.0.1", broker.said("listening")["port"]


def raw(broker, *parts):
    """What the broker answers to bytes, until it closes the connection."""
    with socket.create_connection(address(broker)) as connection:
        answer = b""
        try:
            for part in parts:
                connection.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has seen enough
        try:
            while part := connection.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
        return answer


def status(answer):
    return int(answer.split(b" ", 2)[1])


def untouched(broker):
    """No operation was taken, and nothing was logged with a traceback."""
    health = broker.http.get("/health").json()
    assert (health["operation"], health["live"]) == (0, 0)
    assert not [line for line in broker.log if "traceback" in line or line["level"] == "ERROR"]


# ---------------------------------------------------------------- who


def test_a_web_page_can_not_submit(service):
    """A page in the operator's browser could post a form to the broker beside it."""
    broker = service()
    body = json.dumps(job("x"))
    for headers in (
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {},
    ):
        for method, path in (("POST", "/jobs"), ("POST", "/cancel"), ("PUT", "/slots/slow")):
            answer = broker.http.request(method, path, content=body, headers=headers)
            assert answer.status_code == 415, (method, path, headers)
            assert "application/json" in answer.json()["error"]
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):
        answer = broker.http.post("/jobs", content=body, headers=KIND | headers)
        assert answer.status_code == 403, headers
    untouched(broker)
    own = {"origin": str(broker.http.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
    assert broker.http.post("/jobs", content=body, headers=KIND | own).status_code == 202
    text = {"content-type": "application/json; charset=utf-8"}
    assert broker.http.post("/jobs", json=job("y"), headers=text).status_code == 202


def test_another_name_is_not_served(service):
    """A page whose name is made to mean this machine has the broker for its own origin."""
    broker = service("--allow-host", "Broker.Example")
    for host in ("evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "localhost@x"):
        answer = broker.http.get("/jobs", headers={"host": host})
        assert answer.status_code == 421, host
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1:99", "[::1]:8080", "broker.example:80"):
        assert broker.http.get("/jobs", headers={"host": host}).status_code == 200, host
    assert status(raw(broker, b"GET /jobs HTTP/1.0\r\n\r\n")) == 421
    two = b"GET /jobs HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
    assert status(raw(broker, two)) == 400


@pytest.mark.parametrize("where", ["file", "environment"])
def test_a_token_is_asked_for_everywhere(service, tmp_path, where):
    """If this fails, whoever reaches the port may cancel the jobs of others."""
    if where == "file":
        (tmp_path / "token").write_text(TOKEN + "\n")
        broker = service("--token-file", str(tmp_path / "token"))
    else:
        broker = service(BROKER_TOKEN=TOKEN)
    asks = [("GET", p) for p in ("/jobs", "/jobs/x", "/placements", "/metrics", "/docs")]
    asks += [("POST", "/jobs"), ("POST", "/cancel"), ("POST", "/quote"), ("PUT", "/slots/slow")]
    for method, path in asks:
        for shown in (
            None,
            "",
            "Bearer",
            f"Bearer {TOKEN[:-1]}",
            f"Bearer {TOKEN}x",
            f"Basic {TOKEN}",
            TOKEN,
            "Bearer \xff",
        ):
            headers = KIND | ({} if shown is None else {"authorization": shown.encode("latin-1")})
            answer = broker.http.request(method, path, headers=headers, content=b"{}")
            assert answer.status_code == 401, (method, path, shown)
            assert answer.headers["www-authenticate"] == "Bearer"
            assert TOKEN not in answer.text
    probe = broker.http.get("/health")  # which has no token to show
    assert (probe.status_code, probe.json()["status"]) == (200, "ok")
    for method, path in (("POST", "/health"), ("GET", "/health/"), ("GET", "//health")):
        assert broker.http.request(method, path, headers=KIND).status_code == 401, (method, path)
    right = {"authorization": f"Bearer {TOKEN}"}
    assert broker.http.get("/metrics", headers=right).status_code == 200
    assert broker.http.post("/jobs", json=job("a"), headers=right).status_code == 202
    assert TOKEN not in json.dumps(broker.log)


@pytest.mark.parametrize(
    ("options", "token", "words"),
    [
        (["--host", "0.0.0.0"], None, "give --token-file or BROKER_TOKEN"),
        (["--host", "::"], None, "give --token-file or BROKER_TOKEN"),
        ([], "short", "needed a token of 16"),
        ([], "0123456789 abcdef", "needed a token of 16"),
    ],
)
def test_a_broker_for_other_machines_takes_a_token(tmp_path, options, token, words):
    """If this fails, one option opens the broker to the network."""
    made = Service(tmp_path, *options)
    environment = made.environment | ({} if token is None else {"BROKER_TOKEN": token})
    done = subprocess.run(
        made.command, capture_output=True, text=True, check=False, env=environment, timeout=60
    )
    assert done.returncode != 0
    assert words in done.stderr
    assert "Traceback" not in done.stderr


# ---------------------------------------------------------------- how much


def test_a_large_body_is_refused_and_freezes_nobody(service):
    """One body of 80 MB kept all others waiting for a quarter of a minute."""
    broker = service("--most-body", "1000000")
    head = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    told = raw(broker, head + b"Content-Length: 80000000\r\n\r\n")  # before any of it is sent
    assert status(told) == 413
    assert b"needed at most 1000000" in told
    for length in (b"99999999999999999999999999", b"1000001"):
        assert status(raw(broker, head + b"Content-Length: " + length + b"\r\n\r\n")) in (400, 413)
    chunk = b"10000\r\n" + b"1," * 32768 + b"\r\n"
    told = raw(broker, head + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 40)
    assert status(told) == 413
    many = b"[" + b"1," * 400_000 + b"1]"
    answer = broker.http.post("/jobs", content=many, headers=KIND)
    assert answer.status_code == 422
    assert len(answer.text) < 1000
    deep = broker.http.post("/jobs", content=b"[" * 900_000, headers=KIND)
    assert deep.status_code == 422
    for path in ("/cancel", "/quote"):
        answer = broker.http.post(path, content=b'{"ids":' + b"[" * 900_000, headers=KIND)
        assert 400 <= answer.status_code < 500
    untouched(broker)


def test_a_large_head_is_refused(service):
    """The parser keeps a head without end, and all of it in memory."""
    broker = service()
    first = b"GET /jobs HTTP/1.1\r\nHost: localhost\r\n"
    for parts in (
        [first + b"x: ", *[b"a" * 60_000] * 20],
        [first, *[b"x-%d: %s\r\n" % (k, b"a" * 1000) for k in range(200)], b"\r\n"],
        [b"GET /", *[b"a" * 60_000] * 20],
        [first + b"".join(b"x-%d: y\r\n" % k for k in range(20_000)) + b"\r\n"],
    ):
        told = raw(broker, *parts)
        assert told == b"" or status(told) in (400, 431), told[:100]
    untouched(broker)


def test_ids_and_names_are_bounded(service):
    """If this fails, one id of a megabyte stands in the journal, the stream and every error."""
    broker = service()
    long, most = "x" * 201, "x" * 200
    assert broker.http.post("/jobs", json=job(long)).json()["field"] == "id"
    assert broker.http.post("/jobs", json=[job("a"), job(long)]).status_code == 422
    assert broker.http.post("/cancel", json={"ids": [long]}).status_code == 422
    assert broker.http.get(f"/jobs/{long}").status_code == 422
    assert broker.http.put(f"/slots/{long}", json={"capacity": 1}).status_code == 422
    assert broker.http.post("/jobs", json=job("a") | {"family": "f" * 10_000}).status_code == 422
    answer = broker.http.post("/quote", json={"family": "f" * 100_000})
    assert len(answer.text) < 1000
    untouched(broker)
    assert broker.http.post("/jobs", json=job(most)).status_code == 202
    assert broker.http.get(f"/jobs/{most}").json()["id"] == most


def test_a_value_of_another_type_is_not_made_to_fit(service):
    """`true` slots were one slot, and "5" five."""
    broker = service()
    for value in (True, "5", 5.0, 5.5, None, [5]):
        answer = broker.http.put("/slots/slow", json={"capacity": value})
        assert answer.status_code == 422, value
    for value in (True, "5", None):
        assert broker.http.post("/jobs", json=job("x") | {"work_h": value}).status_code == 422
    untouched(broker)
    assert broker.http.post("/jobs", json=job("x") | {"work_h": 5}).status_code == 202


# ---------------------------------------------------------------- how slowly


def slow_heads(broker):
    """Let the broker wait but a moment for heads, which takes no option."""
    script = broker.command[1]
    folder = os.path.dirname(script)  # noqa: PTH120 - as text
    code = f"import sys; sys.path.insert(0, {folder!r}); import broker_door as d; d.HEAD_S = 0.3;"
    broker.command[1:2] = ["-c", f"{code} import broker; sys.exit(broker.main())"]


def test_slow_clients_are_let_go(tmp_path):
    """Clients that send a byte now and then took a connection each, for good."""
    broker = Service(tmp_path, "--body-s", "0.3")
    slow_heads(broker)
    broker.start()
    try:
        assert raw(broker) == b"" or status(raw(broker)) == 408
        assert status(raw(broker, b"GET /jobs HTTP/1.1\r\nHost:")) == 408
        head = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        told = raw(broker, head + b'Content-Length: 100\r\n\r\n{"id"')
        assert status(told) == 408
        assert b"took longer than 0.3 s" in told
        untouched(broker)
    finally:
        broker.end(signal.SIGKILL)


def test_a_client_that_hangs_up_is_no_traceback(service):
    """A log full of tracebacks hides the one that counts."""
    broker = service()
    head = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    for parts in (
        b"POST /jobs HT",
        head,
        head + b"Content-Length: 100\r\n\r\n",
        head + b'Content-Length: 100\r\n\r\n{"id": "x"',
        head + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"id"\r\n',
        b"GET /placements?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ):
        for _ in range(3):
            connection = socket.create_connection(address(broker))
            connection.sendall(parts)
            reset = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # close with a reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            connection.close()
    untouched(broker)

    async def go_away():
        async with httpx.AsyncClient(**broker.to) as client:
            for k in range(20):
                ask = asyncio.create_task(client.post("/jobs", json=job(str(k))))
                await asyncio.sleep(0)
                ask.cancel()

    asyncio.run(go_away())
    assert broker.http.post("/jobs", json=job("last")).status_code == 202
    assert not [line for line in broker.log if "traceback" in line]


# ---------------------------------------------------------------- what a turned bit costs


def seen(broker):
    """What a broker knows once it has started."""
    lines = b"".join(broker.stream.lines)
    return broker.jobs, broker.seq, broker.stream.first, lines, broker.world.match().objective


def found_out(recovery):
    """Does the start say that something is wrong?"""
    return any(recovery[name] for name in ("journal_damaged", "operations_lost", "placements_lost"))


def test_no_turned_bit_of_the_journal_goes_unnoticed(heart, tmp_path):  # noqa: F811
    """Of such bits a tenth changed what was recovered, and nobody was told."""
    folder = tmp_path / "state"
    with opened(heart, folder, snapshot_s=1e9) as broker:
        broker._due = float("inf")
        for k in range(8):
            broker.submit({f"job-{k}": columns(k)})
        broker.set_capacity("slow", 7)
        asyncio.run(broker.step())
        broker.cancel(["job-3"])
        broker.submit({"late": columns(2)})
        asyncio.run(broker.step())
    with opened(heart, shutil.copytree(folder, tmp_path / "whole")) as broker:
        whole = seen(broker)
        assert not found_out(broker.recovery)
    seed = int(os.environ.get("GRIDCOMPUTE_TEST_SEED", "3"))
    r = random.Random(seed)
    (path,) = [p for p in folder.glob("journal-*") if p.stat().st_size]
    data = path.read_bytes()
    for trial in range(150):
        at, bit = r.randrange(len(data)), r.randrange(8)
        copy = shutil.copytree(folder, tmp_path / f"copy-{trial}")
        changed = bytearray(data)
        changed[at] ^= 1 << bit
        (copy / path.name).write_bytes(changed)
        with opened(heart, copy) as broker:
            same = seen(broker) == whole
            assert same or found_out(broker.recovery), (seed, trial, at, bit)
        shutil.rmtree(copy)


def test_a_journal_of_an_older_broker_is_read(heart, tmp_path):  # noqa: F811
    """Its lines have no checksum; they begin with a brace."""
    with opened(heart, tmp_path) as broker:
        broker.submit({"a": columns(1)})
        broker.submit({"b": columns(2)})
        asyncio.run(broker.step())
    for path in tmp_path.glob("world-*.snapshot"):
        path.unlink()
    for path in tmp_path.glob("journal-*"):
        lines = path.read_bytes().splitlines(keepends=True)
        assert all(line[8:10] == b" {" for line in lines)
        path.write_bytes(b"".join(line[9:] for line in lines))
    with opened(heart, tmp_path) as broker:
        assert set(broker.jobs) == {"a", "b"}
        assert not found_out(broker.recovery)
    (path, *_) = sorted(tmp_path.glob("journal-*"))
    path.write_bytes(path.read_bytes() + b'[1]\n{"x": 1}\n{"seq": true}\n{"seq": "9"}\n7\n')
    with opened(heart, tmp_path) as broker:
        assert set(broker.jobs) == {"a", "b"}
        assert len(broker.recovery["journal_damaged"]) == 5


def test_a_damaged_world_is_found_out(service, tmp_path):
    """A digit of a capacity turned, and the broker placed jobs on slots that are not there."""
    broker = service()
    broker.end(signal.SIGKILL)
    path = broker.state / "world.json"
    whole = path.read_bytes()
    assert b"60" in whole
    command = [broker.command[0], broker.command[1], "--port", "0", "--state", str(broker.state)]
    for damaged in (whole.replace(b"60", b"68", 1), whole[:-9], whole.replace(b"slots", b"slotz")):
        path.write_bytes(damaged)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode != 0
        assert "world.json is damaged" in done.stderr
        assert "Traceback" not in done.stderr
    path.write_text(json.dumps(json.loads(whole)["world"]))  # as older brokers wrote it
    broker.start()
    assert broker.http.get("/health").status_code == 200
