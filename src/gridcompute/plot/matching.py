"""Pictures of a matching."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidProblemError
from .axes import COLOURS, GREY, new_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..results.matching import Matching

__all__ = ["MatchingPlots"]


class MatchingPlots:
    """The pictures of a `Matching`, as ``matching.plot``."""

    def __init__(self, matching: Matching) -> None:
        self._matching = matching

    def prices(self, *, slots: Sequence[str] | None = None, ax: Any = None) -> Any:
        """Draw the saving of one more slot of each class, largest first.

        Parameters
        ----------
        slots : sequence of str, optional
            Names of the classes.
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.

        Returns
        -------
        matplotlib Axes

        Examples
        --------
        >>> from gridcompute import transport
        >>> ax = transport([[4, 1], [2, 1], [5, 1]], [2, 1]).plot.prices(slots=["far", "near"])
        >>> [label.get_text() for label in ax.get_yticklabels()]
        ['near', 'far']
        """
        prices = self._matching.prices
        names = _names(slots, len(prices))
        order = np.argsort(-prices, kind="stable")
        ax = new_axes(ax, size=(6.0, 1.2 + 0.25 * min(len(prices), 40)))
        ax.barh(np.arange(len(order)), prices[order], color=COLOURS[0])
        ax.set_yticks(np.arange(len(order)), [names[k] for k in order])
        ax.invert_yaxis()
        ax.set_xlabel("price of one more slot, unit of cost")
        return ax

    def load(self, *, slots: Sequence[str] | None = None, ax: Any = None) -> Any:
        """Draw the slots used of each class beside those it has.

        Parameters
        ----------
        slots : sequence of str, optional
            Names of the classes.
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.

        Returns
        -------
        matplotlib Axes
        """
        m = self._matching
        names = _names(slots, len(m.load))
        ax = new_axes(ax, size=(6.0, 1.2 + 0.25 * min(len(names), 40)))
        rows = np.arange(len(names))
        ax.barh(rows, m.question.capacity, color="none", edgecolor=GREY, label="capacity")
        ax.barh(rows, m.load, color=COLOURS[0], label="used")
        ax.set_yticks(rows, names)
        ax.invert_yaxis()
        ax.set_xlabel("slots")
        ax.legend(frameon=False)
        return ax


def _names(slots: Sequence[str] | None, n: int) -> list[str]:
    if slots is None:
        return [f"class {s}" for s in range(n)]
    if len(slots) != n:
        raise InvalidProblemError(f"slots: found {len(slots)} names, needed {n}", "slots")
    return [str(name) for name in slots]
