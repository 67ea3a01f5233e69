"""Plans start real jobs on real clusters, exactly once: adapters, state, the operator's loop."""

from __future__ import annotations

from .local import Local
from .operator import Operator
from .protocol import Cluster, Order, Seen
from .slurm import Slurm

__all__ = ["Cluster", "Local", "Operator", "Order", "Seen", "Slurm"]
