"""The page of a plan: what it does, what it costs, how green it is and what holds it back."""

from __future__ import annotations

from collections import Counter
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._files import write_whole
from .._version import __version__
from ..grid.eligibility import REASONS, REASONS_UNPLACED
from ..grid.plan.account import lowest_share, percent
from ..grid.plan.audit import LEAST_SHORT_KWH, amount, audit, energy_unit
from ..grid.plan.data import short_yuan
from ..grid.tables.times import zone_name
from .charts import flows, heat, legend, number, stack, tag, tiles_of
from .sections import costs, own_power, simple_rules, sources, tenants
from .style import STYLE
from .tables import (
    account_rows,
    bottlenecks,
    claim_rows,
    direct_rows,
    left_out_rows,
    mandate_rows,
    step_word,
    table,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..grid.plan.audit import Audit
    from ..grid.plan.plan import Plan

__all__ = ["page", "write_page"]

COLOURS = {
    "direct": "#e3a72f",
    "bundled": "#7bb66a",
    "green from battery": "#2c7a4b",
    "grey from battery": "#8d8d96",
    "grid": "#cbc7bf",
}
#: Alarms shown at once.
FIRST_ALARMS = 4
#: Each status of a plan in words.
STATUS = {
    "optimal": "proved optimal",
    "feasible": "feasible, with a proved gap",
    "time_limit": "the best within the limit of time or work",
    "stopped": "the best when it was stopped",
}


def write_page(plan: Plan, path: str | Path) -> Path:
    """Write the page of a plan and return its path."""
    path = Path(path)
    write_whole(path, page(plan).encode())
    return path


def page(plan: Plan, version: str = __version__) -> str:
    """The page as one HTML text: styles and pictures inside, no scripts, nothing fetched.

    `version` is the one that it names at its foot.
    """
    account = audit(plan)
    sections = [
        ("What it costs", costs(plan)),
        ("Where the work runs", _where(plan)),
        ("Energy by site and hour", _energy(plan)),
        ("The sites' own power", own_power(plan, _marks(plan))),
        ("Green energy, four numbers", _green(plan, account)),
        ("Prices", _prices(plan)),
        ("Data between sites", _corridors(plan)),
        ("Batteries", _batteries(plan)),
        ("What holds the plan back", _bottlenecks(plan)),
        ("Tenants and quotas", tenants(plan, account)),
        ("Beside simple rules", simple_rules(plan)),
        ("Jobs", _jobs(plan)),
        ("Where the figures come from", sources(plan)),
    ]
    body = "".join(
        tag("section", tag("h2", escape(name)) + content, id=f"s{k}")
        for k, (name, content) in enumerate(sections)
    )
    links = (tag("a", escape(name), href=f"#s{k}") for k, (name, _) in enumerate(sections))
    body = tag("nav", " ".join(links), aria_label="contents") + body
    title = escape(f"Plan for {plan.problem.name}")
    head = '<meta charset="utf-8">'
    head += '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>{title}</title><style>{STYLE}</style>"
    foot = tag("footer", escape(f"gridcompute {version}. Hover over any mark for its value."))
    main = tag("main", _headline(plan, title, account) + body + foot)
    return f"<!doctype html>\n<html lang=en><head>{head}</head><body>{main}</body></html>\n"


def _headline(plan: Plan, title: str, account: Audit) -> str:
    placed = int((plan.assignment >= 0).sum())
    new = plan.problem.mandate.applies_to(plan.problem.sites)
    worst = lowest_share(plan.green["n2_hourly"][new])[0]
    share = plan.problem.mandate.share
    lacks = plan.dispatch.missing_kwh
    short = float(lacks[lacks > LEAST_SHORT_KWH].sum())
    left_out = short_yuan(plan.costs["unplaced"])
    load = float(plan.green["load_kwh"].sum())
    unit, size = energy_unit(load)
    carbon, tonnes = account.units[1]
    sizes = f"{len(plan.problem.classes)} classes at {len(plan.problem.sites)} sites"
    tiles = [
        (
            "placed",
            f"{placed / max(len(plan.assignment), 1):.1%}",
            f"{placed:,} of {len(plan.assignment):,} jobs",
            False,
        ),
        ("cost", short_yuan(plan.objective_yuan), f"yuan, {left_out} for jobs left out", False),
        (
            "proved gap",
            f"{plan.gap:.3%}",
            f"{plan.gap_paid:.3%} of what is paid; no plan costs less than "
            f"{short_yuan(plan.bound_yuan)}",
            False,
        ),
        (
            "lowest new site",
            percent(worst, "–"),
            f"hourly green; {share:.0%} asked",
            short > LEAST_SHORT_KWH,
        ),
        (
            "energy",
            number(load / size),
            f"{unit} at the grid connection",
            False,
        ),
        (
            "CO2",
            number(float(plan.green["n4_tco2"].sum()) / tonnes),
            f"{carbon.removesuffix('CO2')}, location-based",
            False,
        ),
    ]
    if short > LEAST_SHORT_KWH:
        names = plan.problem.mandate_rows.names
        lacking = zip(names, plan.dispatch.missing_kwh, strict=True)
        least = [name for name, kwh in lacking if kwh > LEAST_SHORT_KWH]
        where = least[0] if len(least) == 1 else f"{len(least)} scopes"
        words = f"kWh green energy missing, {where}"
        tiles.append(("short of the mandate", amount(short), words, True))
    step = plan.problem.step_h
    span = f"{plan.problem.hours * step:g} hours"
    span += "" if step == 1 else f" in steps of {step * 60:g} minutes"
    line = f"{len(plan.problem.jobs):,} jobs, {sizes}, {span}; "
    line += f"{STATUS[plan.status]}."
    top = tag("h1", title) + tag("p", escape(f"{_when(plan)} {line}"))
    return tag("header", top) + _alarms(account) + tiles_of(tiles)


def _alarms(account: Audit) -> str:
    """The alarms: the first few at once, the others on request."""
    if not account.alarms:
        return ""
    items = [tag("li", escape(words)) for words in account.alarms]
    out = tag("b", f"Alarms: {len(items)}") + tag("ul", "".join(items[:FIRST_ALARMS]))
    rest = items[FIRST_ALARMS:]
    if rest:
        more = tag("summary", f"{len(rest)} more") + tag("ul", "".join(rest))
        out += tag("details", more)
    return tag("div", out, class_="alarms", role="alert")


def _when(plan: Plan) -> str:
    """The dates of the batch with their zone."""
    problem, first = plan.problem, plan.problem.start
    if first is None:
        unit = "Hours" if problem.step_h == 1 else "Steps"
        return f"{unit} count from 0; the batch has no date."
    last = problem.time(problem.hours)
    assert last is not None
    zone = zone_name(first) or "no time zone given"
    form = "%A, %d %B %Y, %H:%M"
    end = "%H:%M" if first.date() == last.date() else form
    return f"{first.strftime(form)} to {last.strftime(end)} ({zone})."


def _names(plan: Plan) -> list[str]:
    return [str(n) for n in plan.problem.sites.name]


def _hours(plan: Plan) -> list[str]:
    """Return the heads of the hours: the hour of the day where the batch has a date."""
    return [_mark(plan, h) for h in range(plan.problem.hours)]


def _mark(plan: Plan, hour: int) -> str:
    time = plan.problem.time(hour)
    form = "%H" if plan.problem.step_h == 1 else "%H:%M"
    return str(hour) if time is None else time.strftime(form)


def _marks(plan: Plan) -> list[str]:
    """Marks of an axis, the end of the batch included."""
    return [_mark(plan, h) for h in range(plan.problem.hours + 1)]


def _hints(plan: Plan) -> list[str]:
    """Each hour in full."""
    times = [plan.problem.time(h) for h in range(plan.problem.hours)]
    return [
        f"{step_word(plan)} {h}" if t is None else t.strftime("%a %d %b, %H:%M")
        for h, t in enumerate(times)
    ]


def _where(plan: Plan) -> str:
    problem = plan.problem
    busy = (problem.classes.capacity - plan.free.accelerators).astype(np.float64)
    use, have = (_by_site(plan, x) for x in (busy, problem.classes.capacity.astype(np.float64)))
    share = np.divide(use, have, out=np.full_like(use, np.nan), where=have > 0)
    used = tag("h3", "Accelerators in use, by site and hour")
    hints = _hints(plan)
    names, hours = _names(plan), _hours(plan)
    used += heat(names, hours, share, unit="in use", form=_percent, top=1.0, hints=hints)
    unit, size = energy_unit(plan.dispatch.load_kwh.max(initial=0.0))
    used += tag("h3", "Load, by site and hour")
    load = plan.dispatch.load_kwh / size
    return used + heat(names, hours, load, unit=unit, hints=hints)


def _energy(plan: Plan) -> str:
    d, green, new = plan.dispatch, plan.green, plan.problem.mandate.applies_to(plan.problem.sites)
    layers = {
        "direct": d.direct_kwh.sum(axis=0),
        "bundled": d.bundled_kwh,
        "green from battery": d.green_discharge_kwh,
        "grey from battery": d.grey_discharge_kwh,
        "grid": d.grid_kwh,
    }
    load = d.load_kwh.sum(axis=0)
    hourly = np.divide(
        d.green_kwh.sum(axis=0), load, out=np.full_like(load, np.nan), where=load > 0
    )
    unit, size = energy_unit(load.max(initial=0.0))
    total = _green_share(plan)
    green_part = "no load" if np.isnan(total) else f"{total:.0%} green"
    notes = f"{green_part}; the line is the green share, 0 to 100%", ""
    wide, narrow = (
        stack(
            f"All sites, {unit}",
            [(k, COLOURS[k], values.sum(axis=0) / size) for k, values in layers.items()],
            unit=unit,
            share=np.nan_to_num(hourly),
            note=note,
            width=width,
            height=height,
            times=_marks(plan),
        )
        for width, height, note in ((1084, 220, notes[0]), (330, 190, notes[1]))
    )
    fleet = tag("div", wide, class_="wide") + tag("div", narrow, class_="narrow")
    unit, size = energy_unit(d.load_kwh.max(initial=0.0))
    pictures = [
        stack(
            name + (" (new)" if new[s] else ""),
            [(k, COLOURS[k], values[s] / size) for k, values in layers.items()],
            unit=unit,
            note="no load" if np.isnan(share) else f"{share:.0%} green",
            times=_marks(plan),
        )
        for (s, name), share in zip(enumerate(_names(plan)), green["n2_hourly"], strict=True)
    ]
    words = "Power used in each hour of the batch. All but grid and grey counts as green."
    keys = tag("p", legend(list(COLOURS.items())))
    each = tag("h3", f"Each site, {unit}")
    return tag("p", words) + keys + fleet + each + _panels(pictures)


def _green_share(plan: Plan) -> float:
    load = float(plan.green["load_kwh"].sum())
    return float(plan.green["green_kwh"].sum()) / load if load else np.nan


def _green(plan: Plan, account: Audit) -> str:
    words = (
        "N1 is what may be claimed with certificates, N2 what was used hour by hour, N3 adds the "
        "grid's own green share, N4 is what the grid's power emitted. They answer different "
        "questions and are never added up."
    )
    head = tag("p", escape(f"Rule in force: {account.rule}. {account.lowest} {words}"))
    return head + _beside(
        ("The four numbers", "", table(*account_rows(account), sums=2)),
        (
            "The mandate and its price, yuan/kWh",
            "Left: saved were a green kWh less asked for; right: the cost of one more.",
            _filled(*mandate_rows(plan)),
        ),
        ("Direct sources", "", _filled(*direct_rows(plan, account))),
        ("What this same plan would claim under other rules", "", table(*claim_rows(account))),
    )


def _filled(head: list[str], rows: list[list[str]]) -> str:
    return table(head, rows) if rows else tag("p", "None.")


def _beside(*parts: tuple[str, str, str]) -> str:
    """Tables (name, words, content) in pairs."""
    boxes = [
        tag("div", tag("h3", escape(name)) + (tag("p", escape(words)) if words else "") + content)
        for name, words, content in parts
    ]
    pairs = ["".join(boxes[i : i + 2]) for i in range(0, len(boxes), 2)]
    return "".join(tag("div", pair, class_="beside") for pair in pairs)


def _prices(plan: Plan) -> str:
    classes, capacity = plan.problem.classes, plan.prices.capacity / plan.problem.step_h
    worth, have = (
        _by_site(plan, x) for x in (capacity * classes.capacity, classes.capacity.astype(float))
    )
    mean = np.divide(worth, have, out=np.full_like(worth, np.nan), where=have > 0)
    names, hours, hints = _names(plan), _hours(plan), _hints(plan)
    out = tag("h3", "A kWh of load, yuan") + heat(
        names, hours, plan.prices.energy, unit="yuan/kWh", hints=hints
    )
    if plan.priced_bound_yuan < plan.bound_yuan:
        less = f"no plan costs less than {plan.priced_bound_yuan:,.2f} yuan"
        out = tag("p", f"These prices prove that {less}; a search proved the rest.") + out
    out += tag("h3", "An accelerator for an hour, mean over the site's classes, yuan")
    return out + heat(names, hours, mean, unit="yuan per accelerator-hour", hints=hints)


def _corridors(plan: Plan) -> str:
    problem, t = plan.problem, plan.table()
    n = len(problem.sites)
    moved = np.zeros((n, n))
    np.add.at(moved, (problem.jobs.origin[t["job"]], t["site"]), problem.jobs.data_gb[t["job"]])
    np.fill_diagonal(moved, 0.0)
    out = ""
    if np.ptp(problem.sites.longitude) or np.ptp(problem.sites.latitude):
        unit, size = energy_unit(plan.green["load_kwh"].max(initial=0.0))
        wide, narrow = (
            flows(
                _names(plan),
                problem.sites.longitude,
                problem.sites.latitude,
                plan.green["load_kwh"] / size,
                plan.green["n2_hourly"],
                moved,
                unit=unit,
                most=most,
                width=width,
            )
            for width, most in ((1040, 24), (440, 12))
        )
        words = (
            "Sites are as large as their load, and stronger in colour the greener they are; the "
            "widest lines carry the most data, and bend to the right of their way."
        )
        out = (
            tag("p", words) + tag("div", wide, class_="wide") + tag("div", narrow, class_="narrow")
        )
    bandwidth = problem.corridors.bandwidth_gb
    limited = np.isfinite(bandwidth) & (bandwidth > 0)
    full = np.zeros_like(bandwidth)
    full[limited] = 1 - plan.free.data_gb[limited] / bandwidth[limited]
    peak = full.max(axis=2)
    np.fill_diagonal(peak, np.nan)
    out += tag("h3", "Fullest hour of each corridor, from row to column")
    names = _names(plan)
    return out + heat(names, names, peak, unit="of bandwidth", form=_percent, top=1.0)


def _batteries(plan: Plan) -> str:
    d, energy = plan.dispatch, plan.problem.energy
    unit, size = energy_unit(energy.battery_kwh.max(initial=0.0))
    pictures = [
        stack(
            name,
            [
                ("green", COLOURS["green from battery"], d.green_stored_kwh[s] / size),
                ("grey", COLOURS["grey from battery"], d.grey_stored_kwh[s] / size),
            ],
            unit=unit,
            line=float(energy.battery_kwh[s]) / size,
            note=f"+1 kWh saves {number(float(plan.prices.storage[s, 0]))} yuan",
            times=_marks(plan),
        )
        for s, name in enumerate(_names(plan))
        if energy.battery_kwh[s] > 0
    ]
    if not pictures:
        return tag("p", "No site has a battery.")
    keys = legend(
        [("green", COLOURS["green from battery"]), ("grey", COLOURS["grey from battery"])]
    )
    account = audit(plan)
    book = tag(
        "h3", "The battery book, kWh: what was there and was taken, was lost, given, is there"
    )
    book += table(["site", "colour", *account.battery], account.battery_rows())
    words = tag("p", f"Stored after each hour, {unit}; dashed is the size. {keys}")
    return words + _panels(pictures) + book


def _bottlenecks(plan: Plan) -> str:
    return tag(
        "p",
        "What one more unit would save, in yuan, and what the scarce thing earns in all. At the "
        "price of a quota nothing is earned: it is a rule between tenants.",
    ) + bottlenecks(plan)


def _jobs(plan: Plan) -> str:
    counts = Counter(plan.reasons.values())
    meaning = REASONS | REASONS_UNPLACED
    rows = [[token, f"{n:,}", meaning[token]] for token, n in counts.most_common()]
    out = tag("h3", f"Left out: {sum(counts.values()):,}")
    if rows:
        out += table(["reason", "jobs", "meaning"], rows) + table(*left_out_rows(plan))
    shown = [int(plan.table()["job"][i]) for i in _spread(len(plan.table()["job"]))]
    shown += list(plan.reasons)[:1]
    out += tag("h3", "Some jobs explained")
    return out + "".join(tag("pre", escape(str(plan.explain(j)))) for j in shown)


def _spread(n: int) -> list[int]:
    """Three places along n entries."""
    return sorted({n // 4, n // 2, 3 * n // 4}) if n else []


def _panels(pictures: list[str]) -> str:
    return tag("div", "".join(pictures), class_="panels")


def _by_site(plan: Plan, values: NDArray[np.float64]) -> NDArray[np.float64]:
    out = np.zeros((len(plan.problem.sites), plan.problem.hours))
    np.add.at(out, plan.problem.classes.site, values)
    return out


def _percent(share: float) -> str:
    return f"{share:.0%}"
