"""Green accounting as data: rules, certificates, and the largest claim with its proof."""

from .check import Audit, ClaimCertificate, audit, verify
from .claim import claim, compare
from .formats import energytag, gec
from .record import Claim
from .rules import Rule, rule, rules
from .tables import read_folder, schema

__all__ = [
    "Audit",
    "Claim",
    "ClaimCertificate",
    "Rule",
    "audit",
    "claim",
    "compare",
    "energytag",
    "gec",
    "read_folder",
    "rule",
    "rules",
    "schema",
    "verify",
]
