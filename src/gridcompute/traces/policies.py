"""The policies by name, each made ready for one replay."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from .._checks import meant
from ..errors import InvalidProblemError
from .allox import allox
from .gavel_fifo import FastestFirst, FifoAsCoded, isolated_shares
from .gavel_policies import blind_max_min_shares, makespan_shares, max_min_shares
from .gavel_rounds import RoundPriorities
from .priced_policy import OBJECTIVES, Priced
from .queue_policies import best_fit, fifo, least_attained, shortest_left

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .engine import View
    from .tables import Cluster

    Decide = Callable[[View], NDArray[Any]]

__all__ = ["POLICIES", "made"]

_PLAIN: dict[str, Decide] = {
    "fifo": fifo,
    "best_fit": best_fit,
    "las": least_attained,
    "srtf": shortest_left,
    "allox": allox,
}
# Policies of shares: what computes them, and whether they are blind to types, for which the order
# of the types is shuffled each round.
_SHARES = {
    "max_min": (max_min_shares, False),
    "max_min_blind": (blind_max_min_shares, True),
    "max_min_makespan": (makespan_shares, False),
    "isolated": (isolated_shares, True),
}

_OWN = {Priced(o).name: Priced(o) for o in OBJECTIVES}

POLICIES = (*_PLAIN, *_OWN, "fifo_gavel", "fifo_gavel_fastest", *_SHARES)


def made(policy: Any, cluster: Cluster, round_s: float, seed: int) -> tuple[str, Decide]:
    """Return the name of a policy and what decides a round, with a fresh state."""
    order = list(range(cluster.n_types))
    if isinstance(policy, str):
        policy = _OWN.get(policy, policy)
    if not isinstance(policy, str):
        if not callable(policy):
            raise TypeError(f"policy must be a name or a callable, not {type(policy).__name__}")
        fresh = getattr(policy, "fresh", None)
        name = getattr(policy, "name", None) or getattr(policy, "__name__", type(policy).__name__)
        return str(name), policy if fresh is None else fresh()
    if policy in _PLAIN:
        return policy, _PLAIN[policy]
    if policy not in POLICIES:
        raise InvalidProblemError(
            f"policy: found {policy!r}, needed one of {', '.join(POLICIES)}, or a callable"
            f"{meant(policy, POLICIES)}",
            "policy",
        )
    if round_s <= 0.0:
        raise InvalidProblemError(
            f"round_s: found {round_s:g}, needed above 0 for {policy}, which shares time by rounds",
            "round_s",
        )
    shuffle = random.Random(seed + 5)
    if policy == "fifo_gavel":
        return policy, RoundPriorities(FifoAsCoded(cluster, seed), order, shuffle, positive=True)
    if policy == "fifo_gavel_fastest":
        return policy, RoundPriorities(FastestFirst(), order, positive=True)
    shares, blind = _SHARES[policy]
    return policy, RoundPriorities(shares, order, shuffle if blind else None)
