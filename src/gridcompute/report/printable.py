"""Text from a user's tables as it may be shown: no character that a terminal or a page obeys."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str, keep: str = "") -> str:
    r"""Return a text with its unprintable characters as escapes, those in `keep` left as they are.

    A name may hold anything, the codes that move a terminal's cursor among them.

    Examples
    --------
    >>> printable("Hami\x1b[2J")
    'Hami\\x1b[2J'
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text
    )
