"""The ledger: green and load energy over many batches, in a file that shows every later change.

The mandate is a yearly duty and a batch is a day. A ledger carried into the next batch turns the
day's row into a rolling budget, and caps its price, so that a calm day neither breaks the mandate
nor bends the plan at any cost. The file is append-only JSON lines; each holds the SHA-256 of the
line before (`ledger_entry`), and one process at a time appends to it (`ledger_file`).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._checks import reals, whole
from ...errors import InvalidProblemError
from ..files.json_text import require_text
from ..tables.names import price_of
from .costs import entry_facts, plan_bundles
from .ledger_entry import GENESIS, Chain, Entry, LedgerFile, LedgerRepair, repair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from ..tables.column import Bools, Floats
    from ..tables.sites import Sites
    from .plan import Plan


#: A plan's energy may lie this far below 0, kWh: rounding errors of the dispatch.
ROUNDING_KWH = 1e-6


@dataclasses.dataclass(frozen=True)
class Ledger:
    """Green energy and load of earlier batches, carried into the mandate of the next.

    Parameters
    ----------
    window : int
        Batches in the rolling budget, the coming one included.
    cap_yuan_per_kwh : float
        Largest cost of a missing kWh in one batch; the shortfall is owed by the next ones.
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
        object.__setattr__(self, "window", whole("ledger.window", self.window, 1, 2**31 - 1))
        cap = price_of("ledger.cap_yuan_per_kwh", self.cap_yuan_per_kwh)
        object.__setattr__(self, "cap_yuan_per_kwh", cap)
        object.__setattr__(self, "entries", tuple(self.entries))
        chain = Chain("ledger.entries")
        for entry in self.entries:
            if not isinstance(entry, Entry):
                raise TypeError(f"ledger.entries must hold Entry, not {type(entry).__name__}")
            chain.add(entry)

    @property
    def head(self) -> str:
        """The last entry's hash; publish it, and no one can shorten the ledger unseen."""
        return self.entries[-1].hash if self.entries else GENESIS

    def record(
        self,
        plan: Plan,
        *,
        batch: str,
        serials: Sequence[str] = (),
        bundles: Iterable[tuple[str, int, int]] | None = None,
    ) -> Ledger:
        """Return a ledger with what `plan` intends for `batch`.

        Parameters
        ----------
        plan : Plan
            Its time may not overlap that of another batch of the same sites; one without a date
            has none.
        batch : str
            A name that no batch of this ledger has.
        serials : sequence of str
            Certificates retired; each once in the life of a ledger.
        bundles : iterable of (str, int, int), optional
            Certificates used: issuance, first and last id, each once in the life of a ledger. By
            default those of `Plan.bundles`, if the plan has a date.

        Raises
        ------
        InvalidProblemError
            `Plan.verify` finds a fault in the plan, or another argument is at fault.
        """
        green = plan.green
        energy = {
            name: _energy(f"plan.green.{name}", green[name], noise=ROUNDING_KWH)
            for name in ("load_kwh", "green_kwh", "certificate_kwh")
        }
        if not (found := plan.verify()):
            message = f"plan: found {found.reasons[0]}; needed a plan that its verify() calls valid"
            raise InvalidProblemError(message, "plan")
        problem = plan.problem
        facts: dict[str, Any] = {"intervals": (), "bundles": ()}
        if problem.start is not None:
            rows = plan_bundles(problem, plan.dispatch)
            facts = entry_facts(problem, np.arange(problem.hours), rows)
        if bundles is not None:
            facts["bundles"] = tuple(map(tuple, bundles))
        return self._with(
            batch=_text("batch", batch),
            kind="plan",
            sites=tuple(_text("sites.name", str(n)) for n in problem.sites.name),
            serials=serials,
            **facts,
            **energy,
        )

    def meter(
        self,
        batch: str,
        *,
        load_kwh: Any,
        green_kwh: Any,
        serials: Sequence[str] = (),
        bundles: Iterable[tuple[str, int, int]] | None = None,
    ) -> Ledger:
        """Return a ledger with what the meters said of a recorded batch; it counts from now on.

        Parameters
        ----------
        batch : str
        load_kwh, green_kwh : float (n_sites,), kWh
            Finite, >= 0, and green at most the load.
        serials : sequence of str
            Certificates retired; each once in the life of a ledger.
        bundles : iterable of (str, int, int), optional
            Certificates used: issuance, first and last id, none of which another batch used. By
            default those of its plan.
        """
        _text("batch", batch)
        plan = next((e for e in self.entries if (e.batch, e.kind) == (batch, "plan")), None)
        if plan is None:
            raise InvalidProblemError(f"ledger has no planned batch {batch!r} to meter", "batch")
        load, green = _energy("load_kwh", load_kwh), _energy("green_kwh", green_kwh)
        for name, values in (("load_kwh", load), ("green_kwh", green)):
            if len(values) != len(plan.sites):
                message = f"{name} has {len(values)} values, needed {len(plan.sites)}, one per site"
                raise InvalidProblemError(message, name)
        for at, (most, found) in enumerate(zip(load, green, strict=True)):
            if found > most + ROUNDING_KWH:
                message = f"green_kwh[{at}]: found {found}, needed at most the load, {most}"
                raise InvalidProblemError(message, "green_kwh", at)
        return self._with(
            batch=batch,
            kind="meter",
            sites=plan.sites,
            certificate_kwh=_energy("certificate_kwh", plan.certificate_kwh, noise=ROUNDING_KWH),
            load_kwh=load,
            green_kwh=green,
            serials=serials,
            intervals=plan.intervals,
            bundles=plan.bundles if bundles is None else tuple(map(tuple, bundles)),
        )

    def carried_kwh(
        self, member: Bools, share: float, sites: Sites, *, volume: bool = False
    ) -> Floats:
        """kWh owed (negative: surplus) by each scope from the last ``window - 1`` batches."""
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
        """Append what the file does not hold yet; it must be a beginning of this ledger.

        The file is locked meanwhile. The lines are on the disk when this returns; if it fails, on a
        full disk for instance, the file is as it was.

        Raises
        ------
        InvalidProblemError
            The file holds another ledger, was changed or is damaged.
        OSError
            It cannot be written.
        """
        with LedgerFile(path, write=True) as file:
            held = file.entries()
            if [e.hash for e in held] != [e.hash for e in self.entries[: len(held)]]:
                message = f"{path} holds another ledger than this one began as"
                raise InvalidProblemError(message, "path")
            file.append(self.entries[len(held) :])

    @classmethod
    def update(
        cls,
        path: str | Path,
        change: Callable[[Ledger], Ledger],
        *,
        window: int = 20,
        cap_yuan_per_kwh: float = 0.3,
    ) -> Ledger:
        """Read the ledger in a file, add entries and append them, with the file locked throughout.

        Of two processes that do so at once, the second sees what the first has added.

        Parameters
        ----------
        path : path
            A ledger, or a file that is not there yet.
        change : callable
            Takes the ledger read and returns one that continues it, as `record` and `meter` do. It
            must not read or write the same file.
        window, cap_yuan_per_kwh
            As for the class.

        Returns
        -------
        Ledger
            What `change` returned.

        Examples
        --------
        >>> import gridcompute as gc
        >>> from gridcompute import grid
        >>> plan = gc.match(grid.east_west(n_jobs=200, seed=0), gap=0.05, time_limit=2)
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "ledger.jsonl")
        ...     for day in ("2026-06-01", "2026-06-02"):
        ...         ledger = grid.Ledger.update(path, lambda old: old.record(plan, batch=day))
        >>> [entry.batch for entry in ledger.entries]
        ['2026-06-01', '2026-06-02']
        """
        with LedgerFile(path, write=True) as file:
            before = cls(window, cap_yuan_per_kwh, file.entries())
            after = change(before)
            if not isinstance(after, cls):
                raise TypeError(f"change must return a Ledger, not {type(after).__name__}")
            if after.entries[: len(before.entries)] != before.entries:
                message = "change: found a ledger that does not continue the one in the file"
                raise InvalidProblemError(message, "change")
            file.append(after.entries[len(before.entries) :])
        return after

    @classmethod
    def read(
        cls,
        path: str | Path,
        *,
        window: int = 20,
        cap_yuan_per_kwh: float = 0.3,
        head: str | None = None,
    ) -> Ledger:
        """Read the ledger in a file, its chain checked.

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
            A line that was changed, inserted, removed, moved or torn, or one that covers time or
            uses certificates of an earlier batch, naming it.
        """
        with LedgerFile(path) as file:
            entries = file.entries()
        found = cls(window, cap_yuan_per_kwh, entries)
        if head is not None and found.head != head:
            raise InvalidProblemError(f"{path} ends with {found.head}, needed {head}", "head")
        return found

    @staticmethod
    def repair(path: str | Path) -> LedgerRepair:
        """Make a damaged file readable again: keep the entries up to the first damaged line.

        What follows them is moved to a new file beside the ledger, ``NAME.cut-1``. A line feed that
        was lost is put back, and costs no entry.

        Returns
        -------
        LedgerRepair
            How many entries were kept, how many bytes were cut from which line on, why, and where
            they are now.
        """
        return repair(path)

    def _with(self, *, serials: Sequence[str], **content: Any) -> Ledger:
        if isinstance(serials, str):
            raise TypeError("serials must be a sequence of str, not str")
        used = {s for e in self.entries for s in e.serials}
        for i, serial in enumerate(serials):
            if _text(f"serials[{i}]", serial) in used:
                message = f"serials[{i}]: certificate {serial} has been retired before"
                raise InvalidProblemError(message, "serials", i)
            used.add(serial)
        if content["kind"] == "plan" and any(e.batch == content["batch"] for e in self.entries):
            raise InvalidProblemError(f"ledger holds batch {content['batch']!r} already", "batch")
        entry = Entry.after(self.head, serials=tuple(serials), **content)
        return dataclasses.replace(self, entries=(*self.entries, entry))

    def _counting(self) -> dict[str, Entry]:
        """By batch, in order, the entry that counts: the last one."""
        return {e.batch: e for e in self.entries}


def _energy(field: str, values: Any, *, noise: float = 0.0) -> tuple[float, ...]:
    """Return energy by site in kWh, finite and >= 0; what lies within `noise` below 0 is 0."""
    array = reals(field, values)
    if array.ndim != 1:
        raise InvalidProblemError(f"{field}: found shape {array.shape}, needed (n_sites,)", field)
    good = np.isfinite(array) & (array >= -noise)
    if not good.all():
        at = int(np.argmin(good))
        message = f"{field}[{at}]: found {array[at]}, needed a finite number >= 0 (kWh)"
        raise InvalidProblemError(message, field, at)
    return tuple(np.maximum(array, 0.0).tolist())


def _text(field: str, value: object) -> str:
    """Return `value` if it is a str that UTF-8 can hold."""
    if not isinstance(value, str):
        raise TypeError(f"{field} must be a str, not {type(value).__name__}")
    require_text(field, value)
    return str(value)
