"""A matching of jobs that are not in memory: its assignment is read part by part."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np

from .. import _checks, _core
from .._certificate import relative_gap
from ..errors import InvalidProblemError
from .matching import SolverCertificate, Status, array_misfit, conclude

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Self

    from numpy.typing import NDArray

    Sums = Callable[
        [Any, NDArray[np.float64], NDArray[np.float64] | None, int],
        list[bytes],
    ]
    Confined = Callable[[NDArray[np.int32], int, int], list[bytes]]


class ShardedAssignment:
    """The class of each job, -1 = unplaced, read a shard at a time.

    It has a length, and takes an index or a slice (an int32 array); ``numpy.asarray`` reads it all.
    `parts` goes through the shards. The shard read last is kept.
    """

    def __init__(self, rows: Sequence[int], read: Callable[[int], NDArray[np.int32]]) -> None:
        self._rows = tuple(rows)
        self._starts = np.concatenate([[0], np.cumsum(self._rows, dtype=np.int64)])
        self._read = read
        self._kept: tuple[int, NDArray[np.int32]] | None = None

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __repr__(self) -> str:
        return f"<ShardedAssignment: {len(self)} jobs in {len(self._rows)} shards>"

    def part(self, shard: int) -> NDArray[np.int32]:
        """Return the classes of one shard's jobs.

        Parameters
        ----------
        shard : int
            From 0, in the order of the jobs.

        Returns
        -------
        int32 array
        """
        if self._kept is None or self._kept[0] != shard:
            self._kept = (shard, self._read(shard))
        return self._kept[1]

    def parts(self) -> Iterator[NDArray[np.int32]]:
        """Go through the shards, in the order of the jobs.

        Yields
        ------
        int32 array
            The classes of a shard's jobs.
        """
        for shard in range(len(self._rows)):
            yield self._read(shard)

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> NDArray[np.int32]: ...
    def __getitem__(self, at: int | slice) -> int | NDArray[np.int32]:
        if isinstance(at, slice):
            begin, end, step = at.indices(len(self))
            if step < 0:
                low, high = end + 1, begin + 1
            else:
                low, high = begin, end
            return self._range(low, max(low, high))[
                (begin - low) : None if step < 0 else end - low : step
            ]
        job = operator.index(at)
        if job < 0:
            job += len(self)
        if not 0 <= job < len(self):
            raise IndexError(f"job: found {at}, needed 0 to {len(self) - 1}")
        shard = int(np.searchsorted(self._starts, job, side="right")) - 1
        return int(self.part(shard)[job - int(self._starts[shard])])

    def __iter__(self) -> Iterator[int]:
        for part in self.parts():
            yield from part.tolist()

    def _range(self, begin: int, end: int) -> NDArray[np.int32]:
        out = np.empty(max(0, end - begin), np.int32)
        shard = int(np.searchsorted(self._starts, begin, side="right")) - 1
        while begin < end:
            start, stop = int(self._starts[shard]), int(self._starts[shard + 1])
            upto = min(stop, end)
            if upto > begin:
                out[len(out) - (end - begin) : len(out) - (end - upto)] = self.part(shard)[
                    begin - start : upto - start
                ]
            begin, shard = max(begin, upto), shard + 1
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("an assignment in shards cannot be an array without a copy")
        whole = self._range(0, len(self))
        return whole if dtype is None else whole.astype(dtype)


class _NoReach:
    """Replaces a cost of which no amount above those paid is known."""

    def reach(self, _threads: int) -> tuple[float, int]:
        return 0.0, -1


class ShardedProblem:
    """The problem of a matching over shards: what its proof needs.

    Parameters
    ----------
    model : CostModel
        What the costs of all shards have in common.
    rows : sequence of int
        Jobs of each shard.
    capacity : int64 array
        Of the slot classes.
    threads : int
        Of one shard, where `verify` gets no number.
    sums : callable
        ``sums(assignment, prices, remainders, threads)`` returns the exact sums of each shard, in
        order.
    confined : callable
        ``confined(slots, job, threads)`` returns what each shard counts, in order: its jobs that
        must be placed and fit into these classes only, `job` (-1 = none) among them or not.
    """

    def __init__(
        self,
        model: _core.CostModel,
        rows: Sequence[int],
        capacity: NDArray[np.int64],
        threads: int,
        sums: Sums,
        confined: Confined,
    ) -> None:
        self.n_jobs, self.n_slots = int(sum(rows)), len(capacity)
        self.capacity, self.model, self.threads = capacity, model, threads
        self.sums, self.confined = sums, confined

    def __copy__(self) -> Self:
        """Return a question about the same source of jobs."""
        made = object.__new__(type(self))
        for name, value in vars(self).items():
            object.__setattr__(made, name, value)
        return made

    def __getstate__(self) -> dict[str, Any]:
        """Return the numbers: the source of the jobs belongs to this process, and stays here."""
        return {**vars(self), "model": None, "sums": None, "confined": None}

    def source(self) -> _NoReach:
        """Return the substitute for the costs that no job pays."""
        return _NoReach()


@dataclass(frozen=True, eq=False, repr=False)
class ShardedMatching:
    """A `Matching` of jobs that are not in memory.

    Attributes
    ----------
    assignment : ShardedAssignment, dask Series, ray Dataset or None
        The class of each job, -1 = unplaced: a lazy sequence over the files of `out`, or what the
        jobs came in. None where no matching was found.
    load, prices, objective, bound, exact, status, stats, remainders
        As of `Matching`. ``stats`` also counts ``questions`` asked of shards, ``bytes_to_shards``
        and ``bytes_from_shards``, ``rows_sampled`` and ``rows_listed``, the rows that were at the
        coordinator at once, and ``seconds_waiting``, for data.
    witness_slots : int32 array or None
        Where infeasible: some of the jobs fit only in these classes, which are too small for them;
        or `witness_job` has no class at all.
    witness_job : int or None
        See there.
    """

    assignment: Any
    load: NDArray[np.int64]
    prices: NDArray[np.float64]
    objective: float
    bound: float
    exact: bool
    status: Status
    stats: dict[str, Any]
    question: ShardedProblem
    remainders: NDArray[np.float64] | None = None
    witness_slots: NDArray[np.int32] | None = None
    witness_job: int | None = None

    _rounding: ClassVar[float] = 2.0**-50

    @classmethod
    def of(
        cls, found: tuple[Any, ...], assignment: Any, question: ShardedProblem
    ) -> ShardedMatching:
        """Make a matching of what the core found."""
        prices, load, objective, bound, exact, status, stats, witness, remainders = found
        for array in (prices, load, remainders):
            if array is not None:
                array.flags.writeable = False
        slots, job = None, None
        if witness is not None:
            jobs, slots = witness
            job = int(jobs[0]) if len(jobs) == 1 and not len(slots) else None
        return cls(
            assignment=assignment,
            load=load,
            prices=prices,
            objective=objective,
            bound=bound,
            exact=exact,
            status=status,
            stats=stats,
            question=question,
            remainders=remainders,
            witness_slots=slots,
            witness_job=job,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Set the fields; an array comes out of a pickle writable, so it is closed again."""
        for name, value in state.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            object.__setattr__(self, name, value)

    @property
    def gap(self) -> float:
        """(objective - bound) / max(abs(objective), abs(bound)); 0.0 where both are equal."""
        return 0.0 if self.exact else relative_gap(self.objective, self.bound)

    def __repr__(self) -> str:
        placed = int(self.load.sum())
        jobs = f"{placed} of {self.question.n_jobs} jobs placed in {len(self.load)} classes"
        return (
            f"<ShardedMatching: {self.status}, {jobs}, objective {self.objective}, "
            f"gap {self.gap:.3g}>"
        )

    def verify(self, *, threads: int | None = None) -> SolverCertificate:
        """Check the matching against its problem, by code that shares nothing with the solver.

        Parameters
        ----------
        threads : int, optional
            As in `transport`, and by default as there.

        Returns
        -------
        SolverCertificate

        Raises
        ------
        InvalidProblemError
            There is neither an assignment nor a witness to check, or the matching came from another
            process: it has left its source of jobs there.

        Notes
        -----
        Reads every shard and every cost once, and holds one shard. Sums are exact, so they are the
        same for any number of shards and threads. Of an infeasible problem the witness is checked:
        the jobs that must be placed and fit into `witness_slots` only are counted, and must be more
        than these classes have slots. Not checked: `stats`.
        """
        if self.question.model is None:
            raise InvalidProblemError(
                "question: found no source of jobs, needed that of the process that solved: "
                "pickles and deep copies leave it there",
                "question",
            )
        if self.status == "infeasible":
            return self._proof_of_none(threads)
        if self.assignment is None:
            raise InvalidProblemError(
                f"assignment: found none (the status is {self.status!r}), needed one", "assignment"
            )
        q = self.question
        misfits = (
            array_misfit("prices", self.prices, np.float64, ("n_slots", q.n_slots)),
            array_misfit("load", self.load, np.int64, ("n_slots", q.n_slots)),
        )
        reasons = tuple(misfit for misfit in misfits if misfit)
        if reasons:
            return SolverCertificate(False, False, math.inf, -math.inf, math.inf, math.inf, reasons)
        workers = self._workers(threads)
        parts = q.sums(self.assignment, self.prices, self.remainders, workers)
        found = _core.check_shards(q.model, parts, q.capacity, self.prices, self.remainders)
        return conclude(self, q, found)

    def _workers(self, threads: int | None) -> int:
        return self.question.threads if threads is None else _checks.threads(threads)

    def _proof_of_none(self, threads: int | None) -> SolverCertificate:
        """Check an answer that says that there is none."""
        q = self.question
        reasons = [
            f"{name}: found {claim}, needed inf: there is no matching"
            for name, claim in (("objective", self.objective), ("bound", self.bound))
            if claim != math.inf
        ]
        if self.exact:
            reasons.append("exact: found True, and there is no matching")
        if self.assignment is not None:
            reasons.append("assignment: found one, and there is no matching")
        misfit = self._witness_misfit()
        proof = [misfit] if misfit else self._witness_faults(q, self._workers(threads))
        low = -math.inf if proof else math.inf
        reasons += proof
        return SolverCertificate(
            not reasons, False, math.inf, low, math.inf, math.inf, tuple(reasons)
        )

    def _witness_misfit(self) -> str:
        """Return why no check can read the witness, or an empty string."""
        q, slots, job = self.question, self.witness_slots, self.witness_job
        misfit = array_misfit("witness_slots", slots, np.int32, None)
        if misfit:
            return misfit
        assert slots is not None
        bad = (slots < 0) | (slots >= q.n_slots)
        bad[1:] |= slots[1:] <= slots[:-1]
        if bad.any():
            k = int(bad.argmax())
            return (
                f"witness_slots[{k}]: found {slots[k]}, needed classes below {q.n_slots}, ascending"
            )
        if job is not None and (type(job) is not int or not 0 <= job < q.n_jobs):
            return f"witness_job: found {job!r}, needed a job below {q.n_jobs}, or None"
        return ""

    def _witness_faults(self, q: ShardedProblem, workers: int) -> list[str]:
        """Count the jobs that fit into the classes of the witness only; return what it lacks."""
        slots = self.witness_slots
        assert slots is not None
        job = -1 if self.witness_job is None else self.witness_job
        needed, named, invalid = _core.check_confined(q.confined(slots, job, workers))
        if invalid >= 0:
            return [f"cost: row {invalid} has a NaN or -inf"]
        if job >= 0 and not named:
            return [f"witness_job: job {job} may be placed outside witness_slots, or be left out"]
        available = sum(q.capacity[slots].tolist())
        if needed > available:
            return []
        return [
            f"witness_slots: {needed} jobs that must be placed fit into these {len(slots)} classes "
            f"only, and they have {available} slots"
        ]
