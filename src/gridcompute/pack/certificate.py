"""Checks bounds of packing in exact integers, by code that shares nothing with what made them.

The claim. No policy can serve more weight of these pods on these devices than `limit`, if each
shape s is served between low_s and high_s times. It rests on prices rho (of a part of a device of a
group), gamma and delta (of its CPU and memory), all non-negative, and on three facts that are
checked here:

1. No content of a device of group g is worth more than mu_g: an integer dynamic program over the
   milli of a device, or over the layouts of its template. Of a group of equal nodes, no node is
   worth more than nu_g, the price of the devices: the best cut into single devices of mu_g and
   blocks of k devices of sigma_k, by trying all.
2. A pod of shape s costs, wherever it goes, at least pi_s = min over the groups that could host it
   of devices x rho + CPU x gamma + memory x delta; a shape that no group hosts is served 0 times
   (and if some have to be served, the claim is empty).
3. So sum_s w_s x_s <= sum_g (mu_g x devices + gamma_g x CPU + delta_g x memory)
   + sum_s max((w_s - pi_s) low_s, (w_s - pi_s) high_s), which is at most `limit`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from .._certificate import Certificate

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class BoundCertificate(Certificate):
    """The result of a check of a bound.

    Parameters
    ----------
    valid : bool
        Whether the duals prove the bound.
    limit : fractions.Fraction
        What they prove, in milli of devices, recomputed in exact arithmetic.
    claimed : fractions.Fraction
        What the bound says.
    reason : str
        What is wrong, or empty.
    """

    valid: bool
    limit: Fraction
    claimed: Fraction
    reason: str = ""

    @property
    def objective(self) -> float:
        """A bound is checked without a plan: nan."""
        return math.nan

    @property
    def bound(self) -> Fraction:
        """The bound that the duals prove, in the unit of `limit`."""
        return self.limit

    @property
    def gap(self) -> float:
        """There is no objective: inf."""
        return math.inf

    @property
    def reasons(self) -> tuple[str, ...]:
        """The faults found."""
        return (self.reason,) if self.reason else ()


def check(
    bound: Any,
    groups: Sequence[dict[str, Any]],
    shapes: Sequence[dict[str, Any]],
    arrivals: Sequence[int],
    scale: int,
) -> BoundCertificate:
    """Check all that a bound says; `groups` and `shapes` are plain records (`Bound.problem`)."""
    capacity = 1000 * sum(g["devices"] for g in groups)
    misfit = _misfit(bound, len(groups), len(arrivals))
    if misfit:
        return BoundCertificate(False, Fraction(0), Fraction(0), misfit)
    weight = [s["weight"] for s in shapes]
    claimed = bound.exact * capacity / 100
    first = [0] * len(shapes)
    for s in arrivals[: bound.pods]:
        first[s] += 1
    limit, reason, found = Fraction(sum(weight[s] for s in arrivals)), "", claimed
    status = "proved"
    if bound.kind == "served":
        high = list(first)
        for s in arrivals[bound.pods :]:
            high[s] += 1
        limit, reason = limit_of(groups, shapes, first, high, bound.duals, scale)
        found = limit = min(limit, Fraction(capacity))  # a device holds no more than itself
        if limit < sum(weight[s] for s in arrivals[: bound.pods]) or none_hosts(
            groups, shapes, first
        ):
            status = "empty"
        least, share = 0, Fraction(bound.served) * capacity
        pods = 0  # that have arrived, at most `served` percent of the devices
        for s in arrivals:
            least += weight[s]
            if 100 * least > share:
                break
            pods += 1
        if not reason and pods != bound.pods:
            reason = f"pods: found {bound.pods}, {pods} arrive up to {bound.served} percent"
    elif bound.pods > len(arrivals):  # nothing is refuted: the claim is that of the list
        found = limit
    else:
        least = sum(w * c for w, c in zip(weight, first, strict=True))
        limit, reason = limit_of(groups, shapes, [0] * len(shapes), first, bound.duals, scale)
        if not reason and limit >= least and not none_hosts(groups, shapes, first):
            reason = f"the duals allow {float(limit):.0f} milli, which is all that is asked for"
        found = Fraction(least - weight[arrivals[bound.pods - 1]])
    if not reason and found != claimed:
        reason = f"the pods and duals give {float(found)} milli, not {float(claimed)}"
    if not reason and bound.status != status:
        reason = f"status: found {bound.status!r}, needed {status!r}"
    if not reason and status == "empty":
        if not (isinstance(bound.value, float) and math.isnan(bound.value)):
            reason = f"value: found {bound.value}, needed nan, as the claim is empty"
    elif not reason and not _rounded_up(bound.value, bound.exact):
        reason = f"value: found {bound.value}, needed {float(bound.exact)}, rounded up"
    return BoundCertificate(not reason, limit, claimed, reason)


def _misfit(bound: Any, n_groups: int, n_arrivals: int) -> str:
    """Return what is no claim of this form, or an empty string."""
    served, pods, duals = bound.served, bound.pods, bound.duals
    if bound.kind not in ("served", "prefix"):
        return f"kind: found {bound.kind!r}, needed 'served' or 'prefix'"
    number = isinstance(served, (int, float)) and math.isfinite(served)
    if number is not (bound.kind == "served") or not (number or served is None):
        return f"served: found {served!r}, needed a finite number for 'served', else None"
    least, most = (0, n_arrivals) if bound.kind == "served" else (1, n_arrivals + 1)
    if not isinstance(pods, int) or not least <= pods <= most:
        return f"pods: found {pods!r}, needed {least} to {most}"
    if not isinstance(bound.exact, Fraction):
        return f"exact: found {type(bound.exact).__name__}, needed a Fraction"
    columns = (duals.part, duals.cpu, duals.memory, duals.block)
    if any(len(column) != n_groups for column in columns) or duals.unit < 1:
        return f"duals: found other columns than those of {n_groups} groups"
    return ""


def _rounded_up(value: float, exact: Fraction) -> bool:
    """Return whether it is the least double that is not below the exact number."""
    if not isinstance(value, float) or not math.isfinite(value):
        return False
    return Fraction(value) >= exact > Fraction(math.nextafter(value, -math.inf))


def best_in_milli(values: dict[int, int]) -> int:
    """Return the most that parts of a device can be worth: an unbounded knapsack over 1000."""
    parts = [(m, v) for m, v in sorted(values.items()) if v > 0]
    if not parts:
        return 0
    milli = np.array([m for m, _ in parts])
    # Sums of at most 1000 parts stay within 64 bits, or go by Python's integers.
    exact = np.int64 if max(v for _, v in parts) < 2**53 else object
    worth = np.array([v for _, v in parts], dtype=exact)
    best = np.zeros(1001, dtype=exact)
    for room in range(int(milli[0]), 1001):
        fits = int(np.searchsorted(milli, room, side="right"))
        best[room] = max(best[room - 1], (best[room - milli[:fits]] + worth[:fits]).max())
    return int(best[1000])


def best_in_layouts(states: Sequence[tuple[str, ...]], values: dict[Any, int]) -> int:
    """Return the most that an allowed layout, given as its profiles, can be worth."""
    most = max((sum(values.get(p, 0) for p in state) for state in states), default=0)
    return max(most, values.get(1000, 0))


def best_of_node(devices: int, single: int, blocks: dict[int, int]) -> int:
    """Return the most that the devices of a node can be worth, alone or in blocks of a price."""
    best = [d * single for d in range(devices + 1)]
    for size, price in blocks.items():
        for d in range(size, devices + 1):
            best[d] = max(best[d], best[d - size] + price)
    return best[devices]


def limit_of(
    groups: Sequence[dict[str, Any]],
    shapes: Sequence[dict[str, Any]],
    low: Sequence[int],
    high: Sequence[int],
    duals: Any,
    scale: int,
) -> tuple[Fraction, str]:
    """Return the bound that the duals prove, in milli, and what is wrong with them, or "".

    `groups` and `shapes` are plain records: see `Bound.problem`.
    """
    unit = duals.unit * scale  # gamma and delta are numerators over it; rho over scale
    total = 0  # in 1 / unit milli
    for g, group in enumerate(groups):
        rho, gamma, delta = duals.part[g], duals.cpu[g], duals.memory[g]
        sigma = duals.block[g] if group["nodes"] is not None else {}
        if gamma < 0 or delta < 0 or any(v < 0 for v in (*rho.values(), *sigma.values())):
            return Fraction(0), f"a price of group {group['model']} is negative"
        if group["layouts"] is None:
            best = best_in_milli({p: v for p, v in rho.items() if not isinstance(p, str)})
        else:
            best = best_in_layouts(group["layouts"], rho)
        if group["nodes"] is None:
            total += best * duals.unit * group["devices"]
        else:
            worth = best_of_node(group["most_devices"], best, sigma)
            total += worth * duals.unit * group["nodes"]
        total += gamma * group["cpu"] + delta * group["memory"]
    for s, shape in enumerate(shapes):
        if not 0 <= low[s] <= high[s]:
            return Fraction(0), f"shape {s} is to be served between {low[s]} and {high[s]} times"
        cheapest = None
        for g, group in enumerate(groups):
            if not _hosts(group, shape):
                continue
            price = shape["cpu"] * duals.cpu[g] + shape["memory"] * duals.memory[g]
            if group["nodes"] is not None and shape["gpus"] > 1 and shape["part"] == 1000:
                if shape["gpus"] not in duals.block[g]:
                    return Fraction(0), f"group {group['model']} has no price for shape {s}"
                price += duals.block[g][shape["gpus"]] * duals.unit
            elif shape["gpus"]:
                if shape["part"] not in duals.part[g]:
                    return Fraction(0), f"group {group['model']} has no price for shape {s}"
                price += shape["gpus"] * duals.part[g][shape["part"]] * duals.unit
            cheapest = price if cheapest is None else min(cheapest, price)
        if cheapest is None:
            continue  # served 0 times; if it must be served, the claim is empty
        gain = shape["weight"] * unit - cheapest
        total += max(gain * low[s], gain * high[s])
    return Fraction(total, unit), ""


def none_hosts(
    groups: Sequence[dict[str, Any]], shapes: Sequence[dict[str, Any]], counts: Sequence[int]
) -> bool:
    """Whether some pod of these counts has no group that could host it even on an empty node."""
    return any(
        n > 0 and not any(_hosts(group, shape) for group in groups)
        for shape, n in zip(shapes, counts, strict=True)
    )


def _hosts(group: dict[str, Any], shape: dict[str, Any]) -> bool:
    """Whether an empty node of the group might host the shape; True where that is not excluded."""
    if shape["cpu"] > group["most_cpu"] or shape["memory"] > group["most_memory"]:
        return False
    if shape["gpus"] == 0:
        return True
    if shape["models"] is not None and group["model"] not in shape["models"]:
        return False
    if shape["gpus"] > group["most_devices"]:
        return False
    part = shape["part"]
    if group["layouts"] is None:
        return not isinstance(part, str)
    return part == 1000 or any(part in state for state in group["layouts"])
