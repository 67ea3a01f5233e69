"""Small pictures without scripts: heat maps, bars, stacked areas, flows; values in hints."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["LEVELS", "bar", "flows", "heat", "legend", "level", "number", "numbers", "stack", "tag"]

Array = "NDArray[np.float64]"
#: Steps of the sequential scale.
LEVELS = 16


def tag(name: str, content: str = "", **attributes: object) -> str:
    """Return one element; `class_` and `font_size` become `class` and `font-size`."""
    parts = [f'{k.rstrip("_").replace("_", "-")}="{escape(str(v))}"' for k, v in attributes.items()]
    opening = " ".join([name, *parts])
    return f"<{opening}>{content}</{name}>" if content else f"<{opening}/>"


def tiles_of(entries: Sequence[tuple[str, str, str, bool]]) -> str:
    """Return tiles of a name, a value and a note each; one that is marked stands out as bad."""
    boxes = (
        tag(
            "div",
            tag("small", name) + tag("b", escape(value)) + tag("span", escape(note)),
            class_="tile bad" if bad else "tile",
        )
        for name, value, note, bad in entries
    )
    return tag("div", "".join(boxes), class_="tiles")


def number(value: float) -> str:
    """A number as people write it: three figures, thousands parted."""
    if not np.isfinite(value):
        return "∞" if value > 0 else "–"
    digits = _digits(value)
    return "0" if digits < 0 else f"{value:,.{digits}f}"


def numbers(values: Sequence[float]) -> list[str]:
    """A column of numbers with as many decimals each, so that figures stand below one another.

    The decimals are those that its smallest number asks for, up to two more than its largest does.
    """
    shown = [_digits(v) for v in values if np.isfinite(v)]
    first = _digits(max((abs(v) for v in values if np.isfinite(v)), default=0.0))
    digits = min(max(shown, default=0), first + 2)
    return [number(v) if _digits(v) < 0 else f"{v:,.{digits}f}" for v in values]


def _digits(value: float) -> int:
    """Decimals of a number; -1 for what is not finite, or no more than rounding left of 0."""
    size = abs(value)
    if not np.isfinite(value) or size < 5e-5:
        return -1
    return 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 4


def level(share: float) -> int:
    """The step of the scale at 0 to 1, from 0 to `LEVELS` - 1; the style sheet has its colour."""
    return round(min(max(share, 0.0), 1.0) * (LEVELS - 1))


def heat(
    rows: Sequence[str],
    columns: Sequence[str],
    values: NDArray[np.float64],
    *,
    unit: str,
    form: Callable[[float], str] = number,
    top: float | None = None,
    hints: Sequence[str] | None = None,
) -> str:
    """A grid of coloured cells with a scale, as wide as its place; NaN is left blank.

    `hints` name the columns in the words that a cell shows when it is pointed at. Columns of longer
    names are headed by vertical text; of short ones, each sixth is left on a narrow screen.
    """
    finite = values[np.isfinite(values)]
    most = top if top is not None else float(finite.max(initial=0.0)) or 1.0
    tall = max(map(len, columns), default=0) > 3
    step = 1 if tall else max(1, -(-len(columns) // 30))
    out = ["<b></b>"]
    for c, name in enumerate(columns):
        kept = "every" if c % (6 * step) == 0 else "some"
        shown = escape(name) if c % step == 0 else ""
        out.append(tag("span", shown or "&#8203;", class_="tall" if tall else kept))
    for r, name in enumerate(rows):
        out.append(tag("b", escape(name), title=name))
        for c, label in enumerate(columns):
            value = float(values[r, c])
            if np.isfinite(value):
                place = hints[c] if hints is not None else label
                words = f"{name}, {place}: {form(value)} {unit}"
                out.append(f'<i class="h{level(value / most)}" title="{escape(words)}"></i>')
            else:
                out.append("<i></i>")
    grid = tag("div", "".join(out), class_="heat", style=f"--n:{len(columns)}")
    steps = "".join(f'<i class="h{k}"></i>' for k in range(LEVELS))
    words = tag("span", f"0 to {form(most)} {escape(unit)}")
    return grid + tag("div", steps + words, class_="scale")


def bar(parts: Sequence[tuple[str, str, float]], words: Callable[[float], str]) -> str:
    """Return one bar of parts (name, colour, amount), widths in proportion to amounts above 0."""
    total = sum(amount for _, _, amount in parts if amount > 0) or 1.0
    boxes = "".join(
        f'<i style="flex:{amount / total:.5f};background:{fill}" '
        f'title="{escape(f"{name}: {words(amount)}, {amount / total:.1%}")}"></i>'
        for name, fill, amount in parts
        if amount > 0
    )
    return tag("div", boxes, class_="bar") if boxes else ""


def stack(
    title: str,
    layers: Sequence[tuple[str, str, NDArray[np.float64]]],
    *,
    unit: str,
    line: float | None = None,
    share: NDArray[np.float64] | None = None,
    note: str = "",
    width: int = 262,
    height: int = 150,
    times: Sequence[str] | None = None,
) -> str:
    """Layers (name, colour, value by hour) on each other, as steps; values below 0 downwards.

    `line` is a dashed level; `share`, by hour, is drawn as steps from 0 to 100 % of the height;
    `times` names the beginnings of the hours and the end of the last.
    """
    left, top, bottom = 40, 24, 18
    hours = len(layers[0][2])
    rising, falling = (
        np.sum([part(values, 0.0) for _, _, values in layers], axis=0)
        for part in (np.maximum, np.minimum)
    )
    most = _round_up(max(float(rising.max()), line or 0.0))
    least = -_round_up(-float(falling.min())) if falling.any() else 0.0
    wide, tall = width - left - 6, height - top - bottom

    def down(value: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(top + tall * (most - value) / (most - least))

    out = [
        tag("text", escape(title), x=left, y=14, class_="strong"),
        tag("text", escape(note), x=width - 6, y=14, text_anchor="end", class_="small"),
    ]
    for value in (least, 0.0 if least else most / 2, most):
        y = float(down(np.array(value)))
        out.append(tag("line", x1=left, x2=width - 6, y1=y, y2=y, class_="rule"))
        out.append(
            tag("text", f"{value:,g}", x=left - 4, y=y + 4, text_anchor="end", class_="small")
        )
    edge = left + wide * np.repeat(np.arange(hours + 1), 2)[1:-1] / hours
    floors = np.zeros((2, hours))
    for name, fill, values in layers:
        below = (values < 0).astype(np.int64)
        floor = floors[below, np.arange(hours)]
        floors[below, np.arange(hours)] = floor + values
        ups, downs = (down(np.repeat(level, 2)) for level in (floor + values, floor))
        points = [*zip(edge, ups, strict=True), *zip(edge[::-1], downs[::-1], strict=True)]
        if np.abs(values).sum() > 1e-9:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            hint = tag(
                "title", escape(f"{title}: {name}, {number(float(values.sum()))} {unit} in all")
            )
            out.append(tag("polygon", hint, points=path, fill=fill))
    if line:
        y = float(down(np.array(line)))
        out.append(tag("line", x1=left, x2=width - 6, y1=y, y2=y, class_="limit"))
    if share is not None:
        steps = zip(edge, top + tall * (1 - np.repeat(share, 2)), strict=True)
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in steps)
        hint = tag("title", escape(f"{title}: green share, {_spans(share)}"))
        out.append(tag("polyline", hint, points=path, class_="share"))
    marks = [str(h) for h in range(hours + 1)] if times is None else times
    longest = max(map(len, marks))
    # The first and the last one lie inside the picture, half of their width nearer to the next.
    room = min(max(int(wide / (7 * longest * (1.5 if longest > 2 else 1))), 1), 4)
    for h in range(0, hours + 1, max(1, -(-hours // room))):
        x, mark = left + wide * h / hours, marks[h]
        end = {0: "start", hours: "end"}.get(h, "middle") if len(mark) > 2 else "middle"
        out.append(tag("text", escape(mark), x=x, y=height - 4, text_anchor=end, class_="small"))
    return _picture(width, height, "".join(out))


def _spans(share: NDArray[np.float64]) -> str:
    return f"{np.nanmin(share, initial=1.0):.0%} to {np.nanmax(share, initial=0.0):.0%}"


def _round_up(value: float) -> float:
    """The next number with one plain figure, for the top of an axis."""
    if value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(f for f in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if f * power >= value) * power)


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """Names beside their colours."""
    return "".join(
        tag("span", f'<i style="background:{fill}"></i>{escape(name)}', class_="key")
        for name, fill in entries
    )


def flows(
    names: Sequence[str],
    longitude: NDArray[np.float64],
    latitude: NDArray[np.float64],
    size: NDArray[np.float64],
    share: NDArray[np.float64],
    moved: NDArray[np.float64],
    *,
    unit: str,
    most: int = 24,
    width: int = 1040,
) -> str:
    """Sites where they lie, as large as their load, as dark as they are green; largest flows.

    Drawn are the `most` largest flows, and the largest of each site whatever its size.
    """
    part = min(1.0, width / 800)  # of the size that marks have on a wide picture
    side, end = max(90 * part, 78.0), 48
    span = max(float(np.ptp(longitude)), 1e-9), float(np.ptp(latitude))
    inner = width - 2 * side
    # A degree of latitude is a quarter longer than one of longitude at 37 degrees north.
    height = int(np.clip(inner * 1.25 * span[1] / span[0], 120, 520)) + 2 * end
    x = side + (longitude - longitude.min()) / span[0] * inner
    y = end + (latitude.max() - latitude) / (span[1] or 1.0) * (height - 2 * end)
    out = []
    largest = float(moved.max(initial=0.0)) or 1.0
    radius = part * (4 + 15 * np.sqrt(size / (float(size.max(initial=0.0)) or 1.0)))
    for o, d in _drawn(moved, most):
        bend = 0.14
        cx = (x[o] + x[d]) / 2 + bend * (y[d] - y[o])
        cy = (y[o] + y[d]) / 2 - bend * (x[d] - x[o])
        hint = tag("title", escape(f"{names[o]} to {names[d]}: {number(float(moved[o, d]))} GB"))
        weight = 0.8 + 6 * part * moved[o, d] / largest
        # The head points along the curve's last part and touches the circle of the site.
        way = np.array([x[d] - cx, y[d] - cy])
        way = way / max(float(np.hypot(*way)), 1e-9)
        tip = np.array([x[d], y[d]]) - (radius[d] + 2) * way
        foot = tip - (5 + 1.5 * weight) * way
        side = np.array([-way[1], way[0]]) * (2.5 + weight)
        path = f"M{x[o]:.1f},{y[o]:.1f} Q{cx:.1f},{cy:.1f} {foot[0]:.1f},{foot[1]:.1f}"
        out.append(tag("path", hint, d=path, class_="flow", stroke_width=f"{weight:.2f}"))
        corners = " ".join(f"{a:.1f},{b:.1f}" for a, b in (tip, foot + side, foot - side))
        out.append(tag("polygon", hint, points=corners, class_="head"))
    for i, name in enumerate(names):
        part = float(np.nan_to_num(share[i]))
        green = "no load" if np.isnan(share[i]) else f"{part:.0%} green"
        hint = tag("title", escape(f"{name}: {number(float(size[i]))} {unit}, {green}"))
        place = {"cx": f"{x[i]:.1f}", "cy": f"{y[i]:.1f}", "r": f"{radius[i]:.1f}"}
        out.append(tag("circle", hint, class_=f"site f{level(part)}", **place))
    for name, (left, low) in zip(names, _labels(names, x, y, radius), strict=True):
        out.append(tag("text", escape(name), x=f"{left:.1f}", y=f"{low:.1f}", class_="name"))
    return _picture(width, height, "".join(out))


def _drawn(moved: NDArray[np.float64], most: int) -> list[tuple[int, int]]:
    """The largest flows, and each site's largest, largest last."""
    order = np.argsort(-moved, axis=None, kind="stable")[:most].tolist()
    n = len(moved)
    for i in range(n):
        touching = np.concatenate([moved[i], moved[:, i]])
        at = int(np.argmax(touching))
        order.append(i * n + at if at < n else (at - n) * n + i)
    flat = sorted({k for k in order if moved.flat[k] > 0}, key=lambda k: (moved.flat[k], k))
    return [divmod(k, n) for k in flat]


def _labels(
    names: Sequence[str],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    radius: NDArray[np.float64],
) -> list[tuple[float, float]]:
    """Left end and foot of each site's name: the first place beside it that hides least."""
    reach = radius + 14  # room for the ends of flows as well
    around = np.stack([x - reach, y - reach, x + reach, y + reach], axis=1)
    taken = [tuple(box) for box in around.tolist()]
    out = []
    for i, (name, a, b, r) in enumerate(zip(names, x, y, radius, strict=True)):
        wide, high, gap = 6.6 * len(name), 11.0, r + 4
        places = [
            (a + gap, b + 4),
            (a - gap - wide, b + 4),
            (a - wide / 2, b - gap),
            (a - wide / 2, b + gap + high),
        ]
        boxes = [(left, low - high, left + wide, low + 2) for left, low in places]
        others = taken[:i] + taken[i + 1 :]
        hidden = [sum(_overlap(box, other) for other in others) for box in boxes]
        best = int(np.argmin(hidden))
        taken.append(boxes[best])
        out.append(places[best])
    return out


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Common area of two boxes (left, top, right, foot)."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _picture(width: float, height: float, content: str, top: int = 0) -> str:
    box = f"0 {-top} {width:.0f} {height + top:.0f}"
    size = {"width": f"{width:.0f}", "height": f"{height + top:.0f}"}
    return tag("svg", content, viewBox=box, role="img", xmlns="http://www.w3.org/2000/svg", **size)
