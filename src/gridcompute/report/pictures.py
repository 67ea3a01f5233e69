"""Pictures of a matching (matplotlib without a display, imported when a picture is drawn)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Panel", "heat_maps", "load_and_price"]


class Panel(NamedTuple):
    """One heat map: what is shown, (n_rows, n_columns), NaN where there is nothing to show."""

    title: str
    values: Any
    colours: str = "viridis"
    top: float | None = None


def heat_maps(
    path: Path, panels: Sequence[Panel], rows: Sequence[str], columns: Sequence[str], xlabel: str
) -> None:
    """Heat maps over the same rows and columns, written to `path`."""
    from matplotlib.figure import Figure

    # Side by side as long as that fits a page, else one above the other.
    beside, width, height = len(columns) <= 48, 2.4 + 0.19 * min(len(columns), 60), 0.3 * len(rows)
    grid, size = (
        ((1, len(panels)), (width * len(panels), 1.6 + height))
        if beside
        else ((len(panels), 1), (width, (1.3 + height) * len(panels)))
    )
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(*grid, squeeze=False, sharey=True).reshape(-1)
    every = max(1, len(columns) // 8 if beside else len(columns) // 14)
    for axis, panel in zip(axes, panels, strict=True):
        image = axis.imshow(
            panel.values, aspect="auto", cmap=panel.colours, vmin=0, vmax=panel.top, origin="upper"
        )
        axis.set_title(panel.title, fontsize=10)
        axis.set_xticks(range(0, len(columns), every), columns[::every], fontsize=8)
        axis.set_yticks(range(len(rows)), rows, fontsize=8)
        axis.set_xlabel(xlabel, fontsize=9)
        figure.colorbar(image, ax=axis, fraction=0.05)
    figure.savefig(path, dpi=130)


def load_and_price(
    path: Path, m: Any, capacity: Any, rows: Sequence[str], columns: Sequence[str], unit: str,
    xlabel: str = "hour",
) -> None:  # fmt: skip
    """Share of slots taken and mean price of a slot, by row and column of the slot classes.

    Slot classes must be ordered as (row, anything, column): the middle is summed over.
    """
    shape = (len(rows), -1, len(columns))
    slots = np.asarray(capacity, np.float64).reshape(shape).sum(axis=1)
    load = np.asarray(m.load, np.float64).reshape(shape).sum(axis=1)
    worth = (np.asarray(m.prices) * capacity).reshape(shape).sum(axis=1)
    with np.errstate(invalid="ignore"):  # no slots: nothing to show
        panels = [
            Panel("share of slots taken", load / slots, "YlGnBu", 1.0),
            Panel(f"price of one slot, {unit}", worth / slots, "YlOrRd"),
        ]
    heat_maps(path, panels, rows, columns, xlabel)
