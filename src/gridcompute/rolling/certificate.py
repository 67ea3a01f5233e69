"""Check of a replay from the jobs and the signal alone; no code is shared with what made it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._certificate import Certificate
from .._gap import relative_gap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .trace import Trace

__all__ = ["ReplayCertificate", "check_runs"]

_ROUNDING = 1e-9  # relative: what sums of float64 in another order may differ by


@dataclass(frozen=True)
class ReplayCertificate(Certificate):
    """The result of an independent check of a replay.

    Attributes
    ----------
    valid : bool
        Each job ran all its slot-hours in its window, and the cost is as said and not below the
        bound.
    cost : float
        The cost, summed run by run; `objective` is the same.
    bound : float
        What the replay says that every schedule costs at least.
    reasons : tuple of str
        Why not, where something does not hold.
    """

    valid: bool
    cost: float
    bound: float
    reasons: tuple[str, ...]

    @property
    def objective(self) -> float:
        """The cost, summed run by run."""
        return self.cost

    @property
    def gap(self) -> float:
        """(cost - bound) / max(abs(cost), abs(bound)); 0.0 where both are equal."""
        return relative_gap(self.cost, self.bound)


def check_runs(
    trace: Trace,
    actual: NDArray[np.float64],
    starts: NDArray[np.int64],
    pieces: bool,
    slots: int | None,
    price: float,
    answer: Any,
) -> ReplayCertificate:
    """Check the runs of an answer; `price` is what a slot-hour beyond `slots` costs more."""
    reasons = []
    runs = answer.runs
    taken: dict[tuple[int, int, int], int] = {}
    load: dict[tuple[int, int], int] = {}
    columns = [runs[name].tolist() for name in ("start", "job", "hour", "length", "slots")]
    for start, job, hour, length, units in zip(*columns, strict=True):
        for h in range(hour, hour + length):
            taken[start, job, h] = taken.get((start, job, h), 0) + units
            load[start, h] = load.get((start, h), 0) + units
    done = np.zeros((len(starts), len(trace)), np.int64)
    span: dict[tuple[int, int], tuple[int, int]] = {}
    for (start, job, h), units in taken.items():
        arrival = int(starts[start] + trace.arrival[job])
        end = arrival + int(trace.hours[job] + trace.window[job])
        if not arrival <= h < end:
            reasons.append(f"start {start}, job {job}: runs at {h}, not in {arrival} to {end - 1}")
        if not 0 < units <= trace.slots[job]:
            reasons.append(
                f"start {start}, job {job}: {units} slots at {h}, it has {trace.slots[job]}"
            )
        done[start, job] += units
        low, high = span.get((start, job), (h, h))
        span[start, job] = (min(low, h), max(high, h))
    wrong = np.argwhere(done != trace.hours * trace.slots)
    reasons += [f"start {s}, job {j}: {done[s, j]} slot-hours" for s, j in wrong[:5].tolist()]
    if not pieces:
        broken = [k for k, (low, high) in span.items() if high - low + 1 != trace.hours[k[1]]]
        reasons += [f"start {s}, job {j}: not in one piece" for s, j in broken[:5]]
    terms = [float(actual[h]) * units for (_, h), units in load.items()]
    if slots is not None:
        terms += [price * (units - slots) for units in load.values() if units > slots]
    cost = math.fsum(terms)
    near = _ROUNDING * math.fsum(map(abs, terms))
    if not abs(cost - answer.cost) <= near:
        reasons.append(f"cost {answer.cost}, found {cost}")
    if not answer.bound <= cost + near:
        reasons.append(f"bound {answer.bound} above the cost {cost}")
    return ReplayCertificate(not reasons, cost, float(answer.bound), tuple(reasons))
