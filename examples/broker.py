"""A broker: a small service around a `Matcher` that takes jobs, places them, and survives kill -9.

    python examples/broker.py --state broker-state [--world world.json] [--port 8080]

    POST /jobs             {"id", "family", "work_h", "budget_usd", "delay_usd_per_h"}, or a list
    POST /cancel           {"ids": [...]}: cancelled or done
    PUT  /slots/{name}     {"capacity": n}
    POST /quote            a job without id: where it would go, at what cost, at what price
    GET  /jobs, /jobs/{id} queued, waiting or placed, and where
    GET  /placements       server-sent events PLACE, MOVE, EVICT; ?after= or Last-Event-ID resumes
    GET  /recovery         what the last start found: snapshot, journal after it, what is lost
    GET  /health, /metrics, /docs

A request is taken whole or not at all, and answered with the number of its operation as soon as it
is checked and in the journal; the next round, some hundred milliseconds later, works it in. Rounds
run in a thread, without the GIL. The world (slot classes, prices, speeds of families) is a file of
JSON like `SMALL` in broker_world.py, which stands in for it; a state keeps the world it began with.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import socket
import sys
import time
from collections import Counter as Tally
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import uvicorn
from broker_journal import Journal
from broker_world import JOB, QUEUED, SMALL, Broker, Refused
from fastapi import FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

log = logging.getLogger("broker")

Id = Annotated[str, Field(min_length=1, max_length=200)]
STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


class Ask(BaseModel):
    """A job without a name. Bounds keep one job from coarsening the resolution of all costs."""

    model_config = STRICT
    family: str
    work_h: float = Field(gt=0, le=1e5)
    budget_usd: float = Field(ge=0, le=1e7, description="left out rather than placed for more")
    delay_usd_per_h: float = Field(
        0.0, ge=0, le=1e3, description="what an hour of its run is worth"
    )


class Job(Ask):
    id: Id


class Cancel(BaseModel):
    model_config = STRICT
    ids: list[Id] = Field(max_length=100_000)


class Room(BaseModel):
    model_config = STRICT
    capacity: int = Field(ge=0, le=10**9)


ONE, MANY = TypeAdapter(Job), TypeAdapter(Annotated[list[Job], Field(max_length=100_000)])
SCHEMA = {"anyOf": [adapter.json_schema() for adapter in (ONE, MANY)]}
BODY = {"content": {"application/json": {"schema": SCHEMA}}}


def columns(ask: Ask, families: dict[str, int]) -> tuple[Any, ...]:
    """A job as a row of the columns of JOB."""
    family = families.get(ask.family)
    if family is None:
        error = f"no family {ask.family!r}, only {', '.join(families)}"
        raise Refused(422, error, field="family", id=getattr(ask, "id", None))
    return family, ask.work_h, ask.work_h * ask.delay_usd_per_h, ask.budget_usd


def rows(body: bytes, families: dict[str, int]) -> dict[str, tuple[Any, ...]]:
    """The jobs of a request by id; pydantic reads the bytes themselves, which is the fast way."""
    try:
        many = body.lstrip()[:1] == b"["
        jobs = MANY.validate_json(body) if many else [ONE.validate_json(body)]
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_context=False), body) from None
    found = {job.id: columns(job, families) for job in jobs}
    if len(found) < len(jobs):
        twice = Tally(job.id for job in jobs).most_common(1)[0][0]
        raise Refused(422, f"job {twice!r} stands twice in the request", id=twice, field="id")
    return found


def invalid(errors: Any, body: bytes = b"") -> Refused:
    """The first error of a model: what, which field, which job."""
    first = errors[0]
    at = [x for x in first["loc"] if x != "body"]
    where: dict[str, Any] = {"field": ".".join(map(str, at))} if at else {}
    if body and first["type"] != "json_invalid":
        job = json.loads(body)
        job = job[at[0]] if at and isinstance(at[0], int) else job
        where |= {"id": job["id"]} if isinstance(job, dict) and "id" in job else {}
    error = f"{where.get('field', 'body')}: {first['msg']}, found {first['input']!r}"[:500]
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
        jobs = rows(await request.body(), b.families)
        body = b'{"operation":%d,"accepted":%d}' % (b.submit(jobs), len(jobs))
        return Response(body, 202, media_type="application/json")

    @app.post("/cancel", status_code=202)
    async def cancel(what: Cancel) -> dict[str, int]:
        if len(set(what.ids)) < len(what.ids):
            raise Refused(422, "an id stands twice in the request", field="ids")
        return {"operation": broker().cancel(what.ids), "cancelled": len(what.ids)}

    @app.put("/slots/{name}", status_code=202)
    async def slots(name: str, room: Room) -> dict[str, int]:
        return {"operation": broker().set_capacity(name, room.capacity)}

    @app.post("/quote")
    async def quote(ask: Ask) -> dict[str, Any]:
        b = broker()
        one = dict(zip(JOB, ([x] for x in columns(ask, b.families)), strict=True))
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
    async def job(key: str) -> dict[str, Any]:
        slot = broker().jobs.get(key)
        if slot is None:
            raise Refused(404, f"no job {key!r}", id=key, field="id")
        return {"id": key, **state(slot)}

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


def world(state: Path, given: Path | None) -> dict[str, Any]:
    """The world of a state; what was never given to it is an error."""
    kept = state / "world.json"
    asked = json.loads(given.read_text()) if given else None
    if not kept.exists():
        state.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(asked or SMALL))
    config: dict[str, Any] = json.loads(kept.read_text())
    if asked not in (None, config):
        raise SystemExit(
            f"{state} is the state of another world than {given}: choose another --state"
        )
    return config


class Server(uvicorn.Server):
    """Streams end when the server does, which would wait for them."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        broker: Broker | None = getattr(self.config.app.state, "broker", None)  # type: ignore[union-attr]
        if broker:
            broker.stop()
        super().handle_exit(sig, frame)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--state", type=Path, default=Path("broker-state"), help="folder of journal and snapshots")
    add("--world", type=Path, help="slot classes, prices, speeds (default: a small invented one)")
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=8080, help="0: any, which the log tells")
    add("--interval", type=float, default=0.2, help="seconds between rounds")
    add("--snapshot", type=float, default=5.0, help="seconds between snapshots")
    add("--queue", type=int, default=50_000, help="changes that may wait for a round; then 503")
    add("--keep", type=int, default=100_000, help="placements kept for those who resume")
    add("--threads", type=int, help="of a round; all by default")
    args = parser.parse_args(arguments)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Lines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    config = world(args.state, args.world)
    names = ("interval", "queue", "keep", "threads")
    options = {k: getattr(args, k) for k in names} | {"snapshot_s": args.snapshot}
    app = application(lambda: Broker(config, Journal(args.state), **options))
    listener = socket.create_server((args.host, args.port), backlog=2048)
    log.info("listening", extra={"host": args.host, "port": listener.getsockname()[1]})
    server = Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
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
