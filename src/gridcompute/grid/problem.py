"""One batch to be matched: all tables together, checked against each other once."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any, Self

import numpy as np

from ..errors import InvalidProblemError
from .columns import Bools, Column, Floats, Int32s, Table
from .corridors import Corridors
from .energy import Energy
from .jobs import Jobs
from .mandate import Mandate, MandateRows, Quotas
from .sites import Classes, Sites

__all__ = ["REASONS", "ROUNDING_H", "Problem"]

#: Filters in the order they are applied, each with what it means for a job to fall at it. A job without
#: options is given the first filter after which nothing is left. The tokens are stable.
REASONS = {
    "FamilyUnsupported": "no class can run this job family",
    "MemoryTooSmall": "no accelerator has the memory",
    "ResidencyForbids": "the data may not go to any site left",
    "LatencyTooHigh": "every site left is too far from the origin",
    "WindowTooShort": "no class left finishes between release and deadline",
    "GangTooLarge": "no class left ever has that many accelerators free at once for that long",
    "DataExceedsCorridor": "no corridor left carries the data in one hour",
    "QuotaTooSmall": "the tenant's quota is below what this job alone takes",
}

#: Forgiven before hours are rounded up: 3 h of work at throughput 0.3 is 10 hours, not 11.
ROUNDING_H = 1e-9


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """A batch of jobs, the classes that can run them, and every rule between: frozen, checked once.

    Parameters
    ----------
    jobs : Jobs
    sites : Sites
    classes : Classes
    hours : int
        Hours in the batch; every hourly column has this many.
    energy : Energy
    corridors : Corridors
    quotas : Quotas
        One row per tenant; `Quotas.unlimited` where nobody is limited.
    mandate : Mandate
        Default: no share is asked.
    name : str
        For reports.

    Notes
    -----
    An option of job j is (class c, start t): the gang occupies c in hours ``t <= h < t + d`` with
    ``d = max(1, ceil(work_h / throughput[family, c] - 1e-9))``. It is open if ``release <= t``,
    ``t + d <= deadline`` and every filter of `REASONS` passes. Its cost beside shared resources is
    ``data_gb * price_yuan_per_gb[origin, site] + delay_yuan_per_h * (t - release)``, plus
    ``migration_yuan`` if the job was placed and this is not that very option. It takes
    ``gang`` accelerators of c in each of its hours, ``gang * kwh_per_accelerator_h[c, h]`` kWh of
    its site in each of its hours, ``data_gb`` of the corridor origin -> site in hour t (nothing if
    origin is the site), and ``gang * d`` accelerator-hours of its tenant's quota.

    Raises
    ------
    InvalidProblemError
        A column whose size or values do not fit the other tables, naming both sides.
    """

    jobs: Jobs
    sites: Sites
    classes: Classes
    hours: int
    energy: Energy
    corridors: Corridors
    quotas: Quotas
    mandate: Mandate = Mandate(share=0.0)
    name: str = "problem"

    def __post_init__(self) -> None:
        """Check the tables against each other."""
        kinds = {"jobs": Jobs, "sites": Sites, "classes": Classes, "energy": Energy}
        kinds |= {"corridors": Corridors, "quotas": Quotas, "mandate": Mandate}
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                found = type(getattr(self, name)).__name__
                raise TypeError(f"problem.{name} must be a {kind.__name__}, not {found}")
        if isinstance(self.hours, bool) or not isinstance(self.hours, (int, np.integer)):
            raise TypeError(f"problem.hours must be an int, not {type(self.hours).__name__}")
        if self.hours < 1:
            raise InvalidProblemError(f"problem.hours is {self.hours}, needed >= 1", "hours")
        object.__setattr__(self, "hours", int(self.hours))
        self._check_sizes()
        self._check_references()
        self.mandate.applies_to(self.sites)

    def _check_sizes(self) -> None:
        sizes = {
            "site": (len(self.sites), "sites"),
            "origin": (len(self.sites), "sites"),
            "destination": (len(self.sites), "sites"),
            "class": (len(self.classes), "classes"),
            "hour": (self.hours, "problem.hours"),
        }
        tables: list[Table] = [self.sites, self.classes, self.energy, self.corridors]
        for table in tables:
            for name, spec in table.columns().items():
                _check_shape(table, name, spec, sizes)

    def _check_references(self) -> None:
        jobs, n_sites = self.jobs, len(self.sites)
        limits = [
            (jobs, "family", len(self.classes.throughput), "classes.throughput"),
            (jobs, "origin", n_sites, "sites"),
            (jobs, "tenant", len(self.quotas), "quotas"),
            (jobs, "placed_class", len(self.classes), "classes"),
            (jobs, "placed_start", self.hours, "problem.hours"),
            (self.classes, "site", n_sites, "sites"),
        ]
        for table, column, size, where in limits:
            table.require(
                getattr(table, column) < size, column, f"below {size}, the size of {where}"
            )
        jobs.require(
            jobs.deadline <= self.hours, "deadline", f"at most {self.hours}, problem.hours"
        )
        everywhere = (1 << n_sites) - 1
        jobs.require(
            (jobs.residency & everywhere) != 0,
            "residency",
            f"a bit of one of the {n_sites} sites set",
        )

    def replace(self, **changes: Any) -> Self:
        """This problem with some tables changed, checked again.

        Examples
        --------
        >>> from gridcompute import grid
        >>> problem = grid.east_west(n_jobs=100, seed=0)
        >>> stricter = problem.replace(mandate=grid.Mandate(share=0.9))
        >>> stricter.mandate.share, problem.mandate.share
        (0.9, 0.8)
        """
        return dataclasses.replace(self, **changes)

    # -- What follows from the tables; computed once -----------------------------------------------

    @cached_property
    def pue(self) -> Floats:
        """`Sites.pue` by site and hour, (n_sites, n_hours)."""
        return _hourly(self.sites.pue, self.hours)

    @cached_property
    def carbon_g_per_kwh(self) -> Floats:
        """`Sites.carbon_g_per_kwh` by site and hour, (n_sites, n_hours)."""
        return _hourly(self.sites.carbon_g_per_kwh, self.hours)

    @cached_property
    def kwh_per_accelerator_h(self) -> Floats:
        """Energy at the grid connection of one busy accelerator, kWh, (n_classes, n_hours)."""
        at_server = self.classes.power_kw + self.classes.overhead_kw
        return np.ascontiguousarray(at_server[:, None] * self.pue[self.classes.site])

    @cached_property
    def mandate_rows(self) -> MandateRows:
        """The mandate as linear rows over sites."""
        return self.mandate.rows(self.sites)

    @cached_property
    def reachable(self) -> Floats:
        """Delay that `Jobs.latency_ms` is compared with, (n_sites origin, n_sites), ms."""
        return np.ascontiguousarray(self.corridors.latency_ms)

    def hours_needed(self, jobs: Any = slice(None)) -> Int32s:
        """Hours each job occupies each class, (len(jobs), n_classes); 0 = the class cannot run it.

        Parameters
        ----------
        jobs : index or slice into the jobs
            All by default; that is n_jobs x n_classes numbers, so take blocks of a large batch.
        """
        speed = self.classes.throughput[self.jobs.family[jobs]]
        with np.errstate(divide="ignore"):
            hours = np.ceil(self.jobs.work_h[jobs][:, None] / speed - ROUNDING_H)
        hours = np.where(speed > 0, np.clip(hours, 1, self.hours + 1), 0)
        return hours.astype(np.int32)

    def eligible(self, jobs: Any = slice(None)) -> Bools:
        """Which classes have at least one open option for each job, (len(jobs), n_classes)."""
        return self._filtered(jobs)[0]

    def why_not(self, jobs: Any = slice(None)) -> list[str | None]:
        """For each job without any option its token of `REASONS`, None for the others."""
        tokens = list(REASONS)
        return [None if r < 0 else tokens[r] for r in self._filtered(jobs)[1]]

    def _filtered(self, jobs: Any) -> tuple[Bools, Int32s]:
        """Classes left after all filters, and the filter at which nothing was left (-1 = none)."""
        table, classes = self.jobs, self.classes
        index = np.atleast_1d(np.arange(len(table))[jobs])
        site, need = classes.site, self.hours_needed(index)
        gang, origin = table.gang[index], table.origin[index]
        release, deadline = table.release[index][:, None], table.deadline[index][:, None]
        allowed = (table.residency[index][:, None] >> site.astype(np.int64)) & 1
        left = np.ones((len(index), len(classes)), bool)
        reason = np.full(len(index), -1, np.int32)
        filters = [
            need > 0,
            table.memory_gb[index][:, None] <= classes.memory_gb,
            allowed == 1,
            self.reachable[origin][:, site] <= table.latency_ms[index][:, None],
            release + need <= deadline,
        ]
        for k, passed in enumerate(filters):
            left &= passed
            reason[(reason < 0) & ~left.any(axis=1)] = k
        roomy = left & (self._starts(index, need, left, data=False) > 0)
        reason[(reason < 0) & ~roomy.any(axis=1)] = len(filters)
        left = roomy & (self._starts(index, need, roomy, data=True) > 0)
        reason[(reason < 0) & ~left.any(axis=1)] = len(filters) + 1
        quota = self.quotas.upper_accelerator_h[table.tenant[index]][:, None]
        left &= gang[:, None] * need.astype(np.float64) <= quota
        reason[(reason < 0) & ~left.any(axis=1)] = len(filters) + 2
        return left, reason

    def _starts(self, index: Int32s, need: Int32s, among: Bools, *, data: bool) -> Int32s:
        """How many start hours are open by capacity (and by the corridor, if `data`), per job and class."""
        table, site = self.jobs, self.classes.site
        rows, cols = np.nonzero(among)
        jobs, d = index[rows], need[rows, cols]
        count = np.zeros(among.shape, np.int32)
        room = np.concatenate([self.classes.capacity, np.zeros((len(site), 1), np.int64)], axis=1)
        for t in range(self.hours):
            open_ = (table.release[jobs] <= t) & (t + d <= table.deadline[jobs])
            for ahead in range(int(d[open_].max(initial=0))):
                hour = np.minimum(t + ahead, self.hours)
                open_ &= (ahead >= d) | (room[cols, hour] >= table.gang[jobs])
            if data:
                wire = self.corridors.bandwidth_gb[table.origin[jobs], site[cols], t]
                open_ &= table.data_gb[jobs] <= wire
            count[rows, cols] += open_
        return count

    def __repr__(self) -> str:
        """A line to recognise it by."""
        sizes = f"{len(self.jobs):,} jobs, {len(self.classes)} classes at {len(self.sites)} sites"
        return f"<Problem {self.name!r}: {sizes}, {self.hours} hours>"


def _hourly(values: Floats, hours: int) -> Floats:
    wide = values if values.ndim == 2 else np.broadcast_to(values[:, None], (len(values), hours))
    return np.ascontiguousarray(wide)


def _check_shape(table: Table, name: str, spec: Column, sizes: dict[str, tuple[int, str]]) -> None:
    shape = getattr(table, name).shape
    for dim, found in zip(spec.dims, shape, strict=False):
        needed, where = sizes.get(dim, (found, ""))
        if found != needed:
            message = (
                f"{table.title}.{name} has shape {shape}, {found} along '{dim}', "
                f"needed {needed}, the size of {where}"
            )
            raise InvalidProblemError(message, f"{table.title}.{name}")
