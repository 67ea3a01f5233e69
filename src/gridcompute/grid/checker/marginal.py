"""What a kWh more or less is worth at a plan's load: the mandate's prices and those of batteries.

The least cost of serving a load is convex in each limit. So what a scope's prices say is recomputed
by two more linear programs, one kWh asked less and more; and what a battery's price says lies
between what one kWh (or kW) more saves and what one less costs. A program covers the sites that the
mandate pools, no others: at a fixed load nothing else links sites.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .energy_lp import EnergyProgram
from .rules import scopes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..tables.column import Bools, Floats
    from ..tables.energy import Energy
    from ..tables.mandate import DirectRule, Mandate
    from ..tables.problem import Problem
    from ..tables.sites import Sites

__all__ = ["mandate_prices", "storage_limits"]

#: kWh asked less and more, and kWh or kW of a battery less and more.
STEP = 1.0


class Part(NamedTuple):
    """The tables of some sites that a dispatch is made from."""

    hours: int
    sites: Sites
    energy: Energy
    mandate: Mandate
    direct_rule: DirectRule


def mandate_prices(problem: Problem, load: Floats) -> Floats:
    """Return left and right derivative of the cost by the green energy asked for, (n_scopes, 2)."""
    rows = scopes(problem)
    out = np.zeros((len(rows.member), 2))
    for q, member in enumerate(rows.member):
        part, own = _part(problem, member), load[member]
        here = EnergyProgram(part, own, own).value()
        for side, step in enumerate((-STEP, STEP)):
            other = EnergyProgram(part, own, own, asked_more_kwh=step).value()
            out[q, side] = max((other - here) / step, 0.0)
    return out


def storage_limits(problem: Problem, load: Floats) -> Iterator[tuple[int, int, float, float]]:
    """Yield site, 0 for size or 1 for power, and the least and most its price can be, yuan."""
    for group in _groups(problem):
        part, own = _part(problem, group), load[group]
        here = EnergyProgram(part, own, own).value()
        for i, site in enumerate(np.flatnonzero(group).tolist()):
            if not (part.energy.battery_kwh[i] > 0 and part.energy.battery_kw[i] > 0):
                continue  # nothing to store in: a first kWh is no kWh more
            for k, name in enumerate(("battery_kwh", "battery_kw")):
                size = float(getattr(problem.energy, name)[site])
                less = min(STEP, size)
                more = EnergyProgram(_resized(part, i, name, STEP), own, own).value()
                kept = part.energy.green_start_kwh[i] + part.energy.grey_start_kwh[i]
                most = np.inf
                if k == 1 or kept <= size - less:
                    smaller = EnergyProgram(_resized(part, i, name, -less), own, own).value()
                    most = (smaller - here) / less
                yield site, k, (here - more) / STEP, most


def _groups(problem: Problem) -> Iterator[Bools]:
    """Yield the sites that one scope pools, and each other site alone."""
    member = scopes(problem).member
    yield from member
    every = np.arange(len(problem.sites))
    for site in np.flatnonzero(~member.any(axis=0)).tolist():
        yield every == site


def _part(problem: Problem, here: Bools) -> Any:
    mandate, rule = problem.mandate, problem.direct_rule
    if mandate.new is not None:
        kept = tuple(np.array(mandate.new)[here].tolist())
        mandate = dataclasses.replace(mandate, new=kept)
    if rule.sites is not None:
        rule = dataclasses.replace(rule, sites=tuple(np.array(rule.sites)[here].tolist()))
    sites = problem.sites.replace(**_sliced(problem.sites, here))
    energy = problem.energy.replace(**_sliced(problem.energy, here))
    return Part(problem.hours, sites, energy, mandate, rule)


def _sliced(table: Sites | Energy, here: Bools) -> dict[str, Any]:
    """Return the columns of some sites."""
    return {
        name: np.compress(here, getattr(table, name), axis=spec.dims.index("site"))
        for name, spec in table.columns().items()
    }


def _resized(part: Any, site: int, name: str, by: float) -> Any:
    """Return the part with a larger or smaller battery at one site."""
    values = getattr(part.energy, name).copy()
    values[site] = max(values[site] + by, 0.0)
    return part._replace(energy=part.energy.replace(**{name: values}))
