"""The page of claims: load and matched supply by hour and month, what was thrown out, the rules."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._files import write_whole
from .._version import __version__
from ..grid.plan.audit import energy_unit
from .charts import legend, number, stack, tag, tiles_of
from .style import STYLE
from .tables import share_text, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..green.record import Claim

COLOURS = {
    "own": "#e3a72f",
    "contracted": "#7bb66a",
    "certificates": "#2c7a4b",
    "unmatched": "#cbc7bf",
}
_COLUMNS = ("own_wh", "contracted_wh", "certificate_wh", "unmatched_wh")
#: Each reason why energy counts nowhere, in words.
REASON_WORDS = {
    "NotActive": "the certificate is not Active: cancelled, claimed, expired or withdrawn",
    "KindNotAllowed": "the rule does not count this kind of certificate",
    "PlantTooOld": "the plant is older than the rule allows, or its age is not known",
    "LongerThanInterval": "its time is longer than the rule's interval",
    "NoBoundary": "no facility has its zone, country, operator or facility",
    "NoLoad": "there is no load in the interval and boundary in which it counts",
    "Surplus": "the load that it may serve is matched already",
}
#: Facilities that have pictures of their own.
_MOST_DRAWN = 24


def write_page(claims: Sequence[Claim], path: str | Path) -> Path:
    """Write the page of a claim, and of the same data under other rules, and return its path."""
    path = Path(path)
    write_whole(path, page(claims).encode())
    return path


def page(claims: Sequence[Claim]) -> str:
    """The page as one HTML text; the first claim is the one that is drawn."""
    claim = claims[0]
    title = f"Green energy under the rule {claim.rule.id}"
    sections = [
        ("The rule", _rule(claim)),
        ("By hour of the day", _pictures(claim, "hour")),
        ("By month", _pictures(claim, "month")),
        ("By facility", _facilities(claim)),
        ("What counts nowhere, and why", _rejected(claim)),
    ]
    if len(claims) > 1:
        sections.insert(1, ("The same data under other rules", _beside(claims)))
    if len(claim.missing):
        sections.append(("Times without a measurement", _missing(claim)))
    body = "".join(tag("section", tag("h2", escape(name)) + text) for name, text in sections)
    head = '<meta charset="utf-8">'
    head += '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>{escape(title)}</title><style>{STYLE}</style>"
    foot = tag("footer", f"gridcompute {__version__}. Energy in whole Wh, rounded down.")
    main = tag("main", _tiles(claim, title) + body + foot)
    return f"<!doctype html>\n<html lang=en><head>{head}</head><body>{main}</body></html>\n"


def _tiles(claim: Claim, title: str) -> str:
    unit, size = energy_unit(claim.load_wh / 1e3)
    proof = claim.verify()
    lost = sum(claim.rejected_by_reason().values())
    tiles = [
        ("claimed", share_text(claim.matched_wh, claim.load_wh), "of the load", False),
        ("energy claimed", number(claim.matched_wh / 1e3 / size), unit, False),
        ("load", number(claim.load_wh / 1e3 / size), unit, False),
        ("counts nowhere", number(lost / 1e3 / size), f"{unit} of certificates", False),
        (
            "proof",
            "holds" if proof else "fails",
            "no other allocation claims more" if proof else proof.reasons[0],
            not proof,
        ),
    ]
    return tag("h1", escape(title)) + tiles_of(tiles)


def _rule(claim: Claim) -> str:
    rule = claim.rule
    words = []
    if rule.title:
        words.append(tag("p", escape(f"{rule.title}. {rule.text}, {rule.date} ({rule.status}).")))
    rows = [
        ["interval", rule.interval],
        ["boundary", rule.boundary],
        [
            "largest age of a plant",
            f"{rule.max_age_months} months" if rule.max_age_months else "none",
        ],
        ["carried over", f"{rule.carry_over_months} months"],
        ["kinds that count", ", ".join(rule.kinds) or "none"],
        ["an unmatched kWh emits", rule.unmatched],
    ]
    if rule.not_covered:
        items = "".join(tag("li", escape(text)) for text in rule.not_covered)
        words.append(tag("p", "Not covered here:") + tag("ul", items))
    return table(["field", "value"], rows) + "".join(words)


def _beside(claims: Sequence[Claim]) -> str:
    unit, size = energy_unit(claims[0].load_wh / 1e3)
    rows = []
    for claim in claims:
        grams = claim.claims["emission_g"]
        carbon = "–" if grams.null_count else f"{sum(grams.to_pylist()) / 1e6:,.2f}"
        rows.append(
            [
                claim.rule.id,
                claim.rule.status,
                share_text(claim.matched_wh, claim.load_wh),
                share_text(claim.used_in_hour_wh(), claim.load_wh),
                number((claim.load_wh - claim.matched_wh) / 1e3 / size),
                carbon,
            ]
        )
    head = ["rule", "status", "claimed", "used in its hour", f"unmatched {unit}", "emissions t"]
    return table(head, rows)


def _pictures(claim: Claim, by: str) -> str:
    """Draw matched and unmatched load of each facility, summed by hour of the day or by month."""
    rows = claim.claims
    second = claim.rule.local(rows["start"].cast("int64").to_numpy())
    if by == "hour":
        if claim.rule.interval not in ("PT15M", "PT30M", "PT1H"):
            return tag("p", f"The rule matches by {escape(claim.rule.interval)}: no hours.")
        at, size = second // 3600 % 24, 24
        times = [f"{hour}h" for hour in range(25)]
    else:
        month = second.astype("M8[s]").astype("M8[M]").astype(np.int64)
        first = int(month.min()) if len(month) else 0
        at, size = month - first, int((month - first).max(initial=0)) + 1
        times = [str(np.datetime64(first + k, "M")) for k in range(size + 1)]
    names = np.array(rows["facility"].to_pylist(), object)
    pictures: list[str] = []
    for name in dict.fromkeys(names.tolist()):
        if len(pictures) == _MOST_DRAWN:
            break
        mine = names == name
        load = float(rows["load_wh"].to_numpy()[mine].sum())
        unit, scale = energy_unit(load / 1e3 / size)
        layers = []
        for part, column in zip(COLOURS, _COLUMNS, strict=True):
            wh = np.bincount(at[mine], rows[column].to_numpy()[mine], size)
            layers.append((part, COLOURS[part], wh / 1e3 / scale))
        share = 1 - layers[-1][2].sum() / max(sum(layer[2].sum() for layer in layers), 1e-300)
        pictures.append(
            stack(str(name), layers, unit=unit, note=f"{share:.0%}, {unit}", times=times)
        )
    return legend([*COLOURS.items()]) + tag("div", "".join(pictures), class_="panels")


def _facilities(claim: Claim) -> str:
    sums = claim.claims.group_by("facility", use_threads=False).aggregate(
        [(name, "sum") for name in ("load_wh", *_COLUMNS, "excluded_wh", "matched_wh")]
    )
    rows = [
        [
            row["facility"],
            *(f"{row[f'{name}_sum']:,}" for name in ("load_wh", *_COLUMNS)),
            share_text(row["matched_wh_sum"], row["load_wh_sum"]),
        ]
        for row in sums.to_pylist()
    ]
    head = ["facility", "load Wh", "own", "contracted", "certificates", "unmatched", "claimed"]
    return table(head, rows)


def _rejected(claim: Claim) -> str:
    reasons = claim.rejected_by_reason()
    if not reasons:
        return tag("p", "Every certificate counts.")
    rows = [[reason, REASON_WORDS[reason], f"{wh:,}"] for reason, wh in reasons.items()]
    return table(["reason", "in words", "Wh"], rows)


def _missing(claim: Claim) -> str:
    found = claim.missing.slice(0, 50).to_pylist()
    rows = [
        [r["facility"], r["meter"], *(f"{r[k]:%Y-%m-%d %H:%M} UTC" for k in ("start", "end"))]
        for r in found
    ]
    more = len(claim.missing) - len(rows)
    words = tag("p", f"... and {more:,} more.") if more else ""
    return table(["facility", "meter", "from", "to"], rows) + words
