"""The results of a packer: placements, and explanations of single pods."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .._html import ShownAsText

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["REASONS", "Explanation", "Placement"]

#: The requirement that no node met, of nodes that met all earlier ones: by the core's number.
REASONS = ("", "model", "devices", "cpu", "memory")


@dataclass(frozen=True, eq=False)
class Placement:
    """The positions of the pods of one call of `Packer.place`.

    Parameters
    ----------
    first : int
        The id of the first pod; the others' ids follow in order.
    node : ndarray of int32
        The row of each pod's node, or -1 where it was refused.
    devices : ndarray of int64
        The devices of the node that each pod uses, as a bitmask; 0 for none.
    reason : ndarray of int8
        Why a pod was refused, as a position in `REASONS`: 0 it was not.
    moved : dict
        Pods that lie elsewhere than they did before the call, or than this call first put them:
        id -> (node, devices).
    """

    first: int
    node: NDArray[np.int32]
    devices: NDArray[np.int64]
    reason: NDArray[np.int8] = field(repr=False)
    moved: dict[int, tuple[int, int]]

    @property
    def ids(self) -> NDArray[np.int64]:
        """The ids of the pods, for `Packer.release` and `Packer.explain`."""
        return np.arange(self.first, self.first + len(self.node), dtype=np.int64)

    @property
    def device(self) -> NDArray[np.int32]:
        """The lowest-numbered device of each pod, -1 where it uses none."""
        low = self.devices & -self.devices
        out = np.full(len(low), -1, np.int32)
        some = low > 0
        out[some] = np.log2(low[some].astype(np.float64)).astype(np.int32)
        return out

    @property
    def refused(self) -> list[tuple[int, str]]:
        """Ids of refused pods with what no node has, "model", "devices", "cpu" or "memory"."""
        rows = np.flatnonzero(self.reason).tolist()
        return [(self.first + k, REASONS[int(self.reason[k])]) for k in rows]

    def __len__(self) -> int:
        return len(self.node)


@dataclass(frozen=True)
class Explanation(ShownAsText):
    """The reason for a pod's position, or for its refusal.

    Parameters
    ----------
    pod : int
        Its id.
    state : str
        "placed", "refused", "released"; or "past": not placed, and not one of the latest pods, of
        which it is kept whether they were refused or released.
    node : int
        The row of its node, or -1.
    devices : tuple of int
        The devices of the node that it uses.
    cost : float
        What placing it cost in the policy's unit when it was placed: for "price" milli of devices'
        worth that the rest of the node lost, with `charge`.
    charge : float
        The part of the cost that was charged for slots that are reserved.
    runner_up : int
        The next best node then, or -1 where there was no other.
    runner_up_cost : float
        Its cost.
    blocked : tuple of str
        Reserved slots that would be free if the pod were not there.
    lacking : dict
        For a refused pod, how many nodes lack what now, each counted at the first of "model",
        "devices", "cpu", "memory"; "nothing" counts the nodes where it would fit now.
    moves : int
        For a refused pod, how few pods would have to leave one node to make room; -1: unknown.
    moves_node : int
        That node, or -1.
    """

    pod: int
    state: str
    node: int = -1
    devices: tuple[int, ...] = ()
    cost: float = 0.0
    charge: float = 0.0
    runner_up: int = -1
    runner_up_cost: float = 0.0
    blocked: tuple[str, ...] = ()
    lacking: dict[str, int] = field(default_factory=dict)
    moves: int = -1
    moves_node: int = -1

    def __str__(self) -> str:
        """Say it in sentences."""
        if self.state == "released":
            return f"pod {self.pod} was released"
        if self.state == "past":
            return f"pod {self.pod} came too long ago to say whether it was refused or released"
        if self.state == "placed":
            text = f"pod {self.pod} is on node {self.node}"
            if self.devices:
                text += f", device {', '.join(map(str, self.devices))}"
            text += f": cost {self.cost:.1f}"
            if self.charge:
                text += f" ({self.charge:.1f} of it for reserved slots)"
            if self.runner_up >= 0:
                text += f"; next best was node {self.runner_up} at {self.runner_up_cost:.1f}"
            if self.blocked:
                text += f"; without it there would be {', '.join(self.blocked)} more"
            return text
        lacks = ", ".join(f"{n} lack {what}" for what, n in self.lacking.items() if n)
        text = f"pod {self.pod} was refused; of the nodes now {lacks}"
        if self.moves >= 0:
            pods = "pod" if self.moves == 1 else "pods"
            text += f"; moving {self.moves} {pods} off node {self.moves_node} would make room"
        return text
