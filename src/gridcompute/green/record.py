"""A claim: the record of what is claimed under a rule, with its proof."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from .._html import facts
from .._value import Tabular

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from .check import ClaimCertificate
    from .network import Pieces
    from .rules import Rule
    from .tables import Checked

    Bools = NDArray[np.bool_]

#: Why a bundle's energy counts nowhere, in the order in which the reasons are looked for.
REASONS = (
    "NotActive",
    "KindNotAllowed",
    "PlantTooOld",
    "LongerThanInterval",
    "NoBoundary",
    "NoLoad",
    "Surplus",
)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Claim(Tabular):
    """What is claimed under a rule, and the proof that no more can be.

    Attributes
    ----------
    rule : Rule
    matched_wh : int
        Energy claimed, Wh.
    load_wh : int
        Energy used, Wh.
    allocations : pyarrow.Table
        Which certificates serve which interval of which meter: ``bundle, id_start, id_end,
        facility, meter, start, end, wh, rule, cancellation``.
    claims : pyarrow.Table
        A row for each facility and interval of the rule: ``facility, start, end, rule, load_wh,
        own_wh, contracted_wh, certificate_wh, matched_wh, unmatched_wh, excluded_wh`` (load that
        the rule lets nothing match, part of what is unmatched), ``grid_clean_wh, emission_g`` (null
        where an emission factor is not known).
    rejected : pyarrow.Table
        Every Wh of every bundle that counts nowhere: ``bundle, id_start, id_end, wh, reason``, one
        of `REASONS`.
    missing : pyarrow.Table
        Times between two measurements of a meter that have none: ``facility, meter, start, end``.
    measurements, bundles : tables
        As checked; bundles with what storage gave back.
    pieces : rows of bundles and measurements of the allocations, with the Wh
    bundle_in_cut, measurement_in_cut : bool arrays
        The cut: bundles that can serve measurements of the cut alone. The energy of the usable
        bundles outside of it and the load inside of it are together what is matched.
    """

    rule: Rule
    matched_wh: int
    load_wh: int
    allocations: pa.Table
    claims: pa.Table
    rejected: pa.Table
    missing: pa.Table
    bundle_in_cut: Bools
    measurement_in_cut: Bools
    measurements: Checked
    bundles: Checked
    pieces: Pieces

    def __repr__(self) -> str:
        share = self.matched_wh / self.load_wh if self.load_wh else 0.0
        return f"<Claim by {self.rule.id}: {self.matched_wh:,} of {self.load_wh:,} Wh, {share:.1%}>"

    def _repr_html_(self) -> str:
        rows = {
            "rule": self.rule.id,
            "load, Wh": self.load_wh,
            "claimed, Wh": self.matched_wh,
            "claimed, share": f"{self.matched_wh / self.load_wh:.1%}" if self.load_wh else "-",
        }
        reasons = self.rejected_by_reason()
        rows |= {f"not counted, {reason}, Wh": wh for reason, wh in reasons.items()}
        return facts("Claim of green energy", rows)

    def to_arrow(self) -> pa.Table:
        """Return the table of claims as a pyarrow Table."""
        return self.claims

    def rejected_by_reason(self) -> dict[str, int]:
        """Return the Wh that count nowhere, by reason."""
        sums = self.rejected.group_by("reason").aggregate([("wh", "sum")])
        found = {r["reason"]: r["wh_sum"] for r in sums.to_pylist()}
        return {reason: found[reason] for reason in REASONS if reason in found}

    def used_in_hour_wh(self) -> int:
        """Return how much of the claim was produced in the hour in which it was used, Wh."""
        pieces, load, supply = self.pieces, self.measurements, self.bundles
        hour = (load["start"] // 3600)[pieces.target] == (supply["start"] // 3600)[pieces.source]
        short = (supply["end"] - supply["start"])[pieces.source] <= 3600
        return int(pieces.wh[hour & short].sum())

    def verify(self) -> ClaimCertificate:
        """Check every allocation, the tables, and that no other allocation claims more.

        Returns
        -------
        ClaimCertificate
            By code that shares nothing with `claim` but the reader of tables. Not checked:
            `allocations.cancellation`, which whoever cancels the certificates fills in.
        """
        from .check import certify  # upward, and only when called

        return certify(self)

    def report(self, path: str | Path) -> Path:
        """Write one HTML page: load and matched supply, what was thrown out and why.

        Parameters
        ----------
        path : path
            Of the file to write, e.g. ``"claim.html"``.
        """
        from ..report.claim_page import write_page  # upward, and only when called

        return write_page([self], path)
