"""Replays of one trace side by side: a table, and pictures as inline SVG."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from .charts import legend, number, tag
from .style import STYLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ..traces import Replay

__all__ = ["completion_picture", "load_picture", "replay_page", "rows_of"]

#: Colours of the policies, in their order; they repeat after the last.
COLOURS = ("#085156", "#c2703d", "#7fbcad", "#5d6b69", "#a3331c", "#8a6fb0", "#c9a227", "#3f7fbf")
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 620, 260, 52, 34
#: Points a curve has at most: a picture shows no more.
_POINTS = 300

#: Columns of the table: heading, key of `Replay.summary`, digits.
COLUMNS = (
    ("mean h", "completion_mean_h", 2),
    ("bound h", "completion_bound_h", 2),
    ("median h", "completion_median_h", 2),
    ("p99 h", "completion_p99_h", 1),
    ("waiting h", "waiting_mean_h", 2),
    ("makespan h", "makespan_h", 2),
    ("bound h", "makespan_bound_h", 2),
    ("fairness", "fairness_mean", 3),
    ("worst", "fairness_worst", 2),
    ("used", "utilisation", 3),
    ("moves", "moves", 0),
    ("evictions", "evictions", 0),
    ("cost", "cost", 0),
    ("energy MJ", "energy_mj", 0),
    ("p50 ms", "decision_p50_ms", 2),
    ("p99 ms", "decision_p99_ms", 2),
)


def rows_of(found: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return the heading and the rows of summaries; what none of them has is left out."""
    columns = [c for c in COLUMNS if any(c[1] in s for s in found)]
    head = ["policy", *(name for name, _, _ in columns)]
    rows = [
        [s["policy"], *(f"{s[key]:,.{digits}f}" if key in s else "" for _, key, digits in columns)]
        for s in found
    ]
    return head, rows


def completion_picture(replays: Sequence[Replay]) -> str:
    """Draw which part of the jobs is done within a time, on a logarithmic axis."""
    curves = []
    for r in replays:
        hours = np.sort(r.completion_s) / 3600.0
        at = np.unique(np.linspace(0, len(hours) - 1, min(len(hours), _POINTS)).astype(int))
        if len(hours):
            curves.append((r.policy, np.log10(np.maximum(hours[at], 1e-3)), (at + 1) / len(hours)))
    low = min((float(x.min()) for _, x, _ in curves), default=0.0)
    high = max((float(x.max()) for _, x, _ in curves), default=1.0)
    low, high = float(np.floor(low)), float(np.ceil(max(high, low + 1e-9)))
    ticks = [(float(t), f"{10.0**t:g}") for t in np.arange(low, high + 1)]
    return _lines(curves, (low, high), (0.0, 1.0), ticks, "completion time, h", "part of the jobs")


def load_picture(replays: Sequence[Replay]) -> str:
    """Draw the waiting jobs over time."""
    curves = []
    for r in replays:
        hours = (r.rounds["start_s"] - r.rounds["start_s"][0]) / 3600.0 if len(r.jobs) else []
        if len(hours):
            edges = np.linspace(0.0, float(hours[-1]) + 1e-9, min(len(hours), _POINTS) + 1)
            place = np.clip(np.searchsorted(edges, hours, side="right") - 1, 0, len(edges) - 2)
            most = np.zeros(len(edges) - 1)
            np.maximum.at(most, place, r.rounds["waiting"])
            curves.append((r.policy, edges[:-1], most))
    high = max((float(x.max()) for _, x, _ in curves), default=1.0) or 1.0
    top = max((float(y.max()) for _, _, y in curves), default=1.0) or 1.0
    ticks = [(high * p, f"{high * p:.0f}") for p in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return _lines(curves, (0.0, high), (0.0, top), ticks, "time, h", "jobs waiting")


def replay_page(
    replays: Sequence[Replay], summaries: Sequence[Mapping[str, Any]], title: str
) -> str:
    """Return a page of its own: the table, both pictures, and what the columns mean."""
    head, rows = rows_of(summaries)
    cells = "".join(
        tag("th", escape(h), class_="word" if not k else "") for k, h in enumerate(head)
    )
    body = "".join(
        "<tr>"
        + "".join(
            tag("td", escape(v) or "&nbsp;", class_="word" if not k else "")
            for k, v in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    names = [(r.policy, COLOURS[k % len(COLOURS)]) for k, r in enumerate(replays)]
    parts = [
        f"<section><h2>Results</h2><table><tr>{cells}</tr>{body}</table>",
        "<p>A bound is what no schedule is below, whatever it knows; that of the mean completion "
        "counts the measured jobs alone. Decision times are measured, all else is the same on any "
        "machine.</p></section>",
        f"<section><h2>Completion times</h2>{legend(names)}{completion_picture(replays)}</section>",
        f"<section><h2>Load over time</h2>{legend(names)}{load_picture(replays)}</section>",
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
        f"<main><h1>{escape(title)}</h1>{''.join(parts)}</main></html>\n"
    )


def _lines(
    curves: Sequence[tuple[str, NDArray[np.float64], NDArray[np.float64]]],
    across: tuple[float, float],
    upright: tuple[float, float],
    ticks: Sequence[tuple[float, str]],
    below: str,
    beside: str,
) -> str:
    """Draw curves as steps, one colour each, with their axes."""
    wide, tall = _WIDTH - _LEFT - 10, _HEIGHT - _BOTTOM - 20
    span = (across[1] - across[0]) or 1.0
    out = []
    for part in (0.0, 0.5, 1.0):
        y = 20 + tall * (1 - part)
        value = upright[0] + part * (upright[1] - upright[0])
        out.append(tag("line", x1=_LEFT, x2=_LEFT + wide, y1=y, y2=y, class_="rule", stroke="#ccc"))
        out.append(tag("text", number(value), x=_LEFT - 6, y=y + 4, text_anchor="end"))
    for value, label in ticks:
        x = _LEFT + wide * (value - across[0]) / span
        out.append(tag("text", escape(label), x=f"{x:.1f}", y=_HEIGHT - 18, text_anchor="middle"))
    middle = _LEFT + wide / 2
    out.append(tag("text", escape(below), x=middle, y=_HEIGHT - 3, text_anchor="middle"))
    out.append(tag("text", escape(beside), x=_LEFT, y=12))
    for k, (name, xs, ys) in enumerate(curves):
        left = _LEFT + wide * (xs - across[0]) / span
        up = 20 + tall * (1 - (ys - upright[0]) / ((upright[1] - upright[0]) or 1.0))
        places = zip(left.tolist(), up.tolist(), strict=True)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
        hint = tag("title", escape(name))
        shown = {"fill": "none", "stroke": COLOURS[k % len(COLOURS)], "stroke_width": 1.8}
        out.append(tag("polyline", hint, points=points, **shown))
    size = {"width": _WIDTH, "height": _HEIGHT, "viewBox": f"0 0 {_WIDTH} {_HEIGHT}"}
    return tag(
        "svg", "".join(out), xmlns="http://www.w3.org/2000/svg", font_size="12",
        font_family="sans-serif", **size,
    )  # fmt: skip
