"""A trace of jobs on one resource under one signal: what each policy would have cost."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from .. import _checks
from .._html import facts
from ..errors import InvalidProblemError
from ..forecast.signal import Signal
from . import policies
from .certificate import ReplayCertificate, Rules, check
from .policies import (
    Room,
    SharedRun,
    flow_plan,
    local_search,
    priced_bound,
    raised_prices,
    replay_shared,
)
from .trace import Outlook, Trace, mean_before, read_jobs, read_starts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..forecast.signal import Arrivals, Model
    from ..plot.replay import ReplayPlots


POLICIES = ("fifo", "arrival", "gaia", "threshold", "book", "rolling", "hindsight")
_MOST_SLOTS = 2**31 - 1
_CLOSED = 1e-9  # a gap that is only rounding
_PASSES = 50  # of the local search in hindsight; it ends by itself after about six


class Question(NamedTuple):
    """The arguments of a replay."""

    trace: Trace
    signal: Signal
    slots: int | None
    overflow: float
    policy: str
    interruptible: bool
    starts: NDArray[np.int64]
    forecast: str | Model
    arrivals: str | Arrivals | None


@dataclass(frozen=True, eq=False, repr=False)
class Replay:
    """The schedule of a policy, its cost, and the cost in hindsight.

    Attributes
    ----------
    policy : str
        As asked.
    cost : float
        Sum over all starts of slot-hours times the signal, and the price of those beyond `slots`.
    costs : float array, shape (n_starts,)
        The same for each start of the trace.
    load : int64 array, shape (n_starts, n_hours)
        Slots in use; column 0 is the hour of the earliest arrival after each start.
    runs : dict of int64 array
        What ran: ``start`` (which of `starts`), ``job``, ``hour`` (of the signal), ``length`` in
        hours and ``slots``.
    overflow_slot_h : int
        Slot-hours beyond `slots`.

    Examples
    --------
    >>> from gridcompute import forecast, timeshift
    >>> signal = forecast.Signal([9.0, 5.0, 1.0, 4.0], "2024-01-01", [[9.0, 2.0, 3.0, 4.0]])
    >>> jobs = {"arrival_h": [0, 0], "hours": [1, 2], "slots": [1, 1], "window_h": [2, 2]}
    >>> r = timeshift.replay(jobs, signal, policy="arrival")
    >>> r
    <Replay: arrival, cost 11, 0.706 of what hindsight saves>
    >>> r.runs["hour"]
    array([1, 1])
    >>> bool(r.verify())
    True
    """

    policy: str
    cost: float
    costs: NDArray[np.float64]
    load: NDArray[np.int64]
    runs: dict[str, NDArray[np.int64]]
    overflow_slot_h: int
    _question: Question
    _prices: list[NDArray[np.float64]] | None = None

    def __repr__(self) -> str:
        """Say the policy, its cost and what it kept."""
        return (
            f"<Replay: {self.policy}, cost {self.cost:.6g}, "
            f"{self.kept:.3f} of what hindsight saves{self._unproved}>"
        )

    def _repr_html_(self) -> str:
        rows = {"policy": self.policy, "cost": self.cost, "bound": self.bound, "gap": self.gap}
        kept = f"{self.kept:.1%}{self._unproved}"
        return facts("Replay", {**rows, "kept of what hindsight saves": kept})

    @property
    def _unproved(self) -> str:
        """Say how far hindsight is proved, where its search gave up without an optimum."""
        gap = self.hindsight.gap
        return f", itself proved within {gap:.2%} of the best" if gap > _CLOSED else ""

    @property
    def signal(self) -> Signal:
        """The signal that was replayed."""
        return self._question.signal

    @property
    def starts(self) -> NDArray[np.int64]:
        """The hours of the signal at which the trace was started."""
        return self._question.starts

    @property
    def plot(self) -> ReplayPlots:
        """The pictures of the replay: `plot.regret()`, `plot.load()`; needs matplotlib."""
        from ..plot.replay import ReplayPlots  # upward, and only when called

        return ReplayPlots(self)

    @cached_property
    def at_once(self) -> Replay:
        """The replay in which nothing waits, each job run at arrival, or in the order they came."""
        return self._other(policy="fifo")

    @cached_property
    def hindsight(self) -> Replay:
        """The replay that knew all; it is worked out when it is first asked for."""
        return self._other(policy="hindsight")

    @cached_property
    def bound(self) -> float:
        """Lower bound on the cost of every schedule, by hindsight, the same for all policies.

        Without capacity the sum of the least cost of each job. Under shared slots the dual bound
        at the prices of the min-cost flow, which for jobs in pieces is the optimum itself; for
        jobs in one piece it is raised by subgradient steps and may lie below the optimum.
        """
        q = self._question
        if q.policy != "hindsight":
            return self.hindsight.bound
        if q.slots is None:
            return self.cost
        terms = [
            priced_bound(q.trace.shift(start), _room_of(q, start), prices, pieces=q.interruptible)
            for start, prices in zip(q.starts.tolist(), self._bound_prices or [], strict=True)
        ]
        return min(self.cost, math.fsum(terms))

    @cached_property
    def _bound_prices(self) -> list[NDArray[np.float64]] | None:
        """The prices of hours that prove the bound, of hindsight; None where nothing is shared."""
        q = self._question
        if q.slots is None or q.interruptible:
            return self._prices
        starts = zip(q.starts.tolist(), self._prices or [], self.costs.tolist(), strict=True)
        return [
            raised_prices(q.trace.shift(start), _room_of(q, start), prices, cost)
            for start, prices, cost in starts
        ]

    @property
    def gap(self) -> float:
        """(cost - bound) / max(abs(cost), abs(bound)), 0 where they are equal."""
        most = max(abs(self.cost), abs(self.bound))
        return (self.cost - self.bound) / most if self.cost != self.bound else 0.0

    @property
    def kept(self) -> float:
        """The part saved of what hindsight saves beside `at_once`; nan if that is nothing."""
        most = self.at_once.cost - self.hindsight.cost
        return (self.at_once.cost - self.cost) / most if most else math.nan

    @cached_property
    def regret(self) -> dict[str, float]:
        """Return the causes of the cost above the bound, each by a replay with one change.

        ``forecast``: less if the signal were known; ``arrivals``: less if the jobs to come were
        known (0 where nothing is shared); ``pinning``: less if jobs could pause (0 where they can);
        ``horizon``: what is lost with both known, because later jobs are not, or because the policy
        does not use what it knows; ``solver``: cost of hindsight less its bound. The parts overlap:
        ``overlap`` is what is to be added so that all add up to cost - bound, mostly negative.
        """
        known = self._other(forecast="actual", arrivals="known")
        parts = {
            "forecast": self.cost - self._other(forecast="actual").cost,
            "arrivals": self.cost - self._other(arrivals="known").cost,
            "pinning": self.cost - self._other(interruptible=True).cost,
            "horizon": known.cost - self.hindsight.cost,
            "solver": self.hindsight.cost - self.bound,
        }
        parts["overlap"] = self.cost - self.bound - math.fsum(parts.values())
        return parts

    def verify(self) -> ReplayCertificate:
        """Check from the jobs and the signal alone that all ran in its window, and what it cost.

        The bound is computed again from the prices of hours, `at_once` and `hindsight` are checked
        as this replay is. Not checked: `regret`, each of whose parts is a replay of its own, and
        that runs are those which the policy chooses.
        """
        q = self._question
        rules = Rules(q.trace, q.signal.actual, q.starts, q.interruptible, q.slots, _beyond(q))
        best = self.hindsight
        found = check(rules, self, vars(self).get("at_once"), best, best._bound_prices)
        if self.policy == q.policy:
            return found
        reasons = (*found.reasons, f"policy: found {self.policy!r}, needed {q.policy!r}")
        return dataclasses.replace(found, valid=False, reasons=reasons)

    def _other(self, **changes: Any) -> Replay:
        """Return the replay of the same question with some things changed."""
        changed = self._question._replace(**changes)
        if changed == self._question:
            return self
        return _answer(changed)


def replay(
    jobs: Any,
    signal: Signal,
    *,
    slots: int | None = None,
    overflow: float = 2.0,
    policy: Literal[
        "fifo", "arrival", "gaia", "threshold", "book", "rolling", "hindsight"
    ] = "rolling",
    interruptible: bool = False,
    starts: Any = None,
    seed: int = 0,
    forecast: Literal["issued", "corrected", "actual"] | Model | None = None,
    arrivals: Literal["yesterday", "known"] | Arrivals | None = "yesterday",
) -> Replay:
    """Replay a trace of jobs hour by hour under a policy that reads only what was known then.

    Parameters
    ----------
    jobs : mapping, data frame or structured array
        Integer columns ``arrival_h`` (hours after the start of the trace), ``hours``, ``slots`` and
        ``window_h``: a job starts at most this many hours after its arrival. Where it may pause it
        takes any `hours` slot-hours a slot within ``hours + window_h``, at most `slots` at a time.
    signal : forecast.Signal
        What a slot-hour costs, and what was forecast of it.
    slots : int, optional
        Slots that all jobs share. None = as many as they need, and each job is decided alone.
    overflow : float
        A slot-hour beyond `slots` costs its signal and this many times the signal's mean more.
    policy : str
        "fifo": at once (under shared slots what came first, what can wait no longer before it).
        "arrival": the cheapest start, or hours, on the forecast at arrival.
        "gaia": the start at which most is saved for each hour until the job is done (Carbon-Time).
        "threshold": hours below the 0.3 quantile of the next 24, until the window is used up.
        "book": as "arrival", beside what earlier jobs have booked.
        "rolling": all that waits is planned again each hour.
        "hindsight": the optimum, all known; under shared slots, of jobs in one piece, the best that
        a local search finds, and `gap` how far it is proved.
        "arrival", "gaia" and "threshold" place each job alone; what exceeds `slots` overflows.
        "gaia" never pauses.
    interruptible : bool
        Whether jobs may pause, at whole hours and no cost.
    starts : sequence of date or int, optional
        The trace begins at each of these hours of the signal, each without what the others
        left, and the costs are added. None = the first issue.
    seed : int
        No policy draws numbers today: it changes nothing.
    forecast : {"issued", "corrected", "actual"} or callable, optional
        What is read of the signal: as it was issued; corrected hour by hour by the last error,
        as far as past errors at that hour of the day bear it out (`forecast.Corrected`); what
        will happen; or a model ``model(past, hours)`` of the user's own. None = "corrected" for
        "rolling", else "issued".
    arrivals : {"yesterday", "known"} or callable, optional
        Jobs that "rolling" expects under shared slots, and leaves room for while those that wait
        can run: the last day's again, those that will come, or of a callable (see
        `forecast.phantoms`). None = none.

    Returns
    -------
    Replay

    Raises
    ------
    InvalidProblemError
        A column that is missing or out of its range, a start whose windows do not lie within the
        signal or where nothing has been forecast yet.
    TypeError
        A value of a wrong type.

    Notes
    -----
    At hour t the values before t and the issues up to t are read, nothing later; the mean that
    prices what overflows is, for a policy, that of the hours before the start of the trace.
    Ties go to the earliest hour and the first job: the same bits each time.
    Hindsight without capacity is a minimum a job. Under shared slots jobs in pieces are a min-cost
    flow, exact; jobs in one piece are a local search beside a Lagrangian bound.

    Examples
    --------
    >>> from gridcompute import forecast, timeshift
    >>> signal = forecast.Signal([3.0, 1.0, 2.0, 9.0, 9.0, 9.0], "2024-01-01")
    >>> jobs = {"arrival_h": [0, 0], "hours": [1, 1], "slots": [1, 1], "window_h": [2, 2]}
    >>> best = timeshift.replay(jobs, signal, slots=1, policy="hindsight", interruptible=True)
    >>> best.cost, best.bound
    (3.0, 3.0)
    >>> timeshift.replay(jobs, signal, slots=1, policy="fifo").cost
    4.0
    """
    trace = read_jobs(jobs)
    if not isinstance(signal, Signal):
        raise TypeError(f"signal must be a forecast.Signal, not {type(signal).__name__}")
    if slots is not None:
        slots = _checks.whole("slots", slots, 0, _MOST_SLOTS)
    overflow = _checks.number("overflow", overflow, 0.0)
    if math.isinf(overflow):
        raise InvalidProblemError("overflow: found inf, needed a finite number", "overflow")
    _checks.choice("policy", policy, POLICIES)
    if not isinstance(interruptible, (bool, np.bool_)):
        raise TypeError(f"interruptible must be bool, not {type(interruptible).__name__}")
    begun = read_starts(starts, trace, signal)
    _checks.seed(seed)
    if forecast is None:
        forecast = "corrected" if policy == "rolling" else "issued"
    elif not callable(forecast):
        _checks.choice("forecast", forecast, ("issued", "corrected", "actual"))
    if arrivals is not None and not callable(arrivals):
        _checks.choice("arrivals", arrivals, ("yesterday", "known"))
    if slots is not None and len(signal) and float(signal.actual.mean()) < 0:
        raise InvalidProblemError(
            "signal: found a negative mean, needed 0 or more to price what overflows", "signal"
        )
    q = Question(
        trace, signal, slots, overflow, policy, bool(interruptible), begun, forecast, arrivals
    )
    _refuse_unforecast(q)
    return _answer(q)


def _refuse_unforecast(q: Question) -> None:
    """Raise for a start at which a policy would read a forecast that was not yet issued."""
    if q.policy in ("fifo", "hindsight") or not len(q.trace):
        return
    least = q.signal.first - int(q.trace.arrival.min())
    early = (q.starts < least) & (q.forecast in ("issued", "corrected"))
    if q.slots is not None and q.policy in ("rolling", "book") and q.signal.first > 0:
        early |= q.starts == 0  # the mean that prices overflow is that of the forecast there
    if early.any():
        index = int(early.argmax())
        raise InvalidProblemError(
            f"starts[{index}]: found hour {q.starts[index]}, needed {max(least, 1)} or later: "
            f"the first issue is at hour {q.signal.first}, and before it nothing is forecast",
            "starts",
            index,
        )


def _answer(q: Question) -> Replay:
    """Run the policy and add up what it cost."""
    prices = None
    if not len(q.trace):
        rows = hours = length = units = np.zeros(0, np.int64)
        prices = [np.zeros(0)] * len(q.starts)
    elif q.slots is None or q.policy in ("arrival", "gaia", "threshold"):
        rows, hours, length, units = _alone(q)
    elif q.policy == "hindsight":
        rows, hours, length, units, prices = _best(q)
    else:
        rows, hours, length, units = _shared(q)
    n = max(1, len(q.trace))
    runs = {
        "start": rows // n,
        "job": rows % n,
        "hour": hours,
        "length": length,
        "slots": units,
    }
    load = _load(q, runs)
    costs, over = _costs(q, load)
    return Replay(q.policy, math.fsum(costs), costs, load, runs, over, q, prices)


def _alone(q: Question) -> tuple[NDArray[np.int64], ...]:
    """Decide each job of each start alone; the starts together, in the order of the hours."""
    every = [q.trace.shift(start) for start in q.starts.tolist()]
    jobs = Trace(
        *(
            np.concatenate([getattr(one, name) for one in every])
            for name in ("arrival", "hours", "slots", "window")
        )
    )
    pieces = q.interruptible and q.policy not in ("fifo", "gaia")
    if q.policy == "fifo":
        rows, hours = np.arange(len(jobs)), policies.at_once(jobs)
    elif q.policy == "hindsight":
        rows, hours = policies.hindsight(jobs, q.signal.actual, pieces)
    else:
        outlook = Outlook(q.signal, q.forecast, int(jobs.arrival.min()))
        if q.policy in ("rolling", "book"):  # nothing is shared: a booking is a plan on arrival
            decide = policies.hourly if q.policy == "rolling" else _plan_on_arrival
            rows, hours = decide(jobs, outlook, pieces)
        else:
            rows, hours = policies.on_arrival(jobs, outlook, q.policy, pieces)
    length = np.ones(len(rows), np.int64) if pieces else jobs.hours[rows]
    return rows, hours, length, jobs.slots[rows]


def _plan_on_arrival(
    jobs: Trace, outlook: Outlook, pieces: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the plan of each job at its arrival."""
    return policies.on_arrival(jobs, outlook, "arrival", pieces)


def _shared(q: Question) -> tuple[NDArray[np.int64], ...]:
    """Run a policy under shared slots."""
    assert q.slots is not None
    outlook = Outlook(q.signal, q.forecast, int(q.starts.min() + q.trace.arrival.min()))
    runs = []
    for start in q.starts.tolist():
        extra = 0.0
        if q.policy != "fifo":
            extra = q.overflow * max(0.0, mean_before(q.signal, start))
        runs.append(SharedRun(q.trace.shift(start), q.slots, extra, outlook))
    replay_shared(runs, q.policy, q.interruptible, q.arrivals)
    parts = [
        (rows + k * len(q.trace), hours, units)
        for k, run in enumerate(runs)
        for rows, hours, units in run.parts
    ]
    rows, hours, units = (np.concatenate(column) for column in zip(*parts, strict=True))
    return rows, hours, np.ones(len(rows), np.int64), units


def _best(q: Question) -> tuple[Any, ...]:
    """Return the optimum in pieces, or a local search in one piece, with the prices of slots."""
    assert q.slots is not None
    parts, prices = [], []
    for k, start in enumerate(q.starts.tolist()):
        jobs, room = q.trace.shift(start), _room_of(q, start)
        plan = flow_plan(jobs.units, jobs.slots, jobs.arrival, jobs.end, room)
        prices.append(plan.prices)
        if q.interruptible:
            rows, hours, length, units = plan.rows, plan.hours, np.ones_like(plan.rows), plan.units
        else:
            order = np.argsort(-jobs.units, kind="stable")
            large_first = jobs.take(order)
            begun = local_search(
                large_first,
                large_first.arrival,
                np.full(len(jobs), -1),
                np.zeros(len(room.value), np.int64),
                room,
                _PASSES,
            )
            rows, hours = order, begun
            length, units = large_first.hours, large_first.slots
        parts.append((rows + k * len(q.trace), hours, length, units))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return (*columns, prices)


def _room_of(q: Question, start: int) -> Room:
    """Return what all hours of a start truly cost."""
    assert q.slots is not None
    first = start + (int(q.trace.arrival.min()) if len(q.trace) else 0)
    last = start + int(q.trace.end.max()) if len(q.trace) else first
    return Room(first, q.signal.actual[first:last], q.slots, _beyond(q))


def _beyond(q: Question) -> float:
    """Return what a slot-hour beyond `slots` costs more; 0 where there is no hour."""
    return q.overflow * float(q.signal.actual.mean()) if len(q.signal) else 0.0


def _load(q: Question, runs: dict[str, NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the slots in use by start and hour."""
    first = int(q.trace.arrival.min()) if len(q.trace) else 0
    span = int(q.trace.end.max()) - first if len(q.trace) else 0
    change = np.zeros((len(q.starts), span + 1), np.int64)
    column = runs["hour"] - q.starts[runs["start"]] - first
    np.add.at(change, (runs["start"], column), runs["slots"])
    np.add.at(change, (runs["start"], column + runs["length"]), -runs["slots"])
    return np.asarray(change.cumsum(axis=1)[:, :span])


def _costs(q: Question, load: NDArray[np.int64]) -> tuple[NDArray[np.float64], int]:
    """Return the cost of each start, and the slot-hours beyond `slots`."""
    first = int(q.trace.arrival.min()) if len(q.trace) else 0
    price = _beyond(q)
    costs, total = np.zeros(len(load)), 0
    for k, start in enumerate(q.starts.tolist()):
        value = q.signal.actual[start + first : start + first + load.shape[1]]
        over = np.maximum(0, load[k] - q.slots) if q.slots is not None else np.zeros(0, np.int64)
        costs[k] = math.fsum([*(load[k] * value).tolist(), price * int(over.sum())])
        total += int(over.sum())
    return costs, total
