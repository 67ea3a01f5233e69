"""Min-cost flow on any directed graph, exactly, with potentials that prove it; DIMACS files."""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from .. import _checks, _core
from .._certificate import relative_gap
from .._extras import extra
from .._files import write_whole
from .._html import facts
from .._progress import listening, log, progress_hook
from .._value import Tabular, Value
from ..errors import InvalidProblemError
from ..results.matching import SolverCertificate, array_misfit

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    import pyarrow as pa
    from numpy.typing import ArrayLike, NDArray

    from .._progress import ProgressHook

#: The capacity that is none: 2**63 - 1.
INFINITE = int(np.iinfo(np.int64).max)

Status = Literal["optimal", "infeasible", "unbounded", "time_limit", "stopped"]
_STATUSES = ("optimal", "infeasible", "unbounded", "time_limit", "stopped")
_METHODS = ("auto", "network_simplex", "cost_scaling")
_HINTS = {
    "capacity": "; no limit is gridcompute.INFINITE",
    "cost": "; multiply and round them first, so that you know what was rounded",
}


@dataclass(frozen=True, eq=False, repr=False)
class FlowProblem(Value):
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
class Flow(Value, Tabular):
    """The flow on each arc, its cost, and its proof.

    The arrays are read-only. The problem's own arrays are kept by reference: `verify` reads them as
    they are then. A pickle holds them too, and leaves `warm_start` behind: a solve that starts from
    what comes out of it starts cold.

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
        ``method`` that finished ("balance" or "capacity" where supplies, or the arcs of one node,
        prove without a solve that there is no flow) and ``reason`` for it ("by name"; with "auto"
        "within budget", or "budget spent" where cost scaling took over), with the ``work`` of
        network simplex in steps of its own, and ``work_units`` as `work_limit` counts
        them; ``start``: "artificial", "saturated", "forest", "star",
        "cost_scaling", "basis" or "flow", the last two from `start`, and then ``warm`` is true;
        counts of each method; ``bits`` of the integers inside; ``seconds`` by stage. The
        reference has the table of all keys (docs/reference/stats.md).
    warm_start : object or None
        What a later solve starts from; opaque; None after a pickle.
    """

    potentials: NDArray[np.int64]
    objective: int
    status: Status
    witness: NDArray[np.int64] | None
    cycle: NDArray[np.int64] | None
    problem: FlowProblem
    warm_start: _core.FlowWarmStart | None

    _shared: ClassVar[frozenset[str]] = frozenset({"problem", "warm_start"})

    def _stored(self) -> dict[str, Any]:
        return {**vars(self), "flow": self.flow, "stats": self.stats, "warm_start": None}

    def __repr__(self) -> str:
        size = f"{len(self.potentials)} nodes, {len(self.problem.tail)} arcs"
        return f"<Flow: {self.status}, {size}, objective {self.objective}>"

    @property
    def bound(self) -> int | float:
        """Lower bound on the cost of every flow, inf where there is none, -inf if unknown."""
        if self.status == "optimal":
            return self.objective
        return math.inf if self.status == "infeasible" else -math.inf

    @property
    def gap(self) -> float:
        """``(objective - bound) / max(abs(objective), abs(bound))``, 0.0 if optimal, else inf."""
        return relative_gap(self.objective, self.bound)

    @cached_property
    def flow(self) -> NDArray[np.int64]:
        """Flow of each arc in the caller's order, int64, shape (n_arcs,).

        Where infeasible or stopped early, a flow that leaves ``stats["unserved"]`` units without a
        path. Computed at the first use: one pass over the arcs.
        """
        assert self.warm_start is not None  # what a pickle holds has its flow
        return self.warm_start.flow()

    @cached_property
    def stats(self) -> dict[str, Any]:
        """Statistics of the solve, by the keys that Attributes lists."""
        assert self.warm_start is not None
        return self.warm_start.stats()

    def _repr_html_(self) -> str:
        rows = {
            "status": self.status,
            "nodes": len(self.potentials),
            "arcs": len(self.problem.tail),
            "objective": self.objective,
            "bound": self.bound,
            "gap": self.gap,
        }
        return facts("Flow", rows)

    def to_arrow(self) -> pa.Table:
        """Return the arcs as a pyarrow Table; needs pyarrow.

        Returns
        -------
        pyarrow.Table
            ``arc, tail, head, flow, capacity, cost``, int64, in the caller's order.

        Examples
        --------
        >>> from gridcompute import min_cost_flow
        >>> f = min_cost_flow([0, 1], [1, 2], [5, 5], [1, 2], [4, 0, -4])
        >>> f.to_arrow()["flow"].to_pylist()
        [4, 4]
        """
        with extra("grid"):
            import pyarrow as pa

        p = self.problem
        columns = {"arc": np.arange(len(p.tail)), "tail": p.tail, "head": p.head}
        return pa.table({**columns, "flow": self.flow, "capacity": p.capacity, "cost": p.cost})

    def verify(self) -> SolverCertificate:
        """Check the answer against its problem, by code that shares nothing with the solver.

        Returns
        -------
        SolverCertificate
            ``valid`` if every field holds, and the status is proved: optimal by potentials,
            infeasible by the cut, unbounded by the cycle and a feasible flow. A stopped solve
            claims only what its flow costs, and what it leaves unserved. Not checked: `stats` but
            for ``unserved``, and `potentials` where the status is not "optimal".

        Notes
        -----
        Complexity: a few passes over nodes and arcs. All sums are exact, in 128 bits.

        Examples
        --------
        >>> from gridcompute import min_cost_flow
        >>> min_cost_flow([0, 1], [1, 2], [5, 5], [1, 2], [4, 0, -4]).verify().valid
        True
        """
        reasons = _misfits(self)
        if reasons:
            return SolverCertificate(False, False, math.inf, -math.inf, math.inf, math.inf, reasons)
        none = np.empty(0, np.int64)
        cut = none if self.witness is None else self.witness
        cycle = none if self.cycle is None else self.cycle
        found = _core.check_flow(
            *flow_arrays(self.problem), self.status, self.flow, self.potentials, cut, cycle
        )
        refuted = _refuted(self, found)
        valid, feasible = not refuted, bool(found["feasible"])
        objective = found["objective"] if feasible else math.inf
        proved = valid and self.status in ("optimal", "infeasible")
        low = objective if proved else -math.inf
        high = objective if proved else math.inf
        if valid and not feasible and self.status != "infeasible":
            refuted = [f"{found['unserved']} units have no path yet"]
        gap = relative_gap(objective, low)
        return SolverCertificate(valid, feasible, objective, low, high, gap, tuple(refuted))


def _misfits(f: Any) -> tuple[str, ...]:
    """Return the fields that no check can read: wrong types, dtypes, shapes, unknown statuses."""
    p = f.problem
    if not isinstance(p, FlowProblem):
        return (f"problem: found {type(p).__name__}, needed FlowProblem",)
    n_arcs = ("n_arcs", np.size(p.tail))
    arrays = [("tail", p.tail), ("head", p.head), ("capacity", p.capacity), ("cost", p.cost)]
    if p.lower is not None:
        arrays.append(("lower", p.lower))
    out = [array_misfit(f"problem.{name}", array, np.int64, n_arcs) for name, array in arrays]
    out.append(array_misfit("problem.supply", p.supply, np.int64, None))
    if "flow" not in vars(f) and not isinstance(f.warm_start, _core.FlowWarmStart):
        return (
            *(misfit for misfit in out if misfit),
            f"warm_start: found {type(f.warm_start).__name__}",
        )
    out.append(array_misfit("flow", f.flow, np.int64, n_arcs))
    out.append(array_misfit("potentials", f.potentials, np.int64, ("n_nodes", np.size(p.supply))))
    if isinstance(f.objective, bool) or not isinstance(f.objective, (int, np.integer)):
        out.append(f"objective: found {type(f.objective).__name__}, needed int")
    if not isinstance(f.status, str) or f.status not in _STATUSES:
        out.append(f"status: found {f.status!r}, needed one of {', '.join(map(repr, _STATUSES))}")
    for name, value, status in (
        ("witness", f.witness, "infeasible"),
        ("cycle", f.cycle, "unbounded"),
    ):
        if f.status == status:
            out.append(array_misfit(name, value, np.int64, None))
        elif value is not None:
            out.append(f"{name}: found one, and the status is {f.status!r}")
    return tuple(misfit for misfit in out if misfit)


def _refuted(f: Flow, found: dict[str, Any]) -> list[str]:
    """Return the claims of a flow that the check contradicts."""
    if found["flow"]:
        return [found["flow"]]
    out = [found["proof"]] if found["proof"] else []
    if f.objective != found["objective"]:
        out.append(f"objective: found {f.objective}, the flow costs {found['objective']}")
    claim = f.stats.get("unserved") if isinstance(f.stats, dict) else None
    if claim != min(found["unserved"], INFINITE):
        out.append(f"stats: found {claim} units unserved, the flow leaves {found['unserved']}")
    return out


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
    work_limit: float | None = None,
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
        start from it. Cost scaling does not use it, and of one that was pickled nothing is left
        to start from (``stats["warm"]`` says whether it was used).
    threads : int, optional
        At most this many. Both methods are sequential, so it changes nothing.
    time_limit : float, optional
        Seconds, 0 or more.
    work_limit : float, optional
        Units of counted work, 0 or more; the status is "time_limit" then too, after the same steps
        on every machine, as for `transport`. ``stats["work_units"]`` of a solve is enough for it.
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
    problem = flow_problem(tail, head, capacity, cost, supply, lower)
    _checks.choice("method", method, _METHODS)
    before = _start(start, problem)
    _, limits = _checks.limits(threads, time_limit, work_limit)
    if progress is None:
        answer = _core.min_cost_flow(*flow_arrays(problem), method, before, *limits, None)
    else:
        with progress_hook(progress, "min-cost flow") as hook:
            answer = _core.min_cost_flow(*flow_arrays(problem), method, before, *limits, hook)
    potentials, objective, status, cut, cycle, warm_start = answer
    if listening():
        sizes = len(problem.supply), len(problem.tail)
        log("min_cost_flow: %d nodes, %d arcs: %s, objective %s", *sizes, status, objective)
    return Flow._of(
        {
            "potentials": potentials,
            "objective": objective,
            "status": status,
            "witness": cut,
            "cycle": cycle,
            "problem": problem,
            "warm_start": warm_start,
        }
    )


def flow_arrays(p: FlowProblem) -> tuple[Any, Any, Any, Any, Any, Any]:
    """Return the arrays of a problem, in the order of `min_cost_flow`."""
    return (p.tail, p.head, p.capacity, p.cost, p.supply, p.lower)


def flow_problem(
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
    array = _checks.plain_array(field, values)
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


def _start(start: Flow | None, problem: FlowProblem) -> _core.FlowWarmStart | None:
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
    return start.warm_start


_GZIP = b"\x1f\x8b"
_GZIP_FORMAT = 31  # of zlib: a header and a checksum of gzip, the largest window
_PIECE = 1 << 20  # bytes read, and unpacked, at a time
#: Limits of an unpacked gzip file: in bytes, and as a multiple of its own size; the larger counts.
#: Text of arcs shrinks to a tenth; a bomb grows a thousandfold.
_MOST_UNPACKED, _MOST_RATIO = 1 << 26, 100


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
        The file is no such problem: the message names the line, ``.index`` is its number. So it is
        where the problem line promises many more nodes than the file can name, or where a gzip
        file holds more than a hundred times its size (and 64 MiB).
    OSError
        It cannot be read.

    Notes
    -----
    Format: ``c`` comments, ``p min NODES ARCS``, ``n ID SUPPLY``,
    ``a TAIL HEAD LOWER CAPACITY COST``, ids from 1.
    Complexity: linear in the size of the file, in time and memory; parsed natively, in pieces.
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
    shown = str(path).encode("utf-8", "backslashreplace").decode()
    reader = _core.DimacsReader(shown)
    with Path(path).open("rb") as file:
        first = file.read(_PIECE)
        pieces = chain([first] if first else [], iter(partial(file.read, _PIECE), b""))
        for piece in _unpacked(pieces, shown) if first.startswith(_GZIP) else pieces:
            reader.feed(piece)
    tail, head, capacity, cost, supply, lower = reader.finish()
    return FlowProblem(tail, head, capacity, cost, supply, lower if lower.any() else None)


def _unpacked(pieces: Iterable[bytes], path: str) -> Iterator[bytes]:
    """Yield what a gzip file holds, in pieces of bounded size, and not more than it may hold."""
    member, packed, unpacked = zlib.decompressobj(_GZIP_FORMAT), 0, 0
    for piece in pieces:
        packed += len(piece)
        rest = piece
        while rest:
            if member.eof:  # another member follows, or padding
                rest = rest.lstrip(b"\0")
                if not rest:
                    break
                member = zlib.decompressobj(_GZIP_FORMAT)
            try:
                out = member.decompress(rest, _PIECE)
            except zlib.error as error:
                raise InvalidProblemError(
                    f"{path}: found a broken gzip file ({error}), needed a whole one", "path"
                ) from error
            unpacked += len(out)
            most = max(_MOST_UNPACKED, _MOST_RATIO * packed)
            if unpacked > most:
                raise InvalidProblemError(
                    f"{path}: found more than {most} bytes in the first {packed} of a gzip file, "
                    f"needed at most {_MOST_RATIO} times as many; unpack it first if it is sound",
                    "path",
                )
            yield out
            rest = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        raise InvalidProblemError(
            f"{path}: found a gzip file that ends early, needed a whole one", "path"
        )


def write_dimacs(path: str | os.PathLike[str], problem: Iterable[ArrayLike]) -> None:
    """Write a DIMACS ``.min`` file, gzipped if its name ends in ``.gz``.

    Parameters
    ----------
    path : path-like
        The file; replaced whole if there is one, or left as it was if that fails.
    problem : FlowProblem, or (tail, head, capacity, cost, supply) with or without lower
        As `min_cost_flow` takes them.

    Raises
    ------
    InvalidProblemError
        As `min_cost_flow`: shapes, nodes that do not exist, capacities below lower bounds.
    TypeError
        An array that is not of integers, a `problem` that is no row of arrays.
    OSError
        It cannot be written.

    Notes
    -----
    Zero supplies are left out, as the format requires.
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
    text = _core.write_dimacs(*flow_arrays(flow_problem(tail, head, capacity, cost, supply, lower)))
    if str(path).endswith(".gz"):
        text = gzip.compress(text, mtime=0)
    write_whole(Path(path), text)
