"""Requirements of the mandate and the direct-connection rule, read from the tables.

Whether a plan keeps them is checked in `mandate_check.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .derived_tables import FORBIDDEN_YUAN_PER_KWH

if TYPE_CHECKING:
    from ..tables.column import Bools, Floats, Int64s
    from ..tables.problem import Problem

__all__ = ["RuledSites", "Scopes", "ruled", "scopes"]


class Scopes(NamedTuple):
    """The mandate: over each scope's sites, green + certificates + missing >= share * load + owed.

    Under the volume rule certificates may be retired, and exported direct power counts as green
    where its certificates are kept.
    """

    #: Which sites a scope pools, (n_scopes, n_sites).
    member: Bools
    share: float
    #: From earlier batches of the ledger, kWh; negative where more was green than was asked.
    owed_kwh: Floats
    yuan_per_kwh: float
    volume: bool
    #: Whether exported direct power counts.
    exports: bool


class RuledSites(NamedTuple):
    """The direct-connection rule: the sites under it and what it asks of each."""

    #: Their rows in the sites table, (n_ruled,).
    site: Int64s
    #: Direct energy that each is to use or store, kWh, (n_ruled,).
    used_kwh: Floats
    of_load: float
    yuan_per_kwh: float


def scopes(problem: Problem) -> Scopes:
    """The scopes of the mandate in ascending order of site, operator or region."""
    mandate, sites = problem.mandate, problem.sites
    new = sites.new if mandate.new is None else np.array(mandate.new, bool)
    pooled = sites.operator if mandate.scope == "operator" else sites.region
    labels = pooled.astype(np.int64) if mandate.scope != "site" else np.arange(len(new))
    member = [new & (labels == label) for label in sorted(set(labels[new].tolist()))]
    pools = np.array(member, bool).reshape(len(member), len(new))
    volume, price = mandate.rule == "volume", float(mandate.shortfall_yuan_per_kwh)
    owed = np.zeros(len(member))
    if mandate.ledger is not None:
        price = min(price, float(mandate.ledger.cap_yuan_per_kwh))
        owed = pools @ _owed_by_site(problem, volume=volume)
    if mandate.shortfall == "forbidden":
        price = FORBIDDEN_YUAN_PER_KWH
    exports = volume and problem.energy.exported_certificates == "kept"
    return Scopes(pools, float(mandate.share), owed, price, volume, exports)


def _owed_by_site(problem: Problem, *, volume: bool) -> Floats:
    """Return the energy each site's earlier batches still owe, kWh: share of load less green.

    A batch counts by the last of its entries, in the place of the first; the ledger's window counts
    the coming batch as well.
    """
    mandate = problem.mandate
    assert mandate.ledger is not None
    last = {}
    for entry in mandate.ledger.entries:
        last[entry.batch] = entry
    counting = list(last.values())
    first = max(len(counting) - (mandate.ledger.window - 1), 0)
    owed = dict.fromkeys([str(name) for name in problem.sites.name], 0.0)
    for entry in counting[first:]:
        for i, name in enumerate(entry.sites):
            if name in owed:
                owed[name] += mandate.share * entry.load_kwh[i] - entry.green_kwh[i]
                owed[name] -= entry.certificate_kwh[i] if volume else 0.0
    return np.array(list(owed.values()), np.float64)


def ruled(problem: Problem) -> RuledSites:
    """The sites that have direct power and are held to use it."""
    rule, direct = problem.direct_rule, problem.energy.direct_kwh.sum(axis=2).sum(axis=0)
    held = problem.sites.new if rule.sites is None else np.array(rule.sites, bool)
    if not (rule.used > 0 or rule.of_load > 0):
        held = np.zeros(len(direct), bool)
    site = np.flatnonzero(held & (direct > 0))
    return RuledSites(
        site, rule.used * direct[site], float(rule.of_load), float(rule.shortfall_yuan_per_kwh)
    )
