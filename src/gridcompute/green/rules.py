"""Rules of green accounting: which certificate may count for which load, as data."""

from __future__ import annotations

import dataclasses
import datetime
import json
import zoneinfo
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from ..errors import InvalidProblemError
from .tables import KINDS, QUALITIES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Int64s = NDArray[np.int64]

#: Intervals of a fixed length in seconds, and those of the calendar with their units.
SECONDS = {"PT15M": 900, "PT30M": 1800, "PT1H": 3600}
UNITS = {"P1D": "D", "P1M": "M", "P1Y": "Y"}
INTERVALS = (*SECONDS, *UNITS)
#: Seconds within which a clock is changed once at most, and the first and last that Python has.
_WEEK, _FIRST, _LAST = 7 * 86_400, -62_135_500_000, 253_402_200_000
BOUNDARIES = ("facility", "operator", "zone", "country", "any")
UNMATCHED = ("residual mix", "grid average", "fossil factor")
STATUSES = ("law", "draft", "practice")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """What may be claimed as green.

    A bundle counts for a measurement if both lie in one interval of the rule (or, with carry-over,
    the measurement in a later one), the boundary's column is the same, and nothing below forbids
    it. Days, months and years begin at midnight of the rule's own zone.

    Parameters
    ----------
    interval : str
        "PT15M", "PT30M", "PT1H", "P1D", "P1M" or "P1Y".
    utc_offset_h : int
        Hours by which the clock of the rule's zone is ahead of UTC, all year.
    time_zone : str, optional
        In its place the IANA name of a zone, with its daylight saving: "Europe/Brussels".
    boundary : str
        "facility", "operator", "zone" or "country": the column of that name must be the same, and
        one without it matches none. "any": all match.
    max_age_months : int, optional
        Largest age of a plant, in months since it was commissioned; a plant without a date is too
        old.
    age_at : str, optional
        The date at which a plant has its age; by default the begin of each production.
    legacy_before : str, optional
        Bundles contracted before this date may come from plants of any age.
    carry_over_months : int
        A bundle also counts in later intervals whose start is before its own plus these months.
    later_interval, later_from : str, optional
        The interval from a date on, in place of `interval`.
    exempt_below_wh : int
        Facilities that use less than this in a year match by the year.
    kinds : tuple of str
        Kinds of bundles that count, those first that are claimed first.
    qualities : tuple of str
        Qualities of measurements whose load may be matched.
    unmatched : str
        What an unmatched Wh emits: "residual mix", "grid average" or "fossil factor".
    fossil_g_per_kwh : float
        The fossil factor; also what is assumed where a measurement has no residual mix.
    counts_grid_clean : bool
        The grid's own carbon-free share of what is unmatched is counted, in a column of its own.
    id, title, text, date, status, source : str
        Name of the rule; the legal text and its date; "law", "draft" or "practice"; where it is.
    not_covered : tuple of str
        What the legal text asks for beside this.

    Examples
    --------
    >>> from gridcompute import green
    >>> green.Rule(interval="PT1H", boundary="zone", max_age_months=120).kinds
    ('own', 'granular', 'GO', 'GEC')
    """

    interval: str
    boundary: str
    utc_offset_h: int = 0
    time_zone: str | None = None
    max_age_months: int | None = None
    age_at: str | None = None
    legacy_before: str | None = None
    carry_over_months: int = 0
    later_interval: str | None = None
    later_from: str | None = None
    exempt_below_wh: int = 0
    kinds: tuple[str, ...] = ("own", "granular", "GO", "GEC")
    qualities: tuple[str, ...] = QUALITIES
    unmatched: str = "grid average"
    fossil_g_per_kwh: float = 1000.0
    counts_grid_clean: bool = False
    id: str = "own rule"
    title: str = ""
    text: str = ""
    date: str = ""
    status: str = "practice"
    source: str = ""
    not_covered: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check every field."""
        _checks.choice("rule.interval", self.interval, INTERVALS)
        _checks.choice("rule.boundary", self.boundary, BOUNDARIES)
        _checks.whole("rule.utc_offset_h", self.utc_offset_h, -12, 14)
        if self.time_zone is not None:
            if not isinstance(self.time_zone, str):
                raise TypeError(
                    f"rule.time_zone must be a str, not {type(self.time_zone).__name__}"
                )
            if self.utc_offset_h:
                message = "rule.time_zone and rule.utc_offset_h: needed one of them"
                raise InvalidProblemError(message, "rule.time_zone")
            try:
                _zone(self.time_zone)
            except InvalidProblemError:
                if zoneinfo.available_timezones():  # without any, rules can still be listed
                    raise
        _checks.choice("rule.unmatched", self.unmatched, UNMATCHED)
        _checks.choice("rule.status", self.status, STATUSES)
        if self.max_age_months is not None:
            _checks.whole("rule.max_age_months", self.max_age_months, 0, 12_000)
        _checks.whole("rule.carry_over_months", self.carry_over_months, 0, 12_000)
        _checks.whole("rule.exempt_below_wh", self.exempt_below_wh, 0, 2**62)
        _checks.number("rule.fossil_g_per_kwh", self.fossil_g_per_kwh, 0.0)
        if (self.later_interval is None) != (self.later_from is None):
            message = "rule.later_interval and rule.later_from: needed both or neither"
            raise InvalidProblemError(message, "rule.later_interval")
        if self.later_interval is not None:
            _checks.choice("rule.later_interval", self.later_interval, INTERVALS)
        for name in ("age_at", "legacy_before", "later_from"):
            if (value := getattr(self, name)) is not None:
                second_of(f"rule.{name}", value)
        for name, known in (("kinds", KINDS), ("qualities", QUALITIES)):
            value = getattr(self, name)
            if isinstance(value, str):
                raise TypeError(f"rule.{name} must be a tuple of str, not str")
            for k, word in enumerate(value):
                _checks.choice(f"rule.{name}[{k}]", word, known)
            object.__setattr__(self, name, tuple(value))
        object.__setattr__(self, "not_covered", tuple(self.not_covered))

    def replace(self, **changes: Any) -> Rule:
        """Return a changed rule."""
        return dataclasses.replace(self, **changes)

    def period(self, seconds: Int64s) -> Int64s:
        """Return the begin of the rule's interval that each time lies in."""
        begin = self._begin(self.interval, seconds)
        if self.later_interval is None:
            return begin
        later = self._begin(self.later_interval, seconds)
        return np.where(seconds >= self._change, later, begin)

    def period_end(self, seconds: Int64s) -> Int64s:
        """Return the end of the rule's interval that each time lies in."""
        end = self._begin(self.interval, seconds, 1)
        if self.later_interval is None:
            return end
        later = self._begin(self.later_interval, seconds, 1)
        return np.where(seconds < self._change, np.minimum(end, self._change), later)

    def months_later(self, seconds: Int64s, months: int) -> Int64s:
        """Return each time some months later by the calendar of the rule's zone."""
        return self._utc(add_months(self.local(seconds), months))

    def midnight(self, name: str) -> int:
        """Return when the date of a field begins in the rule's zone, seconds since 1970."""
        return int(self._utc(np.array([second_of(f"rule.{name}", getattr(self, name))]))[0])

    def local(self, seconds: Int64s) -> Int64s:
        """Return what the clock of the rule's zone shows, as seconds since its own 1970."""
        begin, ahead = self._clock(seconds)
        return np.asarray(seconds + ahead[np.searchsorted(begin, seconds, side="right") - 1])

    def _utc(self, local: Int64s) -> Int64s:
        """Return when the clock of the rule's zone shows each time, or a later one, first."""
        begin, ahead = self._clock(local)
        k = np.searchsorted(begin[1:] + ahead[:-1], local, side="right")
        return np.asarray(np.maximum(local - ahead[k], begin[k]))

    def _clock(self, seconds: Int64s) -> tuple[Int64s, Int64s]:
        """Return from when on, around some times, the clock is ahead of UTC by how much."""
        if self.time_zone is None or not len(seconds):
            return np.array([-(2**62)]), np.array([3600 * self.utc_offset_h])
        zone = _zone(self.time_zone)

        def ahead(second: int) -> int:
            offset = datetime.datetime.fromtimestamp(second, zone).utcoffset()
            return int((offset or datetime.timedelta()).total_seconds())

        first = max(int(seconds.min()) - _WEEK, _FIRST)
        begin, shift = [-(2**62)], [ahead(first)]
        for week in range(first, min(int(seconds.max()) + 2 * _WEEK, _LAST), _WEEK):
            if ahead(week) != shift[-1]:
                low, high = week - _WEEK, week
                while high - low > 1:
                    middle = (low + high) // 2
                    low, high = (middle, high) if ahead(middle) == shift[-1] else (low, middle)
                begin.append(high)
                shift.append(ahead(week))
        return np.array(begin), np.array(shift)

    @property
    def _change(self) -> int:
        return self.midnight("later_from")

    def _begin(self, interval: str, seconds: Int64s, after: int = 0) -> Int64s:
        """Return the begin of the interval that each time lies in, or of one after it."""
        local = self.local(seconds)
        if length := SECONDS.get(interval):
            return np.asarray(seconds - local % length + after * length)
        unit = UNITS[interval]
        begin = local.astype("M8[s]").astype(f"M8[{unit}]") + np.timedelta64(after, unit)  # type: ignore[call-overload]
        return self._utc(begin.astype("M8[s]").astype(np.int64))


def ruled(rule: Any) -> Rule:
    """Return a rule; raise TypeError for anything else."""
    if not isinstance(rule, Rule):
        raise TypeError(f"rule must be a Rule, not {type(rule).__name__}: green.rule(id) reads one")
    return rule


def _zone(name: str) -> zoneinfo.ZoneInfo:
    """Return a time zone by its IANA name."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        needed = f"an IANA name like Europe/Brussels{_checks.meant(name, known)}"
        if not known:
            needed = "the data of time zones, which this machine lacks: pip install tzdata"
        message = f"rule.time_zone: found {name!r}, needed {needed}"
        raise InvalidProblemError(message, "rule.time_zone") from None


def second_of(field: str, date: Any) -> int:
    """Return the begin of a date in UTC as seconds since 1970."""
    if not isinstance(date, str):
        raise TypeError(f"{field} must be a date as text, not {type(date).__name__}")
    try:
        day = datetime.date.fromisoformat(date)
    except ValueError:
        message = f"{field}: found {date!r}, needed a date like 2026-05-15"
        raise InvalidProblemError(message, field) from None
    return int(np.datetime64(day, "s").astype(np.int64))


def add_months(seconds: Int64s, months: int) -> Int64s:
    """Return each time some months later; a day that the month does not have is its last one."""
    time = seconds.astype("M8[s]")
    month = time.astype("M8[M]")
    target = month + np.timedelta64(months, "M")
    end = target + np.timedelta64(1, "M")
    last = (end.astype("M8[D]") - target.astype("M8[D]")).astype(np.int64) - 1
    day = (time.astype("M8[D]") - month.astype("M8[D]")).astype(np.int64)
    clock = seconds % 86_400
    begin = (target.astype("M8[D]").astype(np.int64) + np.minimum(day, last)) * 86_400
    return np.asarray(begin + clock)


def rule(name: str | Path) -> Rule:
    """Return a rule that comes with the package, or one of a JSON file of your own.

    Parameters
    ----------
    name : str or path
        An id that `rules` lists, or the path of a JSON file with the fields of `Rule`.

    Examples
    --------
    >>> from gridcompute import green
    >>> r = green.rule("cn-2025-669")
    >>> r.interval, r.boundary, r.carry_over_months, r.status
    ('P1Y', 'any', 24, 'law')
    """
    shipped = resources.files(__package__) / "rules"
    if not isinstance(name, (str, Path)):
        raise TypeError(f"rule must be an id or a path, not {type(name).__name__}")
    if isinstance(name, Path) or name.endswith(".json"):
        text, where = Path(name).read_text(encoding="utf-8"), str(name)
    else:
        known = sorted(p.name[:-5] for p in shipped.iterdir() if p.name.endswith(".json"))
        if name not in known:
            needed = f"needed one of {', '.join(known)}, or a file.json{_checks.meant(name, known)}"
            raise InvalidProblemError(f"rule: found {name!r}, {needed}", "rule")
        text, where = (shipped / f"{name}.json").read_text(encoding="utf-8"), name
    try:
        fields = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidProblemError(f"{where}: {error}", "rule") from None
    if not isinstance(fields, dict):
        raise InvalidProblemError(f"{where}: found no object, needed the fields of Rule", "rule")
    names = {field.name for field in dataclasses.fields(Rule)}
    for key in fields:
        if key not in names:
            near = _checks.meant(key, names)
            raise InvalidProblemError(f"{where}: found a field {key!r}{near}", f"rule.{key}")
    for key in ("interval", "boundary"):
        if key not in fields:
            raise InvalidProblemError(f"{where}: found no field {key!r}", f"rule.{key}")
    return Rule(**fields)


def rules() -> tuple[Rule, ...]:
    """Return the rules that come with the package, in the order of their ids."""
    shipped = resources.files(__package__) / "rules"
    return tuple(rule(name[:-5]) for name in sorted(p.name for p in shipped.iterdir()))
