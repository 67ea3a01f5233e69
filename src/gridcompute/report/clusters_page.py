"""The operator's page: sites by the hour, the queue, decisions with prices, clusters that are away.

The template escapes all that it is given: names of jobs and words of clusters are anybody's.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from .._extras import extra
from .._version import __version__
from ..grid.tables.times import time_of
from .charts import bar, heat, legend, number, stack
from .printable import printable
from .style import STYLE

if TYPE_CHECKING:
    from ..clusters.operator import Operator

__all__ = ["clusters_page"]

#: Hours shown before and after now.
AROUND = 24
#: Lines of decisions, and of what happened.
DECISIONS, EVENTS = 10, 12
GREEN, GREY, SPARE = "var(--h9)", "var(--h3)", "var(--h1)"

TEMPLATE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="{{ refresh }}"><title>{{ name }}: hour {{ hour }}</title>
<style>{{ style }} td.away { color: var(--bad); font-weight: 600 }
section > svg { width: 100%; height: auto }</style></head><body><main>
<h1>{{ name }}</h1><p>Hour {{ hour }}{{ clock }}; written {{ written }}.</p>
{% if away %}<div class="alarms"><b>No answer from a cluster</b><ul>{% for line in away %}
<li>{{ line }}</li>{% endfor %}</ul></div>{% endif %}
<div class="tiles">{% for tile in tiles %}<div class="tile{{ ' bad' if tile[3] else '' }}">
<small>{{ tile[0] }}</small><b>{{ tile[1] }}</b><span>{{ tile[2] }}</span></div>{% endfor %}</div>
<section><h2>Load against green supply</h2>
<p>kWh in each hour, {{ span }}. The line is the green share of the load, 0 to 100 %.</p>
{% for picture in pictures %}{{ picture }}{% endfor %}<p>{{ keys }}</p></section>
<section><h2>Green share of the load</h2>{{ shares }}</section>
<section><h2>The queue</h2><table><tr><th class="word">why</th><th>jobs</th><th>accelerators</th>
</tr>{% for row in queue %}<tr><td class="word">{{ row[0] }}</td><td>{{ row[1] }}</td>
<td>{{ row[2] }}</td></tr>{% else %}<tr><td class="word">no job waits or runs</td></tr>
{% endfor %}</table></section>
<section><h2>Green share to date</h2>{% for row in mandate %}<h3>{{ row[0] }}: {{ row[1] }}
{{ row[2] }}</h3>{{ row[3] }}{% else %}<p>No facility is held to a share.</p>{% endfor %}</section>
<section><h2>The last decisions</h2><table><tr><th class="word">job</th><th>hour</th>
<th class="word">where</th><th>gang</th><th>hours</th><th>yuan</th><th class="word">now</th></tr>
{% for row in decisions %}<tr>{% for cell in row %}<td{{ ' class=word' if loop.index0 in (0, 2, 6)
 else '' }}>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</table></section>
<section><h2>Clusters</h2><table><tr><th class="word">site</th><th class="word">state</th>
<th class="word">since</th><th class="word">accelerators of each node</th>
<th>others take</th></tr>
{% for row in clusters %}<tr><td class="word">{{ row[0] }}</td>
<td class="word{{ '' if row[1] else ' away' }}">{{ 'answers' if row[1] else 'no answer' }}</td>
<td class="word">{{ row[2] }}</td><td class="word">{{ row[3] }}</td><td>{{ row[4] }}</td></tr>
{% endfor %}</table></section><section><h2>What happened</h2><table>
{% for row in events %}<tr><td class="word">{{ row[0] }}</td>
<td class="word">{{ row[1] }}</td><td class="word">{{ row[2] }}</td></tr>{% endfor %}</table>
</section>
<footer>gridcompute {{ version }}. Hover over any mark for its value.</footer>
</main></body></html>
"""


def clusters_page(operator: Operator) -> str:
    """Return the page of an operator as it stands, as one HTML text."""
    with extra("cli"):
        import jinja2
        from markupsafe import Markup

    state, world = operator.state, operator.tables.world
    hour = int(state.get("hour", 0) or 0)
    clock = operator.config.start and f", {time_of(operator.config.start, hour):%Y-%m-%d %H:%M}"
    span, load, green, supply = _hours(operator, hour)
    names = [name for name in operator.tables.site if name in operator.config.clusters]
    rows = [operator.tables.site[name] for name in names]
    marks = [str(h) for h in range(span.start, span.stop + 1)]
    pictures = []
    for name, s in zip(names, rows, strict=True):
        share = np.divide(green[s], load[s], out=np.zeros(len(span)), where=load[s] > 0)
        layers = [
            ("green power used", GREEN, green[s]),
            ("other power", GREY, np.maximum(load[s] - green[s], 0.0)),
            ("green supply not used", SPARE, np.maximum(supply[s] - green[s], 0.0)),
        ]
        note = f"planned from hour {hour} on"
        options: dict[str, Any] = {"width": 1080, "height": 130, "times": marks}
        pictures.append(Markup(stack(name, layers, unit="kWh", share=share, note=note, **options)))
    shares = np.full((len(rows), len(span)), np.nan)
    np.divide(green[rows], load[rows], out=shares, where=load[rows] > 0)
    picture = heat(names, marks[:-1], shares, unit="of the load", form="{:.0%}".format, top=1.0)
    clusters = state.rows("SELECT * FROM clusters ORDER BY site")
    keys = legend([(name, fill) for name, fill, _ in layers])
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(TEMPLATE).render(
        refresh=max(5, round(operator.config.seconds_per_hour / 10)),
        name=printable(world.name),
        hour=hour,
        clock=clock or "",
        written=_when(time.time()),
        style=Markup(STYLE),
        away=[
            printable(f"{c['site']}, since {_when(c['since'])}: {c['words']}")
            for c in clusters
            if not c["answers"]
        ],
        tiles=_tiles(operator),
        span=f"hours {span.start} to {span.stop}: as it was before hour {hour}, then as planned",
        pictures=pictures,
        keys=Markup(keys),
        shares=Markup(picture),
        queue=_queue(operator),
        mandate=[(*row[:3], Markup(row[3])) for row in _mandate(operator)],
        decisions=_decisions(operator),
        clusters=[
            (
                *(c["site"], c["answers"], _when(c["since"]), _nodes(json.loads(c["nodes"]))),
                operator.taken_by_others(c["site"]),
            )
            for c in clusters
        ],
        events=[
            (_when(e["at"]), e["site"], printable(e["words"]))
            for e in state.rows("SELECT * FROM events ORDER BY rowid DESC LIMIT ?", EVENTS)
        ],
        version=__version__,
    )


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def _nodes(nodes: dict[str, list[int]]) -> str:
    """Return the nodes in few words: how many of each size."""
    parts = []
    for kind, sizes in nodes.items():
        counts = {size: sizes.count(size) for size in sorted(set(sizes), reverse=True)}
        words = ", ".join(f"{n} × {size}" for size, n in counts.items()) or "none"
        parts.append(f"{kind}: {words}")
    return "; ".join(parts)


def _hours(operator: Operator, hour: int) -> tuple[range, Any, Any, Any]:
    """Return the hours shown, and by site load, green power used, and green supply in each."""
    state, world = operator.state, operator.tables.world
    span = range(max(0, hour - AROUND), min(world.hours, hour + AROUND))
    load, green = np.zeros((2, len(world.sites), len(span)))
    plan = state.get("plan", {"hour": 0, "load_kwh": [], "green_kwh": []})
    for name, out in (("load_kwh", load), ("green_kwh", green)):
        planned = np.array(plan[name], float).reshape(len(world.sites), -1)
        for k, t in enumerate(span):
            if 0 <= t - plan["hour"] < planned.shape[1]:
                out[:, k] = planned[:, t - plan["hour"]]
    sql = "SELECT hour, record FROM hours WHERE hour BETWEEN ? AND ?"
    for row in state.rows(sql, span.start, span.stop - 1):
        record = json.loads(row["record"])
        load[:, row["hour"] - span.start] = record["load_kwh"]
        green[:, row["hour"] - span.start] = record["green_kwh"]
    energy = world.energy
    supply = energy.direct_kwh.sum(axis=0) + energy.bundled_kwh
    return span, load, green, supply[:, span.start : span.stop]


def _tiles(operator: Operator) -> list[tuple[str, str, str, bool]]:
    state = operator.state
    totals = {"hindsight_bound_yuan": None, "load_kwh": 0.0} | state.get("totals", {})
    sql = "SELECT state, count(*) AS jobs FROM jobs GROUP BY state"
    jobs = {row["state"]: row["jobs"] for row in state.rows(sql)}
    load = totals["load_kwh"]
    share = f"{totals['green_kwh'] / load:.1%} green" if load else "no hour is closed"
    failed = jobs.get("failed", 0)
    tiles = [
        ("jobs waiting", f"{jobs.get('waiting', 0):,}", "planned or not", False),
        ("running", f"{jobs.get('running', 0) + jobs.get('starting', 0):,}", "on clusters", False),
        ("done", f"{jobs.get('done', 0):,}", f"{jobs.get('cancelled', 0):,} cancelled", False),
        ("failed", f"{failed:,}", "see why", bool(failed)),
        ("load", f"{number(load)} kWh", share, False),
        ("cost", f"{number(totals.get('cost_yuan', 0.0))} yuan", "with what is owed", False),
    ]
    bound = totals["hindsight_bound_yuan"]
    if bound is not None and bound > 0:
        over = totals["cost_yuan"] / bound - 1
        tiles.append(("over the bound of hindsight", f"{over:+.1%}", "all known before", False))
    return tiles


def _queue(operator: Operator) -> list[tuple[str, str, str]]:
    """Return open jobs by reason: planned by site, left out by token, running by site."""
    words = (
        "CASE WHEN state = 'waiting' AND planned_h IS NULL AND instr(why, ':') "
        "THEN 'not planned:' || substr(why, instr(why, ':') + 1) "
        "WHEN state = 'waiting' AND planned_h IS NULL THEN 'not planned yet' "
        "WHEN state = 'waiting' THEN 'planned at ' || site ELSE state || ' at ' || site END"
    )
    found = operator.state.rows(
        f"SELECT {words} AS why, count(*) AS jobs, sum(gang) AS accelerators FROM jobs "
        "WHERE state IN ('waiting', 'starting', 'running') GROUP BY 1 ORDER BY 2 DESC LIMIT 20"
    )
    return [(printable(r["why"])[:120], f"{r['jobs']:,}", f"{r['accelerators']:,}") for r in found]


def _mandate(operator: Operator) -> list[tuple[str, str, str, str]]:
    """Return for each facility that is held to a share what it used, as words and as a bar."""
    world, sums = operator.tables.world, np.zeros((2, len(operator.tables.site)))
    for row in operator.state.rows("SELECT record FROM hours"):
        record = json.loads(row["record"])
        sums += [record["load_kwh"], record["green_kwh"]]
    held = world.mandate.applies_to(world.sites)
    out = []
    for name, s in operator.tables.site.items():
        load, green = sums[:, s].tolist()
        if held[s] and name in operator.config.clusters:
            share = green / load if load else 0.0
            words = f"{share:.1%} of {number(load)} kWh" if load else "no load yet"
            parts = [("green", GREEN, green), ("other", GREY, max(load - green, 0.0))]
            picture = bar(parts, lambda kwh: f"{number(kwh)} kWh")
            asked = f"({world.mandate.share:.0%} asked)"
            out.append((name, words, asked, picture))
    return out


def _decisions(operator: Operator) -> list[tuple[str, ...]]:
    found = operator.state.rows(
        "SELECT id, runs.*, jobs.state AS now FROM runs JOIN jobs USING (n) "
        "ORDER BY runs.hour DESC, n DESC LIMIT ?",
        DECISIONS,
    )
    return [
        (
            r["id"],
            str(r["hour"]),
            f"{r['accelerator']} at {r['site']}",
            str(r["count"]),
            str(r["booked_h"]),
            "–" if r["yuan"] is None else number(r["yuan"]),
            r["now"],
        )
        for r in found
    ]
