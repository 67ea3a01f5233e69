"""Marginal values at a plan's load: the mandate's prices and those of batteries.

The least cost of serving a load is convex in each limit. So what a scope's prices say is recomputed
by two more linear programs, one kWh asked less and more; and what a battery's price says lies
between what one kWh (or kW) more saves and what one less costs. By convexity the second is at least
the first, so that a price no higher than the first needs no program for the second. A program
covers the sites that the mandate pools, no others: at a fixed load nothing else links sites.

The price of the mandate in the bound is a multiplier of the program whose load is free and earns
the prices of energy: it lies between the same two differences of that program's least cost.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .derived_tables import most_load_kwh
from .energy_lp import EnergyProgram
from .mandate_requirements import scopes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..tables.column import Bools, Floats
    from ..tables.energy import Energy
    from ..tables.mandate import DirectRule, Mandate
    from ..tables.problem import Problem
    from ..tables.sites import Sites

__all__ = ["bound_prices", "groups_of", "mandate_prices", "storage_limits"]

#: kWh asked less and more, and kWh or kW of a battery less and more.
STEP = 1.0


class Part(NamedTuple):
    """The tables of some sites that a dispatch is made from."""

    hours: int
    sites: Sites
    energy: Energy
    mandate: Mandate
    direct_rule: DirectRule


class Group(NamedTuple):
    """Sites that share a row of the mandate, and what serving their load costs."""

    sites: Bools
    part: Any  # a `Part`, which a program reads as it does a problem
    served: Floats
    yuan: float


def groups_of(problem: Problem, load: Floats) -> list[Group]:
    """Return the sites that each scope pools, in the scopes' order, and each other site alone."""
    found = []
    for sites in _groups(problem):
        part, own = _part(problem, sites), load[sites]
        found.append(Group(sites, part, own, EnergyProgram(part, own, own).value()))
    return found


def mandate_prices(problem: Problem, groups: list[Group]) -> Floats:
    """Return left and right derivative of the cost by the green energy asked for, (n_scopes, 2)."""
    out = np.zeros((len(scopes(problem).member), 2))
    for q, (_, part, own, here) in enumerate(groups[: len(out)]):
        for side, step in enumerate((-STEP, STEP)):
            other = EnergyProgram(part, own, own, asked_more_kwh=step).value()
            out[q, side] = max((other - here) / step, 0.0)
    return out


def bound_prices(problem: Problem, pi: Floats) -> Floats:
    """Return the least and the most that each scope's price in the bound can be, (n_scopes, 2).

    `pi` are prices of energy, and `problem` has what runs and cannot move as load.
    """
    base, most = problem.energy.base_load_kwh, most_load_kwh(problem)
    member = scopes(problem).member
    out = np.zeros((len(member), 2))
    for q, here in enumerate(member):
        part = _part(problem, here)
        yuan = [
            EnergyProgram(part, base[here], most[here], -pi[here], asked_more_kwh=step).value()
            for step in (-STEP, 0.0, STEP)
        ]
        out[q] = np.diff(yuan) / STEP
    return out


def storage_limits(groups: list[Group]) -> Iterator[tuple[int, int, float, Callable[[], float]]]:
    """Yield site, 0 for size or 1 for power, the least its price can be, and how to find the most.

    The last is a function that computes the most, in yuan as well: a call solves a program.
    """
    for group in groups:
        energy = group.part.energy
        for i, site in enumerate(np.flatnonzero(group.sites).tolist()):
            if not (energy.battery_kwh[i] > 0 and energy.battery_kw[i] > 0):
                continue  # nothing to store in: a first kWh is no kWh more
            for k, name in enumerate(("battery_kwh", "battery_kw")):
                saved = group.yuan - _resized(group, i, name, STEP)
                yield site, k, saved / STEP, functools.partial(_most, group, i, name)


def _most(group: Group, site: int, name: str) -> float:
    """Return the cost of one kWh (or kW) less; inf where the store cannot shrink by that."""
    energy = group.part.energy
    size = float(getattr(energy, name)[site])
    less, kept = min(STEP, size), energy.green_start_kwh[site] + energy.grey_start_kwh[site]
    if name == "battery_kwh" and kept > size - less:
        return np.inf
    return (_resized(group, site, name, -less) - group.yuan) / less


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


def _resized(group: Group, site: int, name: str, by: float) -> float:
    """Return what serving the load costs with a larger or smaller battery at one site."""
    values = getattr(group.part.energy, name).copy()
    values[site] = max(values[site] + by, 0.0)
    energy = copy.copy(group.part.energy)  # one number differs: all others have been checked
    object.__setattr__(energy, name, values)
    part: Any = group.part._replace(energy=energy)
    return EnergyProgram(part, group.served, group.served).value()
