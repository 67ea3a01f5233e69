"""Costs that are never stored as a matrix: sums of terms, and formulas compiled with Numba.

Both are checked once, when made; a solver then reads them as they stand.
"""

from __future__ import annotations

from .kernels import BoundKernel, Kernel, SlotKernel, kernel
from .terms import Term, Terms

__all__ = ["BoundKernel", "Kernel", "SlotKernel", "Term", "Terms", "kernel"]
