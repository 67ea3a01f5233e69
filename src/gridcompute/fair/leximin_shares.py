"""Integral leximin shares of tenants that may each use some of the classes, with cuts as proof.

An explanation has the bound of one tenant's share: its smallest cut, and the cost of one more unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _checks
from .._certificate import Certificate
from .._columns import by_position
from .._html import ShownAsText, facts
from .._value import Value
from ..errors import CostRangeError, InternalError, InvalidProblemError
from ._algorithms import (
    MOST_STEPS,
    MOST_VECTORS,
    Groups,
    Step,
    bounds_of,
    decompose,
    exact_weights,
    steps_of,
    try_all,
)
from ._inputs import LARGEST, at_most_int64, column, read_only
from .check import better, infeasibilities, refutations

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


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


#: The most units that all classes together may have: sums of flows stay within the core's range.
MOST_UNITS = 2**60


@dataclass(frozen=True)
class SharesCertificate(Certificate):
    """The result of an independent check of shares; true where they are proved.

    Attributes
    ----------
    valid : bool
        The allocation keeps every rule, and the cuts prove that no shares are better.
    reasons : tuple of str
        Why not.
    """

    valid: bool
    reasons: tuple[str, ...]

    @property
    def objective(self) -> float:
        """Shares are no single number: nan."""
        return math.nan

    @property
    def bound(self) -> float:
        """The same as `objective`: nan."""
        return math.nan

    @property
    def gap(self) -> float:
        """0.0 where the cuts prove that no shares are better, inf where they do not."""
        return 0.0 if self.valid else math.inf


@dataclass(frozen=True, eq=False)
class Level(Value):
    """A cut: these tenants and those of the levels before use up all that they can use.

    Attributes
    ----------
    tenants : int64 array
        The tenants of this level, ascending.
    classes : int64 array
        The classes that this level adds to those of the levels before, ascending.
    value : float
        The least share / weight of a tenant in it that requests more; inf if none does.
    tight : bool
        Do the tenants up to this level use up all they can use? The last level need not be: its
        tenants have what they ask for.
    capacity, used : int
        Units of all classes that the tenants up to this level can use, and what they hold of them.
    """

    tenants: NDArray[np.int64]
    classes: NDArray[np.int64]
    value: float
    tight: bool
    capacity: int
    used: int

    def __str__(self) -> str:
        text = f"{count(self.tenants, 'tenant', 's')}, {count(self.classes, 'class', 'es')}"
        if not self.tight:
            return f"{text}: {self.used} of {self.capacity} units used, all requests met"
        return f"{text}: all {self.capacity} units used, level {self.value:g}"


@dataclass(frozen=True, eq=False, repr=False)
class Shares(Value):
    """Leximin shares, an allocation that serves them, and the cuts that prove them.

    The arrays are read-only. The problem is kept, so that `verify` needs nothing else.

    Attributes
    ----------
    share : int64 array, shape (n_tenants,)
        What each tenant gets: units, times the rate where `eligible` holds rates.
    levels : tuple of Level
        From the tenants that are bound first to those that are bound last, or have all they want.
        Empty where rates of one tenant differ.
    arcs : tuple of three int64 arrays
        Tenant, class and units of each nonzero entry of the allocation, by tenant and class.
    """

    share: NDArray[np.int64]
    levels: tuple[Level, ...]
    arcs: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
    rate: NDArray[Any]
    capacity: NDArray[np.int64]
    most: NDArray[np.int64]
    guarantee: NDArray[np.int64]
    weight: NDArray[Any]

    def __repr__(self) -> str:
        size = f"{len(self.share)} tenants, {len(self.capacity)} classes"
        return f"<Shares: {size}, {len(self.levels)} levels, {int(self.load.sum())} units given>"

    @cached_property
    def allocation(self) -> NDArray[np.int64]:
        """Units of each class that each tenant holds, int64, shape (n_tenants, n_classes)."""
        out = np.zeros(self.rate.shape, np.int64)
        rows, classes, units = self.arcs
        out[rows, classes] = units
        return read_only(out)

    @cached_property
    def load(self) -> NDArray[np.int64]:
        """Units of each class that are given, int64, shape (n_classes,)."""
        out = np.zeros(len(self.capacity), np.int64)
        np.add.at(out, self.arcs[1], self.arcs[2])
        return read_only(out)

    def _repr_html_(self) -> str:
        rows = {f"tenant {i}": value for i, value in enumerate(self.share[:50].tolist())}
        more = len(self.share) - len(rows)
        return facts("Shares", rows, f"and {more} tenants more" if more else "")

    def verify(self) -> SharesCertificate:
        """Check allocation and cuts, by code that shares nothing with the solver.

        Returns
        -------
        SharesCertificate

        Notes
        -----
        Complexity: one pass over the eligible pairs, exact fractions of each tenant.

        Examples
        --------
        >>> from gridcompute import fair
        >>> fair.leximin([[True, True], [False, True]], [2, 4], [5, 5]).verify().valid
        True
        """
        most, owed = self.most.tolist(), self.guarantee.tolist()
        problem = (self.rate, self.capacity, most)
        if not _differing(self.rate).any():
            reasons = refutations(
                *problem, owed, self.weight.tolist(), self.share, self.arcs, self.levels
            )
            reasons = reasons or self._tables_refuted()
            return SharesCertificate(not reasons, tuple(reasons))
        reasons = infeasibilities(*problem, self.share, self.arcs) or self._tables_refuted()
        if self.levels:
            reasons.append("levels: found some, and rates of one tenant differ")
        if (
            not reasons
            and steps_of(bounds_of(self.rate, self.capacity, self.most), 1)[0] > MOST_VECTORS
        ):
            reasons = ["rates of one tenant differ, and there are too many shares to try all"]
        if not reasons:
            rates, room = self.rate.tolist(), self.capacity.tolist()
            other = better(rates, room, most, owed, self.weight.tolist(), self.share.tolist())
            reasons = [f"the shares {other} can be had and are better"] if other else []
        return SharesCertificate(not reasons, tuple(reasons))

    def _tables_refuted(self) -> list[str]:
        """Return what `allocation` and `load` say that the arcs do not, where they are made."""
        held = np.zeros(self.rate.shape, np.int64)
        np.add.at(held, self.arcs[:2], self.arcs[2])
        return [
            f"{name}: found other units than those of the arcs"
            for name, units in (("allocation", held), ("load", held.sum(axis=0)))
            if name in vars(self) and not np.array_equal(vars(self)[name], units)
        ]

    def explain(self, tenant: int) -> ShareExplanation:
        """Say what a tenant holds, which cut binds it, and what one more unit would cost others.

        Parameters
        ----------
        tenant : int
            Its index.

        Returns
        -------
        ShareExplanation

        Raises
        ------
        InvalidProblemError
            There is no such tenant.

        Examples
        --------
        >>> from gridcompute import fair
        >>> x = fair.leximin([[True, True], [False, True]], [2, 4], [5, 5])
        >>> print(x.explain(1))
        tenant 1 holds 3 of the 5 units it wants.
        Bound by a cut: it and 1 other can use 2 classes and hold all 6 units of them,
        6 of these beyond guarantees.
        One more unit would take one from tenant 0, which would hold 2 in place of 3.
        """
        k = _checks.whole("tenant", tenant, 0, len(self.share) - 1)
        answer = Answer(
            self.share,
            [level.tenants for level in self.levels],
            self.arcs,
            self.rate,
            self.capacity,
            self.most,
            self.guarantee,
            self.weight,
        )
        return explain(answer, k)


def leximin(
    eligible: ArrayLike,
    capacity: ArrayLike,
    request: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    guarantee: ArrayLike | None = None,
    limit: ArrayLike | None = None,
) -> Shares:
    """Divide classes of accelerators among tenants as equally as can be, in whole units.

    Of all integral allocations it is one whose shares / weights, sorted, are lexicographically
    largest: no tenant can have more unless one that has no more gets less.

    Parameters
    ----------
    eligible : bool or int array, shape (n_tenants, n_classes)
        Which classes each tenant can use. Integers are rates: what a unit is worth to the tenant, 0
        = not usable. Where the nonzero rates of a tenant differ, all shares are tried, which takes
        a small world.
    capacity : int array, shape (n_classes,)
        Units of each class, at most 2**60 together.
    request : int array, shape (n_tenants,)
        The most that each asks for.
    weight : int or float array, shape (n_tenants,), optional
        Shares are compared as share / weight. None = 1. 0 = no more than the guarantee, in which it
        counts as 1.
    guarantee : int array, shape (n_tenants,), optional
        What each gets before any surplus is divided, as far as it asks for it. Where guarantees do
        not fit together, what they get of them is leximin itself.
    limit : int or float array, shape (n_tenants,), optional
        The most that each may have; inf = no limit.

    Returns
    -------
    Shares

    Raises
    ------
    InvalidProblemError
        A shape that does not fit, a negative number, rates of one tenant that differ with more
        than some millions of possible shares.
    CostRangeError
        More than 2**60 units in all.
    TypeError
        Numbers of a wrong type.

    Notes
    -----
    With rates of one tenant that differ the problem is NP-hard (two tenants, classes of one unit:
    the partition problem), and no cuts prove its answers: all vectors of shares are computed, up to
    4 million, `levels` is empty, and `verify` computes them again in another way.
    Complexity: two maximum flows a level at most, and a selection in O(n_tenants) memory. Tenants
    with the same classes are one node.
    Determinism: the same bits each time. Of units that are equally fair, the lower index of the
    tenant comes first.
    Source: Megiddo, Math. Program. 7 (1974) 97; Federgruen and Groenevelt, Oper. Res. 34 (1986)
    909; Groenevelt, Eur. J. Oper. Res. 54 (1991) 227.

    Examples
    --------
    >>> from gridcompute import fair
    >>> x = fair.leximin(
    ...     [[True, False], [True, True], [True, True]], [2, 9], [8, 8, 8], weight=[1, 1, 2]
    ... )
    >>> x.share, x.load, x.verify().valid
    (array([2, 3, 6]), array([2, 9]), True)
    >>> for level in x.levels:
    ...     print(level)
    1 tenant, 1 class: all 2 units used, level 2
    2 tenants, 1 class: all 11 units used, level 3
    """
    rate = _rates(eligible)
    n, n_classes = rate.shape
    room = column("capacity", capacity, n_classes, "n_classes", integers=True)
    wanted = column("request", request, n, "n_tenants", integers=True)
    owed = column("guarantee", 0 if guarantee is None else guarantee, n, "n_tenants", integers=True)
    bound = column("limit", math.inf if limit is None else limit, n, "n_tenants", infinite=True)
    size = column("weight", 1 if weight is None else weight, n, "n_tenants")
    total = sum(room.tolist())
    if total > MOST_UNITS:
        raise CostRangeError(f"capacity: found {total} units in all, needed at most 2**60")
    value = rate.max(axis=1, initial=0).astype(np.int64)
    most = _most(wanted, bound)
    promised = np.minimum(most, at_most_int64(owed))
    most = np.where(size == 0, promised, most)
    room = room.astype(np.int64)
    differing = _differing(rate)
    levels: tuple[Level, ...] = ()
    if differing.any():
        _refuse_large(rate, value, differing, room, most)
        dense = try_all(rate, room, most, promised, size)
        rows, classes = np.nonzero(dense)
        share, amounts = (dense * rate).sum(axis=1), dense[rows, classes]
    else:
        unit = np.maximum(value, 1)
        groups = _groups(rate > 0)
        owing = promised // unit + (promised % unit > 0)
        parts = [
            Fraction(p % u or u, u) for p, u in zip(promised.tolist(), unit.tolist(), strict=True)
        ]
        units, steps = decompose(
            groups,
            room,
            np.minimum(most // unit, total),
            np.minimum(owing, total + 1),  # a unit beyond the total is never given
            exact_weights(np.where(size == 0, 1, size), unit),
            parts if (promised % unit).any() else None,
        )
        share = units * value
        rows, classes, amounts = _allocation(groups, units, steps)
        levels = _levels(steps, rate, room, units, unit, size, most)
    answer = Shares(
        share=read_only(share),
        levels=levels,
        arcs=(read_only(rows), read_only(classes), read_only(amounts)),
        rate=read_only(rate),
        capacity=read_only(room),
        most=read_only(most),
        guarantee=read_only(promised),
        weight=read_only(np.array(size)),
    )
    certificate = answer.verify()
    if not certificate.valid:
        raise InternalError(
            f"leximin shares refuted by their certificate: {certificate.reasons[0]}"
        )
    return answer


def _rates(eligible: Any) -> NDArray[Any]:
    """Return eligibility as bool or int64, in memory of its own."""
    if hasattr(eligible, "toarray"):  # a sparse matrix of scipy
        eligible = eligible.toarray()
    array = _checks.plain_array("eligible", by_position("eligible", eligible))
    if array.dtype.kind not in "biu" and array.size:
        raise TypeError(f"eligible must be of bool or an integer dtype, not {array.dtype}")
    if array.ndim != 2:
        raise InvalidProblemError(
            f"eligible: found shape {array.shape}, needed (n_tenants, n_classes)", "eligible"
        )
    if array.dtype.kind in "iu" and array.size:
        bad = (array < 0) | (array > 2**31 - 1)
        if bad.any():
            i, s = (int(k) for k in np.unravel_index(int(bad.argmax()), array.shape))
            raise InvalidProblemError(
                f"eligible[{i}, {s}]: found {array[i, s]}, needed 0 to {2**31 - 1}",
                "eligible",
                (i, s),
            )
    return np.array(array, np.bool_ if array.dtype.kind not in "iu" else np.int64, order="C")


def _differing(rate: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which rates are not 0 and not the largest of their tenant."""
    if rate.dtype == np.bool_:
        return np.zeros((1, 1), np.bool_)
    largest: NDArray[Any] = rate.max(axis=1, initial=0, keepdims=True)
    return np.asarray((rate != 0) & (rate != largest), np.bool_)


def _refuse_large(
    rate: NDArray[Any],
    value: NDArray[np.int64],
    differing: NDArray[np.bool_],
    capacity: NDArray[np.int64],
    most: NDArray[np.int64],
) -> None:
    """Refuse rates that differ where there are too many vectors of shares to try all."""
    vectors, steps = steps_of(bounds_of(rate, capacity, most), len(capacity))
    if vectors <= MOST_VECTORS and steps <= MOST_STEPS:
        return
    i, s = (int(k) for k in np.unravel_index(int(differing.argmax()), rate.shape))
    found = f"{steps}" if steps < 10**18 else "more than 10**18"
    raise InvalidProblemError(
        f"eligible[{i}, {s}]: found rate {rate[i, s]} beside {value[i]}, and {found} steps to try "
        f"all shares, needed one rate for all classes of a tenant, or at most {MOST_STEPS} steps "
        f"and {MOST_VECTORS} vectors of shares (the integral problem is NP-hard)",
        "eligible",
        (i, s),
    )


def _most(wanted: NDArray[Any], bound: NDArray[Any]) -> NDArray[np.int64]:
    """Return min(request, limit) as int64; a limit that is not whole is refused."""
    if bound.dtype.kind == "f":
        bad = np.isfinite(bound) & (bound != np.floor(bound))
        if bad.any():
            k = int(bad.argmax())
            raise InvalidProblemError(
                f"limit[{k}]: found {bound[k]}, needed a whole number, or inf", "limit", k
            )
        whole = np.full(len(bound), LARGEST, np.int64)
        small = bound < 2.0**63
        whole[small] = bound[small].astype(np.int64)
        bound = whole
    return np.minimum(at_most_int64(wanted), at_most_int64(bound))


def _groups(usable: NDArray[np.bool_]) -> Groups:
    """Return the groups of tenants with equal classes."""
    n, n_classes = usable.shape
    if n == 0:
        none = np.zeros(0, np.int64)
        return Groups(none, none, none, n_classes)
    packed = np.packbits(usable, axis=1)
    if packed.shape[1] == 0:
        packed = np.zeros((n, 1), np.uint8)
    keys = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, of = np.unique(keys, return_index=True, return_inverse=True)
    arc_group, arc_class = np.nonzero(usable[first])
    return Groups(of.reshape(n).astype(np.int64), arc_group, arc_class, n_classes)


def _allocation(
    groups: Groups, units: NDArray[np.int64], steps: list[Step]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return tenant, class and units: the flow of each group dealt out to its tenants in order."""
    n_arcs = len(groups.arc_group)
    flow = np.zeros(n_arcs, np.int64)
    for step in steps:
        flow[step.arcs] += step.flow
    order = np.argsort(groups.of, kind="stable")
    ends = np.cumsum(units[order])  # of the tenants, one behind another
    arc_ends = np.cumsum(flow)  # of the arcs, which are in the order of groups too
    cuts = np.unique(np.concatenate([ends, arc_ends]))
    amounts = np.diff(cuts, prepend=0)
    keep = amounts > 0
    cuts, amounts = cuts[keep], amounts[keep]
    rows = order[np.searchsorted(ends, cuts, side="left")]
    classes = groups.arc_class[np.searchsorted(arc_ends, cuts, side="left")]
    by = np.lexsort((classes, rows))
    return rows[by], classes[by], amounts[by]


def _levels(
    steps: list[Step],
    rate: NDArray[Any],
    capacity: NDArray[Any],
    units: NDArray[np.int64],
    unit: NDArray[np.int64],
    weight: NDArray[Any],
    most: NDArray[np.int64],
) -> tuple[Level, ...]:
    """Return the steps as levels, with the counts of each cut."""
    out = []
    open_ = np.zeros(rate.shape[1], np.bool_)
    used = 0
    for step in steps:
        usable = (rate[step.members] > 0).any(axis=0)
        new = np.flatnonzero(usable & ~open_)
        open_ |= usable
        used += int(units[step.members].sum())
        room = int(capacity[open_].sum())
        members = np.sort(step.members)
        share = units[members] * unit[members]
        wants = share + unit[members] <= most[members]
        with np.errstate(over="ignore"):  # a share of tiny weight may be beyond the doubles
            values = share[wants] / np.where(weight == 0, 1, weight)[members][wants]
        value = float(values.min()) if len(values) else math.inf
        out.append(Level(read_only(members), read_only(new), value, used == room, room, used))
    return tuple(out)
