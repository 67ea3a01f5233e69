"""Tenants' quotas and the green mandate: the rules a plan is held to."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..errors import InvalidProblemError
from .columns import Bools, Floats, Table, column

if TYPE_CHECKING:
    from .ledger import Ledger
    from .sites import Sites

__all__ = ["RULES", "SCOPES", "Mandate", "MandateRows", "Quotas"]

#: Whose energy is pooled: each new site alone, the new sites of an operator, those of a region.
SCOPES = ("site", "operator", "cluster")
#: "hourly": only green energy used in the hour it was delivered counts. "volume": retired
#: certificates and those of exported surplus count as well.
RULES = ("hourly", "volume")


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Quotas(Table):
    """Accelerator-hours by tenant: ``gang * hours`` summed over a tenant's placed jobs.

    Parameters
    ----------
    upper_accelerator_h : float64 (n_tenants,)
        Never exceeded; inf = no limit.
    lower_accelerator_h : float64 (n_tenants,)
        Each accelerator-hour below it costs `below_yuan_per_accelerator_h`.
    below_yuan_per_accelerator_h : float64 (n_tenants,)
    """

    title: ClassVar[str] = "quotas"
    rows: ClassVar[str] = "tenant"

    upper_accelerator_h: Floats = column(
        "tenant", np.float64, "accelerator-hours", default=np.inf, low=0, infinite=True
    )
    lower_accelerator_h: Floats = column(
        "tenant", np.float64, "accelerator-hours", default=0.0, low=0
    )
    below_yuan_per_accelerator_h: Floats = column(
        "tenant", np.float64, "yuan per accelerator-hour", default=0.0, low=0
    )

    def check(self) -> None:
        """A lower bound lies below its upper."""
        good = self.lower_accelerator_h <= self.upper_accelerator_h
        self.require(good, "lower_accelerator_h", "at most the tenant's upper_accelerator_h")

    @classmethod
    def unlimited(cls, n_tenants: int) -> Quotas:
        """No limit for any of `n_tenants` tenants."""
        return cls(upper_accelerator_h=np.full(n_tenants, np.inf))


@dataclasses.dataclass(frozen=True)
class MandateRows:
    """The mandate as linear rows, one per scope q: green_q + missing_q >= share * load_q +
    carried_q.

    green_q sums direct, bundled and green discharge used on load over the scope's sites and all
    hours; under the volume rule also retired certificates and exported direct power. missing_q >= 0
    is priced.
    """

    #: Which sites each scope pools, (n_scopes, n_sites).
    member: Bools
    names: tuple[str, ...]
    share: float
    #: kWh owed (positive) or in hand (negative) from earlier batches, (n_scopes,).
    carried_kwh: Floats
    missing_yuan_per_kwh: float
    volume: bool


@dataclasses.dataclass(frozen=True)
class Mandate:
    """The green mandate: a share of each new facility's energy must be green.

    Parameters
    ----------
    share : float
        0 to 1.
    scope : "site", "operator" or "cluster"
        Who may balance whom: each new site alone, all new sites of one operator, of one region.
    rule : "hourly" or "volume"
        Does only green power count that is used in its own hour, or volume with certificates?
    new : sequence of bool (n_sites,), optional
        The facilities it applies to; None = `Sites.new`.
    shortfall_yuan_per_kwh : float
        Price of each kWh missing; it is reported, never hidden.
    ledger : Ledger, optional
        Green kWh and load of earlier batches: the row becomes a rolling budget and its price is
        capped.

    Examples
    --------
    >>> Mandate(share=1.2)
    Traceback (most recent call last):
    gridcompute.errors.InvalidProblemError: mandate.share is 1.2, needed a number from 0 to 1
    """

    share: float = 0.8
    scope: str = "site"
    rule: str = "hourly"
    new: tuple[bool, ...] | None = None
    shortfall_yuan_per_kwh: float = 3.0
    ledger: Ledger | None = None

    def __post_init__(self) -> None:
        """Check each value."""
        if not 0 <= self.share <= 1:
            raise _bad("share", self.share, "a number from 0 to 1")
        if self.scope not in SCOPES:
            raise _bad("scope", self.scope, f"one of {SCOPES}")
        if self.rule not in RULES:
            raise _bad("rule", self.rule, f"one of {RULES}")
        if not (np.isfinite(self.shortfall_yuan_per_kwh) and self.shortfall_yuan_per_kwh >= 0):
            raise _bad(
                "shortfall_yuan_per_kwh", self.shortfall_yuan_per_kwh, "a finite number >= 0"
            )
        if self.new is not None:
            new = np.asarray(self.new)
            if new.dtype != np.bool_ or new.ndim != 1:
                raise TypeError(f"mandate.new must be one bool per site, not {self.new!r}")
            object.__setattr__(self, "new", tuple(bool(x) for x in new))

    def applies_to(self, sites: Sites) -> Bools:
        """Which sites are held to the mandate, (n_sites,)."""
        if self.new is None:
            return sites.new
        if len(self.new) != len(sites):
            raise _bad("new", f"{len(self.new)} values", f"{len(sites)}, one per site")
        return np.array(self.new, bool)

    def rows(self, sites: Sites) -> MandateRows:
        """The mandate's linear rows for these sites."""
        new = self.applies_to(sites)
        label = {
            "site": np.arange(len(sites), dtype=np.int32),
            "operator": sites.operator,
            "cluster": sites.region,
        }[self.scope]
        groups = np.unique(label[new])
        member = (label == groups[:, None]) & new
        if self.scope == "site":
            names = tuple(str(sites.name[g]) for g in groups)
        else:
            names = tuple(f"{self.scope} {g}" for g in groups)
        carried, price = np.zeros(len(groups)), self.shortfall_yuan_per_kwh
        if self.ledger is not None:
            volume = self.rule == "volume"
            carried = self.ledger.carried_kwh(member, self.share, sites, volume=volume)
            price = min(price, self.ledger.cap_yuan_per_kwh)
        return MandateRows(member, names, self.share, carried, price, self.rule == "volume")


def _bad(name: str, found: object, needed: str) -> InvalidProblemError:
    return InvalidProblemError(f"mandate.{name} is {found}, needed {needed}", f"mandate.{name}")
