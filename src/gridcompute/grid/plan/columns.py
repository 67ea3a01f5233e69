"""The parts of a plan beside its placements: the dispatch and the prices, as columns."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ... import _checks
from ...errors import InvalidProblemError
from ..tables.column import Columns, Floats, Int32s, column, sealed

if TYPE_CHECKING:
    from numpy.typing import NDArray


#: Prices of gangs, or of quotas by accelerator, where none are priced: no levels, no accelerators.
NO_LEVELS = ()
#: Lifted cover rows where none are priced, and the most that prices may have.
NO_COVERS, MOST_COVERS = (), 1 << 20


_DAY = 24  # hours


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Dispatch(Columns):
    """The power of each site, hour by hour, kWh.

    In every site and hour: load = direct + bundled + grid + green and grey discharge + shed; what a
    direct source delivers = direct + direct charge + exported + curtailed; what is stored
    afterwards = stored before + charge_efficiency * charge - discharge / discharge_efficiency, in
    each colour.

    Parameters
    ----------
    direct_kwh, direct_charge_kwh, exported_kwh, curtailed_kwh : float64 (n_sources, n_sites,
    n_hours)
        Each direct source: used on load, put into the battery (green), sold, thrown away.
    bundled_kwh, bundled_charge_kwh : float64 (n_sites, n_hours)
        Bundled green power: used on load, put into the battery (green).
    grid_kwh, grid_charge_kwh : float64 (n_sites, n_hours)
        Grid power: used on load, put into the battery (grey).
    green_discharge_kwh, grey_discharge_kwh : float64 (n_sites, n_hours)
        Delivered by the battery to load, after losses.
    green_stored_kwh, grey_stored_kwh : float64 (n_sites, n_hours)
        State of charge after the hour.
    certificate_kwh, missing_kwh : float64 (n_scopes,)
        Certificates retired (volume rule only) and what is missing to the mandate, for each row of
        `Problem.mandate_rows`.
    direct_use_short_kwh, direct_load_short_kwh : float64 (n_sites,)
        What is missing to the two shares of the direct-connection rule; 0 at sites not under it.
    shed_kwh : float64 (n_sites, n_hours)
        Load that goes without power.
    """

    title: ClassVar[str] = "dispatch"

    direct_kwh: Floats = column("source site hour", np.float64, "kWh")
    direct_charge_kwh: Floats = column("source site hour", np.float64, "kWh")
    exported_kwh: Floats = column("source site hour", np.float64, "kWh")
    curtailed_kwh: Floats = column("source site hour", np.float64, "kWh")
    bundled_kwh: Floats = column("site hour", np.float64, "kWh")
    bundled_charge_kwh: Floats = column("site hour", np.float64, "kWh")
    grid_kwh: Floats = column("site hour", np.float64, "kWh")
    grid_charge_kwh: Floats = column("site hour", np.float64, "kWh")
    green_discharge_kwh: Floats = column("site hour", np.float64, "kWh")
    grey_discharge_kwh: Floats = column("site hour", np.float64, "kWh")
    green_stored_kwh: Floats = column("site hour", np.float64, "kWh")
    grey_stored_kwh: Floats = column("site hour", np.float64, "kWh")
    certificate_kwh: Floats = column("scope", np.float64, "kWh")
    missing_kwh: Floats = column("scope", np.float64, "kWh")
    direct_use_short_kwh: Floats = column("site", np.float64, "kWh", default=0.0)
    direct_load_short_kwh: Floats = column("site", np.float64, "kWh", default=0.0)
    shed_kwh: Floats = column("site hour", np.float64, "kWh", default=0.0)

    @property
    def green_kwh(self) -> Floats:
        """Green power used on load in its own hour, (n_sites, n_hours)."""
        direct = self.direct_kwh.sum(axis=0)
        return np.asarray(direct + self.bundled_kwh + self.green_discharge_kwh)

    @property
    def load_kwh(self) -> Floats:
        """All load, (n_sites, n_hours): the power used, and the load that is shed."""
        return np.asarray(self.green_kwh + self.grid_kwh + self.grey_discharge_kwh + self.shed_kwh)


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Pieces(Columns):
    """The pieces in which interrupted jobs run, one row each, by job and first hour.

    Parameters
    ----------
    job : int32 (n_pieces,)
        Row of the jobs table; each has at least two pieces.
    start, hours : int32 (n_pieces,), hours
        Its first hour, and how long it lasts, its restart included. Between two pieces of a job
        there is at least an idle hour.
    """

    title: ClassVar[str] = "pieces"

    job: Int32s = column("piece", np.int32, "row of jobs", low=0)
    start: Int32s = column("piece", np.int32, "hour", low=0)
    hours: Int32s = column("piece", np.int32, "hours", low=1)

    def check(self) -> None:
        """Rows are in order, jobs have two pieces or more, and these are apart."""
        same = self.job[1:] == self.job[:-1]
        rising = np.append(True, (self.job[1:] > self.job[:-1]) | same)
        self.require(rising[: len(self.job)], "job", "rows of jobs in ascending order")
        many = np.append(False, same) | np.append(same, False)
        self.require(many[: len(self.job)], "job", "at least two pieces of a job")
        end = self.start[:-1].astype(np.int64) + self.hours[:-1]
        apart = np.append(True, ~same | (self.start[1:] > end))
        needed = "an hour after an idle one that follows the job's piece before"
        self.require(apart[: len(self.job)], "start", needed)


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Placement(Columns):
    """The class and the first hour of placed jobs.

    Parameters
    ----------
    klass : int32 (n_jobs,)
        Class of each job, -1 = unplaced.
    start : int32 (n_jobs,)
        Its first hour, -1 = unplaced.
    pieces : Pieces, optional
        Of the jobs that run in pieces; the others run whole.
    """

    title: ClassVar[str] = "placement"

    klass: Int32s = column("job", np.int32, low=-1)
    start: Int32s = column("job", np.int32, low=-1)
    pieces: Pieces | None = None

    def check(self) -> None:
        """A job has both a class and an hour, or neither; pieces begin with the job."""
        needed = "-1 where klass is -1, and only there"
        self.require((self.klass < 0) == (self.start < 0), "start", needed)
        pieces: object = self.pieces
        if pieces is None:
            return
        if not isinstance(pieces, Pieces):
            found = type(pieces).__name__
            raise TypeError(f"placement.pieces must be a grid.Pieces, not {found}")
        if not len(pieces.job):
            object.__setattr__(self, "pieces", None)
            return
        n = len(self.klass)
        pieces.require(pieces.job < n, "job", f"below {n}, the number of jobs placed")
        first = np.append(True, pieces.job[1:] != pieces.job[:-1])
        same = ~first | (self.start[pieces.job] == pieces.start)
        pieces.require(same, "start", "the first hour of its job for a job's first piece")


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Prices(Columns):
    """The saving of one more unit of each scarce resource.

    `capacity`, `energy`, `corridor`, `quota`, `gang` and `cover_yuan` are the prices that prove the
    plan's bound: any plan costs at least what `Plan.verify` recomputes from them. All but the last
    also warm-start the next match. An hour in their units is a step of the batch, and a kW a kWh a
    step, where `Problem.step_h` is not 1.

    Parameters
    ----------
    capacity : float64 (n_classes, n_hours), yuan per accelerator-hour
    energy : float64 (n_sites, n_hours), yuan/kWh
        Of load; carbon and the mandate included.
    corridor : float64 (n_sites, n_sites, n_hours), yuan/GB
    quota : float64 (n_tenants,), yuan per accelerator-hour
        Negative down to ``-below_yuan_per_accelerator_h`` where a tenant is below its lower bound.
        A job pays the price of its tenant's quota and of those above it.
    quota_by_accelerator : float64 (n_accelerators, n_tenants), yuan per accelerator-hour
        Of quotas on one accelerator each; no rows where quotas do not distinguish accelerators.
    mandate : float64 (n_scopes, 2), yuan/kWh
        Left and right derivative by the green energy asked for: duals are steps, not numbers.
    mandate_bound : float64 (n_scopes,), yuan/kWh
        The mandate's price in the bound: what green power is worth over all plans, not beside this
        one. A plan that misses some kWh has a local price, in `mandate`, as high as the penalty.
    storage : float64 (n_sites, 2)
        What one more kWh of size and one more kW of power would save in the batch, yuan; 0 where
        there is no battery, or one without power.
    gang : float64 (n_levels, n_classes, n_hours), yuan per gang
        Where jobs are few: price of each gang of `gang_size` accelerators that a job has, beside
        that of its accelerators. Of K accelerators ``K // 2`` gangs of 2 can be made, so that
        whole gangs leave some unused; the bound accounts for it. No levels where jobs are many.
    gang_size : int32 (n_levels,), accelerators
        2, 4, 8 and so on, and other sizes that gangs have, each once. Whatever they are, the bound
        holds. None given = powers of two.
    cover_class, cover_size, cover_first, cover_last, cover_job : int32 (n_covers,)
        Lifted cover rows, each with a class, a size of gangs, its first and last hour, and a row of
        the jobs table. Where the class has at most C accelerators in one of these hours, at most
        ``C // size`` gangs of that size run through all of them; the row says that the job takes
        the room of some of these wherever it runs in any of the hours. At most 1,048,576 rows;
        those of a job that runs and cannot move prove nothing.
    cover_yuan : float64 (n_covers,), yuan per gang
        The price of each row. A job pays it ``gang // size`` times where it runs through all hours
        of the row, and the row's own job ``C // size - (C - gang) // size`` times where it runs in
        any of them. Interruptible jobs, and those that cannot move, pay nothing.
    placement : Placement, optional
        Where the jobs went at these prices. The next match begins with what still fits of it, if it
        has as many jobs; it proves nothing, and is not stored with a plan.
    """

    title: ClassVar[str] = "prices"

    capacity: Floats = column("class hour", np.float64, "yuan per accelerator-hour", low=0)
    energy: Floats = column("site hour", np.float64, "yuan/kWh")
    corridor: Floats = column("site destination hour", np.float64, "yuan/GB", low=0)
    quota: Floats = column("tenant", np.float64, "yuan per accelerator-hour")
    quota_by_accelerator: Floats = column(
        "accelerator tenant", np.float64, "yuan per accelerator-hour", default=NO_LEVELS
    )
    mandate: Floats = column("scope side", np.float64, "yuan/kWh")
    mandate_bound: Floats = column("scope", np.float64, "yuan/kWh", default=0.0)
    storage: Floats = column("site capability", np.float64, "yuan per kWh and per kW")
    gang: Floats = column("level class hour", np.float64, "yuan per gang", default=NO_LEVELS, low=0)
    gang_size: Int32s = column("size", np.int32, "accelerators", default=NO_LEVELS, low=1)
    cover_class: NDArray[Any] = column("cover", np.int32, "class", default=NO_COVERS, low=0)
    cover_size: NDArray[Any] = column("cover", np.int32, "accelerators", default=NO_COVERS, low=1)
    cover_first: NDArray[Any] = column("cover", np.int32, "hour", default=NO_COVERS, low=0)
    cover_last: NDArray[Any] = column("cover", np.int32, "hour", default=NO_COVERS, low=0)
    cover_job: NDArray[Any] = column("cover", np.int32, "row of jobs", default=NO_COVERS, low=0)
    cover_yuan: Floats = column("cover", np.float64, "yuan per gang", default=NO_COVERS, low=0)
    placement: Placement | None = None

    def shift(
        self,
        hours: int,
        ids: tuple[Any, Any] | None = None,
        *,
        length: int | None = None,
        day: int = _DAY,
    ) -> Prices:
        """The prices some hours later, to begin the next match with.

        The first `hours` hours fall away. Hours that are new have the prices of the same hour of
        the last day that has any, or of the last hour where there is no whole day. Lifted cover
        rows fall away: they are of jobs and hours of this match.

        Parameters
        ----------
        hours : int
            0 or more; whatever is left is kept.
        ids : pair of array, optional
            The ids of the jobs that `placement` is for, and of those of the next match, in their
            order: each job is where it was, and a job that was not there, or whose start has
            passed, nowhere. None: the same jobs in the same order.
        length : int, optional
            Hours of the next match. None = as many as here.
        day : int, optional
            Hours of a day, at least 1: 96 where the problem's steps are 15 minutes.

        Returns
        -------
        Prices

        Examples
        --------
        >>> import gridcompute as gc
        >>> day = gc.grid.east_west(n_jobs=200, seed=0, hours=26)
        >>> plan = gc.match(day.window(0, 24), gap=0.1, time_limit=1)
        >>> later = plan.prices.shift(1)
        >>> bool((later.energy[:, :23] == plan.prices.energy[:, 1:]).all())
        True
        >>> bool((later.energy[:, 23] == plan.prices.energy[:, 0]).all())
        True
        """
        before = self.capacity.shape[1]
        hours = _checks.whole("hours", hours, 0, 2**31 - 1)
        length = before if length is None else _checks.whole("length", length, 1, 2**31 - 1)
        day = _checks.whole("day", day, 1, 2**31 - 1)
        at = np.arange(length) + hours
        late = at >= before
        at[late] = before - day + (at[late] - before) % day if before >= day else before - 1
        kept = {
            name: np.take(getattr(self, name), at, spec.dims.index("hour"))
            for name, spec in self.columns().items()
            if "hour" in spec.dims
        }
        placement = self.placement
        if placement is not None:
            klass, start, rows = placement.klass, placement.start - hours, None
            if ids is not None:
                rows = _rows_by_id(*ids, len(klass))
                klass, start = (np.append(values, -1)[rows] for values in (klass, start))
            gone = (klass < 0) | (start < 0) | (start >= length)
            placement = Placement(
                klass=np.where(gone, -1, klass),
                start=np.where(gone, -1, start),
                pieces=_later(placement.pieces, hours, gone, rows),
            )
        return self.replace(placement=placement, **kept, **_no_covers())

    @property
    def quota_rows(self) -> Floats:
        """The prices of `Quotas.linear_rows`, in their order."""
        return sealed(np.concatenate([self.quota, self.quota_by_accelerator.ravel()]))

    @property
    def gang_rows(self) -> list[tuple[int, Floats]]:
        """Each size of gangs that has prices, with these by class and hour.

        Powers of two where `gang_size` names none.
        """
        sizes = self.gang_size.tolist() or [2 << k for k in range(len(self.gang))]
        return list(zip(sizes, self.gang, strict=True))

    def check(self) -> None:
        """Each price of gangs has its size, and the placement's classes and hours have prices."""
        if len(self.gang_size) not in (0, len(self.gang)):
            message = f"prices.gang_size has {len(self.gang_size)} sizes, needed {len(self.gang)}"
            raise InvalidProblemError(f"{message}, one for each level of gang", "prices.gang_size")
        order = np.argsort(self.gang_size, kind="stable")
        again = order[1:][np.diff(self.gang_size[order]) == 0]
        if len(again):
            at = int(again.min())
            message = f"prices.gang_size[{at}]: found {self.gang_size[at]} again, needed"
            raise InvalidProblemError(f"{message} each size once", "prices.gang_size", at)
        self._check_covers()
        placement: object = self.placement
        if placement is None:
            return
        if not isinstance(placement, Placement):
            found = type(placement).__name__
            raise TypeError(f"prices.placement must be a grid.Placement, not {found}")
        for name, size, what in zip(
            ("klass", "start"), self.capacity.shape, ("classes", "hours"), strict=True
        ):
            needed = f"below {size}, the number of {what} in prices.capacity"
            placement.require(getattr(placement, name) < size, name, needed)

    def _check_covers(self) -> None:
        """Lifted cover rows are of classes and hours that have prices."""
        n = len(self.cover_yuan)
        if n > MOST_COVERS:
            message = f"prices.cover_yuan has {n:,} rows, needed at most {MOST_COVERS:,}"
            raise InvalidProblemError(message, "prices.cover_yuan")
        classes, hours = self.capacity.shape
        needed = f"below {classes}, the number of classes in prices.capacity"
        self.require(self.cover_class < classes, "cover_class", needed)
        needed = f"below {hours}, the number of hours in prices.capacity"
        self.require(self.cover_last < hours, "cover_last", needed)
        needed = "an hour not before prices.cover_first"
        self.require(self.cover_first <= self.cover_last, "cover_last", needed)


def _no_covers() -> dict[str, Any]:
    """Return the columns of lifted cover rows, without any."""
    columns = Prices.columns().items()
    return {name: sealed(np.zeros(0, s.dtype)) for name, s in columns if s.dims == ("cover",)}


def _later(pieces: Pieces | None, hours: int, gone: Any, rows: Any) -> Pieces | None:
    """Return pieces some hours later; `rows` is where each job was, None = where it is.

    Those of jobs that are gone fall away.
    """
    if pieces is None or not len(gone):
        return None
    place = np.arange(len(gone))
    if rows is not None:
        place = np.full(max(int(pieces.job.max()), int(rows.max(initial=-1))) + 1, -1)
        place[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
    job = place[pieces.job]
    kept = (job >= 0) & ~gone[job]
    if not kept.any():
        return None
    job, start, length = job[kept], pieces.start[kept] - hours, pieces.hours[kept]
    order = np.lexsort((start, job))
    return Pieces(job=job[order], start=start[order], hours=length[order])


def _rows_by_id(before: Any, now: Any, n: int) -> Any:
    """Return where each id of `now` is in `before`, -1 if it is not there."""
    was, ids = (_checks.plain_array("ids", values) for values in (before, now))
    if was.shape != (n,) or ids.ndim != 1:
        message = f"ids: found shapes {was.shape} and {ids.shape}, needed ({n},) and one axis"
        raise InvalidProblemError(message, "ids")
    if not n or not len(ids):
        return np.full(len(ids), -1)
    order = np.argsort(was, kind="stable")
    at = np.minimum(np.searchsorted(was[order], ids), n - 1)
    return np.where(was[order][at] == ids, order[at], -1)
