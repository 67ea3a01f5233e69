"""One line of a ledger: its content, its text, and the hash that chains it to the others.

A line is one JSON object in canonical form (RFC 8785), says its version, is hashed as it is
written, and ends in a line feed; nothing else ends a line.
"""

from __future__ import annotations

import bisect
import dataclasses
import datetime
import hashlib
import itertools
import math
import re
from functools import cached_property
from typing import Any

from ..._checks import EXACT
from ...errors import InvalidProblemError
from ..files.json_text import canonical, number_text, parse

__all__ = ["GENESIS", "VERSION", "Chain", "Entry", "entry_of"]

#: The hash that the first line of a ledger has as that of the line before.
GENESIS = "0" * 64
#: The version of a line's form; lines of another one are refused.
VERSION = 3
#: Energy of each site, kWh.
_ENERGY = ("load_kwh", "green_kwh", "certificate_kwh")
#: A time in UTC; as all have this form, the order of the texts is that of the times.
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One line: the plan of a batch ("plan"), or its metered energy ("meter").

    Parameters
    ----------
    batch : str
    kind : "plan" or "meter"
    sites : tuple of str
    load_kwh, green_kwh, certificate_kwh : tuple of float (n_sites,), kWh
        Finite and >= 0.
    serials : tuple of str
        Certificates retired, each once in the life of a ledger.
    intervals : tuple of (str, str)
        Begin and end of what it covers, in UTC, in order and apart: ``2026-06-01T00:00:00Z``. A
        batch without a date has none.
    bundles : tuple of (str, int, int)
        Certificates used: the issuance, the first and the last id. Each once in the life of a
        ledger, but a meter reading may repeat those of its batch.
    previous : str
        The hash of the line before, in hexadecimal.
    hash : str
        The SHA-256 of this line without its hash.
    version : int
        Of the line's form.
    """

    batch: str
    kind: str
    sites: tuple[str, ...]
    load_kwh: tuple[float, ...]
    green_kwh: tuple[float, ...]
    certificate_kwh: tuple[float, ...]
    serials: tuple[str, ...]
    intervals: tuple[tuple[str, str], ...]
    bundles: tuple[tuple[str, int, int], ...]
    previous: str
    hash: str
    version: int = VERSION

    @classmethod
    def after(cls, previous: str, **content: Any) -> Entry:
        """Return a new entry chained to the hash of the one before."""
        entry = cls(**content, previous=previous, hash="")
        if entry.fault is not None:
            raise InvalidProblemError(f"ledger entry: {entry.fault}", "ledger")
        return dataclasses.replace(entry, hash=entry.digest)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the content in hexadecimal, the hash left out."""
        content = {k: v for k, v in dataclasses.asdict(self).items() if k != "hash"}
        return hashlib.sha256(canonical(content)).hexdigest()

    def sound(self) -> bool:
        """Return whether the hash belongs to the content."""
        return self.digest == self.hash

    def line(self) -> bytes:
        """Return the entry as one line of the file, its line feed included."""
        return canonical(dataclasses.asdict(self)) + b"\n"

    @cached_property
    def fault(self) -> str | None:
        """The first value of a wrong type or range: which, what was found and what was needed."""

        def fault(name: str, found: object, needed: str) -> str:
            return f"{name}: found {found!r}, needed {needed}"

        if isinstance(self.version, bool) or self.version != VERSION:
            return fault("version", self.version, f"{VERSION}, the one this library reads")
        for name in ("batch", "previous", "hash"):
            if not _is_text(getattr(self, name)):
                return fault(name, getattr(self, name), "text")
        if self.kind not in ("plan", "meter"):
            return fault("kind", self.kind, "'plan' or 'meter'")
        for name in ("sites", "serials"):
            values = getattr(self, name)
            if not isinstance(values, tuple):
                return fault(name, values, "a row of texts")
            seen = set[str]()
            for i, value in enumerate(values):
                if not _is_text(value) or value in seen:
                    return fault(f"{name}[{i}]", value, "text, each once")
                seen.add(value)
        for name in _ENERGY:
            values = getattr(self, name)
            if not isinstance(values, tuple) or len(values) != len(self.sites):
                found = f"{len(values)} values" if isinstance(values, tuple) else values
                return fault(name, found, f"{len(self.sites)}, one for each site")
            for i, value in enumerate(values):
                if not _is_energy(value):
                    return fault(f"{name}[{i}]", value, "a finite number >= 0 (kWh)")
        for name, form, needed in (
            ("intervals", _is_interval, "a begin and a later end like '2026-06-01T00:00:00Z'"),
            ("bundles", _is_range, "an issuance, its first id and its last, 0 <= first <= last"),
        ):
            values = getattr(self, name)
            if not isinstance(values, tuple):
                return fault(name, values, f"a row, each {needed}")
            for i, value in enumerate(values):
                if not form(value):
                    return fault(f"{name}[{i}]", value, needed)
        for i, (before, after) in enumerate(itertools.pairwise(self.intervals)):
            if after[0] < before[1]:
                return fault(f"intervals[{i + 1}]", after, f"none before the end of {before}")
        for used, more in itertools.pairwise(sorted(self.bundles)):
            if more[0] == used[0] and more[1] <= used[2]:
                at = len(self.bundles) - 1 - self.bundles[::-1].index(more)
                return fault(f"bundles[{at}]", more, f"no id that is in {used}")
        return None


def entry_of(line: bytes, where: str, index: int) -> Entry:
    """Return the entry of one line, which ends before its line feed; content and hash are checked.

    Raises
    ------
    InvalidProblemError
        What is wrong with the line; `where` is the file, `index` counts its lines from 0.
    """
    place = f"{where} line {index + 1}"
    if not line.strip():
        raise InvalidProblemError(f"{place}: found an empty line, needed an entry", "path", index)
    try:
        content = parse(line, place)
    except InvalidProblemError as error:
        raise InvalidProblemError(f"{error}: no ledger entry", "path", index) from None
    if not isinstance(content, dict):
        found = type(content).__name__
        raise InvalidProblemError(f"{place}: found a {found}, needed an entry", "path", index)
    version = content.get("version")
    if isinstance(version, bool) or version != VERSION:
        found = f"version {version!r}" if "version" in content else "no version"
        message = f"{place}: found {found}, needed {VERSION}: no ledger entry"
        raise InvalidProblemError(message, "path", index)
    names = [field.name for field in dataclasses.fields(Entry)]
    for wrong, needed in (
        (set(content) - set(names), "no other than " + ", ".join(names)),
        (set(names) - set(content), "all of " + ", ".join(names)),
    ):
        if wrong:
            key = min(wrong)
            found = f"found {'an unknown' if key in content else 'no'} key {key!r}, needed {needed}"
            raise InvalidProblemError(f"{place}: {found}: no ledger entry", "path", index)
    values = {k: _tuples(v) for k, v in content.items()}
    for name in _ENERGY:
        if isinstance(values[name], tuple):
            values[name] = tuple(_double(x) for x in values[name])
    entry = Entry(**values)
    if entry.fault is not None:
        raise InvalidProblemError(f"{place}: {entry.fault}", "path", index)
    return entry


class Chain:
    """Entries accepted one by one, each of which must continue those before it.

    An entry follows the hash of the one before, has a hash of its own content, plans a batch that
    was not planned before or meters one that was, retires no certificate a second time, and shares
    no time of a site and no id of a bundle with another batch.

    Parameters
    ----------
    where : str
        What messages call the row of entries.
    """

    def __init__(self, where: str) -> None:
        self.entries: list[Entry] = []
        self._where = where
        self._planned: dict[str, Entry] = {}
        self._retired: set[str] = set()
        self._covered, self._used = _Spans(), _Spans()

    def add(self, entry: Entry) -> None:
        """Accept the next entry, or raise InvalidProblemError and stay as before."""
        where, i = self._where, len(self.entries)
        if (fault := entry.fault) is not None:
            raise InvalidProblemError(f"{where}[{i}].{fault}", where, i)
        previous = self.entries[-1].hash if self.entries else GENESIS
        if entry.previous != previous:
            message = f"{where}[{i}] follows {entry.previous[:12]}..., needed {previous[:12]}...: "
            raise InvalidProblemError(message + "an entry is missing or moved", where, i)
        if not entry.sound():
            raise InvalidProblemError(
                f"{where}[{i}] was changed: its hash is not its own", where, i
            )
        plan = self._planned.get(entry.batch)
        if entry.kind == "plan" and plan is not None:
            message = f"{where}[{i}].batch: found {entry.batch!r} a second time, needed a new batch"
            raise InvalidProblemError(message, where, i)
        if entry.kind == "meter" and (plan is None or plan.sites != entry.sites):
            needed = "a planned batch to meter" if plan is None else "the sites of its plan"
            message = f"{where}[{i}].batch: found {entry.batch!r}, needed {needed}"
            raise InvalidProblemError(message, where, i)
        for k, serial in enumerate(entry.serials):
            if serial in self._retired:
                message = f"{where}[{i}].serials[{k}]: certificate {serial} has been retired before"
                raise InvalidProblemError(message, where, i)
        if plan is not None and plan.intervals != entry.intervals:
            message = f"{where}[{i}].intervals: found {entry.intervals}, needed {plan.intervals}, "
            raise InvalidProblemError(message + "those of its plan", where, i)
        times = [(site, *interval) for interval in entry.intervals for site in entry.sites]
        ids: list[tuple[str, Any, Any]] = [(key, a, b + 1) for key, a, b in entry.bundles]
        for site, begin, end in times:
            if other := self._covered.other(site, begin, end, entry.batch):
                message = f"{where}[{i}].intervals: found {begin} to {end} of {site!r}, needed a "
                message += f"time that batch {other[2]!r} does not cover: {other[0]} to {other[1]}"
                raise InvalidProblemError(message, where, i)
        for k, (issuance, first, until) in enumerate(ids):
            if other := self._used.other(issuance, first, until, entry.batch):
                message = f"{where}[{i}].bundles[{k}]: found ids {first} to {until - 1} of "
                message += f"{issuance!r}, needed none of {other[0]} to {other[1] - 1}, which are "
                raise InvalidProblemError(f"{message}used by batch {other[2]!r}", where, i)
        for spans, new in ((self._covered, times), (self._used, ids)):
            for key, first, last in new:
                spans.add(key, first, last, entry.batch)
        self._retired |= set(entry.serials)
        self._planned.setdefault(entry.batch, entry)
        self.entries.append(entry)


class _Spans:
    """Half-open spans by key; those of different batches share nothing."""

    def __init__(self) -> None:
        #: Spans of a key in their order, those of one batch that overlap as one.
        self._held: dict[str, list[tuple[Any, Any, str]]] = {}

    def other(self, key: str, begin: Any, end: Any, batch: str) -> tuple[Any, Any, str] | None:
        """Return a span of another batch that shares something with this one."""
        held = self._held.get(key, [])
        at = bisect.bisect_left(held, (end,))
        while at and held[at - 1][1] > begin:
            at -= 1
            if held[at][2] != batch:
                return held[at]
        return None

    def add(self, key: str, begin: Any, end: Any, batch: str) -> None:
        held = self._held.setdefault(key, [])
        at = bisect.bisect_left(held, (end,))
        while at and held[at - 1][1] > begin:
            at -= 1
            first, last, _ = held.pop(at)
            begin, end = min(first, begin), max(last, end)
        held.insert(at, (begin, end, batch))


def _is_interval(value: object) -> bool:
    """Return whether a value is a begin and a later end in UTC."""
    if not isinstance(value, tuple) or len(value) != 2:
        return False
    for text in value:
        if not isinstance(text, str) or not _UTC.fullmatch(text):
            return False
        try:
            datetime.datetime.fromisoformat(text)
        except ValueError:
            return False
    return bool(value[0] < value[1])


def _is_range(value: object) -> bool:
    """Return whether a value is an issuance with its first and last id."""
    if not isinstance(value, tuple) or len(value) != 3 or not _is_text(value[0]):
        return False
    if any(isinstance(x, bool) or not isinstance(x, int) for x in value[1:]):
        return False
    return bool(0 <= value[1] <= value[2] < EXACT)


def _tuples(value: Any) -> Any:
    """Return lists as tuples, those within them as well."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _is_text(value: object) -> bool:
    """Return whether a value is a str of whole characters, which UTF-8 can hold."""
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _double(value: Any) -> Any:
    """Return the double of an integer text of RFC 8785; other values unchanged.

    5 is 5.0 there, and digits beyond 2**53 are the shortest that tell one double from the next.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value.bit_length() > 1023:
        return value
    double = float(value)
    return double if number_text(double) == str(value) else value


def _is_energy(value: object) -> bool:
    """Return whether a value is a finite number of at least 0 that a double holds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    if isinstance(value, int) and abs(value) > EXACT:
        return False
    return math.isfinite(value) and value >= 0
