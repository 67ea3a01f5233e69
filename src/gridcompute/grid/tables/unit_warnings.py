"""What is allowed and looks like a mistake: watts for kilowatts, a mandate that holds no site."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["IdleRuleWarning", "ImplausibleUnitWarning", "implausible", "warn_of_mistakes"]

#: Modules that build a problem on behalf of their caller, which receives the warning; any other of
#: this package builds one from a problem whose maker has received it.
ON_BEHALF = frozenset(
    (
        "dataclasses",
        "gridcompute.grid.files.read_write",
        "gridcompute.grid.plan.whatif",
        "gridcompute.grid.tables.problem",
    )
)


class ImplausibleUnitWarning(UserWarning):
    """A value lies far outside what is built, paid or emitted anywhere: perhaps another unit."""


class IdleRuleWarning(UserWarning):
    """A rule is asked for and applies to nothing, so that it changes no plan."""


class Range(NamedTuple):
    """The plausible range of a column; values of exactly 0, and infinite ones, always are."""

    table: str
    column: str
    least: float
    most: float
    unit: str
    hint: str


#: The ranges, a factor of three or more beyond anything known.
RANGES = (
    Range("classes", "power_kw", 0.0, 5.0, "kW an accelerator", "watts?"),
    Range("classes", "overhead_kw", 0.0, 5.0, "kW an accelerator", "watts?"),
    Range("classes", "memory_gb", 0.0, 4096.0, "GB an accelerator", "megabytes?"),
    Range("classes", "throughput", 0.0, 1e3, "times the reference", "TFLOPS?"),
    Range("sites", "pue", 0.0, 3.0, "", "percent?"),
    Range("sites", "carbon_g_per_kwh", 3.0, 2500.0, "g/kWh", "kg or tonnes?"),
    Range("energy", "tariff_yuan_per_kwh", -20.0, 20.0, "yuan/kWh", "yuan/MWh?"),
    Range("energy", "bundled_yuan_per_kwh", -20.0, 20.0, "yuan/kWh", "yuan/MWh?"),
    Range("energy", "direct_yuan_per_kwh", -20.0, 20.0, "yuan/kWh", "yuan/MWh?"),
    Range("energy", "certificate_yuan_per_kwh", 0.0, 1.0, "yuan/kWh", "yuan a certificate?"),
    Range("energy", "carbon_yuan_per_t", 0.0, 1e4, "yuan/t", "yuan/kg?"),
    Range("corridors", "price_yuan_per_gb", 0.0, 100.0, "yuan/GB", "yuan/TB?"),
    Range("corridors", "delay_ms", 0.0, 1e3, "ms", "microseconds?"),
    Range("jobs", "work_h", 0.0, 8784.0, "h", "seconds?"),
    Range("jobs", "memory_gb", 0.0, 4096.0, "GB an accelerator", "megabytes?"),
    Range("jobs", "data_gb", 0.0, 1e7, "GB", "megabytes?"),
    Range("jobs", "latency_ms", 0.1, np.inf, "ms", "seconds?"),
)


def warn_of_mistakes(problem: Any) -> None:
    """Warn of each probable mistake at the line of the caller that made the problem."""
    caller = sys._getframe(1)
    while caller.f_back is not None and caller.f_globals.get("__name__") in ON_BEHALF:
        caller = caller.f_back
    module = str(caller.f_globals.get("__name__"))
    if module.startswith("gridcompute.") and not module.startswith("gridcompute.cli"):
        return
    found: list[tuple[str, type[UserWarning]]]
    found = [(words, ImplausibleUnitWarning) for words in implausible(problem)]
    found += [(words, IdleRuleWarning) for words in _idle(problem)]
    for words, kind in found:
        warnings.warn_explicit(
            words,
            kind,
            caller.f_code.co_filename,
            caller.f_lineno,
            module,
            caller.f_globals.setdefault("__warningregistry__", {}),
        )


def implausible(problem: Any) -> Iterator[str]:
    """Yield a sentence for each column with a value out of its range, with its first such place.

    `problem` is a `Problem`, or anything else that has its tables.
    """
    for spec in RANGES:
        values = np.asarray(getattr(getattr(problem, spec.table), spec.column))
        odd = np.isfinite(values) & (values != 0) & ((values < spec.least) | (values > spec.most))
        if odd.any():
            at = np.unravel_index(int(np.argmax(odd)), odd.shape)
            place = ", ".join(str(int(i)) for i in at)
            where = f"{spec.table}.{spec.column}" + (f"[{place}]" if values.ndim else "")
            size = f"{values[at]:g} {spec.unit}".rstrip()
            likely = f"{spec.least:g} to {spec.most:g}" if spec.least else f"up to {spec.most:g}"
            yield f"{where} is {size}, where {likely} is plausible: {spec.hint}"
    yield from _unreachable(problem)


def _idle(problem: Any) -> Iterator[str]:
    """Yield a sentence for a mandate that asks for a share and holds no site."""
    mandate = problem.mandate
    if mandate.share <= 0 or mandate.applies_to(problem.sites).any():
        return
    why = "no site is new" if mandate.new is None else "mandate.new is false for every site"
    needed = "write true in the column new of sites (sites.csv) for each site that it is to hold"
    if mandate.new is not None:
        needed = "set it true for each site that the mandate is to hold"
    yield f"mandate.share is {mandate.share:g}, but {why}, so that it asks for nothing: {needed}"


def _unreachable(problem: Any) -> Iterator[str]:
    """Yield a sentence for the first site whose minimum load is more than it can ever draw."""
    sites, classes = problem.sites, problem.classes
    if not (sites.minimum_load_kw > 0).any():
        return
    most = problem.energy.base_load_kwh.max(axis=1) / problem.step_h
    busy = (classes.power_kw + classes.overhead_kw) * classes.capacity.max(axis=1)
    pue = sites.pue.reshape(len(sites), -1).max(axis=1)
    most = most + pue * np.bincount(classes.site, busy, len(sites))
    least = sites.minimum_load_kw.reshape(len(sites), -1).max(axis=1)
    for s in np.flatnonzero(least > most * (1 + 1e-9))[:1].tolist():
        found = f"sites.minimum_load_kw[{s}] is {least[s]:g} kW"
        yield f"{found}, where {most[s]:g} is drawn with all accelerators busy: watts?"
