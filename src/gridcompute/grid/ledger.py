"""The ledger: green and load energy over many batches, in a file that shows every later change.

The mandate is a yearly duty and a batch is a day. A ledger carried into the next batch turns the
day's row into a rolling budget, and caps its price, so that a calm day neither breaks the mandate
nor bends the plan at any cost. The file is append-only JSON lines; each holds the SHA-256 of the
line before.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .columns import Bools, Floats
    from .plan import Plan
    from .sites import Sites

__all__ = ["GENESIS", "Entry", "Ledger"]

#: What the first line of a ledger names as the line before it.
GENESIS = "0" * 64


@dataclasses.dataclass(frozen=True)
class Entry:
    """One line: what a batch planned ("plan"), or what the meters said afterwards ("meter")."""

    batch: str
    kind: str
    sites: tuple[str, ...]
    load_kwh: tuple[float, ...]
    green_kwh: tuple[float, ...]
    certificate_kwh: tuple[float, ...]
    serials: tuple[str, ...]
    previous: str
    hash: str

    @classmethod
    def after(cls, previous: str, **content: Any) -> Entry:
        """A new entry chained to the hash of the one before."""
        return cls(**content, previous=previous, hash=_digest({**content, "previous": previous}))

    def sound(self) -> bool:
        """Does the hash belong to the content?"""
        content = dataclasses.asdict(self)
        return _digest({k: v for k, v in content.items() if k != "hash"}) == self.hash


@dataclasses.dataclass(frozen=True)
class Ledger:
    """Green energy and load of earlier batches, carried into the mandate of the next.

    Parameters
    ----------
    window : int
        Batches in the rolling budget, the coming one included.
    cap_yuan_per_kwh : float
        Most that a missing kWh may cost in one batch; what is missing is owed by the next ones.
    entries : tuple of Entry
        Usually made by `record`, `meter` or `read`.

    Examples
    --------
    >>> import gridcompute as gc
    >>> from gridcompute import grid
    >>> problem = grid.east_west(n_jobs=500, seed=0)
    >>> ledger = grid.Ledger(window=20, cap_yuan_per_kwh=0.3)
    >>> problem = problem.replace(mandate=grid.Mandate(share=0.8, ledger=ledger))
    >>> plan = gc.match(problem, gap=0.05, time_limit=2)
    >>> ledger = ledger.record(plan, batch="2026-06-01")
    >>> len(ledger.entries), ledger.head == ledger.entries[-1].hash
    (1, True)
    """

    window: int = 20
    cap_yuan_per_kwh: float = 0.3
    entries: tuple[Entry, ...] = ()

    def __post_init__(self) -> None:
        """Check the numbers and the whole chain."""
        if isinstance(self.window, bool) or not isinstance(self.window, int) or self.window < 1:
            raise InvalidProblemError(
                f"ledger.window is {self.window}, needed >= 1", "ledger.window"
            )
        if not (np.isfinite(self.cap_yuan_per_kwh) and self.cap_yuan_per_kwh >= 0):
            found = self.cap_yuan_per_kwh
            message = f"ledger.cap_yuan_per_kwh is {found}, needed a finite number >= 0"
            raise InvalidProblemError(message, "ledger.cap_yuan_per_kwh")
        _check_chain(self.entries, "ledger.entries")

    @property
    def head(self) -> str:
        """The last entry's hash; publish it, and no one can shorten the ledger unseen."""
        return self.entries[-1].hash if self.entries else GENESIS

    def record(self, plan: Plan, *, batch: str, serials: Sequence[str] = ()) -> Ledger:
        """A ledger with what `plan` intends for `batch`; `serials` are the certificates retired."""
        green = plan.green
        return self._with(
            batch=batch,
            kind="plan",
            sites=tuple(str(n) for n in plan.problem.sites.name),
            load_kwh=_floats(green["load_kwh"]),
            green_kwh=_floats(green["green_kwh"]),
            certificate_kwh=_floats(green["certificate_kwh"]),
            serials=tuple(serials),
        )

    def meter(
        self, batch: str, *, load_kwh: Any, green_kwh: Any, serials: Sequence[str] = ()
    ) -> Ledger:
        """A ledger with what the meters said of a recorded batch, which counts from now on."""
        plan = next((e for e in self.entries if (e.batch, e.kind) == (batch, "plan")), None)
        if plan is None:
            raise InvalidProblemError(f"ledger has no planned batch {batch!r} to meter", "batch")
        measured = {"load_kwh": _floats(load_kwh), "green_kwh": _floats(green_kwh)}
        for name, values in measured.items():
            if len(values) != len(plan.sites):
                message = f"{name} has {len(values)} values, needed {len(plan.sites)}, one per site"
                raise InvalidProblemError(message, name)
        if any(g > load + 1e-6 for load, g in zip(*measured.values(), strict=True)):
            at = next(
                i for i, (x, g) in enumerate(zip(*measured.values(), strict=True)) if g > x + 1e-6
            )
            message = f"green_kwh[{at}] is {green_kwh[at]}, needed at most the load, {load_kwh[at]}"
            raise InvalidProblemError(message, "green_kwh", at)
        kept = {"sites": plan.sites, "certificate_kwh": plan.certificate_kwh}
        return self._with(batch=batch, kind="meter", serials=tuple(serials), **kept, **measured)

    def carried_kwh(
        self, member: Bools, share: float, sites: Sites, *, volume: bool = False
    ) -> Floats:
        """kWh owed (or in hand, if negative) by each scope from the last ``window - 1`` batches."""
        load, green = np.zeros(len(sites)), np.zeros(len(sites))
        place = {str(name): i for i, name in enumerate(sites.name)}
        recent = list(self._counting().values())[-(self.window - 1) :] if self.window > 1 else []
        for entry in recent:
            counted = np.add(entry.green_kwh, entry.certificate_kwh if volume else 0.0)
            for name, used, of_it in zip(entry.sites, entry.load_kwh, counted, strict=True):
                if name in place:  # a site that has closed owes nothing here
                    load[place[name]] += used
                    green[place[name]] += of_it
        return np.asarray(share * (member @ load) - member @ green)

    def differences(self) -> list[dict[str, Any]]:
        """For each metered batch the metered less the planned energy, kWh over all sites."""
        plans = {e.batch: e for e in self.entries if e.kind == "plan"}
        return [
            {
                "batch": e.batch,
                "load_kwh": sum(e.load_kwh) - sum(plans[e.batch].load_kwh),
                "green_kwh": sum(e.green_kwh) - sum(plans[e.batch].green_kwh),
            }
            for e in self._counting().values()
            if e.kind == "meter"
        ]

    def write(self, path: str | Path) -> None:
        """Append what the file does not hold yet; it must be a beginning of this ledger."""
        path = Path(path)
        held = _read_lines(path) if path.exists() else ()
        if [e.hash for e in held] != [e.hash for e in self.entries[: len(held)]]:
            raise InvalidProblemError(f"{path} holds another ledger than this one began as", "path")
        with path.open("a", encoding="utf-8") as file:
            for entry in self.entries[len(held) :]:
                file.write(json.dumps(dataclasses.asdict(entry), ensure_ascii=False) + "\n")

    @classmethod
    def read(
        cls,
        path: str | Path,
        *,
        window: int = 20,
        cap_yuan_per_kwh: float = 0.3,
        head: str | None = None,
    ) -> Ledger:
        """The ledger in a file, its chain checked.

        Parameters
        ----------
        path : path
        window, cap_yuan_per_kwh
            As for the class; they are policy, not history.
        head : str, optional
            The published hash of the last entry: a file cut short is then found out too.

        Raises
        ------
        InvalidProblemError
            A line that was changed, inserted, removed or moved, naming it.
        """
        found = cls(window, cap_yuan_per_kwh, _read_lines(Path(path)))
        if head is not None and found.head != head:
            raise InvalidProblemError(f"{path} ends with {found.head}, needed {head}", "head")
        return found

    def _with(self, **content: Any) -> Ledger:
        used = {s for e in self.entries for s in e.serials}
        for i, serial in enumerate(content["serials"]):
            if serial in used or serial in content["serials"][:i]:
                message = f"serials[{i}]: certificate {serial} has been retired before"
                raise InvalidProblemError(message, "serials", i)
        if content["kind"] == "plan" and any(e.batch == content["batch"] for e in self.entries):
            raise InvalidProblemError(f"ledger holds batch {content['batch']!r} already", "batch")
        entry = Entry.after(self.head, **content)
        return dataclasses.replace(self, entries=(*self.entries, entry))

    def _counting(self) -> dict[str, Entry]:
        """By batch, in order, the entry that counts: the last one."""
        return {e.batch: e for e in self.entries}


def _digest(content: Mapping[str, Any]) -> str:
    import hashlib

    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _floats(values: Any) -> tuple[float, ...]:
    array = np.asarray(values, np.float64)
    if not (np.isfinite(array).all() and (array >= -1e-9).all()):
        at = int(np.argmin(np.isfinite(array) & (array >= -1e-9)))
        message = f"ledger: energy[{at}] is {array.flat[at]}, needed a finite number >= 0"
        raise InvalidProblemError(message, "energy", at)
    return tuple(float(x) for x in array)


def _check_chain(entries: Sequence[Entry], where: str) -> None:
    previous = GENESIS
    for i, entry in enumerate(entries):
        if entry.previous != previous:
            message = f"{where}[{i}] follows {entry.previous[:12]}..., needed {previous[:12]}...: "
            raise InvalidProblemError(message + "an entry is missing or moved", where, i)
        if not entry.sound():
            raise InvalidProblemError(
                f"{where}[{i}] was changed: its hash is not its own", where, i
            )
        previous = entry.hash


def _read_lines(path: Path) -> tuple[Entry, ...]:
    entries = []
    for i, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        try:
            content = json.loads(line)
            values: dict[str, Any] = {}
            for name, value in content.items():
                values[name] = tuple(value) if isinstance(value, list) else value
            entries.append(Entry(**values))
        except (ValueError, TypeError) as why:
            raise InvalidProblemError(
                f"{path} line {i + 1} is no ledger entry: {why}", "path", i
            ) from why
    _check_chain(entries, str(path))
    return tuple(entries)
