"""Small pictures as inline SVG: heat maps, stacked areas, a map of flows; values in tooltips."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["flows", "heat", "legend", "number", "stack", "tag"]

Array = "NDArray[np.float64]"
#: Ends and middle of the sequential scale, light to dark.
SCALE = ((243, 246, 244), (127, 188, 173), (8, 81, 86))


def tag(name: str, content: str = "", **attributes: object) -> str:
    """One element; `class_` and `font_size` become `class` and `font-size`."""
    parts = [f'{k.rstrip("_").replace("_", "-")}="{escape(str(v))}"' for k, v in attributes.items()]
    opening = " ".join([name, *parts])
    return f"<{opening}>{content}</{name}>" if content else f"<{opening}/>"


def number(value: float) -> str:
    """A number as people write it: three figures, thousands parted."""
    if not np.isfinite(value):
        return "∞" if value > 0 else "–"
    size = abs(value)
    if size < 5e-5:  # no more than rounding left it
        return "0"
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 4
    return f"{value:,.{digits}f}"


def colour(share: float) -> str:
    """The scale's colour at 0 to 1."""
    share = min(max(share, 0.0), 1.0) * 2
    low, high = (SCALE[0], SCALE[1]) if share <= 1 else (SCALE[1], SCALE[2])
    mix = share if share <= 1 else share - 1
    return "rgb({},{},{})".format(
        *(round(a + (b - a) * mix) for a, b in zip(low, high, strict=True))
    )


def heat(
    rows: Sequence[str],
    columns: Sequence[str],
    values: NDArray[np.float64],
    *,
    unit: str,
    form: Callable[[float], str] = number,
    top: float | None = None,
    cell: int = 24,
    corner: str = "",
) -> str:
    """A table of coloured cells with a scale; NaN is left blank."""
    left, high, head = 118, 22, 18
    finite = values[np.isfinite(values)]
    most = top if top is not None else float(finite.max(initial=0.0)) or 1.0
    out = [tag("text", escape(corner), x=left - 8, y=12, text_anchor="end", class_="small")]
    step = max(1, round(34 / cell)) if max(map(len, columns), default=0) <= 3 else 1
    for c, name in enumerate(columns):
        if c % step == 0:
            x = left + c * cell + cell / 2
            if len(name) > 3:
                turn = f"rotate(-45 {x} {head - 4})"
                out.append(
                    tag("text", escape(name), x=x, y=head - 4, transform=turn, class_="small")
                )
            else:
                out.append(tag("text", name, x=x, y=12, text_anchor="middle", class_="small"))
    for r, name in enumerate(rows):
        y = head + r * high
        out.append(tag("text", escape(name), x=left - 8, y=y + 15, text_anchor="end"))
        for c, label in enumerate(columns):
            value = float(values[r, c])
            if np.isfinite(value):
                hint = tag("title", escape(f"{name}, {label}: {form(value)} {unit}"))
                box = {"x": left + c * cell, "y": y, "width": cell - 1, "height": high - 1}
                out.append(tag("rect", hint, fill=colour(value / most), rx=2, **box))
    width, height = left + len(columns) * cell, head + len(rows) * high
    out.append(_scale(left, height + 8, most, form, unit))
    pad = 60 if max(map(len, columns), default=0) > 3 else 0
    return _picture(width + 8, height + 34, "".join(out), top=pad)


def _scale(x: float, y: float, most: float, form: Callable[[float], str], unit: str) -> str:
    boxes = [
        tag("rect", x=x + i * 10, y=y, width=10, height=8, fill=colour(i / 11)) for i in range(12)
    ]
    words = tag("text", f"0 to {form(most)} {escape(unit)}", x=x + 128, y=y + 8, class_="small")
    return "".join(boxes) + words


def stack(
    title: str,
    layers: Sequence[tuple[str, str, NDArray[np.float64]]],
    *,
    unit: str,
    line: float | None = None,
    note: str = "",
    width: int = 262,
    height: int = 150,
) -> str:
    """Layers (name, colour, value by hour) on each other, as steps; `line` is a dashed level."""
    left, top, bottom = 40, 24, 18
    hours = len(layers[0][2])
    total = np.sum([values for _, _, values in layers], axis=0)
    most = _round_up(max(float(total.max()), line or 0.0))
    wide, tall = width - left - 6, height - top - bottom
    out = [
        tag("text", escape(title), x=left, y=14, class_="strong"),
        tag("text", escape(note), x=width - 6, y=14, text_anchor="end", class_="small"),
    ]
    for share in (0.0, 0.5, 1.0):
        y = top + tall * (1 - share)
        out.append(tag("line", x1=left, x2=width - 6, y1=y, y2=y, class_="rule"))
        out.append(
            tag(
                "text", number(most * share), x=left - 4, y=y + 4, text_anchor="end", class_="small"
            )
        )
    edge = left + wide * np.repeat(np.arange(hours + 1), 2)[1:-1] / hours
    floor = np.zeros(hours)
    for name, fill, values in layers:
        upper = floor + values
        ups = top + tall * (1 - np.repeat(upper, 2) / most)
        downs = top + tall * (1 - np.repeat(floor, 2) / most)
        points = [*zip(edge, ups, strict=True), *zip(edge[::-1], downs[::-1], strict=True)]
        if values.sum() > 1e-9:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            hint = tag(
                "title", escape(f"{title}: {name}, {number(float(values.sum()))} {unit} in all")
            )
            out.append(tag("polygon", hint, points=path, fill=fill))
        floor = upper
    if line:
        y = top + tall * (1 - line / most)
        out.append(tag("line", x1=left, x2=width - 6, y1=y, y2=y, class_="limit"))
    for h in range(0, hours + 1, max(1, hours // 4)):
        x = left + wide * h / hours
        out.append(tag("text", str(h), x=x, y=height - 4, text_anchor="middle", class_="small"))
    return _picture(width, height, "".join(out))


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
    height: int = 560,
) -> str:
    """Sites where they lie, as large as their load, as dark as they are green; largest flows."""
    pad = 112
    span = max(float(np.ptp(longitude)), 1e-9), max(float(np.ptp(latitude)), 1e-9)
    x = pad + (longitude - longitude.min()) / span[0] * (width - 2 * pad)
    y = pad + (latitude.max() - latitude) / span[1] * (height - 2 * pad)
    out = []
    order = np.argsort(-moved, axis=None, kind="stable")[:most]
    largest = float(moved.max()) or 1.0
    for o, d in zip(*np.unravel_index(order, moved.shape), strict=True):
        if moved[o, d] <= 0:
            continue
        bend = 0.14
        cx = (x[o] + x[d]) / 2 + bend * (y[d] - y[o])
        cy = (y[o] + y[d]) / 2 - bend * (x[d] - x[o])
        hint = tag("title", escape(f"{names[o]} to {names[d]}: {number(float(moved[o, d]))} GB"))
        path = f"M{x[o]:.1f},{y[o]:.1f} Q{cx:.1f},{cy:.1f} {x[d]:.1f},{y[d]:.1f}"
        weight = 0.8 + 6 * moved[o, d] / largest
        out.append(tag("path", hint, d=path, class_="flow", stroke_width=f"{weight:.2f}"))
    reach = float(size.max()) or 1.0
    for i, name in enumerate(names):
        radius = 4 + 15 * float(np.sqrt(size[i] / reach))
        hint = tag(
            "title", escape(f"{name}: {number(float(size[i]))} {unit}, {share[i]:.0%} green")
        )
        place = {"cx": f"{x[i]:.1f}", "cy": f"{y[i]:.1f}", "r": f"{radius:.1f}"}
        out.append(tag("circle", hint, fill=colour(float(share[i])), class_="site", **place))
        side = _side(x, y, i)
        spot = {"x": f"{x[i] + side * (radius + 5):.1f}", "y": f"{y[i] + 4:.1f}"}
        if side == 0:
            spot["y"] = f"{y[i] - radius - 5:.1f}"
        out.append(tag("text", escape(name), text_anchor=("middle", "start", "end")[side], **spot))
    return _picture(width, height, "".join(out))


def _side(x: NDArray[np.float64], y: NDArray[np.float64], i: int) -> int:
    """Where a site's name goes: above (0), right (1) or left (-1), away from a close neighbour."""
    apart = np.hypot(x - x[i], y - y[i])
    apart[i] = np.inf
    near = int(np.argmin(apart)) if len(x) > 1 else i
    if near == i or apart[near] > 90:
        return 0
    return 1 if (x[i], i) > (x[near], near) else -1


def _picture(width: float, height: float, content: str, top: int = 0) -> str:
    box = f"0 {-top} {width:.0f} {height + top:.0f}"
    size = {"width": f"{width:.0f}", "height": f"{height + top:.0f}"}
    return tag("svg", content, viewBox=box, role="img", xmlns="http://www.w3.org/2000/svg", **size)
