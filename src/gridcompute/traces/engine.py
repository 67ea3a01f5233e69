"""Time: jobs arrive, a policy places them, they run for a round, and the clock moves on.

A round begins at the clock. Jobs that have arrived by then are active. The policy gives each active
job a type or lets it wait. A running job works until it is done or the round's length is over, with
whole steps alone if the trace says so; the round ends when the last running job stops, and devices
of jobs that end early stay idle until then (Gavel's rules). With nothing running the clock jumps to
the next arrival. With a round length of 0 a round ends at the next arrival or end of a job, so that
nothing waits for the clock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .tables import Cluster, Trace


# Rounds in a row without work done or an arrival, beside those that one restart takes, after which
# the policy has stalled. Gavel's mechanism pauses for at most 1,920 s, which is 6 rounds of 360 s.
_MOST_STALLED_ROUNDS = 1000


class View:
    """The inputs of a policy at a round's start.

    Attributes
    ----------
    now : float
        Seconds.
    jobs : int array, shape (n_active,)
        Numbers of the jobs that have arrived and are not done, increasing.
    trace, cluster
        As given. Of the trace a policy reads the rows of `jobs`; `work` and `left` are for policies
        that use lengths.
    round_s : float
        Length of a round.
    restart_s : float
        Seconds that a job loses when it goes on elsewhere or after a pause.
    left : float array, shape (n_active,)
        Work left.
    speed : float array, shape (n_active, n_types)
        Speeds of the active jobs, 0 also where the type has fewer devices than the gang.
    gang : int array, shape (n_active,)
        Their gangs.
    on : int array, shape (n_active,)
        Type on which each ran in the last round, or -1.
    attained_s : float array, shape (n_active,)
        Device-seconds that each has had.
    changed : bool
        A job arrived or ended since the last round.
    last_jobs, last_types, last_s
        The jobs that ran in the last round, where, and for how long (seconds).
    """

    __slots__ = ("_state", "changed", "jobs", "last_jobs", "last_s", "last_types", "now")

    def __init__(self, state: State) -> None:
        self._state = state
        self.now = 0.0
        self.jobs = np.zeros(0, np.int64)
        self.changed = True
        self.last_jobs = self.last_types = np.zeros(0, np.int64)
        self.last_s = np.zeros(0)

    @property
    def trace(self) -> Trace:
        """Return the trace."""
        return self._state.trace

    @property
    def cluster(self) -> Cluster:
        """Return the cluster."""
        return self._state.cluster

    @property
    def round_s(self) -> float:
        """Return the length of a round."""
        return self._state.round_s

    @property
    def restart_s(self) -> float:
        """Return what a job loses when it goes on elsewhere or after a pause."""
        return self._state.restart_s

    @property
    def left(self) -> NDArray[np.float64]:
        """Return the work left of each active job."""
        return self._state.left[self.jobs]

    @property
    def speed(self) -> NDArray[np.float64]:
        """Return the speeds of the active jobs."""
        return self._state.speed[self.jobs]

    def speed_of(self, job: int) -> NDArray[np.float64]:
        """Return the speeds of one job."""
        row: NDArray[np.float64] = self._state.speed[job]
        return row

    @property
    def gang(self) -> NDArray[np.int64]:
        """Return the gangs of the active jobs."""
        return self._state.trace.gang[self.jobs]

    @property
    def on(self) -> NDArray[np.int64]:
        """Return where each active job ran in the last round, -1 = nowhere."""
        return self._state.on[self.jobs]

    @property
    def attained_s(self) -> NDArray[np.float64]:
        """Return the device-seconds of each active job."""
        return self._state.attained[self.jobs]


@dataclass
class State:
    """The jobs of a running replay, by number."""

    trace: Trace
    cluster: Cluster
    round_s: float
    restart_s: float
    left: NDArray[np.float64] = field(init=False)
    speed: NDArray[np.float64] = field(init=False)
    on: NDArray[np.int64] = field(init=False)
    attained: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        """Begin with all work left."""
        n = len(self.trace)
        self.left = self.trace.work.copy()
        fits = self.trace.gang[:, None] <= self.cluster.devices
        self.speed = np.where(fits, self.trace.speed, 0.0)
        self.on = np.full(n, -1, np.int64)
        self.attained = np.zeros(n)


class Runs:
    """Runs: stretches of rounds in which a job ran on one type without a pause."""

    def __init__(self, n: int) -> None:
        self._first, self._last = np.full(n, -1), np.full(n, -1)
        self._kind = np.zeros(n, np.int64)
        self._ran_s, self._end_s = np.zeros(n), np.zeros(n)
        self._past: list[tuple[NDArray[Any], ...]] = []

    def begin(self, jobs: NDArray[np.int64], kinds: NDArray[np.int64], now: Any) -> None:
        """Begin a run of each job in the round `now`, or in one of each."""
        self._past.append(self._rows(jobs[self._first[jobs] >= 0]))
        self._first[jobs], self._kind[jobs], self._ran_s[jobs] = now, kinds, 0.0

    def extend(self, jobs: NDArray[np.int64], ran_s: Any, end_s: Any, now: Any) -> None:
        """Add the seconds that each job ran in the round `now`, and when it stopped."""
        self._ran_s[jobs] += ran_s
        self._end_s[jobs], self._last[jobs] = end_s, now

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return all runs, by job and round."""
        self._past.append(self._rows(np.flatnonzero(self._first >= 0)))
        columns = [np.concatenate(parts) for parts in zip(*self._past, strict=True)]
        order = np.lexsort((columns[2], columns[0]))
        names = ("job", "type", "first_round", "last_round", "ran_s", "end_s")
        return {name: values[order] for name, values in zip(names, columns, strict=True)}

    def _rows(self, jobs: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
        state = (self._kind, self._first, self._last, self._ran_s, self._end_s)
        return (jobs, *(values[jobs] for values in state))


@dataclass
class Log:
    """The events of a replay, by job and by round."""

    done_s: NDArray[np.float64]  # nan = not done when the replay ended
    first_s: NDArray[np.float64]  # nan = never ran
    busy_s: NDArray[np.float64]  # device-seconds of each type
    ran_s: NDArray[np.float64]  # seconds that each job ran
    runs: Runs
    end_s: float = 0.0
    moves: int = 0
    evictions: int = 0
    round_start_s: list[float] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    busy: list[int] = field(default_factory=list)
    decision_s: list[float] = field(default_factory=list)


def run_rounds(
    trace: Trace,
    cluster: Cluster,
    decide: Callable[[View], NDArray[np.int64]],
    round_s: float,
    measured: NDArray[np.int64],
    restart_s: float,
) -> Log:
    """Replay until all measured jobs are done."""
    state = State(trace, cluster, round_s, restart_s)
    n = len(trace)
    arrival, gang, speed = trace.arrival_s, trace.gang, state.speed
    left, on, attained = state.left, state.on, state.attained
    devices = cluster.devices
    log = Log(
        np.full(n, np.nan), np.full(n, np.nan), np.zeros(cluster.n_types), np.zeros(n), Runs(n)
    )
    owed = np.zeros(n)  # seconds of restarting still to be spent
    last_type = np.full(n, -1, np.int64)  # where it last ran, also before a pause
    is_measured = np.zeros(n, bool)
    is_measured[measured] = True
    open_jobs = len(measured)
    view = View(state)
    came = 0  # jobs that have arrived
    stalled = 0  # rounds since work was done or a job arrived
    now = float(arrival[0]) if n else 0.0

    while open_jobs:
        upto = int(np.searchsorted(arrival, now, side="right"))
        if upto > came:
            view.jobs = np.concatenate([view.jobs, np.arange(came, upto)])
            view.changed = True
            came, stalled = upto, 0
        elif round_s > 0.0 and stalled > _MOST_STALLED_ROUNDS + restart_s / round_s:
            raise _no_progress(view, stalled)
        jobs = view.jobs
        view.now = now
        before = time.perf_counter()
        choice = decide(view)
        log.decision_s.append(time.perf_counter() - before)
        choice = _checked(choice, jobs, speed, gang, devices)

        runs = choice >= 0
        running, types = jobs[runs], choice[runs]
        was_on = on[running]
        log.evictions += int(np.count_nonzero(on[jobs[~runs]] >= 0))
        resumed = (was_on != types) & (last_type[running] >= 0)
        log.moves += int(np.count_nonzero((last_type[running] != types) & resumed))
        if restart_s:
            owed[running[resumed]] = restart_s
        log.round_start_s.append(now)
        log.waiting.append(len(jobs) - len(running))
        fresh = np.isnan(log.first_s[running])
        log.first_s[running[fresh]] = now
        begun = fresh | resumed
        this_round = len(log.round_start_s) - 1
        log.runs.begin(running[begun], types[begun], this_round)

        if not len(running):
            on[jobs] = -1
            view.last_jobs, view.last_types, view.last_s = running, types, np.zeros(0)
            view.changed = False
            log.busy.append(0)
            if came < n:
                now = float(arrival[came])
                continue
            if round_s <= 0.0:
                raise _no_progress(view, 1)
            stalled += 1
            now += round_s
            continue

        v = speed[running, types]
        work, debt = left[running], owed[running]
        horizon = round_s
        if round_s <= 0.0:
            horizon = float((debt + work / v).min())
            if came < n:
                horizon = min(horizon, max(float(arrival[came]) - now, 0.0))
        if trace.whole_steps and round_s > 0.0:
            steps = np.minimum(np.floor(np.maximum(horizon - debt, 0.0) * v), work)
            ran = steps / v + np.minimum(debt, horizon)
        else:
            ran = debt + work / v
            part = np.minimum(np.maximum(horizon - debt, 0.0) * v, work)
            steps = np.where(ran <= horizon, work, part)
            ran = np.minimum(ran, horizon)
        # By what is done, not by the time: a round that rounding makes too short may do all of it.
        ends = steps >= work
        if restart_s:
            owed[running] = np.maximum(debt - ran, 0.0)
        left[running] = work - steps
        stalled = 0 if (left[running] < work).any() else stalled + 1
        if trace.whole_steps and not steps.any() and not debt.any():
            raise InvalidProblemError(
                f"round_s: found {round_s:g}, too short for one whole step of job {running[0]}",
                "round_s",
            )
        width = gang[running]
        log.ran_s[running] += ran
        log.runs.extend(running, ran, now + ran, this_round)
        attained[running] += ran * width
        log.busy_s += np.bincount(types, ran * width, cluster.n_types)
        log.busy.append(int(width.sum()))
        on[jobs] = -1
        on[running] = types
        last_type[running] = types
        end = now + float(ran.max())
        view.changed = False
        view.last_jobs, view.last_types, view.last_s = running, types, ran
        if ends.any():
            over = running[ends]
            log.done_s[over] = now + ran[ends]
            on[over] = -1
            view.jobs = jobs[left[jobs] > 0.0]
            view.changed = True
            open_jobs -= int(is_measured[over].sum())
        if round_s <= 0.0 and came < n and horizon == max(float(arrival[came]) - now, 0.0):
            end = max(now, float(arrival[came]))
        now = end
        if not len(view.jobs) and came < n:
            now = max(now, float(arrival[came]))
    log.end_s = float(np.nanmax(log.done_s[measured])) if len(measured) else 0.0
    return log


def _no_progress(view: View, rounds: int) -> InvalidProblemError:
    """Return the error of a policy under which no job ever ends."""
    jobs, ran = view.jobs, view.last_jobs
    if not len(ran):
        found = f"{len(jobs)} jobs waiting at {view.now:g} s with nothing running and none to come"
        needed = "a job placed"
    else:
        some = ", ".join(map(str, jobs[:5].tolist())) + (", ..." if len(jobs) > 5 else "")
        found = f"no work done in {rounds} rounds until {view.now:g} s by jobs {some}"
        needed = (
            f"a job that runs on (one that goes on elsewhere or after a pause first restarts for "
            f"restart_s = {view.restart_s:g}), and more work in a round of {view.round_s:g} s than "
            "is lost to rounding"
        )
    return InvalidProblemError(f"policy: found {found}, needed {needed}", "policy", int(jobs[0]))


def _checked(
    choice: object,
    jobs: NDArray[np.int64],
    speed: NDArray[np.float64],
    gang: NDArray[np.int64],
    devices: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the policy's answer as int64 types, or say what is wrong with it."""
    types = np.asarray(choice)
    if types.shape != jobs.shape or (types.dtype.kind not in "iu" and types.size):
        raise InvalidProblemError(
            f"policy: found {types.dtype} of shape {types.shape}, "
            f"needed integers of shape {jobs.shape}, a type or -1 for each of view.jobs",
            "policy",
        )
    types = types.astype(np.int64, copy=False)
    wrong = (types < -1) | (types >= len(devices))
    if not wrong.any():
        wrong = (types >= 0) & (speed[jobs, types] <= 0.0)
    if wrong.any():
        k = int(wrong.argmax())
        raise InvalidProblemError(
            f"policy[{k}]: found type {types[k]} for job {jobs[k]}, "
            "needed -1 or a type on which it can run",
            "policy",
            k,
        )
    runs = types >= 0
    load = np.bincount(types[runs], gang[jobs[runs]], len(devices))
    if (load > devices).any():
        k = int((load > devices).argmax())
        raise InvalidProblemError(
            f"policy: found {load[k]:.0f} devices taken of type {k}, needed at most {devices[k]}",
            "policy",
        )
    return types
