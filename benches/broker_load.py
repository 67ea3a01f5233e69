"""The example broker under load over loopback: submits a second, and how long its rounds take.

python benches/broker_load.py [--jobs 200000] [--seconds 20] [--rate 2000] [--batch 1]

An invented world of 100 slot classes and 8 families is filled with `--jobs` jobs; then `--clients`
connections, kept alive, send `--rate` jobs a second (0: as fast as they are answered), `--batch` to
a request, and as many of the oldest are cancelled, so that the number of live jobs stays. One more
reads the placements. The client is this process; it and the broker share the machine's cores.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import uvloop
from published import Parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator

BROKER = Path(__file__).resolve().parent.parent / "examples" / "broker.py"


def make_world(r: np.random.Generator, jobs: int) -> dict[str, Any]:
    """A tenth of the slots is free once all jobs are in."""
    classes = 100
    speed = r.uniform(1.0, 8.0, (8, classes))
    return {
        "slots": [f"slot-{s}" for s in range(classes)],
        "capacity": r.multinomial(int(jobs / 0.9), r.dirichlet(np.full(classes, 2.0))).tolist(),
        "usd_per_h": r.uniform(1.0, 5.0, classes).tolist(),
        "speed": {f"family-{f}": row.tolist() for f, row in enumerate(speed)},
        "move_cost": 0.5,
    }


def make_jobs(r: np.random.Generator, start: int, n: int) -> list[dict[str, Any]]:
    """Jobs that differ in family, work and haste; none is left out for its price."""
    work = np.minimum(r.lognormal(1.0, 1.2, n), 1000.0)
    families, delay = r.integers(0, 8, n).tolist(), r.lognormal(0.0, 0.7, n).tolist()
    rows = zip(families, work.tolist(), delay, strict=True)
    return [
        {
            "id": f"job-{start + k}",
            "family": f"family-{f}",
            "work_h": w,
            "budget_usd": 1e6,
            "delay_usd_per_h": d,
        }
        for k, (f, w, d) in enumerate(rows)
    ]


class Connection:
    """HTTP/1.1 kept alive, one request after another: no more than a client must do."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    @asynccontextmanager
    async def to(cls, port: int) -> AsyncIterator[Connection]:
        c = cls(*await asyncio.open_connection("127.0.0.1", port, limit=2**24))
        try:
            yield c
        finally:
            c.writer.close()

    async def ask(self, path: str, body: bytes | None = None) -> Any:
        """The answer's JSON; anything but 2xx is an error."""
        head = "GET" if body is None else "POST"
        text = f"{head} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        self.writer.write(
            f"{text}Content-Length: {len(body or b'')}\r\n\r\n".encode() + (body or b"")
        )
        top = await self.reader.readuntil(b"\r\n\r\n")
        size = int(top.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        answer = await self.reader.readexactly(size)
        if top[9:10] != b"2":
            raise RuntimeError((top + answer).decode())
        return json.loads(answer)


async def follow(port: int, after: int, seen: list[int]) -> None:
    """Count the placements as they come."""
    async with Connection.to(port) as c:
        c.writer.write(
            f"GET /placements?after={after} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        while chunk := await c.reader.read(2**16):
            seen[0] += chunk.count(b"\ndata: ")


async def fill(args: argparse.Namespace, c: Connection, r: np.random.Generator) -> int:
    """The world with its jobs, and a few rounds more, which are longer at first; how many."""
    for start in range(0, args.jobs, 5000):
        while (await c.ask("/health"))["queue"] > 20_000:
            await asyncio.sleep(0.05)
        batch = make_jobs(r, start, min(5000, args.jobs - start))
        await c.ask("/jobs", json.dumps(batch).encode())
    while (await c.ask("/health"))["queue"]:
        await asyncio.sleep(0.05)
    some = max(1, args.jobs // 400)
    for start in range(args.jobs, args.jobs + 10 * some, some):
        await c.ask("/jobs", json.dumps(make_jobs(r, start, some)).encode())
        await asyncio.sleep(0.5)
    return args.jobs + 10 * some


async def load(args: argparse.Namespace, port: int, r: np.random.Generator) -> dict[str, Any]:
    """Fill the world, then the load."""
    async with Connection.to(port) as c:
        first = await fill(args, c, r)
        after = (await c.ask("/jobs"))["seq"]
    alive = deque(f"job-{k}" for k in range(first))
    total = int((args.rate or 10_000) * args.seconds)
    jobs = make_jobs(r, first, total)
    bodies = [
        json.dumps(jobs[k] if args.batch == 1 else jobs[k : k + args.batch]).encode()
        for k in range(0, total, args.batch)
    ]
    seen, answered, late, over = [0], 0, [], asyncio.Event()
    follower = asyncio.create_task(follow(port, after, seen))
    begin = time.perf_counter()
    begin_wall, begin_cpu = time.time(), time.process_time()
    todo = iter(enumerate(bodies))

    async def client() -> None:
        nonlocal answered
        async with Connection.to(port) as c:
            for k, body in todo:
                due = begin + k * args.batch / args.rate if args.rate else 0.0
                if (wait := due - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                start = time.perf_counter()
                told = await c.ask("/jobs", body)
                answered += told["accepted"]  # `+= await` would read the count before it waits
                late.append(time.perf_counter() - (due or start))
                if time.perf_counter() - begin > args.seconds:
                    return

    async def ends() -> None:
        gone = 0
        async with Connection.to(port) as c:
            while not over.is_set():
                await asyncio.sleep(0.1)
                while answered - gone >= 100:
                    ids = [alive.popleft() for _ in range(100)]
                    await c.ask("/cancel", json.dumps({"ids": ids}).encode())
                    gone += 100

    ending = asyncio.create_task(ends())
    await asyncio.gather(*(client() for _ in range(args.clients)))
    seconds = time.perf_counter() - begin
    end_wall, cpu = time.time(), time.process_time() - begin_cpu
    over.set()
    await ending
    await asyncio.sleep(1.0)
    follower.cancel()
    await asyncio.wait([follower])
    async with Connection.to(port) as c:
        for more in make_jobs(r, first + total, 100):  # what only the journal has when it is killed
            await c.ask("/jobs", json.dumps(more).encode())
    alive_now = await live(port)
    return {
        "answered": answered, "seconds": seconds, "late": late, "seen": seen[0],
        "from": begin_wall, "to": end_wall, "cpu": cpu, "live": alive_now,
    }  # fmt: skip


async def live(port: int) -> int:
    """How many jobs the broker knows."""
    async with Connection.to(port) as c:
        return int((await c.ask("/health"))["live"])


def lines(out: Path) -> list[dict[str, Any]]:
    """A broker's log."""
    return [json.loads(x) for x in out.read_text().splitlines()]


def start(command: list[Any], out: Path) -> tuple[subprocess.Popen[bytes], int, dict[str, Any]]:
    """A broker that is ready: its process, its port, what it says."""
    with out.open("w") as file:
        broker = subprocess.Popen([*map(str, command)], stdout=file)
    while '"ready"' not in out.read_text() or not out.read_text().endswith("\n"):
        assert broker.poll() is None, "the broker has ended"
        time.sleep(0.05)
    log = lines(out)
    port = next(x["port"] for x in log if x["event"] == "listening")
    return broker, port, next(x for x in log if x["event"] == "ready")


def report(args: argparse.Namespace, told: dict[str, Any], log: list[dict[str, Any]]) -> None:
    """The figures; every round of the window must have ended at its optimum."""
    span = [x for x in log if told["from"] <= x["time"] <= told["to"]]
    rounds = [x for x in span if x["event"] == "round"]
    assert all(x["status"] == "optimal" and x["gap"] < 1e-9 for x in rounds)
    assert not any(x["level"] == "ERROR" for x in log)
    rate = told["answered"] / told["seconds"]
    print(
        f"{told['live']:,} live jobs; {args.rate or 'all'} asked a second, {args.batch} a request, "
        f"{args.clients} connections: {rate:,.0f} a second acknowledged for {told['seconds']:.1f} s"
        "\nof each: 50, 95, 99, 100 %"
    )

    def line(what: str, values: list[float], unit: str = "ms") -> None:
        q = np.quantile(values, [0.5, 0.95, 0.99, 1.0])
        print(f"{what}: {q[0]:.1f} / {q[1]:.1f} / {q[2]:.1f} / {q[3]:.1f} {unit}")

    line("acknowledged after", [x * 1e3 for x in told["late"]])
    line(f"{len(rounds)} rounds", [x["ms"] for x in rounds])
    line("added a round", [x["added"] for x in rounds], "jobs")
    line("snapshots", [x["ms"] for x in span if x["event"] == "snapshot"] or [float("nan")])
    cold = sum(x["why"] != "warm" for x in rounds)
    print(
        f"placements told {sum(x['changes'] for x in rounds):,}, read {told['seen']:,}; cold {cold}"
    )
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"client {told['cpu'] / told['seconds']:.2f} cores in the window; broker in all "
        f"{usage.ru_utime + usage.ru_stime:.1f} s, at most {usage.ru_maxrss / 2**20:.2f} GB"
    )


def main(arguments: list[str] | None = None) -> None:
    parser = Parser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--jobs", type=int, default=200_000)
    add("--seconds", type=float, default=20.0)
    add("--rate", type=float, default=2000.0)
    add("--batch", type=int, default=1)
    add("--clients", type=int, default=32)
    add("--interval", type=float, default=0.2)
    add("--seed", type=int, default=1)
    args = parser.parse_args(arguments)
    r = np.random.default_rng(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "given.json"
        world.write_text(json.dumps(make_world(r, args.jobs)))
        out = Path(folder) / "log"
        command = [
            sys.executable,
            BROKER,
            "--port",
            0,
            "--world",
            world,
            "--state",
            f"{folder}/state",
        ]
        command += ["--interval", args.interval]
        broker, port, _ = start(command, out)
        try:
            told = uvloop.run(load(args, port, r))
            broker.kill()
            broker.wait()
            log = lines(out)
            begin = time.perf_counter()
            broker, port, ready = start(command, out)
            seconds = time.perf_counter() - begin
            again = uvloop.run(live(port))
        finally:
            broker.kill()
            broker.wait()
    report(args, told, log)
    assert again == told["live"], f"{again} jobs after a kill, {told['live']} before"
    print(
        f"kill -9: ready again after {seconds:.1f} s with all jobs; "
        f"{ready['operations_after_snapshot']:,} operations came after the snapshot, "
        f"lost {ready['operations_lost']}"
    )


if __name__ == "__main__":
    main()
