"""The platform's commands, from `demo` to `ledger`; `register` adds them."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._checks import meant
from ..errors import InvalidProblemError
from .output import Json, emit, plain, plan_facts, say

if TYPE_CHECKING:
    from ..grid.plan.plan import Plan
    from ..grid.tables.problem import Problem


Threads = Annotated[int | None, typer.Option(min=1, help="Threads; all by default.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bar.")]
TimeLimit = Annotated[float | None, typer.Option(min=0.0, help="Seconds.")]
WorkLimit = Annotated[
    float | None, typer.Option(min=0.0, help="Units of counted work: the same plan on any machine.")
]
Folder = Annotated[Path, typer.Argument(help="Folder of a plan, as `match` writes it.")]
Gap = Annotated[
    float, typer.Option(min=0.0, help="Stop once the relative gap is proved this small.")
]


class LatencyRule(StrEnum):
    """The meaning of a job's latency limit."""

    one_way = "one_way"
    round_trip = "round_trip"


def register(app: typer.Typer) -> None:
    """Add the platform's commands to `app`."""
    for command in (demo, scenario, match, verify, explain, audit, report, whatif):
        app.command()(command)
    ledger = typer.Typer(no_args_is_help=True, help="Check or repair the file of a ledger.")
    ledger.command("check")(ledger_check)
    ledger.command("repair")(ledger_repair)
    app.add_typer(ledger, name="ledger")


def demo(
    jobs: Annotated[int, typer.Option(min=1, help="How many jobs.")] = 50_000,
    out: Annotated[Path, typer.Option(help="Folder for the plan and its page.")] = Path("out"),
    gap: Gap = 2e-3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of jobs and weather.")] = 0,
    threads: Threads = None,
    time_limit: TimeLimit = 40.0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Match one day of the packaged east-west scenario; tables, and a page worth opening."""
    from ..grid import east_west

    options = {"gap": gap, "threads": threads, "time_limit": time_limit}
    problem = east_west(n_jobs=jobs, seed=seed)
    _made(_solved(problem, out, quiet or as_json, **options), out, as_json)


def scenario(
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    jobs: Annotated[int, typer.Option(min=1, help="How many jobs.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of jobs and weather.")] = 0,
    csv: Annotated[bool, typer.Option("--csv", help="CSV instead of Parquet.")] = False,
    as_json: Json = False,
) -> None:
    """Write the packaged east-west scenario as a folder of tables: a pattern for your own."""
    from ..grid import east_west, write_problem

    problem = east_west(n_jobs=jobs, seed=seed)
    folder = write_problem(problem, out, format="csv" if csv else "parquet")
    sizes = {"jobs": len(problem.jobs), "sites": len(problem.sites), "hours": problem.hours}
    emit(as_json, {"folder": str(folder), "name": problem.name, **sizes}, f"{folder}: {problem!r}")


def match(
    problem: Annotated[Path, typer.Argument(help="Folder of tables, as `scenario` writes it.")],
    out: Annotated[Path, typer.Option(help="Folder for the plan.")],
    gap: Gap = 1e-3,
    threads: Threads = None,
    time_limit: TimeLimit = None,
    work_limit: WorkLimit = None,
    ledger: Annotated[
        Path | None,
        typer.Option(help="The ledger's file, in place of the one that problem.json names."),
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Match a batch of your own tables (CSV or Parquet); write the plan, its audit and page."""
    from ..grid import read_problem

    _require_apart(problem, out)
    limits = {"time_limit": time_limit, "work_limit": work_limit}
    options = {"gap": gap, "threads": threads, **limits}
    given = read_problem(problem, ledger=ledger)
    if not len(given.jobs):
        name = next(path.name for path in sorted(problem.glob("jobs.*")))
        typer.echo(f"gridcompute: warning: {name} has no rows, the plan has no jobs", err=True)
    _made(_solved(given, out, quiet or as_json, **options), out, as_json)


def verify(folder: Folder, as_json: Json = False) -> None:
    """Check a stored plan and the files beside it, all recomputed.

    Exit status 1 for a fault, and for what could not be checked.
    """
    from ..grid import verify_plan

    found = verify_plan(folder)
    emit(as_json, {**plain(found), "outcome": found.outcome}, str(found))
    raise typer.Exit(0 if found.valid else 1)


def _rows(plan: Plan, words: list[str]) -> tuple[list[int], list[str]]:
    """The rows of jobs that the command line names, by their ids of text or by number.

    Beside them what is wrong with each word that names none.
    """
    jobs = plan.problem.jobs
    texts = jobs.id is not None and jobs.id.dtype.kind == "U"
    called = {name: row for row, name in enumerate(jobs.ids.tolist())} if texts else {}
    rows, wrong, n = [], [], len(jobs)
    for word in words:
        row = called.get(word, int(word) if word.isascii() and word.isdigit() else n)
        if row < n:
            rows.append(row)
            continue
        known = "an id of a job, or " if called else ""
        wrong.append(f"found {word:.100}, needed {known}0 to {n - 1}{meant(word, called)}")
    return rows, wrong


def explain(
    folder: Folder,
    jobs: Annotated[
        list[str], typer.Argument(help="Ids of jobs where these are text, else their rows, from 0.")
    ],
    as_json: Json = False,
) -> None:
    """Say why jobs of a stored plan run where they do, or why not, with each site's best option.

    Exit status 2 if the plan has no such job; the others are explained all the same.
    """
    plan = _stored(folder)
    rows, wrong = _rows(plan, jobs)
    found = [plan.explain(j) for j in rows]
    facts = [{**plain(e), "text": str(e)} for e in found]
    for fact, e in zip(facts, found, strict=True):
        fact.pop("names", None)
        pairs = [(fact["best"][name], offer) for name, offer in e.best.items()]
        pairs += [(fact["taken"], e.taken)] if e.taken is not None else []
        for offer, known in pairs:
            offer |= {"yuan": plain(known.yuan), "fits": known.fits}
    if facts or as_json:
        emit(as_json, facts, "\n".join(str(e) for e in found))
    if wrong:
        raise InvalidProblemError(f"job: {'; job: '.join(wrong)}", "job")


def audit(folder: Folder, as_json: Json = False) -> None:
    """Print the green account of a stored plan: four numbers by site, claims under every rule."""
    from ..grid import audit as account_of

    account = account_of(_stored(folder))
    emit(as_json, account.as_dict(), str(account))


def report(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("plan.html"),
    as_json: Json = False,
) -> None:
    """Print the tables of a stored plan and write its page with pictures."""
    plan = _stored(folder)
    page = plan.report(out)
    _shown(plan, page, as_json)


def _factor(text: str) -> float:
    """Return a factor given as such, or as a change: "1.2" and "+20%" are the same."""
    change = re.fullmatch(r"([+-][0-9.]+)%", text)
    try:
        return 1 + float(change[1]) / 100 if change else float(text)
    except ValueError:
        needed = "a factor or a change: 1.2, +20%, -10%"
        raise typer.BadParameter(f"found {text:.40}, needed {needed}") from None


def _outage(plan: Plan, text: str | None) -> str | tuple[str, int, int] | None:
    """Return the outage that SITE or SITE:FIRST-END names; a site's name may look like either."""
    hours = None if text is None else re.fullmatch(r"(.+):([0-9]+)-([0-9]+)", text)
    if hours is None or text in plan.problem.sites.name.tolist():
        return text
    return hours[1], int(hours[2]), int(hours[3])


def whatif(
    folder: Folder,
    share: Annotated[float | None, typer.Option(help="The mandate's share, e.g. 0.9.")] = None,
    battery: Annotated[
        float | None, typer.Option(parser=_factor, metavar="FACTOR", help="On every battery.")
    ] = None,
    gbit_s: Annotated[float | None, typer.Option(help="Gbit/s added to the corridors.")] = None,
    corridor: Annotated[str | None, typer.Option(help="Only this one: ORIGIN:DESTINATION.")] = None,
    outage: Annotated[
        str | None,
        typer.Option(help="A site without accelerators, or SITE:FIRST-END: from hour to hour."),
    ] = None,
    renewables: Annotated[
        float | None, typer.Option(parser=_factor, metavar="FACTOR", help="On direct sources.")
    ] = None,
    tariff: Annotated[
        float | None,
        typer.Option(parser=_factor, metavar="FACTOR", help="On every tariff: 1.2, +20%, -10%."),
    ] = None,
    latency_rule: Annotated[
        LatencyRule | None, typer.Option(help="How the jobs' latency limit is read.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Move only what must move.")] = False,
    gap: Annotated[float | None, typer.Option(help="1.5 times the plan's gap by default.")] = None,
    threads: Threads = None,
    time_limit: TimeLimit = None,
    work_limit: WorkLimit = None,
    quiet: Quiet = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the new plan.")] = None,
    as_json: Json = False,
) -> None:
    """Solve a stored plan again with something changed, and print the difference."""
    from ..grid import whatif, write_plan
    from ..grid.files.folders import check_target

    pair = None
    if corridor is not None:
        origin, colon, destination = corridor.partition(":")
        if not colon:
            raise typer.BadParameter(f"corridor is {corridor!r}, needed ORIGIN:DESTINATION")
        pair = (origin, destination)
    if out is not None:
        _require_apart(folder, out)
        check_target(out, "plan")
    plan = _stored(folder)
    outcome = whatif(
        plan,
        gap=gap,
        threads=threads,
        time_limit=time_limit,
        work_limit=work_limit,
        progress=not (quiet or as_json),
        share=share,
        battery=battery,
        gbit_s=gbit_s,
        corridor=pair,
        outage=_outage(plan, outage),
        renewables=renewables,
        tariff=tariff,
        latency_rule=None if latency_rule is None else latency_rule.value,
        keep=keep,
    )
    if out is not None:
        write_plan(outcome.after, out)
    rows = {name: {"before": a, "after": b} for name, a, b in outcome.rows()}
    both = {"before": plan_facts(outcome.before), "after": plan_facts(outcome.after), "rows": rows}
    written = "" if out is None else f"\nwritten: {out / 'plan.html'}"
    emit(as_json, {**both, "between_yuan": outcome.between}, str(outcome) + written)


def ledger_check(
    file: Annotated[Path, typer.Argument(help="The ledger, a file of JSON lines.")],
    head: Annotated[str | None, typer.Option(help="The published hash of its last entry.")] = None,
    as_json: Json = False,
) -> None:
    """Check every line of a ledger and the chain of their hashes; exit status 1 for damage."""
    from ..grid import Ledger
    from ..grid.plan.ledger_entry import LedgerFile

    with LedgerFile(file):  # what is no file is bad input, and nothing that was damaged
        pass
    try:
        found = Ledger.read(file, head=head)
    except InvalidProblemError as error:
        told = {"file": str(file), "sound": False, "reason": str(error)}
        emit(as_json, told, f"{file}: not sound: {error}")
        raise typer.Exit(1) from None
    facts = {"file": str(file), "entries": len(found.entries), "head": found.head, "sound": True}
    emit(as_json, facts, f"{file}: {len(found.entries)} entries, sound, head {found.head}")


def ledger_repair(
    file: Annotated[Path, typer.Argument(help="The ledger, a file of JSON lines.")],
    as_json: Json = False,
) -> None:
    """Keep a ledger's entries up to the first damaged line; move the rest to a file beside it."""
    from ..grid import Ledger

    found = Ledger.repair(file)
    emit(as_json, found, str(found))


def _stored(folder: Path) -> Plan:
    """Return the plan of a folder."""
    from ..grid import read_plan

    return read_plan(folder)


def _solved(problem: Problem, out: Path, quiet: bool, **options: Any) -> Plan:
    """Return the plan of a problem; a folder that cannot be written is refused before the wait."""
    from ..grid.files.folders import check_target
    from ..grid.planner.match import match as solve

    check_target(out, "plan")
    return solve(problem, progress=not quiet, **options)


def _require_apart(read: Path, written: Path) -> None:
    """Raise if the folder to write is the one to read, or holds it: it would be replaced."""
    here, there = read.resolve(), written.resolve()
    if here == there or there in here.parents:
        needed = f"a folder apart from {read}, which is read and would be replaced"
        raise typer.BadParameter(f"--out is {written}, needed {needed}")


def _made(plan: Plan, out: Path, as_json: bool) -> None:
    """Write a plan and show it."""
    from ..grid import write_plan

    write_plan(plan, out)
    _shown(plan, out / "plan.html", as_json, timed=True)


def _shown(plan: Plan, page: Path, as_json: bool, *, timed: bool = False) -> None:
    """Show a plan whose page is written; the times of a stored one cannot be checked."""
    if as_json:
        emit(True, {**plan_facts(plan), "page": str(page)}, "")
        return
    from rich.console import Console

    from ..report.terminal import show

    show(plan, Console(), timed=timed)
    say(f"the page: {page}")
