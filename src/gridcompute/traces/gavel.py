"""Gavel's policies: its round mechanism, its linear programs, and FIFO as its artefact has it.

Round mechanism (OSDI 2020, section 5). A policy of shares gives each job x[type], the part of the
time that it should run on each type. The mechanism keeps for each job and type a clock of the time
run there since the shares were last recomputed. The priority of a job on a type is its share by the
part of the type's clock that is its own, and each round takes jobs by priority, type after type,
until the devices are taken.

Linear programs: the fairest shares of time, and the shares that end first. Both maximise one number
z: each job's rate, a sum over types of a coefficient times its share, is at least z; shares of a
job sum to at most 1, and those of all jobs, times their gangs, to at most the devices of a type.

FIFO has a variant that picks the fastest type.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .._extras import extra
from ..errors import InternalError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .engine import View
    from .tables import Cluster

#: Seconds between two computations of the shares, and rounds that a clock starts with (Gavel's).
BETWEEN_S, FIRST_ROUNDS = 1920.0, 0.5


class Shares(Protocol):
    """Computes shares: `(view) -> x`, shape (n_active, n_types)."""

    def __call__(self, view: View) -> NDArray[np.float64]:
        """Return the shares of the active jobs."""
        ...


class RoundPriorities:
    """Turns shares into the types of a round.

    Parameters
    ----------
    shares : callable
        `Shares`; called where a job came or went and 1,920 s have passed since the last time.
    order : sequence of int
        Types in the order in which they take jobs.
    shuffle : random.Random, optional
        Shuffles that order again each round: for policies that are blind to types.
    positive : bool
        Only jobs with a positive priority run (FIFO).
    """

    def __init__(
        self,
        shares: Shares,
        order: list[int],
        shuffle: random.Random | None = None,
        positive: bool = False,
    ) -> None:
        self._shares = shares
        self._order = order
        self._shuffle = shuffle
        self._positive = positive
        self._stale = True
        self._last_s = 0.0
        self._x: NDArray[np.float64] = np.zeros((0, 0))
        self._type_clock = np.zeros(0)

    def _begin(self, view: View) -> None:
        n, k = view.trace.speed.shape
        self._x = np.zeros((n, k))
        self._clock = np.full((n, k), FIRST_ROUNDS * view.round_s)
        self._deficit = np.zeros((n, k))
        self._type_clock = np.zeros(k)

    def __call__(self, view: View) -> NDArray[np.int64]:
        """Return the types of the active jobs for this round."""
        if not self._x.size:
            self._begin(view)
        np.add.at(self._clock, (view.last_jobs, view.last_types), view.last_s)
        self._type_clock += np.bincount(view.last_types, view.last_s, len(self._type_clock))
        self._stale |= view.changed
        jobs = view.jobs
        since = view.now - self._last_s
        if self._stale and (self._last_s == 0.0 or since >= BETWEEN_S):
            first = FIRST_ROUNDS * view.round_s
            received = self._clock[jobs] - first
            self._deficit[jobs] += self._x[jobs] * since - received
            self._clock[jobs] = first
            self._type_clock[:] = first * len(jobs)
            self._last_s = view.now
            self._x[jobs] = self._shares(view)
            self._stale = False
        return self._take(view)

    def _take(self, view: View) -> NDArray[np.int64]:
        """Take jobs by priority, type after type."""
        jobs, speed, gang = view.jobs, view.speed, view.gang
        order = list(self._order)
        if self._shuffle is not None:
            self._shuffle.shuffle(order)
        types = np.full(len(jobs), -1)
        free_jobs = np.ones(len(jobs), bool)
        unit = bool((gang == 1).all())
        for k in order:
            room = int(view.cluster.devices[k])
            x = self._x[jobs, k]
            if self._type_clock[k] > 0.0:
                priority = x / (self._clock[jobs, k] / self._type_clock[k])
            else:
                priority = x * 1e9
            may = free_jobs & (speed[:, k] > 0.0)
            if self._positive:
                may &= priority > 0.0
            rows = np.flatnonzero(may)
            by = np.lexsort((-x[rows], -self._deficit[jobs[rows], k], -priority[rows]))
            rows = rows[by]
            if unit:
                taken = rows[:room]
            else:
                chosen = []
                for row, width in zip(rows.tolist(), gang[rows].tolist(), strict=True):
                    if width <= room:
                        room -= width
                        chosen.append(row)
                        if not room:
                            break
                taken = np.array(chosen, np.int64)
            types[taken] = k
            free_jobs[taken] = False
        return types


def max_min_shares(view: View) -> NDArray[np.float64]:
    """Return the shares whose least normalised rate is largest (max_min_fairness_perf).

    The rate of a job is normalised by what it would have with shares proportional to the cluster,
    and counts once for each of its devices.
    """
    even = view.cluster.devices / max(int(view.cluster.devices.sum()), 1)
    rate = view.speed * (view.gang / (view.speed @ even))[:, None]
    return largest_least_rate(rate, view.gang, view.cluster.devices)[0]


def blind_max_min_shares(view: View) -> NDArray[np.float64]:
    """Return the same with all speeds taken for equal (max_min_fairness)."""
    rate = np.repeat(view.gang[:, None].astype(np.float64), view.cluster.n_types, axis=1)
    return largest_least_rate(rate, view.gang, view.cluster.devices)[0]


def makespan_shares(view: View) -> NDArray[np.float64]:
    """Return the shares by which all active jobs can be done at the earliest common time.

    Gavel bisects on that time to 5 % (min_total_duration_perf); this is the one program whose
    optimum the bisection approaches.
    """
    rate = view.speed / view.left[:, None]
    return largest_least_rate(rate, view.gang, view.cluster.devices)[0]


def largest_least_rate(
    rate: NDArray[np.float64], gang: NDArray[Any], devices: NDArray[Any]
) -> tuple[NDArray[np.float64], float, NDArray[np.float64], NDArray[np.float64]]:
    """Return shares that maximise the least rate, that rate, and the prices of types and jobs.

    Parameters
    ----------
    rate : array of float, shape (n_jobs, n_types)
        What a whole share of each type is worth to each job; 0 = nothing, and no share is given.
    gang : array of int, shape (n_jobs,)
    devices : array of int, shape (n_types,)

    Notes
    -----
    HiGHS, dual simplex, one thread: deterministic. Rates are scaled by their largest so that the
    program is well conditioned whatever their unit.
    """
    n, n_types = rate.shape
    if not n:
        return np.zeros((0, n_types)), np.inf, np.zeros(n_types), np.zeros(0)
    scale = float(rate.max(axis=1).min())
    jobs, types, columns = _columns(rate / scale, gang, np.ones(n))
    model = _program(n, devices, *columns)
    solution, duals = _optimum(model)
    x = np.zeros((n, n_types))
    x[jobs, types] = np.clip(solution[:-1], 0.0, 1.0)
    price = np.maximum(-duals[n:], 0.0)
    return x, float(solution[-1]) * scale, price[n:], price[:n]


class MakespanProgram:
    """The program of `makespan_shares` kept from one round to the next.

    Work that is done changes one column, and jobs that are done leave a row: the last basis is
    optimal or nearly so, which takes a tenth of the time of a solve from nothing.
    """

    def __init__(self, view: View) -> None:
        """Make the program of the active jobs."""
        self.jobs = view.jobs.copy()
        speed, n = view.speed, len(view.jobs)
        self._fastest = speed.max(axis=1)
        seconds = view.left / self._fastest
        self._unit = float(seconds.max())
        relative = speed / self._fastest[:, None]
        self._pairs = np.nonzero(relative)
        _, _, columns = _columns(relative, view.gang, seconds / self._unit)
        self._model = _program(n, view.cluster.devices, *columns)
        self._z = len(self._pairs[0])
        self._alive = np.ones(n, bool)

    def shares(self, view: View) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the shares of the active jobs and the prices of types."""
        rows = np.searchsorted(self.jobs, view.jobs)
        alive = np.zeros(len(self.jobs), bool)
        alive[rows] = True
        for row in np.flatnonzero(self._alive & ~alive).tolist():
            self._model.changeRowBounds(row, -np.inf, np.inf)
        self._alive = alive
        need = view.left / self._fastest[rows] / self._unit
        for row, value in zip(rows.tolist(), (-need).tolist(), strict=True):
            self._model.changeCoeff(row, self._z, value)
        solution, duals = _optimum(self._model)
        x = np.zeros((len(self.jobs), view.cluster.n_types))
        x[self._pairs] = np.clip(solution[: self._z], 0.0, 1.0)
        return x[rows], np.maximum(-duals[2 * len(self.jobs) :], 0.0)


def _columns(
    rate: NDArray[np.float64], gang: NDArray[Any], need: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[Any], tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """Return the pairs of job and type, and the columns: a share for each pair, and z.

    Rows: a rate and a sum for each job, one for each type; `need` is what z takes of each rate.
    """
    n = len(rate)
    jobs, types = np.nonzero(rate)
    count = len(jobs)
    starts = np.concatenate([np.arange(count + 1) * 3, [3 * count + n]]).astype(np.int32)
    index = np.stack([jobs, n + jobs, 2 * n + types], axis=1).astype(np.int32)
    value = np.stack([rate[jobs, types], np.ones(count), gang[jobs]], axis=1)
    index = np.concatenate([index.ravel(), np.arange(n, dtype=np.int32)])
    value = np.concatenate([value.ravel(), -need])
    return jobs, types, (starts, index, value)


def _program(
    n: int,
    devices: NDArray[Any],
    starts: NDArray[np.int32],
    index: NDArray[np.int32],
    value: NDArray[np.float64],
) -> Any:
    """Return the program that maximises z, as HiGHS holds it."""
    with extra("grid"):
        import highspy

    # The plain binding: highspy.Highs prints a greeting as soon as it is made.
    model: Any = highspy.Highs.__base__()
    model.setOptionValue("output_flag", False)
    # Not "threads": HiGHS keeps one pool a process, and refuses a second number of them.
    model.setOptionValue("parallel", "off")
    model.setOptionValue("random_seed", 1)
    count = len(starts) - 1
    lp: Any = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = count, 2 * n + len(devices)
    lp.col_cost_ = np.concatenate([np.zeros(count - 1), [-1.0]])
    lp.col_lower_, lp.col_upper_ = np.zeros(count), np.full(count, np.inf)
    lp.row_lower_ = np.concatenate([np.zeros(n), np.full(n + len(devices), -np.inf)])
    lp.row_upper_ = np.concatenate([np.full(n, np.inf), np.ones(n), devices.astype(np.float64)])
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = starts
    lp.a_matrix_.index_, lp.a_matrix_.value_ = index, value
    model.passModel(lp)
    return model


def _optimum(model: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Solve, and return the columns' values and the rows' duals."""
    model.run()
    status = str(model.getModelStatus())
    if not status.endswith("kOptimal"):
        raise InternalError(f"shares: HiGHS ended with {status}")
    solution = model.getSolution()
    return np.array(solution.col_value), np.array(solution.row_dual)


class FifoAsCoded:
    """FIFO of the artefact: not plain, and its quirks decide its recorded values.

    Placed jobs stay. The place of a job that ended goes to the head of the queue if that fits on
    the type. Then, in order of arrival, while any listed type has room for the job, a number below
    the count of types with room is drawn, but the job is put on the last listed type, in the order
    of the names, which may have no room; if that brings its free count to exactly 0, the type at
    the drawn place leaves the list. A job put where there is no room waits for that type.
    """

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._draw = random.Random(seed)
        self._devices = cluster.devices.tolist()
        self._names = cluster.names
        self._type_of: dict[int, int] = {}
        self._width_of: dict[int, int] = {}

    def __call__(self, view: View) -> NDArray[np.float64]:
        """Return 1 for the type of each placed job, and 0 elsewhere."""
        jobs = view.jobs.tolist()
        width = dict(zip(jobs, view.gang.tolist(), strict=True))
        speed = dict(zip(jobs, view.speed.tolist(), strict=True))
        free = list(self._devices)
        queue = [j for j in jobs if j not in self._type_of]
        at = 0
        for j in sorted(self._type_of):
            k = self._type_of[j]
            if j in width:
                free[k] -= width[j]
                continue
            del self._type_of[j]
            if at < len(queue):
                head = queue[at]
                if width[head] <= free[k] and speed[head][k] > 0.0:
                    at += 1
                    self._type_of[head] = k
                    free[k] -= width[head]
        listed = sorted((k for k, room in enumerate(free) if room > 0), key=self._names.__getitem__)
        for j in queue[at:]:
            with_room = [i for i, k in enumerate(listed) if free[k] >= width[j]]
            if not with_room:
                break
            drawn = self._draw.randrange(len(with_room))
            k = listed[-1]
            if speed[j][k] <= 0.0:
                continue
            self._type_of[j] = k
            free[k] -= width[j]
            if free[k] == 0:
                listed.pop(with_room[drawn])
        return _as_shares(jobs, self._type_of, len(self._devices))


class FastestFirst:
    """Each job, in order of arrival, gets the fastest type with room, until one finds none."""

    def __call__(self, view: View) -> NDArray[np.float64]:
        """Return 1 for the type of each placed job, and 0 elsewhere."""
        free = view.cluster.devices.tolist()
        type_of: dict[int, int] = {}
        jobs = view.jobs.tolist()
        for j, width, speed in zip(jobs, view.gang.tolist(), view.speed.tolist(), strict=True):
            room = [k for k in range(len(free)) if free[k] >= width]
            if not room:
                break
            k = max(room, key=speed.__getitem__)
            if speed[k] > 0.0:  # else it waits, and the jobs behind it are tried
                type_of[j] = k
                free[k] -= width
        return _as_shares(jobs, type_of, len(free))


def isolated_shares(view: View) -> NDArray[np.float64]:
    """Return an equal part of the cluster for each job, whatever it would do with it."""
    n, devices = len(view.jobs), view.cluster.devices
    x: NDArray[np.float64] = devices / max(n, 1) / view.gang[:, None]
    shares: NDArray[np.float64] = x / np.maximum(x.sum(axis=1, keepdims=True), 1.0)
    return shares


def _as_shares(jobs: list[int], type_of: dict[int, int], n_types: int) -> NDArray[np.float64]:
    x = np.zeros((len(jobs), n_types))
    for row, j in enumerate(jobs):
        k = type_of.get(j)
        if k is not None:
            x[row, k] = 1.0
    return x
