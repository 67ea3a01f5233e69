"""A trace under a policy: what it did to waiting, makespan and cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from .._value import Value
from ..errors import InvalidProblemError
from .bounds import completion_prices, makespan_prices
from .certificate import check, completion_bound, makespan_bound
from .engine import run_rounds
from .policies import fifo, made, run_in_order
from .tables import Cluster, Trace, check_fit, measured_jobs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .bounds import CompletionPrices, MakespanPrices
    from .certificate import TraceCertificate
    from .engine import Log


@dataclass(frozen=True, eq=False, repr=False)
class Replay(Value):
    """The replay of a trace by a policy. All but `decision_s` is the same on any machine.

    Attributes
    ----------
    policy : str
        Its name.
    trace, cluster
        As given.
    jobs : int array, shape (n_measured,)
        Numbers of the jobs that the results are about.
    completion_s, waiting_s : float array, shape (n_measured,)
        From the arrival to the end, and the part of it in which the job did not run.
    start_s, end_s : float array, shape (n_measured,)
        When each first ran, and was done.
    moves, evictions : int
        How often a job went on elsewhere than where it last ran; how often one that ran had to
        stop. They count all jobs of the trace.
    busy_s : float array, shape (n_types,)
        Device-seconds used of each type, by all jobs.
    rounds : dict of arrays
        Load over time, an entry a round: ``start_s``, ``waiting`` (jobs), ``busy`` (devices).
    runs : dict of arrays
        What ran, by job and time, of all jobs: a run is a stretch of rounds, ``first_round`` to
        ``last_round``, on one ``type`` without a pause. ``ran_s``: seconds of it in which the
        ``job`` ran; ``end_s``: when it stopped.
    decision_s : float array, shape (n_rounds,)
        Measured seconds that the policy took for each round.
    """

    policy: str
    trace: Trace
    cluster: Cluster
    jobs: NDArray[np.int64]
    completion_s: NDArray[np.float64]
    waiting_s: NDArray[np.float64]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    moves: int
    evictions: int
    busy_s: NDArray[np.float64]
    rounds: dict[str, NDArray[Any]]
    runs: dict[str, NDArray[Any]]
    decision_s: NDArray[np.float64]
    _settings: dict[str, Any] = field(default_factory=dict)

    @property
    def makespan_s(self) -> float:
        """Seconds from the first arrival of a measured job to the end of the last one."""
        if not len(self.jobs):
            return 0.0
        return float(self.end_s.max() - self.trace.arrival_s[self.jobs].min())

    @property
    def mean_completion_s(self) -> float:
        """Mean completion time, seconds; nan without jobs."""
        return float(self.completion_s.mean()) if len(self.jobs) else float("nan")

    @property
    def utilisation(self) -> float:
        """Part of the device-time that was used, from the first round to the last end."""
        spent = float(self.busy_s.sum())
        if not spent:
            return 0.0
        span = float(self.rounds["start_s"][-1]) - float(self.rounds["start_s"][0])
        span = max(span, float(self.end_s.max()) - float(self.rounds["start_s"][0]))
        return spent / (span * float(self.cluster.devices.sum()))

    @property
    def cost(self) -> float | None:
        """Busy device-hours at the cluster's prices; None if it has none."""
        if self.cluster.price_per_h is None:
            return None
        return float(self.busy_s @ self.cluster.price_per_h) / 3600.0

    @property
    def energy_j(self) -> float | None:
        """Joules of busy devices at the cluster's watts; None if it has none."""
        return None if self.cluster.watts is None else float(self.busy_s @ self.cluster.watts)

    def fairness(self, baseline: Replay | None = None) -> dict[str, float]:
        """Return the mean and the worst finish-time fairness.

        That of a job is its completion time over the one it has in the `baseline`; None = under
        the policy "isolated", an equal part of the cluster for each job, replayed for the purpose.
        """
        other = self._isolated if baseline is None else baseline
        if not np.array_equal(other.jobs, self.jobs):
            raise InvalidProblemError(
                f"baseline: found {len(other.jobs)} measured jobs, needed the same "
                f"{len(self.jobs)}",
                "baseline",
            )
        ratio = self.completion_s / other.completion_s
        if not len(ratio):
            return {"mean": float("nan"), "worst": float("nan")}
        return {"mean": float(ratio.mean()), "worst": float(ratio.max())}

    @cached_property
    def _isolated(self) -> Replay:
        return replay(self.trace, self.cluster, "isolated", **self._settings)

    @cached_property
    def _prices(self) -> tuple[tuple[MakespanPrices, ...], CompletionPrices]:
        return (
            makespan_prices(self.trace, self.cluster, self.jobs),
            completion_prices(self.trace, self.cluster, self.jobs),
        )

    @cached_property
    def makespan_bound_s(self) -> float:
        """Lower bound on the makespan of the measured jobs in every schedule of all jobs.

        Worked out when it is first asked for; `verify` computes it again from its prices.
        """
        return makespan_bound(self.trace, self.cluster, self.jobs, self._prices[0])

    @cached_property
    def mean_completion_bound_s(self) -> float:
        """Lower bound on the mean completion time of the measured jobs; nan without jobs.

        Other jobs are left out of it, so that of a part of a trace it says what a scheduler could
        do that serves these jobs alone.
        """
        if not len(self.jobs):
            return float("nan")
        whole = completion_bound(self.trace, self.cluster, self.jobs, self._prices[1])
        return whole / len(self.jobs)

    def verify(self) -> TraceCertificate:
        """Check the times and both bounds by code that shares nothing with what made them.

        All figures are computed again from the runs, which do all work within the devices. Not
        checked: `policy`, a name; `decision_s`, which was measured; of `rounds`, the times of those
        in which no run begins or ends; of `runs`, when one stopped that left its job undone; that
        runs are those which the policy chooses.
        """
        return check(self, *self._prices)

    def by_tenant(self) -> dict[str, NDArray[Any]]:
        """Return for each tenant with measured jobs: how many, mean completion, and waiting."""
        tenants, at = np.unique(self.trace.tenant[self.jobs], return_inverse=True)
        count = np.bincount(at, minlength=len(tenants))
        return {
            "tenant": tenants,
            "jobs": count,
            "mean_completion_s": np.bincount(at, self.completion_s, len(tenants)) / count,
            "mean_waiting_s": np.bincount(at, self.waiting_s, len(tenants)) / count,
        }

    def summary(self, *, fairness: bool = False) -> dict[str, Any]:
        """Return the figures of a table, times in hours: deterministic, but for the decisions.

        With `fairness` the mean and worst finish-time fairness are among them, for which the policy
        "isolated" is replayed.
        """
        out: dict[str, Any] = {"policy": self.policy, "jobs": len(self.jobs)}
        for name, seconds in (("completion", self.completion_s), ("waiting", self.waiting_s)):
            hours = seconds / 3600.0
            empty = not len(hours)
            out[f"{name}_mean_h"] = float("nan") if empty else float(hours.mean())
            out[f"{name}_median_h"] = float("nan") if empty else float(np.median(hours))
            out[f"{name}_p99_h"] = float("nan") if empty else float(np.percentile(hours, 99))
        out["makespan_h"] = self.makespan_s / 3600.0
        out["completion_bound_h"] = self.mean_completion_bound_s / 3600.0
        out["makespan_bound_h"] = self.makespan_bound_s / 3600.0
        out["utilisation"] = self.utilisation
        out["moves"], out["evictions"] = self.moves, self.evictions
        if fairness:
            found = self.fairness()
            out["fairness_mean"], out["fairness_worst"] = found["mean"], found["worst"]
        if self.cost is not None:
            out["cost"] = self.cost
        if self.energy_j is not None:
            out["energy_mj"] = self.energy_j / 1e6
        for p in (50, 99):
            took = self.decision_s
            out[f"decision_p{p}_ms"] = float(np.percentile(took, p)) * 1e3 if len(took) else 0.0
        return out

    def __repr__(self) -> str:
        """Say the policy and its two main figures."""
        return (
            f"<Replay: {self.policy}, {len(self.jobs)} jobs, mean completion "
            f"{self.mean_completion_s / 3600:.4g} h, makespan {self.makespan_s / 3600:.4g} h>"
        )


def replay(
    trace: Trace,
    cluster: Cluster,
    policy: Any,
    *,
    round_s: float,
    seed: int = 0,
    measure: Any = None,
    restart_s: float = 0.0,
) -> Replay:
    """Replay a trace on a cluster under a scheduling policy.

    Parameters
    ----------
    trace : Trace
        Jobs with arrivals, work, speeds on each type, gangs and tenants.
    cluster : Cluster
        Devices by type, with prices and watts if it has them.
    policy : str or callable
        "fifo" (plain), "best_fit", "las" (least attained service), "srtf" (knows lengths),
        "fifo_gavel" and "fifo_gavel_fastest" (as the artefact of Gavel codes them), "max_min"
        (Gavel's program), "max_min_blind" (blind to types), "max_min_makespan" (Gavel's makespan
        policy), "isolated" (an equal part for each job). A callable is given a `View` and returns a
        type, or -1 to wait, for each of ``view.jobs``.
    round_s : float
        Length of a round in seconds: jobs are placed at the start of each, and an arrival waits for
        its end. 0 = a round ends at the next arrival or end of a job.
    seed : int
        Of the policies that draw: "fifo_gavel", "max_min_blind", "isolated".
    measure : slice, range or increasing int array, optional
        The jobs that the results are about; the replay ends when they are done. None = all.
    restart_s : float
        Seconds that a job loses whenever it goes on elsewhere or after a pause.

    Returns
    -------
    Replay

    Raises
    ------
    InvalidProblemError
        A job that fits on no type; a policy that answers with a type where a job cannot run, with
        more devices than there are, that leaves all jobs waiting for ever, or that moves or pauses
        them each round so that they only restart.

    Notes
    -----
    Rounds follow Gavel's rules: a running job that ends early leaves its devices idle until the
    round's last job stops, and with nothing running the clock jumps to the next arrival.
    Complexity: a round or an event costs what the policy costs, and beside it the jobs that run.
    Determinism: the same results on any run; ties go to the job that came first.

    Examples
    --------
    >>> from gridcompute import replay, traces
    >>> trace = traces.Trace([0.0, 0.0, 30.0], [100.0, 40.0, 20.0], [[1.0], [1.0], [1.0]])
    >>> cluster = traces.Cluster([1])
    >>> replay(trace, cluster, "fifo", round_s=0).end_s
    array([100., 140., 160.])
    >>> replay(trace, cluster, "srtf", round_s=0).end_s
    array([160.,  40.,  60.])
    >>> def longest_first(view):
    ...     import numpy as np
    ...     return np.where(view.left == view.left.max(), 0, -1)
    >>> replay(trace, cluster, longest_first, round_s=0).policy
    'longest_first'
    """
    if not isinstance(trace, Trace):
        raise TypeError(f"trace must be a Trace, not {type(trace).__name__}")
    if not isinstance(cluster, Cluster):
        raise TypeError(f"cluster must be a Cluster, not {type(cluster).__name__}")
    length = _checks.number("round_s", round_s, 0.0)
    restart = _checks.number("restart_s", restart_s, 0.0)
    for name, value in (("round_s", length), ("restart_s", restart)):
        if not np.isfinite(value):
            raise InvalidProblemError(f"{name}: found {value}, needed a finite number", name)
    seed = _checks.seed(seed)
    check_fit(trace, cluster)
    jobs = measured_jobs(measure, len(trace))
    name, decide = made(policy, cluster, length, seed)
    if name == "fifo" and decide is fifo and length == 0.0:
        log = run_in_order(trace, cluster, jobs)
    else:
        log = run_rounds(trace, cluster, decide, length, jobs, restart)
    settings = {"round_s": length, "seed": seed, "measure": jobs, "restart_s": restart}
    return _result(name, trace, cluster, jobs, log, settings)


def _result(
    name: str,
    trace: Trace,
    cluster: Cluster,
    jobs: NDArray[np.int64],
    log: Log,
    settings: dict[str, Any],
) -> Replay:
    """Return the log as read-only columns of the measured jobs."""
    end = log.done_s[jobs]
    columns = {
        "completion_s": end - trace.arrival_s[jobs],
        "start_s": log.first_s[jobs],
        "end_s": end,
        "busy_s": log.busy_s,
        "decision_s": np.array(log.decision_s),
        "jobs": jobs,
    }
    columns["waiting_s"] = np.maximum(columns["completion_s"] - log.ran_s[jobs], 0.0)
    rounds = {
        "start_s": np.array(log.round_start_s),
        "waiting": np.array(log.waiting, np.int64),
        "busy": np.array(log.busy, np.int64),
    }
    runs = log.runs.columns()
    for array in (*columns.values(), *rounds.values(), *runs.values()):
        array.flags.writeable = False
    return Replay(
        policy=name, trace=trace, cluster=cluster, moves=log.moves, evictions=log.evictions,
        rounds=rounds, runs=runs, _settings=settings, **columns,
    )  # fmt: skip
