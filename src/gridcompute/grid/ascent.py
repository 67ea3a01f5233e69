"""Dual ascent: prices that prove a good bound, found by steps along each row's own slope.

Each row's step is its mean recent slope over the root of its mean squared slope, in units of a
typical price of its kind: rows of very different sizes move alike, and a row whose slope keeps
changing sign slows down. Between steps the running average of the prices is tried as well, and the
best of both is kept: plain subgradients jump about the optimum, their average lies near it.

Source: the step is that of Kingma and Ba, "Adam" (2015), projected; averaging as in Polyak and
Juditsky (1992). Deviations: ascent, geometric step lengths, kept best instead of last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from .. import _core
    from .bound import Rows, Supply
    from .columns import Floats

__all__ = ["Ascent"]

#: How much of the past the mean slope, its mean square and the average price remember.
SLOPE_MEMORY, SQUARE_MEMORY, PRICE_MEMORY = 0.8, 0.95, 0.9
#: Steps between two trials of the average.
TRY_EVERY = 10


class Ascent:
    """One climb on the bound of the live jobs of a market.

    Parameters
    ----------
    rows : Rows
    market : Market
    supply : Supply
    weight : float
        How many jobs each job of the market stands for.
    """

    def __init__(
        self, rows: Rows, market: _core.Market, supply: Supply, weight: float = 1.0
    ) -> None:
        """Nothing is evaluated yet."""
        self._rows, self._market, self._supply, self._weight = rows, market, supply, weight
        self.best, self.bound = np.zeros(0), -np.inf
        self.passes = 0

    def climb(
        self,
        y: Floats,
        steps: int,
        longest: float,
        shortest: float,
        *,
        trial: bool = True,
        stop: Callable[[float], bool] = lambda _done: False,
    ) -> Floats:
        """Climb from `y`; returns the average price at the end (`best` and `bound` are kept).

        Parameters
        ----------
        y : float64 (n_rows,)
        steps : int
        longest, shortest : float
            First and last step length, in typical prices.
        trial : bool
            Evaluate the average now and then, to keep the best bound.
        stop : callable
            Told the fraction done before each step; True ends the climb.
        """
        rows = self._rows
        mean, square, average = np.zeros_like(y), np.zeros_like(y), y.copy()
        for k in range(steps):
            if stop(k / steps):
                break
            slope = self._look(y)
            mean = SLOPE_MEMORY * mean + (1 - SLOPE_MEMORY) * slope
            square = SQUARE_MEMORY * square + (1 - SQUARE_MEMORY) * slope * slope
            length = longest * (shortest / longest) ** (k / steps)
            grown = mean / (1 - SLOPE_MEMORY ** (k + 1))
            spread = np.sqrt(square / (1 - SQUARE_MEMORY ** (k + 1))) + 1e-9
            y = np.maximum(y + length * rows.scale * grown / spread, rows.floor)
            average = PRICE_MEMORY * average + (1 - PRICE_MEMORY) * y
            if trial and k % TRY_EVERY == TRY_EVERY - 1:
                self._look(average)
        return average

    def _look(self, y: Floats) -> Floats:
        found = self._rows.evaluate(self._market, y, self._supply, self._weight)
        self.passes += 1
        if found.bound > self.bound:
            self.bound, self.best = found.bound, y.copy()
        return found.slope
