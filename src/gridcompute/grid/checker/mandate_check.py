"""Checks of the green mandate, of the direct-connection rule, and of each site's green numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .derived_tables import by_hour
from .faults import TOLERANCE, Fault, above
from .mandate_requirements import ruled, scopes
from .placements import load_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..plan.data import PlanData
    from ..tables.column import Floats

__all__ = ["direct_rule_faults", "green_account_faults", "mandate_faults"]

#: A site that takes no more has no green shares, kWh.
_NO_LOAD_KWH = 1e-6


def mandate_faults(plan: PlanData) -> Iterator[Fault]:
    """Each scope meets the mandate, or what the plan reports missing is what is missing."""
    d, rows = plan.dispatch, scopes(plan.problem)
    if d.missing_kwh.shape != rows.owed_kwh.shape:
        sizes = float(d.missing_kwh.size), float(rows.owed_kwh.size)
        yield Fault("MandateUnaccounted", "number of scopes", *sizes)
        return
    green = d.direct_kwh.sum(axis=0) + d.bundled_kwh + d.green_discharge_kwh
    if rows.exports:
        green = green + d.exported_kwh.sum(axis=0)
    if not rows.volume:
        yield from above("CertificateForbidden", "scope", d.certificate_kwh, 0)
    have = rows.member @ green.sum(axis=1) + d.certificate_kwh
    asked = rows.share * (rows.member @ load_of(plan).sum(axis=1)) + rows.owed_kwh
    yield from above("MandateUnaccounted", "scope", asked, have + d.missing_kwh)
    short = np.maximum(asked - have, 0.0)
    slack = TOLERANCE * np.maximum(1.0, np.abs(asked))
    yield from above("ShortfallOverstated", "scope", d.missing_kwh, short + slack)
    if plan.problem.mandate.shortfall == "forbidden":
        yield from above("MandateBroken", "scope", np.maximum(d.missing_kwh, short - slack), 0)


def direct_rule_faults(plan: PlanData) -> Iterator[Fault]:
    """Each site under the direct-connection rule keeps it, or reports by how much it does not."""
    d, rows = plan.dispatch, ruled(plan.problem)
    used = d.direct_kwh.sum(axis=(0, 2))
    taken = used + d.direct_charge_kwh.sum(axis=(0, 2))
    asked_use, asked_load = np.zeros(len(used)), np.zeros(len(used))
    asked_use[rows.site] = rows.used_kwh
    asked_load[rows.site] = rows.of_load * load_of(plan).sum(axis=1)[rows.site]
    for where, asked, have, reported in (
        ("own power used at site", asked_use, taken, d.direct_use_short_kwh),
        ("own power of load at site", asked_load, used, d.direct_load_short_kwh),
    ):
        yield from above("DirectRuleUnaccounted", where, asked, have + reported)
        slack = TOLERANCE * np.maximum(1.0, asked)
        most = np.maximum(asked - have, 0.0) + slack
        yield from above("ShortfallOverstated", where, reported, most)


def green_account_faults(plan: PlanData, shown: Mapping[str, Floats]) -> Iterator[Fault]:
    """The green numbers, site by site in plain sums, against those the plan shows."""
    problem, d, rows = plan.problem, plan.dispatch, scopes(plan.problem)
    load = load_of(plan).sum(axis=1)
    carbon = by_hour(problem.sites.carbon_g_per_kwh, problem.hours)
    if d.missing_kwh.shape != rows.owed_kwh.shape:
        return  # a fault by itself
    served = d.direct_kwh.sum(axis=(0, 2)) + (d.bundled_kwh + d.green_discharge_kwh).sum(axis=1)
    uncovered = np.maximum(load - served, 0.0)
    for s in range(len(problem.sites)):
        direct, bundled = d.direct_kwh[:, s].sum(), d.bundled_kwh[s].sum()
        green = direct + bundled + d.green_discharge_kwh[s].sum()
        grey = d.grid_kwh[s] + d.grey_discharge_kwh[s]
        clean = (grey * problem.energy.grid_green_share[s]).sum()
        retired = missing = 0.0
        for q in np.flatnonzero(rows.member[:, s]):
            pooled, left = load[rows.member[q]].sum(), uncovered[rows.member[q]].sum()
            part = load[s] / pooled if pooled > 0 else 0.0
            missing += part * d.missing_kwh[q]
            part = uncovered[s] / left if left > _NO_LOAD_KWH else part
            retired += part * d.certificate_kwh[q]
        claimed = green + retired
        claimed = claimed + d.exported_kwh[:, s].sum() if rows.exports else min(claimed, load[s])
        drawn = d.grid_kwh[s] + d.grid_charge_kwh[s]
        grams = (drawn * carbon[s]).sum()
        over = load[s] if load[s] > _NO_LOAD_KWH else np.nan
        for name, needed in (
            ("load_kwh", load[s]),
            ("green_kwh", green),
            ("certificate_kwh", retired),
            ("n1_statutory", claimed / over),
            ("n2_hourly", green / over),
            ("n3_cfe", (green + clean) / over),
            ("n4_tco2", grams / 1e6),
            ("shortfall_kwh", missing),
        ):
            found = float(shown[name][s])
            if np.isnan(needed) and (np.isnan(found) or shown["load_kwh"][s] > 0):
                continue  # rounding alone may leave a site a load
            if not abs(found - needed) <= TOLERANCE * max(1.0, abs(needed)):
                yield Fault("AccountMismatch", f"{name} of site {s}", found, float(needed))
                return
