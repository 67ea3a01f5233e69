"""Pictures of a replay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .axes import COLOURS, GREY, hour_axis, new_axes

if TYPE_CHECKING:
    from ..timeshift.replay import Replay

__all__ = ["ReplayPlots"]


class ReplayPlots:
    """The pictures of a `timeshift.Replay`, as ``replay.plot``."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def regret(self, *, ax: Any = None) -> Any:
        """Draw what the cost above the bound is due to, a bar for each cause.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.

        Returns
        -------
        matplotlib Axes

        Examples
        --------
        >>> from gridcompute import forecast, timeshift
        >>> signal = forecast.Signal([9.0, 5.0, 1.0, 4.0], "2024-01-01", [[9.0, 2.0, 3.0, 4.0]])
        >>> jobs = {"arrival_h": [0, 0], "hours": [1, 2], "slots": [1, 1], "window_h": [2, 2]}
        >>> ax = timeshift.replay(jobs, signal, policy="arrival").plot.regret()
        >>> ax.get_xlabel()
        'cost above the bound, % of the bound'
        """
        r = self._replay
        parts = r.regret
        scale = 100.0 / abs(r.bound) if r.bound else 1.0
        values = [scale * value for value in parts.values()]
        ax = new_axes(ax, size=(6.0, 2.6))
        colours = [GREY if name == "overlap" else COLOURS[0] for name in parts]
        ax.barh(np.arange(len(values)), values, color=colours)
        ax.set_yticks(np.arange(len(values)), list(parts))
        ax.invert_yaxis()
        ax.axvline(0.0, color=GREY, linewidth=0.8)
        unit = "% of the bound" if r.bound else "unit of the signal"
        ax.set_xlabel(f"cost above the bound, {unit}")
        ax.set_title(f"{r.policy}: {scale * (r.cost - r.bound):.3g} in all")
        return ax

    def load(self, *, start: int = 0, ax: Any = None) -> Any:
        """Draw the slots in use by the hour, and the signal that they pay.

        Parameters
        ----------
        start : int
            Which of the replay's starts.
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.

        Returns
        -------
        matplotlib Axes
            Of the slots; the signal has axes of its own on the right.
        """
        r = self._replay
        load = r.load[start]
        first = int(r.starts[start])
        signal = r.signal.actual[first : first + len(load)]
        ax = new_axes(ax)
        ax.bar(np.arange(len(load)) + 0.5, load, width=1.0, color=COLOURS[4], label="slots in use")
        ax.set_ylabel("slots")
        hour_axis(ax, len(load))
        right = ax.twinx()
        right.step(np.arange(len(signal)), signal, where="post", color=COLOURS[3], label="signal")
        right.set_ylabel("signal")
        return ax
