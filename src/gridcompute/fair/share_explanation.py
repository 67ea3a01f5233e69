"""The bound of one tenant's leximin share: the smallest cut, and the cost of one more unit."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._html import ShownAsText

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Answer", "ShareExplanation", "count", "explain"]


class Answer(NamedTuple):
    """The fields of `Shares` that an explanation reads; `levels` are the tenants of each level."""

    share: NDArray[np.int64]
    levels: list[NDArray[np.int64]]
    arcs: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
    rate: NDArray[Any]
    capacity: NDArray[np.int64]
    most: NDArray[np.int64]
    guarantee: NDArray[np.int64]
    weight: NDArray[Any]


@dataclass(frozen=True)
class ShareExplanation(ShownAsText):
    """The share of one tenant and its bound; ``str()`` gives it in words.

    Attributes
    ----------
    tenant, share, wanted : int
        Its share, and the most it asks for within its limit.
    reason : str
        What bounds it: "request" (it has all it wants), "cut", "classes" (it can use none),
        "weight" (it has none, and its guarantee), "rates" (those of a tenant differ: nothing better
        was found among all shares).
    level : int
        The index of its level; -1 where rates differ.
    tenants : int64 array
        The smallest cut that binds it: those whose units could be passed on to it, and itself. Of a
        tenant with all it wants, itself.
    above_guarantee : int64 array
        How much each of them holds beyond its guarantee.
    classes : int64 array
        The classes that they can use; if it is bound by a cut, all are used up by them.
    loser : int or None
        The tenant that would have to give up a unit for one more of this one: the last unit given
        of those that could be passed on.
    loser_share : tuple of int or None
        What the loser holds, and would hold then.
    text : str
        All that in words.
    """

    tenant: int
    share: int
    wanted: int
    reason: str
    level: int
    tenants: NDArray[np.int64]
    above_guarantee: NDArray[np.int64]
    classes: NDArray[np.int64]
    loser: int | None
    loser_share: tuple[int, int] | None
    text: str

    def __str__(self) -> str:
        return self.text


def explain(x: Answer, i: int) -> ShareExplanation:
    """Return the explanation of a tenant in range."""
    level = next((j for j, tenants in enumerate(x.levels) if i in tenants), -1)
    share, wanted = int(x.share[i]), int(x.most[i])
    value = int(x.rate[i].max(initial=0))
    members, open_ = np.array([i]), x.rate[i] > 0
    lines = [f"tenant {i} holds {share} of the {wanted} units it wants."]
    loser, held = None, None
    least = int(x.rate[i][x.rate[i] > 0].min(initial=max(value, 1)))  # what one more unit adds
    if share + least > wanted:
        reason = "request"
        lines = [f"tenant {i} holds {share} units, all it wants within its limit."]
        if x.weight[i] == 0:
            reason = "weight"
            lines.append("Its weight is 0: it wants no more than its guarantee.")
    elif value == 0:
        reason = "classes"
        lines.append("It can use no class.")
    elif level < 0:
        reason = "rates"
        lines.append(
            "All shares were tried: with more for it, a tenant that has no more gets less."
        )
    else:
        reason = "cut"
        members, open_ = _smallest_cut(x, i)
        loser = _loser(x, i, members)
        room = sum(x.capacity[open_].tolist())
        others = f"it and {count(members[1:], 'other', 's')}" if len(members) > 1 else "it alone"
        known = count(np.flatnonzero(open_), "class", "es")
        beyond = int((x.share[members] - x.guarantee[members]).clip(min=0).sum())
        lines.append(
            f"Bound by a cut: {others} can use {known} and hold all {room} units of them,\n"
            f"{beyond} of these beyond guarantees."
        )
        if loser is not None:
            now = int(x.share[loser])
            held = (now, now - int(x.rate[loser].max()))
            lines.append(
                f"One more unit would take one from tenant {loser}, which would hold {held[1]} in "
                f"place of {held[0]}."
            )
    above = (x.share[members] - x.guarantee[members]).clip(min=0)
    classes, text = np.flatnonzero(open_), "\n".join(lines)
    return ShareExplanation(
        i, share, wanted, reason, level, members, above, classes, loser, held, text
    )


def count(things: NDArray[Any], word: str, ending: str) -> str:
    """Return how many things there are, in words."""
    return f"{len(things)} {word}{ending if len(things) != 1 else ''}"


def _smallest_cut(x: Answer, i: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return tenant i and those whose units could be passed on to it, and all their classes."""
    rows, columns, _ = x.arcs
    seen, open_ = np.zeros(len(x.share), np.bool_), x.rate[i] > 0
    seen[i] = True
    while True:
        new = np.unique(rows[open_[columns]])
        new = new[~seen[new]]
        if not len(new):
            return np.flatnonzero(seen), open_
        seen[new] = True
        open_ = open_ | (x.rate[new] > 0).any(axis=0)


def _loser(x: Answer, i: int, members: NDArray[np.int64]) -> int | None:
    """Return which of the others was given the last unit, in the order of units."""
    best: tuple[bool, Fraction, Fraction, int] | None = None
    for t in members.tolist():
        value, share = int(x.rate[t].max()), int(x.share[t])
        if t == i or share == 0:
            continue
        size = Fraction(x.weight[t].item() or 1) / value
        key = (share - value >= x.guarantee[t], (share // value - 1) / size, size, t)
        best = key if best is None or key > best else best
    return None if best is None else best[3]
