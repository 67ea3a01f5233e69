"""Pictures of an operator's hours: load, green share, jobs, and what was lost beside hindsight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from .axes import COLOURS, GREEN, GREY, energy_unit, hour_axis, new_axes

if TYPE_CHECKING:
    from ..grid.operations.rolling import Rolling
    from ..grid.plan.plan import Plan

__all__ = ["RollingPlots"]

#: The counts of jobs that are drawn: entry of the history, words, colour.
JOBS = (
    ("started", "started", COLOURS[0]),
    ("moved", "moved or stopped", COLOURS[1]),
    ("lost_jobs", "could no longer start", COLOURS[3]),
)


class RollingPlots:
    """The pictures of a `grid.Rolling`, as ``operator.plot``, of the hours that have passed."""

    def __init__(self, operator: Rolling) -> None:
        self._operator = operator

    def load(self, *, ax: Any = None) -> Any:
        """Draw the load of all sites by the hour: on green power, on other power, and shed.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.

        Returns
        -------
        matplotlib Axes

        Examples
        --------
        >>> from gridcompute import grid
        >>> operator = grid.Rolling(grid.east_west(n_jobs=20, seed=0, hours=6), gap=0.5)
        >>> _ = operator.step(), operator.step()
        >>> operator.plot.load().get_ylabel()
        'load, kWh'
        """
        ledger = self._operator.ledger
        load, green, shed = (
            table.sum(axis=1) for table in (ledger.load_kwh, ledger.green_kwh, ledger.shed_kwh)
        )
        layers = [
            ("green in its own hour", green, GREEN),
            ("other power", np.maximum(load - green - shed, 0.0), GREY),
        ]
        if shed.any():
            layers.append(("shed", shed, COLOURS[3]))
        top = float(load.max(initial=0.0))
        factor, unit = energy_unit(top)
        return self._stacked(layers, ax, factor=factor, label=f"load, {unit}")

    def green(self, *, ax: Any = None) -> Any:
        """Draw the green share of the load by the hour, and the share that the mandate asks for.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.

        Returns
        -------
        matplotlib Axes
            Of all sites together, and of those that the mandate applies to; an hour without load
            has no line.
        """
        op, ax = self._operator, new_axes(ax)
        ledger, mandate = op.ledger, op.world.mandate
        held = mandate.applies_to(op.world.sites)
        parts = [("all sites", np.ones(len(held), bool), GREY)]
        if held.any():
            parts.append(("sites under the mandate", held, GREEN))
        for words, of, colour in parts:
            load = ledger.load_kwh[:, of].sum(axis=1)
            share = np.full(len(load), np.nan)
            np.divide(100 * ledger.green_kwh[:, of].sum(axis=1), load, out=share, where=load > 0)
            ends = np.append(share, share[-1:])
            ax.step(np.arange(len(ends)), ends, where="post", label=words, color=colour)
        if mandate.share > 0:
            words = f"asked for over all hours: {mandate.share:.0%}"
            ax.axhline(100 * mandate.share, color=COLOURS[0], linestyle="--", label=words)
        _time_axis(ax, op)
        ax.set_ylim(0, 105)
        ax.set_ylabel("green share of the load, %")
        ax.legend(frameon=False, fontsize="small")
        return ax

    def jobs(self, *, ax: Any = None) -> Any:
        """Draw the jobs that started, those that moved or stopped, and those lost, by the hour.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.

        Returns
        -------
        matplotlib Axes
        """
        history = self._operator.history
        layers = [(words, history[name], colour) for name, words, colour in JOBS]
        layers = [layers[0], *(layer for layer in layers[1:] if layer[1].any())]
        return self._stacked(layers, ax, label="jobs")

    def regret(self, *, by: str = "cause", seen: Plan | None = None, ax: Any = None) -> Any:
        """Draw what the hours cost above hindsight: a bar for each cause, or for each hour.

        Parameters
        ----------
        by : "cause" or "hour"
            "cause" runs the hours again three times, once for each thing that was not known
            (`Rolling.regret`), the first time it is asked for. "hour": `Rolling.regret_by_hour`.
        seen : Plan, optional
            Of `Rolling.hindsight`, for the hours; None: it is found.
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.

        Returns
        -------
        matplotlib Axes
            Above or below 0: more or less than hindsight's plan spends in that hour.
        """
        op = self._operator
        if _checks.choice("by", by, ("cause", "hour")) == "hour":
            more = op.regret_by_hour(seen)
            ax = new_axes(ax)
            signs = [COLOURS[3] if value > 0 else COLOURS[4] for value in more]
            ax.bar(np.arange(len(more)) + 0.5, more, width=1.0, color=signs)
            ax.axhline(0.0, color=GREY, linewidth=0.8)
            _time_axis(ax, op)
            ax.set_ylabel("spent beside hindsight, yuan")
            return ax
        parts = op.regret
        ax = new_axes(ax, size=(6.0, 2.6))
        colours = [GREY if name == "overlap" else COLOURS[0] for name in parts]
        ax.barh(np.arange(len(parts)), list(parts.values()), color=colours)
        ax.set_yticks(np.arange(len(parts)), list(parts))
        ax.invert_yaxis()
        ax.axvline(0.0, color=GREY, linewidth=0.8)
        ax.set_xlabel("cost above hindsight's bound, yuan")
        ax.set_title(f"{sum(parts.values()):,.4g} of {op.cost_yuan:,.4g} yuan")
        return ax

    def _stacked(self, layers: Any, ax: Any, *, label: str, factor: float = 1.0) -> Any:
        """Draw layers on top of each other, a bar an hour."""
        ax = new_axes(ax)
        hours = self._operator.clock
        base = np.zeros(hours)
        for words, values, colour in layers:
            height = values / factor
            ax.bar(
                np.arange(hours) + 0.5, height, width=1.0, bottom=base, color=colour, label=words
            )
            base = base + height
        _time_axis(ax, self._operator)
        ax.set_ylabel(label)
        # The legend is in one line above the bars.
        ax.set_ylim(0.0, 1.2 * float(base.max(initial=0.0)) or 1.0)
        ax.legend(frameon=False, fontsize="small", loc="upper left", ncols=len(layers))
        return ax


def _time_axis(ax: Any, op: Rolling) -> None:
    """Label the x axis with the hours, or steps, that have passed."""
    hour_axis(ax, max(1, op.clock))
    if op.world.step_h != 1:
        ax.set_xlabel(f"step of {op.world.step_h * 60:g} min")
