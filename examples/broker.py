"""A broker: a small service around a `Matcher` that takes jobs, places them, and survives kill -9.

A template, to be copied and changed: one process with one journal on one disk. Access rights,
TLS, a second machine that takes over and upgrades of its state are left to those who run it.

    python examples/broker.py --state broker-state [--world world.json] [--port 8080]
                              [--token-file FILE] [--allow-host NAME] [--rate N]

    POST /jobs             {"id", "family", "work_h", "budget_usd", "delay_usd_per_h", "tenant",
                           "gpus", "priority", "preemptible"}, or a list
    POST /cancel           {"ids": [...]}: cancelled or done
    PUT  /slots/{name}     {"capacity": n}
    POST /quote            a job without id: where it would go, at what cost, at what price
    GET  /jobs, /jobs/{id} queued, waiting or placed, and where
    GET  /why/{id}         why it is there, or what keeps it waiting
    GET  /tenants          what each is owed, may take and takes
    GET  /placements       server-sent events PLACE, MOVE, EVICT; ?after= or Last-Event-ID resumes
    GET  /recovery         what the last start found: snapshot, journal after it, what is lost
    GET  /health, /metrics, /docs

A request is taken whole or not at all, and answered with the number of its operation as soon as it
is checked and in the journal; the next round, some hundred milliseconds later, works it in. Rounds
run in a thread, without the GIL. The world (slot classes, prices, speeds of families) is a file of
JSON like `SMALL` in broker_world.py, which stands in for it; a state keeps the world it began with.

By default only this machine is served, and anybody on it without a token. A token, in a file or in
BROKER_TOKEN, must be shown as `Authorization: Bearer TOKEN` by every request but `GET /health`,
which probes ask and which has no ids in it; to listen elsewhere than on the loopback interface
takes one. Bodies are JSON by content type too: no web page can send that to another origin. See
broker_door.py for the bounds.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import ipaddress
import json
import logging
import os
import reprlib
import socket
import sys
import time
from collections import Counter as Tally
from contextlib import asynccontextmanager, suppress
from pathlib import Path as File
from typing import TYPE_CHECKING, Annotated, Any

try:
    import uvicorn
except ImportError as lacking:
    sys.exit(f"broker.py: {lacking}; it needs an extra, in a clone: pip install '.[broker]'")
from broker_door import Door, Limited, allowed_hosts, read_token
from broker_journal import Journal
from broker_world import QUEUED, SMALL, Broker, Refused
from fastapi import FastAPI, Header, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, FailFast, Field, TypeAdapter, ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

log = logging.getLogger("broker")

MOST_ID = 200  # characters
Id = Annotated[str, Field(min_length=1, max_length=MOST_ID)]
Key = Annotated[str, Path(min_length=1, max_length=MOST_ID)]
STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)


class Ask(BaseModel):
    """A job without a name. Bounds keep one job from coarsening the resolution of all costs."""

    model_config = STRICT
    family: Annotated[str, Field(max_length=MOST_ID)]
    work_h: float = Field(gt=0, le=1e5)
    budget_usd: float = Field(ge=0, le=1e7, description="left out rather than placed for more")
    delay_usd_per_h: float = Field(
        0.0, ge=0, le=1e3, description="what an hour of its run is worth"
    )
    gpus: int = Field(1, ge=1, le=100_000, description="slots of one class, all or none")
    tenant: Annotated[str, Field(max_length=MOST_ID)] | None = None
    priority: int = Field(0, ge=-1000, le=1000, description="within its tenant")
    preemptible: bool = Field(True, description="may be moved or sent out while it runs")


class Job(Ask):
    id: Id


class Cancel(BaseModel):
    model_config = STRICT
    ids: Annotated[list[Id], Field(max_length=100_000), FailFast()]


class Room(BaseModel):
    model_config = STRICT
    capacity: int = Field(ge=0, le=10**9)


ONE, MANY = (
    TypeAdapter(Job),
    TypeAdapter(Annotated[list[Job], Field(max_length=100_000), FailFast()]),
)
SCHEMA = {"anyOf": [adapter.json_schema() for adapter in (ONE, MANY)]}
BODY = {"content": {"application/json": {"schema": SCHEMA}}}


def columns(ask: Ask, families: dict[str, int], tenants: list[str]) -> tuple[Any, ...]:
    """A job as a row of the broker's columns; `work_h` is that of each of its accelerators."""
    family = families.get(ask.family)
    key = getattr(ask, "id", None)
    if family is None:
        error = f"no family {ask.family!r}, only {', '.join(families)}"
        raise Refused(422, error, field="family", id=key)
    delay = ask.work_h * ask.delay_usd_per_h
    if not tenants:
        for field in ("gpus", "tenant", "priority", "preemptible"):
            if getattr(ask, field) != Ask.model_fields[field].default:
                error = f"{field}: this world has no tenants, and one slot for each job"
                raise Refused(422, error, field=field, id=key)
        return family, ask.work_h, delay, ask.budget_usd
    if ask.tenant not in tenants:
        error = f"no tenant {ask.tenant!r}, only {', '.join(tenants)}"
        raise Refused(422, error, field="tenant", id=key)
    row = (family, ask.work_h * ask.gpus, delay, ask.budget_usd)
    return (*row, ask.gpus, tenants.index(ask.tenant), ask.priority, ask.preemptible)


def rows(body: bytes, families: dict[str, int], tenants: list[str]) -> dict[str, tuple[Any, ...]]:
    """The jobs of a request by id; pydantic reads the bytes themselves, which is the fast way."""
    try:
        many = body.lstrip()[:1] == b"["
        jobs = MANY.validate_json(body) if many else [ONE.validate_json(body)]
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_context=False), body) from None
    found = {job.id: columns(job, families, tenants) for job in jobs}
    if len(found) < len(jobs):
        twice = Tally(job.id for job in jobs).most_common(1)[0][0]
        raise Refused(422, f"job {twice!r} stands twice in the request", id=twice, field="id")
    return found


def invalid(errors: Any, body: bytes = b"") -> Refused:
    """The first error of a model: what, which field, which job."""
    first = errors[0]
    at = [x for x in first["loc"] if x != "body"]
    where: dict[str, Any] = {"field": ".".join(map(str, at))} if at else {}
    if 0 < len(body) <= 1 << 20 and first["type"] != "json_invalid":  # to read it again takes time
        with suppress(ValueError, LookupError, RecursionError):  # Python's JSON is not pydantic's
            job = json.loads(body)
            job = job[at[0]] if at and isinstance(at[0], int) else job
            if isinstance(job, dict) and len(str(job.get("id", ""))) <= MOST_ID:
                where |= {"id": job["id"]} if "id" in job else {}
    found = reprlib.repr(first["input"])  # bounded: the input may be the whole body
    error = f"{where.get('field', 'body')}: {first['msg']}, found {found}"[:500]
    return Refused(422, error, **where)


def application(make: Any) -> FastAPI:
    """The routes; `make` builds the broker once the loop runs."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        start = time.monotonic()
        app.state.broker = b = make()
        log.info("ready", extra={"seconds": round(time.monotonic() - start, 3), **b.recovery})
        rounds = asyncio.create_task(b.run())
        yield
        b.stop()
        await rounds
        b.journal.close()
        log.info("stopped", extra={"operation": b.seq, "failure": b.failure})

    app = FastAPI(title="broker", lifespan=life)

    def broker() -> Broker:
        return app.state.broker  # type: ignore[no-any-return]

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> Response:
        broker().metrics.refused.labels(error.status).inc()
        again = error.body.get("retry_after_s")
        headers = {} if again is None else {"Retry-After": str(again)}
        return JSONResponse(error.body, error.status, headers)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        return await refused(request, invalid(error.errors()))

    @app.post("/jobs", status_code=202, openapi_extra={"requestBody": BODY})
    async def submit(request: Request) -> Response:
        b = broker()
        jobs = rows(await request.body(), b.families, b.tenants)
        body = b'{"operation":%d,"accepted":%d}' % (b.submit(jobs), len(jobs))
        return Response(body, 202, media_type="application/json")

    @app.post("/cancel", status_code=202)
    async def cancel(what: Cancel) -> dict[str, int]:
        if len(set(what.ids)) < len(what.ids):
            raise Refused(422, "an id stands twice in the request", field="ids")
        return {"operation": broker().cancel(what.ids), "cancelled": len(what.ids)}

    @app.put("/slots/{name}", status_code=202)
    async def slots(name: Key, room: Room) -> dict[str, int]:
        return {"operation": broker().set_capacity(name, room.capacity)}

    @app.post("/quote")
    async def quote(ask: Ask) -> dict[str, Any]:
        b = broker()
        row = columns(ask, b.families, b.tenants)
        one = dict(zip(b.columns, ([x] for x in row), strict=True))
        slot, cost, price = await asyncio.to_thread(b.world.quote, one)
        name = b.names[slot[0]] if slot[0] >= 0 else None
        return {"slot": name, "cost_usd": float(cost[0]), "price_usd": float(price[0])}

    def state(slot: int) -> dict[str, Any]:
        if slot >= 0:
            return {"state": "placed", "slot": broker().names[slot]}
        return {"state": "queued" if slot == QUEUED else "waiting", "slot": None}

    @app.get("/jobs")
    async def jobs() -> dict[str, Any]:
        b = broker()
        return {"seq": b.stream.last, "jobs": {key: state(slot) for key, slot in b.jobs.items()}}

    @app.get("/jobs/{key:path}")
    async def job(key: Key) -> dict[str, Any]:
        slot = broker().jobs.get(key)
        if slot is None:
            raise Refused(404, f"no job {key!r}", id=key, field="id")
        return {"id": key, **state(slot)}

    @app.get("/why/{key:path}")
    async def why(key: Key) -> dict[str, Any]:
        b = broker()
        slot = b.jobs.get(key)
        if slot is None:
            raise Refused(404, f"no job {key!r}", id=key, field="id")
        if slot == QUEUED:
            queued = "it waits for the next round"
            return {"id": key, "slot": None, "reason": "Queued", "why": queued}
        return await asyncio.to_thread(b.why, key)

    @app.get("/tenants")
    async def tenants() -> dict[str, Any]:
        return broker().shares()

    @app.get("/placements")
    async def placements(
        after: int | None = None, last_event_id: int | None = Header(None)
    ) -> Response:
        s = broker().stream
        known = (last_event_id, after, s.last)  # a browser that comes back sends the first
        start = next(number for number in known if number is not None)
        if not s.first - 1 <= start <= s.last:
            error = f"placements {s.first} to {s.last} are kept, found {start}: read GET /jobs"
            raise Refused(410, error, field="after", first=s.first, last=s.last)
        return StreamingResponse(s.follow(start), media_type="text/event-stream")

    @app.get("/recovery")
    async def recovery() -> dict[str, Any]:
        return broker().recovery

    @app.get("/health")
    async def health() -> Response:
        b = broker()
        told = {"status": b.failure or "ok", "live": len(b.jobs), "queue": len(b.next)}
        return JSONResponse({**told, "operation": b.seq}, 503 if b.failure else 200)

    @app.get("/metrics")
    async def metrics() -> Response:
        text = generate_latest(broker().metrics.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return app


class Lines(logging.Formatter):
    """One JSON object a line."""

    known = frozenset(vars(logging.makeLogRecord({}))) | {"message", "taskName", "color_message"}

    def format(self, record: logging.LogRecord) -> str:
        line = {"time": record.created, "level": record.levelname, "event": record.getMessage()}
        line |= {k: v for k, v in vars(record).items() if k not in self.known}
        line |= {"traceback": self.formatException(record.exc_info)} if record.exc_info else {}
        return json.dumps(line, default=str)


def world(state: File, given: File | None) -> dict[str, Any]:
    """The world of a state; what was never given to it is an error, and so is a damaged file."""
    kept = state / "world.json"
    asked = json.loads(given.read_text()) if given else None
    if not kept.exists():
        state.mkdir(parents=True, exist_ok=True)
        config = asked or SMALL
        beside = state / "world.json.new"
        with beside.open("w") as file:
            file.write(json.dumps({"sha256": digest(config), "world": config}))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(kept)
    try:
        found = json.loads(kept.read_bytes())
        # States of older brokers hold the world alone.
        config = found["world"] if "slots" not in found else found
        if config is not found and found["sha256"] != digest(config):
            raise ValueError("its checksum does not match")
    except (ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"{kept} is damaged: {error!r}") from None
    if asked not in (None, config):
        raise SystemExit(
            f"{state} is the state of another world than {given}: choose another --state"
        )
    return config


def digest(config: Any) -> str:
    """The SHA-256 of a world."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def is_loopback(host: str) -> bool:
    """Is only this machine served at that address?"""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Server(uvicorn.Server):
    """Streams end when the server does, which would wait for them."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        broker: Broker | None = getattr(self.config.app.app.state, "broker", None)  # type: ignore[union-attr]
        if broker:
            broker.stop()
        super().handle_exit(sig, frame)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--state", type=File, default=File("broker-state"), help="folder of journal and snapshots")
    add("--world", type=File, help="slot classes, prices, speeds (default: a small invented one)")
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=8080, help="0: any, which the log tells")
    add("--interval", type=float, default=0.2, help="seconds between rounds")
    add("--snapshot", type=float, default=5.0, help="seconds between snapshots")
    add("--queue", type=int, default=50_000, help="changes that may wait for a round; then 503")
    add("--keep", type=int, default=100_000, help="placements kept for those who resume")
    add("--threads", type=int, help="of a round; all by default")
    add("--token-file", type=File, help="token that requests must show (or BROKER_TOKEN)")
    add("--allow-host", action="append", default=[], help="name by which clients call, repeatable")
    add("--most-body", type=int, default=8 << 20, help="bytes of a request's body")
    add("--body-s", type=float, default=10.0, help="seconds in which it must have come")
    add("--rate", type=float, help="requests a second over a second, then 429 (default: any)")
    add("--connections", type=int, default=1000, help="at once; then 503")
    args = parser.parse_args(arguments)
    token = read_token(args.token_file)
    if token is None and not is_loopback(args.host):
        parser.error(f"--host {args.host} serves other machines: give --token-file or BROKER_TOKEN")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Lines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    config = world(args.state, args.world)
    names = ("interval", "queue", "keep", "threads")
    options = {k: getattr(args, k) for k in names} | {"snapshot_s": args.snapshot}
    routes = application(lambda: Broker(config, Journal(args.state), **options))

    def refused(status: int) -> None:
        routes.state.broker.metrics.refused.labels(status).inc()

    app = Door(
        routes,
        hosts=allowed_hosts(args.host, args.allow_host),
        token=token,
        most_body=args.most_body,
        body_s=args.body_s,
        rate=args.rate,
        refused=refused,
    )
    listener = socket.create_server((args.host, args.port), backlog=2048)
    log.info("listening", extra={"host": args.host, "port": listener.getsockname()[1]})
    server = Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http=Limited,
            limit_concurrency=args.connections,
            access_log=False,
            log_config=None,
            proxy_headers=False,
            timeout_graceful_shutdown=5,
        )
    )
    server.run(sockets=[listener])
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
