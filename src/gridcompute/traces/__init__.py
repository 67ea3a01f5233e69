"""Published traces under scheduling policies, replayed: `replay`, traces, clusters.

`gridcompute.replay` runs a trace of jobs on a cluster of typed devices under a policy and says what
it did to completion times, makespan, fairness and cost.
"""

from __future__ import annotations

from .certificate import TraceCertificate
from .engine import View
from .policies import Priced
from .replays import Replay, replay
from .tables import GAVEL_TYPES, Cluster, Trace, gavel, gavel_cluster, gavel_file, pai, philly, read

__all__ = [
    "GAVEL_TYPES",
    "Cluster",
    "Priced",
    "Replay",
    "Trace",
    "TraceCertificate",
    "View",
    "gavel",
    "gavel_cluster",
    "gavel_file",
    "pai",
    "philly",
    "read",
    "replay",
]
