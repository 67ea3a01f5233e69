"""Load and green energy hour by hour: what an operator has used, and what it owes the mandate."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._value import Value
from ..plan.energy_tables import bundles, measurements
from ..plan.ledger import Ledger
from ..plan.ledger_entry import Entry

if TYPE_CHECKING:
    import pyarrow as pa

    from ..tables.column import Floats, Int64s
    from ..tables.mandate import Mandate
    from ..tables.problem import Problem
    from ..tables.sites import Sites

__all__ = ["HourLedger", "carrying", "credited", "hour_bundles", "hour_measurements"]

_ENERGY = ("load_kwh", "green_kwh", "certificate_kwh")


@dataclasses.dataclass(frozen=True, eq=False)
class HourLedger(Value):
    """The account of the hours that have passed, by site.

    Parameters
    ----------
    sites : tuple of str
    hours : int64 (n,)
        Hours of the operator's clock; steps where the problem's are shorter than an hour.
    load_kwh, green_kwh : float64 (n, n_sites), kWh
        Load, and the green power used on it in the same hour.
    certificate_kwh : float64 (n, n_sites), kWh
        Direct power sold, where the volume rule counts it; else 0.
    shed_kwh : float64 (n, n_sites), kWh
        Load that went without power; part of the load.
    """

    sites: tuple[str, ...]
    hours: Int64s
    load_kwh: Floats
    green_kwh: Floats
    certificate_kwh: Floats
    shed_kwh: Floats

    def __len__(self) -> int:
        """Hours recorded."""
        return len(self.hours)

    @property
    def green_share(self) -> Floats:
        """Green share of the load of each hour, all sites together, (n,); nan without load."""
        load = self.load_kwh.sum(axis=1)
        share = np.full(len(load), np.nan)
        np.divide(self.green_kwh.sum(axis=1), load, out=share, where=load > 0)
        return share

    def owed_kwh(self, mandate: Mandate, sites: Sites) -> Floats:
        """Return what each scope owes the mandate for these hours, kWh; negative: a surplus."""
        rows = mandate.rows(sites)
        counted = self.green_kwh + (self.certificate_kwh if rows.volume else 0.0)
        load, green = self.load_kwh.sum(axis=0), counted.sum(axis=0)
        return np.asarray(
            rows.carried_kwh + rows.share * (rows.member @ load) - rows.member @ green
        )


def carrying(problem: Problem, ledger: HourLedger) -> Ledger:
    """Return the mandate's ledger with all hours of `ledger` as one more batch.

    The batches before it count as they did. Where the mandate had no ledger, the price of what is
    missing is not capped. Its entries are sums for a mandate: they say no intervals and bundles.
    """
    mandate = problem.mandate
    sums: dict[str, Any] = {"intervals": (), "bundles": ()}
    for name in _ENERGY:
        sums[name] = tuple(np.maximum(getattr(ledger, name).sum(axis=0), 0.0).tolist())
    before: tuple[Entry, ...] = ()
    cap = mandate.shortfall_yuan_per_kwh
    if mandate.ledger is not None:
        cap = min(cap, mandate.ledger.cap_yuan_per_kwh)
        last = {entry.batch: entry for entry in mandate.ledger.entries}
        window = max(mandate.ledger.window - 1, 0)
        before = tuple(last.values())[len(last) - min(window, len(last)) :]
    chain, head = [], "0" * 64
    for entry in before:
        content = {name: getattr(entry, name) for name in ("batch", "kind", "sites", "serials")}
        content |= {name: getattr(entry, name) for name in _ENERGY}
        content |= {"kind": "plan", "intervals": (), "bundles": ()}
        chain.append(Entry.after(head, **content))
        head = chain[-1].hash
    if len(ledger):
        batch = "hours by the operator"
        while any(entry.batch == batch for entry in chain):
            batch += "'"
        chain.append(
            Entry.after(head, batch=batch, kind="plan", sites=ledger.sites, serials=(), **sums)
        )
    return Ledger(window=len(chain) + 1, cap_yuan_per_kwh=cap, entries=tuple(chain))


def credited(mandate: Mandate, sites: Sites, kwh: Floats) -> Mandate:
    """Return a mandate whose scopes each owe `kwh` less; where it is below 0, more."""
    rows, ledger = mandate.rows(sites), mandate.ledger
    if not rows.share:
        return mandate
    if ledger is None:
        ledger = Ledger(window=1, cap_yuan_per_kwh=mandate.shortfall_yuan_per_kwh)
    assert isinstance(ledger, Ledger)
    by_site = np.bincount(rows.member.argmax(axis=1), kwh, len(sites))
    entry = Entry.after(
        ledger.head,
        batch=f"after {ledger.head}",  # no other batch has this name
        kind="plan",
        sites=tuple(str(name) for name in sites.name),
        serials=(),
        intervals=(),
        bundles=(),
        load_kwh=tuple((np.maximum(-by_site, 0.0) / rows.share).tolist()),
        green_kwh=tuple(np.maximum(by_site, 0.0).tolist()),
        certificate_kwh=(0.0,) * len(sites),
    )
    more = ledger.window + 1, ledger.cap_yuan_per_kwh, (*ledger.entries, entry)
    return dataclasses.replace(mandate, ledger=Ledger(*more))


def hour_measurements(problem: Problem, ledger: HourLedger) -> pa.Table:
    """Return the load of the hours of a ledger that was served, in whole Wh."""
    green, used = ledger.green_kwh.T, (ledger.load_kwh - ledger.shed_kwh).T
    return measurements(problem, ledger.hours, [[green], [used - green]], "gross", True)


def hour_bundles(problem: Problem, ledger: HourLedger, first: int = 0) -> list[dict[str, Any]]:
    """Return green power from an hour of a ledger on, and what was sold with its certificates."""
    parts = [
        ([("green power", "granular")], [ledger.green_kwh.T]),
        ([("exported power", "GEC")], [ledger.certificate_kwh.T]),
    ]
    return bundles(problem, ledger.hours, parts, np.zeros(len(problem.sites)), True, first)
