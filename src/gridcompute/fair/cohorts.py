"""Borrowed amounts and dominant shares: Kueue's arithmetic on a tree of quotas, in exact integers.

Each node of the tree has, for each flavor and resource:

- subtree quota: its nominal quota and what its children lend, all of their subtree quota but the
  local part, which is what exceeds their lending limit;
- usage: a queue's own; of a cohort, what its children use beyond their local parts;
- capacity: at the root the subtree quota; else the local part and the parent's capacity, at most
  the subtree quota and the borrowing limit.

A node below a root borrows what it uses above its subtree quota. Its share is the largest, over
resources, of 1000 * borrowed / lendable, both summed over flavors, divided by its weight; lendable
is the capacity of its parent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from .._html import ShownAsText
from ..errors import InvalidProblemError
from .queues import UNLIMITED, Amount, Key, Quotas, amount_of, local_part

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class DominantShare(ShownAsText):
    """The share of one node; ``str()`` says it in words.

    Attributes
    ----------
    name : str
    share_per_mille : int or float
        Rounded up; inf where the weight is 0 and something is borrowed.
    dominant : str or None
        The resource of the largest ratio, the first by name of equal ones; None if there is none.
    borrowing : bool
        Is anything borrowed?
    ratio : Fraction
        1000 * borrowed / lendable of the dominant resource, before the weight.
    precise_weighted_share : Fraction or float
        ratio / weight, without rounding, by which Kueue orders queues of equal `share_per_mille`;
        inf as there.
    weight : float
    borrowed : dict
        By (flavor, resource), what is borrowed; only positive amounts. inf = unlimited.
    lendable : dict
        By resource that is borrowed, what there is to borrow from.
    """

    name: str
    share_per_mille: int | float
    dominant: str | None
    borrowing: bool
    ratio: Fraction
    weight: float
    borrowed: dict[Key, Amount]
    lendable: dict[str, Amount]

    @property
    def precise_weighted_share(self) -> Fraction | float:
        """The exact ratio / weight; inf where the ratio is above 0 and the weight is 0."""
        return weighted(self.ratio, self.weight)

    def __str__(self) -> str:
        if not self.borrowing:
            return f"{self.name} borrows nothing."
        parts = [f"{_amount(a)} {r} of {f}" for (f, r), a in sorted(self.borrowed.items())]
        text = f"{self.name} borrows {', '.join(parts)}."
        if self.dominant is None:
            return f"{text} Nothing of that is lendable: its share is 0."
        total = sum(a for (_, r), a in self.borrowed.items() if r == self.dominant)
        return (
            f"{text}\nIts dominant resource is {self.dominant}: 1000 * {_amount(total)} / "
            f"{_amount(self.lendable[self.dominant])} / weight {self.weight:g}, a share of "
            f"{self.share_per_mille} per mille."
        )


class DominantShares(Mapping[str, DominantShare]):
    """The share of each node by its name, in the order of the tree's columns."""

    def __init__(
        self, tree: Quotas, shares: dict[str, DominantShare], held: list[dict[Key, Amount]]
    ):
        self._tree, self._shares, self._held = tree, shares, held

    def __getitem__(self, name: str) -> DominantShare:
        return self._shares[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shares)

    def __len__(self) -> int:
        return len(self._shares)

    def __repr__(self) -> str:
        borrowers = sum(share.borrowing for share in self._shares.values())
        return f"<DominantShares: {len(self)} nodes, {borrowers} borrow>"

    def explain(self, name: str) -> str:
        """Say what a node borrows, and which of its siblings leave quota unused.

        Parameters
        ----------
        name : str
            The node.

        Returns
        -------
        str

        Raises
        ------
        InvalidProblemError
            There is no such node.
        """
        tree = self._tree
        k = tree.find(name)
        lines = [str(self._shares[name])]
        parent = tree.tree.parent[k]
        for key in sorted(self._shares[name].borrowed):
            lenders = []
            for j in range(len(tree.name)):
                if tree.tree.parent[j] != parent or j == k:
                    continue
                quota, used = tree.tree.subtree[j].get(key, 0), self._held[j].get(key, 0)
                if quota > used:
                    unused = quota - used
                    lenders.append(f"{tree.name[j]} ({_amount(unused)})")
            if lenders:
                lines.append(f"{key[1]} of {key[0]} is unused at {', '.join(lenders)}.")
        return "\n".join(lines)


@dataclass(frozen=True)
class Borrowing:
    """The borrowing of one node.

    Attributes
    ----------
    borrowing : bool
        Is anything borrowed?
    on_requested : bool
        Is a flavor and resource borrowed of which a positive amount is requested?
    amounts : dict
        By (flavor, resource), what is borrowed; only positive amounts.
    """

    borrowing: bool
    on_requested: bool
    amounts: dict[Key, Amount] = field(default_factory=dict)

    def explain(self) -> str:
        """Say what is borrowed, and whether it concerns the request.

        Returns
        -------
        str
        """
        if not self.borrowing:
            return "It borrows nothing."
        parts = [f"{_amount(a)} {r} of {f}" for (f, r), a in sorted(self.amounts.items())]
        concerns = "some" if self.on_requested else "none"
        return f"It borrows {', '.join(parts)}; {concerns} of that is requested."


def dominant_shares(
    tree: Quotas, usage: Iterable[Any], extra: Iterable[Any] | None = None
) -> DominantShares:
    """Return the dominant resource share of every node, as Kueue computes it.

    Parameters
    ----------
    tree : Quotas
        Cohorts and queues with their quotas.
    usage : iterable of (queue, flavor, resource, amount)
        What queues use; entries of one key add up.
    extra : iterable of (flavor, resource, amount), optional
        A request that is added to the usage of each node when its own share is asked for.

    Returns
    -------
    DominantShares
        A mapping from the name of each node to its `DominantShare`. A root has share 0.

    Raises
    ------
    InvalidProblemError
        A queue that does not exist, usage of a cohort, an amount beyond int64.
    TypeError
        A `tree` that is no Quotas, an amount that is no integer.

    Notes
    -----
    All sums are exact. An unlimited amount counts as 2**63 - 1 in a ratio, as in Kueue. Weights are
    read as decimals: 0.3 is three tenths. Usage of what a node has no quota for, nor anything below
    it, is not borrowed.
    Complexity: O(nodes * depth * flavors and resources).
    Source: fair sharing of kubernetes-sigs/kueue (Apache-2.0), as published.

    Examples
    --------
    >>> from gridcompute import fair
    >>> tree = fair.Quotas(
    ...     name=["all", "a", "b"], parent=[None, "all", "all"],
    ...     node=["a", "b"], flavor=["h100"] * 2, resource=["gpu"] * 2, nominal=[5, 5],
    ... )
    >>> shares = fair.dominant_shares(tree, [("a", "h100", "gpu", 7)])
    >>> shares["a"].share_per_mille, shares["a"].dominant
    (200, 'gpu')
    >>> print(shares.explain("a"))
    a borrows 2 gpu of h100.
    Its dominant resource is gpu: 1000 * 2 / 10 / weight 1, a share of 200 per mille.
    gpu of h100 is unused at b (5).
    """
    _check_tree(tree)
    used = _usage(tree, usage)
    added: dict[Key, Amount] = {}
    for k, entry in enumerate(extra or ()):
        flavor, resource, amount = _entry("extra", k, entry, 3)
        whole = amount_of("extra", amount, k, -(2**63))
        added[flavor, resource] = added.get((flavor, resource), 0) + whole
    capacities: dict[tuple[int, Key], Amount] = {}
    shares = {name: _share(tree, k, used[k], added, capacities) for k, name in enumerate(tree.name)}
    return DominantShares(tree, shares, used)


def borrowing(
    tree: Quotas, usage: Iterable[Any], name: str, requested: Iterable[Any] = ()
) -> Borrowing:
    """Return what a node borrows, and whether that concerns what is requested.

    Parameters
    ----------
    tree : Quotas
        Cohorts and queues with their quotas.
    usage : iterable of (queue, flavor, resource, amount)
        What queues use.
    name : str
        The node.
    requested : iterable of (flavor, resource, amount)
        What a job asks for. It is not added to the usage.

    Returns
    -------
    Borrowing

    Raises
    ------
    InvalidProblemError
        A node or queue that does not exist, usage of a cohort, an amount beyond int64.
    TypeError
        A `tree` that is no Quotas, an amount that is no integer.

    Notes
    -----
    Exact sums, as in `dominant_shares`. A root borrows nothing.
    Complexity: O(nodes * flavors and resources).
    Source: fair sharing of kubernetes-sigs/kueue (Apache-2.0), as published.

    Examples
    --------
    >>> from gridcompute import fair
    >>> tree = fair.Quotas(
    ...     name=["all", "a"], parent=[None, "all"],
    ...     node=["a"], flavor=["h100"], resource=["gpu"], nominal=[5],
    ... )
    >>> fair.borrowing(tree, [("a", "h100", "gpu", 7)], "a", [("h100", "gpu", 1)])
    Borrowing(borrowing=True, on_requested=True, amounts={('h100', 'gpu'): 2})
    """
    _check_tree(tree)
    k = tree.find(name)
    amounts = _borrowed(tree, k, _usage(tree, usage)[k], {})
    wanted = False
    for j, entry in enumerate(requested):
        flavor, resource, amount = _entry("requested", j, entry, 3)
        positive = amount_of("requested", amount, j, -(2**63)) > 0
        wanted = wanted or (positive and (flavor, resource) in amounts)
    return Borrowing(bool(amounts), wanted, amounts)


def weighted(ratio: Fraction | float, weight: float) -> Fraction | float:
    """Return ratio / weight, exact; 0 if the ratio is 0, inf if only the weight is."""
    if ratio == 0:
        return Fraction(0)
    return Fraction(ratio) / Fraction(str(weight)) if weight else math.inf


def _check_tree(tree: Any) -> None:
    if not isinstance(tree, Quotas):
        raise TypeError(f"tree must be a Quotas, not {type(tree).__name__}")


def _amount(value: Amount) -> str:
    return "unlimited" if value == math.inf else str(value)


def _bounded(value: Amount) -> int:
    """Return an amount as it enters a ratio."""
    return UNLIMITED if isinstance(value, float) else value


def _entry(name: str, k: int, entry: Any, size: int) -> tuple[Any, ...]:
    """Return one entry of usage, as a tuple; the names in it are strings."""
    if isinstance(entry, (str, bytes)) or not hasattr(entry, "__len__") or len(entry) != size:
        names = ("queue", "flavor", "resource", "amount")[-size:]
        raise InvalidProblemError(
            f"{name}[{k}]: found {entry!r}, needed ({', '.join(names)})", name, k
        )
    values = tuple(entry)
    for text in values[:-1]:
        if not isinstance(text, str):
            raise TypeError(f"{name}[{k}] must begin with strings, not {type(text).__name__}")
    return values


def _usage(tree: Quotas, usage: Iterable[Any]) -> list[dict[Key, Amount]]:
    """Return the usage of each node, that of cohorts summed over what is below them."""
    used: list[dict[Key, Amount]] = [{} for _ in tree.name]
    for k, entry in enumerate(usage):
        name, flavor, resource, amount = _entry("usage", k, entry, 4)
        node = tree.find(name, f"usage[{k}]")
        if tree.kind[node] != "queue":
            raise InvalidProblemError(
                f"usage[{k}]: found the cohort {name!r}, needed a queue", "usage", k
            )
        key = (flavor, resource)
        used[node][key] = used[node].get(key, 0) + amount_of("usage", amount, k)
    own, subtree = tree.tree.own, tree.tree.subtree
    for node in reversed(tree.tree.order):
        parent = tree.tree.parent[node]
        if parent < 0:
            continue
        for key, amount in used[node].items():
            local = local_part(subtree[node].get(key, 0), own[node].get(key))
            if amount > local:
                used[parent][key] = used[parent].get(key, 0) + amount - local
    return used


def _borrowed(
    tree: Quotas, k: int, used: dict[Key, Amount], extra: dict[Key, Amount]
) -> dict[Key, Amount]:
    """Return what a node uses above its subtree quota, where it has one; nothing at a root."""
    if tree.tree.parent[k] < 0:
        return {}
    out = {}
    for key, quota in tree.tree.subtree[k].items():
        total = used.get(key, 0) + extra.get(key, 0)
        if total > quota:
            out[key] = total - quota
    return out


def _capacity(tree: Quotas, k: int, key: Key, known: dict[tuple[int, Key], Amount]) -> Amount:
    """Return the most that a node could use if all usage were 0."""
    path = []
    while (k, key) not in known:
        path.append(k)
        if tree.tree.parent[k] < 0:
            break
        k = tree.tree.parent[k]
    for node in reversed(path):
        subtree = tree.tree.subtree[node].get(key, 0)
        quota = tree.tree.own[node].get(key)
        parent = tree.tree.parent[node]
        if parent < 0:
            known[node, key] = subtree
            continue
        have = local_part(subtree, quota) + known[parent, key]
        if quota is not None:
            have = min(have, subtree + quota.borrowing_limit)
        known[node, key] = have
    return known[path[0] if path else k, key]


def _share(
    tree: Quotas,
    k: int,
    used: dict[Key, Amount],
    extra: dict[Key, Amount],
    known: dict[tuple[int, Key], Amount],
) -> DominantShare:
    """Return the share of a node."""
    borrowed = _borrowed(tree, k, used, extra)
    weight = tree.weight[k].item()
    if not borrowed:
        return DominantShare(tree.name[k], 0, None, False, Fraction(0), weight, {}, {})
    parent, root = tree.tree.parent[k], tree.tree.root[k]
    lendable: dict[str, Amount] = dict.fromkeys(sorted({r for _, r in borrowed}), 0)
    for key in tree.tree.subtree[root]:
        if key[1] in lendable:
            lendable[key[1]] += _capacity(tree, parent, key, known)
    best, dominant = Fraction(0), None
    for resource, room in lendable.items():  # by name: the first of equal ratios is kept
        amount = sum(a for (_, other), a in borrowed.items() if other == resource)
        ratio = Fraction(1000 * _bounded(amount), _bounded(room)) if room > 0 else Fraction(0)
        if ratio > best:
            best, dominant = ratio, resource
    precise = weighted(best, weight)
    share = math.ceil(precise) if isinstance(precise, Fraction) else precise
    return DominantShare(tree.name[k], share, dominant, True, best, weight, borrowed, lendable)
