"""Fair shares as functions of arrays: by a rule, or leximin with a proof; no scheduler needed.

`divide` is KAI's rule, `dominant_shares` and `borrowing` are Kueue's arithmetic on a tree of
`Quotas`; `leximin` divides classes of accelerators that not all can use, in whole units, and proves
it by cuts; `dominant` divides several resources at once (DRF).
"""

from __future__ import annotations

from ._inputs import subtree_sum
from .cohorts import Borrowing, DominantShare, DominantShares, borrowing, dominant_shares
from .division import Division, DivisionExplanation, divide
from .dominant_resource import TaskShares, dominant
from .leximin_shares import Level, ShareExplanation, Shares, SharesCertificate, leximin
from .queues import UNLIMITED, Queues, Quotas

__all__ = [
    "UNLIMITED",
    "Borrowing",
    "Division",
    "DivisionExplanation",
    "DominantShare",
    "DominantShares",
    "Level",
    "Queues",
    "Quotas",
    "ShareExplanation",
    "Shares",
    "SharesCertificate",
    "TaskShares",
    "borrowing",
    "divide",
    "dominant",
    "dominant_shares",
    "leximin",
    "subtree_sum",
]
