"""Checks of settings and table values: limits by unit, and checks of numbers and labels.

Bounds and dispatches are sums in doubles, with sixteen digits. A tariff of 1e15 beside one of 0.5
leaves one digit of the bound, and products of 1e200 overflow. So each unit has a limit some orders
of magnitude above anything real, and the largest load and price together stay far below the 1e300
at which a sum of them would overflow.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np

from ...errors import InvalidProblemError

__all__ = [
    "LEAST_EFFICIENCY",
    "LIMITS",
    "MOST_CARRIED_KWH",
    "MOST_PUE",
    "MOST_SITES",
    "labels_of",
    "number_of",
    "price_of",
    "rule_of",
]

#: The largest magnitude of a value in each unit. Columns that may be infinite may be that, too.
LIMITS = MappingProxyType(
    {
        "yuan": 1e9,
        "yuan/kWh": 1e9,
        "yuan/GB": 1e9,
        "yuan per hour": 1e9,
        "yuan per kW": 1e9,
        "yuan per accelerator-hour": 1e9,
        "yuan/t": 1e9,
        "kWh": 1e12,
        "kW": 1e12,
        "kW per accelerator": 1e3,
        "g CO2 per kWh": 1e6,
        "GB": 1e12,
        "GB per accelerator": 1e12,
        "accelerator-hours": 1e12,
        "hours on a reference accelerator": 1e9,
        "reference accelerators": 1e6,
        "ms": 1e9,
        "ms one way": 1e9,
    }
)
#: The largest energy at the grid connection for one unit of energy at the servers.
MOST_PUE = 1e3
#: The least part of the energy taken that a battery stores, and of that drawn that it delivers: its
#: inverse is a factor of the dispatch.
LEAST_EFFICIENCY = 1e-3
#: The most energy that a ledger may carry into a batch, owed or surplus, kWh by scope.
MOST_CARRIED_KWH = 1e15
#: Sites a problem may have: `Jobs.residency` holds one bit for each.
MOST_SITES = 63


def number_of(name: str, value: Any) -> float:
    """Return a setting that must be one number; text is none, and neither is True."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{name} must be a number, not {value!r}")
    try:
        return float(value)
    except OverflowError:  # an int beyond the largest double
        message = f"{name} is beyond 1.8e308, needed a number that a double can hold"
        raise InvalidProblemError(message, name) from None


def price_of(name: str, value: Any, unit: str = "yuan/kWh") -> float:
    """Return a price that is a setting: from 0 to the limit of its unit."""
    price = number_of(name, value)
    if not 0 <= price <= LIMITS[unit]:
        needed = f"a finite number >= 0 and <= {LIMITS[unit]:g} ({unit})"
        message = f"{name}: found {price}, needed {needed}"
        raise InvalidProblemError(message, name)
    return price


def rule_of(name: str, value: Any, known: tuple[str, ...]) -> str:
    """Return a setting that must be one of the known words."""
    if not isinstance(value, str) or value not in known:
        raise InvalidProblemError(f"{name} is {value!r}, needed one of {known}", name)
    return value


def labels_of(name: str, given: Any, size: int, label: str, rows: str = "") -> tuple[str, ...]:
    """Return texts, each once; where none are given "`label` 0", "`label` 1" up to `size`.

    There must be `size` of them if they label `rows`, what a message calls them.
    """
    if given is None or (isinstance(given, (tuple, list)) and not given):
        return tuple(f"{label} {i}" for i in range(size))
    if isinstance(given, (str, bytes)) or not hasattr(given, "__len__"):
        raise TypeError(f"{name} must be a sequence of str, not {type(given).__name__}")
    labels: dict[str, int] = {}
    for i, value in enumerate(given):
        if not isinstance(value, str):
            raise TypeError(f"{name}[{i}] must be a str, not {type(value).__name__}")
        if value in labels:
            message = f"{name}[{i}] is {value!r}, needed a name not used at {labels[value]}"
            raise InvalidProblemError(message, name, i)
        labels[str(value)] = i
    if rows and len(labels) != size:
        message = f"{name} has {len(labels)} names, needed {size}, one a row of {rows}"
        raise InvalidProblemError(message, name)
    return tuple(labels)
