"""Small tables of facts in HTML, as notebooks show a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


_LEFT, _RIGHT = "text-align:left", "text-align:right;padding-left:1em"


def facts(title: str, rows: Mapping[str, object], note: str = "") -> str:
    """Return a table of two columns under a title; colours are the notebook's own.

    Parameters
    ----------
    title : str
        What the result is.
    rows : mapping of str to value
        A line each; floats are shown with six digits, integers with separators.
    note : str
        A line below the table, left out if empty.
    """
    from html import escape  # not needed until a notebook shows something

    lines = "".join(
        f'<tr><th style="{_LEFT}">{escape(name)}</th>'
        f'<td style="{_RIGHT}">{escape(_shown(value))}</td></tr>'
        for name, value in rows.items()
    )
    below = f"<p>{escape(note)}</p>" if note else ""
    return f"<div><strong>{escape(title)}</strong><table>{lines}</table>{below}</div>"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], notes: str) -> str:
    """Return a table with a line of names above it, its first column names too, and lines below."""
    from html import escape

    top = "".join(f'<th style="{_RIGHT}">{escape(name)}</th>' for name in head)
    lines = "".join(
        f'<tr><th style="{_LEFT}">{escape(str(row[0]))}</th>'
        + "".join(f'<td style="{_RIGHT}">{escape(str(cell))}</td>' for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div style="overflow-x:auto"><table><tr><th></th>{top}</tr>{lines}</table></div>'
        f"{paragraphs(notes)}"
    )


class ShownAsText:
    """Base of explanations: a notebook shows what `str` says, a paragraph a line."""

    def _repr_html_(self) -> str:
        return paragraphs(str(self))


def paragraphs(text: str) -> str:
    """Return a text of lines as HTML, a paragraph each."""
    from html import escape

    return "<div>" + "".join(f"<p>{escape(line)}</p>" for line in text.splitlines()) + "</div>"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.6g}"
    return str(value)
