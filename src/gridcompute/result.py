"""What solvers answer: a matching, the certificate that checks it, the explanation of one job."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from . import _core
from ._gap import relative_gap
from .explanation import Explanation, explain

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Certificate", "Explanation", "Matching", "Witness"]

_ROUNDING = 2.0**-45  # by how much another summation order may differ, of the sum of sizes

Status = Literal["optimal", "feasible", "infeasible", "time_limit", "stopped"]


class Question(NamedTuple):
    """The problem that a matching answers, as the core read it."""

    cost: _core.CostSource
    n_jobs: int
    n_slots: int
    capacity: NDArray[np.int64]
    demand: NDArray[np.int32] | None
    unplaced: NDArray[np.float64] | None
    threads: int

    def weight(self, job: int) -> int:
        """How many slots the job takes."""
        return 1 if self.demand is None else int(self.demand[job])

    def out(self, job: int) -> float:
        """What leaving the job out costs; inf = it must be placed."""
        if self.unplaced is None:
            return math.inf
        return float(self.unplaced[0 if self.unplaced.size == 1 else job])


@dataclass(frozen=True, eq=False)
class Witness:
    """Why there is no answer: these jobs fit only in these classes, which are too small for them.

    Attributes
    ----------
    jobs : int64 array
        Jobs that must be placed, ascending.
    slots : int32 array
        Every class that is open to any of them, ascending.
    needed, available : int
        How many slots the jobs take, and how many the classes have.
    """

    jobs: NDArray[np.int64]
    slots: NDArray[np.int32]
    needed: int
    available: int

    @classmethod
    def of(cls, question: Question, jobs: NDArray[np.int64], slots: NDArray[np.int32]) -> Witness:
        """With its counts."""
        weight = question.demand
        needed = len(jobs) if weight is None else int(weight[jobs].sum(dtype=np.int64))
        available = sum(int(u) for u in question.capacity[slots])
        jobs.flags.writeable = slots.flags.writeable = False
        return cls(jobs, slots, needed, available)

    def __str__(self) -> str:
        jobs, slots = _some(self.jobs), _some(self.slots)
        return (
            f"{len(self.jobs)} jobs ({jobs}) need {self.needed} slots, and the {len(self.slots)} "
            f"classes open to them ({slots}) have {self.available}"
        )


@dataclass(frozen=True)
class Certificate:
    """What an independent check of a matching found.

    Attributes
    ----------
    valid : bool
        All that the matching claims holds. For an infeasible problem: the witness proves it.
    feasible : bool
        The assignment keeps every rule: range, capacity, forbidden pairs, jobs that must be placed.
    objective : int or float
        What the assignment costs: exact for integers, else rounded up.
    bound_low, bound_high : int or float
        Enclose the bound that the prices prove; no matching costs less than `bound_low`.
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


@dataclass(frozen=True, eq=False, repr=False)
class Matching:
    """Which job goes to which slot class, what it costs, and what proves it.

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
        objective == bound, in exact arithmetic.
    status : str
        "optimal", "feasible", "infeasible", "time_limit" or "stopped".
    stats : dict
        Counts (``passes`` over the cost, ``rounds``, ``augmentations``, ...), the ``resolution``
        used, and ``seconds`` by stage.
    witness : Witness or None
        Where infeasible: the proof.
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
    question: Question

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

    def verify(self, *, threads: int | None = None) -> Certificate:
        """Check the matching against its problem, by code that shares nothing with the solver.

        Parameters
        ----------
        threads : int, optional
            As in `transport`, and by default as there.

        Returns
        -------
        Certificate

        Notes
        -----
        Reads every cost once. Sums are exact: the bound holds for the original costs, whatever the
        solver rounded. Determinism: the same for any number of threads.

        Examples
        --------
        >>> from gridcompute import transport
        >>> m = transport([[4, 1], [2, 1], [5, 1]], [2, 1])
        >>> m.verify().valid
        True
        """
        q = self.question
        problem = (q.cost, q.capacity, q.demand, q.unplaced)
        if self.status == "infeasible" and self.witness is not None:
            found = _core.check_witness(*problem, self.witness.jobs, self.witness.slots)
            reasons = tuple(found["faults"])
            low = -math.inf if reasons else math.inf
            return Certificate(not reasons, False, math.inf, low, math.inf, math.inf, reasons)
        workers = q.threads if threads is None else threads
        found = _core.check_transport(*problem, self.assignment, self.prices, workers)
        faults = found["faults"]
        feasible = not [f for f in faults if not f.startswith(("prices", "cost"))]
        refuted = [*_refuted(self, found)]
        whole = feasible or not math.isinf(self.objective)
        objective = found["objective_high"] if feasible else math.inf
        gap = 0.0 if found["tight"] else relative_gap(objective, found["bound_low"])
        # A solve that was stopped may have jobs left over, and says so by an infinite objective.
        claims = [*([f for f in faults if whole or "must be placed" not in f]), *refuted]
        return Certificate(
            not claims,
            feasible,
            objective,
            found["bound_low"],
            found["bound_high"],
            gap,
            (*faults, *refuted),
        )

    def explain(self, job: int) -> Explanation:
        """Where a job went and why.

        Parameters
        ----------
        job : int
            0 to n_jobs - 1.

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
        return explain(self, job)


def _refuted(m: Matching, found: dict[str, Any]) -> list[str]:
    """Claims of the matching that the check contradicts."""
    out = []
    if not np.array_equal(m.load, found["load"]):
        s = int((m.load != found["load"]).argmax())
        out.append(f"load[{s}] = {m.load[s]}, the assignment gives {found['load'][s]}")
    if not math.isinf(m.objective):
        slack = 0 if isinstance(m.objective, int) else _ROUNDING * found["magnitude"]
        if not found["objective_low"] - slack <= m.objective <= found["objective_high"] + slack:
            out.append(f"objective = {m.objective}, the assignment costs {found['objective_high']}")
    if not m.bound <= found["bound_high"]:
        out.append(f"bound = {m.bound}, the prices prove {found['bound_low']}")
    if m.exact and not found["tight"]:
        out.append("exact: objective and bound differ")
    return out


def _some(values: NDArray[Any], most: int = 5) -> str:
    text = ", ".join(str(v) for v in values[:most])
    return text + (", ..." if len(values) > most else "")
