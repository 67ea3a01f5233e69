"""The page of an operator's run: load, green share, moves, regret by the hour, the account."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._files import write_whole
from .._version import __version__
from ..grid.operations.hindsight import OPEN, OWED
from ..grid.operations.regret import REGRET
from ..grid.operations.state import COSTS
from ..grid.plan.audit import LEAST_SHORT_KWH, amount
from .charts import heat, legend, number, numbers, stack, tag
from .style import STYLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..grid.operations.rolling import Rolling
    from ..grid.plan.plan import Plan

__all__ = ["operator_page", "write_operator_page"]

#: Colours of the layers: green power, the rest of the load, what is shed.
GREEN, GREY, SHED = "var(--h9)", "var(--h3)", "var(--bad)"
#: Steps in a picture at most; a longer run is shown by its last ones, and by the day in a heat map.
MOST_STEPS = 336
WIDTH, NARROW, HEIGHT = 1080, 330, 190
#: Parts of the account below this are left out, and shares that miss the mandate by no more.
LEAST_YUAN, LEAST_SHARE = 0.005, 0.0005
_DAY = 24  # hours


def write_operator_page(op: Rolling, path: str | Path, seen: Plan | None = None) -> Path:
    """Write the page of a run and return its path."""
    path = Path(path)
    write_whole(path, operator_page(op, seen).encode())
    return path


def operator_page(op: Rolling, seen: Plan | None = None) -> str:
    """The page as one HTML text; with hindsight's plan `seen` it shows the regret by hour."""
    title = escape(f"{op.world.name}, hour by hour")
    sections = [("Load and green share by the hour", _load(op)), ("Jobs by the hour", _jobs(op))]
    if op.clock * op.world.step_h >= 2 * _DAY:
        sections.append(("Green share of each day's hours", _days(op)))
    if seen is not None:
        sections.append(("Regret by the hour", _regret(op, seen)))
    tables = [("The account", _account(op, seen)), ("The mandate", _mandate(op))]
    body = _sections(sections) + tag("div", _sections(tables), class_="pair")
    head = '<meta charset="utf-8">'
    head += '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>{title}</title><style>{STYLE}</style>"
    foot = tag("footer", f"gridcompute {__version__}. Hover over any mark for its value.")
    main = tag("main", tag("h1", title) + _tiles(op, seen) + body + foot)
    return f"<!doctype html>\n<html lang=en><head>{head}</head><body>{main}</body></html>\n"


def _sections(parts: Sequence[tuple[str, str]]) -> str:
    return "".join(tag("section", tag("h2", escape(name)) + content) for name, content in parts)


def _tiles(op: Rolling, seen: Plan | None) -> str:
    ledger, history, step = op.ledger, op.history, op.world.step_h
    load = float(ledger.load_kwh.sum())
    green = float(ledger.green_kwh.sum()) / load if load else float("nan")
    shed, account = float(ledger.shed_kwh.sum()), op.account
    bound = f"{number(account.open_bound_yuan)} by the last plan's bound"
    expected = f"{number(account.expected_yuan)} yuan"
    tiles = [
        ("hours", f"{op.clock * step:,g}", f"of {op.world.hours * step:,g}", False),
        ("jobs started", f"{int(history['started'].sum()):,}", f"{len(op.waiting):,} wait", False),
        ("jobs lost", f"{len(op.lost):,}", "can no longer start", False),
        ("load", f"{number(load / 1e3)} MWh", f"{green:.1%} green in its hour", False),
        ("spent so far", f"{number(account.spent_yuan)} yuan", "in the hours passed", False),
        ("expected for what is open", f"{number(account.open_yuan)} yuan", bound, False),
        ("debts", f"{number(account.owed_yuan)} yuan", "to the rules of green power", False),
        ("cost to expect", expected, "spent, open and owed together", False),
    ]
    held = np.where(op.world.mandate.applies_to(op.world.sites), op.expected_share, np.nan)
    if not np.isnan(held).all():
        least, asked = int(np.nanargmin(held)), op.world.mandate.share
        note = f"{op.world.sites.name[least]}, of {asked:.0%} by the hours planned"
        short = bool(held[least] < asked - LEAST_SHARE)
        tiles.append(("heading for, at least", f"{held[least]:.1%} green", note, short))
    if seen is not None:
        over = op.cost_yuan / seen.bound_yuan - 1 if seen.bound_yuan > 0 else float("nan")
        tiles.append(("over hindsight's bound", f"{over:+.1%}", _of_hindsight(seen), False))
    if shed > LEAST_SHORT_KWH:
        tiles.append(("without power", f"{amount(shed)} kWh", "load that was shed", True))
    return tag(
        "div",
        "".join(
            tag(
                "div",
                tag("small", escape(name)) + tag("b", escape(value)) + tag("span", escape(note)),
                class_="tile bad" if bad else "tile",
            )
            for name, value, note, bad in tiles
        ),
        class_="tiles",
    )


def _of_hindsight(seen: Plan) -> str:
    """Return whose plan hindsight is, and how far it is from proved where its search gave up."""
    words = "of one who knew all"
    if seen.status in ("time_limit", "stopped"):
        words += f"; the search gave up at a gap of {seen.gap:.1%}"
    return words


def _shown(op: Rolling) -> tuple[slice, list[str], str]:
    """Return the steps that a picture shows, the names of their beginnings, and a note."""
    first, step = max(0, op.clock - MOST_STEPS), op.world.step_h
    unit = "hours" if step == 1 else f"steps of {step * 60:g} min"
    times = [_time(op, t) for t in range(first, op.clock + 1)]
    note = f"the last {MOST_STEPS} of {op.clock:,} {unit}" if first else f"{op.clock:,} {unit}"
    return slice(first, op.clock), times, note


def _time(op: Rolling, hour: int) -> str:
    """Return the begin of an hour: its date and clock, or day and clock without a start."""
    time = op.world.time(hour)
    if time is not None:
        return f"{time:%m-%d %H:%M}"
    minutes = round(hour * op.world.step_h * 60)
    return f"day {minutes // (_DAY * 60) + 1}, {minutes // 60 % _DAY:02d}:{minutes % 60:02d}"


def _picture(title: str, layers: Any, *, height: int = HEIGHT, note: str = "", **more: Any) -> str:
    """Return a picture by the hour, drawn for a wide screen or paper, and for a narrow screen."""
    wide = stack(title, layers, width=WIDTH, height=height, note=note, **more)
    narrow = stack(title, layers, width=NARROW, height=height, **more)
    return tag("div", wide, class_="wide") + tag("div", narrow, class_="narrow")


def _load(op: Rolling) -> str:
    at, times, note = _shown(op)
    if not op.clock:
        return tag("p", "No hour has passed.")
    ledger = op.ledger
    load, green, shed = (
        table[at].sum(axis=1) / 1e3
        for table in (ledger.load_kwh, ledger.green_kwh, ledger.shed_kwh)
    )
    grey = np.maximum(load - green - shed, 0.0)
    share = np.where(load > 0, green / np.where(load > 0, load, 1.0), 0.0)
    layers = [("green", GREEN, green), ("other", GREY, grey), ("shed", SHED, shed)]
    keys = [("green power in its own hour", GREEN), ("other power", GREY), ("shed", SHED)]
    picture = _picture("all sites", layers, unit="MWh", share=share, note=note, times=times)
    each = "hour" if op.world.step_h == 1 else "step"
    words = f"MWh in each {each} as it came; the line is the green share of the load, 0 to 100 %."
    return tag("p", words) + picture + tag("p", legend(keys[: 3 if shed.any() else 2]))


def _jobs(op: Rolling) -> str:
    at, times, _ = _shown(op)
    if not op.clock:
        return tag("p", "No hour has passed.")
    history, pictures = op.history, []
    for name, words, fill in (
        ("started", "jobs started", "var(--h11)"),
        ("moved", "running jobs moved or stopped", "var(--flow)"),
        ("lost_jobs", "jobs that could no longer start", "var(--bad)"),
    ):
        values = history[name][at]
        if name == "started" or values.any():
            layers = [(words, fill, values)]
            pictures.append(_picture(words, layers, unit="jobs", height=120, times=times))
        else:
            pictures.append(tag("p", f"No {words}."))
    return "".join(pictures)


def _days(op: Rolling) -> str:
    """A year at a glance: a row a day, a column an hour."""
    hour = (np.arange(op.clock) * op.world.step_h + 1e-9).astype(np.int64)
    days = int(hour[-1]) // _DAY + 1
    load, green = (
        np.bincount(hour, table.sum(axis=1), days * _DAY)
        for table in (op.ledger.load_kwh, op.ledger.green_kwh)
    )
    share = np.full(days * _DAY, np.nan)
    np.divide(green, load, out=share, where=load > 0)
    rows = [f"day {d + 1}" for d in range(days)]
    return heat(
        rows,
        [str(h) for h in range(_DAY)],
        share.reshape(days, _DAY),
        unit="of the load",
        form=lambda value: f"{value:.0%}",
        top=1.0,
    )


def _regret(op: Rolling, seen: Plan) -> str:
    at, times, _ = _shown(op)
    more = op.regret_by_hour(seen)[at]
    ends = [(k, v) for k, v in op.regret_by_part(seen).items() if abs(v) >= LEAST_YUAN]
    layers = [
        ("more than hindsight", "var(--flow)", np.maximum(more, 0.0)),
        ("less than hindsight", "var(--h9)", np.minimum(more, 0.0)),
    ]
    words = (
        "Yuan spent in each hour on power, data and delay beside what the plan of one who knew all "
        "spends in it: up more, down a saving. With what is left at the end: "
        + ", ".join(f"{name.replace('_', ' ')} {number(value)}" for name, value in ends)
        + "."
    )
    picture = _picture("yuan", layers, unit="yuan", times=times)
    return tag("p", words) + picture + tag("p", legend([(n, fill) for n, fill, _ in layers]))


def _account(op: Rolling, seen: Plan | None) -> str:
    account, parts = op.account, op.account.parts
    rows: list[tuple[str, float, str, bool]] = []
    new = f"by the last plan; {number(account.new_yuan)} of it for jobs that are new in it"
    settled, beside = account.spent_yuan + account.owed_yuan, "in place of what is open"
    nothing: dict[str, str] = {}
    for name, total, words, of in (
        ("spent so far", account.spent_yuan, "no later hour changes it", COSTS),
        ("expected for what is open", account.open_yuan, new, nothing),
        ("debts", account.owed_yuan, "to the rules of green power", OWED),
        ("cost to expect", account.expected_yuan, "spent, open and owed together", nothing),
        ("settled at the last prices", account.yuan - settled, beside, OPEN),
        ("cost settled", account.yuan, "to compare with hindsight", nothing),
    ):
        rows += [(key, parts[key], of[key], False) for key in of if abs(parts[key]) >= LEAST_YUAN]
        rows.append((name, total, words, True))
    if seen is not None:
        rows.append(("hindsight's plan", seen.objective_yuan, _of_hindsight(seen), False))
        rows.append(("no plan below", seen.bound_yuan, "its bound", False))
    table = _explained(("part", "yuan", ""), rows)
    if "regret" in op._cached:  # the hours are not run again for a page
        causes = [(key, value, REGRET[key], False) for key, value in op.regret.items()]
        table += _explained(("above that bound", "yuan", ""), causes)
    return tag("div", table, class_="beside")


def _explained(head: Sequence[str], rows: Sequence[tuple[str, float, str, bool]]) -> str:
    """Return a table of names, yuan and words; sums stand out."""
    kinds = ("word", "", "word said")
    lines = [tag("tr", "".join(map(_cell, ("th",) * 3, head, kinds)))]
    for name, value, words, total in rows:
        cells = (name.replace("_", " "), number(value), words)
        line = "".join(map(_cell, ("td",) * 3, cells, kinds))
        lines.append(tag("tr", line, class_="sum" if total else ""))
    return tag("div", tag("table", "".join(lines)))


def _cell(name: str, text: str, kind: str) -> str:
    return tag(name, escape(text) or "&#8203;", class_=kind)


def _mandate(op: Rolling) -> str:
    sites, mandate = op.world.sites, op.world.mandate
    held, expected = mandate.applies_to(sites), op.expected_share
    load, green = op.ledger.load_kwh.sum(axis=0), op.ledger.green_kwh.sum(axis=0)
    names, loads = ("load MWh", "green", "expected", "held to"), numbers(load / 1e3)
    head = tag("tr", tag("th", "site", class_="word") + "".join(tag("th", n) for n in names))
    lines = "".join(
        tag(
            "tr",
            tag("td", escape(str(name)), class_="word")
            + tag("td", loads[s])
            + tag("td", f"{green[s] / load[s]:.1%}" if load[s] > 0 else "–")
            + tag("td", "–" if np.isnan(expected[s]) else f"{expected[s]:.1%}")
            + tag("td", f"{mandate.share:.0%}" if held[s] else "–"),
        )
        for s, name in enumerate(sites.name)
    )
    words = (
        f"Green power used in its own hour, {op.clock:,} hours together; expected: with those that "
        "the last plan looked at after them."
    )
    return tag("p", words) + tag("table", head + lines)
