"""Gavel's policies as linear programs: the fairest shares of time, and the shares that end first.

Both maximise one number z: each job's rate, a sum over types of a coefficient times its share, is
at least z; shares of a job sum to at most 1, and those of all jobs, times their gangs, to at most
the devices of a type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._extras import extra
from ..errors import InternalError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .engine import View

__all__ = ["MakespanProgram", "largest_least_rate", "makespan_shares", "max_min_shares"]


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
