"""One batch to be matched: all tables together, checked against each other once.

Load below a site's minimum, and changes beyond its limit, are priced here.

What is allowed and looks like a mistake is a warning: watts for kilowatts, a mandate of no site.
"""

from __future__ import annotations

import dataclasses
import sys
import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from ... import _checks
from ...errors import InvalidProblemError
from ..eligibility import REASONS, filtered, hours_needed
from . import times
from .column import Frozen, frozen, sealed
from .jobs import Jobs, Running, pinned_accelerators, require_room, running_as_jobs
from .mandate import DirectRows, DirectRule, Mandate, MandateRows
from .names import LIMITS, MOST_CARRIED_KWH
from .quotas import Quotas
from .sites import Classes, Corridors, Energy, Sites
from .times import jobs_in_window, sites_in_window, sliced, start_of, time_of

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterator

    from .column import Bools, Column, Floats, Int32s, Int64s, Table


class LoadExcess(NamedTuple):
    """By site and hour, (n_sites, n_hours), kWh; 0 at sites without limits."""

    #: The shortfall of the load below the minimum.
    below_kwh: Floats
    #: By how much the load rises or falls beyond what it may, from the step before.
    beyond_kwh: Floats

    @property
    def kwh(self) -> Floats:
        """The sum of both."""
        return np.asarray(self.below_kwh + self.beyond_kwh)


def hourly_minimum(sites: Sites, hours: int) -> Floats:
    """Return the minimum load by site and hour, (n_sites, n_hours)."""
    least = sites.minimum_load_kw
    wide = least if least.ndim == 2 else np.broadcast_to(least[:, None], (len(least), hours))
    return np.asarray(wide)


def load_excess(problem: Problem, drawn_kwh: Floats) -> LoadExcess:
    """Return how far loads that are drawn lie outside the limits of their sites.

    Parameters
    ----------
    problem : Problem
        One whose step is the unit of time (`Problem.stepped`).
    drawn_kwh : float64 (n_sites, n_hours)
        Load that has power: what is shed is no load here.
    """
    sites = problem.sites
    below = np.maximum(hourly_minimum(sites, drawn_kwh.shape[1]) - drawn_kwh, 0.0)
    # Without a load before, the first step's change is none.
    before = np.where(np.isinf(sites.load_before_kw), drawn_kwh[:, 0], sites.load_before_kw)
    change = np.diff(drawn_kwh, axis=1, prepend=before[:, None])
    beyond = np.maximum(change - sites.ramp_up_kw[:, None], 0.0)
    beyond = beyond + np.maximum(-change - sites.ramp_down_kw[:, None], 0.0)
    return LoadExcess(below, beyond)


def load_limits_yuan(problem: Problem, drawn_kwh: Floats) -> Floats:
    """Return what loads outside the limits cost, by site and hour, yuan."""
    price = problem.sites.load_limit_yuan_per_kwh[:, None]
    return np.asarray(price * load_excess(problem, drawn_kwh).kwh)


#: Modules that build a problem on behalf of their caller, which receives the warning; any other of
#: this package builds one from a problem whose maker has received it.
ON_BEHALF = frozenset(
    (
        "dataclasses",
        "gridcompute.grid.files.read_write",
        "gridcompute.grid.plan.whatif",
        "gridcompute.grid.tables.problem",
    )
)


class ImplausibleUnitWarning(UserWarning):
    """A value lies far outside what is built, paid or emitted anywhere: perhaps another unit."""


class IdleRuleWarning(UserWarning):
    """A rule is asked for and applies to nothing, so that it changes no plan."""


class Range(NamedTuple):
    """The plausible range of a column; values of exactly 0, and infinite ones, always are."""

    table: str
    column: str
    least: float
    most: float
    unit: str
    hint: str


#: The ranges, a factor of three or more beyond anything known.
RANGES = (
    Range("classes", "power_kw", 0.0, 5.0, "kW an accelerator", "watts?"),
    Range("classes", "overhead_kw", 0.0, 5.0, "kW an accelerator", "watts?"),
    Range("classes", "memory_gb", 0.0, 4096.0, "GB an accelerator", "megabytes?"),
    Range("classes", "throughput", 0.0, 1e3, "times the reference", "TFLOPS?"),
    Range("sites", "pue", 0.0, 3.0, "", "percent?"),
    Range("sites", "carbon_g_per_kwh", 3.0, 2500.0, "g/kWh", "kg or tonnes?"),
    Range("energy", "tariff_yuan_per_kwh", -20.0, 20.0, "yuan/kWh", "yuan/MWh?"),
    Range("energy", "bundled_yuan_per_kwh", -20.0, 20.0, "yuan/kWh", "yuan/MWh?"),
    Range("energy", "direct_yuan_per_kwh", -20.0, 20.0, "yuan/kWh", "yuan/MWh?"),
    Range("energy", "certificate_yuan_per_kwh", 0.0, 1.0, "yuan/kWh", "yuan a certificate?"),
    Range("energy", "carbon_yuan_per_t", 0.0, 1e4, "yuan/t", "yuan/kg?"),
    Range("corridors", "price_yuan_per_gb", 0.0, 100.0, "yuan/GB", "yuan/TB?"),
    Range("corridors", "delay_ms", 0.0, 1e3, "ms", "microseconds?"),
    Range("jobs", "work_h", 0.0, 8784.0, "h", "seconds?"),
    Range("jobs", "memory_gb", 0.0, 4096.0, "GB an accelerator", "megabytes?"),
    Range("jobs", "data_gb", 0.0, 1e7, "GB", "megabytes?"),
    Range("jobs", "latency_ms", 0.1, np.inf, "ms", "seconds?"),
)


def warn_of_mistakes(problem: Any) -> None:
    """Warn of each probable mistake at the line of the caller that made the problem."""
    caller = sys._getframe(1)
    while caller.f_back is not None and caller.f_globals.get("__name__") in ON_BEHALF:
        caller = caller.f_back
    module = str(caller.f_globals.get("__name__"))
    if module.startswith("gridcompute.") and not module.startswith("gridcompute.cli"):
        return
    found: list[tuple[str, type[UserWarning]]]
    found = [(words, ImplausibleUnitWarning) for words in implausible(problem)]
    found += [(words, IdleRuleWarning) for words in _idle(problem)]
    for words, kind in found:
        warnings.warn_explicit(
            words,
            kind,
            caller.f_code.co_filename,
            caller.f_lineno,
            module,
            caller.f_globals.setdefault("__warningregistry__", {}),
        )


def implausible(problem: Any) -> Iterator[str]:
    """Yield a sentence for each column with a value out of its range, with its first such place.

    `problem` is a `Problem`, or anything else that has its tables.
    """
    for spec in RANGES:
        values = np.asarray(getattr(getattr(problem, spec.table), spec.column))
        odd = np.isfinite(values) & (values != 0) & ((values < spec.least) | (values > spec.most))
        if odd.any():
            at = np.unravel_index(int(np.argmax(odd)), odd.shape)
            place = ", ".join(str(int(i)) for i in at)
            where = f"{spec.table}.{spec.column}" + (f"[{place}]" if values.ndim else "")
            size = f"{values[at]:g} {spec.unit}".rstrip()
            likely = f"{spec.least:g} to {spec.most:g}" if spec.least else f"up to {spec.most:g}"
            yield f"{where} is {size}, where {likely} is plausible: {spec.hint}"
    yield from _unreachable(problem)


def _idle(problem: Any) -> Iterator[str]:
    """Yield a sentence for a mandate that asks for a share and holds no site."""
    mandate = problem.mandate
    if mandate.share <= 0 or mandate.applies_to(problem.sites).any():
        return
    why = "no site is new" if mandate.new is None else "mandate.new is false for every site"
    needed = "write true in the column new of sites (sites.csv) for each site that it is to hold"
    if mandate.new is not None:
        needed = "set it true for each site that the mandate is to hold"
    yield f"mandate.share is {mandate.share:g}, but {why}, so that it asks for nothing: {needed}"


def _unreachable(problem: Any) -> Iterator[str]:
    """Yield a sentence for the first site whose minimum load is more than it can ever draw."""
    sites, classes = problem.sites, problem.classes
    if not (sites.minimum_load_kw > 0).any():
        return
    most = problem.energy.base_load_kwh.max(axis=1) / problem.step_h
    busy = (classes.power_kw + classes.overhead_kw) * classes.capacity.max(axis=1)
    pue = sites.pue.reshape(len(sites), -1).max(axis=1)
    most = most + pue * np.bincount(classes.site, busy, len(sites))
    least = sites.minimum_load_kw.reshape(len(sites), -1).max(axis=1)
    for s in np.flatnonzero(least > most * (1 + 1e-9))[:1].tolist():
        found = f"sites.minimum_load_kw[{s}] is {least[s]:g} kW"
        yield f"{found}, where {most[s]:g} is drawn with all accelerators busy: watts?"


#: Jobs up to which gangs have prices of their own, and sizes at most that have them beside powers
#: of two: each takes a row for every class and hour. They fix the shape of the prices and what a
#: stored plan holds, not the speed of a search alone: so they stand here, and not among the
#: planner's settings.
LEVELLED_JOBS, MOST_SIZES = 4_000, 8


@dataclasses.dataclass(frozen=True, eq=False)
class Problem(Frozen):
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
        One row per tenant; `Quotas.unlimited` where no tenant is limited.
    mandate : Mandate
        Default: no share is asked.
    name : str
        For reports.
    direct_rule : DirectRule
        What sites with direct sources must use of them. Default: nothing is asked.
    running : Running, optional
        Jobs that run when the batch begins; the others wait.
    start : datetime, numpy.datetime64 or str, optional
        When hour 0 begins, e.g. ``"2026-03-01T00:00+08:00"`` or with the name of a zone,
        ``"2026-03-01T00:00[Asia/Shanghai]"``. Results, files and pages then say times as well.
    sources : sequence of (str, str)
        What a figure is and where it comes from, for reports: a source begins with "sourced:",
        "derived:" or "assumed", or names a page.
    step_h : float, hours
        Length of a step of the batch, from a minute to an hour; 0.25 = 15 minutes. `hours` then
        counts steps, and hourly columns and columns that count hours (`release`, `deadline`,
        `placed_start`, `least_piece_h`, `hours_left`, `restart_h`) go by the step: kWh and GB are
        those of a step. What is a rate or a length in hours stays one: kW, yuan per hour, `work_h`,
        accelerator-hours.

    Notes
    -----
    An option of job j is (class c, start t): the gang occupies c in hours ``t <= h < t + d`` with
    ``d = max(1, ceil(work_h / (throughput[family, c] * step_h) - 1e-9))``. It is open if
    ``release <= t``, ``t + d <= deadline`` and every filter of `REASONS` passes. Its cost beside
    shared resources is
    ``data_gb * price_yuan_per_gb[origin, site] + delay_yuan_per_h * (t - release) * step_h``, plus
    ``migration_yuan`` if the job was placed and this is not that very option. It takes
    ``gang`` accelerators of c in each of its hours, ``gang * kwh_per_accelerator_h[c, h]`` kWh of
    its site in each of its hours, ``data_gb`` of the corridor origin -> site in hour t (nothing if
    origin is the site), and ``gang * d * step_h`` accelerator-hours of its tenant's quota and of
    those above it.

    An interruptible job has options in pieces as well: with k pieces at class c, at least an idle
    hour between one and the next, it occupies ``d + (k - 1) * restart_h`` hours in all. Each piece
    is at least ``least_piece_h`` long, and each but the first longer than ``restart_h``. It takes
    of shared resources in its own hours what any job takes in them, its data travel in its first
    hour, and its delay is counted to its end: ``delay_yuan_per_h * (end - d - release) * step_h``.
    Each piece but the first costs ``restart_yuan`` more.

    A job that runs has the options that `effective` gives it. Where power does not reach what runs
    and cannot move, the rest of it is shed at ``energy.shed_yuan_per_kwh``; a quota that it exceeds
    is exceeded.

    Raises
    ------
    InvalidProblemError
        A column whose size or values do not fit the other tables, naming both sides.

    Warns
    -----
    ImplausibleUnitWarning
        A value that looks like another unit, such as 340 "kW" an accelerator or a PUE of 120.
    IdleRuleWarning
        A mandate with a share that no site is held to.
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
    direct_rule: DirectRule = DirectRule(used=0.0, of_load=0.0)
    running: Running | None = None
    start: datetime.datetime | None = None
    sources: tuple[tuple[str, str], ...] = ()
    step_h: float = 1.0

    def __post_init__(self) -> None:
        """Check the tables against each other."""
        kinds = {"jobs": Jobs, "sites": Sites, "classes": Classes, "energy": Energy}
        kinds |= {"corridors": Corridors, "quotas": Quotas, "mandate": Mandate}
        kinds |= {"direct_rule": DirectRule}
        if self.running is not None:
            kinds |= {"running": Running}
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                found = type(getattr(self, name)).__name__
                raise TypeError(f"problem.{name} must be a {kind.__name__}, not {found}")
        if not isinstance(self.name, str):
            raise TypeError(f"problem.name must be a str, not {type(self.name).__name__}")
        object.__setattr__(self, "start", start_of("problem.start", self.start))
        object.__setattr__(self, "sources", _sources(self.sources))
        object.__setattr__(self, "step_h", times.step_of("problem.step_h", self.step_h))
        if isinstance(self.hours, bool) or not isinstance(self.hours, (int, np.integer)):
            raise TypeError(f"problem.hours must be an int, not {type(self.hours).__name__}")
        if self.hours < 1:
            raise InvalidProblemError(f"problem.hours is {self.hours}, needed >= 1", "hours")
        object.__setattr__(self, "hours", int(self.hours))
        self._check_sizes()
        self._check_references()
        self._check_load()
        self.mandate.applies_to(self.sites)
        self._check_carried()
        self.direct_rule.applies_to(self.sites, self.energy)
        if type(self) is Problem:
            warn_of_mistakes(self)
        if self.step_h != 1:
            times.require_room(self)
        _ = self.stepped
        if self.running is not None:
            _ = self.effective
            require_room(self.running, self.jobs, self.classes, self.hours)

    def _check_sizes(self) -> None:
        sizes = {
            "site": (len(self.sites), "sites"),
            "origin": (len(self.sites), "sites"),
            "destination": (len(self.sites), "sites"),
            "class": (len(self.classes), "classes"),
            "hour": (self.hours, "problem.hours"),
        }
        tables: list[Table] = [self.sites, self.classes, self.energy, self.corridors]
        for table in tables[:2]:
            if not len(table):
                message = f"{table.title} has 0 rows, needed at least 1"
                raise InvalidProblemError(message, table.title)
        for table in tables:
            for name, spec in table.columns().items():
                _check_shape(table, name, spec, sizes)

        names, quotas = self.classes.accelerator_names, self.quotas
        if quotas.by_accelerator and len(quotas.upper_by_accelerator_h) != len(names):
            found = f"found {len(quotas.upper_by_accelerator_h)} rows"
            needed = f"needed {len(names)}, one for each of classes.accelerator_names"
            field = "quotas.upper_by_accelerator_h"
            raise InvalidProblemError(f"{field}: {found}, {needed}", field)

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
            jobs.release < self.hours,
            "release",
            f"below {self.hours}, problem.hours: later jobs are those of a later batch",
        )
        everywhere = (1 << n_sites) - 1
        jobs.require(
            (jobs.residency & everywhere) != 0,
            "residency",
            f"a bit of one of the {n_sites} sites set",
        )

    def _check_load(self) -> None:
        """Raise for the first site and hour whose largest load is beyond the limit of energy."""
        most, classes = LIMITS["kWh"], self.classes
        each_kw = (classes.power_kw + classes.overhead_kw) * self.sites.pue.max() * self.step_h
        busy = float((classes.capacity.max(axis=1, initial=0) * each_kw).sum())
        if busy + self.energy.base_load_kwh.max(initial=0.0) <= most:  # all sites together
            return
        for s, t in np.argwhere(~(self.most_load_kwh <= most))[:1].tolist():
            load = "base_load_kwh with every accelerator busy"
            found = f"found {self.most_load_kwh[s, t]:g} kWh at site {s} in hour {t}"
            message = f"classes.capacity: {found}, {load}, needed at most {most:g}"
            raise InvalidProblemError(message, "classes.capacity", (s, t))

    def _check_carried(self) -> None:
        """Raise for the first scope whose ledger carries more energy than a batch can make good."""
        if self.mandate.ledger is None:
            return
        rows = self.mandate.rows(self.sites)
        for q in np.flatnonzero(~(np.abs(rows.carried_kwh) <= MOST_CARRIED_KWH))[:1].tolist():
            found = f"found {rows.carried_kwh[q]:g} kWh carried for {rows.names[q]!r}"
            message = f"mandate.ledger: {found}, needed at most {MOST_CARRIED_KWH:g}"
            raise InvalidProblemError(message, "mandate.ledger", q)

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

    def with_idle_power(self, idle_kw: Any) -> Self:
        """The problem in which servers draw power while no job runs on them.

        Every accelerator that is there then draws `idle_kw` in every hour, as base load of its
        site, and a busy one what it draws beyond that. Nothing else changes: the load with all
        accelerators busy is the same.

        Parameters
        ----------
        idle_kw : float or float (n_classes,), kW
            Draw of an accelerator with the server around it when it is idle; at most what it draws
            when it is busy.

        Returns
        -------
        Problem
            With a larger base load and smaller `overhead_kw` and `power_kw`. What is idle costs no
            job anything at the margin, and all jobs of the site bear it (`allocated_yuan`).

        Raises
        ------
        InvalidProblemError
            More than an accelerator draws when it is busy, or below 0.

        Examples
        --------
        >>> from gridcompute import grid
        >>> problem = grid.east_west(n_jobs=100, seed=0)
        >>> idle = problem.with_idle_power(0.1)
        >>> bool((idle.energy.base_load_kwh > problem.energy.base_load_kwh).all())
        True
        """
        classes, given = self.classes, _checks.reals("idle_kw", idle_kw)
        if given.shape not in ((1,), (len(classes),)):
            message = f"idle_kw: found shape {given.shape}, needed ({len(classes)},), one a class"
            raise InvalidProblemError(message, "idle_kw")
        idle = np.broadcast_to(given, (len(classes),))
        busy = classes.power_kw + classes.overhead_kw
        bad = ~((idle >= 0) & (idle <= busy * (1 + 1e-12)))
        if bad.any():
            c = int(np.argmax(bad))
            needed = f"0 to {busy[c]:g} kW, what it draws when it is busy"
            raise InvalidProblemError(
                f"idle_kw[{c}]: found {idle[c]:g}, needed {needed}", "idle_kw", c
            )
        base = self.energy.base_load_kwh.copy()
        each_kwh = idle[:, None] * self.pue[classes.site] * self.step_h
        np.add.at(base, classes.site, classes.capacity * each_kwh)
        of_overhead = np.minimum(idle, classes.overhead_kw)
        return self.replace(
            classes=classes.replace(
                overhead_kw=classes.overhead_kw - of_overhead,
                power_kw=np.maximum(classes.power_kw - (idle - of_overhead), 0.0),
            ),
            energy=self.energy.replace(base_load_kwh=base),
        )

    def window(
        self,
        first: int,
        hours: int,
        *,
        jobs: Any = None,
        defer_yuan: Any = None,
    ) -> Problem:
        """The problem of some of its hours: all hourly columns cut, times counted from `first`.

        Parameters
        ----------
        first : int
            The hour that becomes hour 0.
        hours : int
            How many hours, at least 1.
        jobs : int (n,), optional
            The rows of `jobs` to keep, in this order. None = `jobs_in_window`, those whose window
            has an hour in common with it.
        defer_yuan : float (len(self.jobs),) or float, optional
            What it costs to leave a job for later whose deadline lies past the window: its value
            becomes this where it is less. None = its value, as if it were lost.

        Returns
        -------
        Problem
            Its jobs run within the window or not at all. What runs (`running`) is kept where
            `first` is 0.

        Raises
        ------
        InvalidProblemError
            The window does not lie within the problem's hours.

        Examples
        --------
        >>> from gridcompute import grid
        >>> problem = grid.east_west(n_jobs=1000, seed=0, hours=48)
        >>> night = problem.window(18, 12)
        >>> night.hours, len(night.jobs) == len(problem.jobs_in_window(18, 12))
        (12, True)
        """
        first = _checks.whole("first", first, 0, self.hours - 1)
        hours = _checks.whole("hours", hours, 1, self.hours - first)
        if first and self.running is not None:
            message = f"first: found {first}, needed 0 where jobs run: they began before hour 0"
            raise InvalidProblemError(message, "first")
        rows = self.jobs_in_window(first, hours) if jobs is None else np.asarray(jobs)
        return self.replace(
            running=None if self.running is None else self.running.of_rows(rows),
            jobs=jobs_in_window(self.jobs, rows, first, hours, defer_yuan),
            sites=sites_in_window(self.sites, first, hours),
            classes=sliced(self.classes, first, hours),
            energy=sliced(self.energy, first, hours),
            corridors=sliced(self.corridors, first, hours),
            hours=hours,
            start=self.time(first),
        )

    def jobs_in_window(self, first: int, hours: int) -> Int64s:
        """Rows of the jobs whose window has an hour in common with these hours."""
        jobs = self.jobs
        return np.flatnonzero((jobs.deadline > first) & (jobs.release < first + hours))

    # -- What follows from the tables; computed once -----------------------------------------------

    @property
    def stepped(self) -> Problem:
        """This problem with its step as the unit of time: a problem with `step_h` 1.

        What is in hours becomes steps, and kW kWh a step; deadlines after the last step are its
        end. This very problem where a step is an hour and no deadline lies after the last.
        """
        later = bool((self.jobs.deadline > self.hours).any())
        return self if self.step_h == 1 and not later else self._in_steps

    @cached_property
    def _in_steps(self) -> Problem:
        columns = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        columns |= {} if self.step_h == 1 else times.per_step(self)
        within = np.minimum(self.jobs.deadline, self.hours)
        return _InSteps(**(columns | {"jobs": columns["jobs"].replace(deadline=within)}))

    @cached_property
    def effective(self) -> Problem:
        """This problem in steps, with what runs written as jobs that have options of their own.

        The rows of its jobs are the same. A pinned job has one option, its class from hour 0; a
        movable one may stay (it was placed there) or go, from the site where it runs. This very
        problem where nothing runs.
        """
        if self.stepped is not self:
            return self.stepped.effective
        if self.running is None or not len(self.running):
            return self
        jobs, classes = running_as_jobs(
            self.running, self.jobs, self.classes, self.delay_ms, self.hours
        )
        pinned = self.running.pinned_in(self.hours)
        rows, left = self.running.id[pinned], self.running.hours_left[pinned]
        hours = np.minimum(left, self.hours)
        kinds = self.classes.accelerator[self.running.klass[pinned]]
        taken = jobs.gang[rows] * hours
        quotas = self.quotas.at_least(self.quotas.linear_rows.used(jobs.tenant[rows], kinds, taken))
        return dataclasses.replace(self, jobs=jobs, classes=classes, quotas=quotas, running=None)

    @cached_property
    def pinned(self) -> Bools:
        """Jobs that run and cannot move, (n_jobs,)."""
        out = np.zeros(len(self.jobs), bool)
        if self.running is not None:
            out[self.running.id[self.running.pinned_in(self.hours)]] = True
        return sealed(out)

    @cached_property
    def pinned_accelerators(self) -> Int64s:
        """Accelerators that pinned jobs take, (n_classes, n_hours)."""
        if self.running is None:
            return sealed(np.zeros(self.classes.capacity.shape, np.int64))
        return sealed(pinned_accelerators(self.running, self.jobs, self.classes, self.hours))

    def time(self, hour: int) -> datetime.datetime | None:
        """Return the begin of an hour, in the zone of `start`; None for a batch without a start.

        Examples
        --------
        >>> from gridcompute import grid
        >>> problem = grid.east_west(n_jobs=10, seed=0).replace(start="2026-03-01T00:00+08:00")
        >>> print(problem.time(5))
        2026-03-01 05:00:00+08:00
        """
        return None if self.start is None else time_of(self.start, int(hour), self.step_h)

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
        """Energy at the connection of one busy accelerator in a step, kWh, (n_classes, n_hours)."""
        at_server = (self.classes.power_kw + self.classes.overhead_kw) * self.step_h
        return sealed(at_server[:, None] * self.pue[self.classes.site])

    @cached_property
    def most_load_kwh(self) -> Floats:
        """Load with every accelerator busy that there are jobs for, kWh, (n_sites, n_hours)."""
        most = self.energy.base_load_kwh.copy()
        wanted = int(self.jobs.gang.sum(dtype=np.int64))
        busy = np.minimum(self.classes.capacity, wanted) * self.kwh_per_accelerator_h
        np.add.at(most, self.classes.site, busy)
        return sealed(most)

    @cached_property
    def gang_levels(self) -> tuple[int, ...]:
        """Sizes of gangs whose number a class can hold is priced by itself.

        They are 2, 4, 8 and so on as far as gangs go, and those of the gangs' own sizes beside
        these that ask for most accelerators. None where jobs are many: what whole gangs leave is
        little then.
        """
        free = self.jobs.gang[~self.pinned]
        if not 0 < len(free) <= LEVELLED_JOBS:
            return ()
        powers = [2**k for k in range(1, int(free.max()).bit_length())]
        size, count = np.unique(free, return_counts=True)
        size = size.astype(np.int64)
        other = (size > 1) & ~np.isin(size, powers)
        first = np.argsort(-(size * count)[other], kind="stable")[:MOST_SIZES]
        return (*powers, *sorted(size[other][first].tolist()))

    @cached_property
    def mandate_rows(self) -> MandateRows:
        """The mandate as linear rows over sites."""
        return self.mandate.rows(self.sites)

    @property
    def counts_exports(self) -> bool:
        """Whether exported direct power counts for the mandate: volume rule, certificates kept."""
        return self.mandate_rows.volume and self.energy.exported_certificates == "kept"

    @cached_property
    def direct_rows(self) -> DirectRows:
        """The direct-connection rule as linear rows over sites."""
        return self.direct_rule.rows(self.sites, self.energy)

    @cached_property
    def delay_ms(self) -> Floats:
        """Delay that `Jobs.latency_ms` is compared with, (n_sites origin, n_sites), ms."""
        return frozen(self.corridors.latency_ms)

    def hours_needed(self, jobs: Any = slice(None)) -> Int32s:
        """Hours each job occupies each class, (len(jobs), n_classes); 0 = the class cannot run it.

        Parameters
        ----------
        jobs : index or slice into the jobs
            All by default; that is n_jobs x n_classes numbers, so take blocks of a large batch.
        """
        return hours_needed(self.effective, np.atleast_1d(np.arange(len(self.jobs))[jobs]))

    def eligible(self, jobs: Any = slice(None)) -> Bools:
        """Return the classes with an open option for each job, (len(jobs), n_classes)."""
        return filtered(self.effective, np.atleast_1d(np.arange(len(self.jobs))[jobs]))[0]

    def why_not(self, jobs: Any = slice(None)) -> list[str | None]:
        """For each job without any option its token of `REASONS`, None for the others."""
        tokens, index = list(REASONS), np.atleast_1d(np.arange(len(self.jobs))[jobs])
        return [None if r < 0 else tokens[r] for r in filtered(self.effective, index)[1]]

    def __repr__(self) -> str:
        """A line to recognise it by."""
        sizes = f"{len(self.jobs):,} jobs, {len(self.classes)} classes at {len(self.sites)} sites"
        steps = "hours" if self.step_h == 1 else f"steps of {self.step_h * 60:g} min"
        return f"<Problem {self.name!r}: {sizes}, {self.hours} {steps}>"


class _InSteps(Problem):
    """The result of `Problem.stepped`: its values were checked, and no unit is implausible."""


def _sources(given: Any) -> tuple[tuple[str, str], ...]:
    """Return pairs of texts: what a figure is, and its source."""
    rows = given if isinstance(given, (list, tuple)) else None
    for i, row in enumerate(rows or ()):
        if not isinstance(row, (list, tuple)) or [type(x) for x in row] != [str, str]:
            message = (
                f"problem.sources[{i}] must be two texts, a figure and its source, not {row!r}"
            )
            raise TypeError(message[:300])
    if rows is None:
        raise TypeError(f"problem.sources must be a sequence of pairs, not {type(given).__name__}")
    return tuple((row[0], row[1]) for row in rows)


def _hourly(values: Floats, hours: int) -> Floats:
    wide = values if values.ndim == 2 else np.broadcast_to(values[:, None], (len(values), hours))
    return frozen(wide)


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
