"""Small tables of facts in HTML, as notebooks show a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["facts", "paragraphs"]


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
        f'<tr><th style="text-align:left">{escape(name)}</th>'
        f'<td style="text-align:right">{escape(_shown(value))}</td></tr>'
        for name, value in rows.items()
    )
    below = f"<p>{escape(note)}</p>" if note else ""
    return f"<div><strong>{escape(title)}</strong><table>{lines}</table>{below}</div>"


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
