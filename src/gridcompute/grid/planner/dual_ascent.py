"""Dual ascent: finds prices that prove a good bound, by steps along each row's own slope.

The bound that prices prove is computed in `dual_bound.py`; here they are only moved.

The step of a row is its mean recent slope over the root of its mean squared slope, in units of a
typical price of its kind plus a part of its own price: rows of very different sizes move alike, and
a row whose slope keeps changing sign slows down. At intervals the running average of the prices is
evaluated as well, and the best prices are kept: plain subgradients oscillate about the optimum,
their average is near it. Statistics of the slopes are kept from one ascent to the next: its first
steps, on a slightly smaller problem, then have the length that the imbalance needs and not the
largest one allowed.

Many jobs choose alike: at one vector of prices all of them choose the same hours, and at the next
all choose others. So the first prices come from a sampled ascent, in which each step prices one
small sample in turn: the prices move many times for one pass over all jobs, and as far as in as
many passes, and the longer memory of slopes averages the samples' noise. When the prices are nearly
optimal, the difference between each sample and all jobs is computed at intervals and added to its
steps: only the change since then is noise, and the ascent ends several times nearer to the optimum.

Source: the step is that of Kingma and Ba, "Adam" (2015), projected; averaging as in Polyak and
Juditsky (1992); the corrections are those of Johnson and Zhang, "Accelerating stochastic gradient
descent using predictive variance reduction" (2013). Deviations: ascent, geometric step lengths,
steps that grow with the price, the best kept instead of the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .dual_bound import evaluate_dual
from .settings import MEMORY, OWN_PART, PRICE_MEMORY, SAMPLES_CORRECTED_AT, TRY_EVERY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..tables.column import Floats
    from .coupling_constraints import CouplingConstraints, RightHandSide
    from .settings import Memory, SampledAscentOptions
    from .work import Market

__all__ = ["DualAscent"]


class DualAscent:
    """Steps on the shared rows of one problem, or of what a dive has left of it.

    Parameters
    ----------
    rows : CouplingConstraints
    memory : Memory
    own_part : float
        Part of a row's own price that its step adds to the typical price.
    """

    def __init__(
        self, rows: CouplingConstraints, memory: Memory = MEMORY, own_part: float = OWN_PART
    ) -> None:
        """Begin without statistics of the slopes."""
        self._rows, self._memory, self._own_part = rows, memory, own_part
        self._mean = np.zeros_like(rows.scale)
        self._square = np.zeros_like(rows.scale)
        self._steps = 0
        self.passes = 0
        #: The best bound of the last ascent that evaluated one, and the prices that prove it.
        self.bound, self.best = -np.inf, np.zeros(0)

    def climb(
        self,
        market: Market,
        supply: RightHandSide,
        y: Floats,
        steps: int,
        lengths: tuple[float, float],
        *,
        trial: bool = True,
        stop: Callable[[float], bool] = lambda _done: False,
    ) -> Floats:
        """Ascend from `y` for the live jobs of `market`; return the average price at the end.

        Parameters
        ----------
        market : Market
        supply : RightHandSide
        y : float64 (n_rows,)
        steps : int
        lengths : (float, float)
            First and last step length, in typical prices.
        trial : bool
            Evaluate the average at intervals, and keep the best bound; at least that of `y`.
        stop : callable
            Receives the fraction done before each step but the first; True ends the ascent.
        """
        average = y.copy()
        self.bound, self.best = -np.inf, y
        for k in range(steps):
            if k and stop(k / steps):
                break
            slope = self._look(market, supply, y)
            y = self._moved(y, slope, lengths[0] * (lengths[1] / lengths[0]) ** (k / steps))
            average = PRICE_MEMORY * average + (1 - PRICE_MEMORY) * y
            if trial and (k % TRY_EVERY == TRY_EVERY - 1 or k == steps - 1):
                self._look(market, supply, average)
        return average

    def follow(
        self, use: Floats, y: Floats, supply: RightHandSide, length: float, served_kwh: Floats
    ) -> Floats:
        """Return the prices after a step from `y`, of `length` typical prices at most.

        `use` is the use of rows at `y`, flat, and `served_kwh` the most profitable load there.
        """
        self.passes += 1
        return self._moved(y, self._rows.slope(use, y, supply, served_kwh), length)

    def walk(
        self,
        markets: Sequence[Market],
        whole: Market,
        supply: RightHandSide,
        y: Floats,
        how: SampledAscentOptions,
        stop: Callable[[float], bool] = lambda _done: False,
        spent: Callable[[], float] = lambda: 0.0,
    ) -> Floats:
        """Ascend from `y`, each step with one of `markets` in turn; return the average price.

        Each of the markets represents all jobs, those of `whole`. No bound is evaluated. `spent`
        returns the part of the time that is over: where it exceeds the part of the steps, step
        lengths fall sooner, so that the ascent does not end with long steps.
        """
        rows, average = self._rows, y.copy()
        missed = np.zeros((len(markets), len(y)))
        steps, (first, last) = how.steps, how.lengths
        corrections = [*SAMPLES_CORRECTED_AT, np.inf]
        for k in range(steps):
            if k and stop(k / steps):
                break
            part = max(k / steps, min(spent(), 1.0))
            if k >= int(min(corrections[0], 1.0) * steps) or part > corrections[0]:
                corrections.pop(0)
                missed[:] = [rows.use(market, average) for market in markets]
                missed = rows.use(whole, average) - missed
                self.passes += len(markets) + 1
            if k % how.energy_every == 0:
                served = rows.serving(y)
            length = first * (last / first) ** part
            i = k % len(markets)
            use = rows.use(markets[i], y) + missed[i]
            y = self.follow(use, y, supply, length, served())
            average = PRICE_MEMORY * average + (1 - PRICE_MEMORY) * y
        return average

    def _moved(self, y: Floats, slope: Floats, length: float) -> Floats:
        """Return the prices after a step along the mean slopes."""
        rows, memory = self._rows, self._memory
        rows.work.climbed(len(y))
        self._steps += 1
        self._mean += (1 - memory.slope) * (slope - self._mean)
        self._square += (1 - memory.square) * (slope * slope - self._square)
        mean = self._mean / (1 - memory.slope**self._steps)
        spread = np.sqrt(self._square / (1 - memory.square**self._steps)) + 1e-9
        unit = rows.scale + self._own_part * rows.active * np.abs(y)
        return rows.within(y + length * unit * mean / spread)

    def _look(self, market: Market, supply: RightHandSide, y: Floats) -> Floats:
        found = evaluate_dual(self._rows, market, y, supply)
        self.passes += 1
        if found.bound > self.bound:
            self.bound, self.best = found.bound, y.copy()
        return found.slope
