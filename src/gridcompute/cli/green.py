"""The commands of green accounting: `claim` and `rules`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .output import Json, emit

if TYPE_CHECKING:
    from ..green import Claim


Rules = Annotated[
    list[str] | None, typer.Option(help="Another rule for the same data; may be given again.")
]

#: Times without a measurement that are listed.
_MOST_GAPS = 5


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(claim)
    app.command()(rules)


def claim(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Folder with measurements, bundles and storage, CSV or Parquet; or an operator's, "
            "with grid.toml."
        ),
    ],
    rule: Annotated[str, typer.Option(help="Id of a rule, or a file.json of your own.")],
    against: Rules = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the tables and the page; must not exist.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Claim as much green energy as a rule allows, and check that no more can be.

    Exit status 1 if the check fails.
    """
    from .. import green

    if out is not None and out.exists():
        raise FileExistsError(f"{out}: found it there already, needed a folder that is new")
    held = [green.rule(name) for name in (rule, *(against or ()))]
    tables = _operated(folder) or green.read_folder(folder)
    found = [green.claim(**tables, rule=one) for one in held]
    proofs = [one.verify() for one in found]
    if out is not None:
        _written(found, out)
    documents = [_facts(one) | {"certificate": p} for one, p in zip(found, proofs, strict=True)]
    lines = [
        f"{d['rule']:18} {d['claimed_wh']:>18,} Wh of {d['load_wh']:,}, used in its hour "
        f"{d['used_in_hour_wh']:,}; proof {'holds' if p else 'fails'}"
        for d, p in zip(documents, proofs, strict=True)
    ]
    lines += [
        f"  counts nowhere, {reason}: {wh:,} Wh"
        for reason, wh in documents[0]["rejected_wh"].items()
    ]
    gaps = found[0].missing
    for gap in gaps.slice(0, _MOST_GAPS).to_pylist():
        begin, end = (f"{gap[name]:%Y-%m-%dT%H:%M:%SZ}" for name in ("start", "end"))
        where = f"{gap['facility']}, meter {gap['meter']}"
        lines.append(f"  no measurement of {where}, from {begin} to {end}")
    if len(gaps) > _MOST_GAPS:
        lines.append(f"  ... and {len(gaps) - _MOST_GAPS:,} more times without one")
    lines += [f"  {reason}" for proof in proofs for reason in proof.reasons]
    if out is not None:
        lines.append(f"the page: {out / 'claim.html'}")
    emit(as_json, {"claims": documents}, "\n".join(lines))
    raise typer.Exit(0 if all(proofs) else 1)


def _operated(folder: Path) -> dict[str, Any] | None:
    """Return the tables of an operator's closed hours; None where the folder is not one's."""
    if not (folder / "grid.toml").exists():
        return None
    from ..clusters import Operator
    from ..clusters.config import read_config

    config = read_config(folder / "grid.toml")
    if not config.state.exists():
        raise FileNotFoundError(f"{config.state}: found no state: nothing has run yet")
    with Operator(config) as operator:
        return {"measurements": operator.measurements(), "bundles": operator.bundles()}


def rules(as_json: Json = False) -> None:
    """List the rules that come with the package, with status and source."""
    from .. import green

    known = green.rules()
    width = max(len(rule.id) for rule in known)
    lines = [
        f"{r.id:{width}}  {r.status:8}  {r.interval:5} {r.boundary:8}  {r.title}\n"
        f"{'':{width}}  {r.text}, {r.date}; {r.source}"
        for r in known
    ]
    emit(as_json, {"rules": known}, "\n".join(lines))


def _facts(claim: Claim) -> dict[str, Any]:
    return {
        "rule": claim.rule.id,
        "status": claim.rule.status,
        "load_wh": claim.load_wh,
        "claimed_wh": claim.matched_wh,
        "used_in_hour_wh": claim.used_in_hour_wh(),
        "rejected_wh": claim.rejected_by_reason(),
        "missing_intervals": len(claim.missing),
    }


def _written(found: list[Claim], out: Path) -> None:
    """Write the first claim's tables as CSV, and the page of all."""
    from pyarrow import csv

    from ..report.claim_page import write_page

    out.mkdir(parents=True)
    for name in ("allocations", "claims", "rejected", "missing"):
        csv.write_csv(getattr(found[0], name), out / f"{name}.csv")
    write_page(found, out / "claim.html")
