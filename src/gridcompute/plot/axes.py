"""Axes to draw on, and the colours of all pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .._extras import extra

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["COLOURS", "GREEN", "GREY", "Style", "energy_unit", "hour_axis", "new_axes", "styles_of"]

#: Okabe and Ito's, distinct for any colour vision, with grey for black: on white and on black.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#666666", "#f0e442")
GREEN, GREY = "#009e73", "#999999"
#: Lines and hatches, one for each round of the colours.
_LINES, _HATCHES = ("-", "--", ":", "-."), ("", "////", "....", "xxxx")


class Style(NamedTuple):
    """The look of one of many series, on which no two of the first 32 agree."""

    colour: str
    line: str
    hatch: str


def new_axes(ax: Any, *, size: tuple[float, float] = (7.0, 3.6)) -> Any:
    """Return `ax`, or the axes of a new figure of that size in inches."""
    if ax is not None:
        return ax
    with extra("plot"):
        import matplotlib.pyplot as plt
    return plt.subplots(figsize=size, layout="constrained")[1]


def styles_of(n: int) -> list[Style]:
    """Return n styles: the eight colours plain, then again with other lines and hatches.

    Shades between eight colours that any colour vision tells apart would be lost to some.
    """
    turns = [k // len(COLOURS) % len(_LINES) for k in range(n)]
    return [
        Style(COLOURS[k % len(COLOURS)], _LINES[turn], _HATCHES[turn])
        for k, turn in enumerate(turns)
    ]


def hour_axis(ax: Any, hours: int, labels: Sequence[str] | None = None) -> None:
    """Label the x axis with hours from 0, or with the times that they begin at."""
    ax.set_xlim(0, hours)
    ax.set_xlabel("hour" if labels is None else "time")
    step = next(s for s in (1, 2, 3, 6, 12, 24, 48, 168, hours) if hours <= 12 * s or s == hours)
    ticks = list(range(0, hours + 1, max(1, step)))
    ax.set_xticks(ticks)
    if labels is not None:
        ax.set_xticklabels([labels[t] if t < hours else "" for t in ticks], rotation=30, ha="right")


def energy_unit(most_kwh: float) -> tuple[float, str]:
    """Return the kWh of the unit in which amounts up to this read well, and its name."""
    if most_kwh >= 1e6:
        return 1e6, "GWh"
    return (1e3, "MWh") if most_kwh >= 1e3 else (1.0, "kWh")
