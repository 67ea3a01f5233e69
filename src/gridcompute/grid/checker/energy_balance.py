"""Checks of the dispatch: power adds up by site and hour; batteries give what they took."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .faults import Fault, above, apart
from .placements import load_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..plan.data import PlanData

__all__ = ["balance_faults", "storage_faults"]


def balance_faults(plan: PlanData) -> Iterator[Fault]:
    """Power by site and hour: what sources have, what load takes, what the grid may deliver."""
    d, energy, sites = plan.dispatch, plan.problem.energy, plan.problem.sites
    for name in d.columns():
        yield from above("NegativeEnergy", name, -getattr(d, name), np.zeros(1))
    source = d.direct_kwh + d.direct_charge_kwh + d.exported_kwh + d.curtailed_kwh
    yield from apart("SourceImbalance", "source, site, hour", source, energy.direct_kwh)
    exported = d.exported_kwh.sum(axis=0)
    yield from above(
        "ExportForbidden", "site, hour", exported * (energy.export_yuan_per_kwh <= 0), 0
    )
    yield from above("ExportExceeded", "site, hour", exported, energy.export_kw[:, None])
    bundled = d.bundled_kwh + d.bundled_charge_kwh
    yield from above("BundledExceeded", "site, hour", bundled, energy.bundled_kwh)
    volume = energy.bundled_volume_kwh
    yield from above("VolumeExceeded", "site", bundled.sum(axis=1), volume)
    used = d.direct_kwh.sum(axis=0) + d.bundled_kwh + d.grid_kwh
    used = used + d.green_discharge_kwh + d.grey_discharge_kwh + d.shed_kwh
    load = load_of(plan)
    yield from apart("LoadImbalance", "site, hour", used, load)
    green = d.direct_kwh.sum(axis=0) + d.bundled_kwh + d.green_discharge_kwh
    yield from above("GreenAboveLoad", "site, hour", green, load)
    yield from above("ShedTooMuch", "site, hour", d.shed_kwh, energy.shed_kwh)
    drawn = d.grid_kwh + d.grid_charge_kwh
    yield from above("ConnectionExceeded", "site, hour", drawn, sites.connection_kw[:, None])


def storage_faults(plan: PlanData) -> Iterator[Fault]:
    """Batteries: what is stored follows from charges and discharges, green and grey apart."""
    d, energy = plan.dispatch, plan.problem.energy
    green_in = d.direct_charge_kwh.sum(axis=0) + d.bundled_charge_kwh
    colours = (
        (energy.green_start_kwh, green_in, d.green_discharge_kwh, d.green_stored_kwh),
        (energy.grey_start_kwh, d.grid_charge_kwh, d.grey_discharge_kwh, d.grey_stored_kwh),
    )
    for first, taken, given, stored in colours:
        kept = energy.charge_efficiency[:, None] * taken
        drawn = given / energy.discharge_efficiency[:, None]
        expected = first[:, None] + (kept - drawn).cumsum(axis=1)
        yield from apart("StoreImbalance", "site, hour", stored, expected)
        earned = energy.discharge_efficiency * (first + kept.sum(axis=1))
        yield from above("DischargeUnearned", "site", given.sum(axis=1), earned)
        if energy.terminal == "cyclic":
            yield from above("TerminalViolated", "site", first, stored[:, -1])
    both = d.green_stored_kwh + d.grey_stored_kwh
    yield from above("StoreTooFull", "site, hour", both, energy.battery_kwh[:, None])
    for flow in (green_in + d.grid_charge_kwh, d.green_discharge_kwh + d.grey_discharge_kwh):
        yield from above("StorePowerExceeded", "site, hour", flow, energy.battery_kw[:, None])
