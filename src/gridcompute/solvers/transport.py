"""Match jobs to slot classes at least total cost, exactly."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from .. import _checks, _core
from .._progress import listening, log, progress_hook
from ..costs.source import cost_source
from ..errors import InvalidProblemError
from ..results.explanation import TransportProblem
from ..results.matching import Matching, Witness
from ..shards.source import ShardSource

if TYPE_CHECKING:
    import os

    from numpy.typing import ArrayLike, NDArray

    from .._progress import ProgressHook
    from ..results.sharded import ShardedMatching


_METHODS = ("auto", "exact", "auction")


@overload
def transport(
    cost: ShardSource,
    capacity: ArrayLike,
    *,
    prices: ArrayLike | None = ...,
    threads: int | None = ...,
    time_limit: float | None = ...,
    seed: int = ...,
    progress: bool | ProgressHook | None = ...,
    out: str | os.PathLike[str] | None = ...,
) -> ShardedMatching: ...
@overload
def transport(
    cost: Any,
    capacity: ArrayLike,
    *,
    demand: ArrayLike | None = ...,
    unplaced: ArrayLike | None = ...,
    method: Literal["auto", "exact", "auction"] = ...,
    gap: float = ...,
    resolution: float | Literal["auto"] = ...,
    prices: ArrayLike | None = ...,
    threads: int | None = ...,
    time_limit: float | None = ...,
    work_limit: float | None = ...,
    seed: int = ...,
    progress: bool | ProgressHook | None = ...,
) -> Matching: ...
def transport(
    cost: Any,
    capacity: ArrayLike,
    *,
    demand: ArrayLike | None = None,
    unplaced: ArrayLike | None = None,
    method: Literal["auto", "exact", "auction"] = "auto",
    gap: float = 0.0,
    resolution: float | Literal["auto"] = "auto",
    prices: ArrayLike | None = None,
    threads: int | None = None,
    time_limit: float | None = None,
    work_limit: float | None = None,
    seed: int = 0,
    progress: bool | ProgressHook | None = None,
    out: str | os.PathLike[str] | None = None,
) -> Matching | ShardedMatching:
    """Match jobs to slot classes at least total cost.

    Parameters
    ----------
    cost : array, sparse array, `Terms`, bound `kernel` or `ShardSource`, (n_jobs, n_slots)
        Cost of each job in each slot class, the whole job, in any unit. ``inf`` forbids a pair; in
        a sparse array (CSR; CSC and COO are converted) absent pairs are forbidden, stored zeros
        are not, and no pair may occur twice. int32, int64, float32 and float64 that are contiguous
        are read in place, read-only and memory-mapped ones too; other integers and float16 are
        converted once, without loss. Jobs that do not fit into memory come from
        `gridcompute.shards`: they are read part by part, and take neither `demand`, `unplaced`
        (the source has it), `method`, `gap`, `resolution` nor `work_limit`.
    capacity : array of int, shape (n_slots,)
        Number of slots of each class, 0 or more.
    demand : array of int, shape (n_jobs,), optional
        Number of slots of one class that a job takes, 1 to 2**31 - 1, all or none (a gang).
        None = 1 each.
    unplaced : float, or array of float, shape (n_jobs,), optional
        Cost of leaving a job out; inf = it must be placed. None = every job must be placed.
    method : {"auto", "exact", "auction"}
        "auto" and "exact" end with a proof at gap 0: "exact" by samples and candidate lists at any
        size, "auto" without them where all costs fit into cache. "auction" is the anytime method,
        to be stopped by `gap` or `time_limit`.
    gap : float
        Stop once the relative gap is proved to be at most this. With unit demand 0.0 means proved
        optimal; with gangs, the search ends at its limits.
    resolution : float or "auto"
        Costs are solved as ``rint(cost * resolution)``. "auto" is 1 for integers, else the largest
        power of two that cannot overflow, and rounding is resolved in exact arithmetic. The bound
        holds for the original costs.
    prices : array of float, shape (n_slots,), optional
        Start prices, finite, e.g. yesterday's, used if samples, or a small problem itself, show
        that they are near the optimum. They change the speed, never the validity.
    threads : int, optional
        Largest number of threads, 1 or more; no more are started than there is work for. None =
        ``GRIDCOMPUTE_NUM_THREADS``, else the CPUs this process may use.
    time_limit : float, optional
        Seconds, 0 or more; then the best matching so far is returned, with its bound. About 0.15
        microseconds per job are reserved for that. Where there is time for only one pass over all
        costs, it is made at prices of samples. Without the time for one pass the bound is -inf or,
        for `Terms`, a bound from their tables alone.
    work_limit : float, optional
        Units of counted work, 0 or more; then as after `time_limit`, with the same status. Work is
        the same on every machine, for any load and any number of threads, and so is the answer.
        A unit is about a thousand costs, arcs or candidates read; ``stats["work_units"]`` is the
        work of a solve, and a limit of as much is enough for the same solve. The steps after the
        limit that return the answer count too, but are not cut short: one pass over all costs at
        most.
        With both limits the solve ends at the first of them that it meets.
    seed : int
        Seed of the samples for start prices, 0 to 2**64 - 1.
    progress : bool or callable, optional
        True shows a bar; a callable gets a `Progress` at intervals, and stops the solve by
        returning True.
    out : path, optional
        For a `ShardSource`: a new or empty folder for the answer, one Parquet file per shard with a
        column ``slot`` (int32), in the order of the jobs. It appears when the answer is complete; a
        call that ended early leaves ``<out>.partial``, from which the same call continues. None
        keeps the assignment in memory.

    Returns
    -------
    Matching, or ShardedMatching of a `ShardSource`
        ``status`` "optimal", "feasible" (gangs, a `resolution` that is too coarse, a `gap` reached:
        the gap limits the distance to the optimum),
        "infeasible" (with a witness), "time_limit" (also where the search found no class for some
        gang: objective inf, and those jobs at -1) or "stopped" (by `progress`).

    Raises
    ------
    InvalidProblemError
        A shape that does not fit, NaN or -inf, a negative capacity, a demand below 1, a pair that
        occurs twice: ``.field`` and ``.index`` give the position.
    CostRangeError
        Integers, or costs times a resolution that was given, are too large to be solved without
        overflow, about ``2**60 / n_slots``; the message has the limit. Floats never are.
    TypeError
        A wrong type: costs that are bool, object or complex, a capacity that is float.

    Notes
    -----
    Complexity: each cost is read once or twice when n_jobs is much larger than n_slots; repair
    of the small imbalance left takes O(n_slots**2) for each augmentation.
    Gangs, an NP-hard problem: up to about ten jobs exactly, more by a search of a fixed number of
    steps; with a `time_limit` it continues until then while the objective is above the bound.
    Determinism: the same bits for any number of threads; ties go to the lowest index. The result of
    a search of gangs within a `time_limit` depends on the speed of the machine. A `work_limit` only
    shortens the search.
    Source: prices from samples, Tokuyama and Nakano, SIAM J. Comput. 24 (1995) 563; shortest paths
    on the graph of classes, Brenner, Oper. Res. Lett. 36 (2008) 408.

    Examples
    --------
    >>> import numpy as np
    >>> from gridcompute import transport
    >>> cost = np.array([[4, 1], [2, 1], [5, 1]])
    >>> m = transport(cost, [2, 1])
    >>> m.assignment
    array([0, 0, 1], dtype=int32)
    >>> m.objective, m.bound, m.status
    (7, 7, 'optimal')
    >>> m.prices
    array([0., 4.])
    >>> transport(cost, [1, 1], unplaced=3).assignment
    array([ 1,  0, -1], dtype=int32)
    """
    if isinstance(cost, ShardSource):
        refused = {"demand": demand is not None, "unplaced": unplaced is not None}
        refused |= {"method": method == "auction", "gap": gap != 0.0}
        refused["resolution"] = resolution != "auto"
        refused["work_limit"] = work_limit is not None
        for name, given in refused.items():
            if given:
                message = f"{name}: found one, needed none for jobs in shards"
                raise InvalidProblemError(message, name)
        from ..shards.local_solve import solve_shards

        return solve_shards(
            cost,
            capacity,
            out=out,
            prices=None if prices is None else _prices(prices, cost.n_slots),
            threads=threads,
            time_limit=time_limit,
            seed=seed,
            progress=progress,
        )
    if out is not None:
        raise InvalidProblemError("out: found one, needed none where jobs are in memory", "out")
    begun = 0.0 if time_limit is None else time.monotonic()
    source = cost_source(cost)
    n_jobs, n_slots = source.shape
    room = _counts("capacity", capacity, n_slots, "n_slots", 0, np.int64)
    weight = None if demand is None else _demand(demand, n_jobs)
    left_out = None if unplaced is None else _unplaced(unplaced, n_jobs)
    _checks.choice("method", method, _METHODS)
    gap = _checks.number("gap", gap, 0.0)
    scale = 0.0 if isinstance(resolution, str) else _resolution(resolution)
    if scale == 0.0 and resolution != "auto":
        raise InvalidProblemError(
            f"resolution: found {resolution!r}, needed 'auto' or a positive number", "resolution"
        )
    start = None if prices is None else _prices(prices, n_slots)
    workers, (limit, work) = _checks.limits(threads, time_limit, work_limit)
    seed = _checks.seed(seed)

    question = TransportProblem(source, n_jobs, n_slots, room, weight, left_out, workers)
    if limit is not None:
        limit = max(0.0, limit - (time.monotonic() - begun))
    plan = (room, weight, left_out, scale, gap, start, seed, workers, limit, work, method)
    try:
        if progress is None:
            answer = _core.transport(source, *plan, None)
        else:
            with progress_hook(progress, "transport") as hook:
                answer = _core.transport(source, *plan, hook)
    except InvalidProblemError as error:
        raise _located(error, source) from None
    if listening():
        found, status = answer[3], answer[6]
        log("transport: %d jobs, %d classes: %s, objective %s", n_jobs, n_slots, status, found)
    return _matching(answer, question)


def _matching(answer: tuple[Any, ...], question: TransportProblem) -> Matching:
    assignment, load, prices, objective, bound, exact, status, stats, found, charges, rest = answer
    return Matching._of(
        {
            "assignment": assignment,
            "load": load,
            "prices": prices,
            "objective": objective,
            "bound": bound,
            "exact": exact,
            "status": status,
            "stats": stats,
            "witness": None if found is None else Witness.of(question, *found),
            "question": question,
            "charges": charges,
            "remainders": rest,
        }
    )


def _located(error: InvalidProblemError, source: _core.CostSource) -> InvalidProblemError:
    """The core reports the row of a bad cost; the caller gets its full position."""
    if error.field != "cost" or not isinstance(error.index, int):
        return error
    job = error.index
    row = source.row(job)
    slot = int((~(row > -math.inf)).argmax())
    if row[slot] > -math.inf:
        message = f"cost: row {job} has other costs than before; they may not change during a call"
        return InvalidProblemError(message, "cost", job)
    return InvalidProblemError(
        f"cost[{job}, {slot}]: found {row[slot]}, needed a number, or inf to forbid the pair",
        "cost",
        (job, slot),
    )


def _counts(
    field: str, values: Any, n: int, name: str, least: int, dtype: type[np.integer[Any]]
) -> NDArray[Any]:
    """Check as `_checks.counts`, in one native pass where the array can be read in place."""
    readable = _core.are_counts_64 if dtype is np.int64 else _core.are_counts_32
    if type(values) is np.ndarray and readable(values, n, least):
        return values
    return _checks.counts(field, values, n, name, least, dtype)


def _demand(values: ArrayLike, n_jobs: int) -> NDArray[np.int32] | None:
    weight = _counts("demand", values, n_jobs, "n_jobs", 1, np.int32)
    return weight if n_jobs and weight.max() > 1 else None  # 1 each is no gang


def _unplaced(values: ArrayLike, n_jobs: int) -> NDArray[np.float64] | None:
    out = _checks.reals("unplaced", values)
    if np.ndim(values) == 0:
        out = out.reshape(1)
    elif out.shape != (n_jobs,):
        raise InvalidProblemError(
            f"unplaced: found shape {out.shape}, needed a number or (n_jobs,) = ({n_jobs},)",
            "unplaced",
        )
    if out.size and not out.min() > -math.inf:  # NaN fails it too
        index = int((~(out > -math.inf)).argmax())
        raise InvalidProblemError(
            f"unplaced[{index}]: found {out[index]}, needed a number, or inf for a job that must "
            "be placed",
            "unplaced",
            index,
        )
    return out if out.size and out.min() < math.inf else None


def _prices(values: ArrayLike, n_slots: int) -> NDArray[np.float64]:
    prices = _checks.plain_array("prices", values)
    if prices.dtype.kind not in "iuf":
        raise TypeError(f"prices must be int or float, not {prices.dtype}")
    if prices.shape != (n_slots,):
        raise InvalidProblemError(
            f"prices: found shape {prices.shape}, needed (n_slots,) = ({n_slots},)", "prices"
        )
    start = np.ascontiguousarray(prices, np.float64)  # a hint: rounding it does no harm
    if not np.isfinite(start).all():
        index = int((~np.isfinite(start)).argmax())
        raise InvalidProblemError(
            f"prices[{index}]: found {start[index]}, needed a finite number", "prices", index
        )
    return start


def _resolution(value: Any) -> float:
    number = _checks.number("resolution", value, 0.0)
    if not 0.0 < number < math.inf:
        raise InvalidProblemError(
            f"resolution: found {value}, needed 'auto' or a positive number", "resolution"
        )
    return number
