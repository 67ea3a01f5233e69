"""Packing: fractional devices, CPU and memory of nodes, with prices, reservations and bounds."""

from __future__ import annotations

from .certificate import BoundCertificate
from .columns import Explanation, Placement
from .packer import Packer
from .served_bound import Bound
from .templates import Template, mig, vnpu

__all__ = [
    "Bound",
    "BoundCertificate",
    "Explanation",
    "Packer",
    "Placement",
    "Template",
    "mig",
    "vnpu",
]
