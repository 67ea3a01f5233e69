"""The faults of a plan: their tokens, and comparisons that yield them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ..tables.column import Bools, Floats

__all__ = ["FAULTS", "TOLERANCE", "Fault", "above", "apart"]


#: The faults of a plan.
FAULTS = {
    "Malformed": "a field of another shape, type or range than those of a plan; nothing else read",
    "PlacementMalformed": "a class or hour out of range, or one without the other",
    "WindowViolated": "a job starts before its release, ends after its deadline or the last hour",
    "FamilyUnsupported": "a job on a class that cannot run its family",
    "MemoryTooSmall": "a job on an accelerator with too little memory",
    "ResidencyForbids": "a job where its data may not go",
    "LatencyTooHigh": "a job too far from its origin",
    "GangSplit": "the plan shows a job with other accelerators or hours than its gang needs",
    "TableMismatch": "the plan's table shows another place or energy than its placements have",
    "CapacityExceeded": "more accelerators used than a class has in an hour",
    "CorridorExceeded": "more data sent over a corridor than it carries in an hour",
    "QuotaExceeded": "a tenant, or a queue above it, above its upper quota",
    "NegativeEnergy": "an amount of energy below zero",
    "SourceImbalance": "a direct source delivers more or less than it has",
    "BundledExceeded": "more bundled green power than can be delivered",
    "LoadImbalance": "power used differs from what base load and jobs need",
    "GreenAboveLoad": "more green power counted as used than there is load in that hour",
    "PiecesMalformed": "pieces that overlap or touch, lie outside the batch or are no job's",
    "NotInterruptible": "a job in pieces that has to run whole",
    "PieceTooShort": "a piece shorter than the job's least one, or than its restart",
    "WorkMismatch": "the pieces of a job do more or less than its work",
    "PinnedMoved": "a job that runs and cannot move is elsewhere, or left out",
    "ShedTooMuch": "more load goes without power than may",
    "ConnectionExceeded": "more grid power than the connection carries",
    "StoreImbalance": "a stored amount that its charges and discharges do not explain",
    "DischargeUnearned": "a colour of the store delivers more than it was charged with",
    "StoreTooFull": "more stored than the battery holds",
    "StorePowerExceeded": "charged or discharged faster than the battery can",
    "TerminalViolated": "a colour of the store ends below its start under the cyclic rule",
    "ExportForbidden": "power exported where reverse flow is forbidden",
    "ExportExceeded": "more power exported than the site may send",
    "VolumeExceeded": "more bundled green power in the batch than its contract has",
    "CertificateForbidden": "certificates counted under the hourly rule",
    "MandateUnaccounted": "a scope neither meets the mandate nor reports what is missing",
    "DirectRuleUnaccounted": "a site neither keeps the direct-connection rule nor says by how much",
    "MandateBroken": "a scope misses its share of green power, which is forbidden",
    "ShortfallOverstated": "more reported missing to a rule than is missing",
    "AccountMismatch": "a green number (N1 to N4, load, shortfall) differs from its recomputation",
    "CostMismatch": "the objective differs from the cost of this plan",
    "KeptMismatch": "a value kept since the plan was asked for it differs from what its fields say",
    "CostPartMismatch": "a part of the cost that the plan shows differs from its recomputation",
    "ChargeMismatch": "what the plan charges a job differs from what its prices say",
    "AllocationMismatch": "what jobs bear does not sum to the cost",
    "BoundUnproved": "the prices prove less than the bound claims",
    "PricesProveLess": "the prices prove less, without a search, than the plan says they do",
    "BoundAboveCost": "the bound is above the cost",
    "WithoutOptionMismatch": "the value of jobs without any option, left out of the gap, differs",
    "StatusUnproved": "called optimal, but less than the cost is proved",
    "PriceMismatch": "a price of mandate or battery differs from what a kWh is worth there",
    "CoverMalformed": "a price of a lifted cover row whose class, hours or job are none of it",
    "PriceNegative": "a price below zero where only prices of at least zero prove anything",
}

#: Relative tolerance of sums of energy and money.
TOLERANCE = 1e-6


class Fault(NamedTuple):
    """One fault of a plan."""

    token: str
    where: str
    found: float
    needed: float

    def __str__(self) -> str:
        """In words."""
        return f"{self.token} at {self.where}: found {self.found:.9g}, needed {self.needed:.9g}"


def above(
    token: str, axes: str, found: Floats | NDArray[np.int64], most: object, rel: float = TOLERANCE
) -> Iterator[Fault]:
    """A fault if `found` exceeds `most` anywhere: the worst place."""
    limit = np.broadcast_to(np.asarray(most, np.float64), found.shape)
    finite = np.where(np.isfinite(limit), np.abs(limit), 0.0)
    over = found - limit - rel * np.maximum(1.0, np.maximum(finite, np.abs(found)))
    yield from _worst(token, axes, over, found, limit, (over > 0) if rel else (found > limit))


def apart(token: str, axes: str, found: Floats, needed: Floats) -> Iterator[Fault]:
    """A fault if `found` and `needed` differ anywhere: the worst place."""
    off = np.abs(found - needed)
    bad = ~(off <= TOLERANCE * np.maximum(1.0, np.abs(needed)))
    yield from _worst(token, axes, off, found, needed, bad)


def _worst(
    token: str,
    axes: str,
    by: NDArray[np.float64],
    found: NDArray[np.generic],
    needed: NDArray[np.float64],
    bad: Bools,
) -> Iterator[Fault]:
    if bad.any():
        at = np.unravel_index(int(np.argmax(np.where(bad, by, -np.inf))), bad.shape)
        place = ", ".join(str(int(i)) for i in at)
        yield Fault(token, f"{axes} [{place}]", float(found[at]), float(needed[at]))
