"""The settings of a problem beside its tables, problem.json, read with every key checked."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from ...errors import InvalidProblemError
from ..tables.mandate import DirectRule, Mandate
from ..tables.times import start_of, start_text, step_of
from .json_text import parse
from .table_files import read_bytes

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ..plan.ledger import Ledger
    from ..tables.problem import Problem


SETTINGS_FILE = "problem.json"
#: The largest problem.json or plan.json, bytes.
MOST_JSON = 1 << 24
#: The parts of problem.json and the settings of each; those of a table are no columns of it.
PARTS = {
    "sites": ("region_names", "operator_names"),
    "classes": ("accelerator_names", "family_names"),
    "energy": (
        "source_names",
        "certificate_yuan_per_kwh",
        "carbon_yuan_per_t",
        "terminal",
        "shed_yuan_per_kwh",
        "exported_certificates",
    ),
    "corridors": ("latency_rule",),
    "mandate": ("share", "scope", "rule", "new", "shortfall_yuan_per_kwh", "shortfall"),
    "direct_rule": ("used", "of_load", "sites", "shortfall_yuan_per_kwh"),
    "ledger": ("path", "window", "cap_yuan_per_kwh"),
}
_TABLES = ("sites", "classes", "energy", "corridors")
_NAMES = (
    "accelerator_names",
    "family_names",
    "source_names",
    "region_names",
    "operator_names",
)


class Settings:
    """The settings of a problem.json, its keys checked; values are checked where they are used."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content

    @classmethod
    def read(cls, path: Path) -> Settings:
        """Read a problem.json.

        Raises
        ------
        InvalidProblemError
            It is not there, no JSON object, or has a key that is unknown or stands twice.
        """
        content = parse(read_bytes(path, most=MOST_JSON), path.name)
        if not isinstance(content, dict):
            message = f"{path.name}: found a {type(content).__name__}, needed an object"
            raise InvalidProblemError(message, path.name)
        require_keys(path.name, content, ["name", "hours", "step_h", "start", "sources", *PARTS])
        for part, known in PARTS.items():
            found = content.get(part, {})
            if not isinstance(found, dict):
                message = f"{path.name}: {part}: found {found!r:.100}, needed an object"
                raise InvalidProblemError(message, part)
            require_keys(f"{path.name}: {part}", found, known, part)
            for name in set(_NAMES) & found.keys():
                _require_names(f"{path.name}: {part}.{name}", found[name], f"{part}.{name}")
        return cls(content)

    def has(self, part: str) -> bool:
        """Return whether problem.json has the part at all."""
        return part in self._content

    def part(self, name: str) -> dict[str, Any]:
        """Return a copy of one part, lists as tuples; empty if problem.json has none."""
        found = self._content.get(name, {})
        return {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}

    @property
    def hours(self) -> int:
        """Hours in the batch."""
        found = self._content.get("hours")
        if isinstance(found, bool) or not isinstance(found, int) or found < 1:
            message = f"{SETTINGS_FILE}: hours: found {found!r:.100}, needed an integer >= 1"
            raise InvalidProblemError(message, "hours")
        return found

    @property
    def step_h(self) -> float:
        """Hours in a step; 1 where problem.json does not say."""
        try:
            return step_of("step_h", self._content.get("step_h", 1.0))
        except (InvalidProblemError, TypeError) as error:
            raise self.fault(error, "step_h") from None

    @property
    def start(self) -> datetime.datetime | None:
        """The begin of hour 0, None if problem.json does not give it."""
        found = self._content.get("start")
        try:
            return start_of("start", found)
        except (InvalidProblemError, TypeError) as error:
            raise self.fault(error, "start") from None

    @property
    def sources(self) -> tuple[tuple[str, str], ...]:
        """The sources of figures: pairs of texts."""
        found = self._content.get("sources", [])
        if not isinstance(found, list):
            message = f"{SETTINGS_FILE}: sources: found {found!r:.100}, needed a list of pairs"
            raise InvalidProblemError(message, "sources")
        for i, row in enumerate(found):
            if not isinstance(row, list) or [type(x) for x in row] != [str, str]:
                message = f"{SETTINGS_FILE}: sources[{i}]: found {row!r:.100}"
                raise InvalidProblemError(f"{message}, needed a figure and its source", "sources")
        return tuple((row[0], row[1]) for row in found)

    @property
    def name(self) -> str:
        """The problem's name, empty if problem.json has none."""
        found = self._content.get("name", "")
        if not isinstance(found, str):
            message = f"{SETTINGS_FILE}: name: found {found!r:.100}, needed text"
            raise InvalidProblemError(message, "name")
        return found

    def mandate(self, ledger: Ledger | None) -> Mandate:
        """Return the mandate with its ledger; nothing is asked where problem.json has none."""
        given = self.part("mandate") if self.has("mandate") else {"share": 0.0}
        try:
            return Mandate(**given, ledger=ledger)
        except (InvalidProblemError, TypeError) as error:
            raise self.fault(error, "mandate") from None

    def direct_rule(self) -> DirectRule:
        """Return the direct-connection rule; nothing is asked where problem.json has none."""
        nothing = {"used": 0.0, "of_load": 0.0}
        try:
            return DirectRule(**(self.part("direct_rule") if self.has("direct_rule") else nothing))
        except (InvalidProblemError, TypeError) as error:
            raise self.fault(error, "direct_rule") from None

    def fault(self, error: Exception, part: str) -> InvalidProblemError:
        """Return the error of a wrong value with the file's name in front."""
        field = error.field if isinstance(error, InvalidProblemError) else part
        return InvalidProblemError(f"{SETTINGS_FILE}: {error}", field)


def settings_of(problem: Problem, ledger: str) -> dict[str, Any]:
    """Return the content of a problem's problem.json; `ledger` is the path of its ledger's file."""
    content: dict[str, Any] = {"name": problem.name, "hours": problem.hours}
    if problem.step_h != 1:
        content["step_h"] = problem.step_h
    if problem.sources:
        content["sources"] = [list(row) for row in problem.sources]
    if problem.start is not None:
        content["start"] = start_text(problem.start)
    for part in (*_TABLES, "mandate", "direct_rule"):
        content[part] = {k: getattr(getattr(problem, part), k) for k in PARTS[part]}
    kept = problem.mandate.ledger
    if kept is not None:
        policy = {"window": kept.window, "cap_yuan_per_kwh": kept.cap_yuan_per_kwh}
        content["ledger"] = {"path": ledger, **policy}
    return content


def require_keys(
    where: str, found: Mapping[str, Any], known: Sequence[str], field: str = ""
) -> None:
    """Raise for the first key that is not known, naming those that are and the nearest."""
    for key in found:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, cutoff=0.6)
            hint = f"{near[0]!r}, or one of " if near else "one of "
            message = f"{where}: found unknown key {key!r:.100}, needed {hint}{', '.join(known)}"
            raise InvalidProblemError(message, f"{field}.{key}".lstrip("."))


def _require_names(where: str, found: object, field: str) -> None:
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise InvalidProblemError(f"{where}: found {found!r:.100}, needed a list of texts", field)
    if len(set(found)) < len(found):
        twice = next(name for name in found if found.count(name) > 1)
        message = f"{where}: found {twice!r} twice, needed each name once"
        raise InvalidProblemError(message, field)
