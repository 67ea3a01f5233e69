"""Steps of a batch that are shorter than an hour, and the same batch with its step as the unit.

The engine counts in steps. What a table says by the hour (power, speed, delay, accelerator-hours)
becomes what it is in a step; energy, data and prices of either are by the step already. So a step
of 15 minutes needs no other model: 4 kW are 1 kWh a step, an hour of work is 4 steps.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InvalidProblemError
from .value_checks import number_of

if TYPE_CHECKING:
    from .quotas import Quotas

__all__ = ["day_of", "in_hours", "per_step", "require_room", "step_of", "steps_in"]

#: The shortest and the longest step, seconds.
LEAST_S, MOST_S = 60, 3600
#: Largest distance of a step from a whole number of seconds, which 1/7 of an hour exceeds.
ROUNDING_S = 1e-6


def step_of(field: str, value: Any) -> float:
    """Return the length of a step, hours: a whole number of seconds, so that times are exact."""
    step = number_of(field, value)
    seconds = step * 3600
    within = LEAST_S - ROUNDING_S <= seconds <= MOST_S + ROUNDING_S  # false for NaN
    if not within or abs(seconds - round(seconds)) > ROUNDING_S:
        needed = "a number of hours from 1/60 to 1 that is a whole number of seconds"
        raise InvalidProblemError(f"{field} is {step:.10g}, needed {needed}", field)
    return round(seconds) / 3600


#: Columns of sites in kW: a step has less energy of them the shorter it is.
POWERS = ("connection_kw", "minimum_load_kw", "ramp_up_kw", "ramp_down_kw", "load_before_kw")
#: Columns in hours, or by kW: a step has more of them the shorter it is.
LENGTHS = {
    "energy": ("demand_yuan_per_kw",),
    "quotas": (
        "upper_accelerator_h",
        "lower_accelerator_h",
        "borrowing_accelerator_h",
        "upper_by_accelerator_h",
        "lower_by_accelerator_h",
    ),
}


def steps_in(hours: float, step_h: float) -> int:
    """Return how many steps some hours are, the last one whole; at least 1."""
    return max(1, math.ceil(hours / step_h - ROUNDING_S))


def day_of(step_h: float) -> int:
    """Return how many steps a day has, the last one whole: 24 if they are hours."""
    return steps_in(24, step_h)


def in_hours(quotas: Quotas, step_h: float) -> Quotas:
    """Return quotas counted in steps as what a table says, in hours.

    Counted in steps again they are no less: a job that takes just what is left still fits.
    """
    if step_h == 1:
        return quotas
    columns = {}
    for name in LENGTHS["quotas"]:
        steps = getattr(quotas, name)
        hours = steps * step_h
        short = hours / step_h < steps
        columns[name] = np.where(short, np.nextafter(hours, np.inf), hours)
    below = quotas.below_yuan_per_accelerator_h / step_h
    return quotas.replace(below_yuan_per_accelerator_h=below, **columns)


def require_room(problem: Any) -> None:
    """Raise for the first value that is beyond its column's limit once it is counted in steps."""
    step = problem.step_h
    for title, names in LENGTHS.items():
        table = getattr(problem, title)
        for name in names:
            spec = table.columns()[name]
            needed = f"at most {spec.high * step:g} ({spec.unit}) in steps of {step:g} h"
            table.require(spec.fits(getattr(table, name) / step), name, needed)


def per_step(problem: Any) -> dict[str, Any]:
    """Return the tables of a `Problem` as they are where its step is the unit of time."""
    step, jobs, classes, energy = problem.step_h, problem.jobs, problem.classes, problem.energy
    quotas = problem.quotas
    return {
        "step_h": 1.0,
        "jobs": jobs.replace(delay_yuan_per_h=jobs.delay_yuan_per_h * step),
        "classes": classes.replace(
            power_kw=classes.power_kw * step,
            overhead_kw=classes.overhead_kw * step,
            throughput=classes.throughput * step,
        ),
        "sites": problem.sites.replace(
            **{name: getattr(problem.sites, name) * step for name in POWERS}
        ),
        "energy": energy.replace(
            battery_kw=energy.battery_kw * step,
            export_kw=energy.export_kw * step,
            demand_paid_kw=energy.demand_paid_kw * step,
            demand_yuan_per_kw=energy.demand_yuan_per_kw / step,
        ),
        "quotas": quotas.replace(
            below_yuan_per_accelerator_h=quotas.below_yuan_per_accelerator_h * step,
            **{name: getattr(quotas, name) / step for name in LENGTHS["quotas"]},
        ),
    }
