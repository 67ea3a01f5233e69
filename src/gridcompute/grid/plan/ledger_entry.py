"""One line of a ledger: its content, its text, and the hash that chains it to the others.

A line is one JSON object and ends in a line feed; nothing else ends a line. Lines of version 2 are
canonical (RFC 8785), say their version, and are hashed as they are written. Lines of version 1 say
no version and are hashed over Python's spelling of the same object; they are read for good, and
written by nobody any more.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from functools import cached_property
from typing import Any

from ..._checks import EXACT
from ...errors import InvalidProblemError
from ..files.json_text import canonical, number_text, parse

__all__ = ["GENESIS", "VERSION", "Chain", "Entry", "entry_of"]

#: The hash that the first line of a ledger has as that of the line before.
GENESIS = "0" * 64
#: The version of the lines that this library writes.
VERSION = 2
#: Energy of each site, kWh.
_ENERGY = ("load_kwh", "green_kwh", "certificate_kwh")
#: Down to here, kWh, energy is 0 with rounding errors: version 1 took it as it came.
_ROUNDING_KWH = {1: -1e-9, 2: 0.0}


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
    previous : str
        The hash of the line before, in hexadecimal.
    hash : str
        The SHA-256 of this line without its hash.
    version : int
        Of the line's form, 1 or 2.
    """

    batch: str
    kind: str
    sites: tuple[str, ...]
    load_kwh: tuple[float, ...]
    green_kwh: tuple[float, ...]
    certificate_kwh: tuple[float, ...]
    serials: tuple[str, ...]
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
        content = {k: v for k, v in self._content().items() if k != "hash"}
        if self.version == 1:
            text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
            return hashlib.sha256(text.encode("utf-8")).hexdigest()
        return hashlib.sha256(canonical(content)).hexdigest()

    def sound(self) -> bool:
        """Return whether the hash belongs to the content."""
        return self.digest == self.hash

    def line(self) -> bytes:
        """Return the entry as one line of the file, its line feed included."""
        content = self._content()
        if self.version == 1:  # as version 1 wrote it
            return json.dumps(content, ensure_ascii=False).encode("utf-8") + b"\n"
        return canonical(content) + b"\n"

    @cached_property
    def fault(self) -> str | None:
        """The first value of a wrong type or range: which, what was found and what was needed."""

        def fault(name: str, found: object, needed: str) -> str:
            return f"{name}: found {found!r}, needed {needed}"

        if isinstance(self.version, bool) or self.version not in _ROUNDING_KWH:
            return fault("version", self.version, f"1 or {VERSION}, those this library reads")
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
        least = _ROUNDING_KWH[self.version]
        for name in _ENERGY:
            values = getattr(self, name)
            if not isinstance(values, tuple) or len(values) != len(self.sites):
                found = f"{len(values)} values" if isinstance(values, tuple) else values
                return fault(name, found, f"{len(self.sites)}, one for each site")
            for i, value in enumerate(values):
                if not _is_energy(value, least):
                    return fault(f"{name}[{i}]", value, "a finite number >= 0 (kWh)")
        return None

    def _content(self) -> dict[str, Any]:
        content = dataclasses.asdict(self)
        if self.version == 1:  # whose lines say no version
            del content["version"]
        return content


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
    version = content.get("version", 1)
    if "version" in content and (isinstance(version, bool) or version != VERSION):
        message = f"{place}: found version {version!r}, needed {VERSION}, or none for version 1"
        raise InvalidProblemError(message, "path", index)
    names = [field.name for field in dataclasses.fields(Entry) if field.name != "version"]
    for wrong, needed in (
        (set(content) - {*names, "version"}, "no other than " + ", ".join(names)),
        (set(names) - set(content), "all of " + ", ".join(names)),
    ):
        if wrong:
            key = min(wrong)
            found = f"found {'an unknown' if key in content else 'no'} key {key!r}, needed {needed}"
            raise InvalidProblemError(f"{place}: {found}: no ledger entry", "path", index)
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
    if version == VERSION:
        for name in _ENERGY:
            if isinstance(values[name], tuple):
                values[name] = tuple(_double(x) for x in values[name])
    entry = Entry(**{**values, "version": version})
    if entry.fault is not None:
        raise InvalidProblemError(f"{place}: {entry.fault}", "path", index)
    return entry


class Chain:
    """Entries accepted one by one, each of which must continue those before it.

    An entry follows the hash of the one before, has a hash of its own content, plans a batch that
    was not planned before or meters one that was, and retires no certificate a second time.

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
        self._retired |= set(entry.serials)
        self._planned.setdefault(entry.batch, entry)
        self.entries.append(entry)


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


def _is_energy(value: object, least: float) -> bool:
    """Return whether a value is a finite number of at least `least` that a double holds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    if isinstance(value, int) and abs(value) > EXACT:
        return False
    return math.isfinite(value) and value >= least
