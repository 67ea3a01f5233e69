"""The sources of a problem's figures: sourced, derived and assumed distinguished."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["KINDS", "by_kind", "counted"]

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
