"""The green mandate, the direct-connection rule, and the sources of a problem's figures."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ...errors import InvalidProblemError
from .column import sealed
from .names import number_of, price_of, rule_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .column import Bools, Floats, Int64s
    from .sites import Energy, Sites

#: "sourced": a page or a data set says so; "derived": computed from what is sourced, as its source
#: tells; "assumed": chosen, for nothing was found.
KINDS = ("sourced", "derived", "assumed")


def by_kind(sources: Iterable[tuple[str, str]]) -> dict[str, list[tuple[str, str]]]:
    """The rows of `Problem.sources` by kind.

    A source says its kind before a colon ("derived: from the line's length"). One that does not is
    an assumption if it says so anywhere or says nothing, and else a source.
    """
    out: dict[str, list[tuple[str, str]]] = {kind: [] for kind in KINDS}
    for figure, source in sources:
        said = source.split(":")[0].strip().lower()
        guessed = "assumed" if "assum" in source.lower() or not said else "sourced"
        out[said if said in KINDS else guessed].append((figure, source))
    return out


def counted(sources: Iterable[tuple[str, str]]) -> str:
    """Return the number of figures of each kind, in words."""
    return ", ".join(f"{len(rows)} {kind}" for kind, rows in by_kind(sources).items())


#: Whose energy is pooled: each new site alone, the new sites of an operator, those of a region.
SCOPES = ("site", "operator", "cluster")
#: "hourly": only green energy used in the hour it was delivered counts. "volume": retired
#: certificates count as well, and those of exported surplus where they are kept.
RULES = ("hourly", "volume")
#: "priced": each kWh missing costs `Mandate.shortfall_yuan_per_kwh`. "forbidden": none may be.
SHORTFALLS = ("priced", "forbidden")
#: What a kWh missing counts as in the bound, and while a plan is sought, where none may be missing:
#: more than a job earns by it. The true price has no limit, so that a bound at this one is true.
FORBIDDEN_YUAN_PER_KWH = 1000.0


class CarriedEnergy(Protocol):
    """The interface of a mandate to a `Ledger`: the energy carried over from earlier batches."""

    @property
    def cap_yuan_per_kwh(self) -> float:
        """Price of what is missing, at most."""

    @property
    def window(self) -> int:
        """Batches that count together, this one included."""

    @property
    def entries(self) -> Sequence[Any]:
        """The lines of the ledger, in order."""

    def carried_kwh(
        self, member: Bools, share: float, sites: Sites, *, volume: bool = False
    ) -> Floats:
        """kWh owed (or a surplus, if negative) by each scope."""


@dataclasses.dataclass(frozen=True)
class MandateRows:
    """The mandate as linear rows, one per scope q: green_q + missing_q >= share * load_q +
    carried_q.

    green_q sums direct, bundled and green discharge used on load over the scope's sites and all
    hours; under the volume rule also retired certificates, and exported direct power whose
    certificates are kept. missing_q >= 0 is priced.
    """

    #: Which sites each scope pools, (n_scopes, n_sites).
    member: Bools
    names: tuple[str, ...]
    share: float
    #: kWh owed (positive) or a surplus (negative) from earlier batches, (n_scopes,).
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
        The sites that are balanced together: each new site alone, all of one operator or region.
    rule : "hourly" or "volume"
        Does only green power count that is used in its own hour, or volume with certificates?
    new : sequence of bool (n_sites,), optional
        The facilities it applies to; None = `Sites.new`.
    shortfall_yuan_per_kwh : float
        Price of each kWh missing; it is reported, never hidden.
    shortfall : "priced" or "forbidden"
        With "forbidden" every scope keeps its share, what earlier batches carry included, or
        `match` raises `InfeasibleError` with the least shortfall. Its price and the ledger's cap
        then count for nothing.
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
    ledger: CarriedEnergy | None = None
    shortfall: str = "priced"

    def __post_init__(self) -> None:
        """Check each value."""
        _check_share("mandate", "share", self.share)
        rule_of("mandate.scope", self.scope, SCOPES)
        rule_of("mandate.rule", self.rule, RULES)
        rule_of("mandate.shortfall", self.shortfall, SHORTFALLS)
        if self.ledger is not None and not hasattr(self.ledger, "carried_kwh"):
            found = type(self.ledger).__name__
            raise TypeError(f"mandate.ledger must be a grid.Ledger, not {found}")
        price_of("mandate.shortfall_yuan_per_kwh", self.shortfall_yuan_per_kwh)
        object.__setattr__(self, "new", _flags("mandate.new", self.new))

    def applies_to(self, sites: Sites) -> Bools:
        """Return which sites the mandate applies to, (n_sites,)."""
        return sites.new if self.new is None else _by_site("mandate", "new", self.new, sites)

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
            known = sites.operator_names if self.scope == "operator" else sites.region_names
            names = tuple(known[g] if known else f"{self.scope} {g}" for g in groups)
        carried, price = np.zeros(len(groups)), self.shortfall_yuan_per_kwh
        volume = self.rule == "volume"
        if self.ledger is not None:
            carried = self.ledger.carried_kwh(member, self.share, sites, volume=volume)
            price = min(price, self.ledger.cap_yuan_per_kwh)
        if self.shortfall == "forbidden":
            price = FORBIDDEN_YUAN_PER_KWH
        owed = sealed(np.array(carried))
        return MandateRows(sealed(member), names, self.share, owed, price, volume)


@dataclasses.dataclass(frozen=True)
class DirectRows:
    """The direct-connection rule as two linear rows for each site under it.

    direct used + direct stored + use_short >= used * available, and
    direct used + load_short >= of_load * load; both shortfalls are >= 0 and priced.
    """

    #: The sites under the rule, (n_ruled,).
    site: Int64s
    #: Energy that their direct sources can deliver in the batch, kWh, (n_ruled,).
    available_kwh: Floats
    used: float
    of_load: float
    short_yuan_per_kwh: float


@dataclasses.dataclass(frozen=True)
class DirectRule:
    """The direct-connection rule: a site with sources of its own uses them, and they carry it.

    Over the batch, of what a site's direct sources can deliver at least the share `used` goes to
    its load or into its battery, and direct power used on load is at least the share `of_load` of
    it. Document 650 of 2025 asks for 0.60 and 0.30, and for 0.35 in place of 0.30 before 2030; it
    counts by the year, this by the batch.

    Parameters
    ----------
    used : float
        0 to 1; 0 = not asked.
    of_load : float
        0 to 1; 0 = not asked.
    sites : sequence of bool (n_sites,), optional
        The sites under it; None = `Sites.new`. A site whose direct sources deliver nothing in the
        batch is not under it.
    shortfall_yuan_per_kwh : float
        Price of each kWh missing to either share. The document names none; the default is that of
        the mandate's shortfall, so that neither rule is broken to keep the other.

    Examples
    --------
    >>> DirectRule(of_load=0.35)
    DirectRule(used=0.6, of_load=0.35, sites=None, shortfall_yuan_per_kwh=3.0)
    """

    used: float = 0.60
    of_load: float = 0.30
    sites: tuple[bool, ...] | None = None
    shortfall_yuan_per_kwh: float = 3.0

    def __post_init__(self) -> None:
        """Check each value."""
        _check_share("direct_rule", "used", self.used)
        _check_share("direct_rule", "of_load", self.of_load)
        price_of("direct_rule.shortfall_yuan_per_kwh", self.shortfall_yuan_per_kwh)
        object.__setattr__(self, "sites", _flags("direct_rule.sites", self.sites))

    def applies_to(self, sites: Sites, energy: Energy) -> Bools:
        """Return which sites it applies to, (n_sites,)."""
        asked = (
            sites.new if self.sites is None else _by_site("direct_rule", "sites", self.sites, sites)
        )
        connected = energy.direct_kwh.sum(axis=(0, 2)) > 0
        return np.asarray(asked & connected & (self.used > 0 or self.of_load > 0))

    def rows(self, sites: Sites, energy: Energy) -> DirectRows:
        """Its linear rows for these sites."""
        at = np.flatnonzero(self.applies_to(sites, energy))
        available = energy.direct_kwh.sum(axis=(0, 2))[at]
        shares = self.used, self.of_load
        return DirectRows(sealed(at), sealed(available), *shares, self.shortfall_yuan_per_kwh)


def _bad(rule: str, name: str, found: object, needed: str) -> InvalidProblemError:
    return InvalidProblemError(f"{rule}.{name} is {found}, needed {needed}", f"{rule}.{name}")


def _check_share(rule: str, name: str, share: float) -> None:
    if not 0 <= number_of(f"{rule}.{name}", share) <= 1:
        raise _bad(rule, name, share, "a number from 0 to 1")


def _flags(name: str, given: Any) -> tuple[bool, ...] | None:
    """Return one bool per site as a tuple; None stays."""
    if given is None:
        return None
    flags = np.asarray(given)
    if flags.dtype != np.bool_ or flags.ndim != 1:
        raise TypeError(f"{name} must be one bool per site, not {given!r}")
    return tuple(bool(flag) for flag in flags)


def _by_site(rule: str, name: str, flags: tuple[bool, ...], sites: Sites) -> Bools:
    if len(flags) != len(sites):
        raise _bad(rule, name, f"{len(flags)} values", f"{len(sites)}, one per site")
    return np.array(flags, bool)
