"""Commands of the operator: `submit`, `queue`, `why`, `cancel`, `operate`; `register` adds them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .output import Json, emit, say

if TYPE_CHECKING:
    from ..clusters.operator import Operator


Config = Annotated[Path, typer.Option("--config", "-c", help="The configuration, grid.toml.")]
DEFAULT = Path("grid.toml")
#: Jobs that `queue` lists where `--all` is not given.
SHOWN = 40


def register(app: typer.Typer) -> None:
    """Add the operator's commands to `app`."""
    for command in (submit, queue, why, cancel, operate):
        app.command()(command)


def _ids(context: typer.Context, incomplete: str) -> list[str]:
    """Complete ids of jobs, the last ones first."""
    try:
        with _opened(Path(context.params.get("config") or DEFAULT)) as operator:
            sql = "SELECT id FROM jobs WHERE substr(id, 1, ?) = ? ORDER BY n DESC LIMIT 50"
            return [row["id"] for row in operator.state.rows(sql, len(incomplete), incomplete)]
    except Exception:  # a completion must not print anything else
        return []


def _opened(config: Path) -> Operator:
    from ..clusters.operator import Operator

    return Operator(config)


Job = Annotated[str, typer.Argument(metavar="ID", help="A job's id.", autocompletion=_ids)]


def submit(
    script: Annotated[Path | None, typer.Argument(help="The script, which begins with #!.")] = None,
    config: Config = DEFAULT,
    table: Annotated[
        Path | None, typer.Option(help="Many jobs: a table with a column for each option.")
    ] = None,
    accelerators: Annotated[int, typer.Option(min=1, help="Accelerators of one kind.")] = 1,
    hours: Annotated[float | None, typer.Option(help="Hours that it runs.")] = None,
    within: Annotated[str | None, typer.Option(help="Done in this time: 24h, 90m, 2d.")] = None,
    deadline: Annotated[str | None, typer.Option(help="Done by then: 2026-06-02T08:00.")] = None,
    origin: Annotated[str | None, typer.Option("--from", help="Site where its data are.")] = None,
    data_gb: Annotated[float, typer.Option(min=0.0, help="Data that travel, GB.")] = 0.0,
    memory_gb: Annotated[float, typer.Option(min=0.0, help="GB on each accelerator.")] = 0.0,
    accelerator: Annotated[str | None, typer.Option(help="The only kind it runs on.")] = None,
    family: Annotated[str | None, typer.Option(help="Family of the tables: speeds.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Tenant whose quota it counts in.")] = None,
    value_yuan: Annotated[
        float | None, typer.Option(min=0.0, help="Cost of leaving it out; default: it runs.")
    ] = None,
    delay_yuan_per_h: Annotated[
        float, typer.Option(min=0.0, help="Cost of each hour until it starts.")
    ] = 0.0,
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    user: Annotated[str | None, typer.Option(help="Whose token it runs by.")] = None,
    as_json: Json = False,
) -> None:
    """Submit a job, or a table of many; print the id of each on a line of its own."""
    if (script is None) == (table is None):
        raise typer.BadParameter("needed either SCRIPT or --table")
    with _opened(config) as operator:
        if table is not None:
            from ..clusters.submission import TEXTS
            from ..grid.files.table_files import read_table

            ids = operator.submit(table=read_table(table, TEXTS).to_pylist())
        else:
            columns: dict[str, Any] = {"from": origin, "accelerators": accelerators, "hours": hours}
            columns |= {"within": within, "deadline": deadline, "data_gb": data_gb}
            columns |= {"memory_gb": memory_gb, "accelerator": accelerator, "family": family}
            columns |= {"tenant": tenant, "value_yuan": value_yuan, "name": name, "user": user}
            ids = operator.submit(script, **columns, delay_yuan_per_h=delay_yuan_per_h)
    emit(as_json, {"ids": ids}, "\n".join(ids))


def queue(
    config: Config = DEFAULT,
    everything: Annotated[bool, typer.Option("--all", help="Ended jobs too, all of them.")] = False,
    as_json: Json = False,
) -> None:
    """Show jobs that wait, are planned (where and when), run, and are over; totals; clusters."""
    with _opened(config) as operator:
        found = operator.state.queue()
        if as_json:
            jobs = found.pop("jobs")
            rest = json.dumps(found)
            typer.echo('{"jobs": ' + jobs + ", " + rest[1:])
            return
        counts = operator.state.rows("SELECT state, count(*) AS jobs FROM jobs GROUP BY state")
        chosen = "" if everything else "WHERE state IN ('waiting', 'starting', 'running')"
        limit = -1 if everything else SHOWN
        order = "ORDER BY state, planned_h, n" if not everything else "ORDER BY n"
        jobs = operator.state.rows(f"SELECT * FROM jobs {chosen} {order} LIMIT ?", limit)
    _shown(found, counts, jobs)


def _shown(found: dict[str, Any], counts: list[dict[str, Any]], jobs: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ..report.printable import printable

    console = Console()
    hour = "no hour was planned yet" if found["hour"] is None else f"hour {found['hour']}"
    total = found["totals"]
    words = ", ".join(f"{row['jobs']:,} {row['state']}" for row in counts) or "no jobs"
    console.print(Text(f"{hour}: {words}"))
    if jobs:
        table = Table("id", "state", "gang", "hours", "where", "from hour", "why", box=None)
        colour = {"running": "green", "failed": "red", "cancelled": "yellow"}
        for job in jobs:
            if job["state"] == "waiting" and job["planned_h"] is not None:
                job["state"] = "planned"
            where = f"{job['accelerator']} at {job['site']}" if job["site"] else ""
            cells = [job["id"], job["state"], str(job["gang"]), f"{job['hours']:g}", where]
            cells += ["" if job["planned_h"] is None else str(job["planned_h"]), job["why"]]
            style = colour.get(job["state"], "")
            table.add_row(*(Text(printable(cell), style=style) for cell in cells))
        console.print(table)
    rest = sum(row["jobs"] for row in counts) - len(jobs)
    if rest:
        console.print(Text(f"{rest:,} more: gridcompute queue --all"))
    share = f", {total['green_kwh'] / total['load_kwh']:.1%} green" if total["load_kwh"] else ""
    spent = f"{total['accelerator_h']:,.1f} accelerator-hours, {total['load_kwh']:,.1f} kWh{share}"
    console.print(Text(f"{spent}, {total['cost_yuan']:,.2f} yuan"))
    for cluster in found["clusters"]:
        if not cluster["answers"]:
            line = f"{cluster['site']} gives no answer: {cluster['words']}"
            console.print(Text(printable(line), style="bold red"))


def why(job: Job, config: Config = DEFAULT, as_json: Json = False) -> None:
    """Say why a job is where it is: the plan's reason in words and yuan."""
    with _opened(config) as operator:
        text, row = operator.why(job), operator.state.job(job)
    emit(as_json, {**row, "text": text}, text)


def cancel(job: Job, config: Config = DEFAULT, as_json: Json = False) -> None:
    """Cancel a job: at once where it waits, else as soon as the operator looks again."""
    with _opened(config) as operator:
        state = operator.cancel(job)
    over = "cancelled" if state == "cancelled" else f"{state}, it will be ended on its cluster"
    over = f"{state} already" if state in ("done", "failed") else over
    emit(as_json, {"id": job, "state": state}, f"{job}: {over}")


def operate(
    config: Config = DEFAULT,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Hours to operate; then it ends.")
    ] = None,
    serve: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Serve the page and /metrics.")
    ] = None,
    serve_token: Annotated[
        Path | None, typer.Option(help="File of the token that a reader elsewhere must give.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say only what goes wrong.")] = False,
    as_json: Json = False,
) -> None:
    """Run the loop: look, plan, start, record, hour by hour, until it is interrupted."""
    import logging
    import signal
    import threading

    from ..clusters.reconcile import log
    from ..clusters.server import served
    from ..report.printable import printable

    class Line(logging.Formatter):
        """Escapes control characters, which names of jobs and answers of clusters may hold."""

        def format(self, record: logging.LogRecord) -> str:
            return printable(super().format(record), keep="\n")

        def formatMessage(self, record: logging.LogRecord) -> str:
            return printable(super().formatMessage(record))

    stopped, written, before = threading.Event(), logging.StreamHandler(), {}
    written.setFormatter(Line("%(asctime)s %(levelname)s %(message)s"))
    with _opened(config) as operator, served(operator, serve, serve_token) as address:
        operator.open()
        if address and not quiet:
            say(f"the page: http://{address}/, the metrics: http://{address}/metrics")
        level = log.level
        try:
            log.addHandler(written)
            log.setLevel(logging.WARNING if quiet else logging.INFO)
            for number in (signal.SIGINT, signal.SIGTERM):
                before[number] = signal.signal(number, lambda *_: stopped.set())
            operator.operate(
                steps=steps,
                stop=stopped.is_set,
                told=lambda op: None if quiet else _told(op, as_json),
            )
        finally:
            log.removeHandler(written)
            log.setLevel(level)
            for number, handler in before.items():
                signal.signal(number, handler)


def _told(operator: Operator, as_json: bool) -> None:
    """Print a line about the hour that was planned."""
    state = operator.state
    counts = {
        row["state"]: row["jobs"]
        for row in state.rows("SELECT state, count(*) AS jobs FROM jobs GROUP BY state")
    }
    totals, hour = state.get("totals", {}), state.get("hour")
    facts = {"hour": hour, "jobs": counts, "seconds": state.get("tick_s"), "totals": totals}
    if as_json:
        typer.echo(json.dumps(facts))
        return
    words = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
    say(f"hour {hour}: {words}; {totals['cost_yuan']:,.2f} yuan; {facts['seconds']:.2f} s")
