"""Check of a replay from the jobs and the signal alone; no code is shared with what made it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._certificate import Certificate, relative_gap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .trace import Trace


_ROUNDING = 1e-9  # relative: what sums of float64 in another order may differ by


@dataclass(frozen=True)
class ReplayCertificate(Certificate):
    """The result of an independent check of a replay.

    Attributes
    ----------
    valid : bool
        Each job ran all its slot-hours in its window, load and costs are as said, and the bound is
        proved.
    cost : float
        The cost, summed run by run; `objective` is the same.
    bound : float
        What every schedule costs at least, from the signal and the prices of hours.
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


class Rules(NamedTuple):
    """The rules that runs keep; a slot-hour beyond `slots` costs `price` more than the signal."""

    trace: Trace
    actual: NDArray[np.float64]
    starts: NDArray[np.int64]
    pieces: bool
    slots: int | None
    price: float


def check(
    rules: Rules, answer: Any, at_once: Any, hindsight: Any, prices: Any
) -> ReplayCertificate:
    """Check a replay, the two it is measured by (or None), and the bound at `prices` of hours."""
    cost, reasons = _check_runs(rules, answer)
    others = (("at_once", "fifo", at_once), ("hindsight", "hindsight", hindsight))
    for name, policy, other in others:
        if other is not None and other is not answer:
            wrong = [] if other.policy == policy else [f"policy: found {other.policy!r}"]
            reasons += [f"{name}: {reason}" for reason in wrong + _check_runs(rules, other)[1]]
    if reasons:
        return ReplayCertificate(False, cost, float(answer.bound), tuple(reasons))
    terms: list[float] = []
    for k, start in enumerate(rules.starts.tolist()):
        terms += _least_cost(rules, start, None if prices is None else prices[k])
    bound, near = math.fsum(terms), _ROUNDING * math.fsum(map(abs, terms))
    bound = min(bound, hindsight.cost)
    if not abs(answer.bound - bound) <= near:
        reasons.append(f"bound: found {answer.bound}, the signal and the prices prove {bound}")
    if not bound <= cost + near:
        reasons.append(f"bound {bound} above the cost {cost}")
    return ReplayCertificate(not reasons, cost, bound, tuple(reasons))


def _least_cost(rules: Rules, start: int, prices: Any) -> list[float]:
    """Return the terms of what all schedules of a start cost at least.

    Without capacity each job takes its cheapest hours. Else it takes those at the prices, at most
    ``value + price``, and the slots of an hour sold at its price earn no more than that less value.
    """
    trace, value = rules.trace, rules.actual
    terms: list[float] = []
    if rules.slots is not None and len(trace):
        value = value.copy()
        for h, asked in enumerate(prices.tolist(), start + int(trace.arrival.min())):
            paid = min(asked, float(value[h]) + rules.price)
            terms.append(-rules.slots * max(0.0, paid - float(value[h])))
            value[h] = paid
    known: dict[tuple[int, int, int], float] = {}
    columns = (trace.arrival, trace.hours, trace.window, trace.slots)
    for arrival, hours, window, slots in zip(*(c.tolist() for c in columns), strict=True):
        key = (start + arrival, hours, window)
        if key not in known:
            span = value[key[0] : key[0] + hours + window]
            if rules.pieces:
                known[key] = math.fsum(sorted(span.tolist())[:hours])
            else:
                sums = np.concatenate([[0.0], np.cumsum(span)])
                known[key] = float((sums[hours:] - sums[:-hours]).min())
        terms.append(known[key] * slots)
    return terms


def _check_runs(rules: Rules, answer: Any) -> tuple[float, list[str]]:
    """Return the cost of the runs, and what is wrong with them or what is said of them."""
    trace, starts = rules.trace, rules.starts
    names = ("start", "job", "hour", "length", "slots")
    if len({answer.runs[name].shape for name in names}) > 1:
        return math.nan, ["runs: found columns of different lengths"]
    reasons: list[str] = []
    taken: dict[tuple[int, int, int], int] = {}
    first = int(trace.arrival.min()) if len(trace) else 0
    span = int(trace.end.max()) - first if len(trace) else 0
    load = [[0] * span for _ in starts]
    done = np.zeros((len(starts), len(trace)), np.int64)
    ran: dict[tuple[int, int], list[int]] = {}
    columns = [answer.runs[name].tolist() for name in names]
    for start, job, hour, length, units in zip(*columns, strict=True):
        if not (0 <= start < len(starts) and 0 <= job < len(trace)):
            return math.nan, [f"runs: found start {start}, job {job}, and there is none"]
        for h in range(hour, hour + length):
            taken[start, job, h] = taken.get((start, job, h), 0) + units
    for (start, job, h), units in taken.items():
        arrival = int(starts[start] + trace.arrival[job])
        end = arrival + int(trace.hours[job] + trace.window[job])
        if not arrival <= h < end:
            reasons.append(f"start {start}, job {job}: runs at {h}, not in {arrival} to {end - 1}")
            continue
        if not 0 < units <= trace.slots[job]:
            reasons.append(
                f"start {start}, job {job}: {units} slots at {h}, it has {trace.slots[job]}"
            )
        done[start, job] += units
        load[start][h - int(starts[start]) - first] += units
        ran.setdefault((start, job), []).append(h)
    wrong = np.argwhere(done != trace.hours * trace.slots)
    reasons += [f"start {s}, job {j}: {done[s, j]} slot-hours" for s, j in wrong[:5].tolist()]
    if not rules.pieces:
        broken = [k for k, hours in ran.items() if max(hours) - min(hours) + 1 != trace.hours[k[1]]]
        reasons += [f"start {s}, job {j}: not in one piece" for s, j in broken[:5]]
    if answer.load.shape != (len(starts), span) or answer.load.tolist() != load:
        reasons.append("load: it is not that of the runs")
    most = sum(map(sum, load)) if rules.slots is None else rules.slots
    beyond = [[max(0, units - most) for units in hours] for hours in load]
    if answer.overflow_slot_h != sum(map(sum, beyond)):
        reasons.append(f"overflow_slot_h: found {answer.overflow_slot_h}, {sum(map(sum, beyond))}")
    totals, sizes = [], []
    for start, hours, over in zip(starts.tolist(), load, beyond, strict=True):
        value = rules.actual[start + first : start + first + span].tolist()
        terms = [v * units for v, units in zip(value, hours, strict=True)]
        terms += [rules.price * units for units in over]
        totals.append(math.fsum(terms))
        sizes.append(math.fsum(map(abs, terms)))
    cost, near = math.fsum(totals), _ROUNDING * math.fsum(sizes)
    close = answer.costs.shape == (len(totals),) and all(
        abs(a - b) <= _ROUNDING * size
        for a, b, size in zip(answer.costs.tolist(), totals, sizes, strict=True)
    )
    if not close:
        reasons.append(f"costs: found {answer.costs}, the runs cost {totals}")
    if not abs(cost - answer.cost) <= near:
        reasons.append(f"cost {answer.cost}, found {cost}")
    return cost, reasons
