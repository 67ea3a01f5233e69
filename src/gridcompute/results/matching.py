"""Answers of solvers: a matching, its certificate, the explanation of one job."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypedDict

import numpy as np

from .. import _checks, _core
from .._certificate import Certificate, relative_gap
from .._extras import extra
from .._html import ShownAsText, facts
from .._value import Tabular, Value
from ..errors import InvalidProblemError
from .explanation import Explanation, TransportProblem, explain

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from ..plot.matching import MatchingPlots


# How far from its bound an optimum of rounded costs may be, of the sum of the sizes of all costs
# that are paid.
_OPTIMAL = 2.0**-29
_ULP = 2.0**-51  # two roundings of one number differ by no more, relatively
_NUMBERS = (int, float, np.integer, np.floating)
_STATUSES = ("optimal", "feasible", "infeasible", "time_limit", "stopped")
_STOPPED = ("time_limit", "stopped")

Status = Literal["optimal", "feasible", "infeasible", "time_limit", "stopped"]


class TransportStats(TypedDict):
    """The counts of `Matching.stats`; docs/reference/stats.md defines each key."""

    #: Units of counted work: a `work_limit` of as many is enough.
    work_units: float
    #: Costs read, and the same over the number of pairs.
    evaluations: int
    passes: float
    #: Samples solved; samples that the start prices fitted, which are not solved.
    levels: int
    warm_levels: int
    #: Repairs, their shortest-path searches, and the paths that units moved along.
    rounds: int
    searches: int
    augmentations: int
    #: Pairs kept by the last pass over all costs, and the groups of jobs that share a list.
    candidates: int
    groups: int
    #: Jobs read again because their candidates might not hold their cheapest class.
    rows_extended: int
    #: Passes over all costs in a wider box, and times that one more would have been too many.
    repeated_passes: int
    passes_exhausted: int
    #: Repairs continued in a wider box.
    box_widenings: int
    #: Searches for classes outside a set that is too full and has no way out on the lists.
    escape_searches: int
    #: Newton's method left more than a two-hundredth of the units to repair.
    newton_stalls: int
    #: Samples left as they were after too many rounds.
    unbalanced_samples: int
    #: Auctions that ran out of bids.
    auction_cutoffs: int
    #: Passes and matrices begun again in 64 bits.
    int64_fallbacks: int
    #: Small problems that were given to the general method.
    small_solver_aborts: int
    #: Roundings of jobs with a demand above 1 begun again with the largest first.
    rounding_restarts: int
    #: Of the search over jobs with a demand above 1: windows of classes solved, nodes of branch and
    #: bound, and 1 if no cheaper plan is left untried.
    windows: int
    nodes: int
    exhausted: int
    #: Solves begun again because a cost exceeded the range that the sample showed.
    restarts: int
    #: Solves in a finer unit.
    refinements: int
    #: 1 if ties were broken by perturbed keys; 1 if rounded prices then needed repair.
    perturbed: int
    perturbation_repairs: int
    #: Negative cycles that rounding had hidden, cancelled in exact arithmetic.
    negative_cycles: int
    #: Keys per unit of cost.
    resolution: float
    #: Wall-clock time of each stage.
    seconds: dict[str, float]


@dataclass(frozen=True, eq=False)
class Witness(ShownAsText, Value):
    """The proof of infeasibility: these jobs fit only in these classes, which are too small.

    Attributes
    ----------
    jobs : int64 array
        Jobs that must be placed, ascending.
    slots : int32 array
        Every class that is open to any of them, ascending.
    needed, available : int
        How many slots the jobs take, and how many the classes have; of gangs, how many some of
        these jobs can fill. If there are as many as needed, no way of placing the jobs whole fits.
    """

    jobs: NDArray[np.int64]
    slots: NDArray[np.int32]
    needed: int
    available: int

    @classmethod
    def of(
        cls, question: TransportProblem, jobs: NDArray[np.int64], slots: NDArray[np.int32]
    ) -> Witness:
        """With its counts."""
        weight = question.demand
        needed = len(jobs) if weight is None else int(weight[jobs].sum(dtype=np.int64))
        if weight is None:
            available = sum(int(u) for u in question.capacity[slots])
        else:  # what some of the demands fill
            available = _core.check_witness(*_problem(question), jobs, slots)["available"]
        jobs.flags.writeable = slots.flags.writeable = False
        return cls(jobs, slots, needed, available)

    def __str__(self) -> str:
        jobs, slots = _some(self.jobs), _some(self.slots)
        text = (
            f"{len(self.jobs)} jobs ({jobs}) need {self.needed} slots, and the {len(self.slots)} "
            f"classes open to them ({slots}) have {self.available}"
        )
        whole = ", but no way of placing the jobs whole fits"
        return text if self.needed > self.available else text + whole


@dataclass(frozen=True)
class SolverCertificate(Certificate):
    """The result of an independent check of a matching or a flow.

    Attributes
    ----------
    valid : bool
        All that the matching claims holds. For an infeasible problem: the witness proves it.
    feasible : bool
        The assignment keeps every rule: range, capacity, forbidden pairs, jobs that must be placed.
    objective : int or float
        What the assignment costs: exact for integers, else rounded up.
    bound_low, bound_high : int or float
        Enclose the bound that the prices prove; no matching costs less than `bound_low`, which is
        `bound`.
    gap : float
        (objective - bound_low) / max(abs(objective), abs(bound_low)); 0.0 = proved optimal, in
        exact arithmetic; inf where nothing is feasible, or nothing is proved.
    reasons : tuple of str
        Why not, where something does not hold.
    """

    valid: bool
    feasible: bool
    objective: int | float
    bound_low: int | float
    bound_high: int | float
    gap: float
    reasons: tuple[str, ...]

    @property
    def bound(self) -> int | float:
        """The lower end of the bound: what every answer costs at least."""
        return self.bound_low


@dataclass(frozen=True, eq=False, repr=False)
class Matching(Value, Tabular):
    """The slot class of each job, the total cost, and its proof.

    The arrays are read-only: `verify` checks what the solver gave. Copy one to change it, and
    ``dataclasses.replace`` the field to check a matching of your own against the same problem.

    Attributes
    ----------
    assignment : int32 array, shape (n_jobs,)
        The class of each job; -1 = unplaced.
    load : int64 array, shape (n_slots,)
        Slots used of each class.
    prices : float64 array, shape (n_slots,)
        What one more slot of each class would save, in the unit of cost; 0 where slots are free.
    objective : int or float
        Total cost; an exact int where all costs are integers; inf where a job that must be placed
        is not.
    bound : int or float
        No matching costs less.
    exact : bool
        objective == bound, in exact arithmetic. Both are the largest double that is not above where
        none holds the sum; False where the sum is beyond all doubles.
    status : str
        "optimal", "feasible", "infeasible", "time_limit" or "stopped".
    stats : dict
        The keys of `TransportStats`: counts (``passes`` over the cost, ``rounds``, ...), the
        ``resolution`` used, and ``seconds`` by stage.
    witness : Witness or None
        Where infeasible: the proof.
    charges : float64 array, shape (n_jobs,), or None
        Of gangs, where they prove more than the prices: `bound` is the sum of all charges, less
        what each class makes at most of jobs that fit into it together, charge less cost.
    remainders : float64 array, shape (k, n_slots), or None
        What is to be added to the prices, row after row and without rounding, where single doubles
        are too coarse for `bound`: costs far apart, or integers beyond 2**53.

    Notes
    -----
    "optimal" says that no matching costs less: proved in exact arithmetic where `exact` is true.
    Else it is so but for rounding, and `objective` and `bound` differ by 2**-29 of the sum of the
    sizes of all costs that are paid at most (problems of more than four million costs, sums beyond
    the doubles); `gap` is measured by the objective, and may be larger where costs of both signs
    cancel. A `resolution` that was given is kept: "feasible" says that the optimum of the rounded
    costs is none of the costs, or was not proved to be.

    A pickle leaves the cost behind: `verify` and `explain` of what comes out of it take it as an
    argument. Copies in memory share it.
    """

    assignment: NDArray[np.int32]
    load: NDArray[np.int64]
    prices: NDArray[np.float64]
    objective: int | float
    bound: int | float
    exact: bool
    status: Status
    stats: dict[str, Any]
    witness: Witness | None
    question: TransportProblem
    charges: NDArray[np.float64] | None = None
    remainders: NDArray[np.float64] | None = None

    # How far an objective may be from the exact sum, of the sum of the sizes of all costs paid.
    _rounding: ClassVar[float] = 2.0**-50
    _shared: ClassVar[frozenset[str]] = frozenset({"question"})

    def _stored(self) -> dict[str, Any]:
        question = self.question
        if isinstance(question, TransportProblem):
            question = question.without_cost()
        return {**vars(self), "question": question}

    @property
    def gap(self) -> float:
        """(objective - bound) / max(abs(objective), abs(bound)); 0.0 where both are equal.

        inf where no matching was found, or nothing was proved of it.
        """
        return 0.0 if self.exact else relative_gap(self.objective, self.bound)

    def __repr__(self) -> str:
        placed = int(np.count_nonzero(self.assignment >= 0))
        jobs = f"{placed} of {len(self.assignment)} jobs placed in {len(self.load)} classes"
        return f"<Matching: {self.status}, {jobs}, objective {self.objective}, gap {self.gap:.3g}>"

    @property
    def plot(self) -> MatchingPlots:
        """The pictures of the matching: `plot.prices()`, `plot.load()`; needs matplotlib."""
        from ..plot.matching import MatchingPlots  # upward, and only when called

        return MatchingPlots(self)

    def _repr_html_(self) -> str:
        rows = {
            "status": self.status,
            "jobs": len(self.assignment),
            "placed": int(np.count_nonzero(self.assignment >= 0)),
            "slot classes": len(self.load),
            "objective": self.objective,
            "bound": self.bound,
            "gap": self.gap,
        }
        return facts(type(self).__name__, rows, "" if self.witness is None else str(self.witness))

    def to_arrow(
        self, *, jobs: Sequence[Any] | None = None, slots: Sequence[Any] | None = None
    ) -> pa.Table:
        """Return the jobs as a pyarrow Table; needs pyarrow.

        Parameters
        ----------
        jobs, slots : sequence, optional
            Names of the jobs and of the slot classes, for the columns ``job_name`` and
            ``slot_name``.

        Returns
        -------
        pyarrow.Table
            ``job`` int64, ``slot`` int32 and ``price`` float64: what a slot of that class would
            save. Both are null where a job is unplaced, prices where there is no matching.

        Examples
        --------
        >>> from gridcompute import transport
        >>> m = transport([[4, 1], [2, 1], [5, 1]], [2, 1])
        >>> m.to_arrow(slots=["near", "far"])["slot_name"].to_pylist()
        ['near', 'near', 'far']
        """
        with extra("grid"):
            import pyarrow as pa

        out = self.assignment < 0
        columns: dict[str, Any] = {"job": np.arange(len(out), dtype=np.int64)}
        if jobs is not None:
            columns["job_name"] = pa.array(_named("jobs", jobs, len(out)))
        columns["slot"] = pa.array(self.assignment, mask=out)
        if slots is not None:
            names = pa.array(_named("slots", slots, len(self.load)))
            columns["slot_name"] = names.take(columns["slot"])
        price = np.append(self.prices, 0.0)[self.assignment]
        columns["price"] = pa.array(price, mask=out | (self.status == "infeasible"))
        return pa.table(columns)

    def verify(self, cost: Any = None, *, threads: int | None = None) -> SolverCertificate:
        """Check the matching against its problem, by code that shares nothing with the solver.

        Parameters
        ----------
        cost : as `transport` takes it, optional
            Check against this cost instead of the one that was solved; needed only of a matching
            that was pickled.
        threads : int, optional
            As in `transport`, and by default as there.

        Returns
        -------
        SolverCertificate

        Raises
        ------
        InvalidProblemError
            There is no cost, or the one given has another shape.

        Notes
        -----
        Reads every cost once. Sums are exact: the bound holds for the original costs, whatever the
        solver rounded. Not checked: `stats`. Determinism: the same for any number of threads.

        Examples
        --------
        >>> from gridcompute import transport
        >>> m = transport([[4, 1], [2, 1], [5, 1]], [2, 1])
        >>> m.verify().valid
        True
        """
        workers = None if threads is None else _checks.threads(threads)
        q = self.question
        if isinstance(q, TransportProblem) and (cost is not None or q.cost is None):
            q = q._replace(cost=q.source(cost))
        return _verified(self, q, workers)

    def explain(self, job: int, *, cost: Any = None) -> Explanation:
        """Explain the class of a job.

        Parameters
        ----------
        job : int
            0 to n_jobs - 1.
        cost : as `transport` takes it, optional
            As in `verify`.

        Returns
        -------
        Explanation
            Its ``str`` is a few sentences.

        Raises
        ------
        IndexError
            There is no such job.

        Examples
        --------
        >>> from gridcompute import transport
        >>> m = transport([[4, 1], [2, 1], [5, 1]], [2, 1])
        >>> print(m.explain(0))
        job 0 goes to class 0: cost 4 + price 0 = 4.
        Next best is class 1: cost 1 + price 4 = 5, dearer by 1.
        It stays while its cost here rises, or that of class 1 falls, by less.
        """
        job = operator.index(job)
        if not 0 <= job < self.question.n_jobs:
            raise IndexError(f"job: found {job}, needed 0 to {self.question.n_jobs - 1}")
        source = self.question.source(cost)
        return explain(self.question, source, self.assignment, self.prices, job)


def _named(field: str, names: Sequence[Any], n: int) -> list[Any]:
    """Return names as a list, if there are n."""
    if len(names) != n:
        raise InvalidProblemError(f"{field}: found {len(names)} names, needed {n}", field)
    return list(names)


def _problem(q: TransportProblem) -> tuple[Any, Any, Any, Any]:
    return (q.cost, q.capacity, q.demand, q.unplaced)


def _verified(m: Matching, q: TransportProblem, workers: int | None) -> SolverCertificate:
    """Check a matching against a problem that has its cost."""
    reasons = _misfits(m, q)
    if reasons:
        return SolverCertificate(False, False, math.inf, -math.inf, math.inf, math.inf, reasons)
    if m.status == "infeasible":
        return _proof_of_none(m, q, workers)
    found = _core.check_transport(
        *_problem(q),
        m.assignment,
        m.prices,
        q.threads if workers is None else workers,
        m.charges,
        m.remainders,
    )
    return conclude(m, q, found)


def conclude(m: Any, q: Any, found: dict[str, Any]) -> SolverCertificate:
    """Return the certificate of a matching, from what the check of its problem found."""
    wrong = (*found["faults"], *found["forbidden"])
    short = (*found["missing"], *found["overfull"])
    feasible = not (wrong or short)
    objective = found["objective_high"] if feasible else math.inf
    gap = 0.0 if found["tight"] else relative_gap(objective, found["bound_low"])
    refuted = (*wrong, *found["unproved"], *_refuted(m, q, found, feasible))
    # A solve that was stopped may have jobs left over, and says so by an infinite objective.
    admitted = m.objective == math.inf and m.status in _STOPPED
    return SolverCertificate(
        not refuted and (feasible or admitted),
        feasible,
        objective,
        found["bound_low"],
        found["bound_high"],
        gap,
        (*refuted, *short),
    )


def _misfits(m: Any, q: Any) -> tuple[str, ...]:
    """Return what no check can read: wrong types, dtypes and shapes, words that are no status."""
    if not isinstance(q, TransportProblem) or q.source().shape != (q.n_jobs, q.n_slots):
        return ("question: it is no problem of these costs",)
    jobs, slots = ("n_jobs", q.n_jobs), ("n_slots", q.n_slots)
    out = [
        array_misfit("question.capacity", q.capacity, np.int64, slots),
        array_misfit("assignment", m.assignment, np.int32, jobs),
        array_misfit("load", m.load, np.int64, slots),
        array_misfit("prices", m.prices, np.float64, slots),
    ]
    if q.demand is not None:
        out.append(array_misfit("question.demand", q.demand, np.int32, jobs))
    if q.unplaced is not None:
        each = ("1", 1) if np.size(q.unplaced) == 1 else jobs
        out.append(array_misfit("question.unplaced", q.unplaced, np.float64, each))
    if m.charges is not None:
        out.append(array_misfit("charges", m.charges, np.float64, jobs))
    if m.remainders is not None:
        out.append(_rows_misfit("remainders", m.remainders, q.n_slots))
    for name, value in (("objective", m.objective), ("bound", m.bound)):
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, _NUMBERS):
            out.append(f"{name}: found {type(value).__name__}, needed int or float")
    if not isinstance(m.exact, (bool, np.bool_)):
        out.append(f"exact: found {type(m.exact).__name__}, needed bool")
    if not isinstance(m.stats, dict):
        out.append(f"stats: found {type(m.stats).__name__}, needed dict")
    if not isinstance(m.status, str) or m.status not in _STATUSES:
        out.append(f"status: found {m.status!r}, needed one of {', '.join(map(repr, _STATUSES))}")
    elif m.status != "infeasible" and m.witness is not None:
        out.append(f"witness: found one, and the status is {m.status!r}")
    elif m.status == "infeasible":
        out += _witness_misfits(m.witness)
    return tuple(misfit for misfit in out if misfit)


def array_misfit(name: str, value: Any, dtype: Any, size: tuple[str, int] | None) -> str:
    """Return what is wrong with an array, or an empty string."""
    if not isinstance(value, np.ndarray) or value.dtype != dtype:
        found = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
        return f"{name}: found {found}, needed an array of {np.dtype(dtype)}"
    if value.ndim != 1 or (size is not None and len(value) != size[1]):
        needed = "one dimension" if size is None else f"({size[0]},) = ({size[1]},)"
        return f"{name}: found shape {value.shape}, needed {needed}"
    return "" if value.flags.c_contiguous else f"{name}: found strides, needed a contiguous array"


def _rows_misfit(name: str, value: Any, n_slots: int) -> str:
    """Return what is wrong with rows of doubles, or an empty string."""
    if not isinstance(value, np.ndarray) or value.ndim != 2 or value.shape[1] != n_slots:
        found = value.shape if isinstance(value, np.ndarray) else type(value).__name__
        return f"{name}: found {found}, needed an array of shape (k, n_slots) = (k, {n_slots})"
    if not value.flags.c_contiguous:
        return f"{name}: found strides, needed a contiguous array"
    return array_misfit(name, value.reshape(-1), np.float64, None)


def _witness_misfits(witness: Any) -> list[str]:
    if not isinstance(witness, Witness):
        found = "none" if witness is None else type(witness).__name__
        return [f"witness: found {found}, and an infeasible problem needs one"]
    slots = array_misfit("witness.slots", witness.slots, np.int32, None)
    if not slots and (witness.slots[1:] < witness.slots[:-1]).any():
        slots = f"witness.slots: found {_some(witness.slots)}, needed an ascending order"
    return [array_misfit("witness.jobs", witness.jobs, np.int64, None), slots]


def _proof_of_none(m: Matching, q: TransportProblem, workers: int | None) -> SolverCertificate:
    """Check an answer that says that there is none: its witness, and the fields beside it."""
    witness = m.witness
    assert witness is not None  # _misfits has seen it
    found = _core.check_witness(*_problem(q), witness.jobs, witness.slots)
    reasons = list(found["faults"])
    for name in ("needed", "available"):
        claim = getattr(witness, name)
        if not reasons and claim != found[name]:
            reasons.append(f"witness.{name}: found {claim}, its lists give {found[name]}")
    low = -math.inf if found["faults"] else math.inf
    claims = {"objective": m.objective, "bound": m.bound}
    reasons += [
        f"{name}: found {claim}, needed inf: there is no matching"
        for name, claim in claims.items()
        if claim != math.inf
    ]
    if m.exact:
        reasons.append("exact: found True, and there is no matching")
    primal = _core.check_transport(
        *_problem(q), m.assignment, m.prices, q.threads if workers is None else workers
    )
    reasons += [*primal["faults"], *primal["unproved"], *_load(m, primal)]
    return SolverCertificate(not reasons, False, math.inf, low, math.inf, math.inf, tuple(reasons))


def _load(m: Any, found: dict[str, Any]) -> list[str]:
    if found["faults"] or np.array_equal(m.load, found["load"]):
        return []
    s = int((m.load != found["load"]).argmax())
    return [f"load[{s}]: found {m.load[s]}, the assignment gives {found['load'][s]}"]


def _refuted(m: Any, q: Any, found: dict[str, Any], feasible: bool) -> list[str]:
    """Return the claims of a matching that the check contradicts."""
    out = _load(m, found)
    low, high = found["objective_low"], found["objective_high"]
    slack = 0 if found["integral"] else m._rounding * found["magnitude"]
    beyond = m.objective == math.inf and high == math.inf  # a sum that no double holds
    whole = isinstance(m.objective, int) or isinstance(m.bound, int)  # of a problem of integers
    rounded = not whole and abs(m.objective - high) <= _ULP * abs(high)
    if feasible and not (beyond or rounded or low - slack <= m.objective <= high + slack):
        out.append(f"objective: found {m.objective}, the assignment costs {high}")
    if not feasible and m.objective != math.inf and not found["faults"]:
        out.append(f"objective: found {m.objective}, needed inf: the assignment is not feasible")
    if not m.bound <= found["bound_high"]:
        out.append(f"bound: found {m.bound}, the prices prove {found['bound_low']}")
    if m.exact and not found["tight"]:
        out.append("exact: found True, but objective and bound differ")
    elif m.exact and relative_gap(m.objective, m.bound) > _ULP:
        out.append(f"exact: found True, with objective {m.objective} and bound {m.bound}")
    elif not m.exact and found["tight"] and found["integral"] and m.objective == m.bound:
        out.append("exact: found False, but the objective is its bound")
    if m.status == "optimal":
        if not feasible:
            out.append("status: found 'optimal', but the assignment is not feasible")
        elif not (found["tight"] or _near(m, q, found)):
            out.append(f"status: found 'optimal', but the prices prove {found['bound_low']}")
    elif m.exact:
        out.append(f"status: found {m.status!r}, needed 'optimal': exact is True")
    elif not feasible and m.status == "feasible":
        out.append("status: found 'feasible', but the assignment is not feasible")
    return out


def _near(m: Any, q: Any, found: dict[str, Any]) -> bool:
    """Return whether the objective equals its bound up to the rounding of costs."""
    distance = found["objective_high"] - found["bound_low"]
    if distance <= _OPTIMAL * found["magnitude"]:
        return True
    if found["magnitude"] > 0.0:
        return False
    # Where all that is paid is 0, costs that no job pays set the scale, or the unit of the solve.
    scale = _OPTIMAL * q.source().reach(1)[0]
    per_cost = m.stats.get("resolution", math.inf)
    return bool(distance <= scale or distance * per_cost <= q.n_jobs)


def _some(values: NDArray[Any], most: int = 5) -> str:
    text = ", ".join(str(v) for v in values[:most])
    return text + (", ..." if len(values) > most else "")
