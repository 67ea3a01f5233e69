"""Steps of a batch that are shorter than an hour, and the same batch with its step as the unit.

The engine counts in steps. What a table says by the hour (power, speed, delay, accelerator-hours)
becomes what it is in a step; energy, data and prices of either are by the step already. So a step
of 15 minutes needs no other model: 4 kW are 1 kWh a step, an hour of work is 4 steps.
"""

from __future__ import annotations

from typing import Any

from ...errors import InvalidProblemError
from .limits import number_of

__all__ = ["LEAST_STEP_H", "per_step", "step_of"]

#: The shortest step, hours: a minute. The longest is an hour.
LEAST_STEP_H = 1 / 60


def step_of(field: str, value: Any) -> float:
    """Return the length of a step, hours."""
    step = number_of(field, value)
    if not LEAST_STEP_H * (1 - 1e-12) <= step <= 1:
        message = f"{field} is {step:g}, needed a number of hours from 1/60 to 1"
        raise InvalidProblemError(message, field)
    return step


def per_step(problem: Any) -> dict[str, Any]:
    """Return the tables of a `Problem` as they are where its step is the unit of time."""
    step, jobs, classes, energy = problem.step_h, problem.jobs, problem.classes, problem.energy
    quotas = problem.quotas
    hours = (
        *("upper_accelerator_h", "lower_accelerator_h", "borrowing_accelerator_h"),
        *("upper_by_accelerator_h", "lower_by_accelerator_h"),
    )
    return {
        "step_h": 1.0,
        "jobs": jobs.replace(delay_yuan_per_h=jobs.delay_yuan_per_h * step),
        "classes": classes.replace(
            power_kw=classes.power_kw * step,
            overhead_kw=classes.overhead_kw * step,
            throughput=classes.throughput * step,
        ),
        "sites": problem.sites.replace(connection_kw=problem.sites.connection_kw * step),
        "energy": energy.replace(
            battery_kw=energy.battery_kw * step,
            export_kw=energy.export_kw * step,
            demand_paid_kw=energy.demand_paid_kw * step,
            demand_yuan_per_kw=energy.demand_yuan_per_kw / step,
        ),
        "quotas": quotas.replace(
            below_yuan_per_accelerator_h=quotas.below_yuan_per_accelerator_h * step,
            **{name: getattr(quotas, name) / step for name in hours},
        ),
    }
