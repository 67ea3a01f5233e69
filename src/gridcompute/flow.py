"""Min-cost flow on any directed graph, exactly, with potentials that prove it."""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from . import _checks, _core
from ._gap import relative_gap
from .errors import InvalidProblemError
from .progress import progress_hook
from .result import Certificate

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from numpy.typing import ArrayLike, NDArray

    from .progress import ProgressHook

__all__ = ["INFINITE", "Flow", "FlowProblem", "min_cost_flow", "read_dimacs", "write_dimacs"]

#: The capacity that is none: 2**63 - 1.
INFINITE = int(np.iinfo(np.int64).max)

Status = Literal["optimal", "infeasible", "unbounded", "time_limit", "stopped"]
_METHODS = ("auto", "network_simplex", "cost_scaling")
_HINTS = {
    "capacity": "; no limit is gridcompute.INFINITE",
    "cost": "; multiply and round them first, so that you know what was rounded",
}
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, eq=False, repr=False)
class FlowProblem:
    """The arrays of a min-cost flow problem; unpacks as ``min_cost_flow(*problem)``.

    Attributes
    ----------
    tail, head : int64 array, shape (n_arcs,)
        Where each arc leaves and arrives, 0 to n_nodes - 1.
    capacity, cost : int64 array, shape (n_arcs,)
        Most flow of each arc, and the cost of one unit on it.
    supply : int64 array, shape (n_nodes,)
        Units that each node produces; consumes, if negative.
    lower : int64 array, shape (n_arcs,), or None
        Least flow of each arc; None = 0. Unpacked as a sixth array only where there is one.
    """

    tail: NDArray[np.int64]
    head: NDArray[np.int64]
    capacity: NDArray[np.int64]
    cost: NDArray[np.int64]
    supply: NDArray[np.int64]
    lower: NDArray[np.int64] | None = None

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        yield from (self.tail, self.head, self.capacity, self.cost, self.supply)
        if self.lower is not None:
            yield self.lower

    def __repr__(self) -> str:
        return f"<FlowProblem: {len(self.supply)} nodes, {len(self.tail)} arcs>"


@dataclass(frozen=True, eq=False, repr=False)
class Flow:
    """How much flows on each arc, what it costs, and what proves it.

    The arrays are read-only. The problem's own arrays are kept by reference: `verify` reads them as
    they are then.

    Attributes
    ----------
    potentials : int64 array, shape (n_nodes,)
        With reduced cost ``cost + potentials[tail] - potentials[head]``: at least 0 where an arc
        has room left, at most 0 where its flow could shrink.
    objective : int
        Sum of cost * flow, exact.
    status : str
        "optimal", "infeasible", "unbounded", "time_limit" or "stopped".
    witness : int64 array or None
        Where infeasible: nodes whose supply exceeds what can leave them, or whose demand exceeds
        what can enter.
    cycle : int64 array or None
        Where unbounded: arcs, in order, of a cycle of negative cost and infinite capacity.
    stats : dict
        ``method`` ("balance" or "capacity" where supplies, or the arcs of one node, tell without a
        solve that there is no flow), and ``chosen``: why it was this one ("by name"; of "auto":
        "within budget", or "budget spent" where cost scaling took over from network simplex), with
        the ``effort`` of network simplex in steps; ``warm`` (was `start` used?) and ``start``:
        "cold", "full" (arcs of negative cost on cycles begin full), "forest" (shortest-path tree),
        "star" (all on a hub), "scaled" (a phase of cost scaling, where an earlier start left most
        units without a way), "basis" (the earlier tree) or "flow" (a tree from the earlier flow),
        with ``kept_tree_arcs`` and ``cut_tree_arcs`` of it; after a change of values alone,
        ``changed_costs``, ``changed_capacities``, ``changed_supplies`` (how many differ) and
        ``dual_pivots`` and ``filled_arcs`` of its repair; counts of the method; ``bits`` of the
        integers inside;
        ``seconds`` by stage.
    """

    potentials: NDArray[np.int64]
    objective: int
    status: Status
    witness: NDArray[np.int64] | None
    cycle: NDArray[np.int64] | None
    problem: FlowProblem
    kept: _core.FlowKept

    def __repr__(self) -> str:
        size = f"{len(self.potentials)} nodes, {len(self.problem.tail)} arcs"
        return f"<Flow: {self.status}, {size}, objective {self.objective}>"

    @property
    def bound(self) -> int | float:
        """No flow costs less: the objective where optimal, inf where there is none, else -inf."""
        if self.status == "optimal":
            return self.objective
        return math.inf if self.status == "infeasible" else -math.inf

    @property
    def gap(self) -> float:
        """(objective - bound) / max(abs(objective), abs(bound)): 0.0 if optimal, else inf."""
        return relative_gap(self.objective, self.bound)

    @cached_property
    def flow(self) -> NDArray[np.int64]:
        """Flow of each arc in the caller's order, int64, shape (n_arcs,).

        Where infeasible or stopped early, what was reached: ``stats["unserved"]`` units have no way
        yet. Read off the tree when first asked for: one pass over the arcs.
        """
        return self.kept.flow()

    @cached_property
    def stats(self) -> dict[str, Any]:
        """How it was solved, as told above."""
        return self.kept.stats()

    def verify(self) -> Certificate:
        """Check the answer against its problem, by code that shares nothing with the solver.

        Returns
        -------
        Certificate
            ``valid`` if the status is proved: optimal by potentials, infeasible by the cut,
            unbounded by the cycle and a feasible flow. A stopped solve is valid if its flow is
            feasible.

        Notes
        -----
        Complexity: one pass over nodes and arcs. All sums are exact, in 128 bits.

        Examples
        --------
        >>> from gridcompute import min_cost_flow
        >>> min_cost_flow([0, 1], [1, 2], [5, 5], [1, 2], [4, 0, -4]).verify().valid
        True
        """
        p, none = self.problem, np.empty(0, np.int64)
        arrays = (p.tail, p.head, p.capacity, p.cost, p.supply, p.lower)
        cut = none if self.witness is None else self.witness
        cycle = none if self.cycle is None else self.cycle
        found = _core.check_flow(*arrays, self.status, self.flow, self.potentials, cut, cycle)
        reasons = [] if found["valid"] else [found["reason"]]
        claims_flow = self.status != "infeasible"
        total = found["objective"]  # of an unbounded answer, that of the cycle
        if not reasons and claims_flow and self.status != "unbounded" and total != self.objective:
            reasons.append(f"objective = {self.objective}, the flow costs {total}")
        valid = not reasons
        feasible = valid and claims_flow
        if self.status == "optimal" and valid:
            return Certificate(True, True, self.objective, self.objective, self.objective, 0.0, ())
        inf = float("inf")
        objective = self.objective if feasible else inf
        low = inf if valid and not claims_flow else -inf
        return Certificate(valid, feasible, objective, low, inf, inf, tuple(reasons))


def min_cost_flow(
    tail: ArrayLike,
    head: ArrayLike,
    capacity: ArrayLike,
    cost: ArrayLike,
    supply: ArrayLike,
    lower: ArrayLike | None = None,
    *,
    method: Literal["auto", "network_simplex", "cost_scaling"] = "auto",
    start: Flow | None = None,
    threads: int | None = None,
    time_limit: float | None = None,
    progress: bool | ProgressHook | None = None,
) -> Flow:
    """Send what nodes supply to where it is needed, at least total cost.

    Parameters
    ----------
    tail, head : array of int, shape (n_arcs,)
        Where each arc leaves and arrives, 0 to n_nodes - 1. Any order; parallel arcs and
        self-loops are kept apart. Contiguous int64 is read in place, other integers are converted.
    capacity : array of int, shape (n_arcs,)
        Most flow of each arc, at least `lower`. `INFINITE` (2**63 - 1) means no limit.
    cost : array of int, shape (n_arcs,)
        Cost of one unit on each arc; may be negative.
    supply : array of int, shape (n_nodes,)
        Units that each node produces; negative: consumes.
    lower : array of int, shape (n_arcs,), optional
        Least flow of each arc, may be negative. None = 0.
    method : {"auto", "network_simplex", "cost_scaling"}
        "auto" runs network simplex on a budget of steps in proportion to the size of the graph;
        when it is spent, cost scaling takes over. Use the names to have one method whatever it
        takes.
    start : Flow, optional
        An earlier answer for the same arcs; costs, capacities (also to and from 0) and supplies
        may differ. It changes the speed, never the validity. It is only read: several solves may
        start from it. Cost scaling does not use it.
    threads : int, optional
        At most so many. Both methods are sequential, so it changes nothing.
    time_limit : float, optional
        Seconds, 0 or more.
    progress : bool or callable, optional
        True shows a bar; a callable gets a `Progress` now and then, and stops the solve by
        returning True.

    Returns
    -------
    Flow
        ``status`` "optimal", "infeasible" (with a cut), "unbounded" (with a cycle), "time_limit" or
        "stopped". A problem that has no feasible flow is infeasible, whatever its cycles.

    Raises
    ------
    InvalidProblemError
        A shape that does not fit, a node that does not exist, a capacity below its lower bound:
        ``.field`` and ``.index`` say where.
    CostRangeError
        ``(max|cost| + 1) * (n_nodes + 1)`` beyond 2**60, or supplies plus capacities of arcs of
        negative cost beyond 2**60; cost scaling takes less. The message says the limit.
    TypeError
        An array that is not of integers, a `start` that is no Flow.

    Notes
    -----
    Complexity: network simplex has no polynomial bound and is fast in practice; cost scaling takes
    O(n_nodes**2 * n_arcs * log(n_nodes * max|cost|)), and so does "auto" (where costs are beyond
    the range of cost scaling, "auto" is network simplex without a budget).
    Determinism: the same bits each time; ties go to the arc that comes first.
    Source: Cunningham, Math. Program. 11 (1976) 105; Kiraly and Kovacs, Acta Univ. Sapientiae
    Inform. 4 (2012) 67; Goldberg, J. Algorithms 22 (1997) 1.

    Examples
    --------
    >>> from gridcompute import min_cost_flow
    >>> f = min_cost_flow([0, 0, 1], [1, 2, 2], [3, 2, 9], [1, 4, 1], [4, 0, -4])
    >>> f.flow
    array([3, 1, 3])
    >>> f.objective, f.status
    (10, 'optimal')
    >>> min_cost_flow([0], [1], [3], [1], [4, -4]).witness
    array([0])
    """
    problem = _problem(tail, head, capacity, cost, supply, lower)
    _checks.choice("method", method, _METHODS)
    before = _start(start, problem)
    _checks.threads(threads)
    limit = _checks.time_limit(time_limit)
    if progress is None:
        answer = _core.min_cost_flow(*_six(problem), method, before, limit, None)
    else:
        with progress_hook(progress, "min-cost flow") as hook:
            answer = _core.min_cost_flow(*_six(problem), method, before, limit, hook)
    potentials, objective, status, cut, cycle, kept = answer
    return Flow(potentials, objective, status, cut, cycle, problem, kept)


def read_dimacs(path: str | os.PathLike[str]) -> FlowProblem:
    """Read a DIMACS ``.min`` file, gzipped or not.

    Parameters
    ----------
    path : path-like
        The file; that it is gzipped is seen from its first bytes.

    Returns
    -------
    FlowProblem
        ``lower`` is None where all lower bounds are 0.

    Raises
    ------
    InvalidProblemError
        The file is no such problem: the message names the line, ``.index`` is its number.
    OSError
        It cannot be read.

    Notes
    -----
    Format: ``c`` comments, ``p min NODES ARCS``, ``n ID SUPPLY``,
    ``a TAIL HEAD LOWER CAPACITY COST``, ids from 1.
    Complexity: linear in the size of the file, parsed natively.
    Determinism: the same file gives the same arrays.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from gridcompute import min_cost_flow, read_dimacs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "two.min")
    ...     _ = path.write_text("p min 2 1\\nn 1 3\\nn 2 -3\\na 1 2 0 5 7\\n")
    ...     problem = read_dimacs(path)
    >>> problem
    <FlowProblem: 2 nodes, 1 arcs>
    >>> min_cost_flow(*problem).objective
    21
    """
    data = Path(path).read_bytes()
    if data.startswith(_GZIP):
        try:
            data = gzip.decompress(data)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InvalidProblemError(f"{path}: a broken gzip file ({error})", "path") from error
    tail, head, capacity, cost, supply, lower = _core.read_dimacs(data, str(path))
    return FlowProblem(tail, head, capacity, cost, supply, lower if lower.any() else None)


def write_dimacs(path: str | os.PathLike[str], problem: Iterable[ArrayLike]) -> None:
    """Write a DIMACS ``.min`` file, gzipped if its name ends in ``.gz``.

    Parameters
    ----------
    path : path-like
        The file; replaced if there is one.
    problem : FlowProblem, or (tail, head, capacity, cost, supply) with or without lower
        As `min_cost_flow` takes them.

    Raises
    ------
    InvalidProblemError
        As `min_cost_flow`, for shapes.
    TypeError
        An array that is not of integers, a `problem` that is no row of arrays.
    OSError
        It cannot be written.

    Notes
    -----
    Zero supplies are left out, as the format wants.
    Complexity: linear in the size of the file.
    Determinism: the same problem gives the same bytes.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from gridcompute import write_dimacs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "two.min")
    ...     write_dimacs(path, ([0], [1], [5], [7], [3, -3]))
    ...     print(path.read_text(), end="")
    p min 2 1
    n 1 3
    n 2 -3
    a 1 2 0 5 7
    """
    try:
        arrays = tuple(problem)
    except TypeError as error:
        found = type(problem).__name__
        raise TypeError(f"problem must be a FlowProblem or its arrays, not {found}") from error
    if len(arrays) not in (5, 6):
        raise InvalidProblemError(
            f"problem: found {len(arrays)} arrays, needed 5 or 6: "
            "tail, head, capacity, cost, supply and perhaps lower",
            "problem",
        )
    tail, head, capacity, cost, supply, *rest = arrays
    lower = rest[0] if rest else None
    text = _core.write_dimacs(*_six(_problem(tail, head, capacity, cost, supply, lower)))
    if str(path).endswith(".gz"):
        text = gzip.compress(text, mtime=0)
    Path(path).write_bytes(text)


def _six(p: FlowProblem) -> tuple[Any, Any, Any, Any, Any, Any]:
    return (p.tail, p.head, p.capacity, p.cost, p.supply, p.lower)


def _problem(
    tail: ArrayLike,
    head: ArrayLike,
    capacity: ArrayLike,
    cost: ArrayLike,
    supply: ArrayLike,
    lower: ArrayLike | None,
) -> FlowProblem:
    """The arrays as the core reads them; shapes are checked here, values there."""
    if _core.flow_arrays_fit(tail, head, capacity, cost, supply, lower):
        return FlowProblem(tail, head, capacity, cost, supply, lower)  # type: ignore[arg-type]
    first = _integers("tail", tail, None)
    n_arcs = len(first)
    return FlowProblem(
        first,
        _integers("head", head, n_arcs),
        _integers("capacity", capacity, n_arcs),
        _integers("cost", cost, n_arcs),
        _integers("supply", supply, None),
        None if lower is None else _integers("lower", lower, n_arcs),
    )


def _integers(field: str, values: ArrayLike, n_arcs: int | None) -> NDArray[np.int64]:
    array = values if type(values) is np.ndarray else _checks.plain_array(field, values)
    if array.dtype.kind not in "iu" and (array.size or type(values) is np.ndarray):
        hint = _HINTS.get(field, "")
        raise TypeError(f"{field} must be of an integer dtype, not {array.dtype}{hint}")
    if array.ndim != 1 or (n_arcs is not None and len(array) != n_arcs):
        needed = "one dimension" if n_arcs is None else f"(n_arcs,) = ({n_arcs},), as tail has"
        raise InvalidProblemError(f"{field}: found shape {array.shape}, needed {needed}", field)
    if array.dtype == np.uint64 and array.size and array.max() > INFINITE:
        index = int(array.argmax())
        raise InvalidProblemError(
            f"{field}[{index}]: found {array[index]}, needed at most {INFINITE}", field, index
        )
    return np.ascontiguousarray(array, np.int64)


def _start(start: Flow | None, problem: FlowProblem) -> _core.FlowKept | None:
    if start is None:
        return None
    if not isinstance(start, Flow):
        raise TypeError(f"start must be a Flow or None, not {type(start).__name__}")
    found = (len(start.problem.supply), len(start.problem.tail))
    needed = (len(problem.supply), len(problem.tail))
    if found != needed:
        raise InvalidProblemError(
            f"start: found a flow of {found[0]} nodes and {found[1]} arcs, "
            f"needed {needed[0]} and {needed[1]}",
            "start",
        )
    return start.kept
